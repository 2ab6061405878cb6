"""Quantiles of a day's demand and of a whole period's, from what backtests missed. Daily quantiles are never added up."""

import numpy as np
from scipy.special import ndtri

from .panel import TINY, size_classes

OWN_CYCLES = 16  # how many weeks a series' own distribution looks back
ORDER_CYCLES = 52  # how many the sizes of its orders do
DAILY_TESTS = 5  # backtests that the daily quantiles are fitted on
SAMPLES = 3000  # days per class that are enough to fit them
PICKS = 4  # guesses picked, with repetition, for each quantile
MOMENT_DAYS = 1000  # tested days below which a class of momentum does as its volume class
SPIKES = 3  # spikes' demand that no ratio goes beyond
MOST_OFTEN = 0.9  # share of days with an order beyond which a better day means larger orders instead
FEWEST = 100  # tested days below which a class has nothing to say
FLATTERY = 1.1  # errors of what is ahead over those of backtests, by which the weights were chosen
CLASS_TESTS = 100  # tests of whole periods that outweigh the market in a class's quantiles
OWN_TESTS = 20  # and that outweigh the class in how large a series' errors are
FAR = 4.0  # standard errors beyond which one counts no more in that
GRID = np.linspace(0, 1, 201)  # probabilities of an order size's quantile function


