import unittest
from io import BytesIO

import numpy as np
import zxingcpp
from pypdf import PdfReader

from odoo.addons.dms_traceability.tools import labels

LINK = "HTTPS://DMS.EXAMPLE/01/06901234567892/21/7K3M9QZ0ABCDEF"


class TestLabels(unittest.TestCase):
    def test_an_independent_reader_reads_the_code(self):
        matrix = np.pad(np.array(labels.qr_matrix(LINK)), 4)
        image = np.where(np.kron(matrix, np.ones((4, 4))), 0, 255).astype(np.uint8)
        (found,) = zxingcpp.read_barcodes(image)
        self.assertEqual(found.text, LINK)

    def test_a_short_host_fits_version_3(self):
        self.assertEqual(len(labels.qr_matrix(LINK.replace("DMS.EXAMPLE", "ID.EXAMPLE.COM/A"[:17]))), 29)

    def test_sheets(self):
        pdf = labels.label_sheets(
            ((LINK, [f"SERIAL {n}", "Batch B1", "long text " * 9]) for n in range(25)), "Sheet"
        )
        reader = PdfReader(BytesIO(pdf))
        self.assertEqual(len(reader.pages), 2)
        self.assertIn("SERIAL 24", reader.pages[1].extract_text())
        self.assertEqual(reader.metadata.title, "Sheet")
