import numpy as np

from odoo import api, fields, models
from odoo.tools import SQL

from ..tools import transfer_plan

SOLD_DAYS = 91  # whose sales say at what price a distributor sells
#: Share of a product's gain that may be given away for speed where lots or handling make the search long.
GAP = 0.01
#: Where a taker's margin is known from, the best source last.
RATE, GUIDANCE, SOLD = MARGIN_SOURCES = ("rate", "guidance", "sold")


class DmsTransferNetwork(models.AbstractModel):
    """Between which distributors goods may go, at what cost, and what a taker earns: arrays for n distributors and P products."""

    _name = "dms.transfer.network"
    _description = "Network of Transfers"

    @api.model
    def _get_arcs(self, company, partners, products, agreements, lanes):
        """The arguments of :func:`transfer_plan.plan` that say where goods may go, and at what cost.

        The taker needs an agreement that covers the product in its territory, as the transfer asks for it, and the giver's
        price list: goods bought at another price would undercut those of their new territory.

        :param agreements: ``{partner: agreement}``
        :return: units of a pack (P,), arguments
        :rtype: tuple[numpy.ndarray, dict]
        """
        pack = np.array([self._get_pack_size(product) for product in products], float)
        zones = np.array(
            [partner.property_product_pricelist.id for partner in partners.with_company(company)], int
        )
        paths = [partner.territory_id.parent_path for partner in partners]
        freight, days, least = lanes._get_terms(paths, paths)
        covered = self._get_covered(partners, products, agreements)
        return pack, {
            "lane_cost": freight,
            "lane_days": days,
            "least_weight": least,
            # a product without a weight counts a kilogram a unit
            "weight": np.array([product.weight or 1.0 for product in products]) * pack,
            "allowed": covered.T[:, None, :] & (zones[:, None] == zones[None])[None],
            "handling": company.dms_transfer_handling,
            "gap": GAP,
        }

    @api.model
    def _get_pack_size(self, product):
        """Units of the smallest packaging: transfers are in whole ones."""
        packs = product.uom_ids.filtered(lambda uom: uom.factor > product.uom_id.factor)
        return min(packs.mapped("factor")) / product.uom_id.factor if packs else 1.0

    @api.model
    def _get_covered(self, partners, products, agreements):
        """Whether each partner's agreement covers each product -> (n, P) bool. Agreements of the same goods are asked once."""
        ids = np.array(products.ids, int)
        masks = {}
        rows = []
        for partner in partners:
            lines = agreements[partner]._get_lines_for(partner.territory_id)
            key = frozenset(
                (frozenset(line.categ_ids._ids), frozenset(line.product_ids._ids)) for line in lines
            )
            if key not in masks:
                taken = agreements[partner]._covered_products(products, partner.territory_id)
                masks[key] = np.isin(ids, taken.ids)
            rows.append(masks[key])
        return np.array(rows, bool).reshape(len(partners), len(products))

    @api.model
    def _get_shelf(self, company, partners, products, pack, stock, kept, cover):
        """How long the surpluses keep, by the batches in the channel.

        Goods of which no batch with an expiry date is known are not limited.

        :return: transfer_plan.Shelf
        """
        rows = []
        if "expiration_date" in self.env["stock.lot"]._fields:
            rows = self.env.execute_query(
                SQL(
                    """
                    SELECT partner_id, product_id, days_left, quantity::float8, dated
                      FROM (SELECT partner_id, product_id, CASE WHEN expiration_date IS NULL THEN 'Infinity'::float8 ELSE days_left END AS days_left,
                                   quantity, bool_or(expiration_date IS NOT NULL) OVER (PARTITION BY partner_id, product_id) AS dated
                              FROM (%(batches)s) batch
                             WHERE company_id = %(company)s AND partner_id = ANY(%(partners)s) AND product_id = ANY(%(products)s)) batch
                     WHERE dated
                    """,
                    batches=self.env["dms.channel.batch"]._table_query,
                    company=company.id,
                    partners=partners.ids,
                    products=products.ids,
                )
            )
        place = {partner: index for index, partner in enumerate(partners.ids)}
        good = {product: index for index, product in enumerate(products.ids)}
        return transfer_plan.shelf_packs(
            stock,
            kept,
            cover,
            pack,
            [place[row[0]] for row in rows],
            [good[row[1]] for row in rows],
            [row[2] for row in rows],
            [row[3] for row in rows],
        )

    @api.model
    def _get_margins(self, company, partners, products, cost):
        """What each distributor earns with a unit: the price that it sells at, less what the goods cost it.

        The price is that of its sales of the last quarter, as reported. Where they name none, it is the lowest guidance
        price of its territory without taxes; where there is none either, the margin is the company's rate.

        :param cost: (n, P) what a unit costs each distributor
        :return: margin (n, P), below zero where goods sell at a loss; where it is known from (n, P), an index into
            :data:`MARGIN_SOURCES`
        """
        price = np.full(cost.shape, np.nan)
        source = np.zeros(cost.shape, int)
        for found, number in (
            (self._get_guidance(company, partners, products), MARGIN_SOURCES.index(GUIDANCE)),
            (self._get_sold(company, partners, products), MARGIN_SOURCES.index(SOLD)),
        ):
            known = found > 0
            price[known] = found[known]
            source[known] = number
        rate = company.dms_margin_rate / 100
        return np.where(source > 0, price - cost, cost * rate), source

    @api.model
    def _get_sold(self, company, partners, products):
        """Mean price of the last quarter's sales that name one -> (n, P), NaN where none does.

        They are summed by week and shop; those of a shop that names no price don't make the others look cheap.
        """
        price = np.full((len(partners), len(products)), np.nan)
        self.env["dms.channel.week"].flush_model()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT partner_id, product_id, (SUM(sell_out_amount) / SUM(sell_out))::float8 FROM dms_channel_week
                 WHERE company_id = %s AND partner_id = ANY(%s) AND product_id = ANY(%s) AND week > %s AND sell_out > 0 AND sell_out_amount > 0
              GROUP BY 1, 2
                """,
                company.id,
                partners.ids,
                products.ids,
                fields.Date.subtract(fields.Date.context_today(self), days=SOLD_DAYS),
            )
        )
        place = {partner: index for index, partner in enumerate(partners.ids)}
        good = {product: index for index, product in enumerate(products.ids)}
        for partner, product, mean in rows:
            price[place[partner], good[product]] = mean
        return price

    @api.model
    def _get_guidance(self, company, partners, products):
        """The lowest guidance price of each distributor's territory, without taxes -> (n, P), NaN where there is none."""
        price = np.full((len(partners), len(products)), np.nan)
        today, Guidance = fields.Date.context_today(self), self.env["dms.guidance.price"]
        groups = Guidance.sudo()._read_group(
            [("company_id", "=", company.id), ("product_id", "in", products.ids)], ["product_id"]
        )
        guided = products.browse(product.id for (product,) in groups)
        if not guided:
            return price
        found = Guidance._get_prices(guided, partners.territory_id, today, company)
        rates = {}
        for good in np.flatnonzero(np.isin(products.ids, guided.ids)).tolist():
            product = products[good]
            net = self._get_net_share(
                product.sudo().taxes_id.filtered_domain([("company_id", "=", company.id)])
            )
            for place, partner in enumerate(partners):
                guidance = found.get((product.id, partner.territory_id.id))
                if not guidance:
                    continue
                currency = guidance.currency_id
                if currency not in rates:
                    rates[currency] = currency._get_conversion_rate(
                        currency, company.currency_id, company, today
                    )
                price[place, good] = guidance.price_min * rates[currency] * net
        return price

    @api.model
    def _get_net_share(self, taxes):
        """Which share of a price with these taxes is left without them."""
        if not taxes:
            return 1.0
        details = taxes._get_tax_details(100.0, 1.0, special_mode="total_included")
        return details["total_excluded"] / 100
