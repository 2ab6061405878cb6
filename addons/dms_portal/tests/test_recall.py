from odoo import http
from odoo.tests import HttpCase, tagged

from odoo.addons.dms_traceability.tests.common import DmsTraceCommon


@tagged("post_install", "-at_install")
class TestRecallPages(DmsTraceCommon, HttpCase):
    """A case with each of two sibling distributors; the northern one's shop has another."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        order = cls._order_codes(72, 24)
        cases = [f"(01){order.case_gtin}(21){serial}" for serial in cls._serials(order, "case")]
        for partner, own in ((cls.distributor_north, cases[:2]), (cls.distributor_south, cases[2:])):
            picking = cls._create_delivery(24 * len(own), partner)
            picking._dms_add_codes(own)
            picking.button_validate()
        cls.env["dms.code"]._receive(cls.outlet, cases[1:2])
        cls.recall = cls.env["dms.recall"].create(
            {"product_id": cls.product.id, "lot_ids": cls.lot.ids, "reason": "Glass in a bottle."}
        )
        cls.recall.action_start()
        cls.lines = {line.partner_id: line for line in cls.recall.line_ids}

    def _get(self, url):
        return self.url_open(url, allow_redirects=False)

    def _answer(self, line, **data):
        return self.url_open(
            f"/my/recalls/{line.id}/answer",
            data={"csrf_token": http.Request.csrf_token(self), **data},
            allow_redirects=False,
        )

    def test_own_goods_and_those_of_own_shops(self):
        north, south, shop = (
            self.lines[partner] for partner in (self.distributor_north, self.distributor_south, self.outlet)
        )
        for login, seen in (
            ("clerk_north", {north, shop}),
            ("clerk_south", {south}),
            ("clerk_outlet", {shop}),
        ):
            self.authenticate(login, login)
            page = self._get("/my/recalls").text
            for line in (north, south, shop):
                url = f"/my/recalls/{line.id}"
                self.assertEqual(f'href="{url}"' in page, line in seen)
                self.assertEqual(self._get(url).status_code, 200 if line in seen else 303)
                if line not in seen:
                    self._answer(line, returned="1")
                    self.assertEqual(line.state, "waiting")
        self.authenticate(None, None)
        self.assertEqual(self._get(f"/my/recalls/{north.id}").status_code, 303)
        self.assertEqual(self._get(f"/my/recalls/{north.id}?access_token=wrong").status_code, 303)
        text = self._get(north.get_portal_url()).text
        self.assertIn("Glass in a bottle.", text)
        self.assertNotIn('<form class="mb-4"', text, "who only holds the link reads, but does not answer")

    def test_an_outlet_sees_on_its_home_page_what_waits_for_it(self):
        """Its own recalls that are not answered yet: neither its distributor's nor those of the shop next door."""
        sibling = self.outlet.copy({"name": "Shop Next Door", "ref": "O-2"})
        self._create_clerk("clerk_sibling", sibling)
        names = {"counters": ["dms_recall_open_count", "dms_case_count"]}
        for login, waiting in (("clerk_outlet", 1), ("clerk_sibling", 0), ("clerk_south", 1)):
            self.authenticate(login, login)
            counters = self.make_jsonrpc_request("/my/counters", names)
            self.assertEqual(counters["dms_recall_open_count"], waiting, login)
            self.assertEqual("dms_case_count" in counters, login == "clerk_south", "a shop has no cases")
        self.authenticate("clerk_outlet", "clerk_outlet")
        home = self._get("/my").text
        self.assertIn('data-placeholder_count="dms_recall_open_count"', home)
        self.assertNotIn('data-placeholder_count="dms_case_open_count"', home)
        self._answer(self.lines[self.outlet], returned="24")
        counters = self.make_jsonrpc_request("/my/counters", names)
        self.assertEqual(counters["dms_recall_open_count"], 0)

    def test_answering(self):
        line = self.lines[self.distributor_north]
        self.authenticate("clerk_north", "clerk_north")
        counters = self.make_jsonrpc_request("/my/counters", {"counters": ["dms_recall_open_count"]})
        self.assertEqual(counters["dms_recall_open_count"], 2)
        self.assertIn("whole numbers", self._answer(line, returned="a dozen").text)
        page = self._answer(line, returned="30", note="All of it")
        self.assertIn("only 24 are recalled", page.text)
        self.assertIn('value="30"', page.text, "what was typed is still there")
        self.assertEqual(line.state, "waiting")
        self.assertEqual(
            self._answer(line, returned="20", gone="3", missing="1", note="One is lost").status_code, 303
        )
        self.assertRecordValues(
            line,
            [
                {
                    "state": "answered",
                    "returned_count": 20,
                    "gone_count": 3,
                    "missing_count": 1,
                    "note": "One is lost",
                }
            ],
        )
        self.assertIn("Correct the answer", self._get(f"/my/recalls/{line.id}").text)
        self.recall.conclusion = "Done"
        self.recall.action_close()
        closed = self._get(f"/my/recalls/{line.id}").text
        self.assertNotIn("Correct the answer", closed)
        self.assertIn("Sent back", closed)
