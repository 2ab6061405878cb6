"""Totals that agree: how far the series of a group are to be moved so that they add up to what is best believed of their sum.

Middle-out: sparse series say little of their sum, and the group's own forecast is the better one; it is dealt out to the series in the
proportions of their own forecasts (Athanasopoulos, Ahmed and Hyndman 2009, doi:10.1016/j.ijforecast.2008.07.004). Where series sell on
most days, the sum is a mean of both, weighted by what they missed in the backtests (weighted least squares with a diagonal covariance,
Wickramasuriya, Athanasopoulos and Hyndman 2019, doi:10.1080/01621459.2018.1448825).
"""

import numpy as np

from .panel import TINY

SPARSE = 0.2  # share of days with sales, below which a group's series say nothing of its sum that it does not know itself


def sums(values, groups, count):
    """Sums of the rows of `values` (n, ...) by group -> (count, ...)."""
    out = np.zeros((count, *np.shape(values)[1:]))
    np.add.at(out, groups, values)
    return out


def middle_out(below, groups, above, below_error, above_error, selling):
    """Ratio by which the series of each group are moved -> (g,), 1 where they say nothing.

    :param below: (n,) forecasts of the series' totals >= 0; groups: int (n,) from 0, the group of each
    :param above: (g,) the groups' own forecasts >= 0
    :param below_error: (n,) what the series missed in their backtests, above_error: (g,) what the groups missed in the same ones
    :param selling: (n,) share of its days on which a series sells
    """
    count = len(above)
    # errors of series are taken to be independent: where they are not, the group's own forecast deserves more than it gets
    missed = sums(np.asarray(below_error, float) ** 2, groups, count) + TINY
    own = missed / (missed + np.asarray(above_error, float) ** 2 + TINY)
    added = sums(below, groups, count)
    pace = sums(below * selling, groups, count) / np.maximum(added, TINY)
    own = np.where(pace < SPARSE, 1.0, own)
    return np.where(added > 0, own * above / np.maximum(added, TINY) + 1 - own, 1.0)
