from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tools import formatLang

from odoo.addons.dms_channel.tools.words import format_quantity


class DmsTransferPlanLine(models.Model):
    _name = "dms.transfer.plan.line"
    _description = "Planned Transfer"
    _order = "plan_id, gain desc, id"
    _rec_name = "product_id"

    plan_id = fields.Many2one("dms.transfer.plan", required=True, ondelete="cascade", index=True)
    company_id = fields.Many2one(related="plan_id.company_id", store=True)
    currency_id = fields.Many2one(related="company_id.currency_id")
    giver_id = fields.Many2one("res.partner", required=True, readonly=True)
    taker_id = fields.Many2one("res.partner", required=True, readonly=True)
    product_id = fields.Many2one("product.product", required=True, readonly=True)
    uom_id = fields.Many2one(related="product_id.uom_id", string="Unit")
    quantity = fields.Float(digits="Product Unit", readonly=True)
    gain = fields.Monetary(
        readonly=True,
        help="Expected sales of the taker and holding that the giver saves, less freight and handling.",
    )
    freight = fields.Monetary(readonly=True)
    giver_stock = fields.Float(digits="Product Unit", readonly=True)
    giver_keeps = fields.Float(
        digits="Product Unit",
        readonly=True,
        help="Not needed above it with a chance of 19 in 20 until its cover is through.",
    )
    taker_stock = fields.Float(digits="Product Unit", readonly=True, help="With what is on its way.")
    taker_demand = fields.Float(
        digits="Product Unit", readonly=True, help="Of a month, high rather than low."
    )
    transfer_id = fields.Many2one("dms.transfer", readonly=True, copy=False, index="btree_not_null")
    reason = fields.Text("Why", compute="_compute_reason")

    @api.depends("quantity", "gain", "freight")
    @api.depends_context("lang")
    def _compute_reason(self):
        for line in self:
            line.reason = self.env._(
                "%(giver)s has %(stock)s and needs %(keeps)s at most; %(taker)s has %(there)s and may sell %(demand)s in a month. Freight and handling"
                " of %(freight)s are paid for: the gain is %(gain)s.",
                giver=line.giver_id.display_name,
                stock=format_quantity(self.env, line.giver_stock),
                keeps=format_quantity(self.env, round(line.giver_keeps)),
                taker=line.taker_id.display_name,
                there=format_quantity(self.env, line.taker_stock),
                demand=format_quantity(self.env, round(line.taker_demand)),
                freight=formatLang(self.env, line.freight, currency_obj=line.currency_id),
                gain=formatLang(self.env, line.gain, currency_obj=line.currency_id),
            )

    def action_accept(self):
        """Propose the transfers to the parties: one for each giver and taker, once."""
        self.check_access("write")
        self.lock_for_update()
        self.invalidate_recordset(["transfer_id"])
        waiting = self.filtered(lambda line: not line.transfer_id)
        if not waiting:
            raise UserError(self.env._("These transfers were proposed already."))
        groups = list(waiting.grouped(lambda line: (line.company_id, line.giver_id, line.taker_id)).items())
        transfers = self.env["dms.transfer"]._propose(
            [lines._prepare_transfer_vals(*parties) for parties, lines in groups]
        )
        for (_parties, lines), transfer in zip(groups, transfers, strict=True):
            lines.transfer_id = transfer
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Transfers"),
            "res_model": "dms.transfer",
            "view_mode": "list,form",
            "domain": [("id", "in", transfers.ids)],
        }

    def _prepare_transfer_vals(self, company, giver, taker):
        return {
            "company_id": company.id,
            "giver_id": giver.id,
            "taker_id": taker.id,
            "source": "planner",
            "reason": "\n".join(self.mapped("reason")),
            "line_ids": [
                Command.create(
                    {
                        "product_id": line.product_id.id,
                        "product_uom_id": line.uom_id.id,
                        "product_uom_qty": line.quantity,
                    }
                )
                for line in self
            ],
        }
