from odoo import api, fields, models
from odoo.exceptions import ValidationError


class DmsFeedMapping(models.Model):
    """What a sender's own code means to us; used by every later file of that sender."""

    _name = "dms.feed.mapping"
    _description = "Feed Code Mapping"
    _order = "partner_id, kind, code"
    _rec_name = "code"
    _check_company_auto = True

    company_id = fields.Many2one(
        comodel_name="res.company",
        required=True,
        index=True,
        default=lambda self: self.env.company,
    )
    partner_id = fields.Many2one(
        comodel_name="res.partner",
        string="Sender",
        index=True,
        ondelete="cascade",
        check_company=True,
        domain=[("channel_role", "in", ("distributor", "outlet"))],
        help="Leave empty for a code that means the same from every sender; a sender's own mapping goes before it.",
    )
    kind = fields.Selection(
        selection=[
            ("product", "Product"),
            ("outlet", "Outlet"),
            ("unit", "Unit"),
            ("device", "Shelf Sensor"),
        ],
        required=True,
        default="product",
    )
    code = fields.Char(required=True, help="As the sender writes it; capital letters don't matter.")
    product_id = fields.Many2one(
        comodel_name="product.product",
        ondelete="cascade",
        index="btree_not_null",
        check_company=True,
        domain=[("type", "=", "consu")],
        help="What the code stands for; of a shelf sensor, what it watches where its rows don't say.",
    )
    outlet_id = fields.Many2one(
        comodel_name="res.partner",
        ondelete="cascade",
        index="btree_not_null",
        check_company=True,
        domain=[("channel_role", "=", "outlet")],
    )
    uom_id = fields.Many2one(
        comodel_name="uom.uom", string="Unit of Measure", ondelete="cascade", index="btree_not_null"
    )

    _code_uniq = models.UniqueIndex(
        "(company_id, COALESCE(partner_id, 0), kind, lower(code))",
        "This sender's code is already mapped. Change the existing mapping.",
    )

    @api.constrains("kind", "product_id", "outlet_id", "uom_id")
    def _check_target(self):
        for mapping in self:
            if not mapping[mapping._get_target_field(mapping.kind)]:
                raise ValidationError(self.env._("Say what the code %(code)s stands for.", code=mapping.code))

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            vals["code"] = (vals.get("code") or "").strip()
        return super().create(vals_list)

    @api.model
    def _get_candidates(self, kinds, company):
        """What codes can stand for: {kind: [(id, texts by which it is known)]}."""
        of_company = ["|", ("company_id", "=", False), ("company_id", "in", company.ids)]
        answer = {}
        if "product" in kinds:
            products = self.env["product.product"].search([("type", "=", "consu"), *of_company])
            answer["product"] = [(p.id, (p.default_code, p.barcode, p.name)) for p in products]
        if kinds & {"outlet", "device"}:
            outlets = self.env["res.partner"].search([("channel_role", "=", "outlet"), *of_company])
            answer["outlet"] = [(p.id, (p.ref, p.name)) for p in outlets]
        if "unit" in kinds:
            answer["unit"] = [(u.id, (u.name,)) for u in self.env["uom.uom"].search([])]
        return answer

    @api.model
    def _get_target_field(self, kind):
        return {"product": "product_id", "outlet": "outlet_id", "unit": "uom_id", "device": "outlet_id"}[kind]
