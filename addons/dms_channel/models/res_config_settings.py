from odoo import fields, models


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    dms_agreement_reminder_days = fields.Char(
        related="company_id.dms_agreement_reminder_days", readonly=False
    )
    dms_settlement_days = fields.Integer(related="company_id.dms_settlement_days", readonly=False)
    dms_settlement_account_id = fields.Many2one(
        related="company_id.dms_settlement_account_id", readonly=False
    )
    dms_payout_journal_id = fields.Many2one(related="company_id.dms_payout_journal_id", readonly=False)
    dms_offset_share = fields.Float(related="company_id.dms_offset_share", readonly=False)
    dms_statement_days = fields.Integer(related="company_id.dms_statement_days", readonly=False)
    dms_statement_reminder_days = fields.Integer(
        related="company_id.dms_statement_reminder_days", readonly=False
    )
    dms_statement_auto_send = fields.Boolean(related="company_id.dms_statement_auto_send", readonly=False)
    dms_statement_user_id = fields.Many2one(related="company_id.dms_statement_user_id", readonly=False)
    dms_deduction_percent = fields.Float(related="company_id.dms_deduction_percent", readonly=False)
    dms_deduction_min = fields.Monetary(
        related="company_id.dms_deduction_min", readonly=False, currency_field="currency_id"
    )
    dms_transfer_credit_policy = fields.Selection(
        related="company_id.dms_transfer_credit_policy", readonly=False
    )
    dms_transfer_giver_share = fields.Float(related="company_id.dms_transfer_giver_share", readonly=False)
    dms_transfer_taker_share = fields.Float(related="company_id.dms_transfer_taker_share", readonly=False)
    dms_transfer_shelf_days = fields.Integer(related="company_id.dms_transfer_shelf_days", readonly=False)
    dms_transfer_show_price = fields.Boolean(related="company_id.dms_transfer_show_price", readonly=False)
    dms_transfer_name_partner = fields.Boolean(related="company_id.dms_transfer_name_partner", readonly=False)
    dms_transfer_user_id = fields.Many2one(related="company_id.dms_transfer_user_id", readonly=False)
