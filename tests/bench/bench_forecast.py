"""The forecast engine, beside the mean of each weekday over the last eight weeks, on made-up shop sales."""

import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.environ["DMS_CHECKOUT"], "tests", "bench"))

from measure import measure, table

from odoo.addons.dms_forecast.tools import forecast as engine

DAYS, HORIZON, WEEKS = 400, 28, 8


def sales(count):
    """(count, DAYS + HORIZON) units: levels from a few a month to dozens a day, weekdays, growth, noise, days without any."""
    dice = np.random.default_rng(7)
    days = np.arange(DAYS + HORIZON)
    level = np.exp(dice.normal(0.5, 1.3, (count, 1)))
    week = np.exp(dice.normal(0, 0.3, (count, 7)))[:, days % 7]
    growth = np.exp(dice.normal(0, 0.0015, (count, 1)) * days)
    return dice.poisson(dice.gamma(2.0, level * week * growth / 2.0)).astype(float)


def weekday_means(history):
    weeks = history[:, -7 * WEEKS :].reshape(len(history), WEEKS, 7).mean(axis=1)
    return np.tile(weeks, HORIZON // 7)


def error(point, actual):
    """Sum of the errors of each series' horizon total, as a share of demand."""
    return np.abs(point.sum(axis=1) - actual.sum(axis=1)).sum() / actual.sum()


def main():
    baseline, runs, errors = [], [], []
    for count in (2_000, 8_000):
        everything = sales(count)
        history, actual = everything[:, :DAYS], everything[:, DAYS:]
        points = {}

        def naive(points=points, history=history):
            points["naive"] = weekday_means(history)

        def ours(points=points, history=history):
            points["ours"] = engine.forecast(history, horizon=HORIZON).point

        baseline.append(measure("numpy: weekday means of eight weeks", count, naive))
        runs.append(measure("DMS: engine, with quantiles and backtests", count, ours))
        errors.append((count, error(points["naive"], actual), error(points["ours"], actual)))
    table("series", baseline, runs)
    for count, naive_error, our_error in errors:
        print(
            f"  error of {HORIZON}-day totals, {count:,} series: weekday means {naive_error:.1%}, DMS {our_error:.1%},"
            f" ratio {our_error / naive_error:.2f}"
        )


main()
