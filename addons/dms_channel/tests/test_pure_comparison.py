from decimal import Decimal
from unittest import TestCase

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.dms_channel.tools.comparison import Facts, count_cause, scan_cause

AMOUNTS = st.decimals(min_value=0, max_value=10**6, places=2)


def cause(counted, books, **more):
    figures = {name: Decimal(value) if isinstance(value, str) else value for name, value in more.items()}
    return count_cause(Facts(Decimal(counted), Decimal(books), **{"counted_before": True, **figures}))


class TestComparison(TestCase):
    def test_what_agrees_has_no_cause(self):
        self.assertEqual(cause("5.50", "5.5", in_transit="3"), ("agree", 0))

    def test_missing_goods(self):
        self.assertEqual(cause("60", "100", in_transit="40"), ("in_transit", 40))
        self.assertEqual(cause("60", "100", unreleased="38", in_transit="25"), ("late_report", 38))
        self.assertEqual(cause("60", "100"), ("loss", 0))
        self.assertEqual(cause("60", "100", in_transit="19"), ("loss", 0), "half of it is not explained")
        self.assertEqual(cause("60", "100", in_transit="100"), ("loss", 0), "nor by far too much")

    def test_a_seller_that_fell_silent(self):
        quiet = {"sold": "100", "days": 30, "silent_days": 10}
        self.assertEqual(cause("45", "100", **quiet), ("late_report", 50), "five a day, for ten days")
        self.assertEqual(cause("45", "100", **(quiet | {"silent_days": 1})), ("loss", 0))
        self.assertEqual(cause("45", "100", **(quiet | {"silent_days": 30})), ("loss", 0), "it never sold")

    def test_too_many_goods(self):
        self.assertEqual(cause("140", "100", undelivered="36"), ("undelivered", 36))
        self.assertEqual(cause("110", "100", repeated="10"), ("duplicate", 10))
        returns = {"sold": "200", "return_share": "0.05"}
        self.assertEqual(cause("109", "100", **returns), ("returns", 9))
        self.assertEqual(
            cause("109", "100", returned="2", **returns), ("unbooked", 0), "returns are reported"
        )
        self.assertEqual(cause("140", "100"), ("unbooked", 0))

    def test_a_first_count_is_no_diversion(self):
        self.assertEqual(cause("140", "-20", counted_before=False), ("opening", 0))
        self.assertEqual(cause("140", "0", counted_before=False, booked_before=False), ("opening", 0))
        self.assertEqual(
            cause("60", "100", counted_before=False), ("loss", 0), "what was delivered is missing"
        )

    def test_packs_for_pieces(self):
        self.assertEqual(cause("10", "120", packs=(6, 12)), ("unit", 110))
        self.assertEqual(cause("10", "119", packs=(12,)), ("unit", 109), "one was sold meanwhile")
        self.assertEqual(cause("1440", "120", packs=(12,)), ("unit", 1320))
        self.assertEqual(cause("10", "60", packs=(12,)), ("loss", 0))
        self.assertEqual(cause("10", "10.1", packs=(1,)), ("loss", 0), "a pack of one is none")

    def test_scans(self):
        self.assertEqual(
            [scan_cause(5, 5), scan_cause(6, 5), scan_cause(4, 5)], ["agree", "unscanned", "uncoded"]
        )

    @given(AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS, st.booleans())
    def test_any_figures(self, counted, books, transit, open_, repeated, sold, before):
        facts = Facts(
            counted, books, in_transit=transit, undelivered=open_, repeated=repeated, unreleased=open_, sold=sold,
            return_share=Decimal("0.1"), days=30, silent_days=5, packs=(12,), counted_before=before,
        )  # fmt: skip
        code, explained = count_cause(facts)
        self.assertEqual(code == "agree", counted == books)
        self.assertLessEqual(explained, abs(counted - books))
        too_few = {"in_transit", "late_report", "loss"}
        too_many = {"undelivered", "duplicate", "returns", "unbooked", "opening"}
        self.assertNotIn(code, too_many if counted < books else too_few)
