from odoo import fields, models

from ..tools.clearance import Terms


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

    dms_alert_below = fields.Float("Stock alert below (score)", default=60.0)
    dms_alert_close = fields.Float("All-clear from (score)", default=75.0)
    dms_holding_rate = fields.Float(
        "Holding cost (% a year)",
        default=24.0,
        help="What stock costs that lies for a year: capital, space, ageing.",
    )
    dms_promo_days = fields.Integer("Promotion (days)", default=30)
    dms_promo_elasticity = fields.Float(
        "Price elasticity",
        default=2.0,
        help="By how many per cent sales rise where the price falls by one per cent.",
    )
    dms_promo_discount = fields.Float("Deepest discount (%)", default=40.0)
    dms_margin_rate = fields.Float(
        "Distributors' margin (% of cost)",
        default=15.0,
        help="What a distributor earns on what the goods cost it, where neither its sales nor a guidance price say so.",
    )
    dms_transfer_handling = fields.Monetary(
        "Handling of a transfer",
        currency_field="currency_id",
        help="What each transfer of a product costs whatever its size.",
    )
    dms_return_rate = fields.Float("Cost of a return (% of value)", default=10.0)
    dms_return_days = fields.Integer("Return (days)", default=14)

    _dms_alert_scores = models.Constraint(
        "CHECK (dms_alert_below BETWEEN 0 AND 100 AND dms_alert_close BETWEEN dms_alert_below AND 100)",
        "Scores go from 0 to 100, and the all-clear comes not below the alert.",
    )
    _dms_clearance = models.Constraint(
        "CHECK (dms_holding_rate >= 0 AND dms_promo_days > 0 AND dms_promo_elasticity > 0 AND dms_promo_discount BETWEEN 0 AND 99"
        " AND dms_margin_rate >= 0 AND dms_transfer_handling >= 0 AND dms_return_rate >= 0 AND dms_return_days > 0)",
        "What clearing stock costs does not fit: days and elasticity must be positive, rates not negative, the deepest discount below 100 %.",
    )
    _dms_forecast_days = models.Constraint(
        "CHECK (dms_overstock_days > 0 AND dms_slow_idle_days > 0 AND dms_slow_cover_days >= dms_overstock_days"
        " AND dms_lead_days >= 0 AND dms_forecast_horizon BETWEEN 1 AND 180 AND dms_orderpoint_review_days > 0"
        " AND dms_orderpoint_service BETWEEN 50 AND 99.9)",
        "The forecast settings do not fit: days must be positive, slow cover not below overstock, the horizon 1 to 180 days"
        " and the service level 50 to 99.9 %.",
    )

    def _dms_clearance_terms(self):
        """What clearing stock costs, as the arithmetic wants it."""
        self.ensure_one()
        return Terms(
            holding=self.dms_holding_rate / 100,
            promo_days=self.dms_promo_days,
            elasticity=self.dms_promo_elasticity,
            discount_most=self.dms_promo_discount / 100,
            fee=self.dms_return_rate / 100,
            return_days=self.dms_return_days,
        )
