"""Guards of a model's own writes: marks that let them through, and locks that keep others out meanwhile.

Marks are context values. A client can put any JSON value under their keys, but never this object: a mark can't come in
from outside.
"""

from odoo.exceptions import UserError

WRITE = "dms_guarded_write"
BATCH = "dms_batch"
_MARK = object()


def mark(records, key=WRITE):
    """``records`` with the mark. ``WRITE`` opens the guarded fields, ``BATCH`` puts a check off to the end."""
    return records.with_context(**{key: _MARK})


def is_marked(records, key=WRITE):
    return records.env.context.get(key) is _MARK


def lock(records, *names):
    """Keep others from working on the records until this transaction ends, and read these fields anew.

    :raises UserError: where somebody else has them at this moment
    """
    if busy := records - records.try_lock_for_update():
        raise UserError(
            records.env._(
                "Someone else is working on %s at this moment. Try again shortly.",
                ", ".join(busy.mapped("name")),
            )
        )
    records.invalidate_recordset(names)
