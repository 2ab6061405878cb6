import base64

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..tools import feed_reader


class DmsFeedUpload(models.TransientModel):
    _name = "dms.feed.upload"
    _description = "Upload Channel Data"

    partner_id = fields.Many2one(
        comodel_name="res.partner",
        string="Sender",
        domain=[("channel_role", "in", ("distributor", "outlet"))],
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
    source = fields.Selection([("file", "A file"), ("typed", "Typed in here")], required=True, default="file")
    file = fields.Binary(attachment=False)
    filename = fields.Char()
    line_ids = fields.One2many("dms.feed.upload.line", "wizard_id", string="Lines")

    @api.constrains("source", "kind")
    def _check_source(self):
        if self.filtered(lambda wizard: wizard.source == "typed" and wizard.kind in ("outlet", "sensor")):
            raise UserError(self.env._("Outlets and shelf readings come as a file. Choose one."))

    def action_template(self):
        """Download an empty file with the columns of this kind."""
        self.ensure_one()
        attachment = self.env["ir.attachment"].create(
            {
                "name": f"{self.kind}.csv",
                "raw": feed_reader.template(self.kind),
                "res_model": self._name,
                "res_id": self.id,
            }
        )
        return {
            "type": "ir.actions.act_url",
            "url": f"/web/content/{attachment.id}?download=true",
            "target": "download",
        }

    def action_upload(self):
        self.ensure_one()
        options = {"partner": self.partner_id, "kind": self.kind, "currency": self.currency_id}
        if self.source == "typed":
            if not self.partner_id:
                raise UserError(self.env._("Say whose report this is: choose the sender."))
            feed = self.env["dms.feed"]._receive_rows(self.line_ids._get_rows(), **options)
        elif not self.file:
            raise UserError(self.env._("Choose the file to upload."))
        else:
            feed = self.env["dms.feed"]._receive(
                base64.b64decode(self.file), self.filename or self.env._("Upload"), keep=True, **options
            )
        return {
            "type": "ir.actions.act_window",
            "res_model": "dms.feed",
            "res_id": feed.id,
            "view_mode": "form",
        }
