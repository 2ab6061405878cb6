from odoo import api, fields, models
from odoo.exceptions import ValidationError


class DmsRebatePoint(models.Model):
    """What one unit of a product counts for, in a programme that measures points."""

    _name = "dms.rebate.point"
    _description = "Points of a Rebate Programme"
    _inherit = ["dms.program.term"]
    _order = "program_id, product_id, id"

    categ_id = fields.Many2one(
        "product.category", "Product Category", ondelete="cascade", index="btree_not_null"
    )
    product_id = fields.Many2one("product.product", ondelete="cascade", index="btree_not_null")
    points = fields.Float(
        "Points per Unit",
        digits=(16, 4),
        required=True,
        help="For one of the product's own unit of measure. A product's own row goes before that of its category, and a"
        " category's before that of the one above it.",
    )

    _points_positive = models.Constraint("CHECK(points >= 0)", "Points lie at zero or above.")
    _product_uniq = models.UniqueIndex(
        "(program_id, product_id) WHERE product_id IS NOT NULL",
        "A product has one row of points per programme.",
    )
    _categ_uniq = models.UniqueIndex(
        "(program_id, categ_id) WHERE categ_id IS NOT NULL",
        "A product category has one row of points per programme.",
    )

    @api.constrains("categ_id", "points", "product_id")
    def _check_subject(self):
        for row in self:
            if bool(row.categ_id) == bool(row.product_id):
                raise ValidationError(
                    self.env._(
                        "%s: a row of points names either a product or a category.",
                        row.program_id.display_name,
                    )
                )

    def _get_points(self):
        """Return what each product counts for: dict product id -> points, without those that count for nothing."""
        points_of = {}
        Product = self.env["product.product"].with_context(active_test=False)
        # From the top of the tree down, so that the nearest category has the last word.
        for row in self.filtered("categ_id").sorted(lambda row: len(row.categ_id.parent_path)):
            inside = Product._search([("categ_id", "child_of", row.categ_id.ids)])
            points_of.update(dict.fromkeys(inside, row.points))
        points_of.update({row.product_id.id: row.points for row in self.filtered("product_id")})
        return {product_id: points for product_id, points in points_of.items() if points}
