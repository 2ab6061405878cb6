from odoo.fields import Date
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
