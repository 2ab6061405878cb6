"""What each kind of order rule says of an order: arithmetic on facts that were read before, without a query.

``judge_<kind>(rule, order, facts)`` answers a :class:`Verdict`. ``facts`` holds what was read for all orders at once: by
kind what that kind alone needs, and under ``matches`` the filters that match, as pairs of order id and filter.
"""

from datetime import date, datetime
from typing import Any, NamedTuple

from . import order_rule

# What stops an order; all other outcomes let it through.
STOPPING = ("hold", "refuse")
# A product is new to a distributor for so many days after the first goods came; so long its sales say little.
NEW_DAYS = 30


class Verdict(NamedTuple):
    """What a condition found: whether the order is as it asks, and the numbers that decided."""

    met: bool
    figures: dict[str, Any]


class Rule(NamedTuple):
    """The terms of a ``dms.order.rule``, by the names of its fields; records are ids."""

    id: int = 0
    name: str = ""
    kind: str = ""
    outcome: str = "hold"
    channel_role: str | None = None
    grade_ids: list[int] = ()
    territory_ids: list[int] = ()
    partner_ids: list[int] = ()
    order_domain: str | None = None
    categ_ids: list[int] = ()
    product_ids: list[int] = ()
    overdue_days: int = 0
    points_min: int | None = None
    grade_min_id: int | None = None
    scope: str = "order"
    amount_min: float | None = None
    amount_max: float | None = None
    quantity_min: float | None = None
    quantity_max: float | None = None
    in_cases: bool = False
    price_basis: str = "pricelist"
    price_percent: float | None = None
    spread_factor: float = 3.0
    history_months: int = 12
    history_min: int = 4
    cover_days: int = 60
    demand_days: int = 60
    unknown_policy: str = "pass"
    new_policy: str = "pass"


class Order(NamedTuple):
    """An order as the rules see it, in terms that do not depend on the path it came by.

    ``territories`` are the customer's and all that it lies in; ``money`` is the company's currency and ``currency`` the
    order's, objects that can ``round`` and ``compare_amounts``; ``day`` is the one whose agreements and rates count,
    ``today`` the day on which the order is judged; ``amount`` is the total in the company's currency.

    An order that was split off another one is what was held of it: ``split_rules`` are the rules that stopped the whole,
    and the ``parts`` that went through count with it where a rule is about the size of an order. Splitting takes no order
    around a rule.
    """

    id: int
    partner_id: int
    role: str
    grade_id: int
    grade_sequence: int
    territories: frozenset[int]
    money: Any
    currency: Any
    day: date
    today: date
    moment: datetime
    amount: float
    confirmed: bool
    lines: list[order_rule.Ordered]
    split_rules: frozenset[int] = frozenset()
    parts: frozenset[int] = frozenset()
    part_names: tuple[str, ...] = ()
    part_amount: float = 0.0
    part_lines: list[order_rule.Ordered] = ()


def concerns(rule, order, facts):
    """Whether the rule, which is one of the order's company, looks at the order."""
    return (
        (not rule.channel_role or rule.channel_role == order.role)
        and (not rule.grade_ids or order.grade_id in rule.grade_ids)
        and (not rule.partner_ids or order.partner_id in rule.partner_ids)
        and (not rule.territory_ids or not order.territories.isdisjoint(rule.territory_ids))
        and (
            rule.kind == "domain"
            or rule.order_domain in (None, "[]")
            or (order.id, rule.order_domain) in facts["matches"]
            or rule.id in order.split_rules
        )
    )


def outcome(rule, met):
    if rule.outcome == "approve":
        return "approve" if met else "skip"
    return "pass" if met else rule.outcome


def waive(outcomes):
    """An approving rule that the order meets lifts the holds of the rules after it; it never lifts a refusal."""
    if "approve" not in outcomes:
        return outcomes
    first = outcomes.index("approve")
    return [
        "waived" if found == "hold" and number > first else found for number, found in enumerate(outcomes)
    ]


def conclude(outcomes):
    """What the outcomes of all rules come to: the value of ``sale.order.dms_state``."""
    return "refused" if "refuse" in outcomes else "held" if "hold" in outcomes else "approved"


def is_pass(rule, policy):
    """What an order is taken for when too little is known to judge it."""
    return policy == "pass" and rule.outcome != "approve"


def select(rule, lines):
    """Those of an order's lines that the rule looks at."""
    if not rule.categ_ids and not rule.product_ids:
        return lines
    return [
        line
        for line in lines
        if line.product_id in rule.product_ids or not line.categories.isdisjoint(rule.categ_ids)
    ]


