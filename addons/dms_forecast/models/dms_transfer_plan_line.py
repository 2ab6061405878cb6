import math

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tools import format_date, formatLang

from odoo.addons.dms_channel.tools.words import format_quantity


class DmsTransferPlanLine(models.Model):
    _name = "dms.transfer.plan.line"
    _description = "Planned Transfer"
    _order = "plan_id, gain desc, id"
    _rec_name = "product_id"

    plan_id = fields.Many2one("dms.transfer.plan", required=True, ondelete="cascade", index=True)
    company_id = fields.Many2one(related="plan_id.company_id", store=True)
    currency_id = fields.Many2one(related="company_id.currency_id")
    date = fields.Date(related="plan_id.date", store=True)
    giver_id = fields.Many2one("res.partner", "From", required=True, readonly=True)
    taker_id = fields.Many2one("res.partner", "To", required=True, readonly=True)
    product_id = fields.Many2one("product.product", required=True, readonly=True)
    categ_id = fields.Many2one(related="product_id.categ_id", string="Product Category", store=True)
    uom_id = fields.Many2one(related="product_id.uom_id", string="Unit")
    quantity = fields.Float(digits="Product Unit", readonly=True)
    gain = fields.Monetary(
        readonly=True,
        help="Margin that the taker expects and holding that the giver saves, less freight and handling.",
    )
    margin = fields.Monetary(
        "Taker's Margin",
        readonly=True,
        help="On what it is expected to sell more within 30 days: price that it sells at, less what the goods cost it and holding them until then.",
    )
    saved = fields.Monetary(
        "Giver Saves",
        readonly=True,
        help="Holding of the goods until they would have been sold, at the company's rate.",
    )
    freight = fields.Monetary("Freight and Handling", readonly=True)
    margin_unit = fields.Float("Margin of a Unit", digits="Product Price", readonly=True, aggregator=None)
    margin_source = fields.Selection(
        [
            ("sold", "Its Sales"),
            ("guidance", "Guidance Price"),
            ("rate", "Company's Rate"),
        ],
        "Margin Known From",
        readonly=True,
        help="Its sales of the last quarter; the lowest guidance price of its territory without taxes; or the margin of the settings.",
    )
    keep_until = fields.Date(
        "Must Keep Until",
        readonly=True,
        help="Goods with an expiry date must keep until they are there and the taker has sold all that it may get. Empty: nothing expires.",
    )
    giver_stock = fields.Float(digits="Product Unit", readonly=True, aggregator=None)
    giver_keeps = fields.Float(
        digits="Product Unit",
        readonly=True,
        aggregator=None,
        help="Not needed above it with a chance of 19 in 20 until its cover is through.",
    )
    giver_days = fields.Integer("Giver's Cover (days)", readonly=True, aggregator=None)
    lie_days = fields.Integer(
        "Would Lie (days)", readonly=True, aggregator="avg", help="With the giver, on average."
    )
    taker_stock = fields.Float(
        digits="Product Unit", readonly=True, aggregator=None, help="With what is on its way."
    )
    taker_demand = fields.Float(
        digits="Product Unit",
        readonly=True,
        aggregator=None,
        help="Not exceeded within 30 days with a chance of 9 in 10.",
    )
    transfer_id = fields.Many2one("dms.transfer", readonly=True, copy=False, index="btree_not_null")
    transfer_state = fields.Selection(related="transfer_id.state", string="Status of the Transfer")
    reason = fields.Text("Why", compute="_compute_reasons")
    giver_reason = fields.Text(
        "Why, for the Giver", compute="_compute_reasons", help="Of the taker it says nothing."
    )
    taker_reason = fields.Text(
        "Why, for the Taker", compute="_compute_reasons", help="Of the giver it says nothing."
    )

    @api.depends("quantity", "gain", "freight", "margin", "saved", "keep_until")
    @api.depends_context("lang")
    def _compute_reasons(self):
        for line in self:
            figures = line._get_figures()
            line.reason = self.env._(
                "%(giver)s has %(stock)s and needs %(keeps)s at most in %(days)s days; %(taker)s has %(there)s and may sell up to %(demand)s in 30 days."
                " The taker's expected margin of %(margin)s and %(saved)s of holding, less %(freight)s for freight and handling, make a gain of %(gain)s.",
                **figures,
            )
            line.giver_reason = " ".join(line._get_giver_sentences(figures))
            line.taker_reason = self.env._(
                "%(product)s: you have %(there)s %(unit)s with what is on its way, and may sell up to %(demand)s in 30 days. %(quantity)s more are expected"
                " to earn you about %(margin)s: your margin of %(margin_unit)s for each that sells in that time, less the holding until then.",
                **figures,
            )

    def _get_giver_sentences(self, figures):
        """Yield why the giver should let the goods go, by its own figures only."""
        yield self.env._(
            "%(product)s: you have %(stock)s %(unit)s, and with a chance of 19 in 20 no more than %(keeps)s are needed in the next %(days)s days. The"
            " %(quantity)s to go would lie with you for about %(lies)s days; what that costs, about %(saved)s, is saved.",
            **figures,
        )
        if self.keep_until:
            yield self.env._("Please choose goods that keep until %(until)s or longer.", **figures)

    def _get_figures(self):
        """The figures of the reasons, in the reader's language."""
        self.ensure_one()

        def money(amount):
            return formatLang(self.env, amount, currency_obj=self.currency_id)

        def number(quantity):
            return format_quantity(self.env, quantity)

        return {
            "giver": self.giver_id.display_name,
            "taker": self.taker_id.display_name,
            "product": self.product_id.display_name,
            "unit": self.uom_id.name,
            "quantity": number(self.quantity),
            "stock": number(self.giver_stock),
            "keeps": number(math.ceil(self.giver_keeps)),
            "days": self.giver_days,
            "lies": self.lie_days,
            "there": number(self.taker_stock),
            "demand": number(math.ceil(self.taker_demand)),
            "margin_unit": money(self.margin_unit),
            "margin": money(self.margin),
            "saved": money(self.saved),
            "freight": money(self.freight),
            "gain": money(self.gain),
            "until": format_date(self.env, self.keep_until),
        }

    def action_accept(self):
        """Propose the transfers to the parties: one for each giver and taker, once."""
        self.check_access("write")
        for company in self.company_id:
            self.env["dms.transfer.plan"]._lock(company)
        here = self.exists()
        here.invalidate_recordset(["transfer_id"])
        waiting = here.filtered(lambda line: not line.transfer_id)
        if not waiting:
            raise UserError(
                self.env._("These transfers were proposed already.")
                if here
                else self.env._("These lines were replaced by a newer plan. Open that one.")
            )
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
            # each side reads its own, in its language
            "giver_reason": "\n".join(
                self.with_context(lang=giver.lang or self.env.lang).mapped("giver_reason")
            ),
            "taker_reason": "\n".join(
                self.with_context(lang=taker.lang or self.env.lang).mapped("taker_reason")
            ),
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
