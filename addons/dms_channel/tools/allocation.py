"""Sharing stock that does not cover the demand.

Quantities are whole numbers of the smallest unit that is counted; a pack is a whole number of them. Every answer gives
each demand whole packs, or all that it asks for, and never more than there is. It depends on what is asked, not on the
order in which the demands are listed.
"""

from fractions import Fraction
from typing import Any, NamedTuple


class Demand(NamedTuple):
    """What one order line asks for.

    :param key: identifies the line, and decides between lines that are equal in everything else
    :param rank: smaller comes first
    """

    key: int
    quantity: int
    pack: int
    rank: tuple[Any, ...]


def by_rank(demands, available):
    """First come, first served, in the order of ``rank``: each takes what is left, in whole packs.

    :param Iterable[Demand] demands:
    :param int available:
    :rtype: dict[int, int]
    """
    given = {}
    left = max(available, 0)
    for demand in sorted(demands, key=_order):
        if demand.quantity <= left:
            taken = demand.quantity
        else:
            taken = left // demand.pack * demand.pack
        given[demand.key] = taken
        left -= taken
    return given


def fair_share(demands, available):
    """Everybody the same part of what he asks for, by the method of the largest remainder.

    Whole packs of the exact share first; then pack by pack to whom the most is missing of his share, counted in packs.
    A last incomplete pack counts as one.

    :param Iterable[Demand] demands:
    :param int available:
    :rtype: dict[int, int]
    """
    demands = sorted(demands, key=_order)
    total = sum(demand.quantity for demand in demands)
    left = max(available, 0)
    if total <= left:
        return {demand.key: demand.quantity for demand in demands}
    shares = {demand.key: Fraction(left * demand.quantity, total) for demand in demands}
    given = {demand.key: shares[demand.key] // demand.pack * demand.pack for demand in demands}
    left -= sum(given.values())
    waiting = demands
    while waiting:
        # Nobody gets a second pack before everybody who is owed more had the chance of one.
        waiting = sorted(waiting, key=lambda d: (-(shares[d.key] - given[d.key]) / d.pack, _order(d)))
        served = []
        for demand in waiting:
            step = min(demand.pack, demand.quantity - given[demand.key])
            if 0 < step <= left:
                given[demand.key] += step
                left -= step
                served.append(demand)
        waiting = served
    return given


def _order(demand):
    return demand.rank, demand.key
