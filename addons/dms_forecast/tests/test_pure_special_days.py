import unittest

import numpy as np

from odoo.addons.dms_forecast.tools import forecast as engine
from odoo.addons.dms_forecast.tools import regressors


def feasts(days, ahead, at, factor, n=60, level=8.0, seed=2):
    """Demand with three-day feasts that begin on the days `at`, and their calendar -> history, future, Calendar."""
    demand, kinds = np.full(days + ahead, level), np.zeros(days + ahead, int)
    for begin in at:
        demand[begin : begin + 3] *= factor
        kinds[begin : begin + 3] = np.arange(1, 4)[: max(0, days + ahead - begin)]
    y = np.random.default_rng(seed).poisson(demand, (n, days + ahead)).astype(float)
    return y[:, :days], y[:, days:], engine.Calendar(kinds, {1: 1, 2: 1, 3: 1})


class TestSpecialDays(unittest.TestCase):
    def test_a_feast_that_sold_double_will_again(self):
        history, actual, calendar = feasts(300, 28, (60, 130, 210, 310), 2.0)
        result = engine.forecast(history, horizon=28, calendar=calendar)
        plain = engine.forecast(history, horizon=28)
        feast = slice(10, 13)
        self.assertAlmostEqual(result.point[:, feast].sum() / actual[:, feast].sum(), 1.0, delta=0.15)
        self.assertLess(plain.point[:, feast].sum(), 0.7 * actual[:, feast].sum())
        self.assertGreater(result.holiday.mean(), 1.05)

    def test_one_that_moves_is_aligned_by_its_days(self):
        """The first day is quiet, the third is not, wherever in the week the feast falls."""
        days, ahead = 300, 28
        demand, kinds = np.full(days + ahead, 8.0), np.zeros(days + ahead, int)
        for begin in (61, 135, 213, 309):
            demand[[begin, begin + 2]] = 2, 20
            kinds[begin : begin + 3] = 1, 2, 3
        y = np.random.default_rng(1).poisson(demand, (60, days + ahead)).astype(float)
        result = engine.forecast(y[:, :days], horizon=ahead, calendar=engine.Calendar(kinds))
        self.assertLess(result.point[:, 9].mean(), 5)
        self.assertGreater(result.point[:, 11].mean(), 13)

    def test_one_never_seen_is_taken_for_its_family(self):
        history, _actual, calendar = feasts(300, 28, (60, 130, 210, 310), 2.0)
        calendar.kinds[310:313] = 77
        calendar.families[77] = 1
        result = engine.forecast(history, horizon=28, calendar=calendar)
        self.assertGreater(
            result.point[:, 10:13].sum(), 1.5 * engine.forecast(history, horizon=28).point[:, 10:13].sum()
        )

    def test_days_that_did_nothing_change_little(self):
        history, _actual, calendar = feasts(300, 28, (60, 130, 210, 310), 1.0)
        result = engine.forecast(history, horizon=28, calendar=calendar)
        np.testing.assert_allclose(
            result.point.sum(), engine.forecast(history, horizon=28).point.sum(), rtol=0.03
        )

    def test_a_calendar_without_days_near_changes_nothing(self):
        history, _actual, calendar = feasts(300, 28, (60, 130, 210), 2.0)
        self.assertEqual(
            engine.forecast(history, horizon=28, calendar=calendar).point.tobytes(),
            engine.forecast(history, horizon=28).point.tobytes(),
        )

    def test_a_short_calendar_is_refused(self):
        with self.assertRaises(ValueError):
            engine.forecast(np.ones((2, 50)), calendar=engine.Calendar(np.zeros(20)))


