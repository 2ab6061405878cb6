import base64
import unittest
from urllib.parse import parse_qsl

from hypothesis import example, given
from hypothesis import strategies as st

from odoo.addons.dms_traceability.tools import gs1, gs1_ai, gs1_checks, gs1_compress, gs1_elements, gs1_link
from odoo.addons.dms_traceability.tools.gs1_error import Gs1Error

GTIN = "09506000134352"
GLN = "9506000134369"
# Uncompressed link; as GS1's toolkit compresses it; the same without its table of sequences, where that differs.
# Where letters follow a number in one value (253, 8003, 421), the toolkit writes the number twice and can't read it
# itself: there it is the text of its port to Python.
VECTORS = """
/01/09780345418913 ARHKVAdpQg
/01/09506000134352/21/12345 DBFKk4XBoAowOQ ARFKk4XBoEIKMDk
/01/09506000134352/21/7K3M9QZ0ABCDEF DBFKk4XBoN3ZW5nqDOgAIQYgo ARFKk4XBoELd2VuZ6gzoACEGIK
/01/09506000134352/10/ABC1/21/12345?17=280426 GhFKk4XBoIlXgojtQKMDk ARFKk4XBoCCJV4IuiO1EIKMDk
/01/09506000134352/10/ABC1/21/a%2Fb?17=280426 GhFKk4XBoIlXgojtUHhX4g ARFKk4XBoCCJV4IuiO1EMHhX4g
/01/09506000134352/22/2A ChFKk4XBoIRU ARFKk4XBoESEVA
/01/09506000134352/10/deadbeef CxFKk4XBoFG9W33e ARFKk4XBoCBRvVt93g
/01/09506000134352/10/DEADBEEF CxFKk4XBoJG9W33e ARFKk4XBoCCRvVt93g
/01/09506000134352/10/Lot-7_x CxFKk4XBoM5dFv3f-I ARFKk4XBoCDOXRb93_i
/01/09506000134352/10/ABC%26%2B123?3103=000189&3923=2172 LRFKk4XBoAAXohEQYUNMrYsmZyRoQ-A ARFKk4XBoCERBhQ0ytiyZmIGABenJGhD4
/01/09506000134352/10/00012?15=280426 HxFKk4XBoAoADER2o ARFKk4XBoCAKAAwVRHag
/01/09506000134352?30=12 DxFKk4XBoEM ARFKk4XBoGBDA
/01/09506000134352?7003=2804261230 DhFKk4XBoFOS0Lc ARFKk4XBoOAGU5LQtw
/01/09506000134352?91=Some_Text HhFKk4XBoMSlRM9-m9ja ARFKk4XBoSLEpUTPfpvY2g
/01/09506000134352?k1=v1&lang=en ARFKk4XBoeCk1YK_XwkrU8DBPTg
/01/09506000134352/21/12345?17=280426&linkType=gs1%3Apip DBFKk4XBoAowORdEdq8RLFPInlS9A-fmxdcNPA ARFKk4XBoC6I7UQgowOfESxTyJ5UvQPn5sXXDTw
/01/09506000134352?3200=001500 OhFKk4XBoAC7g ARFKk4XBoGQAALuA
/00/095060001343521236 ABUbiRTG3B1A
/414/9506000134369/254/32A%2FB nYVmygr4UUqThcHC JUhWbKCvhIKRSpOFwcI
/414/9506000134369 QUilScLg4Q
/253/9506000134369ABC123 JTilScLg4UarwSM
/255/9506000134369123?3901=250 wYpUnC4OEx7M-g JVilScLg4THs5ATPo
/401/9506000ABC QBSpUGAAq8
/8003/09506000134369XY1 gAMRSpOFwcLGuxq
/8004/9506000ABC gARKlQYACrw
/8010/9506000ABC/8011/12345 mkqVBgAKvFGBy gBBKlQYACryAEVGBy
/8017/950600013435212353/8019/123 m9MTWs_EmSQTHs gBfTE1rPxJkkGAGTHs
/8018/950600013435212353/8019/123 nNMTWs_EmSQTHs gBjTE1rPxJkkGAGTHs
/8018/950600013435212353 gBjTE1rPxJkkE
/01/09506000134352?423=276528 ARFKk4XBoIRoocIA
/01/09506000134352?7007=280426280501 ARFKk4XBoOAOiO1ZEe1
/01/09506000134352?8008=28042612 ARFKk4XBoQAQavldA
/01/09506000134352?7230=EM12345 ARFKk4XBoORgziGa7b8cg
/00/095060001343521236?421=2761AB ABUbiRTG3B1EIUURjVg
/415/9506000134369/8020/ABC QVilScLg4YAgQ6vA
"""
# What else is read: the toolkit sorts keys, so that 21 is in front of 8006; other programs write two sequences in the
# order in which they are printed.
READ_ONLY = """
/8006/095060001343520102/21/A1 IUKhgAYVG4kUxtvWY
/01/09506000134352/10/ABC1/21/12345?17=280426 GhFKk4XBoIlXggowOUR2o
/414/9506000134369/254/32A%2FB nYpUnC4OGFZsoK-E
"""
PARTIAL = """
/01/09506000134352/21/12345 /01/09506000134352/IQUYHI
/01/09506000134352/10/ABC1/21/12345?17=280426 /01/09506000134352/EESrwRdEdqIQUYHI
/414/9506000134369/254/32A /414/9506000134369/JUQzKg
/some/where/01/09506000134352/21/12345 /some/where/01/09506000134352/IQUYHI
/some/where/01/09506000134352/21/12345 some/where/DBFKk4XBoAowOQ/
"""
SERIALS = st.text(alphabet=gs1_checks.CSET82, min_size=1, max_size=20)
# All-digit, hexadecimal and base64 values are compressed otherwise than others.
VALUES = st.one_of(
    SERIALS,
    st.text(alphabet="0123456789", min_size=1, max_size=20),
    st.text(alphabet="0123456789abcdef", min_size=1, max_size=20),
    st.text(alphabet="0123456789ABCDEF", min_size=1, max_size=20),
    st.text(alphabet="XYZxyz0123456789-_", min_size=1, max_size=20),
)
NUMBERS = st.text(alphabet="0123456789", min_size=1, max_size=8)
ATTRIBUTES = st.fixed_dictionaries(
    {},
    optional={
        "17": st.just("280426"),
        "15": st.just("280430"),
        "30": NUMBERS,
        "3103": st.integers(0, 999999).map("{:06}".format),
        "3922": NUMBERS,
        "240": VALUES,
        "423": st.sampled_from(["276", "276528", "276528056"]),
        "7007": st.sampled_from(["280426", "280426280501"]),
        "7230": VALUES.map("EM{}".format),
        "8008": st.sampled_from(["28042612", "2804261230", "280426123059"]),
        "8003": st.one_of(st.just("0" + GLN), VALUES.map(lambda text: f"0{GLN}{text[:16]}")),
        "91": st.text(alphabet=gs1_checks.CSET82, min_size=1, max_size=90),
        "8009": st.text(alphabet=gs1_checks.CSET82, min_size=1, max_size=50),
    },
)
QUALIFIERS = st.fixed_dictionaries({}, optional={"22": VALUES, "10": VALUES, "21": VALUES})
OTHERS = st.dictionaries(
    st.from_regex(r"[A-Za-z_-][A-Za-z0-9_-]{0,20}", fullmatch=True),
    st.text(alphabet=st.characters(min_codepoint=1, max_codepoint=127), max_size=60),
    max_size=3,
)
BASE64 = st.text(alphabet=gs1_compress._BASE64, max_size=60)


