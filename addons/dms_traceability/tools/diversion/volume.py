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
    """Pairs of distributors whose unexplained volumes move against each other: correlation and q-value."""

    first: np.ndarray
    second: np.ndarray
    correlation: np.ndarray
    q: np.ndarray


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


def opposed(deviation, near, level=0.05):
    """Pairs that gain and lose against each other.

    :param deviation: of :func:`judge`
    :param near: bool (distributors, distributors): the pairs to look at
    :param float level: accepted share of false pairs
    :rtype: Pairs
    """
    first, second = np.nonzero(np.triu(near, 1))
    used = np.isfinite(deviation)
    both = used[first] & used[second]
    count = both.sum(1)
    enough = count >= LEAST_WINDOWS
    first, second, both, count = first[enough], second[enough], both[enough], count[enough]
    if not len(first):
        nothing = np.empty(0)
        return Pairs(first, second, nothing, nothing)
    one = np.where(both, np.nan_to_num(deviation)[first], 0.0)
    other = np.where(both, np.nan_to_num(deviation)[second], 0.0)
    one -= np.where(both, (one.sum(1) / count)[:, None], 0.0)
    other -= np.where(both, (other.sum(1) / count)[:, None], 0.0)
    scale = np.sqrt((one**2).sum(1) * (other**2).sum(1))
    correlation = np.clip((one * other).sum(1) / np.maximum(scale, 1e-12), -1 + 1e-9, 1 - 1e-9)
    q = benjamini_hochberg(stats.norm.cdf(np.arctanh(correlation) * np.sqrt(count - 3)))
    chosen = q <= level
    return Pairs(first[chosen], second[chosen], correlation[chosen], q[chosen])
