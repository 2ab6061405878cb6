from odoo import fields, models


class DmsRebateBacktestLine(models.Model):
    """What one distributor would have earned in one period."""

    _name = "dms.rebate.backtest.line"
    _description = "Result of a Rebate Back-test"
    _order = "backtest_id, variant_id, amount desc, id"

    backtest_id = fields.Many2one("dms.rebate.backtest", required=True, ondelete="cascade", index=True)
    variant_id = fields.Many2one("dms.rebate.backtest.variant", required=True, ondelete="cascade", index=True)
    program_id = fields.Many2one(related="variant_id.program_id", store=True, index=True)
    company_id = fields.Many2one(related="backtest_id.company_id", store=True)
    currency_id = fields.Many2one(related="backtest_id.currency_id")
    partner_id = fields.Many2one("res.partner", "Distributor", required=True, ondelete="cascade", index=True)
    territory_id = fields.Many2one(related="partner_id.territory_id", store=True)
    period_start = fields.Date("Period")
    tier_name = fields.Char("Tier")
    measure_amount = fields.Float("Measure", digits=(18, 4))
    sales_amount = fields.Monetary("Sales that Count")
    amount = fields.Monetary("Cost")
