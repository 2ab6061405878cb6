from ast import literal_eval
from functools import partial
from typing import Any, NamedTuple

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.fields import Domain
from odoo.tools import float_compare, float_is_zero, float_round, format_list, formatLang
from odoo.tools.safe_eval import safe_eval

from ..tools import order_rule
from .dms_order_check import STOPPING

# Guards against channel stuffing: an override is counted against the salesperson.
STUFFING_KINDS = ("cover",)
# The parameters of each kind of condition. Two rules of one kind with equal parameters say the same.
PARAMETERS = {
    "credit_limit": (),
    "overdue": ("overdue_days",),
    "standing": ("points_min", "grade_min_id"),
    "agreement": (),
    "amount": ("scope", "amount_min", "amount_max", "currency_id", "categ_ids", "product_ids"),
    "quantity": ("scope", "quantity_min", "quantity_max", "in_cases", "categ_ids", "product_ids"),
    "quantity_case": ("categ_ids", "product_ids"),
    "price": ("price_basis", "price_percent", "categ_ids", "product_ids"),
    "first_order": (),
    "usual_size": ("spread_factor", "history_months", "history_min", "unknown_policy"),
    "cover": ("cover_days", "demand_days", "unknown_policy", "new_policy", "categ_ids", "product_ids"),
    "domain": ("order_domain",),
}
# Kinds that look at the single lines.
LINE_KINDS = {kind for kind, names in PARAMETERS.items() if "categ_ids" in names}
# The rule whose parameters were changed is compared with the others when one of these is written.
CONCERN_FIELDS = ("channel_role", "grade_ids", "territory_ids", "partner_ids", "company_id", "order_domain")
CHECKED_FIELDS = {
    "active",
    "kind",
    "outcome",
    *CONCERN_FIELDS,
    *(name for names in PARAMETERS.values() for name in names if name != "currency_id"),
}
# A product is new to a distributor for so many days after the first goods came; so long its sales say little.
NEW_DAYS = 30


class Verdict(NamedTuple):
    """What a condition found: whether the order is as it asks, and the numbers that decided."""

    met: bool
    figures: dict[str, Any]


