"""How strongly the evidence speaks for diversion, and whom to look at.

For each distributor and window an e-value is computed: by how much likelier the observations are if goods were diverted
than if they only travelled. Under honest travel its mean is at most 1, so 1/e is a p-value (Markov), however the places,
products and windows depend on each other, and the Benjamini-Hochberg procedure on 1/e keeps the share of false alarms
(Wang and Ramdas 2022, "False discovery rate control with e-values"). A posterior probability is given beside it.

Mixtures keep the mean at 1: over the diverted share; over places, each of which is a destination with a small probability
(so several at once may be); over products, one of them or all. A likelihood ratio raised to a power below 1 keeps it below 1:
such powers are the weights of the kinds of scans.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

from .evidence import INSPECTOR, count_different, group

SHARES = np.array([0.05, 0.08, 0.12, 0.18, 0.27, 0.4, 0.6])
# A consumer's place may be spoofed, an outlet is signed in, an inspector was there.
KIND_WEIGHTS = np.array([0.8, 0.9, 1.0])
DESTINATIONS = 2.0
OTHER_SHAPE = 0.5
DIVERTED_SHAPE = 6.0
SPLIT_WEIGHT = 0.5
TOTAL_WEIGHT = 0.1
PRIOR = 0.005, 0.3
# Below this nobody is looked at, whatever the sums say.
LEAST_CASES, LEAST_DEVICES = 5, 4
LOUD_DAYS, LOUD_COUNT = 3.0, 2
LEAST_QUIET, LEAST_QUIET_SHARE = 3, 0.4
CORRIDOR_CAP = 3.0
MAX_LOG = 500.0


@dataclass
class Findings:
    """Arrays over (dealers, windows), and over (dealers, products, windows) where the name ends so.

    ``log_e``: natural logarithm of the e-value; ``q``: expected share of false alarms among all that are at least as strong;
    ``posterior``: probability of diversion; ``alert``: whether to look at it. ``cell_log_e`` and ``cell_expected`` belong to
    the evidence's cells.
    """

    log_e: np.ndarray
    q: np.ndarray
    posterior: np.ndarray
    alert: np.ndarray
    log_e_product: np.ndarray
    posterior_product: np.ndarray
    cell_log_e: np.ndarray
    cell_expected: np.ndarray


def benjamini_hochberg(p):
    """Adjusted p-values (q-values) of an array of any shape."""
    flat = np.asarray(p, float).ravel()
    order = np.argsort(flat)
    adjusted = flat[order] * len(flat) / np.arange(1, len(flat) + 1)
    result = np.empty(len(flat))
    result[order] = np.minimum.accumulate(adjusted[::-1])[::-1].clip(max=1)
    return result.reshape(np.shape(p))


def negative_binomial(count, mean, shape):
    """Logarithm of the probability of ``count``; the variance is mean + mean**2 / shape."""
    return (
        special.gammaln(count + shape)
        - special.gammaln(shape)
        - special.gammaln(count + 1)
        + shape * np.log(shape / (shape + mean))
        + special.xlogy(count, mean / (shape + mean))
    )


def beta_binomial(found, total, mean, precision):
    """Logarithm of the probability of ``found`` of ``total``, the share being beta distributed."""
    a, b = mean * precision, (1 - mean) * precision
    return (
        special.gammaln(total + 1)
        - special.gammaln(found + 1)
        - special.gammaln(total - found + 1)
        + special.betaln(found + a, total - found + b)
        - special.betaln(a, b)
    )


def _log_mean(values, axis):
    return special.logsumexp(values, axis=axis) - np.log(values.shape[axis])


def _cell_log_e(count, mean, total, shape, split, honest_split, diverted_split):
    """Log e-value of cells: (cells,) from counts (cells, kinds), expectations and totals (cells, kinds)."""
    shapes = np.array([shape, OTHER_SHAPE, OTHER_SHAPE])
    null = negative_binomial(count, mean, shapes)
    logs = np.empty((len(SHARES), len(count)))
    for number, share in enumerate(SHARES):
        other = negative_binomial(count, mean + share * total, DIVERTED_SHAPE)
        logs[number] = ((other - null) * KIND_WEIGHTS).sum(1)
    log_e = _log_mean(logs, 0)
    cases = np.maximum(count[:, 0], split)
    ratio = special.xlogy(split, diverted_split / honest_split) + special.xlogy(
        cases - split, (1 - diverted_split) / (1 - honest_split)
    )
    # Scraped labels or a thin spread leave single units: half of the mixture does not ask for more.
    return log_e + np.logaddexp(0, SPLIT_WEIGHT * ratio) - np.log(2)


def _combine_places(log_e, rows, count, places):
    """Log e-value of rows from those of their cells: each place is a destination with a small probability."""
    chance = min(DESTINATIONS / places, 0.5)
    terms = np.logaddexp(np.log1p(-chance), np.log(chance) + log_e)
    seen = np.bincount(rows, minlength=count)
    return np.bincount(rows, terms, minlength=count) + (places - seen) * np.log1p(-chance)


def _total_log_e(found, total, mean, precision):
    null = beta_binomial(found, total, mean, precision)
    logs = [beta_binomial(found, total, mean + share * (1 - mean), precision / 2) - null for share in SHARES]
    return np.maximum(_log_mean(np.array(logs), 0), 0) * 0.5 - np.log(2)


def judge(scans, evidence, baseline, level=0.02):
    """Weigh the evidence against the baseline.

    :param float level: expected share of false alarms that is accepted
    :rtype: Findings
    """
    dealers, products, windows = evidence.total.shape[1:]
    places = baseline.route.shape[1]
    honest = min((evidence.split.sum() + 2) / (evidence.count[:, 0].sum() + 20), 0.3)
    honest = max(0.5 * honest, 0.01)
    diverted = min(max(evidence.home_split, honest * 1.5), 0.9)
    spot = (evidence.dealer, evidence.product, evidence.window)
    route = baseline.route[evidence.dealer, evidence.place]
    total = evidence.total[(slice(None), *spot)].T
    even = 0.5 * route + 0.5 / places
    mean = total * np.stack(
        [baseline.share[spot] * route, baseline.other[1] * even, baseline.other[2] * even], axis=1
    )
    mean = np.maximum(mean, 1e-6)
    mean[:, 0] *= _corridor(evidence, mean[:, 0], baseline.shape)

    arguments = (baseline.shape, evidence.split, honest, diverted)
    cell = _cell_log_e(evidence.count, mean, total, *arguments)
    row = np.ravel_multi_index(spot, evidence.total.shape[1:])
    size = dealers * products * windows
    by_product = _combine_places(cell, row, size, places).reshape(dealers, products, windows)

    # The same with all products together.
    key = np.ravel_multi_index((evidence.dealer, evidence.window, evidence.place), (dealers, windows, places))
    keys, joint = np.unique(key, return_inverse=True)
    sums = [
        np.stack([np.bincount(joint, column, len(keys)) for column in values.T], axis=1)
        for values in (evidence.count, mean)
    ]
    dealer, window, _place = np.unravel_index(keys, (dealers, windows, places))
    whole = evidence.total.sum(2)
    split = np.bincount(joint, evidence.split, len(keys))
    joint_e = _cell_log_e(*sums, whole[:, dealer, window].T, baseline.shape, split, honest, diverted)
    family = np.ravel_multi_index((dealer, window), (dealers, windows))
    together = _combine_places(joint_e, family, dealers * windows, places).reshape(dealers, windows)

    found = np.bincount(family, sums[0][:, 0], dealers * windows).reshape(dealers, windows)
    consumers = whole[0]
    expected_share = (baseline.share * evidence.total[0]).sum(1) / np.maximum(consumers, 1)
    spread = _total_log_e(found, consumers, np.clip(expected_share, 1e-4, 0.9), baseline.precision)
    log_e = special.logsumexp(
        np.stack([together, _log_mean(by_product, 1), spread]),
        axis=0,
        b=np.array([(1 - TOTAL_WEIGHT) / 2, (1 - TOTAL_WEIGHT) / 2, TOTAL_WEIGHT])[:, None, None],
    ).clip(-MAX_LOG, MAX_LOG)

    q = benjamini_hochberg(np.exp(-np.maximum(log_e, 0)))
    # How common diversion is, as the clear cases say.
    prior = float(np.clip((q <= level).mean(), *PRIOR))
    posterior = special.expit(log_e + special.logit(prior))
    strong = _is_independent(scans, evidence, joint, family[joint], joint_e[joint] > 0, (dealers, windows))
    return Findings(
        log_e,
        q,
        posterior,
        (q <= level) & strong,
        by_product.clip(-MAX_LOG, MAX_LOG),
        special.expit(by_product.clip(-MAX_LOG, MAX_LOG) + special.logit(prior)),
        joint_e[joint],
        mean[:, 0],
    )


def _corridor(evidence, mean, shape):
    """What a route's other windows say of it, within bounds: workers travel every month, but so do diverters.

    :return: factor of each cell's expectation: the mean of a gamma distribution after what the other windows showed
    """
    windows = evidence.total.shape[3]
    route, _first = group(evidence.dealer, evidence.place)
    month, _first = group(evidence.dealer, evidence.place, evidence.window)
    count = evidence.count[:, 0]
    others = np.bincount(route, count)[route] - np.bincount(month, count)[month]
    expected = np.bincount(month, mean)[month] * (windows - 1)
    return np.clip((shape + others) / (shape + expected), 1.0, CORRIDOR_CAP)


def _is_independent(scans, evidence, joint, family, speaking, shape):
    """Whether enough different cases and telephones, and not one loud moment, stand behind the places that speak.

    Who buys goods to frame a rival scans them in one go; goods that are on sale are scanned for weeks. So the loudest days
    of each place are put aside, and enough must be left.

    :param joint: number of each cell's distributor, window and place
    :param family: of each cell; :param speaking: whether the cell speaks for diversion
    """
    seen = np.flatnonzero(speaking[evidence.seen_cell])
    rows, cell = evidence.seen_row[seen], evidence.seen_cell[seen]
    owner, size = family[cell], shape[0] * shape[1]
    case = np.where(scans.case < 0, -1 - scans.unit, scans.case)[rows]
    quiet = ~_in_loudest_days(joint[cell], scans.day[rows])
    cases = count_different(owner, case, size)
    left = count_different(owner[quiet], case[quiet], size)
    enough = (
        (cases >= LEAST_CASES)
        & (count_different(owner, scans.device[rows], size) >= LEAST_DEVICES)
        & (left >= LEAST_QUIET)
        & (left >= LEAST_QUIET_SHARE * cases)
    )
    inspected = np.bincount(owner, scans.kind[rows] == INSPECTOR, minlength=size)
    return (enough | (inspected >= 2)).reshape(shape)


def _in_loudest_days(place, day):
    """Mark the observations in the :data:`LOUD_DAYS` days of each place that have the most."""
    order = np.lexsort((day, place))
    key = place[order] * 1e5 + (day[order] - day.min(initial=0))
    ends = np.searchsorted(key, key + LOUD_DAYS, side="left")
    count = ends - np.arange(len(key))
    best = np.lexsort((-count, place[order]))
    _number, first = group(place[order][best])
    loudest = best[first]
    loudest = loudest[count[loudest] >= LOUD_COUNT]
    marked = np.zeros(len(key) + 1, np.int64)
    np.add.at(marked, loudest, 1)
    np.add.at(marked, ends[loudest], -1)
    result = np.zeros(len(key), bool)
    result[order] = np.cumsum(marked)[:-1] > 0
    return result
