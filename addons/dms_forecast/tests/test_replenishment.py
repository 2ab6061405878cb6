from odoo import SUPERUSER_ID
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
        self.assertEqual(line.quantity, 24)
        self.assertIn("Changed by hand", line.reason)

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
        self.assertEqual(orderpoint.product_max_qty, kept)
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
