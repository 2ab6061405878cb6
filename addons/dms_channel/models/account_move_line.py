from odoo import fields, models


class AccountMoveLine(models.Model):
    _inherit = "account.move.line"

    dms_accrual_id = fields.Many2one(
        "dms.rebate.accrual",
        "Rebate Accrual",
        readonly=True,
        copy=False,
        ondelete="restrict",
        index="btree_not_null",
    )
    dms_settlement_line_id = fields.Many2one(
        "dms.settlement.line",
        "Settlement Line",
        readonly=True,
        copy=False,
        ondelete="restrict",
        index="btree_not_null",
    )

    def _dms_earns_rebate(self):
        """Return whether the line is a sale of goods or a discount on it: no section, tax, note or freight."""
        self.ensure_one()
        return bool(
            self.display_type == "product"
            and self.product_id
            and not self.sale_line_ids.filtered("is_delivery")
        )
