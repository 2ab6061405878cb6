from odoo import api, fields, models

from ..tools import rebate


class DmsRebateBacktestVariant(models.Model):
    """A programme in a back-test, with what it would have cost."""

    _name = "dms.rebate.backtest.variant"
    _description = "Programme of a Rebate Back-test"
    _order = "backtest_id, id"

    backtest_id = fields.Many2one("dms.rebate.backtest", required=True, ondelete="cascade", index=True)
    company_id = fields.Many2one(related="backtest_id.company_id", store=True)
    currency_id = fields.Many2one(related="backtest_id.currency_id")
    program_id = fields.Many2one(
        "dms.rebate.program",
        "Programme",
        required=True,
        ondelete="cascade",
        index=True,
        domain="[('company_id', '=', company_id)]",
    )
    state = fields.Selection(related="program_id.state")
    line_ids = fields.One2many("dms.rebate.backtest.line", "variant_id", "Results")
    amount = fields.Monetary("Cost", compute="_compute_totals")
    sales_amount = fields.Monetary("Sales that Count", compute="_compute_totals")
    cost_share = fields.Float("Cost of Sales (%)", digits=(8, 2), compute="_compute_totals")
    partner_count = fields.Integer("Earning Distributors", compute="_compute_totals")
    difference = fields.Monetary("Against the First", compute="_compute_difference")

    _program_uniq = models.Constraint(
        "UNIQUE(backtest_id, program_id)", "A programme takes part in a back-test once."
    )

    @api.depends("line_ids.amount", "line_ids.sales_amount")
    def _compute_totals(self):
        for variant in self:
            earning = variant.line_ids.filtered("amount")
            variant.amount = sum(earning.mapped("amount"))
            variant.sales_amount = sum(variant.line_ids.mapped("sales_amount"))
            variant.partner_count = len(earning.partner_id)
            variant.cost_share = 100 * variant.amount / variant.sales_amount if variant.sales_amount else 0

    @api.depends("amount", "backtest_id.variant_ids.amount")
    def _compute_difference(self):
        for variant in self:
            variant.difference = variant.amount - variant.backtest_id.variant_ids[:1].amount

    def _prepare_line_vals(self, partner_id, start, standing):
        """Return the vals of one distributor's period; amounts in the company's currency."""
        self.ensure_one()
        program, company = self.program_id.sudo(), self.company_id
        tiers = standing.program.tier_ids._to_tiers()
        if standing.result:
            step = standing.result.steps[-1] if standing.result.steps else None
            tier = step and rebate.Tier(step.lower, step.rate, step.kind)
        else:
            tier = rebate.reached_tier(standing.facts.measure, tiers)
        day = min(standing.end or start, self.backtest_id.date_to)

        def convert(value):
            return program.currency_id._convert(float(value), company.currency_id, company, day)

        return {
            "variant_id": self.id,
            "partner_id": partner_id,
            "period_start": start,
            "tier_name": self.env._(
                "%(rate)s, from %(bound)s",
                rate=program._format_rate(tier.rate, tier.kind),
                bound=program._format_base(tier.lower),
            )
            if tier
            else self.env._("Below the first tier"),
            "measure_amount": float(standing.facts.measure),
            "sales_amount": convert(standing.facts.measure) if program.basis == "amount" else 0,
            "amount": convert(standing.earned),
        }
