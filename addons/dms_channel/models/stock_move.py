from collections import defaultdict

from odoo import fields, models

from ..tools import guard


class StockMove(models.Model):
    _inherit = "stock.move"

    def _action_done(self, cancel_backorder=False):
        done = super()._action_done(cancel_backorder=cancel_backorder)
        done.filtered(lambda move: move.state == "done")._dms_post_sell_in()
        return done

    def _dms_get_distributor(self):
        """Answer the distributor whose channel stock this move changes: the buyer on the order, else the addressee."""
        self.ensure_one()
        buyer = self.sale_line_id.order_id.partner_id.commercial_partner_id
        if buyer.channel_role == "distributor":
            return buyer
        addressee = (self.picking_id.partner_id or self.partner_id).commercial_partner_id
        return addressee if addressee.channel_role == "distributor" else self.env["res.partner"]

    def _dms_get_sign(self):
        """Answer 1 where goods leave for a customer, -1 where they come back from one, else 0."""
        self.ensure_one()
        leaves = self.location_dest_id.usage == "customer"
        comes = self.location_id.usage == "customer"
        return int(leaves) - int(comes)

    def _dms_get_date(self):
        """Answer the day of the delivery in the company's time zone, or the day that the caller posts it on."""
        self.ensure_one()
        if forced := self.env.context.get("force_period_date"):
            return fields.Date.to_date(forced)
        zone = self.company_id.partner_id.tz or self.env.user.tz or "UTC"
        return fields.Datetime.context_timestamp(self.with_context(tz=zone), self.date).date()

    def _dms_get_price(self):
        """Answer (price of one of the product's unit without taxes, currency) as sold; nothing sold has no price."""
        self.ensure_one()
        line = self.sale_line_id
        if not line or line.product_id != self.product_id:
            return 0.0, self.company_id.currency_id
        price = line.price_reduce_taxexcl
        return line.product_uom_id._compute_price(price, self.product_id.uom_id), line.currency_id

    def _dms_prepare_sell_in_vals(self, distributor, sign):
        """Answer one channel move for each batch that this move took."""
        price, currency = self._dms_get_price()
        date = self._dms_get_date()
        company_price = currency._convert(
            price, self.company_id.currency_id, self.company_id, date, round=False
        )
        quantity_by_lot = defaultdict(float)
        for line in self.move_line_ids:
            quantity_by_lot[line.lot_id] += line.quantity_product_uom
        return [
            {
                "kind": "sell_in",
                "company_id": self.company_id.id,
                "partner_id": distributor.id,
                "product_id": self.product_id.id,
                "lot_id": lot.id,
                "date": date,
                "quantity": sign * quantity,
                "price_unit": price,
                "currency_id": currency.id,
                "amount": sign * quantity * company_price,
                "stock_move_id": self.id,
                "origin": self.picking_id.name or self.reference,
            }
            for lot, quantity in quantity_by_lot.items()
            if not self.product_id.uom_id.is_zero(quantity)
        ]

    def _dms_post_sell_in(self):
        """Write what distributors received, or returned, to the ledger of channel stock."""
        vals_list = []
        pickings_by_distributor = defaultdict(lambda: self.env["stock.picking"])
        for move in self:
            sign = move._dms_get_sign()
            distributor = sign and move._dms_get_distributor()
            if not distributor:
                continue
            vals_list += move._dms_prepare_sell_in_vals(distributor, sign)
            if sign > 0:
                pickings_by_distributor[distributor] |= move.picking_id
        if not vals_list:
            return
        for distributor, pickings in pickings_by_distributor.items():
            guard.mark(pickings).write(
                {"dms_distributor_id": distributor.id, "dms_receipt_state": "in_transit"}
            )
        moves_sudo = self.env["dms.channel.move"].sudo()
        moves_sudo._lock_partners({vals["partner_id"] for vals in vals_list})
        posted_sudo = moves_sudo.create(vals_list)
        posted_sudo.env["dms.channel.position"]._refresh_in_transit(
            posted_sudo.partner_id, posted_sudo.product_id
        )
