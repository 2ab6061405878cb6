from odoo import http
from odoo.fields import Command
from odoo.tests import tagged

from .common import DmsPortalCommon


@tagged("post_install", "-at_install")
class TestSettlementPages(DmsPortalCommon):
    """The distributor's answers, and that nobody else can give them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.company._dms_prepare_rebate_accounts()
        cls.env["dms.rebate.program"].create(
            {
                "name": "Tea bonus",
                "code": "TEA",
                "date_start": "2026-01-01",
                "tier_ids": [Command.create({"from_amount": 0, "rate": 10})],
            }
        ).action_publish()
        cls.env["account.move"].create(
            {
                "move_type": "out_invoice",
                "partner_id": cls.distributor_north.id,
                "invoice_date": "2026-01-10",
                "invoice_line_ids": [
                    Command.create(
                        {
                            "product_id": cls.product_tea.id,
                            "quantity": 100,
                            "price_unit": 10,
                            "tax_ids": False,
                        }
                    )
                ],
            }
        ).action_post()
        cls.settlement = cls.env["dms.settlement"].create(
            {"partner_id": cls.distributor_north.id, "date_from": "2026-01-01", "date_to": "2026-01-31"}
        )
        cls.settlement.action_compute()
        cls.settlement.action_send()
        cls.line = cls.settlement.line_ids
        cls.url = f"/my/settlements/{cls.settlement.id}"

    def _login(self, user):
        self.authenticate(user and user.login, user and user.login)

    def _post(self, what, **data):
        response = self.url_open(
            f"{self.url}/{what}",
            data={"csrf_token": http.Request.csrf_token(self), **data},
            allow_redirects=False,
        )
        self.env.invalidate_all()
        return response

    def test_dispute_and_accept(self):
        self._login(self.clerk_north)
        page = self.url_open(self.url).text
        self.assertIn("count as accepted", page)
        self.assertIn("Accept all", page)
        response = self._post("dispute", line_id=self.line.id, reason="  ")
        self.assertIn("Say what is wrong with the line", response.text)
        self._post("dispute", line_id=self.line.id, reason="Too <b>little</b>")
        self.assertEqual((self.line.answer, self.line.reason), ("disputed", "Too <b>little</b>"))
        self.assertNotIn("<b>little", self.url_open(self.url).text)
        self._post("accept", line_id=self.line.id)
        self.assertEqual((self.line.answer, self.settlement.state), ("accepted", "approved"))
        self.assertIn("was answered already", self._post("dispute", line_id=self.line.id, reason="No").text)
        self.assertNotIn("Accept all", self.url_open(self.url).text)

    def test_accept_all(self):
        self._login(self.clerk_north)
        self._post("accept")
        self.assertEqual((self.line.answered_by, self.settlement.state), (self.clerk_north, "approved"))

    def test_what_is_behind_a_line(self):
        self._login(self.clerk_north)
        page = self.url_open(f"{self.url}/lines/{self.line.id}").text
        self.assertIn(self.line.accrual_ids.move_id.name, page)
        self.assertIn("1,000.00", page)
        self.assertIn("Terms, version", page)

    def test_nobody_else_answers(self):
        token = self.settlement._portal_ensure_token()
        self.env.flush_all()
        for user in (self.clerk_south, self.clerk_other, self.clerk_outlet, None):
            self._login(user)
            with self.subTest(user=user and user.login):
                self.assertEqual(self._post("accept").status_code, 303)
                self.assertEqual(
                    self._post("dispute", line_id=self.line.id, reason="x", access_token=token).status_code,
                    303,
                )
                self.assertEqual((self.line.answer, self.settlement.state), ("open", "sent"))
                behind = f"{self.url}/lines/{self.line.id}"
                self.assertEqual(self.url_open(behind, allow_redirects=False).status_code, 303)
                self.assertEqual(self.url_open(f"/dms/settlement/{self.settlement.id}/xlsx").status_code, 404)
        self._login(None)
        page = self.url_open(f"{self.url}?access_token={token}").text
        self.assertIn("Sign in to answer", page)
        self.assertNotIn("Accept all", page)

    def test_a_draft_is_not_for_the_distributor(self):
        token = self.settlement._portal_ensure_token()
        self.settlement.action_draft()
        self.env.flush_all()
        self._login(self.clerk_north)
        for url in (self.url, f"{self.url}?access_token={token}", f"{self.url}/lines/{self.line.id}"):
            self.assertEqual(self.url_open(url, allow_redirects=False).status_code, 303)

    def test_what_is_left_is_shown_and_taken_off(self):
        self._login(self.clerk_north)
        self._post("accept")
        self.settlement.write({"payout": "offset", "offset_share": 0.5})
        self.settlement.action_post()
        self.env["dms.order.rule"].search([]).action_archive()
        order = self._create_order(self.distributor_north, [(self.product_tea, 10, 10.0)])
        self.env.flush_all()
        self.assertIn(
            "will be set off when the order is confirmed", self.url_open(order.get_portal_url()).text
        )
        order.action_confirm()
        self.env.flush_all()
        self.assertIn("was set off against this order", self.url_open(order.get_portal_url()).text)
        page = self.url_open(self.url).text
        self.assertIn("Left:", page)
        self.assertIn(order.name, page)

    def test_goods_are_chosen_in_the_catalogue(self):
        self._login(self.clerk_north)
        self._post("accept")
        self.assertEqual(self._post("goods").status_code, 200, "it is not posted for goods")
        self.settlement.payout = "goods"
        self.settlement.action_post()
        self._post("goods")
        self._post("goods")
        order = self.settlement.goods_order_ids
        self.assertRecordValues(order, [{"dms_cart": True, "partner_id": self.distributor_north.id}])
        cart = self.env["sale.order"]._dms_get_cart(self.distributor_north, self.company)
        self.assertEqual(cart, order)
        self.env["dms.order.rule"].search([]).action_archive()
        order._dms_set_quantity(self.product_tea, 6)
        self.env.flush_all()
        self.assertIn("Set off from your settlements", self.url_open("/my/cart").text)
        order._dms_submit()
        self.assertEqual(
            (order.state, order.dms_set_off_amount, self.settlement.amount_left), ("sale", 100, 0)
        )
        self._login(self.clerk_south)
        self._post("goods")
        self.assertEqual(len(self.settlement.goods_order_ids), 1)
