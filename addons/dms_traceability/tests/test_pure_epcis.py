import datetime
import json
import unittest

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.dms_traceability.tools import epcis, epcis_hash, epcis_rows, epcis_schema
from odoo.addons.dms_traceability.tools.epcis_id import canonical, canonical_list

SPACE = {"example": "http://ns.example.com/epcis/"}
OBJECT = {
    "type": "ObjectEvent",
    "eventTime": "2026-03-02T10:00:00.5+08:00",
    "eventTimeZoneOffset": "+08:00",
    "action": "ADD",
    "bizStep": "commissioning",
    "disposition": "active",
    "epcList": [
        "urn:epc:id:sgtin:0614141.107346.2018",
        "https://brand.example/01/09506000134352/10/B1/21/AB7?17=270101",
    ],
    "quantityList": [
        {"epcClass": "urn:epc:class:lgtin:4012345.012345.998877", "quantity": 200.50, "uom": "KGM"}
    ],
    "readPoint": {"id": "urn:epc:id:sgln:0614141.07346.0"},
    "bizLocation": {"id": "urn:epc:id:sgln:0614141.00777.12"},
    "bizTransactionList": [{"type": "po", "bizTransaction": "http://erp.example.com/po/1"}],
    "sourceList": [{"type": "owning_party", "source": "urn:epc:id:pgln:4012345.00225"}],
    "ilmd": {"example:grade": "A"},
    "example:note": "green",
    "eventID": "urn:uuid:1",
    "recordTime": "2026-03-03T00:00:00Z",
}
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


class TestHash(unittest.TestCase):
    def test_agrees_with_the_reference(self):
        """Hashes as GS1's epcis-event-hash-generator 1.9.3 gives them."""
        aggregation = {
            "type": "AggregationEvent",
            "eventTime": "2026-03-02T10:00:00Z",
            "eventTimeZoneOffset": "+00:00",
            "action": "OBSERVE",
            "parentID": "urn:epc:id:sscc:0614141.1234567890",
            "childEPCs": ["urn:epc:id:grai:4012345.55555.987", "urn:epc:id:giai:4000001.111"],
            "bizStep": "packing",
        }
        for event, digest in (
            (OBJECT, "d21a6fcfe9465248f00bee3f1cf759389f3e6b43b1e225ef272cb18d011e86c5"),
            (aggregation, "1cde47e3e27447fdc427d088b3bf076c9b3940243806d18deb85e0b7d2d3ec47"),
        ):
            self.assertEqual(epcis_hash.event_id(event, SPACE), f"ni:///sha-256;{digest}?ver=CBV2.0")

    def test_same_event_same_hash(self):
        """Order of lists and keys, forms of identifiers, words, numbers and times make no difference."""
        same = dict(reversed(OBJECT.items()))
        same |= {
            "eventTime": "2026-03-02T02:00:00.500Z",
            "bizStep": "urn:epcglobal:cbv:bizstep:commissioning",
            "disposition": "https://ref.gs1.org/cbv/Disp-active",
            "epcList": [
                "https://id.gs1.org/01/09506000134352/21/AB7",
                "https://id.gs1.org/01/10614141073464/21/2018",
            ],
            "quantityList": [
                {"uom": "KGM", "quantity": 200.5, "epcClass": "https://x.example/01/04012345123456/10/998877"}
            ],
            "errorDeclaration": {"declarationTime": "2026-03-04T00:00:00Z"},
            "recordTime": "2026-04-01T00:00:00Z",
        }
        self.assertEqual(epcis_hash.event_id(same, SPACE), epcis_hash.event_id(OBJECT, SPACE))
        for change in (
            {"eventTime": "2026-03-02T10:00:00.501+08:00"},
            {"action": "OBSERVE"},
            {"example:note": "black"},
            {"epcList": OBJECT["epcList"][:1]},
        ):
            self.assertNotEqual(
                epcis_hash.event_id(OBJECT | change, SPACE), epcis_hash.event_id(OBJECT, SPACE)
            )

    def test_identifiers(self):
        for uri, expected in (
            ("urn:epc:id:sgtin:0614141.107346.2018", "01/10614141073464/21/2018"),
            ("urn:epc:id:sgtin:0614141.107346.A%2FB", "01/10614141073464/21/A%2FB"),
            ("urn:epc:id:sscc:0614141.1234567890", "00/106141412345678908"),
            ("urn:epc:id:sgln:0614141.07346.0", "414/0614141073467"),
            ("urn:epc:id:sgln:0614141.07346.12", "414/0614141073467/254/12"),
            ("urn:epc:id:pgln:4012345.00225", "417/4012345002256"),
            ("urn:epc:id:gdti:0614141.00001.1618034", "253/06141410000121618034"),
            ("urn:epc:id:cpi:0614141.AB.12", "8010/0614141AB/8011/12"),
            ("urn:epc:idpat:sgtin:4012345.044444.*", "01/04012345444445"),
            ("https://brand.example/x/gtin/9506000134352/lot/B/ser/7?17=270101", "01/09506000134352/21/7"),
            ("https://brand.example/01/09506000134352/22/A/10/B", "01/09506000134352/10/B"),
        ):
            self.assertEqual(canonical(uri), f"https://id.gs1.org/{expected}")
        for uri in (
            "urn:uuid:1",
            "urn:epc:id:sgtin:1.2.3",
            "https://brand.example/tea",
            "x",
            "urn:epc:id:sgtin:٠614141.107346.1",
        ):
            self.assertEqual(canonical(uri), uri)

    @given(
        st.text(max_size=60),
        st.sampled_from(["", "urn:epc:id:sgtin:0614141.", "urn:epc:id:cpi:0614141.", "https://a/01/"]),
    )
    def test_any_identifier_is_read(self, tail, head):
        self.assertTrue(canonical(head + tail) or not head + tail)

    @given(st.datetimes(min_value=datetime.datetime(1900, 1, 1)))
    def test_times(self, moment):
        moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
        self.assertEqual(epcis_hash.parse_time(epcis_hash.format_time(moment)), moment)


