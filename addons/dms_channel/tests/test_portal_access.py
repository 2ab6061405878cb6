from odoo.fields import Command
from odoo.tests import tagged

from .common import DmsChannelCommon


@tagged("post_install", "-at_install")
class TestPortalAccess(DmsChannelCommon):
    def test_covered_domain_is_covered_products(self):
        products = self.product_tea | self.product_chips
        agreement = self.agreement_north.copy({"line_ids": []})
        for vals, expected in (
            ({}, products),
            ({"categ_ids": [Command.link(self.categ_drinks.id)]}, self.product_tea),
            ({"product_ids": [Command.link(self.product_chips.id)]}, self.product_chips),
            (
                {
                    "categ_ids": [Command.link(self.categ_drinks.id)],
                    "product_ids": [Command.link(self.product_chips.id)],
                },
                products,
            ),
        ):
            agreement.line_ids = [
                Command.clear(),
                Command.create({"territory_id": self.territory_north.id, **vals}),
            ]
            self.assertEqual(products.filtered_domain(agreement._get_covered_domain()), expected)
            self.assertEqual(agreement._covered_products(products), expected)
        agreement.line_ids = [Command.clear()]
        self.assertFalse(products.filtered_domain(agreement._get_covered_domain()))

    def test_deliveries_of_the_own_company_only(self):
        """A clerk reads deliveries of orders of its company, which another contact may have placed, before and after
        they leave; never a sibling's."""
        order = self._create_order(self.distributor_north)
        order.action_confirm()
        picking = order.picking_ids
        for _step in ("before", "after"):
            self.assertTrue(picking.with_user(self.clerk_north).has_access("read"))
            self.assertFalse(picking.with_user(self.clerk_south).has_access("read"))
            self._deliver(order)
