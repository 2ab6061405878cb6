import hashlib
import io
import json
import logging
import time
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL, format_date

from ..tools import forecast as engine
from ..tools import newcomers, pgcopy
from ..tools.hierarchy import middle_out, sums
from ..tools.override import adjust

_logger = logging.getLogger(__name__)

PERIODS = (7, 14, 30, 60, 90)
PROBABILITIES = (0.1, 0.5, 0.75, 0.9, 0.95, 0.98)
BAND = (0.1, 0.5, 0.9)
RUNS_WITH_LINES = 3
#: Of older runs, the last of each week is kept in days for so long, so that its weeks can be judged.
JUDGED_DAYS = 45


@dataclass
class _Whole:
    """Products of a batch: their ids and categories (g,), the product of each series (n,), demand (g, T), the engine's result, share of own sales (g,)."""

    products: np.ndarray
    categories: np.ndarray
    row: np.ndarray
    demand: np.ndarray
    result: engine.Forecast
    own_share: np.ndarray


class DmsForecastRun(models.Model):
    _name = "dms.forecast.run"
    _description = "Forecast Run"
    _inherit = ["dms.forecast.workbook", "mail.thread"]
    _order = "date desc, id desc"

    # series in one step: what fits the time and memory of one cron call, and is pooled together
    _batch_size = 20000

    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, default=lambda self: self.env.company, index=True
    )
    date = fields.Date(
        "Known Until", help="The last day of sales that the forecast may know. Empty: the last day reported."
    )
    history_days = fields.Integer("History (days)", required=True, default=730)
    horizon = fields.Integer(
        "Horizon (days)", required=True, default=lambda self: self.env.company.dms_forecast_horizon
    )
    state = fields.Selection(
        [("draft", "Draft"), ("running", "Running"), ("done", "Done"), ("failed", "Failed")],
        required=True,
        default="draft",
        readonly=True,
        copy=False,
        tracking=True,
        index=True,
    )
    is_current = fields.Boolean(
        "Current",
        readonly=True,
        copy=False,
        help="The newest finished run of the company: what health and proposals use.",
    )
    engine_version = fields.Char(readonly=True, copy=False)
    data_hash = fields.Char(
        readonly=True,
        copy=False,
        help="SHA-256 of the demand that was read. Same hash, engine and settings: same forecast.",
    )
    params = fields.Json("Parameters", readonly=True, copy=False)
    series_count = fields.Integer("Series", readonly=True, copy=False)
    series_done = fields.Integer(readonly=True, copy=False)
    line_count = fields.Integer("Lines", readonly=True, copy=False)
    cursor = fields.Json(
        readonly=True,
        copy=False,
        help="Where the next step goes on: the last product done, and what the products before missed.",
    )
    tested = fields.Float("Tested Demand", readonly=True, copy=False)
    abs_error = fields.Float(readonly=True, copy=False)
    signed_error = fields.Float(readonly=True, copy=False)
    product_wape = fields.Float(
        "Error per Product",
        readonly=True,
        copy=False,
        aggregator=None,
        help="Error of the channel's total per product.",
    )
    wape = fields.Float(
        "Error",
        compute="_compute_accuracy",
        store=True,
        aggregator=None,
        help="Tests on the past: sum of errors of each series' horizon total, over and under, as a share of demand.",
    )
    bias = fields.Float(
        compute="_compute_accuracy",
        store=True,
        aggregator=None,
        help="How much too high (+) or too low (-), as a share of demand.",
    )
    total = fields.Float("Expected Demand", readonly=True, copy=False)
    seconds = fields.Float(readonly=True, copy=False, aggregator=None)
    message = fields.Text("What went wrong", readonly=True, copy=False)
    progress = fields.Float(compute="_compute_progress")
    series_ids = fields.One2many("dms.forecast.series", "run_id", string="Forecast Series")

    _horizon_positive = models.Constraint(
        "CHECK (horizon BETWEEN 1 AND 180 AND history_days BETWEEN 28 AND 1500)",
        "The horizon must be 1 to 180 days and the history 28 to 1500 days.",
    )
    _current_uniq = models.UniqueIndex("(company_id) WHERE is_current", "A company has one current forecast.")

    @api.depends("date", "state")
    def _compute_display_name(self):
        for run in self:
            if run.date:
                run.display_name = self.env._("Forecast of %(date)s", date=format_date(self.env, run.date))
            else:
                run.display_name = self.env._("New forecast")

    @api.depends("tested", "abs_error", "signed_error")
    def _compute_accuracy(self):
        for run in self:
            run.wape = run.abs_error / run.tested if run.tested else 0.0
            run.bias = run.signed_error / run.tested if run.tested else 0.0

    @api.depends("series_count", "series_done")
    def _compute_progress(self):
        for run in self:
            run.progress = 100.0 * run.series_done / run.series_count if run.series_count else 0.0

    @api.ondelete(at_uninstall=False)
    def _unlink_except_running(self):
        if any(run.state == "running" for run in self):
            raise UserError(self.env._("A running forecast cannot be deleted. Wait until it is done."))

    def unlink(self):
        self._delete_results()
        return super().unlink()

    def _delete_results(self):
        """Delete what runs have written, without a query per series."""
        if self.ids:
            self.env["dms.forecast.line"]._delete(self)
            self.env.cr.execute(SQL("DELETE FROM dms_forecast_series WHERE run_id IN %s", tuple(self.ids)))
            self.env["dms.forecast.series"].invalidate_model()

    # --- actions ----------------------------------------------------------------------

    def action_run(self):
        """Run now, to the end, and refresh what follows from it."""
        self.ensure_one()
        if self.state not in ("draft", "failed", "running"):
            raise UserError(self.env._("%s is done. Create a new one to forecast again.", self.display_name))
        self._run()
        if self.state == "done":
            self._refresh_followers()
        return True

    def action_view_series(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_forecast.dms_forecast_series_action")
        action["domain"] = [("run_id", "=", self.id)]
        action["context"] = {"search_default_distributor": 1}
        return action

    def action_view_lines(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_forecast.dms_forecast_line_action")
        action["domain"] = [("run_id", "=", self.id)]
        return action

    # --- business ---------------------------------------------------------------------

    @api.model
    def _get_current(self, company=None):
        """The newest finished run of a company, or an empty record."""
        company = company or self.env.company
        return self.search([("company_id", "=", company.id), ("is_current", "=", True)], limit=1)

    def _run(self):
        """Forecast every series to the end. Used by the button, the history loader and benches; crons take `_step` by step."""
        for run in self:
            run._start()
            while run.state == "running":
                run._step()
        return self

    def _start(self):
        """Fix cut-off, data window and parameters. A run that was started goes on where it stopped."""
        self.ensure_one()
        if self.state == "running":
            return
        self._delete_results()
        vals = {
            "message": False,
            "series_done": 0,
            "line_count": 0,
            "cursor": False,
            "data_hash": False,
            "total": 0.0,
            "tested": 0.0,
            "abs_error": 0.0,
            "signed_error": 0.0,
            "product_wape": 0.0,
            "seconds": 0.0,
            "engine_version": engine.ENGINE_VERSION,
        }
        self.env["dms.channel.move"].flush_model()
        [(first, last, last_move)] = self.env.execute_query(
            SQL(
                "SELECT MIN(date), MAX(date), MAX(id) FROM dms_channel_move WHERE kind = 'sell_out' AND company_id = %s AND date <= %s",
                self.company_id.id,
                self.date or fields.Date.context_today(self),
            )
        )
        if not last:
            self.write(
                {
                    **vals,
                    "state": "failed",
                    "series_count": 0,
                    "message": self.env._(
                        "There is no sell-through of %(company)s to forecast from. Release a sell-through feed (Channel Data) and run again.",
                        company=self.company_id.display_name,
                    ),
                }
            )
            return
        cut = self.date or last
        begin = max(first, cut - timedelta(days=self.history_days - 1))
        [(count,)] = self.env.execute_query(
            SQL(
                "SELECT COUNT(*) FROM (SELECT 1 FROM dms_channel_move WHERE %s GROUP BY partner_id, product_id) s",
                self._demand_domain(begin, cut),
            )
        )
        self.write(
            {
                **vals,
                "state": "running",
                "date": cut,
                "series_count": count,
                "params": {
                    "begin": fields.Date.to_string(begin),
                    "cut": fields.Date.to_string(cut),
                    "horizon": self.horizon,
                    "periods": list(PERIODS),
                    "probabilities": list(PROBABILITIES),
                    "season": 7,
                    "last_move": last_move,
                    "batch": self._batch_size,
                },
            }
        )
        self.env["dms.forecast.override"]._begin_run(self)
        # whoever runs the forecast need not be the one who plans promotions
        events_sudo = self.env["dms.calendar.event"].sudo()
        events_sudo._load_programs(self.company_id)

    def _demand_domain(self, begin, cut):
        """SQL condition on dms_channel_move for what counts as demand."""
        return SQL(
            "kind = 'sell_out' AND company_id = %s AND date BETWEEN %s AND %s AND partner_id IS NOT NULL",
            self.company_id.id,
            begin,
            cut,
        )

    def _step(self):
        """Forecast the next batch of series, or finish. A failure is written on the run in words.

        :return: number of series left
        """
        self.ensure_one()
        begin_time = time.monotonic()
        try:
            with self.env.cr.savepoint():
                left = self._step_batch()
        except (ValueError, MemoryError, FloatingPointError) as error:
            _logger.exception("Forecast run %s failed", self.id)
            self.write(
                {
                    "state": "failed",
                    "message": self.env._(
                        "The engine stopped: %s. Nothing was changed by this step; run again.", error
                    ),
                }
            )
            return 0
        self.seconds += time.monotonic() - begin_time
        return left

    def _step_batch(self):
        params, before = self.params, self.cursor or {}
        begin, cut = (fields.Date.to_date(params[key]) for key in ("begin", "cut"))
        goods = self._next_products(begin, cut, before.get("product", 0), params["batch"])
        if not goods:
            self._finish()
            return 0
        partners, products, demand, digest = self._read_demand(begin, cut, goods)
        calendar, closed, promotions = self._get_calendar(begin, cut)
        mask = engine.since_first_sale(demand) & self.env["dms.calendar.event"]._get_mask(
            self.company_id, begin, cut, partners, products
        )
        categories = self._categories(products)
        drivers = self.env["dms.calendar.event"]._get_drivers(
            promotions, len(calendar.kinds), partners, products, categories
        )
        wanted = {
            "horizon": self.horizon,
            "quantiles": PROBABILITIES,
            "periods": self._periods(),
            "calendar": calendar,
        }
        result = engine.forecast(demand, mask, groups=categories, drivers=drivers, **wanted)
        whole = self._forecast_products(products, demand, categories, closed, mask, drivers, result, wanted)
        digest = hashlib.sha256(digest + np.packbits(mask).tobytes() + calendar.kinds.tobytes())
        if drivers is not None:
            digest.update(drivers.tobytes())
        overrides = self._apply_overrides(partners, products, categories, result)
        if overrides:
            digest.update(json.dumps(overrides, sort_keys=True).encode())
        result.point = np.round(result.point, 4)  # as it is written, so that sums of days and totals agree
        series_ids = self._write_series(
            partners,
            products,
            categories,
            demand,
            result,
            begin,
            overrides,
            own_share=whole.own_share[whole.row],
        )
        self._write_lines(series_ids, partners, products, result)
        self._write_products(whole, result, begin)
        missed = {
            name: before.get(name, 0.0) + float(getattr(whole.result, name).sum())
            for name in ("error", "tested")
        }
        self.write(
            {
                "cursor": {"product": goods[-1], **missed},
                "series_done": self.series_done + len(partners),
                "line_count": self.line_count + len(partners) * self.horizon,
                "data_hash": hashlib.sha256((self.data_hash or "").encode() + digest.digest()).hexdigest(),
                "tested": self.tested + float(result.tested.sum()),
                "abs_error": self.abs_error + float(result.error.sum()),
                "signed_error": self.signed_error + float(result.signed.sum()),
                "total": self.total + float(result.point.sum()),
                "product_wape": missed["error"] / max(missed["tested"], 1e-9),
            }
        )
        return max(self.series_count - self.series_done, 1)

    def _next_products(self, begin, cut, after, batch):
        """Ids of the next products, as many as have `batch` series together, but one at least: a product's total needs all its series."""
        rows = self.env.execute_query(
            SQL(
                """SELECT product_id FROM (
                       SELECT product_id, SUM(COUNT(*)) OVER (ORDER BY product_id) AS so_far, COUNT(*) AS own
                         FROM (SELECT product_id, partner_id FROM dms_channel_move WHERE %s AND product_id > %s GROUP BY 1, 2) series
                        GROUP BY product_id) product
                    WHERE so_far <= %s OR so_far = own ORDER BY 1""",
                self._demand_domain(begin, cut),
                after,
                batch,
            )
        )
        return [row[0] for row in rows]

    def _apply_overrides(self, partners, products, categories, result):
        """Lay what people know over a batch's result -> {row: [[override id, units more], ...]}."""
        overrides = self.env["dms.forecast.override"]._get_changes(self, partners, products, categories)
        effects = adjust(
            result.point,
            result.bands,
            result.expected,
            result.cumulative,
            result.periods,
            [change for _override, change in overrides],
        )
        by_row = {}
        for (override, change), (before, after) in zip(overrides, effects, strict=True):
            override._add_effect(self, float(before.sum()), float(after.sum()))
            for row in np.flatnonzero(change.rows).tolist():
                by_row.setdefault(row, []).append([override.id, round(float(after[row] - before[row]), 3)])
        return by_row

    def _periods(self):
        return tuple(sorted({*PERIODS, self.horizon}))

    def _get_calendar(self, begin, cut):
        """Special days of the history and of the days ahead -> engine.Calendar; days of the history on which all were closed -> bool (T,);
        promotions of both."""
        ahead = cut + timedelta(days=max(self._periods()))
        days = self.env["dms.calendar.event"]._get_calendar(self.company_id, begin, ahead)
        return (
            engine.Calendar(days["kinds"], days["families"]),
            days["closed"][: (cut - begin).days + 1],
            days["promotions"],
        )

    def _read_demand(self, begin, cut, goods):
        """Daily demand of some products as a matrix -> partners (n,), products (n,), demand (n, T) float32, digest of the data."""
        query = SQL(
            """SELECT partner_id, product_id, date - %s::date, GREATEST(SUM(-quantity), 0)::float8
                 FROM dms_channel_move WHERE %s AND product_id IN %s GROUP BY 1, 2, 3 ORDER BY 2, 1, 3""",
            begin,
            self._demand_domain(begin, cut),
            tuple(goods),
        )
        buffer = io.BytesIO()
        cr = self.env.cr
        cr.copy_expert(
            f"COPY ({cr.mogrify(query.code, query.params).decode()}) TO STDOUT (FORMAT binary)", buffer
        )
        data = buffer.getvalue()
        partner, product, day, quantity = pgcopy.unpack(data, (">i4", ">i4", ">i4", ">f8"))
        new = np.ones(len(partner), bool)
        new[1:] = (partner[1:] != partner[:-1]) | (product[1:] != product[:-1])
        row = np.cumsum(new) - 1
        demand = np.zeros((int(new.sum()), (cut - begin).days + 1), np.float32)
        demand[row, day] = quantity
        return partner[new], product[new], demand, hashlib.sha256(data).digest()

    def _categories(self, products):
        """Product category id per product id -> int array."""
        rows = self.env.execute_query(
            SQL(
                "SELECT p.id, COALESCE(t.categ_id, 0) FROM product_product p JOIN product_template t ON t.id = p.product_tmpl_id WHERE p.id IN %s",
                tuple(np.unique(products).tolist()),
            )
        )
        category = dict(rows)
        return np.array([category.get(product, 0) for product in products.tolist()])

    def _write_series(
        self, partners, products, categories, demand, result, begin, overrides=None, *, own_share
    ):
        """Write the summaries by COPY -> their ids (n,).

        :param dict overrides: as :meth:`_apply_overrides` answers it
        :param own_share: (n,) how much of the forecast rests on own sales
        """
        overrides = overrides or {}
        count = len(partners)
        cr = self.env.cr
        ids = np.array(
            [
                row[0]
                for row in self.env.execute_query(
                    SQL("SELECT nextval('dms_forecast_series_id_seq') FROM generate_series(1, %s)", count)
                )
            ]
        )
        sold = demand > 0
        first = sold.argmax(1)
        last = demand.shape[1] - 1 - sold[:, ::-1].argmax(1)
        periods = list(result.periods)
        at = periods.index(self.horizon)
        quantile = dict(zip(result.quantiles, result.cumulative[:, :, at], strict=True))
        tested = np.maximum(result.tested, 1e-9)
        expected, cumulative = (
            np.round(result.expected, 3).tolist(),
            np.round(result.cumulative, 3).transpose(1, 0, 2).tolist(),
        )
        columns = (
            "id",
            "run_id",
            "company_id",
            "partner_id",
            "product_id",
            "categ_id",
            "date",
            "horizon",
            "total",
            "total_q10",
            "total_q50",
            "total_q90",
            "level",
            "level_long",
            "recent_weight",
            "observed_days",
            "selling_days",
            "last_sale",
            "tested",
            "abs_error",
            "signed_error",
            "wape",
            "bias",
            "holiday_effect",
            "planned_effect",
            "own_share",
            "cumulative",
            "overrides",
        )
        start = np.datetime64(begin, "D")
        figures = np.round(
            np.stack(
                [
                    result.point.sum(1),
                    quantile[0.1],
                    quantile[0.5],
                    quantile[0.9],
                    result.level,
                    result.level_long,
                    result.own_weight,
                    result.tested,
                    result.error,
                    result.signed,
                    np.where(result.tested > 0, result.error / tested, 0),
                    np.where(result.tested > 0, result.signed / tested, 0),
                    result.holiday - 1,
                    result.planned - 1,
                    own_share,
                ],
                axis=1,
            ),
            4,
        ).tolist()
        known, selling, last_sale = (
            (demand.shape[1] - first).tolist(),
            sold.sum(1).tolist(),
            (start + last).astype(str).tolist(),
        )
        lines = []
        for i, (series, partner, product, categ) in enumerate(
            zip(ids.tolist(), partners.tolist(), products.tolist(), categories.tolist(), strict=True)
        ):
            f = figures[i]
            grid = json.dumps(
                {
                    "periods": periods,
                    "probabilities": list(result.quantiles),
                    "values": cumulative[i],
                    "expected": expected[i],
                }
            )
            lines.append(
                f"{series}\t{self.id}\t{self.company_id.id}\t{partner or chr(92) + 'N'}\t{product}\t{categ or chr(92) + 'N'}\t{self.date}\t{self.horizon}"
                f"\t{f[0]}\t{f[1]}\t{f[2]}\t{f[3]}\t{f[4]}\t{f[5]}\t{f[6]}\t{known[i]}\t{selling[i]}\t{last_sale[i]}"
                f"\t{f[7]}\t{f[8]}\t{f[9]}\t{f[10]}\t{f[11]}\t{f[12]}\t{f[13]}\t{f[14]}\t{grid}"
                f"\t{json.dumps(overrides[i]) if i in overrides else chr(92) + 'N'}\n"
            )
        cr.copy_expert(
            f"COPY dms_forecast_series ({', '.join(columns)}) FROM STDIN", io.StringIO("".join(lines))
        )
        self.env["dms.forecast.series"].invalidate_model()
        self.invalidate_recordset(["series_ids"])
        return ids

    def _write_lines(self, series_ids, partners, products, result):
        """Write the days by binary COPY, a bounded number of rows at a time."""
        low, median, high = (result.quantiles.index(q) for q in BAND)
        days = pgcopy.days(np.datetime64(self.date) + 1 + np.arange(self.horizon))
        types = (">i4", ">i4", ">i4", ">i4", ">i4", ">i4", ">f8", ">f8", ">f8", ">f8")
        cr = self.env.cr
        for begin in range(0, len(series_ids), 5000):
            rows = slice(begin, begin + 5000)
            count = len(series_ids[rows])
            columns = [
                np.full(count * self.horizon, self.id),
                np.repeat(series_ids[rows], self.horizon),
                np.full(count * self.horizon, self.company_id.id),
                np.repeat(partners[rows], self.horizon),
                np.repeat(products[rows], self.horizon),
                np.tile(days, count),
                *(
                    np.round(values, 4).ravel()
                    for values in (
                        result.point[rows],
                        result.bands[low, rows],
                        result.bands[median, rows],
                        result.bands[high, rows],
                    )
                ),
            ]
            cr.copy_expert(
                "COPY dms_forecast_line (run_id, series_id, company_id, partner_id, product_id, date, quantity, q10, q50, q90)"
                " FROM STDIN (FORMAT binary)",
                io.BytesIO(pgcopy.pack(columns, types)),
            )
        self.env["dms.forecast.line"].invalidate_model()

    def _forecast_products(self, products, demand, categories, closed, mask, drivers, result, wanted):
        """Forecast each product's total of all distributors, and move the distributors' forecasts so that they add up to it.

        :param products, demand, categories, mask, drivers, result: of the distributors' series, `result` is changed
        :param closed: bool (T,) days on which nothing could be sold; wanted: what the engine is asked for
        :return: _Whole
        """
        goods, row = np.unique(products, return_inverse=True)
        below, seen = self._sum_products(demand, mask, row, len(goods))
        categs = np.zeros(len(goods), np.int64)
        categs[row] = categories
        if drivers is not None:
            weight = demand.sum(1) + 1e-9
            drivers = (
                sums(drivers * weight[:, None, None], row, len(goods))
                / sums(weight, row, len(goods))[:, None, None]
            )
        whole = engine.forecast(
            below,
            engine.since_first_sale(below) & seen & ~closed,
            groups=categs,
            drivers=drivers,
            **wanted,
        )
        point, own_share = newcomers.introduce(
            below,
            (below > 0).argmax(1),
            whole.point,
            categs,
            self._prices(goods),
            np.bincount(row),
        )
        ratio = middle_out(
            result.point.sum(1),
            row,
            point.sum(1),
            result.error,
            # nothing else knows a launch: there the neighbours' word stands
            np.where(own_share < 1, 0.0, whole.error),
            (demand > 0).sum(1) / np.maximum(mask.sum(1), 1),
        )[row]
        result.point *= ratio[:, None]
        result.bands *= ratio[None, :, None]
        result.expected *= ratio[:, None]
        result.cumulative *= ratio[None, :, None]
        return _Whole(goods, categs, row, below, whole, own_share)

    @staticmethod
    def _sum_products(demand, mask, row, count):
        """Demand of all distributors together -> float32 (g, T), bool (g, T) observed.

        Where some were not observed, the others stand for them; where those are less than half of the product's demand, nobody was.
        """
        sold_before = engine.since_first_sale(demand)
        usual = (demand * mask).sum(1) / np.maximum(mask.sum(1), 1)
        whole = sums(usual[:, None] * sold_before, row, count)
        share = np.where(
            whole > 0, sums(usual[:, None] * (sold_before & mask), row, count) / np.maximum(whole, 1e-9), 1.0
        )
        seen = share >= 0.5
        below = sums(demand * mask, row, count) / np.where(seen, share, 1.0)
        return below.astype(np.float32), seen

    def _write_products(self, whole, result, begin):
        """Write the products' series: sums of their distributors' with the spread of their own forecast."""
        own, count = whole.result, len(whole.products)
        expected = sums(result.expected, whole.row, count)
        own.cumulative *= (expected / np.maximum(own.expected, 1e-9))[None]
        own.expected, own.point = expected, sums(result.point, whole.row, count)
        own.holiday, own.planned = (
            1
            + sums(result.point.sum(1) * (effect - 1), whole.row, count) / np.maximum(own.point.sum(1), 1e-9)
            for effect in (result.holiday, result.planned)
        )
        self._write_series(
            np.zeros_like(whole.products),
            whole.products,
            whole.categories,
            whole.demand,
            own,
            begin,
            own_share=whole.own_share,
        )

    def _prices(self, products):
        """What a unit of each product costs in the list, 0 where it has no price -> float (n,)."""
        rows = self.env.execute_query(
            SQL(
                "SELECT p.id, COALESCE(t.list_price, 0)::float8 FROM product_product p JOIN product_template t ON t.id = p.product_tmpl_id"
                " WHERE p.id IN %s",
                tuple(products.tolist()),
            )
        )
        price = dict(rows)
        return np.array([price.get(product, 0.0) for product in products.tolist()])

    def _finish(self):
        self.search([("company_id", "=", self.company_id.id), ("is_current", "=", True)]).is_current = False
        self.flush_model()
        self.write({"state": "done", "is_current": True, "cursor": False})

    def _refresh_followers(self):
        """Health, proposals and orderpoints follow from the newest forecast."""
        self.ensure_one()
        self._judge_past()
        self.env["dms.stock.health"]._refresh(self.company_id)
        self.env["dms.replenishment.proposal"]._generate(self.company_id)
        self.env["stock.warehouse.orderpoint"]._dms_update_from_forecast(self.company_id)

    def _judge_past(self):
        """Set what earlier runs and people said beside what came since."""
        self.env["dms.forecast.override"]._judge(self.company_id)
        self.env["dms.forecast.accuracy"]._judge(self.company_id)
        self.env["dms.forecast.bias"].sudo()._watch(self.company_id)

    @api.model
    def _cron_forecast(self):
        """Go on with what was started; start today's run of each company with sell-through; one batch between two commits."""
        cron = self.env["ir.cron"]
        running = self.search([("state", "=", "running")], order="id")
        companies = self.env.execute_query(
            SQL("SELECT DISTINCT company_id FROM dms_channel_move WHERE kind = 'sell_out'")
        )
        todo = list(running)
        for (company_id,) in companies:
            company = self.env["res.company"].browse(company_id)
            if company in running.company_id or not self._needs_run(company):
                continue
            todo.append(
                self.with_company(company).create(
                    {"company_id": company.id, "horizon": company.dms_forecast_horizon}
                )
            )
        cron._commit_progress(remaining=len(todo))
        for run in todo:
            run._start()
            while run.state == "running":
                run._step()
                if not cron._commit_progress() and run.state == "running":
                    return
            if not cron._commit_progress(1):
                break
        for run in todo:
            if run.state == "done":
                run._judge_past()
                cron._commit_progress()
        self.env.ref("dms_forecast.ir_cron_dms_stock_health")._trigger()

    @api.model
    def _needs_run(self, company):
        """Whether sales came in that no finished run has seen."""
        current = self._get_current(company)
        if not current:
            return True
        seen = (current.params or {}).get("last_move", 0)
        return bool(
            self.env.execute_query(
                SQL(
                    "SELECT 1 FROM dms_channel_move WHERE kind = 'sell_out' AND company_id = %s AND id > %s LIMIT 1",
                    company.id,
                    seen,
                )
            )
        )

    @api.autovacuum
    def _gc_lines(self):
        """Daily lines are kept for the last runs, and for one of each week to be judged; the summaries stay for comparing."""
        since = fields.Date.context_today(self) - timedelta(days=JUDGED_DAYS)
        for _company, runs in (
            self.search([("state", "=", "done")], order="date desc, id desc").grouped("company_id").items()
        ):
            recent = runs.filtered(lambda run: run.date >= since)
            weekly = recent.grouped(lambda run: fields.Date.start_of(run.date, "week"))
            kept = runs[:RUNS_WITH_LINES].union(*(week[:1] for week in weekly.values()))
            self.env["dms.forecast.line"]._delete(runs - kept)
