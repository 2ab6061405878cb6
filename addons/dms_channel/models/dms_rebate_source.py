from odoo import api, models
from odoo.exceptions import UserError
from odoo.tools import SQL, format_date

# Measures of what was bought, whose credit may go over to another distributor with the goods.
CARRIED = ("ordered", "delivered", "invoiced", "paid")


class DmsRebateSource(models.AbstractModel):
    """Where a programme's measure comes from: one SELECT per kind of sale, one row per line of a document.

    Columns: ``partner_id``, ``product_id``, ``line_id`` (of the model in :meth:`_get_line_model`), ``qualifying`` and
    ``event`` (days), ``days`` to payment (0 where nobody pays) and ``value``: net value in the programme's currency at
    the document's day, quantity in the programme's unit, weight, volume or points; returns count below zero.

    Where a transfer carries the rebate credit over, two more rows stand for each layer of the goods that the taker
    received, below zero for the giver and above for the taker: they have no ``line_id`` but a ``carried_id``, of
    ``dms.channel.move``. They count on the day of the receipt, as paid in time.
    """

    _name = "dms.rebate.source"
    _description = "Source of Rebate Measures"

    @api.model
    def _get_line_model(self, measure):
        return {
            "ordered": "sale.order.line",
            "delivered": "stock.move",
            "invoiced": "account.move.line",
            "paid": "account.move.line",
            "sell_out": "dms.channel.move",
        }[measure]

    @api.model
    def _select(self, program, partner_ids=None, move_ids=None):
        """Return the SELECT of a programme's lines, whatever their product and day.

        :param partner_ids: restrict to these commercial partners
        :param move_ids: restrict to these account.move ids (invoiced sales only)
        """
        selects = [
            self._select_part(
                program, getattr(self, f"_get_{program.measure}_parts")(program), partner_ids, move_ids
            )
        ]
        if program.measure in CARRIED and move_ids is None:
            selects.append(self._select_part(program, self._get_carried_parts(program), partner_ids))
        return SQL(" UNION ALL ").join(selects)

    @api.model
    def _select_part(self, program, parts, partner_ids=None, move_ids=None):
        where = parts["where"]
        if partner_ids is not None:
            where = SQL("%s AND %s = ANY(%s)", where, parts["partner"], list(partner_ids))
        if move_ids is not None:
            where = SQL("%s AND move.id = ANY(%s)", where, list(move_ids))
        value, joins = self._get_value(program, parts)
        return SQL(
            """
            SELECT %(partner)s AS partner_id, line.product_id, %(line)s AS line_id, %(carried)s AS carried_id,
                   %(qualifying)s AS qualifying, %(event)s AS event, %(days)s AS days, %(value)s AS value
              FROM %(tables)s
              %(joins)s
             WHERE %(where)s
            """,
            partner=parts["partner"],
            line=parts.get("line", SQL("line.id")),
            carried=parts.get("carried", SQL("NULL::integer")),
            qualifying=parts["qualifying"],
            event=parts["event"],
            days=parts.get("days", SQL("0")),
            value=value,
            tables=parts["from"],
            joins=joins,
            where=where,
        )

    # === VALUE ===

    @api.model
    def _get_value(self, program, parts):
        """Return the SQL of a line's value and the joins that it needs."""
        if program.basis == "amount":
            return self._get_amount(program, parts), SQL()
        unit = SQL("JOIN uom_uom AS unit ON unit.id = %s", parts["uom"])
        if program.basis == "quantity":
            target = program.uom_id
            joins = SQL(
                "%s AND split_part(unit.parent_path, '/', 1) = %s", unit, target.parent_path.split("/")[0]
            )
            return SQL(
                "ROUND(%s * unit.factor / %s::numeric, 4)", parts["quantity"], repr(target.factor)
            ), joins
        joins = SQL(
            """
            %s
            JOIN product_product AS product ON product.id = line.product_id
            JOIN product_template AS template ON template.id = product.product_tmpl_id
            JOIN uom_uom AS product_unit ON product_unit.id = template.uom_id
            """,
            unit,
        )
        if program.basis == "points":
            points_of = program.point_ids._get_points()
            joins = SQL(
                "%s JOIN unnest(%s::int[], %s::numeric[]) AS given (product_id, points) ON given.product_id = product.id",
                joins,
                list(points_of),
                list(map(repr, points_of.values())),
            )
            return SQL(
                "ROUND(%s * unit.factor / product_unit.factor * given.points, 4)", parts["quantity"]
            ), joins
        return SQL(
            "ROUND(%s * unit.factor / product_unit.factor * COALESCE(product.%s, 0)::numeric, 4)",
            parts["quantity"],
            SQL.identifier("weight" if program.basis == "weight" else "volume"),
        ), joins

    @api.model
    def _get_amount(self, program, parts):
        """Net value: as it stands in the programme's currency; else over the company's at the document's own rate."""
        company_currency, currency = program.company_id.currency_id, program.currency_id
        in_company = self._round(SQL("%s / %s", parts["amount"], parts["rate"]), company_currency)
        if currency != company_currency:
            self._check_rates(program, parts)
            in_company = self._round(
                SQL("%s * %s", in_company, self._get_rate(program, currency, parts["qualifying"])), currency
            )
        return SQL(
            "CASE WHEN %s = %s THEN %s ELSE %s END",
            parts["currency"],
            currency.id,
            self._round(parts["amount"], currency),
            in_company,
        )

    @api.model
    def _round(self, value, currency):
        if currency.rounding == 10**-currency.decimal_places:
            return SQL("ROUND(%s, %s)", value, currency.decimal_places)
        return SQL("ROUND(%s / %s::numeric) * %s::numeric", value, *[repr(currency.rounding)] * 2)

    @api.model
    def _get_rate(self, program, currency, day):
        """Units of a currency for one of the company's on a day."""
        return SQL(
            """
            (SELECT rate.rate
               FROM res_currency_rate AS rate
              WHERE rate.currency_id = %s AND rate.name <= %s
                AND (rate.company_id IS NULL OR rate.company_id = %s)
           ORDER BY rate.company_id, rate.name DESC
              LIMIT 1)
            """,
            currency.id,
            day,
            program.company_id.root_id.id,
        )

    @api.model
    def _check_rates(self, program, parts):
        """Raise when a day before the currency's first rate would have to be converted."""
        first = min(
            program.currency_id.with_company(program.company_id).rate_ids.mapped("name"), default=None
        )
        if first and first <= program.date_start:
            return
        [(day,)] = self.env.execute_query(
            SQL(
                "SELECT MIN(%(day)s) FROM %(tables)s WHERE %(where)s AND %(day)s >= %(start)s %(before)s",
                day=parts["qualifying"],
                tables=parts["from"],
                where=parts["where"],
                start=program.date_start,
                before=SQL("AND %s < %s", parts["qualifying"], first) if first else SQL(),
            )
        )
        if day:
            raise UserError(
                self.env._(
                    "%(program)s counts in %(currency)s, which has no rate on %(date)s: enter one under Accounting, "
                    "Currencies, and compute again.",
                    program=program.display_name,
                    currency=program.currency_id.name,
                    date=format_date(self.env, day),
                )
            )

    @api.model
    def _get_day(self, program, column):
        """The day of a moment, where the company is."""
        zone = program.company_id.partner_id.tz or "UTC"
        return SQL("(%s AT TIME ZONE 'UTC' AT TIME ZONE %s)::date", column, zone)

    # === SOURCES ===

    @api.model
    def _get_invoiced_parts(self, program):
        """Posted invoices and credit notes; a credit note counts on the day of the invoice that it reverses."""
        day = SQL("COALESCE(origin.invoice_date, move.invoice_date)")
        parts = {
            "partner": SQL("move.commercial_partner_id"),
            "qualifying": self._get_order_day(program, day) if program.qualify_by == "order" else day,
            "event": day,
            "quantity": SQL(
                "CASE move.move_type WHEN 'out_refund' THEN -line.quantity ELSE line.quantity END"
            ),
            "uom": SQL("line.product_uom_id"),
            "amount": SQL(
                "CASE move.move_type WHEN 'out_refund' THEN -line.price_subtotal ELSE line.price_subtotal END"
            ),
            "currency": SQL("move.currency_id"),
            "rate": SQL(
                "COALESCE(NULLIF(COALESCE(origin.invoice_currency_rate, move.invoice_currency_rate), 0), 1)"
            ),
            "from": SQL(
                """
                account_move_line AS line
                JOIN account_move AS move ON move.id = line.move_id
           LEFT JOIN account_move AS origin ON origin.id = move.reversed_entry_id
                """
            ),
            "where": SQL(
                """
                line.display_type = 'product' AND line.product_id IS NOT NULL
                AND line.dms_settlement_use_id IS NULL
                AND move.state = 'posted' AND move.move_type IN ('out_invoice', 'out_refund')
                AND move.dms_settlement_id IS NULL AND move.dms_transfer_id IS NULL AND move.company_id = %s
                AND NOT EXISTS (SELECT FROM sale_order_line_invoice_rel AS rel
                                  JOIN sale_order_line AS sale ON sale.id = rel.order_line_id
                                 WHERE rel.invoice_line_id = line.id AND sale.is_delivery)
                """,
                program.company_id.id,
            ),
        }
        if program.factor_ids.filtered(lambda factor: factor.kind == "payment"):
            # What is not paid yet counts as paid today: it can still be paid in time, or no longer.
            parts["from"] = SQL("%s %s", parts["from"], self._get_payment_join())
            parts["days"] = SQL(
                "GREATEST(COALESCE(payment.day, %s) - COALESCE(origin.invoice_date, move.invoice_date), 0)",
                self.env.context.get("dms_rebate_day"),
            )
        return parts

    @api.model
    def _get_order_day(self, program, default):
        return SQL(
            """
            COALESCE((SELECT MIN(%s)
                        FROM sale_order_line_invoice_rel AS rel
                        JOIN sale_order_line AS sale ON sale.id = rel.order_line_id
                        JOIN sale_order AS ordered ON ordered.id = sale.order_id
                       WHERE rel.invoice_line_id = line.id), %s)
            """,
            self._get_day(program, SQL("ordered.date_order")),
            default,
        )

    @api.model
    def _get_payment_join(self):
        """Join ``payment.day``: when an invoice, or that which a credit note reverses, was settled in full."""
        return SQL(
            """
            LEFT JOIN (SELECT item.move_id, MAX(part.max_date) AS day
                         FROM account_move_line AS item
                         JOIN account_account AS account ON account.id = item.account_id
                          AND account.account_type = 'asset_receivable'
                         JOIN account_partial_reconcile AS part ON item.id IN (part.debit_move_id, part.credit_move_id)
                        GROUP BY item.move_id) AS payment
                   ON payment.move_id = COALESCE(origin.id, move.id)
                  AND COALESCE(origin.payment_state, move.payment_state) IN ('in_payment', 'paid', 'reversed')
            """
        )

    @api.model
    def _get_paid_parts(self, program):
        """Invoices settled in full, with their credit notes: they count for the day of the invoice when paid within the
        grace days after its period, else on the day of the last payment."""
        parts = self._get_invoiced_parts(program)
        if "days" not in parts:
            parts["from"] = SQL("%s %s", parts["from"], self._get_payment_join())
        parts["event"] = SQL("payment.day")
        parts["where"] = SQL("%s AND payment.day IS NOT NULL", parts["where"])
        return parts

    @api.model
    def _get_ordered_parts(self, program):
        """Confirmed orders; cancelled ones don't count."""
        day = self._get_day(program, SQL("ordered.date_order"))
        return {
            "partner": SQL("customer.commercial_partner_id"),
            "qualifying": day,
            "event": day,
            "quantity": SQL("line.product_uom_qty"),
            "uom": SQL("line.product_uom_id"),
            "amount": SQL("line.price_subtotal"),
            "currency": SQL("ordered.currency_id"),
            "rate": SQL("COALESCE(NULLIF(ordered.currency_rate, 0), 1)"),
            "from": SQL(
                """
                sale_order_line AS line
                JOIN sale_order AS ordered ON ordered.id = line.order_id
                JOIN res_partner AS customer ON customer.id = ordered.partner_id
                """
            ),
            "where": SQL(
                """
                ordered.state = 'sale' AND line.display_type IS NULL AND line.product_id IS NOT NULL
                AND NOT COALESCE(line.is_delivery, FALSE) AND line.dms_settlement_use_id IS NULL
                AND ordered.company_id = %s
                """,
                program.company_id.id,
            ),
        }

    @api.model
    def _get_delivered_parts(self, program):
        """Goods that went to the distributor, less those that came back, at the price of their order line."""
        day = self._get_day(program, SQL("line.date"))
        ordered_day = self._get_day(program, SQL("ordered.date_order"))
        quantity = SQL("(CASE destination.usage WHEN 'customer' THEN line.quantity ELSE -line.quantity END)")
        return {
            "partner": SQL("customer.commercial_partner_id"),
            "qualifying": ordered_day if program.qualify_by == "order" else day,
            "event": day,
            "quantity": quantity,
            "uom": SQL("line.product_uom"),
            "amount": SQL(
                "%s * moved_unit.factor / sold_unit.factor * sale.price_subtotal / NULLIF(sale.product_uom_qty, 0)",
                quantity,
            ),
            "currency": SQL("ordered.currency_id"),
            "rate": SQL("COALESCE(NULLIF(ordered.currency_rate, 0), 1)"),
            "from": SQL(
                """
                stock_move AS line
                JOIN stock_location AS source ON source.id = line.location_id
                JOIN stock_location AS destination ON destination.id = line.location_dest_id
                JOIN sale_order_line AS sale ON sale.id = line.sale_line_id
                JOIN sale_order AS ordered ON ordered.id = sale.order_id
                JOIN res_partner AS customer ON customer.id = ordered.partner_id
                JOIN uom_uom AS moved_unit ON moved_unit.id = line.product_uom
                JOIN uom_uom AS sold_unit ON sold_unit.id = sale.product_uom_id
                """
            ),
            "where": SQL(
                """
                line.state = 'done' AND ordered.company_id = %s AND NOT COALESCE(sale.is_delivery, FALSE)
                AND (source.usage = 'customer') != (destination.usage = 'customer')
                """,
                program.company_id.id,
            ),
        }

    @api.model
    def _get_sell_out_parts(self, program):
        """What the distributor sold on, less what its customers brought back."""
        return {
            "partner": SQL("line.partner_id"),
            "qualifying": SQL("line.date"),
            "event": SQL("line.date"),
            "quantity": SQL("-line.quantity"),
            "uom": SQL("sold.uom_id"),
            "amount": SQL("-COALESCE(line.amount, 0)"),
            "currency": SQL("%s", program.company_id.currency_id.id),
            "rate": SQL("1"),
            "from": SQL(
                """
                dms_channel_move AS line
                JOIN product_product AS sold_product ON sold_product.id = line.product_id
                JOIN product_template AS sold ON sold.id = sold_product.product_tmpl_id
                """
            ),
            "where": SQL(
                "line.kind IN ('sell_out', 'return') AND line.company_id = %s", program.company_id.id
            ),
        }

    @api.model
    def _get_carried_parts(self, program):
        """Goods received by transfers that carry the credit over, at their sell-in prices: off the giver, to the taker.

        What was lost on the way stays the giver's: it is no part of what the taker received.
        """
        return {
            "partner": SQL("side.partner_id"),
            "line": SQL("NULL::integer"),
            "carried": SQL("line.id"),
            "qualifying": SQL("transfer.receive_date"),
            "event": SQL("transfer.receive_date"),
            "quantity": SQL("side.sign * line.quantity"),
            "uom": SQL("carried.uom_id"),
            "amount": SQL("side.sign * line.quantity * line.layer_price"),
            "currency": SQL("%s", program.company_id.currency_id.id),
            "rate": SQL("1"),
            "from": SQL(
                """
                dms_channel_move AS line
                JOIN dms_transfer_line AS goods ON goods.id = line.transfer_line_id
                JOIN dms_transfer AS transfer ON transfer.id = goods.transfer_id
                 AND transfer.taker_id = line.partner_id
          CROSS JOIN LATERAL (VALUES (-1, transfer.giver_id), (1, transfer.taker_id)) AS side (sign, partner_id)
                JOIN product_product AS carried_product ON carried_product.id = line.product_id
                JOIN product_template AS carried ON carried.id = carried_product.product_tmpl_id
                """
            ),
            "where": SQL(
                """
                transfer.state = 'received' AND transfer.credit_policy = 'taker'
                AND line.transfer_line_id IS NOT NULL AND line.company_id = %s
                """,
                program.company_id.id,
            ),
        }
