from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain

from ..tools import guard, rebate


class DmsSettlementUse(models.Model):
    """What one order takes from a settlement that goods or future orders use up.

    It is taken when the order is confirmed, as negative lines of the order with the taxes of its goods; the order's
    invoices draw on the liability that the settlement was posted to. A cancelled order gives back what is not invoiced.
    """

    _name = "dms.settlement.use"
    _description = "Use of a Settlement"
    _order = "id desc"
    _rec_name = "order_id"

    settlement_id = fields.Many2one(
        "dms.settlement", required=True, readonly=True, ondelete="restrict", index=True
    )
    order_id = fields.Many2one("sale.order", required=True, readonly=True, ondelete="restrict", index=True)
    partner_id = fields.Many2one(related="settlement_id.partner_id", store=True, index=True)
    company_id = fields.Many2one(related="settlement_id.company_id", store=True, index=True)
    currency_id = fields.Many2one(related="settlement_id.currency_id")
    date_order = fields.Datetime(related="order_id.date_order")
    amount = fields.Monetary(
        "Used", readonly=True, help="Net amount that the order takes from the settlement."
    )
    invoiced_amount = fields.Monetary("Invoiced", compute="_compute_invoiced_amount")
    line_ids = fields.One2many("sale.order.line", "dms_settlement_use_id", "Order Lines", readonly=True)
    item_ids = fields.One2many("account.move.line", "dms_settlement_use_id", "Invoice Lines", readonly=True)

    _order_uniq = models.Constraint(
        "UNIQUE(settlement_id, order_id)", "An order uses a settlement once: change what it uses instead."
    )
    _amount_positive = models.Constraint("CHECK(amount >= 0)", "An order can't use less than nothing.")

    @api.depends("item_ids.amount_currency", "item_ids.parent_state")
    def _compute_invoiced_amount(self):
        """What posted invoices, less credit notes, have drawn."""
        groups = self.env["account.move.line"]._read_group(
            [("dms_settlement_use_id", "in", self.ids), ("parent_state", "=", "posted")],
            ["dms_settlement_use_id"],
            ["amount_currency:sum"],
        )
        amounts = {use.id: amount for use, amount in groups}
        for use in self:
            use.invoiced_amount = amounts.get(use.id, 0.0)

    # === BUSINESS ===

    @api.model
    def _apply(self, orders):
        """Let orders that are being confirmed use up what their distributors' settlements still hold.

        Called as superuser. Waits for whoever else is using the same settlements; one that was changed meanwhile makes
        this transaction start again.
        """
        candidates = self._get_candidates(orders)
        candidates._lock_for_use()
        for order in orders:
            for settlement in candidates.filtered(lambda candidate, order=order: candidate._may_serve(order)):
                taken = sum(order.dms_settlement_use_ids.mapped("amount"))
                room = order.currency_id.round(
                    order._get_dms_goods_net() * settlement._get_share(order) - taken
                )
                amount = min(room, settlement.amount_left)
                if settlement.currency_id.compare_amounts(amount, 0) > 0:
                    self._take(settlement, order, amount)

    @api.model
    def _get_expected(self, orders):
        """What quotations would use up if they were confirmed now, each as if it were the only one.

        :return: dict order -> amount
        """
        if not orders:
            return {}
        candidates = self._get_candidates(orders)
        expected = {}
        for order in orders:
            taken = 0.0
            for settlement in candidates.filtered(lambda candidate, order=order: candidate._may_serve(order)):
                room = order._get_dms_goods_net() * settlement._get_share(order) - taken
                taken += max(min(order.currency_id.round(room), settlement.amount_left), 0.0)
            expected[order] = taken
        return expected

    @api.model
    def _get_candidates(self, orders):
        """Settlements that still hold something for these orders, the oldest first."""
        return self.env["dms.settlement"].search(
            Domain("state", "=", "posted")
            & Domain("amount_left", ">", 0)
            & Domain("partner_id", "in", orders.dms_distributor_id.ids)
            & Domain("company_id", "in", orders.company_id.ids)
            & (Domain("payout", "=", "offset") | Domain("id", "in", orders.dms_goods_settlement_id.ids)),
            order="date_to, id",
        )

    @api.model
    def _take(self, settlement, order, amount):
        use = self.create({"settlement_id": settlement.id, "order_id": order.id, "amount": amount})
        product = order.company_id._dms_get_offset_product()
        weights = {}
        for line in order._get_dms_valued_lines():
            weights[line.tax_ids] = weights.get(line.tax_ids, rebate.ZERO) + rebate.decimal(
                line.price_subtotal
            )
        parts = rebate.share(
            rebate.decimal(amount), list(weights.values()), rebate.decimal(order.currency_id.rounding)
        )
        guard.mark(self.env["sale.order.line"]).create(
            [
                use._prepare_order_line_vals(product, taxes, float(part))
                for taxes, part in zip(weights, parts, strict=True)
                if part
            ]
        )
        return use

    def _prepare_order_line_vals(self, product, taxes, amount):
        """Values of an order line: as many as currency units are used, at minus one each, so that every invoice may take
        its part to the cent."""
        self.ensure_one()
        # A net unit of the currency, with those taxes that prices include.
        included = sum(tax.amount for tax in taxes if tax.price_include and tax.amount_type == "percent")
        return {
            "order_id": self.order_id.id,
            "product_id": product.id,
            "name": self.env._("Settlement %s", self.settlement_id.name),
            "product_uom_qty": amount,
            "price_unit": -(1 + included / 100),
            "discount": 0.0,
            "tax_ids": [fields.Command.set(taxes.ids)],
            "dms_settlement_use_id": self.id,
            "sequence": 9999,
        }

    def _release(self):
        """Give back what the orders have not invoiced (called as superuser)."""
        for use in self:
            use._reduce(0.0)

    def _limit(self):
        """Give back what exceeds the share that the order's goods allow by now (called as superuser)."""
        for order, uses in self.grouped("order_id").items():
            for use in uses.sorted("id", reverse=True):
                total = sum(order.dms_settlement_use_ids.mapped("amount"))
                room = order.currency_id.round(
                    order._get_dms_goods_net() * use.settlement_id._get_share(order)
                )
                if order.currency_id.compare_amounts(total, room) > 0:
                    use._reduce(max(use.amount - (total - room), 0.0))

    def _reduce(self, amount):
        """Use ``amount`` only, or what is invoiced already where that is more."""
        self.ensure_one()
        self.settlement_id._lock_for_use()
        lines = guard.mark(self.line_ids)
        parts = rebate.share(
            rebate.decimal(amount),
            [rebate.decimal(line.product_uom_qty) for line in lines],
            rebate.decimal(self.currency_id.rounding),
        )
        for line, part in zip(lines, parts, strict=True):
            line.product_uom_qty = max(float(part), line.qty_invoiced)
        self.amount = sum(lines.mapped("product_uom_qty"))
        if self.currency_id.is_zero(self.amount) and not self.item_ids:
            if self.order_id.state != "sale":
                lines.unlink()
            self.unlink()

    @api.ondelete(at_uninstall=False)
    def _unlink_except_invoiced(self):
        for use in self:
            if not use.currency_id.is_zero(use.invoiced_amount):
                raise UserError(
                    self.env._(
                        "Order %s has invoiced what it uses of a settlement: credit the invoice first.",
                        use.order_id.name,
                    )
                )