class DailyBands:
    """Daily quantiles as multiples of the point forecast: four guesses mixed as did best in the backtests of each volume class.

    * Thinned: the series' own recent demand. On a day with twice the usual forecast it is sold twice as often, not twice as much: with r
      the forecast over the mean, P(Y > y) becomes r P(Y > y), so the quantile of probability q is the old one of 1 - (1 - q) / r. That is
      how demand that comes in single orders behaves.
    * Orders: a day has an order with probability forecast / own mean size; its size relative to the own mean is as in the whole class.
    * Ratios: those of demand to forecast in the backtests of the class.
    * Momentum: the same, of series whose level then stood as far from its long one as the series' does now: what has fallen may come back.

    The mix is chosen for each probability by its pinball loss (Koenker and Bassett 1978, doi:10.2307/1913643) in units of the series' own
    steps; averaging quantiles keeps them sharp (Lichtendahl, Grushka-Cockayne and Winkler 2013, doi:10.1287/mnsc.1120.1667).
    """

    def __init__(self, panel, probabilities, levels, indices, tests, volume, moments):
        """
        :param levels: {stop: (n,)} combined levels of the origins and of today; indices: {stop: (n, S)}
        :param Backtests tests: which series can be tested at which origin
        :param moments: {stop: (n,)} classes of momentum, and their number
        """
        self.moments, self.moment_count = moments
        self.panel, self.probabilities, self.tests = panel, np.array(probabilities), tests
        self.levels, self.indices = levels, indices
        self.days = min(tests.horizon, panel.season)  # days ahead that differ in index
        self.phase = np.arange(tests.horizon) % panel.season
        self.classes, self.count = size_classes(volume)

    def bands(self, path):
        """Quantiles of the days ahead -> (Q, n, H), ascending along Q.

        :param path: (n, H) point forecast; what holidays do to it they do to the quantiles
        """
        panel, now = self.panel, self.panel.width
        self._learn_orders()
        samples = self._samples()
        again = self._moment_ratios(samples)
        factor = np.empty((len(self.probabilities), panel.n, self.days), np.float32)
        base = self._ordinary(now)
        thinned = thinned_quantiles(panel, now, base, self.probabilities)
        for k in range(self.count):
            rows = np.flatnonzero(self.classes == k)
            shares, ratios = self._fit(k, rows, samples, again)
            who = np.repeat(rows, self.days)
            guesses = self._guesses(
                k,
                base[rows].ravel(),
                who,
                thinned[:, rows].reshape(len(shares), -1),
                ratios,
                again[self.moments[now][who]],
            )
            factor[:, rows] = np.einsum("qg,gqd->qd", shares, guesses).reshape(len(shares), len(rows), -1)
        factor = np.maximum.accumulate(factor, axis=0)
        return factor[:, :, self.phase] * path[None]

    def _ordinary(self, stop):
        """Point forecast of the days of one season ahead, without holidays -> (n, days)."""
        return self.levels[stop][:, None] * self.indices[stop][:, : self.days]

    def _learn_orders(self):
        """Mean size of each series' selling periods, and for each class the quantile function of sizes relative to it."""
        panel = self.panel
        span = slice(max(0, panel.width - ORDER_CYCLES * panel.season), panel.width)
        hits, total = np.zeros((2, panel.n))
        for rows in panel.chunks():
            cut = panel.y[rows, span]
            hits[rows], total[rows] = (cut > 0).sum(1), cut.sum(1)
        self.order_size = np.where(hits > 0, total / np.maximum(hits, 1), 1.0)
        self.order_quantiles = []
        for k in range(self.count):
            rows = np.flatnonzero((self.classes == k) & (hits > 3))
            rows = rows[:: max(1, len(rows) // 200)]
            cut = panel.y[rows, span]
            sizes = (cut / self.order_size[rows, None])[cut > 0]
            self.order_quantiles.append(np.quantile(sizes, GRID) if len(sizes) else np.ones(len(GRID)))

    def _order_guess(self, k, path, rows):
        """Quantiles over forecast, from the order sizes of class k -> (Q, len(path)).

        :param path: forecasts of single days; rows: the series they are of
        """
        often = np.clip(path / self.order_size[rows], TINY, MOST_OFTEN)
        place = 1 - (1 - self.probabilities[:, None]) / often
        return np.interp(place, GRID, self.order_quantiles[k], left=0.0) / often

    def _guesses(self, k, path, who, thinned, ratios, again):
        """All guesses of days of class k, over the forecast -> (4, Q, D).

        :param path: (D,) forecasts; who: (D,) series they are of; thinned: (Q, D); ratios: (Q,) of the class
        :param again: (D, Q) ratios of the days' momentum, not a number where it was seldom seen
        """
        again = np.where(np.isnan(again), ratios, again).T
        most = SPIKES * self.panel.cap[who] / np.maximum(path, TINY)
        return np.stack(
            [
                thinned,
                self._order_guess(k, path, who),
                np.broadcast_to(ratios[:, None], thinned.shape),
                np.minimum(again, most),
            ]
        )

    def _samples(self):
        """Days of some backtests -> (T, D) forecasts, actual demand and whether seen, each [(n, H)], thinned guesses [(Q, n, days)]
        and classes of momentum [(n,)]."""
        panel, horizon, out = self.panel, self.tests.horizon, []
        apart = 2 if len(self.tests.origins) >= 2 * DAILY_TESTS - 1 else 1
        for o in range(0, len(self.tests.origins), apart)[:DAILY_TESTS]:
            stop = self.tests.origins[o]
            base = self._ordinary(stop)
            path = base[:, self.phase]
            usable = self.indices[stop][:, self.phase] > 0.1
            seen = panel.seen[:, stop : stop + horizon] & self.tests.valid[:, [o]] & usable & (path > 0)
            thinned = thinned_quantiles(panel, stop, base, self.probabilities)
            out.append((path, panel.y[:, stop : stop + horizon], seen, thinned, self.moments[stop]))
        return out

    def _moment_ratios(self, samples):
        """Quantiles of demand to forecast in the backtests by class of momentum -> (M, Q), not a number where there are few."""
        out = np.full((self.moment_count, len(self.probabilities)), np.nan)
        if samples:
            ratio = np.concatenate(
                [actual[seen] / path[seen] for path, actual, seen, _guess, _moment in samples]
            )
            member = np.concatenate(
                [np.repeat(moment, seen.sum(1)) for *_rest, seen, _guess, moment in samples]
            )
            for m in range(self.moment_count):
                inside = ratio[member == m]
                if len(inside) >= MOMENT_DAYS:
                    out[m] = np.quantile(inside, self.probabilities)
        return out

    def _fit(self, k, rows, samples, again):
        """-> shares of the guesses (Q, 4), ratios of demand to forecast (Q,) of the class.

        :param again: (M, Q) ratios by class of momentum
        """
        path, ratio, thinned, who, member = [], [], [], [], []
        for sample_path, actual, seen, guess, moment in samples:
            where, day = np.nonzero(seen[rows])
            series = rows[where]
            path.append(sample_path[series, day])
            ratio.append(actual[series, day] / path[-1])
            thinned.append(guess[:, series, self.phase[day]])
            who.append(series)
            member.append(moment[series])
        if sum(map(len, path)) < FEWEST:
            untested = np.zeros((len(self.probabilities), 4))
            untested[:, 0] = 1.0
            return untested, np.zeros(len(self.probabilities))
        path, ratio, who, member = (np.concatenate(x) for x in (path, ratio, who, member))
        every = slice(None, None, max(1, len(path) // SAMPLES))
        ratios = np.quantile(ratio, self.probabilities)
        path, ratio, who, member = (x[every] for x in (path, ratio, who, member))
        thinned = np.concatenate(thinned, axis=1)[:, every]
        guesses = self._guesses(k, path, who, thinned, ratios, again[member])
        worth = path / self.panel.step[who]
        shares = [ensemble_shares(guesses[:, j] - ratio, worth, q) for j, q in enumerate(self.probabilities)]
        return np.array(shares), ratios


def thinned_quantiles(panel, stop, path, probabilities):
    """Quantiles of a series' own recent demand for days with other forecasts than its mean, over the forecast -> float32 (Q, n, D).

    :param path: (n, D) forecasts of days after `stop`
    """
    span = min(stop, OWN_CYCLES * panel.season if panel.weekly else panel.season)
    out = np.empty((len(probabilities), *path.shape), np.float32)
    miss = 1 - np.asarray(probabilities)[:, None, None]
    for rows in panel.chunks():
        value = panel.y[rows, stop - span : stop].copy()
        usable = panel.seen[rows, stop - span : stop]
        seen = usable.sum(1)[:, None]
        rate = path[rows] / np.maximum(value.sum(1, dtype=np.float64)[:, None] / np.maximum(seen, 1), TINY)
        value[~usable] = np.finfo(np.float32).max / 4  # sorts last, and still multiplies
        value.sort(axis=1)
        probability = 1 - miss / np.maximum(rate, TINY)
        last = np.maximum(seen - 1, 0)
        place = np.clip(probability * (seen + 1) - 1, 0, last)
        low = place.astype(np.int32)
        share = (place - low).astype(np.float32)
        at = np.arange(len(value))[:, None]
        between = (1 - share) * value[at, low] + share * value[at, np.minimum(low + 1, last)]
        out[:, rows] = np.where((seen > 0) & (probability > 0), between, 0.0) / np.maximum(path[rows], TINY)
    return out


def ensemble_shares(error, worth, probability, picks=PICKS):
    """Shares of several guesses of a quantile, picked one after the other by the loss of the picks' mean.

    Ensemble selection with replacement (Caruana et al. 2004, doi:10.1145/1015330.1015432): few picks cannot overfit.

    :param error: (G, N) guess minus actual; worth: (N,) weight of the pinball loss
    :return: (G,) multiples of 1 / picks
    """
    shares, total = np.zeros(len(error)), np.zeros(error.shape[1])
    for count in range(1, picks + 1):
        mean = (total + error) / count
        best = int((np.maximum((1 - probability) * mean, -probability * mean) @ worth).argmin())
        shares[best] += 1 / picks
        total = total + error[best]
    return shares


class PeriodBands:
    """Quantiles of cumulative demand from cumulative backtest errors.

    Errors are standardised by sqrt(dispersion x expected demand), and by how much larger the series' own were than its class's. Their
    quantiles are the mean of those of its volume class and of its class of momentum (averaging quantiles, as for :class:`DailyBands`).
    """

    def __init__(self, panel, probabilities, levels, indices, tests, volume, moments):
        """Arguments as for :class:`DailyBands`."""
        self.panel, self.probabilities, self.tests = panel, probabilities, tests
        self.levels, self.indices = levels, indices
        self.classes, self.count = size_classes(volume)
        self.moments, self.moment_count = moments

    def bands(self, periods, expected):
        """-> (Q, n, P), ascending along Q and P

        :param periods: ascending lengths; expected: (n, P) demand of them
        """
        bands = np.empty((len(self.probabilities), self.panel.n, len(periods)))
        normal = ndtri(np.array(self.probabilities))[:, None]
        for j, period in enumerate(periods):
            scale = np.sqrt(self.panel.dispersion * expected[:, j])
            z = self._standard_errors(period)
            if z is not None:
                bands[:, :, j] = expected[:, j] + z * scale
            elif j:
                # too little history for a test of this length: the shorter one's errors, grown as errors of a drifting level do
                before = bands[:, :, j - 1] - expected[:, j - 1]
                bands[:, :, j] = expected[:, j] + before * (period / periods[j - 1]) ** 0.75
            else:
                bands[:, :, j] = expected[:, j] + normal * scale
        bands = np.maximum.accumulate(np.maximum(bands, 0.0), axis=0)
        return np.maximum.accumulate(bands, axis=2)

    def _standard_errors(self, period):
        """Quantiles of each series' standardised errors over a period -> (Q, n), None when untested."""
        origins = [
            (o, stop) for o, stop in enumerate(self.tests.origins) if stop + period <= self.panel.width
        ]
        if not origins:
            return None
        found = [self._errors(o, stop, period) for o, stop in origins]
        errors, tested = (np.stack(parts, axis=1) for parts in zip(*found, strict=True))
        if tested.sum() < 30:
            return None
        without, own = self._own_scale(errors, tested)
        values = (errors / without)[tested]
        moment = np.stack([self.moments[stop] for _o, stop in origins], axis=1)[tested]
        by_volume = self._quantiles(values, self.classes[np.nonzero(tested)[0]], self.count)
        by_moment = self._quantiles(values, moment, self.moment_count)
        mean = (by_volume[self.classes] + by_moment[self.moments[self.panel.width]]) / 2
        return FLATTERY * own * mean.T

    def _errors(self, o, stop, period):
        """Standardised errors of the backtest number `o` -> (n,), 0 where the series could not be tested; bool (n,) where it could."""
        panel = self.panel
        seen = panel.seen[:, stop : stop + period]
        share = self.indices[stop][:, np.arange(period) % panel.season]
        path = self.levels[stop] * (share * seen).sum(1)
        actual = panel.y[:, stop : stop + period].sum(1, dtype=np.float64)
        tested = self.tests.valid[:, o] & (path > 0) & (seen.mean(1) > 0.6)
        return tested * (actual - path) / np.sqrt(panel.dispersion * np.maximum(path, TINY)), tested

    def _own_scale(self, errors, tested):
        """How much larger a series' errors are than its class's, by root mean square shrunk to it -> without each test (n, O), with all (n,).

        An error is not measured by a scale that it is in, or large ones would look small.
        """
        square = np.clip(errors, -FAR, FAR) ** 2
        count = tested.sum(1)
        sums, tests = (np.bincount(self.classes, part, self.count) for part in (square.sum(1), count))
        usual = ((sums + TINY) / (tests + TINY))[self.classes]
        rest = (square.sum(1, keepdims=True) - square + OWN_TESTS * usual[:, None]) / (
            count[:, None] - tested + OWN_TESTS
        )
        whole = (square.sum(1) + OWN_TESTS * usual) / (count + OWN_TESTS)
        return np.sqrt(rest / usual[:, None]), np.sqrt(whole / usual)

    def _quantiles(self, values, member, count):
        """Quantiles of the values of each class, shrunk to the market's -> (count, Q)."""
        market = np.quantile(values, self.probabilities)
        out = np.tile(market, (count, 1))
        for k in range(count):
            inside = values[member == k]
            if len(inside):
                share = len(inside) / (len(inside) + CLASS_TESTS)
                out[k] = share * np.quantile(inside, self.probabilities) + (1 - share) * market
        return out


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
