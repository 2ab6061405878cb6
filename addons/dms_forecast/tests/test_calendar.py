from datetime import date, timedelta

import numpy as np

from odoo.exceptions import AccessError
from odoo.fields import Command
from odoo.tests import tagged

from .common import DmsForecastCommon


@tagged("post_install", "-at_install")
class TestCalendar(DmsForecastCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.Event = cls.env["dms.calendar.event"]
        cls.company.country_id = cls.country

    def _mask(self, begin, end, partner, product):
        return self.Event._get_mask(self.company, begin, end, [partner.id], [product.id])[0]

    def test_the_same_day_of_a_feast_has_the_same_kind_in_any_year(self):
        self.company.country_id = self.env.ref("base.cn")
        calendar = self.Event._get_calendar(self.company, date(2025, 1, 1), date(2026, 12, 31))
        kinds = dict(
            zip(
                np.arange("2025-01-01", "2027-01-01", dtype="M8[D]").astype(str),
                calendar["kinds"],
                strict=True,
            )
        )
        self.assertEqual(kinds["2025-01-29"], kinds["2026-02-17"], "lunar New Year's Day")
        self.assertEqual(kinds["2025-02-03"], kinds["2026-02-22"])
        self.assertNotEqual(kinds["2025-01-29"], kinds["2025-01-30"])
        self.assertEqual(calendar["families"][kinds["2026-02-17"]], 1)
        self.assertEqual(calendar["families"][kinds["2026-02-14"]], 2, "a make-up workday, not a day before")
        self.assertEqual(calendar["families"][kinds["2026-02-13"]], 3)
        self.assertEqual(kinds["2025-07-15"], 0)
        self.company.country_id = self.country
        other = self.Event._get_calendar(self.company, date(2025, 1, 1), date(2026, 12, 31))
        self.assertFalse(other["kinds"].any(), "another country's holidays")

    def test_closed_days_are_of_those_inside(self):
        begin, end = self.yesterday - timedelta(days=60), self.yesterday
        shut = self.yesterday - timedelta(days=30)
        self.Event.create(
            {
                "name": "Flood",
                "kind": "closed",
                "date_from": shut,
                "territory_ids": [Command.link(self.territory_north.id)],
            }
        )
        self.assertFalse(self._mask(begin, end, self.distributor_north, self.product_tea)[30])
        self.assertTrue(self._mask(begin, end, self.distributor_south, self.product_tea)[30])
        self.assertFalse(self.Event._get_calendar(self.company, begin, end)["closed"].any())

    def test_days_without_a_report(self):
        # South reports no sale on one weekday on which it usually sells; Sundays it never does.
        begin, end = self.yesterday - timedelta(days=90), self.yesterday
        missing = self.yesterday - timedelta(days=40 + (self.yesterday - timedelta(days=40)).weekday())
        self.env.cr.execute(
            "DELETE FROM dms_channel_move WHERE partner_id = %s AND date = %s",
            [self.distributor_south.id, missing],
        )
        mask = self._mask(begin, end, self.distributor_south, self.product_tea)
        self.assertFalse(mask[(missing - begin).days])
        sundays = [day for day in range(91) if (begin + timedelta(days=day)).weekday() == 6]
        self.assertTrue(mask[sundays].all())

    def test_a_stock_of_zero_says_nothing_of_demand(self):
        product = self.env["product.product"].create({"name": "Rare", "is_storable": True})
        begin, end = self.yesterday - timedelta(days=60), self.yesterday

        def move(kind, quantity, back):
            day = self.yesterday - timedelta(days=back)
            return self._move_vals(kind, self.distributor_north, product, quantity, day)

        self.env["dms.channel.move"].sudo().create(
            [
                move("sell_in", 10, 50),
                move("sell_out", -10, 40),
                move("sell_in", 5, 20),
                move("sell_out", -1, 10),
            ]
        )
        mask = self._mask(begin, end, self.distributor_north, product)
        out = [60 - day for day in np.flatnonzero(~mask)]
        self.assertLessEqual(set(range(21, 40)) - {40}, set(out))
        self.assertFalse(set(out) & set(range(20)), "there was stock")
        # a ledger below zero is not believed
        self.env["dms.channel.move"].sudo().create(move("sell_out", -3, 39))
        self.assertTrue(self._mask(begin, end, self.distributor_north, product)[60 - 30])

    def test_programmes_become_events_once(self):
        program = self.env["loyalty.program"].create(
            {
                "name": "Tea weeks",
                "program_type": "promotion",
                "company_id": self.company.id,
                "date_from": self.today,
                "date_to": self.today + timedelta(days=13),
                "dms_territory_ids": [Command.link(self.territory_north.id)],
                "rule_ids": [Command.create({"product_ids": [Command.link(self.product_tea.id)]})],
                "reward_ids": [
                    Command.create({"reward_type": "discount", "discount": 15, "discount_mode": "percent"})
                ],
            }
        )
        Event = self.Event.with_user(self.user_manager)
        Event.action_load_programs()
        event = self.Event.search([("program_id", "=", program.id)])
        self.assertRecordValues(
            event, [{"kind": "promotion", "date_to": self.today + timedelta(days=13), "discount": 15}]
        )
        program.date_to = self.today + timedelta(days=20)
        Event.action_load_programs()
        self.assertEqual(self.Event.search([("program_id", "=", program.id)]), event)
        self.assertEqual(event.date_to, program.date_to)
        later = program.copy(
            {"name": "Later", "date_from": self.today + timedelta(days=30), "date_to": False}
        )
        self.env["dms.channel.move"].sudo().create(
            {
                "kind": "sell_out",
                "company_id": self.company.id,
                "partner_id": self.distributor_north.id,
                "product_id": self.product_tea.id,
                "quantity": -3,
                "date": self.yesterday,
            }
        )
        self.env["dms.forecast.run"].create({"company_id": self.company.id})._run()
        planned = self.Event.search([("program_id", "=", later.id)])
        self.assertTrue(planned, "a run brings promotions up to date by itself")
        later.active = False
        self.env["dms.forecast.run"].create({"company_id": self.company.id})._run()
        self.assertFalse(planned.active)
        self.assertTrue(event.active)
        [promotion] = [
            one
            for one in self.Event._get_calendar(self.company, self.yesterday, self.today)["promotions"]
            if one["product_ids"] == self.product_tea.ids
        ]
        self.assertEqual((promotion["first"], promotion["last"], promotion["discount"]), (1, 21, 0.15))
        with self.assertRaises(AccessError):
            self.Event.with_user(self.user_channel).action_load_programs()
        with self.assertRaises(AccessError):
            self.Event.with_user(self.clerk_north).search([])
