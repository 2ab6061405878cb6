from psycopg2 import IntegrityError

from odoo import fields
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from odoo.addons.dms_channel.tests.common import DmsChannelCommon


@tagged("post_install", "-at_install")
class TestGuidancePrice(DmsChannelCommon):
    """A consumer price per product and territory; the deepest territory decides."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.Price = cls.env["dms.guidance.price"]
        cls.tea_country = cls._guide(
            cls.territory_country, 15.0, date_from="2025-01-01", date_to="2025-12-31"
        )
        cls.tea_north = cls._guide(cls.territory_north, 18.0, date_from="2025-03-01")

    @classmethod
    def _guide(cls, territory, price, product=None, **values):
        return cls.Price.create(
            {
                "product_id": (product or cls.product_tea).id,
                "territory_id": territory.id,
                "price_min": price * 0.9,
                "price_recommended": price,
                "price_max": price * 1.2,
                **values,
            }
        )

    def _look_up(self, day, company=None):
        found = self.Price._get_prices(
            self.product_tea | self.product_chips,
            self.territory_north | self.territory_south,
            fields.Date.to_date(day),
            company or self.company,
        )
        return {
            (
                self.env["product.product"].browse(product).name,
                self.env["dms.territory"].browse(place).name,
            ): (price.price_recommended)
            for (product, place), price in found.items()
            if price
        }

    def test_the_deepest_territory_with_a_price_decides(self):
        self.assertEqual(self._look_up("2025-04-01"), {("Tea", "North"): 18.0, ("Tea", "South"): 15.0})
        self.assertEqual(self._look_up("2025-02-01"), {("Tea", "North"): 15.0, ("Tea", "South"): 15.0})
        self.assertEqual(self._look_up("2026-02-01"), {("Tea", "North"): 18.0})
        self.assertEqual(self._look_up("2024-12-31"), {})

    def test_two_prices_never_hold_on_one_day(self):
        with self.assertRefused(
            "Tea in Country / North.*already.*2025-03-01 to further notice", ValidationError
        ):
            self._guide(self.territory_north, 20.0, date_from="2026-01-01")
        with self.assertRefused("from 2025-01-01 to 2025-12-31", ValidationError):
            self._guide(self.territory_country, 20.0, date_from="2025-12-31")
        self._guide(self.territory_country, 20.0, date_from="2026-01-01")
        self._guide(self.territory_country, 9.0, product=self.product_chips, date_from="2025-01-01")

    def test_the_database_refuses_what_another_session_could_slip_in(self):
        with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            self.env.cr.execute(
                "UPDATE dms_guidance_price SET territory_id = %s WHERE id = %s",
                (self.territory_country.id, self.tea_north.id),
            )
            self.env.cr.execute("SET CONSTRAINTS ALL IMMEDIATE")

    def test_prices_and_dates_are_in_order(self):
        for values in ({"price_min": 0.0}, {"price_min": 19.0}, {"price_max": 17.0}):
            with mute_logger("odoo.sql_db"), self.assertRaises(IntegrityError), self.env.cr.savepoint():
                self.tea_north.write(values)
        with mute_logger("odoo.sql_db"), self.assertRaises(IntegrityError), self.env.cr.savepoint():
            self.tea_north.date_to = "2025-02-01"

    def test_look_up_asks_the_database_once(self):
        territories = self.env["dms.territory"].create(
            [{"name": f"T{n}", "parent_id": self.territory_north.id} for n in range(50)]
        )
        products = self.product_tea | self.product_chips
        self._look_up("2025-04-01")
        self.env["dms.guidance.price"].invalidate_model()
        territories.mapped("parent_path")
        with self.assertQueryCount(1):
            found = self.Price._get_prices(
                products, territories, fields.Date.to_date("2025-04-01"), self.company
            )
        self.assertEqual(len(found), 100)

    def test_rights(self):
        other = self.setup_other_company()["company"]
        self.assertFalse(self._look_up("2025-04-01", company=other))
        self.assertEqual(
            self.Price.with_user(self.user_channel).search([("product_id", "=", self.product_tea.id)]),
            self.tea_country | self.tea_north,
        )
        with self.assertRaises(AccessError):
            self.tea_north.with_user(self.user_channel).price_min = 1.0
        self.tea_north.with_user(self.user_manager).price_min = 1.0
        with self.assertRaises(AccessError):
            self.Price.with_user(self.clerk_north).search([])
        foreign = self._guide(self.territory_south, 30.0, company_id=other.id, date_from="2025-01-01")
        self.assertNotIn(foreign, self.Price.with_user(self.user_manager).search([]))
        with self.assertRaises(AccessError):
            foreign.with_user(self.user_manager).price_max = 99.0
