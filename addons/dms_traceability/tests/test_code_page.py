import os
import re
from unittest.mock import patch

from odoo.tests import HttpCase, tagged

from odoo.addons.dms_traceability.controllers import code_page

from .common import GTIN, DmsTraceCommon


@tagged("post_install", "-at_install")
class TestCodePage(DmsTraceCommon, HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.order = cls._order_codes(48, 24)
        cls.picking = cls._create_delivery(24)
        cls.picking._dms_assign_codes()
        cls.picking.button_validate()
        cls.serials = cls._serials(cls.order)

    def _get(self, serial, gtin=GTIN, **kwargs):
        return self.url_open(f"/01/{gtin}/21/{serial}", **kwargs)

    def _assert_discreet(self, response):
        for secret in (
            "North Trading",
            "D-NORTH",
            "123.45",
            self.picking.name,
            self.agreement_north.name,
            "Storeman",
        ):
            self.assertNotIn(secret, response.text, secret)

    def test_genuine(self):
        response = self._get(self.serials[0])
        self.assertEqual(response.status_code, 200)
        for part in ("Genuine", "Green Tea", "B001", "North", "Where are you?"):
            self.assertIn(part, response.text)
        self._assert_discreet(response)
        self.assertLess(len(response.content), 60_000)
        self.assertEqual(response.headers["Cache-Control"], "no-store")
        self.assertNotIn("session_id", response.headers.get("Set-Cookie", ""))
        scan = self.env["dms.scan"].search([("code_key", "=", self.order.first_key)])
        self.assertRecordValues(scan, [{"result": "genuine", "area": "unknown", "kind": "consumer"}])
        self._get(self.serials[0].lower())
        self.assertEqual(self.env["dms.scan"].search([("code_key", "=", self.order.first_key)]), scan)

    def test_case_label_and_unshipped_unit(self):
        response = self._get(self._serials(self.order, "case")[0], self.order.case_gtin)
        self.assertIn("Case of 24", response.text)
        response = self._get(self.serials[40])
        self.assertIn("Genuine", response.text)
        self.assertNotIn("Where are you?", response.text)

    def _answer_place(self, serial, **data):
        page = self._get(serial).text
        token = re.search(r'name="scan" value="([^"]+)"', page)[1]
        return self.url_open(f"/01/{GTIN}/21/{serial}/place", data={"scan": token, **data})

    def test_outside_raises_an_alert(self):
        response = self._answer_place(self.serials[0], region=f"c{self.country.id}", zip="2000")
        self.assertIn("another area", response.text)
        self._assert_discreet(response)
        scan = self.env["dms.scan"].search([("code_key", "=", self.order.first_key)])
        self.assertRecordValues(scan, [{"area": "outside", "territory_id": self.territory_south.id}])
        self.assertEqual(scan.alert_id.partner_id, self.distributor_north)
        # Answering again neither moves the scan nor raises another alert.
        self.url_open(
            f"/01/{GTIN}/21/{self.serials[0]}/place", data={"region": f"c{self.country.id}", "zip": "1000"}
        )
        self.assertEqual(scan.territory_id, self.territory_south)

    def test_inside(self):
        response = self._answer_place(self.serials[1], region=f"c{self.country.id}", zip="1000")
        self.assertIn("sold where it was meant to be", response.text)
        self.assertFalse(self.env["dms.diversion.alert"].search([("picking_id", "=", self.picking.id)]))

    def test_position(self):
        self.territory_south.boundary = (
            '{"type": "Polygon", "coordinates": [[[109, 20], [117, 20], [117, 25], [109, 25], [109, 20]]]}'
        )
        response = self._answer_place(self.serials[2], latitude="23.1291", longitude="113.2644")
        self.assertIn("another area", response.text)
        scan = self.env["dms.scan"].search([("code_key", "=", self.order.first_key + 2)])
        self.assertRecordValues(
            scan, [{"territory_id": self.territory_south.id, "latitude": 23.1, "longitude": 113.3}]
        )

    def test_bad_places_are_answered(self):
        for data in (
            {"region": "s999999999"},
            {"region": "x"},
            {"region": "s٣"},
            {"latitude": "nan", "longitude": "inf"},
            {"latitude": "91", "longitude": "0"},
            {},
        ):
            response = self._answer_place(self.serials[3], **data)
            self.assertEqual(response.status_code, 200, data)
            self.assertIn("Please choose your region", response.text, data)
        response = self.url_open(
            f"/01/{GTIN}/21/{self.serials[3]}/place", data={"scan": "forged", "region": "s1"}
        )
        self.assertEqual(response.status_code, 200)

    def test_forged_and_unknown_answer_alike(self):
        answers = {
            (response.status_code, response.text.replace(path, ""))
            for path in (
                f"/01/{GTIN}/21/{'0' * 14}",
                f"/01/09506000134352/21/{'7' * 14}",
                f"/01/{GTIN}/21/ABC",
            )
            for response in [self.url_open(path)]
        }
        self.assertEqual(len(answers), 1)
        ((status, text),) = answers
        self.assertEqual(status, 404)
        self.assertIn("Not confirmed", text)

    def test_void_and_printed(self):
        self.env["dms.code"]._void([self.order.first_key + 5])
        self.assertIn("Withdrawn", self._get(self.serials[5]).text)
        printed = self._order_codes(5, 0, "generated")
        response = self._get(self._serials(printed)[0])
        self.assertIn("Not in use yet", response.text)
        self.assertNotIn("Genuine", response.text)

    def test_bad_input(self):
        for path in (
            "/01/123/21/ABC",
            "/01/00614141999993/21/ABC",
            f"/01/{GTIN}/21/{'A' * 21}",
            f"/01/{GTIN}/21/%00%00",
            f"/01/{GTIN}/21/%C3%A9",
            "/01/%D9%A1%D9%A2/21/A",
            "/01/abc%27--/21/A",
        ):
            response = self.url_open(path)
            self.assertEqual(response.status_code, 400, path)

    def test_enumeration_is_slowed(self):
        network = self.env["dms.scan"]._cut_address("127.0.0.1")
        for _turn in range(code_page.BAD_CODES_PER_MINUTE):
            self.env["dms.scan"]._count_hit(f"bad:{network}")
        self.assertEqual(self._get("0" * 14).status_code, 429)
        self.assertEqual(self._get(self.serials[0]).status_code, 200)

    def test_without_master_key(self):
        with patch.dict(os.environ, {"DMS_MASTER_KEY": ""}):
            response = self._get(self.serials[0])
        self.assertEqual(response.status_code, 503)
        self.assertIn("Not available", response.text)

    def test_files(self):
        self.authenticate("storeman", "storeman")
        response = self.url_open(f"/dms/code_order/{self.order.id}/codes.csv")
        lines = response.text.splitlines()
        self.assertEqual(len(lines), 1 + 48 + 2)
        self.assertIn(f"/01/{GTIN}/21/{self.serials[0]}", lines[1].upper())
        response = self.url_open(f"/dms/code_order/{self.order.id}/labels.pdf?level=case")
        self.assertTrue(response.content.startswith(b"%PDF"))
        for query in ("first=0", "first=x", "count=100000", "level=pallet"):
            self.assertEqual(
                self.url_open(f"/dms/code_order/{self.order.id}/labels.pdf?{query}").status_code, 422, query
            )
        self.assertEqual(self.url_open("/dms/code_order/99999999/codes.csv").status_code, 404)
