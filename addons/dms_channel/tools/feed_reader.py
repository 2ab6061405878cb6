"""Read what partners send: CSV, JSON lines or XLSX, plain, gzipped or zipped, in the forms people really use.

Two steps. :func:`inspect` looks at the head of the file and answers a :class:`Layout` (how to read it, or a
:class:`FeedError` that says in a sentence why it can't be read). :func:`read_lines` then streams the rows, each
with its texts as sent, the values they mean and the codes of what is wrong with them. Memory does not grow with
the number of rows of a CSV; an XLSX keeps its shared strings, whose size is limited.

The columns of each kind are in :mod:`.feed_columns`; their order is free and their headers are recognised in English
and Chinese, or named by the caller. What the texts mean is for :mod:`.feed_parser` to say.

Everything here is free of Odoo, so that it can be tested and timed by itself.
"""

import codecs
import csv
import gzip
import io
import json
import os
import re
import zipfile
from dataclasses import dataclass, field
from itertools import zip_longest

from .feed_columns import (
    KINDS,
    NUMBERS,
    FeedError,
    HeaderError,
    _lt,
    fold,
    guess_columns,
    listed,
    named_columns,
)
from .feed_parser import MAX_TEXT, make_parser
from .feed_values import clean, guess_date_order, guess_decimal, parse_number

HEAD_ROWS = 30
SAMPLE_ROWS = 1000
CHUNK = 1 << 20

TOTAL_WORDS = {"total", "totals", "grandtotal", "sum", "合计", "总计", "小计", "共计"}


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes and counts beyond which a file is refused.

    What is packed may grow to ``ratio`` times its size, or to 16 MB whatever its size is.
    """

    file: int = 64 << 20
    unpacked: int = 1 << 30
    ratio: int = 200
    columns: int = 200


@dataclass
class Layout:
    """How one file is read: what :func:`inspect` found, JSON-ready through :meth:`to_json`.

    ``columns`` maps a name of :data:`COLUMNS` to the index of its column; ``headers`` are the texts of the header row,
    ``samples`` what stands under each, ``corrected`` the {name: header} that somebody chose for files like this;
    ``negative`` says that a file of returns writes what came back with a minus.
    """

    kind: str
    encoding: str = ""
    separator: str = ""
    sheet: str = ""
    header_row: int = 1
    headers: list = field(default_factory=list)
    columns: dict = field(default_factory=dict)
    date_order: str = "dmy"
    decimal: str = "."
    samples: list = field(default_factory=list)
    corrected: dict = field(default_factory=dict)
    negative: bool = False

    def to_json(self):
        return {
            "kind": self.kind,
            "encoding": self.encoding,
            "separator": self.separator,
            "sheet": self.sheet,
            "header_row": self.header_row,
            "date_order": self.date_order,
            "decimal": self.decimal,
            "negative": self.negative,
            "headers": self.headers,
            "samples": self.samples,
            "corrected": self.corrected,
            "columns": {name: self.headers[index] for name, index in self.columns.items()},
        }


# -- containers and encodings --------------------------------------------------------------------------------------


class _Bounded(io.RawIOBase):
    """A binary stream that refuses to answer more than ``limit`` bytes."""

    def __init__(self, stream, limit):
        self.stream = stream
        self.left = limit

    def readable(self):
        return True

    def readinto(self, buffer):
        try:
            data = self.stream.read(len(buffer))
        except (OSError, EOFError, zipfile.BadZipFile) as error:
            raise FeedError(
                _lt("The archive is damaged. Pack the file again, or send it unpacked.")
            ) from error
        except Exception as error:  # zlib.error has no public base class
            raise FeedError(
                _lt("The archive is damaged. Pack the file again, or send it unpacked.")
            ) from error
        self.left -= len(data)
        if self.left < 0:
            raise FeedError(
                _lt("The file is too large once unpacked. Split it by period and send the parts.")
            )
        buffer[: len(data)] = data
        return len(data)


_MARKUP = (b"<!doctype html", b"<html", b"<table", b"<?xml")


def too_large(size, limits=None):
    """Answer the :class:`FeedError` of a file of ``size`` bytes where that is above the limit, else None."""
    limit = (limits or Limits()).file
    if size <= limit:
        return None
    return FeedError(
        _lt("The file has %(size)s MB; %(limit)s MB is the limit. Split it by period and send the parts."),
        size=size >> 20,
        limit=limit >> 20,
    )


class Source:
    """The bytes of one transmission, out of their archive. ``kind`` is 'csv' or 'xlsx'.

    :param content: bytes, or the path of a file, which is then read a piece at a time
    """

    def __init__(self, content, limits=None):
        """Raise :class:`FeedError` where it is empty, too large, damaged or of no kind that can be read."""
        self.limits = limits or Limits()
        self.content = content
        self.size = len(content) if isinstance(content, bytes) else os.path.getsize(content)
        self.member = None
        if not self.size:
            raise FeedError(_lt("The file is empty."))
        if error := too_large(self.size, self.limits):
            raise error
        with self.open_packed() as stream:
            raw = stream.read(1024)
        self.pack = "gz" if raw[:2] == b"\x1f\x8b" else "zip" if raw[:4] == b"PK\x03\x04" else ""
        if raw[:8] == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
            raise FeedError(
                _lt("This is a protected or old Excel file. Save it as .xlsx without a password, or as CSV.")
            )
        if raw[:5] == b"%PDF-" or raw[:4] in (b"\x89PNG", b"\xff\xd8\xff\xe0", b"Rar!", b"7z\xbc\xaf"):
            raise FeedError(_lt("This is no table. Send a CSV or an XLSX file."))
        if raw.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_MARKUP):
            raise FeedError(
                _lt("This is a web page, no table. Open it in a spreadsheet and save it as XLSX or CSV.")
            )
        self.kind = self._open_zip() if self.pack == "zip" else "csv"

    def open_packed(self):
        """Answer a fresh binary stream of the bytes as they came."""
        return io.BytesIO(self.content) if isinstance(self.content, bytes) else open(self.content, "rb")

    def _open_zip(self):
        try:
            with self.open_packed() as stream, zipfile.ZipFile(stream) as archive:
                infos = [info for info in archive.infolist() if not info.is_dir()]
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise FeedError(
                _lt("The file is damaged: it can't be opened. Save it again and send it again.")
            ) from error
        if sum(info.file_size for info in infos) > self._unpacked_limit:
            raise FeedError(
                _lt("The file is too large once unpacked. Split it by period and send the parts.")
            )
        names = {info.filename for info in infos}
        if "xl/workbook.xml" in names:
            return "xlsx"
        tables = [info for info in infos if info.filename.lower().endswith((".csv", ".txt", ".tsv"))]
        if len(tables) != 1 or tables[0].flag_bits & 1:
            raise FeedError(_lt("The archive must hold exactly one CSV file, without a password."))
        self.member = tables[0].filename
        return "csv"

    @property
    def _unpacked_limit(self):
        return min(self.limits.unpacked, max(self.limits.ratio * self.size, 16 << 20))

    def open(self):
        """Answer a fresh binary stream of the CSV's bytes."""
        stream = self.open_packed()
        if self.pack == "gz":
            return io.BufferedReader(_Bounded(gzip.GzipFile(fileobj=stream), self._unpacked_limit), CHUNK)
        if self.pack == "zip":
            archive = zipfile.ZipFile(stream)
            return io.BufferedReader(_Bounded(archive.open(self.member), self._unpacked_limit), CHUNK)
        return stream


