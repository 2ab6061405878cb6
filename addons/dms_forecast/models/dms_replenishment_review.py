import math
from collections import defaultdict

import numpy as np

from odoo import fields, models
from odoo.tools import SQL

from ..tools import forecast as engine
from ..tools import inventory, replenish

CAP_PROBABILITY = 0.9
CAP_DAYS = 60  # whatever a rule says, nothing above what sells in so many days
#: Why a quantity is not what the target asks for.
GUARD, SHELF, ALERT, TRUCK, MINIMUM, BUDGET, CREDIT = LIMITS = (
    "guard",
    "shelf",
    "alert",
    "truck",
    "minimum",
    "budget",
    "credit",
)


class DmsReplenishmentReview(models.AbstractModel):
    """How proposals come about: who is reviewed, what each product needs, what an order may be. A part of the proposal, which inherits it."""

    _name = "dms.replenishment.review"
    _description = "Review of Distributors' Stock"

    def _get_due(self, company, rules):
        """Distributors that a rule wants reviewed today; None: all of them."""
        today = fields.Date.context_today(self)
        due = rules.filtered(lambda rule: rule._is_due(today))
        event_rules = rules.filtered(lambda rule: rule.trigger in ("orders", "count"))
        if any(not rule.partner_ids and not rule.grade_ids for rule in due):
            return None
        members = self.env["res.partner"].search(
            [("channel_role", "=", "distributor"), ("company_id", "in", [False, company.id])]
        )
        happened = {"orders": set(), "count": set()}
        if event_rules:
            happened = self._get_events_since(company, members)
        return members.filtered(
            lambda partner: (
                any(rule._fits_partner(partner) for rule in due)
                or any(
                    partner.id in happened[rule.trigger]
                    for rule in event_rules
                    if rule._fits_partner(partner)
                )
            )
        )

    def _get_events_since(self, company, members):
        """Distributors whose outlets ordered, or who were counted, since their last proposal (or in the last week without one)."""
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                """
                WITH last AS (
                    SELECT member.id, COALESCE(MAX(proposal.date), %(week)s::date) AS date
                      FROM res_partner member
                 LEFT JOIN dms_replenishment_proposal proposal ON proposal.partner_id = member.id AND proposal.company_id = %(company)s
                     WHERE member.id = ANY(%(members)s) GROUP BY member.id)
                SELECT 'orders', last.id FROM last
                 WHERE EXISTS (SELECT 1 FROM sale_order o JOIN res_partner outlet ON outlet.id = o.partner_id
                                 JOIN res_partner shop ON shop.id = outlet.commercial_partner_id
                                WHERE shop.upstream_id = last.id AND o.company_id = %(company)s AND o.state IN ('draft', 'sent', 'sale')
                                  AND o.date_order >= last.date)
             UNION ALL
                SELECT 'count', last.id FROM last
                 WHERE EXISTS (SELECT 1 FROM dms_channel_position p
                                WHERE p.partner_id = last.id AND p.company_id = %(company)s AND p.last_count >= last.date)
                """,
                company=company.id,
                members=members.ids,
                week=fields.Date.subtract(fields.Date.context_today(self), days=7),
            )
        )
        happened = {"orders": set(), "count": set()}
        for trigger, partner_id in rows:
            happened[trigger].add(partner_id)
        return happened

    def _read_rows(self, company, run, partners):
        """Series of the run with stock and open orders, in product units -> list of tuples."""
        for model in ("dms.channel.position", "dms.stock.health", "sale.order", "sale.order.line", "uom.uom"):
            self.env[model].flush_model()
        chosen = SQL("AND s.partner_id IN %s", tuple(partners.ids) or (0,)) if partners is not None else SQL()
        return self.env.execute_query(
            SQL(
                """WITH ordered AS (
                       SELECT rp.commercial_partner_id AS partner_id, l.product_id,
                              SUM(GREATEST(l.product_uom_qty - COALESCE(l.qty_delivered, 0), 0) * lu.factor / pu.factor) AS quantity
                         FROM sale_order_line l
                         JOIN sale_order o ON o.id = l.order_id
                         JOIN res_partner rp ON rp.id = o.partner_id
                         JOIN product_product pp ON pp.id = l.product_id
                         JOIN product_template pt ON pt.id = pp.product_tmpl_id
                         JOIN uom_uom lu ON lu.id = l.product_uom_id
                         JOIN uom_uom pu ON pu.id = pt.uom_id
                        WHERE o.state IN ('draft', 'sent', 'sale') AND o.company_id = %(company)s AND l.display_type IS NULL
                        GROUP BY 1, 2)
                   SELECT s.partner_id, s.product_id, (COALESCE(p.quantity, 0) - COALESCE(p.in_transit, 0))::float8,
                          COALESCE(p.in_transit, 0)::float8,
                          COALESCE(o.quantity, 0)::float8, s.total / s.horizon, s.cumulative, s.id, h.abc, h.xyz,
                          COALESCE(h.days_cover > h.overstock_days, FALSE), COALESCE(h.lead_demand, 0)::float8
                     FROM dms_forecast_series s
                LEFT JOIN dms_channel_position p ON p.company_id = s.company_id AND p.partner_id = s.partner_id AND p.product_id = s.product_id
                LEFT JOIN dms_stock_health h ON h.company_id = s.company_id AND h.partner_id = s.partner_id AND h.product_id = s.product_id
                LEFT JOIN ordered o ON o.partner_id = s.partner_id AND o.product_id = s.product_id
                    WHERE s.run_id = %(run)s AND s.partner_id IS NOT NULL %(chosen)s
                    ORDER BY s.partner_id, s.product_id""",
                company=company.id,
                run=run.id,
                chosen=chosen,
            )
        )

    def _propose_lines(self, company, rules, rows):
        """Order quantities of all rows at once -> {partner: (line values, shown at once)}."""
        partners = self.env["res.partner"].browse(sorted({row[0] for row in rows}))
        agreements = self._get_agreements(partners, company)
        rows_by_rule = rules._match_rows(rows, agreements)
        leads = self._get_lead_times(company)
        capped = self._get_capped(company, partners)
        needs = defaultdict(list)
        for rule, part in rows_by_rule.items():
            known = self._get_rule_leads(company, rule, leads)
            for partner_id, need in self._get_needs(rule, part, known, capped):
                needs[partner_id].append((rule, need))
        credit = self._get_credit_left(company, agreements)
        return {
            partner: (lines, shown)
            for partner in partners
            if partner.id in needs
            for lines, shown in [self._make_order(needs[partner.id], credit.get(partner.id))]
            if lines
        }

    def _get_agreements(self, partners, company):
        """Distributors that may order -> {partner: its active agreement}."""
        found = self.env["dms.agreement"]._get_active(partners, fields.Date.context_today(self), company)
        # what each covers is asked agreement by agreement
        self.env["dms.agreement"].concat(*found.values()).line_ids.fetch(
            ["territory_id", "categ_ids", "product_ids"]
        )
        return {partner: agreement for partner, agreement in found.items() if agreement}

    def _allowed_products(self, agreement, products):
        return agreement._covered_products(products)

    def _get_capped(self, company, partners):
        """Distributors with more inventory than the threshold allows: they get only what would run out."""
        alerts_sudo = (
            self.env["dms.stock.alert"]
            .sudo()
            .search_fetch(
                [
                    ("company_id", "=", company.id),
                    ("partner_id", "in", partners.ids),
                    ("state", "=", "open"),
                    ("is_capped", "=", True),
                ],
                ["partner_id"],
            )
        )
        return set(alerts_sudo.partner_id.ids)

    def _get_rule_leads(self, company, rule, leads):
        """Of the company's deliveries `leads`, those that a rule goes by."""
        return self._get_lead_times(company, rule.lead_since) if rule.lead_since else leads

    def _get_lead_times(self, company, since=None):
        """Whole days from order to signature of the company's deliveries of a year -> list of (partner id, days).

        :param since: only of orders from this day on
        """
        rows = self.env.execute_query(
            SQL(
                """
                SELECT picking.dms_distributor_id, EXTRACT(EPOCH FROM picking.dms_received_on - MIN(o.date_order)) / 86400.0
                  FROM stock_picking picking
                  JOIN stock_move move ON move.picking_id = picking.id AND move.state = 'done'
                  JOIN sale_order_line line ON line.id = move.sale_line_id
                  JOIN sale_order o ON o.id = line.order_id
                 WHERE picking.company_id = %s AND picking.dms_receipt_state = 'received' AND picking.dms_received_on IS NOT NULL
                   AND picking.dms_received_on > %s
              GROUP BY picking.id %s
                """,
                company.id,
                fields.Datetime.subtract(fields.Datetime.now(), days=365),
                SQL("HAVING MIN(o.date_order) >= %s", since) if since else SQL(),
            )
        )
        return [(partner_id, math.floor(max(float(days), 0.0) + 0.5)) for partner_id, days in rows]

    def _get_credit_left(self, company, agreements):
        """What the credit limits leave open -> {partner id: amount in the company's currency}, without those that have no limit."""
        today = fields.Date.context_today(self)
        limits = {}
        for partner, agreement in agreements.items():
            if limit := agreement._get_company_limit(today):
                limits[partner.id] = limit
        if not limits:
            return {}
        partners = self.env["res.partner"].browse(sorted(limits))
        open_amounts = self.env["sale.order"].sudo()._get_dms_open_amounts(partners, company)
        owed = dict(
            self.env.execute_query(
                SQL(
                    """SELECT line.partner_id, SUM(line.amount_residual) FROM account_move_line line
                         JOIN account_account account ON account.id = line.account_id
                        WHERE line.company_id = %s AND line.parent_state = 'posted' AND account.account_type = 'asset_receivable'
                          AND line.partner_id = ANY(%s) GROUP BY 1""",
                    company.id,
                    partners.ids,
                )
            )
        )
        return {
            partner_id: max(
                limit - float(owed.get(partner_id) or 0) - sum(open_amounts.get(partner_id, (0.0, 0.0))), 0.0
            )
            for partner_id, limit in limits.items()
        }

    def _get_shelf_days(self, products):
        """Days that a product keeps -> {product id: days}; only where expiry is followed."""
        if "expiration_time" not in products._fields:
            return {}
        return {
            product.id: product.expiration_time
            for product in products
            if product.use_expiration_date and product.expiration_time
        }

    def _get_needs(self, rule, rows, leads, capped):
        """Yield (partner id, figures) of the rows of one rule; the quantity is what the product by itself would get."""
        table = self.env["dms.forecast.series"]._stack_cumulative([row[6] for row in rows])
        values, probabilities, periods = table["values"], table["probabilities"], table["periods"]
        level = rule.effective_level / 100
        stock, transit, ordered, daily = (np.array([row[i] for row in rows], float) for i in (2, 3, 4, 5))
        members, place = np.unique([row[0] for row in rows], return_inverse=True)
        number = {partner_id: i for i, partner_id in enumerate(members.tolist())}
        # what was delivered to others tells of the company's deliveries too
        own = [(number.get(partner_id, len(members)), days) for partner_id, days in leads]
        lengths, weights = replenish.lead_time_weights(
            [i for i, _days in own],
            [days for _i, days in own],
            len(members) + 1,
            [rule.lead_days] * (len(members) + 1),
        )
        weights = weights[:-1][place]
        mean_lead = weights @ lengths
        bridged = lengths + rule.review_days
        flat = table["expected"][None]
        expected = sum(
            weights[:, k] * engine.cumulative_quantile(flat, [0.5], periods, 0.5, days)
            for k, days in enumerate(bridged)
        )
        reorder = replenish.mixed_quantile(values, probabilities, periods, level, bridged, weights)
        safety = np.maximum(reorder - expected, 0)
        target = engine.cumulative_quantile(flat, [0.5], periods, 0.5, mean_lead + rule.target_days) + safety
        products = self.env["product.product"].browse(sorted({row[1] for row in rows}))
        cap_days = np.full(len(rows), float(min(rule.cap_days, CAP_DAYS)))
        shelf = self._get_shelf_days(products)
        keeps = np.array([shelf.get(row[1], np.inf) for row in rows]) * rule.shelf_share / 100
        by_shelf = keeps < cap_days
        cap = engine.cumulative_quantile(
            values, probabilities, periods, CAP_PROBABILITY, np.minimum(cap_days, keeps)
        )
        by_alert = np.array([row[0] in capped or row[10] for row in rows])
        # with too much in the house, only up to what the time until the next order may take
        goal = np.where(by_alert, np.minimum(target, reorder), target)
        packs = {product.id: rule._get_pack(product) for product in products}
        size = {product.id: packs[product.id].factor / product.uom_id.factor for product in products}
        pack_size = np.array([size[row[1]] for row in rows])
        available = np.maximum(stock, 0) + transit + ordered
        quantity = inventory.order_quantity(available, reorder, goal, cap, pack_size)
        quantity[np.array([bool(row[10]) for row in rows])] = 0.0
        room = np.maximum(np.floor((cap - available) / pack_size + 1e-9) * pack_size, 0)
        by_guard = quantity < goal - available - 1e-9
        cumulative = np.cumsum(weights, axis=1)
        late = lengths[(cumulative < 0.9 - 1e-9).sum(1).clip(max=len(lengths) - 1)]
        for i, row in enumerate(rows):
            limits = [ALERT] if by_alert[i] else []
            if by_guard[i]:
                limits.append(SHELF if by_shelf[i] else GUARD)
            yield (
                row[0],
                {
                    "product_id": row[1],
                    "uom_id": packs[row[1]].id,
                    "pack_size": pack_size[i],
                    "rule_id": rule.id,
                    "series_id": row[7],
                    "quantity": quantity[i],
                    "stock": stock[i],
                    "in_transit": transit[i],
                    "on_order": ordered[i],
                    "daily_demand": daily[i],
                    "protection_days": round(mean_lead[i] + rule.review_days),
                    "lead_days": mean_lead[i],
                    "lead_days_late": int(late[i]),
                    "service_level": rule.effective_level,
                    "expected": expected[i],
                    "safety": safety[i],
                    "reorder_point": reorder[i],
                    "order_up_to": target[i],
                    "cap": cap[i],
                    "abc": row[8],
                    "xyz": row[9],
                    "limits": limits,
                    "room": 0.0 if by_alert[i] else room[i],
                    "available": available[i],
                },
            )

    def _make_order(self, needs, credit_left):
        """One distributor's order: up to trucks and minimums, down to budget and credit -> line values, whether the distributor sees it at once."""
        products = self.env["product.product"].browse([need["product_id"] for _rule, need in needs])

        def column(name):
            return np.array([need[name] for _rule, need in needs], float)

        quantity, pack, room, available, daily = (
            column(name) for name in ("quantity", "pack_size", "room", "available", "daily_demand")
        )
        if not (quantity > 0).any():
            return [], True
        rule = next(rule for rule, need in needs if need["quantity"] > 0)
        price, weight, volume, one = (
            np.array([product.lst_price for product in products]),
            np.array([product.weight for product in products]),
            np.array([product.volume for product in products]),
            np.ones(len(products)),
        )
        before = quantity.copy()
        for size, measure in ((rule.truck_weight, weight), (rule.truck_volume, volume)):
            loaded = float((quantity * measure).sum())
            if size and loaded:
                trucks = math.ceil(loaded / size - 1e-9)
                quantity = replenish.fill_up(
                    quantity, pack, room, available, daily, measure, trucks * size, trucks * size
                )
        filled = quantity > before
        before = quantity.copy()
        quantity = replenish.fill_up(quantity, pack, room, available, daily, price, rule.amount_min)
        quantity = replenish.fill_up(quantity, pack, room, available, daily, one, rule.quantity_min)
        lifted = quantity > before
        if (quantity * price).sum() < rule.amount_min - 1e-6 or quantity.sum() < rule.quantity_min - 1e-6:
            return [], True  # the guard allows no order of this size: it waits for the next review
        limits = [(rule.amount_max or math.inf, BUDGET)]
        if rule.respect_credit and credit_left is not None:
            limits.append((credit_left, CREDIT))
        most, which = min(limits)
        before = quantity.copy()
        quantity = replenish.cut_down(quantity, pack, available, daily, price, most)
        cut = quantity < before
        lines = []
        for i, (_rule, need) in enumerate(needs):
            if quantity[i] <= 0 and not cut[i]:
                continue
            limits = need["limits"] + [
                name for name, is_so in ((TRUCK, filled[i]), (MINIMUM, lifted[i]), (which, cut[i])) if is_so
            ]
            vals = {name: value for name, value in need.items() if name not in ("room", "available")}
            vals.update(
                quantity=quantity[i],
                suggested_quantity=quantity[i],
                limits=",".join(limits),
                abc=need["abc"] or False,
                xyz=need["xyz"] or False,
            )
            lines.append(vals)
        if not any(vals["quantity"] > 0 for vals in lines):
            # needed, but credit or budget leave nothing: a draft says so to the brand, and there is nothing for the distributor to accept
            return lines, False
        return lines, all(rule.auto_propose for rule, need in needs if need["quantity"] > 0)
