from odoo import fields, models


class DmsSettlementRefuse(models.TransientModel):
    _name = "dms.settlement.refuse"
    _description = "Refuse Settlements"

    settlement_ids = fields.Many2many("dms.settlement", string="Settlements", required=True, readonly=True)
    reason = fields.Text(required=True, help="Kept in the history of the settlement.")

    def action_refuse(self):
        self.ensure_one()
        self.settlement_ids._refuse(self.reason)
        return {"type": "ir.actions.act_window_close"}
