"""Rebate arithmetic: exact decimals in, exact decimals out, one rounding at the end.

Amounts, quantities, bounds and rates are :class:`decimal.Decimal` (build them from Odoo's floats with
:func:`decimal`). A tier starts at its lower bound and ends just before the next tier's: bounds are half-open, so a
measure always falls in exactly one tier and two tiers can neither overlap nor leave a gap.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext

PERCENT = "percent"
UNIT = "unit"
FIXED = "fixed"
KINDS = (PERCENT, UNIT, FIXED)

BANDED = "banded"
WHOLE = "whole"
METHODS = (BANDED, WHOLE)

ZERO = Decimal(0)
ONE = Decimal(1)
HUNDRED = Decimal(100)
CENT = Decimal("0.01")
_PRECISION = 50


@dataclass(frozen=True)
class Tier:
    """From ``lower`` (included) up to the next tier (excluded): ``rate`` in percent of the measure, in money per
    unit of the measure, or as a fixed amount of money for reaching the tier."""

    lower: Decimal
    rate: Decimal
    kind: str = PERCENT


@dataclass(frozen=True)
class Step:
    """One line of a computation: ``measure`` of the base earned ``amount`` (not rounded) in the tier
    ``[lower, upper)``; ``upper`` is None in the last tier."""

    lower: Decimal
    upper: Decimal | None
    measure: Decimal
    rate: Decimal
    kind: str
    amount: Decimal


@dataclass(frozen=True)
class Result:
    """``total`` is what is due (rounded, capped); ``raw`` is the sum of the steps before both."""

    measure: Decimal
    steps: tuple
    raw: Decimal
    total: Decimal
    capped: bool


def decimal(value):
    """Return a float, int, str or Decimal as the Decimal that its shortest notation says."""
    if isinstance(value, Decimal):
        return value
    return Decimal(repr(value) if isinstance(value, float) else str(value or 0))


def round_to(amount, rounding=CENT):
    """Return ``amount`` as a multiple of ``rounding``, halves away from zero (as Odoo's currencies round)."""
    with localcontext() as context:
        context.prec = _PRECISION
        return (amount / rounding).quantize(ONE, ROUND_HALF_UP) * rounding


def tier_problems(tiers):
    """Return what is wrong with the tiers, as pairs ``(code, index)`` into the given order; empty when they are fit.

    Codes: ``empty``, ``negative_bound``, ``duplicate_bound``, ``negative_rate``.
    """
    if not tiers:
        return [("empty", None)]
    problems = []
    seen = set()
    for index, tier in enumerate(tiers):
        if tier.lower < 0:
            problems.append(("negative_bound", index))
        if tier.lower in seen:
            problems.append(("duplicate_bound", index))
        if tier.rate < 0:
            problems.append(("negative_rate", index))
        seen.add(tier.lower)
    return problems


def _bounds(tiers):
    """Yield ``(tier, upper)`` in rising order."""
    ordered = sorted(tiers, key=lambda tier: tier.lower)
    uppers = [tier.lower for tier in ordered[1:]]
    return zip(ordered, [*uppers, None], strict=True)


def reached_tier(measure, tiers):
    """Return the tier in which ``measure`` falls, or None below the first."""
    reached = None
    for tier in sorted(tiers, key=lambda tier: tier.lower):
        if measure < tier.lower:
            break
        reached = tier
    return reached


def next_tier(measure, tiers):
    """Return the lowest tier that ``measure`` has not reached, or None in the last."""
    ahead = [tier for tier in tiers if tier.lower > measure]
    return min(ahead, key=lambda tier: tier.lower, default=None)


def _earn(tier, measure):
    if tier.kind == FIXED:
        return tier.rate
    return measure * tier.rate / HUNDRED if tier.kind == PERCENT else measure * tier.rate


def _steps(measure, tiers, method):
    # A period in which returns outweigh sales earns nothing; its deficit stays in the measure.
    if measure < 0:
        return
    for tier, upper in _bounds(tiers):
        if measure < tier.lower:
            return
        inside = upper is None or measure < upper
        if method == WHOLE:
            if inside:
                yield Step(tier.lower, upper, measure, tier.rate, tier.kind, _earn(tier, measure))
            continue
        part = (measure if inside else upper) - tier.lower
        yield Step(tier.lower, upper, part, tier.rate, tier.kind, _earn(tier, part))


def compute(measure, tiers, method=BANDED, rounding=CENT, cap=None):
    """Return the :class:`Result` of a period's measure.

    :param Decimal measure: net value or quantity of the whole period, returns already taken off
    :param tiers: :class:`Tier` in any order
    :param str method: ``banded`` (each band at its own rate) or ``whole`` (the reached rate on everything)
    :param Decimal rounding: smallest amount of the currency
    :param cap: the most that one period can pay, or None
    """
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}")
    with localcontext() as context:
        context.prec = _PRECISION
        steps = tuple(_steps(measure, tiers, method))
        raw = sum((step.amount for step in steps), ZERO)
        capped = cap is not None and raw > cap
        return Result(measure, steps, raw, round_to(cap if capped else raw, rounding), capped)


def factor_for(points, factors):
    """Return the factor of the highest threshold that ``points`` reach.

    :param factors: pairs ``(threshold, factor)`` in any order; without any, rebates are paid in full
    :return: Decimal; zero below the lowest threshold
    """
    if not factors:
        return ONE
    reached = [pair for pair in factors if points >= pair[0]]
    return max(reached)[1] if reached else ZERO
