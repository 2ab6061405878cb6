from odoo import fields
from odoo.exceptions import AccessError, ValidationError
from odoo.fields import Command
from odoo.tests import Form, tagged

from odoo.addons.dms_channel.tests.common import DmsChannelCommon


@tagged("post_install", "-at_install")
class TestOrderRule(DmsChannelCommon):
    """Which orders go through, which wait, and what is said of them."""

    def test_order_within_the_policy_is_approved_by_itself(self):
        order = self._create_order(self.distributor_north)
        order.action_confirm()
        self.assertEqual(order.state, "sale")
        self.assertEqual(order.dms_state, "approved")
        self.assertEqual(set(order.dms_check_ids.mapped("outcome")), {"pass"})
        self.assertIn(
            "stays within the limit of",
            order.dms_check_ids.filtered(lambda c: c.rule_id.kind == "credit_limit").message,
        )
        self.assertFalse(order.dms_reason)

    def test_second_order_over_the_limit_is_held_with_the_reason_and_released(self):
        first = self._create_order(self.distributor_north, [(self.product_tea, 60, 10.0)])
        first.action_confirm()
        second = self._create_order(self.distributor_north, [(self.product_tea, 60, 10.0)])
        self.assertTrue(second.action_confirm())
        self.assertEqual(second.state, "draft", "a held order stays a quotation")
        self.assertEqual(second.dms_state, "held")
        self.assertFalse(second.picking_ids)
        for words in ("confirmed orders", "600.00", "1,200.00", "1,000.00", "200.00"):
            self.assertIn(words, second.dms_reason)
        self.assertIn("over the limit of", second.message_ids[0].body)
        check = second.dms_check_ids.filtered(lambda c: c.outcome == "hold")
        self.assertEqual(check.figures["exposure"], 1200.0)
        self.assertEqual(check.figures["limit"], 1000.0)

        wizard = (
            self.env["dms.order.release"]
            .with_user(self.user_manager)
            .create({"order_ids": [Command.set(second.ids)], "reason": "Bank guarantee received"})
        )
        self.assertIn(second.name, wizard.summary)
        wizard.action_release()
        self.assertRecordValues(
            second,
            [
                {
                    "state": "sale",
                    "dms_state": "released",
                    "dms_released_by": self.user_manager.id,
                    "dms_release_reason": "Bank guarantee received",
                }
            ],
        )
        self.assertTrue(second.picking_ids)
        self.assertIn("Bank guarantee received", "".join(second.message_ids.mapped("body")))

    def test_release_needs_the_right_group_and_a_reason(self):
        order = self._create_order(self.distributor_north, [(self.product_tea, 120, 10.0)])
        order.action_confirm()
        with self.assertRefused("Channel Manager", AccessError):
            order.with_user(self.user_channel)._dms_release("I want to")
        with self.assertRefused("Say why"):
            order.with_user(self.user_manager)._dms_release("  ")
        self.assertEqual(order.state, "draft")

    def test_exposure_is_unpaid_invoices_and_open_orders_and_this_order(self):
        first = self._create_order(self.distributor_north, [(self.product_tea, 40, 10.0)])
        first.action_confirm()
        self.assertEqual(self.distributor_north.dms_exposure, 400.0)
        self.env["stock.quant"]._update_available_quantity(
            self.product_tea, first.warehouse_id.lot_stock_id, 100
        )
        self._deliver(first)
        invoice = first._create_invoices()
        self.env.invalidate_all()
        self.assertEqual(self.distributor_north.dms_exposure, 400.0, "a draft invoice changes nothing")
        invoice.action_post()
        self.env.invalidate_all()
        self.assertEqual(self.distributor_north.dms_exposure, 400.0, "invoiced is not counted twice")
        self._register_payment(invoice, amount=150.0)
        self.env.invalidate_all()
        self.assertEqual(self.distributor_north.dms_exposure, 250.0)
        second = self._create_order(self.distributor_north, [(self.product_tea, 75, 10.0)])
        second.action_confirm()
        self.assertEqual(second.dms_state, "approved", "exactly at the limit is within it")
        third = self._create_order(self.distributor_north, [(self.product_tea, 1, 0.01)])
        third.action_confirm()
        self.assertEqual(third.dms_state, "held")

    def test_rounded_taxes_leave_no_cents_open(self):
        self.company.tax_calculation_rounding_method = "round_globally"
        tax = self.env["account.tax"].create({"name": "13 %", "amount": 13, "company_id": self.company.id})
        order = self._create_order(self.distributor_north, [(self.product_tea, 1, 1.04)] * 5)
        order.order_line.tax_ids = tax
        order.action_confirm()
        self._deliver(order)
        self._invoice(order)
        self.assertTrue(
            order.currency_id.compare_amounts(order.amount_total, sum(order.order_line.mapped("price_total")))
        )
        debts = self.distributor_north._get_dms_debts(self.company)[self.distributor_north.id]
        self.assertEqual(debts["open_orders"], 0)

    def test_exposure_is_in_company_currency(self):
        euro = self.setup_other_currency("EUR", rates=[("1900-01-01", 0.5)])
        pricelist = self.env["product.pricelist"].create({"name": "EUR", "currency_id": euro.id})
        order = self._create_order(
            self.distributor_north, [(self.product_tea, 30, 10.0)], pricelist_id=pricelist.id
        )
        order.action_confirm()
        self.assertEqual(order.currency_id, euro)
        self.assertEqual(order.state, "sale")
        self.assertEqual(self.distributor_north.dms_exposure, 600.0)
        self._deliver(order)
        self._invoice(order)
        self.env.invalidate_all()
        self.assertEqual(self.distributor_north.dms_exposure, 600.0)

    def test_orders_confirmed_together_are_judged_as_one_after_the_other(self):
        orders = self._create_order(
            self.distributor_north, [(self.product_tea, 60, 10.0)]
        ) + self._create_order(self.distributor_north, [(self.product_tea, 60, 10.0)])
        orders.action_confirm()
        self.assertEqual(orders.mapped("dms_state"), ["approved", "held"])
        self.assertEqual(orders.mapped("state"), ["sale", "draft"])

    def test_overdue_invoice_holds(self):
        invoice = self._create_invoice(
            partner_id=self.distributor_north.id,
            invoice_date=fields.Date.subtract(fields.Date.today(), days=40),
            invoice_date_due=fields.Date.subtract(fields.Date.today(), days=20),
            invoice_line_ids=[self._prepare_invoice_line(price_unit=10.0, product_id=self.product_tea)],
            post=True,
        )
        self.assertEqual(invoice.invoice_date_due, fields.Date.subtract(fields.Date.today(), days=20))
        order = self._create_order(self.distributor_north)
        order.action_confirm()
        self.assertEqual(order.dms_state, "held")
        self.assertIn("20 days ago; only 15 are accepted", order.dms_reason)

    def test_no_agreement_holds(self):
        newcomer = self._create_distributor("Newcomer", "D-NEW", "1500")
        order = self._create_order(newcomer)
        order.action_confirm()
        self.assertEqual(order.dms_state, "held")
        self.assertIn("Newcomer has no active agreement", order.dms_reason)

    def test_product_outside_the_agreement_holds(self):
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
                )
            ],
        )
        order = self._create_order(newcomer, [(self.product_tea, 12, None), (self.product_chips, 12, None)])
        order.action_confirm()
        self.assertEqual(order.dms_state, "held")
        self.assertIn("does not cover [CHIPS] Chips.", order.dms_reason)

    def test_whole_cases(self):
        self.env["dms.order.rule"].create(
            {"name": "Cases", "kind": "quantity_case", "outcome": "refuse", "message": "Order whole cases."}
        )
        order = self._create_order(self.distributor_north, [(self.product_tea, 18, None)])
        order.action_confirm()
        self.assertEqual(order.dms_state, "refused")
        self.assertIn("[TEA] Tea: 18 Units in cases of 12", order.dms_reason)
        self.assertIn("Order whole cases.", order.dms_reason)
        with self.assertRefused("not held"):
            order._dms_release("Please")
        order.order_line.write({"product_uom_id": self.uom_case.id, "product_uom_qty": 2})
        self.assertFalse(order.dms_state, "the change asks for a new decision")
        order.action_confirm()
        self.assertEqual(order.dms_state, "approved")

    def test_amount_and_domain(self):
        rule = self.env["dms.order.rule"].create({"name": "Small", "kind": "amount", "amount_max": 100.0})
        order = self._create_order(self.distributor_north, [(self.product_tea, 11, 10.0)])
        order.action_confirm()
        self.assertIn("but at most", order.dms_reason)
        rule.write({"kind": "domain", "order_domain": "[('client_order_ref', '=', 'STOP')]"})
        order.action_confirm()
        self.assertEqual(order.dms_state, "approved")
        other = self._create_order(self.distributor_north, client_order_ref="STOP")
        other.action_confirm()
        self.assertIn("matches the condition of rule “Small”", other.dms_reason)
        with self.assertRefused("can't be read as a filter", ValidationError):
            rule.order_domain = "[('no_such_field', '=', 1)]"
        with self.assertRefused("would stop or approve every order", ValidationError):
            rule.order_domain = "[]"

    def test_rule_concerns_only_whom_it_names(self):
        self.env["dms.order.rule"].create(
            {
                "name": "South is closed",
                "kind": "domain",
                "order_domain": "[('amount_total', '>', 0)]",
                "outcome": "refuse",
                "territory_ids": [Command.set(self.territory_south.ids)],
            }
        )
        orders = self._create_order(self.distributor_north) + self._create_order(self.distributor_south)
        orders.action_confirm()
        self.assertEqual(orders.mapped("dms_state"), ["approved", "refused"])

    def test_customers_outside_the_channel_are_left_alone(self):
        order = self._create_order(self.partner_a, [(self.product_tea, 100000, 10.0)])
        order.action_confirm()
        self.assertEqual(order.state, "sale")
        self.assertFalse(order.dms_state)
        self.assertFalse(order.dms_check_ids)

    # Every path

    def test_no_path_leads_around_the_rules(self):
        over = [(self.product_tea, 200, 10.0)]
        with self.assertRefused("has not been approved", ValidationError):
            self._create_order(self.distributor_north, over, state="sale")
        order = self._create_order(self.distributor_north, over)
        with self.assertRefused("has not been approved", ValidationError):
            order.state = "sale"
        for forged in ({"dms_state": "released"}, {"dms_content": {}}):
            with self.assertRefused("by nothing else"):
                order.with_context(dms_guarded_write=True).write(forged)
            with self.assertRefused("by nothing else"):
                self._create_order(
                    self.distributor_north, **(forged if "dms_state" in forged else {"dms_state": "approved"})
                )
        result = self.env["sale.order"].load(
            ["name", "partner_id/.id", "state", "order_line/product_id/.id", "order_line/product_uom_qty"],
            [["IMP1", str(self.distributor_north.id), "sale", str(self.product_tea.id), "500"]],
        )
        self.assertFalse(result["ids"])
        self.assertIn("has not been approved", result["messages"][0]["message"])
        with Form(self.env["sale.order"]) as form:
            form.partner_id = self.distributor_north
            with form.order_line.new() as line:
                line.product_id = self.product_tea
                line.product_uom_qty = 500
        form.record.action_confirm()
        self.assertEqual(form.record.dms_state, "held")
        sent = self._create_order(self.distributor_north, over, state="sent")
        sent._validate_order()
        self.assertRecordValues(sent, [{"state": "sent", "dms_state": "held"}])

    def test_copy_does_not_copy_the_approval(self):
        order = self._create_order(self.distributor_north)
        order.action_confirm()
        copy = order.copy()
        self.assertRecordValues(copy, [{"dms_state": False, "dms_content": False, "dms_released_by": False}])
        self.assertFalse(copy.dms_check_ids)

    def test_change_of_a_held_order_asks_again(self):
        order = self._create_order(self.distributor_north, [(self.product_tea, 120, 10.0)])
        order.action_confirm()
        self.assertEqual(order.dms_state, "held")
        checks = order.dms_check_ids
        order.order_line.name = "Another description"
        self.assertEqual(order.dms_state, "held", "a description is no decisive change")
        order.write({"order_line": [Command.update(order.order_line.id, {"product_uom_qty": 12})]})
        self.assertFalse(order.dms_state)
        self.assertFalse(order.dms_check_ids)
        self.assertTrue(checks.exists(), "what was said stays in the history")
        order.action_confirm()
        self.assertRecordValues(order, [{"state": "sale", "dms_state": "approved"}])

    def test_confirmed_order_cannot_grow_over_the_limit(self):
        order = self._create_order(self.distributor_north, [(self.product_tea, 60, 10.0)])
        order.action_confirm()
        order.order_line.product_uom_qty = 90
        self.assertEqual(order.dms_content["lines"][str(order.order_line.id)][2], 90)
        with self.assertRefused("confirmed and can't take this change.*over the limit"):
            order.order_line.product_uom_qty = 120
        with self.assertRefused("can't take this change"):
            order.write(
                {
                    "order_line": [
                        Command.create(
                            {"product_id": self.product_chips.id, "product_uom_qty": 60, "price_unit": 5.0}
                        )
                    ]
                }
            )
        order.invalidate_recordset()
        self.assertEqual(order.order_line.mapped("product_uom_qty"), [90])

    def test_filters_are_asked_again_at_every_change_after_confirmation(self):
        self.env["dms.order.rule"].create(
            [
                {
                    "name": "No exports",
                    "kind": "domain",
                    "order_domain": "[('client_order_ref', 'ilike', 'export')]",
                },
                {
                    "name": "Samples are small",
                    "kind": "amount",
                    "amount_max": 50.0,
                    "order_domain": "[('client_order_ref', '=', 'SAMPLE')]",
                },
                {"name": "Gifts", "kind": "domain", "order_domain": "[('order_line.name', 'ilike', 'gift')]"},
            ]
        )
        order = self._create_order(self.distributor_north)
        order.action_confirm()
        checks = order.dms_check_ids
        order.client_order_ref = "A 1"
        self.assertEqual(order.dms_check_ids, checks, "nothing that a rule looks at has changed")
        with self.assertRefused(
            "can't take this change. The order matches the condition of rule “No exports”"
        ):
            order.client_order_ref = "Export 7"
        with self.assertRefused("The order comes to .*120.00, but at most"):
            order.client_order_ref = "SAMPLE"
        with self.assertRefused("rule “Gifts”"):
            order.order_line.name = "A gift"
        with self.assertRefused("rule “Gifts”"):
            order.write({"order_line": [Command.update(order.order_line.id, {"name": "A gift"})]})
        self.assertEqual(order.client_order_ref, "A 1")
        debtor = self._create_order(self.distributor_north, [(self.product_tea, 60, 10.0)])
        debtor.action_confirm()
        debtor.client_order_ref = "A 2"
        self.assertEqual(debtor.client_order_ref, "A 2")

    def test_a_confirmed_order_may_not_shrink_below_what_the_rules_ask_for(self):
        self.env["dms.order.rule"].create(
            [
                {"name": "Worth the trip", "kind": "amount", "amount_min": 100.0},
                {"name": "Cases", "kind": "quantity_case"},
                {"name": "Small", "kind": "domain", "order_domain": "[('amount_total', '<', 110)]"},
            ]
        )
        order = self._create_order(self.distributor_north, [(self.product_tea, 36, 10.0)])
        order.action_confirm()
        self.assertEqual(order.state, "sale")
        order.order_line.product_uom_qty = 24
        with self.assertRefused("can't take this change.*at least .*100.00"):
            order.order_line.product_uom_qty = 5
        with self.assertRefused("can't take this change.*Not whole cases"):
            order.order_line.product_uom_qty = 18
        with self.assertRefused("can't take this change.*rule “Small”"):
            order.order_line.write({"product_uom_qty": 12, "price_unit": 9.0})
        self.assertEqual(order.order_line.product_uom_qty, 24)

    def test_a_release_holds_for_a_rule_that_was_broken_before(self):
        self.env["dms.order.rule"].create({"name": "Cases", "kind": "quantity_case"})
        order = self._create_order(self.distributor_north, [(self.product_tea, 18, 10.0)])
        order.action_confirm()
        order._dms_release("Last pieces")
        order.order_line.product_uom_qty = 17
        self.assertRecordValues(order, [{"state": "sale", "dms_state": "released"}])

    def test_released_order_may_shrink(self):
        order = self._create_order(self.distributor_north, [(self.product_tea, 120, 10.0)])
        order.action_confirm()
        order._dms_release("Guarantee")
        order.order_line.product_uom_qty = 110
        self.assertRecordValues(order, [{"state": "sale", "dms_state": "released"}])

    def test_order_back_to_draft_asks_again(self):
        order = self._create_order(self.distributor_north, [(self.product_tea, 120, 10.0)])
        order.action_confirm()
        order._dms_release("Guarantee")
        order._action_cancel()
        order.action_draft()
        self.assertFalse(order.dms_state)
        order.action_confirm()
        self.assertEqual(order.dms_state, "held")

    def test_rules_are_carried_out_for_a_plain_salesman(self):
        salesman = self._create_staff("dms_salesman", "sales_team.group_sale_salesman")
        order = self._create_order(
            self.distributor_north, [(self.product_tea, 120, 10.0)], user_id=salesman.id
        )
        order.with_user(salesman).action_confirm()
        self.assertEqual(order.dms_state, "held")
        self.assertIn("over the limit", order.with_user(salesman).dms_reason)

    def test_portal_reads_its_own_checks_only(self):
        orders = self._create_order(self.distributor_north) + self._create_order(self.distributor_south)
        orders.action_confirm()
        own, other = (order.dms_check_ids for order in orders)
        Check = self.env["dms.order.check"].with_user(self.clerk_north)
        self.assertEqual(Check.search([("order_id", "in", orders.ids)]), own)
        self.assertTrue(own.with_user(self.clerk_north)[0].message)
        with self.assertRaises(AccessError):
            other.with_user(self.clerk_north).mapped("message")
        with self.assertRaises(AccessError):
            self.env["dms.order.rule"].with_user(self.clerk_north).search([])

    def test_rules_of_another_company_do_not_count(self):
        other = self.setup_other_company()["company"]
        self.env["dms.order.rule"].create(
            {
                "name": "Closed",
                "kind": "domain",
                "order_domain": "[('amount_total', '>=', 0)]",
                "outcome": "refuse",
                "company_id": other.id,
            }
        )
        order = self._create_order(self.distributor_north)
        order.with_context(allowed_company_ids=[other.id, self.company.id]).action_confirm()
        self.assertEqual(order.dms_state, "approved")

    def test_queries_do_not_grow_with_lines_or_rules(self):
        every = (
            {"kind": "credit_limit"},
            {"kind": "overdue"},
            {"kind": "standing", "points_min": -1},
            {"kind": "agreement"},
            {"kind": "amount", "amount_max": 1e9},
            {"kind": "quantity", "scope": "product", "quantity_max": 1e9},
            {"kind": "quantity_case"},
            {"kind": "price", "price_percent": 99.9},
            {"kind": "price", "price_basis": "guidance"},
            {"kind": "usual_size"},
            {"kind": "cover"},
            {"kind": "domain", "order_domain": "[('client_order_ref', '=', 'STOP')]"},
        )
        products = self.product_tea.create(
            [{"name": f"Bench {number}", "is_storable": True, "list_price": 0.1} for number in range(40)]
        )

        def count(lines, rules):
            self.env["dms.order.rule"].search([("name", "like", "Bench")]).unlink()
            self.env["dms.order.rule"].create(
                [{"name": f"Bench {i} {kind['kind']}", **kind} for i in range(rules) for kind in every]
            )
            order = self._create_order(
                self.distributor_north, [(product, 1, 0.1) for product in products[:lines]]
            )
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.cr.sql_log_count
            order._dms_decide()
            self.env.flush_all()
            self.assertEqual(order.dms_state, "approved")
            return self.cr.sql_log_count - before

        count(1, 1)
        small = count(2, 1)
        self.assertLessEqual(small, 70)
        self.assertEqual(count(40, 1), small)
        self.assertEqual(count(2, 8), small)
