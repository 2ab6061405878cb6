from odoo.fields import Date
from odoo.tests import tagged

from .common import DmsPortalCommon


@tagged("post_install", "-at_install")
class TestAgreementTour(DmsPortalCommon):
    """An agreement drafted, sent, signed in the portal, active: each step by who does it, on its own screen."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Debian's Odoo comes without this library of video effects, and a browser test fails on the line that says so.
        cls.env["ir.asset"].sudo().create(
            {
                "name": "No video effects",
                "bundle": "web.assets_backend",
                "directive": "remove",
                "path": "mail/static/lib/selfie_segmentation/selfie_segmentation.js",
            }
        )
        cls.env["dms.territory"].create(
            {"name": "West", "code": "TW", "parent_id": cls.territory_country.id, "zip_prefixes": "3"}
        )
        cls.west = cls._create_distributor("West Trading", "D-WEST", "3000")
        cls.clerk_west = cls._create_clerk("clerk_west", cls.west)

    def test_from_draft_to_active(self):
        action = "/odoo/action-dms_channel.dms_agreement_action"
        self.start_tour(f"{action}/new", "dms_agreement_draft", login=self.user_manager.login)
        agreement = self.west.dms_agreement_ids
        self.assertRecordValues(
            agreement, [{"state": "sent", "credit_limit": 8000.0, "user_id": self.user_manager.id}]
        )
        self.assertEqual(agreement.line_ids.target_amount, 120000.0)
        self.start_tour("/my/agreements", "dms_agreement_sign", login=self.clerk_west.login)
        self.env.invalidate_all()
        self.assertRecordValues(
            agreement, [{"state": "signed", "signed_by": "Wanda West", "signed_from": "127.0.0.1"}]
        )
        self.assertEqual(agreement.document_id.mimetype, "application/pdf")
        self.assertEqual(agreement.activity_ids.user_id, self.user_manager)
        self.start_tour(f"{action}/{agreement.id}", "dms_agreement_activate", login=self.user_manager.login)
        self.env.invalidate_all()
        active = agreement._get_active(self.west, Date.today(), self.company)
        self.assertEqual(active, {self.west: agreement})

    def test_pdf_is_for_whom_the_agreement_is(self):
        url = f"/dms/agreement/{self.agreement_north.id}/pdf"
        for user, status in (
            (self.clerk_north, 200),
            (self.clerk_south, 404),
            (self.clerk_other, 404),
            (None, 404),
        ):
            self.authenticate(user and user.login, user and user.login)
            self.assertEqual(self.url_open(url).status_code, status, user and user.login)
        token = self.agreement_north._portal_ensure_token()
        self.assertEqual(self.url_open(f"{url}?access_token={token}").status_code, 200)
        self.assertEqual(self.url_open(f"{url}?access_token=wrong").status_code, 404)
        draft = self.agreement_north.copy({"date_start": "2050-01-01"})
        token = draft._portal_ensure_token()
        self.assertEqual(
            self.url_open(f"/dms/agreement/{draft.id}/pdf?access_token={token}").status_code, 404
        )
