from odoo import api, fields, models
from odoo.tools import SQL


class DmsForecastLine(models.Model):
    """One day of one series. Written by COPY in `dms.forecast.run`; nobody edits it.

    The table is made by hand: foreign keys would be checked for each of half a million rows a night. Whoever deletes runs or series
    goes through `_delete`, and `_gc_orphans` sweeps up after deleted partners and products.
    """

    _name = "dms.forecast.line"
    _description = "Forecast per Day"
    _order = "date, id"
    _auto = False
    _log_access = False

    run_id = fields.Many2one("dms.forecast.run", required=True)
    series_id = fields.Many2one("dms.forecast.series", required=True, index=True)
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

    def init(self):
        self.env.cr.execute(
            """
            CREATE TABLE IF NOT EXISTS dms_forecast_line (
                id bigserial PRIMARY KEY,
                run_id integer NOT NULL,
                series_id integer NOT NULL,
                company_id integer NOT NULL,
                partner_id integer NOT NULL,
                product_id integer NOT NULL,
                date date NOT NULL,
                quantity double precision NOT NULL,
                q10 double precision NOT NULL,
                q50 double precision NOT NULL,
                q90 double precision NOT NULL
            );
            CREATE INDEX IF NOT EXISTS dms_forecast_line_series_id_index ON dms_forecast_line (series_id);
            -- a run's lines lie together, so a few kilobytes find them
            CREATE INDEX IF NOT EXISTS dms_forecast_line_run_id_index ON dms_forecast_line USING brin (run_id);
            """
        )

    @api.model
    def _delete(self, runs):
        """Delete all lines of some runs."""
        if runs:
            self.env.cr.execute(SQL("DELETE FROM dms_forecast_line WHERE run_id IN %s", tuple(runs.ids)))
            self.invalidate_model()

    @api.autovacuum
    def _gc_orphans(self):
        self.env.cr.execute(
            """DELETE FROM dms_forecast_line l
                WHERE NOT EXISTS (SELECT 1 FROM dms_forecast_series s WHERE s.id = l.series_id)"""
        )
