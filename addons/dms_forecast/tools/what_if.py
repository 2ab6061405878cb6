"""What a change of demand, of lead times or of the service level does to stock, service and orders. numpy only.

What happens comes from the quantiles of the demand of whole periods, by formulas and not by chance: no random numbers, every series by itself,
so that the same series has the same result in any company and any order. Quantities are units, times are days.

The model is the periodic review with a reorder point and an order-up-to level, the (R, s, S) system of Silver, Pyke and Thomas 2017, Inventory
and Production Management in Supply Chains, ch. 6 and 7:

* stock and open orders together (the position) run off until they are below the reorder point; from then on they are anywhere between reorder
  point and order-up-to level with the same chance (Hadley and Whitin 1963, Analysis of Inventory Systems, ch. 4);
* stock after a lead time is the position at its beginning less the demand in it, E[(y - D)+];
* what a cycle lacks is E[(D(L + R) - y)+] - E[(D(L) - y)+];
* the service of cycles is the chance that the lowest position lasts for a lead time and a review.

Demand of later windows keeps its width relative to what is expected, as overrides do (:mod:`override`).
"""

from dataclasses import dataclass

import numpy as np

from .quantiles import cumulative_quantile
from .replenish import mixed_quantile

PHASES = (0.0, 0.25, 0.5, 0.75, 1.0)  # where between reorder point and order-up-to level a position is
PHASE_WEIGHTS = (0.125, 0.25, 0.25, 0.25, 0.125)
CHUNK = 4000  # series at a time: some hundred megabytes at most
GUARD_DAYS = 60  # the window by which the guard follows demand
WITHIN_STEPS = 30  # rounds of taking series' and weeks' means off, until both are gone
PRICE_MOVES = 0.02  # of the log of the price, for a week to have had another one
PRICE_WEEKS = 30  # such weeks that an elasticity is learnt from
STEEPEST = 8.0  # elasticities above are no answer to a price
SURE = 2.0  # standard errors that an elasticity is away from none


@dataclass(frozen=True)
class Demand:
    """What is expected of n series, as a forecast run stores it."""

    cumulative: np.ndarray  # (Q, n, P) quantiles of the demand of the first periods[p] days
    expected: np.ndarray  # (n, P)
    probabilities: tuple  # (Q,) ascending
    periods: tuple  # (P,) days, ascending

    def take(self, rows):
        return Demand(self.cumulative[:, rows], self.expected[rows], self.probabilities, self.periods)


@dataclass(frozen=True)
class Supply:
    """How n series are supplied."""

    lengths: np.ndarray  # (K,) days that a delivery may take
    weights: np.ndarray  # (n, K) how likely each is, rows with the sum 1
    review: np.ndarray  # (n,) days that the rule bridges beside the delivery
    every: np.ndarray  # (n,) days between two looks at the stock
    target: np.ndarray  # (n,) days that are filled up for after receipt
    level: np.ndarray  # (n,) service level, 0 to 1
    pack: np.ndarray  # (n,) units that orders are rounded up to
    cap: np.ndarray  # (n,) units that are never ordered above
    held: np.ndarray  # (n,) bool, too much in the house: filled up to the reorder point at most

    def take(self, rows):
        return Supply(
            self.lengths,
            self.weights[rows],
            *(getattr(self, name)[rows] for name in list(self.__dataclass_fields__)[2:]),
        )


@dataclass
class Outcome:
    """What n series come to within the days looked at."""

    reorder: np.ndarray  # (n,) reorder point, at the height of the change
    order_up_to: np.ndarray  # (n,)
    stock: np.ndarray  # (n,) units on hand at the end of a day, on average
    under_way: np.ndarray  # (n,) units ordered and not there, on average
    cycle_service: np.ndarray  # (n,) chance that an order cycle ends without a lost sale
    demand: np.ndarray  # (n,) units expected to be asked for
    lost: np.ndarray  # (n,) of them not there
    ordered: np.ndarray  # (n,) units ordered
    spent: np.ndarray  # (n,) what they cost, as multiples of today's price of a unit
    stock_worth: np.ndarray  # (n,) the stock, valued in the same way
    under_way_worth: np.ndarray  # (n,)

    @property
    def fill(self):
        """Share of what is asked for that is there -> (n,); 1 where nothing is asked for."""
        asked = self.demand > 0
        return np.where(asked, 1 - self.lost / np.where(asked, self.demand, 1), 1.0)


