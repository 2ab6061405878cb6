"""GS1 Digital Links in their compressed form, a few letters behind the host name::

    https://example.com/DBFKk4XBoAowOQ            is https://example.com/01/09506000134352/21/12345
    https://example.com/01/09506000134352/IQUYHI  is the same, with the key left as it is

Source: GS1 Digital Link Standard: Compression, release 1.0, checked against GS1's toolkit. The letters are base64url without padding. Their bits hold
application identifiers, each digit in four bits, and values in the parts that the identifier has. A hexadecimal
code from a table stands for several identifiers, and F for a pair of the query that is none of GS1's.
"""

import math
import re
from functools import cache, lru_cache
from typing import NamedTuple

from . import gs1_ai, gs1_link
from .gs1_checks import CHECKS
from .gs1_error import Gs1Error, _lt, shorten

_BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_SEXTETS = {char: f"{number:06b}" for number, char in enumerate(_BASE64)}
_OTHER_KEY = re.compile(r"[A-Za-z0-9_-]{1,127}")

#: {code: identifiers whose values follow}, as GS1's own toolkit reads and writes them.
_SEQUENCES = {
    "0A": ("01", "22"), "0B": ("01", "10"), "0C": ("01", "21"), "0D": ("01", "17"), "0E": ("01", "7003"),
    "0F": ("01", "30"), "1A": ("01", "10", "17", "21"), "1B": ("01", "15"), "1C": ("01", "11"), "1D": ("01", "16"),
    "1E": ("01", "91"), "1F": ("01", "10", "15"),
    **{f"2{code}": ("01", f"310{digit}") for digit, code in enumerate("ABCDEF")},
    **{f"3{code}": ("01", f"320{digit}") for digit, code in enumerate("ABCDEF")},
    "9A": ("8010", "8011"), "9B": ("8017", "8019"), "9C": ("8018", "8019"), "9D": ("254", "414"),
    **{f"A{digit}": ("01", f"392{digit}") for digit in range(10)},
    **{f"C{digit}": ("255", f"390{digit}") for digit in range(10)},
    **{f"C{code}": ("255", f"394{digit}") for digit, code in enumerate("ABCD")},
}  # fmt: skip
# Two are in another order in the printed table, by which other programs write: what reads well is what was meant.
_ORDERS = (_SEQUENCES, {**_SEQUENCES, "1A": ("01", "10", "21", "17"), "9D": ("414", "254")})

_DIGITS = 0
#: {form: alphabet} of a text that is not all digits; each character takes the bits that the alphabet needs.
_ALPHABETS = {
    1: "0123456789abcdef",
    2: "0123456789ABCDEF",
    3: _BASE64,
    4: "".join(map(chr, range(128))),
}
# Of several that fit, GS1's toolkit takes the first of these.
_PREFERRED = (2, 1, 3, 4)
_ANY = 4
_OTHER_LENGTH = 127


class _Part(NamedTuple):
    """One part of a value as it is compressed: so many digits or characters, or at most so many."""

    numeric: bool
    length: int
    fixed: bool


@cache
def _get_parts(ai):
    """Parts of the value of an identifier: neighbours of one kind are compressed as one."""
    parts = []
    for part in gs1_ai.get(ai).parts:
        numeric = CHECKS["csetnumeric"] in part.checks
        fixed = part.low == part.high and not part.optional
        last = parts[-1] if parts else None
        if last and last.numeric == numeric and (last.fixed == fixed or not numeric):
            parts[-1] = _Part(numeric, last.length + part.high, last.fixed and fixed)
        else:
            parts.append(_Part(numeric, part.high, fixed))
    return parts


@lru_cache(maxsize=256)
def _get_width(digits):
    """How many bits a number of so many digits takes: the formula is the standard's, with its margin."""
    return math.ceil(digits * math.log(10) / math.log(2) + 0.01)


# --- Reading ----------------------------------------------------------------------------------------------------


