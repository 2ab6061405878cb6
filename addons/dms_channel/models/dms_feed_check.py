import csv
import io
import time
from itertools import islice

from odoo import api, fields, models
from odoo.tools import SQL

from ..tools import guard
from ..tools.feed_columns import DETAILS
from ..tools.feed_parser import make_parser
from .dms_feed_line import KIND_FIELDS, RAW_FIELDS

#: What the parser makes of the texts of a line, by kind where it is not the first.
VALUES = ("date", "quantity", "returned", "price", "amount")
VALUES_BY_KIND = {"sensor": (*VALUES, "moment"), "outlet": ()}
#: What a check finds for lines of one kind, beside what all have.
FOUND_BY_KIND = {"returns": ("lot_id",), "sensor": ("moment",), "outlet": ("details", "changes")}
BATCH = 50_000
ANALYZED_FROM = 1_000
#: The reason by which a line is grouped: its first error, else its first warning.
LINE_ISSUE = "NULLIF(split_part(COALESCE(NULLIF(checked.issues, ''), checked.warnings), ',', 1), '')"
#: State of a line from its row in ``dms_feed_checked``; {accepted} holds the warnings that somebody accepted.
LINE_STATE = """
    CASE WHEN checked.issues = 'duplicate' THEN 'duplicate'
         WHEN checked.issues <> '' THEN 'error'
         WHEN checked.warnings <> ''
              AND NOT string_to_array(checked.warnings, ',') <@ string_to_array(COALESCE({accepted}, ''), ',')
         THEN 'warning' ELSE 'ok' END"""


class _CopyStream:
    """A file for COPY that is written while it is read: rows in, CSV out, a chunk at a time."""

    def __init__(self, rows):
        self.rows = rows
        self.count = 0

    def read(self, _size=-1):
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        chunk = list(islice(self.rows, 2000))
        writer.writerows(chunk)
        self.count += len(chunk)
        return buffer.getvalue()


