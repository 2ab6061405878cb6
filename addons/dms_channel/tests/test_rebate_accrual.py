import random

from odoo import Command, fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import freeze_time, tagged

from .rebate_common import RebateCommon


@tagged("post_install", "-at_install")
@freeze_time("2026-03-15")
class TestRebateAccrual(RebateCommon):
    def test_invoice_accrues_in_the_ledger(self):
        program = self._program()
        invoice = self._invoice(self.north, [(self.cola, 80), (self.apple, 70)])
        accrual = invoice.dms_accrual_ids
        self.assertRecordValues(
            accrual,
            [
                {
                    "program_id": program.id,
                    "program_version": 1,
                    "partner_id": self.north.id,
                    "kind": "accrual",
                    "state": "posted",
                    "base_amount": 150.0,
                    "amount": 20.0,
                    "amount_company": 20.0,
                    "date": invoice.invoice_date,
                    "period_start": fields.Date.to_date("2026-01-01"),
                }
            ],
        )
        self.assertEqual(accrual.entry_id.state, "posted")
        self.assertRecordValues(
            accrual.entry_line_ids.sorted("debit", reverse=True),
            [
                {
                    "account_id": self.expense_account.id,
                    "partner_id": self.north.id,
                    "debit": 20.0,
                    "credit": 0.0,
                },
                {
                    "account_id": self.accrual_account.id,
                    "partner_id": self.north.id,
                    "debit": 0.0,
                    "credit": 20.0,
                },
            ],
        )
        self.assertEqual(accrual.entry_id.date, invoice.date)
        self._assert_ties(self.north)

    def test_drill_down_and_words(self):
        self._program()
        invoice = self._invoice(self.north, [(self.cola, 80), (self.apple, 70)])
        accrual = (
            self.accrual_account.with_context(active_test=False)
            and self.env["account.move.line"]
            .search([("account_id", "=", self.accrual_account.id)])
            .dms_accrual_id
        )
        action = accrual.action_view_invoice_lines()
        lines = self.env["account.move.line"].search(action["domain"])
        self.assertEqual(lines, invoice.invoice_line_ids)
        for words in (
            "[VOL] Volume bonus (version 1)",
            "Base before: $\xa00.00",
            "at 20 % = $\xa010.00",
            "accrued here: $\xa020.00",
        ):
            self.assertIn(words, accrual.explanation)
        self.assertEqual(invoice.dms_accrual_count, 1)
        self.assertEqual(accrual.entry_id.dms_accrual_count, 1)

    def test_tiers_add_up_over_the_period(self):
        program = self._program()
        for amount in (60, 60, 3680):
            self._invoice(self.north, amount)
        self.assertEqual(program.accrual_ids.sorted("id").mapped("amount"), [6.0, 8.0, 1086.0])
        self.assertEqual(self._ledger(self.north), 1100)
        self._invoice(self.north, 100, date="2027-01-05")
        self.assertEqual(self._ledger(self.north), 1110, "a new year starts from the first tier")
        self._assert_ties(self.north)

    def test_whole_volume(self):
        self._program(tier_method="whole")
        for amount in (60, 60, 3680):
            self._invoice(self.north, amount)
        self.assertEqual(self._ledger(self.north), 1140)

    def test_cap(self):
        self._program(amount_max=15)
        self._invoice(self.north, 60)
        invoice = self._invoice(self.north, 1000)
        self.assertEqual(self._ledger(self.north), 15)
        self.assertIn("capped at", invoice.dms_accrual_ids.explanation)

    def test_quantity_in_the_stated_unit(self):
        dozen = self.uom_dozen
        self._program(tiers=((0, 0), (1, 12)), basis="quantity", uom_id=dozen.id)
        self._invoice(
            self.north,
            0,
            invoice_line_ids=[
                Command.create(
                    {
                        "product_id": self.cola.id,
                        "quantity": 18,
                        "price_unit": 1,
                        "tax_ids": [Command.clear()],
                    }
                ),
                Command.create(
                    {
                        "product_id": self.cola.id,
                        "quantity": 1,
                        "product_uom_id": dozen.id,
                        "price_unit": 1,
                        "tax_ids": [Command.clear()],
                    }
                ),
            ],
        )
        accrual = self.env["dms.rebate.accrual"].search([])
        self.assertEqual((accrual.base_amount, accrual.amount), (2.5, 18.0))

    def test_scope(self):
        grade = self.env["res.partner.grade"].create({"name": "Gold"})
        self._program(code="CAT", categ_ids=[Command.set(self.drinks.ids)])
        self._program(code="PROD", product_ids=[Command.set(self.soap.ids)])
        self._program(code="GRADE", grade_ids=[Command.set(grade.ids)])
        self._program(code="PARTNER", partner_ids=[Command.set(self.south.ids)])
        self._program(code="LATER", date_start="2026-06-01")
        invoice = self._invoice(self.north, [(self.cola, 30), (self.apple, 30), (self.soap, 30)])
        base = {accrual.program_id.code: accrual.base_amount for accrual in invoice.dms_accrual_ids}
        self.assertEqual(base, {"CAT": 60, "PROD": 30})
        self.north.grade_id = grade
        invoice = self._invoice(self.north, 30)
        self.assertEqual(set(invoice.dms_accrual_ids.program_id.mapped("code")), {"CAT", "GRADE"})

    def test_who_does_not_earn(self):
        self._program()
        outlet = self.env["res.partner"].create({"name": "Shop", "channel_role": "outlet"})
        for partner in (outlet, self.partner_a):
            self.assertFalse(self._invoice(partner, 100).dms_accrual_ids)
        self.assertFalse(self._invoice(self.north, 100, post=False).dms_accrual_ids)
        self.assertTrue(
            self._invoice(self.clerk_north.partner_id, 100).dms_accrual_ids,
            "a contact buys for its distributor",
        )

    def test_freight_earns_nothing_and_discounts_count(self):
        program = self._program(tiers=((0, 10),))
        order = self.env["sale.order"].create(
            {
                "partner_id": self.north.id,
                "order_line": [Command.create({"product_id": self.soap.id, "is_delivery": True})],
            }
        )
        invoice = self._invoice(
            self.north, [(self.cola, 100), (self.apple, -30), (self.soap, 15)], post=False
        )
        invoice.invoice_line_ids[2].sale_line_ids = order.order_line
        invoice.action_post()
        self.assertEqual(program.accrual_ids.base_amount, 70)

    def test_credit_note_undoes_its_sale_exactly(self):
        self._program()
        self._invoice(self.north, 90)
        invoice = self._invoice(self.north, 333.33, date="2026-02-20")
        wizard = (
            self.env["account.move.reversal"]
            .with_context(active_model="account.move", active_ids=invoice.ids)
            .create({"journal_id": invoice.journal_id.id, "date": "2026-03-15"})
        )
        refund = self.env["account.move"].browse(wizard.reverse_moves()["res_id"])
        refund.action_post()
        self.assertEqual(refund.dms_accrual_ids.base_amount, -333.33)
        self.assertEqual(refund.dms_accrual_ids.date, invoice.invoice_date, "it counts on the sale's day")
        self.assertEqual(refund.dms_accrual_ids.entry_id.date, refund.date)
        self.assertEqual(self._ledger(self.north), 9)
        self._assert_ties(self.north)

    def test_reset_and_repost(self):
        program = self._program(tier_method="whole")
        first = self._invoice(self.north, 90)
        self._invoice(self.north, 250)
        self.assertEqual(self._ledger(self.north), 102)
        first.button_draft()
        # Without the first invoice the period stays in the second tier: the reversal takes more than was accrued for it.
        self.assertEqual(self._ledger(self.north), 50)
        self.assertEqual(first.dms_accrual_ids.sorted("id").mapped("state"), ["reversed", "posted"])
        self._assert_ties(self.north)
        first.invoice_line_ids.price_unit = 10
        first.action_post()
        self.assertEqual(self._ledger(self.north), 52)
        first.button_cancel()
        self.assertEqual(self._ledger(self.north), 50)
        self.assertEqual(sum(program.accrual_ids.mapped("base_amount")), 250)
        self._assert_ties(self.north)
        with self.assertRaisesRegex(UserError, "instead of deleting"):
            first.with_context(force_delete=True).unlink()

    def test_twice_changes_nothing(self):
        program = self._program()
        invoices = self._invoice(self.north, 90) | self._invoice(self.south, 400)
        before = self._ledger(self.north), self._ledger(self.south), len(program.accrual_ids)
        self.assertFalse(self.env["dms.rebate.accrual"]._accrue(invoices))
        program.action_accrue()
        self.assertFalse(invoices.dms_accrual_ids._reverse()._reverse(), "reversals can't be reversed")
        invoices.dms_accrual_ids._reverse()
        program.action_accrue()
        program.invalidate_recordset()
        self.assertEqual(before[:2], (self._ledger(self.north), self._ledger(self.south)))
        self.assertEqual(len(program.accrual_ids), before[2] + 4)
        self._assert_ties(self.north)

    def test_publishing_later_gives_the_same(self):
        rng = random.Random(4)
        early = self._program(code="EARLY", tier_method="whole")
        for _i in range(12):
            self._invoice(self.north, rng.randrange(1, 20000) / 100, date=f"2026-0{rng.randrange(1, 4)}-10")
        late = self._program(code="LATE", tier_method="whole")
        self.assertEqual(early.accrual_amount, late.accrual_amount)
        self.assertEqual(len(late.accrual_ids.entry_id), 3, "one entry per accounting day")

    def test_derived_entries_are_protected(self):
        self._program()
        entry = self._invoice(self.north, 100).dms_accrual_ids.entry_id
        with self.assertRaisesRegex(UserError, "made by rebate accruals"):
            entry.button_draft()
        with self.assertRaisesRegex(UserError, "made by rebate accruals"):
            entry._reverse_moves(cancel=True)
        with self.assertRaisesRegex(UserError, "are kept"):
            entry.dms_entry_accrual_ids.sudo().unlink()
        for user in (self.staff, self.accountant, self.manager):
            with self.assertRaises(AccessError):
                entry.dms_entry_accrual_ids.with_user(user).write({"amount": 1})

    def test_posting_needs_no_channel_rights(self):
        self._program()
        biller = self.env["res.users"].create(
            {
                "name": "Biller",
                "login": "biller",
                "company_id": self.company.id,
                "company_ids": [Command.set(self.company.ids)],
                "group_ids": [Command.set(self.env.ref("account.group_account_invoice").ids)],
            }
        )
        invoice = self._invoice(self.north, 100, post=False)
        invoice.with_user(biller).action_post()
        self.assertEqual(self._ledger(self.north), 10)
        invoice.with_user(biller).button_draft()
        self.assertEqual(self._ledger(self.north), 0)

    def test_locked_period(self):
        self._program()
        invoice = self._invoice(self.north, 100, post=False)
        self.company.fiscalyear_lock_date = "2026-02-28"
        invoice.action_post()
        self.assertGreater(invoice.date, self.company.fiscalyear_lock_date)
        self.assertEqual(invoice.dms_accrual_ids.entry_id.date, invoice.date)
        self.assertEqual(self._ledger(self.north), 10)

    def test_currencies_convert_at_the_documents_date(self):
        euro = self.setup_other_currency("EUR", rates=[("2026-01-01", 2.0), ("2026-02-15", 4.0)])
        self._program()
        self._program(code="EURO", currency_id=euro.id)
        invoice = self._invoice(self.north, 100, currency_id=euro.id, date="2026-02-10")
        dollars, euros = invoice.dms_accrual_ids.sorted(lambda accrual: accrual.program_id.code == "EURO")
        self.assertEqual((dollars.base_amount, dollars.amount, dollars.amount_company), (50, 5, 5))
        self.assertEqual((euros.base_amount, euros.amount, euros.amount_company), (100, 10, 5))
        invoice = self._invoice(self.north, 50, date="2026-02-20")
        self.assertEqual(
            invoice.dms_accrual_ids.filtered(lambda a: a.program_id.code == "EURO").base_amount, 200
        )

    def test_companies_stay_apart(self):
        self._program()
        other = self.setup_other_company(name="Other brand")["company"]
        other._dms_prepare_rebate_accounts()
        other_program = self._program(code="VOL", company_id=other.id, tiers=((0, 50),))
        self.assertEqual(other_program.accrual_account_id.company_ids, other)
        invoice = self._invoice(self.north, 50)
        self.assertEqual(invoice.dms_accrual_ids.program_id.company_id, self.company)
        self.assertFalse(
            self.env["dms.rebate.program"].with_user(self.accountant).search([("id", "=", other_program.id)])
        )

    def test_queries_do_not_grow_with_documents(self):
        self._program()
        accrual = self.env["dms.rebate.accrual"]

        def queries(count):
            program = self._program(code=f"N{count}", publish=False)
            program._set_state("published")
            moves = self.env["account.move"].union(
                *(self._invoice(self.north if index % 2 else self.south, 10) for index in range(count))
            )
            moves.dms_accrual_ids.filtered(lambda a: a.program_id == program)._reverse()
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            self.assertEqual(len(accrual._accrue(moves, programs=program)), count)
            self.env.flush_all()
            return self.env.cr.sql_log_count - before

        small, large = queries(4), queries(24)
        self.assertLessEqual(large, small + 4)
