from odoo import models


class ProductProduct(models.Model):
    _inherit = "product.product"

    def _dms_get_order_uom(self):
        """The unit in which the portal offers the product: its smallest case, else its own unit."""
        self.ensure_one()
        return self._get_dms_case() or self.uom_id