class TestGs1Compress(unittest.TestCase):
    def _read(self, vectors):
        return [line.split() for line in vectors.splitlines() if line]

    def test_what_the_reference_writes_is_read(self):
        for link, *texts in self._read(VECTORS + READ_ONLY):
            for text in texts:
                self.assertEqual(gs1_compress.expand(text), link)
                self.assertEqual(gs1_compress.expand(f"/{text}/"), link)
                self.assertTrue(gs1_compress.may_be(text), text)

    def test_what_is_written_is_what_the_reference_writes(self):
        for link, text, *_rest in self._read(VECTORS):
            path, _mark, query = link.partition("?")
            others = [pair for pair in parse_qsl(query) if not pair[0].isdigit()]
            self.assertEqual(gs1_compress.compress(gs1_link.parse_path(path, query).elements, others), text)

    def test_key_in_front_of_what_is_compressed(self):
        for link, path in self._read(PARTIAL):
            self.assertEqual(gs1_compress.expand(path), link)
        self.assertEqual(
            gs1_compress.expand(f"/01/{GTIN[1:]}/IQUYHI", zero_suppressed=True), f"/01/{GTIN}/21/12345"
        )
        # Without its key it is no link.
        self.assertFalse(gs1_compress.may_be("IQUYHI"))

    def test_every_identifier_can_be_compressed(self):
        """The parts of each value come from one table; none may be of a kind that compression can't split."""
        for ai in gs1_ai.IDENTIFIERS:
            parts = gs1_compress._get_parts(ai)
            self.assertTrue(all(part.fixed for part in parts[:-1]), ai)
            self.assertEqual(sum(part.length for part in parts), gs1_ai.get(ai).max_length)

    @given(QUALIFIERS, ATTRIBUTES, OTHERS)
    @example({}, {"8003": "0" + GLN, "7007": "280426"}, {"a": ""})
    def test_round_trip(self, qualifiers, attributes, others):
        elements = [("01", GTIN), *qualifiers.items(), *attributes.items()]
        text = gs1_compress.compress(elements, others.items())
        self.assertRegex(text, "^[A-Za-z0-9_-]+$")
        self.assertTrue(gs1_compress.may_be(text))
        path, _mark, query = gs1_compress.expand(text).partition("?")
        self.assertEqual(path, gs1_link.build([("01", GTIN), *qualifiers.items()], ""))
        pairs = dict(pair.split("=") for pair in query.split("&") if pair)
        self.assertEqual(
            {key: gs1_link.unescape_query(value) for key, value in pairs.items()}, {**attributes, **others}
        )

    @given(st.sampled_from(sorted(gs1_ai.PRIMARY_KEYS)), BASE64, st.text(max_size=8))
    @example("01", "", "")
    @example("01", "A" * 3000, "")
    def test_any_text_is_read_or_refused(self, ai, text, other):
        for path in (
            text,
            f"/{text}",
            f"{ai}/{GTIN}/{text}",
            f"/{ai}/{text}/{text}",
            text + other,
            f"/{other}/{text}",
        ):
            for read in (gs1_compress.expand, gs1_compress.parse_path):
                try:
                    self.assertTrue(read(path))
                except Gs1Error as error:
                    self.assertTrue(str(error))
            gs1_compress.may_be(path)

    @given(
        st.sampled_from(sorted({*gs1_compress._SEQUENCES, "01", "00", "F1", "8004", "9101"})),
        st.binary(max_size=40),
    )
    def test_any_text_near_the_truth_is_read_or_refused(self, code, rest):
        """What is read is a link that the parser takes."""
        head = bytes.fromhex(code)
        text = base64.urlsafe_b64encode(head + rest).decode().rstrip("=")
        try:
            path, _mark, query = gs1_compress.expand(text).partition("?")
        except Gs1Error as error:
            self.assertTrue(str(error))
            return
        self.assertTrue(gs1_compress.may_be(text))
        self.assertTrue(gs1_link.parse_path(path, query).elements)

    def test_forged_texts(self):
        text = gs1_compress.compress([("01", GTIN), ("21", "12345")])
        for forged in (
            text[:-1],
            text[:-2],
            text + "A" * 4,
            # The bits that fill the last letter are not free.
            text[:-1] + gs1_compress._BASE64[gs1_compress._BASE64.index(text[-1]) + 1],
            "B" + text[1:],
            text.lower(),
            text + "é",
            "contactus",
            "my-invoices",
            "web_editor",
        ):
            self.assertFalse(gs1_compress.may_be(forged), forged)
            with self.assertRaises(Gs1Error, msg=forged):
                gs1_compress.expand(forged)
        # A wrong check digit reads well, and is refused with the sentence of the uncompressed link.
        wrong = "ARFKk4XBog"
        self.assertTrue(gs1_compress.may_be(wrong))
        with self.assertRaises(Gs1Error) as caught:
            gs1_compress.expand(wrong)
        self.assertIn("check digit", str(caught.exception))
        for elements, others in (
            ([("01", GTIN)], [("no blank", "x")]),
            ([("01", GTIN)], [("x", "茶")]),
            ([("01", GTIN)], [("x", "x" * 128)]),
            ([("01", GTIN), ("10", "é")], []),
        ):
            with self.assertRaises(Gs1Error):
                gs1_compress.compress(elements, others)

    def test_a_pair_of_the_query_is_no_way_around_the_rules(self):
        """A compressed pair may be named like an identifier; it is then checked as one."""
        for pair in (("17", "991332"), ("01", GTIN), ("999", "1"), ("10", "A")):
            text = gs1_compress.compress([("01", GTIN)], [pair])
            with self.assertRaises(Gs1Error, msg=pair):
                gs1_compress.expand(text)
        text = gs1_compress.compress([("01", GTIN)], [("17", "280426"), ("u", "//evil.example/?a=1&b#c")])
        self.assertEqual(
            gs1_compress.expand(text), f"/01/{GTIN}?17=280426&u=%2F%2Fevil.example%2F%3Fa%3D1%26b%23c"
        )

    def test_scanned(self):
        expected = (GTIN, "12345")
        for text in (
            "https://id.example.com/DBFKk4XBoAowOQ",
            "HTTPS://id.example.com/DBFKk4XBoAowOQ?x=1#y",
            "https://id.example.com/some/where/DBFKk4XBoAowOQ/",
            f"https://id.example.com/01/{GTIN[1:]}/IQUYHI",
            "/DBFKk4XBoAowOQ",
            "]Q1https://id.example.com/DBFKk4XBoAowOQ",
        ):
            self.assertEqual(gs1.parse(text), expected, text)
        for text in (
            "https://id.example.com/DBFKk4XBoAowO",
            "https://id.example.com/contactus",
            "]Q1https://a/b",
        ):
            with self.assertRaises(Gs1Error, msg=text):
                gs1.parse(text)
        self.assertEqual(
            gs1_elements.parse_scan("]Q1https://a/DBFKk4XBoAowOQ").text, "https://a/DBFKk4XBoAowOQ"
        )
        link = gs1_compress.parse("https://a/b/GhFKk4XBoIlXgojtQKMDk?k=v")
        self.assertEqual((link.root, link.query), ("https://a/b", "17=280426&k=v"))
