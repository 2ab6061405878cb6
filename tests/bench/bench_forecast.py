"""From the ledger to orders in Odoo; the engine's speed and memory on made-up sales; its accuracy on real ones, beside plain methods.

DMS_BENCH_SERIES sets the larger number of series that are forecast in Odoo (10,000); the smaller one is a fifth.
With DMS_BENCH_ODOO_ONLY=1 nothing else is measured.
"""

import base64
import functools
import os
import sys
import time
from datetime import date, timedelta

import numpy as np
from scipy.signal import lfilter

from odoo.tools import SQL, file_open

sys.path.insert(0, os.path.join(os.environ["DMS_CHECKOUT"], "tests", "bench"))

import forecast_data as real
from measure import measure, table

from odoo.addons.dms_forecast.tools import forecast as engine

DAYS, HORIZON, WEEKS = 730, 28, 8
SIZES = (2_000, 8_000)
SMOOTHING = 0.1
SERIES = int(os.environ.get("DMS_BENCH_SERIES", "10000"))
PRODUCTS = 100


def sales(count):
    """(count, DAYS) units: levels from a few a month to dozens a day, weekdays, growth, noise, days without any."""
    dice = np.random.default_rng(7)
    days = np.arange(DAYS)
    level = np.exp(dice.normal(0.5, 1.3, (count, 1)))
    week = np.exp(dice.normal(0, 0.3, (count, 7)))[:, days % 7]
    growth = np.exp(dice.normal(0, 0.0008, (count, 1)) * days)
    return dice.poisson(dice.gamma(2.0, level * week * growth / 2.0)).astype(np.float32)


