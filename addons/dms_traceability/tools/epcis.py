"""EPCIS 2.0 events: building those of our own work, reading those of others, and the query language.

Sources: EPCIS 2.0, sections 7 (events), 8.2.7 (query parameters), 12 (REST bindings); CBV 2.0, section 7.
"""

import base64
import datetime
import json

from . import epcis_hash
from .epcis_id import canonical, canonical_list
from .epcis_vocabulary import BIZ_STEPS, DISPOSITIONS

CONTEXT = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"
VERSION = "2.0.0"
#: {name in our tables: name in EPCIS}; what is another's has the key ``other``.
EVENT_TYPES = {
    "object": "ObjectEvent",
    "aggregation": "AggregationEvent",
    "transaction": "TransactionEvent",
    "transformation": "TransformationEvent",
    "association": "AssociationEvent",
}
_TYPE_NAMES = {name: key for key, name in EVENT_TYPES.items()}
#: {field of an event: number of its kind in the table of identifiers}
KINDS = {
    "epcList": 1, "parentID": 2, "childEPCs": 3, "inputEPCList": 4, "outputEPCList": 5, "quantityList": 6,
    "childQuantityList": 7, "inputQuantityList": 8, "outputQuantityList": 9,
}  # fmt: skip
#: {query parameter: kinds it looks at}
MATCHES = {
    "MATCH_epc": (1, 3), "MATCH_parentID": (2,), "MATCH_inputEPC": (4,), "MATCH_outputEPC": (5,),
    "MATCH_anyEPC": (1, 2, 3, 4, 5), "MATCH_epcClass": (6, 7), "MATCH_inputEPCClass": (8,),
    "MATCH_outputEPCClass": (9,), "MATCH_anyEPCClass": (6, 7, 8, 9),
}  # fmt: skip
PER_PAGE, MAX_PER_PAGE = 30, 1000
MAX_VALUES = 500


class QueryError(ValueError):
    """A query can't be answered as it is asked; the text says why, in English, as the whole interface does."""


# --- Building -----------------------------------------------------------------------------------------------


def build(
    kind,
    biz_step,
    moment,
    *,
    action=None,
    disposition=None,
    epcs=(),
    classes=(),
    parent=None,
    inputs=(),
    outputs=(),
    input_classes=(),
    read_point=None,
    biz_location=None,
    transactions=(),
    sources=(),
    destinations=(),
    ilmd=None,
):
    """One event of our own, with its hash as ``eventID``.

    :param str kind: key of :data:`EVENT_TYPES`
    :param moment: when it happened, in UTC without a time zone
    :param epcs: identifiers of single objects; with a parent they are its children
    :param classes: list of ``(class, quantity)`` for what is not named one by one
    :param inputs, outputs: identifiers of what a transformation uses up and makes
    :param input_classes: list of ``(class, quantity)`` that it uses up beside them
    :param transactions: list of ``(type, URI)``, as ``desadv`` and ``po``
    :param sources, destinations: lists of ``(type, URI)``, as ``owning_party``
    :return: dict, as JSON-LD
    """
    event = {
        "type": EVENT_TYPES[kind],
        "eventTime": epcis_hash.format_time(moment),
        "eventTimeZoneOffset": "+00:00",
    }
    nested = kind in ("aggregation", "association")
    if parent:
        event["parentID"] = parent
    if kind == "transformation":
        event |= {"inputEPCList": list(inputs), "outputEPCList": list(outputs)}
        event["inputQuantityList"] = [
            {"epcClass": name, "quantity": quantity} for name, quantity in input_classes
        ]
    elif epcs or not classes:
        event["childEPCs" if nested else "epcList"] = list(epcs)
    if classes:
        event["childQuantityList" if nested else "quantityList"] = [
            {"epcClass": name, "quantity": quantity} for name, quantity in classes
        ]
    event |= {"action": action, "bizStep": biz_step, "disposition": disposition}
    event["readPoint"] = read_point and {"id": read_point}
    event["bizLocation"] = biz_location and {"id": biz_location}
    event["bizTransactionList"] = [{"type": name, "bizTransaction": uri} for name, uri in transactions]
    event["sourceList"] = [{"type": name, "source": uri} for name, uri in sources]
    event["destinationList"] = [{"type": name, "destination": uri} for name, uri in destinations]
    event["ilmd"] = ilmd
    event = {name: value for name, value in event.items() if value or name in ("epcList",)}
    return {"eventID": epcis_hash.event_id(event, {}), **event}


def document(events, context=None):
    """The answer to a query, as a document of its own."""
    return {
        "@context": [CONTEXT, *([context] if context else [])],
        "type": "EPCISQueryDocument",
        "schemaVersion": "2.0",
        "creationDate": epcis_hash.format_time(
            datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        ),
        "epcisBody": {
            "queryResults": {"queryName": "SimpleEventQuery", "resultsBody": {"eventList": events}},
        },
    }


# --- Reading ------------------------------------------------------------------------------------------------


def read_epcs(event):
    """What an event is about: list of ``(number of kind, canonical identifier)``, each once."""
    found = {}
    for field, kind in KINDS.items():
        value = event.get(field)
        if not value:
            continue
        names = [value] if isinstance(value, str) else value
        links = canonical_list([one if isinstance(one, str) else one["epcClass"] for one in names])
        found |= {(kind, link): None for link in links}
    return list(found)


