"""Sell-through forecasts for many series at once: pure functions on arrays, numpy and scipy only.

A series is a row of a matrix (n series x T periods, mostly days) with a mask that is False where demand was not observed (before the first
sale, closed days, stock-outs, a missing report). In the order of the modules:

1. `panel`: checks, and a canonical order of the series, so that the same input gives the same bytes however the rows are sorted;
2. `seasonality`: a weekday index per series, shrunk to its group and the market; days on which the whole market was closed or beside itself are masked;
3. `candidates`: some two dozen levels, each a ratio of weighted sums of demand and of index over the past;
4. `combination`: weights that would have done best in rolling backtests, a series' own evidence mixed with its class's, and a calibration;
5. `special_days`, `regressors`: holidays; promotions and prices; each used as far as it would have helped before;
6. `quantiles`: of days, and of whole periods from cumulative backtest errors.

`newcomers` and `hierarchy` are for the caller: new and ending products, totals that agree. Why a forecast is what it is, is in the figures of
`Forecast`, which the caller puts into words; manual overrides are the caller's too.
"""

from dataclasses import dataclass, field

import numpy as np

from . import combination
from .candidates import Candidates
from .panel import TINY, WEEKLY, Panel, canonical_order, checked, since_first_sale
from .quantiles import DailyBands, PeriodBands, cumulative_quantile
from .regressors import Episodes, Regressors, episodic
from .seasonality import index_at, market_anomalies
from .special_days import Calendar, SpecialDays

__all__ = [
    "ENGINE_VERSION",
    "QUANTILES",
    "Calendar",
    "Forecast",
    "bench",
    "cumulative_quantile",
    "forecast",
    "since_first_sale",
]

ENGINE_VERSION = "2.3"
QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98)
UNTESTED = (
    "mean 8",
    "exponential 0.1",
    "exponential 0.05",
)  # what a history too short for backtests is given
SHARED = 0.5  # share of the series whose promotion explains a day on which the market was beside itself
PER_SERIES = (
    *(
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
    ),
    *("season", "holiday", "planned"),
)


