import json
from functools import wraps
from urllib.parse import quote

from odoo import http
from odoo.exceptions import AccessError
from odoo.http import request

from ..models.dms_epcis_capture import MAX_BYTES, MAX_EVENTS, EpcisRefusal
from ..tools import epcis
from ..tools.epcis_id import canonical

_JSON = ("application/json", "application/ld+json")
_VERSIONS = {
    "GS1-EPCIS-Version": epcis.VERSION,
    "GS1-EPCIS-Min": epcis.VERSION,
    "GS1-EPCIS-Max": epcis.VERSION,
    "GS1-CBV-Version": epcis.VERSION,
    "GS1-CBV-Min": epcis.VERSION,
    "GS1-CBV-Max": epcis.VERSION,
    "GS1-Extensions": "",
}
_LIMITS = {
    "GS1-EPCIS-Capture-Limit": str(MAX_EVENTS),
    "GS1-EPCIS-Capture-File-Size-Limit": str(MAX_BYTES),
    "GS1-Capture-Error-Behaviour": "rollback, proceed",
}
_TITLES = {
    400: ("ValidationException", "The request is not valid."),
    403: ("SecurityException", "Access to the resource is forbidden."),
    404: ("NoSuchResourceException", "There is no such resource."),
    406: ("NotAcceptableException", "The answer is JSON, in version 2.0."),
    413: ("CaptureLimitExceededException", "The request is larger than the limit."),
    414: ("URITooLongException", "The address is too long."),
    415: ("UnsupportedMediaTypeException", "Send application/json or application/ld+json."),
}
MAX_URI = 32_000


class Problem(Exception):
    """The request ends here, with a status and a sentence."""

    def __init__(self, status, detail="", errors=()):
        super().__init__(detail)
        self.status, self.detail, self.errors = status, detail, errors


def _answers(*methods):
    """A route's function: checks what all of them share, and turns refusals into the standard's problem documents."""

    def decorate(function):
        @wraps(function)
        def answer(self, *args, **kwargs):
            method = request.httprequest.method
            if method == "OPTIONS":
                headers = {"Allow": ", ".join([*methods, "OPTIONS"])}
                return self._respond("", 204, headers | (_LIMITS if "POST" in methods else {}))
            try:
                self._check_request()
                return function(self, *args, **kwargs)
            except Problem as problem:
                return self._refuse(problem)
            except AccessError as error:
                return self._refuse(Problem(403, str(error)))
            except epcis.QueryError as error:
                return self._refuse(Problem(400, str(error)))

        return answer

    return decorate


def _route(path, *methods):
    return http.route(
        f"/epcis{path}",
        type="http",
        auth="bearer",
        methods=[*methods, "OPTIONS"],
        csrf=False,
        save_session=False,
    )


