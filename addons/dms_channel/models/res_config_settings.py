from odoo import fields, models


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    dms_agreement_reminder_days = fields.Char(
        related="company_id.dms_agreement_reminder_days", readonly=False
    )
