import unittest

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from odoo.addons.dms_forecast.tools import what_if

PROBABILITIES = (0.1, 0.5, 0.75, 0.9, 0.95, 0.98)
PERIODS = (7, 14, 30, 60, 90)
SPREAD = np.array([0.3, 0.95, 1.25, 1.6, 1.9, 2.3])


def demand(daily, spread=1.0):
    """Demand of a pace a day (n,) whose spread shrinks with the root of the period."""
    daily = np.asarray(daily, float)
    periods = np.array(PERIODS, float)
    width = 1 + (SPREAD[:, None] - 1) * spread * np.sqrt(7 / periods)
    cumulative = np.maximum(width, 0)[:, None, :] * daily[None, :, None] * periods
    return what_if.Demand(cumulative, daily[:, None] * periods, PROBABILITIES, PERIODS)


def supply(n, lead=5, level=0.95, review=7, every=1, target=21, pack=1.0, cap=np.inf, held=False):
    def column(value):
        return np.broadcast_to(np.asarray(value), (n,)).copy()

    return what_if.Supply(
        lengths=np.array([lead]),
        weights=np.ones((n, 1)),
        review=column(review),
        every=column(every),
        target=column(target),
        level=column(float(level)),
        pack=column(float(pack)),
        cap=column(float(cap)),
        held=column(held),
    )


cases = st.fixed_dictionaries(
    {
        "daily": st.lists(st.floats(0.05, 200), min_size=1, max_size=4),
        "cover": st.floats(0, 90),
        "under_way": st.floats(0, 10),
        "lead": st.integers(0, 30),
        "level": st.floats(0.5, 0.97),
        "every": st.sampled_from([1, 7, 14]),
        "pack": st.sampled_from([1.0, 6.0, 24.0]),
        "spread": st.floats(0, 1.3),
    }
)


def run(case, days=91, factor=None, **changes):
    daily = np.array(case["daily"])
    values = {name: case[name] for name in ("lead", "level", "every", "pack")} | changes
    return what_if.outcome(
        demand(daily, case["spread"]),
        supply(len(daily), **values),
        daily * case["cover"],
        daily * case["under_way"],
        days,
        factor,
    )


def figures(outcome):
    return np.stack([getattr(outcome, name) for name in outcome.__dataclass_fields__])


