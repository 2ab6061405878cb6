from odoo import fields, models


class DmsGradeDecision(models.TransientModel):
    """A manager's word on proposed grades."""

    _name = "dms.grade.decision"
    _description = "Decide on Grades"

    line_ids = fields.Many2many("dms.grade.review.line", string="Proposals", required=True)
    decision = fields.Selection([("confirmed", "Confirm"), ("declined", "Decline")], required=True)
    reason = fields.Text(required=True)
    effective_date = fields.Date(help="Empty: the day that each proposal says.")

    def action_apply(self):
        self.ensure_one()
        self.line_ids._decide(self.decision, self.reason, self.effective_date)
        return {"type": "ir.actions.act_window_close"}
