from odoo import api, fields, models
from odoo.exceptions import UserError

from ..tools import guard


class DmsStatementLine(models.Model):
    """An entry of a period: one journal item, or what was settled in another currency. Written by the ledger's SQL."""

    _name = "dms.statement.line"
    _description = "Statement Entry"
    _inherit = ["dms.statement.answer"]
    _order = "statement_id, sequence, id"
    _log_access = False

    statement_id = fields.Many2one(
        "dms.statement", required=True, readonly=True, ondelete="cascade", index=True
    )
    partner_id = fields.Many2one("res.partner", "Distributor", readonly=True, ondelete="restrict", index=True)
    company_id = fields.Many2one("res.company", readonly=True, ondelete="cascade", index=True)
    currency_id = fields.Many2one("res.currency", readonly=True, ondelete="restrict")
    company_currency_id = fields.Many2one(related="company_id.currency_id")
    state = fields.Selection(related="statement_id.state")
    sequence = fields.Integer(readonly=True)
    entry_key = fields.Char(required=True, readonly=True)
    move_line_id = fields.Many2one(
        "account.move.line", "Journal Item", readonly=True, ondelete="set null", index="btree_not_null"
    )
    move_id = fields.Many2one(
        "account.move", "Document", readonly=True, ondelete="set null", index="btree_not_null"
    )
    kind = fields.Selection(
        [
            ("invoice", "Invoice"),
            ("payment", "Payment"),
            ("credit_note", "Credit Note"),
            ("settlement", "Settlement"),
            ("deduction", "Deduction"),
            ("exchange", "Exchange Difference"),
            ("conversion", "Settled in Another Currency"),
            ("other", "Other Entry"),
        ],
        required=True,
        readonly=True,
    )
    date = fields.Date(required=True, readonly=True)
    date_maturity = fields.Date("Due Date", readonly=True)
    name = fields.Char("Number", readonly=True)
    ref = fields.Char("Reference", readonly=True)
    amount = fields.Monetary(readonly=True, help="Above zero: the distributor owes it.")
    company_amount = fields.Monetary(
        "In Company Currency", currency_field="company_currency_id", readonly=True
    )
    balance = fields.Monetary(readonly=True, help="What was owed after this entry.")

    _entry_uniq = models.Constraint("UNIQUE(statement_id, entry_key)", "A statement names each entry once.")

    def write(self, vals):
        if guard.is_marked(self):
            return super().write(vals)
        if set(vals) - {"reply"}:
            raise UserError(
                self.env._(
                    "A statement's entries come from the ledger; only your reply to a dispute is entered here."
                )
            )
        for line in self:
            if line.answer != "disputed" or line.state != "disputed":
                raise UserError(
                    self.env._(
                        "%s is not disputed: there is nothing to reply to.",
                        line.name or line.statement_id.name,
                    )
                )
        return super().write({**vals, **self._prepare_reply_vals()})

    @api.depends("name", "kind")
    def _compute_display_name(self):
        kinds = dict(self._fields["kind"]._description_selection(self.env))
        for line in self:
            line.display_name = line.name or kinds.get(line.kind)

    def action_view_document(self):
        """Open the document; the payment of a payment's entry."""
        self.ensure_one()
        if not self.move_id:
            raise UserError(self.env._("The document of this entry was deleted after it had been stated."))
        payment = self.move_id.origin_payment_id
        return payment._get_records_action() if payment else self.move_id._get_records_action(context={})
