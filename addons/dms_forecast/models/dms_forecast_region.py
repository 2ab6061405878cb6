from odoo import fields, models
from odoo.tools import SQL


class DmsForecastRegion(models.Model):
    """The current forecast by region, territory, product and week: what production and purchase plan by.

    A region is a territory below the only top one, or a top one where there are several.
    """

    _name = "dms.forecast.region"
    _description = "Forecast by Region"
    _order = "week, region_id, product_id"
    _auto = False
    _rec_name = "product_id"

    run_id = fields.Many2one("dms.forecast.run", "Forecast", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    region_id = fields.Many2one("dms.territory", readonly=True)
    territory_id = fields.Many2one("dms.territory", readonly=True)
    product_id = fields.Many2one("product.product", readonly=True)
    categ_id = fields.Many2one("product.category", "Product Category", readonly=True)
    uom_id = fields.Many2one(related="product_id.uom_id")
    week = fields.Date("Week of", readonly=True, help="Monday of the week.")
    quantity = fields.Float("Expected", digits="Product Unit", readonly=True)
    distributor_count = fields.Integer("Distributors", readonly=True, aggregator=None)

    @property
    def _table_query(self):
        return SQL(
            """
            WITH top AS (SELECT COUNT(*) = 1 AS single FROM dms_territory WHERE parent_id IS NULL AND active)
            SELECT MIN(l.id) AS id, l.run_id, l.company_id, l.product_id, pt.categ_id, p.territory_id,
                   COALESCE(CASE WHEN top.single THEN NULLIF(split_part(t.parent_path, '/', 2), '') END,
                            NULLIF(split_part(t.parent_path, '/', 1), ''))::integer AS region_id,
                   date_trunc('week', l.date)::date AS week, SUM(l.quantity) AS quantity,
                   COUNT(DISTINCT l.partner_id) AS distributor_count
              FROM dms_forecast_line l
              JOIN dms_forecast_run r ON r.id = l.run_id AND r.is_current
              JOIN product_product pp ON pp.id = l.product_id
              JOIN product_template pt ON pt.id = pp.product_tmpl_id
              JOIN res_partner p ON p.id = l.partner_id
         LEFT JOIN dms_territory t ON t.id = p.territory_id
        CROSS JOIN top
             GROUP BY l.run_id, l.company_id, l.product_id, pt.categ_id, p.territory_id, t.parent_path, top.single,
                      date_trunc('week', l.date)
            """
        )
