from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..tools import rebate


class AccountMove(models.Model):
    _inherit = "account.move"

    dms_settlement_id = fields.Many2one(
        "dms.settlement", "Settlement", readonly=True, copy=False, ondelete="restrict", index="btree_not_null"
    )
    dms_settlement_role = fields.Selection(
        [
            ("posting", "Posting"),
            ("set_off", "Set-off"),
            ("write_off", "Write-off"),
            ("reversal", "Reversal"),
        ],
        "Role in the Settlement",
        readonly=True,
        copy=False,
    )
    dms_deduction_id = fields.Many2one(
        "dms.deduction", "Deduction", readonly=True, copy=False, ondelete="restrict", index="btree_not_null"
    )
    dms_transfer_id = fields.Many2one(
        "dms.transfer",
        "Stock Transfer",
        readonly=True,
        copy=False,
        ondelete="restrict",
        index="btree_not_null",
    )
    dms_rebate_pending = fields.Selection(
        [("new", "New"), ("changed", "Changed")],
        "Rebate Computation",
        readonly=True,
        copy=False,
        index="btree_not_null",
        help="Posted, or changed after it was counted, since periodic rebates were last computed.",
    )
    dms_accrual_ids = fields.One2many(
        "dms.rebate.accrual", "move_id", "Rebate Accruals", groups="dms_channel.dms_channel_group_user"
    )
    dms_entry_accrual_ids = fields.One2many(
        "dms.rebate.accrual",
        "entry_id",
        "Accruals of this Entry",
        groups="dms_channel.dms_channel_group_user",
    )
    dms_accrual_count = fields.Integer(
        compute="_compute_dms_accrual_count", groups="dms_channel.dms_channel_group_user"
    )

    def _compute_dms_accrual_count(self):
        counts = {}
        for name in ("move_id", "entry_id"):
            counts |= {
                move.id: count
                for move, count in self.env["dms.rebate.accrual"]._read_group(
                    [(name, "in", self.ids)], [name], ["__count"]
                )
            }
        for move in self:
            move.dms_accrual_count = counts.get(move.id, 0)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_accrued(self):
        accruals_sudo = self.env["dms.rebate.accrual"].sudo().search([("move_id", "in", self.ids)], limit=1)
        if accruals_sudo:
            raise UserError(
                self.env._(
                    "%s has rebate accruals in the ledger, which name it: cancel it instead of deleting it.",
                    accruals_sudo.move_id.display_name,
                )
            )

    # === ACTIONS ===

    def button_draft(self):
        self._dms_check_derived()
        counted = self.filtered(lambda move: move._dms_earns_rebate())
        for pending, moves in counted.grouped("dms_rebate_pending").items():
            moves._dms_set_rebate_pending(False if pending == "new" else "changed")
        result = super().button_draft()
        self.env["dms.rebate.accrual"].sudo().search(
            [("move_id", "in", self.ids), ("kind", "=", "accrual"), ("reversal_id", "=", False)]
        )._reverse()
        return result

    def action_view_dms_accruals(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_rebate_accrual_action")
        return dict(action, domain=["|", ("move_id", "=", self.id), ("entry_id", "=", self.id)], context={})

    def action_view_dms_settlement(self):
        self.ensure_one()
        return self.dms_settlement_id._get_records_action(context={})

    # === BUSINESS ===

    def _post(self, soft=True):
        posted = super()._post(soft)
        posted.filtered(
            lambda move: not move.dms_rebate_pending and move._dms_earns_rebate()
        )._dms_set_rebate_pending("new")
        self.env["dms.rebate.accrual"]._accrue(posted)
        posted.sudo().line_ids.dms_settlement_use_id.settlement_id._reconcile_uses()
        return posted

    def _reverse_moves(self, default_values_list=None, cancel=False):
        self._dms_check_derived()
        reversals = super()._reverse_moves(default_values_list, cancel)
        # What gives back freight is no more a return of goods than the freight was a sale.
        for reversal in reversals:
            if transfer := reversal.reversed_entry_id.dms_transfer_id:
                reversal.dms_transfer_id = transfer
        return reversals

    def _dms_check_derived(self):
        """Entries that rebates made are undone where they came from, so that both always agree."""
        for move in self:
            if move.sudo().dms_entry_accrual_ids:
                raise UserError(
                    self.env._(
                        "%s was made by rebate accruals. Reset or credit the invoice instead; its share is then reversed.",
                        move.display_name,
                    )
                )
            deduction_sudo = move.sudo().dms_deduction_id
            if deduction_sudo.entry_id == move.sudo() and deduction_sudo:
                raise UserError(
                    self.env._(
                        "%(move)s resolves deduction %(deduction)s. Reverse it there, so that both agree.",
                        move=move.display_name,
                        deduction=deduction_sudo.name,
                    )
                )
            settlement_sudo = move.sudo().dms_settlement_id
            if settlement_sudo.state == "posted":
                raise UserError(
                    self.env._(
                        "%(move)s was posted by settlement %(settlement)s. Cancel the settlement instead.",
                        move=move.display_name,
                        settlement=settlement_sudo.name,
                    )
                )

    def _dms_set_rebate_pending(self, pending):
        """Note what the next computation of periodic rebates has to take up; no field of the document itself."""
        if not self:
            return
        self.flush_recordset(["dms_rebate_pending"])
        self.env.cr.execute(
            SQL(
                "UPDATE account_move SET dms_rebate_pending = %s WHERE id = ANY(%s)",
                pending or None,
                self.ids,
            )
        )
        self.invalidate_recordset(["dms_rebate_pending"], flush=False)

    def _dms_earns_rebate(self):
        """Return whether the document is a distributor's posted invoice or credit note, and no settlement."""
        self.ensure_one()
        return (
            self.state == "posted"
            and self.move_type in ("out_invoice", "out_refund")
            and not self.dms_settlement_id
            and not self.dms_transfer_id
            and self.commercial_partner_id.channel_role == "distributor"
        )

    def _dms_get_rebate_date(self):
        """Return the day on which the document counts: a credit note counts on the day of the invoice it reverses."""
        self.ensure_one()
        return self.reversed_entry_id.invoice_date or self.invoice_date

    def _dms_convert_net(self, value, currency, date):
        """Return a net value in the document's currency as Decimal in another currency, at the document's own rate.

        A credit note takes the rate of the invoice it reverses, so that it undoes the sale exactly.
        """
        self.ensure_one()
        if currency == self.currency_id:
            return rebate.decimal(currency.round(value))
        company_currency = self.company_id.currency_id
        rate = (self.reversed_entry_id or self).invoice_currency_rate or 1.0
        value = company_currency.round(value / rate)
        if currency != company_currency:
            value = company_currency._convert(value, currency, self.company_id, date)
        return rebate.decimal(value)

    def _get_dms_paid_on(self):
        """Date of the last payment (or credit) that was matched with each invoice.

        :return: ``{move: date}`` for those invoices that have one
        :rtype: dict
        """
        groups = self.env["account.partial.reconcile"]._read_group(
            [("debit_move_id.move_id", "in", self.ids)], ["debit_move_id"], ["max_date:max"]
        )
        dates = {}
        for line, date in groups:
            dates[line.move_id] = max(date, dates.get(line.move_id, date))
        return dates
