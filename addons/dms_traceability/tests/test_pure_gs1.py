import unittest

from hypothesis import example, given
from hypothesis import strategies as st

from odoo.addons.dms_traceability.tools import gs1, gs1_ai, gs1_checks, gs1_elements, gs1_link
from odoo.addons.dms_traceability.tools.gs1_error import Gs1Error

SERIAL = "7K3M9QZ0ABCDEF"


class TestGs1(unittest.TestCase):
    def test_published_check_digits(self):
        # GS1's own examples: GTIN-13 6291041500213, GTIN-8 40170725, GTIN-12 614141000036.
        for gtin in ("6291041500213", "40170725", "614141000036", "09506000134352"):
            self.assertEqual(gs1.to_gtin14(gtin), gtin.zfill(14))
            wrong = gtin[:-1] + str((int(gtin[-1]) + 1) % 10)
            with self.assertRaises(ValueError):
                gs1.to_gtin14(wrong)

    def test_what_is_no_gtin(self):
        for text in ("", None, "123", "629104150021X", "٦٢٩١٠٤١٥٠٠٢١٣", "6291041500213 1"):
            with self.assertRaises(ValueError):
                gs1.to_gtin14(text)

    def test_case_gtin(self):
        case = gs1.case_gtin("06901234567892")
        self.assertEqual(case, "16901234567899")
        self.assertEqual(gs1.to_gtin14(case), case)
        with self.assertRaises(ValueError):
            gs1.case_gtin("06901234567892", 9)

    def test_forms_of_one_code(self):
        expected = ("09506000134352", SERIAL)
        for text in (
            f"https://id.example.com/01/09506000134352/21/{SERIAL}",
            f"HTTPS://ID.EXAMPLE.COM/01/09506000134352/21/{SERIAL}?17=270101",
            f"https://example.com/some/path/01/9506000134352/10/AB1/21/{SERIAL}/",
            f"/01/09506000134352/21/{SERIAL}",
            f"(01)09506000134352(21){SERIAL}",
            f"(01)09506000134352(10)AB1(17)270101(21){SERIAL}",
            f"]C10109506000134352172701011 0AB1\x1d21{SERIAL}".replace(" ", ""),
            f"\x1d010950600013435221{SERIAL}",
            f"]Q3010950600013435210AB1\x1d21{SERIAL}\x1d17270101",
        ):
            self.assertEqual(gs1.parse(text), expected, text)
        self.assertEqual(gs1.parse(f" {SERIAL}\n"), (None, SERIAL))

    def test_link_survives_its_own_parser(self):
        link = gs1.digital_link("https://dms.example/", "09506000134352", SERIAL)
        self.assertEqual(link, f"HTTPS://DMS.EXAMPLE/01/09506000134352/21/{SERIAL}")
        self.assertEqual(gs1.parse(link), ("09506000134352", SERIAL))

    def test_bad_codes_are_refused(self):
        for text in (
            "https://example.com/",
            "https://example.com/01/09506000134352",
            "https://example.com/01/09506000134353/21/X",
            "http://[bad/01/09506000134352/21/X",
            "(01)09506000134352",
            "(21)ABC",
            "0109506000134352",
            "010950600013435299XX",
            "010950600013435217",
            "two words here",
            "é" * 14,
            f"https://example.com/01/09506000134352/21/{'A' * 21}",
            "https://example.com/01/09506000134352/21/%00",
        ):
            with self.assertRaises(ValueError, msg=text):
                gs1.parse(text)

    @given(st.text(max_size=80))
    @example("]C1")
    @example("(01)")
    def test_parser_never_breaks(self, text):
        try:
            gtin, serial = gs1.parse(text)
        except ValueError:
            return
        self.assertTrue(serial)
        self.assertTrue(gtin is None or gs1.to_gtin14(gtin) == gtin)

    @given(
        st.text(alphabet="0123456789()\x1d]C/AZ:", max_size=60),
        st.sampled_from(["01", "(01)", "https://x/01/", "]d201"]),
    )
    def test_parser_never_breaks_near_the_truth(self, tail, head):
        try:
            gs1.parse(head + tail)
        except ValueError:
            return


VALUES = st.text(alphabet=gs1_checks.CSET82, min_size=1, max_size=20)
NEAR = st.text(alphabet="0123456789()\x1d]CQdeE/AZ:?&=%#|^\\.", max_size=90)


class TestSyntax(unittest.TestCase):
    """The whole syntax: any text gives a value or a sentence, and what is built is read back."""

    @given(
        st.one_of(st.text(max_size=60), NEAR),
        st.sampled_from(["", "]C101", "]Q3", "]E0", "https://a/01/", "(01)"]),
    )
    def test_any_text_is_read_or_refused(self, tail, head):
        for read in (
            gs1_elements.parse,
            gs1_elements.parse_bracketed,
            gs1_elements.parse_scan,
            gs1_link.parse,
            gs1_link.parse_path,
            lambda text: gs1_elements.build_scan("qr", text),
            lambda text: gs1_elements.build_scan("ean_13", text),
        ):
            try:
                read(head + tail)
            except Gs1Error as error:
                self.assertTrue(str(error))

    @given(st.sampled_from(sorted(gs1_checks.CHECKS)), st.text(max_size=90))
    def test_any_part_is_checked_or_refused(self, name, text):
        try:
            gs1_checks.CHECKS[name](text)
        except Gs1Error as error:
            self.assertTrue(str(error))

    @given(VALUES, VALUES, st.text(alphabet=gs1_checks.CSET82, min_size=1, max_size=30))
    def test_what_is_built_is_read_back(self, batch, serial, note):
        elements = [("01", "09506000134352"), ("10", batch), ("21", serial), ("17", "270101"), ("240", note)]
        for build, read in (
            (gs1_elements.build, gs1_elements.parse),
            (gs1_elements.build_bracketed, gs1_elements.parse_bracketed),
            (gs1_link.build, lambda text: gs1_link.parse(text).elements),
        ):
            try:
                self.assertEqual(read(build(elements)), elements)
            except Gs1Error:
                # Brackets escape "(", not a backslash in front of it: character set 82 has none.
                self.fail(build(elements))

    def test_what_stands_together(self):
        gs1_ai.check_together([("01", "09506000134352"), ("10", "A"), ("21", "B")])
        for elements, ai in (
            ([("10", "A")], "10"),
            ([("01", "09506000134352"), ("37", "5")], "01"),
            ([("400", "A"), ("400", "B")], "400"),
        ):
            with self.assertRaises(Gs1Error) as caught:
                gs1_ai.check_together(elements)
            self.assertEqual(caught.exception.ai, ai)

    def test_sentences_say_where(self):
        with self.assertRaises(Gs1Error) as caught:
            gs1_link.parse("https://id.example.com/01/09506000134353")
        self.assertEqual(
            str(caught.exception),
            "(01): The check digit of 09506000134353 is wrong: the last digit should be 2.",
        )

    def test_long_texts_are_refused_at_once(self):
        for read in (gs1.parse, gs1_elements.parse, gs1_elements.parse_bracketed, gs1_link.parse_path):
            with self.assertRaises(Gs1Error):
                read("(01)09506000134352" * 1000)
