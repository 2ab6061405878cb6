"""How a settlement reaches the ledger, is paid out, and is undone."""

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tools import SQL, format_date, formatLang

from ..tools import guard
from .dms_settlement_line import ON_ACCOUNT

PAYOUTS = [
    ("credit_note", "Credit note"),
    ("payment", "Bank transfer"),
    ("goods", "Goods"),
    ("offset", "Offset on future orders"),
]
POST_ACTIVITY = "dms_channel.mail_activity_type_settlement_post"


class DmsSettlementPosting(models.AbstractModel):
    """Mixin of ``dms.settlement``.

    A settlement that is credited or paid becomes a credit note, on the distributor's receivable account. One that is
    used up by goods or future orders moves from the accrual accounts to a liability of its own; the invoices of those
    orders draw on it, with the taxes of the goods (a discount on the same invoice, under IFRS 15 and CAS 14 revenue
    that was deferred until then). Nothing is paid on one that is written off: the accrual goes back to the expense.
    """

    _name = "dms.settlement.posting"
    _description = "Settlement in the Ledger"

    # === POSTING ===

    def _post(self):
        """Post approved settlements, which are locked, and pay them out."""
        for settlement in self:
            settlement.sudo()._refresh_set_offs()
            settlement._check_postable()
        credited = self.filtered(lambda settlement: settlement._is_credited())
        documents = self.env["account.move"].create(
            [settlement._prepare_credit_note_vals() for settlement in credited if settlement._get_parts()]
            + [
                settlement._prepare_entry_vals()
                for settlement in self - credited
                if settlement._get_parts()
                or settlement.currency_id.compare_amounts(settlement.amount_total, 0)
            ]
        )
        document_of = {document.dms_settlement_id: document for document in documents}
        now = fields.Datetime.now()
        for settlement in self:
            document = document_of.get(settlement)
            settlement._set_state("posted", posting_id=document and document.id, posted_on=now)
        self.sudo().line_ids._set_pending(False)
        documents._post(soft=False)
        for settlement in self:
            settlement._reconcile_accruals()
            settlement._post_set_offs()
            settlement._pay_out()
            settlement.sudo().activity_feedback([POST_ACTIVITY])
        self.filtered(lambda settlement: settlement.payout != "write_off")._write_to_distributor(
            "dms_channel.mail_template_dms_settlement_posted"
        )

    def _get_parts(self):
        """What the lines post; see :meth:`.dms_settlement_line._get_parts`."""
        return [part for line in self.sudo().line_ids for part in line._get_parts()]

    def _get_posting_date(self):
        self.ensure_one()
        return self.credit_date or fields.Date.context_today(self)

    def _refresh_set_offs(self):
        """Take open items up as far as they are still open: what was settled otherwise since then must neither stop the
        posting nor be taken off, or paid back, twice (called as superuser)."""
        self.ensure_one()
        lines = self.line_ids.filtered(lambda line: line.kind in ON_ACCOUNT)
        lines.item_id.invalidate_recordset(["amount_residual_currency"])
        for line in lines:
            item = line.item_id
            still_open = item.amount_residual_currency if item.parent_state == "posted" else 0.0
            # A credit is above zero and stands on an item below zero, what is taken off the other way round.
            sign = 1 if line.amount > 0 else -1
            amount = min(sign * line.amount, max(-sign * still_open, 0.0))
            elsewhere = line.currency_id.round(sign * line.amount - amount)
            if line.currency_id.is_zero(elsewhere):
                continue
            line.write(
                {"amount": sign * amount, "computation": {**(line.computation or {}), "elsewhere": elsewhere}}
            )
            self.message_post(
                body=self.env._(
                    "%(line)s: %(amount)s was settled otherwise in the meantime and is not set off.",
                    line=line.name,
                    amount=line._format_money(elsewhere),
                )
            )

    def _check_postable(self):
        """Raise with all that keeps the settlement from being posted, before anything is written."""
        self.ensure_one()
        problems = list(self._get_posting_problems())
        if problems:
            raise UserError(
                self.env._("Settlement %s can't be posted:", self.name) + "\n- " + "\n- ".join(problems)
            )

    def _get_posting_problems(self):
        """Yield what is missing or forbids the posting, as sentences."""
        self.ensure_one()
        settlement_sudo = self.sudo()
        company, date = settlement_sudo.company_id, self._get_posting_date()
        parts = self._get_parts()
        for line in {part["line"] for part in parts if not part["account"]}:
            yield self.env._("%s has no account: state one on its programme or claim type.", line.name)
        for account in {part["account"] for part in parts if not part["account"].active and part["account"]}:
            yield self.env._("Account %s is archived: take it into use again.", account.display_name)
        for account in settlement_sudo.line_ids.program_id.accrual_account_id:
            if not account.reconcile:
                yield self.env._(
                    "The accrual account %s does not allow reconciliation, so the settlement can't clear it. "
                    "Allow it on the account.",
                    account.display_name,
                )
        if self.currency_id.compare_amounts(self.amount_total, 0) < 0:
            yield self.env._(
                "It comes to %s, since what it pays back was settled otherwise: take it back to draft.",
                self._format_money(self.amount_total),
            )
        journal = self._get_journal()
        if not journal:
            yield self.env._("There is no journal to post in: choose one under Settings, Distribution.")
        if self.payout in ("goods", "offset"):
            account = company.dms_settlement_account_id
            if not account:
                yield self.env._(
                    "There is no account for settlements that wait to be used up by orders: choose one under "
                    "Settings, Distribution."
                )
            elif not account.reconcile:
                yield self.env._("Account %s does not allow reconciliation.", account.display_name)
        elif self.payout == "write_off" and not company.dms_rebate_expense_account_id:
            yield self.env._(
                "The company has no account for rebates granted: choose one under Settings, Distribution."
            )
        if self.payout == "payment" and not self._get_payment_journal():
            yield self.env._("There is no bank journal to pay from: choose one under Settings, Distribution.")
        if journal and (
            locks := company._get_violated_lock_dates(date, bool(settlement_sudo.amount_tax), journal)
        ):
            yield self.env._(
                "%(date)s lies in a period that is locked until %(lock)s: choose a later posting date.",
                date=format_date(self.env, date),
                lock=format_date(self.env, locks[-1][0]),
            )
        if self.currency_id != company.currency_id and not self._has_rate(date):
            yield self.env._(
                "%(currency)s has no rate on %(date)s: enter one under Accounting, Currencies.",
                currency=self.currency_id.name,
                date=format_date(self.env, date),
            )

    def _has_rate(self, date):
        self.ensure_one()
        return bool(
            self.env["res.currency.rate"]
            .sudo()
            .search_count(
                [
                    ("currency_id", "=", self.currency_id.id),
                    ("company_id", "in", (False, self.company_id.root_id.id)),
                    ("name", "<=", date),
                ],
                limit=1,
            )
        )

    def _get_journal(self):
        """The journal of the settlement's document: of sales for a credit note, of rebates for an entry."""
        self.ensure_one()
        settlement_sudo = self.sudo()
        if not self._is_credited():
            return (
                settlement_sudo.company_id.dms_rebate_journal_id
                or settlement_sudo.line_ids.program_id.journal_id[:1]
            )
        Journal = self.env["account.journal"].sudo()
        return Journal.search(
            [*Journal._check_company_domain(settlement_sudo.company_id), ("type", "=", "sale")], limit=1
        )

    # === DOCUMENTS ===

    def _prepare_credit_note_vals(self):
        """Return the credit note: per line what was accrued (clears the liability), less what the factor withholds
        (goes back to the expense), with the taxes of the documents that earned it."""
        self.ensure_one()
        return {
            "move_type": "out_refund",
            "company_id": self.company_id.id,
            "partner_id": self.partner_id.id,
            "currency_id": self.currency_id.id,
            "invoice_date": self._get_posting_date(),
            "invoice_origin": self.name,
            "ref": self._get_reference(),
            "dms_settlement_id": self.id,
            "dms_settlement_role": "posting",
            "invoice_line_ids": [
                Command.create(
                    {
                        "name": part["name"],
                        "quantity": 1,
                        "price_unit": self._get_price(part),
                        "account_id": part["account"].id,
                        "tax_ids": [Command.set(part["taxes"].ids)],
                        "dms_settlement_line_id": part["line"].id,
                    }
                )
                for part in self._get_parts()
            ],
        }

    def _get_reference(self):
        """The settlement, and what ties a red-letter VAT invoice to the original one."""
        self.ensure_one()
        parts = [self.name]
        if self.red_form:
            parts.append(self.env._("red-letter form %s", self.red_form))
        if self.red_invoice_number:
            number = f"{self.red_invoice_code or ''} {self.red_invoice_number}".strip()
            parts.append(self.env._("original invoice %s", number))
        return ", ".join(parts)

    def _get_price(self, part):
        """The price of a part: its net amount, or with those taxes that are included in prices."""
        taxes = part["taxes"]
        if not any(tax.price_include for tax in taxes):
            return part["amount"]
        included = taxes.filtered("price_include")
        totals = included.with_context(force_price_include=False).compute_all(
            part["amount"], currency=self.currency_id
        )
        return totals["total_included"]

    def _get_tax(self):
        """The taxes of the credit note, as core computes them for the document."""
        self.ensure_one()
        Tax = self.env["account.tax"].sudo()
        lines = [
            Tax._prepare_base_line_for_taxes_computation(
                None,
                tax_ids=part["taxes"].sudo(),
                quantity=1.0,
                price_unit=self._get_price(part),
                currency_id=self.currency_id,
                partner_id=self.partner_id,
                is_refund=True,
            )
            for part in self._get_parts()
            if part["taxes"]
        ]
        if not lines:
            return 0.0
        company = self.company_id.sudo()
        Tax._add_tax_details_in_base_lines(lines, company)
        Tax._round_base_lines_tax_details(lines, company)
        return Tax._get_tax_totals_summary(lines, self.currency_id, company)["tax_amount_currency"]

    def _prepare_entry_vals(self):
        """Return the entry of a settlement that orders use up, or that is written off: the accruals are cleared, what is
        set off is credited to the receivable, what is paid back is debited to it, the rest waits on the liability account
        (or goes back to the expense)."""
        self.ensure_one()
        company = self.company_id
        if self.payout == "write_off":
            rest_account = company.dms_rebate_expense_account_id
        else:
            rest_account = company.dms_settlement_account_id
        items = [(part["name"], part["account"], part["amount"], part["line"]) for part in self._get_parts()]
        items += [
            (line.name, line.item_id.account_id, line.amount, line)
            for line in self.sudo().line_ids
            if line.kind in ON_ACCOUNT and line.amount
        ]
        items.append((self.name, rest_account, -self.amount_total, self.env["dms.settlement.line"]))
        return {
            **self._prepare_move_vals("posting", self._get_posting_date()),
            "line_ids": [Command.create(vals) for vals in self._prepare_item_vals_list(items)],
        }

    def _prepare_move_vals(self, role, date):
        self.ensure_one()
        return {
            "move_type": "entry",
            "company_id": self.company_id.id,
            "journal_id": (
                self.company_id.dms_rebate_journal_id or self.sudo().line_ids.program_id.journal_id[:1]
            ).id,
            "date": date,
            "ref": self.name,
            "dms_settlement_id": self.id,
            "dms_settlement_role": role,
        }

    def _prepare_item_vals_list(self, items):
        """Return values of journal items that balance in company currency too: the last one takes what rounding leaves.

        :param items: list of ``(name, account, amount in the settlement's currency, settlement line)``
        """
        self.ensure_one()
        company, date = self.company_id, self._get_posting_date()
        items = [item for item in items if not self.currency_id.is_zero(item[2])]
        balances = [
            self.currency_id._convert(amount, company.currency_id, company, date)
            for _name, _account, amount, _line in items
        ]
        if balances:
            balances[-1] -= company.currency_id.round(sum(balances))
        return [
            {
                "name": name,
                "account_id": account.id,
                "partner_id": self.partner_id.id,
                "currency_id": self.currency_id.id,
                "amount_currency": amount,
                "balance": company.currency_id.round(balance),
                "dms_settlement_line_id": line.id,
            }
            for (name, account, amount, line), balance in zip(items, balances, strict=True)
        ]

    # === RECONCILIATION ===

    def _reconcile_accruals(self):
        """Set the document's items off against the accruals' on each liability account, to the cent."""
        self.ensure_one()
        lines_sudo = self.sudo().line_ids
        items_sudo = lines_sudo.entry_line_ids.filtered(lambda item: item.parent_state == "posted")
        items_sudo |= lines_sudo.accrual_ids.entry_line_ids
        accounts = lines_sudo.program_id.accrual_account_id
        for account, items in (
            items_sudo.filtered(lambda item: item.account_id in accounts).grouped("account_id").items()
        ):
            items.filtered(lambda item: not item.reconciled).reconcile()
            rest = sum(items.mapped("amount_residual_currency"))
            if not self.currency_id.is_zero(rest):
                raise UserError(
                    self.env._(
                        "Settlement %(name)s leaves %(rest)s on %(account)s: someone reconciled its accruals with other "
                        "items, or its taxes are included in the amount. Undo that first.",
                        name=self.name,
                        rest=formatLang(self.env, rest, currency_obj=self.currency_id),
                        account=account.display_name,
                    )
                )

    def _post_set_offs(self):
        """Settle deductions and advances by what the distributor gets, and take up what is paid back to it.

        Beside a credit note that takes an entry, since only a part of the open item or of the credit note may be meant.
        """
        self.ensure_one()
        lines_sudo = self.sudo().line_ids.filtered(lambda line: line.kind in ON_ACCOUNT and line.amount)
        if not lines_sudo:
            return
        for line in lines_sudo.filtered(lambda line: line.kind == "deduction" and line.document):
            line.document._mark_settled(self)
        if self._is_credited():
            receivable = self._get_receivable_account()
            items = [
                item
                for line in lines_sudo
                for item in (
                    (line.name, receivable, -line.amount, line),
                    (line.name, line.item_id.account_id, line.amount, line),
                )
            ]
            entry_sudo = (
                self.env["account.move"]
                .sudo()
                .create(
                    {
                        **self._prepare_move_vals("set_off", self._get_posting_date()),
                        "line_ids": [Command.create(vals) for vals in self._prepare_item_vals_list(items)],
                    }
                )
            )
            entry_sudo._post(soft=False)
            self._reconcile_open(self._get_account_items())
        for line in lines_sudo:
            taken_up = line.entry_line_ids.filtered(
                lambda item, sign=line.amount: (
                    item.amount_currency * sign > 0 and item.parent_state == "posted"
                )
            )
            self._reconcile_open(taken_up | line.item_id)

    def _reconcile_open(self, items):
        """Reconcile what is open of the items, where there is something on both sides."""
        items = items.filtered(lambda item: not item.reconciled)
        if len({item.amount_residual_currency > 0 for item in items}) > 1:
            items.reconcile()

    def _get_receivable_items(self):
        """The receivable items of the credit note."""
        self.ensure_one()
        return self.posting_id.sudo().line_ids.filtered(
            lambda item: item.account_id.account_type == "asset_receivable"
        )

    def _get_account_items(self):
        """All items of the distributor's account that the settlement made: those of its credit note, and of the entry beside
        it those that stand against what was set off or paid back."""
        self.ensure_one()
        entries_sudo = self.sudo().move_ids.filtered(
            lambda move: move.dms_settlement_role == "set_off" and move.state == "posted"
        )
        return self._get_receivable_items() | entries_sudo.line_ids.filtered(
            lambda item: item.amount_currency * item.dms_settlement_line_id.amount < 0
        )

    def _get_receivable_account(self):
        self.ensure_one()
        partner_sudo = self.sudo().partner_id.with_company(self.company_id)
        return self._get_receivable_items().account_id[:1] or partner_sudo.property_account_receivable_id

    # === PAY-OUT ===

    def _pay_out(self):
        """Do what the way of paying out asks for once the settlement is posted."""
        self.ensure_one()
        if self.payout == "payment" and self.currency_id.compare_amounts(self.amount_total, 0) > 0:
            self._pay()

    def _pay(self):
        """Pay what the settlement still owes to the distributor, and reconcile the payment with it."""
        self.ensure_one()
        owed = self._get_account_items().filtered(lambda item: not item.reconciled)
        # What the payment names as paid: the credit note, and where there is none what is paid back.
        named = owed.filtered(lambda item: item.move_id == self.posting_id) or owed
        values = {
            "journal_id": self._get_payment_journal().id,
            "payment_date": self._get_posting_date(),
            "communication": self.name,
            "group_payment": True,
        }
        if owed != named:
            values["amount"] = -sum(owed.mapped("amount_residual_currency"))
        payment = (
            self.env["account.payment.register"]
            .with_context(active_model="account.move.line", active_ids=named.ids)
            .create(values)
            ._create_payments()
        )
        payment.dms_settlement_id = self
        if owed != named:
            paid_sudo = payment.sudo().move_id.line_ids.filtered(
                lambda item: item.account_id == owed.account_id[:1]
            )
            self._reconcile_open(paid_sudo | owed)

    def _get_payment_journal(self):
        self.ensure_one()
        company_sudo = self.company_id.sudo()
        Journal = self.env["account.journal"].sudo()
        return company_sudo.dms_payout_journal_id or Journal.search(
            [*Journal._check_company_domain(company_sudo), ("type", "=", "bank")], limit=1
        )

    # === USE BY ORDERS ===

    def _lock_for_use(self):
        """Wait until nobody else uses these settlements up; whoever comes second starts again with what is left."""
        if not self.ids:
            return
        self.flush_recordset()
        self.env.cr.execute(
            SQL(
                "SELECT id FROM dms_settlement WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE",
                sorted(self.ids),
            ),
            log_exceptions=False,
        )
        self.invalidate_recordset(["amount_left", "amount_used", "state"])

    def _may_serve(self, order):
        """Whether an order may use this settlement: of the same distributor, company and currency; one that is paid out
        by goods serves the orders that were made for it only."""
        self.ensure_one()
        return (
            order.dms_distributor_id == self.partner_id
            and order.company_id == self.company_id
            and order.currency_id == self.currency_id
            and order.dms_goods_settlement_id == (self if self.payout == "goods" else self.browse())
        )

    def _get_share(self, order):
        """The most of the order's net value that is set off."""
        self.ensure_one()
        return 1.0 if order.dms_goods_settlement_id == self else self.offset_share

    def _get_rest_item(self):
        """The item of the posting that waits to be used up."""
        self.ensure_one()
        return self.posting_id.sudo().line_ids.filtered(lambda item: not item.dms_settlement_line_id)[-1:]

    def _reconcile_uses(self):
        """Set invoices that draw on the settlements, and write-offs, off against what waits (called as superuser)."""
        for settlement in self.filtered(lambda settlement: settlement.state == "posted"):
            rest = settlement._get_rest_item()
            items = (
                rest
                | settlement.use_ids.item_ids
                | settlement.move_ids.line_ids.filtered(
                    lambda item: item.move_id.dms_settlement_role == "write_off"
                )
            )
            items.filtered(
                lambda item, account=rest.account_id: (
                    item.account_id == account and item.parent_state == "posted" and not item.reconciled
                )
            ).reconcile()

    def _write_off(self, reason, date=None):
        """Give what is left of a settlement back to the expense, by an entry of its own."""
        self.ensure_one()
        self._lock()
        self._lock_for_use()
        amount = self.amount_left
        if self.currency_id.is_zero(amount):
            raise UserError(self.env._("Nothing of settlement %s is left to write off.", self.name))
        expense = self.company_id.dms_rebate_expense_account_id
        if not expense:
            raise UserError(
                self.env._(
                    "The company has no account for rebates granted: choose one under Settings, Distribution."
                )
            )
        none = self.env["dms.settlement.line"]
        items = [
            (reason, self._get_rest_item().account_id, amount, none),
            (reason, expense, -amount, none),
        ]
        entry = self.env["account.move"].create(
            {
                **self._prepare_move_vals("write_off", date or fields.Date.context_today(self)),
                "line_ids": [Command.create(vals) for vals in self._prepare_item_vals_list(items)],
            }
        )
        entry._post(soft=False)
        guard.mark(self).amount_written_off += amount
        self.sudo()._reconcile_uses()
        self.message_post(
            body=self.env._(
                "%(amount)s written off: %(reason)s", amount=self._format_money(amount), reason=reason
            )
        )
        return entry

    # === REVERSAL ===

    def _check_reversible(self):
        """Raise when what was paid out can't be taken back by reversing documents."""
        self.ensure_one()
        if not self.currency_id.is_zero(self.amount_used):
            raise UserError(
                self.env._(
                    "%(amount)s of settlement %(name)s is used by %(orders)s: cancel or credit these orders first.",
                    amount=self._format_money(self.amount_used),
                    name=self.name,
                    orders=", ".join(self.use_ids.filtered("amount").order_id.mapped("name")),
                )
            )

    def _reverse_documents(self):
        """Reverse what was posted, each by a document of its own; a payment stays, as an advance on the next settlement."""
        self.ensure_one()
        documents = self.move_ids.filtered(
            lambda move: move.state == "posted" and move.dms_settlement_role != "reversal"
        )
        today = fields.Date.context_today(self)
        reversals = documents._reverse_moves(
            [
                {
                    "ref": self.env._("Cancellation of settlement %s", self.name),
                    "invoice_date": today if document.is_invoice() else False,
                    "date": today,
                    "dms_settlement_id": self.id,
                    "dms_settlement_role": "reversal",
                }
                for document in documents
            ],
            cancel=True,
        )
        for reversal in reversals:
            self.message_post(body=self.env._("Reversed by %s.", reversal._get_html_link()))
        self.payment_ids.dms_advance = True
