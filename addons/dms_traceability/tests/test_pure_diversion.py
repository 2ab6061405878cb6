import sys
import unittest
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from odoo.addons.dms_traceability.tools.diversion import (
    baseline,
    clones,
    evidence,
    judge,
    places,
    prices,
    volume,
)

sys.path.insert(0, str(Path(__file__).parent))
import diversion_world

KM = 111.195


def detect(world, keep=None):
    rows = slice(None) if keep is None else keep
    names = ("dealer", "product", "month", "city", "kind", "day", "unit", "case", "device", "network")
    scans = evidence.Scans(*(getattr(world, name)[rows] for name in names))
    is_home = world.home[None] == np.arange(world.country.dealers)[:, None]
    classes = places.classes(is_home, *(world.position / KM).T)
    gathered = evidence.gather(scans, world.shipped.shape, is_home)
    return gathered, judge.judge(scans, gathered, baseline.fit(gathered, classes))


class TestWorlds(unittest.TestCase):
    """Whole worlds of the simulator; the floors leave room for chance, ./dms bench diversion measures."""

    @classmethod
    def setUpClass(cls):
        cls.worlds = [diversion_world.draw(seed) for seed in (21, 22)]
        cls.findings = [detect(world)[1] for world in cls.worlds]

    def test_diverters_are_found_and_the_others_left_alone(self):
        right = wrong = guilty = 0
        for world, findings in zip(self.worlds, self.findings, strict=True):
            right += (findings.alert & world.diverting).sum()
            wrong += (findings.alert & ~world.diverting).sum()
            guilty += world.diverting.sum()
        self.assertGreater(guilty, 50)
        self.assertGreater(right / guilty, 0.75)
        self.assertLessEqual(wrong, 3)

    def test_the_posterior_keeps_what_it_promises(self):
        for world, findings in zip(self.worlds, self.findings, strict=True):
            doubtful = (findings.posterior > 0.2) & (findings.posterior < 0.8)
            self.assertLess(doubtful.mean(), 0.1)
            self.assertLess(world.diverting[findings.posterior < 0.05].mean(), 0.05)

    def test_honest_travel_accuses_nobody(self):
        world = diversion_world.draw(23, diversion_world.Country(diverters=0.0, stuffed=0.0))
        share = np.zeros((2, *world.diverting.shape))
        placed = world.city >= 0
        np.add.at(share[0], (world.dealer, world.month), placed & (world.home[world.city] != world.dealer))
        np.add.at(share[1], (world.dealer, world.month), placed)
        self.assertGreater((share[0] / share[1] > 0.05).mean(), 0.5, "the fixed rule accuses most of them")
        self.assertLessEqual(detect(world)[1].alert.sum(), 1)

    def test_a_rival_with_a_few_telephones_frames_nobody(self):
        world = diversion_world.draw(24, diversion_world.Country(stuffed=0.2))
        findings = detect(world)[1]
        self.assertGreater(world.framed.sum(), 100)
        self.assertLessEqual((findings.alert & world.framed).sum(), 2)

    def test_most_patient_rivals_with_a_dozen_telephones_are_seen_through(self):
        rivals = {"stuffed": 0.2, "stuffing_devices": (12, 20), "stuffing_days": 25.0, "diverters": 0.0}
        world = diversion_world.draw(25, diversion_world.Country(**rivals))
        findings = detect(world)[1]
        self.assertGreater(world.framed.sum(), 100)
        self.assertLess((findings.alert & world.framed).sum() / world.framed.sum(), 0.6)

    def test_the_order_of_scans_does_not_matter(self):
        world = self.worlds[0]
        shuffled = detect(world, np.random.default_rng(1).permutation(len(world.dealer)))[1]
        same = shuffled.alert == self.findings[0].alert
        self.assertGreater(same.mean(), 0.995)


