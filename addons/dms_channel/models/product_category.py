from odoo import api, models


class ProductCategory(models.Model):
    _inherit = "product.category"

    @api.constrains("parent_id")
    def _check_dms_exclusive(self):
        """A category that one distributor has exclusively may not move into another's."""
        self.env["dms.agreement"]._check_exclusive_lines(
            ["|", ("categ_ids", "child_of", self.ids), ("product_ids.categ_id", "child_of", self.ids)]
        )
