from odoo import api, fields, models


class DmsReplenishmentRule(models.Model):
    """How often and how far distributors are resupplied. The first rule in sequence that fits distributor and product counts."""

    _name = "dms.replenishment.rule"
    _description = "Replenishment Rule"
    _order = "sequence, id"
    _check_company_auto = True

    name = fields.Char(required=True, translate=True)
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)
    company_id = fields.Many2one("res.company", help="Empty: all companies.", index=True)
    partner_ids = fields.Many2many(
        "res.partner",
        string="Distributors",
        help="Empty: all.",
        domain="[('channel_role', '=', 'distributor')]",
    )
    grade_ids = fields.Many2many("res.partner.grade", string="Grades", help="Empty: all.")
    categ_ids = fields.Many2many(
        "product.category", string="Product Categories", help="With those below. Empty: all."
    )
    lead_days = fields.Integer("Delivery (days)", required=True, default=5, help="From order to receipt.")
    review_days = fields.Integer("Review every (days)", required=True, default=7)
    target_days = fields.Integer(
        "Fill up for (days)",
        required=True,
        default=21,
        help="Expected demand of so many days after receipt, and the safety stock.",
    )
    service_level = fields.Float(
        "Service Level (%)",
        required=True,
        default=95.0,
        help="Chance that stock lasts until the order after this one.",
    )
    cap_days = fields.Integer(
        "Never above demand of (days)",
        required=True,
        default=60,
        help="Guard against pushing stock into the channel: with the order, stock stays below what is sold in so many days with a chance of nine in ten.",
    )
    rounding = fields.Selection(
        [
            ("unit", "Single units"),
            ("case", "Cases (smallest packaging)"),
            ("pallet", "Pallets (largest packaging)"),
        ],
        required=True,
        default="case",
    )
    auto_propose = fields.Boolean(
        "Show at once",
        default=True,
        help="Distributors see a proposal as soon as it is made; otherwise the brand releases it.",
    )

    _figures_check = models.Constraint(
        "CHECK (lead_days >= 0 AND review_days > 0 AND target_days > 0 AND cap_days >= target_days AND service_level BETWEEN 50 AND 99.9)",
        "Days must be positive, the guard not below what is filled up for, and the service level 50 to 99.9 %.",
    )

    @api.model
    def _get_rules(self, company):
        return self.search([("company_id", "in", (company.id, False))])

    def _fits_partner(self, partner):
        self.ensure_one()
        return (not self.partner_ids or partner in self.partner_ids) and (
            not self.grade_ids or partner.grade_id in self.grade_ids
        )

    def _fits_product(self, product):
        self.ensure_one()
        if not self.categ_ids:
            return True
        path = product.categ_id.parent_path or ""
        return any(path.startswith(categ.parent_path) for categ in self.categ_ids)

    def _get_pack(self, product):
        """The unit of measure that orders of a product are rounded to."""
        self.ensure_one()
        base = product.uom_id
        packs = product.uom_ids.filtered(lambda uom: uom.factor > base.factor).sorted("factor")
        if self.rounding == "unit" or not packs:
            return base
        return packs[0] if self.rounding == "case" else packs[-1]