def _decodes(source, encoding):
    decoder = codecs.getincrementaldecoder(encoding)()
    stream = source.open()
    try:
        while chunk := stream.read(CHUNK):
            decoder.decode(chunk)
        decoder.decode(b"", True)
    except UnicodeDecodeError:
        return False
    return True


def _guess_utf16(source, head):
    """Answer which UTF-16 a text without a mark is: most letters of a table have a zero byte, always on the same side."""
    zeros = [head[side::2].count(0) for side in (0, 1)]
    if 10 * max(zeros) >= len(head) and 10 * min(zeros) < max(zeros):
        encoding = "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
        if _decodes(source, encoding):
            return encoding
    raise FeedError(_lt("This is no table. Send a CSV or an XLSX file."))


def guess_encoding(source):
    """Answer the encoding of a CSV: a byte order mark, else UTF-8, else GB18030 or Windows-1252 by their byte runs."""
    head = source.open().read(CHUNK)
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if head.startswith(mark):
            if _decodes(source, encoding):
                return encoding
            raise FeedError(_lt("The text is damaged. Save the file as CSV in UTF-8 and send it again."))
    if b"\x00" in head:
        return _guess_utf16(source, head)
    if _decodes(source, "utf-8"):
        return "utf-8"
    runs = [len(run) for run in re.findall(rb"[\x80-\xff]+", head)]
    lonely = sum(1 for length in runs if length == 1)
    # an accent stands alone between ASCII letters, a Chinese character fills two bytes, mostly both of them high
    candidates = ("cp1252", "gb18030") if runs and 2 * lonely > len(runs) else ("gb18030", "cp1252")
    for encoding in candidates:
        if _decodes(source, encoding):
            return encoding
    raise FeedError(_lt("The text's encoding is not known. Save the file as CSV in UTF-8 and send it again."))


