"""Rows for PostgreSQL's binary COPY, built from arrays."""

import io

import numpy as np

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_WIDTHS = {"int2": (">i2", 2), "int4": (">i4", 4), "int8": (">i8", 8)}


def binary(columns):
    """A readable stream of the rows for ``COPY ... FROM STDIN (FORMAT binary)``.

    :param columns: list of ``(type, values)``; type is int2, int4 or int8, values an array or one number
    :return: ``io.BytesIO``, about 12 bytes a column and row
    """
    count = max(np.size(values) for _type, values in columns)
    layout = [("count", ">i2")]
    for index, (kind, _values) in enumerate(columns):
        layout += [(f"length{index}", ">i4"), (f"value{index}", _WIDTHS[kind][0])]
    rows = np.empty(count, dtype=layout)
    rows["count"] = len(columns)
    for index, (kind, values) in enumerate(columns):
        rows[f"length{index}"] = _WIDTHS[kind][1]
        rows[f"value{index}"] = values
    return io.BytesIO(b"".join((_HEADER, rows.tobytes(), _TRAILER)))
