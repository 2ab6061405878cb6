"""The event hash of CBV 2.0, section 8.9: the same event has the same ``eventID``, whoever captured it.

An event becomes one line of text: its fields in the order of the standard, lists sorted, times in UTC with
milliseconds, numbers without needless zeros, identifiers and vocabulary in one form; then fields of others, sorted.
The ID is the SHA-256 of it. ``recordTime``, ``eventID`` and ``errorDeclaration`` take no part.
"""

import datetime
import hashlib
import re
from functools import lru_cache
from typing import NamedTuple

from .epcis_id import canonical, canonical_list

_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]+)?(Z|[+-][0-9]{2}:?[0-9]{2})"
)
_HALF_MILLISECOND = datetime.timedelta(microseconds=500)
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]{1,2})?|[+-]?\.[0-9]+")
_QUANTITY = ("epcClass", "quantity", "uom")
_REPORT = [
    "type",
    "exception",
    "deviceID",
    "deviceMetadata",
    "rawData",
    "dataProcessingMethod",
    "time",
    "microorganism",
    "chemicalSubstance",
    "value",
    "component",
    "stringValue",
    "booleanValue",
    "hexBinaryValue",
    "uriValue",
    "minValue",
    "maxValue",
    "meanValue",
    "sDev",
    "percRank",
    "percValue",
    "uom",
    "coordinateReferenceSystem",
]
_METADATA = [
    "time",
    "startTime",
    "endTime",
    "deviceID",
    "deviceMetadata",
    "rawData",
    "dataProcessingMethod",
    "bizRules",
]
_IGNORED = {
    "type", "recordTime", "eventID", "errorDeclaration", "@context", "#text", "comment", "rdfs:comment",
}  # fmt: skip
_CBV = "https://ref.gs1.org/cbv/"
_VOC = "https://gs1.org/voc/"
#: {field: what stands before a bare word of the vocabulary}
_VOCABULARY = {
    "bizStep": f"{_CBV}BizStep-",
    "disposition": f"{_CBV}Disp-",
    "set": f"{_CBV}Disp-",
    "unset": f"{_CBV}Disp-",
}
_OLD_URNS = {
    "urn:epcglobal:cbv:bizstep:": f"{_CBV}BizStep-",
    "urn:epcglobal:cbv:disp:": f"{_CBV}Disp-",
    "urn:epcglobal:cbv:btt:": f"{_CBV}BTT-",
    "urn:epcglobal:cbv:sdt:": f"{_CBV}SDT-",
    "urn:epcglobal:cbv:er:": f"{_CBV}ER-",
}
#: Fields that are no part of the order: pairs of type and value, kept as pairs.
_PAIRS = {
    "bizTransactionList": ("bizTransaction", f"{_CBV}BTT-"),
    "sourceList": ("source", f"{_CBV}SDT-"),
    "destinationList": ("destination", f"{_CBV}SDT-"),
}
_ORDER = [
    "eventTime",
    "eventTimeZoneOffset",
    "certificationInfo",
    "parentID",
    "epcList",
    "inputEPCList",
    "childEPCs",
    "quantityList",
    "childQuantityList",
    "inputQuantityList",
    "outputEPCList",
    "outputQuantityList",
    "action",
    "transformationID",
    "bizStep",
    "disposition",
    "persistentDisposition",
    "readPoint",
    "bizLocation",
    "sensorElementList",
]


def event_id(event, context=None):
    """``ni:///sha-256;...?ver=CBV2.0`` of an event.

    :param dict event: as JSON-LD, bare words or full names of the vocabulary
    :param dict context: what the document's own context says, beside GS1's: {prefix: namespace}; the rest is ignored
    """
    return _name(pre_hash(event, context))


def _name(line):
    digest = hashlib.sha256(line.encode("utf-8", "surrogatepass")).hexdigest()
    return f"ni:///sha-256;{digest}?ver=CBV2.0"


