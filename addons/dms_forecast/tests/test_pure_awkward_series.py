import unittest

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from odoo.addons.dms_forecast.tools import forecast as engine


def market(n=40, days=210, level=6.0, seed=3):
    """Weekly demand of n series, all of about the same level."""
    week = np.array([1.2, 1.0, 0.9, 1.1, 1.3, 0.9, 0.6])[np.arange(days) % 7]
    return np.random.default_rng(seed).poisson(level * week, (n, days)).astype(float)


def total(y, mask=None, **kwargs):
    return engine.forecast(y, mask, horizon=28, **kwargs).point.sum(1)


class TestAwkwardSeries(unittest.TestCase):
    def test_late_report_is_not_a_fall_of_demand(self):
        y = market()
        mask = np.ones(y.shape, bool)
        mask[:5, -10:] = False
        hidden = np.where(mask, y, 0)
        np.testing.assert_allclose(total(hidden, mask)[:5], total(y)[:5], rtol=0.12)
        self.assertLess(total(hidden)[:5].sum(), 0.9 * total(y)[:5].sum(), "as zeros they would be one")

    def test_missing_report_in_the_middle(self):
        y = market()
        mask = np.ones(y.shape, bool)
        mask[:5, -49:-21] = False
        np.testing.assert_allclose(total(np.where(mask, y, 0), mask)[:5], total(y)[:5], rtol=0.12)

    def test_what_stands_under_a_mask_is_not_looked_at(self):
        y = market()
        mask = np.ones(y.shape, bool)
        mask[3, 100:140] = False
        wild = y.copy()
        wild[3, 100:140] = 9999
        self.assertEqual(total(y, mask).tobytes(), total(wild, mask).tobytes())

    def test_stock_out_does_not_lower_demand(self):
        y = market()
        out = np.zeros(y.shape, bool)
        out[:10, 3::4] = True  # sold out every fourth day
        limited = np.where(out, 0, y)
        seen = total(limited, ~out)[:10].sum()
        self.assertAlmostEqual(seen / total(y)[:10].sum(), 1.0, delta=0.08)
        self.assertLess(total(limited)[:10].sum(), 0.85 * seen)

    def test_negative_sales_are_no_demand(self):
        y = market()
        returned = y.copy()
        returned[0, [30, 150, 200]] = -500
        none = y.copy()
        none[0, [30, 150, 200]] = 0
        self.assertEqual(total(returned).tobytes(), total(none).tobytes())

    def test_a_single_sale(self):
        y = market()
        y[0] = 0
        y[0, 120] = 6
        result = engine.forecast(y, horizon=28)
        self.assertTrue(0 <= result.point[0].sum() < 6)
        self.assertLess(result.bands[result.quantiles.index(0.5), 0].max(), 0.05)

    def test_all_zeros_stay_zeros(self):
        result = engine.forecast(np.zeros((4, 200)), horizon=28)
        for values in (result.point, result.bands, result.cumulative):
            self.assertEqual(np.abs(values).max(), 0)

    def test_one_spike_is_no_new_level(self):
        y = market()
        spiked = y.copy()
        spiked[0, -9] = 3000
        self.assertLess(total(spiked)[0], 2.5 * total(y)[0])
        np.testing.assert_allclose(total(spiked)[1:].sum(), total(y)[1:].sum(), rtol=0.05)

    def test_cold_start(self):
        y = market()
        y[0, :-6] = 0
        self.assertTrue(0.4 < total(y)[0] / total(y)[1:].mean() < 1.7)

    def test_leap_day_is_a_day_like_any_other(self):
        """Arrays are by day, whatever the calendar makes of it: the weekday goes on over 29 February."""
        dates = np.arange(np.datetime64("2023-11-01"), np.datetime64("2024-03-04"))
        weekday = (dates.astype(int) + 3) % 7
        y = np.tile(np.array([1.0, 2, 3, 4, 5, 6, 0])[weekday], (3, 1)) * 10
        result = engine.forecast(y, dates=dates, horizon=14)
        ahead = (dates[-1].astype(int) + 1 + np.arange(14) + 3) % 7
        self.assertEqual(result.point[0].argmax() % 7, np.flatnonzero(ahead == 5)[0] % 7)
        self.assertLess(result.point[:, ahead == 6].max(), 3)

    def test_clock_changes_do_not_shift_the_week(self):
        """Two daylight-saving nights (29 October, 31 March) between history and horizon: days stay days."""
        dates = np.arange(np.datetime64("2023-10-01"), np.datetime64("2024-03-31"))
        sunday = (dates.astype(int) + 3) % 7 == 6
        y = np.where(sunday, 0.0, 8.0) * np.ones((3, 1))
        result = engine.forecast(y, dates=dates, horizon=7)
        ahead = (dates[-1].astype(int) + 1 + np.arange(7) + 3) % 7
        self.assertLess(result.point[:, ahead == 6].max(), 0.5)
        self.assertGreater(result.point[:, ahead != 6].min(), 6)

    @settings(max_examples=25, deadline=None)
    @given(st.integers(0, 10**6), st.integers(1, 12), st.integers(20, 160), st.floats(0.02, 20))
    def test_quantiles_ascend_and_nothing_is_negative(self, seed, n, days, level):
        y = market(n, days, level, seed)
        result = engine.forecast(y, horizon=14, periods=(7, 14))
        for values in (result.point, result.bands, result.cumulative):
            self.assertTrue(np.isfinite(values).all())
            self.assertGreaterEqual(values.min(), 0)
        self.assertTrue((np.diff(result.bands, axis=0) >= 0).all())
        self.assertTrue((np.diff(result.cumulative, axis=0) >= 0).all())
        self.assertTrue((np.diff(result.cumulative, axis=2) >= 0).all())

    @settings(max_examples=15, deadline=None)
    @given(st.integers(0, 10**6), st.sampled_from([2.0, 8.0, 64.0]))
    def test_scale_equivariance(self, seed, factor):
        """In cases instead of pieces the forecast is the same, where orders are larger than pieces in both."""
        y = market(30, 150, 5, seed) * 8
        one = engine.forecast(y, horizon=14).point
        many = engine.forecast(y * factor, horizon=14).point
        np.testing.assert_allclose(many.sum(), one.sum() * factor, rtol=0.02)

    @settings(max_examples=10, deadline=None)
    @given(st.integers(0, 10**6))
    def test_any_order_gives_the_same_bytes(self, seed):
        random = np.random.default_rng(seed)
        y, groups = market(50, 160, 3, seed), np.arange(50) % 4
        kinds = np.zeros(160 + 28, int)
        kinds[[40, 100, 165]] = 1
        drivers = random.random((50, 188, 1)) * (random.random((50, 188, 1)) < 0.2)
        shuffle = random.permutation(50)
        calendar = engine.Calendar(kinds)
        first = engine.forecast(y, groups=groups, calendar=calendar, drivers=drivers, horizon=28)
        second = engine.forecast(
            y[shuffle], groups=groups[shuffle], calendar=calendar, drivers=drivers[shuffle], horizon=28
        )
        self.assertEqual(first.point[shuffle].tobytes(), second.point.tobytes())
        self.assertEqual(first.bands[:, shuffle].tobytes(), second.bands.tobytes())
        self.assertEqual(first.cumulative[:, shuffle].tobytes(), second.cumulative.tobytes())
