import os
from collections import defaultdict

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL, config

from ..fields import BigInteger
from ..tools import codes, epc, gs1
from .dms_code_tables import LEVELS, LOGISTIC_KEY, PRINTED, STATES


class DmsCode(models.Model):
    """Reader and service of the code tables, which live outside the ORM (10^8 rows are usual)."""

    _name = "dms.code"
    _description = "Unit Code"
    _inherit = ["dms.code.tables", "dms.code.packing", "dms.code.receipt", "dms.code.transformation"]
    _auto = False
    _depends = {
        "dms.code.order": [
            "company_id",
            "product_id",
            "lot_id",
            "gtin",
            "case_gtin",
            "case_count",
            "inner_gtin",
            "inner_count",
            "pallet_gtin",
            "quantity",
            "state",
            "first_key",
            "last_key",
        ],
    }
    _order = "id"
    _rec_name = "serial"

    serial = fields.Char("Serial Number", compute="_compute_serial", search="_search_serial")
    gtin = fields.Char("GTIN", readonly=True)
    level = fields.Selection(
        [("unit", "Unit"), ("inner", "Inner Box"), ("case", "Case"), ("pallet", "Pallet")], readonly=True
    )
    state = fields.Selection(
        [
            ("ordered", "Ordered"),
            ("printed", "Printed"),
            ("active", "In Use"),
            ("assigned", "On a Delivery"),
            ("shipped", "Shipped"),
            ("received", "Received"),
            ("sold", "Sold"),
            ("consumed", "Consumed"),
            ("void", "Void"),
            ("destroyed", "Destroyed"),
        ],
        "Status",
        readonly=True,
    )
    order_id = fields.Many2one("dms.code.order", "Code Order", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    product_id = fields.Many2one("product.product", readonly=True)
    lot_id = fields.Many2one("stock.lot", "Batch", readonly=True)
    case_key = BigInteger("Case Key", readonly=True, aggregator=None)
    case_serial = fields.Char("In Case", compute="_compute_serial")
    unit_count = fields.Integer("Units", compute="_compute_unit_count")
    partner_id = fields.Many2one("res.partner", "Distributor", readonly=True)
    holder_id = fields.Many2one(
        "res.partner", "Now At", readonly=True, help="The outlet or sub-distributor that scanned it in."
    )
    picking_id = fields.Many2one("stock.picking", "Delivery", readonly=True)
    scanned_picking_id = fields.Many2one(
        "stock.picking", "Scanned On", readonly=True, help="The delivery that this very label was scanned on."
    )
    event_ids = fields.Many2many("dms.trace.event", string="Events", compute="_compute_event_ids")
    digital_link = fields.Char(compute="_compute_digital_link")

    @property
    def _table_query(self):
        names = SQL(" ").join(SQL("WHEN %s THEN %s", value, name) for name, value in STATES.items())
        levels = SQL(" ").join(SQL("WHEN %s THEN %s", value, name) for name, value in LEVELS.items())
        return SQL(
            """
            SELECT c.key AS id, o.id AS order_id, o.company_id, o.product_id, o.lot_id,
                   CASE c.level %(levels)s END AS level,
                   CASE c.level WHEN %(unit)s THEN o.gtin WHEN %(case)s THEN o.case_gtin
                                WHEN %(inner)s THEN o.inner_gtin ELSE o.pallet_gtin END AS gtin,
                   CASE WHEN c.state = %(printed)s AND o.state IN ('generating', 'generated') THEN 'ordered'
                        ELSE CASE %(state)s %(names)s END END AS state,
                   p1.parent AS case_key,
                   c.picking_id AS scanned_picking_id,
                   %(picking)s AS picking_id, %(partner)s AS partner_id, %(holder)s AS holder_id
              FROM dms_trace_code c
              JOIN dms_code_order o ON c.key BETWEEN o.first_key AND o.last_key
              %(packages)s
            """,
            levels=levels,
            names=names,
            state=self._effective("state"),
            picking=self._effective("picking_id"),
            partner=self._effective("partner_id"),
            holder=self._effective("holder_id"),
            packages=self._join_packages(),
            printed=PRINTED,
            **LEVELS,
        )

    @api.depends("gtin", "order_id", "case_key")
    def _compute_serial(self):
        texts = self._get_serials(set(self.ids) | {code.case_key for code in self if code.case_key})
        for code in self:
            code.serial = texts.get(code.id, ("", False))[1]
            code.case_serial = texts.get(code.case_key, ("", False))[1]

    def _search_serial(self, operator, value):
        if operator not in ("=", "in", "ilike"):
            return NotImplemented
        texts = [value] if isinstance(value, str) else list(value)
        gtins = sorted(self.env["dms.code.order"].sudo()._get_gtins([]))
        return [("id", "in", [info["key"] for info in self._read_texts(texts, gtins) if info])]

    def _compute_unit_count(self):
        packages = self.filtered(lambda code: code.level != "unit")
        counts = self._count_units(packages.ids)
        for code in self:
            code.unit_count = counts.get(code.id, 0) if code in packages else 1

    def _compute_event_ids(self):
        events = self.env["dms.trace.event"]._of_codes(self.ids)
        for code in self:
            code.event_ids = events.get(code.id, self.env["dms.trace.event"])

    def _compute_digital_link(self):
        base_url = self._get_resolver_url()
        for code in self:
            code.digital_link = code.serial and gs1.digital_link(base_url, code.gtin, code.serial)

    def action_void(self):
        """Take labels out of use: damaged, lost or stolen. Goods on their way keep theirs."""
        self._check_may_retire()
        self._void(self.ids)
        return True

    def action_destroy(self):
        """Goods were destroyed, with all that their packages hold."""
        self._check_may_retire()
        self._destroy(self.ids)
        return True

    def _check_may_retire(self):
        self.check_access("read")
        if not self.env.user.has_groups(
            "dms_channel.dms_channel_group_manager,dms_traceability.dms_traceability_group_inspector"
        ):
            raise UserError(self.env._("Only an inspector or a channel manager may take codes out of use."))

    # --- Keys -------------------------------------------------------------------------------------

    @api.model
    def _get_master_keys(self):
        """Accepted master keys, the issuing one first.

        :raise UserError: when none is set, or one is too short
        """
        text = os.environ.get("DMS_MASTER_KEY") or config.get("dms_master_key")
        try:
            masters = codes.parse_master_keys(text)
        except ValueError as error:
            raise UserError(
                self.env._(
                    "The master key for unit codes is too short: each key needs at least %s characters. "
                    "Ask the administrator to set a longer dms_master_key in odoo.conf.",
                    codes.MASTER_KEY_MIN_LENGTH,
                )
            ) from error
        if not masters:
            raise UserError(
                self.env._(
                    "There is no master key for unit codes, so none can be made or verified. Ask the administrator "
                    "to set dms_master_key in odoo.conf (or DMS_MASTER_KEY in the server's environment) to at least "
                    "%s random characters, to keep a copy in a safe place, and to restart the server.",
                    codes.MASTER_KEY_MIN_LENGTH,
                )
            )
        return masters

    @api.model
    def _get_resolver_url(self):
        parameter = self.env["ir.config_parameter"].sudo().get_param("dms_traceability.resolver_url")
        return parameter or self.env["dms.code.order"].get_base_url()

    # --- Reading ----------------------------------------------------------------------------------

    @api.model
    def _get_serials(self, keys):
        """``{key: (gtin, serial)}`` of existing keys; serials are derived, never stored.

        :raise UserError: when the master key that issued them is not configured any more
        """
        keys = sorted(key for key in keys if key)
        if not keys:
            return {}
        result = {}
        for order, own_keys in self.env["dms.code.order"].sudo()._of_keys(keys).items():
            master = order._get_master()
            for _level, gtin, first, count in order._get_spans():
                part = [key for key in own_keys if first <= key < first + count]
                serials = codes.encode(master, gtin, order.key_year, part)
                result.update(zip(part, ((gtin, serial) for serial in serials), strict=True))
        packages_sudo = (
            self.env["stock.package"]
            .sudo()
            .browse([key - LOGISTIC_KEY for key in keys if key >= LOGISTIC_KEY])
        )
        result.update((package.id + LOGISTIC_KEY, ("00", package.name)) for package in packages_sudo)
        return result

    @api.model
    def _decode(self, pairs, cap=False):
        """Keys that GTINs and serials vouch for, without any look-up in the code tables.

        :param pairs: list of ``(GTIN-14, serial)``
        :param bool cap: the serials are codes under the cap
        :return: list aligned with ``pairs``: ``(key, year, fingerprint of the master key)`` or None
        """
        masters = self._get_master_keys()
        places = defaultdict(list)
        for place, (gtin, _serial) in enumerate(pairs):
            places[gtin].append(place)
        result = [None] * len(pairs)
        year = fields.Date.today().year
        for gtin, own_places in places.items():
            serials = [pairs[place][1] for place in own_places]
            for place, item in zip(own_places, codes.decode(masters, gtin, serials, year, cap), strict=True):
                result[place] = item and (item[0], item[1], codes.fingerprint(masters[item[2]]))
        return result

    @api.model
    def _resolve(self, pairs, cap=False):
        """What is known of codes.

        :param pairs: list of ``(GTIN-14, serial)``
        :param bool cap: the serials are codes under the cap
        :return: list aligned with ``pairs``: None for a forgery, else a dict with ``key``, ``level``, ``gtin``,
            ``serial``, ``order``, ``state`` (number), ``picking_id``, ``partner_id``,
            ``holder_id``, ``case_key``
        """
        decoded = self._decode(pairs, cap)
        keys = [item[0] for item in decoded if item]
        rows, orders = self._read_rows(keys), self.env["dms.code.order"].sudo()._of_keys(keys)
        order_of = {key: order for order, own_keys in orders.items() for key in own_keys}
        result = []
        for (gtin, serial), item in zip(pairs, decoded, strict=True):
            row = item and rows.get(item[0])
            order = item and order_of.get(item[0])
            if not row or not order or not order._issued(gtin, *item, cap=cap):
                result.append(None)
                continue
            result.append(dict(row, gtin=gtin, serial=codes.normalise(serial, cap), order=order))
        return result

    @api.model
    def _read_texts(self, texts, gtins=()):
        """Codes that scanned or typed texts mean; a bare serial is tried with each of ``gtins``.

        :return: list aligned with ``texts``, as of :meth:`_resolve`
        """
        pairs, owners, pallets = [], [], {}
        for place, text in enumerate(texts):
            sscc = epc.parse_sscc(text)
            if sscc:
                pallets[place] = sscc
                continue
            try:
                gtin, serial = gs1.parse(text)
            except ValueError:
                continue
            candidates = [gtin] if gtin else gtins
            pairs += [(candidate, serial) for candidate in candidates]
            owners += [place] * len(candidates)
        result = [None] * len(texts)
        for place, info in zip(owners, self._resolve(pairs), strict=True):
            result[place] = result[place] or info
        found = self._resolve_pallets(set(pallets.values()))
        for place, sscc in pallets.items():
            result[place] = found.get(sscc)
        return result

    @api.model
    def _read_own_keys(self, texts, companies):
        """Keys of the codes that scanned or typed texts mean.

        :return: list aligned with ``texts``: None for what is no code of these companies
        """
        gtins = set()
        if any(len(text) == codes.SERIAL_LENGTH for text in texts):
            gtins = self.env["dms.code.order"].sudo()._get_gtins([("company_id", "in", companies.ids)])
        return [
            info["key"] if info and self._get_company(info["order"], info["key"]) in companies else None
            for info in self._read_texts(texts, gtins)
        ]

    @api.model
    def _resolve_pallets(self, names):
        """``{SSCC: what is known of the logistic unit}``, as of :meth:`_resolve` with no code order."""
        if not names:
            return {}
        packages_sudo = (
            self.env["stock.package"].sudo().search([("name", "in", list(names)), ("dms_sscc", "=", True)])
        )
        rows = self._read_rows([LOGISTIC_KEY + package.id for package in packages_sudo])
        empty = self.env["dms.code.order"].sudo()
        return {
            package.name: dict(rows[LOGISTIC_KEY + package.id], gtin="00", serial=package.name, order=empty)
            for package in packages_sudo
            if LOGISTIC_KEY + package.id in rows
        }

    @api.model
    def _read_rows(self, keys):
        if not keys:
            return {}
        return {
            row["key"]: row
            for row in self.env.execute_query_dict(
                SQL(
                    """
                    SELECT c.key, c.level, p1.parent AS case_key, c.state AS own_state, %s AS state,
                           %s AS picking_id, %s AS partner_id, %s AS holder_id
                      FROM dms_trace_code c
                        %s
                     WHERE c.key = ANY(%s)
                    """,
                    *(self._effective(name) for name in ("state", "picking_id", "partner_id", "holder_id")),
                    self._join_packages(),
                    list(keys),
                )
            )
        }
