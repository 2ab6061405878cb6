from odoo import api, fields, models


class DmsSettlementReply(models.TransientModel):
    """Answer a disputed line: uphold it, or correct its amount."""

    _name = "dms.settlement.reply"
    _description = "Answer a Disputed Settlement Line"

    line_id = fields.Many2one("dms.settlement.line", required=True, readonly=True)
    currency_id = fields.Many2one(related="line_id.currency_id")
    reason = fields.Text(related="line_id.reason")
    explanation = fields.Text(related="line_id.explanation")
    amount_before = fields.Monetary("Amount", related="line_id.amount")
    decision = fields.Selection(
        [("correct", "Correct the amount"), ("uphold", "Uphold the line")], required=True, default="correct"
    )
    amount = fields.Monetary(
        "Correct Amount", compute="_compute_amount", store=True, readonly=False, precompute=True
    )
    reply = fields.Text("Answer", required=True, help="The distributor reads it in the portal and by mail.")

    @api.depends("line_id")
    def _compute_amount(self):
        for wizard in self:
            wizard.amount = wizard.line_id.amount

    def action_reply(self):
        self.ensure_one()
        self.line_id._reply(self.reply, self.amount if self.decision == "correct" else None)
        return {"type": "ir.actions.act_window_close"}
