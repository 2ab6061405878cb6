from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command, Domain

from odoo.addons.dms_channel.tools import guard


class DmsDiversionConsequence(models.AbstractModel):
    """What a ruling costs, and how it is undone to the cent: mixin of ``dms.diversion.case``.

    Credit points are an entry that is reversed by another. Money is an invoice on the distributor's account, which the next
    settlement takes off or which is paid from the deposit; a credit note undoes it. Goods that were ruled diverted leave
    the base of rebates for as long as the ruling stands (see ``dms.rebate.modifier``).
    """

    _name = "dms.diversion.consequence"
    _description = "Consequence of a Ruling"

    def action_view_charges(self):
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Charges"),
            "res_model": "account.move",
            "view_mode": "list,form",
            "domain": [("dms_diversion_case_id", "=", self.id)],
            "context": {"create": False},
        }

    # === VALUE OF THE GOODS ===

    def _get_goods_value(self):
        """Net value of the items found, at the average price that the distributor paid, in the company's currency."""
        self.ensure_one()
        rows = [
            (self.partner_id.id, alert.product_id.id, alert.code_count) for alert in self.sudo().alert_ids
        ]
        if not rows:
            return 0.0
        today = fields.Date.context_today(self)
        prices = (
            self.env["dms.rebate.modifier"]
            .sudo()
            ._get_average_prices(self.currency_id, self.company_id, rows, today)
        )
        return self.currency_id.round(
            sum(float(prices.get((partner, product), 0)) * count for partner, product, count in rows)
        )

    # === CONSEQUENCES ===

    def _impose(self, points=None, charge=0.0, deposit=0.0, supply_until=None):
        """Post what a confirmed diversion costs. All of it, or with an error nothing.

        :param int points: negative points instead of those of the credit rule
        :param float charge: amount that the next settlement takes off, in the company's currency
        :param float deposit: amount that is taken from the deposit
        :param date supply_until: last day on which others are served first
        """
        self.ensure_one()
        guard.mark(self).write(
            {
                "charge_amount": self.currency_id.round(charge),
                "deposit_amount": self.currency_id.round(deposit),
                "supply_until": supply_until,
            }
        )
        self._take_points(points)
        case_sudo = self.sudo().with_company(self.company_id)
        case_sudo._charge("settlement", self.charge_amount)
        case_sudo._draw_deposit(case_sudo._charge("deposit", self.deposit_amount))

    def _undo(self):
        """Take every consequence back, each by a document of its own."""
        self.ensure_one()
        if self.credit_entry_id and not self.reversal_entry_id:
            entry_sudo = self.credit_entry_id.sudo()._reverse(self.env._("Appeal granted in %s", self.name))
            guard.mark(self).write({"reversal_entry_id": entry_sudo.id})
        self.sudo().with_company(self.company_id)._credit_charges()

    def _take_points(self, points):
        entry_sudo = (
            self.env["dms.credit.entry"]
            .sudo()
            .with_company(self.company_id)
            ._post_event(
                "diversion",
                self.partner_id,
                f"dms.diversion.case,{self.id}",
                source=self,
                note=self.env._("Diversion confirmed in %s", self.name),
                points=points,
            )
        )
        if not entry_sudo:
            raise UserError(
                self.env._(
                    "No credit rule says what a diversion costs. Set up a credit rule for diversion, "
                    "or enter the points in the ruling."
                )
            )
        guard.mark(self).write({"credit_entry_id": entry_sudo.id})

    def _charge(self, role, amount):
        """Post the invoice of an amount (called as superuser); nothing for none."""
        Move = self.env["account.move"]
        if self.currency_id.is_zero(amount):
            return Move
        if self.currency_id.compare_amounts(amount, 0) < 0:
            raise UserError(self.env._("A claw-back and what is taken from the deposit can't be negative."))
        account = self.company_id.dms_diversion_account_id
        if not account:
            raise UserError(
                self.env._(
                    "The company has no account for what diversion costs a distributor: choose one under Settings, "
                    "Distribution, or rule without an amount."
                )
            )
        move = Move.create(self._prepare_charge_vals(role, amount, account))
        move._post(soft=False)
        return move

    def _prepare_charge_vals(self, role, amount, account):
        return {
            "move_type": "out_invoice",
            "company_id": self.company_id.id,
            "partner_id": self.partner_id.id,
            "currency_id": self.currency_id.id,
            "invoice_date": fields.Date.context_today(self),
            "invoice_origin": self.name,
            "dms_diversion_case_id": self.id,
            "dms_diversion_role": role,
            "invoice_line_ids": [
                Command.create(
                    {
                        "name": self.with_context(lang=self.partner_id.lang or self.env.lang).env._(
                            "Claw-back for diversion, case %s", self.name
                        ),
                        "account_id": account.id,
                        "quantity": 1,
                        "price_unit": amount,
                    }
                )
            ],
        }

    def _get_deposit_items(self):
        """Open items of the deposits that secure the distributor's agreements (called as superuser)."""
        agreements = self.env["dms.agreement"].search(
            [("partner_id", "=", self.partner_id.id), ("company_id", "=", self.company_id.id)]
        )
        items = agreements.deposit_payment_ids.move_id.line_ids.filtered(
            lambda item: (
                item.account_id.account_type == "asset_receivable"
                and item.parent_state == "posted"
                and not item.reconciled
                and item.currency_id == self.currency_id
            )
        )
        return agreements, items

    def _draw_deposit(self, move):
        """Pay a charge from the deposit (called as superuser)."""
        if not move:
            return
        agreements, items = self._get_deposit_items()
        held = -sum(items.mapped("amount_residual_currency"))
        if self.currency_id.compare_amounts(held, move.amount_total) < 0:
            raise UserError(
                self.env._(
                    "The deposit of %(partner)s comes to %(held)s, and %(amount)s would be taken from it. Take less, or have "
                    "the next settlement take it off.",
                    partner=self.partner_id.display_name,
                    held=self.currency_id.format(held),
                    amount=self.currency_id.format(move.amount_total),
                )
            )
        (self._get_receivable(move) | items).reconcile()
        self._refresh_deposits(agreements)

    def _refresh_deposits(self, agreements):
        """What is missing of a deposit follows from what is open on its payments, which no field depends on."""
        self.env.add_to_compute(agreements._fields["deposit_open"], agreements)

    @api.model
    def _get_receivable(self, moves):
        return moves.line_ids.filtered(lambda item: item.account_id.account_type == "asset_receivable")

    def _credit_charges(self):
        """Credit what was charged (called as superuser).

        What nobody has paid yet, and what the deposit paid, is undone with its reconciliation, so that the deposit is
        whole again. What a settlement has taken off stays taken off: its credit note stands to the distributor's credit.
        """
        moves = self.env["account.move"].search(
            [
                ("dms_diversion_case_id", "=", self.id),
                ("dms_diversion_role", "in", ("settlement", "deposit")),
                ("state", "=", "posted"),
                ("reversal_move_ids", "=", False),
            ]
        )
        today = fields.Date.context_today(self)
        for move in moves:
            untouched = move.dms_diversion_role == "deposit" or not move.currency_id.compare_amounts(
                move.amount_residual, move.amount_total
            )
            credit_note = move._reverse_moves(
                [
                    {
                        "ref": self.env._("Appeal granted in %s", self.name),
                        "invoice_date": today,
                        "date": today,
                        "dms_diversion_case_id": self.id,
                        "dms_diversion_role": "reversal",
                    }
                ],
                cancel=untouched,
            )
            if not untouched:
                credit_note._post(soft=False)
                self._get_receivable(move | credit_note).filtered(
                    lambda item: not item.reconciled
                ).reconcile()
        self._refresh_deposits(self._get_deposit_items()[0])

    # === SUPPLY PRIORITY ===

    @api.model
    def _get_supplied_last(self, partner_ids, company):
        """Ids of those of the distributors that a standing ruling has served last today."""
        cases_sudo = (
            self.env["dms.diversion.case"]
            .sudo()
            .search_fetch(
                Domain("partner_id", "in", list(partner_ids))
                & Domain("company_id", "=", company.id)
                & Domain("supply_until", ">=", fields.Date.context_today(self))
                & Domain("ruling", "=", "confirmed")
                & Domain("appeal_outcome", "!=", "granted"),
                ["partner_id"],
            )
        )
        return set(cases_sudo.partner_id.ids)

    # === IN WORDS ===

    def _get_consequences(self):
        """What the ruling costs, as sentences for the distributor."""
        self.ensure_one()
        case_sudo = self.sudo()
        said = []
        if case_sudo.credit_entry_id:
            said.append(self.env._("Credit points: %s", f"{case_sudo.credit_entry_id.points:+d}"))
        if case_sudo.charge_amount:
            said.append(
                self.env._(
                    "%s is taken off the next settlement.",
                    case_sudo.currency_id.format(case_sudo.charge_amount),
                )
            )
        if case_sudo.deposit_amount:
            said.append(
                self.env._(
                    "%s is taken from the deposit.", case_sudo.currency_id.format(case_sudo.deposit_amount)
                )
            )
        if case_sudo.supply_until:
            said.append(
                self.env._(
                    "When goods are scarce, others come first until %s.",
                    fields.Date.to_string(case_sudo.supply_until),
                )
            )
        return said
