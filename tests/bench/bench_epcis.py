"""Capturing EPCIS documents of 1,000 events with ten items each, beside the ORM's create() of events without items."""

import datetime
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import psutil

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


def capture_at_once(env, documents, clients=2):
    """As so many clients send them: each document in a transaction of its own."""

    def work(part):
        with env.registry.cursor() as cr:
            for document in part:
                capture(env(cr=cr), [document])
                cr.commit()

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(work, [documents[client::clients] for client in range(clients)]))


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


def processor_times(env):
    """Seconds of processor time so far: of this process, and of PostgreSQL's for this connection, where it is here."""
    env.cr.execute("SELECT pg_backend_pid()")
    found = []
    for pid in (os.getpid(), env.cr.fetchone()[0]):
        times = psutil.Process(pid).cpu_times() if psutil.pid_exists(pid) else None
        found.append(times.user + times.system if times else float("nan"))
    return found


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
    # What is done once in a process: the schema is compiled.
    capture(env, [make_document(first, True)])
    first += PER_DOCUMENT
    runs, costs = [], []
    for (with_id, size), texts in documents.items():
        before = processor_times(env)
        name = f"DMS: capture, eventID {'given' if with_id else 'hashed'}"
        runs.append(measure(name, size, lambda texts=texts: capture(env, texts)))
        spent = [after - start for start, after in zip(before, processor_times(env), strict=True)]
        costs.append((name, size, *(1e6 * seconds / size for seconds in spent)))
    # Last, for what they store stays.
    for size in (5_000, 20_000):
        texts = [make_document(first + part, False) for part in range(0, size, PER_DOCUMENT)]
        first += size
        name = "DMS: two clients at once, eventID hashed"
        runs.append(measure(name, size, lambda texts=texts: capture_at_once(env, texts)))
    table("events", baseline, runs)
    # Whatever else the machine does takes from the rate, not from these.
    for name, size, python, database in costs:
        print(
            f"  {name:<44} {size:>10,}  µs of processor an event: Python {python:.0f}, PostgreSQL {database:.0f}"
        )
    env.cr.rollback()


main(env)  # noqa: F821  (Odoo's shell provides `env`)
