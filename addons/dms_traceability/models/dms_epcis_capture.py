import uuid

from psycopg2.errors import UniqueViolation

from odoo import api, fields, models
from odoo.tools import SQL

from ..tools import epcis_rows, epcis_schema

MAX_EVENTS = 5000
MAX_BYTES = 32 << 20
MAX_ERRORS = 100
# Small enough that PostgreSQL has work soon, large enough that handing it over costs nothing.
_CHUNK = 1 << 16
_EPC_TARGET = "dms_trace_event_epc (event_id, kind, epc)"
_COLUMNS = ("id", *epcis_rows.COLUMNS, "record_time", "capture_id", "company_id", "user_id")


class EpcisRefusal(Exception):
    """A document can't be stored; ``errors`` are the sentences of the events that are wrong."""

    def __init__(self, errors):
        super().__init__(errors[0] if errors else "")
        self.errors = errors


class _KnownError(Exception):
    """An event is known."""


class _Reading:
    """Events of a document, read one by one as they are stored.

    :param bool stops: nothing is stored once an event is wrong; the rest is read for what else is wrong
    """

    def __init__(self, events, context, stops):
        self.events = events
        self.stops = stops
        #: ``[(place, row)]``; an event that stands twice counts once
        self.accepted = []
        self.errors = []
        self._reader = epcis_rows.Reader(context)

    def lines(self, ids):
        """The identifiers of the events as lines for COPY; ``ids`` are the numbers of the events by place."""
        seen = set()
        for place, event in enumerate(self.events):
            try:
                row = self._reader.read(event)
            except (ValueError, RecursionError) as error:
                self.errors.append(f"eventList[{place}]: {error}"[:500])
                continue
            key = row.event_id, row.error_time
            if key not in seen:
                seen.add(key)
                self.accepted.append((place, row))
                if not (self.stops and self.errors):
                    yield row.lines(ids[place])


class _Stream:
    """Lines as a file: made when they are asked for."""

    def __init__(self, lines):
        self._lines = iter(lines)
        self._rest = b""

    def read(self, size):
        parts, length = [self._rest], len(self._rest)
        while length < size and (line := next(self._lines, None)) is not None:
            parts.append(line.encode())
            length += len(parts[-1])
        whole = b"".join(parts)
        self._rest = whole[size:]
        return whole[:size]


