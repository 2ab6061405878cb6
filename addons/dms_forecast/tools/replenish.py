"""A distributor's order from what each product needs: lead times that vary, service by cost, trucks, minimums and limits. numpy only.

Quantities are units, days are days, money is in one currency.
"""

import numpy as np

from .forecast import cumulative_quantile

LONGEST = 60  # days; longer deliveries count as this long
OWN_EVIDENCE = 5.0  # deliveries that the company's distribution weighs in a distributor's
RULE_EVIDENCE = 3.0  # deliveries that the rule's days weigh in the company's


def critical_ratio(under, over):
    """Service level that balances the cost of a unit short and of a unit left (newsvendor; Silver, Pyke and Thomas 2017, ch. 9) -> 0..1"""
    under, over = np.asarray(under, float), np.asarray(over, float)
    return np.where(under + over > 0, under / np.where(under + over > 0, under + over, 1), 0.0)


def lead_time_weights(member, days, members, usual):
    """How likely each lead time is for each distributor: its own deliveries, shrunk to those of all, these to the usual days.

    :param member: (m,) index into the distributors and days: (m,) whole days of each delivery
    :param members: number n of distributors
    :param usual: (n,) days that count where nothing was delivered yet
    :return: lengths (K,) int ascending, weights (n, K), each row with the sum 1
    """
    member, usual = np.asarray(member, np.int64), np.asarray(usual, np.int64)
    days = np.clip(np.asarray(days, np.int64), 0, LONGEST)
    lengths = np.unique(np.concatenate([days, usual]))
    own = np.zeros((members, len(lengths)))
    np.add.at(own, (member, np.searchsorted(lengths, days)), 1.0)
    rule = np.zeros_like(own)
    rule[np.arange(members), np.searchsorted(lengths, usual)] = 1.0
    company = (own.sum(0) + RULE_EVIDENCE * rule) / (own.sum() + RULE_EVIDENCE)
    weights = (own + OWN_EVIDENCE * company) / (own.sum(1, keepdims=True) + OWN_EVIDENCE)
    return lengths, weights


def mixed_quantile(cumulative, probabilities, periods, probability, lengths, weights):
    """Quantile of the demand of a period whose length varies: the mixture of the distributions of its possible lengths.

    Between known quantiles the distribution is linear, from 0 at probability 0; beyond the last one it goes on as steeply. With one length
    only, the same as :func:`forecast.cumulative_quantile`.

    :param cumulative: (Q, n, P) as in Forecast; probability: scalar or (n,)
    :param lengths: (K,) days; weights: (n, K)
    :return: (n,) units
    """
    cumulative = np.asarray(cumulative, float)
    probabilities = np.asarray(probabilities, float)
    n = cumulative.shape[1]
    probability = np.broadcast_to(np.asarray(probability, float), (n,))
    used = (weights > 0).any(0)
    lengths, weights = np.asarray(lengths)[used], weights[:, used]
    if len(lengths) == 1:
        return quantile_each(cumulative, probabilities, periods, probability, np.full(n, lengths[0]))
    # (K, Q + 2, n) knots of each length's distribution, ascending
    knots = np.stack(
        [
            np.stack(
                [cumulative_quantile(cumulative, probabilities, periods, p, length) for p in probabilities]
            )
            for length in lengths
        ]
    )
    knots = np.maximum.accumulate(knots, axis=1)
    steep = (
        (knots[:, -1] - knots[:, -2]) / (probabilities[-1] - probabilities[-2])
        if len(probabilities) > 1
        else 0.0
    )
    most = knots[:, -1] + steep * (1 - probabilities[-1])
    knots = np.concatenate([np.zeros((len(lengths), 1, n)), knots, most[:, None]], axis=1)
    marks = np.concatenate([[0.0], probabilities, [1.0]])
    low, high = np.zeros(n), knots[:, -1].max(0)
    for _step in range(40):
        middle = (low + high) / 2
        reached = np.zeros(n)
        for k in range(len(lengths)):
            reached += weights[:, k] * _chance(middle, knots[k], marks)
        enough = reached >= probability
        high, low = np.where(enough, middle, high), np.where(enough, low, middle)
    return high


def _chance(value, knots, marks):
    """Chance that demand does not exceed `value` (n,), of a distribution with the quantiles `knots` (Q + 2, n) -> (n,)."""
    upper = np.clip((knots <= value[None, :]).sum(0), 1, len(marks) - 1)
    rows = np.arange(len(value))
    below, above = knots[upper - 1, rows], knots[upper, rows]
    share = np.divide(value - below, above - below, out=np.ones(len(value)), where=above > below)
    return marks[upper - 1] + np.clip(share, 0, 1) * (marks[upper] - marks[upper - 1])


def quantile_each(cumulative, probabilities, periods, probability, length):
    """:func:`forecast.cumulative_quantile` with a probability for each series -> (n,)."""
    out = np.zeros(cumulative.shape[1])
    for level in np.unique(probability):
        rows = probability == level
        out[rows] = cumulative_quantile(cumulative[:, rows], probabilities, periods, level, length[rows])
    return out


def fill_up(quantity, pack, room, available, daily, measure, goal, most=None):
    """Add packs to an order until it measures `goal`, each to the product that would run out first.

    :param quantity: (n,) units ordered so far; pack: (n,) units; room: (n,) units that a product may get at most
    :param available: (n,) units there already; daily: (n,) units expected a day
    :param measure: (n,) money, weight or volume of a unit
    :param goal: reached where one more pack lifts the sum to it
    :param most: the sum that must not be passed (None: no limit)
    :return: (n,) units; where the goal can't be reached, all packs that fit
    """
    quantity, measure = np.array(quantity, float), np.asarray(measure, float)
    pack = np.where(np.asarray(pack, float) > 0, pack, 1.0)
    total = float((quantity * measure).sum())
    open_ = (np.asarray(room, float) >= quantity + pack - 1e-9) & (measure > 0) & (np.asarray(daily) > 0)
    while total < goal - 1e-9 and open_.any():
        lasts = np.where(open_, (available + quantity) / np.where(open_, daily, 1), np.inf)
        i = int(lasts.argmin())
        step = pack[i] * measure[i]
        if most is not None and total + step > most + 1e-9:
            open_[i] = False
            continue
        quantity[i] += pack[i]
        total += step
        open_[i] = room[i] >= quantity[i] + pack[i] - 1e-9
    return quantity


def cut_down(quantity, pack, available, daily, measure, most):
    """Take packs off an order until it measures `most` at most, each from the product that would last longest -> (n,) units."""
    quantity, measure = np.array(quantity, float), np.asarray(measure, float)
    pack = np.where(np.asarray(pack, float) > 0, pack, 1.0)
    total = float((quantity * measure).sum())
    while total > most + 1e-9:
        there = (quantity > 1e-9) & (measure > 0)
        if not there.any():
            break
        lasts = np.where(there, (available + quantity) / np.where(daily > 0, daily, 1e-9), -np.inf)
        i = int(lasts.argmax())
        taken = min(pack[i], quantity[i])
        quantity[i] -= taken
        total -= taken * measure[i]
    return quantity
