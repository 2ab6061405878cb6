import base64

from odoo import fields, models
from odoo.exceptions import UserError

from odoo.addons.dms_channel.tools import feed_reader


class DmsFeedUpload(models.TransientModel):
    _name = "dms.feed.upload"
    _description = "Upload Channel Data"

    partner_id = fields.Many2one(
        comodel_name="res.partner",
        string="Sender",
        domain=[("channel_role", "=", "distributor")],
        help="Leave empty where the rows name their distributor themselves.",
    )
    kind = fields.Selection(
        selection=lambda self: self.env["dms.feed"]._fields["kind"]._description_selection(self.env),
        required=True,
        default="sell_through",
    )
    currency_id = fields.Many2one(
        comodel_name="res.currency",
        required=True,
        default=lambda self: self.env.company.currency_id,
    )
    file = fields.Binary(required=True, attachment=False)
    filename = fields.Char()
    template = fields.Binary(compute="_compute_template")
    template_name = fields.Char(compute="_compute_template")

    def _compute_template(self):
        for wizard in self:
            wizard.template = base64.b64encode(feed_reader.template(wizard.kind or "sell_through"))
            wizard.template_name = f"{wizard.kind or 'sell_through'}.csv"

    def action_upload(self):
        self.ensure_one()
        if not self.file:
            raise UserError(self.env._("Choose the file to upload."))
        feed = self.env["dms.feed"]._receive(
            base64.b64decode(self.file),
            self.filename or self.env._("Upload"),
            partner=self.partner_id,
            kind=self.kind,
            currency=self.currency_id,
        )
        return {
            "type": "ir.actions.act_window",
            "res_model": "dms.feed",
            "res_id": feed.id,
            "view_mode": "form",
        }
