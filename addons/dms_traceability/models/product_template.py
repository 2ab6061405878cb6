from odoo import fields, models


class ProductTemplate(models.Model):
    _inherit = "product.template"

    dms_code_required = fields.Boolean(
        "Unit Codes at Shipping",
        help="A delivery to a distributor or an outlet can only be validated once the unit codes of all its items are "
        "scanned. Without it, codes may be scanned, and what is scanned must match.",
    )
