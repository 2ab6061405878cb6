from odoo import api, models


class ProductTemplate(models.Model):
    _inherit = "product.template"

    @api.constrains("categ_id")
    def _check_dms_exclusive(self):
        """A product that one distributor has exclusively by name may not move into another's exclusive category."""
        self.env["dms.agreement"]._check_exclusive_lines([("product_ids.product_tmpl_id", "in", self.ids)])
