from odoo import api, models


class AccountPartialReconcile(models.Model):
    _inherit = "account.partial.reconcile"

    @api.model_create_multi
    def create(self, vals_list):
        partials = super().create(vals_list)
        partials.debit_move_id._dms_sync_deductions()
        return partials

    def unlink(self):
        items = self.debit_move_id
        result = super().unlink()
        items.exists()._dms_sync_deductions()
        return result