class TestRegressors(unittest.TestCase):
    def setUp(self):
        random = np.random.default_rng(4)
        self.days, self.ahead = 400, 28
        self.depth = (random.random((50, self.days + self.ahead)) < 0.15) * 0.3
        self.drivers = self.depth[:, :, None]

    def promoted(self, uplift):
        level = np.random.default_rng(5).gamma(4, 2, (50, 1))
        y = np.random.default_rng(6).poisson(level * np.where(self.depth > 0, uplift, 1.0)).astype(float)
        return y[:, : self.days], y[:, self.days :], self.depth[:, self.days :] > 0

    def test_promotions_that_worked_are_expected_to_work(self):
        history, actual, running = self.promoted(2.0)
        plain = engine.forecast(history, horizon=self.ahead)
        planned = engine.forecast(history, horizon=self.ahead, drivers=self.drivers)
        miss = [np.abs(actual - result.point)[running].sum() for result in (plain, planned)]
        self.assertLess(miss[1], 0.7 * miss[0])
        self.assertAlmostEqual(planned.point[running].sum() / actual[running].sum(), 1.0, delta=0.1)

    def test_promotions_that_did_nothing_are_not_used(self):
        history, _actual, _running = self.promoted(1.0)
        plain = engine.forecast(history, horizon=self.ahead)
        planned = engine.forecast(history, horizon=self.ahead, drivers=self.drivers)
        np.testing.assert_allclose(planned.point.sum(), plain.point.sum(), rtol=0.01)

    def test_a_promotion_of_everything_at_once_is_no_accident(self):
        self.depth[:] = 0
        for first in (40, 95, 150, 205, 260, 315, 370, self.days + 7):
            self.depth[:, first : first + 5] = 0.3
        history, actual, running = self.promoted(2.0)
        planned = engine.forecast(history, horizon=self.ahead, drivers=self.drivers)
        self.assertAlmostEqual(planned.point[running].sum() / actual[running].sum(), 1.0, delta=0.1)
        self.assertAlmostEqual(planned.point[~running].sum() / actual[~running].sum(), 1.0, delta=0.1)

    def test_a_promotion_that_has_just_ended_does_not_raise_the_level(self):
        self.depth[:] = 0
        for row, first in enumerate(np.random.default_rng(9).integers(60, 300, 50)):
            self.depth[row, first : first + 14] = 0.3
        self.depth[:, self.days - 21 : self.days] = 0.3
        history, actual, _running = self.promoted(2.0)
        plain = engine.forecast(history, horizon=self.ahead)
        planned = engine.forecast(history, horizon=self.ahead, drivers=self.drivers)
        too_much = [result.point.sum() / actual.sum() - 1 for result in (plain, planned)]
        self.assertGreater(too_much[0], 0.2)
        self.assertLess(abs(too_much[1]), 0.1)

    def test_stocked_up_buyers_are_missing_after_a_promotion(self):
        self.depth[:] = 0
        starts = np.random.default_rng(9).integers(0, 50, 50)
        for row, start in enumerate(starts):
            for first in range(20 + start, self.days - 40, 60):
                self.depth[row, first : first + 7] = 0.3
        self.depth[:, self.days - 5 : self.days] = 0.3
        history, _actual, _running = self.promoted(2.0)
        for row in range(50):
            after = np.flatnonzero(np.diff((self.depth[row, : self.days] > 0).astype(int)) < 0) + 1
            for day in after:
                history[row, day : day + 7] = np.round(history[row, day : day + 7] * 0.5)
        point = engine.forecast(history, horizon=self.ahead, drivers=self.drivers).point.sum(0)
        self.assertLess(point[:7].sum(), 0.7 * point[7:14].sum())

    def test_periods_before_and_after(self):
        driver = np.array([[0, 0, 0, 0.3, 0.3, 0, 0, 0]])
        found = regressors.around(driver, before=1, after=2)
        np.testing.assert_allclose(found[0, :, 1], [0, 0, 0.3, 0, 0, 0, 0, 0])
        np.testing.assert_allclose(found[0, :, 2], [0, 0, 0, 0, 0, 0.3, 0.3, 0])

    def test_drivers_of_another_shape_are_refused(self):
        with self.assertRaises(ValueError):
            engine.forecast(np.ones((2, 50)), drivers=np.ones((2, 50)))
