from odoo import api, fields, models
from odoo.api import NewId
from odoo.exceptions import UserError

from ..tools import guard

DECISIVE_FIELDS = {
    "discount",
    "order_id",
    "price_unit",
    "product_id",
    "product_uom_id",
    "product_uom_qty",
    "tax_ids",
}


# A change of these would let Odoo price a line anew. With another product there is no agreed price yet.
PRICED_BY = {"product_uom_id", "product_uom_qty"}
AGREED_FIELDS = ("discount", "price_unit", "technical_price_unit")


class SaleOrderLine(models.Model):
    _inherit = "sale.order.line"

    dms_settlement_use_id = fields.Many2one(
        "dms.settlement.use",
        string="Use of a Settlement",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="set null",
    )

    @api.model_create_multi
    def create(self, vals_list):
        lines = super().create(vals_list)
        lines._dms_touch_orders()
        return lines

    def write(self, vals):
        if (DECISIVE_FIELDS | {"dms_settlement_use_id"}) & vals.keys():
            self._check_dms_set_off()
        decisive = DECISIVE_FIELDS & vals.keys()
        orders = self.order_id if "order_id" in vals else self.env["sale.order"]
        agreed = self.browse()
        if PRICED_BY & vals.keys() and "product_id" not in vals:
            agreed = self._dms_agreed()
        units = {line: line.product_uom_id for line in agreed}
        fields_ = [self._fields[name] for name in AGREED_FIELDS]
        with self._dms_watch_orders(decisive):
            with self.env.protecting(fields_, agreed):
                result = super().write(vals)
            if "price_unit" not in vals:
                for line, unit in units.items():
                    if line.product_uom_id != unit:
                        line.price_unit = unit._compute_price(line.price_unit, line.product_uom_id)
            if decisive:
                self._dms_touch_orders(orders)
        return result

    def unlink(self):
        self._check_dms_set_off()
        orders = self.order_id
        with self._dms_watch_orders(True):
            result = super().unlink()
            self.browse()._dms_touch_orders(orders)
        return result

    def _check_dms_set_off(self):
        for line in self.filtered("dms_settlement_use_id"):
            if not guard.is_marked(self):
                raise UserError(
                    self.env._(
                        "“%s” follows from the settlement and from the goods that are ordered, and can't be changed by"
                        " hand.",
                        line.name,
                    )
                )

    @api.depends(
        "dms_settlement_use_id",
        "order_id.order_line.product_uom_qty",
        "order_id.order_line.qty_delivered",
        "order_id.order_line.qty_invoiced",
    )
    def _compute_qty_to_invoice(self):
        result = super()._compute_qty_to_invoice()
        for line in self.filtered("dms_settlement_use_id"):
            if line.state == "sale":
                line.qty_to_invoice = line._get_dms_set_off_due() - line.qty_invoiced
        return result

    def _get_dms_set_off_due(self):
        """The part of a set-off that belongs to the goods which can be invoiced by now; all of it with the last of them."""
        self.ensure_one()
        ordered = due = 0.0
        for line in self.order_id._get_dms_lines():
            by_order = line.product_id.invoice_policy == "order"
            quantity = line.product_uom_qty if by_order else line.qty_delivered
            share = max(quantity, line.qty_invoiced) / line.product_uom_qty
            ordered += line.price_subtotal
            due += line.price_subtotal * min(share, 1.0)
        currency = self.currency_id
        if currency.compare_amounts(due, ordered) >= 0:
            return self.product_uom_qty
        return currency.round(self.product_uom_qty * due / ordered)

    def _prepare_invoice_line(self, **optional_values):
        values = super()._prepare_invoice_line(**optional_values)
        if use := self.dms_settlement_use_id:
            values |= {
                "account_id": use.sudo().settlement_id._get_rest_item().account_id.id,
                "dms_settlement_use_id": use.id,
            }
        return values

    def _dms_watch_orders(self, decisive):
        """Let the filters of the rules watch the orders, which watch themselves where their lines are written by them."""
        orders = self.env["sale.order"] if guard.is_marked(self, guard.BATCH) else self.order_id
        return orders._dms_watch({"order_line", "order_line.*"} if decisive else {"order_line.*"})

    @api.depends("product_id", "product_uom_id", "product_uom_qty")
    def _compute_price_unit(self):
        fixed = self._dms_agreed_drafts() | self.filtered("dms_settlement_use_id")
        return super(SaleOrderLine, self - fixed)._compute_price_unit()

    @api.depends("product_id", "product_uom_id", "product_uom_qty")
    def _compute_discount(self):
        fixed = self._dms_agreed_drafts() | self.filtered("dms_settlement_use_id")
        return super(SaleOrderLine, self - fixed)._compute_discount()

    def _dms_agreed(self):
        """Lines of members' confirmed orders: their price was agreed upon, and holds to the invoice."""
        return self.filtered(
            lambda line: line.order_id.state == "sale" and line.product_id and line.order_id._is_dms_order()
        )

    def _dms_agreed_drafts(self):
        """Agreed lines as they are being edited in a form, with the product and unit that they were agreed upon."""
        drafts = self.filtered(
            lambda line: (
                isinstance(line.id, NewId)
                and line._origin
                and line._origin.product_id == line.product_id._origin
                and line._origin.product_uom_id == line.product_uom_id._origin
            )
        )
        return drafts._dms_agreed()

    def _dms_touch_orders(self, orders=None):
        """Let the orders look at their decision again, once for all lines of one write of an order."""
        if guard.is_marked(self, guard.BATCH):
            return
        orders = self.order_id if orders is None else self.order_id | orders
        orders.exists()._dms_touch()
