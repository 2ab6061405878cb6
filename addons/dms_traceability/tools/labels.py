"""Sheets of labels as PDF: a QR code and a few lines of text each, on A4 with 3 x 8 labels (Avery L7159)."""

import io

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
