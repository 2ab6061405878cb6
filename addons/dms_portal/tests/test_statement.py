from odoo import http
from odoo.tests import tagged

from .common import DmsPortalCommon


@tagged("post_install", "-at_install")
class TestStatementPortal(DmsPortalCommon):
    """A distributor confirms or disputes its statement, entry by entry or as a whole."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.statement = cls._create_statement()
        cls.invoice_line, cls.credit_line = cls.statement.line_ids

    def _answer(self, user, answer, **data):
        self.authenticate(user and user.login, user and user.login)
        response = self.url_open(
            f"/my/statements/{self.statement.id}/answer",
            data={"csrf_token": http.Request.csrf_token(self), "answer": answer, **data},
            allow_redirects=False,
        )
        self.env.invalidate_all()
        return response

    def test_an_entry_disputed_and_the_rest_confirmed(self):
        self._answer(
            self.clerk_north,
            "disputed",
            line_id=self.credit_line.id,
            amount="45.5",
            reason="We returned more",
        )
        self.assertRecordValues(
            self.credit_line,
            [
                {
                    "answer": "disputed",
                    "partner_amount": -45.5,
                    "reason": "We returned more",
                    "answered_by": self.clerk_north.name,
                }
            ],
        )
        self.assertTrue(self.credit_line.answered_on)
        self._answer(self.clerk_north, "confirmed")
        self.assertEqual((self.statement.state, self.invoice_line.answer), ("disputed", "confirmed"))
        self.credit_line.reply = "Forty it was"
        text = self.url_open(f"/my/statements/{self.statement.id}").text
        self.assertIn("We returned more", text)
        self.assertIn("Forty it was", text)
        self._answer(self.clerk_north, "confirmed", line_id=self.credit_line.id)
        self.assertEqual(self.statement.state, "confirmed")
        self.assertEqual(self.statement.answered_by, self.clerk_north.name)
        self.assertNotIn("o_dms_confirm", self.url_open(f"/my/statements/{self.statement.id}").text)

    def test_the_balance_disputed(self):
        self._answer(self.clerk_north, "disputed", amount="10", reason="A payment of 50 is missing")
        self.assertRecordValues(
            self.statement,
            [{"state": "disputed", "answer": "disputed", "partner_amount": 10}],
        )

    def test_incomplete_answers_change_nothing(self):
        other = self._create_statement(self.distributor_south)
        for data, words in (
            ({"answer": "disputed", "amount": "1", "reason": ""}, "needs a reason"),
            ({"answer": "disputed", "amount": "", "reason": "x"}, "stands in your books"),
            ({"answer": "disputed", "amount": "nan", "reason": "x"}, "is no amount"),
            ({"answer": "disputed", "amount": "ten", "reason": "x"}, "is no amount"),
            ({"answer": "closed"}, "confirm or dispute"),
            ({"answer": "confirmed", "line_id": other.line_ids[0].id}, "not on the statement"),
            ({"answer": "confirmed", "line_id": "x"}, "not on the statement"),
        ):
            with self.subTest(data=data):
                self.assertIn(words, self._answer(self.clerk_north, **data).text)
        self.assertEqual(set((self.statement | other).line_ids.mapped("answer")), {"open"})
        self.assertEqual(set((self.statement | other).mapped("state")), {"sent"})

    def test_who_may_answer(self):
        """The own clerk, or the holder of the link with a name; no sibling, no staff by the portal, not the public."""
        for user in (self.clerk_south, self.clerk_other, self.clerk_outlet, None):
            self.assertEqual(self._answer(user, "confirmed", name="X").status_code, 303)
            self.assertEqual(self._answer(user, "confirmed", name="X", access_token="wrong").status_code, 303)
        token = self.statement._portal_ensure_token()
        self.env.flush_all()
        self._answer(self.user_accountant, "confirmed", access_token=token)
        self.assertEqual(self.statement.state, "sent", "our own people don't answer for the distributor")
        self.assertIn("Enter your name", self._answer(None, "confirmed", access_token=token).text)
        self._answer(None, "confirmed", access_token=token, name="Olga by the link")
        self.assertEqual(
            (self.statement.state, self.statement.answered_by), ("confirmed", "Olga by the link")
        )
        self.assertTrue(self.statement.answered_from)

    def test_a_draft_is_not_shown(self):
        draft = self._create_statement(self.distributor_south, send=False)
        self.authenticate(self.clerk_south.login, self.clerk_south.login)
        self.assertEqual(self.url_open(f"/my/statements/{draft.id}", allow_redirects=False).status_code, 303)
        self.assertNotIn(draft.name, self.url_open("/my/statements").text)

    def test_a_replaced_statement_leads_to_the_new_one(self):
        version = self.statement.browse(self.statement.action_new_version()["res_id"])
        version.action_send()
        self.authenticate(self.clerk_north.login, self.clerk_north.login)
        text = self.url_open(f"/my/statements/{self.statement.id}").text
        self.assertIn(version.name, text)
        self._answer(self.clerk_north, "confirmed")
        self.assertEqual(self.statement.answer, "open")

    def test_tour(self):
        """Opens the statement, disputes an entry, then confirms everything."""
        self.start_tour("/my", "dms_portal_statement", login=self.clerk_north.login)
        self.env.invalidate_all()
        self.assertEqual(self.statement.state, "confirmed")
        self.assertTrue(
            self.statement.message_ids.filtered(lambda m: "Not what we received" in (m.body or ""))
        )
