"""Rebate arithmetic: exact decimals in, exact decimals out, one rounding at the end.

Amounts, quantities, bounds and rates are :class:`decimal.Decimal` (build them from Odoo's floats with
:func:`decimal`). A tier starts at its lower bound and ends just before the next tier's: bounds are half-open, so a
measure always falls in exactly one tier and two tiers can neither overlap nor leave a gap.

From a period's facts to its rebate, in this order; each step that applies is a line of the result:

1. the measure (returns and credit notes net in), less diverted goods, less what related programmes earned;
2. the bounds of the tiers: as they stand, or in percent of a target, or in percent of growth over a baseline;
3. the tiers, on everything (``whole``) or band by band (``banded``), if every threshold of the bundle is met;
4. the modifiers: payment quality, grade, credit points, data quality, price compliance;
5. minimum, maximum and what is left of the overall cap;
6. rounding, once, to the currency's smallest amount.
"""

from bisect import bisect_right
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal, localcontext
from itertools import pairwise

PERCENT = "percent"
UNIT = "unit"
FIXED = "fixed"
KINDS = (PERCENT, UNIT, FIXED)

BANDED = "banded"
WHOLE = "whole"
METHODS = (BANDED, WHOLE)

# What the bounds of the tiers are compared with.
MEASURE = "volume"
TARGET = "target"
GROWTH = "growth"
COMPARES = (MEASURE, TARGET, GROWTH)

# What a distributor without an earlier period earns under a growth programme.
NOTHING = "nothing"
STATED = "stated"
FIRST_TIER = "first"
NEWCOMERS = (NOTHING, STATED, FIRST_TIER)

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
    """What ``measure`` of the base earned in the tier ``[lower, upper)``: ``amount`` (not rounded); ``upper`` is None
    in the last tier."""

    lower: Decimal
    upper: Decimal | None
    measure: Decimal
    rate: Decimal
    kind: str
    amount: Decimal


@dataclass(frozen=True)
class Line:
    """One line of a computation: what was done (``code``), in figures (``formula``), and what it comes to."""

    code: str
    formula: str
    amount: Decimal


@dataclass(frozen=True)
class Factor:
    """A modifier: the rebate is multiplied by ``numerator / denominator`` (a share of 2/3 stays exact that way)."""

    code: str
    formula: str
    numerator: Decimal
    denominator: Decimal = ONE


@dataclass(frozen=True)
class Terms:
    """What a programme promises for one period.

    ``compare`` says what the bounds of the tiers are: figures of the measure, percent of the target, or percent of
    growth over the baseline. ``growth_only`` pays on what exceeds the baseline instead of on everything.
    ``newcomer`` says what happens without a baseline; ``stated_baseline`` stands in for it under ``stated``.
    ``bundle`` holds pairs (name, threshold): each part must reach its own. ``minimum`` is the least that is paid,
    ``maximum`` the most of one period.
    """

    tiers: tuple
    method: str = BANDED
    compare: str = MEASURE
    growth_only: bool = False
    newcomer: str = NOTHING
    stated_baseline: Decimal = ZERO
    bundle: tuple = ()
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    rounding: Decimal = CENT


@dataclass(frozen=True)
class Facts:
    """What happened in one period: ``measure`` net of returns, ``diverted`` goods in the same unit, the distributor's
    ``target`` and ``baseline`` (None: there is none), ``bundle`` measures by name, what related programmes
    ``elsewhere`` earned on the same base, the programme that excludes this one, ``factors`` in the order in which they
    apply, and the ``room`` that earlier periods left under the overall cap."""

    measure: Decimal
    diverted: Decimal = ZERO
    target: Decimal | None = None
    baseline: Decimal | None = None
    bundle: tuple = ()
    elsewhere: Decimal = ZERO
    excluded_by: str = ""
    factors: tuple = ()
    room: Decimal | None = None


@dataclass(frozen=True)
class Result:
    """``total`` is what is due (rounded, capped); ``raw`` is the sum of the steps before modifiers and limits;
    ``measure`` the base that the tiers saw; ``lines`` tell the way from one to the other."""

    measure: Decimal
    steps: tuple
    raw: Decimal
    total: Decimal
    capped: bool
    lines: tuple = ()

    def to_json(self):
        """Return the lines as ``[[code, formula, amount], ...]`` of texts."""
        return [[line.code, line.formula, str(line.amount)] for line in self.lines]


def decimal(value):
    """Return a float, int, str or Decimal as the Decimal that its shortest notation says."""
    if isinstance(value, Decimal):
        return value
    return Decimal(repr(value) if isinstance(value, float) else str(value or 0))


