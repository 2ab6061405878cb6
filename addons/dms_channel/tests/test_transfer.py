import random
from datetime import timedelta
from decimal import Decimal

from lxml import etree
from psycopg2.errors import CheckViolation

from odoo import Command, fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from odoo.addons.dms_channel.tests.common import SIGNATURE, DmsChannelCommon


class TransferCommon(DmsChannelCommon):
    """North has 24 teas, 14 sold in at 9 and ten at 8; South may sell everything."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.today = fields.Date.context_today(cls.env.user)
        cls.positions = cls.env["dms.channel.position"]
        cls._sell_in(cls.distributor_north, cls.product_tea, 14, 9.0, 100)
        cls._sell_in(cls.distributor_north, cls.product_tea, 10, 8.0, 50)
        cls.company.dms_transfer_user_id = cls.user_manager

    @classmethod
    def _sell_in(cls, partner, product, quantity, price, days_ago):
        cls.env["dms.channel.move"].sudo().create(
            {
                "kind": "sell_in",
                "partner_id": partner.id,
                "product_id": product.id,
                "date": cls.today - timedelta(days=days_ago),
                "quantity": quantity,
                "price_unit": price,
                "amount": quantity * price,
            }
        )

    @classmethod
    def _transfer(cls, quantity=12, **vals):
        return cls.env["dms.transfer"].create(
            {
                "giver_id": cls.distributor_north.id,
                "taker_id": cls.distributor_south.id,
                "line_ids": [Command.create({"product_id": cls.product_tea.id, "product_uom_qty": quantity})],
                **vals,
            }
        )

    @classmethod
    def _agreed(cls, quantity=12, **vals):
        transfer = cls._transfer(quantity, **vals)
        transfer.with_user(cls.user_manager).action_propose()
        transfer.with_user(cls.clerk_north)._agree("N. North")
        transfer.with_user(cls.clerk_south)._agree("S. South")
        return transfer

    @classmethod
    def _shipped(cls, quantity=12, **vals):
        transfer = cls._agreed(quantity, **vals)
        transfer.with_user(cls.clerk_north)._ship("N. North")
        return transfer

    @classmethod
    def _receive(cls, transfer, quantity=None, reason="damaged"):
        line = transfer.line_ids
        transfer.with_user(cls.clerk_south)._receive(
            "S. South", SIGNATURE, None if quantity is None else {line: (quantity, reason)}
        )

    def _stock(self, partner, product=None):
        position = self.positions.search(
            [("partner_id", "=", partner.id), ("product_id", "=", (product or self.product_tea).id)]
        )
        return position.quantity, position.in_transit

    def _layers(self, partner, date=None):
        found = self.positions._get_layers(partner, self.product_tea, self.company, date)
        return [
            ((self.today - layer.day).days, float(layer.quantity), float(layer.price))
            for layer in found.get((partner.id, self.product_tea.id), [])
        ]

    def _assert_consistent(self):
        self.assertFalse(self.positions._check_consistency())
        self.assertFalse(self.env["dms.channel.week"]._count_differences())


@tagged("post_install", "-at_install")
class TestTransfer(TransferCommon):
    def test_consents_and_states(self):
        transfer = self._transfer()
        self.assertEqual(transfer.state, "draft")
        transfer.with_user(self.user_manager).action_propose()
        self.assertTrue(transfer.brand_agreed)
        transfer.with_user(self.clerk_north)._agree("N. North", "10.0.0.1")
        self.assertEqual(transfer.state, "proposed")
        self.assertEqual(transfer.waiting_text, "South Trading")
        transfer.with_user(self.clerk_south)._agree("S. South")
        self.assertEqual(transfer.state, "agreed")
        self.assertRecordValues(
            transfer.consent_ids,
            [
                {"side": "brand", "user_id": self.user_manager.id, "name": self.user_manager.name},
                {"side": "giver", "user_id": self.clerk_north.id, "name": "N. North"},
                {"side": "taker", "user_id": self.clerk_south.id, "name": "S. South"},
            ],
        )
        self.assertTrue(transfer.activity_ids.filtered(lambda a: a.user_id == self.user_manager))

    def test_a_user_proposes_and_the_manager_agrees(self):
        transfer = self._transfer()
        transfer.with_user(self.user_channel).action_propose()
        self.assertFalse(transfer.brand_agreed)
        with self.assertRefused("Only a channel manager"):
            transfer.with_user(self.user_channel).action_agree()
        transfer.with_user(self.user_manager).action_agree()
        self.assertTrue(transfer.brand_agreed)

    def test_the_planner_proposes_without_consent(self):
        vals = {
            "giver_id": self.distributor_north.id,
            "taker_id": self.distributor_south.id,
            "source": "planner",
            "line_ids": [Command.create({"product_id": self.product_tea.id, "product_uom_qty": 5})],
        }
        transfer = self.env["dms.transfer"].with_user(self.user_manager)._propose([vals])
        self.assertEqual((transfer.state, transfer.source), ("proposed", "planner"))
        self.assertFalse(transfer.consent_ids)

    def test_a_distributor_proposes_and_the_brand_finds_the_other(self):
        lines = [Command.create({"product_id": self.product_tea.id, "product_uom_qty": 5})]
        transfer = (
            (
                self.env["dms.transfer"]
                .with_user(self.clerk_south)
                ._propose([{"taker_id": self.distributor_south.id, "line_ids": lines}], "S. South")
            )
            .sudo(False)
            .with_user(self.user_manager)
        )
        self.assertRecordValues(
            transfer,
            [{"source": "taker", "taker_agreed": True, "giver_agreed": False, "brand_agreed": False}],
        )
        transfer.giver_id = self.distributor_north
        self.assertFalse(transfer.taker_agreed, "other terms ask the taker again")
        with self.assertRaises(AccessError):
            self.env["dms.transfer"].with_user(self.clerk_south)._propose(
                [{"giver_id": self.distributor_north.id, "line_ids": lines}]
            )

    def test_other_quantities_void_the_consents_of_the_others(self):
        transfer = self._agreed()
        transfer.with_user(self.user_manager).line_ids.product_uom_qty = 10
        self.assertRecordValues(
            transfer,
            [{"state": "proposed", "giver_agreed": False, "taker_agreed": False, "brand_agreed": True}],
        )
        self.assertEqual(len(transfer.consent_ids.filtered("voided_on")), 2)
        transfer.with_user(self.clerk_north)._agree("N. North")
        transfer.with_user(self.clerk_south)._agree("S. South")
        self.assertEqual(transfer.state, "agreed")

    def test_terms_stand_once_shipped(self):
        transfer = self._shipped()
        with self.assertRefused("its goods, parties and terms stand"):
            transfer.line_ids.product_uom_qty = 3
        with self.assertRefused("its goods, parties and terms stand"):
            transfer.taker_id = self.distributor_north
        with self.assertRefused("follows from consents"):
            transfer.state = "received"
        with self.assertRefused("is noted by shipping"):
            transfer.line_ids.received_quantity = 3
        with self.assertRefused("was proposed and is kept"):
            transfer.unlink()

    def test_only_parties_speak(self):
        transfer = self._transfer()
        transfer.with_user(self.user_manager).action_propose()
        third = self._create_distributor("East", "D-EAST", "1100")
        clerk = self._create_clerk("clerk_east", third)
        for user in (clerk, self.clerk_outlet):
            with self.assertRaises(AccessError):
                transfer.with_user(user)._agree("X")
            with self.assertRaises(AccessError):
                transfer.with_user(user)._refuse("X", "no")
            self.assertFalse(self.env["dms.transfer"].with_user(user).search([]))
        with self.assertRaises(AccessError):
            transfer.with_user(self.clerk_north).action_agree()
        with self.assertRaises(AccessError):
            transfer.with_user(self.clerk_north).write({"date_planned": self.today})

    def test_what_portal_users_may_read(self):
        transfer = self._shipped(delivery_cost=100)
        for user in (self.clerk_north, self.clerk_south):
            own = transfer.with_user(user)
            self.assertEqual(own.read(["name", "state"])[0]["state"], "shipped")
            for name in ("reason", "delivery_cost", "giver_cost", "taker_share"):
                with self.assertRaises(AccessError):
                    own.read([name])
            with self.assertRaises(AccessError):
                own.consent_ids.read(["name"])
        moves = self.env["dms.channel.move"].with_user(self.clerk_south).search([("kind", "=", "transfer")])
        self.assertEqual(moves.partner_id, self.distributor_south)
        self.assertEqual(set(moves.mapped("price_unit")) | set(moves.mapped("amount")), {0.0})
        with self.assertRaises(AccessError):
            moves.read(["layer_price"])

    def test_nobody_else_reads_it(self):
        """Neither by record, nor by its lines, consents or moves; nor does staff of another company."""
        transfer, agreed = self._shipped(), self._agreed(1)
        third = self._create_distributor("East", "D-EAST", "1100")
        other = self.env["res.company"].create({"name": "Other Brand"})
        stranger = self._create_staff("dms_stranger", "dms_channel.dms_channel_group_manager")
        stranger.write({"company_ids": [Command.set(other.ids)], "company_id": other.id})
        moves = self.env["dms.channel.move"].search([("transfer_line_id", "in", transfer.line_ids.ids)])
        for user in (
            self._create_clerk("clerk_east", third),
            self.clerk_outlet,
            stranger,
            self.env.ref("base.public_user"),
        ):
            for records in (transfer, transfer.line_ids, transfer.consent_ids, moves):
                with self.assertRaises(AccessError):
                    records.with_user(user).read(["id", "display_name"])
        for clerk in (self.clerk_north, self.clerk_south):
            own = transfer.with_user(clerk)
            with self.assertRaises(AccessError):
                own.copy()
            with self.assertRaises(AccessError):
                agreed.line_ids.with_user(clerk).write({"product_uom_qty": 2})
            with self.assertRaises(AccessError):
                own.unlink()
        giver_moves = moves.filtered(lambda move: move.partner_id == self.distributor_north)
        with self.assertRaises(AccessError):
            giver_moves.with_user(self.clerk_south).read(["quantity"])

    def test_list_asks_a_constant_number_of_queries(self):
        arch = self.env["dms.transfer"].with_user(self.user_manager).get_view(view_type="list")["arch"]
        names = [node.get("name") for node in etree.fromstring(arch).iter("field")]
        transfers = self.env["dms.transfer"].with_user(self.user_manager)
        specification = {
            name: {"fields": {"display_name": {}}} if transfers._fields[name].type == "many2one" else {}
            for name in names
        }
        self._agreed(2)
        counts = []
        for _round in range(3):
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            found = transfers.web_search_read([], specification)
            counts.append((found["length"], self.env.cr.sql_log_count - before))
            for _number in range(4):
                self._agreed(1)
        self.assertEqual([length for length, _queries in counts], [1, 5, 9])
        self.assertEqual(counts[1][1], counts[2][1])
        self.assertLessEqual(counts[1][1], counts[0][1] + 1)

    # === CHECKS ===

    def test_parties_are_checked(self):
        with self.assertRefused("is no distributor"):
            self._transfer(taker_id=self.outlet.id)
        with self.assertRaises(CheckViolation), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            self._transfer(taker_id=self.distributor_north.id)
        other = self.env["res.company"].create({"name": "Other Brand"})
        stranger = self._create_distributor("Stranger", "D-X", "1200", company_id=other.id)
        with self.assertRaises(UserError):
            self._transfer(taker_id=stranger.id)

    def test_the_taker_must_be_allowed_to_sell(self):
        self.agreement_south.action_terminate()
        with self.assertRefused("has no agreement in force"):
            self._transfer().action_propose()
        self._create_agreement(
            self.distributor_south,
            self.territory_south,
            line_ids=[
                Command.create(
                    {
                        "territory_id": self.territory_south.id,
                        "categ_ids": [Command.link(self.categ_snacks.id)],
                    }
                )
            ],
        )
        with self.assertRefused("does not cover .*Tea"):
            self._transfer().action_propose()

    def test_the_giver_must_have_it(self):
        with self.assertRefused("has 24 Units of .*Tea to spare, not 25"):
            self._transfer(25).action_propose()
        self._agreed(20)
        position = self.positions.search([("partner_id", "=", self.distributor_north.id)])
        self.assertEqual(position.promised, 20)
        with self.assertRefused("has 4 Units of .*Tea to spare, not 5"):
            self._transfer(5).action_propose()
        self._transfer(4).action_propose()

    def test_goods_in_transit_are_not_passed_on(self):
        self._shipped(10)
        back = self._transfer(1, giver_id=self.distributor_south.id, taker_id=self.distributor_north.id)
        with self.assertRefused("has 0 Units"):
            back.action_propose()

    def test_stock_sold_meanwhile_stops_the_shipping(self):
        transfer = self._agreed(20)
        self.env["dms.channel.move"].sudo().create(
            {
                "kind": "sell_out",
                "partner_id": self.distributor_north.id,
                "product_id": self.product_tea.id,
                "quantity": -10,
            }
        )
        with self.assertRefused("has 14 Units"):
            transfer.with_user(self.clerk_north)._ship("N. North")
        self.assertEqual(self._stock(self.distributor_north), (14, 0))

    def test_quantities_are_whole_units(self):
        dozen = self.env["product.product"].create({"name": "Tray", "uom_id": self.uom_case.id})
        with self.assertRefused("no whole number", ValidationError):
            self._transfer(
                line_ids=[
                    Command.create(
                        {
                            "product_id": dozen.id,
                            "product_uom_qty": 1,
                            "product_uom_id": self.uom_unit.id,
                        }
                    )
                ]
            )
        case = self._transfer(
            line_ids=[
                Command.create(
                    {
                        "product_id": self.product_tea.id,
                        "product_uom_qty": 2,
                        "product_uom_id": self.uom_case.id,
                    }
                )
            ]
        )
        self.assertEqual(case.line_ids.quantity, 24)

    # === LEDGER ===

    def test_layers_go_along(self):
        self._sell_in(self.distributor_south, self.product_tea, 3, 7.0, 20)
        transfer = self._shipped(16)
        self.assertEqual(self._stock(self.distributor_north), (8, 0))
        self.assertEqual(self._stock(self.distributor_south), (19, 16))
        self.assertEqual(self._layers(self.distributor_north), [(50, 8, 8)])
        self.assertEqual(self._layers(self.distributor_south), [(100, 14, 9), (50, 2, 8), (20, 3, 7)])
        self._assert_consistent()
        self._receive(transfer)
        self.assertEqual(transfer.state, "received")
        self.assertFalse(transfer.activity_ids, "the transport is arranged")
        self.assertEqual(self._stock(self.distributor_south), (19, 0))
        position = self.positions.search([("partner_id", "=", self.distributor_south.id)])
        self.assertEqual(position.oldest_days, 100)
        self.assertEqual(self._layers(self.distributor_south, self.today - timedelta(days=1)), [(20, 3, 7)])
        self._assert_consistent()

    def test_the_brand_notes_what_was_confirmed_otherwise(self):
        transfer = self._agreed(16)
        with self.assertRaises(AccessError):
            transfer.with_user(self.user_channel).action_ship()
        transfer.with_user(self.user_manager).action_ship()
        with self.assertRaises(AccessError):
            transfer.with_user(self.user_channel).action_receive()
        transfer.with_user(self.user_manager).action_receive()
        self.assertRecordValues(
            transfer, [{"state": "received", "received_by": self.user_manager.name, "signature": False}]
        )
        self.assertEqual(self._stock(self.distributor_south), (16, 0))

    def test_missing_goods_wait_for_a_decision(self):
        transfer = self._shipped(16)
        with self.assertRefused("Say why"):
            self._receive(transfer, 13, "")
        with self.assertRefused("between 0 and 16"):
            self._receive(transfer, 17)
        with self.assertRefused("signature is missing"):
            transfer.with_user(self.clerk_south)._receive("S. South")
        with self.assertRefused("taker receives"):
            transfer.with_user(self.clerk_north)._receive("N. North", SIGNATURE)
        self._receive(transfer, 13)
        self.assertEqual(transfer.state, "difference")
        self.assertEqual(self._stock(self.distributor_south), (16, 3))
        self._assert_consistent()
        with self.assertRefused("whether the missing 3 are lost"):
            transfer.with_user(self.user_manager).action_decide()
        transfer.with_user(self.user_manager).line_ids.write({"fate": "returned", "fate_reason": "Came back"})
        transfer.with_user(self.user_manager).action_decide()
        self.assertEqual(transfer.state, "received")
        self.assertEqual(self._stock(self.distributor_south), (13, 0))
        self.assertEqual(self._stock(self.distributor_north), (11, 0))
        self.assertEqual(self._layers(self.distributor_south), [(100, 13, 9)])
        self.assertEqual(self._layers(self.distributor_north), [(100, 1, 9), (50, 10, 8)])
        self._assert_consistent()

    def test_lost_goods_are_nobodys(self):
        transfer = self._shipped(16)
        self._receive(transfer, 13)
        transfer.line_ids.write({"fate": "lost", "fate_reason": "Accident"})
        transfer.action_decide()
        self.assertEqual(self._stock(self.distributor_north), (8, 0))
        self.assertEqual(self._stock(self.distributor_south), (13, 0))
        self._assert_consistent()

    def test_cancelling_leaves_no_trace_in_the_sums(self):
        for receive in (False, True):
            transfer = self._shipped(16)
            if receive:
                self._receive(transfer, 13)
                transfer.line_ids.write({"fate": "lost", "fate_reason": "Accident"})
                transfer.action_decide()
            transfer.with_user(self.user_manager).action_cancel()
            self.assertEqual(transfer.state, "cancelled")
            self.assertEqual(self._stock(self.distributor_north), (24, 0))
            self.assertEqual(self._stock(self.distributor_south), (0, 0))
            self.assertEqual(self._layers(self.distributor_north), [(100, 14, 9), (50, 10, 8)])
            self.assertFalse(self._layers(self.distributor_south))
            self._assert_consistent()

    def test_what_was_sold_can_not_be_taken_back(self):
        transfer = self._shipped(16)
        self._receive(transfer)
        self.env["dms.channel.move"].sudo().create(
            {
                "kind": "sell_out",
                "partner_id": self.distributor_south.id,
                "product_id": self.product_tea.id,
                "quantity": -1,
            }
        )
        with self.assertRefused("has sold some"):
            transfer.action_cancel()

    def test_moves_of_a_transfer_are_not_reversed_by_hand(self):
        self._shipped()
        with self.assertRefused("corrected by cancelling the transfer"):
            self.env["dms.channel.move"].search([("kind", "=", "transfer")]).action_reverse()

    def test_less_is_shipped_with_a_reason(self):
        transfer = self._agreed(16)
        transfer.with_user(self.clerk_north)._ship(
            "N. North", {transfer.line_ids: (10, "Pallet broken")}, "1Z999"
        )
        self.assertEqual(self._stock(self.distributor_south), (10, 10))
        self.assertEqual(
            (transfer.line_ids.shipped_reason, transfer.tracking_ref), ("Pallet broken", "1Z999")
        )
        self._receive(transfer)
        self.assertEqual(transfer.state, "received")
        self._assert_consistent()

    def test_refusing_frees_what_was_promised(self):
        transfer = self._agreed(20)
        with self.assertRefused("Say in a few words"):
            transfer.with_user(self.clerk_south)._refuse("S. South", " ")
        transfer.with_user(self.clerk_south)._refuse("S. South", "We found some elsewhere")
        self.assertRecordValues(
            transfer, [{"state": "refused", "giver_agreed": False, "end_reason": "We found some elsewhere"}]
        )
        self._transfer(24).action_propose()

    # === FREIGHT ===

    def test_freight_adds_up_and_is_charged(self):
        transfer = self._agreed(giver_share=33.33, taker_share=33.33)
        transfer.delivery_cost = 100.01
        self.assertEqual(transfer.state, "agreed", "the freight is often known later than the consents")
        self.assertAlmostEqual(
            transfer.giver_cost + transfer.taker_cost + transfer.brand_cost, 100.01, places=6
        )
        transfer.with_user(self.clerk_north)._ship("N. North")
        self._receive(transfer)
        charges = transfer.charge_ids
        self.assertRecordValues(
            charges.sorted("amount_untaxed"),
            [
                {"state": "draft", "amount_untaxed": amount}
                for amount in sorted((transfer.giver_cost, transfer.taker_cost))
            ],
        )
        self.assertEqual(charges.partner_id, self.distributor_north | self.distributor_south)
        transfer.action_charge()
        self.assertEqual(transfer.charge_ids, charges, "nothing is charged twice")
        charges.action_post()
        items = self.env["dms.transfer"]._get_open_charge_items(self.distributor_north, self.company)
        self.assertEqual(items.move_id, charges.filtered(lambda m: m.partner_id == self.distributor_north))
        transfer.action_cancel()
        self.assertEqual(sum(transfer.charge_ids.mapped("amount_residual")), 0)
        self.assertFalse(
            self.env["dms.transfer"]._get_open_charge_items(self.distributor_north, self.company)
        )

    def test_delivery_note(self):
        transfer = self._agreed()
        self.assertTrue(transfer._render_delivery_note().startswith(b"%PDF"))


class SimpleTransfers:
    """What must be true, without a ledger: each distributor's goods as a list of (days of age, price), oldest first."""

    def __init__(self, stock):
        self.stock = stock
        self.transit = dict.fromkeys(stock, 0)
        self.lost = 0


