import base64
import io
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

from PIL import Image

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import HttpCase, tagged

from ..tools import seal
from .common import GTIN, DmsTraceCommon


class InspectionCommon(DmsTraceCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        group = "dms_traceability.dms_traceability_group_field_inspector"
        cls.scout = cls._create_staff("scout", group)
        cls.other_scout = cls._create_staff("other_scout", group)
        cls.order = cls._order_codes(24, 24)
        cls.picking = cls._create_delivery(24)
        cls.picking._dms_assign_codes()
        cls.picking.button_validate()
        cls.serials = cls._serials(cls.order)
        buffer = io.BytesIO()
        Image.new("RGB", (40, 30), "red").save(buffer, "JPEG")
        cls.photo = buffer.getvalue()
        cls.inspection = (
            cls.env["dms.inspection"]
            .with_user(cls.inspector)
            .create(
                {
                    "partner_id": cls.distributor_north.id,
                    "product_ids": cls.product.ids,
                    "user_id": cls.scout.id,
                    "territory_id": cls.territory_south.id,
                    "place": "Market hall 3",
                    "instructions": "Bottles of batch B001",
                }
            )
        )
        cls.mine = cls.inspection.with_user(cls.scout)

    def _photo(self, key="photo-0001", **values):
        return {
            "key": key,
            "kind": "photo",
            "content": base64.b64encode(self.photo).decode(),
            "filename": "shelf.jpg",
            "sha256": seal.digest(self.photo),
            "latitude": 39.904214,
            "longitude": 116.407413,
            "accuracy": 8,
            **values,
        }


@tagged("post_install", "-at_install")
class TestInspection(InspectionCommon):
    def test_evidence_is_taken_once_and_hashed(self):
        outcome = self.mine._receive(self._photo(taken=datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()))
        again = self.mine._receive(self._photo())
        self.assertEqual((outcome["again"], again["again"]), (False, True))
        self.assertEqual(outcome["sha256"], seal.digest(self.photo))
        evidence = self.inspection.evidence_ids
        self.assertRecordValues(
            evidence,
            [
                {
                    "kind": "photo",
                    "user_id": self.scout.id,
                    "device_sha256": seal.digest(self.photo),
                    "taken_on": datetime(2025, 1, 2, 3, 4, 5),
                    "latitude": 39.904214,
                    "seal_state": "intact",
                }
            ],
        )
        self.assertEqual(base64.b64decode(evidence.content), self.photo)
        self.assertEqual(self.inspection.seal_state, "intact")

    def test_what_arrives_damaged_or_is_no_picture_is_refused(self):
        for piece, words in (
            (self._photo(sha256="0" * 64), "damaged"),
            (self._photo(content="%%%"), "damaged"),
            (self._photo(content=base64.b64encode(b"no picture").decode(), sha256=None), "no picture"),
            (self._photo(content=base64.b64encode(b"<svg></svg>").decode(), sha256=None), "no picture"),
            (self._photo(key="short"), "no key"),
            (self._photo(kind="report"), "first"),
            (self._photo(kind="hearsay"), "no known kind"),
            ({"key": "note-00001", "kind": "note", "text": "  "}, "first"),
        ):
            with self.assertRefused(words):
                self.mine._receive(piece)
        self.assertFalse(self.inspection.evidence_ids)

    def test_a_code_is_checked_and_counts_as_an_inspectors_scan(self):
        link = f"HTTPS://X/01/{GTIN}/21/{self.serials[0]}"
        south = {"latitude": None, "longitude": None}
        outlet = self.outlet.copy({"name": "Southern Shop", "zip": "2000"})
        self.inspection.write({"outlet_id": outlet.id})
        outcome = self.mine._receive({"key": "code-00001", "kind": "code", "text": link, **south})
        typed = self.mine._receive({"key": "code-00002", "kind": "code", "text": self.serials[1]})
        forged = self.mine._receive(
            {"key": "code-00003", "kind": "code", "text": f"HTTPS://X/01/{GTIN}/21/{'0' * 14}"}
        )
        self.assertEqual(
            [each["verdict"] for each in (outcome, typed, forged)], ["genuine", "genuine", "forged"]
        )
        for part in ("Green Tea", "B001", "North Trading", "outside"):
            self.assertIn(part, outcome["message"])
        self.inspection.outlet_id = False
        here = {"latitude": 39.9, "longitude": 116.4}
        outcome = self.mine._receive({"key": "code-00004", "kind": "code", "text": link, **here})
        self.assertIn(
            "outside", outcome["message"], "where no boundary is drawn, the order says where it was"
        )
        scan = self.inspection.evidence_ids[0].scan_id
        self.assertRecordValues(
            scan, [{"kind": "inspector", "area": "outside", "user_id": self.scout.id, "alert_id": False}]
        )

    def test_a_later_change_is_seen(self):
        self.mine._receive(self._photo())
        self.mine._receive({"key": "note-00001", "kind": "note", "text": "19.90 a bottle"})
        self.mine._receive({"key": "note-00002", "kind": "note", "text": "Bought in May"})
        self.mine._report("found", "Two shelves of it.", "report-0001")
        photo, price, month, _report = self.inspection.evidence_ids
        self.assertEqual(self.inspection.seal_state, "intact")
        for evidence in (photo, price):
            with self.assertRefused("never changed"):
                evidence.sudo().write({"text": "9.90 a bottle"})
            with self.assertRefused("never deleted"):
                evidence.sudo().unlink()
        for query in (
            f"UPDATE dms_inspection_evidence SET text = '9.90 a bottle' WHERE id = {price.id}",
            f"UPDATE dms_inspection_evidence SET taken_on = '2020-01-01' WHERE id = {photo.id}",
            f"DELETE FROM dms_inspection_evidence WHERE id = {month.id}",
            f"DELETE FROM dms_inspection_evidence WHERE id = {_report.id}",
        ):
            with self.env.cr.savepoint() as savepoint:
                self.env.flush_all()
                self.env.cr.execute(query)
                self.env.invalidate_all()
                self.assertEqual(self.inspection.seal_state, "altered", query)
                savepoint.rollback()
            self.env.invalidate_all()
        attachment = self.env["ir.attachment"].search(
            [("res_model", "=", photo._name), ("res_id", "=", photo.id), ("res_field", "=", "content")]
        )
        attachment.sudo().raw = b"another picture"
        self.env.invalidate_all()
        self.assertEqual((photo.seal_state, self.inspection.seal_state), ("altered", "altered"))
        self.assertTrue(self.inspection._render_pdf().startswith(b"%PDF-"))

    def _spy_on_reading(self):
        """Names of the files that are read within the block."""
        Attachment = type(self.env["ir.attachment"])
        read, names = Attachment._file_read, []

        def note(records, fname, size=None):
            names.append(fname)
            return read(records, fname, size)

        spy = patch.object(Attachment, "_file_read", note)
        spy.start()
        self.addCleanup(spy.stop)
        return names

    def _open(self):
        self.env.invalidate_all()
        states = [*self.inspection.evidence_ids.mapped("seal_state"), self.inspection.seal_state]
        return "altered" if "altered" in states else states[-1]

    def test_opening_reads_no_file(self):
        for number in range(5):
            self.mine._receive(self._photo(f"photo-000{number}"))
        names = self._spy_on_reading()
        self.assertEqual((self._open(), names), ("intact", []))
        self.mine._report("found", "Two shelves of it.", "report-0001")
        self.assertEqual(len(names), 5, "what is reported was read")
        self.assertEqual((self._open(), len(names)), ("intact", 5))
        self.inspection.action_check()
        self.assertEqual(len(names), 10)
        self.inspection._build_pdf()
        self.assertGreaterEqual(len(names), 15)

    def test_a_file_that_is_written_over_is_seen(self):
        # A picture of its own: the file store keeps equal files once.
        buffer = io.BytesIO()
        Image.effect_noise((40, 30), 50).save(buffer, "PNG")
        picture = buffer.getvalue()
        self.mine._receive(
            self._photo(content=base64.b64encode(picture).decode(), sha256=seal.digest(picture))
        )
        self.mine._report("found", "Two shelves of it.", "report-0001")
        photo = self.inspection.evidence_ids[0]
        attachment_sudo = (
            self.env["ir.attachment"]
            .sudo()
            .search(
                [("res_model", "=", photo._name), ("res_id", "=", photo.id), ("res_field", "=", "content")]
            )
        )
        path = Path(attachment_sudo._full_path(attachment_sudo.store_fname))
        self.addCleanup(path.write_bytes, picture)
        self.addCleanup(path.chmod, path.stat().st_mode)
        path.chmod(0o600)
        before = path.stat()
        path.write_bytes(picture[:-1] + b"x")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        self.assertEqual(self._open(), "altered", "neither the size nor the date gives it away")
        # The traces of the other file are not taken from who has no key.
        forged = self.inspection.sudo().read_traces
        forged["files"] |= {str(number): trace for number, trace in photo._get_traces().items()}
        self.env.cr.execute(
            "UPDATE dms_inspection SET read_traces = %s WHERE id = %s",
            [json.dumps(forged), self.inspection.id],
        )
        self.assertEqual(self._open(), "altered")
        # Whoever looks at no form hears of it too, once.
        self.env.cr.execute("UPDATE dms_inspection SET checked_on = NULL WHERE id = %s", [self.inspection.id])
        for _night in range(2):
            with self.enter_registry_test_mode():
                self.env.ref("dms_traceability.ir_cron_dms_inspection_check").method_direct_trigger()
        self.env.invalidate_all()
        self.assertTrue(self.inspection.altered_on)
        alarm = self.inspection.activity_ids.filtered(lambda activity: "not what" in (activity.summary or ""))
        self.assertRecordValues(alarm, [{"user_id": self.inspector.id}])
        self.assertEqual(self.inspection.action_check()["params"]["type"], "danger")
        path.write_bytes(picture)
        self.assertEqual(self._open(), "intact", "the same file again is what was sent")
        with self.assertRefused("report only"):
            self.inspection.write({"read_traces": {}})

    def test_the_report_ends_the_order(self):
        with self.assertRefused("photo or a code"):
            self.mine._report("found", "Two shelves.", "report-0001")
        with self.assertRefused("what came of it"):
            self.mine._report("clean", " ", "report-0001")
        self.mine._receive(self._photo())
        self.mine._report("found", "Two shelves of it.", "report-0001")
        self.mine._report("found", "Two shelves of it.", "report-0001")
        self.assertRecordValues(
            self.inspection, [{"state": "done", "result": "found", "findings": "Two shelves of it."}]
        )
        self.assertTrue(
            self.mine._receive(self._photo())["again"], "a piece that is known is confirmed, even late"
        )
        for refused in (
            lambda: self.mine._receive(self._photo("photo-0002")),
            lambda: self.mine._report("clean", "Nothing.", "report-0002"),
            lambda: self.inspection.write({"place": "Elsewhere"}),
            self.inspection.unlink,
        ):
            with self.assertRefused("."):
                refused()
        self.assertFalse(self.inspection.activity_ids)

    def test_only_who_was_sent_reports(self):
        for user in (self.inspector, self.env.user):
            with self.assertRefused("was given to"):
                self.inspection.with_user(user)._receive(self._photo())
        Inspection = self.env["dms.inspection"]
        self.assertEqual(Inspection.with_user(self.scout).search([]), self.inspection)
        for user in (self.other_scout,):
            self.assertFalse(Inspection.with_user(user).search([]))
            self.assertFalse(self.inspection.with_user(user).has_access("read"))
        for user in (self.user_channel, self.clerk_north, self.clerk_south):
            self.assertFalse(Inspection.with_user(user).has_access("read"))
        for operation in ("write", "create", "unlink"):
            self.assertFalse(Inspection.with_user(self.scout).has_access(operation))
        for model in ("dms.diversion.case", "dms.diversion.alert", "dms.scan", "dms.credit.entry"):
            self.assertFalse(self.env[model].with_user(self.scout).has_access("read"), model)
        with self.assertRaises(UserError):
            self.env["dms.inspection.evidence"].sudo().create({})

    def test_an_order_says_where_and_goes_to_an_inspector(self):
        vals = {
            "partner_id": self.distributor_north.id,
            "user_id": self.scout.id,
            "instructions": "Look",
        }
        Inspection = self.env["dms.inspection"].with_user(self.inspector)
        with self.assertRefused("where to look", ValidationError):
            Inspection.create(vals)
        with self.assertRefused("is no inspector", ValidationError):
            Inspection.create({**vals, "place": "Here", "user_id": self.user_channel.id})
        with self.assertRefused("report only"):
            Inspection.create({**vals, "place": "Here", "state": "done"})
        with self.assertRaises(AccessError):
            self.env["dms.inspection"].with_user(self.user_channel).create({**vals, "place": "Here"})
        order = Inspection.create({**vals, "place": "Here"})
        self.assertEqual(order.activity_ids.user_id, self.scout)
        order.user_id = self.other_scout
        self.assertEqual(order.activity_ids.user_id, self.other_scout)
        order.action_cancel()
        self.assertFalse(order.activity_ids)

    def test_another_companys_orders_stay_out(self):
        other = self.env["res.company"].create({"name": "Elsewhere"})
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE dms_inspection SET company_id = %s WHERE id = %s", [other.id, self.inspection.id]
        )
        self.env.invalidate_all()
        for user in (self.inspector, self.scout):
            self.assertFalse(self.inspection.with_user(user).has_access("read"))

    def test_the_case_learns_of_it(self):
        case = (
            self.env["dms.diversion.case"]
            .with_user(self.inspector)
            .create({"partner_id": self.distributor_north.id})
        )
        context = case.action_order_inspection()["context"]
        inspection = (
            self.env["dms.inspection"]
            .with_user(self.inspector)
            .with_context(**context)
            .create({"user_id": self.scout.id, "place": "Hall", "instructions": "Look"})
        )
        self.assertEqual((inspection.case_id, inspection.partner_id), (case, self.distributor_north))
        inspection.with_user(self.scout)._report("clean", "Nothing there.", "report-0001")
        self.assertEqual(case.inspection_count, 1)
        self.assertIn("Nothing there.", case.message_ids[0].body)
        self.assertTrue(case.activity_ids)

    def test_lists_read_no_files(self):
        for number in range(5):
            self.mine._receive(self._photo(f"photo-000{number}"))
        self.env.invalidate_all()
        orders = self.env["dms.inspection"].with_user(self.inspector).search([])
        orders.mapped("name")
        with self.assertQueryCount(8):
            orders.web_search_read([], {"name": {}, "where": {}, "evidence_count": {}, "state": {}})


