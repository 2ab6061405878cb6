"""Promotions, prices and whatever else is planned: how far demand moved with it before, and so will move again.

Demand is what it would be otherwise times exp(x b). What runs only now and then (`Episodes`: promotions, days before and after them) is compared
with the days beside it, and taken out of the history before anything else is learnt from that; what always has a value (`Regressors`: prices)
is learnt from the backtests, x being how far it is from what the forecast's own past was used to. Few drivers are better than many: a total
depth beats its parts. The coefficients b are those of a Poisson regression with the usual demand as exposure (McCullagh and Nelder 1989,
chapter 6), a series' shrunk to its group's and the group's to the market's.
"""

from dataclasses import dataclass

import numpy as np

from .panel import TINY, Panel
from .seasonality import index_at

GROUP_EVIDENCE = 200.0  # orders on promotion that outweigh the market in a group's coefficients
OWN_EVIDENCE = 50.0  # and the group in a series'
MARKET_EVIDENCE = 20.0  # and "no effect" in the market's
TESTED = 4  # backtests that decide how far coefficients are believed
NEWEST = 0.25  # share of the episodes' days that decide it for them
WORTH_IT = 0.9995  # loss with them, over without, above which they are not used
STEPS = 5  # of Newton's method: the loss is convex, and starts near its minimum
FURTHEST = 1.5  # log of the largest effect believed
BELIEFS = (0.0, 0.25, 0.5, 0.75, 1.0)
SELDOM = 0.5  # share of the periods on which a driver of episodes is off
AROUND = 4  # weeks on either side that say what a day of an episode would have sold otherwise


def around(driver, before=1, after=1):
    """A driver with its periods before (stock that waits for the price) and after (pantries that are full) -> (n, T, 3).

    :param driver: (n, T), 0 where nothing runs
    """
    early, late = np.zeros((2, *driver.shape), driver.dtype)
    for shift in range(1, before + 1):
        early[:, :-shift] = np.maximum(early[:, :-shift], driver[:, shift:])
    for shift in range(1, after + 1):
        late[:, shift:] = np.maximum(late[:, shift:], driver[:, :-shift])
    running = driver != 0
    return np.stack([driver, np.where(running, 0, early), np.where(running, 0, late)], axis=2)


@dataclass
class Days:
    """Days that coefficients are learnt from: orders sold and otherwise expected (D,), drivers (D, R), the series they are of (D,)."""

    actual: np.ndarray
    expected: np.ndarray
    moved: np.ndarray
    who: np.ndarray

    @classmethod
    def joined(cls, parts):
        names = ("actual", "expected", "moved", "who")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def part(self, picked):
        return Days(self.actual[picked], self.expected[picked], self.moved[picked], self.who[picked])

    def losses(self, coefficients):
        """Squared errors in standard deviations, outliers capped, with each belief in the coefficients (n, R) -> (BELIEFS,)."""
        return np.array(
            [
                np.minimum(
                    (self.actual - self.expected * self._effect(coefficients * belief)) ** 2
                    / np.maximum(self.expected, 1.0),
                    25.0,
                ).sum()
                for belief in BELIEFS
            ]
        )

    def coefficients(self, groups):
        """Those of each series, shrunk to those of its group, and they to the market's -> (n, R)."""
        n, r, count = len(groups), self.moved.shape[1], int(groups.max()) + 1
        market = self._fit(np.zeros(n, np.int64), np.zeros((1, r)), MARKET_EVIDENCE)
        group = self._fit(groups, np.repeat(market, count, axis=0), GROUP_EVIDENCE)
        return self._fit(np.arange(n), group[groups], OWN_EVIDENCE)

    def _effect(self, coefficients):
        return np.exp(np.clip(np.einsum("dr,dr->d", self.moved, coefficients[self.who]), -FURTHEST, FURTHEST))

    def _fit(self, member, prior, evidence):
        """Posterior mode of the coefficients of some sets of series -> like `prior`.

        :param member: int (n,) the set of each series; prior: (sets, R); evidence: orders that the prior is worth
        """
        count, r = prior.shape
        mine, out = member[self.who], prior.copy()
        for _ in range(STEPS):
            told = self.expected * self._effect(out[member])
            slope, curve = -evidence * (out - prior), np.tile(np.eye(r) * evidence, (count, 1, 1))
            for a in range(r):
                slope[:, a] += np.bincount(mine, (self.actual - told) * self.moved[:, a], count)
                for b in range(a + 1):
                    both = np.bincount(mine, told * self.moved[:, a] * self.moved[:, b], count)
                    curve[:, a, b] += both
                    if a != b:
                        curve[:, b, a] += both
            out += np.clip(np.linalg.solve(curve, slope[:, :, None])[:, :, 0], -1.0, 1.0)
        return out


