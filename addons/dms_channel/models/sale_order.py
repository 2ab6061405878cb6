from contextlib import contextmanager

from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Command
from odoo.tools import SQL
from odoo.tools.sql import column_exists, create_column

from ..tools import guard, order_judge, order_rule
from ..tools.order_judge import STOPPING

# Written by the order rules and by a release only, on no other path.
DECISION_FIELDS = {
    "dms_check_ids",
    "dms_content",
    "dms_approval_ids",
    "dms_decided_on",
    "dms_held_since",
    "dms_refusal",
    "dms_release_reason",
    "dms_released_by",
    "dms_state",
    "dms_stopped_by_ids",
}
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
CLEARED_STATES = ("approved", "released")
# Conditions that an order can break by becoming smaller.
BREAKABLE_KINDS = ("amount", "domain", "quantity", "quantity_case")
APPROVAL_ACTIVITY = "dms_channel.mail_activity_type_release"


class SaleOrder(models.Model):
    _inherit = "sale.order"

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

    def _get_dms_date(self):
        """The day whose agreements and rates count: today for a quotation, the order date afterwards."""
        self.ensure_one()
        return self._get_dms_today(self.date_order if self.state == "sale" else None)

    def _get_dms_today(self, moment=None):
        """Today, or the day of a moment, where the company is: not where the one is who confirms."""
        timezone = self.company_id.partner_id.tz or "UTC"
        return fields.Datetime.context_timestamp(
            self.with_context(tz=timezone), moment or fields.Datetime.now()
        ).date()

    def _get_dms_moment(self):
        """When the order is, or would be, confirmed."""
        self.ensure_one()
        return self.date_order if self.state == "sale" else fields.Datetime.now()

    def _get_dms_territory(self):
        """The territory that the goods are for, where it is known: that of the outlet that orders or receives them.

        What goes to a distributor's own store is for any of its territories.
        """
        self.ensure_one()
        receiver = self.partner_shipping_id.commercial_partner_id
        customer = self.partner_id.commercial_partner_id
        if receiver.channel_role and receiver != customer:
            return receiver.territory_id
        return customer.territory_id if customer.channel_role == "outlet" else customer.territory_id.browse()

    def _get_dms_lines(self):
        """Lines of goods that were ordered: no notes, down payments, delivery costs, rewards of a promotion or set-offs of
        settlements."""
        return self.order_line.filtered(
            lambda line: (
                line.product_id
                and not line.display_type
                and not line.is_downpayment
                and not line.is_delivery
                and not line.is_reward_line
                and not line.dms_settlement_use_id
                and line.product_uom_qty
            )
        )

    def _get_dms_goods_net(self):
        """What the goods come to without taxes."""
        self.ensure_one()
        return sum(self._get_dms_lines().mapped("price_subtotal"))

    def _get_dms_judged(self, past=False):
        """The orders as the rules see them.

        :param bool past: as of each order's own day instead of today
        :rtype: dict[sale.order, order_judge.Order]
        """
        judged = {}
        now = fields.Datetime.now()
        cases = {}
        for company, orders in self.grouped("company_id").items():
            money = company.currency_id
            today = orders._get_dms_today(now)
            for order in orders:
                partner = order.partner_id.commercial_partner_id
                dated = past or order.state == "sale"
                day = order._get_dms_today(order.date_order) if dated else today
                currency = order.currency_id
                rate = currency._get_conversion_rate(currency, money, company, day)
                judged[order] = order_judge.Order(
                    id=order.id,
                    partner_id=partner.id,
                    role=partner.channel_role,
                    grade_id=partner.grade_id.id,
                    grade_sequence=partner.grade_id.sequence,
                    territories=order_rule.ancestors(partner.territory_id.parent_path),
                    money=money,
                    currency=currency,
                    day=day,
                    today=day if past else today,
                    moment=order.date_order if dated else now,
                    amount=money.round(order.amount_total * rate),
                    confirmed=order.state == "sale",
                    lines=order._get_dms_ordered(rate, cases),
                    **(order._get_dms_parts(rate, cases) if order.dms_split_from_id else {}),
                )
        return judged

    def _get_dms_parts(self, rate, cases):
        """What the rules have to know of the order that this one was split off from, with its other parts."""
        first = self.dms_split_from_id
        while first.dms_split_from_id:
            first = first.dms_split_from_id
        whole, found = first, first
        while found := found.dms_split_ids:
            whole |= found
        parts = (whole - self).filtered(lambda order: order.state == "sale")
        return {
            "split_rules": frozenset(self.dms_split_rule_ids.ids),
            "parts": frozenset(parts.ids),
            "part_names": tuple(parts.mapped("name")),
            "part_amount": self.company_id.currency_id.round(sum(parts.mapped("amount_total")) * rate),
            "part_lines": [ordered for part in parts for ordered in part._get_dms_ordered(rate, cases)],
        }

    def _get_dms_ordered(self, rate, cases):
        """The lines of goods as the rules see them.

        :param float rate: of the company's currency
        :param dict cases: size of the case of products that have the same units, to be completed
        :rtype: list[order_rule.Ordered]
        """
        self.ensure_one()
        ordered = []
        for line in self._get_dms_lines():
            product, unit = line.product_id, line.product_uom_id
            own = product.uom_id
            units = own, product.uom_ids
            if units not in cases:
                cases[units] = product._get_dms_case_size()
            category = product.categ_id
            if category not in cases:
                cases[category] = order_rule.ancestors(category.parent_path)
            factor = 1.0 if unit == own else unit.factor / own.factor
            quantity, total = line.product_uom_qty, line.price_total
            ordered.append(
                order_rule.Ordered(
                    line_id=line.id,
                    product_id=product.id,
                    categories=cases[category],
                    quantity=quantity * factor,
                    open=max(quantity - line.qty_delivered, 0.0) * factor,
                    case=cases[units],
                    amount=total * rate,
                    price=line.price_unit * (1 - line.discount / 100) / factor,
                    gross=total / quantity / factor,
                )
            )
        return ordered

    def _get_dms_guidance_prices(self):
        """The recommended retail price of each line's product in the territory that the goods are for.

        :return: ``{line id: price}`` per unit of the product, taxes included, in the order's currency; lines without
            guidance are left out
        :rtype: dict[int, float]
        """
        self.ensure_one()
        lines = self._get_dms_lines()
        territory = self._get_dms_territory() or self.partner_id.commercial_partner_id.territory_id
        date = self._get_dms_date()
        guidance = self.env["dms.guidance.price"]._get_prices(
            lines.product_id, territory, date, self.company_id
        )
        prices = {}
        for line in lines:
            if price := guidance.get((line.product_id.id, territory.id)):
                prices[line.id] = price.currency_id._convert(
                    price.price_recommended, self.currency_id, self.company_id, date, round=False
                )
        return prices

    def _get_dms_list_prices(self):
        """What the customer's own price list asks for each line, per unit of the product, in the order's currency.

        Another price list on the order does not lower it.

        :return: ``{line id: price}``; lines without a price to compare with are left out
        :rtype: dict[int, float]
        """
        self.ensure_one()
        partner = self.partner_id.with_company(self.company_id)
        pricelist = partner.property_product_pricelist or self.pricelist_id
        lines = self._get_dms_lines()
        items = pricelist._get_applicable_rules(lines.product_id, self.date_order)
        found, unlisted = {}, {}
        for line in lines:
            product = line.product_id
            quantity = line.product_uom_id._compute_quantity(
                line.product_uom_qty, product.uom_id, round=False
            )
            item = next((item for item in items if item._is_applicable_for(product, quantity)), None)
            if item:
                found[line.id] = item._compute_price(
                    product, quantity, product.uom_id, self.date_order, currency=self.currency_id
                )
            else:
                unlisted[line.id] = product
        # What no item of the list is about has the product's own price: all of them at once.
        own = lines.product_id.browse(product.id for product in unlisted.values())._price_compute(
            "list_price", date=self.date_order
        )
        for line_id, product in unlisted.items():
            price = own[product.id]
            if product.currency_id != self.currency_id:
                price = product.currency_id._convert(
                    price, self.currency_id, self.company_id, self.date_order, round=False
                )
            found[line_id] = price
        return {line_id: price for line_id, price in found.items() if price > 0}

    @api.model
    def _get_dms_earlier_orders(self, partners, company, excluded_orders):
        """Confirmed orders of each commercial partner: moment, amount in the company's currency, and id.

        :rtype: dict[int, list[tuple]]
        """
        self.env["sale.order"].flush_model(
            ["amount_total", "company_id", "currency_rate", "date_order", "partner_id", "state"]
        )
        earlier = {}
        for partner_id, moment, amount, order_id in self.env.execute_query(
            SQL(
                """
                SELECT partner.commercial_partner_id, sale_order.date_order,
                       sale_order.amount_total / COALESCE(NULLIF(sale_order.currency_rate, 0), 1), sale_order.id
                  FROM sale_order
                  JOIN res_partner partner ON partner.id = sale_order.partner_id
                 WHERE sale_order.state = 'sale' AND sale_order.company_id = %s
                   AND partner.commercial_partner_id = ANY(%s) AND sale_order.id <> ALL(%s)
                """,
                company.id,
                partners.ids,
                excluded_orders.ids,
            )
        ):
            earlier.setdefault(partner_id, []).append((moment, float(amount), order_id))
        return earlier

    @api.model
    def _get_dms_on_order(self, partners, products, company, excluded_orders):
        """What is ordered and not delivered yet, in the product's unit, by (commercial partner, product).

        :rtype: dict[tuple[int, int], float]
        """
        self.env["sale.order"].flush_model(["company_id", "partner_id", "state"])
        self.env["sale.order.line"].flush_model(
            ["order_id", "product_id", "product_uom_id", "product_uom_qty", "qty_delivered"]
        )
        rows = self.env.execute_query(
            SQL(
                """
                SELECT open.partner_id, open.product_id, SUM(open.quantity * unit.factor / own.factor)
                  FROM (SELECT partner.commercial_partner_id AS partner_id, line.product_id, line.product_uom_id,
                               SUM(GREATEST(line.product_uom_qty - COALESCE(line.qty_delivered, 0), 0)) AS quantity
                          FROM sale_order_line line
                          JOIN sale_order ON sale_order.id = line.order_id
                          JOIN res_partner partner ON partner.id = sale_order.partner_id
                         WHERE sale_order.state = 'sale' AND sale_order.company_id = %s
                           AND partner.commercial_partner_id = ANY(%s) AND line.product_id = ANY(%s)
                           AND sale_order.id <> ALL(%s)
                      GROUP BY partner.commercial_partner_id, line.product_id, line.product_uom_id) open
                  JOIN product_product product ON product.id = open.product_id
                  JOIN product_template template ON template.id = product.product_tmpl_id
                  JOIN uom_uom own ON own.id = template.uom_id
                  JOIN uom_uom unit ON unit.id = open.product_uom_id
              GROUP BY open.partner_id, open.product_id
                """,
                company.id,
                partners.ids,
                products.ids,
                excluded_orders.ids,
            )
        )
        return {(partner_id, product_id): float(quantity) for partner_id, product_id, quantity in rows}

    def _get_dms_content(self):
        """What a decision is about, as JSON: the customer, and product, quantity and amount of each line."""
        self.ensure_one()
        receiver = self.partner_shipping_id.commercial_partner_id
        return {
            "partner": self.partner_id.commercial_partner_id.id,
            "receiver": receiver.id if receiver.channel_role else False,
            "company": self.company_id.id,
            "currency": self.currency_id.id,
            "lines": {
                str(line.id): [
                    line.product_id.id,
                    line.product_uom_id.id,
                    round(line.product_uom_qty, 6),
                    round(line.price_total, 6),
                ]
                for line in self._get_dms_lines()
            },
        }

    def _get_dms_company_amount(self):
        """Total in the company's currency, at the rate of the order's day."""
        self.ensure_one()
        return self.currency_id._convert(
            self.amount_total, self.company_id.currency_id, self.company_id, self._get_dms_date()
        )

    def _get_dms_amounts(self, judged):
        """What each order still adds to the exposure, in the company's currency: its total less posted invoices.

        :param dict judged: see :meth:`_get_dms_judged`
        :rtype: dict[int, float]
        """
        invoiced = {}
        if confirmed := self.filtered(lambda order: order.state == "sale"):
            invoiced = {
                order_id: amount
                for _partner, order_id, amount, _total, _delivered in self._query_dms_amounts(
                    SQL("sale_order.id IN %s", tuple(confirmed.ids))
                )
            }
        return {order.id: max(judged[order].amount - invoiced.get(order.id, 0.0), 0.0) for order in self}

    @api.model
    def _get_dms_open_amounts(self, partners, company, excluded_orders=None):
        """Confirmed and not invoiced amounts in the company's currency, per commercial partner: what is delivered of
        it, and the rest.

        :rtype: dict[int, tuple[float, float]]
        """
        if not partners:
            return {}
        where = SQL(
            "sale_order.state = 'sale' AND sale_order.company_id = %s AND partner.commercial_partner_id IN %s",
            company.id,
            tuple(partners.ids),
        )
        if excluded_orders:
            where = SQL("%s AND sale_order.id NOT IN %s", where, tuple(excluded_orders.ids))
        amounts = {}
        for partner_id, _order_id, invoiced, total, shipped in self._query_dms_amounts(where):
            rest = max(total - invoiced, 0.0)
            delivered = min(max(shipped - invoiced, 0.0), rest)
            before = amounts.get(partner_id, (0.0, 0.0))
            amounts[partner_id] = (before[0] + delivered, before[1] + rest - delivered)
        return amounts

    @api.model
    def _get_dms_open_amounts_at(self, judged, company):
        """What the customer of each order had ordered before it and had not been invoiced for by then, in the company's
        currency: what was delivered of it by then, and the rest. Orders that have been cancelled since are left out.

        :param judged: orders as the rules see them, as of their own days
        :return: ``{order id: (delivered, rest)}``; orders before which nothing was open are left out
        :rtype: dict[int, tuple[float, float]]
        """
        self._flush_dms_amounts()
        self.env["stock.move"].flush_model(
            ["date", "location_dest_id", "location_id", "sale_line_id", "state"]
        )
        self.env["stock.move.line"].flush_model(["move_id", "quantity_product_uom"])
        rows = self.env.execute_query(
            SQL(
                """
                SELECT asked.id,
                       SUM(LEAST(GREATEST(part.shipped - part.invoiced, 0), part.rest)),
                       SUM(part.rest - LEAST(GREATEST(part.shipped - part.invoiced, 0), part.rest))
                  FROM unnest(%s::int[], %s::int[], %s::date[], %s::timestamp[])
                       AS asked (id, partner_id, day, moment)
                  JOIN res_partner partner ON partner.commercial_partner_id = asked.partner_id
                  JOIN sale_order ON sale_order.partner_id = partner.id AND sale_order.company_id = %s
                       AND sale_order.state = 'sale' AND sale_order.id <> asked.id
                       AND (sale_order.date_order, sale_order.id) < (asked.moment, asked.id)
            CROSS JOIN LATERAL (
                        SELECT COALESCE(SUM(line.price_total), 0)
                               / COALESCE(NULLIF(sale_order.currency_rate, 0), 1) AS total,
                               COALESCE(SUM(line.price_total * moved.quantity * own.factor
                                            / NULLIF(line.product_uom_qty * unit.factor, 0)), 0)
                               / COALESCE(NULLIF(sale_order.currency_rate, 0), 1) AS shipped
                          FROM sale_order_line line
                     LEFT JOIN product_product product ON product.id = line.product_id
                     LEFT JOIN product_template template ON template.id = product.product_tmpl_id
                     LEFT JOIN uom_uom own ON own.id = template.uom_id
                     LEFT JOIN uom_uom unit ON unit.id = line.product_uom_id
                     LEFT JOIN LATERAL (
                                SELECT SUM(piece.quantity_product_uom
                                           * CASE WHEN target.usage = 'customer' THEN 1
                                                  WHEN source.usage = 'customer' THEN -1 ELSE 0 END) AS quantity
                                  FROM stock_move move
                                  JOIN stock_move_line piece ON piece.move_id = move.id
                                  JOIN stock_location source ON source.id = move.location_id
                                  JOIN stock_location target ON target.id = move.location_dest_id
                                 WHERE move.sale_line_id = line.id AND move.state = 'done' AND move.date < asked.moment
                               ) moved ON TRUE
                         WHERE line.order_id = sale_order.id
                       ) ordered
            CROSS JOIN LATERAL (
                        SELECT COALESCE(SUM(item.price_total / COALESCE(NULLIF(move.invoice_currency_rate, 0), 1)), 0)
                               AS invoiced
                          FROM sale_order_line line
                          JOIN sale_order_line_invoice_rel rel ON rel.order_line_id = line.id
                          JOIN account_move_line item ON item.id = rel.invoice_line_id
                          JOIN account_move move ON move.id = item.move_id AND move.state = 'posted'
                               AND move.move_type = 'out_invoice' AND move.date < asked.day
                         WHERE line.order_id = sale_order.id
                       ) billed
            CROSS JOIN LATERAL (
                        SELECT GREATEST(ordered.total - billed.invoiced, 0) AS rest, ordered.shipped, billed.invoiced
                       ) part
              GROUP BY asked.id
                """,
                [one.id for one in judged],
                [one.partner_id for one in judged],
                [one.day for one in judged],
                [one.moment for one in judged],
                company.id,
            )
        )
        return {order_id: (float(delivered), float(rest)) for order_id, delivered, rest in rows}

    @api.model
    def _query_dms_amounts(self, where):
        """Rows (commercial partner, order, posted invoices, order total, delivered) in the company's currency, each
        document at its own rate. Credit notes don't reopen an order, so that returned goods don't count as still to come.

        Both sums are of lines: an order's total may be rounded otherwise, and its cents would stay open for ever."""
        self._flush_dms_amounts()
        return self.env.execute_query(
            SQL(
                """
                SELECT partner.commercial_partner_id,
                       sale_order.id,
                       COALESCE(SUM(item.price_total / COALESCE(NULLIF(move.invoice_currency_rate, 0), 1))
                                FILTER (WHERE move.id IS NOT NULL), 0),
                       ordered.total / COALESCE(NULLIF(sale_order.currency_rate, 0), 1),
                       ordered.delivered / COALESCE(NULLIF(sale_order.currency_rate, 0), 1)
                  FROM sale_order
                  JOIN res_partner partner ON partner.id = sale_order.partner_id
            CROSS JOIN LATERAL (
                        SELECT COALESCE(SUM(price_total), 0) AS total,
                               COALESCE(SUM(price_total * qty_delivered / NULLIF(product_uom_qty, 0)), 0) AS delivered
                          FROM sale_order_line
                         WHERE order_id = sale_order.id
                       ) ordered
             LEFT JOIN sale_order_line line ON line.order_id = sale_order.id
             LEFT JOIN sale_order_line_invoice_rel rel ON rel.order_line_id = line.id
             LEFT JOIN account_move_line item ON item.id = rel.invoice_line_id
             LEFT JOIN account_move move ON move.id = item.move_id
                       AND move.state = 'posted' AND move.move_type = 'out_invoice'
                 WHERE %s
              GROUP BY partner.commercial_partner_id, sale_order.id, ordered.total, ordered.delivered
                """,
                where,
            )
        )

    @api.model
    def _flush_dms_amounts(self):
        self.env["sale.order"].flush_model(
            ["amount_total", "company_id", "currency_rate", "date_order", "partner_id", "state"]
        )
        self.env["sale.order.line"].flush_model(
            ["invoice_lines", "order_id", "price_total", "product_uom_qty", "qty_delivered"]
        )
        self.env["account.move"].flush_model(["date", "invoice_currency_rate", "move_type", "state"])
        self.env["account.move.line"].flush_model(["move_id", "price_total"])
        self.env["res.partner"].flush_model(["commercial_partner_id"])

    # Promotions of the channel

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

    # What the rules decide

    def _dms_decide(self, notify=True):
        """Apply the order rules and keep what each of them said.

        A release stands as long as the order stays as it was released.

        :param bool notify: tell the reasons in the chatter
        :return: the orders that may be confirmed
        """
        cleared = self.filtered(lambda order: order.dms_state == "released" and order._is_dms_cleared())
        denied = self.filtered(lambda order: order._is_dms_denied())
        if notify:
            for order in denied:
                order.sudo()._dms_notify_stopped()
        for company, orders in (self - cleared - denied).grouped("company_id").items():
            for order in orders.filtered(lambda order: order.order_line.filtered("is_reward_line")):
                # Rewards that no longer hold must not make the amount look smaller than it will be.
                order._update_programs_and_rewards()
            # Rules, agreements and receivables are beyond the rights of many who may confirm an order.
            orders_sudo = orders.sudo().with_company(company)
            outcomes = orders_sudo.env["dms.order.rule"]._evaluate(orders_sudo)
            orders_sudo._dms_keep(outcomes)
            for order_sudo in orders_sudo:
                if order_sudo.dms_state in CLEARED_STATES:
                    cleared |= order_sudo.with_env(self.env)
                elif notify:
                    order_sudo._dms_notify_stopped()
            if notify:
                orders_sudo._dms_ask_approvers()
        return cleared

    def _dms_keep(self, outcomes):
        """Store checks and decisions (as superuser, from :meth:`_dms_decide`)."""
        self.env["dms.order.check"]._keep(self, [vals for checks in outcomes.values() for vals in checks])
        now = fields.Datetime.now()
        # An order that was never decided, or whose decision was forgotten, has nothing to clear away.
        decided = self.filtered("dms_state")
        waiting = decided.filtered(lambda order: order.dms_state == "held")
        for order, checks in outcomes.items():
            state = self.env["dms.order.rule"]._conclude(checks)
            content = order._get_dms_content()
            vals = {"dms_state": state, "dms_decided_on": now, "dms_content": content}
            if state == "held":
                vals["dms_held_since"] = order.dms_held_since or now
            if order in decided:
                if order.dms_content != content:
                    order.dms_approval_ids._void()
                vals |= {"dms_refusal": False, "dms_released_by": False, "dms_release_reason": False}
                if state != "held":
                    vals["dms_held_since"] = False
            if stopping := [vals["rule_id"] for vals in checks if vals["outcome"] in STOPPING]:
                vals["dms_stopped_by_ids"] = [Command.set(stopping)]
            elif order in decided:
                vals["dms_stopped_by_ids"] = [Command.clear()]
            guard.mark(order).write(vals)
        waiting.filtered(lambda order: order.dms_state != "held").activity_unlink([APPROVAL_ACTIVITY])
        self.env["dms.order.approval"]._require(
            {
                order: checks if order.dms_state == "held" else []
                for order, checks in outcomes.items()
                if order in decided or order.dms_state == "held"
            }
        )

    def _dms_supersede(self):
        """What the rules had said is history now (as superuser)."""
        self.env["dms.order.check"].flush_model(["order_id", "superseded"])
        self.env.cr.execute(
            SQL(
                "UPDATE dms_order_check SET superseded = TRUE WHERE order_id = ANY(%s) AND superseded IS NOT TRUE",
                self.ids,
            )
        )
        self.env["dms.order.check"].invalidate_model(["superseded"])
        self.invalidate_recordset(["dms_check_ids", "dms_reason"])

    def _dms_notify_stopped(self):
        self.ensure_one()
        if self.dms_state == "refused":
            title = self.env._("Refused by the order rules:")
        else:
            title = self.env._("Held by the order rules, waiting for a release:")
        reasons = Markup().join(Markup("<li>%s</li>") % reason for reason in self.dms_reason.split("\n"))
        self.message_post(
            body=Markup("<p>%s</p><ul>%s</ul>") % (title, reasons), subtype_xmlid="mail.mt_note"
        )

    def _dms_reset(self):
        """Forget a decision that is no longer about this order; what the rules had said stays in its history."""
        decided_sudo = self.sudo().filtered("dms_state")
        if decided_sudo:
            decided_sudo._dms_supersede()
            decided_sudo._dms_void_approvals()
            forgotten = DECISION_FIELDS - {"dms_approval_ids", "dms_check_ids", "dms_stopped_by_ids"}
            guard.mark(decided_sudo).write(
                dict.fromkeys(forgotten, False) | {"dms_stopped_by_ids": [Command.clear()]}
            )

    def _dms_void_approvals(self):
        """Approvals were for the order as it was (as superuser)."""
        for order in self.filtered(lambda order: "given" in order.dms_approval_ids.mapped("state")):
            order.message_post(
                body=self.env._("The order was changed: the approvals given for it are void."),
                subtype_xmlid="mail.mt_note",
            )
        self.dms_approval_ids._void()
        self.invalidate_recordset(["dms_approval_ids"])
        self.activity_unlink([APPROVAL_ACTIVITY])

    def _dms_ask_approvers(self):
        """Put the held orders on the list of whoever may release them (as superuser)."""
        for order in self.filtered(lambda order: order.dms_state == "held"):
            asked = order.activity_ids.filtered(
                lambda activity: activity.activity_type_id == self.env.ref(APPROVAL_ACTIVITY)
            ).user_id
            waiting = order.dms_approval_ids.filtered(lambda approval: approval.state == "waiting")
            for user in waiting._get_responsibles() - asked:
                order.activity_schedule(APPROVAL_ACTIVITY, user_id=user.id, note=order.dms_reason)

    def _dms_touch(self):
        """After a change: a quotation needs a new decision, a confirmed order must still satisfy the rules."""
        changed = self.filtered(
            lambda order: (
                order.sudo().dms_state and order.sudo().dms_content != order.sudo()._get_dms_content()
            )
        )
        changed.filtered(lambda order: order.state in ("draft", "sent"))._dms_reset()
        confirmed = changed.filtered(lambda order: order.state == "sale")
        for order in confirmed:
            order._dms_recheck()
        confirmed.sudo().dms_settlement_use_ids._limit()

    @contextmanager
    def _dms_watch(self, names):
        """Within it the orders are changed. A confirmed one must then still satisfy the rules whose filter it matches now
        and did not match before, or the other way round.

        :param names: of the fields that are written; ``order_line`` and ``order_line.*`` for lines
        """
        orders_sudo = self.env["sale.order"].sudo()
        if not names.isdisjoint(self.env["dms.order.rule"]._get_watched_fields()):
            orders_sudo = self.sudo().filtered(lambda order: order.state == "sale" and order.dms_state)
        before = {order: order._get_dms_matches() for order in orders_sudo}
        yield
        for order, matches in before.items():
            if order.state == "sale" and (changed := matches ^ order._get_dms_matches()):
                order.sudo(False)._dms_recheck({text for _order_id, text in changed})

    def _get_dms_matches(self):
        """The filters of rules that the order matches (as superuser)."""
        rules = self.env["dms.order.rule"].with_company(self.company_id)
        return rules._get_matches(rules._read_terms(self.company_id), self)

    def _dms_recheck(self, filters=frozenset()):
        """Ask the rules about a confirmed order that was changed.

        :param filters: rules with these filters look at it otherwise than before the change
        """
        self.ensure_one()
        order_sudo = self.sudo().with_company(self.company_id)
        content = order_sudo._get_dms_content()
        checks = (
            order_sudo.env["dms.order.rule"]._evaluate(order_sudo)[order_sudo] if self._is_dms_order() else []
        )
        failed = [vals for vals in checks if vals["outcome"] in STOPPING]
        if failed and self._is_dms_less(order_sudo.dms_content, content):
            failed = order_sudo._get_dms_broken(failed, filters)
        if failed:
            raise UserError(
                self.env._(
                    "Order %(order)s is confirmed and can't take this change. %(reasons)s Put what you add on a new"
                    " quotation, which can be held and released.",
                    order=self.name,
                    reasons=" ".join(vals["text"] for vals in failed),
                )
            )
        order_sudo.env["dms.order.check"]._keep(order_sudo, checks)
        guard.mark(order_sudo).write({"dms_content": content, "dms_decided_on": fields.Datetime.now()})

    def _get_dms_broken(self, failed, filters):
        """Of rules that stop an order from which something was only taken away, those that it has broken by that: a
        smallest amount, whole cases, or a filter. Debts and stock are not the order's fault (as superuser)."""
        met = set(self.dms_check_ids.filtered("is_met").rule_id.ids)
        rules = self.env["dms.order.rule"].browse([vals["rule_id"] for vals in failed])
        broken = {
            rule.id
            for rule in rules
            if rule.order_domain in filters or (rule.kind in BREAKABLE_KINDS and rule.id in met)
        }
        return [vals for vals in failed if vals["rule_id"] in broken]

    @api.model
    def _is_dms_less(self, old, new):
        """Whether every line of ``new`` was there before, with the same product and no less of quantity and amount."""
        if any(old.get(name) != new[name] for name in ("partner", "receiver", "company", "currency")):
            return False
        for line_id, (product, unit, quantity, amount) in new["lines"].items():
            before = old["lines"].get(line_id)
            if not before or before[:2] != [product, unit] or quantity > before[2] or amount > before[3]:
                return False
        return True

    def _prepare_dms_rest_vals(self, passing):
        """Values of the quotation for what does not go through now.

        :param dict[sale.order.line, float] passing: quantity of each line that does
        """
        self.ensure_one()
        rest = {line: line.product_uom_id.round(line.product_uom_qty - q) for line, q in passing.items()}
        return {
            "dms_split_from_id": self.id,
            "dms_split_rule_ids": [Command.set((self.dms_stopped_by_ids | self.dms_split_rule_ids).ids)],
            "order_line": [
                Command.create(line.copy_data(self._prepare_dms_rest_line_vals(line, quantity))[0])
                for line, quantity in rest.items()
                if quantity
            ],
        }

    @api.model
    def _prepare_dms_rest_line_vals(self, line, quantity):
        return {"product_uom_qty": quantity, "price_unit": line.price_unit, "discount": line.discount}

    def _dms_release(self, reason):
        """Approve held orders; confirm those that have all their approvals. The rules are applied once more: what they
        say now counts.

        :param str reason: why the rules are overridden, kept on the order
        :raises UserError: for an order that is not held, or without a reason
        :raises AccessError: for a user from whom the order waits for no approval
        """
        reason = self._check_dms_decision(reason, self.env._("Say why the order is released."))
        released = self._dms_decide(notify=False)
        for order in self - released:
            if order.dms_state == "refused":
                raise UserError(
                    self.env._(
                        "Order %(order)s is refused and can't be released: %(reasons)s Change the order instead.",
                        order=order.name,
                        reasons=order.dms_reason,
                    )
                )
            if order._dms_approve(reason):
                released |= order
        return released.action_confirm() if released else True

    def _dms_approve(self, reason):
        """Give the approvals that are up to the current user.

        :return: whether that was the last one, and the order is released
        """
        self.ensure_one()
        order_sudo = self.sudo()
        given = order_sudo.dms_approval_ids._decide("given", reason)
        waiting = order_sudo.dms_approval_ids.filtered(lambda approval: approval.state == "waiting")
        values = {
            "user": self.env.user.name,
            "groups": ", ".join(given.group_id.mapped("full_name")),
            "reason": reason,
            "waiting": ", ".join(waiting.group_id.mapped("full_name")),
        }
        if waiting:
            message = self.env._(
                "Approved by %(user)s for %(groups)s: %(reason)s Still to approve: %(waiting)s.", **values
            )
        else:
            message = self.env._("Released by %(user)s: %(reason)s", **values)
            guard.mark(order_sudo).write(
                {"dms_state": "released", "dms_released_by": self.env.uid, "dms_release_reason": reason}
            )
            order_sudo.env["dms.order.override"]._log(order_sudo, reason)
        order_sudo.activity_feedback([APPROVAL_ACTIVITY], user_id=self.env.uid, feedback=reason)
        asked = waiting._get_responsibles()
        order_sudo.activity_search([APPROVAL_ACTIVITY]).filtered(lambda a: a.user_id not in asked).unlink()
        self.message_post(body=message, subtype_xmlid="mail.mt_note")
        return not waiting

    def _dms_refuse(self, reason):
        """Refuse held orders: they are quotations again, to be changed, and the customer reads why.

        :raises UserError: for an order that is not held, or without a reason
        :raises AccessError: for a user from whom the order waits for no approval
        """
        reason = self._check_dms_decision(reason, self.env._("Say why the order is refused."))
        for order in self:
            order_sudo = order.sudo()
            order_sudo.dms_approval_ids._decide("denied", reason)
            order_sudo.dms_approval_ids.filtered(lambda approval: approval.state == "waiting")._void()
            guard.mark(order_sudo).write({"dms_state": "refused", "dms_refusal": reason})
            order_sudo.activity_unlink([APPROVAL_ACTIVITY])
            order.message_post(
                body=self.env._("Order %(order)s was refused: %(reason)s", order=order.name, reason=reason),
                partner_ids=order.partner_id.ids,
                subtype_xmlid="mail.mt_comment",
            )
        return True

    def _check_dms_decision(self, reason, missing):
        """The reason, trimmed, of a decision on held orders."""
        reason = (reason or "").strip()
        if not reason:
            raise UserError(missing)
        self.check_access("write")
        for order in self:
            if order.dms_state != "held" or order.state not in ("draft", "sent"):
                raise UserError(
                    self.env._("Order %s is not held, so there is nothing to release.", order.name)
                )
        return reason

    def _is_dms_denied(self):
        """Whether an approver has refused the order as it is."""
        self.ensure_one()
        order_sudo = self.sudo()
        return bool(order_sudo.dms_refusal) and order_sudo.dms_content == order_sudo._get_dms_content()
