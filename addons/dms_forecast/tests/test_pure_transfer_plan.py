import itertools
import unittest

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from ..tools import transfer_plan


def keeps_for_all(amounts, batches, surplus):
    """Whether a giver can serve these (packs, days) from its batches, each of them the goods that just keep long enough."""
    if not batches:
        return True
    # whoever needs the longest chooses first, and takes what is worst of what will do
    left = sorted(batches)
    for amount, days in sorted(amounts, key=lambda item: -item[1]):
        for index, (keeps, packs) in enumerate(left):
            if keeps >= days:
                took = min(amount, packs)
                left[index] = (keeps, packs - took)
                amount -= took
        if amount:
            return False
    return True


def brute_force(
    surplus, size, gain, lane_cost, allowed, relief, lot, handling, plant_cost, plant_stock, batches, needed
):
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
    choices = [[0, *range(max(lot[i, j], 1), int(min(surplus[i], size[j].sum())) + 1)] for i, j in arcs]
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
        sent = {
            i: [(a, needed[i, j]) for (k, j), a in zip(arcs, amounts, strict=True) if k == i]
            for i in range(n)
        }
        if not all(keeps_for_all(sent[i], batches[i], surplus[i]) for i in range(n)):
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
    # (days, packs) of each batch; most places of half of the cases hold goods that never expire
    batches = [
        [(int(dice.integers(1, 6)), int(dice.integers(0, 4))) for _ in range(dice.integers(1, 4))]
        if dice.random() < 0.5
        else []
        for _ in range(n)
    ]
    return {
        "surplus": surplus,
        "size": size,
        "gain": gain,
        "lane_cost": lane,
        "allowed": dice.random((n, n)) < 0.9,
        "relief": dice.integers(0, 6, n).astype(float),
        "lot": np.full((n, n), 1) if dice.random() < 0.4 else dice.integers(1, 4, (n, n)),
        "handling": float(dice.choice([0, 0, 7, 25])),
        "plant_cost": np.where(dice.random(n) < 0.3, np.inf, dice.integers(5, 50, n)).astype(float),
        "plant_stock": int(dice.integers(0, 4)),
        "batches": batches if dice.random() < 0.7 else [[] for _ in range(n)],
        "needed": dice.integers(1, 7, (n, n)),
    }


def shelf_of(batches):
    """Of each place, how many packs keep as long as each of its batches."""
    rows = [
        (place, 0, days, sum(packs for other, packs in own if other >= days))
        for place, own in enumerate(batches)
        for days in sorted({days for days, _packs in own})
    ]
    columns = np.array(rows, float).reshape(-1, 4).T
    return transfer_plan.Shelf(*(column.astype(int) for column in columns))


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
        least_weight=case["lot"],
        handling=case["handling"],
        plant_cost=column["plant_cost"],
        plant_stock=case["plant_stock"],
        shelf=shelf_of(case["batches"]),
        lane_days=case["needed"] - 1,
        sale_days=1,
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
        self.assertTrue((plan.packs >= case["lot"][plan.giver, plan.taker]).all())
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

    def test_nothing_is_gained_where_goods_sell_below_their_price(self):
        size, gain = transfer_plan.need_tiers([[0.0]], np.array([[[9.0]]]), [0.5], -2.0, [3.0])
        self.assertEqual((gain.max(), size.sum()), (0, 0))

    def test_what_sells_late_is_held_until_then(self):
        """Packs of 6 at a margin of 2, of which a day costs 0.05 a unit, and 2 are sold a day."""
        demand = np.array([12.0, 24.0])[:, None, None]
        size, gain = transfer_plan.need_tiers([[0.0]], demand, [0.5, 0.9], 2.0, [6.0], 0.05, 2.0)
        # two packs sell with the chance 0.75 after 3 days on average, two with 0.3 after 9
        packs = gain[0, 0][size[0, 0] > 0]
        np.testing.assert_allclose(packs, [6 * (2 * 0.75 - 0.05 * 3), 6 * (2 * 0.3 - 0.05 * 9)])
        size, gain = transfer_plan.need_tiers([[0.0]], demand, [0.5, 0.9], 2.0, [6.0], 0.1, 2.0)
        self.assertEqual(size.sum(), 2, "what costs more than it earns is no need")

    def test_what_keeps_longest_is_given_only_as_far_as_the_giver_can_spare_it(self):
        def shelf(kept, cover, batches, stock=100):
            days, units = zip(*batches, strict=True)
            rows = transfer_plan.shelf_packs(
                [[stock]], [[kept]], [[cover]], [10], [0] * len(days), [0] * len(days), days, units
            )
            return dict(zip(rows.days.tolist(), rows.packs.tolist(), strict=True))

        # all keeps for the cover: the giver sells the first batch itself
        self.assertEqual(shelf(40, 30, [(50, 40), (90, 60)]), {90: 6, 50: 6})
        # of 60 that keep for the cover 40 stay, so only the short ones beyond that may go
        self.assertEqual(shelf(40, 60, [(50, 40), (90, 60)]), {90: 2, 50: 6})
        # nothing can be spared of what keeps; 20 are short and too many
        self.assertEqual(shelf(80, 60, [(50, 40), (90, 60)]), {90: 0, 50: 2})
        # 60 of no known batch stay as long as they can, and packs are whole
        self.assertEqual(shelf(45, 30, [(50, 40)]), {50: 0})
        self.assertEqual(shelf(30, 30, [(np.inf, 95)], stock=95), {np.inf: 6})
        nothing = transfer_plan.shelf_packs([[1]], [[0]], [[1]], [1], [], [], [], [])
        self.assertEqual(len(nothing.place), 0)

    def test_two_takers_share_what_keeps(self):
        """Three packs keep for both takers, though there are nine."""
        shelf = transfer_plan.Shelf(*(np.array(x) for x in ([0, 0], [0, 0], [10, 90], [9, 3])))
        plan = transfer_plan.plan(
            np.array([[9], [0], [0]]),
            np.array([[[0]], [[5]], [[5]]]),
            np.array([[[0.0]], [[8.0]], [[7.0]]]),
            np.ones((3, 3)),
            shelf=shelf,
            sale_days=30,
        )
        self.assertEqual((plan.packs.tolist(), plan.taker.tolist(), plan.total), ([3], [1], 21.0))

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