def levels(demand, supply):
    """Reorder point, safety stock and order-up-to level of today's review.

    The reorder point is the quantile of the demand until the order after this one arrives; filled up is for what is expected until receipt and
    `target` days on, and the safety stock (the reorder point less what is expected until then).

    :param Demand demand: n series; Supply supply: of them
    :return: (n,) units each
    """
    n = len(demand.expected)
    reorder, expected = np.zeros(n), np.zeros(n)
    for review in np.unique(supply.review):
        rows = supply.review == review
        bridged = supply.lengths + int(review)
        reorder[rows] = mixed_quantile(
            demand.cumulative[:, rows],
            demand.probabilities,
            demand.periods,
            supply.level[rows],
            bridged,
            supply.weights[rows],
        )
        for k, days in enumerate(bridged):
            expected[rows] += supply.weights[rows, k] * _expected(demand, days)[rows]
    safety = np.maximum(reorder - expected, 0)
    return reorder, safety, _expected(demand, _mean_lead(supply) + supply.target) + safety


def outcome(demand, supply, stock, coming, days, factor=None, deliveries=None, price=None, worth=None):
    """What becomes of stock, service and orders in the next `days` days.

    :param Demand demand: n series as the forecast knows them without the change; Supply supply: how the review orders
    :param stock: (n,) units on hand; coming: (n,) units under way or on order, there after half a lead time
    :param factor: (n, days) or (days,) by which demand is multiplied each day; the reviews know of it
    :param Supply deliveries: how goods truly come, where that is not what the reviews believe (its `lengths` and `weights` count)
    :param price: (days,) what an order of that day costs, and worth: (days,) what stock is worth then, both as multiples of today's price
    :return: Outcome
    """
    n = len(demand.expected)
    stock, coming = (np.maximum(np.broadcast_to(np.asarray(x, float), (n,)), 0) for x in (stock, coming))
    factor = np.broadcast_to(np.asarray(1.0 if factor is None else factor, float), (n, days))
    deliveries = deliveries or supply
    price, worth = (
        np.broadcast_to(np.asarray(1.0 if x is None else x, float), (days,)) for x in (price, worth)
    )
    parts = []
    for begin in range(0, n, CHUNK):
        rows = slice(begin, begin + CHUNK)
        parts.append(
            _outcome(
                demand.take(rows),
                supply.take(rows),
                deliveries.take(rows),
                stock[rows],
                coming[rows],
                factor[rows],
                price,
                worth,
            )
        )
    return Outcome(
        *(
            np.concatenate([getattr(part, name) for part in parts]) if parts else np.zeros(0)
            for name in Outcome.__dataclass_fields__
        )
    )


def demand_factor(days, first, last, change):
    """A change of demand by a share (0.2: a fifth more) from day `first` to day `last` (0: tomorrow, both included) -> (days,)."""
    out = np.ones(days)
    out[max(first, 0) : max(last + 1, 0)] = max(1 + change, 0.0)
    return out


def price_response(change, elasticity):
    """How demand answers a price, at a constant elasticity (Simon and Fassnacht 2019, Price Management, ch. 3) -> share more or less.

    :param change: of the price, -0.1 for a tenth less, above -1; elasticity: per cent of demand gained for one per cent off the price
    """
    return float((1 + change) ** -elasticity - 1)


