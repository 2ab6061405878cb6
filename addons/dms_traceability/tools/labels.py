"""Labels with a QR code and a few lines of text each: as PDF on A4 with 3 x 8 labels (Avery L7159), or in ZPL II
for label printers. Any number of them, in memory for one part."""

import io
import zipfile
from itertools import islice

import qrcode
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen import canvas

COLUMNS, ROWS = 3, 8
WIDTH, HEIGHT = 63.5 * mm, 33.9 * mm
LEFT, TOP, GUTTER = 7.2 * mm, 12.9 * mm, 2.5 * mm
QR_SIZE = 27 * mm
QUIET_MODULES = 4
# Any of the eight masks makes a valid symbol; weighing them all takes most of the encoder's time.
_MASK = 2


def qr_matrix(text):
    """Square matrix of booleans without quiet zone, error correction M."""
    code = qrcode.QRCode(error_correction=qrcode.constants.ERROR_CORRECT_M, border=0, mask_pattern=_MASK)
    code.add_data(text)
    code.make(fit=True)
    return code.get_matrix()


def label_sheets(labels, title="", font="Helvetica"):
    """Draw labels from the top left, row by row.

    :param labels: iterable of ``(QR text, [lines of text])``; the first line stands out
    :param str font: a font that reportlab knows
    :return: bytes of the PDF
    """
    stream = io.BytesIO()
    page = canvas.Canvas(stream, pagesize=A4, pageCompression=1)
    page.setTitle(title)
    drawn = 0
    for drawn, (text, lines) in enumerate(labels, 1):
        place = (drawn - 1) % (COLUMNS * ROWS)
        if drawn > 1 and not place:
            page.showPage()
        row, column = divmod(place, COLUMNS)
        left = LEFT + column * (WIDTH + GUTTER)
        bottom = A4[1] - TOP - (row + 1) * HEIGHT
        _draw_qr(page, text, left + 1 * mm, bottom + (HEIGHT - QR_SIZE) / 2)
        _draw_lines(page, lines, font, left + QR_SIZE + 2 * mm, bottom, WIDTH - QR_SIZE - 3 * mm)
    page.save()
    return stream.getvalue()


def label_archive(labels, title, part_size, **options):
    """Any number of labels as a ZIP of PDFs, piece by piece.

    :param labels: as of :func:`label_sheets`
    :param int part_size: labels of one PDF, all that is held in memory
    :return: iterator of bytes
    """
    pipe = _Pipe()
    # PDFs are compressed already.
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as archive:
        for number, part in enumerate(_batch(labels, part_size)):
            first = number * part_size + 1
            name = f"{title}-{first:08}-{first + len(part) - 1:08}.pdf"
            archive.writestr(name, label_sheets(part, title, **options))
            yield pipe.drain()
    yield pipe.drain()


def zpl(labels, dots_per_mm=12):
    """Any number of labels in ZPL II, for a printer of 300 dpi (12 dots a millimetre) or another.

    :param labels: as of :func:`label_sheets`
    :return: iterator of strings, one for each label
    """
    width, height = round(63.5 * dots_per_mm), round(33.9 * dots_per_mm)
    # Version 3 has 29 modules; a taller code than 27 mm would not leave its quiet zone.
    magnification = max(1, min(10, round(QR_SIZE / mm * dots_per_mm) // (29 + 2 * QUIET_MODULES)))
    left = round((QR_SIZE / mm + 2) * dots_per_mm)
    size = round(2.6 * dots_per_mm)
    for text, lines in labels:
        fields = [
            f"^FO{left},{round(5 * dots_per_mm) + index * round(3.6 * dots_per_mm)}^A0N,{size},{size}"
            f"^FB{width - left},1,0,L^FH_^FD{_escape(line)}^FS"
            for index, line in enumerate(lines)
        ]
        yield (
            f"^XA^CI28^PW{width}^LL{height}^FO{2 * dots_per_mm},{3 * dots_per_mm}"
            f"^BQN,2,{magnification}^FH_^FDMA,{_escape(text)}^FS{''.join(fields)}^XZ\n"
        )


def _escape(text):
    """Text of a ZPL field after ^FH_: what would be a command is written as hexadecimal."""
    return "".join(f"_{ord(char):02X}" if char in "^~_\\" or char < " " else char for char in text)


def _batch(items, size):
    """Lists of ``size`` items (itertools.batched of Python 3.12)."""
    iterator = iter(items)
    while part := list(islice(iterator, size)):
        yield part


class _Pipe(io.RawIOBase):
    """What is written to it can be taken away again, so that an archive is never held whole."""

    def __init__(self):
        super().__init__()
        self._parts = []

    def writable(self):
        return True

    def write(self, data):
        self._parts.append(bytes(data))
        return len(data)

    def drain(self):
        parts, self._parts = self._parts, []
        return b"".join(parts)


def _draw_qr(page, text, left, bottom):
    matrix = qr_matrix(text)
    module = QR_SIZE / (len(matrix) + 2 * QUIET_MODULES)
    path = page.beginPath()
    for row, modules in enumerate(matrix):
        y = bottom + QR_SIZE - (row + 1 + QUIET_MODULES) * module
        start = None
        for column, dark in enumerate([*modules, False]):
            if dark and start is None:
                start = column
            elif not dark and start is not None:
                path.rect(left + (start + QUIET_MODULES) * module, y, (column - start) * module, module)
                start = None
    page.drawPath(path, stroke=0, fill=1)


def _draw_lines(page, lines, font, left, bottom, width):
    y = bottom + HEIGHT - 7 * mm
    for index, line in enumerate(lines):
        size = 8 if index == 0 else 6.5
        for part in _wrap(line, font, size, width)[:2]:
            page.setFont(font, size)
            page.drawString(left, y, part)
            y -= size * 1.25


def _wrap(text, font, size, width):
    """Break text where it gets too wide; at spaces where there are any."""
    parts, current = [], ""
    for char in text:
        if current and stringWidth(current + char, font, size) > width:
            head, _space, tail = current.rpartition(" ")
            parts.append(head or current)
            current = (tail if head else "") + char
        else:
            current += char
    return [*parts, current]
