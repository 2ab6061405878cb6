from odoo import Command, api, fields, models
from odoo.exceptions import UserError


class DmsFeedAccept(models.TransientModel):
    """The reason why lines that a rule doubts are right all the same."""

    _name = "dms.feed.accept"
    _description = "Accept Warnings"

    line_ids = fields.Many2many("dms.feed.line", readonly=True)
    line_count = fields.Integer(string="Lines", compute="_compute_line_count")
    reason = fields.Char(required=True)

    @api.depends("line_ids")
    def _compute_line_count(self):
        for wizard in self:
            wizard.line_count = len(wizard.line_ids)

    @api.model
    def _get_action(self, lines):
        lines = lines.filtered(lambda line: line.state == "warning")
        if not lines:
            raise UserError(self.env._("None of these lines waits for a reason."))
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Accept Warnings"),
            "res_model": self._name,
            "view_mode": "form",
            "target": "new",
            "context": {"default_line_ids": [Command.set(lines.ids)]},
        }

    def action_confirm(self):
        self.ensure_one()
        self.line_ids._accept(self.reason)
        return {"type": "ir.actions.client", "tag": "soft_reload"}
