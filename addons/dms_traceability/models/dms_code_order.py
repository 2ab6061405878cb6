from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import SQL

from odoo.addons.dms_channel.tools import guard

from ..fields import BigInteger
from ..tools import codes, gs1
from .dms_code_tables import ACTIVE, ASSIGNED, CASE, CONSUMED, LEVELS, PRINTED, SHIPPED, VOID

MAX_QUANTITY = 10_000_000
# More codes than that are stored by the scheduled job, slice by slice, instead of while the user waits.
INLINE_CODES = 200_000
SLICE_CODES = 250_000
# What is asked of the order of a code that somebody scans.
ISSUED_FIELDS = (
    *("cap_codes", "case_count", "case_gtin", "company_id", "first_key", "gtin", "inner_count", "inner_gtin"),
    *("key_fingerprint", "key_year", "lot_id", "pallet_count", "pallet_gtin", "product_id", "quantity"),
    *("reward_program_id", "state"),
)
# What the codes stand on: written by the order's own actions only.
ISSUE_FIELDS = {
    "case_gtin",
    "date_generated",
    "date_printed",
    "first_key",
    "gtin",
    "inner_gtin",
    "key_fingerprint",
    "key_year",
    "last_key",
    "name",
    "pallet_gtin",
    "state",
    "stored_count",
}
# What the codes depend on: fixed once they exist.
TERMS = {
    "cap_codes",
    "case_size",
    "company_id",
    "inner_size",
    "lot_id",
    "packaging_id",
    "pallet_size",
    "product_id",
    "quantity",
}