def _effects(moved, coefficients):
    return np.exp(np.clip(np.einsum("nhr,nr->nh", moved, coefficients), -FURTHEST, FURTHEST))


def _best_belief(losses):
    best = int(losses.argmin())
    return BELIEFS[best] if losses[best] < WORTH_IT * losses[0] else 0.0


class Episodes:
    """Effects of what runs only now and then, learnt from its days beside the days around them.

    They are believed as far as they would have helped on the newest episodes when learnt from the older ones.
    """

    def __init__(self, y, mask, groups, season, drivers):
        """
        :param y: float (n, T) demand; mask: bool (n, T); drivers: float (n, T + K, R), see :func:`episodic`
        """
        self.width = y.shape[1]
        self.moved = self._moved(drivers.astype(np.float32), mask, season)
        on = (self.moved[:, : self.width] != 0).any(2)
        self.panel = Panel(y * (mask & ~on), mask & ~on, groups, season)
        self.coefficients = np.zeros((len(y), self.moved.shape[2]))
        days, when = self._days(y, on & mask)
        if len(when):
            late = when >= np.quantile(when, 1 - NEWEST)
            belief = _best_belief(days.part(late).losses(days.part(~late).coefficients(groups)))
            if belief:
                self.coefficients = days.coefficients(groups) * belief

    def _moved(self, drivers, mask, season):
        """The drivers with the days around them, 0 where nothing runs -> float32 (n, T + K, R) within -1 to 1.

        Through tanh, for what a promotion does ends to grow.
        """
        wide = np.concatenate(
            [around(drivers[:, :, r], before=1, after=season) for r in range(drivers.shape[2])], axis=2
        )
        taken = ((wide[:, : self.width] != 0).any(2) & mask).sum()
        if taken > SELDOM * mask.sum():  # too few days would say what is usual
            wide = drivers
        for r in range(wide.shape[2]):
            running = wide[:, :, r] != 0
            size = np.sqrt(np.mean(wide[:, :, r][running] ** 2, dtype=np.float64)) if running.any() else 1.0
            wide[:, :, r][running] = np.tanh(wide[:, :, r][running] / np.float32(size))
        return wide

    def _days(self, y, on):
        """Days of episodes whose usual demand is known -> Days, int (D,) when they were."""
        panel, width = self.panel, self.width
        index, phase = index_at(panel, width).astype(np.float32), panel.phase(width, 0, width)
        reach = AROUND * panel.season
        begin = np.maximum(np.arange(width) - reach, 0)
        end = np.minimum(np.arange(width) + reach + 1, width)
        parts, when = [], []
        for rows in panel.chunks():
            share = index[rows][:, phase]

            def near(values):
                sums = np.zeros((len(values), width + 1), np.float32)
                np.cumsum(values, axis=1, out=sums[:, 1:])
                return sums[:, end] - sums[:, begin]

            usual = share * near(panel.y[rows]) / np.maximum(near(share * panel.seen[rows]), np.float32(1e-3))
            known = on[rows] & (usual > 0) & (near(panel.seen[rows]) >= reach / 2)
            who, day = np.nonzero(known)
            orders = panel.dispersion[rows][who]
            parts.append(
                Days(
                    y[rows][known] / orders,
                    usual[known] / orders,
                    self.moved[rows, :width][known],
                    who + rows.start,
                )
            )
            when.append(day)
        return Days.joined(parts), np.concatenate(when)

    def ordinary(self, y):
        """Demand of the history as it would have been without -> float32 (n, T)."""
        if not self.coefficients.any():
            return y
        out = np.empty_like(y)
        for rows in self.panel.chunks():
            out[rows] = y[rows] / _effects(self.moved[rows, : self.width], self.coefficients[rows])
        return out

    def factors(self, reach):
        """What the episodes of the days ahead do to demand -> (n, reach), 1 beyond those known."""
        out = np.ones((len(self.moved), reach))
        ahead = self.moved[:, self.width : self.width + reach]
        out[:, : ahead.shape[1]] = _effects(ahead, self.coefficients)
        return out


