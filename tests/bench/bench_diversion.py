"""Diversion found in make-believe countries that the detector has not seen, beside fixed rules on the same scans.

The simulator (addons/dms_traceability/tests/diversion_world.py) says what it assumes. The detector's constants were chosen
on seeds 1 to 8; what is printed here comes from seeds 101 and up, of which none was looked at before the constants stood.
A case is a distributor's month: accused or not, diverting or not.
"""

import functools
import os
import sys

sys.path.insert(0, os.path.join(os.environ["DMS_CHECKOUT"], "tests", "bench"))
sys.path.insert(0, os.path.join(os.environ["DMS_CHECKOUT"], "addons", "dms_traceability", "tests"))

import diversion_world
import numpy as np
from measure import measure, table

from odoo.addons.dms_traceability.tools.diversion import baseline, evidence, judge, places

TUNING, UNSEEN = range(1, 9), range(101, 113)
FEW = range(101, 105)
KM = 111.195  # of one degree
FIXED = 0.05


def classes(world):
    latitude, longitude = (world.position / KM).T
    is_home = world.home[None] == np.arange(world.country.dealers)[:, None]
    return places.classes(is_home, latitude, longitude)


def detect(world):
    """Findings of a world; everything that the nightly job does between reading and writing."""
    found = classes(world)
    scans = evidence.Scans(
        world.dealer,
        world.product,
        world.month,
        world.city,
        world.kind,
        world.day,
        world.unit,
        world.case,
        world.device,
        world.network,
    )
    gathered = evidence.gather(scans, world.shipped.shape, found < 0)
    return judge.judge(scans, gathered, baseline.fit(gathered, found))


def shares(world):
    """Share of the scans of each distributor's month that come from outside its territory."""
    placed = world.city >= 0
    outside = placed & (world.home[world.city] != world.dealer)
    count, total = np.zeros((2, *world.diverting.shape))
    np.add.at(count, (world.dealer, world.month), outside)
    np.add.at(total, (world.dealer, world.month), placed)
    return count / np.maximum(total, 1)


class Score:
    """Counts over worlds."""

    def __init__(self):
        self.right = self.wrong = self.framed = self.guilty = self.clean = 0
        self.promised = 0.0
        self.best = []

    def add(self, world, accused, strength, promised=0.0):
        truth = world.diverting
        self.right += int((accused & truth).sum())
        self.wrong += int((accused & ~truth).sum())
        self.framed += int((accused & world.framed).sum())
        self.guilty += int(truth.sum())
        self.clean += int((~truth).sum())
        self.promised += promised
        self.best.append(truth.ravel()[np.argsort(-strength.ravel(), kind="stable")[:30]].mean())

    def __str__(self):
        precision = self.right / max(self.right + self.wrong, 1)
        return (
            f"{precision:>9.3f} {self.right / max(self.guilty, 1):>7.3f} {np.mean(self.best):>7.3f}"
            f" {1000 * self.wrong / self.clean:>12.2f} {self.wrong:>6} {self.framed:>7} {self.guilty:>7} {self.clean:>7}"
        )


HEAD = (
    f"  {'':<56} {'precision':>9} {'recall':>7} {'at 30':>7} {'false/1,000':>12} {'false':>6} {'framed':>7}"
    f" {'guilty':>7} {'clean':>7}"
)


def score(seeds, country, fixed=()):
    """Score of ours, and of fixed rules by threshold, over the seeds."""
    ours, rules = Score(), {threshold: Score() for threshold in fixed}
    by_strategy = {}
    for seed in seeds:
        world = diversion_world.draw(seed, country)
        findings = detect(world)
        ours.add(world, findings.alert, findings.log_e, (1 - findings.posterior)[findings.alert].sum())
        share = shares(world)
        for threshold, rule in rules.items():
            rule.add(world, share > threshold, share)
        for dealer, strategy in enumerate(world.strategy):
            if strategy:
                seen = by_strategy.setdefault(strategy, [0, 0])
                seen[0] += int((findings.alert & world.diverting)[dealer].sum())
                seen[1] += int(world.diverting[dealer].sum())
    return ours, rules, by_strategy


def best_threshold():
    """The fixed rule's threshold with the highest F1 on the tuning seeds."""
    worlds = [diversion_world.draw(seed) for seed in TUNING]
    pairs = [(shares(world).ravel(), world.diverting.ravel()) for world in worlds]
    share, truth = (np.concatenate(column) for column in zip(*pairs, strict=True))

    def f1(threshold):
        accused = share > threshold
        return 2 * (accused & truth).sum() / max(accused.sum() + truth.sum(), 1)

    return max(np.arange(0.05, 0.6, 0.01), key=f1)


def report():
    Country = diversion_world.Country
    threshold = round(float(best_threshold()), 2)
    print(f"  Seeds {UNSEEN[0]} to {UNSEEN[-1]}, 200 distributors, 6 months, scan rate 10 %, diverted 15 %")
    print(HEAD)
    ours, rules, strategies = score(UNSEEN, Country(), (FIXED, threshold))
    print(f"  {'fixed rule: more than 5 % outside (baseline)':<56} {rules[FIXED]}")
    print(f"  {f'fixed rule, threshold tuned: {threshold:.0%} outside':<56} {rules[threshold]}")
    print(f"  {'DMS':<56} {ours}")
    print(f"  DMS promised {ours.promised:.2f} false accusations (framed dealers aside); found by strategy:")
    print("   ", ", ".join(f"{name} {found} of {count}" for name, (found, count) in strategies.items()))
    print(f"\n  Other worlds (seeds {FEW[0]} to {FEW[-1]}): DMS, and below it the 5 % rule")
    print(HEAD)
    for name, country in (
        *((f"scan rate {rate:.0%}", Country(scan_rate=rate)) for rate in (0.01, 0.03, 0.10, 0.30)),
        *((f"diverted {share:.0%}", Country(diverted_share=share)) for share in (0.05, 0.15, 0.30)),
        ("small distributors: 300 units a month", Country(volume=300)),
        ("nobody diverts", Country(diverters=0.0)),
        ("a third of all distributors divert", Country(diverters=0.33)),
        ("travel twice as much", Country(travel=0.14)),
        ("rivals with 12 to 20 telephones, in 2 days", Country(stuffing_devices=(12, 20))),
        (
            "rivals with 12 to 20 telephones, for 25 days",
            Country(stuffing_devices=(12, 20), stuffing_days=25.0),
        ),
        (
            "rivals with 40 to 60 telephones, for 25 days",
            Country(stuffing_devices=(40, 60), stuffing_days=25.0),
        ),
    ):
        ours, rules, _strategies = score(FEW, country, (FIXED,))
        print(f"  {name:<56} {ours}")
        print(f"  {'':<56} {rules[FIXED]}", flush=True)


def speed():
    runs, baselines = [], []
    for dealers in (200, 1000):
        country = diversion_world.Country(dealers=dealers, cities=int(dealers * 1.6))
        world = diversion_world.draw(1, country)
        scans = len(world.dealer)
        baselines.append(
            measure(
                f"share outside by month, {dealers:,} distributors", scans, functools.partial(shares, world)
            )
        )
        runs.append(
            measure(
                f"DMS: whole judgement, {dealers:,} distributors", scans, functools.partial(detect, world)
            )
        )
    table("scans", baselines, runs)


speed()
print()
report()
