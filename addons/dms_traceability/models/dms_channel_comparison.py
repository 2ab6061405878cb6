from odoo import api, models
from odoo.tools import SQL

from .dms_code import CASE, RECEIVED, UNIT


class DmsChannelComparison(models.Model):
    _inherit = "dms.channel.comparison"

    @api.model
    def _get_scanned_sql(self, partners, products, company):
        """Units whose code was received by a distributor and has not been sold, used up or taken out of use since.

        A scanned case stands for the units that are in it now and have no later state of their own. A distributor that
        never got a coded unit of a product is left out.
        """
        chosen = SQL("AND codes.product_id = ANY(%s)", products.ids) if products is not None else SQL()
        return SQL(
            """
            WITH label AS (
                SELECT code.key, code.level, code.state, code.partner_id, codes.product_id
                  FROM dms_trace_code code
                  JOIN dms_code_order codes ON code.key BETWEEN codes.first_key AND codes.last_key
                 WHERE code.partner_id = ANY(%(partners)s) AND codes.company_id = %(company)s %(chosen)s
            ), held AS (
                SELECT partner_id, product_id, COUNT(*) AS quantity FROM label
                 WHERE level = %(unit)s AND state = %(received)s GROUP BY partner_id, product_id
             UNION ALL
                SELECT label.partner_id, label.product_id, SUM(pack.last - pack.first + 1 - gone.quantity)
                  FROM label
                  JOIN dms_trace_pack pack ON pack.parent = label.key AND pack.unpacked_on IS NULL
            CROSS JOIN LATERAL (
                        SELECT COUNT(*) AS quantity FROM dms_trace_code unit
                         WHERE unit.key BETWEEN pack.first AND pack.last AND unit.state > %(received)s
                       ) gone
                 WHERE label.level = %(case)s AND label.state = %(received)s GROUP BY label.partner_id, label.product_id
            )
            SELECT partner_id, product_id, COALESCE(SUM(held.quantity), 0)::numeric
              FROM (SELECT DISTINCT partner_id, product_id FROM label) coded
         LEFT JOIN held USING (partner_id, product_id)
          GROUP BY partner_id, product_id
            """,
            partners=partners.ids,
            company=company.id,
            chosen=chosen,
            unit=UNIT,
            case=CASE,
            received=RECEIVED,
        )
