from datetime import date, timedelta

from odoo import fields
from odoo.tests import tagged

from odoo.addons.dms_channel.tests.common import DmsChannelCommon


@tagged("post_install", "-at_install")
class TestLedger(DmsChannelCommon):
    """Days that are past: what was there, how old it is, and what a late report does to them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["dms.feed.rule"].search([]).active = False

    def _send(self, *rows, kind="sell_through"):
        raw = "\n".join(["product_code,date,quantity", *rows]).encode()
        feed = self.env["dms.feed"]._receive(raw, "x.csv", partner=self.distributor_north, kind=kind)
        feed.action_release()
        return feed

    def _deliver_on(self, day, quantity, price=2.0):
        return (
            self.env["dms.channel.move"]
            .sudo()
            .create(
                {
                    "kind": "sell_in",
                    "partner_id": self.distributor_north.id,
                    "product_id": self.product_tea.id,
                    "date": day,
                    "quantity": quantity,
                    "amount": quantity * price,
                    "price_unit": price,
                }
            )
        )

    def _at(self, day):
        key = (self.distributor_north.id, self.product_tea.id)
        return self.env["dms.channel.position"]._at(day).get(key, 0)

    @property
    def position(self):
        return self.env["dms.channel.position"].search([("partner_id", "=", self.distributor_north.id)])

    def test_a_late_sale_before_a_count(self):
        self._send("TEA,2025-01-01,100", kind="count")
        count = self._send("TEA,2025-01-10,90", "TEA,2025-01-20,80", kind="count")
        self.assertEqual(self._at("2025-01-05"), 100)
        late = self._send("TEA,2025-01-05,4")
        self.assertEqual(self._at("2025-01-04"), 100)
        self.assertEqual(self._at("2025-01-05"), 96, "the days after the sale are restated")
        self.assertEqual(self._at("2025-01-09"), 96)
        self.assertEqual(self._at("2025-01-10"), 90, "what was counted stays")
        self.assertEqual(self._at("2025-01-31"), 80)
        moves = self.env["dms.channel.move"].search([("feed_line_id", "in", count.line_ids.ids)])
        self.assertEqual(sum(moves.mapped("quantity")), -16, "four of the twenty missing ones are explained")
        late.with_user(self.user_manager).action_reverse()
        self.assertEqual([self._at(f"2025-01-{day:02}") for day in (5, 9, 10, 31)], [100, 100, 90, 80])
        self.assertFalse(self.env["dms.channel.position"]._check_consistency())

    def test_a_count_taken_back(self):
        self._send("TEA,2025-01-10,90", kind="count").with_user(self.user_manager)
        second = self._send("TEA,2025-01-15,50", kind="count")
        self._send("TEA,2025-01-20,80", kind="count")
        second.with_user(self.user_manager).action_reverse()
        self.assertEqual([self._at(f"2025-01-{day:02}") for day in (10, 15, 20)], [90, 90, 80])

    def test_oldest_layer_and_value(self):
        today = fields.Date.context_today(self.env["dms.feed"])
        self._deliver_on(today - timedelta(days=50), 10, price=2)
        self._deliver_on(today - timedelta(days=20), 5, price=3)
        self.assertEqual(self.position.oldest_days, 50)
        self._send(f"TEA,{today - timedelta(days=10)},10")
        self.assertRecordValues(
            self.position, [{"oldest_days": 20, "oldest_date": today - timedelta(days=20), "value": 15}]
        )
        past = self.position.with_context(to_date=today - timedelta(days=30))
        self.assertRecordValues(past, [{"quantity_at": 10, "value_at": 20, "quantity": 5}])
        self._send(f"TEA,{today},5")
        self.assertFalse(self.position.oldest_date)

    def test_the_last_price_is_of_the_last_day(self):
        """A late delivery, one for free and one that is taken back leave the price of the last one that stands."""
        self._deliver_on(date(2025, 1, 20), 10, price=3)
        self.assertRecordValues(self.position, [{"price_unit": 3, "value": 30}])
        self._deliver_on(date(2025, 1, 5), 10, price=2)
        self.assertRecordValues(self.position, [{"price_unit": 3, "value": 60}])
        self._deliver_on(date(2025, 1, 25), 10, price=0)
        self.assertRecordValues(self.position, [{"price_unit": 3, "value": 90}])
        newest = self._deliver_on(date(2025, 1, 30), 10, price=4)
        self.assertRecordValues(self.position, [{"price_unit": 4, "value": 160}])
        newest.with_user(self.user_manager).sudo()._reverse()
        self.assertRecordValues(
            self.position, [{"price_unit": 3, "value": 90, "last_sell_in": date(2025, 1, 25)}]
        )
        past = self.position.with_context(to_date="2025-01-31")
        self.assertEqual(past.value_at, 90)

    def test_a_difference_is_reported_and_left(self):
        """What somebody changed behind the ledger's back is told to the managers and stays for them to see."""
        self._deliver_on(date(2025, 1, 5), 10)
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE dms_channel_position SET quantity = quantity + 0.01 WHERE id = %s", [self.position.id]
        )
        self.env.cr.execute("UPDATE dms_channel_week SET sell_in = sell_in - 1, change = change - 1")
        self.env.invalidate_all()
        managers = self.env.ref("dms_channel.dms_channel_group_manager").all_user_ids.partner_id
        newest = self.env["mail.message"].search([], limit=1, order="id desc").id
        for _twice in range(2):
            with self.assertLogs("odoo.addons.dms_channel", "WARNING"):
                self.env["dms.channel.position"]._cron_check_consistency()
            self.assertRecordValues(self.position, [{"quantity": 10.01, "difference": -0.01}])
        self.assertEqual(self.env["dms.channel.week"]._count_differences(), 1)
        told = self.env["mail.message"].search([("id", ">", newest)])
        self.assertEqual(set(told.mapped("subject")), {"Channel stock does not add up"})
        self.assertEqual(told.notified_partner_ids, managers)
        positions = self.env["dms.channel.position"].with_user(self.user_manager)
        self.assertEqual(positions.action_check_consistency()["domain"], [("id", "in", self.position.ids)])
        with self.assertRefused("Only a channel manager"):
            positions.with_user(self.user_channel).action_check_consistency()
        self.env.cr.execute(
            "UPDATE dms_channel_position SET quantity = quantity - 0.01 WHERE id = %s", [self.position.id]
        )
        self.env.invalidate_all()
        self.assertEqual(positions.action_check_consistency()["params"]["type"], "success")
        self.assertFalse(self.position.difference, "and it is gone once it is mended")

    def test_ask_for_a_day(self):
        self._deliver_on(date(2025, 1, 5), 10)
        wizard = (
            self.env["dms.channel.position.at"].with_user(self.user_channel).create({"date": "2025-01-04"})
        )
        action = wizard.action_open()
        shown = (
            self.env["dms.channel.position"].with_user(self.user_channel).with_context(**action["context"])
        )
        self.assertEqual(shown.search([("partner_id", "=", self.distributor_north.id)]).quantity_at, 0)
        wizard.date = "2100-01-01"
        with self.assertRefused("Choose today"):
            wizard.action_open()

    def test_few_queries(self):
        for product in (self.product_tea, self.product_chips):
            self._send(f"{product.default_code},2025-01-05,4")
        positions = self.position.with_context(to_date="2025-01-31")
        self.env.invalidate_all()
        with self.assertQueryCount(15):
            positions.mapped("oldest_days")
            positions.mapped("value_at")
