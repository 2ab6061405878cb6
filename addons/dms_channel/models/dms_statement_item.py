from odoo import fields, models


class DmsStatementItem(models.Model):
    """A journal item that was open on the statement's last day, whatever period it is from. Written by SQL."""

    _name = "dms.statement.item"
    _description = "Open Item of a Statement"
    _order = "statement_id, date_maturity, id"
    _log_access = False

    statement_id = fields.Many2one(
        "dms.statement", required=True, readonly=True, ondelete="cascade", index=True
    )
    partner_id = fields.Many2one("res.partner", "Distributor", readonly=True, ondelete="restrict", index=True)
    company_id = fields.Many2one("res.company", readonly=True, ondelete="cascade", index=True)
    currency_id = fields.Many2one("res.currency", readonly=True, ondelete="restrict")
    company_currency_id = fields.Many2one(related="company_id.currency_id")
    move_line_id = fields.Many2one(
        "account.move.line", "Journal Item", readonly=True, ondelete="set null", index="btree_not_null"
    )
    move_id = fields.Many2one(
        "account.move", "Document", readonly=True, ondelete="set null", index="btree_not_null"
    )
    date = fields.Date(readonly=True)
    date_maturity = fields.Date("Due Date", readonly=True)
    name = fields.Char("Number", readonly=True)
    ref = fields.Char("Reference", readonly=True)
    amount = fields.Monetary(readonly=True)
    residual = fields.Monetary("Still Open", readonly=True)
    company_residual = fields.Monetary(
        "Open in Company Currency", currency_field="company_currency_id", readonly=True
    )
    days_overdue = fields.Integer(readonly=True)
