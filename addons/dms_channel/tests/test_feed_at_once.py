import contextlib
import gzip
import threading

import psycopg2

from odoo import SUPERUSER_ID, api
from odoo.sql_db import db_connect
from odoo.tests import tagged
from odoo.tools import mute_logger

from odoo.addons.dms_channel.tests import test_feed
from odoo.addons.dms_channel.tests.common import DmsChannelCommon

HEADER = "outlet,product_code,date,quantity,unit,unit_price,returned,reference"
ROWS = (
    "O-1,TEA,2025-01-05,4,,10.5,1,R1",
    ",TEA,2025-01-06,2,Case of 12,120,,",
    ",CHIPS,2025-01-06,0,,,3,",
    ",TEEA,2025-01-06,2,,,,",
    "O-1,TEA,2025-01-05,4,,10.5,1,R1",
    ",CHIPS,2025-02-01,,,,,",
)

FIGURES = (
    "state",
    "line_count",
    "ok_count",
    "error_count",
    "duplicate_count",
    "released_count",
    "move_count",
    "date_from",
    "date_to",
    "first_error_count",
)


@tagged("post_install", "-at_install")
class TestFeedAtOnce(DmsChannelCommon):
    """What is released as it comes ends as what is received first and then released."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["dms.feed.rule"].search([]).active = False

    def _receive(self, at_once, rows=ROWS, **values):
        feeds = self.env["dms.feed"].with_context(dms_feed_release=at_once)
        raw = "\n".join([HEADER, *rows]).encode()
        feed = feeds._receive(raw, "x.csv", partner=self.distributor_north, **values)
        if not at_once:
            feed.action_release()
        return feed

    def _get_everything(self, feed):
        moves = self.env["dms.channel.move"].search([("feed_line_id.feed_id", "=", feed.id)])
        return (
            {name: feed[name] for name in FIGURES},
            sorted(
                (line.row, line.state, line.issues or "", line.quantity, line.price_unit, line.first_pass)
                for line in feed.line_ids
            ),
            sorted(
                (move.feed_line_id.row, move.kind, move.outlet_id.id, move.product_id.id, str(move.date), move.quantity,
                 move.price_unit, move.amount, move.currency_id.id, move.company_id.id)
                for move in moves
            ),
            self.env["dms.channel.position"]
            .search([("partner_id", "=", self.distributor_north.id)], order="product_id")
            .mapped("quantity"),
        )  # fmt: skip

    def _compare(self, **values):
        answers = []
        for at_once in (False, True):
            with self.env.cr.savepoint() as savepoint:
                feed = self._receive(at_once, **values)
                answers.append(self._get_everything(feed))
                self.assertFalse(self.env["dms.channel.position"]._check_consistency())
                self.assertFalse(self.env["dms.channel.week"]._count_differences())
                savepoint.rollback()
            self.env.invalidate_all()
        self.assertEqual(*answers)
        return answers[1]

    def test_the_same(self):
        figures, lines, moves, _stock = self._compare()
        self.assertEqual(
            (figures["released_count"], figures["error_count"], len(lines), len(moves)), (3, 2, 6, 4)
        )

    def test_another_currency(self):
        currency = self.setup_other_currency("EUR", rates=[("2020-01-01", 2.0)])
        _figures, _lines, moves, _stock = self._compare(currency=currency)
        self.assertIn(-21.0, [move[7] for move in moves])

    def test_before_a_count(self):
        raw = b"product_code,date,quantity\nTEA,2025-01-31,70\n"
        count = self.env["dms.feed"]._receive(raw, "c.csv", partner=self.distributor_north, kind="count")
        count.action_release()
        *_rest, stock = self._compare()
        self.assertIn(70, stock)

    def test_what_is_reported_already(self):
        self._receive(False, rows=ROWS[:1])
        figures, *_rest = self._compare(rows=(*ROWS, "O-1,TEA,2025-01-05,5,,10.5,1,R1"))
        self.assertEqual((figures["duplicate_count"], figures["released_count"]), (2, 2))

    def test_what_somebody_has_to_look_at(self):
        """A count is released after its lines are there; days that are missing wait for a reason."""
        feeds = self.env["dms.feed"].with_context(dms_feed_release=True)
        raw = b"product_code,date,quantity\nTEA,2025-01-31,70\n"
        count = feeds._receive(raw, "c.csv", partner=self.distributor_north, kind="count")
        self.assertEqual((count.state, count.ok_count, count.released_count), ("checked", 1, 0))
        rule = (
            self.env["dms.feed.rule"].with_context(active_test=False).search([("kind", "=", "missing_days")])
        )
        rule.write({"active": True, "severity": "warning"})
        days = [f",TEA,2025-01-{day:02},1,,,," for day in range(1, 29) if day not in (10, 11)]
        feed = self._receive(True, rows=days)
        self.assertTrue(feed.missing_days)
        self.assertEqual((feed.state, feed.ok_count, feed.released_count), ("checked", 26, 0))

    def test_a_deleted_feed_takes_its_lines_along(self):
        first = self._receive(True)
        second = self.env["dms.feed"]._receive(
            gzip.compress("\n".join([HEADER, *ROWS]).encode()), "x.gz", partner=self.distributor_north
        )
        self.assertIn(first, second.line_ids.duplicate_of_id.feed_id)
        with self.assertRefused("can't be deleted"):
            first.unlink()
        self.assertEqual(len(first.line_ids), 6)
        lines = second.line_ids
        second.unlink()
        self.assertFalse(lines.exists())
        third = self.env["dms.feed"]._receive(
            "\n".join([HEADER, *ROWS, "  "]).encode(), "x.csv", partner=self.distributor_north
        )
        third._delete_lines(first.ids)
        self.assertFalse(third.line_ids.duplicate_of_id.feed_id - third, "nothing points to what is gone")


@tagged("post_install", "-at_install")
class TestFeedAtOnceConcurrency(test_feed.TestFeedConcurrency):
    """All the races of two sessions once more, with files that are released as they come."""

    def _run(self, function):
        return super()._run(lambda env: function(env(context=dict(env.context, dms_feed_release=True))))

    def test_killed_in_the_middle(self):
        """The database ends the session before its commit: the same bytes once more are a new beginning."""
        raw = b"product_code,date,quantity\n" + b"\n".join(
            b"RACE,2025-01-%02d,1" % day for day in range(1, 29)
        )

        def send(env):
            partner = env["res.partner"].browse(self.partner_id)
            return env["dms.feed"]._receive(raw, "x.csv", partner=partner).id

        doomed = db_connect(self.env.cr.dbname).cursor()
        send(api.Environment(doomed, SUPERUSER_ID, {"dms_feed_release": True}))
        doomed.execute("SELECT pg_backend_pid()")
        [pid] = doomed.fetchone()
        self.env.cr.execute("SELECT pg_terminate_backend(%s)", [pid])
        with mute_logger("odoo.sql_db"):
            with self.assertRaises(psycopg2.Error):
                doomed.execute("SELECT 1 FROM dms_channel_move")
            with contextlib.suppress(psycopg2.Error):
                doomed.close()

        def answer(env):
            feeds = env["dms.feed"].search([("partner_id", "=", self.partner_id)])
            position = env["dms.channel.position"].search([("partner_id", "=", self.partner_id)])
            return feeds.mapped("state"), sum(feeds.mapped("released_count")), position.quantity

        self.assertEqual(self._run(answer), ([], 0, 0))
        for _twice in range(2):
            self._run(send)
            self.assertEqual(self._run(answer), (["released"], 28, -28))

    def test_a_sale_and_a_delivery_at_once(self):
        """A release and goods that come in change the same position at the same time: both are in the sum."""
        barrier = threading.Barrier(2)
        errors = []

        def sell(env):
            partner = env["res.partner"].browse(self.partner_id)
            raw = b"product_code,date,quantity\nRACE,2025-01-05,3\n"
            env["dms.feed"]._receive(raw, "x.csv", partner=partner)

        def deliver(env):
            env["dms.channel.move"]._lock_partners([self.partner_id])
            env["dms.channel.move"].create(
                {
                    "kind": "sell_in",
                    "partner_id": self.partner_id,
                    "product_id": self.product_id,
                    "date": "2025-01-04",
                    "quantity": 10,
                }
            )

        def work(action):
            try:
                first = [True]

                def once(env):
                    env["dms.feed"].search_count([])  # the snapshot is taken before the other one commits
                    if first.pop() if first else False:
                        barrier.wait(20)
                    action(env)

                self._run(once)
            except Exception as error:  # reported in the main thread
                errors.append(error)

        threads = [threading.Thread(target=work, args=(action,)) for action in (sell, deliver)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        self.assertFalse(errors)

        def answer(env):
            position = env["dms.channel.position"].search([("partner_id", "=", self.partner_id)])
            weeks = env["dms.channel.week"].search([("partner_id", "=", self.partner_id)])
            return position.quantity, sum(weeks.mapped("sell_in")), sum(weeks.mapped("sell_out"))

        self.assertEqual(self._run(answer), (7, 10, 3))
