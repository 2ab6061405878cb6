from odoo import fields, models


class SaleOrder(models.Model):
    _inherit = "sale.order"

    dms_proposal_id = fields.Many2one(
        "dms.replenishment.proposal",
        string="Replenishment Proposal",
        readonly=True,
        copy=False,
        index="btree_not_null",
    )