def learn_elasticity(series, week, quantity, amount):
    """How demand moved with its price: one elasticity from all series' weeks, beside what each series and each week is used to.

    Log of the quantity on log of the price, with an effect of each series and of each week (the two-way within estimator of Wooldridge 2010,
    Econometric Analysis of Cross Section and Panel Data, ch. 10), weighted by quantity. Only weeks with sales have a price, so it is rather too
    small than too large. Few or small changes of price teach nothing.

    :param series: (m,) int, of which each row is; week: (m,) int; quantity: (m,) units sold; amount: (m,) what was paid for them
    :return: (elasticity, weeks with another price than usual), or None where the past does not tell
    """
    quantity, amount = np.asarray(quantity, float), np.asarray(amount, float)
    good = (quantity > 0) & (amount > 0)
    if not good.any():
        return None
    _names, series = np.unique(np.asarray(series)[good], return_inverse=True)
    _names, week = np.unique(np.asarray(week)[good], return_inverse=True)
    weight = quantity[good]
    sold, price = np.log(weight), np.log(amount[good] / weight)
    for _step in range(WITHIN_STEPS):
        for member in (series, week):
            mass = np.bincount(member, weight)
            sold = sold - (np.bincount(member, weight * sold) / mass)[member]
            price = price - (np.bincount(member, weight * price) / mass)[member]
    moved = int((np.abs(price) > PRICE_MOVES).sum())
    spread = float((weight * price**2).sum())
    if moved < PRICE_WEEKS or spread <= 0:
        return None
    slope = float((weight * price * sold).sum()) / spread
    residual = sold - slope * price
    # weeks of a series go together: the error is that of its sums
    error = float(np.sqrt((np.bincount(series, weight * price * residual) ** 2).sum())) / spread
    if not -STEEPEST <= slope < 0 or -slope < SURE * error:
        return None
    return -slope, moved


def _outcome(demand, supply, deliveries, stock, coming, factor, price, worth):
    n, days = factor.shape
    reach = days + int(supply.target.max(initial=0)) + GUARD_DAYS + int(supply.lengths.max(initial=0)) + 2
    reach += int(
        max(supply.review.max(initial=0), supply.every.max(initial=0), deliveries.lengths.max(initial=0))
    )
    usual, changed = _paths(demand, factor, reach)
    reorder, safety, target = levels(demand, supply)
    believed, lead = _mean_lead(supply), _mean_lead(deliveries)
    bridged = believed + supply.review
    rounding = np.maximum(supply.pack - 1, 0) / 2  # rounding up orders so many more on average
    scale = _ratio(changed, usual, bridged, days)
    goal = _windows(changed, believed + supply.target, days) + safety[:, None] * scale
    low = reorder[:, None] * scale
    full = np.maximum(np.where((target > 0)[:, None], goal, 0.0), low)
    goal = np.where(supply.held[:, None], low, full)
    goal = goal + np.where(goal > 0, rounding[:, None], 0.0)
    cap = np.maximum(supply.cap, 0)[:, None] * _ratio(changed, usual, np.full(n, float(GUARD_DAYS)), days)
    low, goal = np.minimum(low, cap), np.minimum(goal, cap)
    position, orders = _positions(stock + coming, low, np.maximum(goal, low), changed, days)
    result = _measure(demand, deliveries, supply.every, lead, stock, coming, position, usual, changed, worth)
    height = np.abs(scale - 1).argmax(1)
    rows = np.arange(n)
    same = (factor == 1).all(1)
    mean = (position[:, -1] * PHASE_WEIGHTS).sum(1)
    asked = changed[:, days]
    lost = np.clip(result["lost"], 0, asked)
    # the last review is at the beginning of the last day
    ordered = np.where(orders, np.maximum(mean - stock - coming + changed[:, days - 1] - lost, 0), 0.0)
    return Outcome(
        reorder=np.where(same, reorder, reorder * scale[rows, height]),
        order_up_to=np.where(same, np.maximum(target, reorder), full[rows, height]),
        stock=result["stock"],
        under_way=result["under_way"],
        cycle_service=np.clip(result["cycle"], 0, 1),
        demand=asked,
        lost=lost,
        ordered=ordered,
        spent=ordered * _mean_price(position, changed, stock + coming, price),
        stock_worth=result["stock_worth"],
        under_way_worth=result["under_way_worth"],
    )


def _mean_price(position, changed, available, price):
    """Price of a day, weighted by what is ordered on it -> (n,)."""
    mean = (position * PHASE_WEIGHTS).sum(2)
    before = np.concatenate([available[:, None], mean[:, :-1]], axis=1)
    asked = np.diff(changed[:, : mean.shape[1]], axis=1, prepend=0.0)
    bought = np.maximum(mean - np.maximum(before - asked, 0), 0)
    total = bought.sum(1)
    paid = (bought * price).sum(1)
    return np.where(total > 0, paid / np.where(total > 0, total, 1), 1.0)


def _expected(demand, days):
    """Demand expected in the first `days` days (scalar or (n,)) -> (n,)."""
    return cumulative_quantile(demand.expected[None], [0.5], demand.periods, 0.5, days)


