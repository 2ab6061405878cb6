import json
from collections import defaultdict

from odoo import api, fields, models
from odoo.tools import SQL

from ..tools import epcis, epcis_hash, gs1_link
from ..tools.epcis_id import canonical
from ..tools.gs1_error import Gs1Error
from .dms_code_tables import LOGISTIC_KEY

# Beyond this many labels an event names classes and quantities instead of each label.
MAX_NAMED = 10_000
MAX_SHOWN = 20_000
#: {query parameter: column}
_COLUMNS = {
    "EQ_action": "action",
    "EQ_bizStep": "biz_step",
    "EQ_disposition": "disposition",
    "EQ_readPoint": "read_point",
    "EQ_bizLocation": "biz_location",
}
_PATHS = {"EQ_transformationID": "transformationID", "EQ_errorReason": "errorDeclaration,reason"}
_ARRAYS = {
    "EQ_persistentDisposition_set": "persistentDisposition,set",
    "EQ_persistentDisposition_unset": "persistentDisposition,unset",
    "EQ_correctiveEventID": "errorDeclaration,correctiveEventIDs",
}
_FULL_WORDS = {"EQ_bizStep": "BizStep", "EQ_disposition": "Disp"}
_TIMES = {"eventTime": "event_time", "recordTime": "record_time", "errorDeclarationTime": "error_time"}


