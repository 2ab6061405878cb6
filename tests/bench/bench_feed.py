"""Sell-through lines from the file to released channel stock, beside Odoo's own import into a plain model.

All rules are on, also for the load that has no sender. DMS_BENCH_LINES and DMS_BENCH_MOVES set the larger sizes
(1,000,000 and 10,000,000); the smaller one of each is a tenth.
"""

import functools
import io
import os
import random
import sys
from datetime import date, timedelta

from odoo.tools import SQL

sys.path.insert(0, os.path.join(os.environ["DMS_CHECKOUT"], "tests", "bench"))

from measure import measure, table
from openpyxl import Workbook

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


def csv_file(rows):
    head = "distributor,product_code,date,quantity,unit_price,reference\n"
    body = "".join(
        f"BENCH,{code},{day},{quantity},{price},R{number}\n"
        for number, (code, day, quantity, price) in enumerate(rows)
    )
    return (head + body).encode()


def xlsx_file(rows):
    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet()
    sheet.append(["distributor", "product_code", "date", "quantity", "unit_price", "reference"])
    for number, (code, day, quantity, price) in enumerate(rows):
        sheet.append(["BENCH", code, day, quantity, float(price), f"X{number}"])
    buffer = io.BytesIO()
    workbook.save(buffer)
    return buffer.getvalue()


def read_only(content):
    """What openpyxl alone takes to read the same workbook: XLSX can't be faster than its reader."""
    from openpyxl import load_workbook

    sheet = load_workbook(io.BytesIO(content), read_only=True, data_only=True).active
    assert sum(1 for _row in sheet.iter_rows(values_only=True)) > 1


def through_the_inbox(env, content):
    feed = env["dms.feed"]._receive(content, "bench")
    feed.action_release()
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
    for count in (LINES // 10, LINES):
        run = functools.partial(through_the_inbox, env, csv_file(lines(count, 2 + count)))
        runs.append(measure("DMS: CSV to released positions", count, run))
    for count in (LINES // 100, LINES // 10):
        content = xlsx_file(lines(count, 3 + count))
        runs.append(
            measure("openpyxl: reading the XLSX, nothing else", count, functools.partial(read_only, content))
        )
        run = functools.partial(through_the_inbox, env, content)
        runs.append(measure("DMS: XLSX to released positions", count, run))
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
