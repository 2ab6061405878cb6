"""Retail prices that give goods away which were never meant for the place."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from .evidence import group
from .judge import benjamini_hochberg
from .volume import FREEDOM, MAD_SCALE

# A price is not an outlier for being a hundredth below shops that all ask the same.
LEAST_SPREAD = 0.03
LEAST_PRICES = 4


@dataclass
class Prices:
    """Arrays as long as the prices: median of the other prices of the market, robust deviation of the logarithm from it in
    standard deviations (NaN where fewer than three others were seen), q-value, and whether the price is suspicious."""

    local: np.ndarray
    deviation: np.ndarray
    q: np.ndarray
    low: np.ndarray


def judge(price, market, floor, level=0.05):
    """Find prices below guidance and far below the market's own median.

    :param price: unit prices of one currency, above 0
    :param market: number of the product and place that a price belongs to
    :param floor: lowest guidance price, NaN where there is none (then the market alone decides)
    :param float level: accepted share of false findings
    :rtype: Prices
    """
    price = np.asarray(price, float)
    logs = np.log(price)
    local, deviation = np.full(len(price), np.nan), np.full(len(price), np.nan)
    number, first = group(np.asarray(market))
    order = np.argsort(number, kind="stable")
    bounds = np.searchsorted(number[order], np.arange(len(first) + 1))
    for index in range(len(first)):
        rows = order[bounds[index] : bounds[index + 1]]
        if len(rows) < LEAST_PRICES:
            continue
        values = logs[rows]
        for place, row in enumerate(rows):
            others = np.delete(values, place)
            middle = np.median(others)
            spread = max(MAD_SCALE * np.median(np.abs(others - middle)), LEAST_SPREAD)
            local[row], deviation[row] = np.exp(middle), (values[place] - middle) / spread
    p = np.where(np.isnan(deviation), 1.0, stats.t.cdf(np.nan_to_num(deviation), FREEDOM))
    q = benjamini_hochberg(p)
    below = np.isnan(floor) | (price < np.nan_to_num(floor, nan=np.inf))
    return Prices(local, deviation, q, (q <= level) & below)