class TestProperties(unittest.TestCase):
    @settings(max_examples=25, deadline=None)
    @given(cases)
    def test_no_change_has_no_effect(self, case):
        before, after = run(case), run(case, factor=np.ones(91))
        np.testing.assert_array_equal(figures(before), figures(after))

    @settings(max_examples=25, deadline=None)
    @given(cases, st.floats(0, 0.029))
    def test_a_higher_service_level_never_means_less_stock_or_service(self, case, more):
        before, after = run(case), run(case, level=case["level"] + more)
        for name in ("reorder", "order_up_to", "stock", "cycle_service", "ordered"):
            low, high = getattr(before, name), getattr(after, name)
            self.assertTrue((high >= low - 1e-6 * (1 + np.abs(low))).all(), name)
        self.assertTrue((after.lost <= before.lost + 1e-6 * (1 + before.demand)).all())

    @settings(max_examples=25, deadline=None)
    @given(cases, st.integers(1, 30))
    def test_a_longer_delivery_never_lowers_the_reorder_point(self, case, more):
        before, after = run(case), run(case, lead=case["lead"] + more)
        self.assertTrue((after.reorder >= before.reorder - 1e-9).all())
        self.assertTrue((after.order_up_to >= before.order_up_to - 1e-6 * (1 + before.order_up_to)).all())

    @settings(max_examples=25, deadline=None)
    @given(cases)
    def test_without_demand_nothing_is_ordered_or_lost_and_stock_lies(self, case):
        case = case | {"daily": [0.0] * len(case["daily"])}
        n = len(case["daily"])
        outcome = what_if.outcome(
            demand(case["daily"]), supply(n, case["lead"], case["level"]), np.full(n, 12.0), np.zeros(n), 91
        )
        for name in ("reorder", "order_up_to", "demand", "lost", "ordered", "under_way"):
            np.testing.assert_array_equal(getattr(outcome, name), 0)
        np.testing.assert_allclose(outcome.stock, 12)
        np.testing.assert_array_equal(outcome.fill, 1)

    @settings(max_examples=25, deadline=None)
    @given(cases, st.floats(-0.9, 3))
    def test_the_order_and_company_of_series_do_not_matter(self, case, change):
        factor = what_if.demand_factor(91, 20, 33, change)
        together = figures(run(case, factor=factor))
        backwards = figures(run(case | {"daily": case["daily"][::-1]}, factor=factor))
        np.testing.assert_array_equal(together, backwards[:, ::-1])
        alone = figures(run(case | {"daily": case["daily"][:1]}, factor=factor))
        np.testing.assert_array_equal(together[:, :1], alone)

    @settings(max_examples=25, deadline=None)
    @given(cases, st.floats(0.01, 3), st.integers(0, 80), st.integers(0, 40))
    def test_more_demand_is_asked_for_and_what_is_lost_is_within_it(self, case, change, first, length):
        before = run(case)
        after = run(case, factor=what_if.demand_factor(91, first, first + length, change))
        self.assertTrue((after.demand >= before.demand - 1e-9).all())
        for outcome in (before, after):
            self.assertTrue(np.isfinite(figures(outcome)).all())
            self.assertTrue((figures(outcome) >= 0).all())
            self.assertTrue((outcome.lost <= outcome.demand + 1e-9).all())
            self.assertTrue(((outcome.fill >= 0) & (outcome.fill <= 1)).all())
            self.assertTrue((outcome.cycle_service <= 1 + 1e-12).all())

    @settings(max_examples=25, deadline=None)
    @given(cases, st.integers(0, 20), st.floats(-0.99, 2), st.integers(1, 91))
    def test_all_goods_are_accounted_for(self, case, lead, change, days):
        """What came in is what was sold and what is left, unless stock ran off without an order."""
        factor = what_if.demand_factor(days, 3, 9, change)
        outcome = run(case, days=days, factor=factor, lead=lead)
        start = np.array(case["daily"]) * (case["cover"] + case["under_way"])
        self.assertTrue((outcome.stock <= start + outcome.ordered + 1e-6).all())


