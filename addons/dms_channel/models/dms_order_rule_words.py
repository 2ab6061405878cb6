from odoo import models
from odoo.tools import format_list, formatLang

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


class DmsOrderRuleWords(models.AbstractModel):
    """An order rule in words: whom it concerns, what it does, and when."""

    _name = "dms.order.rule.words"
    _description = "Order Rule in Words"

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
        if "categ_ids" in PARAMETERS[self.kind] and (self.categ_ids or self.product_ids):
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
