from odoo import api, fields, models


class DmsAgreementLine(models.Model):
    """A territory and the products that the distributor may sell there. No category and no product: everything."""

    _name = "dms.agreement.line"
    _description = "Distribution Agreement Line"
    _order = "agreement_id, sequence, id"
    _check_company_auto = True

    agreement_id = fields.Many2one("dms.agreement", required=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(related="agreement_id.company_id", store=True, index=True)
    currency_id = fields.Many2one(related="agreement_id.currency_id")
    partner_id = fields.Many2one(related="agreement_id.partner_id", store=True, index=True)
    sequence = fields.Integer(default=10)
    territory_id = fields.Many2one(
        "dms.territory", required=True, index=True, ondelete="restrict", check_company=True
    )
    categ_ids = fields.Many2many(
        "product.category", string="Categories", help="With all their sub-categories."
    )
    product_ids = fields.Many2many("product.product", string="Products")
    exclusive = fields.Boolean(help="No other distributor gets these products for this territory.")
    target_amount = fields.Monetary(string="Target", help="Purchases agreed upon for the agreement's period.")

    _target_amount_positive = models.Constraint("CHECK(target_amount >= 0)", "A target can't be negative.")

    @api.depends("territory_id", "categ_ids", "product_ids")
    def _compute_display_name(self):
        for line in self:
            goods = [*line.categ_ids.mapped("display_name"), *line.product_ids.mapped("display_name")]
            line.display_name = self.env._(
                "%(territory)s: %(goods)s",
                territory=line.territory_id.complete_name or "",
                goods=", ".join(goods) or self.env._("all products"),
            )

    @api.model_create_multi
    def create(self, vals_list):
        lines = super().create(vals_list)
        lines._check_agreement_open()
        return lines

    def write(self, vals):
        self._check_agreement_open()
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_signed(self):
        self._check_agreement_open()

    def _check_agreement_open(self):
        """The lines are terms: writing them passes the same guard as the agreement itself."""
        self.agreement_id.filtered(lambda agreement: agreement.state not in ("draft", "sent")).write(
            {"line_ids": []}
        )

    def _covers(self, product):
        self.ensure_one()
        if not self.categ_ids and not self.product_ids:
            return True
        path = product.categ_id.parent_path or ""
        return product in self.product_ids or any(
            path.startswith(categ.parent_path) for categ in self.categ_ids
        )

    def _collides(self, other):
        """Whether the two lines have a territory and a product in common."""
        if not (
            self.territory_id._contains(other.territory_id) or other.territory_id._contains(self.territory_id)
        ):
            return False
        if any(not line.categ_ids and not line.product_ids for line in (self, other)):
            return True
        if any(self._covers(product) for product in other.product_ids):
            return True
        if any(other._covers(product) for product in self.product_ids):
            return True
        return any(
            mine.parent_path.startswith(theirs.parent_path) or theirs.parent_path.startswith(mine.parent_path)
            for mine in self.categ_ids
            for theirs in other.categ_ids
        )
