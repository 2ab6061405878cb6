import unittest

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from odoo.addons.dms_forecast.tools import hierarchy, newcomers


class TestHierarchy(unittest.TestCase):
    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 10**6), st.integers(1, 30), st.integers(1, 5))
    def test_the_sum_lies_between_what_both_say(self, seed, n, g):
        random = np.random.default_rng(seed)
        below = random.gamma(0.3, 5, n) * (random.random(n) < 0.7)
        groups = np.sort(random.integers(0, g, n))
        above = random.gamma(1, 20, g)
        ratio = hierarchy.middle_out(
            below, groups, above, random.random(n), random.random(g), random.random(n)
        )
        added, moved = (hierarchy.sums(values, groups, g) for values in (below, below * ratio[groups]))
        self.assertTrue((ratio >= 0).all())
        some = added > 0
        self.assertTrue((moved[some] <= np.maximum(added, above)[some] * (1 + 1e-9)).all())
        self.assertTrue((moved[some] >= np.minimum(added, above)[some] * (1 - 1e-9)).all())
        self.assertTrue((ratio[~some] == 1).all())

    def test_the_surer_one_decides(self):
        below, above, groups = np.full(4, 5.0), np.array([40.0]), np.zeros(4, int)

        def total(below_error, above_error, selling):
            errors = np.full(4, below_error), np.array([above_error])
            return 20 * hierarchy.middle_out(below, groups, above, *errors, np.full(4, selling))[0]

        self.assertAlmostEqual(total(10.0, 0.01, 0.9), 40, places=2)
        self.assertAlmostEqual(total(0.01, 100.0, 0.9), 20, places=2)
        # who sells once in ten days knows nothing of the sum, whatever the tests say
        self.assertAlmostEqual(total(0.01, 100.0, 0.1), 40, places=2)


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

    def test_a_launch_counts_half_for_four_weeks_and_no_more_after_twelve(self):
        y = np.zeros((8, 200))
        first = np.array([20, 20, 20, 20, 20, 190, 140, 100])
        for row, begin in enumerate(first):
            y[row, begin:] = 4
        own = np.full((8, 28), 10.0)
        same = np.ones(8)
        point, share = newcomers.introduce(y, first, own, same, same, same)
        np.testing.assert_allclose(share, [1, 1, 1, 1, 1, 0.5, 0.5 + (60 - 28) / 112, 1])
        np.testing.assert_array_equal(point[[0, 7]], own[[0, 7]])
        np.testing.assert_allclose(point[5], 7, atol=0.1)  # between 10 and the neighbours' 4

    def test_nobody_to_learn_from(self):
        y = np.ones((3, 40))
        own = np.full((3, 7), 2.0)
        point, share = newcomers.introduce(y, np.zeros(3, int), own, *np.ones((3, 3)))
        self.assertIs(point, own)
        self.assertEqual(share.tolist(), [1, 1, 1])
