"""Sell-through forecasts for many series at once: pure functions on arrays, numpy and scipy only.

A series is a row of a matrix (n series x T periods, mostly days) with a mask that is False where demand was not observed (before the first
sale, closed days, a missing report). The engine, in the order of its functions:

1. canonical order of the series, so that the same input gives the same bytes however the rows are sorted;
2. days on which the whole market was closed or beside itself are masked (`market_anomalies`);
3. a season index (weekday) per series, a gamma-Poisson shrinkage towards its group and the market (`season_index`);
4. some two dozen candidate levels, each a ratio of weighted sums of demand and of index over the past, so that one matrix product serves
   every candidate of every series (`_levels`); damped own and pooled growth, frequency times size (after Teunter, Syntetos and Babai 2011,
   https://doi.org/10.1016/j.ejor.2011.05.018), demand with its spikes capped, the same period last year;
5. weights on the simplex that minimise the squared error in rolling backtests, where a series' own error covariance is mixed with that of
   its volume class (after Bates and Granger 1969, https://doi.org/10.1057/jors.1969.103);
6. empirical quantiles: a day's from the series' own recent distribution mixed with its class's backtest ratios, a whole period's from
   cumulative backtest errors. Daily quantiles are never added up.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import nnls

ENGINE_VERSION = "1.1"
QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98)
CHUNK = 1024
TINY = 1e-9
OWN_EVIDENCE = 40.0  # how many backtests of its own outweigh the class in a series' weights
BIAS_TAKEN_BACK = 0.5  # exponent on the classes' backtest ratio
MIX = (0.0, 0.25, 0.5, 0.75, 1.0)  # tried shares of a series' own daily quantiles


@dataclass
class Forecast:
    """What `forecast` gives back; n series, H periods ahead, Q probabilities, P protection periods, C candidates.

    All demand is in units of the input. `error / tested` is the backtests' WAPE of horizon totals, `signed / tested` their bias (positive:
    forecast too high). `level`, `level_long` and `growth` are the
    demand per period over the last 4 and 13 seasons and their ratio; `own_weight` the part of the weight that rests on the last 4 seasons or less.
    """

    point: np.ndarray  # (n, H) expected demand
    bands: np.ndarray  # (Q, n, H)
    quantiles: tuple
    cumulative: np.ndarray  # (Q, n, P) quantiles of the demand of the first `periods[p]` periods together
    expected: np.ndarray  # (n, P) expected demand of them
    periods: tuple
    weights: np.ndarray  # (n, C)
    candidates: tuple
    tested: np.ndarray  # (n,) demand in the backtests' horizons
    error: np.ndarray  # (n,) sum of |forecast - actual| of their totals
    signed: np.ndarray  # (n,) sum of forecast - actual
    level: np.ndarray
    level_long: np.ndarray
    growth: np.ndarray
    own_weight: np.ndarray
    season: np.ndarray  # (n, season) index, mean 1
    backtests: int = 0
    masked: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))


def forecast(
    y, mask=None, dates=None, horizon=30, season=7, quantiles=QUANTILES, groups=None, periods=(7, 14, 30, 60)
):
    """Forecast every row of `y`.

    :param y: float (n, T), demand per period; negative and non-finite values count as no demand
    :param mask: bool (n, T), False where demand was not observed; by default everything from the first demand on
    :param dates: datetime64[D] (T,); only the season's phase is read from it, so it may be left out
    :param groups: int (n,), e.g. a product category: whom a series borrows its season from
    :param periods: lengths of the protection periods whose cumulative quantiles are wanted
    :return: Forecast
    :raise ValueError: on shapes that do not agree, a horizon below 1, or quantiles that are not ascending in (0, 1)
    """
    y, mask, groups = _checked(y, mask, groups, horizon, season, quantiles, dates)
    if not len(y):
        return _nothing(horizon, season, tuple(quantiles), tuple(periods))
    order = _canonical_order(y, mask, groups)
    engine = _Engine(
        y[order], mask[order], groups[order], int(horizon), int(season), tuple(quantiles), tuple(periods)
    )
    result = engine.run()
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    for name in (
        "point",
        "expected",
        "weights",
        "tested",
        "error",
        "signed",
        "level",
        "level_long",
        "growth",
        "own_weight",
        "season",
    ):
        setattr(result, name, getattr(result, name)[back])
    result.bands, result.cumulative = result.bands[:, back], result.cumulative[:, back]
    return result


def _nothing(horizon, season, quantiles, periods):
    none, periods = np.zeros(0), tuple(sorted(periods))
    return Forecast(
        point=np.zeros((0, horizon)),
        bands=np.zeros((len(quantiles), 0, horizon)),
        quantiles=quantiles,
        cumulative=np.zeros((len(quantiles), 0, len(periods))),
        expected=np.zeros((0, len(periods))),
        periods=periods,
        weights=np.zeros((0, 0)),
        candidates=(),
        tested=none,
        error=none,
        signed=none,
        level=none,
        level_long=none,
        growth=none,
        own_weight=none,
        season=np.ones((0, season)),
    )


def bench(y, mask, dates, horizon, season, quantiles, groups):
    """The signature that a benchmark of several engines calls -> point (n, horizon), bands (q, n, horizon)."""
    result = forecast(y, mask, dates, horizon, season, quantiles, groups, periods=(horizon,))
    return result.point, result.bands


def cumulative_quantile(cumulative, probabilities, periods, probability, length):
    """Quantile of the demand of `length` periods, between the grid points of one or many series.

    :param cumulative: (Q, n, P) as in Forecast; `length` scalar or (n,); beyond the longest period demand goes on at its pace
    :return: (n,) demand
    """
    cumulative = np.asarray(cumulative, float)
    q, n, p = cumulative.shape
    probability = np.clip(probability, probabilities[0], probabilities[-1])
    at_probability = np.empty((n, p + 1))
    at_probability[:, 0] = 0.0
    upper = int(np.clip(np.searchsorted(probabilities, probability), 1, q - 1)) if q > 1 else 0
    if q > 1:
        low, high = probabilities[upper - 1], probabilities[upper]
        share = (probability - low) / (high - low)
        at_probability[:, 1:] = (1 - share) * cumulative[upper - 1] + share * cumulative[upper]
    else:
        at_probability[:, 1:] = cumulative[0]
    grid = np.concatenate([[0.0], np.asarray(periods, float)])
    length = np.broadcast_to(np.asarray(length, float), (n,))
    right = np.clip(np.searchsorted(grid, length), 1, p)
    rows = np.arange(n)
    share = (length - grid[right - 1]) / (grid[right] - grid[right - 1])
    return np.maximum(
        at_probability[rows, right - 1] * (1 - share) + at_probability[rows, right] * share, 0.0
    )


def market_anomalies(y, mask, season):
    """Periods on which nearly all series together sold far less or more than on the same phase around them -> bool (T,).

    Needs a market: with few series or few sales a spike may be a customer, and stays.
    """
    n, width = y.shape
    anomalous = np.zeros(width, bool)
    if n < 20 or width < 4 * season or season > 31:
        return anomalous
    scale = np.sqrt(np.maximum((y * mask).sum(1, dtype=np.float64) / np.maximum(mask.sum(1), 1), TINY))
    active = np.maximum((mask * scale[:, None].astype(np.float32)).sum(0, dtype=np.float64), TINY)
    total = (np.minimum(y / scale[:, None], 50.0) * mask).sum(0, dtype=np.float64) / active
    if (y > 0).sum(0).mean() < 30:
        return anomalous
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


def season_index(sums, counts, dispersion, groups, strength=12.0, group_strength=60.0):
    """Index per phase of the season, mean 1, shrunk series -> group -> market.

    A gamma-Poisson posterior mean: `sums / dispersion` are effective events, `strength` is how many of them the group's index is worth.

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


