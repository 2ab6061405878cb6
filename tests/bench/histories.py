"""Real daily histories beside the checkout, as matrices; whoever has none is told so and measures the rest."""

import csv
import gzip
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FOLDER = Path(os.environ["DMS_CHECKOUT"]).parent / "shared" / "data" / "forecast"


@dataclass
class History:
    """Demand of n series on T days, from each one's first sale on."""

    keys: list
    demand: np.ndarray  # (n, T) units
    days: np.ndarray  # (T,) datetime64[D]
    price: np.ndarray  # (n,) money a unit, 1 where none is known

    def before(self, cut, least=20, weeks=8, alive=90):
        """Rows of the series that can be forecast at day `cut`: sold on `least` days, for `weeks`, and in the last `alive` days."""
        sold = self.demand[:, :cut] > 0
        first = np.where(sold.any(1), sold.argmax(1), cut)
        ok = (sold.sum(1) >= least) & (cut - first >= 7 * weeks) & sold[:, max(0, cut - alive) :].any(1)
        return np.flatnonzero(ok)

    def mask(self, cut, rows):
        """False before a series' first sale -> (rows, cut)."""
        sold = self.demand[rows, :cut] > 0
        return np.arange(cut)[None, :] >= sold.argmax(1)[:, None]


def available():
    """Names of the histories that are there, and a sentence where there are none."""
    if not FOLDER.exists():
        print(
            f"  No real histories beside the checkout (looked for {FOLDER.name} in ../shared/data): left out."
        )
        return []
    return ["uci_online_retail", "koubei"]


def load(name):
    """Units a day of each product (uci_online_retail) or outlet (koubei)."""
    key = "product" if name == "uci_online_retail" else "outlet"
    with gzip.open(FOLDER / name / "sales.csv.gz", "rt", encoding="utf-8") as file:
        rows = [
            (row[key], row["date"], float(row["qty"]), float(row.get("revenue") or 0))
            for row in csv.DictReader(file)
        ]
    keys = sorted({row[0] for row in rows})
    number = {name: place for place, name in enumerate(keys)}
    days = np.array([row[1] for row in rows], "datetime64[D]")
    series, quantity = np.array([number[row[0]] for row in rows]), np.array([row[2] for row in rows])
    span = np.arange(days.min(), days.max() + 1)
    demand = np.zeros((len(keys), len(span)))
    np.add.at(demand, (series, (days - span[0]).astype(int)), quantity)
    revenue = np.bincount(series, [row[3] for row in rows], len(keys))
    price = np.where(revenue > 0, revenue / np.maximum(demand.sum(1), 1e-9), 1.0)
    return History(keys, demand, span, price)
