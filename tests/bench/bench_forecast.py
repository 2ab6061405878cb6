"""The forecast engine: speed and memory on made-up sales, accuracy on real ones, beside the mean of 30 days and exponential smoothing."""

import os
import sys

import numpy as np
from scipy.signal import lfilter

sys.path.insert(0, os.path.join(os.environ["DMS_CHECKOUT"], "tests", "bench"))

import forecast_data as real
from measure import measure, table

from odoo.addons.dms_forecast.tools import forecast as engine

DAYS, HORIZON, WEEKS = 730, 28, 8
SIZES = (2_000, 8_000)
SMOOTHING = 0.1


def sales(count):
    """(count, DAYS) units: levels from a few a month to dozens a day, weekdays, growth, noise, days without any."""
    dice = np.random.default_rng(7)
    days = np.arange(DAYS)
    level = np.exp(dice.normal(0.5, 1.3, (count, 1)))
    week = np.exp(dice.normal(0, 0.3, (count, 7)))[:, days % 7]
    growth = np.exp(dice.normal(0, 0.0008, (count, 1)) * days)
    return dice.poisson(dice.gamma(2.0, level * week * growth / 2.0)).astype(np.float32)


def weekday_means(history):
    weeks = history[:, -7 * WEEKS :].reshape(len(history), WEEKS, 7).mean(axis=1)
    return np.tile(weeks, HORIZON // 7)


def flat(level):
    return np.repeat(level[:, None], HORIZON, axis=1)


def mean_30(history, _first, _calendar):
    """What Odoo's sales figures of the last month say."""
    return flat(history[:, -30:].mean(1)), None


def smoothed(history, _first, _calendar):
    """Simple exponential smoothing (Brown 1956), the textbook's."""
    start = history[:, :28].mean(1, keepdims=True)
    level, _state = lfilter([SMOOTHING], [1, SMOOTHING - 1], history, axis=1, zi=(1 - SMOOTHING) * start)
    return flat(level[:, -1]), None


def ours(history, first, calendar):
    mask = np.arange(history.shape[1])[None] >= first[:, None]
    return engine.bench(history, mask, None, HORIZON, 7, real.QUANTILES, None, calendar)


def ours_without_calendar(history, first, _calendar):
    return ours(history, first, None)


METHODS = {
    "mean of 30 days": mean_30,
    "exponential smoothing": smoothed,
    "DMS": ours,
    "DMS, without a calendar": ours_without_calendar,
}


def speed():
    baseline, runs = [], []
    weekday_means(sales(50))
    engine.forecast(sales(50), horizon=HORIZON)  # imports are not the engine's
    for count in SIZES:
        history = sales(count)
        baseline.append(
            measure("numpy: weekday means of eight weeks", count, lambda h=history: weekday_means(h))
        )
        runs.append(
            measure(
                "DMS: engine, with quantiles and backtests",
                count,
                lambda h=history: engine.forecast(h, horizon=HORIZON),
            )
        )
    table("series", baseline, runs)


def accuracy():
    names = ("WRMSSE", "-h", "WAPE28", "SPL", "COV95")
    for title, load in real.available().items():
        data = load()
        aside = data.aside()
        print(f"  {title}, {HORIZON} days, mean of {real.ORIGINS} origins: " + " ".join(names))
        for part, pick in (("tuned on", ~aside), ("kept aside", aside), ("all", aside | True)):
            for label, method in METHODS.items():
                if label.endswith("calendar") and not data.kinds.any():
                    continue
                found = []
                for history, actual, first, weight, cut in real.origins(data, pick):
                    calendar = (
                        engine.Calendar(data.kinds[: cut + HORIZON], data.families)
                        if data.kinds.any()
                        else None
                    )
                    found.append(
                        real.figures(history, actual, first, weight, *method(history, first, calendar))
                    )
                print(
                    f"    {part:<11} {label:<26} "
                    + " ".join(f"{value:6.3f}" for value in np.mean(found, axis=0))
                )


speed()
accuracy()
