"""Layers of channel stock, first in, first out: which goods are there, since when, and at what sell-in price.

A day is any value that sorts, quantities and prices are Decimals; a price is that of one unit, in one currency.
"""

from bisect import insort
from collections import namedtuple
from decimal import Decimal

ZERO = Decimal(0)

#: Goods that came in together: day of the sell-in, quantity, unit price.
Layer = namedtuple("Layer", "day quantity price")
#: What came or left: day, signed quantity, day of the layer (None: the move's own, or the oldest), price (None: unknown).
Change = namedtuple("Change", "day quantity layer price")


def remaining(changes, price=ZERO):
    """Return the layers that are left of one position, oldest first.

    Goods that leave are the oldest there are on that day, unless the change names the layer that it takes. What left
    before it came is made up for by what comes next. Goods that come without a price (found at a count, brought back)
    take that of the last ones that had one.

    :param changes: iterable of :class:`Change`, in the order in which they were recorded
    :param Decimal price: for goods without a price that came before any with one
    :rtype: list[Layer]
    """
    quantities, order, short = {}, [], ZERO
    for change in sorted(changes, key=lambda change: (change.day, change.quantity < 0)):
        if change.quantity > 0:
            # Goods under another day's name say nothing of today's price.
            unit = price if change.price is None else change.price
            if change.price is not None and change.layer in (None, change.day):
                price = change.price
            made_up = min(short, change.quantity)
            short -= made_up
            if rest := change.quantity - made_up:
                key = (change.layer or change.day, unit)
                if key not in quantities:
                    insort(order, key)
                quantities[key] = quantities.get(key, ZERO) + rest
            continue
        wanted = -change.quantity
        named = [key for key in order if key[0] == change.layer] if change.layer else []
        named.sort(key=lambda key: key[1] != change.price)
        for key in [*named, *(key for key in order if key not in named)]:
            if not wanted:
                break
            taken = min(wanted, quantities[key])
            wanted -= taken
            quantities[key] -= taken
        emptied = [key for key in order if not quantities[key]]
        for key in emptied:
            del quantities[key]
        if emptied:
            order = [key for key in order if key in quantities]
        short += wanted
    return [Layer(day, quantities[day, unit], unit) for day, unit in order]


def take(layers, quantity, newest=False):
    """Split layers: return ``(taken, left)``, both oldest first; ``taken`` adds up to ``quantity``.

    :param bool newest: take from the newest on, not from the oldest
    :raises ValueError: when the layers hold less
    """
    taken, left, wanted = [], [], quantity
    for layer in reversed(layers) if newest else layers:
        part = min(wanted, layer.quantity)
        wanted -= part
        if part:
            taken.append(layer._replace(quantity=part))
        if layer.quantity > part:
            left.append(layer._replace(quantity=layer.quantity - part))
    if wanted:
        raise ValueError(f"the layers are {wanted} short")
    return (taken[::-1], left[::-1]) if newest else (taken, left)


def worth(layers):
    """Return what the layers are worth at their prices."""
    return sum((layer.quantity * layer.price for layer in layers), ZERO)
