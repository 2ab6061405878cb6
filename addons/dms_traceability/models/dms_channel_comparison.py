from odoo import api, models
from odoo.tools import SQL

from .dms_code_tables import RECEIVED, UNIT


class DmsChannelComparison(models.Model):
    _inherit = "dms.channel.comparison"

    @api.model
    def _get_scanned_sql(self, partners, products, company):
        """Units whose code was received by a distributor and has not been sold, used up or taken out of use since.

        A scanned package stands for the units that are in it now and have no later state of their own; what an outlet or
        a sub-distributor scanned in is not there any more. A distributor that never got a coded unit of a product is
        left out.

        What was delivered is found by its delivery, and only what was handed on in the channel by who has it: an index of
        every shipped code by its distributor would cost each shipment a quarter of its time.
        """
        self.env["dms.trace.event"].flush_model(["partner_id", "picking_id", "biz_step"])
        chosen = SQL("AND codes.product_id = ANY(%s)", products.ids) if products is not None else SQL()
        return SQL(
            """
            WITH RECURSIVE label AS (
               (SELECT code.partner_id, code.key AS first, code.key AS last,
                       code.state = %(received)s AND code.holder_id IS NULL AS there
                  FROM (SELECT DISTINCT picking_id FROM dms_trace_event
                         WHERE partner_id = ANY(%(partners)s) AND biz_step = 'shipping') shipped
                  JOIN dms_trace_code code ON code.picking_id = shipped.picking_id
                 WHERE code.partner_id = ANY(%(partners)s)
             UNION ALL
                SELECT code.partner_id, code.key, code.key, code.state = %(received)s AND code.holder_id IS NULL
                  FROM dms_trace_code code
                 WHERE code.partner_id = ANY(%(partners)s) AND code.picking_id IS NULL)
             UNION ALL
                SELECT label.partner_id, pack.first, pack.last, label.there
                  FROM label
                  JOIN dms_trace_pack pack ON pack.parent BETWEEN label.first AND label.last
                                          AND pack.unpacked_on IS NULL
            ), held AS (
                SELECT label.partner_id, codes.product_id,
                       SUM(label.last - label.first + 1 - gone.quantity) FILTER (WHERE label.there) AS quantity
                  FROM label
                  JOIN dms_trace_code code ON code.key = label.first AND code.level = %(unit)s
                  JOIN dms_code_order codes ON label.first BETWEEN codes.first_key AND codes.last_key
            CROSS JOIN LATERAL (
                        SELECT COUNT(*) AS quantity FROM dms_trace_code unit
                         WHERE unit.key BETWEEN label.first AND label.last AND unit.state > %(received)s
                       ) gone
                 WHERE codes.company_id = %(company)s %(chosen)s
              GROUP BY label.partner_id, codes.product_id
            )
            SELECT partner_id, product_id, COALESCE(quantity, 0)::numeric FROM held
            """,
            partners=partners.ids,
            company=company.id,
            chosen=chosen,
            unit=UNIT,
            received=RECEIVED,
        )
