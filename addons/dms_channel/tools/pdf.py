"""Documents as PDF, drawn by reportlab with an embedded font that has Latin and Chinese: no system program is needed."""

import base64
import io
import os
from xml.sax.saxutils import escape

from reportlab.graphics.barcode.qr import QrCodeWidget
from reportlab.graphics.shapes import Drawing
from reportlab.lib import colors
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFError, TTFont
from reportlab.platypus import Image, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

FONT = "DmsSans"
FONT_PATHS = (
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
    "/usr/share/fonts/truetype/arphic/uming.ttc",
    "/System/Library/Fonts/Supplemental/Arial Unicode.ttf",
    "C:/Windows/Fonts/simhei.ttf",
)
INK = colors.HexColor("#1f2933")
MUTED = colors.HexColor("#616e7c")
LINE = colors.HexColor("#cbd2d9")
SHADE = colors.HexColor("#f5f7fa")


class FontMissing(Exception):
    """No TrueType font with Chinese was found; the message says how to get one."""


def find_font(paths=FONT_PATHS, configured=None, environ=os.environ):
    """Return the path of the font to embed.

    :param paths: where to look when none is stated
    :param configured: path stated by the caller (such as ``dms_font`` in odoo.conf); ``DMS_FONT`` comes before it
    :raises FontMissing: with what to install or to state
    """
    stated = environ.get("DMS_FONT") or configured
    candidates = [stated] if stated else paths
    for path in candidates:
        if os.path.isfile(path):
            return path
    raise FontMissing(
        f"No font with Chinese characters for PDF documents at {', '.join(candidates)}. "
        "Install one (Debian, Ubuntu: apt install fonts-wqy-microhei) or name a TrueType file (.ttf, .ttc) "
        "in the environment variable DMS_FONT or as dms_font in odoo.conf."
    )


def register_font(configured=None):
    """Make :data:`FONT` known to reportlab, once per process; raises :class:`FontMissing`."""
    if FONT in pdfmetrics.getRegisteredFontNames():
        return
    path = find_font(configured=configured)
    try:
        pdfmetrics.registerFont(TTFont(FONT, path, subfontIndex=0))
    except TTFError as error:
        raise FontMissing(
            f"{path} is no TrueType font that can be embedded ({error}). State another one in DMS_FONT."
        ) from error


def _has_cjk(text):
    return any("\u2e80" <= char <= "\uffef" for char in text)


class Document:
    """A4 portrait, filled from top to bottom; texts are plain (no mark-up), numbers come formatted."""

    def __init__(self, title, author="", footer="", font=None):
        register_font(font)
        self.title = title
        self.author = author
        self.footer = footer
        # The frame keeps 6 points to the left and right of its content.
        self.width = A4[0] - 36 * mm - 12
        self._story = []
        self._styles = {}

    def heading(self, title, subtitle=""):
        self._story.append(self._text(title, size=18, leading=24))
        if subtitle:
            self._story.append(self._text(subtitle, size=11, color=MUTED))
        self._story.append(Spacer(1, 5 * mm))

    def section(self, title):
        self._story += [Spacer(1, 4 * mm), self._text(title, size=12, leading=17), Spacer(1, 1 * mm)]

    def paragraph(self, text, muted=False):
        self._story.append(self._text(text, color=MUTED if muted else INK))

    def picture(self, data, width=60 * mm, height=25 * mm):
        """Add a picture at its own proportions within ``width`` × ``height``.

        :param data: the picture's bytes in base64; nothing is added without
        """
        if not data:
            return
        image = Image(io.BytesIO(base64.b64decode(data)), hAlign="LEFT")
        factor = min(width / image.imageWidth, height / image.imageHeight)
        image.drawWidth, image.drawHeight = image.imageWidth * factor, image.imageHeight * factor
        self._story += [image, Spacer(1, 2 * mm)]

    def code(self, text, size=28 * mm):
        """Add a QR code of ``text``, to the right."""
        widget = QrCodeWidget(text, barLevel="M")
        left, bottom, right, top = widget.getBounds()
        drawing = Drawing(size, size, transform=[size / (right - left), 0, 0, size / (top - bottom), 0, 0])
        drawing.add(widget)
        drawing.hAlign = "RIGHT"
        self._story.append(drawing)

    def facts(self, pairs):
        """Add label and value side by side.

        :param pairs: list of ``(label, value)``
        """
        rows = [[self._text(label, color=MUTED), self._text(value)] for label, value in pairs]
        style = [
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (0, -1), 0),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 1),
        ]
        self._story.append(
            Table(rows, colWidths=[self.width * 0.28, self.width * 0.72], style=TableStyle(style))
        )
        self._story.append(Spacer(1, 4 * mm))

    def table(self, header, rows, widths, total=None, text_columns=1):
        """Add a table whose header repeats on every page.

        :param header: list of str
        :param rows: list of lists of str, as long as ``header``
        :param widths: relative column widths
        :param total: last row, set off by a line
        :param text_columns: so many columns from the left are texts; the others are numbers, set to the right
        """
        body = [header, *rows, *([total] if total else [])]
        cells = [
            [
                self._text(value, size=8.5, right=column >= text_columns, color=MUTED if not index else INK)
                for column, value in enumerate(row)
            ]
            for index, row in enumerate(body)
        ]
        style = [
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("BACKGROUND", (0, 0), (-1, 0), SHADE),
            ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE),
            ("LEFTPADDING", (0, 0), (-1, -1), 4),
            ("RIGHTPADDING", (0, 0), (-1, -1), 4),
        ]
        if total:
            style.append(("LINEABOVE", (0, -1), (-1, -1), 1, INK))
        unit = self.width / sum(widths)
        table = Table(
            cells, colWidths=[width * unit for width in widths], repeatRows=1, style=TableStyle(style)
        )
        self._story += [table, Spacer(1, 4 * mm)]

    def render(self):
        """Return the PDF as bytes; the same content gives the same bytes."""
        buffer = io.BytesIO()
        template = SimpleDocTemplate(
            buffer,
            pagesize=A4,
            leftMargin=18 * mm,
            rightMargin=18 * mm,
            topMargin=18 * mm,
            bottomMargin=20 * mm,
            title=self.title,
            author=self.author,
            initialFontName=FONT,
            invariant=1,
        )
        template.build(
            self._story or [Spacer(1, 1)], onFirstPage=self._draw_footer, onLaterPages=self._draw_footer
        )
        return buffer.getvalue()

    def _draw_footer(self, canvas, template):
        canvas.saveState()
        canvas.setFont(FONT, 8)
        canvas.setFillColor(MUTED)
        canvas.drawString(18 * mm, 11 * mm, self.footer)
        canvas.drawRightString(A4[0] - 18 * mm, 11 * mm, str(canvas.getPageNumber()))
        canvas.restoreState()

    def _text(self, text, size=9.5, leading=None, color=INK, right=False):
        text = str(text or "")
        cjk = _has_cjk(text)
        key = (size, leading, color, right, cjk)
        if key not in self._styles:
            self._styles[key] = ParagraphStyle(
                str(key),
                fontName=FONT,
                fontSize=size,
                leading=leading or size * 1.4,
                textColor=color,
                wordWrap="CJK" if cjk else None,
                **({"alignment": TA_RIGHT} if right else {}),
            )
        return Paragraph(escape(text).replace("\n", "<br/>"), self._styles[key])
