from odoo import api, fields, models
from odoo.tools import SQL

from ..tools import rebate


class DmsRebateBalance(models.Model):
    """Where a distributor stands in a programme's period: the sum of its accruals.

    It is the row on which concurrent postings meet: whoever comes second is told to try again, so that a tier is never
    computed on a base that another transaction is changing.
    """

    _name = "dms.rebate.balance"
    _description = "Rebate Standing"
    _order = "period_start desc, program_id, partner_id"
    _log_access = False

    program_id = fields.Many2one(
        "dms.rebate.program", "Programme", required=True, readonly=True, ondelete="restrict", index=True
    )
    partner_id = fields.Many2one(
        "res.partner", "Distributor", required=True, readonly=True, ondelete="restrict", index=True
    )
    period_start = fields.Date(required=True, readonly=True)
    period_end = fields.Date(compute="_compute_standing")
    company_id = fields.Many2one(related="program_id.company_id", store=True, index=True)
    currency_id = fields.Many2one(related="program_id.currency_id")
    base_amount = fields.Float("Base", digits=(18, 4), readonly=True)
    amount = fields.Monetary("Earned", readonly=True)
    rate_text = fields.Char("Reached", compute="_compute_standing")
    base_text = fields.Char("Base in Words", compute="_compute_standing")
    missing_text = fields.Char("Missing to Next Tier", compute="_compute_standing")
    next_rate_text = fields.Char("Next Rate", compute="_compute_standing")

    _key_uniq = models.Constraint(
        "UNIQUE(program_id, partner_id, period_start)",
        "A distributor has one standing per programme and period.",
    )

    @api.depends("base_amount", "program_id", "period_start")
    @api.depends_context("lang")
    def _compute_standing(self):
        for balance in self:
            distance = balance.program_id._get_tier_distance(rebate.decimal(balance.base_amount))
            balance.rate_text = distance["rate_text"]
            balance.base_text = balance.program_id._format_base(balance.base_amount)
            balance.missing_text = distance["missing_text"]
            balance.next_rate_text = distance["next_rate_text"]
            balance.period_end = balance.program_id._get_period_end(balance.period_start)

    @api.depends("program_id", "partner_id")
    def _compute_display_name(self):
        for balance in self:
            balance.display_name = f"{balance.program_id.display_name}: {balance.partner_id.display_name}"

    @api.model
    def _lock(self, keys):
        """Create what is missing, take the rows for this transaction and return what they hold.

        A transaction that started before another one changed a row fails here with a serialisation error, which Odoo
        answers by running the request again.

        :param keys: iterable of ``(program_id, partner_id, period_start, company_id)``
        :return: dict ``(program_id, partner_id, period_start)`` -> ``(id, base, amount)``, both Decimal
        """
        # One order for all transactions: two postings wait for each other instead of locking each other out.
        keys = sorted(set(keys))
        if not keys:
            return {}
        self.flush_model()
        # Coming second is foreseen, so it is no error in the log.
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO dms_rebate_balance (program_id, partner_id, period_start, company_id, base_amount, amount)
                     VALUES %s
                ON CONFLICT (program_id, partner_id, period_start)
                  DO UPDATE SET base_amount = dms_rebate_balance.base_amount
                  RETURNING program_id, partner_id, period_start, id, base_amount, amount
                """,
                SQL(", ").join(SQL("(%s, %s, %s, %s, 0, 0)", *key) for key in keys),
            ),
            log_exceptions=False,
        )
        return {
            (program, partner, start): (id_, base, amount)
            for program, partner, start, id_, base, amount in self.env.cr.fetchall()
        }

    @api.model
    def _store(self, values):
        """Write new sums.

        :param values: dict of id -> ``(base, amount)``, both Decimal
        """
        if not values:
            return
        self.env.execute_query(
            SQL(
                """
                UPDATE dms_rebate_balance AS balance
                   SET base_amount = new.base_amount, amount = new.amount
                  FROM (VALUES %s) AS new (id, base_amount, amount)
                 WHERE balance.id = new.id
             RETURNING balance.id
                """,
                SQL(", ").join(
                    SQL("(%s, %s::numeric, %s::numeric)", id_, *sums) for id_, sums in values.items()
                ),
            )
        )
        self.browse(values).invalidate_recordset(["base_amount", "amount"], flush=False)

    @api.model
    def _check_consistency(self):
        """Return the standings that are not the sum of their accruals: a list of dicts (id, base, amount, expected_base,
        expected_amount), empty when all is well."""
        self.env["dms.rebate.accrual"].flush_model()
        return self.env.execute_query_dict(
            SQL(
                """
                SELECT balance.id, balance.base_amount AS base, balance.amount,
                       COALESCE(total.base, 0) AS expected_base, COALESCE(total.amount, 0) AS expected_amount
                  FROM dms_rebate_balance AS balance
             LEFT JOIN (SELECT program_id, partner_id, period_start, SUM(base_amount) AS base, SUM(amount) AS amount
                          FROM dms_rebate_accrual
                         GROUP BY program_id, partner_id, period_start) AS total
                 USING (program_id, partner_id, period_start)
                 WHERE balance.base_amount IS DISTINCT FROM COALESCE(total.base, 0)
                    OR balance.amount IS DISTINCT FROM COALESCE(total.amount, 0)
                """
            )
        )
