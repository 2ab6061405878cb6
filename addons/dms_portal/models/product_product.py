from odoo import models


class ProductProduct(models.Model):
    _inherit = "product.product"

    def _dms_get_order_uom(self):
        """The unit in which the portal offers the product: its smallest case, else its own unit."""
        self.ensure_one()
        unit = self.uom_id
        cases = self.uom_ids.filtered(
            lambda uom: uom._has_common_reference(unit) and uom.factor > unit.factor
        )
        return min(cases, key=lambda uom: uom.factor, default=unit)
