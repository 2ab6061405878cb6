from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command, Domain


class SaleOrder(models.Model):
    _inherit = "sale.order"

    dms_cart = fields.Boolean(
        string="From the Portal",
        readonly=True,
        copy=False,
        help="The distributor put this order together on the portal. Until it sends it, it is its cart.",
    )

    def _has_to_be_signed(self):
        return super()._has_to_be_signed() and not self._dms_waits()

    def _has_to_be_paid(self):
        return super()._has_to_be_paid() and not self._dms_waits()

    def _dms_waits(self):
        """Whether there is nothing to accept: our staff has yet to release the order, or it goes the way of the cart."""
        self.ensure_one()
        return self.dms_state == "held" or self._dms_is_portal_order()

    def _dms_is_portal_order(self):
        """Whether the distributor itself sends the order under the order rules, instead of accepting a quotation."""
        self.ensure_one()
        return bool(self.dms_cart or self.dms_proposal_id)

    def _dms_is_editable(self):
        """Whether the distributor may still change the order: it has not sent it, or it was refused."""
        self.ensure_one()
        return self.state == "draft" and self.dms_state != "held" and self._dms_is_portal_order()

    @api.model
    def _dms_get_cart_domain(self, partner, company):
        return Domain(
            [
                ("partner_id", "child_of", partner.ids),
                ("company_id", "=", company.id),
                ("state", "=", "draft"),
                ("dms_state", "!=", "held"),
            ]
        ) & (Domain("dms_cart", "=", True) | Domain("dms_proposal_id", "!=", False))

    @api.model
    def _dms_get_cart(self, partner, company, create=False):
        """The order that ``partner`` is putting together; the latest one where there are several.

        :param partner: distributor
        :param bool create: begin one where there is none
        """
        domain = self._dms_get_cart_domain(partner, company)
        cart = self.search(domain, limit=1, order="id desc")
        if not cart and create:
            # Two clicks at once must not begin two carts.
            partner.lock_for_update()
            cart = self.search(domain, limit=1, order="id desc") or self.with_company(company).create(
                self._dms_prepare_cart_vals(partner, company)
            )
        return cart

    @api.model
    def _dms_get_goods_cart(self, settlement):
        """The cart for the goods that a settlement is paid out by; it goes before other carts until it is sent."""
        order = self.browse(settlement.action_order_goods()["res_id"])
        order.dms_cart = True
        return order

    @api.model
    def _dms_prepare_cart_vals(self, partner, company):
        return {
            "partner_id": partner.id,
            "company_id": company.id,
            "dms_cart": True,
            "user_id": partner.user_id.id,
        }

    def _dms_set_quantity(self, product, quantity):
        """Order ``quantity`` of a product, in the unit that the portal offers it in; 0 takes it out.

        :raises UserError: when the order was sent already
        """
        self.ensure_one()
        if not self._dms_is_editable():
            raise UserError(self.env._("Order %s was sent already and can't be changed any more.", self.name))
        line = self.order_line.filtered(lambda line: line.product_id == product and not line.is_reward_line)[
            :1
        ]
        quantity = (line.product_uom_id or product._dms_get_order_uom()).round(max(quantity, 0.0))
        if line and not quantity:
            self.order_line = [Command.delete(line.id)]
        elif line:
            self.order_line = [Command.update(line.id, {"product_uom_qty": quantity})]
        elif quantity:
            self.order_line = [
                Command.create(
                    {
                        "product_id": product.id,
                        "product_uom_id": product._dms_get_order_uom().id,
                        "product_uom_qty": quantity,
                    }
                )
            ]
        self._update_programs_and_rewards()
        self._dms_claim_rewards()

    def _dms_claim_rewards(self):
        """Take the rewards of running promotions that leave nothing to choose."""
        self.ensure_one()
        for coupon, rewards in self._get_claimable_rewards().items():
            program = coupon.program_id
            choice = len(program.reward_ids) != 1 or rewards.multi_product or program.is_nominative
            if not choice and rewards not in self.order_line.reward_id:
                self._apply_program_reward(rewards, coupon)

    def _dms_submit(self):
        """Send the order: the rules approve, hold or refuse it (see ``dms_state``)."""
        self.ensure_one()
        if not self._dms_is_editable():
            raise UserError(self.env._("Order %s was sent already.", self.name))
        if not self._get_dms_lines():
            raise UserError(
                self.env._("There is nothing in the order yet. Choose products in the catalogue first.")
            )
        self.action_confirm()

    def _dms_split(self):
        """Order what passes the rules now; the rest waits as an order of its own.

        :raises UserError: where nothing passes by itself
        """
        self.ensure_one()
        if self.state != "draft" or self.dms_state != "held" or not self._dms_is_portal_order():
            raise UserError(self.env._("Order %s is not held and can't be split.", self.name))
        self.env["dms.order.split"].create({"order_id": self.id}).action_split()

    def _prepare_dms_rest_vals(self, passing):
        return {**super()._prepare_dms_rest_vals(passing), "dms_cart": self._dms_is_portal_order()}

    def _dms_take_back(self):
        """Let the distributor change an order that is held."""
        self.ensure_one()
        if self.state != "draft" or self.dms_state != "held" or not self._dms_is_portal_order():
            raise UserError(self.env._("Order %s is not held and can't be taken back.", self.name))
        self._dms_reset()
