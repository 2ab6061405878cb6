"""What an EPCIS 2.0 document in JSON-LD must look like: our own JSON schema, compiled once.

Source: EPCIS 2.0, sections 7 (event types) and 10 (JSON-LD), CBV 2.0, section 7 (vocabulary). Nothing is fetched: a
context is looked at only for the prefixes that it names.
"""

import json
import re
from functools import lru_cache

import fastjsonschema

from .epcis_vocabulary import BIZ_STEPS, COMPONENTS, DISPOSITIONS, MEASUREMENTS, TRANSACTIONS

MAX_EPCS = 100_000
MAX_TEXT = 2048
# What stands in an index may have 512 characters.
MAX_URI = 512
MAX_CONTEXT = 20_000

_URI = {"type": "string", "pattern": r"^[A-Za-z][A-Za-z0-9+.\-]*:[^\s<>\"{}\\^`]+$", "maxLength": MAX_URI}
TIME_PATTERN = (
    r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(\.[0-9]{1,9})?(Z|[+\-]([01][0-9]|2[0-3]):[0-5][0-9])"
)
_TIME = {"type": "string", "pattern": f"^{TIME_PATTERN}$"}
_TEXT = {"type": "string", "maxLength": MAX_TEXT}
_NUMBER = {"type": "number"}
# A word of another vocabulary is a URI that does not claim to be one of the CBV.
_OTHER = r"(?!urn:epcglobal:cbv|https?://ns\.gs1\.org/cbv/)[A-Za-z][A-Za-z0-9+.\-]*:[^\s]+"
_OTHER_VOC = r"(?!https?://(www\.)?gs1\.org/voc/)[A-Za-z][A-Za-z0-9+.\-]*:[^\s]+"


def _word(words, other=_OTHER):
    return {"type": "string", "pattern": f"^(?:{'|'.join(sorted(words))}|{other})$", "maxLength": MAX_URI}


def _list(items, least=0, unique=False):
    return {"type": "array", "items": items, "minItems": least, "maxItems": MAX_EPCS, "uniqueItems": unique}


def _object(properties, required=(), extensible=True):
    """An object of these fields, and fields of others whose names have a prefix."""
    names = "|".join(sorted(map(re.escape, properties)))
    schema = {"type": "object", "properties": properties, "required": list(required)}
    if extensible:
        schema["propertyNames"] = {
            "pattern": rf"^(?:{names}|[A-Za-z][A-Za-z0-9+.\-_]*:.+)$",
            "maxLength": 256,
        }
    else:
        schema["additionalProperties"] = False
    return schema


