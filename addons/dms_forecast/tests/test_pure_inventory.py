import unittest

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.dms_forecast.tools import inventory

units = st.floats(0, 1e6)


class TestHealth(unittest.TestCase):
    def assess(self, stock, daily, lead=0.0, idle=0.0, transit=0.0):
        health = inventory.stock_health([stock], [transit], [daily], [lead], [idle])
        return health.status[0], health.score[0], health.cover[0], bool(health.slow[0])

    def test_each_status(self):
        self.assertEqual(self.assess(100, 5)[0], inventory.HEALTHY)
        self.assertEqual(self.assess(500, 5)[0], inventory.OVERSTOCK)
        self.assertEqual(self.assess(1000, 5)[0], inventory.SLOW)
        self.assertEqual(self.assess(100, 5, idle=61)[0], inventory.SLOW)
        self.assertEqual(self.assess(10, 5, lead=40)[0], inventory.STOCKOUT_RISK)
        self.assertEqual(self.assess(10, 5, lead=40, transit=40)[0], inventory.HEALTHY)

    def test_stock_without_demand_is_slow_and_none_is_healthy(self):
        self.assertEqual(
            self.assess(10, 0)[:1] + self.assess(10, 0)[2:], (inventory.SLOW, inventory.MAX_DAYS, True)
        )
        self.assertEqual(self.assess(0, 0), (inventory.HEALTHY, 100, 0, False))

    def test_of_a_negative_position_nothing_is_known(self):
        health = inventory.stock_health([-50, 0], [0, 0], [5, 5], [30, 30], [400, 0])
        self.assertEqual(health.status.tolist(), [inventory.UNKNOWN, inventory.STOCKOUT_RISK])
        self.assertEqual(np.isnan(health.score).tolist(), [True, False])
        self.assertFalse(health.slow.any())
        self.assertEqual(health.cover_loss[0] + health.idle_loss[0] + health.short_loss[0], 0)

    def test_thresholds_follow_the_policy(self):
        policy = inventory.HealthPolicy(overstock=10, slow_idle=5, slow_cover=20)
        health = inventory.stock_health([100, 60, 15], [0] * 3, [5, 4, 4], [0] * 3, [0, 0, 6], policy)
        self.assertEqual(health.status.tolist(), ["overstock", "overstock", "slow"])

    def test_each_row_can_have_thresholds_of_its_own(self):
        policy = inventory.HealthPolicy(
            np.array([60.0, 10.0]), np.array([60.0, 60.0]), np.array([180.0, 15.0])
        )
        health = inventory.stock_health([100, 100], [0, 0], [5, 5], [0, 0], [0, 0], policy)
        self.assertEqual(health.status.tolist(), ["healthy", "slow"])
        self.assertEqual(health.cover_loss.tolist(), [0, 50])

    @given(units, units, units, units, st.floats(0, 4000))
    def test_score_is_bounded_and_falls_with_idle_days(self, stock, transit, daily, lead, idle):
        health = inventory.stock_health(
            [stock, stock], [transit] * 2, [daily] * 2, [lead] * 2, [idle, idle + 30]
        )
        self.assertTrue(0 <= health.score[1] <= health.score[0] <= 100)
        self.assertTrue((health.cover <= inventory.MAX_DAYS).all())
        parts = 100 - health.cover_loss - health.idle_loss - health.short_loss
        np.testing.assert_allclose(health.score, np.maximum(parts, 0))

    @given(units, units)
    def test_sell_through_is_a_share(self, sold, stock):
        self.assertTrue(0 <= float(inventory.sell_through(sold, stock)) <= 1)


class TestClasses(unittest.TestCase):
    def test_by_hand(self):
        self.assertEqual(
            inventory.abc_classes([500, 300, 100, 60, 40, 0]).tolist(), ["A", "A", "B", "B", "C", "C"]
        )
        self.assertEqual(inventory.abc_classes([0, 0]).tolist(), ["C", "C"])
        self.assertEqual(inventory.abc_classes([1000, 1]).tolist(), ["A", "C"])
        self.assertEqual(
            inventory.xyz_classes([10, 10, 10, 0], [5, 10, 10.1, 0]).tolist(), ["X", "Y", "Z", "Z"]
        )

    @given(st.lists(st.integers(0, 10**6), min_size=1, max_size=40))
    def test_the_order_of_items_changes_no_class(self, value):
        classes = inventory.abc_classes(value)
        self.assertEqual(inventory.abc_classes(value[::-1]).tolist(), classes.tolist()[::-1])
        for one, its in zip(value, classes, strict=True):
            for other, others in zip(value, classes, strict=True):
                if one >= other:
                    self.assertLessEqual(its, others)


class TestOrderQuantity(unittest.TestCase):
    def test_by_hand(self):
        order = lambda *args: float(inventory.order_quantity(*args))  # noqa: E731
        self.assertEqual(order(50, 40, 100, 500, 12), 0)  # above the reorder point
        self.assertEqual(order(30, 40, 100, 500, 12), 72)  # 70 up to whole cases
        self.assertEqual(order(28, 40, 100, 500, 12), 72)  # exactly six cases
        self.assertEqual(order(28, 40, 100.0000000001, 500, 12), 72)
        self.assertEqual(order(30, 40, 100, 95, 12), 60)  # the guard rounds down
        self.assertEqual(order(30, 40, 100, 35, 12), 0)
        self.assertEqual(order(30, 40, 100, 500, 0), 70)  # loose units
        self.assertEqual(order(30, 40, 50, 500, 1, 24), 24)  # minimum order

    @given(units, units, units, units, st.integers(1, 500))
    def test_whole_packs_never_above_the_guard(self, available, reorder, target, cap, pack):
        quantity = float(inventory.order_quantity(available, reorder, target, cap, pack))
        self.assertGreaterEqual(quantity, 0)
        self.assertAlmostEqual(quantity / pack, round(quantity / pack), places=6)
        if quantity:
            self.assertLess(available, reorder)
            self.assertLessEqual(available + quantity, cap * (1 + 1e-9) + pack * 1e-6)
            self.assertLess(quantity - (target - available), pack * (1 + 1e-6))


class TestChangedEnough(unittest.TestCase):
    def test_noise_is_left_alone(self):
        self.assertEqual(
            inventory.changed_enough(
                [100, 100, 100, 0], [200] * 4, [105, 111, 105, 1], [200] * 4, [10, 10, 4, 0]
            ).tolist(),
            [False, True, True, True],
        )
