"""The little of GS1's syntax that unit codes need: GTIN, Digital Link, element strings.

Sources: GS1 General Specifications (check digit, section 7.9; element strings, section 3),
GS1 Digital Link URI Syntax 1.6 (uncompressed form).
"""

import re
from urllib.parse import unquote, urlsplit

GTIN_LENGTHS = (8, 12, 13, 14)
SERIAL_MAX_LENGTH = 20

# Application identifiers that may stand beside (01) and (21) on a label, with the length of those
# whose length is fixed; the others end at FNC1.
_FIXED = {"00": 18, "01": 14, "02": 14, "11": 6, "12": 6, "13": 6, "15": 6, "16": 6, "17": 6, "20": 2}
_VARIABLE = {"10": 20, "21": 20, "22": 20, "37": 8, "30": 8, "240": 30, "241": 30, "250": 30, "251": 30}
_FNC1 = "\x1d"
_SYMBOLOGY = re.compile(r"^\][A-Za-z][0-9A-Za-z]")
_BRACKETED = re.compile(r"\((\d{2,4})\)([^(]*)")
_LINK_PATH = re.compile(r"(?:^|/)01/([^/]+)/(?:10/[^/]+/)?21/([^/]+)/?$")
# GS1 character set 82 (General Specifications, figure 7.11-1).
_CSET82 = re.compile(r"^[!\"%&'()*+,\-./0-9:;<=>?A-Z_a-z]+$")


def check_digit(digits):
    """Check digit of a GS1 key without its last digit: weights 3, 1, 3... from the right."""
    return str(-sum(int(digit) * (3, 1)[place % 2] for place, digit in enumerate(reversed(digits))) % 10)


def to_gtin14(barcode):
    """GTIN-14 of a GTIN-8, -12, -13 or -14.

    :raise ValueError: when it is no such number, or its check digit is wrong
    """
    text = (barcode or "").strip()
    if not (text.isascii() and text.isdigit()) or len(text) not in GTIN_LENGTHS:
        raise ValueError("a GTIN has 8, 12, 13 or 14 digits")
    if text[-1] != check_digit(text[:-1]):
        raise ValueError("the GTIN's check digit is wrong")
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
    :raise ValueError: when it is none of these
    """
    text = (text or "").strip()
    if not text:
        raise ValueError("the code is empty")
    if re.match(r"(?i)^https?://", text) or text.startswith("/"):
        return _parse_link(text)
    if text.startswith("("):
        return _pick({ai: value.strip() for ai, value in _BRACKETED.findall(text)})
    stripped = _SYMBOLOGY.sub("", text).lstrip(_FNC1)
    if re.match(r"^01\d{14}", stripped):
        return _pick(_parse_elements(stripped))
    if text.isascii() and text.isalnum() and len(text) <= SERIAL_MAX_LENGTH:
        return None, text
    raise ValueError("this is no GS1 Digital Link, element string or serial number")


def _parse_link(text):
    try:
        path = urlsplit(text).path
    except ValueError as error:
        raise ValueError("the link can't be read") from error
    match = _LINK_PATH.search(path)
    if not match:
        raise ValueError("the link has no /01/GTIN/21/SERIAL")
    return _pick({"01": match[1], "21": unquote(match[2])})


def _parse_elements(text):
    values = {}
    while text:
        fixed = text[:2]
        if fixed in _FIXED:
            length = 2 + _FIXED[fixed]
            if len(text) < length:
                raise ValueError(f"the value of ({fixed}) is too short")
            values[fixed], text = text[2:length], text[length:]
        else:
            ai = next((text[:size] for size in (2, 3) if text[:size] in _VARIABLE), None)
            if ai is None:
                raise ValueError("the code has an application identifier that is not known here")
            value, _sep, text = text[len(ai) :].partition(_FNC1)
            if not 0 < len(value) <= _VARIABLE[ai]:
                raise ValueError(f"the value of ({ai}) has a wrong length")
            values[ai] = value
        text = text.removeprefix(_FNC1)
    return values


def _pick(values):
    gtin, serial = values.get("01"), values.get("21")
    if not gtin or not serial:
        raise ValueError("the code lacks a GTIN (01) or a serial number (21)")
    return validate(gtin, serial)


def validate(gtin, serial):
    """GTIN-14 and serial as they are, when GS1 allows them.

    :raise ValueError: when it does not
    """
    if len(serial) > SERIAL_MAX_LENGTH or not _CSET82.match(serial):
        raise ValueError("the serial number has characters or a length that GS1 does not allow")
    return to_gtin14(gtin), serial
