"""Captured events as rows for COPY. What the events of a document share is checked and worked out once.

Events of one document are mostly alike: the same step at the same place, with other objects, times and orders. An
event is taken apart into what is its own (`_Opened`) and the rest. Each different rest is checked against the schema
with the first event that has it. Whatever is its own in an event is taken apart only where it is plain: then it
can't change what the schema says, and it stands in JSON and in COPY as it is. An event with anything else in it goes
the long way alone, with the same result.
"""

import json
import marshal
import re
from functools import cached_property
from typing import NamedTuple

from . import epcis, epcis_hash, epcis_schema
from .epcis_id import canonical, canonical_list
from .epcis_vocabulary import TRANSACTIONS

#: What the cells of a row are, in their order.
COLUMNS = (
    "event_id", "event_time", "code_count", "document", "event_type", "action", "biz_step", "disposition", "error_time",
    "read_point", "biz_location", "context",
)  # fmt: skip
_LISTS = ("epcList", "childEPCs", "inputEPCList", "outputEPCList")
_PLAIN = re.compile(r"(?:urn:(?!epcglobal:cbv)|https?:)[!#-;=?-\[\]_a-z|~]+")
# Of an ID, which is kept as it is, any scheme will do.
_PLAIN_ID = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[!#-;=?-\[\]_a-z|~]+")
_TIME = re.compile(epcis_schema.TIME_PATTERN)
# A context that gives one of these another meaning changes what an identifier is.
_SCHEMES = {"urn", "http", "https"}
_PAIR = {"type", "bizTransaction"}
_WORDS = frozenset(TRANSACTIONS)
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


class Row(NamedTuple):
    """One event: ``cells`` are those of :data:`COLUMNS`, with tabs between; ``epcs`` lists of one kind each."""

    event_id: str
    error_time: object
    cells: str
    epcs: list

    def lines(self, number):
        """The identifiers as lines of ``event_id, kind, epc``, for the event with this number."""
        found = []
        for kind, links in self.epcs:
            head = f"{number}\t{kind}\t"
            found.append(head + f"\n{head}".join(links) + "\n")
        return "".join(found)


class _NotPlainError(Exception):
    """An event has something that must be read alone."""


class _Opened(NamedTuple):
    """What is an event's own. ``pieces`` are fields in JSON, ``links`` their canonical identifiers."""

    rest: dict
    event_id: str
    moment: object
    pieces: list
    links: dict
    pairs: list


def dump(content):
    """An event or a context as text that the database can hold.

    :raise ValueError: for what it can't: NUL, half a character, numbers without end
    """
    text = _encode(content)
    if "\\u0000" in text:
        raise ValueError("a text has the character NUL")
    text.encode()
    return text


class Reader:
    """Reads the events of one document.

    :param dict context: what the document's own context says, as of :func:`.epcis_schema.read_context`
    """

    def __init__(self, context):
        self.context = context
        self._shapes = {}
        self._count = 0

    def read(self, event):
        """:class:`Row` of an event.

        :raise ValueError, RecursionError: which says what is wrong and where
        """
        opened = _open(event) if isinstance(event, dict) else None
        shape = self._find_shape(event, opened) if opened else None
        return shape.fill(opened) if shape else self._read_alone(event)

    def _find_shape(self, event, opened):
        """What the event shares with others, or None when it must be read alone."""
        try:
            key = marshal.dumps(opened.rest, 2), *opened.links, bool(opened.pairs)
            self._count += 1
            if key not in self._shapes:
                if len(self._shapes) > 20 + self._count // 4:
                    # Most events differ in more, so that sharing would cost more than it saves.
                    return None
                self._shapes[key] = _Shape(event, opened, self._read_context(event))
        except (ValueError, RecursionError):
            # Read alone, it is refused with the place in the event as it was sent.
            return None
        return self._shapes[key] if self._shapes[key].is_plain else None

    def _read_context(self, event):
        epcis_schema.check_event(event)
        return self.context | epcis_schema.read_context(event.get("@context"))

    def _read_alone(self, event):
        context = self._read_context(event)
        columns = epcis.read_columns(event, context)
        found = {}
        for kind, link in epcis.read_epcs(event):
            found.setdefault(kind, []).append(link.translate(_ESCAPES))
        columns |= {
            "document": dump(event),
            "code_count": sum(map(len, found.values())),
            "context": dump(context) if context else None,
        }
        cells = _join(columns[name] for name in COLUMNS)
        return Row(columns["event_id"], columns["error_time"], cells, list(found.items()))


class _Shape:
    """What events have in common that differ in their own fields only."""

    def __init__(self, event, opened, context):
        # The ID is each event's own: it need not be worked out here.
        columns = epcis.read_columns(event | {"eventID": "?"}, context)
        self.is_plain = not _SCHEMES & context.keys()
        self.error_time = columns["error_time"]
        self.document = dump(opened.rest).translate(_ESCAPES)[:-1]
        columns["context"] = dump(context) if context else None
        self.cells = _join(columns[name] for name in COLUMNS[4:])
        self.epcs = {}
        for kind, link in epcis.read_epcs(opened.rest):
            self.epcs.setdefault(kind, []).append(link.translate(_ESCAPES))
        self._event, self._context = event, context

    def fill(self, opened):
        event_id = opened.event_id or self._hash(opened)
        epcs = [(epcis.KINDS[name], list(dict.fromkeys(links))) for name, links in opened.links.items()]
        epcs += self.epcs.items()
        count = sum(len(links) for _kind, links in epcs)
        document = ", ".join((self.document, *opened.pieces)) + "}"
        cells = f"{event_id}\t{opened.moment}\t{count}\t{document}\t{self.cells}"
        return Row(event_id, self.error_time, cells, epcs)

    @cached_property
    def _line(self):
        names = ["eventTime", *_LISTS, "parentID", "bizTransactionList"]
        return epcis_hash.Line(self._event, self._context, [name for name in names if self._event.get(name)])

    def _hash(self, opened):
        texts = {"eventTime": f"eventTime={epcis_hash.format_time(opened.moment)}"}
        for name, links in opened.links.items():
            texts[name] = (
                f"parentID={links[0]}" if name == "parentID" else f"{name}epc={'epc='.join(sorted(links))}"
            )
        if opened.pairs:
            texts["bizTransactionList"] = epcis_hash.transactions(opened.pairs)
        return self._line.event_id(texts)


def _join(cells):
    return "\t".join("\\N" if cell is None else str(cell).translate(_ESCAPES) for cell in cells)


def _is_plain(text, pattern=_PLAIN):
    return isinstance(text, str) and len(text) <= epcis_schema.MAX_URI and pattern.fullmatch(text)


def _open(event):
    """What is an event's own, or None when any of that is not plain."""
    rest = event.copy()
    pieces, links = [], {}
    try:
        _open_lists(rest, pieces, links)
        _open_names(rest, pieces, links)
        moment = _open_times(rest, pieces)
        pairs = _open_pairs(rest, pieces)
    except _NotPlainError:
        return None
    return _Opened(rest, event.get("eventID"), moment, pieces, links, pairs)


def _open_lists(rest, pieces, links):
    for name in _LISTS:
        value = rest.get(name)
        if not value:
            # What is missing or empty is shared.
            continue
        found = canonical_list(value, _is_plain) if type(value) is list else None
        if not found:
            raise _NotPlainError
        del rest[name]
        links[name] = found
        inside = '", "'.join(value)
        pieces.append(f'"{name}": ["{inside}"]')


def _open_names(rest, pieces, links):
    for name, pattern in (("parentID", _PLAIN), ("eventID", _PLAIN_ID)):
        value = rest.get(name)
        if not value:
            continue
        if not _is_plain(value, pattern):
            raise _NotPlainError
        del rest[name]
        pieces.append(f'"{name}": "{value}"')
        if name == "parentID":
            links[name] = [canonical(value)]


def _open_times(rest, pieces):
    """The moment of the event."""
    match = _match_time(rest, pieces, "eventTime")
    if "recordTime" in rest:
        _match_time(rest, pieces, "recordTime")
    try:
        return epcis_hash.make_time(match[0][:19], match[4], match[5])
    except ValueError as error:
        raise _NotPlainError from error


def _match_time(rest, pieces, name):
    value = rest.pop(name, None)
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if not match:
        raise _NotPlainError
    pieces.append(f'"{name}": "{value}"')
    return match


def _open_pairs(rest, pieces):
    """[(type, URI)] of the transactions."""
    value = rest.get("bizTransactionList")
    if not value:
        return []
    if type(value) is not list:
        raise _NotPlainError
    pairs = []
    for pair in value:
        if type(pair) is not dict or pair.keys() != _PAIR:
            raise _NotPlainError
        kind, uri = pair["type"], pair["bizTransaction"]
        if not isinstance(kind, str) or kind not in _WORDS or not _is_plain(uri):
            raise _NotPlainError
        pairs.append((kind, uri))
    del rest["bizTransactionList"]
    inside = ", ".join(f'{{"type": "{kind}", "bizTransaction": "{uri}"}}' for kind, uri in pairs)
    pieces.append(f'"bizTransactionList": [{inside}]')
    return pairs