def _mean_lead(supply):
    return (supply.weights * supply.lengths).sum(1)


def _paths(demand, factor, reach):
    """Expected demand up to the end of each day, without and with the change -> (n, reach + 1) each."""
    n, days = factor.shape
    grid = np.concatenate([[0.0], np.asarray(demand.periods, float)])
    known = np.concatenate([np.zeros((n, 1)), demand.expected], axis=1)
    day = np.arange(reach + 1)
    right = np.clip(np.searchsorted(grid, day), 1, len(grid) - 1)
    share = (day - grid[right - 1]) / (grid[right] - grid[right - 1])
    usual = known[:, right - 1] * (1 - share) + known[:, right] * share
    usual = np.maximum.accumulate(np.maximum(usual, 0), axis=1)
    daily = np.diff(usual, axis=1)
    daily[:, :days] *= factor
    changed = np.concatenate([np.zeros((n, 1)), np.cumsum(daily, axis=1)], axis=1)
    # adding up differences loses digits; without a change there is none to tell
    return usual, np.where((factor == 1).all(1)[:, None], usual, changed)


def _at(path, day):
    """A path between whole days -> like `day`, (n,) or (n, k)."""
    rows = np.arange(len(path)).reshape((-1,) + (1,) * (day.ndim - 1))
    day = np.clip(day, 0, path.shape[1] - 1)
    low = np.minimum(day.astype(int), path.shape[1] - 2)
    share = day - low
    return path[rows, low] * (1 - share) + path[rows, low + 1] * share


def _windows(path, length, days):
    """Demand of `length` (n,) days from the beginning of each day on -> (n, days)."""
    return _at(path, length[:, None] + np.arange(days)) - path[:, :days]


def _ratio(changed, usual, length, days):
    """Demand of the windows from each day on, as a ratio of today's without the change -> (n, days)."""
    base = _at(usual, length)[:, None]
    return np.where(base > 0, _windows(changed, length, days) / np.where(base > 0, base, 1), 1.0)


def _positions(available, low, goal, changed, days):
    """Stock and open orders after each review, in phases between reorder point and order-up-to level -> (n, days, G), whether any ordered (n,)."""
    phases = np.asarray(PHASES)
    position = np.repeat(np.asarray(available, float)[:, None], len(phases), axis=1)
    ordered = np.zeros(len(position), bool)
    out = np.empty((len(position), days, len(phases)))
    for day in range(days):
        if day:
            position = np.maximum(position - (changed[:, day] - changed[:, day - 1])[:, None], 0)
        ordered |= position[:, 0] < low[:, day]
        wanted = low[:, [day]] + (goal[:, day] - low[:, day])[:, None] * phases
        position = np.where(ordered[:, None], np.maximum(position, wanted), position)
        out[:, day] = position
    return out, ordered


def _measure(demand, deliveries, every, lead, stock, coming, position, usual, changed, worth):
    n, days = len(stock), len(worth)
    whole = np.round(lead).astype(int)
    aged = np.round((every - 1) / 2).astype(int)
    short_mass, short_base = _distribution(demand, deliveries, np.zeros(n, int)), _at(usual, lead)
    long_mass, long_base = _distribution(demand, deliveries, every), _at(usual, lead + every)
    averaged = ("stock", "under_way", "stock_worth", "under_way_worth", "cycle")
    sums = {name: np.zeros(n) for name in (*averaged, "lost")}
    weights = np.asarray(PHASE_WEIGHTS)
    rows = np.arange(n)
    missed = np.zeros(n)
    for day in range(days):
        early = day < whole
        there = stock + np.where(2 * day >= whole, coming, 0.0)
        start = np.where(early, 0, np.maximum(day - whole, 0))
        begin = np.maximum(start - aged, 0)
        y = np.where(early[:, None], there[:, None], position[rows, begin])
        asked = changed[:, day + 1] - changed[rows, np.where(early, 0, begin)]
        on_hand = (_left(y, long_mass, _share(asked, long_base)) * weights).sum(1)
        under_way = np.maximum((position[:, day] * weights).sum(1) - on_hand, 0)
        for name, quantity in (("stock", on_hand), ("under_way", under_way)):
            sums[name] += quantity
            sums[f"{name}_worth"] += quantity * worth[day]
        # within the first lead time nothing that is ordered now can help
        so_far = _short(there[:, None], long_mass, _share(changed[:, day + 1], long_base))[:, 0]
        first_loss = np.maximum(so_far - missed, 0)
        missed = np.maximum(missed, so_far)
        y = position[rows, start]
        until = _share(_at(changed, start + lead + every) - changed[rows, start], long_base)
        before = _share(_at(changed, start + lead) - changed[rows, start], short_base)
        loss = ((_short(y, long_mass, until) - _short(y, short_mass, before)) * weights).sum(1) / every
        sums["lost"] += np.where(early, first_loss, np.maximum(loss, 0))
        sums["cycle"] += np.where(
            early,
            _chance(there[:, None], long_mass, _share(changed[:, day + 1], long_base))[:, 0],
            _chance(y[:, :1], long_mass, until)[:, 0],
        )
    return sums | {name: sums[name] / max(days, 1) for name in averaged}


