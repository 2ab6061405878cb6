from datetime import date, timedelta

from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import tagged

from odoo.addons.dms_channel.tests.common import DmsChannelCommon


@tagged("post_install", "-at_install")
class TestAnalysis(DmsChannelCommon):
    """Weeks, roll-out and the score of who reports."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["dms.feed.rule"].search([("kind", "!=", "window")]).active = False
        cls.today = fields.Date.context_today(cls.env["dms.feed"])

    def _send(self, *rows, kind="sell_through", came=None, header="outlet,product_code,date,quantity"):
        header = header if kind == "sell_through" else "product_code,date,quantity"
        raw = "\n".join([header, *rows]).encode()
        feed = self.env["dms.feed"]._receive(raw, "x.csv", partner=self.distributor_north, kind=kind)
        if came:
            feed.flush_recordset()
            self.env.cr.execute("UPDATE dms_feed SET create_date = %s WHERE id = %s", [came, feed.id])
            feed.invalidate_recordset()
        feed.action_release()
        return feed

    def test_weeks_stay_right(self):
        feed = self._send("O-1,TEA,2025-01-06,5", "O-1,TEA,2025-01-12,2", ",TEA,2025-01-13,9")
        self._send("TEA,2025-01-10,50", kind="count")
        weeks = self.env["dms.channel.week"].search(
            [("partner_id", "=", self.distributor_north.id)], order="week, outlet_id"
        )
        self.assertRecordValues(
            weeks,
            [
                {
                    "week": date(2025, 1, 6),
                    "outlet_id": self.outlet.id,
                    "sell_out": 7,
                    "counted": 0,
                    "change": -7,
                },
                {"week": date(2025, 1, 6), "outlet_id": False, "sell_out": 0, "counted": 55, "change": 55},
                {"week": date(2025, 1, 13), "outlet_id": False, "sell_out": 9, "counted": 0, "change": -9},
            ],
        )
        feed.with_user(self.user_manager).action_reverse()
        self.assertEqual(weeks.mapped("sell_out"), [0, 0, 0])
        self.assertEqual(sum(weeks.mapped("change")), 50)
        self.assertFalse(self.env["dms.channel.week"]._count_differences())
        self.env.cr.execute(
            "UPDATE dms_channel_week SET sell_out = 1, change = 3 WHERE id = %s", [weeks[0].id]
        )
        self.assertEqual(self.env["dms.channel.week"]._count_differences(), 1)

    def test_grouped_by_territory(self):
        self.distributor_north.territory_id = self.territory_north
        self._send("O-1,TEA,2025-01-06,5", "O-1,CHIPS,2025-01-06,3")
        groups = (
            self.env["dms.channel.week"]
            .with_user(self.user_channel)
            ._read_group(
                [("partner_id", "=", self.distributor_north.id)],
                ["territory_id", "week:month"],
                ["sell_out:sum"],
            )
        )
        self.assertEqual(groups, [(self.territory_north, date(2025, 1, 1), 8)])

    def test_cover(self):
        monday = fields.Date.start_of(self.today, "week")
        self._send(f"TEA,{monday - timedelta(days=40)},100", kind="count")
        self._send(f",TEA,{monday - timedelta(days=3)},28")
        position = self.env["dms.channel.position"].search([("partner_id", "=", self.distributor_north.id)])
        self.assertEqual(position.cover_days, 72)

    def test_roll_out(self):
        second = self.outlet.copy({"ref": "O-2", "name": "Second", "upstream_id": self.distributor_north.id})
        self._send(
            "O-1,TEA,2025-01-06,5", "O-2,TEA,2025-01-20,2", "O-1,TEA,2025-02-03,1", "O-2,TEA,2025-01-21,1"
        )
        rows = (
            self.env["dms.channel.rollout"]
            .with_user(self.user_channel)
            .search([("product_id", "=", self.product_tea.id)], order="week_number")
        )
        self.assertRecordValues(
            rows,
            [
                {"outlet_id": self.outlet.id, "week_number": 0, "repeated": 1, "quantity": 6},
                {"outlet_id": second.id, "week_number": 2, "repeated": 0, "quantity": 3},
            ],
        )

    def test_score(self):
        """A month of which one week came late, two days never, a line was wrong, and a count found a tenth missing."""
        first = fields.Date.subtract(self.today.replace(day=1), months=1)
        days = [first + timedelta(days=n) for n in range(28)]
        for number, day in enumerate(days):
            if number in (10, 11):
                continue
            came = day + timedelta(days=9 if number < 7 else 1)
            self._send(
                *(f",{code},{day},1" for code in ("TEA", "TEEA" if number == 20 else "CHIPS")),
                came=f"{came} 02:00:00",
            )
        self._send(f"TEA,{first},100", kind="count")
        self._send(f"TEA,{days[-1]},68", kind="count")
        scores = self.env["dms.feed.score"]
        scores._refresh(first, days[-1])
        score = scores.search([("partner_id", "=", self.distributor_north.id)])
        self.assertAlmostEqual(score.on_time, 100 * 19 / 26, 1)
        self.assertAlmostEqual(score.complete, 100 * 26 / 28, 1)
        self.assertAlmostEqual(score.first_pass, 100 * 51 / 52, 1)
        self.assertAlmostEqual(score.consistent, 100 * (1 - 7 / 75), 1)
        mean = (score.on_time + score.complete + score.first_pass + score.consistent) / 4
        self.assertAlmostEqual(score.score, mean, 1)
        self.assertIn("Report earlier", score.advice)
        self.assertNotIn("Report every day", score.advice)
        answer = scores._get_scores(self.distributor_north | self.distributor_south, first, self.today)
        self.assertEqual(answer, {self.distributor_north.id: score.score, self.distributor_south.id: 0.0})
        scores._refresh(first, days[-1])
        self.assertEqual(scores.search_count([("partner_id", "=", self.distributor_north.id)]), 1)
        self.assertEqual(score.with_user(self.clerk_north).score, score.score)
        with self.assertRaises(AccessError):
            score.with_user(self.clerk_south).read(["score"])

    def test_who_reports_nothing_scores_nothing(self):
        """Under an agreement and a reporting window, silence is neither on time nor complete; without, it says nothing."""
        scores = self.env["dms.feed.score"]
        first = fields.Date.subtract(self.today.replace(day=1), months=1)
        last = fields.Date.subtract(self.today.replace(day=1), days=1)
        both = self.distributor_north | self.distributor_south
        self.env["dms.feed.rule"].search([]).active = False
        scores._refresh(first, last)
        self.assertEqual(
            set(scores._get_scores(both, first, last).values()), {None}, "nobody asked for reports"
        )
        rule = self.env["dms.feed.rule"].create(
            {"name": "Noon", "kind": "window", "partner_ids": self.distributor_south.ids}
        )
        scores._cron_refresh()
        south = scores.search([("partner_id", "=", self.distributor_south.id), ("month", "=", first)])
        self.assertRecordValues(
            south, [{"on_time": 0, "complete": 0, "score": 0, "judged": "on_time,complete"}]
        )
        self.assertEqual(scores._get_scores(both, first, last)[self.distributor_north.id], None)
        # its sales, loaded by the brand, are no silence
        self.env["dms.feed"]._receive(
            f"distributor,product_code,date,quantity\nD-SOUTH,TEA,{first},1".encode(), "own.csv"
        )
        south.sudo().unlink()
        scores._refresh(first, last)
        self.assertEqual(scores._get_scores(both, first, last)[self.distributor_south.id], None)
        self.assertEqual(rule.cycle, "day")

    def test_monthly_and_weekly_reporters(self):
        first = fields.Date.subtract(self.today.replace(day=1), months=2)
        last = fields.Date.subtract(fields.Date.add(first, months=1), days=1)
        rule = self.env["dms.feed.rule"].search([("kind", "=", "window")])
        rule.write({"cycle": "month", "due_days": 3})
        self._send(
            f",TEA,{first},1", f",TEA,{last},1", came=f"{fields.Date.add(last, days=2)} 02:00:00"
        )  # fmt: skip
        scores = self.env["dms.feed.score"]

        def score():
            scores._refresh(first, last)
            return scores.search([("partner_id", "=", self.distributor_north.id), ("month", "=", first)])

        self.assertEqual((score().on_time, score().complete), (100, 100), "a month is reported at its end")
        rule.cycle = "week"
        self.assertEqual(score().on_time, 50, "the first week's sales were due a week later")
        self.assertLess(score().complete, 100)
