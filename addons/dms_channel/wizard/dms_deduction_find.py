from odoo import fields, models
from odoo.exceptions import UserError


class DmsDeductionFind(models.TransientModel):
    _name = "dms.deduction.find"
    _description = "Find Short Payments"

    partner_ids = fields.Many2many(
        "res.partner", string="Distributors", domain=[("channel_role", "=", "distributor")]
    )
    percent = fields.Float(
        "Up to (% of the invoice)", help="0: the tolerance of each distributor, or the company's."
    )

    def action_find(self):
        self.ensure_one()
        if not 0 <= self.percent <= 100:
            raise UserError(self.env._("Enter a share from 0 to 100 %."))
        found = self.env["dms.deduction"]._find(
            partners=self.partner_ids or None, percent=self.percent or None
        )
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_deduction_action")
        if found:
            action.update(domain=[("id", "in", found.ids)], context={})
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success" if found else "info",
                "message": self.env._("Short payments found: %s", len(found))
                if found
                else self.env._("No short payment that is not known yet."),
                "next": action,
            },
        }