class DmsEpcisCapture(models.Model):
    """A document of EPCIS events that somebody sent: what became of it."""

    _name = "dms.epcis.capture"
    _description = "EPCIS Capture"
    _order = "id desc"
    _rec_name = "token"

    token = fields.Char(
        "Capture ID", required=True, readonly=True, index=True, default=lambda self: str(uuid.uuid4())
    )
    company_id = fields.Many2one("res.company", required=True, readonly=True, index=True)
    user_id = fields.Many2one("res.users", "Sent By", required=True, readonly=True)
    date_captured = fields.Datetime("Captured On", readonly=True, default=fields.Datetime.now)
    error_behaviour = fields.Selection(
        [("rollback", "All or Nothing"), ("proceed", "Keep What Is Right")], required=True, readonly=True
    )
    state = fields.Selection(
        [("done", "Stored"), ("partial", "Stored in Part"), ("failed", "Refused")],
        required=True,
        readonly=True,
    )
    event_count = fields.Integer("Events Sent", readonly=True)
    stored_count = fields.Integer("Events Stored", readonly=True, help="Events that were not known before.")
    errors = fields.Json(readonly=True)
    error_text = fields.Text("Problems", compute="_compute_error_text")

    _token_uniq = models.Constraint("UNIQUE(token)", "This capture ID is taken.")

    @api.depends("errors")
    def _compute_error_text(self):
        for capture in self:
            capture.error_text = "\n".join(capture.errors or [])

    @api.model
    def _capture(self, document, behaviour="rollback"):
        """Check a document and store its events for the user's company, each once, whoever sends it how often.

        :param document: parsed JSON
        :param str behaviour: ``rollback`` stores all events or none, ``proceed`` those that are right
        :return: the capture
        :raise EpcisRefusal: when the document is none, or one of its events is wrong and the rest must not be kept
        """
        try:
            events = epcis_schema.check_document(document)
            context = epcis_schema.read_context(document["@context"])
            epcis_rows.dump(context)
        except (ValueError, RecursionError) as error:
            raise EpcisRefusal([str(error)[:500]]) from error
        vals = {
            "company_id": self.env.company.id,
            "user_id": self.env.uid,
            "error_behaviour": behaviour,
            "state": "done",
            "event_count": len(events),
        }
        capture_sudo = self.sudo().create(vals)
        reading = _Reading(events, context, stops=behaviour == "rollback")
        stored, clashes = capture_sudo._store(reading)
        errors = reading.errors + clashes
        if errors and behaviour == "rollback":
            raise EpcisRefusal(errors)
        right = len(events) - len(errors)
        capture_sudo.write(
            {
                "stored_count": stored,
                "errors": errors[:MAX_ERRORS] or False,
                "state": "done" if not errors else "partial" if right else "failed",
            }
        )
        return capture_sudo.with_env(self.env)

    def _store(self, reading):
        """Read events and write them by COPY; those that are known stay as they are.

        :return: ``(how many are new, sentences about events that differ from what is known under their ID)``
        :raise EpcisRefusal: when an event is wrong and the rest must not be kept
        """
        self.ensure_one()
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL("SELECT nextval('dms_trace_event_id_seq') FROM generate_series(1, %s)", len(reading.events))
        )
        ids = [number for (number,) in rows]
        stored = self._copy_new(reading, ids)
        self.env["dms.trace.event"].invalidate_model()
        if stored:
            return len(reading.accepted), []
        new, clashes = self._merge(self._make_lines(reading, ids))
        accepted = reading.accepted
        found = (row.lines(ids[place]) for place, row in accepted if ids[place] in new)
        self._copy(_EPC_TARGET, found)
        places = {row.event_id: place for place, row in accepted}
        errors = [
            f"eventList[{places[event_id]}]: another event has the eventID {event_id[:120]} already."
            for event_id in sorted(clashes, key=places.get)
        ]
        self.env["dms.trace.event"].invalidate_model()
        return len(new), errors

    def _make_lines(self, reading, ids):
        fixed = f"{fields.Datetime.now()}\t{self.id}\t{self.company_id.id}\t{self.env.uid}\n"
        return [f"{ids[place]}\t{row.cells}\t{fixed}" for place, row in reading.accepted]

    def _copy_new(self, reading, ids):
        """Copy events and their identifiers, unless one of the events is known.

        :return: whether they are stored
        """
        try:
            with self.env.cr.savepoint(flush=False):
                # The identifiers are the most of it: PostgreSQL takes them in while the next events are read.
                self._copy(_EPC_TARGET, reading.lines(ids))
                if reading.errors and reading.stops:
                    raise EpcisRefusal(reading.errors)
                event_ids = [row.event_id for _place, row in reading.accepted]
                known = SQL(
                    "SELECT 1 FROM dms_trace_event WHERE company_id = %s AND event_id = ANY(%s) LIMIT 1",
                    self.company_id.id,
                    event_ids,
                )
                if self.env.execute_query(known):
                    raise _KnownError
                self._copy(f"dms_trace_event ({', '.join(_COLUMNS)})", self._make_lines(reading, ids))
        except (UniqueViolation, _KnownError):
            # Sent before, or somebody else captured one of them meanwhile.
            return False
        return True

    def _merge(self, lines):
        """Copy the lines beside the events, and add those that are not known.

        :return: ``(IDs of the new rows, event IDs that are known with another content)``
        """
        cr = self.env.cr
        columns = SQL(", ").join(SQL.identifier(name) for name in _COLUMNS)
        cr.execute(
            SQL(
                "CREATE TEMP TABLE dms_epcis_stage ON COMMIT DROP AS SELECT %s FROM dms_trace_event LIMIT 0",
                columns,
            )
        )
        self._copy("dms_epcis_stage", lines)
        added = self.env.execute_query(
            SQL(
                """
                INSERT INTO dms_trace_event (%(columns)s) SELECT %(columns)s FROM dms_epcis_stage
                    ON CONFLICT DO NOTHING RETURNING id
                """,
                columns=columns,
            )
        )
        clashes = self.env.execute_query(
            SQL(
                """
                SELECT DISTINCT s.event_id FROM dms_epcis_stage s
                  JOIN dms_trace_event e ON e.company_id = s.company_id AND e.event_id = s.event_id
                   AND e.error_time IS NOT DISTINCT FROM s.error_time
                 WHERE e.id <> s.id AND e.document IS NOT NULL
                   AND e.document - 'recordTime' <> s.document - 'recordTime'
                """
            )
        )
        cr.execute("DROP TABLE dms_epcis_stage")
        return {number for (number,) in added}, {event_id for (event_id,) in clashes}

    def _copy(self, target, lines):
        self.env.cr.copy_expert(f"COPY {target} FROM STDIN", _Stream(lines), _CHUNK)

    def _to_epcis(self):
        """The capture job as the standard describes it."""
        self.ensure_one()
        moment = fields.Datetime.to_string(self.date_captured).replace(" ", "T") + "Z"
        return {
            "captureID": self.token,
            "createdAt": moment,
            "finishedAt": moment,
            "running": False,
            "success": self.state == "done",
            "captureErrorBehaviour": self.error_behaviour,
            "errors": [
                {
                    "type": "epcisException:ValidationException",
                    "title": "The event is not valid.",
                    "detail": text,
                }
                for text in self.errors or []
            ],
        }

    def action_open_events(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_traceability.dms_trace_event_action")
        action["domain"] = [("capture_id", "=", self.id)]
        return action
