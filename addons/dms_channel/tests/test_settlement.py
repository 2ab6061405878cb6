import io
import random

from openpyxl import load_workbook

from odoo import Command, fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import HttpCase, freeze_time, tagged

from ..tools import rebate
from .rebate_common import RebateCommon

FACTORS = [
    Command.create({"threshold": points, "factor": factor})
    for points, factor in ((80, 1.0), (60, 0.8), (40, 0.5))
]


@tagged("post_install", "-at_install")
@freeze_time("2026-03-15")
class TestSettlement(RebateCommon):
    def test_settlement_becomes_a_credit_note(self):
        program = self._program()
        invoices = self._invoice(self.north, 60) | self._invoice(self.north, 3740)
        settlement = self.env["dms.settlement"]._generate(
            fields.Date.to_date("2026-01-01"), fields.Date.to_date("2026-03-31")
        )
        self.assertRecordValues(
            settlement,
            [{"partner_id": self.north.id, "state": "draft", "amount_computed": 1100, "amount_total": 1100}],
        )
        self.assertEqual(self.north.dms_rebate_open, 1100)
        self.assertRecordValues(
            settlement.line_ids,
            [{"program_id": program.id, "base_amount": 3800, "factor": 1, "amount": 1100}],
        )
        settlement = settlement.with_user(self.accountant)
        settlement.action_send()
        settlement.action_accept()
        settlement.action_post()
        credit_note = settlement.posting_id
        self.assertRecordValues(
            credit_note,
            [
                {
                    "move_type": "out_refund",
                    "state": "posted",
                    "partner_id": self.north.id,
                    "amount_total": 1100,
                }
            ],
        )
        self.assertEqual(credit_note.invoice_line_ids.account_id, self.accrual_account)
        self.assertEqual(self._ledger(self.north), 0)
        self.assertTrue(
            all(
                settlement.line_ids.accrual_ids.entry_line_ids.filtered("account_id.reconcile").mapped(
                    "reconciled"
                )
            )
        )
        self.assertEqual(set(settlement.line_ids.accrual_ids.mapped("state")), {"settled"})
        self.assertEqual(settlement.line_ids.accrual_ids.move_id, invoices)
        self.assertEqual(credit_note.line_ids.dms_settlement_line_id, settlement.line_ids)
        self.assertFalse(credit_note.dms_accrual_ids, "a settlement earns no rebate")
        receivable = credit_note.line_ids.filtered(
            lambda line: line.account_id.account_type == "asset_receivable"
        )
        self.assertEqual(receivable.balance, -1100)
        self._assert_ties(self.north)

    def test_a_grade_scales_the_rebate_beside_the_points(self):
        self._program(tiers=((0, 10),), factor_ids=FACTORS)
        self.north.grade_id = self.env["res.partner.grade"].create(
            {"name": "Bronze", "dms_rebate_factor": 0.9}
        )
        self._give_points(self.north, 72)
        self._invoice(self.north, 1000)
        settlement = self._settle(self.north)
        self.assertRecordValues(settlement.line_ids, [{"computed_amount": 100, "factor": 0.72, "amount": 72}])
        self.assertIn("Grade Bronze is paid 90 %, which makes 72 % in all", settlement.line_ids.explanation)

    def test_credit_note_date(self):
        self._program()
        self._invoice(self.north, 3800)
        settlement = self.env["dms.settlement"]._generate(
            fields.Date.to_date("2026-01-01"), fields.Date.to_date("2026-03-31")
        )
        settlement.credit_date = "2026-03-12"
        self._post_settlements(settlement)
        self.assertEqual(settlement.posting_id.invoice_date, fields.Date.to_date("2026-03-12"))
        self.assertEqual(self._ledger(self.north), 0)

    def test_credit_points_scale_the_rebate(self):
        self._program(tiers=((0, 10),), factor_ids=FACTORS)
        self._give_points(self.north, 72)
        self._invoice(self.north, 1000.10)
        self._give_points(self.south, 90)
        self._invoice(self.south, 1000)
        expense_before = self._ledger(self.north, self.expense_account, "balance")
        settlements = self._settle()
        north = settlements.filtered(lambda settlement: settlement.partner_id == self.north)
        self.assertRecordValues(north.line_ids, [{"computed_amount": 100.01, "factor": 0.8, "amount": 80.01}])
        self.assertEqual(north.posting_id.amount_total, 80.01)
        self.assertEqual((settlements - north).amount_total, 100)
        self.assertEqual(self._ledger(self.north), 0, "the whole accrual is cleared")
        self.assertAlmostEqual(
            self._ledger(self.north, self.expense_account, "balance") - expense_before, 20.0
        )
        self.assertIn("72 credit points: paid at 80 %", north.line_ids.explanation)
        self._assert_ties(self.north)

    def test_points_of_the_day_of_sending_count(self):
        self._program(tiers=((0, 10),), factor_ids=FACTORS)
        self._give_points(self.north, 85)
        self._invoice(self.north, 1000)
        settlement = self.env["dms.settlement"]._generate(
            fields.Date.to_date("2026-01-01"), fields.Date.to_date("2026-03-31")
        )
        self.assertEqual(settlement.amount_total, 100)
        self._give_points(self.north, -30)
        settlement.action_send()
        self.assertEqual(settlement.amount_total, 50)
        self._give_points(self.north, -30)
        settlement.action_accept()
        settlement.action_post()
        self.assertEqual(settlement.posting_id.amount_total, 50)

    def test_without_points_nothing_is_paid_and_all_is_released(self):
        self._program(tiers=((0, 10),), factor_ids=FACTORS)
        self._invoice(self.north, 1000)
        settlement = self._settle()
        self.assertEqual((settlement.amount_total, settlement.posting_id.amount_total), (0, 0))
        self.assertEqual(self._ledger(self.north), 0)
        self._assert_ties(self.north)

    def test_late_return_is_taken_back_at_the_share_paid(self):
        self._program(tiers=((0, 10),), factor_ids=FACTORS)
        self._give_points(self.north, 60)
        invoice = self._invoice(self.north, 1000, date="2026-01-10")
        january = self._settle(until="2026-01-31")
        self.assertEqual(january.amount_total, 80)
        invoice._reverse_moves([{"invoice_date": "2026-03-01", "date": "2026-03-01"}]).action_post()
        self._program(code="OTHER", tiers=((0, 50),))
        self._invoice(self.north, 400, date="2026-03-02")
        self._give_points(self.north, -60)
        march = self._settle()
        returned = march.line_ids.filtered(lambda line: line.program_id.code == "VOL")
        # 40 were earned anew on 400, 100 went back with the return.
        self.assertEqual((returned.computed_amount, returned.factor, returned.amount), (-60, 0.8, -48))
        self.assertIn(f"Taken back at 80 %, the share paid in {january.name}", returned.explanation)
        self._assert_ties(self.north)

    def test_twice_changes_nothing(self):
        self._program()
        self._invoice(self.north, 3800)
        day = fields.Date.to_date
        first = self.env["dms.settlement"]._generate(day("2026-01-01"), day("2026-03-31"))
        again = self.env["dms.settlement"]._generate(day("2026-01-01"), day("2026-03-31"))
        self.assertEqual(first, again)
        self._invoice(self.north, 100)
        again = self.env["dms.settlement"]._generate(day("2026-01-01"), day("2026-03-31"))
        self.assertEqual((again, again.amount_total), (first, 1130))
        first.action_send()
        first.action_send()
        first.action_accept()
        first.action_post()
        credit_note = first.posting_id
        first.action_post()
        self.assertEqual(first.posting_id, credit_note)
        self.assertEqual(self.env["account.move"].search_count([("dms_settlement_id", "=", first.id)]), 1)
        self.assertFalse(self.env["dms.settlement"]._generate(day("2026-01-01"), day("2026-03-31")))

    def test_cancelling_reverses_by_a_document(self):
        self._program()
        self._invoice(self.north, 3800)
        settlement = self._settle()
        credit_note = settlement.posting_id
        with self.assertRaisesRegex(UserError, "Cancel the settlement instead"):
            credit_note.button_draft()
        with self.assertRaisesRegex(UserError, "Cancel the settlement instead"):
            credit_note._reverse_moves()
        settlement.action_cancel()
        settlement.action_cancel()
        reversal = self.env["account.move"].search([("reversed_entry_id", "=", credit_note.id)])
        self.assertRecordValues(
            reversal, [{"move_type": "out_invoice", "state": "posted", "payment_state": "reversed"}]
        )
        self.assertFalse(reversal.dms_accrual_ids)
        self.assertEqual(self._ledger(self.north), 1100)
        self._assert_ties(self.north)
        again = self._settle()
        self.assertEqual((again.amount_total, self._ledger(self.north)), (1100, 0))
        self._assert_ties(self.north)

    def test_invoice_reset_after_settlement(self):
        self._program(tiers=((0, 10),))
        invoice = self._invoice(self.north, 1000)
        settlement = self._settle()
        invoice.button_draft()
        self.assertEqual(self._ledger(self.north), -100)
        self.assertEqual(set(settlement.line_ids.accrual_ids.mapped("state")), {"settled"})
        self.assertFalse(
            self.env["dms.settlement"]._generate(
                fields.Date.to_date("2026-01-01"), fields.Date.to_date("2026-03-31")
            ),
            "nothing to pay: carried forward",
        )
        self._invoice(self.north, 1500)
        later = self._settle()
        self.assertEqual((later.amount_total, self._ledger(self.north)), (50, 0))
        self._assert_ties(self.north)

    def test_exchange_differences_leave_nothing_behind(self):
        euro = self.setup_other_currency("EUR", rates=[("2026-01-01", 2.0), ("2026-03-01", 3.0)])
        self._program(currency_id=euro.id, tiers=((0, 10),))
        self._invoice(self.north, 999.99, currency_id=euro.id)
        settlement = self._settle()
        self.assertEqual((settlement.currency_id, settlement.amount_total), (euro, 100))
        self.assertEqual(self._ledger(self.north), 0)
        self.assertEqual(self._ledger(self.north, field="balance"), 0)
        settlement.action_cancel()
        self.assertEqual(self._ledger(self.north), 100)
        self._settle()
        self.assertEqual((self._ledger(self.north), self._ledger(self.north, field="balance")), (0, 0))

    def test_taxes_of_the_credit_note(self):
        self._program(tiers=((0, 10),), tax_ids=[Command.set(self.tax_sale_a.ids)])
        self._invoice(self.north, 1000)
        settlement = self._settle()
        self.assertEqual(settlement.posting_id.amount_untaxed, 100)
        self.assertEqual(settlement.posting_id.amount_tax, 100 * self.tax_sale_a.amount / 100)
        self.assertEqual(self._ledger(self.north), 0)

    def test_clear_refusals(self):
        settlement = self.env["dms.settlement"].create(
            {"partner_id": self.north.id, "date_from": "2026-01-01", "date_to": "2026-01-31"}
        )
        with self.assertRaisesRegex(UserError, "nothing to settle"):
            settlement.action_send()
        with self.assertRaisesRegex(UserError, "is a draft: send it"):
            settlement.action_post()
        with self.assertRaisesRegex(UserError, "buttons"):
            settlement.state = "posted"
        self._program()
        self._invoice(self.north, 100, date="2026-01-05")
        settlement.action_compute()
        self.assertEqual(settlement.amount_total, 10)
        settlement.action_send()
        with self.assertRaisesRegex(UserError, "was sent"):
            settlement.date_to = "2026-02-28"
        with self.assertRaisesRegex(UserError, "was sent"):
            settlement.action_compute()
        with self.assertRaisesRegex(UserError, "1 lines are not answered"):
            settlement.action_post()
        with self.assertRaisesRegex(UserError, "cancel it"):
            settlement.unlink()
        settlement.note = "Thank you"

    def test_unlinking_a_draft_frees_its_accruals(self):
        self._program()
        accrual = self._invoice(self.north, 100).dms_accrual_ids
        settlement = self.env["dms.settlement"]._generate(
            fields.Date.to_date("2026-01-01"), fields.Date.to_date("2026-03-31")
        )
        self.assertEqual(accrual.settlement_id, settlement)
        settlement.unlink()
        accrual.invalidate_recordset()
        self.assertFalse(accrual.settlement_line_id or accrual.settlement_id)
        self.assertEqual(accrual.state, "posted")

    def test_wizard_and_cron(self):
        self._program()
        self._invoice(self.north, 100)
        wizard = self.env["dms.settlement.generate"].with_user(self.accountant).create({})
        self.assertEqual((str(wizard.date_from), str(wizard.date_to)), ("2026-02-01", "2026-02-28"))
        self.assertEqual((wizard.distributor_count, wizard.amount_open), (1, 10))
        action = wizard.action_generate()
        settlement = self.env["dms.settlement"].search(action["domain"])
        self.assertEqual(settlement.amount_total, 10)
        with self.enter_registry_test_mode():
            self.env.ref("dms_channel.dms_settlement_cron_generate").method_direct_trigger()
        self.env.invalidate_all()
        self.assertEqual(self.env["dms.settlement"].search([("partner_id", "=", self.north.id)]), settlement)
        with self.assertRaisesRegex(UserError, "Nothing to settle"):
            wizard.copy({"partner_ids": [Command.set(self.south.ids)]}).action_generate()

    def test_random_life_ties_to_the_cent(self):
        """Whatever happens in whatever order: accruals minus settlements is what the account holds."""
        rng = random.Random(2026)
        programs = self._program(
            code="A", tiers=((0, 1.5), (500, 2.75), (2000, 4.1)), factor_ids=FACTORS, period="month"
        )
        programs |= self._program(
            code="B", tiers=((0, 1), (1000, 3)), tier_method="whole", period="quarter", amount_max=90
        )
        self._give_points(self.north, 65)
        invoices, settlements = [], self.env["dms.settlement"]

        def invoice():
            invoices.append(
                self._invoice(
                    self.north,
                    rng.randrange(1, 90000) / 100,
                    date=f"2026-0{rng.randrange(1, 4)}-{rng.randrange(10, 15)}",
                )
            )

        def credit():
            posted = [move for move in invoices if move.state == "posted" and move.move_type == "out_invoice"]
            if posted:
                refund = rng.choice(posted)._reverse_moves(
                    [{"invoice_date": "2026-03-15", "date": "2026-03-15"}]
                )
                refund.invoice_line_ids.price_unit = round(
                    refund.invoice_line_ids.price_unit * rng.random(), 2
                )
                refund.action_post()
                invoices.append(refund)

        def reset():
            if invoices:
                move = rng.choice(invoices)
                if move.state == "posted":
                    move.button_draft()
                else:
                    move.action_post()

        def settle():
            nonlocal settlements
            drafts = self.env["dms.settlement"]._generate(
                fields.Date.to_date("2026-01-01"), fields.Date.to_date(f"2026-0{rng.randrange(1, 4)}-28")
            )
            payable = drafts.filtered(lambda draft: draft.line_ids and draft.amount_total >= 0)
            self._post_settlements(payable)
            settlements |= payable

        def cancel():
            live = settlements.filtered(lambda settlement: settlement.state != "cancelled")
            if live:
                live[rng.randrange(len(live))].action_cancel()

        moves = [invoice] * 6 + [credit, reset, reset, settle, settle, cancel]
        for step in range(60):
            rng.choice(moves)()
            if step % 10 == 9:
                self._assert_ties(self.north)
        self._assert_ties(self.north)
        self.assertEqual(self._ledger(self.north), self._ledger(self.north, field="balance"))
        # From scratch: each period's rebate is that of the base of its posted documents.
        for balance in self.env["dms.rebate.balance"].search([("program_id", "in", programs.ids)]):
            base = sum(
                move.amount_untaxed_signed
                for move in invoices
                if move.state == "posted"
                and balance.program_id._get_period_start(move._dms_get_rebate_date()) == balance.period_start
            )
            self.assertAlmostEqual(balance.base_amount, base, 4)
            self.assertAlmostEqual(
                balance.amount,
                float(balance.program_id._compute_rebate(rebate.decimal(round(base, 4))).total),
                6,
            )


