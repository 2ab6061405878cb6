"""Real sales in ../shared/data beside the checkout, and how far forecasts of them were off. Nothing of them is in this repository."""

import csv
import gzip
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(os.environ["DMS_CHECKOUT"]).parent / "shared" / "data" / "forecast"
HORIZON, SEASON, ORIGINS = 28, 7, 3
QUANTILES = (0.005, 0.025, 0.165, 0.25, 0.5, 0.75, 0.835, 0.975, 0.995)


@dataclass
class Sales:
    """keys: [str] (n,); demand, revenue: (n, T); kinds: int (T,), special days, 0 elsewhere; families {kind: family}"""

    keys: list
    demand: np.ndarray
    revenue: np.ndarray
    kinds: np.ndarray
    families: dict

    def aside(self):
        """The third of the series, by a hash of their key, that nothing was tuned on -> bool (n,)."""
        return np.array([zlib.crc32(key.encode()) % 3 == 0 for key in self.keys])

    def partakes(self, cut):
        """Who can be forecast at day `cut`: 20 selling days, eight weeks old, sold in the last 90 days -> bool (n,), first sale (n,)."""
        sold = self.demand[:, :cut] > 0
        first = np.where(sold.any(1), sold.argmax(1), cut)
        return (sold.sum(1) >= 20) & (cut - first >= 8 * SEASON) & sold[:, -90:].any(1), first


def available():
    """Loaders of the sales that are there by title; says so where there are none."""
    if not ROOT.exists():
        print("  Not measured on real sales: there are none in ../shared/data/forecast beside the checkout.")
        return {}
    return {"wholesaler's products": wholesaler, "Chinese outlets": outlets}


def rows(path):
    with gzip.open(ROOT / path, "rt", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def table(records, last):
    """[(key, date, quantity, revenue)] -> keys, demand, revenue (n, T), first day; days without a record are 0."""
    keys = sorted({record[0] for record in records})
    row = {key: number for number, key in enumerate(keys)}
    days = np.array([record[1] for record in records], "datetime64[D]")
    first = days.min()
    width = (np.datetime64(last) - first).astype(int) + 1
    demand, revenue = np.zeros((2, len(keys), width))
    at = np.array([row[record[0]] for record in records]), (days - first).astype(int)
    np.add.at(demand, at, [record[2] for record in records])
    np.add.at(revenue, at, [record[3] for record in records])
    return keys, demand, revenue, first


def wholesaler():
    """A British wholesaler's products: sparse, resellers order in lots."""
    records = [
        (row["product"], row["date"], float(row["qty"]), float(row["revenue"]))
        for row in rows("uci_online_retail/sales.csv.gz")
    ]
    keys, demand, revenue, _first = table(records, "2011-12-09")
    return Sales(keys, demand, revenue, np.zeros(demand.shape[1], int), {})


def outlets():
    """Chinese outlets, with the State Council's holidays and make-up workdays."""
    records = [
        (row["outlet"], row["date"], float(row["qty"]), float(row["qty"]))
        for row in rows("koubei/sales.csv.gz")
    ]
    keys, demand, revenue, first = table(records, "2016-10-31")
    kinds, families, feasts, before = np.zeros(demand.shape[1], int), {}, {}, None
    run = 0
    for row in rows("koubei/calendar.csv.gz"):
        day, feast = (np.datetime64(row["date"]) - first).astype(int), row["holiday"]
        run = run + 1 if feast and feast == before else 1
        before = feast
        if 0 <= day < len(kinds) and (feast or row["makeup_workday"] == "1"):
            kinds[day] = 100 * feasts.setdefault(feast, len(feasts) + 1) + run if feast else 1
            families[int(kinds[day])] = 1 if feast else 2
    return Sales(keys, demand, revenue, kinds, families)


def origins(sales, pick):
    """The last three horizons of some series -> [(history (n, T), actual (n, H), first sale (n,), weight (n,), cut)].

    The weight is the revenue of four weeks.
    """
    out = []
    for number in range(1, ORIGINS + 1):
        cut = sales.demand.shape[1] - HORIZON * number
        able, first = sales.partakes(cut)
        fit = pick & able
        weight = sales.revenue[fit, cut - 28 : cut].sum(1) + 1e-9
        out.append((sales.demand[fit, :cut], sales.demand[fit, cut : cut + HORIZON], first[fit], weight, cut))
    return out


def figures(history, actual, first, weight, point, bands):
    """-> [WRMSSE, WRMSSE of the total and the series, WAPE of horizon totals, pinball loss over naive error, cover of the 95 % band].

    RMSSE is the root mean square error over that of the last day's demand as a forecast (Makridakis, Spiliotis and Assimakopoulos 2022,
    doi:10.1016/j.ijforecast.2021.11.013).
    """
    step = np.diff(history, axis=1) * (np.arange(1, history.shape[1]) > first[:, None])
    count = np.maximum(history.shape[1] - first - 1, 1)
    rms, mae = np.sqrt((step**2).sum(1) / count), np.abs(step).sum(1) / count
    rmsse = np.sqrt(((actual - point) ** 2).mean(1)) / rms
    total = np.diff(history.sum(0)[first.min() :])
    top = np.sqrt(((actual.sum(0) - point.sum(0)) ** 2).mean() / (total**2).mean())
    bottom = (weight * rmsse).sum() / weight.sum()
    wape = np.abs((actual - point).sum(1)).sum() / actual.sum()
    if bands is None:
        return [bottom, (top + bottom) / 2, wape, np.nan, np.nan]
    q, gap = np.array(QUANTILES)[:, None, None], actual - bands
    loss = (np.maximum(q * gap, (q - 1) * gap).mean((0, 2)) / mae).mean()
    return [bottom, (top + bottom) / 2, wape, loss, ((gap[1] >= 0) & (gap[-2] <= 0)).mean()]
