import unittest

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from odoo.addons.dms_forecast.tools import hierarchy, newcomers


class TestHierarchy(unittest.TestCase):
    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 10**6), st.integers(1, 30), st.integers(1, 5))
    def test_totals_agree(self, seed, n, g):
        random = np.random.default_rng(seed)
        below = random.gamma(0.3, 5, (n, 9)) * (random.random((n, 9)) < 0.7)
        groups = np.sort(random.integers(0, g, n))
        above = random.gamma(1, 20, (g, 9))
        series, total = hierarchy.reconcile(below, groups, above, random.random(n), random.random(g))
        self.assertTrue((series >= 0).all())
        kept = np.bincount(groups, minlength=g) > 0
        np.testing.assert_allclose(hierarchy.sums(series, groups, g)[kept], total[kept], atol=1e-6)
        np.testing.assert_array_equal(total[~kept], above[~kept])

    @settings(max_examples=30, deadline=None)
    @given(st.integers(0, 10**6))
    def test_a_tree_agrees_on_every_level(self, seed):
        random = np.random.default_rng(seed)
        region = np.sort(random.integers(0, 3, 24))
        region[:3] = 0, 1, 2
        region.sort()
        city = region * 2 + (np.arange(24) % 2)
        city = np.unique(city, return_inverse=True)[1]
        levels = [np.zeros(24, int), region, city]
        forecasts = [random.gamma(2, 50 / count, (count, 7)) for count in (1, 3, city.max() + 1)]
        errors = [random.random(len(f)) for f in forecasts] + [random.random(24)]
        top, regions, cities, series = hierarchy.reconcile_tree(
            random.gamma(1, 3, (24, 7)), levels, forecasts, errors
        )
        for names, level in zip(levels, (top, regions, cities), strict=True):
            np.testing.assert_allclose(hierarchy.sums(series, names, len(level)), level, atol=1e-6)

    def test_the_surer_one_decides(self):
        below, above = np.full((4, 2), 5.0), np.full((1, 2), 40.0)
        groups = np.zeros(4, int)
        sure = hierarchy.reconcile(below, groups, above, np.full(4, 10.0), np.array([0.01]))[1]
        unsure = hierarchy.reconcile(below, groups, above, np.full(4, 0.01), np.array([100.0]))[1]
        np.testing.assert_allclose(sure, 40, rtol=1e-3)
        np.testing.assert_allclose(unsure, 20, rtol=1e-3)


class TestNewcomers(unittest.TestCase):
    def test_neighbours_share_category_price_and_reach(self):
        closest, weight = newcomers.neighbours(
            [1],
            [10.0],
            [50],
            np.array([1, 1, 2, 1]),
            np.array([10.0, 90.0, 10.0, 11.0]),
            np.array([50, 50, 50, 48]),
            count=2,
        )
        self.assertEqual(set(closest[0].tolist()), {0, 3})
        self.assertAlmostEqual(weight.sum(), 1)

    def test_weight_moves_to_own_sales(self):
        y = np.zeros((6, 140))
        y[:, 40:] = np.linspace(2, 6, 100)  # a launch that grows for fourteen weeks
        profiles = newcomers.launch_profile(y, np.full(6, 40), 14)
        closest, weight = np.tile(np.arange(6), (3, 1)), np.full((3, 6), 1 / 6)
        told = profiles[0, :5].sum() * 7
        path, own = newcomers.newcomer_path(
            np.array([0.0, told, 3 * told]), np.ones(3), np.array([0, 35, 35]), profiles, closest, weight, 28
        )
        self.assertEqual(own[0], 0)
        np.testing.assert_allclose(path[0, :7], profiles[0, 0], rtol=1e-6)
        np.testing.assert_allclose(path[1, :7], profiles[0, 5], rtol=1e-6)
        self.assertTrue(2.5 < path[2].sum() / path[1].sum() < 3.0)
        self.assertGreater(own[1], 0.8)

    def test_silence_is_an_end_only_where_it_is_no_chance(self):
        y, seen = np.zeros((3, 300)), np.ones((3, 300), bool)
        y[0, :240:2] = 5  # sold every second day, then no more
        y[1, ::50] = 5  # seldom
        y[2, :240:2] = 5
        seen[2, 240:] = False  # no reports
        y[1, 250:] = 0
        self.assertEqual(newcomers.ended(y, seen).tolist(), [True, False, False])
