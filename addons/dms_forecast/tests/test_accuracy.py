from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from .common import DmsForecastCommon


@tagged("post_install", "-at_install")
class TestAccuracy(DmsForecastCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # the last whole week that is reported
        cls.week = fields.Date.start_of(cls.today, "week") - timedelta(days=7)

    def _judge(self):
        self.env["dms.forecast.accuracy"]._judge(self.company)
        return self.env["dms.forecast.accuracy"].search([("company_id", "=", self.company.id)])

    def _find(self, rows, partner, product, ahead=1, week=None):
        return rows.filtered(
            lambda row: (
                (row.partner_id, row.product_id, row.weeks_ahead, row.week)
                == (partner, product, ahead, week or self.week)
            )
        )

    def test_what_was_said_and_what_came(self):
        runs = [self._forecast(date=self.week - timedelta(days=7 * ahead - 6)) for ahead in (3, 2, 1)]
        rows = self._judge()
        tea = self._find(rows, self.distributor_north, self.product_tea)
        said = self._series(runs[-1], self.distributor_north, self.product_tea)
        days = said.line_ids.filtered(lambda line: self.week <= line.date < self.week + timedelta(days=7))
        self.assertEqual(len(days), 7)
        self.assertAlmostEqual(tea.expected, sum(days.mapped("quantity")), 2)
        sold = self.env["dms.channel.week"].search(
            [
                ("partner_id", "=", self.distributor_north.id),
                ("product_id", "=", self.product_tea.id),
                ("week", "=", self.week),
            ]
        )
        self.assertEqual(tea.actual, sum(sold.mapped("sell_out")))
        self.assertAlmostEqual(tea.surplus, tea.expected - tea.actual, 3)
        self.assertAlmostEqual(tea.wape, tea.abs_error / tea.actual, 3)
        self.assertEqual(self._find(rows, self.distributor_north, self.product_tea, ahead=3).run_id, runs[0])
        self.assertEqual(self._judge(), rows, "once more changes nothing")
        [(wape, off, came)] = self.env["dms.forecast.accuracy"]._read_group(
            [("company_id", "=", self.company.id)], [], ["wape:avg", "abs_error:sum", "actual:sum"]
        )
        self.assertAlmostEqual(wape, off / came, 6, "a group's error is that of its sums")

    def test_a_late_report(self):
        self._forecast(date=self.week - timedelta(days=1))
        before = self._find(self._judge(), self.distributor_south, self.product_tea)
        actual, expected = before.actual, before.expected
        late = self._move_vals("sell_out", self.distributor_south, self.product_tea, -100, self.week)
        self.env["dms.channel.move"].sudo().create(late)
        self._judge()
        self.assertRecordValues(before, [{"actual": actual + 100, "expected": expected}])
        self.assertAlmostEqual(before.surplus, expected - actual - 100, 3)

    def test_as_many_queries_for_many(self):
        self._forecast(date=self.week - timedelta(days=1))
        self._judge()
        with self.assertQueryCount(3):
            self.env["dms.forecast.accuracy"]._judge(self.company)

    def test_lines_are_kept_for_the_weeks_to_come(self):
        weekly = [self._forecast(date=self.today - timedelta(days=7 * back + 1)) for back in (5, 4, 3)]
        old = self._forecast(date=self.today - timedelta(days=80))
        daily = [self._forecast() for _again in range(4)]
        self.env["dms.forecast.run"]._gc_lines()
        self.assertTrue(all(run.series_ids.line_ids for run in weekly))
        self.assertFalse(old.series_ids.line_ids)
        self.assertFalse(daily[0].series_ids.line_ids)

    def test_bias_alarm(self):
        def tell(factor):
            self.env.cr.execute("DELETE FROM dms_forecast_accuracy WHERE company_id = %s", [self.company.id])
            self.env["dms.forecast.accuracy"].invalidate_model()
            self.env["dms.forecast.accuracy"].sudo().create(
                [
                    {
                        "company_id": self.company.id,
                        "week": self.week - timedelta(weeks=back),
                        "weeks_ahead": 1,
                        "partner_id": self.distributor_north.id,
                        "product_id": self.product_tea.id,
                        "categ_id": self.product_tea.categ_id.id,
                        "expected": 100 * factor(back),
                        "actual": 100,
                    }
                    for back in range(8)
                ]
            )
            self.env["dms.forecast.bias"].sudo()._watch(self.company)
            return self.env["dms.forecast.bias"].search(
                [("company_id", "=", self.company.id), ("partner_id", "=", self.distributor_north.id)]
            )

        self.assertFalse(tell(lambda back: 1.2 if back % 2 else 0.8))
        self.distributor_north.user_id = self.user_channel
        alarm = tell(lambda back: 1.2)
        self.assertRecordValues(alarm, [{"state": "open", "signal": 8, "bias": 0.2}])
        self.assertIn("too high", alarm.why)
        self.assertEqual(alarm.activity_ids.user_id, self.user_channel)
        categories = self.env["dms.forecast.bias"].search([("categ_id", "=", self.product_tea.categ_id.id)])
        self.assertEqual(categories.state, "open")
        self.assertEqual(tell(lambda back: 1.2), alarm, "it is open once")
        self.assertEqual(tell(lambda back: 1.2 if back < 5 else 0.8).state, "open", "still above 2")
        self.assertRecordValues(
            tell(lambda back: 1.2 if back % 2 else 0.8), [{"state": "closed", "closed_on": self.today}]
        )
        self.assertFalse(alarm.activity_ids)

    def test_rights(self):
        self._forecast(date=self.week - timedelta(days=1))
        rows = self._judge()
        self.assertTrue(rows.with_user(self.user_channel).read(["wape"]))
        for login, groups, company in (
            ("accuracy_portal", "base.group_portal", self.company),
            ("accuracy_stranger", "dms_channel.dms_channel_group_manager", None),
        ):
            company = company or self.env["res.company"].sudo().create({"name": "Other Brand"})
            user = new_test_user(
                self.env(su=True),
                login,
                groups=groups,
                company_id=company.id,
                company_ids=[(6, 0, company.ids)],
            )
            with self.assertRaises(AccessError):
                rows.with_user(user).read(["wape"])
