from odoo import fields, models


class DmsRebateBundle(models.Model):
    """One part of a bundle: a distributor earns the programme only when it reaches every part's threshold."""

    _name = "dms.rebate.bundle"
    _description = "Threshold of a Rebate Bundle"
    _inherit = ["dms.program.term"]
    _order = "program_id, id"

    name = fields.Char("Part", required=True, translate=True)
    categ_ids = fields.Many2many("product.category", string="Product Categories", help="With sub-categories.")
    product_ids = fields.Many2many("product.product", string="Products")
    threshold = fields.Float(
        "At Least", digits=(18, 4), required=True, help="Per period, in what the programme measures."
    )

    _threshold_positive = models.Constraint(
        "CHECK(threshold > 0)", "The threshold of a bundle's part lies above zero."
    )
