"""Arithmetic of credit points: what caps and expiry make of the events that one rule has counted for one member.

Free of Odoo, so that it can be tested by itself. The score of a day is a function of the events alone, not of the
order in which they became known::

    score(day) = sum of counted(event) over the events that are not after the day, not reversed and not lapsed by then

Of the events in one period (month, quarter, year) those that come first count until the cap is full; gains and losses
fill a cap of their own. An event that is reversed leaves its room to the others from that day on. What has lapsed
keeps its room.
"""

from collections import defaultdict
from datetime import date
from itertools import pairwise
from typing import NamedTuple

from dateutil.relativedelta import relativedelta

MONTHS = {"month": 1, "quarter": 3, "year": 12}


class Terms(NamedTuple):
    """``cap``: most points per period, gained or lost, 0 for no cap; ``months``: points lapse after, 0 for never."""

    cap: int = 0
    period: str = "month"
    months: int = 0


class Event(NamedTuple):
    day: date
    key: str
    points: int
    reversed_on: date | None = None


def period_start(day, period):
    """First day of the calendar month, quarter or year of ``day``."""
    months = MONTHS[period]
    return day.replace(month=day.month - (day.month - 1) % months, day=1)


def period_end(day, period):
    """Last day of the calendar month, quarter or year of ``day``."""
    return period_start(day, period) + relativedelta(months=MONTHS[period], days=-1)


def counted(events, terms):
    """What counts of each event of one period, the earliest first.

    :param events: events of one period that are all alive
    :return: ``[(event, points)]``
    """
    used = {1: 0, -1: 0}
    result = []
    for event in sorted(events):
        sign = 1 if event.points > 0 else -1
        points = abs(event.points)
        if terms.cap:
            points = min(points, terms.cap - used[sign])
        used[sign] += points
        result.append((event, sign * points))
    return result


def _changes(events, terms):
    """What cap and expiry add to the score of one period's living events, as ``(day, kind, points)``."""
    for event, points in counted(events, terms):
        if points != event.points:
            yield event.day, "cap", points - event.points
        if terms.months and points:
            yield event.day + relativedelta(months=terms.months), "expiry", -points


def adjustments(events, terms):
    """The entries beside events and reversals which make the sum of all entries up to a day the score of that day.

    :param events: all events that one rule has counted for one member
    :return: ``{(day, kind): points}`` with the kinds ``cap`` and ``expiry``, without zeros
    :rtype: dict[tuple[date, str], int]
    """
    result = defaultdict(int)
    periods = defaultdict(list)
    for event in events:
        periods[period_start(event.day, terms.period)].append(event)
    for period in periods.values():
        running = {"cap": 0, "expiry": 0}
        borders = sorted({event.reversed_on for event in period if event.reversed_on})
        # Between two reversals the same events live; at a reversal, what they add up to is stated anew.
        for start, end in pairwise([date.min, *borders, date.max]):
            living = [event for event in period if not event.reversed_on or event.reversed_on > start]
            carried = {"cap": 0, "expiry": 0}
            within = []
            for day, kind, points in _changes(living, terms):
                if day <= start:
                    carried[kind] += points
                elif day < end:
                    within.append((day, kind, points))
            for kind, points in carried.items():
                result[start, kind] += points - running[kind]
            running = carried
            for day, kind, points in within:
                result[day, kind] += points
                running[kind] += points
    return {key: points for key, points in result.items() if points}
