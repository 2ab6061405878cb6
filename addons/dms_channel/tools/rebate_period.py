"""Periods of a rebate: where a day belongs, what an earlier period is compared with, what a period may still become."""

from calendar import monthrange
from datetime import date, timedelta
from decimal import Decimal

MONTHS = {"month": 1, "quarter": 3, "year": 12}


def add_months(day, months):
    """Return the same day of another month, or that month's last day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def period_of(day, kind, first, last=None, months=None):
    """Return ``(start, end)`` of the period that holds ``day``; ``end`` is None when open.

    :param str kind: ``month``, ``quarter`` or ``year`` of the calendar, ``custom`` (stretches of ``months`` from
        ``first`` on) or ``validity`` (from the first day to date)
    :param date first: first day of the programme, which no period starts before
    :param last: last day of the programme, which no period outlasts, or None
    """
    if kind in MONTHS:
        length = MONTHS[kind]
        start = date(day.year, (day.month - 1) // length * length + 1, 1)
        end = add_months(start, length) - timedelta(days=1)
    elif kind == "custom":
        index = 0
        while add_months(first, (index + 1) * months) <= day:
            index += 1
        start = add_months(first, index * months)
        end = add_months(first, (index + 1) * months) - timedelta(days=1)
    else:
        start, end = first, last
    if last is not None:
        end = min(end, last) if end is not None else last
    return max(start, first), end


def periods_between(kind, first, last, until, months=None):
    """Return the periods from ``first`` to the one that holds ``until``, as pairs ``(start, end)``."""
    until = min(until, last) if last else until
    periods, day = [], first
    while day <= until:
        start, end = period_of(day, kind, first, last, months)
        periods.append((start, end))
        if end is None:
            break
        day = end + timedelta(days=1)
    return periods


def compared_with(start, end, against):
    """Return the days that a period's growth is measured against.

    :param str against: ``last_year`` (the same days a year earlier) or ``previous`` (as many months or days just before)
    """
    if against == "last_year":
        return add_months(start, -12), add_months(end + timedelta(days=1), -12) - timedelta(days=1)
    following = end + timedelta(days=1)
    if start.day == 1 and following.day == 1:
        months = (following.year - start.year) * 12 + following.month - start.month
        return add_months(start, -months), start - timedelta(days=1)
    return start - (following - start), start - timedelta(days=1)


def counting_day(qualifying, event, period_end, grace_days=0):
    """Return the day on which a document counts.

    It counts on its qualifying day (of the order, say) if what makes it count (invoice, payment) happened within the
    grace days after the end of that day's period; otherwise on the day of that event.
    """
    if period_end is None or event <= period_end + timedelta(days=grace_days):
        return qualifying
    return event


def project(measure, start, end, today, weight=Decimal(1)):
    """Return what a measure becomes by the end of its period at its present run rate.

    ``measure + measure / days gone * days left * weight``: the weight (0 to 1) holds the estimate back.
    """
    if end is None or today >= end or measure <= 0:
        return measure
    gone = max((today - start).days + 1, 1)
    left = (end - start).days + 1 - gone
    return measure + measure * left / gone * weight if left > 0 else measure
