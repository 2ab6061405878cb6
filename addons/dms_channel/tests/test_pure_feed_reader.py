import contextlib
import datetime
import gzip
import io
import unittest
import zipfile
from decimal import Decimal

import openpyxl
from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.dms_channel.tools import feed_reader, feed_values
from odoo.addons.dms_channel.tools.feed_columns import FeedError
from odoo.addons.dms_channel.tools.feed_parser import Line
from odoo.addons.dms_channel.tools.feed_reader import Limits

HEADER = "product_code,date,quantity"


def read(raw, columns=None, kind="sell_through", **options):
    if isinstance(raw, str):
        raw = raw.encode()
    layout = feed_reader.inspect(raw, columns, **options)
    return layout, [Line(*line) for line in feed_reader.read_lines(raw, layout, kind)]


def xlsx(rows, title="Sheet"):
    workbook = openpyxl.Workbook()
    workbook.active.title = title
    for row in rows:
        workbook.active.append(row)
    stream = io.BytesIO()
    workbook.save(stream)
    return stream.getvalue()


class TestNumbers(unittest.TestCase):
    def test_forms(self):
        for text, decimal, expected in (
            ("12", ".", "12"),
            ("0012", ".", "0012"),
            ("1,234.50", ".", "1234.5"),
            ("1.234,50", ",", "1234.5"),
            ("1.234,50", ".", "1234.5"),
            ("12,5", ".", "12.5"),
            ("1,234", ".", "1234"),
            ("1,234", ",", "1.234"),
            ("1 234", ".", "1234"),
            ("1\u00a0234,5", ",", "1234.5"),
            ("1'234.5", ".", "1234.5"),
            ("(5)", ".", "-5"),
            ("5-", ".", "-5"),
            ("\u22125", ".", "-5"),
            ("¥3.20", ".", "3.2"),
            ("3.20元", ".", "3.2"),
            ("１２３．５", ".", "123.5"),
            ("1e3", ".", "1000"),
            ("-0", ".", "0"),
        ):
            with self.subTest(text=text, decimal=decimal):
                self.assertEqual(feed_values.parse_number(text, decimal), expected)

    def test_no_numbers(self):
        for text in (
            "",
            "abc",
            "1.2.3",
            "--5",
            "nan",
            "inf",
            "1e999",
            "9" * 13,
            "12 pcs",
            "1,23,4",
            "²",
            "1e-999",
        ):
            with self.subTest(text=text):
                self.assertIsNone(feed_values.parse_number(text))

    @given(st.decimals(min_value=-(10**9), max_value=10**9, places=4))
    def test_any_number_is_read_exactly(self, number):
        self.assertEqual(Decimal(feed_values.parse_number(f"{number:f}")), number)
        self.assertEqual(Decimal(feed_values.parse_number(f"{number:,f}")), number)
        swapped = f"{number:,f}".translate(str.maketrans(",.", ".,"))
        self.assertEqual(Decimal(feed_values.parse_number(swapped, ",")), number)

    @given(st.text(max_size=30))
    def test_any_text_answers(self, text):
        answer = feed_values.parse_number(text)
        if answer is not None:
            Decimal(answer)
        feed_values.parse_date(text)


class TestDates(unittest.TestCase):
    def test_forms(self):
        for text, order, expected in (
            ("2025-01-05", "dmy", "2025-01-05"),
            ("2025/1/5", "dmy", "2025-01-05"),
            ("2025.01.05", "dmy", "2025-01-05"),
            ("20250105", "dmy", "2025-01-05"),
            ("2025年1月5日", "dmy", "2025-01-05"),
            ("2025-01-05T10:00:00Z", "dmy", "2025-01-05"),
            ("2025-01-05 10:00:00.000", "dmy", "2025-01-05"),
            ("03/04/2025", "dmy", "2025-04-03"),
            ("03/04/2025", "mdy", "2025-03-04"),
            ("3.4.25", "dmy", "2025-04-03"),
            ("5 Jan 2025", "dmy", "2025-01-05"),
            ("Jan 5, 2025", "dmy", "2025-01-05"),
            ("5-January-2025", "dmy", "2025-01-05"),
            ("45662", "dmy", "2025-01-05"),
        ):
            with self.subTest(text=text, order=order):
                self.assertEqual(feed_values.parse_date(text, order), expected)

    def test_no_dates(self):
        for text in (
            "",
            "soon",
            "2025-02-30",
            "13/13/2025",
            "1850-01-01",
            "99999",
            "5 Foo 2025",
            "2025-01",
            "12",
        ):
            with self.subTest(text=text):
                self.assertIsNone(feed_values.parse_date(text))

    @given(st.dates(datetime.date(1990, 1, 1), datetime.date(2100, 12, 31)))
    def test_any_day_is_read_in_every_form(self, day):
        for form, order in (
            ("%Y-%m-%d", "dmy"),
            ("%d/%m/%Y", "dmy"),
            ("%m/%d/%Y", "mdy"),
            ("%d %b %Y", "dmy"),
        ):
            self.assertEqual(feed_values.parse_date(day.strftime(form), order), day.isoformat())

    def test_order_is_guessed_from_the_file(self):
        layout, lines = read(f"{HEADER}\nA,01/02/2025,1\nB,01/31/2025,1\n")
        self.assertEqual(layout.date_order, "mdy")
        self.assertEqual([line.day for line in lines], ["2025-01-02", "2025-01-31"])


