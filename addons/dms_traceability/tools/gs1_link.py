"""GS1 Digital Link: web addresses that say what an item is.

Source: GS1 Digital Link Standard: URI Syntax, release 1.6, sections 4 and 5 (uncompressed form). The path ends with a
primary key and its qualifiers in their order, the query holds further application identifiers and whatever else
there is to pass on::

    https://example.com/some/where/01/09506000134352/10/AB1/21/12345?17=270101
"""

import re
from dataclasses import dataclass, replace
from urllib.parse import quote, quote_plus

from . import gs1_ai
from .gs1_error import Gs1Error, _lt, shorten

SCHEMES = ("https://", "http://", "HTTPS://", "HTTP://")
MAX_LENGTH = 8192
CANONICAL_ROOT = "https://id.gs1.org"

# Words that release 1.0 allowed instead of numbers, gone since 1.2 but still on labels.
_WORDS = {
    "gtin": "01", "itip": "8006", "cpv": "22", "lot": "10", "ser": "21", "gln": "414", "glnx": "254",
    "party": "417", "refno": "8020", "srin": "8019", "gsrnp": "8017", "gsrn": "8018", "gcn": "255", "sscc": "00",
    "gdti": "253", "ginc": "401", "gsin": "402", "grai": "8003", "giai": "8004", "cpid": "8010", "cpsn": "8011",
    "gmn": "8013", "payto": "415",
}  # fmt: skip
# A link without one of these in its path is none of GS1's.
_KEY = re.compile(rf"/(?:[0-9]{{2,4}}|{'|'.join(_WORDS)})/")
_FORBIDDEN = re.compile(r"[^!#-;=?-\[\]_a-z~]")
_HOST = re.compile(r"([0-9A-Za-z.\-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_GTIN_SHORT = (8, 12, 13)


@dataclass(frozen=True)
class Link:
    """A parsed Digital Link.

    ``root`` is what stands before the primary key; ``path`` are the elements of the path, the primary key first,
    ``attributes`` those of the query; ``query`` is the query as it was, without the question mark.
    """

    root: str
    path: list
    attributes: list
    query: str

    @property
    def elements(self):
        return self.path + self.attributes


def escape(text):
    """A value as it stands in a path."""
    # Most values need nothing, and events come by the thousand.
    if text.isascii() and text.isalnum():
        return text
    return quote(text, safe="", encoding="latin-1", errors="replace")


def escape_query(text):
    """A value as it stands in a query."""
    return quote_plus(text, safe="", encoding="latin-1", errors="replace")


def may_be(uri):
    """Whether an address could be a Digital Link: cheap, and never wrong when it says no."""
    return _KEY.search(uri) is not None


def unescape(text):
    """The value of what stands in a path; percent signs that escape nothing stay."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text) if "%" in text else text


def unescape_query(text):
    """The value of what stands in a query, where ``+`` is a blank."""
    return unescape(text.replace("+", " "))


def parse(uri, zero_suppressed=False, words=False):
    """Read a Digital Link.

    :param bool zero_suppressed: accept a GTIN-8, -12 or -13 where 14 digits belong
    :param bool words: accept words such as ``gtin`` for application identifiers, as release 1.0 did
    :return: :class:`Link`
    :raise Gs1Error: when it is none
    """
    origin, path, query = split(uri)
    return at(origin, parse_path(path, query, zero_suppressed, words))


def split(uri):
    """``(scheme and host, path, query)`` of a web address that could be a Digital Link.

    :raise Gs1Error: when it is no web address
    """
    if len(uri) > MAX_LENGTH:
        raise Gs1Error(_lt("The link is longer than %(length)s characters."), length=MAX_LENGTH)
    scheme = next((scheme for scheme in SCHEMES if uri.startswith(scheme)), None)
    if not scheme:
        raise Gs1Error(_lt("A GS1 Digital Link begins with http:// or https://."))
    wrong = _FORBIDDEN.search(uri)
    if wrong:
        raise Gs1Error(_lt("“%(char)s” may not stand in a link."), char=shorten(wrong[0]))
    rest, _hash, _fragment = uri[len(scheme) :].partition("#")
    rest, _mark, query = rest.partition("?")
    host, slash, path = rest.partition("/")
    if not _HOST.fullmatch(host) or not slash:
        raise Gs1Error(_lt("The link has no host name, or nothing behind it."))
    return f"{scheme}{host}", path, query


def at(origin, link):
    """A link that was read from its path, on its host."""
    return replace(link, root=f"{origin}/{link.root}".rstrip("/"))


def parse_path(path, query="", zero_suppressed=False, words=False):
    """As :func:`parse`, of a path and a query that are known to be on a host; the root is then a path, too.

    :param str path: as sent, still escaped, with or without the slash in front
    """
    if len(path) + len(query) > MAX_LENGTH:
        raise Gs1Error(_lt("The link is longer than %(length)s characters."), length=MAX_LENGTH)
    segments = path.removeprefix("/").split("/")
    pairs, start = [], len(segments)
    key = None
    while start >= 2 and key is None:
        name = segments[start - 2]
        ai = _WORDS.get(name, name) if words else name
        if ai not in gs1_ai.IDENTIFIERS:
            break
        start -= 2
        pairs.insert(0, (ai, unescape(segments[start + 1])))
        key = gs1_ai.get(ai) if gs1_ai.get(ai).qualifiers is not None else None
    if key is None:
        raise Gs1Error(_lt("The link names no primary key of GS1, as /01/ and a GTIN."))
    pairs = [(ai, _pad(ai, value, zero_suppressed)) for ai, value in pairs]
    _check_path(key, [ai for ai, _value in pairs])
    for ai, value in pairs:
        gs1_ai.check(ai, value)
    attributes = _parse_query(query, pairs, key, zero_suppressed)
    return Link("/".join(segments[:start]), pairs, attributes, query)


def _pad(ai, value, zero_suppressed):
    return value.zfill(14) if ai == "01" and zero_suppressed and len(value) in _GTIN_SHORT else value


def _check_path(key, ais):
    """Qualifiers must come in the order of one of the key's sequences."""
    if not _is_sequence(key, ais[1:]):
        raise Gs1Error(
            _lt("These can't follow each other in a link: %(ais)s."), ais=" ".join(f"({ai})" for ai in ais)
        )


def _is_sequence(key, ais):
    for sequence in key.qualifiers:
        rest = iter(sequence)
        if all(ai in rest for ai in ais):
            return True
    return False


def _belongs_in_path(key, ais, ai):
    """Whether an identifier could be a qualifier beside those that the path has."""
    return any(_is_sequence(key, [*ais[:place], ai, *ais[place:]]) for place in range(len(ais) + 1))


def _parse_query(query, pairs, key, zero_suppressed):
    seen = {ai for ai, _value in pairs}
    qualifiers = [ai for ai, _value in pairs[1:]]
    attributes = []
    for part in query.split("&"):
        name, equals, text = part.partition("=")
        ai = unescape_query(name)
        if not equals or not (ai.isascii() and ai.isdigit()):
            continue
        identifier = gs1_ai.get(ai)
        if ai in seen:
            raise Gs1Error(_lt("It stands in the link more than once."), ai=ai)
        if not identifier.attribute or _belongs_in_path(key, qualifiers, ai):
            raise Gs1Error(_lt("It may not stand in the query of this link."), ai=ai)
        value = _pad(ai, unescape_query(text), zero_suppressed)
        gs1_ai.check(ai, value)
        seen.add(ai)
        attributes.append((ai, value))
    return attributes


def build(elements, root=CANONICAL_ROOT):
    """Digital Link of elements in any order; the first primary key among them is that of the link.

    :param elements: list of ``(application identifier, value)``; what is repeated counts once
    :raise Gs1Error: when a value is wrong, there is no primary key, or one can't stand in a link
    """
    gs1_ai.check_repeats(elements)
    values = {}
    for ai, value in elements:
        gs1_ai.check(ai, value)
        values.setdefault(ai, value)
    key = next((gs1_ai.get(ai) for ai in values if gs1_ai.get(ai).qualifiers is not None), None)
    if key is None:
        raise Gs1Error(_lt("A link needs a primary key of GS1, such as a GTIN (01)."))
    sequence = max(key.qualifiers, key=lambda ais: sum(ai in values for ai in ais))
    path = [key.ai, *(ai for ai in sequence if ai in values)]
    # Those of a known length first, as in an element string.
    query = sorted((ai for ai in values if ai not in path), key=lambda ai: not gs1_ai.get(ai).predefined)
    for ai in query:
        if not gs1_ai.get(ai).attribute:
            raise Gs1Error(_lt("It may not stand in the query of this link."), ai=ai)
    text = "".join(f"/{ai}/{escape(values[ai])}" for ai in path)
    if query:
        text += "?" + "&".join(f"{ai}={escape_query(values[ai])}" for ai in query)
    return root.rstrip("/") + text
