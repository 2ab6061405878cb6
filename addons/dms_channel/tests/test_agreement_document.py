import io
from datetime import timedelta

from pypdf import PdfReader

from odoo import fields
from odoo.exceptions import ValidationError
from odoo.fields import Command
from odoo.tests import freeze_time, tagged

from odoo.addons.dms_channel.tests.common import SIGNATURE, DmsChannelCommon


def pdf_text(content):
    return " ".join("\n".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages).split())


@tagged("post_install", "-at_install")
class TestAgreementDocument(DmsChannelCommon):
    """What the distributor gets to read: mail, PDF, the changes of a new version, reminders."""

    def _new_version(self, **values):
        old = self.agreement_north
        new = old.browse(old.action_new_version()["res_id"])
        new.write({"date_start": fields.Date.today() + timedelta(days=10), **values})
        return new

    def test_sent_by_mail_with_the_pdf(self):
        agreement = self._new_version()
        self.env["mail.mail"].search([]).unlink()
        self.distributor_north.email = "office@north.example"
        agreement.action_send()
        message = agreement.message_ids.filtered("attachment_ids")
        self.assertEqual(message.message_type, "comment")
        self.assertEqual(message.partner_ids, self.distributor_north + self.clerk_north.partner_id)
        self.assertIn("to sign", message.subject)
        self.assertIn(agreement.get_portal_url(), message.body.replace("&amp;", "&"))
        self.assertEqual(message.attachment_ids.mimetype, "application/pdf")
        text = pdf_text(message.attachment_ids.raw)
        for words in (agreement.display_name, "North Trading", "Country / North", "1,000.00", "What changes"):
            self.assertIn(words, text)
        self.assertNotIn("Signed by", text)

    def test_signed_pdf_is_kept(self):
        agreement = self._new_version(note="<p>Goods stay in the North.</p>", deposit_amount=500.0)
        agreement.action_send()
        agreement._sign("Jane Doe", SIGNATURE, "203.0.113.7")
        self.assertEqual(agreement.signed_from, "203.0.113.7")
        self.assertTrue(agreement.document_id)
        self.assertEqual(
            (agreement.document_id.res_model, agreement.document_id.res_id), (agreement._name, agreement.id)
        )
        text = pdf_text(agreement.document_id.raw)
        for words in ("Signed by", "Jane Doe", "203.0.113.7", "Goods stay in the North.", "500.00"):
            self.assertIn(words, text)
        with self.assertRefused("follows from its own actions"):
            agreement.signed_from = "198.51.100.1"

    def test_a_new_version_shows_what_changes(self):
        old = self.agreement_north
        new = self._new_version(
            credit_limit=2500.0,
            line_ids=[Command.create({"territory_id": self.territory_south.id, "target_amount": 1200.0})],
        )
        new.line_ids[0].exclusive = True
        rows = {(row["kind"], row["label"]): (row["old"], row["new"]) for row in new._get_differences()}
        self.assertIn(("changed", "From"), rows)
        self.assertIn("1,000.00", rows["changed", "Credit Limit"][0])
        self.assertIn("2,500.00", rows["changed", "Credit Limit"][1])
        self.assertEqual(
            rows["changed", "Country / North"],
            ("All products; not exclusive", "All products; exclusive"),
        )
        self.assertIn("1,200.00", rows["added", "Country / South"][1])
        new.line_ids[0].unlink()
        kinds = {row["kind"] for row in new._get_differences()}
        self.assertIn("removed", kinds)
        self.assertIn("2,500.00", new.difference_html)
        self.assertFalse(old._get_differences())

    def test_a_copy_of_the_lines_brings_their_months(self):
        draft = self._create_agreement(
            self.distributor_north, self.territory_north, activate=False, date_start="2050-01-01"
        )
        draft.line_ids.target_amount = 1200.0
        draft.line_ids.action_spread_evenly()
        self.assertEqual(draft.copy().line_ids.target_ids.mapped("amount"), [100.0] * 12)

    def test_terminated_before_it_began(self):
        """A version that never starts leaves the one before as it was signed."""
        old = self.agreement_north
        new = self._new_version()
        new.action_send()
        new._sign("Jane", SIGNATURE)
        new.action_activate()
        self.assertEqual(old.date_end, new.date_start - timedelta(days=1))
        new.action_terminate()
        self.assertFalse(old.date_end)
        day = fields.Date.today() + timedelta(days=20)
        self.assertEqual(
            old._get_active(self.distributor_north, day, self.company)[self.distributor_north], old
        )

    # Reminders

    def _ending(self, days):
        partner = self._create_distributor("Ending", "D-END", "1000", email="end@partner.example")
        return self._create_agreement(
            partner,
            self.territory_north,
            date_end=fields.Date.today() + timedelta(days=days),
            user_id=self.user_manager.id,
        )

    def _remind_on(self, agreement, days_before):
        """Run the job twice on a day; how many reminders the agreement has had so far."""
        with freeze_time(agreement.date_end - timedelta(days=days_before)):
            for _run in range(2):
                with self.enter_registry_test_mode():
                    self.env.ref("dms_channel.ir_cron_dms_agreement_reminders").method_direct_trigger()
        return len(agreement.message_ids.filtered(lambda m: "ends on" in (m.subject or "")))

    def test_reminded_once_each(self):
        agreement = self._ending(120)
        agreement.activity_ids.unlink()
        sent = [self._remind_on(agreement, days) for days in (100, 90, 89, 31, 29, 7, 6, 0)]
        self.assertEqual(sent, [0, 1, 1, 1, 2, 3, 3, 3])
        self.assertEqual(len(agreement.activity_ids), 3)
        self.assertEqual(agreement.activity_ids.user_id, self.user_manager)
        message = agreement.message_ids.filtered(lambda m: "ends on" in (m.subject or ""))[:1]
        self.assertEqual(message.partner_ids, agreement.partner_id)

    def test_after_days_without_the_job_the_nearest_reminder_is_sent_alone(self):
        agreement = self._ending(120)
        self.assertEqual(self._remind_on(agreement, 5), 1)
        self.assertEqual(agreement.reminded_days, 7)

    def test_no_reminder_when_the_next_version_is_signed(self):
        agreement = self._ending(20)
        new = agreement.browse(agreement.action_new_version()["res_id"])
        new.write({"date_start": agreement.date_end + timedelta(days=1), "date_end": False})
        new.action_send()
        new._sign("Jane", SIGNATURE)
        self.assertEqual(self._remind_on(agreement, 5), 0)

    def test_the_company_states_the_days(self):
        self.company.dms_agreement_reminder_days = "14，3"
        agreement = self._ending(120)
        self.assertEqual([self._remind_on(agreement, days) for days in (30, 14, 3)], [0, 1, 2])
        for text in ("soon", "30, 0", "-5"):
            with self.assertRefused("no number of days", ValidationError):
                self.company.dms_agreement_reminder_days = text
        self.company.dms_agreement_reminder_days = False
        other = self._ending(1)
        self.assertEqual(self._remind_on(other, 1), 0)
