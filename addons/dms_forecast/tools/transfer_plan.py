"""Which distributor's surplus should go to which other one: a plan of transfers with the greatest gain. numpy and scipy only.

For each product the plan is a transportation problem with diminishing returns (Hitchcock 1941, Dantzig 1951): givers have whole packs that
they will not need, takers earn less and less with each further pack, a lane costs money per pack, and each transfer costs its handling. The
plant is one more source. Of goods that expire, a giver's packs that keep long enough for a taker are a part of its surplus, and those that
keep longer a part of that part: such nested limits leave the corners of the linear programme whole. Products do not compete, so each is solved
by itself, exactly: a linear programme over the arcs that can pay (columns are added as their reduced costs ask for them), and a mixed-integer
one where handling or a minimum lot makes the linear answer impossible. Both by HiGHS (Huangfu and Hall 2018, https://doi.org/10.1007/s12532-017-0130-5) through scipy.

Money is in one currency; quantities are whole packs unless it says units.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import csr_array

#: Gains of fractions of a cent decide nothing.
TINY = 1e-7
#: Arcs of a product's programme to begin with, for each taker.
FIRST_ARCS = 20
#: With more arcs than these a mixed programme is not solved to its end; how far its answer can be from the best is told.
MIXED_ARCS = 60


@dataclass
class Plan:
    """What :func:`plan` answers; M transfers of n places and P products.

    `giver`, `taker`, `product`, `packs`: (M,) int. `earned`: (M,) money, the taker's expected margin; what several transfers to one taker earn
    together is shared out by packs. `gain`: (M,) money, that and relief less freight and handling. `plant`: (n, P) packs that the plant should supply. `total`: gain of
    transfers and plant together; `bound`: what no plan can exceed, the same where the plan is the best; `without`: the greatest gain of the
    plant alone.
    """

    giver: np.ndarray
    taker: np.ndarray
    product: np.ndarray
    packs: np.ndarray
    earned: np.ndarray
    gain: np.ndarray
    plant: np.ndarray
    total: float
    bound: float
    without: float


@dataclass(frozen=True)
class Shelf:
    """How long surpluses keep: of the surplus of `place` in `product`, at most `packs` keep for `days` or longer.

    All (R,); a place and product without a row holds goods that keep for ever.
    """

    place: np.ndarray
    product: np.ndarray
    days: np.ndarray
    packs: np.ndarray


@dataclass
class _Product:
    """The problem of one product; g givers, t takers, K tiers, E limits of what keeps long enough."""

    givers: np.ndarray  # (g,) places
    takers: np.ndarray  # (t,) places
    supply: np.ndarray  # (g,) packs
    size: np.ndarray  # (t, K) packs
    gain: np.ndarray  # (t, K) money a pack
    cost: np.ndarray  # (g, t) money a pack, less the giver's relief; inf where not allowed
    plant_cost: np.ndarray  # (t,) money a pack
    plant_stock: float
    lot: np.ndarray  # (g, t) packs
    handling: float
    limit_giver: np.ndarray  # (E,) giver
    limit_taker: np.ndarray  # (E, t) bool, the takers that the limit holds for
    limit_packs: np.ndarray  # (E,) packs that they get from the giver at most, all together
    need: np.ndarray = field(init=False)  # (t,) packs
    asked: np.ndarray = field(init=False)  # (g, t) arcs that a programme has asked for so far
    tier_taker: np.ndarray = field(init=False)  # (m,) the tiers that hold a pack, row by row
    tier_size: np.ndarray = field(init=False)  # (m,)
    tier_gain: np.ndarray = field(init=False)  # (m,)

    def __post_init__(self):
        self.need = self.size.sum(1)
        self.asked = np.zeros(self.cost.shape, bool)
        self.tier_taker, tier = np.nonzero(self.size)
        self.tier_size, self.tier_gain = (table[self.tier_taker, tier] for table in (self.size, self.gain))


def surplus_packs(stock, promised, keep, pack):
    """Whole packs that a giver will not need.

    :param stock: (n, P) units on hand; promised: (n, P) units that leave anyway
    :param keep: (n, P) units that stay, e.g. the 0.95 quantile of the demand of the giver's cover
    :param pack: (P,) units of a pack
    :return: (n, P) int packs, never negative
    """
    free = np.asarray(stock, float) - np.asarray(promised, float) - np.asarray(keep, float)
    return np.maximum(np.floor(free / np.asarray(pack, float) + 1e-9), 0).astype(np.int64)


def shelf_packs(stock, kept, cover, pack, place, product, days, units):
    """How many packs of a surplus keep how long, from the batches that are there.

    A giver sells first what expires first. Packs that keep for its cover are given only as far as what stays keeps for it too: other goods
    would expire before its customers ask for them. Stock that no batch is known of stays.

    :param stock: (n, P) units on hand; kept: (n, P) units that stay or leave anyway; cover: (n, P) days that what stays is for
    :param pack: (P,) units of a pack
    :param place: (B,) of each batch; product: (B,); days: (B,) that it keeps, inf where it does not expire; units: (B,) that are left
    :return: Shelf
    """
    place, product = np.asarray(place, np.int64), np.asarray(product, np.int64)
    days, units = np.asarray(days, float), np.asarray(units, float)
    order = np.lexsort((-days, product, place))
    place, product, days, units = place[order], product[order], days[order], units[order]
    series = place * (np.asarray(stock).shape[1] + 1) + product
    starts = np.flatnonzero(np.append(True, series[1:] != series[:-1])) if len(series) else np.array([], int)
    number = np.cumsum(np.append(True, series[1:] != series[:-1]))[: len(series)] - 1
    total = np.cumsum(units)
    # units that keep as long as this batch or longer
    longer = total - (total[starts] - units[starts])[number]
    keeps = days >= np.asarray(cover, float)[place, product]
    lasting = np.zeros(len(starts))
    np.maximum.at(lasting, number[keeps], longer[keeps])
    held = np.asarray(kept, float)[place, product]
    free = np.where(keeps, lasting[number], np.asarray(stock, float)[place, product]) - held
    packs = np.floor(np.minimum(longer, free) / np.asarray(pack, float)[product] + 1e-9)
    return Shelf(place, product, days, np.maximum(packs, 0).astype(np.int64))


def need_tiers(available, demand, probabilities, margin, pack, holding=0.0, daily=1.0):
    """How much a taker gains with each further pack, from the quantiles of its demand.

    Between the quantiles of the probabilities p and q a unit is sold with the chance 1 - (p + q) / 2, up to the first one with the chance
    1 - p / 2, beyond the last with none. A pack's gain is the number of its units that are sold in expectation, times the margin (expected
    sales are the integral of the survival function; Silver, Pyke and Thomas 2017, Inventory and Production Management, ch. 9), less the
    holding until what is there before it is sold. Packs that gain nothing are no need.

    :param available: (n, P) units there and on their way
    :param demand: (Q, n, P) quantiles of the demand until goods could come otherwise, ascending in Q
    :param probabilities: (Q,) ascending in (0, 1)
    :param margin: (n, P) or (P,) money a unit: what it sells for less what it costs the taker; nothing is gained where it is negative
    :param pack: (P,) units of a pack
    :param holding: (n, P) money that a unit costs the taker each day that it lies; daily: (n, P) units that it sells a day
    :return: size (n, P, 2Q) int packs, gain (n, P, 2Q) money a pack, never rising
    """
    demand = np.maximum.accumulate(np.maximum(np.asarray(demand, float), 0), axis=0)
    available = np.maximum(np.asarray(available, float), 0)
    pack = np.broadcast_to(np.asarray(pack, float), available.shape)
    margin = np.maximum(np.broadcast_to(np.asarray(margin, float), available.shape), 0)
    knots = np.concatenate([np.zeros((1, *available.shape)), demand])
    edges = np.concatenate([[0.0], np.asarray(probabilities, float)])
    chance = (1 - (edges[1:] + edges[:-1]) / 2).reshape(-1, 1, 1)
    reach = (demand - available) / pack
    # between two ends no quantile lies inside a pack but in a tier of a single one, so a tier's packs all earn the same
    ends = np.concatenate([np.floor(reach + 1e-9), np.ceil(reach - 1e-9)])
    ends = np.sort(np.maximum(ends, 0), axis=0)
    starts = np.concatenate([np.zeros((1, *available.shape)), ends[:-1]])
    size = ends - starts

    def sold(packs):
        return (np.clip(available + packs * pack - knots[:-1], 0, np.diff(knots, axis=0)) * chance).sum(0)

    worth = np.stack([sold(end) - sold(start) for start, end in zip(starts, ends, strict=True)])
    gain = np.where(size > 0, worth / np.maximum(size, 1), 0.0) * margin
    before = available + (starts + ends) / 2 * pack
    lies = np.divide(before, daily, out=np.zeros_like(before), where=np.broadcast_to(daily, before.shape) > 0)
    gain = np.where(size > 0, gain - lies * holding * pack, 0.0)
    size, gain = np.where(gain > TINY, size, 0), np.maximum(gain, 0)
    return np.moveaxis(size, 0, -1).astype(np.int64), np.moveaxis(gain, 0, -1)


def sale_days(available, size, pack, daily):
    """Days until a taker has sold what it has and all that it may get, so that no goods come that expire with it.

    It is more than any one transfer needs, whatever the plan sends besides.

    :param available: (n, P) units there and on their way; size: (n, P, K) packs of each tier
    :param pack: (P,) units of a pack; daily: (n, P) units expected a day
    :return: (n, P) days, inf where nothing is sold
    """
    units = np.maximum(np.asarray(available, float), 0) + np.asarray(size).sum(2) * np.asarray(pack, float)
    daily = np.asarray(daily, float)
    return np.divide(units, daily, out=np.full(units.shape, np.inf), where=daily > 0)


def plan(
    surplus,
    size,
    gain,
    lane_cost,
    *,
    weight=1.0,
    allowed=True,
    relief=0.0,
    least_weight=0.0,
    handling=0.0,
    plant_cost=np.inf,
    plant_stock=0,
    shelf=None,
    lane_days=0.0,
    sale_days=0.0,
    gap=0.0,
):
    """Find the transfers of greatest total gain.

    A place with a surplus of a product takes none of it: no product goes both ways, and no giver falls below what it keeps.

    :param surplus: (n, P) whole packs, see :func:`surplus_packs`
    :param size: (n, P, K) whole packs of each tier; gain: (n, P, K) money a pack, never rising in K; see :func:`need_tiers`
    :param lane_cost: (n, n) money for one unit of weight from the row's place to the column's; inf where there is no lane
    :param weight: (P,) weight of a pack
    :param allowed: bool, to be broadcast to (P, n, n): territory, price zone, age and shelf life let the row's goods go to the column
    :param relief: (n, P) money that a giver saves with each pack that leaves (capital, space, ageing)
    :param least_weight: (n, n) weight that a transfer of a product has at least; packs where no weight is given
    :param handling: money that each transfer costs whatever its size
    :param plant_cost: (n, P) money to supply a pack from the plant instead; inf where it does not
    :param plant_stock: (P,) packs that the plant has
    :param shelf: Shelf of the goods that expire; None: nothing does
    :param lane_days: (n, n) days on the lane; sale_days: (n, P) days until the place has sold what it may get: so long goods have to keep
    :param gap: share of a product's gain that may be given away for speed where lots or handling make the search long
    :raise ValueError: where gains rise from one tier to the next, or packs are not whole
    :return: Plan, transfers ordered by product, giver and taker
    """
    surplus, size, gain = np.asarray(surplus), np.asarray(size), np.asarray(gain, float)
    n, count = surplus.shape
    _check(surplus, size, gain)
    weight, plant_stock = (
        np.broadcast_to(np.asarray(value, float), count) for value in (weight, plant_stock)
    )
    relief, plant_cost = (
        np.broadcast_to(np.asarray(value, float), (n, count)) for value in (relief, plant_cost)
    )
    allowed = np.broadcast_to(np.asarray(allowed, bool), (count, n, n))
    least_weight, lane_days = (
        np.broadcast_to(np.asarray(value, float), (n, n)) for value in (least_weight, lane_days)
    )
    sale_days = np.broadcast_to(np.asarray(sale_days, float), (n, count))
    lane_cost = np.asarray(lane_cost, float)
    levels = _levels(shelf, n)
    moves, plant = [], np.zeros((n, count), np.int64)
    total = bound = without = 0.0
    for p in range(count):
        takers = np.flatnonzero((surplus[:, p] < 1) & ((size[:, p] > 0) & (gain[:, p] > TINY)).any(1))
        givers = np.flatnonzero(surplus[:, p] >= 1)
        if not len(takers) or not (len(givers) or plant_stock[p]):
            continue
        lanes = np.ix_(givers, takers)
        limits, lasting = _limits(levels.get(p), givers, lane_days[lanes] + sale_days[takers, p])
        problem = _Product(
            givers=givers,
            takers=takers,
            supply=surplus[givers, p].astype(float),
            size=size[takers, p].astype(float),
            gain=gain[takers, p],
            cost=np.where(
                allowed[p][lanes] & lasting,
                lane_cost[lanes] * weight[p] - relief[givers, p][:, None],
                np.inf,
            ),
            plant_cost=plant_cost[takers, p],
            plant_stock=plant_stock[p],
            lot=np.maximum(np.ceil(least_weight[lanes] / weight[p] - 1e-9), 1.0),
            handling=float(handling),
            limit_giver=limits[0],
            limit_taker=limits[1],
            limit_packs=limits[2],
        )
        packs, supplied, most = _solve(problem, gap)
        bound += most
        plant[takers, p] = supplied
        gross, value = _value(problem, packs, supplied)
        total += value
        without += _worth_of_plant(problem)
        received = packs.sum(0) + supplied
        for i, j in np.argwhere(packs):
            earned = gross[j] * packs[i, j] / received[j]
            spent = problem.cost[i, j] * packs[i, j] + problem.handling
            moves.append((givers[i], takers[j], p, packs[i, j], earned, earned - spent))
    columns = zip(*moves, strict=True) if moves else ([],) * 6
    giver, taker, product, packs, earned, net = (np.array(column) for column in columns)
    ints = (column.astype(np.int64) for column in (giver, taker, product, packs))
    return Plan(
        *ints, earned.astype(float), net.astype(float), plant, float(total), float(bound), float(without)
    )


def _levels(shelf, n):
    """The rows of a shelf by product -> {product: (place, days, packs)}, by place and rising days."""
    if shelf is None or not len(shelf.place):
        return {}
    order = np.lexsort((-np.asarray(shelf.packs), shelf.days, shelf.place, shelf.product))
    place, product, days, packs = (
        np.asarray(column)[order] for column in (shelf.place, shelf.product, shelf.days, shelf.packs)
    )
    if (place >= n).any() or (packs != np.floor(packs)).any() or (packs < 0).any():
        raise ValueError("a shelf holds whole packs of places that there are")
    numbers, starts = np.unique(product, return_index=True)
    ends = np.append(starts[1:], len(product))
    return {
        number: (place[begin:end], days[begin:end], packs[begin:end])
        for number, begin, end in zip(numbers.tolist(), starts, ends, strict=True)
    }


def _limits(levels, givers, needed):
    """What keeps long enough for whom.

    A row of the shelf says how many packs keep for so many days; it limits all takers who need more days than the row before it gives.

    :param levels: rows of :func:`_levels`, or None
    :param needed: (g, t) days
    :return: (giver (E,), takers (E, t), packs (E,)) of the limits, and which arcs are left (g, t)
    """
    lasting = np.ones(needed.shape, bool)
    none = np.zeros(0, np.int64), np.zeros((0, needed.shape[1]), bool), np.zeros(0)
    if levels is None:
        return none, lasting
    place, days, packs = levels
    rows = []
    for i, giver in enumerate(givers.tolist()):
        own = slice(*np.searchsorted(place, [giver, giver + 1]))
        if own.start == own.stop:
            continue
        lasting[i] = needed[i] <= days[own.stop - 1]
        before = -np.inf
        for keeps, most in zip(days[own].tolist(), packs[own].tolist(), strict=True):
            who = (needed[i] > before) & lasting[i]
            if who.any():
                rows.append((i, who, most))
            before = keeps
    if not rows:
        return none, lasting
    giver, who, most = zip(*rows, strict=True)
    return (np.array(giver), np.array(who), np.array(most, float)), lasting


def _check(surplus, size, gain):
    if (surplus != np.floor(surplus)).any() or (size != np.floor(size)).any():
        raise ValueError("surplus and tiers must be whole packs")
    last = np.full(gain.shape[:2], np.inf)
    for k in range(gain.shape[2]):
        used = size[:, :, k] > 0
        if (used & (gain[:, :, k] > last + TINY)).any():
            raise ValueError("a further pack can't earn more than the one before it")
        last = np.where(used, gain[:, :, k], last)


def _solve(problem, gap):
    """The best transfers of one product -> packs (g, t), packs of the plant (t,), what no others can exceed."""
    # an arc that does not pay for the taker's best pack is in no best plan
    rows, columns = np.nonzero(problem.cost < problem.gain.max(1)[None, :] - TINY)
    largest = np.minimum(problem.supply[rows], problem.need[columns])
    # handling spread over the largest transfer that an arc can carry: the answer is a bound for what is possible
    packs, plant, bound, reduced = _linear(problem, rows, columns, problem.handling / np.maximum(largest, 1))
    if not problem.handling and not ((packs > 0) & (packs < problem.lot)).any():
        return packs, plant, bound
    near, value = _possible(problem, packs, plant)
    # an arc whose lot at its reduced cost takes more from the bound than lies between the two is in no better plan
    lot = problem.lot[rows, columns]
    kept = ((reduced * lot <= bound - value + TINY) & (lot <= largest)) | (near[0][rows, columns] > 0)
    if bound - value <= TINY + gap * max(value, 0.0) or kept.sum() > MIXED_ARCS:
        return *near, bound
    if kept.any():
        found, most = _mixed(problem, rows[kept], columns[kept], gap)
    else:
        # only the plant is left, and whole without more ado
        *found, most, _reduced = _linear(problem, rows[kept], columns[kept], np.zeros(0))
    return *max(near, found, key=lambda plan_of: _value(problem, *plan_of)[1]), min(most, bound)


def _possible(problem, packs, plant):
    """A good plan that keeps lots and pays its handling -> (packs (g, t), plant (t,)), value.

    It is the better one of two: the linear plan without what is not possible, or the best arcs one after another; both filled up with what
    then still pays.
    """
    nothing = np.zeros_like(packs), np.zeros_like(plant)
    plans = [_supply(problem, *_fill(problem, *begun)) for begun in (nothing, _repair(problem, packs, plant))]
    values = [_value(problem, *plan)[1] for plan in plans]
    best = int(np.argmax(values))
    return plans[best], values[best]


def _linear(problem, rows, columns, handling):
    """The linear programme over the arcs (rows, columns), by column generation.

    :param handling: (a,) share of the handling that each pack of an arc bears
    :return: packs (g, t), plant (t,), value, reduced cost of each arc: what a pack on it takes from the plan's value
    """
    cost = problem.cost[rows, columns] + handling
    sources = _sources(problem, rows, columns)
    chosen = problem.asked[rows, columns] | _cheapest(cost, columns, len(problem.takers))
    while True:
        answer, source_price, taker_price = _solve_linear(
            problem, rows[chosen], columns[chosen], cost[chosen]
        )
        reduced = cost - taker_price[columns] + sources.T @ source_price
        wanted = (reduced < -TINY) & ~chosen
        if not wanted.any():
            break
        chosen |= wanted
    problem.asked[rows[chosen], columns[chosen]] = True
    arcs = int(chosen.sum())
    packs = np.zeros(problem.cost.shape, np.int64)
    packs[rows[chosen], columns[chosen]] = np.rint(answer.x[:arcs])
    plant = np.rint(answer.x[arcs + len(problem.tier_size) :]).astype(np.int64)
    return packs, plant, -answer.fun, reduced


def _cheapest(cost, columns, takers):
    """The first arcs of each taker in order of cost -> bool (a,)."""
    order = np.lexsort((cost, columns))
    starts = np.searchsorted(columns[order], np.arange(takers))
    rank = np.arange(len(order)) - starts[columns[order]]
    chosen = np.zeros(len(cost), bool)
    chosen[order[rank < FIRST_ARCS]] = True
    return chosen


def _solve_linear(problem, rows, columns, cost):
    """Solve over the given arcs -> answer, price of a pack by each giver's supply and each limit (g + E,) and at each taker's (t,)."""
    sources, most_sent, balance, costs, most = _programme(problem, rows, columns, cost)
    # the dual simplex ends in a corner, and every corner of a transportation problem is whole
    answer = linprog(
        costs,
        A_ub=sources,
        b_ub=most_sent,
        A_eq=balance,
        b_eq=np.zeros(balance.shape[0]),
        bounds=np.stack([np.zeros_like(most), most], 1),
        method="highs-ds",
    )
    if answer.status != 0:
        raise ArithmeticError(answer.message)
    return answer, -answer.ineqlin.marginals[:-1], -answer.eqlin.marginals


def _sources(problem, rows, columns):
    """Whose supply each arc uses, and which limits of what keeps hold for it -> csr (g + E, arcs) of ones."""
    g, arc = len(problem.givers), np.arange(len(rows))
    limit, limited = np.nonzero(
        (problem.limit_giver[:, None] == rows[None]) & problem.limit_taker[:, columns]
    )
    line, column = np.concatenate([rows, g + limit]), np.concatenate([arc, limited])
    return csr_array((np.ones(len(line)), (line, column)), shape=(g + len(problem.limit_giver), len(rows)))


def _programme(problem, rows, columns, cost):
    """The linear programme; its columns are arcs, tiers, plant.

    :return: matrix (g + E + 1, columns) of what givers and plant send, and the most they can; matrix (t, columns) of what each taker sells
        less what it gets, which is nothing: no taker gets more than it may need; costs; upper bounds of the columns
    """
    t = len(problem.takers)
    arcs, tiers = len(rows), len(problem.tier_size)
    taker = np.arange(t)
    width = arcs + tiers + t
    sent = _sources(problem, rows, columns).tocoo()
    supplies = sent.shape[0]
    sources = csr_array(
        (
            np.concatenate([sent.data, np.ones(t)]),
            (
                np.concatenate([sent.row, np.full(t, supplies)]),
                np.concatenate([sent.col, arcs + tiers + taker]),
            ),
        ),
        shape=(supplies + 1, width),
    )
    balance = csr_array(
        (
            np.concatenate([-np.ones(arcs), np.ones(tiers), -np.ones(t)]),
            (np.concatenate([columns, problem.tier_taker, taker]), np.arange(width)),
        ),
        shape=(t, width),
    )
    from_plant = np.isfinite(problem.plant_cost)
    costs = np.concatenate([cost, -problem.tier_gain, np.where(from_plant, problem.plant_cost, 0.0)])
    largest = np.minimum(problem.supply[rows], problem.need[columns])
    most = np.concatenate([largest, problem.tier_size, np.where(from_plant, problem.plant_stock, 0.0)])
    most_sent = np.concatenate([problem.supply, problem.limit_packs, [problem.plant_stock]])
    return sources, most_sent, balance, costs, most


def _mixed(problem, rows, columns, gap):
    """The best plan with handling and lots over the arcs (rows, columns) -> (packs (g, t), plant (t,)), bound."""
    sources, most_sent, balance, costs, most = _programme(problem, rows, columns, problem.cost[rows, columns])
    arcs, size = len(rows), len(costs)
    arc, largest, lot = np.arange(arcs), most[:arcs], problem.lot[rows, columns]
    # a used arc carries a lot at least and what giver and taker can at most: lot * y <= x <= largest * y
    link = csr_array(
        (
            np.concatenate([np.ones(arcs), -largest, -np.ones(arcs), lot]),
            (
                np.concatenate([arc, arc, arcs + arc, arcs + arc]),
                np.concatenate([arc, size + arc, arc, size + arc]),
            ),
        ),
        shape=(2 * arcs, size + arcs),
    )
    answer = milp(
        np.concatenate([costs, np.full(arcs, problem.handling)]),
        constraints=[
            LinearConstraint(_widened(sources, arcs), -np.inf, most_sent),
            LinearConstraint(_widened(balance, arcs), 0, 0),
            LinearConstraint(link, -np.inf, 0),
        ],
        integrality=np.concatenate([np.ones(arcs), np.zeros(size - arcs), np.ones(arcs)]),
        bounds=Bounds(0, np.concatenate([most, (largest >= lot).astype(float)])),
        options={"mip_rel_gap": gap},
    )
    if answer.x is None:
        raise ArithmeticError(answer.message)
    found = np.zeros(problem.cost.shape, np.int64)
    found[rows, columns] = np.rint(answer.x[:arcs])
    plant = np.rint(answer.x[size - len(problem.takers) : size]).astype(np.int64)
    return (found, plant), -answer.mip_dual_bound


def _widened(matrix, more):
    """The same matrix with `more` empty columns."""
    return csr_array(
        (matrix.data, matrix.indices, matrix.indptr), shape=(matrix.shape[0], matrix.shape[1] + more)
    )


def _repair(problem, packs, plant):
    """A possible plan near a linear one: transfers below the lot, and those that do not pay their handling, are left out."""
    packs = np.where(packs >= problem.lot, packs, 0)
    while True:
        gross = _value(problem, packs, plant)[0]
        used = packs > 0
        earned = packs * (gross / np.maximum(packs.sum(0) + plant, 1))[None, :]
        spent = np.where(used, np.where(used, problem.cost, 0) * packs + problem.handling, 0)
        loss = np.where(used, spent - earned, -np.inf)
        if not used.any() or loss.max() <= TINY:
            return packs, plant
        packs[np.unravel_index(loss.argmax(), loss.shape)] = 0


def _fill(problem, packs, plant):
    """Send what is left on the arcs where it still pays, the best one first: lots that were left out make room for others."""
    left = problem.supply - packs.sum(1)
    got = packs.sum(0) + plant
    open_limits = problem.limit_packs - np.array(
        [packs[i, who].sum() for i, who in zip(problem.limit_giver, problem.limit_taker, strict=True)]
    )
    before = np.cumsum(problem.size, axis=1) - problem.size
    following = np.where(problem.size > 0, np.clip(before + problem.size - got[:, None], 0, problem.size), 0)
    reachable = np.where(following > 0, problem.gain, 0).max(1)
    room = problem.need - got
    least = np.where(packs > 0, 1, problem.lot)
    spread = np.where(packs > 0, 0, problem.handling / problem.lot)
    score = reachable[None] - np.where(np.isfinite(problem.cost), problem.cost, np.inf) - spread
    rows, columns = np.nonzero((score > TINY) & (left[:, None] >= least) & (room[None] >= least))
    packs = packs.copy()
    order = np.argsort(-score[rows, columns], kind="stable")
    for i, j in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        most = min(left[i], problem.need[j] - got[j])
        own = (problem.limit_giver == i) & problem.limit_taker[:, j]
        if own.any():
            most = min(most, open_limits[own].min())
        if most < least[i, j]:
            continue
        tiers = np.clip(before[j] + problem.size[j] - got[j], 0, problem.size[j])
        tiers = np.where(problem.gain[j] - problem.cost[i, j] > TINY, tiers, 0)
        tiers = np.clip(most - (np.cumsum(tiers) - tiers), 0, tiers)
        amount = tiers.sum()
        earned = (tiers * (problem.gain[j] - problem.cost[i, j])).sum()
        if amount < least[i, j] or earned <= (0 if packs[i, j] else problem.handling) + TINY:
            continue
        packs[i, j] += int(amount)
        left[i] -= amount
        got[j] += amount
        open_limits[own] -= amount
    return packs, plant


def _supply(problem, packs, plant):
    """Let the plant send what it has left where it still earns most."""
    got = packs.sum(0) + plant
    before = np.cumsum(problem.size, axis=1) - problem.size
    tiers = np.clip(before + problem.size - np.maximum(got[:, None], before), 0, problem.size)
    net = np.where(tiers > 0, problem.gain - problem.plant_cost[:, None], -np.inf)
    order = np.argsort(-net, axis=None, kind="stable")
    order = order[net.ravel()[order] > TINY]
    left = problem.plant_stock - plant.sum()
    sizes = tiers.ravel()[order]
    sent = np.zeros(net.size, np.int64)
    sent[order] = np.clip(left - (np.cumsum(sizes) - sizes), 0, sizes)
    return packs, plant + sent.reshape(net.shape).sum(1)


def _value(problem, packs, plant):
    """Gross gain of each taker (t,), and the net gain of all."""
    received = packs.sum(0) + plant
    before = np.cumsum(problem.size, axis=1) - problem.size
    gross = (np.clip(received[:, None] - before, 0, problem.size) * problem.gain).sum(1)
    used, bought = packs > 0, plant > 0
    freight = (problem.cost[used] * packs[used]).sum() + problem.handling * used.sum()
    return gross, float(gross.sum() - freight - (problem.plant_cost[bought] * plant[bought]).sum())


def _worth_of_plant(problem):
    """The greatest gain without transfers: the plant's packs go where they earn most."""
    net = (problem.gain - problem.plant_cost[:, None]).ravel()
    order = np.argsort(-net, kind="stable")
    order = order[net[order] > TINY]
    size = problem.size.ravel()[order]
    taken = np.clip(problem.plant_stock - (np.cumsum(size) - size), 0, size)
    return float((taken * net[order]).sum())