def figure(value):
    """Return a Decimal as people write it: thousands set apart, no needless zeros."""
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def round_to(amount, rounding=CENT):
    """Return ``amount`` as a multiple of ``rounding``, halves away from zero (as Odoo's currencies round)."""
    with localcontext() as context:
        context.prec = _PRECISION
        return (amount / rounding).quantize(ONE, ROUND_HALF_UP) * rounding


def tier_problems(tiers, rising=False, ends=None):
    """Return what is wrong with the tiers, as pairs ``(code, index)`` into the given order; empty when they are fit.

    Codes: ``empty``, ``negative_bound``, ``duplicate_bound``, ``negative_rate``, with ``rising`` also
    ``falling_rate``, and where upper bounds are stated too ``overlap`` and ``gap``.

    :param rising: the programme says that a higher tier never pays less
    :param ends: stated upper bounds in the same order, None for an open end; without them tiers end where the next
        starts
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
    ordered = sorted(range(len(tiers)), key=lambda index: tiers[index].lower)
    for index, following in pairwise(ordered):
        low, high = tiers[index], tiers[following]
        if rising and low.kind == high.kind and high.rate < low.rate:
            problems.append(("falling_rate", following))
        if ends and (ends[index] is None or ends[index] > high.lower):
            problems.append(("overlap", index))
        elif ends and ends[index] < high.lower:
            problems.append(("gap", index))
    return problems


def _bounds(tiers):
    """Yield ``(tier, upper)`` in rising order."""
    ordered = sorted(tiers, key=lambda tier: tier.lower)
    uppers = [*(tier.lower for tier in ordered[1:]), None]
    return zip(ordered, uppers, strict=False)


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


class Ladder:
    """The tiers of a programme made ready for many measures: a look-up and one multiplication each."""

    def __init__(self, tiers, method=BANDED):
        if method not in METHODS:
            raise ValueError(f"unknown method {method!r}")
        self.method = method
        self.tiers = sorted(tiers, key=lambda tier: tier.lower)
        self.lowers = [tier.lower for tier in self.tiers]
        # What the full bands below each tier earn.
        self.below = [ZERO]
        for tier, upper in zip(self.tiers, self.lowers[1:], strict=False):
            self.below.append(self.below[-1] + _earn(tier, upper - tier.lower))

    def raw(self, measure):
        """Return what ``measure`` earns before limits and rounding; the same as the steps of :func:`compute`."""
        index = bisect_right(self.lowers, measure) - 1
        if index < 0 or measure < 0:
            return ZERO
        tier = self.tiers[index]
        if self.method == WHOLE:
            return _earn(tier, measure)
        return self.below[index] + _earn(tier, measure - tier.lower)


def totals(measures, terms):
    """Return the rebate of each measure under plain terms, as :func:`earn` would, for many at once."""
    with localcontext() as context:
        context.prec = _PRECISION
        amounts = map(Ladder(terms.tiers, terms.method).raw, measures)
        if terms.minimum is not None:
            amounts = (amount if amount >= terms.minimum else ZERO for amount in amounts)
        if terms.maximum is not None:
            amounts = (min(amount, terms.maximum) for amount in amounts)
        rounding = terms.rounding
        return [(amount / rounding).quantize(ONE, ROUND_HALF_UP) * rounding for amount in amounts]


def compute(measure, tiers, method=BANDED, rounding=CENT, cap=None):
    """Return the :class:`Result` of a period's measure under plain tiers.

    :param Decimal measure: net value or quantity of the whole period, returns already taken off
    :param tiers: :class:`Tier` in any order
    :param str method: ``banded`` (each band at its own rate) or ``whole`` (the reached rate on everything)
    :param Decimal rounding: smallest amount of the currency
    :param cap: the most that one period can pay, or None
    """
    return earn(Terms(tuple(tiers), method, maximum=cap, rounding=rounding), Facts(measure))


def earn(terms, facts):
    """Return the :class:`Result` of one period's :class:`Facts` under a programme's :class:`Terms`."""
    if terms.method not in METHODS:
        raise ValueError(f"unknown method {terms.method!r}")
    with localcontext() as context:
        context.prec = _PRECISION
        lines = list(_base_lines(facts))
        base = lines[-1].amount
        steps = ()
        if facts.excluded_by:
            lines.append(Line("excluded", facts.excluded_by, ZERO))
        elif _meets_bundle(terms, facts, lines):
            tiers, base = _absolute(terms, facts, base, lines)
            steps = tuple(_steps(base, tiers, terms.method))
        raw = sum((step.amount for step in steps), ZERO)
        lines.extend(Line("tier", _step_formula(step), step.amount) for step in steps)
        amount = raw
        for factor in facts.factors if raw else ():
            amount = amount * factor.numerator / factor.denominator
            lines.append(Line(factor.code, factor.formula, amount))
        limited, capped = _limit(terms, facts, amount, lines)
        total = round_to(limited, terms.rounding)
        lines.append(Line("total", figure(total), total))
        return Result(base, steps, raw, total, capped, tuple(lines))


def _base_lines(facts):
    """Yield the lines from the measure to the base of the tiers."""
    base = facts.measure
    yield Line("measure", figure(base), base)
    for code, taken in (("diverted", facts.diverted), ("elsewhere", facts.elsewhere)):
        if taken:
            yield Line(code, f"{figure(base)} − {figure(taken)}", base - taken)
            base -= taken


def _meets_bundle(terms, facts, lines):
    measures = dict(facts.bundle)
    met = True
    for name, threshold in terms.bundle:
        part = measures.get(name, ZERO)
        reached = part >= threshold
        met = met and reached
        sign = "≥" if reached else "<"
        lines.append(
            Line(
                "bundle" if reached else "bundle_missed",
                f"{name}: {figure(part)} {sign} {figure(threshold)}",
                part,
            )
        )
    return met


def _absolute(terms, facts, base, lines):
    """Return the tiers with bounds in the measure's own unit, and the base they apply to."""
    if terms.compare == TARGET:
        if not facts.target:
            lines.append(Line("no_target", "", ZERO))
            return (), base
        lines.append(
            Line(
                "target", f"{figure(base)} ÷ {figure(facts.target)}", round_to(base / facts.target * HUNDRED)
            )
        )
        return _scaled(terms.tiers, facts.target), base
    if terms.compare == GROWTH:
        return _over_baseline(terms, facts, base, lines)
    return terms.tiers, base


