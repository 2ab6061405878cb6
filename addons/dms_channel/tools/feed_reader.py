"""Read what partners send: CSV, JSON lines or XLSX, plain, gzipped or zipped, in the forms people really use.

Two steps. :func:`inspect` looks at the head of the file and answers a :class:`Layout` (how to read it, or a
:class:`FeedError` that says in a sentence why it can't be read). :func:`read_lines` then streams the rows, each
with its texts as sent, the values they mean and the codes of what is wrong with them. Memory does not grow with
the number of rows of a CSV; an XLSX keeps its shared strings, whose size is limited.

Documented columns (see :data:`COLUMNS`); their order is free and their headers are recognised in English and
Chinese, or named by the caller::

    distributor, outlet, product_code, date, quantity, unit, unit_price, amount, returned, reference

Everything here is free of Odoo, so that it can be tested and timed by itself.
"""

import codecs
import csv
import datetime
import gzip
import io
import json
import re
import unicodedata
import zipfile
from collections import namedtuple
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from itertools import zip_longest

COLUMNS = (
    "distributor",
    "outlet",
    "product_code",
    "date",
    "quantity",
    "unit",
    "unit_price",
    "amount",
    "returned",
    "reference",
)
REQUIRED = ("product_code", "date", "quantity")
NUMBERS = ("quantity", "unit_price", "amount", "returned")

#: Largest text that a code, a unit or a reference may be; a longer one is most often an unclosed quotation mark.
MAX_TEXT = 200
HEAD_ROWS = 30
SAMPLE_ROWS = 1000
CHUNK = 1 << 20

