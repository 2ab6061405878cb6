from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..tools.words import format_quantity
from .bulk_many2one import BulkMany2one

#: Columns that a source query of :meth:`DmsChannelMove._append` answers, in this order.
MOVE_COLUMNS = (
    "kind",
    "company_id",
    "partner_id",
    "outlet_id",
    "product_id",
    "lot_id",
    "date",
    "quantity",
    "price_unit",
    "currency_id",
    "amount",
    "feed_line_id",
    "stock_move_id",
    "reversed_move_id",
    "origin",
)
#: Columns that a source query may answer besides: those of goods that a transfer moves.
TRANSFER_COLUMNS = ("transfer_line_id", "layer_date", "layer_price")
MOVE_KINDS = [
    ("sell_in", "Sell-in"),
    ("sell_out", "Sell-out"),
    ("return", "Customer Return"),
    ("transfer", "Transfer"),
    ("count", "Count Difference"),
]


class DmsChannelMove(models.Model):
    """The append-only ledger of channel stock: what came to a distributor and what left it.

    ``quantity`` is signed, in the product's unit: goods that come count up, goods that leave count down. A move is
    never changed or deleted: a correction is an opposite move of the same kind and date. Whoever adds moves does so
    through :meth:`_append` (set-based) or ``create``; both keep ``dms.channel.position`` in the same transaction.
    """

    _name = "dms.channel.move"
    _description = "Channel Stock Move"
    _order = "date desc, id desc"
    # who and when are said by posted_by_id and posted_on; nobody ever writes
    _log_access = False

    kind = fields.Selection(selection=MOVE_KINDS, required=True, readonly=True)
    company_id = BulkMany2one(
        comodel_name="res.company",
        required=True,
        readonly=True,
        default=lambda self: self.env.company,
    )
    company_currency_id = fields.Many2one(related="company_id.currency_id", string="Company Currency")
    partner_id = BulkMany2one(
        comodel_name="res.partner",
        string="Distributor",
        required=True,
        readonly=True,
        domain=[("channel_role", "=", "distributor")],
    )
    outlet_id = BulkMany2one(
        comodel_name="res.partner",
        readonly=True,
        index="btree_not_null",
        help="The shop that bought or brought back the goods, where it is known.",
    )
    territory_id = fields.Many2one(related="partner_id.territory_id", string="Territory")
    product_id = BulkMany2one(
        comodel_name="product.product",
        required=True,
        readonly=True,
        domain=[("type", "=", "consu")],
    )
    categ_id = fields.Many2one(related="product_id.categ_id", string="Product Category")
    uom_id = fields.Many2one(related="product_id.uom_id", string="Unit")
    lot_id = fields.Many2one(
        comodel_name="stock.lot",
        string="Batch",
        readonly=True,
        index="btree_not_null",
    )
    expiration_date = fields.Date(
        string="Batch Expires On",
        compute="_compute_expiration_date",
        help="Where the batch is known and its expiry date is kept.",
    )
    date = fields.Date(required=True, readonly=True, default=fields.Date.context_today)
    quantity = fields.Float(
        digits="Product Unit",
        required=True,
        readonly=True,
        help="In the product's unit: positive for goods that came to the distributor, negative for goods that left.",
    )
    price_unit = fields.Float(string="Unit Price", digits="Product Price", readonly=True)
    currency_id = BulkMany2one(
        comodel_name="res.currency",
        required=True,
        readonly=True,
        default=lambda self: self.env.company.currency_id,
    )
    amount = fields.Monetary(
        string="Value",
        currency_field="company_currency_id",
        readonly=True,
        help="In the company's currency, converted on the move's date; signed as the quantity.",
    )
    feed_line_id = BulkMany2one(
        comodel_name="dms.feed.line",
        readonly=True,
        index="btree_not_null",
    )
    stock_move_id = BulkMany2one(
        comodel_name="stock.move",
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
    )
    transfer_line_id = fields.Many2one(
        comodel_name="dms.transfer.line",
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
    )
    transfer_id = fields.Many2one(related="transfer_line_id.transfer_id", string="Transfer Document")
    layer_date = fields.Date(
        string="Sold In On",
        readonly=True,
        help="The day on which goods of a transfer came into the channel; empty: the move's own date.",
    )
    layer_price = fields.Float(
        string="Sell-in Price",
        digits=(16, 6),
        readonly=True,
        groups="dms_channel.dms_channel_group_user",
        help="What the giver of a transfer paid for one unit, in the company's currency.",
    )
    reversed_move_id = BulkMany2one(
        comodel_name="dms.channel.move",
        string="Reversal of",
        readonly=True,
        ondelete="restrict",
    )
    origin = fields.Char(readonly=True)
    posted_by_id = BulkMany2one(
        comodel_name="res.users",
        string="Posted By",
        readonly=True,
        default=lambda self: self.env.uid,
    )
    posted_on = fields.Datetime(readonly=True, default=fields.Datetime.now)

    _reversed_once = models.UniqueIndex(
        "(reversed_move_id) WHERE reversed_move_id IS NOT NULL",
        "This move is already reversed.",
    )
    _series_idx = models.Index("(partner_id, product_id, date)")

    @api.depends("kind", "product_id", "quantity")
    def _compute_display_name(self):
        kinds = dict(self._fields["kind"]._description_selection(self.env))
        # a portal user sees its moves, but not the product's record
        for move in self.sudo():
            quantity = format_quantity(self.env, move.quantity)
            move.display_name = f"{kinds.get(move.kind, '')} {move.product_id.display_name or ''}: {quantity}"

    @api.depends("lot_id")
    def _compute_expiration_date(self):
        # a portal user sees its moves, but not the batch's record
        for move in self.sudo():
            move.expiration_date = move.lot_id._dms_get_expiry()

    @api.model_create_multi
    def create(self, vals_list):
        moves = super().create(vals_list)
        moves.flush_recordset()
        columns = SQL(", ").join(map(SQL.identifier, MOVE_COLUMNS))
        added = SQL("SELECT id, %s FROM dms_channel_move WHERE id = ANY(%s)", columns, moves.ids)
        for name in ("dms.channel.position", "dms.channel.week"):
            self.env.execute_query(self.env[name]._get_upsert_sql(added))
            self.env[name].invalidate_model()
        if self._has_counts():
            self._restate_counts(added)
            self.env["dms.channel.comparison"]._refresh_later(added)
        return moves

    def write(self, vals):
        raise UserError(
            self.env._(
                "Channel stock moves are never changed. Reverse the move and enter the right one; "
                "for goods on a delivery, use the delivery's return."
            )
        )

    @api.ondelete(at_uninstall=False)
    def _unlink_except_append_only(self):
        raise UserError(self.env._("Channel stock moves are never deleted. Reverse the move instead."))

    def action_reverse(self):
        self.check_access("read")
        if not self.env.user.has_group("dms_channel.dms_channel_group_manager"):
            raise UserError(self.env._("Only a channel manager may reverse channel stock moves."))
        self._reverse()
        return {"type": "ir.actions.client", "tag": "soft_reload"}

    @api.model
    def _lock_partners(self, partner_ids):
        """Let one transaction at a time change the channel stock of each of these distributors."""
        if partner_ids:
            self.env.execute_query(
                SQL(
                    "SELECT pg_advisory_xact_lock(hashtext('dms_channel_move'), id) FROM unnest(%s) id ORDER BY id",
                    sorted(partner_ids),
                )
            )

    @api.model
    def _append(self, source, counts=False, columns=MOVE_COLUMNS):
        """Add the moves that the query ``source`` answers and bring the positions up to date, in one statement.

        :param SQL source: answers ``columns``, in this order
        :param bool counts: whether the moves are those of stock counts
        :param tuple columns: :data:`MOVE_COLUMNS`, perhaps with more behind
        :return: number of moves added, number of positions touched
        """
        self.env.flush_all()
        counted = counts or self._has_counts()
        if counted:
            names = SQL(", ").join(map(SQL.identifier, columns))
            self.env["dms.feed"]._create_temp(
                "dms_channel_added", SQL("SELECT * FROM (%s) source (%s)", source, names)
            )
            source = SQL("SELECT * FROM dms_channel_added")
        moves, positions = self._insert(source, columns)
        if counted:
            moves += self._restate_counts(source)
            self.env["dms.channel.comparison"]._refresh_later(source)
        return moves, positions

    @api.model
    def _insert(self, source, columns=MOVE_COLUMNS):
        """Add moves to the ledger, the positions and the weeks, in one statement; answer how many, and positions."""
        added = SQL("SELECT * FROM added")
        [(moves, positions, _weeks)] = self.env.execute_query(
            SQL(
                """
                WITH added AS (
                    INSERT INTO dms_channel_move (%(columns)s, posted_by_id, posted_on)
                    SELECT source.*, %(uid)s, now() AT TIME ZONE 'UTC'
                      FROM (%(source)s) source
                    RETURNING id, %(columns)s
                ), touched AS (
                    %(position)s
                ), summed AS (
                    %(week)s
                )
                SELECT (SELECT count(*) FROM added), (SELECT count(*) FROM touched), (SELECT count(*) FROM summed)
                """,
                columns=SQL(", ").join(map(SQL.identifier, columns)),
                uid=self.env.uid,
                source=source,
                position=self.env["dms.channel.position"]._get_upsert_sql(added),
                week=self.env["dms.channel.week"]._get_upsert_sql(added),
            )
        )
        for name in (self._name, "dms.channel.position", "dms.channel.week"):
            self.env[name].invalidate_model()
        return moves, positions

    @api.model
    def _has_counts(self):
        """Whether any stock count stands: only then can one have to be restated."""
        [(exists,)] = self.env.execute_query(
            SQL("SELECT EXISTS (SELECT FROM dms_feed_line WHERE kind = 'count' AND state = 'released')")
        )
        return exists

    @api.model
    def _restate_counts(self, added):
        """Keep what was counted: what was just ``added`` before a count changes the difference that the count found.

        A late sale of the 5th explains a part of what was missing on the 10th. The count's difference is corrected by
        a further move of the count's line and day, so that the days from the 5th to the 9th are restated and the
        10th still reads as counted. Each added move concerns the first count after it; a count that is added or taken
        back itself concerns the next one.

        :param SQL added: answers :data:`MOVE_COLUMNS`
        :return: number of moves added
        """
        self._create_standing_counts(added)
        correction = SQL(
            """
            WITH new AS (%(added)s), change AS (
                SELECT company_id, partner_id, product_id, date,
                       CASE WHEN kind = 'count' THEN COALESCE(feed_line_id, 0) ELSE 0 END AS line_id,
                       SUM(quantity) AS quantity
                  FROM new GROUP BY 1, 2, 3, 4, 5
            ), restated AS (
                SELECT count.id, count.company_id, count.partner_id, count.product_id, count.date,
                       -SUM(change.quantity) AS quantity
                  FROM change
                  JOIN LATERAL (
                        SELECT line.* FROM dms_channel_standing line
                         WHERE line.company_id = change.company_id AND line.partner_id = change.partner_id
                           AND line.product_id = change.product_id
                           AND (line.date > change.date OR (line.date = change.date AND line.id > change.line_id))
                      ORDER BY line.date, line.id LIMIT 1
                       ) count ON TRUE
              GROUP BY count.id, count.company_id, count.partner_id, count.product_id, count.date
                HAVING SUM(change.quantity) <> 0
            )
            SELECT 'count', restated.company_id, restated.partner_id, NULL::integer, restated.product_id, NULL::integer,
                   restated.date, restated.quantity, first.price_unit, first.currency_id,
                   COALESCE(restated.quantity * first.amount / NULLIF(first.quantity, 0), 0),
                   restated.id, NULL::integer, NULL::integer, first.origin
              FROM restated
              JOIN LATERAL (SELECT price_unit, currency_id, amount, quantity, origin FROM dms_channel_move move
                             WHERE move.feed_line_id = restated.id AND move.reversed_move_id IS NULL
                          ORDER BY move.id LIMIT 1) first ON TRUE
            """,
            added=added,
        )
        moves, _positions = self._insert(correction)
        return moves

    @api.model
    def _create_standing_counts(self, added):
        """Keep in a table the lines of counts that stand once the moves ``added`` are there, of their distributors."""
        self.env["dms.feed"]._create_temp(
            "dms_channel_standing",
            SQL(
                """
                SELECT id, company_id, partner_id, product_id, date FROM dms_feed_line
                 WHERE kind = 'count' AND state = 'released'
                   AND partner_id IN (SELECT partner_id FROM (%(added)s) new)
                   AND id NOT IN (SELECT feed_line_id FROM (%(added)s) new
                                   WHERE reversed_move_id IS NOT NULL AND feed_line_id IS NOT NULL)
             UNION
                SELECT id, company_id, partner_id, product_id, date FROM dms_feed_line
                 WHERE id IN (SELECT feed_line_id FROM (%(added)s) new
                               WHERE kind = 'count' AND reversed_move_id IS NULL)
                """,
                added=added,
            ),
        )
        self.env.cr.execute("CREATE INDEX ON dms_channel_standing (partner_id, product_id, date, id)")

    def _reverse(self, origin=None):
        """Add the opposite of each move, on the same date, so that every past day reads as if it had not been.

        A feed's line is reversed as a whole, what was sold and what was brought back, and can then be sent anew.

        :raises UserError: for a move of a delivery, a reversal, or a move that is already reversed
        """
        if self.filtered("stock_move_id"):
            raise UserError(
                self.env._(
                    "Goods on a delivery are corrected by the delivery's return, not by reversing the move."
                )
            )
        if self.filtered("transfer_line_id"):
            raise UserError(
                self.env._(
                    "Goods of a transfer are corrected by cancelling the transfer, not by reversing the move."
                )
            )
        if self.filtered("reversed_move_id") or self.search_count(
            [("reversed_move_id", "in", self.ids)], limit=1
        ):
            raise UserError(self.env._("A reversal can't be reversed, nor a move reversed twice."))
        reported = self.feed_line_id
        for feed, lines in reported.grouped("feed_id").items():
            feed._reverse_lines(lines, origin)
        rest = self.filtered(lambda move: not move.feed_line_id)
        if rest:
            partners = rest.partner_id
            self._lock_partners(partners.ids)
            self._append(self._get_reversal_sql(SQL("move.id = ANY(%s)", rest.ids), origin))
            self.env["dms.channel.position"]._refresh_dates(partners)
            if delivered := rest.filtered(lambda move: move.kind == "sell_in"):
                self.env["dms.channel.position"]._refresh_prices(delivered.partner_id, delivered.product_id)

    @api.model
    def _reverse_transfer(self, lines):
        """Take back all that transfer lines have moved, each move on its own day (see ``dms.transfer._cancel``)."""
        columns = MOVE_COLUMNS + TRANSFER_COLUMNS
        standing = SQL("move.transfer_line_id = ANY(%s) AND move.reversed_move_id IS NULL", lines.ids)
        self._append(self._get_reversal_sql(standing, columns=columns), columns=columns)

    @api.model
    def _get_reversal_sql(self, condition, origin=None, columns=MOVE_COLUMNS):
        """Answer a source query for :meth:`_append`: the opposites of the moves that fulfil ``condition``."""
        replaced = {
            "quantity": SQL("-move.quantity"),
            "amount": SQL("-move.amount"),
            "reversed_move_id": SQL("move.id"),
        }
        if origin:
            replaced["origin"] = SQL("%s", origin)
        values = SQL(", ").join(replaced.get(name, SQL.identifier("move", name)) for name in columns)
        return SQL("SELECT %s FROM dms_channel_move move WHERE %s", values, condition)