def _share(asked, base):
    """What is asked for, as a ratio of what the distribution expects -> (n,); 0 where nothing is."""
    return np.where(base > 0, asked / np.where(base > 0, base, 1), 0.0)


def _distribution(demand, supply, more):
    """The demand of a delivery and `more` (n,) days, as knots of its quantile function from probability 0 to 1 -> (n, Q + 2), marks (Q + 2,).

    Beyond the quantiles that are known it goes on as steeply as between the nearest two, never below zero.
    """
    probabilities = np.asarray(demand.probabilities, float)
    n = len(demand.expected)
    knots = np.zeros((n, len(probabilities) + 2))
    for days in np.unique(more):
        rows = more == days
        for q, probability in enumerate(probabilities):
            knots[rows, q + 1] = mixed_quantile(
                demand.cumulative[:, rows],
                demand.probabilities,
                demand.periods,
                probability,
                supply.lengths + int(days),
                supply.weights[rows],
            )
    knots[:, 1:-1] = np.maximum.accumulate(knots[:, 1:-1], axis=1)
    first, last = knots[:, 1], knots[:, -2]
    below = above = 0.0
    if len(probabilities) > 1:
        below = (knots[:, 2] - first) / (probabilities[1] - probabilities[0])
        above = (last - knots[:, -3]) / (probabilities[-1] - probabilities[-2])
    knots[:, 0] = np.maximum(first - below * probabilities[0], 0)
    knots[:, -1] = last + above * (1 - probabilities[-1])
    return knots, np.concatenate([[0.0], probabilities, [1.0]])


def _short(y, distribution, ratio):
    """E[(D - y)+] of a demand that is `ratio` (n,) times the distribution, for positions y (n, G) -> (n, G)."""
    knots, marks = distribution
    ratio = ratio[:, None]
    scaled = np.where(ratio > 0, y / np.where(ratio > 0, ratio, 1), 0)[:, :, None]
    low, high = knots[:, None, :-1], knots[:, None, 1:]
    width = high - low
    inside = np.clip(high - scaled, 0, None) ** 2 / (2 * np.where(width > 0, width, 1))
    part = np.where(
        scaled <= low, (low + high) / 2 - scaled, np.where((scaled < high) & (width > 0), inside, 0)
    )
    return np.where(ratio > 0, (part * np.diff(marks)).sum(2) * ratio, 0.0)


def _left(y, distribution, ratio):
    """E[(y - D)+] -> (n, G)."""
    knots, marks = distribution
    mean = (np.diff(marks) * (knots[:, 1:] + knots[:, :-1]) / 2).sum(1)[:, None] * ratio[:, None]
    return np.maximum(y - mean + _short(y, distribution, ratio), 0)


def _chance(y, distribution, ratio):
    """P(D <= y) -> (n, G)."""
    knots, marks = distribution
    ratio = ratio[:, None]
    scaled = np.where(ratio > 0, y / np.where(ratio > 0, ratio, 1), np.inf)[:, :, None]
    low, high = knots[:, None, :-1], knots[:, None, 1:]
    width = high - low
    inside = np.where(
        width > 0, (np.minimum(scaled, high) - low) / np.where(width > 0, width, 1), scaled >= low
    )
    return (np.clip(inside, 0, 1) * np.diff(marks)).sum(2)
