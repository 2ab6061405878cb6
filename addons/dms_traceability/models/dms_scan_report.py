import base64
import hashlib
import hmac
import json
import re
from datetime import timedelta

from cryptography.fernet import Fernet, InvalidToken

from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.fields import Domain

from odoo.addons.dms_channel.tools import guard

POSITION_DAYS = 90
# Kinds of reports that a ruling on diversion proves right or wrong.
DIVERSION_KINDS = ("price", "other")
JUDGED = {"reporter", "verdict", "verdict_case_id"}
INSPECTOR_GROUP = "dms_traceability.dms_traceability_group_inspector"


class DmsScanReport(models.Model):
    """A problem that somebody reported on the public page of a code.

    A report triggers nothing: an inspector reads it, and may raise an alert or order an inspection. Whether it was
    right is kept, so that the next inspector sees how far this reporter was right before.
    """

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
    price = fields.Float("Price Asked", digits="Product Price", readonly=True, aggregator="avg")
    photo = fields.Image(max_width=1600, max_height=1600, readonly=True)
    state = fields.Selection(
        [("new", "New"), ("handled", "Handled")], default="new", required=True, tracking=True, index=True
    )
    alert_id = fields.Many2one(related="scan_id.alert_id")
    reporter = fields.Char(
        readonly=True,
        index="btree_not_null",
        copy=False,
        help="Tells reporters apart: who was signed in for good, anybody else for a month.",
    )
    verdict = fields.Selection(
        [("open", "Not judged"), ("confirmed", "Confirmed"), ("refuted", "Not confirmed")],
        default="open",
        required=True,
        readonly=True,
        copy=False,
        tracking=True,
    )
    verdict_case_id = fields.Many2one(
        "dms.diversion.case", "Judged in", readonly=True, copy=False, index="btree_not_null"
    )
    reporter_judged = fields.Integer("Earlier Reports Judged", compute="_compute_reporter")
    reporter_confirmed = fields.Integer("Earlier Reports Confirmed", compute="_compute_reporter")
    reporter_score = fields.Float(
        "Reporter's Score",
        compute="_compute_reporter",
        aggregator=None,
        help="Share of the reporter's other reports that were confirmed, drawn towards one half while there are few.",
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

    @api.depends("reporter", "verdict")
    def _compute_reporter(self):
        """Counts of the reporter's other reports; one query for all."""
        counts = {
            (reporter, verdict): count
            for reporter, verdict, count in self.sudo()._read_group(
                [
                    ("reporter", "in", [name for name in set(self.mapped("reporter")) if name]),
                    ("verdict", "!=", "open"),
                ],
                ["reporter", "verdict"],
                ["__count"],
            )
        }
        for report in self:
            confirmed, refuted = (
                counts.get((report.reporter, verdict), 0)
                - (report.verdict == verdict and bool(report.reporter))
                for verdict in ("confirmed", "refuted")
            )
            report.reporter_confirmed = confirmed
            report.reporter_judged = confirmed + refuted
            report.reporter_score = (confirmed + 1) / (confirmed + refuted + 2)

    @api.depends("position_until")
    def _compute_position(self):
        for report in self:
            point = report._unseal(report.sudo().position_sealed)
            report.position = point and f"{point[0]:.5f}, {point[1]:.5f}"

    def write(self, vals):
        if not guard.is_marked(self) and JUDGED & vals.keys():
            raise AccessError(
                self.env._("Whether a report was right is said by its buttons, or by a ruling.")
            )
        return super().write(vals)

    def action_confirm(self):
        return self._judge("confirmed")

    def action_refute(self):
        return self._judge("refuted")

    def action_raise_alert(self):
        """Raise an alert on the scan that the report was made on: an inspector's decision, which a report can't take."""
        return self.scan_id.action_raise_alert()

    def _judge(self, verdict, case=None):
        """Note whether reports were right; they are dealt with then.

        :param case: the case that was ruled on, where a ruling says so
        """
        if not (self.env.su or self.env.user.has_group(INSPECTOR_GROUP)):
            raise AccessError(self.env._("Only an inspector may judge reports."))
        vals = {"verdict": verdict, "verdict_case_id": case.id if case else False}
        guard.mark(self).write(vals if verdict == "open" else {**vals, "state": "handled"})
        return True

    @api.model
    def _judge_by_case(self, case):
        """A ruling says what the reports on its scans were worth; a granted appeal takes that back (as superuser)."""
        if case.appeal_outcome == "granted":
            self.search([("verdict_case_id", "=", case.id)])._judge("open")
            return
        reports = self.search(
            Domain("scan_id", "in", case.scan_ids.ids)
            & Domain("kind", "in", DIVERSION_KINDS)
            & Domain("verdict", "=", "open")
        )
        if reports:
            reports._judge("confirmed" if case.ruling == "confirmed" else "refuted", case)

    def action_handled(self):
        self.state = "handled"
        return True

    @api.model
    def _report(self, scan_sudo, kind, text="", photo=None, point=None, price=None):
        """Store a report.

        :param scan_sudo: the scan it was made on
        :param photo: picture as base64
        :param price: what was asked for one item, as the reporter typed it
        :param point: ``(latitude, longitude)``, given only with the reporter's consent
        """
        return self.sudo().create(
            {
                "scan_id": scan_sudo.id,
                "company_id": scan_sudo.company_id.id,
                "product_id": scan_sudo.product_id.id,
                "lot_id": scan_sudo.lot_id.id,
                "kind": kind,
                "reporter": self._get_reporter(scan_sudo),
                "text": (text or "").strip()[:2000],
                "photo": photo,
                "price": self._read_price(price),
                "position_sealed": point and self._seal(point),
                "position_until": point and fields.Date.today() + timedelta(days=POSITION_DAYS),
            }
        )

    @api.model
    def _read_price(self, text):
        """The price in a text such as "¥ 19.90"; 0 for what is none."""
        plain = re.sub(r",(?=\d{3}(?!\d))", "", str(text or "")[:40])
        found = re.search(r"(?<![\d.,])\d{1,9}(?:[.,]\d{1,2})?(?!\d)", plain)
        return float(found.group().replace(",", ".")) if found else 0.0

    @api.model
    def _get_reporter(self, scan_sudo):
        """A name for whoever reported: the user's for who is signed in, else the device's of this month."""
        user = scan_sudo.user_id
        if user and not user._is_public() and not user._is_superuser():
            return f"user {user.id}"
        return scan_sudo.device or False

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
