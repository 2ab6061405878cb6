from odoo import api, fields, models

# An older forecast says less than the sell-through since.
FORECAST_DAYS = 45


class DmsChannelPosition(models.Model):
    _inherit = "dms.channel.position"

    @api.model
    def _get_daily_demand(self, partners, products, company, date, days):
        """What the current forecast expects a day, where it knows the product at the distributor."""
        demand = super()._get_daily_demand(partners, products, company, date, days)
        run = self.env["dms.forecast.run"].sudo()._get_current(company)
        if not run or not fields.Date.subtract(date, days=FORECAST_DAYS) <= run.date <= date:
            return demand
        series = self.env["dms.forecast.series"].sudo()
        expected = series.search_fetch(
            [
                ("run_id", "=", run.id),
                ("partner_id", "in", partners.ids),
                ("product_id", "in", products.ids),
            ],
            ["partner_id", "product_id", "total", "horizon"],
        )
        return demand | {(one.partner_id.id, one.product_id.id): one.daily for one in expected if one.horizon}
