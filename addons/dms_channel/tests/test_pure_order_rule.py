import unittest

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.dms_channel.tools import order_rule

AMOUNTS = st.lists(st.floats(0, 1e7), min_size=1, max_size=40)


class TestOrderRuleArithmetic(unittest.TestCase):
    @given(AMOUNTS, st.floats(0.5, 10), st.randoms())
    def test_usual_size_does_not_depend_on_the_order_of_the_orders(self, amounts, factor, chance):
        shuffled = list(amounts)
        chance.shuffle(shuffled)
        self.assertEqual(order_rule.usual(amounts, factor), order_rule.usual(shuffled, factor))

    @given(AMOUNTS, st.floats(0.5, 10))
    def test_median_order_is_of_the_usual_size(self, amounts, factor):
        middle, spread, most = order_rule.usual(amounts, factor)
        self.assertLessEqual(min(amounts), middle)
        self.assertLessEqual(middle, max(amounts))
        self.assertGreaterEqual(spread, 0)
        self.assertGreaterEqual(most, middle)

    @given(st.lists(st.floats(1, 100), min_size=5, max_size=40), st.floats(1e6, 1e9))
    def test_one_giant_order_hardly_moves_what_is_usual(self, amounts, giant):
        self.assertLess(order_rule.usual([*amounts, giant], 3.0)[2], 1000)

    @given(st.floats(0, 1e6), st.floats(0.01, 1e4), st.floats(0, 1e6))
    def test_cover_grows_with_the_quantity(self, quantity, daily, more):
        days = order_rule.days_of_cover(quantity, daily)
        self.assertLessEqual(days, order_rule.days_of_cover(quantity + more, daily))
        self.assertLessEqual(days, order_rule.ENDLESS)

    @given(st.floats(1, 1e6))
    def test_what_nobody_buys_lasts_for_ever_and_nothing_lasts_no_day(self, quantity):
        self.assertEqual(order_rule.days_of_cover(quantity, 0), order_rule.ENDLESS)
        self.assertEqual(order_rule.days_of_cover(0, quantity), 0)
        self.assertEqual(order_rule.days_of_cover(-quantity, 0), 0)

    @given(st.integers(0, 1000), st.integers(1, 100))
    def test_next_multiple_is_the_smallest_that_is_enough(self, value, size):
        multiple = order_rule.next_multiple(value, size)
        self.assertEqual(multiple % size, 0)
        self.assertGreaterEqual(multiple, max(value, size))
        self.assertTrue(multiple - size < value or multiple == size)

    @given(
        st.tuples(st.integers(0, 100), st.integers(0, 100)).filter(
            lambda bounds: not bounds[1] or bounds[0] <= bounds[1]
        ),
        st.integers(0, 200),
    )
    def test_bound_of_zero_does_not_exist(self, bounds, value):
        low, high = bounds
        outside = order_rule.is_outside(value, low, high, lambda a, b: a - b)
        self.assertEqual(outside, value < low or bool(high and value > high))
