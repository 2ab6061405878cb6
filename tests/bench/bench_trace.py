"""Traceability: issuing codes, print files, shipping cases, scanning, public page, each beside a named baseline."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.environ["DMS_CHECKOUT"], "tests", "bench"))

from measure import measure, table

PRINT_HEAD = f"  {'':<52} {'count':>9} {'p50 ms':>8} {'p99 ms':>8} {'ratio':>8}"


def quantiles(name, seconds, baseline=None):
    """Print median and 99th percentile of some times; the ratio is that of the medians."""
    ordered = sorted(seconds)
    middle, tail = ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    ratio = f"{middle / baseline:>8.3g}" if baseline else f"{'':>8}"
    print(f"  {name:<52} {len(ordered):>9,} {middle * 1e3:>8.2f} {tail * 1e3:>8.2f} {ratio}", flush=True)
    return middle


def timed(work, times):
    seconds = []
    for turn in range(times):
        start = time.perf_counter()
        work(turn)
        seconds.append(time.perf_counter() - start)
    return seconds


def issue(env, product, lot, count, **vals):
    order = env["dms.code.order"].create(
        {"product_id": product.id, "lot_id": lot.id, "quantity": count, "case_size": 0, **vals}
    )
    order.action_generate()
    while order.state == "generating":
        order._store_next()
    env.flush_all()
    return order


def serials(env, product, count):
    env["stock.lot"].create(
        [
            {"name": f"{count}-{index:08}", "product_id": product.id, "company_id": env.company.id}
            for index in range(count)
        ]
    )
    env.flush_all()


def write_file(env, order, path):
    """The CSV for the printer's house, as the route streams it."""
    from odoo.addons.dms_traceability.tools import gs1

    base_url = env["dms.code"]._get_resolver_url()
    with open(path, "w", encoding="utf-8") as file:
        for gtin, part in order._iter_serials():
            head = gs1.digital_link(base_url, gtin, "")
            file.write("".join(f"unit,{gtin},{serial},{head}{serial}\r\n" for serial in part))


def deliver(env, product, quantity, lot=None):
    warehouse = env["stock.warehouse"].search([("company_id", "=", env.company.id)], limit=1)
    move = {
        "product_id": product.id,
        "product_uom_qty": quantity,
        "product_uom": product.uom_id.id,
        "location_id": warehouse.lot_stock_id.id,
        "location_dest_id": env.ref("stock.stock_location_customers").id,
    }
    picking = env["stock.picking"].create(
        {
            "picking_type_id": warehouse.out_type_id.id,
            "location_id": move["location_id"],
            "location_dest_id": move["location_dest_id"],
            "move_ids": [(0, 0, move)],
        }
    )
    picking.action_confirm()
    picking.action_assign()
    return picking


def stock(env, product, lots, each):
    warehouse = env["stock.warehouse"].search([("company_id", "=", env.company.id)], limit=1)
    for lot in lots:
        env["stock.quant"]._update_available_quantity(product, warehouse.lot_stock_id, each, lot_id=lot)


def associate(picking, keys):
    """Take cases on a delivery, and ship them."""
    picking._dms_take(keys)
    picking.date_done = picking.env.cr.now()
    picking._dms_ship_codes()
    picking.env.flush_all()


