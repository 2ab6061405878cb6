from datetime import date, datetime
from unittest import TestCase

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.dms_channel.tools import order_judge
from odoo.addons.dms_channel.tools.order_judge import Order, Rule, concerns, conclude, outcome, waive
from odoo.addons.dms_channel.tools.order_rule import Ordered, ancestors


class Money:
    """A currency of two digits."""

    id = 1
    name = "EUR"

    @staticmethod
    def round(amount):
        return round(amount, 2)

    @staticmethod
    def compare_amounts(one, other):
        return (round(one, 2) > round(other, 2)) - (round(one, 2) < round(other, 2))


class Digits:
    round = staticmethod(lambda value: round(value, 2))
    compare = staticmethod(
        lambda one, other: (round(one, 2) > round(other, 2)) - (round(one, 2) < round(other, 2))
    )


lines = st.lists(
    st.builds(
        lambda id_, product, quantity, price, case: Ordered(
            id_, product, frozenset({product % 2}), quantity, quantity, case, quantity * price, price, price
        ),
        st.integers(1, 10**6),
        st.integers(1, 4),
        st.integers(1, 200).map(float),
        st.integers(1, 5000).map(lambda cents: cents / 100),
        st.sampled_from([0.0, 6.0, 12.0]),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda line: line.line_id,
)
outcomes = st.lists(st.sampled_from(["pass", "approve", "skip", "hold", "refuse"]), max_size=12)


def order(lines, **values):
    moment = datetime(2026, 5, 4, 12)
    return Order(
        **{
            "id": 7,
            "partner_id": 3,
            "role": "distributor",
            "grade_id": 2,
            "grade_sequence": 20,
            "territories": ancestors("1/5/"),
            "money": Money(),
            "currency": Money(),
            "day": date(2026, 5, 4),
            "today": date(2026, 5, 4),
            "moment": moment,
            "amount": round(sum(line.amount for line in lines), 2),
            "confirmed": False,
            "lines": lines,
            **values,
        }
    )


def facts(lines):
    """A distributor whose stock of products 1 and 2 lasts for a month, and that never had the others."""
    day = date(2026, 5, 4)
    return {
        "matches": set(),
        "quantity": Digits,
        "price": {(7, "pricelist"): {line.line_id: 10.0 for line in lines}},
        "cover": {
            "past": False,
            "days": {7: day},
            "stock": {day: {(3, product): (30.0, 0.0, date(2025, 1, 1)) for product in (1, 2)}},
            "demand": {(day, 60): {(3, 1): 1.0}},
            "on_order": {},
        },
    }


RULES = [
    Rule(kind="amount", amount_min=50.0, amount_max=500.0),
    Rule(kind="amount", scope="line", amount_max=100.0),
    Rule(kind="amount", amount_max=100.0, categ_ids=[1]),
    Rule(kind="quantity", scope="product", quantity_max=60.0),
    Rule(kind="quantity", scope="product", quantity_max=5.0, in_cases=True, product_ids=[1, 2]),
    Rule(kind="quantity_case"),
    Rule(kind="price", price_percent=10.0),
    Rule(kind="cover", cover_days=90),
    Rule(kind="cover", cover_days=90, unknown_policy="stop", new_policy="stop"),
]


class TestOrderJudge(TestCase):
    @given(lines, st.randoms(), st.sampled_from(RULES))
    def test_verdict_does_not_depend_on_the_order_of_the_lines(self, lines, chance, rule):
        judge = getattr(order_judge, f"judge_{rule.kind}")
        shuffled = list(lines)
        chance.shuffle(shuffled)
        one, other = judge(rule, order(lines), facts(lines)), judge(rule, order(shuffled), facts(lines))
        self.assertEqual(one.met, other.met)
        self.assertEqual(repr(one.figures).count("product"), repr(other.figures).count("product"))

    @given(lines, st.sampled_from(RULES[1:5] + RULES[7:8]))
    def test_taking_a_line_away_breaks_no_upper_bound(self, lines, rule):
        judge = getattr(order_judge, f"judge_{rule.kind}")
        if judge(rule, order(lines), facts(lines)).met:
            self.assertTrue(judge(rule, order(lines[:-1]), facts(lines)).met)

    @given(outcomes)
    def test_an_approving_rule_lifts_only_the_holds_after_it(self, found):
        after = waive(found)
        first = found.index("approve") if "approve" in found else len(found)
        self.assertEqual(after[:first], found[:first])
        self.assertNotIn("hold", after[first:])
        self.assertEqual(after.count("refuse"), found.count("refuse"))

    @given(outcomes)
    def test_a_refusal_outweighs_a_hold_outweighs_the_rest(self, found):
        state = conclude(waive(found))
        self.assertEqual(state == "refused", "refuse" in found)
        if state == "approved":
            self.assertNotIn("hold", waive(found))

    def test_outcome_follows_from_what_the_rule_is_for(self):
        self.assertEqual([outcome(Rule(outcome="hold"), met) for met in (True, False)], ["pass", "hold"])
        self.assertEqual([outcome(Rule(outcome="refuse"), met) for met in (True, False)], ["pass", "refuse"])
        self.assertEqual(
            [outcome(Rule(outcome="approve"), met) for met in (True, False)], ["approve", "skip"]
        )

    def test_whom_a_rule_concerns(self):
        one, known = order([]), {"matches": {(7, "[('x', '=', 1)]")}}
        for rule, expected in (
            (Rule(), True),
            (Rule(channel_role="outlet"), False),
            (Rule(grade_ids=[2, 4]), True),
            (Rule(grade_ids=[4]), False),
            (Rule(partner_ids=[3]), True),
            (Rule(partner_ids=[4]), False),
            (Rule(territory_ids=[1]), True),
            (Rule(territory_ids=[6]), False),
            (Rule(order_domain="[('x', '=', 1)]"), True),
            (Rule(order_domain="[('x', '=', 2)]"), False),
            (Rule(kind="domain", order_domain="[('x', '=', 2)]"), True),
        ):
            self.assertEqual(concerns(rule, one, known), expected, rule)
        self.assertFalse(concerns(Rule(territory_ids=[1]), order([], territories=ancestors(None)), known))
