"""How deductions that wait for the next settlement get on it, and what becomes of them when it is posted."""

from odoo import api, models


class DmsSettlement(models.Model):
    _inherit = "dms.settlement"

    def _get_other_lines(self):
        waiting = super()._get_other_lines()
        by_party = {
            (settlement.company_id, settlement.partner_id, settlement.currency_id): settlement
            for settlement in self.sorted("id", reverse=True)
        }
        for deduction in self.env["dms.deduction"]._get_queued(self.partner_id, self.company_id):
            party = (deduction.company_id, deduction.partner_id, deduction.currency_id)
            if settlement := by_party.get(party):
                waiting.setdefault(settlement, []).append(deduction._prepare_settlement_line_vals())
        return waiting

    def _post_set_offs(self):
        self.ensure_one()
        for line in self.sudo().line_ids:
            if line.kind == "deduction" and line.amount and line.document:
                line.document._mark_settled(self)
        return super()._post_set_offs()


class DmsSettlementLine(models.Model):
    _inherit = "dms.settlement.line"

    @api.model
    def _selection_document(self):
        return [*super()._selection_document(), ("dms.deduction", self.env._("Deduction"))]
