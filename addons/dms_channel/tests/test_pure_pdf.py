import unittest

from odoo.addons.dms_channel.tools import pdf


class TestPurePdf(unittest.TestCase):
    def test_document_embeds_its_font(self):
        document = pdf.Document("结算单 S/2026/0001", author="Brand")
        document.heading("结算单 Settlement", "S/2026/0001")
        document.facts([("Distributor", "北方商贸 & Co"), ("Period", "2026-01-01 – 2026-01-31")])
        document.table(
            ["Programme", "Amount"],
            [["Gold <b>", "1,100.00"]] * 80,
            widths=[3, 1],
            total=["Total", "88,000.00"],
        )
        document.paragraph("满 100 减 10")
        content = document.render()
        self.assertTrue(content.startswith(b"%PDF-"))
        self.assertIn(b"/FontFile2", content)
        self.assertGreater(content.count(b"/Type /Page\n"), 1)

    def test_same_input_same_bytes(self):
        def render():
            document = pdf.Document("A")
            document.paragraph("text")
            return document.render()

        self.assertEqual(render(), render())

    def test_missing_font_says_the_mend(self):
        with self.assertRaisesRegex(pdf.FontMissing, "fonts-wqy-microhei.*DMS_FONT"):
            pdf.find_font(["/nowhere/a.ttf"], environ={})
        with self.assertRaisesRegex(pdf.FontMissing, "/nowhere/b.ttc"):
            pdf.find_font(["/nowhere/a.ttf"], environ={"DMS_FONT": "/nowhere/b.ttc"})
