import unittest
from datetime import date, timedelta
from decimal import Decimal as D
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.dms_channel.tools import rebate, rebate_period

BOUNDS = st.decimals(min_value=0, max_value=10**7, places=2)
RATES = st.decimals(min_value=0, max_value=100, places=4)
MEASURES = st.decimals(min_value=-(10**6), max_value=10**8, places=3)


@st.composite
def tiers(draw, kinds=(rebate.PERCENT, rebate.UNIT), rising=False):
    bounds = draw(st.lists(BOUNDS, min_size=1, max_size=6, unique=True))
    rates = draw(st.lists(RATES, min_size=len(bounds), max_size=len(bounds)))
    if rising:
        bounds, rates = sorted(bounds), sorted(rates)
    kind = draw(st.sampled_from(kinds))
    return [rebate.Tier(bound, rate, kind) for bound, rate in zip(bounds, rates, strict=True)]


def ladder(*pairs, kind=rebate.PERCENT):
    return [rebate.Tier(D(lower), D(rate), kind) for lower, rate in pairs]


class TestPureRebate(unittest.TestCase):
    def total(self, measure, steps, method=rebate.BANDED, **kwargs):
        return rebate.compute(D(measure), steps, method, **kwargs).total

    def test_published_cases(self):
        value = ladder(("0", "10"), ("100", "20"), ("300", "30"))
        units = ladder(("0", "0"), ("500", "2.00"), ("1000", "3.00"), kind=rebate.UNIT)
        cases = [
            ("banded", "3800", value, rebate.BANDED, "1100.00"),
            ("whole volume", "3800", value, rebate.WHOLE, "1140.00"),
            ("units banded", "1200", units, rebate.BANDED, "1600.00"),
            ("units whole", "1200", units, rebate.WHOLE, "3600.00"),
            ("contract to date", "27000", ladder(("0", "4")), rebate.BANDED, "1080.00"),
            ("on a bound, banded", "100", value, rebate.BANDED, "10.00"),
            ("on a bound, whole", "100", value, rebate.WHOLE, "20.00"),
            ("just under a bound", "99.99", value, rebate.WHOLE, "10.00"),
            ("between whole numbers", "1000.50", ladder(("0", "1"), ("1000", "2")), rebate.WHOLE, "20.01"),
            ("below the first tier", "99", ladder(("100", "5")), rebate.WHOLE, "0"),
            ("first band is free", "150", ladder(("100", "5")), rebate.BANDED, "2.50"),
            ("nothing sold", "0", value, rebate.BANDED, "0"),
            ("more returned than sold", "-50", value, rebate.WHOLE, "0"),
            (
                "bonus for reaching",
                "500",
                ladder(("100", "50"), ("400", "200"), kind=rebate.FIXED),
                rebate.WHOLE,
                "200",
            ),
            (
                "bonuses add up",
                "500",
                ladder(("100", "50"), ("400", "200"), kind=rebate.FIXED),
                rebate.BANDED,
                "250",
            ),
        ]
        for name, measure, steps, method, expected in cases:
            with self.subTest(name):
                self.assertEqual(self.total(measure, steps, method), D(expected))

    def test_contract_to_date_less_settled(self):
        self.assertEqual(self.total("27000", ladder(("0", "4"))) - D("140"), D("940.00"))

    def test_fraction_falls_in_second_band(self):
        bands = ladder(("0", "1"), ("1000", "2"))
        self.assertEqual(rebate.reached_tier(D("1000.50"), bands).lower, D(1000))
        self.assertEqual(rebate.next_tier(D("999.99"), bands).lower, D(1000))
        self.assertIsNone(rebate.next_tier(D("1000"), bands))
        self.assertIsNone(rebate.reached_tier(D("5"), ladder(("10", "1"))))

    def test_cap_and_rounding(self):
        result = rebate.compute(D("3800"), ladder(("0", "10")), cap=D("100.005"))
        self.assertEqual((result.raw, result.total, result.capped), (D("380"), D("100.01"), True))
        self.assertEqual(rebate.round_to(D("-0.005")), D("-0.01"))
        self.assertEqual(rebate.round_to(D("1234.5"), D(1)), D(1235))
        self.assertEqual(rebate.round_to(D("0.07"), D("0.05")), D("0.05"))

    def test_factor(self):
        factors = [(60, D("0.8")), (80, D(1)), (40, D("0.5"))]
        for points, factor in [(100, 1), (80, 1), (79, "0.8"), (60, "0.8"), (40, "0.5"), (39, 0), (-5, 0)]:
            self.assertEqual(rebate.factor_for(points, factors), D(factor))
        self.assertEqual(rebate.factor_for(-5, []), D(1))

    def test_tier_problems(self):
        self.assertEqual(rebate.tier_problems([]), [("empty", None)])
        self.assertEqual(rebate.tier_problems(ladder(("0", "1"), ("5", "2"))), [])
        self.assertEqual(
            rebate.tier_problems(ladder(("0", "1"), ("0", "2"), ("-1", "3"), ("9", "-4"))),
            [("duplicate_bound", 1), ("negative_bound", 2), ("negative_rate", 3)],
        )

    def test_tier_problems_of_rates_and_ends(self):
        falling = ladder(("0", "5"), ("10", "3"), ("20", "4"))
        self.assertEqual(rebate.tier_problems(falling), [])
        self.assertEqual(rebate.tier_problems(falling, rising=True), [("falling_rate", 1)])
        ends = [D(8), D(25), None]
        self.assertEqual(rebate.tier_problems(falling, ends=ends), [("gap", 0), ("overlap", 1)])

    def test_programmes_follow_each_other(self):
        relations = [
            rebate.Relation(rebate.REDUCES, "A", "B"),
            rebate.Relation(rebate.EXCLUDES, "B", "C"),
            rebate.Relation(rebate.CAP, "elsewhere", "A"),
        ]
        self.assertEqual(rebate.precedence(["C", "D", "B", "A"], relations), ["D", "A", "B", "C"])
        with self.assertRaises(rebate.Cycle):
            rebate.precedence(["A", "B"], [*relations, rebate.Relation(rebate.REDUCES, "B", "A")])

    def test_a_member_of_a_pool_keeps_its_own_factors(self):
        facts = rebate.Facts(D(1), factors=(rebate.Factor("grade", "", D(2), D(3)),), room=D("6.60"))
        self.assertEqual(rebate.modify(D("9.98"), facts), D("6.60"))
        self.assertEqual(rebate.modify(D("9.80"), facts), D("6.53"))
        self.assertEqual(rebate.modify(D("9.80"), rebate.Facts(D(1), excluded_by="A")), D(0))

    def test_nobody_to_share_with(self):
        self.assertEqual(rebate.share(D(0), [D(-1), D(0)]), [D(0), D(0)])
        with self.assertRaises(ValueError):
            rebate.share(D(1), [D(-1), D(0)])

    def test_unknown_method(self):
        with self.assertRaisesRegex(ValueError, "sliding"):
            rebate.compute(D(1), ladder(("0", "1")), "sliding")

    def test_decimal_reads_the_notation(self):
        self.assertEqual(rebate.decimal(0.1), D("0.1"))
        self.assertEqual(rebate.decimal(False), D(0))

    @given(tiers(), MEASURES)
    def test_banded_is_the_sum_of_its_bands(self, steps, measure):
        result = rebate.compute(measure, steps)
        self.assertEqual(sum((step.amount for step in result.steps), D(0)), result.raw)
        covered = sum((step.measure for step in result.steps), D(0))
        self.assertEqual(covered, max(measure - min(tier.lower for tier in steps), D(0)))

    @given(tiers(), MEASURES, st.decimals(min_value=0, max_value=10**6, places=3))
    def test_banded_is_monotone_and_continuous(self, steps, measure, more):
        low, high = rebate.compute(measure, steps).raw, rebate.compute(measure + more, steps).raw
        steepest = max(tier.rate / (100 if tier.kind == rebate.PERCENT else 1) for tier in steps)
        self.assertGreaterEqual(high, low)
        self.assertLessEqual(high - low, more * steepest)

    @given(tiers(rising=True), MEASURES)
    def test_whole_is_never_below_banded_when_rates_rise(self, steps, measure):
        self.assertGreaterEqual(
            rebate.compute(measure, steps, rebate.WHOLE).raw, rebate.compute(measure, steps).raw
        )

    @given(tiers(rebate.KINDS), st.lists(MEASURES, max_size=8), st.sampled_from(rebate.METHODS), st.randoms())
    def test_deltas_telescope(self, steps, lines, method, random):
        """Splitting, merging or reordering the lines changes nothing, and a return undoes its sale."""

        def run(order):
            measure = paid = D(0)
            for line in order:
                measure += line
                paid += rebate.compute(measure, steps, method).total - paid
            return paid

        shuffled = list(lines)
        random.shuffle(shuffled)
        halves = [half for line in lines for half in (line / 2, line - line / 2)]
        self.assertEqual(run(lines), run(shuffled))
        self.assertEqual(run(lines), run(halves))
        self.assertEqual(run(lines), run([*lines, D("123.45"), D("-123.45")]) if lines else D(0))

    @given(tiers(rebate.KINDS), st.sampled_from(rebate.METHODS), MEASURES, st.randoms())
    def test_order_of_tiers_is_free(self, steps, method, measure, random):
        shuffled = list(steps)
        random.shuffle(shuffled)
        self.assertEqual(rebate.compute(measure, steps, method), rebate.compute(measure, shuffled, method))

    @given(tiers(rebate.KINDS), st.lists(MEASURES, max_size=20), st.sampled_from(rebate.METHODS), BOUNDS)
    def test_many_at_once_is_one_by_one(self, steps, measures, method, cap):
        for least, most in ((None, None), (None, cap), (D(20), cap)):
            terms = rebate.Terms(tuple(steps), method, minimum=least, maximum=most)
            self.assertEqual(
                rebate.totals(measures, terms),
                [rebate.earn(terms, rebate.Facts(measure)).total for measure in measures],
            )

    @given(BOUNDS, st.lists(MEASURES, min_size=1, max_size=12))
    def test_shares_add_up_and_are_fair(self, total, weights):
        if not any(weight > 0 for weight in weights):
            return
        parts = rebate.share(total, weights)
        whole = sum(weight for weight in weights if weight > 0)
        self.assertEqual(sum(parts), total)
        for part, weight in zip(parts, weights, strict=True):
            self.assertLess(abs(part - total * max(weight, D(0)) / whole), rebate.CENT)

    @given(tiers(), st.lists(BOUNDS, min_size=1, max_size=8), st.randoms())
    def test_a_pool_pays_what_one_distributor_would_get(self, steps, measures, random):
        if not any(measures):
            return
        terms = rebate.Terms(tuple(steps), rebate.WHOLE)
        result, shares = rebate.pool(terms, rebate.Facts(sum(measures)), measures)
        self.assertEqual(sum(shares), rebate.compute(sum(measures), steps, rebate.WHOLE).total)
        self.assertEqual(sum(shares), result.total)

    @given(st.lists(st.tuples(st.integers(0, 90), BOUNDS), max_size=10), st.randoms())
    def test_payment_quality_is_a_share(self, parts, random):
        table = [(D(15), D(1)), (D(30), D("0.8")), (D(45), D("0.5"))]
        factor = rebate.payment_factor(parts, table)
        self.assertLessEqual(0, factor.numerator)
        self.assertLessEqual(factor.numerator, factor.denominator)
        halves = [(days, base / 2) for days, base in parts] * 2
        random.shuffle(halves)
        again = rebate.payment_factor(halves, table)
        self.assertEqual(factor.numerator * again.denominator, again.numerator * factor.denominator)

    @given(tiers(rising=True), MEASURES, st.integers(1, 10**6))
    def test_growth_on_everything_is_the_ladder_over_the_baseline(self, steps, measure, baseline):
        baseline = D(baseline)
        terms = rebate.Terms(tuple(steps), compare=rebate.GROWTH)
        result = rebate.earn(terms, rebate.Facts(measure, baseline=baseline))
        moved = [rebate.Tier(baseline * (100 + tier.lower) / 100, tier.rate, tier.kind) for tier in steps]
        self.assertEqual(result.total, rebate.compute(measure, moved).total)

    @given(st.lists(BOUNDS, max_size=6), BOUNDS)
    def test_a_cap_over_several(self, amounts, cap):
        """In order of precedence each gets what the cap has left: together the cap, or what they earn if that is less."""
        paid = []
        for amount in amounts:
            paid.append(min(amount, rebate.room_left(cap, paid)))
        self.assertEqual(sum(paid), min(sum(amounts), cap))

    @given(
        st.sampled_from(("month", "quarter", "year", "custom", "validity")),
        st.dates(date(2020, 1, 1), date(2030, 1, 1)),
        st.integers(0, 900),
        st.integers(1, 7),
    )
    def test_every_day_is_in_one_period(self, kind, first, days, months):
        last = first + timedelta(days=days)
        periods = rebate_period.periods_between(kind, first, last, last, months)
        self.assertEqual((periods[0][0], periods[-1][1]), (first, last))
        for (_start, end), (start, _end) in pairwise(periods):
            self.assertEqual(start, end + timedelta(days=1))
        middle = first + timedelta(days=days // 2)
        self.assertIn(rebate_period.period_of(middle, kind, first, last, months), periods)

    @given(
        st.lists(
            st.tuples(
                st.integers(1, 3),
                st.sampled_from("ABC"),
                st.sampled_from("ABC"),
                st.sampled_from(["1", "0.5", "0.25"]),
            ),
            max_size=6,
        ),
        st.randoms(use_true_random=False),
    )
    def test_past_sales_move_and_never_multiply(self, rows, dice):
        own = {"A": D(1000), "B": D("70.5"), "C": D(0)}
        moves, given_away = [], {}
        for day, former, new, part in rows:
            left = D(1) - given_away.get((day, former), D(0))
            if former != new and D(part) <= left:
                given_away[day, former] = D(1) - left + D(part)
                moves.append((day, former, new, D(part)))
        held = rebate.take_over(moves, own.get)
        self.assertEqual(sum(held.values()), sum(own[key] for key in held))
        self.assertTrue(all(value >= 0 for value in held.values()))
        shuffled = list(moves)
        dice.shuffle(shuffled)
        self.assertEqual(rebate.take_over(shuffled, own.get), held)

    def test_what_was_taken_over_moves_on(self):
        moves = [(2, "B", "C", D("0.5")), (1, "A", "B", D(1))]
        own = {"A": D(100), "B": D(20), "C": D(5)}
        self.assertEqual(rebate.take_over(moves, own.get), {"A": D(0), "B": D(60), "C": D(65)})
