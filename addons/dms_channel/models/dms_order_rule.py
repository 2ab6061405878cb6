from odoo import api, fields, models, tools
from odoo.exceptions import ValidationError
from odoo.fields import Domain

from ..tools import order_rule
from .dms_order_rule_engine import EVERY_ORDER
from .dms_order_rule_words import PARAMETERS

# Guards against channel stuffing: an override is counted against the salesperson.
STUFFING_KINDS = ("cover",)
# The rule whose parameters were changed is compared with the others when one of these is written.
CONCERN_FIELDS = ("channel_role", "grade_ids", "territory_ids", "partner_ids", "company_id", "order_domain")
CHECKED_FIELDS = {
    "active",
    "kind",
    "outcome",
    *CONCERN_FIELDS,
    *(name for names in PARAMETERS.values() for name in names if name != "currency_id"),
}


class DmsOrderRule(models.Model):
    """What an order of a channel member must satisfy before it is confirmed.

    All rules are applied to each order, in their sequence, and each leaves a ``dms.order.check``. A rule that holds or
    refuses does so when the order is not as its condition asks. A rule that approves does so when the order is: it
    lifts the holds of the rules after it, never of those before it, and never a refusal.

    A kind of condition is three things: ``_get_facts_<kind>`` of ``dms.order.rule.engine`` reads what it needs for all
    orders at once (where it needs more than the order itself), ``judge_<kind>`` of ``tools/order_judge.py`` judges one
    order by these facts, and ``_say_<kind>`` of ``dms.order.check`` puts the figures into words.
    """

    _name = "dms.order.rule"
    _description = "Order Rule"
    _inherit = ["dms.channel.scope", "dms.order.rule.engine", "dms.order.rule.words"]
    _order = "sequence, id"
    _check_company_auto = True

    name = fields.Char(required=True, translate=True)
    summary = fields.Text(compute="_compute_summary", help="The rule in words.")
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)
    currency_id = fields.Many2one("res.currency", compute="_compute_currency_id")
    channel_role = fields.Selection(
        [("distributor", "Distributors"), ("outlet", "Outlets")],
        string="Concerns",
        help="Empty: distributors and outlets.",
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

    @api.model_create_multi
    def create(self, vals_list):
        rules = super().create(vals_list)
        self.env.registry.clear_cache()
        return rules

    def write(self, vals):
        result = super().write(vals)
        if {"active", "order_domain"} & vals.keys():
            self.env.registry.clear_cache()
        return result

    def unlink(self):
        result = super().unlink()
        self.env.registry.clear_cache()
        return result

    def _is_within(self, other):
        """Whether ``other`` concerns every order that this rule concerns."""
        return (
            self._is_scope_within(other)
            and other.channel_role in (self.channel_role, False)
            and (
                "domain" in (self.kind, other.kind) or other.order_domain in (*EVERY_ORDER, self.order_domain)
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
        return self._parse_order_domain(self.order_domain)

    @tools.ormcache()
    def _get_watched_fields(self):
        """Names of the fields of orders whose change can let an order match a filter of a rule, or no longer match it:
        ``order_line`` where its lines' quantities and prices can, ``order_line.*`` where all of a line's fields can."""
        Order = self.env["sale.order"]
        rules_sudo = (
            self.sudo().with_context(active_test=True).search([("order_domain", "not in", [False, "[]"])])
        )
        names = set()
        for rule in rules_sudo:
            for condition in rule._get_order_domain().iter_conditions():
                name = condition.field_expr.split(".")[0]
                names.add(name)
                if name == "order_line":
                    names.add("order_line.*")
                elif name in Order._fields and Order._fields[name].compute:
                    names.add("order_line")
        return frozenset(names)
