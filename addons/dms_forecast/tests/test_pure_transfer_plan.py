import itertools
import unittest

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from ..tools import transfer_plan


def brute_force(surplus, size, gain, lane_cost, allowed, relief, lot, handling, plant_cost, plant_stock):
    """The greatest gain of one product, by trying every whole number of packs on every lane."""
    n = len(surplus)
    takers = [j for j in range(n) if surplus[j] < 1 and size[j].sum()]
    arcs = [
        (i, j)
        for i in range(n)
        for j in takers
        if surplus[i] >= 1 and allowed[i, j] and np.isfinite(lane_cost[i, j])
    ]
    worth = {j: np.concatenate([[0], np.cumsum(np.repeat(gain[j], size[j]))]) for j in takers}
    choices = [[0, *range(max(lot, 1), int(min(surplus[i], size[j].sum())) + 1)] for i, j in arcs]
    best = 0.0
    for amounts in itertools.product(*choices):
        left = np.zeros(n)
        came = dict.fromkeys(takers, 0)
        cost = 0.0
        for (i, j), amount in zip(arcs, amounts, strict=True):
            left[i] += amount
            came[j] += amount
            cost += amount * (lane_cost[i, j] - relief[i]) + (handling if amount else 0)
        if (left > surplus).any() or any(came[j] >= len(worth[j]) for j in takers):
            continue
        earned = sum(worth[j][came[j]] for j in takers) - cost
        # the plant adds what still pays, the best pack first
        rest = sorted(
            (g - plant_cost[j] for j in takers for g in np.repeat(gain[j], size[j])[came[j] :]),
            reverse=True,
        )
        earned += sum(max(extra, 0) for extra in rest[:plant_stock])
        best = max(best, earned)
    return best


@st.composite
def cases(draw):
    seed = draw(st.integers(0, 2**32 - 1))
    dice = np.random.default_rng(seed)
    n = int(dice.integers(2, 5))
    surplus = np.where(dice.random(n) < 0.5, dice.integers(1, 6, n), 0)
    size = dice.integers(0, 3, (n, 3))
    gain = -np.sort(-dice.integers(0, 60, (n, 3)).astype(float), axis=1)
    lane = dice.integers(0, 30, (n, n)).astype(float)
    lane[dice.random((n, n)) < 0.15] = np.inf
    return {
        "surplus": surplus,
        "size": size,
        "gain": gain,
        "lane_cost": lane,
        "allowed": dice.random((n, n)) < 0.9,
        "relief": dice.integers(0, 6, n).astype(float),
        "lot": int(dice.integers(1, 4)),
        "handling": float(dice.choice([0, 0, 7, 25])),
        "plant_cost": np.where(dice.random(n) < 0.3, np.inf, dice.integers(5, 50, n)).astype(float),
        "plant_stock": int(dice.integers(0, 4)),
    }


def solve(case, **changed):
    case = case | changed
    column = {name: case[name][:, None] for name in ("surplus", "relief", "plant_cost")}
    return transfer_plan.plan(
        column["surplus"],
        case["size"][:, None],
        case["gain"][:, None],
        case["lane_cost"],
        allowed=case["allowed"],
        relief=column["relief"],
        lot=case["lot"],
        handling=case["handling"],
        plant_cost=column["plant_cost"],
        plant_stock=case["plant_stock"],
    )


