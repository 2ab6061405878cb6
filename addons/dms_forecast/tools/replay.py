"""What a replenishment policy would have done: periodic review, a lead time, lost sales, day by day on arrays. numpy only.

At the end of a review day an order raises stock and open orders to a level (the R, S policy of Silver, Pyke and Thomas 2017, Inventory and
Production Management, ch. 6); it arrives before the shop opens `lead` + 1 days later. What is not there when it is asked for is lost.
"""

from dataclasses import dataclass

import numpy as np


@dataclass
class Replayed:
    """n series; what happened after the warm-up."""

    cycles: np.ndarray  # (n,) order cycles, from one arrival to the next
    short_cycles: np.ndarray  # (n,) cycles in which something was asked for and not there
    demand: np.ndarray  # (n,) units asked for
    lost: np.ndarray  # (n,) units not there
    stock: np.ndarray  # (n,) units on hand at the end of a day, on average
    ordered: np.ndarray  # (n,) units ordered
    orders: np.ndarray  # (n,) orders with a quantity

    @property
    def cycle_service(self):
        """Share of all cycles without a lost unit."""
        return 1 - self.short_cycles.sum() / max(self.cycles.sum(), 1)

    @property
    def fill(self):
        """Share of what was asked for that was there, of each series with demand -> (m,)."""
        asked = self.demand > 0
        return 1 - self.lost[asked] / self.demand[asked]


def replay(demand, targets, every, lead, pack=1.0, opening=None, warm_up=2):
    """Replay days 0 .. T - 1; reviews are at the end of the day before day 0, and `every` days on.

    :param demand: (n, T) units asked for each day
    :param targets: (n, R) stock and open orders that review r orders up to
    :param every: days between reviews; R * every must reach T
    :param lead: days between a review and the day before its order arrives
    :param pack: (n,) or scalar, units of a pack: orders are rounded up to whole ones
    :param opening: (n,) stock before the first review (default: the first target)
    :param warm_up: cycles at the beginning that are not counted
    :raise ValueError: where there are too few reviews for the days
    :return: Replayed
    """
    demand, targets = np.maximum(np.asarray(demand, float), 0), np.maximum(np.asarray(targets, float), 0)
    n, days = demand.shape
    if targets.shape[1] * every < days:
        raise ValueError(f"{targets.shape[1]} reviews, one in {every} days, do not reach over {days} days")
    pack = np.broadcast_to(np.asarray(pack, float), (n,))
    stock = (targets[:, 0] if opening is None else np.asarray(opening, float)).copy()
    arriving = np.zeros((n, days + lead + 1))
    result = {
        name: np.zeros(n) for name in ("cycles", "short", "demand", "lost", "stock", "ordered", "orders")
    }
    first = warm_up * every + lead
    short = np.zeros(n, bool)
    for day in range(days):
        if day % every == 0:
            position = stock + arriving[:, day:].sum(1)
            quantity = np.ceil(np.maximum(targets[:, day // every] - position, 0) / pack - 1e-9) * pack
            arriving[:, day + lead] += quantity
            if day >= first:
                result["ordered"] += quantity
                result["orders"] += quantity > 0
        stock += arriving[:, day]
        missing = np.maximum(demand[:, day] - stock, 0)
        stock = np.maximum(stock - demand[:, day], 0)
        if day < first:
            continue
        short |= missing > 1e-9
        result["demand"] += demand[:, day]
        result["lost"] += missing
        result["stock"] += stock
        if (day - lead) % every == every - 1:
            result["cycles"] += 1
            result["short"] += short
            short = np.zeros(n, bool)
    result["stock"] /= max(days - first, 1)
    return Replayed(
        cycles=result["cycles"],
        short_cycles=result["short"],
        demand=result["demand"],
        lost=result["lost"],
        stock=result["stock"],
        ordered=result["ordered"],
        orders=result["orders"],
    )
