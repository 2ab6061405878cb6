"""GS1 element strings, with FNC1 or with brackets, and what a scanner sends with its symbology identifier.

Source: GS1 General Specifications, sections 5.10 (symbology identifiers), 7.8 (processing of element strings).
Elements are lists of ``(application identifier, value)`` in the order in which they stand. In a *message*, ``^`` at
the very front stands for FNC1 and says that element strings follow; in these, ``^`` stands for FNC1 as separator.
"""

from dataclasses import dataclass

from . import gs1_ai, gs1_checks, gs1_compress, gs1_link
from .gs1_error import Gs1Error, _lt, shorten

FNC1 = "\x1d"
MAX_LENGTH = 8192

#: {symbology identifier: (symbology, whether element strings follow)}
SYMBOLOGIES = {
    "]C1": ("gs1_128", True),
    "]E0": ("ean_13", False),
    "]E4": ("ean_8", False),
    "]e0": ("databar_expanded", True),
    "]Q1": ("qr", False),
    "]Q3": ("qr", True),
    "]d1": ("data_matrix", False),
    "]d2": ("data_matrix", True),
    "]J0": ("dotcode", False),
    "]J1": ("dotcode", True),
}
_TWO_DIMENSIONAL = {"qr": ("]Q1", "]Q3"), "data_matrix": ("]d1", "]d2"), "dotcode": ("]J0", "]J1")}
_ITEM_DIGITS = {"ean_13": 13, "upc_a": 12, "upc_e": 12, "ean_8": 8}
_DATABAR = ("databar", "databar_limited")
_COMPOSITE = "|]e0"


def parse(text, separator=FNC1):
    """Elements of an element string without its leading FNC1.

    :raise Gs1Error: when it breaks GS1's rules
    """
    _limit(text)
    if not text:
        raise Gs1Error(_lt("The code is empty."))
    elements, place = [], 0
    while place < len(text):
        identifier = gs1_ai.find(text, place)
        place += len(identifier.ai)
        end = text.find(separator, place)
        end = len(text) if end < 0 else end
        if identifier.predefined:
            end = min(end, place + identifier.max_length)
        value = text[place:end]
        gs1_ai.check(identifier.ai, value)
        elements.append((identifier.ai, value))
        place = end + text.startswith(separator, end)
    return elements


def build(elements, separator=FNC1):
    """Element string, without its leading FNC1; what a scanner can't tell the length of comes with a separator."""
    text, open_end = [], False
    for ai, value in elements:
        gs1_ai.check(ai, value)
        text.append(f"{separator if open_end else ''}{ai}{value}")
        open_end = not gs1_ai.get(ai).predefined
    return "".join(text)


def parse_bracketed(text):
    """Elements of a text such as ``(01)09506000134352(10)AB1``; a bracket in a value has a backslash before it.

    :raise Gs1Error: when it breaks GS1's rules
    """
    _limit(text)
    elements, place = [], 0
    if not text:
        raise Gs1Error(_lt("The code is empty."))
    while place < len(text):
        end = text.find(")", place)
        if text[place] != "(" or end < 0:
            raise Gs1Error(
                _lt("“%(text)s” should be an application identifier in brackets."), text=shorten(text[place:])
            )
        identifier = gs1_ai.get(text[place + 1 : end])
        place = end + 1
        value = []
        while place < len(text) and text[place] != "(":
            place += text.startswith("\\(", place)
            value.append(text[place])
            place += 1
        gs1_ai.check(identifier.ai, "".join(value))
        elements.append((identifier.ai, "".join(value)))
    return elements


def build_bracketed(elements):
    """The text that people read below a bar code."""
    return "".join("({}){}".format(ai, value.replace("(", "\\(")) for ai, value in elements)


@dataclass(frozen=True)
class Scan:
    """What a scanner sent: its symbology, elements or plain text, and those of a composite symbol above it."""

    symbology: str
    text: str
    elements: list
    composite: list

    @property
    def message(self):
        """The scan as a message, see the module."""
        text = self.text
        if self.elements:
            text = "^" + build(self.elements, "^")
        elif text.lstrip("\\").startswith("^"):
            text = "\\" + text
        return text + (f"|^{build(self.composite, '^')}" if self.composite else "")


def parse_scan(text):
    """Read what a scanner sends with a symbology identifier in front.

    :return: :class:`Scan`; a GS1 Digital Link stays a text, but is checked
    :raise Gs1Error: when the identifier is not one of GS1's, or the data break its rules
    """
    _limit(text)
    head, data = text[:3], text[3:]
    if head not in SYMBOLOGIES:
        raise Gs1Error(_lt("The scan begins with no symbology identifier that GS1 uses."))
    symbology, has_elements = SYMBOLOGIES[head]
    if has_elements:
        return Scan(symbology, "", parse(data), [])
    composite = []
    if symbology in _ITEM_DIGITS:
        data, composed, rest = data.partition(_COMPOSITE)
        composite = parse(rest) if composed else []
        _check_item(symbology, data)
    elif data.startswith(gs1_link.SCHEMES):
        gs1_compress.parse(data)
    return Scan(symbology, data, [], composite)


def build_scan(symbology, message):
    """What a scanner would send of a message.

    :raise Gs1Error: when the symbology can't hold it
    """
    _limit(message)
    if symbology in _TWO_DIMENSIONAL:
        plain, structured = _TWO_DIMENSIONAL[symbology]
        if message.startswith("^"):
            return structured + _check_message(message)
        if message.lstrip("\\").startswith("^"):
            message = message[1:]
        return plain + message
    linear, composed, rest = message.partition("|")
    rest = _check_message(rest) if composed else ""
    if symbology in _ITEM_DIGITS:
        digits = linear.removeprefix("^01")
        if linear.startswith("^"):
            digits = digits[14 - _ITEM_DIGITS[symbology] :]
        _check_item(symbology, digits)
        head = "]E4" if symbology == "ean_8" else "]E0"
        digits = digits if symbology == "ean_8" else digits.zfill(13)
        return head + digits + (_COMPOSITE + rest if rest else "")
    if symbology in _DATABAR:
        linear = linear if linear.startswith("^") else f"^01{linear}"
    elif symbology not in ("gs1_128", "databar_expanded"):
        raise Gs1Error(_lt("No symbology of GS1 is called “%(name)s”."), name=shorten(symbology))
    elements = _check_message(linear)
    if not rest:
        return ("]C1" if symbology == "gs1_128" else "]e0") + elements
    last_ai = parse(elements)[-1][0]
    return "]e0" + elements + ("" if gs1_ai.get(last_ai).predefined else FNC1) + rest


def _check_message(message):
    """Element string with real FNC1 of a message, when it is right."""
    if not message.startswith("^"):
        raise Gs1Error(_lt("Element strings begin with FNC1, written ^."))
    parse(message[1:], "^")
    return message[1:].replace("^", FNC1)


def _check_item(symbology, digits):
    if len(digits) != _ITEM_DIGITS[symbology]:
        raise Gs1Error(
            _lt("“%(value)s” should have %(length)s digits."),
            value=shorten(digits),
            length=_ITEM_DIGITS[symbology],
        )
    gs1_checks.csum(digits)


def _limit(text):
    if len(text) > MAX_LENGTH:
        raise Gs1Error(_lt("The code is longer than %(length)s characters."), length=MAX_LENGTH)
