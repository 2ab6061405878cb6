"""Holidays and other days of their own: what they did to demand before, and so will do again."""

from dataclasses import dataclass, field

import numpy as np

from .panel import TINY

FAMILY_EVIDENCE = 40.0  # orders that outweigh the family in a kind's effect on the market
OWN_EVIDENCE = 40.0  # orders that outweigh the market in a series' own
NO_EVIDENCE = 20.0  # orders that outweigh "as ever" in a family's
AROUND = 3  # seasons on either side that say what a day would have sold otherwise
BELIEFS = (0.0, 0.25, 0.5, 0.75, 1.0)
NEARLY_CLOSED = 0.3
CLIP = (0.02, 10.0)


@dataclass
class Calendar:
    """What each period is, over the history and as far ahead as is known.

    The same `kind` is the same day of the same feast (0: an ordinary day), so that a feast that moves with the moon is aligned by its
    days, not by its dates. A kind's `family` (days off, make-up workdays, days before a feast) stands in where the kind itself was never
    seen; kinds without one share the family 0.
    """

    kinds: np.ndarray  # (T + K,) int, K >= 0 periods ahead
    families: dict = field(default_factory=dict)  # {kind: family}

    def __post_init__(self):
        self.kinds = np.asarray(self.kinds, np.int64)

    def family(self, kinds):
        """-> int, like `kinds`"""
        return np.array([self.families.get(kind, 0) for kind in kinds.tolist()], np.int64)

    def past(self, width):
        """Special days of the history -> bool (width,)."""
        return self.kinds[:width] != 0


class SpecialDays:
    """Effects of special days on each series: market's, family's and own experience of all of them, as a gamma-Poisson mean.

    `demand` and `seen` are what was sold on the special days, which are masked in the panel that says what is usual.
    """

    def __init__(self, panel, calendar, demand, seen, index):
        """
        :param panel: with special days masked; index: (n, S), phase 0 being the period after the history
        :param demand: (n, D) float and seen (n, D) bool of the D special days of the history, in order
        """
        self.panel, self.calendar = panel, calendar
        self.past = np.flatnonzero(calendar.past(panel.width))
        self.kinds = calendar.kinds[self.past]
        self.family = calendar.family(self.kinds)
        self.usual = self._usual(index) * seen / panel.dispersion[:, None]
        self.actual = demand * (self.usual > 0) / panel.dispersion[:, None]

    def factors(self, reach):
        """What the days ahead do to demand -> (n, reach), 1 on ordinary days and beyond the calendar.

        How far effects are believed is set for each family by leaving out one past occasion at a time: what does not repeat is not used.
        """
        out = np.ones((self.panel.n, reach))
        ahead = self.calendar.kinds[self.panel.width : self.panel.width + reach]
        where = np.flatnonzero(ahead)
        if len(where) and len(self.past):
            family = self.calendar.family(ahead[where])
            belief = self._belief(sorted(set(family.tolist())))
            effects = self._effects(np.arange(len(self.past)), ahead[where])
            out[:, where] = effects ** np.array([belief[f] for f in family.tolist()])
        return out

    def ordinary(self, demand, seen):
        """Demand of the special days of the history as it would have been otherwise -> (n, D) float, bool.

        Masking them instead would throw away what they say of the level; days that nearly closed a series say nothing, and are masked.
        """
        effect = self._effects(np.arange(len(self.past)), self.kinds)
        seen = seen & (effect > NEARLY_CLOSED)
        return np.where(seen, demand / np.maximum(effect, NEARLY_CLOSED), 0.0), seen

    def _usual(self, index):
        """What each special day of the history would have sold otherwise, by the days around it -> (n, D), 0 where unknown."""
        panel = self.panel
        out = np.zeros((panel.n, len(self.past)))
        reach = AROUND * panel.season
        for d, day in enumerate(self.past):
            around = np.arange(max(0, day - reach), min(panel.width, day + reach + 1))
            base = (
                index[:, panel.phase(panel.width, around[0], around[-1] + 1)] * panel.seen[:, around]
            ).sum(1)
            level = panel.y[:, around].sum(1, dtype=np.float64) / np.maximum(base, TINY)
            known = panel.seen[:, around].sum(1) >= 2 * panel.season
            out[:, d] = level * index[:, (day - panel.width) % panel.season] * known
        return out

    def _effects(self, past, ahead):
        """Effects of the kinds `ahead` (K,), learnt from the special days with the numbers `past` -> (n, K)."""
        actual, usual = self.actual[:, past], self.usual[:, past]
        kinds, family = self.kinds[past], self.family[past]
        sums, bases = actual.sum(0), usual.sum(0)

        def market(kind, its_family):
            same, alike = kinds == kind, family == its_family
            prior = (sums[alike].sum() + NO_EVIDENCE) / (bases[alike].sum() + NO_EVIDENCE)
            return (sums[same].sum() + FAMILY_EVIDENCE * prior) / (bases[same].sum() + FAMILY_EVIDENCE)

        told = np.array([market(*both) for both in zip(kinds.tolist(), family.tolist(), strict=True)])
        out = np.empty((self.panel.n, len(ahead)))
        for j, (kind, its_family) in enumerate(
            zip(ahead.tolist(), self.calendar.family(ahead).tolist(), strict=True)
        ):
            alike = family == its_family
            expected = usual[:, alike] @ told[alike] if alike.any() else 0.0
            own = (actual[:, alike].sum(1) + OWN_EVIDENCE) / (expected + OWN_EVIDENCE)
            out[:, j] = np.clip(market(kind, its_family) * own, *CLIP)
        return out

    def _belief(self, families):
        """Exponent on the effects of each family that would have done best on occasions left out -> {family: exponent}."""
        # days that follow each other closely are one occasion
        occasion = np.cumsum(np.concatenate([[0], np.diff(self.past) > 3]))
        loss = {f: np.zeros(len(BELIEFS)) for f in families}
        for o in range(int(occasion[-1]) + 1):
            left_out = np.flatnonzero((occasion == o) & np.isin(self.family, families))
            rest = np.flatnonzero(occasion != o)
            if not len(left_out) or not len(rest):
                continue
            effects = self._effects(rest, self.kinds[left_out])
            actual, usual = self.actual[:, left_out], self.usual[:, left_out]
            for b, belief in enumerate(BELIEFS):
                error = np.minimum(
                    (actual - usual * effects**belief) ** 2 / np.maximum(usual, 1.0), 25.0
                ).sum(0)
                for f in families:
                    loss[f][b] += error[self.family[left_out] == f].sum()
        return {f: BELIEFS[int(tried.argmin())] if tried.any() else 0.5 for f, tried in loss.items()}
