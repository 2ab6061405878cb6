from odoo import Command, api, fields, models
from odoo.exceptions import UserError

from ..models.dms_feed_line import MAPPABLE_ISSUES
from ..tools import matching


class DmsFeedMapCodes(models.TransientModel):
    """Say once what a sender's unknown codes stand for; every line that waits for them is checked again."""

    _name = "dms.feed.map.codes"
    _description = "Map Codes"

    feed_ids = fields.Many2many(comodel_name="dms.feed", readonly=True)
    line_ids = fields.One2many(
        comodel_name="dms.feed.map.codes.line", inverse_name="wizard_id", string="Codes"
    )
    product_id = fields.Many2one(
        comodel_name="product.product",
        string="All Are This Product",
        domain=[("type", "=", "consu")],
        help="Stands for every product code below, whatever is suggested for it.",
    )
    has_products = fields.Boolean(compute="_compute_has")
    has_outlets = fields.Boolean(compute="_compute_has")
    has_units = fields.Boolean(compute="_compute_has")

    @api.depends("line_ids.kind")
    def _compute_has(self):
        for wizard in self:
            kinds = set(wizard.line_ids.mapped("kind"))
            wizard.has_products = "product" in kinds
            wizard.has_outlets = bool(kinds & {"outlet", "device"})
            wizard.has_units = "unit" in kinds

    @api.model
    def _get_action(self, lines):
        """Answer the action that opens the wizard on the codes that ``lines`` can't be released for."""
        values = self._get_code_values(lines)
        if not values:
            raise UserError(
                self.env._(
                    "None of these lines waits for a product, an outlet, a unit or a device to be named."
                )
            )
        self._suggest(values, lines.company_id)
        wizard = self.create(
            {
                "feed_ids": [Command.set(lines.feed_id.ids)],
                "line_ids": [Command.create(vals) for vals in values],
            }
        )
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Map Codes"),
            "res_model": self._name,
            "res_id": wizard.id,
            "view_mode": "form",
            "target": "new",
        }

    @api.model
    def _get_code_values(self, lines):
        """Answer one line of the wizard for each sender and code, the most frequent code first."""
        counts, texts = {}, {}
        for line in lines:
            for issue in (line.issues or "").split(","):
                kind, name = MAPPABLE_ISSUES.get(issue, (None, None))
                if kind and line[name]:
                    key = (line.feed_id.partner_id.id, kind, line[name].lower())
                    counts[key] = counts.get(key, 0) + 1
                    texts.setdefault(key, line[name])
        return [
            {"partner_id": key[0], "kind": key[1], "code": texts[key], "line_count": count}
            for key, count in sorted(counts.items(), key=lambda item: (-item[1], item[0][1:]))
        ]

    @api.model
    def _suggest(self, values, company):
        """Fill in what the codes most likely stand for; nothing is kept until somebody confirms it.

        :param list values: as :meth:`_get_code_values` answers them; gets ``product_id`` or ``outlet_id``, and the
            ``score`` (0 to 100) of the likeness
        """
        candidates = self.env["dms.feed.mapping"]._get_candidates({vals["kind"] for vals in values}, company)
        for vals in values:
            best = matching.best(vals["code"], candidates.get(vals["kind"], ()))
            if best:
                target, vals["score"] = best
                vals[self.env["dms.feed.mapping"]._get_target_field(vals["kind"])] = target

    def action_confirm(self):
        self.ensure_one()
        done = False
        for feed in self.feed_ids:
            by_kind = {}
            for line in self.line_ids:
                if line.partner_id == feed.partner_id and (target := line._get_target()):
                    by_kind.setdefault(line.kind, {})[line.code] = target.id
            for kind, targets in by_kind.items():
                feed._map_codes(kind, targets)
                done = True
        if not done:
            raise UserError(self.env._("Choose what at least one of the codes stands for."))
        return {"type": "ir.actions.client", "tag": "soft_reload"}


class DmsFeedMapCodesLine(models.TransientModel):
    _name = "dms.feed.map.codes.line"
    _description = "Code to Map"

    wizard_id = fields.Many2one(
        comodel_name="dms.feed.map.codes", required=True, index=True, ondelete="cascade"
    )
    partner_id = fields.Many2one(comodel_name="res.partner", string="Sender", readonly=True)
    kind = fields.Selection(
        selection=lambda self: self.env["dms.feed.mapping"]._fields["kind"]._description_selection(self.env),
        required=True,
        readonly=True,
    )
    code = fields.Char(string="Code Sent", required=True, readonly=True)
    line_count = fields.Integer(string="Lines", readonly=True)
    score = fields.Integer(
        string="Likeness",
        readonly=True,
        aggregator=None,
        help="Of the suggestion, in percent; empty where there is none.",
    )
    product_id = fields.Many2one(comodel_name="product.product", domain=[("type", "=", "consu")])
    outlet_id = fields.Many2one(
        comodel_name="res.partner",
        domain=[("channel_role", "=", "outlet")],
    )
    uom_id = fields.Many2one(comodel_name="uom.uom", string="Unit")

    def _get_target(self):
        self.ensure_one()
        if self.kind == "product":
            return self.wizard_id.product_id or self.product_id
        return self[self.env["dms.feed.mapping"]._get_target_field(self.kind)]
