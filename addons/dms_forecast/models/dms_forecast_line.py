from odoo import fields, models


class DmsForecastLine(models.Model):
    """One day of one series. Written by COPY in `dms.forecast.run`; nobody edits it."""

    _name = "dms.forecast.line"
    _description = "Forecast per Day"
    _order = "date, id"
    _log_access = False

    run_id = fields.Many2one("dms.forecast.run", required=True, ondelete="cascade", index=True)
    series_id = fields.Many2one("dms.forecast.series", required=True, ondelete="cascade", index=True)
    company_id = fields.Many2one("res.company", required=True)
    partner_id = fields.Many2one("res.partner", string="Distributor", required=True)
    product_id = fields.Many2one("product.product", required=True)
    date = fields.Date(required=True)
    quantity = fields.Float(
        "Expected", help="Expected demand of the day: may be added up over days, products and distributors."
    )
    q10 = fields.Float(
        "Low (10 %)",
        aggregator=None,
        help="With a chance of one in ten, demand of the day is below. Must not be added up.",
    )
    q50 = fields.Float("Median", aggregator=None)
    q90 = fields.Float(
        "High (90 %)",
        aggregator=None,
        help="With a chance of one in ten, demand of the day is above. Must not be added up.",
    )
