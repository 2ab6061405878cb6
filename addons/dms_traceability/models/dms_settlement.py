from odoo import api, models


class DmsSettlement(models.Model):
    _inherit = "dms.settlement"

    def _get_other_lines(self):
        """Claw-backs of rulings are taken off as far as they are still open. What was taken off before an appeal was
        granted is paid back."""
        waiting = super()._get_other_lines()
        items = self._get_open_items(
            "deduction",
            self.partner_id,
            self.company_id,
            [("move_id.dms_diversion_role", "=", "settlement")],
        )
        self._add_items(
            waiting,
            "deduction",
            items,
            lambda item: {
                "name": self.env._(
                    "Diversion case %(case)s: %(invoice)s",
                    case=item.move_id.dms_diversion_case_id.name,
                    invoice=item.move_id.name,
                ),
            },
        )
        self._add_items(
            waiting,
            "credit",
            self._get_credit_items(self.partner_id, self.company_id),
            lambda item: {
                "name": self.env._(
                    "Appeal granted in diversion case %(case)s: %(invoice)s",
                    case=item.move_id.dms_diversion_case_id.name,
                    invoice=item.move_id.name,
                ),
            },
        )
        return waiting

    @api.model
    def _get_credit_items(self, partners, companies):
        return super()._get_credit_items(partners, companies) | self._get_open_items(
            "credit",
            partners,
            companies,
            [("move_id.dms_diversion_case_id", "!=", False), ("move_id.dms_diversion_role", "=", "reversal")],
        )
