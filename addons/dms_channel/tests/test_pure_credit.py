import unittest
from datetime import date, timedelta

from dateutil.relativedelta import relativedelta
from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.dms_channel.tools.credit import Event, Terms, adjustments, period_end, period_start

FIRST = date(2024, 1, 1)
days = st.integers(0, 700).map(lambda number: FIRST + timedelta(days=number))


@st.composite
def events(draw):
    """Up to a dozen events; some are reversed, on their own day or later."""
    found = []
    for number in range(draw(st.integers(0, 12))):
        day = draw(days)
        later = draw(st.none() | st.integers(0, 400))
        reversed_on = None if later is None else day + timedelta(days=later)
        found.append(Event(day, f"e{number}", draw(st.integers(-9, 9)), reversed_on))
    return found


terms = st.builds(
    Terms, st.integers(0, 12), st.sampled_from(["month", "quarter", "year"]), st.sampled_from([0, 1, 3, 12])
)


def score(found, term, day):
    """The definition, straight: walk through what lives on the day and fill the caps."""
    total, filled = 0, {}
    for event in sorted(found):
        if event.day > day or (event.reversed_on and event.reversed_on <= day):
            continue
        points = event.points
        if term.cap:
            room = (
                event.day.year,
                (event.day.month - 1) // {"month": 1, "quarter": 3, "year": 12}[term.period],
            )
            room = room, points > 0
            points = min(abs(points), term.cap - filled.get(room, 0)) * (1 if points > 0 else -1)
            filled[room] = filled.get(room, 0) + abs(points)
        if not term.months or day < event.day + relativedelta(months=term.months):
            total += points
    return total


def ledger(found, term, day):
    """Sum of all entries up to the day: events, reversals, and what cap and expiry add."""
    raw = sum(event.points for event in found if event.day <= day)
    raw -= sum(event.points for event in found if event.reversed_on and event.reversed_on <= day)
    return raw + sum(points for (when, _kind), points in adjustments(found, term).items() if when <= day)


class TestPureCredit(unittest.TestCase):
    @given(events(), terms, st.lists(days, min_size=1, max_size=20))
    def test_sum_of_entries_is_the_score_on_every_day(self, found, term, asked):
        for day in [*asked, *(event.day for event in found), date(2030, 1, 1)]:
            self.assertEqual(ledger(found, term, day), score(found, term, day))

    @given(events(), terms, st.randoms())
    def test_order_of_arrival_does_not_matter(self, found, term, random):
        shuffled = random.sample(found, len(found))
        self.assertEqual(adjustments(shuffled, term), adjustments(found, term))

    @given(events())
    def test_without_cap_and_expiry_nothing_is_added(self, found):
        self.assertEqual(adjustments(found, Terms()), {})

    def test_cap_lets_the_first_events_of_a_month_count(self):
        found = [
            Event(date(2025, 3, 3), "a", 5),
            Event(date(2025, 3, 20), "b", 5),
            Event(date(2025, 4, 1), "c", 5),
        ]
        self.assertEqual(adjustments(found, Terms(cap=7)), {(date(2025, 3, 20), "cap"): -3})

    def test_reversed_event_leaves_its_room_to_the_next(self):
        found = [Event(date(2025, 3, 3), "a", 5, date(2025, 5, 1)), Event(date(2025, 3, 20), "b", 5)]
        self.assertEqual(
            adjustments(found, Terms(cap=7)),
            {
                (date(2025, 3, 20), "cap"): -3,
                (date(2025, 5, 1), "cap"): 3,
            },
        )

    def test_points_lapse_as_far_as_they_counted(self):
        found = [Event(date(2024, 2, 29), "a", 9)]
        self.assertEqual(
            adjustments(found, Terms(cap=7, months=12)),
            {
                (date(2024, 2, 29), "cap"): -2,
                (date(2025, 2, 28), "expiry"): -7,
            },
        )

    def test_periods_are_those_of_the_calendar(self):
        day = date(2025, 5, 31)
        self.assertEqual([period_start(day, kind) for kind in ("month", "quarter", "year")], [
            date(2025, 5, 1), date(2025, 4, 1), date(2025, 1, 1),
        ])  # fmt: skip
        self.assertEqual([period_end(day, kind) for kind in ("month", "quarter", "year")], [
            date(2025, 5, 31), date(2025, 6, 30), date(2025, 12, 31),
        ])  # fmt: skip
