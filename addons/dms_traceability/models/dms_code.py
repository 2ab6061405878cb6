import os
from collections import defaultdict

import numpy as np

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL, config

from ..fields import BigInteger
from ..tools import codes, gs1, pgcopy

UNIT, CASE = 0, 1
# States of a code as stored; a packed unit takes part in what happens to its case.
PRINTED, ACTIVE, ASSIGNED, SHIPPED, RECEIVED, SOLD, CONSUMED, VOID, DESTROYED = range(1, 10)
STATES = {
    "printed": PRINTED,
    "active": ACTIVE,
    "assigned": ASSIGNED,
    "shipped": SHIPPED,
    "received": RECEIVED,
    "sold": SOLD,
    "consumed": CONSUMED,
    "void": VOID,
    "destroyed": DESTROYED,
}

# Keys are handed out in chunks, so that a sequence (never rolled back) guards against issuing one
# twice, and stored in partitions that can be dropped one by one.
CHUNK_BITS = 16
PARTITION_BITS = 24
COPY_ROWS = 250_000

TABLES = ("dms_trace_code", "dms_trace_pack", "dms_trace_event_range", "dms_trace_rate")
_DDL = """
CREATE SEQUENCE IF NOT EXISTS dms_trace_chunk_seq AS bigint MAXVALUE %(last_chunk)s;

CREATE TABLE IF NOT EXISTS dms_trace_code (
    key bigint PRIMARY KEY,
    level smallint NOT NULL,
    state smallint NOT NULL,
    picking_id integer,
    partner_id integer
) PARTITION BY RANGE (key);
CREATE INDEX IF NOT EXISTS dms_trace_code_picking_idx ON dms_trace_code (picking_id) WHERE picking_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS dms_trace_code_partner_idx ON dms_trace_code (partner_id) WHERE partner_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS dms_trace_code_free_case_idx ON dms_trace_code (key) WHERE level = %(case)s AND state = %(active)s;

CREATE TABLE IF NOT EXISTS dms_trace_pack (
    parent bigint NOT NULL,
    first bigint NOT NULL,
    last bigint NOT NULL,
    packed_on timestamp NOT NULL,
    unpacked_on timestamp,
    CHECK (first <= last),
    CONSTRAINT dms_trace_pack_one_parent EXCLUDE USING gist (
        int8range(first, last, '[]') WITH &&, tsrange(packed_on, unpacked_on) WITH &&)
);
CREATE INDEX IF NOT EXISTS dms_trace_pack_open_idx ON dms_trace_pack (first) WHERE unpacked_on IS NULL;
CREATE INDEX IF NOT EXISTS dms_trace_pack_parent_idx ON dms_trace_pack (parent);

CREATE TABLE IF NOT EXISTS dms_trace_event_range (
    event_id integer NOT NULL,
    first bigint NOT NULL,
    last bigint NOT NULL,
    CHECK (first <= last)
);
CREATE INDEX IF NOT EXISTS dms_trace_event_range_event_idx ON dms_trace_event_range (event_id);
CREATE INDEX IF NOT EXISTS dms_trace_event_range_keys_idx ON dms_trace_event_range
    USING gist (int8range(first, last, '[]'));

CREATE UNLOGGED TABLE IF NOT EXISTS dms_trace_rate (
    bucket text PRIMARY KEY,
    slot integer NOT NULL,
    hits integer NOT NULL
);
"""


