from odoo import api, models
from odoo.tools import SQL

from odoo.addons.dms_channel.tools import rebate


class DmsRebateModifier(models.AbstractModel):
    _inherit = "dms.rebate.modifier"

    @api.model
    def _get_diverted(self, program, partner_ids, start, end):
        """Items of confirmed cases leave the base of the period in which they were last found.

        Each item counts as one of the product's unit: at the average net price of the distributor's invoices, or in the
        programme's unit, weight or volume. A granted appeal puts them back.
        """
        product_ids = program._get_product_scopes()[0][2]
        rows = self.env.execute_query(
            SQL(
                """
                SELECT alert.partner_id, alert.product_id, SUM(alert.code_count)
                  FROM dms_diversion_alert AS alert
                  JOIN dms_diversion_case AS ruled ON ruled.id = alert.case_id
                 WHERE ruled.ruling = 'confirmed' AND COALESCE(ruled.appeal_outcome, 'rejected') != 'granted'
                   AND alert.company_id = %s AND alert.partner_id = ANY(%s)
                   AND alert.date_last::date BETWEEN %s AND %s
              GROUP BY alert.partner_id, alert.product_id
                """,
                program.company_id.id,
                list(partner_ids),
                start,
                end,
            )
        )
        diverted = super()._get_diverted(program, partner_ids, start, end)
        prices = {}
        if program.basis == "amount":
            prices = self._get_average_prices(program.currency_id, program.company_id, rows, end)
        points = program.point_ids._get_points() if program.basis == "points" else {}
        for partner_id, product_id, count in rows:
            if product_ids is None or product_id in product_ids:
                product = self.env["product.product"].browse(product_id)
                each = prices.get((partner_id, product_id)) or self._get_measure_of_unit(
                    program, product, points
                )
                diverted[partner_id] = diverted.get(partner_id, rebate.ZERO) + rebate.round_to(
                    rebate.decimal(count) * each, rebate.decimal("0.0001")
                )
        return diverted

    @api.model
    def _get_average_prices(self, currency, company, rows, end):
        """Return the average net price of a unit that was invoiced until ``end``.

        :param rows: tuples (partner id, product id, anything)
        :return: dict (partner id, product id) -> Decimal in ``currency``
        """
        averages = self.env.execute_query(
            SQL(
                """
                SELECT move.commercial_partner_id, line.product_id,
                       SUM(-line.balance) / NULLIF(SUM(line.quantity * unit.factor / own_unit.factor), 0)
                  FROM account_move_line AS line
                  JOIN account_move AS move ON move.id = line.move_id
                  JOIN product_product AS product ON product.id = line.product_id
                  JOIN product_template AS template ON template.id = product.product_tmpl_id
                  JOIN uom_uom AS unit ON unit.id = line.product_uom_id
                  JOIN uom_uom AS own_unit ON own_unit.id = template.uom_id
                 WHERE move.state = 'posted' AND move.move_type = 'out_invoice' AND move.company_id = %s
                   AND line.display_type = 'product' AND move.commercial_partner_id = ANY(%s)
                   AND line.product_id = ANY(%s) AND move.invoice_date <= %s
              GROUP BY move.commercial_partner_id, line.product_id
                """,
                company.id,
                [partner_id for partner_id, _product, _count in rows],
                [product_id for _partner, product_id, _count in rows],
                end,
            )
        )
        return {
            (partner_id, product_id): rebate.decimal(
                company.currency_id._convert(float(price), currency, company, end)
            )
            for partner_id, product_id, price in averages
            if price
        }

    @api.model
    def _get_measure_of_unit(self, program, product, points):
        """Return what one of the product's unit counts for; without any invoice, its list price.

        :param points: dict product id -> points, of a programme that measures them
        """
        match program.basis:
            case "weight" | "volume":
                return rebate.decimal(product[program.basis])
            case "points":
                return rebate.decimal(points.get(product.id, 0))
            case "quantity":
                if not product.uom_id._has_common_reference(program.uom_id):
                    return rebate.ZERO
                return rebate.decimal(product.uom_id._compute_quantity(1, program.uom_id, round=False))
            case _:
                return rebate.decimal(product.list_price)
