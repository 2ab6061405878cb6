from odoo import api, fields, models
from odoo.tools import SQL

SUMS = (
    "sell_in",
    "sell_out",
    "returned",
    "transfer",
    "counted",
    "change",
    "sell_in_amount",
    "sell_out_amount",
)


class DmsChannelWeek(models.Model):
    """The moves of a distributor, outlet and product, summed by week: what analyses read instead of the moves.

    Kept in the statement that adds the moves, so a correction of last year is in last year's week at once.
    """

    _name = "dms.channel.week"
    _description = "Channel Stock by Week"
    _order = "week desc, partner_id, product_id"
    _rec_name = "product_id"
    _log_access = False

    company_id = fields.Many2one("res.company", required=True, readonly=True)
    currency_id = fields.Many2one(related="company_id.currency_id")
    partner_id = fields.Many2one(
        "res.partner", string="Distributor", required=True, readonly=True, index=True
    )
    territory_id = fields.Many2one(related="partner_id.territory_id", string="Territory")
    grade_id = fields.Many2one(related="partner_id.grade_id", string="Grade")
    outlet_id = fields.Many2one("res.partner", readonly=True, index="btree_not_null")
    product_id = fields.Many2one("product.product", required=True, readonly=True, index=True)
    categ_id = fields.Many2one(related="product_id.categ_id", string="Product Category")
    week = fields.Date(required=True, readonly=True, index=True, help="The week's Monday.")
    sell_in = fields.Float(digits="Product Unit", readonly=True, help="Delivered, less what was sent back.")
    sell_out = fields.Float(
        digits="Product Unit", readonly=True, help="Sold, less what customers brought back."
    )
    returned = fields.Float(
        digits="Product Unit",
        readonly=True,
        help="Brought back by customers; taken off the sell-out already.",
    )
    transfer = fields.Float(digits="Product Unit", readonly=True)
    counted = fields.Float(
        string="Count Difference",
        digits="Product Unit",
        readonly=True,
        help="Found at counts; negative: missing.",
    )
    change = fields.Float(
        string="Change of Stock", digits="Product Unit", readonly=True, help="All of these together."
    )
    sell_in_amount = fields.Monetary(string="Sell-in Value", readonly=True)
    sell_out_amount = fields.Monetary(string="Sell-out Value", readonly=True)

    _series_uniq = models.UniqueIndex(
        "(company_id, partner_id, product_id, week, COALESCE(outlet_id, 0))",
        "A series has one row for each week.",
    )

    def init(self):
        """Sum up the moves of a database that had them before it had this table."""
        [(missing,)] = self.env.execute_query(
            SQL("SELECT NOT EXISTS (SELECT FROM dms_channel_week) AND EXISTS (SELECT FROM dms_channel_move)")
        )
        if missing:
            self.env.cr.execute(
                self._get_upsert_sql(
                    SQL(
                        "SELECT company_id, partner_id, outlet_id, product_id, date, kind, quantity, amount FROM dms_channel_move"
                    )
                )
            )

    @api.model
    def _get_sums_sql(self, moves):
        """Answer the sums by week of the query ``moves`` (company_id ... amount, as in ``dms.channel.move``)."""
        return SQL(
            """
            SELECT company_id, partner_id, outlet_id, product_id, date_trunc('week', date)::date AS week,
                   COALESCE(SUM(quantity) FILTER (WHERE kind = 'sell_in'), 0) AS sell_in,
                   COALESCE(-SUM(quantity) FILTER (WHERE kind IN ('sell_out', 'return')), 0) AS sell_out,
                   COALESCE(SUM(quantity) FILTER (WHERE kind = 'return'), 0) AS returned,
                   COALESCE(SUM(quantity) FILTER (WHERE kind = 'transfer'), 0) AS transfer,
                   COALESCE(SUM(quantity) FILTER (WHERE kind = 'count'), 0) AS counted,
                   COALESCE(SUM(quantity), 0) AS change,
                   COALESCE(SUM(amount) FILTER (WHERE kind = 'sell_in'), 0) AS sell_in_amount,
                   COALESCE(-SUM(amount) FILTER (WHERE kind IN ('sell_out', 'return')), 0) AS sell_out_amount
              FROM (%s) move
          GROUP BY company_id, partner_id, outlet_id, product_id, date_trunc('week', date)
            """,
            moves,
        )

    @api.model
    def _get_upsert_sql(self, moves):
        """Answer the statement that adds the query ``moves`` to their weeks, in one order for all transactions."""
        return SQL(
            """
            INSERT INTO dms_channel_week AS week
                   (company_id, partner_id, outlet_id, product_id, week, %(names)s)
            %(sums)s
          ORDER BY company_id, partner_id, product_id, week, COALESCE(outlet_id, 0)
            ON CONFLICT (company_id, partner_id, product_id, week, COALESCE(outlet_id, 0)) DO UPDATE SET %(added)s
            RETURNING 1
            """,
            names=SQL(", ").join(map(SQL.identifier, SUMS)),
            sums=self._get_sums_sql(moves),
            added=self._get_added_sql(),
        )

    @api.model
    def _get_added_sql(self):
        return SQL(", ").join(
            SQL("%(name)s = week.%(name)s + EXCLUDED.%(name)s", name=SQL.identifier(name)) for name in SUMS
        )

    @api.model
    def _merge_outlets(self, sources, target):
        """Add the weeks of the outlets ``sources`` to those of ``target``."""
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                WITH taken AS (DELETE FROM dms_channel_week WHERE outlet_id IN %(sources)s RETURNING *)
                INSERT INTO dms_channel_week AS week (company_id, partner_id, outlet_id, product_id, week, %(names)s)
                SELECT company_id, partner_id, %(target)s, product_id, week, %(sums)s
                  FROM taken
              GROUP BY company_id, partner_id, product_id, week
                ON CONFLICT (company_id, partner_id, product_id, week, COALESCE(outlet_id, 0)) DO UPDATE SET %(added)s
                """,
                sources=tuple(sources.ids),
                target=target.id,
                names=SQL(", ").join(map(SQL.identifier, SUMS)),
                sums=SQL(", ").join(SQL("SUM(%s)", SQL.identifier(name)) for name in SUMS),
                added=self._get_added_sql(),
            )
        )
        self.invalidate_model()

    @api.model
    def _count_differences(self):
        """How many weeks are not the sum of their moves; nothing is mended."""
        self.env.flush_all()
        [(wrong,)] = self.env.execute_query(
            SQL(
                """
                SELECT COUNT(*)
                  FROM (%s) ledger
             FULL JOIN dms_channel_week week
                    ON week.company_id = ledger.company_id AND week.partner_id = ledger.partner_id
                   AND week.product_id = ledger.product_id AND week.week = ledger.week
                   AND COALESCE(week.outlet_id, 0) = COALESCE(ledger.outlet_id, 0)
                 WHERE (COALESCE(week.sell_in, 0), COALESCE(week.sell_out, 0), COALESCE(week.change, 0))
                       <> (COALESCE(ledger.sell_in, 0), COALESCE(ledger.sell_out, 0), COALESCE(ledger.change, 0))
                """,
                self._get_sums_sql(SQL("SELECT * FROM dms_channel_move")),
            )
        )
        return wrong
