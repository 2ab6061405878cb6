"""Volumes that the territory does not explain, and neighbours of whom one gains what the other loses."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from .judge import benjamini_hochberg

# Scale of the median absolute deviation that makes it the standard deviation of a normal distribution.
MAD_SCALE = 1.4826
LEAST_SPREAD = 0.05
LEAST_WINDOWS = 8
# Volumes have heavier tails than a normal distribution.
FREEDOM = 5
# Pairs of distributors who are no neighbours that say what is usual, and the most of them that are looked at.
LEAST_FAR, MOST_FAR = 30, 20_000


@dataclass
class Volumes:
    """Arrays (distributors, windows): expected units, robust deviation in standard deviations, p-value and q-value of
    "too much"."""

    expected: np.ndarray
    deviation: np.ndarray
    p: np.ndarray
    q: np.ndarray


@dataclass
class Pairs:
    """Pairs of distributors: numbers of both, correlation of their unexplained volumes, and p-value of "one gains what the
    other loses"."""

    first: np.ndarray
    second: np.ndarray
    correlation: np.ndarray
    p: np.ndarray


def _spread(values, axis=None):
    middle = np.nanmedian(values, axis=axis, keepdims=True)
    return np.maximum(MAD_SCALE * np.nanmedian(np.abs(values - middle), axis=axis), LEAST_SPREAD)


def judge(shipped, demand):
    """Compare what was shipped with what the territory should need.

    The logarithm of units over demand is taken apart into the window's common level, the distributor's own level drawn
    halfway to the common one, and a rest whose robust spread all distributors share.

    :param shipped: units (distributors, windows), NaN or 0 where nothing was
    :param demand: expected demand of the territory in the same shape, or (distributors, 1); any unit, above 0
    :rtype: Volumes
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(np.where(shipped > 0, shipped, np.nan) / demand)
    if not np.isfinite(ratio).any():
        empty = np.full(np.shape(ratio), np.nan)
        return Volumes(empty, empty.copy(), np.ones(np.shape(ratio)), np.ones(np.shape(ratio)))
    used = np.isfinite(ratio)
    season = _median(ratio, 0)
    own = _median(ratio - season, 1)
    centre = season + 0.5 * own
    rest = np.where(used, ratio - centre, np.nan)
    deviation = rest / _spread(rest[used])
    p = np.where(used, stats.t.sf(np.nan_to_num(deviation), FREEDOM), 1.0)
    return Volumes(np.exp(centre) * demand, deviation, p, benjamini_hochberg(p))


def _median(values, axis):
    """Median along an axis that is kept; 0 where nothing is known."""
    known = np.isfinite(values).any(axis=axis, keepdims=True)
    return np.where(known, np.nanmedian(np.where(known, values, 0.0), axis=axis, keepdims=True), 0.0)


def opposed(deviation, near):
    """Compare how neighbours' volumes move against each other with how those of any two distributors do.

    Each distributor's own trend is taken out first, since of any two neighbours one may grow and the other shrink for
    reasons of their own; so a lasting shift from one to the other is not found here, goods that go to and fro are. Ranks
    stand for the volumes, so that one odd month proves nothing. Pairs that are no neighbours say which correlation is
    usual, and how much it varies: common seasons that were taken out, buying in bulk, and customs of regions make some
    volumes move against each other anyway.

    :param deviation: of :func:`judge`
    :param near: bool (distributors, distributors): the pairs to look at
    :rtype: Pairs
    """
    rest = _detrend(deviation)
    first, second = np.nonzero(np.triu(near, 1))
    first, second, correlation, z = _correlate(rest, first, second)
    centre, spread = _usual_correlation(rest, near)
    p = stats.norm.cdf((z - centre) / spread)
    return Pairs(first, second, correlation, p)


def _detrend(values):
    """Take a straight line out of each row, as far as its values are known."""
    used = np.isfinite(values)
    count = np.maximum(used.sum(1, keepdims=True), 1)
    known = np.where(used, values, 0.0)
    time = np.arange(values.shape[1], dtype=float)[None]
    time = np.where(used, time - np.where(used, time, 0.0).sum(1, keepdims=True) / count, 0.0)
    slope = (time * known).sum(1, keepdims=True) / np.maximum((time**2).sum(1, keepdims=True), 1e-12)
    return np.where(used, values - known.sum(1, keepdims=True) / count - slope * time, np.nan)


def _correlate(values, first, second):
    """Normal-score rank correlation of those pairs of rows that have enough windows in common, and its normal deviate."""
    used = np.isfinite(values)
    both = used[first] & used[second]
    enough = both.sum(1) >= LEAST_WINDOWS
    first, second, both = first[enough], second[enough], both[enough]
    count = both.sum(1)
    one, other = (_normal_scores(values[rows], both, count) for rows in (first, second))
    scale = np.sqrt((one**2).sum(1) * (other**2).sum(1))
    correlation = np.clip((one * other).sum(1) / np.maximum(scale, 1e-12), -1 + 1e-9, 1 - 1e-9)
    # As for a partial correlation given time: a line was taken out of both.
    freedom = count - 3
    student = correlation * np.sqrt(freedom / (1 - correlation**2))
    return first, second, correlation, np.sign(student) * stats.norm.isf(stats.t.sf(np.abs(student), freedom))


def _normal_scores(values, used, count):
    ranks = np.where(used, values, np.inf).argsort(1).argsort(1) + 1
    return np.where(used, stats.norm.ppf((ranks - 0.375) / (count[:, None] + 0.25)), 0.0)


def _usual_correlation(rest, near):
    """Middle and spread of the deviates among pairs that are no neighbours; where there are too few of them, what is expected
    of pairs that have nothing in common but the season taken out."""
    first, second = np.nonzero(np.triu(~near, 1))
    if len(first) > MOST_FAR:
        chosen = np.random.default_rng(0).choice(len(first), MOST_FAR, replace=False)
        first, second = first[chosen], second[chosen]
    z = _correlate(rest, first, second)[3]
    if len(z) >= LEAST_FAR:
        middle = np.median(z)
        return min(middle, 0.0), max(np.sqrt(np.mean((z - middle) ** 2)), 1.0)
    months = np.isfinite(rest).sum(1).max(initial=0)
    return -np.sqrt(max(months - 3, 0)) / max(len(rest) - 1, 2), 1.0
