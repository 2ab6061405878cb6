from datetime import timedelta

from odoo import fields
from odoo.exceptions import ValidationError
from odoo.fields import Command
from odoo.tests import tagged

from odoo.addons.dms_channel.tests.common import DmsChannelCommon


@tagged("post_install", "-at_install")
class TestOrderRuleKinds(DmsChannelCommon):
    """The channel policy, one sentence per rule, and what becomes of an order under it.

    The credit limit of the agreements is 100,000 here, so that it stops nothing by itself.
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for agreement in cls.agreement_north + cls.agreement_south:
            agreement.action_terminate()
            cls._create_agreement(
                agreement.partner_id,
                agreement.territory_ids,
                credit_limit=100000.0,
                date_start=fields.Date.today(),
            )

    def _rule(self, **values):
        return self.env["dms.order.rule"].create({"name": "The rule", "sequence": 5, **values})

    def _decide(self, lines, partner=None, **values):
        """Confirm an order and answer it; ``lines`` as for ``_create_order``."""
        order = self._create_order(partner or self.distributor_north, lines, **values)
        order.action_confirm()
        return order

    def _assert_goes_through(self, order):
        self.assertEqual((order.dms_state, order.state), ("approved", "sale"), order.dms_reason)

    def _assert_held(self, order, *words, state="held"):
        self.assertEqual(order.dms_state, state)
        self.assertEqual(order.state, "draft")
        for word in words:
            self.assertIn(word, order.dms_reason)

    def _report_sales(self, product, quantity, days_ago=10, partner=None):
        """The distributor's shops bought ``quantity``."""
        self._move("sell_out", product, -quantity, days_ago, partner)

    def _move(self, kind, product, quantity, days_ago, partner=None):
        self.env["dms.channel.move"].sudo().create(
            {
                "kind": kind,
                "company_id": self.company.id,
                "partner_id": (partner or self.distributor_north).id,
                "product_id": product.id,
                "date": fields.Date.today() - timedelta(days=days_ago),
                "quantity": quantity,
            }
        )

    # Credit

    def test_credit_exposure_shows_what_was_delivered_but_not_invoiced_apart(self):
        limited = self._create_distributor("Limited", "D-LIM", "1200")
        self._create_agreement(limited, self.territory_north, credit_limit=1000.0)
        delivered = self._decide([(self.product_tea, 30, 10.0)], limited)
        delivered.picking_ids.move_ids.write({"quantity": 20, "picked": True})
        delivered.picking_ids._action_done()
        order = self._decide([(self.product_tea, 80, 10.0)], limited)
        self._assert_held(
            order, "deliveries not invoiced", "200.00", "confirmed orders", "100.00", "1,100.00"
        )
        figures = order.dms_check_ids.filtered(lambda check: check.kind == "credit_limit").figures
        self.assertEqual(
            {name: figures[name] for name in ("unpaid", "delivered", "open_orders", "order", "exposure")},
            {"unpaid": 0, "delivered": 200, "open_orders": 100, "order": 800, "exposure": 1100},
        )

    def test_distributor_with_too_few_points_waits(self):
        self._rule(kind="standing", points_min=50)
        self._assert_held(self._decide(None), "Only 0 credit points, where 50 are asked for")
        rule = self.env["dms.credit.rule"].search([], limit=1)
        self.env["dms.credit.entry"].create(
            {"partner_id": self.distributor_north.id, "points": 60, "rule_id": rule.id, "note": "Good year"}
        )
        self._assert_goes_through(self._decide(None))

    def test_distributor_below_the_lowest_grade_waits(self):
        silver, bronze = self.env["res.partner.grade"].create(
            [{"name": "Silber", "sequence": 20}, {"name": "Bronze", "sequence": 30}]
        )
        self._rule(kind="standing", grade_min_id=silver.id)
        self._assert_held(self._decide(None), "The grade is none, where at least Silber is asked for")
        self.distributor_north.grade_id = bronze
        self._assert_held(self._decide(None), "The grade is Bronze")
        self.distributor_north.grade_id = silver
        self._assert_goes_through(self._decide(None))

    # What is sold where

    def test_goods_for_a_shop_must_be_covered_for_the_shops_territory(self):
        newcomer = self._create_distributor("Newcomer", "D-NEW", "1500")
        self._create_agreement(
            newcomer,
            self.territory_north,
            line_ids=[
                Command.create(
                    {
                        "territory_id": self.territory_north.id,
                        "categ_ids": [Command.set(self.categ_drinks.ids)],
                    }
                ),
                Command.create(
                    {
                        "territory_id": self.territory_south.id,
                        "categ_ids": [Command.set(self.categ_snacks.ids)],
                    }
                ),
            ],
        )
        both = [(self.product_tea, 12, None), (self.product_chips, 12, None)]
        shop = self.outlet.copy({"name": "Shop in the North", "upstream_id": newcomer.id})
        self._assert_goes_through(self._decide(both, newcomer))
        order = self._decide(both, newcomer, partner_shipping_id=shop.id)
        self._assert_held(order, "does not cover [CHIPS] Chips for Country / North")

    # Amount and quantity

    def test_amount_has_a_smallest_and_a_largest_value(self):
        self._rule(kind="amount", amount_min=100.0, amount_max=500.0)
        self._assert_held(self._decide([(self.product_tea, 9, 10.0)]), "between", "100.00", "500.00", "90.00")
        self._assert_goes_through(self._decide([(self.product_tea, 10, 10.0)]))
        self._assert_goes_through(self._decide([(self.product_tea, 50, 10.0)]))
        self._assert_held(self._decide([(self.product_tea, 51, 10.0)]), "510.00")

    def test_amount_of_a_line_is_bounded(self):
        self._rule(kind="amount", scope="line", amount_max=100.0)
        self._assert_goes_through(self._decide([(self.product_tea, 10, 10.0), (self.product_tea, 10, 10.0)]))
        self._assert_held(self._decide([(self.product_tea, 11, 10.0)]), "[TEA] Tea", "110.00")

    def test_quantity_of_a_product_is_bounded_over_all_its_lines(self):
        self._rule(kind="quantity", scope="product", quantity_max=24, categ_ids=self.categ_drinks.ids)
        self._assert_goes_through(
            self._decide([(self.product_tea, 24, None), (self.product_chips, 99, None)])
        )
        order = self._decide([(self.product_tea, 13, None), (self.product_tea, 12, None)])
        self._assert_held(order, "at most 24 units", "[TEA] Tea: 25 units")

    def test_quantity_may_be_counted_in_cases(self):
        self._rule(kind="quantity", scope="line", quantity_min=2, in_cases=True)
        self._assert_held(self._decide([(self.product_tea, 12, None)]), "at least 2 cases", "1 cases")
        self._assert_goes_through(self._decide([(self.product_tea, 24, None)]))

    def test_loose_units_are_refused_where_only_whole_cases_are_sold(self):
        self._rule(kind="quantity_case", outcome="refuse", product_ids=self.product_tea.ids)
        self._assert_goes_through(self._decide([(self.product_tea, 24, None), (self.product_chips, 7, None)]))
        order = self._decide([(self.product_tea, 18, None)])
        self._assert_held(order, "[TEA] Tea: 18 Units in cases of 12", state="refused")

    # Price

    def test_price_far_below_the_customers_price_list_waits(self):
        self.distributor_north.grade_id = self.grade_gold
        self.distributor_north.specific_property_product_pricelist = self.pricelist_gold
        self._rule(kind="price", price_percent=5.0)
        self._assert_goes_through(self._decide([(self.product_tea, 12, None)]))
        self._assert_goes_through(self._decide([(self.product_tea, 12, 8.55)]))
        order = self._decide([(self.product_tea, 12, 8.54)])
        self._assert_held(order, "More than 5 % below the price list", "8.54", "9.00")

    def test_cheaper_price_list_on_the_order_does_not_get_around_the_guidance(self):
        self._rule(kind="price")
        cheap = self.env["product.pricelist"].create(
            {
                "name": "Cheap",
                "item_ids": [
                    Command.create({"compute_price": "fixed", "fixed_price": 1.0, "applied_on": "3_global"})
                ],
            }
        )
        self._assert_held(self._decide(None, pricelist_id=cheap.id), "1.00", "instead of", "10.00")

    def test_price_far_below_the_guidance_retail_price_waits(self):
        self.env["dms.guidance.price"].create(
            {
                "product_id": self.product_tea.id,
                "territory_id": self.territory_country.id,
                "date_from": "2020-01-01",
                "price_min": 15.0,
                "price_recommended": 20.0,
                "price_max": 25.0,
            }
        )
        self._rule(kind="price", price_basis="guidance", price_percent=40)
        self._assert_held(
            self._decide([(self.product_tea, 12, 11.0), (self.product_chips, 12, 0.1)]),
            "More than 40 % below the guidance retail price: [TEA] Tea at",
            "11.00 instead of",
            "(45 % below)",
        )
        self._assert_goes_through(self._decide([(self.product_tea, 12, 12.0)]))

    # Earlier orders

    def test_first_order_is_looked_at(self):
        self._rule(kind="first_order")
        first = self._decide(None)
        self._assert_held(first, "This is the first order")
        first.with_user(self.user_manager)._dms_release("Welcome")
        self._assert_goes_through(self._decide(None))
        self._assert_held(self._decide(None, self.distributor_south), "first order")

    def test_unusually_large_order_waits(self):
        self._rule(kind="usual_size", history_min=4, spread_factor=3)
        for quantity in (90, 100, 110, 100):
            self._assert_goes_through(self._decide([(self.product_tea, quantity, 1.0)]))
        # Median 100; the spread of 1.4826 x 5 is below the least one of 10: up to 130 is usual.
        self._assert_held(self._decide([(self.product_tea, 131, 1.0)]), "unusually large", "100.00", "130.00")
        self._assert_goes_through(self._decide([(self.product_tea, 130, 1.0)]))

    def test_rule_on_the_usual_size_says_what_happens_while_too_little_is_known(self):
        rule = self._rule(kind="usual_size", history_min=4)
        self._assert_goes_through(self._decide([(self.product_tea, 500, 1.0)]))
        rule.unknown_policy = "stop"
        self._assert_held(self._decide(None), "it takes 4 to know the usual size")

    # The stuffing guard

    def test_order_that_stuffs_the_channel_waits(self):
        """2 a day are sold; 60 in stock and 48 ordered last 54 days, 60 ordered would last 60."""
        self._rule(kind="cover", cover_days=55, demand_days=60)
        self._move("sell_in", self.product_tea, 180, 90)
        self._report_sales(self.product_tea, 120)
        self._assert_held(
            self._decide([(self.product_tea, 60, 1.0)]),
            "longer than 55 days",
            "[TEA] Tea 60 days",
            "60 in stock",
            "60 with this order",
            "2 sold a day",
        )
        self._assert_goes_through(self._decide([(self.product_tea, 48, 1.0)]))

    def test_stuffing_guard_counts_what_is_on_order_already(self):
        self._rule(kind="cover", cover_days=55, demand_days=60)
        self._move("sell_in", self.product_tea, 180, 90)
        self._report_sales(self.product_tea, 120)
        orders = self._create_order(self.distributor_north, [(self.product_tea, 40, 1.0)])
        orders += self._create_order(self.distributor_north, [(self.product_tea, 40, 1.0)])
        orders.action_confirm()
        self.assertEqual(orders.mapped("dms_state"), ["approved", "held"], "confirmed together")
        orders[1].action_confirm()
        self._assert_held(orders[1], "40 on order")

    def test_product_that_nobody_buys_is_no_reason_to_order_more(self):
        self._rule(kind="cover", cover_days=200)
        self._move("sell_in", self.product_tea, 100, 90)
        self._move("sell_in", self.product_chips, 100, 90)
        self._report_sales(self.product_chips, 50)
        self._assert_held(self._decide([(self.product_tea, 12, 1.0)]), "over 998 days", "0 sold a day")

    def test_stuffing_guard_says_what_happens_when_no_sales_are_reported(self):
        rule = self._rule(kind="cover")
        self._move("sell_in", self.product_tea, 100, 90)
        self._assert_goes_through(self._decide([(self.product_tea, 12, 1.0)]))
        rule.unknown_policy = "stop"
        self._assert_held(self._decide([(self.product_tea, 12, 1.0)]), "Nothing is known of the sell-through")

    def test_stuffing_guard_says_what_happens_to_new_products(self):
        rule = self._rule(kind="cover")
        self._assert_goes_through(self._decide([(self.product_tea, 1200, 1.0)]))
        rule.new_policy = "stop"
        self._assert_held(self._decide([(self.product_tea, 12, 1.0)]), "New to the distributor: [TEA] Tea")

    # What is left

    def test_any_other_field_of_the_order_can_be_a_reason(self):
        self._rule(kind="domain", order_domain="[('client_order_ref', '=', 'STOP')]")
        self._assert_held(self._decide(None, client_order_ref="STOP"), "matches the condition of rule")
        self._assert_goes_through(self._decide(None, client_order_ref="GO"))

    def test_rule_looks_only_at_the_orders_that_it_concerns(self):
        self._rule(kind="amount", amount_max=1.0, order_domain="[('client_order_ref', '=', 'SAMPLE')]")
        self._assert_goes_through(self._decide(None))
        self._assert_held(self._decide(None, client_order_ref="SAMPLE"), "at most")

    # Approving

    def test_small_order_of_a_trusted_grade_is_not_held_by_the_rules_further_down(self):
        self.distributor_north.grade_id = self.grade_gold
        self._rule(
            name="Small orders of Gold",
            sequence=6,
            kind="amount",
            amount_max=200.0,
            outcome="approve",
            grade_ids=self.grade_gold.ids,
        )
        self._rule(name="Few pieces", sequence=7, kind="quantity", quantity_max=5)
        small = self._decide([(self.product_tea, 12, 10.0)])
        self._assert_goes_through(small)
        self.assertEqual(
            {check.rule_name: check.outcome for check in small.dms_check_ids[:2]},
            {"Small orders of Gold": "approve", "Few pieces": "waived"},
            "what would have held it is kept all the same",
        )
        large = self._decide([(self.product_tea, 30, 10.0)])
        self._assert_held(large, "at most 5 units")
        self.assertEqual(large.dms_check_ids[0].outcome, "skip")
        self._assert_held(self._decide([(self.product_tea, 12, 10.0)], self.distributor_south))

    def test_approval_lifts_neither_refusals_nor_the_holds_of_rules_before_it(self):
        self._rule(name="Trusted", sequence=6, kind="amount", amount_max=500.0, outcome="approve")
        before = self._rule(name="Few pieces", sequence=5, kind="quantity", quantity_max=5)
        self._assert_held(self._decide([(self.product_tea, 12, 10.0)]), "at most 5 units")
        before.write({"sequence": 7, "outcome": "refuse"})
        self._assert_held(self._decide([(self.product_tea, 12, 10.0)]), "at most 5 units", state="refused")

    def test_nothing_is_approved_by_what_is_not_known(self):
        self._rule(name="Usual", sequence=1, kind="usual_size", outcome="approve", unknown_policy="pass")
        self._rule(name="Few pieces", sequence=7, kind="quantity", quantity_max=5)
        self._assert_held(self._decide(None), "at most 5 units")

    # What is kept

    def test_every_rule_leaves_its_finding_in_figures_and_words(self):
        for kind, values in (
            ("overdue", {}),
            ("standing", {"points_min": 1}),
            ("amount", {"amount_max": 1.0}),
            ("quantity", {"quantity_max": 1.0}),
            ("quantity_case", {}),
            ("price", {}),
            ("first_order", {}),
            ("usual_size", {}),
            ("cover", {}),
            ("domain", {"order_domain": "[('id', '<', 0)]"}),
        ):
            self._rule(name=kind, kind=kind, **values)
        order = self._decide([(self.product_tea, 18, 2.0)])
        checks = order.dms_check_ids.filtered(lambda check: check.rule_id.sequence == 5)
        self.assertEqual(len(checks), 10)
        for check in checks:
            self.assertTrue(check.message, check.kind)
            self.assertTrue(check.rule_id.summary.startswith("Distributors and outlets"), check.kind)
            self.assertIsInstance(check.figures, dict)

    def test_each_reader_reads_the_reason_in_its_own_language(self):
        self.env["res.lang"]._activate_lang("zh_CN")
        self.env["ir.module.module"]._load_module_terms(["dms_channel"], ["zh_CN"])
        order = self._decide([(self.product_tea, 18000, 10.0)])
        self.assertIn("credit exposure would be", order.dms_reason)
        chinese = order.with_context(lang="zh_CN").dms_reason
        self.assertIn("信用", chinese)
        self.assertNotIn("credit exposure", chinese)

    def test_history_of_a_deleted_rule_stays_readable(self):
        rule = self._rule(kind="amount", amount_max=1.0, message="Ask your area manager.")
        order = self._decide(None)
        check = order.dms_check_ids.filtered(lambda check: check.rule_id == rule)
        said = check.message
        self.assertIn("Ask your area manager.", said)
        order.order_line.product_uom_qty = 24
        self.assertTrue(check.superseded)
        rule.unlink()
        self.assertEqual(check.message, said)

    # Bad input

    def test_rule_that_makes_no_sense_is_refused_with_a_sentence(self):
        for words, values in (
            ("sets no bound", {"kind": "amount"}),
            (
                "smallest value .* above its largest",
                {"kind": "quantity", "quantity_min": 9, "quantity_max": 8},
            ),
            ("asks for nothing", {"kind": "standing"}),
            ("at least one day of cover", {"kind": "cover", "cover_days": 0}),
            ("at least one month", {"kind": "usual_size", "history_months": 0}),
            ("can't be read as a filter", {"kind": "domain", "order_domain": "[('user_id', '=', uid)]"}),
            ("say which group", {"kind": "first_order", "group_id": False}),
        ):
            with self.subTest(words), self.assertRefused(words, ValidationError):
                self._rule(**values)

    def test_rule_takes_no_records_of_another_company(self):
        other = self.env["res.company"].create({"name": "Other Brand"})
        territory = self.env["dms.territory"].create({"name": "Abroad", "company_id": other.id})
        grade = self.env["res.partner.grade"].create({"name": "Theirs", "company_id": other.id})
        partner = self._create_distributor(
            "Their Trader", "D-X", "1400", company_id=other.id, territory_id=False
        )
        for records in ({"territory_ids": territory}, {"grade_ids": grade}, {"partner_ids": partner}):
            [(name, record)] = records.items()
            with self.subTest(name), self.assertRefused(f"{record.display_name} of Other Brand"):
                self._rule(kind="agreement", company_id=self.company.id, **{name: [Command.set(record.ids)]})

    def test_rules_that_contradict_each_other_are_refused(self):
        domain = "[('client_order_ref', '=', 'VIP')]"
        self._rule(name="VIP passes", kind="domain", order_domain=domain, outcome="approve")
        with self.assertRefused("same condition but not the same outcome", ValidationError):
            self._rule(name="VIP waits", kind="domain", order_domain=domain, outcome="refuse")
        self._rule(name="At least", kind="amount", amount_min=500)
        with self.assertRefused("At least leave nothing that both accept", ValidationError):
            self._rule(name="At most", kind="amount", amount_max=400)
        with self.assertRefused("leave nothing", ValidationError):
            self._rule(name="At most", kind="amount", amount_max=400, partner_ids=self.distributor_north.ids)
        self._rule(name="Cases", kind="quantity_case", outcome="refuse")
        with self.assertRefused("no whole case of", ValidationError):
            self._rule(kind="quantity", scope="line", quantity_max=10, product_ids=self.product_tea.ids)
        self._rule(kind="quantity", scope="line", quantity_max=12, product_ids=self.product_tea.ids)

    def test_rules_for_different_members_do_not_contradict_each_other(self):
        self._rule(name="North", kind="amount", amount_min=500, partner_ids=self.distributor_north.ids)
        self._rule(name="South", kind="amount", amount_max=400, partner_ids=self.distributor_south.ids)
