from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.fields import Command, Domain
from odoo.tools import SQL, formatLang

from ..tools import deduction, guard

BATCH = 500
# States in which the short amount is still open on the invoice.
LIVE = ("open", "approve", "queued", "charged")
# What the buttons and the ledger change.
GUARDED = {
    "name",
    "partner_id",
    "company_id",
    "currency_id",
    "move_line_id",
    "payment_line_id",
    "date",
    "memo",
    "amount",
    "open_amount",
    "state",
    "origin_id",
    "suggestion",
    "suggestion_score",
    "suggestion_why",
    "requested_by_id",
    "entry_id",
    "matched_id",
    "settlement_id",
}
APPROVAL_ACTIVITY = "dms_channel.mail_activity_type_write_off"


class DmsDeduction(models.Model):
    """What a distributor paid less than an invoice asked for, until somebody has decided what becomes of it."""

    _name = "dms.deduction"
    _description = "Deduction"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "date desc, id desc"
    _check_company_auto = True

    name = fields.Char("Deduction No.", readonly=True, required=True, copy=False, index="trigram")
    partner_id = fields.Many2one(
        "res.partner", "Distributor", required=True, readonly=True, index=True, ondelete="restrict"
    )
    company_id = fields.Many2one("res.company", required=True, readonly=True, index=True, ondelete="restrict")
    currency_id = fields.Many2one("res.currency", required=True, readonly=True, ondelete="restrict")
    move_line_id = fields.Many2one(
        "account.move.line", "Open Item", required=True, readonly=True, index=True, ondelete="cascade"
    )
    move_id = fields.Many2one(
        "account.move", "Invoice", related="move_line_id.move_id", store=True, index=True
    )
    payment_line_id = fields.Many2one(
        "account.move.line", "Short Payment", readonly=True, index="btree_not_null", ondelete="set null"
    )
    date = fields.Date("Paid on", required=True, readonly=True)
    memo = fields.Char("Payment Memo", readonly=True)
    amount = fields.Monetary("Deducted", required=True, readonly=True, tracking=True)
    open_amount = fields.Monetary(
        "Still Open", readonly=True, help="What of it is still open on the invoice."
    )
    company_currency_id = fields.Many2one(related="company_id.currency_id")
    company_amount = fields.Monetary(
        "Deducted in Company Currency",
        currency_field="company_currency_id",
        compute="_compute_company_amount",
        store=True,
    )
    state = fields.Selection(
        [
            ("open", "To Resolve"),
            ("approve", "To Approve"),
            ("queued", "Next Settlement"),
            ("charged", "Charged Back"),
            ("written_off", "Written Off"),
            ("credited", "Credited"),
            ("settled", "Settled"),
            ("paid", "Paid"),
        ],
        default="open",
        required=True,
        readonly=True,
        index=True,
        copy=False,
        tracking=True,
        group_expand=True,
    )
    reason_id = fields.Many2one(
        "dms.deduction.reason",
        check_company=True,
        index="btree_not_null",
        ondelete="restrict",
        tracking=True,
    )
    user_id = fields.Many2one("res.users", "Responsible", domain=[("share", "=", False)], tracking=True)
    note = fields.Text()
    origin_id = fields.Many2one(
        "dms.deduction", "Split from", readonly=True, index="btree_not_null", ondelete="restrict"
    )
    part_ids = fields.One2many("dms.deduction", "origin_id", "Split into")
    suggestion = fields.Reference("_selection_suggestion", readonly=True)
    suggestion_score = fields.Integer("Certainty", readonly=True, aggregator=None)
    suggestion_why = fields.Selection(
        [
            ("both", "Same amount, and named in the payment's memo"),
            ("reference", "Named in the payment's memo"),
            ("amount", "Same amount"),
            ("near", "Nearly the same amount"),
        ],
        "Because",
        readonly=True,
    )
    requested_by_id = fields.Many2one("res.users", "Write-off Asked by", readonly=True, copy=False)
    entry_id = fields.Many2one(
        "account.move", "Posted by", readonly=True, copy=False, index="btree_not_null", ondelete="set null"
    )
    matched_id = fields.Many2one(
        "account.move", "Credited by", readonly=True, copy=False, index="btree_not_null", ondelete="set null"
    )
    settlement_id = fields.Many2one(
        "dms.settlement", readonly=True, copy=False, index="btree_not_null", ondelete="set null"
    )

    _amount_positive = models.Constraint("CHECK(amount > 0)", "A deduction is an amount above zero.")
    _name_uniq = models.UniqueIndex("(company_id, name)", "Another deduction has this number already.")

    # === COMPUTE ===

    @api.depends("amount", "currency_id", "company_id", "date")
    def _compute_company_amount(self):
        for record in self:
            record.company_amount = record.currency_id._convert(
                record.amount, record.company_id.currency_id, record.company_id, record.date
            )

    @api.model
    def _selection_suggestion(self):
        """Models of documents that a short payment may have been taken for; others add theirs."""
        return [
            ("account.move", self.env._("Credit Note")),
            ("dms.settlement", self.env._("Settlement")),
        ]

    # === CRUD ===

    @api.model_create_multi
    def create(self, vals_list):
        if not guard.is_marked(self):
            raise UserError(
                self.env._(
                    "Deductions are found in the payments: use Find Short Payments instead of entering one."
                )
            )
        return super().create(vals_list)

    def write(self, vals):
        # A merge of partners writes all references, those of no record too.
        if self and not guard.is_marked(self):
            if locked := GUARDED & vals.keys():
                raise UserError(
                    self.env._(
                        "What was deducted, and what became of it, changes by the buttons only (%s).",
                        ", ".join(sorted(locked)),
                    )
                )
            if "reason_id" in vals and self.filtered(
                lambda record: record.state in ("approve", "written_off")
            ):
                raise UserError(self.env._("The reason of a write-off stays. Take the write-off back first."))
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_found(self):
        raise UserError(
            self.env._("Deductions are kept: resolve them, so that everybody can see what became of them.")
        )

    # === FINDING ===

    @api.model
    def _find(self, companies=None, partners=None, percent=None, commit=False):
        """Take up short payments: invoices that a payment left open by no more than the tolerance.

        What an earlier deduction covers is not found again, so that running it twice finds nothing new.

        :param companies: those of the user where not given
        :param partners: restrict to these distributors
        :param percent: tolerance in percent of the invoice, instead of the distributor's or the company's
        :param commit: end the transaction after each batch, for jobs
        :return: the new deductions
        """
        companies = companies or self.env.companies
        rows = self._get_short_payments(companies, partners, percent)
        found = self.browse()
        cron = self.env["ir.cron"]
        if commit:
            cron._commit_progress(remaining=len(rows))
        for first in range(0, len(rows), BATCH):
            batch = rows[first : first + BATCH]
            created_sudo = guard.mark(self.sudo()).create([self._prepare_vals(row) for row in batch])
            found |= self.browse(created_sudo.ids)
            if commit and not cron._commit_progress(len(batch)):
                break
        self.search([("state", "=", "open"), ("company_id", "in", companies.ids)])._suggest()
        return found

    @api.model
    def _get_short_payments(self, companies, partners=None, percent=None):
        """Receivable items of invoices that were paid in part by a payment that is used up, as dicts."""
        for model in (
            "account.move.line",
            "account.move",
            "account.partial.reconcile",
            "res.partner",
            "dms.deduction",
        ):
            self.env[model].flush_model()
        self.env["res.company"].flush_model()
        members = (
            SQL("member.channel_role = 'distributor'")
            if partners is None
            else SQL("member.id = ANY(%s)", partners.commercial_partner_id.ids)
        )
        tolerance = (
            SQL("COALESCE(NULLIF(member.dms_deduction_percent, 0), company.dms_deduction_percent)")
            if percent is None
            else SQL("%s", percent)
        )
        return self.env.execute_query_dict(
            SQL(
                """
                WITH covered AS (
                    SELECT move_line_id, SUM(open_amount) AS amount
                      FROM dms_deduction WHERE state = ANY(%(live)s) GROUP BY move_line_id
                ),
                known AS (SELECT move_line_id, COUNT(*) AS count FROM dms_deduction GROUP BY move_line_id)
                SELECT item.id AS move_line_id, item.company_id, item.currency_id, member.id AS partner_id,
                       move.name AS invoice, COALESCE(known.count, 0) AS known, paying.id AS payment_line_id,
                       paying.date, COALESCE(payment.memo, bank.payment_ref, paying.name) AS memo,
                       item.amount_residual_currency - COALESCE(covered.amount, 0) AS amount,
                       COALESCE(member.user_id, move.invoice_user_id) AS user_id
                  FROM account_move_line AS item
                  JOIN account_move AS move ON move.id = item.move_id
                  JOIN account_account AS account ON account.id = item.account_id
                  JOIN res_company AS company ON company.id = item.company_id
                  JOIN res_partner AS contact ON contact.id = item.partner_id
                  JOIN res_partner AS member ON member.id = contact.commercial_partner_id
                  JOIN LATERAL (
                        SELECT credit.id, credit.date, credit.name, source.origin_payment_id, source.statement_line_id
                          FROM account_partial_reconcile AS partial
                          JOIN account_move_line AS credit ON credit.id = partial.credit_move_id
                          JOIN account_move AS source ON source.id = credit.move_id
                         WHERE partial.debit_move_id = item.id AND credit.reconciled
                           AND (source.origin_payment_id IS NOT NULL OR source.statement_line_id IS NOT NULL)
                      ORDER BY credit.date DESC, credit.id DESC
                         LIMIT 1
                       ) AS paying ON TRUE
             LEFT JOIN account_payment AS payment ON payment.id = paying.origin_payment_id
             LEFT JOIN account_bank_statement_line AS bank ON bank.id = paying.statement_line_id
             LEFT JOIN covered ON covered.move_line_id = item.id
             LEFT JOIN known ON known.move_line_id = item.id
                 WHERE account.account_type = 'asset_receivable' AND item.parent_state = 'posted'
                   AND move.move_type = 'out_invoice' AND NOT item.reconciled AND item.amount_residual_currency > 0
                   AND item.company_id = ANY(%(companies)s) AND %(members)s
                   AND item.amount_residual > COALESCE(company.dms_deduction_min, 0)
                   AND item.amount_residual_currency - COALESCE(covered.amount, 0) > 0
                   AND item.amount_residual_currency <= item.amount_currency * %(tolerance)s / 100.0
              ORDER BY paying.date, item.id
                """,
                live=list(LIVE),
                companies=companies.ids,
                members=members,
                tolerance=tolerance,
            )
        )

    @api.model
    def _prepare_vals(self, row):
        return {
            "name": f"{row['invoice']}/D{row['known'] + 1}",
            "partner_id": row["partner_id"],
            "company_id": row["company_id"],
            "currency_id": row["currency_id"],
            "move_line_id": row["move_line_id"],
            "payment_line_id": row["payment_line_id"],
            "date": row["date"],
            "memo": row["memo"],
            "amount": float(row["amount"]),
            "open_amount": float(row["amount"]),
            "user_id": row["user_id"],
        }

    @api.model
    def _cron_find(self):
        """Find short payments of all companies. Run daily."""
        companies = self.env["res.company"].search([("chart_template", "!=", False)])
        self.with_context(allowed_company_ids=companies.ids)._find(companies, commit=True)

    # === SUGGESTIONS ===

    def action_suggest(self):
        self.filtered(lambda record: record.state == "open")._suggest()

    def _suggest(self):
        """Note for each which open credit, or settlement to come, it was most likely taken for."""
        candidates = {}
        for party, key, amount, references in self._get_candidates():
            candidates.setdefault(party, []).append(
                deduction.Candidate(key, Decimal(str(amount)), tuple(filter(None, references)))
            )
        by_party = self.grouped(
            lambda record: (record.partner_id.id, record.company_id.id, record.currency_id.id)
        )
        for party, records in by_party.items():
            chosen = deduction.assign(
                [
                    (record.id, Decimal(str(record.open_amount)), f"{record.memo or ''} {record.note or ''}")
                    for record in records.sorted("id")
                ],
                candidates.get(party, []),
            )
            for record in records:
                key, points, why = chosen.get(record.id, (False, 0, False))
                vals = {
                    "suggestion": key and f"{key[0]},{key[1]}",
                    "suggestion_score": points,
                    "suggestion_why": why,
                }
                if (record.suggestion_score, record.suggestion_why) != (points, why) or (
                    key and (record.suggestion._name, record.suggestion.id) != key
                ):
                    guard.mark(record).write(vals)

    def _get_candidates(self):
        """Open credits, and settlements that are not posted yet, of these distributors. Others add theirs.

        :return: list of ``((partner id, company id, currency id), (model, id), amount, references)``
        """
        rows = []
        for partner, company, currency, move, residual in self.env["account.move.line"]._read_group(
            self._get_credit_domain() & Domain("move_id.move_type", "!=", "entry"),
            ["partner_id", "company_id", "currency_id", "move_id"],
            ["amount_residual_currency:sum"],
        ):
            rows.append(
                (
                    (partner.commercial_partner_id.id, company.id, currency.id),
                    ("account.move", move.id),
                    -residual,
                    (move.name, move.ref, move.dms_settlement_id.name),
                )
            )
        for settlement in self.env["dms.settlement"].search(self._get_settlement_domain()):
            rows.append(
                (
                    (settlement.partner_id.id, settlement.company_id.id, settlement.currency_id.id),
                    ("dms.settlement", settlement.id),
                    settlement.amount_total,
                    (settlement.name,),
                )
            )
        return rows

    def _get_credit_domain(self):
        """Receivable items by which these distributors have something to their credit."""
        return Domain(
            [
                ("partner_id.commercial_partner_id", "in", self.partner_id.ids),
                ("company_id", "in", self.company_id.ids),
                ("account_id.account_type", "=", "asset_receivable"),
                ("parent_state", "=", "posted"),
                ("reconciled", "=", False),
                ("amount_residual_currency", "<", 0),
            ]
        )

    def _get_settlement_domain(self):
        """Settlements that promise these distributors an amount and are not posted yet."""
        return [
            ("partner_id", "in", self.partner_id.ids),
            ("company_id", "in", self.company_id.ids),
            ("state", "not in", ("posted", "cancelled")),
            ("amount_total", ">", 0),
        ]

    # === ACTIONS ===

    def action_match(self):
        """Set the deduction off against the credit that is suggested; with a settlement to come, wait for that."""
        for record in self._check_states("open"):
            document = record.suggestion
            if not document:
                raise UserError(
                    self.env._(
                        "%s has no suggestion. Search for one, charge it back, write it off or queue it.",
                        record.name,
                    )
                )
            if document._name == "dms.settlement":
                record._queue()
            else:
                record._match(document)

    def action_queue(self):
        """Have the next settlement take it off what the distributor gets."""
        for record in self._check_states("open", "charged"):
            record._queue()

    def action_charge_back(self):
        """The distributor owes it: say so on the invoice, and ask for the money."""
        for record in self._check_states("open", "queued"):
            record._leave_settlement()
            record._set_state("charged")
            invoice = record.move_id
            invoice.message_post(
                body=self.env._(
                    "Deduction %(name)s of %(amount)s is not accepted and stays due.%(note)s",
                    name=record.name,
                    amount=record._format_money(record.open_amount),
                    note=f" {record.note}" if record.note else "",
                )
            )
            invoice.activity_schedule(
                "mail.mail_activity_data_todo",
                user_id=(record.user_id or invoice.invoice_user_id or self.env.user).id,
                summary=self.env._(
                    "Collect %s, which was deducted", record._format_money(record.open_amount)
                ),
            )

    def action_write_off(self):
        """Post it as cost of its reason; above the reason's limit an approval comes first."""
        for record in self._check_states("open", "charged"):
            reason = record.reason_id
            if not reason:
                raise UserError(
                    self.env._(
                        "Choose a reason for %s first: it says on which account it is posted.", record.name
                    )
                )
            amount = record.currency_id._convert(
                record.open_amount,
                record.company_currency_id,
                record.company_id,
                fields.Date.context_today(self),
            )
            if record.company_currency_id.compare_amounts(amount, reason.limit_amount) > 0:
                guard.mark(record).requested_by_id = self.env.user
                record._set_state("approve")
                record._ask_approval()
            else:
                record._write_off()

    def action_approve(self):
        for record in self._check_states("approve"):
            group = record.reason_id.group_id
            if not self.env.su and group not in self.env.user.all_group_ids:
                raise AccessError(
                    self.env._(
                        "Write-offs of this reason above its limit are approved by %s.", group.display_name
                    )
                )
            if not self.env.su and record.requested_by_id == self.env.user:
                raise AccessError(
                    self.env._("You asked for this write-off: somebody else has to approve it.")
                )
            record.activity_feedback([APPROVAL_ACTIVITY])
            record._write_off()

    def action_reopen(self):
        """Take a decision back, as long as nothing was posted."""
        for record in self._check_states("approve", "queued", "charged"):
            record._leave_settlement()
            record.activity_unlink([APPROVAL_ACTIVITY])
            guard.mark(record).requested_by_id = False
            record._set_state("open")

    def action_reverse(self):
        """Take back what was posted: by a reversal of the entry, which opens the invoice's item again."""
        for record in self._check_states("written_off", "credited"):
            entry_sudo = record.entry_id.sudo()
            matched_sudo = record.matched_id.sudo()
            guard.mark(record).write({"entry_id": False, "matched_id": False})
            if entry_sudo:
                entry_sudo.line_ids.remove_move_reconcile()
                reversal_sudo = entry_sudo._reverse_moves(
                    [
                        {
                            "ref": self.env._("Reversal of deduction %s", record.name),
                            "date": fields.Date.context_today(self),
                        }
                    ],
                    cancel=True,
                )
                record.message_post(body=self.env._("Reversed by %s.", reversal_sudo._get_html_link()))
            else:
                partials_sudo = record.move_line_id.sudo().matched_credit_ids.filtered(
                    lambda partial, m=matched_sudo: partial.credit_move_id.move_id == m
                )
                partials_sudo.unlink()
            record.move_line_id._dms_sync_deductions()

    def action_view_invoice(self):
        self.ensure_one()
        return self.move_id._get_records_action(context={})

    def action_view_payment(self):
        self.ensure_one()
        move = self.payment_line_id.move_id
        return (move.origin_payment_id or move)._get_records_action()

    def action_view_entry(self):
        self.ensure_one()
        return (self.entry_id or self.matched_id)._get_records_action(context={})

    def action_view_parts(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_deduction_action")
        root = self.origin_id or self
        return dict(action, domain=["|", ("id", "=", root.id), ("origin_id", "=", root.id)], context={})

    # === BUSINESS ===

    def _check_states(self, *states):
        """These records, locked; raises where one is in another state."""
        guard.lock(self, "state", "open_amount")
        labels = dict(self._fields["state"]._description_selection(self.env))
        for record in self:
            if record.state not in states:
                raise UserError(
                    self.env._(
                        "Deduction %(name)s is in state “%(state)s”: this can't be done with it now.",
                        name=record.name,
                        state=labels[record.state],
                    )
                )
        return self

    def _set_state(self, state, **vals):
        return guard.mark(self).write({"state": state, **vals})

    def _format_money(self, amount):
        return formatLang(self.env, amount, currency_obj=self.currency_id)

    def _queue(self):
        self.ensure_one()
        self._set_state("queued")

    def _split(self, amount):
        """Keep ``amount`` here and make a deduction of its own of the rest.

        :return: the new one
        """
        self.ensure_one()
        self._check_states("open")
        rest = self.currency_id.round(self.open_amount - amount)
        if self.currency_id.compare_amounts(amount, 0) <= 0 or self.currency_id.compare_amounts(rest, 0) <= 0:
            raise UserError(
                self.env._(
                    "Enter an amount between zero and %s: both parts must be above zero.",
                    self._format_money(self.open_amount),
                )
            )
        count = self.sudo().search_count([("move_line_id", "=", self.move_line_id.id)])
        part = guard.mark(self).sudo().create(
            {
                "name": f"{self.move_id.name}/D{count + 1}",
                "partner_id": self.partner_id.id,
                "company_id": self.company_id.id,
                "currency_id": self.currency_id.id,
                "move_line_id": self.move_line_id.id,
                "payment_line_id": self.payment_line_id.id,
                "date": self.date,
                "memo": self.memo,
                "amount": rest,
                "open_amount": rest,
                "user_id": self.user_id.id,
                "origin_id": (self.origin_id or self).id,
            }
        )  # fmt: skip
        guard.mark(self).write({"amount": amount, "open_amount": amount})
        part = self.browse(part.id)
        self.message_post(
            body=self.env._(
                "%(amount)s split off as %(part)s.",
                amount=self._format_money(rest),
                part=part._get_html_link(),
            )
        )
        (self | part)._suggest()
        return part

    def _match(self, document):
        """Reconcile with a credit; what it does not cover becomes a deduction of its own."""
        self.ensure_one()
        credits = self.env["account.move.line"].search(
            self._get_credit_domain()
            & Domain("move_id", "=", document.id)
            & Domain("currency_id", "=", self.currency_id.id)
        )
        available = -sum(credits.mapped("amount_residual_currency"))
        if self.currency_id.compare_amounts(available, 0) <= 0:
            raise UserError(
                self.env._("%s is used up by now. Search for another suggestion.", document.display_name)
            )
        if self.currency_id.compare_amounts(available, self.open_amount) < 0:
            self._split(available)
        amount, item = self.open_amount, self.move_line_id
        whole = not self.currency_id.compare_amounts(amount, item.amount_residual_currency)
        fits = not self.currency_id.compare_amounts(amount, available)
        self._set_state("credited", matched_id=document.id, open_amount=0.0)
        if (whole or fits) and credits.account_id == item.account_id:
            (item | credits).reconcile()
        else:
            self._set_off(credits[0], amount)
        self.message_post(body=self.env._("Set off against %s.", document._get_html_link()))

    def _set_off(self, credit, amount):
        """Take a part of a credit for a part of the item, by an entry between the two."""
        entry = self._post_entry(
            self.reason_id.journal_id
            or self.env["dms.deduction.reason"]._get_default_journal(self.company_id),
            credit.account_id,
            self.env._("Deduction %(name)s: %(credit)s", name=self.name, credit=credit.move_id.name),
            amount,
        )
        (credit | entry.line_ids.filtered(lambda line: line.amount_currency > 0)).reconcile()

    def _write_off(self):
        self.ensure_one()
        amount = self.open_amount
        self._set_state("written_off", open_amount=0.0)
        entry = self._post_entry(
            self.reason_id.journal_id,
            self.reason_id.account_id,
            self.env._("Deduction %(name)s: %(reason)s", name=self.name, reason=self.reason_id.name),
            amount,
        )
        self.message_post(body=self.env._("Written off by %s.", entry._get_html_link()))

    def _post_entry(self, journal, account, label, amount):
        """Post ``amount`` from the item's account to another one, and reconcile it with the item."""
        item = self.move_line_id
        today = fields.Date.context_today(self)
        balance = self.currency_id._convert(amount, self.company_currency_id, self.company_id, today)
        entry = (
            self.env["account.move"]
            .sudo()
            .create(
                {
                    "move_type": "entry",
                    "company_id": self.company_id.id,
                    "journal_id": journal.id,
                    "date": today,
                    "ref": self.name,
                    "dms_deduction_id": self.id,
                    "line_ids": [
                        Command.create(
                            {
                                "name": label,
                                "account_id": account_id,
                                "partner_id": item.partner_id.id,
                                "currency_id": self.currency_id.id,
                                "amount_currency": sign * amount,
                                "balance": sign * balance,
                            }
                        )
                        for account_id, sign in ((account.id, 1), (item.account_id.id, -1))
                    ],
                }
            )
        )
        entry._post(soft=False)
        guard.mark(self).entry_id = entry
        credit = entry.line_ids.filtered(
            lambda line: line.account_id == item.account_id and line.amount_currency < 0
        )
        (item.sudo() | credit).reconcile()
        return entry

    def _ask_approval(self):
        self.ensure_one()
        approvers_sudo = self.sudo().reason_id.group_id.all_user_ids.filtered(
            lambda user: self.company_id in user.company_ids and user != self.env.user and not user.share
        )
        for user in approvers_sudo:
            self.activity_schedule(
                APPROVAL_ACTIVITY,
                user_id=user.id,
                summary=self.env._(
                    "Approve the write-off of %(amount)s for %(partner)s",
                    amount=self._format_money(self.open_amount),
                    partner=self.partner_id.display_name,
                ),
            )

    # === WHAT THE LEDGER SAYS ===

    def _sync(self):
        """Bring open amounts and states in line with what is open on the items (called as superuser).

        An item that was paid meanwhile closes its deductions, the older first; one that is open again brings back those
        that were closed, the latest first.
        """
        for item, records in self.sorted("id").grouped("move_line_id").items():
            left = item.amount_residual_currency if item.parent_state == "posted" else 0.0
            live = records.filtered(lambda record: record.state in LIVE)
            closed = records - live
            # From the latest on: a payment settles the oldest.
            for record in live.sorted("id", reverse=True):
                part = min(record.amount, max(left, 0.0))
                left = record.currency_id.round(left - part)
                if record.currency_id.is_zero(part):
                    record._close_paid()
                elif record.currency_id.compare_amounts(part, record.open_amount):
                    guard.mark(record).open_amount = part
            for record in closed.sorted("id", reverse=True):
                if record._is_settled_by_entry():
                    continue
                part = min(record.amount, max(left, 0.0))
                left = record.currency_id.round(left - part)
                if not record.currency_id.is_zero(part):
                    record._open_again(part)

    def _is_settled_by_entry(self):
        """Whether what closed it is still reconciled with the item."""
        self.ensure_one()
        moves = self.entry_id | self.matched_id
        if not moves:
            return False
        return bool(
            self.move_line_id.matched_credit_ids.filtered(
                lambda partial: partial.credit_move_id.move_id in moves
            )
        )

    def _close_paid(self):
        self.ensure_one()
        self.activity_unlink([APPROVAL_ACTIVITY])
        self._set_state("paid", open_amount=0.0)
        self.message_post(
            body=self.env._("%s was settled in the ledger meanwhile.", self.move_id._get_html_link())
        )

    def _open_again(self, amount):
        self.ensure_one()
        state = "queued" if self.state == "settled" else "open"
        self._set_state(
            state,
            open_amount=amount,
            entry_id=False,
            matched_id=False,
            settlement_id=False,
            requested_by_id=False,
        )
        self.message_post(body=self.env._("%s is open again.", self.move_id._get_html_link()))

    # === SETTLEMENT ===

    @api.model
    def _get_queued(self, partners, companies):
        """Deductions that wait for the next settlement of distributors; one for each open item, the oldest."""
        taken = self.env["dms.settlement.line"].search(
            [("pending", "=", True), ("kind", "=", "deduction"), ("partner_id", "in", partners.ids)]
        )
        records = self.search(
            [
                ("state", "=", "queued"),
                ("partner_id", "in", partners.ids),
                ("company_id", "in", companies.ids),
                ("open_amount", ">", 0),
                ("move_line_id", "not in", taken.item_id.ids),
            ],
            order="id",
        )
        first = {}
        for record in records:
            first.setdefault(record.move_line_id, record)
        return self.browse([record.id for record in first.values()])

    def _prepare_settlement_line_vals(self):
        self.ensure_one()
        return {
            "kind": "deduction",
            "name": self.env._("Deducted from %s", self.move_id.name),
            "amount": -self.open_amount,
            "item_id": self.move_line_id.id,
            "document": f"{self._name},{self.id}",
        }

    def _leave_settlement(self):
        """Take queued deductions off the drafts that they are on; what was sent keeps them.

        :raises UserError: when the distributor has been sent the settlement
        """
        lines_sudo = (
            self.env["dms.settlement.line"]
            .sudo()
            .search(
                [("pending", "=", True), ("document", "in", [f"{self._name},{record.id}" for record in self])]
            )
        )
        for line in lines_sudo:
            if line.settlement_id.state != "draft":
                raise UserError(
                    self.env._(
                        "%(deduction)s is on settlement %(settlement)s, which was sent: correct or cancel that first.",
                        deduction=line.document.name,
                        settlement=line.settlement_id.name,
                    )
                )
        lines_sudo.unlink()

    def _mark_settled(self, settlement):
        """A settlement is about to take these off; the reconciliation that follows brings the amounts in line."""
        for record in self:
            record._set_state("settled", settlement_id=settlement.id, open_amount=0.0)
            record.message_post(body=self.env._("Taken off by settlement %s.", settlement._get_html_link()))