class TestPlan(unittest.TestCase):
    @given(cases())
    @settings(max_examples=200, deadline=None, derandomize=True)
    def test_equals_brute_force(self, case):
        plan = solve(case)
        self.assertAlmostEqual(plan.total, brute_force(**case), places=6)
        self.assertAlmostEqual(plan.bound, plan.total, places=6)
        given_away = np.bincount(plan.giver, plan.packs, len(case["surplus"]))
        self.assertTrue((given_away <= case["surplus"]).all(), "no giver falls below what it keeps")
        self.assertFalse(set(plan.giver) & set(plan.taker), "nothing goes both ways")
        self.assertTrue((plan.packs >= case["lot"]).all())
        self.assertTrue(case["allowed"][plan.giver, plan.taker].all())
        received = np.bincount(plan.taker, plan.packs, len(case["surplus"])) + plan.plant[:, 0]
        self.assertTrue((received <= case["size"].sum(1)).all())
        self.assertLessEqual(plan.plant.sum(), case["plant_stock"])

    @given(cases())
    @settings(max_examples=50, deadline=None, derandomize=True)
    def test_transfers_never_lose_against_the_plant_alone(self, case):
        plan = solve(case)
        self.assertGreaterEqual(plan.total, plan.without - 1e-6)
        alone = solve(case, surplus=np.zeros_like(case["surplus"]))
        blocked = solve(case, allowed=np.zeros_like(case["allowed"]))
        self.assertEqual(len(alone.packs) + len(blocked.packs), 0)
        self.assertAlmostEqual(blocked.total, plan.without, places=6)

    def test_many_places(self):
        """Column generation must find arcs that were not among the first ones."""
        dice = np.random.default_rng(7)
        n = 60
        surplus = np.where(np.arange(n) < 30, 2, 0)[:, None]
        size = np.where(np.arange(n) >= 30, 2, 0)[:, None, None]
        lane = dice.uniform(0, 5, (n, n))
        plan = transfer_plan.plan(surplus, size, np.full((n, 1, 1), 10.0), lane)
        self.assertEqual(plan.packs.sum(), 60)
        double = np.repeat(np.repeat(lane[:30, 30:], 2, 0), 2, 1)
        rows, columns = linear_sum_assignment(double)
        self.assertAlmostEqual(plan.total, 600 - double[rows, columns].sum(), places=6)

    def test_gains_that_rise_are_refused(self):
        with self.assertRaises(ValueError):
            transfer_plan.plan(
                np.array([[1], [0]]),
                np.array([[[0, 0]], [[1, 1]]]),
                np.array([[[0, 0]], [[1, 2]]]),
                np.zeros((2, 2)),
            )

    def test_nothing_to_do(self):
        plan = transfer_plan.plan(
            np.zeros((2, 1)), np.zeros((2, 1, 1)), np.zeros((2, 1, 1)), np.zeros((2, 2))
        )
        self.assertEqual((len(plan.packs), plan.total), (0, 0.0))


class TestSurplusAndNeed(unittest.TestCase):
    def test_surplus_is_what_is_never_needed_in_whole_packs(self):
        stock = np.array([[100.0], [60.0], [10.0]])
        packs = transfer_plan.surplus_packs(
            stock, np.array([[0], [12], [0]]), np.full((3, 1), 40.0), np.array([12])
        )
        self.assertEqual(packs[:, 0].tolist(), [5, 0, 0])

    def test_first_packs_are_the_most_certain(self):
        demand = np.array([10.0, 20.0, 40.0])[:, None, None]
        size, gain = transfer_plan.need_tiers([[4.0]], demand, [0.25, 0.5, 0.9], 2.0, [6.0])
        packs = np.repeat(gain[0, 0], size[0, 0])
        # 6 units below the 0.25 quantile; 6 between 0.25 and 0.5; 4 there and 2 beyond; then 18 up to the 0.9 quantile
        self.assertEqual(size.sum(), 6)
        np.testing.assert_allclose(packs[:3], [6 * 0.875 * 2, 6 * 0.625 * 2, (4 * 0.625 + 2 * 0.3) * 2])
        np.testing.assert_allclose(packs[3:], [6 * 0.3 * 2] * 3)

    @given(st.integers(0, 2**32 - 1))
    @settings(max_examples=100, deadline=None, derandomize=True)
    def test_tiers_add_up_to_the_expected_sales(self, seed):
        dice = np.random.default_rng(seed)
        probabilities = np.array([0.1, 0.5, 0.9])
        demand = np.sort(dice.uniform(0, 50, (3, 2, 2)), axis=0)
        available, pack = dice.uniform(0, 40, (2, 2)), dice.integers(1, 9, 2)
        size, gain = transfer_plan.need_tiers(available, demand, probabilities, 3.0, pack)

        def sold(units):
            knots, chance = np.array([0, *demand[:, i, j]]), np.array([0.95, 0.7, 0.3])
            return (np.clip(units - knots[:-1], 0, np.diff(knots)) * chance).sum()

        for i in range(2):
            for j in range(2):
                packs = np.repeat(gain[i, j], size[i, j])
                for number, worth in enumerate(np.cumsum(packs), 1):
                    more = sold(available[i, j] + number * pack[j]) - sold(available[i, j])
                    self.assertAlmostEqual(worth, 3.0 * more, places=6)
                self.assertTrue((np.diff(packs) <= 1e-9).all())
                self.assertGreaterEqual(available[i, j] + len(packs) * pack[j], demand[2, i, j] - 1e-6)
