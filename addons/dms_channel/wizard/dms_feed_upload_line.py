from odoo import fields, models
from odoo.exceptions import UserError
from odoo.tools import float_repr


class DmsFeedUploadLine(models.TransientModel):
    """A line that is typed in, in the product's unit of measure."""

    _name = "dms.feed.upload.line"
    _description = "Line of Typed Channel Data"
    _order = "id"

    wizard_id = fields.Many2one("dms.feed.upload", required=True, index=True, ondelete="cascade")
    sender_id = fields.Many2one(related="wizard_id.partner_id")
    outlet_id = fields.Many2one(
        "res.partner", domain="[('channel_role', '=', 'outlet'), ('upstream_id', '=', sender_id)]"
    )
    product_id = fields.Many2one("product.product", required=True, domain=[("type", "=", "consu")])
    date = fields.Date(required=True, default=fields.Date.context_today)
    quantity = fields.Float(digits="Product Unit", required=True)
    uom_id = fields.Many2one(related="product_id.uom_id")
    price_unit = fields.Float(string="Unit Price", digits="Product Price")
    reference = fields.Char()

    def _get_rows(self):
        """The lines as texts, as a file has them: {column of a feed: text}."""
        digits = self.env["decimal.precision"].precision_get("Product Unit")
        prices = self.env["decimal.precision"].precision_get("Product Price")
        return [
            {
                "outlet": line._get_code(line.outlet_id, line.outlet_id.ref),
                "product_code": line._get_code(
                    line.product_id, line.product_id.default_code or line.product_id.barcode
                ),
                "date": line.date.isoformat(),
                "quantity": float_repr(line.quantity, digits),
                "unit_price": float_repr(line.price_unit, prices) if line.price_unit else "",
                "reference": line.reference or "",
            }
            for line in self
        ]

    def _get_code(self, record, code):
        if record and not code:
            raise UserError(
                self.env._("%(record)s has no code. Give it a reference first.", record=record.display_name)
            )
        return code or ""
