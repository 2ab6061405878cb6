"""Numbers for RFID tags and pallets: SGTIN-198 (EPC Tag Data Standard 1.13, section 14.6.1.2) and SSCC
(GS1 General Specifications, section 3.2)."""

import numpy as np

from . import gs1

_HEADER = 0x36
_SERIAL_BITS = 140
# Bits of the company prefix by its number of digits (TDS table 14-2); the item's reference has the rest of 44.
_PREFIX_BITS = {12: 40, 11: 37, 10: 34, 9: 30, 8: 27, 7: 24, 6: 20}


def sgtin198(gtin, serials, prefix_length, filter_value=1):
    """EPC memory of RFID tags, as hexadecimal words of 16 bits.

    :param str gtin: GTIN-14
    :param serials: strings of one length, at most 20 characters of ASCII
    :param int prefix_length: digits of the GS1 company prefix, 6 to 12
    :param int filter_value: 1 for an item at the point of sale, 2 for a full case
    :return: list of 52 hexadecimal digits each
    """
    if prefix_length not in _PREFIX_BITS:
        raise ValueError("a GS1 company prefix has 6 to 12 digits")
    if not len(serials):
        return []
    bits = _PREFIX_BITS[prefix_length]
    prefix = int(gtin[1 : 1 + prefix_length])
    item = int(gtin[0] + gtin[1 + prefix_length : 13])
    head = (_HEADER << 6 | filter_value << 3 | 12 - prefix_length) << 44 | prefix << (44 - bits) | item
    rows = np.zeros((len(serials), 208), dtype=np.uint8)
    rows[:, :58] = [int(bit) for bit in f"{head:058b}"]
    length = len(serials[0])
    glyphs = np.frombuffer("".join(serials).encode("ascii"), dtype=np.uint8).reshape(-1, length)
    rows[:, 58 : 58 + 7 * length] = np.unpackbits(glyphs[:, :, None], axis=2)[:, :, 1:].reshape(
        len(serials), -1
    )
    text = np.packbits(rows, axis=1).tobytes().hex().upper()
    return [text[start : start + 52] for start in range(0, len(text), 52)]


def sscc(prefix, number, extension=0):
    """Serial shipping container code: extension digit, company prefix, number and check digit, 18 in all.

    :raise ValueError: when the number does not fit beside the prefix
    """
    width = 16 - len(prefix)
    if not prefix.isdigit() or not 6 <= len(prefix) <= 12:
        raise ValueError("a GS1 company prefix has 6 to 12 digits")
    if not 0 <= number < 10**width:
        raise ValueError("the numbers of this company prefix are used up")
    body = f"{extension}{prefix}{number:0{width}}"
    return body + gs1.check_digit(body)


def parse_sscc(text):
    """18 digits of an SSCC as scanned or typed, with or without (00), or as a Digital Link; None when it is none."""
    if "/00/" in (text or ""):
        return gs1.read_sscc(text)
    digits = (
        (text or "").strip().removeprefix("]C1").removeprefix("]d2").replace("(00)", "00").replace(" ", "")
    )
    if len(digits) == 20 and digits.startswith("00"):
        digits = digits[2:]
    if len(digits) != 18 or not (digits.isascii() and digits.isdigit()):
        return None
    return digits if digits[-1] == gs1.check_digit(digits[:-1]) else None
