from odoo import fields, models


class DmsSettlementWriteOff(models.TransientModel):
    """Ask for the reason, then write off what is left of a settlement."""

    _name = "dms.settlement.write.off"
    _description = "Write Off the Remainder of a Settlement"

    settlement_id = fields.Many2one("dms.settlement", required=True, readonly=True)
    currency_id = fields.Many2one(related="settlement_id.currency_id")
    amount = fields.Monetary("Left", related="settlement_id.amount_left")
    date = fields.Date(required=True, default=fields.Date.context_today)
    reason = fields.Char(required=True, help="Stands on the entry and in the history of the settlement.")

    def action_write_off(self):
        self.ensure_one()
        return self.settlement_id._write_off(self.reason, self.date)._get_records_action(context={})
