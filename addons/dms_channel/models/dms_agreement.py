import base64
import binascii
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Command, Domain
from odoo.tools import SQL, format_date
from odoo.tools.image import ImageProcess

from ..tools import guard, target
from .dms_agreement_document import COMPARED_FIELDS

# What the two parties agreed upon: fixed once the distributor has signed.
TERM_FIELDS = {
    "company_id",
    "credit_limit",
    "currency_id",
    "date_end",
    "date_start",
    "deposit_amount",
    "grade_id",
    "line_ids",
    "name",
    "note",
    "partner_id",
    "payment_term_id",
    "previous_id",
    "version",
}
FIXED_STATES = ("signed", "active", "expired", "terminated")
# Written by the agreement's own actions only.
STATE_FIELDS = {
    "activated_on",
    "deposit_waived",
    "deposit_waived_by",
    "deposit_waived_on",
    "deposit_waived_reason",
    "document_id",
    "signature",
    "signed_by",
    "signed_from",
    "signed_on",
    "signed_until",
    "state",
}


class DmsAgreement(models.Model):
    """What a distributor may sell, where, until when and on which credit.

    An agreement is drafted, sent, signed and active. Signed terms never change: a new version is made by copy and takes
    over on its start date.
    """

    _name = "dms.agreement"
    _description = "Distribution Agreement"
    _inherit = ["mail.thread", "mail.activity.mixin", "portal.mixin", "dms.agreement.document"]
    _order = "date_start desc, name desc, version desc, id desc"
    _check_company_auto = True

    name = fields.Char(
        string="Agreement No.",
        required=True,
        readonly=True,
        copy=False,
        default=lambda self: self.env._("New"),
        index="trigram",
    )
    version = fields.Integer(required=True, readonly=True, copy=False, default=1)
    previous_id = fields.Many2one(
        "dms.agreement",
        string="Replaces",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="restrict",
    )
    next_ids = fields.One2many("dms.agreement", "previous_id", string="Replaced By")
    version_count = fields.Integer(compute="_compute_version_count")
    partner_id = fields.Many2one(
        "res.partner",
        string="Distributor",
        required=True,
        index=True,
        ondelete="restrict",
        check_company=True,
        domain="[('channel_role', '=', 'distributor')]",
        tracking=True,
    )
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company, ondelete="restrict"
    )
    currency_id = fields.Many2one(
        "res.currency",
        compute="_compute_currency_id",
        store=True,
        readonly=False,
        precompute=True,
        required=True,
        ondelete="restrict",
    )
    user_id = fields.Many2one(
        "res.users",
        string="Responsible",
        default=lambda self: self.env.user,
        domain="[('share', '=', False)]",
        tracking=True,
    )
    date_start = fields.Date(string="From", required=True, default=fields.Date.context_today, tracking=True)
    date_end = fields.Date(
        string="To", tracking=True, help="Last day of the agreement. Empty: until terminated."
    )
    state = fields.Selection(
        [
            ("draft", "Draft"),
            ("sent", "Sent"),
            ("signed", "Signed"),
            ("active", "Active"),
            ("expired", "Expired"),
            ("terminated", "Terminated"),
        ],
        required=True,
        readonly=True,
        copy=False,
        default="draft",
        index=True,
        group_expand=True,
        tracking=True,
    )
    line_ids = fields.One2many("dms.agreement.line", "agreement_id", string="Lines", copy=True)
    territory_ids = fields.Many2many("dms.territory", string="Territories", compute="_compute_territory_ids")
    credit_limit = fields.Monetary(
        tracking=True, help="Highest credit exposure that orders may reach. 0: no limit."
    )
    payment_term_id = fields.Many2one("account.payment.term", string="Payment Terms", check_company=True)
    deposit_amount = fields.Monetary(
        string="Deposit", tracking=True, help="Security that the distributor leaves with the company."
    )
    deposit_payment_ids = fields.Many2many(
        "account.payment",
        string="Deposit Payments",
        copy=False,
        check_company=True,
        domain="[('partner_id', 'child_of', partner_id), ('company_id', '=', company_id), ('payment_type', '=', 'inbound')]",
        help="The payments by which the deposit was received. They are a security: they don't lower what the distributor"
        " owes.",
    )
    deposit_waived = fields.Monetary(readonly=True, copy=False, help="What was not asked for after all.")
    deposit_waived_reason = fields.Text(string="Waived Because", readonly=True, copy=False)
    deposit_waived_by = fields.Many2one("res.users", string="Waived By", readonly=True, copy=False)
    deposit_waived_on = fields.Datetime(string="Waived On", readonly=True, copy=False)
    deposit_open = fields.Monetary(
        string="Deposit to Receive",
        compute="_compute_deposit_open",
        store=True,
        compute_sudo=True,
        help="The agreement can't be put in force before it is received, or waived by a manager.",
    )
    period_target = fields.Monetary(string="Target", compute="_compute_figures")
    period_sales = fields.Monetary(string="Attained", compute="_compute_figures")
    period_expected = fields.Monetary(string="Run Rate", compute="_compute_figures")
    period_rate = fields.Float(string="Attained (%)", compute="_compute_figures")
    period_from = fields.Date(compute="_compute_period")
    period_to = fields.Date(compute="_compute_period")
    grade_id = fields.Many2one(
        "res.partner.grade",
        tracking=True,
        help="Given to the distributor when the agreement becomes active; the grade sets the price list.",
    )
    signed_by = fields.Char(readonly=True, copy=False, tracking=True)
    signed_on = fields.Datetime(readonly=True, copy=False)
    signed_from = fields.Char(readonly=True, copy=False, help="Network address (IP) of the signatory.")
    signed_until = fields.Date(
        readonly=True, copy=False, help="Last day as it was signed, before a new version cut it short."
    )
    signature = fields.Image(readonly=True, copy=False, attachment=True, max_width=1024, max_height=1024)
    activated_on = fields.Datetime(
        readonly=True, copy=False, help="When it was put in force; empty if it never was."
    )
    document_id = fields.Many2one(
        "ir.attachment", string="Signed Document", readonly=True, copy=False, ondelete="set null"
    )
    reminded_days = fields.Integer(
        readonly=True, copy=False, help="The last reminder of its end that was sent, in days before."
    )
    difference_html = fields.Html(string="Changes", compute="_compute_difference_html")
    note = fields.Html(string="Terms and Conditions")

    _name_version_company_uniq = models.Constraint(
        "UNIQUE(name, version, company_id)", "This version of the agreement exists already."
    )
    _dates_ordered = models.Constraint(
        "CHECK(date_end IS NULL OR date_end >= date_start)",
        "An agreement can't end before it starts. Mend one of the two dates.",
    )
    _credit_limit_positive = models.Constraint(
        "CHECK(credit_limit >= 0)", "The credit limit can't be negative. Enter 0 for no limit."
    )
    _deposit_amount_positive = models.Constraint(
        "CHECK(deposit_amount >= 0)", "The deposit can't be negative. Enter 0 for no deposit."
    )

    @api.depends("company_id")
    def _compute_currency_id(self):
        for agreement in self:
            agreement.currency_id = agreement.currency_id or agreement.company_id.currency_id

    @api.depends("line_ids.territory_id")
    def _compute_territory_ids(self):
        for agreement in self:
            agreement.territory_ids = agreement.line_ids.territory_id

    def _compute_version_count(self):
        counts = {
            (name, company.id): count
            for name, company, count in self._read_group(
                [("name", "in", self.mapped("name"))], ["name", "company_id"], ["__count"]
            )
        }
        for agreement in self:
            agreement.version_count = counts.get((agreement.name, agreement.company_id.id), 0)

    @api.depends(
        "deposit_amount", "deposit_waived", "deposit_payment_ids.amount", "deposit_payment_ids.state"
    )
    def _compute_deposit_open(self):
        for agreement in self:
            received = sum(
                payment.currency_id._convert(
                    payment._get_dms_deposit(), agreement.currency_id, agreement.company_id, payment.date
                )
                for payment in agreement.deposit_payment_ids
                if payment.state in ("in_process", "paid")
            )
            missing = agreement.deposit_amount - agreement.deposit_waived - received
            agreement.deposit_open = max(missing, 0.0)

    @api.depends("date_start", "date_end")
    def _compute_period(self):
        today = fields.Date.context_today(self)
        for agreement in self:
            period = agreement._get_period(today)
            agreement.period_from, agreement.period_to = period[:2] if period else (False, False)

    @api.depends("line_ids.period_sales", "line_ids.period_target")
    def _compute_figures(self):
        for agreement in self:
            lines = agreement.line_ids
            for name in ("period_target", "period_sales", "period_expected"):
                agreement[name] = sum(lines.mapped(name))
            # Sales of lines without a target do not make up for those with one.
            aimed = sum(lines.filtered("period_target").mapped("period_sales"))
            agreement.period_rate = aimed / agreement.period_target if agreement.period_target else 0.0

    @api.depends(
        "previous_id",
        *COMPARED_FIELDS,
        "line_ids.display_name",
        "line_ids.exclusive",
        "line_ids.target_amount",
    )
    def _compute_difference_html(self):
        for agreement in self:
            agreement.difference_html = (
                self.env["ir.qweb"]._render(
                    "dms_channel.dms_agreement_differences", {"differences": agreement._get_differences()}
                )
                if agreement.previous_id
                else False
            )

    @api.depends("name", "version")
    def _compute_display_name(self):
        for agreement in self:
            if agreement.version > 1:
                agreement.display_name = self.env._(
                    "%(name)s v%(version)s", name=agreement.name, version=agreement.version
                )
            else:
                agreement.display_name = agreement.name

    def _compute_access_url(self):
        result = super()._compute_access_url()
        for agreement in self:
            agreement.access_url = f"/my/agreements/{agreement.id}"
        return result

    @api.constrains("partner_id")
    def _check_partner(self):
        for agreement in self:
            if agreement.partner_id.channel_role != "distributor":
                raise ValidationError(
                    self.env._(
                        "%s is not a distributor, and only a distributor can have an agreement."
                        " Set its channel role to Distributor first.",
                        agreement.partner_id.display_name,
                    )
                )

    @api.constrains("deposit_payment_ids", "partner_id", "company_id")
    def _check_deposit_payments(self):
        """The deposit came from the distributor itself, and secures one agreement with its versions."""
        for agreement in self:
            for payment in agreement.sudo().deposit_payment_ids:
                if (
                    payment.partner_id.commercial_partner_id != agreement.partner_id
                    or payment.payment_type != "inbound"
                ):
                    raise ValidationError(
                        self.env._(
                            "Payment %(payment)s is no receipt of %(partner)s and can't be the deposit of %(agreement)s."
                            " Choose a payment that came from %(partner)s.",
                            payment=payment.display_name,
                            partner=agreement.partner_id.display_name,
                            agreement=agreement.display_name,
                        )
                    )
                other = payment.dms_agreement_ids.filtered(
                    lambda other, agreement=agreement: other.name != agreement.name
                )[:1]
                if other:
                    raise ValidationError(
                        self.env._(
                            "Payment %(payment)s is the deposit of %(other)s already and can't be that of %(agreement)s,"
                            " too.",
                            payment=payment.display_name,
                            other=other.display_name,
                            agreement=agreement.display_name,
                        )
                    )

    @api.constrains("state", "date_start", "date_end", "partner_id", "company_id")
    def _check_overlap(self):
        active = self.filtered(lambda agreement: agreement.state == "active")
        for company, agreements in active.grouped("company_id").items():
            # A concurrent activation would be invisible in this transaction's snapshot: writing the same row makes
            # the later of the two fail with a serialization error, and Odoo tries it again on the new data.
            self.env.cr.execute(
                SQL("UPDATE res_company SET write_date = write_date WHERE id = %s", company.id)
            )
            agreements._check_one_per_distributor(company)
            agreements._check_exclusive(company)

    def _get_rival_domain(self, company):
        """Active agreements of the company that share a day with one of ``self``."""
        periods = Domain.OR(
            Domain("date_end", "=", False) | Domain("date_end", ">=", agreement.date_start)
            if not agreement.date_end
            else (Domain("date_end", "=", False) | Domain("date_end", ">=", agreement.date_start))
            & Domain("date_start", "<=", agreement.date_end)
            for agreement in self
        )
        return Domain("company_id", "=", company.id) & Domain("state", "=", "active") & periods

    def _shares_day(self, other):
        return (not self.date_end or other.date_start <= self.date_end) and (
            not other.date_end or self.date_start <= other.date_end
        )

    def _check_one_per_distributor(self, company):
        rivals = self.sudo().search(
            self._get_rival_domain(company) & Domain("partner_id", "in", self.partner_id.ids)
        )
        for agreement in self:
            for rival in rivals:
                if (
                    rival != agreement
                    and rival.partner_id == agreement.partner_id
                    and agreement._shares_day(rival)
                ):
                    raise ValidationError(
                        self.env._(
                            "%(partner)s already has the active agreement %(rival)s (%(rival_dates)s), which shares days"
                            " with %(agreement)s (%(dates)s). Make a new version of %(rival)s, or terminate it first.",
                            partner=agreement.partner_id.display_name,
                            rival=rival.display_name,
                            rival_dates=rival._format_dates(),
                            agreement=agreement.display_name,
                            dates=agreement._format_dates(),
                        )
                    )

    def _check_exclusive(self, company):
        """Refuse a second exclusive right for the same product in the same territory, or in one inside the other."""
        lines = self.line_ids.filtered("exclusive")
        if not lines:
            return
        rival_lines = (
            self.env["dms.agreement.line"]
            .sudo()
            .with_context(active_test=False)
            .search(
                [
                    ("exclusive", "=", True),
                    ("agreement_id", "any", self._get_rival_domain(company)),
                    "|",
                    ("territory_id", "child_of", lines.territory_id.ids),
                    ("territory_id", "parent_of", lines.territory_id.ids),
                ]
            )
        )
        for line in lines:
            agreement = line.agreement_id
            for rival_line in rival_lines:
                rival = rival_line.agreement_id
                if rival == agreement or not agreement._shares_day(rival) or not line._collides(rival_line):
                    continue
                raise ValidationError(
                    self.env._(
                        "%(agreement)s of %(partner)s (%(dates)s) and %(rival)s of %(rival_partner)s (%(rival_dates)s)"
                        " would both be exclusive for the same products in %(territory)s. Change the products, the"
                        " territory or the dates of one, or make it non-exclusive.",
                        agreement=agreement.display_name,
                        partner=agreement.partner_id.display_name,
                        dates=agreement._format_dates(),
                        rival=rival.display_name,
                        rival_partner=rival.partner_id.display_name,
                        rival_dates=rival._format_dates(),
                        territory=max(
                            line.territory_id, rival_line.territory_id, key=lambda t: len(t.parent_path)
                        ).display_name,
                    )
                )

    @api.model
    def _check_exclusive_lines(self, domain):
        """Check active agreements again after what their exclusive lines point to has changed.

        :param domain: of the lines concerned
        """
        lines_sudo = (
            self.env["dms.agreement.line"]
            .sudo()
            .with_context(active_test=False)
            .search([("exclusive", "=", True), ("agreement_id.state", "=", "active"), *domain])
        )
        lines_sudo.agreement_id._check_overlap()

    def _format_dates(self):
        self.ensure_one()
        start = format_date(self.env, self.date_start)
        if not self.date_end:
            return self.env._("from %s", start)
        return self.env._("%(start)s to %(end)s", start=start, end=format_date(self.env, self.date_end))

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            if STATE_FIELDS & vals.keys() and vals.get("state", "draft") != "draft":
                raise UserError(self.env._("An agreement starts as a draft. Create it, then send it."))
            if vals.get("name", self.env._("New")) == self.env._("New"):
                company = vals.get("company_id") or self.env.company.id
                vals["name"] = self.env["ir.sequence"].with_company(company).next_by_code("dms.agreement")
        return super().create(vals_list)

    def write(self, vals):
        if not guard.is_marked(self):
            self._check_guarded(vals)
        return super().write(vals)

    def _check_guarded(self, vals):
        if STATE_FIELDS & vals.keys():
            raise UserError(
                self.env._(
                    "The state of an agreement follows from its own actions: send, sign, activate, terminate."
                )
            )
        fixed = self.filtered(lambda agreement: agreement.state in FIXED_STATES)
        if fixed and TERM_FIELDS & vals.keys():
            raise UserError(
                self.env._(
                    "The terms of %(agreement)s are signed and can't be changed. Make a new version of it.",
                    agreement=", ".join(fixed.mapped("display_name")),
                )
            )

    @api.ondelete(at_uninstall=False)
    def _unlink_except_sent(self):
        for agreement in self:
            if agreement.state != "draft":
                raise UserError(
                    self.env._(
                        "%s has left the draft state and is kept as a record. Terminate it instead.",
                        agreement.display_name,
                    )
                )

    def action_send(self):
        """Send the draft to the distributor and to its people with portal access, for signature."""
        for agreement in self:
            agreement._check_state("draft", "sent")
            if not agreement.line_ids:
                raise UserError(
                    self.env._(
                        "%s has no line: say which territory and products it is about before you send it.",
                        agreement.display_name,
                    )
                )
            agreement._portal_ensure_token()
            guard.mark(agreement).state = "sent"
            agreement._send_mail("dms_channel.mail_template_dms_agreement_send", attach=True)
        return True

    def action_draft(self):
        for agreement in self:
            agreement._check_state("sent")
        guard.mark(self).state = "draft"
        return True

    def action_activate(self):
        """Put signed agreements in force. An earlier version ends on the day before."""
        for agreement in self:
            agreement._check_state("signed")
            if agreement.date_end and agreement.date_end < fields.Date.context_today(agreement):
                raise UserError(
                    self.env._(
                        "%(agreement)s ended on %(date)s and can't become active. Make a new version with other dates.",
                        agreement=agreement.display_name,
                        date=format_date(self.env, agreement.date_end),
                    )
                )
            agreement._check_deposit()
            agreement.previous_id._end_before(agreement)
        guard.mark(self).write({"state": "active", "activated_on": fields.Datetime.now()})
        self._apply_to_partners()
        self.activity_feedback(["mail.mail_activity_data_todo"])
        return True

    def _check_deposit(self):
        if self.deposit_open:
            raise UserError(
                self.env._(
                    "%(agreement)s can't be put in force: of the deposit of %(amount)s agreed upon, %(open)s has not been"
                    " received. Link the payment, or waive the deposit and say why.",
                    agreement=self.display_name,
                    amount=self.currency_id.format(self.deposit_amount),
                    open=self.currency_id.format(self.deposit_open),
                )
            )

    def action_register_deposit(self):
        """Open a draft payment of what is missing; it counts once it is posted."""
        self.ensure_one()
        self._check_state("sent", "signed", "active")
        payment = self.env["account.payment"].create(
            {
                "payment_type": "inbound",
                "partner_type": "customer",
                "partner_id": self.partner_id.id,
                "company_id": self.company_id.id,
                "currency_id": self.currency_id.id,
                "amount": self.deposit_open,
                "memo": self.env._("Deposit of agreement %s", self.display_name),
            }
        )
        self.deposit_payment_ids |= payment
        return {
            "type": "ir.actions.act_window",
            "res_model": "account.payment",
            "res_id": payment.id,
            "view_mode": "form",
        }

    def action_waive_deposit(self):
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Waive the Deposit"),
            "res_model": "dms.deposit.waiver",
            "view_mode": "form",
            "target": "new",
            "context": {"default_agreement_id": self.id},
        }

    def _waive_deposit(self, reason):
        """Do without what is missing of the deposit.

        :raises UserError: without a reason, or where nothing is missing
        """
        self.ensure_one()
        self.check_access("write")
        self._check_state("sent", "signed")
        reason = (reason or "").strip()
        if not reason:
            raise UserError(self.env._("Say why the deposit is waived."))
        if not self.deposit_open:
            raise UserError(self.env._("Nothing of the deposit of %s is missing.", self.display_name))
        amount = self.currency_id.format(self.deposit_open)
        guard.mark(self).write(
            {
                "deposit_waived": self.deposit_waived + self.deposit_open,
                "deposit_waived_reason": reason,
                "deposit_waived_by": self.env.uid,
                "deposit_waived_on": fields.Datetime.now(),
            }
        )
        self.message_post(
            body=self.env._("%(amount)s of the deposit waived: %(reason)s", amount=amount, reason=reason),
            subtype_xmlid="mail.mt_note",
        )

    def action_terminate(self):
        """End agreements today. One that has not begun yet never applies: the version before goes on as it was signed."""
        today = fields.Date.context_today(self)
        for agreement in self:
            agreement._check_state("sent", "signed", "active")
            if agreement.state == "active" and agreement.date_start <= today:
                guard.mark(agreement).write(
                    {"state": "terminated", "date_end": min(agreement.date_end or today, today)}
                )
                continue
            was_active = agreement.state == "active"
            guard.mark(agreement).write({"state": "terminated", "activated_on": False})
            if was_active and agreement.previous_id.state == "active":
                guard.mark(agreement.previous_id).date_end = agreement.previous_id.signed_until
        return True

    def action_new_version(self):
        """Open a draft with the same terms that will replace this agreement on its own start date."""
        self.ensure_one()
        self._check_state("active", "expired")
        draft = self.next_ids.filtered(lambda agreement: agreement.state in ("draft", "sent", "signed"))[:1]
        new = draft or self.copy(self._prepare_new_version_vals())
        if not draft:
            # What was received, or waived, for the version before need not be received again.
            guard.mark(new).write(
                {
                    name: self[name]
                    for name in ("deposit_waived", "deposit_waived_reason", "deposit_waived_on")
                }
                | {
                    "deposit_waived_by": self.deposit_waived_by.id,
                    "deposit_payment_ids": [Command.set(self.sudo().deposit_payment_ids.ids)],
                }
            )
        return {
            "type": "ir.actions.act_window",
            "res_model": self._name,
            "res_id": new.id,
            "view_mode": "form",
        }

    def action_view_versions(self):
        self.ensure_one()
        return {
            **self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_agreement_action"),
            "domain": [("name", "=", self.name), ("company_id", "=", self.company_id.id)],
            "context": {},
        }

    def action_preview(self):
        self.ensure_one()
        return {"type": "ir.actions.act_url", "target": "self", "url": self.get_portal_url()}

    def action_print(self):
        self.ensure_one()
        return {"type": "ir.actions.act_url", "url": f"/dms/agreement/{self.id}/pdf", "target": "new"}

    def _check_state(self, *states):
        self.ensure_one()
        if self.state not in states:
            labels = dict(self._fields["state"]._description_selection(self.env))
            raise UserError(
                self.env._(
                    "%(agreement)s is in state %(state)s; this is only possible in state %(states)s.",
                    agreement=self.display_name,
                    state=labels[self.state],
                    states=self.env._(" or ").join(labels[state] for state in states),
                )
            )

    def _prepare_new_version_vals(self):
        today = fields.Date.context_today(self)
        last = max(
            self.search([("name", "=", self.name), ("company_id", "=", self.company_id.id)]).mapped("version")
        )
        start = max(today, self.date_start) + timedelta(days=1)
        return {
            "name": self.name,
            "version": last + 1,
            "previous_id": self.id,
            "date_start": start,
            "date_end": self.date_end if self.date_end and self.date_end >= start else False,
        }

    def _end_before(self, successor):
        """End active agreements on the day before ``successor`` starts; one that starts later never applied."""
        today = fields.Date.context_today(self)
        for agreement in self.filtered(lambda agreement: agreement.state == "active"):
            end = successor.date_start - timedelta(days=1)
            if end < agreement.date_start:
                guard.mark(agreement).write({"state": "terminated", "activated_on": False})
            elif not agreement.date_end or agreement.date_end > end:
                guard.mark(agreement).write(
                    {"state": "active" if end >= today else "expired", "date_end": end}
                )

    def _apply_to_partners(self):
        """Give the distributors what their agreements say. Terms of a later start are given by the cron of that day."""
        today = fields.Date.context_today(self)
        for agreement in self.filtered(lambda agreement: agreement.date_start <= today):
            # Whoever may activate an agreement may not be allowed to write contacts.
            partner_sudo = agreement.partner_id.sudo().with_company(agreement.company_id)
            vals = {}
            if agreement.grade_id and partner_sudo.grade_id != agreement.grade_id:
                vals["grade_id"] = agreement.grade_id.id
            if (
                agreement.payment_term_id
                and partner_sudo.property_payment_term_id != agreement.payment_term_id
            ):
                vals["property_payment_term_id"] = agreement.payment_term_id.id
            if vals:
                partner_sudo.write(vals)

    def _get_signatories(self):
        """The distributor and its contacts with portal access."""
        self.ensure_one()
        people_sudo = self.partner_id.sudo().child_ids.filtered(lambda p: p.user_ids.filtered("share"))
        return self.partner_id | people_sudo.sudo(False)

    def _sign(self, name, signature, address=None):
        """Record the distributor's signature (called from the portal after it has checked the access), and keep the
        signed agreement as a PDF.

        :param str name: who signs
        :param signature: picture, base64
        :param str address: network address that the signature came from
        :raises UserError: when the agreement does not wait for a signature, or name or picture is missing
        """
        self.ensure_one()
        self._check_state("sent")
        if not (name or "").strip():
            raise UserError(self.env._("Enter your name before you sign."))
        try:
            picture = ImageProcess(base64.b64decode(signature or b"")).image
        except (binascii.Error, UserError, ValueError) as error:
            raise UserError(self.env._("The signature is no picture. Draw it again.")) from error
        if not picture:
            raise UserError(self.env._("The signature is missing. Draw it in the field before you sign."))
        guard.mark(self).write(
            {
                "state": "signed",
                "signed_by": name.strip(),
                "signed_on": fields.Datetime.now(),
                "signed_from": address,
                "signed_until": self.date_end,
                "signature": signature,
            }
        )
        self._keep_document()
        if self.user_id:
            self.activity_schedule(
                "mail.mail_activity_data_todo",
                user_id=self.user_id.id,
                summary=self.env._("Put the signed agreement in force"),
            )

    @api.model
    def _get_active(self, partners, date, company):
        """Agreement in force for each partner on a date.

        :return: ``{partner: agreement}`` with every partner (an empty agreement where there is none)
        :rtype: dict
        """
        agreements = self.search_fetch(
            [
                ("partner_id", "in", partners.ids),
                ("company_id", "=", company.id),
                ("activated_on", "!=", False),
                ("date_start", "<=", date),
                # One that was terminated was in force until the day before.
                "|",
                "&",
                ("state", "in", ("active", "expired")),
                "|",
                ("date_end", "=", False),
                ("date_end", ">=", date),
                "&",
                ("state", "=", "terminated"),
                ("date_end", ">", date),
            ],
            ["company_id", "credit_limit", "currency_id", "name", "partner_id", "version"],
            order="date_start, id",
        )
        in_force = {agreement.partner_id.id: agreement for agreement in agreements}
        return {partner: in_force.get(partner._origin.id, self.browse()) for partner in partners}

    def _get_attainment(self, date_from, date_to):
        """Sales from one day to another, and the targets of these days, both cut to the days in force.

        Sales of lines without a target do not make up for those with one.

        :return: of each agreement ``(sales, targets due)`` in its currency
        :rtype: dict[dms.agreement, tuple[float, float]]
        """
        periods = {}
        for agreement in self:
            last = (agreement.date_end and min(date_to, agreement.date_end)) or date_to
            if agreement.state == "terminated" and last == agreement.date_end:
                # The day on which it was terminated is not one of its days any more.
                last -= timedelta(days=1)
            first = max(date_from, agreement.date_start)
            if first <= last:
                periods[agreement] = first, last
        sales = self.line_ids._get_sales(
            {agreement: (first, last, last) for agreement, (first, last) in periods.items()}
        )
        result = {}
        for agreement, period in periods.items():
            due = {line: target.due(line._get_months(), *period) for line in agreement.line_ids}
            result[agreement] = sum(sales[line][0] for line in due if due[line]), sum(due.values())
        return result

    def _get_company_limit(self, date):
        """The credit limit in the company's currency; 0.0 means none."""
        if not self.credit_limit:
            return 0.0
        currency = self.company_id.currency_id
        return self.currency_id._convert(self.credit_limit, currency, self.company_id, date)

    def _get_lines_for(self, territory):
        """Lines that hold for ``territory``; all of them where it is not known."""
        return self.line_ids.filtered(lambda line: not territory or line.territory_id._contains(territory))

    def _covered_products(self, products, territory=None):
        """Those of ``products`` that one of the agreement's lines covers, for ``territory`` if it is given."""
        lines = self._get_lines_for(territory)
        if any(not line.categ_ids and not line.product_ids for line in lines):
            return products
        return products.filtered(lambda product: any(line._covers(product) for line in lines))

    def _get_covered_domain(self, territory=None):
        """The products that :meth:`_covered_products` would answer, as a domain on ``product.product``."""
        return Domain.OR(
            Domain.TRUE
            if not line.categ_ids and not line.product_ids
            else Domain("categ_id", "child_of", line.categ_ids.ids) | Domain("id", "in", line.product_ids.ids)
            for line in self._get_lines_for(territory)
        )

    def _get_territories(self):
        """Territories of the lines, each with all that lies inside it."""
        return self.env["dms.territory"].search([("id", "child_of", self.line_ids.territory_id.ids)])

    def _get_line_of(self, product, territory):
        """The line that a sale of ``product`` into ``territory`` counts for; the first one that covers the product where
        the territory decides nothing."""
        self.ensure_one()
        lines = self.line_ids.filtered(lambda line: line._covers(product))
        holding = lines.filtered(lambda line: line.territory_id._contains(territory))
        return holding.sorted(lambda line: -len(line.territory_id.parent_path or ""))[:1] or lines[:1]

    def _get_period(self, date):
        """The part of the fiscal year around ``date`` in which the agreement is in force.

        :return: first and last day, first day of the month, and ``date``, all cut to the agreement's days; None without
            a first day
        """
        self.ensure_one()
        if not self.date_start:
            return None
        day = max(date, self.date_start)
        if self.date_end:
            day = max(min(day, self.date_end), self.date_start)
        year = (self.company_id or self.env.company).compute_fiscalyear_dates(day)
        last = min(year["date_to"], self.date_end) if self.date_end else year["date_to"]
        return max(year["date_from"], self.date_start), last, max(day.replace(day=1), self.date_start), day

    @api.model
    def _cron_update_states(self):
        """Expire what has run out, and give the terms of agreements that start now. Run daily."""
        today = fields.Date.context_today(self)
        guard.mark(self.search([("state", "=", "active"), ("date_end", "<", today)])).write(
            {"state": "expired"}
        )
        self.search([("state", "=", "active"), ("date_start", "=", today)])._apply_to_partners()
