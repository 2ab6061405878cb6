"""From scans to independent observations.

A scan is no observation by itself: the same item is scanned twice, a buyer scans a whole case, a rival scans what he
bought. So a case counts once in a place, a telephone once for a distributor, place and window, and a day and a network
only so often. What is left is counted by cell: kind of scan, distributor, product, window and place.
"""

from dataclasses import dataclass

import numpy as np

CONSUMER, OUTLET, INSPECTOR = 0, 1, 2
KINDS = 3
# Most that one source may add to one distributor's window in one place.
PER_DEVICE = (1, 3, 20)
PER_NETWORK = (3, 20, 20)
PER_BLOCK = (2, 10, 20)
BLOCK_DAYS = 3.0
# A telephone abroad that scans so many cases of one distributor is no buyer's.
STAGED_CASES = 2
# Units of one case seen by different telephones within so many days speak of a case that was sold there.
CASE_DAYS = 21


@dataclass
class Scans:
    """Arrays of one length; all but ``day`` are whole numbers from 0 on, ``day`` is in days.

    ``place`` is -1 where the place is not known; ``kind`` is CONSUMER, OUTLET or INSPECTOR; ``unit``, ``case``,
    ``device`` and ``network`` are names that only need to differ (a negative ``case`` is none).
    """

    dealer: np.ndarray
    product: np.ndarray
    window: np.ndarray
    place: np.ndarray
    kind: np.ndarray
    day: np.ndarray
    unit: np.ndarray
    case: np.ndarray
    device: np.ndarray
    network: np.ndarray


@dataclass
class Evidence:
    """Counts. ``total`` is (kinds, dealers, products, windows), home included; the cells abroad are arrays of one length.

    ``split`` is the number of consumers' cases of which several units were found by different telephones. The ``seen_``
    arrays have one entry for each observation abroad: its cell, and the row of ``scans`` that it came from.
    """

    total: np.ndarray
    dealer: np.ndarray
    product: np.ndarray
    window: np.ndarray
    place: np.ndarray
    count: np.ndarray  # (cells, kinds)
    split: np.ndarray
    seen_cell: np.ndarray
    seen_row: np.ndarray
    home_split: float  # share of the cases found at home, of which several units were found


def group(*columns):
    """Number the different combinations of the columns: (number of each row, first row of each combination)."""
    order = np.lexsort(columns[::-1])
    changed = np.zeros(len(order), bool)
    changed[:1] = True
    for column in columns:
        ordered = column[order]
        changed[1:] |= ordered[1:] != ordered[:-1]
    number = np.empty(len(order), np.int64)
    number[order] = np.cumsum(changed) - 1
    return number, order[changed]


def _first(*columns):
    """Rows that are the first of their combination, in the order of the rows."""
    return np.sort(group(*columns)[1])


def _within(limit, *columns):
    """Rows that are among the first ``limit`` (one for each row) of their combination."""
    number, _first_rows = group(*columns)
    order = np.argsort(number, kind="stable")
    ordered = number[order]
    starts = np.searchsorted(ordered, ordered)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order)) - starts
    return rank < limit


def gather(scans, shape, is_home):
    """Thin the scans out to independent observations and count them.

    :param Scans scans: in any order
    :param shape: (dealers, products, windows)
    :param is_home: bool (dealers, places): the places that a distributor is authorised for
    :rtype: Evidence
    """
    keep = np.flatnonzero(scans.place >= 0)
    keep = keep[np.argsort(scans.day[keep], kind="stable")]
    columns = {name: getattr(scans, name)[keep] for name in Scans.__dataclass_fields__}
    columns["row"] = keep
    columns["block"] = np.floor(columns["day"] / BLOCK_DAYS).astype(np.int64)
    # A code without a case is a case of its own.
    columns["case"] = np.where(columns["case"] < 0, -1 - columns["unit"], columns["case"])

    def keep_rows(rows):
        for name in columns:
            columns[name] = columns[name][rows]

    keep_rows(np.flatnonzero(~_is_staged(columns, is_home)))
    split, home_split = _count_split(columns, is_home)
    where = ("kind", "dealer", "window", "place")
    keep_rows(_first(*(columns[name] for name in (*where, "product", "case"))))
    limits = np.array([PER_DEVICE, PER_NETWORK, PER_BLOCK])
    # At home nothing is accused, and a town's telephones may scan as they like.
    home = is_home[columns["dealer"], columns["place"]]
    for limit, names in zip(
        limits, ((*where, "device"), (*where, "network"), (*where, "block")), strict=True
    ):
        rows = _within(limit[columns["kind"]], *(columns[name] for name in names)) | home
        keep_rows(np.flatnonzero(rows))
        home = home[rows]

    total = np.zeros((KINDS, *shape))
    np.add.at(total, (columns["kind"], columns["dealer"], columns["product"], columns["window"]), 1)
    keep_rows(np.flatnonzero(~home))
    names = ("dealer", "product", "window", "place")
    cell, first = group(*(columns[name] for name in names))
    cells = len(first)
    count = np.zeros((cells, KINDS))
    np.add.at(count, (cell, columns["kind"]), 1)
    return Evidence(
        total,
        *(columns[name][first] for name in names),
        count,
        split=_look_up(split, [columns[name][first] for name in names]),
        seen_cell=cell,
        seen_row=columns["row"],
        home_split=home_split,
    )


def _is_staged(columns, is_home):
    """Consumers' scans by a telephone that scanned several cases of one distributor in one place abroad.

    A buyer takes what is on the shelf, a unit or some of one case; who scans unit after unit of many cases brought them.
    """
    names = ("dealer", "window", "place", "device")
    number, first = group(*(columns[name] for name in names))
    cases = count_different(number, columns["case"], len(first))[number]
    abroad = ~is_home[columns["dealer"], columns["place"]]
    return abroad & (columns["kind"] == CONSUMER) & (cases >= STAGED_CASES)


def count_different(cell, values, cells):
    _number, first = group(cell, values)
    return np.bincount(cell[first], minlength=cells)


def _count_split(columns, is_home):
    """Consumers' cases with several units in one place, by cell; and the share of such cases at home."""
    rows = np.flatnonzero(columns["kind"] == CONSUMER)
    names = ("dealer", "product", "window", "place", "case")
    by_name = {name: columns[name][rows] for name in (*names, "unit", "device", "day")}
    case, first = group(*(by_name[name] for name in names))
    if not len(first):
        return [np.empty(0, np.int64)] * 4, 0.0
    near = by_name["day"] - by_name["day"][first][case] <= CASE_DAYS
    units = count_different(case[near], by_name["unit"][near], len(first))
    devices = count_different(case[near], by_name["device"][near], len(first))
    several = (units > 1) & (devices > 1)
    home = is_home[by_name["dealer"][first], by_name["place"][first]]
    share = float((several[home].sum() + 0.5) / (home.sum() + 1))
    chosen = first[several & ~home]
    return [by_name[name][chosen] for name in names[:4]], share


def _look_up(rows, wanted):
    """How many of ``rows`` (columns) have each combination of ``wanted`` (columns)."""
    count = len(wanted[0])
    number, _first_rows = group(*(np.concatenate(pair) for pair in zip(wanted, rows, strict=True)))
    size = number.max() + 1 if len(number) else 0
    return np.bincount(number[count:], minlength=size)[number[:count]]