class TestSchema(unittest.TestCase):
    def test_right_events(self):
        epcis_schema.check_event(OBJECT)
        event = epcis.build(
            "aggregation",
            "packing",
            datetime.datetime(2026, 3, 2),
            action="ADD",
            parent="urn:x:1",
            epcs=["urn:x:2"],
        )
        epcis_schema.check_event(event)
        self.assertEqual(event["eventID"], epcis_hash.event_id(event))
        self.assertNotIn("disposition", event)

    @given(JSON)
    def test_any_json_is_checked_or_refused(self, value):
        for check in (epcis_schema.check_document, epcis_schema.check_event):
            try:
                check(value)
            except ValueError as error:
                self.assertTrue(str(error))

    @given(st.sampled_from(sorted(OBJECT)), JSON)
    def test_one_spoilt_field(self, field, value):
        """Whatever passes the schema can be read and hashed."""
        event = OBJECT | {field: value}
        try:
            epcis_schema.check_event(event)
            columns = epcis.read_columns(event, SPACE)
        except ValueError:
            return
        self.assertTrue(columns["event_id"])
        self.assertTrue(epcis_hash.event_id(event, SPACE))
        epcis.read_epcs(event)

    def test_context(self):
        typed = {"example:count": {"@type": "xsd:integer"}}
        self.assertEqual(epcis_schema.read_context([epcis.CONTEXT, SPACE, typed, None]), SPACE | typed)
        with self.assertRaises(ValueError):
            epcis_schema.read_context({f"p{number}": "http://example.com/" for number in range(1000)})