@tagged("post_install", "-at_install")
class TestSettlementAccess(RebateCommon, HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls._program()
        cls._invoice(cls.north, 3800)
        cls.settlement = cls._settle()

    def test_portal_reads_its_own_only(self):
        own, sibling = (self.settlement.with_user(clerk) for clerk in (self.clerk_north, self.clerk_south))
        self.assertEqual(own.amount_total, 1100)
        self.assertIn("3,800.00", own.line_ids.explanation)
        self.assertIn("Volume bonus", own.line_ids.accrual_ids.explanation)
        for records in (sibling, sibling.sudo().line_ids.with_user(self.clerk_south)):
            with self.assertRaises(AccessError):
                records.read(["amount_total" if records == sibling else "amount"])
        with self.assertRaises(AccessError):
            sibling.sudo().line_ids.accrual_ids.with_user(self.clerk_south).read(["amount"])
        with self.assertRaises(AccessError):
            own.note = "More, please"
        with self.assertRaises(AccessError):
            own.action_cancel()

    def test_portal_sees_no_draft(self):
        self._invoice(self.north, 100)
        draft = self.env["dms.settlement"]._generate(
            fields.Date.to_date("2026-01-01"), fields.Date.to_date("2026-12-31")
        )
        self.assertFalse(
            self.env["dms.settlement"].with_user(self.clerk_north).search([("id", "=", draft.id)])
        )

    def test_roles(self):
        with self.assertRaises(AccessError):
            self.settlement.with_user(self.staff).note = "x"
        with self.assertRaises(AccessError):
            self.settlement.line_ids.with_user(self.accountant).write({"amount": 1})
        self.assertTrue(self.settlement.with_user(self.staff).read(["amount_total"]))

    def test_pdf_route(self):
        url = f"/dms/settlement/{self.settlement.id}/pdf"
        self.assertEqual(self.url_open(url).status_code, 404, "the public sees nothing")
        self.assertEqual(self.url_open(f"{url}?access_token=wrong").status_code, 404)
        token = self.settlement._portal_ensure_token()
        self.assertEqual(self.url_open(f"{url}?access_token={token}").status_code, 200)
        self.authenticate("clerk_S", "clerk_S")
        self.assertEqual(self.url_open(url).status_code, 404, "nor does a sibling")
        self.authenticate("clerk_N", "clerk_N")
        response = self.url_open(url)
        self.assertEqual((response.status_code, response.headers["Content-Type"]), (200, "application/pdf"))
        self.assertTrue(response.content.startswith(b"%PDF-"))
        self.assertEqual(self.url_open("/dms/settlement/999999999/pdf").status_code, 404)

    def test_spreadsheet_drills_down_to_invoice_lines(self):
        self.authenticate("clerk_N", "clerk_N")
        response = self.url_open(f"/dms/settlement/{self.settlement.id}/xlsx")
        self.assertIn("attachment", response.headers["Content-Disposition"])
        book = load_workbook(io.BytesIO(response.content))
        lines, documents, document_lines = ([*sheet.values] for sheet in book.worksheets)
        self.assertIn("Volume bonus", str(lines))
        self.assertEqual(lines[-1][:1] + lines[-1][5:6], ("Due", 1100))
        accrual = self.settlement.line_ids.accrual_ids
        self.assertEqual(
            documents[1][1:7],
            ("VOL", "1", accrual.move_id.name, "02/10/2026", 3800, 1100),
        )
        self.assertEqual(
            document_lines[1][1:6], (accrual.move_id.name, "Cola", 1, "Units", 3800), "the invoice line"
        )

    def test_documents_of_a_period(self):
        """A programme that accrues by the period shows the lines that it was measured on."""
        self._program(code="PER", tiers=((0, 1),), accrual_policy="periodic")
        [settlement] = self.env["dms.settlement"]._generate(
            fields.Date.to_date("2026-01-01"), fields.Date.to_date("2026-12-31"), partners=self.north
        )
        [document] = settlement.line_ids._get_documents()
        [line] = document["lines"]
        self.assertEqual((line["product"], line["value"], line["quantity"]), ("Cola", 3800, 1))
        self.assertTrue(settlement._render_pdf().startswith(b"%PDF-"))

    def test_documents_speak_the_distributors_language(self):
        self.env["res.lang"]._activate_lang("zh_CN")
        self.north.lang = "zh_CN"
        book = load_workbook(io.BytesIO(self.settlement._render_xlsx()))
        self.assertEqual(book.sheetnames[0], self.env(context={"lang": "zh_CN"})._("Settlement"))
