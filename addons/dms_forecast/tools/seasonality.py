"""The weekday (or other season) index, and days on which the whole market was beside itself."""

import numpy as np

from .panel import TINY

WEEKS = 40  # that a weekday's index looks back
STRENGTH = 20.0  # orders that a group's index is worth


def season_index(sums, counts, dispersion, groups, strength=STRENGTH, group_strength=60.0):
    """Index per phase of the season, mean 1, shrunk series -> group -> market.

    The posterior mean of a gamma-Poisson model (Gelman et al., Bayesian Data Analysis, 2013, section 2.6): `sums / dispersion` are
    effective events, `strength` is how many of them the group's index is worth.

    :param sums: (n, S) demand per phase; counts: (n, S) observed periods per phase; dispersion: (n,) variance / mean; groups: (n,) from 0
    :return: (n, S)
    """
    mean = sums.sum(1) / np.maximum(counts.sum(1), 1)
    events = sums / dispersion[:, None]
    expected = counts * (mean / dispersion)[:, None]
    market = (events.sum(0) + 1.0) / (expected.sum(0) + 1.0)
    size = int(groups.max()) + 1 if len(groups) else 1
    group_events, group_expected = (np.zeros((size, sums.shape[1])) for _ in range(2))
    np.add.at(group_events, groups, events)
    np.add.at(group_expected, groups, expected)
    group = (group_events + group_strength * market) / (group_expected + group_strength)
    index = (events + strength * group[groups]) / (expected + strength)
    return index / np.maximum(index.mean(1, keepdims=True), TINY)


def index_at(panel, stop):
    """Season index as it was known at `stop`, phase 0 being that period's own -> (n, S).

    Weeks look back most of a year: far enough for a stable weekday, near enough to follow a change of opening days. Years look back three.
    """
    season = panel.season
    cycles = min(stop // season, WEEKS if panel.weekly else 3)
    sums, counts = np.zeros((2, panel.n, season))
    if cycles:
        for rows in panel.chunks():
            cut = panel.y[rows, stop - cycles * season : stop]
            shape = (len(cut), cycles, season)
            sums[rows] = cut.reshape(shape).sum(1, dtype=np.float64)
            counts[rows] = panel.seen[rows, stop - cycles * season : stop].reshape(shape).sum(1)
    strength = STRENGTH if panel.weekly else 30.0
    return season_index(sums, counts, panel.dispersion, panel.groups, strength)


def market_anomalies(y, mask, season):
    """Periods on which nearly all series together sold far less or more than on the same phase around them -> bool (T,).

    Needs a market: with few series or few sales a spike may be a customer, and stays.
    """
    n, width = y.shape
    anomalous = np.zeros(width, bool)
    if n < 20 or width < 4 * season or season > 31 or (y > 0).sum(0).mean() < 30:
        return anomalous
    total = _market_pace(y, mask)
    neighbours = np.full((8, width), np.nan)
    for row, shift in enumerate([s * season for s in (-4, -3, -2, -1, 1, 2, 3, 4)]):
        if abs(shift) < width:
            target = slice(max(0, -shift), width - max(0, shift))
            source = slice(max(0, shift), width - max(0, -shift))
            neighbours[row, target] = total[source]
    around = np.nanmedian(neighbours, axis=0)
    usual = np.median(around[around > 0]) if (around > 0).any() else 1.0
    opened = around > 0.02 * usual
    log = np.log(np.maximum(total, 1e-3 * usual) / np.maximum(around, 1e-3 * usual))
    spread = 1.4826 * np.median(np.abs(log[opened] - np.median(log[opened]))) if opened.any() else 1.0
    anomalous[opened] = np.abs(log[opened]) > max(5 * spread, 0.35)
    return anomalous


def _market_pace(y, mask):
    """Demand per period over what its series usually sell; a large series counts by the root of its size -> (T,)."""
    scale = np.sqrt(np.maximum(y.sum(1, dtype=np.float64) / np.maximum(mask.sum(1), 1), TINY)).astype(
        np.float32
    )
    total, active = np.zeros((2, y.shape[1]))
    for at in range(0, len(y), 1024):
        rows = slice(at, at + 1024)
        capped = np.minimum(y[rows] / scale[rows, None], np.float32(50.0))
        total += capped.sum(0, dtype=np.float64)
        active += (scale[rows, None] * mask[rows]).sum(0, dtype=np.float64)
    return total / np.maximum(active, TINY)
