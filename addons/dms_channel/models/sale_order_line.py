from odoo import api, models
from odoo.api import NewId

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

    @api.model_create_multi
    def create(self, vals_list):
        lines = super().create(vals_list)
        lines._dms_touch_orders()
        return lines

    def write(self, vals):
        decisive = DECISIVE_FIELDS & vals.keys()
        orders = self.order_id if "order_id" in vals else self.env["sale.order"]
        agreed = self.browse()
        if PRICED_BY & vals.keys() and "product_id" not in vals:
            agreed = self._dms_agreed()
        units = {line: line.product_uom_id for line in agreed}
        fields_ = [self._fields[name] for name in AGREED_FIELDS]
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
        orders = self.order_id
        result = super().unlink()
        self.browse()._dms_touch_orders(orders)
        return result

    @api.depends("product_id", "product_uom_id", "product_uom_qty")
    def _compute_price_unit(self):
        return super(SaleOrderLine, self - self._dms_agreed_drafts())._compute_price_unit()

    @api.depends("product_id", "product_uom_id", "product_uom_qty")
    def _compute_discount(self):
        return super(SaleOrderLine, self - self._dms_agreed_drafts())._compute_discount()

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