#: First line by which Excel is told the separator.
_NAMED_SEPARATOR = re.compile(r"sep=([,;|\t])", re.IGNORECASE)


def guess_separator(text):
    """Answer the one of ``, ; tab |`` that splits the first lines of ``text`` into the most, and most even, columns."""
    lines = [line for line in text.splitlines()[:HEAD_ROWS] if line.strip()]
    if lines and (named := _NAMED_SEPARATOR.fullmatch(lines[0].strip())):
        return named[1]
    best, best_score = ",", 0
    for separator in ",;\t|":
        widths = [len(row) for row in csv.reader(lines, delimiter=separator)]
        width = max(set(widths), key=widths.count, default=1) if widths else 1
        score = (width - 1) * widths.count(width)
        if score > best_score:
            best, best_score = separator, score
    return best


# -- rows ----------------------------------------------------------------------------------------------------------


def _csv_rows(source, encoding, separator):
    # a cell above csv's own limit would end the whole file; above ours it only spoils its line
    csv.field_size_limit(max(csv.field_size_limit(), 16 << 20))
    text = io.TextIOWrapper(source.open(), encoding=encoding, newline="")
    try:
        yield from enumerate(csv.reader(text, delimiter=separator), 1)
    except csv.Error as error:
        raise FeedError(
            _lt(
                "The file can't be split into rows (%(error)s). Look for a quotation mark that is never closed."
            ),
            error=error,
        ) from error


def _jsonl_rows(source, encoding):
    """One JSON object a line: the names that the first objects use are the header."""
    text = io.TextIOWrapper(source.open(), encoding=encoding, newline="")
    head = []
    names = {}
    for number, line in enumerate(text, 1):
        head.append((number, _json_object(line, number)))
        names |= dict.fromkeys(head[-1][1])
        if number == SAMPLE_ROWS:
            break
    yield 0, list(names)
    for number, values in head:
        yield number, [values.get(name) for name in names]
    for number, line in enumerate(text, len(head) + 1):
        values = _json_object(line, number)
        yield number, [values.get(name) for name in names]


def _json_object(line, number):
    if not line.strip():
        return {}
    try:
        values = json.loads(line, parse_float=str, parse_int=str)
    except (ValueError, RecursionError) as error:
        raise FeedError(_lt("Line %(row)s is no JSON. Write one object on each line."), row=number) from error
    if not isinstance(values, dict):
        raise FeedError(_lt("Line %(row)s is no JSON object. Write one object on each line."), row=number)
    return {
        str(name)[:MAX_TEXT]: value if value is None or isinstance(value, str) else str(value)
        for name, value in values.items()
    }


def _open_workbook(source):
    import openpyxl

    try:
        return openpyxl.load_workbook(source.open_packed(), read_only=True, data_only=True, keep_links=False)
    except Exception as error:  # openpyxl raises whatever its parts raise on a malformed file
        raise FeedError(
            _lt("The file is damaged: it can't be opened. Save it again and send it again.")
        ) from error


def _xlsx_rows(workbook, sheet):
    worksheet = workbook[sheet]
    # files written by other programs state a size that is not theirs
    worksheet.reset_dimensions()
    try:
        yield from enumerate(worksheet.iter_rows(values_only=True), 1)
    except FeedError:
        raise
    except Exception as error:  # as above
        raise FeedError(
            _lt("The file is damaged: it can't be opened. Save it again and send it again.")
        ) from error


_MERGED = re.compile(rb'<mergeCell\s[^>]*ref="([A-Z]+)(\d+):([A-Z]+)(\d+)"')


def _column_index(letters):
    index = 0
    for letter in letters:
        index = index * 26 + letter - 64
    return index - 1


def _merged_below(source, worksheet):
    """Answer {first row: [(column index, last row)]} of the cells that are merged with those below them.

    openpyxl does not tell when it streams; they are listed in the sheet's XML after its rows.
    """
    merged = {}
    tail = b""
    with (
        source.open_packed() as packed,
        zipfile.ZipFile(packed) as archive,
        archive.open(worksheet._worksheet_path) as stream,
    ):
        while chunk := stream.read(CHUNK):
            text = tail + chunk
            for match in _MERGED.finditer(text):
                left, first, _right, last = match.groups()
                if first != last:
                    merged.setdefault(int(first), set()).add((_column_index(left), int(last)))
            tail = text[-200:]
    return merged


