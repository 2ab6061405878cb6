from odoo import models


class ProductProduct(models.Model):
    _inherit = "product.product"

    def _get_dms_case(self):
        """The smallest unit of the product that holds several of its own; empty where it is sold loose."""
        self.ensure_one()
        unit = self.uom_id
        cases = self.uom_ids.filtered(
            lambda uom: uom._has_common_reference(unit) and uom.factor > unit.factor
        )
        return min(cases, key=lambda uom: uom.factor, default=cases)

    def _get_dms_pack_size(self):
        """Quantity of a case, in the product's unit; 1.0 where it is sold loose."""
        self.ensure_one()
        case = self._get_dms_case()
        return case._compute_quantity(1.0, self.uom_id, round=False) if case else 1.0
