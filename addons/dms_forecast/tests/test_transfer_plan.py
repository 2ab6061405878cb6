from datetime import timedelta

import numpy as np

from odoo.exceptions import AccessError, UserError
from odoo.fields import Command, Date, Datetime
from odoo.sql_db import db_connect
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
        """A shop's sale of yesterday of which the price is known."""
        move = self._move_vals("sell_out", partner, product, -quantity)
        self.env["dms.channel.move"].sudo().create(
            {**move, "outlet_id": self.outlet.id, "price_unit": price, "amount": -quantity * price}
        )

    def test_what_counts_is_the_takers_margin_not_the_price_of_the_goods(self):
        self._sell_at(self.distributor_south, self.product_tea, 12)
        line = self._plan().line_ids
        # bought at the list price of 10 and sold at 12; holding costs 24 % a year and is counted for a year at most
        self.assertLessEqual(line.gain, line.quantity * (2 + 2.4))
        self.assertGreater(line.gain, 0)
        self.assertRecordValues(line, [{"margin_source": "sold", "margin_unit": 2}])
        self.assertLess(line.margin, line.quantity * 2, "not each unit is sure to sell")
        self.assertAlmostEqual(line.gain, line.margin + line.saved - line.freight, 2)

    def test_where_the_margin_is_known_from(self):
        self.company.dms_margin_rate = 20
        self.assertRecordValues(self._plan().line_ids, [{"margin_source": "rate", "margin_unit": 2}])
        tax = self.env["account.tax"].create({"name": "20 %", "amount": 20, "company_id": self.company.id})
        self.product_tea.taxes_id = tax
        guidance = {
            "product_id": self.product_tea.id,
            "territory_id": self.territory_country.id,
            "company_id": self.company.id,
            "currency_id": self.company.currency_id.id,
            "price_min": 15.6,
            "price_recommended": 20,
            "price_max": 24,
        }
        self.env["dms.guidance.price"].create(guidance)
        self.assertRecordValues(self._plan().line_ids, [{"margin_source": "guidance", "margin_unit": 3}])
        # who sells below what the goods cost gains nothing by more of them; only what the giver saves is left
        self._sell_at(self.distributor_south, self.product_tea, 9)
        self.assertFalse(self._plan().line_ids)

    def test_goods_must_keep_until_they_are_sold(self):
        if "expiration_date" not in self.env["stock.lot"]._fields:
            self.skipTest("needs product_expiry")
        self.product_tea.write({"tracking": "lot", "use_expiration_date": True})
        old, new = self.env["stock.lot"].create(
            [
                {"name": name, "product_id": self.product_tea.id, "expiration_date": Datetime.now() + timedelta(days=days)}
                for name, days in (("OLD", 25), ("NEW", 400))
            ]
        )  # fmt: skip
        Move = self.env["dms.channel.move"].sudo()
        for lot, quantity in ((old, 1200), (new, 1300)):
            Move.create(
                {
                    **self._move_vals("sell_in", self.distributor_north, self.product_tea, quantity),
                    "lot_id": lot.id,
                }
            )
        self._set_stock(self.distributor_north, self.product_tea, 2500)
        line = self._plan().line_ids
        self.assertGreater(line.keep_until, Date.add(self.today, days=3 + self.lane.days))
        self.assertLess(line.keep_until, Date.add(self.today, days=400))
        self.assertIn("goods that keep until", line.giver_reason)
        new.expiration_date = old.expiration_date
        self.assertFalse(self._plan().line_ids, "South can't sell them before they expire")

    def test_a_lane_has_a_smallest_lot(self):
        quantity = self._plan().line_ids.quantity
        self.product_tea.weight = 0.5
        self.lane.least_kg = quantity
        self.assertFalse(self._plan().line_ids, "it weighs half of the carrier's smallest lot")
        self.lane.least_kg = quantity / 2
        self.assertEqual(self._plan().line_ids.quantity, quantity)

    def test_lanes_of_other_companies_territories_are_refused(self):
        other = self.env["res.company"].sudo().create({"name": "Other"})
        territory = self.env["dms.territory"].sudo().create({"name": "There", "company_id": other.id})
        with self.assertRaises(UserError):
            self.lane.from_territory_id = territory

    def test_the_deepest_lane_counts_for_every_pair(self):
        Lane = self.env["dms.transfer.lane"]
        north, south, country = self.territory_north, self.territory_south, self.territory_country
        lanes = self.lane | Lane.create(
            [
                {"from_territory_id": one.id, "to_territory_id": other.id, "cost_kg": cost, "days": cost}
                for one, other, cost in (
                    (country, Lane.from_territory_id, 1),
                    (north, Lane.from_territory_id, 2),
                    (north, south, 3),
                    (country, country, 4),
                )
            ]
        )
        paths = [north.parent_path, south.parent_path, country.parent_path, False, north.parent_path]
        freight, days, _least = lanes._get_terms(paths, paths)
        np.testing.assert_array_equal(
            freight,
            [
                [2, 3, 2, 2, 2],
                [4, 4, 4, 1, 4],
                [4, 4, 4, 1, 4],
                [0.1] * 5,
                [2, 3, 2, 2, 2],
            ],
        )
        self.assertEqual(days[0, 1], 3)
        self.assertTrue(np.isinf(Lane._get_terms(paths, paths)[0]).all())

    def test_whose_sales_no_forecast_foresees_gives_nothing(self):
        self.assertTrue(self._plan().line_ids)
        self.env["dms.forecast.series"].sudo().search(
            [("partner_id", "=", self.distributor_north.id), ("product_id", "=", self.product_tea.id)]
        ).unlink()
        self.assertFalse(self._plan().line_ids)

    def test_one_mail_for_each_distributor(self):
        third = self._create_distributor("East Trading", "D-EAST", "2100")
        self._create_agreement(third, self.territory_south)
        third.property_product_pricelist = self.pricelist_gold
        self._create_clerk("clerk_east", third)
        self._sell(third, self.product_tea, 3)
        self._set_stock(third, self.product_tea, 5)
        self._forecast()
        self.env["dms.stock.health"]._refresh(self.company)
        lines = self._plan().line_ids
        self.assertEqual(lines.taker_id, self.distributor_south | third)
        lines.with_user(self.user_manager).action_accept()
        transfers = lines.transfer_id
        self.assertEqual(len(transfers), 2)
        sent = transfers.message_ids.filtered("partner_ids")
        people = [self.clerk_north.partner_id, self.clerk_south.partner_id]
        for person in people:
            self.assertEqual(len(sent.filtered(lambda mail, who=person: who in mail.partner_ids)), 1)
        [mail] = sent.filtered(lambda mail: self.clerk_north.partner_id in mail.partner_ids)
        for transfer in transfers:
            self.assertIn(transfer.name, mail.body)

    def test_each_side_reads_its_own_reason(self):
        self._sell_at(self.distributor_south, self.product_tea, 12.34)
        line = self._plan().line_ids
        line.with_user(self.user_manager).action_accept()
        transfer = line.transfer_id
        own = {side: transfer._get_own_reason(side) for side in ("giver", "taker")}
        self.assertEqual(own, {"giver": line.giver_reason, "taker": line.taker_reason})
        self.assertIn("2,500", own["giver"])
        self.assertIn("2.34", own["taker"])
        for side, secrets in (
            ("giver", ("South", "2.34", f"{line.margin:,.2f}")),
            ("taker", ("North", "2,500", f"{line.saved:,.2f}")),
        ):
            for secret in secrets:
                self.assertNotIn(secret, own[side])
        self.assertEqual(transfer._get_own_reason(None), "")
        for clerk in (self.clerk_north, self.clerk_south):
            with self.assertRaises(AccessError):
                transfer.with_user(clerk).read(["giver_reason", "taker_reason"])
        third = self._create_distributor("East Trading", "D-EAST", "1300")
        transfer.giver_id = third
        self.assertFalse(
            transfer._get_own_reason("giver"), "another giver does not read the first one's figures"
        )
        self.assertTrue(transfer._get_own_reason("taker"))

    def test_a_new_plan_replaces_what_an_older_one_offers(self):
        first = self._plan()
        again = self._plan()
        self.assertFalse(first.line_ids)
        self.assertTrue(again.line_ids)
        again.line_ids.with_user(self.user_manager).action_accept()
        self._plan()
        self.assertEqual(again.transfer_count, 1, "what was proposed stays")

    def test_two_plan_at_once(self):
        with db_connect(self.env.cr.dbname).cursor() as cr:
            cr.execute("SELECT pg_advisory_xact_lock(hashtext('dms_transfer_plan'), %s)", [self.company.id])
            with self.assertRefused("Someone else is planning"):
                self._plan()

    def test_nights_plan_without_leaving_a_heap(self):
        Plan = self.env["dms.transfer.plan"]
        domain = [("company_id", "=", self.company.id)]

        def night():
            with self.enter_registry_test_mode():
                self.env.ref("dms_forecast.ir_cron_dms_transfer_plan").with_user(
                    self.env.ref("base.user_root")
                ).method_direct_trigger()
            return Plan.search(domain)

        plan = night()
        self.assertTrue(plan.line_ids)
        self.assertEqual(night(), plan)
        plan.line_ids.with_user(self.user_manager).action_accept()
        both = night()
        self.assertEqual(len(both), 2, "what was proposed is kept")
        self.assertIn(plan, both)
        self.lane.active = False
        (both - plan).unlink()
        self.assertEqual(night(), plan, "no lane, no plan")

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
