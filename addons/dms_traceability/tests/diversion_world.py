"""A make-believe country to judge diversion detection by. It shares no code with the detector and knows nothing of it.

What it assumes (all figures are fields of :class:`Country`):

* Cities lie on a plane of 1,200 km a side; their sizes follow a lognormal law. Each distributor ("dealer") has its seat in
  a city and the cities nearest to it as its territory; no two territories overlap. One city in twenty is a hub of travel.
* A dealer gets a shipment of every product every month: in the median 1,500 units a month, in cases of 12, spread
  lognormally over dealers (sigma 0.5) and by a fifth from month to month. Honest volumes wander and follow population loosely.
* Honest goods travel. The share of a dealer's units that is opened outside its territory is logit-normal around 7 % (so
  from 2 % to 20 %), higher for products that are given away, and 1.8 times as high in the month of the spring festival. Part
  of it crosses the border into the next city; the rest goes by gravity (size over distance) to other cities, ten times as
  often to hubs; and every dealer has corridors of its own, such as where its migrant workers live (lognormal, sigma 0.9).
  Some cases travel whole, as gifts or to a banquet (0.6 %, three times that in the festival month).
* Diverters are 8 % of dealers, each active in 70 % of months. An active one diverts the stated share of its volume
  (within a third), whole cases, of one product or of all, over a few weeks. Half send them to one or two cities far away, a
  fifth to a city next door, and the adversaries among them: a tenth spread them thinly over five to eight cities, a tenth
  hide in the biggest hubs, a tenth scrape the labels off half the units.
* Rivals frame honest dealers in 3 % of clean dealer-months: they buy 10 to 40 units at retail in the dealer's own territory
  and scan them in a city abroad, with one to four telephones, within two days (``stuffing_devices`` makes them better equipped).
* A unit is scanned with the stated probability (varied by a fifth by dealer), 20 days after shipping on average, a fourth
  of them twice. Nine scans in ten are consumers'; outlets scan where they sell, inspectors in the cities of their round.
  5 % of scans tell no place, 3 % are put into the nearest hub by mistake, 0.5 % anywhere (a spoofed or private network).
* A buyer may take several units of one case and scans them with one telephone; telephones of a town share networks.

What is true is returned beside what is seen: :class:`World` has both.
"""

from dataclasses import dataclass, field

import numpy as np

CONSUMER, OUTLET, INSPECTOR = 0, 1, 2


@dataclass
class Country:
    """What a world is drawn from. Shares are of 1, distances km, times days."""

    dealers: int = 200
    cities: int = 320
    products: int = 3
    months: int = 6
    scan_rate: float = 0.10
    diverted_share: float = 0.15
    diverters: float = 0.08
    active: float = 0.7
    volume: float = 1500.0
    case: int = 12
    travel: float = 0.07
    festival_month: int = 2
    festival: float = 1.8
    gift_cases: float = 0.006
    corridors: float = 0.9
    stuffed: float = 0.03
    stuffing_devices: tuple = (1, 4)
    stuffing_days: float = 2.0
    unplaced: float = 0.05
    to_hub: float = 0.03
    anywhere: float = 0.005


@dataclass
class World:
    """Scans (arrays of one length), shipments, the map, and the truth.

    ``city`` is -1 where a scan tells no place; ``day`` counts from the first day of the first month.
    """

    country: Country
    position: np.ndarray  # (cities, 2) km
    home: np.ndarray  # (cities,) dealer that the city belongs to
    population: np.ndarray  # (dealers,)
    shipped: np.ndarray  # (dealers, products, months) units
    dealer: np.ndarray
    product: np.ndarray
    month: np.ndarray
    city: np.ndarray
    kind: np.ndarray
    day: np.ndarray
    unit: np.ndarray
    case: np.ndarray
    device: np.ndarray
    network: np.ndarray
    diverting: np.ndarray  # (dealers, months) bool: the truth
    framed: np.ndarray  # (dealers, months) bool: rivals stuffed scans
    strategy: list = field(default_factory=list)  # of each dealer, or None


