from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.fields import Command
from odoo.tools import SQL
from odoo.tools.misc import formatLang

from ..tools import target

FIGURES = (
    "period_target",
    "period_sales",
    "period_expected",
    "period_rate",
    "month_target",
    "month_sales",
)


# A sale of goods, or its return: no freight account, note or tax, and nothing of a settlement, which is no return.
IS_SALE = SQL(
    """
    move.state = 'posted' AND move.move_type IN ('out_invoice', 'out_refund') AND move.dms_settlement_id IS NULL AND move.dms_transfer_id IS NULL
    AND line.display_type = 'product' AND line.product_id IS NOT NULL AND line.dms_settlement_use_id IS NULL
    """
)


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
    agreement_state = fields.Selection(related="agreement_id.state")
    sequence = fields.Integer(default=10)
    territory_id = fields.Many2one(
        "dms.territory", required=True, index=True, ondelete="restrict", check_company=True
    )
    categ_ids = fields.Many2many(
        "product.category", string="Categories", help="With all their sub-categories."
    )
    product_ids = fields.Many2many("product.product", string="Products")
    exclusive = fields.Boolean(help="No other distributor gets these products for this territory.")
    target_amount = fields.Monetary(
        string="Yearly Target",
        compute="_compute_target_amount",
        store=True,
        readonly=False,
        precompute=True,
        help="Purchases agreed upon for a year. Open the line to divide it among the months; a twelfth each otherwise.",
    )
    target_ids = fields.One2many("dms.agreement.target", "line_id", string="Months", copy=True)
    period_target = fields.Monetary(
        string="Target of the Period",
        compute="_compute_figures",
        help="The part of the fiscal year in which the agreement is in force.",
    )
    period_sales = fields.Monetary(
        string="Attained",
        compute="_compute_figures",
        help="Invoiced in the period, less credit notes for goods, without tax.",
    )
    period_expected = fields.Monetary(
        string="Run Rate",
        compute="_compute_figures",
        help="What the period will end with if it goes on like this; the months' targets tell the season.",
    )
    period_rate = fields.Float(string="Attained (%)", compute="_compute_figures")
    month_target = fields.Monetary(string="Target of the Month", compute="_compute_figures")
    month_sales = fields.Monetary(string="Attained in the Month", compute="_compute_figures")

    _target_amount_positive = models.Constraint("CHECK(target_amount >= 0)", "A target can't be negative.")

    @api.depends("territory_id", "categ_ids", "product_ids")
    def _compute_display_name(self):
        for line in self:
            goods = [*line.categ_ids.mapped("display_name"), *line.product_ids.mapped("display_name")]
            line.display_name = self.env._(
                "%(territory)s: %(goods)s",
                territory=line.territory_id.display_name or "",
                goods=", ".join(goods) or self.env._("all products"),
            )

    @api.depends("target_ids.amount")
    def _compute_target_amount(self):
        for line in self:
            if line.target_ids:
                line.target_amount = sum(line.target_ids.mapped("amount"))
            else:
                line.target_amount = line.target_amount

    @api.depends(
        "target_amount",
        "target_ids.amount",
        "agreement_id.currency_id",
        "agreement_id.date_start",
        "agreement_id.date_end",
    )
    def _compute_figures(self):
        figures = self._get_figures(fields.Date.context_today(self))
        for line in self:
            line.update(figures[line])

    @api.constrains("target_amount", "target_ids")
    def _check_months(self):
        for line in self.filtered("target_ids"):
            months = sum(line.target_ids.mapped("amount"))
            if line.currency_id.compare_amounts(line.target_amount, months):
                raise ValidationError(
                    self.env._(
                        "The months of %(line)s add up to %(months)s, and its yearly target is %(year)s. Change the"
                        " months, or remove them to divide the year evenly.",
                        line=line.display_name,
                        months=line.currency_id.format(months),
                        year=line.currency_id.format(line.target_amount),
                    )
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

    def action_spread_evenly(self):
        self.ensure_one()
        self._spread({})
        return self.action_open()

    def action_spread_by_season(self):
        """Divide the year like the distributor's purchases of these goods in the last twelve months."""
        self.ensure_one()
        weights = {
            month: self._get_sales({self.agreement_id: (first, last, first)})[self][0]
            for month, first, last in target.past_months(fields.Date.context_today(self))
        }
        self._spread(weights)
        return self.action_open()

    def _spread(self, weights, amount=None):
        """Divide a year's ``amount`` (default: the yearly target) among the months; the yearly target follows."""
        self.ensure_one()
        amount = self.target_amount if amount is None else amount
        months = target.spread(amount, weights, self.currency_id.decimal_places)
        self.target_ids = [
            Command.clear(),
            *(Command.create({"month": f"{month:02}", "amount": amount}) for month, amount in months.items()),
        ]

    def action_open(self):
        """Show the line's months in a dialog."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Months"),
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
            "target": "new",
        }

    def _get_months(self):
        """Target of each month of the year, 1 to 12."""
        self.ensure_one()
        if self.target_ids:
            return {int(month.month): month.amount for month in self.target_ids}
        return target.spread(self.target_amount, {}, self.currency_id.decimal_places or 0)

    def _get_figures(self, date):
        """Targets and sales of each line in the fiscal year and in the month that hold ``date``.

        Both are cut to the days in which the agreement is in force; before its first day and after its last one, that
        day takes the place of ``date``.

        :rtype: dict[dms.agreement.line, dict[str, float]]
        """
        periods = {
            agreement: period for agreement in self.agreement_id if (period := agreement._get_period(date))
        }
        sales = self._origin._get_sales(
            {
                agreement._origin: (first, day, month)
                for agreement, (first, _last, month, day) in periods.items()
            }
        )
        result = {}
        for line in self:
            if line.agreement_id not in periods:
                result[line] = dict.fromkeys(FIGURES, 0.0)
                continue
            first, last, month, day = periods[line.agreement_id]
            months = line._get_months()
            attained, attained_month = sales.get(line._origin, (0.0, 0.0))
            whole = line.currency_id.round(target.due(months, first, last))
            result[line] = {
                "period_target": whole,
                "period_sales": attained,
                "period_expected": line.currency_id.round(
                    target.expected(attained, months, first, day, last)
                ),
                "period_rate": attained / whole if whole else 0.0,
                "month_target": line.currency_id.round(
                    target.due(months, month, min(last, target.month_end(day)))
                ),
                "month_sales": attained_month,
            }
        return result

    def _get_sales(self, periods):
        """Invoiced sales, less credit notes, of each line; one query whatever the number of lines.

        A sale counts for one line of the agreement: of those that cover the product, the one whose territory holds the
        delivery address most closely, else the first. The credit note of a settlement is no return of goods.

        :param dict periods: of each agreement ``(first day, last day, a day within)``
        :return: of each line ``(sum of the whole period, sum from the day within on)`` in the agreement's currency
        :rtype: dict[dms.agreement.line, tuple[float, float]]
        """
        totals = {line: [0.0, 0.0] for line in self.agreement_id.line_ids | self}
        rows = self._query_sales(periods)
        Product, Territory = self.env["product.product"], self.env["dms.territory"]
        # One prefetch for all products and territories of the rows.
        products = {product.id: product for product in Product.browse({row[1] for row in rows})}
        territories = {
            territory.id: territory for territory in Territory.browse({row[2] for row in rows if row[2]})
        }
        agreements = {agreement.id: agreement for agreement in periods}
        for agreement_id, product_id, territory_id, whole, part in rows:
            line = agreements[agreement_id]._get_line_of(
                products[product_id], territories.get(territory_id, Territory)
            )
            if line:
                totals[line][0] += whole
                totals[line][1] += part
        return {
            line: tuple(map(line.currency_id.round, totals[line])) if line.currency_id else (0.0, 0.0)
            for line in self
        }

    def _query_sales(self, periods):
        self._flush_sales()
        values = SQL(", ").join(
            SQL(
                "(%s, %s, %s, %s, %s::date, %s::date, %s::date)",
                agreement.id, agreement.partner_id.id, agreement.company_id.id, agreement.currency_id.id, *days,
            )
            for agreement, days in periods.items()
            if agreement.id and agreement.partner_id.id
        )  # fmt: skip
        if not values:
            return []
        amount = SQL(
            """
            CASE agreement.currency_id
                WHEN company.currency_id THEN -line.balance
                WHEN line.currency_id THEN -line.amount_currency
                ELSE -line.balance * %s / %s
            END
            """,
            self._get_rate_sql(SQL("agreement.currency_id")),
            self._get_rate_sql(SQL("company.currency_id")),
        )
        return self.env.execute_query(
            SQL(
                """
                SELECT agreement.id, line.product_id, shipping.territory_id, SUM(%(amount)s)::float,
                       COALESCE(SUM(%(amount)s) FILTER (WHERE move.invoice_date >= agreement.day), 0)::float
                  FROM (VALUES %(values)s)
                       AS agreement (id, partner_id, company_id, currency_id, first, last, day)
                  JOIN res_company company ON company.id = agreement.company_id
                  JOIN account_move move
                    ON move.commercial_partner_id = agreement.partner_id
                   AND move.company_id = agreement.company_id
                   AND move.invoice_date BETWEEN agreement.first AND agreement.last
                   AND move.state = 'posted'
                   AND move.move_type IN ('out_invoice', 'out_refund')
                   AND move.dms_settlement_id IS NULL AND move.dms_transfer_id IS NULL
                  JOIN account_move_line line
                    ON line.move_id = move.id AND line.display_type = 'product' AND line.product_id IS NOT NULL
                   AND line.dms_settlement_use_id IS NULL
                  LEFT JOIN res_partner shipping ON shipping.id = move.partner_shipping_id
                 GROUP BY agreement.id, line.product_id, shipping.territory_id
                """,
                amount=amount,
                values=values,
                is_sale=IS_SALE,
            )
        )

    @api.model
    def _flush_sales(self):
        self.env["account.move.line"].flush_model(
            [
                "amount_currency",
                "balance",
                "currency_id",
                "display_type",
                "dms_settlement_use_id",
                "move_id",
                "product_id",
            ]
        )
        self.env["account.move"].flush_model(
            ["commercial_partner_id", "company_id", "dms_settlement_id", "dms_transfer_id", "invoice_date", "partner_shipping_id", "state"]
        )  # fmt: skip
        self.env["res.partner"].flush_model(["territory_id"])

    @api.model
    def _get_rate_sql(self, currency):
        """The currency's rate of the invoice's day, as ``res.currency`` would find it."""
        return SQL(
            """
            COALESCE((
                SELECT rate.rate
                  FROM res_currency_rate rate
                 WHERE rate.currency_id = %(currency)s
                   AND (rate.company_id IS NULL OR rate.company_id = SPLIT_PART(company.parent_path, '/', 1)::int)
                   AND rate.name <= move.invoice_date
                 ORDER BY rate.company_id, rate.name DESC
                 LIMIT 1
            ), 1)
            """,
            currency=currency,
        )

    def _format_goods(self):
        """The products as a text."""
        self.ensure_one()
        goods = [*self.categ_ids.mapped("name"), *self.product_ids.mapped("display_name")]
        return ", ".join(goods) or self.env._("All products")

    def _format_target(self):
        self.ensure_one()
        return (
            formatLang(self.env, self.target_amount, currency_obj=self.currency_id)
            if self.target_amount
            else ""
        )

    def _format_terms(self):
        """All that the line says besides its territory, as a text."""
        self.ensure_one()
        terms = [
            self._format_goods(),
            self.env._("exclusive") if self.exclusive else self.env._("not exclusive"),
        ]
        if self.target_amount:
            terms.append(self.env._("%s a year", self._format_target()))
        if self.target_ids:
            names, months = self.env["dms.agreement.target"]._get_months(), self._get_months()
            terms.append(
                self.env._(
                    "by month: %s",
                    ", ".join(
                        f"{names[month]} {formatLang(self.env, months.get(month, 0.0), currency_obj=self.currency_id)}"
                        for month in target.MONTHS
                    ),
                )
            )
        return "; ".join(terms)

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
