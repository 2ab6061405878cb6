from odoo import fields, models

from ..tools.inventory import HealthPolicy


class ResCompany(models.Model):
    _inherit = "res.company"

    dms_overstock_days = fields.Integer(
        "Overstock above (days)",
        default=60,
        help="Cover above which a distributor's stock counts as too high.",
    )
    dms_slow_idle_days = fields.Integer("Slow after (days without a sale)", default=60)
    dms_slow_cover_days = fields.Integer("Slow above (days of cover)", default=180)
    dms_lead_days = fields.Integer(
        "Delivery to distributors (days)",
        default=5,
        help="From order to receipt, where no replenishment rule says otherwise.",
    )
    dms_forecast_horizon = fields.Integer("Forecast horizon (days)", default=30)
    dms_orderpoint_service = fields.Float("Service level of the brand's warehouses (%)", default=95.0)
    dms_orderpoint_review_days = fields.Integer("Review of the brand's warehouses (days)", default=7)

    _dms_forecast_days = models.Constraint(
        "CHECK (dms_overstock_days > 0 AND dms_slow_idle_days > 0 AND dms_slow_cover_days >= dms_overstock_days"
        " AND dms_lead_days >= 0 AND dms_forecast_horizon BETWEEN 1 AND 180 AND dms_orderpoint_review_days > 0"
        " AND dms_orderpoint_service BETWEEN 50 AND 99.9)",
        "The forecast settings do not fit: days must be positive, slow cover not below overstock, the horizon 1 to 180 days"
        " and the service level 50 to 99.9 %.",
    )

    def _dms_health_policy(self):
        self.ensure_one()
        return HealthPolicy(self.dms_overstock_days, self.dms_slow_idle_days, self.dms_slow_cover_days)
