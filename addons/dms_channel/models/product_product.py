from odoo import models


class ProductProduct(models.Model):
    _inherit = "product.product"

    def _get_dms_case(self):
        """The smallest unit that holds several of the product's own; an empty unit where it is not sold in cases."""
        self.ensure_one()
        unit = self.uom_id
        cases = self.uom_ids.filtered(
            lambda uom: uom.factor > unit.factor and uom._has_common_reference(unit)
        )
        return min(cases, key=lambda uom: uom.factor, default=unit.browse())

    def _get_dms_case_size(self):
        """How many of the product's unit a case holds; 0.0 where it is not sold in cases."""
        case = self._get_dms_case()
        return case.factor / self.uom_id.factor if case else 0.0
