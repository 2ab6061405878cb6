from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL, format_date

from odoo.addons.dms_channel.tools import guard

# An alert is what the scans say; staff only take it on, dismiss it or open a case.
FACTS = {
    "authorised_ids",
    "case_id",
    "code_count",
    "company_id",
    "country_id",
    "date_first",
    "date_last",
    "device_count",
    "name",
    "partner_id",
    "picking_id",
    "product_id",
    "scan_count",
    "scan_ids",
    "state",
    "territory_id",
}


class DmsDiversionAlert(models.Model):
    _name = "dms.diversion.alert"
    _description = "Diversion Alert"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "date_last desc, id desc"

    name = fields.Char("Alert No.", readonly=True, copy=False, default=lambda self: self.env._("New"))
    company_id = fields.Many2one("res.company", required=True, readonly=True, index=True)
    partner_id = fields.Many2one("res.partner", "Distributor", required=True, readonly=True, index=True)
    product_id = fields.Many2one("product.product", required=True, readonly=True, index=True)
    picking_id = fields.Many2one("stock.picking", "Delivery", readonly=True, index="btree_not_null")
    territory_id = fields.Many2one(
        "dms.territory", "Found In Territory", readonly=True, index="btree_not_null"
    )
    country_id = fields.Many2one("res.country", "Found In Country", readonly=True)
    place = fields.Char("Found In", compute="_compute_place")
    authorised_ids = fields.Many2many("dms.territory", string="Authorised Area", readonly=True)
    scan_ids = fields.One2many("dms.scan", "alert_id", string="Scans", readonly=True)
    scan_count = fields.Integer("Number of Scans", readonly=True)
    code_count = fields.Integer(
        "Codes", readonly=True, help="Different items found outside the authorised area."
    )
    device_count = fields.Integer("Devices", readonly=True, help="Different devices that scanned them.")
    date_first = fields.Datetime("First Scan", readonly=True)
    date_last = fields.Datetime("Last Scan", readonly=True, index=True)
    reason = fields.Text(compute="_compute_reason")
    state = fields.Selection(
        [("open", "Open"), ("cased", "In a Case"), ("dismissed", "Dismissed")],
        "Status",
        default="open",
        required=True,
        readonly=True,
        tracking=True,
        index=True,
    )
    case_id = fields.Many2one("dms.diversion.case", "Diversion Case", readonly=True, index="btree_not_null")
    user_id = fields.Many2one("res.users", "Inspector", tracking=True)

    @api.depends("territory_id", "country_id")
    @api.depends_context("lang")
    def _compute_place(self):
        for alert in self:
            alert.place = alert.territory_id.display_name or alert.country_id.name

    @api.depends("authorised_ids", "code_count", "device_count", "picking_id", "place", "scan_count")
    @api.depends_context("lang")
    def _compute_reason(self):
        for alert in self:
            picking_sudo = alert.sudo().picking_id
            alert.reason = self.env._(
                "%(product)s was scanned in %(found)s: items %(codes)s, scans %(scans)s, devices %(devices)s. "
                "It was shipped to %(distributor)s with %(picking)s on %(date)s, when its agreement covered: %(allowed)s.",
                codes=alert.code_count,
                scans=alert.scan_count,
                devices=alert.device_count,
                product=alert.product_id.display_name,
                found=alert.place,
                distributor=alert.partner_id.display_name,
                picking=picking_sudo.name,
                date=format_date(self.env, picking_sudo.date_done),
                allowed=", ".join(alert.authorised_ids.mapped("display_name")),
            )

    def write(self, vals):
        if not guard.is_marked(self) and FACTS & vals.keys():
            raise UserError(
                self.env._("An alert follows from its scans and can't be edited: dismiss it, or open a case.")
            )
        return super().write(vals)

    def action_dismiss(self):
        self.check_access("write")
        if any(alert.state != "open" for alert in self):
            raise UserError(
                self.env._("Only open alerts can be dismissed. An alert in a case is decided by its ruling.")
            )
        guard.mark(self).write({"state": "dismissed", "user_id": self.env.uid})
        return True

    def action_reopen(self):
        if any(alert.state != "dismissed" for alert in self):
            raise UserError(self.env._("Only dismissed alerts can be opened again."))
        guard.mark(self).write({"state": "open"})
        return True

    def action_open_case(self):
        """Open one case on the selected alerts: they must be about one distributor."""
        if any(alert.state != "open" for alert in self):
            raise UserError(
                self.env._("Choose open alerts only: the others are dismissed or in a case already.")
            )
        if len(self.partner_id) != 1 or len(self.company_id) != 1:
            raise UserError(
                self.env._(
                    "A case is about one distributor, and these alerts are about %s. Open one case for each.",
                    ", ".join(self.partner_id.mapped("display_name")),
                )
            )
        case = self.env["dms.diversion.case"].create(
            {
                "partner_id": self.partner_id.id,
                "company_id": self.company_id.id,
                "user_id": self.env.uid,
                "alert_ids": self.ids,
            }
        )
        return {
            "type": "ir.actions.act_window",
            "res_model": "dms.diversion.case",
            "res_id": case.id,
            "view_mode": "form",
            "views": [(False, "form")],
        }

    def action_open_scans(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_traceability.dms_scan_action")
        action["domain"] = [("alert_id", "in", self.ids)]
        action["context"] = {}
        return action

    # --- Raising ----------------------------------------------------------------------------------

    @api.model
    def _raise(self, scans):
        """Join each scan outside the authorised area to the open alert on the same delivery, product and place."""
        for scan in scans:
            # Two scans of one delivery at once would otherwise open two alerts.
            self.env.cr.execute(
                "SELECT pg_advisory_xact_lock(hashtext('dms_diversion_alert'), %s)", [scan.picking_id.id]
            )
            alert = self.search(
                [
                    ("state", "=", "open"),
                    ("picking_id", "=", scan.picking_id.id),
                    ("product_id", "=", scan.product_id.id),
                    ("territory_id", "=", scan.territory_id.id),
                    ("country_id", "=", False if scan.territory_id else scan.country_id.id),
                ],
                limit=1,
            )
            if not alert:
                alert = self.with_context(mail_create_nosubscribe=True).create(self._prepare_alert_vals(scan))
            scan.alert_id = alert
            alert._update_figures()

    @api.model
    def _prepare_alert_vals(self, scan):
        sequence = self.env["ir.sequence"].with_company(scan.company_id)
        return {
            "name": sequence.next_by_code("dms.diversion.alert"),
            "company_id": scan.company_id.id,
            "partner_id": scan.partner_id.id,
            "product_id": scan.product_id.id,
            "picking_id": scan.picking_id.id,
            "territory_id": scan.territory_id.id,
            "country_id": False if scan.territory_id else scan.country_id.id,
            "authorised_ids": scan.picking_id._dms_get_authorised_territories(scan.product_id).ids,
            "date_first": scan.date,
        }

    def _update_figures(self):
        self.ensure_one()
        self.env["dms.scan"].flush_model()
        ((scans, codes, devices, first, last),) = self.env.execute_query(
            SQL(
                "SELECT count(*), count(DISTINCT code_key), count(DISTINCT device), min(date), max(date) "
                "FROM dms_scan WHERE alert_id = %s",
                self.id,
            )
        )
        guard.mark(self).write(
            {
                "scan_count": scans,
                "code_count": codes,
                "device_count": devices,
                "date_first": first,
                "date_last": last,
            }
        )
