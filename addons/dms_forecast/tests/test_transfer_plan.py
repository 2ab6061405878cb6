from odoo.exceptions import AccessError
from odoo.fields import Command
from odoo.tests import tagged

from .common import DmsForecastCommon


@tagged("post_install", "-at_install")
class TestTransferPlan(DmsForecastCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls._set_stock(cls.distributor_north, cls.product_tea, 2500)
        cls._set_stock(cls.distributor_north, cls.product_chips, 60)
        cls._set_stock(cls.distributor_south, cls.product_tea, 10)
        (cls.distributor_north | cls.distributor_south).property_product_pricelist = cls.pricelist_gold
        cls._forecast()
        cls.env["dms.stock.health"]._refresh(cls.company)
        cls.lane = cls.env["dms.transfer.lane"].create({"company_id": cls.company.id, "cost_kg": 0.1})

    def _plan(self):
        plan = (
            self.env["dms.transfer.plan"].with_user(self.user_manager).create({"company_id": self.company.id})
        )
        plan.action_plan()
        return plan.sudo()

    def test_surplus_goes_where_it_sells_in_whole_packs(self):
        plan = self._plan()
        line = plan.line_ids
        self.assertRecordValues(
            line,
            [
                {
                    "giver_id": self.distributor_north.id,
                    "taker_id": self.distributor_south.id,
                    "product_id": self.product_tea.id,
                }
            ],
        )
        self.assertEqual(line.quantity % 12, 0)
        self.assertLessEqual(line.quantity, line.giver_stock - line.giver_keeps)
        self.assertGreater(line.gain, 0)
        self.assertAlmostEqual(line.freight, line.quantity * 0.1, 2)
        self.assertGreaterEqual(plan.bound, plan.gain - 0.01)
        self.assertGreater(plan.gain, plan.plant_gain)
        self.assertIn("South Trading", line.reason)

    def _sell_at(self, partner, product, price, quantity=10):
        """A sale of yesterday of which the price is known."""
        move = self._move_vals("sell_out", partner, product, -quantity)
        self.env["dms.channel.move"].sudo().create(
            {**move, "price_unit": price, "amount": -quantity * price}
        )

    def test_what_counts_is_the_takers_margin_not_the_price_of_the_goods(self):
        self._sell_at(self.distributor_south, self.product_tea, 12)
        line = self._plan().line_ids
        # bought at the list price of 10 and sold at 12; holding costs 24 % a year and is counted for a year at most
        self.assertLessEqual(line.gain, line.quantity * (2 + 2.4))
        self.assertGreater(line.gain, 0)

    def test_accepted_once_it_is_a_transfer_and_planned_no_more(self):
        line = self._plan().line_ids
        line.with_user(self.user_manager).action_accept()
        transfer = line.transfer_id
        self.assertRecordValues(
            transfer,
            [
                {
                    "giver_id": self.distributor_north.id,
                    "taker_id": self.distributor_south.id,
                    "source": "planner",
                    "state": "proposed",
                }
            ],
        )
        self.assertEqual(transfer.line_ids.quantity, line.quantity)
        with self.assertRefused("proposed already"):
            line.with_user(self.user_manager).action_accept()
        self.assertFalse(self._plan().line_ids, "what is proposed counts as there")

    def test_only_where_agreement_price_and_lane_allow(self):
        self.distributor_south.property_product_pricelist = self.env["product.pricelist"].create(
            {"name": "Other zone"}
        )
        self.assertFalse(self._plan().line_ids)
        self.distributor_south.property_product_pricelist = self.pricelist_gold
        self.lane.to_territory_id = self.territory_north
        self.assertFalse(self._plan().line_ids)
        self.lane.to_territory_id = self.territory_country
        self.assertTrue(self._plan().line_ids)
        deeper = self.lane.copy({"to_territory_id": self.territory_south.id, "cost_kg": 1000})
        self.assertFalse(self._plan().line_ids, "the deepest lane counts")
        deeper.active = False
        agreement = self.agreement_south.line_ids
        self.agreement_south.action_terminate()
        self._create_agreement(
            self.distributor_south,
            agreement.territory_id,
            line_ids=[
                Command.create(
                    {
                        "territory_id": agreement.territory_id.id,
                        "categ_ids": [Command.link(self.categ_snacks.id)],
                    }
                )
            ],
        )
        self.assertFalse(self._plan().line_ids)

    def test_says_what_is_missing(self):
        self.lane.active = False
        with self.assertRefused("add a transfer lane"):
            self._plan()

    def test_who_may(self):
        plan = self._plan()
        with self.assertRaises(AccessError):
            plan.line_ids.with_user(self.user_channel).action_accept()
        with self.assertRaises(AccessError):
            self.env["dms.transfer.plan"].with_user(self.clerk_north).search([])
        other = self.env["res.company"].sudo().create({"name": "Other"})
        stranger = self._create_staff("stranger", "dms_channel.dms_channel_group_manager")
        stranger.write({"company_ids": [Command.set(other.ids)], "company_id": other.id})
        for model in ("dms.transfer.plan", "dms.transfer.plan.line", "dms.transfer.lane"):
            self.assertFalse(self.env[model].with_user(stranger).search([]), model)
