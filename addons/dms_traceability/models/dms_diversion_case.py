from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.fields import Domain
from odoo.tools import format_date

from odoo.addons.dms_channel.tools import guard

from .dms_diversion_signal import SIGNALS

# Written by the case's own actions only.
STATE_FIELDS = {
    "answer",
    "answer_date",
    "appeal",
    "appeal_date",
    "appeal_outcome",
    "charge_amount",
    "credit_entry_id",
    "deposit_amount",
    "name",
    "reversal_entry_id",
    "ruled_by",
    "ruled_on",
    "ruling",
    "ruling_reason",
    "state",
    "supply_until",
}
INSPECTOR_GROUP = "dms_traceability.dms_traceability_group_inspector"
# So many of those who may decide on an appeal are named.
NAMED_JUDGES = 5


class DmsDiversionCase(models.Model):
    """A hearing on alerts against one distributor. Alerts never punish: a person rules, and can be appealed to."""

    _name = "dms.diversion.case"
    _description = "Diversion Case"
    _inherit = ["portal.mixin", "mail.thread", "mail.activity.mixin", "dms.diversion.consequence"]
    _order = "id desc"

    name = fields.Char("Case No.", readonly=True, copy=False, default=lambda self: self.env._("New"))
    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, index=True, default=lambda self: self.env.company
    )
    partner_id = fields.Many2one(
        "res.partner",
        "Distributor",
        required=True,
        index=True,
        domain=[("channel_role", "=", "distributor")],
        tracking=True,
    )
    user_id = fields.Many2one("res.users", "Inspector", default=lambda self: self.env.user, tracking=True)
    date = fields.Date("Opened On", default=fields.Date.context_today, readonly=True)
    alert_ids = fields.One2many("dms.diversion.alert", "case_id", string="Alerts")
    alert_count = fields.Integer("Number of Alerts", compute="_compute_alert_count")
    scan_ids = fields.One2many("dms.scan", compute="_compute_scan_ids", string="Scans")
    summary = fields.Text(
        compute="_compute_summary",
        compute_sudo=True,
        help="What the distributor may read of the evidence: products, deliveries, places and dates; nothing of the "
        "people who scanned.",
    )
    state = fields.Selection(
        [
            ("open", "Open"),
            ("hearing", "Hearing"),
            ("ruled", "Ruled"),
            ("appealed", "Appealed"),
            ("closed", "Closed"),
        ],
        "Status",
        default="open",
        required=True,
        readonly=True,
        copy=False,
        tracking=True,
        index=True,
    )
    answer_deadline = fields.Date("Answer Until", tracking=True)
    answer = fields.Text("Distributor's Answer", readonly=True, copy=False)
    answer_date = fields.Datetime("Answered On", readonly=True, copy=False)
    ruling = fields.Selection(
        [("confirmed", "Diversion Confirmed"), ("dismissed", "Not Proved")],
        readonly=True,
        copy=False,
        tracking=True,
    )
    ruling_reason = fields.Text("Grounds", readonly=True, copy=False)
    ruled_by = fields.Many2one("res.users", readonly=True, copy=False)
    ruled_on = fields.Datetime(readonly=True, copy=False)
    appeal = fields.Text(readonly=True, copy=False)
    appeal_date = fields.Datetime("Appealed On", readonly=True, copy=False)
    appeal_outcome = fields.Selection(
        [("granted", "Appeal Granted"), ("rejected", "Appeal Rejected")],
        readonly=True,
        copy=False,
        tracking=True,
    )
    appeal_hint = fields.Char(
        compute="_compute_appeal_hint", help="Why the reader may not decide on the appeal, and who may."
    )
    credit_entry_id = fields.Many2one("dms.credit.entry", readonly=True, copy=False)
    reversal_entry_id = fields.Many2one("dms.credit.entry", "Reversal", readonly=True, copy=False)
    points = fields.Integer("Credit Points", compute="_compute_points")
    currency_id = fields.Many2one(related="company_id.currency_id")
    charge_amount = fields.Monetary(
        "Claw-back",
        readonly=True,
        copy=False,
        tracking=True,
        help="Charged by an invoice that the next settlement takes off.",
    )
    deposit_amount = fields.Monetary("Taken from the Deposit", readonly=True, copy=False, tracking=True)
    supply_until = fields.Date(
        "Supplied Last Until",
        readonly=True,
        copy=False,
        tracking=True,
        help="When goods are scarce, others come first until this day, by whatever rank they are shared out.",
    )
    charge_ids = fields.One2many(
        "account.move", "dms_diversion_case_id", "Charges", groups="account.group_account_readonly"
    )
    charge_count = fields.Integer(
        "Number of Charges", compute="_compute_charge_count", groups="account.group_account_readonly"
    )
    is_reversed = fields.Boolean(compute="_compute_is_reversed")
    inspection_ids = fields.One2many(
        "dms.inspection", "case_id", "Inspections", groups="dms_traceability.dms_traceability_group_inspector"
    )
    inspection_count = fields.Integer(
        "Number of Inspections",
        compute="_compute_inspection_count",
        groups="dms_traceability.dms_traceability_group_inspector",
    )

    def _compute_access_url(self):
        super()._compute_access_url()
        for case in self:
            case.access_url = f"/my/cases/{case.id}"

    @api.depends("alert_ids")
    def _compute_alert_count(self):
        for case in self:
            case.alert_count = len(case.alert_ids)

    def _compute_charge_count(self):
        counts = dict(
            self.env["account.move"]._read_group(
                [("dms_diversion_case_id", "in", self.ids)], ["dms_diversion_case_id"], ["__count"]
            )
        )
        for case in self:
            case.charge_count = counts.get(case, 0)

    @api.depends("appeal_outcome")
    def _compute_is_reversed(self):
        for case in self:
            case.is_reversed = case.appeal_outcome == "granted"

    @api.depends("state", "ruled_by", "company_id")
    @api.depends_context("uid", "lang")
    def _compute_appeal_hint(self):
        mine = self.filtered(lambda case: case.state == "appealed" and case.ruled_by == self.env.user)
        for case in self:
            case.appeal_hint = case in mine and case._explain_four_eyes()

    def _compute_inspection_count(self):
        counts = dict(
            self.env["dms.inspection"]._read_group([("case_id", "in", self.ids)], ["case_id"], ["__count"])
        )
        for case in self:
            case.inspection_count = counts.get(case, 0)

    @api.depends("alert_ids.scan_ids")
    def _compute_scan_ids(self):
        for case in self:
            case.scan_ids = case.alert_ids.scan_ids

    @api.depends("alert_ids")
    def _compute_summary(self):
        for case in self:
            case.summary = "\n".join(case._summarise(alert) for alert in case.alert_ids)

    def _summarise(self, alert):
        if alert.origin in SIGNALS:
            # What it says to the inspector beyond that is not for the distributor.
            return alert.reason.splitlines()[0]
        values = {
            "product": alert.product_id.display_name,
            "codes": alert.code_count,
            "place": alert.place,
            "first": fields.Date.to_string(alert.date_first),
            "last": fields.Date.to_string(alert.date_last),
            "allowed": ", ".join(alert.authorised_ids.mapped("display_name")),
        }
        if alert.picking_id:
            return self.env._(
                "%(product)s, delivery %(picking)s: %(codes)s items found in %(place)s between %(first)s and %(last)s; "
                "authorised area: %(allowed)s.",
                picking=alert.picking_id.name,
                **values,
            )
        names = alert._get_place_names()
        places = [f"{names[key]} ({row['found']})" for key, row in alert._iter_places("abroad")]
        return self.env._(
            "%(product)s, shipped in %(month)s: %(codes)s items found between %(first)s and %(last)s in %(places)s; "
            "authorised area: %(allowed)s.",
            month=format_date(self.env, alert.window_start, date_format="y-MM"),
            places=", ".join(places),
            **values,
        )

    @api.depends("credit_entry_id", "reversal_entry_id")
    def _compute_points(self):
        for case in self:
            case.points = case.credit_entry_id.points + case.reversal_entry_id.points

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            self._check_guarded(vals)
            company = self.env["res.company"].browse(vals.get("company_id")) or self.env.company
            vals["name"] = self.env["ir.sequence"].with_company(company).next_by_code("dms.diversion.case")
            self._check_alerts(vals, company)
        cases = super(DmsDiversionCase, guard.mark(self)).create(vals_list)
        cases.alert_ids.write({"state": "cased"})
        return cases.with_env(self.env)

    def write(self, vals):
        self._check_guarded(vals)
        if not guard.is_marked(self) and {"alert_ids", "partner_id", "company_id"} & vals.keys():
            raise UserError(self.env._("The distributor and the alerts of a case stay as it was opened."))
        return super().write(vals)

    def _check_guarded(self, vals):
        if not guard.is_marked(self) and STATE_FIELDS & vals.keys():
            raise UserError(
                self.env._("A case moves on by its own actions only: hearing, answer, ruling, appeal.")
            )

    def _check_alerts(self, vals, company):
        """A case takes open alerts about its own distributor, and takes them from no other case."""
        partner = self.env["res.partner"].browse(vals.get("partner_id"))
        alerts = self.new({"alert_ids": vals.get("alert_ids")}).alert_ids._origin
        for alert in alerts:
            if alert.state != "open" or alert.partner_id != partner or alert.company_id != company:
                raise UserError(
                    self.env._(
                        "Alert %(alert)s can't be part of this case: it is not open, or not about %(partner)s.",
                        alert=alert.name,
                        partner=partner.display_name,
                    )
                )

    @api.ondelete(at_uninstall=False)
    def _unlink_except_ruled(self):
        if any(case.state != "open" for case in self):
            raise UserError(self.env._("A case that the distributor was heard on is kept. Close it instead."))

    def unlink(self):
        guard.mark(self.alert_ids).write({"state": "open", "case_id": False})
        return super().unlink()

    def action_hear(self):
        """Ask the distributor for its answer."""
        for case in self:
            case._require("open")
            case.answer_deadline = case.answer_deadline or fields.Date.add(
                fields.Date.context_today(case), days=7
            )
            guard.mark(case).write({"state": "hearing"})
            case.message_subscribe(case.partner_id.ids)
            case.message_post(
                body=self.env._(
                    "Goods shipped to you were found outside your authorised area. Please answer until %s.",
                    fields.Date.to_string(case.answer_deadline),
                ),
                message_type="comment",
                subtype_xmlid="mail.mt_comment",
            )
        return True

    def action_rule(self):
        """Open the ruling dialog."""
        self.ensure_one()
        self._require("open", "hearing")
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Rule on %s", self.name),
            "res_model": "dms.diversion.ruling",
            "view_mode": "form",
            "target": "new",
            "context": {"default_case_id": self.id},
        }

    def action_grant_appeal(self):
        """Undo the ruling's consequences exactly."""
        for case in self:
            case._require_appeal()
            # First of all: what follows asks whether the ruling stands.
            guard.mark(case).write({"state": "closed", "appeal_outcome": "granted"})
            case._undo()
            self.env["dms.scan.report"].sudo()._judge_by_case(case.sudo())
        return True

    def action_reject_appeal(self):
        for case in self:
            case._require_appeal()
            guard.mark(case).write({"state": "closed", "appeal_outcome": "rejected"})
        return True

    def action_close(self):
        for case in self:
            case._require("ruled")
            guard.mark(case).write({"state": "closed"})
        return True

    def action_open_alerts(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_traceability.dms_diversion_alert_action")
        action["domain"] = [("case_id", "=", self.id)]
        action["context"] = {}
        return action

    def action_order_inspection(self):
        """Open an inspection order on the case, filled in with what its alerts say."""
        self.ensure_one()
        return {**self.alert_ids.action_order_inspection(), "context": self._prepare_inspection_context()}

    def _prepare_inspection_context(self):
        return {
            **self.alert_ids._prepare_inspection_context(),
            "default_case_id": self.id,
            "default_alert_id": False,
            "default_partner_id": self.partner_id.id,
            "default_company_id": self.company_id.id,
        }

    def action_open_inspections(self):
        self.ensure_one()
        return {
            **self.env["ir.actions.act_window"]._for_xml_id("dms_traceability.dms_inspection_action"),
            "domain": [("case_id", "=", self.id)],
            "context": self._prepare_inspection_context(),
        }

    # --- Business ---------------------------------------------------------------------------------

    def _require(self, *states):
        """Let only an inspector, or the system, move a case on, and only from the right state."""
        self.ensure_one()
        if not (self.env.su or self.env.user.has_group(INSPECTOR_GROUP)):
            raise AccessError(self.env._("Only an inspector may decide on diversion cases."))
        self.lock_for_update()
        if self.state not in states:
            names = dict(self._fields["state"]._description_selection(self.env))
            raise UserError(
                self.env._(
                    "%(case)s is in state “%(state)s”; this is possible in: %(states)s.",
                    case=self.name,
                    state=names[self.state],
                    states=", ".join(names[state] for state in states),
                )
            )

    def _require_appeal(self):
        """Let somebody else than who ruled decide on the appeal; not even the superuser's mode changes who that is."""
        self._require("appealed")
        if self.ruled_by == self.env.user:
            raise UserError(self._explain_four_eyes())

    def _explain_four_eyes(self):
        self.ensure_one()
        others = self._get_appeal_judges()
        if not others:
            return self.env._(
                "You made the ruling in %(case)s, so somebody else decides on the appeal, and nobody else has the role "
                "“%(role)s” in %(company)s yet: have it given to another user under Settings, Users.",
                case=self.name,
                role=self.env.ref(INSPECTOR_GROUP).sudo().full_name,
                company=self.company_id.sudo().name,
            )
        names = others[:NAMED_JUDGES].mapped("name")
        return self.env._(
            "You made the ruling in %(case)s, so somebody else decides on the appeal: %(names)s.",
            case=self.name,
            names=", ".join(names + ["…"] * (len(others) > len(names))),
        )

    def _get_appeal_judges(self):
        """Inspectors of the case's company other than who ruled."""
        self.ensure_one()
        return (
            self.env["res.users"]
            .sudo()
            .search(
                Domain("all_group_ids", "in", self.env.ref(INSPECTOR_GROUP).ids)
                & Domain("company_ids", "in", self.company_id.ids)
                & Domain("id", "!=", self.ruled_by.id)
                & Domain("share", "=", False),
                order="name, id",
            )
        )

    def _answer(self, text):
        """The distributor's answer, from the portal."""
        self.ensure_one()
        if self.state != "hearing":
            raise UserError(self.env._("%s is not at its hearing, so it can't be answered now.", self.name))
        if not (text or "").strip():
            raise UserError(self.env._("Please write your answer before sending it."))
        guard.mark(self.sudo()).write({"answer": text.strip(), "answer_date": fields.Datetime.now()})
        self.sudo().message_post(
            body=self.env._("The distributor answered: %s", text.strip()),
            author_id=self.env.user.partner_id.id,
        )

    def _appeal(self, text):
        """The distributor's appeal against the ruling, from the portal."""
        self.ensure_one()
        if self.state != "ruled" or self.ruling != "confirmed":
            raise UserError(self.env._("%s has no ruling against you that could be appealed.", self.name))
        if not (text or "").strip():
            raise UserError(self.env._("Please give the grounds of your appeal."))
        guard.mark(self.sudo()).write(
            {"state": "appealed", "appeal": text.strip(), "appeal_date": fields.Datetime.now()}
        )
        self.sudo().message_post(
            body=self.env._("The distributor appealed: %s", text.strip()),
            author_id=self.env.user.partner_id.id,
        )

    def _rule(self, ruling, reason, **consequences):
        """Rule on the case; a confirmed diversion has its consequences.

        :param str ruling: ``confirmed`` or ``dismissed``
        :param str reason: grounds, which the distributor can read
        :param consequences: see :meth:`.dms_diversion_consequence._impose`
        """
        self.ensure_one()
        self._require("open", "hearing")
        if not (reason or "").strip():
            raise UserError(self.env._("Give the grounds of the ruling: the distributor will read them."))
        guard.mark(self).write(
            {
                "state": "ruled",
                "ruling": ruling,
                "ruling_reason": reason.strip(),
                "ruled_by": self.env.uid,
                "ruled_on": fields.Datetime.now(),
            }
        )
        self.env["dms.scan.report"].sudo()._judge_by_case(self.sudo())
        if ruling == "confirmed":
            self._impose(**consequences)
