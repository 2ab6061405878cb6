"""Properties of layers; run without Odoo."""

import unittest
from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.dms_channel.tools.layers import Change, Layer, remaining, take, worth

START = date(2026, 1, 1)
quantities = st.integers(1, 999).map(lambda number: Decimal(number) / 100)
prices = st.integers(1, 99).map(Decimal)
days = st.integers(0, 20).map(lambda number: START + timedelta(days=number))
changes = st.lists(
    st.builds(
        lambda day, quantity, sign, price: Change(day, sign * quantity, None, price if sign > 0 else None),
        days,
        quantities,
        st.sampled_from((1, -1)),
        prices,
    ),
    max_size=30,
)
layer_lists = st.lists(st.builds(Layer, days, quantities, prices), max_size=8).map(sorted)


def total(layers):
    return sum((layer.quantity for layer in layers), Decimal(0))


class TestLayers(unittest.TestCase):
    @given(changes)
    def test_layers_are_the_last_that_came(self, moves):
        """First in, first out means that what is there came last; an independent way to the same answer."""
        stock = sum((move.quantity for move in moves), Decimal(0))
        wanted, expected = max(stock, Decimal(0)), {}
        incoming = sorted((move for move in moves if move.quantity > 0), key=lambda move: move.day)
        layers = remaining(moves)
        self.assertEqual(total(layers), wanted)
        for move in reversed(incoming):
            part = min(wanted, move.quantity)
            wanted -= part
            if part:
                expected[move.day] = expected.get(move.day, Decimal(0)) + part
        found = {}
        for layer in layers:
            found[layer.day] = found.get(layer.day, Decimal(0)) + layer.quantity
        self.assertEqual(found, expected)

    @given(layer_lists, st.data(), st.booleans())
    def test_nothing_is_lost_in_a_split(self, layers, data, newest):
        whole = total(layers)
        quantity = data.draw(st.integers(0, int(whole * 100)).map(lambda number: Decimal(number) / 100))
        taken, left = take(layers, quantity, newest)
        self.assertEqual(total(taken), quantity)
        self.assertEqual(total(left), whole - quantity)
        self.assertEqual(worth(taken) + worth(left), worth(layers))
        first, last = (left, taken) if newest else (taken, left)
        self.assertTrue(not first or not last or first[-1].day <= last[0].day)

    @given(changes, st.data())
    def test_carried_layers_keep_day_and_price(self, moves, data):
        """What one gives another stays what it was: together they have the layers that were there."""
        before = remaining(moves)
        whole = total(before)
        quantity = data.draw(st.integers(0, int(whole * 100)).map(lambda number: Decimal(number) / 100))
        taken, left = take(before, quantity)
        day = START + timedelta(days=30)
        giver = remaining(
            [*moves, *(Change(day, -layer.quantity, layer.day, layer.price) for layer in taken)]
        )
        taker = remaining([Change(day, layer.quantity, layer.day, layer.price) for layer in taken])
        self.assertEqual(giver, left)
        self.assertEqual(taker, taken)

    def test_old_goods_among_newer_ones_leave_first(self):
        june, may, january = date(2026, 6, 1), date(2026, 5, 1), date(2026, 1, 1)
        own = [Change(may, Decimal(10), None, Decimal(5)), Change(may, Decimal(-8), None, None)]
        carried = Change(june, Decimal(5), january, Decimal(4))
        self.assertEqual(remaining([*own, carried]), [Layer(january, 5, 4), Layer(may, 2, 5)])
        sold = Change(june + timedelta(days=1), Decimal(-6), None, None)
        self.assertEqual(remaining([*own, carried, sold]), [Layer(may, 1, 5)])

    def test_goods_without_a_price_take_the_last_one(self):
        moves = [
            Change(START, Decimal(1), None, None),
            Change(START + timedelta(1), Decimal(1), None, Decimal(7)),
            Change(START + timedelta(2), Decimal(1), START, Decimal(3)),
            Change(START + timedelta(3), Decimal(1), None, None),
        ]
        self.assertEqual([layer.price for layer in remaining(moves, Decimal(9))], [3, 9, 7, 7])

    def test_too_little_is_refused(self):
        with self.assertRaisesRegex(ValueError, "2 short"):
            take([Layer(START, Decimal(1), Decimal(1))], Decimal(3))
