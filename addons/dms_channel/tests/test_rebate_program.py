from psycopg2 import IntegrityError

from odoo import Command
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import freeze_time, tagged
from odoo.tools import mute_logger

from .rebate_common import RebateCommon


@tagged("post_install", "-at_install")
@freeze_time("2026-03-15")
class TestRebateProgram(RebateCommon):
    def test_defaults_come_from_the_company(self):
        program = self._program(publish=False)
        self.assertRecordValues(
            program,
            [
                {
                    "state": "draft",
                    "version": 1,
                    "currency_id": self.company.currency_id.id,
                    "journal_id": self.company.dms_rebate_journal_id.id,
                    "expense_account_id": self.expense_account.id,
                    "accrual_account_id": self.accrual_account.id,
                }
            ],
        )
        self.assertTrue(self.accrual_account.reconcile)

    def test_preparing_accounts_twice_changes_nothing(self):
        before = (self.accrual_account, self.expense_account, self.company.dms_rebate_journal_id)
        self.company._dms_prepare_rebate_accounts()
        company = self.company
        self.assertEqual(
            before,
            (
                company.dms_rebate_accrual_account_id,
                company.dms_rebate_expense_account_id,
                company.dms_rebate_journal_id,
            ),
        )

    def test_publishing_says_all_that_is_missing(self):
        self.company.write(
            {
                "dms_rebate_journal_id": False,
                "dms_rebate_expense_account_id": False,
                "dms_rebate_accrual_account_id": False,
            }
        )
        program = self._program(tiers=(), publish=False)
        self.assertTrue(program.missing_accounts)
        with self.assertRaises(UserError) as caught:
            program.action_publish()
        for word in ("no tier", "no journal", "no expense account", "no accrual account"):
            self.assertIn(word, str(caught.exception))
        program.action_prepare_accounts()
        self.assertFalse(program.missing_accounts)

    def test_accrual_account_must_allow_reconciliation(self):
        program = self._program(publish=False)
        self.accrual_account.reconcile = False
        with self.assertRaisesRegex(UserError, "does not allow reconciliation"):
            program.action_publish()

    def test_currency_without_rate(self):
        currency = self.env["res.currency"].with_context(active_test=False).search([("name", "=", "ISK")])
        currency.active = True
        currency.rate_ids.unlink()
        program = self._program(publish=False, currency_id=currency.id)
        with self.assertRaisesRegex(UserError, "ISK has no rate"):
            program.action_publish()

    def test_published_terms_are_frozen(self):
        program = self._program()
        with self.assertRaisesRegex(UserError, "new version"):
            program.tier_method = "whole"
        with self.assertRaisesRegex(UserError, "new version"):
            program.tier_ids[0].rate = 99
        with self.assertRaisesRegex(UserError, "new version"):
            program.tier_ids = [Command.create({"from_amount": 9999, "rate": 1})]
        with self.assertRaisesRegex(UserError, "new version"):
            program.tier_ids[0].unlink()
        with self.assertRaisesRegex(UserError, "new version"):
            program.factor_ids = [Command.create({"threshold": 1, "factor": 1})]
        with self.assertRaisesRegex(UserError, "new version"):
            program.unlink()
        with self.assertRaisesRegex(UserError, "buttons"):
            program.state = "draft"
        with self.assertRaisesRegex(UserError, "starts as a draft"):
            self.env["dms.rebate.program"].create({"name": "A", "code": "A", "state": "published"})
        program.user_id = self.manager

    def test_bad_tiers(self):
        with self.assertRaisesRegex(ValidationError, "per unit"):
            self._program(
                publish=False, tier_ids=[Command.create({"from_amount": 0, "rate": 1, "kind": "unit"})]
            )
        with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"):
            self._program(tiers=((0, 1), (0, 2)), publish=False, code="DUP")

    def test_included_tax_is_refused(self):
        tax = self.tax_sale_a.copy({"name": "Included", "price_include_override": "tax_included"})
        with self.assertRaisesRegex(ValidationError, "net amount"):
            self._program(publish=False, tax_ids=[Command.set(tax.ids)])

    def test_new_version_takes_over(self):
        self.env["res.lang"]._activate_lang("fr_FR")
        first = self._program()
        first.with_context(lang="fr_FR").name = "Bonus de volume"
        march = self._invoice(self.north, 100, date="2026-03-10")
        action = first.action_new_version()
        second = self.env["dms.rebate.program"].browse(action["res_id"])
        self.assertRecordValues(
            second, [{"version": 2, "previous_id": first.id, "state": "draft", "code": "VOL"}]
        )
        self.assertEqual(second.with_context(lang="fr_FR").name, "Bonus de volume")
        self.assertEqual(first.action_new_version()["res_id"], second.id)
        self.assertEqual(second.tier_ids.mapped("rate"), first.tier_ids.mapped("rate"))
        second.write(
            {"date_start": "2026-03-01", "tier_ids": [Command.clear(), Command.create({"rate": 50})]}
        )
        second.action_publish()
        self.assertRecordValues(
            first, [{"state": "closed", "date_end": second.date_start.replace(month=2, day=28)}]
        )
        # What the old version had accrued for days of the new one moved over.
        self.assertEqual(
            sum(march.dms_accrual_ids.filtered(lambda a: a.program_id == first).mapped("amount")), 0
        )
        self.assertEqual(
            sum(march.dms_accrual_ids.filtered(lambda a: a.program_id == second).mapped("amount")), 50
        )
        self._assert_ties(self.north)
        with self.assertRaisesRegex(UserError, "follows this version"):
            first.action_new_version()

    def test_two_versions_for_one_day(self):
        first = self._program()
        second = self.env["dms.rebate.program"].browse(first.action_new_version()["res_id"])
        second.date_start = first.date_start
        with self.assertRaisesRegex(UserError, "two versions can't hold on one day"):
            second.action_publish()

    def test_closing_ends_today(self):
        program = self._program()
        program.action_close()
        self.assertRecordValues(
            program, [{"state": "closed", "date_end": program.date_start.replace(month=3, day=15)}]
        )
        self._invoice(self.north, 100, date="2026-03-10")
        self.assertEqual(program.accrual_amount, 10)

    def test_periods(self):
        program = self._program(publish=False, date_start="2026-02-15", date_end="2026-11-30")
        day = program.date_start.replace
        expected = {
            "month": (day(month=5, day=1), day(month=5, day=31)),
            "quarter": (day(month=4, day=1), day(month=6, day=30)),
            "year": (day(), day(month=11, day=30)),
            "validity": (day(), day(month=11, day=30)),
        }
        for period, (start, end) in expected.items():
            program.period = period
            self.assertEqual(program._get_period_start(day(month=5, day=20)), start, period)
            self.assertEqual(program._get_period_end(start), end, period)
        program.period = "month"
        self.assertEqual(program._get_period_start(day(day=20)), day())
        self.assertEqual(program._get_period_end(day()), day(day=28))

    def test_progress_for_the_portal(self):
        self._program()
        self._invoice(self.north, 250)
        [line] = self.env["dms.rebate.program"].with_user(self.clerk_north)._get_progress(self.north)
        self.assertEqual(
            (line["base"], line["accrued"], line["next_from"], line["missing"]), (250, 40, 300, 50)
        )
        self.assertEqual((line["rate_text"], line["next_rate_text"]), ("20 %", "30 %"))
        [line] = self.env["dms.rebate.program"]._get_progress(self.south)
        self.assertEqual((line["base"], line["accrued"], line["missing"]), (0, 0, 100))

    def test_rights(self):
        program = self._program(publish=False)
        program.with_user(self.manager).action_publish()
        with self.assertRaises(AccessError):
            program.with_user(self.staff).name = "Mine"
        with self.assertRaises(AccessError):
            program.with_user(self.clerk_north).read(["name"])
        self.assertEqual(program.with_user(self.staff).tier_ids[0].rate, 10)
