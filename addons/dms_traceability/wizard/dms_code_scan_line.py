from odoo import fields, models


class DmsCodeScanLine(models.TransientModel):
    _name = "dms.code.scan.line"
    _description = "Expected and Scanned Units"

    wizard_id = fields.Many2one("dms.code.scan", required=True, ondelete="cascade", index=True)
    product_id = fields.Many2one("product.product", required=True)
    lot_id = fields.Many2one("stock.lot", "Batch")
    expected = fields.Float(digits="Product Unit")
    scanned = fields.Integer()
    missing = fields.Float("To Scan", digits="Product Unit")
