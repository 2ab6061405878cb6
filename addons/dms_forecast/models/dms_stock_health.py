import io
import math

import numpy as np

from odoo import api, fields, models
from odoo.tools import SQL, format_date

from ..tools import forecast as engine
from ..tools import inventory

RISK_PROBABILITY = 0.9
WEEKS = 13  # of which the variation of demand is measured
KEYS = ("company_id", "partner_id", "product_id")
COLUMNS = (
    *KEYS,
    "categ_id",
    "territory_id",
    "grade_id",
    "rule_id",
    "run_id",
    "date",
    "quantity",
    "in_transit",
    "daily_demand",
    "lead_demand",
    "sold_30",
    "sold_90",
    "sell_through",
    "days_cover",
    "idle_days",
    "last_sale",
    "is_slow",
    "score",
    "cover_loss",
    "idle_loss",
    "short_loss",
    "alert_below",
    "alert_close",
    "overstock_days",
    "below_since",
    "abc",
    "xyz",
    "status",
    "surplus",
    "price_unit",
    "surplus_value",
    "value",
)


def _figure(number):
    """A quantity for a sentence: digits in groups, no trailing zeros."""
    return f"{number:,.12g}"


class DmsStockHealth(models.Model):
    """How well a distributor's stock of a product fits what shops will buy. Rebuilt set-based; nobody edits it."""

    _name = "dms.stock.health"
    _description = "Stock Health"
    _order = "score, value desc, id"
    _log_access = False

    company_id = fields.Many2one("res.company", required=True, index=True)
    partner_id = fields.Many2one(
        "res.partner", string="Distributor", required=True, index=True, ondelete="cascade"
    )
    product_id = fields.Many2one("product.product", required=True, index=True, ondelete="cascade")
    categ_id = fields.Many2one("product.category", string="Product Category")
    territory_id = fields.Many2one("dms.territory")
    grade_id = fields.Many2one("res.partner.grade")
    rule_id = fields.Many2one(
        "dms.stock.health.rule",
        string="Thresholds",
        ondelete="set null",
        help="Empty: those of the company's settings.",
    )
    uom_id = fields.Many2one(related="product_id.uom_id")
    run_id = fields.Many2one("dms.forecast.run", ondelete="set null")
    date = fields.Date("As of", required=True)
    quantity = fields.Float("In Stock", digits="Product Unit")
    in_transit = fields.Float(digits="Product Unit")
    daily_demand = fields.Float("Expected a Day", digits="Product Unit", aggregator=None)
    lead_demand = fields.Float(
        "Demand until Resupply",
        digits="Product Unit",
        help="Not exceeded with a chance of nine in ten until new goods can arrive.",
    )
    sold_30 = fields.Float("Sold, 30 Days", digits="Product Unit")
    sold_90 = fields.Float("Sold, 90 Days", digits="Product Unit")
    sell_through = fields.Float(
        aggregator="avg", help="Sold in 90 days, as a share of that and what is left."
    )
    days_cover = fields.Float(
        "Days of Cover",
        aggregator="avg",
        help="How long the stock lasts at the forecast's pace, 999 at most.",
    )
    idle_days = fields.Integer("Days without Sale", aggregator="max")
    last_sale = fields.Date()
    is_slow = fields.Boolean("Slow")
    score = fields.Float(
        aggregator="avg",
        help="100: stock fits demand. Points are taken off for too much cover, idle days and a likely stock-out.",
    )
    cover_loss = fields.Float(
        "Off for Cover",
        aggregator="avg",
        help="Up to 50 points, from the overstock threshold to the slow one.",
    )
    idle_loss = fields.Float(
        "Off for Idle Days",
        aggregator="avg",
        help="Up to 20 points, from half of the idle threshold to twice it.",
    )
    short_loss = fields.Float(
        "Off for Stock-out",
        aggregator="avg",
        help="Up to 50 points: the part of the demand until resupply that stock and goods under way do not reach.",
    )
    alert_below = fields.Float("Alert below", aggregator=None)
    alert_close = fields.Float("All-clear from", aggregator=None)
    overstock_days = fields.Integer("Overstock above (days)", aggregator=None)
    below_since = fields.Date(
        "Poor since",
        help="Since when the score is below its threshold or the cover above it, without a break.",
    )
    abc = fields.Selection(
        [("A", "A"), ("B", "B"), ("C", "C")],
        string="ABC",
        help="By value sold in 90 days: A are the products of the company's first 80 %, B of the next 15 %, C the rest.",
    )
    xyz = fields.Selection(
        [("X", "X"), ("Y", "Y"), ("Z", "Z")],
        string="XYZ",
        help="By the variation of the distributor's weekly sales: X is steady, Y varies by more than half of the mean, Z by more than all of it.",
    )
    status = fields.Selection(
        [
            ("stockout_risk", "Stock-out Risk"),
            ("slow", "Slow-moving"),
            ("overstock", "Overstock"),
            ("healthy", "Healthy"),
            ("unknown", "Unknown"),
        ],
        required=True,
    )
    surplus = fields.Float(digits="Product Unit", help="Units above the overstock threshold.")
    currency_id = fields.Many2one(related="company_id.currency_id")
    price_unit = fields.Float("Last Sell-in Price", digits="Product Price", aggregator=None)
    surplus_value = fields.Monetary(help="Surplus at the last sell-in price.")
    value = fields.Monetary("Stock Value")
    advice = fields.Text(compute="_compute_advice", compute_sudo=True)

    _series_uniq = models.Constraint(
        "UNIQUE(company_id, partner_id, product_id)",
        "A distributor has one line of stock health per product.",
    )

    @api.depends("partner_id", "product_id")
    def _compute_display_name(self):
        for health in self:
            health.display_name = (
                f"{health.product_id.sudo().display_name}, {health.partner_id.sudo().display_name}"
            )

    @api.depends(
        "status",
        "quantity",
        "in_transit",
        "daily_demand",
        "lead_demand",
        "days_cover",
        "idle_days",
        "last_sale",
        "surplus",
        "rule_id.slow_idle_days",
        "company_id.dms_slow_idle_days",
    )
    @api.depends_context("lang")
    def _compute_advice(self):
        for health in self:
            health.advice = health._get_advice()

    def _get_advice(self):
        """What the figures mean and what to do, in the user's language."""
        self.ensure_one()
        _ = self.env._
        unit = self.uom_id.name
        quantity = _figure(self.quantity)
        if self.status == "unknown":
            return _(
                "Unknown: the ledger says %(quantity)s %(unit)s: more was sold than ever came in, so a delivery or a count is missing. Ask for a stock"
                " count before you order.",
                quantity=quantity,
                unit=unit,
            )
        idle = (
            _(
                "nothing was sold for %(days)d days (last on %(date)s)",
                days=self.idle_days,
                date=format_date(self.env, self.last_sale),
            )
            if self.last_sale
            else _("nothing was ever sold")
        )
        if self.status == "slow":
            if self.idle_days >= (self.rule_id.slow_idle_days or self.company_id.dms_slow_idle_days):
                return _(
                    "Slow: %(quantity)s %(unit)s lie in stock and %(idle)s. Stop resupply; promote, move to a distributor that sells it, or return about"
                    " %(surplus)s %(unit)s.",
                    quantity=quantity,
                    unit=unit,
                    idle=idle,
                    surplus=_figure(round(self.surplus or self.quantity)),
                )
            return _(
                "Slow: %(quantity)s %(unit)s last %(cover)d days at %(daily).2f a day. Stop resupply; about %(surplus)s %(unit)s are more than"
                " %(days)d days need: promote or transfer them.",
                quantity=quantity,
                unit=unit,
                cover=self.days_cover,
                daily=self.daily_demand,
                surplus=_figure(round(self.surplus)),
                days=self.overstock_days,
            )
        if self.status == "overstock":
            return _(
                "Overstock: %(quantity)s %(unit)s last %(cover)d days at %(daily).2f a day. Hold orders; %(surplus)s %(unit)s are more than needed.",
                quantity=quantity,
                unit=unit,
                cover=self.days_cover,
                daily=self.daily_demand,
                surplus=_figure(round(self.surplus)),
            )
        if self.status == "stockout_risk":
            return _(
                "Stock-out risk: %(quantity)s %(unit)s in stock and %(transit)s under way, but up to %(lead)s may be sold before new goods arrive. Order now.",
                quantity=quantity,
                unit=unit,
                transit=_figure(self.in_transit),
                lead=_figure(math.ceil(self.lead_demand)),
            )
        if not self.quantity:
            return _("Nothing in stock, and nothing is needed before new goods can arrive.")
        return _(
            "Healthy: lasts %(cover)d days at %(daily).2f a day.",
            cover=self.days_cover,
            daily=self.daily_demand,
        )

    # --- business ---------------------------------------------------------------------

    @api.model
    def _refresh(self, companies=None, day=None):
        """Rebuild the health of all positions of some companies (default: all with positions), its sums and alerts.

        :param day: as it was at the end of this past day, by the ledger and the forecast of then (default: now). Days are given in their
            order, so that a history of sums and alerts can be built from a ledger that was loaded.
        """
        if companies is None:
            companies = self._companies_with_positions()
        for company in companies:
            self._refresh_company(company, day)
        self.invalidate_model()

    @api.model
    def _companies_with_positions(self):
        self.env["dms.channel.position"].flush_model()
        rows = self.env.execute_query(SQL("SELECT DISTINCT company_id FROM dms_channel_position"))
        return self.env["res.company"].browse([row[0] for row in rows])

    def _refresh_company(self, company, day=None):
        today = fields.Date.context_today(self)
        day = min(day or today, today)
        Run = self.env["dms.forecast.run"]
        if day < today:
            run = Run.search(
                [("company_id", "=", company.id), ("state", "=", "done"), ("date", "<=", day)],
                order="date desc, id desc",
                limit=1,
            )
            as_of = day
        else:
            run = Run._get_current(company)
            as_of = run.date or today
        self.env.flush_all()
        rows = self._read_rows(company, run, as_of, day if day < today else None)
        if rows:
            self._write_rows(self._assess(company, run, as_of, rows, day))
        self.env.cr.execute(
            SQL(
                "DELETE FROM dms_stock_health h WHERE company_id = %s AND NOT EXISTS (SELECT 1 FROM dms_channel_position p WHERE"
                " p.company_id = h.company_id AND p.partner_id = h.partner_id AND p.product_id = h.product_id)",
                company.id,
            )
        )
        self.invalidate_model()
        self.env["dms.stock.health.day"]._measure(company, day)
        self.env["dms.stock.alert"]._refresh(company, day)

    def _read_rows(self, company, run, as_of, past=None):
        """One row per position with what was sold and forecast -> list of tuples.

        Where no forecast knows the product, it goes on as in the last 90 days.

        :param past: a day at whose end the stock is asked for; what was under way then is not known and counts as there
        """
        monday = fields.Date.start_of(as_of, "week")
        return self.env.execute_query(
            SQL(
                """WITH sold AS (
                       SELECT partner_id, product_id,
                              SUM(-quantity) FILTER (WHERE date > %(as_of)s::date - 30) AS sold_30,
                              SUM(-quantity) FILTER (WHERE date > %(as_of)s::date - 90) AS sold_90,
                              MAX(date) AS last_sale
                         FROM dms_channel_move
                        WHERE kind = 'sell_out' AND company_id = %(company)s AND date <= %(as_of)s
                        GROUP BY 1, 2),
                   weekly AS (
                       SELECT partner_id, product_id, GREATEST(SUM(sell_out), 0) AS quantity
                         FROM dms_channel_week
                        WHERE company_id = %(company)s AND week >= %(monday)s::date - 7 * %(weeks)s AND week < %(monday)s
                        GROUP BY partner_id, product_id, week),
                   later AS (
                       SELECT partner_id, product_id, SUM(quantity) AS quantity FROM dms_channel_move
                        WHERE NOT %(now)s AND company_id = %(company)s AND date > %(past)s GROUP BY 1, 2),
                   varied AS (
                       SELECT partner_id, product_id, SUM(quantity) / %(weeks)s AS mean, SUM(quantity ^ 2) / %(weeks)s AS square
                         FROM weekly GROUP BY 1, 2)
                   SELECT p.partner_id, p.product_id, t.categ_id,
                          (p.quantity - CASE WHEN %(now)s THEN COALESCE(p.in_transit, 0) ELSE COALESCE(l.quantity, 0) END)::float8,
                          CASE WHEN %(now)s THEN COALESCE(p.in_transit, 0) ELSE 0 END::float8,
                          COALESCE(o.sold_30, 0)::float8, COALESCE(o.sold_90, 0)::float8, o.last_sale, p.last_sell_in,
                          COALESCE(s.total, GREATEST(o.sold_90, 0), 0)::float8, COALESCE(s.horizon, 90), s.cumulative,
                          (CASE WHEN %(now)s THEN p.value ELSE (p.quantity - COALESCE(l.quantity, 0)) * p.price_unit END)::float8,
                          COALESCE(p.price_unit, 0)::float8, partner.territory_id, partner.grade_id,
                          COALESCE(v.mean, 0)::float8, COALESCE(v.square, 0)::float8
                     FROM dms_channel_position p
                     JOIN res_partner partner ON partner.id = p.partner_id
                     JOIN product_product pp ON pp.id = p.product_id
                     JOIN product_template t ON t.id = pp.product_tmpl_id
                LEFT JOIN sold o ON o.partner_id = p.partner_id AND o.product_id = p.product_id
                LEFT JOIN later l ON l.partner_id = p.partner_id AND l.product_id = p.product_id
                LEFT JOIN varied v ON v.partner_id = p.partner_id AND v.product_id = p.product_id
                LEFT JOIN dms_forecast_series s ON s.run_id = %(run)s AND s.partner_id = p.partner_id AND s.product_id = p.product_id
                    WHERE p.company_id = %(company)s
                    ORDER BY p.partner_id, p.product_id""",
                as_of=as_of,
                company=company.id,
                run=run.id or 0,
                monday=monday,
                now=past is None,
                past=past or as_of,
                weeks=WEEKS,
            )
        )

    def _assess(self, company, run, as_of, rows, day):
        """Figures, status and score of the rows -> lines of COPY text."""

        def column(i):
            return np.array([row[i] or 0 for row in rows], float)

        stock, transit, sold_90, value, price = (column(i) for i in (3, 4, 6, 12, 13))
        daily = column(9) / np.maximum(column(10), 1)
        Rule = self.env["dms.stock.health.rule"]
        limits = Rule._get_thresholds(company, column(2), column(15))
        # an order of today arrives after the lead time; the day of ordering is not over yet
        lead_days = limits["lead_days"] + 1
        lead_demand = np.zeros(len(rows))
        known = [i for i, row in enumerate(rows) if row[11]]
        if known:
            table = self.env["dms.forecast.series"]._stack_cumulative([rows[i][11] for i in known])
            lead_demand[known] = engine.cumulative_quantile(
                table["values"], table["probabilities"], table["periods"], RISK_PROBABILITY, lead_days[known]
            )
        idle = np.array([max((as_of - (row[7] or row[8] or as_of)).days, 0) for row in rows], float)
        health = inventory.stock_health(stock, transit, daily, lead_demand, idle, Rule._get_policy(limits))
        through = inventory.sell_through(sold_90, stock)
        over = health.cover > limits["overstock_days"]
        surplus = np.maximum(np.maximum(stock, 0) - daily * limits["overstock_days"], 0) * over
        poor = (health.score < limits["alert_below"]) | (over & (stock > 0))
        abc, xyz = self._classify(rows, sold_90 * price, column(16), column(17))
        digits = company.currency_id.decimal_places
        null = r"\N"
        lines = []
        for i, row in enumerate(rows):
            units = round(surplus[i], 1)
            fields_ = (
                company.id,
                row[0],
                row[1],
                row[2] or null,
                row[14] or null,
                row[15] or null,
                int(limits["rule"][i]) or null,
                run.id or null,
                as_of,
                row[3],
                row[4],
                round(daily[i], 4),
                round(lead_demand[i], 2),
                row[5],
                row[6],
                round(through[i], 4),
                round(health.cover[i], 1),
                int(idle[i]),
                row[7] or null,
                bool(health.slow[i]),
                null if np.isnan(health.score[i]) else round(health.score[i], 1),
                round(health.cover_loss[i], 1),
                round(health.idle_loss[i], 1),
                round(health.short_loss[i], 1),
                limits["alert_below"][i],
                limits["alert_close"][i],
                int(limits["overstock_days"][i]),
                day if poor[i] else null,
                abc[i],
                xyz[i],
                health.status[i],
                units,
                row[13],
                round(units * row[13], digits),
                round(value[i], digits),
            )
            lines.append("\t".join(map(str, fields_)))
        return lines

    def _classify(self, rows, sold_value, mean, square):
        """ABC of the rows' products in the company, XYZ of the rows -> (n,), (n,)."""
        _products, place = np.unique([row[1] for row in rows], return_inverse=True)
        abc = inventory.abc_classes(np.bincount(place, weights=np.maximum(sold_value, 0)))[place]
        return abc, inventory.xyz_classes(mean, np.sqrt(np.maximum(square - mean**2, 0)))

    def _write_rows(self, lines):
        cr = self.env.cr
        columns = ", ".join(COLUMNS)
        cr.execute("CREATE TEMP TABLE dms_stock_health_new (LIKE dms_stock_health) ON COMMIT DROP")
        cr.execute("ALTER TABLE dms_stock_health_new ALTER COLUMN id DROP NOT NULL")
        cr.copy_expert(
            f"COPY dms_stock_health_new ({columns}) FROM STDIN", io.StringIO("\n".join(lines) + "\n")
        )
        # since when it is poor is known from the day before
        since = "below_since = CASE WHEN EXCLUDED.below_since IS NOT NULL THEN LEAST(health.below_since, EXCLUDED.below_since) END"
        updates = [
            f"{column} = EXCLUDED.{column}" for column in COLUMNS if column not in (*KEYS, "below_since")
        ]
        cr.execute(  # pylint: disable=sql-injection
            f"""INSERT INTO dms_stock_health AS health ({columns}) SELECT {columns} FROM dms_stock_health_new
                ON CONFLICT ({", ".join(KEYS)}) DO UPDATE SET {", ".join((*updates, since))}"""
        )
        cr.execute("DROP TABLE dms_stock_health_new")

    @api.model
    def _cron_refresh(self):
        cron = self.env["ir.cron"]
        companies = self._companies_with_positions()
        cron._commit_progress(remaining=len(companies))
        for company in companies:
            self._refresh_company(company)
            self.invalidate_model()
            if not cron._commit_progress(1):
                return
        self.env.ref("dms_forecast.ir_cron_dms_replenishment")._trigger()
