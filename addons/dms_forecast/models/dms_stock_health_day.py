from odoo import api, fields, models
from odoo.tools import SQL

LEVELS = [("company", "Company"), ("territory", "Territory"), ("distributor", "Distributor")]


class DmsStockHealthDay(models.Model):
    """Stock health of a day, rolled up by value: the company, each territory with those below it, each distributor.

    A product weighs as much as its stock or a month of its demand is worth, whichever is more, so an empty shelf of a best-seller counts.
    """

    _name = "dms.stock.health.day"
    _description = "Stock Health by Day"
    _order = "date desc, level, value desc, id"
    _log_access = False

    company_id = fields.Many2one("res.company", required=True, index=True)
    currency_id = fields.Many2one(related="company_id.currency_id")
    level = fields.Selection(LEVELS, required=True)
    partner_id = fields.Many2one(
        "res.partner", string="Distributor", index="btree_not_null", ondelete="cascade"
    )
    territory_id = fields.Many2one("dms.territory", index="btree_not_null", ondelete="cascade")
    date = fields.Date(required=True)
    products = fields.Integer(
        help="Products with stock, goods under way or sales in 30 days; once for each distributor."
    )
    score = fields.Float(aggregator="avg", help="Scores of the products, weighted by value.")
    days_inventory = fields.Float(
        "Days of Inventory",
        aggregator="avg",
        help="Stock by the expected sales of a day, both by value; 999 at most.",
    )
    moved_share = fields.Float(
        "Products that Moved", aggregator="avg", help="Share of the products sold in 30 days."
    )
    slow_share = fields.Float("Slow Stock", aggregator="avg", help="Share of the stock's value.")
    sell_through = fields.Float(
        aggregator="avg", help="Sold in 90 days, as a share of that and what is left, by value."
    )
    risk_share = fields.Float("Stock-out Risk", aggregator="avg", help="Share of the products.")
    value = fields.Monetary("Stock Value")
    surplus_value = fields.Monetary(help="Stock above the overstock threshold.")

    _level_uniq = models.UniqueIndex(
        "(company_id, date, level, COALESCE(partner_id, 0), COALESCE(territory_id, 0))",
        "The stock health of a day is written once.",
    )

    @api.depends("level", "partner_id", "territory_id", "date")
    def _compute_display_name(self):
        for day in self:
            whose = day.partner_id if day.level == "distributor" else day.territory_id or day.company_id
            day.display_name = f"{whose.sudo().display_name}, {day.date}"

    @api.model
    def _measure(self, company, day):
        """Write the sums of the health as of `day`, once for each level; a second time the same day replaces the first."""
        self.flush_model()
        self.env.cr.execute(
            SQL("DELETE FROM dms_stock_health_day WHERE company_id = %s AND date = %s", company.id, day)
        )
        self.env.cr.execute(
            SQL(
                """
                WITH health AS (
                    SELECT h.*, GREATEST(h.quantity, 0) * h.price_unit AS there, h.daily_demand * h.price_unit AS daily,
                           GREATEST(h.sold_90, 0) * h.price_unit AS sold,
                           GREATEST(h.quantity * h.price_unit, 30 * h.daily_demand * h.price_unit, 0) AS weight,
                           h.quantity <> 0 OR h.in_transit > 0 OR h.sold_30 > 0 AS live
                      FROM dms_stock_health h WHERE h.company_id = %(company)s),
                levels AS (
                    SELECT 'company' AS level, NULL::int AS whose, NULL::int AS place, health.* FROM health
                 UNION ALL
                    SELECT 'distributor', partner_id, territory_id, health.* FROM health
                 UNION ALL
                    SELECT 'territory', NULL, above.id, health.*
                      FROM health
                      JOIN dms_territory own ON own.id = health.territory_id
                      JOIN dms_territory above ON own.parent_path LIKE above.parent_path || '%%')
                INSERT INTO dms_stock_health_day
                       (company_id, level, partner_id, territory_id, date, products, score, days_inventory, moved_share,
                        slow_share, sell_through, risk_share, value, surplus_value)
                SELECT %(company)s, level, whose, place, %(day)s, COUNT(*) FILTER (WHERE live),
                       COALESCE(SUM(score * weight) / NULLIF(SUM(weight) FILTER (WHERE score IS NOT NULL), 0), AVG(score)),
                       CASE WHEN SUM(there) > 0 THEN LEAST(COALESCE(SUM(there) / NULLIF(SUM(daily), 0), 999), 999) ELSE 0 END,
                       COALESCE(COUNT(*) FILTER (WHERE sold_30 > 0)::float / NULLIF(COUNT(*) FILTER (WHERE live), 0), 0),
                       COALESCE(SUM(there) FILTER (WHERE is_slow) / NULLIF(SUM(there), 0), 0),
                       COALESCE(SUM(sold) / NULLIF(SUM(sold) + SUM(there), 0), 0),
                       COALESCE(COUNT(*) FILTER (WHERE status = 'stockout_risk')::float / NULLIF(COUNT(*) FILTER (WHERE live), 0), 0),
                       ROUND(SUM(there)::numeric, %(digits)s), SUM(surplus_value)
                  FROM levels GROUP BY level, whose, place
                """,
                company=company.id,
                day=day,
                digits=company.currency_id.decimal_places,
            )
        )
        self.invalidate_model()
