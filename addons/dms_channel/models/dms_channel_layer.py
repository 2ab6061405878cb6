from decimal import Decimal

from odoo import api, models
from odoo.tools import SQL

from ..tools import layers


class DmsChannelLayer(models.AbstractModel):
    """Mixin of ``dms.channel.position``: since when the goods of a position are there, and at what sell-in price."""

    _name = "dms.channel.layer"
    _description = "Layers of Channel Stock"

    @api.model
    def _get_layers(self, partners, products, company, date=None):
        """The layers of positions at the end of a day, oldest first: what a price protection is reckoned on.

        Goods that another distributor passed on keep the day and the price of their sell-in. The price is that of one of
        the product's unit in the company's currency; goods of unknown price take the position's last sell-in price.

        :param date: None for all moves
        :return: ``{(partner id, product id): [(day of the sell-in, quantity, unit price)]}``, numbers as Decimals; pairs
            without stock are left out
        :rtype: dict[tuple[int, int], list[.tools.layers.Layer]]
        """
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT move.partner_id, move.product_id, position.price_unit::text, move.date, move.layer_date,
                       CASE WHEN move.layer_date IS NOT NULL THEN move.layer_price
                            WHEN move.kind != 'sell_in' OR move.quantity < 0 OR move.amount = 0 THEN NULL
                            WHEN move.currency_id = company.currency_id THEN move.price_unit
                            ELSE move.amount / move.quantity END::text AS price,
                       SUM(move.quantity)::text
                  FROM dms_channel_move move
                  JOIN dms_channel_position position USING (company_id, partner_id, product_id)
                  JOIN res_company company ON company.id = move.company_id
                 WHERE move.company_id = %s AND move.partner_id = ANY(%s) AND move.product_id = ANY(%s) AND %s
                   AND move.reversed_move_id IS NULL
                   AND NOT EXISTS (SELECT FROM dms_channel_move undone WHERE undone.reversed_move_id = move.id)
              GROUP BY move.partner_id, move.product_id, position.price_unit, move.date, move.layer_date, price,
                       move.quantity < 0
              ORDER BY move.partner_id, move.product_id, MIN(move.id)
                """,
                company.id,
                partners.ids,
                products.ids,
                SQL("move.date <= %s", date) if date else SQL("TRUE"),
            )
        )
        changes, prices = {}, {}
        for partner_id, product_id, last_price, day, layer_day, price, quantity in rows:
            key = partner_id, product_id
            prices[key] = Decimal(last_price or 0)
            changes.setdefault(key, []).append(
                layers.Change(day, Decimal(quantity), layer_day, None if price is None else Decimal(price))
            )
        found = {key: layers.remaining(own, prices[key]) for key, own in changes.items()}
        return {key: own for key, own in found.items() if own}

    @api.model
    def _get_carried_pairs(self, partners, products):
        """The positions that took over goods of others.

        :rtype: set[tuple[int, int]]
        """
        return set(
            self.env.execute_query(
                SQL(
                    """
                    SELECT DISTINCT partner_id, product_id FROM dms_channel_move
                     WHERE transfer_line_id IS NOT NULL AND layer_date < date AND quantity > 0
                       AND partner_id = ANY(%s) AND product_id = ANY(%s)
                    """,
                    partners.ids,
                    products.ids,
                )
            )
        )