def _fill_merged(rows, merged, columns):
    """Repeat a merged cell's value in the rows below it, in the columns with these indexes."""
    held = {}
    for number, row in rows:
        cells = row
        if held:
            cells = list(row)
            for column, (last, value) in list(held.items()):
                if number > last:
                    del held[column]
                elif column < len(cells):
                    cells[column] = value
        for column, last in merged.get(number, ()):
            if column in columns and column < len(cells):
                held[column] = (last, cells[column])
        yield number, cells


def _head(rows, count):
    answer = []
    for number, cells in rows:
        answer.append((number, cells))
        if len(answer) >= count:
            break
    return answer


def _find_header(head, columns, kind):
    """Answer (row number, headers, {name: index}) of the header row, or raise a sentence that says what is missing."""
    best = None
    above = []
    named = {name: header for name, header in (columns or {}).items() if header}
    for number, cells in head[:HEAD_ROWS]:
        headers = [clean(cell) for cell in cells]
        if not any(headers):
            continue
        # a header of two rows has cells merged with those below or beside them
        both = [header or title for header, title in zip_longest(headers, above, fillvalue="")]
        for candidate in (headers, both):
            folded = {fold(header) for header in candidate}
            score = len(guess_columns(candidate, kind)) + 2 * sum(
                fold(text) in folded for text in named.values()
            )
            if best is None or score > best[0]:
                best = (score, number, candidate)
        above = headers
    if best is None:
        raise FeedError(_lt("The file is empty."))
    _score, number, headers = best
    found = named_columns(headers, columns, kind) if columns else guess_columns(headers, kind)
    missing = [name for name in KINDS[kind].required if name not in found]
    if missing:
        error = HeaderError(
            _lt(
                "No column was recognised as %(missing)s. Name the columns as in the template; the file's are: %(headers)s."
            ),
            missing=", ".join(missing),
            headers=listed(headers),
        )
        error.headers = headers
        error.samples = _samples(head, number, len(headers))
        raise error
    return number, headers, found


def _samples(head, header_row, width):
    """Answer for each column a text with the first three values that stand under the header."""
    found = [[] for _column in range(width)]
    for number, cells in head:
        if number > header_row:
            for values, cell in zip(found, cells, strict=False):
                if len(values) < 3 and (text := clean(cell)[:30]):
                    values.append(text)
    return [" · ".join(values) for values in found]