HEADERS = {
    "distributor": "distributor distributorcode distributorid dealer dealercode agency agencycode 经销商 经销商编码 经销商代码 经销商编号 代理商 代理商编码 客户编码",
    "outlet": "outlet outletcode outletid shop shopcode store storecode storeid pos customer customercode 门店 门店编码 门店代码 门店编号 店铺 店铺编码 终端 终端编码 网点 网点编码",
    "product_code": "productcode product productid productref sku skucode item itemcode itemno itemnumber article articleno articlecode materialcode barcode ean gtin 产品编码 产品代码 产品编号 商品编码 商品代码 商品编号 物料编码 物料号 货号 条码 条形码 商品条码 产品",
    "date": "date day saledate salesdate solddate invoicedate transactiondate countdate stockdate businessdate 日期 销售日期 销售时间 开单日期 单据日期 业务日期 交易日期 盘点日期 库存日期",
    "quantity": "quantity qty sold soldqty qtysold quantitysold salesqty units unitssold volume stock stockqty onhand counted countedquantity 数量 销量 销售数量 出货数量 销售量 库存 库存数量 盘点数量 实盘数量",
    "unit": "unit uom unitofmeasure 单位 计量单位 销售单位",
    "unit_price": "unitprice price priceunit sellingprice salesprice netprice 单价 价格 销售单价 售价 含税单价",
    "amount": "amount total value revenue sales salesamount salesvalue netamount turnover linetotal 金额 销售金额 总金额 销售额 合计金额",
    "returned": "returned returnedquantity returnqty returnedqty qtyreturned returns 退货 退货数量 退货量 退回数量",
    "reference": "reference ref invoice invoiceno invoicenumber document documentno receipt receiptno orderno ordernumber transactionid 单号 单据号 单据编号 发票号 订单号 小票号 凭证号 流水号",
}
SPREADSHEET_ERRORS = {"#REF!", "#N/A", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!"}
TOTAL_WORDS = {"total", "totals", "grandtotal", "sum", "合计", "总计", "小计", "共计"}
_MONTH_NAMES = (
    "jan january,feb february,mar march,apr april,may,jun june,"
    "jul july,aug august,sep sept september,oct october,nov november,dec december"
)
MONTHS = {name: number for number, names in enumerate(_MONTH_NAMES.split(","), 1) for name in names.split()}


def _lt(source):
    """Mark a sentence for translation; the caller who knows a language translates ``FeedError.source``."""
    return source


class FeedError(ValueError):
    """The file can't be read. ``source`` is the sentence with ``%(name)s`` marks, ``values`` fills them."""

    def __init__(self, source, **values):
        super().__init__(source % values if values else source)
        self.source = source
        self.values = values


class HeaderError(FeedError):
    """No row of the file names the needed columns; ``headers`` and ``samples`` are what the likeliest row has."""

    headers = ()
    samples = ()


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
    ``samples`` what stands under each, ``corrected`` the {name: header} that somebody chose for files like this.
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

    def to_json(self):
        return {
            "kind": self.kind,
            "encoding": self.encoding,
            "separator": self.separator,
            "sheet": self.sheet,
            "header_row": self.header_row,
            "date_order": self.date_order,
            "decimal": self.decimal,
            "headers": self.headers,
            "samples": self.samples,
            "corrected": self.corrected,
            "columns": {name: self.headers[index] for name, index in self.columns.items()},
        }


#: One row: ``row`` as a spreadsheet numbers it, the ten texts as sent, then what they mean as texts that PostgreSQL
#: reads (ISO date, plain decimal numbers) or None, then the comma-separated codes of what is wrong ('' if nothing).
Line = namedtuple("Line", ("row", *COLUMNS, "day", "sold", "back", "price", "value", "issues"))


# -- texts, numbers, dates ---------------------------------------------------------------------------------------


#: Full-width ASCII and blanks to plain ones. Not NFKC, which would turn 10² into 102.
_PLAIN = {0xFF01 + offset: 0x21 + offset for offset in range(94)}
_PLAIN |= {0xFFE5: "¥", 0x3000: " ", 0xA0: " ", 0xFEFF: None, 0: None}


def clean(value, decimal="."):
    """Answer a cell's text: full-width characters made plain, no outer blanks, ``="00123"`` and ``'00123``
    unwrapped.

    Numbers of a spreadsheet are written with ``decimal`` as their mark, so that they read back as what they were.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        if not value.isascii():
            value = value.translate(_PLAIN)
        elif "\0" in value:
            value = value.replace("\0", "")
        value = value.strip()
        if value[:2] == '="' and value[-1:] == '"':
            return value[2:-1].strip()
        return value[1:] if value[:1] == "'" else value
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        text = str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
        return text.replace(".", decimal)
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(" ")
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


_EDGES = re.compile(r"^(?:[¥$€£]|RMB|CNY|USD|EUR|GBP)|(?:[¥$€£元]|RMB|CNY|USD|EUR|GBP)$", re.IGNORECASE)
_BLANKS = re.compile(r"[\s'’_]")
_FORMS = {
    ".": re.compile(r"(?:\d+|\d{1,3}(?:,\d{3})+)?(?:\.\d*)?(?:[eE][+-]?\d{1,2})?"),
    ",": re.compile(r"(?:\d+|\d{1,3}(?:\.\d{3})+)?(?:,\d*)?(?:[eE][+-]?\d{1,2})?"),
}
_LIMIT = Decimal(10) ** 12


def parse_number(text, decimal="."):
    """Answer ``text`` as a plain decimal number ('-1234.5'), or None if it is not one or is beyond 10**12.

    ``decimal`` is the file's decimal mark; a number that can only be meant with the other mark is still read.
    """
    if text.isascii() and text.isdigit() and len(text) <= 12:
        return text
    text = text.translate(_PLAIN).strip()
    sign = 1
    if text[:1] == "(" and text[-1:] == ")":
        text, sign = text[1:-1], -1
    text = _BLANKS.sub("", text).replace("\u2212", "-").replace("−", "-").replace("‑", "-")
    if text[-1:] == "-":
        text, sign = text[:-1], -sign
    if text[:1] in ("-", "+"):
        sign = -sign if text[0] == "-" else sign
        text = text[1:]
    text = _EDGES.sub("", _EDGES.sub("", text))
    if not any(char.isdigit() for char in text[:40]) or len(text) > 40 or text[:1] in ("-", "+"):
        return None
    other = "," if decimal == "." else "."
    if not _FORMS[decimal].fullmatch(text):
        if not _FORMS[other].fullmatch(text):
            return None
        decimal, other = other, decimal
    try:
        number = Decimal(text.replace(other, "").replace(decimal, ".")) * sign
    except InvalidOperation:
        return None
    if abs(number) >= _LIMIT:
        return None
    return format(number.normalize(), "f") if number else "0"


def guess_decimal(texts):
    """Answer the decimal mark that ``texts`` speak for, '.' where they leave it open."""
    votes = {".": 0, ",": 0}
    for text in texts:
        last = max(text.rfind("."), text.rfind(","))
        if last < 0:
            continue
        mark, other = text[last], "," if text[last] == "." else "."
        if other in text:
            votes[mark] += 1
        elif text.count(mark) > 1:
            votes[other] += 1
        elif not re.fullmatch(r"\d{3}", text[last + 1 :]) or text[:last].lstrip("-+") in ("", "0"):
            votes[mark] += 1
    return "," if votes[","] > votes["."] else "."


_TIME = r"(?:[T ]+\d{1,2}[:时]\d{1,2}.{0,24})?"
_YMD = re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?" + _TIME)
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})" + _TIME)
_NUMERIC = re.compile(r"(\d{1,2})\s*[-/. ]\s*(\d{1,2})\s*[-/. ]\s*(\d{4}|\d{2})" + _TIME)
_DAY_NAME = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?[-/., ]*([A-Za-z]{3,9})[-/., ]*(\d{4}|\d{2})" + _TIME)
_NAME_DAY = re.compile(r"([A-Za-z]{3,9})[-/., ]*(\d{1,2})(?:st|nd|rd|th)?[-/., ]+(\d{4}|\d{2})" + _TIME)
_SERIAL = re.compile(r"(\d{5})(?:[.,]\d+)?")
_EPOCH = datetime.date(1899, 12, 30)


def _parse_date_parts(text, order):
    """Answer (year, month, day) texts or numbers of ``text``, or None."""
    if match := _YMD.fullmatch(text) or _COMPACT.fullmatch(text):
        return match.groups()
    if match := _NUMERIC.fullmatch(text):
        first, second, year = match.groups()
        return (year, first, second) if order == "mdy" else (year, second, first)
    if match := _DAY_NAME.fullmatch(text):
        return match[3], MONTHS.get(match[2].lower(), 0), match[1]
    if match := _NAME_DAY.fullmatch(text):
        return match[3], MONTHS.get(match[1].lower(), 0), match[2]
    return None


def parse_date(text, order="dmy"):
    """Answer ``text`` as an ISO date between 1990 and 2100, or None. ``order`` ('dmy', 'mdy') settles 03/04/2025.

    A five-digit number is a spreadsheet's day count since 1899-12-30.
    """
    if match := _SERIAL.fullmatch(text):
        day = _EPOCH + datetime.timedelta(days=int(match[1]))
    else:
        parts = _parse_date_parts(text.translate(_PLAIN).strip(), order)
        if not parts:
            return None
        year, month, number = (int(part) for part in parts)
        year += (2000 if year < 70 else 1900) if year < 100 else 0
        try:
            day = datetime.date(year, month, number)
        except ValueError:
            return None
    return day.isoformat() if 1990 <= day.year <= 2100 else None


def guess_date_order(texts, default="dmy"):
    """Answer 'dmy' or 'mdy' from the days above 12 among ``texts``; ``default`` where there is none."""
    for text in texts:
        if match := _NUMERIC.fullmatch(text):
            if int(match[1]) > 12:
                return "dmy"
            if int(match[2]) > 12:
                return "mdy"
    return default


# -- headers -----------------------------------------------------------------------------------------------------


def _fold(header):
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", header).lower())


_BY_HEADER = {_fold(word): name for name, words in HEADERS.items() for word in words.split()}
_BY_HEADER.update({_fold(name): name for name in COLUMNS})


def guess_columns(headers):
    """Answer {column name: index} for the headers that are recognised; the first of two alike counts."""
    columns = {}
    for index, header in enumerate(headers):
        name = _BY_HEADER.get(_fold(re.sub(r"[(（\[].*?[)）\]]", "", header))) or _BY_HEADER.get(
            _fold(header)
        )
        if name:
            columns.setdefault(name, index)
    return columns


def _named_columns(headers, columns):
    """Answer {column name: index} for the caller's {column name: header}, the rest guessed from what is left."""
    index_by_header = {}
    for index, header in enumerate(headers):
        index_by_header.setdefault(_fold(header), index)
    unknown = set(columns) - set(COLUMNS)
    if unknown:
        raise FeedError(
            _lt('"%(names)s" is no column of a feed. The columns are: %(columns)s.'),
            names=", ".join(sorted(unknown)),
            columns=", ".join(COLUMNS),
        )
    named = {}
    for name, header in columns.items():
        if not header:
            continue
        if _fold(header) not in index_by_header:
            raise FeedError(
                _lt('The file has no column "%(header)s" for %(name)s. Its columns are: %(headers)s.'),
                header=header,
                name=name,
                headers=_listed(headers),
            )
        named[name] = index_by_header[_fold(header)]
    guessed = guess_columns(headers)
    used = set(named.values())
    return named | {n: i for n, i in guessed.items() if n not in columns and i not in used}


def _listed(headers):
    return ", ".join(header[:40] for header in headers[:40] if header) or "-"


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


class Source:
    """The bytes of one transmission, out of their archive. ``kind`` is 'csv' or 'xlsx'."""

    def __init__(self, raw, limits=None):
        """Raise :class:`FeedError` where ``raw`` is empty, too large, damaged or of no kind that can be read."""
        self.limits = limits or Limits()
        self.raw = raw
        self.member = None
        if not raw:
            raise FeedError(_lt("The file is empty."))
        if len(raw) > self.limits.file:
            raise FeedError(
                _lt(
                    "The file has %(size)s MB; %(limit)s MB is the limit. Split it by period and send the parts."
                ),
                size=len(raw) >> 20,
                limit=self.limits.file >> 20,
            )
        self.pack = "gz" if raw[:2] == b"\x1f\x8b" else "zip" if raw[:4] == b"PK\x03\x04" else ""
        if raw[:8] == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
            raise FeedError(
                _lt("This is a protected or old Excel file. Save it as .xlsx without a password, or as CSV.")
            )
        if raw[:5] == b"%PDF-" or raw[:4] in (b"\x89PNG", b"\xff\xd8\xff\xe0", b"Rar!", b"7z\xbc\xaf"):
            raise FeedError(_lt("This is no table. Send a CSV or an XLSX file."))
        if raw[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_MARKUP):
            raise FeedError(
                _lt("This is a web page, no table. Open it in a spreadsheet and save it as XLSX or CSV.")
            )
        self.kind = self._open_zip() if self.pack == "zip" else "csv"

    def _open_zip(self):
        try:
            with zipfile.ZipFile(io.BytesIO(self.raw)) as archive:
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
        return min(self.limits.unpacked, max(self.limits.ratio * len(self.raw), 16 << 20))

    def open(self):
        """Answer a fresh binary stream of the CSV's bytes."""
        stream = io.BytesIO(self.raw)
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
        return openpyxl.load_workbook(
            io.BytesIO(source.raw), read_only=True, data_only=True, keep_links=False
        )
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
        zipfile.ZipFile(io.BytesIO(source.raw)) as archive,
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


def _find_header(head, columns):
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
            folded = {_fold(header) for header in candidate}
            score = len(guess_columns(candidate)) + 2 * sum(_fold(text) in folded for text in named.values())
            if best is None or score > best[0]:
                best = (score, number, candidate)
        above = headers
    if best is None:
        raise FeedError(_lt("The file is empty."))
    _score, number, headers = best
    found = _named_columns(headers, columns) if columns else guess_columns(headers)
    missing = [name for name in REQUIRED if name not in found]
    if missing:
        error = HeaderError(
            _lt(
                "No column was recognised as %(missing)s. Name the columns as in the template; the file's are: %(headers)s."
            ),
            missing=", ".join(missing),
            headers=_listed(headers),
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


def inspect(raw, columns=None, default_date_order="dmy", limits=None):
    """Answer the :class:`Layout` of a file.

    :param bytes raw: the file: CSV or XLSX, or a CSV in .gz or .zip
    :param dict columns: {name of :data:`COLUMNS`: header in the file}; what is not named is guessed
    :param str default_date_order: 'dmy' or 'mdy', where the file's own dates don't tell
    :raises FeedError: with a sentence for the sender
    """
    limits = limits or Limits()
    source = Source(raw, limits)
    if source.kind == "xlsx":
        layout, head = _inspect_xlsx(source, columns)
    else:
        encoding = guess_encoding(source)
        if source.open().read(CHUNK).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{":
            return _inspect_jsonl(source, encoding, columns, default_date_order)
        text = io.TextIOWrapper(source.open(), encoding=encoding, newline="").read(1 << 16)
        layout = Layout("csv", encoding=encoding, separator=guess_separator(text))
        head = _head(_csv_rows(source, layout.encoding, layout.separator), HEAD_ROWS + SAMPLE_ROWS)
        layout.header_row, layout.headers, layout.columns = _find_header(head, columns)
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
    layout.date_order = guess_date_order(samples["date"], default_date_order)
    layout.decimal = guess_decimal(
        text for name in ("quantity", "unit_price", "amount", "returned") for text in samples.get(name, ())
    )
    return layout


def _inspect_jsonl(source, encoding, columns, default_date_order):
    """JSON has one way to write a number; only the order of day and month may be open."""
    head = _head(_jsonl_rows(source, encoding), SAMPLE_ROWS)
    number, headers, found = _find_header(head[:1], columns)
    layout = Layout("jsonl", encoding=encoding, header_row=number, headers=headers, columns=found)
    layout.samples = _samples(head, number, len(headers))
    dates = [clean(cells[found["date"]]) for _row, cells in head[1:]]
    layout.date_order = guess_date_order(dates, default_date_order)
    return layout


def _inspect_xlsx(source, columns):
    """Take the first sheet whose header is recognised; the first one's error where none is."""
    workbook = _open_workbook(source)
    error = None
    for sheet in workbook.sheetnames:
        if not hasattr(workbook[sheet], "iter_rows"):
            continue
        head = _head(_xlsx_rows(workbook, sheet), HEAD_ROWS + SAMPLE_ROWS)
        try:
            number, headers, found = _find_header(head, columns)
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


def _is_formula(text):
    if text[0] == "#":
        return text in SPREADSHEET_ERRORS
    return len(text) > 1 and not text[1:].replace(".", "").isdigit()


class LineParser:
    """Turn the ten texts of a row into values and the codes of what is wrong. One instance per file: it remembers."""

    def __init__(self, kind="sell_through", date_order="dmy", decimal="."):
        self.kind = kind
        self.date_order = date_order
        self.decimal = decimal
        self._dates = {}
        self._numbers = {}

    def _date(self, text):
        try:
            return self._dates[text]
        except KeyError:
            if len(self._dates) > 50_000:
                self._dates.clear()
            answer = self._dates[text] = parse_date(text, self.date_order)
            return answer

    def _number(self, text):
        try:
            return self._numbers[text]
        except KeyError:
            if len(self._numbers) > 50_000:
                self._numbers.clear()
            answer = self._numbers[text] = parse_number(text, self.decimal)
            return answer

    def parse(self, row, texts):
        """Answer the :class:`Line` of ``texts`` (ten, in the order of :data:`COLUMNS`)."""
        issues = []
        for index, text in enumerate(texts):
            if len(text) > MAX_TEXT:
                issues.append("cell_too_long")
                texts[index] = text[:MAX_TEXT]
        for index in (0, 1, 2, 5, 9):
            text = texts[index]
            if text and text[0] in "=@+-#" and _is_formula(text):
                issues.append("formula")
                break
        (_distributor, _outlet, code, date, quantity, _unit, price, amount, returned, _reference) = texts
        if not code:
            issues.append("product_missing")
        day = self._date(date) if date else None
        if day is None:
            issues.append("date_unreadable" if date else "date_missing")
        sold = self._optional(quantity, "quantity_unreadable", issues)
        back = self._optional(returned, "returned_unreadable", issues)
        price = self._optional(price, "price_unreadable", issues)
        value = self._optional(amount, "amount_unreadable", issues)
        if sold is None and not quantity:
            if back is None:
                issues.append("quantity_missing")
            else:
                sold = "0"
        sold, back, value = self._signs(sold, back, value, issues)
        if price and price[0] == "-":
            issues.append("price_negative")
        return (row, *texts, day, sold, back or "0", price, value, ",".join(issues))

    def _optional(self, text, issue, issues):
        if not text:
            return None
        number = self._number(text)
        if number is None:
            issues.append(issue)
        return number

    def _signs(self, sold, back, value, issues):
        """A negative quantity of a sell-through file is what customers brought back; elsewhere it is an error."""
        if back and back[0] == "-":
            issues.append("returned_negative")
        if sold and sold[0] == "-":
            if self.kind == "count" or (back and back != "0"):
                issues.append("quantity_negative")
            else:
                sold, back = "0", sold[1:]
                value = value.lstrip("-") if value else value
        elif value and value[0] == "-":
            issues.append("amount_negative")
        return sold, back, value


def read_lines(raw, layout, kind="sell_through", limits=None):
    """Yield a tuple shaped as :class:`Line` for each row of the file that is neither blank nor a total.

    :raises FeedError: where the file turns out damaged on the way
    """
    source = Source(raw, limits)
    decimal = layout.decimal
    parse = LineParser(kind, layout.date_order, decimal).parse
    places = [layout.columns.get(name, -1) for name in COLUMNS]
    code_place, date_place = layout.columns["product_code"], layout.columns["date"]
    code_header, date_header = layout.headers[code_place], layout.headers[date_place]
    for number, cells in _rows(source, layout):
        if number <= layout.header_row or not cells:
            continue
        width = len(cells)
        texts = [clean(cells[place], decimal) if 0 <= place < width else "" for place in places]
        if not any(texts):
            continue
        if not texts[3] and _is_total(cells, code_place, date_place):
            continue
        if texts[2] == code_header and texts[3] == date_header:  # the header again, on each printed page
            continue
        yield parse(number, texts)


def _is_total(cells, code_place, date_place):
    """A closing row such as "Total;;;120" states no product and no date of its own."""
    if (
        date_place < len(cells)
        and clean(cells[date_place])
        and _fold(clean(cells[date_place])) not in TOTAL_WORDS
    ):
        return False
    code = _fold(clean(cells[code_place])) if code_place < len(cells) else ""
    words = {_fold(clean(cell)) for cell in cells if isinstance(cell, str)}
    return bool(words & TOTAL_WORDS) and (not code or code in TOTAL_WORDS)


def template(kind="sell_through"):
    """Answer the bytes of an empty CSV with the documented headers (UTF-8 with a mark, so that Excel reads it)."""
    skipped = (
        ("distributor",)
        if kind == "sell_through"
        else ("distributor", "outlet", "returned", "unit_price", "amount")
    )
    return codecs.BOM_UTF8 + (",".join(name for name in COLUMNS if name not in skipped) + "\r\n").encode()
