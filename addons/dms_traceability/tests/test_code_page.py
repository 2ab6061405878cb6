import base64
import csv
import io
import os
import re
import zipfile
from datetime import timedelta
from unittest.mock import patch
from urllib.parse import unquote

from freezegun import freeze_time

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import HttpCase, tagged

from odoo.addons.dms_traceability.controllers import code_file, code_page

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
        self.assertIn("24 units", response.text)
        response = self._get(self.serials[40])
        self.assertIn("Genuine", response.text)
        self.assertNotIn("Where are you?", response.text)

    def _answer_place(self, serial, **data):
        page = self._get(serial).text
        token = re.search(r'name="scan" value="([^"]+)"', page)[1]
        return self.url_open(f"/01/{GTIN}/21/{serial}/place", data={"scan": token, **data})

    def test_outside_is_told_and_raises_nothing(self):
        response = self._answer_place(self.serials[0], region=f"c{self.country.id}", zip="2000")
        self.assertIn("another area", response.text)
        self._assert_discreet(response)
        scan = self.env["dms.scan"].search([("code_key", "=", self.order.first_key)])
        self.assertRecordValues(scan, [{"area": "outside", "territory_id": self.territory_south.id}])
        self.assertFalse(scan.alert_id, "one scan proves nothing")
        # Answering again does not move the scan.
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

    def test_repacked(self):
        (old,), (new,) = (self._serials(self._order_codes(1, 0, "active")) for _label in range(2))
        used, made = (f"(01){GTIN}(21){serial}" for serial in (old, new))
        self.env["dms.code.repacking"].create({"used_text": used, "made_text": made}).action_done()
        response = self._get(old)
        self.assertIn("Part of another pack", response.text)
        self.assertNotIn("Withdrawn", response.text)
        self.assertIn("Genuine", self._get(new).text)

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
        self.assertEqual(self.order.state, "active", "an order in use stays so")
        response = self.url_open(f"/dms/code_order/{self.order.id}/labels.zpl?first=3&count=2")
        self.assertEqual(re.findall(r"/21/(\w+)", response.text), self.serials[2:4])
        for query in ("first=0", "first=x", "count=100000", "level=pallet"):
            self.assertEqual(
                self.url_open(f"/dms/code_order/{self.order.id}/labels.pdf?{query}").status_code, 422, query
            )
        self.assertEqual(self.url_open("/dms/code_order/99999999/codes.csv").status_code, 404)

    def test_files_of_a_full_order(self):
        """Every label once, with package, RFID number and code under the cap."""
        self.company.dms_gs1_prefix = "0614141"
        order = self.env["dms.code.order"].create(
            {
                "product_id": self.product.id,
                "lot_id": self.lot.id,
                "quantity": 50,
                "inner_size": 5,
                "case_size": 10,
                "pallet_size": 2,
                "cap_codes": True,
            }
        )
        order.action_generate()
        self.authenticate("storeman", "storeman")
        with patch.object(code_file, "PART_LABELS", 20):
            response = self.url_open(f"/dms/code_order/{order.id}/labels.pdf")
        self.assertEqual(order.state, "printed")
        with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
            self.assertEqual(len(archive.namelist()), 3)
        rows = list(csv.DictReader(self.url_open(f"/dms/code_order/{order.id}/codes.csv").text.splitlines()))
        self.assertEqual(
            [row["level"] for row in rows], ["unit"] * 50 + ["case"] * 5 + ["inner"] * 10 + ["pallet"] * 2
        )
        self.assertEqual(len({row["serial"] for row in rows}), 67)
        self.assertEqual({len(row["epc"]) for row in rows}, {52})
        self.assertEqual(rows[12]["box"], rows[57]["serial"])
        (info,) = self.env["dms.code"]._resolve([(GTIN, rows[7]["cap_code"])], cap=True)
        self.assertEqual(info["key"], order.first_key + 7)
        self.assertTrue(rows[7]["cap_url"].endswith(rows[7]["cap_code"]))
        order.action_cancel()
        self.assertEqual(self.url_open(f"/dms/code_order/{order.id}/codes.csv").status_code, 422)

    def _order_cap(self):
        program = self.env["loyalty.program"].create(
            {
                "name": "Gift on Opening",
                "program_type": "coupons",
                "trigger": "with_code",
                "applies_on": "current",
            }
        )
        order = self.env["dms.code.order"].create(
            {
                "product_id": self.product.id,
                "lot_id": self.lot.id,
                "quantity": 3,
                "case_size": 0,
                "cap_codes": True,
                "reward_program_id": program.id,
            }
        )
        order.action_generate()
        order.action_activate()
        return order, [cap for _gtin, caps in order._iter_serials(cap=True) for cap in caps]

    def test_opened_once(self):
        order, caps = self._order_cap()
        path = f"/01/{GTIN}/21/{caps[0]}"
        for _preview in range(2):
            response = self.url_open(path)
            self.assertIn("not opened yet", response.text)
        self.assertFalse(
            self.env["dms.code.consumption"].search([("order_id", "=", order.id)]), "GET consumes nothing"
        )
        response = self.url_open(f"{path}/open", data={"lang": "en_US"})
        opened = self.env["dms.code.consumption"].search([("order_id", "=", order.id)])
        self.assertEqual((opened.code_key, opened.serial), (order.first_key, self._serials(order)[0]))
        self.assertIn("Opened by you", response.text)
        self.assertIn(opened.coupon_id.code, response.text)
        self.assertEqual(self.env["dms.code"].browse(order.first_key).state, "consumed")
        self._assert_discreet(response)
        # Again, by the same device, then by another: no second reward, and the coupon is shown to the first only.
        self.assertIn(opened.coupon_id.code, self.url_open(f"{path}/open", data={"lang": "en_US"}).text)
        response = self.url_open(f"{path}/open", data={"lang": "en_US"}, headers={"User-Agent": "Another"})
        self.assertIn("Opened before", response.text)
        self.assertNotIn(opened.coupon_id.code, response.text)
        self.assertEqual(self.env["dms.code.consumption"].search_count([("order_id", "=", order.id)]), 1)
        self.assertEqual(
            self.env["loyalty.card"].search_count([("program_id", "=", order.reward_program_id.id)]), 1
        )
        with self.assertRaises(UserError):
            opened.write({"coupon_id": False})

    def test_code_under_the_cap_of_goods_not_in_use(self):
        order, caps = self._order_cap()
        self.env["dms.code"]._void([order.first_key + 1])
        self.assertIn(
            "Withdrawn", self.url_open(f"/01/{GTIN}/21/{caps[1]}/open", data={"lang": "en_US"}).text
        )
        self.assertFalse(self.env["dms.code.consumption"].search([("order_id", "=", order.id)]))
        forged = {
            (answer.status_code, answer.text.replace(serial, ""))
            for serial in ("0" * 20, caps[2][:-1] + ("0" if caps[2][-1] != "0" else "1"))
            for answer in [
                self.url_open(f"/01/{GTIN}/21/{serial}"),
                self.url_open(f"/01/{GTIN}/21/{serial}/open", data={"lang": "en_US"}),
            ]
        }
        self.assertEqual(len(forged), 1)
        self.assertEqual(forged.pop()[0], 404)

    # === PRIVACY AND ABUSE ===

    def _token(self, page, scope="scan"):
        pattern = r'name="scan" value="([^"]+)"' if scope == "scan" else r"/scan/erase\?token=([^&\"]+)"
        return re.search(pattern, page)[1]

    def _report(self, serial, **data):
        page = self._get(serial).text
        files = data.pop("files", None)
        return self.url_open(
            f"/01/{GTIN}/21/{serial}/report",
            data={"scan": self._token(page), "kind": "counterfeit", **data},
            files=files,
        )

    def test_report_with_photo_and_consented_position(self):
        picture = base64.b64decode(
            "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
        )
        response = self._report(
            self.serials[0],
            text="The print is blurred",
            consent="yes",
            latitude="39.9042",
            longitude="116.4074",
            files={"photo": ("p.png", picture, "image/png")},
        )
        self.assertIn("We will look into it", response.text)
        report = self.env["dms.scan.report"].search([("product_id", "=", self.product.id)])
        self.assertRecordValues(
            report, [{"kind": "counterfeit", "text": "The print is blurred", "lot_id": self.lot.id}]
        )
        self.assertTrue(report.photo)
        self.assertEqual(report.with_user(self.inspector).position, "39.90420, 116.40740")
        self.env.flush_all()
        self.env.cr.execute("SELECT position_sealed FROM dms_scan_report WHERE id = %s", [report.id])
        self.assertNotIn("39.9", self.env.cr.fetchone()[0])
        with self.assertRaises(AccessError):
            report.with_user(self.user_channel).read(["position"])
        # After 90 days only the report is left.
        with freeze_time(fields.Datetime.now() + timedelta(days=91)):
            self.env["dms.scan.report"]._gc_positions()
        self.assertFalse(report.sudo().position_sealed)
        self.assertTrue(report.exists())

    def test_without_consent_no_position_is_kept(self):
        response = self._report(self.serials[1], latitude="39.9042", longitude="116.4074")
        self.assertIn("We will look into it", response.text)
        self.assertIn("Genuine", response.text, "who refuses is answered all the same")
        report = self.env["dms.scan.report"].search([("product_id", "=", self.product.id)])
        self.assertFalse(report.sudo().position_sealed)
        self.assertFalse(report.scan_id.latitude or report.scan_id.longitude)

    def test_bad_reports(self):
        response = self._report(self.serials[2], files={"photo": ("p.png", b"no picture", "image/png")})
        self.assertIn("could not be read", response.text)
        self.assertEqual(self._report(self.serials[2], kind="enumeration").status_code, 200)
        self.assertEqual(self._report(self.serials[2], scan="forged").status_code, 200)
        self.assertFalse(self.env["dms.scan.report"].search([("product_id", "=", self.product.id)]))

    def test_erased_by_token(self):
        page = self._report(self.serials[3], text="Mine").text
        token = self._token(page, "erase")
        scan = self.env["dms.scan"].search([("code_key", "=", self.order.first_key + 3)])
        self.assertTrue(scan.device and scan.address)
        self.url_open(f"/scan/erase?token={token}")
        self.assertTrue(
            self.env["dms.scan.report"].search([("scan_id", "=", scan.id)]), "looking erases nothing"
        )
        for wrong in ("", "x", self._token(self._get(self.serials[3]).text)):
            self.assertEqual(self.url_open("/scan/erase", data={"token": wrong}).status_code, 404)
        self.assertIn("It is erased", self.url_open("/scan/erase", data={"token": unquote(token)}).text)
        self.env.invalidate_all()
        self.assertFalse(self.env["dms.scan.report"].search([("scan_id", "=", scan.id)]))
        self.assertRecordValues(
            scan, [{"device": False, "address": False, "city": False, "result": "genuine"}]
        )

    def test_addresses_and_devices_tell_little(self):
        Scan = self.env["dms.scan"]
        self.assertEqual(Scan._cut_address("203.0.113.77"), "203.0.113.0/24")
        self.assertEqual(Scan._cut_address("2001:db8:1:2::3"), "2001:db8:1::/48")
        self.assertEqual(Scan._cut_address("junk"), "")
        with freeze_time("2026-05-31"):
            may = Scan._hash_device("203.0.113.0/24", "Phone")
            self.assertEqual(may, Scan._hash_device("203.0.113.0/24", "Phone"))
        with freeze_time("2026-06-01"):
            self.assertNotEqual(
                may, Scan._hash_device("203.0.113.0/24", "Phone"), "the salt turns with the month"
            )
        self.env["ir.config_parameter"].sudo().set_param("database.secret", "another")
        with freeze_time("2026-05-31"):
            self.assertNotEqual(
                may, Scan._hash_device("203.0.113.0/24", "Phone"), "nobody else can compute it"
            )

    def test_guessing_is_reported_once(self):
        network = self.env["dms.scan"]._cut_address("127.0.0.1")
        for _turn in range(code_page.BAD_CODES_PER_MINUTE):
            self.env["dms.scan"]._count_hit(f"bad:{network}")
        for number in range(3):
            self.assertEqual(self._get(f"{number:014}").status_code, 429)
        report = self.env["dms.scan.report"].search([("kind", "=", "enumeration")])
        self.assertRecordValues(report, [{"text": network, "state": "new"}])

    def test_a_device_is_slowed(self):
        Scan = self.env["dms.scan"]
        device = Scan._hash_device(Scan._cut_address("127.0.0.1"), "Robot")
        for _turn in range(code_page.PAGES_PER_MINUTE):
            Scan._count_hit(f"device:{device}")
        self.assertEqual(self._get(self.serials[0], headers={"User-Agent": "Robot"}).status_code, 429)
        self.assertEqual(self._get(self.serials[0], headers={"User-Agent": "Person"}).status_code, 200)

    def test_a_forged_code_needs_no_look_up(self):
        statements = []
        original = type(self.env.cr).execute

        def execute(cr, query, *args, **kwargs):
            statements.append(str(getattr(query, "code", query)))
            return original(cr, query, *args, **kwargs)

        for serial in ("0" * 14, "7" * 14, "ABC"):
            with patch.object(type(self.env.cr), "execute", execute):
                self.assertEqual(self.env["dms.code"]._resolve([(GTIN, serial)]), [None])
        self.assertFalse(
            [text for text in statements if "dms_trace_code" in text or "dms_code_order" in text]
        )
        with patch.object(type(self.env.cr), "execute", execute):
            self.env["dms.code"]._resolve([(GTIN, self.serials[0])])
        self.assertTrue([text for text in statements if "dms_trace_code" in text], "the watch itself works")

    def test_path_by_role(self):
        self.picking._dms_sign_receipt("Clerk", False)
        self.env.flush_all()
        self.assertNotIn("<h2>Path</h2>", self._get(self.serials[0]).text)
        self.authenticate("storeman", "storeman")
        page = self._get(self.serials[0]).text
        for word in ("Path", "Commissioning", "Shipping", "Receiving", "North Trading"):
            self.assertIn(word, page)
        self.authenticate(self.clerk_north.login, self.clerk_north.login)
        page = self._get(self.serials[0]).text
        self.assertIn("Receiving", page)
        self.assertNotIn("Commissioning", page)
        self.authenticate(self.clerk_south.login, self.clerk_south.login)
        self.assertNotIn("<h2>Path</h2>", self._get(self.serials[0]).text)
