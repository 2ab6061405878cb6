from odoo import api, models

from ..tools import gs1


class ProductProduct(models.Model):
    _inherit = "product.product"

    @api.model
    def _dms_find_by_gtin(self, gtin):
        """The product of a GTIN-14: by its own barcode, by a packaging's, or by the cases that codes were made for."""
        stripped = gtin.lstrip("0")
        forms = [gtin[14 - length :] for length in gs1.GTIN_LENGTHS if len(stripped) <= length]
        product = self.search([("barcode", "in", forms)], limit=1)
        if not product:
            packaging_sudo = self.env["product.uom"].sudo().search([("barcode", "in", forms)], limit=1)
            product = packaging_sudo.product_id.with_env(self.env)
        if not product:
            order_sudo = self.env["dms.code.order"].sudo().search([("case_gtin", "=", gtin)], limit=1)
            product = order_sudo.product_id.with_env(self.env)
        return product
