"""What people know and the history does not, laid over a forecast. numpy only."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Change:
    """One correction: of which series, on which days ahead, and by how much.

    ``share`` multiplies what is expected (0.2: a fifth more); where it is None, the days together are set to ``total``.
    """

    rows: np.ndarray  # (n,) bool
    first: int  # day ahead, from 0
    last: int  # its last day ahead
    share: float | None = None
    total: float = 0.0


def adjust(point, bands, expected, cumulative, periods, changes):
    """Lay changes over a forecast, in place, one after the other.

    A band keeps its width relative to what is expected; where nothing was expected, it closes on what was said. The
    quantiles of a period move with its expected demand in the same way, and never fall as the period grows.

    :param point: (n, H) expected a day; bands: (Q, n, H)
    :param expected: (n, P) expected in the first `periods` days; cumulative: (Q, n, P) quantiles of that
    :param changes: list of Change, at most as long as the horizon
    :return: for each change (before, after): (n,) units of its days, zero in other series
    """
    original = point.copy()
    effects = []
    for change in changes:
        days = slice(change.first, change.last + 1)
        old = point[change.rows, days]
        length = old.shape[1]
        if change.share is not None:
            new = old * (1 + change.share)
        else:
            sums = old.sum(1, keepdims=True)
            new = np.where(
                sums > 0, old * change.total / np.where(sums > 0, sums, 1), change.total / max(length, 1)
            )
        point[change.rows, days] = new
        before, after = np.zeros(len(point)), np.zeros(len(point))
        before[change.rows], after[change.rows] = old.sum(1), new.sum(1)
        effects.append((before, after))
    if not changes:
        return effects
    moved = point != original
    ratio = np.where(original > 0, point / np.where(original > 0, original, 1), 0)
    bands[:] = np.where(moved, np.where(original > 0, bands * ratio, point), bands)
    gained = np.cumsum(point - original, axis=1)
    for at, period in enumerate(periods):
        gain = gained[:, min(period, point.shape[1]) - 1]
        was = expected[:, at]
        factor = np.where(was > 0, (was + gain) / np.where(was > 0, was, 1), 1)
        touched = gain != 0
        shifted = np.where(was > 0, cumulative[:, :, at] * factor, cumulative[:, :, at] + gain)
        cumulative[:, :, at] = np.where(touched, np.maximum(shifted, 0), cumulative[:, :, at])
        expected[:, at] = np.maximum(was + gain, 0)
    rows = (gained != 0).any(1)
    cumulative[:, rows] = np.maximum.accumulate(cumulative[:, rows], axis=2)
    return effects
