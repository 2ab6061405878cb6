from odoo import api, fields, models
from odoo.tools import SQL


class StockLot(models.Model):
    _inherit = "stock.lot"

    # The field comes with product_expiry: a channel of goods that never spoil goes without it.

    def _dms_get_expiry(self):
        """The day on which the batch expires; False where it does not, or nobody keeps expiry dates."""
        if not self or "expiration_date" not in self._fields or not self.expiration_date:
            return False
        return fields.Datetime.context_timestamp(self, self.expiration_date).date()

    @api.model
    def _dms_get_expiry_sql(self, alias):
        """Answer the same as an expression on the table ``alias`` of batches."""
        if "expiration_date" not in self._fields:
            return SQL("NULL::date")
        return SQL(
            "(%s AT TIME ZONE 'UTC' AT TIME ZONE %s)::date",
            SQL.identifier(alias, "expiration_date"),
            self.env.tz.zone,
        )
