import io
import math

import numpy as np

from odoo import api, fields, models
from odoo.tools import SQL, format_date

from ..tools import forecast as engine
from ..tools import inventory

RISK_PROBABILITY = 0.9
COLUMNS = (
    "company_id",
    "partner_id",
    "product_id",
    "categ_id",
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
    "status",
    "surplus",
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
            policy = self.company_id._dms_health_policy()
            if self.idle_days >= policy.slow_idle:
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
                days=policy.overstock,
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
    def _refresh(self, companies=None):
        """Rebuild the health of all positions and series of some companies (default: all with positions)."""
        if companies is None:
            companies = self._companies_with_positions()
        for company in companies:
            self._refresh_company(company)
        self.invalidate_model()

    @api.model
    def _companies_with_positions(self):
        self.env["dms.channel.position"].flush_model()
        rows = self.env.execute_query(SQL("SELECT DISTINCT company_id FROM dms_channel_position"))
        return self.env["res.company"].browse([row[0] for row in rows])

    def _refresh_company(self, company):
        run = self.env["dms.forecast.run"]._get_current(company)
        as_of = run.date or fields.Date.context_today(self)
        for model in ("dms.channel.position", "dms.channel.move"):
            self.env[model].flush_model()
        rows = self._read_rows(company, run, as_of)
        if rows:
            self._write_rows(self._assess(company, run, as_of, rows))
        self.env.cr.execute(
            SQL(
                "DELETE FROM dms_stock_health h WHERE company_id = %s AND NOT EXISTS (SELECT 1 FROM dms_channel_position p WHERE"
                " p.company_id = h.company_id AND p.partner_id = h.partner_id AND p.product_id = h.product_id)",
                company.id,
            )
        )

    def _read_rows(self, company, run, as_of):
        """One row per position with what was sold and forecast -> list of tuples."""
        return self.env.execute_query(
            SQL(
                """WITH sold AS (
                       SELECT partner_id, product_id,
                              SUM(-quantity) FILTER (WHERE date > %(as_of)s::date - 30) AS sold_30,
                              SUM(-quantity) FILTER (WHERE date > %(as_of)s::date - 90) AS sold_90,
                              MAX(date) AS last_sale
                         FROM dms_channel_move
                        WHERE kind = 'sell_out' AND company_id = %(company)s AND date <= %(as_of)s
                        GROUP BY 1, 2)
                   SELECT p.partner_id, p.product_id, t.categ_id, (p.quantity - COALESCE(p.in_transit, 0))::float8,
                          COALESCE(p.in_transit, 0)::float8,
                          COALESCE(o.sold_30, 0)::float8, COALESCE(o.sold_90, 0)::float8, o.last_sale, p.last_sell_in,
                          COALESCE(s.total, 0)::float8, COALESCE(s.horizon, 1), s.cumulative, COALESCE(p.value, 0)::float8
                     FROM dms_channel_position p
                     JOIN product_product pp ON pp.id = p.product_id
                     JOIN product_template t ON t.id = pp.product_tmpl_id
                LEFT JOIN sold o ON o.partner_id = p.partner_id AND o.product_id = p.product_id
                LEFT JOIN dms_forecast_series s ON s.run_id = %(run)s AND s.partner_id = p.partner_id AND s.product_id = p.product_id
                    WHERE p.company_id = %(company)s
                    ORDER BY p.partner_id, p.product_id""",
                as_of=as_of,
                company=company.id,
                run=run.id or 0,
            )
        )

    def _assess(self, company, run, as_of, rows):
        """Figures, status and score of the rows -> lines of COPY text."""
        policy = company._dms_health_policy()
        stock, transit, sold_90 = (np.array([row[i] for row in rows], float) for i in (3, 4, 6))
        total, horizon, value = (np.array([row[i] for row in rows], float) for i in (9, 10, 12))
        daily = total / np.maximum(horizon, 1)
        lead_days = (
            company.dms_lead_days + 1
        )  # an order of today arrives after the lead time; the day of ordering is not over yet
        lead_demand = np.zeros(len(rows))
        known = [i for i, row in enumerate(rows) if row[11]]
        if known:
            table = self.env["dms.forecast.series"]._stack_cumulative([rows[i][11] for i in known])
            lead_demand[known] = engine.cumulative_quantile(
                table["values"], table["probabilities"], table["periods"], RISK_PROBABILITY, lead_days
            )
        idle = np.array([(as_of - (row[7] or row[8] or as_of)).days for row in rows], float)
        status, score, cover, slow = inventory.stock_health(stock, transit, daily, lead_demand, idle, policy)
        through = inventory.sell_through(sold_90, stock)
        surplus = np.maximum(np.maximum(stock, 0) - daily * policy.overstock, 0) * (cover > policy.overstock)
        null = r"\N"
        lines = []
        for i, row in enumerate(rows):
            fields_ = (
                company.id,
                row[0],
                row[1],
                row[2] or null,
                run.id or null,
                as_of,
                row[3],
                row[4],
                round(daily[i], 4),
                round(lead_demand[i], 2),
                row[5],
                row[6],
                round(through[i], 4),
                round(cover[i], 1),
                int(idle[i]),
                row[7] or null,
                bool(slow[i]),
                null if np.isnan(score[i]) else round(score[i], 1),
                status[i],
                round(surplus[i], 1),
                round(value[i], 2),
            )
            lines.append("\t".join(map(str, fields_)))
        return lines

    def _write_rows(self, lines):
        cr = self.env.cr
        columns = ", ".join(COLUMNS)
        keys = ("company_id", "partner_id", "product_id")
        cr.execute("CREATE TEMP TABLE dms_stock_health_new (LIKE dms_stock_health) ON COMMIT DROP")
        cr.execute("ALTER TABLE dms_stock_health_new ALTER COLUMN id DROP NOT NULL")
        cr.copy_expert(
            f"COPY dms_stock_health_new ({columns}) FROM STDIN", io.StringIO("\n".join(lines) + "\n")
        )
        cr.execute(  # pylint: disable=sql-injection
            f"""INSERT INTO dms_stock_health ({columns}) SELECT {columns} FROM dms_stock_health_new
                ON CONFLICT (company_id, partner_id, product_id) DO UPDATE SET
                {", ".join(f"{column} = EXCLUDED.{column}" for column in COLUMNS if column not in keys)}"""
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
