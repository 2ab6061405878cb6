from odoo import api, fields, models

from ..tools import rebate


class DmsRebateTier(models.Model):
    _name = "dms.rebate.tier"
    _description = "Rebate Tier"
    _inherit = ["dms.program.term"]
    _order = "program_id, from_amount, id"

    from_amount = fields.Float(
        "From", digits=(18, 4), help="The tier starts at this measure and ends just before the next tier."
    )
    to_amount = fields.Float("Up to (excluded)", digits=(18, 4), compute="_compute_to_amount")
    stated_end = fields.Float(
        digits=(18, 4),
        help="Where a contract states upper bounds too: publishing checks that no two tiers overlap and none leaves a gap.",
    )
    rate = fields.Float(digits=(16, 6), required=True)
    kind = fields.Selection(
        [("percent", "% of value"), ("unit", "Amount per unit"), ("fixed", "Fixed amount")],
        default="percent",
        required=True,
    )

    _from_amount_uniq = models.Constraint(
        "UNIQUE(program_id, from_amount)",
        "Two tiers of one programme start at the same measure: change one of them.",
    )
    _from_amount_positive = models.Constraint("CHECK(from_amount >= 0)", "A tier starts at zero or above.")
    _rate_positive = models.Constraint("CHECK(rate >= 0)", "The rate of a tier is zero or above.")

    @api.depends("from_amount", "program_id.tier_ids.from_amount")
    def _compute_to_amount(self):
        for tier in self:
            above = tier.program_id.tier_ids.mapped("from_amount")
            tier.to_amount = min((bound for bound in above if bound > tier.from_amount), default=0)

    @api.depends("from_amount", "rate", "kind")
    def _compute_display_name(self):
        for tier in self:
            tier.display_name = f"{tier.from_amount:,.2f}: {tier._format_rate()}"

    def _format_rate(self):
        self.ensure_one()
        return self.program_id._format_rate(rebate.decimal(self.rate), self.kind)

    def _to_tiers(self):
        """Return the records as :class:`..tools.rebate.Tier`, in order."""
        return [
            rebate.Tier(rebate.decimal(tier.from_amount), rebate.decimal(tier.rate), tier.kind)
            for tier in self
        ]
