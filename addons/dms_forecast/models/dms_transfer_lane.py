from odoo import api, fields, models


class DmsTransferLane(models.Model):
    """What it costs to move goods between distributors of two territories; the deepest territories count."""

    _name = "dms.transfer.lane"
    _description = "Transfer Lane"
    _order = "from_territory_id, to_territory_id, id"

    active = fields.Boolean(default=True)
    company_id = fields.Many2one(
        "res.company", required=True, default=lambda self: self.env.company, index=True
    )
    currency_id = fields.Many2one(related="company_id.currency_id")
    from_territory_id = fields.Many2one("dms.territory", "From", help="With those below. Empty: everywhere.")
    to_territory_id = fields.Many2one("dms.territory", "To", help="With those below. Empty: everywhere.")
    cost_kg = fields.Monetary("Freight per kg", required=True)

    _lane_uniq = models.UniqueIndex(
        "(company_id, COALESCE(from_territory_id, 0), COALESCE(to_territory_id, 0)) WHERE active",
        "There is a lane between these territories already. Change its cost.",
    )
    _cost_positive = models.Constraint("CHECK (cost_kg >= 0)", "Freight can't be negative.")

    @api.depends("from_territory_id", "to_territory_id")
    def _compute_display_name(self):
        for lane in self:
            everywhere = self.env._("everywhere")
            lane.display_name = (
                f"{lane.from_territory_id.name or everywhere} → {lane.to_territory_id.name or everywhere}"
            )

    def _get_cost(self, from_path, to_path):
        """Cost per kg from one territory to another by their paths, among these lanes; None where no lane leads there."""
        fitting = [
            lane
            for lane in self
            if (from_path or "").startswith(lane.from_territory_id.parent_path or "")
            and (to_path or "").startswith(lane.to_territory_id.parent_path or "")
        ]
        if not fitting:
            return None
        return max(
            fitting,
            key=lambda lane: (
                (lane.from_territory_id.parent_path or "").count("/")
                + (lane.to_territory_id.parent_path or "").count("/"),
                -lane.id,
            ),
        ).cost_kg
