from odoo import fields, models
from odoo.tools import SQL


class DmsChannelRollout(models.Model):
    """How a product reached its outlets: one row for each that bought it, with the week after launch that it began."""

    _name = "dms.channel.rollout"
    _description = "Product Roll-out"
    _auto = False
    _order = "product_id, week_number"
    _rec_name = "outlet_id"

    company_id = fields.Many2one("res.company", readonly=True)
    product_id = fields.Many2one("product.product", readonly=True)
    categ_id = fields.Many2one(related="product_id.categ_id", string="Product Category")
    partner_id = fields.Many2one("res.partner", string="Distributor", readonly=True)
    territory_id = fields.Many2one(related="partner_id.territory_id", string="Territory")
    outlet_id = fields.Many2one("res.partner", readonly=True)
    launch_week = fields.Date(
        readonly=True, help="The Monday of the week of the product's first sale anywhere."
    )
    first_week = fields.Date(string="First Sale", readonly=True)
    last_week = fields.Date(string="Last Sale", readonly=True)
    week_number = fields.Integer(
        string="Weeks After Launch", readonly=True, aggregator=None, help="0: the week of the launch."
    )
    outlets = fields.Integer(readonly=True, help="Outlets reached: each counts once.")
    repeated = fields.Integer(
        string="Sold Again", readonly=True, help="Outlets that sold it in a later week, too."
    )
    quantity = fields.Float(digits="Product Unit", readonly=True)

    @property
    def _table_query(self):
        return SQL(
            """
            SELECT id, company_id, product_id, partner_id, outlet_id, launch_week, first_week, last_week,
                   (first_week - launch_week) / 7 AS week_number, 1 AS outlets,
                   CASE WHEN weeks > 1 THEN 1 ELSE 0 END AS repeated, quantity
              FROM (
                    SELECT MIN(id) AS id, company_id, product_id, partner_id, outlet_id, MIN(week) AS first_week,
                           MAX(week) AS last_week, COUNT(*) AS weeks, SUM(sell_out) AS quantity,
                           MIN(MIN(week)) OVER (PARTITION BY company_id, product_id) AS launch_week
                      FROM dms_channel_week
                     WHERE sell_out > 0 AND outlet_id IS NOT NULL
                  GROUP BY company_id, product_id, partner_id, outlet_id
                   ) reached
            """
        )
