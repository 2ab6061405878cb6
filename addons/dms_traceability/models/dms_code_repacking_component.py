from odoo import api, fields, models
from odoo.exceptions import UserError


class DmsCodeRepackingComponent(models.Model):
    _name = "dms.code.repacking.component"
    _description = "Component without Codes"
    _check_company_auto = True

    repacking_id = fields.Many2one("dms.code.repacking", required=True, ondelete="cascade", index=True)
    company_id = fields.Many2one(related="repacking_id.company_id", store=True, index=True)
    product_id = fields.Many2one(
        "product.product", required=True, check_company=True, domain=[("type", "=", "consu")]
    )
    lot_id = fields.Many2one(
        "stock.lot", "Batch", check_company=True, domain="[('product_id', '=', product_id)]"
    )
    uom_id = fields.Many2one(related="product_id.uom_id", string="Unit")
    quantity = fields.Float(digits="Product Unit", required=True, default=1)

    _quantity_positive = models.Constraint(
        "CHECK(quantity > 0)", "Enter how many of the component are used up: more than 0."
    )

    @api.model_create_multi
    def create(self, vals_list):
        components = super().create(vals_list)
        components._check_draft()
        return components

    def write(self, vals):
        self._check_draft()
        return super().write(vals)

    def unlink(self):
        self._check_draft()
        return super().unlink()

    def _check_draft(self):
        done = self.repacking_id.filtered(lambda repacking: repacking.state != "draft")
        if done:
            raise UserError(
                self.env._(
                    "%s is done, so its components can't change. Undo it, and make another.",
                    ", ".join(done.mapped("name")),
                )
            )
