"""The table of worked cases, ``rebate_cases.csv``: anyone can add a row and run ``./dms test -k rebate_cases``.

Columns: the case, where its figures come from, the lines that make the measure, the tiers (``from: rate%``, ``from:
rate/u`` a unit, ``from: amount fixed``), banded or whole, other terms as ``name=value`` set apart by semicolons, and the
rebate expected (several for pools, days for periods).
"""

import csv
import unittest
from datetime import date
from decimal import Decimal as D
from pathlib import Path

from odoo.addons.dms_channel.tools import rebate, rebate_period

TABLE = Path(__file__).with_name("rebate_cases.csv")
KINDS = {"%": rebate.PERCENT, "/u": rebate.UNIT, " fixed": rebate.FIXED}


def read_tiers(text):
    tiers = []
    for part in filter(None, text.split(" | ")):
        lower, rate = part.split(": ")
        ending = next(ending for ending in KINDS if rate.endswith(ending))
        tiers.append(rebate.Tier(D(lower), D(rate.removesuffix(ending)), KINDS[ending]))
    return tuple(tiers)


def read_terms(text):
    return dict(part.split("=", 1) for part in filter(None, text.split("; ")))


def read_pairs(text):
    return [tuple(D(number) for number in pair.split(":")) for pair in text.split()]


def number(given, name, default=None):
    value = given.get(name)
    return default if value in (None, "none") else D(value)


def read_bundle(text):
    words = text.split()
    halves = [
        (name, *map(D, figures.split("/"))) for name, figures in zip(words[::2], words[1::2], strict=True)
    ]
    return tuple((name, least) for name, _part, least in halves), tuple(
        (name, part) for name, part, _ in halves
    )


def read_factors(given):
    factors = []
    if "paid" in given:
        factors.append(rebate.payment_factor(read_pairs(given["paid"]), read_pairs(given["table"])))
    if "grade" in given:
        factors.append(rebate.Factor("grade", "", D(given["grade"])))
    for code in ("points", "quality", "price"):
        if code in given:
            factors.append(rebate.score_factor(code, D(given[code]), read_pairs(given["factors"])))
    return tuple(factors)


def read_case(row):
    """Return the :class:`rebate.Terms` and :class:`rebate.Facts` of a row."""
    given = read_terms(row["terms"])
    thresholds, parts = read_bundle(given.get("bundle", ""))
    compare = next((name for name in ("target", "baseline") if name in given), "")
    terms = rebate.Terms(
        read_tiers(row["tiers"]),
        row["method"],
        compare={"target": rebate.TARGET, "baseline": rebate.GROWTH}.get(compare, rebate.MEASURE),
        growth_only=given.get("pays") == "growth",
        newcomer=given.get("newcomer", rebate.NOTHING),
        stated_baseline=number(given, "stated", D(0)),
        bundle=thresholds,
        minimum=number(given, "minimum"),
        maximum=number(given, "maximum"),
        rounding=number(given, "rounding", rebate.CENT),
    )
    facts = rebate.Facts(
        sum(map(D, row["lines"].split()), D(0)),
        diverted=number(given, "diverted", D(0)),
        target=number(given, "target"),
        baseline=number(given, "baseline"),
        bundle=parts,
        elsewhere=number(given, "elsewhere", D(0)),
        excluded_by=given.get("excluded", ""),
        factors=read_factors(given),
        room=number(given, "room"),
    )
    return terms, facts


def outcome(row):
    """Return what the engine says of a row, as the table writes it."""
    given = read_terms(row["terms"])
    days = {name: date.fromisoformat(text) for name, text in given.items() if text[4:5] == text[7:8] == "-"}
    if "day" in days:
        months = int(given.get("months", 0)) or None
        found = rebate_period.period_of(days["day"], given["period"], days["first"], days.get("last"), months)
    elif "against" in given:
        found = rebate_period.compared_with(days["start"], days["end"], given["against"])
    elif "event" in days:
        found = [rebate_period.counting_day(days["order"], days["event"], days["end"], int(given["grace"]))]
    elif "today" in days:
        weight = number(given, "weight", D(1))
        found = [
            rebate_period.project(D(given["measure"]), days["start"], days["end"], days["today"], weight)
        ]
    elif "together" in given:
        found = []
        for amount in given["amounts"].split():
            found.append(min(D(amount), rebate.room_left(D(given["together"]), found)))
    elif "pool" in given:
        terms, facts = read_case(row)
        _result, found = rebate.pool(terms, facts, [D(line) for line in row["lines"].split()])
    else:
        found = [rebate.earn(*read_case(row)).total - number(given, "settled", D(0))]
    return found


class TestPureRebateCases(unittest.TestCase):
    def test_rebate_cases(self):
        with TABLE.open(newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertGreaterEqual(len(rows), 80)
        for row in rows:
            with self.subTest(row["case"]):
                found, expected = outcome(row), row["expected"].split()
                self.assertEqual(len(found), len(expected))
                for got, wanted in zip(found, expected, strict=True):
                    self.assertEqual(
                        got, D(wanted) if isinstance(got, D | int) else date.fromisoformat(wanted)
                    )

    def test_lines_lead_to_the_total(self):
        """Whoever reads the lines of a computation finds the measure first and the amount due last."""
        with TABLE.open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["lines"] and "pool" not in row["terms"]]
        for row in rows:
            with self.subTest(row["case"]):
                terms, facts = read_case(row)
                result = rebate.earn(terms, facts)
                self.assertEqual(
                    result.lines[0], rebate.Line("measure", rebate.figure(facts.measure), facts.measure)
                )
                self.assertEqual((result.lines[-1].code, result.lines[-1].amount), ("total", result.total))
                tiers = sum(line.amount for line in result.lines if line.code == "tier")
                self.assertEqual(tiers, result.raw)
