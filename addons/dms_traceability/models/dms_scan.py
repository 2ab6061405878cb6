import hashlib
import hmac
import ipaddress
import time

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL

from ..fields import BigInteger
from .dms_code_tables import DESTROYED, PRINTED, VOID


class DmsScan(models.Model):
    _name = "dms.scan"
    _description = "Code Scan"
    _order = "date desc, id desc"
    _rec_name = "serial"

    date = fields.Datetime(required=True, readonly=True, default=fields.Datetime.now, index=True)
    kind = fields.Selection(
        [("consumer", "Consumer"), ("outlet", "Outlet"), ("inspector", "Inspector")],
        required=True,
        default="consumer",
        readonly=True,
    )
    result = fields.Selection(
        [
            ("genuine", "Genuine"),
            ("inactive", "Not Yet in Use"),
            ("void", "Withdrawn"),
            ("forged", "Not Our Code"),
        ],
        required=True,
        readonly=True,
        index=True,
    )
    area = fields.Selection(
        [
            ("inside", "Inside"),
            ("outside", "Outside"),
            ("unknown", "Not Known"),
        ],
        required=True,
        default="unknown",
        readonly=True,
        help="Where the scan was, compared with the area that the distributor was authorised for when it got the goods.",
    )
    gtin = fields.Char("GTIN", readonly=True)
    serial = fields.Char("Serial Number", readonly=True)
    code_key = BigInteger(readonly=True, index="btree_not_null", aggregator=None)
    product_id = fields.Many2one("product.product", readonly=True, index="btree_not_null")
    lot_id = fields.Many2one("stock.lot", "Batch", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True, index=True)
    partner_id = fields.Many2one("res.partner", "Distributor", readonly=True, index="btree_not_null")
    picking_id = fields.Many2one("stock.picking", "Delivery", readonly=True)
    country_id = fields.Many2one("res.country", readonly=True)
    state_id = fields.Many2one("res.country.state", "Region", readonly=True)
    city = fields.Char(readonly=True)
    zip = fields.Char("Postcode", readonly=True)
    latitude = fields.Float(digits=(9, 1), readonly=True, aggregator=None)
    longitude = fields.Float(digits=(9, 1), readonly=True, aggregator=None)
    territory_id = fields.Many2one("dms.territory", "Found In", readonly=True, index="btree_not_null")
    place = fields.Char(compute="_compute_place")
    device = fields.Char(
        readonly=True, help="A hash that changes every month; it tells devices apart, not people."
    )
    address = fields.Char(
        "Network", readonly=True, help="The network that the scan came from, not the device's address."
    )
    user_id = fields.Many2one("res.users", readonly=True)
    alert_id = fields.Many2one("dms.diversion.alert", readonly=True, index="btree_not_null")

    @api.depends("territory_id", "city", "state_id", "country_id")
    @api.depends_context("lang")
    def _compute_place(self):
        for scan in self:
            parts = [scan.city, scan.state_id.name, scan.country_id.name]
            scan.place = ", ".join(filter(None, parts)) or scan.territory_id.display_name

    def action_open_code(self):
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "dms.code",
            "res_id": self.code_key,
            "view_mode": "form",
            "views": [(False, "form")],
        }

    def action_raise_alert(self):
        """Raise an alert on the chosen scans by hand, without waiting for the statistics."""
        if not self.env.user.has_group("dms_traceability.dms_traceability_group_inspector"):
            raise AccessError(self.env._("Only an inspector may raise alerts."))
        self.check_access("read")
        wrong = self.filtered(lambda scan: scan.area != "outside" or scan.result != "genuine")
        if wrong:
            raise UserError(
                self.env._(
                    "Choose scans of genuine items outside the authorised area only. %(count)s of the chosen ones are not,"
                    " the first is %(serial)s.",
                    count=len(wrong),
                    serial=wrong[0].serial,
                )
            )
        taken = self.filtered("alert_id")
        if taken:
            raise UserError(
                self.env._(
                    "%(serial)s is part of %(alert)s already.",
                    serial=taken[0].serial,
                    alert=taken[0].alert_id.name,
                )
            )
        self.env["dms.diversion.alert"].sudo()._raise(self.sudo())
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_traceability.dms_diversion_alert_action")
        action["domain"] = [("id", "in", self.alert_id.ids)]
        action["context"] = {}
        return action

    # --- Recording --------------------------------------------------------------------------------

    @api.model
    def _record(self, info, gtin, serial, kind="consumer", place=None, device=None, address=None):
        """Store one scan and compare its place with the authorised area.

        It raises nothing by itself: see ``dms.diversion.detection``.

        :param info: what ``dms.code._resolve`` says of the code, None for a forgery
        :param dict place: any of ``country_id``, ``state_id`` (ids), ``city``, ``zip``, or ``latitude``, ``longitude``
        :param str device: see :meth:`_hash_device`
        :param str address: see :meth:`_cut_address`
        :return: the scan (sudo)
        """
        vals = {
            "kind": kind,
            "device": device,
            "address": address,
            "result": self._judge(info),
            "user_id": self.env.uid,
        }
        vals.update(self._prepare_place_vals(place or {}))
        if info is None:
            return self.sudo().create(dict(vals, gtin=gtin[:14], serial=serial[:20]))
        order_sudo = info["order"].sudo()
        vals.update(
            gtin=info["gtin"],
            serial=info["serial"],
            code_key=info["key"],
            product_id=order_sudo.product_id.id,
            lot_id=order_sudo.lot_id.id,
            company_id=order_sudo.company_id.id,
            partner_id=info["partner_id"],
            picking_id=info["picking_id"],
        )
        scan_sudo = self.sudo().with_company(order_sudo.company_id).create(vals)
        if place:
            scan_sudo._compare_area()
        return scan_sudo

    @api.model
    def _find_recent(self, key, device, hours=1):
        """The device's last scan of a code, so that reloading the page does not count again."""
        since = fields.Datetime.subtract(fields.Datetime.now(), hours=hours)
        return self.search([("code_key", "=", key), ("device", "=", device), ("date", ">=", since)], limit=1)

    def _locate(self, place):
        """Complete a scan whose place was not known with what its author said since."""
        self.ensure_one()
        self.write(self._prepare_place_vals(place))
        self._compare_area()

    @api.model
    def _judge(self, info):
        if info is None:
            return "forged"
        if info["state"] in (VOID, DESTROYED):
            return "void"
        return "inactive" if info["state"] == PRINTED else "genuine"

    @api.model
    def _prepare_place_vals(self, place):
        vals = {
            name: place.get(name) for name in ("country_id", "state_id", "city", "zip") if place.get(name)
        }
        if vals.get("state_id"):
            vals["country_id"] = self.env["res.country.state"].sudo().browse(vals["state_id"]).country_id.id
        if place.get("latitude") is not None and place.get("longitude") is not None:
            # The territory is found from the exact point; what is kept is good to about ten kilometres.
            vals["latitude"], vals["longitude"] = round(place["latitude"], 1), round(place["longitude"], 1)
            vals["territory_id"] = self._find_territory(point=(place["latitude"], place["longitude"])).id
        elif vals:
            vals["territory_id"] = self._find_territory(address=vals).id
        return vals

    @api.model
    def _find_territory(self, address=None, point=None):
        Territory = self.env["dms.territory"].sudo()
        if point:
            return Territory._match_points([point])[0]
        return Territory._match_addresses(
            [{name: address.get(name) or False for name in ("country_id", "state_id", "zip")}]
        )[0]

    def _compare_area(self):
        for scan in self:
            allowed = (
                scan.picking_id._dms_get_authorised_territories(scan.product_id) if scan.picking_id else ()
            )
            scan.area = scan._get_area(allowed)

    def _get_area(self, allowed):
        """Inside or outside the authorised area, or not known: a place that is too coarse proves nothing."""
        self.ensure_one()
        if not allowed or not self.partner_id:
            return "unknown"
        found = self.territory_id
        if found:
            if any(territory._contains(found) for territory in allowed):
                return "inside"
            if any(found._contains(territory) for territory in allowed):
                return "unknown"
            return "outside"
        countries = self._get_countries(allowed)
        return "outside" if self.country_id and countries and self.country_id not in countries else "unknown"

    @api.model
    def _get_countries(self, territories):
        family = (
            self.env["dms.territory"]
            .sudo()
            .search(["|", ("id", "parent_of", territories.ids), ("id", "child_of", territories.ids)])
        )
        return family.country_ids | family.state_ids.country_id

    # --- Privacy and abuse ------------------------------------------------------------------------

    @api.model
    def _cut_address(self, address):
        """Network of an address: /24, or /48 for IPv6."""
        try:
            version = ipaddress.ip_address(address or "").version
        except ValueError:
            return ""
        return str(ipaddress.ip_network(f"{address}/{24 if version == 4 else 48}", strict=False))

    @api.model
    def _hash_device(self, *traits):
        secret = self.env["ir.config_parameter"].sudo().get_param("database.secret", "")
        month = fields.Date.today().strftime("%Y-%m")
        message = "\0".join((month, *map(str, traits))).encode()
        return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()[:16]

    @api.model
    def _count_hit(self, bucket, seconds=60):
        """Count one more request of a bucket in the present time slot; shared by all workers.

        :return: requests counted in this slot
        """
        self.env.cr.execute(
            """
            INSERT INTO dms_trace_rate AS rate (bucket, slot, hits) VALUES (%s, %s, 1)
            ON CONFLICT (bucket) DO UPDATE
               SET hits = CASE WHEN rate.slot = EXCLUDED.slot THEN rate.hits + 1 ELSE 1 END, slot = EXCLUDED.slot
            RETURNING hits
            """,
            [bucket, int(time.time()) // seconds],
        )
        return self.env.cr.fetchone()[0]

    @api.autovacuum
    def _gc_rates(self):
        self.env.cr.execute("DELETE FROM dms_trace_rate WHERE slot < %s", [int(time.time() - 86400) // 60])

    @api.model
    def _get_first_month(self, key):
        """Month of the first scan of a code, for the consumer to compare."""
        self.flush_model(["code_key", "date"])
        ((first,),) = self.env.execute_query(SQL("SELECT min(date) FROM dms_scan WHERE code_key = %s", key))
        return first
