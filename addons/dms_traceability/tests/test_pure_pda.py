import unittest

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.dms_traceability.tools import codes, pda

SERIALS = codes.encode(b"a" * 32, "06901234567892", 2026, range(4))


class TestPda(unittest.TestCase):
    def test_files_of_all_kinds(self):
        link = f"HTTPS://X.COM/01/06901234567892/21/{SERIALS[0]}"
        for content in (
            f"code;time;user\r\n{link};10:00;Li\r\n{SERIALS[1]};10:01;Li\r\n",
            f"\ufefftime,code\n10:00,{link}\n10:01,{SERIALS[1]}\n\n",
            f'1\t"{link}"\n2\t{SERIALS[1]}\n3\t{SERIALS[1]}\n',
            f"{link}\n{SERIALS[1]}",
        ):
            self.assertEqual(pda.read_codes(content), [link, SERIALS[1]], content)

    def test_pallets_and_elements(self):
        content = f"(01)06901234567892(21){SERIALS[2]}\n(00)006141411234567890\nnothing here\n"
        self.assertEqual(pda.read_codes(content), content.splitlines()[:2])

    @given(st.text(max_size=300))
    def test_any_text_is_answered(self, text):
        self.assertIsInstance(pda.read_codes(text), list)
