import unittest

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odoo.addons.dms_portal.tools import chart

NUMBERS = st.floats(min_value=0, max_value=1e9, allow_nan=False)


class TestChart(unittest.TestCase):
    def test_nice_ceiling(self):
        for value, expected in (
            (0, 1),
            (-3, 1),
            (1, 1),
            (1.1, 2),
            (2.4, 2.5),
            (3, 5),
            (51, 100),
            (0.03, 0.05),
        ):
            self.assertAlmostEqual(chart.nice_ceiling(value), expected)

    def test_short_number(self):
        self.assertEqual(
            [chart.short_number(v) for v in (0, 12.5, 1500, 2e6, 1e9)], ["0", "12.5", "1.5k", "2M", "1G"]
        )

    def test_shares(self):
        self.assertEqual(chart.shares([50, -100, 0, 25.05]), [50.0, 100.0, 0.0, 25.1])
        self.assertEqual(chart.shares([0, 0.0]), [0.0, 0.0])
        self.assertEqual(chart.shares([]), [])

    def test_series_of_different_length(self):
        with self.assertRaises(ValueError):
            chart.weeks_chart(["a", "b"], [1], [1, 2])

    def test_nothing(self):
        drawn = chart.weeks_chart([], [], [])
        self.assertEqual((drawn["bars"], drawn["points"], drawn["labels"]), ([], "", []))

    @settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
    @given(
        st.lists(
            st.tuples(NUMBERS, NUMBERS, st.floats(min_value=-1e9, max_value=1e9)), min_size=1, max_size=60
        )
    )
    def test_everything_stays_inside(self, weeks):
        came, left, stock = map(list, zip(*weeks, strict=True))
        drawn = chart.weeks_chart([str(number) for number in range(len(weeks))], came, left, stock)
        for bar in drawn["bars"]:
            self.assertGreaterEqual(bar["x"], chart.LEFT)
            self.assertLessEqual(bar["x"] + bar["width"], chart.WIDTH)
            self.assertGreaterEqual(bar["y"], chart.TOP - 0.1)
            self.assertLessEqual(bar["y"] + bar["height"], chart.HEIGHT - chart.BOTTOM + 0.2)
        for point in drawn["points"].split():
            self.assertTrue(
                chart.TOP - 0.1 <= float(point.split(",")[1]) <= chart.HEIGHT - chart.BOTTOM + 0.1
            )
        self.assertLessEqual(len(drawn["labels"]), 8)

    @given(st.lists(st.integers(-500, 500), max_size=40))
    def test_a_line_below_zero_stays_inside_the_drawing(self, values):
        drawn = chart.line_chart([str(number) for number in range(len(values))], values)
        heights = [float(point.split(",")[1]) for point in drawn["points"].split()]
        self.assertTrue(all(chart.TOP <= y <= chart.HEIGHT - chart.BOTTOM for y in heights))
        for value, y in zip(values, heights, strict=True):
            self.assertGreaterEqual((drawn["zero"] - y) * value, 0)
