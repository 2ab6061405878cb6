import logging

from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.tools import SQL

_logger = logging.getLogger(__name__)

# The day of a position's first move, by the index of the moves.
FIRST_DAY = SQL(
    """
    SELECT date FROM dms_channel_move move
     WHERE move.partner_id = position.partner_id AND move.product_id = position.product_id
       AND move.company_id = position.company_id
  ORDER BY date LIMIT 1
    """
)

# A move ("move") that says what a unit costs the distributor.
PRICED = SQL(
    "move.kind = 'sell_in' AND move.quantity > 0 AND move.amount <> 0 AND move.reversed_move_id IS NULL"
)


class DmsChannelPosition(models.Model):
    """What a distributor has of a product: the sum of its channel moves, kept in the transaction that adds them."""

    _name = "dms.channel.position"
    _inherit = ["dms.channel.layer"]
    _description = "Channel Stock Position"
    _order = "partner_id, product_id"
    _rec_name = "product_id"
    _log_access = False

    company_id = fields.Many2one(comodel_name="res.company", required=True, readonly=True)
    currency_id = fields.Many2one(related="company_id.currency_id")
    partner_id = fields.Many2one(
        comodel_name="res.partner",
        string="Distributor",
        required=True,
        readonly=True,
    )
    territory_id = fields.Many2one(related="partner_id.territory_id", string="Territory")
    product_id = fields.Many2one(comodel_name="product.product", required=True, readonly=True, index=True)
    categ_id = fields.Many2one(related="product_id.categ_id", string="Product Category")
    uom_id = fields.Many2one(related="product_id.uom_id", string="Unit")
    quantity = fields.Float(
        string="Channel Stock",
        digits="Product Unit",
        readonly=True,
        help="Sum of all moves, goods on their way included.",
    )
    in_transit = fields.Float(
        digits="Product Unit",
        readonly=True,
        help="The part of the channel stock that is shipped but not yet signed for.",
    )
    promised = fields.Float(
        string="Promised to Transfers",
        digits="Product Unit",
        compute="_compute_promised",
        help="What the distributor has agreed to pass on and not handed over yet.",
    )
    price_unit = fields.Float(
        string="Last Sell-in Price",
        digits="Product Price",
        readonly=True,
        help="In the company's currency; the product's sales price until there is a sell-in.",
    )
    price_date = fields.Date(
        string="Price Of", readonly=True, help="Day of the sell-in that the price is of."
    )
    value = fields.Monetary(readonly=True, help="Channel stock at the last sell-in price.")
    oldest_date = fields.Date(
        string="Oldest Layer",
        compute="_compute_oldest",
        help="Day on which the oldest goods still there came in, if what came first was sold first.",
    )
    oldest_days = fields.Integer(string="Age of the Oldest Layer", compute="_compute_oldest", help="In days.")
    cover_days = fields.Float(
        string="Days of Cover",
        digits=(10, 1),
        compute="_compute_cover_days",
        help="How long the stock lasts at the sell-out of the last four weeks; 0 where nothing was sold.",
    )
    quantity_at = fields.Float(
        string="Stock That Day",
        digits="Product Unit",
        compute="_compute_at",
        help="At the end of the day that was asked for.",
    )
    value_at = fields.Monetary(
        string="Value That Day", compute="_compute_at", help="At the last sell-in price known that day."
    )
    last_sell_in = fields.Date(readonly=True)
    last_sell_out = fields.Date(readonly=True)
    last_count = fields.Date(readonly=True)
    difference = fields.Float(
        digits="Product Unit",
        readonly=True,
        help="What the last check found missing in the channel stock compared with the sum of the moves. Never mended by itself.",
    )
    transit_difference = fields.Float(
        string="Difference in Transit",
        digits="Product Unit",
        readonly=True,
        help="What the last check found missing in transit compared with the deliveries not yet signed for.",
    )

    _position_uniq = models.Constraint(
        "UNIQUE(company_id, partner_id, product_id)",
        "A distributor has one position for each product.",
    )

    @api.depends("partner_id", "product_id")
    def _compute_display_name(self):
        # a portal user sees its positions, but not the product's record
        for position in self.sudo():
            position.display_name = f"{position.product_id.display_name} · {position.partner_id.display_name}"

    @api.depends("quantity")
    def _compute_oldest(self):
        """First in, first out: the goods that are there are the last that came, so count back from today."""
        rows = self.env.execute_query(
            SQL(
                """
                SELECT id, MIN(date)
                  FROM (
                        SELECT position.id, position.quantity, move.date, move.quantity AS came,
                               SUM(move.quantity) OVER (PARTITION BY position.id ORDER BY move.date DESC, move.id DESC)
                               AS since
                          FROM dms_channel_position position
                          JOIN dms_channel_move move USING (company_id, partner_id, product_id)
                         WHERE position.id = ANY(%s) AND position.quantity > 0 AND move.quantity > 0
                           AND move.reversed_move_id IS NULL
                           AND NOT EXISTS (SELECT FROM dms_channel_move undone WHERE undone.reversed_move_id = move.id)
                       ) layer
                 WHERE since - came < quantity
              GROUP BY id
                """,
                self._origin.ids,
            )
        )
        dates = dict(rows)
        self.sudo()._update_carried_dates(dates)
        today = fields.Date.context_today(self)
        for position in self:
            oldest = dates.get(position._origin.id, False)
            position.oldest_date = oldest
            position.oldest_days = (today - oldest).days if oldest else 0

    def _update_carried_dates(self, dates):
        """Goods that others passed on are older than their move says: there the layers tell (called as superuser)."""
        pairs = self._get_carried_pairs(self.partner_id, self.product_id)
        carried = self.filtered(lambda position: (position.partner_id.id, position.product_id.id) in pairs)
        for company, positions in carried.grouped("company_id").items():
            layers = self._get_layers(positions.partner_id, positions.product_id, company)
            for position in positions:
                own = layers.get((position.partner_id.id, position.product_id.id))
                dates[position._origin.id] = own[0].day if own else False

    @api.depends("partner_id", "product_id")
    def _compute_promised(self):
        promised = self.env["dms.transfer.line"].sudo()._get_promised(self.partner_id, self.product_id)
        for position in self:
            position.promised = promised.get(
                (position.company_id.id, position.partner_id.id, position.product_id.id), 0.0
            )

    @api.depends("quantity")
    def _compute_cover_days(self):
        """Channel stock by the mean daily sell-out of the last four whole weeks."""
        monday = fields.Date.start_of(fields.Date.context_today(self), "week")
        rows = self.env.execute_query(
            SQL(
                """
                SELECT position.id, SUM(week.sell_out) / 28.0
                  FROM dms_channel_position position
                  JOIN dms_channel_week week USING (company_id, partner_id, product_id)
                 WHERE position.id = ANY(%s) AND week.week >= %s AND week.week < %s
              GROUP BY position.id HAVING SUM(week.sell_out) > 0
                """,
                self._origin.ids,
                fields.Date.subtract(monday, days=28),
                monday,
            )
        )
        daily = {position_id: float(mean) for position_id, mean in rows}
        for position in self:
            mean = daily.get(position._origin.id)
            position.cover_days = max(0.0, position.quantity) / mean if mean else 0.0

    @api.depends("quantity", "price_unit")
    @api.depends_context("to_date")
    def _compute_at(self):
        """The position at the end of the day ``to_date`` of the context (today where there is none)."""
        day = fields.Date.to_date(self.env.context.get("to_date"))
        if not day:
            for position in self:
                position.quantity_at, position.value_at = position.quantity, position.value
            return
        partners, products = self.sudo().partner_id, self.sudo().product_id
        for company, positions in self.sudo().grouped("company_id").items():
            at = self._at(day, partners=partners, products=products, company=company)
            prices = self._get_prices_at(day, partners, products, company)
            for position in positions:
                key = (position.partner_id.id, position.product_id.id)
                position.quantity_at = at.get(key, 0.0)
                position.value_at = position.quantity_at * prices.get(key, position.product_id.list_price)

    @api.model
    def _get_prices_at(self, day, partners, products, company):
        """Answer {(partner id, product id): last sell-in price of one unit, in the company's currency} on a day."""
        rows = self.env.execute_query(
            SQL(
                """
                SELECT DISTINCT ON (partner_id, product_id) partner_id, product_id, amount / quantity
                  FROM dms_channel_move move
                 WHERE company_id = %s AND partner_id = ANY(%s) AND product_id = ANY(%s) AND date <= %s AND %s
                   AND NOT EXISTS (SELECT FROM dms_channel_move undone WHERE undone.reversed_move_id = move.id)
              ORDER BY partner_id, product_id, date DESC, id DESC
                """,
                company.id,
                partners.ids,
                products.ids,
                day,
                PRICED,
            )
        )
        return {(partner, product): float(price) for partner, product, price in rows}

    def action_open_moves(self):
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Moves"),
            "res_model": "dms.channel.move",
            "view_mode": "list,pivot,graph",
            "domain": [
                ("company_id", "=", self.company_id.id),
                ("partner_id", "=", self.partner_id.id),
                ("product_id", "=", self.product_id.id),
            ],
        }

    def action_open_batches(self):
        self.ensure_one()
        return {
            **self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_channel_batch_action"),
            "domain": [
                ("company_id", "=", self.company_id.id),
                ("partner_id", "=", self.partner_id.id),
                ("product_id", "=", self.product_id.id),
            ],
            "context": {},
        }

    @api.model
    def action_check_consistency(self):
        """Check all positions now and show those that don't add up."""
        if not self.env.user.has_group("dms_channel.dms_channel_group_manager"):
            raise AccessError(self.env._("Only a channel manager may check the channel stock."))
        wrong = self._check_consistency()
        if wrong:
            action = self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_channel_position_action")
            return action | {"domain": [("id", "in", wrong.ids)]}
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": self.env._("Every position is the sum of its moves."),
            },
        }

    @api.model
    def _get_upsert_sql(self, added):
        """Answer the statement that adds the moves of the query ``added`` (MOVE_COLUMNS, id) to their positions.

        Positions are taken in one order by all transactions, so that two of them never wait for each other.
        """
        return SQL(
            """
            INSERT INTO dms_channel_position AS position
                   (company_id, partner_id, product_id, quantity, in_transit, difference, transit_difference,
                    price_unit, price_date, value, last_sell_in, last_sell_out, last_count)
            SELECT delta.company_id, delta.partner_id, delta.product_id, delta.quantity, 0, 0, 0,
                   COALESCE(delta.price, template.list_price::numeric, 0), delta.price_date,
                   delta.quantity * COALESCE(delta.price, template.list_price::numeric, 0),
                   delta.last_sell_in, delta.last_sell_out, delta.last_count
              FROM (
                    SELECT move.company_id, move.partner_id, move.product_id, SUM(move.quantity) AS quantity,
                           (array_agg(move.amount / NULLIF(move.quantity, 0) ORDER BY move.date DESC, move.id DESC)
                               FILTER (WHERE %(priced)s))[1] AS price,
                           MAX(move.date) FILTER (WHERE %(priced)s) AS price_date,
                           MAX(move.date) FILTER (WHERE move.kind = 'sell_in' AND move.quantity > 0
                                                    AND move.reversed_move_id IS NULL) AS last_sell_in,
                           MAX(move.date) FILTER (WHERE move.kind = 'sell_out' AND move.quantity < 0) AS last_sell_out,
                           MAX(move.date) FILTER (WHERE move.kind = 'count' AND move.reversed_move_id IS NULL) AS last_count
                      FROM (%(added)s) move
                  GROUP BY move.company_id, move.partner_id, move.product_id
                   ) delta
              JOIN product_product product ON product.id = delta.product_id
              JOIN product_template template ON template.id = product.product_tmpl_id
          ORDER BY delta.company_id, delta.partner_id, delta.product_id
            ON CONFLICT (company_id, partner_id, product_id) DO UPDATE SET
                   quantity = position.quantity + EXCLUDED.quantity,
                   price_unit = %(price)s,
                   price_date = GREATEST(position.price_date, EXCLUDED.price_date),
                   value = (position.quantity + EXCLUDED.quantity) * %(price)s,
                   last_sell_in = GREATEST(position.last_sell_in, EXCLUDED.last_sell_in),
                   last_sell_out = GREATEST(position.last_sell_out, EXCLUDED.last_sell_out),
                   last_count = GREATEST(position.last_count, EXCLUDED.last_count)
            RETURNING 1
            """,
            added=added,
            priced=PRICED,
            # of a back-dated sell-in, or of one without a price, the price is not the last
            price=SQL(
                "CASE WHEN EXCLUDED.price_date >= COALESCE(position.price_date, EXCLUDED.price_date)"
                " THEN EXCLUDED.price_unit ELSE position.price_unit END"
            ),
        )

    @api.model
    def _get_transit_sql(self, condition):
        """Answer a query (company_id, partner_id, product_id, quantity) of goods shipped and not yet signed for.

        What came back before it was signed for is no longer on its way. ``condition`` is on ``move``.
        """
        return SQL(
            """
            SELECT move.company_id, move.partner_id, move.product_id, SUM(move.quantity) AS quantity
              FROM (
                    SELECT move.company_id, move.partner_id, move.product_id, move.quantity
                      FROM dms_channel_move move
                      JOIN stock_move stock ON stock.id = move.stock_move_id
                 LEFT JOIN stock_move returned ON returned.id = stock.origin_returned_move_id
                      JOIN stock_picking picking
                        ON picking.id = CASE WHEN move.quantity < 0 THEN returned.picking_id ELSE stock.picking_id END
                     WHERE picking.dms_receipt_state = 'in_transit' AND %(condition)s
                 UNION ALL
                    SELECT move.company_id, move.partner_id, move.product_id, move.quantity
                      FROM (%(transfers)s) move
                     WHERE %(condition)s
                   ) move
          GROUP BY move.company_id, move.partner_id, move.product_id
            """,
            condition=condition,
            transfers=self.env["dms.transfer.line"]._get_transit_sql(),
        )

    @api.model
    def _refresh_in_transit(self, partners, products):
        """Bring ``in_transit`` of these distributors and products up to date after a delivery, return or receipt."""
        self.env.flush_all()
        wanted = SQL("move.partner_id = ANY(%s) AND move.product_id = ANY(%s)", partners.ids, products.ids)
        self.env.execute_query(
            SQL(
                """
                UPDATE dms_channel_position position
                   SET in_transit = COALESCE(transit.quantity, 0)
                  FROM dms_channel_position mine
             LEFT JOIN (%s) transit USING (company_id, partner_id, product_id)
                 WHERE mine.id = position.id
                   AND position.partner_id = ANY(%s) AND position.product_id = ANY(%s)
                   AND position.in_transit <> COALESCE(transit.quantity, 0)
                """,
                self._get_transit_sql(wanted),
                partners.ids,
                products.ids,
            )
        )
        self.invalidate_model(["in_transit"])

    @api.model
    def _refresh_dates(self, partners):
        """Read the last dates of these distributors' positions anew from the moves that stand, after a reversal.

        A reversal has its original's kind and date, so a day stands if it has more originals than reversals. (To look
        for each move's reversal would join a column that was all but empty when PostgreSQL last took statistics.)
        """
        self.env.cr.execute(
            SQL(
                """
                UPDATE dms_channel_position position
                   SET last_sell_in = stands.last_sell_in, last_sell_out = stands.last_sell_out,
                       last_count = stands.last_count
                  FROM (
                        SELECT company_id, partner_id, product_id,
                               MAX(date) FILTER (WHERE kind = 'sell_in') AS last_sell_in,
                               MAX(date) FILTER (WHERE kind = 'sell_out') AS last_sell_out,
                               MAX(date) FILTER (WHERE kind = 'count') AS last_count
                          FROM (
                                SELECT company_id, partner_id, product_id, kind, date,
                                       SUM(CASE WHEN reversed_move_id IS NULL THEN 1 ELSE -1 END) > 0 AS stands
                                  FROM dms_channel_move
                                 WHERE partner_id = ANY(%(partners)s)
                                   AND CASE WHEN reversed_move_id IS NULL THEN quantity ELSE -quantity END
                                       * CASE kind WHEN 'sell_in' THEN 1 WHEN 'sell_out' THEN -1 ELSE 0 END >= 0
                              GROUP BY company_id, partner_id, product_id, kind, date
                               ) days
                         WHERE stands
                      GROUP BY company_id, partner_id, product_id
                       ) stands
            RIGHT JOIN dms_channel_position mine USING (company_id, partner_id, product_id)
                 WHERE mine.id = position.id AND position.partner_id = ANY(%(partners)s)
                   AND (position.last_sell_in, position.last_sell_out, position.last_count)
                       IS DISTINCT FROM (stands.last_sell_in, stands.last_sell_out, stands.last_count)
                """,
                partners=partners.ids,
            )
        )
        self.invalidate_model(["last_sell_in", "last_sell_out", "last_count"])

    @api.model
    def _refresh_prices(self, partners, products):
        """Read the last sell-in price of these positions anew from the moves that stand, after a reversal of sell-in."""
        self.env.cr.execute(
            SQL(
                """
                UPDATE dms_channel_position position
                   SET price_unit = COALESCE(last.price, template.list_price::numeric, 0), price_date = last.date,
                       value = position.quantity * COALESCE(last.price, template.list_price::numeric, 0)
                  FROM dms_channel_position mine
                  JOIN product_product product ON product.id = mine.product_id
                  JOIN product_template template ON template.id = product.product_tmpl_id
             LEFT JOIN LATERAL (
                        SELECT move.amount / move.quantity AS price, move.date FROM dms_channel_move move
                         WHERE move.company_id = mine.company_id AND move.partner_id = mine.partner_id
                           AND move.product_id = mine.product_id AND %s
                           AND NOT EXISTS (SELECT FROM dms_channel_move undone WHERE undone.reversed_move_id = move.id)
                      ORDER BY move.date DESC, move.id DESC LIMIT 1
                       ) last ON TRUE
                 WHERE mine.id = position.id AND mine.partner_id = ANY(%s) AND mine.product_id = ANY(%s)
                """,
                PRICED,
                partners.ids,
                products.ids,
            )
        )
        self.invalidate_model(["price_unit", "price_date", "value"])

    @api.model
    def _at(self, date, partners=None, products=None, company=None):
        """Answer {(partner id, product id): quantity} at the end of ``date``, from today's position and the moves since.

        :param date: date or ISO text
        :param partners: distributors to answer for (all where None)
        :param products: products to answer for (all where None)
        :param company: company to answer for (the current one where None)
        """
        self.env.flush_all()
        conditions = [SQL("company_id = %s", (company or self.env.company).id)]
        if partners is not None:
            conditions.append(SQL("partner_id = ANY(%s)", partners.ids))
        if products is not None:
            conditions.append(SQL("product_id = ANY(%s)", products.ids))
        where = SQL(" AND ").join(conditions)
        rows = self.env.execute_query(
            SQL(
                """
                SELECT partner_id, product_id, SUM(quantity) FROM (
                    SELECT partner_id, product_id, quantity FROM dms_channel_position WHERE %(where)s
                 UNION ALL
                    SELECT partner_id, product_id, -quantity FROM dms_channel_move WHERE %(where)s AND date > %(date)s
                ) parts
                GROUP BY partner_id, product_id
                """,
                where=where,
                date=fields.Date.to_date(date),
            )
        )
        return {(partner, product): float(quantity) for partner, product, quantity in rows}

    @api.model
    def _get_stock(self, partners, products, company, date=None):
        """What distributors have and what is on its way to them, in the product's unit, and since when they have it.

        :param date: at the end of this day, goods on their way included in the stock (default: now)
        :return: ``{(partner id, product id): (stock, in transit, day of the first move)}``; pairs without a position
            are left out
        :rtype: dict[tuple[int, int], tuple[float, float, datetime.date]]
        """
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT position.partner_id, position.product_id, position.quantity, position.in_transit, first.date
                  FROM dms_channel_position position
            CROSS JOIN LATERAL (%s) first
                 WHERE position.company_id = %s AND position.partner_id = ANY(%s) AND position.product_id = ANY(%s)
                """,
                FIRST_DAY,
                company.id,
                partners.ids,
                products.ids,
            )
        )
        past = None
        if date and date < fields.Date.context_today(self):
            past = self._at(date, partners, products, company)
        stock = {}
        for partner_id, product_id, quantity, transit, first in rows:
            key = partner_id, product_id
            if past is None:
                stock[key] = float(quantity) - float(transit), float(transit), first
            else:
                stock[key] = past.get(key, 0.0), 0.0, first
        return stock

    @api.model
    def _get_daily_demand(self, partners, products, company, date, days):
        """Daily demand of the shops, in the product's unit: here the sell-through of ``days`` days up to ``date``.

        A product that came to the distributor later than that is measured from then on, over two weeks at least.

        :return: ``{(partner id, product id): units a day}``; pairs of which nothing is known are left out: a product
            that the distributor never had, and all products of one that reported no sale in these days
        :rtype: dict[tuple[int, int], float]
        """
        rows = self.env.execute_query(
            SQL(
                """
                SELECT position.partner_id, position.product_id, first.date, COALESCE(sold.quantity, 0)
                  FROM dms_channel_position position
            CROSS JOIN LATERAL (%(first)s) first
            CROSS JOIN LATERAL (
                        SELECT SUM(-quantity) AS quantity FROM dms_channel_move move
                         WHERE move.partner_id = position.partner_id AND move.product_id = position.product_id
                           AND move.company_id = position.company_id AND move.kind = 'sell_out'
                           AND move.date > %(since)s AND move.date <= %(date)s
                       ) sold
                 WHERE position.company_id = %(company)s
                   AND position.partner_id = ANY(%(partners)s) AND position.product_id = ANY(%(products)s)
                   AND EXISTS (
                        SELECT 1 FROM dms_channel_move move
                         WHERE move.partner_id = position.partner_id AND move.company_id = position.company_id
                           AND move.kind = 'sell_out' AND move.date > %(since)s AND move.date <= %(date)s
                       )
                """,
                first=FIRST_DAY,
                since=fields.Date.subtract(date, days=days),
                date=date,
                company=company.id,
                partners=partners.ids,
                products=products.ids,
            )
        )
        return {
            (partner_id, product_id): max(float(sold), 0.0) / min(max((date - first).days + 1, 14), days)
            for partner_id, product_id, first, sold in rows
        }

    @api.model
    def _check_consistency(self):
        """Compare every position with the sum of its moves, and what is in transit with the open deliveries.

        Differences are written to ``difference`` and ``transit_difference``, nothing else is touched; a position that
        is missing altogether is added with nothing in it, so that its difference can be seen.

        :return: positions that don't add up
        """
        self.env.flush_all()
        self.env.execute_query(
            SQL(
                """
                INSERT INTO dms_channel_position
                       (company_id, partner_id, product_id, quantity, in_transit, difference, transit_difference,
                        price_unit, value)
                SELECT DISTINCT company_id, partner_id, product_id, 0, 0, 0, 0, 0, 0 FROM dms_channel_move
                ON CONFLICT (company_id, partner_id, product_id) DO NOTHING
                """
            )
        )
        self.env.execute_query(
            SQL(
                """
                UPDATE dms_channel_position position
                   SET difference = COALESCE(ledger.quantity, 0) - position.quantity,
                       transit_difference = COALESCE(transit.quantity, 0) - position.in_transit
                  FROM dms_channel_position mine
             LEFT JOIN (SELECT company_id, partner_id, product_id, SUM(quantity) AS quantity
                          FROM dms_channel_move GROUP BY company_id, partner_id, product_id) ledger
                 USING (company_id, partner_id, product_id)
             LEFT JOIN (%s) transit USING (company_id, partner_id, product_id)
                 WHERE mine.id = position.id
                   AND (position.difference <> COALESCE(ledger.quantity, 0) - position.quantity
                     OR position.transit_difference <> COALESCE(transit.quantity, 0) - position.in_transit)
                """,
                self._get_transit_sql(SQL("TRUE")),
            )
        )
        self.invalidate_model()
        return self.search(["|", ("difference", "!=", 0), ("transit_difference", "!=", 0)])

    @api.model
    def _cron_check_consistency(self):
        """Check all positions and weeks; what differs is told to the managers and left as it is."""
        wrong = self._check_consistency()
        if weeks := self.env["dms.channel.week"]._count_differences():
            _logger.warning("%s weeks of channel stock differ from the sum of their moves", weeks)
        if not wrong and not weeks:
            return
        _logger.warning(
            "%s channel positions differ from the sum of their moves: %s", len(wrong), wrong.ids[:100]
        )
        managers = self.env.ref("dms_channel.dms_channel_group_manager").all_user_ids.partner_id
        self.env["mail.thread"].message_notify(
            partner_ids=managers.ids,
            subject=self.env._("Channel stock does not add up"),
            body=self.env._(
                "%(count)s channel positions and %(weeks)s weekly sums differ from their moves. "
                "Open Channel Data > Positions with the filter Does Not Add Up.",
                count=len(wrong),
                weeks=weeks,
            ),
        )
