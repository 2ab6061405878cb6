"""Context values that mark a model's own writes.

A client can put any JSON value under these keys, but never this object: a mark can't come in from outside.
"""

WRITE = "dms_guarded_write"
BATCH = "dms_batch"
_MARK = object()


def mark(records, key=WRITE):
    """``records`` with the mark. ``WRITE`` opens the guarded fields, ``BATCH`` puts a check off to the end."""
    return records.with_context(**{key: _MARK})


def is_marked(records, key=WRITE):
    return records.env.context.get(key) is _MARK
