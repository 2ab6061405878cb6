from collections import defaultdict

from odoo import api, fields, models
from odoo.tools import SQL

from ..tools import rebate, rebate_period


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
    base_amount = fields.Float("Accrued Base", digits=(18, 4), readonly=True)
    amount = fields.Monetary("Accrued", readonly=True)
    measure_amount = fields.Float(
        "Base", digits=(18, 4), readonly=True, help="What counts in the period so far."
    )
    earned_amount = fields.Monetary(
        "Earned", readonly=True, help="The rebate of what counts in the period so far."
    )
    due_amount = fields.Monetary(
        "To Accrue in All",
        readonly=True,
        help="What the ledger should hold: at the tier reached or expected.",
    )
    forecast_amount = fields.Monetary(readonly=True)
    expected_amount = fields.Monetary(
        "Expected", compute="_compute_expected", help="The period's rebate at its daily rate so far."
    )
    expected_text = fields.Char("Expected Base", compute="_compute_expected")
    baseline_amount = fields.Float("Target or Baseline", digits=(18, 4), readonly=True)
    lines = fields.Json(readonly=True)
    explanation = fields.Text("How It Was Computed", compute="_compute_explanation")
    computed_on = fields.Datetime(readonly=True)
    measure_share = fields.Float("Way to the Next Tier", compute="_compute_standing")
    rate_text = fields.Char("Reached", compute="_compute_standing")
    base_text = fields.Char("Base in Words", compute="_compute_standing")
    missing_text = fields.Char("Missing to Next Tier", compute="_compute_standing")
    next_rate_text = fields.Char("Next Rate", compute="_compute_standing")

    _key_uniq = models.Constraint(
        "UNIQUE(program_id, partner_id, period_start)",
        "A distributor has one standing per programme and period.",
    )

    @api.depends("measure_amount", "program_id", "period_start")
    @api.depends_context("lang")
    def _compute_standing(self):
        for balance in self:
            distance = balance._get_distance()
            balance.rate_text = distance["rate_text"]
            balance.base_text = balance.program_id._format_base(balance.measure_amount)
            following = distance["next_from"]
            balance.measure_share = (
                max(min(100 * (following - distance["missing"]) / following, 100), 0) if following else 100
            )
            balance.missing_text = distance["missing_text"]
            balance.next_rate_text = distance["next_rate_text"]
            balance.period_end = balance.program_id._get_period_end(balance.period_start)

    @api.depends("measure_amount", "forecast_amount", "program_id", "period_start")
    @api.depends_context("lang")
    def _compute_expected(self):
        today = fields.Date.context_today(self)
        for balance in self:
            program = balance.program_id
            end = program._get_period_end(balance.period_start) or None
            expected = rebate_period.project(
                rebate.decimal(balance.measure_amount), balance.period_start, end, today
            )
            balance.expected_text = program._format_base(expected)
            balance.expected_amount = (
                float(program._compute_rebate(expected).total)
                if program._is_plain()
                else balance.forecast_amount
            )

    @api.depends("lines", "measure_amount", "program_id")
    @api.depends_context("lang")
    def _compute_explanation(self):
        for balance in self:
            program = balance.program_id
            lines = balance.lines or program._compute_rebate(rebate.decimal(balance.measure_amount)).to_json()
            balance.explanation = "\n".join(program._explain_lines(lines))

    def _get_distance(self):
        self.ensure_one()
        whole = self._get_whole(self.program_id, self.partner_id, self.period_start)
        return self.program_id._get_tier_distance(rebate.decimal(self.measure_amount), whole)

    def _get_whole(self, program, partner, start):
        """Return the target or baseline that the bounds of the tiers are percentages of, None without one."""
        if self.baseline_amount:
            return rebate.decimal(self.baseline_amount)
        stated = {
            target.period_start: target.amount
            for target in program.target_ids
            if target.partner_id == partner
        }
        amount = stated.get(start, stated.get(False))
        return rebate.decimal(amount) if amount else None

    @api.depends("program_id", "partner_id")
    def _compute_display_name(self):
        for balance in self:
            balance.display_name = f"{balance.program_id.display_name}: {balance.partner_id.display_name}"

    # === ACTIONS ===

    def action_view_lines(self):
        """Open the lines of documents that the period was measured on."""
        self.ensure_one()
        program_sudo = self.program_id.sudo()
        lines = (
            self.env["dms.rebate.engine"]
            .sudo()
            ._get_line_ids(program_sudo, self.partner_id.id, self.period_start)
        )
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Lines"),
            "res_model": self.env["dms.rebate.source"]._get_line_model(program_sudo.measure),
            "view_mode": "list,form",
            "domain": [("id", "in", lines)],
            "context": {"create": False, "edit": False, "delete": False},
        }

    def action_view_accruals(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_rebate_accrual_action")
        domain = [
            ("program_id", "=", self.program_id.id),
            ("partner_id", "=", self.partner_id.id),
            ("period_start", "=", self.period_start),
        ]
        return dict(action, domain=domain, context={})

    # === LEDGER ===

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
                   SET base_amount = new.base_amount, amount = new.amount,
                       measure_amount = CASE program.accrual_policy WHEN 'posting' THEN new.base_amount
                                                                    ELSE balance.measure_amount END,
                       earned_amount = CASE program.accrual_policy WHEN 'posting' THEN new.amount
                                                                   ELSE balance.earned_amount END
                  FROM dms_rebate_program AS program,
                       (VALUES %s) AS new (id, base_amount, amount)
                 WHERE balance.id = new.id AND program.id = balance.program_id
             RETURNING balance.id
                """,
                SQL(", ").join(
                    SQL("(%s, %s::numeric, %s::numeric)", id_, *sums) for id_, sums in values.items()
                ),
            )
        )
        self.browse(values).invalidate_recordset(
            ["base_amount", "amount", "measure_amount", "earned_amount"], flush=False
        )

    # === COMPUTED STANDINGS ===

    @api.model
    def _store_computed(self, programs, standings, partners=None):
        """Store what the engine computed; standings that it no longer finds fall to zero.

        :param standings: dict (program id, partner id, period start) -> :class:`.dms_rebate_engine.Standing`
        :param partners: the distributors that were computed, None for all
        """
        today = fields.Date.context_today(self)
        # The database's clock: it goes on within a transaction, and tells what this run has touched.
        [(stamp,)] = self.env.execute_query(SQL("SELECT clock_timestamp() AT TIME ZONE 'UTC'"))
        rows = []
        for (program_id, partner_id, start), standing in standings.items():
            due, lines, forecast = standing.earned, None, None
            if standing.result:
                forecast = standing.program._project(standing, today)[1]
            if standing.result or standing.program.accrual_tier == "expected":
                due, lines = standing.program._estimate(standing, today)
            rows.append(
                (
                    program_id,
                    partner_id,
                    start,
                    standing.facts.measure,
                    standing.earned,
                    due,
                    forecast,
                    lines,
                    standing.facts.target or standing.facts.baseline,
                )
            )
        self._upsert(rows, stamp)
        within = SQL("TRUE") if partners is None else self._get_recomputed(programs, partners)
        self.env.cr.execute(
            SQL(
                """
                UPDATE dms_rebate_balance AS balance
                   SET measure_amount = 0, earned_amount = 0, due_amount = 0, forecast_amount = 0, lines = NULL,
                       computed_on = %(stamp)s
                 WHERE program_id = ANY(%(programs)s) AND computed_on < %(stamp)s AND %(within)s
                   AND (measure_amount != 0 OR earned_amount != 0 OR due_amount != 0)
                """,
                stamp=stamp,
                programs=programs.ids,
                within=within,
            )
        )
        self.invalidate_model(flush=False)

    @api.model
    def _get_recomputed(self, programs, partners):
        pools = programs.filtered(lambda program: program.pool_by != "none")
        return SQL("(partner_id = ANY(%s) OR program_id = ANY(%s))", partners.ids, pools.ids)

    @api.model
    def _upsert(self, rows, stamp):
        """Insert or update standings, ten thousand at a time."""
        self.flush_model()
        for first in range(0, len(rows), 10_000):
            columns = list(zip(*rows[first : first + 10_000], strict=True))
            self.env.cr.execute(
                SQL(
                    """
                    INSERT INTO dms_rebate_balance AS balance (
                                program_id, partner_id, period_start, company_id, base_amount, amount, measure_amount,
                                earned_amount, due_amount, forecast_amount, lines, baseline_amount, computed_on)
                         SELECT new.program_id, new.partner_id, new.period_start, program.company_id, 0, 0, new.measure,
                                new.earned, new.due, new.forecast, new.lines, new.baseline, %s
                           FROM unnest(%s::int[], %s::int[], %s::date[], %s::numeric[], %s::numeric[], %s::numeric[],
                                       %s::numeric[], %s::jsonb[], %s::numeric[])
                                AS new (program_id, partner_id, period_start, measure, earned, due, forecast, lines,
                                        baseline)
                           JOIN dms_rebate_program AS program ON program.id = new.program_id
                    ON CONFLICT (program_id, partner_id, period_start)
                      DO UPDATE SET measure_amount = EXCLUDED.measure_amount, earned_amount = EXCLUDED.earned_amount,
                                    due_amount = EXCLUDED.due_amount, forecast_amount = EXCLUDED.forecast_amount,
                                    lines = EXCLUDED.lines, baseline_amount = EXCLUDED.baseline_amount,
                                    computed_on = EXCLUDED.computed_on
                    """,
                    stamp,
                    *map(list, columns),
                ),
                log_exceptions=False,
            )

    @api.model
    def _add_measured(self, deltas, programs):
        """Add to the measures of plain programmes and compute what they earn now.

        :param deltas: dict (program id, partner id, period start) -> Decimal
        """
        program_of = {program.id: program for program in programs}
        groups = defaultdict(list)
        for key, measure in self._get_measures(deltas).items():
            groups[key[0]].append((key, measure + deltas[key]))
        rows = []
        today = fields.Date.context_today(self)
        for program_id, measured in groups.items():
            program = program_of[program_id]
            amounts = rebate.totals([measure for _key, measure in measured], program._get_terms())
            for (key, measure), amount in zip(measured, amounts, strict=True):
                due, lines = amount, None
                if program.accrual_tier == "expected":
                    due, lines = program._estimate(
                        program._get_plain_standing(key[2], measure, amount), today
                    )
                rows.append((*key, measure, amount, due, None, lines, None))
        self._upsert(rows, fields.Datetime.now())
        self.invalidate_model(flush=False)

    @api.model
    def _get_measures(self, keys):
        """Return the measures that stand, zero where nothing does: dict (program id, partner id, start) -> Decimal."""
        keys = list(keys)
        if not keys:
            return {}
        rows = self.env.execute_query(
            SQL(
                """
                SELECT key.program_id, key.partner_id, key.period_start, COALESCE(balance.measure_amount, 0)::text
                  FROM unnest(%s::int[], %s::int[], %s::date[]) AS key (program_id, partner_id, period_start)
             LEFT JOIN dms_rebate_balance AS balance
                       ON balance.program_id = key.program_id AND balance.partner_id = key.partner_id
                      AND balance.period_start = key.period_start
                """,
                *map(list, zip(*keys, strict=True)),
            )
        )
        return {tuple(key): rebate.decimal(measure) for *key, measure in rows}

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
