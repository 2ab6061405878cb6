"""PostgreSQL's binary COPY format for columns of fixed width, to and from numpy (https://www.postgresql.org/docs/current/sql-copy.html).

No row is ever a Python object, which is what makes reading and writing millions of rows a matter of seconds.
"""

import numpy as np

SIGNATURE = b"PGCOPY\n\xff\r\n\0" + b"\0" * 8
TRAILER = b"\xff\xff"
EPOCH = np.datetime64("2000-01-01", "D")


def _layout(types):
    columns = [("fields", ">i2")]
    for position, kind in enumerate(types):
        columns += [(f"size{position}", ">i4"), (f"value{position}", kind)]
    return np.dtype(columns)


def unpack(data, types):
    """Columns of a binary COPY TO without NULLs.

    :param data: bytes; types: numpy types per column, such as ">i4", ">f8"
    :return: list of arrays in native byte order
    :raise ValueError: when the data does not have that layout
    """
    layout = _layout(types)
    body = memoryview(data)[len(SIGNATURE) :]
    count, rest = divmod(len(body) - len(TRAILER), layout.itemsize)
    if rest or bytes(data[:11]) != SIGNATURE[:11]:
        raise ValueError("not a binary COPY with these column types (is there a NULL?)")
    rows = np.frombuffer(body, layout, count)
    if count and not all((rows[f"size{i}"] == np.dtype(kind).itemsize).all() for i, kind in enumerate(types)):
        raise ValueError("not a binary COPY with these column types")
    return [rows[f"value{i}"].astype(np.dtype(kind).newbyteorder("=")) for i, kind in enumerate(types)]


def pack(columns, types):
    """Binary COPY FROM data of columns of one length -> bytes."""
    rows = np.empty(len(columns[0]), _layout(types))
    rows["fields"] = len(types)
    for position, (values, kind) in enumerate(zip(columns, types, strict=True)):
        rows[f"size{position}"] = np.dtype(kind).itemsize
        rows[f"value{position}"] = values
    return SIGNATURE + rows.tobytes() + TRAILER


def days(dates):
    """datetime64 -> PostgreSQL's day numbers, for columns of type date."""
    return (np.asarray(dates, "datetime64[D]") - EPOCH).astype(np.int32)