def item(product_id, **values):
    """A part of a figure that is about one product."""
    return {"product": product_id, **values}


def judge_credit_limit(rule, order, facts):
    credit = facts["credit_limit"]
    parts = {**credit["debts"][order.id], "order": credit["amounts"][order.id]}
    limit = credit["limits"][order.id]
    exposure = sum(parts.values())
    figures = {name: order.money.round(amount) for name, amount in parts.items()}
    figures |= {"exposure": order.money.round(exposure), "limit": limit, "currency": order.money.name}
    return Verdict(not limit or order.money.compare_amounts(exposure, limit) <= 0, figures)


def judge_overdue(rule, order, facts):
    due = facts["overdue"].get(order.id)
    days = max((order.today - due).days, 0) if due else 0
    figures = {"days": days, "accepted": rule.overdue_days, "due": due and due.isoformat()}
    return Verdict(days <= rule.overdue_days, figures)


def judge_standing(rule, order, facts):
    points = facts["standing"]["points"][order.id]
    figures = {
        "points": points,
        "points_min": rule.points_min or False,
        "grade": order.grade_id or False,
        "grade_min": rule.grade_min_id or False,
    }
    # Core lists the best grade first.
    enough = not rule.grade_min_id or (
        bool(order.grade_id) and order.grade_sequence <= facts["standing"]["sequences"][rule.grade_min_id]
    )
    return Verdict(enough and (not rule.points_min or points >= rule.points_min), figures)


def judge_agreement(rule, order, facts):
    figures = facts["agreement"][order.id]
    return Verdict(bool(figures["agreement"]) and not figures["outside"], figures)


def judge_amount(rule, order, facts):
    if rule.scope == "order" and not rule.categ_ids and not rule.product_ids:
        values = [(False, order.amount + order.part_amount)]
    else:
        values = [(line.product_id, line.amount) for line in select(rule, _sized_lines(rule, order))]
    money = order.money
    bounds = rule.amount_min or 0.0, rule.amount_max or 0.0
    figures = {"currency": money.name} | _parts(order)
    return _judge_bounds(rule, values, *bounds, money.compare_amounts, money.round, figures)


def judge_quantity(rule, order, facts):
    values = [
        (line.product_id, line.quantity / line.case if rule.in_cases and line.case else line.quantity)
        for line in select(rule, _sized_lines(rule, order))
    ]
    precision = facts["quantity"]
    bounds = rule.quantity_min or 0.0, rule.quantity_max or 0.0
    figures = {"in_cases": bool(rule.in_cases)} | _parts(order)
    return _judge_bounds(rule, values, *bounds, precision.compare, precision.round, figures)


def _sized_lines(rule, order):
    """The lines that make the size of an order: of products that it has itself, those of the parts, too."""
    if rule.scope == "line" or not order.part_lines:
        return order.lines
    own = {line.product_id for line in order.lines}
    return order.lines + [
        line for line in order.part_lines if rule.scope == "order" or line.product_id in own
    ]


def _parts(order):
    return {"parts": list(order.part_names)} if order.part_names else {}


def _judge_bounds(rule, values, low, high, compare, rounded, figures):
    """Compare what each line comes to with the bounds.

    :param list[tuple] values: product id and value of each line
    :param compare, rounded: functions of values that know the precision
    :param dict figures: to be completed
    """
    if rule.scope != "line":
        sums = {} if values or rule.scope == "product" else {False: 0.0}
        for product_id, value in values:
            key = product_id if rule.scope == "product" else False
            sums[key] = sums.get(key, 0.0) + value
        values = sums.items()
    outside = sorted(
        (product_id, rounded(value))
        for product_id, value in values
        if order_rule.is_outside(value, low, high, compare)
    )
    figures |= {"scope": rule.scope, "min": low, "max": high}
    if rule.scope == "order":
        figures["value"] = rounded(sum(value for _product, value in values))
    else:
        figures["outside"] = [item(product_id, value=value) for product_id, value in outside]
    return Verdict(not outside, figures)


def judge_quantity_case(rule, order, facts):
    precision = facts["quantity"]
    odd = sorted(
        (line.product_id, line.quantity, line.case)
        for line in select(rule, order.lines)
        if line.case
        and line.quantity % line.case
        and precision.compare(line.quantity, round(line.quantity / line.case) * line.case)
    )
    items = [item(product_id, quantity=quantity, case=case) for product_id, quantity, case in odd]
    return Verdict(not odd, {"lines": items})