def episodic(drivers, width):
    """Which drivers run only now and then in the first `width` periods -> bool (R,)."""
    past = drivers[:, :width] != 0
    share = past.mean((0, 1)) if past.size else np.zeros(drivers.shape[2])
    return (share > 0) & (share <= 1 - SELDOM)


class Regressors:
    """Coefficients of each series, learnt in the backtests, used as far as they would have helped in those not learnt from."""

    def __init__(self, tests, levels, indices, drivers):
        """
        :param Backtests tests: where to learn; levels {stop: (n,)}, indices {stop: (n, S)}: the forecasts tested
        :param drivers: float (n, T + K, R), K >= 0 periods ahead; a row's scale is free, that of a column is shared by all series
        """
        self.tests, self.levels, self.indices = tests, levels, indices
        self.panel = tests.panel
        self.drivers = drivers
        self.window = 8 * self.panel.season if self.panel.weekly else max(4, self.panel.season // 4)
        self.scale = self._scale()
        self.samples = [self._sample(o) for o in range(len(tests.origins))]

    def factors(self, reach):
        """What the drivers of the days ahead do to demand -> (n, reach), 1 beyond those known."""
        out = np.ones((self.panel.n, reach))
        moved = self._moved(self.panel.width, reach)
        if self.samples and moved.size and moved.any():
            belief = self._belief()
            if belief:
                learnt = Days.joined(self.samples).coefficients(self.panel.groups)
                out[:, : moved.shape[1]] = _effects(moved, learnt * belief)
        return out

    def _scale(self):
        """Root mean square of how far each driver moves: about there its effect ends to grow -> (R,)."""
        steps = self.drivers[:, self.window :] - self.drivers[:, : -self.window]
        scale = np.sqrt(np.mean(steps**2, axis=(0, 1))) if steps.size else np.zeros(self.drivers.shape[2])
        return np.where(scale > TINY, scale, 1.0)

    def _moved(self, stop, length):
        """How far the drivers after `stop` are from their mean in the periods before -> (n, up to length, R), within -1 to 1.

        Through tanh, for what a promotion does ends to grow: twice a usual discount does not sell twice as much more.
        """
        usual = self.drivers[:, max(0, stop - self.window) : stop].mean(1, keepdims=True)
        return np.tanh((self.drivers[:, stop : stop + length] - usual) / self.scale)

    def _sample(self, o):
        """The days of a backtest -> Days."""
        panel, stop, horizon = self.panel, self.tests.origins[o], self.tests.horizon
        seen = panel.seen[:, stop : stop + horizon] & self.tests.valid[:, [o]]
        path = self.levels[stop][:, None] * self.indices[stop][:, np.arange(horizon) % panel.season]
        orders = panel.dispersion[:, None]
        actual, expected = panel.y[:, stop : stop + horizon] / orders, path / orders
        return Days(actual[seen], expected[seen], self._moved(stop, horizon)[seen], np.nonzero(seen)[0])

    def _belief(self):
        """Share of the coefficients that would have done best in backtests newer than those they were learnt from.

        Forward only, as in use: drivers that all series share in time (a season of promotions) look better than they are in any other order.
        """
        loss = np.zeros(len(BELIEFS))
        for newest in range(1, min(TESTED, len(self.samples) - 1) + 1):
            learnt = Days.joined(self.samples[newest:]).coefficients(self.panel.groups)
            loss += self.samples[newest - 1].losses(learnt)
        return _best_belief(loss)
