from odoo import models


class DmsSettlement(models.Model):
    _inherit = "dms.settlement"

    def _get_other_lines(self):
        """Claw-backs of rulings are taken off as far as they are still open."""
        waiting = super()._get_other_lines()
        by_party = {
            (settlement.company_id, settlement.partner_id, settlement.currency_id): settlement
            for settlement in self.sorted("id", reverse=True)
        }
        for item in self._get_claw_back_items():
            party = (item.company_id, item.partner_id.commercial_partner_id, item.currency_id)
            if settlement := by_party.get(party):
                waiting.setdefault(settlement, []).append(
                    {
                        "kind": "deduction",
                        "name": self.env._(
                            "Diversion case %(case)s: %(invoice)s",
                            case=item.move_id.dms_diversion_case_id.name,
                            invoice=item.move_id.name,
                        ),
                        "amount": -item.amount_residual_currency,
                        "item_id": item.id,
                    }
                )
        return waiting

    def _get_claw_back_items(self):
        """Open items of claw-backs that no other settlement has yet."""
        queued = self.env["dms.settlement.line"].search(
            [
                ("pending", "=", True),
                ("kind", "=", "deduction"),
                ("partner_id", "in", self.partner_id.ids),
                ("item_id", "!=", False),
            ]
        )
        return self.env["account.move.line"].search(
            [
                ("move_id.dms_diversion_role", "=", "settlement"),
                ("partner_id.commercial_partner_id", "in", self.partner_id.ids),
                ("company_id", "in", self.company_id.ids),
                ("parent_state", "=", "posted"),
                ("account_id.account_type", "=", "asset_receivable"),
                ("amount_residual_currency", ">", 0),
                ("id", "not in", queued.item_id.ids),
            ],
            order="date, id",
        )
