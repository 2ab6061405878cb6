from odoo import api, fields, models


class DmsOrderRelease(models.TransientModel):
    """Ask for the reason, then release the held orders."""

    _name = "dms.order.release"
    _description = "Release Held Orders"

    order_ids = fields.Many2many("sale.order", string="Orders", required=True, readonly=True)
    summary = fields.Text(string="Held Because", compute="_compute_summary")
    reason = fields.Text(required=True, help="Kept on the order and in its history.")

    @api.depends("order_ids")
    def _compute_summary(self):
        for wizard in self:
            wizard.summary = "\n".join(
                f"{order.name}: {order.dms_reason}" for order in wizard.order_ids if order.dms_reason
            )

    def action_release(self):
        self.ensure_one()
        self.order_ids._dms_release(self.reason)
        return {"type": "ir.actions.act_window_close"}