def weekday_means(history):
    weeks = history[:, -7 * WEEKS :].reshape(len(history), WEEKS, 7).mean(axis=1)
    return np.tile(weeks, HORIZON // 7)


def flat(level):
    return np.repeat(level[:, None], HORIZON, axis=1)


def mean_30(history, _first, _calendar):
    """What Odoo's sales figures of the last month say."""
    return flat(history[:, -30:].mean(1)), None


def smoothed(history, _first, _calendar):
    """Simple exponential smoothing (Brown 1956), the textbook's."""
    start = history[:, :28].mean(1, keepdims=True)
    level, _state = lfilter([SMOOTHING], [1, SMOOTHING - 1], history, axis=1, zi=(1 - SMOOTHING) * start)
    return flat(level[:, -1]), None


def ours(history, first, calendar):
    mask = np.arange(history.shape[1])[None] >= first[:, None]
    return engine.bench(history, mask, None, HORIZON, 7, real.QUANTILES, None, calendar)


def ours_without_calendar(history, first, _calendar):
    return ours(history, first, None)


METHODS = {
    "mean of 30 days": mean_30,
    "exponential smoothing": smoothed,
    "DMS": ours,
    "DMS, without a calendar": ours_without_calendar,
}


def speed():
    baseline, runs = [], []
    weekday_means(sales(50))
    engine.forecast(sales(50), horizon=HORIZON)  # imports are not the engine's
    for count in SIZES:
        history = sales(count)
        baseline.append(
            measure("numpy: weekday means of eight weeks", count, lambda h=history: weekday_means(h))
        )
        runs.append(
            measure(
                "DMS: engine, with quantiles and backtests",
                count,
                lambda h=history: engine.forecast(h, horizon=HORIZON),
            )
        )
    table("series", baseline, runs)


def accuracy():
    names = ("WRMSSE", "-h", "WAPE28", "SPL", "COV95")
    for title, load in real.available().items():
        data = load()
        aside = data.aside()
        print(f"  {title}, {HORIZON} days, mean of {real.ORIGINS} origins: " + " ".join(names))
        for part, pick in (("tuned on", ~aside), ("kept aside", aside), ("all", aside | True)):
            for label, method in METHODS.items():
                if label.endswith("calendar") and not data.kinds.any():
                    continue
                found = []
                for history, actual, first, weight, cut in real.origins(data, pick):
                    calendar = (
                        engine.Calendar(data.kinds[: cut + HORIZON], data.families)
                        if data.kinds.any()
                        else None
                    )
                    found.append(
                        real.figures(history, actual, first, weight, *method(history, first, calendar))
                    )
                print(
                    f"    {part:<11} {label:<26} "
                    + " ".join(f"{value:6.3f}" for value in np.mean(found, axis=0))
                )


def in_odoo(env):
    """Read the ledger, forecast, write the days, health, proposals and orderpoints; beside 30-day means written by create()."""
    baseline = []
    distributors, products = make_channel(env, SERIES // PRODUCTS)
    few = distributors[: len(distributors) // 5]
    for count in (100, 200):
        work = functools.partial(mean_by_orm, env, distributors, products, count)
        baseline.append(measure("Odoo: 30-day mean, a line a day by create()", count, work))
    runs, shares = [], []
    for chosen, past in ((few, SERIES // 5), (distributors, SERIES)):
        with env.cr.savepoint(flush=True) as savepoint:
            if chosen != distributors:
                env.execute_query(
                    SQL(
                        "DELETE FROM dms_channel_move WHERE partner_id = ANY(%s) RETURNING 1",
                        (distributors - chosen).ids,
                    )
                )
            part = {}
            runs.append(
                measure(
                    "DMS: ledger to orders and orderpoints", past, lambda part=part: end_to_end(env, part)
                )
            )
            shares.append((past, part))
            savepoint.rollback()
            env.invalidate_all()
    table("series", baseline, runs)
    for past, part in shares:
        print(
            f"  {past:,} series: "
            + ", ".join(
                f"{name} {seconds:.1f} s, {queries:,} queries" for name, (seconds, queries) in part.items()
            )
        )


def make_channel(env, count):
    """Distributors that may order everything, and a year of what they sold of each product; a thirtieth of it in stock."""
    partners = env["res.partner"].create(
        [{"name": f"Bench {n}", "channel_role": "distributor", "is_company": True} for n in range(count)]
    )
    products = env["product.product"].create(
        [
            {
                "name": f"Bench {n}",
                "default_code": f"BENCH{n:04}",
                "is_storable": True,
                "standard_price": 2,
                "lst_price": 3,
            }
            for n in range(PRODUCTS)
        ]
    )
    territory = env["dms.territory"].create({"name": "Bench"})
    agreements = env["dms.agreement"].create(
        [
            {
                "partner_id": partner.id,
                "date_start": "2020-01-01",
                "credit_limit": 1e7,
                "line_ids": [(0, 0, {"territory_id": territory.id})],
            }
            for partner in partners
        ]
    )
    with file_open("web/static/img/placeholder.png", "rb") as picture:
        signature = base64.b64encode(picture.read())
    for agreement in agreements:
        agreement.action_send()
        agreement._sign("Bench", signature)
        agreement.action_activate()
    yesterday = date.today() - timedelta(days=1)
    env["dms.channel.move"]._insert(
        SQL(
            """
            SELECT CASE WHEN n = 0 THEN 'count' ELSE 'sell_out' END, %(company)s, partner, NULL::integer, product, NULL::integer,
                   %(last)s::date - n, (CASE WHEN n = 0 THEN 10 * level ELSE -floor(level * week * 2 * dice) END)::numeric, 3::numeric,
                   %(currency)s, -9::numeric, NULL::integer, NULL::integer, NULL::integer, 'bench'
              FROM (SELECT partner, product, n, exp((hashint8(partner * 1000 + product) %% 1000) / 1000.0) * 3 AS level,
                           1 + 0.4 * sin(extract(dow FROM %(last)s::date - n)) AS week,
                           (hashint8((partner * 1000 + product) * 1000 + n) & 65535) / 65536.0 AS dice
                      FROM unnest(%(partners)s) partner, unnest(%(products)s) product, generate_series(0, 364) n) demand
             WHERE n = 0 OR floor(level * week * 2 * dice) > 0
            """,
            company=env.company.id, currency=env.company.currency_id.id, last=yesterday,
            partners=partners.ids, products=products.ids,
        )
    )  # fmt: skip
    warehouse = env["stock.warehouse"].search([("company_id", "=", env.company.id)], limit=1)
    env["stock.warehouse.orderpoint"].create(
        [
            {
                "product_id": product.id,
                "warehouse_id": warehouse.id,
                "location_id": warehouse.lot_stock_id.id,
                "dms_policy": "forecast",
            }
            for product in products
        ]
    )
    env.flush_all()
    for name in ("dms_channel_move", "dms_channel_week", "dms_channel_position"):
        env.cr.execute(f"ANALYZE {name}")
    return partners, products


def mean_by_orm(env, distributors, products, count):
    """What Odoo alone would do: the mean of 30 days of each series, written as a record a day."""
    chosen = distributors[: count // len(products)]
    sums = env["dms.channel.move"]._read_group(
        [
            ("kind", "=", "sell_out"),
            ("partner_id", "in", chosen.ids),
            ("date", ">=", date.today() - timedelta(days=30)),
        ],
        ["partner_id", "product_id"],
        ["quantity:sum"],
    )
    env["account.analytic.line"].create(
        [
            {
                "name": f"{partner.id}-{product.id}",
                "date": date.today() + timedelta(days=n),
                "unit_amount": -quantity / 30,
            }
            for partner, product, quantity in sums
            for n in range(30)
        ]
    )
    env.flush_all()


def end_to_end(env, part):
    """All that follows from one run; `part` gets seconds and queries of each stage."""

    def stage(name, work):
        env.flush_all()
        begin, before = time.perf_counter(), env.cr.sql_log_count
        work()
        env.flush_all()
        part[name] = time.perf_counter() - begin, env.cr.sql_log_count - before

    run = env["dms.forecast.run"].create({"company_id": env.company.id, "history_days": 365})
    stage("forecast", run._run)
    assert run.state == "done", run.message
    stage("what was said before", run._judge_past)
    stage("health", lambda: env["dms.stock.health"]._refresh(env.company))
    stage("proposals", lambda: env["dms.replenishment.proposal"]._generate(env.company))
    stage("orderpoints", lambda: env["stock.warehouse.orderpoint"]._dms_update_from_forecast(env.company))


in_odoo(env)  # noqa: F821  (Odoo's shell provides `env`)
env.cr.rollback()  # noqa: F821
if not os.environ.get("DMS_BENCH_ODOO_ONLY"):
    speed()
    accuracy()