def read_columns(event, context=None):
    """The facts of an event that are kept apart for queries: a dict of texts and moments, all perhaps None."""
    declared = event.get("errorDeclaration")
    return {
        "event_id": event.get("eventID") or epcis_hash.event_id(event, context),
        "event_type": _TYPE_NAMES.get(event["type"], "other"),
        "action": event.get("action", "").lower() or None,
        "biz_step": _read_word(event.get("bizStep"), "BizStep", BIZ_STEPS),
        "disposition": _read_word(event.get("disposition"), "Disp", DISPOSITIONS),
        "event_time": epcis_hash.parse_time(event["eventTime"]),
        "error_time": declared and epcis_hash.parse_time(declared["declarationTime"]),
        "read_point": _read_place(event.get("readPoint")),
        "biz_location": _read_place(event.get("bizLocation")),
    }


def read_word(text, part):
    """Bare word of a vocabulary, whatever its form; ``part`` is BizStep or Disp."""
    old = {"BizStep": "bizstep", "Disp": "disp"}[part]
    for head in (
        f"urn:epcglobal:cbv:{old}:",
        f"https://ref.gs1.org/cbv/{part}-",
        f"https://ns.gs1.org/cbv/{part}-",
    ):
        text = text.removeprefix(head)
    return text


def _read_word(text, part, words):
    word = read_word(text, part) if text else None
    return word if word in words else None


def _read_place(place):
    return canonical(place["id"]) if place else None


# --- Asking -------------------------------------------------------------------------------------------------

_TIMES = ("eventTime", "recordTime", "errorDeclarationTime")
_LISTS = [
    "EQ_action",
    "EQ_bizStep",
    "EQ_disposition",
    "EQ_persistentDisposition_set",
    "EQ_persistentDisposition_unset",
    "EQ_readPoint",
    "EQ_bizLocation",
    "EQ_transformationID",
    "EQ_eventID",
    "EQ_errorReason",
    "EQ_correctiveEventID",
    "eventType",
]
_FLAGS = ("EXISTS_errorDeclaration",)
_PREFIXES = ("EQ_bizTransaction_", "EQ_source_", "EQ_destination_")


def read_query(params):
    """Check and read the parameters of a query.

    :param params: list of ``(name, text)``
    :return: ``(conditions, paging)``: conditions are ``(name, values)`` with moments where times are meant; paging is a
        dict of ``per_page``, ``after`` (the key of the last event given, or None), ``order`` (``id`` or
        ``event_time``), ``descending``, ``limit`` and ``most``
    :raise QueryError: when a parameter is not known, or its value can't be read
    """
    conditions = []
    paging = {
        "per_page": PER_PAGE,
        "after": None,
        "order": "id",
        "descending": False,
        "limit": None,
        "most": None,
    }
    for name, text in params:
        if len(text) > 20_000:
            raise QueryError(f"The value of {name[:60]} is too long.")
        if not _read_paging(paging, name, text):
            conditions.append(_read_condition(name, text))
    if paging["limit"] and paging["most"]:
        raise QueryError("eventCountLimit and maxEventCount can't be used together.")
    return conditions, paging


def _read_condition(name, text):
    head, _bar, field = name.partition("_")
    if head in ("GE", "LT") and field in _TIMES:
        try:
            return name, epcis_hash.parse_time(text)
        except ValueError as error:
            raise QueryError(f"{name} is no time with a time zone, as 2026-01-31T12:00:00Z.") from error
    if name in _FLAGS:
        return name, text
    if name in MATCHES or name in _LISTS or (name.startswith(_PREFIXES) and len(name) < 200):
        values = [value for value in text.split("|") if value]
        if not values or len(values) > MAX_VALUES or "\0" in text:
            raise QueryError(f"{name} needs 1 to {MAX_VALUES} values, with | between them.")
        return name, [canonical(value) for value in values] if name in MATCHES else values
    raise QueryError(f"The query parameter {name[:60]} is not supported.")


def _read_paging(paging, name, text):
    if name in ("perPage", "eventCountLimit", "maxEventCount"):
        if not (text.isascii() and text.isdigit() and int(text[:9]) > 0 and len(text) < 9):
            raise QueryError(f"{name} is a number from 1 on.")
        key = {"perPage": "per_page", "eventCountLimit": "limit", "maxEventCount": "most"}[name]
        paging[key] = min(int(text), MAX_PER_PAGE) if name == "perPage" else int(text)
    elif name == "nextPageToken":
        paging["after"] = read_token(text)
    elif name == "orderBy":
        if text not in ("eventTime", "recordTime"):
            raise QueryError("orderBy is eventTime or recordTime.")
        paging["order"] = "event_time" if text == "eventTime" else "id"
    elif name == "orderDirection":
        if text not in ("ASC", "DESC"):
            raise QueryError("orderDirection is ASC or DESC.")
        paging["descending"] = text == "DESC"
    else:
        return False
    return True


def make_token(moment, event_id, given):
    """Token of the next page: the last event's time and number, and how many were given so far."""
    text = json.dumps([moment.isoformat(), event_id, given], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_token(text):
    """``(moment, number of the event, how many were given)`` of a token.

    :raise QueryError: when it is none
    """
    try:
        moment, number, given = json.loads(base64.urlsafe_b64decode(text[:300] + "=" * (-len(text) % 4)))
        if (
            not isinstance(number, int)
            or not isinstance(given, int)
            or not 0 <= number < 1 << 31
            or given < 0
        ):
            raise ValueError(text)
        return datetime.datetime.fromisoformat(moment).replace(tzinfo=None), number, given
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise QueryError("nextPageToken is not one that was given here.") from error
