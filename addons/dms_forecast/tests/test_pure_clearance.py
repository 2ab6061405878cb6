import unittest

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.dms_forecast.tools.clearance import HOLD, OPTIONS, Terms, cents, clearance

amounts = st.floats(0.01, 1e6)


def options(surplus, daily, price, moved, freight=0, **terms):
    result = clearance([surplus], [daily], [price], [moved], freight, 7, Terms(**terms))
    return result, {name: row for row, name in enumerate(OPTIONS)}


class TestClearance(unittest.TestCase):
    def test_by_hand(self):
        result, row = options(365, 1, 10, 100, 30)
        # 365 units lie half a year on average: 182.5 * 10 * 0.24
        self.assertEqual(result.cost[row["hold"], 0], 438.0)
        self.assertEqual(result.days[row["hold"], 0], 365)
        self.assertEqual(result.cash[row["hold"], 0], 3650)
        # 365 in 30 days are 12.2 times what is sold: no discount of at most 40 % does that
        self.assertTrue(np.isinf(result.cost[row["promote"], 0]))
        self.assertAlmostEqual(result.uplift[0], 365 / 30 - 1)
        # 100 go for a freight of 30; 265 are held: 132.5 * 10 * 0.24 * 265 / 365
        self.assertEqual(result.quantity[row["transfer"], 0], 100)
        self.assertEqual(result.cost[row["transfer"], 0], 30 + 230.88)
        self.assertEqual(result.cash[row["transfer"], 0], 3650 - 30)
        self.assertEqual(result.cost[row["return"], 0], 365)
        self.assertEqual(OPTIONS[result.best[0]], "transfer")

    def test_promotion_by_hand(self):
        result, row = options(60, 1, 10, 0, fee=0.5, holding=3.0)
        # twice the sales for a month: 1 - 2 ** -0.5 off 600, and 30 units lie for 30 days
        self.assertAlmostEqual(result.uplift[0], 1)
        self.assertAlmostEqual(result.discount[0], 0.29289, 5)
        self.assertEqual(
            result.cost[row["promote"], 0], float(cents(600 * (1 - 0.5**0.5) + 900 * 30 / 365, 2))
        )
        self.assertEqual(OPTIONS[result.best[0]], HOLD)

    def test_without_demand_only_moving_helps(self):
        result, row = options(50, 0, 4, 20, 3)
        self.assertTrue(np.isinf(result.cost[[row["hold"], row["promote"], row["transfer"]], 0]).all())
        self.assertEqual(OPTIONS[result.best[0]], "return")
        result, row = options(50, 0, 4, 50, 6)
        self.assertEqual(OPTIONS[result.best[0]], "transfer")
        self.assertEqual(result.cost[row["transfer"], 0], 6)

    def test_a_yen_has_no_cents(self):
        result = clearance([333], [1], [7], [0], 0, 7, digits=0)
        finite = result.cost[np.isfinite(result.cost)]
        np.testing.assert_array_equal(finite, np.round(finite))

    @given(amounts, st.one_of(st.just(0.0), amounts), amounts, st.floats(0, 1e6), st.floats(0, 1e6))
    def test_the_best_is_the_cheapest_that_can_be_done(self, surplus, daily, price, moved, freight):
        result, _row = options(surplus, daily, price, moved, freight)
        cheapest = result.cost[result.best[0], 0]
        self.assertTrue(np.isfinite(cheapest))
        self.assertEqual(cheapest, result.cost[:, 0].min())
        self.assertTrue((result.cash[:, 0] <= cents(surplus * price, 2) + 1e-6).all())

    @given(st.floats(-1e9, 1e9), st.integers(0, 3))
    def test_rounding_is_odd_and_near(self, money, digits):
        rounded = cents(money, digits)
        self.assertEqual(cents(-money, digits), -rounded)
        self.assertLessEqual(abs(rounded - money), 0.5 * 10.0**-digits + 1e-6)