def judge_price(rule, order, facts):
    percent = rule.price_percent or 0.0
    share = 1.0 - percent / 100.0
    guidance = facts["price"][order.id, rule.price_basis]
    taxed = rule.price_basis == "guidance"
    # Prices have more digits than amounts: the line's amount decides.
    low = sorted(
        (line.product_id, price, guidance[line.line_id])
        for line in select(rule, order.lines)
        if (price := line.gross if taxed else line.price) < guidance.get(line.line_id, 0.0) * share
        and order.currency.compare_amounts(
            price * line.quantity, guidance[line.line_id] * share * line.quantity
        )
        < 0
    )
    items = [
        item(
            product_id,
            price=round(price, 6),
            guidance=round(fair, 6),
            below=round(100 - 100 * price / fair, 2),
        )
        for product_id, price, fair in low
    ]
    figures = {
        "basis": rule.price_basis,
        "percent": percent,
        "currency_id": order.currency.id,
        "lines": items,
    }
    return Verdict(not low, figures)


def judge_first_order(rule, order, facts):
    earlier = facts["history"].get(order.partner_id, [])
    own = {order.id, *order.parts}
    count = sum(moment <= order.moment and id_ not in own for moment, _amount, id_ in earlier)
    return Verdict(count > 0, {"earlier": count} | _parts(order))


def judge_usual_size(rule, order, facts):
    since = order_rule.months_before(order.moment, rule.history_months)
    own = {order.id, *order.parts}
    amounts = [
        amount
        for moment, amount, id_ in facts["history"].get(order.partner_id, [])
        if since <= moment <= order.moment and id_ not in own
    ]
    figures = {"earlier": len(amounts), "needed": rule.history_min, "months": rule.history_months}
    if len(amounts) < rule.history_min:
        return Verdict(is_pass(rule, rule.unknown_policy), figures)
    middle, spread, most = order_rule.usual(amounts, rule.spread_factor)
    amount = order.amount + order.part_amount
    figures |= {
        "order": order.money.round(amount),
        "median": order.money.round(middle),
        "spread": order.money.round(spread),
        "most": order.money.round(most),
    }
    return Verdict(order.money.compare_amounts(amount, most) <= 0, figures | _parts(order))


def judge_cover(rule, order, facts):
    cover = facts["cover"]
    day = cover["days"][order.id]
    past = cover["past"] and order.confirmed
    quantities = {}
    for line in select(rule, order.lines):
        quantity = line.quantity if past else line.open
        quantities[line.product_id] = quantities.get(line.product_id, 0.0) + quantity
    over, unknown, new, worst = [], [], [], None
    stocks, demand = cover["stock"][day], cover["demand"][day, rule.demand_days]
    for product_id, quantity in sorted(quantities.items()):
        key = order.partner_id, product_id
        stock, transit, first = stocks.get(key, (0.0, 0.0, None))
        daily = demand.get(key)
        if not first or ((day - first).days < NEW_DAYS and not daily):
            new.append(product_id)
            continue
        if daily is None:
            unknown.append(product_id)
            continue
        on_order = 0.0 if past else cover["on_order"].get(key, 0.0)
        days = order_rule.days_of_cover(stock + transit + on_order + quantity, daily)
        found = (days, product_id, stock, transit, on_order, quantity, daily)
        worst = max(worst or found, found)
        # What is ordered must add to it: an order that was delivered stuffs nothing any more.
        if days > rule.cover_days and quantity > 0:
            over.append(found)
    met = (
        not over
        and (not unknown or is_pass(rule, rule.unknown_policy))
        and (not new or is_pass(rule, rule.new_policy))
    )
    figures = {
        "days": rule.cover_days,
        "over": [_cover_item(*found) for found in sorted(over, reverse=True)],
        "unknown": [item(product_id) for product_id in unknown],
        "new": [item(product_id) for product_id in new],
        "worst": worst and _cover_item(*worst),
    }
    return Verdict(met, figures)


def _cover_item(days, product_id, stock, transit, on_order, ordered, daily):
    return item(
        product_id,
        days=round(days, 1),
        stock=round(stock, 2),
        in_transit=round(transit, 2),
        on_order=round(on_order, 2),
        order=round(ordered, 2),
        daily=round(daily, 2),
    )


def judge_domain(rule, order, facts):
    matches = (order.id, rule.order_domain) in facts["matches"]
    figures = {"matches": matches, "rule": rule.name}
    if rule.outcome != "approve" and not matches and rule.id in order.split_rules:
        # The whole matched, and the part that went through did not.
        return Verdict(False, figures | {"split": True} | _parts(order))
    return Verdict(matches == (rule.outcome == "approve"), figures)
