from calendar import monthrange

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.fields import Command

from ..tools import replenish


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
    abc = fields.Selection([("A", "A"), ("B", "B"), ("C", "C")], string="ABC", help="Empty: all.")
    xyz = fields.Selection([("X", "X"), ("Y", "Y"), ("Z", "Z")], string="XYZ", help="Empty: all.")
    trigger = fields.Selection(
        [
            ("stock", "Every night, by stock"),
            ("weekday", "On a weekday"),
            ("dates", "On days of the month"),
            ("orders", "After orders of its outlets"),
            ("count", "After a count"),
        ],
        "Review",
        required=True,
        default="stock",
        help="When a distributor's stock is looked at. An open proposal stays as it is until then.",
    )
    weekday = fields.Selection(
        [
            ("0", "Monday"),
            ("1", "Tuesday"),
            ("2", "Wednesday"),
            ("3", "Thursday"),
            ("4", "Friday"),
            ("5", "Saturday"),
            ("6", "Sunday"),
        ],
        default="0",
    )
    month_days = fields.Char(
        "Days of the Month",
        default="1, 15",
        help="Numbers with commas; the last day where a month is shorter.",
    )
    lead_days = fields.Integer(
        "Delivery (days)",
        required=True,
        default=5,
        help="From order to receipt, until enough deliveries were signed for to know better.",
    )
    lead_since = fields.Date(
        "Deliveries Count from",
        help="Deliveries of orders before this day tell nothing of those to come, for instance since the warehouse moved. Empty: those of a year count.",
    )
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
    service_mode = fields.Selection(
        [("level", "By service level"), ("cost", "By cost")],
        "Safety",
        required=True,
        default="level",
    )
    under_cost = fields.Float(
        "A Unit Short Costs (% of price)",
        default=20.0,
        help="Lost margin and goodwill of a sale that could not be made.",
    )
    over_cost = fields.Float(
        "A Unit Left Costs (% of price)",
        default=1.0,
        help="Capital, space and ageing of a unit that lies until the next order.",
    )
    effective_level = fields.Float("Service Level Used (%)", compute="_compute_effective_level")
    amount_min = fields.Float("Minimum Amount", help="Of an order, in the company's currency. 0: none.")
    quantity_min = fields.Float("Minimum Quantity", help="Units of an order. 0: none.")
    amount_max = fields.Float("Budget of an Order", help="In the company's currency. 0: no limit.")
    respect_credit = fields.Boolean(
        "Within Credit Limit",
        default=True,
        help="Orders stay within what the agreement's credit limit leaves open.",
    )
    truck_weight = fields.Float(
        "Truck: Weight (kg)", help="Orders are filled up to it by urgency. 0: not by weight."
    )
    truck_volume = fields.Float(
        "Truck: Volume (m³)", help="Orders are filled up to it by urgency. 0: not by volume."
    )
    shelf_share = fields.Float(
        "Shelf Life Used at Most (%)",
        default=50.0,
        help="Stock with the order must sell in this share of the product's shelf life, where it has one.",
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

    _orders_check = models.Constraint(
        "CHECK (amount_min >= 0 AND quantity_min >= 0 AND amount_max >= 0 AND truck_weight >= 0 AND truck_volume >= 0"
        " AND shelf_share BETWEEN 1 AND 100 AND under_cost > 0 AND over_cost > 0 AND (amount_max = 0 OR amount_max >= amount_min))",
        "Costs must be positive, amounts and trucks not negative, the budget not below the minimum, the share of shelf life 1 to 100 %.",
    )

    @api.depends("service_mode", "service_level", "under_cost", "over_cost")
    def _compute_effective_level(self):
        for rule in self:
            if rule.service_mode == "cost":
                rule.effective_level = 100 * float(replenish.critical_ratio(rule.under_cost, rule.over_cost))
            else:
                rule.effective_level = rule.service_level

    @api.constrains("month_days", "trigger")
    def _check_month_days(self):
        for rule in self.filtered(lambda rule: rule.trigger == "dates"):
            if not rule._get_month_days():
                raise ValidationError(
                    self.env._(
                        "%s needs the days of the month on which it reviews, such as: 1, 15.", rule.name
                    )
                )

    def _get_month_days(self):
        """Days of the month as numbers; empty where the text holds anything else."""
        self.ensure_one()
        parts = [
            part.strip() for part in (self.month_days or "").replace("，", ",").split(",") if part.strip()
        ]
        if not all(part.isdecimal() and 1 <= int(part) <= 31 for part in parts):
            return set()
        return {int(part) for part in parts}

    def _is_due(self, day):
        """Whether the rule reviews on a day; the triggers by events are asked of the distributors."""
        self.ensure_one()
        if self.trigger == "weekday":
            return day.weekday() == int(self.weekday or 0)
        if self.trigger == "dates":
            last = monthrange(day.year, day.month)[1]
            return day.day in {min(number, last) for number in self._get_month_days()}
        return self.trigger == "stock"

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

    def _match_rows(self, rows, agreements):
        """The first rule that fits each row of a review -> {rule: rows}, without rows that no agreement or rule allows.

        :param rows: as :meth:`dms.replenishment.review._read_rows` answers them; agreements: {partner: its active agreement}
        """
        products = (
            self.env["product.product"]
            .browse(sorted({row[1] for row in rows}))
            .filtered(lambda product: product.active and product.sale_ok)
        )
        products.fetch(["uom_id", "categ_id", "weight", "volume", "lst_price"])
        proposals = self.env["dms.replenishment.proposal"]
        allowed = {
            partner.id: set(proposals._allowed_products(agreement, products).ids)
            for partner, agreement in agreements.items()
        }
        fits_partner = {
            partner.id: [rule for rule in self if rule._fits_partner(partner)] for partner in agreements
        }
        fits_product = {
            (rule.id, product.id): rule._fits_product(product) for rule in self for product in products
        }
        matched = {}
        for row in rows:
            if row[1] not in allowed.get(row[0], ()):
                continue
            for rule in fits_partner[row[0]]:
                if (
                    fits_product[rule.id, row[1]]
                    and rule.abc in (False, row[8])
                    and rule.xyz in (False, row[9])
                ):
                    matched.setdefault(rule, []).append(row)
                    break
        return matched

    def _get_interval(self):
        """Days between two reviews, on average."""
        self.ensure_one()
        if self.trigger == "stock":
            return 1
        if self.trigger == "weekday":
            return 7
        if self.trigger == "dates":
            return max(round(30 / len(self._get_month_days() or [1])), 1)
        return self.review_days

    def _get_narrower(self, company, partners, categories):
        """Values of a rule for some of what this one supplies; nothing where that is all of it.

        :param partners, categories: whom and what it is for, empty for all
        """
        self.ensure_one()
        vals = {}
        # a rule of all companies is not one company's to change
        if not self.company_id and self.env["res.company"].sudo().search_count([], limit=2) > 1:
            vals["company_id"] = company.id
        if partners and (not self.partner_ids or self.partner_ids - partners):
            vals["partner_ids"] = [Command.set(((self.partner_ids & partners) or partners).ids)]
        if categories:

            def below(these, those):
                return these.filtered(
                    lambda one: any(one.parent_path.startswith(other.parent_path) for other in those)
                )

            within = below(self.categ_ids, categories)
            if not self.categ_ids:
                vals["categ_ids"] = [Command.set(categories.ids)]
            elif within != self.categ_ids:
                vals["categ_ids"] = [Command.set((within | below(categories, self.categ_ids)).ids)]
        return vals

    def _insert_before(self, vals):
        """A copy that comes just before this rule, whatever else has the same place -> the copy."""
        self.ensure_one()
        place = self.sequence
        # rules of other companies move along, or common ones would overtake them
        later_sudo = (
            self.sudo()
            .with_context(active_test=False)
            .search([("sequence", ">=", place)])
            .filtered(lambda rule: (rule.sequence, rule.id) >= (place, self.id))
        )
        for sequence, rules_sudo in later_sudo.grouped("sequence").items():
            rules_sudo.sequence = sequence + 1
        return self.copy({**vals, "sequence": place})

    def _get_pack(self, product):
        """The unit of measure that orders of a product are rounded to."""
        self.ensure_one()
        base = product.uom_id
        packs = product.uom_ids.filtered(lambda uom: uom.factor > base.factor).sorted("factor")
        if self.rounding == "unit" or not packs:
            return base
        return packs[0] if self.rounding == "case" else packs[-1]
