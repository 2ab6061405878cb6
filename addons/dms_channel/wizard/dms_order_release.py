from odoo import api, fields, models


class DmsOrderRelease(models.TransientModel):
    """Ask for the reason, then release or refuse the held orders."""

    _name = "dms.order.release"
    _description = "Decide on Held Orders"

    order_ids = fields.Many2many("sale.order", string="Orders", required=True, readonly=True)
    summary = fields.Text(string="Held Because", compute="_compute_summary")
    further_group_ids = fields.Many2many(
        "res.groups",
        string="Then Approved By",
        compute="_compute_further_group_ids",
        help="These groups still have to approve after you.",
    )
    reason = fields.Text(required=True, help="Kept on the order and in its history.")

    @api.depends("order_ids")
    def _compute_summary(self):
        for wizard in self:
            wizard.summary = "\n".join(
                f"{order.name}: {order.dms_reason}" for order in wizard.order_ids if order.dms_reason
            )

    @api.depends("order_ids")
    def _compute_further_group_ids(self):
        for wizard in self:
            approvals = wizard.order_ids.dms_approval_ids
            waiting = approvals.filtered(lambda approval: approval.state == "waiting")
            wizard.further_group_ids = (waiting - waiting._filter_mine()).group_id

    def action_release(self):
        self.ensure_one()
        self.order_ids._dms_release(self.reason)
        return {"type": "ir.actions.act_window_close"}

    def action_refuse(self):
        self.ensure_one()
        self.order_ids._dms_refuse(self.reason)
        return {"type": "ir.actions.act_window_close"}
