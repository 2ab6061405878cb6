"""Why a distributor's count, the ledger and the units known to be there differ. Free of Odoo.

The likeliest cause is the one that leaves the least of a difference unexplained, if it explains at least half of it.
Where none does, goods that are missing are a loss, and goods that are too many came from somewhere unknown.
"""

from dataclasses import dataclass
from decimal import Decimal

#: A cause must explain at least this share of a difference, and may exceed it by as much.
ENOUGH = Decimal("0.5")
#: A count in another unit is off by just the size of the pack; what is sold or lost on the same day is this share.
NEAR = Decimal("0.02")
ZERO = Decimal(0)


@dataclass(frozen=True)
class Facts:
    """What is known of a product at a distributor on the day of its last count, in the product's unit.

    ``books`` is the ledger at the end of that day without the count's own difference, goods on their way included.
    The other figures are of the time since the count before, or of half a year where there is none.
    """

    counted: Decimal
    books: Decimal
    #: shipped until that day and not signed for then
    in_transit: Decimal = ZERO
    #: on deliveries that were due until that day and are not done
    undelivered: Decimal = ZERO
    #: sold, less returns, on lines that wait in the inbox
    unreleased: Decimal = ZERO
    #: sold on lines that several files report with the same figures, without the first of each
    repeated: Decimal = ZERO
    #: sold, less returns, as booked; and what of it came back
    sold: Decimal = ZERO
    returned: Decimal = ZERO
    #: share of sales that customers usually bring back
    return_share: Decimal = ZERO
    #: days of that time, and those of them after the last reported sale
    days: int = 0
    silent_days: int = 0
    #: units in each of the product's packs
    packs: tuple = ()
    #: whether there was a count before, and whether anything was booked before this one
    counted_before: bool = False
    booked_before: bool = True


def count_cause(facts):
    """The likeliest cause of the difference between count and books.

    :param Facts facts: of one product at one distributor
    :return: code and the quantity that it explains (0 where it explains nothing); ``agree`` where nothing differs
    :rtype: tuple[str, Decimal]
    """
    difference = facts.counted - facts.books
    if not difference:
        return "agree", ZERO
    if not facts.booked_before:
        return "opening", ZERO
    gap = abs(difference)
    if any(_is_other_unit(facts.counted, facts.books, Decimal(pack)) for pack in facts.packs):
        return "unit", gap
    candidates = _missing(facts) if difference < 0 else _surplus(facts)
    likely = [
        (abs(gap - amount), number, code, amount)
        for number, (code, amount) in enumerate(candidates)
        if amount > 0 and abs(gap - amount) <= ENOUGH * gap
    ]
    if likely:
        _rest, _number, code, amount = min(likely)
        return code, min(amount, gap)
    if difference < 0:
        return "loss", ZERO
    return ("unbooked" if facts.counted_before else "opening"), ZERO


def _is_other_unit(counted, books, pack):
    """Whether pieces were taken for packs, or packs for pieces."""
    if pack <= 1 or counted <= 0 or books <= 0:
        return False
    return any(
        abs(left - right) <= NEAR * right
        for left, right in ((counted * pack, books), (counted, books * pack))
    )


def _missing(facts):
    """(code, quantity) of what can make a count lower than the books; on equal terms the first is taken."""
    yield "in_transit", facts.in_transit
    yield "late_report", facts.unreleased
    selling = facts.days - facts.silent_days
    if facts.silent_days > 1 and selling > 0:
        yield "late_report", facts.sold / selling * facts.silent_days


def _surplus(facts):
    """(code, quantity) of what can make a count higher than the books."""
    yield "undelivered", facts.undelivered
    yield "duplicate", facts.repeated
    if not facts.returned:
        yield "returns", facts.sold * facts.return_share


def scan_cause(scanned, books):
    """Why the units that are known to be there are not what the books say (without goods on their way).

    Units beyond the books were sold without a scan; units that are not known there were never scanned on their way.

    :return: ``agree``, ``unscanned`` or ``uncoded``
    """
    if scanned == books:
        return "agree"
    return "unscanned" if scanned > books else "uncoded"
