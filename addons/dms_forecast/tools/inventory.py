"""Inventory policy on arrays: health of stock, reorder points, order quantities. numpy only; quantities in the product's unit, time in days."""

from dataclasses import dataclass

import numpy as np

HEALTHY, OVERSTOCK, SLOW, STOCKOUT_RISK = "healthy", "overstock", "slow", "stockout_risk"
# More was sold than ever came in: the position is wrong, so nothing can be said of the stock.
UNKNOWN = "unknown"
MAX_DAYS = 999.0


@dataclass(frozen=True)
class HealthPolicy:
    """Thresholds in days, one for all or (n,) arrays: above `overstock` cover a stock is too high; no sale for `slow_idle` or cover above
    `slow_cover` makes it slow."""

    overstock: float | np.ndarray = 60.0
    slow_idle: float | np.ndarray = 60.0
    slow_cover: float | np.ndarray = 180.0


@dataclass
class Health:
    """What :func:`stock_health` answers for n distributors x products; the score is 100 less the three losses, 0 at least."""

    status: np.ndarray  # (n,) of str
    score: np.ndarray  # (n,) 0..100, NaN where unknown
    cover: np.ndarray  # (n,) days
    slow: np.ndarray  # (n,) bool
    cover_loss: np.ndarray  # (n,) points taken off for too much cover
    idle_loss: np.ndarray  # (n,) for days without a sale
    short_loss: np.ndarray  # (n,) for a likely stock-out


def days_of_cover(stock, daily_demand):
    """How long the stock lasts at the forecast's pace; 0 without stock, `MAX_DAYS` at most (also where nothing is demanded) -> (n,)."""
    stock, daily_demand = np.broadcast_arrays(np.asarray(stock, float), np.asarray(daily_demand, float))
    with np.errstate(
        divide="ignore", invalid="ignore", over="ignore"
    ):  # a breath of demand lasts longer than floats reach
        cover = np.where(stock > 0, np.where(daily_demand > 0, stock / daily_demand, MAX_DAYS), 0.0)
    return np.minimum(cover, MAX_DAYS)


def sell_through(sold, stock):
    """Sold share of what was there to sell: sold / (sold + what is left); 0 where there was nothing -> (n,) in 0..1."""
    sold, stock = np.maximum(np.asarray(sold, float), 0), np.maximum(np.asarray(stock, float), 0)
    there = sold + stock
    return np.where(there > 0, sold / np.where(there > 0, there, 1.0), 0.0)


def stock_health(stock, in_transit, daily_demand, lead_demand, idle_days, policy=None):
    """Status and score of each distributor x product.

    The score is 100 less up to 50 points for cover (0 at `overstock` days, all 50 at `slow_cover`), up to 20 for idle days (0 at half of
    `slow_idle`, all at twice) and up to 50 for the part of the lead-time demand's quantile that stock and goods in transit do not reach.

    :param lead_demand: (n,) high quantile of the demand until new goods can arrive
    :param idle_days: (n,) days since the last sale, or since the goods came in where nothing was ever sold; NaN where unknown
    :return: Health
    """
    policy = policy or HealthPolicy()
    unknown = np.asarray(stock, float) < 0
    stock = np.maximum(np.asarray(stock, float), 0)
    available = stock + np.maximum(np.asarray(in_transit, float), 0)
    lead_demand = np.maximum(np.asarray(lead_demand, float), 0)
    idle = np.nan_to_num(np.asarray(idle_days, float), nan=0.0)
    cover = days_of_cover(stock, daily_demand)
    slow = (stock > 0) & ((idle >= policy.slow_idle) | (cover > policy.slow_cover))
    over = (stock > 0) & (cover > policy.overstock)
    short = np.where(
        lead_demand > available,
        (lead_demand - available) / np.where(lead_demand > available, lead_demand, 1),
        0.0,
    )
    risk = (short > 0) & ~slow
    status = np.select([unknown, slow, risk, over], [UNKNOWN, SLOW, STOCKOUT_RISK, OVERSTOCK], HEALTHY)
    width = np.maximum(np.subtract(policy.slow_cover, policy.overstock), 1.0)
    too_much = np.where(stock > 0, np.clip((cover - policy.overstock) / width, 0, 1), 0.0)
    half = np.divide(policy.slow_idle, 2)
    lazy = np.where(stock > 0, np.clip((idle - half) / (3 * np.maximum(half, 0.5)), 0, 1), 0.0)
    losses = [np.where(unknown, 0.0, loss) for loss in (50 * too_much, 20 * lazy, 50 * short)]
    score = np.where(unknown, np.nan, np.clip(100 - sum(losses), 0, 100))
    return Health(status, score, cover, slow, *losses)


