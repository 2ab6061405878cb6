"""Codes from the file of a hand-held scanner (PDA)."""

import csv
import re

from . import codes, epc, gs1


def read_codes(content):
    """Codes of a CSV or text file, one a line, in any column; the delimiter is comma, semicolon or tab.

    :param str content: the file's text
    :return: list of texts in the file's order, each once; headings and empty lines are left out
    """
    found = {}
    # not splitlines(): the separator of GS1 elements is a line's end to it
    for line in re.split(r"[\r\n]+", (content or "").lstrip("\ufeff")):
        delimiter = max(";\t,", key=line.count)
        for cell in next(csv.reader([line.strip()], delimiter=delimiter), []):
            text = cell.strip()
            if _is_code(text):
                found.setdefault(text)
                break
    return list(found)


def _is_code(text):
    if codes.normalise(text) or epc.parse_sscc(text):
        return True
    if "01" not in text[:60] and "/" not in text:
        return False
    try:
        gtin, _serial = gs1.parse(text)
    except ValueError:
        return False
    return bool(gtin)
