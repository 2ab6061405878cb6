from odoo import fields, models


class DmsOrderRuleTrialLine(models.Model):
    """What a dry run found of one past order."""

    _name = "dms.order.rule.trial.line"
    _description = "Dry Run of Order Rules: Order"
    _order = "trial_id desc, id"
    _rec_name = "order_id"

    trial_id = fields.Many2one(
        "dms.order.rule.trial", required=True, index=True, ondelete="cascade", readonly=True
    )
    company_id = fields.Many2one(related="trial_id.company_id", store=True, index=True)
    currency_id = fields.Many2one(related="company_id.currency_id")
    order_id = fields.Many2one("sale.order", required=True, index=True, ondelete="cascade", readonly=True)
    partner_id = fields.Many2one(
        "res.partner", string="Distributor", required=True, index=True, readonly=True
    )
    territory_id = fields.Many2one("dms.territory", readonly=True)
    date_order = fields.Datetime(string="Order Date", readonly=True)
    amount = fields.Monetary(readonly=True, help="Total with taxes in the company's currency.")
    outcome = fields.Selection(
        [("approved", "Approved"), ("held", "Held"), ("refused", "Refused")], required=True, readonly=True
    )
    went_through = fields.Boolean(
        string="Went Through Then", readonly=True, help="The order was confirmed, by itself or by a release."
    )
    changed = fields.Boolean(string="Otherwise Than Then", readonly=True)
    rule_ids = fields.Many2many(
        "dms.order.rule", string="Stopped By", readonly=True, context={"active_test": False}
    )
    message = fields.Text(string="Reasons", readonly=True)
