"""Capturing EPCIS documents of 1,000 events, beside the ORM's create() of the same rows."""

import datetime
import json
import os
import sys

sys.path.insert(0, os.path.join(os.environ["DMS_CHECKOUT"], "tests", "bench"))

from measure import measure, table

from odoo.addons.dms_traceability.tools import epcis

START = datetime.datetime(2026, 3, 1)
PER_DOCUMENT = 1_000


def make_document(first, with_id):
    """A document as a warehouse sends it: ten items shipped in each event."""
    events = []
    for number in range(first, first + PER_DOCUMENT):
        event = epcis.build(
            "object",
            "shipping",
            START + datetime.timedelta(seconds=number),
            action="OBSERVE",
            disposition="in_transit",
            epcs=[f"urn:epc:id:sgtin:0614141.107346.{number * 10 + item}" for item in range(10)],
            read_point="urn:epc:id:sgln:0614141.07346.1234",
            transactions=[("po", f"http://erp.example.com/po/{number}")],
        )
        if not with_id:
            del event["eventID"]
        events.append(event)
    return json.dumps(
        {
            "@context": [epcis.CONTEXT],
            "type": "EPCISDocument",
            "schemaVersion": "2.0",
            "creationDate": "2026-03-01T10:00:00Z",
            "epcisBody": {"eventList": events},
        }
    )


def capture(env, documents):
    for document in documents:
        env["dms.epcis.capture"]._capture(json.loads(document))
    env.flush_all()


def create(env, count):
    env["dms.trace.event"].create(
        [
            {
                "event_type": "object",
                "action": "observe",
                "biz_step": "shipping",
                "event_time": START,
                "company_id": env.company.id,
                "event_id": f"urn:x:{count}:{number}",
            }
            for number in range(count)
        ]
    )
    env.flush_all()


def main(env):
    first = 0
    documents = {}
    for with_id in (True, False):
        for size in (5_000, 20_000):
            documents[with_id, size] = [
                make_document(first + part, with_id) for part in range(0, size, PER_DOCUMENT)
            ]
            first += size
    baseline = [
        measure("Odoo: create() of events", count, lambda count=count: create(env, count))
        for count in (2_500, 10_000)
    ]
    runs = [
        measure(
            f"DMS: capture, eventID {'given' if with_id else 'hashed'}",
            size,
            lambda texts=texts: capture(env, texts),
        )
        for (with_id, size), texts in documents.items()
    ]
    table("events", baseline, runs)
    env.cr.rollback()


main(env)  # noqa: F821  (Odoo's shell provides `env`)
