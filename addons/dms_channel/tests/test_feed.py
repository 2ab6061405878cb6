import base64
import contextlib
import gzip
from datetime import date

import psycopg2

from odoo import SUPERUSER_ID, api
from odoo.exceptions import AccessError, UserError
from odoo.sql_db import db_connect
from odoo.tests import Form, new_test_user, tagged
from odoo.tools import mute_logger

from odoo.addons.dms_channel.tests.common import SIGNATURE, DmsChannelCommon, SessionsCase

HEADER = "outlet,product_code,date,quantity,returned,unit_price,reference"


@tagged("post_install", "-at_install")
class TestFeed(DmsChannelCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.feeds = cls.env["dms.feed"].with_user(cls.user_channel)
        cls.clerk_feeds = cls.env["dms.feed"].with_user(cls.clerk_north)
        # each rule has a test of its own in test_feed_rule
        cls.env["dms.feed.rule"].search([]).active = False

    def _receive(self, *rows, partner=None, header=HEADER, feeds=None, **options):
        raw = "\n".join([header, *rows]).encode()
        options.setdefault("filename", "sales.csv")
        feeds = self.feeds if feeds is None else feeds
        return feeds._receive(raw, partner=self.distributor_north if partner is None else partner, **options)

    def _position(self, product=None, partner=None):
        position = self.env["dms.channel.position"].search(
            [
                ("partner_id", "=", (partner or self.distributor_north).id),
                ("product_id", "=", (product or self.product_tea).id),
            ]
        )
        return position.quantity

    def assertAddsUp(self):
        self.assertFalse(self.env["dms.channel.position"]._check_consistency())

    def test_loop(self):
        """A clerk uploads, channel stock follows, a bad line says why and is mended without sending the file again."""
        feed = self._receive(
            "O-1,TEA,2025-01-05,12,2,3.5,R1",
            "O-1,TEEA,2025-01-05,1,,,",
            ",CHIPS,someday,1,,,",
            feeds=self.clerk_feeds,
        )
        self.assertEqual(feed.partner_id, self.distributor_north)
        self.assertRecordValues(
            feed, [{"state": "error", "line_count": 3, "ok_count": 1, "error_count": 2, "released_count": 0}]
        )
        feed.action_release()
        self.assertEqual(self._position(), -10)
        bad, undated = feed.line_ids.filtered(lambda line: line.state == "error")
        self.assertIn('"TEEA"', bad.message)
        self.assertIn('"someday"', undated.message)
        with self.assertRaises(AccessError):
            bad.write({"product_code": "TEA"})
        feed._mend({bad.id: {"product_code": "TEA"}})
        self.assertRecordValues(bad, [{"state": "ok", "product_id": self.product_tea.id, "message": ""}])
        feed._mend({undated.id: {"date_text": "2025-01-06"}})
        feed.action_release()
        self.assertRecordValues(
            feed, [{"state": "released", "error_count": 0, "released_count": 3, "move_count": 4}]
        )
        self.assertEqual(self._position(), -11)
        self.assertEqual(self._position(self.product_chips), -1)
        moves = self.env["dms.channel.move"].search([("feed_line_id.feed_id", "=", feed.id)], order="id")
        self.assertRecordValues(
            moves.filtered(lambda move: move.price_unit),
            [
                {
                    "kind": "sell_out",
                    "quantity": -12,
                    "amount": -42,
                    "outlet_id": self.outlet.id,
                    "origin": feed.name,
                },
                {
                    "kind": "return",
                    "quantity": 2,
                    "amount": 7,
                    "outlet_id": self.outlet.id,
                    "origin": feed.name,
                },
            ],
        )
        self.assertIn("TEEA → TEA", "".join(feed.sudo().message_ids.mapped("body")).replace("\u2192", "→"))
        self.assertAddsUp()

    def test_same_file_twice(self):
        rows = ("O-1,TEA,2025-01-05,12,,,", "O-1,CHIPS,2025-01-05,5,,,")
        feed = self._receive(*rows)
        feed.action_release()
        self.assertEqual(self._receive(*rows), feed)
        again = self.feeds._receive(
            gzip.compress("\n".join([HEADER, *rows]).encode()), "other.csv.gz", partner=self.distributor_north
        )
        self.assertNotEqual(again, feed)
        self.assertRecordValues(again, [{"duplicate_count": 2, "ok_count": 0, "error_count": 0}])
        self.assertIn(feed.name, again.line_ids[0].message)
        again.action_release()
        self.assertFalse(again.move_count)
        self.assertEqual(self._position(), -12)

    def test_rows_twice_in_one_file(self):
        feed = self._receive(
            *["O-1,TEA,2025-01-05,1,,,"] * 2, "O-1,TEA,2025-01-05,1,,,R2", "O-1,TEA,2025-01-05,2,,,"
        )
        self.assertEqual(feed.line_ids.mapped("state"), ["ok", "duplicate", "ok", "ok"])
        self.assertIn("Row 2", feed.line_ids[1].message)
        feed.line_ids[1].reference = "second customer"
        self.assertEqual(feed.line_ids.mapped("state"), ["ok", "ok", "ok", "ok"])
        feed.action_release()
        self.assertEqual(self._position(), -5)

    def test_mending_into_a_line_that_stands(self):
        feed = self._receive("O-1,TEEA,2025-01-05,1,,,", "O-1,TEA,2025-01-05,1,,,")
        feed.line_ids[0].product_code = "TEA"
        self.assertEqual(feed.line_ids.mapped("state"), ["duplicate", "ok"])
        feed.action_release()
        self.assertEqual(self._position(), -1)

    def test_a_later_report_that_differs(self):
        first = self._receive("O-1,TEA,2025-01-05,12,,,")
        first.action_release()
        second = self._receive("O-1,TEA,2025-01-05,15,,,", "O-1,TEA,2025-01-06,1,,,")
        line = second.line_ids[0]
        self.assertRecordValues(line, [{"state": "error", "issue": "conflict"}])
        self.assertIn(first.name, line.message)
        second.action_release()
        self.assertEqual(self._position(), -13)
        line.action_replace()
        second.action_release()
        self.assertEqual(self._position(), -16)
        self.assertEqual(first.line_ids.state, "reversed")
        self.assertAddsUp()

    def test_reverse(self):
        feed = self._receive("O-1,TEA,2025-01-05,12,3,2,")
        feed.action_release()
        with self.assertRaises(AccessError):
            feed.action_reverse()
        feed.with_user(self.user_manager).action_reverse()
        self.assertEqual(feed.state, "superseded")
        self.assertEqual(self._position(), 0)
        position = self.env["dms.channel.position"].search([("partner_id", "=", self.distributor_north.id)])
        self.assertFalse(position.last_sell_out)
        with self.assertRaises(UserError):
            feed.action_release()
        again = self._receive("O-1,TEA,2025-01-05,12,3,2,")
        self.assertNotEqual(again, feed)
        again.action_release()
        self.assertEqual(self._position(), -9)
        self.assertAddsUp()

    def test_codes(self):
        self.product_tea.barcode = "4006381333931"
        archived = self.env["product.product"].create({"name": "Old", "default_code": "OLD", "type": "consu"})
        archived.active = False
        other_outlet = self.outlet.copy({"ref": "O-2", "upstream_id": self.distributor_south.id})
        sub = self._create_distributor("Sub", "D-SUB", "1100", upstream_id=self.distributor_north.id)
        self.outlet.copy({"ref": "O-3", "upstream_id": sub.id})
        cases = {
            "O-1,tea,2025-01-05,1,,,": False,
            "o-1,4006381333931,2025-01-06,1,,,": False,
            "O-3,TEA,2025-01-07,1,,,": False,
            "O-2,TEA,2025-01-05,1,,,": "outlet_other",
            "O-9,TEA,2025-01-05,1,,,": "outlet_unknown",
            ",OLD,2025-01-05,1,,,": "product_inactive",
            ",NONE,2025-01-05,1,,,": "product_unknown",
            ",TEA,2099-01-05,1,,,": "date_future",
        }
        feed = self._receive(*cases)
        self.assertEqual(feed.line_ids.mapped("issue"), list(cases.values()))
        self.assertTrue(all(line.message for line in feed.line_ids if line.issue))
        self.assertTrue(archived and other_outlet)
        self.assertIn("Unknown product: 1", feed.issue_text)

    def test_units(self):
        kilogram = self.env.ref("uom.product_uom_kgm")
        feed = self._receive(
            "TEA,2025-01-05,2,case of 12,24,",
            "TEA,2025-01-06,3,,2,",
            f"TEA,2025-01-07,1,{kilogram.name},,",
            "TEA,2025-01-08,1,carton,,",
            "TEA,2025-01-09,1,,,10",
            header="product_code,date,quantity,unit,unit_price,amount",
        )
        self.assertEqual(
            feed.line_ids.mapped("issue"), [False, False, "unit_incompatible", "unit_unknown", False]
        )
        self.assertEqual(feed.line_ids.mapped("quantity"), [24, 3, 0, 0, 1])
        self.assertEqual(feed.line_ids[0].price_unit, 2)
        self.assertEqual(feed.line_ids[4].price_unit, 10)
        feed._map_codes("unit", {"Carton": self.uom_case.id})
        self.assertEqual(feed.line_ids[3].quantity, 12)

    def test_map_codes(self):
        feed = self._receive(
            "O-1,MINE-1,2025-01-05,1,,,",
            "O-1,mine-1,2025-01-06,2,,,",
            "O-1,MINE-2,2025-01-05,4,,,",
            "SHOP,TEA,2025-01-05,8,,,",
        )
        self.assertEqual(feed.error_count, 4)
        action = feed.action_map_codes()
        wizard = self.env["dms.feed.map.codes"].with_user(self.user_channel).browse(action["res_id"])
        self.assertEqual(sorted(wizard.line_ids.mapped("line_count")), [1, 1, 2])
        wizard.product_id = self.product_tea
        wizard.line_ids.filtered(lambda line: line.kind == "outlet").outlet_id = self.outlet
        wizard.action_confirm()
        self.assertEqual(feed.line_ids.mapped("state"), ["ok"] * 4)
        later = self._receive("SHOP,MINE-2,2025-02-01,1,,,")
        self.assertEqual(later.line_ids.state, "ok")
        other = self._receive(",MINE-2,2025-02-01,1,,,", partner=self.distributor_south)
        self.assertEqual(other.line_ids.issue, "product_unknown")

    def test_own_load_names_distributors(self):
        feed = self._receive(
            "D-NORTH,TEA,2025-01-05,1",
            "d-south,TEA,2025-01-05,2",
            "NOBODY,TEA,2025-01-05,1",
            ",TEA,2025-01-05,1",
            header="distributor,product_code,date,quantity",
            partner=self.env["res.partner"],
        )
        self.assertEqual(
            feed.line_ids.mapped("issue"), [False, False, "distributor_unknown", "distributor_missing"]
        )
        feed.action_release()
        self.assertEqual(self._position(partner=self.distributor_south), -2)
        feed = self._receive("D-SOUTH,TEA,2025-01-05,1", header="distributor,product_code,date,quantity")
        self.assertEqual(feed.line_ids.issue, "distributor_other")

    def test_count(self):
        self._receive("O-1,TEA,2025-01-05,12,,,", "O-1,TEA,2025-01-20,5,,,").action_release()
        header = "product_code,date,quantity"
        feed = self._receive(
            "TEA,2025-01-10,100", "TEA,2025-01-31,90", "CHIPS,2025-01-10,7", header=header, kind="count"
        )
        feed.action_release()
        position_model = self.env["dms.channel.position"]
        key = (self.distributor_north.id, self.product_tea.id)
        self.assertEqual(position_model._at("2025-01-04")[key], 0)
        self.assertEqual(position_model._at("2025-01-05")[key], -12)
        self.assertEqual(position_model._at("2025-01-10")[key], 100)
        self.assertEqual(position_model._at("2025-01-20")[key], 95)
        self.assertEqual(self._position(), 90)
        self.assertEqual(self._position(self.product_chips), 7)
        position = position_model.search([("product_id", "=", self.product_tea.id)])
        self.assertEqual(position.last_count, date(2025, 1, 31))
        twice = self._receive("CHIPS,2025-02-10,7", "CHIPS,2025-02-10,8", header=header, kind="count")
        self.assertEqual(set(twice.line_ids.mapped("issue")), {"count_twice"})
        self.assertAddsUp()

    def test_refused_files(self):
        for raw in (b"", b"a,b\n1,2\n", b"%PDF-1.4", HEADER.encode()):
            with self.subTest(raw=raw), self.assertRaises(UserError):
                self.feeds._receive(raw, "x.csv", partner=self.distributor_north)
        with self.assertRefused("neither distributor nor outlet"):
            self._receive("O-1,TEA,2025-01-05,1,,,", partner=self.company.partner_id)
        with self.assertRefused("stock of outlets is not kept"):
            self._receive(
                "TEA,2025-02-10,7", header="product_code,date,quantity", partner=self.outlet, kind="count"
            )
        with self.assertRefused("No distributor supplies"):
            self.outlet.upstream_id = False
            self._receive(",TEA,2025-01-05,1,,,", partner=self.outlet)

    def test_an_outlet_reports_its_own_sales(self):
        sibling = self.outlet.copy(
            {"name": "Other Shop", "ref": "O-2", "upstream_id": self.distributor_north.id}
        )
        shop_feeds = self.env["dms.feed"].with_user(self.clerk_outlet)
        feed = self._receive(
            ",TEA,2025-01-05,3,,,",
            "O-1,TEA,2025-01-06,4,1,,",
            "O-2,TEA,2025-01-07,5,,,",
            ",MINE,2025-01-08,2,,,",
            partner=self.outlet,
            feeds=shop_feeds,
        )
        self.assertEqual(feed.partner_id, self.outlet)
        self.assertEqual(
            feed.sudo().line_ids.mapped("issue"), [False, False, "outlet_sender", "product_unknown"]
        )
        feed._map_codes("product", {"MINE": self.product_chips.id})
        feed.action_release()
        moves = self.env["dms.channel.move"].search([("feed_line_id.feed_id", "=", feed.id)])
        self.assertEqual(moves.partner_id, self.distributor_north)
        self.assertEqual(moves.outlet_id, self.outlet)
        self.assertEqual((self._position(), self._position(self.product_chips)), (-6, -2))
        self.assertAddsUp()
        self.assertRecordValues(self._receive(",MINE,2025-01-09,2,,,"), [{"ok_count": 0, "error_count": 1}])

        sibling_clerk = self._create_clerk("clerk_sibling", sibling)
        for clerk in (sibling_clerk, self.clerk_north, self.clerk_south):
            with self.subTest(clerk=clerk.login), self.assertRaises(AccessError):
                feed.with_user(clerk).read(["name"])
        with self.assertRaises(AccessError):
            self._receive(
                ",TEA,2025-01-05,3,,,", partner=self.outlet, feeds=shop_feeds.with_user(sibling_clerk)
            )

    def test_an_outlet_does_not_replace_what_its_distributor_reported(self):
        first = self._receive("O-1,TEA,2025-01-05,12,,,", "O-1,TEA,2025-01-06,5,,,", feeds=self.clerk_feeds)
        first.action_release()
        feed = self._receive(
            ",TEA,2025-01-05,15,,,",
            ",TEA,2025-01-06,5,,,",
            partner=self.outlet,
            feeds=self.env["dms.feed"].with_user(self.clerk_outlet),
        )
        self.assertRecordValues(feed.sudo(), [{"error_count": 1, "duplicate_count": 1, "ok_count": 0}])
        with self.assertRefused("not yours to replace"):
            feed.sudo().line_ids.filtered(lambda line: line.issue == "conflict")._replace()
        self.assertEqual(self._position(), -17)

    def test_headers_of_the_last_file_are_remembered(self):
        columns = {"product_code": "Artikel", "date": "Tag", "quantity": "Stück"}
        self._receive("TEA,2025-01-05,1", header="Artikel,Tag,Stück", columns=columns)
        feed = self._receive("TEA,2025-01-06,1", header="Artikel,Tag,Stück")
        self.assertEqual(feed.ok_count, 1)
        with self.assertRaises(UserError):
            self._receive("TEA,2025-01-06,1", header="Artikel,Tag,Stück", partner=self.distributor_south)

    def test_portal_sees_its_own_only(self):
        north = self._receive("O-1,TEA,2025-01-05,1,,,", feeds=self.clerk_feeds)
        north.action_release()
        with self.assertRaises(AccessError):
            self._receive("O-1,TEA,2025-01-05,1,,,", partner=self.distributor_south, feeds=self.clerk_feeds)
        south_clerk = self.clerk_south
        self.assertEqual(north.with_user(self.clerk_north).line_count, 1)
        for record in (
            north,
            north.line_ids,
            self.env["dms.channel.move"].search([("partner_id", "=", self.distributor_north.id)]),
            self.env["dms.channel.position"].search([("partner_id", "=", self.distributor_north.id)]),
        ):
            self.assertTrue(record.with_user(self.clerk_north).read(["display_name"]))
            self.assertFalse(record.with_user(south_clerk).search([("id", "in", record.ids)]))
            with self.assertRaises(AccessError):
                record.with_user(south_clerk).read(["display_name"])
        for method in ("action_check", "action_release", "action_reject", "action_reverse"):
            with self.assertRaises(AccessError):
                getattr(north.with_user(south_clerk), method)()
        with self.assertRaises(AccessError):
            north.with_user(south_clerk)._mend({north.line_ids.id: {"product_code": "CHIPS"}})
        with self.assertRaises(AccessError):
            north.with_user(self.clerk_north).write({"user_id": self.clerk_north.id})
        with self.assertRaises(AccessError):
            self.env["dms.channel.move"].with_user(self.clerk_north).create({})
        with self.assertRaises(AccessError):
            self._receive("O-1,TEA,2025-01-05,1,,,", feeds=self.env["dms.feed"].with_user(self.clerk_outlet))
        with self.assertRaises(AccessError):
            stranger = self._create_clerk(
                "clerk_stranger", self.env["res.partner"].create({"name": "Stranger"})
            )
            self.env["dms.feed"].with_user(stranger)._receive(b"x", "x.csv")

    def test_states_follow_from_actions(self):
        feed = self._receive("O-1,TEA,2025-01-05,1,,,")
        for vals in ({"state": "released"}, {"partner_id": self.distributor_south.id}, {"move_count": 0}):
            with self.assertRaises(UserError):
                feed.write(vals)
        with self.assertRaises(UserError):
            self.feeds.create({"partner_id": self.distributor_north.id})
        with self.assertRaises(UserError):
            feed.line_ids.write({"state": "released"})
        feed.user_id = self.user_manager
        feed.action_reject()
        self.assertEqual(feed.state, "rejected")
        with self.assertRaises(UserError):
            feed.action_check()
        order = self._create_order(self.distributor_north)
        order.action_confirm()
        with self.assertRaises(UserError):
            order.picking_ids.dms_receipt_state = "received"

    def test_form(self):
        """What the form does: edit a line among those to mend, save, release."""
        feed = self._receive("O-1,TEEA,2025-01-05,1,,,", "O-1,TEA,2025-01-06,1,,,")
        self.assertTrue(feed.has_unknown_codes)
        with Form(feed) as form, form.open_line_ids.edit(0) as line:
            line.product_code = "TEA"
        self.assertRecordValues(feed, [{"state": "checked", "ok_count": 2, "has_unknown_codes": False}])
        feed.action_release()
        self.assertEqual(feed.state, "released")

    def test_upload_wizard(self):
        wizard = self.env["dms.feed.upload"].with_user(self.user_channel).create({"filename": "x.csv"})
        with self.assertRaises(UserError):
            wizard.action_upload()
        self.assertEqual(wizard.action_template()["type"], "ir.actions.act_url")
        wizard.partner_id = self.distributor_north
        wizard.file = base64.b64encode(b"sku,date,qty\nTEA,2025-01-05,3\n")
        feed = self.feeds.browse(wizard.action_upload()["res_id"])
        self.assertRecordValues(feed, [{"ok_count": 1, "filename": "x.csv", "kind": "sell_through"}])
        self.assertEqual(base64.b64decode(feed.file), b"sku,date,qty\nTEA,2025-01-05,3\n")

    def test_other_company(self):
        feed = self._receive("O-1,TEA,2025-01-05,1,,,")
        stranger = new_test_user(
            self.env,
            "stranger",
            groups="dms_channel.dms_channel_group_manager",
            company_id=self.company_data_2["company"].id
            if hasattr(self, "company_data_2")
            else self.env["res.company"].create({"name": "Other"}).id,
        )
        with self.assertRaises(AccessError):
            feed.with_user(stranger).read(["name"])

    def test_ledger_is_append_only(self):
        self._receive("O-1,TEA,2025-01-05,1,,,").action_release()
        move = self.env["dms.channel.move"].search([("partner_id", "=", self.distributor_north.id)])
        with self.assertRaises(UserError):
            move.write({"quantity": 5})
        with self.assertRaises(UserError):
            move.unlink()
        with self.assertRaises(UserError):
            move.feed_line_id.product_code = "CHIPS"
        with self.assertRaises(UserError):
            move.feed_line_id.feed_id.unlink()
        with self.assertRaises(UserError):
            self.outlet.unlink()
        move._reverse("wrong")
        self.assertEqual(self._position(), 0)
        with self.assertRaises(UserError):
            move._reverse("again")

    def test_deliveries(self):
        order = self._create_order(self.distributor_north, [(self.product_tea, 20, 8.0)])
        order.order_line.product_uom_id = self.uom_case
        order.order_line.write({"product_uom_qty": 2, "price_unit": 96.0})
        order.action_confirm()
        picking = self._deliver(order)
        self.assertRecordValues(
            picking, [{"dms_receipt_state": "in_transit", "dms_distributor_id": self.distributor_north.id}]
        )
        position = self.env["dms.channel.position"].search([("partner_id", "=", self.distributor_north.id)])
        self.assertRecordValues(position, [{"quantity": 24, "in_transit": 24}])
        move = self.env["dms.channel.move"].search([("partner_id", "=", self.distributor_north.id)])
        self.assertRecordValues(
            move, [{"kind": "sell_in", "quantity": 24, "stock_move_id": picking.move_ids.id}]
        )
        self.assertAlmostEqual(move.price_unit, order.order_line.price_reduce_taxexcl / 12)
        with self.assertRaises(UserError):
            move._reverse()
        with self.assertRaises(AccessError):
            picking.with_user(self.clerk_south)._dms_sign_receipt("Mallory", SIGNATURE)
        with self.assertRaises(UserError):
            picking.with_user(self.clerk_north)._dms_sign_receipt(" ", SIGNATURE)
        returned = self._return(picking, 4)
        self.assertRecordValues(position, [{"quantity": 20, "in_transit": 20}])
        picking.with_user(self.clerk_north)._dms_sign_receipt("Nora", SIGNATURE)
        self.assertRecordValues(picking, [{"dms_receipt_state": "received", "dms_received_by": "Nora"}])
        self.assertTrue(picking.dms_signature)
        self.assertRecordValues(position, [{"quantity": 20, "in_transit": 0}])
        self.assertFalse(returned.dms_receipt_state)
        self.assertAddsUp()

    def test_delivery_to_others_is_no_sell_in(self):
        order = self._create_order(self.env["res.partner"].create({"name": "Passer-by"}))
        order.action_confirm()
        picking = self._deliver(order)
        self.assertFalse(picking.dms_receipt_state)
        self.assertFalse(self.env["dms.channel.move"].search([("stock_move_id", "in", picking.move_ids.ids)]))

    def test_posted_on_a_given_day(self):
        order = self._create_order(self.distributor_north)
        order.action_confirm()
        for move in order.picking_ids.move_ids:
            move.write({"quantity": move.product_uom_qty, "picked": True})
        order.picking_ids.with_context(force_period_date=date(2024, 3, 1))._action_done()
        self.assertEqual(
            self.env["dms.channel.move"]
            .search([("stock_move_id", "in", order.picking_ids.move_ids.ids)])
            .date,
            date(2024, 3, 1),
        )

    def test_consistency_check_reports_and_mends_nothing(self):
        self._receive("O-1,TEA,2025-01-05,1,,,").action_release()
        position = self.env["dms.channel.position"].search([("partner_id", "=", self.distributor_north.id)])
        self.env.cr.execute("UPDATE dms_channel_position SET quantity = 5 WHERE id = %s", [position.id])
        position.invalidate_recordset()
        with self.assertLogs("odoo.addons.dms_channel.models.dms_channel_position", "WARNING"):
            self.env["dms.channel.position"]._cron_check_consistency()
        self.assertRecordValues(position, [{"quantity": 5, "difference": -6}])

    def test_lists_need_few_queries(self):
        self._receive(*[f"O-1,TEA,2025-01-{day:02},1,,," for day in range(1, 29)]).action_release()
        self.env.invalidate_all()
        moves = self.env["dms.channel.move"].search([("partner_id", "=", self.distributor_north.id)])
        with self.assertQueryCount(25):
            moves.web_read(
                {"display_name": {}, "territory_id": {"fields": {"display_name": {}}}, "categ_id": {}}
            )

    def _return(self, picking, quantity):
        wizard = self.env["stock.return.picking"].create({"picking_id": picking.id})
        wizard.product_return_moves.quantity = quantity
        returned = self.env["stock.picking"].browse(wizard.action_create_returns()["res_id"])
        for move in returned.move_ids:
            move.write({"quantity": move.product_uom_qty, "picked": True})
        returned._action_done()
        return returned


@tagged("post_install", "-at_install")
class TestFeedConcurrency(SessionsCase):
    def setUp(self):
        super().setUp()

        def prepare(env):
            partner = env["res.partner"].create(
                {"name": "Race", "ref": "D-RACE", "channel_role": "distributor", "is_company": True}
            )
            product = env["product.product"].create({"name": "Race", "default_code": "RACE", "type": "consu"})
            return partner.id, product.id

        self.partner_id, self.product_id = self._run(prepare)
        self.addCleanup(self._run, self._clean)

    def _clean(self, env):
        env.cr.execute("DELETE FROM dms_channel_move WHERE partner_id = %s", [self.partner_id])
        env.cr.execute("DELETE FROM dms_channel_position WHERE partner_id = %s", [self.partner_id])
        env.cr.execute("DELETE FROM dms_channel_week WHERE partner_id = %s", [self.partner_id])
        env.cr.execute(
            "UPDATE dms_feed SET move_count = 0, released_count = 0 WHERE partner_id = %s", [self.partner_id]
        )
        env["dms.feed"].search([("partner_id", "=", self.partner_id)]).unlink()
        env["product.product"].browse(self.product_id).unlink()
        env["res.partner"].browse(self.partner_id).unlink()

    def _send(self, *contents):
        """Send files at once, and release them: numbers of feeds, of lines released and sent twice; the stock."""

        def upload(content):
            def work(env):
                partner = env["res.partner"].browse(self.partner_id)
                env["dms.feed"]._receive(content, "race.csv", partner=partner)._release()

            return work

        self.assertFalse(self._race(*map(upload, contents)))

        def answer(env):
            feeds = env["dms.feed"].search([("partner_id", "=", self.partner_id)])
            position = env["dms.channel.position"].search([("partner_id", "=", self.partner_id)])
            return (
                len(feeds),
                sum(feeds.mapped("released_count")),
                sum(feeds.mapped("duplicate_count")),
                position.quantity,
            )

        return self._run(answer)

    def test_same_lines_in_two_files(self):
        rows = "\n".join(
            ["product_code,date,quantity", *(f"RACE,2025-01-{day:02},1" for day in range(1, 29))]
        )
        feeds, released, duplicates, quantity = self._send(rows.encode(), gzip.compress(rows.encode()))
        self.assertEqual((feeds, released, duplicates, quantity), (2, 28, 28, -28))

    def test_same_bytes(self):
        rows = "\n".join(
            ["product_code,date,quantity", *(f"RACE,2025-01-{day:02},1" for day in range(1, 29))]
        ).encode()
        feeds, released, duplicates, quantity = self._send(rows, rows)
        self.assertEqual((feeds, released, duplicates, quantity), (1, 28, 0, -28))

    def test_different_lines(self):
        header = "product_code,date,quantity\n"
        files = [
            header + "\n".join(f"RACE,2025-{month:02}-{day:02},1" for day in range(1, 29))
            for month in (1, 2, 3)
        ]
        feeds, released, duplicates, quantity = self._send(*(text.encode() for text in files))
        self.assertEqual((feeds, released, duplicates, quantity), (3, 84, 0, -84))

    def test_an_upload_during_a_release(self):
        """What one session releases while another uploads the same lines is found when the other releases."""
        header = "product_code,date,quantity\n"
        rows = [f"RACE,2025-01-{day:02},1" for day in range(1, 29)]

        def send(env, lines):
            partner = env["res.partner"].browse(self.partner_id)
            return env["dms.feed"]._receive((header + "\n".join(lines)).encode(), "x.csv", partner=partner).id

        first = self._run(lambda env: send(env, rows))
        with db_connect(self.env.cr.dbname).cursor() as releasing:
            env = api.Environment(releasing, SUPERUSER_ID, {})
            env["dms.feed"].browse(first)._release()
            env.flush_all()
            second = self._run(lambda env: send(env, [*rows[:10], "RACE,2025-02-01,1"]))
            releasing.commit()
        self._run(lambda env: env["dms.feed"].browse(second)._release())

        def answer(env):
            feed = env["dms.feed"].browse(second)
            position = env["dms.channel.position"].search([("partner_id", "=", self.partner_id)])
            return feed.released_count, feed.duplicate_count, position.quantity

        self.assertEqual(self._run(answer), (1, 10, -29))

    def test_killed_in_the_middle(self):
        """The database ends the session in the middle of a release: nothing is left of it, and it can be done again."""
        rows = "product_code,date,quantity\n" + "\n".join(f"RACE,2025-01-{day:02},1" for day in range(1, 29))

        def send(env):
            partner = env["res.partner"].browse(self.partner_id)
            return env["dms.feed"]._receive(rows.encode(), "x.csv", partner=partner).id

        def state(env):
            feed = env["dms.feed"].browse(feed_id)
            moves = env["dms.channel.move"].search_count([("partner_id", "=", self.partner_id)])
            position = env["dms.channel.position"].search([("partner_id", "=", self.partner_id)])
            return feed.state, feed.released_count, moves, position.quantity

        feed_id = self._run(send)
        doomed = db_connect(self.env.cr.dbname).cursor()
        env = api.Environment(doomed, SUPERUSER_ID, {})
        env["dms.feed"].browse(feed_id)._release()
        env.flush_all()
        doomed.execute("SELECT pg_backend_pid()")
        [pid] = doomed.fetchone()
        self.env.cr.execute("SELECT pg_terminate_backend(%s)", [pid])
        with mute_logger("odoo.sql_db"):
            with self.assertRaises(psycopg2.Error):
                doomed.execute("SELECT 1 FROM dms_channel_move")
            with contextlib.suppress(psycopg2.Error):
                doomed.close()
        self.assertEqual(self._run(state), ("checked", 0, 0, 0))
        self._run(lambda env: env["dms.feed"].browse(feed_id)._release())
        self.assertEqual(self._run(state), ("released", 28, 28, -28))
