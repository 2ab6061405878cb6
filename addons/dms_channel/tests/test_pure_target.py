import unittest
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.dms_channel.tools import target

days = st.dates(date(2020, 1, 1), date(2030, 12, 31))


class TestTarget(unittest.TestCase):
    @given(
        cents=st.integers(0, 10**12),
        weights=st.dictionaries(st.integers(1, 12), st.floats(0, 1e9)),
        digits=st.sampled_from([0, 2, 3]),
    )
    def test_months_add_up_to_the_year(self, cents, weights, digits):
        amount = cents / 10**digits
        months = target.spread(amount, weights, digits)
        self.assertEqual(list(months), list(range(1, 13)))
        self.assertTrue(all(value >= 0 for value in months.values()))
        self.assertEqual(sum(round(value * 10**digits) for value in months.values()), cents)

    @given(first=days, length=st.integers(0, 1000), cut=st.integers(0, 1000))
    def test_a_period_is_the_sum_of_its_parts(self, first, length, cut):
        months = {month: 100.0 + month for month in range(1, 13)}
        last = first + timedelta(days=length)
        middle = first + timedelta(days=min(cut, length))
        parts = target.due(months, first, middle) + target.due(months, middle + timedelta(days=1), last)
        self.assertAlmostEqual(target.due(months, first, last), parts)

    def test_a_whole_year_is_the_years_target(self):
        months = target.spread(1000.0, {})
        self.assertAlmostEqual(target.due(months, date(2024, 1, 1), date(2024, 12, 31)), 1000.0)
        self.assertAlmostEqual(target.due(months, date(2023, 7, 1), date(2024, 6, 30)), 1000.0)
        half = target.due({2: 28.0}, date(2023, 2, 1), date(2023, 2, 14))
        self.assertAlmostEqual(half, 14.0)

    def test_run_rate_follows_the_season(self):
        first, last = date(2023, 1, 1), date(2023, 12, 31)
        flat = target.spread(1200.0, {})
        self.assertAlmostEqual(target.expected(300.0, flat, first, date(2023, 3, 31), last), 1200.0)
        # Three quarters of the year are sold in its first quarter: as much again may not be expected.
        early = target.spread(1200.0, {1: 3, 2: 3, 3: 3, 12: 3})
        self.assertAlmostEqual(target.expected(900.0, early, first, date(2023, 3, 31), last), 1200.0)
        self.assertEqual(target.expected(77.0, early, first, last, last), 77.0)
        none = target.spread(0.0, {})
        self.assertAlmostEqual(target.expected(90.0, none, first, date(2023, 3, 31), last), 365.0)

    def test_months_of_the_past_year(self):
        months = list(target.past_months(date(2024, 3, 15)))
        self.assertEqual(months[0], (2, date(2024, 2, 1), date(2024, 2, 29)))
        self.assertEqual(months[-1], (3, date(2023, 3, 1), date(2023, 3, 31)))
        self.assertEqual({month for month, _first, _last in months}, set(range(1, 13)))
