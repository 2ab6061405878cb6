import numpy as np

from odoo import api, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..tools import codes, pgcopy

# What a label is on, as stored, and which may stand in which: a package holds what has a lower rank.
UNIT, CASE, INNER, PALLET = range(4)
LEVELS = {"unit": UNIT, "inner": INNER, "case": CASE, "pallet": PALLET}
RANKS = {UNIT: 0, INNER: 1, CASE: 2, PALLET: 3}
MAX_DEPTH = 3
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
# Logistic units (SSCC) are stock.package records: their keys lie above those of codes.
LOGISTIC_KEY = 1 << codes.KEY_BITS

TABLES = (
    "dms_trace_code",
    "dms_trace_pack",
    "dms_trace_return",
    "dms_trace_event_range",
    "dms_trace_event_epc",
    "dms_trace_rate",
)
_DDL = """
CREATE SEQUENCE IF NOT EXISTS dms_trace_chunk_seq AS bigint MAXVALUE %(last_chunk)s;

CREATE TABLE IF NOT EXISTS dms_trace_code (
    key bigint PRIMARY KEY,
    level smallint NOT NULL,
    state smallint NOT NULL,
    picking_id integer,
    partner_id integer,
    holder_id integer
) PARTITION BY RANGE (key);
ALTER TABLE dms_trace_code ADD COLUMN IF NOT EXISTS holder_id integer;
COMMENT ON COLUMN dms_trace_code.partner_id IS 'distributor that answers for the goods';
COMMENT ON COLUMN dms_trace_code.holder_id IS 'outlet or sub-distributor that has them now, where it is another';
CREATE INDEX IF NOT EXISTS dms_trace_code_picking_idx ON dms_trace_code (picking_id) WHERE picking_id IS NOT NULL;
DROP INDEX IF EXISTS dms_trace_code_partner_idx;
CREATE INDEX IF NOT EXISTS dms_trace_code_handed_on_idx ON dms_trace_code (partner_id)
    WHERE partner_id IS NOT NULL AND picking_id IS NULL;
CREATE INDEX IF NOT EXISTS dms_trace_code_holder_idx ON dms_trace_code (holder_id) WHERE holder_id IS NOT NULL;
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

CREATE TABLE IF NOT EXISTS dms_trace_return (
    key bigint PRIMARY KEY,
    picking_id integer NOT NULL
);
CREATE INDEX IF NOT EXISTS dms_trace_return_picking_idx ON dms_trace_return (picking_id);
COMMENT ON TABLE dms_trace_return IS 'labels scanned on a return that is not done yet';

CREATE TABLE IF NOT EXISTS dms_trace_event_range (
    event_id integer NOT NULL,
    first bigint NOT NULL,
    last bigint NOT NULL,
    CHECK (first <= last)
);
CREATE INDEX IF NOT EXISTS dms_trace_event_range_event_idx ON dms_trace_event_range (event_id);
CREATE INDEX IF NOT EXISTS dms_trace_event_range_keys_idx ON dms_trace_event_range
    USING gist (int8range(first, last, '[]'));

CREATE TABLE IF NOT EXISTS dms_trace_event_epc (
    event_id integer NOT NULL,
    kind smallint NOT NULL,
    epc text NOT NULL
);
CREATE INDEX IF NOT EXISTS dms_trace_event_epc_epc_idx ON dms_trace_event_epc (epc text_pattern_ops);
DROP INDEX IF EXISTS dms_trace_event_epc_event_idx, dms_trace_event__event_id_index;

CREATE UNLOGGED TABLE IF NOT EXISTS dms_trace_rate (
    bucket text PRIMARY KEY,
    slot integer NOT NULL,
    hits integer NOT NULL
);
"""


class DmsCodeTables(models.AbstractModel):
    """The code tables themselves: their definition, and how rows get in."""

    _name = "dms.code.tables"
    _description = "Unit Code Tables"

    def init(self):
        self.env.cr.execute(
            SQL(
                _DDL.replace("%(last_chunk)s", str((1 << (codes.KEY_BITS - CHUNK_BITS)) - 1))
                .replace("%(case)s", str(CASE))
                .replace("%(active)s", str(ACTIVE))
            )
        )

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
        # Each slice is written by one COPY: what a kill interrupts leaves no row behind.
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
