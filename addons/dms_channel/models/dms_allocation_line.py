from odoo import api, fields, models

from .dms_allocation import POLICIES


class DmsAllocationLine(models.Model):
    """What one order line would get of the scarce stock under one policy."""

    _name = "dms.allocation.line"
    _description = "Allocation Line"
    _order = "allocation_id desc, policy, product_id, date_order, id"
    _rec_name = "order_line_id"

    allocation_id = fields.Many2one(
        "dms.allocation", required=True, index=True, ondelete="cascade", readonly=True
    )
    company_id = fields.Many2one(related="allocation_id.company_id", store=True, index=True)
    policy = fields.Selection(POLICIES, required=True, readonly=True)
    move_id = fields.Many2one("stock.move", index="btree_not_null", ondelete="set null", readonly=True)
    order_line_id = fields.Many2one(
        "sale.order.line", index="btree_not_null", ondelete="set null", readonly=True
    )
    order_id = fields.Many2one("sale.order", index="btree_not_null", ondelete="set null", readonly=True)
    date_order = fields.Datetime(string="Ordered On", readonly=True)
    partner_id = fields.Many2one(
        "res.partner", string="Distributor", required=True, index=True, readonly=True
    )
    grade_id = fields.Many2one("res.partner.grade", readonly=True)
    points = fields.Integer(string="Credit Points", readonly=True, aggregator=None)
    territory_id = fields.Many2one("dms.territory", readonly=True)
    product_id = fields.Many2one("product.product", required=True, index=True, readonly=True)
    uom_id = fields.Many2one(related="product_id.uom_id")
    demanded = fields.Float(digits="Product Unit", readonly=True)
    reserved_before = fields.Float(string="Reserved Until Now", digits="Product Unit", readonly=True)
    proposed = fields.Float(digits="Product Unit", readonly=True)
    reserved = fields.Float(digits="Product Unit", readonly=True)
    missing = fields.Float(compute="_compute_missing", store=True, digits="Product Unit")
    fill_rate = fields.Float(
        string="Served", compute="_compute_missing", store=True, aggregator="avg", help="Part of the demand."
    )

    @api.depends("demanded", "proposed")
    def _compute_missing(self):
        for line in self:
            line.missing = line.demanded - line.proposed
            line.fill_rate = line.proposed / line.demanded if line.demanded else 0.0
