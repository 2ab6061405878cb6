import re
import tracemalloc
import unittest
import zipfile
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

    def test_every_label_of_a_sheet_is_read_back(self):
        """The drawing itself, not only the matrix, holds codes that an independent reader reads."""
        links = [f"{LINK[:-2]}{number:02}" for number in range(24)]
        reader = PdfReader(BytesIO(labels.label_sheets([(link, ["S"]) for link in links])))
        image = draw(reader.pages[0].get_contents().get_data().decode("latin-1"))
        self.assertEqual({found.text for found in zxingcpp.read_barcodes(image)}, set(links))

    def test_archive(self):
        parts = list(labels.label_archive(((LINK, [str(n)]) for n in range(60)), "CO-1", 24))
        with zipfile.ZipFile(BytesIO(b"".join(parts))) as archive:
            self.assertEqual(
                archive.namelist(), [f"CO-1-{n:08}-{m:08}.pdf" for n, m in ((1, 24), (25, 48), (49, 60))]
            )
            last = PdfReader(BytesIO(archive.read(archive.namelist()[-1])))
        self.assertEqual(last.pages[0].extract_text().split(), [str(n) for n in range(48, 60)])

    def test_zpl(self):
        (label,) = labels.zpl([("HTTPS://A.B/01/1/21/2", ["绿茶 ^XZ~_", "Batch"])])
        self.assertTrue(label.startswith("^XA^CI28") and label.endswith("^XZ\n"))
        fields = [
            re.sub("_([0-9A-F]{2})", lambda found: chr(int(found[1], 16)), field)
            for field in re.findall(r"\^FD(.*?)\^FS", label)
        ]
        self.assertEqual(fields, ["MA,HTTPS://A.B/01/1/21/2", "绿茶 ^XZ~_", "Batch"])
        # What came with the text is data: the only commands are ours.
        self.assertEqual(label.count("^XZ"), 1)

    def test_memory_stays_flat(self):
        def peak(count):
            tracemalloc.start()
            for _piece in labels.zpl((LINK, ["S", "B"]) for _n in range(count)):
                pass
            size = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            return size

        small, large = peak(1_000), peak(20_000)
        self.assertLess(large, 2 * small)


def draw(stream, scale=4):
    """Fill the rectangles of a page's drawing commands, as a raster of dots."""
    image = np.full((round(842 * scale), round(596 * scale)), 255, dtype=np.uint8)
    for x, y, width, height in re.findall(r"([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+) re", stream):
        left, bottom, width, height = (float(number) * scale for number in (x, y, width, height))
        top = image.shape[0] - round(bottom + height)
        image[top : image.shape[0] - round(bottom), round(left) : round(left + width)] = 0
    return image