class _Reader:
    """The bits of a compressed text, read from the left."""

    def __init__(self, text):
        self.text = text
        try:
            self.bits = "".join([_SEXTETS[char] for char in text])
        except KeyError:
            raise self.refuse() from None
        self.place = 0

    def refuse(self):
        return Gs1Error(_lt("“%(text)s” is no compressed GS1 Digital Link."), text=shorten(self.text))

    @property
    def left(self):
        return len(self.bits) - self.place

    def take(self, width):
        """The next bits as a number."""
        if width > self.left:
            raise self.refuse()
        self.place += width
        return int(self.bits[self.place - width : self.place] or "0", 2)

    def take_ai(self, code):
        """The identifier that begins with two digits."""
        more = self.bits[self.place : self.place + 8].ljust(8, "0")
        ai = gs1_ai.find(f"{code}{int(more, 2):02X}").ai
        self.take(4 * (len(ai) - 2))
        return ai

    def take_value(self, ai):
        return "".join([self.take_part(part) for part in _get_parts(ai)])

    def take_part(self, part):
        form = _DIGITS if part.numeric else self.take(3)
        count = part.length if part.fixed else self.take(part.length.bit_length())
        if count > part.length:
            raise self.refuse()
        return self.take_text(form, count)

    def take_text(self, form, count):
        if form == _DIGITS:
            # Even no digit takes what the formula gives, one bit.
            number = self.take(_get_width(count))
            text = str(number).zfill(count) if count else ""
            if len(text) > count:
                raise self.refuse()
            return text
        if form not in _ALPHABETS:
            raise self.refuse()
        alphabet = _ALPHABETS[form]
        width = (len(alphabet) - 1).bit_length()
        return "".join([alphabet[self.take(width)] for _place in range(count)])

    def take_other(self, code):
        """A pair of the query that is none of GS1's. The length of its key began in the code."""
        count = int(code[1], 16) << 3 | self.take(3)
        key = self.take_text(3, count)
        if not key:
            raise self.refuse()
        form = self.take(3)
        return key, self.take_text(form, self.take(7))


def _read(text, sequences):
    """``(elements, other pairs)`` of a compressed text.

    :raise Gs1Error: when it is none
    """
    reader = _Reader(text)
    elements, others = [], []
    # What is left of the last letter says nothing.
    while reader.left > 8:
        code = f"{reader.take(8):02X}"
        if code.startswith("F"):
            others.append(reader.take_other(code))
            continue
        for ai in sequences.get(code) or (reader.take_ai(code),):
            elements.append((ai, reader.take_value(ai)))
    if reader.take(reader.left) or not (elements or others):
        raise reader.refuse()
    return elements, others


def may_be(text):
    """Whether a text could be a whole compressed link: all of it reads as identifiers and values, and one is a key.

    The values themselves are not checked. Most texts fail with their first letters.
    """
    for sequences in _ORDERS:
        try:
            elements, _others = _read(text, sequences)
        except Gs1Error:
            continue
        if any(gs1_ai.get(ai).qualifiers is not None for ai, _value in elements):
            return True
    return False


def expand(path, zero_suppressed=False):
    """Path and query of the uncompressed link that a compressed path means.

    :param str path: as sent, still escaped, with or without the slash in front
    :param bool zero_suppressed: accept a GTIN of fewer digits in front of the compressed text
    :raise Gs1Error: when it is no compressed link, or one of its values is wrong
    """
    if len(path) > gs1_link.MAX_LENGTH:
        raise Gs1Error(_lt("The link is longer than %(length)s characters."), length=gs1_link.MAX_LENGTH)
    *front, text = path.strip("/").split("/")
    failure = None
    for sequences in _ORDERS:
        try:
            return _expand(front, gs1_link.unescape(text), sequences, zero_suppressed)
        except Gs1Error as error:
            failure = failure or error
    raise failure


