from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.fields import Command, Domain
from odoo.tools import format_date, formatLang

from ..tools import guard, rebate
from .dms_settlement_document import DOCUMENT_URL
from .dms_settlement_line import ANSWERED, DISPUTE_ACTIVITY, EARNING, ON_ACCOUNT, PAID_BACK, SET_OFF
from .dms_settlement_posting import PAYOUTS, POST_ACTIVITY

# What is sent to the distributor stays as it was sent.
FIGURES = {
    "partner_id",
    "company_id",
    "currency_id",
    "date_from",
    "date_to",
    "line_ids",
    "name",
    "program_payout",
}
GUARDED = {
    "amount_written_off",
    "approval_ids",
    "deadline",
    "post_later",
    "posted_on",
    "posting_id",
    "sent_on",
    "state",
}
LIVE = ("sent", "to_approve", "approved", "posted")
APPROVAL_ACTIVITY = "dms_channel.mail_activity_type_settlement_approval"
# Distributors that one transaction of the monthly run drafts settlements for.
BATCH = 50


class DmsSettlement(models.Model):
    """What a distributor gets for a period, and what is set off against it.

    Drafted from what is open, sent to the distributor, accepted or disputed line by line, approved by levels, posted
    once, paid out.
    """

    _name = "dms.settlement"
    _description = "Settlement"
    _inherit = [
        "mail.thread",
        "mail.activity.mixin",
        "portal.mixin",
        "dms.settlement.document",
        "dms.settlement.posting",
    ]
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
            ("sent", "Sent"),
            ("to_approve", "To Approve"),
            ("approved", "Approved"),
            ("posted", "Posted"),
            ("cancelled", "Cancelled"),
        ],
        default="draft",
        required=True,
        readonly=True,
        copy=False,
        tracking=True,
        index=True,
        group_expand=True,
    )
    user_id = fields.Many2one("res.users", "Responsible", default=lambda self: self.env.user, tracking=True)
    note = fields.Text("Note to the Distributor")
    line_ids = fields.One2many("dms.settlement.line", "settlement_id", "Lines", readonly=True, copy=False)
    accrual_count = fields.Integer(compute="_compute_accrual_count")
    amount_computed = fields.Monetary("Accrued", compute="_compute_amounts", store=True)
    amount_untaxed = fields.Monetary("Net", compute="_compute_amounts", store=True)
    amount_tax = fields.Monetary(
        "Tax", compute="_compute_amounts", store=True, help="Taxes that the credit note will show."
    )
    amount_set_off = fields.Monetary(
        "Set Off",
        compute="_compute_amounts",
        store=True,
        help="Deductions and advances, which are taken off, and what is paid back.",
    )
    amount_total = fields.Monetary("Due", compute="_compute_amounts", store=True, tracking=True)

    sent_on = fields.Datetime(readonly=True, copy=False)
    deadline = fields.Date(
        "Answer Until",
        readonly=True,
        copy=False,
        tracking=True,
        help="Lines that the distributor has not answered by the end of this day count as accepted.",
    )
    open_count = fields.Integer("Lines to Answer", compute="_compute_answers")
    disputed_count = fields.Integer(
        "Disputed Lines", compute="_compute_answers", search="_search_disputed_count"
    )
    approval_ids = fields.One2many("dms.settlement.approval", "settlement_id", "Approvals", copy=False)
    can_approve = fields.Boolean(compute="_compute_can_approve", search="_search_can_approve")

    payout = fields.Selection(
        [*PAYOUTS, ("write_off", "Nothing: write off")],
        "Pay Out As",
        compute="_compute_payout",
        store=True,
        readonly=False,
        precompute=True,
        required=True,
        tracking=True,
        help="Taken from the programme or the distributor; may be changed until the settlement is posted.",
    )
    program_payout = fields.Selection(
        [("any", "All programmes"), ("open", "Programmes that leave it open"), *PAYOUTS],
        "Programmes Paid Out As",
        default="any",
        required=True,
        copy=False,
        help="Programmes that say how they are paid out are settled apart from the others.",
    )
    credit_date = fields.Date("Posting Date", copy=False, tracking=True, help="Empty: the day of posting.")
    offset_share = fields.Float(
        "Share of an Order",
        digits=(5, 4),
        compute="_compute_offset_share",
        store=True,
        readonly=False,
        precompute=True,
        help="The most of an order's net value that is set off.",
    )
    use_ids = fields.One2many("dms.settlement.use", "settlement_id", "Uses", readonly=True, copy=False)
    use_count = fields.Integer(compute="_compute_use_count")
    amount_used = fields.Monetary("Used", compute="_compute_amount_left", store=True)
    amount_written_off = fields.Monetary("Written Off", readonly=True, copy=False)
    amount_left = fields.Monetary(
        "Left",
        compute="_compute_amount_left",
        store=True,
        help="What goods or future orders may still use up.",
    )
    goods_order_ids = fields.One2many("sale.order", "dms_goods_settlement_id", "Goods Orders")
    payout_state = fields.Selection(
        [("open", "Not paid out"), ("partial", "Partly paid out"), ("done", "Paid out")],
        "Pay-out",
        compute="_compute_payout_state",
        store=True,
        index="btree_not_null",
    )
    posting_id = fields.Many2one(
        "account.move", "Posted As", readonly=True, copy=False, ondelete="restrict", index="btree_not_null"
    )
    posted_on = fields.Datetime(readonly=True, copy=False)
    post_later = fields.Boolean(
        "Waits for the Posting Run", readonly=True, copy=False, help="It is posted in the background."
    )
    move_ids = fields.One2many("account.move", "dms_settlement_id", "Documents")
    move_count = fields.Integer(compute="_compute_move_count")
    payment_ids = fields.One2many("account.payment", "dms_settlement_id", "Payments")

    red_form = fields.Char(
        "Red-letter Form No.",
        copy=False,
        tracking=True,
        help="Number of the red-letter information form (红字信息表编号) of the VAT credit invoice.",
    )
    red_invoice_code = fields.Char("Original Invoice Code", copy=False)
    red_invoice_number = fields.Char(
        "Original Invoice No.", copy=False, help="Number of the blue invoice, or several separated by commas."
    )
    red_reason = fields.Selection(
        [
            ("allowance", "Sales allowance"),
            ("return", "Goods returned"),
            ("mistake", "Issued by mistake"),
            ("stopped", "Service stopped"),
        ],
        "Reason of the Red Letter",
        default="allowance",
        copy=False,
    )

    _dates = models.Constraint(
        "CHECK(date_to >= date_from)", "The settlement's last day lies before its first day."
    )
    _left_positive = models.Constraint(
        "CHECK(amount_left >= 0)", "Orders can't use more of a settlement than there is."
    )
    _offset_share_range = models.Constraint(
        "CHECK(offset_share >= 0 AND offset_share <= 1)",
        "The share of an order that is set off lies between 0 and 100 %.",
    )
    _draft_uniq = models.UniqueIndex(
        "(company_id, partner_id, currency_id, date_from, date_to, program_payout) WHERE state = 'draft'",
        "There is a draft settlement of this distributor and period already: open that one.",
    )

    # === COMPUTE ===

    @api.depends(
        "line_ids.amount", "line_ids.computed_amount", "line_ids.kind", "line_ids.tax_weights", "payout"
    )
    def _compute_amounts(self):
        for settlement in self:
            lines = settlement.line_ids
            earned = sum(lines.filtered(lambda line: line.kind in EARNING).mapped("amount"))
            set_off = sum(lines.filtered(lambda line: line.kind in ON_ACCOUNT).mapped("amount"))
            settlement.amount_computed = sum(lines.mapped("computed_amount"))
            settlement.amount_untaxed = earned
            settlement.amount_set_off = set_off
            settlement.amount_tax = settlement._get_tax() if settlement._is_credited() else 0.0
            settlement.amount_total = earned + settlement.amount_tax + set_off

    def _compute_accrual_count(self):
        counts = dict(
            self.env["dms.rebate.accrual"]._read_group(
                [("settlement_id", "in", self.ids)], ["settlement_id"], ["__count"]
            )
        )
        for settlement in self:
            settlement.accrual_count = counts.get(settlement, 0)

    def _compute_move_count(self):
        counts = dict(
            self.env["account.move"]._read_group(
                [("dms_settlement_id", "in", self.ids)], ["dms_settlement_id"], ["__count"]
            )
        )
        for settlement in self:
            settlement.move_count = counts.get(settlement, 0)

    @api.depends("line_ids.answer")
    def _compute_answers(self):
        for settlement in self:
            answers = settlement.line_ids.mapped("answer")
            settlement.open_count = answers.count("open")
            settlement.disputed_count = answers.count("disputed")

    def _search_disputed_count(self, operator, value):
        if operator != ">" or value:
            return NotImplemented
        return [("line_ids.answer", "=", "disputed"), ("state", "=", "sent")]

    @api.depends("approval_ids.state")
    @api.depends_context("uid")
    def _compute_can_approve(self):
        mine = self.approval_ids._filter_mine().settlement_id
        for settlement in self:
            settlement.can_approve = settlement in mine

    def _search_can_approve(self, operator, value):
        if operator != "in":
            return NotImplemented
        Approval = self.env["dms.settlement.approval"]
        mine = Approval.search(Approval._get_waiting_domain())._filter_mine()
        return [("id", "in" if True in value else "not in", mine.settlement_id.ids)]

    @api.depends("partner_id", "company_id", "program_payout")
    def _compute_payout(self):
        stated = dict(PAYOUTS)
        for settlement in self:
            if settlement.program_payout in stated:
                settlement.payout = settlement.program_payout
            else:
                partner = settlement.partner_id.with_company(settlement.company_id)
                settlement.payout = partner.dms_payout or settlement.payout or "credit_note"

    @api.depends("company_id", "line_ids.program_id.offset_share")
    def _compute_offset_share(self):
        for settlement in self:
            stated = [share for share in settlement.line_ids.program_id.mapped("offset_share") if share]
            settlement.offset_share = min(stated, default=settlement.company_id.dms_offset_share)

    @api.depends("state", "payout", "amount_total", "amount_written_off", "use_ids.amount")
    def _compute_amount_left(self):
        for settlement in self:
            used = sum(settlement.use_ids.mapped("amount"))
            spendable = settlement.state == "posted" and settlement.payout in ("goods", "offset")
            settlement.amount_used = used
            settlement.amount_left = (
                settlement.currency_id.round(settlement.amount_total - settlement.amount_written_off - used)
                if spendable
                else 0.0
            )

    @api.depends("state", "payout", "amount_left", "amount_used", "posting_id.payment_state")
    def _compute_payout_state(self):
        of_document = {"not_paid": "open", "partial": "partial"}
        for settlement in self:
            currency = settlement.currency_id
            if settlement.state != "posted":
                settlement.payout_state = False
            elif settlement.payout in ("goods", "offset") and not currency.is_zero(settlement.amount_left):
                untouched = currency.is_zero(settlement.amount_used)
                settlement.payout_state = "open" if untouched else "partial"
            elif settlement._is_credited():
                settlement.payout_state = of_document.get(settlement.posting_id.payment_state, "done")
            else:
                settlement.payout_state = "done"

    def _compute_use_count(self):
        for settlement in self:
            settlement.use_count = len(settlement.use_ids)

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
        if GUARDED & vals.keys():
            raise UserError(self.env._("The state of a settlement changes by its buttons only."))
        for settlement in self:
            if FIGURES & vals.keys() and settlement.state != "draft":
                raise UserError(
                    self.env._(
                        "Settlement %s was sent. Take it back to draft to change it.",
                        settlement.name,
                    )
                )
            if (
                "payout" in vals
                and settlement.state != "draft"
                and "write_off"
                in (
                    vals["payout"],
                    settlement.payout,
                )
            ):
                raise UserError(
                    self.env._(
                        "Settlement %s was sent: take it back to draft to decide anew whether it is paid out or written"
                        " off.",
                        settlement.name,
                    )
                )
            if "payout" in vals and settlement.state in ("posted", "cancelled"):
                raise UserError(
                    self.env._(
                        "Settlement %s is posted: how it is paid out can't change any more.", settlement.name
                    )
                )
        return super().write(vals)

    def unlink(self):
        self.sudo().line_ids.accrual_ids.write({"settlement_line_id": False})
        return super().unlink()

    @api.ondelete(at_uninstall=False)
    def _unlink_except_draft(self):
        for settlement in self:
            if settlement.state not in ("draft", "cancelled") or settlement.posting_id:
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
                    self.env._("Settlement %s was sent: only drafts are computed afresh.", settlement.name)
                )
            settlement._recompute_lines()

    def action_send(self):
        """Fix the figures, with the credit points of today, and ask the distributor to accept them."""
        drafts = self.filtered(lambda settlement: settlement.state == "draft")
        drafts._recompute_lines(widen=False)
        drafts._check_sendable()
        now, today = fields.Datetime.now(), fields.Date.context_today(self)
        for company, settlements in drafts.grouped("company_id").items():
            days = company.dms_settlement_days
            settlements._set_state("sent", sent_on=now, deadline=today + timedelta(days=days))
            if days:
                settlements._write_to_distributor("dms_channel.mail_template_dms_settlement_send")
            else:
                settlements.sudo().line_ids._write_answer("accepted")
        drafts._advance()
        return True

    def _check_sendable(self):
        for settlement in self:
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
                        amount=settlement._format_money(settlement.amount_total),
                    )
                )

    def action_accept(self):
        """Accept all open lines: the distributor itself, or the staff in its name after it said so elsewhere."""
        for settlement in self:
            settlement.line_ids.filtered(lambda line: line.answer == "open")._accept()
        return True

    def action_draft(self):
        """Take the settlement back before it is posted: answers and approvals are void, figures may change."""
        self._lock()
        back = self.filtered(lambda settlement: settlement.state in ("sent", "to_approve", "approved"))
        back.sudo().approval_ids._void()
        lines_sudo = back.sudo().line_ids
        lines_sudo.filtered(lambda line: line.kind == "correction").unlink()
        lines_sudo.exists()._write_answer("open", reason=False, reply=False)
        back._set_state("draft", deadline=False, sent_on=False)
        back.activity_unlink([DISPUTE_ACTIVITY, APPROVAL_ACTIVITY, POST_ACTIVITY])
        return True

    def action_approve(self):
        """Give the approvals that are up to the user; the last one approves the settlement."""
        for settlement in self:
            settlement._check_approval_wanted()
            given = settlement.sudo().approval_ids._decide("given")
            settlement.sudo().activity_feedback([APPROVAL_ACTIVITY], user_id=self.env.uid)
            settlement.message_post(
                body=self.env._(
                    "Approved by %(user)s for %(groups)s.",
                    user=self.env.user.name,
                    groups=", ".join(given.group_id.mapped("full_name")),
                )
            )
            settlement._conclude_approval()
        return True

    def action_refuse(self):
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Refuse Settlement"),
            "res_model": "dms.settlement.refuse",
            "view_mode": "form",
            "target": "new",
            "context": {"default_settlement_ids": self.ids},
        }

    def action_post(self):
        """Post, which clears the accruals, and pay out; once, however often it is called."""
        self._lock()
        waiting = self.filtered(lambda settlement: settlement.state != "posted")
        for settlement in waiting:
            if settlement.state != "approved":
                raise UserError(settlement._explain_waiting())
        waiting._post()
        return self.action_view_posting() if len(self) == 1 else True

    def action_post_later(self):
        """Post approved settlements in the background, one after the other, each in a transaction of its own."""
        ready = self.filtered(lambda settlement: settlement.state == "approved")
        if not ready:
            raise UserError(
                self.env._("None of these settlements is approved, so there is nothing to post yet.")
            )
        ready.check_access("write")
        guard.mark(ready).post_later = True
        self.env.ref("dms_channel.dms_settlement_cron_post")._trigger()
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": self.env._("%s settlements are posted in the background.", len(ready)),
                "next": {"type": "ir.actions.act_window_close"},
            },
        }

    @api.model
    def _cron_post(self):
        """Post what was put off, one settlement per transaction: what fails says so and does not stop the others."""
        queued = self.search([("post_later", "=", True), ("state", "=", "approved")], order="id")
        commit = self.env["ir.cron"]._commit_progress
        commit(remaining=len(queued))
        for settlement in queued:
            try:
                with self.env.cr.savepoint():
                    settlement.with_company(settlement.company_id).action_post()
            except UserError as error:
                settlement.message_post(body=str(error), subtype_xmlid="mail.mt_note")
                settlement.activity_schedule(
                    POST_ACTIVITY, user_id=(settlement.user_id or self.env.user).id, note=str(error)
                )
            guard.mark(settlement).post_later = False
            if not commit(1):
                break

    def action_cancel(self):
        """Free the accruals for another settlement; what was posted is reversed by documents of its own."""
        self._lock()
        for settlement in self.filtered(lambda settlement: settlement.state != "cancelled"):
            posted = settlement.state == "posted"
            if posted:
                settlement._check_reversible()
            accruals_sudo = settlement.sudo().line_ids.accrual_ids
            settlement.sudo().approval_ids._void()
            settlement._set_state("cancelled")
            settlement.sudo().line_ids._set_pending(False)
            if posted:
                # Accruals that were set off against each other may go to different settlements next time.
                accruals_sudo.entry_line_ids.remove_move_reconcile()
                settlement._reverse_documents()
            accruals_sudo.settlement_line_id = False
            settlement.activity_unlink([DISPUTE_ACTIVITY, APPROVAL_ACTIVITY, POST_ACTIVITY])

    def action_view_posting(self):
        self.ensure_one()
        if not self.posting_id:
            return True
        return self.posting_id._get_records_action(context={})

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

    def action_order_goods(self):
        """Open the quotation of the goods that this settlement is paid out by; begin one where there is none."""
        self.ensure_one()
        if self.state != "posted" or self.payout != "goods":
            raise UserError(
                self.env._("Settlement %s is not posted as one that is paid out by goods.", self.name)
            )
        order = self.goods_order_ids.filtered(lambda order: order.state in ("draft", "sent"))[:1]
        if not order:
            if self.currency_id.is_zero(self.amount_left):
                raise UserError(self.env._("Nothing of settlement %s is left to order goods for.", self.name))
            order = self.env["sale.order"].create(self._prepare_goods_order_vals())
        return {
            "type": "ir.actions.act_window",
            "res_model": "sale.order",
            "res_id": order.id,
            "views": [(False, "form")],
        }

    def _prepare_goods_order_vals(self):
        return {
            "partner_id": self.partner_id.id,
            "company_id": self.company_id.id,
            "origin": self.name,
            "dms_goods_settlement_id": self.id,
        }

    def action_view_uses(self):
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Orders"),
            "res_model": "dms.settlement.use",
            "view_mode": "list",
            "domain": [("settlement_id", "=", self.id)],
            "context": {},
        }

    def action_write_off(self):
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Write Off the Remainder"),
            "res_model": "dms.settlement.write.off",
            "view_mode": "form",
            "target": "new",
            "context": {"default_settlement_id": self.id},
        }

    def action_print(self):
        self.ensure_one()
        return {"type": "ir.actions.act_url", "url": DOCUMENT_URL % (self.id, "pdf"), "target": "new"}

    # === BUSINESS ===

    def _lock(self):
        """Keep others from posting or cancelling the same settlements until this transaction ends."""
        guard.lock(self, "state")

    def _is_credited(self):
        """Whether the settlement becomes a credit note, with taxes, rather than a claim on future orders."""
        self.ensure_one()
        return self.payout in ("credit_note", "payment")

    def _format_money(self, amount):
        return formatLang(self.env, amount, currency_obj=self.currency_id)

    @api.model
    def _generate(self, date_from, date_to, partners=None, programs=None):
        """Draft settlements of all that is open up to ``date_to``, one per company, distributor, currency and way of
        paying out that the programmes state.

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
        return self._draft(date_from, date_to, partners, programs)

    @api.model
    def _draft(self, date_from, date_to, partners=None, programs=None):
        """Draft settlements of what has accrued; see :meth:`_generate`."""
        draft_domain = Domain(
            [
                ("state", "=", "draft"),
                ("date_from", "=", date_from),
                ("date_to", "=", date_to),
                ("company_id", "in", self.env.companies.ids),
            ]
        )
        if partners is not None:
            draft_domain &= Domain("partner_id", "in", partners.commercial_partner_id.ids)
        drafts = self.search(draft_domain)
        known = {
            (draft.company_id, draft.partner_id, draft.currency_id, draft.program_payout) for draft in drafts
        }
        amounts = self._get_open_amounts(date_to, partners, programs)
        wanted = {
            key
            for key, amount in amounts.items()
            if not known & {key, (*key[:3], "any")} and key[2].compare_amounts(amount, 0) > 0
        }
        if programs is None:
            # What is paid back goes along with any draft of its distributor, and has one of its own where there is none.
            served = {key[:3] for key in known | wanted}
            for party, credit in self._get_credit_amounts(partners).items():
                key = (*party, "open")
                if party not in served and party[2].compare_amounts(credit + amounts.get(key, 0.0), 0) > 0:
                    wanted.add(key)
        drafts |= self.create(
            [
                {
                    "company_id": company.id,
                    "partner_id": partner.id,
                    "currency_id": currency.id,
                    "program_payout": payout,
                    "date_from": date_from,
                    "date_to": date_to,
                }
                for company, partner, currency, payout in sorted(wanted, key=lambda key: (key[1].id, key[3]))
            ]
        )
        drafts._recompute_lines(programs=programs)
        return drafts

    @api.model
    def _get_open_amounts(self, date_to, partners=None, programs=None):
        """What waits to be settled: accruals; others add claims.

        :return: dict (company, distributor, currency, pay-out that the programmes state or "open") -> amount
        """
        domain = self._get_open_accruals_domain(date_to, programs) & Domain(
            "company_id", "in", self.env.companies.ids
        )
        if partners is not None:
            domain &= Domain("partner_id", "in", partners.commercial_partner_id.ids)
        amounts = {}
        for company, partner, currency, program, amount in (
            self.env["dms.rebate.accrual"]
            .sudo()
            ._read_group(domain, ["company_id", "partner_id", "currency_id", "program_id"], ["amount:sum"])
        ):
            key = (
                company.with_env(self.env),
                partner.with_env(self.env),
                currency.with_env(self.env),
                program.payout or "open",
            )
            amounts[key] = amounts.get(key, 0.0) + amount
        return amounts

    @api.model
    def _get_credit_amounts(self, partners=None):
        """What waits to be paid back: dict (company, distributor, currency) -> amount."""
        amounts = {}
        for item in self.sudo()._get_credit_items(partners, self.env.companies):
            party = tuple(
                record.with_env(self.env)
                for record in (item.company_id, item.partner_id.commercial_partner_id, item.currency_id)
            )
            amounts[party] = amounts.get(party, 0.0) - item.amount_residual_currency
        return amounts

    @api.model
    def _cron_generate(self):
        """Draft last month's settlements of every company, some distributors at a time.

        Drafting is repeatable, so a run that was cut short goes on where it stopped.
        """
        first = fields.Date.context_today(self).replace(day=1)
        last = first - timedelta(days=1)
        companies = self.env["dms.rebate.program"].search([("state", "!=", "draft")]).company_id
        Settlement = self.with_context(allowed_company_ids=companies.ids)
        if not companies:
            return
        commit = self.env["ir.cron"]._commit_progress
        self.env["dms.rebate.program"].sudo()._get_periodic(companies)._accrue_difference()
        open_ = [*Settlement._get_open_amounts(last), *Settlement._get_credit_amounts()]
        partners = self.env["res.partner"].browse(sorted({key[1].id for key in open_}))
        commit(remaining=len(partners))
        for start in range(0, len(partners), BATCH):
            batch = partners[start : start + BATCH]
            Settlement._draft(last.replace(day=1), last, partners=batch)
            if not commit(len(batch)):
                break

    @api.model
    def _cron_deadline(self):
        """Lines that nobody answered in time count as accepted; the distributor is told so."""
        today = fields.Date.context_today(self)
        commit = self.env["ir.cron"]._commit_progress
        late = self.search([("state", "=", "sent"), ("deadline", "<", today)], order="id")
        commit(remaining=len(late))
        for start in range(0, len(late), BATCH):
            batch = late[start : start + BATCH]
            silent = batch.line_ids.filtered(lambda line: line.answer == "open")
            silent.sudo()._write_answer("accepted", silent=True)
            silent.settlement_id._write_to_distributor("dms_channel.mail_template_dms_settlement_deadline")
            batch._advance()
            if not commit(len(batch)):
                break

    @api.model
    def _get_open_accruals_domain(self, date_to, programs=None):
        domain = Domain([("settlement_line_id", "=", False), ("date", "<=", date_to)])
        if programs is not None:
            domain &= Domain("program_id", "in", programs.ids)
        return domain

    def _covers_program(self, program):
        """Whether a programme's accruals go into this settlement, by how they are paid out."""
        self.ensure_one()
        return self.program_payout in ("any", program.payout or "open")

    # === LINES ===

    def _recompute_lines(self, programs=None, widen=True):
        """Put the open accruals of each draft on its lines, compute factor and amount, and add what else waits.

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
        rebates_sudo = self.sudo().line_ids.filtered(lambda line: line.kind == "rebate")
        lines_of = {(line.settlement_id.id, line.program_id.id): line for line in rebates_sudo}
        vals_list, taken = [], []
        for settlement in self:
            account = (settlement.company_id, settlement.partner_id, settlement.currency_id)
            own = settlement.line_ids.program_id
            for (*key, program), accruals in open_of.items():
                accruals = accruals.filtered(lambda accrual, last=settlement.date_to: accrual.date <= last)
                unwanted = not widen and own and program not in own
                if (
                    tuple(key) != account
                    or not accruals
                    or unwanted
                    or not settlement._covers_program(program)
                ):
                    continue
                taken.append((settlement.id, program.id, accruals))
                if (settlement.id, program.id) not in lines_of:
                    vals_list.append(
                        {
                            "settlement_id": settlement.id,
                            "kind": "rebate",
                            "program_id": program.id,
                            "name": program.display_name,
                        }
                    )
        for line in Line_sudo.create(vals_list):
            lines_of[line.settlement_id.id, line.program_id.id] = line
        for settlement_id, program_id, accruals in taken:
            accruals.settlement_line_id = lines_of[settlement_id, program_id]
        self.sudo()._compute_rebate_lines()
        self.sudo()._replace_other_lines()

    def _compute_rebate_lines(self):
        """Write sums, factor, amount and taxes on the rebate lines of the settlements (called as superuser)."""
        lines = self.line_ids.filtered(lambda line: line.kind == "rebate")
        sums = {
            line: (base, amount, documents)
            for line, base, amount, documents in self.env["dms.rebate.accrual"]._read_group(
                [("settlement_line_id", "in", lines.ids)],
                ["settlement_line_id"],
                ["base_amount:sum", "amount:sum", "move_id:count_distinct"],
            )
        }
        points_of = {
            company: settlements.partner_id._get_credit_points(company=company)
            for company, settlements in self.grouped("company_id").items()
        }
        previous_of = self._get_previous_lines()
        weights_of = lines._get_tax_weights()
        for line in lines:
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
                    "tax_weights": weights_of.get(line, []),
                    "computation": computation,
                }
            )

    def _get_previous_lines(self):
        """Return dict (company, partner, program) -> the last posted line."""
        lines = self.env["dms.settlement.line"].search(
            [
                ("kind", "=", "rebate"),
                ("settlement_id.state", "=", "posted"),
                ("partner_id", "in", self.partner_id.ids),
                ("program_id", "in", self.line_ids.program_id.ids),
                ("computed_amount", ">", 0),
            ],
            order="id",
        )
        return {(line.company_id, line.partner_id, line.program_id): line for line in lines}

    def _replace_other_lines(self):
        """Put claims, credits, deductions and advances on the drafts anew (called as superuser).

        Deductions and advances are taken off as far as there is something to take them off from; the rest of them waits
        for the next settlement.
        """
        self.line_ids.filtered(lambda line: line.kind not in ("rebate", "correction")).unlink()
        self.invalidate_recordset(["line_ids"])
        waiting = self._get_other_lines()
        Line = self.env["dms.settlement.line"]
        for kinds in (EARNING, PAID_BACK, SET_OFF):
            vals_list = []
            for settlement in self:
                # Nothing is taken off what is not paid out, and nothing paid back by it.
                written_off = settlement.payout == "write_off"
                left = 0.0 if written_off else settlement.amount_total
                for vals in waiting.get(settlement, ()):
                    if vals["kind"] not in kinds or (written_off and kinds is PAID_BACK):
                        continue
                    vals = {**vals, "settlement_id": settlement.id}
                    if kinds is SET_OFF:
                        part = settlement.currency_id.round(min(-vals["amount"], max(left, 0.0)))
                        if settlement.currency_id.is_zero(part):
                            continue
                        vals["computation"] = {**vals.get("computation", {}), "open": -vals["amount"]}
                        vals["amount"] = -part
                        left -= part
                    vals_list.append(vals)
            Line.create(vals_list)
            self.invalidate_recordset(["line_ids"])

    def _get_other_lines(self):
        """Claims, credits, deductions and advances that wait for these drafts (called as superuser, for all at once).

        Extend it in a module that has such documents. A claim adds its amount, deductions and advances are below zero
        and name the receivable item that they are set off against, which may be settled otherwise in the meantime. A
        credit adds what an item of :meth:`_get_credit_items` owes to the distributor.

        :return: dict settlement -> list of values of ``dms.settlement.line``: ``kind``, ``name``, ``amount``,
            ``document`` ("model,id"); a claim's ``account_id`` and ``tax_weights``; the ``item_id`` of all others
        """
        waiting = {}
        advances = self._get_open_items(
            "advance", self.partner_id, self.company_id, [("payment_id.dms_advance", "=", True)]
        )
        self._add_items(
            waiting,
            "advance",
            advances,
            lambda item: {
                "name": " · ".join(filter(None, (item.payment_id.display_name, item.payment_id.memo))),
                "document": f"account.payment,{item.payment_id.id}",
            },
        )
        self._add_items(
            waiting,
            "deduction",
            self.env["dms.transfer"]._get_open_charge_items(self.partner_id, self.company_id),
            lambda item: {
                "name": self.env._(
                    "Freight of transfer %(transfer)s: %(invoice)s",
                    transfer=item.move_id.dms_transfer_id.name,
                    invoice=item.move_id.name,
                ),
            },
        )
        by_party = self._get_by_party()
        for deduction in self.env["dms.deduction"]._get_queued(self.partner_id, self.company_id):
            party = (deduction.company_id, deduction.partner_id, deduction.currency_id)
            if settlement := by_party.get(party):
                waiting.setdefault(settlement, []).append(deduction._prepare_settlement_line_vals())
        return waiting

    def _get_by_party(self):
        """The first of these drafts that each (company, distributor, currency) has."""
        return {
            (settlement.company_id, settlement.partner_id, settlement.currency_id): settlement
            for settlement in self.sorted("id", reverse=True)
        }

    def _add_items(self, waiting, kind, items, prepare):
        """Add receivable items to the lines that wait for these drafts, each for what is open of it.

        :param dict waiting: as :meth:`_get_other_lines` answers it
        :param prepare: function from an item to the line's further values: ``name``, perhaps ``document``
        """
        by_party = self._get_by_party()
        for item in items:
            party = (item.company_id, item.partner_id.commercial_partner_id, item.currency_id)
            if settlement := by_party.get(party):
                waiting.setdefault(settlement, []).append(
                    {
                        "kind": kind,
                        "amount": -item.amount_residual_currency,
                        "item_id": item.id,
                        **prepare(item),
                    }
                )

    @api.model
    def _get_open_items(self, kind, partners, companies, domain):
        """Open receivable items of distributors (None: of all) that fulfil a domain, and that no line of this kind has taken
        up yet: credits below zero, others above."""
        waiting = Domain("pending", "=", True) & Domain("kind", "=", kind)
        domain = (
            Domain(domain)
            & Domain("company_id", "in", companies.ids)
            & Domain("parent_state", "=", "posted")
            & Domain("account_id.account_type", "=", "asset_receivable")
            & Domain("amount_residual_currency", "<" if kind in PAID_BACK else ">", 0)
        )
        if partners is not None:
            waiting &= Domain("partner_id", "in", partners.ids)
            domain &= Domain("partner_id.commercial_partner_id", "in", partners.ids)
        queued = self.env["dms.settlement.line"].search(waiting)
        return self.env["account.move.line"].search(
            domain & Domain("id", "not in", queued.item_id.ids), order="date, id"
        )

    @api.model
    def _get_credit_items(self, partners, companies):
        """Open credits of distributors (None: of all) that the next settlement pays back (called as superuser).

        A module that has some returns them, and puts them on the drafts in :meth:`_get_other_lines`.
        """
        return self.env["account.move.line"]

    # === ANSWERS AND APPROVALS ===

    def _write_to_distributor(self, template):
        """Mail a template to each distributor's people with portal access, in their language."""
        for settlement in self:
            settlement._portal_ensure_token()
            settlement.message_post_with_source(
                template,
                message_type="comment",
                subtype_xmlid="mail.mt_comment",
                partner_ids=[Command.set(settlement._get_addressees().ids)],
                email_layout_xmlid="mail.mail_notification_layout_with_responsible_signature",
            )

    def _get_addressees(self):
        self.ensure_one()
        clerks = self.partner_id.child_ids.filtered(lambda contact: contact.user_ids and contact.email)
        return clerks or self.partner_id.filtered("email")

    def _check_answerable(self):
        """Raise unless the settlement waits for answers of its lines."""
        self.ensure_one()
        if self.state != "sent":
            raise UserError(
                self.env._("Settlement %s does not wait for an answer.", self.name)
                if self.state == "draft"
                else self.env._(
                    "Settlement %s was answered already, or the time for an answer is over.", self.name
                )
            )

    def _advance(self):
        """Go on to the approvals with those settlements whose lines are all answered."""
        for settlement in self.filtered(lambda settlement: settlement.state == "sent"):
            if all(line.answer in ANSWERED for line in settlement.line_ids):
                settlement.sudo().activity_unlink([DISPUTE_ACTIVITY])
                settlement.sudo()._ask_approvers()

    def _ask_approvers(self):
        """Require the approvals of the levels that the amount reaches; without any the settlement is approved."""
        self.ensure_one()
        approvals = self.env["dms.settlement.approval"]._require(self)
        self._set_state("to_approve")
        for user in approvals._get_responsibles():
            self.activity_schedule(
                APPROVAL_ACTIVITY,
                user_id=user.id,
                note=self.env._(
                    "%(partner)s: %(amount)s",
                    partner=self.partner_id.display_name,
                    amount=self._format_money(self.amount_total),
                ),
            )
        self._conclude_approval()

    def _conclude_approval(self):
        """Approve the settlement when nobody else has to."""
        self.ensure_one()
        settlement_sudo = self.sudo()
        waiting = settlement_sudo.approval_ids.filtered(lambda approval: approval.state == "waiting")
        asked = waiting._get_responsibles()
        settlement_sudo.activity_search([APPROVAL_ACTIVITY]).filtered(
            lambda activity: activity.user_id not in asked
        ).unlink()
        if not waiting:
            settlement_sudo._set_state("approved")
            settlement_sudo.activity_schedule(
                POST_ACTIVITY, user_id=(self.user_id or self.create_uid or self.env.user).id
            )

    def _check_approval_wanted(self):
        self.ensure_one()
        self.check_access("write")
        if self.state != "to_approve":
            raise UserError(self._explain_waiting())

    def _refuse(self, reason):
        """Deny the approval: the settlement is a draft again, with the reason in its history."""
        for settlement in self:
            settlement._check_approval_wanted()
            settlement.sudo().approval_ids._decide("denied", reason)
            settlement.action_draft()
            settlement.message_post(
                body=self.env._("Refused by %(user)s: %(reason)s", user=self.env.user.name, reason=reason)
            )

    def _explain_waiting(self):
        """What a settlement waits for, as a sentence."""
        self.ensure_one()
        match self.state:
            case "draft":
                return self.env._("Settlement %s is a draft: send it to the distributor first.", self.name)
            case "sent":
                return self.env._(
                    "Settlement %(name)s waits for the distributor until %(date)s: %(open)s lines are not answered, "
                    "%(disputed)s are disputed.",
                    name=self.name,
                    date=format_date(self.env, self.deadline),
                    open=self.open_count,
                    disputed=self.disputed_count,
                )
            case "to_approve":
                waiting = self.sudo().approval_ids.filtered(lambda approval: approval.state == "waiting")
                return self.env._(
                    "Settlement %(name)s waits for the approval of: %(groups)s.",
                    name=self.name,
                    groups=", ".join(waiting.group_id.mapped("full_name")),
                )
            case "approved":
                return self.env._("Settlement %s is approved and can be posted.", self.name)
            case "posted":
                return self.env._("Settlement %s is posted already.", self.name)
            case _:
                return self.env._("Settlement %s is cancelled.", self.name)

    def _check_may_answer(self):
        """Only the distributor's own people, or staff that works on settlements, may answer."""
        self.ensure_one()
        user = self.env.user
        if self.env.su or user._is_internal():
            self.check_access("write")
            return
        self.check_access("read")
        if user.commercial_partner_id != self.sudo().partner_id:
            raise AccessError(self.env._("Settlement %s is another distributor's.", self.sudo().name))
