import unittest

from odoo.addons.dms_channel.tools.matching import best

PRODUCTS = [
    (1, ("QH-TEA-500", "6901234567892", "Green Tea 500 ml")),
    (2, ("QH-TEA-900", "0690123456", "Green Tea 900 ml")),
    (3, ("QH-COLA", None, "Cola, 330 ml")),
    (4, ("茶-1", None, "乌龙茶")),
]


class TestMatching(unittest.TestCase):
    def test_suggestions(self):
        for code, expected in (
            ("qh tea 500", 1),
            ("QHTEA900X", 2),
            ("690123456", 2),  # a spreadsheet took the zero off the barcode
            ("cola 330ML", 3),
            ("乌龙茶 大瓶", 4),
            ("Green Tea", None),  # two are as much alike
            ("X1", None),
            ("", None),
        ):
            with self.subTest(code):
                found = best(code, PRODUCTS)
                self.assertEqual(found and found[0], expected)
