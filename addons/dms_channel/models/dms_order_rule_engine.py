from ast import literal_eval
from functools import lru_cache, partial
from typing import NamedTuple

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL, float_compare, float_round
from odoo.tools.safe_eval import safe_eval

from ..tools import order_judge

# A filter without a condition: the rule looks at every order.
EVERY_ORDER = (None, False, "", "[]")


class Precision(NamedTuple):
    """Comparing and rounding of quantities."""

    compare: object
    round: object


@lru_cache(512)
def _parse_domain(text):
    return Domain(literal_eval(text))


class DmsOrderRuleEngine(models.AbstractModel):
    """Judges orders by rules: reads the facts for all orders at once, then lets ``tools/order_judge.py`` decide.

    The number of queries depends on the kinds of the rules only, not on how many rules, orders or lines there are.
    """

    _name = "dms.order.rule.engine"
    _description = "Evaluation of Order Rules"

    @api.model
    def _evaluate(self, orders, rules=None, dry=False, past=False):
        """Judge orders of one company, in their order. An order that goes through counts in the exposure of the next.

        Nothing is written. The rows of the customers are locked to the end of the transaction, so that two orders of
        one customer can't both go through under the same limit; a ``dry`` run, which confirms nothing, leaves that out.

        :param rules: the rules to apply, archived ones included (default: the active ones of the orders' company)
        :param bool past: judge each order as of its own day, by the books of that day
        :return: for each order the values of ``dms.order.check``, in the rules' sequence
        :rtype: dict[sale.order, list[dict]]
        """
        if not dry:
            orders.partner_id.commercial_partner_id._dms_lock()
        terms = self._read_terms(orders.company_id, rules)
        judged = orders._get_dms_judged(past)
        facts = self._read_facts(terms, orders, judged, past)
        result = {}
        for order in orders:
            one = judged[order]
            found = [
                (rule, getattr(order_judge, f"judge_{rule.kind}")(rule, one, facts))
                for rule in terms
                if order_judge.concerns(rule, one, facts)
            ]
            outcomes = order_judge.waive([order_judge.outcome(rule, verdict.met) for rule, verdict in found])
            result[order] = [
                self._prepare_check_vals(order, rule, verdict, outcome)
                for (rule, verdict), outcome in zip(found, outcomes, strict=True)
            ]
            if not past and order_judge.conclude(outcomes) == "approved":
                self._count_approved(one, facts)
        return result

    @api.model
    def _conclude(self, checks):
        """What the checks of one order come to: the value of ``dms_state``."""
        return order_judge.conclude([vals["outcome"] for vals in checks])

    @api.model
    def _read_terms(self, company, rules=None):
        """The terms of the rules in their sequence, in one query.

        :rtype: list[order_judge.Rule]
        """
        domain = Domain("company_id", "in", [False, company.id])
        model = self
        if rules is not None:
            domain &= Domain("id", "in", rules.ids)
            model = self.with_context(active_test=False)
        query = model._search(domain, order="sequence, id")
        columns = []
        for name in order_judge.Rule._fields:
            field = self._fields[name]
            if field.type == "many2many":
                columns.append(
                    SQL(
                        "ARRAY(SELECT %s FROM %s WHERE %s = %s)",
                        SQL.identifier(field.column2),
                        SQL.identifier(field.relation),
                        SQL.identifier(field.column1),
                        SQL.identifier(self._table, "id"),
                    )
                )
            else:
                columns.append(self._field_to_sql(self._table, name, query))
        return [order_judge.Rule(*row) for row in self.env.execute_query(query.select(*columns))]

    def _read_facts(self, terms, orders, judged, past):
        """What the rules need to know of the orders, by kind of condition; ``matches`` is for all of them."""
        facts = {"matches": self._get_matches(terms, orders)}
        days = orders.grouped(lambda order: judged[order].day)
        kinds = {rule.kind for rule in terms}
        if kinds & {"agreement", "credit_limit"}:
            facts["agreements"] = self._get_agreements(days)
        if kinds & {"credit_limit", "overdue"}:
            facts["receivables"] = self._get_receivables(orders, judged, past)
        if kinds & {"quantity", "quantity_case"}:
            digits = self.env["decimal.precision"].precision_get("Product Unit")
            facts["quantity"] = Precision(
                partial(float_compare, precision_digits=digits),
                partial(float_round, precision_digits=digits),
            )
        if kinds & {"first_order", "usual_size"}:
            facts["history"] = orders._get_dms_earlier_orders(
                orders.partner_id.commercial_partner_id,
                orders.company_id,
                orders.browse() if past else orders,
            )
        for kind in sorted(kinds):
            if reader := getattr(self, f"_get_facts_{kind}", None):
                mine = [rule for rule in terms if rule.kind == kind]
                facts[kind] = reader(mine, orders, judged, facts, past)
        return facts

    def _count_approved(self, order, facts):
        """Let an order that goes through weigh on the ones judged after it in the same batch."""
        if credit := facts.get("credit_limit"):
            credit["debts"][order.id]["open_orders"] += credit["amounts"][order.id]
        if cover := facts.get("cover"):
            for line in order.lines:
                key = order.partner_id, line.product_id
                cover["on_order"][key] = cover["on_order"].get(key, 0.0) + line.open
        if "history" in facts:
            facts["history"].setdefault(order.partner_id, []).append((order.moment, order.amount, order.id))

    def _prepare_check_vals(self, order, rule, verdict, outcome):
        met, figures = verdict
        self._name_products(figures)
        text = False
        if outcome in order_judge.STOPPING:
            text = self.env["dms.order.check"]._say(rule.kind, met, figures, order.company_id)
            if message := self.browse(rule.id).message:
                text = f"{text} {message}"
        return {
            "order_id": order.id,
            "rule_id": rule.id,
            "rule_name": rule.name,
            "kind": rule.kind,
            "is_met": met,
            "outcome": outcome,
            "text": text,
            "figures": figures,
        }

    def _name_products(self, figures):
        """Add the names to what the figures say of products, for the day when a product is gone."""
        for figure in figures.values():
            items = figure if isinstance(figure, list) else [figure]
            for item in items:
                if isinstance(item, dict) and "product" in item:
                    product = self.env["product.product"].browse(item["product"])
                    item["name"] = product.display_name
                    if "case" in item:
                        item["unit"] = product.uom_id.name

    # Facts

    def _get_matches(self, terms, orders):
        """Pairs of order id and filter, of the filters of rules that match the order."""
        matches = set()
        for text in {rule.order_domain for rule in terms if rule.order_domain not in EVERY_ORDER}:
            domain = self._parse_order_domain(text, orders)
            matches |= {(id_, text) for id_ in orders.filtered_domain(domain)._ids}
        return matches

    @api.model
    def _parse_order_domain(self, text, orders=None):
        """The filter on orders. It knows the day, but not the user: the outcome does not depend on who confirms."""
        if not text or "context_today" not in text:
            return _parse_domain(text or "[]")
        today = orders[0]._get_dms_today() if orders else fields.Date.context_today(self)
        return Domain(safe_eval(text, {"context_today": lambda: today}))

    def _get_agreements(self, days):
        """The agreement in force of each customer and of its distributor, by day and partner."""
        Agreement = self.env["dms.agreement"]
        agreements = {}
        for day, orders in days.items():
            partners = orders.partner_id.commercial_partner_id
            partners |= partners.union(*(partner._get_distributor() for partner in partners))
            agreements[day] = Agreement._get_active(partners, day, orders.company_id)
        return agreements

    def _get_receivables(self, orders, judged, past):
        """What each customer has not paid: sum, and oldest due day, by order id."""
        partners = orders.partner_id.commercial_partner_id
        if past:
            asked = {one.id: (one.partner_id, one.day) for one in judged.values()}
            found = partners._get_dms_receivables_at(asked, orders.company_id)
            return {id_: found.get(id_, (0.0, None)) for id_ in asked}
        found = partners._get_dms_receivables(orders.company_id)
        return {one.id: found.get(one.partner_id, (0.0, None)) for one in judged.values()}

    def _get_facts_credit_limit(self, rules, orders, judged, facts, past):
        company = orders.company_id
        if past:
            open_amounts = orders._get_dms_open_amounts_at(judged.values(), company)
        else:
            partners = orders.partner_id.commercial_partner_id
            open_amounts = orders._get_dms_open_amounts(partners, company, orders)
        debts, shared, limits = {}, {}, {}
        for order, one in judged.items():
            # The orders of one customer share its debts of today: one that goes through weighs on the next.
            key = one.id if past else one.partner_id
            if key not in shared:
                delivered, rest = open_amounts.get(key, (0.0, 0.0))
                unpaid, _due = facts["receivables"][one.id]
                shared[key] = {"unpaid": unpaid, "delivered": delivered, "open_orders": rest}
            debts[one.id] = shared[key]
            agreement = facts["agreements"][one.day][order.partner_id.commercial_partner_id]
            limits[one.id] = agreement._get_company_limit(one.day)
        if past:
            # At that time nothing of the order itself was invoiced.
            amounts = {one.id: one.amount for one in judged.values()}
        else:
            amounts = orders._get_dms_amounts(judged)
        return {"debts": debts, "amounts": amounts, "limits": limits}

    def _get_facts_overdue(self, rules, orders, judged, facts, past):
        return {id_: due for id_, (_unpaid, due) in facts["receivables"].items()}

    def _get_facts_standing(self, rules, orders, judged, facts, past):
        points = {}
        for day, dated in orders.grouped(lambda order: judged[order].day).items():
            partners = dated.partner_id.commercial_partner_id
            found = partners._get_credit_points(day, orders.company_id)
            points |= {order.id: found[judged[order].partner_id] for order in dated}
        grades = self.env["res.partner.grade"].browse(filter(None, {rule.grade_min_id for rule in rules}))
        return {"points": points, "sequences": {grade.id: grade.sequence for grade in grades}}

    def _get_facts_agreement(self, rules, orders, judged, facts, past):
        """What the agreement leaves uncovered, by order: the figures of the verdict."""
        figures = {}
        for order, one in judged.items():
            customer = order.partner_id.commercial_partner_id
            distributor = customer._get_distributor()
            agreement = facts["agreements"][one.day].get(distributor) or self.env["dms.agreement"]
            products = self.env["product.product"].browse(
                dict.fromkeys(line.product_id for line in one.lines)
            )
            territory = order._get_dms_territory()
            outside = products - agreement._covered_products(products, territory)
            figures[order.id] = {
                "partner": (distributor or customer).display_name,
                "date": fields.Date.to_string(one.day),
                "agreement": agreement.display_name or False,
                "territory": territory.complete_name or False,
                "products": len(products),
                "outside": [order_judge.item(id_) for id_ in sorted(outside.ids)] if agreement else [],
            }
        return figures

    def _get_facts_price(self, rules, orders, judged, facts, past):
        readers = {"pricelist": "_get_dms_list_prices", "guidance": "_get_dms_guidance_prices"}
        bases = {rule.price_basis for rule in rules}
        return {(order.id, basis): getattr(order, readers[basis])() for order in orders for basis in bases}

    def _get_facts_cover(self, rules, orders, judged, facts, past):
        """Stock, what is on order, and daily demand, by (distributor id, product id).

        A dry run looks at each past order with the stock of its own day; what else was on order then is not known.
        """
        company = orders.company_id
        partners = orders.partner_id.commercial_partner_id.filtered(
            lambda partner: partner.channel_role == "distributor"
        )
        products = self.env["product.product"].browse(
            dict.fromkeys(line.product_id for one in judged.values() for line in one.lines)
        )
        Position = self.env["dms.channel.position"]
        days = {one.id: one.today for one in judged.values()}
        cover = {"past": past, "days": days, "stock": {}, "demand": {}}
        for day in set(days.values()):
            cover["stock"][day] = Position._get_stock(partners, products, company, day if past else None)
            for span in {rule.demand_days for rule in rules}:
                cover["demand"][day, span] = Position._get_daily_demand(
                    partners, products, company, day, span
                )
        cover["on_order"] = {} if past else orders._get_dms_on_order(partners, products, company, orders)
        return cover