@tagged("post_install", "-at_install")
class TestTransferProperty(TransferCommon):
    def test_random_sequences_equal_a_simple_model(self):
        for seed in range(12):
            with self.subTest(seed=seed), self.env.cr.savepoint() as savepoint:
                self._play(random.Random(seed))
                savepoint.rollback()
            self.env.invalidate_all()

    def _play(self, rng):
        north, south = self.distributor_north, self.distributor_south
        self._sell_in(south, self.product_tea, 6, 7.5, 70)
        self.model = SimpleTransfers(
            {
                north: [(100, Decimal(9))] * 14 + [(50, Decimal(8))] * 10,
                south: [(70, Decimal("7.5"))] * 6,
            }
        )
        self.running = []
        for _step in range(8):
            action = rng.choice(
                (self._do_ship, self._do_ship, self._do_receive, self._do_receive, self._do_cancel)
            )
            action(rng)
            self._compare()

    def _do_ship(self, rng):
        giver, taker = rng.sample(list(self.model.stock), 2)
        free = len(self.model.stock[giver]) - self.model.transit[giver]
        quantity = rng.randint(1, 9)
        vals = {"giver_id": giver.id, "taker_id": taker.id}
        if quantity > free:
            with self.assertRefused("to spare"):
                self._transfer(quantity, **vals).action_propose()
            return
        before = self._snapshot()
        transfer = self._transfer(quantity, **vals)
        transfer.action_propose()
        for partner, user in (
            (self.distributor_north, self.clerk_north),
            (self.distributor_south, self.clerk_south),
        ):
            transfer.with_user(user)._agree(partner.name)
        transfer.action_ship()
        goods, self.model.stock[giver] = (
            self.model.stock[giver][:quantity],
            self.model.stock[giver][quantity:],
        )
        self.model.stock[taker] = sorted(self.model.stock[taker] + goods, reverse=True)
        self.model.transit[taker] += quantity
        self.running.append((transfer, goods, before, len(self.running)))

    def _snapshot(self):
        return (
            {partner: list(goods) for partner, goods in self.model.stock.items()},
            dict(self.model.transit),
            self.model.lost,
        )

    def _do_receive(self, rng):
        waiting = [entry for entry in self.running if entry[0].state == "shipped"]
        if not waiting:
            return
        transfer, goods, _before, _number = rng.choice(waiting)
        arrived = rng.randint(0, len(goods))
        transfer._receive("X", SIGNATURE, {transfer.line_ids: (arrived, "counted")})
        taker, giver = transfer.taker_id, transfer.giver_id
        self.model.transit[taker] -= len(goods)
        if missing := goods[arrived:]:
            fate = rng.choice(("lost", "returned"))
            transfer.line_ids.write({"fate": fate, "fate_reason": "counted"})
            transfer.action_decide()
            for item in missing:
                self.model.stock[taker].remove(item)
            if fate == "returned":
                self.model.stock[giver] = sorted(self.model.stock[giver] + missing, reverse=True)
            else:
                self.model.lost += len(missing)
        self.running.remove((transfer, goods, _before, _number))
        for index, entry in enumerate(self.running):
            self.running[index] = (*entry[:2], None, entry[3])

    def _do_cancel(self, rng):
        """The last one that was shipped is cancelled, when nothing came after it: then all is as it was."""
        if not self.running or self.running[-1][2] is None or self.running[-1][0].state != "shipped":
            return
        transfer, _goods, before, _number = self.running.pop()
        transfer.action_cancel()
        self.model.stock, self.model.transit, self.model.lost = before

    def _compare(self):
        whole = self.model.lost
        for partner, goods in self.model.stock.items():
            quantity, transit = self._stock(partner)
            self.assertEqual((quantity, transit), (len(goods), self.model.transit[partner]))
            expected = {}
            for item in goods:
                expected[item] = expected.get(item, 0) + 1
            found = {
                ((self.today - layer.day).days, layer.price): layer.quantity
                for layer in self.positions._get_layers(partner, self.product_tea, self.company).get(
                    (partner.id, self.product_tea.id), []
                )
            }
            self.assertEqual(found, expected)
            whole += quantity
        self.assertEqual(whole, 30)
        self._assert_consistent()
