from odoo import api, models


class DmsDemo(models.AbstractModel):
    _inherit = "dms.demo"

    @api.model
    def _load_traceability(self):
        from ..demo import trace

        trace.load(self.env)
