from collections import defaultdict

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from odoo.addons.dms_channel.tools.words import format_quantity

from ..tools import codes
from .dms_code import ACTIVE, ASSIGNED, CASE, RECEIVED, SHIPPED, STATES, UNIT


class StockPicking(models.Model):
    _inherit = "stock.picking"

    dms_agreement_id = fields.Many2one(
        "dms.agreement",
        "Agreement at Shipping",
        readonly=True,
        copy=False,
        index="btree_not_null",
        help="It says where the distributor was allowed to sell these goods when they were shipped.",
    )
    dms_unit_count = fields.Integer("Scanned Units", compute="_compute_dms_code_counts")
    dms_label_count = fields.Integer("Scanned Labels", compute="_compute_dms_code_counts")
    dms_scan_state = fields.Selection(
        [("none", "Nothing Scanned"), ("partial", "Partly Scanned"), ("done", "All Scanned")],
        "Unit Codes",
        compute="_compute_dms_code_counts",
    )

    @api.depends("move_ids.state", "move_line_ids.quantity", "move_line_ids.lot_id")
    def _compute_dms_code_counts(self):
        scanned = self._dms_get_scanned()
        labels = dict(
            self.env.execute_query(
                SQL(
                    "SELECT picking_id, count(*) FROM dms_trace_code WHERE picking_id = ANY(%s) GROUP BY picking_id",
                    self.ids,
                )
            )
        )
        for picking in self:
            picking.dms_label_count = labels.get(picking.id, 0)
            picking.dms_unit_count = sum(scanned.get(picking.id, {}).values())
            wanted = sum(picking._dms_get_expected().values())
            if not picking.dms_unit_count:
                picking.dms_scan_state = "none"
            else:
                picking.dms_scan_state = "done" if picking.dms_unit_count >= wanted else "partial"

    def write(self, vals):
        if "dms_agreement_id" in vals and not self.env.su:
            raise UserError(
                self.env._("The agreement of a delivery is noted by the system when the goods leave.")
            )
        return super().write(vals)

    def _action_done(self):
        result = super()._action_done()
        self.filtered(lambda picking: picking.state == "done")._dms_bind_codes()
        return result

    def action_cancel(self):
        result = super().action_cancel()
        self.filtered(lambda picking: picking.state == "cancel")._dms_release_codes()
        return result

    def action_dms_scan(self):
        self.ensure_one()
        wizard = self.env["dms.code.scan"].create({"picking_id": self.id})
        return wizard._reopen()

    def action_dms_open_codes(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_traceability.dms_code_action")
        action["domain"] = [("scanned_picking_id", "=", self.id)]
        action["context"] = {}
        return action

    # --- Scanning ---------------------------------------------------------------------------------

    def _dms_get_expected(self):
        """Units that the delivery holds: ``{(product, lot): quantity}`` in the products' own unit."""
        expected = defaultdict(float)
        for line in self.move_line_ids:
            if line.state != "cancel" and line.product_id.type == "consu":
                expected[line.product_id, line.lot_id] += line.quantity_product_uom
        return {key: quantity for key, quantity in expected.items() if quantity > 0}

    def _dms_get_scanned(self):
        """Units scanned for each delivery: ``{picking id: {(product id, lot id or None): units}}``"""
        result = defaultdict(dict)
        if self.ids:
            self.env["dms.code.order"].flush_model()
            rows = self.env.execute_query(
                SQL(
                    """
                    SELECT c.picking_id, o.product_id, o.lot_id,
                           sum(CASE WHEN c.level = %(unit)s THEN 1 ELSE p.last - p.first + 1 END)::integer
                      FROM dms_trace_code c
                      JOIN dms_code_order o ON c.key BETWEEN o.first_key AND o.last_key
                 LEFT JOIN dms_trace_pack p ON p.parent = c.key AND p.unpacked_on IS NULL
                     WHERE c.picking_id = ANY(%(pickings)s) AND (c.level = %(unit)s OR p.parent IS NOT NULL)
                  GROUP BY 1, 2, 3
                    """,
                    unit=UNIT,
                    pickings=self.ids,
                )
            )
            for picking_id, product_id, lot_id, units in rows:
                result[picking_id][product_id, lot_id] = units
        return result

    def _dms_get_scan_lines(self):
        """Expected and scanned units of one delivery, line by line, for the scan screen.

        :return: list of dicts ``product``, ``lot``, ``expected``, ``scanned``
        """
        self.ensure_one()
        lines = {
            (product.id, lot.id or None): {"product": product, "lot": lot, "expected": quantity, "scanned": 0}
            for (product, lot), quantity in self._dms_get_expected().items()
        }
        for (product_id, lot_id), units in self._dms_get_scanned().get(self.id, {}).items():
            # A product that is not tracked by lots takes codes of any batch.
            key = (product_id, lot_id) if (product_id, lot_id) in lines else (product_id, None)
            line = lines.setdefault(
                key,
                {
                    "product": self.env["product.product"].browse(product_id),
                    "lot": self.env["stock.lot"].browse(lot_id or ()),
                    "expected": 0,
                    "scanned": 0,
                },
            )
            line["scanned"] += units
        return list(lines.values())

    def _dms_check_scannable(self):
        self.ensure_one()
        if self.state in ("done", "cancel"):
            raise UserError(self.env._("%s is finished: its codes can't change any more.", self.name))
        if self.picking_type_id.code != "outgoing":
            raise UserError(self.env._("%s is no delivery: codes are scanned when goods leave.", self.name))

    def _dms_add_codes(self, texts):
        """Put scanned codes on the delivery, each for itself.

        :param texts: Digital Links, element strings or serials, of cases or loose units
        :return: list of dicts ``text``, ``ok``, ``units``, ``message`` aligned with ``texts``
        """
        self._dms_check_scannable()
        lines = {(line["product"].id, line["lot"].id or None): line for line in self._dms_get_scan_lines()}
        gtins = set(
            self.env["dms.code.order"]
            .sudo()
            .search([("product_id", "in", [product_id for product_id, _lot in lines]), ("first_key", ">", 0)])
            .mapped(lambda order: (order.gtin, order.case_gtin))
        )
        gtins = {gtin for pair in gtins for gtin in pair if gtin}
        Code = self.env["dms.code"]
        found = Code._read_texts(texts, gtins)
        sizes = Code._count_units([info["key"] for info in found if info and info["level"] == CASE])
        outcomes, accepted = [], []
        seen = set()
        for text, info in zip(texts, found, strict=True):
            units = 0
            if info:
                units = sizes.get(info["key"], 0) if info["level"] == CASE else 1
            message = self._dms_refuse_code(info, units, lines, seen)
            if not message:
                seen.add(info["key"])
                accepted.append(info["key"])
                self._dms_find_line(lines, info["order"])["scanned"] += units
            outcomes.append({"text": text, "ok": not message, "units": units, "message": message or ""})
        if accepted:
            taken = set(self._dms_take(accepted))
            for outcome, info in zip(outcomes, found, strict=True):
                if outcome["ok"] and info["key"] not in taken:
                    outcome.update(ok=False, message=self.env._("Someone else has just taken this code."))
        self.invalidate_recordset(["dms_unit_count", "dms_label_count", "dms_scan_state"])
        return outcomes

    @staticmethod
    def _dms_find_line(lines, order):
        product_id = order.product_id.id
        return lines.get((product_id, order.lot_id.id or None)) or lines.get((product_id, None))

    def _dms_refuse_code(self, info, units, lines, seen):
        """Why a code can't go on the delivery, in words; False when it can."""
        self.ensure_one()
        _ = self.env._
        if not info or info["order"].company_id != self.company_id:
            return _("Not one of our codes.")
        order, state = info["order"], info["state"]
        line = self._dms_find_line(lines, order)
        if info["key"] in seen or (state == ASSIGNED and info["picking_id"] == self.id):
            return _("Scanned already.")
        if not line:
            products = {line["product"] for line in lines.values()}
            if order.product_id in products:
                return _(
                    "Wrong batch: the code belongs to batch %(lot)s, the delivery asks for %(lots)s.",
                    lot=order.lot_id.name or _("none"),
                    lots=", ".join(
                        line["lot"].name
                        for line in lines.values()
                        if line["product"] == order.product_id and line["lot"]
                    ),
                )
            return _(
                "Wrong product: the code belongs to %s, which is not on this delivery.",
                order.product_id.display_name,
            )
        if info["level"] == UNIT and info["case_key"]:
            return _("The unit is packed in a case: scan the case, or unpack it first.")
        if info["level"] == CASE and not units:
            return _("The case is empty: pack units into it first.")
        if state == ASSIGNED:
            return _("The code is on delivery %s.", self.sudo().browse(info["picking_id"]).name)
        if state != ACTIVE:
            reasons = dict(self.env["dms.code"]._fields["state"]._description_selection(self.env))
            name = next(name for name, value in STATES.items() if value == state)
            return _("The code can't be shipped: it is %s.", reasons[name].lower())
        if line["scanned"] + units > line["expected"]:
            return _(
                "Too many: the code covers %(units)s units, and only %(left)s of %(expected)s are left to scan.",
                units=units,
                left=format_quantity(self.env, max(line["expected"] - line["scanned"], 0)),
                expected=format_quantity(self.env, line["expected"]),
            )
        return False

    def _dms_take(self, keys):
        """Put free codes on the delivery; a code that another transaction took meanwhile is left out."""
        self.ensure_one()
        self.env.cr.execute(
            """
            UPDATE dms_trace_code SET state = %s, picking_id = %s
             WHERE key = ANY(%s) AND state = %s AND picking_id IS NULL RETURNING key
            """,
            [ASSIGNED, self.id, list(keys), ACTIVE],
        )
        return [key for (key,) in self.env.cr.fetchall()]

    def _dms_release_codes(self, keys=None):
        """Take codes off deliveries that are not shipped; all of them by default."""
        self.env.cr.execute(
            SQL(
                "UPDATE dms_trace_code SET state = %s, picking_id = NULL WHERE picking_id = ANY(%s) AND state = %s %s",
                ACTIVE,
                self.ids,
                ASSIGNED,
                SQL("AND key = ANY(%s)", list(keys)) if keys is not None else SQL(),
            )
        )
        self.invalidate_recordset(["dms_unit_count", "dms_label_count", "dms_scan_state"])

    def _dms_assign_codes(self):
        """Put codes in stock on the deliveries until each line is covered, oldest first: whole cases, then loose
        units, and where those do not suffice a case is opened.

        :return: units assigned
        """
        total = 0
        for picking in self:
            picking._dms_check_scannable()
            for line in picking._dms_get_scan_lines():
                missing = int(line["expected"] - line["scanned"])
                if missing > 0:
                    total += missing - picking._dms_assign_line(line["product"], line["lot"], missing)
        self.invalidate_recordset(["dms_unit_count", "dms_label_count", "dms_scan_state"])
        return total

    def _dms_assign_line(self, product, lot, missing):
        """Assign up to ``missing`` units of a product and batch; returns how many are still missing."""
        self.ensure_one()
        domain = [
            ("product_id", "=", product.id),
            ("company_id", "=", self.company_id.id),
            ("state", "=", "active"),
        ]
        if lot:
            domain.append(("lot_id", "=", lot.id))
        for order in self.env["dms.code.order"].sudo().search(domain, order="id"):
            missing = self._dms_take_cases(order, missing)
            missing = self._dms_take_units(order, missing)
            if not missing:
                break
        return missing

    def _dms_take_cases(self, order, missing):
        rows = self.env.execute_query(
            SQL(
                """
                SELECT c.key, units, c.total
                  FROM (SELECT box.key, sum(p.last - p.first + 1)::integer AS units,
                               sum(sum(p.last - p.first + 1)) OVER (ORDER BY box.key)::integer AS total
                          FROM dms_trace_code box
                          JOIN dms_trace_pack p ON p.parent = box.key AND p.unpacked_on IS NULL
                         WHERE box.key BETWEEN %s AND %s AND box.level = %s AND box.state = %s
                      GROUP BY box.key) c
                 WHERE c.total - units < %s
              ORDER BY c.key
                """,
                order.first_key + order.quantity,
                order.last_key,
                CASE,
                ACTIVE,
                missing,
            )
        )
        taken = set(self._dms_take([key for key, _units, total in rows if total <= missing]))
        missing -= sum(units for key, units, _total in rows if key in taken)
        # One more case is opened when the rest is smaller than a case and no loose units are there for it.
        opened = next((key for key, _units, total in rows if key not in taken and total > missing), None)
        if opened and missing > 0 and len(self._dms_get_loose(order, missing)) < missing:
            self.env["dms.code"]._unpack([opened], fields.Datetime.now())
        return missing

    def _dms_get_loose(self, order, limit):
        """Keys of up to ``limit`` units of an order that are free and in no case."""
        units = SQL("int8range(%s, %s)", order.first_key, order.first_key + order.quantity)
        return [
            key
            for (key,) in self.env.execute_query(
                SQL(
                    """
                    SELECT c.key
                      FROM unnest(int8multirange(%(units)s) - COALESCE(
                               (SELECT range_agg(int8range(p.first, p.last, '[]')) FROM dms_trace_pack p
                                 WHERE p.unpacked_on IS NULL AND int8range(p.first, p.last, '[]') && %(units)s),
                               '{}')) AS gap
                      JOIN dms_trace_code c ON c.key >= lower(gap) AND c.key < upper(gap)
                     WHERE c.level = %(unit)s AND c.state = %(active)s AND c.picking_id IS NULL
                  ORDER BY c.key LIMIT %(limit)s
                    """,
                    units=units,
                    unit=UNIT,
                    active=ACTIVE,
                    limit=limit,
                )
            )
        ]

    def _dms_take_units(self, order, missing):
        if not missing:
            return 0
        return missing - len(self._dms_take(self._dms_get_loose(order, missing)))

    # --- Shipping and receipt ---------------------------------------------------------------------

    def _dms_bind_codes(self):
        """Bind the scanned codes of deliveries that left to the distributor and its authorised area."""
        outgoing = self.filtered(lambda picking: picking.picking_type_id.code == "outgoing")
        scanned = outgoing._dms_get_scanned()
        for picking in outgoing:
            picking._dms_check_scanned(scanned.get(picking.id, {}))
            if scanned.get(picking.id):
                picking._dms_ship_codes()

    def _dms_check_scanned(self, scanned):
        self.ensure_one()
        wrong = []
        for line in self._dms_get_scan_lines():
            product, short = line["product"], line["scanned"] < line["expected"]
            required = product.dms_code_required and self._dms_get_holder()
            if line["scanned"] > line["expected"] or (short and (required or line["scanned"])):
                wrong.append(
                    self.env._(
                        "%(product)s%(lot)s: %(scanned)s units scanned, %(expected)s shipped",
                        product=product.display_name,
                        lot=f" ({line['lot'].name})" if line["lot"] else "",
                        scanned=line["scanned"],
                        expected=format_quantity(self.env, line["expected"]),
                    )
                )
        if wrong:
            raise UserError(
                self.env._(
                    "The unit codes on %(picking)s do not match what is shipped. Scan the missing cases and units, "
                    "or take off those that stay here.\n%(lines)s",
                    picking=self.name,
                    lines="\n".join(wrong),
                )
            )

    def _dms_get_holder(self):
        """The distributor that answers for the goods: the one that got them, else the one that supplies the outlet."""
        self.ensure_one()
        return self.dms_distributor_id or self.partner_id._get_distributor()

    def _dms_ship_codes(self):
        self.ensure_one()
        distributor = self._dms_get_holder()
        if distributor:
            agreements_sudo = (
                self.env["dms.agreement"]
                .sudo()
                ._get_active(distributor, fields.Date.to_date(self.date_done), self.company_id)
            )
            self.sudo().dms_agreement_id = agreements_sudo[distributor]
        self.env.cr.execute(
            "UPDATE dms_trace_code SET state = %s, partner_id = %s WHERE picking_id = %s AND state = %s RETURNING key",
            [SHIPPED, distributor.id or None, self.id, ASSIGNED],
        )
        keys = [key for (key,) in self.env.cr.fetchall()]
        self.env["dms.trace.event"]._record(
            "shipping",
            codes.ranges(keys),
            when=self.date_done,
            company=self.company_id,
            partner=distributor,
            picking=self,
            payload={
                "bizTransactionList": [{"type": "desadv", "bizTransaction": self.name}]
                + ([{"type": "po", "bizTransaction": self.origin}] if self.origin else [])
            },
        )

    def _dms_get_authorised_territories(self, product):
        """Where the distributor was allowed to sell the product when it was shipped."""
        self.ensure_one()
        return self.dms_agreement_id.line_ids.filtered(lambda line: line._covers(product)).territory_id

    def _dms_sign_receipt(self, name, signature):
        received = self.sudo().dms_receipt_state == "received"
        result = super()._dms_sign_receipt(name, signature)
        if not received:
            self.sudo()._dms_receive_codes()
        return result

    def _dms_receive_codes(self):
        for picking in self:
            self.env.cr.execute(
                "UPDATE dms_trace_code SET state = %s WHERE picking_id = %s AND state = %s RETURNING key",
                [RECEIVED, picking.id, SHIPPED],
            )
            keys = [key for (key,) in self.env.cr.fetchall()]
            if keys:
                self.env["dms.trace.event"]._record(
                    "receiving",
                    codes.ranges(keys),
                    company=picking.company_id,
                    partner=picking._dms_get_holder(),
                    picking=picking,
                )
