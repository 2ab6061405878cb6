from odoo import fields, models


class DmsDepositWaiver(models.TransientModel):
    """Ask why an agreement comes in force without its deposit."""

    _name = "dms.deposit.waiver"
    _description = "Waive a Deposit"

    agreement_id = fields.Many2one("dms.agreement", required=True, readonly=True)
    currency_id = fields.Many2one(related="agreement_id.currency_id")
    deposit_open = fields.Monetary(related="agreement_id.deposit_open")
    reason = fields.Text(required=True, help="Kept with the agreement and in its history.")

    def action_waive(self):
        self.ensure_one()
        self.agreement_id._waive_deposit(self.reason)
        return {"type": "ir.actions.act_window_close"}