class _Map:
    def __init__(self, country, dice):
        count = country.cities
        self.position = dice.uniform(0, 1200, (count, 2))
        self.size = dice.lognormal(0, 1.0, count)
        self.distance = np.hypot(*(self.position[:, None] - self.position[None]).transpose(2, 0, 1))
        seats = dice.choice(count, country.dealers, replace=False)
        self.home = np.argmin(self.distance[:, seats], axis=1)
        self.home[seats] = np.arange(country.dealers)
        self.seats = seats
        self.hubs = np.argsort(-self.size * dice.lognormal(0, 0.3, count))[: max(count // 20, 1)]
        pull = self.size**0.8
        pull[self.hubs] *= 10
        self.pull = pull
        self.nearest_hub = self.hubs[np.argmin(self.distance[:, self.hubs], axis=1)]
        self.population = np.bincount(self.home, self.size, country.dealers)


def _choose(dice, weights, count):
    """``count`` draws of an index, by weight."""
    edges = np.cumsum(weights)
    return np.searchsorted(edges, dice.uniform(0, edges[-1], count), side="right").clip(0, len(weights) - 1)


def _plan_diverters(country, chart, dice):
    """Who diverts when, how, which products, and where to."""
    diverting = np.zeros((country.dealers, country.months), bool)
    strategies, targets, goods = [None] * country.dealers, {}, {}
    for dealer in np.flatnonzero(dice.random(country.dealers) < country.diverters):
        diverting[dealer] = dice.random(country.months) < country.active
        style = dice.choice(["far", "near", "spread", "hub", "scrape"], p=[0.5, 0.2, 0.1, 0.1, 0.1])
        strategies[dealer] = str(style)
        away = chart.home != dealer
        distance = chart.distance[chart.seats[dealer]]
        far = np.flatnonzero(away & (distance > 150))
        if style == "near":
            abroad = np.flatnonzero(away)
            chosen = abroad[np.argsort(distance[abroad])[:4]][dice.integers(4)][None]
        elif style == "spread":
            chosen = dice.choice(far, dice.integers(5, 9), replace=False)
        elif style == "hub":
            hubs = chart.hubs[chart.home[chart.hubs] != dealer]
            chosen = hubs[:4][dice.integers(min(len(hubs), 4))][None]
        else:
            chosen = dice.choice(far, dice.integers(1, 3), replace=False)
        targets[dealer] = chosen
        goods[dealer] = (
            np.arange(country.products) if dice.random() < 0.5 else dice.integers(country.products)[None]
        )
    return diverting, strategies, targets, goods


def _travel_shares(country, chart, dice):
    """Share of a dealer's product that is opened elsewhere, by month, and where to: (D, P, M) and (D, C)."""
    level = np.log(country.travel / (1 - country.travel)) + dice.normal(0, 0.6, country.dealers)
    gifts = np.exp(dice.normal(0, 0.3, country.products))
    share = (1 / (1 + np.exp(-level)))[:, None, None] * gifts[None, :, None]
    season = np.exp(dice.normal(0, 0.12, (country.dealers, country.products, country.months)))
    season[:, :, country.festival_month % country.months] *= country.festival
    gravity = chart.pull[None] / (60 + chart.distance[chart.seats]) ** 1.3
    gravity *= dice.lognormal(0, country.corridors, gravity.shape)
    gravity[chart.home[None] == np.arange(country.dealers)[:, None]] = 0
    return np.clip(share * season, 0, 0.6), gravity / gravity.sum(1, keepdims=True)


def _ship(country, chart, diverting, dice):
    base = country.volume * dice.lognormal(0, 0.35, country.dealers)
    base *= (chart.population / np.median(chart.population)) ** 0.3
    mix = dice.dirichlet(np.full(country.products, 6.0), country.dealers)
    wander = np.exp(dice.normal(0, 0.2, (country.dealers, country.products, country.months)))
    cases = np.rint(base[:, None, None] * mix[:, :, None] * wander / country.case).astype(int)
    cases = np.maximum(cases, 1)
    # What is diverted is bought on top, in the main.
    extra = 1 + 0.7 * country.diverted_share * diverting[:, None, :]
    return np.rint(cases * extra).astype(int)


def draw(seed, country=None):
    """Draw a world.

    :param int seed: the same seed and country give the same world
    :rtype: World
    """
    country = country or Country()
    dice = np.random.default_rng(seed)
    chart = _Map(country, dice)
    diverting, strategies, targets, goods = _plan_diverters(country, chart, dice)
    share, gravity = _travel_shares(country, chart, dice)
    cases = _ship(country, chart, diverting, dice)
    gravity_edges = np.cumsum(gravity, axis=1)

    # One row for each case: whose it is, and the city whose outlet sells it.
    index = np.repeat(np.arange(cases.size), cases.ravel())
    dealer, product, month = np.unravel_index(index, cases.shape)
    count = len(dealer)
    outlet = np.empty(count, int)
    for number in range(country.dealers):
        mine = np.flatnonzero(dealer == number)
        own = np.flatnonzero(chart.home == number)
        outlet[mine] = own[_choose(dice, chart.size[own], len(mine))]
    sold_on = month * 30 + dice.uniform(0, 10, count) + dice.gamma(2, 5, count)
    diverted = np.zeros(count, bool)
    for number, cities in targets.items():
        for when in np.flatnonzero(diverting[number]):
            of_month = (dealer == number) & (month == when)
            mine = np.flatnonzero(of_month & np.isin(product, goods[number]))
            wanted = country.diverted_share * dice.uniform(0.67, 1.33) * of_month.sum()
            taken = dice.permutation(mine)[: max(round(wanted), 1)]
            diverted[taken] = True
            outlet[taken] = cities[dice.integers(len(cities), size=len(taken))]
            sold_on[taken] = when * 30 + dice.uniform(3, 28, len(taken))
    gift_rate = np.where(
        month == country.festival_month % country.months, 3 * country.gift_cases, country.gift_cases
    )
    gift = ~diverted & (dice.random(count) < gift_rate)

    # One row for each unit.
    unit_case = np.repeat(np.arange(count), country.case)
    units = len(unit_case)
    d = dealer[unit_case]
    where = outlet[unit_case].copy()
    whole = np.flatnonzero(gift)
    goal = np.array([np.searchsorted(gravity_edges[dealer[c]], dice.random()) for c in whole], int)
    if len(whole):
        place = np.full(count, -1)
        place[whole] = goal.clip(0, country.cities - 1)
        where = np.where(gift[unit_case], place[unit_case], where)
    wander = dice.random(units) < share[d, product[unit_case], month[unit_case]]
    wander &= ~gift[unit_case]
    border = wander & (dice.random(units) < 0.35)
    near = np.flatnonzero(border)
    near = near[np.argsort(where[near], kind="stable")]
    bounds = np.searchsorted(where[near], np.arange(country.cities + 1))
    for city in range(country.cities):
        rows = near[bounds[city] : bounds[city + 1]]
        weights = chart.size / (15 + chart.distance[city]) ** 3
        weights[city] = 0
        where[rows] = _choose(dice, weights, len(rows))
    away = np.flatnonzero(wander & ~border)
    order = np.argsort(d[away], kind="stable")
    away = away[order]
    starts = np.searchsorted(d[away], np.arange(country.dealers + 1))
    for number in range(country.dealers):
        rows = away[starts[number] : starts[number + 1]]
        where[rows] = np.searchsorted(gravity_edges[number], dice.random(len(rows))).clip(
            0, country.cities - 1
        )

    # Who scans.
    eager = country.scan_rate * np.exp(dice.normal(0, 0.2, country.dealers))
    scanned = dice.random(units) < eager[d]
    for number, style in enumerate(strategies):
        if style == "scrape":
            scanned &= ~((d == number) & diverted[unit_case] & (dice.random(units) < 0.5))
    rows = np.flatnonzero(scanned)
    rows = np.concatenate([rows, rows[dice.random(len(rows)) < 0.25]])
    kind = dice.choice([CONSUMER, OUTLET, INSPECTOR], len(rows), p=[0.9, 0.09, 0.01])
    # Outlets and inspectors scan on the shelf: where the case was sold. A case given away came from a shelf at home.
    on_shelf = kind != CONSUMER
    shelf = outlet[unit_case[rows]]
    slip = dice.random(len(rows)) < 0.002
    shelf = np.where(slip, dice.integers(country.cities, size=len(rows)), shelf)
    city = np.where(on_shelf, shelf, where[rows])
    day = sold_on[unit_case[rows]] + np.where(on_shelf, dice.uniform(0, 3, len(rows)), 0)
    day = day + np.where(on_shelf, 0, dice.exponential(9, len(rows)))
    # A buyer takes one to six units of a case.
    buyer = (
        unit_case[rows] * 16
        + (rows % country.case) // dice.choice([1, 1, 1, 2, 3, 6], count)[unit_case[rows]]
    )
    device = np.where(on_shelf, -1 - (kind * country.cities + city), buyer)
    towns = np.maximum((chart.size * 30).astype(int), 6)
    network = city * 10_000 + dice.integers(0, 1 << 30, len(rows)) % towns[city]

    fate = dice.random(len(rows))
    consumer = ~on_shelf
    city = np.where(consumer & (fate < country.to_hub), chart.nearest_hub[city], city)
    lost = consumer & (fate >= country.to_hub) & (fate < country.to_hub + country.anywhere)
    city = np.where(lost, dice.integers(country.cities, size=len(rows)), city)
    city = np.where(consumer & (fate > 1 - country.unplaced), -1, city)
    columns = {
        "dealer": d[rows],
        "product": product[unit_case[rows]],
        "month": month[unit_case[rows]],
        "city": city,
        "kind": kind,
        "day": day,
        "unit": rows,
        "case": unit_case[rows],
        "device": device,
        "network": network,
    }
    framed, stuffed = _frame(country, chart, diverting, dealer, month, product, gift | diverted, dice)
    if stuffed:
        columns = {name: np.concatenate([columns[name], stuffed[name]]) for name in columns}
    return World(
        country,
        chart.position,
        chart.home,
        chart.population,
        cases * country.case,
        **columns,
        diverting=diverting,
        framed=framed,
        strategy=strategies,
    )


def _frame(country, chart, diverting, dealer, month, product, gone, dice):
    """Rivals scan units, bought in the victim's territory, in a city abroad."""
    framed = ~diverting & (dice.random(diverting.shape) < country.stuffed)
    parts = []
    for number, (victim, when) in enumerate(np.argwhere(framed)):
        stock = np.flatnonzero((dealer == victim) & (month == when) & ~gone)
        bought = dice.integers(10, 41)
        cases = dice.choice(stock, min(bought, len(stock)), replace=False)
        city = dice.choice(np.flatnonzero(chart.home != victim))
        low, high = country.stuffing_devices
        phones = dice.integers(low, high + 1)
        which = dice.integers(phones, size=len(cases))
        start = when * 30 + dice.uniform(15, 35)
        parts.append(
            {
                "dealer": np.full(len(cases), victim),
                "product": product[cases],
                "month": np.full(len(cases), when),
                "city": np.full(len(cases), city),
                "kind": np.full(len(cases), CONSUMER),
                "day": start + dice.uniform(0, country.stuffing_days, len(cases)),
                "unit": cases * country.case + dice.integers(country.case, size=len(cases)),
                "case": cases,
                "device": -1_000_000 - number * 1000 - which,
                "network": city * 10_000 + 9_000 + which // 2,
            }
        )
    return framed, parts and {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
