from odoo import fields, models
from odoo.exceptions import UserError
from odoo.tools import format_date


class DmsStatementGenerate(models.TransientModel):
    _name = "dms.statement.generate"
    _description = "Generate Statements"

    date_from = fields.Date(
        "From", required=True, default=lambda self: self.env["dms.statement"]._get_last_month()[0]
    )
    date_to = fields.Date(
        "To", required=True, default=lambda self: self.env["dms.statement"]._get_last_month()[1]
    )
    partner_ids = fields.Many2many(
        "res.partner", string="Distributors", domain=[("channel_role", "=", "distributor")]
    )

    def action_generate(self):
        self.ensure_one()
        if self.date_to < self.date_from:
            raise UserError(self.env._("The last day lies before the first day: exchange them."))
        statements = self.env["dms.statement"]._generate(
            self.date_from, self.date_to, partners=self.partner_ids or None
        )
        if not statements:
            raise UserError(
                self.env._(
                    "Nothing to state from %(start)s to %(end)s: no distributor has entries or a balance, or all have"
                    " their statement already.",
                    start=format_date(self.env, self.date_from),
                    end=format_date(self.env, self.date_to),
                )
            )
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_statement_action")
        return dict(action, domain=[("id", "in", statements.ids)], context={})
