from collections import defaultdict

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from odoo.addons.dms_channel.tools.words import format_quantity

from ..tools import codes, pda
from .dms_code_tables import ACTIVE, ASSIGNED, CASE, INNER, PALLET, RECEIVED, SHIPPED, STATES, UNIT


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
                    """SELECT picking_id, count(*) FROM (
                            SELECT picking_id FROM dms_trace_code WHERE picking_id = ANY(%(ids)s)
                         UNION ALL SELECT picking_id FROM dms_trace_return WHERE picking_id = ANY(%(ids)s)) label
                     GROUP BY picking_id""",
                    ids=self.ids,
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
        return {
            "type": "ir.actions.client",
            "tag": "dms_scan_screen",
            "name": self.env._("Scan %s", self.name),
            "params": {"picking_id": self.id},
            "context": {"active_id": self.id},
        }

    def action_dms_paste_codes(self):
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
            rows = self.env.execute_query(
                SQL(
                    """
                    WITH RECURSIVE inside AS (
                       (SELECT c.picking_id, c.key AS first, c.key AS last
                          FROM dms_trace_code c WHERE c.picking_id = ANY(%(pickings)s)
                     UNION ALL
                        SELECT r.picking_id, r.key, r.key FROM dms_trace_return r
                         WHERE r.picking_id = ANY(%(pickings)s))
                     UNION ALL
                        SELECT inside.picking_id, p.first, p.last
                          FROM inside
                          JOIN dms_trace_pack p ON p.parent BETWEEN inside.first AND inside.last
                                               AND p.unpacked_on IS NULL
                    )
                    SELECT inside.picking_id, o.product_id, o.lot_id, sum(inside.last - inside.first + 1)::integer
                      FROM inside %(orders)s
                  GROUP BY 1, 2, 3
                    """,
                    orders=self.env["dms.code"]._join_unit_orders(),
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
        if self.picking_type_id.code != "outgoing" and not self._dms_is_return():
            raise UserError(
                self.env._(
                    "%s is no delivery and no return: codes are scanned when goods leave or come back.",
                    self.name,
                )
            )

    def _dms_is_return(self):
        """Whether goods come back from a member of the channel."""
        self.ensure_one()
        return self.picking_type_id.code == "incoming" and self.location_id.usage == "customer"

    def _dms_add_codes(self, texts, lines=None):
        """Put scanned codes on the delivery, each for itself.

        :param texts: Digital Links, element strings or serials, of cases or loose units
        :param lines: as of :meth:`_dms_get_scan_lines` if they are known; what is scanned is added to them
        :return: list of dicts ``text``, ``ok``, ``units``, ``message`` and ``again`` (refused, for it is on this
            document already) aligned with ``texts``
        """
        self._dms_check_scannable()
        if lines is None:
            lines = self._dms_get_scan_lines()
        lines = {(line["product"].id, line["lot"].id or None): line for line in lines}
        gtins = self._dms_get_gtins([product_id for product_id, _lot in lines])
        again = self.env._("Scanned already.")
        Code = self.env["dms.code"]
        found = Code._read_texts(texts, gtins)
        contents = Code._count_contents([info["key"] for info in found if info])
        outcomes, accepted = [], []
        seen = set()
        for text, info in zip(texts, found, strict=True):
            inside = self._dms_get_contents(contents.get(info["key"], {})) if info else {}
            units = sum(inside.values())
            message = self._dms_refuse_code(info, inside, lines, seen)
            if not message:
                seen.add(info["key"])
                accepted.append(info["key"])
                for order, count in inside.items():
                    self._dms_find_line(lines, order)["scanned"] += count
            outcomes.append(
                {
                    "text": text,
                    "ok": not message,
                    "units": units,
                    "message": message or "",
                    "again": message == again,
                }
            )
        if accepted:
            taken = set(self._dms_take(accepted))
            for outcome, info in zip(outcomes, found, strict=True):
                if outcome["ok"] and info["key"] not in taken:
                    for order, count in self._dms_get_contents(contents[info["key"]]).items():
                        self._dms_find_line(lines, order)["scanned"] -= count
                    outcome.update(ok=False, message=self.env._("Someone else has just taken this code."))
        self.invalidate_recordset(["dms_unit_count", "dms_label_count", "dms_scan_state"])
        return outcomes

    def _dms_get_gtins(self, product_ids):
        """GTINs of all packing levels that codes of the products were ordered for -> set"""
        return self.env["dms.code.order"].sudo()._get_gtins([("product_id", "in", product_ids)])

    def _dms_get_contents(self, counts):
        """``{code order in sudo: units}`` of ``{code order id: units}``"""
        Order_sudo = self.env["dms.code.order"].sudo()
        return {Order_sudo.browse(order_id): units for order_id, units in counts.items()}

    @staticmethod
    def _dms_find_line(lines, order):
        product_id = order.product_id.id
        return lines.get((product_id, order.lot_id.id or None)) or lines.get((product_id, None))

    def _dms_refuse_code(self, info, contents, lines, seen):
        """Why a code can't go on the delivery, in words; False when it can.

        :param dict contents: ``{code order: units}`` that the label covers
        """
        self.ensure_one()
        _ = self.env._
        if not info or (
            (contents or info["order"])
            and ((info["order"] or next(iter(contents))).company_id != self.company_id)
        ):
            return _("Not one of our codes.")
        if info["key"] in seen or self._dms_has_code(info):
            return _("Scanned already.")
        if not contents:
            return _("The package is empty: pack units into it first.")
        problem = next(filter(None, (self._dms_refuse_line(order, lines) for order in contents)), None)
        if problem:
            return problem
        state = info["state"]
        if self._dms_is_return():
            problem = self._dms_refuse_return(info)
            if problem:
                return problem
        elif info["case_key"]:
            return _("The label stands in a package: scan that, or take the label out of it first.")
        elif state == ASSIGNED:
            return _("The code is on delivery %s.", self.sudo().browse(info["picking_id"]).name)
        elif state != ACTIVE:
            reasons = dict(self.env["dms.code"]._fields["state"]._description_selection(self.env))
            name = next(name for name, value in STATES.items() if value == state)
            return _("The code can't be shipped: it is %s.", reasons[name].lower())
        wanted = defaultdict(int)
        for order, units in contents.items():
            line = self._dms_find_line(lines, order)
            wanted[line["product"].id, line["lot"].id or None] += units
        for key, units in wanted.items():
            line = lines[key]
            if line["scanned"] + units > line["expected"]:
                return _(
                    "Too many: the code covers %(units)s units, and only %(left)s of %(expected)s are left to scan.",
                    units=units,
                    left=format_quantity(self.env, max(line["expected"] - line["scanned"], 0)),
                    expected=format_quantity(self.env, line["expected"]),
                )
        return False

    def _dms_has_code(self, info):
        """Whether a label is on this document already, itself or by its package."""
        if info["state"] == ASSIGNED and info["picking_id"] == self.id:
            return True
        if not self._dms_is_return():
            return False
        self.env.cr.execute(
            "SELECT 1 FROM dms_trace_return WHERE key = ANY(%s) AND picking_id = %s",
            [[key for key in (info["key"], info["case_key"]) if key], self.id],
        )
        return bool(self.env.cr.fetchone())

    def _dms_refuse_return(self, info):
        """Why a label can't come back with this return; False when it can."""
        holder = self._dms_get_holder()
        if info["state"] not in (SHIPPED, RECEIVED):
            return self.env._("The code can't come back: it is not with a distributor.")
        if info["partner_id"] != holder.id:
            return self.env._("The code was not delivered to %s.", holder.display_name)
        self.env.cr.execute("SELECT picking_id FROM dms_trace_return WHERE key = %s", [info["key"]])
        other = self.env.cr.fetchone()
        if other and other[0] != self.id:
            return self.env._("The code is on return %s.", self.sudo().browse(other[0]).name)
        return False

    def _dms_refuse_line(self, order, lines):
        """Why units of a code order are not wanted here; False when they are."""
        _ = self.env._
        if self._dms_find_line(lines, order):
            return False
        if order.product_id in {line["product"] for line in lines.values()}:
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

    def _dms_take(self, keys):
        """Put free codes on the delivery; a code that another transaction took meanwhile is left out."""
        self.ensure_one()
        if self._dms_is_return():
            self.env.cr.execute(
                """INSERT INTO dms_trace_return (key, picking_id) SELECT k, %s FROM unnest(%s::bigint[]) AS k
                   ON CONFLICT (key) DO NOTHING RETURNING key""",
                [self.id, list(keys)],
            )
            return [key for (key,) in self.env.cr.fetchall()]
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
        self.env.cr.execute(
            SQL(
                "DELETE FROM dms_trace_return WHERE picking_id = ANY(%s) %s",
                self.ids,
                SQL("AND key = ANY(%s)", list(keys)) if keys is not None else SQL(),
            )
        )
        self.invalidate_recordset(["dms_unit_count", "dms_label_count", "dms_scan_state"])

    # --- Scan screen ------------------------------------------------------------------------------

    def dms_scan_load(self):
        """What the scan screen shows of a delivery or return."""
        self.ensure_one()
        self.check_access("read")
        return self._dms_show_scan(self._dms_get_scan_lines())

    def _dms_show_scan(self, lines):
        return {
            "name": self.name,
            "partner": self.partner_id.display_name or "",
            "area": ", ".join(self._dms_get_expected_area()),
            "is_return": self._dms_is_return(),
            "open": self.state not in ("done", "cancel"),
            "lines": [
                {
                    "id": f"{line['product'].id}-{line['lot'].id or 0}",
                    "product": line["product"].display_name,
                    "lot": line["lot"].name or "",
                    "expected": line["expected"],
                    "scanned": line["scanned"],
                }
                for line in lines
            ],
        }

    def _dms_get_expected_area(self):
        """Names of the territories that the distributor may sell the goods in, by its agreement now."""
        holder = self._dms_get_holder()
        if not holder:
            return []
        agreements_sudo = (
            self.env["dms.agreement"]
            .sudo()
            ._get_active(holder, fields.Date.context_today(self), self.company_id)
        )
        products = self.move_ids.product_id
        lines_sudo = agreements_sudo[holder].line_ids.filtered(
            lambda line: any(line._covers(product) for product in products)
        )
        return lines_sudo.territory_id.mapped("name")

    def dms_scan_add(self, texts):
        """Scan codes; a code that is on this document already counts as scanned, so a queue may be sent twice."""
        self.ensure_one()
        self.check_access("write")
        lines = self._dms_get_scan_lines()
        outcomes = self._dms_add_codes([str(text)[:200] for text in texts[:500]], lines)
        return {"outcomes": outcomes, **self._dms_show_scan(lines)}

    def dms_scan_undo(self, text):
        """Take a code off again."""
        self.ensure_one()
        self.check_access("write")
        self._dms_check_scannable()
        (info,) = self.env["dms.code"]._read_texts([text], self._dms_get_gtins(self.move_ids.product_id.ids))
        if info:
            self._dms_release_codes([info["key"]])
        return self.dms_scan_load()

    def dms_scan_upload(self, content):
        """Scan the codes of a PDA's file: CSV or text, the code in any column of each line.

        :param str content: the file's text
        :return: as of :meth:`dms_scan_add`; of each line the last try
        """
        self.ensure_one()
        texts = pda.read_codes(content)
        if not texts:
            raise UserError(
                self.env._("The file has no code: each line needs a link, an element string or a serial.")
            )
        outcomes = []
        self.check_access("write")
        for start in range(0, len(texts), 5_000):
            outcomes += self._dms_add_codes(texts[start : start + 5_000])
        refused = [outcome for outcome in outcomes if not outcome["ok"]]
        accepted = [outcome for outcome in outcomes if outcome["ok"]]
        return {
            "outcomes": refused[:200],
            "accepted": len(accepted),
            "refused": len(refused),
            **self.dms_scan_load(),
        }

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
        """Whole pallets, then whole cases, as long as they fit; a pallet is broken up, or a case opened, for the rest."""
        Code = self.env["dms.code"]
        for level in (PALLET, CASE):
            free = self._dms_get_packages(order, level, inside=False)
            if level == CASE and missing > 0:
                # Cases on a pallet that is still here come last.
                standing = self._dms_get_packages(order, level, inside=True)
            else:
                standing = []
            units = Code._count_units([*free, *standing])
            chosen, left = [], missing
            for key in [*free, *standing]:
                if units.get(key) and units[key] <= left:
                    chosen.append(key)
                    left -= units[key]
            Code._take_out(set(chosen) & set(standing))
            taken = set(self._dms_take(chosen))
            missing -= sum(units[key] for key in taken)
            rest = [key for key in [*free, *standing] if units.get(key) and key not in taken]
        # A case is opened when the rest is smaller than a case and no loose units are there for it.
        if rest and missing > 0 and len(self._dms_get_loose(order, missing)) < missing:
            opened = rest[0]
            Code._take_out([opened] if opened in standing else [])
            Code._unpack([opened])
            inner = self._dms_get_packages(order, INNER, inside=False)
            units = Code._count_units(inner)
            chosen, left = [], missing
            for key in inner:
                if units.get(key) and units[key] <= left:
                    chosen.append(key)
                    left -= units[key]
            missing -= sum(units[key] for key in self._dms_take(chosen))
            if missing > 0 and len(self._dms_get_loose(order, missing)) < missing:
                Code._unpack([key for key in inner if key not in chosen and units.get(key)][:1])
        return missing

    def _dms_get_packages(self, order, level, inside):
        """Keys of an order's packages that are in stock: those that stand on a bigger one, or those that do not."""
        return [
            key
            for (key,) in self.env.execute_query(
                SQL(
                    """
                    SELECT c.key FROM dms_trace_code c %(packages)s
                     WHERE c.key BETWEEN %(first)s AND %(last)s AND c.level = %(level)s AND c.state = %(active)s
                       AND %(state)s = %(active)s AND (p1.parent IS NOT NULL) = %(inside)s
                  ORDER BY c.key
                    """,
                    packages=self.env["dms.code"]._join_packages(),
                    state=self.env["dms.code"]._effective("state"),
                    first=order.first_key + order.quantity,
                    last=order.last_key,
                    level=level,
                    active=ACTIVE,
                    inside=inside,
                )
            )
        ]

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
        for picking in (self - outgoing).filtered(lambda picking: picking._dms_is_return()):
            picking._dms_take_back_codes()

    def _dms_take_back_codes(self):
        """Bring the codes of a return back into stock, where they can be shipped again."""
        self.ensure_one()
        cr = self.env.cr
        cr.execute("SELECT key FROM dms_trace_return WHERE picking_id = %s", [self.id])
        keys = [key for (key,) in cr.fetchall()]
        if not keys:
            return
        self._dms_check_scanned(self._dms_get_scanned().get(self.id, {}))
        Code = self.env["dms.code"].sudo()
        Code._take_out(keys)
        cr.execute(
            SQL(
                """UPDATE dms_trace_code SET state = %s, picking_id = NULL, partner_id = NULL, holder_id = NULL
                    WHERE key = ANY(%s::bigint[] || %s) AND state IN (%s, %s)""",
                ACTIVE,
                keys,
                Code._inside_keys(keys),
                SHIPPED,
                RECEIVED,
            )
        )
        cr.execute("DELETE FROM dms_trace_return WHERE picking_id = %s", [self.id])
        self.env["dms.trace.event"]._record(
            "receiving",
            codes.ranges(keys),
            when=self.date_done,
            company=self.company_id,
            partner=self._dms_get_holder(),
            picking=self,
            payload={"source": "return"},
        )

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
