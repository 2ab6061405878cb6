"""Weights of the candidates, from rolling backtests that mix a series' own evidence with its class's."""

import numpy as np
from scipy.optimize import nnls

from .panel import CHUNK, TINY, size_classes

OWN_EVIDENCE = 30.0  # how many backtests of its own outweigh the class in a series' weights
CLIP = 4.0  # root mean square errors beyond which an error counts no more
CLASS_EVIDENCE = 200.0  # how many errors of its series outweigh the market in a class's weights
MOMENTA = (-0.7, -0.25, -0.08, 0.08, 0.25, 0.7)  # log of level over long level
MOMENTUM_VOLUMES = 3  # volume classes that momentum is told apart in
NEWER = 0.95  # weight of a backtest beside that of the next newer one
TOTALS = 0.05  # share of the loss that errors of the market's total have, beside those of its series
NEWER_TOTAL = 0.8  # weight of a backtest's total beside that of the next newer one
TOTAL_LIMITS = (0.7, 1.4)  # of what the market's total is corrected by


class Backtests:
    """Errors of every candidate in every backtest, by buckets (weeks) of the horizon.

    errors: float32 (n, O x B, C) forecast minus actual of a bucket's demand, 0 where the series could not be tested
    valid: bool (n, O) whether a series was on sale before the origin
    """

    def __init__(self, panel, origins, horizon, names):
        self.panel, self.origins, self.horizon = panel, origins, horizon
        self.bucket = panel.season if panel.weekly else 2
        self.buckets = max(1, horizon // self.bucket)
        self.valid = np.zeros((panel.n, len(origins)), bool)
        self.errors = np.zeros((panel.n, len(origins) * self.buckets, len(names)), np.float32)

    def add(self, o, index, level):
        """Take in the candidates' levels (n, C) at the origin number `o`."""
        panel, stop = self.panel, self.origins[o]
        self.valid[:, o] = panel.y[:, :stop].any(1) & (
            panel.seen[:, :stop].sum(1) >= 2 * min(panel.season, 7)
        )
        tested = self.valid[:, o].astype(np.float32)
        for b in range(self.buckets):
            ahead = np.arange(b * self.bucket, (b + 1) * self.bucket)
            seen = panel.seen[:, stop + ahead]
            actual = panel.y[:, stop + ahead].sum(1) * tested
            share = (index[:, ahead % panel.season] * seen).sum(1).astype(np.float32) * tested
            self.errors[:, o * self.buckets + b] = level * share[:, None] - actual[:, None]


def origins(panel, horizon):
    """Where the backtests begin, newest first.

    Three seasons apart: closer ones say the same again, and it is the long look back that tells passing growth from lasting.
    """
    if panel.weekly:
        step, first, most = 3 * panel.season, 6 * panel.season, 10
    else:
        step, first, most = 4, panel.season + 4, 8
    return [stop for stop in range(panel.width - horizon, 0, -step) if stop >= first][:most]


def weights(tests, volume):
    """Weights on the simplex that would have done best in the backtests (after Bates and Granger 1969, doi:10.1057/jors.1969.103).

    The covariance of a series' own errors is mixed with that of its volume class, so that a short or quiet series weighs as its class does.

    :param Backtests tests: with at least one origin
    :param volume: (n,) orders per period, what series are classed by
    :return: float32 (n, C)
    """
    n, _m, c = tests.errors.shape
    seen = np.repeat(tests.valid, tests.buckets, axis=1)
    count = np.maximum(seen.sum(1), 1)
    scale = _error_scale(tests.errors, count)
    classes, size = size_classes(volume)
    pooled = _class_covariance(tests.errors, scale, seen, classes, size)
    start = np.stack([best_weights(gram) for gram in pooled])
    start = (0.9 * start + 0.1 / c).astype(np.float32)
    prior = OWN_EVIDENCE * tests.buckets
    out = np.empty((n, c), np.float32)
    for at in range(0, n, CHUNK):
        rows = slice(at, at + CHUNK)
        scaled = np.clip(tests.errors[rows] / scale[rows, None, None], -CLIP, CLIP)
        own = np.matmul(scaled.transpose(0, 2, 1), scaled)
        mixed = (own + prior * pooled[classes[rows]].astype(np.float32)) / (count[rows] + prior)[
            :, None, None
        ]
        out[rows] = simplex_weights(mixed.astype(np.float32), start[classes[rows]])
    return out


def _error_scale(errors, count):
    """Root mean square error of a series' median candidate -> float32 (n,)."""
    out = np.empty(len(errors), np.float32)
    for at in range(0, len(errors), CHUNK):
        rows = slice(at, at + CHUNK)
        square = np.einsum("nmc,nmc->nc", errors[rows], errors[rows])
        out[rows] = np.sqrt(np.median(square, axis=1) / count[rows])
    return out + np.float32(TINY)


def _class_covariance(errors, scale, seen, classes, size):
    """Mean products of the candidates' errors in each class, of its series and of its total -> (size, C, C)."""
    c = errors.shape[2]
    gram, tests = np.zeros((size, c, c)), np.zeros(size)
    total = np.zeros((size, errors.shape[1], c))
    for k in range(size):
        members = np.flatnonzero(classes == k)
        tests[k] = seen[members].sum()
        for at in range(0, len(members), CHUNK):
            rows = members[at : at + CHUNK]
            scaled = np.clip(errors[rows] / scale[rows, None, None], -CLIP, CLIP)
            flat = scaled.reshape(-1, c)
            gram[k] += flat.T @ flat
            total[k] += scaled.sum(0, dtype=np.float64)
    market = gram.sum(0) / max(tests.sum(), 1)
    pooled = (gram + CLASS_EVIDENCE * market) / (tests + CLASS_EVIDENCE)[:, None, None]
    whole = total.sum(0)
    whole = whole.T @ whole
    size_of = np.trace(market) / max(np.trace(whole), TINY)
    pooled += TOTALS / (1 - TOTALS) * whole * size_of
    pooled[:, np.arange(c), np.arange(c)] *= 1.02
    return pooled


def best_weights(gram):
    """Exact minimum of w'Gw on the simplex (non-negative least squares with a heavy row for the sum) -> (C,)."""
    c = len(gram)
    size = max(np.trace(gram) / c, TINY)
    root = np.linalg.cholesky(gram + np.eye(c) * size * 1e-5)
    heavy = 1e3 * np.sqrt(size)
    found, _norm = nnls(np.vstack([root.T, np.full(c, heavy)]), np.append(np.zeros(c), heavy))
    return found / max(found.sum(), TINY)


def simplex_weights(gram, start, steps=60):
    """Minimise w'Gw on the simplex by exponentiated gradient (Kivinen and Warmuth 1997, doi:10.1006/inco.1996.2612), many at once.

    A fixed number of steps, so that the same input gives the same bytes.

    :param gram: (n, C, C); start: (n, C), positive rows that add up to 1
    """
    low = gram.min(axis=(1, 2), keepdims=True)
    centred = gram - low  # w'(11')w is 1 on the simplex, so the common part of all errors may go
    size = np.maximum(centred.max(axis=(1, 2)), TINY)
    weights = start.copy()
    for _ in range(steps):
        slope = np.matmul(centred, weights[:, :, None])[:, :, 0] / size[:, None]
        slope -= slope.min(1, keepdims=True)
        weights *= np.exp(-3.0 * slope)
        weights /= weights.sum(1, keepdims=True)
    return weights


def momentum(levels, reference, volume):
    """Classes of series by volume and by how far their level stands from their long one -> {stop: int (n,)}, number of classes.

    :param levels: {stop: (n,)}; reference: {stop: (n,)} long levels
    """
    classes, count = size_classes(volume, most=MOMENTUM_VOLUMES)
    size = len(MOMENTA) + 1

    def moment(stop):
        return np.searchsorted(
            MOMENTA, np.log(np.maximum(levels[stop], 1e-6) / np.maximum(reference[stop], 1e-6))
        )

    return {stop: classes * size + moment(stop) for stop in levels}, count * size


def calibrate(tests, levels, indices, reference, volume):
    """Levels times what backtests say that they lacked, by volume class and by how far they stand from the long level.

    Weights that minimise the squared error of single series lean on capped and long levels, and so fall short in total when demand grows; and a
    level far above or below its long one goes back part of the way, or does not. Both are ratios of sums in orders, shrunk to the market's;
    newer backtests weigh more. What the market's total in units still lacks comes last.

    :param levels: {stop: (n,)} combined; indices: {stop: (n, S)}; reference: {stop: (n,)} long levels
    :return: {stop: (n,)}
    """
    classes, count = momentum(levels, reference, volume)
    actual, told = np.zeros((2, count))
    for o, (stop, demand, forecast) in enumerate(_tested(tests, levels, indices)):
        worth = NEWER**o / tests.panel.dispersion
        actual += np.bincount(classes[stop], demand * worth, count)
        told += np.bincount(classes[stop], forecast * worth, count)
    actual, told = (sums.reshape(-1, len(MOMENTA) + 1) for sums in (actual, told))
    market = (actual.sum() + 1) / (told.sum() + 1)
    by_volume, by_moment = (
        (actual.sum(axis) + CLASS_EVIDENCE * market) / (told.sum(axis) + CLASS_EVIDENCE) for axis in (1, 0)
    )
    prior = by_volume[:, None] * by_moment[None] / market
    ratio = np.clip((actual + CLASS_EVIDENCE * prior) / (told + CLASS_EVIDENCE), 0.3, 3.0).ravel()
    levels = {stop: level * ratio[classes[stop]] for stop, level in levels.items()}
    total = _total_ratio(tests, levels, indices)
    return {stop: level * total for stop, level in levels.items()}


def _tested(tests, levels, indices):
    """For each backtest, the newest first, what its horizon sold and what the levels said -> (stop, (n,), (n,)), 0 where untested."""
    panel, phase = tests.panel, np.arange(tests.horizon) % tests.panel.season
    for o, stop in enumerate(tests.origins):
        seen = panel.seen[:, stop : stop + tests.horizon] & tests.valid[:, [o]]
        demand = (panel.y[:, stop : stop + tests.horizon] * seen).sum(1, dtype=np.float64)
        yield stop, demand, levels[stop] * (indices[stop][:, phase] * seen).sum(1)


def _total_ratio(tests, levels, indices):
    """What the market's total in units should be of that of the levels -> float.

    The weighted mean m of the log ratios in the backtests, times m2 / (m2 + its squared standard error): the positive-part shrinkage of
    a mean with an unknown effect (after Efron and Morris 1975, doi:10.1080/01621459.1975.10479864). Backtests that disagree, or
    one alone, correct nothing.
    """
    logs = np.array(
        [
            np.log((demand.sum() + 1) / (forecast.sum() + 1))
            for _stop, demand, forecast in _tested(tests, levels, indices)
        ]
    )
    if len(logs) < 2:
        return 1.0
    weight = NEWER_TOTAL ** np.arange(len(logs))
    weight /= weight.sum()
    mean = weight @ logs
    count = 1 / (weight @ weight)  # as many equally weighted ones
    error = weight @ (logs - mean) ** 2 / (count - 1)
    return float(np.clip(np.exp(mean * mean**2 / (mean**2 + error + TINY)), *TOTAL_LIMITS))
