from odoo import api, models


class DmsDemo(models.AbstractModel):
    _inherit = "dms.demo"

    @api.model
    def _load_forecast(self):
        from ..demo import forecast

        forecast.load(self.env)
