from datetime import timedelta

from odoo import Command, fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import freeze_time, new_test_user, tagged

from .rebate_common import RebateCommon


@tagged("post_install", "-at_install")
@freeze_time("2026-03-15")
class TestSettlementFlow(RebateCommon):
    """From the draft to the posting: answers, disputes, corrections, deadlines, approvals."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.clerk_north.partner_id.email = "clerk@north.example"
        cls._program()
        cls._invoice(cls.north, 3800)
        cls.settlement = cls.env["dms.settlement"]._generate(
            fields.Date.to_date("2026-01-01"), fields.Date.to_date("2026-03-31")
        )
        cls.line = cls.settlement.line_ids

    def _as(self, user):
        return self.settlement.with_user(user)

    def _pass_deadlines(self):
        with self.enter_registry_test_mode():
            self.env.ref("dms_channel.dms_settlement_cron_deadline").method_direct_trigger()
        self.env.invalidate_all()

    def _sent_mails(self):
        return self.settlement.message_ids.filtered(
            lambda message: message.message_type == "comment" and message.partner_ids
        )

    def test_sending_asks_the_distributor(self):
        self._as(self.accountant).action_send()
        self.assertRecordValues(
            self.settlement,
            [{"state": "sent", "deadline": fields.Date.to_date("2026-03-22"), "open_count": 1}],
        )
        mail = self._sent_mails()
        self.assertEqual(mail.partner_ids, self.clerk_north.partner_id)
        self.assertIn("1,100.00", mail.body)
        self.assertIn("count as accepted", mail.body)

    def test_the_distributor_accepts(self):
        self.settlement.action_send()
        self._as(self.clerk_north).line_ids._accept()
        self.assertEqual((self.line.answer, self.line.answered_by), ("accepted", self.clerk_north))
        self.assertEqual(self.settlement.state, "approved", "no level asks for an approval")
        with self.assertRaisesRegex(UserError, "was answered already"):
            self._as(self.clerk_north).line_ids._dispute("Too little")

    def test_only_the_distributor_and_those_in_charge_answer(self):
        self.settlement.action_send()
        for user in (self.clerk_south, self.staff):
            with self.assertRaises(AccessError):
                self.line.with_user(user)._accept()
            with self.assertRaises(AccessError):
                self.line.with_user(user)._dispute("No")
        self.settlement.action_draft()
        with self.assertRaises(AccessError):
            self.line.with_user(self.clerk_north)._accept()

    def test_dispute_and_correction(self):
        """A disputed line keeps its figures; the correction is a line of its own, accepted like the others."""
        self.settlement.action_send()
        clerk_lines = self._as(self.clerk_north).line_ids
        with self.assertRaisesRegex(UserError, "Say what is wrong"):
            clerk_lines._dispute("  ")
        clerk_lines._dispute("Invoice of February is missing")
        self.assertEqual((self.settlement.disputed_count, self.settlement.state), (1, "sent"))
        self.assertIn("Invoice of February", self.settlement.activity_ids.note)
        with self.assertRaisesRegex(UserError, "1 are disputed"):
            self.settlement.action_post()
        wizard = (
            self.env["dms.settlement.reply"]
            .with_user(self.accountant)
            .create({"line_id": self.line.id, "reply": "You are right"})
        )
        self.assertEqual((wizard.amount, wizard.reason), (1100, "Invoice of February is missing"))
        wizard.amount = 1150
        wizard.action_reply()
        self.assertFalse(self.settlement.activity_ids, "nothing is left to answer")
        correction = self.settlement.line_ids - self.line
        self.assertRecordValues(
            correction, [{"kind": "correction", "amount": 50, "answer": "open", "corrected_id": self.line.id}]
        )
        self.assertIn("1,100.00 and is", correction.explanation)
        self.assertEqual((self.line.answer, self.settlement.amount_total), ("corrected", 1150))
        self.assertIn("You are right", self._sent_mails()[:1].body)
        correction.with_user(self.clerk_north)._accept()
        self.settlement.action_post()
        self.assertIn(self.settlement.posting_id.name, self._sent_mails()[:1].body)
        self.assertEqual(self.settlement.posting_id.amount_total, 1150)
        self.assertEqual(self._ledger(self.north), 0, "exactly what accrued is cleared")
        self.assertEqual(
            -self._ledger(self.north, self.expense_account, "balance"), 1150, "and the rest is an expense"
        )
        self._assert_ties(self.north)

    def test_uphold(self):
        self.settlement.action_send()
        self.line.with_user(self.clerk_north)._dispute("Too little")
        with self.assertRaisesRegex(UserError, "Answer the distributor"):
            self.line._reply(" ")
        with self.assertRaisesRegex(UserError, "has this amount already"):
            self.line._reply("Same", 1100)
        self.line.with_user(self.accountant)._reply("All invoices are in it")
        self.assertEqual((self.line.answer, self.settlement.state), ("upheld", "approved"))
        with self.assertRaisesRegex(UserError, "was answered already"):
            self.line._reply("Again")

    def test_a_correction_below_nothing_is_refused(self):
        self.settlement.action_send()
        self.line._dispute("It is too much")
        with self.assertRaisesRegex(UserError, "which can't be paid out"):
            self.line._reply("Take it back", -5)

    def test_silence_counts_as_acceptance(self):
        self.settlement.action_send()
        self._pass_deadlines()
        self.assertEqual(self.settlement.state, "sent")
        with freeze_time("2026-03-22"):
            self._pass_deadlines()
        self.assertEqual(self.settlement.state, "sent", "the last day still counts")
        with freeze_time("2026-03-23"):
            self._pass_deadlines()
        self.assertRecordValues(self.line, [{"answer": "accepted", "answered_by": False}])
        self.assertIn("no answer until the deadline", self.line.answer_text)
        self.assertEqual(self.settlement.state, "approved")
        self.assertIn("now count as accepted", self._sent_mails()[:1].body)

    def test_a_dispute_outlives_the_deadline(self):
        self.settlement.action_send()
        self.line._dispute("Wrong")
        with freeze_time("2026-04-15"):
            self._pass_deadlines()
            self.assertEqual((self.line.answer, self.settlement.state), ("disputed", "sent"))
            self.line._reply("Yes", 1200)
            self.assertEqual(self.settlement.deadline, fields.Date.to_date("2026-04-15") + timedelta(days=7))

    def test_without_days_nobody_is_asked(self):
        self.company.dms_settlement_days = 0
        self.settlement.action_send()
        self.assertEqual((self.settlement.state, self.line.answer), ("approved", "accepted"))
        self.assertFalse(self._sent_mails())

    def _levels(self, *amounts):
        groups = self.env["res.groups"].create([{"name": f"Level {amount}"} for amount in amounts])
        users = [
            new_test_user(
                self.env,
                f"level_{amount}",
                "dms_channel.dms_channel_group_accountant",
                company_id=self.company.id,
            )
            for amount in amounts
        ]
        for user, group in zip(users, groups, strict=True):
            user.group_ids = [Command.link(group.id)]
        self.env["dms.settlement.level"].create(
            [
                {"group_id": group.id, "amount_from": amount}
                for group, amount in zip(groups, amounts, strict=True)
            ]
        )
        return users

    def test_the_amount_decides_who_approves(self):
        first, second, _third = self._levels(0, 1000, 1100)
        self.settlement.action_send()
        self.settlement.action_accept()
        self.assertEqual(self.settlement.state, "to_approve")
        self.assertEqual(self.settlement.approval_ids.mapped("amount_from"), [0, 1000])
        self.assertEqual(self.settlement.activity_ids.user_id, first | second)
        with self.assertRaisesRegex(UserError, "waits for the approval of: Level 0, Level 1000"):
            self.settlement.action_post()
        with self.assertRaisesRegex(AccessError, "only be approved by a member of"):
            self._as(self.accountant).action_approve()
        self.assertIn(
            self.settlement, self.env["dms.settlement"].with_user(first).search([("can_approve", "=", True)])
        )
        self._as(first).action_approve()
        self.assertEqual(self.settlement.state, "to_approve")
        self.assertFalse(self._as(first).can_approve)
        self._as(second).action_approve()
        self.assertEqual(self.settlement.state, "approved")
        self.settlement.action_post()
        self.assertFalse(self.settlement.activity_ids)

    def test_four_eyes(self):
        first, second = self._levels(0, 1000)
        first.group_ids |= second.group_ids
        self.settlement.action_send()
        self.settlement.action_accept()
        self._as(first).action_approve()
        with self.assertRaisesRegex(AccessError, "somebody else"):
            self._as(first).action_approve()
        self._as(second).action_approve()
        self.assertEqual(self.settlement.state, "approved")

    def test_a_refused_settlement_is_a_draft_again(self):
        (user,) = self._levels(0)
        self.settlement.action_send()
        self.settlement.action_accept()
        self.env["dms.settlement.refuse"].with_user(user).create(
            {"settlement_ids": self.settlement.ids, "reason": "A return is missing"}
        ).action_refuse()
        self.assertRecordValues(self.settlement, [{"state": "draft", "deadline": False}])
        self.assertEqual((self.line.answer, self.settlement.approval_ids.state), ("open", "denied"))
        self.assertIn("A return is missing", self.settlement.message_ids[:1].body)
        self._post_refused(user)

    def _post_refused(self, user):
        self.settlement.action_send()
        self.settlement.action_accept()
        self._as(user).action_approve()
        self.settlement.action_post()
        self.assertEqual(self._ledger(self.north), 0)

    def test_queries_do_not_grow_with_the_distributors(self):
        """Drafting takes as many queries for six distributors as for two."""
        partners = self.env["res.partner"].create(
            [
                {"name": f"Many {number}", "is_company": True, "channel_role": "distributor"}
                for number in range(8)
            ]
        )
        for partner in partners:
            self._invoice(partner, 1000)
        counts = []
        day = fields.Date.to_date
        for batch in (partners[:2], partners[2:]):
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            drafts = self.env["dms.settlement"]._draft(day("2026-01-01"), day("2026-03-31"), partners=batch)
            self.env.flush_all()
            counts.append(self.env.cr.sql_log_count - before)
            self.assertEqual(len(drafts), len(batch))
        # A sequence number and a row of the chatter for each of them, and nothing else.
        self.assertLessEqual(counts[1] - counts[0], 4 * 12, counts)

    def test_back_to_draft_forgets_corrections(self):
        self.settlement.action_send()
        self.line._dispute("Wrong")
        self.line._reply("Yes", 1200)
        self.settlement.action_draft()
        self.assertRecordValues(
            self.settlement.line_ids, [{"kind": "rebate", "answer": "open", "reason": False, "reply": False}]
        )
        self.assertEqual(self.settlement.amount_total, 1100)
        self._invoice(self.north, 100)
        self.settlement.action_compute()
        self.assertEqual(self.settlement.amount_total, 1130)


@tagged("post_install", "-at_install")
@freeze_time("2026-03-15")
class TestSettlementPosting(RebateCommon):
    """What a settlement leaves in the ledger."""

    def _draft(self, partner=None, until="2026-12-31"):
        return self.env["dms.settlement"]._generate(
            fields.Date.to_date("2026-01-01"), fields.Date.to_date(until), partners=partner
        )

    def _taxed_invoice(self, partner, *lines):
        move = self._invoice(partner, [(product, price) for product, price, _tax in lines], post=False)
        for line, (_product, _price, tax) in zip(move.invoice_line_ids, lines, strict=True):
            line.tax_ids = tax
        move.action_post()
        return move

    def test_taxes_are_those_of_the_invoices(self):
        """What was sold at two rates comes back at two rates, in proportion and to the cent."""
        low = self.tax_sale_a.copy({"name": "5 %", "amount": 5})
        self._program(tiers=((0, 10),))
        self._taxed_invoice(
            self.north,
            (self.cola, 333.33, self.tax_sale_a),
            (self.soap, 666.68, low),
            (self.apple, 100, self.env["account.tax"]),
        )
        settlement = self._draft()
        tax = round(33.33 * self.tax_sale_a.amount / 100 + 66.67 * 0.05, 2)
        self.assertEqual((settlement.amount_untaxed, settlement.amount_tax), (110, tax))
        self._post_settlements(settlement)
        credit_note = settlement.posting_id
        self.assertEqual(credit_note.amount_total, settlement.amount_total)
        self.assertEqual(
            sorted((line.tax_ids.ids, line.price_subtotal) for line in credit_note.invoice_line_ids),
            sorted([([], 10.0), (self.tax_sale_a.ids, 33.33), (low.ids, 66.67)]),
        )
        self.assertEqual(self._ledger(self.north), 0)

    def test_taxes_of_a_period(self):
        """A programme that accrues by the period knows no documents; its invoices' taxes count all the same."""
        self._program(tiers=((0, 10),), accrual_policy="periodic")
        self._taxed_invoice(self.north, (self.cola, 1000, self.tax_sale_a))
        settlement = self._draft()
        self.assertEqual(settlement.amount_tax, self.tax_sale_a.amount)

    def test_withheld_parts_have_their_taxes_too(self):
        self._program(
            tiers=((0, 10),), factor_ids=[Command.create({"threshold": 0, "factor": 0.8})], code="F"
        )
        self._taxed_invoice(self.north, (self.cola, 1000, self.tax_sale_a))
        settlement = self._settle()
        self.assertEqual(settlement.posting_id.amount_tax, round(80 * self.tax_sale_a.amount / 100, 2))
        self.assertEqual(settlement.amount_total, settlement.posting_id.amount_total)
        self.assertEqual(self._ledger(self.north), 0)

    def test_included_taxes_leave_the_net(self):
        included = self.tax_sale_a.copy(
            {"name": "13 % incl.", "amount": 13, "price_include_override": "tax_included"}
        )
        self._program(tiers=((0, 10),))
        self._taxed_invoice(self.north, (self.cola, 1130, included))
        settlement = self._settle()
        self.assertEqual((settlement.amount_untaxed, settlement.amount_tax), (100, 13))
        self.assertEqual(settlement.posting_id.amount_untaxed, 100)
        self.assertEqual(self._ledger(self.north), 0)

    def test_the_fiscal_position_maps_stated_taxes(self):
        abroad = self.tax_sale_a.copy({"name": "Export", "amount": 0})
        position = self.env["account.fiscal.position"].create({"name": "Abroad", "tax_ids": [abroad.id]})
        abroad.write({"original_tax_ids": [Command.set(self.tax_sale_a.ids)]})
        self.north.property_account_position_id = position
        self._program(tiers=((0, 10),), tax_ids=[Command.set(self.tax_sale_a.ids)])
        self._invoice(self.north, 1000)
        settlement = self._settle()
        self.assertEqual(settlement.posting_id.invoice_line_ids.tax_ids, abroad)

    def _advance(self, amount, partner=None):
        payment = self.env["account.payment"].create(
            {
                "payment_type": "outbound",
                "partner_type": "customer",
                "partner_id": (partner or self.north).id,
                "amount": amount,
                "journal_id": self.company_data["default_journal_bank"].id,
                "dms_advance": True,
                "date": "2026-02-01",
            }
        )
        payment.action_post()
        return payment

    def _receivable(self, partner):
        return -self._ledger(partner, self.company_data["default_account_receivable"])

    def test_advances_are_set_off(self):
        self._program(tiers=((0, 10),))
        self._invoice(self.north, 1000)
        before = self._receivable(self.north)
        self._advance(30)
        self._advance(90)
        settlement = self._draft()
        self.assertEqual((settlement.amount_untaxed, settlement.amount_total), (100, 0))
        self._post_settlements(settlement)
        advances = settlement.line_ids.filtered(lambda line: line.kind == "advance")
        self.assertEqual(advances.mapped("amount"), [-30, -70], "no more than there is")
        self.assertEqual(advances.item_id.mapped("amount_residual"), [0, 20])
        self.assertEqual((settlement.posting_id.amount_residual, settlement.payout_state), (0, "done"))
        self.assertEqual(self._receivable(self.north), before + 20)
        self._invoice(self.north, 500)
        later = self._settle()
        self.assertEqual(later.amount_total, 30, "the rest is set off next time")
        self.assertEqual(advances.item_id.mapped("amount_residual"), [0, 0])
        self._assert_ties(self.north)

    def test_what_was_settled_otherwise_does_not_block(self):
        """An advance that waits for the posting is paid back in the meantime: the settlement posts without it."""
        self._program(tiers=((0, 10),))
        self._invoice(self.north, 1000)
        payment = self._advance(60)
        settlement = self._draft()
        self.assertEqual(settlement.amount_total, 40)
        settlement.action_send()
        settlement.action_accept()
        back = payment.copy({"payment_type": "inbound", "amount": 45})
        back.action_post()
        (payment.move_id | back.move_id).line_ids.filtered(
            lambda item: item.account_id.account_type == "asset_receivable"
        ).reconcile()
        settlement.action_post()
        self.assertEqual((settlement.amount_set_off, settlement.amount_total), (-15, 85))
        self.assertIn("settled otherwise", settlement.line_ids[-1].explanation)
        self.assertEqual(settlement._get_receivable_items().amount_residual, -85)

    def test_an_item_waits_for_one_settlement_only(self):
        self._program(tiers=((0, 10),))
        self._invoice(self.north, 1000, date="2026-01-10")
        self._advance(60)
        first = self._draft(until="2026-01-31")
        self._invoice(self.north, 1000, date="2026-02-10")
        second = self._draft(until="2026-02-28")
        self.assertEqual((first.amount_total, second.amount_total), (40, 100))
        first.action_cancel()
        second.action_compute()
        self.assertEqual(second.amount_total, 140)

    def test_payment(self):
        self._program(tiers=((0, 10),), payout="payment")
        self._invoice(self.north, 1000)
        settlement = self._draft()
        self.assertEqual(settlement.payout, "payment")
        self._post_settlements(settlement)
        payment = settlement.payment_ids
        self.assertRecordValues(
            payment, [{"payment_type": "outbound", "amount": 100, "partner_id": self.north.id}]
        )
        self.assertIn(settlement.posting_id.payment_state, ("paid", "in_payment"))
        settlement.action_cancel()
        self.assertTrue(payment.dms_advance, "what was paid is an advance on the next settlement")
        again = self._draft()
        self.assertEqual((again.amount_untaxed, again.amount_total), (100, 0))
        self._post_settlements(again)
        self.assertFalse(again.payment_ids)
        self._assert_ties(self.north)

    def test_programmes_that_say_how_are_settled_apart(self):
        self._program(code="A", tiers=((0, 10),), payout="payment")
        self._program(code="B", tiers=((0, 1),))
        self._invoice(self.north, 1000)
        settlements = self._draft()
        self.assertEqual(
            sorted((settlement.payout, settlement.amount_total) for settlement in settlements),
            [("credit_note", 10), ("payment", 100)],
        )
        self.assertEqual(self._draft(), settlements, "a second run changes nothing")
        self._post_settlements(settlements)
        self.assertEqual(self._ledger(self.north), 0)

    def test_write_off(self):
        """What will never be paid goes back to the expense by a settlement of its own."""
        self._program(tiers=((0, 10),))
        self._invoice(self.north, 1000)
        settlement = self._draft()
        settlement.payout = "write_off"
        self._advance(30)
        receivable = self._receivable(self.north)
        self._post_settlements(settlement)
        self.assertFalse(settlement.amount_set_off, "an advance is not set off against nothing")
        self.assertEqual(settlement.posting_id.move_type, "entry")
        self.assertEqual(self._ledger(self.north), 0)
        self.assertEqual(self._ledger(self.north, self.expense_account), 0)
        self.assertEqual(self._receivable(self.north), receivable)
        self._assert_ties(self.north)
        with self.assertRaisesRegex(UserError, "Cancel the settlement instead"):
            settlement.posting_id.button_draft()
        settlement.action_cancel()
        self.assertEqual(self._ledger(self.north), 100)
        self._assert_ties(self.north)

    def test_red_letter_reference(self):
        self._program(tiers=((0, 10),))
        self._invoice(self.north, 1000)
        settlement = self._draft()
        settlement.write(
            {"red_form": "5101262603000123", "red_invoice_code": "051002", "red_invoice_number": "00817732"}
        )
        self._post_settlements(settlement)
        self.assertEqual(
            settlement.posting_id.ref,
            f"{settlement.name}, red-letter form 5101262603000123, original invoice 051002 00817732",
        )

    def test_what_is_missing_is_said_before_anything_is_posted(self):
        self._program(tiers=((0, 10),))
        self._invoice(self.north, 1000)
        settlement = self._draft()
        settlement.action_send()
        settlement.action_accept()
        self.company.sale_lock_date = "2026-03-10"
        settlement.credit_date = "2026-03-05"
        with self.assertRaisesRegex(UserError, "locked until 03/10/2026: choose a later"):
            settlement.action_post()
        settlement.credit_date = False
        settlement.payout = "offset"
        self.company.dms_settlement_account_id = False
        with self.assertRaisesRegex(UserError, "no account for settlements that wait"):
            settlement.action_post()
        self.assertRecordValues(settlement, [{"state": "approved", "posting_id": False}])
        settlement.payout = "credit_note"
        settlement.action_post()
        self.assertEqual(self._ledger(self.north), 0)

    def test_what_can_not_be_posted_does_not_stop_the_run(self):
        self._program(tiers=((0, 10),))
        self._invoice(self.north, 1000)
        self._invoice(self.south, 1000)
        settlements = self._draft()
        settlements.action_send()
        settlements.action_accept()
        bad, good = settlements.sorted("id")
        bad.payout = "offset"
        self.company.dms_settlement_account_id = False
        settlements.with_user(self.accountant).action_post_later()
        with self.enter_registry_test_mode():
            self.env.ref("dms_channel.dms_settlement_cron_post").method_direct_trigger()
        self.env.invalidate_all()
        self.assertEqual((bad.state, good.state), ("approved", "posted"))
        self.assertIn(
            "no account for settlements", bad.message_ids[:1].body + str(bad.activity_ids.mapped("note"))
        )
        self.assertFalse((bad | good).filtered("post_later"))

    def test_a_currency_without_a_rate_on_the_day(self):
        euro = self.setup_other_currency("EUR", rates=[("2026-01-01", 2.0)])
        self._program(currency_id=euro.id, tiers=((0, 10),))
        self._invoice(self.north, 1000, currency_id=euro.id)
        settlement = self._draft()
        settlement.action_send()
        settlement.action_accept()
        euro.rate_ids.name = "2026-04-01"
        with self.assertRaisesRegex(UserError, "EUR has no rate on 03/15/2026"):
            settlement.action_post()
        self.assertEqual(settlement.state, "approved")
