from odoo import models


class DmsSettlement(models.Model):
    _inherit = "dms.settlement"

    def _get_other_lines(self):
        """Claw-backs of rulings are taken off as far as they are still open."""
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
        return waiting
