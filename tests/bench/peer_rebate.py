"""What OCA's agreement_rebate makes of the benchmark's invoices; run by bench_rebate.py in a process of its own."""

import json
import os
import sys
from decimal import Decimal

sys.path.insert(0, os.path.join(os.environ["DMS_CHECKOUT"], "tests", "bench"))

from measure import measure

from odoo import Command

from odoo.addons.dms_channel.tools import rebate

BANDS = ((0, 100, 10), (100, 300, 20), (300, 6000, 30))
# As its own tests and documentation write them: bands don't share their bounds.
WHOLE_NUMBERS = ((0, 1000, 1), (1001, 5000, 2))


def agreement(env, kind, partner, rebate_type, bands, **vals):
    return env["agreement"].create(
        {
            "name": f"{partner.name} {rebate_type}",
            "code": f"{partner.id}-{rebate_type}-{vals.pop('number', 0)}",
            "partner_id": partner.id,
            "domain": "sale",
            "agreement_type_id": kind.id,
            "rebate_type": rebate_type,
            "start_date": "2025-01-01",
            "end_date": "2025-12-31",
            "rebate_section_ids": [
                Command.create({"amount_from": low, "amount_to": high, "rebate_discount": rate})
                for low, high, rate in bands
            ],
            **vals,
        }
    )


def settle(env, agreements, kind):
    wizard = env["agreement.settlement.create.wiz"].create(
        {
            "date_from": "2025-01-01",
            "date_to": "2025-12-31",
            "agreement_ids": [Command.set(agreements.ids)],
            "agreement_type_ids": [Command.set(kind.ids)],
            "discard_settled_agreement": False,
        }
    )
    return wizard.action_create_settlement()


def settled(env, agreements):
    lines = env["agreement.rebate.settlement.line"].search([("agreement_id", "in", agreements.ids)])
    return f"{sum(lines.mapped('amount_rebate')):.2f}"


def errors(env, kind):
    """Its two known errors, on invoices made for them."""
    product = env["product.product"].search([("name", "=", "Bench 0")], limit=1)
    cases = (
        ("400 banded: a passed middle band pays on its bound", 400, "section_prorated", BANDS, rebate.BANDED),
        ("1,000.50 whole volume: no band matches", 1000.50, "section_total", WHOLE_NUMBERS, rebate.WHOLE),
    )
    for name, amount, rebate_type, bands, method in cases:
        partner = env["res.partner"].create({"name": name})
        env["account.move"].create(
            {
                "move_type": "out_invoice",
                "partner_id": partner.id,
                "invoice_date": "2025-06-01",
                "invoice_line_ids": [
                    Command.create(
                        {"product_id": product.id, "price_unit": amount, "tax_ids": [Command.clear()]}
                    )
                ],
            }
        ).action_post()
        found = agreement(env, kind, partner, rebate_type, bands)
        settle(env, found, kind)
        tiers = [rebate.Tier(Decimal(low // 100 * 100), Decimal(rate)) for low, _high, rate in bands]
        ours = rebate.compute(rebate.decimal(amount), tiers, method).total
        right = {400: "80.00", 1000.50: "20.01"}[amount]
        print(json.dumps({"case": name, "right": right, "peer": settled(env, found), "dms": f"{ours:.2f}"}))


def main(env):
    kind = env["agreement.type"].create({"name": "Bench", "domain": "sale", "is_rebate": True})
    partners = env["res.partner"].search([("name", "like", "Bench %"), ("channel_role", "=", "distributor")])
    bands = ((0, 20_000, 1), (20_000, 100_000, 2), (100_000, 300_000, 3), (300_000, 10**9, 4))
    for size in json.loads(os.environ["DMS_PEER_SAMPLE"]):
        agreements = env["agreement"].union(
            *(
                agreement(
                    env,
                    kind,
                    partners[n % len(partners)],
                    ("section_prorated", "section_total")[n % 2],
                    bands,
                    number=f"{size}-{n}",
                )
                for n in range(size)
            )
        )
        env.flush_all()
        env.invalidate_all()
        run = measure("peer", size, lambda agreements=agreements: settle(env, agreements, kind))
        print(json.dumps({"size": size, "seconds": run.seconds, "memory": run.memory}))
    errors(env, kind)
    env.cr.rollback()


main(env)  # noqa: F821  (Odoo's shell provides `env`)
