import copy
import json
import random
import unittest
from pathlib import Path
from urllib.parse import quote

from odoo.exceptions import AccessError, UserError
from odoo.tests import HttpCase, new_test_user, tagged
from odoo.tools import mute_logger

from odoo.addons.dms_traceability.tools import epcis, epcis_hash
from odoo.addons.dms_traceability.tools.epcis_id import canonical

from .common import GTIN, DmsTraceCommon

EXAMPLES = Path(__file__).parents[4] / "shared" / "data" / "gs1" / "gs1-epcis" / "JSON"
SPACE = {"example": "http://ns.example.com/epcis/"}


def make_event(number=0, **values):
    return {
        "type": "ObjectEvent",
        "eventTime": f"2026-03-{number % 28 + 1:02}T10:00:00.{number % 1000:03}+08:00",
        "eventTimeZoneOffset": "+08:00",
        "action": "OBSERVE",
        "bizStep": "shipping",
        "disposition": "in_transit",
        "epcList": [f"urn:epc:id:sgtin:0614141.107346.{number}"],
        "readPoint": {"id": "urn:epc:id:sgln:0614141.07346.1234"},
        "bizTransactionList": [{"type": "po", "bizTransaction": f"http://erp.example.com/po/{number}"}],
        **values,
    }


def make_document(events):
    return {
        "@context": [epcis.CONTEXT, SPACE],
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2026-03-01T10:00:00Z",
        "epcisBody": {"eventList": events},
    }


