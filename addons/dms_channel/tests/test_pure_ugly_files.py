"""Files as partners really send them, each with what becomes of every one of its rows.

A case is (name, bytes, expected). Expected is a list with one text for each row that is read::

    "row | product | day | sold | issues"        trailing empty parts left out, '-' for what could not be read

or a regular expression of the sentence with which the whole file is refused.
"""

import datetime
import gzip
import io
import json
import re
import unittest
import zipfile

import openpyxl
from openpyxl.styles import Font

from odoo.addons.dms_channel.tools import feed_reader
from odoo.addons.dms_channel.tools.feed_columns import FeedError
from odoo.addons.dms_channel.tools.feed_parser import Line

HEAD = "product_code,date,quantity"
CHINESE = "商品编码,销售日期,销售数量,门店编码\n茶-1,2025年1月5日,12,上海一店\n"
CHINESE_ROWS = ["2 | 茶-1 | 2025-01-05 | 12"]


def csv_text(*rows, head=HEAD):
    return "\n".join([head, *rows])


def csv_bytes(*rows, head=HEAD, encoding="utf-8"):
    return csv_text(*rows, head=head).encode(encoding)


def book(fill, **options):
    """The bytes of a workbook that ``fill(workbook, active sheet)`` has filled."""
    workbook = openpyxl.Workbook(**options)
    fill(workbook, workbook.active)
    stream = io.BytesIO()
    workbook.save(stream)
    return stream.getvalue()


def sheet(*rows):
    def fill(_workbook, active):
        for row in rows:
            active.append(row)

    return book(fill)


