from datetime import timedelta

from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tests import tagged

from .common import DmsForecastCommon


@tagged("post_install", "-at_install")
class TestForecastRun(DmsForecastCommon):
    def test_every_series_is_forecast(self):
        run = self._forecast()
        self.assertRecordValues(
            run,
            [
                {
                    "state": "done",
                    "date": self.yesterday,
                    "series_count": 3,
                    "series_done": 3,
                    "line_count": 90,
                    "is_current": True,
                    "message": False,
                }
            ],
        )
        self.assertTrue(run.data_hash and run.engine_version and run.params["begin"])
        self.assertGreater(run.wape, 0)
        self.assertLess(run.wape, 0.3)
        tea = self._series(run, self.distributor_north, self.product_tea)
        self.assertAlmostEqual(tea.total, 300, delta=30)
        self.assertLess(tea.total_q10, tea.total_q50)
        self.assertLess(tea.total_q50, tea.total_q90)
        self.assertEqual(tea.last_sale, self.yesterday)
        self.assertEqual(len(tea.line_ids), 30)
        self.assertEqual(tea.line_ids[0].date, self.today)
        self.assertEqual(tea.line_ids[-1].date, self.yesterday + timedelta(days=30))
        self.assertAlmostEqual(sum(tea.line_ids.mapped("quantity")), tea.total, places=1)
        sundays = tea.line_ids.filtered(lambda line: line.date.weekday() == 6)
        self.assertLess(max(sundays.mapped("quantity")), 1)
        self.assertTrue(all(line.q10 <= line.q50 <= line.q90 for line in tea.line_ids))

    def test_product_totals_agree_with_the_sum_of_distributors(self):
        run = self._forecast()
        for product in (self.product_tea, self.product_chips):
            series = run.series_ids.filtered(lambda one, product=product: one.product_id == product)
            total = series.filtered(lambda one: not one.partner_id)
            self.assertEqual(len(total), 1)
            below = series - total
            self.assertAlmostEqual(total.total, sum(below.mapped("total")), delta=1e-6)
            for one in below:
                self.assertAlmostEqual(one.total, sum(one.line_ids.mapped("quantity")), delta=1e-6)
            grid = self.env["dms.forecast.series"]._get_cumulative(series.sorted("partner_id"))
            self.assertLess(abs(grid["expected"][-1] - grid["expected"][:-1].sum(0)).max(), 0.003)

    def test_products_are_forecast_whole_whatever_the_batch(self):
        whole = self._forecast()
        self.patch(type(self.env["dms.forecast.run"]), "_batch_size", 1)
        parts = self._forecast()
        self.assertEqual(len(parts.series_ids), len(whole.series_ids))
        self.assertAlmostEqual(parts.product_wape, whole.product_wape, delta=0.1)
        for product in (self.product_tea, self.product_chips):
            series = parts.series_ids.filtered(lambda one, product=product: one.product_id == product)
            total = series.filtered(lambda one: not one.partner_id)
            self.assertAlmostEqual(total.total, sum((series - total).mapped("total")), delta=1e-6)

    def test_a_new_product_follows_the_launches_of_those_like_it(self):
        older = self.env["product.product"].create(
            [{"name": f"Lemonade {n}", "is_storable": True, "list_price": 3} for n in range(4)]
        )
        for product in older:
            # a launch that a month later sells four times as much
            self._sell(self.distributor_north, product, 16, days=80)
            self._sell(self.distributor_north, product, 4, days=30, until=self.yesterday - timedelta(days=80))
        new = self.env["product.product"].create({"name": "Lime", "is_storable": True, "list_price": 3})
        self._sell(self.distributor_north, new, 4, days=20)
        lime = self._series(self._forecast(), self.distributor_north, new)
        self.assertEqual(lime.own_share, 0.5)
        self.assertIn("50 % of the forecast follow the launches", lime.why)
        self.assertGreater(lime.total, 1.3 * 4 * 30)
        tea = self._series(lime.run_id, self.distributor_north, self.product_tea)
        self.assertEqual(tea.own_share, 1)

    def test_a_planned_promotion_sells_as_earlier_ones_did(self):
        ahead = self.today + timedelta(days=5)
        goods = self.env["product.product"].create(
            [{"name": f"Juice {n}", "is_storable": True} for n in range(12)]
        )
        promotions, moves = self.env["dms.calendar.event"], []
        for number, product in enumerate(goods):
            days = [self.today - timedelta(days=back + 3 * number) for back in (160, 110, 60)]
            days.append(ahead if product == goods[0] else ahead + timedelta(days=200))
            promotions += promotions.create(
                [
                    {
                        "name": "Juice week",
                        "kind": "promotion",
                        "date_from": day,
                        "date_to": day + timedelta(days=6),
                        "discount": 30,
                        "product_ids": [Command.link(product.id)],
                    }
                    for day in days
                ]
            )
            promoted = {day + timedelta(days=n) for day in days for n in range(7)}
            for back in range(200):
                day = self.yesterday - timedelta(days=back)
                quantity = int(self.random.poisson(60 if day in promoted else 20))
                moves.append(self._move_vals("sell_out", self.distributor_north, product, -quantity, day))
        self.env["dms.channel.move"].sudo().create(moves)
        run = self._forecast()
        juice, other = (self._series(run, self.distributor_north, product) for product in goods[:2])
        self.assertGreater(juice.planned_effect, 0.1)
        self.assertIn("Planned promotions", juice.why)
        self.assertLess(other.planned_effect, 0.01)
        within = {line.date: line.quantity for line in juice.line_ids}
        self.assertGreater(within[ahead + timedelta(days=3)], 1.4 * within[ahead - timedelta(days=3)])
        promotions.filtered(lambda event: event.date_from == ahead).active = False
        self.assertLess(self._series(self._forecast(), self.distributor_north, goods[0]).total, juice.total)

    def test_steps_resume_and_change_nothing(self):
        whole = self._forecast()
        self.patch(type(self.env["dms.forecast.run"]), "_batch_size", 2)
        run = self.env["dms.forecast.run"].create({})
        run._start()
        self.assertEqual(run._step(), 1)
        self.assertEqual((run.state, run.series_done), ("running", 2))
        run._start()  # a killed run is taken up where it stopped
        self.assertEqual(run.series_done, 2)
        run._run()
        self.assertEqual((run.state, run.series_done, run.line_count), ("done", 3, 90))
        self.assertFalse(whole.is_current)
        self.assertTrue(run.is_current)
        self.assertEqual(len(run.series_ids.filtered("partner_id")), 3)

    def test_same_data_same_result(self):
        first, second = self._forecast(), self._forecast()
        self.assertEqual(first.data_hash, second.data_hash)
        self.assertEqual(
            first.series_ids.sorted("id").mapped(
                lambda s: (s.partner_id, s.product_id, s.total, s.cumulative)
            ),
            second.series_ids.sorted("id").mapped(
                lambda s: (s.partner_id, s.product_id, s.total, s.cumulative)
            ),
        )

    def test_reversed_sale_is_no_demand(self):
        wrong = (
            self.env["dms.channel.move"]
            .sudo()
            .create(
                self._move_vals(
                    "sell_out",
                    self.distributor_south,
                    self.product_tea,
                    -5000,
                    self.yesterday - timedelta(days=3),
                )
            )
        )
        before = self._series(self._forecast(), self.distributor_south, self.product_tea).total
        wrong._reverse()
        after = self._series(self._forecast(), self.distributor_south, self.product_tea).total
        self.assertGreater(before, 2 * after)
        self.assertAlmostEqual(after, 120, delta=20)

    def test_cut_off_knows_nothing_later(self):
        cut = self.yesterday - timedelta(days=30)
        early = self._forecast(date=cut)
        self._sell(self.distributor_north, self.product_tea, 500, days=20)
        again = self._forecast(date=cut)
        self.assertEqual(early.data_hash, again.data_hash)
        self.assertEqual(early.date, cut)

    def test_closed_days_do_not_lower_demand(self):
        chalk = self.env["product.product"].create({"name": "Chalk", "is_storable": True})
        self._sell(self.distributor_north, chalk, 6, until=self.yesterday - timedelta(days=14))
        fallen = self._series(self._forecast(), self.distributor_north, chalk).total
        self.env["dms.calendar.event"].create(
            {
                "name": "Flood",
                "kind": "closed",
                "date_from": self.yesterday - timedelta(days=13),
                "date_to": self.yesterday,
                "territory_ids": [Command.link(self.territory_north.id)],
            }
        )
        self.assertAlmostEqual(
            self._series(self._forecast(), self.distributor_north, chalk).total, 180, delta=25
        )
        self.assertLess(fallen, 155)

    def test_a_feast_ahead_is_expected_to_sell_as_it_did(self):
        ahead = self.today + timedelta(days=10)
        feasts = [ahead - timedelta(days=back) for back in (140, 95, 50, 0)]
        self.env["dms.calendar.event"].create(
            [
                {"name": "Fair", "kind": "holiday", "feast": "fair", "date_from": day, "date_to": day}
                for day in feasts
            ]
        )
        for day in feasts[:-1]:
            self.env["dms.channel.move"].sudo().create(
                self._move_vals("sell_out", self.distributor_north, self.product_tea, -60, day)
            )
        tea = self._series(self._forecast(), self.distributor_north, self.product_tea)
        expected = {line.date: line.quantity for line in tea.line_ids}
        usual = expected[ahead + timedelta(days=7)] or 1
        self.assertGreater(expected[ahead], 1.5 * usual)

    def test_other_company_is_not_read(self):
        other = (
            self.company_data_2["company"]
            if hasattr(self, "company_data_2")
            else self.env["res.company"].sudo().create({"name": "Other"})
        )
        self._sell(self.distributor_north, self.product_tea, 100, company=other)
        run = self._forecast()
        self.assertAlmostEqual(
            self._series(run, self.distributor_north, self.product_tea).total, 300, delta=30
        )

    def test_nothing_to_forecast_is_said_in_words(self):
        other = self.env["res.company"].sudo().create({"name": "Empty Brand"})
        run = self.env["dms.forecast.run"].create({"company_id": other.id})
        run.action_run()
        self.assertEqual(run.state, "failed")
        self.assertIn("Release a sell-through feed", run.message)
        self._sell(self.distributor_south, self.product_tea, 3, company=other)
        run.action_run()
        self.assertEqual(run.state, "done")
        self.assertFalse(run.message)
        with self.assertRaises(UserError):
            run.action_run()

    def test_queries_do_not_grow_with_series(self):
        def count():
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.cr.sql_log_count
            self._forecast()
            self.env.flush_all()
            return self.cr.sql_log_count - before

        few = count()
        products = self.env["product.product"].create(
            [{"name": f"P{i}", "is_storable": True} for i in range(40)]
        )
        for product in products:
            self._sell(self.distributor_south, product, 1, days=60)
        self.assertLessEqual(count(), few + 2)

    def test_why_and_chart(self):
        run = self._forecast()
        tea = self._series(run, self.distributor_north, self.product_tea)
        self.assertIn("a day", tea.why)
        self.assertIn("off by", tea.why)
        chart = tea.chart
        self.assertEqual(len(chart["dates"]), len(chart["history"]) + len(chart["expected"]))
        self.assertEqual(chart["dates"][len(chart["history"])], str(self.today))
        self.assertGreater(sum(chart["history"]), 900)
        total = run.series_ids.filtered(lambda s: not s.partner_id and s.product_id == self.product_tea)
        self.assertGreater(sum(total.chart["history"]), sum(chart["history"]))
        self.assertIn("all distributors", total.display_name)

    def test_quantile_of_any_period(self):
        tea = self._series(self._forecast(), self.distributor_north, self.product_tea)
        week, month = (tea._get_quantile(0.95, days)[tea.id] for days in (7, 30))
        self.assertGreater(week, 60)
        self.assertLess(week, 110)
        self.assertGreater(month, tea.total)

    def test_cron_runs_once_a_change(self):
        with self.enter_registry_test_mode():
            self.env.ref("dms_forecast.ir_cron_dms_forecast").with_user(
                self.env.ref("base.user_root")
            ).method_direct_trigger()
        run = self.env["dms.forecast.run"]._get_current(self.company)
        self.assertEqual(run.state, "done")
        self.assertFalse(self.env["dms.forecast.run"]._needs_run(self.company))

    def test_old_lines_go(self):
        runs = [self._forecast() for _ in range(4)]
        self.env["dms.forecast.run"]._gc_lines()
        self.assertFalse(runs[0].series_ids.line_ids)
        self.assertTrue(runs[-1].series_ids.line_ids)
        self.assertTrue(runs[0].series_ids)