@dataclass
class Forecast:
    """What `forecast` gives back; n series, H periods ahead, Q probabilities, P protection periods, C candidates.

    All demand is in units of the input. `error / tested` is the backtests' WAPE of horizon totals, `signed / tested` their bias (positive:
    forecast too high). `level`, `level_long` and `growth` are the demand per period over the last 4 and 13 seasons and their ratio;
    `own_weight` the part of the weight that rests on the last 4 seasons or less; `holiday` and `planned` what special days, and
    promotions and prices, do to the horizon's total.
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
    holiday: np.ndarray  # (n,) ratio
    planned: np.ndarray  # (n,) ratio
    backtests: int = 0
    masked: np.ndarray = field(
        default_factory=lambda: np.zeros(0, bool)
    )  # (T,) days that no series is judged by


def forecast(
    y,
    mask=None,
    dates=None,
    horizon=30,
    season=7,
    quantiles=QUANTILES,
    groups=None,
    periods=(7, 14, 30, 60),
    calendar=None,
    drivers=None,
):
    """Forecast every row of `y`.

    :param y: float (n, T), demand per period; negative and non-finite values count as no demand
    :param mask: bool (n, T), False where demand was not observed; by default everything from the first demand on
    :param dates: datetime64[D] (T,); only their number is checked, what they mean is said by `calendar`
    :param groups: int (n,), e.g. a product category: whom a series borrows its season from
    :param periods: lengths of the protection periods whose cumulative quantiles are wanted
    :param Calendar calendar: the special days of the history and of the days ahead
    :param drivers: float (n, T + K, R), K >= 0 periods ahead: depths of promotions by kind, log of the price (see `regressors`)
    :return: Forecast
    :raise ValueError: on shapes that do not agree, a horizon below 1, or quantiles that are not ascending in (0, 1)
    """
    y, mask, groups = checked(y, mask, groups, horizon, season, quantiles, dates)
    if calendar is not None and len(calendar.kinds) < y.shape[1]:
        raise ValueError(f"the calendar knows {len(calendar.kinds)} of {y.shape[1]} periods")
    if drivers is not None and (
        np.ndim(drivers) != 3 or len(drivers) != len(y) or drivers.shape[1] < y.shape[1]
    ):
        raise ValueError(f"drivers have the shape {np.shape(drivers)}, y {y.shape}")
    periods = tuple(sorted({int(p) for p in periods if p > 0})) or (int(horizon),)
    if not len(y):
        return _nothing(horizon, season, tuple(quantiles), periods)
    order = canonical_order(y, mask, groups, drivers)
    drivers = None if drivers is None else np.nan_to_num(np.asarray(drivers, float)[order])
    job = _Job(int(horizon), int(season), tuple(quantiles), periods, calendar, drivers)
    result = job.run(y[order], mask[order], groups[order])
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    for name in PER_SERIES:
        setattr(result, name, getattr(result, name)[back])
    result.bands, result.cumulative = result.bands[:, back], result.cumulative[:, back]
    return result


def bench(y, mask, dates, horizon, season, quantiles, groups, calendar=None):
    """The signature that a benchmark of several engines calls -> point (n, horizon), bands (q, n, horizon)."""
    result = forecast(
        y, mask, dates, horizon, season, quantiles, groups, periods=(horizon,), calendar=calendar
    )
    return result.point, result.bands


def _nothing(horizon, season, quantiles, periods):
    none = np.zeros(0)
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
        holiday=none,
        planned=none,
    )


@dataclass
class _Job:
    """One run over series in canonical order, in which all sums over series are taken."""

    horizon: int
    season: int
    quantiles: tuple
    periods: tuple
    calendar: Calendar | None
    drivers: np.ndarray | None

    def run(self, y, mask, groups):
        masked = market_anomalies(y, mask, self.season)
        seldom, always = self._drivers(y.shape[1])
        if seldom is not None:  # what all promote together is no accident
            masked &= (seldom[:, : y.shape[1]] != 0).any(2).mean(0) < SHARED
        special = None
        if self._calendar_matters(y.shape[1]):
            special = self._special_days(y, mask, groups, masked)
            masked = masked & ~self.calendar.past(y.shape[1])
        if masked.any():
            mask = mask & ~masked
            y *= mask
        episodes = None
        if seldom is not None:
            episodes = Episodes(y, mask, groups, self.season, seldom)
            y = episodes.ordinary(y)
        self.panel = Panel(y, mask, groups, self.season)
        self._combine()
        reach = max(self.horizon, *self.periods)
        holiday = np.ones((1, reach)) if special is None else special.factors(reach)
        planned = episodes.factors(reach) if episodes else np.ones((1, reach))
        if always is not None:
            planned = planned * Regressors(self.tests, self.levels, self.indices, always).factors(reach)
        return self._result(holiday, planned, masked)

    def _calendar_matters(self, width):
        """Whether special days lie ahead, or just behind where they would bend the newest levels; older ones average out."""
        if self.calendar is None or not self.calendar.past(width).any():
            return False
        return bool(self.calendar.kinds[max(0, width - 2 * self.season) : width + self.horizon].any())

    def _special_days(self, y, mask, groups, masked):
        """What special days do; takes it out of those of the history, in `y` and `mask` themselves -> SpecialDays."""
        past = self.calendar.past(y.shape[1])
        without = mask & ~(masked | past)
        panel = Panel(y * without, without, groups, self.season)
        special = SpecialDays(panel, self.calendar, y[:, past], mask[:, past], index_at(panel, y.shape[1]))
        y[:, past], mask[:, past] = special.ordinary(y[:, past], mask[:, past])
        return special

    def _drivers(self, width):
        """Drivers that run only now and then, and the others -> two of float (n, T + K, R) or None.

        In a season of a year of weeks, or of months, what runs now and then cannot be told from the season by the periods beside it.
        """
        if self.drivers is None:
            return None, None
        which = episodic(self.drivers, width) & (self.season <= WEEKLY)
        return tuple(self.drivers[:, :, part] if part.any() else None for part in (which, ~which))

    def _combine(self):
        """Indices, levels and weights of today and of the backtests' origins."""
        panel = self.panel
        origins = combination.origins(panel, self.horizon)
        self.candidates = Candidates(panel, self.horizon, origins)
        self.tests = tests = combination.Backtests(panel, origins, self.horizon, self.candidates.names)
        stops = [*origins, panel.width]
        self.indices, levels = {}, {}
        for o, stop in enumerate(stops):
            self.indices[stop] = index_at(panel, stop)
            levels[stop] = self.candidates.levels(stop, self.indices[stop])
            if stop != panel.width:
                tests.add(o, self.indices[stop], levels[stop])
        self.recent, self.long = (levels[panel.width][:, column].astype(np.float64) for column in (2, 4))
        self.volume = self.long / panel.dispersion
        if origins:
            self.weights = combination.weights(tests, self.volume).astype(np.float64)
        else:
            some = np.array([name in UNTESTED for name in self.candidates.names])
            self.weights = np.tile(some / some.sum(), (panel.n, 1))
        tests.errors = None  # by far the largest array, and done with
        self.levels = {stop: np.einsum("nc,nc->n", levels[stop], self.weights) for stop in stops}
        # the mean of a year of weeks, of three years: what a level comes back to
        whole = {stop: levels[stop][:, 6] for stop in stops}
        if origins:
            quarter = {stop: levels[stop][:, 4] for stop in stops}
            reference = quarter if panel.weekly else whole
            self.levels = combination.calibrate(tests, self.levels, self.indices, reference, self.volume)
        self.moments = combination.momentum(self.levels, whole, self.volume)

    def _path(self, stop, length):
        """Point forecast of the periods after `stop`, as if none were special -> (n, length)."""
        return self.levels[stop][:, None] * self.indices[stop][:, np.arange(length) % self.season]

    def _result(self, holiday, planned, masked):
        panel, now = self.panel, self.panel.width
        ordinary = self._path(now, holiday.shape[1])
        path = ordinary * holiday * planned
        usual = np.maximum(ordinary[:, : self.horizon].sum(1), TINY)
        total = np.cumsum(path, axis=1)
        expected = np.stack([total[:, p - 1] for p in self.periods], axis=1)
        learnt = (panel, self.quantiles, self.levels, self.indices, self.tests, self.volume, self.moments)
        tested, error, signed = self._tested()
        return Forecast(
            point=path[:, : self.horizon],
            bands=DailyBands(*learnt).bands(path[:, : self.horizon]),
            quantiles=self.quantiles,
            cumulative=PeriodBands(*learnt).bands(self.periods, expected),
            expected=expected,
            periods=self.periods,
            weights=self.weights,
            candidates=self.candidates.names,
            tested=tested,
            error=error,
            signed=signed,
            level=self.recent,
            level_long=self.long,
            growth=np.where(self.long > 0, self.recent / np.maximum(self.long, TINY), 1.0),
            own_weight=self.weights[:, self.candidates.recent()].sum(1),
            season=self.indices[now],
            holiday=(ordinary * holiday)[:, : self.horizon].sum(1) / usual,
            planned=(ordinary * planned)[:, : self.horizon].sum(1) / usual,
            backtests=len(self.tests.origins),
            masked=masked,
        )

    def _tested(self):
        """Demand of the backtests' horizons, sum of absolute errors of their totals and sum of errors -> three (n,)."""
        panel = self.panel
        demand, gap, signed = np.zeros((3, panel.n))
        for o, stop in enumerate(self.tests.origins):
            ahead = slice(stop, stop + self.horizon)
            actual = panel.y[:, ahead].sum(1, dtype=np.float64)
            error = (self._path(stop, self.horizon) * panel.seen[:, ahead]).sum(1) - actual
            error *= self.tests.valid[:, o]
            gap += np.abs(error)
            signed += error
            demand += actual * self.tests.valid[:, o]
        return demand, gap, signed
