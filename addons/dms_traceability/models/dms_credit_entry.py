from odoo import api, models
from odoo.fields import Domain


class DmsCreditEntry(models.Model):
    _inherit = "dms.credit.entry"

    @api.model
    def _post_payment_events(self, moves, company, today):
        # A claw-back is no sale: paying it earns nothing, and the ruling has said what it costs.
        return super()._post_payment_events(
            moves.filtered(lambda move: not move.dms_diversion_case_id), company, today
        )

    @api.model
    def _get_partners_with_case(self, start, end, company):
        cases = self.env["dms.diversion.case"].search(
            Domain("company_id", "=", company.id)
            & Domain("date", ">=", start)
            & Domain("date", "<=", end)
            # One that was not proved, or was granted an appeal, leaves the quarter clean.
            & (Domain("ruling", "!=", "dismissed") & Domain("appeal_outcome", "!=", "granted"))
        )
        return cases.partner_id