def pre_hash(event, context=None):
    """The line of text that is hashed."""
    fixed, rest = _Writer(context or {}).write(event)
    return "".join(fixed + sorted(rest))


def transactions(pairs):
    """Text of ``bizTransactionList`` in the line.

    :param pairs: list of ``(bare word, URI)``, with no URI that a context changes
    """
    texts = [f"type={_CBV}BTT-{word}bizTransaction={canonical(uri)}" for word, uri in pairs]
    return "bizTransactionList" + "".join(sorted(texts))


class Line:
    """The line of many events that are the same but for some fields of the standard.

    :param dict event: one of them
    :param dict context: as of :func:`event_id`
    :param names: the fields in which they differ; all of them have these
    """

    def __init__(self, event, context, names):
        same = {name: value for name, value in event.items() if name not in names}
        self._fixed, rest = _Writer(context).write(same, names)
        self._gaps = [(place, part.name) for place, part in enumerate(self._fixed) if isinstance(part, _Gap)]
        self._rest = [part for part in rest if not isinstance(part, _Gap)]
        self._rest_gaps = [part.name for part in rest if isinstance(part, _Gap)]

    def event_id(self, texts):
        """ID of the event with these texts in its line: {field: text}, of all fields in which events differ."""
        fixed = self._fixed.copy()
        for place, name in self._gaps:
            fixed[place] = texts[name]
        return _name("".join(fixed + sorted(self._rest + [texts[name] for name in self._rest_gaps])))


def parse_time(text):
    """Moment in UTC, without a time zone, of an ISO 8601 time with one.

    :raise ValueError: when it is none
    """
    match = _TIME.fullmatch(text)
    if not match:
        raise ValueError("no time with a time zone")
    return make_time(*match.groups())


def make_time(whole, fraction, zone):
    """As :func:`parse_time`, of the parts of a time: to the second, perhaps a point and digits, and the zone."""
    moment = datetime.datetime.fromisoformat(whole)
    try:
        if fraction:
            moment += datetime.timedelta(microseconds=round(float(f"0{fraction}") * 1_000_000))
        return moment if zone == "Z" else moment - _read_zone(zone)
    except OverflowError as error:
        raise ValueError("the time is out of range") from error


@lru_cache(maxsize=4096)
def _read_zone(zone):
    minutes = int(zone[1:3]) * 60 + int(zone[-2:])
    return datetime.timedelta(minutes=-minutes if zone[0] == "-" else minutes)


def format_time(moment):
    """ISO 8601 with milliseconds, of a moment in UTC."""
    return (moment + _HALF_MILLISECOND).isoformat(timespec="milliseconds") + "Z"


@lru_cache(maxsize=1024)
def _is_time(name):
    return "time" in name.lower() and "offset" not in name.lower()


class _Gap(NamedTuple):
    """Where the text of a field belongs."""

    name: str


