"""Rebates of a year, beside OCA's agreement_rebate on what both can express.

A million invoice lines, 500 distributors and 50 programmes (by year, quarter and month; banded and whole volume; some on
a category). The peer is installed in a folder of its own from PyPI, into a copy of nothing else: it never becomes a
dependency. It asks the database once per distributor and programme, so it computes a sample; the table compares rates.
"""

import functools
import json
import os
import random
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

sys.path.insert(0, os.path.join(os.environ["DMS_CHECKOUT"], "tests", "bench"))

from measure import Measured, measure, table

from odoo import Command
from odoo.tools import SQL, config

DISTRIBUTORS, PROGRAMMES, CATEGORIES, PRODUCTS, LINES_PER_INVOICE = 500, 50, 10, 200, 10
HERE = Path(os.environ["DMS_CHECKOUT"], "tests", "bench")
SIZES = (250_000, 1_000_000)
MORE = 10_000
PEER_SAMPLE = (100, 400)
PEERS = (
    "odoo-addon-agreement-rebate==19.0.*",
    "odoo-addon-agreement==19.0.*",
    "odoo-addon-account-invoice-refund-link==19.0.*",
)


def masters(env):
    """Distributors, products by category, and one posted invoice that the others are copied from."""
    env.company._dms_prepare_rebate_accounts()
    partners = env["res.partner"].create(
        [
            {"name": f"Bench {n}", "channel_role": "distributor", "is_company": True}
            for n in range(DISTRIBUTORS)
        ]
    )
    categories = env["product.category"].create([{"name": f"Bench {n}"} for n in range(CATEGORIES)])
    products = env["product.product"].create(
        [
            {"name": f"Bench {n}", "categ_id": categories[n % CATEGORIES].id, "taxes_id": [Command.clear()]}
            for n in range(PRODUCTS)
        ]
    )
    invoice = env["account.move"].create(
        {
            "move_type": "out_invoice",
            "partner_id": partners[0].id,
            "invoice_date": date(2025, 1, 1),
            "invoice_line_ids": [Command.create({"product_id": products[0].id, "price_unit": 1})],
        }
    )
    invoice.action_post()
    env.flush_all()
    return partners, categories, products, invoice


def copies(env, name, changes, source):
    """INSERT copies of one row: all its columns but those in `changes`."""
    columns = [
        column
        for (column,) in env.execute_query(
            SQL(
                "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND column_name != 'id'",
                name,
            )
        )
    ]
    values = [changes.get(column, SQL("template.%s", SQL.identifier(column))) for column in columns]
    env.cr.execute(
        SQL(
            "INSERT INTO %s (%s) SELECT %s FROM %s",
            SQL.identifier(name),
            SQL(", ").join(map(SQL.identifier, columns)),
            SQL(", ").join(values),
            source,
        )
    )


def add_invoices(env, count, first, partners, products, template, pending=False):
    """Post `count` lines on invoices of the year, by copying the template's rows."""
    invoices = count // LINES_PER_INVOICE
    env.cr.execute("SELECT setseed(0.42)")
    partner = SQL("(%s::int[])[1 + (g.n * 7919) %% %s]", partners.ids, len(partners))
    name = SQL("'BENCH/' || g.n")
    copies(
        env,
        "account_move",
        {
            "name": name,
            "payment_reference": name,
            "sequence_number": SQL("g.n"),
            "partner_id": partner,
            "commercial_partner_id": partner,
            "partner_shipping_id": partner,
            "date": SQL("'2025-01-01'::date + (random() * 364)::int"),
            "invoice_date": SQL("'2025-01-01'::date + (random() * 364)::int"),
            "dms_rebate_pending": SQL("%s::varchar", "new" if pending else None),
            "access_token": SQL("NULL::varchar"),
        },
        SQL(
            "account_move AS template CROSS JOIN generate_series(%s, %s) AS g (n) WHERE template.id = %s",
            first,
            first + invoices - 1,
            template.id,
        ),
    )
    copies(
        env,
        "account_move_line",
        {
            "move_id": SQL("move.id"),
            "move_name": SQL("move.name"),
            "partner_id": SQL("move.partner_id"),
            "date": SQL("move.date"),
            "invoice_date": SQL("move.invoice_date"),
            "product_id": SQL("(%s::int[])[1 + floor(random() * %s)::int]", products.ids, len(products)),
            "quantity": SQL("draw.quantity"),
            "price_subtotal": SQL("draw.value"),
            "price_total": SQL("draw.value"),
            "balance": SQL("-draw.value"),
            "amount_currency": SQL("-draw.value"),
            "debit": SQL("0"),
            "credit": SQL("draw.value"),
        },
        SQL(
            """
            account_move_line AS template
            CROSS JOIN account_move AS move
            CROSS JOIN generate_series(1, %s) AS g (n)
            CROSS JOIN LATERAL (SELECT 1 + floor(random() * 20 + g.n * 0) AS quantity,
                                       ROUND((10 + random() * 500 + g.n * 0)::numeric, 2) AS value) AS draw
            WHERE template.move_id = %s AND template.display_type = 'product'
              AND move.sequence_number BETWEEN %s AND %s AND move.name LIKE 'BENCH/%%'
            """,
            LINES_PER_INVOICE,
            template.id,
            first,
            first + invoices - 1,
        ),
    )
    env.cr.commit()
    env.cr.execute("ANALYZE account_move, account_move_line")
    env.invalidate_all()