@tagged("post_install", "-at_install")
class TestInspectionPage(InspectionCommon, HttpCase):
    def _post(self, path, **params):
        answer = self.url_open(
            f"/dms/inspection/{self.inspection.id}/{path}",
            data=json.dumps({"params": params}),
            headers={"Content-Type": "application/json"},
        )
        return answer.json().get("result")

    def test_others_find_nothing(self):
        url = f"/dms/inspection/{self.inspection.id}"
        for login in ("other_scout", "clerk_north", "clerk_south", "dms_user"):
            self.authenticate(login, login)
            for path in (url, f"{url}/report"):
                self.assertEqual(self.url_open(path).status_code, 404, login)
            self.assertIn("no such inspection", self._post("evidence", piece=self._photo())["error"])
            self.assertIn("no such inspection", self._post("done", key="report-0001")["error"])
        self.authenticate(None, None)
        self.assertIn("/web/login", self.url_open(url).url)
        self.assertFalse(self.inspection.evidence_ids)

    def test_the_page_takes_evidence_and_reports(self):
        self.authenticate("scout", "scout")
        self.assertIn(self.inspection.name, self.url_open("/dms/inspection").text)
        page = self.url_open(f"/dms/inspection/{self.inspection.id}").text
        self.assertIn("Market hall 3", page)
        outcome = self._post("evidence", piece=self._photo())
        self.assertEqual(outcome["sha256"], seal.digest(self.photo))
        self.assertIn(
            "damaged", self._post("evidence", piece=self._photo("photo-0002", sha256="1" * 64))["error"]
        )
        self.assertIn("no key", self._post("evidence", piece={"kind": 7})["error"])
        self.assertIn("what came of it", self._post("done", key="report-0001")["error"])
        self.assertEqual(self._post("done", key="report-0001", result="found", findings="There."), {})
        report = self.url_open(f"/dms/inspection/{self.inspection.id}/report")
        self.assertEqual(report.headers["Content-Type"], "application/pdf")
        self.env.invalidate_all()
        self.assertEqual((self.inspection.state, self.inspection.seal_state), ("done", "intact"))

    def test_the_worker_answers_for_inspections_only(self):
        worker = self.url_open("/dms/inspection/worker.js")
        self.assertEqual(worker.headers["Content-Type"].split(";")[0], "text/javascript")
        self.assertNotIn("Service-Worker-Allowed", worker.headers)

    def test_on_the_phone(self):
        """Evidence is taken without a network, outlives a reload, and is sent once when the network is back."""
        self.start_tour(
            f"/dms/inspection/{self.inspection.id}?code={self.serials[0]}", "dms_inspection", login="scout"
        )
        self.env.invalidate_all()
        self.assertEqual(self.inspection.evidence_ids.mapped("kind"), ["photo", "code", "note", "report"])
        photo = self.inspection.evidence_ids[0]
        self.assertEqual(photo.device_sha256, photo.sha256)
        self.assertTrue(photo.device_sha256)
        self.assertEqual(self.inspection.seal_state, "intact")
        self.assertLess(photo.taken_on, fields.Datetime.now())