def _over_baseline(terms, facts, base, lines):
    baseline = facts.baseline
    if not baseline or baseline < 0:
        if terms.newcomer == FIRST_TIER:
            first = min(terms.tiers, key=lambda tier: tier.lower)
            lines.append(Line("newcomer_first", "", base))
            return (replace(first, lower=ZERO),), base
        if terms.newcomer == NOTHING or not terms.stated_baseline:
            lines.append(Line("newcomer", "", ZERO))
            return (), base
        baseline = terms.stated_baseline
        lines.append(Line("newcomer_stated", figure(baseline), baseline))
    growth = base - baseline
    percent = round_to(growth / baseline * HUNDRED)
    lines.append(Line("growth", f"({figure(base)} − {figure(baseline)}) ÷ {figure(baseline)}", percent))
    tiers = _scaled(terms.tiers, baseline)
    if terms.growth_only:
        lines.append(Line("growth_only", f"{figure(base)} − {figure(baseline)}", growth))
        return tiers, growth
    return tuple(replace(tier, lower=baseline + tier.lower) for tier in tiers), base


def _scaled(tiers, whole):
    """Turn bounds in percent of ``whole`` into figures of the measure."""
    return tuple(replace(tier, lower=whole * tier.lower / HUNDRED) for tier in tiers)


def _step_formula(step):
    reach = f"[{figure(step.lower)}, {figure(step.upper) if step.upper is not None else '∞'})"
    if step.kind == FIXED:
        return f"{reach}: {figure(step.rate)}"
    return f"{reach}: {figure(step.measure)} × {figure(step.rate)}{' %' if step.kind == PERCENT else ''}"


def _limit(terms, facts, amount, lines):
    """Apply minimum, maximum and the overall cap's rest; return the amount and whether a cap cut it."""
    capped = False
    if terms.minimum is not None and 0 < amount < terms.minimum:
        lines.append(Line("minimum", f"{figure(round_to(amount))} < {figure(terms.minimum)}", ZERO))
        return ZERO, False
    for code, most in (("maximum", terms.maximum), ("overall_cap", facts.room)):
        if most is not None and amount > most:
            lines.append(Line(code, f"{figure(round_to(amount))} > {figure(most)}", most))
            amount, capped = most, True
    return amount, capped


# === MODIFIERS ===


def factor_for(points, factors):
    """Return the factor of the highest threshold that ``points`` reach.

    :param factors: pairs ``(threshold, factor)`` in any order; without any, rebates are paid in full
    :return: Decimal; zero below the lowest threshold
    """
    if not factors:
        return ONE
    reached = [pair for pair in factors if points >= pair[0]]
    return max(reached)[1] if reached else ZERO


def score_factor(code, score, factors):
    """Return the :class:`Factor` of a score (credit points, share of good reports, share of compliant sales)."""
    factor = factor_for(score, factors)
    return Factor(code, f"{figure(decimal(score))}: {figure(factor * HUNDRED)} %", factor)