class Epcis(http.Controller):
    """EPCIS 2.0: capturing events and asking for them. Who asks is the user of the API key."""

    # --- Capture ----------------------------------------------------------------------------------

    @_route("/capture", "GET", "POST")
    @_answers("GET", "POST")
    def capture(self, **_query):
        if request.httprequest.method in ("GET", "HEAD"):
            return self._list_captures()
        self._check_may_capture()
        behaviour = request.httprequest.headers.get("GS1-Capture-Error-Behaviour", "rollback").strip().lower()
        if behaviour not in ("rollback", "proceed"):
            raise Problem(400, "GS1-Capture-Error-Behaviour is rollback or proceed.")
        capture = self._store(self._read_body(), behaviour)
        headers = _LIMITS | {
            "Location": f"/epcis/capture/{capture.token}",
            "GS1-Capture-Error-Behaviour": behaviour,
        }
        return self._respond("", 202, headers)

    def _list_captures(self):
        Capture = request.env["dms.epcis.capture"]
        per_page, after = self._read_paging()
        captures = Capture.search([("id", "<", after)] if after else [], limit=per_page + 1)
        page = captures[:per_page]
        token = epcis.make_token(page[-1].date_captured, page[-1].id, 0) if len(captures) > per_page else None
        return self._make_json([capture._to_epcis() for capture in page], headers=self._link_next(token))

    @_route("/capture/<string:token>", "GET")
    @_answers("GET")
    def capture_job(self, token, **_query):
        capture = request.env["dms.epcis.capture"].search([("token", "=", token)])
        if not capture:
            raise Problem(404)
        return self._make_json(capture._to_epcis())

    def _store(self, document, behaviour):
        try:
            with request.env.cr.savepoint():
                return request.env["dms.epcis.capture"]._capture(document, behaviour)
        except EpcisRefusal as refusal:
            raise Problem(400, refusal.errors[0], refusal.errors) from refusal

    # --- Events -----------------------------------------------------------------------------------

    @_route("/events", "GET", "POST")
    @_answers("GET", "POST")
    def events(self, **_query):
        if request.httprequest.method in ("GET", "HEAD"):
            return self._query()
        self._check_may_capture()
        event = self._read_body()
        if not isinstance(event, dict):
            raise Problem(400, "data must be an event, an object with a type")
        document = {
            "@context": event.get("@context", epcis.CONTEXT),
            "type": "EPCISDocument",
            "schemaVersion": "2.0",
            "creationDate": "2000-01-01T00:00:00Z",
            "epcisBody": {"eventList": [event]},
        }
        capture = self._store(document, "rollback")
        stored = request.env["dms.trace.event"].search([("capture_id", "=", capture.id)])
        if not stored:
            return self._refuse(Problem(409, "The event is recorded already."))
        return self._respond("", 201, {"Location": f"/epcis/events/{quote(stored.event_id, safe='')}"})

    @_route("/events/<path:event_id>", "GET")
    @_answers("GET")
    def event(self, event_id, **_query):
        Event = request.env["dms.trace.event"]
        # The ID may have been sent with its question mark unescaped.
        query = request.httprequest.query_string.decode("latin-1")
        names = [event_id, f"{event_id}?{query}"] if query else [event_id]
        found, _token = Event._epcis_find([("EQ_eventID", names)], epcis.read_query([])[1])
        if not found:
            raise Problem(404)
        event = found[:1]._to_epcis()[0]
        context = event.pop("@context", None)
        return self._make_json({"@context": context or [epcis.CONTEXT]} | event, "application/ld+json")

    @_route("/epcs/<path:epc>/events", "GET")
    @_answers("GET")
    def epc_events(self, epc, **_query):
        return self._query([("MATCH_anyEPC", [canonical(self._unslash(epc))])])

    @_route("/eventTypes", "GET")
    @_answers("GET")
    def event_types(self, **_query):
        names = list(epcis.EVENT_TYPES.values())
        return self._make_json({"@context": [epcis.CONTEXT], "type": "Collection", "member": names})

    @_route("/eventTypes/<string:name>/events", "GET")
    @_answers("GET")
    def events_of_type(self, name, **_query):
        if name not in epcis.EVENT_TYPES.values():
            raise Problem(404, "There is no such type of events.")
        return self._query([("eventType", [name])])

    def _query(self, conditions=()):
        params = list(request.httprequest.args.items(multi=True))
        more, paging = epcis.read_query(params)
        events, token = request.env["dms.trace.event"]._epcis_find([*conditions, *more], paging)
        document = epcis.document(events._to_epcis())
        return self._make_json(document, "application/ld+json", headers=self._link_next(token))

    # --- What all share ---------------------------------------------------------------------------

    def _check_request(self):
        environ, headers = request.httprequest.environ, request.httprequest.headers
        if len(environ.get("QUERY_STRING", "")) + len(request.httprequest.path) > MAX_URI:
            raise Problem(414)
        if "\0" in request.httprequest.path:
            raise Problem(404)
        accept = request.httprequest.accept_mimetypes
        if accept and not accept.best_match(_JSON):
            raise Problem(406)
        for name in ("GS1-EPCIS-Version", "GS1-CBV-Version"):
            if headers.get(name) and not headers[name].strip().startswith("2."):
                raise Problem(406)
        for name in ("GS1-EPCIS-Min", "GS1-CBV-Min"):
            if headers.get(name) and headers[name].strip() > epcis.VERSION:
                raise Problem(406)

    def _check_may_capture(self):
        user = request.env.user
        if not user.has_groups("stock.group_stock_user,dms_channel.dms_channel_group_manager"):
            raise Problem(403, "The user of this key may not record events.")

    def _read_body(self):
        http_request = request.httprequest
        if http_request.mimetype not in _JSON:
            raise Problem(415)
        if (http_request.content_length or 0) > MAX_BYTES:
            raise Problem(413)
        raw = http_request.get_data()
        if len(raw) > MAX_BYTES:
            raise Problem(413)
        try:
            content = json.loads(raw.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise Problem(400, f"The body is no JSON: {error}"[:300]) from error
        body = content.get("epcisBody") if isinstance(content, dict) else None
        events = body.get("eventList") if isinstance(body, dict) else None
        if isinstance(events, list) and len(events) > MAX_EVENTS:
            raise Problem(413, f"A document may have {MAX_EVENTS} events.")
        return content

    def _read_paging(self):
        args = request.httprequest.args
        _conditions, paging = epcis.read_query(
            [(name, args[name]) for name in ("perPage", "nextPageToken") if name in args]
        )
        return paging["per_page"], paging["after"] and paging["after"][1]

    def _unslash(self, epc):
        """Two slashes in an address may have become one on the way."""
        for scheme in ("https:/", "http:/"):
            if epc.startswith(scheme) and not epc.startswith(f"{scheme}/"):
                return f"{scheme}/{epc[len(scheme) :]}"
        return epc

    def _link_next(self, token):
        if not token:
            return {}
        args = [pair for pair in request.httprequest.args.items(multi=True) if pair[0] != "nextPageToken"]
        query = "&".join(
            f"{quote(name, safe='')}={quote(value, safe='')}"
            for name, value in [*args, ("nextPageToken", token)]
        )
        path = quote(request.httprequest.path)
        return {"Link": f'<{path}?{query}>; rel="next"', "GS1-Next-Page-Token-Expires": "never"}

    def _make_json(self, content, media_type="application/json", status=200, headers=()):
        body = json.dumps(content, ensure_ascii=False)
        return self._respond(body, status, {"Content-Type": f"{media_type}; charset=utf-8", **dict(headers)})

    def _refuse(self, problem):
        kind, title = _TITLES.get(problem.status, ("ImplementationException", "The request failed."))
        content = {"type": f"epcisException:{kind}", "title": title, "status": problem.status}
        if problem.detail:
            content["detail"] = problem.detail
        if problem.errors:
            content["errors"] = problem.errors[:100]
        return self._make_json(content, "application/problem+json", problem.status)

    def _respond(self, body, status, headers):
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"} | _VERSIONS | headers
        return request.make_response(body, list(headers.items()), status=status)
