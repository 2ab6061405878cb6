"""The delivery request of a transfer, its delivery note, and who bears the freight."""

from odoo import Command, api, fields, models
from odoo.exceptions import UserError
from odoo.tools import format_date

from ..tools import guard, rebate
from ..tools.words import format_quantity

TRANSFER_ACTIVITY = "dms_channel.mail_activity_type_transfer"


class DmsTransferDelivery(models.AbstractModel):
    """Mixin of ``dms.transfer``.

    The goods are not the brand's, so no picking of its warehouses moves them: the transfer itself is the request to a
    carrier. The brand pays the carrier and recharges giver and taker with their shares, by a draft invoice each; once
    posted, its open amount is set off in the distributor's next settlement.
    """

    _name = "dms.transfer.delivery"
    _inherit = ["dms.pdf.document"]
    _description = "Delivery of a Transfer"

    company_id = fields.Many2one("res.company")
    currency_id = fields.Many2one("res.currency")
    carrier_id = fields.Many2one("delivery.carrier", check_company=True, ondelete="restrict")
    date_planned = fields.Date("Planned For", tracking=True)
    tracking_ref = fields.Char("Tracking Reference", copy=False, tracking=True)
    pickup_id = fields.Many2one(
        "res.partner",
        "Pick up At",
        compute="_compute_addresses",
        store=True,
        readonly=False,
        domain="[('commercial_partner_id', '=', giver_id)]",
    )
    dropoff_id = fields.Many2one(
        "res.partner",
        "Deliver To",
        compute="_compute_addresses",
        store=True,
        readonly=False,
        domain="[('commercial_partner_id', '=', taker_id)]",
    )
    delivery_note = fields.Text("Instructions", help="For the driver; stands on the delivery note.")
    delivery_cost = fields.Monetary(
        "Freight",
        copy=False,
        tracking=True,
        groups="dms_channel.dms_channel_group_user",
        help="What the carrier gets for it, without taxes.",
    )
    giver_share = fields.Float(
        "Giver's Share (%)",
        digits=(5, 2),
        compute="_compute_shares",
        store=True,
        readonly=False,
        precompute=True,
        groups="dms_channel.dms_channel_group_user",
        tracking=True,
    )
    taker_share = fields.Float(
        "Taker's Share (%)",
        digits=(5, 2),
        compute="_compute_shares",
        store=True,
        readonly=False,
        precompute=True,
        groups="dms_channel.dms_channel_group_user",
        tracking=True,
    )
    brand_share = fields.Float(
        "Brand's Share (%)",
        digits=(5, 2),
        compute="_compute_brand_share",
        groups="dms_channel.dms_channel_group_user",
    )
    giver_cost = fields.Monetary(
        "Giver Bears", compute="_compute_costs", store=True, groups="dms_channel.dms_channel_group_user"
    )
    taker_cost = fields.Monetary(
        "Taker Bears", compute="_compute_costs", store=True, groups="dms_channel.dms_channel_group_user"
    )
    brand_cost = fields.Monetary(
        "Brand Bears", compute="_compute_costs", store=True, groups="dms_channel.dms_channel_group_user"
    )
    charge_ids = fields.One2many(
        "account.move", "dms_transfer_id", "Freight Invoices", groups="account.group_account_readonly"
    )

    # === COMPUTE ===

    @api.depends("giver_id", "taker_id")
    def _compute_addresses(self):
        for transfer in self:
            for name, partner in (("pickup_id", transfer.giver_id), ("dropoff_id", transfer.taker_id)):
                if transfer[name].commercial_partner_id != partner:
                    transfer[name] = partner and partner.address_get(["delivery"])["delivery"]

    @api.depends("company_id")
    def _compute_shares(self):
        for transfer in self:
            transfer.giver_share = transfer.company_id.dms_transfer_giver_share
            transfer.taker_share = transfer.company_id.dms_transfer_taker_share

    @api.depends("giver_share", "taker_share")
    def _compute_brand_share(self):
        for transfer in self:
            transfer.brand_share = 100 - transfer.giver_share - transfer.taker_share

    @api.depends("delivery_cost", "giver_share", "taker_share", "currency_id")
    def _compute_costs(self):
        """The parts add up to the freight, to the cent."""
        for transfer in self:
            weights = [rebate.decimal(transfer[f"{side}_share"]) for side in ("giver", "taker")]
            weights.append(rebate.HUNDRED - sum(weights))
            parts = rebate.share(
                rebate.decimal(transfer.delivery_cost),
                weights,
                rebate.decimal(transfer.currency_id.rounding or 0.01),
            )
            transfer.giver_cost, transfer.taker_cost, transfer.brand_cost = map(float, parts)

    @api.constrains("giver_id", "taker_id", "pickup_id", "dropoff_id")
    def _check_addresses(self):
        for transfer in self.sudo():
            for address, partner in (
                (transfer.pickup_id, transfer.giver_id),
                (transfer.dropoff_id, transfer.taker_id),
            ):
                if address and address.commercial_partner_id != partner:
                    raise UserError(
                        self.env._(
                            "%(address)s is no address of %(partner)s.",
                            address=address.display_name,
                            partner=partner.display_name or self.env._("the other side, which is open yet"),
                        )
                    )

    # === REQUEST ===

    def _request_delivery(self):
        """Ask the responsible for the transport, and the giver to have the goods ready (called once all agree)."""
        self.ensure_one()
        transfer_sudo = self.sudo()
        transfer_sudo.activity_unlink([TRANSFER_ACTIVITY])
        if not transfer_sudo.date_planned:
            guard.mark(transfer_sudo).date_planned = fields.Date.add(fields.Date.context_today(self), days=3)
        if transfer_sudo.user_id:
            transfer_sudo.activity_schedule(
                TRANSFER_ACTIVITY,
                user_id=transfer_sudo.user_id.id,
                date_deadline=transfer_sudo.date_planned,
                summary=self.env._("Arrange the transport, and enter its cost"),
            )
        attachments, problem = transfer_sudo._try_delivery_note()
        if problem:
            transfer_sudo._note(problem)
        transfer_sudo._mail(
            "dms_channel.mail_template_dms_transfer_agreed", transfer_sudo.giver_id, attachments
        )

    # === FREIGHT ===

    def action_charge(self):
        """Draft the invoices of the freight for those who bear a part of it."""
        self._check_manager()
        for transfer in self:
            transfer._check_state("shipped", "difference", "received")
            if transfer.currency_id.is_zero(transfer.delivery_cost):
                raise UserError(self.env._("Enter the freight of %s first.", transfer.name))
            transfer.sudo()._charge_freight()

    def action_view_charges(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("account.action_move_out_invoice_type")
        return {**action, "domain": [("dms_transfer_id", "=", self.id)], "context": {}}

    def _charge_freight(self):
        """Draft one invoice for each distributor that bears a part of the freight and has none yet (called as superuser).

        :return: the invoices
        """
        self.ensure_one()
        charged = self.charge_ids.filtered(lambda move: move.state != "cancel" and not move.reversal_move_ids)
        vals_list = [
            self._prepare_charge_vals(partner, cost)
            for partner, cost in ((self.giver_id, self.giver_cost), (self.taker_id, self.taker_cost))
            if self.currency_id.compare_amounts(cost, 0) > 0 and partner not in charged.commercial_partner_id
        ]
        Move = self.env["account.move"].with_company(self.company_id)
        if not vals_list:
            return Move
        if not self._has_sale_journal():
            self._note(self.env._("The freight could not be charged: the company has no sales journal."))
            return Move
        return Move.create(vals_list)

    def _has_sale_journal(self):
        Journal = self.env["account.journal"]
        return bool(
            Journal.search_count(
                [*Journal._check_company_domain(self.company_id), ("type", "=", "sale")], limit=1
            )
        )

    def _prepare_charge_vals(self, partner, cost):
        product = self.carrier_id.product_id or self.company_id._dms_get_freight_product()
        return {
            "move_type": "out_invoice",
            "company_id": self.company_id.id,
            "partner_id": partner.id,
            "currency_id": self.currency_id.id,
            "invoice_origin": self.name,
            "dms_transfer_id": self.id,
            "invoice_line_ids": [
                Command.create(
                    {
                        "product_id": product.id,
                        "name": self.with_context(lang=partner.lang or self.env.lang).env._(
                            "Share in the freight of transfer %s", self.name
                        ),
                        "quantity": 1,
                        "price_unit": cost,
                    }
                )
            ],
        }

    def _cancel_charges(self):
        """Take the freight invoices back: drafts are cancelled, posted ones credited (called as superuser)."""
        for move in self.charge_ids.filtered(lambda move: move.move_type == "out_invoice"):
            if move.state == "draft":
                move.button_cancel()
            elif move.state == "posted" and not move.reversal_move_ids:
                move._reverse_moves([{"invoice_date": fields.Date.context_today(self)}], cancel=True)

    @api.model
    def _get_open_charge_items(self, partners, companies):
        """Open receivable items of posted freight invoices, that no other settlement has yet (called as superuser)."""
        return self.env["dms.settlement"]._get_open_items(
            "deduction",
            partners,
            companies,
            [("move_id.dms_transfer_id", "!=", False), ("move_id.move_type", "=", "out_invoice")],
        )

    # === DELIVERY NOTE ===

    def action_print(self):
        self.ensure_one()
        return {"type": "ir.actions.act_url", "target": "self", "url": f"/my/transfers/{self.id}/pdf"}

    def _try_delivery_note(self):
        """The note as ``[(name, bytes)]``, and nothing but a reason where the server has no font for it."""
        try:
            return [(f"{self.name.replace('/', '-')}.pdf", self._render_delivery_note())], ""
        except UserError as error:
            return [], str(error)

    def _render_delivery_note(self):
        """The delivery note as PDF (bytes), in the giver's language: who hands over what to whom. It names no price.

        :raises UserError: when the server lacks a font
        """
        self.ensure_one()
        return self.sudo()._render_pdf()

    def _get_pdf_lang(self):
        return self.giver_id.lang

    def _build_pdf(self):
        title = self.env._("Delivery Note %s", self.name)
        document = self._new_pdf(title)
        document.heading(title, self.env._("Transfer between distributors of %s", self.company_id.name))
        document.code(self.get_base_url() + self.access_url)
        document.facts(
            [
                (self.env._("Pick up at"), self._format_address(self.pickup_id or self.giver_id)),
                (self.env._("Deliver to"), self._format_address(self.dropoff_id or self.taker_id)),
                *(
                    (label, value)
                    for label, value in (
                        (
                            self.env._("Planned for"),
                            self.date_planned and format_date(self.env, self.date_planned),
                        ),
                        (self.env._("Carrier"), self.carrier_id.name),
                        (self.env._("Tracking reference"), self.tracking_ref),
                        (self.env._("Instructions"), self.delivery_note),
                    )
                    if value
                ),
            ]
        )
        document.section(self.env._("Goods to transfer"))
        document.table(
            [
                self.env._("Product"),
                self.env._("Batch"),
                self.env._("Quantity"),
                self.env._("Received"),
            ],
            [
                [
                    line.product_id.display_name,
                    line.lot_id.name or "",
                    line._format_quantity(line.shipped_quantity if self.ship_date else line.quantity),
                    format_quantity(self.env, line.received_quantity) if self.received_on else "",
                ]
                for line in self.line_ids
            ],
            widths=[6, 2.5, 2.5, 2],
            text_columns=2,
        )
        document.section(self.env._("Signatures"))
        document.picture(self.signature)
        document.facts(
            [
                (self.env._("Handed over by"), self.shipped_by or "………………………………"),
                (self.env._("Received by"), self.received_by or "………………………………"),
            ]
        )
        return document

    def _format_address(self, partner):
        """Name, address and phone: what a driver needs, and all that one distributor learns of another."""
        parts = [
            partner.commercial_partner_id.name,
            (partner._display_address(without_company=True) or "").strip(),
            partner.phone or partner.commercial_partner_id.phone,
        ]
        return "\n".join(dict.fromkeys(filter(None, parts)))
