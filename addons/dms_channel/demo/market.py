"""How the invented market behaves: seasons, daily sell-through, and what distributors order for it. No ``odoo`` import."""

import math
from datetime import date, timedelta
from functools import cache

# Spring Festival, from the Chinese calendar.
SPRING_FESTIVALS = tuple(
    date.fromisoformat(day)
    for day in (
        "2023-01-22", "2024-02-10", "2025-01-29", "2026-02-17", "2027-02-06", "2028-01-26", "2029-02-13", "2030-02-03",
        "2031-01-23", "2032-02-11", "2033-01-31", "2034-02-19", "2035-02-08",
    )
)  # fmt: skip
WEEKDAYS = (0.9, 0.85, 0.9, 1.0, 1.25, 1.3, 0.8)
HISTORY_DAYS = 372
# Distributors review their stock every four weeks; goods arrive after some days. Days of cover below which they order,
# and up to which.
CYCLE_DAYS = 28
DELIVERY_DAYS = 4
REORDER_BELOW = 30
ORDER_UP_TO = 63


def festival_factor(day, strength):
    """Sales of a day, as a multiple: they climb in the four weeks before Spring Festival and rest in its week."""
    days = min(((festival - day).days for festival in SPRING_FESTIVALS), key=abs)
    if 0 < days <= 28:
        return 1 + strength * math.sin(math.pi / 2 * min(1, (29 - days) / 20))
    return 0.45 if -6 <= days <= 0 else 1.0


@cache
def expected(product, day, today):
    """Bottles that a distributor of weight 1 is expected to sell of ``product`` on ``day``."""
    years = (day - today).days / 365
    # ``daily`` is the pace of a year ago.
    trend = max(0.03, 1 + product.trend * (1 + years))
    summer = 1 + product.summer * math.cos(2 * math.pi * (day.timetuple().tm_yday - 205) / 365)
    season = summer * WEEKDAYS[day.weekday()] * festival_factor(day, product.festive)
    return product.daily * trend * season


def simulate(products, terms, today, rng):
    """One distributor's year: what it sells each day and what it orders for that.

    :param terms: :class:`.catalogue.Terms`
    :return: ``sales`` {(day, product code): bottles} and ``orders`` [(day, {product code: cases})]
    """
    carried = [product for product in products if product.code not in terms.without]
    start = today - timedelta(days=HISTORY_DAYS)
    stock = dict.fromkeys((product.code for product in carried), 0)
    sales, orders = {}, []
    for offset in range(HISTORY_DAYS):
        day = start + timedelta(days=offset)
        if offset == 0:
            # The first order fills up for different times, so that later ones are not all alike.
            orders.append((day, first_order(carried, terms, day, today, rng)))
        elif offset >= CYCLE_DAYS and offset % CYCLE_DAYS == terms.phase:
            cases = {
                product.code: review(product, terms.weight, stock[product.code], day, today)
                for product in carried
            }
            cases = {code: amount for code, amount in cases.items() if amount}
            if offset + CYCLE_DAYS >= HISTORY_DAYS:
                cover = {
                    product.code: stock[product.code] / expected(product, day, today) for product in carried
                }
                for code in sorted(cases, key=cover.get)[: terms.missed]:
                    del cases[code]
            orders.append((day, cases))
        if (day - orders[-1][0]).days == DELIVERY_DAYS:
            for product in carried:
                stock[product.code] += orders[-1][1].get(product.code, 0) * product.size
        for product in carried:
            mean = terms.weight * expected(product, day, today)
            sold = min(max(0, round(rng.gauss(mean, 0.25 * mean + 1))), stock[product.code])
            if sold:
                sales[day, product.code] = sold
                stock[product.code] -= sold
    return sales, orders


def first_order(products, terms, day, today, rng):
    soonest = CYCLE_DAYS + terms.phase + 2 * DELIVERY_DAYS
    return {
        product.code: review(product, terms.weight, 0, day, today, rng.randint(soonest, soonest + CYCLE_DAYS))
        for product in products
    }


def review(product, weight, stock, day, today, up_to=ORDER_UP_TO):
    """Cases to order: none where the stock lasts until after the next review, else what ``up_to`` days need.

    The buyer knows the seasons, but believes that a fading product still sells as it did four months ago.
    """
    belief = day - timedelta(days=120) if product.trend < -0.5 else day
    ahead = [weight * expected(product, belief + timedelta(days=days), today) for days in range(up_to)]
    if stock >= sum(ahead[:REORDER_BELOW]):
        return 0
    return max(0, math.ceil((sum(ahead) - stock) / product.size))
