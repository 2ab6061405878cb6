import io
import uuid

from psycopg2.errors import UniqueViolation

from odoo import api, fields, models
from odoo.tools import SQL

from ..tools import epcis_rows, epcis_schema

MAX_EVENTS = 5000
MAX_BYTES = 32 << 20
MAX_ERRORS = 100
_COLUMNS = ("id", *epcis_rows.COLUMNS, "record_time", "capture_id", "company_id", "user_id")


class EpcisRefusal(Exception):
    """A document can't be stored; ``errors`` are the sentences of the events that are wrong."""

    def __init__(self, errors):
        super().__init__(errors[0] if errors else "")
        self.errors = errors


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
        accepted, errors = self._check_events(events, context)
        if errors and behaviour == "rollback":
            raise EpcisRefusal(errors)
        vals = {
            "company_id": self.env.company.id,
            "user_id": self.env.uid,
            "error_behaviour": behaviour,
            "state": "done",
            "event_count": len(events),
        }
        capture_sudo = self.sudo().create(vals)
        stored, clashes = capture_sudo._store(accepted)
        errors += clashes
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

    @api.model
    def _check_events(self, events, context):
        """``([(place, row)], sentences)``; an event that stands twice counts once."""
        accepted, errors, seen = [], [], set()
        reader = epcis_rows.Reader(context)
        for place, event in enumerate(events):
            try:
                row = reader.read(event)
            except (ValueError, RecursionError) as error:
                errors.append(f"eventList[{place}]: {error}"[:500])
                continue
            key = row.event_id, row.error_time
            if key not in seen:
                seen.add(key)
                accepted.append((place, row))
        return accepted, errors

    def _store(self, accepted):
        """Write events by COPY; those that are known stay as they are.

        :return: ``(how many are new, sentences about events that differ from what is known under their ID)``
        """
        self.ensure_one()
        if not accepted:
            return 0, []
        cr = self.env.cr
        self.env.flush_all()
        cr.execute("SELECT nextval('dms_trace_event_id_seq') FROM generate_series(1, %s)", [len(accepted)])
        ids = [row[0] for row in cr.fetchall()]
        fixed = f"{fields.Datetime.now()}\t{self.id}\t{self.company_id.id}\t{self.env.uid}\n"
        numbered = [(number, row) for number, (_place, row) in zip(ids, accepted, strict=True)]
        lines = [f"{number}\t{row.cells}\t{fixed}" for number, row in numbered]
        new, clashes = set(ids), ()
        if not self._copy_new(lines, [row.event_id for _number, row in numbered]):
            new, clashes = self._merge(lines)
        found = (row.lines(number) for number, row in numbered if number in new)
        self._copy("dms_trace_event_epc (event_id, kind, epc)", found)
        places = {row.event_id: place for place, row in accepted}
        errors = [
            f"eventList[{places[event_id]}]: another event has the eventID {event_id[:120]} already."
            for event_id in sorted(clashes, key=places.get)
        ]
        self.env["dms.trace.event"].invalidate_model()
        return len(new), errors

    def _copy_new(self, lines, event_ids):
        """Copy the lines into the events, unless one of them is known.

        :return: whether they are stored
        """
        known = self.env.execute_query(
            SQL(
                "SELECT 1 FROM dms_trace_event WHERE company_id = %s AND event_id = ANY(%s) LIMIT 1",
                self.company_id.id,
                event_ids,
            )
        )
        if known:
            return False
        try:
            with self.env.cr.savepoint(flush=False):
                self._copy(f"dms_trace_event ({', '.join(_COLUMNS)})", lines)
        except UniqueViolation:
            # Somebody else captured one of them meanwhile.
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
        stream = io.BytesIO("".join(lines).encode())
        self.env.cr.copy_expert(f"COPY {target} FROM STDIN", stream, 1 << 18)

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
