from odoo import Command, api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Domain

from ..tools import guard
from .dms_transfer_delivery import TRANSFER_ACTIVITY

SIDES = [("giver", "Giver"), ("taker", "Taker"), ("brand", "Brand")]
# What the parties consent to: a change asks the others again.
TERMS = {"giver_id", "taker_id", "company_id", "credit_policy", "giver_share", "taker_share", "delivery_cost"}
# Written by what happens to the transfer, never by hand.
GUARDED = {
    "name",
    "state",
    "source",
    "ship_date",
    "shipped_by",
    "shipped_on",
    "receive_date",
    "received_by",
    "received_on",
    "signature",
    "refused_by",
    "end_reason",
    "rebate_pending",
}
OPEN = ("proposed", "agreed")
MANAGER = "dms_channel.dms_channel_group_manager"
USER = "dms_channel.dms_channel_group_user"


class DmsTransfer(models.Model):
    """Goods from one distributor to another, with the consent of both and of the brand.

    The goods' value is settled between the two distributors, outside of this document; what the brand decides is where
    the goods go, what price protection and rebate go with them, and who bears the freight.
    """

    _name = "dms.transfer"
    _description = "Transfer between Distributors"
    _inherit = [
        "mail.thread",
        "mail.activity.mixin",
        "portal.mixin",
        "dms.transfer.ledger",
        "dms.transfer.delivery",
    ]
    _order = "id desc"
    _check_company_auto = True

    name = fields.Char("Transfer No.", readonly=True, copy=False, index="trigram")
    company_id = fields.Many2one(
        "res.company", required=True, default=lambda self: self.env.company, index=True, ondelete="restrict"
    )
    currency_id = fields.Many2one(related="company_id.currency_id")
    giver_id = fields.Many2one(
        "res.partner",
        "From",
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
        domain=[("channel_role", "=", "distributor")],
        tracking=True,
        help="The distributor that has too much. May stay open until a distributor's need has found its giver.",
    )
    taker_id = fields.Many2one(
        "res.partner",
        "To",
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
        domain=[("channel_role", "=", "distributor")],
        tracking=True,
        help="The distributor that needs the goods. May stay open until a distributor's surplus has found its taker.",
    )
    state = fields.Selection(
        [
            ("draft", "Draft"),
            ("proposed", "To Agree"),
            ("agreed", "Agreed"),
            ("shipped", "Shipped"),
            ("difference", "Difference to Decide"),
            ("received", "Received"),
            ("refused", "Refused"),
            ("cancelled", "Cancelled"),
        ],
        default="draft",
        required=True,
        readonly=True,
        copy=False,
        index=True,
        tracking=True,
        group_expand=True,
    )
    source = fields.Selection(
        [("brand", "Brand"), ("giver", "Giver"), ("taker", "Taker"), ("planner", "Planner")],
        "Proposed By",
        default="brand",
        required=True,
        readonly=True,
        copy=False,
    )
    reason = fields.Text(
        groups=USER, help="Why the goods should move. The other distributor does not see it."
    )
    giver_reason = fields.Text(
        "Reason for the Giver",
        groups=USER,
        copy=False,
        help="What the giver reads on its portal. It must not tell what the taker has, sells or pays.",
    )
    taker_reason = fields.Text(
        "Reason for the Taker",
        groups=USER,
        copy=False,
        help="What the taker reads on its portal. It must not tell what the giver has, sells or paid.",
    )
    user_id = fields.Many2one(
        "res.users",
        "Responsible",
        default=lambda self: (
            self.env.company.dms_transfer_user_id
            or (self.env.user if self.env.user._is_internal() else False)
        ),
        domain=[("share", "=", False)],
        tracking=True,
        help="Arranges the transport and decides what is missing.",
    )
    credit_policy = fields.Selection(
        [("giver", "Giver keeps the credit"), ("taker", "Credit goes to the taker")],
        "Rebate Credit",
        compute="_compute_credit_policy",
        store=True,
        readonly=False,
        precompute=True,
        required=True,
        tracking=True,
        help="Whose rebate the goods count for. If it goes to the taker, the goods count below zero for the giver and "
        "above for the taker, at their sell-in prices, on the day of the receipt.",
    )
    line_ids = fields.One2many("dms.transfer.line", "transfer_id", "Goods to Transfer", copy=True)
    consent_ids = fields.One2many(
        "dms.transfer.consent", "transfer_id", "Consents", readonly=True, copy=False
    )
    giver_agreed = fields.Boolean("Giver Agrees", compute="_compute_agreed", store=True)
    taker_agreed = fields.Boolean("Taker Agrees", compute="_compute_agreed", store=True)
    brand_agreed = fields.Boolean("Brand Agrees", compute="_compute_agreed", store=True)
    waiting_text = fields.Char("Waiting For", compute="_compute_waiting_text")
    ship_date = fields.Date("Shipped On", readonly=True, copy=False)
    shipped_by = fields.Char(readonly=True, copy=False)
    shipped_on = fields.Datetime("Shipping Noted On", readonly=True, copy=False)
    receive_date = fields.Date("Day of Receipt", readonly=True, copy=False)
    received_by = fields.Char(readonly=True, copy=False)
    received_on = fields.Datetime(readonly=True, copy=False)
    signature = fields.Image(max_width=1024, max_height=512, attachment=True, readonly=True, copy=False)
    refused_by = fields.Char(readonly=True, copy=False)
    end_reason = fields.Text("Reason of the End", readonly=True, copy=False)
    rebate_pending = fields.Boolean(
        readonly=True,
        copy=False,
        help="Its rebate credit waits for the next computation of periodic rebates.",
    )
    move_count = fields.Integer(compute="_compute_counts", groups=USER)
    charge_count = fields.Integer(compute="_compute_counts", groups=USER)
    accrual_count = fields.Integer(compute="_compute_counts", groups=USER)
    quantity_text = fields.Char("Goods in Words", compute="_compute_quantity_text")
    product_id = fields.Many2one(related="line_ids.product_id", string="Product")

    _parties_differ = models.Constraint(
        "CHECK(giver_id != taker_id)", "The goods must go to another distributor than they come from."
    )
    _shares = models.Constraint(
        "CHECK(giver_share >= 0 AND taker_share >= 0 AND giver_share + taker_share <= 100)",
        "The shares of the freight lie between 0 and 100 %, and giver and taker bear no more than 100 % together.",
    )
    _cost_positive = models.Constraint("CHECK(delivery_cost >= 0)", "The freight can't be below zero.")

    # === COMPUTE ===

    @api.depends("company_id")
    def _compute_credit_policy(self):
        for transfer in self:
            transfer.credit_policy = transfer.company_id.dms_transfer_credit_policy

    @api.depends("consent_ids.side", "consent_ids.voided_on")
    def _compute_agreed(self):
        for transfer in self:
            sides = set(transfer.consent_ids.filtered(lambda consent: not consent.voided_on).mapped("side"))
            transfer.giver_agreed = "giver" in sides
            transfer.taker_agreed = "taker" in sides
            transfer.brand_agreed = "brand" in sides

    @api.depends("state", "giver_agreed", "taker_agreed", "brand_agreed", "giver_id", "taker_id")
    @api.depends_context("lang")
    def _compute_waiting_text(self):
        brand = self.env._("Brand")
        for transfer in self.sudo():
            names = []
            match transfer.state:
                case "proposed":
                    if not transfer.giver_id:
                        names.append(self.env._("a giver"))
                    elif not transfer.giver_agreed:
                        names.append(transfer.giver_id.name)
                    if not transfer.taker_id:
                        names.append(self.env._("a taker"))
                    elif not transfer.taker_agreed:
                        names.append(transfer.taker_id.name)
                    if not transfer.brand_agreed:
                        names.append(brand)
                case "agreed":
                    names = [transfer.giver_id.name]
                case "shipped":
                    names = [transfer.taker_id.name]
                case "draft" | "difference":
                    names = [brand]
            transfer.waiting_text = ", ".join(names)

    @api.depends("line_ids.quantity", "line_ids.product_id")
    @api.depends_context("lang")
    def _compute_quantity_text(self):
        for transfer in self.sudo():
            transfer.quantity_text = "; ".join(transfer.line_ids.mapped("display_name"))

    def _compute_counts(self):
        moves = dict(
            self.env["dms.channel.move"]._read_group(
                [("transfer_line_id.transfer_id", "in", self.ids)], ["transfer_line_id"], ["__count"]
            )
        )
        charges = dict(
            self.env["account.move"]
            .sudo()
            ._read_group([("dms_transfer_id", "in", self.ids)], ["dms_transfer_id"], ["__count"])
        )
        accruals = dict(
            self.env["dms.rebate.accrual"]
            .sudo()
            ._read_group([("transfer_id", "in", self.ids)], ["transfer_id"], ["__count"])
        )
        for transfer in self:
            transfer.accrual_count = accruals.get(transfer, 0)
            transfer.move_count = sum(moves.get(line, 0) for line in transfer.line_ids)
            transfer.charge_count = charges.get(transfer, 0)

    def _compute_access_url(self):
        super()._compute_access_url()
        for transfer in self:
            transfer.access_url = f"/my/transfers/{transfer.id}"

    # === CONSTRAINTS ===

    @api.constrains("giver_id", "taker_id", "company_id")
    def _check_parties(self):
        for transfer in self.sudo():
            for partner in transfer.giver_id | transfer.taker_id:
                if partner.channel_role != "distributor":
                    raise ValidationError(
                        self.env._(
                            "%s is no distributor: goods are transferred between distributors only.",
                            partner.display_name,
                        )
                    )

    @api.constrains("state", "giver_id", "taker_id")
    def _check_both_parties(self):
        for transfer in self:
            both = transfer.giver_id and transfer.taker_id
            if transfer.state in ("agreed", "shipped", "difference", "received") and not both:
                raise ValidationError(
                    self.env._("Transfer %s needs a giver and a taker before it can go on.", transfer.name)
                )

    # === CRUD ===

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            if vals.get("state", "draft") != "draft" and not guard.is_marked(self):
                raise UserError(self.env._("A transfer starts as a draft."))
            company = self.env["res.company"].browse(vals.get("company_id") or self.env.company.id)
            vals["name"] = self.env["ir.sequence"].with_company(company).next_by_code("dms.transfer")
        return super().create(vals_list)

    def write(self, vals):
        if guard.is_marked(self):
            return super().write(vals)
        if GUARDED & vals.keys():
            raise UserError(
                self.env._(
                    "The state of a transfer follows from consents, shipping and receipt; it can't be written."
                )
            )
        terms = TERMS & vals.keys()
        self._check_terms_open(terms)
        before = {
            transfer: {name: transfer[name] for name in terms} for transfer in self if transfer.state in OPEN
        }
        strangers = {
            side: self.filtered(lambda transfer, key=f"{side}_id": transfer[key].id != vals[key])
            for side in ("giver", "taker")
            if f"{side}_id" in vals and f"{side}_reason" not in vals
        }
        result = super().write(vals)
        for side, transfers in strangers.items():
            # the reason tells figures of the party that was, which are none of the new one's business
            guard.mark(transfers.sudo()).write({f"{side}_reason": False})
        for transfer, values in before.items():
            # The shares are agreed to; what the carrier asks for is often known later.
            changed = {
                name for name, value in values.items() if name != "delivery_cost" and transfer[name] != value
            }
            if changed:
                transfer._terms_changed({name.removesuffix("_id") for name in changed})
        return result

    def _check_terms_open(self, terms=frozenset({"line_ids"})):
        """Raise where the parties' terms, by the names of their fields, stand by now. The freight may be corrected until
        it is charged."""
        for transfer in self:
            if not terms or transfer.state in ("draft", *OPEN):
                continue
            if terms != {"delivery_cost"}:
                raise UserError(
                    self.env._(
                        "Transfer %s is on its way or at its end: its goods, parties and terms stand. Cancel it, and "
                        "propose another one.",
                        transfer.name,
                    )
                )
            if transfer.sudo().charge_ids.filtered(lambda move: move.state != "cancel"):
                raise UserError(
                    self.env._(
                        "The freight of %s is charged already: credit the invoices first.", transfer.name
                    )
                )

    def _terms_changed(self, names=frozenset()):
        """Ask the others again about changed goods or terms."""
        for transfer in self:
            if transfer.state in OPEN:
                transfer._void_consents(
                    transfer._get_user_side(),
                    {"giver", "taker"} & set(names),
                    self.env._("The terms were changed."),
                )

    @api.ondelete(at_uninstall=False)
    def _unlink_except_draft(self):
        for transfer in self:
            if transfer.state != "draft":
                raise UserError(
                    self.env._("Transfer %s was proposed and is kept. Cancel it instead.", transfer.name)
                )

    # === ACTIONS ===

    def action_propose(self):
        """Put drafts to the distributors; a manager who proposes thereby agrees for the brand."""
        self.check_access("write")
        for transfer in self:
            transfer._check_state("draft")
            transfer._check_transferable()
            guard.mark(transfer).state = "proposed"
            if transfer.source != "planner" and self.env.user.has_group(MANAGER):
                transfer._consent("brand", self.env.user.name)
            else:
                transfer._ask()

    def action_agree(self):
        """Agree for the brand."""
        self._check_manager()
        for transfer in self:
            transfer._agree(self.env.user.name)

    def action_draft(self):
        """Take refused and proposed transfers back to the drawing board."""
        self._check_manager()
        for transfer in self:
            transfer._check_state("refused", "proposed")
            transfer._void_consents(None, set(), self.env._("Taken back to draft."))
            guard.mark(transfer).write({"state": "draft", "refused_by": False, "end_reason": False})

    def action_ship(self):
        """Note for the giver that all goods have left."""
        self._check_manager()
        for transfer in self:
            transfer._ship(self.env.user.name)

    def action_receive(self):
        """Note for the taker that all goods have arrived."""
        self._check_manager()
        for transfer in self:
            transfer._receive(self.env.user.name)

    def action_decide(self):
        """Book what is missing as its lines say: lost, or back with the giver."""
        self._check_manager()
        for transfer in self:
            transfer._decide()

    def action_cancel(self):
        self._check_manager()
        for transfer in self:
            transfer._cancel()

    def action_view_moves(self):
        self.ensure_one()
        return {
            **self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_channel_move_action"),
            "domain": [("transfer_line_id", "in", self.line_ids.ids)],
            "context": {},
        }

    def action_view_accruals(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_rebate_accrual_action")
        return {**action, "domain": [("transfer_id", "=", self.id)], "context": {}}

    def action_preview(self):
        self.ensure_one()
        return {"type": "ir.actions.act_url", "target": "self", "url": self.get_portal_url()}

    def _check_manager(self):
        self.check_access("write")
        if not self.env.su and not self.env.user.has_group(MANAGER):
            raise AccessError(self.env._("Only a channel manager may decide on transfers."))

    def _check_state(self, *states):
        names = dict(self._fields["state"]._description_selection(self.env))
        for transfer in self:
            if transfer.state not in states:
                raise UserError(
                    self.env._(
                        "Transfer %(name)s is %(state)s; this is possible only when it is %(wanted)s.",
                        name=transfer.name,
                        state=names[transfer.state],
                        wanted=", ".join(names[state] for state in states),
                    )
                )

    # === CONSENT ===

    @api.model
    def _propose(self, vals_list, name=None):
        """Create transfers and put them to the parties: the way in for the portal, the planner and imports.

        A distributor proposes for its own side, which thereby agrees; it may leave the other side open, for the brand to
        find one. A manager agrees for the brand, except to what the planner proposes (``source`` “planner”).

        :param vals_list: values of transfers with ``line_ids``; ``source`` is set here for portal users
        :param str name: who proposes, for the consent
        :return: the transfers, proposed
        """
        user = self.env.user
        if user._is_portal():
            own = user.partner_id.sudo().commercial_partner_id
            for vals in vals_list:
                side = next((key for key in ("giver", "taker") if vals.get(f"{key}_id") == own.id), None)
                if own.channel_role != "distributor" or not side:
                    raise AccessError(
                        self.env._("You may propose transfers from or to your own company only.")
                    )
                vals["source"] = side
        transfers = self.browse(guard.mark(self.sudo()).create(vals_list).ids)
        asked_sudo = self.browse().sudo()
        for transfer_sudo in transfers.sudo():
            transfer_sudo._check_transferable()
            guard.mark(transfer_sudo).state = "proposed"
            if user._is_portal():
                transfer_sudo._consent(transfer_sudo.source, name or user.name)
            elif transfer_sudo.source != "planner" and user.has_group(MANAGER):
                transfer_sudo._consent("brand", name or user.name)
            else:
                asked_sudo |= transfer_sudo
        asked_sudo._ask()
        return transfers

    def _get_user_side(self):
        """The side that the user speaks for.

        :raises AccessError: for users who are no party
        """
        self.ensure_one()
        user = self.env.user
        if user._is_internal() or user._is_superuser():
            return "brand"
        own = user.partner_id.sudo().commercial_partner_id
        if own and not user._is_public():
            transfer_sudo = self.sudo()
            if own == transfer_sudo.giver_id:
                return "giver"
            if own == transfer_sudo.taker_id:
                return "taker"
        raise AccessError(self.env._("You may answer for your own company's transfers only."))

    def _agree(self, name, address=None):
        """Consent for the user's own side (called from the portal after it has checked the access).

        :param str name: who agrees
        :param str address: network address that the consent came from
        """
        self.ensure_one()
        side = self._get_user_side()
        if side == "brand":
            self._check_manager()
        if not (name or "").strip():
            raise UserError(self.env._("Enter your name: a person agrees."))
        transfer_sudo = self.sudo()
        guard.lock(transfer_sudo, "state")
        transfer_sudo._check_state("proposed")
        if transfer_sudo[f"{side}_agreed"]:
            return
        transfer_sudo._consent(side, name, address)

    def _consent(self, side, name, address=None):
        """Note a consent; with the last one the transfer is agreed (called as superuser for portal users)."""
        self.ensure_one()
        # Who promises the same goods at the same time waits here, and then sees what was promised.
        (self.giver_id | self.taker_id).sudo()._dms_lock()
        self._check_transferable()
        self.env["dms.transfer.consent"].sudo().create(
            {
                "transfer_id": self.id,
                "side": side,
                "name": name.strip()[:200],
                "user_id": self.env.uid,
                "address": (address or "")[:64] or False,
            }
        )
        if self.giver_id and self.taker_id and all(self[f"{key}_agreed"] for key, _label in SIDES):
            guard.mark(self).state = "agreed"
            self._request_delivery()
        else:
            self._ask()

    def _void_consents(self, side, replaced, reason):
        """Ask the others again: their consents, and that of a party that was replaced, don't hold any more.

        :param side: whose consent stays, as it made the change
        :param set replaced: sides whose party is another one now
        """
        self.ensure_one()
        void = self.sudo().consent_ids.filtered(
            lambda consent: not consent.voided_on and (consent.side != side or consent.side in replaced)
        )
        void._void(reason)
        if self.state == "agreed" and void:
            guard.mark(self.sudo()).state = "proposed"
            self.sudo().activity_unlink([TRANSFER_ACTIVITY])
        if self.state == "proposed" and void:
            self.sudo()._ask()

    def _refuse(self, name, reason):
        """Say no for the user's own side, with a reason."""
        self.ensure_one()
        self._get_user_side()
        reason = (reason or "").strip()
        if not reason:
            raise UserError(self.env._("Say in a few words why: the others read it."))
        transfer_sudo = self.sudo()
        guard.lock(transfer_sudo, "state")
        transfer_sudo._check_state(*OPEN)
        transfer_sudo._void_consents_at_end(self.env._("Refused."))
        guard.mark(transfer_sudo).write(
            {
                "state": "refused",
                "refused_by": (name or self.env.user.name).strip()[:200],
                "end_reason": reason[:2000],
            }
        )
        transfer_sudo._note(
            self.env._("Refused by %(name)s: %(reason)s", name=transfer_sudo.refused_by, reason=reason)
        )
        transfer_sudo._tell_end()

    def _void_consents_at_end(self, reason):
        self.consent_ids.filtered(lambda consent: not consent.voided_on)._void(reason)
        self.activity_unlink([TRANSFER_ACTIVITY])

    def _cancel(self, reason=None):
        """End the transfer; goods that were shipped are with the giver again, as if nothing had been."""
        self.ensure_one()
        transfer_sudo = self.sudo()
        guard.lock(transfer_sudo, "state")
        transfer_sudo._check_state("draft", "proposed", "agreed", "shipped", "difference", "received")
        received = transfer_sudo.state == "received"
        transfer_sudo._take_back()
        transfer_sudo._void_consents_at_end(self.env._("Cancelled."))
        guard.mark(transfer_sudo).write({"state": "cancelled", "end_reason": reason})
        transfer_sudo.env["dms.channel.position"]._refresh_in_transit(
            transfer_sudo.taker_id, transfer_sudo.line_ids.product_id
        )
        if received:
            transfer_sudo._carry_credit()
        transfer_sudo._cancel_charges()
        transfer_sudo._tell_end()

    def _note(self, body):
        """Log for the staff who did what; the distributors don't read the chatter."""
        self._message_log(author_id=self.env.user.partner_id.id, body=body)

    # === MAIL ===

    def _ask(self):
        """Mail those whose consent is wanted, one mail for each of them; ask the responsible for the brand's."""
        waiting = {}
        for transfer in self:
            for side in ("giver", "taker"):
                if not transfer[f"{side}_agreed"]:
                    partner = transfer[f"{side}_id"]
                    waiting[partner] = waiting.get(partner, self.browse()) | transfer
        for partner, transfers in waiting.items():
            several = len(transfers) > 1
            transfers[0].with_context(dms_transfers=transfers.sudo())._mail(
                f"dms_channel.mail_template_dms_transfer_consent{'s' if several else ''}", partner
            )
        for transfer in self:
            if not transfer.brand_agreed and transfer.user_id:
                transfer.sudo().activity_schedule(
                    TRANSFER_ACTIVITY,
                    user_id=transfer.user_id.id,
                    summary=self.env._("Agree to the transfer, or refuse it"),
                )

    def _tell_end(self):
        self.ensure_one()
        for partner in self.giver_id | self.taker_id:
            self._mail("dms_channel.mail_template_dms_transfer_end", partner)

    def _mail(self, template, partner, attachments=()):
        """Write to a distributor's people with portal access, in its language. Neither sees that the other got mail."""
        self.ensure_one()
        transfer_sudo, partner_sudo = self.sudo(), partner.sudo()
        people = partner_sudo.child_ids.filtered(lambda contact: contact.user_ids and contact.email)
        people = people or partner_sudo.filtered("email")
        if not people:
            return
        transfer_sudo._portal_ensure_token()
        files_sudo = transfer_sudo.env["ir.attachment"].create(
            [
                {
                    "name": name,
                    "raw": content,
                    "mimetype": "application/pdf",
                    "res_model": "mail.compose.message",
                }
                for name, content in attachments
            ]
        )
        transfer_sudo.with_context(
            dms_name=partner_sudo.name, dms_lang=partner_sudo.lang or self.env.lang
        ).message_post_with_source(
            template,
            message_type="comment",
            subtype_xmlid="mail.mt_note",
            partner_ids=[Command.set(people.ids)],
            attachment_ids=[Command.set(files_sudo.ids)],
            email_layout_xmlid="mail.mail_notification_light",
        )

    # === PORTAL ===

    def _get_own_reason(self, side):
        """Why the goods should move, as one side may read it: by its own figures.

        :param side: “giver”, “taker”, or None for who is neither
        """
        self.ensure_one()
        return (self.sudo()[f"{side}_reason"] or "") if side in ("giver", "taker") else ""

    def _change_quantities(self, quantities, name):
        """Propose other quantities for the user's own side, which thereby agrees to them; the others are asked again.

        :param dict quantities: ``{line: quantity in the product's unit}``, 0 for lines that fall away
        :param str name: who proposes them
        """
        self.ensure_one()
        side = self._get_user_side()
        if side == "brand":
            self._check_manager()
        name = self._check_name(name)
        transfer_sudo = self.sudo()
        guard.lock(transfer_sudo, "state")
        transfer_sudo._check_state(*OPEN)
        changed = {
            line: quantities[line]
            for line in transfer_sudo.line_ids
            if line in quantities and line.product_id.uom_id.compare(line.quantity, quantities[line])
        }
        if not changed:
            raise UserError(self.env._("The quantities are the same as before."))
        if not any(changed.get(line, line.quantity) for line in transfer_sudo.line_ids):
            raise UserError(self.env._("Nothing would be left of it: refuse the transfer instead."))
        for line, quantity in changed.items():
            if not quantity:
                line.unlink()
            else:
                line.write({"product_uom_qty": quantity, "product_uom_id": line.product_id.uom_id.id})
        transfer_sudo._note(self.env._("Other quantities proposed by %s.", name))
        if not transfer_sudo[f"{side}_agreed"]:
            transfer_sudo._consent(side, name)

    @api.model
    def _get_todo_domain(self, partner):
        """The transfers that wait for a distributor: to agree, to ship or to receive."""
        return (
            Domain("state", "=", "proposed")
            & (
                Domain("giver_id", "=", partner.id) & Domain("giver_agreed", "=", False)
                | Domain("taker_id", "=", partner.id) & Domain("taker_agreed", "=", False)
            )
            | Domain("state", "=", "agreed") & Domain("giver_id", "=", partner.id)
            | Domain("state", "=", "shipped") & Domain("taker_id", "=", partner.id)
        )

    @api.model
    def _get_portal_domain(self, partner):
        """The transfers that a distributor's people see."""
        return Domain("state", "!=", "draft") & (
            Domain("giver_id", "=", partner.id) | Domain("taker_id", "=", partner.id)
        )
