import io
import shlex
import tempfile
from pathlib import Path
from unittest.mock import patch

import qrcode
from PIL import Image

from odoo.tests import new_test_user, tagged
from odoo.tests.common import ChromeBrowser

from .common import DmsPortalCommon


@tagged("post_install", "-at_install")
class TestReceive(DmsPortalCommon):
    browser_size = "390x844"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.codes = cls._order_codes(48, 24)
        picking = cls._create_delivery(48)
        picking._dms_assign_codes()
        picking.button_validate()
        cls.links = [
            f"HTTPS://X/01/{cls.codes.case_gtin}/21/{serial}" for serial in cls._serials(cls.codes, "case")
        ]
        cls.unit = cls.env["dms.code"].browse(cls.codes.first_key)

    def _scan(self, texts, **params):
        return self.make_jsonrpc_request("/my/receive/scan", {"texts": texts, **params})

    def test_on_a_phone(self):
        self.start_tour(
            f"/my/receive?code={self.links[0]}", "dms_portal_scan_in", login=self.clerk_north.login
        )
        self.env.invalidate_all()
        self.assertEqual(self.unit.state, "received")

    def _show_to_the_camera(self, text):
        """Let Chromium's camera film a label: its option for that is given by a script in front of it."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        picture = Image.new("RGB", (640, 480), "white")
        picture.paste(qrcode.make(text, box_size=8).convert("RGB").resize((400, 400)), (120, 40))
        frame = io.BytesIO()
        picture.save(frame, "JPEG", quality=90)
        film, script = Path(folder.name, "film.mjpeg"), Path(folder.name, "chromium")
        film.write_bytes(frame.getvalue() * 5)
        options = (
            "--use-fake-device-for-media-stream",
            "--use-fake-ui-for-media-stream",
            f"--use-file-for-fake-video-capture={film}",
        )
        browser = ChromeBrowser.executable.fget(ChromeBrowser.__new__(ChromeBrowser))
        script.write_text(f'#!/bin/sh\nexec {shlex.join([browser, *options])} "$@"\n')
        script.chmod(0o755)
        self.startPatcher(patch.object(ChromeBrowser, "executable", str(script)))

    def test_by_camera(self):
        self._show_to_the_camera(self.links[0])
        self.start_tour("/my/receive", "dms_portal_camera", login=self.clerk_north.login)
        self.env.invalidate_all()
        self.assertEqual(self.unit.state, "received")

    def test_without_a_script(self):
        self.authenticate(self.clerk_north.login, self.clerk_north.login)
        page = self.url_open("/my/receive")
        token = page.text.split('name="csrf_token" value="')[1].split('"')[0]
        page = self.url_open("/my/receive", data={"csrf_token": token, "codes": f"{self.links[0]}\nX\n"})
        self.assertIn("24 × Green Tea", " ".join(page.text.split()))
        self.assertIn("none of our codes", page.text)

    def test_outlet_after_its_distributor(self):
        clerk = new_test_user(self.env(su=True), "shop_clerk", groups="base.group_portal")
        clerk.partner_id.sudo().parent_id = self.outlet
        self.authenticate("shop_clerk", "shop_clerk")
        self.assertIn("North Trading", self.url_open("/my/receive").text)
        (outcome,) = self._scan([self.links[1]])["outcomes"]
        self.assertTrue(outcome["ok"])
        code = self.env["dms.code"].browse(self.codes.first_key + 24)
        code.invalidate_recordset()
        self.assertEqual((code.holder_id, code.partner_id), (self.outlet, self.distributor_north))

    def test_sell_and_take_back(self):
        self.start_tour(
            f"/my/receive?work=sale&code={self.links[0]}", "dms_portal_sell", login=self.clerk_north.login
        )
        self.env.invalidate_all()
        self.assertEqual(self.unit.state, "sold")
        self.authenticate(self.clerk_south.login, self.clerk_south.login)
        self.assertFalse(self._scan([self.links[0]], work="take_back")["outcomes"][0]["ok"])
        self.assertIn("error", self._scan([self.links[0]], work="destroy"))
        self.authenticate(self.clerk_north.login, self.clerk_north.login)
        self.assertTrue(self._scan([self.links[0]], work="take_back")["outcomes"][0]["ok"])
        self.env.invalidate_all()
        self.assertEqual(self.unit.state, "received")

    def test_others_get_nothing(self):
        for user in (self.clerk_south, self.clerk_other):
            self.authenticate(user.login, user.login)
            (outcome,) = self._scan([self.links[0]])["outcomes"]
            self.assertEqual((outcome["ok"], outcome["product"], outcome["units"]), (False, "", 0))
        self.assertIn("error", self._scan("junk"))
        self.assertIn("error", self._scan([]))
        self.authenticate(None, None)
        self.assertIn("/web/login", self.url_open("/my/receive").url)
        self.unit.invalidate_recordset()
        self.assertEqual(self.unit.state, "shipped")
