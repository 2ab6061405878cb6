from odoo import api, models


class DmsDemo(models.AbstractModel):
    """Loads the demo data, from the files in each addon's ``demo`` folder. Other addons add a method of their own."""

    _name = "dms.demo"
    _description = "Demo Data"

    @api.model
    def _load_channel(self):
        from ..demo import channel

        channel.load(self.env)
