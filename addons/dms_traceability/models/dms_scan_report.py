import base64
import hashlib
import hmac
import json
from datetime import timedelta

from cryptography.fernet import Fernet, InvalidToken

from odoo import api, fields, models

POSITION_DAYS = 90


class DmsScanReport(models.Model):
    """A problem that somebody reported on the public page of a code."""

    _name = "dms.scan.report"
    _description = "Problem Report"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "id desc"

    name = fields.Char("Report", compute="_compute_name")
    scan_id = fields.Many2one("dms.scan", readonly=True, index="btree_not_null", ondelete="cascade")
    company_id = fields.Many2one("res.company", readonly=True, index=True)
    product_id = fields.Many2one("product.product", readonly=True, index="btree_not_null")
    lot_id = fields.Many2one("stock.lot", "Batch", readonly=True)
    kind = fields.Selection(
        [
            ("counterfeit", "Looks like a counterfeit"),
            ("damaged", "Damaged or opened"),
            ("expired", "Expired"),
            ("price", "Strange price or seller"),
            ("enumeration", "Codes are being guessed"),
            ("other", "Something else"),
        ],
        required=True,
        readonly=True,
    )
    text = fields.Text(readonly=True)
    photo = fields.Image(max_width=1600, max_height=1600, readonly=True)
    state = fields.Selection(
        [("new", "New"), ("handled", "Handled")], default="new", required=True, tracking=True, index=True
    )
    position_sealed = fields.Char(readonly=True, copy=False, groups="base.group_system")
    position_until = fields.Date("Position Kept Until", readonly=True)
    position = fields.Char(
        compute="_compute_position",
        groups="dms_traceability.dms_traceability_group_inspector",
        help="Where the reporter was, given with consent; erased after 90 days.",
    )

    @api.depends("kind", "product_id")
    def _compute_name(self):
        kinds = dict(self._fields["kind"]._description_selection(self.env))
        for report in self:
            report.name = " – ".join(filter(None, [kinds.get(report.kind), report.product_id.display_name]))

    @api.depends("position_until")
    def _compute_position(self):
        for report in self:
            point = report._unseal(report.sudo().position_sealed)
            report.position = point and f"{point[0]:.5f}, {point[1]:.5f}"

    def action_handled(self):
        self.state = "handled"
        return True

    @api.model
    def _report(self, scan_sudo, kind, text="", photo=None, point=None):
        """Store a report.

        :param scan_sudo: the scan it was made on
        :param photo: picture as base64
        :param point: ``(latitude, longitude)``, given only with the reporter's consent
        """
        return self.sudo().create(
            {
                "scan_id": scan_sudo.id,
                "company_id": scan_sudo.company_id.id,
                "product_id": scan_sudo.product_id.id,
                "lot_id": scan_sudo.lot_id.id,
                "kind": kind,
                "text": (text or "").strip()[:2000],
                "photo": photo,
                "position_sealed": point and self._seal(point),
                "position_until": point and fields.Date.today() + timedelta(days=POSITION_DAYS),
            }
        )

    @api.model
    def _get_cipher(self):
        master = self.env["dms.code"]._get_master_keys()[0]
        return Fernet(base64.urlsafe_b64encode(hmac.new(master, b"dms/1/position", hashlib.sha256).digest()))

    @api.model
    def _seal(self, point):
        return self._get_cipher().encrypt(json.dumps(point).encode()).decode()

    @api.model
    def _unseal(self, sealed):
        """The point, or None when there is none or its key is gone."""
        try:
            return sealed and json.loads(self._get_cipher().decrypt(sealed.encode()))
        except InvalidToken:
            return None

    @api.autovacuum
    def _gc_positions(self):
        """Exact positions live for 90 days."""
        old = self.sudo().search(
            [("position_until", "<", fields.Date.today()), ("position_sealed", "!=", False)]
        )
        old.write({"position_sealed": False})

    @api.model
    def _erase(self, scan_sudo):
        """Erase what a person left with a scan; that a code was scanned, and in which country, stays."""
        self.sudo().search([("scan_id", "=", scan_sudo.id)]).unlink()
        scan_sudo.write(
            {
                "device": False,
                "address": False,
                "city": False,
                "zip": False,
                "latitude": False,
                "longitude": False,
                "user_id": False,
            }
        )