def _expand(front, text, sequences, zero_suppressed):
    elements, others = _read(text, sequences)
    root = "/".join(front)
    if len(front) >= 2 and front[-2] in gs1_ai.PRIMARY_KEYS:
        link = gs1_link.parse_path(root, zero_suppressed=zero_suppressed)
        root, elements = link.root, link.path + elements
    address = gs1_link.build(elements, f"/{root}" if root else "")
    pairs = [f"{key}={gs1_link.escape_query(value)}" for key, value in others]
    path, _mark, query = address.partition("?")
    query = "&".join([query] * bool(query) + pairs)
    # The rules of a query hold for what was compressed as well.
    gs1_link.parse_path(path, query)
    return f"{path}?{query}" if query else path


def parse_path(path, query="", zero_suppressed=False):
    """As :func:`gs1_link.parse_path`, of a link that may be compressed."""
    try:
        return gs1_link.parse_path(path, query, zero_suppressed)
    except Gs1Error as failure:
        try:
            path, _mark, own_query = expand(path, zero_suppressed).partition("?")
        except Gs1Error:
            raise failure from None
    return gs1_link.parse_path(path, "&".join(filter(None, [own_query, query])))


def parse(uri, zero_suppressed=False):
    """As :func:`gs1_link.parse`, of a link that may be compressed."""
    origin, path, query = gs1_link.split(uri)
    return gs1_link.at(origin, parse_path(path, query, zero_suppressed))


# --- Writing ----------------------------------------------------------------------------------------------------


def compress(elements, others=()):
    """The shortest compressed text of elements, as GS1's toolkit writes it; the primary key comes first.

    :param list elements: ``(application identifier, value)``, the primary key of the link first
    :param others: ``(key, value)`` of the query that are none of GS1's
    :raise Gs1Error: when a value is wrong, or can't be compressed
    """
    gs1_ai.check_repeats(elements)
    values = dict(elements)
    for ai, value in values.items():
        gs1_ai.check(ai, value)
    groups, rest = [], sorted(values)
    while fitting := [code for code, ais in _SEQUENCES.items() if set(ais) <= set(rest)]:
        code = max(fitting, key=lambda code: len("".join(_SEQUENCES[code])))
        groups.append((code, _SEQUENCES[code]))
        rest = [ai for ai in rest if ai not in _SEQUENCES[code]]
    groups += [(ai, (ai,)) for ai in rest]
    key = next(iter(values), None)
    groups.sort(key=lambda group: key not in group[1])
    bits = "".join(
        _write_code(code) + "".join(_write_value(ai, values[ai]) for ai in ais) for code, ais in groups
    )
    bits += "".join(_write_other(name, value) for name, value in others)
    bits += "0" * (-len(bits) % 6)
    return "".join(_BASE64[int(bits[place : place + 6], 2)] for place in range(0, len(bits), 6))


def _write_code(code):
    return f"{int(code, 16):0{4 * len(code)}b}"


def _write_value(ai, value):
    bits, place = "", 0
    for part in _get_parts(ai):
        text = value[place : place + part.length]
        place += len(text)
        count = "" if part.fixed else f"{len(text):0{part.length.bit_length()}b}"
        bits += count + _write_digits(text) if part.numeric else _write_text(text, count)
    return bits


def _write_digits(text):
    return f"{int(text or '0'):0{_get_width(len(text))}b}"


def _write_text(text, count):
    """A text behind its form and the bits of its length."""
    if text.isascii() and text.isdigit():
        return f"{_DIGITS:03b}{count}{_write_digits(text)}"
    form = next(form for form in _PREFERRED if set(text) <= set(_ALPHABETS[form])) if text else _ANY
    alphabet = _ALPHABETS[form]
    width = (len(alphabet) - 1).bit_length()
    return f"{form:03b}{count}" + "".join(f"{alphabet.index(char):0{width}b}" for char in text)


def _write_other(key, value):
    if not _OTHER_KEY.fullmatch(key) or not value.isascii() or len(value) > _OTHER_LENGTH:
        raise Gs1Error(_lt("“%(pair)s” can't be compressed."), pair=shorten(f"{key}={value}"))
    return (
        f"1111{len(key):07b}"
        + "".join(_SEXTETS[char] for char in key)
        + _write_text(value, f"{len(value):07b}")
    )
