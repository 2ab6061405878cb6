from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools.sql import column_exists, create_column

from ..tools import guard
from ..tools.order_judge import STOPPING
from .dms_order_decision import CLEARED_STATES, DECISION_FIELDS

# Written by a split only: what was held of an order stays held, whatever is cut off it.
SPLIT_FIELDS = {"dms_split_from_id", "dms_split_rule_ids"}
# Their change asks for another look at the decision.
TOUCHING_FIELDS = {
    "company_id",
    "currency_id",
    "order_line",
    "partner_id",
    "partner_shipping_id",
    "pricelist_id",
}


class SaleOrder(models.Model):
    _name = "sale.order"
    _inherit = ["sale.order", "dms.order.decision", "dms.order.facts"]

    dms_distributor_id = fields.Many2one(
        "res.partner",
        string="Distributor",
        compute="_compute_dms_distributor_id",
        store=True,
        index="btree_not_null",
        ondelete="restrict",
    )
    dms_is_member = fields.Boolean(compute="_compute_dms_is_member", compute_sudo=True)
    dms_state = fields.Selection(
        [
            ("approved", "Approved by the rules"),
            ("held", "Held"),
            ("refused", "Refused"),
            ("released", "Released"),
        ],
        string="Order Check",
        readonly=True,
        copy=False,
        index="btree_not_null",
        tracking=True,
    )
    dms_check_ids = fields.One2many(
        "dms.order.check",
        "order_id",
        string="Checks",
        domain=[("superseded", "=", False)],
        readonly=True,
        copy=False,
    )
    dms_reason = fields.Text(
        string="Reasons",
        compute="_compute_dms_reason",
        compute_sudo=True,
        help="Why the order is held or refused.",
    )
    dms_decided_on = fields.Datetime(string="Checked On", readonly=True, copy=False)
    dms_released_by = fields.Many2one(
        "res.users", string="Released By", readonly=True, copy=False, groups="base.group_user"
    )
    dms_release_reason = fields.Text(
        string="Reason of the Release", readonly=True, copy=False, groups="base.group_user"
    )
    dms_refusal = fields.Text(
        string="Refused Because",
        readonly=True,
        copy=False,
        help="The words of the approver who refused the order.",
    )
    dms_stopped_by_ids = fields.Many2many(
        "dms.order.rule",
        string="Stopped By",
        readonly=True,
        copy=False,
        groups="sales_team.group_sale_salesman",
        help="The rules that hold or refuse the order.",
    )
    dms_held_since = fields.Datetime(string="Waits Since", readonly=True, copy=False)
    dms_approval_ids = fields.One2many(
        "dms.order.approval",
        "order_id",
        string="Approvals",
        domain=[("state", "!=", "void")],
        readonly=True,
        copy=False,
        groups="sales_team.group_sale_salesman",
    )
    dms_waiting_group_ids = fields.Many2many(
        "res.groups",
        string="May Be Released By",
        compute="_compute_dms_waiting_group_ids",
        compute_sudo=True,
        groups="sales_team.group_sale_salesman",
        help="Each of these groups still has to approve the order.",
    )
    dms_can_release = fields.Boolean(
        compute="_compute_dms_can_release",
        search="_search_dms_can_release",
        compute_sudo=True,
        groups="sales_team.group_sale_salesman",
        help="You can give an approval that the order still waits for.",
    )
    dms_territory_id = fields.Many2one(
        "dms.territory", string="Territory", related="partner_id.territory_id", groups="base.group_user"
    )
    dms_split_from_id = fields.Many2one(
        "sale.order",
        string="Split Off From",
        readonly=True,
        copy=False,
        index="btree_not_null",
        help="The part of the order that went through at once.",
    )
    dms_split_rule_ids = fields.Many2many(
        "dms.order.rule",
        "sale_order_dms_split_rule_rel",
        string="Split Because Of",
        readonly=True,
        copy=False,
        groups="sales_team.group_sale_salesman",
        help="The rules that stopped the whole order. They look at what was split off it as a part of that order.",
    )
    dms_split_ids = fields.One2many("sale.order", "dms_split_from_id", string="Split Off", readonly=True)
    dms_split_count = fields.Integer(compute="_compute_dms_split_count")
    dms_override_ids = fields.One2many(
        "dms.order.override", "order_id", string="Overrides", groups="dms_channel.dms_channel_group_user"
    )
    dms_override_count = fields.Integer(
        compute="_compute_dms_override_count", groups="dms_channel.dms_channel_group_user"
    )
    dms_settlement_use_ids = fields.One2many(
        "dms.settlement.use", "order_id", string="Uses of Settlements", readonly=True, copy=False
    )
    dms_set_off_amount = fields.Monetary(
        string="Set Off",
        compute="_compute_dms_set_off_amount",
        compute_sudo=True,
        help="Net amount of settlements that this order uses up, or will use up when it is confirmed.",
    )
    dms_goods_settlement_id = fields.Many2one(
        "dms.settlement",
        string="Goods of Settlement",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="restrict",
        help="The settlement that is paid out by these goods.",
    )
    dms_content = fields.Json(
        readonly=True, copy=False, help="What the decision was about: another content needs another decision."
    )

    def _auto_init(self):
        # No partner has a channel role when the module is installed: spare the computation for every order.
        if not column_exists(self.env.cr, "sale_order", "dms_distributor_id"):
            create_column(self.env.cr, "sale_order", "dms_distributor_id", "int4")
        return super()._auto_init()

    @api.depends("partner_id.commercial_partner_id.channel_role")
    def _compute_dms_distributor_id(self):
        for order in self:
            partner = order.partner_id.commercial_partner_id
            order.dms_distributor_id = partner if partner.channel_role == "distributor" else False

    @api.depends("partner_id.commercial_partner_id.channel_role")
    def _compute_dms_is_member(self):
        for order in self:
            order.dms_is_member = order._is_dms_order()

    @api.depends("dms_check_ids.message", "dms_check_ids.outcome", "dms_refusal")
    @api.depends_context("lang")
    def _compute_dms_reason(self):
        for order in self:
            failed = order.dms_check_ids.filtered(lambda check: check.outcome in STOPPING)
            refusal = [order.dms_refusal] if order.dms_refusal else []
            order.dms_reason = "\n".join(refusal + failed.mapped("message"))

    @api.depends("dms_approval_ids.state")
    def _compute_dms_waiting_group_ids(self):
        for order in self:
            waiting = order.dms_approval_ids.filtered(lambda approval: approval.state == "waiting")
            order.dms_waiting_group_ids = waiting.group_id

    @api.depends("dms_approval_ids.state")
    @api.depends_context("uid")
    def _compute_dms_can_release(self):
        mine = self.dms_approval_ids._filter_mine().order_id
        for order in self:
            order.dms_can_release = order in mine

    def _search_dms_can_release(self, operator, value):
        if operator != "in":
            return NotImplemented
        approvals = self.env["dms.order.approval"]
        mine = approvals.search(approvals._get_waiting_domain())._filter_mine()
        return [("id", "in" if True in value else "not in", mine.order_id.ids)]

    @api.depends("dms_split_ids", "dms_split_from_id")
    def _compute_dms_split_count(self):
        for order in self:
            order.dms_split_count = len(order.dms_split_ids | order.dms_split_from_id)

    @api.depends("dms_override_ids")
    def _compute_dms_override_count(self):
        groups = self.env["dms.order.override"]._read_group(
            [("order_id", "in", self.ids)], ["order_id"], ["__count"]
        )
        counts = {order.id: count for order, count in groups}
        for order in self:
            order.dms_override_count = counts.get(order.id, 0)

    @api.depends("dms_settlement_use_ids.amount", "order_line.price_subtotal", "state")
    def _compute_dms_set_off_amount(self):
        drafts = self.filtered(lambda order: order.state in ("draft", "sent"))
        expected = self.env["dms.settlement.use"]._get_expected(drafts)
        for order in self:
            used = sum(order.dms_settlement_use_ids.mapped("amount"))
            order.dms_set_off_amount = used or expected.get(order, 0.0)

    @api.constrains("state")
    def _check_dms_cleared(self):
        for order in self:
            if order.state == "sale" and order._is_dms_order() and not order._is_dms_cleared():
                raise ValidationError(
                    self.env._(
                        "Order %(order)s of %(partner)s has not been approved and can't become a sales order."
                        " Create it as a quotation and confirm it: the order rules then approve or hold it.",
                        order=order.name,
                        partner=order.partner_id.display_name,
                    )
                )

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            self._check_dms_guarded({name for name, value in vals.items() if value})
        return super().create(vals_list)

    def write(self, vals):
        self._check_dms_guarded(vals.keys())
        with self._dms_watch(vals.keys()):
            if "order_line" in vals and not guard.is_marked(self, guard.BATCH):
                result = super(SaleOrder, guard.mark(self, guard.BATCH)).write(vals)
            else:
                result = super().write(vals)
            if vals.get("state") == "draft":
                self._dms_reset()
            elif TOUCHING_FIELDS & vals.keys():
                self._dms_touch()
        return result

    def _check_dms_guarded(self, names):
        if (DECISION_FIELDS | SPLIT_FIELDS) & names and not guard.is_marked(self):
            raise UserError(
                self.env._(
                    "The order check is filled in by the order rules and by a release, and by nothing else."
                )
            )

    def action_confirm(self):
        """Confirm what the order rules approve. An order that they hold or refuse stays a quotation, with the reasons."""
        waiting = self.filtered(lambda order: order.state in ("draft", "sent") and order._is_dms_order())
        if not waiting:
            return super().action_confirm()
        waiting.check_access("write")
        stopped = waiting - waiting._dms_decide()
        if stopped == self:
            return True
        self.env["dms.settlement.use"].sudo()._apply((waiting - stopped).sudo())
        return super(SaleOrder, self - stopped).action_confirm()

    def _action_cancel(self):
        result = super()._action_cancel()
        self.sudo().dms_settlement_use_ids._release()
        return result

    def _get_copiable_order_lines(self):
        return super()._get_copiable_order_lines().filtered(lambda line: not line.dms_settlement_use_id)

    def action_view_dms_settlements(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_settlement_action")
        settlements = self.dms_settlement_use_ids.settlement_id | self.dms_goods_settlement_id
        return {**action, "domain": [("id", "in", settlements.ids)], "context": {}}

    def _recompute_prices(self):
        for order in self:
            if order.state == "sale" and order._is_dms_order():
                raise UserError(
                    self.env._(
                        "The prices of order %s were agreed upon when it was confirmed, and hold to the invoice. Put what"
                        " has a new price on a new quotation.",
                        order.name,
                    )
                )
        return super()._recompute_prices()

    def action_dms_check(self):
        """Say what the rules think of a quotation, without confirming it."""
        self.check_access("write")
        orders = self.filtered(lambda order: order.state in ("draft", "sent") and order._is_dms_order())
        # Whoever asks again reconsiders what an approver refused.
        orders.filtered("dms_refusal")._dms_reset()
        orders._dms_decide(notify=False)
        return True

    def action_dms_release(self):
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Release Held Orders"),
            "res_model": "dms.order.release",
            "view_mode": "form",
            "target": "new",
            "context": {"default_order_ids": self.ids},
        }

    def action_dms_refuse(self):
        return {**self.action_dms_release(), "name": self.env._("Refuse Held Orders")}

    def action_dms_split(self):
        """Propose how to divide a held order into what passes and what waits."""
        self.ensure_one()
        split = self.env["dms.order.split"].create({"order_id": self.id})
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Split Held Order"),
            "res_model": "dms.order.split",
            "res_id": split.id,
            "view_mode": "form",
            "target": "new",
        }

    def action_dms_parts(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_channel.sale_order_action_channel")
        parts = self.dms_split_ids | self.dms_split_from_id
        return {**action, "domain": [("id", "in", parts.ids)], "context": {}}

    def action_dms_overrides(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_order_override_action")
        return {**action, "domain": [("order_id", "=", self.id)], "context": {}}

    def _is_dms_order(self):
        """Whether the order rules apply: the customer is a member of the channel."""
        self.ensure_one()
        return bool(self.sudo().partner_id.commercial_partner_id.channel_role)

    def _is_dms_cleared(self):
        self.ensure_one()
        order_sudo = self.sudo()
        return (
            order_sudo.dms_state in CLEARED_STATES and order_sudo.dms_content == order_sudo._get_dms_content()
        )

    # Promotions of the channel

    def _get_no_effect_on_threshold_lines(self):
        # A set-off pays for goods: promotions look at what they cost.
        set_offs = self.order_line.filtered("dms_settlement_use_id")
        return super()._get_no_effect_on_threshold_lines() | set_offs

    def _get_not_rewarded_order_lines(self):
        return super()._get_not_rewarded_order_lines().filtered(lambda line: not line.dms_settlement_use_id)

    def _get_program_domain(self):
        return [
            *super()._get_program_domain(),
            *self.env["loyalty.program"]._get_dms_eligibility_domain(self.partner_id),
        ]

    def _get_trigger_domain(self):
        return [
            *super()._get_trigger_domain(),
            *self.env["loyalty.program"]._get_dms_eligibility_domain(self.partner_id, "program_id."),
        ]