class TestEvidence(unittest.TestCase):
    def gather(self, rows, dealers=1, cities=3):
        """Rows of (city, kind, day, unit, case, device, network) of one distributor at home in city 0."""
        columns = np.array(rows, float).T
        zero = np.zeros(len(rows), int)
        city, kind, day, unit, case, device, network = columns
        scans = evidence.Scans(
            zero, zero, zero, *(v.astype(int) for v in (city, kind)), day,
            *(v.astype(int) for v in (unit, case, device, network)),
        )  # fmt: skip
        return evidence.gather(scans, (dealers, 1, 1), np.eye(dealers, cities, dtype=bool))

    def test_one_item_scanned_often_counts_once(self):
        found = self.gather([(1, 0, day, 7, 1, day, day) for day in range(20)])
        self.assertEqual((found.count.sum(), found.total.sum()), (1, 1))

    def test_one_telephone_counts_once(self):
        found = self.gather([(1, 0, 5 * n, n, 3, 9, n) for n in range(20)])
        self.assertEqual(found.count.sum(), 1)

    def test_a_telephone_that_scans_many_cases_abroad_counts_for_nothing(self):
        staged = [(1, 0, 5 * n, n, n, 9, n) for n in range(20)]
        self.assertEqual(self.gather(staged).count.sum(), 0)
        self.assertEqual(self.gather([*staged, (1, 0, 3, 50, 50, 10, 50)]).count.sum(), 1)
        self.assertEqual(
            self.gather([(0, *row[1:]) for row in staged]).total.sum(), 20, "at home nobody minds"
        )
        self.assertEqual(
            self.gather([(1, 1, *row[2:]) for row in staged]).count.sum(), 3, "an outlet is signed in"
        )

    def test_one_moment_counts_little(self):
        found = self.gather([(1, 0, 0.01 * n, n, n, n, n) for n in range(50)])
        self.assertEqual(found.count.sum(), evidence.PER_BLOCK[0])

    def test_unknown_places_count_nowhere(self):
        self.assertEqual(self.gather([(-1, 0, 1, 1, 1, 1, 1), (0, 0, 1, 2, 2, 2, 2)]).total.sum(), 1)

    def test_no_scans_no_finding(self):
        columns = [np.empty(0, int)] * 10
        scans = evidence.Scans(*columns)
        gathered = evidence.gather(scans, (2, 1, 3), np.eye(2, 4, dtype=bool))
        classes = np.where(np.eye(2, 4, dtype=bool), -1, 0)
        findings = judge.judge(scans, gathered, baseline.fit(gathered, classes))
        self.assertFalse(findings.alert.any())
        self.assertEqual(findings.alert.shape, (2, 3))


class TestDistributions(unittest.TestCase):
    @given(st.floats(0.01, 20), st.floats(0.3, 5))
    @settings(max_examples=30)
    def test_negative_binomial_sums_to_one(self, mean, shape):
        total = np.exp(judge.negative_binomial(np.arange(4000), mean, shape)).sum()
        self.assertAlmostEqual(total, 1, 3)

    @given(st.integers(0, 60), st.floats(0.01, 0.9), st.floats(5, 500))
    @settings(max_examples=30)
    def test_beta_binomial_sums_to_one(self, total, mean, precision):
        found = np.arange(total + 1)
        self.assertAlmostEqual(np.exp(judge.beta_binomial(found, total, mean, precision)).sum(), 1, 6)

    @given(st.floats(0.05, 8), st.floats(0.5, 3), st.integers(5, 300))
    @settings(max_examples=40, deadline=None)
    def test_the_e_value_of_a_place_averages_at_most_one(self, mean, shape, total):
        """Exactly summed over the null distribution, without what cases add."""
        count = np.arange(3000)
        counts = np.stack([count, np.zeros_like(count), np.zeros_like(count)], axis=1).astype(float)
        means = np.tile([mean, 1e-6, 1e-6], (len(count), 1))
        totals = np.tile([float(total), 0.0, 0.0], (len(count), 1))
        log_e = judge._cell_log_e(counts, means, totals, shape, np.zeros(len(count)), 0.3, 0.3)
        weight = judge.negative_binomial(count, mean, shape)
        self.assertLessEqual(np.exp(log_e + weight).sum(), 1 + 1e-6)

    @given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
    def test_benjamini_hochberg(self, p):
        q = judge.benjamini_hochberg(np.array(p))
        self.assertTrue((q >= np.array(p) - 1e-12).all())
        ordered = q[np.argsort(p, kind="stable")]
        self.assertTrue((np.diff(ordered) >= -1e-12).all())


class TestOtherTraces(unittest.TestCase):
    def test_places(self):
        home = np.array([[True, False, False, False]])
        latitude, longitude = np.array([40, 40.1, 31.2, np.nan]), np.array([116, 116, 121.5, np.nan])
        self.assertEqual(places.classes(home, latitude, longitude).tolist(), [[-1, 0, 7, places.UNKNOWN]])

    def test_volume_far_above_demand(self):
        dice = np.random.default_rng(3)
        demand = dice.lognormal(5, 1, (40, 1))
        shipped = demand * np.exp(dice.normal(0, 0.1, (40, 12)))
        shipped[4, 7] *= 4
        shipped[9, 2] = 0
        found = volume.judge(shipped, demand)
        self.assertEqual(np.argwhere(found.q < 0.05).tolist(), [[4, 7]])
        self.assertAlmostEqual(found.expected[4, 7] / demand[4, 0], 1, 0)

    def test_no_volume_says_nothing(self):
        self.assertTrue((volume.judge(np.zeros((2, 3)), np.ones((2, 1))).q == 1).all())

    def test_low_prices(self):
        price = np.array([100, 102, 99, 101, 98, 70, 100, 60.0])
        market = np.array([1, 1, 1, 1, 1, 1, 1, 2])
        found = prices.judge(price, market, np.full(8, 90.0))
        self.assertEqual(np.flatnonzero(found.low).tolist(), [5])
        self.assertTrue(np.isnan(found.deviation[7]), "one price is no market")
        self.assertFalse(prices.judge(price, market, np.full(8, 65.0)).low[5], "guidance allows it")

    def test_clones(self):
        nan = np.nan
        rows = [
            # code, day, latitude, longitude, device, used up on
            (1, 0.0, 40, 116, 1, nan), (1, 0.05, 31, 121, 2, nan),  # 1,000 km in an hour
            (2, 0.0, 40, 116, 3, nan), (2, 3.0, 31, 121, 4, nan),  # in three days
            *((3, 9.0 + day, 40, 116, 5, 2.0) for day in range(12)),  # again and again after it was drunk
            (6, 9.0, 40, 116, 7, 2.0),  # the empty bottle
            (4, 2.5, 40, 116, 6, 2.0),  # on the same evening
            *((5, float(day), 40, 116, 10 + day, nan) for day in range(25)),  # one bottle, 25 telephones
            *((100 + n, 0.0, 40, 116, 100 + n, nan) for n in range(50)),
        ]  # fmt: skip
        found = clones.judge(*np.array(rows, float).T)
        self.assertEqual(found.code[found.cloned].tolist(), [1, 3, 5])
        self.assertTrue((found.q[found.cloned] <= 0.05).all())

    def test_leaps_prove_nothing_where_telephones_leap_too(self):
        rows = [(1, 0.0, 40, 116, 1), (1, 0.05, 31, 121, 2)]
        for telephone in range(3, 60):
            rows += [(telephone, 0.0, 40, 116, telephone), (1000 + telephone, 0.02, 31, 121, telephone)]
        columns = np.array(rows, float).T
        self.assertFalse(clones.judge(*columns, np.full(len(rows), np.nan)).cloned.any())


