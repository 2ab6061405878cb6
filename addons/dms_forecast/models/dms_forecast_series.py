from datetime import timedelta

import numpy as np

from odoo import api, fields, models
from odoo.tools import SQL, format_date

from ..tools import forecast as engine

HISTORY_SHOWN = 120  # days in the chart


class DmsForecastSeries(models.Model):
    """What a run says of one distributor x product, or (without distributor) of a product in all the channel."""

    _name = "dms.forecast.series"
    _description = "Forecast Series"
    _order = "run_id desc, total desc, id"
    _log_access = False

    run_id = fields.Many2one("dms.forecast.run", required=True, ondelete="cascade", index=True)
    company_id = fields.Many2one("res.company", required=True)
    partner_id = fields.Many2one(
        "res.partner",
        string="Distributor",
        index=True,
        ondelete="cascade",
        help="Empty: the product's total of all distributors.",
    )
    product_id = fields.Many2one("product.product", required=True, index=True, ondelete="cascade")
    categ_id = fields.Many2one("product.category", string="Product Category")
    uom_id = fields.Many2one(related="product_id.uom_id")
    date = fields.Date("Known Until", required=True)
    is_current = fields.Boolean(related="run_id.is_current")
    horizon = fields.Integer("Days", aggregator=None)
    total = fields.Float("Expected", digits="Product Unit", help="Expected demand of the whole horizon.")
    total_q10 = fields.Float("Low (10 %)", digits="Product Unit", aggregator=None)
    total_q50 = fields.Float("Median", digits="Product Unit", aggregator=None)
    total_q90 = fields.Float("High (90 %)", digits="Product Unit", aggregator=None)
    daily = fields.Float("Expected a Day", compute="_compute_daily", digits="Product Unit")
    level = fields.Float("A Day, 4 Weeks", digits="Product Unit", aggregator=None)
    level_long = fields.Float("A Day, 13 Weeks", digits="Product Unit", aggregator=None)
    recent_weight = fields.Float("Weight of Recent Weeks", aggregator=None)
    observed_days = fields.Integer("Days Known", aggregator=None)
    selling_days = fields.Integer("Days with Sales", aggregator=None)
    last_sale = fields.Date()
    tested = fields.Float(
        "Tested Demand", help="Demand in the periods on which earlier forecasts of this series were tested."
    )
    abs_error = fields.Float("Tested Error", help="Sum of what the tests were off, over and under.")
    signed_error = fields.Float("Tested Surplus", help="Sum of forecast less demand in the tests.")
    wape = fields.Float(
        "Error",
        aggregator=None,
        help="Error of the horizon's total in tests on the past, as a share of demand.",
    )
    bias = fields.Float(
        aggregator=None,
        help="How much too high (+) or too low (-) the tests were, as a share of demand.",
    )
    cumulative = fields.Json(
        help="Quantiles of the demand of several periods: {periods, probabilities, values[probability][period], expected}."
    )
    holiday_effect = fields.Float(
        "Effect of Special Days",
        aggregator=None,
        help="What holidays ahead do to the horizon's total, as a share of it.",
    )
    planned_effect = fields.Float(
        "Effect of Promotions",
        aggregator=None,
        help="What planned promotions do to the horizon's total, as a share of it.",
    )
    own_share = fields.Float(
        "Own Sales Count",
        aggregator=None,
        default=1.0,
        help="How much of the forecast rests on the product's own sales; the rest on how the products most like it were rolled out.",
    )
    overrides = fields.Json(
        help="What people laid over the engine's forecast: [[override, units more], ...]."
    )
    override_units = fields.Float(
        "By Override",
        compute="_compute_override_units",
        digits="Product Unit",
        help="Units that overrides added to what the engine said.",
    )
    why = fields.Text(compute="_compute_why", compute_sudo=True)
    chart = fields.Json(compute="_compute_chart")
    line_ids = fields.One2many("dms.forecast.line", "series_id")

    _run_partner_product = models.Index("(run_id, partner_id, product_id)")

    @api.depends("partner_id", "product_id")
    def _compute_display_name(self):
        for series in self:
            series.display_name = self.env._(
                "%(product)s, %(distributor)s",
                product=series.product_id.sudo().display_name,
                distributor=series.partner_id.sudo().display_name or self.env._("all distributors"),
            )

    @api.depends("total", "horizon")
    def _compute_daily(self):
        for series in self:
            series.daily = series.total / series.horizon if series.horizon else 0.0

    @api.depends("overrides")
    def _compute_override_units(self):
        for series in self:
            series.override_units = sum(units for _override, units in series.overrides or [])

    @api.depends(
        "level",
        "level_long",
        "recent_weight",
        "wape",
        "bias",
        "tested",
        "selling_days",
        "last_sale",
        "holiday_effect",
        "planned_effect",
        "own_share",
        "overrides",
    )
    @api.depends_context("lang")
    def _compute_why(self):
        for series in self:
            series.why = " ".join([*series._get_reasons(), *series._get_special_reasons()])

    def _get_reasons(self):
        """Sentences that explain the forecast, in the user's language."""
        self.ensure_one()
        _ = self.env._
        if not self.level_long:
            return [
                _(
                    "Nothing was sold in the last 13 weeks (last sale %(date)s), so little is expected.",
                    date=format_date(self.env, self.last_sale),
                )
            ]
        reasons = [
            _(
                "Sold %(recent).2f a day in the last 4 weeks and %(long).2f in the last 13; expected are %(daily).2f.",
                recent=self.level,
                long=self.level_long,
                daily=self.daily,
            )
        ]
        growth = self.level / self.level_long - 1
        if growth > 0.15:
            reasons.append(
                _("Demand is rising (%(percent)d %% above the quarter).", percent=round(100 * growth))
            )
        elif growth < -0.15:
            reasons.append(
                _("Demand is falling (%(percent)d %% below the quarter).", percent=round(-100 * growth))
            )
        if self.recent_weight > 0.5:
            reasons.append(_("Recent weeks count most, for they foretold it best in the tests."))
        else:
            reasons.append(
                _("Longer averages count most: in the tests recent weeks misled more than they helped.")
            )
        if self.selling_days and self.observed_days and self.selling_days < 0.2 * self.observed_days:
            reasons.append(
                _(
                    "Sold on %(days)d of %(known)d days only, so a single order can change the picture.",
                    days=self.selling_days,
                    known=self.observed_days,
                )
            )
        if self.tested:
            reasons.append(
                _(
                    "On the past it was off by %(error)d %% of demand, %(bias)d %% %(direction)s on average.",
                    error=round(100 * self.wape),
                    bias=round(100 * abs(self.bias)),
                    direction=_("too high") if self.bias > 0 else _("too low"),
                )
            )
        else:
            reasons.append(_("The history is too short to test this forecast on the past."))
        return reasons

    def _get_special_reasons(self):
        """Sentences on what special days, promotions and people change."""
        self.ensure_one()
        _ = self.env._
        reasons = []
        if self.own_share < 1:
            reasons.append(
                _(
                    "A new product: %(percent)d %% of the forecast follow the launches of the products most like it.",
                    percent=round(100 * (1 - self.own_share)),
                )
            )
        for effect, more, less in (
            (
                self.holiday_effect,
                _("Special days ahead raise it by %(percent)d %%."),
                _("Special days ahead lower it by %(percent)d %%."),
            ),
            (
                self.planned_effect,
                _("Planned promotions and prices raise it by %(percent)d %%."),
                _("Planned promotions and prices lower it by %(percent)d %%."),
            ),
        ):
            if percent := round(100 * abs(effect)):
                reasons.append((more if effect > 0 else less) % {"percent": percent})
        names = dict(self.overrides or [])
        for override in self.env["dms.forecast.override"].browse(names).exists():
            reasons.append(
                _(
                    "%(user)s set %(change)s from %(begin)s to %(end)s (%(units)+.12g): %(reason)s",
                    user=override.user_id.name,
                    change=override._get_change_text(),
                    begin=format_date(self.env, override.date_from),
                    end=format_date(self.env, override.date_to),
                    units=names[override.id],
                    reason=override.reason,
                )
            )
        return reasons

    def action_override(self):
        """A new override of this series, for the days of its forecast."""
        self.ensure_one()
        return self.env["dms.forecast.override"]._get_new_action(
            company_id=self.company_id.id,
            partner_id=self.partner_id.id,
            product_id=self.product_id.id,
            date_to=fields.Date.context_today(self) + timedelta(days=self.horizon),
        )

    def _compute_chart(self):
        """Daily history and forecast for the fan chart: {dates, history, came, expected, low, high}, one query for all records."""
        if not self.ids:
            self.chart = False
            return
        history = self.env.execute_query(
            SQL(
                """SELECT s.id, m.date, SUM(-m.quantity)
                     FROM dms_forecast_series s
                     JOIN dms_channel_move m ON m.company_id = s.company_id AND m.product_id = s.product_id
                          AND (m.partner_id = s.partner_id OR s.partner_id IS NULL)
                          AND m.kind = 'sell_out' AND m.date > s.date - %s AND m.date <= s.date + s.horizon
                    WHERE s.id IN %s GROUP BY 1, 2""",
                HISTORY_SHOWN,
                tuple(self.ids),
            )
        )
        ahead = self.env.execute_query(
            SQL(
                "SELECT series_id, date, quantity, q10, q90 FROM dms_forecast_line WHERE series_id IN %s ORDER BY date",
                tuple(self.ids),
            )
        )
        for series in self:
            start = np.datetime64(series.date) - HISTORY_SHOWN + 1
            sold = np.zeros(HISTORY_SHOWN + series.horizon)
            known = HISTORY_SHOWN
            for series_id, date, quantity in history:
                if series_id == series.id:
                    day = (np.datetime64(date) - start).astype(int)
                    sold[day] = max(float(quantity), 0.0)
                    known = max(known, int(day) + 1)
            lines = [row for row in ahead if row[0] == series.id]
            series.chart = {
                "dates": [str(start + day) for day in range(HISTORY_SHOWN)]
                + [row[1].isoformat() for row in lines],
                "history": [round(value, 2) for value in sold[:HISTORY_SHOWN].tolist()],
                "came": [round(value, 2) for value in sold[HISTORY_SHOWN:known].tolist()],
                "expected": [round(row[2], 2) for row in lines],
                "low": [round(row[3], 2) for row in lines],
                "high": [round(row[4], 2) for row in lines],
            }

    def _get_quantile(self, probability, days):
        """Demand of `days` days that is not exceeded with `probability` -> {series id: units}."""
        table = self._get_cumulative(self)
        if not self:
            return {}
        values = engine.cumulative_quantile(
            table["values"], table["probabilities"], table["periods"], probability, days
        )
        return dict(zip(self.ids, values.tolist(), strict=True))

    @api.model
    def _get_cumulative(self, series):
        """Stack `cumulative` of series -> {"values": (Q, n, P) array, "expected": (n, P), "probabilities", "periods"}."""
        grids = [one.cumulative for one in series]
        return self._stack_cumulative(grids)

    @api.model
    def _stack_cumulative(self, grids):
        if not grids:
            return {
                "values": np.zeros((1, 0, 1)),
                "expected": np.zeros((0, 1)),
                "probabilities": [0.5],
                "periods": [1],
            }
        return {
            "values": np.array([grid["values"] for grid in grids], float).transpose(1, 0, 2),
            "expected": np.array([grid["expected"] for grid in grids], float),
            "probabilities": grids[0]["probabilities"],
            "periods": grids[0]["periods"],
        }
