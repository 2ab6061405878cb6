from odoo import fields, models


class AccountMove(models.Model):
    _inherit = "account.move"

    dms_diversion_case_id = fields.Many2one(
        "dms.diversion.case",
        "Diversion Case",
        readonly=True,
        copy=False,
        ondelete="restrict",
        index="btree_not_null",
    )
    dms_diversion_role = fields.Selection(
        [("settlement", "Claw-back"), ("deposit", "Taken from the deposit"), ("reversal", "Reversal")],
        "Role in the Case",
        readonly=True,
        copy=False,
    )

    def _dms_earns_rebate(self):
        return super()._dms_earns_rebate() and not self.dms_diversion_case_id