def inspect(raw, columns=None, default_date_order="dmy", limits=None, kind="sell_through"):
    """Answer the :class:`Layout` of a file.

    :param raw: the file: CSV, JSON lines or XLSX, or one of the first two in .gz or .zip; bytes or a path
    :param dict columns: {name of a column of the kind: header in the file}; what is not named is guessed
    :param str default_date_order: 'dmy' or 'mdy', where the file's own dates don't tell
    :param str kind: of :data:`.feed_columns.KINDS`
    :raises FeedError: with a sentence for the sender
    """
    limits = limits or Limits()
    source = Source(raw, limits)
    if source.kind == "xlsx":
        layout, head = _inspect_xlsx(source, columns, kind)
    else:
        encoding = guess_encoding(source)
        if source.open().read(CHUNK).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{":
            return _inspect_jsonl(source, encoding, columns, default_date_order, kind)
        text = io.TextIOWrapper(source.open(), encoding=encoding, newline="").read(1 << 16)
        layout = Layout("csv", encoding=encoding, separator=guess_separator(text))
        head = _head(_csv_rows(source, layout.encoding, layout.separator), HEAD_ROWS + SAMPLE_ROWS)
        layout.header_row, layout.headers, layout.columns = _find_header(head, columns, kind)
    if len(layout.headers) > limits.columns:
        raise FeedError(
            _lt("The file has %(count)s columns. Keep those of the template and send it again."),
            count=len(layout.headers),
        )
    layout.samples = _samples(head, layout.header_row, len(layout.headers))
    samples = {name: [] for name in layout.columns}
    for number, cells in head:
        if number > layout.header_row:
            for name, index in layout.columns.items():
                if index < len(cells) and isinstance(cells[index], str):
                    samples[name].append(clean(cells[index]))
    layout.date_order = guess_date_order(samples.get("date", ()), default_date_order)
    layout.decimal = guess_decimal(text for name in NUMBERS for text in samples.get(name, ()))
    if kind == "returns":
        layout.negative = _is_negative(head, layout)
    return layout


def _is_negative(head, layout):
    """Whether what the first rows bring back is written with a minus throughout."""
    place = layout.columns["quantity"]
    numbers = [
        parse_number(clean(cells[place], layout.decimal), layout.decimal)
        for number, cells in head
        if number > layout.header_row and place < len(cells) and clean(cells[place])
    ]
    numbers = [number for number in numbers if number and number != "0"]
    return bool(numbers) and all(number[0] == "-" for number in numbers)


def _inspect_jsonl(source, encoding, columns, default_date_order, kind):
    """JSON has one way to write a number; only the order of day and month may be open."""
    head = _head(_jsonl_rows(source, encoding), SAMPLE_ROWS)
    number, headers, found = _find_header(head[:1], columns, kind)
    layout = Layout("jsonl", encoding=encoding, header_row=number, headers=headers, columns=found)
    layout.samples = _samples(head, number, len(headers))
    if "date" in found:
        dates = [clean(cells[found["date"]]) for _row, cells in head[1:]]
        layout.date_order = guess_date_order(dates, default_date_order)
    if kind == "returns":
        layout.negative = _is_negative(head, layout)
    return layout


def _inspect_xlsx(source, columns, kind):
    """Take the first sheet whose header is recognised; the first one's error where none is."""
    workbook = _open_workbook(source)
    error = None
    for sheet in workbook.sheetnames:
        if not hasattr(workbook[sheet], "iter_rows"):
            continue
        head = _head(_xlsx_rows(workbook, sheet), HEAD_ROWS + SAMPLE_ROWS)
        try:
            number, headers, found = _find_header(head, columns, kind)
        except FeedError as problem:
            error = error or problem
            continue
        return Layout("xlsx", sheet=sheet, header_row=number, headers=headers, columns=found), head
    raise error or FeedError(_lt("The file is damaged: it can't be opened. Save it again and send it again."))


def _rows(source, layout):
    if layout.kind == "xlsx":
        workbook = _open_workbook(source)
        rows = _xlsx_rows(workbook, layout.sheet)
        merged = _merged_below(source, workbook[layout.sheet])
        columns = {index for name, index in layout.columns.items() if name not in NUMBERS}
        return _fill_merged(rows, merged, columns) if merged else rows
    if layout.kind == "jsonl":
        return _jsonl_rows(source, layout.encoding)
    return _csv_rows(source, layout.encoding, layout.separator)


def read_lines(raw, layout, kind="sell_through", limits=None, zone="UTC"):
    """Yield what the kind's parser answers (see :mod:`.feed_parser`) for each row that is neither blank nor a total.

    :raises FeedError: where the file turns out damaged on the way
    """
    source = Source(raw, limits)
    decimal = layout.decimal
    spec = KINDS[kind]
    parse = make_parser(kind, layout.to_json(), zone).parse
    places = [layout.columns.get(name, -1) for name in spec.texts]
    # the columns by which a closing row and a repeated header are known
    code, other = ("outlet", "name") if kind == "outlet" else ("product_code", "date")
    code_place, other_place = layout.columns.get(code, -1), layout.columns[other]
    other_text = spec.texts.index(other)
    code_header = layout.headers[code_place] if code_place >= 0 else ""
    other_header = layout.headers[other_place]
    code_text = spec.texts.index(code)
    for number, cells in _rows(source, layout):
        if number <= layout.header_row or not cells:
            continue
        width = len(cells)
        texts = [clean(cells[place], decimal) if 0 <= place < width else "" for place in places]
        if not any(texts):
            continue
        if not texts[other_text] and _is_total(cells, code_place, other_place):
            continue
        # the header again, on each printed page
        if texts[other_text] == other_header and texts[code_text] == code_header:
            continue
        yield parse(number, texts)


def _is_total(cells, code_place, date_place):
    """A closing row such as "Total;;;120" states no product and no date of its own."""
    if (
        date_place < len(cells)
        and clean(cells[date_place])
        and fold(clean(cells[date_place])) not in TOTAL_WORDS
    ):
        return False
    code = fold(clean(cells[code_place])) if 0 <= code_place < len(cells) else ""
    words = {fold(clean(cell)) for cell in cells if isinstance(cell, str)}
    return bool(words & TOTAL_WORDS) and (not code or code in TOTAL_WORDS)


def template(kind="sell_through"):
    """Answer the bytes of an empty CSV with the documented headers (UTF-8 with a mark, so that Excel reads it)."""
    return codecs.BOM_UTF8 + (",".join(KINDS[kind].template) + "\r\n").encode()
