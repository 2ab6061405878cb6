"""Which open credit a short payment was most likely taken for. Free of Odoo."""

from dataclasses import dataclass, field
from decimal import Decimal

from .matching import fold

#: A reference in the payment's memo says more than an equal amount; both together are beyond doubt.
REFERENCE, AMOUNT = 60, 40
#: An amount this near, as a share of what was deducted, may be the same one less a fee or a rounding.
NEAR = Decimal("0.02")
#: Shorter references are found in any memo by chance.
SHORTEST = 4


@dataclass(frozen=True)
class Candidate:
    """An open credit note, settlement or claim of the same distributor and currency."""

    key: object
    amount: Decimal
    references: tuple = field(default=())


def score(amount, memo, candidate):
    """How well a candidate explains a short payment, and by what.

    :param Decimal amount: what was not paid
    :param str memo: what the payer wrote
    :return: 0 to 100, and ``reference``, ``amount``, ``both``, ``near`` or an empty text
    """
    text = fold(memo)
    named = any(
        len(reference) >= SHORTEST and reference in text for reference in map(fold, candidate.references)
    )
    difference = abs(candidate.amount - amount)
    if difference == 0:
        return (REFERENCE + AMOUNT, "both") if named else (AMOUNT, "amount")
    if named:
        return REFERENCE, "reference"
    if amount > 0 and difference <= amount * NEAR:
        return AMOUNT // 2, "near"
    return 0, ""


def assign(deductions, candidates):
    """Suggest a candidate for each short payment, the surest pairs first, each candidate once.

    :param deductions: list of ``(key, amount, memo)``
    :return: dict of the deduction's key to ``(candidate's key, score, by what)``
    """
    pairs = [
        (-points, number, rank, key, candidate.key, points, why)
        for number, (key, amount, memo) in enumerate(deductions)
        for rank, candidate in enumerate(candidates)
        for points, why in (score(amount, memo, candidate),)
        if points
    ]
    result, taken = {}, set()
    for *_order, key, candidate, points, why in sorted(pairs, key=lambda pair: pair[:3]):
        if key not in result and candidate not in taken:
            result[key] = (candidate, points, why)
            taken.add(candidate)
    return result
