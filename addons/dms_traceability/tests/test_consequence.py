from odoo import fields
from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tests import tagged

from .common import DmsTraceCommon

STAGES = ("nothing", "draft", "sent", "posted")


@tagged("post_install", "-at_install")
class TestConsequence(DmsTraceCommon):
    """North and South buy the same and earn the same; a case is ruled on against North, and taken back. In the end the
    ledger must not tell the two apart."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.company._dms_prepare_rebate_accounts()
        cls.claw_back = cls.env["account.account"].create(
            {"name": "Claw-backs", "code": "458100", "account_type": "income_other"}
        )
        cls.company.write({"dms_diversion_account_id": cls.claw_back.id, "dms_diversion_percent": 50})
        cls.north, cls.south = cls.distributor_north, cls.distributor_south
        cls.product.taxes_id = False
        cls.today = fields.Date.context_today(cls.env.user)
        cls.first = cls.today.replace(month=1, day=1)
        cls.program = cls.env["dms.rebate.program"].create(
            {
                "name": "Clean",
                "code": "CLEAN",
                "date_start": cls.first,
                "accrual_policy": "periodic",
                "leaves_out_diverted": True,
                "tier_ids": [Command.create({"rate": 10})],
            }
        )
        cls.program.action_publish()
        for partner in (cls.north, cls.south):
            invoice = cls.env["account.move"].create(
                {
                    "move_type": "out_invoice",
                    "partner_id": partner.id,
                    "invoice_date": cls.today,
                    "invoice_line_ids": [
                        Command.create(
                            {
                                "product_id": cls.product.id,
                                "quantity": 300,
                                "price_unit": 7.77,
                                "tax_ids": False,
                            }
                        )
                    ],
                }
            )
            invoice.action_post()

    def _open_case(self, codes=7):
        alert = (
            self.env["dms.diversion.alert"]
            .sudo()
            .create(
                {
                    "name": "A",
                    "company_id": self.company.id,
                    "partner_id": self.north.id,
                    "product_id": self.product.id,
                    "territory_id": self.territory_south.id,
                    "code_count": codes,
                    "date_last": fields.Datetime.now(),
                }
            )
            .sudo(False)
            .with_env(self.env)
        )
        case = (
            self.env["dms.diversion.case"]
            .with_user(self.inspector)
            .browse(alert.with_user(self.inspector).action_open_case()["res_id"])
        )
        case.action_hear()
        return case

    def _ledger(self, partner):
        """Sums of the posted items by account, those of nothing left out."""
        self.env.flush_all()
        return {
            account: self.company.currency_id.round(balance)
            for account, balance in self.env["account.move.line"]._read_group(
                [("partner_id", "=", partner.id), ("parent_state", "=", "posted")],
                ["account_id"],
                ["balance:sum"],
            )
            if not self.company.currency_id.is_zero(balance)
        }

    def _settle(self, stage, **values):
        settlements = self.env["dms.settlement"]._generate(self.first, self.today.replace(month=12, day=31))
        settlements.write(values)
        if stage in ("sent", "posted"):
            settlements.action_send()
        if stage == "posted":
            settlements.action_accept()
            settlements.action_post()
        return settlements

    def _appeal(self, case):
        case._appeal("A gift.")
        case.with_env(self.env).action_grant_appeal()

    def test_undone_at_any_stage_as_if_never_ruled(self):
        """Ruled on while a settlement is at one stage, appealed at the same or a later one; settled in the end."""
        stages = [
            (before, after, payout)
            for number, before in enumerate(STAGES)
            for after in STAGES[number:]
            for payout in ("credit_note", "offset", "payment")
            if payout == "credit_note" or after == "posted"
        ]
        for before, after, payout in stages:
            with (
                self.subTest(before=before, after=after, payout=payout),
                self.env.cr.savepoint() as savepoint,
            ):
                if before != "nothing":
                    self._settle(before, payout=payout)
                case = self._open_case()
                case._rule("confirmed", "Proved.", points=-20, charge=33.34, supply_until="2099-01-01")
                self.program._accrue_difference()
                self.assertAlmostEqual(self._ledger(self.north)[self.claw_back], -33.34, 2)
                self.assertNotEqual(self._ledger(self.north), self._ledger(self.south))
                if after != before:
                    settlements = self.env["dms.settlement"].search([("state", "=", "sent")])
                    if settlements:
                        settlements.action_accept()
                        settlements.action_post()
                    else:
                        self._settle(after, payout=payout)
                self._appeal(case)
                open_settlements = self.env["dms.settlement"].search([("state", "=", "sent")])
                open_settlements.action_accept()
                open_settlements.action_post()
                # What came too late for the first settlement is in the next.
                self._settle("posted", payout=payout)
                north, south = self._ledger(self.north), self._ledger(self.south)
                self.assertEqual(north, south)
                self.assertFalse(self._open_credits(), "what came back is not left on the account")
                self.assertEqual(
                    self.north._get_credit_points()[self.north.id],
                    self.south._get_credit_points()[self.south.id],
                )
                self.assertFalse(
                    self.env["dms.diversion.case"]._get_supplied_last(self.north.ids, self.company)
                )
                savepoint.rollback()
            self.env.invalidate_all()

    def _open_credits(self):
        """Items of the case that stand to the distributor's credit."""
        self.env.flush_all()
        return self.env["account.move.line"].search(
            [
                ("move_id.dms_diversion_case_id", "!=", False),
                ("account_id.account_type", "=", "asset_receivable"),
                ("amount_residual", "!=", 0),
            ]
        )

    def _taken_off(self, payout, charge=33.34):
        """A case whose claw-back a posted settlement has taken off before the appeal was granted."""
        case = self._open_case()
        case._rule("confirmed", "Proved.", points=-20, charge=charge)
        first = self._settle("posted", payout=payout)
        self.assertTrue(first.line_ids.filtered(lambda line: line.kind == "deduction").amount)
        self._appeal(case)
        self.assertRecordValues(self._open_credits(), [{"amount_residual": -charge}])
        return case

    def test_what_was_taken_off_is_paid_back_once(self):
        for payout in ("credit_note", "offset", "payment"):
            with self.subTest(payout=payout), self.env.cr.savepoint() as savepoint:
                case = self._taken_off(payout)
                draft = self._settle("draft", payout=payout)
                lines = draft.line_ids.filtered(lambda line: line.kind == "credit")
                self.assertRecordValues(
                    lines,
                    [{"partner_id": self.north.id, "amount": 33.34, "item_id": self._open_credits().id}],
                )
                self.assertIn(case.name, lines.name)
                self.assertEqual(lines.action_view_document()["res_id"], self._open_credits().move_id.id)
                self.assertIn("33.34", lines.explanation)
                # Another draft does not take it up a second time; a cancelled one gives it back.
                later = self.env["dms.settlement"].create(
                    {"partner_id": self.north.id, "date_from": self.first, "date_to": self.today}
                )
                later.action_compute()
                self.assertFalse(later.line_ids.filtered(lambda line: line.kind == "credit"))
                mine = lines.settlement_id
                mine.action_send()
                mine.action_cancel()
                later.payout = payout
                later.action_compute()
                self.assertRecordValues(
                    later.line_ids.filtered(lambda line: line.kind == "credit"), [{"amount": 33.34}]
                )
                later.unlink()
                posted = self._settle("posted", payout=payout)
                self.assertEqual(self._ledger(self.north), self._ledger(self.south))
                self.assertFalse(self._open_credits())
                again = self._settle("draft", payout=payout)
                self.assertFalse(again.line_ids.filtered(lambda line: line.kind == "credit"))
                # Cancelled after it was posted: it waits again, what was paid is an advance on the next one.
                posted.action_cancel()
                self.assertRecordValues(self._open_credits(), [{"amount_residual": -33.34}])
                posted = self._settle("posted", payout=payout)
                self.assertEqual(
                    sum(posted.line_ids.filtered(lambda line: line.kind == "credit").mapped("amount")), 33.34
                )
                self.assertEqual(self._ledger(self.north), self._ledger(self.south))
                self.assertFalse(self._open_credits())
                savepoint.rollback()
            self.env.invalidate_all()

    def test_it_is_paid_back_where_nothing_else_is_earned(self):
        for payout in ("credit_note", "offset", "payment"):
            with self.subTest(payout=payout), self.env.cr.savepoint() as savepoint:
                case = self._open_case(codes=0)
                case._rule("confirmed", "Proved.", points=-20, charge=33.34)
                self._settle("posted", payout=payout)
                self._appeal(case)
                drafts = self._settle("draft", payout=payout)
                self.assertRecordValues(drafts, [{"partner_id": self.north.id, "amount_total": 33.34}])
                self.assertEqual(drafts.line_ids.mapped("kind"), ["credit"])
                self.assertEqual(self._settle("draft"), drafts)
                posted = self._settle("posted", payout=payout)
                self.assertEqual(posted, drafts)
                self.assertEqual(self._ledger(self.north), self._ledger(self.south))
                self.assertFalse(self._open_credits())
                if payout == "payment":
                    self.assertRecordValues(
                        posted.payment_ids, [{"payment_type": "outbound", "amount": 33.34}]
                    )
                savepoint.rollback()
            self.env.invalidate_all()

    def test_it_goes_first_against_what_is_owed(self):
        """What is paid back can be taken off again by another case, and by nothing that is written off."""
        self._taken_off("credit_note")
        other = self._open_case(codes=1)
        other._rule("confirmed", "Proved.", points=-1, charge=10)
        draft = self._settle("draft", payout="credit_note")
        mine = draft.filtered(lambda settlement: settlement.partner_id == self.north)
        before = mine.amount_total
        mine.payout = "write_off"
        mine.action_compute()
        self.assertFalse(mine.line_ids.filtered(lambda line: line.kind in ("credit", "deduction")))
        mine.payout = "payment"
        mine.action_compute()
        self.assertEqual(mine.amount_total, before)
        mine.action_send()
        line = mine.line_ids.filtered(lambda line: line.kind == "credit")
        line._dispute("More!")
        with self.assertRefused("paid back as it stands"):
            line._reply("No.", amount=50)
        line._reply("As it was charged.")
        mine.action_accept()
        mine.action_post()
        self.assertFalse(self._open_credits())
        self.assertEqual(mine.payment_ids.amount, before)

    def test_the_next_settlement_takes_it_off(self):
        draft = self._settle("draft").filtered(lambda settlement: settlement.partner_id == self.north)
        before = draft.amount_total
        case = self._open_case()
        case._rule("confirmed", "Proved.", points=-20, charge=33.34)
        draft.action_compute()
        line = draft.line_ids.filtered(lambda line: line.kind == "deduction")
        self.assertRecordValues(line, [{"amount": -33.34}])
        self.assertIn(case.name, line.name)
        # Seven items leave the base as well, at what they cost and ten per cent.
        self.program._accrue_difference()
        draft.action_compute()
        self.assertAlmostEqual(draft.amount_total, before - 33.34 - 7 * 0.777, 2)
        draft.action_send()
        self._appeal(case)
        draft.action_accept()
        draft.action_post()
        self.assertFalse(
            draft.line_ids.filtered(lambda line: line.kind == "deduction").amount,
            "what was credited meanwhile is not taken off",
        )

    def test_the_deposit_is_whole_again(self):
        payment = self.env["account.payment"].create(
            {
                "payment_type": "inbound",
                "partner_type": "customer",
                "partner_id": self.north.id,
                "amount": 500.0,
            }
        )
        payment.action_post()
        agreement = self.agreement_north
        agreement.sudo().deposit_payment_ids = payment
        self.program._accrue_difference()
        before, items = self._ledger(self.north), payment.move_id.line_ids
        case = self._open_case()
        with self.assertRefused("deposit of .* comes to .*500.00"):
            case._rule("confirmed", "Proved.", points=-20, deposit=500.01)
        self.assertEqual((case.state, self._ledger(self.north)), ("hearing", before))
        case._rule("confirmed", "Proved.", points=-20, deposit=120.5)
        self.assertEqual(payment._get_dms_deposit(), 379.5)
        self.assertRecordValues(
            case.sudo().charge_ids, [{"amount_total": 120.5, "payment_state": "paid", "state": "posted"}]
        )
        taken_off = self._settle("draft").line_ids.filtered(lambda line: line.kind == "deduction")
        self.assertFalse(taken_off, "the deposit has paid it")
        self._appeal(case)
        self.program._accrue_difference()
        self.assertEqual(payment._get_dms_deposit(), 500.0)
        self.assertEqual(self._ledger(self.north), before)
        self.assertFalse(items.filtered("reconciled"))

    def test_what_is_missing_of_a_deposit_follows(self):
        agreement = self._create_agreement(
            self._create_distributor("Secured", "D-SEC", "1300"),
            self.territory_north,
            activate=False,
            deposit_amount=200.0,
        )
        payment = self.env["account.payment"].create(
            {
                "payment_type": "inbound",
                "partner_type": "customer",
                "partner_id": agreement.partner_id.id,
                "amount": 200.0,
            }
        )
        payment.action_post()
        agreement.deposit_payment_ids = payment
        self.assertEqual(agreement.deposit_open, 0.0)
        case = (
            self.env["dms.diversion.case"]
            .with_user(self.inspector)
            .create({"partner_id": agreement.partner_id.id})
        )
        case._rule("confirmed", "Proved.", points=-1, deposit=50)
        self.assertEqual(agreement.deposit_open, 50.0)
        self._appeal(case)
        self.assertEqual(agreement.deposit_open, 0.0)

    def test_others_are_served_first(self):
        rows = [
            {"partner_id": partner.id, "date_order": 1, "order_line_id": 1, "points": 0, "grade_id": False}
            for partner in (self.north, self.south)
        ]
        case = self._open_case()
        case._rule("confirmed", "Proved.", points=-20, supply_until=fields.Date.add(self.today, months=3))
        last = case._get_supplied_last((self.north | self.south).ids, self.company)
        self.assertEqual(last, set(self.north.ids))
        Allocation = self.env["dms.allocation"].with_context(dms_supplied_last=frozenset(last))
        for policy in ("grade", "points", "age"):
            north, south = (Allocation._get_rank(policy, row) for row in rows)
            self.assertGreater(north, south)
        self._appeal(case)
        self.assertFalse(case._get_supplied_last(self.north.ids, self.company))

    def test_the_wizard_proposes_and_says_what_is_missing(self):
        case = self._open_case()
        Ruling = self.env["dms.diversion.ruling"].with_user(self.inspector)
        ruling = Ruling.create({"case_id": case.id, "reason": "Proved."})
        self.assertAlmostEqual(ruling.goods_value, 7 * 7.77, 2)
        self.assertAlmostEqual(ruling.charge_amount, 27.2, 2)
        self.company.dms_diversion_account_id = False
        with self.assertRefused("no account for what diversion costs"):
            ruling.action_confirm()
        self.assertEqual((case.state, case.charge_amount), ("hearing", 0))
        self.company.dms_diversion_account_id = self.claw_back
        ruling.charge_amount = -1
        with self.assertRefused("can't be negative"):
            ruling.action_confirm()
        ruling.charge_amount = 27.2
        ruling.action_confirm()
        self.assertEqual(case.charge_amount, 27.2)
        for name in ("charge_amount", "deposit_amount", "supply_until"):
            with self.assertRaises(UserError):
                case.write({name: False})
        said = " ".join(case._get_consequences())
        self.assertIn("27.20", said)

    def test_a_claw_back_counts_for_nothing_else(self):
        case = self._open_case()
        case._rule("confirmed", "Proved.", points=-20, charge=33.34)
        move = case.sudo().charge_ids
        self.assertFalse(move._dms_earns_rebate())
        move.invoice_date_due = fields.Date.subtract(self.today, days=30)
        Entry = self.env["dms.credit.entry"].sudo()
        before = Entry.search_count([])
        Entry._post_payment_events(move, self.company, self.today)
        self.assertEqual(Entry.search_count([]), before)
