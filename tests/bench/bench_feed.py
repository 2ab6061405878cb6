"""Sell-through lines from the file to released channel stock, beside Odoo's own import into a plain model."""

import functools
import os
import random
import sys
from datetime import date, timedelta

sys.path.insert(0, os.path.join(os.environ["DMS_CHECKOUT"], "tests", "bench"))

from measure import measure, table

PRODUCTS = 500


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


def through_the_inbox(env, content):
    feed = env["dms.feed"]._receive(content, "bench.csv")
    feed.action_release()
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
    for count in (20_000, 100_000):
        content = csv_file(lines(count, 2))
        run = functools.partial(through_the_inbox, env, content)
        runs.append(measure("DMS: CSV to released positions", count, run))
    table("lines", baseline, runs)
    env.cr.rollback()


main(env)  # noqa: F821  (Odoo's shell provides `env`)
