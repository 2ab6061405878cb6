from odoo import api, fields, models
from odoo.tools import SQL

from ..tools import order_judge, order_rule


class DmsOrderFacts(models.AbstractModel):
    """What the order rules look at: an order in terms that do not depend on how it came about, and what the books, the
    stock and earlier orders say of its customer. Part of ``sale.order``."""

    _name = "dms.order.facts"
    _description = "Facts on an Order"

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

    def _get_dms_valued_lines(self):
        """What a settlement may be set off against: the goods, and what promotions take off them."""
        self.ensure_one()
        return self._get_dms_lines() | self.order_line.filtered("is_reward_line")

    def _get_dms_goods_net(self):
        """What the goods come to without taxes."""
        self.ensure_one()
        return sum(self._get_dms_valued_lines().mapped("price_subtotal"))

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
