from odoo import fields, models


class StockMove(models.Model):
    _inherit = "stock.move"

    dms_repacking_id = fields.Many2one(
        "dms.code.repacking", "Repacking", readonly=True, index="btree_not_null"
    )

    def _get_value_from_production(self, quantity, at_date=None):
        """What is made by repacking is worth what was used up for it."""
        repacking = self.dms_repacking_id
        if not repacking or self.origin_returned_move_id:
            return super()._get_value_from_production(quantity, at_date)
        used = repacking.move_ids.filtered(
            lambda move: move.state == "done" and move.is_out and not move.origin_returned_move_id
        )
        value = sum(used.mapped("value"))
        return {
            "value": value * quantity / (self._get_valued_qty() or quantity),
            "quantity": quantity,
            "description": self.env._(
                "%(value)s for what %(repacking)s used up",
                value=self.company_currency_id.format(value),
                repacking=repacking.name,
            ),
        }