class TestNeighbours(unittest.TestCase):
    """Made-up countries of distributors whose volumes depend on nobody else's, or of whom two play with each other."""

    def world(self, seed, count=40, memory=0.0, bulk=0.0, trend=0.0, tails=5.0, planted=False):
        """Neighbours by fours; ``planted``: of the first two one gains what the other loses."""
        dice = np.random.default_rng(seed)
        usual = dice.lognormal(5, 1, (count, 1))
        noise = 0.15 * dice.standard_t(tails, (count, 18)) + dice.normal(0, 0.2, 18)
        for month in range(1, 18):
            noise[:, month] += memory * noise[:, month - 1]
        noise += trend * dice.normal(0, 1, (count, 1)) * np.linspace(-0.5, 0.5, 18)
        # Half of them buy in at the end of each quarter.
        noise += bulk * (dice.random((count, 1)) < 0.5) * (np.arange(18) % 3 == 2)
        if planted:
            moved = 0.4 * dice.normal(0, 1, 18)
            noise[:2] += np.stack([moved, -moved])
        near = np.kron(np.eye(count // 4, dtype=bool), np.ones((4, 4), bool)) & ~np.eye(count, dtype=bool)
        deviation = volume.judge(usual * np.exp(noise), usual).deviation
        pairs = volume.opposed(deviation, near)
        found = judge.benjamini_hochberg(pairs.p) <= 0.05
        return pairs, set(zip(pairs.first[found].tolist(), pairs.second[found].tolist(), strict=True))

    def test_clean_countries_have_no_more_false_alarms_than_promised(self):
        """Where nobody plays, each alarm is false, so no more than one country in twenty may have any; the bound is that of
        a binomial of 100 countries, exceeded by chance once in a thousand."""
        for custom in ({}, {"memory": 0.5}, {"bulk": 0.3}, {"trend": 1.0}, {"tails": 2.5}, {"count": 12}):
            with self.subTest(**custom):
                alarmed = sum(bool(self.world(1000 + seed, **custom)[1]) for seed in range(100))
                self.assertLessEqual(alarmed, 13)

    def test_who_plays_is_found_and_the_others_are_not(self):
        found = [self.world(seed, planted=True)[1] for seed in range(100)]
        right = sum((0, 1) in pairs for pairs in found)
        wrong = sum(len(pairs - {(0, 1)}) for pairs in found)
        self.assertGreater(right, 60)
        self.assertLessEqual(wrong / (right + wrong), 0.1)

    def test_a_lasting_shift_or_one_odd_month_is_nothing(self):
        dice = np.random.default_rng(5)
        near = ~np.eye(12, dtype=bool)
        for change in (np.linspace(-3, 3, 18), 9.0 * (np.arange(18) == 4)):
            deviation = dice.normal(0, 1, (12, 18))
            deviation[:2] += np.stack([change, -change])
            pairs = volume.opposed(deviation, near)
            (pair,) = np.flatnonzero((pairs.first == 0) & (pairs.second == 1))
            self.assertGreater(pairs.p[pair], 0.001)

    def test_months_that_one_of_them_lacks_do_not_count(self):
        dice = np.random.default_rng(6)
        deviation = dice.normal(0, 1, (12, 18))
        deviation[1] = -deviation[0]
        near = ~np.eye(12, dtype=bool)
        whole = volume.opposed(deviation, near)
        self.assertEqual((whole.first[0], whole.second[0], round(whole.correlation[0], 2)), (0, 1, -1.0))
        deviation[0, :11] = np.nan
        pairs = volume.opposed(deviation, near)
        self.assertNotIn(0, pairs.first, "seven months are too few")
        self.assertEqual(len(volume.opposed(deviation, np.zeros((12, 12), bool)).p), 0)
