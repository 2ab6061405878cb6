import unittest

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.dms_traceability.tools import epc, gs1


def read_sgtin198(text):
    """Decode as the Tag Data Standard says, bit by bit: written apart from what encodes."""
    bits = "".join(f"{int(digit, 16):04b}" for digit in text)
    partition = int(bits[11:14], 2)
    prefix_bits = (40, 37, 34, 30, 27, 24, 20)[partition]
    prefix = f"{int(bits[14 : 14 + prefix_bits], 2):0{12 - partition}}"
    item = f"{int(bits[14 + prefix_bits : 58], 2):0{1 + partition}}"
    codes = [int(bits[start : start + 7], 2) for start in range(58, 198, 7)]
    return bits[:8], prefix, item, "".join(map(chr, codes)).rstrip("\0"), bits[198:]


class TestEpc(unittest.TestCase):
    def test_head_of_the_standards_example(self):
        # Tag Data Standard, SGTIN-96 of 0614141.812345 with filter 3: 3074257BF7194E4...; ours differs by its header.
        (tag,) = epc.sgtin198("80614141123458", ["6789"], 7, filter_value=3)
        self.assertEqual(tag[:2], "36")
        self.assertTrue(tag[2:].startswith("74257BF7194E"), tag)

    @given(
        st.integers(6, 12),
        st.text(st.sampled_from("0123456789ABCDEFGHJKMNPQRSTVWXYZ"), min_size=1, max_size=20),
        st.integers(0, 10**13 - 1),
    )
    def test_round_trip(self, length, serial, body):
        body = f"{body:013}"
        (tag,) = epc.sgtin198(body + gs1.check_digit(body), [serial], length)
        header, prefix, item, found, rest = read_sgtin198(tag)
        self.assertEqual((header, rest), ("00110110", "0" * 10))
        self.assertEqual((prefix, item), (body[1 : 1 + length], body[0] + body[1 + length :]))
        self.assertEqual(found, serial)

    def test_sscc(self):
        # GS1 General Specifications' example of a check digit.
        self.assertEqual(epc.sscc("0614141", 123456789), "006141411234567890")
        with self.assertRaises(ValueError):
            epc.sscc("0614141", 10**9)
        with self.assertRaises(ValueError):
            epc.sscc("06141", 1)

    @given(st.integers(0, 10**9 - 1))
    def test_sscc_as_scanned(self, number):
        code = epc.sscc("0614141", number)
        for text in (code, f"00{code}", f"(00){code}", f"]C100{code}", f" (00) {code[:9]} {code[9:]}",
                     f"HTTPS://X.CN/00/{code}", f"https://id.gs1.org/00/{code}?11=270101"):  # fmt: skip
            self.assertEqual(epc.parse_sscc(text), code, text)
        wrong = code[:-1] + str((int(code[-1]) + 1) % 10)
        for text in (wrong, f"https://x.cn/00/{wrong}", "https://x.cn/01/09506000134352/21/A"):
            self.assertIsNone(epc.parse_sscc(text), text)

    @given(st.text(max_size=30))
    def test_any_text_is_answered(self, text):
        for one in (text, f"/00/{text}", f"https://x.cn/00/{text}"):
            found = epc.parse_sscc(one)
            self.assertTrue(found is None or len(found) == 18)
