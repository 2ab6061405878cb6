from odoo import fields, models


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    dms_overstock_days = fields.Integer(related="company_id.dms_overstock_days", readonly=False)
    dms_slow_idle_days = fields.Integer(related="company_id.dms_slow_idle_days", readonly=False)
    dms_slow_cover_days = fields.Integer(related="company_id.dms_slow_cover_days", readonly=False)
    dms_lead_days = fields.Integer(related="company_id.dms_lead_days", readonly=False)
    dms_forecast_horizon = fields.Integer(related="company_id.dms_forecast_horizon", readonly=False)
    dms_orderpoint_service = fields.Float(related="company_id.dms_orderpoint_service", readonly=False)
    dms_orderpoint_review_days = fields.Integer(
        related="company_id.dms_orderpoint_review_days", readonly=False
    )
    dms_alert_below = fields.Float(related="company_id.dms_alert_below", readonly=False)
    dms_alert_close = fields.Float(related="company_id.dms_alert_close", readonly=False)
    dms_holding_rate = fields.Float(related="company_id.dms_holding_rate", readonly=False)
    dms_promo_days = fields.Integer(related="company_id.dms_promo_days", readonly=False)
    dms_promo_elasticity = fields.Float(related="company_id.dms_promo_elasticity", readonly=False)
    dms_promo_discount = fields.Float(related="company_id.dms_promo_discount", readonly=False)
    dms_margin_rate = fields.Float(related="company_id.dms_margin_rate", readonly=False)
    dms_transfer_handling = fields.Monetary(related="company_id.dms_transfer_handling", readonly=False)
    dms_return_rate = fields.Float(related="company_id.dms_return_rate", readonly=False)
    dms_return_days = fields.Integer(related="company_id.dms_return_days", readonly=False)