class DmsFeedCheck(models.AbstractModel):
    """Check lines set by set: rows are copied into a temporary table, judged there by SQL and stored with what is wrong.

    A part of ``dms.feed``, which inherits it.
    """

    _name = "dms.feed.check"
    _description = "Checking a Feed"

    def _check(self, lines=None):
        """Check the lines that are not released (or those of ``lines``) again, as they now read."""
        self.ensure_one()
        self._ensure_open()
        parser = make_parser(self.kind, self.mapping_columns or {}, self._get_zone())
        self.env["dms.feed.line"].flush_model()
        started = time.monotonic()
        self._create_stage()
        wanted = SQL("AND id = ANY(%s)", lines.ids) if lines is not None else SQL()
        columns = SQL(", ").join(SQL("COALESCE(%s, '')", SQL.identifier(name)) for name in self._get_codes())
        if self.kind == "outlet":
            columns = SQL("%s, details", columns)
        last = 0
        while rows := self.env.execute_query(
            SQL(
                """
                SELECT id, row, %s FROM dms_feed_line
                 WHERE feed_id = %s AND state IN ('ok', 'error', 'warning', 'duplicate') AND id > %s %s
              ORDER BY id LIMIT %s
                """,
                columns,
                self.id,
                last,
                wanted,
                BATCH,
            )
        ):
            last = rows[-1][0]
            self._copy_to_stage(
                ((row[0], *parser.parse(row[1], self._get_texts(row[2:]))) for row in rows), with_ids=True
            )
        self._check_stage()
        if lines is None and not self.released_count:
            self._note_missing_days()
        self._store_checked_lines()
        self._refresh_counts()
        self._note_time("check", started)

    def _get_codes(self):
        """The stored texts of a line of this kind."""
        return RAW_FIELDS[:2] if self.kind == "outlet" else RAW_FIELDS + KIND_FIELDS.get(self.kind, ())

    def _get_texts(self, stored):
        """The texts of a line as the parser takes them, from what :meth:`_get_codes` names and ``details``."""
        if self.kind != "outlet":
            return list(stored)
        *codes, details = stored
        return [*codes, *((details or {}).get(name, "") for name in DETAILS)]

    def _get_zone(self):
        """Name of the time zone in which the sender writes."""
        return self.partner_id.tz or self.company_id.partner_id.tz or "UTC"

    def _create_stage(self):
        self.env.flush_all()
        self.env.cr.execute(
            """
            DROP TABLE IF EXISTS pg_temp.dms_feed_stage;
            CREATE TEMP TABLE dms_feed_stage (
                line_id integer DEFAULT nextval('dms_feed_line_id_seq'), row integer,
                distributor_code text, outlet_code text, product_code text, date_text text, quantity_text text,
                unit_text text, price_text text, amount_text text, returned_text text, reference text,
                batch_code text, reason text, device_code text, details jsonb,
                date date, quantity numeric, returned numeric, price numeric, amount numeric, moment timestamp,
                issues text
            ) ON COMMIT DROP
            """
        )

    def _stage(self, rows):
        self._create_stage()
        return self._copy_to_stage(rows)

    def _copy_to_stage(self, rows, with_ids=False):
        codes = self._get_codes()
        columns = (
            *(("line_id",) if with_ids else ()),
            "row",
            *codes,
            *(("details",) if self.kind == "outlet" else ()),
            *VALUES_BY_KIND.get(self.kind, VALUES),
            "issues",
        )
        stream = _CopyStream(iter(rows))
        self.env.cr.copy_expert(
            f"COPY dms_feed_stage ({', '.join(columns)}) FROM STDIN"
            f" (FORMAT csv, FORCE_NOT_NULL ({', '.join((*codes, 'issues'))}))",
            stream,
        )
        return stream.count

    def _check_stage(self):
        """Look up every code of the staged rows once and write what each row means to ``dms_feed_checked``."""
        self.ensure_one()
        self.env.cr.execute("ANALYZE dms_feed_stage")
        self._create_temp("dms_feed_partner", self._get_partner_codes_sql())
        if self.kind == "outlet":
            self._check_outlets()
        else:
            self._create_temp("dms_feed_product", self._get_product_codes_sql())
            self._create_temp("dms_feed_outlet", self._get_outlet_codes_sql())
            self._create_temp("dms_feed_unit", self._get_unit_codes_sql())
            if self.kind == "sensor":
                self._create_temp("dms_feed_device", self._get_device_codes_sql())
            self._create_temp("dms_feed_checked", self._get_checked_sql())
            if self.kind == "sensor":
                self._mark_readings()
            else:
                self._mark_duplicates()
        self.env["dms.feed.rule"]._apply(self)

    def _note_missing_days(self):
        days, severity = self.env["dms.feed.rule"]._find_missing_days(self)
        guard.mark(self).write({"missing_days": days, "missing_severity": bool(days) and severity})

    def _get_checked_sql(self):
        """Answer the query of what each staged row means, in the product's unit, and what is wrong with it."""
        today = fields.Date.context_today(self)
        digits = self.env["decimal.precision"].precision_get("Product Unit")
        own = self._get_kind_sql()
        return SQL(
            """
            SELECT line_id, row, distributor_code, outlet_code, product_code, date_text, quantity_text, unit_text,
                   price_text, amount_text, returned_text, reference,
                   partner_id, outlet_id, product_id, date, %(names)s
                   CASE WHEN factor IS NULL THEN NULL
                        ELSE ROUND(quantity * factor, %(digits)s) END AS quantity,
                   CASE WHEN factor IS NULL THEN NULL
                        ELSE ROUND(returned * factor, %(digits)s) END AS returned,
                   ROUND(COALESCE(price, ABS(amount) / NULLIF(CASE WHEN quantity = 0 THEN returned ELSE quantity END, 0))
                         / NULLIF(factor, 0), 6) AS price_unit,
                   COALESCE(amount, price * CASE WHEN quantity = 0 THEN returned ELSE quantity END) AS amount,
                   issues, CASE WHEN closed_on <= date THEN 'outlet_closed' ELSE '' END AS warnings, notes,
                   CASE WHEN closed_on <= date
                        THEN jsonb_build_object('outlet_closed', jsonb_build_object('closed', closed_on)) END AS figures,
                   NULL::integer AS duplicate_of_id
              FROM (
                    SELECT stage.line_id, stage.row, stage.distributor_code, stage.outlet_code, stage.product_code,
                           stage.date_text, stage.quantity_text, stage.unit_text, stage.price_text,
                           stage.amount_text, stage.returned_text, stage.reference,
                           partner.partner_id, %(outlet)s AS outlet_id, %(product)s AS product_id, stage.date,
                           outlet.closed_on, %(notes)s AS notes, %(values)s
                           stage.quantity, stage.returned, stage.price, stage.amount,
                           CASE WHEN stage.unit_text = '' OR product.product_id IS NULL THEN 1::numeric
                                WHEN unit.issue IS NOT NULL THEN NULL
                                ELSE unit.factor::numeric / product.factor::numeric END AS factor,
                           CONCAT_WS(',', NULLIF(stage.issues, ''), partner.issue, product.issue, outlet.issue,
                                     CASE WHEN stage.unit_text <> '' THEN unit.issue END,
                                     CASE WHEN stage.date > %(today)s THEN 'date_future' END,
                                     %(kind_issues)s) AS issues
                      FROM dms_feed_stage stage
                      JOIN dms_feed_partner partner ON partner.code = lower(stage.distributor_code)
                 LEFT JOIN dms_feed_product product
                        ON product.partner_id = COALESCE(partner.partner_id, 0)
                       AND product.code = lower(stage.product_code)
                 LEFT JOIN dms_feed_outlet outlet
                        ON outlet.partner_id = COALESCE(partner.partner_id, 0)
                       AND outlet.code = lower(stage.outlet_code)
                 LEFT JOIN dms_feed_unit unit
                        ON unit.partner_id = COALESCE(partner.partner_id, 0)
                       AND unit.code = lower(stage.unit_text) AND unit.product_id = product.product_id
                 %(joins)s
                   ) resolved
          ORDER BY partner_id, product_id, date -- as the indexes of lines and moves: both are filled by a third faster
            """,
            digits=digits,
            today=today,
            **own,
        )

    def _get_kind_sql(self):
        """What :meth:`_get_checked_sql` selects and joins for lines of this kind only."""
        parts = {
            "names": SQL(),
            "values": SQL(),
            "joins": SQL(),
            "outlet": SQL("outlet.outlet_id"),
            "product": SQL("product.product_id"),
            "notes": SQL("''::text"),
            "kind_issues": SQL("NULL"),
        }
        if self.kind == "count":
            parts["kind_issues"] = SQL("CASE WHEN stage.outlet_code <> '' THEN 'count_outlet' END")
        elif self.kind == "returns":
            parts |= {
                "names": SQL("batch_code, reason, lot_id,"),
                "values": SQL("stage.batch_code, stage.reason, lot.id AS lot_id,"),
                "joins": SQL(
                    """
                    LEFT JOIN LATERAL (
                              SELECT id FROM stock_lot
                               WHERE product_id = product.product_id AND lower(name) = lower(stage.batch_code)
                                 AND stage.batch_code <> '' AND (company_id IS NULL OR company_id = %s)
                            ORDER BY id LIMIT 1
                              ) lot ON TRUE
                    """,
                    self.company_id.id,
                ),
                "notes": SQL(
                    "CASE WHEN stage.batch_code <> '' AND product.product_id IS NOT NULL AND lot.id IS NULL"
                    " THEN 'batch_unknown' ELSE '' END"
                ),
            }
        elif self.kind == "sensor":
            parts |= self._get_sensor_sql()
        return parts

    def _mark_duplicates(self):
        """Mark right rows of ``dms_feed_checked`` that this file, or what is released, says already."""
        if self.kind == "count":
            self.env.cr.execute(
                """
                WITH twice AS (
                    SELECT partner_id, product_id, date FROM dms_feed_checked WHERE issues = ''
                  GROUP BY partner_id, product_id, date HAVING COUNT(DISTINCT quantity) > 1
                )
                UPDATE dms_feed_checked checked SET issues = 'count_twice'
                  FROM twice
                 WHERE checked.issues = '' AND checked.partner_id = twice.partner_id
                   AND checked.product_id = twice.product_id AND checked.date = twice.date
                """
            )
        # a row that one feed holds twice: what was right before stands, else the first
        batch = SQL("lower(COALESCE(batch_code, ''))") if self.kind == "returns" else SQL("''")
        self.env.cr.execute(
            SQL(
                """
                WITH same AS (
                    SELECT COALESCE(MIN(line_id) FILTER (WHERE stands), MIN(line_id)) AS first_id,
                           array_agg(line_id) AS line_ids
                      FROM (
                            SELECT line_id, FALSE AS stands, partner_id, product_id, date,
                                   COALESCE(outlet_id, 0) AS outlet_id, reference, quantity, returned,
                                   COALESCE(price_unit, 0) AS price_unit, %(batch)s AS batch
                              FROM dms_feed_checked WHERE issues = ''
                         UNION ALL
                            SELECT id, TRUE, partner_id, product_id, date,
                                   COALESCE(outlet_id, 0), COALESCE(reference, ''), quantity, returned,
                                   COALESCE(price_unit, 0), %(batch)s
                              FROM dms_feed_line
                             WHERE feed_id = %(feed)s AND state = 'ok'
                               AND NOT EXISTS (SELECT FROM dms_feed_checked again WHERE again.line_id = dms_feed_line.id)
                           ) rows
                  GROUP BY partner_id, product_id, date, outlet_id, reference, quantity, returned, price_unit, batch
                    HAVING COUNT(*) > 1
                ), repeated AS (
                    SELECT unnest(line_ids) AS line_id, first_id FROM same
                )
                UPDATE dms_feed_checked checked SET issues = 'duplicate', duplicate_of_id = repeated.first_id
                  FROM repeated
                 WHERE checked.line_id = repeated.line_id AND checked.line_id <> repeated.first_id
                """,
                feed=self.id,
                batch=batch,
            )
        )
        self.env.cr.execute(
            SQL(
                """
                WITH earlier AS (%s)
                UPDATE dms_feed_checked checked
                   SET issues = CASE WHEN earlier.same THEN 'duplicate' ELSE 'conflict' END,
                       duplicate_of_id = earlier.earlier_id
                  FROM earlier WHERE earlier.line_id = checked.line_id
                """,
                self._get_earlier_sql(
                    SQL("(SELECT line_id AS id, * FROM dms_feed_checked WHERE issues = '')")
                ),
            )
        )

    def _mark_said_twice(self, keys, told, issue):
        """Mark right rows of ``dms_feed_checked`` that this feed holds twice: what was right before stands, else the first.

        :param dict keys: {name: SQL of a line's column} of what a row is about, beside its distributor
        :param SQL told: what a row says of it; the same again is a duplicate
        :param str issue: of a row that says something else
        """
        columns = SQL(", ").join(
            SQL("%s AS %s", column, SQL.identifier(name)) for name, column in keys.items()
        )
        self.env.cr.execute(
            SQL(
                """
                WITH rows AS (
                    SELECT line_id, FALSE AS stands, partner_id, %(columns)s, %(told)s AS told
                      FROM dms_feed_checked WHERE issues = ''
                 UNION ALL
                    SELECT id, TRUE, partner_id, %(columns)s, %(told)s
                      FROM dms_feed_line
                     WHERE feed_id = %(feed)s AND state = 'ok'
                       AND NOT EXISTS (SELECT FROM dms_feed_checked again WHERE again.line_id = dms_feed_line.id)
                ), ranked AS (
                    SELECT line_id, told,
                           first_value(line_id) OVER same AS first_id, first_value(told) OVER same AS first
                      FROM rows
                    WINDOW same AS (PARTITION BY partner_id, %(names)s ORDER BY stands DESC, line_id)
                )
                UPDATE dms_feed_checked checked
                   SET issues = CASE WHEN ranked.told = ranked.first THEN 'duplicate' ELSE %(issue)s END,
                       duplicate_of_id = ranked.first_id
                  FROM ranked
                 WHERE checked.line_id = ranked.line_id AND ranked.line_id <> ranked.first_id
                """,
                columns=columns,
                told=told,
                feed=self.id,
                names=SQL(", ").join(map(SQL.identifier, keys)),
                issue=issue,
            )
        )

    def _get_earlier_sql(self, lines):
        """Answer the query (line_id, earlier_id, same) of the released lines that report what ``lines`` report.

        The same figures again are a duplicate, in whatever feed. Other figures for the same distributor, outlet,
        product, date and reference are a conflict if another feed gave them; in one file they are several sales.
        """
        return SQL(
            """
            SELECT mine.id AS line_id, released.id AS earlier_id, released.same
              FROM %(lines)s mine
              JOIN LATERAL (
                    SELECT line.id,
                           line.quantity = mine.quantity AND line.returned = mine.returned
                           AND COALESCE(line.price_unit, 0) = COALESCE(mine.price_unit, 0) AS same
                      FROM dms_feed_line line
                     WHERE line.state = 'released' AND %(report)s
                       AND (line.feed_id <> %(feed)s
                            OR (line.quantity = mine.quantity AND line.returned = mine.returned
                                AND COALESCE(line.price_unit, 0) = COALESCE(mine.price_unit, 0)))
                  ORDER BY same DESC, line.id
                     LIMIT 1
                   ) released ON TRUE
            """,
            lines=lines,
            report=self._get_same_report_sql(),
            feed=self.id,
        )

    def _get_same_report_sql(self):
        return SQL(
            """line.partner_id = mine.partner_id AND line.product_id = mine.product_id AND line.date = mine.date
               AND line.company_id = %s AND line.kind = %s
               AND COALESCE(line.outlet_id, 0) = COALESCE(mine.outlet_id, 0)
               AND COALESCE(line.reference, '') = COALESCE(mine.reference, '') %s""",
            self.company_id.id,
            self.kind,
            SQL("AND lower(COALESCE(line.batch_code, '')) = lower(COALESCE(mine.batch_code, ''))")
            if self.kind == "returns"
            else SQL(),
        )

    @api.model
    def _delete_lines(self, feed_ids):
        """Delete the lines of these feeds, for which no foreign key does it; nothing is a duplicate of them any more."""
        self.env["dms.feed.line"].flush_model()
        lines = SQL("SELECT id FROM dms_feed_line WHERE feed_id = ANY(%s)", list(feed_ids))
        self.env.cr.execute(
            SQL("UPDATE dms_feed_line SET duplicate_of_id = NULL WHERE duplicate_of_id IN (%s)", lines)
        )
        self.env.cr.execute(SQL("DELETE FROM dms_feed_line WHERE feed_id = ANY(%s)", list(feed_ids)))
        self.env["dms.feed.line"].invalidate_model()

    def _store_new_lines(self, released=False):
        """Keep the rows of ``dms_feed_checked``, the right ones as released where they are booked already."""
        codes = self._get_codes()
        texts = SQL(", ").join(SQL("NULLIF(%s, '')", SQL.identifier(name)) for name in codes)
        found = FOUND_BY_KIND.get(self.kind, ())
        state = SQL(LINE_STATE.format(accepted="NULL"))
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO dms_feed_line (id, feed_id, company_id, kind, row, %(names)s, partner_id, outlet_id,
                            product_id, date, quantity, returned, price_unit, amount, state, issue, issues,
                            warnings, notes, figures, first_pass, duplicate_of_id %(found)s)
                SELECT line_id, %(feed)s, %(company)s, %(kind)s, row, %(texts)s, partner_id, outlet_id, product_id,
                       date, quantity, returned, price_unit, amount, %(state)s,
                       %(issue)s, NULLIF(issues, ''), NULLIF(warnings, ''), NULLIF(notes, ''), figures,
                       issues IN ('', 'duplicate') AND warnings = '', duplicate_of_id %(found)s
                  FROM dms_feed_checked checked
                """,
                names=SQL(", ").join(map(SQL.identifier, codes)),
                found=SQL("").join(SQL(", %s", SQL.identifier(name)) for name in found),
                feed=self.id,
                company=self.company_id.id,
                kind=self.kind,
                texts=texts,
                state=SQL("COALESCE(NULLIF(%s, 'ok'), %s)", state, "released" if released else "ok"),
                issue=SQL(LINE_ISSUE),
            )
        )
        if self.env.cr.rowcount >= ANALYZED_FROM:
            # Without fresh statistics the release may look for earlier lines by a scan for each line.
            self.env.cr.execute("ANALYZE dms_feed_line")
        self.env["dms.feed.line"].invalidate_model()

    def _store_checked_lines(self):
        self.env.cr.execute(
            SQL(
                """
                UPDATE dms_feed_line line
                   SET partner_id = checked.partner_id, outlet_id = checked.outlet_id,
                       product_id = checked.product_id, date = checked.date, quantity = checked.quantity,
                       returned = checked.returned, price_unit = checked.price_unit, amount = checked.amount,
                       state = %s, issue = %s, issues = NULLIF(checked.issues, ''),
                       warnings = NULLIF(checked.warnings, ''), notes = NULLIF(checked.notes, ''),
                       figures = checked.figures, duplicate_of_id = checked.duplicate_of_id %s
                  FROM dms_feed_checked checked
                 WHERE line.id = checked.line_id
                """,
                SQL(LINE_STATE.format(accepted="line.accepted")),
                SQL(LINE_ISSUE),
                SQL("").join(
                    SQL(", %s = checked.%s", SQL.identifier(name), SQL.identifier(name))
                    for name in FOUND_BY_KIND.get(self.kind, ())
                ),
            )
        )
        self.env["dms.feed.line"].invalidate_model()

    def _refresh_counts(self):
        """Count the lines by state, set the feed's own state from them, and answer how many lines there are."""
        [(lines, right, wrong, doubtful, twice, released, date_from, date_to)] = self.env.execute_query(
            SQL(
                """
                SELECT COUNT(*), COUNT(*) FILTER (WHERE state = 'ok'), COUNT(*) FILTER (WHERE state = 'error'),
                       COUNT(*) FILTER (WHERE state = 'warning'),
                       COUNT(*) FILTER (WHERE state = 'duplicate'), COUNT(*) FILTER (WHERE state = 'released'),
                       MIN(date) FILTER (WHERE state IN ('ok', 'released')),
                       MAX(date) FILTER (WHERE state IN ('ok', 'released'))
                  FROM dms_feed_line WHERE feed_id = %s
                """,
                self.id,
            )
        )
        if wrong:
            state = "error"
        elif self.released_on and not right and not doubtful:
            state = "released"
        else:
            state = "checked"
        guard.mark(self).write(
            {
                "line_count": lines,
                "ok_count": right,
                "error_count": wrong,
                "warning_count": doubtful,
                "duplicate_count": twice,
                "released_count": released,
                "date_from": date_from,
                "date_to": date_to,
                "state": state,
            }
        )
        return lines
