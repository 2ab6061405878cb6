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

    dms_settlement_use_id = fields.Many2one(
        "dms.settlement.use",
        "Use of a Settlement",
        readonly=True,
        copy=False,
        ondelete="set null",
        index="btree_not_null",
    )

    def _copy_data_extend_business_fields(self, values):
        super()._copy_data_extend_business_fields(values)
        # A credit note gives back what its invoice drew on a settlement.
        values["dms_settlement_use_id"] = self.dms_settlement_use_id.id

    def _dms_earns_rebate(self):
        """Return whether the line is a sale of goods or a discount on it: no section, tax, note, freight or set-off."""
        self.ensure_one()
        return bool(
            self.display_type == "product"
            and self.product_id
            and not self.dms_settlement_use_id
            and not self.sale_line_ids.filtered("is_delivery")
        )

    def _dms_sync_deductions(self):
        """Let deductions of these items follow what is open on them."""
        if self:
            self.env["dms.deduction"].sudo().search([("move_line_id", "in", self.ids)])._sync()