def abc_classes(value):
    """Class of each item by its share of the value of all, the largest first: A up to 80 %, B up to 95 %, C the rest.

    An item belongs to the class in which its share begins, so the largest is always an A; items without value are C (Dickie 1951, as in
    Silver, Pyke and Thomas 2017, ch. 2). Equal values get the same class.

    :param value: (n,) money
    :return: (n,) of "A", "B", "C"
    """
    value = np.maximum(np.asarray(value, float), 0)
    total = value.sum()
    if not total > 0:
        return np.full(value.shape, "C")
    _distinct, place = np.unique(-value, return_inverse=True)
    sums = np.bincount(place, weights=value)
    before = (np.cumsum(sums) - sums)[place] / total
    return np.where(
        value <= 0, "C", np.where(before < 0.8 - 1e-9, "A", np.where(before < 0.95 - 1e-9, "B", "C"))
    )


def xyz_classes(mean, deviation):
    """Class of each item by the variation of its weekly demand (deviation / mean): X up to a half, Y up to one, Z above or without demand.

    :param mean: (n,) units a week; deviation: (n,) of the weeks around it
    :return: (n,) of "X", "Y", "Z"
    """
    mean, deviation = np.asarray(mean, float), np.asarray(deviation, float)
    sold = mean > 0
    variation = np.where(sold, deviation / np.where(sold, mean, 1), np.inf)
    return np.where(variation <= 0.5, "X", np.where(variation <= 1.0, "Y", "Z"))


def order_quantity(available, reorder_point, order_up_to, cap, pack, minimum=0.0):
    """What to order at a periodic review: nothing above the reorder point, else up to the target in whole packs.

    Rounded up to a pack, unless that would lift the available stock above `cap` (the guard against pushing stock into the channel: a high
    quantile of a long demand); then rounded down.

    :param available: (n,) stock + in transit + on order; pack: (n,) units of a case, 0 or 1 for loose units
    :return: (n,) quantity, a multiple of the pack, never negative
    """
    available, reorder_point, order_up_to, cap, pack, minimum = (
        np.asarray(x, float)
        for x in np.broadcast_arrays(available, reorder_point, order_up_to, cap, pack, minimum)
    )
    pack = np.where(pack > 0, pack, 1.0)
    wanted = np.where(available < reorder_point, np.maximum(order_up_to - available, 0), 0.0)
    wanted = np.where(wanted > 0, np.maximum(wanted, minimum), 0.0)
    room = np.maximum(cap - available, 0)
    # the tolerance keeps 24.000000001 units from becoming three cases of 12
    up = np.ceil(wanted / pack - 1e-9) * pack
    down = np.floor(room / pack + 1e-9) * pack
    return np.maximum(np.minimum(up, down), 0.0)


def changed_enough(old_min, old_max, new_min, new_max, pack):
    """Whether new limits are worth writing: either moves by more than a pack (where there is one) or a tenth of the old one -> bool (n,)."""
    pack = np.maximum(np.asarray(pack, float), 0)
    result = np.zeros(np.broadcast(old_min, new_min).shape, bool)
    for old, new in ((old_min, new_min), (old_max, new_max)):
        old, new = np.asarray(old, float), np.asarray(new, float)
        move = np.abs(new - old)
        result |= (move > 1e-9) & (((pack > 0) & (move > pack)) | (move > 0.1 * np.abs(old)))
    return result


def textbook_safety_stock(deviation, lead_days, normal_quantile):
    """z * sigma * sqrt(L), for comparison only: it holds where demand is normal and independent, which sell-through is not."""
    return normal_quantile * np.asarray(deviation, float) * np.sqrt(np.asarray(lead_days, float))