def recall(env, product, lot, big):
    """Who holds how many of a batch in cases of 24, all shipped; beside as many units counted by PostgreSQL alone."""
    baseline, runs = [], []
    for count in (big // 4, big):
        batch = lot.copy({"name": f"RECALL{count}"})
        order = issue(env, product, batch, count, case_size=24)
        order.action_activate()
        order.action_pack()
        first, cases = order.first_key + order.quantity, order.case_count
        associate(deliver(env, product, 1), list(range(first, first + cases)))
        for name in ("dms_trace_code", "dms_trace_pack", "dms_trace_event_range"):
            env.cr.execute(f"ANALYZE {name}")
        found = env["dms.recall"].create(
            {"product_id": product.id, "lot_ids": [(6, 0, batch.ids)], "reason": "Bench"}
        )

        def count_rows(order=order):
            env.cr.execute(
                "SELECT state, partner_id, count(*) FROM dms_trace_code WHERE key BETWEEN %s AND %s GROUP BY 1, 2",
                [order.first_key, order.last_key],
            )

        baseline.append(measure("PostgreSQL: rows counted by state", count, count_rows))
        runs.append(measure("DMS: recall, who holds how many", count, found.action_count))
    print()
    table("units", baseline, runs)


def explain(env, name, query, *args):
    env.cr.execute("EXPLAIN " + query, args)
    plan = "\n".join(row[0] for row in env.cr.fetchall())
    bad = [line for line in plan.splitlines() if "Seq Scan on dms_trace" in line]
    print(f"  {name}: {'SEQUENTIAL SCAN ' + bad[0] if bad else 'indexes only'}", flush=True)


def main(env):
    big = int(os.environ.get("DMS_BENCH_CODES", "1000000"))
    os.environ.setdefault("DMS_MASTER_KEY", "bench-only-0123456789abcdef0123456789abcdef")
    product, serial = env["product.product"].create(
        [
            {"name": "Bench", "is_storable": True, "tracking": "lot", "barcode": "04006381333931"},
            {"name": "Bench serial", "is_storable": True, "tracking": "serial"},
        ]
    )
    lot = env["stock.lot"].create({"name": "BENCH", "product_id": product.id, "company_id": env.company.id})
    issue(env, product, lot, 100)
    baseline = [
        measure("Odoo: stock.lot, one create()", count, lambda count=count: serials(env, serial, count))
        for count in (2_000, 4_000)
    ]
    orders = []
    runs = [
        measure("DMS: code order", count, lambda count=count: orders.append(issue(env, product, lot, count)))
        for count in (big // 4, big)
    ]
    table("codes", baseline, runs)
    print()
    table(
        "codes",
        runs[-1:],
        [
            measure(
                "DMS: order to CSV file",
                order.quantity,
                lambda order=order: write_file(env, order, os.devnull),
            )
            for order in orders
        ],
    )

    print()
    units = env["stock.lot"].search([("product_id", "=", serial.id)], limit=400)
    stock(env, serial, units, 1)
    baseline = []
    for count in (100, 200):
        picking = deliver(env, serial, count)
        baseline.append(
            measure("Odoo: delivery of serial-tracked units", count, lambda p=picking: p.button_validate())
        )
    runs = []
    for cases in (20_000, 100_000):
        order = issue(env, product, lot, cases * 2, case_size=2)
        order.action_activate()
        order.action_pack()
        env.cr.execute("ANALYZE dms_trace_code")
        env.cr.execute("ANALYZE dms_trace_pack")
        picking = deliver(env, product, 1)
        first = order.first_key + order.quantity
        keys = list(range(first, first + cases))
        runs.append(
            measure(
                "DMS: cases put on a delivery and shipped", cases, lambda p=picking, k=keys: associate(p, k)
            )
        )
    table("links", baseline, runs)
    recall(env, product, lot, big)

    print("\n" + PRINT_HEAD)
    order = issue(env, product, lot, 24 * 300, case_size=24)
    order.action_activate()
    order.action_pack()
    for name in ("dms_trace_code", "dms_trace_pack", "dms_trace_event_range", "dms_code_order"):
        env.cr.execute(f"ANALYZE {name}")
    stock(env, product, lot, 24 * 300)
    picking = deliver(env, product, 24 * 300)
    labels = [f"(01){gtin}(21){text}" for gtin, part in order._iter_serials("case") for text in part]
    quantiles(
        "scan of a case of 24 in the delivery screen",
        timed(lambda turn: picking.dms_scan_add([labels[turn]]), 300),
    )
    Code = env["dms.code"]
    (gtin, outside), *_more = orders[-1]._iter_serials()
    base = quantiles(
        "baseline: SELECT 1 through the ORM's cursor", timed(lambda _t: env.cr.execute("SELECT 1"), 300)
    )
    quantiles(
        f"code resolved among {sum(one.quantity for one in orders):,}",
        timed(lambda turn: Code._resolve([(gtin, outside[turn * 101])]), 300),
        base,
    )
    quantiles(
        "forged code refused (no SQL on codes)",
        timed(
            lambda turn: Code._resolve(
                [(gtin, outside[turn][:-1] + ("0" if outside[turn][-1] != "0" else "1"))]
            ),
            300,
        ),
        base,
    )
    key = order.first_key
    for _turn in range(8):
        env["dms.trace.event"]._record("inspecting", [key], order=order, company=order.company_id)
    quantiles(
        f"trace with {len(Code.browse(key).event_ids)} events",
        timed(lambda _t: env["dms.trace.event"]._of_codes([key]), 200),
        base,
    )
    print()
    env.cr.execute("ANALYZE dms_trace_code")
    explain(env, "look-up of a code", "SELECT * FROM dms_trace_code WHERE key = ANY(%s)", [key])
    rows = Code._join_packages()
    explain(
        env,
        "a code with its packages",
        f"SELECT c.key FROM dms_trace_code c {rows.code} WHERE c.key = ANY(%s)",
        *rows.params,
        [key],
    )
    inside = Code._inside_sql([key + 24 * 300])
    explain(env, "contents of a case", inside.code, *inside.params)
    explain(
        env, "codes of a delivery", "SELECT count(*) FROM dms_trace_code WHERE picking_id = %s", picking.id
    )
    env.cr.rollback()


main(env)  # noqa: F821  (Odoo's shell provides `env`)
