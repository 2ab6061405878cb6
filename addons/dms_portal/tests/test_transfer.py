from datetime import timedelta

from odoo import http
from odoo.fields import Command, Date, Datetime
from odoo.tests import tagged

from odoo.addons.dms_channel.tests.common import SIGNATURE

from .common import DmsPortalCommon


class TransferPortalCommon(DmsPortalCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        today = Date.context_today(cls.env.user)
        cls.env["dms.channel.move"].sudo().create(
            {
                "kind": "sell_in",
                "partner_id": cls.distributor_north.id,
                "product_id": cls.product_tea.id,
                "date": today - timedelta(days=90),
                "quantity": 24,
                "price_unit": 9,
                "amount": 216,
            }
        )
        cls.distributor_north.write(
            {"street": "North Street 1", "phone": "+32 1", "email": "n@north.example"}
        )
        cls.distributor_south.write(
            {"street": "South Street 2", "phone": "+32 2", "email": "s@south.example"}
        )
        cls.third = cls._create_distributor("East Trading", "D-EAST", "1300")
        cls.clerk_third = cls._create_clerk("clerk_east", cls.third)

    def _transfer(self, **vals):
        transfer = self.env["dms.transfer"].create(
            {
                "giver_id": self.distributor_north.id,
                "taker_id": self.distributor_south.id,
                "reason": "SECRET",
                "delivery_cost": 77.77,
                "line_ids": [Command.create({"product_id": self.product_tea.id, "product_uom_qty": 12})],
                **vals,
            }
        )
        transfer.action_propose()
        return transfer

    def _post(self, url, **data):
        return self.url_open(
            url, data={"csrf_token": http.Request.csrf_token(self), **data}, allow_redirects=False
        )


@tagged("post_install", "-at_install")
class TestTransferRoutes(TransferPortalCommon):
    def test_who_sees_it(self):
        transfer = self._transfer()
        url = f"/my/transfers/{transfer.id}"
        for login in ("clerk_north", "clerk_south"):
            self.authenticate(login, login)
            text = self.url_open(url).text
            for words in (transfer.name, "North Trading", "South Trading", "Do you agree?"):
                self.assertIn(words, text)
            for secret in ("SECRET", "77.77", "n@north.example", "s@south.example", "Street", "9.00"):
                self.assertNotIn(secret, text)
            self.assertIn(transfer.name, self.url_open("/my/transfers").text)
            self.assertIn(transfer.name, self.url_open("/my/transfers?filterby=todo&search=TRF").text)
        transfer.write({"giver_reason": "GIVERS-OWN", "taker_reason": "TAKERS-OWN"})
        for login, own, other in (
            ("clerk_north", "GIVERS-OWN", "TAKERS-OWN"),
            ("clerk_south", "TAKERS-OWN", "GIVERS-OWN"),
        ):
            self.authenticate(login, login)
            text = self.url_open(url).text
            self.assertIn(own, text)
            self.assertNotIn(other, text)
        for login in ("clerk_east", "clerk_other", "clerk_outlet"):
            self.authenticate(login, login)
            self.assertEqual(self.url_open(url, allow_redirects=False).status_code, 303)
            self.assertNotIn(transfer.name, self.url_open("/my/transfers").text)
            self._post(f"{url}/agree", name="X")
            self._post(f"{url}/refuse", name="X", reason="no")
            self._post(f"{url}/ship", name="X")
            self.assertEqual(self.url_open(f"{url}/pdf", allow_redirects=False).status_code, 303)
            self.env.invalidate_all()
            self.assertEqual((transfer.state, transfer.giver_agreed), ("proposed", False))

    def test_links(self):
        transfer = self._transfer()
        token = transfer._portal_ensure_token()
        self.authenticate(None, None)
        url = f"/my/transfers/{transfer.id}"
        self.assertIn("Sign in", self.url_open(f"{url}?access_token={token}").text)
        for suffix in ("", "?access_token=wrong"):
            self.assertNotIn(transfer.name, self.url_open(url + suffix).text)
        draft = self.env["dms.transfer"].create({"giver_id": self.distributor_north.id})
        token = draft._portal_ensure_token()
        self.assertNotIn(draft.name, self.url_open(f"/my/transfers/{draft.id}?access_token={token}").text)

    def test_addresses_once_agreed_and_price_by_policy(self):
        transfer = self._transfer()
        transfer.with_user(self.clerk_north)._agree("N")
        transfer.with_user(self.clerk_south)._agree("S")
        transfer.action_ship()
        url = f"/my/transfers/{transfer.id}"
        self.authenticate("clerk_south", "clerk_south")
        text = self.url_open(url).text
        for words in ("North Street 1", "+32 1", "38.8"):
            self.assertIn(words, text)
        for secret in ("9.00", "n@north.example", "77.77"):
            self.assertNotIn(secret, text)
        self.assertEqual(self.url_open(f"{url}/pdf").headers["Content-Type"], "application/pdf")
        self.company.dms_transfer_show_price = True
        self.assertIn("9.00", self.url_open(url).text)

    def test_propose(self):
        self.authenticate("clerk_north", "clerk_north")
        page = self.url_open("/my/transfers/new?side=giver").text
        self.assertIn("24 Units to spare", page)
        self.assertNotIn("Reference of the other", page)
        for data, words in (
            ({"product_id": "x", "quantity": "1"}, "Choose a product"),
            ({"product_id": str(self.product_tea.id), "quantity": "many"}, "is no number"),
            ({"product_id": str(self.product_tea.id), "quantity": "25"}, "24 Units"),
            ({"product_id": str(self.product_chips.id), "quantity": "1"}, "Choose a product"),
            (
                {"product_id": str(self.product_tea.id), "quantity": "1", "reference": "D-SOUTH"},
                "Leave the other side to us",
            ),
        ):
            self.assertIn(words, self._post("/my/transfers/new", side="giver", **data).text)
        self.assertFalse(self.env["dms.transfer"].search([]))
        self.company.dms_transfer_name_partner = True
        good = {"product_id": str(self.product_tea.id), "quantity": "12", "reason": "slow"}
        self.assertIn(
            "No distributor has the reference",
            self._post("/my/transfers/new", side="giver", **good, reference="D-NOBODY").text,
        )
        self.assertEqual(
            self._post("/my/transfers/new", side="giver", **good, reference="D-SOUTH").status_code, 303
        )
        transfer = self.env["dms.transfer"].search([])
        self.assertRecordValues(
            transfer,
            [
                {
                    "source": "giver",
                    "giver_agreed": True,
                    "taker_id": self.distributor_south.id,
                    "reason": "slow",
                    "state": "proposed",
                }
            ],
        )
        self.authenticate("clerk_south", "clerk_south")
        self.assertIn("TEA", self.url_open("/my/transfers/new?side=taker").text)

    def test_propose_several_products(self):
        self.authenticate("clerk_south", "clerk_south")
        tea, chips = str(self.product_tea.id), str(self.product_chips.id)
        url = "/my/transfers/new"
        for products, quantities, words in (
            ([tea, tea], ["1", "2"], "stands in two rows"),
            ([tea, ""], ["1", "2"], "Choose a product"),
            ([tea, chips], ["1", ""], "is no number"),
            ([], [], "Choose a product"),
        ):
            text = self._post(url, side="taker", product_id=products, quantity=quantities).text
            self.assertIn(words, text)
            self.assertEqual(
                text.count("o_dms_transfer_row row"), max(len(products), 1), "what was entered stays"
            )
        self.assertFalse(self.env["dms.transfer"].search([]))
        answer = self._post(url, side="taker", product_id=[tea, chips, ""], quantity=["12", "5", ""])
        self.assertEqual(answer.status_code, 303)
        self.assertRecordValues(
            self.env["dms.transfer"].search([]).line_ids.sorted("quantity"),
            [
                {"product_id": self.product_chips.id, "quantity": 5},
                {"product_id": self.product_tea.id, "quantity": 12},
            ],
        )

    def test_other_quantities(self):
        transfer = self._transfer()
        transfer.with_user(self.clerk_north)._agree("N")
        line = transfer.line_ids
        self.authenticate("clerk_south", "clerk_south")
        url = f"/my/transfers/{transfer.id}/change"
        self.assertIn("same as before", self._post(url, name="S", **{f"quantity_{line.id}": "12"}).text)
        self.assertIn("Nothing would be left", self._post(url, name="S", **{f"quantity_{line.id}": "0"}).text)
        self._post(url, name="S", **{f"quantity_{line.id}": "8"})
        self.env.invalidate_all()
        self.assertRecordValues(
            transfer,
            [{"giver_agreed": False, "taker_agreed": True, "brand_agreed": False, "state": "proposed"}],
        )
        self.assertEqual(line.quantity, 8)

    def test_list_asks_a_constant_number_of_queries(self):
        transfer = self._transfer(
            line_ids=[Command.create({"product_id": self.product_tea.id, "product_uom_qty": 1})]
        )
        self.authenticate("clerk_north", "clerk_north")
        self.url_open("/my/transfers")
        counts = []
        for _round in range(2):
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            self.url_open("/my/transfers")
            counts.append(self.env.cr.sql_log_count - before)
            for _number in range(5):
                transfer.copy().action_propose()
            self.env.flush_all()
        self.assertLessEqual(counts[1], counts[0])

    def test_batches_must_keep_long_enough(self):
        """Only here expiry dates are known: the channel alone does not depend on them."""
        self.product_tea.tracking = "lot"
        lot = self.env["stock.lot"].create(
            {
                "name": "B-1",
                "product_id": self.product_tea.id,
                "company_id": self.company.id,
                "expiration_date": Datetime.now() + timedelta(days=10),
            }
        )
        line = {"product_id": self.product_tea.id, "product_uom_qty": 2, "lot_id": lot.id}
        with self.assertRefused("Batch B-1 of .* must keep for another 30 days"):
            self._transfer(line_ids=[Command.create(line)])
        self.company.dms_transfer_shelf_days = 5
        self.assertEqual(self._transfer(line_ids=[Command.create(line)]).state, "proposed")

    def test_signing_is_the_takers(self):
        transfer = self._transfer()
        transfer.with_user(self.clerk_north)._agree("N")
        transfer.with_user(self.clerk_south)._agree("S")
        transfer.action_ship()
        url = f"/my/transfers/{transfer.id}/receive"
        for login in ("clerk_north", "clerk_east"):
            self.authenticate(login, login)
            answer = self.make_jsonrpc_request(url, {"name": "X", "signature": SIGNATURE.decode()})
            self.assertIn("may not sign", answer["error"])
        self.authenticate("clerk_south", "clerk_south")
        self.assertIn("missing", self.make_jsonrpc_request(url, {"name": "X"})["error"])
        self.assertIn(
            "no picture",
            self.make_jsonrpc_request(url, {"name": "X", "signature": "bm8gcGljdHVyZQ=="})["error"],
        )
        answer = self.make_jsonrpc_request(url, {"name": "Sam", "signature": SIGNATURE.decode()})
        self.assertTrue(answer.get("force_refresh"), answer)
        self.env.invalidate_all()
        self.assertEqual((transfer.state, transfer.received_by), ("received", "Sam"))


@tagged("post_install", "-at_install")
class TestTransferTour(TransferPortalCommon):
    def test_proposed_agreed_shipped_received(self):
        self.start_tour("/my/transfers", "dms_transfer_propose", login="clerk_north")
        transfer = self.env["dms.transfer"].search([])
        self.assertEqual(transfer.source, "giver")
        back_office = f"/odoo/action-dms_channel.dms_transfer_action/{transfer.id}"
        portal = f"/my/transfers/{transfer.id}"
        self.start_tour(back_office, "dms_transfer_match", login=self.user_manager.login)
        self.start_tour(portal, "dms_transfer_agree", login="clerk_south")
        self.start_tour(portal, "dms_transfer_agree", login="clerk_north")
        self.env.invalidate_all()
        self.assertEqual(transfer.state, "agreed")
        self.start_tour(portal, "dms_transfer_ship", login="clerk_north")
        self.start_tour(portal, "dms_transfer_receive", login="clerk_south")
        self.start_tour(back_office, "dms_transfer_decide", login=self.user_manager.login)
        self.env.invalidate_all()
        self.assertEqual(transfer.state, "received")
        position = self.env["dms.channel.position"].search([("partner_id", "=", self.distributor_south.id)])
        self.assertEqual((position.quantity, position.in_transit), (11, 0))
