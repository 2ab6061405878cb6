from typing import Any, NamedTuple

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import SQL, format_date, formatLang
from odoo.tools.safe_eval import safe_eval

from .dms_order_check import STOPPING

# Guards against channel stuffing: an override is counted against the salesperson.
STUFFING_KINDS = ("cover",)


class Verdict(NamedTuple):
    """What a condition found: whether the order meets it, one sentence, and the numbers that decided."""

    passed: bool
    message: str
    figures: dict[str, Any]


class DmsOrderRule(models.Model):
    """What an order of a channel member must satisfy before it is confirmed.

    A kind of condition is two methods: ``_get_facts_<kind>(orders)`` reads what the condition needs for all orders at
    once (optional), ``_judge_<kind>(order, facts)`` judges one order without a query and returns a :class:`Verdict`.
    """

    _name = "dms.order.rule"
    _description = "Order Rule"
    _order = "sequence, id"
    _check_company_auto = True

    name = fields.Char(required=True, translate=True)
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
            ("credit_limit", "Credit limit of the agreement"),
            ("overdue", "No invoice overdue for long"),
            ("agreement", "Covered by an active agreement"),
            ("amount_max", "Largest amount of an order"),
            ("quantity_case", "Whole cases"),
            ("domain", "Other condition"),
        ],
        string="Condition",
        required=True,
        default="credit_limit",
    )
    outcome = fields.Selection(
        [("approve", "Approve"), ("hold", "Hold for release"), ("refuse", "Refuse")],
        string="Outcome",
        required=True,
        default="hold",
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
    overdue_days = fields.Integer(default=15, help="Days past the due date that are still accepted.")
    amount_max = fields.Monetary(string="Largest Amount", help="With taxes, in the company's currency.")
    order_domain = fields.Char(
        string="Orders Concerned",
        default="[]",
        help="Orders that match are held or refused.",
    )

    _overdue_days_positive = models.Constraint(
        "CHECK(overdue_days >= 0)", "The accepted days can't be negative."
    )
    _amount_max_positive = models.Constraint(
        "CHECK(amount_max >= 0)", "The largest amount can't be negative."
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

    @api.constrains("kind", "amount_max")
    def _check_amount_max(self):
        for rule in self:
            if rule.kind == "amount_max" and not rule.amount_max:
                raise ValidationError(self.env._("Rule %s needs a largest amount above zero.", rule.name))

    @api.constrains("kind", "order_domain")
    def _check_order_domain(self):
        for rule in self.filtered(lambda rule: rule.kind == "domain"):
            try:
                domain = rule._get_order_domain()
                self.env["sale.order"].sudo().search(domain, limit=0)
                empty = not domain
            except Exception as error:
                raise ValidationError(
                    self.env._(
                        "The condition of rule %(rule)s can't be read as a filter on orders: %(error)s",
                        rule=rule.name,
                        error=error,
                    )
                ) from error
            if empty:
                raise ValidationError(
                    self.env._("Rule %s would stop every order. Say which orders it concerns.", rule.name)
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

    def _get_order_domain(self):
        return safe_eval(
            self.order_domain or "[]", {"uid": self.env.uid, "context_today": fields.Date.context_today}
        )

    def _concerns(self, order):
        self.ensure_one()
        partner = order.partner_id.commercial_partner_id
        return (
            (not self.company_id or self.company_id == order.company_id)
            and (not self.channel_role or self.channel_role == partner.channel_role)
            and (not self.grade_ids or partner.grade_id in self.grade_ids)
            and (not self.partner_ids or partner in self.partner_ids)
            and (not self.territory_ids or any(t._contains(partner.territory_id) for t in self.territory_ids))
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
            self._lock_partners(orders.partner_id.commercial_partner_id)
        facts = {}
        for kind in dict.fromkeys(rules.mapped("kind")):
            reader = getattr(rules, f"_get_facts_{kind}", None)
            facts[kind] = reader(orders) if reader else None
        result = {}
        for order in orders:
            concerned = [rule for rule in rules if rule._concerns(order)]
            checks = [
                rule._prepare_check_vals(order, getattr(rule, f"_judge_{rule.kind}")(order, facts[rule.kind]))
                for rule in concerned
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

    @api.model
    def _lock_partners(self, partners):
        """Let one transaction at a time decide on orders of these members.

        Rewriting the rows makes the later of two transactions fail with a serialization error, and Odoo tries it again
        on the new data.
        """
        self.env.cr.execute(
            SQL(
                "UPDATE res_partner SET write_date = write_date WHERE id IN"
                " (SELECT id FROM res_partner WHERE id IN %s ORDER BY id FOR NO KEY UPDATE)",
                tuple(partners.ids),
            )
        )

    def _count_approved(self, order, facts):
        """Let an order that goes through weigh on the ones judged after it in the same batch."""
        if credit := facts.get("credit_limit"):
            partner_id = order.partner_id.commercial_partner_id.id
            credit["debts"][partner_id]["open_orders"] += credit["amounts"][order.id]

    def _prepare_check_vals(self, order, verdict):
        text = verdict.message
        if self.outcome == "approve":
            outcome = "approve" if verdict.passed else "pass"
        else:
            outcome = "pass" if verdict.passed else self.outcome
        if outcome in STOPPING and self.message:
            text = f"{text} {self.message}"
        return {
            "order_id": order.id,
            "rule_id": self.id,
            "rule_name": self.name,
            "outcome": outcome,
            "text": text,
            "figures": verdict.figures,
        }

    def _format_amount(self, amount, company):
        return formatLang(self.env, amount, currency_obj=company.currency_id)

    # Credit limit

    def _get_facts_credit_limit(self, orders):
        company = orders.company_id
        partners = orders.partner_id.commercial_partner_id
        debts = partners._get_dms_debts(company, excluded_orders=orders)
        amounts = orders._get_dms_amounts(company)
        limits = {}
        for date, dated in orders.grouped(lambda order: order._get_dms_date()).items():
            dated_partners = dated.partner_id.commercial_partner_id
            for partner_id, limit in dated_partners._get_dms_credit_limits(date, company).items():
                limits[partner_id, date] = limit
        return {"debts": debts, "amounts": amounts, "limits": limits}

    def _judge_credit_limit(self, order, facts):
        company = order.company_id
        partner = order.partner_id.commercial_partner_id
        limit = facts["limits"][partner.id, order._get_dms_date()]
        debt = facts["debts"][partner.id]
        amount = facts["amounts"][order.id]
        exposure = debt["unpaid"] + debt["open_orders"] + amount
        figures = {
            "unpaid": debt["unpaid"],
            "open_orders": debt["open_orders"],
            "order": amount,
            "exposure": exposure,
            "limit": limit,
            "currency": company.currency_id.name,
        }
        parts = {
            "exposure": self._format_amount(exposure, company),
            "unpaid": self._format_amount(debt["unpaid"], company),
            "open_orders": self._format_amount(debt["open_orders"], company),
            "order": self._format_amount(amount, company),
            "limit": self._format_amount(limit, company),
        }
        if not limit:
            return Verdict(True, self.env._("No credit limit is agreed upon."), figures)
        if company.currency_id.compare_amounts(exposure, limit) <= 0:
            message = self.env._(
                "The credit exposure of %(exposure)s stays within the limit of %(limit)s.", **parts
            )
            return Verdict(True, message, figures)
        message = self.env._(
            "The credit exposure would be %(exposure)s (unpaid invoices %(unpaid)s, confirmed orders %(open_orders)s,"
            " this order %(order)s), over the limit of %(limit)s by %(excess)s.",
            **parts,
            excess=self._format_amount(exposure - limit, company),
        )
        return Verdict(False, message, figures)

    # Overdue invoices

    def _get_facts_overdue(self, orders):
        return orders.partner_id.commercial_partner_id._get_dms_oldest_due(orders.company_id)

    def _judge_overdue(self, order, facts):
        due = facts.get(order.partner_id.commercial_partner_id.id)
        days = max((fields.Date.context_today(order) - due).days, 0) if due else 0
        figures = {"days": days, "accepted": self.overdue_days}
        if not days:
            return Verdict(True, self.env._("No invoice is overdue."), figures)
        parts = {"days": days, "accepted": self.overdue_days, "due": format_date(self.env, due)}
        if days <= self.overdue_days:
            message = self.env._(
                "The oldest unpaid invoice was due on %(due)s, %(days)s days ago; %(accepted)s are accepted.",
                **parts,
            )
            return Verdict(True, message, figures)
        message = self.env._(
            "The oldest unpaid invoice was due on %(due)s, %(days)s days ago; only %(accepted)s are accepted.",
            **parts,
        )
        return Verdict(False, message, figures)

    # Agreement

    def _get_facts_agreement(self, orders):
        facts = {}
        for date, dated in orders.grouped(lambda order: order._get_dms_date()).items():
            active = self.env["dms.agreement"]._get_active(
                self.env["res.partner"].union(*(order.partner_id._get_distributor() for order in dated)),
                date,
                orders.company_id,
            )
            facts |= {(partner.id, date): agreement for partner, agreement in active.items()}
        return facts

    def _judge_agreement(self, order, facts):
        distributor = order.partner_id._get_distributor()
        date = order._get_dms_date()
        agreement = facts.get((distributor.id, date))
        if not agreement:
            message = self.env._(
                "%(partner)s has no active agreement on %(date)s.",
                partner=(distributor or order.partner_id.commercial_partner_id).display_name,
                date=format_date(self.env, date),
            )
            return Verdict(False, message, {"agreement": False})
        products = order._get_dms_lines().product_id
        missing = products - agreement._covered_products(products)
        figures = {"agreement": agreement.display_name, "products": len(products), "outside": missing.ids}
        if not missing:
            message = self.env._("All products are covered by agreement %s.", agreement.display_name)
            return Verdict(True, message, figures)
        message = self.env._(
            "Agreement %(agreement)s does not cover %(products)s.",
            agreement=agreement.display_name,
            products=self._list_names(missing),
        )
        return Verdict(False, message, figures)

    # Amount

    def _get_facts_amount_max(self, orders):
        return {order.id: order._get_dms_company_amount() for order in orders}

    def _judge_amount_max(self, order, facts):
        company = order.company_id
        amount = facts[order.id]
        limit = self.currency_id._convert(
            self.amount_max, company.currency_id, company, order._get_dms_date()
        )
        figures = {"order": amount, "limit": limit, "currency": company.currency_id.name}
        parts = {"order": self._format_amount(amount, company), "limit": self._format_amount(limit, company)}
        if company.currency_id.compare_amounts(amount, limit) <= 0:
            message = self.env._("The order of %(order)s stays within %(limit)s for one order.", **parts)
            return Verdict(True, message, figures)
        message = self.env._(
            "The order of %(order)s is larger than the %(limit)s allowed for one order.", **parts
        )
        return Verdict(False, message, figures)

    # Whole cases

    def _judge_quantity_case(self, order, facts):
        odd = []
        for line in order._get_dms_lines():
            unit = line.product_id.uom_id
            case = line.product_id.uom_ids.filtered(
                lambda uom, unit=unit: uom._has_common_reference(unit) and uom.factor > unit.factor
            )
            if not case:
                continue
            case = min(case, key=lambda uom: uom.factor)
            size = case._compute_quantity(1.0, unit, round=False)
            quantity = line.product_uom_id._compute_quantity(line.product_uom_qty, unit, round=False)
            cases = quantity / size
            if unit.compare(quantity, round(cases) * size):
                odd.append((line, quantity, size, unit))
        figures = {
            "lines": [
                {"product": line.product_id.id, "quantity": q, "case": size} for line, q, size, _unit in odd
            ]
        }
        if not odd:
            return Verdict(True, self.env._("All quantities are whole cases."), figures)
        parts = [
            self.env._(
                "%(product)s: %(quantity)g %(unit)s in cases of %(size)g",
                product=line.product_id.display_name,
                quantity=quantity,
                unit=unit.name,
                size=size,
            )
            for line, quantity, size, unit in odd[:5]
        ]
        if len(odd) > 5:
            parts.append(self.env._("%s more lines", len(odd) - 5))
        message = self.env._("Not whole cases: %s.", "; ".join(parts))
        return Verdict(False, message, figures)

    # Domain

    def _judge_domain(self, order, facts):
        if order.filtered_domain(self._get_order_domain()):
            return Verdict(False, self.env._("The order matches the condition of rule “%s”.", self.name), {})
        return Verdict(
            True, self.env._("The order does not match the condition of rule “%s”.", self.name), {}
        )

    def _list_names(self, products, limit=5):
        names = products[:limit].mapped("display_name")
        if len(products) > limit:
            names.append(self.env._("%s more", len(products) - limit))
        return ", ".join(names)
