from odoo import Command, api, fields, models
from odoo.exceptions import UserError

from ..tools.feed_columns import KINDS


class DmsFeedColumns(models.TransientModel):
    """Which column of the sender's file is what; remembered for the sender's later files."""

    _name = "dms.feed.columns"
    _description = "Columns of a File"

    feed_id = fields.Many2one("dms.feed", required=True, readonly=True, ondelete="cascade")
    problem = fields.Char(readonly=True)
    line_ids = fields.One2many("dms.feed.columns.line", "wizard_id", string="Columns")

    @api.model
    def _get_action(self, feed):
        wizard = self.create(
            {
                "feed_id": feed.id,
                "problem": feed.refusal,
                "line_ids": [Command.create(vals) for vals in feed._get_column_choices()],
            }
        )
        return wizard._get_records_action(name=self.env._("Columns of the File"), target="new")

    def action_confirm(self):
        self.ensure_one()
        columns = dict.fromkeys(KINDS[self.feed_id.kind].columns, "")
        named = self.line_ids.filtered("name").grouped("name")
        twice = next((lines for lines in named.values() if len(lines) > 1), None)
        if twice:
            raise UserError(
                self.env._(
                    "The columns %(headers)s are all said to be “%(name)s”. Choose the one that is.",
                    headers=", ".join(twice.mapped("header")),
                    name=dict(self.feed_id._get_column_labels())[twice[0].name],
                )
            )
        columns |= {line.name: line.header for line in self.line_ids if line.name in columns}
        self.feed_id._read_again(columns)
        return {"type": "ir.actions.client", "tag": "soft_reload"}


class DmsFeedColumnsLine(models.TransientModel):
    """One column of the file, with what stands in it, and what it is to us."""

    _name = "dms.feed.columns.line"
    _description = "Column of a File"
    _order = "id"

    wizard_id = fields.Many2one("dms.feed.columns", required=True, index=True, ondelete="cascade")
    header = fields.Char(string="In the File", readonly=True)
    sample = fields.Char(string="For Example", readonly=True)
    name = fields.Selection(
        selection=lambda self: self.env["dms.feed"]._get_column_labels(), string="Is", help="Empty: not used."
    )
    names = fields.Json(compute="_compute_names")

    @api.depends("wizard_id.feed_id")
    def _compute_names(self):
        for line in self:
            line.names = list(KINDS[line.wizard_id.feed_id.kind or "sell_through"].columns)
