"""New products: a new product follows its nearest neighbours' roll-out until its own sales know better."""

import numpy as np

from .panel import TINY

OWN_ORDERS = 12.0  # orders of its own that outweigh the neighbours
NEIGHBOURS = 8
UNLIKE = 2.0  # distance of another category, in standard deviations of log price
YOUNG, GROWN = (
    28,
    84,
)  # periods since the first sale until which neighbours count half, and from which not at all
SEEN_BEFORE = (
    14  # periods of the panel before a first sale, for it to be a launch and not the begin of the records
)
CYCLES = 20  # of a launch that are learnt


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


def introduce(y, first, own, category, price, outlets):
    """Forecasts of series of which some are new -> (n, H), float (n,) the share that rests on own sales, 1 for those that are not new.

    For four weeks the neighbours' launch counts as much as what the engine makes of the product's own few sales (the mean of two forecasts that
    err in different ways is better than either), then less and less, until twelve weeks after the launch.

    :param y: (n, T); first: int (n,) the period of the first sale; own: (n, H) the engine's forecasts
    :param category, price, outlets: (n,) what tells how alike products are; outlets: how many sell it
    """
    age = y.shape[1] - first
    trust = np.clip((age - YOUNG) / (GROWN - YOUNG), 0.0, 1.0)
    new, known = trust < 1, (age >= GROWN) & (first >= SEEN_BEFORE)
    share = np.where(new, (1 + trust) / 2, 1.0)
    if not new.any() or not known.any():
        return own, np.ones(len(own))
    profiles = launch_profile(y[known], first[known], CYCLES)
    closest, weight = neighbours(
        category[new], price[new], outlets[new], category[known], price[known], outlets[known]
    )
    mean = np.maximum(y[new].mean(1), TINY)
    dispersion = np.maximum(y[new].var(1) / mean, 1.0)
    path, _told = newcomer_path(y[new].sum(1), dispersion, age[new], profiles, closest, weight, own.shape[1])
    out = own.copy()
    out[new] = share[new, None] * own[new] + (1 - share[new, None]) * path
    return out, share
