from odoo import api, fields, models

# What stops an order; all other outcomes let it through.
STOPPING = ("hold", "refuse")


class DmsOrderCheck(models.Model):
    """What one rule said of one order, kept in words and figures. Only the rules write it."""

    _name = "dms.order.check"
    _description = "Order Check"
    _order = "id"
    _rec_name = "message"

    order_id = fields.Many2one("sale.order", required=True, index=True, ondelete="cascade", readonly=True)
    company_id = fields.Many2one(related="order_id.company_id", store=True, index=True)
    rule_id = fields.Many2one("dms.order.rule", ondelete="set null", index=True, readonly=True)
    rule_name = fields.Char(required=True, readonly=True, help="Name of the rule when it was applied.")
    outcome = fields.Selection(
        [
            ("pass", "Passed"),
            ("approve", "Approves"),
            ("waived", "Hold Lifted"),
            ("hold", "Held"),
            ("refuse", "Refused"),
        ],
        required=True,
        readonly=True,
        help="Hold Lifted: the rule would hold the order, but a rule before it approves it.",
    )
    message = fields.Char(string="Reason", compute="_compute_message", search="_search_message")
    text = fields.Char(readonly=True, help="The sentence in the language of whoever had the order checked.")
    figures = fields.Json(readonly=True, help="The numbers that decided, by name.")
    date = fields.Datetime(required=True, readonly=True, default=fields.Datetime.now)
    superseded = fields.Boolean(readonly=True, help="The rules have been applied again since.")
    group_id = fields.Many2one(related="rule_id.group_id")

    _current_idx = models.Index("(order_id) WHERE superseded IS NOT TRUE")

    @api.depends("text")
    @api.depends_context("lang")
    def _compute_message(self):
        for check in self:
            check.message = check.text

    def _search_message(self, operator, value):
        return [("text", operator, value)]