class DmsOrderRule(models.Model):
    """What an order of a channel member must satisfy before it is confirmed.

    All rules are applied to each order, in their sequence, and each leaves a ``dms.order.check``. A rule that holds or
    refuses does so when the order is not as its condition asks. A rule that approves does so when the order is: it
    lifts the holds of the rules after it, never of those before it, and never a refusal.

    A kind of condition is three methods: ``_get_facts_<kind>(orders, dry)`` reads what it needs for all orders at once
    (optional), ``_judge_<kind>(order, facts)`` judges one order without a query and returns a :class:`Verdict`, and
    ``_say_<kind>`` of ``dms.order.check`` puts its figures into words.
    """

    _name = "dms.order.rule"
    _description = "Order Rule"
    _order = "sequence, id"
    _check_company_auto = True

    name = fields.Char(required=True, translate=True)
    summary = fields.Text(compute="_compute_summary", help="The rule in words.")
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)
    company_id = fields.Many2one("res.company", index=True, help="Empty: for all companies.")
    currency_id = fields.Many2one("res.currency", compute="_compute_currency_id")
    channel_role = fields.Selection(
        [("distributor", "Distributors"), ("outlet", "Outlets")],
        string="Concerns",
        help="Empty: distributors and outlets.",
    )
    grade_ids = fields.Many2many("res.partner.grade", string="Grades", help="Empty: all grades.")
    territory_ids = fields.Many2many(
        "dms.territory", string="Territories", help="With all that lies inside them. Empty: all territories."
    )
    partner_ids = fields.Many2many(
        "res.partner", string="Only For", domain="[('channel_role', '!=', False)]", help="Empty: all members."
    )
    kind = fields.Selection(
        [
            ("credit_limit", "Within the credit limit of the agreement"),
            ("overdue", "No invoice overdue for long"),
            ("standing", "Enough credit points, high enough grade"),
            ("agreement", "Covered by an active agreement"),
            ("amount", "Amount between bounds"),
            ("quantity", "Quantity between bounds"),
            ("quantity_case", "Whole cases"),
            ("price", "Price not below guidance"),
            ("first_order", "Not the first order"),
            ("usual_size", "Of the usual size"),
            ("cover", "Stock will not last too long (stuffing guard)"),
            ("domain", "Other condition"),
        ],
        string="Condition",
        required=True,
        default="credit_limit",
    )
    outcome = fields.Selection(
        [("approve", "Approve"), ("hold", "Hold for release"), ("refuse", "Refuse")],
        required=True,
        default="hold",
        help="Hold or refuse: what happens to an order that is not as the condition asks. Approve: an order that is as"
        " the condition asks is not held by any rule further down the list; what is refused stays refused.",
    )
    group_id = fields.Many2one(
        "res.groups",
        string="Released By",
        default=lambda self: self.env.ref("dms_channel.dms_channel_group_manager", raise_if_not_found=False),
        ondelete="restrict",
        help="Who may release an order that this rule holds.",
    )
    level_ids = fields.One2many(
        "dms.order.approval.level",
        "rule_id",
        string="Approval Levels",
        copy=True,
        help="Larger orders need the approval of further groups.",
    )
    responsible_id = fields.Many2one(
        "res.users",
        string="Responsible for Releases",
        domain="[('share', '=', False)]",
        help="Gets an activity for each order that waits. Empty: all members of the group get one.",
    )
    counts_override = fields.Boolean(
        string="Override Counts",
        compute="_compute_counts_override",
        store=True,
        readonly=False,
        precompute=True,
        help="A release that overrides this rule is counted against the salesperson of the order.",
    )
    message = fields.Char(
        translate=True, help="A sentence to add to the reason: what the distributor should do."
    )
    categ_ids = fields.Many2many(
        "product.category",
        string="Categories",
        help="Only lines of these categories, with all their sub-categories. Empty: all.",
    )
    product_ids = fields.Many2many(
        "product.product", string="Products", help="Only lines of these products. Empty: all."
    )
    overdue_days = fields.Integer(default=15, help="Days past the due date that are still accepted.")
    points_min = fields.Integer(string="Least Points", help="Credit points on the day of the order.")
    grade_min_id = fields.Many2one(
        "res.partner.grade", string="Lowest Grade", help="This grade or one above it in the list of grades."
    )
    scope = fields.Selection(
        [("order", "The whole order"), ("product", "Each product"), ("line", "Each line")],
        string="Applies To",
        default="order",
        required=True,
    )
    amount_min = fields.Monetary(
        string="Smallest Amount", help="With taxes, in the company's currency. 0: no bound."
    )
    amount_max = fields.Monetary(
        string="Largest Amount", help="With taxes, in the company's currency. 0: no bound."
    )
    quantity_min = fields.Float(string="Smallest Quantity", digits="Product Unit", help="0: no bound.")
    quantity_max = fields.Float(string="Largest Quantity", digits="Product Unit", help="0: no bound.")
    in_cases = fields.Boolean(help="Count cases instead of the products' own units.")
    price_basis = fields.Selection(
        [("pricelist", "The customer's price list"), ("guidance", "The guidance retail price")],
        string="Compared With",
        default="pricelist",
        required=True,
        help="The guidance retail price is the recommended one in the territory that the goods are for; prices are then"
        " compared with taxes.",
    )
    price_percent = fields.Float(
        string="Accepted Discount (%)",
        help="How far a price may be below what it is compared with, in per cent.",
    )
    spread_factor = fields.Float(
        string="Spreads",
        default=3.0,
        help="How many spreads (median absolute deviation, scaled) above the median of the earlier orders are usual.",
    )
    history_months = fields.Integer(
        string="Months Looked Back", default=12, help="How far back earlier orders count."
    )
    history_min = fields.Integer(
        string="Orders Needed", default=4, help="With fewer earlier orders, the usual size is not known."
    )
    cover_days = fields.Integer(
        string="Days of Cover", default=60, help="How long the distributor's stock may last after this order."
    )
    demand_days = fields.Integer(
        string="Sell-through of Days",
        default=60,
        help="The sell-through of so many days before the order gives the daily demand.",
    )
    unknown_policy = fields.Selection(
        [("pass", "Let it pass"), ("stop", "Hold or refuse it")],
        string="If Nothing Is Known",
        default="pass",
        required=True,
        help="What happens when the history or the sell-through says nothing. An approving rule never approves then.",
    )
    new_policy = fields.Selection(
        [("pass", "Let it pass"), ("stop", "Hold or refuse it")],
        string="New Products",
        default="pass",
        required=True,
        help="What happens to the first orders of a product: nothing came to the distributor until a month ago.",
    )
    order_domain = fields.Char(
        string="Orders Concerned",
        default="[]",
        help="For “other condition”: orders that match are held, refused or approved. Else: the rule only looks at"
        " orders that match.",
    )

    _overdue_days_positive = models.Constraint(
        "CHECK(overdue_days >= 0)", "The accepted days can't be negative."
    )
    _bounds_positive = models.Constraint(
        "CHECK(amount_min >= 0 AND amount_max >= 0 AND quantity_min >= 0 AND quantity_max >= 0)",
        "A bound of an order rule can't be negative.",
    )
    _price_percent_range = models.Constraint(
        "CHECK(price_percent >= 0 AND price_percent < 100)",
        "The accepted discount is a percentage from 0 to below 100.",
    )

    @api.depends("company_id")
    @api.depends_context("company")
    def _compute_currency_id(self):
        for rule in self:
            rule.currency_id = (rule.company_id or self.env.company).currency_id

    @api.depends("kind")
    def _compute_counts_override(self):
        for rule in self:
            rule.counts_override = rule.kind in STUFFING_KINDS

    @api.depends(*CHECKED_FIELDS, "group_id")
    @api.depends_context("lang", "company")
    def _compute_summary(self):
        for rule in self:
            rule.summary = rule._get_summary()

    @api.constrains("kind", "amount_min", "amount_max", "quantity_min", "quantity_max")
    def _check_bounds(self):
        for rule in self.filtered(lambda rule: rule.kind in ("amount", "quantity")):
            low, high = rule._get_bounds()
            if not low and not high:
                raise ValidationError(
                    self.env._(
                        "Rule %s sets no bound. Enter a smallest or a largest value above zero.", rule.name
                    )
                )
            if low and high and low > high:
                raise ValidationError(
                    self.env._(
                        "No order can satisfy rule %(rule)s: its smallest value %(low)s is above its largest value"
                        " %(high)s.",
                        rule=rule.name,
                        low=low,
                        high=high,
                    )
                )

    @api.constrains("kind", "points_min", "grade_min_id")
    def _check_standing(self):
        for rule in self:
            if rule.kind == "standing" and not rule.points_min and not rule.grade_min_id:
                raise ValidationError(
                    self.env._(
                        "Rule %s asks for nothing. Enter the least points or a lowest grade.", rule.name
                    )
                )

    @api.constrains("kind", "spread_factor", "history_months", "history_min", "cover_days", "demand_days")
    def _check_spans(self):
        for rule in self:
            if rule.kind == "usual_size" and (
                rule.spread_factor <= 0 or rule.history_months < 1 or rule.history_min < 1
            ):
                raise ValidationError(
                    self.env._(
                        "Rule %s needs a number of spreads above zero, at least one month and at least one order.",
                        rule.name,
                    )
                )
            if rule.kind == "cover" and (rule.cover_days < 1 or rule.demand_days < 7):
                raise ValidationError(
                    self.env._(
                        "Rule %s needs at least one day of cover and the sell-through of at least 7 days.",
                        rule.name,
                    )
                )

    @api.constrains("kind", "order_domain")
    def _check_order_domain(self):
        for rule in self:
            try:
                domain = rule._get_order_domain()
                self.env["sale.order"].sudo().search(domain, limit=0)
            except Exception as error:
                raise ValidationError(
                    self.env._(
                        "The condition of rule %(rule)s can't be read as a filter on orders: %(error)s",
                        rule=rule.name,
                        error=error,
                    )
                ) from error
            if rule.kind == "domain" and domain.is_true():
                raise ValidationError(
                    self.env._(
                        "Rule %s would stop or approve every order. Say which orders it concerns.", rule.name
                    )
                )

    @api.constrains("outcome", "group_id")
    def _check_group(self):
        for rule in self:
            if rule.outcome == "hold" and not rule.group_id:
                raise ValidationError(
                    self.env._("Rule %s holds orders: say which group may release them.", rule.name)
                )

    @api.constrains("responsible_id", "group_id")
    def _check_responsible_id(self):
        for rule in self.filtered("responsible_id"):
            rule._check_responsible(rule.responsible_id, rule.group_id)

    def _check_responsible(self, user, group):
        if group and group not in user.all_group_ids:
            raise ValidationError(
                self.env._(
                    "%(user)s can't be responsible for rule %(rule)s: only members of %(group)s may release its orders.",
                    user=user.name,
                    rule=self.name,
                    group=group.full_name,
                )
            )

    @api.constrains(*CHECKED_FIELDS)
    def _check_contradictions(self):
        """Refuse a rule that can't be carried out together with another one on the same orders."""
        others = self.search([("active", "=", True)])
        for rule in self.filtered("active"):
            for other in others - rule:
                if (rule._is_within(other) or other._is_within(rule)) and (
                    reason := rule._get_contradiction(other)
                ):
                    raise ValidationError(reason)

    def _is_within(self, other):
        """Whether ``other`` concerns every order that this rule concerns."""
        return (
            other.company_id in (self.company_id, self.env["res.company"])
            and other.channel_role in (self.channel_role, False)
            and all(
                not other[name] or (self[name] and self[name] <= other[name])
                for name in ("grade_ids", "partner_ids")
            )
            and (
                not other.territory_ids
                or (
                    self.territory_ids
                    and all(any(t._contains(own) for t in other.territory_ids) for own in self.territory_ids)
                )
            )
            and (
                "domain" in (self.kind, other.kind) or other.order_domain in (False, "[]", self.order_domain)
            )
        )

    def _get_contradiction(self, other):
        """Why no order can do right by both rules, in a sentence; empty where they go together."""
        names = {"rule": self.name, "other": other.name}
        if self.kind == other.kind and self._get_parameters() == other._get_parameters():
            if self.outcome != other.outcome and (
                self.kind == "domain" or "approve" not in (self.outcome, other.outcome)
            ):
                return self.env._(
                    "Rules %(rule)s and %(other)s have the same condition but not the same outcome. Change or archive one"
                    " of them.",
                    **names,
                )
        if self._excludes_bounds(other):
            return self.env._(
                "Rules %(rule)s and %(other)s leave nothing that both accept: what one asks for at least is more than"
                " the other allows at most. Change the bounds or whom one of them concerns.",
                **names,
            )
        for bounded, cases in ((self, other), (other, self)):
            if product := bounded._get_impossible_case(cases):
                return self.env._(
                    "Rule %(other)s asks for whole cases, and rule %(rule)s leaves no whole case of %(product)s between its"
                    " bounds. Change the bounds.",
                    rule=bounded.name,
                    other=cases.name,
                    product=product.display_name,
                )
        return ""

    def _get_parameters(self):
        if self.kind == "domain":
            return self._get_order_domain()
        return [self[name] for name in PARAMETERS[self.kind]]

    def _get_bounds(self):
        return (
            (self.amount_min, self.amount_max)
            if self.kind == "amount"
            else (self.quantity_min, self.quantity_max)
        )

    def _excludes_bounds(self, other):
        """Whether the bounds of two rules on the same measure have nothing in common."""
        if self.kind != other.kind or self.kind not in ("amount", "quantity"):
            return False
        if self.outcome == other.outcome == "approve":
            return False
        measure = ("scope", "in_cases", "categ_ids", "product_ids", "currency_id")
        if any(self[name] != other[name] for name in measure):
            return False
        (low, high), (other_low, other_high) = self._get_bounds(), other._get_bounds()
        return bool(low and other_high and low > other_high) or bool(other_low and high and other_low > high)

    def _get_impossible_case(self, cases):
        """A product of which no whole number of cases, as the rule ``cases`` asks for, fits between the bounds."""
        if (
            self.kind != "quantity"
            or cases.kind != "quantity_case"
            or not self.quantity_max
            or self.scope == "order"
            or "approve" in (self.outcome, cases.outcome)
        ):
            return None
        domain = self._get_product_domain() & cases._get_product_domain() & Domain("uom_ids", "!=", False)
        for product in self.env["product.product"].search(domain):
            size = 1.0 if self.in_cases else product._get_dms_case_size()
            if size and order_rule.next_multiple(self.quantity_min, size) > self.quantity_max:
                return product
        return None

    def _get_product_domain(self):
        domains = []
        if self.categ_ids:
            domains.append(Domain("categ_id", "child_of", self.categ_ids.ids))
        if self.product_ids:
            domains.append(Domain("id", "in", self.product_ids.ids))
        return Domain.OR(domains) if domains else Domain.TRUE

    def _get_order_domain(self):
        """The filter on orders. It knows the day, but not the user: the outcome does not depend on who confirms."""
        text = self.order_domain or "[]"
        if "context_today" not in text:
            return Domain(literal_eval(text))
        today = fields.Date.context_today(self)
        return Domain(safe_eval(text, {"context_today": lambda: today}))

    # The rule in words

    def _get_summary(self):
        """Whom the rule concerns, what it does, and when."""
        self.ensure_one()
        whom = self._get_whom()
        condition = self._get_condition()
        if self.outcome == "approve":
            return self.env._(
                "%(whom)s: approve when %(condition)s. Rules further down the list no longer hold the order.",
                whom=whom,
                condition=condition,
            )
        if self.outcome == "refuse":
            return self.env._("%(whom)s: refuse unless %(condition)s.", whom=whom, condition=condition)
        return self.env._(
            "%(whom)s: hold for %(group)s unless %(condition)s.",
            whom=whom,
            group=self.group_id.name or self.env._("nobody"),
            condition=condition,
        )

    def _get_whom(self):
        roles = dict(self._fields["channel_role"]._description_selection(self.env))
        whom = roles.get(self.channel_role) or self.env._("Distributors and outlets")
        if self.partner_ids:
            whom = self._list(self.partner_ids, "display_name")
        if self.grade_ids:
            whom = self.env._("%(whom)s of grade %(grades)s", whom=whom, grades=self._list(self.grade_ids))
        if self.territory_ids:
            whom = self.env._(
                "%(whom)s in %(territories)s", whom=whom, territories=self._list(self.territory_ids)
            )
        return whom

    def _list(self, records, name="name"):
        return format_list(self.env, records.mapped(name), style="or")

    def _get_condition(self):
        """What the rule asks of an order, to follow “unless” or “when”."""
        _ = self.env._
        policy = dict(self._fields["unknown_policy"]._description_selection(self.env))
        amount = {
            name: formatLang(self.env, self[name], currency_obj=self.currency_id)
            for name in ("amount_min", "amount_max")
        }
        scope = dict(self._fields["scope"]._description_selection(self.env))[self.scope]
        unit = _("cases") if self.in_cases else _("units")
        conditions = {
            "credit_limit": lambda: _("its credit exposure stays within the limit of the agreement"),
            "overdue": lambda: _("no invoice is overdue for more than %s days", self.overdue_days),
            "standing": self._get_standing_condition,
            "agreement": lambda: _("an active agreement covers all products for where they go"),
            "amount": lambda: self._get_range_condition(
                scope, self.amount_min and amount["amount_min"], self.amount_max and amount["amount_max"]
            ),
            "quantity": lambda: self._get_range_condition(
                scope,
                self.quantity_min and f"{self.quantity_min:g} {unit}",
                self.quantity_max and f"{self.quantity_max:g} {unit}",
            ),
            "quantity_case": lambda: _("all quantities are whole cases"),
            "price": lambda: (
                _("no price is more than %s %% below the price list", f"{self.price_percent:g}")
                if self.price_basis == "pricelist"
                else _(
                    "no price is more than %s %% below the guidance retail price", f"{self.price_percent:g}"
                )
            ),
            "first_order": lambda: _("it ordered before"),
            "usual_size": lambda: _(
                "the order is no more than %(factor)s spreads above the median of the last %(months)s months (if fewer than"
                " %(orders)s orders are known: %(policy)s)",
                factor=f"{self.spread_factor:g}",
                months=self.history_months,
                orders=self.history_min,
                policy=policy[self.unknown_policy],
            ),
            "cover": lambda: _(
                "its stock of each product lasts no longer than %(days)s days after the order (sell-through not known:"
                " %(policy)s; new products: %(new)s)",
                days=self.cover_days,
                policy=policy[self.unknown_policy],
                new=policy[self.new_policy],
            ),
            "domain": lambda: (
                _("the order matches the filter")
                if self.outcome == "approve"
                else _("the order does not match the filter")
            ),
        }
        text = conditions[self.kind]()
        if self.kind in LINE_KINDS and (self.categ_ids or self.product_ids):
            goods = self._list(self.categ_ids, "display_name"), self._list(self.product_ids, "display_name")
            text = _("%(condition)s (only %(goods)s)", condition=text, goods=", ".join(filter(None, goods)))
        return text

    def _get_standing_condition(self):
        if self.points_min and self.grade_min_id:
            return self.env._(
                "it has at least %(points)s credit points and grade %(grade)s",
                points=self.points_min,
                grade=self.grade_min_id.name,
            )
        if self.grade_min_id:
            return self.env._("it has at least grade %s", self.grade_min_id.name)
        return self.env._("it has at least %s credit points", self.points_min)

    def _get_range_condition(self, scope, low, high):
        if low and high:
            return self.env._(
                "%(scope)s comes to between %(low)s and %(high)s", scope=scope.lower(), low=low, high=high
            )
        if low:
            return self.env._("%(scope)s comes to at least %(low)s", scope=scope.lower(), low=low)
        return self.env._("%(scope)s comes to at most %(high)s", scope=scope.lower(), high=high or 0)

    # Evaluation

    def _concerns(self, order):
        self.ensure_one()
        partner = order.partner_id.commercial_partner_id
        return (
            (not self.company_id or self.company_id == order.company_id)
            and (not self.channel_role or self.channel_role == partner.channel_role)
            and (not self.grade_ids or partner.grade_id in self.grade_ids)
            and (not self.partner_ids or partner in self.partner_ids)
            and (not self.territory_ids or any(t._contains(partner.territory_id) for t in self.territory_ids))
            and (
                self.kind == "domain"
                or self.order_domain in (False, "[]")
                or bool(order.filtered_domain(self._get_order_domain()))
            )
        )

    @api.model
    def _evaluate(self, orders, rules=None, dry=False):
        """Judge orders of one company, in their order. An order that goes through counts in the exposure of the next.

        Nothing is written. The rows of the customers are locked to the end of the transaction, so that two orders of
        one customer can't both go through under the same limit; a ``dry`` run, which confirms nothing, leaves that out.

        :param rules: the rules to apply, archived ones included (default: the active ones of the orders' company)
        :return: for each order the values of ``dms.order.check``, in the rules' sequence
        :rtype: dict[sale.order, list[dict]]
        """
        company = orders.company_id
        if rules is None:
            rules = self.search([("company_id", "in", [False, company.id])])
        else:
            rules = rules.filtered(lambda rule: not rule.company_id or rule.company_id == company)
            rules = rules.sorted(lambda rule: (rule.sequence, rule.id))
        if not dry:
            orders.partner_id.commercial_partner_id._dms_lock()
        facts = rules._read_facts(orders, dry)
        result = {}
        for order in orders:
            checks = [
                rule._prepare_check_vals(order, getattr(rule, f"_judge_{rule.kind}")(order, facts))
                for rule in rules
                if rule._concerns(order)
            ]
            self._waive(checks)
            result[order] = checks
            if self._conclude(checks) == "approved":
                self._count_approved(order, facts)
        return result

    @api.model
    def _waive(self, checks):
        """An approving rule that the order meets lifts the holds of the rules after it; it never lifts a refusal."""
        approved = False
        for vals in checks:
            if vals["outcome"] == "approve":
                approved = True
            elif vals["outcome"] == "hold" and approved:
                vals["outcome"] = "waived"

    @api.model
    def _conclude(self, checks):
        """What the checks of one order come to: the value of ``dms_state``."""
        outcomes = {vals["outcome"] for vals in checks}
        return "refused" if "refuse" in outcomes else "held" if "hold" in outcomes else "approved"

    def _read_facts(self, orders, dry):
        """What the rules need to know of the orders, by kind of condition; ``lines`` is for all of them."""
        kinds = set(self.mapped("kind"))
        facts = {"today": {order.id: order._get_dms_date() for order in orders}}
        if kinds & LINE_KINDS:
            facts["lines"] = {order.id: order._get_dms_ordered() for order in orders}
        for kind in sorted(kinds):
            if reader := getattr(self, f"_get_facts_{kind}", None):
                facts[kind] = reader(orders, dry)
        return facts

    def _count_approved(self, order, facts):
        """Let an order that goes through weigh on the ones judged after it in the same batch."""
        partner = order.partner_id.commercial_partner_id
        if credit := facts.get("credit_limit"):
            credit["debts"][partner.id]["open_orders"] += credit["amounts"][order.id]
        if cover := facts.get("cover"):
            for line in facts["lines"][order.id]:
                key = partner.id, line.product_id
                cover["on_order"][key] = cover["on_order"].get(key, 0.0) + line.open
        for kind in ("first_order", "usual_size"):
            if kind in facts:
                earlier = facts[kind].setdefault(partner.id, [])
                earlier.append((order._get_dms_moment(), order._get_dms_company_amount()))

    def _prepare_check_vals(self, order, verdict):
        met, figures = verdict
        if self.outcome == "approve":
            outcome = "approve" if met else "skip"
        else:
            outcome = "pass" if met else self.outcome
        text = False
        if outcome in STOPPING:
            text = self.env["dms.order.check"]._say(self.kind, met, figures, order.company_id)
            if self.message:
                text = f"{text} {self.message}"
        return {
            "order_id": order.id,
            "rule_id": self.id,
            "rule_name": self.name,
            "kind": self.kind,
            "is_met": met,
            "outcome": outcome,
            "text": text,
            "figures": figures,
        }

    def _is_pass(self, policy):
        """What an order is taken for when too little is known to judge it."""
        return policy == "pass" and self.outcome != "approve"

    def _select(self, lines):
        """Those of an order's lines that the rule looks at."""
        if not self.categ_ids and not self.product_ids:
            return lines
        products = set(self.product_ids.ids)
        paths = tuple(self.categ_ids.mapped("parent_path"))
        return [
            line
            for line in lines
            if line.product_id in products or (paths and line.categ_path.startswith(paths))
        ]

    def _describe(self, product_id, **values):
        """An item of a figure that is about a product; its name is kept for the day when the product is gone."""
        return {
            "product": product_id,
            "name": self.env["product.product"].browse(product_id).display_name,
            **values,
        }

    # Credit limit

    def _get_facts_credit_limit(self, orders, dry):
        company = orders.company_id
        partners = orders.partner_id.commercial_partner_id
        limits = {}
        for date, dated in orders.grouped(lambda order: order._get_dms_date()).items():
            dated_partners = dated.partner_id.commercial_partner_id
            for partner_id, limit in dated_partners._get_dms_credit_limits(date, company).items():
                limits[partner_id, date] = limit
        return {
            "debts": partners._get_dms_debts(company, excluded_orders=orders),
            "amounts": orders._get_dms_amounts(company),
            "limits": limits,
        }

    def _judge_credit_limit(self, order, facts):
        credit = facts["credit_limit"]
        currency = order.company_id.currency_id
        partner = order.partner_id.commercial_partner_id
        parts = {**credit["debts"][partner.id], "order": credit["amounts"][order.id]}
        limit = credit["limits"][partner.id, facts["today"][order.id]]
        exposure = sum(parts.values())
        figures = {name: currency.round(amount) for name, amount in parts.items()}
        figures |= {"exposure": currency.round(exposure), "limit": limit, "currency": currency.name}
        return Verdict(not limit or currency.compare_amounts(exposure, limit) <= 0, figures)

    # Overdue invoices

    def _get_facts_overdue(self, orders, dry):
        return orders.partner_id.commercial_partner_id._get_dms_oldest_due(orders.company_id)

    def _judge_overdue(self, order, facts):
        due = facts["overdue"].get(order.partner_id.commercial_partner_id.id)
        days = max((order._get_dms_today() - due).days, 0) if due else 0
        figures = {"days": days, "accepted": self.overdue_days, "due": due and fields.Date.to_string(due)}
        return Verdict(days <= self.overdue_days, figures)

    # Points and grade

    def _get_facts_standing(self, orders, dry):
        points = {}
        for date, dated in orders.grouped(lambda order: order._get_dms_date()).items():
            partners = dated.partner_id.commercial_partner_id
            for partner_id, number in partners._get_credit_points(date, orders.company_id).items():
                points[partner_id, date] = number
        return points

    def _judge_standing(self, order, facts):
        partner = order.partner_id.commercial_partner_id
        points = facts["standing"][partner.id, facts["today"][order.id]]
        grade, lowest = partner.grade_id, self.grade_min_id
        figures = {
            "points": points,
            "points_min": self.points_min or False,
            "grade": grade.id,
            "grade_min": lowest.id,
        }
        # Core lists the best grade first.
        enough = not lowest or (bool(grade) and grade.sequence <= lowest.sequence)
        return Verdict(enough and (not self.points_min or points >= self.points_min), figures)

    # Agreement

    def _get_facts_agreement(self, orders, dry):
        """What the agreement leaves uncovered, by order: the figures of the verdict."""
        facts = {}
        Agreement = self.env["dms.agreement"]
        for date, dated in orders.grouped(lambda order: order._get_dms_date()).items():
            distributors = {order: order.partner_id._get_distributor() for order in dated}
            partners = self.env["res.partner"].union(*distributors.values())
            active = Agreement._get_active(partners, date, orders.company_id)
            for order, distributor in distributors.items():
                agreement = active.get(distributor, Agreement)
                products = order._get_dms_lines().product_id
                territory = order._get_dms_territory()
                outside = products - agreement._covered_products(products, territory)
                facts[order.id] = {
                    "partner": (distributor or order.partner_id.commercial_partner_id).display_name,
                    "date": fields.Date.to_string(date),
                    "agreement": agreement.display_name or False,
                    "territory": territory.complete_name or False,
                    "products": len(products),
                    "outside": [self._describe(id_) for id_ in sorted(outside.ids)] if agreement else [],
                }
        return facts

    def _judge_agreement(self, order, facts):
        figures = facts["agreement"][order.id]
        return Verdict(bool(figures["agreement"]) and not figures["outside"], figures)

    # Bounds of amount and quantity

    def _judge_amount(self, order, facts):
        company = order.company_id
        currency = company.currency_id
        low, high = (
            self.currency_id._convert(bound, currency, company, facts["today"][order.id])
            if self.currency_id != currency
            else bound
            for bound in self._get_bounds()
        )
        if self.scope == "order" and not self.categ_ids and not self.product_ids:
            values = [(False, order._get_dms_company_amount())]
        else:
            values = [(line.product_id, line.amount) for line in self._select(facts["lines"][order.id])]
        return self._judge_bounds(
            values, low, high, currency.compare_amounts, currency.round, {"currency": currency.name}
        )

    def _judge_quantity(self, order, facts):
        values = [
            (line.product_id, line.quantity / line.case if self.in_cases and line.case else line.quantity)
            for line in self._select(facts["lines"][order.id])
        ]
        digits = self._get_quantity_digits()
        return self._judge_bounds(
            values,
            *self._get_bounds(),
            partial(float_compare, precision_digits=digits),
            partial(float_round, precision_digits=digits),
            {"in_cases": self.in_cases},
        )

    def _get_quantity_digits(self):
        return self.env["decimal.precision"].precision_get("Product Unit")

    def _judge_bounds(self, values, low, high, compare, rounded, figures):
        """Compare what each line comes to with the bounds.

        :param list[tuple] values: product id and value of each line
        :param compare, rounded: functions of values that know the precision
        :param dict figures: to be completed
        """
        if self.scope != "line":
            sums = {} if values or self.scope == "product" else {False: 0.0}
            for product_id, value in values:
                key = product_id if self.scope == "product" else False
                sums[key] = sums.get(key, 0.0) + value
            values = sums.items()
        outside = sorted(
            (product_id, rounded(value))
            for product_id, value in values
            if order_rule.is_outside(value, low, high, compare)
        )
        figures |= {"scope": self.scope, "min": low, "max": high}
        if self.scope == "order":
            figures["value"] = rounded(sum(value for _product, value in values))
        else:
            figures["outside"] = [self._describe(product_id, value=value) for product_id, value in outside]
        return Verdict(not outside, figures)

    # Whole cases

    def _judge_quantity_case(self, order, facts):
        digits = self._get_quantity_digits()
        odd = sorted(
            (line.product_id, line.quantity, line.case)
            for line in self._select(facts["lines"][order.id])
            if line.case
            and line.quantity % line.case
            and not float_is_zero(
                line.quantity - round(line.quantity / line.case) * line.case, precision_digits=digits
            )
        )
        products = self.env["product.product"]
        items = [
            self._describe(id_, quantity=quantity, case=case, unit=products.browse(id_).uom_id.name)
            for id_, quantity, case in odd
        ]
        return Verdict(not odd, {"lines": items})

    # Price

    def _get_facts_price(self, orders, dry):
        readers = {"pricelist": "_get_dms_list_prices", "guidance": "_get_dms_guidance_prices"}
        bases = set(self.filtered(lambda rule: rule.kind == "price").mapped("price_basis"))
        return {(order.id, basis): getattr(order, readers[basis])() for order in orders for basis in bases}

    def _judge_price(self, order, facts):
        currency = order.currency_id
        share = 1.0 - self.price_percent / 100.0
        guidance = facts["price"][order.id, self.price_basis]
        taxed = self.price_basis == "guidance"
        # Prices have more digits than amounts: the line's amount decides.
        low = sorted(
            (line.product_id, price, guidance[line.line_id])
            for line in self._select(facts["lines"][order.id])
            if (price := line.gross if taxed else line.price) < guidance.get(line.line_id, 0.0) * share
            and currency.compare_amounts(
                price * line.quantity, guidance[line.line_id] * share * line.quantity
            )
            < 0
        )
        items = [
            self._describe(
                id_, price=round(price, 6), guidance=round(fair, 6), below=round(100 - 100 * price / fair, 2)
            )
            for id_, price, fair in low
        ]
        return Verdict(
            not low,
            {
                "basis": self.price_basis,
                "percent": self.price_percent,
                "currency_id": currency.id,
                "lines": items,
            },
        )

    # Earlier orders

    def _get_facts_first_order(self, orders, dry):
        return self.env["sale.order"]._get_dms_earlier_orders(
            orders.partner_id.commercial_partner_id, orders.company_id, orders
        )

    def _get_facts_usual_size(self, orders, dry):
        return self._get_facts_first_order(orders, dry)

    def _judge_first_order(self, order, facts):
        moment = order._get_dms_moment()
        earlier = facts["first_order"].get(order.partner_id.commercial_partner_id.id, [])
        count = sum(date <= moment for date, _amount in earlier)
        return Verdict(count > 0, {"earlier": count})

    def _judge_usual_size(self, order, facts):
        currency = order.company_id.currency_id
        moment = order._get_dms_moment()
        since = fields.Datetime.subtract(moment, months=self.history_months)
        amounts = [
            amount
            for date, amount in facts["usual_size"].get(order.partner_id.commercial_partner_id.id, [])
            if since <= date <= moment
        ]
        figures = {"earlier": len(amounts), "needed": self.history_min, "months": self.history_months}
        if len(amounts) < self.history_min:
            return Verdict(self._is_pass(self.unknown_policy), figures)
        amount = order._get_dms_company_amount()
        middle, spread, most = order_rule.usual(amounts, self.spread_factor)
        figures |= {
            "order": amount,
            "median": currency.round(middle),
            "spread": currency.round(spread),
            "most": currency.round(most),
        }
        return Verdict(currency.compare_amounts(amount, most) <= 0, figures)

    # Days of cover

    def _get_facts_cover(self, orders, dry):
        """Stock, what is on order, and daily demand, by (distributor id, product id).

        A dry run looks at each past order with the stock of its own day; what else was on order then is not known.
        """
        company = orders.company_id
        partners = orders.partner_id.commercial_partner_id.filtered(
            lambda partner: partner.channel_role == "distributor"
        )
        products = orders._get_dms_lines().product_id
        Position = self.env["dms.channel.position"]
        spans = set(self.filtered(lambda rule: rule.kind == "cover").mapped("demand_days"))
        facts = {"stock": {}, "demand": {}}
        for date in {self._get_cover_date(order, dry) for order in orders}:
            facts["stock"][date] = Position._get_stock(partners, products, company, date if dry else None)
            for days in spans:
                facts["demand"][date, days] = Position._get_daily_demand(
                    partners, products, company, date, days
                )
        facts["first"] = Position._get_first_dates(partners, products, company)
        facts["dry"] = dry
        facts["on_order"] = self.env["sale.order"]._get_dms_on_order(partners, products, company, orders)
        return facts

    def _get_cover_date(self, order, dry):
        return order._get_dms_date() if dry else order._get_dms_today()

    def _judge_cover(self, order, facts):
        cover = facts["cover"]
        date = self._get_cover_date(order, cover["dry"])
        past = cover["dry"] and order.state == "sale"
        partner_id = order.partner_id.commercial_partner_id.id
        quantities = {}
        for line in self._select(facts["lines"][order.id]):
            quantity = line.quantity if past else line.open
            quantities[line.product_id] = quantities.get(line.product_id, 0.0) + quantity
        over, unknown, new, worst = [], [], [], None
        for product_id, quantity in sorted(quantities.items()):
            key = partner_id, product_id
            first = cover["first"].get(key)
            daily = cover["demand"][date, self.demand_days].get(key)
            if not first or ((date - first).days < NEW_DAYS and not daily):
                new.append(product_id)
                continue
            if daily is None:
                unknown.append(product_id)
                continue
            stock, transit = cover["stock"][date].get(key, (0.0, 0.0))
            on_order = 0.0 if past else cover["on_order"].get(key, 0.0)
            days = order_rule.days_of_cover(stock + transit + on_order + quantity, daily)
            item = (days, product_id, stock, transit, on_order, quantity, daily)
            worst = max(worst or item, item)
            # What is ordered must add to it: an order that was delivered stuffs nothing any more.
            if days > self.cover_days and quantity > 0:
                over.append(item)
        met = (
            not over
            and (not unknown or self._is_pass(self.unknown_policy))
            and (not new or self._is_pass(self.new_policy))
        )
        figures = {
            "days": self.cover_days,
            "over": [self._describe_cover(*item) for item in sorted(over, reverse=True)],
            "unknown": [self._describe(id_) for id_ in unknown],
            "new": [self._describe(id_) for id_ in new],
            "worst": worst and self._describe_cover(*worst),
        }
        return Verdict(met, figures)

    def _describe_cover(self, days, product_id, stock, transit, on_order, order, daily):
        return self._describe(
            product_id,
            days=round(days, 1),
            stock=round(stock, 2),
            in_transit=round(transit, 2),
            on_order=round(on_order, 2),
            order=round(order, 2),
            daily=round(daily, 2),
        )

    # Other condition

    def _judge_domain(self, order, facts):
        matches = bool(order.filtered_domain(self._get_order_domain()))
        return Verdict(matches == (self.outcome == "approve"), {"matches": matches, "rule": self.name})
