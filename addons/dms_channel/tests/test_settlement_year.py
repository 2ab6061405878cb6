import os
import random
from datetime import date, timedelta

from dateutil.relativedelta import relativedelta

from odoo import Command
from odoo.tests import freeze_time, tagged

from ..tools import rebate
from .rebate_common import RebateCommon

# So many years are lived through; DMS_SIMULATIONS asks for more.
YEARS = int(os.environ.get("DMS_SIMULATIONS", "1"))
FIRST = date(2026, 1, 1)


@tagged("post_install", "-at_install")
class TestSettlementYear(RebateCommon):
    """A year of a brand's life by lot: whatever happens in whatever order, accrual accounts, settlements and ledgers tie
    to the cent for every distributor, and what was computed step by step is what comes out of all documents at once."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["dms.order.rule"].search([]).action_archive()
        (cls.cola | cls.apple | cls.soap).write({"type": "service", "invoice_policy": "order"})
        cls.company.dms_settlement_days = 7
        cls.low_tax = cls.tax_sale_a.copy({"name": "5 %", "amount": 5})
        cls.receivable = cls.company_data["default_account_receivable"]

    def test_years(self):
        for seed in range(YEARS):
            with self.subTest(seed=seed), self.env.cr.savepoint() as savepoint:
                self._live(random.Random(seed))
                savepoint.rollback()
                self.env.invalidate_all()

    def _live(self, rng):
        self.rng = rng
        self.distributors = self.env["res.partner"].create(
            [
                {"name": f"Year {number}", "is_company": True, "channel_role": "distributor"}
                for number in range(3)
            ]
        )
        self.orders = self.env["sale.order"]
        self.payments = self.env["account.payment"]
        self.settlements = self.env["dms.settlement"]
        with freeze_time(FIRST):
            self._make_programs()
        acts = (
            [self._sell] * 8
            + [self._order] * 3
            + [self._return] * 2
            + [self._pay, self._reset, self._pay_advance, self._settle, self._cancel_settlement]
            + [self._cancel_order, self._write_off, self._change_program]
        )
        for month in range(12):
            self.today = FIRST + relativedelta(months=month)
            for _step in range(7):
                self.today += timedelta(days=rng.randrange(0, 4))
                with freeze_time(self.today):
                    rng.choice(acts)()
                    self.env.flush_all()
            # Nobody gathers statistics of what one transaction writes; without them core's own joins take minutes.
            self.env.cr.execute(
                "ANALYZE account_move, account_move_line, account_partial_reconcile, account_payment"
            )
            with freeze_time(self.today):
                self._accrue()
                self._settle()
                self._assert_all_ties(f"month {month + 1}")
        with freeze_time(self.today):
            self._assert_from_scratch()

    # === WHAT MAY HAPPEN ===

    def _make_programs(self):
        self._program(
            code="A",
            tiers=((0, 1.5), (500, 2.75), (2000, 4.1)),
            period="quarter",
            factor_ids=[
                Command.create({"threshold": points, "factor": factor})
                for points, factor in ((0, 0.8), (10, 1.0))
            ],
        )
        self._program(
            code="B", tiers=((0, 1), (1000, 3)), tier_method="whole", period="month", payout="offset"
        )
        self._program(
            code="C",
            tiers=((0, 2),),
            accrual_policy="periodic",
            period="quarter",
            categ_ids=[Command.set(self.drinks.ids)],
            factor_ids=[
                Command.create({"kind": "payment", "threshold": days, "factor": factor})
                for days, factor in ((15, 1.0), (60, 0.5))
            ],
        )

    def _someone(self):
        return self.rng.choice(self.distributors)

    def _invoices(self, types=("out_invoice",)):
        return self.env["account.move"].search(
            [
                ("partner_id", "in", self.distributors.ids),
                ("move_type", "in", types),
                ("state", "=", "posted"),
                ("dms_settlement_id", "=", False),
            ],
            order="id",
        )

    def _sell(self):
        lines = [
            (self.rng.choice([self.cola, self.apple, self.soap]), self.rng.randrange(100, 90000) / 100)
            for _line in range(self.rng.randrange(1, 4))
        ]
        day = self.today - timedelta(days=self.rng.randrange(0, 20))
        move = self._invoice(self._someone(), lines, date=max(day, FIRST), post=False)
        for line in move.invoice_line_ids:
            line.tax_ids = self.rng.choice([self.env["account.tax"], self.tax_sale_a, self.low_tax])
        move.action_post()

    def _order(self):
        order = self.env["sale.order"].create(
            {
                "partner_id": self._someone().id,
                "order_line": [
                    Command.create(
                        {
                            "product_id": self.rng.choice([self.cola, self.soap]).id,
                            "product_uom_qty": self.rng.randrange(1, 9),
                            "price_unit": self.rng.randrange(100, 9000) / 100,
                            "tax_ids": [Command.set(self.rng.choice([[], self.low_tax.ids]))],
                        }
                    )
                    for _line in range(2)
                ],
            }
        )
        order.action_confirm()
        self.orders |= order
        if self.rng.random() < 0.6:
            order._create_invoices().action_post()

    def _return(self):
        if invoices := self._invoices():
            invoice = self.rng.choice(invoices)
            refund = invoice._reverse_moves([{"invoice_date": self.today, "date": self.today}])
            if not refund.invoice_line_ids.filtered("dms_settlement_use_id"):
                for line in refund.invoice_line_ids:
                    line.price_unit = round(line.price_unit * self.rng.random(), 2)
            refund.action_post()

    def _pay(self):
        open_ = self._invoices().filtered("amount_residual")
        for invoice in self.rng.sample(list(open_), min(len(open_), 2)):
            self.payments |= (
                self.env["account.payment.register"]
                .with_context(active_model="account.move", active_ids=invoice.ids)
                .create({"payment_date": self.today})
                ._create_payments()
            )

    def _reset(self):
        plain = self._invoices(("out_invoice", "out_refund")).filtered(
            lambda move: not move.line_ids.dms_settlement_use_id
        )
        if plain:
            move = self.rng.choice(plain)
            move.button_draft()
            if self.rng.random() < 0.5:
                move.action_post()

    def _pay_advance(self):
        payment = self.env["account.payment"].create(
            {
                "payment_type": "outbound",
                "partner_type": "customer",
                "partner_id": self._someone().id,
                "amount": self.rng.randrange(100, 5000) / 100,
                "dms_advance": True,
                "date": self.today,
            }
        )
        payment.action_post()
        self.payments |= payment

    def _accrue(self):
        self.env["dms.rebate.program"]._get_periodic(self.company)._accrue_difference(self.today)

    def _settle(self):
        """Some distributors, some programmes, up to some day."""
        partners = self.distributors.filtered(lambda _partner: self.rng.random() < 0.7)
        programs = self.env["dms.rebate.program"].search(
            [("company_id", "=", self.company.id), ("state", "!=", "draft")]
        )
        until = self.today - timedelta(days=self.rng.choice([0, 0, 10, 30]))
        drafts = self.env["dms.settlement"]._draft(
            FIRST,
            max(until, FIRST),
            partners=partners,
            programs=self.rng.choice(
                [None, None, programs.filtered(lambda _program: self.rng.random() < 0.7)]
            ),
        )
        payable = drafts.filtered(lambda draft: draft.line_ids and draft.amount_total >= 0)
        for settlement in payable.filtered(lambda settlement: settlement.program_payout == "open"):
            settlement.payout = self.rng.choice(["credit_note", "payment", "offset", "write_off"])
        payable.offset_share = 0.4
        for settlement in payable:
            # What another one of this batch has set off meanwhile is seen when it is sent.
            settlement.action_compute()
            if settlement.amount_total < 0 or not settlement.line_ids:
                continue
            settlement.action_send()
            for line in settlement.line_ids:
                if line.kind == "rebate" and line.amount > 1 and self.rng.random() < 0.3:
                    line._dispute("Not right")
                    less = min(line.amount, settlement.amount_total) * 0.1
                    right = round(line.amount + self.rng.uniform(-less, 2 * less + 1), 2)
                    line._reply("You are right", right if right != line.amount else right + 0.01)
            settlement.action_accept()
            settlement.action_post()
            self.settlements |= settlement
        drafts.filtered(lambda draft: draft.state in ("draft", "sent")).unlink()

    def _posted(self):
        return self.settlements.filtered(lambda settlement: settlement.state == "posted")

    def _cancel_settlement(self):
        unused = self._posted().filtered(lambda settlement: not settlement.amount_used)
        if unused:
            settlement = self.rng.choice(unused)
            self.payments |= settlement.payment_ids
            settlement.action_cancel()

    def _cancel_order(self):
        live = self.orders.filtered(lambda order: order.state == "sale")
        if live:
            self.rng.choice(live)._action_cancel()

    def _write_off(self):
        left = self._posted().filtered("amount_left")
        if left:
            self.rng.choice(left)._write_off("By lot")

    def _change_program(self):
        running = self.env["dms.rebate.program"].search(
            [("company_id", "=", self.company.id), ("state", "=", "published"), ("code", "=", "A")]
        )
        if not running or running.next_ids:
            return
        version = running.browse(running.action_new_version()["res_id"])
        version.tier_ids.sorted("from_amount")[-1].rate += 0.5
        version.action_publish()

    # === WHAT MUST HOLD ===

    def _assert_all_ties(self, when):
        self.env.flush_all()
        self.env.invalidate_all()
        self.assertFalse(self.env["dms.rebate.balance"]._check_consistency(), when)
        for partner in self.distributors:
            with self.subTest(when=when, partner=partner.name):
                self._assert_accounts(partner)

    def _assert_accounts(self, partner):
        settlements = self.settlements.filtered(lambda settlement: settlement.partner_id == partner)
        posted = settlements.filtered(lambda settlement: settlement.state == "posted")
        accruals = self.env["dms.rebate.accrual"].search([("partner_id", "=", partner.id)])
        rebates = posted.line_ids.filtered(lambda line: line.kind == "rebate")
        accrued, computed = sum(accruals.mapped("amount")), sum(rebates.mapped("computed_amount"))
        self._assert_cents("accrued", self._ledger(partner), accrued - computed)

        waiting = posted.filtered(lambda settlement: settlement.payout in ("goods", "offset"))
        drawn = sum(waiting.use_ids.mapped("invoiced_amount"))
        written_off = sum(waiting.mapped("amount_written_off"))
        self._assert_cents(
            "to be used up",
            self._ledger(partner, self.company.dms_settlement_account_id),
            sum(waiting.mapped("amount_total")) - drawn - written_off,
        )

        paid_out = sum(settlement.amount_untaxed for settlement in posted if settlement.payout != "write_off")
        self._assert_cents(
            "expense",
            -self._ledger(partner, self.expense_account),
            accrued - computed + paid_out - written_off,
        )

        documents = self.env["account.move"].search(
            [
                ("partner_id", "=", partner.id),
                ("state", "=", "posted"),
                ("move_type", "in", ("out_invoice", "out_refund")),
            ]
        )
        payments = (self.payments | settlements.payment_ids).filtered(
            lambda payment: payment.partner_id == partner and payment.state in ("in_process", "paid")
        )
        paid = sum(payment.amount * (1 if payment.payment_type == "inbound" else -1) for payment in payments)
        by_entry = posted.filtered(lambda settlement: not settlement._is_credited())
        self._assert_cents(
            "receivable",
            -self._ledger(partner, self.receivable),
            sum(documents.mapped("amount_total_signed")) - paid + sum(by_entry.mapped("amount_set_off")),
        )
        for settlement in waiting:
            rest = settlement._get_rest_item()
            items = (rest | settlement.use_ids.item_ids).filtered(
                lambda item, account=rest.account_id: (
                    item.account_id == account and item.parent_state == "posted"
                )
            )
            self._assert_cents(
                settlement.name,
                -sum(items.mapped("amount_residual")),
                settlement.amount_total
                - settlement.amount_written_off
                - sum(settlement.use_ids.mapped("invoiced_amount")),
            )

    def _assert_cents(self, what, found, expected):
        self.assertEqual(round(found, 2), round(expected, 2), what)

    def _assert_from_scratch(self):
        """From nothing but documents comes what stands, however it came about."""
        programs = self.env["dms.rebate.program"].search(
            [("company_id", "=", self.company.id), ("state", "!=", "draft")]
        )
        self._accrue()
        self.env.flush_all()
        standings = self.env["dms.rebate.engine"]._compute_standings(programs, self.today, self.distributors)
        earned = {key: standing.earned for key, standing in standings.items() if standing.earned}
        balances = self.env["dms.rebate.balance"].search(
            [("program_id", "in", programs.ids), ("partner_id", "in", self.distributors.ids)]
        )
        accrued = {
            (balance.program_id.id, balance.partner_id.id, balance.period_start): rebate.round_to(
                rebate.decimal(balance.amount)
            )
            for balance in balances
            if balance.amount
        }
        self.assertEqual(accrued, earned)
