from odoo import api, fields, models
from odoo.exceptions import UserError


class DmsDiversionRuling(models.TransientModel):
    _name = "dms.diversion.ruling"
    _description = "Ruling on a Diversion Case"

    case_id = fields.Many2one("dms.diversion.case", "Diversion Case", required=True, readonly=True)
    summary = fields.Text("Evidence", related="case_id.summary")
    answer = fields.Text("Distributor's Answer", related="case_id.answer")
    ruling = fields.Selection(
        [("confirmed", "Diversion Confirmed"), ("dismissed", "Not Proved")],
        required=True,
        default="confirmed",
    )
    points = fields.Integer("Credit Points", compute="_compute_points", store=True, readonly=False)
    reason = fields.Text("Grounds", required=True)

    @api.depends("case_id")
    def _compute_points(self):
        for wizard in self:
            rule_sudo = self.env["dms.credit.rule"].sudo()._get_rule("diversion", wizard.case_id.company_id)
            wizard.points = rule_sudo.points

    def action_confirm(self):
        self.ensure_one()
        if self.ruling == "confirmed" and self.points >= 0:
            raise UserError(self.env._("A confirmed diversion takes points away: enter a negative number."))
        self.case_id._rule(
            self.ruling, self.reason, points=self.points if self.ruling == "confirmed" else None
        )
        return {"type": "ir.actions.act_window_close"}
