from datetime import timedelta

from odoo.fields import Date, Datetime
from odoo.tests import tagged

from .common import DmsPortalCommon


@tagged("post_install", "-at_install")
class TestStock(DmsPortalCommon):
    """The stock page says where the own count and the books differ, and what to do about it."""

    def _count(self, quantity):
        today = Date.to_string(Date.context_today(self.env.user))
        text = f"product_code,date,quantity\nTEA,{today},{quantity}\n"
        feeds = self.env["dms.feed"].with_user(self.clerk_north)
        feeds._receive(text.encode(), "count.csv", kind="count")._supersede()
        self.env.cr.precommit.run()

    def _page(self, user):
        self.authenticate(user.login, user.login)
        return self.url_open("/my/stock").text

    def test_differences(self):
        self._ship(self._create_order(self.distributor_north, [(self.product_tea, 24, None)]))
        picking = self.env["stock.picking"].search([("dms_distributor_id", "=", self.distributor_north.id)])
        picking._dms_sign_receipt("Clerk", False)
        self._count(20)
        text = self._page(self.clerk_north)
        for words in ("Your stock and our books differ", "Goods missing", "Count once more"):
            self.assertIn(words, text)
        for stranger in (self.clerk_south, self.clerk_other):
            self.assertNotIn("Goods missing", self._page(stranger))
        self._count(24)
        self.assertNotIn("Your stock and our books differ", self._page(self.clerk_north))

    def test_batches_that_expire(self):
        """Only here expiry dates are known: the channel alone does not depend on them."""
        now = Datetime.now()
        self.product_tea.tracking = "lot"
        lots = self.env["stock.lot"].create(
            [
                {
                    "name": name,
                    "product_id": self.product_tea.id,
                    "company_id": self.company.id,
                    "expiration_date": now + timedelta(days=days),
                }
                for name, days in (("B-LATE", 400), ("B-SOON", 40), ("B-GONE", -3))
            ]
        )
        moves = self.env["dms.channel.move"].sudo().create(
            [
                {
                    "kind": "sell_in",
                    "partner_id": self.distributor_north.id,
                    "product_id": self.product_tea.id,
                    "lot_id": lot.id,
                    "quantity": 10,
                }
                for lot in lots
            ]
        )  # fmt: skip
        day = Datetime.context_timestamp(self.env.user, lots[1].expiration_date).date()
        self.assertEqual(moves[1].expiration_date, day)
        batches = self.env["dms.channel.batch"].search([("partner_id", "=", self.distributor_north.id)])
        self.assertEqual(batches.mapped("lot_id.name"), ["B-GONE", "B-SOON", "B-LATE"])
        self.assertEqual(batches.mapped("days_left"), [-3, 40, 400])
        self.env["dms.channel.move"].sudo().create(
            {
                "kind": "sell_out",
                "partner_id": self.distributor_north.id,
                "product_id": self.product_tea.id,
                "quantity": -4,
            }
        )
        self.env.invalidate_all()
        self.assertEqual(batches.mapped("quantity"), [6, 10, 10])
        text = self._page(self.clerk_north)
        for words in ("Expires within 90 days", "B-GONE", "B-SOON", "Expired", "40 days"):
            self.assertIn(words, text)
        self.assertNotIn("B-LATE", text)
        self.assertIn("Tea", self.url_open("/my/stock?filterby=expiry").text)
        self.assertIn("B-LATE", self.url_open(f"/my/stock/{self.product_tea.id}").text)
        for stranger in (self.clerk_south, self.clerk_other, self.clerk_outlet):
            text = self._page(stranger)
            self.assertNotIn("Expires within 90 days", text)
            self.assertNotIn("B-SOON", self.url_open(f"/my/stock/{self.product_tea.id}").text)

    def test_batches_ask_a_constant_number_of_queries(self):
        self.product_tea.tracking = "lot"
        counts = []
        for number in range(4):
            lot = self.env["stock.lot"].create(
                {
                    "name": f"B-{number}",
                    "product_id": self.product_tea.id,
                    "company_id": self.company.id,
                    "expiration_date": Datetime.now() + timedelta(days=20 + number),
                }
            )
            self.env["dms.channel.move"].sudo().create(
                {
                    "kind": "sell_in",
                    "partner_id": self.distributor_north.id,
                    "product_id": self.product_tea.id,
                    "lot_id": lot.id,
                    "quantity": 10,
                }
            )
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            self.assertIn(lot.name, self._page(self.clerk_north))
            counts.append(self.env.cr.sql_log_count - before)
        self.assertEqual(counts[3], counts[2])
