from odoo import api, models

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
        result = super().write(vals)
        if decisive:
            self._dms_touch_orders(orders)
        return result

    def unlink(self):
        orders = self.order_id
        result = super().unlink()
        self.browse()._dms_touch_orders(orders)
        return result

    def _dms_touch_orders(self, orders=None):
        """Let the orders look at their decision again, once for all lines of one write of an order."""
        if guard.is_marked(self, guard.BATCH):
            return
        orders = self.order_id if orders is None else self.order_id | orders
        orders.exists()._dms_touch()
