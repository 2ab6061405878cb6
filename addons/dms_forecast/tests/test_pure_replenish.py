import unittest

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from odoo.addons.dms_forecast.tools import replenish
from odoo.addons.dms_forecast.tools.forecast import cumulative_quantile

PROBABILITIES = [0.1, 0.5, 0.9, 0.98]
PERIODS = [10, 20]
CUMULATIVE = np.array([[[5.0, 12.0]], [[10.0, 20.0]], [[15.0, 28.0]], [[20.0, 35.0]]])


class TestLeadTime(unittest.TestCase):
    def test_without_deliveries_the_rule_counts(self):
        lengths, weights = replenish.lead_time_weights([], [], 2, [5, 7])
        self.assertEqual(lengths.tolist(), [5, 7])
        np.testing.assert_allclose(weights, [[1, 0], [0, 1]])

    def test_own_deliveries_outweigh_the_companys(self):
        member = np.array([0] * 50 + [1] * 50)
        days = np.array([3] * 50 + [9] * 50)
        lengths, weights = replenish.lead_time_weights(member, days, 3, [5, 5, 5])
        mean = weights @ lengths
        self.assertLess(mean[0], 3.5)
        self.assertGreater(mean[1], 8.5)
        self.assertAlmostEqual(mean[2], 6, delta=0.1)
        np.testing.assert_allclose(weights.sum(1), 1)

    def test_a_mixture_lies_between_its_lengths_and_above_its_mean_length(self):
        def of(lengths, weights, level):
            return replenish.mixed_quantile(
                CUMULATIVE, PROBABILITIES, PERIODS, level, np.array(lengths), np.array([weights])
            )[0]

        short, long = of([10], [1.0], 0.9), of([20], [1.0], 0.9)
        mixed = of([10, 20], [0.5, 0.5], 0.9)
        self.assertEqual((short, long), (15, 28))
        self.assertTrue(short < mixed < long)
        self.assertGreater(mixed, of([15], [1.0], 0.9), "an uncertain delivery needs more than a sure one")
        self.assertAlmostEqual(of([10, 20], [1.0, 0.0], 0.9), 15)
        self.assertAlmostEqual(of([10, 20], [1e-12, 1.0], 0.9), 28, places=4)

    @given(st.floats(0.1, 0.98), st.floats(0, 1))
    @settings(max_examples=50)
    def test_the_mixture_is_reached_with_the_probability_asked_for(self, level, share):
        weights = np.array([[share, 1 - share]])
        value = replenish.mixed_quantile(
            CUMULATIVE, PROBABILITIES, PERIODS, level, np.array([10, 20]), weights
        )
        lows = [
            cumulative_quantile(CUMULATIVE, PROBABILITIES, PERIODS, level, length)[0] for length in (10, 20)
        ]
        self.assertTrue(min(lows) - 1e-6 <= value[0] <= max(lows) + 1e-6)

    def test_critical_ratio(self):
        self.assertAlmostEqual(float(replenish.critical_ratio(9, 1)), 0.9)
        self.assertEqual(float(replenish.critical_ratio(0, 0)), 0)


amounts = st.lists(
    st.tuples(st.integers(0, 20), st.integers(1, 12), st.integers(0, 50), st.integers(1, 9)),
    min_size=1,
    max_size=6,
)


class TestTruck(unittest.TestCase):
    def test_filled_by_urgency(self):
        quantity = replenish.fill_up([12, 0], [12, 10], [100, 100], [0, 5], [6, 1], [1, 1], 40)
        # the first lasts 2 days, then 4, then 6; the second 5
        self.assertEqual(quantity.tolist(), [36, 10])
        # it was 12 (2 days) -> 24 (4) -> 36 (6), then the second at 5 days -> 46 in all
        self.assertGreaterEqual(quantity.sum(), 40)

    def test_nothing_above_the_room_or_the_truck(self):
        self.assertEqual(replenish.fill_up([0], [10], [25], [0], [1], [1], 100).tolist(), [20])
        self.assertEqual(replenish.fill_up([0], [10], [100], [0], [1], [2], 70, most=70).tolist(), [30])

    @given(amounts, st.integers(0, 500))
    def test_cut_down_keeps_the_limit_in_whole_packs(self, rows, most):
        packs, pack, available, daily = (np.array(column, float) for column in zip(*rows, strict=True))
        quantity = packs * pack
        cut = replenish.cut_down(quantity, pack, available, daily, np.ones(len(rows)), most)
        self.assertLessEqual(cut.sum(), max(most, 0) + 1e-6)
        self.assertTrue((cut <= quantity).all())
        np.testing.assert_allclose(cut / pack, np.round(cut / pack))
        if quantity.sum() <= most:
            np.testing.assert_array_equal(cut, quantity)

    @given(amounts, st.integers(0, 500))
    def test_filling_never_takes_away(self, rows, goal):
        packs, pack, available, daily = (np.array(column, float) for column in zip(*rows, strict=True))
        quantity, room = packs * pack, packs * pack + 40
        filled = replenish.fill_up(quantity, pack, room, available, daily, np.ones(len(rows)), goal)
        self.assertTrue((filled >= quantity).all() and (filled <= room + 1e-9).all())
