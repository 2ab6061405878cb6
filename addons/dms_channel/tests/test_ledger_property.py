import os
import random
from datetime import date, timedelta
from decimal import Decimal

from odoo.tests import tagged

from odoo.addons.dms_channel.tests.common import DmsChannelCommon

#: Sequences of ten actions each. The full proof: DMS_LEDGER_SEQUENCES=3000 ./dms test -k ledger_property
SEQUENCES = int(os.environ.get("DMS_LEDGER_SEQUENCES", "40"))


class Killed(Exception):
    """Stands for the death of a session in the middle of its work."""


class SimpleLedger:
    """What must be true, without a ledger: sales and deliveries as they stand, and what was counted.

    A series' stock at the end of a day is what was counted last until then, and what came and went since.
    """

    def __init__(self):
        self.changes = {}
        self.counts = {}

    def at(self, series, day):
        counted = [(when, order) for (whose, when, order) in self.counts if whose == series and when <= day]
        start, base = date.min, Decimal(0)
        if counted:
            start, order = max(counted)
            base = self.counts[series, start, order]
        return base + sum(
            (
                quantity
                for whose, when, quantity in self.changes.values()
                if whose == series and (when > start if counted else True) and when <= day
            ),
            Decimal(0),
        )


@tagged("post_install", "-at_install")
class TestLedgerProperty(DmsChannelCommon):
    """Feeds, mended lines, counts, returns, replacements, reversals, replays and kills in any order."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["dms.feed.rule"].search([]).active = False
        cls.feeds = cls.env["dms.feed"]

    def test_against_a_simple_model(self):
        for seed in range(SEQUENCES):
            with self.subTest(seed=seed), self.env.cr.savepoint() as savepoint:
                self._play(random.Random(seed))
                savepoint.rollback()
            self.env.invalidate_all()

    def _play(self, rng):
        self.rng = rng
        self.model = SimpleLedger()
        self.known = []
        self.sent = []
        self.start = date(2023, 1, 1) + timedelta(days=rng.randrange(300))
        actions = [
            self._sell,
            self._sell,
            self._count,
            self._count,
            self._mend,
            self._reverse,
            self._deliver,
            self._replay,
            self._replace,
        ]
        for _step in range(10):
            self._maybe_killed(rng.choice(actions))
        self._compare()

    def _maybe_killed(self, action):
        """Now and then the session dies after its work and before its commit; then nothing may be left of it."""
        if self.rng.random() > 0.15:
            return action()
        state = self.rng.getstate()
        kept = dict(self.model.changes), dict(self.model.counts), list(self.known), list(self.sent)
        try:
            with self.env.cr.savepoint():
                action()
                self.env.flush_all()
                raise Killed
        except Killed:
            self.env.invalidate_all()
        self.model.changes, self.model.counts, self.known, self.sent = kept
        self._compare()
        self.rng.setstate(state)  # and it is tried again
        return action()

    def _day(self):
        return self.start + timedelta(days=self.rng.randrange(12))

    def _number(self):
        return Decimal(self.rng.randrange(1, 3000)) / 100

    def _partner(self):
        return self.rng.choice([self.distributor_north, self.distributor_south])

    def _send(self, partner, kind, rows):
        header = "product_code,date,quantity" + (",returned,reference" if kind == "sell_through" else "")
        raw = "\n".join([header, *rows]).encode()
        feed = self.feeds._receive(raw, "x.csv", partner=partner, kind=kind)
        self.sent.append((partner, kind, raw))
        if feed not in self.known:
            self.known.append(feed)
        self._release(feed)

    def _release(self, feed):
        feed.action_release()
        for line in feed.line_ids.filtered(lambda line: line.state == "released"):
            series = (line.partner_id, line.product_id)
            if feed.kind == "count":
                self.model.counts[series, line.date, line.id] = Decimal(str(line.quantity))
            else:
                self.model.changes[line.id] = (
                    series,
                    line.date,
                    Decimal(str(line.returned)) - Decimal(str(line.quantity)),
                )

    def _forget(self, lines):
        for line in lines:
            self.model.changes.pop(line.id, None)
            self.model.counts.pop(((line.partner_id, line.product_id), line.date, line.id), None)

    def _sell(self):
        rows = [
            f"{self.rng.choice(['TEA', 'CHIPS', 'TEEA'])},{self._day()},{self._number()},"
            f"{self._number() if self.rng.random() < 0.3 else ''},{self.rng.choice(['', 'R1', 'R2'])}"
            for _row in range(self.rng.randrange(1, 6))
        ]
        self._send(self._partner(), "sell_through", rows)

    def _count(self):
        days = {self._day() for _row in range(self.rng.randrange(1, 4))}
        self._send(
            self._partner(),
            "count",
            [f"{self.rng.choice(['TEA', 'CHIPS'])},{day},{self._number()}" for day in days],
        )

    def _deliver(self):
        """Goods come in, or go back, on whatever day."""
        series = (self._partner(), self.rng.choice([self.product_tea, self.product_chips]))
        day, quantity = self._day(), self._number() * self.rng.choice([1, 1, -1])
        partner, product = series
        move = (
            self.env["dms.channel.move"]
            .sudo()
            .create(
                {
                    "kind": "sell_in",
                    "partner_id": partner.id,
                    "product_id": product.id,
                    "date": day,
                    "quantity": float(quantity),
                }
            )
        )
        self.model.changes["move", move.id] = (series, day, quantity)

    def _open_lines(self):
        return [line for feed in self.known for line in feed.line_ids if line.state == "error"]

    def _mend(self):
        lines = [line for line in self._open_lines() if line.issue != "conflict"]
        if lines:
            line = self.rng.choice(lines)
            line.product_code = self.rng.choice(["TEA", "CHIPS"])
            self._release(line.feed_id)

    def _replace(self):
        lines = [line for line in self._open_lines() if line.issues == "conflict"]
        if not lines:
            return
        line = self.rng.choice(lines)
        if self.rng.random() < 0.5:
            self._forget(line._get_same_reports())
            line.action_replace()
            self._release(line.feed_id)
        else:
            feed = line.feed_id
            before = [old for other in self.known for old in other.line_ids if old.state == "released"]
            feed._supersede()
            self._forget([old for old in before if old.state == "reversed"])
            self._release(feed)

    def _reverse(self):
        feeds = [feed for feed in self.known if feed.released_count and feed.state != "superseded"]
        if feeds:
            feed = self.rng.choice(feeds)
            self._forget(feed.line_ids)
            feed.with_user(self.user_manager).action_reverse()
            self.known.remove(feed)

    def _replay(self):
        """The same bytes once more: nothing happens, unless they were taken back."""
        if self.sent:
            partner, kind, raw = self.rng.choice(self.sent)
            feed = self.feeds._receive(raw, "x.csv", partner=partner, kind=kind)
            if feed not in self.known:
                self.known.append(feed)
            if feed.state not in ("rejected", "superseded"):
                self._release(feed)

    def _compare(self):
        self.env.flush_all()
        # as text: the cursor would make floats of exact numbers
        self.env.cr.execute("SELECT partner_id, product_id, quantity::text FROM dms_channel_position")
        exact = {(partner, product): Decimal(text) for partner, product, text in self.env.cr.fetchall()}
        end = date(2100, 1, 1)
        positions = self.env["dms.channel.position"]
        day = self._day()
        past = positions._at(day)
        for partner in (self.distributor_north, self.distributor_south):
            for product in (self.product_tea, self.product_chips):
                key = (partner.id, product.id)
                self.assertEqual(exact.get(key, 0), self.model.at((partner, product), end))
                self.assertEqual(
                    Decimal(str(round(past.get(key, 0), 6))), self.model.at((partner, product), day)
                )
        self.assertFalse(positions._check_consistency())
        self.assertFalse(self.env["dms.channel.week"]._count_differences())
