"""The arithmetic of the order rules."""

from statistics import median
from typing import NamedTuple

from dateutil.relativedelta import relativedelta

# A normal distribution's standard deviation is this times its median absolute deviation.
NORMAL = 1.4826
# Orders of one size have no spread at all: a tenth of the median is taken as the least that says anything.
LEAST_SPREAD = 0.1
# Cover of a product that nobody buys.
ENDLESS = 999.0


class Ordered(NamedTuple):
    """A line of an order, in terms that do not depend on how it was entered.

    ``categories`` are the product's category and all above it; ``quantity``, ``open`` (not delivered yet) and ``case`` (size of the smallest case, 0 without one) are in the
    product's unit; ``amount`` is with taxes in the company's currency; ``price`` is per unit, after discount, in the
    order's currency, and ``gross`` the same with taxes.
    """

    line_id: int
    product_id: int
    categories: frozenset[int]
    quantity: float
    open: float
    case: float
    amount: float
    price: float
    gross: float


def usual(amounts, factor):
    """What is usual for a series of order amounts: median and spread, robust against single large orders.

    :param list[float] amounts: at least one
    :param float factor: how many spreads above the median are still usual
    :return: median, spread (scaled median absolute deviation, Rousseeuw and Croux 1993), largest usual amount
    """
    middle = median(amounts)
    deviation = NORMAL * median(abs(amount - middle) for amount in amounts)
    spread = max(deviation, LEAST_SPREAD * abs(middle))
    return middle, spread, middle + factor * spread


def days_of_cover(quantity, daily):
    """How many days ``quantity`` lasts at ``daily`` units a day, at most :data:`ENDLESS`."""
    if quantity <= 0:
        return 0.0
    return min(quantity / daily, ENDLESS) if daily > 0 else ENDLESS


def is_outside(value, low, high, compare):
    """Whether ``value`` breaks a bound; a bound of 0 does not exist.

    :param compare: function of two values, negative, 0 or positive, that knows the precision
    """
    # To compare with a precision is dear; what breaks no bound exactly breaks none with a precision.
    if low and value < low:
        return compare(value, low) < 0
    return bool(high) and value > high and compare(value, high) > 0


def months_before(moment, months):
    """The same time of day, ``months`` earlier."""
    return moment - relativedelta(months=months)


def ancestors(parent_path):
    """The ids of a record and of all above it, from Odoo's ``parent_path``."""
    return frozenset(map(int, filter(None, (parent_path or "").split("/"))))


def next_multiple(value, size):
    """The smallest positive multiple of ``size`` that is not below ``value``."""
    return max(-(-value // size), 1) * size
