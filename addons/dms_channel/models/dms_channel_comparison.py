from decimal import Decimal

from odoo import api, fields, models
from odoo.tools import SQL, split_every

from ..tools import comparison

#: Days that are looked back at where there was no count before.
HISTORY = 180
PARTNERS = 20
WAITING = "dms.channel.comparison"
ZERO = Decimal(0)
#: What a row is written from.
ROW = (
    "partner_id",
    "product_id",
    "feed_line_id",
    "count_date",
    "counted",
    "books",
    "has_scans",
    "scanned",
    "scan_books",
    "cause",
    "explained",
)
#: What ``_get_compared_sql`` answers after distributor, product, line and day: exact numbers as texts, then the rest.
FIGURES = (
    "counted",
    "books",
    "in_transit",
    "undelivered",
    "unreleased",
    "repeated",
    "sold",
    "returned",
    "return_share",
)
FLAGS = ("days", "silent_days", "counted_before", "booked_before")


class DmsChannelComparison(models.Model):
    """A distributor's last count of a product beside the ledger and, once codes are scanned, the units known there.

    Rows follow from counts and scans: those of a distributor are written anew whenever its counts or what lies before
    them change, all of them each night. What the ledger says now is read from the position itself.
    """

    _name = "dms.channel.comparison"
    _description = "Count, Ledger and Scans Compared"
    _order = "abs_value desc, id"
    _rec_name = "product_id"
    _log_access = False

    position_id = fields.Many2one(
        "dms.channel.position", required=True, readonly=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one("res.company", required=True, readonly=True, index=True)
    currency_id = fields.Many2one(related="company_id.currency_id")
    partner_id = fields.Many2one(
        "res.partner", string="Distributor", required=True, readonly=True, index=True
    )
    territory_id = fields.Many2one(related="partner_id.territory_id", string="Territory")
    product_id = fields.Many2one("product.product", required=True, readonly=True, index=True)
    categ_id = fields.Many2one(related="product_id.categ_id", string="Product Category")
    uom_id = fields.Many2one(related="product_id.uom_id", string="Unit")
    feed_line_id = fields.Many2one(
        "dms.feed.line", string="Count", readonly=True, index="btree_not_null", ondelete="cascade"
    )
    feed_id = fields.Many2one(related="feed_line_id.feed_id", string="Feed")
    count_date = fields.Date(string="Counted On", readonly=True)
    counted = fields.Float(digits="Product Unit", readonly=True, help="What the distributor counted last.")
    books = fields.Float(
        string="Books That Day",
        digits="Product Unit",
        readonly=True,
        help="The ledger at the end of that day before the count corrected it, goods on their way included.",
    )
    difference = fields.Float(
        string="Count Less Books", digits="Product Unit", readonly=True, help="Negative: goods are missing."
    )
    difference_value = fields.Monetary(
        string="Difference in Value",
        readonly=True,
        help="Of the count, or of the scans where the count agrees, at the position's last sell-in price.",
    )
    abs_value = fields.Monetary(string="Size of the Difference", readonly=True)
    quantity = fields.Float(related="position_id.quantity", string="Ledger Now", digits="Product Unit")
    in_transit = fields.Float(related="position_id.in_transit", digits="Product Unit")
    has_scans = fields.Boolean(readonly=True, help="Units of this product carry codes.")
    scanned = fields.Float(
        string="Scanned Units",
        digits="Product Unit",
        readonly=True,
        help="Units whose last scan says that they are at the distributor.",
    )
    scan_books = fields.Float(
        string="Books at the Scan",
        digits="Product Unit",
        readonly=True,
        help="The ledger when the units were counted by their codes, without goods on their way.",
    )
    scan_difference = fields.Float(string="Scans Less Books", digits="Product Unit", readonly=True)
    differs = fields.Boolean(readonly=True)
    cause = fields.Selection(
        selection=[
            ("agree", "Agree"),
            ("opening", "First count"),
            ("in_transit", "Goods on their way"),
            ("undelivered", "Delivery not booked"),
            ("late_report", "Sales not reported yet"),
            ("duplicate", "Sales reported twice"),
            ("unit", "Unit mixed up"),
            ("returns", "Returns not reported"),
            ("loss", "Goods missing"),
            ("unbooked", "Goods of unknown origin"),
            ("unscanned", "Sold without a scan"),
            ("uncoded", "Goods without scanned codes"),
        ],
        string="Likely Cause",
        required=True,
        readonly=True,
        index=True,
        default="agree",
    )
    explained = fields.Float(
        string="Explained by It",
        digits="Product Unit",
        readonly=True,
        help="The part of the difference that the cause accounts for.",
    )
    advice = fields.Char(string="What to Do", compute="_compute_advice")
    compared_on = fields.Datetime(readonly=True)

    _position_uniq = models.Constraint("UNIQUE(position_id)", "A position is compared once.")

    @api.depends("product_id", "partner_id")
    def _compute_display_name(self):
        # a portal user sees its own, but not the product's record
        for row in self.sudo():
            row.display_name = f"{row.product_id.display_name} · {row.partner_id.display_name}"

    @api.depends("cause")
    def _compute_advice(self):
        sentences = {
            "agree": self.env._("Nothing to do."),
            "opening": self.env._("The first count sets the stock; from now on differences can be explained."),
            "in_transit": self.env._("Sign for the deliveries that have arrived; what is on its way is in the books already."),
            "undelivered": self.env._("Book the deliveries that have left the warehouse."),
            "late_report": self.env._("Send and release the sales of the days up to the count."),
            "duplicate": self.env._("Compare the reports of these days and take back the one that was sent twice."),
            "unit": self.env._("Check whether packs or pieces were counted, and name the unit in the file."),
            "returns": self.env._("Report what customers brought back."),
            "loss": self.env._("Count once more, and look for sales that were not reported, breakage or theft."),
            "unbooked": self.env._("Find out where these goods came from: they were not delivered here."),
            "unscanned": self.env._("Scan goods when they are sold, or report the sales."),
            "uncoded": self.env._("Scan the labels of what is there: these units were never scanned on their way here, or went elsewhere."),
        }  # fmt: skip
        for row in self:
            row.advice = sentences.get(row.cause, "")

    def action_open_moves(self):
        self.ensure_one()
        return self.position_id.action_open_moves()

    def action_open_feed(self):
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "dms.feed",
            "res_id": self.feed_id.id,
            "view_mode": "form",
        }

    @api.model
    def action_refresh(self):
        """Compare all that the user may see anew, scans included."""
        self.check_access("read")
        for company in self.env.companies:
            self._refresh(self._get_partners(company), company=company, scans=True)
        return {"type": "ir.actions.client", "tag": "soft_reload"}

    @api.model
    def _cron_refresh(self):
        cron = self.env["ir.cron"]
        jobs = [
            (company, self.env["res.partner"].browse(ids))
            for company in self.env["res.company"].search([])
            for ids in split_every(PARTNERS, self._get_partners(company).ids)
        ]
        cron._commit_progress(remaining=len(jobs))
        for company, partners in jobs:
            self._refresh(partners, company=company, scans=True)
            if not cron._commit_progress(1):
                return

    @api.model
    def _get_partners(self, company):
        """Answer the distributors with a position in ``company``."""
        groups = (
            self.env["dms.channel.position"]
            .sudo()
            ._read_group([("company_id", "=", company.id)], ["partner_id"])
        )
        return self.env["res.partner"].concat(*(partner for (partner,) in groups))

    @api.model
    def _refresh_later(self, added):
        """Compare the series that moves were added to, once, at the end of the transaction.

        Only then do the lines of counts say whether they stand, and a period that replaces thirty others is one change.

        :param SQL added: answers company_id, partner_id and product_id, among others
        """
        waiting = self.env.cr.precommit.data
        if WAITING not in waiting:
            waiting[WAITING] = {}
            self.env.cr.precommit.add(self.sudo()._refresh_waiting)
        rows = self.env.execute_query(
            SQL("SELECT DISTINCT company_id, partner_id, product_id FROM (%s) added", added)
        )
        for company_id, partner_id, product_id in rows:
            partner_ids, product_ids = waiting[WAITING].setdefault(company_id, (set(), set()))
            partner_ids.add(partner_id)
            product_ids.add(product_id)

    @api.model
    def _refresh_waiting(self):
        for company_id, (partner_ids, product_ids) in self.env.cr.precommit.data.pop(WAITING, {}).items():
            self._refresh(
                self.env["res.partner"].browse(sorted(partner_ids)),
                self.env["product.product"].browse(sorted(product_ids)),
                self.env["res.company"].browse(company_id),
            )

    @api.model
    def _refresh(self, partners, products=None, company=None, scans=False):
        """Compare these distributors' last counts with the ledger, and with the scans, and write what was found.

        :param partners: distributors
        :param products: products to compare (all where None)
        :param company: whose ledger (the current company's where None)
        :param bool scans: count the units known to be there by their codes, too; else what was found last stands
        """
        if not partners:
            return
        company = company or self.env.company
        self.env.flush_all()
        self.env["dms.channel.move"]._lock_partners(partners.ids)
        found = self._get_compared(partners, products, company)
        scanned = self._get_scanned(partners, products, company, scans)
        packs = self._get_packs({product_id for _partner, product_id in found})
        rows = [
            self._prepare_row(key, found.get(key), scanned.get(key), packs)
            for key in sorted(found.keys() | scanned.keys())
        ]
        self._write_rows(partners, products, company, rows)

    @api.model
    def _prepare_row(self, key, row, scan, packs):
        """Answer what is written of one distributor and product: its count, its scans and the cause of a difference."""
        partner_id, product_id = key
        line_id = day = None
        counted = books = units = scan_books = explained = ZERO
        cause = "agree"
        if row:
            line_id, day, facts = row
            counted, books = facts["counted"], facts["books"]
            cause, explained = comparison.count_cause(
                comparison.Facts(**facts, packs=packs.get(product_id, ()))
            )
        if scan:
            units, scan_books = scan
            if cause == "agree":
                cause = comparison.scan_cause(units, scan_books)
        return {
            "partner_id": partner_id,
            "product_id": product_id,
            "feed_line_id": line_id,
            "count_date": day,
            "counted": counted,
            "books": books,
            "has_scans": bool(scan),
            "scanned": units,
            "scan_books": scan_books,
            "cause": cause,
            "explained": explained,
        }

    @api.model
    def _write_rows(self, partners, products, company, rows):
        chosen = SQL("AND product_id = ANY(%s)", products.ids) if products is not None else SQL()
        self.env.cr.execute(
            SQL(
                """
                WITH new AS (
                    SELECT position.id AS position_id, position.price_unit AS price, row.*,
                           counted - books AS difference, scanned - scan_books AS scan_difference
                      FROM unnest(%(partner_id)s::integer[], %(product_id)s::integer[], %(feed_line_id)s::integer[],
                                  %(count_date)s::date[], %(counted)s::numeric[], %(books)s::numeric[],
                                  %(has_scans)s::boolean[], %(scanned)s::numeric[], %(scan_books)s::numeric[],
                                  %(cause)s::varchar[], %(explained)s::numeric[])
                        AS row (partner_id, product_id, feed_line_id, count_date, counted, books, has_scans, scanned,
                                scan_books, cause, explained)
                      JOIN dms_channel_position position USING (partner_id, product_id)
                     WHERE position.company_id = %(company)s
                ), gone AS (
                    DELETE FROM dms_channel_comparison
                     WHERE company_id = %(company)s AND partner_id = ANY(%(partners)s) %(chosen)s
                       AND position_id NOT IN (SELECT position_id FROM new)
                )
                INSERT INTO dms_channel_comparison
                       (position_id, company_id, partner_id, product_id, feed_line_id, count_date, counted, books,
                        difference, difference_value, abs_value, has_scans, scanned, scan_books, scan_difference,
                        differs, cause, explained, compared_on)
                SELECT position_id, %(company)s, partner_id, product_id, feed_line_id, count_date, counted, books,
                       difference, ROUND(COALESCE(NULLIF(difference, 0), scan_difference) * price, %(digits)s),
                       ROUND(abs(COALESCE(NULLIF(difference, 0), scan_difference) * price), %(digits)s),
                       has_scans, scanned, scan_books, scan_difference, difference <> 0 OR scan_difference <> 0,
                       cause, explained, now() AT TIME ZONE 'UTC'
                  FROM new ORDER BY position_id
                ON CONFLICT (position_id) DO UPDATE SET
                       feed_line_id = EXCLUDED.feed_line_id, count_date = EXCLUDED.count_date,
                       counted = EXCLUDED.counted, books = EXCLUDED.books, difference = EXCLUDED.difference,
                       difference_value = EXCLUDED.difference_value, abs_value = EXCLUDED.abs_value,
                       has_scans = EXCLUDED.has_scans, scanned = EXCLUDED.scanned, scan_books = EXCLUDED.scan_books,
                       scan_difference = EXCLUDED.scan_difference, differs = EXCLUDED.differs, cause = EXCLUDED.cause,
                       explained = EXCLUDED.explained, compared_on = EXCLUDED.compared_on
                """,
                company=company.id,
                partners=partners.ids,
                chosen=chosen,
                digits=company.currency_id.decimal_places,
                **{name: [row[name] for row in rows] for name in ROW},
            )
        )
        self.invalidate_model()

    @api.model
    def _get_packs(self, product_ids):
        """Answer {product id: sizes of its packs, in its unit}."""
        sizes = {}
        for product in self.env["product.product"].sudo().browse(product_ids):
            own = product.uom_id
            sizes[product.id] = tuple(
                Decimal(str(round(pack.factor / own.factor, 6)))
                for pack in product.uom_ids
                if pack.factor > own.factor
            )
        return sizes

    @api.model
    def _get_scanned(self, partners, products, company, scans):
        """Answer {(partner id, product id): (units, books)}, newly counted where ``scans``, else as found last."""
        query = self._get_scanned_sql(partners, products, company) if scans else None
        chosen = SQL("AND product_id = ANY(%s)", products.ids) if products is not None else SQL()
        if query is None:
            if scans:
                return {}
            rows = self.env.execute_query(
                SQL(
                    """
                    SELECT partner_id, product_id, scanned::text, scan_books::text FROM dms_channel_comparison
                     WHERE has_scans AND company_id = %s AND partner_id = ANY(%s) %s
                    """,
                    company.id,
                    partners.ids,
                    chosen,
                )
            )
        else:
            rows = self.env.execute_query(
                SQL(
                    """
                    SELECT partner_id, product_id, scan.quantity::text, (position.quantity - position.in_transit)::text
                      FROM (%s) scan (partner_id, product_id, quantity)
                      JOIN dms_channel_position position USING (partner_id, product_id)
                     WHERE position.company_id = %s
                    """,
                    query,
                    company.id,
                )
            )
        return {
            (partner, product): (Decimal(units), Decimal(books)) for partner, product, units, books in rows
        }

    @api.model
    def _get_scanned_sql(self, partners, products, company):
        """Hook: answer the query (partner_id, product_id, quantity) of units that codes say are at the distributors.

        Where units with codes came once and none is left, that is 0; what never came with codes is left out.

        :param partners: distributors
        :param products: products (all where None)
        :return: SQL, or None where no units carry codes
        """
        return

    @api.model
    def _get_compared(self, partners, products, company):
        """Answer {(partner id, product id): (count's line, day, figures of ``comparison.Facts``)} of the last counts."""
        rows = self.env.execute_query(self._get_compared_sql(partners, products, company))
        return {
            (partner_id, product_id): (
                line_id,
                day,
                {name: Decimal(text) for name, text in zip(FIGURES, figures[: len(FIGURES)], strict=True)}
                | dict(zip(FLAGS, figures[len(FIGURES) :], strict=True)),
            )
            for partner_id, product_id, line_id, day, *figures in rows
        }

    @api.model
    def _get_compared_sql(self, partners, products, company):
        """Answer the query of the last counts with all that may explain their differences."""
        return SQL(
            """
            WITH last AS (
                SELECT DISTINCT ON (partner_id, product_id) id, company_id, partner_id, product_id, date, quantity
                  FROM dms_feed_line
                 WHERE kind = 'count' AND state = 'released' AND company_id = %(company)s
                   AND partner_id = ANY(%(partners)s) %(chosen)s
              ORDER BY partner_id, product_id, date DESC, id DESC
            ), count AS MATERIALIZED (
                SELECT last.*, before.date AS before, COALESCE(before.date, last.date - %(history)s) AS since,
                       COALESCE(found.quantity, 0) AS found
                  FROM last
             LEFT JOIN LATERAL (
                        SELECT line.date FROM dms_feed_line line
                         WHERE line.kind = 'count' AND line.state = 'released' AND line.company_id = last.company_id
                           AND line.partner_id = last.partner_id AND line.product_id = last.product_id
                           AND (line.date, line.id) < (last.date, last.id)
                      ORDER BY line.date DESC, line.id DESC LIMIT 1
                       ) before ON TRUE
             LEFT JOIN LATERAL (
                        SELECT SUM(quantity) AS quantity FROM dms_channel_move move WHERE move.feed_line_id = last.id
                       ) found ON TRUE
            ), usual AS (
                SELECT partner_id, SUM(returned) / NULLIF(SUM(sell_out + returned), 0) AS share
                  FROM dms_channel_week
                 WHERE company_id = %(company)s AND partner_id = ANY(%(partners)s) AND week >= CURRENT_DATE - 364
              GROUP BY partner_id
            ), waiting AS (
                SELECT line.partner_id, line.product_id, line.date, SUM(line.quantity - line.returned) AS quantity
                  FROM dms_feed feed JOIN dms_feed_line line ON line.feed_id = feed.id
                 WHERE feed.company_id = %(company)s AND feed.kind = 'sell_through'
                   AND feed.state NOT IN ('rejected', 'superseded')
                   AND feed.ok_count + feed.error_count + feed.warning_count > 0
                   AND line.partner_id = ANY(%(partners)s) AND line.state IN ('ok', 'error', 'warning')
                   AND line.issue IS DISTINCT FROM 'conflict'
              GROUP BY line.partner_id, line.product_id, line.date
            ), due AS (
                SELECT buyer.commercial_partner_id AS partner_id, stock.product_id, stock.date::date AS date,
                       SUM(stock.product_qty) AS quantity
                  FROM stock_move stock
                  JOIN sale_order_line sale ON sale.id = stock.sale_line_id
                  JOIN sale_order ON sale_order.id = sale.order_id
                  JOIN res_partner buyer ON buyer.id = sale_order.partner_id
                  JOIN stock_location target ON target.id = stock.location_dest_id AND target.usage = 'customer'
                 WHERE stock.state IN ('waiting', 'confirmed', 'partially_available', 'assigned')
                   AND stock.company_id = %(company)s AND buyer.commercial_partner_id = ANY(%(partners)s)
              GROUP BY buyer.commercial_partner_id, stock.product_id, stock.date::date
            )
            SELECT count.partner_id, count.product_id, count.id, count.date,
                   count.quantity::text, (count.quantity - count.found)::text,
                   COALESCE(transit.quantity, 0)::text, COALESCE(undelivered.quantity, 0)::text,
                   COALESCE(unreleased.quantity, 0)::text, COALESCE(repeated.quantity, 0)::text,
                   COALESCE(moved.sold, 0)::text, COALESCE(moved.returned, 0)::text, COALESCE(usual.share, 0)::text,
                   count.date - COALESCE(count.before, moved.first - 1, count.date),
                   count.date - COALESCE(moved.last_sale, count.before, moved.first - 1, count.date),
                   count.before IS NOT NULL,
                   EXISTS (SELECT FROM dms_channel_move move
                            WHERE move.company_id = count.company_id AND move.partner_id = count.partner_id
                              AND move.product_id = count.product_id AND move.date <= count.date
                              AND move.feed_line_id IS DISTINCT FROM count.id)
              FROM count
         LEFT JOIN usual USING (partner_id)
         LEFT JOIN LATERAL (
                    SELECT SUM(sold) AS sold, SUM(returned) AS returned, MIN(date) AS first,
                           MAX(date) FILTER (WHERE sold > 0) AS last_sale
                      FROM (
                            SELECT date, -SUM(quantity) FILTER (WHERE kind IN ('sell_out', 'return')) AS sold,
                                   SUM(quantity) FILTER (WHERE kind = 'return') AS returned
                              FROM dms_channel_move move
                             WHERE move.company_id = count.company_id AND move.partner_id = count.partner_id
                               AND move.product_id = count.product_id AND move.date > count.since
                               AND move.date <= count.date AND move.feed_line_id IS DISTINCT FROM count.id
                          GROUP BY date
                           ) day
                   ) moved ON TRUE
         LEFT JOIN LATERAL (
                    SELECT SUM(move.quantity) AS quantity
                      FROM dms_channel_move move
                      JOIN stock_move stock ON stock.id = move.stock_move_id
                 LEFT JOIN stock_move original ON original.id = stock.origin_returned_move_id
                      JOIN stock_picking picking
                        ON picking.id = CASE WHEN move.quantity < 0 THEN original.picking_id ELSE stock.picking_id END
                     WHERE move.company_id = count.company_id AND move.partner_id = count.partner_id
                       AND move.product_id = count.product_id
                       AND move.date > count.date - %(history)s AND move.date <= count.date
                       AND (picking.dms_receipt_state = 'in_transit'
                            OR (picking.dms_received_on AT TIME ZONE 'UTC' AT TIME ZONE %(zone)s)::date > count.date)
                   ) transit ON TRUE
         LEFT JOIN LATERAL (
                    SELECT SUM(quantity) AS quantity FROM due
                     WHERE due.partner_id = count.partner_id AND due.product_id = count.product_id
                       AND due.date <= count.date
                   ) undelivered ON TRUE
         LEFT JOIN LATERAL (
                    SELECT SUM(quantity) AS quantity FROM waiting
                     WHERE waiting.partner_id = count.partner_id AND waiting.product_id = count.product_id
                       AND waiting.date > count.since AND waiting.date <= count.date
                   ) unreleased ON TRUE
         LEFT JOIN LATERAL (
                    SELECT SUM((files - 1) * quantity) AS quantity
                      FROM (
                            SELECT quantity, COUNT(DISTINCT feed_id) AS files
                              FROM dms_feed_line line
                             WHERE line.state = 'released' AND line.kind = 'sell_through'
                               AND line.company_id = count.company_id AND line.partner_id = count.partner_id
                               AND line.product_id = count.product_id AND line.quantity > 0
                               AND line.date > count.since AND line.date <= count.date
                          GROUP BY date, COALESCE(outlet_id, 0), quantity, COALESCE(price_unit, 0)
                            HAVING COUNT(DISTINCT feed_id) > 1
                           ) same
                   ) repeated ON TRUE
            """,
            company=company.id,
            partners=partners.ids,
            chosen=SQL("AND product_id = ANY(%s)", products.ids) if products is not None else SQL(),
            history=HISTORY,
            zone=company.partner_id.tz or "UTC",
        )
