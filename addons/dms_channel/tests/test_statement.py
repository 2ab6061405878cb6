import io
import random

from openpyxl import load_workbook

from odoo import Command, fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import HttpCase, freeze_time, new_test_user, tagged

from .rebate_common import RebateCommon

JANUARY = (fields.Date.to_date("2026-01-01"), fields.Date.to_date("2026-01-31"))
FEBRUARY = (fields.Date.to_date("2026-02-01"), fields.Date.to_date("2026-02-28"))


class StatementCommon(RebateCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.euro = cls.setup_other_currency(
            "EUR", rates=[("2026-01-01", 0.5), ("2026-02-15", 0.4), ("2026-03-01", 0.25)]
        )
        cls.bank = cls.company_data["default_journal_bank"]
        # Payments post their entries at once, as companies with a liquidity account do.
        outstanding = cls.env["account.account"].create(
            {"name": "Outstanding", "code": "OUTST", "account_type": "asset_current", "reconcile": True}
        )
        cls.bank.inbound_payment_method_line_ids.payment_account_id = outstanding
        cls.bank.outbound_payment_method_line_ids.payment_account_id = outstanding
        cls.receivable = cls.company_data["default_account_receivable"]

    @classmethod
    def _pay(cls, partner, amount, date="2026-02-20", invoices=None, currency=None, memo=False):
        payment = cls.env["account.payment"].create(
            {
                "payment_type": "inbound" if amount > 0 else "outbound",
                "partner_type": "customer",
                "partner_id": partner.id,
                "amount": abs(amount),
                "currency_id": (currency or cls.company.currency_id).id,
                "date": date,
                "journal_id": cls.bank.id,
                "memo": memo,
            }
        )
        payment.action_post()
        if invoices:
            cls._reconcile(payment.move_id | invoices)
        return payment

    def _run_cron(self, name):
        self.env.flush_all()
        with self.enter_registry_test_mode():
            self.env.ref(f"dms_channel.{name}").method_direct_trigger()
        self.env.invalidate_all()

    @classmethod
    def _reconcile(cls, moves):
        moves.line_ids.filtered(
            lambda item: item.account_id.account_type == "asset_receivable" and not item.reconciled
        ).reconcile()

    @classmethod
    def _statement(cls, partner=None, period=FEBRUARY, **vals):
        return cls.env["dms.statement"].create(
            {
                "partner_id": (partner or cls.north).id,
                "date_from": period[0],
                "date_to": period[1],
                "company_id": cls.company.id,
                "currency_id": cls.company.currency_id.id,
                **vals,
            }
        )

    # The ledger, computed as Odoo's partner ledger and aged receivable do, by the ORM and from nothing of ours.

    def _get_items(self, partner, until, company=None):
        contacts = (
            self.env["res.partner"].with_context(active_test=False).search([("id", "child_of", partner.id)])
        )
        return self.env["account.move.line"].search(
            [
                ("partner_id", "in", contacts.ids),
                ("company_id", "=", (company or self.company).id),
                ("account_id.account_type", "=", "asset_receivable"),
                ("parent_state", "=", "posted"),
                ("date", "<=", until),
            ]
        )

    def _get_residual(self, item, day):
        """Open in the item's and in the company's currency at the end of a day, from partial reconciliations."""
        paid = item.matched_credit_ids.filtered(
            lambda partial: partial.max_date <= day and partial.credit_move_id.parent_state == "posted"
        )
        used = item.matched_debit_ids.filtered(
            lambda partial: partial.max_date <= day and partial.debit_move_id.parent_state == "posted"
        )
        return (
            item.amount_currency
            - sum(paid.mapped("debit_amount_currency"))
            + sum(used.mapped("credit_amount_currency")),
            item.balance - sum(paid.mapped("amount")) + sum(used.mapped("amount")),
        )

    def _assert_ledger(self, statements, partner, company=None):
        """All statements of a partner's period say what the ledger says, to the cent."""
        company = company or self.company
        start, end = statements[0].date_from, statements[0].date_to
        items = self._get_items(partner, end, company)
        before = items.filtered(lambda item: item.date < start)
        within = items - before

        def same(first, second, message):
            self.assertFalse(
                company.currency_id.compare_amounts(first, second), f"{message}: {first} != {second}"
            )

        same(sum(statements.mapped("company_opening")), sum(before.mapped("balance")), "initial balance")
        same(sum(statements.mapped("company_closing")), sum(items.mapped("balance")), "balance")
        same(sum(statements.line_ids.mapped("company_amount")), sum(within.mapped("balance")), "movement")
        listed = statements.line_ids.filtered(lambda line: line.kind != "conversion")
        self.assertEqual(listed.move_line_id, within)
        for currency in items.currency_id:
            statement = statements.filtered(lambda statement, c=currency: statement.currency_id == c)
            own = items.filtered(lambda item, c=currency: item.currency_id == c)
            residuals = {item: self._get_residual(item, end) for item in own}
            expected = currency.round(sum(residual for residual, _company in residuals.values()))
            self.assertEqual(len(statement), 1, currency.name)
            same(statement.closing_balance, expected, f"open in {currency.name}")
            same(
                statement.opening_balance + sum(statement.line_ids.mapped("amount")),
                statement.closing_balance,
                "opening and entries make the closing balance",
            )
            if statement.line_ids:
                same(statement.line_ids[-1].balance, statement.closing_balance, "running balance")
            same(
                sum(statement[name] for name in statement._get_total_fields()),
                sum(statement.line_ids.mapped("amount")),
                "totals",
            )
            ages = dict.fromkeys(("age_due", "age_30", "age_60", "age_90", "age_older"), 0.0)
            for item, (residual, _company) in residuals.items():
                days = (end - (item.date_maturity or item.date)).days
                name = next(
                    name
                    for name, limit in (
                        ("age_due", 0),
                        ("age_30", 30),
                        ("age_60", 60),
                        ("age_90", 90),
                        ("age_older", 10**6),
                    )
                    if days <= limit
                )
                ages[name] += residual
            for name, amount in ages.items():
                same(statement[name], amount, name)
            same(statement.age_other, 0, "nothing is set off elsewhere")

    def _assert_stated(self, partner, period=FEBRUARY, company=None):
        company = company or self.company
        statements = (
            self.env["dms.statement"]
            .with_context(allowed_company_ids=company.ids)
            ._generate(*period, companies=company, partners=partner)
        )
        self._assert_ledger(statements, partner, company)
        return statements


@tagged("post_install", "-at_install")
@freeze_time("2026-03-15")
class TestStatementLedger(StatementCommon):
    """A statement has the same figures as Odoo's partner ledger, to the cent."""

    def test_invoices_payments_and_credit_notes(self):
        self._invoice(self.north, 1000.10, date="2026-01-10", invoice_date_due="2026-02-09")
        self.assertEqual(self.env["dms.statement"]._get_last_month(), FEBRUARY)
        paid = self._invoice(self.north, 500, date="2026-02-03")
        self._invoice(self.north, 70.07, date="2026-02-04", move_type="out_refund")
        self._pay(self.north, 300, "2026-02-10", paid)
        self._pay(self.north, 200, "2026-03-02", paid)
        statement = self._assert_stated(self.north)
        self.assertRecordValues(
            statement,
            [
                {
                    "name": "STM/2026-02/N",
                    "state": "draft",
                    "opening_balance": 1000.10,
                    "amount_invoice": 500,
                    "amount_credit_note": -70.07,
                    "amount_payment": -300,
                    "amount_settlement": 0,
                    "amount_other": 0,
                    "closing_balance": 1130.03,
                }
            ],
        )
        self.assertRecordValues(
            statement.line_ids,
            [
                {"kind": "invoice", "amount": 500, "balance": 1500.10},
                {"kind": "credit_note", "amount": -70.07, "balance": 1430.03},
                {"kind": "payment", "amount": -300, "balance": 1130.03},
            ],
        )
        # What was paid in March is open on the last of February.
        self.assertEqual(sorted(statement.item_ids.mapped("residual")), [-70.07, 200, 1000.10])
        self.assertEqual(statement.amount_overdue, 1000.10, "a credit is nothing that is overdue")
        self.assertFalse(self.env["dms.statement"]._generate(*FEBRUARY, partners=self.south))

    def test_a_balanced_account_without_entries_is_not_stated(self):
        invoice = self._invoice(self.north, 100, date="2026-01-10")
        self._pay(self.north, 100, "2026-01-12", invoice)
        self.assertFalse(self.env["dms.statement"]._generate(*FEBRUARY, partners=self.north))
        self.assertTrue(self.env["dms.statement"]._generate(*JANUARY, partners=self.north))

    def test_settlements_have_a_line_of_their_own(self):
        self._program(tiers=((0, 10),))
        self._invoice(self.north, 1000, date="2026-02-10")
        settlement = self.env["dms.settlement"]._generate(*JANUARY[:1], FEBRUARY[1])
        settlement.credit_date = "2026-02-25"
        self._post_settlements(settlement)
        statement = self._assert_stated(self.north)
        self.assertEqual((statement.amount_settlement, statement.amount_credit_note), (-100, 0))

    def test_foreign_currency_with_exchange_differences(self):
        """An invoice at 2.00 a euro, paid in part at 2.50 and 4.00: the differences are in company currency only."""
        invoice = self._invoice(self.north, 100, date="2026-01-20", currency_id=self.euro.id)
        self._invoice(self.north, 55, date="2026-02-03")
        self._pay(self.north, 30, "2026-02-16", invoice, currency=self.euro)
        statements = self._assert_stated(self.north)
        self.assertEqual(len(statements), 2)
        euro = statements.filtered("is_foreign")
        self.assertEqual(euro.name, "STM/2026-02/N/EUR")
        self.assertEqual((euro.opening_balance, euro.closing_balance), (100, 70))
        self.assertIn("exchange", euro.line_ids.mapped("kind"))
        self._pay(self.north, 70, "2026-03-02", invoice, currency=self.euro)
        march = (fields.Date.to_date("2026-03-01"), fields.Date.to_date("2026-03-31"))
        self.assertEqual(self._assert_stated(self.north, march).filtered("is_foreign").closing_balance, 0)

    def test_an_invoice_in_euro_paid_in_dollars(self):
        """What is settled in another currency moves between the two statements; the sum is the ledger's."""
        invoice = self._invoice(self.north, 100, date="2026-02-03", currency_id=self.euro.id)
        self._pay(self.north, 120, "2026-02-05", invoice)
        statements = self._assert_stated(self.north)
        euro = statements.filtered("is_foreign")
        conversion = euro.line_ids.filtered(lambda line: line.kind == "conversion")
        self.assertEqual((conversion.amount, conversion.company_amount), (-60, -120))
        self.assertEqual(euro.closing_balance, 40)
        self.assertEqual((statements - euro).closing_balance, 0)

    def test_several_receivable_accounts_and_contacts(self):
        """Items on another receivable account, and of a contact, belong to the company's statement."""
        other = self.receivable.copy({"code": "RECV2", "name": "Receivables, old"})
        contact = self.env["res.partner"].create(
            {"name": "Branch", "parent_id": self.north.id, "type": "invoice"}
        )
        self._invoice(contact, 40, date="2026-02-03")
        entry = self.env["account.move"].create(
            {
                "date": "2026-02-06",
                "line_ids": [
                    Command.create({"account_id": other.id, "partner_id": contact.id, "debit": 33.33}),
                    Command.create(
                        {"account_id": self.company_data["default_account_revenue"].id, "credit": 33.33}
                    ),
                ],
            }
        )
        entry.action_post()
        statement = self._assert_stated(self.north)
        self.assertEqual((statement.amount_invoice, statement.amount_other), (40, 33.33))

    def test_cancelled_draft_and_reversed(self):
        """Only what is posted counts; a document and its reversal are both there."""
        self._invoice(self.north, 10, date="2026-02-03", post=False)
        self._invoice(self.north, 20, date="2026-02-03").button_draft()
        cancelled = self._invoice(self.north, 30, date="2026-02-03")
        cancelled.button_draft()
        cancelled.button_cancel()
        reversed_ = self._invoice(self.north, 40, date="2026-02-03")
        reversed_._reverse_moves([{"date": "2026-02-07", "invoice_date": "2026-02-07"}], cancel=True)
        paid = self._invoice(self.north, 50, date="2026-02-04")
        self._pay(self.north, 50, "2026-02-05", paid).action_draft()
        statement = self._assert_stated(self.north)
        self.assertEqual(statement.line_ids.mapped("amount"), [40, 50, -40])
        self.assertEqual(statement.item_ids.mapped("residual"), [50], "the payment is a draft again")

    def test_several_companies(self):
        other = self.setup_other_company()
        self._invoice(self.north, 100, date="2026-02-03")
        invoice = (
            self.env["account.move"]
            .with_company(other["company"])
            .create(
                {
                    "move_type": "out_invoice",
                    "partner_id": self.north.id,
                    "invoice_date": "2026-02-03",
                    "journal_id": other["default_journal_sale"].id,
                    "invoice_line_ids": [
                        Command.create({"name": "x", "price_unit": 77, "tax_ids": [Command.clear()]})
                    ],
                }
            )
        )
        invoice.action_post()
        self.assertEqual(self._assert_stated(self.north).closing_balance, 100)
        self.assertEqual(self._assert_stated(self.north, company=other["company"]).closing_balance, 77)

    def test_terms_with_several_due_dates_age_by_each(self):
        terms = self.env["account.payment.term"].create(
            {
                "name": "Half now, half in 45 days",
                "line_ids": [
                    Command.create({"value": "percent", "value_amount": 50, "nb_days": 0}),
                    Command.create({"value": "percent", "value_amount": 50, "nb_days": 45}),
                ],
            }
        )
        self._invoice(self.north, 99.99, date="2026-02-01", invoice_payment_term_id=terms.id)
        statement = self._assert_stated(self.north)
        self.assertEqual(len(statement.line_ids), 2)
        self.assertEqual(sorted((statement.age_due, statement.age_30)), [49.99, 50.0])

    def test_a_random_history_in_two_currencies(self):
        """Invoices, refunds, partial payments across currencies, reversals: each month ties to the ledger."""
        chance = random.Random(4)
        invoices = []
        for _number in range(24):
            currency = chance.choice((self.euro, self.company.currency_id))
            day = f"2026-{chance.randint(1, 2):02}-{chance.randint(1, 28):02}"
            partner = chance.choice((self.north, self.clerk_north.partner_id))
            move = self._invoice(
                partner,
                round(chance.uniform(1, 900), 2),
                date=day,
                currency_id=currency.id,
                move_type=chance.choice(("out_invoice", "out_invoice", "out_invoice", "out_refund")),
            )
            if move.move_type == "out_invoice":
                invoices.append(move)
        for move in chance.sample(invoices, 12):
            if move.amount_residual <= 0:
                continue
            share = chance.choice((0.3, 0.65, 1, 1.2))
            day = max(
                fields.Date.to_date(f"2026-0{chance.randint(1, 3)}-{chance.randint(1, 14):02}"), move.date
            )
            currency = chance.choice((self.euro, self.company.currency_id))
            amount = move.currency_id._convert(move.amount_residual, currency, self.company, day)
            self._pay(self.north, max(currency.round(amount * share), 0.01), day, move, currency)
        for move in invoices[:2]:
            move._reverse_moves([{"date": "2026-02-27", "invoice_date": "2026-02-27"}])._post()
        march = (fields.Date.to_date("2026-03-01"), fields.Date.to_date("2026-03-15"))
        closing = {}
        for period in (JANUARY, FEBRUARY, march):
            for statement in self._assert_stated(self.north, period):
                if statement.currency_id in closing:
                    self.assertAlmostEqual(statement.opening_balance, closing[statement.currency_id], 2)
                closing[statement.currency_id] = statement.closing_balance
        self.assertEqual(len(closing), 2)


@tagged("post_install", "-at_install")
@freeze_time("2026-03-15")
class TestStatement(StatementCommon):
    """From draft to closed: who says what, and what stays as it was."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.north.email = "north@partner.example"
        cls.invoice = cls._invoice(cls.north, 1000, date="2026-02-03")
        cls.payment = cls._pay(cls.north, 400, "2026-02-10", cls.invoice)

    def _sent(self, **vals):
        statement = self._statement(**vals).with_user(self.accountant)
        statement.action_send()
        return statement

    def test_sending_freezes_the_figures(self):
        statement = self._statement()
        self._invoice(self.north, 50, date="2026-02-05")
        statement.with_user(self.accountant).action_send()
        self.assertEqual(statement.closing_balance, 650, "what was posted until sending is in it")
        self.assertEqual((statement.state, statement.deadline), ("sent", fields.Date.to_date("2026-03-25")))
        message = statement.message_ids.filtered(lambda m: m.attachment_ids)
        self.assertEqual(
            set(message.attachment_ids.mapped("name")), {"STM-2026-02-N.pdf", "STM-2026-02-N.xlsx"}
        )
        self.assertIn(self.north, message.partner_ids)
        for vals in ({"date_to": "2026-02-27"}, {"state": "draft"}, {"answer": "confirmed"}):
            with self.assertRaises(UserError), self.env.cr.savepoint():
                statement.write(vals)
        with self.assertRaisesRegex(UserError, "come from the ledger"), self.env.cr.savepoint():
            statement.line_ids[0].amount = 7
        with self.assertRaisesRegex(UserError, "was sent"), self.env.cr.savepoint():
            statement.action_compute()
        with self.assertRaisesRegex(UserError, "it is kept"), self.env.cr.savepoint():
            statement.unlink()

    def test_a_period_that_runs_is_not_sent(self):
        statement = self._statement(
            period=(fields.Date.to_date("2026-03-01"), fields.Date.to_date("2026-03-31"))
        )
        with self.assertRaisesRegex(UserError, "can be sent when that day has come"):
            statement.action_send()

    def test_later_entries_show_as_differences_and_make_a_new_version(self):
        statement = self._sent()
        line = statement.line_ids[0]
        statement._answer_lines(line, "confirmed", "Nora", "127.0.0.1")
        self.assertEqual(statement.difference_count, 0)
        self._invoice(self.north, 70, date="2026-02-27")
        self._invoice(self.north, 30, date="2026-01-27")
        self.payment.action_draft()
        statement.invalidate_recordset()
        differences = statement._read_differences()[statement.id]
        self.assertEqual(
            [(row["kind"], row["stated"], row["now"]) for row in differences],
            [("opening", 0, 30), ("gone", -400, 0), ("new", 0, 70)],
        )
        self.assertEqual((statement.difference_count, statement.current_closing), (3, 1100))
        self.assertEqual(statement.closing_balance, 600, "the sent figures stay")
        self.assertIn(statement, self.env["dms.statement"].search([("difference_count", ">", 0)]))
        version = self.env["dms.statement"].browse(statement.action_new_version()["res_id"])
        self.assertEqual(version, self.env["dms.statement"].browse(statement.action_new_version()["res_id"]))
        self.assertEqual(
            (version.version, version.name, version.closing_balance), (2, "STM/2026-02/N/v2", 1100)
        )
        self.assertEqual(statement.state, "sent", "the old one holds until the new one is sent")
        version.action_send()
        self.assertEqual((statement.state, statement.outcome), ("closed", "superseded"))
        self.assertEqual(
            {line.amount: line.answer for line in version.line_ids},
            {1000: "confirmed", 70: "open"},
            "what was confirmed stays confirmed where nothing changed",
        )

    def test_line_by_line_then_confirmed(self):
        statement = self._sent()
        invoice, payment = statement.line_ids
        statement._answer_lines(payment, "disputed", "Nora North", "127.0.0.1", "We paid 450", -450)
        self.assertEqual((statement.state, payment.partner_amount), ("disputed", -450))
        self.assertEqual(payment.answered_by, "Nora North")
        self.assertTrue(statement.activity_ids, "somebody has to reply")
        with self.assertRaisesRegex(UserError, "nobody replied"), self.env.cr.savepoint():
            statement.action_close()
        with self.assertRaisesRegex(UserError, "not disputed"), self.env.cr.savepoint():
            invoice.with_user(self.accountant).reply = "?"
        payment.with_user(self.accountant).reply = "The bank shows 400; see the attached slip"
        self.assertEqual(payment.replied_by_id, self.accountant)
        statement.action_send_replies()
        self.assertIn("The bank shows 400", statement.message_ids[0].body)
        self.assertFalse(statement.activity_ids)
        statement._answer_balance("confirmed", "Nora North")
        self.assertEqual((invoice.answer, payment.answer), ("confirmed", "disputed"))
        self.assertEqual(statement.state, "disputed", "an entry in dispute is not confirmed with the rest")
        statement._answer_lines(payment, "confirmed", "Nora North")
        self.assertEqual(
            (statement.state, statement.answer, statement.answered_by),
            ("confirmed", "confirmed", "Nora North"),
        )
        with self.assertRaisesRegex(UserError, "does not wait for an answer"):
            statement._answer_balance("disputed", "Nora North", reason="x", amount=1)
        statement.action_close()
        self.assertEqual((statement.state, statement.outcome), ("closed", "confirmed"))

    def test_confirmed_or_disputed_all_at_once(self):
        statement = self._sent()
        for kwargs, words in (
            ({"reason": "No", "amount": 1, "name": " "}, "your name"),
            ({"reason": " ", "amount": 1, "name": "N"}, "needs a reason"),
            ({"reason": "No", "amount": None, "name": "N"}, "stands in your books"),
        ):
            with self.assertRaisesRegex(UserError, words):
                statement._answer_balance("disputed", **kwargs)
        statement._answer_balance("disputed", "Nora", reason="A payment of 100 is missing", amount=500)
        self.assertEqual((statement.state, statement.partner_amount), ("disputed", 500))
        statement.reply = "It came in March"
        self.assertEqual(statement.replied_by_id, self.accountant)
        statement._answer_balance("confirmed", "Nora")
        self.assertEqual(statement.state, "confirmed")
        self.assertEqual(set(statement.line_ids.mapped("answer")), {"confirmed"})

    def test_silence_is_no_consent(self):
        self.company.write({"dms_statement_days": 5, "dms_statement_reminder_days": 2})
        statement = self._sent()
        with self.assertRaisesRegex(UserError, "may be answered until"):
            statement.action_close()
        Statement = self.env["dms.statement"]
        messages = len(statement.message_ids)
        self._run_cron("dms_statement_cron_remind")
        self.assertEqual(len(statement.message_ids), messages, "the reminder is not due yet")
        with freeze_time("2026-03-18"):
            self._run_cron("dms_statement_cron_remind")
            self._run_cron("dms_statement_cron_remind")
        self.assertEqual(len(statement.message_ids), messages + 1, "reminded once")
        self.assertIn("does not count as confirmed", statement.message_ids[0].body)
        with freeze_time("2026-03-21"):
            self._run_cron("dms_statement_cron_remind")
            self._run_cron("dms_statement_cron_remind")
            self.assertEqual(len(statement.activity_ids), 1)
            self.assertTrue(statement.is_late)
            self.assertIn(statement, Statement.search([("is_late", "=", True)]))
            self.assertEqual(statement.state, "sent")
            statement.action_close()
        self.assertEqual((statement.state, statement.outcome), ("closed", "unanswered"))

    def test_cron_states_last_month_once(self):
        self._invoice(self.south, 10, date="2026-02-03")
        other = self.setup_other_company()["company"]
        self._run_cron("dms_statement_cron_generate")
        statements = self.env["dms.statement"].search([("company_id", "in", (self.company | other).ids)])
        self.assertRecordValues(
            statements.sorted("closing_balance"),
            [
                {"partner_id": self.south.id, "state": "draft", "closing_balance": 10},
                {"partner_id": self.north.id, "state": "draft", "closing_balance": 600},
            ],
        )
        self.company.write({"dms_statement_auto_send": True, "dms_statement_user_id": self.accountant.id})
        self._invoice(self.south, 5, date="2026-02-04")
        self._run_cron("dms_statement_cron_generate")
        self.assertEqual(
            self.env["dms.statement"].search([("company_id", "in", (self.company | other).ids)]), statements
        )
        self.assertEqual(set(statements.mapped("state")), {"sent"})
        self.assertEqual(sorted(statements.mapped("closing_balance")), [15, 600])

    def test_queries_do_not_grow_with_the_distributors(self):
        partners = self.env["res.partner"].create(
            [
                {"name": f"D{n}", "ref": f"D{n}", "is_company": True, "channel_role": "distributor"}
                for n in range(8)
            ]
        )
        for partner in partners:
            self._invoice(partner, 10, date="2026-02-03")
            self._invoice(partner, 20, date="2026-01-03")
        Statement = self.env["dms.statement"]

        def count(period, some):
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            Statement._generate(*period, partners=some)
            self.env.flush_all()
            return self.env.cr.sql_log_count - before

        count(JANUARY, partners[:1])
        few = count(FEBRUARY, partners[:2])
        many = count(FEBRUARY, partners[2:])
        self.assertLessEqual(many, few, "six accounts take no more queries than two")

    def test_documents(self):
        self.north.ref = "=1+1"
        self._invoice(self.north, 70, date="2026-02-27", ref="=cmd()")
        statement = self._sent()
        self.assertEqual(statement._render_pdf()[:4], b"%PDF")
        book = load_workbook(io.BytesIO(statement._render_xlsx()))
        self.assertEqual(book.sheetnames, ["Statement", "Entries", "Open items"])
        rows = list(book["Entries"].values)
        self.assertEqual([row[5] for row in rows[1:]], [1000, -400, 70])
        self.assertEqual([row[6] for row in rows[1:]], [1000, 600, 670])
        self.assertEqual(rows[3][3], "=cmd()")
        self.assertEqual(book["Entries"]["D4"].data_type, "s", "a reference is no formula")
        summary = dict(row[:2] for row in book["Statement"].values if row[0])
        self.assertEqual(summary["Closing Balance"], 670)
        self.assertEqual(sum(row[6] for row in list(book["Open items"].values)[1:]), 670)


@tagged("post_install", "-at_install")
@freeze_time("2026-03-15")
class TestStatementAccess(StatementCommon, HttpCase):
    """Who reads and answers a statement: its distributor, no sibling, no other company, not the public."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls._invoice(cls.north, 1000, date="2026-02-03")
        cls.statement = cls._statement()

    def test_models(self):
        models = ("dms.statement", "dms.statement.line", "dms.statement.item")
        other = self.env["res.company"].create({"name": "Other"})
        stranger = new_test_user(
            self.env, "stranger", "base.group_user,dms_channel.dms_channel_group_accountant",
            company_id=other.id, company_ids=[Command.set(other.ids)],
        )  # fmt: skip
        public = self.env.ref("base.public_user")
        for model in models:
            self.assertFalse(self.env[model].with_user(self.clerk_north).search([]), "a draft is ours alone")
        self.statement.action_send()
        own = {
            "dms.statement": self.statement,
            "dms.statement.line": self.statement.line_ids,
            "dms.statement.item": self.statement.item_ids,
        }
        for model in models:
            self.assertEqual(self.env[model].with_user(self.clerk_north).search([]), own[model])
            self.assertFalse(self.env[model].with_user(self.clerk_south).search([]))
            self.assertFalse(self.env[model].with_user(stranger).search([]))
            self.assertEqual(
                self.env[model].with_user(self.staff).search([("id", "in", own[model].ids)]), own[model]
            )
            with self.assertRaises(AccessError):
                self.env[model].with_user(public).search([])
            for user in (self.clerk_north, self.staff):
                with self.assertRaises(AccessError):
                    own[model].with_user(user).check_access("write")
        with self.assertRaises(AccessError):
            self.statement.line_ids.with_user(self.accountant).unlink()

    def test_files(self):
        token = self.statement._portal_ensure_token()
        self.env.flush_all()
        self.authenticate(None, None)
        for kind in ("pdf", "xlsx"):
            url = f"/dms/statement/{self.statement.id}/{kind}"
            self.assertEqual(self.url_open(f"{url}?access_token={token}").status_code, 404, "still a draft")
        self.statement.action_send()
        for kind, head in (("pdf", b"%PDF"), ("xlsx", b"PK")):
            url = f"/dms/statement/{self.statement.id}/{kind}"
            for user, status in ((self.clerk_north, 200), (self.clerk_south, 404), (None, 404)):
                self.authenticate(user and user.login, user and user.login)
                response = self.url_open(url)
                self.assertEqual(response.status_code, status, f"{kind} {user}")
                self.assertEqual(response.content.startswith(head), status == 200)
            self.assertEqual(self.url_open(f"{url}?access_token=wrong").status_code, 404)
            self.assertEqual(self.url_open(f"{url}?access_token={token}").status_code, 200)