class DmsCode(models.Model):
    """Reader and service of the code tables, which live outside the ORM (10^8 rows are usual)."""

    _name = "dms.code"
    _description = "Unit Code"
    _auto = False
    _depends = {
        "dms.code.order": [
            "company_id",
            "product_id",
            "lot_id",
            "gtin",
            "case_gtin",
            "first_key",
            "last_key",
        ],
    }
    _order = "id"
    _rec_name = "serial"

    serial = fields.Char("Serial Number", compute="_compute_serial", search="_search_serial")
    gtin = fields.Char("GTIN", readonly=True)
    level = fields.Selection([("unit", "Unit"), ("case", "Case")], readonly=True)
    state = fields.Selection(
        [
            ("printed", "Printed"),
            ("active", "In Use"),
            ("assigned", "On a Delivery"),
            ("shipped", "Shipped"),
            ("received", "Received"),
            ("sold", "Sold"),
            ("consumed", "Consumed"),
            ("void", "Void"),
            ("destroyed", "Destroyed"),
        ],
        "Status",
        readonly=True,
    )
    order_id = fields.Many2one("dms.code.order", "Code Order", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    product_id = fields.Many2one("product.product", readonly=True)
    lot_id = fields.Many2one("stock.lot", "Batch", readonly=True)
    case_key = BigInteger("Case Key", readonly=True, aggregator=None)
    case_serial = fields.Char("In Case", compute="_compute_serial")
    unit_count = fields.Integer("Units", compute="_compute_unit_count")
    partner_id = fields.Many2one("res.partner", "Distributor", readonly=True)
    picking_id = fields.Many2one("stock.picking", "Delivery", readonly=True)
    scanned_picking_id = fields.Many2one(
        "stock.picking", "Scanned On", readonly=True, help="The delivery that this very label was scanned on."
    )
    event_ids = fields.Many2many("dms.trace.event", string="Events", compute="_compute_event_ids")
    digital_link = fields.Char(compute="_compute_digital_link")

    @property
    def _table_query(self):
        state = SQL(
            "CASE WHEN box.state BETWEEN %s AND %s AND box.state > c.state THEN box.state ELSE c.state END",
            ASSIGNED,
            RECEIVED,
        )
        names = SQL(" ").join(SQL("WHEN %s THEN %s", value, name) for name, value in STATES.items())
        return SQL(
            """
            SELECT c.key AS id, o.id AS order_id, o.company_id, o.product_id, o.lot_id,
                   CASE WHEN c.level = %(unit)s THEN 'unit' ELSE 'case' END AS level,
                   CASE WHEN c.level = %(unit)s THEN o.gtin ELSE o.case_gtin END AS gtin,
                   CASE %(state)s %(names)s END AS state,
                   p.parent AS case_key,
                   c.picking_id AS scanned_picking_id,
                   COALESCE(c.picking_id, box.picking_id) AS picking_id,
                   COALESCE(c.partner_id, box.partner_id) AS partner_id
              FROM dms_trace_code c
              JOIN dms_code_order o ON c.key BETWEEN o.first_key AND o.last_key
              %(case)s
            """,
            case=self._join_case(),
            unit=UNIT,
            state=state,
            names=names,
        )

    @api.model
    def _join_case(self):
        """Join of the case ``box`` that a code ``c`` is in now: open runs never overlap, so the nearest one decides."""
        return SQL(
            """
            LEFT JOIN LATERAL (SELECT parent, last FROM dms_trace_pack
                                WHERE unpacked_on IS NULL AND first <= c.key
                             ORDER BY first DESC LIMIT 1) p ON c.level = %s AND p.last >= c.key
            LEFT JOIN dms_trace_code box ON box.key = p.parent
            """,
            UNIT,
        )

    def init(self):
        self.env.cr.execute(
            SQL(
                _DDL.replace("%(last_chunk)s", str((1 << (codes.KEY_BITS - CHUNK_BITS)) - 1))
                .replace("%(case)s", str(CASE))
                .replace("%(active)s", str(ACTIVE))
            )
        )

    @api.depends("gtin", "order_id", "case_key")
    def _compute_serial(self):
        texts = self._get_serials(set(self.ids) | {code.case_key for code in self if code.case_key})
        for code in self:
            code.serial = texts.get(code.id, ("", False))[1]
            code.case_serial = texts.get(code.case_key, ("", False))[1]

    def _search_serial(self, operator, value):
        if operator not in ("=", "in", "ilike"):
            return NotImplemented
        texts = [value] if isinstance(value, str) else list(value)
        groups = self.env["dms.code.order"].sudo()._read_group([("first_key", ">", 0)], ["gtin", "case_gtin"])
        gtins = sorted({gtin for pair in groups for gtin in pair})
        return [("id", "in", [info["key"] for info in self._read_texts(texts, gtins) if info])]

    def _compute_unit_count(self):
        cases = self.filtered(lambda code: code.level == "case")
        counts = self._count_units(cases.ids)
        for code in self:
            code.unit_count = counts.get(code.id, 0) if code in cases else 1

    def _compute_event_ids(self):
        events = self.env["dms.trace.event"]._of_codes(self.ids)
        for code in self:
            code.event_ids = events.get(code.id, self.env["dms.trace.event"])

    def _compute_digital_link(self):
        base_url = self._get_resolver_url()
        for code in self:
            code.digital_link = code.serial and gs1.digital_link(base_url, code.gtin, code.serial)

    def action_void(self):
        """Take labels out of use: damaged, lost or stolen. Goods on their way keep theirs."""
        self.check_access("read")
        if not self.env.user.has_groups(
            "dms_channel.dms_channel_group_manager,dms_traceability.dms_traceability_group_inspector"
        ):
            raise UserError(self.env._("Only an inspector or a channel manager may declare codes void."))
        self._void(self.ids)
        return True

    # --- Keys -------------------------------------------------------------------------------------

    @api.model
    def _get_master_keys(self):
        """Accepted master keys, the issuing one first.

        :raise UserError: when none is set, or one is too short
        """
        text = os.environ.get("DMS_MASTER_KEY") or config.get("dms_master_key")
        try:
            masters = codes.parse_master_keys(text)
        except ValueError as error:
            raise UserError(
                self.env._(
                    "The master key for unit codes is too short: each key needs at least %s characters. "
                    "Ask the administrator to set a longer dms_master_key in odoo.conf.",
                    codes.MASTER_KEY_MIN_LENGTH,
                )
            ) from error
        if not masters:
            raise UserError(
                self.env._(
                    "There is no master key for unit codes, so none can be made or verified. Ask the administrator "
                    "to set dms_master_key in odoo.conf (or DMS_MASTER_KEY in the server's environment) to at least "
                    "%s random characters, to keep a copy in a safe place, and to restart the server.",
                    codes.MASTER_KEY_MIN_LENGTH,
                )
            )
        return masters

    @api.model
    def _get_resolver_url(self):
        parameter = self.env["ir.config_parameter"].sudo().get_param("dms_traceability.resolver_url")
        return parameter or self.env["dms.code.order"].get_base_url()

    @api.model
    def _reserve(self, count):
        """First of ``count`` consecutive keys that nobody else will get, not even after a rollback."""
        chunks = -(-count >> CHUNK_BITS)
        cr = self.env.cr
        # Locked for an instant only: sequences don't wait for the transaction's end.
        cr.execute("SELECT pg_advisory_lock(hashtext('dms_trace_chunk_seq'))")
        cr.execute("SELECT nextval('dms_trace_chunk_seq')")
        first = cr.fetchone()[0]
        last_chunk = (1 << (codes.KEY_BITS - CHUNK_BITS)) - 1
        exhausted = first + chunks - 1 > last_chunk
        if chunks > 1 and not exhausted:
            cr.execute("SELECT setval('dms_trace_chunk_seq', %s)", [first + chunks - 1])
        cr.execute("SELECT pg_advisory_unlock(hashtext('dms_trace_chunk_seq'))")
        if exhausted:
            raise UserError(self.env._("All code numbers of this database are used up: ask for fewer codes."))
        return first << CHUNK_BITS

    @api.model
    def _store(self, first, count, level, state=PRINTED):
        """Write ``count`` codes from key ``first`` on: linear time, memory for one slice."""
        if not count:
            return
        for block in range(first >> PARTITION_BITS, (first + count - 1 >> PARTITION_BITS) + 1):
            self._ensure_partition(block)
        for start in range(first, first + count, COPY_ROWS):
            keys = np.arange(start, min(start + COPY_ROWS, first + count))
            self.env.cr.copy_expert(
                "COPY dms_trace_code (key, level, state) FROM STDIN (FORMAT binary)",
                pgcopy.binary([("int8", keys), ("int2", level), ("int2", state)]),
            )

    @api.model
    def _ensure_partition(self, block):
        cr = self.env.cr
        name = f"dms_trace_code_p{block}"
        cr.execute("SELECT to_regclass(%s)", [name])
        if cr.fetchone()[0]:
            return
        cr.execute("SELECT pg_advisory_xact_lock(hashtext('dms_trace_code'), %s)", [block])
        cr.execute("SELECT to_regclass(%s)", [name])
        if cr.fetchone()[0]:
            return
        # ATTACH lets others read and write the table meanwhile, CREATE ... PARTITION OF would not.
        table, low, high = SQL.identifier(name), block << PARTITION_BITS, (block + 1) << PARTITION_BITS
        cr.execute(SQL("CREATE TABLE %s (LIKE dms_trace_code INCLUDING ALL)", table))
        cr.execute(SQL("ALTER TABLE %s ADD CHECK (key >= %s AND key < %s)", table, low, high))
        cr.execute(
            SQL(
                "ALTER TABLE dms_trace_code ATTACH PARTITION %s FOR VALUES FROM (%s) TO (%s)",
                table,
                low,
                high,
            )
        )

    # --- Reading ----------------------------------------------------------------------------------

    @api.model
    def _get_serials(self, keys):
        """``{key: (gtin, serial)}`` of existing keys; serials are derived, never stored.

        :raise UserError: when the master key that issued them is not configured any more
        """
        keys = sorted(key for key in keys if key)
        if not keys:
            return {}
        orders = self.env["dms.code.order"].sudo()._of_keys(keys)
        result = {}
        for order, own_keys in orders.items():
            master = order._get_master()
            split = order.first_key + order.quantity
            for gtin, part in (
                (order.gtin, [key for key in own_keys if key < split]),
                (order.case_gtin, [key for key in own_keys if key >= split]),
            ):
                serials = codes.encode(master, gtin, order.key_year, part)
                result.update(zip(part, ((gtin, serial) for serial in serials), strict=True))
        return result

    @api.model
    def _decode(self, pairs):
        """Keys that GTINs and serials vouch for, without any look-up in the code tables.

        :param pairs: list of ``(GTIN-14, serial)``
        :return: list aligned with ``pairs``: ``(key, year, fingerprint of the master key)`` or None
        """
        masters = self._get_master_keys()
        places = defaultdict(list)
        for place, (gtin, _serial) in enumerate(pairs):
            places[gtin].append(place)
        result = [None] * len(pairs)
        year = fields.Date.today().year
        for gtin, own_places in places.items():
            serials = [pairs[place][1] for place in own_places]
            for place, item in zip(own_places, codes.decode(masters, gtin, serials, year), strict=True):
                result[place] = item and (item[0], item[1], codes.fingerprint(masters[item[2]]))
        return result

    @api.model
    def _resolve(self, pairs):
        """What is known of codes.

        :param pairs: list of ``(GTIN-14, serial)``
        :return: list aligned with ``pairs``: None for a forgery, else a dict with ``key``, ``level``, ``gtin``,
            ``serial``, ``order``, ``state`` (number), ``picking_id``, ``partner_id``, ``case_key``
        """
        decoded = self._decode(pairs)
        keys = [item[0] for item in decoded if item]
        rows, orders = self._read_rows(keys), self.env["dms.code.order"].sudo()._of_keys(keys)
        order_of = {key: order for order, own_keys in orders.items() for key in own_keys}
        result = []
        for (gtin, serial), item in zip(pairs, decoded, strict=True):
            row = item and rows.get(item[0])
            order = item and order_of.get(item[0])
            if not row or not order or not order._issued(gtin, *item):
                result.append(None)
                continue
            result.append(dict(row, gtin=gtin, serial=codes.normalise(serial), order=order))
        return result

    @api.model
    def _read_texts(self, texts, gtins=()):
        """Codes that scanned or typed texts mean; a bare serial is tried with each of ``gtins``.

        :return: list aligned with ``texts``, as of :meth:`_resolve`
        """
        pairs, owners = [], []
        for place, text in enumerate(texts):
            try:
                gtin, serial = gs1.parse(text)
            except ValueError:
                continue
            candidates = [gtin] if gtin else gtins
            pairs += [(candidate, serial) for candidate in candidates]
            owners += [place] * len(candidates)
        result = [None] * len(texts)
        for place, info in zip(owners, self._resolve(pairs), strict=True):
            result[place] = result[place] or info
        return result

    @api.model
    def _read_rows(self, keys):
        if not keys:
            return {}
        return {
            row["key"]: row
            for row in self.env.execute_query_dict(
                SQL(
                    """
                    SELECT c.key, c.level, p.parent AS case_key, c.state AS own_state,
                           CASE WHEN box.state BETWEEN %s AND %s AND box.state > c.state
                                THEN box.state ELSE c.state END AS state,
                           COALESCE(c.picking_id, box.picking_id) AS picking_id,
                           COALESCE(c.partner_id, box.partner_id) AS partner_id
                      FROM dms_trace_code c
                        %s
                     WHERE c.key = ANY(%s)
                    """,
                    ASSIGNED,
                    RECEIVED,
                    self._join_case(),
                    list(keys),
                )
            )
        }

    @api.model
    def _count_units(self, case_keys):
        """``{case key: units inside now}``"""
        if not case_keys:
            return {}
        return dict(
            self.env.execute_query(
                SQL(
                    """SELECT parent, sum(last - first + 1)::integer FROM dms_trace_pack
                        WHERE parent = ANY(%s) AND unpacked_on IS NULL GROUP BY parent""",
                    list(case_keys),
                )
            )
        )

    # --- Packing ----------------------------------------------------------------------------------

    @api.model
    def _pack(self, first, size, case_first, count, when):
        """Put units into cases of one order: case ``i`` takes the ``i``-th ``size`` units.

        Only cases whose units are all in use and loose are packed; calling again packs the rest.

        :return: list of ``(case key, first unit key, last unit key)``
        """
        return self.env.execute_query(
            SQL(
                """
                WITH whole AS (
                    SELECT (key - %(first)s) / %(size)s AS place
                      FROM dms_trace_code
                     WHERE key BETWEEN %(first)s AND %(last)s AND state = %(active)s
                  GROUP BY place
                    HAVING count(*) = %(size)s
                )
                INSERT INTO dms_trace_pack (parent, first, last, packed_on)
                SELECT box.key, %(first)s + place * %(size)s, %(first)s + (place + 1) * %(size)s - 1, %(when)s
                  FROM whole
                  JOIN dms_trace_code box ON box.key = %(case_first)s + place AND box.state = %(active)s
                 WHERE NOT EXISTS (
                        SELECT FROM dms_trace_pack p
                         WHERE p.unpacked_on IS NULL
                           AND int8range(p.first, p.last, '[]')
                               && int8range(%(first)s + place * %(size)s, %(first)s + (place + 1) * %(size)s))
                   AND NOT EXISTS (SELECT FROM dms_trace_pack q WHERE q.parent = box.key AND q.unpacked_on IS NULL)
              ORDER BY box.key
             RETURNING parent, first, last
                """,
                first=first,
                size=size,
                last=first + size * count - 1,
                active=ACTIVE,
                case_first=case_first,
                when=when,
            )
        )

    @api.model
    def _unpack(self, case_keys, when):
        """Open cases: their units take over the case's state, delivery and distributor, the label is void."""
        cr = self.env.cr
        cr.execute(
            """
            UPDATE dms_trace_code c
               SET state = CASE WHEN box.state BETWEEN %(assigned)s AND %(received)s AND box.state > c.state
                                THEN box.state ELSE c.state END,
                   picking_id = COALESCE(c.picking_id, box.picking_id),
                   partner_id = COALESCE(c.partner_id, box.partner_id)
              FROM dms_trace_pack p
              JOIN dms_trace_code box ON box.key = p.parent
             WHERE p.parent = ANY(%(cases)s) AND p.unpacked_on IS NULL AND c.key BETWEEN p.first AND p.last
               AND box.state > %(active)s
            """,
            {"assigned": ASSIGNED, "received": RECEIVED, "active": ACTIVE, "cases": list(case_keys)},
        )
        cr.execute(
            "UPDATE dms_trace_pack SET unpacked_on = %s WHERE parent = ANY(%s) AND unpacked_on IS NULL "
            "RETURNING parent, first, last",
            [when, list(case_keys)],
        )
        runs = cr.fetchall()
        cr.execute(
            "UPDATE dms_trace_code SET state = %s, picking_id = NULL WHERE key = ANY(%s)",
            [VOID, list(case_keys)],
        )
        self.env["dms.trace.event"]._record("unpacking", list(case_keys) + runs, when=when)
        return runs

    @api.model
    def _void(self, keys):
        cr = self.env.cr
        cr.execute(
            "UPDATE dms_trace_code SET state = %s WHERE key = ANY(%s) AND state NOT IN %s RETURNING key",
            [VOID, list(keys), (ASSIGNED, VOID, DESTROYED)],
        )
        done = [key for (key,) in cr.fetchall()]
        if done:
            self.env["dms.trace.event"]._record("decommissioning", done)
        self.invalidate_model()
        return done
