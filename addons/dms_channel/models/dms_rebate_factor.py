from odoo import api, fields, models


class DmsRebateFactor(models.Model):
    _name = "dms.rebate.factor"
    _description = "Credit-point Factor of a Rebate"
    _order = "program_id, min_points desc, id"

    program_id = fields.Many2one("dms.rebate.program", required=True, ondelete="cascade", index=True)
    min_points = fields.Integer("From Credit Points", required=True)
    factor = fields.Float(
        digits=(6, 4), default=1.0, required=True, help="1 pays the rebate in full, 0.8 pays 80 %."
    )

    _min_points_uniq = models.Constraint(
        "UNIQUE(program_id, min_points)",
        "Two factors of one programme start at the same credit points: change one of them.",
    )
    _factor_range = models.Constraint("CHECK(factor >= 0 AND factor <= 1)", "A factor lies between 0 and 1.")

    @api.model_create_multi
    def create(self, vals_list):
        factors = super().create(vals_list)
        factors.program_id._check_editable()
        return factors

    def write(self, vals):
        self.program_id._check_editable()
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_published(self):
        self.program_id._check_editable()
