import unittest

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from odoo.addons.dms_forecast.tools.override import Change, adjust

PERIODS = (3, 7, 14)


def forecast(daily, horizon=7):
    """A forecast of some series with the same demand each day, half to twice of it in nine of ten."""
    daily = np.asarray(daily, float)
    point = np.repeat(daily[:, None], horizon, 1)
    bands = np.stack([point / 2, point, point * 2])
    expected = daily[:, None] * np.array(PERIODS, float)
    return point, bands, expected, np.stack([expected / 2, expected, expected * 2])


class TestOverride(unittest.TestCase):
    def test_a_share_of_some_days(self):
        point, bands, expected, cumulative = forecast([10, 4])
        rows = np.array([True, False])
        [(before, after)] = adjust(
            point, bands, expected, cumulative, PERIODS, [Change(rows, 1, 2, share=0.5)]
        )
        self.assertEqual(point[0].tolist(), [10, 15, 15, 10, 10, 10, 10])
        self.assertEqual(point[1].tolist(), [4] * 7)
        self.assertEqual((before.tolist(), after.tolist()), ([20, 0], [30, 0]))
        self.assertEqual(bands[:, 0, 1].tolist(), [7.5, 15, 30])
        self.assertEqual(expected[0].tolist(), [40, 80, 150])
        self.assertEqual(cumulative[:, 0, 0].tolist(), [20, 40, 80])
        self.assertEqual(expected[1].tolist(), [12, 28, 56])

    def test_a_total_where_nothing_was_expected(self):
        point, bands, expected, cumulative = forecast([0])
        adjust(point, bands, expected, cumulative, PERIODS, [Change(np.array([True]), 0, 6, total=70)])
        self.assertEqual(point[0].tolist(), [10] * 7)
        self.assertEqual(bands[:, 0, 0].tolist(), [10, 10, 10])
        self.assertEqual(expected[0].tolist(), [30, 70, 70])
        self.assertEqual(cumulative[2, 0].tolist(), [30, 70, 70])

    def test_one_after_the_other(self):
        point, bands, expected, cumulative = forecast([10])
        all_rows = np.array([True])
        adjust(
            point, bands, expected, cumulative, PERIODS,
            [Change(all_rows, 0, 6, share=0.1), Change(all_rows, 0, 6, share=-0.5), Change(all_rows, 5, 6, total=4)],
        )  # fmt: skip
        np.testing.assert_allclose(point[0], [5.5] * 5 + [2, 2])

    @settings(max_examples=200, deadline=None)
    @given(
        st.lists(st.integers(0, 50), min_size=1, max_size=4),
        st.lists(
            st.tuples(
                st.integers(0, 6),
                st.integers(0, 6),
                st.booleans(),
                st.integers(-100, 300),
                st.integers(0, 500),
            ),
            max_size=4,
        ),
    )
    def test_sums_agree(self, daily, drawn):
        point, bands, expected, cumulative = forecast(daily)
        rows = np.ones(len(daily), bool)
        changes = [
            Change(rows, min(a, b), max(a, b), **({"share": share / 100} if is_share else {"total": total}))
            for a, b, is_share, share, total in drawn
        ]
        adjust(point, bands, expected, cumulative, PERIODS, changes)
        self.assertTrue((point >= 0).all())
        np.testing.assert_allclose(expected[:, 0], point[:, :3].sum(1), atol=1e-6)
        np.testing.assert_allclose(expected[:, 1], point.sum(1), atol=1e-6)
        np.testing.assert_allclose(expected[:, 2], point.sum(1) + 7 * np.array(daily), atol=1e-6)
        self.assertTrue((np.diff(cumulative, axis=2) >= -1e-9).all(), "more days, no less demand")
        self.assertTrue((np.diff(bands, axis=0) >= -1e-9).all())
