"""Sell-through lines from the file to released channel stock, beside Odoo's own import into a plain model.

All rules are on, also for the load that has no sender. DMS_BENCH_LINES and DMS_BENCH_MOVES set the larger sizes
(1,000,000 and 10,000,000); the smaller one of each is a tenth.
"""

import functools
import os
import random
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path

from odoo.tools import SQL

sys.path.insert(0, os.path.join(os.environ["DMS_CHECKOUT"], "tests", "bench"))

from measure import measure, table
from openpyxl import load_workbook
from xlsxwriter import Workbook

PRODUCTS = 500
LINES = int(os.environ.get("DMS_BENCH_LINES", "1000000"))
MOVES = int(os.environ.get("DMS_BENCH_MOVES", "10000000"))


def lines(count, seed):
    """(product code, day, quantity, price) of `count` sales of the last year, the same for the same seed."""
    dice = random.Random(seed)
    last = date.today() - timedelta(days=1)
    return [
        (
            f"BENCH{dice.randrange(PRODUCTS):04}",
            (last - timedelta(days=dice.randrange(360))).isoformat(),
            dice.randint(1, 48),
            f"{dice.randint(100, 9999) / 100:.2f}",
        )
        for _ in range(count)
    ]


def csv_file(folder, rows, mark):
    path = Path(folder) / f"{mark}.csv"
    with path.open("w") as file:
        file.write("distributor,product_code,date,quantity,unit_price,reference\n")
        file.writelines(
            f"BENCH,{code},{day},{quantity},{price},{mark}{number}\n"
            for number, (code, day, quantity, price) in enumerate(rows)
        )
    return path


def xlsx_file(folder, rows, mark):
    path = Path(folder) / f"{mark}.xlsx"
    workbook = Workbook(path, {"constant_memory": True})
    sheet = workbook.add_worksheet()
    sheet.write_row(0, 0, ["distributor", "product_code", "date", "quantity", "unit_price", "reference"])
    for number, (code, day, quantity, price) in enumerate(rows):
        sheet.write_row(number + 1, 0, ["BENCH", code, day, quantity, float(price), f"{mark}{number}"])
    workbook.close()
    return path


def read_only(path):
    """What openpyxl alone takes to read the same workbook: XLSX can't be faster than its reader."""
    sheet = load_workbook(path, read_only=True, data_only=True).active
    assert sum(1 for _row in sheet.iter_rows(values_only=True)) > 1


def at_once(env, path):
    """Booked as it comes, as the bulk endpoint does with ``release=1``."""
    feed = env["dms.feed"].with_context(dms_feed_release=True)._receive(path, path.name)
    finish(env, feed)


def by_hand(env, path):
    """Received first, released by somebody who looked at it."""
    feed = env["dms.feed"]._receive(path, path.name)
    feed.action_release()
    finish(env, feed)


def finish(env, feed):
    print("   ", feed.timings, flush=True)
    env.flush_all()
    assert feed.released_count == feed.line_count, (feed.released_count, feed.line_count, feed.issue_text)


def odoo_import(env, rows):
    result = env["account.analytic.line"].load(
        ["name", "date", "unit_amount", "amount"],
        [[code, day, str(quantity), price] for code, day, quantity, price in rows],
    )
    assert result["ids"], result["messages"]
    env.flush_all()


def main(env):
    env["res.partner"].create(
        {"name": "Bench", "ref": "BENCH", "channel_role": "distributor", "is_company": True}
    )
    env["product.product"].create(
        [
            {"name": f"Bench {number}", "default_code": f"BENCH{number:04}", "is_storable": True}
            for number in range(PRODUCTS)
        ]
    )
    baseline, runs = [], []
    for count in (2_000, 8_000):
        rows = lines(count, 1)
        run = functools.partial(odoo_import, env, rows)
        baseline.append(measure("Odoo: load() into account.analytic.line", count, run))
    env["dms.feed.rule"].search([]).own_loads = True
    with tempfile.TemporaryDirectory() as folder:
        for name, make, sizes, work in (
            (
                "DMS: CSV to released positions",
                csv_file,
                (LINES // 10, LINES),
                functools.partial(at_once, env),
            ),
            ("DMS: CSV received, then released", csv_file, (LINES // 10,), functools.partial(by_hand, env)),
            ("openpyxl: reading the XLSX, nothing else", xlsx_file, (LINES // 10, LINES), read_only),
            (
                "DMS: XLSX to released positions",
                xlsx_file,
                (LINES // 10, LINES),
                functools.partial(at_once, env),
            ),
        ):
            for count in sizes:
                path = make(folder, lines(count, len(runs)), f"{chr(65 + len(runs))}")
                runs.append(measure(name, count, functools.partial(work, path)))
                path.unlink()
    table("lines", baseline, runs)
    env.cr.rollback()
    past_days(env)


def past_days(env):
    """Positions of a day half a year ago, beside the sum of all moves until then; and a quarter by territory."""
    partners = env["res.partner"].create(
        [{"name": f"Bench {n}", "channel_role": "distributor", "is_company": True} for n in range(50)]
    )
    products = env["product.product"].create(
        [{"name": f"Bench {n}", "default_code": f"PAST{n:04}", "is_storable": True} for n in range(PRODUCTS)]
    )
    sums, runs, weeks = [], [], []
    added = 0
    day = date.today() - timedelta(days=180)
    for count in (MOVES // 10, MOVES):
        add_moves(env, partners, products, count - added)
        added = count
        sums.append(
            measure("PostgreSQL: sum of the moves until that day", count, functools.partial(sum_of, env, day))
        )
        run = functools.partial(env["dms.channel.position"]._at, day)
        runs.append(measure("DMS: positions of that day", count, run))
        run = functools.partial(quarter, env)
        weeks.append(measure("DMS: 13 weeks by distributor and product", count, run))
    table("moves", sums, runs + weeks)
    env.cr.rollback()


def add_moves(env, partners, products, count):
    source = SQL(
        """
        SELECT 'sell_out', %s, (%s::integer[])[1 + n %% %s], NULL::integer, (%s::integer[])[1 + (n / 7) %% %s],
               NULL::integer, CURRENT_DATE - (n %% 363), -(1 + n %% 40)::numeric, 3::numeric, %s, -9::numeric,
               NULL::integer, NULL::integer, NULL::integer, 'bench'
          FROM generate_series(1, %s) n
        """,
        env.company.id, partners.ids, len(partners), products.ids, len(products), env.company.currency_id.id, count,
    )  # fmt: skip
    env["dms.channel.move"]._insert(source)
    env.cr.execute("ANALYZE dms_channel_move")
    env.cr.execute("ANALYZE dms_channel_week")


def sum_of(env, day):
    env.cr.execute(
        "SELECT partner_id, product_id, SUM(quantity) FROM dms_channel_move WHERE company_id = %s AND date <= %s"
        " GROUP BY partner_id, product_id",
        [env.company.id, day],
    )
    env.cr.fetchall()


def quarter(env):
    since = date.today() - timedelta(days=91)
    env["dms.channel.week"]._read_group(
        [("week", ">=", since)], ["partner_id", "product_id", "week:month"], ["sell_in:sum", "sell_out:sum"]
    )


main(env)  # noqa: F821  (Odoo's shell provides `env`)