class _Writer:
    def __init__(self, context):
        self.context = {name: text for name, text in context.items() if isinstance(text, str)}

    def write(self, event, gaps=()):
        """Parts in the order of the standard, and those that are sorted behind them; ``gaps`` are left open."""
        parts = [f"eventType={event['type']}"]
        parts += [
            _Gap(name) if name in gaps else self._field(name, event[name])
            for name in _ORDER
            if name in event or name in gaps
        ]
        rest = [_Gap(name) for name in gaps if name not in _ORDER]
        rest += [
            self._pairs(name, event[name]) if name in _PAIRS else part
            for name in event
            if name not in _ORDER and name not in _IGNORED
            for part in ([""] if name in _PAIRS else self._others(name, event[name]))
        ]
        return parts, rest

    # --- Fields of the standard -------------------------------------------------------------------

    def _field(self, name, value):
        if name in ("epcList", "inputEPCList", "outputEPCList", "childEPCs"):
            return self._nested(name, sorted(f"epc={link}" for link in self._identifiers(value)))
        if name.endswith("uantityList"):
            return self._nested(
                name, sorted("quantityElement" + self._object(one, _QUANTITY) for one in value)
            )
        if name == "sensorElementList":
            return self._nested(name, sorted("sensorElement" + self._sensor(one) for one in value))
        if name == "persistentDisposition":
            return self._nested(name, [self._object(value, ("set", "unset"))])
        if name in ("readPoint", "bizLocation"):
            return self._nested(name, [self._object(value, ("id",))])
        return "".join(sorted(f"{name}={self._text(name, one)}" for one in self._list(value)))

    def _nested(self, name, parts):
        text = "".join(parts)
        return name + text if text else ""

    def _list(self, value):
        return value if isinstance(value, list) else [value]

    def _object(self, value, order):
        parts = [
            "".join(sorted(f"{name}={self._text(name, one)}" for one in self._list(value[name])))
            for name in order
            if name in value
        ]
        others = [
            part
            for name in value
            if name not in order and name not in ("type", "comment", "rdfs:comment")
            for part in self._others(name, value[name])
        ]
        return "".join(parts + sorted(others))

    def _sensor(self, element):
        text = ""
        if "sensorMetadata" in element:
            text += "sensorMetadata" + self._object(element["sensorMetadata"], _METADATA)
        reports = [self._object(report, _REPORT) for report in element.get("sensorReport", ())]
        text += "".join(sorted(f"sensorReport{report}" for report in reports))
        rest = {
            name: value for name, value in element.items() if name not in ("sensorMetadata", "sensorReport")
        }
        return text + self._object(rest, ())

    def _pairs(self, name, pairs):
        key, vocabulary = _PAIRS[name]
        texts = []
        for pair in pairs:
            text = f"type={self._word(pair['type'], vocabulary)}" if "type" in pair else ""
            texts.append(f"{text}{key}={self._text(key, pair[key])}")
        return self._nested(name, sorted(texts))

    # --- Fields of others -------------------------------------------------------------------------

    def _others(self, name, value):
        """Parts of a field that the standard does not name; a list gives one for each element."""
        name = self._expand(name, "{%s}%s")
        if isinstance(value, list):
            return [part for one in value for part in self._others(name, one)]
        if isinstance(value, dict):
            inside = [
                part
                for key in value
                if key not in ("comment", "rdfs:comment", "#text")
                for part in self._others(key, value[key])
            ]
            text = f"={self._text(name, value['#text'])}" if "#text" in value else ""
            return [name + text + "".join(sorted(inside))]
        text = self._text("", value)
        return [f"{name}={text}" if text else name]

    def _expand(self, text, form):
        prefix, colon, local = text.partition(":")
        return form % (self.context[prefix], local) if colon and prefix in self.context else text

    # --- Values -----------------------------------------------------------------------------------

    def _text(self, name, value):
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, (dict, list)):
            return "".join(self._others("", value))
        text = self._expand(str(value), "%s%s").strip() if value is not None else ""
        if _is_time(name):
            try:
                return format_time(parse_time(text))
            except ValueError:
                return text
        if name in _VOCABULARY:
            text = self._word(text, _VOCABULARY[name])
        elif name in ("type", "exception"):
            text = self._word(text, _VOC)
        elif name == "component":
            text = self._word(text, f"{_CBV}Comp-")
        return self._canonical(text)

    def _identifiers(self, uris):
        # The way of almost all of a large event's texts, so it is a short one.
        links = canonical_list(uris, lambda uri: uri.startswith("urn:epc:")) if uris else []
        return [self._text("epc", uri) for uri in uris] if links is None else links

    def _word(self, text, vocabulary):
        return text if ":" in text else vocabulary + text

    def _canonical(self, text):
        if text[:1] in "+-.0123456789" and len(text) < 100 and _NUMBER.fullmatch(text):
            number = float(text)
            return str(int(number)) if number == int(number) else str(number)
        if text.startswith("urn:epcglobal:cbv:"):
            for old, new in _OLD_URNS.items():
                if text.startswith(old):
                    return new + text[len(old) :]
        return canonical(text)