def programmes(env, categories):
    dice = random.Random(5)
    periods = ["year"] * 30 + ["quarter"] * 15 + ["month"] * 5
    programs = env["dms.rebate.program"].create(
        [
            {
                "name": f"Bench {n}",
                "code": f"BENCH{n}",
                "date_start": "2025-01-01",
                "date_end": "2025-12-31",
                "period": periods[n],
                "accrual_policy": "periodic",
                "tier_method": "whole" if n % 2 else "banded",
                "categ_ids": [Command.set(categories[n % CATEGORIES].ids if n % 3 else [])],
                "tier_ids": [
                    Command.create({"from_amount": bound, "rate": rate + dice.randrange(50) / 100})
                    for bound, rate in ((0, 1), (20_000, 2), (100_000, 3), (300_000, 4))
                ],
            }
            for n in range(PROGRAMMES)
        ]
    )
    for program in programs:
        program._check_publishable()
        program._set_state("published")
    env.cr.commit()
    return programs


def full(env, programs):
    env["dms.rebate.engine"]._refresh(programs, date(2025, 12, 31))
    env.flush_all()


def standings(env, programs):
    rows = env.execute_query(
        SQL(
            """
            SELECT program_id, partner_id, period_start, measure_amount, earned_amount
              FROM dms_rebate_balance WHERE program_id = ANY(%s)
            """,
            programs.ids,
        )
    )
    return {tuple(row[:3]): row[3:] for row in rows}


def peer(env, folder):
    """Install the peer and let it compute a sample; return what it says as JSON objects."""
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, *PEERS],
        check=True,
    )
    paths = [str(Path(folder, "odoo", "addons")), *map(str, config["addons_path"])]
    words = ["-c", config["config"], "-d", env.cr.dbname, "--addons-path", ",".join(paths), "--no-http"]
    odoo = [sys.executable, "-W", "ignore", "-m", "odoo"]
    subprocess.run(
        [*odoo, "server", *words, "-i", "agreement_rebate", "--stop-after-init", "--log-level=error"],
        check=True,
    )
    with (HERE / "peer_rebate.py").open() as script:
        done = subprocess.run(
            [*odoo, "shell", *words],
            check=True,
            stdin=script,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "DMS_PEER_SAMPLE": json.dumps(PEER_SAMPLE)},
        )
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def main(env):
    partners, categories, products, template = masters(env)
    programs = programmes(env, categories)
    env["dms.rebate.engine"]._synchronise()
    runs, made = [], 0
    for size in SIZES:
        add_invoices(env, size - made, made // LINES_PER_INVOICE + 1, partners, products, template)
        made = size
        run = measure(f"DMS: all, from {size:,} lines", size, functools.partial(full, env, programs))
        runs.append(run)
        env.cr.commit()
    count = len(standings(env, programs))
    add_invoices(env, MORE, made // LINES_PER_INVOICE + 1, partners, products, template, pending=True)
    synchronise = env["dms.rebate.engine"]._synchronise
    more = measure(f"DMS: {MORE:,} lines more", MORE, synchronise)
    env.cr.commit()
    added = standings(env, programs)
    full(env, programs)
    env.cr.commit()
    same = added == standings(env, programs)
    with tempfile.TemporaryDirectory(prefix="dms-peer-") as folder:
        said = peer(env, folder)
    sample = [
        Measured("agreement_rebate: distributor x programme", row["size"], row["seconds"], row["memory"])
        for row in said
        if "size" in row
    ]
    ours = Measured(f"DMS: the same from {SIZES[-1]:,} lines", count, runs[-1].seconds, runs[-1].memory)
    table("rebates", sample, [ours])
    print(f"  {'':<44} {'lines':>10} {'seconds':>9} {'lines/s':>14} {'MB more':>8}")
    for run in (*runs, more):
        print(f"  {run.name:<44} {run.size:>10,} {run.seconds:>9.2f} {run.rate:>14,.0f} {run.memory:>8.0f}")
    print(f"  adding the new lines gave what computing afresh gives: {same}")
    print(f"  {'known errors of the peer, on one distributor':<52} {'right':>10} {'peer':>10} {'DMS':>10}")
    for row in said:
        if "case" in row:
            print(f"  {row['case']:<52} {row['right']:>10} {row['peer']:>10} {row['dms']:>10}")
    assert same, "adding up and computing afresh differ"


main(env)  # noqa: F821  (Odoo's shell provides `env`)
