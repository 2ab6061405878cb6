from datetime import timedelta
from unittest.mock import patch

from odoo import SUPERUSER_ID, fields
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Command
from odoo.tests import Form, tagged

from .common import DmsForecastCommon


@tagged("post_install", "-at_install")
class TestReplenishment(DmsForecastCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["dms.replenishment.rule"].search([]).active = False
        cls.rule = cls.env["dms.replenishment.rule"].create(
            {
                "name": "Weekly",
                "company_id": cls.company.id,
                "lead_days": 5,
                "review_days": 7,
                "target_days": 21,
                "service_level": 95,
                "respect_credit": False,
            }
        )
        cls._set_stock(cls.distributor_north, cls.product_tea, 60)
        cls._set_stock(cls.distributor_north, cls.product_chips, 200)
        cls._set_stock(cls.distributor_south, cls.product_tea, 300)
        cls.forecast_run = cls._forecast()

    def _generate(self, **kwargs):
        return self.env["dms.replenishment.proposal"]._generate(self.company, **kwargs)

    def test_proposal_in_whole_cases_with_its_reason(self):
        proposal = self._generate()
        self.assertRecordValues(
            proposal,
            [{"partner_id": self.distributor_north.id, "state": "proposed", "run_id": self.forecast_run.id}],
        )
        line = proposal.line_ids
        self.assertRecordValues(
            line,
            [
                {
                    "product_id": self.product_tea.id,
                    "uom_id": self.uom_case.id,
                    "stock": 60,
                    "protection_days": 12,
                }
            ],
        )
        self.assertEqual(line.quantity % 12, 0)
        self.assertEqual(line.pack_quantity * 12, line.quantity)
        self.assertGreater(line.reorder_point, line.expected)
        self.assertLess(60, line.reorder_point)
        self.assertGreaterEqual(60 + line.quantity, line.order_up_to)
        self.assertLess(60 + line.quantity - line.order_up_to, 12)
        self.assertLess(60 + line.quantity, line.cap)
        for words in ("60 in stock", "95 % sure", "for safety", "Case of 12"):
            self.assertIn(words, line.reason)
        self.assertIn("Tea", proposal.reason)

    def test_accept_makes_one_draft_order(self):
        proposal = self._generate()
        proposal.with_user(self.user_channel).action_accept()
        order = proposal.order_id
        self.assertRecordValues(
            order,
            [
                {
                    "partner_id": self.distributor_north.id,
                    "state": "draft",
                    "origin": proposal.name,
                    "dms_proposal_id": proposal.id,
                }
            ],
        )
        self.assertRecordValues(
            order.order_line,
            [
                {
                    "product_id": self.product_tea.id,
                    "product_uom_id": self.uom_case.id,
                    "product_uom_qty": proposal.line_ids.quantity / 12,
                }
            ],
        )
        self.assertEqual(proposal.state, "accepted")
        with self.assertRaisesRegex(UserError, "already accepted"):
            proposal.action_accept()
        with self.assertRaises(UserError):
            proposal.line_ids.quantity = 24
        with self.assertRaises(UserError):
            proposal.unlink()
        self.assertFalse(self._generate(), "what is on order counts as there")

    def test_renewing_keeps_one_open_proposal(self):
        first = self._generate()
        again = self._generate()
        self.assertEqual(first, again)
        self.assertEqual(len(again.line_ids), 1)
        self._set_stock(self.distributor_north, self.product_tea, 900)
        self.assertFalse(self._generate())
        self.assertFalse(first.exists())

    def test_declined_with_a_reason(self):
        proposal = self._generate()
        with self.assertRaisesRegex(UserError, "enter the reason"):
            proposal.action_decline()
        proposal.action_decline("No room")
        self.assertRecordValues(proposal, [{"state": "declined", "decline_reason": "No room"}])

    def test_only_within_the_agreement(self):
        line = self.agreement_north.line_ids
        self.agreement_north.action_terminate()
        self.assertFalse(self._generate())
        self._create_agreement(
            self.distributor_north,
            line.territory_id,
            line_ids=[
                Command.create(
                    {"territory_id": line.territory_id.id, "categ_ids": [Command.link(self.categ_snacks.id)]}
                )
            ],
        )
        self.assertFalse(self._generate(), "tea is not in the agreement")

    def test_rules_in_sequence(self):
        self.env["dms.replenishment.rule"].create(
            {
                "name": "Pallets first",
                "sequence": 1,
                "company_id": self.company.id,
                "categ_ids": [Command.link(self.categ_drinks.id)],
                "rounding": "unit",
                "auto_propose": False,
            }
        )
        proposal = self._generate()
        self.assertEqual(proposal.state, "draft")
        self.assertEqual(proposal.line_ids.uom_id, self.product_tea.uom_id)
        proposal.action_propose()
        self.assertEqual(proposal.state, "proposed")

    def test_guard_against_pushing_stock(self):
        proposal = self._generate()
        line = proposal.line_ids
        with self.assertRaisesRegex(ValidationError, "too much"):
            line.quantity = line.cap * 2
        with Form(proposal) as form, form.line_ids.edit(0) as edited:
            edited.pack_quantity = 2
            edited.edit_reason = "The shop is closed next week."
        self.assertEqual(line.quantity, 24)
        self.assertIn("The shop is closed next week", line.reason)
        with self.assertRefused("Say why .*Tea"):
            line.write({"quantity": 36, "edit_reason": False})

    def test_open_orders_and_transit_count(self):
        order = self._create_order(self.distributor_north, [(self.product_tea, 600, None)])
        self.assertFalse(self._generate())
        order.action_cancel()
        self.assertTrue(self._generate())

    def test_partners_can_be_chosen(self):
        self.assertFalse(self._generate(partners=self.distributor_south))
        self.assertTrue(self._generate(partners=self.distributor_north))

    def test_cron(self):
        with self.enter_registry_test_mode():
            self.env.ref("dms_forecast.ir_cron_dms_replenishment").with_user(
                self.env.ref("base.user_root")
            ).method_direct_trigger()
        self.assertTrue(
            self.env["dms.replenishment.proposal"].search_count([("company_id", "=", self.company.id)])
        )

    # --- orders -----------------------------------------------------------------------

    def test_deliveries_that_vary_ask_for_more(self):
        steady = self._generate().line_ids.reorder_point
        leads = [(self.distributor_north.id, days) for days in (2, 2, 2, 14, 14, 14)]
        Proposal = type(self.env["dms.replenishment.proposal"])
        with patch.object(Proposal, "_get_lead_times", return_value=leads):
            line = self._generate().line_ids
        self.assertGreater(line.reorder_point, steady)
        self.assertEqual(line.lead_days_late, 14)
        self.assertIn("Deliveries took", line.reason)

    def test_lead_times_are_those_of_signed_deliveries(self):
        order = self._create_order(self.distributor_north, [(self.product_tea, 12, None)])
        order.action_confirm()
        for move in order.picking_ids.move_ids:
            move.write({"quantity": move.product_uom_qty, "picked": True})
        order.picking_ids.button_validate()
        Proposal = self.env["dms.replenishment.proposal"]
        self.assertFalse(Proposal._get_lead_times(self.company))
        order.date_order = order.date_order - timedelta(days=3)
        order.picking_ids._dms_sign_receipt("Ann", None)
        self.env.flush_all()
        self.assertEqual(Proposal._get_lead_times(self.company), [(self.distributor_north.id, 3)])

    def test_service_by_cost(self):
        self.rule.write({"service_mode": "cost", "under_cost": 30, "over_cost": 20})
        self.assertAlmostEqual(self.rule.effective_level, 60)
        lean = self._generate().line_ids.reorder_point
        self.rule.write({"under_cost": 98, "over_cost": 2})
        self.assertGreater(self._generate().line_ids.reorder_point, lean)

    def test_classes_choose_the_rule(self):
        self.env["dms.stock.health"]._refresh(self.company)
        self.rule.abc = "C"
        self.assertFalse(self._generate())
        self.rule.abc = "A"
        self.assertEqual(self._generate().line_ids.abc, "A")

    def test_minimum_budget_and_truck(self):
        self._set_stock(self.distributor_north, self.product_chips, 5)
        self.product_tea.weight = self.product_chips.weight = 1.0
        plain = self._generate()
        quantity, amount = sum(plain.line_ids.mapped("quantity")), plain.amount_total
        self.rule.truck_weight = quantity + 60
        filled = self._generate()
        weight = sum(filled.line_ids.mapped("quantity"))
        self.assertTrue(quantity < weight <= quantity + 60)
        self.assertIn("fill the truck", "".join(filled.line_ids.mapped("reason")))
        self.rule.write({"truck_weight": 0, "amount_max": amount / 2})
        self.assertLessEqual(self._generate().amount_total, amount / 2)
        self.rule.write({"amount_max": 0, "quantity_min": quantity + 24})
        self.assertGreaterEqual(sum(self._generate().line_ids.mapped("quantity")), quantity + 24)
        self.rule.quantity_min = 1e6
        self.assertFalse(self._generate(), "the guard allows no such order")

    def test_credit_limit(self):
        plain = self._generate()
        limit = self.agreement_north._get_company_limit(self.today)
        self.assertTrue(0 < limit < plain.amount_total)
        self.rule.respect_credit = True
        cut = self._generate()
        amount = cut.amount_total
        self.assertLessEqual(amount, limit)
        self.assertIn("credit limit", cut.line_ids.reason)
        self._create_order(self.distributor_south, [(self.product_tea, 12, None)]).action_confirm()
        self.assertEqual(self._generate().amount_total, amount, "another's order")
        cut.unlink()
        self._create_order(self.distributor_north, [(self.product_chips, 1, limit - 0.01)]).action_confirm()
        stopped = self._generate()
        self.assertRecordValues(stopped, [{"amount_total": 0, "state": "draft"}])
        self.assertIn("leaves nothing open", stopped.reason)
        with self.assertRefused("no quantity to order"):
            stopped.action_accept()

    def test_too_much_stock_caps_orders(self):
        plain = self._generate().line_ids.quantity
        self.env["dms.stock.alert"].sudo().create(
            {
                "name": "SA",
                "company_id": self.company.id,
                "partner_id": self.distributor_north.id,
                "is_capped": True,
            }
        )
        line = self._generate().line_ids
        self.assertLess(line.quantity, plain)
        self.assertLess(60 + line.quantity - line.reorder_point, 12)
        self.assertIn("too much stock", line.reason)

    def test_reviews_when_they_are_due(self):
        self.rule.write({"trigger": "weekday", "weekday": str((self.today.weekday() + 1) % 7)})
        self.assertFalse(self._generate())
        self.rule.weekday = str(self.today.weekday())
        proposal = self._generate()
        self.assertTrue(proposal)
        self.rule.weekday = str((self.today.weekday() + 1) % 7)
        self._generate()
        self.assertTrue(proposal.exists(), "left alone until the next review")
        self.rule.write({"trigger": "dates", "month_days": str(self.today.day)})
        self.assertTrue(self._generate())
        with self.assertRefused("days of the month"):
            self.rule.month_days = "x"
        self.rule.trigger = "orders"
        self.assertFalse(self._generate())
        self._create_order(self.outlet, [(self.product_tea, 1, None)])
        self.assertEqual(self._generate().partner_id, self.distributor_north)
        self.rule.trigger = "count"
        self.assertFalse(self._generate())
        self._set_stock(self.distributor_north, self.product_tea, 55, self.today)
        self.assertTrue(self._generate(), "counted today")

    # --- orderpoints ------------------------------------------------------------------

    def _orderpoint(self, **values):
        warehouse = self.env["stock.warehouse"].search([("company_id", "=", self.company.id)], limit=1)
        return self.env["stock.warehouse.orderpoint"].create(
            {
                "product_id": self.product_tea.id,
                "warehouse_id": warehouse.id,
                "location_id": warehouse.lot_stock_id.id,
                "company_id": self.company.id,
                **values,
            }
        )

    def test_orderpoint_with_nothing_due_is_kept(self):
        # Only those that the system made are taken for done.
        orderpoint, other = (
            self._orderpoint(product_id=product.id, dms_policy=policy, trigger="manual")
            for product, policy in ((self.product_tea, "forecast"), (self.product_chips, "manual"))
        )
        (orderpoint | other).flush_recordset()
        self.env.cr.execute(
            "UPDATE stock_warehouse_orderpoint SET create_uid = %s WHERE id = ANY(%s)",
            [SUPERUSER_ID, (orderpoint | other).ids],
        )
        self.env["stock.warehouse.orderpoint"]._unlink_processed_orderpoints()
        self.assertEqual((orderpoint | other).exists(), orderpoint)

    def test_orderpoint_follows_the_forecast(self):
        orderpoint = self._orderpoint(dms_policy="forecast")
        self.assertEqual(orderpoint.trigger, "manual")
        self.env["stock.warehouse.orderpoint"].with_user(self.user_manager)._dms_update_from_forecast(
            self.company
        )
        total = self.forecast_run.series_ids.filtered(
            lambda s: not s.partner_id and s.product_id == self.product_tea
        )
        self.assertEqual(orderpoint.dms_run_id, self.forecast_run)
        self.assertGreater(orderpoint.product_min_qty, total.daily)
        self.assertGreater(orderpoint.product_max_qty, orderpoint.product_min_qty)
        self.assertGreater(orderpoint.product_max_qty, 7 * total.daily)
        self.assertIn("Shops buy", orderpoint.dms_reason)

    def test_small_changes_are_not_written(self):
        orderpoint = self._orderpoint(dms_policy="forecast")
        orderpoint._dms_apply_forecast()
        kept = orderpoint.product_max_qty * 1.05
        orderpoint.product_max_qty = kept
        orderpoint._dms_apply_forecast()
        self.assertAlmostEqual(orderpoint.product_max_qty, kept, 6)
        orderpoint.product_max_qty = kept * 2
        orderpoint._dms_apply_forecast()
        self.assertLess(orderpoint.product_max_qty, kept)

    def test_manual_orderpoints_are_left_alone(self):
        orderpoint = self._orderpoint(product_min_qty=1, product_max_qty=2)
        self.env["stock.warehouse.orderpoint"]._dms_update_from_forecast(self.company)
        self.assertRecordValues(
            orderpoint,
            [{"product_min_qty": 1, "product_max_qty": 2, "dms_policy": "manual", "dms_reason": False}],
        )
        orderpoint.action_dms_follow_forecast()
        self.assertGreater(orderpoint.product_max_qty, 2)

    def test_orders_a_year_ahead_do_not_count_now(self):
        self.company.horizon_days = 365
        follower, other = (
            self._orderpoint(product_id=product.id, dms_policy=policy, trigger="manual")
            for product, policy in ((self.product_tea, "forecast"), (self.product_chips, "manual"))
        )
        self.assertEqual((follower.get_horizon_days(), other.get_horizon_days()), (0, 365))
        order = self._create_order(
            self.distributor_south, [(self.product_tea, 50, None), (self.product_chips, 50, None)]
        )
        order.commitment_date = fields.Datetime.now() + timedelta(days=200)
        order.action_confirm()
        (follower | other).invalidate_recordset()
        self.assertEqual((follower.qty_forecast, other.qty_forecast), (0, -50))
        self.assertEqual((other.lead_horizon_date - self.today).days, 365 + other.lead_days)

    def test_confirmed_orders_count_once(self):
        orderpoint = self._orderpoint(dms_policy="forecast")
        orderpoint._dms_apply_forecast()
        least, most = orderpoint.product_min_qty, orderpoint.product_max_qty
        order = self._create_order(self.distributor_south, [(self.product_tea, 10, None)])
        order.action_confirm()
        orderpoint._dms_apply_forecast()
        self.assertEqual(orderpoint.dms_confirmed, 10)
        self.assertEqual((orderpoint.product_min_qty, orderpoint.product_max_qty), (least - 10, most - 10))
        self.assertIn("taken off", orderpoint.dms_reason)
        order = self._create_order(self.distributor_south, [(self.product_tea, 80, None)])
        order.action_confirm()
        orderpoint._dms_apply_forecast()
        self.assertRecordValues(orderpoint, [{"product_min_qty": 0, "product_max_qty": most - 90}])

    def test_proposals_and_direct_demand_lift_the_limits(self):
        orderpoint = self._orderpoint(dms_policy="forecast")
        orderpoint._dms_apply_forecast()
        least = orderpoint.product_min_qty
        proposal = self._generate()
        orderpoint._dms_apply_forecast()
        self.assertEqual(orderpoint.dms_proposed, proposal.line_ids.quantity)
        self.assertGreaterEqual(orderpoint.product_min_qty, proposal.line_ids.quantity)
        self.assertGreater(orderpoint.product_min_qty, least)
        stranger = self.env["res.partner"].create({"name": "Hotel"})
        order = self._create_order(stranger, [(self.product_tea, 900, None)])
        order.action_confirm()
        order.picking_ids.action_cancel()
        orderpoint._dms_apply_forecast()
        self.assertAlmostEqual(orderpoint.dms_direct_demand, 10)

    def test_archived_orderpoints_keep_their_place(self):
        archived = self._orderpoint(dms_policy="forecast")
        archived.active = False
        Orderpoint = self.env["stock.warehouse.orderpoint"]
        Orderpoint.action_dms_add_missing()
        made = Orderpoint.search([("company_id", "=", self.company.id), ("dms_policy", "=", "forecast")])
        self.assertEqual(made.product_id, self.product_chips)
        self.assertRecordValues(made, [{"trigger": "manual"}])
        self.assertGreater(made.product_max_qty, 0)
        self.assertTrue(all(o.product_min_qty <= o.product_max_qty for o in made))
        Orderpoint.action_dms_add_missing()
        self.assertEqual(
            Orderpoint.search([("company_id", "=", self.company.id), ("dms_policy", "=", "forecast")]), made
        )
        made.write({"dms_policy": "manual", "trigger": "auto"})
        made.dms_policy = "forecast"
        self.assertEqual(made.trigger, "manual", "a person accepts it again")
