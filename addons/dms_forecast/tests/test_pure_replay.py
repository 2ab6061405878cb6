import unittest

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ..tools.replay import replay


def by_hand(demand, targets, every, lead, pack, opening):
    """One series, told in the plainest words -> lost units, stock at the end of each day, orders by day."""
    stock, lost, ends, under_way, orders = opening, 0.0, [], {}, {}
    for day, asked in enumerate(demand):
        if day % every == 0:
            missing = targets[day // every] - stock - sum(under_way.values())
            if missing > 0:
                orders[day] = under_way[day + lead] = pack * -(-missing // pack)
        stock += under_way.pop(day, 0)
        sold = min(stock, asked)
        lost += asked - sold
        stock -= sold
        ends.append(stock)
    return lost, ends, orders


class TestReplay(unittest.TestCase):
    def test_a_week_of_one_shop(self):
        # 10 there, 2 a day; the order of day 0 comes on day 3, that of day 7 on day 10
        demand = np.full((1, 14), 2.0)
        result = replay(demand, [[10.0, 10.0]], every=7, lead=3, opening=[4.0], warm_up=0)
        # 4 last for two days, the third is lost before counting starts; 6 come on day 3 and last three days
        self.assertEqual(result.cycles[0], 1)
        self.assertEqual(result.short_cycles[0], 1)
        self.assertEqual(result.lost[0], 2 * 4)
        self.assertEqual(result.ordered[0], 10)
        self.assertAlmostEqual(result.stock[0], (4 + 2 + 0 + 0 + 0 + 0 + 0 + 8 + 6 + 4 + 2) / 11)

    def test_enough_is_never_short(self):
        demand = np.random.default_rng(1).poisson(3, (20, 70)).astype(float)
        result = replay(demand, np.full((20, 10), 1000.0), 7, 3)
        self.assertEqual(result.cycle_service, 1.0)
        self.assertEqual(result.lost.sum(), 0)

    def test_too_few_reviews_are_refused(self):
        with self.assertRaises(ValueError):
            replay(np.zeros((1, 15)), [[1.0, 1.0]], every=7, lead=3)

    @given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(0, 9), st.integers(1, 6))
    @settings(max_examples=60, deadline=None, derandomize=True)
    def test_equals_the_plain_story(self, seed, every, lead, pack):
        dice = np.random.default_rng(seed)
        days = every * 6
        demand = dice.poisson(2, (3, days)).astype(float)
        targets = dice.integers(0, 30, (3, 6)).astype(float)
        opening = dice.integers(0, 20, 3).astype(float)
        result = replay(demand, targets, every, lead, pack, opening, warm_up=0)
        for i in range(3):
            _lost, ends, orders = by_hand(demand[i], targets[i], every, lead, pack, opening[i])
            ordered = sum(quantity for day, quantity in orders.items() if day >= lead)
            self.assertAlmostEqual(result.stock[i], sum(ends[lead:]) / max(days - lead, 1))
            self.assertAlmostEqual(result.ordered[i], ordered)
            came = sum(quantity for day, quantity in orders.items() if day + lead < days)
            self.assertAlmostEqual(opening[i] + came - (demand[i].sum() - _lost), ends[-1])
