"""GS1 codes as the rest of DMS uses them: GTINs, links of unit codes, and what a scanner or a hand gives.

The syntax itself is in its own modules: application identifiers (``gs1_ai``) and the checks of their values
(``gs1_checks``), element strings and scans (``gs1_elements``), Digital Links (``gs1_link``) and their compressed form
(``gs1_compress``).
"""

import re

from . import gs1_ai, gs1_compress, gs1_elements
from .gs1_checks import check_digit
from .gs1_error import Gs1Error, _lt, shorten

GTIN_LENGTHS = (8, 12, 13, 14)
SERIAL_MAX_LENGTH = 20

_LINK = re.compile(r"(?i)^(https?://|/)")


def to_gtin14(barcode):
    """GTIN-14 of a GTIN-8, -12, -13 or -14.

    :raise Gs1Error: when it is no such number, or its check digit is wrong
    """
    text = (barcode or "").strip()
    if not (text.isascii() and text.isdigit()) or len(text) not in GTIN_LENGTHS:
        raise Gs1Error(_lt("A GTIN has 8, 12, 13 or 14 digits."))
    gs1_ai.check("01", text.zfill(14))
    return text.zfill(14)


def case_gtin(gtin, indicator=1):
    """GTIN-14 of a case of the item: its own number behind a packaging indicator 1..8."""
    if not 1 <= indicator <= 8:
        raise ValueError("a packaging indicator is a digit from 1 to 8")
    body = f"{indicator}{gtin[1:-1]}"
    return body + check_digit(body)


def digital_link(base_url, gtin, serial):
    """GS1 Digital Link in upper case, so that a QR code holds it in its short alphanumeric mode.

    The scheme and the host name ignore case, and our path has no lower-case letter.
    """
    return f"{base_url.rstrip('/')}/01/{gtin}/21/{serial}".upper()


def parse(text):
    """Read what a scanner or a hand gives: a Digital Link, an element string or a bare serial.

    :return: ``(GTIN-14 or None, serial)``; a bare serial has no GTIN
    :raise Gs1Error: when it is none of these
    """
    text = (text or "").strip()
    if not text:
        raise Gs1Error(_lt("The code is empty."))
    values = _read(text)
    if values is None:
        return None, text
    gtin, serial = values.get("01"), values.get("21")
    if not gtin or not serial:
        raise Gs1Error(_lt("The code lacks a GTIN (01) or a serial number (21)."))
    return gtin, serial


def read_sscc(text):
    """18 digits of the SSCC in a Digital Link or an element string, None without one."""
    try:
        values = _read(text.strip())
    except Gs1Error:
        return None
    return values and values.get("00")


def _read(text):
    """``{application identifier: value}`` of a text, or None when it is a bare serial."""
    if len(text) > gs1_elements.MAX_LENGTH:
        raise Gs1Error(_lt("The code is longer than %(length)s characters."), length=gs1_elements.MAX_LENGTH)
    if _LINK.match(text):
        return dict(_read_link(text).elements)
    if text.startswith("("):
        elements = gs1_elements.parse_bracketed(text)
    elif text.startswith("]"):
        scan = gs1_elements.parse_scan(text[:3] + text[3:].lstrip(gs1_elements.FNC1))
        if not scan.elements:
            return _read(scan.text) if not scan.text.startswith("]") else {}
        elements = scan.elements
    elif re.match(r"\x1d?01[0-9]{14}", text):
        elements = gs1_elements.parse(text.lstrip(gs1_elements.FNC1))
    elif text.isascii() and text.isalnum() and len(text) <= SERIAL_MAX_LENGTH:
        return None
    else:
        raise Gs1Error(
            _lt("“%(text)s” is no GS1 Digital Link, element string or serial number."), text=shorten(text)
        )
    gs1_ai.check_repeats(elements)
    return dict(elements)


def _read_link(text):
    """A link as people write it: any case of the scheme, a slash at the end, a GTIN of fewer digits; or compressed."""
    scheme, slashes, rest = text.partition("://")
    before, mark, query = rest.partition("?") if slashes else text.partition("?")
    path = before.rstrip("/") + mark + query
    if slashes:
        return gs1_compress.parse(f"{scheme.lower()}://{path}", zero_suppressed=True)
    before, mark, query = path.partition("?")
    return gs1_compress.parse_path(before, query.partition("#")[0], zero_suppressed=True)


def validate(gtin, serial):
    """GTIN-14 and serial as they are, when GS1 allows them.

    :raise Gs1Error: when it does not
    """
    gs1_ai.check("21", serial)
    return to_gtin14(gtin), serial
