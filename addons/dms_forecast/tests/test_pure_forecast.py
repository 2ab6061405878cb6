import unittest

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from odoo.addons.dms_forecast.tools import combination, pgcopy
from odoo.addons.dms_forecast.tools import forecast as engine
from odoo.addons.dms_forecast.tools.panel import Panel


def market(n=60, days=240, seed=5):
    """Seasonal, growing, intermittent demand of n series, with Sundays closed."""
    random = np.random.default_rng(seed)
    level = random.gamma(1.0, 4.0, (n, 1)) + 0.05
    week = np.array([1.2, 1.0, 0.9, 1.1, 1.3, 0.5, 0.0])[np.arange(days) % 7]
    growth = np.linspace(0.9, 1.1, days)
    return random.poisson(level * week * growth).astype(float)


class TestForecast(unittest.TestCase):
    def test_flat_demand_is_found_again(self):
        result = engine.forecast(np.full((3, 120), 5.0), horizon=30)
        np.testing.assert_allclose(result.point, 5.0, rtol=1e-3)
        np.testing.assert_allclose(result.expected[:, result.periods.index(30)], 150.0, rtol=1e-3)

    def test_weekday_pattern_reaches_the_horizon(self):
        y = market()
        result = engine.forecast(y, horizon=14)
        total = result.point.sum(0)
        phase = (y.shape[1] + np.arange(14)) % 7
        self.assertLess(total[phase == 6].max(), 0.05 * total[phase == 0].min())
        self.assertAlmostEqual(result.point.sum() / 2, y[:, -28:].sum() / 4, delta=0.1 * y[:, -28:].sum() / 4)

    def test_same_bytes_whatever_the_order(self):
        y = market()
        groups = np.arange(len(y)) % 3
        first = engine.forecast(y, horizon=30, groups=groups)
        shuffle = np.random.default_rng(1).permutation(len(y))
        second = engine.forecast(y[shuffle], horizon=30, groups=groups[shuffle])
        self.assertEqual(first.point[shuffle].tobytes(), second.point.tobytes())
        self.assertEqual(first.bands[:, shuffle].tobytes(), second.bands.tobytes())
        self.assertEqual(first.cumulative[:, shuffle].tobytes(), second.cumulative.tobytes())
        self.assertEqual(first.point.tobytes(), engine.forecast(y, horizon=30, groups=groups).point.tobytes())

    def test_awkward_series_give_finite_answers(self):
        days = 200
        y = np.zeros((8, days))
        y[1, 100] = 7  # a single sale
        y[2] = -3  # returns booked as sales
        y[3, ::2], y[3, 50] = 2, 5000  # one spike
        y[4, -3:] = 4  # cold start
        y[5, :60] = 6  # ended long ago
        y[6] = np.nan
        y[7] = 3
        result = engine.forecast(y, horizon=30)
        for values in (result.point, result.bands, result.cumulative, result.expected, result.weights):
            self.assertTrue(np.isfinite(values).all())
            self.assertTrue((values >= 0).all())
        self.assertEqual(result.point[0].sum(), 0)
        self.assertEqual(result.point[2].sum(), 0)
        self.assertLess(result.point[3].mean(), 20, "one spike must not carry the forecast away")
        self.assertGreater(result.point[4].sum(), 0)
        self.assertLess(result.point[5].sum(), 10)

    def test_masked_days_are_unknown_not_zero(self):
        y = market(n=40, days=210)
        mask = np.ones(y.shape, bool)
        mask[:20, -56:-42] = False
        hidden = np.where(mask, y, 0)
        with_mask = engine.forecast(hidden, mask, horizon=28)
        plain = engine.forecast(y, np.ones(y.shape, bool), horizon=28)
        as_zero = engine.forecast(hidden, np.ones(y.shape, bool), horizon=28)
        gap = abs(with_mask.point[:20].sum() - plain.point[:20].sum())
        self.assertLess(gap, abs(as_zero.point[:20].sum() - plain.point[:20].sum()))

    def test_closed_market_days_are_masked_by_themselves(self):
        y = market(n=80, days=280)
        y[:, 140:147] = 0  # holidays
        result = engine.forecast(y, horizon=28)
        self.assertTrue(result.masked[[140, 141, 143, 144]].all())
        self.assertLess(result.masked.sum(), 12)

    def test_quantiles_ascend_and_cover(self):
        y = market(n=200, days=308)
        actual, history = y[:, -28:], y[:, :-28]
        result = engine.forecast(history, horizon=28, quantiles=(0.05, 0.5, 0.95), periods=(28,))
        self.assertTrue((np.diff(result.bands, axis=0) >= 0).all())
        self.assertTrue((np.diff(result.cumulative, axis=0) >= 0).all())
        total = actual.sum(1)
        covered = ((total >= result.cumulative[0, :, 0]) & (total <= result.cumulative[2, :, 0])).mean()
        self.assertGreater(covered, 0.82)
        # a day's bands added up are far wider than the band of the sum
        self.assertLess(result.cumulative[2, :, 0].sum(), result.bands[2].sum())

    def test_weights_are_a_distribution_and_tests_are_reported(self):
        result = engine.forecast(market(), horizon=30)
        np.testing.assert_allclose(result.weights.sum(1), 1.0, atol=1e-5)
        self.assertEqual(result.weights.shape[1], len(result.candidates))
        self.assertGreater(result.backtests, 5)
        self.assertTrue((np.abs(result.signed) <= result.error + 1e-6).all())

    def test_short_history_still_answers(self):
        for days in (1, 3, 10, 25):
            result = engine.forecast(np.full((2, days), 2.0), horizon=30)
            self.assertTrue(np.isfinite(result.point).all())
            self.assertEqual(result.backtests, 0)
        self.assertAlmostEqual(float(result.point.mean()), 2.0, delta=0.3)

    def test_no_series(self):
        result = engine.forecast(np.zeros((0, 50)), horizon=5)
        self.assertEqual(result.point.shape, (0, 5))

    def test_bad_input_is_refused_in_words(self):
        y = np.ones((2, 30))
        for kwargs in (
            {"y": np.ones(3)},
            {"y": y, "mask": np.ones((2, 3))},
            {"y": y, "horizon": 0},
            {"y": y, "quantiles": (0.5, 0.1)},
            {"y": y, "quantiles": ()},
            {"y": y, "dates": np.arange(3)},
        ):
            with self.assertRaises(ValueError):
                engine.forecast(**kwargs)

    @settings(max_examples=25, deadline=None)
    @given(
        st.lists(st.lists(st.integers(0, 30), min_size=70, max_size=70), min_size=1, max_size=6),
        st.floats(0.5, 50),
    )
    def test_scale_carries_through(self, rows, factor):
        """Twice the units, twice the expected demand (dispersion, and so the shrinkage, knows units only roughly)."""
        y = np.array(rows, float)
        one, many = engine.forecast(y, horizon=14), engine.forecast(y * factor, horizon=14)
        self.assertTrue(np.isfinite(many.point).all())
        self.assertTrue((one.point >= 0).all())
        self.assertEqual((one.point.sum(1) == 0).tolist(), (many.point.sum(1) == 0).tolist())