class TestFiles(unittest.TestCase):
    def test_encodings_and_separators(self):
        text = "商品编码;销售日期;销售数量;门店编码\n茶-1;2025年1月5日;12;上海一店\n"
        for encoding in ("utf-8", "utf-8-sig", "gb18030", "utf-16"):
            for separator in ";,\t|":
                with self.subTest(encoding=encoding, separator=separator):
                    _layout, [line] = read(text.replace(";", separator).encode(encoding))
                    self.assertEqual((line.product_code, line.outlet), ("茶-1", "上海一店"))
                    self.assertEqual((line.day, line.sold, line.issues), ("2025-01-05", "12", ""))

    def test_accents_of_an_old_windows_file(self):
        _layout, [line] = read(
            "product_code;date;quantity;outlet\nA;05/01/2025;1;Müller Café\n".encode("cp1252")
        )
        self.assertEqual(line.outlet, "Müller Café")

    def test_archives(self):
        raw = f"{HEADER}\nA,2025-01-05,1\n".encode()
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("sales.csv", raw)
        for packed in (gzip.compress(raw), stream.getvalue()):
            self.assertEqual(len(read(packed)[1]), 1)

    def test_titles_blank_rows_and_totals_are_skipped(self):
        _layout, lines = read(
            "Sales of January,,\n,,\nSKU,Date,Qty\nA,2025-01-05,1\n,,\nB,2025-01-06,2\nTotal,,3\n,,合计\n"
        )
        self.assertEqual([(line.row, line.product_code) for line in lines], [(4, "A"), (6, "B")])

    def test_named_columns_and_guesses(self):
        layout, [line] = read(
            "region,product,date,qty,returned,revenue\nUK-1,10002,2011-01-05,4,1,3.40\n",
            {"distributor": "region", "product_code": "product", "quantity": "qty", "amount": "revenue"},
        )
        self.assertEqual(layout.to_json()["columns"]["amount"], "revenue")
        self.assertEqual((line.distributor, line.sold, line.back, line.value), ("UK-1", "4", "1", "3.4"))

    def test_decimal_comma(self):
        layout, lines = read("sku;date;qty;price\nA;05.01.2025;1.200;3,50\nB;06.01.2025;2,5;1.200,00\n")
        self.assertEqual(layout.decimal, ",")
        self.assertEqual([(line.sold, line.price) for line in lines], [("1200", "3.5"), ("2.5", "1200")])

    def test_spreadsheet(self):
        raw = xlsx(
            [
                ["Report", None, None],
                ["产品编码", "日期", "数量", "单价"],
                [10002, datetime.datetime(2025, 1, 5), 12.0, 1.234],
                ["00123", "2025/1/6", "3", None],
                [None, None, None, None],
                ["合计", None, 15, None],
            ]
        )
        layout, lines = read(raw)
        self.assertEqual(layout.kind, "xlsx")
        self.assertEqual(
            [(line.row, line.product_code, line.day, line.sold, line.price) for line in lines],
            [(3, "10002", "2025-01-05", "12", "1.234"), (4, "00123", "2025-01-06", "3", None)],
        )

    def test_number_cells_keep_their_value_beside_decimal_commas(self):
        raw = xlsx(
            [
                ["sku", "date", "qty", "price"],
                ["A", "2025-01-05", 1.234, "3,50"],
                ["B", "2025-01-05", 2, "4,5"],
            ]
        )
        layout, lines = read(raw)
        self.assertEqual(layout.decimal, ",")
        self.assertEqual([line.sold for line in lines], ["1.234", "2"])

    def test_second_sheet(self):
        workbook = openpyxl.Workbook()
        workbook.active.append(["Read me"])
        sheet = workbook.create_sheet("Data")
        sheet.append(["sku", "date", "qty"])
        sheet.append(["A", "2025-01-05", 1])
        stream = io.BytesIO()
        workbook.save(stream)
        layout, lines = read(stream.getvalue())
        self.assertEqual((layout.sheet, len(lines)), ("Data", 1))

    def test_issues_of_lines(self):
        rows = {
            ",2025-01-05,1": "product_missing",
            "A,,1": "date_missing",
            "A,soon,1": "date_unreadable",
            "A,2025-01-05,": "quantity_missing",
            "A,2025-01-05,many": "quantity_unreadable",
            "=cmd|' /C calc'!A0,2025-01-05,1": "formula",
            "@SUM(A1),2025-01-05,1": "formula",
            f"{'x' * 300},2025-01-05,1": "cell_too_long",
            ",,many": "product_missing,date_missing,quantity_unreadable",
            '"=""00123""",2025-01-05,1': "",
            "-12,2025-01-05,1": "",
            "A,2025-01-05,0": "",
        }
        _layout, lines = read("\n".join([HEADER, *rows]))
        self.assertEqual([line.issues for line in lines], list(rows.values()))
        self.assertEqual(lines[9].product_code, "00123")

    def test_signs(self):
        header = "sku,date,qty,returned,amount"
        rows = [
            "A,2025-01-05,-2,,-8",
            "A,2025-01-05,3,1,9",
            "A,2025-01-05,-1,1,",
            "A,2025-01-05,1,-1,",
            "A,2025-01-05,1,,-5",
        ]
        _layout, lines = read("\n".join([header, *rows]))
        self.assertEqual((lines[0].sold, lines[0].back, lines[0].value, lines[0].issues), ("0", "2", "8", ""))
        self.assertEqual((lines[1].sold, lines[1].back), ("3", "1"))
        self.assertEqual(
            [line.issues for line in lines[2:]], ["quantity_negative", "returned_negative", "amount_negative"]
        )
        _layout, [line] = read(f"{HEADER}\nA,2025-01-05,-2", kind="count")
        self.assertEqual(line.issues, "quantity_negative")

    def test_a_cell_of_a_megabyte_spoils_its_line_only(self):
        _layout, lines = read(f"{HEADER}\n{'x' * (1 << 20)},2025-01-05,1\nB,2025-01-05,1\n")
        self.assertEqual([line.issues for line in lines], ["cell_too_long", ""])

    def test_refused_with_a_sentence(self):
        bomb = io.BytesIO()
        with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.csv", b"0" * (64 << 20))
        for raw in (
            b"",
            b"\n\n",
            b"a,b,c\n1,2,3\n",
            b"%PDF-1.7",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"x" * 100,
            b"PK\x03\x04 broken",
            b"\x1f\x8b broken",
            gzip.compress(b"x" * 1000)[:-20],
            bomb.getvalue(),
            b"\x00\x01\x02 binary",
            xlsx([["a", "b"]]),
            xlsx([["sku", "date", "qty"]])[:-200],
        ):
            with self.subTest(raw=raw[:20]), self.assertRaises(FeedError) as caught:
                read(raw)
            self.assertRegex(str(caught.exception), r"\.$")

    def test_limits(self):
        raw = gzip.compress(f"{HEADER}\n".encode() + b"A,2025-01-05,1\n" * 100_000)
        layout = feed_reader.inspect(raw)
        with self.assertRaisesRegex(FeedError, "too large"):
            list(feed_reader.read_lines(raw, layout, limits=Limits(unpacked=100_000)))
        with self.assertRaisesRegex(FeedError, "MB"):
            feed_reader.inspect(b"x" * 2_000_000, limits=Limits(file=1 << 20))

    def test_unknown_named_column(self):
        with self.assertRaisesRegex(FeedError, 'no column "region"'):
            read(f"{HEADER}\nA,2025-01-05,1\n", {"distributor": "region"})

    def test_template_can_be_read(self):
        for kind in ("sell_through", "count"):
            layout, lines = read(feed_reader.template(kind), kind=kind)
            self.assertEqual(lines, [])
            self.assertIn("quantity", layout.columns)

    @given(st.binary(max_size=400))
    def test_any_bytes_are_read_or_refused(self, raw):
        with contextlib.suppress(FeedError):
            read(raw)

    @given(st.lists(st.lists(st.text(max_size=12), min_size=3, max_size=3), max_size=10))
    def test_any_cells_are_read(self, rows):
        workbook = "\n".join(
            [HEADER, *(",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows)]
        )
        with contextlib.suppress(FeedError):
            read(workbook.encode("utf-8", "replace"))