def days_factor(days, table):
    """Return the factor of a payment after ``days``.

    :param table: pairs ``(days, factor)``: paid within so many days; later pays nothing
    """
    return next((factor for limit, factor in sorted(table) if days <= limit), ZERO)


def payment_factor(parts, table):
    """Return the :class:`Factor` of payment quality: each part of the base at the factor of its days to pay.

    :param parts: pairs ``(days, base)``
    :param table: pairs ``(days, factor)``, as in :func:`days_factor`
    """
    sums = {}
    for days, base in parts:
        factor = days_factor(days, table)
        sums[factor] = sums.get(factor, ZERO) + base
    whole = sum(sums.values(), ZERO)
    weighted = sum((base * factor for factor, base in sums.items()), ZERO)
    if whole <= 0:
        return Factor("payment", "", ONE)
    formula = " + ".join(
        f"{figure(base)} × {figure(factor * HUNDRED)} %"
        for factor, base in sorted(sums.items(), reverse=True)
    )
    return Factor("payment", f"({formula}) ÷ {figure(whole)}", max(weighted, ZERO), whole)


# === SEVERAL DISTRIBUTORS, SEVERAL PROGRAMMES ===


def take_over(moves, own):
    """Let past sales follow territories to their new distributors.

    Moves of one day share out what their former holders had before that day, so neither their order nor their number
    changes the total; what was taken over moves on with the next move.

    :param moves: tuples ``(date, former, new, share)``, share a Decimal above 0 and at most 1
    :param own: function key -> Decimal, what a distributor itself sold
    :return: dict key -> Decimal for all that the moves name; their sum is that of their own sales
    """
    held = {key: own(key) for _date, former, new, _share in moves for key in (former, new)}
    for date in sorted({date for date, *_rest in moves}):
        before = dict(held)
        for day, former, new, part in moves:
            if day == date:
                held[former] -= before[former] * part
                held[new] += before[former] * part
    return held


def share(total, weights, rounding=CENT):
    """Split a rounded total in proportion to the weights, so that the parts add up to it exactly.

    Largest remainder: everyone gets its share rounded down, what is left goes, one smallest amount each, to the largest
    remainders; among equals to the one that comes first. Weights of zero or less get nothing.
    """
    weights = [max(weight, ZERO) for weight in weights]
    whole = sum(weights, ZERO)
    if not whole:
        if total:
            raise ValueError("nobody to share with")
        return [ZERO for _weight in weights]
    with localcontext() as context:
        context.prec = _PRECISION
        units = int(round_to(total, rounding) / rounding)
        exact = [units * weight / whole for weight in weights]
        parts = [int(part) for part in exact]
        order = sorted(range(len(weights)), key=lambda index: (parts[index] - exact[index], index))
        for index in order[: units - sum(parts)]:
            parts[index] += 1
        return [part * rounding for part in parts]


def pool(terms, facts, weights):
    """Let several distributors reach a tier together: return ``(Result of the pool, shares)``.

    :param facts: :class:`Facts` of the pool; its measure is the members' sum
    :param weights: the members' own measures, which the rebate is shared by
    """
    result = earn(terms, facts)
    shared = result.total if any(weight > 0 for weight in weights) else ZERO
    return result, share(shared, weights, terms.rounding)


def modify(amount, facts, rounding=CENT):
    """Return what a member of a pool gets of its share: its own factors, exclusion and rest of the overall cap."""
    with localcontext() as context:
        context.prec = _PRECISION
        if facts.excluded_by:
            return ZERO
        for factor in facts.factors:
            amount = amount * factor.numerator / factor.denominator
        if facts.room is not None:
            amount = min(amount, facts.room)
        return round_to(amount, rounding)


@dataclass(frozen=True)
class Relation:
    """The programme ``second`` follows from ``first``: it ``excludes`` second, ``reduces`` its base or shares a ``cap``."""

    kind: str
    first: object
    second: object


EXCLUDES = "excludes"
REDUCES = "reduces"
CAP = "cap"


class Cycle(ValueError):
    """Programmes that wait for each other; ``args`` are their keys."""


def precedence(keys, relations):
    """Return the keys, in the given order as far as the relations allow: first before second.

    :raise Cycle: when programmes wait for each other
    """
    waits = {key: {r.first for r in relations if r.second == key and r.first in keys} for key in keys}
    ordered, left = [], list(keys)
    while left:
        free = next((key for key in left if not waits[key] - set(ordered)), None)
        if free is None:
            raise Cycle(*left)
        ordered.append(free)
        left.remove(free)
    return ordered


def room_left(cap, earned):
    """Return what a cap over several programmes leaves after what those of higher precedence earned."""
    return max(cap - sum(earned, ZERO), ZERO)
