import unittest

from odoo.addons.dms_channel.tools.matching import best, find_similar

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

    def test_similar_shops(self):
        known = [
            ("Corner Shop", "Mill Lane 1", "Ghent", "O-1"),
            ("Corner Shop", "Mill Lane 1", "Leuven", "O-2"),
        ]
        new = [
            (1, "Corner-Shop Ltd", "Mill Lane 1", "ghent", "A"),
            (2, "Corner Shop", "High Street 99", "Ghent", "B"),
            (3, "Station Kiosk", "Platform 1", "Ghent", "C"),
            (4, "Station Kiosk.", "Platform 1", "Ghent", "D"),
            (5, "Corner Shop", "", "Ghent", "E"),
            (6, "Corner Shop", "Mill Lane 2", "Ghent", "F"),
            (7, "Station Kiosk 2", "Platform 1", "Ghent", "G"),
        ]
        found = dict(find_similar(new, known, among=True))
        self.assertEqual({key: entry[3] for key, entry in found.items()}, {1: "O-1", 4: "C"})
        self.assertEqual(list(dict(find_similar(new, known))), [1], "the new ones are not compared")