_QUANTITIES = _list(
    _object(
        {"epcClass": _URI, "quantity": _NUMBER, "uom": {"type": "string", "pattern": "^[A-Z0-9]{2,3}$"}},
        ["epcClass"],
        extensible=False,
    )
)
_EPCS = _list(_URI)
_PLACE = _object({"id": _URI}, ["id"])
_DISPOSITION = _word(DISPOSITIONS)
_PARTY = ("owning_party", "possessing_party", "location")
_METADATA = {
    "time": _TIME, "startTime": _TIME, "endTime": _TIME, "deviceID": _URI, "deviceMetadata": _URI, "rawData": _URI,
    "dataProcessingMethod": _URI, "bizRules": _URI,
}  # fmt: skip
_REPORT = {
    "type": _word(MEASUREMENTS, _OTHER_VOC), "exception": _word(("ALARM_CONDITION", "ERROR_CONDITION"), _OTHER_VOC),
    "deviceID": _URI, "deviceMetadata": _URI, "rawData": _URI, "dataProcessingMethod": _URI, "bizRules": _URI,
    "time": _TIME, "microorganism": _URI, "chemicalSubstance": _URI, "coordinateReferenceSystem": _URI,
    "value": _NUMBER, "component": _word(COMPONENTS), "stringValue": _TEXT, "booleanValue": {"type": "boolean"},
    "hexBinaryValue": {"type": "string", "pattern": "^[A-Fa-f0-9]+$", "maxLength": MAX_TEXT}, "uriValue": _URI,
    "minValue": _NUMBER, "maxValue": _NUMBER, "meanValue": _NUMBER, "sDev": _NUMBER, "percRank": _NUMBER,
    "percValue": _NUMBER, "uom": _TEXT,
}  # fmt: skip
_CONTEXT = {"type": ["string", "object", "array"]}
_EVENT = {
    "@context": _CONTEXT,
    "type": _TEXT,
    "eventTime": _TIME,
    "recordTime": _TIME,
    "eventTimeZoneOffset": {"type": "string", "pattern": r"^[+\-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00)$"},
    "eventID": _URI,
    "certificationInfo": {"anyOf": [_URI, _list(_URI)]},
    "errorDeclaration": _object(
        {
            "declarationTime": _TIME,
            "reason": _word(("did_not_occur", "incorrect_data")),
            "correctiveEventIDs": _list(_URI),
        },
        ["declarationTime"],
    ),
}
_COMMON = {
    "bizStep": _word(BIZ_STEPS),
    "disposition": _DISPOSITION,
    "readPoint": _PLACE,
    "bizLocation": _PLACE,
    "bizTransactionList": _list(
        _object({"type": _word(TRANSACTIONS), "bizTransaction": _URI}, ["bizTransaction"], extensible=False)
    ),
    "sourceList": _list(
        _object({"type": _word(_PARTY), "source": _URI}, ["type", "source"], extensible=False)
    ),
    "destinationList": _list(
        _object({"type": _word(_PARTY), "destination": _URI}, ["type", "destination"], extensible=False)
    ),
    "sensorElementList": _list(
        _object(
            {"sensorMetadata": _object(_METADATA), "sensorReport": _list(_object(_REPORT, ["type"]), 1)},
            ["sensorReport"],
        )
    ),
}
_ACTION = {"action": {"enum": ["OBSERVE", "ADD", "DELETE"]}}
_PERSISTENT = {
    "persistentDisposition": {
        **_object({"set": _list(_DISPOSITION, 1), "unset": _list(_DISPOSITION, 1)}, extensible=False),
        "minProperties": 1,
    }
}
_ILMD = {"ilmd": _object({})}
_CHILDREN = {"parentID": _URI, "childEPCs": _EPCS, "childQuantityList": _QUANTITIES}
_TRANSFORMED = {
    "inputEPCList": _EPCS, "inputQuantityList": _QUANTITIES, "outputEPCList": _EPCS, "outputQuantityList": _QUANTITIES,
    "transformationID": _URI,
}  # fmt: skip


def _some(*names):
    return {"anyOf": [{"required": [name], "properties": {name: {"minItems": 1}}} for name in names]}


def _event(properties, required, rule=None):
    schema = _object(_EVENT | _COMMON | properties, ["type", "eventTime", "eventTimeZoneOffset", *required])
    return {"allOf": [schema, rule]} if rule else schema


