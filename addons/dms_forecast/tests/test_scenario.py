from datetime import timedelta

from freezegun import freeze_time

from odoo import SUPERUSER_ID
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Command
from odoo.tests import HttpCase, new_test_user, tagged

from .common import DmsForecastCommon


class ScenarioCommon(DmsForecastCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.Rule = cls.env["dms.replenishment.rule"]
        cls.Rule.search([]).active = False
        cls.rule = cls.Rule.create(
            {
                "name": "Weekly",
                "company_id": cls.company.id,
                "lead_days": 5,
                "review_days": 7,
                "target_days": 21,
                "service_level": 95,
            }
        )
        cls._set_stock(cls.distributor_north, cls.product_tea, 150)
        cls._set_stock(cls.distributor_north, cls.product_chips, 40)
        cls._set_stock(cls.distributor_south, cls.product_tea, 60)
        cls.forecast_run = cls._forecast()
        cls.Scenario = cls.env["dms.forecast.scenario"].with_user(cls.user_manager)

    def _scenario(self, **values):
        return self.Scenario.create({"name": "Try", "company_id": self.company.id, **values})

    def _line(self, scenario, partner, product):
        return scenario.line_ids.filtered(
            lambda line: line.partner_id == partner and line.product_id == product
        )

    def _needs(self):
        """What the next review would say, by distributor and product."""
        proposals = self.env["dms.replenishment.proposal"]
        rules = self.Rule._get_rules(self.company)
        run = self.env["dms.forecast.run"]._get_current(self.company)
        rows = proposals._read_rows(self.company, run, None)
        leads = proposals._get_lead_times(self.company)
        agreements = proposals._get_agreements(self.distributor_north | self.distributor_south, self.company)
        return {
            (partner_id, need["product_id"]): need
            for rule, part in rules._match_rows(rows, agreements).items()
            for partner_id, need in proposals._get_needs(
                rule, part, proposals._get_rule_leads(self.company, rule, leads), set()
            )
        }


@tagged("post_install", "-at_install")
class TestScenario(ScenarioCommon):
    def test_a_longer_delivery_before_and_after(self):
        scenario = self._scenario(kind="lead", lead_change=7)
        scenario.action_compute()
        self.assertRecordValues(
            scenario, [{"state": "computed", "run_id": self.forecast_run.id, "line_count": 3}]
        )
        needs = self._needs()
        for line in scenario.line_ids:
            need = needs[line.partner_id.id, line.product_id.id]
            self.assertAlmostEqual(line.reorder_point_before, need["reorder_point"], 3)
            self.assertAlmostEqual(line.order_up_to_before, need["order_up_to"], 3)
            self.assertGreater(line.reorder_point_after, line.reorder_point_before)
            self.assertGreater(line.cash_after, line.cash_before)
        self.assertEqual(self.rule.lead_days, 5, "computing changes nothing")
        for name in ("stock_value", "cash", "order_value", "lost_value"):
            for when in ("before", "after"):
                self.assertAlmostEqual(
                    scenario[f"{name}_{when}"], sum(scenario.line_ids.mapped(f"{name}_{when}")), 2
                )
            self.assertAlmostEqual(
                scenario[f"{name}_change"], scenario[f"{name}_after"] - scenario[f"{name}_before"], 2
            )
        self.assertGreater(scenario.cash_change, 0)

    def test_applied_to_the_rule_it_is_what_the_next_review_says(self):
        scenario = self._scenario(kind="lead", lead_change=7)
        scenario.action_compute()
        scenario.action_apply()
        self.assertEqual(self.rule.lead_days, 12)
        self.assertRecordValues(
            scenario, [{"state": "applied", "rule_ids": self.rule.ids, "applied_by_id": self.user_manager.id}]
        )
        needs = self._needs()
        for line in scenario.line_ids:
            need = needs[line.partner_id.id, line.product_id.id]
            self.assertAlmostEqual(line.reorder_point_after, need["reorder_point"], 3)
            self.assertAlmostEqual(line.order_up_to_after, need["order_up_to"], 3)
        body = scenario.message_ids[0].body
        self.assertIn("5 → 12", body)
        self.assertIn(f'data-oe-id="{self.rule.id}"', body)
        self.assertEqual(self.rule.lead_since, self.today)
        with self.assertRaisesRegex(UserError, "already applied"):
            scenario.action_apply()
        self.assertEqual(self.rule.lead_days, 12, "once")
        scenario.action_revert()
        self.assertRecordValues(self.rule, [{"lead_days": 5, "lead_since": False}])
        self.assertEqual(scenario.state, "cancelled")
        with self.assertRaisesRegex(UserError, "on file"):
            scenario.action_draft()

    def test_days_are_added_to_deliveries_that_are_known(self):
        """Deliveries took two days: a week longer are nine, whatever the rule supposed, and old ones count no more."""
        for _each in range(20):
            order = self._create_order(self.distributor_north, [(self.product_tea, 12, 1.0)])
            order.action_confirm()
            for move in order.picking_ids.move_ids:
                move.write({"quantity": move.product_uom_qty, "picked": True})
            order.picking_ids.button_validate()
            order.date_order = order.date_order - timedelta(days=2)
            order.picking_ids._dms_sign_receipt("Ann", None)
        self.env.flush_all()
        was = self._needs()[self.distributor_north.id, self.product_tea.id]
        self.assertLess(was["lead_days"], 3)
        scenario = self._scenario(
            kind="lead", lead_change=7, partner_ids=[Command.set(self.distributor_north.ids)]
        )
        scenario.action_compute()
        self.assertIn("2 days so far, 9 from now on", scenario.effect_note)
        scenario.action_apply()
        self.assertRecordValues(scenario.rule_ids, [{"lead_days": 9, "lead_since": self.today}])
        need = self._needs()[self.distributor_north.id, self.product_tea.id]
        self.assertEqual(need["lead_days"], 9)
        line = self._line(scenario, self.distributor_north, self.product_tea)
        self.assertAlmostEqual(line.reorder_point_before, was["reorder_point"], 3)
        self.assertAlmostEqual(line.reorder_point_after, need["reorder_point"], 3)

    def test_another_service_level_also_of_a_rule_by_cost(self):
        self.rule.write({"service_mode": "cost", "under_cost": 20, "over_cost": 5})
        scenario = self._scenario(kind="service", service_level=98)
        scenario.action_compute()
        self.assertGreater(scenario.stock_value_after, scenario.stock_value_before)
        self.assertGreaterEqual(scenario.fill_rate_after, scenario.fill_rate_before)
        scenario.action_apply()
        self.assertRecordValues(self.rule, [{"service_mode": "level", "service_level": 98}])
        self.rule.service_level = 97
        with self.assertRaisesRegex(UserError, "Weekly was changed after"):
            scenario.action_revert()
        self.rule.service_level = 98
        scenario.action_revert()
        self.assertRecordValues(self.rule, [{"service_mode": "cost", "service_level": 95}])

    def test_a_part_of_the_scope_gets_a_rule_of_its_own(self):
        other = self.Rule.create({"name": "All", "company_id": self.company.id, "sequence": 10})
        foreign = self.Rule.create({"name": "Common", "sequence": 10})
        order = self.Rule._get_rules(self.company)
        scenario = self._scenario(
            kind="lead", lead_change=3, partner_ids=[Command.set(self.distributor_north.ids)]
        )
        scenario.action_compute()
        self.assertEqual(scenario.line_count, 2)
        scenario.action_apply()
        made = scenario.rule_ids
        self.assertRecordValues(
            made, [{"lead_days": 8, "partner_ids": self.distributor_north.ids, "name": "Weekly: Try"}]
        )
        self.assertEqual(self.rule.lead_days, 5)
        self.assertEqual(self.Rule._get_rules(self.company), made | self.rule | other | foreign)
        self.assertEqual(order, self.rule | other | foreign)
        needs = self._needs()
        for line in scenario.line_ids:
            need = needs[line.partner_id.id, line.product_id.id]
            self.assertEqual(need["rule_id"], made.id)
            self.assertAlmostEqual(line.reorder_point_after, need["reorder_point"], 3)
        self.assertEqual(needs[self.distributor_south.id, self.product_tea.id]["rule_id"], self.rule.id)
        scenario.action_revert()
        self.assertFalse(made.active)
        self.assertEqual(self.Rule._get_rules(self.company), order)

    def test_a_common_rule_is_not_changed_for_other_companies(self):
        self.env["res.company"].create({"name": "Sister"})
        self.rule.company_id = False
        scenario = self._scenario(kind="lead", lead_change=3)
        scenario.action_compute()
        scenario.action_apply()
        self.assertEqual(self.rule.lead_days, 5)
        self.assertRecordValues(scenario.rule_ids, [{"lead_days": 8, "company_id": self.company.id}])

    def test_categories_narrow_a_rule_to_what_both_hold(self):
        tea, chips = self.product_tea.categ_id, self.product_chips.categ_id
        self.rule.categ_ids = tea | chips
        scope = self.rule._get_narrower(self.company, self.env["res.partner"], tea)
        self.assertEqual(scope["categ_ids"], [Command.set(tea.ids)])
        self.assertFalse(self.rule._get_narrower(self.company, self.env["res.partner"], tea | chips))

    def test_a_promotion_becomes_overrides_of_the_next_forecast(self):
        begin, end = self.today + timedelta(days=7), self.today + timedelta(days=13)
        scenario = self._scenario(
            kind="promotion",
            date_from=begin,
            date_to=end,
            discount=20,
            effect_basis="typed",
            typed_percent=50,
            partner_ids=[Command.set(self.distributor_north.ids)],
            product_ids=[Command.set(self.product_tea.ids)],
        )
        scenario.action_compute()
        line = scenario.line_ids
        self.assertRecordValues(
            line, [{"partner_id": self.distributor_north.id, "product_id": self.product_tea.id}]
        )
        self.assertGreater(line.demand_after, line.demand_before + 20)
        self.assertGreater(line.reorder_point_after, line.reorder_point_before)
        self.assertIn("Typed in", scenario.effect_note)
        self.assertFalse(scenario.override_ids)
        scenario.action_apply()
        self.assertRecordValues(
            scenario.override_ids,
            [
                {
                    "partner_id": self.distributor_north.id,
                    "product_id": self.product_tea.id,
                    "date_from": begin,
                    "date_to": end,
                    "percent": 50,
                    "reason": "Promotion: Try",
                    "company_id": self.company.id,
                }
            ],
        )
        was = self._series(self.forecast_run, self.distributor_north, self.product_tea)
        now = self._series(self._forecast(), self.distributor_north, self.product_tea)
        self.assertAlmostEqual(
            now.total - was.total, line.demand_after - line.demand_before, delta=0.15 * was.total
        )
        self.assertGreater(now.total, was.total)
        self.assertIn("take this back then", scenario.message_ids[0].body)
        scenario.action_revert()
        self.assertFalse(scenario.override_ids.filtered("active"))
        self.assertFalse(scenario.event_id, "it was of one distributor only")
        again = self._series(self._forecast(), self.distributor_north, self.product_tea)
        self.assertAlmostEqual(again.total, was.total, 3)

    def test_no_series_is_changed_twice(self):
        parent = self.env["product.category"].create({"name": "Drinks"})
        below = self.env["product.category"].create({"name": "Tea", "parent_id": parent.id})
        self.product_tea.categ_id = below
        scenario = self._scenario(
            kind="price",
            price_percent=10,
            date_from=self.today,
            date_to=self.today + timedelta(days=30),
            categ_ids=[Command.set((parent | below).ids)],
            product_ids=[Command.set((self.product_tea | self.product_chips).ids)],
        )
        self.assertEqual(
            scenario._get_targets(), [{"categ_id": parent.id}, {"product_id": self.product_chips.id}]
        )

    def test_a_price_by_the_elasticity_of_the_settings_or_of_the_past(self):
        self.company.dms_promo_elasticity = 2
        scenario = self._scenario(
            kind="price",
            price_percent=25,
            date_from=self.today,
            date_to=self.today + timedelta(days=120),
        )
        scenario.action_compute()
        self.assertAlmostEqual(scenario.effect_percent, 100 * (1.25**-2 - 1), 3)
        self.assertIn("settings", scenario.effect_note)
        self.assertLess(
            sum(scenario.line_ids.mapped("demand_after")), sum(scenario.line_ids.mapped("demand_before"))
        )
        # a year in which every fifth week is a tenth cheaper and sells a fifth more, and one distributor that never is
        self.env["dms.channel.move"].sudo().create(
            [
                self._move_vals(
                    "sell_out", partner, product, -quantity, self.today - timedelta(days=7 * week + 3)
                )
                | {"price_unit": price, "amount": -quantity * price}
                for week in range(52)
                for number, (partner, product) in enumerate(
                    (
                        (self.distributor_north, self.product_tea),
                        (self.distributor_north, self.product_chips),
                        (self.distributor_south, self.product_tea),
                    )
                )
                for cheap in [(week + 2 * number) % 5 == 0]
                for price in [9.0 if cheap else 10.0]
                for quantity in [1200 if cheap else 1000]
            ]
        )
        scenario.action_compute()
        self.assertIn("Learnt", scenario.effect_note)
        self.assertAlmostEqual(scenario.effect_percent, 100 * (1.25**-1.73 - 1), delta=6)

    def test_a_programme_fills_in_the_question(self):
        program = (
            self.env["loyalty.program"]
            .with_user(SUPERUSER_ID)
            .create(
                {
                    "name": "Tea month",
                    "program_type": "promotion",
                    "company_id": self.company.id,
                    "date_from": self.today + timedelta(days=5),
                    "date_to": self.today + timedelta(days=20),
                    "rule_ids": [Command.create({"product_ids": [Command.set(self.product_tea.ids)]})],
                    "reward_ids": [
                        Command.create(
                            {"reward_type": "discount", "discount": 15, "discount_mode": "percent"}
                        )
                    ],
                }
            )
        )
        scenario = self._scenario(kind="promotion", program_id=program.id)
        self.assertRecordValues(
            scenario,
            [
                {
                    "date_from": self.today + timedelta(days=5),
                    "date_to": self.today + timedelta(days=20),
                    "discount": 15,
                    "product_ids": self.product_tea.ids,
                }
            ],
        )
        scenario.action_compute()
        self.assertEqual(scenario.line_ids.product_id, self.product_tea)
        self.assertGreater(scenario.effect_percent, 0)
        scenario.action_apply()
        event = scenario.event_id
        self.assertRecordValues(event, [{"program_id": program.id, "active": False, "discount": 15}])
        self._forecast()  # which loads programmes
        self.assertFalse(event.active, "it is counted once")
        with freeze_time(self.today + timedelta(days=25)):
            self.env["dms.forecast.scenario"]._show_past_promotions()
        self.assertTrue(event.active, "the engine learns from what is over")
        self.assertEqual(scenario.copy().program_id, program)
        with self.assertRaisesRegex(UserError, "stands in the calendar"):
            scenario.copy().action_compute()

    def test_old_results_are_refused(self):
        scenario = self._scenario(kind="lead", lead_change=7)
        scenario.action_compute()
        self.rule.target_days = 28
        self.assertTrue(scenario.is_stale)
        with self.assertRaisesRegex(UserError, "rules were changed.*Compute Try again"):
            scenario.action_apply()
        scenario.action_compute()
        self.assertFalse(scenario.is_stale)
        self._forecast()
        scenario.invalidate_recordset(["is_stale"])
        self.assertTrue(scenario.is_stale)
        with self.assertRaisesRegex(UserError, "newer forecast"):
            scenario.action_apply()
        scenario.action_compute()
        scenario.action_apply()
        self.assertEqual(self.rule.lead_days, 12)

    def test_another_question_drops_the_answer(self):
        scenario = self._scenario(kind="lead", lead_change=7)
        scenario.action_compute()
        scenario.name = "Only the name"
        self.assertEqual(scenario.state, "computed")
        scenario.lead_change = 3
        self.assertRecordValues(scenario, [{"state": "draft", "line_ids": [], "run_id": False}])
        with self.assertRaisesRegex(UserError, "Compute .* first"):
            scenario.action_apply()
        scenario.action_compute()
        scenario.action_apply()
        with self.assertRaisesRegex(UserError, "closed"):
            scenario.lead_change = 4
        with self.assertRaisesRegex(UserError, "in force"):
            scenario.unlink()
        with self.assertRaisesRegex(UserError, "in force"):
            scenario.action_cancel()
        copy = scenario.copy()
        self.assertRecordValues(
            copy, [{"name": "Only the name (copy)", "state": "draft", "applied": False, "rule_ids": []}]
        )

    def test_bad_questions_get_a_sentence(self):
        soon = {"date_from": self.today + timedelta(days=1), "date_to": self.today + timedelta(days=5)}
        for values, sentence in (
            ({"kind": "lead"}, "changes nothing"),
            ({"kind": "lead", "lead_change": -6}, "can't be 6 days shorter"),
            (
                {"kind": "lead", "lead_change": 2, "product_ids": self.product_tea.ids},
                "not for single products",
            ),
            ({"kind": "promotion", "discount": 10}, "both days are needed"),
            ({"kind": "promotion", **soon}, "how deep"),
            ({"kind": "price", **soon}, "changes nothing"),
            ({"kind": "price", "price_percent": 5, "effect_basis": "typed", **soon}, "changes nothing"),
            (
                {
                    "kind": "promotion",
                    "discount": 10,
                    "date_from": self.today - timedelta(days=3),
                    "date_to": self.today,
                },
                "in the past",
            ),
            (
                {
                    "kind": "promotion",
                    "discount": 10,
                    "date_from": self.today + timedelta(days=200),
                    "date_to": self.today + timedelta(days=210),
                },
                "Look further ahead",
            ),
            (
                {
                    "kind": "lead",
                    "lead_change": 2,
                    "categ_ids": self.env["product.category"].create({"name": "Empty"}).ids,
                },
                "none of these products",
            ),
        ):
            with self.assertRaisesRegex(UserError, sentence):
                self._scenario(**values).action_compute()
        for values, sentence in (
            ({"kind": "service", "service_level": 0}, "from 50 to 99.9"),
            ({"kind": "service", "service_level": 100}, "from 50 to 99.9"),
            ({"kind": "price", "price_percent": -100}, "-90 to 300"),
            ({"kind": "promotion", "discount": 100}, "0 to 99"),
            ({"typed_percent": 2000}, "-100 to 1000"),
            ({"date_from": self.today, "date_to": self.today - timedelta(days=1)}, "before it begins"),
        ):
            with self.assertRaisesRegex(ValidationError, sentence):
                self._scenario(**values)

    def test_without_a_forecast_or_a_rule_it_says_what_to_do(self):
        scenario = self._scenario(kind="lead", lead_change=7)
        self.rule.active = False
        with self.assertRaisesRegex(UserError, "active agreement"):
            scenario.action_compute()
        self.forecast_run.is_current = False
        with self.assertRaisesRegex(UserError, "no finished forecast"):
            scenario.action_compute()

    def test_the_same_number_of_queries_for_many_series(self):
        scenario = self._scenario(kind="lead", lead_change=7)

        def count():
            self.env.invalidate_all()
            begin = self.env.cr.sql_log_count
            scenario.action_compute()
            self.env.flush_all()
            return self.env.cr.sql_log_count - begin

        count()
        few = count()
        products = self.env["product.product"].create(
            [
                {"name": f"Tea {i}", "is_storable": True, "categ_id": self.product_tea.categ_id.id}
                for i in range(30)
            ]
        )
        for product in products:
            self._sell(self.distributor_north, product, 5, days=60)
        self._forecast()
        count()  # what new products made the server forget is read again
        many = count()
        self.assertEqual(scenario.line_count, 33)
        self.assertLessEqual(many, few)


@tagged("post_install", "-at_install")
class TestScenarioAccess(ScenarioCommon):
    def test_a_user_may_compute_and_a_manager_applies(self):
        scenario = self._scenario(kind="lead", lead_change=7).with_user(self.user_channel)
        scenario.action_compute()
        self.assertEqual(scenario.state, "computed")
        with self.assertRaisesRegex(AccessError, "Only managers"):
            scenario.action_apply()
        scenario.with_user(self.user_manager).action_apply()
        with self.assertRaisesRegex(AccessError, "Only managers"):
            scenario.action_revert()
        with self.assertRaises(AccessError):
            scenario.unlink()

    def test_results_are_not_written_by_hand(self):
        scenario = self._scenario(kind="lead", lead_change=7)
        for vals in ({"state": "applied"}, {"cash_after": 1.0}, {"applied": []}, {"rules_hash": "x"}):
            for scenario_of in (scenario, scenario.sudo(), scenario.with_context(dms_guarded_write=True)):
                with self.assertRaisesRegex(AccessError, "are computed"):
                    scenario_of.write(vals)
        with self.assertRaisesRegex(AccessError, "are computed"):
            self._scenario(state="computed")

    def test_other_companies_and_the_portal_see_nothing(self):
        scenario = self._scenario(kind="lead", lead_change=7)
        scenario.action_compute()
        sister = self.env["res.company"].create({"name": "Sister"})
        foreign = new_test_user(
            self.env,
            "scenario_sister",
            groups="dms_channel.dms_channel_group_manager",
            company_id=sister.id,
            company_ids=sister.ids,
        )
        for model in ("dms.forecast.scenario", "dms.forecast.scenario.line"):
            self.assertFalse(self.env[model].with_user(foreign).search_count([]))
        for action in ("action_compute", "action_apply", "action_revert", "action_cancel"):
            with self.assertRaises(AccessError):
                getattr(scenario.with_user(foreign), action)()
        with self.assertRaises(AccessError):
            self.Scenario.with_user(foreign).create({"name": "Theirs", "company_id": self.company.id})
        portal = new_test_user(self.env, "scenario_portal", groups="base.group_portal")
        with self.assertRaises(AccessError):
            scenario.with_user(portal).read(["name"])
        with self.assertRaises(AccessError):
            scenario.line_ids.with_user(portal).read(["cash_after"])


@tagged("post_install", "-at_install")
class TestScenarioTour(ScenarioCommon, HttpCase):
    def test_a_longer_delivery_in_the_browser(self):
        self.start_tour(
            "/odoo/action-dms_forecast.dms_forecast_scenario_action",
            "dms_scenario_longer_delivery",
            login=self.user_manager.login,
        )
        self.env.invalidate_all()
        self.assertEqual(self.rule.lead_days, 12)
