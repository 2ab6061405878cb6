from odoo import api, fields, models


class DmsDeductionSplit(models.TransientModel):
    _name = "dms.deduction.split"
    _description = "Split a Deduction"

    deduction_id = fields.Many2one("dms.deduction", required=True, readonly=True, ondelete="cascade")
    currency_id = fields.Many2one(related="deduction_id.currency_id")
    open_amount = fields.Monetary(related="deduction_id.open_amount")
    amount = fields.Monetary("Amount to Keep Here", required=True)
    rest = fields.Monetary("New Deduction of", compute="_compute_rest")

    @api.depends("amount", "open_amount")
    def _compute_rest(self):
        for wizard in self:
            wizard.rest = wizard.open_amount - wizard.amount

    def action_split(self):
        self.ensure_one()
        self.deduction_id._split(self.currency_id.round(self.amount))
        return self.deduction_id.action_view_parts()