def simplex_weights(gram, start, steps=60):
    """Minimise w'Gw on the simplex by exponentiated gradient, many at once (a fixed number of steps: deterministic).

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


def _checked(y, mask, groups, horizon, season, quantiles, dates):
    y = np.asarray(y)
    if y.ndim != 2:
        raise ValueError("y must be a matrix of series x periods")
    n, width = y.shape
    y = np.maximum(np.nan_to_num(y, nan=0.0, posinf=0.0, neginf=0.0), 0.0).astype(np.float32)
    if mask is None:
        first = np.where((y > 0).any(1), (y > 0).argmax(1), width)
        mask = np.arange(width)[None, :] >= first[:, None]
    mask = np.asarray(mask, bool)
    groups = (
        np.zeros(n, np.int64)
        if groups is None
        else np.unique(np.asarray(groups), return_inverse=True)[1].reshape(n)
    )
    if mask.shape != y.shape:
        raise ValueError(f"mask has the shape {mask.shape}, y {y.shape}")
    if dates is not None and len(dates) != width:
        raise ValueError(f"{len(dates)} dates for {width} periods")
    if horizon < 1 or season < 1 or width < 1:
        raise ValueError("horizon, season and the history must be at least one period long")
    if not quantiles or any(not 0 < q < 1 for q in quantiles) or list(quantiles) != sorted(set(quantiles)):
        raise ValueError("quantiles must ascend between 0 and 1")
    return np.where(mask, y, np.float32(0)), mask, groups


def _canonical_order(y, mask, groups):
    """Sort rows by what they hold; rows that tie are equal, so any order of them gives the same bytes."""
    width = y.shape[1]
    # two fixed linear digests first: comparing whole rows is only needed where they collide
    ramp = np.cos(np.arange(width) * 0.7) + np.arange(width) / width
    digest = (y.astype(np.float64) * ramp).sum(1)
    return np.lexsort((mask.sum(1), y.sum(1, dtype=np.float64), digest, groups))


class _Engine:
    """One run; rows are in canonical order. Sums over series are taken in that order."""

    def __init__(self, y, mask, groups, horizon, season, quantiles, periods):
        self.y, self.mask, self.groups = y, mask, groups
        self.n, self.width = y.shape
        self.horizon, self.season, self.quantiles = horizon, season, quantiles
        self.periods = tuple(sorted({int(p) for p in periods if p > 0})) or (horizon,)
        self.reach = max(horizon, *self.periods)
        self.bucket = season if season <= 14 else 2
        self.buckets = max(1, horizon // self.bucket)
        self.origins = self._origins()

    def _origins(self):
        # three seasons apart: closer ones say the same again, and it is the long look back that tells passing growth from lasting
        if self.season <= 14:
            step, first, most = 3 * self.season, 6 * self.season, 10
        else:
            step, first, most = 4, self.season + 4, 8
        return [t for t in range(self.width - self.horizon, 0, -step) if t >= first][:most]

    # --- candidates -----------------------------------------------------------------

    def _plan(self):
        """Weights by age of the linear candidates -> names, matrix (T, K), which input each column takes (0 demand, 1 capped)."""
        age = np.arange(self.width)[::-1]
        s = self.season
        spans = [1, 2, 4, 8, 13, 26, 52] if s <= 14 else [4 / s, 8 / s, 13 / s, 0.5, 1.0, 2.0, 3.0]
        names, columns = [], []
        for span in spans:
            names.append(f"mean {span:g}")
            columns.append(age < max(1, round(span * s)))
        for rate in (0.1, 0.05, 0.025, 0.0125) if s <= 14 else (0.5, 0.25, 0.12, 0.06):
            names.append(f"exponential {rate:g}")
            columns.append((1 - rate) ** age)
        return names, np.array(columns, np.float32).T.copy()

    def _season_sums(self, y, mask, stop, span):
        """Demand and observed periods per phase, phase 0 being the period `stop`."""
        s = self.season
        weeks = min(stop // s, span)
        if not weeks:
            return np.zeros((len(y), s)), np.zeros((len(y), s))
        cut = slice(stop - weeks * s, stop)
        shape = (len(y), weeks, s)
        return (
            y[:, cut].reshape(shape).sum(1, dtype=np.float64),
            mask[:, cut].reshape(shape).sum(1).astype(np.float64),
        )

    def _index(self, stop):
        """Season index at an origin, phase 0 being the origin's own -> (n, S)."""
        span = 26 if self.season <= 14 else 3
        sums, counts = self._season_sums(self.y, self.mask, stop, span)
        strength, group_strength = (12.0, 60.0) if self.season <= 14 else (30.0, 60.0)
        return season_index(sums, counts, self.dispersion, self.groups, strength, group_strength)

    def _prepare(self):
        masked = market_anomalies(self.y, self.mask, self.season)
        if masked.any():
            self.mask = self.mask & ~masked
            self.y = np.where(self.mask, self.y, np.float32(0))
        self.masked = masked
        count = np.maximum(self.mask.sum(1), 1)
        mean = self.y.sum(1, dtype=np.float64) / count
        variance = np.einsum("ij,ij->i", self.y, self.y, dtype=np.float64) / count - mean**2
        # variance over mean: how many units come in one order; the season and the trend are in it, which only makes the shrinkage more careful
        self.dispersion = np.clip(variance / np.maximum(mean, TINY), 1.0, 1e6)
        positive = self.y > 0
        hits = np.maximum(positive.sum(1), 1)
        size = self.y.sum(1, dtype=np.float64) / hits
        size_spread = np.sqrt(
            np.maximum(np.einsum("ij,ij->i", self.y, self.y, dtype=np.float64) / hits - size**2, 0)
        )
        self.cap = (size + 2.0 * size_spread).astype(np.float32)

    def _levels(self, stop, index):
        """Candidate levels at an origin -> (n, C) float32, and the names."""
        names, plan = self._plan()
        tail = plan[self.width - stop :]
        n, k = self.n, plan.shape[1]
        raw, capped, base, hits = (np.empty((n, k), np.float32) for _ in range(4))
        phase = (np.arange(stop) - stop) % self.season
        for begin in range(0, n, CHUNK):
            rows = slice(begin, begin + CHUNK)
            y, mask = self.y[rows, :stop], self.mask[rows, :stop].astype(np.float32)
            raw[rows] = y @ tail
            capped[rows] = np.minimum(y, self.cap[rows, None]) @ tail
            hits[rows] = (y > 0).astype(np.float32) @ tail
            base[rows] = (index[rows].astype(np.float32)[:, phase] * mask) @ tail
        base = np.maximum(base, 1e-3)
        level = raw / base
        cap_level = capped / base
        everything = names.index("mean 52") if self.season <= 14 else len(names) - 1
        long, half, middle, short = (4, 3, 8, 2)  # 13 and 8 seasons, exponential 0.05, 4 seasons
        frequency = hits / base
        size = capped[:, [everything]] / np.maximum(hits[:, [everything]], 1e-3)
        out, labels = [level], list(names)

        def add(name, values):
            out.append(values.reshape(n, 1))
            labels.append(name)

        add("capped 8", cap_level[:, half])
        add("capped exponential 0.025", cap_level[:, 9])
        add("frequency 4 x size", frequency[:, short] * size[:, 0])
        add("frequency 8 x size", frequency[:, half] * size[:, 0])
        own = np.clip(level[:, short] / np.maximum(level[:, half], 1e-6), 0.5, 2.0)
        add("own growth", level[:, middle] * np.sqrt(own))
        pooled_own = self._growth(raw[:, short], raw[:, half], base[:, short], base[:, half], self.groups)
        pooled = self._growth(raw[:, short], raw[:, half], base[:, short], base[:, half], None)
        add("group growth", level[:, half] * pooled_own)
        add("market growth", level[:, half] * pooled)
        add(
            "market growth, long",
            level[:, long] * self._growth(raw[:, short], raw[:, long], base[:, short], base[:, long], None),
        )
        add("market growth, damped ahead", level[:, short] * np.sqrt(pooled))
        add("market growth ahead", level[:, short] * pooled)
        year = 52 * self.season if self.season <= 14 else self.season
        if self.season <= 14 and self.origins and self.origins[-1] >= year + 4 * self.season:
            add("same period last year", level[:, short] * self._last_year(stop, year))
        return np.concatenate(out, axis=1), tuple(labels)

    def _growth(self, new, old, new_base, old_base, groups):
        """Ratio of a group's demand in two windows, at the mix of today -> (n,)."""
        weight = 1 / self.dispersion
        pieces = [np.asarray(x, np.float64) * weight for x in (new, old * (new_base / old_base))]
        total = [x.sum() for x in pieces]
        market = (total[0] + 1) / (total[1] + 1)
        if groups is None:
            return np.full(self.n, np.clip(market, 0.5, 2.0))
        size = int(groups.max()) + 1
        sums = [np.bincount(groups, x, size) for x in pieces]
        return np.clip((sums[0] + 50 * market) / (sums[1] + 50), 0.5, 2.0)[groups]

    def _last_year(self, stop, year):
        """How demand of the coming horizon stood to the four seasons before, a year ago: series shrunk to the market -> (n,)."""
        ahead = slice(stop - year, min(stop - year + self.horizon, stop))
        before = slice(stop - year - 4 * self.season, stop - year)

        def rate(cut):
            seen = self.mask[:, cut].sum(1)
            return self.y[:, cut].sum(1, dtype=np.float64) / self.dispersion, seen / self.dispersion

        (after_sum, after_seen), (before_sum, before_seen) = rate(ahead), rate(before)
        before_rate = before_sum / np.maximum(before_seen, TINY)
        expected = before_rate * after_seen
        both = (after_seen > 0) & (before_seen > 0)
        market = (after_sum[both].sum() + 1) / (expected[both].sum() + 1)
        ratio = (after_sum * both + 30 * market) / (expected * both + 30)
        return np.clip(ratio, 0.25, 4.0)

    # --- backtests and weights ------------------------------------------------------

    def run(self):
        self._prepare()
        stops = [self.width, *self.origins]
        self.index, self.level = {}, {}
        for stop in stops:
            self.index[stop] = self._index(stop)
            self.level[stop], self.names = self._levels(stop, self.index[stop])
        errors, valid = self._errors()
        self.weights = self._weights(errors, valid)
        del errors
        combined = {
            stop: np.einsum("nc,nc->n", self.level[stop], self.weights, dtype=np.float64) for stop in stops
        }
        combined = self._reconcile(combined, valid)
        return self._result(combined, valid)

    def _errors(self):
        """Errors of the bucket sums of every candidate -> (n, origins x buckets, C), valid (n, origins)."""
        shape = (self.n, len(self.origins) * self.buckets, len(self.names))
        errors = np.zeros(shape, np.float32)
        valid = np.zeros((self.n, len(self.origins)), bool)
        for o, stop in enumerate(self.origins):
            index, level = self.index[stop], self.level[stop]
            valid[:, o] = self.y[:, :stop].any(1) & (self.mask[:, :stop].sum(1) >= 2 * min(self.season, 7))
            for b in range(self.buckets):
                ahead = np.arange(b * self.bucket, (b + 1) * self.bucket)
                seen = self.mask[:, stop + ahead]
                actual = self.y[:, stop + ahead].sum(1, dtype=np.float64)
                share = (index[:, ahead % self.season] * seen).sum(1)
                errors[:, o * self.buckets + b] = level * share[:, None] - actual[:, None]
        return errors, valid

    def _classes(self, size):
        """Quantile classes of a positive figure, at least 40 series each -> int (n,), count."""
        count = int(np.clip(self.n // 40, 1, 8))
        edges = np.quantile(size, np.arange(1, count) / count) if count > 1 else []
        return np.searchsorted(edges, size, side="right"), count

    def _weights(self, errors, valid):
        c = len(self.names)
        if not self.origins:
            start = np.zeros(c)
            start[[3, 7, 8]] = 1 / 3
            return np.tile(start, (self.n, 1))
        seen = np.repeat(valid, self.buckets, axis=1)
        errors = errors * seen[:, :, None]
        count = np.maximum(seen.sum(1), 1)
        scale = np.sqrt(np.median((errors**2).sum(1, dtype=np.float64), axis=1) / count) + TINY
        scaled = np.clip(errors / scale[:, None, None], -4, 4).astype(np.float32)
        gram = np.matmul(scaled.transpose(0, 2, 1), scaled)  # (n, C, C), sums
        volume = self.level[self.width][:, 4] / self.dispersion
        classes, size = self._classes(volume)
        self.volume_class = classes
        start = np.empty((self.n, c))
        mixed = np.empty((self.n, c, c), np.float32)
        everything = gram.sum(0, dtype=np.float64) / max(seen.sum(), 1)
        for k in range(size):
            rows = classes == k
            pooled = gram[rows].sum(0, dtype=np.float64)
            pooled = (pooled + 200 * everything) / (seen[rows].sum() + 200)
            pooled[np.diag_indices(c)] *= 1.02
            start[rows] = self._best(pooled)
            prior = OWN_EVIDENCE * self.buckets
            mixed[rows] = (gram[rows] + prior * pooled.astype(np.float32)) / (count[rows] + prior)[
                :, None, None
            ]
        start = 0.9 * start + 0.1 / c
        return simplex_weights(mixed, start.astype(np.float32)).astype(np.float64)

    @staticmethod
    def _best(gram):
        """Exact minimum of w'Gw on the simplex (non-negative least squares with a heavy row for the sum)."""
        c = len(gram)
        size = max(np.trace(gram) / c, TINY)
        root = np.linalg.cholesky(gram + np.eye(c) * size * 1e-5)
        heavy = 1e3 * np.sqrt(size)
        weights, _norm = nnls(np.vstack([root.T, np.full(c, heavy)]), np.append(np.zeros(c), heavy))
        return weights / max(weights.sum(), TINY)

    def _reconcile(self, combined, valid):
        """Move the totals of each volume class half-way towards what the backtests say they lacked.

        Weights that minimise the squared error of single series lean on capped and long levels, and so fall short in total when demand
        grows; all of the correction would chase growth that has ended.
        """
        if not self.origins:
            return combined
        short, full = np.zeros(self.n), np.zeros(self.n)
        for o, stop in enumerate(self.origins):
            seen = self.mask[:, stop : stop + self.horizon] & valid[:, [o]]
            full += (self._path(stop, combined, self.horizon) * seen).sum(1) / self.dispersion
            short += (self.y[:, stop : stop + self.horizon] * seen).sum(1, dtype=np.float64) / self.dispersion
        market = (short.sum() + 1) / (full.sum() + 1)
        actual, told = (np.bincount(self.volume_class, x) for x in (short, full))
        ratio = (
            np.clip((actual + 200 * market) / (told + 200), 0.5, 2.0)[self.volume_class] ** BIAS_TAKEN_BACK
        )
        return {stop: level * ratio for stop, level in combined.items()}

    # --- quantiles ------------------------------------------------------------------

    def _own_samples(self, stop, index):
        """Recent demand without its season, relative to its own mean, sorted: (n, q) quantiles."""
        span = min(stop, 16 * self.season if self.season <= 14 else self.season)
        out = np.empty((len(self.quantiles), self.n), np.float32)
        phase = (np.arange(stop - span, stop) - stop) % self.season
        probability = np.array(self.quantiles)
        for begin in range(0, self.n, CHUNK):
            rows = slice(begin, begin + CHUNK)
            base = index[rows][:, phase].astype(np.float32)
            usable = self.mask[rows, stop - span : stop] & (base > 0.1)
            value = np.where(usable, self.y[rows, stop - span : stop] / np.maximum(base, 0.1), np.float32(0))
            seen = usable.sum(1)
            mean = value.sum(1, dtype=np.float64) / np.maximum(seen, 1)
            value[~usable] = np.finfo(np.float32).max / 4  # sorts last, and still multiplies
            value.sort(axis=1)
            place = np.clip(probability[:, None] * (seen + 1) - 1, 0, np.maximum(seen - 1, 0))
            low = np.floor(place).astype(int)
            share = (place - low).astype(np.float32)
            high = np.minimum(low + 1, np.maximum(seen - 1, 0))
            at = np.arange(len(value))
            quantile = (1 - share) * value[at, low] + share * value[at, high]
            out[:, rows] = np.where(seen > 0, quantile / np.maximum(mean, TINY), 0.0)
        return out

    def _daily(self, combined, valid):
        """Daily bands by mixing own quantiles with those of the class -> (Q, n, H)."""
        quantiles = np.array(self.quantiles)
        final_own = self._own_samples(self.width, self.index[self.width])
        ahead = np.arange(self.horizon)
        point = self._path(self.width, combined, self.horizon)
        classes, size = self._classes(combined[self.width] / self.dispersion)
        tests = [(o, stop) for o, stop in enumerate(self.origins)][::2][:5]
        mix = np.zeros((len(quantiles), self.n))
        pooled = np.ones((len(quantiles), self.n))
        if not tests:
            return final_own[:, :, None] * point[None]
        samples = []
        for o, stop in tests:
            path = self._path(stop, combined, self.horizon)
            actual = self.y[:, stop : stop + self.horizon]
            seen = (
                self.mask[:, stop : stop + self.horizon]
                & valid[:, [o]]
                & (self.index[stop][:, ahead % self.season] > 0.1)
            )
            samples.append((path, actual, seen, self._own_samples(stop, self.index[stop])))
        for k in range(size):
            rows = np.flatnonzero(classes == k)
            ratio, own, path, actual = [], [], [], []
            for sample_path, sample_actual, seen, sample_own in samples:
                keep = seen[rows] & (sample_path[rows] > 0)
                where, day = np.nonzero(keep)
                path.append(sample_path[rows][where, day])
                actual.append(sample_actual[rows][where, day])
                own.append(sample_own[:, rows[where]])
            path, actual, own = np.concatenate(path), np.concatenate(actual), np.concatenate(own, axis=1)
            if len(path) < 100:
                continue
            ratio = actual / path
            common = np.quantile(ratio, quantiles)
            for j, q in enumerate(quantiles):
                best = None
                for share in MIX:
                    for stretch in (1.0, 1.15) if q > 0.5 else (1.0,):
                        gap = actual - path * (share * own[j] * stretch + (1 - share) * common[j])
                        loss = np.maximum(q * gap, (q - 1) * gap).mean()
                        if best is None or loss < best[0]:
                            best = (loss, share, stretch)
                mix[j, rows] = best[1] * best[2]
                pooled[j, rows] = (1 - best[1]) * common[j]
        bands = (mix * final_own + pooled)[:, :, None] * point[None]
        return np.maximum.accumulate(bands, axis=0)

    def _path(self, stop, combined, length):
        ahead = np.arange(length) % self.season
        return combined[stop][:, None] * self.index[stop][:, ahead]

    def _cumulative(self, combined, valid):
        """Quantiles of cumulative demand from cumulative backtest errors, standardised by sqrt(dispersion x expected)."""
        quantiles = np.array(self.quantiles)
        path = self._path(self.width, combined, self.reach)
        total = np.cumsum(path, axis=1)
        expected = np.stack([total[:, p - 1] for p in self.periods], axis=1)
        bands = np.empty((len(quantiles), self.n, len(self.periods)))
        spread = self._spread()
        normal = np.array([_normal_quantile(q) for q in quantiles])
        for j, period in enumerate(self.periods):
            scale = np.sqrt(spread * np.maximum(expected[:, j], TINY))
            z = self._standard_errors(period, combined, valid, spread)
            if z is None:
                # too little history for a test of this length: the errors of the longest tested one, or of a normal
                previous = bands[:, :, j - 1] - expected[:, j - 1] if j else None
                if previous is None:
                    bands[:, :, j] = expected[:, j] + normal[:, None] * scale
                else:
                    bands[:, :, j] = expected[:, j] + previous * (period / self.periods[j - 1]) ** 0.75
                continue
            bands[:, :, j] = expected[:, j] + z * scale
        bands = np.maximum.accumulate(np.maximum(bands, 0.0), axis=0)
        return np.maximum.accumulate(bands, axis=2), expected

    def _spread(self):
        """Variance over mean of recent demand around its season (recent: 26 seasons), shrunk to the market's -> (n,)."""
        return self.dispersion

    def _standard_errors(self, period, combined, valid, spread):
        """Class quantiles of standardised cumulative errors over a period -> (Q, n), None when untested."""
        values, where = [], []
        for o, stop in enumerate(self.origins):
            if stop + period > self.width:
                continue
            seen = self.mask[:, stop : stop + period]
            path = (self._path(stop, combined, period) * seen).sum(1)
            actual = self.y[:, stop : stop + period].sum(1, dtype=np.float64)
            ok = valid[:, o] & (path > 0) & (seen.mean(1) > 0.6)
            values.append(((actual - path) / np.sqrt(spread * np.maximum(path, TINY)))[ok])
            where.append(np.flatnonzero(ok))
        if not values or sum(map(len, values)) < 30:
            return None
        values, where = np.concatenate(values), np.concatenate(where)
        classes, size = self._classes(combined[self.width] / spread)
        out = np.empty((len(self.quantiles), self.n))
        market = np.quantile(values, self.quantiles)
        member = classes[where]
        for k in range(size):
            inside = values[member == k]
            share = len(inside) / (len(inside) + 50)
            own = np.quantile(inside, self.quantiles) if len(inside) else market
            out[:, classes == k] = (share * own + (1 - share) * market)[:, None]
        return out

    # --- result -----------------------------------------------------------------------

    def _result(self, combined, valid):
        step = np.abs(np.diff(self.y, axis=1)) * (self.mask[:, 1:] & self.mask[:, :-1])
        self.unit = np.maximum(step.sum(1, dtype=np.float64) / np.maximum(self.mask.sum(1) - 1, 1), 1e-6)
        point = self._path(self.width, combined, self.horizon)
        bands = self._daily(combined, valid)
        cumulative, expected = self._cumulative(combined, valid)
        gap, signed, demand = np.zeros(self.n), np.zeros(self.n), np.zeros(self.n)
        for o, stop in enumerate(self.origins):
            seen = self.mask[:, stop : stop + self.horizon]
            error = (self._path(stop, combined, self.horizon) * seen).sum(1) - self.y[
                :, stop : stop + self.horizon
            ].sum(1, dtype=np.float64)
            error *= valid[:, o]
            gap += np.abs(error)
            signed += error
            demand += self.y[:, stop : stop + self.horizon].sum(1, dtype=np.float64) * valid[:, o]
        level, long = (self.level[self.width][:, i].astype(np.float64) for i in (2, 4))
        quick = [
            i
            for i, name in enumerate(self.names)
            if name in ("mean 1", "mean 2", "mean 4", "exponential 0.1", "exponential 0.05")
        ]
        return Forecast(
            point=point,
            bands=bands,
            quantiles=self.quantiles,
            cumulative=cumulative,
            expected=expected,
            periods=self.periods,
            weights=self.weights,
            candidates=self.names,
            tested=demand,
            error=gap,
            signed=signed,
            level=level,
            level_long=long,
            growth=np.where(long > 0, level / np.maximum(long, TINY), 1.0),
            own_weight=self.weights[:, quick].sum(1),
            season=self.index[self.width],
            backtests=len(self.origins),
            masked=self.masked,
        )


def _normal_quantile(q):
    from scipy.special import ndtri

    return float(ndtri(q))
