from odoo import fields, models


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    dms_diversion_account_id = fields.Many2one(related="company_id.dms_diversion_account_id", readonly=False)
    dms_diversion_percent = fields.Float(related="company_id.dms_diversion_percent", readonly=False)
    dms_diversion_months = fields.Integer(related="company_id.dms_diversion_months", readonly=False)
