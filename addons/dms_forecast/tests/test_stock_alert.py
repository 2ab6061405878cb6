from datetime import timedelta

from freezegun import freeze_time
from psycopg2.errors import CheckViolation, UniqueViolation

from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import DmsForecastCommon


@tagged("post_install", "-at_install")
class TestStockAlert(DmsForecastCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.distributor_north.user_id = cls.user_channel
        cls._set_stock(cls.distributor_north, cls.product_tea, 2500)
        cls._set_stock(cls.distributor_north, cls.product_chips, 60)
        cls._set_stock(cls.distributor_south, cls.product_tea, 100)
        cls._forecast()
        cls.Alert = cls.env["dms.stock.alert"]

    def _refresh(self, day=0):
        """Refresh so many days from today."""
        with freeze_time(self.today + timedelta(days=day)):
            self.env["dms.stock.health"]._refresh(self.company)
        return self.Alert.search([("company_id", "=", self.company.id), ("state", "=", "open")])

    def _health(self, partner, product):
        return self.env["dms.stock.health"].search(
            [
                ("company_id", "=", self.company.id),
                ("partner_id", "=", partner.id),
                ("product_id", "=", product.id),
            ]
        )

    def test_the_score_is_the_sum_of_its_parts(self):
        self._refresh()
        tea = self._health(self.distributor_north, self.product_tea)
        self.assertGreater(tea.cover_loss, 0)
        self.assertAlmostEqual(tea.score, 100 - tea.cover_loss - tea.idle_loss - tea.short_loss, delta=0.2)
        self.assertAlmostEqual(tea.surplus_value, tea.surplus * tea.price_unit, 2)
        self.assertEqual(tea.abc, "A")
        chips = self._health(self.distributor_north, self.product_chips)
        self.assertEqual((chips.abc, tea.xyz, chips.xyz), ("B", "X", "X"))

    def test_the_most_specific_thresholds_count(self):
        Rule = self.env["dms.stock.health.rule"]
        narrow = self.env["product.category"].create({"name": "Green", "parent_id": self.categ_drinks.id})
        self.distributor_north.grade_id = self.grade_gold
        common = {"overstock_days": 500, "slow_cover_days": 900}
        by_grade, by_categ, below = Rule.create(
            [
                {"grade_id": self.grade_gold.id, **common},
                {"categ_id": self.categ_drinks.id, "overstock_days": 400, "slow_cover_days": 900},
                {"categ_id": narrow.id, "overstock_days": 300, "slow_cover_days": 900},
            ]
        )
        self._refresh()
        tea, chips = (
            self._health(self.distributor_north, product)
            for product in (self.product_tea, self.product_chips)
        )
        self.assertEqual((tea.rule_id, tea.overstock_days, tea.status), (by_categ, 400, "healthy"))
        self.assertEqual(chips.rule_id, by_grade)
        self.product_tea.categ_id = narrow
        self._refresh()
        tea.invalidate_recordset()
        self.assertEqual((tea.rule_id, tea.overstock_days), (below, 300))
        south = self._health(self.distributor_south, self.product_tea)
        self.assertEqual(south.rule_id, below)
        (by_grade | by_categ | below).active = False
        self._refresh()
        tea.invalidate_recordset()
        self.assertEqual((tea.rule_id.id, tea.overstock_days), (False, 60))
        with self.assertRaises(UniqueViolation), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            Rule.create([{"categ_id": self.categ_snacks.id}, {"categ_id": self.categ_snacks.id}])
        with self.assertRaises(CheckViolation), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            Rule.create({"alert_below": 80, "alert_close": 70})

    def test_sums_by_value(self):
        self._refresh()
        Day = self.env["dms.stock.health.day"]
        day = Day.search(
            [("company_id", "=", self.company.id), ("partner_id", "=", self.distributor_north.id)]
        )
        healths = self.env["dms.stock.health"].search([("partner_id", "=", self.distributor_north.id)])
        self.assertEqual(len(day), 1)
        there = sum(health.quantity * health.price_unit for health in healths)
        self.assertAlmostEqual(day.value, there, 2)
        self.assertAlmostEqual(
            day.days_inventory, there / sum(h.daily_demand * h.price_unit for h in healths), places=2
        )
        weights = [max(h.quantity * h.price_unit, 30 * h.daily_demand * h.price_unit) for h in healths]
        self.assertAlmostEqual(
            day.score,
            sum(w * h.score for w, h in zip(weights, healths, strict=True)) / sum(weights),
            places=3,
        )
        self.assertEqual((day.products, day.moved_share), (2, 1.0))
        slow = sum(h.quantity * h.price_unit for h in healths if h.is_slow) / there
        self.assertAlmostEqual(day.slow_share, slow, 4)
        country = Day.search([("territory_id", "=", self.territory_country.id), ("level", "=", "territory")])
        company = Day.search([("company_id", "=", self.company.id), ("level", "=", "company")])
        self.assertRecordValues(country, [{"value": company.value, "products": 3, "score": company.score}])
        again = Day.search_count([("company_id", "=", self.company.id)])
        self._refresh()
        self.assertEqual(Day.search_count([("company_id", "=", self.company.id)]), again, "once a day")
        self._refresh(1)
        self.assertEqual(Day.search_count([("company_id", "=", self.company.id)]), 2 * again)

    def test_opens_on_the_second_day_and_closes_with_hysteresis(self):
        self.assertFalse(self._refresh(), "one day is not enough")
        alert = self._refresh(1)
        self.assertRecordValues(
            alert,
            [{"partner_id": self.distributor_north.id, "user_id": self.user_channel.id, "is_capped": True}],
        )
        line = alert.line_ids
        self.assertRecordValues(
            line, [{"product_id": self.product_tea.id, "state": "open", "since": self.today}]
        )
        self.assertEqual(self._refresh(2), alert)
        self.assertEqual(alert.line_ids, line, "one open line per product")
        # 58 days: below the threshold of 60, not below 54
        daily = line.daily_demand
        self._set_stock(self.distributor_north, self.product_tea, round(58 * daily))
        self.assertEqual(self._refresh(3), alert)
        self.assertEqual(line.state, "open")
        self._set_stock(self.distributor_north, self.product_tea, round(40 * daily))
        self.assertFalse(self._refresh(4))
        self.assertRecordValues(line, [{"state": "closed", "date_close": self.today + timedelta(days=4)}])
        self.assertRecordValues(alert, [{"state": "closed", "is_capped": False}])
        self._set_stock(self.distributor_north, self.product_tea, 2500)
        self.assertFalse(self._refresh(5), "the two days start anew")
        self.assertNotEqual(self._refresh(6), alert)

    def test_a_past_day_is_measured_from_the_ledger(self):
        move = self._move_vals("sell_in", self.distributor_south, self.product_tea, 300)
        self.env["dms.channel.move"].sudo().create(move)
        past = self.today - timedelta(days=20)
        self.env["dms.stock.health"]._refresh(self.company, past)
        south = self._health(self.distributor_south, self.product_tea)
        at = self.env["dms.channel.position"]._at(past, company=self.company)
        self.assertEqual(south.quantity, at[self.distributor_south.id, self.product_tea.id])
        self.assertEqual(south.date, past)
        self.assertFalse(south.run_id, "there was no forecast then")
        self.assertAlmostEqual(south.daily_demand, south.sold_90 / 90, places=3)
        day = self.env["dms.stock.health.day"].search([("partner_id", "=", self.distributor_south.id)])
        self.assertEqual(day.date, past)
        self._refresh()
        south.invalidate_recordset()
        self.assertEqual(south.quantity, 400)
        self.assertTrue(south.run_id)

    def test_a_transfer_goes_where_a_plan_would_send_it(self):
        """Lanes, price zones and agreements of the plan decide, and the lane's freight counts."""
        both = self.distributor_north | self.distributor_south
        both.property_product_pricelist = self.pricelist_gold

        def option():
            self._refresh()
            line = self._refresh(1).line_ids
            return line.option_ids.filtered(lambda option: option.kind == "transfer")

        self.assertFalse(option().is_possible, "no lane")
        lane = self.env["dms.transfer.lane"].create({"company_id": self.company.id, "cost_kg": 0.25})
        found = option()
        self.assertTrue(found.is_possible)
        self.assertEqual(found.quantity % 12, 0, "whole packs")
        self.assertAlmostEqual(found.cash, found.line_id.surplus_value - 0.25 * found.quantity, 2)
        lane.cost_kg = 1000
        self.assertFalse(option().is_possible, "the freight is more than the goods are worth")
        lane.cost_kg = 0.25
        self.distributor_south.property_product_pricelist = self.env["product.pricelist"].create(
            {"name": "Far"}
        )
        self.assertFalse(option().is_possible, "another price zone")
        self.distributor_south.property_product_pricelist = self.pricelist_gold
        self.agreement_south.action_terminate()
        self.assertFalse(option().is_possible, "no agreement")

    def test_options_are_reckoned_and_traceable(self):
        self.env["dms.transfer.lane"].create({"company_id": self.company.id, "cost_kg": 0.25})
        self._refresh()
        line = self._refresh(1).line_ids
        options = {option.kind: option for option in line.option_ids}
        self.assertEqual(set(options), {"hold", "promote", "transfer", "return"})
        hold = options["hold"]
        self.assertAlmostEqual(hold.days, line.surplus / line.daily_demand, delta=0.1)
        self.assertAlmostEqual(
            hold.cost,
            line.surplus / 2 * line.price_unit * 0.24 * line.surplus / line.daily_demand / 365,
            delta=0.01,
        )
        self.assertAlmostEqual(options["return"].cost, 0.1 * line.surplus_value, delta=0.01)
        # South sells 4 a day and has 100: a month leaves room for a few
        self.assertGreater(options["transfer"].quantity, 0)
        best = line.option_ids.filtered("is_best")
        self.assertEqual(best.cost, min(o.cost for o in line.option_ids if o.is_possible))
        self.assertRecordValues(
            line, [{"best_kind": best.kind, "best_cost": best.cost, "best_cash": best.cash}]
        )
        self.assertRecordValues(line.alert_id, [{"cost": best.cost, "cash": best.cash}])
        for option in line.option_ids:
            self.assertTrue(option.words)
        self.assertEqual(line.advice, best.words)

    def test_a_mail_and_an_activity_for_each_alert(self):
        self._refresh()
        alert = self._refresh(1)
        self.assertTrue(alert.to_notify)
        with self.enter_registry_test_mode():
            self.env.ref("dms_forecast.ir_cron_dms_stock_alert").with_user(
                self.env.ref("base.user_root")
            ).method_direct_trigger()
        alert.invalidate_recordset()
        self.assertFalse(alert.to_notify)
        self.assertEqual(alert.activity_ids.user_id, self.user_channel)
        message = alert.message_ids.filtered(lambda m: m.partner_ids)
        self.assertEqual(message.partner_ids, self.clerk_north.partner_id | self.user_channel.partner_id)
        self.assertIn("Tea", message.body)
        self._refresh(2)
        self.assertFalse(alert.to_notify, "nothing new")

    def test_each_sees_its_own_and_nobody_edits(self):
        self._set_stock(self.distributor_south, self.product_tea, 2500)
        self._refresh()
        self._refresh(1)
        models = ("dms.stock.alert", "dms.stock.alert.line", "dms.stock.alert.option", "dms.stock.health.day")
        for model in models:
            mine = self.env[model].with_user(self.clerk_north).search([])
            self.assertTrue(mine, model)
            self.assertEqual(mine.sudo().partner_id, self.distributor_north, model)
            self.assertFalse(self.env[model].with_user(self.clerk_outlet).search([]), model)
            with self.assertRaises(AccessError, msg=model):
                mine.write({"partner_id": self.distributor_south.id})
            mine.mapped("display_name")
        alert = self.Alert.with_user(self.clerk_north).search([])
        self.assertTrue(
            alert.reason and alert.open_line_ids.advice and alert.open_line_ids.option_ids[0].words
        )
        with self.assertRaisesRegex(UserError, "follows the stock"):
            self.Alert.with_user(self.user_channel).search([])[0].state = "closed"
        other = self.env["res.company"].sudo().create({"name": "Other"})
        stranger = self._create_staff("stranger", "dms_channel.dms_channel_group_manager")
        stranger.write({"company_ids": [Command.set(other.ids)], "company_id": other.id})
        for model in models:
            self.assertFalse(self.env[model].with_user(stranger).search([]), model)

    def test_queries_do_not_grow_with_alerts(self):
        def count():
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            self.env["dms.stock.health"]._refresh(self.company)
            return self.env.cr.sql_log_count - before

        self._refresh(-1)
        self._refresh()
        few = count()
        products = self.env["product.product"].create(
            [{"name": f"Slow {n}", "is_storable": True, "list_price": 3.0} for n in range(30)]
        )
        self.env["dms.channel.move"].sudo().create(
            [
                self._move_vals(
                    "sell_in", self.distributor_north, product, 50, self.today - timedelta(days=90)
                )
                for product in products
            ]
        )
        self._refresh(-1)
        self.env.cr.execute("UPDATE dms_stock_health SET below_since = below_since - 1")
        self.env.invalidate_all()
        first = count()
        self.assertEqual(len(self.Alert.search([("state", "=", "open")]).line_ids), 31)
        self.assertLessEqual(first, few + 10, "a few more for what is new, not one for each")
        self.assertLessEqual(count(), few)
