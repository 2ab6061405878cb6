"""New products and ending ones: a new product follows its nearest neighbours' roll-out until its own sales know better."""

import numpy as np

from .panel import TINY

OWN_ORDERS = 12.0  # orders of its own that outweigh the neighbours
NEIGHBOURS = 8
UNLIKE = 2.0  # distance of another category, in standard deviations of log price


def launch_profile(y, first, length, season=7):
    """Demand since the first sale, by cycle -> (n, W) mean demand per period of each cycle, nan where not lived yet.

    :param y: (n, T); first: int (n,) the period of the first sale; length: cycles wanted
    """
    n, width = y.shape
    out = np.full((n, length), np.nan)
    running = np.concatenate([np.zeros((n, 1)), np.cumsum(y, axis=1, dtype=np.float64)], axis=1)
    rows = np.arange(n)
    for cycle in range(length):
        begin = first + cycle * season
        lived = begin + season <= width
        low, high = np.minimum(begin, width), np.minimum(begin + season, width)
        out[lived, cycle] = ((running[rows, high] - running[rows, low]) / season)[lived]
    return out


def neighbours(category, price, outlets, categories, prices, outlet_counts, count=NEIGHBOURS):
    """The products most like each new one -> int (m, k), float (m, k) weights that add up to 1.

    Alike is who shares the category, costs about as much and is rolled out about as widely (logs, over their spread).

    :param category, price, outlets: (m,) of the new products; categories, prices, outlet_counts: (n,) of those that have been on sale
    """
    k = min(count, len(categories))
    known = np.stack([np.log(np.maximum(prices, TINY)), np.log1p(outlet_counts)], axis=1).astype(float)
    wanted = np.stack([np.log(np.maximum(price, TINY)), np.log1p(outlets)], axis=1).astype(float)
    spread = np.maximum(known.std(0), 0.25)  # a quarter more or less is no difference
    near = (((wanted[:, None] - known[None]) / spread) ** 2).sum(2)
    near += UNLIKE**2 * (np.asarray(category)[:, None] != np.asarray(categories)[None])
    closest = np.argsort(near, axis=1, kind="stable")[:, :k]
    weight = 1 / (0.1 + np.take_along_axis(near, closest, axis=1))
    return closest, weight / weight.sum(1, keepdims=True)


def newcomer_path(sold, dispersion, age, profiles, closest, weight, horizon, season=7):
    """Expected demand of new products -> (m, horizon), (m,) share that rests on own sales.

    The neighbours' demand by cycle since launch, scaled by how the product has sold beside them so far: a gamma-Poisson mean in which
    the neighbours are worth twelve orders, so that the first few sales neither make nor break a launch.

    :param sold: (m,) demand since launch; dispersion: (m,) variance over mean of a period's demand, 1 where unknown
    :param age: int (m,) periods since launch, 0 for what comes tomorrow
    :param profiles: (n, W) from :func:`launch_profile`; closest, weight: from :func:`neighbours`
    """
    lived = ~np.isnan(profiles[closest])
    share = weight[:, :, None] * lived
    curve = (share * np.nan_to_num(profiles[closest])).sum(1) / np.maximum(share.sum(1), TINY)
    # cycles that no neighbour has lived go on like the last that one has
    for cycle in range(1, curve.shape[1]):
        empty = share[:, :, cycle].sum(1) <= 0
        curve[empty, cycle] = curve[empty, cycle - 1]
    last = curve.shape[1] - 1
    cycle = np.minimum((np.asarray(age)[:, None] + np.arange(horizon)) // season, last)
    ahead = np.take_along_axis(curve, cycle, axis=1)
    longest = int(np.max(age, initial=0))
    past = np.minimum(np.arange(longest) // season, last)
    told = np.where(np.arange(longest) < np.asarray(age)[:, None], curve[:, past], 0.0).sum(1) / dispersion
    orders = sold / dispersion
    ratio = (orders + OWN_ORDERS) / (told + OWN_ORDERS)
    return ahead * ratio[:, None], told / (told + OWN_ORDERS)


def ended(y, seen, recent=60, past=180, probability=0.001):
    """Series that have most likely come to their end -> bool (n,).

    Selling periods are taken as independent: ended is who has been silent so long that chance at its own former pace would explain
    it with less than `probability`.

    :param y: (n, T); seen: bool (n, T), so that a missing report is not taken for silence
    """
    now, before = (
        slice(max(0, y.shape[1] - recent), None),
        slice(max(0, y.shape[1] - recent - past), max(0, y.shape[1] - recent)),
    )
    silent = ~((y[:, now] > 0) & seen[:, now]).any(1)
    watched = seen[:, now].sum(1)
    hits, days = ((y[:, before] > 0) & seen[:, before]).sum(1), seen[:, before].sum(1)
    rate = np.where(days > 0, hits / np.maximum(days, 1), 0.0)
    return silent & (hits > 0) & ((1 - rate) ** watched < probability)
