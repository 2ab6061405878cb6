import contextlib
from datetime import datetime

import psycopg2

from odoo import SUPERUSER_ID, api
from odoo.sql_db import db_connect
from odoo.tests import tagged
from odoo.tools import mute_logger

from odoo.addons.dms_channel.tests.common import DmsChannelCommon, SessionsCase

OUTLETS = "code,name,address,city,zip,phone,contact,status"


class FeedKindsCommon(DmsChannelCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.feeds = cls.env["dms.feed"].with_user(cls.user_channel)
        cls.env["dms.feed.rule"].search([]).active = False
        cls.outlet_south = cls.env["res.partner"].create(
            {
                "name": "Harbour Kiosk",
                "ref": "S-9",
                "is_company": True,
                "channel_role": "outlet",
                "upstream_id": cls.distributor_south.id,
                "country_id": cls.country.id,
                "street": "Quay 5",
                "city": "Ghent",
                "zip": "2010",
            }
        )

    def _receive(self, kind, header, *rows, partner=None, feeds=None):
        raw = "\n".join([header, *rows]).encode()
        return (feeds or self.feeds)._receive(
            raw, f"{kind}.csv", partner=partner or self.distributor_north, kind=kind
        )

    def _issues(self, feed):
        return [line.issues or line.warnings or line.notes or "" for line in feed.line_ids]

    def _outlets(self):
        return (
            self.env["res.partner"]
            .with_context(active_test=False)
            .search([("channel_role", "=", "outlet"), ("upstream_id", "=", self.distributor_north.id)])
        )


@tagged("post_install", "-at_install")
class TestFeedOutlet(FeedKindsCommon):
    def test_loop(self):
        self.outlet.write({"street": "Mill Lane 1", "city": "Ghent", "phone": "09 111"})
        feed = self._receive(
            "outlet",
            OUTLETS,
            "O-1,Corner Shop,Mill Lane 3,Ghent,1010,,Ann Lee,open",
            'O-2,Station Shop,"Platform 1\nHall B",Leuven,1020,13800138000.0,,',
            "O-3,Old Shop,Church Street 7,Leuven,1030,,,closed",
        )
        self.assertEqual((feed.state, feed.ok_count), ("checked", 3), feed.issue_text)
        self.assertEqual(
            feed.line_ids.mapped("change_text"),
            ["Street: Mill Lane 1 → Mill Lane 3\nContact: ∅ → Ann Lee", "New outlet", "New outlet"],
        )
        self.assertEqual(self.outlet.street, "Mill Lane 1", "nothing is written before the release")
        feed.action_release()
        self.assertEqual((feed.state, feed.move_count), ("released", 0))
        self.assertRecordValues(
            self._outlets().sorted("ref"),
            [
                {"ref": "O-1", "street": "Mill Lane 3", "phone": "09 111", "active": True, "zip": "1010"},
                {"ref": "O-2", "street": "Platform 1, Hall B", "phone": "13800138000", "active": True, "zip": "1020"},
                {"ref": "O-3", "street": "Church Street 7", "phone": False, "active": False, "zip": "1030"},
            ],
        )  # fmt: skip
        self.assertEqual(self.outlet.child_ids.filtered(lambda c: c.name == "Ann Lee").type, "contact")
        self.assertEqual(self._outlets()[-1].territory_id, self.territory_north)
        self.assertEqual(feed.line_ids.outlet_id, self._outlets())

        again = self._receive(
            "outlet", OUTLETS, "O-1,Corner Shop,Mill Lane 3,Ghent,1010,,ann lee,open", "O-1,Corner Shop,,,,,,closed"
        )  # fmt: skip
        self.assertEqual(self._issues(again), ["duplicate", "outlet_twice"])

        self.outlet.phone = "09 222"
        feed.with_user(self.user_manager).action_reverse()
        self.assertEqual(feed.state, "superseded")
        self.assertRecordValues(
            self._outlets().sorted("ref"),
            [
                {"street": "Mill Lane 1", "phone": "09 222", "active": True},
                {"street": "Platform 1, Hall B", "phone": "13800138000", "active": False},
                {"street": "Church Street 7", "phone": False, "active": False},
            ],
        )
        self.assertFalse(self.outlet.child_ids.filtered(lambda c: c.name == "Ann Lee"))

    def test_what_was_changed_since_stays(self):
        feed = self._receive("outlet", OUTLETS, "O-1,Corner Shop,Mill Lane 3,Ghent,1010,,,")
        feed.action_release()
        self.outlet.street = "Mill Lane 5"
        feed.with_user(self.user_manager).action_reverse()
        self.assertEqual((self.outlet.street, self.outlet.city), ("Mill Lane 5", False))
        self.assertIn("rows 2", feed.message_ids[0].body)

    def test_errors_are_mended_in_the_line(self):
        feed = self._receive(
            "outlet",
            OUTLETS + ",country,state",
            ",Nameless,,,,,,,,",
            "O-4,,,,,,,,,",
            "O-5,A Shop,,,,1.38E+10,,,,",
            "O-6,A Shop,,,,,,perhaps,,",
            "O-7,A Shop,,,,,,,Atlantis,",
            "O-8,=HYPERLINK(1),,,,,,,,",
            "O-9,A Shop,,,,,,,BE,Nowhere",
        )
        self.assertEqual(
            self._issues(feed),
            ["outlet_missing", "name_missing", "phone_unreadable", "status_unknown", "country_unknown", "formula",
             "state_unknown"],
        )  # fmt: skip
        self.assertTrue(all(feed.line_ids.mapped("message")))
        feed.line_ids[2].phone_text = "0471 22"
        feed.line_ids[1].outlet_name = "Named Shop"
        self.assertEqual(feed.line_ids[1:3].mapped("state"), ["ok", "ok"])
        feed.line_ids[6]._accept("a province that Odoo does not know")
        feed.action_release()
        self.assertEqual(
            {o.ref: o.name for o in self._outlets() if o.ref in ("O-4", "O-5", "O-9")},
            {"O-4": "Named Shop", "O-5": "A Shop", "O-9": "A Shop"},
        )

    def test_another_distributors_outlet_is_never_taken(self):
        self.env["dms.feed.rule"].with_context(active_test=False).search(
            [("kind", "in", ("outlet_similar", "outlet_taken"))]
        ).active = True
        self.outlet.write({"street": "Mill Lane 1", "city": "Ghent"})
        clerk = self.env["dms.feed"].with_user(self.clerk_north)
        feed = self._receive(
            "outlet",
            OUTLETS,
            "S-9,Our Own Shop,Elsewhere 1,Ghent,1050,,,",
            "O-20,Harbour Kiosk,Quay 5,Ghent,2010,,,",
            "O-21,Corner Shop Ltd,Mill Lane 1,Ghent,1010,,,",
            "O-22,Twin Shop,High Street 12,Ghent,1060,,,",
            "O-23,Twin Shops,High Street 12,Ghent,1060,,,",
            feeds=clerk,
        )
        self.assertEqual(
            self._issues(feed), ["outlet_elsewhere", "outlet_taken", "outlet_similar", "", "outlet_similar"]
        )
        self.assertNotIn("South", "".join(feed.line_ids.mapped("message")))
        self.assertIn("Corner Shop (O-1)", feed.line_ids[2].message)
        with self.assertRefused("brand only"):
            feed.line_ids[1].with_user(self.clerk_north)._accept("it is ours")
        feed.line_ids[0].with_user(self.clerk_north)._accept("our own number")
        feed.action_release()
        self.assertRecordValues(
            self.outlet_south, [{"name": "Harbour Kiosk", "upstream_id": self.distributor_south.id}]
        )
        both = self.env["res.partner"].search([("ref", "=", "S-9")])
        self.assertEqual(both.upstream_id, self.distributor_south | self.distributor_north)

    def test_closed(self):
        self._receive("outlet", OUTLETS, "O-1,Corner Shop,,,,,,closed").action_release()
        self.assertFalse(self.outlet.active)
        today = self.outlet.dms_closed_on
        sales = self._receive(
            "sell_through", "outlet,product_code,date,quantity", "O-1,TEA,2025-01-05,3", f"O-1,TEA,{today},3"
        )
        self.assertEqual(self._issues(sales), ["", "outlet_closed"])
        self.assertEqual(sales.line_ids.outlet_id, self.outlet)
        self._receive("outlet", OUTLETS, "O-1,Corner Shop,,,,,,open").action_release()
        self.assertRecordValues(self.outlet, [{"active": True, "dms_closed_on": False}])
        self._create_order(self.outlet).action_confirm()
        feed = self._receive("outlet", OUTLETS, "O-1,Corner Shop,x,,,,,closed")
        self.assertEqual(self._issues(feed), ["outlet_in_use"])

    def test_own_load_and_territory(self):
        self.env["dms.feed.rule"].with_context(active_test=False).search(
            [("kind", "=", "territory")]
        ).write({"active": True, "own_loads": True})  # fmt: skip
        feed = self.feeds._receive(
            b"distributor,code,name,zip\nD-SOUTH,N-1,North Shop,1500\nD-SOUTH,N-2,South Shop,2500\n,N-3,x,\n",
            "o.csv",
            kind="outlet",
        )
        self.assertEqual(self._issues(feed), ["territory_outside", "", "distributor_missing"])
        feed.action_release()
        made = self.env["res.partner"].search([("ref", "=", "N-2")])
        self.assertRecordValues(made, [{"upstream_id": self.distributor_south.id, "is_company": True}])

    def test_who_may_send(self):
        with self.assertRefused("can send its sales"):
            self._receive("outlet", OUTLETS, "O-1,x,,,,,,", partner=self.outlet)

    def test_as_many_queries_for_many_lines(self):
        def rows(start, count):
            return [f"Q-{n},Shop {n},Street {n},Ghent,1010,09{n},," for n in range(start, start + count)]

        self._receive("outlet", OUTLETS, *rows(0, 5)).action_release()

        def count(start, number):
            feed = self._receive("outlet", OUTLETS, *rows(start, number))
            self.env.flush_all()
            before = self.env.cr.sql_log_count
            feed.action_check()
            self.env.flush_all()
            return self.env.cr.sql_log_count - before

        self.assertEqual(count(100, 5), count(200, 60))

    def test_as_many_queries_to_make_many_outlets(self):
        def count(start, number):
            rows = [
                f"R-{n},Kiosk {n},{n} Road,Ghent,1010,02{n},Ann {n}," for n in range(start, start + number)
            ]
            feed = self._receive("outlet", OUTLETS, *rows)
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            feed.action_release()
            self.env.flush_all()
            self.assertEqual(feed.released_count, number)
            return self.env.cr.sql_log_count - before

        count(0, 2)
        self.assertLessEqual(count(200, 60), count(100, 5) + 5)
        outlet = self._outlets().filtered(lambda outlet: outlet.ref == "R-200")
        self.assertRecordValues(
            outlet.child_ids,
            [
                {
                    "name": "Ann 200",
                    "street": "200 Road",
                    "commercial_partner_id": outlet.id,
                    "upstream_id": self.distributor_north.id,
                }
            ],
        )


@tagged("post_install", "-at_install")
class TestFeedReturns(FeedKindsCommon):
    HEADER = "outlet,product_code,date,quantity,unit,batch,reason"

    def _position(self):
        return (
            self.env["dms.channel.position"]
            .search(
                [("partner_id", "=", self.distributor_north.id), ("product_id", "=", self.product_tea.id)]
            )
            .quantity
        )

    def test_loop(self):
        self.product_tea.tracking = "lot"
        lot = self.env["stock.lot"].create({"name": "L-7", "product_id": self.product_tea.id})
        feed = self._receive(
            "returns",
            self.HEADER,
            "O-1,TEA,2025-01-05,2,Case of 12,l-7,damaged",
            "O-1,TEA,2025-01-05,2,Case of 12,L-8,damaged",
            "O-1,TEA,2025-01-05,2,Case of 12,L-8,expired",
            "O-1,TEA,2025-01-06,-1,,,",
            "O-1,TEA,2025-01-06,,,,",
        )
        self.assertEqual(
            self._issues(feed), ["", "batch_unknown", "duplicate", "quantity_negative", "quantity_missing"]
        )
        feed.action_release()
        moves = self.env["dms.channel.move"].search([("feed_line_id", "in", feed.line_ids.ids)], order="id")
        self.assertRecordValues(
            moves,
            [
                {"kind": "return", "quantity": 24, "lot_id": lot.id, "outlet_id": self.outlet.id},
                {"kind": "return", "quantity": 24, "lot_id": False, "outlet_id": self.outlet.id},
            ],
        )
        self.assertEqual(self._position(), 48)
        again = self._receive("returns", self.HEADER, "O-1,TEA,2025-01-05,24,,L-7,damaged")
        self.assertEqual(self._issues(again), ["duplicate"])
        other = self._receive("returns", self.HEADER, "O-1,TEA,2025-01-05,25,,L-7,damaged")
        self.assertEqual(self._issues(other), ["conflict"])
        other._supersede()
        self.assertEqual(self._position(), 25)
        self.assertFalse(self.env["dms.channel.position"]._check_consistency())
        other.with_user(self.user_manager).action_reverse()
        self.assertEqual(self._position(), 0)

    def test_a_file_that_writes_returns_with_a_minus(self):
        feed = self._receive(
            "returns", "product_code,date,returned", "TEA,2025-01-05,-3", "CHIPS,2025-01-05,-1"
        )
        self.assertEqual(feed.line_ids.mapped("quantity"), [3, 1])
        feed.line_ids[0].quantity_text = "4"
        self.assertEqual(self._issues(feed), ["quantity_negative", ""], "the others say what a minus means")

    def test_returned_in_the_sales_report_too(self):
        rule = (
            self.env["dms.feed.rule"].with_context(active_test=False).search([("kind", "=", "return_twice")])
        )
        rule.active = True
        self._receive(
            "sell_through", "product_code,date,quantity,returned", "TEA,2025-01-05,9,2"
        ).action_release()
        feed = self._receive("returns", self.HEADER, "O-1,TEA,2025-01-05,2,,,", "O-1,TEA,2025-01-06,2,,,")
        self.assertEqual(self._issues(feed), ["return_twice", ""])
        self.assertIn("Row 2", feed.line_ids[0].message)
        rule.feed_kind = "sell_through"
        feed.action_check()
        self.assertEqual(self._issues(feed), ["", ""], "a rule can be kept to one kind of report")


@tagged("post_install", "-at_install")
class TestFeedSensor(FeedKindsCommon):
    HEADER = "device,outlet,product_code,timestamp,quantity"

    def _level(self, product=None):
        return self.env["dms.shelf.level"].search(
            [("outlet_id", "=", self.outlet.id), ("product_id", "=", (product or self.product_tea).id)]
        )

    def test_loop(self):
        self.distributor_north.tz = "Asia/Shanghai"
        feed = self._receive(
            "sensor",
            self.HEADER,
            "D1,O-1,TEA,2025-01-05 08:00,6",
            "D1,O-1,TEA,2025-01-05T04:00:00Z,0",
            "D1,O-1,TEA,2025-01-05T18:00:00+08:00,0",
            "D1,O-1,TEA,2025-01-05 18:00:00,0",
            "D1,O-1,TEA,2025-01-05 18:00:00,4",
            "D1,O-1,TEA,2025-01-05,1",
            "D2,,TEA,2025-01-05 09:00,3",
            ",O-1,TEA,2025-01-05 09:00,3",
        )
        self.assertEqual(
            self._issues(feed),
            ["", "", "", "duplicate", "reading_twice", "time_missing", "device_unknown", "device_missing"],
        )
        feed._map_codes("device", {"D2": self.outlet.id})
        self.assertEqual(self._issues(feed)[6], "")
        feed.action_release()
        level = self._level()
        self.assertRecordValues(
            level,
            [
                {
                    "quantity": 0,
                    "moment": datetime(2025, 1, 5, 10),
                    "is_out": True,
                    "out_since": datetime(2025, 1, 5, 4),
                    "partner_id": self.distributor_north.id,
                }
            ],
        )
        self.assertEqual(
            (feed.released_count, feed.move_count, self.env["dms.channel.move"].search_count([])), (4, 0, 0)
        )
        with self.assertRefused("can't be deleted"):
            feed.with_user(self.user_manager).unlink()
        later = self._receive(
            "sensor",
            self.HEADER,
            "d1,O-1,TEA,2025-01-05T10:00:00Z,0",
            "D1,O-1,TEA,2025-01-05T10:00:00Z,1",
            "D1,O-1,TEA,2025-01-05T11:00:00Z,5",
        )
        self.assertEqual(self._issues(later), ["duplicate", "reading_twice", ""])
        later.action_release()
        self.assertRecordValues(self._level(), [{"quantity": 5, "is_out": False, "out_since": False}])
        later.with_user(self.user_manager).action_reverse()
        self.assertRecordValues(self._level(), [{"quantity": 0, "is_out": True}])
        feed.with_user(self.user_manager).action_reverse()
        self.assertFalse(self._level())
        self.assertFalse(self.env["dms.shelf.reading"].search([("outlet_id", "=", self.outlet.id)]))

    def test_a_device_may_stand_for_its_product(self):
        self.env["dms.feed.mapping"].create(
            {
                "kind": "device",
                "code": "smart-1",
                "partner_id": self.distributor_north.id,
                "outlet_id": self.outlet.id,
                "product_id": self.product_chips.id,
            }
        )
        feed = self._receive(
            "sensor", "设备编号,采集时间,读数", "SMART-1,2025/1/5 9:30,7", "SMART-2,2025/1/5 9:30,7"
        )
        self.assertEqual(self._issues(feed), ["", "device_unknown,product_missing"])
        feed.action_release()
        self.assertEqual(self._level(self.product_chips).quantity, 7)

    def test_an_outlet_reads_its_own_shelves(self):
        feed = self._receive(
            "sensor",
            "device,product_code,time,quantity",
            "X,TEA,2025-01-05 09:30,7",
            partner=self.outlet,
        )
        feed.action_release()
        self.assertRecordValues(self._level(), [{"quantity": 7, "partner_id": self.distributor_north.id}])

    def test_who_sees_what(self):
        self._receive("sensor", self.HEADER, "D1,O-1,TEA,2025-01-05 08:00,6").action_release()
        other = self.env["res.company"].create({"name": "Other brand"})
        for model in ("dms.shelf.level", "dms.shelf.reading"):
            for user, seen in (
                (self.clerk_north, 1),
                (self.clerk_outlet, 1),
                (self.clerk_south, 0),
                (self.user_channel, 1),
            ):
                self.assertEqual(self.env[model].with_user(user).search_count([]), seen, (model, user.login))
            manager = self.user_manager
            manager.write({"company_ids": [(4, other.id)]})
            self.assertFalse(
                self.env[model].with_user(manager).with_context(allowed_company_ids=other.ids).search([])
            )
            with self.assertRefused("."):
                self.env[model].search([], limit=1).write({"quantity": 1})
            with self.assertRefused("."):
                self.env[model].create({})

    def test_merged_outlets_have_one_shelf(self):
        twin = self.outlet.copy({"ref": "O-1B", "name": "Corner Shop twin"})
        self._receive(
            "sensor", self.HEADER, "D1,O-1,TEA,2025-01-05 08:00,6", "D2,O-1B,TEA,2025-01-06 08:00,2"
        ).action_release()
        merge = self.env["base.partner.merge.automatic.wizard"]
        merge.create({})._merge((twin | self.outlet).ids, self.outlet)
        self.assertEqual(self._level().quantity, 2)


@tagged("post_install", "-at_install")
class TestKindsConcurrency(SessionsCase):
    """Two uploads at once, and a kill in the middle, of what is no sale: nothing lost, nothing twice."""

    def setUp(self):
        super().setUp()

        def prepare(env):
            partner = env["res.partner"].create(
                {"name": "Race", "ref": "D-RACE", "channel_role": "distributor", "is_company": True}
            )
            outlet = env["res.partner"].create(
                {"name": "Stall", "ref": "RACE-0", "channel_role": "outlet", "upstream_id": partner.id, "is_company": True}
            )  # fmt: skip
            product = env["product.product"].create({"name": "Race", "default_code": "RACE", "type": "consu"})
            return partner.id, outlet.id, product.id

        self.partner_id, self.outlet_id, self.product_id = self._run(prepare)
        self.addCleanup(self._run, self._clean)

    def _clean(self, env):
        for table in (
            "dms_shelf_reading",
            "dms_shelf_level",
            "dms_channel_move",
            "dms_channel_position",
            "dms_channel_week",
        ):
            env.cr.execute(f"DELETE FROM {table} WHERE partner_id = %s", [self.partner_id])
        env.cr.execute(
            "UPDATE dms_feed SET move_count = 0, released_count = 0 WHERE partner_id = %s", [self.partner_id]
        )
        env["dms.feed"].search([("partner_id", "=", self.partner_id)]).unlink()
        env["product.product"].browse(self.product_id).unlink()
        partners = env["res.partner"].with_context(active_test=False)
        partners.search([("upstream_id", "=", self.partner_id)]).unlink()
        partners.browse(self.partner_id).unlink()

    def _send(self, env, kind, content):
        partner = env["res.partner"].browse(self.partner_id)
        return env["dms.feed"]._receive(content.encode(), f"{kind}.csv", partner=partner, kind=kind)

    def _send_at_once(self, kind, *contents):
        def upload(content):
            return lambda env: self._send(env, kind, content)._release()

        self.assertFalse(self._race(*map(upload, contents)))

    def _counts(self, env):
        feeds = env["dms.feed"].search([("partner_id", "=", self.partner_id)])
        return sorted((feed.released_count, feed.duplicate_count) for feed in feeds)

    def test_the_same_outlets_in_two_files(self):
        head = "code,name,address,note\n"
        rows = "".join(f"RACE-{n},Shop {n},Street {n},\n" for n in range(1, 9))
        self._send_at_once("outlet", head + rows, head + rows + "\n")
        self.assertEqual(self._run(self._counts), [(0, 8), (8, 0)])
        made = self._run(
            lambda env: env["res.partner"].search([("upstream_id", "=", self.partner_id)]).mapped("ref")
        )
        self.assertEqual(sorted(made), [f"RACE-{n}" for n in range(9)])

    def test_the_same_readings_in_two_files(self):
        head = "device,outlet,product_code,time,quantity\n"
        rows = "".join(f"D,RACE-0,RACE,2025-01-05 {hour:02}:00,{hour % 3}\n" for hour in range(20))
        self._send_at_once("sensor", head + rows, head + rows + "D,RACE-0,RACE,2025-01-05 20:00,0\n")
        found = self._run(
            lambda env: (
                env["dms.shelf.reading"].search_count([("partner_id", "=", self.partner_id)]),
                env["dms.shelf.level"].search([("partner_id", "=", self.partner_id)]).is_out,
                sum(released for released, _twice in self._counts(env)),
            )
        )
        self.assertEqual(found, (21, True, 21))

    def test_the_same_returns_in_two_files(self):
        head = "outlet,product_code,date,quantity,batch\n"
        rows = "".join(f"RACE-0,RACE,2025-01-{day:02},1,B\n" for day in range(1, 21))
        self._send_at_once("returns", head + rows, head + rows + "\n")
        self.assertEqual(self._run(self._counts), [(0, 20), (20, 0)])
        quantity = self._run(
            lambda env: env["dms.channel.position"].search([("partner_id", "=", self.partner_id)]).quantity
        )
        self.assertEqual(quantity, 20)

    def test_killed_in_the_middle(self):
        for kind, content in (
            ("outlet", "code,name\nRACE-1,Shop\nRACE-2,Shop two\n"),
            ("sensor", "device,outlet,product_code,time,quantity\nD,RACE-0,RACE,2025-01-05 08:00,1\n"),
        ):
            with self.subTest(kind):
                feed_id = self._run(lambda env, kind=kind, content=content: self._send(env, kind, content).id)
                doomed = db_connect(self.env.cr.dbname).cursor()
                api.Environment(doomed, SUPERUSER_ID, {})["dms.feed"].browse(feed_id)._release()
                doomed.execute("SELECT pg_backend_pid()")
                [pid] = doomed.fetchone()
                self.env.cr.execute("SELECT pg_terminate_backend(%s)", [pid])
                with mute_logger("odoo.sql_db"):
                    with self.assertRaises(psycopg2.Error):
                        doomed.execute("SELECT 1 FROM dms_feed")
                    with contextlib.suppress(psycopg2.Error):
                        doomed.close()

                def state(env, feed_id=feed_id):
                    outlets = env["res.partner"].search_count([("upstream_id", "=", self.partner_id)])
                    readings = env["dms.shelf.reading"].search_count([("partner_id", "=", self.partner_id)])
                    return env["dms.feed"].browse(feed_id).state, outlets, readings

                before = {"outlet": ("checked", 1, 0), "sensor": ("checked", 3, 0)}
                after = {"outlet": ("released", 3, 0), "sensor": ("released", 3, 1)}
                self.assertEqual(self._run(state), before[kind])
                self._run(lambda env, feed_id=feed_id: env["dms.feed"].browse(feed_id)._release())
                self.assertEqual(self._run(state), after[kind])
