"""Totals that agree: forecasts of series, of groups of them and of everything are brought into line.

Middle-out: sparse series say little of their sum, and a group's own forecast is often the better one; so a group's total is a mean of both,
weighted by what they missed in the backtests (weighted least squares with a diagonal covariance, Hyndman, Lee and Wang 2016,
doi:10.1016/j.csda.2015.11.007), and is dealt out to its series in the proportions of their own forecasts (Athanasopoulos, Ahmed and
Hyndman 2009, doi:10.1016/j.ijforecast.2008.07.004).
"""

import numpy as np

from .panel import TINY


def sums(values, groups, count):
    """Sums of the rows of `values` (n, ...) by group -> (count, ...)."""
    out = np.zeros((count, *values.shape[1:]))
    np.add.at(out, groups, values)
    return out


def reconcile(below, groups, above, below_error, above_error):
    """Series and group forecasts that add up.

    :param below: (n, H) forecasts of series >= 0; groups: int (n,) from 0, the group of each
    :param above: (g, H) the groups' own forecasts >= 0
    :param below_error: (n,) root mean square errors of the series in their backtests; above_error: (g,) those of the
        groups, or None where the groups' forecasts stand as they are
    :return: (n, H), (g, H); the first adds up to the second to rounding. A group without series keeps its own forecast, a period for
        which all series of a group say nothing is dealt out as their other periods
    """
    count = len(above)
    if above_error is None:
        own = np.ones(count)
    else:
        # errors of series are taken to be independent: where they are not, the group's own forecast deserves more than it gets
        variance_below = sums(np.asarray(below_error, float) ** 2, groups, count) + TINY
        own = variance_below / (variance_below + np.asarray(above_error, float) ** 2 + TINY)
    added = sums(below, groups, count)
    members = np.bincount(groups, minlength=count)
    total = np.where(members[:, None] > 0, own[:, None] * above + (1 - own)[:, None] * added, above)
    whole = sums(below.sum(1), groups, count)[groups]
    usual = np.where(
        whole > 0, below.sum(1) / np.where(whole > 0, whole, 1), 1 / np.maximum(members, 1)[groups]
    )
    share = np.where(added > 0, 1 / np.where(added > 0, added, 1), 0)[groups] * below
    share = np.where(added[groups] > 0, share, usual[:, None])
    return share * total[groups], total


def reconcile_tree(bottom, levels, forecasts, errors):
    """Bring a whole tree into line, from the top down -> list of (n_level, H), `bottom` last.

    :param bottom: (n, H) forecasts of the series
    :param levels: [int (n,)] group of each series from the top level down, each nested in the one before (the top may be all zeros)
    :param forecasts: [(g, H)] own forecasts of the groups of each level; errors: [(g,), ..., (n,)] with that of the series last
    """
    everything = [*forecasts, bottom]
    names = [*levels, np.arange(len(bottom))]
    out = [np.asarray(forecasts[0], float)] if len(forecasts) else []
    for k in range(len(levels)):
        # the group, one level up, of each group of the level below
        parent = np.zeros(len(everything[k + 1]), np.int64)
        parent[names[k + 1]] = names[k]
        if k == 0:
            lower, out[0] = reconcile(everything[1], parent, everything[0], errors[1], errors[0])
        else:
            # what the level above has settled is not opened again
            lower, _same = reconcile(everything[k + 1], parent, out[k], errors[k + 1], None)
        out.append(lower)
    return out or [np.asarray(bottom, float)]