_OF_CHILDREN = {
    "anyOf": [
        {"properties": {"action": {"enum": ["DELETE"]}}},
        _some("childEPCs", "childQuantityList"),
    ]
}
EVENTS = {
    "ObjectEvent": _event(
        _ACTION | _PERSISTENT | _ILMD | {"epcList": _EPCS, "quantityList": _QUANTITIES},
        ["action"],
        {
            "allOf": [
                {
                    "anyOf": [
                        {"required": ["epcList"]},
                        _some("quantityList"),
                        {"required": ["sensorElementList", "readPoint"]},
                    ]
                },
                {"anyOf": [{"properties": {"action": {"enum": ["ADD"]}}}, {"not": {"required": ["ilmd"]}}]},
            ]
        },
    ),
    "AggregationEvent": _event(_ACTION | _CHILDREN, ["action"], _OF_CHILDREN),
    "AssociationEvent": _event(_ACTION | _CHILDREN, ["action", "parentID"], _OF_CHILDREN),
    "TransactionEvent": _event(
        _ACTION | {"parentID": _URI, "epcList": _EPCS, "quantityList": _QUANTITIES},
        ["action", "bizTransactionList"],
    ),
    "TransformationEvent": _event(
        _PERSISTENT | _ILMD | _TRANSFORMED,
        [],
        {
            "anyOf": [
                {
                    "allOf": [
                        _some("inputEPCList", "inputQuantityList"),
                        _some("outputEPCList", "outputQuantityList"),
                    ]
                },
                {
                    "required": ["transformationID"],
                    **_some("inputEPCList", "inputQuantityList", "outputEPCList", "outputQuantityList"),
                },
            ]
        },
    ),
}
#: An event type of others: its name is a URI, or has a prefix. Fields with a name of the standard are the standard's.
EXTENDED = {
    "type": "object",
    "properties": {
        **_EVENT, **_COMMON, **_ACTION, **_PERSISTENT, **_CHILDREN, **_TRANSFORMED, **_ILMD,
        "type": _URI, "epcList": _EPCS, "quantityList": _QUANTITIES,
    },
    "required": ["type", "eventTime", "eventTimeZoneOffset"],
}  # fmt: skip
DOCUMENT = {
    "type": "object",
    "required": ["@context", "type", "schemaVersion", "creationDate", "epcisBody"],
    "properties": {
        "@context": _CONTEXT,
        "type": {"enum": ["EPCISDocument"]},
        "schemaVersion": {"type": "string", "pattern": r"^2(\.[0-9]+)*$"},
        "creationDate": _TIME,
        "epcisBody": {
            "type": "object",
            "required": ["eventList"],
            "properties": {"eventList": {"type": "array"}},
        },
    },
}
QUERY_DOCUMENT = {
    "type": "object",
    "required": ["@context", "type", "epcisBody"],
    "properties": {
        "@context": _CONTEXT,
        "type": {"enum": ["EPCISQueryDocument"]},
        "epcisBody": {
            "type": "object",
            "required": ["queryResults"],
            "properties": {
                "queryResults": {
                    "type": "object",
                    "required": ["resultsBody"],
                    "properties": {
                        "resultsBody": {
                            "type": "object",
                            "required": ["eventList"],
                            "properties": {"eventList": {"type": "array"}},
                        }
                    },
                }
            },
        },
    },
}


@lru_cache
def _compile(name):
    schema = {"DOCUMENT": DOCUMENT, "QUERY_DOCUMENT": QUERY_DOCUMENT, "EXTENDED": EXTENDED}.get(
        name
    ) or EVENTS[name]
    return fastjsonschema.compile(schema, use_default=False, use_formats=False)


def check_document(document):
    """Check what stands around the events.

    :return: list of events, not checked yet
    :raise ValueError: which says what is wrong and where
    """
    if not isinstance(document, dict):
        raise ValueError("data must be an object")
    is_query = document.get("type") == "EPCISQueryDocument"
    _compile("QUERY_DOCUMENT" if is_query else "DOCUMENT")(document)
    body = document["epcisBody"]
    return (body["queryResults"]["resultsBody"] if is_query else body)["eventList"]


def check_event(event):
    """Check one event.

    :raise ValueError: which says what is wrong and where
    """
    kind = event.get("type") if isinstance(event, dict) else None
    if not isinstance(kind, str):
        raise ValueError("data must be an event, an object with a type")
    _compile(kind if kind in EVENTS else "EXTENDED")(event)


def read_context(context):
    """What a ``@context`` says itself: {prefix: namespace, or what else is said of a name}.

    What it refers to by address is never fetched.

    :raise ValueError: when it is too large to be kept with each event
    """
    said = {}
    for part in context if isinstance(context, list) else [context]:
        if isinstance(part, dict):
            said |= part
    if len(json.dumps(said)) > MAX_CONTEXT:
        raise ValueError("data.@context is too large")
    return said
