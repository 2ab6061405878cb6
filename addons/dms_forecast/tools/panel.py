"""The series as the engine sees them: checked, masked and in an order of their own."""

from dataclasses import dataclass, field

import numpy as np

TINY = 1e-9
CHUNK = 1024  # series worked on at once: their days fit the processor's cache
WEEKLY = 10  # seasons up to this many periods are weeks of days, longer ones are years of weeks or months


@dataclass
class Panel:
    """n series over T periods.

    `dispersion` is variance over mean of a period's demand, at least 1: how many units come in one order. Demand over dispersion counts orders,
    the unit in which evidence of series of any size adds up. The season and the trend are in it too, which makes shrinkage more careful.
    `cap` is the demand of a period above which it is a spike (mean of the selling periods plus two standard deviations), `step` the mean
    absolute change from one period to the next.
    """

    y: np.ndarray  # (n, T) float32 demand, 0 where unseen
    seen: np.ndarray  # (n, T) bool
    groups: np.ndarray  # (n,) int from 0
    season: int
    dispersion: np.ndarray = field(init=False)  # (n,)
    cap: np.ndarray = field(init=False)  # (n,) float32
    step: np.ndarray = field(init=False)  # (n,)

    def __post_init__(self):
        square = np.einsum("ij,ij->i", self.y, self.y, dtype=np.float64)
        total = self.y.sum(1, dtype=np.float64)
        count = np.maximum(self.seen.sum(1), 1)
        mean = total / count
        self.dispersion = np.clip((square / count - mean**2) / np.maximum(mean, TINY), 1.0, 1e6)
        hits = np.maximum((self.y > 0).sum(1), 1)
        size = total / hits
        self.step = np.empty(self.n)
        for rows in self.chunks():
            both = self.seen[rows, 1:] & self.seen[rows, :-1]
            moved = (np.abs(np.diff(self.y[rows], axis=1)) * both).sum(1, dtype=np.float64)
            self.step[rows] = moved / np.maximum(count[rows] - 1, 1) + TINY
        self.cap = (size + 2.0 * np.sqrt(np.maximum(square / hits - size**2, 0))).astype(np.float32)

    @property
    def n(self):
        return self.y.shape[0]

    @property
    def width(self):
        return self.y.shape[1]

    @property
    def weekly(self):
        return self.season <= WEEKLY

    def chunks(self):
        """Slices of rows that together are all series."""
        return [slice(begin, begin + CHUNK) for begin in range(0, self.n, CHUNK)]

    def phase(self, stop, begin, end):
        """Phase of the periods `begin` to `end` (exclusive), phase 0 being that of the period `stop` -> int (end - begin,)."""
        return (np.arange(begin, end) - stop) % self.season


def checked(y, mask, groups, horizon, season, quantiles, dates):
    """-> y float32 (n, T) with 0 where unseen, mask bool (n, T), groups int (n,) from 0.

    :raise ValueError: says which argument does not fit, and how
    """
    y = np.asarray(y)
    if y.ndim != 2:
        raise ValueError("y must be a matrix of series x periods")
    n, width = y.shape
    if horizon < 1 or season < 1 or width < 1:
        raise ValueError("horizon, season and the history must be at least one period long")
    if dates is not None and len(dates) != width:
        raise ValueError(f"{len(dates)} dates for {width} periods")
    if not quantiles or any(not 0 < q < 1 for q in quantiles) or list(quantiles) != sorted(set(quantiles)):
        raise ValueError("quantiles must ascend between 0 and 1")
    y = np.nan_to_num(y.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    np.maximum(y, np.float32(0), out=y)
    mask = since_first_sale(y) if mask is None else np.asarray(mask, bool)
    if mask.shape != y.shape:
        raise ValueError(f"mask has the shape {mask.shape}, y {y.shape}")
    if groups is None:
        groups = np.zeros(n, np.int64)
    elif len(groups) != n:
        raise ValueError(f"{len(groups)} groups for {n} series")
    else:
        groups = np.unique(np.asarray(groups), return_inverse=True)[1].reshape(n)
    y *= mask
    return y, mask, groups


def since_first_sale(y):
    """The mask of a series of which nothing but its sales is known -> bool (n, T)."""
    sold = y > 0
    first = np.where(sold.any(1), sold.argmax(1), y.shape[1])
    return np.arange(y.shape[1])[None, :] >= first[:, None]


def canonical_order(y, mask, groups, drivers=None):
    """Sort rows by what they hold -> int (n,).

    Sums of floats depend on their order; in this one the same series give the same bytes however they are given. Rows that tie in
    two digests, the days seen and the group are taken to be equal.
    """
    width = y.shape[1]
    days = np.arange(width)
    ramp = np.cos(days * 0.7) + days / width
    digest = np.concatenate(
        [
            (y[at : at + CHUNK].astype(np.float64) * ramp).sum(1)
            + 1e-3 * (mask[at : at + CHUNK] * ramp).sum(1)
            for at in range(0, len(y), CHUNK)
        ]
    )
    keys = (mask.sum(1), y.sum(1, dtype=np.float64), digest, groups)
    if drivers is not None:
        width = drivers.shape[1] * drivers.shape[2]
        keys = (drivers.reshape(len(y), width) @ np.cos(np.arange(width) * 0.3), *keys)
    return np.lexsort(keys)


def size_classes(size, smallest=40, most=8):
    """Split series into classes of equally many by a positive figure -> int (n,) class, number of classes.

    Classes need `smallest` series each, so that what they pool is worth having.
    """
    count = int(np.clip(len(size) // smallest, 1, most))
    edges = np.quantile(size, np.arange(1, count) / count) if count > 1 else []
    return np.searchsorted(edges, size, side="right"), count
