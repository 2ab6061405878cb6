import base64
import gzip
import json
import os
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

from odoo.exceptions import ConcurrencyError
from odoo.tests import HttpCase, tagged
from odoo.tools import mute_logger

from odoo.addons.dms_channel.tests.common import DmsChannelCommon
from odoo.addons.dms_channel.tools import spool
from odoo.addons.dms_channel.tools.feed_reader import Limits

ROWS = b"product_code,date,quantity\nTEA,2025-01-05,3\nTEEA,2025-01-05,1\n"
MAIL = """From: %(sender)s
To: channel-data@brand.example
Subject: Week 1
Message-Id: <%(id)s@partner.example>
Content-Type: multipart/mixed; boundary="x"

--x
Content-Type: text/plain

Please find attached.
--x
Content-Type: text/csv; name="%(name)s"
Content-Disposition: attachment; filename="%(name)s"
Content-Transfer-Encoding: base64

%(content)s
--x--
"""


@tagged("post_install", "-at_install")
class TestFeedGateway(DmsChannelCommon):
    """A mailbox, a watched folder and /json/2."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["dms.feed.rule"].search([]).active = False
        domain = cls.env["mail.alias.domain"].create({"name": "brand.example"})
        cls.env["mail.alias"].search([("alias_name", "=", "channel-data")]).alias_domain_id = domain
        cls.env.company.alias_domain_id = domain

    def _mail(self, sender, content=ROWS, name="week1.csv", id="one"):
        text = MAIL % {
            "sender": sender,
            "name": name,
            "id": id,
            "content": base64.b64encode(content).decode(),
        }
        return self.env["mail.thread"].sudo().message_process(False, text)

    def _feeds(self):
        return self.env["dms.feed"].sudo().search([("partner_id", "=", self.distributor_north.id)])

    def test_mail(self):
        self._mail(self.clerk_north.email)
        self.assertRecordValues(self._feeds(), [{"filename": "week1.csv", "ok_count": 1, "error_count": 1}])
        answer = (
            self.env["mail.message"]
            .sudo()
            .search([("partner_ids", "in", self.clerk_north.partner_id.ids)], limit=1)
        )
        self.assertIn("2 lines, of which 1 are right", answer.body)

    def test_mail_that_can_not_be_read_is_kept(self):
        self._mail(self.clerk_north.email, b"%PDF-1.4", name="week1.csv")
        self.assertRecordValues(self._feeds(), [{"state": "rejected", "line_count": 0}])
        self.assertIn("no table", self._feeds().refusal)
        self.assertEqual(self._feeds().attachment_id.raw, b"%PDF-1.4")

    def test_mail_of_a_stranger(self):
        known = self.env["dms.feed"].sudo().search_count([])
        self._mail("stranger@elsewhere.example", id="two")
        self.assertEqual(self.env["dms.feed"].sudo().search_count([]), known)

    def test_folder(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            company = self.env.company.sudo()
            company.dms_feed_folder, company.dms_feed_folder_release = name, True
            (folder / "D-NORTH").mkdir()
            returned = b"product_code,date,returned\nTEA,2025-01-05,2\n"
            old = time.time() - 600
            for path, content in (
                ("D-NORTH/a.csv", ROWS),
                ("D-NORTH/Returns_2025-01.csv", returned),
                ("D-NORTH/partial.csv", ROWS + b"TE"),
                ("D-NORTH/.hidden.csv", ROWS),
                ("broken.xlsx", b"PK\x03\x04"),
                ("notes.docx", b"x"),
            ):
                (folder / path).write_bytes(content)
                os.utime(folder / path, (old, old))
            (folder / "D-NORTH/partial.csv").touch()  # still being written
            feeds = self.env["dms.feed"].sudo()
            for path in feeds._get_waiting_files(company):
                feeds._take_file(company, path)
            self.env.cr.postcommit.run()
            self.assertRecordValues(
                self._feeds().sorted("filename"),
                [
                    {
                        "filename": "Returns_2025-01.csv",
                        "kind": "returns",
                        "released_count": 1,
                        "error_count": 0,
                    },
                    {"filename": "a.csv", "kind": "sell_through", "released_count": 1, "error_count": 1},
                ],
            )
            left = sorted(path.name for path in folder.rglob("*") if path.is_file())
            self.assertEqual(
                [name for name in left if name.startswith((".", "p", "n"))],
                [".hidden.csv", "notes.docx", "partial.csv"],
            )
            self.assertTrue([name for name in left if name.endswith("a.csv")])
            [reason] = (folder / "refused").glob("*.txt")
            self.assertIn("damaged", reason.read_text())
            self.assertEqual(len(list((folder / "done").iterdir())), 2)

    def test_for_programs(self):
        feeds = self.env["dms.feed"].with_user(self.user_channel)
        content = base64.b64encode(ROWS).decode()
        answer = feeds.receive(content, distributor="D-NORTH", key="K1", release=True)
        self.assertEqual(
            (answer["lines"], answer["released"], answer["to_mend"], answer["again"]), (2, 1, 1, False)
        )
        self.assertEqual(answer["errors"][0]["row"], 3)
        again = feeds.receive(content, distributor="D-NORTH", key="K1", release=True)
        self.assertEqual((again["id"], again["released"], again["again"]), (answer["id"], 1, True))
        other = base64.b64encode(ROWS + b"TEA,2025-01-06,3\n").decode()
        with self.assertRefused("another content"):
            feeds.receive(other, distributor="D-NORTH", key="K1")
        for vals in (
            {"content": "%%%"},
            {"content": content, "kind": "x"},
            {"content": content, "distributor": "?"},
        ):
            with self.assertRefused("."):
                feeds.receive(**vals)


@tagged("post_install", "-at_install")
class TestFeedEndpoint(DmsChannelCommon, HttpCase):
    """POST /dms/feeds."""

    def setUp(self):
        super().setUp()
        self.env["dms.feed.rule"].search([]).active = False
        keys = self.env["res.users.apikeys"]
        self.token = keys.with_user(self.user_channel).sudo()._generate("rpc", "feeds", None)
        self.clerk_token = keys.with_user(self.clerk_north).sudo()._generate("rpc", "feeds", None)

    def _post(self, body, token=None, query="distributor=D-NORTH", content_type="text/csv", **headers):
        headers |= {"Content-Type": content_type}
        if token is not False:
            headers["Authorization"] = f"Bearer {token or self.token}"
        return self.url_open(f"/dms/feeds?{query}", data=body, headers=headers)

    def test_csv_and_json_lines(self):
        first = self._post(ROWS, **{"Idempotency-Key": "a"})
        self.assertEqual((first.status_code, first.json()["right"], first.json()["to_mend"]), (201, 1, 1))
        again = self._post(ROWS, **{"Idempotency-Key": "a"})
        self.assertEqual((again.status_code, again.json()["id"]), (200, first.json()["id"]))
        other = self._post(ROWS + b"\n,,1", **{"Idempotency-Key": "a"})
        self.assertEqual(other.status_code, 422)
        lines = "\n".join(
            json.dumps({"product_code": "TEA", "date": f"2025-02-{day:02}", "quantity": 1})
            for day in range(1, 21)
        ).encode()
        answer = self._post(
            lines, query="distributor=D-NORTH&release=1", content_type="application/x-ndjson"
        ).json()
        self.assertEqual((answer["lines"], answer["released"], answer["state"]), (20, 20, "released"))
        packed = self._post(gzip.compress(lines + b"\n"), content_type="application/gzip").json()
        self.assertEqual(packed["duplicates"], 20)

    def test_a_clerk_sends_its_own(self):
        answer = self._post(ROWS, token=self.clerk_token, query="distributor=D-SOUTH")
        self.assertEqual(answer.status_code, 201)
        feed = self.env["dms.feed"].browse(answer.json()["id"])
        self.assertEqual(feed.partner_id, self.distributor_north)

    def test_refused(self):
        self.assertEqual(self._post(ROWS, token=False).status_code, 401)
        self.assertEqual(self._post(ROWS, token="wrong").status_code, 401)
        self.assertEqual(self._post(ROWS, content_type="text/html").status_code, 415)
        answer = self._post(b"a,b\n1,2\n")
        self.assertEqual(answer.status_code, 422)
        self.assertIn("No column", answer.json()["error"])
        self.assertEqual(self._post(ROWS, query="distributor=NOBODY").status_code, 422)

    def test_the_body_is_kept_as_it_came_and_read_from_the_file(self):
        body = ROWS * 3 + "茶,2025-01-05,1\n".encode()
        answer = self._post(body).json()
        attachment = self.env["dms.feed"].browse(answer["id"]).attachment_id
        self.assertEqual(attachment.raw, body)
        self.assertEqual(attachment.file_size, len(body))
        self.assertEqual(attachment._get_content().read_bytes(), body)
        self.assertEqual(attachment.checksum, attachment._compute_checksum(body))
        feed = self.env["dms.feed"].browse(answer["id"])
        feed.action_reject()
        again = self._post(body).json()
        self.assertNotEqual(again["id"], answer["id"])
        twin = self.env["dms.feed"].browse(again["id"]).attachment_id
        self.assertEqual(twin.store_fname, attachment.store_fname, "the same bytes are stored once")

    def test_a_request_that_is_tried_again_has_its_body_still(self):
        feeds = self.env.registry["dms.feed"]
        take, tries = feeds._take, []

        def take_second(self, *args, **kwargs):
            tries.append(args)
            if len(tries) == 1:
                raise ConcurrencyError("the first one loses")
            return take(self, *args, **kwargs)

        with patch.object(feeds, "_take", take_second), mute_logger("odoo.service.model"):
            answer = self._post(ROWS)
        self.assertEqual((len(tries), answer.status_code, answer.json()["lines"]), (2, 201, 2))

    def test_too_large(self):
        with patch.object(spool, "Limits", lambda: Limits(file=1 << 20)):
            answer = self._post(ROWS + b"x" * (3 << 20))
        self.assertEqual(answer.status_code, 422)
        self.assertIn("Split it by period", answer.json()["error"])
        bomb = gzip.compress(ROWS + b"," * (40 << 20))
        answer = self._post(bomb, content_type="application/gzip")
        self.assertEqual(answer.status_code, 422)
        self.assertIn("too large once unpacked", answer.json()["error"])

    def test_other_kinds(self):
        lines = "\n".join(
            json.dumps({"device": "D1", "outlet": "O-1", "sku": "TEA", "time": f"2025-02-01T{hour:02}:00:00Z", "level": 3})
            for hour in range(24)
        ).encode()  # fmt: skip
        query = "distributor=D-NORTH&release=1&kind=sensor"
        answer = self._post(lines, query=query, content_type="application/x-ndjson").json()
        self.assertEqual((answer["released"], answer["state"]), (24, "released"), answer)
        answer = self._post(
            b"code,name\nE-1,Shop One\n", query="distributor=D-NORTH&release=1&kind=outlet"
        ).json()
        self.assertEqual(answer["released"], 1)
        self.assertTrue(
            self.env["res.partner"].search([("ref", "=", "E-1"), ("channel_role", "=", "outlet")])
        )
