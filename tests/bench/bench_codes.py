"""Issuing unit codes, beside Odoo's own serial numbers (stock.lot) made in batches."""

import os
import sys

sys.path.insert(0, os.path.join(os.environ["DMS_CHECKOUT"], "tests", "bench"))

from measure import measure, table


def issue(env, product, lot, count):
    order = env["dms.code.order"].create({"product_id": product.id, "lot_id": lot.id, "quantity": count})
    order.action_generate()
    env.flush_all()


def serials(env, product, count):
    env["stock.lot"].create(
        [
            {"name": f"{count}-{index:08}", "product_id": product.id, "company_id": env.company.id}
            for index in range(count)
        ]
    )
    env.flush_all()


def main(env):
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
    runs = [
        measure("DMS: code order", count, lambda count=count: issue(env, product, lot, count))
        for count in (50_000, 200_000)
    ]
    table("codes", baseline, runs)
    env.cr.rollback()


main(env)  # noqa: F821  (Odoo's shell provides `env`)
