import time

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..tools import guard

#: Kinds whose lines are no moves of channel stock.
NO_MOVES = ("sensor", "outlet")
#: Kinds whose moves follow from the line alone.
AT_ONCE = ("sell_through", "returns")
#: The lines that :meth:`DmsFeedRelease._book` writes.
RELEASED = SQL("dms_feed_release")


class DmsFeedRelease(models.AbstractModel):
    """Write right lines to the ledger of channel stock, and take them back out of it.

    A part of ``dms.feed``, which inherits it.
    """

    _name = "dms.feed.release"
    _description = "Releasing a Feed"

    def _release(self):
        """Write the right lines to the ledger and keep the rest.

        One transaction at a time releases for a distributor. What another one released since the last check is found
        here; where that one has not been visible yet, the positions' rows or the lines' unique index stop this one,
        and the retry sees it.
        """
        self.ensure_one()
        self._ensure_open()
        self._check_missing_days()
        started = time.monotonic()
        self.env.flush_all()
        partner_ids = self.env.execute_query(
            SQL("SELECT DISTINCT partner_id FROM dms_feed_line WHERE feed_id = %s AND state = 'ok'", self.id)
        )
        partner_ids = [partner_id for (partner_id,) in partner_ids]
        self.env["dms.channel.move"]._lock_partners(partner_ids)
        booked = self._book(partner_ids)
        self.env.cr.execute(
            SQL("UPDATE dms_feed_line SET state = 'released' WHERE feed_id = %s AND state = 'ok'", self.id)
        )
        released = self.env.cr.rowcount
        self.env["dms.feed.line"].invalidate_model()
        self._note_release(released, booked)
        self._note_time("release", started)
        return booked

    def _note_release(self, released, booked):
        moves = 0 if self.kind in NO_MOVES else booked[0]
        guard.mark(self).write({"released_on": fields.Datetime.now(), "move_count": self.move_count + moves})
        self._refresh_counts()
        self._message_log(body=self._get_release_text(released, *booked))

    def _book_checked(self):
        """Write the right rows of a file that is just being received to the ledger, before they are stored as released.

        What a program sends to be released at once is so written once, not stored and then changed. As in
        :meth:`_release`, a session that reports the same at the same time is stopped by the positions' rows.

        :return: numbers of moves added and positions touched, or None where somebody has to look at the file first
        """
        if self.kind not in AT_ONCE or (self.missing_days and self.missing_severity in ("error", "warning")):
            return None
        partner_ids = self.env.execute_query(
            SQL("SELECT DISTINCT partner_id FROM dms_feed_checked WHERE issues = '' AND warnings = ''")
        )
        if not partner_ids:
            return None
        self.env["dms.channel.move"]._lock_partners([partner_id for (partner_id,) in partner_ids])
        lines = SQL(
            """(SELECT line_id AS id, %s AS company_id, partner_id, outlet_id, product_id, %s AS lot_id, date, quantity,
                       returned, price_unit, amount
                  FROM dms_feed_checked WHERE issues = '' AND warnings = '')""",
            self.company_id.id,
            SQL("lot_id") if self.kind == "returns" else SQL("NULL::integer"),
        )
        self._create_temp("dms_feed_rate", self._get_rates_sql(lines))
        return self.env["dms.channel.move"]._append(self._get_sale_source_sql(lines))

    def _book(self, partner_ids):
        """Write what the right lines say to where it belongs.

        :return: numbers of what was added and of what it touched: moves and positions, readings and shelves, outlets
        """
        if self.kind == "sensor":
            return self._book_readings()
        if self.kind == "outlet":
            # Outlets have no row that two releases would both write: the distributor's own is written, so that the one
            # that waited is refused by PostgreSQL, and tried again on what the other one made.
            self.env.cr.execute(
                SQL("UPDATE res_partner SET write_date = write_date WHERE id = ANY(%s)", partner_ids)
            )
            self._check()
            return self._book_outlets()
        self._mark_released_since()
        # a copy with statistics of its own: those of the big table know nothing of this transaction's rows
        self._create_temp(
            "dms_feed_release",
            SQL(
                "SELECT * FROM dms_feed_line WHERE feed_id = %s AND state = 'ok' ORDER BY partner_id, product_id, date, id",
                self.id,
            ),
        )
        self._create_temp("dms_feed_rate", self._get_rates_sql())
        source = self._get_count_source_sql() if self.kind == "count" else self._get_sale_source_sql()
        return self.env["dms.channel.move"]._append(source, counts=self.kind == "count")

    def _get_release_text(self, lines, added, touched):
        if self.kind == "sensor":
            return self.env._(
                "Released %(lines)s lines: %(readings)s readings of %(shelves)s shelves.",
                lines=lines,
                readings=added,
                shelves=touched,
            )
        if self.kind == "outlet":
            return self.env._("Released %(lines)s lines of outlet master data.", lines=lines)
        return self.env._(
            "Released %(lines)s lines: %(moves)s moves on %(positions)s positions.",
            lines=lines,
            moves=added,
            positions=touched,
        )

    def _mark_released_since(self):
        """What another session released since the last check is found here."""
        self.env.cr.execute(
            SQL(
                """
                WITH earlier AS (%s)
                UPDATE dms_feed_line line
                   SET state = CASE WHEN earlier.same THEN 'duplicate' ELSE 'error' END,
                       issue = CASE WHEN earlier.same THEN 'duplicate' ELSE 'conflict' END,
                       issues = CASE WHEN earlier.same THEN 'duplicate' ELSE 'conflict' END,
                       duplicate_of_id = earlier.earlier_id
                  FROM earlier WHERE earlier.line_id = line.id
                """,
                self._get_earlier_sql(
                    SQL("(SELECT * FROM dms_feed_line WHERE feed_id = %s AND state = 'ok')", self.id)
                ),
            )
        )

    def _check_missing_days(self):
        if not self.missing_days or self.missing_severity not in ("error", "warning"):
            return
        if self.missing_severity == "error":
            raise UserError(
                self.env._("Send these days too before you release: %(days)s.", days=self.missing_text)
            )
        if not self.missing_reason:
            raise UserError(
                self.env._(
                    "Nothing was reported for these days: %(days)s. Send them too, or say why they are missing.",
                    days=self.missing_text,
                )
            )

    def _get_sale_source_sql(self, lines=RELEASED):
        """Answer the moves of right lines: what was sold leaves, what customers brought back comes."""
        if self.kind == "returns":
            parts = SQL("('return', line.quantity, line.amount)")
        else:
            parts = SQL(
                "('sell_out', -line.quantity, -line.amount), ('return', line.returned, line.returned * line.price_unit)"
            )
        return SQL(
            """
            SELECT part.kind, line.company_id, line.partner_id, line.outlet_id, line.product_id, line.lot_id,
                   line.date, part.quantity, COALESCE(line.price_unit, 0), %(currency)s,
                   COALESCE(part.amount, 0) * rate.rate, line.id, NULL::integer, NULL::integer, %(name)s
              FROM %(lines)s line
              JOIN dms_feed_rate rate ON rate.date = line.date
        CROSS JOIN LATERAL (VALUES %(parts)s) part (kind, quantity, amount)
             WHERE part.quantity <> 0
            """,
            lines=lines,
            parts=parts,
            currency=self.currency_id.id,
            name=self.name,
        )

    def _get_count_source_sql(self):
        """Answer, for each right line, the difference between what was counted and what the ledger says of that day.

        Several days of one product follow each other: the ledger restates each later count (``_restate_counts``).
        """
        return SQL(
            """
            SELECT 'count', counted.company_id, counted.partner_id, NULL::integer, counted.product_id, NULL::integer,
                   counted.date, counted.difference, COALESCE(counted.price_unit, 0), %(currency)s,
                   counted.difference * COALESCE(counted.price_unit, 0) * counted.rate,
                   counted.id, NULL::integer, NULL::integer, %(name)s
              FROM (
                    SELECT line.id, line.company_id, line.partner_id, line.product_id, line.date, line.price_unit,
                           rate.rate,
                           line.quantity - COALESCE(position.quantity, 0) + COALESCE(since.quantity, 0) AS difference
                      FROM dms_feed_release line
                      JOIN dms_feed_rate rate ON rate.date = line.date
                 LEFT JOIN dms_channel_position position USING (company_id, partner_id, product_id)
                 LEFT JOIN LATERAL (
                           SELECT SUM(move.quantity) AS quantity FROM dms_channel_move move
                            WHERE move.company_id = line.company_id AND move.partner_id = line.partner_id
                              AND move.product_id = line.product_id AND move.date > line.date
                           ) since ON TRUE
                   ) counted
            """,
            currency=self.currency_id.id,
            name=self.name,
        )

    def _get_rates_sql(self, lines=RELEASED):
        """Answer the query (date, rate) that converts the feed's currency into the company's, by day."""
        dates = SQL("SELECT DISTINCT date FROM %s line", lines)
        company_currency = self.company_id.currency_id
        if self.currency_id == company_currency:
            return SQL("SELECT date, 1::numeric AS rate FROM (%s) dates", dates)
        days = [day for (day,) in self.env.execute_query(dates)]
        rates = [
            self.currency_id._get_conversion_rate(self.currency_id, company_currency, self.company_id, day)
            for day in days
        ]
        return SQL("SELECT unnest(%s::date[]) AS date, unnest(%s::numeric[]) AS rate", days, rates)

    def _reverse_lines(self, lines=None, origin=None):
        """Add the opposite of what these released lines (all of the feed's where None) put into the ledger."""
        self.ensure_one()
        self.env.flush_all()
        wanted = SQL("line.feed_id = %s AND line.state = 'released'", self.id)
        if lines is not None:
            wanted = SQL("%s AND line.id = ANY(%s)", wanted, lines.ids)
        partner_ids = self.env.execute_query(
            SQL("SELECT DISTINCT partner_id FROM dms_feed_line line WHERE %s", wanted)
        )
        partners = self.env["res.partner"].browse(partner_id for (partner_id,) in partner_ids)
        move_model = self.env["dms.channel.move"]
        move_model._lock_partners(partners.ids)
        if self.kind in NO_MOVES:
            return self._take_back(wanted)
        self._create_temp("dms_feed_reverse", SQL("SELECT line.id FROM dms_feed_line line WHERE %s", wanted))
        # the moves of a line stand as long as it is released, so none of these is reversed already
        condition = SQL(
            "move.feed_line_id IN (SELECT id FROM dms_feed_reverse) AND move.reversed_move_id IS NULL"
        )
        moves, positions = move_model._append(
            move_model._get_reversal_sql(
                condition, origin or self.env._("Reversal of %(feed)s", feed=self.name)
            )
        )
        self.env.cr.execute(
            "UPDATE dms_feed_line SET state = 'reversed' WHERE id IN (SELECT id FROM dms_feed_reverse)"
        )
        self.env["dms.feed.line"].invalidate_model()
        self.env["dms.channel.position"]._refresh_dates(partners)
        guard.mark(self).move_count += moves
        self._refresh_counts()
        self._message_log(
            body=self.env._(
                "Reversed %(moves)s moves on %(positions)s positions.", moves=moves, positions=positions
            )
        )
        return moves, positions

    def _take_back(self, wanted):
        """Undo what the released lines that fulfil ``wanted`` ("line") did, for kinds that have no moves."""
        rows = self.env.execute_query(SQL("SELECT line.id FROM dms_feed_line line WHERE %s", wanted))
        lines = self.env["dms.feed.line"].browse(line_id for (line_id,) in rows)
        if self.kind == "sensor":
            readings, shelves = self.env["dms.shelf.reading"]._take_back(self)
            text = self.env._(
                "Took back %(readings)s readings of %(shelves)s shelves.", readings=readings, shelves=shelves
            )
        else:
            kept = self._reverse_outlets(lines)
            text = self.env._("Gave %(lines)s outlets back what they had before.", lines=len(lines))
            if kept:
                text += " " + self.env._(
                    "These have been changed since, and kept that: rows %(rows)s.",
                    rows=", ".join(str(row) for row in sorted(kept.mapped("row"))[:50]),
                )
        self.env.flush_all()
        self.env.cr.execute(SQL("UPDATE dms_feed_line SET state = 'reversed' WHERE id = ANY(%s)", lines.ids))
        self.env["dms.feed.line"].invalidate_model()
        self._refresh_counts()
        self._message_log(body=text)
        return 0, 0
