"""Transfers between distributors: the plan, beside what the plant alone and a greedy planner gain from the same stocks and forecasts.

The greedy planner walks through all arcs by what a pack earns on them, the best first, and sends as much as giver and taker can. Half of the
products expire, lanes have a smallest lot, and each transfer costs its handling; the greedy planner keeps all of that too.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.environ["DMS_CHECKOUT"], "tests", "bench"))

import numpy as np
from measure import measure, table

from odoo.addons.dms_forecast.tools import transfer_plan

SIZES = ((50, 500), (200, 500))
PROBABILITIES = (0.05, 0.25, 0.5, 0.75, 0.95)


def world(places, products, seed=7):
    """Arguments of the plan: a sixth of the stocks are a surplus, half of them are short; the plant has little of a third."""
    dice = np.random.default_rng(seed)
    shape = places, products
    at = dice.uniform(0, 100, (places, 2))
    distance = np.hypot(*(at[:, None] - at[None]).transpose(2, 0, 1))
    daily = dice.lognormal(0, 1, shape)
    spread = np.linspace(0.5, 1.7, len(PROBABILITIES))[:, None, None]
    kind = dice.random(shape)
    cover = np.where(
        kind < 1 / 6, dice.uniform(90, 300, shape), np.where(kind < 2 / 3, dice.uniform(0, 25, shape), 50)
    )
    stock = np.floor(daily * cover)
    pack = dice.choice([6.0, 12.0, 24.0], products)
    price = dice.uniform(2, 50, products)
    holding = np.broadcast_to(price * 0.24 / 365, shape)
    size, gain = transfer_plan.need_tiers(
        stock, 30 * daily * spread, PROBABILITIES, np.broadcast_to(price * 0.2, shape), pack, holding, daily
    )
    keep = 60 * daily * 1.2
    dated = np.argwhere((stock > 0) & (np.arange(products) % 2 == 0)[None])
    batches = [
        np.repeat(dated[:, 0], 2),
        np.repeat(dated[:, 1], 2),
        dice.uniform(20, 400, 2 * len(dated)),
        np.repeat(stock[dated[:, 0], dated[:, 1]] / 2, 2),
    ]
    zone = dice.integers(0, 3, places)
    return {
        "surplus": transfer_plan.surplus_packs(stock, 0, keep, pack),
        "size": size,
        "gain": gain,
        "lane_cost": 0.02 + distance * 0.003,
        "weight": dice.uniform(0.2, 2, products) * pack,
        "allowed": np.broadcast_to(zone[:, None] == zone[None], (products, places, places)),
        "relief": pack * holding * (60 + cover) / 2,
        "least_weight": np.full((places, places), 20.0),
        "handling": 2.0,
        "plant_cost": np.broadcast_to(0.2 * pack, shape),
        "plant_stock": np.where(dice.random(products) < 1 / 3, 0, dice.integers(0, 200, products)),
        "shelf": transfer_plan.shelf_packs(stock, keep, np.full(shape, 60.0), pack, *batches),
        "lane_days": 1 + distance / 25,
        "sale_days": transfer_plan.sale_days(stock, size, pack, daily),
        "gap": 0.01,
    }


def greedy(case):
    """The gain of sending the best pack first -> money, number of transfers."""
    products = case["surplus"].shape[1]
    lasting = {}
    for place, good, days, packs in zip(
        *(getattr(case["shelf"], x).tolist() for x in ("place", "product", "days", "packs")), strict=True
    ):
        lasting.setdefault((place, good), []).append((days, packs))
    total, count = 0.0, 0
    for p in range(products):
        left = case["surplus"][:, p].copy()
        takers = np.flatnonzero((left < 1) & (case["size"][:, p].sum(1) > 0))
        ladder = {j: np.repeat(case["gain"][j, p], case["size"][j, p]) for j in takers.tolist()}
        got = dict.fromkeys(ladder, 0)
        cost = case["lane_cost"] * case["weight"][p] - case["relief"][:, p][:, None]
        arcs = [
            (ladder[j][0] - cost[i, j], i, j)
            for i in np.flatnonzero(left).tolist()
            for j in ladder
            if case["allowed"][p, i, j]
        ]
        lot = np.ceil(20.0 / case["weight"][p])
        sent = {}
        for best, i, j in sorted(arcs, reverse=True):
            if best <= 0:
                break
            need = case["lane_days"][i, j] + case["sale_days"][j, p]
            most = left[i]
            if (i, p) in lasting:
                # what went to others may have been of the same goods
                most = min(
                    most,
                    max((packs for days, packs in lasting[i, p] if days >= need), default=0) - sent.get(i, 0),
                )
            worth = ladder[j][got[j] : got[j] + max(int(most), 0)] - cost[i, j]
            packs = int((worth > 0).sum())
            if packs < lot or worth[:packs].sum() <= case["handling"]:
                continue
            left[i] -= packs
            sent[i] = sent.get(i, 0) + packs
            got[j] += packs
            total += worth[:packs].sum() - case["handling"]
            count += 1
        rest = [gain - case["plant_cost"][j, p] for j in ladder for gain in ladder[j][got[j] :]]
        total += np.maximum(np.sort(rest)[::-1][: int(case["plant_stock"][p])], 0).sum()
    return total, count


def main():
    baseline, runs, rows = [], [], []
    for places, products in SIZES:
        case = world(places, products)
        cells = places * products
        answers = {}

        def best_first(case=case, answers=answers):
            answers["greedy"] = greedy(case)

        def planned(case=case, answers=answers):
            answers["plan"] = transfer_plan.plan(**case)

        baseline.append(measure(f"greedy, {places} x {products}", cells, best_first))
        runs.append(measure(f"DMS plan, {places} x {products}", cells, planned))
        rows.append((places, products, answers["greedy"], answers["plan"]))
    table("stocks", baseline, runs)
    print(
        f"\n  {'':<14} {'transfers':>10} {'plant alone':>13} {'greedy':>13} {'DMS plan':>13} {'at most':>13} {'of greedy':>10}"
    )
    for places, products, (gain, _count), plan in rows:
        print(
            f"  {f'{places} x {products}':<14} {len(plan.packs):>10,} {plan.without:>13,.0f} {gain:>13,.0f} {plan.total:>13,.0f}"
            f" {plan.bound:>13,.0f} {plan.total / gain:>10.3f}"
        )


main()