class DmsCodeOrder(models.Model):
    _name = "dms.code.order"
    _description = "Code Order"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "id desc"
    _check_company_auto = True

    name = fields.Char(
        "Code Order No.", default=lambda self: self.env._("New"), readonly=True, copy=False, index="trigram"
    )
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company
    )
    user_id = fields.Many2one("res.users", "Responsible", default=lambda self: self.env.user, tracking=True)
    product_id = fields.Many2one(
        "product.product",
        required=True,
        index=True,
        check_company=True,
        domain=[("type", "=", "consu")],
        tracking=True,
    )
    lot_id = fields.Many2one(
        "stock.lot",
        "Batch",
        index="btree_not_null",
        check_company=True,
        domain="[('product_id', '=', product_id)]",
        tracking=True,
        help="The batch that the items belong to. Needed for products that are tracked by lots.",
    )
    quantity = fields.Integer("Units", required=True, default=100, tracking=True)
    packaging_id = fields.Many2one(
        "uom.uom",
        compute="_compute_packaging_id",
        store=True,
        readonly=False,
        domain="[('id', 'in', allowed_packaging_ids)]",
    )
    allowed_packaging_ids = fields.Many2many("uom.uom", compute="_compute_allowed_packaging_ids")
    case_size = fields.Integer(
        "Units per Case",
        compute="_compute_case_size",
        store=True,
        readonly=False,
        tracking=True,
        help="How many items go into a case; 0 for items that are shipped singly.",
    )
    case_count = fields.Integer("Cases", compute="_compute_package_counts", store=True)
    inner_size = fields.Integer(
        "Units per Inner Box",
        tracking=True,
        help="How many items go into an inner box, of which a case holds several; 0 for cases without inner boxes.",
    )
    inner_count = fields.Integer("Inner Boxes", compute="_compute_package_counts", store=True)
    pallet_size = fields.Integer(
        "Cases per Pallet",
        tracking=True,
        help="How many cases stand on a pallet of this product; 0 for none. "
        "Pallets of mixed goods get an SSCC when they are packed.",
    )
    pallet_count = fields.Integer("Pallets", compute="_compute_package_counts", store=True)
    cap_codes = fields.Boolean(
        "Codes under the Cap",
        tracking=True,
        help="Each item gets a second, hidden code, which proves once that it was opened.",
    )
    reward_program_id = fields.Many2one(
        "loyalty.program",
        "Consumer Reward",
        domain=[("program_type", "=", "coupons")],
        check_company=True,
        tracking=True,
        help="Who opens an item and enters the code under the cap gets a coupon of this programme, once per item.",
    )
    state = fields.Selection(
        [
            ("draft", "Draft"),
            ("generating", "Being Generated"),
            ("generated", "Ordered"),
            ("printed", "Printed"),
            ("active", "In Use"),
            ("cancelled", "Cancelled"),
        ],
        string="Status",
        default="draft",
        required=True,
        readonly=True,
        copy=False,
        tracking=True,
        index=True,
    )
    gtin = fields.Char("GTIN", readonly=True, copy=False, index=True)
    case_gtin = fields.Char("Case GTIN", readonly=True, copy=False, index=True)
    inner_gtin = fields.Char("Inner Box GTIN", readonly=True, copy=False)
    pallet_gtin = fields.Char("Pallet GTIN", readonly=True, copy=False)
    stored_count = fields.Integer("Generated Codes", readonly=True, copy=False)
    progress = fields.Float(
        compute="_compute_progress", help="Share of the codes that exist already, in percent."
    )
    first_key = BigInteger(readonly=True, copy=False, index=True, aggregator=None)
    last_key = BigInteger(readonly=True, copy=False, aggregator=None)
    key_year = fields.Integer(readonly=True, copy=False, aggregator=None)
    key_fingerprint = fields.Char(readonly=True, copy=False)
    date_generated = fields.Datetime("Generated On", readonly=True, copy=False)
    date_printed = fields.Datetime("Print File Taken On", readonly=True, copy=False)
    packed_count = fields.Integer("Packed Units", compute="_compute_code_counts")
    free_case_count = fields.Integer("Cases Available", compute="_compute_code_counts")
    shipped_count = fields.Integer("Shipped Units", compute="_compute_code_counts")

    _quantity_range = models.Constraint(
        f"CHECK(quantity BETWEEN 1 AND {MAX_QUANTITY})",
        f"A code order is for 1 to {MAX_QUANTITY:,} units. Split a larger one.",
    )
    _case_size_range = models.Constraint(
        "CHECK(case_size BETWEEN 0 AND 100000)", "A case holds 0 (no cases) to 100,000 units."
    )
    _inner_size_fits = models.Constraint(
        "CHECK(inner_size >= 0 AND (inner_size = 0 OR (case_size > 0 AND case_size % inner_size = 0)))",
        "A case holds a whole number of inner boxes: enter units per inner box that divide the units per case.",
    )
    _pallet_size_fits = models.Constraint(
        "CHECK(pallet_size BETWEEN 0 AND 100000 AND (pallet_size = 0 OR case_size > 0))",
        "Pallets are made of cases: enter the units per case first.",
    )
    _first_key_uniq = models.UniqueIndex("(first_key) WHERE first_key > 0")

    @api.depends("product_id")
    def _compute_allowed_packaging_ids(self):
        for order in self:
            order.allowed_packaging_ids = order.product_id.uom_ids

    @api.depends("product_id")
    def _compute_packaging_id(self):
        for order in self:
            if order.packaging_id not in order.product_id.uom_ids:
                order.packaging_id = order.product_id.uom_ids.sorted("factor")[:1]

    @api.depends("packaging_id", "product_id")
    def _compute_case_size(self):
        for order in self:
            if order.packaging_id:
                order.case_size = int(
                    order.packaging_id._compute_quantity(1, order.product_id.uom_id, round=False)
                )
            else:
                order.case_size = 0

    @api.depends("quantity", "inner_size", "case_size", "pallet_size")
    def _compute_package_counts(self):
        for order in self:
            order.inner_count = order.quantity // order.inner_size if order.inner_size > 0 else 0
            order.case_count = order.quantity // order.case_size if order.case_size > 0 else 0
            order.pallet_count = order.case_count // order.pallet_size if order.pallet_size > 0 else 0

    @api.depends("stored_count", "quantity", "inner_count", "case_count", "pallet_count")
    def _compute_progress(self):
        for order in self:
            total = order._get_total()
            order.progress = 100 * order.stored_count / total if total else 0

    def _compute_code_counts(self):
        counts = {}
        issued = self.filtered("first_key")
        if issued:
            self.env.flush_all()
            Code = self.env["dms.code"]
            # From runs of packed units and loose labels: the units of a case have no rows of their own to count.
            rows = self.env.execute_query(
                SQL(
                    """
                    SELECT o.id, packed.units, free.cases, packed.shipped + loose.shipped
                      FROM dms_code_order o
        CROSS JOIN LATERAL (SELECT COALESCE(sum(p.last - p.first + 1), 0) AS units,
                                   COALESCE(sum(p.last - p.first + 1)
                                            FILTER (WHERE %(state)s BETWEEN %(shipped)s AND %(consumed)s), 0) AS shipped
                              FROM dms_trace_pack p
                              JOIN dms_trace_code c ON c.key = p.parent
                              %(packages)s
                             WHERE p.unpacked_on IS NULL
                               AND p.first BETWEEN o.first_key AND o.first_key + o.quantity - 1) packed
        CROSS JOIN LATERAL (SELECT count(*) AS cases
                              FROM dms_trace_code c
                              %(packages)s
                             WHERE c.key BETWEEN o.first_key + o.quantity AND o.last_key
                               AND c.level = %(case)s AND c.state = %(active)s AND %(state)s = %(active)s
                               AND EXISTS (SELECT FROM dms_trace_pack p
                                            WHERE p.parent = c.key AND p.unpacked_on IS NULL)) free
        CROSS JOIN LATERAL (SELECT count(*) AS shipped
                              FROM dms_trace_code c
                             WHERE c.key BETWEEN o.first_key AND o.first_key + o.quantity - 1
                               AND c.picking_id IS NOT NULL
                               AND c.state BETWEEN %(shipped)s AND %(consumed)s) loose
                     WHERE o.id = ANY(%(ids)s)
                    """,
                    state=Code._effective("state"),
                    packages=Code._join_packages(),
                    case=CASE,
                    active=ACTIVE,
                    shipped=SHIPPED,
                    consumed=CONSUMED,
                    ids=issued.ids,
                )
            )
            counts = {row[0]: row[1:] for row in rows}
        for order in self:
            order.packed_count, order.free_case_count, order.shipped_count = map(
                int, counts.get(order.id, (0, 0, 0))
            )

    @api.constrains("product_id", "lot_id")
    def _check_lot(self):
        for order in self:
            if order.lot_id and order.lot_id.product_id != order.product_id:
                raise ValidationError(
                    self.env._(
                        "Batch %(lot)s belongs to %(other)s, not to %(product)s.",
                        lot=order.lot_id.name,
                        other=order.lot_id.product_id.display_name,
                        product=order.product_id.display_name,
                    )
                )

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            self.browse()._check_guarded(vals)
            company = self.env["res.company"].browse(vals.get("company_id")) or self.env.company
            vals["name"] = self.env["ir.sequence"].with_company(company).next_by_code("dms.code.order")
        return super().create(vals_list)

    def write(self, vals):
        self._check_guarded(vals)
        return super().write(vals)

    def _check_guarded(self, vals):
        if not guard.is_marked(self) and ISSUE_FIELDS & vals.keys():
            raise UserError(
                self.env._(
                    "The state of a code order changes by its buttons only: generate, put in use, cancel."
                )
            )
        issued = self.filtered("first_key")
        if issued and TERMS & vals.keys():
            raise UserError(
                self.env._(
                    "The codes of %s exist already, so product, batch, quantity and packing can't change. "
                    "Order more codes, or cancel this order and make another.",
                    ", ".join(issued.mapped("name")),
                )
            )

    @api.ondelete(at_uninstall=False)
    def _unlink_except_issued(self):
        issued = self.filtered("first_key")
        if issued:
            raise UserError(
                self.env._(
                    "%s has issued codes that may be on goods: cancel it instead of deleting it.",
                    ", ".join(issued.mapped("name")),
                )
            )

    def action_generate(self):
        """Issue the codes: no code is ever issued twice, and a large order goes on where it was interrupted."""
        Code = self.env["dms.code"]
        for order in self:
            order.lock_for_update()
            if order.state != "draft":
                raise UserError(self.env._("The codes of %s have been generated already.", order.name))
            master = Code._get_master_keys()[0]
            gtin = order._get_gtin()
            if order.product_id.tracking != "none" and not order.lot_id:
                raise UserError(
                    self.env._(
                        "%(order)s: %(product)s is tracked by lots. Choose the batch that these codes are for.",
                        order=order.name,
                        product=order.product_id.display_name,
                    )
                )
            total = order._get_total()
            first = Code._reserve(total)
            guard.mark(order).write(
                {
                    "state": "generating",
                    "first_key": first,
                    "last_key": first + total - 1,
                    "key_year": fields.Date.today().year,
                    "key_fingerprint": codes.fingerprint(master),
                    "stored_count": 0,
                    **order._get_package_gtins(gtin),
                }
            )
            if total <= INLINE_CODES:
                order._store_next(total)
            else:
                self.env.ref("dms_traceability.ir_cron_generate")._trigger()
        return True

    def _store_next(self, size=None):
        """Store the next codes of an order.

        Position and codes are written in one transaction and the keys are the order's own, so after a kill the next
        call goes on exactly where the last one that was committed had ended.

        :return: whether all codes are there
        """
        self.ensure_one()
        start, total = self.stored_count, self._get_total()
        end = min(start + (size or SLICE_CODES), total)
        for level, _gtin, first, count in self._get_spans():
            low, high = max(first, self.first_key + start), min(first + count, self.first_key + end)
            self.env["dms.code"]._store(low, max(high - low, 0), LEVELS[level], PRINTED)
        done = end == total
        vals = {"state": "generated", "date_generated": fields.Datetime.now()} if done else {}
        guard.mark(self).write({"stored_count": end, **vals})
        return done

    @api.model
    def _cron_generate(self):
        """Store the codes of large orders, a slice for each commit."""
        cron = self.env["ir.cron"]
        waiting = self.search([("state", "=", "generating")], order="id")
        cron._commit_progress(remaining=sum(order._get_total() - order.stored_count for order in waiting))
        for order in waiting:
            while order.try_lock_for_update() and order.state == "generating":
                before = order.stored_count
                order._store_next()
                if not cron._commit_progress(order.stored_count - before):
                    return

    def _mark_printed(self):
        """A print file was taken: from now on labels may exist."""
        waiting = self.filtered(lambda order: order.state == "generated")
        guard.mark(waiting).write({"state": "printed", "date_printed": fields.Datetime.now()})

    def action_activate(self):
        """The labels are on the goods: the codes now answer as genuine."""
        for order in self:
            if order.state not in ("generated", "printed"):
                raise UserError(
                    self.env._("%s: only printed codes can be put in use. Generate them first.", order.name)
                )
            self.env.cr.execute(
                "UPDATE dms_trace_code SET state = %s WHERE key BETWEEN %s AND %s AND state = %s",
                [ACTIVE, order.first_key, order.last_key, PRINTED],
            )
            guard.mark(order).write({"state": "active"})
            self.env["dms.trace.event"]._record(
                "commissioning", [(order.first_key, order.last_key)], order=order, company=order.company_id
            )
        return True

    def action_pack(self):
        """Pack loose units into the order's boxes, cases and pallets, in the order of their labels."""
        for order in self:
            if order.state != "active":
                raise UserError(
                    self.env._(
                        "%s: put the codes in use before packing, so that the labels are on goods.",
                        order.name,
                    )
                )
            if not order.case_count:
                raise UserError(
                    self.env._(
                        "%s has no case labels: it was ordered for single units or too few of them.",
                        order.name,
                    )
                )
            order.lock_for_update()
            packed = order._pack_levels(fields.Datetime.now())
            if not packed:
                raise UserError(
                    self.env._("%s: there are no loose units left that would fill a case.", order.name)
                )
            order.message_post(
                body=self.env._(
                    "%(count)s cases of %(size)s units packed.", count=len(packed), size=order.case_size
                )
            )
        self.invalidate_recordset(["packed_count", "free_case_count"])
        return True

    def _get_nesting(self):
        """How the order's labels nest: ``[(level inside, size, level outside), ...]``, innermost first."""
        self.ensure_one()
        nesting = []
        if self.inner_count:
            nesting.append(("unit", self.inner_size, "inner"))
        if self.case_count:
            inside = (
                ("inner", self.case_size // self.inner_size) if self.inner_count else ("unit", self.case_size)
            )
            nesting.append((*inside, "case"))
        if self.pallet_count:
            nesting.append(("case", self.pallet_size, "pallet"))
        return nesting

    def _pack_levels(self, when):
        """Pack all levels as the labels were ordered; returns the links of the cases."""
        spans = {level: (first, count) for level, _gtin, first, count in self._get_spans()}
        cases = []
        for inside, size, outside in self._get_nesting():
            links = self.env["dms.code"]._pack(
                spans[inside][0], size, *spans[outside], when, filled=inside != "unit"
            )
            if outside == "case":
                cases = links
            if links:
                boxes = codes.ranges(parent for parent, _first, _last in links)
                first, last = min(link[1] for link in links), max(link[2] for link in links)
                whole = last - first + 1 == len(links) * size
                self.env["dms.trace.event"]._record(
                    "packing",
                    boxes + ([(first, last)] if whole else [link[1:] for link in links]),
                    when=when,
                    order=self,
                    company=self.company_id,
                )
        return cases

    def action_cancel(self):
        for order in self:
            if order.first_key:
                self.env.cr.execute(
                    "SELECT count(*) FROM dms_trace_code WHERE key BETWEEN %s AND %s AND state BETWEEN %s AND %s",
                    [order.first_key, order.last_key, ASSIGNED, VOID - 1],
                )
                used = self.env.cr.fetchone()[0]
                if used:
                    raise UserError(
                        self.env._(
                            "%(order)s can't be cancelled: %(count)s of its labels are on a delivery or shipped.",
                            order=order.name,
                            count=used,
                        )
                    )
                self.env.cr.execute(
                    "UPDATE dms_trace_code SET state = %s WHERE key BETWEEN %s AND %s",
                    [VOID, order.first_key, order.last_key],
                )
                self.env["dms.trace.event"]._record(
                    "decommissioning",
                    [(order.first_key, order.last_key)],
                    order=order,
                    company=order.company_id,
                )
            guard.mark(order).write({"state": "cancelled"})
        return True

    def action_open_codes(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_traceability.dms_code_action")
        # By keys, not by order_id: so the list is read from the primary key, wherever the order stands in the table.
        action["domain"] = [("id", ">=", self.first_key), ("id", "<=", self.last_key)]
        action["context"] = {"search_default_case": 1} if self.case_count else {}
        return action

    def action_print_labels(self):
        self.ensure_one()
        return {"type": "ir.actions.act_url", "url": f"/dms/code_order/{self.id}/labels.pdf", "target": "new"}

    def action_download_zpl(self):
        self.ensure_one()
        return {
            "type": "ir.actions.act_url",
            "url": f"/dms/code_order/{self.id}/labels.zpl",
            "target": "self",
        }

    def action_download_codes(self):
        self.ensure_one()
        return {"type": "ir.actions.act_url", "url": f"/dms/code_order/{self.id}/codes.csv", "target": "self"}

    # --- Business ---------------------------------------------------------------------------------

    def _get_gtin(self):
        self.ensure_one()
        try:
            return gs1.to_gtin14(self.product_id.barcode)
        except ValueError as error:
            raise UserError(
                self.env._(
                    "%(product)s has no valid GTIN as its barcode (%(barcode)s). Enter its GTIN of 8, 12, 13 or 14 "
                    "digits, check digit included, in the product's Barcode field.",
                    product=self.product_id.display_name,
                    barcode=self.product_id.barcode or self.env._("empty"),
                )
            ) from error

    def _get_package_gtins(self, gtin):
        """GTINs of unit, inner box, case and pallet: all different, as each is a trade item of its own.

        A case has its packaging's own GTIN where one is recorded, else the unit's behind packaging indicator 1;
        inner boxes and pallets have the indicators 2 and 3.
        """
        case = None
        barcodes = self.product_id.product_uom_ids.filtered(lambda line: line.uom_id == self.packaging_id)
        for barcode in barcodes.mapped("barcode"):
            try:
                case = gs1.to_gtin14(barcode)
                break
            except ValueError:
                continue
        free = [
            number
            for number in (gs1.case_gtin(gtin, indicator) for indicator in range(1, 9))
            if number not in (gtin, case)
        ]
        case = case or free.pop(0)
        return {"gtin": gtin, "case_gtin": case, "inner_gtin": free[0], "pallet_gtin": free[1]}

    def _get_total(self):
        """All labels of the order."""
        self.ensure_one()
        return self.quantity + self.case_count + self.inner_count + self.pallet_count

    def _get_spans(self):
        """Which keys are which labels: ``[(level, GTIN, first key, count), ...]``, in the order of the keys."""
        self.ensure_one()
        spans, first = [], self.first_key
        for level, gtin, count in (
            ("unit", self.gtin, self.quantity),
            ("case", self.case_gtin, self.case_count),
            ("inner", self.inner_gtin, self.inner_count),
            ("pallet", self.pallet_gtin, self.pallet_count),
        ):
            if count:
                spans.append((level, gtin, first, count))
            first += count
        return spans

    def _get_master(self):
        """The master key that issued this order's codes, among those configured now."""
        self.ensure_one()
        for master in self.env["dms.code"]._get_master_keys():
            if codes.fingerprint(master) == self.key_fingerprint:
                return master
        raise UserError(
            self.env._(
                "The codes of %s were made with a master key that is not configured any more. "
                "Add the old key after the new one in dms_master_key, separated by a comma.",
                self.name,
            )
        )

    def _issued(self, gtin, key, year, key_fingerprint, cap=False):
        """Whether this order issued the code, and under this very key and year."""
        self.ensure_one()
        expected = next(
            (number for _level, number, first, count in self._get_spans() if first <= key < first + count),
            None,
        )
        if cap and not (self.cap_codes and key < self.first_key + self.quantity):
            return False
        return gtin == expected and year == self.key_year and key_fingerprint == self.key_fingerprint

    @api.model
    def _of_keys(self, keys):
        """``{order: [keys]}`` of the orders that hold the keys."""
        if not keys:
            return {}
        self.flush_model(["first_key", "last_key"])
        rows = self.env.execute_query(
            SQL(
                """SELECT o.id, array_agg(k.key ORDER BY k.key) FROM unnest(%s::bigint[]) AS k(key)
                     JOIN dms_code_order o ON k.key BETWEEN o.first_key AND o.last_key GROUP BY o.id""",
                list(keys),
            )
        )
        orders = self.browse([order_id for order_id, _own_keys in rows])
        orders.fetch(ISSUED_FIELDS)
        return dict(zip(orders, (own_keys for _order_id, own_keys in rows), strict=True))

    @api.model
    def _get_gtins(self, domain):
        """GTINs of all packing levels that codes were issued for, as a set; all companies' (called as superuser)."""
        groups = self._read_group(
            [("first_key", ">", 0), *domain], ["gtin", "inner_gtin", "case_gtin", "pallet_gtin"]
        )
        return {gtin for group in groups for gtin in group if gtin}

    def _iter_serials(self, level="unit", offset=0, limit=None, size=100_000, cap=False):
        """Slices ``(gtin, [serials])`` of the order's codes, in the order of their keys.

        All that comes from the database is read at once, so that a response can be streamed from it afterwards.

        :param bool cap: the codes under the cap of the units instead
        """
        self.ensure_one()
        master, year = self._get_master(), self.key_year
        gtin, first, total = next(
            (span[1:] for span in self._get_spans() if span[0] == level), (self.gtin, self.first_key, 0)
        )
        end = total if limit is None else min(total, offset + limit)
        return (
            (
                gtin,
                codes.encode(master, gtin, year, range(first + start, first + min(start + size, end)), cap),
            )
            for start in range(offset, end, size)
        )

    def _iter_boxes(self, level, size=100_000):
        """Serials of the package that each label of a level is meant for ('' for none), in slices as of
        :meth:`_iter_serials`: the printer's house nests its rolls by them (套标)."""
        self.ensure_one()
        spans = {name: span for name, *span in self._get_spans()}
        total = spans[level][2]
        nesting = next((one for one in self._get_nesting() if one[0] == level), None)
        if not nesting:
            return ([""] * min(size, total - start) for start in range(0, total, size))
        _inside, per_box, outside = nesting
        master, year = self._get_master(), self.key_year
        gtin, first, count = spans[outside]

        def slices():
            for start in range(0, total, size):
                end = min(start + size, total)
                low, high = start // per_box, min((end - 1) // per_box + 1, count)
                boxes = (
                    codes.encode(master, gtin, year, range(first + low, first + high)) if low < high else []
                )
                yield [
                    boxes[place // per_box - low] if place // per_box < count else ""
                    for place in range(start, end)
                ]

        return slices()
