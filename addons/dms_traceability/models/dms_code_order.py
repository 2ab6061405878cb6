from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import SQL

from odoo.addons.dms_channel.tools import guard

from ..fields import BigInteger
from ..tools import codes, gs1
from .dms_code import ACTIVE, ASSIGNED, CASE, PRINTED, SHIPPED, UNIT, VOID

MAX_QUANTITY = 10_000_000
# What the codes stand on: written by the order's own actions only.
ISSUE_FIELDS = {
    "case_gtin",
    "date_generated",
    "first_key",
    "gtin",
    "key_fingerprint",
    "key_year",
    "last_key",
    "name",
    "state",
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
    case_count = fields.Integer("Cases", compute="_compute_case_count", store=True)
    state = fields.Selection(
        [("draft", "Draft"), ("generated", "Printed"), ("active", "In Use"), ("cancelled", "Cancelled")],
        string="Status",
        default="draft",
        required=True,
        copy=False,
        tracking=True,
        index=True,
    )
    gtin = fields.Char("GTIN", readonly=True, copy=False, index=True)
    case_gtin = fields.Char("Case GTIN", readonly=True, copy=False, index=True)
    first_key = BigInteger(readonly=True, copy=False, index=True, aggregator=None)
    last_key = BigInteger(readonly=True, copy=False, aggregator=None)
    key_year = fields.Integer(readonly=True, copy=False, aggregator=None)
    key_fingerprint = fields.Char(readonly=True, copy=False)
    date_generated = fields.Datetime("Generated On", readonly=True, copy=False)
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

    @api.depends("quantity", "case_size")
    def _compute_case_count(self):
        for order in self:
            order.case_count = order.quantity // order.case_size if order.case_size > 0 else 0

    def _compute_code_counts(self):
        counts = {}
        issued = self.filtered("first_key")
        if issued:
            self.env.flush_all()
            # From the pack table and the cases: the units of a case have no rows to count.
            rows = self.env.execute_query(
                SQL(
                    """
                    SELECT o.id,
                           (SELECT COALESCE(sum(p.last - p.first + 1), 0) FROM dms_trace_pack p
                             WHERE p.unpacked_on IS NULL
                               AND p.parent BETWEEN o.first_key + o.quantity AND o.last_key),
                           (SELECT count(*) FROM dms_trace_code c
                             WHERE c.key BETWEEN o.first_key + o.quantity AND o.last_key
                               AND c.level = %(case)s AND c.state = %(active)s
                               AND EXISTS (SELECT FROM dms_trace_pack p
                                            WHERE p.parent = c.key AND p.unpacked_on IS NULL)),
                           (SELECT count(*) FROM dms_trace_code c
                             WHERE c.key BETWEEN o.first_key AND o.first_key + o.quantity - 1
                               AND c.picking_id IS NOT NULL AND c.state >= %(shipped)s AND c.state <> %(void)s)
                           + (SELECT COALESCE(sum(p.last - p.first + 1), 0)
                                FROM dms_trace_code c
                                JOIN dms_trace_pack p ON p.parent = c.key AND p.unpacked_on IS NULL
                               WHERE c.key BETWEEN o.first_key + o.quantity AND o.last_key
                                 AND c.picking_id IS NOT NULL AND c.state >= %(shipped)s AND c.state <> %(void)s)
                      FROM dms_code_order o
                     WHERE o.id = ANY(%(ids)s)
                    """,
                    case=CASE,
                    active=ACTIVE,
                    shipped=SHIPPED,
                    void=VOID,
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
            self._check_guarded(vals)
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
        if (
            issued
            and {"product_id", "lot_id", "quantity", "packaging_id", "case_size", "company_id"} & vals.keys()
        ):
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
        """Issue the codes: nothing is written when it fails, and no code is ever issued twice."""
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
            first = Code._reserve(order.quantity + order.case_count)
            Code._store(first, order.quantity, UNIT, PRINTED)
            Code._store(first + order.quantity, order.case_count, CASE, PRINTED)
            guard.mark(order).write(
                {
                    "state": "generated",
                    "gtin": gtin,
                    "case_gtin": order._get_case_gtin(gtin),
                    "first_key": first,
                    "last_key": first + order.quantity + order.case_count - 1,
                    "key_year": fields.Date.today().year,
                    "key_fingerprint": codes.fingerprint(master),
                    "date_generated": fields.Datetime.now(),
                }
            )
        return True

    def action_activate(self):
        """The labels are on the goods: the codes now answer as genuine."""
        for order in self:
            if order.state != "generated":
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
        """Pack loose units into the order's cases, in the order of their labels."""
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
            links = self.env["dms.code"]._pack(
                order.first_key,
                order.case_size,
                order.first_key + order.quantity,
                order.case_count,
                fields.Datetime.now(),
            )
            if not links:
                raise UserError(
                    self.env._("%s: there are no loose units left that would fill a case.", order.name)
                )
            spans = codes.ranges(parent for parent, _first, _last in links)
            first, last = min(link[1] for link in links), max(link[2] for link in links)
            inside = (
                [(first, last)]
                if last - first + 1 == len(links) * order.case_size
                else [link[1:] for link in links]
            )
            self.env["dms.trace.event"]._record(
                "packing", spans + inside, order=order, company=order.company_id
            )
            order.message_post(
                body=self.env._(
                    "%(count)s cases of %(size)s units packed.", count=len(links), size=order.case_size
                )
            )
        self.invalidate_recordset(["packed_count", "free_case_count"])
        return True

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

    def _get_case_gtin(self, gtin):
        """The packaging's own GTIN where one is recorded, else the unit's behind packaging indicator 1."""
        barcodes = self.product_id.product_uom_ids.filtered(lambda line: line.uom_id == self.packaging_id)
        for barcode in barcodes.mapped("barcode"):
            try:
                return gs1.to_gtin14(barcode)
            except ValueError:
                continue
        return gs1.case_gtin(gtin)

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

    def _issued(self, gtin, key, year, key_fingerprint):
        """Whether this order issued the code, and under this very key and year."""
        self.ensure_one()
        expected = self.gtin if key < self.first_key + self.quantity else self.case_gtin
        return (
            self.first_key <= key <= self.last_key
            and gtin == expected
            and year == self.key_year
            and key_fingerprint == self.key_fingerprint
        )

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
        return {self.browse(order_id): own_keys for order_id, own_keys in rows}

    def _iter_serials(self, level="unit", offset=0, limit=None, size=100_000):
        """Slices ``(gtin, [serials])`` of the order's codes, in the order of their keys.

        All that comes from the database is read at once, so that a response can be streamed from it afterwards.
        """
        self.ensure_one()
        master, year = self._get_master(), self.key_year
        first, total, gtin = self.first_key, self.quantity, self.gtin
        if level == "case":
            first, total, gtin = first + self.quantity, self.case_count, self.case_gtin
        end = total if limit is None else min(total, offset + limit)
        return (
            (gtin, codes.encode(master, gtin, year, range(first + start, first + min(start + size, end))))
            for start in range(offset, end, size)
        )
