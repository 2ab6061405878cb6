from odoo import api, fields, models

from .dms_stock_alert_option import KINDS


class DmsStockAlertLine(models.Model):
    """A product on a stock alert, with the options to clear its surplus. Written set-based; nobody edits it."""

    _name = "dms.stock.alert.line"
    _description = "Product on a Stock Alert"
    _order = "state desc, surplus_value desc, score, id"
    _rec_name = "product_id"
    _log_access = False

    alert_id = fields.Many2one("dms.stock.alert", required=True, ondelete="cascade", index=True)
    company_id = fields.Many2one("res.company", required=True)
    currency_id = fields.Many2one(related="company_id.currency_id")
    partner_id = fields.Many2one("res.partner", string="Distributor", required=True, ondelete="cascade")
    product_id = fields.Many2one("product.product", required=True, index=True, ondelete="cascade")
    uom_id = fields.Many2one(related="product_id.uom_id")
    state = fields.Selection([("closed", "Clear"), ("open", "Open")], required=True)
    date_open = fields.Date("On the List since")
    since = fields.Date("Poor since")
    date_close = fields.Date("Clear since")
    status = fields.Selection(
        [
            ("stockout_risk", "Stock-out Risk"),
            ("slow", "Slow-moving"),
            ("overstock", "Overstock"),
            ("healthy", "Healthy"),
            ("unknown", "Unknown"),
        ]
    )
    score = fields.Float(aggregator="avg")
    quantity = fields.Float("In Stock", digits="Product Unit")
    daily_demand = fields.Float("Expected a Day", digits="Product Unit", aggregator=None)
    days_cover = fields.Float("Days of Cover", aggregator="avg")
    surplus = fields.Float(digits="Product Unit")
    price_unit = fields.Float("Last Sell-in Price", digits="Product Price", aggregator=None)
    surplus_value = fields.Monetary()
    best_kind = fields.Selection(KINDS, string="Cheapest")
    best_days = fields.Float("Days to Clear", aggregator=None)
    best_cost = fields.Monetary("Cost")
    best_cash = fields.Monetary("Cash Freed")
    option_ids = fields.One2many("dms.stock.alert.option", "line_id")
    advice = fields.Text(compute="_compute_advice", compute_sudo=True)

    _open_uniq = models.UniqueIndex(
        "(company_id, partner_id, product_id) WHERE state = 'open'",
        "A product is once on the list of its distributor's alert.",
    )

    @api.depends("product_id", "partner_id")
    def _compute_display_name(self):
        for line in self.sudo():
            line.display_name = f"{line.product_id.display_name}, {line.partner_id.display_name}"

    @api.depends("option_ids.is_best", "status", "surplus")
    @api.depends_context("lang")
    def _compute_advice(self):
        best = {option.line_id: option for option in self.option_ids if option.is_best}
        for line in self:
            if line in best:
                line.advice = best[line].words
            elif line.status == "stockout_risk":
                line.advice = self.env._("Likely to run out before new goods arrive: order now.")
            elif line.status == "unknown":
                line.advice = self.env._("The ledger is below zero: count the stock.")
            else:
                line.advice = self.env._("Nothing lies above the threshold: keep an eye on it.")
