from odoo import fields, models
from odoo.tools import SQL


class DmsChannelBatch(models.Model):
    """What is left of each batch at each distributor, and until when it keeps.

    Deliveries, transfers and returns say of which batch the goods were, sales and counts do not. What left without a
    batch is taken to be what expires first (first expired, first out, as the trade sells it), so that what is left of a
    distributor's batches is never more than its position.
    """

    _name = "dms.channel.batch"
    _description = "Batch in the Channel"
    _auto = False
    _order = "expiration_date, id"
    _rec_name = "lot_id"

    company_id = fields.Many2one("res.company", readonly=True)
    currency_id = fields.Many2one(related="company_id.currency_id")
    partner_id = fields.Many2one("res.partner", string="Distributor", readonly=True)
    territory_id = fields.Many2one("dms.territory", readonly=True)
    product_id = fields.Many2one("product.product", readonly=True)
    categ_id = fields.Many2one("product.category", string="Product Category", readonly=True)
    uom_id = fields.Many2one(related="product_id.uom_id", string="Unit")
    lot_id = fields.Many2one("stock.lot", string="Batch", readonly=True)
    expiration_date = fields.Date(string="Expires On", readonly=True)
    days_left = fields.Integer(
        readonly=True,
        aggregator="min",
        help="Until the batch expires; below zero: expired. 0 where nobody keeps its expiry date.",
    )
    first_date = fields.Date(
        string="There Since", readonly=True, help="Day on which goods of the batch first came."
    )
    known_quantity = fields.Float(
        string="Came In",
        digits="Product Unit",
        readonly=True,
        help="Of this batch, less what is known to have left again.",
    )
    quantity = fields.Float(
        string="About Left",
        digits="Product Unit",
        readonly=True,
        help="Sales and counts don't name the batch: what expires first is taken to be sold first.",
    )
    value = fields.Monetary(readonly=True, help="What is left, at the last sell-in price.")

    @property
    def _table_query(self):
        """Batches of which anything is left. A reader's distributor and product narrow the innermost query."""
        self.env["stock.lot"].flush_model()
        return SQL(
            """
            SELECT queue.id, queue.company_id, queue.partner_id, partner.territory_id, queue.product_id,
                   template.categ_id, queue.lot_id, queue.expiration_date,
                   COALESCE(queue.expiration_date - %(today)s, 0) AS days_left,
                   queue.first_date, queue.known_quantity,
                   LEAST(queue.known_quantity, queue.until - GREATEST(queue.known - position.quantity, 0)) AS quantity,
                   LEAST(queue.known_quantity, queue.until - GREATEST(queue.known - position.quantity, 0))
                       * position.price_unit AS value
              FROM (
                    SELECT batch.*, SUM(known_quantity) OVER series AS known,
                           SUM(known_quantity) OVER (series ORDER BY expiration_date NULLS LAST, lot_id) AS until
                      FROM (
                            SELECT MIN(move.id) AS id, move.company_id, move.partner_id, move.product_id, move.lot_id,
                                   %(expiry)s AS expiration_date, SUM(move.quantity) AS known_quantity,
                                   MIN(move.date) FILTER (WHERE move.quantity > 0) AS first_date
                              FROM dms_channel_move move
                              JOIN stock_lot lot ON lot.id = move.lot_id
                          GROUP BY move.company_id, move.partner_id, move.product_id, move.lot_id, lot.id
                            HAVING SUM(move.quantity) > 0
                           ) batch
                    WINDOW series AS (PARTITION BY company_id, partner_id, product_id)
                   ) queue
              JOIN dms_channel_position position USING (company_id, partner_id, product_id)
              JOIN res_partner partner ON partner.id = queue.partner_id
              JOIN product_product product ON product.id = queue.product_id
              JOIN product_template template ON template.id = product.product_tmpl_id
             WHERE queue.until > queue.known - position.quantity
               AND position.quantity > 0
            """,
            today=fields.Date.context_today(self),
            expiry=self.env["stock.lot"]._dms_get_expiry_sql("lot"),
        )

    def action_open_moves(self):
        self.ensure_one()
        return {
            **self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_channel_move_action"),
            "domain": [
                ("company_id", "=", self.company_id.id),
                ("partner_id", "=", self.partner_id.id),
                ("lot_id", "=", self.lot_id.id),
            ],
            "context": {},
        }
