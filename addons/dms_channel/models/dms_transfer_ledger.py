"""How a transfer moves channel stock, and what must hold before it may."""

import base64
import binascii
from datetime import timedelta
from decimal import Decimal

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.tools import format_date
from odoo.tools.image import ImageProcess

from ..tools import guard, layers
from ..tools.words import format_quantity
from .dms_transfer_delivery import TRANSFER_ACTIVITY


class DmsTransferLedger(models.AbstractModel):
    """Mixin of ``dms.transfer``.

    Shipping takes the goods from the giver and gives them to the taker on the same day, layer by layer, so that day and
    price of their sell-in go with them. Until the taker signs they are in transit to it. What does not arrive leaves the
    taker again, newest layers first, and goes back to the giver or is lost. At any time what giver and taker have, and
    what was lost, is what they had before.
    """

    _name = "dms.transfer.ledger"
    _description = "Transfer in the Channel Ledger"

    # === CHECKS ===

    def _check_transferable(self):
        """Raise with all that keeps the goods from being transferred, in words."""
        for transfer in self:
            if problems := list(transfer.sudo()._get_problems()):
                raise UserError(
                    self.env._("Transfer %s can't go on:", transfer.name) + "\n- " + "\n- ".join(problems)
                )

    def _get_problems(self):
        """Yield what forbids the transfer, as sentences (called as superuser)."""
        self.ensure_one()
        if not self.line_ids:
            yield self.env._("It has no goods: enter product and quantity.")
        if not self.giver_id and not self.taker_id:
            yield self.env._("It has neither giver nor taker.")
        if self.taker_id and self.line_ids:
            yield from self._get_territory_problems()
        if self.giver_id and self.line_ids:
            yield from self._get_stock_problems()
        yield from self._get_expiry_problems()

    def _get_territory_problems(self):
        taker, today = self.taker_id, fields.Date.context_today(self)
        agreement = self.env["dms.agreement"]._get_active(taker, today, self.company_id)[taker]
        if not agreement:
            yield self.env._("%s has no agreement in force, so nothing may be passed on to it.", taker.name)
            return
        products = self.line_ids.product_id
        for product in products - agreement._covered_products(products, taker.territory_id):
            yield self.env._(
                "The agreement %(agreement)s of %(taker)s does not cover %(product)s in %(territory)s.",
                agreement=agreement.name,
                taker=taker.name,
                product=product.display_name,
                territory=taker.territory_id.display_name or self.env._("its territory"),
            )

    def _get_stock_problems(self):
        free = self._get_free_quantities()
        for product, lines in self.line_ids.grouped("product_id").items():
            wanted = sum(lines.mapped("quantity"))
            if product.uom_id.compare(wanted, free[product]) > 0:
                yield self.env._(
                    "%(giver)s has %(free)s %(unit)s of %(product)s to spare, not %(wanted)s: goods on their way and "
                    "promised to other transfers don't count.",
                    giver=self.giver_id.name,
                    free=format_quantity(self.env, max(free[product], 0.0)),
                    unit=product.uom_id.name,
                    product=product.display_name,
                    wanted=format_quantity(self.env, wanted),
                )

    def _get_free_quantities(self):
        """What the giver has on hand and has not promised to another transfer: ``{product: quantity}``."""
        giver, products, company = self.giver_id, self.line_ids.product_id, self.company_id
        stock = self.env["dms.channel.position"]._get_stock(giver, products, company)
        promised = self.env["dms.transfer.line"]._get_promised(giver, products, without=self)
        return {
            product: stock.get((giver.id, product.id), (0.0,))[0]
            - promised.get((company.id, giver.id, product.id), 0.0)
            for product in products
        }

    def _get_expiry_problems(self):
        days = self.company_id.dms_transfer_shelf_days
        limit = fields.Date.context_today(self) + timedelta(days=days)
        for line in self.line_ids:
            expiry = line.lot_id._dms_get_expiry()
            if expiry and expiry < limit:
                yield self.env._(
                    "Batch %(batch)s of %(product)s expires on %(date)s. Goods that are passed on must keep for another "
                    "%(days)s days.",
                    batch=line.lot_id.name,
                    product=line.product_id.display_name,
                    date=format_date(self.env, expiry),
                    days=days,
                )

    # === SHIPPING ===

    def _ship(self, name, quantities=None, tracking=None):
        """Hand the goods over to the carrier: from now on they are in transit to the taker.

        The giver, or a manager for it, may ship.

        :param str name: who handed the goods over
        :param dict quantities: ``{line: (quantity in the product's unit, reason)}`` of lines that were not shipped in
            full, or not at all
        :param str tracking: the carrier's reference
        """
        self.ensure_one()
        self._check_actor("giver")
        name = self._check_name(name)
        transfer_sudo = self.sudo()
        guard.lock(transfer_sudo, "state")
        transfer_sudo._check_state("agreed")
        transfer_sudo.env["dms.channel.move"]._lock_partners(
            (transfer_sudo.giver_id | transfer_sudo.taker_id).ids
        )
        transfer_sudo._check_transferable()
        transfer_sudo._note_quantities("shipped", quantities or {})
        if not any(transfer_sudo.line_ids.mapped("shipped_quantity")):
            raise UserError(self.env._("Nothing is shipped: refuse or cancel the transfer instead."))
        vals = {
            "state": "shipped",
            "ship_date": fields.Date.context_today(self),
            "shipped_by": name,
            "shipped_on": fields.Datetime.now(),
        }
        if tracking:
            vals["tracking_ref"] = tracking.strip()[:100]
        guard.mark(transfer_sudo).write(vals)
        transfer_sudo._post_shipment()
        transfer_sudo._note(self.env._("Handed over by %s.", name))
        transfer_sudo._mail("dms_channel.mail_template_dms_transfer_shipped", transfer_sudo.taker_id)

    def _note_quantities(self, what, quantities):
        """Write what was shipped or received of each line: all of it, where nothing else is said."""
        whole = "quantity" if what == "shipped" else "shipped_quantity"
        for line in self.line_ids:
            quantity, reason = quantities.get(line, (line[whole], ""))
            unit, reason = line.product_id.uom_id, (reason or "").strip()
            if unit.compare(quantity, 0) < 0 or unit.compare(quantity, line[whole]) > 0:
                raise UserError(
                    self.env._(
                        "Enter a quantity between 0 and %(most)s for %(product)s.",
                        most=format_quantity(self.env, line[whole]),
                        product=line.product_id.display_name,
                    )
                )
            if unit.compare(unit.round(quantity), quantity) or abs(unit.round(quantity) - quantity) > 1e-9:
                raise UserError(
                    self.env._(
                        "%(quantity)s of %(product)s are no whole number of %(unit)s. Round the quantity.",
                        quantity=quantity,
                        product=line.product_id.display_name,
                        unit=unit.name,
                    )
                )
            if unit.compare(quantity, line[whole]) < 0 and not reason:
                raise UserError(
                    self.env._(
                        "Say why it is %(quantity)s instead of %(whole)s of %(product)s.",
                        quantity=format_quantity(self.env, quantity),
                        whole=format_quantity(self.env, line[whole]),
                        product=line.product_id.display_name,
                    )
                )
            guard.mark(line).write({f"{what}_quantity": quantity, f"{what}_reason": reason[:500] or False})

    def _post_shipment(self):
        """Move the goods in the ledger, layer by layer."""
        day, products = self.ship_date, self.line_ids.product_id
        stock = self.env["dms.channel.position"]._get_layers(self.giver_id, products, self.company_id)
        vals_list = []
        for line in self.line_ids.filtered("shipped_quantity"):
            key = (self.giver_id.id, line.product_id.id)
            taken, stock[key] = layers.take(stock[key], Decimal(repr(line.shipped_quantity)))
            for layer in taken:
                vals_list.append(line._prepare_move_vals(self.giver_id, day, layer, -1))
                vals_list.append(line._prepare_move_vals(self.taker_id, day, layer, 1))
        self._post_moves(vals_list)

    def _post_moves(self, vals_list):
        self.env["dms.channel.move"].create(vals_list)
        self.env["dms.channel.position"]._refresh_in_transit(self.taker_id, self.line_ids.product_id)

    # === RECEIPT ===

    def _receive(self, name, signature=None, quantities=None):
        """Take the taker's receipt. What is missing waits, still in transit, until the brand decides what became of it.

        The taker, or a manager for it, may receive; the taker signs.

        :param str name: who received the goods
        :param signature: image, base64; None where the receipt was confirmed by other means
        :param dict quantities: ``{line: (quantity in the product's unit, reason)}`` of lines that did not arrive in full
        """
        self.ensure_one()
        side = self._check_actor("taker")
        name = self._check_name(name)
        if side == "taker" and not signature:
            raise UserError(self.env._("The signature is missing. Draw it, or type your name."))
        if signature:
            self._check_picture(signature)
        transfer_sudo = self.sudo()
        guard.lock(transfer_sudo, "state")
        transfer_sudo._check_state("shipped")
        transfer_sudo._note_quantities("received", quantities or {})
        missing = any(
            line.product_id.uom_id.compare(line.shipped_quantity, line.received_quantity)
            for line in transfer_sudo.line_ids
        )
        guard.mark(transfer_sudo).write(
            {
                "state": "difference" if missing else "received",
                "receive_date": fields.Date.context_today(self),
                "received_by": name,
                "received_on": fields.Datetime.now(),
                "signature": signature,
            }
        )
        transfer_sudo._note(self.env._("Received by %s.", name))
        # the transport was arranged, whatever arrived
        transfer_sudo.activity_feedback([TRANSFER_ACTIVITY])
        transfer_sudo.env["dms.channel.move"]._lock_partners(
            (transfer_sudo.giver_id | transfer_sudo.taker_id).ids
        )
        transfer_sudo.env["dms.channel.position"]._refresh_in_transit(
            transfer_sudo.taker_id, transfer_sudo.line_ids.product_id
        )
        if missing:
            transfer_sudo._ask_decision()
        else:
            transfer_sudo._conclude()

    def _ask_decision(self):
        if self.user_id:
            self.activity_schedule(
                TRANSFER_ACTIVITY,
                user_id=self.user_id.id,
                summary=self.env._("Decide what became of the missing goods"),
            )

    def _decide(self):
        """Book what is missing: lost, or back with the giver, as each line says."""
        self.ensure_one()
        transfer_sudo = self.sudo()
        guard.lock(transfer_sudo, "state")
        transfer_sudo._check_state("difference")
        missing = transfer_sudo.line_ids.filtered(
            lambda line: line.product_id.uom_id.compare(line.missing_quantity, 0) > 0
        )
        for line in missing:
            if not line.fate or not (line.fate_reason or "").strip():
                raise UserError(
                    self.env._(
                        "State for %(product)s whether the missing %(quantity)s are lost or back with the giver, and why.",
                        product=line.product_id.display_name,
                        quantity=format_quantity(self.env, line.missing_quantity),
                    )
                )
        transfer_sudo.env["dms.channel.move"]._lock_partners(
            (transfer_sudo.giver_id | transfer_sudo.taker_id).ids
        )
        day = fields.Date.context_today(self)
        vals_list = []
        for line in missing:
            taken, _left = layers.take(
                line._get_carried_layers(), Decimal(repr(line.missing_quantity)), newest=True
            )
            for layer in taken:
                vals_list.append(line._prepare_move_vals(transfer_sudo.taker_id, day, layer, -1))
                if line.fate == "returned":
                    vals_list.append(line._prepare_move_vals(transfer_sudo.giver_id, day, layer, 1))
        guard.mark(transfer_sudo).state = "received"
        transfer_sudo._post_moves(vals_list)
        transfer_sudo.activity_feedback([TRANSFER_ACTIVITY])
        transfer_sudo._conclude()

    def _conclude(self):
        """What follows from a receipt that is complete, or whose differences are decided (called as superuser)."""
        self._carry_credit()
        self._charge_freight()

    def _carry_credit(self):
        """Let the rebates follow: the credit goes over with the receipt, and comes back with a cancellation (called as
        superuser). Nothing changes where the giver keeps it."""
        if self.credit_policy != "taker":
            return
        Accrual = self.env["dms.rebate.accrual"]
        if self.state == "received":
            Accrual._accrue_transfers(self)
        else:
            Accrual.search(
                [("transfer_id", "in", self.ids), ("kind", "=", "accrual"), ("reversal_id", "=", False)]
            )._reverse()
        guard.mark(self).rebate_pending = True

    # === END ===

    def _take_back(self):
        """Reverse all moves, each on its own day (called as superuser)."""
        moves = self.env["dms.channel.move"]
        moves._lock_partners((self.giver_id | self.taker_id).ids)
        if self.state in ("difference", "received"):
            self._check_still_there()
        moves._reverse_transfer(self.line_ids)

    def _check_still_there(self):
        """What the taker has received can be taken back only as long as it has it."""
        taker, products = self.taker_id, self.line_ids.product_id
        stock = self.env["dms.channel.position"]._get_stock(taker, products, self.company_id)
        for product, lines in self.line_ids.grouped("product_id").items():
            there = stock.get((taker.id, product.id), (0.0,))[0]
            if product.uom_id.compare(there, sum(lines.mapped("received_quantity"))) < 0:
                raise UserError(
                    self.env._(
                        "%(taker)s has sold some of the %(product)s already, so transfer %(name)s can't be cancelled. "
                        "Transfer back what is left.",
                        taker=taker.name,
                        product=product.display_name,
                        name=self.name,
                    )
                )

    # === HELPERS ===

    def _check_actor(self, side):
        """The user's side, where it is ``side`` or a manager of the brand.

        :raises AccessError: for everybody else
        """
        own = self._get_user_side()
        if own == "brand":
            self._check_manager()
        elif own != side:
            raise UserError(
                self.env._("The giver ships the goods.")
                if side == "giver"
                else self.env._("The taker receives the goods.")
            )
        return own

    def _check_picture(self, signature):
        try:
            picture = ImageProcess(base64.b64decode(signature or b"")).image
        except (binascii.Error, UserError, ValueError) as error:
            raise UserError(self.env._("The signature is no picture. Draw it again.")) from error
        if not picture:
            raise UserError(self.env._("The signature is missing. Draw it, or type your name."))

    def _check_name(self, name):
        name = (name or "").strip()
        if not name:
            raise UserError(self.env._("Enter your name: a person answers for the goods."))
        return name[:200]
