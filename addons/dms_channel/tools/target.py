"""Arithmetic of sales targets: a year cut into months, the part due by a day, and where a trend ends. No ``odoo``."""

from calendar import monthrange
from collections.abc import Iterator, Mapping
from datetime import date, timedelta

MONTHS = range(1, 13)


def spread(amount: float, weights: Mapping[int, float], digits: int = 2) -> dict[int, float]:
    """Cut a year's amount into twelve months in proportion to ``weights`` (all zero: evenly).

    Each month is rounded to ``digits`` decimals, and the twelve add up to ``amount`` rounded likewise: it is the running
    sum that is rounded, so that no remainder is left over for the last month.
    """
    shares = {month: max(weights.get(month, 0.0), 0.0) for month in MONTHS}
    if not sum(shares.values()):
        shares = dict.fromkeys(MONTHS, 1.0)
    total = sum(shares.values())
    result, run, before = {}, 0.0, 0.0
    for month in MONTHS:
        run += shares[month]
        upto = round(amount * (run / total), digits)
        result[month] = round(upto - before, digits)
        before = upto
    return result


def months_between(first: date, last: date) -> Iterator[tuple[int, float]]:
    """The months that the days from ``first`` to ``last`` (both included) touch, each with the share of its days."""
    day = first
    while day <= last:
        length = monthrange(day.year, day.month)[1]
        end = min(last, day.replace(day=length))
        yield day.month, ((end - day).days + 1) / length
        day = end + timedelta(days=1)


def due(months: Mapping[int, float], first: date, last: date) -> float:
    """The target of the days from ``first`` to ``last`` (both included); a month that is cut counts by its days.

    :param months: the target of each month of the year, 1 to 12
    """
    return sum(months.get(month, 0.0) * share for month, share in months_between(first, last))


def expected(attained: float, months: Mapping[int, float], first: date, today: date, last: date) -> float:
    """What will be attained from ``first`` to ``last`` if it goes on as until ``today`` (included).

    The target's own season is followed: attained ÷ target until today × target of the whole period. Where no target was
    due until today, days take its place.
    """
    if today >= last:
        return attained
    so_far, whole = due(months, first, today), due(months, first, last)
    if so_far <= 0:
        so_far, whole = (today - first).days + 1, (last - first).days + 1
    return attained / so_far * whole


def month_end(day: date) -> date:
    return day.replace(day=monthrange(day.year, day.month)[1])


def past_months(today: date) -> Iterator[tuple[int, date, date]]:
    """The twelve full months before ``today``: number, first and last day of each, the latest first."""
    last = today.replace(day=1) - timedelta(days=1)
    for _month in MONTHS:
        first = last.replace(day=1)
        yield last.month, first, last
        last = first - timedelta(days=1)
