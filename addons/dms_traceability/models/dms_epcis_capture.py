import io
import json
import uuid

from odoo import api, fields, models
from odoo.tools import SQL

from ..tools import epcis, epcis_schema

MAX_EVENTS = 5000
MAX_BYTES = 32 << 20
MAX_ERRORS = 100
_COLUMNS = (
    "id", "event_id", "event_type", "action", "biz_step", "disposition", "event_time", "record_time", "error_time",
    "read_point", "biz_location", "code_count", "document", "context", "capture_id", "company_id", "user_id",
    "create_uid", "create_date", "write_uid", "write_date",
)  # fmt: skip
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})


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
            self._dump(context)
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
        """``([(place, event, text, context, columns)], sentences)``; an event that stands twice counts once."""
        accepted, errors, seen = [], [], set()
        for place, event in enumerate(events):
            try:
                epcis_schema.check_event(event)
                own = context | epcis_schema.read_context(event.get("@context"))
                columns = epcis.read_columns(event, own)
                text = self._dump(event)
            except (ValueError, RecursionError) as error:
                errors.append(f"eventList[{place}]: {error}"[:500])
                continue
            key = columns["event_id"], columns["error_time"]
            if key not in seen:
                seen.add(key)
                accepted.append((place, event, text, own, columns))
        return accepted, errors

    @api.model
    def _dump(self, content):
        """An event or a context as text that the database can hold.

        :raise ValueError: for what it can't: NUL, half a character, numbers without end
        """
        text = json.dumps(content, ensure_ascii=False, allow_nan=False)
        if "\\u0000" in text:
            raise ValueError("a text has the character NUL")
        text.encode()
        return text

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
        now = fields.Datetime.now()
        fixed = [self.id, self.company_id.id, self.env.uid, self.env.uid, now, self.env.uid, now]
        rows, epcs = [], {}
        for event_id, (_place, event, text, context, columns) in zip(ids, accepted, strict=True):
            epcs[event_id] = epcis.read_epcs(event)
            rows.append(
                [
                    event_id,
                    *(columns[name] for name in _COLUMNS[1:7]),
                    now,
                    *(columns[name] for name in _COLUMNS[8:11]),
                    len(epcs[event_id]),
                    text,
                    json.dumps(context, ensure_ascii=False) if context else None,
                    *fixed,
                ]
            )
        columns = SQL(", ").join(SQL.identifier(name) for name in _COLUMNS)
        cr.execute("DROP TABLE IF EXISTS dms_epcis_stage")
        cr.execute(
            SQL(
                "CREATE TEMP TABLE dms_epcis_stage ON COMMIT DROP AS SELECT %s FROM dms_trace_event LIMIT 0",
                columns,
            )
        )
        cr.copy_expert("COPY dms_epcis_stage FROM STDIN", _copy_text(rows))
        new = {
            event_id
            for (event_id,) in self.env.execute_query(
                SQL(
                    """
                    INSERT INTO dms_trace_event (%(columns)s) SELECT %(columns)s FROM dms_epcis_stage
                        ON CONFLICT DO NOTHING RETURNING id
                    """,
                    columns=columns,
                )
            )
        }
        cr.copy_expert(
            "COPY dms_trace_event_epc (event_id, kind, epc) FROM STDIN",
            _copy_text(
                (event_id, kind, epc)
                for event_id, found in epcs.items()
                if event_id in new
                for kind, epc in found
            ),
        )
        clashes = self._find_clashes() if len(new) < len(ids) else {}
        places = {columns["event_id"]: place for place, _event, _text, _context, columns in accepted}
        errors = [
            f"eventList[{places[event_id]}]: another event has the eventID {event_id[:120]} already."
            for event_id in sorted(clashes, key=places.get)
        ]
        cr.execute("DROP TABLE dms_epcis_stage")
        self.env["dms.trace.event"].invalidate_model()
        return len(new), errors

    def _find_clashes(self):
        """IDs of staged events that differ from what is stored under their ID."""
        return {
            event_id
            for (event_id,) in self.env.execute_query(
                SQL(
                    """
                    SELECT s.event_id FROM dms_epcis_stage s
                      JOIN dms_trace_event e ON e.company_id = s.company_id AND e.event_id = s.event_id
                       AND e.error_time IS NOT DISTINCT FROM s.error_time
                     WHERE e.id <> s.id AND e.document IS NOT NULL
                       AND e.document::jsonb - 'recordTime' <> s.document::jsonb - 'recordTime'
                    """
                )
            )
        }

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


def _copy_text(rows):
    """A readable stream for COPY: tabs between, ``\\N`` for nothing."""
    stream = io.StringIO()
    for row in rows:
        stream.write("\t".join("\\N" if cell is None else str(cell).translate(_ESCAPES) for cell in row))
        stream.write("\n")
    stream.seek(0)
    return stream
