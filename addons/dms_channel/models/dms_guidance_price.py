from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.fields import Domain


class DmsGuidancePrice(models.Model):
    """What consumers should pay for a product in a territory, and the bounds within which a price raises no question.

    A price is for one unit of the product's own unit of measure, taxes included. It holds for the territory and all
    that lies inside it, unless a territory deeper down has a price of its own.
    """

    _name = "dms.guidance.price"
    _description = "Guidance Retail Price"
    _inherit = ["mail.thread"]
    _order = "product_id, territory_id, date_from desc"
    _check_company_auto = True

    product_id = fields.Many2one(
        "product.product",
        required=True,
        index=True,
        ondelete="restrict",
        check_company=True,
        domain=[("sale_ok", "=", True)],
        tracking=True,
    )
    uom_id = fields.Many2one(related="product_id.uom_id")
    categ_id = fields.Many2one(related="product_id.categ_id", store=True)
    territory_id = fields.Many2one(
        "dms.territory",
        required=True,
        index=True,
        ondelete="restrict",
        check_company=True,
        tracking=True,
        help="With all that lies inside it, where no deeper territory has a price of its own.",
    )
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company, ondelete="restrict"
    )
    currency_id = fields.Many2one(
        "res.currency", required=True, default=lambda self: self.env.company.currency_id
    )
    price_min = fields.Monetary(
        string="Lowest", required=True, tracking=True, help="Below it a price raises an alert."
    )
    price_recommended = fields.Monetary(string="Recommended", required=True, tracking=True)
    price_max = fields.Monetary(
        string="Highest", required=True, tracking=True, help="Above it a price raises an alert."
    )
    date_from = fields.Date(
        string="From", required=True, default=fields.Date.context_today, index=True, tracking=True
    )
    date_to = fields.Date(string="To", tracking=True, help="Empty: until further notice.")
    is_current = fields.Boolean(
        string="Valid Today", compute="_compute_is_current", search="_search_is_current"
    )

    _prices_ordered = models.Constraint(
        "CHECK(price_min > 0 AND price_min <= price_recommended AND price_recommended <= price_max)",
        "A guidance price needs a lowest price above zero, a recommended price that is not below it, and a highest"
        " price that is not below the recommended one.",
    )
    _dates_ordered = models.Constraint(
        "CHECK(date_to IS NULL OR date_to >= date_from)",
        "A guidance price can't end before it begins. Change one of the two dates.",
    )
    # For what two sessions write at once, so at the end only: _check_overlap says it better. Ranges of one number stand
    # for equality, which needs no extension of PostgreSQL.
    _no_overlap = models.Constraint(
        "EXCLUDE USING gist (int4range(product_id, product_id, '[]') WITH &&,"
        " int4range(territory_id, territory_id, '[]') WITH &&,"
        " int4range(company_id, company_id, '[]') WITH &&,"
        " daterange(date_from, date_to, '[]') WITH &&) DEFERRABLE INITIALLY DEFERRED",
        "There is already a guidance price for this product and territory on some of these days. End that one first.",
    )

    @api.depends("product_id", "territory_id")
    def _compute_display_name(self):
        for price in self:
            price.display_name = self.env._(
                "%(product)s in %(territory)s",
                product=price.product_id.display_name or "",
                territory=price.territory_id.display_name or "",
            )

    @api.depends("date_from", "date_to")
    def _compute_is_current(self):
        today = fields.Date.context_today(self)
        for price in self:
            price.is_current = bool(price.date_from) and price._is_valid_on(today)

    def _search_is_current(self, operator, value):
        if operator != "in":
            return NotImplemented
        domain = self._get_date_domain(fields.Date.context_today(self))
        return domain if True in value else ~domain

    @api.constrains("product_id", "territory_id", "company_id", "date_from", "date_to")
    def _check_overlap(self):
        others = self.search(
            [
                ("product_id", "in", self.product_id.ids),
                ("territory_id", "in", self.territory_id.ids),
                ("company_id", "in", self.company_id.ids),
            ]
        ).grouped(lambda price: (price.product_id, price.territory_id, price.company_id))
        for price in self:
            for other in others.get((price.product_id, price.territory_id, price.company_id), self.browse()):
                if other != price and price._overlaps(other):
                    raise ValidationError(
                        self.env._(
                            "%(price)s: there is already a guidance price from %(start)s to %(end)s. End that one the"
                            " day before, or choose other dates.",
                            price=price.display_name,
                            start=fields.Date.to_string(other.date_from),
                            end=fields.Date.to_string(other.date_to) or self.env._("further notice"),
                        )
                    )

    def _overlaps(self, other):
        return (not self.date_to or other.date_from <= self.date_to) and (
            not other.date_to or self.date_from <= other.date_to
        )

    def _is_valid_on(self, day):
        self.ensure_one()
        return self.date_from <= day and (not self.date_to or day <= self.date_to)

    @api.model
    def _get_date_domain(self, day):
        return Domain("date_from", "<=", day) & (Domain("date_to", "=", False) | Domain("date_to", ">=", day))

    @api.model
    def _get_prices(self, products, territories, date, company):
        """Guidance price of each product in each territory: that of the deepest territory around it which has one.

        One query for the prices, whatever the number of products and territories.

        :param products: ``product.product`` records
        :param territories: ``dms.territory`` records
        :param datetime.date date: day that the price has to be valid on
        :param company: the company that gives the guidance
        :return: ``{(product id, territory id): dms.guidance.price}`` for every pair, with an empty record where there
            is no guidance. The records are for reading, whatever the rights of the user; the prices are per unit of
            the product's ``uom_id``, in the record's own ``currency_id``, taxes included.
        :rtype: dict
        """
        paths = {
            territory.id: [int(part) for part in (territory.parent_path or "").split("/") if part]
            for territory in territories.sudo()
        }
        prices_sudo = self.sudo().search_fetch(
            Domain("product_id", "in", products.ids)
            & Domain("territory_id", "in", {ancestor for path in paths.values() for ancestor in path})
            & Domain("company_id", "=", company.id)
            & self._get_date_domain(date),
            ["product_id", "territory_id", "currency_id", "price_min", "price_recommended", "price_max"],
        )
        own = {(price.product_id.id, price.territory_id.id): price for price in prices_sudo}
        found = {}
        for product_id in products.ids:
            for territory_id, path in paths.items():
                found[product_id, territory_id] = next(
                    (
                        own[product_id, ancestor]
                        for ancestor in reversed(path)
                        if (product_id, ancestor) in own
                    ),
                    prices_sudo.browse(),
                )
        return found
