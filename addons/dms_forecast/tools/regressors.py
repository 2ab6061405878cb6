"""Promotions, prices and whatever else is planned: how far demand moved with it in the backtests, and so will move again.

Demand is the forecast times exp(x b), where x is how far the drivers of a day (depth of a promotion of some kind, log of the price) are from
what the forecast's own past was used to. Few drivers are better than many: a total depth beats its parts. The coefficients b are those of a Poisson regression with the forecast as exposure (McCullagh and Nelder
1989, chapter 6), a series' shrunk to its group's and the group's to the market's.
"""

import numpy as np

from .panel import TINY

GROUP_EVIDENCE = 200.0  # orders on promotion that outweigh the market in a group's coefficients
OWN_EVIDENCE = 50.0  # and the group in a series'
MARKET_EVIDENCE = 20.0  # and "no effect" in the market's
TESTED = 4  # backtests that decide how far coefficients are believed
WORTH_IT = 0.9995  # loss with them, over without, above which they are not used
STEPS = 5  # of Newton's method: the loss is convex, and starts near its minimum
FURTHEST = 1.5  # log of the largest effect believed
BELIEFS = (0.0, 0.25, 0.5, 0.75, 1.0)


def around(driver, before=1, after=1):
    """A driver with its periods before (stock that waits for the price) and after (pantries that are full) -> (n, T, 3).

    :param driver: (n, T), 0 where nothing runs
    """
    early, late = np.zeros((2, *driver.shape))
    for shift in range(1, before + 1):
        early[:, :-shift] = np.maximum(early[:, :-shift], driver[:, shift:])
    for shift in range(1, after + 1):
        late[:, shift:] = np.maximum(late[:, shift:], driver[:, :-shift])
    running = driver != 0
    return np.stack([driver, np.where(running, 0, early), np.where(running, 0, late)], axis=2)


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
                out[:, : moved.shape[1]] = _effect(moved, self._learn(self.samples) * belief)
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
        """-> actual and expected orders (n, H) of a backtest, moved drivers (n, H, R)."""
        panel, stop, horizon = self.panel, self.tests.origins[o], self.tests.horizon
        seen = panel.seen[:, stop : stop + horizon] & self.tests.valid[:, [o]]
        path = self.levels[stop][:, None] * self.indices[stop][:, np.arange(horizon) % panel.season]
        weight = seen / panel.dispersion[:, None]
        return panel.y[:, stop : stop + horizon] * weight, path * weight, self._moved(stop, horizon)

    def _learn(self, samples):
        """Coefficients from some backtests -> (n, R)."""
        n, r = self.panel.n, self.drivers.shape[2]
        groups = self.panel.groups
        market = _fit(samples, np.zeros(n, np.int64), 1, np.zeros((1, r)), MARKET_EVIDENCE)
        count = int(groups.max()) + 1
        group = _fit(samples, groups, count, np.repeat(market, count, axis=0), GROUP_EVIDENCE)
        return _fit(samples, np.arange(n), n, group[groups], OWN_EVIDENCE)

    def _belief(self):
        """Share of the coefficients that would have done best in backtests newer than those they were learnt from.

        Forward only, as in use: drivers that all series share in time (a season of promotions) look better than they are in any other order.
        """
        loss = np.zeros(len(BELIEFS))
        for newest in range(1, min(TESTED, len(self.samples) - 1) + 1):
            learnt = self._learn(self.samples[newest:])
            actual, expected, moved = self.samples[newest - 1]
            for b, belief in enumerate(BELIEFS):
                error = (actual - expected * _effect(moved, learnt * belief)) ** 2
                loss[b] += np.minimum(error / np.maximum(expected, 1.0), 25.0).sum()
        best = int(loss.argmin())
        return BELIEFS[best] if loss[best] < WORTH_IT * loss[0] else 0.0


def _effect(moved, coefficients):
    return np.exp(np.clip(np.einsum("nhr,nr->nh", moved, coefficients), -FURTHEST, FURTHEST))


def _fit(samples, member, count, prior, evidence):
    """Posterior mode of the coefficients of `count` sets of series -> (count, R).

    :param member: int (n,) the set of each series; prior: (count, R); evidence: orders that the prior is worth
    """
    r = prior.shape[1]
    out = prior.copy()
    for _ in range(STEPS):
        slope = -evidence * (out - prior)
        curve = np.tile(np.eye(r) * evidence, (count, 1, 1))
        for actual, expected, moved in samples:
            told = expected * _effect(moved, out[member])
            np.add.at(slope, member, np.einsum("nh,nhr->nr", actual - told, moved))
            np.add.at(curve, member, np.einsum("nh,nhr,nhs->nrs", told, moved, moved))
        out += np.clip(np.linalg.solve(curve, slope[:, :, None])[:, :, 0], -1.0, 1.0)
    return out
