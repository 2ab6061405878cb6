from odoo import api, fields, models
from odoo.exceptions import ValidationError


class DmsRebateFactor(models.Model):
    """A modifier: what share of the rebate is paid from a number of points, within so many days, and so on."""

    _name = "dms.rebate.factor"
    _description = "Modifier of a Rebate"
    _inherit = ["dms.program.term"]
    _order = "program_id, kind, threshold, id"

    kind = fields.Selection(
        [
            ("points", "Credit points, from"),
            ("grade", "Grade"),
            ("payment", "Paid within days"),
            ("quality", "Months with data, from %"),
            ("price", "Sold on at the price, from %"),
        ],
        "Depends on",
        default="points",
        required=True,
        help="Credit points count as they stand when the settlement is confirmed; everything else when the rebate is"
        " computed.",
    )
    threshold = fields.Float(digits=(16, 2))
    grade_id = fields.Many2one("res.partner.grade", ondelete="restrict")
    factor = fields.Float(
        "Pays", digits=(6, 4), default=1.0, required=True, help="1 pays the rebate in full, 0.8 pays 80 %."
    )

    _threshold_uniq = models.UniqueIndex(
        "(program_id, kind, threshold, COALESCE(grade_id, 0))",
        "Two modifiers of one programme say something of the same case: change one of them.",
    )
    _factor_range = models.Constraint("CHECK(factor >= 0 AND factor <= 1)", "A factor lies between 0 and 1.")

    @api.constrains("kind", "grade_id")
    def _check_grade(self):
        for factor in self:
            if factor.kind == "grade" and not factor.grade_id:
                raise ValidationError(
                    self.env._("A modifier of %s names no grade: choose one.", factor.program_id.display_name)
                )