class TestRows(unittest.TestCase):
    """Events read together, with what they share worked out once, are those read one by one."""

    def _read(self, read, event):
        try:
            row = read(event)
        except ValueError as error:
            return str(error)
        cells = dict(zip(epcis_rows.COLUMNS, row.cells.split("\t"), strict=True))
        # Key order is all that may differ; the backslashes of COPY are those of JSON once more.
        document = json.loads(cells.pop("document").replace("\\\\", "\\"))
        return (
            row.event_id,
            row.error_time,
            cells,
            document,
            {kind: sorted(links) for kind, links in row.epcs},
        )

    def _check(self, *events, context=SPACE):
        reader = epcis_rows.Reader(context)
        for event in events:
            alone = self._read(epcis_rows.Reader(context)._read_alone, event)
            self.assertEqual(self._read(reader.read, event), alone, event)

    def test_events_of_one_shape(self):
        event = {name: value for name, value in OBJECT.items() if name != "eventID"}
        lists = (
            ["urn:epc:id:sgtin:0614141.107346.1", "urn:epc:id:sgtin:0614141.107346.AB9"],
            ["urn:epc:id:sgtin:0614141.107346.1", "urn:epc:id:sgtin:0614141.107346.1"],
            ["urn:epc:id:sgtin:0614141.107346.1", "urn:epc:id:sgtin:0614141.107347.1"],
            ["urn:epc:id:sgtin:0614141.107346.1", "urn:epc:id:sgtin:0614141.107346.A%2FB"],
            ["urn:epc:id:sgtin:0614141.107346.1\nurn:epc:id:sgtin:0614141.107346.2"],
            ["urn:epc:id:sgtin:0614141.107346.1", "urn:epc:id:sgtin:0614141.107346."],
            ["urn:epc:id:sgtin:0614141.107346.1", 7],
            ["https://brand.example/01/09506000134352/10/B/21/AB7", "https://brand.example/01/09506000134352/10/B/21/8"],
            ["https://id.gs1.org/01/09506000134353/21/AB7"],
            ["urn:epc:id:sscc:0614141.1234567890"],
            ["urn:epcglobal:cbv:btt:po", "urn:x:\\"],
            [],
        )  # fmt: skip
        self._check(*({**event, "epcList": epcs} for epcs in lists))
        self._check(*({**event, "epcList": epcs, "eventID": "ni:///x?ver=CBV2.0"} for epcs in lists))
        self._check(
            *(
                {**event, "epcList": lists[0], "eventTime": f"2026-02-{day}T00:00:00.0005Z"}
                for day in (27, 28, 29)
            )
        )
        self._check(
            *(
                {**event, "epcList": lists[0], "bizTransactionList": pairs}
                for pairs in (
                    [
                        {"type": "po", "bizTransaction": "urn:x:2"},
                        {"type": "inv", "bizTransaction": "urn:x:1"},
                    ],
                    [{"type": "po", "bizTransaction": "https://x.example/gtin/9506000134352/ser/7"}],
                    [{"bizTransaction": "urn:x:1"}],
                    [{"type": "polishing", "bizTransaction": "urn:x:1"}],
                    [],
                )
            )
        )

    def test_events_that_share_nothing(self):
        events = [
            {**OBJECT, "eventID": f"urn:x:{number}", "example:note": str(number)} for number in range(60)
        ]
        self._check(*events, *events)

    def test_context_that_changes_identifiers(self):
        self._check(OBJECT, {**OBJECT, "epcList": ["https://x.example/1"]}, context={"https": "urn:y:"})

    @given(st.sampled_from(sorted(OBJECT)), JSON)
    def test_one_spoilt_field(self, field, value):
        self._check(OBJECT, OBJECT | {field: value}, OBJECT)

    @given(st.lists(st.text(alphabet="ab1.%/-é\n", max_size=4), min_size=1, max_size=4))
    def test_lists_of_identifiers(self, serials):
        for head in ("urn:epc:id:sgtin:0614141.107346.", "https://x.example/01/09506000134352/21/"):
            uris = [head + serial for serial in serials]
            self.assertEqual(canonical_list(uris), [canonical(uri) for uri in uris])

    def test_fields_of_the_standard_in_events_of_others(self):
        event = {**OBJECT, "type": "example:polishing"}
        epcis_schema.check_event(event)
        for change in ({"bizStep": []}, {"epcList": 5}, {"readPoint": "x"}, {"quantityList": ["x"]}):
            with self.assertRaises(ValueError):
                epcis_schema.check_event(event | change)


class TestQuery(unittest.TestCase):
    @given(
        st.sampled_from(
            [
                "GE_eventTime",
                "EQ_bizStep",
                "MATCH_epc",
                "perPage",
                "nextPageToken",
                "orderBy",
                "x",
                "eventCountLimit",
            ]
        ),
        st.text(max_size=40),
    )
    def test_any_query_is_read_or_refused(self, name, text):
        try:
            epcis.read_query([(name, text)])
        except epcis.QueryError as error:
            self.assertTrue(str(error))

    def test_tokens(self):
        moment = datetime.datetime(2026, 3, 2, 1, 2, 3, 4)
        self.assertEqual(epcis.read_token(epcis.make_token(moment, 7, 30)), (moment, 7, 30))

    def test_document(self):
        document = json.loads(json.dumps(epcis.document([OBJECT])))
        self.assertEqual(epcis_schema.check_document(document), [OBJECT])
