"""What honest travel looks like, learnt from the scans of all distributors together.

The expected number of observations of distributor *i*'s product *p* of window *w* in a foreign place *c* is

    n(i,p,w) * a(i) * t(p) * s(w) * r(i,c)      with  r(i,c) ~ h(c) * f(distance class of i and c),  sum over c = 1

a: the distributor's own share abroad, drawn towards all distributors' as a beta prior says (beta-binomial; the precision
by moments); t: goods that are given away; s: festivals; h: hubs of travel, without the distributor's own scans; f:
neighbours. It is a gravity model fitted by iterative scaling. Counts far above expectation are cut to what chance allows
while it is fitted, so that diverted goods don't teach the model to expect them.
"""

from dataclasses import dataclass

import numpy as np

ROUNDS = 12
# Pseudo-observations that hold hubs, distance classes and seasons near 1.
PLACE_PRIOR, CLASS_PRIOR, SEASON_PRIOR = 2.0, 20.0, 50.0
# Where nobody has been found yet, somebody will be.
CUT = 2.5


@dataclass
class Baseline:
    """``share`` is (dealers, products, windows), ``route`` (dealers, places) with rows that sum to 1; ``precision`` is that
    of the beta distribution of shares, ``shape`` that of the gamma distribution of a route about its mean."""

    share: np.ndarray
    route: np.ndarray
    precision: float
    shape: float
    other: np.ndarray  # (kinds,) share abroad of outlets' and inspectors' scans


def _cut(count, mean, shape=2.0):
    return np.minimum(count, mean + CUT * np.sqrt(mean + mean**2 / shape) + 1)


def _beta_precision(found, total, mean):
    """Precision of the beta distribution behind ``found`` of ``total``, by moments, between 10 and 2,000."""
    used = total > 5
    if used.sum() < 3:
        return 50.0
    n, share = total[used], found[used] / total[used]
    variance = np.average((share - mean) ** 2, weights=n)
    chance = mean * (1 - mean) * np.average(1 / n, weights=n)
    spread = max(variance - chance, 1e-6)
    return float(np.clip(mean * (1 - mean) / spread - 1, 10, 2000))


def fit(evidence, classes):
    """Fit the model.

    :param Evidence evidence: of :func:`evidence.gather`
    :param classes: int (dealers, places): -1 at home, else the distance class from 0 (nearest) on
    :rtype: Baseline
    """
    dealers, _places = classes.shape
    total = evidence.total[0]
    away = classes >= 0
    pooled = np.zeros(classes.shape)
    np.add.at(pooled, (evidence.dealer, evidence.place), evidence.count[:, 0])
    by_window = np.zeros(total.shape)
    np.add.at(by_window, (evidence.dealer, evidence.product, evidence.window), evidence.count[:, 0])

    mean = float(np.median(by_window.sum((1, 2)) / np.maximum(total.sum((1, 2)), 1)))
    mean = min(max(mean, 0.005), 0.5)
    own = np.full(dealers, mean)
    goods, season = np.ones(total.shape[1]), np.ones(total.shape[2])
    hub, near = np.ones(classes.shape[1]), np.ones(classes.max(initial=0) + 1)
    precision = 50.0
    for _round in range(ROUNDS):
        route = _route(hub, near, classes, away)
        weight = (total * goods[None, :, None] * season[None, None, :]).sum((1, 2))
        expected = (own * weight)[:, None] * route
        count = _cut(pooled, expected)
        found = count.sum(1)
        ratio = found / np.maximum(weight, 1e-9)
        mean = float(np.clip(np.average(ratio, weights=weight + 1e-9), 0.002, 0.6))
        precision = _beta_precision(found, weight, mean)
        own = (found + precision * mean) / (weight + precision)
        expected = (own * weight)[:, None] * route
        hub = hub * (count.sum(0) + PLACE_PRIOR) / (expected.sum(0) + PLACE_PRIOR)
        sums = np.bincount(classes[away], count[away], len(near))
        near = (
            near
            * (sums + CLASS_PRIOR)
            / (np.bincount(classes[away], expected[away], len(near)) + CLASS_PRIOR)
        )
        base = own[:, None, None] * total
        now = base * goods[None, :, None] * season[None, None, :]
        seen = _cut(by_window, now, 5.0)
        goods = goods * (seen.sum((0, 2)) + SEASON_PRIOR) / (now.sum((0, 2)) + SEASON_PRIOR)
        now = base * goods[None, :, None] * season[None, None, :]
        season = season * (seen.sum((0, 1)) + SEASON_PRIOR) / (now.sum((0, 1)) + SEASON_PRIOR)

    route = _route(hub, near, classes, away)
    expected = (own * weight)[:, None] * route
    count = _cut(pooled, expected)
    # A hub is what the others make of it: the distributor's own finds there are no excuse.
    others = (count.sum(0)[None] - count + PLACE_PRIOR) / (count.sum(0)[None] + PLACE_PRIOR)
    others *= (expected.sum(0)[None] + PLACE_PRIOR) / (expected.sum(0)[None] - expected + PLACE_PRIOR)
    route = route * others
    route /= np.maximum(route.sum(1, keepdims=True), 1e-12)
    share = np.clip(own[:, None, None] * goods[None, :, None] * season[None, None, :], 1e-4, 0.8)
    return Baseline(share, route, precision, _route_shape(pooled, expected), _other_shares(evidence))


def _route(hub, near, classes, away):
    route = np.where(away, hub[None] * near[classes.clip(0)], 0.0)
    return route / np.maximum(route.sum(1, keepdims=True), 1e-12)


def _route_shape(count, mean):
    """Shape of the gamma distribution of routes: the counts' variance above chance, without the highest in a thousand."""
    used = mean > 0.3
    if used.sum() < 50:
        return 1.0
    excess = ((count - mean) ** 2 - mean)[used]
    ratio = count[used] / mean[used]
    kept = ratio <= np.quantile(ratio, 0.995)
    spread = excess[kept].sum() / (mean[used][kept] ** 2).sum()
    return float(np.clip(1 / max(spread, 1e-3), 0.3, 3.0))


def _other_shares(evidence):
    """Share abroad by kind, without the worst tenth of the distributors, drawn towards one in 200."""
    result = np.zeros(evidence.total.shape[0])
    for kind in range(len(result)):
        found = np.bincount(evidence.dealer, evidence.count[:, kind], evidence.total.shape[1])
        total = evidence.total[kind].sum((1, 2))
        order = np.argsort(found / np.maximum(total, 1))[: max(int(0.9 * len(total)), 1)]
        result[kind] = (found[order].sum() + 1) / (total[order].sum() + 200)
    return result
