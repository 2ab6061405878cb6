"""Some two dozen guesses of a series' level at an origin, all of them linear in its past.

Each is a ratio of sums over the past, of demand to season index, under some weights by age. One matrix product serves every set of
weights of every series, which is what makes two dozen candidates cheaper than one automatic model.
"""

import numpy as np

from .panel import TINY

CAP_GROWTH = (0.5, 2.0)


class Candidates:
    """The candidates of one panel; `names` are their columns in :meth:`levels`."""

    def __init__(self, panel, horizon, origins):
        self.panel, self.horizon = panel, horizon
        season = panel.season
        spans = (
            (1, 2, 4, 8, 13, 26, 52)
            if panel.weekly
            else (4 / season, 8 / season, 13 / season, 0.5, 1.0, 2.0, 3.0)
        )
        rates = (0.1, 0.05, 0.025, 0.0125) if panel.weekly else (0.5, 0.25, 0.12, 0.06)
        age = np.arange(panel.width)[::-1]
        columns = [age < max(1, round(span * season)) for span in spans] + [
            (1 - rate) ** age for rate in rates
        ]
        self.plan = np.array(
            columns, np.float32
        ).T.copy()  # (T, K) weights, the last row being the newest period
        self.linear = [f"mean {span:g}" for span in spans] + [f"exponential {rate:g}" for rate in rates]
        self.year = 52 * season if panel.weekly else season
        self.has_last_year = bool(panel.weekly and origins and origins[-1] >= self.year + 4 * season)
        self.names = (
            *self.linear,
            "capped 8",
            "capped exponential",
            "frequency 4 x size",
            "frequency 8 x size",
            "own growth",
            "group growth",
            "market growth",
            "market growth, long",
            "market growth, damped ahead",
            "market growth ahead",
            *(("same period last year",) if self.has_last_year else ()),
        )

    def recent(self):
        """Columns of candidates that rest on the last four seasons or less -> list of int."""
        return [
            i
            for i, name in enumerate(self.names)
            if name in ("mean 1", "mean 2", "mean 4", "exponential 0.1", "exponential 0.05")
        ]

    def levels(self, stop, index):
        """Candidate levels as they were known at `stop` -> float32 (n, C) demand per period of index 1.

        :param index: (n, S) season index, phase 0 being that of `stop`
        """
        raw, capped, hits, base = self._sums(stop, index)
        level, cap_level, frequency = raw / base, capped / base, hits / base
        short, half, long, all_, smooth, slow = 2, 3, 4, 6, 8, 9
        size = capped[:, all_] / np.maximum(hits[:, all_], 1e-3)
        own = np.clip(level[:, short] / np.maximum(level[:, half], 1e-6), *CAP_GROWTH)
        groups = self.panel.groups
        by_group = self._growth(raw, base, short, half, groups)
        market = self._growth(raw, base, short, half)
        columns = [
            cap_level[:, half],
            cap_level[:, slow],
            frequency[:, short] * size,
            frequency[:, half] * size,
            level[:, smooth] * np.sqrt(own),
            level[:, half] * by_group,
            level[:, half] * market,
            level[:, long] * self._growth(raw, base, short, long),
            level[:, short] * np.sqrt(market),
            level[:, short] * market,
        ]
        if self.has_last_year:
            columns.append(level[:, short] * self._last_year(stop))
        return np.concatenate([level, np.stack(columns, 1).astype(np.float32)], axis=1)

    def _sums(self, stop, index):
        """Weighted sums of demand, of demand without spikes, of selling periods and of index -> four float32 (n, K)."""
        panel, tail = self.panel, self.plan[self.panel.width - stop :]
        out = np.empty((4, panel.n, tail.shape[1]), np.float32)
        phase = panel.phase(stop, 0, stop)
        for rows in panel.chunks():
            y = panel.y[rows, :stop]
            out[0, rows] = y @ tail
            out[1, rows] = np.minimum(y, panel.cap[rows, None]) @ tail
            out[2, rows] = (y > 0).astype(np.float32) @ tail
            out[3, rows] = (index[rows].astype(np.float32)[:, phase] * panel.seen[rows, :stop]) @ tail
        np.maximum(out[3], np.float32(1e-3), out=out[3])
        return out

    def _growth(self, raw, base, new, old, groups=None):
        """Ratio of demand in two windows at the mix of today, of each group or of the market -> (n,).

        Evidence is counted in orders (demand over dispersion); fifty of them are worth the market's growth.
        """
        weight = 1 / self.panel.dispersion
        now = raw[:, new] * weight
        before = raw[:, old] * (base[:, new] / base[:, old]) * weight
        market = (now.sum() + 1) / (before.sum() + 1)
        if groups is None:
            return np.full(self.panel.n, np.clip(market, *CAP_GROWTH))
        now, before = (np.bincount(groups, part) for part in (now, before))
        return np.clip((now + 50 * market) / (before + 50), *CAP_GROWTH)[groups]

    def _last_year(self, stop):
        """How demand of the coming horizon stood to the four seasons before, a year ago: series shrunk to the market -> (n,)."""
        year, season = self.year, self.panel.season
        ahead = slice(stop - year, min(stop - year + self.horizon, stop))
        before = slice(stop - year - 4 * season, stop - year)

        def rate(cut):
            demand = self.panel.y[:, cut].sum(1, dtype=np.float64) / self.panel.dispersion
            return demand, self.panel.seen[:, cut].sum(1) / self.panel.dispersion

        (after_sum, after_seen), (before_sum, before_seen) = rate(ahead), rate(before)
        expected = before_sum / np.maximum(before_seen, TINY) * after_seen
        both = (after_seen > 0) & (before_seen > 0)
        market = (after_sum[both].sum() + 1) / (expected[both].sum() + 1)
        return np.clip((after_sum * both + 30 * market) / (expected * both + 30), 0.25, 4.0)
