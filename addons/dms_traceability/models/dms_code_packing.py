from collections import defaultdict

import psycopg2

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..tools import codes
from .dms_code_tables import (
    ACTIVE,
    ASSIGNED,
    DESTROYED,
    LOGISTIC_KEY,
    MAX_DEPTH,
    RANKS,
    SOLD,
    UNIT,
    VOID,
)


class DmsCodePacking(models.AbstractModel):
    """The packing tree: unit, inner box, case, pallet.

    What stands in a package is kept as runs of keys with the time it went in and came out, so a pre-nested roll of
    labels is one row, and what was inside on a day can be asked. A package's state covers its contents.
    """

    _name = "dms.code.packing"
    _description = "Packing of Unit Codes"

    # --- Reading ----------------------------------------------------------------------------------

    @api.model
    def _join_packages(self):
        """Joins of the packages that a code ``c`` is in now, ``box1`` the nearest one, and of its run ``p1``.

        Open runs never overlap, so of those that start at or before a key the nearest one decides.
        """
        joins = []
        for depth in range(1, MAX_DEPTH + 1):
            run, box = SQL.identifier(f"p{depth}"), SQL.identifier(f"box{depth}")
            inside = SQL("%s.key", SQL.identifier(f"box{depth - 1}" if depth > 1 else "c"))
            joins.append(
                SQL(
                    """
                    LEFT JOIN LATERAL (SELECT parent, last FROM dms_trace_pack
                                        WHERE unpacked_on IS NULL AND first <= %(inside)s
                                     ORDER BY first DESC LIMIT 1) %(run)s ON %(run)s.last >= %(inside)s
                    LEFT JOIN dms_trace_code %(box)s ON %(box)s.key = %(run)s.parent
                    """,
                    inside=inside,
                    run=run,
                    box=box,
                )
            )
        return SQL(" ").join(joins)

    @api.model
    def _effective(self, name):
        """A column of a code ``c`` with what its packages (:meth:`_join_packages`) say of it."""
        boxes = [SQL.identifier(f"box{depth}", name) for depth in range(1, MAX_DEPTH + 1)]
        own = SQL.identifier("c", name)
        if name != "state":
            return SQL("COALESCE(%s)", SQL(", ").join([own, *boxes]))
        covered = [
            SQL("CASE WHEN %s BETWEEN %s AND %s THEN %s END", box, ASSIGNED, SOLD, box) for box in boxes
        ]
        return SQL("GREATEST(%s)", SQL(", ").join([own, *covered]))

    @api.model
    def _inside_sql(self, keys, moment=None):
        """Query of the runs of units in packages: ``root`` (one of ``keys``), ``first``, ``last``, ``order_id``.

        :param moment: what was inside then, instead of now
        """
        then = SQL("p.unpacked_on IS NULL")
        if moment:
            then = SQL("p.packed_on <= %s AND (p.unpacked_on IS NULL OR p.unpacked_on > %s)", moment, moment)
        return SQL(
            """
            WITH RECURSIVE inside AS (
                SELECT k.key AS root, k.key AS first, k.key AS last FROM unnest(%(keys)s::bigint[]) AS k(key)
             UNION ALL
                SELECT inside.root, p.first, p.last
                  FROM inside JOIN dms_trace_pack p ON p.parent BETWEEN inside.first AND inside.last AND %(then)s
            )
            SELECT inside.root, inside.first, inside.last, o.id AS order_id FROM inside %(orders)s
            """,
            keys=list(keys),
            then=then,
            orders=self._join_unit_orders(),
        )

    @api.model
    def _inside_keys(self, keys):
        """Array of the units in packages: written as one, their rows are found by the index."""
        return SQL("ARRAY(SELECT generate_series(first, last) FROM (%s) inside)", self._inside_sql(keys))

    @api.model
    def _join_unit_orders(self):
        """Join of the code order ``o`` that each run ``inside`` of units belongs to; runs of packages drop out.

        Units have the first keys of their order, so the code tables are not read at all, and one step down the index
        of the orders finds each: the planner can't guess how long ``inside`` is, and would read tables from end to end.
        """
        self.env["dms.code.order"].flush_model(["first_key", "quantity", "product_id", "lot_id"])
        return SQL(
            """
            JOIN LATERAL (SELECT id, first_key, quantity, product_id, lot_id FROM dms_code_order
                           WHERE first_key > 0 AND first_key <= inside.first
                        ORDER BY first_key DESC LIMIT 1) o ON inside.first < o.first_key + o.quantity
            """
        )

    @api.model
    def _get_units(self, keys, moment=None):
        """``{key: [(first, last), ...]}``: the units that labels cover, now or at a moment."""
        result = defaultdict(list)
        if keys:
            for root, first, last, _order in self.env.execute_query(self._inside_sql(keys, moment)):
                result[root].append((first, last))
        return {root: sorted(runs) for root, runs in result.items()}

    @api.model
    def _count_contents(self, keys):
        """``{key: {code order id: units}}``: what labels cover now."""
        result = defaultdict(dict)
        if keys:
            rows = self.env.execute_query(
                SQL(
                    """
                    SELECT root, order_id, sum(last - first + 1)::bigint FROM (%s) u GROUP BY root, order_id
                    """,
                    self._inside_sql(keys),
                )
            )
            for root, order_id, units in rows:
                result[root][order_id] = units
        return result

    @api.model
    def _count_units(self, keys):
        """``{key: units inside now}``"""
        return {key: sum(contents.values()) for key, contents in self._count_contents(keys).items()}

    @api.model
    def _get_parents(self, keys, moment=None):
        """``{key: key of the package it stood in}``, now or at a moment; loose ones are left out."""
        then = SQL("p.unpacked_on IS NULL")
        if moment:
            then = SQL("p.packed_on <= %s AND (p.unpacked_on IS NULL OR p.unpacked_on > %s)", moment, moment)
        return dict(
            self.env.execute_query(
                SQL(
                    """SELECT k.key, p.parent FROM unnest(%s::bigint[]) AS k(key)
                         JOIN dms_trace_pack p ON int8range(p.first, p.last, '[]') @> k.key AND %s""",
                    list(keys),
                    then,
                )
            )
        )

    # --- Packing ----------------------------------------------------------------------------------

    @api.model
    def _pack(self, first, size, case_first, count, when, filled=False):
        """Put labels into packages of one order: package ``i`` takes the ``i``-th ``size`` labels.

        Only packages whose contents are all in use and loose are packed; calling again packs the rest.

        :param bool filled: the labels are packages themselves, and empty ones stay out
        :return: list of ``(package key, first key inside, last key inside)``
        """
        return self.env.execute_query(
            SQL(
                """
                WITH whole AS (
                    SELECT (key - %(first)s) / %(size)s AS place
                      FROM dms_trace_code c
                     WHERE key BETWEEN %(first)s AND %(last)s AND state = %(active)s
                       AND (NOT %(filled)s OR EXISTS (SELECT FROM dms_trace_pack q
                                                       WHERE q.parent = c.key AND q.unpacked_on IS NULL))
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
                filled=filled,
                case_first=case_first,
                when=when,
            )
        )

    @api.model
    def _pack_into(self, parent, keys, when=None):
        """Put loose labels into a package.

        :param int parent: key of the package
        :param keys: keys of units or smaller packages
        :raise UserError: says which label can't go in, and why; nothing is packed then
        """
        keys = sorted(set(keys))
        when = when or self._next_moment([parent, *keys])
        self._lock_labels([parent, *keys])
        rows = self._read_rows([parent, *keys])
        texts = self._get_serials([parent, *keys])
        orders = {
            key: order for order, own in self.env["dms.code.order"]._of_keys(keys).items() for key in own
        }
        box = rows[parent]
        filled = self._count_units(keys)
        box_order = next(iter(self.env["dms.code.order"]._of_keys([parent])), None)
        problem = None
        if box["state"] != ACTIVE:
            problem = self.env._("Package %s is not in use, or is on a delivery already.", texts[parent][1])
        for key in keys:
            row, text = rows[key], texts[key][1]
            if problem:
                break
            if RANKS[row["level"]] >= RANKS[box["level"]]:
                problem = self.env._(
                    "%(label)s can't stand in %(box)s: it is as big, or bigger.",
                    label=text,
                    box=texts[parent][1],
                )
            elif row["state"] != ACTIVE:
                problem = self.env._("%s can't be packed: it is not in use, or left already.", text)
            elif row["case_key"]:
                problem = self.env._("%s stands in another package: take it out first.", text)
            elif not filled.get(key):
                problem = self.env._("Package %s is empty: pack it first.", text)
            elif box_order and (
                orders[key].product_id != box_order.product_id or orders[key].lot_id != box_order.lot_id
            ):
                problem = self.env._(
                    "%(label)s is of another product or batch than package %(box)s. "
                    "Use a pallet with an SSCC for mixed goods.",
                    label=text,
                    box=texts[parent][1],
                )
        if problem:
            raise UserError(problem)
        self._link(parent, self._split_runs(keys, rows, orders), when)
        self.env["dms.trace.event"]._record(
            "packing", [parent, *keys], when=when, company=self._get_company(box_order, parent)
        )
        self.invalidate_model()

    @api.model
    def _split_runs(self, keys, rows, orders):
        """Runs of consecutive keys of the same kind of label and code order."""
        groups = defaultdict(list)
        for key in keys:
            groups[orders[key].id, rows[key]["level"]].append(key)
        return sorted(run for group in groups.values() for run in codes.ranges(group))

    @api.model
    def _link(self, parent, runs, when):
        try:
            with self.env.cr.savepoint():
                self.env.cr.execute(
                    "INSERT INTO dms_trace_pack (parent, first, last, packed_on) "
                    "SELECT %s, f, l, %s FROM unnest(%s::bigint[], %s::bigint[]) AS run(f, l)",
                    [parent, when, [run[0] for run in runs], [run[1] for run in runs]],
                )
        except psycopg2.errors.ExclusionViolation as error:
            raise UserError(
                self.env._("One of these labels has just been packed elsewhere. Scan again.")
            ) from error

    @api.model
    def _next_moment(self, keys):
        """Now, or just after the last change of the labels' packing: so that history has an order."""
        self.env.cr.execute(
            """SELECT max(GREATEST(p.packed_on, p.unpacked_on)) FROM unnest(%s::bigint[]) AS k(key)
                 JOIN dms_trace_pack p ON int8range(p.first, p.last, '[]') @> k.key OR p.parent = k.key""",
            [list(keys)],
        )
        last, now = self.env.cr.fetchone()[0], fields.Datetime.now()
        return max(now, last) if last else now

    @api.model
    def _lock_labels(self, keys):
        self.env.cr.execute(
            "SELECT key FROM dms_trace_code WHERE key = ANY(%s) ORDER BY key FOR UPDATE", [list(keys)]
        )

    @api.model
    def _get_company(self, order, key):
        if order:
            return order.company_id
        return self.env["stock.package"].sudo().browse(key - LOGISTIC_KEY).company_id or self.env.company

    @api.model
    def _inherit_state(self, keys):
        """Write on labels what their packages say of them, before they leave these."""
        self.env.cr.execute(
            SQL(
                """
                UPDATE dms_trace_code t
                   SET state = e.state, picking_id = e.picking_id, partner_id = e.partner_id, holder_id = e.holder_id
                  FROM (SELECT c.key, %s AS state, %s AS picking_id, %s AS partner_id, %s AS holder_id
                          FROM dms_trace_code c %s WHERE c.key = ANY(%s)) e
                 WHERE t.key = e.key
                """,
                *(self._effective(name) for name in ("state", "picking_id", "partner_id", "holder_id")),
                self._join_packages(),
                list(keys),
            )
        )

    @api.model
    def _unpack(self, case_keys, when=None):
        """Open packages: what is inside takes over the package's state, delivery and holder; the label is void.

        :return: list of ``(package key, first key inside, last key inside)``
        """
        case_keys = list(case_keys)
        if not case_keys:
            return []
        when = when or self._next_moment(case_keys)
        self._lock_labels(case_keys)
        cr = self.env.cr
        cr.execute(
            "SELECT parent, first, last FROM dms_trace_pack WHERE parent = ANY(%s) AND unpacked_on IS NULL",
            [case_keys],
        )
        runs = cr.fetchall()
        self._inherit_state([key for _parent, first, last in runs for key in range(first, last + 1)])
        self._close("parent = ANY(%s)", case_keys, when)
        parents = self._get_parents(case_keys)
        if parents:
            self._take_out(list(parents), when)
        cr.execute(
            "UPDATE dms_trace_code SET state = %s, picking_id = NULL WHERE key = ANY(%s)",
            [VOID, case_keys],
        )
        orders = self.env["dms.code.order"]._of_keys(case_keys)
        self.env["dms.trace.event"]._record(
            "unpacking",
            case_keys + runs,
            when=when,
            company=self._get_company(next(iter(orders), None), case_keys[0]),
        )
        self.invalidate_model()
        return runs

    @api.model
    def _close(self, condition, value, when):
        self.env.cr.execute(
            SQL(
                "UPDATE dms_trace_pack SET unpacked_on = GREATEST(%s, packed_on) WHERE %s AND unpacked_on IS NULL",
                when,
                SQL(condition, value),
            )
        )

    @api.model
    def _take_out(self, keys, when=None):
        """Take labels out of the packages they stand in; what else is inside stays.

        :return: ``{key: key of the package that it came out of}``
        """
        keys = sorted(keys)
        if not keys:
            return {}
        when = when or self._next_moment(keys)
        self._lock_labels(keys)
        cr = self.env.cr
        cr.execute(
            """
            SELECT DISTINCT p.parent, p.first, p.last FROM unnest(%s::bigint[]) AS k(key)
              JOIN dms_trace_pack p ON p.unpacked_on IS NULL AND int8range(p.first, p.last, '[]') @> k.key
            """,
            [keys],
        )
        runs = cr.fetchall()
        out = {key: parent for parent, first, last in runs for key in keys if first <= key <= last}
        if not out:
            return out
        self._inherit_state(out)
        for parent, first, last in runs:
            self._close("first = %s", first, when)
            left = [key for key in range(first, last + 1) if key not in out]
            if left:
                self._link(parent, codes.ranges(left), when)
        for parent in set(out.values()):
            inside = [key for key, box in out.items() if box == parent]
            orders = self.env["dms.code.order"]._of_keys(inside)
            self.env["dms.trace.event"]._record(
                "unpacking",
                [parent, *inside],
                when=when,
                company=self._get_company(next(iter(orders), None), parent),
            )
        self.invalidate_model()
        return out

    @api.model
    def _replace_label(self, old, new):
        """Let a new label stand for a damaged one: same product, batch and kind, with all that the old one stood for.

        :param int old: key of the damaged label, which becomes void
        :param int new: key of a label in use that stands for nothing yet
        """
        when = self._next_moment([old, new])
        self._lock_labels([old, new])
        rows, texts = self._read_rows([old, new]), self._get_serials([old, new])
        orders = {
            key: order
            for order, own in self.env["dms.code.order"]._of_keys([old, new]).items()
            for key in own
        }
        names = {"old": texts[old][1], "new": texts[new][1]}
        one, other = orders.get(old), orders.get(new)
        if old == new or rows[old]["level"] != rows[new]["level"]:
            raise UserError(
                self.env._("%(new)s can't replace %(old)s: it is no label of the same kind.", **names)
            )
        if (one or other) and not (
            one and other and one.product_id == other.product_id and one.lot_id == other.lot_id
        ):
            raise UserError(
                self.env._("%(new)s can't replace %(old)s: it is of another product or batch.", **names)
            )
        used = rows[new]["state"] != ACTIVE or rows[new]["case_key"]
        if used or (rows[new]["level"] != UNIT and self._count_units([new])):
            raise UserError(
                self.env._("%(new)s can't replace %(old)s: it is in use for something else.", **names)
            )
        if rows[old]["own_state"] in (VOID, DESTROYED):
            raise UserError(self.env._("%(old)s is void already: nothing stands behind it.", **names))
        cr = self.env.cr
        cr.execute(
            "SELECT first, last FROM dms_trace_pack WHERE parent = %s AND unpacked_on IS NULL ORDER BY first",
            [old],
        )
        inside = cr.fetchall()
        if inside:
            self._close("parent = %s", old, when)
            self._link(new, inside, when)
        parent = self._get_parents([old]).get(old)
        if parent:
            cr.execute(
                "SELECT first, last FROM dms_trace_pack WHERE parent = %s AND unpacked_on IS NULL AND %s BETWEEN first AND last",
                [parent, old],
            )
            first, last = cr.fetchone()
            self._close("first = %s", first, when)
            left = [key for key in range(first, last + 1) if key != old]
            self._link(parent, [*codes.ranges(left), (new, new)], when)
        cr.execute(
            """
            UPDATE dms_trace_code t
               SET state = o.state, picking_id = o.picking_id, partner_id = o.partner_id, holder_id = o.holder_id
              FROM dms_trace_code o WHERE o.key = %s AND t.key = %s
            """,
            [old, new],
        )
        cr.execute("UPDATE dms_trace_code SET state = %s, picking_id = NULL WHERE key = %s", [VOID, old])
        company = self._get_company(one, old)
        Event = self.env["dms.trace.event"]
        Event._record(
            "decommissioning", [old], when=when, company=company, payload={"replacedBy": names["new"]}
        )
        Event._record(
            "packing" if inside or parent else "commissioning",
            [*filter(None, [parent]), new, *inside],
            when=when,
            company=company,
            payload={"replaces": names["old"]},
        )
        self.invalidate_model()

    @api.model
    def _destroy(self, keys):
        """Labels and the units in them are destroyed: they leave who had them; those on a delivery stay as they are.

        :return: keys of the labels that are destroyed now
        """
        cr = self.env.cr
        self._lock_labels(keys)
        keys = [key for key, row in self._read_rows(keys).items() if row["state"] != ASSIGNED]
        cr.execute(
            SQL(
                """UPDATE dms_trace_code SET state = %s, picking_id = NULL
                    WHERE key = ANY(%s::bigint[] || %s) AND state NOT IN %s RETURNING key""",
                DESTROYED,
                keys,
                self._inside_keys(keys),
                (ASSIGNED, VOID, DESTROYED),
            )
        )
        done = [key for (key,) in cr.fetchall()]
        for order, own in self.env["dms.code.order"].sudo()._of_keys(done).items():
            self.env["dms.trace.event"]._record("destroying", own, company=order.company_id)
        self.invalidate_model()
        return done

    @api.model
    def _void(self, keys):
        """Take labels out of use; those on a delivery keep theirs. A void unit leaves its package."""
        cr = self.env.cr
        cr.execute(
            "SELECT key FROM dms_trace_code WHERE key = ANY(%s) AND state NOT IN %s",
            [list(keys), (ASSIGNED, VOID, DESTROYED)],
        )
        done = [key for (key,) in cr.fetchall()]
        if done:
            cr.execute("UPDATE dms_trace_code SET state = %s WHERE key = ANY(%s)", [VOID, done])
            for order, own in self.env["dms.code.order"].sudo()._of_keys(done).items():
                self.env["dms.trace.event"]._record("decommissioning", own, company=order.company_id)
        self.invalidate_model()
        return done
