from odoo import fields, models


class DmsRebateTarget(models.Model):
    """What a distributor's period is compared with: its target, or a baseline stated for it."""

    _name = "dms.rebate.target"
    _description = "Rebate Target"
    _inherit = ["dms.program.term"]
    _order = "program_id, partner_id, period_start"

    partner_id = fields.Many2one(
        "res.partner",
        "Distributor",
        required=True,
        index=True,
        ondelete="cascade",
        domain=[("channel_role", "=", "distributor")],
    )
    period_start = fields.Date("Period From", help="First day of one period. Empty: each period.")
    amount = fields.Float(
        "Target or Baseline", digits=(18, 4), required=True, help="In what the programme measures."
    )
    note = fields.Char("Grounds", help="e.g. took over the territory of another distributor")

    _partner_period_uniq = models.UniqueIndex(
        "(program_id, partner_id, COALESCE(period_start, '1900-01-01'))",
        "A distributor has one target per programme and period.",
    )
    _amount_positive = models.Constraint("CHECK(amount >= 0)", "A target lies at zero or above.")
