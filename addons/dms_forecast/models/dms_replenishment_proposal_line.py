from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from odoo.addons.dms_channel.tools.words import format_quantity


class DmsReplenishmentProposalLine(models.Model):
    """A quantity that explains itself; all figures in the product's own unit, as they were at the review."""

    _name = "dms.replenishment.proposal.line"
    _description = "Replenishment Proposal Line"
    _order = "proposal_id, id"

    proposal_id = fields.Many2one("dms.replenishment.proposal", required=True, ondelete="cascade", index=True)
    company_id = fields.Many2one(related="proposal_id.company_id", store=True)
    partner_id = fields.Many2one(related="proposal_id.partner_id", store=True, index=True)
    state = fields.Selection(related="proposal_id.state", store=True)
    product_id = fields.Many2one("product.product", required=True, domain="[('sale_ok', '=', True)]")
    product_uom_id = fields.Many2one(related="product_id.uom_id", string="Unit")
    uom_id = fields.Many2one(
        "uom.uom", string="Packaging", compute="_compute_uom", store=True, readonly=False, precompute=True
    )
    pack_size = fields.Float(
        "Units per Pack",
        compute="_compute_uom",
        store=True,
        readonly=False,
        precompute=True,
        digits="Product Unit",
    )
    pack_quantity = fields.Float(
        "Packs", compute="_compute_pack_quantity", inverse="_inverse_pack_quantity", digits="Product Unit"
    )
    quantity = fields.Float("Order", required=True, digits="Product Unit")
    suggested_quantity = fields.Float("Suggested", readonly=True, digits="Product Unit")
    rule_id = fields.Many2one("dms.replenishment.rule", readonly=True, ondelete="set null")
    series_id = fields.Many2one("dms.forecast.series", readonly=True, ondelete="set null")
    stock = fields.Float("In Stock", readonly=True, digits="Product Unit")
    in_transit = fields.Float(readonly=True, digits="Product Unit")
    on_order = fields.Float(
        readonly=True, digits="Product Unit", help="Ordered and not yet shipped, quotations included."
    )
    available = fields.Float(compute="_compute_available", digits="Product Unit")
    daily_demand = fields.Float("Expected a Day", readonly=True, digits="Product Unit")
    protection_days = fields.Integer(
        "Days to Bridge",
        readonly=True,
        help="Delivery and one review: what is ordered today must last until the next order arrives.",
    )
    lead_days = fields.Float(
        "Delivery (days)", readonly=True, digits=(16, 1), help="As delivered so far, on average."
    )
    lead_days_late = fields.Integer(
        "Late Delivery (days)", readonly=True, help="Nine of ten deliveries are there by then."
    )
    service_level = fields.Float("Service Level (%)", readonly=True)
    abc = fields.Char("ABC", readonly=True)
    xyz = fields.Char("XYZ", readonly=True)
    limits = fields.Char(readonly=True, help="Why the quantity is not what the target asks for.")
    edit_reason = fields.Char("Reason for Change", help="Why the quantity is not the suggested one.")
    expected = fields.Float(
        "Expected Demand", readonly=True, digits="Product Unit", help="In the days to bridge."
    )
    safety = fields.Float("Safety Stock", readonly=True, digits="Product Unit")
    reorder_point = fields.Float(readonly=True, digits="Product Unit")
    order_up_to = fields.Float(readonly=True, digits="Product Unit")
    cap = fields.Float(
        "Guard",
        readonly=True,
        digits="Product Unit",
        help="Stock, goods under way and this order together stay below it.",
    )
    reason = fields.Text("Why", compute="_compute_reason", compute_sudo=True)

    _product_uniq = models.Constraint(
        "UNIQUE(proposal_id, product_id)", "A product stands once on a proposal."
    )
    _quantity_positive = models.Constraint("CHECK (quantity >= 0)", "A quantity to order cannot be negative.")

    @api.depends("product_id")
    def _compute_display_name(self):
        for line in self:
            line.display_name = line.product_id.sudo().display_name

    @api.depends("product_id")
    def _compute_uom(self):
        for line in self:
            if not line.uom_id:
                line.uom_id = line.product_id.uom_id
            line.pack_size = line.uom_id.factor / line.product_id.uom_id.factor if line.product_id else 1.0

    @api.depends("quantity", "pack_size")
    def _compute_pack_quantity(self):
        for line in self:
            line.pack_quantity = line.quantity / line.pack_size if line.pack_size else line.quantity

    def _inverse_pack_quantity(self):
        for line in self:
            line.quantity = line.pack_quantity * (line.pack_size or 1.0)

    @api.depends("stock", "in_transit", "on_order")
    def _compute_available(self):
        for line in self:
            line.available = max(line.stock, 0.0) + line.in_transit + line.on_order

    @api.depends(
        "quantity",
        "suggested_quantity",
        "stock",
        "in_transit",
        "on_order",
        "daily_demand",
        "reorder_point",
        "order_up_to",
        "cap",
        "limits",
        "edit_reason",
        "lead_days",
        "lead_days_late",
        "service_level",
    )
    @api.depends_context("lang")
    def _compute_reason(self):
        for line in self:
            line.reason = " ".join(line._get_reasons())

    def _get_reasons(self):
        """Sentences that explain the quantity, in the user's language."""
        self.ensure_one()
        _ = self.env._
        if not self.reorder_point:
            return [_("Entered by hand.")]
        reasons = [
            _(
                "%(stock)s in stock, %(transit)s under way, %(order)s on order.",
                stock=format_quantity(self.env, self.stock),
                transit=format_quantity(self.env, self.in_transit),
                order=format_quantity(self.env, self.on_order),
            ),
            _(
                "In the %(days)d days until the next order can arrive %(expected).1f are expected and up to %(reorder).1f may be sold"
                " (%(level)g %% sure), so it is time to order.",
                days=self.protection_days,
                expected=self.expected,
                reorder=self.reorder_point,
                level=round(self.service_level or self.rule_id.effective_level or 95, 1),
            )
            if self.available < self.reorder_point
            else _("It would last until the next order, but the order is filled up with it."),
            _(
                "Filled up to %(target).1f, of which %(safety).1f for safety.",
                target=self.order_up_to,
                safety=self.safety,
            ),
        ]
        if self.lead_days_late > self.lead_days + 0.5:
            reasons.append(
                _(
                    "Deliveries took %(mean).1f days on average and up to %(late)d; the safety covers that.",
                    mean=self.lead_days,
                    late=self.lead_days_late,
                )
            )
        limits = set((self.limits or "").split(","))
        reasons += [text for name, text in self._get_limit_words().items() if name in limits]
        if self.pack_size > 1 and self.suggested_quantity and not limits & {"guard", "shelf"}:
            reasons.append(
                _(
                    "Rounded to %(packs)s x %(pack)s.",
                    packs=format_quantity(self.env, self.suggested_quantity / self.pack_size),
                    pack=self.uom_id.name,
                )
            )
        if self.product_uom_id.compare(self.quantity, self.suggested_quantity) != 0:
            suggested = format_quantity(self.env, self.suggested_quantity)
            reasons.append(
                _(
                    "Changed by hand from %(suggested)s: %(reason)s.",
                    suggested=suggested,
                    reason=self.edit_reason.rstrip(".。"),
                )
                if self.edit_reason
                else _("Changed by hand from %(suggested)s.", suggested=suggested)
            )
        return reasons

    def _get_limit_words(self):
        """What each limit did to the quantity, in the user's language -> {name: words}."""
        _ = self.env._
        return {
            "alert": _(
                "There is too much stock in the house already, so no more than would run out is proposed."
            ),
            "guard": _(
                "Kept below the guard of %(cap).1f, so that no stock is pushed into the channel.",
                cap=self.cap,
            ),
            "shelf": _("Kept to %(cap).1f, what sells well within the shelf life.", cap=self.cap),
            "truck": _("Raised to fill the truck, the most urgent products first."),
            "minimum": _("Raised to reach the minimum order, the most urgent products first."),
            "budget": _("Cut to the budget of an order, from the products that last longest."),
            "credit": _("Cut to what the credit limit leaves open, from the products that last longest."),
        }

    @api.constrains("quantity")
    def _check_guard(self):
        for line in self:
            too_much = (
                line.cap
                and line.product_uom_id.compare(line.available + line.quantity, max(line.cap, line.available))
                > 0
            )
            if too_much and line.quantity > line.suggested_quantity:
                most = max(line.suggested_quantity, int(max(line.cap - line.available, 0)))
                raise ValidationError(
                    self.env._(
                        "%(quantity)s of %(product)s is too much: with %(available)s there already, stock would pass %(cap).1f, the demand of"
                        " the coming weeks that is hardly ever exceeded. Order at most %(most)s.",
                        quantity=format_quantity(self.env, line.quantity),
                        product=line.product_id.display_name,
                        available=format_quantity(self.env, line.available),
                        cap=line.cap,
                        most=format_quantity(self.env, most),
                    )
                )

    def write(self, vals):
        self._check_open(vals)
        result = super().write(vals)
        if {"quantity", "pack_quantity", "edit_reason"} & set(vals):
            self._check_edit_reason()
        return result

    def _check_edit_reason(self):
        """A quantity that differs from the suggested one has a reason."""
        for line in self:
            if (
                line.suggested_quantity
                and line.product_uom_id.compare(line.quantity, line.suggested_quantity) != 0
                and not (line.edit_reason or "").strip()
            ):
                raise ValidationError(
                    self.env._(
                        "Say why %(product)s is to be %(quantity)s instead of %(suggested)s: enter a reason for the change.",
                        product=line.product_id.display_name,
                        quantity=format_quantity(self.env, line.quantity),
                        suggested=format_quantity(self.env, line.suggested_quantity),
                    )
                )

    @api.ondelete(at_uninstall=False)
    def _unlink_except_answered(self):
        self._check_open({"quantity": 0})

    def _check_open(self, vals):
        if {"quantity", "pack_quantity", "product_id", "uom_id"} & set(vals):
            closed = self.filtered(lambda line: line.state in ("accepted", "declined"))
            if closed:
                raise UserError(
                    self.env._("%s is closed; change the order instead.", closed[0].proposal_id.name)
                )

    def _prepare_order_line_vals(self):
        self.ensure_one()
        return {
            "product_id": self.product_id.id,
            "product_uom_id": self.uom_id.id,
            "product_uom_qty": self.uom_id.round(self.quantity / self.pack_size)
            if self.pack_size
            else self.quantity,
        }
