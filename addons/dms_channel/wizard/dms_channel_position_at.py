from odoo import fields, models
from odoo.exceptions import UserError
from odoo.tools import format_date


class DmsChannelPositionAt(models.TransientModel):
    """Ask for the channel stock of a past day."""

    _name = "dms.channel.position.at"
    _description = "Channel Stock of a Day"

    date = fields.Date(
        string="At the End Of",
        required=True,
        default=lambda self: fields.Date.subtract(fields.Date.context_today(self), days=1),
    )

    def action_open(self):
        self.ensure_one()
        if self.date > fields.Date.context_today(self):
            raise UserError(self.env._("Choose today or a day before: what is to come is in the forecast."))
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_channel_position_action_at")
        return action | {
            "display_name": self.env._("Channel Stock of %(day)s", day=format_date(self.env, self.date)),
            "context": {"to_date": fields.Date.to_string(self.date)},
        }
