"""What the order-up-to levels of the forecast would have done on real histories, beside the textbook's.

Each of the last weeks is reviewed with what was known by then; goods come three days after the order; what is not there when it is asked
for is lost. Cycle service: share of order cycles in which nothing was missing. The textbook's level is the mean of 30 days for the days to
bridge, and z times their deviation; "equal fill" raises its z until as much of the demand is there as with ours.
"""

import os
import sys
from statistics import NormalDist

import numpy as np

sys.path.insert(0, os.path.join(os.environ["DMS_CHECKOUT"], "tests", "bench"))

import forecast_data as real
from measure import measure

from odoo.addons.dms_forecast.tools import forecast as engine
from odoo.addons.dms_forecast.tools import inventory
from odoo.addons.dms_forecast.tools.replay import replay

WEEKS, REVIEW, LEAD = 20, 7, 3
BRIDGED = REVIEW + LEAD
SERVICE = (0.9, 0.95, 0.98)


def levels_of_the_forecast(demand, first, cuts):
    """Order-up-to levels by service level -> {service: (n, reviews)}."""
    levels = {service: [] for service in SERVICE}
    for cut in cuts:
        mask = np.arange(cut)[None] >= first[:, None]
        result = engine.forecast(demand[:, :cut], mask, periods=(BRIDGED, 30))
        for service in SERVICE:
            levels[service].append(
                engine.cumulative_quantile(
                    result.cumulative, result.quantiles, result.periods, service, BRIDGED
                )
            )
    return {service: np.stack(columns, axis=1) for service, columns in levels.items()}


def parts_of_the_textbook(demand, cuts):
    """Mean of the days to bridge, and the safety stock for z = 1 -> (n, reviews) each."""
    last = [demand[:, cut - 30 : cut] for cut in cuts]
    mean = np.stack([days.mean(1) * BRIDGED for days in last], axis=1)
    safety = [inventory.textbook_safety_stock(days.std(1, ddof=1), BRIDGED, 1.0) for days in last]
    return mean, np.stack(safety, axis=1)


def run(demand, levels):
    # nobody orders half a unit
    return replay(demand, np.ceil(levels - 1e-9), REVIEW, LEAD)


def at_equal_fill(demand, mean, safety, fill):
    """The textbook's replay whose z gives the same mean fill rate, by bisection."""
    low, high = -3.0, 12.0
    for _ in range(40):
        z = (low + high) / 2
        result = run(demand, mean + z * safety)
        low, high = (z, high) if result.fill.mean() < fill else (low, z)
    return z, result


def main():
    for name, load in real.available().items():
        sales = load()
        begin = sales.demand.shape[1] - WEEKS * REVIEW
        cuts = [begin + week * REVIEW for week in range(WEEKS)]
        able, first = sales.partakes(begin)
        history, first = sales.demand[able], first[able]
        price = sales.revenue[able].sum(1) / history.sum(1)
        demand = history[:, begin:]
        levels = {}

        def forecast(history=history, first=first, cuts=cuts, levels=levels):
            levels.update(levels_of_the_forecast(history, first, cuts))

        timed = measure(name, len(history) * WEEKS, forecast)
        mean, safety = parts_of_the_textbook(history, cuts)
        print(
            f"  {name}: {len(history):,} series, {WEEKS} weekly reviews, {LEAD} days of delivery,"
            f" {timed.rate:,.0f} forecasts/s, {timed.memory:.0f} MB more"
        )
        print(f"  {'':<32} {'promised':>9} {'kept':>7} {'fill':>7} {'stock value':>13} {'of textbook':>12}")
        for service in SERVICE:
            ours = run(demand, levels[service])
            z, equal = at_equal_fill(demand, mean, safety, ours.fill.mean())
            textbook = run(demand, mean + NormalDist().inv_cdf(service) * safety)
            value = (equal.stock * price).sum()
            for label, promised, result in (
                ("textbook: mean + z sigma", service, textbook),
                (f"textbook at equal fill, z = {z:.2f}", NormalDist().cdf(z), equal),
                ("DMS: quantile of the forecast", service, ours),
            ):
                stock = (result.stock * price).sum()
                print(
                    f"  {label:<32} {promised:>9.1%} {result.cycle_service:>7.1%} {result.fill.mean():>7.1%}"
                    f" {stock:>13,.0f} {stock / value:>12.3f}",
                    flush=True,
                )


main()