@tagged("post_install", "-at_install")
class TestEpcis(DmsTraceCommon, HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.key = cls._make_key(cls.storeman)

    @classmethod
    def _make_key(cls, user):
        Keys = cls.env["res.users.apikeys"].with_user(user).sudo()
        return Keys._generate("rpc", "epcis", False)

    def _ask(self, path, method="GET", body=None, key=None, **headers):
        headers = {
            "Authorization": f"Bearer {key or self.key}",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        if body is not None:
            headers.setdefault("Content-Type", "application/ld+json")
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.opener.request(
            method,
            f"{self.base_url()}/epcis{path}",
            data=body,
            headers=headers,
            allow_redirects=False,
            timeout=60,
        )

    def _capture(self, events, **headers):
        response = self._ask("/capture", "POST", make_document(events), **headers)
        self.assertEqual(response.status_code, 202, response.text)
        return response

    def _list(self, path="/events", **params):
        response = self._ask(path + "?" + "&".join(f"{name}={quote(text)}" for name, text in params.items()))
        self.assertEqual(response.status_code, 200, response.text)
        return response.json()["epcisBody"]["queryResults"]["resultsBody"]["eventList"]

    def _numbers(self, **params):
        """Which of the events of :func:`make_event` answer a query."""
        params = {"EQ_readPoint": "urn:epc:id:sgln:0614141.07346.1234", **params}
        return [int(event["epcList"][0].rpartition(".")[2]) for event in self._list(**params)]

    def test_capture_and_read_back(self):
        event = make_event(7, **{"example:note": "茶"})
        response = self._capture([event])
        self.assertEqual(response.headers["GS1-EPCIS-Version"], "2.0.0")
        self.assertEqual(response.headers["GS1-EPCIS-Capture-Limit"], "5000")
        job = self._ask(response.headers["Location"].removeprefix("/epcis")).json()
        self.assertEqual((job["success"], job["running"], job["errors"]), (True, False, []))
        self.assertEqual(self._ask("/capture").json()[0]["captureID"], job["captureID"])
        event_id = epcis_hash.event_id(event, SPACE)
        for path in (f"/events/{quote(event_id, safe='')}", f"/events/{event_id}"):
            response = self._ask(path)
            self.assertEqual(response.status_code, 200, response.text)
            answer = response.json()
            self.assertEqual(answer.pop("@context"), [epcis.CONTEXT, SPACE])
            self.assertTrue(answer.pop("recordTime"))
            self.assertEqual(answer, event | {"eventID": event_id})
        (answer,) = self._list(EQ_eventID=event_id)
        self.assertEqual(answer["example:note"], "茶")
        row = self.env["dms.trace.event"].search([("event_id", "=", event_id)])
        self.assertRecordValues(
            row,
            [
                {
                    "biz_step": "shipping",
                    "event_type": "object",
                    "action": "observe",
                    "company_id": self.company.id,
                }
            ],
        )

    def test_captured_once(self):
        events = [make_event(number) for number in range(5)]
        self._capture([*events, events[0]])
        self._capture(events)
        self.assertEqual(self._numbers(), list(range(5)))
        captures = self.env["dms.epcis.capture"].search([])
        self.assertEqual(captures.sorted("id").mapped("stored_count"), [5, 0])

    def test_known_beside_new(self):
        self._capture([make_event(1)])
        self._capture([make_event(1), make_event(2)])
        self.assertEqual(self._numbers(), [1, 2])
        self.assertEqual(self._numbers(MATCH_epc="urn:epc:id:sgtin:0614141.107346.1"), [1])
        self.assertEqual(self._numbers(MATCH_epc="urn:epc:id:sgtin:0614141.107346.2"), [2])
        self.assertEqual(self.env["dms.epcis.capture"].search([], limit=1).stored_count, 1)

    def test_number_of_queries(self):
        Capture = self.env["dms.epcis.capture"].with_user(self.storeman)
        Capture._capture(make_document([make_event(number) for number in range(10)]))
        before = self.env.cr.sql_log_count
        Capture._capture(make_document([make_event(number) for number in range(10, 20)]))
        queries = self.env.cr.sql_log_count - before
        with self.assertQueryCount(queries):
            Capture._capture(make_document([make_event(number) for number in range(20, 220)]))

    def test_known_id_with_other_content(self):
        event_id = "urn:uuid:374d95fc-9457-4a51-bd6a-0bba133845a8"
        self._capture([make_event(1, eventID=event_id)])
        response = self._ask(
            "/capture", "POST", make_document([make_event(2), make_event(3, eventID=event_id)])
        )
        self.assertEqual(response.status_code, 400)
        self.assertIn("another event has the eventID", response.text)
        self.assertEqual(self._numbers(), [1])
        self._capture([make_event(1, eventID=event_id)])

    def test_error_behaviour(self):
        bad = make_event(2)
        del bad["action"]
        events = [make_event(1), bad, make_event(3)]
        response = self._ask("/capture", "POST", make_document(events))
        self.assertEqual(response.status_code, 400)
        self.assertEqual(response.headers["Content-Type"], "application/problem+json; charset=utf-8")
        self.assertIn("eventList[1]: data must contain ['action'] properties", response.json()["errors"][0])
        self.assertFalse(self._numbers())
        response = self._capture(events, GS1_Capture_Error_Behaviour="proceed")
        job = self._ask(response.headers["Location"].removeprefix("/epcis")).json()
        self.assertFalse(job["success"])
        self.assertIn("eventList[1]", job["errors"][0]["detail"])
        self.assertEqual(self._numbers(), [1, 3])

    def test_error_declaration(self):
        event = make_event(1, eventID="urn:uuid:374d95fc-9457-4a51-bd6a-0bba133845a8")
        wrong = event | {
            "errorDeclaration": {"declarationTime": "2026-04-01T00:00:00Z", "reason": "did_not_occur"}
        }
        self._capture([event])
        self._capture([wrong])
        self.assertEqual(len(self._list(EQ_eventID=event["eventID"])), 2)
        self.assertEqual(len(self._list(EXISTS_errorDeclaration="true")), 1)
        self.assertEqual(len(self._list(EQ_errorReason="did_not_occur")), 1)
        self.assertEqual(len(self._list(GE_errorDeclarationTime="2026-04-01T00:00:00Z")), 1)
        self.assertFalse(self._list(LT_errorDeclarationTime="2026-04-01T00:00:00Z"))
        with self.assertRaises(UserError):
            self.env["dms.trace.event"].search([("event_id", "=", event["eventID"])])[0].biz_step = "packing"

    def test_queries(self):
        self._capture(
            [
                make_event(1),
                make_event(2, bizStep="receiving", disposition="in_progress"),
                make_event(3, bizStep="https://words.example.com/polishing"),
                make_event(4, action="ADD", bizLocation={"id": "urn:epc:id:sgln:0614141.00777.0"}),
                make_event(
                    5,
                    quantityList=[{"epcClass": "urn:epc:class:lgtin:4012345.012345.998877", "quantity": 3}],
                    sourceList=[{"type": "owning_party", "source": "urn:epc:id:pgln:4012345.00225"}],
                ),
            ]
        )
        for params, expected in (
            ({"EQ_bizStep": "shipping"}, [1, 4, 5]),
            ({"EQ_bizStep": "urn:epcglobal:cbv:bizstep:receiving"}, [2]),
            ({"EQ_bizStep": "https://ref.gs1.org/cbv/BizStep-receiving|shipping"}, [1, 2, 4, 5]),
            ({"EQ_bizStep": "https://words.example.com/polishing"}, [3]),
            ({"EQ_disposition": "in_progress"}, [2]),
            ({"EQ_action": "ADD"}, [4]),
            ({"eventType": "ObjectEvent"}, [1, 2, 3, 4, 5]),
            ({"eventType": "AggregationEvent"}, []),
            ({"EQ_bizLocation": "https://id.gs1.org/414/0614141007776"}, [4]),
            ({"GE_eventTime": "2026-03-04T02:00:00.003Z"}, [3, 4, 5]),
            ({"GE_eventTime": "2026-03-04T10:00:00.004+08:00", "LT_eventTime": "2026-03-06T00:00:00Z"}, [4]),
            ({"MATCH_epc": "urn:epc:id:sgtin:0614141.107346.3"}, [3]),
            ({"MATCH_epc": "https://brand.example/01/10614141073464/21/3?17=270101"}, [3]),
            ({"MATCH_anyEPC": "https://id.gs1.org/01/10614141073464/*"}, [1, 2, 3, 4, 5]),
            ({"MATCH_parentID": "urn:epc:id:sgtin:0614141.107346.3"}, []),
            ({"MATCH_epcClass": "https://id.gs1.org/01/04012345123456/10/998877"}, [5]),
            ({"EQ_bizTransaction_po": "http://erp.example.com/po/2|http://erp.example.com/po/3"}, [2, 3]),
            ({"EQ_source_owning_party": "urn:epc:id:pgln:4012345.00225"}, [5]),
            ({"orderBy": "eventTime", "orderDirection": "DESC"}, [5, 4, 3, 2, 1]),
            ({"eventCountLimit": "2"}, [1, 2]),
            ({"GE_recordTime": "2020-01-01T00:00:00Z", "EQ_transformationID": "urn:x:1"}, []),
        ):
            self.assertEqual(self._numbers(**params), expected, params)
        path = "/epcs/" + quote("https://id.gs1.org/01/10614141073464/21/2", safe="") + "/events"
        self.assertEqual(len(self._list(path)), 1)
        self.assertEqual(len(self._list("/epcs/urn:epc:id:sgtin:0614141.107346.2/events")), 1)
        self.assertEqual(len(self._list("/eventTypes/ObjectEvent/events", EQ_action="ADD")), 1)

    def test_paging(self):
        self._capture([make_event(number) for number in range(7)])
        for order in ({}, {"orderBy": "eventTime", "orderDirection": "DESC"}):
            numbers, path = [], None
            query = {"perPage": "3", "EQ_bizStep": "shipping", **order}
            path = "/events?" + "&".join(f"{name}={value}" for name, value in query.items())
            while path:
                response = self._ask(path)
                events = response.json()["epcisBody"]["queryResults"]["resultsBody"]["eventList"]
                self.assertLessEqual(len(events), 3)
                numbers += [int(event["epcList"][0].rpartition(".")[2]) for event in events]
                link = response.headers.get("Link")
                path = link and link[1 : link.index(">")].removeprefix("/epcis")
            self.assertEqual(sorted(numbers), list(range(7)))
            self.assertEqual(numbers, sorted(numbers, reverse=bool(order)))
        response = self._ask("/events?maxEventCount=3")
        self.assertEqual(response.status_code, 400)
        self.assertEqual(len(self._list(maxEventCount="7")), 7)

    def test_own_work(self):
        order = self._order_codes(50, 24)
        picking = self._create_delivery(25)
        picking._dms_assign_codes()
        picking.button_validate()
        serial = self._serials(order)[0]
        unit = canonical(f"https://id.gs1.org/01/{GTIN}/21/{serial}")
        loose = canonical(f"https://id.gs1.org/01/{GTIN}/21/{self._serials(order)[49]}")
        steps = [(event["type"], event["bizStep"]) for event in self._list(MATCH_anyEPC=unit)]
        self.assertEqual(steps, [("ObjectEvent", "commissioning"), *[("AggregationEvent", "packing")] * 2])
        packing = [event for event in self._list(EQ_bizStep="packing") if unit in event["childEPCs"]]
        self.assertEqual(len(packing), 1)
        self.assertEqual(len(packing[0]["childEPCs"]), 24)
        case = canonical(f"https://id.gs1.org/01/{order.case_gtin}/21/{self._serials(order, 'case')[0]}")
        self.assertEqual(packing[0]["parentID"], case)
        (shipping,) = self._list(EQ_bizStep="shipping")
        self.assertEqual(len(shipping["epcList"]), 2)
        self.assertIn(case, shipping["epcList"])
        self.assertEqual(shipping["bizTransactionList"][0]["type"], "desadv")
        self.assertEqual(shipping["destinationList"][0]["type"], "owning_party")
        self.assertTrue(shipping["sourceList"])
        for secret in ("North Trading", "D-NORTH"):
            self.assertNotIn(secret, json.dumps(shipping))
        # What we give out is a right document, which captures as the same events.
        events = [event for event in self._list() if event["eventID"]]
        for event in events:
            self.assertEqual(event["eventID"], epcis_hash.event_id(event, {}))
        (again,) = self._list(EQ_eventID=shipping["eventID"])
        self.assertEqual(again, shipping)
        count = self.env["dms.trace.event"].search_count([])
        self._capture([shipping])
        self.assertEqual(self.env["dms.trace.event"].search_count([]), count)
        self.assertTrue(loose)

    def test_many_labels_are_named_as_a_class(self):
        order = self._order_codes(12_000, 0, "active")
        (event,) = self._list(EQ_bizStep="commissioning")
        self.assertNotIn("epcList", {name for name, value in event.items() if value})
        self.assertEqual(
            event["quantityList"],
            [{"epcClass": f"https://id.gs1.org/01/{GTIN}/10/B001", "quantity": 12_000}],
        )
        self.assertEqual(order.quantity, 12_000)

    def test_options(self):
        for path, allowed in (
            ("/capture", "GET, POST, OPTIONS"),
            ("/capture/x", "GET, OPTIONS"),
            ("/events", "GET, POST, OPTIONS"),
            ("/events/x", "GET, OPTIONS"),
            ("/epcs/urn:x:1/events", "GET, OPTIONS"),
            ("/eventTypes", "GET, OPTIONS"),
        ):
            response = self._ask(path, "OPTIONS")
            self.assertEqual((response.status_code, response.headers["Allow"]), (204, allowed), path)
            self.assertEqual(response.headers["GS1-EPCIS-Max"], "2.0.0")
        self.assertEqual(
            self._ask("/capture", "OPTIONS").headers["GS1-Capture-Error-Behaviour"], "rollback, proceed"
        )
        self.assertIn("TransformationEvent", self._ask("/eventTypes").json()["member"])

    def test_one_event(self):
        event = make_event(1) | {"@context": [epcis.CONTEXT]}
        response = self._ask("/events", "POST", event)
        self.assertEqual(response.status_code, 201, response.text)
        self.assertEqual(self._ask(response.headers["Location"].removeprefix("/epcis")).status_code, 200)
        self.assertEqual(self._ask("/events", "POST", event).status_code, 409)

    def test_who_may(self):
        self._capture([make_event(1)])
        portal = new_test_user(
            self.env, "epcis_portal", groups="base.group_portal", password="epcis_portal_1"
        )
        portal_key = self._make_key(portal)
        reader = new_test_user(
            self.env, "epcis_reader", groups="base.group_user,dms_channel.dms_channel_group_user"
        )
        reader_key = self._make_key(reader)
        other = self.env["res.company"].create({"name": "Other brand"})
        stranger = new_test_user(
            self.env,
            "epcis_stranger",
            groups="base.group_user,stock.group_stock_user,dms_channel.dms_channel_group_user",
            company_id=other.id,
            company_ids=other.ids,
        )
        stranger_key = self._make_key(stranger)
        document = make_document([make_event(2)])
        for path in ("/events", "/capture", "/epcs/urn:x:1/events", "/events/urn:x:1"):
            self.assertEqual(self._ask(path, key=portal_key).status_code, 403, path)
        self.assertEqual(self._ask("/capture", "POST", document, key=portal_key).status_code, 403)
        self.assertEqual(self._ask("/capture", "POST", document, key=reader_key).status_code, 403)
        self.assertEqual(self._ask("/events", key=reader_key).status_code, 200)
        self.assertIn("0614141.107346.1", self._ask("/events", key=reader_key).text)
        self.assertNotIn("0614141.107346.1", self._ask("/events", key=stranger_key).text)
        self.assertEqual(self._ask("/capture", key=stranger_key).json(), [])
        self.assertEqual(self._ask("/events", key="0" * 40).status_code, 401)
        self.assertEqual(self.url_open("/epcis/events", allow_redirects=False).status_code, 401)
        # The same event is another company's own.
        self.assertEqual(
            self._ask("/capture", "POST", make_document([make_event(1)]), key=stranger_key).status_code, 202
        )
        self.assertEqual(
            len(
                self._ask("/events", key=stranger_key).json()["epcisBody"]["queryResults"]["resultsBody"][
                    "eventList"
                ]
            ),
            1,
        )
        with self.assertRaises(AccessError):
            self.env["dms.epcis.capture"].with_user(portal).search([])

    @mute_logger("odoo.http")
    def test_malformed_is_400(self):
        for body in (
            b"", b"{", b"[]", b"null", b"1", b'"x"', b"\xff\xfe", b"{}", b"[" * 20_000, b'{"type":"EPCISDocument"}',
            b'{"a":' * 2000 + b"1" + b"}" * 2000, b'{"@context":1,"type":[],"epcisBody":{}}',
        ):  # fmt: skip
            for path in ("/capture", "/events"):
                response = self._ask(path, "POST", body)
                self.assertEqual(response.status_code, 400, (path, body[:40], response.text[:200]))
        good = make_event(1)
        for change in (
            {"eventTime": "2026-02-30T10:00:00Z"},
            {"eventTime": "0000-01-01T00:00:00Z"},
            {"eventTime": "0001-01-01T00:00:00+14:00"},
            {"eventTime": 5},
            {"eventTimeZoneOffset": "+99:00"},
            {"epcList": ["no uri"]},
            {"epcList": "urn:x:1"},
            {"epcList": ["urn:x:" + "é" * 3000]},
            {"epcList": ["urn:x:\u0000"]},
            {"epcList": ["urn:x:\ud800"]},
            {"eventID": "urn:x:\u0000"},
            {"bizStep": "polishing"},
            {"bizStep": None},
            {"type": ["ObjectEvent"]},
            {"type": "polishing"},
            {"readPoint": []},
            {"unknown": 1},
            {"example:x": "\u0000"},
            {"example:x": "\ud800"},
            {"ilmd": {"example:lot": "A"}},
            {"errorDeclaration": {"declarationTime": "2026-13-01T00:00:00Z"}},
        ):
            response = self._ask("/capture", "POST", make_document([good | change]))
            self.assertEqual(response.status_code, 400, (change, response.text[:300]))
        raw = json.dumps(make_document([good | {"example:x": "@"}]))
        for value in (b"NaN", b"1e999", b"-Infinity", b"[" * 3000 + b"]" * 3000):
            response = self._ask("/capture", "POST", raw.encode().replace(b'"@"', value))
            self.assertEqual(response.status_code, 400, value[:20])
        self.assertFalse(self.env["dms.trace.event"].search_count([("document", "!=", False)]))
        for query in (
            "x=1", "GE_eventTime=yesterday", "perPage=0", "perPage=x", "perPage=99999999999", "nextPageToken=x",
            "nextPageToken=W10", "nextPageToken=WyJ4IiwxLDFd", "orderBy=x", "orderDirection=x", "MATCH_epc=",
            "MATCH_epc=%00", "EQ_bizStep=%00", "EQ_eventID=" + "a%7C" * 600, "eventCountLimit=1&maxEventCount=1",
            "EQ_bizTransaction_po=%00", "GE_eventTime=9999-12-31T23:59:59-14:00",
        ):  # fmt: skip
            response = self._ask(f"/events?{query}")
            self.assertEqual(response.status_code, 400, (query[:60], response.text[:200]))
        for path in ("/capture?perPage=x", "/capture?nextPageToken=x"):
            self.assertEqual(self._ask(path).status_code, 400, path)
        for path in ("/capture/%00", "/events/%00", "/events/%ff", "/capture/x", "/eventTypes/x/events"):
            self.assertIn(self._ask(path).status_code, (400, 404), path)
        self.assertIn(self._ask("/epcs/%00/events").status_code, (400, 404))

    def test_other_refusals(self):
        document = make_document([make_event(1)])
        self.assertEqual(self._ask("/capture", "POST", document, Content_Type="text/plain").status_code, 415)
        self.assertEqual(
            self._ask("/capture", "POST", document, Content_Type="application/xml").status_code, 415
        )
        self.assertEqual(self._ask("/events", Accept="application/xml").status_code, 406)
        self.assertEqual(self._ask("/events", GS1_EPCIS_Version="1.2").status_code, 406)
        self.assertEqual(self._ask("/events", GS1_EPCIS_Min="3.0").status_code, 406)
        self.assertEqual(
            self._ask("/capture", "POST", document, GS1_Capture_Error_Behaviour="ignore").status_code, 400
        )
        many = make_document([{}] * 5001)
        self.assertEqual(self._ask("/capture", "POST", many).status_code, 413)
        self.assertEqual(self._ask("/events?EQ_eventID=" + "a" * 40_000).status_code, 414)

    @mute_logger("odoo.http")
    def test_spoilt_documents(self):
        """Documents that are right but for one place: never another answer than 202 or 400."""
        chance = random.Random(7)
        values = [None, "", 0, -1, True, [], {}, "x", "urn:x:\u0000", "é" * 700, 1e300, [[]], {"id": 5}]
        for _turn in range(60):
            event = copy.deepcopy(
                make_event(1, sensorElementList=[{"sensorReport": [{"type": "Temperature"}]}])
            )
            spot, key = event, chance.choice(sorted(event))
            while isinstance(spot[key], (dict, list)) and spot[key] and chance.random() < 0.7:
                spot = spot[key]
                key = chance.choice(sorted(spot)) if isinstance(spot, dict) else chance.randrange(len(spot))
            spot[key] = chance.choice(values)
            response = self._ask("/capture", "POST", make_document([event]))
            self.assertIn(response.status_code, (202, 400), json.dumps(event))

    def test_examples_of_gs1(self):
        if not EXAMPLES.exists():
            raise unittest.SkipTest(
                "GS1's EPCIS examples are not beside the checkout (../shared/data/gs1/gs1-epcis)"
            )
        count = 0
        for path in sorted(EXAMPLES.rglob("*.jsonld")):
            document = json.loads(path.read_text(encoding="utf-8"))
            # Some examples give one ID to several events, so that each is captured for itself.
            self.env["dms.trace.event"].search([("document", "!=", False)]).flush_recordset()
            self.env.cr.execute("DELETE FROM dms_trace_event WHERE document IS NOT NULL")
            self.env.invalidate_all()
            response = self._ask("/capture", "POST", document)
            self.assertEqual(response.status_code, 202, (path.name, response.text))
            body = document["epcisBody"]
            sent = body.get("eventList") or body["queryResults"]["resultsBody"]["eventList"]
            got = self._list(perPage="100")
            self.assertEqual(len(got), len(sent), path.name)
            context = {}
            for part in document["@context"]:
                context |= part if isinstance(part, dict) else {}
            for one, other in zip(sent, got, strict=True):
                count += 1
                space = other.pop("@context", [None, {}])[1]
                self.assertEqual(space, context, path.name)
                other.pop("recordTime")
                one.pop("recordTime", None)
                event_id = one.setdefault("eventID", epcis_hash.event_id(one, context))
                self.assertEqual(other, one, path.name)
                self.assertEqual(epcis_hash.pre_hash(other, space), epcis_hash.pre_hash(one, context))
                self.assertTrue(event_id)
        self.assertGreater(count, 50)
