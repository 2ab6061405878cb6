from odoo import fields
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Command
from odoo.tests import Form, freeze_time, tagged

from odoo.addons.dms_channel.tests.common import DmsChannelCommon


@tagged("post_install", "-at_install")
class TestChannelPrice(DmsChannelCommon):
    """Price lists by grade, territory and distributor: the most specific wins, and an agreed price holds."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["dms.order.rule"].search([]).active = False
        cls.distributor_north.grade_id = cls.grade_gold

    @classmethod
    def _pricelist(cls, name, price, **values):
        return cls.env["product.pricelist"].create(
            {
                "name": name,
                "company_id": cls.company.id,
                "item_ids": [
                    Command.create(
                        {"compute_price": "fixed", "fixed_price": price, "applied_on": "1_product",
                         "product_tmpl_id": cls.product_tea.product_tmpl_id.id}
                    )
                ],
                **values,
            }
        )  # fmt: skip

    def _price(self, partner):
        return self._create_order(partner).order_line.price_unit

    def test_distributor_then_deepest_territory_then_grade_then_default(self):
        south, north = self.distributor_south, self.distributor_north
        self.assertEqual((self._price(north), self._price(south)), (9.0, 10.0), "gold's own list; list price")
        grade = self._pricelist("Gold members", 8.0, dms_grade_ids=self.grade_gold.ids)
        self.assertEqual((self._price(north), self._price(south)), (8.0, 10.0))
        self._pricelist("Country", 7.0, dms_territory_ids=self.territory_country.ids)
        self.assertEqual((self._price(north), self._price(south)), (7.0, 7.0))
        self._pricelist("North", 6.0, dms_territory_ids=self.territory_north.ids)
        self.assertEqual((self._price(north), self._price(south)), (6.0, 7.0))
        self._pricelist(
            "Gold in the north",
            5.0,
            dms_territory_ids=self.territory_north.ids,
            dms_grade_ids=self.grade_gold.ids,
        )
        self.assertEqual((self._price(north), self._price(south)), (5.0, 7.0))
        self._pricelist("By name", 4.0, dms_partner_ids=south.ids)
        self.assertEqual((self._price(north), self._price(south)), (5.0, 4.0))
        self.assertEqual(
            self._price(self.clerk_south.partner_id), 4.0, "a clerk buys as the distributor does"
        )
        self.assertEqual(self._price(self.partner_a), 10.0, "who is no member has no channel price")
        grade.dms_partner_ids = north
        self.assertEqual(self._price(north), 8.0)

    def test_validity(self):
        self._pricelist(
            "Spring", 6.0, dms_territory_ids=self.territory_north.ids,
            dms_date_from="2025-03-01", dms_date_to="2025-05-31",
        )  # fmt: skip
        prices = []
        for day in ("2025-02-28", "2025-03-01", "2025-05-31", "2025-06-01"):
            with freeze_time(f"{day} 12:00:00"):
                self.env.invalidate_all()
                prices.append(self._price(self.distributor_north))
        self.assertEqual(prices, [9.0, 6.0, 6.0, 9.0])

    def test_another_companys_list_does_not_count(self):
        other = self.setup_other_company()["company"]
        self._pricelist("Theirs", 1.0, company_id=other.id, dms_partner_ids=self.distributor_north.ids)
        self.assertEqual(self._price(self.distributor_north), 9.0)
        territory = self.env["dms.territory"].create({"name": "Theirs", "company_id": other.id})
        with self.assertRefused("of another company", ValidationError):
            self._pricelist("Mixed", 1.0, dms_territory_ids=territory.ids)

    def test_many_members_take_no_more_queries(self):
        self._pricelist("North", 6.0, dms_territory_ids=self.territory_north.ids)
        partners = self.env["res.partner"].create(
            [
                {
                    "name": f"D{n}",
                    "is_company": True,
                    "channel_role": "distributor",
                    "territory_id": self.territory_north.id,
                }
                for n in range(60)
            ]
        )
        Pricelist, today = self.env["product.pricelist"], fields.Date.today()

        def queries(members):
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            found = Pricelist._get_dms_pricelists(members, today, self.company)
            self.assertEqual(len(found), len(members))
            return self.env.cr.sql_log_count - before

        queries(partners)
        self.assertEqual(queries(partners[:2]), queries(partners))

    def test_the_agreed_price_holds_until_the_invoice(self):
        """The list changes, the grade changes, the quantity changes, prices are to be updated: agreed is agreed."""
        order = self._create_order(self.distributor_north)
        order.action_confirm()
        self.pricelist_gold.item_ids.percent_price = 50.0
        self._pricelist("New", 1.0, dms_partner_ids=self.distributor_north.ids)
        self.distributor_north.grade_id = False
        self.assertEqual(order.pricelist_id, self.pricelist_gold)
        order.order_line.product_uom_qty = 24
        self.assertEqual(order.order_line.price_unit, 9.0)
        with Form(order) as form, form.order_line.edit(0) as line:
            line.product_uom_qty = 36
            self.assertEqual(line.price_unit, 9.0)
        order.order_line.product_uom_id = self.uom_case
        self.assertEqual(order.order_line.price_unit, 108.0, "a case of twelve at the agreed price")
        order.order_line.write({"product_uom_id": self.uom_unit.id, "product_uom_qty": 12})
        self.assertEqual(order.order_line.price_unit, 9.0)
        with self.assertRefused("agreed", UserError):
            order.action_update_prices()
        self._deliver(order)
        invoice = self._invoice(order)
        self.assertRecordValues(invoice.invoice_line_ids, [{"price_unit": 9.0, "quantity": 12.0}])

    def test_what_is_added_to_a_confirmed_order_has_the_orders_own_price_list(self):
        order = self._create_order(self.distributor_north)
        order.action_confirm()
        self._pricelist("New", 1.0, dms_partner_ids=self.distributor_north.ids)
        order.write(
            {"order_line": [Command.create({"product_id": self.product_chips.id, "product_uom_qty": 1})]}
        )
        self.assertEqual(order.order_line.mapped("price_unit"), [9.0, 4.5])

    def test_a_quotation_follows_the_list_until_it_is_confirmed(self):
        order = self._create_order(self.distributor_north)
        self.pricelist_gold.item_ids.percent_price = 50.0
        order.action_update_prices()
        self.assertEqual(order.order_line.price_unit, 5.0)
