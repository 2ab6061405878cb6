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
