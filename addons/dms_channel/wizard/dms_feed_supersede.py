from odoo import Command, api, fields, models


class DmsFeedSupersede(models.TransientModel):
    """What changes if a file replaces all that its sender reported before for the same days."""

    _name = "dms.feed.supersede"
    _description = "Replace a Period"

    feed_id = fields.Many2one("dms.feed", required=True, readonly=True, ondelete="cascade")
    line_ids = fields.One2many("dms.feed.supersede.line", "wizard_id", string="Differences", readonly=True)

    @api.model
    def _get_action(self, feed):
        wizard = self.create(
            {
                "feed_id": feed.id,
                "line_ids": [
                    Command.create({"product_id": product_id, "before": before, "after": after})
                    for product_id, before, after in feed._get_differences()
                ],
            }
        )
        return wizard._get_records_action(name=self.env._("Replace the Period"), target="new")

    def action_confirm(self):
        self.ensure_one()
        self.feed_id._supersede()
        return {"type": "ir.actions.client", "tag": "soft_reload"}


class DmsFeedSupersedeLine(models.TransientModel):
    _name = "dms.feed.supersede.line"
    _description = "Difference of a Period"
    _order = "id"

    wizard_id = fields.Many2one("dms.feed.supersede", required=True, index=True, ondelete="cascade")
    product_id = fields.Many2one("product.product", readonly=True)
    before = fields.Float(
        string="Reported Before", digits="Product Unit", readonly=True, help="In the product's unit."
    )
    after = fields.Float(string="In This File", digits="Product Unit", readonly=True)
    difference = fields.Float(digits="Product Unit", compute="_compute_difference")

    @api.depends("before", "after")
    def _compute_difference(self):
        for line in self:
            line.difference = line.after - line.before
