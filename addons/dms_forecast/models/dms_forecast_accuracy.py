from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import SQL

#: A week is judged by what was said of it one to so many weeks before.
LEADS = 4
#: Late reports change what came in the last weeks.
RESTATED_WEEKS = 10


class DmsForecastAccuracy(models.Model):
    """What was said of a week, one to four weeks before it, beside what came: by distributor and product."""

    _name = "dms.forecast.accuracy"
    _inherit = ["dms.group.ratio"]
    _description = "Forecast Accuracy"
    _order = "week desc, weeks_ahead, actual desc, id"
    _log_access = False
    _rec_name = "product_id"
    _group_ratios = {"wape": ("abs_error", "actual"), "bias": ("surplus", "actual")}

    company_id = fields.Many2one("res.company", required=True, index=True)
    run_id = fields.Many2one("dms.forecast.run", index=True, ondelete="cascade")
    week = fields.Date(required=True, help="Its Monday.")
    weeks_ahead = fields.Integer(
        required=True, aggregator=None, help="How many weeks before it was forecast."
    )
    partner_id = fields.Many2one(
        "res.partner", string="Distributor", required=True, index=True, ondelete="cascade"
    )
    territory_id = fields.Many2one("dms.territory", index="btree_not_null", ondelete="set null")
    product_id = fields.Many2one("product.product", required=True, index=True, ondelete="cascade")
    categ_id = fields.Many2one(
        "product.category", string="Product Category", index="btree_not_null", ondelete="set null"
    )
    abc = fields.Selection(
        [("a", "A"), ("b", "B"), ("c", "C")], string="ABC", help="By value, when the week was judged."
    )
    xyz = fields.Selection(
        [("x", "X"), ("y", "Y"), ("z", "Z")],
        string="XYZ",
        help="By how even its sales are, when the week was judged.",
    )
    expected = fields.Float(digits="Product Unit")
    actual = fields.Float("Came", digits="Product Unit")
    abs_error = fields.Float("Off By", digits="Product Unit")
    surplus = fields.Float(digits="Product Unit", help="Expected less what came.")
    wape = fields.Float(
        "Error",
        aggregator="avg",
        help="What it was off by, as a share of what came; of a group, by its sums.",
    )
    bias = fields.Float(
        aggregator="avg",
        help="How much too high (+) or too low (-), as a share of what came; of a group, by its sums.",
    )

    _week_uniq = models.UniqueIndex(
        "(company_id, partner_id, product_id, week, weeks_ahead)", "A week is judged once for each lead."
    )

    @api.model
    def _judge(self, company):
        """Set the weeks that are over and reported beside what was said of them; once more, it changes nothing."""
        for name in (
            "dms.forecast.run",
            "dms.channel.move",
            "dms.channel.week",
            "dms.stock.health",
            self._name,
        ):
            self.env[name].flush_model()
        [(until,)] = self.env.execute_query(
            SQL(
                "SELECT MAX(date) FROM dms_channel_move WHERE kind = 'sell_out' AND company_id = %s",
                company.id,
            )
        )
        if not until:
            return
        after = fields.Date.start_of(until + timedelta(days=1), "week")
        values = {
            "company": company.id,
            "after": after,
            "first": after - timedelta(weeks=LEADS + 1),
            "restated": after - timedelta(weeks=RESTATED_WEEKS),
            "leads": LEADS,
        }
        self.env.cr.execute(
            SQL(
                """
                WITH told AS (
                    SELECT DISTINCT ON (week.day, lead.weeks) week.day::date AS week, lead.weeks, run.id AS run_id
                      FROM generate_series(%(first)s::date, %(after)s::date - 7, INTERVAL '7 days') week (day)
                CROSS JOIN generate_series(1, %(leads)s) lead (weeks)
                      JOIN dms_forecast_run run
                        ON run.company_id = %(company)s AND run.state = 'done'
                       AND run.date >= week.day::date - 7 * lead.weeks
                       AND run.date < week.day::date - 7 * (lead.weeks - 1)
                       AND run.date + run.horizon >= week.day::date + 6
                  ORDER BY week.day, lead.weeks, run.date DESC, run.id DESC
                ), expected AS (
                    SELECT told.run_id, told.week, told.weeks, line.partner_id, line.product_id,
                           SUM(line.quantity) AS quantity
                      FROM told
                      JOIN dms_forecast_line line
                        ON line.run_id = told.run_id AND line.date BETWEEN told.week AND told.week + 6
                     WHERE line.partner_id <> 0
                  GROUP BY told.run_id, told.week, told.weeks, line.partner_id, line.product_id
                ), came AS (
                    SELECT partner_id, product_id, week, GREATEST(SUM(sell_out), 0)::float8 AS quantity
                      FROM dms_channel_week
                     WHERE company_id = %(company)s AND week >= %(first)s AND week < %(after)s
                  GROUP BY partner_id, product_id, week
                )
                INSERT INTO dms_forecast_accuracy (company_id, run_id, week, weeks_ahead, partner_id, territory_id,
                            product_id, categ_id, abc, xyz, expected, actual)
                SELECT %(company)s, expected.run_id, expected.week, expected.weeks, expected.partner_id,
                       partner.territory_id, expected.product_id, template.categ_id, health.abc, health.xyz,
                       ROUND(expected.quantity::numeric, 3), COALESCE(came.quantity, 0)
                  FROM expected
                  JOIN res_partner partner ON partner.id = expected.partner_id
                  JOIN product_product product ON product.id = expected.product_id
                  JOIN product_template template ON template.id = product.product_tmpl_id
             LEFT JOIN came USING (partner_id, product_id, week)
             LEFT JOIN dms_stock_health health
                    ON health.company_id = %(company)s AND health.partner_id = expected.partner_id
                   AND health.product_id = expected.product_id
                ON CONFLICT (company_id, partner_id, product_id, week, weeks_ahead)
                DO UPDATE SET run_id = EXCLUDED.run_id, expected = EXCLUDED.expected
                """,
                **values,
            )
        )
        self.env.cr.execute(
            SQL(
                """
                UPDATE dms_forecast_accuracy accuracy
                   SET actual = judged.quantity, abs_error = ABS(accuracy.expected - judged.quantity),
                       surplus = accuracy.expected - judged.quantity,
                       wape = COALESCE(ABS(accuracy.expected - judged.quantity) / NULLIF(judged.quantity, 0), 0),
                       bias = COALESCE((accuracy.expected - judged.quantity) / NULLIF(judged.quantity, 0), 0)
                  FROM (SELECT one.id, GREATEST(COALESCE(SUM(week.sell_out), 0), 0)::float8 AS quantity
                          FROM dms_forecast_accuracy one
                     LEFT JOIN dms_channel_week week
                            ON week.company_id = one.company_id AND week.partner_id = one.partner_id
                           AND week.product_id = one.product_id AND week.week = one.week
                         WHERE one.company_id = %(company)s AND one.week >= %(restated)s
                      GROUP BY one.id) judged
                 WHERE accuracy.id = judged.id
                """,
                **values,
            )
        )
        self.invalidate_model()
