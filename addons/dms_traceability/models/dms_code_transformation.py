from odoo import api, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from .dms_code_tables import ACTIVE, DESTROYED, UNIT, VOID
from .dms_trace_event_epcis import MAX_NAMED

# What repackings that stand used up: the ranges ``r`` of their events that are not of the new goods' order ``o``.
_USED_UP = SQL(
    """dms_trace_event_range r
       JOIN dms_code_repacking k ON k.event_id = r.event_id AND k.state = 'done'
       JOIN dms_code_order o ON o.id = k.order_id AND r.first NOT BETWEEN o.first_key AND o.last_key"""
)


class DmsCodeTransformation(models.AbstractModel):
    """Goods that become other goods: the labels of what is used up end, those of what is made stand for it."""

    _name = "dms.code.transformation"
    _description = "Transformation of Coded Goods"

    @api.model
    def _read_used(self, keys):
        """The units that labels of goods to be used up cover.

        :param keys: keys of units or packages
        :return: ``(keys of the units, keys of the packages that are opened)``
        :raise UserError: says which label can't be used up, and why
        """
        rows, texts = self._read_rows(keys), self._get_serials(keys)
        boxes = [key for key in keys if rows[key]["level"] != UNIT]
        runs = self._get_units(boxes)
        units = {key for key in keys if rows[key]["level"] == UNIT}
        inside = {key for own in runs.values() for first, last in own for key in range(first, last + 1)}
        # What was taken out of use stays in its package, and is no part of the goods any more.
        inside_rows = self._read_rows(inside - units)
        units |= {key for key, row in inside_rows.items() if row["state"] not in (VOID, DESTROYED)}
        for key in keys:
            if rows[key]["state"] != ACTIVE:
                raise UserError(
                    self.env._("%s can't be used up: it is not in use, or left already.", texts[key][1])
                )
            if key in boxes and not runs.get(key):
                raise UserError(self.env._("Package %s is empty.", texts[key][1]))
        self._check_count(len(units))
        return sorted(units), sorted(boxes)

    @api.model
    def _check_made(self, keys):
        """The code order of the labels of what was made.

        :raise UserError: says which label can't stand for new goods, and why
        """
        rows, texts = self._read_rows(keys), self._get_serials(keys)
        for key in keys:
            if rows[key]["level"] != UNIT:
                raise UserError(
                    self.env._("%s is the label of a package: scan those of the new items.", texts[key][1])
                )
            if rows[key]["state"] != ACTIVE:
                raise UserError(
                    self.env._(
                        "%s can't stand for new goods: put its code order in use first, or take a label that "
                        "has not left.",
                        texts[key][1],
                    )
                )
            if rows[key]["case_key"]:
                raise UserError(
                    self.env._("%s stands in a package already: new goods are loose.", texts[key][1])
                )
        orders = self.env["dms.code.order"]._of_keys(keys)
        if len(orders) != 1:
            raise UserError(
                self.env._(
                    "The labels of the new goods are of several code orders (%s). Make a repacking for each.",
                    ", ".join(order.name for order in orders),
                )
            )
        self._check_count(len(keys))
        return next(iter(orders))

    @api.model
    def _check_count(self, count):
        if count > MAX_NAMED:
            raise UserError(
                self.env._(
                    "%(count)s items are more than the %(most)s of one repacking. Make several.",
                    count=count,
                    most=MAX_NAMED,
                )
            )

    @api.model
    def _transform(self, used, made, payload=None):
        """Use up goods and let the labels of others stand for what was made of them, as one event.

        :param used: keys of units or packages; packages are opened, and single units taken out of theirs
        :param made: keys of loose units in use, of one code order
        :return: ``(event, keys of the units that were used up)``
        :raise UserError: says which label does not do, and why; nothing has changed then
        """
        used, made = sorted(set(used)), sorted(set(made))
        if both := set(used) & set(made):
            raise UserError(
                self.env._(
                    "%s is scanned as used up and as new: take it out of one of the two.",
                    self._get_serials([min(both)])[min(both)][1],
                )
            )
        self._lock_labels([*used, *made])
        order = self._check_made(made)
        units, boxes = self._read_used(used)
        self._lock_labels(units)
        if order in self.env["dms.code.order"]._of_keys(units):
            raise UserError(
                self.env._(
                    "The goods that are used up and the new ones are of the same code order, %s. "
                    "New goods need labels of their own.",
                    order.name,
                )
            )
        when = self._next_moment([*units, *boxes, *made])
        while boxes:
            runs = self._unpack(boxes, when)
            rows = self._read_rows([first for _parent, first, _last in runs])
            boxes = [
                key
                for _parent, first, last in runs
                if rows[first]["level"] != UNIT
                for key in range(first, last + 1)
            ]
        self._take_out(units, when)
        self._set_state(units, VOID)
        event = self.env["dms.trace.event"]._record(
            "repackaging", [*units, *made], when=when, order=order, company=order.company_id, payload=payload
        )
        return event, units

    @api.model
    def _undo_transformation(self, event, used, made):
        """What an event tells did not happen: the goods that it used up are there again, loose.

        :raise UserError: when the new goods are not there any more as they were
        """
        self._lock_labels([*used, *made])
        rows = self._read_rows([*used, *made])
        gone = [key for key in made if rows[key]["state"] != ACTIVE or rows[key]["case_key"]]
        if gone:
            raise UserError(
                self.env._(
                    "This can't be undone: %s was packed, left or was taken out of use since.",
                    self._get_serials(gone[:1])[gone[0]][1],
                )
            )
        self._set_state([key for key in used if rows[key]["own_state"] == VOID], ACTIVE)
        return self.env["dms.trace.event"]._declare_wrong(event)

    @api.model
    def _set_state(self, keys, state):
        self.env.cr.execute("UPDATE dms_trace_code SET state = %s WHERE key = ANY(%s)", [state, list(keys)])
        self.invalidate_model()

    @api.model
    def _is_used_up(self, key):
        """Whether a unit became part of other goods."""
        self.env["dms.code.repacking"].flush_model(["state", "event_id", "order_id"])
        return bool(
            self.env.execute_query(
                SQL("SELECT FROM %s WHERE int8range(r.first, r.last, '[]') @> %s::bigint", _USED_UP, key)
            )
        )

    @api.model
    def _follow(self, spans):
        """Runs of units, with those of what was made of them, of that again, and so on.

        :param spans: list of ``(first key, last key)``
        """
        self.env["dms.code.repacking"].flush_model(["state", "event_id", "order_id"])
        return self.env.execute_query(
            SQL(
                """
                WITH RECURSIVE made AS (
                    SELECT * FROM unnest(%s::bigint[], %s::bigint[]) AS s(first, last)
                 UNION
                    SELECT own.first, own.last
                      FROM made
                      JOIN (%s) ON int8range(r.first, r.last, '[]') && int8range(made.first, made.last, '[]')
                      JOIN dms_trace_event_range own
                        ON own.event_id = r.event_id AND own.first BETWEEN o.first_key AND o.last_key
                )
                SELECT first, last FROM made ORDER BY first
                """,
                [span[0] for span in spans],
                [span[1] for span in spans],
                _USED_UP,
            )
        )
