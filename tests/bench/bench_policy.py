"""Orders judged by the order rules, beside the time that Odoo itself needs to confirm the same orders."""

import os
import statistics
import sys
import time
from datetime import date, timedelta

sys.path.insert(0, os.path.join(os.environ["DMS_CHECKOUT"], "tests", "bench"))

from measure import Measured, measure, table

from odoo.fields import Command

from odoo.addons.dms_channel.tools import guard

ORDERS = {20: 24, 300: 4}  # orders confirmed by number of lines
RULES = (10, 100)


def world(env):
    """A distributor with an agreement, a year of orders behind it, stock, sell-through, and 300 products."""
    belgium = env.ref("base.be")
    territory = env["dms.territory"].create(
        {"name": "Bench", "code": "BENCH", "country_ids": [Command.link(belgium.id)]}
    )
    partner = env["res.partner"].create(
        {
            "name": "Bench",
            "ref": "R-BENCH",
            "channel_role": "distributor",
            "is_company": True,
            "country_id": belgium.id,
        }
    )
    agreement = env["dms.agreement"].create(
        {
            "partner_id": partner.id,
            "date_start": "2020-01-01",
            "credit_limit": 1e9,
            "line_ids": [Command.create({"territory_id": territory.id})],
        }
    )
    guard.mark(agreement).write({"state": "active", "activated_on": "2020-01-01 00:00:00"})
    unit = env.ref("uom.product_uom_unit")
    case = env["uom.uom"].create({"name": "Bench case", "relative_factor": 12, "relative_uom_id": unit.id})
    products = env["product.product"].create(
        [
            {
                "name": f"Bench {number}",
                "default_code": f"BENCH{number:03}",
                "is_storable": True,
                "list_price": 10,
                "uom_ids": [Command.link(case.id)],
            }
            for number in range(max(ORDERS))
        ]
    )
    today = date.today()
    env["dms.channel.move"].create(
        [
            {
                "kind": kind,
                "partner_id": partner.id,
                "product_id": product.id,
                "date": today - timedelta(days=days),
                "quantity": quantity,
            }
            for product in products
            for kind, days, quantity in (
                ("sell_in", 90, 600),
                *(("sell_out", day, -40) for day in range(3, 60, 7)),
            )
        ]
    )
    return partner, products


def rules(env, partner, count):
    """``count`` rules, of all kinds in turn, none of which stops the orders."""
    every = (
        {"kind": "credit_limit"},
        {"kind": "overdue"},
        {"kind": "agreement"},
        {"kind": "amount", "amount_max": 1e8},
        {"kind": "quantity", "scope": "product", "quantity_max": 1e6},
        {"kind": "quantity_case"},
        {"kind": "price", "price_percent": 5},
        {"kind": "usual_size", "spread_factor": 1e6},
        {"kind": "cover", "cover_days": 900},
        {"kind": "domain", "order_domain": "[('client_order_ref', '=', 'STOP')]"},
    )
    env["dms.order.rule"].search([]).active = False
    env["dms.order.rule"].create(
        [
            {"name": f"Bench {number}", "sequence": number, **every[number % len(every)]}
            for number in range(count)
        ]
    )


def orders(env, partner, products, lines, count):
    made = env["sale.order"].create(
        [
            {
                "partner_id": partner.id,
                "order_line": [
                    Command.create({"product_id": product.id, "product_uom_qty": 12})
                    for product in products[:lines]
                ],
            }
            for _ in range(count)
        ]
    )
    env.flush_all()
    env.invalidate_all()
    return made


class Clock:
    """Time and queries spent in one method of a model, while the rest goes on as usual."""

    def __init__(self, env, model, method):
        self.cls, self.method = type(env[model]), method
        self.seconds = self.queries = self.calls = 0

    def __enter__(self):
        clock, original = self, getattr(self.cls, self.method)

        def timed(records, *args, **kwargs):
            records.env.flush_all()
            queries, started = records.env.cr.sql_log_count, time.perf_counter()
            try:
                result = original(records, *args, **kwargs)
                records.env.flush_all()
                return result
            finally:
                clock.seconds += time.perf_counter() - started
                clock.queries += records.env.cr.sql_log_count - queries
                clock.calls += 1

        setattr(self.cls, self.method, timed)
        return self

    def __exit__(self, *exception):
        delattr(self.cls, self.method)


def confirm(env, order):
    order.action_confirm()
    env.flush_all()
    assert order.state == "sale", order.dms_reason
    env.invalidate_all()


class Turns:
    """Confirm orders of a customer outside the channel and of a distributor in turns, so that both meet the same
    weather; ``alone`` is what Odoo needed, ``ruled`` the same with the rules, ``judged`` the rules' own part of it, and
    ``added`` what the rules added to Odoo's time: the median of the pairs, which a busy moment does not move."""

    def __init__(self, env, plain, member):
        self.env, self.pairs = env, list(zip(plain, member, strict=True))
        with Clock(env, "sale.order", "_dms_decide") as self.judged:
            times = [(self._timed(alone), self._timed(ruled)) for alone, ruled in self.pairs]
        self.alone, self.ruled = map(sum, zip(*times, strict=True))
        self.added = statistics.median(ruled / alone for alone, ruled in times) - 1

    def _timed(self, order):
        started = time.perf_counter()
        confirm(self.env, order)
        return time.perf_counter() - started


def main(env):
    partner, products = world(env)
    customer = env["res.partner"].create({"name": "Bench outside the channel", "is_company": True})
    baseline, runs, found = [], [], []
    for lines, count in ORDERS.items():
        for number in RULES:
            rules(env, partner, number)
            for warm in (customer, partner):
                confirm(env, orders(env, warm, products, lines, 1))
            both = [orders(env, who, products, lines, count) for who in (customer, partner)]
            turns = []
            memory = measure("", count, lambda both=both, turns=turns: turns.append(Turns(env, *both))).memory
            [turn] = turns
            name = f"confirm, {lines} lines"
            baseline.append(Measured(f"Odoo alone: {name}", count, turn.alone, memory))
            runs.append(Measured(f"With {number} rules: {name}", count, turn.ruled, memory))
            found.append((lines, number, turn))
    for lines in ORDERS:
        print(f"\n  Orders of {lines} lines")
        mine = [[run for run in group if run.name.endswith(f" {lines} lines")] for group in (baseline, runs)]
        table("orders", *mine)
    print(
        f"\n  {'the rules alone':<24} {'orders judged/s':>16} {'queries/order':>14} {'of Odoo’s time':>16}"
        f" {'added in all':>14}"
    )
    for lines, number, turn in found:
        judged = turn.judged
        print(
            f"  {f'{lines} lines, {number} rules':<24} {judged.calls / judged.seconds:>16.1f}"
            f" {judged.queries / judged.calls:>14.1f} {judged.seconds / turn.alone:>16.1%}"
            f" {turn.added:>14.1%}"
        )
    env.cr.rollback()


main(env)  # noqa: F821  (Odoo's shell provides `env`)
