from odoo import fields, models


class AccountPayment(models.Model):
    _inherit = "account.payment"

    dms_advance = fields.Boolean(
        "Advance on Rebates",
        copy=False,
        index="btree_not_null",
        help="Paid to the distributor before its rebates were settled: the next settlement sets it off.",
    )
    dms_settlement_id = fields.Many2one(
        "dms.settlement",
        "Settlement",
        readonly=True,
        copy=False,
        ondelete="restrict",
        index="btree_not_null",
        help="The settlement that was paid out by this payment.",
    )
    dms_agreement_ids = fields.Many2many(
        "dms.agreement",
        string="Deposit of",
        readonly=True,
        copy=False,
        groups="dms_channel.dms_channel_group_user",
        help="The agreement, with its versions, that the payment is the deposit of.",
    )

    def _get_dms_deposit(self):
        """What of a deposit is still held: its amount, less what it was set off against."""
        self.ensure_one()
        items = self.move_id.line_ids.filtered(
            lambda item: item.account_id.account_type == "asset_receivable" and item.parent_state == "posted"
        )
        return -sum(items.mapped("amount_residual_currency")) if items else self.amount
