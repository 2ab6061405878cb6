from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command, Domain
from odoo.tools import config, format_date, formatLang

from ..tools import guard, pdf, rebate

# What confirmation freezes.
FIGURES = {"partner_id", "company_id", "currency_id", "date_from", "date_to", "line_ids", "name"}


class DmsSettlement(models.Model):
    _name = "dms.settlement"
    _description = "Settlement"
    _inherit = ["mail.thread", "mail.activity.mixin", "portal.mixin"]
    _order = "date_to desc, id desc"
    _check_company_auto = True

    name = fields.Char("Settlement No.", readonly=True, copy=False, default=lambda self: self.env._("New"))
    partner_id = fields.Many2one(
        "res.partner",
        "Distributor",
        required=True,
        index=True,
        tracking=True,
        check_company=True,
        domain=[("channel_role", "=", "distributor")],
    )
    company_id = fields.Many2one(
        "res.company", required=True, default=lambda self: self.env.company, index=True
    )
    currency_id = fields.Many2one(
        "res.currency", required=True, default=lambda self: self.env.company.currency_id
    )
    date_from = fields.Date("From", required=True)
    date_to = fields.Date("To", required=True)
    state = fields.Selection(
        [
            ("draft", "Draft"),
            ("confirmed", "Confirmed"),
            ("credited", "Credited"),
            ("cancelled", "Cancelled"),
        ],
        default="draft",
        required=True,
        readonly=True,
        copy=False,
        tracking=True,
        index=True,
    )
    user_id = fields.Many2one("res.users", "Responsible", default=lambda self: self.env.user, tracking=True)
    credit_date = fields.Date(
        "Credit Note Date", copy=False, tracking=True, help="Empty: the day on which it is credited."
    )
    note = fields.Text("Note to the Distributor")
    line_ids = fields.One2many("dms.settlement.line", "settlement_id", "Lines", readonly=True, copy=False)
    accrual_count = fields.Integer(compute="_compute_accrual_count")
    amount_computed = fields.Monetary("Accrued", compute="_compute_amounts", store=True)
    amount_total = fields.Monetary("Due", compute="_compute_amounts", store=True, tracking=True)
    credit_note_id = fields.Many2one(
        "account.move", readonly=True, copy=False, ondelete="restrict", index="btree_not_null"
    )
    move_ids = fields.One2many("account.move", "dms_settlement_id", "Documents")

    _dates = models.Constraint(
        "CHECK(date_to >= date_from)", "The settlement's last day lies before its first day."
    )
    _draft_uniq = models.UniqueIndex(
        "(company_id, partner_id, currency_id, date_from, date_to) WHERE state = 'draft'",
        "There is a draft settlement of this distributor and period already: open that one.",
    )

    # === COMPUTE ===

    @api.depends("line_ids.amount", "line_ids.computed_amount")
    def _compute_amounts(self):
        for settlement in self:
            settlement.amount_computed = sum(settlement.line_ids.mapped("computed_amount"))
            settlement.amount_total = sum(settlement.line_ids.mapped("amount"))

    def _compute_accrual_count(self):
        counts = dict(
            self.env["dms.rebate.accrual"]._read_group(
                [("settlement_id", "in", self.ids)], ["settlement_id"], ["__count"]
            )
        )
        for settlement in self:
            settlement.accrual_count = counts.get(settlement, 0)

    def _compute_access_url(self):
        super()._compute_access_url()
        for settlement in self:
            settlement.access_url = f"/my/settlements/{settlement.id}"

    # === CRUD ===

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            if vals.get("state", "draft") != "draft":
                raise UserError(self.env._("A settlement starts as a draft."))
            if not vals.get("name") or vals["name"] == self.env._("New"):
                company = self.env["res.company"].browse(vals.get("company_id") or self.env.company.id)
                vals["name"] = (
                    self.env["ir.sequence"]
                    .with_company(company)
                    .next_by_code("dms.settlement", sequence_date=vals.get("date_to"))
                )
        return super().create(vals_list)

    def write(self, vals):
        if guard.is_marked(self):
            return super().write(vals)
        if "state" in vals or "credit_note_id" in vals:
            raise UserError(self.env._("The state of a settlement changes by its buttons only."))
        if FIGURES & vals.keys():
            for settlement in self:
                if settlement.state != "draft":
                    raise UserError(
                        self.env._(
                            "Settlement %s is confirmed. Cancel it to change it; its accruals then go to a new one.",
                            settlement.name,
                        )
                    )
        return super().write(vals)

    def unlink(self):
        self.sudo().line_ids.accrual_ids.write({"settlement_line_id": False})
        return super().unlink()

    @api.ondelete(at_uninstall=False)
    def _unlink_except_draft(self):
        for settlement in self:
            if settlement.state not in ("draft", "cancelled") or settlement.credit_note_id:
                raise UserError(
                    self.env._(
                        "Settlement %s is no draft: cancel it instead of deleting it.", settlement.name
                    )
                )

    def _set_state(self, state, **vals):
        return guard.mark(self).write({"state": state, **vals})

    # === ACTIONS ===

    def action_compute(self):
        """Take up open accruals and compute the lines afresh."""
        for settlement in self:
            if settlement.state != "draft":
                raise UserError(
                    self.env._(
                        "Settlement %s is confirmed: only drafts are computed afresh.", settlement.name
                    )
                )
            settlement._recompute_lines()

    def action_confirm(self):
        """Fix the figures, with the credit points of today."""
        drafts = self.filtered(lambda settlement: settlement.state == "draft")
        drafts._recompute_lines(widen=False)
        for settlement in drafts:
            if not settlement.line_ids:
                raise UserError(
                    self.env._(
                        "Settlement %(name)s has nothing to settle: %(partner)s has no open accrual up to %(date)s.",
                        name=settlement.name,
                        partner=settlement.partner_id.display_name,
                        date=format_date(self.env, settlement.date_to),
                    )
                )
            if settlement.currency_id.compare_amounts(settlement.amount_total, 0) < 0:
                raise UserError(
                    self.env._(
                        "Settlement %(name)s comes to %(amount)s: more was returned than earned. Delete it; "
                        "the accruals stay open and are set off in the next period.",
                        name=settlement.name,
                        amount=formatLang(
                            self.env, settlement.amount_total, currency_obj=settlement.currency_id
                        ),
                    )
                )
        drafts._set_state("confirmed")

    def action_credit(self):
        """Post the credit note on the distributor's account, which clears the accruals; once, however often it is called."""
        self._lock()
        for settlement in self.filtered(lambda settlement: settlement.state != "credited"):
            if settlement.state != "confirmed":
                raise UserError(
                    self.env._(
                        "Settlement %s is not confirmed: confirm it before crediting.", settlement.name
                    )
                )
        self.filtered(lambda settlement: settlement.state == "confirmed")._credit()
        return self.action_view_credit_note() if len(self) == 1 else True

    def action_cancel(self):
        """Free the accruals for another settlement; a posted credit note is reversed by a document of its own."""
        self._lock()
        for settlement in self.filtered(lambda settlement: settlement.state != "cancelled"):
            credited = settlement.state == "credited"
            accruals_sudo = settlement.sudo().line_ids.accrual_ids
            settlement._set_state("cancelled")
            if credited:
                # Accruals that were set off against each other may go to different settlements next time.
                accruals_sudo.entry_line_ids.remove_move_reconcile()
                settlement._reverse_credit_note()
            accruals_sudo.settlement_line_id = False

    def action_view_credit_note(self):
        self.ensure_one()
        if not self.credit_note_id:
            return True
        return self.credit_note_id._dms_get_form_action()

    def action_view_accruals(self):
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_rebate_accrual_action")
        return dict(action, domain=[("settlement_id", "in", self.ids)], context={})

    def action_view_moves(self):
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Documents"),
            "res_model": "account.move",
            "view_mode": "list,form",
            "domain": [("dms_settlement_id", "=", self.id)],
            "context": {"create": False},
        }

    def action_print(self):
        self.ensure_one()
        return {"type": "ir.actions.act_url", "url": f"/dms/settlement/{self.id}/pdf", "target": "new"}

    def _get_form_action(self):
        return {
            "type": "ir.actions.act_window",
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
            "views": [(False, "form")],
        }

    # === BUSINESS ===

    def _lock(self):
        """Keep others from crediting or cancelling the same settlements until this transaction ends."""
        if busy := self - self.try_lock_for_update():
            raise UserError(
                self.env._(
                    "Someone else is working on %s at this moment. Try again shortly.",
                    ", ".join(busy.mapped("name")),
                )
            )
        self.invalidate_recordset(["state"])

    @api.model
    def _generate(self, date_from, date_to, partners=None, programs=None):
        """Draft settlements of all that is open up to ``date_to``, one per company, distributor and currency.

        What arrived late for earlier periods is taken along. A draft of the same period is brought up to date; running
        it again changes nothing. Distributors whose open accruals add up to nothing or less are carried forward.

        :param date date_from: first day, as shown on the settlement
        :param date date_to: last day that is settled
        :param partners: restrict to these distributors
        :param programs: restrict to these programmes
        :return: the drafts of this period
        """
        periodic_sudo = self.env["dms.rebate.program"].sudo()._get_periodic(self.env.companies)
        periodic_sudo._accrue_difference()
        domain = self._get_open_accruals_domain(date_to, programs) & Domain(
            "company_id", "in", self.env.companies.ids
        )
        draft_domain = Domain(
            [
                ("state", "=", "draft"),
                ("date_from", "=", date_from),
                ("date_to", "=", date_to),
                ("company_id", "in", self.env.companies.ids),
            ]
        )
        if partners is not None:
            domain &= Domain("partner_id", "in", partners.commercial_partner_id.ids)
            draft_domain &= Domain("partner_id", "in", partners.commercial_partner_id.ids)
        drafts = self.search(draft_domain)
        known = {(draft.company_id, draft.partner_id, draft.currency_id) for draft in drafts}
        groups = (
            self.env["dms.rebate.accrual"]
            .sudo()
            ._read_group(domain, ["company_id", "partner_id", "currency_id"], ["amount:sum"])
        )
        drafts |= self.create(
            [
                {
                    "company_id": company.id,
                    "partner_id": partner.id,
                    "currency_id": currency.id,
                    "date_from": date_from,
                    "date_to": date_to,
                }
                for company, partner, currency, amount in groups
                if (company, partner, currency) not in known and currency.compare_amounts(amount, 0) > 0
            ]
        )
        drafts._recompute_lines(programs=programs)
        return drafts

    @api.model
    def _cron_generate(self):
        """Draft last month's settlements of every company."""
        first = fields.Date.context_today(self).replace(day=1)
        last = first - timedelta(days=1)
        companies = self.env["dms.rebate.program"].search([("state", "!=", "draft")]).company_id
        self.with_context(allowed_company_ids=companies.ids)._generate(last.replace(day=1), last)

    @api.model
    def _get_open_accruals_domain(self, date_to, programs=None):
        domain = Domain([("settlement_line_id", "=", False), ("date", "<=", date_to)])
        if programs is not None:
            domain &= Domain("program_id", "in", programs.ids)
        return domain

    def _recompute_lines(self, programs=None, widen=True):
        """Put the open accruals of each draft on its lines and compute factor and amount.

        :param programs: take up new accruals of these programmes only; None takes all
        :param widen: add lines for programmes that a draft does not have yet; a draft without lines takes all
        """
        if not self:
            return
        Line_sudo = self.env["dms.settlement.line"].sudo()
        Accrual_sudo = self.env["dms.rebate.accrual"].sudo()
        open_of = {
            (company, partner, currency, program): accruals
            for company, partner, currency, program, accruals in Accrual_sudo._read_group(
                self._get_open_accruals_domain(max(self.mapped("date_to")), programs)
                & Domain(
                    [("company_id", "in", self.company_id.ids), ("partner_id", "in", self.partner_id.ids)]
                ),
                ["company_id", "partner_id", "currency_id", "program_id"],
                ["id:recordset"],
            )
        }
        lines_of = {(line.settlement_id.id, line.program_id.id): line for line in self.sudo().line_ids}
        vals_list, taken = [], []
        for settlement in self:
            account = (settlement.company_id, settlement.partner_id, settlement.currency_id)
            for (*key, program), accruals in open_of.items():
                accruals = accruals.filtered(lambda accrual, last=settlement.date_to: accrual.date <= last)
                unwanted = not widen and settlement.line_ids and program not in settlement.line_ids.program_id
                if tuple(key) != account or not accruals or unwanted:
                    continue
                taken.append((settlement.id, program.id, accruals))
                if (settlement.id, program.id) not in lines_of:
                    vals_list.append(
                        {
                            "settlement_id": settlement.id,
                            "program_id": program.id,
                            "name": program.display_name,
                        }
                    )
        for line in Line_sudo.create(vals_list):
            lines_of[line.settlement_id.id, line.program_id.id] = line
        for settlement_id, program_id, accruals in taken:
            accruals.settlement_line_id = lines_of[settlement_id, program_id]
        self.sudo()._compute_line_amounts()

    def _compute_line_amounts(self):
        """Write sums, factor and amount on the lines of the settlements (called as superuser)."""
        sums = {
            line: (base, amount, documents)
            for line, base, amount, documents in self.env["dms.rebate.accrual"]._read_group(
                [("settlement_line_id", "in", self.line_ids.ids)],
                ["settlement_line_id"],
                ["base_amount:sum", "amount:sum", "move_id:count_distinct"],
            )
        }
        points_of = {
            company: settlements.partner_id._get_credit_points(company=company)
            for company, settlements in self.grouped("company_id").items()
        }
        previous_of = self._get_previous_lines()
        for line in self.line_ids:
            base, amount, documents = sums.get(line, (0.0, 0.0, 0))
            points = points_of[line.company_id].get(line.partner_id.id, 0)
            computation = {
                "documents": documents,
                "points": points,
                "why": "points" if line.program_id.factor_ids else "",
            }
            factor = line.program_id._get_factor(points)
            grade = line.partner_id.grade_id
            if grade and grade.dms_rebate_factor != 1:
                # To the four decimals that the line keeps, so that the factor shown gives the amount.
                factor = rebate.round_to(
                    factor * rebate.decimal(grade.dms_rebate_factor), rebate.decimal(0.0001)
                )
                computation |= {"grade": grade.name, "grade_factor": grade.dms_rebate_factor}
            previous = previous_of.get((line.company_id, line.partner_id, line.program_id))
            if amount < 0 and previous:
                # What was paid at 80 % is taken back at 80 %, whatever the points are by now.
                factor = rebate.decimal(previous.factor)
                computation |= {"why": "previous", "previous": previous.settlement_id.name}
                computation.pop("grade", None)
            currency = line.currency_id
            due = rebate.round_to(
                rebate.decimal(currency.round(amount)) * factor, rebate.decimal(currency.rounding)
            )
            line.write(
                {
                    "base_amount": base,
                    "computed_amount": currency.round(amount),
                    "factor": float(factor),
                    "amount": float(due),
                    "computation": computation,
                }
            )

    def _get_previous_lines(self):
        """Return dict (company, partner, program) -> the last credited line."""
        lines = self.env["dms.settlement.line"].search(
            [
                ("settlement_id.state", "=", "credited"),
                ("partner_id", "in", self.partner_id.ids),
                ("program_id", "in", self.line_ids.program_id.ids),
                ("computed_amount", ">", 0),
            ],
            order="id",
        )
        return {(line.company_id, line.partner_id, line.program_id): line for line in lines}

    def _credit(self):
        credit_notes = self.env["account.move"].create(
            [settlement._prepare_credit_note_vals() for settlement in self]
        )
        for settlement, credit_note in zip(self, credit_notes, strict=True):
            settlement._set_state("credited", credit_note_id=credit_note.id)
        credit_notes._post(soft=False)
        for settlement in self:
            settlement._reconcile_accruals()

    def _prepare_credit_note_vals(self):
        """Return the credit note: per line what was accrued (clears the liability), less what the factor withholds
        (goes back to the expense)."""
        self.ensure_one()
        return {
            "move_type": "out_refund",
            "company_id": self.company_id.id,
            "partner_id": self.partner_id.id,
            "currency_id": self.currency_id.id,
            "invoice_date": self.credit_date or fields.Date.context_today(self),
            "invoice_origin": self.name,
            "ref": self.name,
            "dms_settlement_id": self.id,
            "invoice_line_ids": [
                Command.create(vals)
                for line in self.line_ids
                for vals in self._prepare_credit_note_line_vals(line)
            ],
        }

    def _prepare_credit_note_line_vals(self, line):
        program = line.program_id
        withheld = line.currency_id.round(line.amount - line.computed_amount)
        parts = [(line.name, program.accrual_account_id, line.computed_amount)]
        if not line.currency_id.is_zero(withheld):
            label = self.env._(
                "%(name)s: paid at %(share)s", name=line.name, share=f"{line.factor * 100:g} %"
            )
            parts.append((label, program.expense_account_id, withheld))
        return [
            {
                "name": label,
                "quantity": 1,
                "price_unit": amount,
                "account_id": account.id,
                "tax_ids": [Command.set(program.tax_ids.ids)],
                "dms_settlement_line_id": line.id,
            }
            for label, account, amount in parts
        ]

    def _reconcile_accruals(self):
        """Set the credit note's items off against the accruals' on each liability account, to the cent."""
        self.ensure_one()
        lines_sudo = self.sudo().line_ids
        items_sudo = lines_sudo.entry_line_ids.filtered(lambda item: item.parent_state == "posted")
        items_sudo |= lines_sudo.accrual_ids.entry_line_ids
        accounts = lines_sudo.program_id.accrual_account_id
        for account, items in (
            items_sudo.filtered(lambda item: item.account_id in accounts).grouped("account_id").items()
        ):
            if not account.reconcile:
                raise UserError(
                    self.env._(
                        "The accrual account %s does not allow reconciliation, so the settlement can't clear it. "
                        "Allow it on the account.",
                        account.display_name,
                    )
                )
            items.filtered(lambda item: not item.reconciled).reconcile()
            rest = sum(items.mapped("amount_residual_currency"))
            if not self.currency_id.is_zero(rest):
                raise UserError(
                    self.env._(
                        "Settlement %(name)s leaves %(rest)s on %(account)s: someone reconciled its accruals with other "
                        "items, or its taxes are included in the amount. Undo that first.",
                        name=self.name,
                        rest=formatLang(self.env, rest, currency_obj=self.currency_id),
                        account=account.display_name,
                    )
                )

    def _reverse_credit_note(self):
        self.ensure_one()
        reversal = self.credit_note_id._reverse_moves(
            [
                {
                    "ref": self.env._("Cancellation of settlement %s", self.name),
                    "invoice_date": fields.Date.context_today(self),
                    "date": fields.Date.context_today(self),
                    "dms_settlement_id": self.id,
                }
            ],
            cancel=True,
        )
        self.message_post(body=self.env._("Reversed by %s.", reversal._get_html_link()))

    # === DOCUMENT ===

    def _render_pdf(self):
        """Return the settlement as PDF (bytes) in the distributor's language."""
        self.ensure_one()
        settlement = self.with_context(lang=self.partner_id.lang or self.env.lang)
        try:
            return settlement._build_pdf().render()
        except pdf.FontMissing as error:
            raise UserError(str(error)) from error

    def _build_pdf(self):
        self.ensure_one()
        company = self.company_id

        def money(amount):
            return formatLang(self.env, amount, currency_obj=self.currency_id)

        document = pdf.Document(
            self.env._("Settlement %s", self.name),
            author=company.name,
            footer=f"{company.name} · {self.name}",
            font=config.get("dms_font"),
        )
        document.heading(self.env._("Settlement %s", self.name), company.name)
        document.facts(
            [
                (self.env._("Distributor"), f"{self.partner_id.name} {self.partner_id.ref or ''}".strip()),
                (
                    self.env._("Period"),
                    f"{format_date(self.env, self.date_from)} – {format_date(self.env, self.date_to)}",
                ),
                (
                    self.env._("State"),
                    dict(self._fields["state"]._description_selection(self.env))[self.state],
                ),
                *([(self.env._("Credit note"), self.credit_note_id.name)] if self.credit_note_id else []),
            ]
        )
        document.table(
            [
                self.env._("Programme"),
                self.env._("Base"),
                self.env._("Accrued"),
                self.env._("Factor"),
                self.env._("Due"),
            ],
            [
                [
                    line.name,
                    line.base_text,
                    money(line.computed_amount),
                    f"{line.factor * 100:g} %",
                    money(line.amount),
                ]
                for line in self.line_ids
            ],
            widths=[4, 2, 2, 1.2, 2],
            total=[self.env._("Total"), "", money(self.amount_computed), "", money(self.amount_total)],
        )
        document.section(self.env._("How it was computed"))
        for line in self.line_ids:
            document.paragraph(f"{line.name}: {line.explanation}")
        document.section(self.env._("Documents"))
        document.table(
            [
                self.env._("Document"),
                self.env._("Programme"),
                self.env._("Date"),
                self.env._("Base"),
                self.env._("Accrued"),
            ],
            [
                [
                    accrual.document_name
                    if accrual.kind != "reversal"
                    else self.env._("%s (reversed)", accrual.document_name),
                    accrual.program_id.code,
                    format_date(self.env, accrual.date),
                    accrual.program_id._format_base(accrual.base_amount),
                    money(accrual.amount),
                ]
                for accrual in self.sudo().line_ids.accrual_ids.sorted(
                    lambda accrual: (accrual.date, accrual.id)
                )
            ],
            widths=[3, 2, 2, 2, 2],
            text_columns=3,
        )
        if self.note:
            document.section(self.env._("Note"))
            document.paragraph(self.note)
        return document