def repacked(raw, replace):
    """The XLSX ``raw`` with the members of {name: bytes, or None to leave it out} instead of its own."""
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(raw)) as old,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            content = replace.get(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return stream.getvalue()


def zipped(**members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return stream.getvalue()


def merged_titles(_workbook, active):
    for row in (
        ["Sales of January", None, None, None],
        ["产品编码", "日期", "销售", None],
        [None, None, "数量", "金额"],
        ["TEA", "2025-01-05", 12, 42.5],
    ):
        active.append(row)
    for area in ("A1:D1", "A2:A3", "B2:B3", "C2:D2"):
        active.merge_cells(area)


def merged_cells(_workbook, active):
    for row in (
        ["sku", "date", "qty"],
        ["TEA", "2025-01-05", 1],
        [None, "2025-01-06", 2],
        [None, "2025-01-07", 3],
        ["CHIPS", "2025-01-05", 4],
        [None, "2025-01-06", 5],
    ):
        active.append(row)
    active.merge_cells("A2:A4")


def several_sheets(workbook, active):
    active.title = "封面"
    active.append(["Dear brand, please find attached"])
    data = workbook.create_sheet("明细")
    data.append(["SKU", "Date", "Qty"])
    data.append(["TEA", datetime.date(2025, 1, 5), 7])
    workbook.create_sheet("Empty")


def formulas(_workbook, active):
    active.append(["sku", "date", "qty"])
    active.append(["TEA", "2025-01-05", "=1+1"])
    active.append(["TEA", "2025-01-06", 3])


def errors_of_cells(_workbook, active):
    active.append(["sku", "date", "qty"])
    active.append(["TEA", "2025-01-05", "#N/A"])
    active.append(["#REF!", "2025-01-06", 3])


def styled(_workbook, active):
    active.append(["sku", "date", "qty"])
    active.append(["TEA", "2025-01-05", 1])
    for row in range(3, 400):
        active.cell(row, 1).font = Font(bold=True)


def hidden_and_far(_workbook, active):
    active.append(["sku", "date", "qty"])
    active.append(["TEA", "2025-01-05", 1])
    active.cell(900, 1, "CHIPS")
    active.cell(900, 2, "2025-01-09")
    active.cell(900, 3, 2)


PLAIN_BOOK = sheet(["sku", "date", "qty"], ["TEA", "2025-01-05", 1])
BOMB = zipped(**{"xl/workbook__xml": b"<workbook/>", "xl/worksheets/sheet1__xml": b" " * (96 << 20)})
DTD = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]><worksheet>&b;</worksheet>'
ONE = ["2 | TEA | 2025-01-05 | 1"]

UGLY = [
    # encodings
    ("utf-8", CHINESE.encode(), CHINESE_ROWS),
    ("utf-8 with mark", CHINESE.encode("utf-8-sig"), CHINESE_ROWS),
    ("gb18030", CHINESE.encode("gb18030"), CHINESE_ROWS),
    ("utf-16 little end first", CHINESE.encode("utf-16"), CHINESE_ROWS),
    ("utf-16 big end first", b"\xfe\xff" + CHINESE.encode("utf-16-be"), CHINESE_ROWS),
    ("utf-16 without a mark", csv_bytes("TEA,2025-01-05,1", encoding="utf-16-le"), ONE),
    ("utf-16 big end first without a mark", csv_bytes("TEA,2025-01-05,1", encoding="utf-16-be"), ONE),
    (
        "utf-16 cut in the middle of a letter",
        CHINESE.encode("utf-16")[:-1],
        "text is damaged",
    ),
    (
        "windows-1252",
        csv_bytes("THÉ,05/01/2025,1", encoding="cp1252"),
        ["2 | THÉ | 2025-01-05 | 1"],
    ),
    (
        "gb18030 with a letter of four bytes",
        csv_bytes("茶\U00020000,2025-01-05,1", encoding="gb18030"),
        ["2 | 茶\U00020000 | 2025-01-05 | 1"],
    ),
    ("full-width figures and comma", csv_bytes("ＴＥＡ，,２０２５／０１／０５,１２"), ["2 | TEA, | 2025-01-05 | 12"]),
    ("zero bytes among the text", csv_bytes("TE\0A,2025-01-05,1\0"), "no table"),
    # line ends, separators, quotation marks
    ("line ends of old Macintoshes", csv_bytes("TEA,2025-01-05,1").replace(b"\n", b"\r"), ONE),
    ("line ends mixed", b"product_code,date,quantity\r\nTEA,2025-01-05,1\nB,2025-01-05,2\r\n", [*ONE, "3 | B | 2025-01-05 | 2"]),
    ("semicolons", csv_bytes("TEA,2025-01-05,1").replace(b",", b";"), ONE),
    ("tabs", csv_bytes("TEA,2025-01-05,1").replace(b",", b"\t"), ONE),
    ("bars", csv_bytes("TEA,2025-01-05,1").replace(b",", b"|"), ONE),
    ("the separator named for Excel", b"sep=;\r\nsku;date;qty\r\nTEA;2025-01-05;1\r\n", ["3 | TEA | 2025-01-05 | 1"]),
    ("semicolons beside decimal commas", csv_bytes("TEA;05.01.2025;1.234,5", head="sku;date;qty"), ["2 | TEA | 2025-01-05 | 1234.5"]),
    ("commas in quotation marks", csv_bytes('"TEA, green",2025-01-05,"1,234"'), ["2 | TEA, green | 2025-01-05 | 1234"]),
    ("a line break in a cell", csv_bytes('"TEA\ngreen",2025-01-05,1', "B,2025-01-05,2"), ["2 | TEA green | 2025-01-05 | 1", "3 | B | 2025-01-05 | 2"]),
    ("a quotation mark never closed", csv_bytes('"TEA,2025-01-05,1', "B,2025-01-05,2" * 20), [re.compile(r"2 \| TEA.* \| - \| - \| cell_too_long,date_missing,quantity_missing")]),
    ("rows shorter and longer than the header", csv_bytes("TEA", "TEA,2025-01-05,1,x,y"), ["2 | TEA | - | - | date_missing,quantity_missing", "3 | TEA | 2025-01-05 | 1"]),
    # titles, totals, repeated rows
    ("titles, blank rows, total", csv_bytes("TEA,2025-01-05,1", ",,", "合计,,1", head=f"Report,,\n,,\n{HEAD}"), ["4 | TEA | 2025-01-05 | 1"]),
    ("the header again on each page", csv_bytes("TEA,2025-01-05,1", HEAD, "B,2025-01-06,2"), [*ONE, "4 | B | 2025-01-06 | 2"]),
    ("every row twice", csv_bytes(*["TEA,2025-01-05,1"] * 2), [*ONE, "3 | TEA | 2025-01-05 | 1"]),
    ("headers with units in brackets", csv_bytes("TEA,2025-01-05,1", head="产品编码(SKU),日期（年月日）,数量[箱]"), ONE),
    ("headers in other letters and blanks", csv_bytes("TEA,2025-01-05,1", head=" Product Code , SALE-DATE,Qty. "), ONE),
    ("two columns of the same name", csv_bytes("TEA,2025-01-05,1,99", head="sku,date,qty,qty"), ONE),
    # dates and numbers
    ("dates in words", csv_bytes("TEA,5 Jan 2025,1", 'B,"January 5th, 2025",1', "C,2025年01月05日 10:30,1"), ["2 | TEA | 2025-01-05 | 1", "3 | B | 2025-01-05 | 1", "4 | C | 2025-01-05 | 1"]),
    ("days counted by a spreadsheet", csv_bytes("TEA,45662,1", "B,45662.5,1"), ["2 | TEA | 2025-01-05 | 1", "3 | B | 2025-01-05 | 1"]),
    ("American dates", csv_bytes("TEA,01/31/2025,1", "B,02/01/2025,1"), ["2 | TEA | 2025-01-31 | 1", "3 | B | 2025-02-01 | 1"]),
    ("no such day", csv_bytes("TEA,2025-02-30,1", "B,1025-01-05,1", "C,2025-13-01,1"), ["2 | TEA | - | 1 | date_unreadable", "3 | B | - | 1 | date_unreadable", "4 | C | - | 1 | date_unreadable"]),
    ("numbers in all dresses", csv_bytes('TEA,2025-01-05,"1,234.50"', "B,2025-01-05,1 234", "C,2025-01-05,１２", "D,2025-01-05,1.2e3", "E,2025-01-05,¥5", "F,2025-01-05,(3)"), ["2 | TEA | 2025-01-05 | 1234.5", "3 | B | 2025-01-05 | 1234", "4 | C | 2025-01-05 | 12", "5 | D | 2025-01-05 | 1200", "6 | E | 2025-01-05 | 5", "7 | F | 2025-01-05 | 0"]),
    ("letters for figures", csv_bytes("TEA,2025-01-05,12O", "B,2025-01-05,twelve", "C,2025-01-05,nan", "D,2025-01-05,1.2.3"), ["2 | TEA | 2025-01-05 | - | quantity_unreadable", "3 | B | 2025-01-05 | - | quantity_unreadable", "4 | C | 2025-01-05 | - | quantity_unreadable", "5 | D | 2025-01-05 | - | quantity_unreadable"]),
    ("a number beyond measure", csv_bytes("TEA,2025-01-05,1e99", f"B,2025-01-05,{'9' * 400}"), ["2 | TEA | 2025-01-05 | - | quantity_unreadable", "3 | B | 2025-01-05 | - | cell_too_long,quantity_unreadable"]),
    # what would be a formula, or a burden
    ("formulas as text", csv_bytes("=HYPERLINK(A1),2025-01-05,1", "+cmd|calc,2025-01-05,1", "-TEA,2025-01-05,1", '"=""007""",2025-01-05,1'), ["2 | =HYPERLINK(A1) | 2025-01-05 | 1 | formula", "3 | +cmd|calc | 2025-01-05 | 1 | formula", "4 | -TEA | 2025-01-05 | 1 | formula", "5 | 007 | 2025-01-05 | 1"]),
    ("a cell of a megabyte", csv_bytes(f"{'x' * (1 << 20)},2025-01-05,1", "B,2025-01-05,2"), [f"2 | {'x' * 200} | 2025-01-05 | 1 | cell_too_long", "3 | B | 2025-01-05 | 2"]),
    ("a cell of twenty megabytes", csv_bytes(f"{'x' * (20 << 20)},2025-01-05,1"), [f"2 | {'x' * 200} | 2025-01-05 | 1 | cell_too_long"]),
    ("five hundred columns", csv_bytes(head=HEAD + ",x" * 500), "503 columns"),
    # archives
    ("gzipped", gzip.compress(csv_bytes("TEA,2025-01-05,1")), ONE),
    ("zipped", zipped(sales__csv=csv_bytes("TEA,2025-01-05,1")), ONE),
    ("two files in one archive", zipped(a__csv=b"x", b__csv=b"y"), "exactly one CSV"),
    ("an archive of something else", zipped(a__exe=b"MZ"), "exactly one CSV"),
    ("a cut archive", gzip.compress(csv_bytes(*["TEA,2025-01-05,1"] * 999))[:-9], "archive is damaged"),
    ("a zip bomb", zipped(a__csv=b"0" * (64 << 20)), "too large once unpacked"),
    ("a gzip bomb", gzip.compress(b"0" * (64 << 20)), "too large once unpacked"),
    ("a bomb that calls itself a workbook", BOMB, "too large once unpacked"),
    # workbooks
    ("numbers and days as such", sheet(["sku", "date", "qty"], [10002, datetime.datetime(2025, 1, 5), 12.0], ["00123", datetime.date(2025, 1, 6), 0.5]), ["2 | 10002 | 2025-01-05 | 12", "3 | 00123 | 2025-01-06 | 0.5"]),
    ("numbers and days as text", sheet(["sku", "date", "qty"], ["'00123", "2025/1/5", " 12 "]), ["2 | 00123 | 2025-01-05 | 12"]),
    ("merged titles", book(merged_titles), ["4 | TEA | 2025-01-05 | 12"]),
    ("merged cells", book(merged_cells), ["2 | TEA | 2025-01-05 | 1", "3 | TEA | 2025-01-06 | 2", "4 | TEA | 2025-01-07 | 3", "5 | CHIPS | 2025-01-05 | 4", "6 | - | 2025-01-06 | 5 | product_missing"]),
    ("several sheets", book(several_sheets), ["2 | TEA | 2025-01-05 | 7"]),
    ("a formula never computed", book(formulas), ["2 | TEA | 2025-01-05 | - | quantity_missing", "3 | TEA | 2025-01-06 | 3"]),
    ("errors of the spreadsheet", book(errors_of_cells), ["2 | TEA | 2025-01-05 | - | quantity_unreadable", "3 | #REF! | 2025-01-06 | 3 | formula"]),
    ("rows that are only coloured", book(styled), ["2 | TEA | 2025-01-05 | 1"]),
    ("a row far below", book(hidden_and_far), ["2 | TEA | 2025-01-05 | 1", "900 | CHIPS | 2025-01-09 | 2"]),
    ("yes and no for numbers", sheet(["sku", "date", "qty"], ["TEA", "2025-01-05", True]), ["2 | TEA | 2025-01-05 | - | quantity_unreadable"]),
    ("a number for a date, a date for a number", sheet(["sku", "date", "qty"], ["TEA", 45662, datetime.date(2025, 1, 5)]), ["2 | TEA | 2025-01-05 | - | quantity_unreadable"]),
    ("a workbook cut off", PLAIN_BOOK[:-200], "damaged"),
    ("a workbook without its sheet", repacked(PLAIN_BOOK, {"xl/worksheets/sheet1.xml": None}), "damaged"),
    ("a sheet that is no XML", repacked(PLAIN_BOOK, {"xl/worksheets/sheet1.xml": b"<worksheet><sheetData><row"}), "damaged"),
    ("a sheet with entities", repacked(PLAIN_BOOK, {"xl/worksheets/sheet1.xml": DTD}), "damaged|empty"),
    ("a workbook with nothing in it", sheet(), "empty"),
    # JSON lines
    ("objects", b'{"sku": "TEA", "date": "2025-01-05", "qty": 1.50}\n\n{"qty": 2, "sku": 7, "date": "2025-01-06", "more": [1]}\n', ["1 | TEA | 2025-01-05 | 1.5", "3 | 7 | 2025-01-06 | 2"]),
    ("objects without a quantity", b'{"sku": "TEA", "date": "2025-01-05"}\n', "No column was recognised as quantity"),
    ("an object cut off", b'{"sku": "TEA", "date": "2025-01-05", "qty": 1}\n{"sku": "TE', "Line 2 is no JSON"),
    ("a list among objects", b'{"sku": "TEA", "date": "2025-01-05", "qty": 1}\n[1]\n', "Line 2 is no JSON object"),
    ("objects in objects in objects", b'{"a":' * 100_000, "Line 1 is no JSON"),
    # not tables
    ("nothing", b"", "empty"),
    ("blank lines", b"\n\n\n", "empty"),
    ("a PDF", b"%PDF-1.7 ...", "no table"),
    ("a picture", b"\x89PNG\r\n\x1a\n", "no table"),
    ("an old or protected workbook", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"x" * 99, "without a password"),
    ("a web page", b"<html><table><tr><td>sku</td></tr></table></html>", "no table"),
    ("program code", bytes(range(256)) * 9, "no table|encoding"),
    ("other columns", b"a,b,c\n1,2,3\n", "No column was recognised as product_code, date, quantity"),
]  # fmt: skip


ZONE = "Asia/Shanghai"
TIMES = "device,product_code,time,quantity"
SHOPS = "code,name,address,phone,status"
#: The same of the other kinds: (kind, name, bytes, expected). Moments are UTC; of outlets "row | code | details | issues".
UGLY_KINDS = [
    # shelf sensors
    ("sensor", "times with and without a zone", csv_bytes("D,TEA,2025-01-05T08:00:00Z,1", "D,TEA,2025-01-05 08:00:00+08:00,1", "D,TEA,2025-01-05 08:00,1", "D,TEA,2025/1/5 8:00 PM,1", "D,TEA,2025年1月5日8时30分,1", head=TIMES), ["2 | TEA | 2025-01-05 08:00:00 | 1", "3 | TEA | 2025-01-05 00:00:00 | 1", "4 | TEA | 2025-01-05 00:00:00 | 1", "5 | TEA | 2025-01-05 12:00:00 | 1", "6 | TEA | 2025-01-05 00:30:00 | 1"]),
    ("sensor", "a day that is another one elsewhere", csv_bytes("D,TEA,2025-01-05T23:30:00-0500,1", head=TIMES), ["2 | TEA | 2025-01-06 04:30:00 | 1"]),
    ("sensor", "seconds and milliseconds since 1970", csv_bytes("D,TEA,1736064000,1", "D,TEA,1736064000000,1", head=TIMES), ["2 | TEA | 2025-01-05 08:00:00 | 1", "3 | TEA | 2025-01-05 08:00:00 | 1"]),
    ("sensor", "a day without a time", csv_bytes("D,TEA,2025-01-05,1", head=TIMES), ["2 | TEA | - | 1 | time_missing"]),
    ("sensor", "no time at all, or none that is", csv_bytes("D,TEA,,1", "D,TEA,2025-01-05 25:00,1", "D,TEA,noon,1", head=TIMES), ["2 | TEA | - | 1 | date_missing", "3 | TEA | - | 1 | time_missing", "4 | TEA | - | 1 | moment_unreadable"]),
    ("sensor", "times of a spreadsheet", sheet(["设备", "商品编码", "采集时间", "在架数量"], ["D", "TEA", datetime.datetime(2025, 1, 5, 9, 15), 0]), ["2 | TEA | 2025-01-05 01:15:00 | 0"]),
    ("sensor", "a level below nothing", csv_bytes("D,TEA,2025-01-05 08:00,-1", ",TEA,2025-01-05 08:00,", head=TIMES), ["2 | TEA | 2025-01-05 00:00:00 | -1 | quantity_negative", "3 | TEA | 2025-01-05 00:00:00 | - | device_missing,quantity_missing"]),
    ("sensor", "sales instead of readings", csv_bytes("TEA,2025-01-05,1"), "No column was recognised as device"),
    # returns
    ("returns", "all with a minus", csv_bytes("TEA,2025-01-05,-3", "TEA,2025-01-06,(2)", head="product_code,date,returned"), ["2 | TEA | 2025-01-05 | 3", "3 | TEA | 2025-01-06 | 2"]),
    ("returns", "one with a minus", csv_bytes("TEA,2025-01-05,3", "TEA,2025-01-06,-2", head="产品编码,退货日期,退货数量"), ["2 | TEA | 2025-01-05 | 3", "3 | TEA | 2025-01-06 | -2 | quantity_negative"]),
    ("returns", "a formula for a reason", csv_bytes('TEA,2025-01-05,3,"=cmd|calc"', head="sku,date,qty,reason"), ["2 | TEA | 2025-01-05 | 3 | formula"]),
    # outlets
    ("outlet", "line breaks in an address", csv_bytes('A1,Shop,"Gate 2\r\n  Mill Lane 1\n",,', head=SHOPS), ['2 | A1 | {"name": "Shop", "street": "Gate 2, Mill Lane 1"}']),
    ("outlet", "phone numbers as numbers", sheet(SHOPS.split(","), ["A1", "Shop", None, 13800138000.0, None], ["A2", "Shop", None, 1.38e10, None]), ['2 | A1 | {"name": "Shop", "phone": "13800138000"}', '3 | A2 | {"name": "Shop", "phone": "13800000000"}']),
    ("outlet", "phone numbers that a spreadsheet shortened", csv_bytes("A1,Shop,,1.38E+10,", "A2,Shop,,13800138000.0,", "A3,Shop,,+86 138-0013-8000 ext 12,", "A4,Shop,,ask Ann,", head=SHOPS), ['2 | A1 | {"name": "Shop", "phone": "1.38E+10"} | phone_unreadable', '3 | A2 | {"name": "Shop", "phone": "13800138000"}', '4 | A3 | {"name": "Shop", "phone": "+86 138-0013-8000 ext 12"}', '5 | A4 | {"name": "Shop", "phone": "ask Ann"} | phone_unreadable']),
    ("outlet", "closed shops", csv_bytes("A1,Shop,,,停业", "A2,Shop,,,营业", "A3,Shop,,,so so", head=SHOPS), ['2 | A1 | {"name": "Shop", "open": false, "status": "停业"}', '3 | A2 | {"name": "Shop", "open": true, "status": "营业"}', '4 | A3 | {"name": "Shop", "status": "so so"} | status_unknown']),
    ("outlet", "formulas in names", csv_bytes('A1,"=HYPERLINK(""http://x"",""Shop"")",,,', "A2,@SUM(A1),,,", "A3,Shop,,=1+1,", "+A4,Shop,,,", head=SHOPS), [re.compile("formula$")] * 4),
    ("outlet", "Chinese headers", csv_bytes("A1,一店,上海市南京路1号,021-5555,营业", head="客户编码,客户名称,详细地址,联系电话,营业状态", encoding="gb18030"), ['2 | A1 | {"name": "一店", "open": true, "phone": "021-5555", "status": "营业", "street": "上海市南京路1号"}']),
    ("outlet", "a shop without code or name", csv_bytes(",Shop,,,", "A2,,,,", head=SHOPS), ['2 | - | {"name": "Shop"} | outlet_missing', "3 | A2 | {} | name_missing"]),
    ("outlet", "a total below", csv_bytes("A1,Shop,,,", "Total,,,2,", head=SHOPS), ['2 | A1 | {"name": "Shop"}']),
    ("outlet", "sales instead of shops", csv_bytes("TEA,2025-01-05,1"), "No column was recognised as outlet, name"),
]  # fmt: skip


def read_kind(kind, raw):
    layout = feed_reader.inspect(raw, kind=kind)
    for line in feed_reader.read_lines(raw, layout, kind, zone=ZONE):
        if kind == "outlet":
            row, _distributor, code, details, issues = line
            what = [json.dumps(json.loads(details), ensure_ascii=False, sort_keys=True)]
        else:
            row, code, issues = line[0], line[3], line[-1]
            values = (line[-2], line[13]) if kind == "sensor" else line[13:15]
            what = [value or "-" for value in values]
        yield " | ".join([str(row), code or "-", *what, *([issues] if issues else [])])


def read(raw):
    layout = feed_reader.inspect(raw)
    return [Line(*line) for line in feed_reader.read_lines(raw, layout)]


def described(line):
    parts = [str(line.row), " ".join(line.product_code.split()) or "-", line.day or "-", line.sold or "-"]
    return " | ".join([*parts, line.issues] if line.issues else parts)


class TestUglyFiles(unittest.TestCase):
    maxDiff = 2000

    def test_each(self):
        for name, raw, expected in UGLY:
            with self.subTest(name):
                if isinstance(expected, str):
                    with self.assertRaisesRegex(FeedError, expected) as caught:
                        read(raw)
                    self.assertRegex(str(caught.exception), r"^[A-Z\"].*\.$", "a refusal is a sentence")
                    continue
                found = [described(line) for line in read(raw)]
                self.assertEqual(len(found), len(expected), found)
                for text, wanted in zip(found, expected, strict=True):
                    if isinstance(wanted, re.Pattern):
                        self.assertRegex(text, wanted)
                    else:
                        self.assertEqual(text, wanted)

    def test_each_of_other_kinds(self):
        for kind, name, raw, expected in UGLY_KINDS:
            with self.subTest(name):
                if isinstance(expected, str):
                    with self.assertRaisesRegex(FeedError, expected):
                        list(read_kind(kind, raw))
                    continue
                found = list(read_kind(kind, raw))
                self.assertEqual(len(found), len(expected), found)
                for text, wanted in zip(found, expected, strict=True):
                    if isinstance(wanted, re.Pattern):
                        self.assertRegex(text, wanted)
                    else:
                        self.assertEqual(text, wanted)
