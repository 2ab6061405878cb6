from odoo import fields, models
from odoo.tools import SQL


class DmsRebateAnalysis(models.Model):
    """What programmes cost beside the margin of what they reward, in the company's currency.

    Three kinds of rows, so that each sum is the one of its source:

    - accruals, on the day on which the document counts. An accrual of a document is shared among the categories of its
      lines in scope, in proportion to their net value; one of a whole period has no category.
    - pay-outs: rebate lines and corrections of posted settlements, on the day of posting.
    - sales: the invoice lines in scope, within the programme's validity, of distributors that have a standing in it, net
      of credit notes. Their cost is the quantity at the product's standard price as it is now, which stock valuation
      keeps at the average or first-in cost where the category says so. A line that two programmes count is a sale of
      both: compare programmes, don't add their sales up.
    """

    _name = "dms.rebate.analysis"
    _description = "Rebate Analysis"
    _auto = False
    _order = "date desc, program_id"

    date = fields.Date(readonly=True)
    program_id = fields.Many2one("dms.rebate.program", "Programme", readonly=True)
    version = fields.Char(readonly=True)
    partner_id = fields.Many2one("res.partner", "Distributor", readonly=True)
    territory_id = fields.Many2one("dms.territory", readonly=True)
    categ_id = fields.Many2one("product.category", "Product Category", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    company_currency_id = fields.Many2one("res.currency", readonly=True)
    accrued = fields.Monetary(currency_field="company_currency_id", readonly=True)
    paid_out = fields.Monetary(currency_field="company_currency_id", readonly=True)
    sales = fields.Monetary("Net Sales", currency_field="company_currency_id", readonly=True)
    cost = fields.Monetary("Cost of Goods", currency_field="company_currency_id", readonly=True)
    margin = fields.Monetary(currency_field="company_currency_id", readonly=True)
    margin_after = fields.Monetary(
        "Margin after Rebates", currency_field="company_currency_id", readonly=True
    )

    @property
    def _table_query(self):
        return SQL(
            """
            WITH scope AS (%(scope)s),
            fact AS (%(accruals)s UNION ALL %(pay_outs)s UNION ALL %(sales)s)
            SELECT ROW_NUMBER() OVER () AS id, fact.date, fact.program_id, 'v' || program.version AS version,
                   fact.partner_id, partner.territory_id, fact.categ_id, fact.company_id,
                   company.currency_id AS company_currency_id, fact.accrued, fact.paid_out, fact.sales, fact.cost,
                   fact.sales - fact.cost AS margin, fact.sales - fact.cost - fact.accrued AS margin_after
              FROM fact
              JOIN dms_rebate_program AS program ON program.id = fact.program_id
              JOIN res_partner AS partner ON partner.id = fact.partner_id
              JOIN res_company AS company ON company.id = fact.company_id
            """,
            scope=self._select_scope(),
            accruals=self._select_accruals(),
            pay_outs=self._select_pay_outs(),
            sales=self._select_sales(),
        )

    def _select_scope(self):
        """Programmes and the products that they count."""
        products = self.env["dms.rebate.program"]._fields["product_ids"]
        categories = self.env["dms.rebate.program"]._fields["categ_ids"]
        return SQL(
            """
            SELECT program.id AS program_id, product.id AS product_id, template.categ_id
              FROM dms_rebate_program AS program
              JOIN product_product AS product ON TRUE
              JOIN product_template AS template ON template.id = product.product_tmpl_id
         LEFT JOIN product_category AS category ON category.id = template.categ_id
             WHERE NOT EXISTS (SELECT FROM %(products)s AS one WHERE one.%(products_1)s = program.id)
                   AND NOT EXISTS (SELECT FROM %(categories)s AS one WHERE one.%(categories_1)s = program.id)
                OR EXISTS (SELECT FROM %(products)s AS one
                            WHERE one.%(products_1)s = program.id AND one.%(products_2)s = product.id)
                OR EXISTS (SELECT FROM %(categories)s AS one
                             JOIN product_category AS parent ON parent.id = one.%(categories_2)s
                            WHERE one.%(categories_1)s = program.id
                              AND category.parent_path LIKE parent.parent_path || '%%')
            """,
            products=SQL.identifier(products.relation),
            products_1=SQL.identifier(products.column1),
            products_2=SQL.identifier(products.column2),
            categories=SQL.identifier(categories.relation),
            categories_1=SQL.identifier(categories.column1),
            categories_2=SQL.identifier(categories.column2),
        )

    def _select_accruals(self):
        return SQL(
            """
            SELECT accrual.date, accrual.program_id, accrual.partner_id, share.categ_id, accrual.company_id,
                   accrual.amount_company * COALESCE(share.weight, 1) AS accrued, 0::numeric AS paid_out,
                   0::numeric AS sales, 0::numeric AS cost
              FROM dms_rebate_accrual AS accrual
         LEFT JOIN LATERAL (
                   SELECT scope.categ_id, SUM(line.balance) / NULLIF(SUM(SUM(line.balance)) OVER (), 0) AS weight
                     FROM account_move_line AS line
                     JOIN scope ON scope.product_id = line.product_id AND scope.program_id = accrual.program_id
                    WHERE line.move_id = accrual.move_id AND line.display_type = 'product'
                 GROUP BY scope.categ_id
                   ) AS share ON share.weight IS NOT NULL
            """
        )

    def _select_pay_outs(self):
        """In company currency at the accruals' own rate, a correction at its posting's."""
        return SQL(
            """
            SELECT COALESCE(posting.date, settlement.date_to), line.program_id, line.partner_id, NULL::int,
                   line.company_id, 0,
                   line.amount * COALESCE(accrued.rate, 1 / NULLIF(posting.invoice_currency_rate, 0), 1), 0, 0
              FROM dms_settlement_line AS line
              JOIN dms_settlement AS settlement ON settlement.id = line.settlement_id
         LEFT JOIN account_move AS posting ON posting.id = settlement.posting_id
         LEFT JOIN LATERAL (SELECT SUM(amount_company) / NULLIF(SUM(amount), 0) AS rate
                              FROM dms_rebate_accrual WHERE settlement_line_id = line.id) AS accrued ON TRUE
             WHERE settlement.state = 'posted' AND line.program_id IS NOT NULL
               AND line.kind IN ('rebate', 'correction')
            """
        )

    def _select_sales(self):
        return SQL(
            """
            SELECT move.invoice_date, program.id, standing.partner_id, scope.categ_id, move.company_id, 0, 0,
                   -line.balance,
                   line.quantity * COALESCE(unit.factor / NULLIF(stock_unit.factor, 0), 1)
                       * CASE move.move_type WHEN 'out_refund' THEN -1 ELSE 1 END
                       * COALESCE((product.standard_price ->> move.company_id::text)::numeric, 0)
              FROM (SELECT DISTINCT program_id, partner_id FROM dms_rebate_balance) AS standing
              JOIN dms_rebate_program AS program ON program.id = standing.program_id
              JOIN account_move AS move ON move.commercial_partner_id = standing.partner_id
                   AND move.company_id = program.company_id AND move.state = 'posted'
                   AND move.move_type IN ('out_invoice', 'out_refund') AND move.dms_settlement_id IS NULL
                   AND move.invoice_date >= program.date_start
                   AND (program.date_end IS NULL OR move.invoice_date <= program.date_end)
              JOIN account_move_line AS line ON line.move_id = move.id AND line.display_type = 'product'
              JOIN scope ON scope.product_id = line.product_id AND scope.program_id = program.id
              JOIN product_product AS product ON product.id = line.product_id
              JOIN product_template AS template ON template.id = product.product_tmpl_id
         LEFT JOIN uom_uom AS unit ON unit.id = line.product_uom_id
         LEFT JOIN uom_uom AS stock_unit ON stock_unit.id = template.uom_id
            """
        )