class DmsTraceEventEpcis(models.AbstractModel):
    """Trace events as EPCIS 2.0 knows them: found by the standard's queries, and written as its JSON-LD."""

    _name = "dms.trace.event.epcis"
    _description = "Trace Event as EPCIS"

    event_id = fields.Char("Event ID", readonly=True)
    record_time = fields.Datetime("Recorded On", readonly=True, default=fields.Datetime.now, index=True)
    error_time = fields.Datetime(
        "Declared Wrong On",
        readonly=True,
        help="The event is an error declaration: it repeats an event and says that it did not happen like that.",
    )
    read_point = fields.Char(readonly=True, index="btree_not_null")
    biz_location = fields.Char("Business Location", readonly=True, index="btree_not_null")
    document = fields.Json("As Captured", readonly=True)
    context = fields.Json("Name Spaces", readonly=True)
    capture_id = fields.Many2one("dms.epcis.capture", readonly=True, index="btree_not_null")

    epcis_text = fields.Text("EPCIS", compute="_compute_epcis_text")

    # The ID stands first, so that it is found by this index, too.
    _event_id_uniq = models.UniqueIndex(
        "(event_id, company_id, COALESCE(error_time, '-infinity'::timestamp)) WHERE event_id IS NOT NULL",
        "The event is recorded already.",
    )

    def _compute_epcis_text(self):
        for event in self:
            # One at a time: only a form shows it.
            found = event._to_epcis() if event.id else []
            event.epcis_text = json.dumps(
                found[0] if len(found) == 1 else found, ensure_ascii=False, indent=2
            )[:MAX_SHOWN]

    # --- Finding ----------------------------------------------------------------------------------

    @api.model
    def _epcis_find(self, conditions, paging):
        """Events of a query that the user may read, one page.

        :param conditions, paging: as of :func:`..tools.epcis.read_query`
        :return: ``(events, token of the next page or None)``
        :raise epcis.QueryError: when there are more than ``maxEventCount``
        """
        self.check_access("read")
        query = self._search([])
        for name, values in conditions:
            query.add_where(self._epcis_condition(name, values))
        if paging["most"] and not paging["after"]:
            rows = self.env.execute_query(self._limited(query, paging["most"] + 1))
            if len(rows) > paging["most"]:
                raise epcis.QueryError("There are more events than maxEventCount: ask for fewer.")
        given = paging["after"][2] if paging["after"] else 0
        count = paging["per_page"]
        if paging["limit"]:
            count = min(count, paging["limit"] - given)
        if count <= 0:
            return self, None
        way = SQL("DESC") if paging["descending"] else SQL("ASC")
        by_time = paging["order"] == "event_time"
        key = (
            SQL("(dms_trace_event.event_time, dms_trace_event.id)") if by_time else SQL("dms_trace_event.id")
        )
        if paging["after"]:
            moment, number, _given = paging["after"]
            last = SQL("(%s, %s)", moment, number) if by_time else SQL("%s", number)
            query.add_where(SQL("%s %s %s", key, SQL("<") if paging["descending"] else SQL(">"), last))
        query.order = (
            SQL("dms_trace_event.event_time %s, dms_trace_event.id %s", way, way)
            if by_time
            else SQL("dms_trace_event.id %s", way)
        )
        query.limit = count + 1
        rows = self.env.execute_query(
            query.select(SQL("dms_trace_event.id"), SQL("dms_trace_event.event_time"))
        )
        page = rows[:count]
        more = len(rows) > count and (not paging["limit"] or given + count < paging["limit"])
        token = epcis.make_token(page[-1][1], page[-1][0], given + count) if more else None
        return self.browse([row[0] for row in page]), token

    def _limited(self, query, limit):
        return SQL("SELECT 1 FROM (%s LIMIT %s) AS found", query.select(SQL("1")), limit)

    @api.model
    def _epcis_condition(self, name, values):
        """SQL for one condition of a query."""
        head, _bar, field = name.partition("_")
        if head in ("GE", "LT") and field in _TIMES:
            column = SQL.identifier("dms_trace_event", _TIMES[field])
            return SQL("%s %s %s", column, SQL(">=") if head == "GE" else SQL("<"), values)
        if name in epcis.MATCHES:
            return self._epcis_match(epcis.MATCHES[name], values)
        if name == "EXISTS_errorDeclaration":
            return SQL("dms_trace_event.error_time IS NOT NULL")
        if name == "EQ_eventID":
            return SQL("dms_trace_event.event_id = ANY(%s)", values)
        if name == "eventType":
            names = {text: key for key, text in epcis.EVENT_TYPES.items()}
            known = [names[value] for value in values if value in names]
            return SQL(
                "(dms_trace_event.event_type = ANY(%s) OR dms_trace_event.document->>'type' = ANY(%s))",
                known,
                values,
            )
        if name in _COLUMNS:
            return self._epcis_column(name, values)
        if name in _PATHS:
            return SQL("dms_trace_event.document #>> %s = ANY(%s)", f"{{{_PATHS[name]}}}", values)
        if name in _ARRAYS:
            return SQL("jsonb_exists_any(dms_trace_event.document #> %s, %s)", f"{{{_ARRAYS[name]}}}", values)
        return self._epcis_pair(name, values)

    def _epcis_column(self, name, values):
        column = SQL.identifier("dms_trace_event", _COLUMNS[name])
        if name == "EQ_action":
            return SQL("%s = ANY(%s)", column, [value.lower() for value in values])
        if name in ("EQ_readPoint", "EQ_bizLocation"):
            return SQL("%s = ANY(%s)", column, [canonical(value) for value in values])
        words = [epcis.read_word(value, _FULL_WORDS[name]) for value in values]
        # A word of another vocabulary has no column of its own.
        return SQL(
            "(%s = ANY(%s) OR (%s IS NULL AND dms_trace_event.document->>%s = ANY(%s)))",
            column,
            words,
            column,
            name.removeprefix("EQ_"),
            values,
        )

    def _epcis_pair(self, name, values):
        """EQ_bizTransaction_po and the like: lists of pairs."""
        _eq, kind, word = name.split("_", 2)
        field = f"{kind}List"
        tests = [
            SQL(
                "dms_trace_event.document @> jsonb_build_object(%s::text, jsonb_build_array("
                "jsonb_build_object('type', %s::text, %s::text, %s::text)))",
                field,
                word,
                kind,
                value,
            )
            for value in values
        ]
        return SQL("(%s)", SQL(" OR ").join(tests))

    def _epcis_match(self, kinds, values):
        exact = [value for value in values if not value.endswith("*")]
        prefixes = [
            value.rstrip("*").replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
            for value in values
            if value.endswith("*")
        ]
        found = SQL(
            "SELECT event_id FROM dms_trace_event_epc WHERE kind = ANY(%s) AND (epc = ANY(%s) OR epc LIKE ANY(%s))",
            list(kinds),
            exact,
            prefixes,
        )
        keys = self._epcis_keys(exact) if kinds[0] <= 5 else []
        if keys:
            found = SQL(
                """%s UNION SELECT r.event_id FROM unnest(%s::bigint[]) AS k(key)
                     JOIN dms_trace_event_range r ON int8range(r.first, r.last, '[]') @> k.key""",
                found,
                keys,
            )
        return SQL("dms_trace_event.id IN (%s)", found)

    def _epcis_keys(self, epcs):
        """Keys of our own codes among canonical identifiers."""
        pairs, names = [], []
        for epc in epcs:
            try:
                values = dict(gs1_link.parse(epc).path)
            except Gs1Error:
                continue
            if {"01", "21"} <= values.keys():
                pairs.append((values["01"], values["21"]))
            elif "00" in values:
                names.append(values["00"])
        keys = [info["key"] for info in self.env["dms.code"].sudo()._resolve(pairs) if info] if pairs else []
        packages_sudo = self.env["stock.package"].sudo().search([("name", "in", names)]) if names else ()
        return keys + [package.id + LOGISTIC_KEY for package in packages_sudo]

    # --- Writing as JSON-LD -----------------------------------------------------------------------

    def _to_epcis(self):
        """The events as dicts of JSON-LD, in their order; one of our packing steps gives one for each case.

        Those of others come back as they were sent, with the name spaces of their own document.
        """
        own = self.filtered(lambda event: not event.document)
        built = own._epcis_build() if own else {}
        result = []
        for event in self:
            if event.document:
                one = {**event.document, "eventID": event.event_id}
                if event.context:
                    one["@context"] = [epcis.CONTEXT, event.context]
                result.append(one | {"recordTime": epcis_hash.format_time(event.record_time)})
            else:
                result += built[event.id]
        return result

    def _epcis_build(self):
        """{id: list of dicts} of our own events, with a constant number of queries."""
        runs = defaultdict(list)
        small = self.filtered(lambda event: event.code_count <= MAX_NAMED)
        for event_id, first, last in self.env.execute_query(
            SQL("SELECT event_id, first, last FROM dms_trace_event_range WHERE event_id = ANY(%s)", small.ids)
        ):
            runs[event_id].append((first, last))
        keys = {key for spans in runs.values() for first, last in spans for key in range(first, last + 1)}
        serials = self.env["dms.code"].sudo()._get_serials(keys)
        parents = self._epcis_parents(
            [event.id for event in small if event.biz_step in ("packing", "unpacking")]
        )
        result = {}
        for event in self:
            named = [
                key for first, last in runs[event.id] for key in range(first, last + 1) if key in serials
            ]
            result[event.id] = event._epcis_of_codes(named, serials, parents.get(event.id, {}))
        self._epcis_remember(result)
        return result

    def _epcis_parents(self, event_ids):
        """{event: {case key: [(first, last), ...]}} of packing steps."""
        parents = defaultdict(lambda: defaultdict(list))
        for event_id, parent, first, last in self.env.execute_query(
            SQL(
                """
                SELECT r.event_id, p.parent, p.first, p.last
                  FROM dms_trace_event_range r
                  JOIN dms_trace_event e ON e.id = r.event_id
                  JOIN dms_trace_pack p ON int8range(r.first, r.last, '[]') @> p.parent
                   AND (p.packed_on = e.event_time OR p.unpacked_on = e.event_time)
                 WHERE r.event_id = ANY(%s)
                """,
                event_ids,
            )
        ):
            parents[event_id][parent].append((first, last))
        return parents

    def _epcis_of_codes(self, named, serials, parents):
        self.ensure_one()
        root = self.env["dms.code"]._get_resolver_url().rstrip("/")

        def uri(key):
            gtin, serial = serials[key]
            if gtin != "00":
                return canonical(f"https://id.gs1.org/01/{gtin}/21/{serial}")
            try:
                return gs1_link.build([("00", serial)])
            except Gs1Error:
                # A package that has a name of its own instead of an SSCC.
                return f"{root}/epcis/package/{gs1_link.escape(serial)}"

        facts = self._epcis_facts(root)
        extra = {"recordTime": epcis_hash.format_time(self.record_time or self.event_time)}
        if self.event_type == "aggregation" and parents:
            return [
                epcis.build(
                    "aggregation",
                    parent=uri(parent),
                    epcs=[
                        uri(key) for first, last in spans for key in range(first, last + 1) if key in serials
                    ]
                    or [uri(key) for key in named if spans[0][0] <= key <= spans[-1][1]],
                    **facts,
                )
                | extra
                for parent, spans in sorted(parents.items())
                if parent in serials
            ]
        classes = []
        if self.code_count > MAX_NAMED:
            classes = self._epcis_classes()
        if self.error_time:
            extra["errorDeclaration"] = {
                "declarationTime": epcis_hash.format_time(self.error_time),
                "reason": "did_not_occur",
            }
        if self.event_type == "transformation":
            order_sudo = self.sudo().order_id
            made = {key for key in named if order_sudo.first_key <= key <= order_sudo.last_key}
            facts["action"] = None
            return [
                epcis.build(
                    "transformation",
                    inputs=[uri(key) for key in named if key not in made],
                    outputs=[uri(key) for key in named if key in made],
                    input_classes=[
                        (one["epcClass"], one["quantity"])
                        for one in (self.payload or {}).get("inputQuantityList", ())
                    ],
                    **facts,
                )
                | extra
            ]
        return [epcis.build("object", epcs=[uri(key) for key in named], classes=classes, **facts) | extra]

    def _epcis_classes(self):
        """[(class, quantity)] of an event with too many labels to name each: batches of items, cases and pallets."""
        order_ids = [
            order_id
            for (order_id,) in self.env.execute_query(
                SQL(
                    """
                    SELECT DISTINCT o.id FROM dms_trace_event_range r
                      JOIN dms_code_order o ON o.first_key <= r.last AND o.last_key >= r.first
                     WHERE r.event_id = %s
                    """,
                    self.id,
                )
            )
        ]
        spans = [
            (
                gs1_link.build([("01", gtin), *([("10", order.lot_id.name)] if order.lot_id else [])]),
                first,
                count,
            )
            for order in self.env["dms.code.order"].sudo().browse(order_ids)
            for _level, gtin, first, count in order._get_spans()
            if count
        ]
        rows = self.env.execute_query(
            SQL(
                """
                SELECT s.name, sum(least(r.last, s.first + s.count - 1) - greatest(r.first, s.first) + 1)::bigint
                  FROM unnest(%s::text[], %s::bigint[], %s::bigint[]) AS s(name, first, count)
                  JOIN dms_trace_event_range r
                    ON r.event_id = %s AND r.first < s.first + s.count AND r.last >= s.first
              GROUP BY s.name ORDER BY s.name
                """,
                [span[0] for span in spans],
                [span[1] for span in spans],
                [span[2] for span in spans],
                self.id,
            )
        )
        return [(name, int(count)) for name, count in rows]

    def _epcis_facts(self, root):
        """What an event of ours says beside the labels; parties and documents are named below our own address."""

        def party(partner):
            return f"{root}/epcis/party/{partner.id}"

        picking_sudo = self.sudo().picking_id
        company = party(self.company_id.partner_id)
        shipped = self.biz_step in ("shipping", "receiving") and self.sudo().partner_id
        payload = self.payload or {}
        return {
            "biz_step": self.biz_step,
            "moment": self.event_time,
            "action": (self.action or "observe").upper(),
            "disposition": self.disposition,
            "read_point": party(self.sudo().partner_id)
            if self.biz_step in ("receiving", "retail_selling") and self.sudo().partner_id
            else f"{root}/epcis/place/{picking_sudo.location_id.id}"
            if picking_sudo
            else company,
            "transactions": [
                (one["type"], f"{root}/epcis/document/{gs1_link.escape(one['bizTransaction'])}")
                for one in payload.get("bizTransactionList", ())
            ],
            "sources": [("owning_party", company)] if shipped else (),
            "destinations": [("owning_party", party(self.sudo().partner_id))] if shipped else (),
        }

    def _epcis_remember(self, built):
        """Keep the hash of an event that was given out, so that it can be asked for."""
        known = {event.id: event.event_id for event in self}
        fresh = [
            (id_, events[0]["eventID"])
            for id_, events in built.items()
            if len(events) == 1 and not known[id_]
        ]
        if fresh and not self.env.cr.readonly:
            self.env.cr.execute(
                "UPDATE dms_trace_event e SET event_id = f.event_id FROM unnest(%s::integer[], %s::text[]) "
                "AS f(id, event_id) WHERE e.id = f.id AND NOT EXISTS (SELECT FROM dms_trace_event o "
                "WHERE o.company_id = e.company_id AND o.event_id = f.event_id AND o.error_time IS NOT DISTINCT FROM e.error_time)",
                [[one[0] for one in fresh], [one[1] for one in fresh]],
            )
            self.invalidate_recordset(["event_id"])