class TestCumulativeQuantile(unittest.TestCase):
    def test_grid_points_and_between(self):
        grid = np.array([[[10.0, 20.0]], [[20.0, 40.0]]])  # probabilities 0.5, 0.9; periods 10, 20
        ask = lambda p, days: engine.cumulative_quantile(grid, (0.5, 0.9), (10, 20), p, days)[0]  # noqa: E731
        self.assertAlmostEqual(ask(0.5, 10), 10)
        self.assertAlmostEqual(ask(0.9, 20), 40)
        self.assertAlmostEqual(ask(0.7, 15), 22.5)
        self.assertAlmostEqual(ask(0.99, 10), 20)
        self.assertAlmostEqual(ask(0.5, 0), 0)
        self.assertAlmostEqual(ask(0.5, 30), 30)

    def test_each_series_its_own_length(self):
        grid = np.ones((1, 3, 2)) * np.array([7.0, 14.0])
        result = engine.cumulative_quantile(grid, (0.5,), (7, 14), 0.5, np.array([7, 10, 14]))
        np.testing.assert_allclose(result, [7, 10, 14])


class TestSimplexWeights(unittest.TestCase):
    def test_better_candidate_gets_the_weight(self):
        gram = np.array([[[1.0, 0.0], [0.0, 4.0]]])
        weights = combination.simplex_weights(gram, np.full((1, 2), 0.5), steps=400)
        np.testing.assert_allclose(weights[0], [0.8, 0.2], atol=0.01)

    def test_a_lasting_shortfall_of_the_total_is_mended_and_a_passing_one_is_not(self):
        days, horizon = 210, 14
        stops = (189, 168, 147)

        def corrected(sold):
            panel = Panel(sold, np.ones_like(sold, bool), np.zeros(len(sold), np.int64), 7)
            tests = combination.Backtests(panel, stops, horizon, ("only",))
            tests.valid[:] = True
            levels = {stop: np.full(len(sold), 4.0) for stop in (*stops, days)}
            indices = {stop: np.ones((len(sold), 7)) for stop in levels}
            volume = np.ones(len(sold))
            return combination.calibrate(tests, levels, indices, levels, volume)[days]

        sold = np.full((40, days), 5.0, np.float32)
        np.testing.assert_allclose(corrected(sold), 5.0, rtol=0.01)
        for stop, demand in zip(stops, (6.0, 4.0, 2.0), strict=True):
            sold[:, stop : stop + horizon] = demand
        np.testing.assert_allclose(corrected(sold), 4.0, rtol=0.05)

    def test_exact_solution(self):
        gram = np.array([[1.0, 0.0], [0.0, 4.0]])
        np.testing.assert_allclose(combination.best_weights(gram), [0.8, 0.2], atol=1e-3)


class TestPgCopy(unittest.TestCase):
    @given(
        st.lists(
            st.tuples(st.integers(-(2**31), 2**31 - 1), st.floats(allow_nan=False, allow_infinity=False))
        )
    )
    def test_round_trip(self, rows):
        columns = [np.array([row[0] for row in rows], np.int32), np.array([row[1] for row in rows], float)]
        back = pgcopy.unpack(pgcopy.pack(columns, (">i4", ">f8")), (">i4", ">f8"))
        for mine, theirs in zip(columns, back, strict=True):
            np.testing.assert_array_equal(mine, theirs)

    def test_other_layout_is_refused(self):
        data = pgcopy.pack([np.arange(3), np.arange(3)], (">i4", ">i4"))
        with self.assertRaises(ValueError):
            pgcopy.unpack(data, (">i4", ">f8"))
        with self.assertRaises(ValueError):
            pgcopy.unpack(b"nonsense", (">i4",))
