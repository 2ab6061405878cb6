from odoo import Command, fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import HttpCase, freeze_time, new_test_user, tagged

from .test_statement import StatementCommon


class DeductionCommon(StatementCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cost = cls.company_data["default_account_expense"]
        cls.reason = cls.env["dms.deduction.reason"].create(
            {
                "name": "Freight damage",
                "code": "DMG",
                "account_id": cls.cost.id,
                "limit_amount": 100,
                "company_id": cls.company.id,
            }
        )
        cls.invoice = cls._invoice(cls.north, 1000, date="2026-02-03")

    @classmethod
    def _short(cls, short=80, memo="INV paid", partner=None, invoice=None, currency=None):
        """Pay an invoice but for ``short``, and find the deduction."""
        partner, invoice = partner or cls.north, invoice or cls.invoice
        cls._pay(
            partner, invoice.amount_residual - short, "2026-02-20", invoice, currency=currency, memo=memo
        )
        return cls.env["dms.deduction"]._find(cls.company)

    @classmethod
    def _credit(cls, amount, partner=None, **vals):
        return cls._invoice(partner or cls.north, amount, date="2026-02-18", move_type="out_refund", **vals)


@tagged("post_install", "-at_install")
@freeze_time("2026-03-15")
class TestDeduction(DeductionCommon):
    """Short payments are found once, and every outcome ties to the ledger."""

    def _assert_open(self, amount, invoice=None):
        self.assertAlmostEqual((invoice or self.invoice).amount_residual, amount, 2)

    def test_found_once(self):
        deduction = self._short(80, memo="INV less damage")
        self.assertRecordValues(
            deduction,
            [
                {
                    "partner_id": self.north.id,
                    "move_id": self.invoice.id,
                    "amount": 80,
                    "open_amount": 80,
                    "state": "open",
                    "memo": "INV less damage",
                    "date": fields.Date.to_date("2026-02-20"),
                    "name": f"{self.invoice.name}/D1",
                }
            ],
        )
        self.assertFalse(self.env["dms.deduction"]._find(self.company))
        self._run_cron("dms_deduction_cron_find")
        self.assertEqual(self.env["dms.deduction"].search_count([("partner_id", "=", self.north.id)]), 1)

    def test_tolerance(self):
        """What is open by more than the tolerance was paid in part; a distributor may have its own."""
        Deduction = self.env["dms.deduction"]
        self._pay(self.north, 700, "2026-02-20", self.invoice)
        self.assertFalse(Deduction._find(self.company), "30 % open with a tolerance of 20")
        self.assertFalse(Deduction._find(self.company, percent=10))
        self.north.dms_deduction_percent = 35
        self.assertEqual(Deduction._find(self.company).amount, 300)
        small = self._invoice(self.south, 1000, date="2026-02-03")
        self.company.dms_deduction_min = 5
        self._pay(self.south, 996, "2026-02-20", small)
        self.assertFalse(Deduction._find(self.company))
        self.company.dms_deduction_min = 0
        self.assertFalse(Deduction._find(self.company, partners=self.north))
        self.assertEqual(Deduction._find(self.company, partners=self.south).amount, 4)

    def test_no_short_payment(self):
        """Unpaid, credited in part, or paid by what is not used up: nobody deducted anything."""
        self._credit(50, partner=self.north)
        self._reconcile(
            self.invoice
            | self.env["account.move"].search(
                [("move_type", "=", "out_refund"), ("partner_id", "=", self.north.id)]
            )
        )
        self._invoice(self.south, 100, date="2026-02-03")
        self.assertFalse(self.env["dms.deduction"]._find(self.company))

    def test_suggestion(self):
        """By reference in the memo before the amount; each credit once."""
        equal = self._credit(80)
        named = self._credit(75)
        deduction = self._short(80, memo=f"INV less {named.name}")
        self.assertEqual(
            (deduction.suggestion, deduction.suggestion_score, deduction.suggestion_why),
            (named, 60, "reference"),
        )
        second = self._short(80, invoice=self._invoice(self.north, 2000, date="2026-02-03"))
        self.assertEqual((second.suggestion, second.suggestion_why), (equal, "amount"))
        foreign = self._credit(33, partner=self.south)
        third = self._short(33, invoice=self._invoice(self.north, 500, date="2026-02-03"))
        self.assertFalse(third.suggestion, f"{foreign.name} is another distributor's")

    def test_matched_with_a_credit_note(self):
        note = self._credit(80)
        deduction = self._short(80)
        deduction.with_user(self.accountant).action_match()
        self.assertRecordValues(deduction, [{"state": "credited", "open_amount": 0, "matched_id": note.id}])
        self._assert_open(0)
        self._assert_open(0, note)
        deduction.action_reverse()
        self.assertRecordValues(deduction, [{"state": "open", "open_amount": 80, "matched_id": False}])
        self._assert_open(80)
        self._assert_open(80, note)

    def test_matched_with_less_leaves_the_rest_to_resolve(self):
        note = self._credit(79)
        deduction = self._short(80)
        self.assertEqual(deduction.suggestion_why, "near")
        deduction.action_match()
        rest = deduction.part_ids
        self.assertRecordValues(
            deduction | rest,
            [
                {"state": "credited", "amount": 79, "open_amount": 0},
                {"state": "open", "amount": 1, "open_amount": 1},
            ],
        )
        self._assert_open(1)
        self._assert_open(0, note)

    def test_a_part_matched_with_a_part_of_a_credit(self):
        note = self._credit(500)
        deduction = self._short(80, memo=f"less {note.name}")
        deduction._split(30)
        self.assertEqual(deduction.suggestion, note)
        deduction.action_match()
        self._assert_open(50)
        self._assert_open(470, note)
        self.assertTrue(deduction.entry_id)
        deduction.action_reverse()
        self._assert_open(80)
        self._assert_open(500, note)
        self.assertEqual(deduction.state, "open")

    def test_written_off_and_reversed(self):
        deduction = self._short(80).with_user(self.accountant)
        with self.assertRaisesRegex(UserError, "Choose a reason"), self.env.cr.savepoint():
            deduction.action_write_off()
        deduction.reason_id = self.reason
        deduction.action_write_off()
        entry = deduction.entry_id
        self.assertRecordValues(deduction, [{"state": "written_off", "open_amount": 0}])
        self._assert_open(0)
        self.assertEqual(self.invoice.payment_state, "paid")
        cost = entry.line_ids.filtered(lambda line: line.account_id == self.cost)
        self.assertRecordValues(cost, [{"balance": 80, "partner_id": self.north.id}])
        with self.assertRaisesRegex(UserError, "Reverse it there"), self.env.cr.savepoint():
            entry.button_draft()
        with self.assertRaisesRegex(UserError, "stays"), self.env.cr.savepoint():
            deduction.reason_id = False
        with self.assertRaisesRegex(UserError, "can't be done"), self.env.cr.savepoint():
            deduction.action_write_off()
        deduction.action_reverse()
        self.assertRecordValues(deduction, [{"state": "open", "open_amount": 80, "entry_id": False}])
        self._assert_open(80)
        self.assertEqual(
            sum(
                (entry | entry.reversal_move_ids)
                .line_ids.filtered(lambda line: line.account_id == self.cost)
                .mapped("balance")
            ),
            0,
        )
        self.assertIn("Reversed by", deduction.message_ids[0].body + deduction.message_ids[1].body)
        self.assertFalse(self.env["dms.deduction"]._find(self.company), "it is known already")

    def test_a_write_off_above_the_limit_is_approved_by_somebody_else(self):
        deduction = self._short(150)
        deduction.reason_id = self.reason
        deduction.with_user(self.accountant).action_write_off()
        self.assertEqual((deduction.state, deduction.requested_by_id), ("approve", self.accountant))
        self._assert_open(150)
        self.assertIn(self.manager, deduction.activity_ids.user_id)
        with self.assertRaisesRegex(AccessError, "are approved by"), self.env.cr.savepoint():
            deduction.with_user(self.accountant).action_approve()
        self.accountant.group_ids |= self.env.ref("dms_channel.dms_channel_group_manager")
        with self.assertRaisesRegex(AccessError, "somebody else"), self.env.cr.savepoint():
            deduction.with_user(self.accountant).action_approve()
        deduction.with_user(self.manager).action_approve()
        self.assertEqual(deduction.state, "written_off")
        self._assert_open(0)
        self.assertFalse(deduction.activity_ids)

    def test_written_off_in_a_foreign_currency(self):
        """The cost is at the day's rate; the rest of the invoice's is an exchange difference of Odoo's."""
        invoice = self._invoice(self.north, 100, date="2026-02-03", currency_id=self.euro.id)
        deduction = self._short(10, invoice=invoice, currency=self.euro)
        self.assertEqual((deduction.currency_id, deduction.amount), (self.euro, 10))
        deduction.reason_id = self.reason
        deduction.action_write_off()
        self._assert_open(0, invoice)
        cost = deduction.entry_id.line_ids.filtered(lambda line: line.account_id == self.cost)
        self.assertEqual((cost.amount_currency, cost.balance), (10, 40))

    def test_charged_back(self):
        deduction = self._short(80).with_user(self.accountant)
        deduction.note = "No damage on the delivery note"
        deduction.action_charge_back()
        self.assertEqual(deduction.state, "charged")
        self.assertIn("No damage on the delivery note", self.invoice.message_ids[0].body)
        self.assertIn("80", self.invoice.activity_ids.summary)
        self.assertFalse(self.env["dms.deduction"]._find(self.company))
        self._pay(self.north, 80, "2026-03-10", self.invoice)
        self.assertEqual((deduction.state, deduction.open_amount), ("paid", 0))

    def test_paid_elsewhere_meanwhile(self):
        deduction = self._short(80)
        payment = self._pay(self.north, 80, "2026-03-10", self.invoice)
        self.assertEqual((deduction.state, deduction.open_amount), ("paid", 0))
        payment.move_id.line_ids.remove_move_reconcile()
        self.assertEqual(
            (deduction.state, deduction.open_amount), ("open", 80), "what opens again comes back"
        )
        self._pay(self.north, 50, "2026-03-11", self.invoice)
        self.assertEqual((deduction.state, deduction.open_amount, deduction.amount), ("open", 30, 80))

    def test_split_and_each_part_goes_its_way(self):
        deduction = self._short(80)
        for amount in (0, 80, -5, 99):
            with self.assertRaisesRegex(UserError, "between zero and"), self.env.cr.savepoint():
                deduction._split(amount)
        wizard = (
            self.env["dms.deduction.split"]
            .with_user(self.accountant)
            .create({"deduction_id": deduction.id, "amount": 30})
        )
        self.assertEqual(wizard.rest, 50)
        wizard.action_split()
        part = deduction.part_ids
        self.assertRecordValues(
            deduction | part,
            [{"amount": 30, "open_amount": 30}, {"amount": 50, "open_amount": 50}],
        )
        self.assertFalse(self.env["dms.deduction"]._find(self.company))
        part.reason_id = self.reason
        part.action_write_off()
        self.assertRecordValues(
            deduction | part,
            [{"state": "open", "open_amount": 30}, {"state": "written_off", "open_amount": 0}],
        )
        self._assert_open(30)
        deduction.action_charge_back()
        self._pay(self.north, 30, "2026-03-10", self.invoice)
        self.assertEqual(deduction.state, "paid")
        self.assertEqual(part.state, "written_off")
        part.action_reverse()
        self.assertRecordValues(
            deduction | part,
            [{"state": "paid", "open_amount": 0}, {"state": "open", "open_amount": 50}],
        )

    def test_the_next_settlement_takes_it_off(self):
        """Queued, it is taken off what the distributor gets; a cancelled settlement brings it back."""
        self._program(tiers=((0, 10),))
        self._invoice(self.north, 1000, date="2026-02-10")
        deduction = self._short(80)
        deduction.with_user(self.accountant).action_queue()
        settlement = self.env["dms.settlement"]._generate(
            fields.Date.to_date("2026-01-01"), fields.Date.to_date("2026-02-28"), partners=self.north
        )
        line = settlement.line_ids.filtered(lambda line: line.kind == "deduction")
        self.assertEqual((line.amount, line.document, line.item_id), (-80, deduction, deduction.move_line_id))
        deduction.action_reopen()
        self.assertFalse(line.exists(), "taken back, it leaves the draft")
        deduction.action_queue()
        settlement.action_compute()
        rebate = sum(settlement.line_ids.filtered(lambda line: line.kind == "rebate").mapped("amount"))
        self.assertEqual(settlement.amount_total, rebate - 80)
        self._post_settlements(settlement)
        self.assertRecordValues(
            deduction, [{"state": "settled", "open_amount": 0, "settlement_id": settlement.id}]
        )
        self._assert_open(0)
        settlement.action_cancel()
        self.assertRecordValues(deduction, [{"state": "queued", "open_amount": 80, "settlement_id": False}])
        self._assert_open(80)

    def test_a_statement_shows_it(self):
        deduction = self._short(80)
        deduction.reason_id = self.reason
        deduction.action_write_off()
        march = (fields.Date.to_date("2026-03-01"), fields.Date.to_date("2026-03-15"))
        statement = self._assert_stated(self.north, march)
        self.assertEqual(
            (statement.opening_balance, statement.amount_deduction, statement.closing_balance), (80, -80, 0)
        )

    def test_guarded(self):
        deduction = self._short(80)
        for vals in ({"state": "paid"}, {"amount": 1}, {"entry_id": False}):
            with self.assertRaises(UserError), self.env.cr.savepoint():
                deduction.write(vals)
        with self.assertRaisesRegex(UserError, "found in the payments"), self.env.cr.savepoint():
            deduction.copy()
        with self.assertRaisesRegex(UserError, "are kept"), self.env.cr.savepoint():
            deduction.sudo().unlink()
        with self.assertRaisesRegex(UserError, "receivables or payables"), self.env.cr.savepoint():
            self.reason.account_id = self.receivable

    def test_queries_do_not_grow(self):
        def count(number):
            for _invoice in range(number):
                invoice = self._invoice(self.north, 1000, date="2026-02-03")
                self._pay(self.north, 990, "2026-02-20", invoice)
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            self.env["dms.deduction"]._find(self.company)
            self.env.flush_all()
            return self.env.cr.sql_log_count - before

        count(1)
        self.assertLessEqual(count(6), count(2) + 2)

    def test_access(self):
        deduction = self._short(80)
        other = self.env["res.company"].create({"name": "Other"})
        stranger = new_test_user(
            self.env, "stranger", "base.group_user,dms_channel.dms_channel_group_accountant",
            company_id=other.id, company_ids=[Command.set(other.ids)],
        )  # fmt: skip
        for model, record in (("dms.deduction", deduction), ("dms.deduction.reason", self.reason)):
            self.assertEqual(self.env[model].with_user(self.staff).search([("id", "=", record.id)]), record)
            self.assertFalse(self.env[model].with_user(stranger).search([("id", "=", record.id)]))
            for user in (self.clerk_north, self.clerk_south, self.env.ref("base.public_user")):
                with self.assertRaises(AccessError):
                    self.env[model].with_user(user).search([])
            with self.assertRaises(AccessError):
                record.with_user(self.staff).check_access("write")
        with self.assertRaises(AccessError):
            self.reason.with_user(self.accountant).check_access("write")
        with self.assertRaises(AccessError):
            deduction.with_user(self.staff).action_charge_back()


@tagged("post_install", "-at_install")
class TestDeductionTour(DeductionCommon, HttpCase):
    def test_found_and_written_off(self):
        self._pay(self.north, 960, "2026-02-20", self.invoice, memo="INV less damaged cartons")
        self.accountant.group_ids |= self.env.ref("account.group_account_manager")
        self.start_tour(
            "/odoo/action-dms_channel.dms_deduction_action",
            "dms_deduction_write_off",
            login=self.accountant.login,
        )
        self.env.invalidate_all()
        deduction = self.env["dms.deduction"].search([("move_id", "=", self.invoice.id)])
        self.assertRecordValues(
            deduction, [{"state": "written_off", "reason_id": self.reason.id, "amount": 40, "open_amount": 0}]
        )
        self.assertEqual(self.invoice.payment_state, "paid")
