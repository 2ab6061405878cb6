from psycopg2 import IntegrityError

from odoo.exceptions import AccessError, ValidationError
from odoo.tests import freeze_time, tagged
from odoo.tools import mute_logger

from odoo.addons.dms_channel.tests.common import DmsChannelCommon


@tagged("post_install", "-at_install")
class TestCredit(DmsChannelCommon):
    """Points are the sum of entries that are appended, and reversed, but never edited."""

    def _post(self, key, code="diversion", **values):
        return self.env["dms.credit.entry"]._post_event(code, self.distributor_north, key, **values)

    def test_event_counts_once(self):
        entry = self._post("case:1", source=self.agreement_north, date="2025-03-01", note="Sold in the South")
        self.assertRecordValues(
            entry,
            [
                {
                    "points": -20,
                    "partner_id": self.distributor_north.id,
                    "res_model": "dms.agreement",
                    "res_id": self.agreement_north.id,
                    "note": "Sold in the South",
                }
            ],
        )
        self.assertEqual(self._post("case:1", points=-99), entry)
        self.assertEqual(self.distributor_north.credit_points, -20)
        self.assertEqual(self._post("x", points=-7).points, -7)
        self.assertEqual(
            self.env["dms.credit.entry"]._post_event("manual", self.clerk_north.partner_id, "y").partner_id,
            self.distributor_north,
        )
        with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"):
            entry.copy({"key": "case:1"}).flush_recordset()

    def test_points_on_a_past_date(self):
        self._post("a", date="2025-01-10")
        self._post("b", code="payment_on_time", date="2025-02-10")
        points = self.distributor_north._get_credit_points
        self.assertEqual(points(date="2025-01-09"), {self.distributor_north.id: 0})
        self.assertEqual(points(date="2025-01-10"), {self.distributor_north.id: -20})
        self.assertEqual(points(), {self.distributor_north.id: -18})

    def test_reversal(self):
        entry = self._post("a", date="2025-01-10")
        reversal = entry._reverse("Appeal granted")
        self.assertRecordValues(
            reversal, [{"points": 20, "note": "Appeal granted", "reversed_entry_id": entry.id}]
        )
        self.assertEqual(entry._reverse("Again"), reversal)
        self.assertEqual(self.distributor_north.credit_points, 0)
        with self.assertRefused("itself a reversal"):
            reversal._reverse("No")
        with self.assertRefused("never changed"):
            entry.points = 5
        with self.assertRefused("never deleted"):
            entry.sudo().unlink()

    def test_company_rule_comes_first_and_no_rule_means_no_entry(self):
        rule = self.env["dms.credit.rule"].create(
            {"name": "Ours", "code": "diversion", "points": -50, "company_id": self.company.id}
        )
        self.assertEqual(self._post("a").points, -50)
        rule.active = False
        self.assertEqual(self._post("b").points, -20)
        self.env.ref("dms_channel.dms_credit_rule_overdue").active = False
        self.assertFalse(self._post("c", code="overdue"))
        other = self.setup_other_company()["company"]
        self.assertEqual(self.distributor_north.with_company(other).credit_points, 0)

    def test_payments_count_once(self):
        def invoice(due, pay=None):
            move = self._create_invoice(
                partner_id=self.distributor_north.id,
                invoice_date="2025-05-01",
                invoice_date_due=due,
                invoice_line_ids=[self._prepare_invoice_line(price_unit=10.0, product_id=self.product_tea)],
                post=True,
            )
            if pay:
                self._register_payment(move, payment_date=pay)
            return move

        on_time = invoice("2025-05-20", pay="2025-05-20")
        late = invoice("2025-05-10", pay="2025-05-28")
        overdue = invoice("2025-05-25")
        invoice("2025-06-25")
        self.assertEqual(set((on_time + late).mapped("payment_state")), {"paid"})
        with freeze_time("2025-06-01"):
            self.env["dms.credit.entry"]._cron_payment_events()
            self.env["dms.credit.entry"]._cron_payment_events()
        entries = self.env["dms.credit.entry"].search(
            [("partner_id", "=", self.distributor_north.id)], order="code"
        )
        self.assertEqual(
            [(entry.code, entry.res_id, entry.points, str(entry.date)) for entry in entries],
            [
                ("overdue", overdue.id, -5, "2025-05-26"),
                ("payment_on_time", on_time.id, 2, "2025-05-20"),
            ],
        )

    def test_rights(self):
        self._post("a")
        self.env["dms.credit.entry"]._post_event("diversion", self.distributor_south, "b")
        Entry = self.env["dms.credit.entry"]
        self.assertEqual(Entry.with_user(self.clerk_north).search([]).partner_id, self.distributor_north)
        self.assertEqual(self.distributor_north.with_user(self.clerk_north).credit_points, -20)
        vals = {
            "partner_id": self.distributor_north.id,
            "rule_id": self.env.ref("dms_channel.dms_credit_rule_manual").id,
            "points": 3,
            "note": "Helped with the fair",
        }
        with self.assertRaises(AccessError):
            Entry.with_user(self.user_channel).create(vals)
        self.assertEqual(Entry.with_user(self.user_manager).create(vals).user_id, self.user_manager)
        with self.assertRefused("not a member of the channel", ValidationError):
            Entry.with_user(self.user_manager).create({**vals, "partner_id": self.partner_a.id})
