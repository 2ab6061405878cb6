from odoo import api, fields, models
from odoo.tools import SQL

#: Whole weeks of each of the two periods that are compared.
WEEKS = 13


class DmsChannelRanking(models.Model):
    """Who and what sells: each distributor's products over the last 13 whole weeks beside the 13 before, with stock.

    Ranked by territory, distributor, category or product as the reader groups it: cover, growth and sell-through of a
    group are ratios of the group's sums, never means of its rows' ratios.
    """

    _name = "dms.channel.ranking"
    _inherit = ["dms.group.ratio"]
    _description = "Channel Ranking"
    _auto = False
    _order = "sold_value desc, id"
    _rec_name = "product_id"

    _group_ratios = {
        "cover_days": ("quantity", "daily"),
        "growth": ("change", "before_quantity"),
        "sell_through": ("sold_quantity", "there"),
    }

    company_id = fields.Many2one("res.company", readonly=True)
    currency_id = fields.Many2one(related="company_id.currency_id")
    partner_id = fields.Many2one("res.partner", string="Distributor", readonly=True)
    territory_id = fields.Many2one("dms.territory", readonly=True)
    grade_id = fields.Many2one(related="partner_id.grade_id", string="Grade")
    product_id = fields.Many2one("product.product", readonly=True)
    categ_id = fields.Many2one("product.category", string="Product Category", readonly=True)
    sold_quantity = fields.Float(
        string="Sell-out",
        digits="Product Unit",
        readonly=True,
        help="Last 13 whole weeks, less what customers brought back.",
    )
    before_quantity = fields.Float(string="Sell-out Before", digits="Product Unit", readonly=True)
    change = fields.Float(
        digits="Product Unit", readonly=True, help="Sell-out less that of the 13 weeks before."
    )
    growth = fields.Float(
        readonly=True,
        aggregator="avg",
        help="The change as a share of the sell-out before; 0 where there was none.",
    )
    sold_value = fields.Monetary(string="Sell-out Value", readonly=True)
    share = fields.Float(
        string="Share of All",
        readonly=True,
        help="Of the sell-out value of all distributors and products of the company.",
    )
    sold_in = fields.Float(string="Sell-in", digits="Product Unit", readonly=True)
    quantity = fields.Float(string="Channel Stock", digits="Product Unit", readonly=True)
    value = fields.Monetary(string="Stock Value", readonly=True)
    daily = fields.Float(string="Sold a Day", digits="Product Unit", readonly=True)
    there = fields.Float(
        string="Sold or Left",
        digits="Product Unit",
        readonly=True,
        help="Sell-out and what is left of the stock.",
    )
    cover_days = fields.Float(
        string="Days of Cover",
        digits=(10, 1),
        readonly=True,
        aggregator="avg",
        help="How long the stock lasts at the sell-out of these weeks; 0 where nothing was sold.",
    )
    sell_through = fields.Float(
        readonly=True,
        aggregator="avg",
        help="The sold part of what was there: sell-out of sell-out and stock.",
    )

    @property
    def _table_query(self):
        """The two periods, summed, beside the positions: whatever moved has one."""
        monday = fields.Date.start_of(fields.Date.context_today(self), "week")
        return SQL(
            """
            WITH sold AS (
                SELECT company_id, partner_id, product_id,
                       SUM(sell_out) FILTER (WHERE week >= %(now)s) AS sold_quantity,
                       SUM(sell_out) FILTER (WHERE week < %(now)s) AS before_quantity,
                       SUM(sell_out_amount) FILTER (WHERE week >= %(now)s) AS sold_value,
                       SUM(sell_in) FILTER (WHERE week >= %(now)s) AS sold_in
                  FROM dms_channel_week
                 WHERE week >= %(before)s AND week < %(monday)s
              GROUP BY company_id, partner_id, product_id
            ), figures AS (
                SELECT position.id, company_id, partner_id, product_id,
                       COALESCE(sold.sold_quantity, 0) AS sold_quantity,
                       COALESCE(sold.before_quantity, 0) AS before_quantity,
                       COALESCE(sold.sold_value, 0) AS sold_value, COALESCE(sold.sold_in, 0) AS sold_in,
                       position.quantity, position.value
                  FROM dms_channel_position position LEFT JOIN sold USING (company_id, partner_id, product_id)
            )
            SELECT figures.id, figures.company_id, figures.partner_id, partner.territory_id,
                   figures.product_id, template.categ_id, figures.sold_quantity, figures.before_quantity,
                   figures.sold_quantity - figures.before_quantity AS change,
                   COALESCE((figures.sold_quantity - figures.before_quantity) / NULLIF(figures.before_quantity, 0), 0)
                       AS growth,
                   figures.sold_value,
                   COALESCE(figures.sold_value / NULLIF(SUM(figures.sold_value) OVER (PARTITION BY figures.company_id), 0), 0)
                       AS share,
                   figures.sold_in, figures.quantity, figures.value,
                   figures.sold_quantity / %(days)s AS daily,
                   figures.sold_quantity + GREATEST(figures.quantity, 0) AS there,
                   COALESCE(GREATEST(figures.quantity, 0) * %(days)s / NULLIF(GREATEST(figures.sold_quantity, 0), 0), 0)
                       AS cover_days,
                   COALESCE(figures.sold_quantity / NULLIF(figures.sold_quantity + GREATEST(figures.quantity, 0), 0), 0)
                       AS sell_through
              FROM figures
              JOIN res_partner partner ON partner.id = figures.partner_id
              JOIN product_product product ON product.id = figures.product_id
              JOIN product_template template ON template.id = product.product_tmpl_id
             WHERE figures.sold_quantity <> 0 OR figures.before_quantity <> 0 OR figures.quantity <> 0
            """,
            now=fields.Date.subtract(monday, weeks=WEEKS),
            before=fields.Date.subtract(monday, weeks=2 * WEEKS),
            monday=monday,
            days=7.0 * WEEKS,
        )

    @api.model
    def _get_ratio_parts(self, name, query):
        above, below = super()._get_ratio_parts(name, query)
        if name == "cover_days":
            # a stock below zero is a report that is missing, not one that shortens another's cover
            above = SQL("GREATEST(%s, 0)", above)
        return above, below

    def action_open_moves(self):
        # a row has the id of its position
        return self.env["dms.channel.position"].browse(self.id).action_open_moves()