class TestWorkedCases(unittest.TestCase):
    def test_certain_demand_under_a_weekly_review(self):
        """10 a day for sure, a week's delivery and a weekly review: 140 to order at, 70 left just before an order comes, nothing lost."""
        certain = demand([10.0], spread=0.0)
        outcome = what_if.outcome(
            certain, supply(1, lead=7, every=7, target=14, level=0.9), [70.0], [140.0], 91
        )
        self.assertAlmostEqual(outcome.reorder[0], 140)
        self.assertAlmostEqual(outcome.order_up_to[0], 210)
        self.assertAlmostEqual(outcome.demand[0], 910)
        self.assertAlmostEqual(outcome.lost[0], 0, places=6)
        self.assertGreater(outcome.cycle_service[0], 0.99)

    def test_an_empty_house_loses_the_first_lead_time(self):
        certain = demand([10.0], spread=0.0)
        outcome = what_if.outcome(certain, supply(1, lead=7, level=0.9), [0.0], [0.0], 70)
        self.assertAlmostEqual(outcome.lost[0], 70, delta=1)
        self.assertAlmostEqual(outcome.fill[0], 0.9, delta=0.02)

    def test_overstock_runs_off_before_anything_is_ordered(self):
        outcome = what_if.outcome(demand([1.0]), supply(1), [500.0], [0.0], 91)
        self.assertEqual(outcome.ordered[0], 0)
        self.assertAlmostEqual(outcome.stock[0], 500 - 46, delta=1)

    def test_the_service_of_a_rarely_reviewed_house_is_the_level_asked_for(self):
        outcome = what_if.outcome(
            demand([10.0]), supply(1, every=7, review=7, target=7, level=0.9), [120.0], [0.0], 91
        )
        self.assertAlmostEqual(outcome.cycle_service[0], 0.9, delta=0.03)

    def test_goods_that_take_longer_than_believed_cost_service(self):
        believed, true = supply(1, lead=5), supply(1, lead=15)
        usual = what_if.outcome(demand([10.0]), believed, [100.0], [0.0], 91)
        late = what_if.outcome(demand([10.0]), believed, [100.0], [0.0], 91, deliveries=true)
        known = what_if.outcome(demand([10.0]), true, [100.0], [0.0], 91, deliveries=true)
        self.assertEqual(usual.reorder[0], late.reorder[0])
        self.assertGreater(known.reorder[0], late.reorder[0])
        self.assertLess(late.fill[0], known.fill[0])
        self.assertLess(known.fill[0], usual.fill[0])

    def test_the_reorder_point_rises_with_a_promotion_ahead(self):
        calm = what_if.outcome(demand([10.0]), supply(1), [100.0], [0.0], 91)
        promoted = what_if.outcome(
            demand([10.0]), supply(1), [100.0], [0.0], 91, what_if.demand_factor(91, 30, 60, 0.5)
        )
        self.assertAlmostEqual(promoted.reorder[0], calm.reorder[0] * 1.5, delta=0.01)
        self.assertAlmostEqual(promoted.demand[0] - calm.demand[0], 31 * 5, places=6)

    def test_a_price_moves_demand_by_its_elasticity(self):
        self.assertAlmostEqual(what_if.price_response(-0.1, 2.0), 1 / 0.81 - 1)
        self.assertEqual(what_if.price_response(0.0, 2.0), 0)
        self.assertLess(what_if.price_response(0.1, 2.0), 0)

    def test_orders_and_stock_are_worth_their_days_price(self):
        half = np.full(91, 0.5)
        usual = what_if.outcome(demand([10.0]), supply(1), [100.0], [0.0], 91)
        cheap = what_if.outcome(demand([10.0]), supply(1), [100.0], [0.0], 91, price=half, worth=half)
        self.assertAlmostEqual(usual.spent[0], usual.ordered[0])
        self.assertAlmostEqual(cheap.spent[0], usual.ordered[0] / 2)
        self.assertAlmostEqual(cheap.stock_worth[0], usual.stock[0] / 2)
        self.assertAlmostEqual(cheap.under_way_worth[0], usual.under_way[0] / 2)

    def test_no_series_have_no_outcome(self):
        outcome = what_if.outcome(demand([]), supply(0), [], [], 91)
        self.assertEqual(len(outcome.stock), 0)


class TestElasticity(unittest.TestCase):
    def history(self, elasticity, moves=0.3, seed=3):
        """20 series of 60 weeks with a season of their own and one that all share, some weeks cheaper."""
        random = np.random.default_rng(seed)
        series, week = np.repeat(np.arange(20), 60), np.tile(np.arange(60), 20)
        cheap = random.random(1200) < 0.15
        price = np.where(cheap, 1 - moves, 1.0) * (2 + series)
        level = (50 + 10 * series) * (1 + 0.4 * np.sin(week / 5))
        quantity = random.poisson(level * np.where(cheap, 1 - moves, 1.0) ** -elasticity)
        return series, week, quantity, quantity * price

    def test_learns_what_demand_did(self):
        elasticity, weeks = what_if.learn_elasticity(*self.history(1.8))
        self.assertAlmostEqual(elasticity, 1.8, delta=0.1)
        self.assertGreater(weeks, 100)

    def test_nothing_is_learnt_where_prices_did_not_move_or_did_nothing(self):
        self.assertIsNone(what_if.learn_elasticity(*self.history(1.8, moves=0.0)))
        self.assertIsNone(what_if.learn_elasticity(*self.history(0.0)))
        self.assertIsNone(what_if.learn_elasticity([], [], [], []))

    def test_the_order_of_rows_does_not_matter(self):
        series, week, quantity, amount = self.history(1.2)
        order = np.random.default_rng(1).permutation(len(series))
        here, there = (
            what_if.learn_elasticity(series, week, quantity, amount),
            what_if.learn_elasticity(series[order], week[order], quantity[order], amount[order]),
        )
        self.assertAlmostEqual(here[0], there[0], places=9)
        self.assertEqual(here[1], there[1])
