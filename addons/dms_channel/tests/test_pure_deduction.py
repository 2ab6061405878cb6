import unittest
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.dms_channel.tools.deduction import Candidate, assign, score

AMOUNTS = st.decimals(min_value=Decimal("0.01"), max_value=Decimal("99999"), places=2)


class TestDeduction(unittest.TestCase):
    def test_score(self):
        note = Candidate("note", Decimal("120.00"), ("RINV/2026/00012", "STL/2026/00007"))
        for amount, memo, expected in (
            ("120.00", "INV 77 less rinv-2026-00012", (100, "both")),
            ("130.00", "INV 77 less STL 2026 00007", (60, "reference")),
            ("120.00", "INV 77", (40, "amount")),
            ("119.00", "INV 77", (20, "near")),
            ("90.00", "INV 77", (0, "")),
            ("90.00", "", (0, "")),
        ):
            with self.subTest(amount=amount, memo=memo):
                self.assertEqual(score(Decimal(amount), memo, note), expected)
        self.assertEqual(score(Decimal("5"), "A1 paid", Candidate("x", Decimal("9"), ("A1",))), (0, ""))

    def test_the_surest_pair_comes_first(self):
        candidates = [
            Candidate("old", Decimal("50"), ("RINV/2026/00001",)),
            Candidate("new", Decimal("50"), ("RINV/2026/00002",)),
        ]
        deductions = [
            (1, Decimal("50"), ""),
            (2, Decimal("50"), "see RINV/2026/00001"),
            (3, Decimal("50"), ""),
        ]
        self.assertEqual(
            assign(deductions, candidates),
            {2: ("old", 100, "both"), 1: ("new", 40, "amount")},
        )

    @given(st.lists(AMOUNTS, max_size=8), st.lists(AMOUNTS, max_size=8))
    def test_each_candidate_once(self, amounts, credits):
        result = assign(
            [(number, amount, "") for number, amount in enumerate(amounts)],
            [Candidate(number, amount) for number, amount in enumerate(credits)],
        )
        used = [candidate for candidate, _points, _why in result.values()]
        self.assertEqual(len(used), len(set(used)))
        for number, (candidate, points, _why) in result.items():
            self.assertEqual(points == 40, amounts[number] == credits[candidate])
