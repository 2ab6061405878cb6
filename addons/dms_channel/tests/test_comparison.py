from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError
from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import SQL

from odoo.addons.dms_channel.tests.common import SIGNATURE, DmsChannelCommon


@tagged("post_install", "-at_install")
class TestComparison(DmsChannelCommon):
    """What was counted beside what the ledger says, and why they differ."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["dms.feed.rule"].search([]).active = False
        cls.today = fields.Date.context_today(cls.env["dms.feed"])
        cls.comparisons = cls.env["dms.channel.comparison"]

    def _day(self, ago):
        return self.today - timedelta(days=ago)

    def _send(self, *rows, kind="sell_through", release=True, partner=None):
        header = "product_code,date,quantity" + (",reference" if kind == "sell_through" else "")
        raw = "\n".join([header, *rows]).encode()
        feed = self.env["dms.feed"]._receive(
            raw, "x.csv", partner=partner or self.distributor_north, kind=kind
        )
        if release:
            feed.action_release()
            self._commit()
        return feed

    def _commit(self):
        """What happens at the end of each transaction."""
        self.env.cr.precommit.run()
        self.env.invalidate_all()

    def _move(self, ago, quantity, **values):
        self.env["dms.channel.move"].sudo().create(
            {
                "kind": "sell_in",
                "partner_id": self.distributor_north.id,
                "product_id": self.product_tea.id,
                "date": self._day(ago),
                "quantity": quantity,
                "price_unit": 2,
                "amount": 2 * quantity,
                **values,
            }
        )
        self._commit()

    @property
    def row(self):
        return self.comparisons.search([("partner_id", "=", self.distributor_north.id)])

    def _opened(self, quantity=100):
        """The distributor counted ``quantity`` sixty days ago."""
        self._move(61, quantity)
        return self._send(f"TEA,{self._day(60)},{quantity}", kind="count")

    def test_missing_goods(self):
        self._opened()
        self._send(f"TEA,{self._day(40)},30,A")
        count = self._send(f"TEA,{self._day(39)},60", kind="count")
        self.assertRecordValues(
            self.row,
            [
                {
                    "counted": 60,
                    "books": 70,
                    "difference": -10,
                    "difference_value": -20,
                    "quantity": 60,
                    "cause": "loss",
                    "differs": True,
                    "feed_id": count.id,
                    "has_scans": False,
                }
            ],
        )
        self.assertIn("Count once more", self.row.advice)
        self.assertEqual((count.comparison_count, self.distributor_north.dms_comparison_count), (1, 1))
        self._send(f"TEA,{self._day(45)},10,B")
        self.assertRecordValues(self.row, [{"books": 60, "difference": 0, "cause": "agree", "quantity": 60}])
        self.assertEqual((count.comparison_count, self.distributor_north.dms_comparison_count), (0, 0))

    def test_a_count_taken_back(self):
        first = self._opened()
        second = self._send(f"TEA,{self._day(30)},80", kind="count")
        self.assertEqual(self.row.feed_id, second)
        second.with_user(self.user_manager).action_reverse()
        self._commit()
        self.assertRecordValues(self.row, [{"feed_id": first.id, "difference": 0, "cause": "agree"}])
        first.with_user(self.user_manager).action_reverse()
        self._commit()
        self.assertFalse(self.row)

    def test_sales_that_wait_in_the_inbox(self):
        self._opened()
        self._send(f"TEA,{self._day(35)},18,A", release=False)
        self._send(f"TEA,{self._day(30)},80", kind="count")
        self.assertRecordValues(self.row, [{"difference": -20, "cause": "late_report", "explained": 18}])

    def test_a_distributor_that_stopped_reporting(self):
        self._opened()
        self._send(*(f"TEA,{self._day(ago)},2,A" for ago in range(59, 39, -1)))
        self._send(f"TEA,{self._day(30)},42", kind="count")
        self.assertRecordValues(self.row, [{"difference": -18, "cause": "late_report", "explained": 18}])

    def test_sales_reported_twice(self):
        self._opened()
        self._send(f"TEA,{self._day(40)},12,A", f"TEA,{self._day(41)},3,A")
        self._send(f"TEA,{self._day(40)},12,B")
        self._send(f"TEA,{self._day(30)},85", kind="count")
        self.assertRecordValues(self.row, [{"difference": 12, "cause": "duplicate", "explained": 12}])

    def test_packs_counted_as_pieces(self):
        self._opened(120)
        self._send(f"TEA,{self._day(30)},10", kind="count")
        self.assertEqual(self.row.cause, "unit")

    def test_goods_of_unknown_origin(self):
        self._send(f"TEA,{self._day(60)},100", kind="count")
        self.assertEqual(self.row.cause, "opening")
        self._send(f"TEA,{self._day(30)},140", kind="count")
        self.assertRecordValues(self.row, [{"difference": 40, "cause": "unbooked", "abs_value": 400}])

    def test_deliveries_on_their_way(self):
        """Shipped goods are in the books before they are on the shelf; a receipt clears that up."""
        self._send(f"TEA,{self._day(1)},5", kind="count")
        order = self._create_order(self.distributor_north)
        order.action_confirm()
        pickings = self._deliver(order)
        self._send(f"TEA,{self.today},5", kind="count")
        self.assertRecordValues(self.row, [{"books": 17, "difference": -12, "cause": "in_transit"}])
        pickings._dms_sign_receipt("A. Clerk", SIGNATURE)
        self._commit()
        self.comparisons.with_user(self.user_channel).action_refresh()
        self.assertRecordValues(self.row, [{"difference": -12, "cause": "loss"}])

    def test_goods_that_left_without_being_booked(self):
        self._send(f"TEA,{self._day(1)},5", kind="count")
        order = self._create_order(self.distributor_north)
        order.action_confirm()
        order.picking_ids.move_ids.date = fields.Datetime.now()
        self._send(f"TEA,{self.today},17", kind="count")
        self.assertRecordValues(self.row, [{"difference": 12, "cause": "undelivered", "explained": 12}])

    def test_scans(self):
        """What another addon knows of codes is set beside the ledger; a refresh for a count keeps it."""
        self._opened()
        units = {"number": 93}

        def scanned(model, partners, products, company):
            return SQL(
                "SELECT partner_id, product_id, %s::numeric FROM dms_channel_position WHERE partner_id = ANY(%s)",
                units["number"],
                partners.ids,
            )

        self.patch(type(self.comparisons), "_get_scanned_sql", scanned)
        self.comparisons.action_refresh()
        self.assertRecordValues(
            self.row,
            [{"scanned": 93, "scan_books": 100, "scan_difference": -7, "cause": "uncoded", "differs": True}],
        )
        self._send(f"TEA,{self._day(20)},1,A")
        self.assertRecordValues(self.row, [{"scanned": 93, "scan_books": 100, "quantity": 99}])
        units["number"] = 104
        self.comparisons.action_refresh()
        self.assertRecordValues(self.row, [{"scan_difference": 5, "cause": "unscanned"}])

    def test_many_at_once(self):
        """A query more or less for each distributor would be one for each of thousands."""
        self._opened()
        products = self.env["product.product"].create(
            [
                {"name": f"P{number}", "default_code": f"P{number}", "is_storable": True}
                for number in range(20)
            ]
        )
        rows = [f"{product.default_code},{self._day(5)},7" for product in products]
        feeds = [
            self._send(*rows, kind="count", partner=partner)
            for partner in (self.distributor_north, self.distributor_south)
        ]
        self.env.invalidate_all()
        with self.assertQueryCount(18):
            self.comparisons._refresh(self.distributor_north | self.distributor_south, scans=True)
        self.env.invalidate_all()
        with self.assertQueryCount(8):
            self.assertEqual(
                [feed.comparison_count for feed in self.env["dms.feed"].concat(*feeds)], [20, 20]
            )

    def test_nightly(self):
        self._opened()
        self.env.cr.execute("DELETE FROM dms_channel_comparison")
        self.comparisons.invalidate_model()
        with self.enter_registry_test_mode():
            self.env.ref("dms_channel.dms_channel_comparison_cron_refresh").method_direct_trigger()
        self.assertEqual(self.row.cause, "agree")

    def test_who_may_see_it(self):
        self._opened()
        other = self._send(f"TEA,{self._day(5)},7", kind="count", partner=self.distributor_south)
        theirs = self.comparisons.search([("feed_id", "=", other.id)])
        self.assertEqual(self.comparisons.with_user(self.clerk_north).search([]), self.row)
        with self.assertRaises(AccessError):
            theirs.with_user(self.clerk_north).read(["counted"])
        with self.assertRaises(AccessError):
            self.row.with_user(self.clerk_north).write({"counted": 1})
        with self.assertRaises(AccessError):
            self.row.with_user(self.user_channel).unlink()
        company = self.env["res.company"].create({"name": "Another Brand"})
        self.user_channel.write({"company_ids": [Command.set(company.ids)], "company_id": company.id})
        self.assertFalse(self.comparisons.with_user(self.user_channel).search([]))
