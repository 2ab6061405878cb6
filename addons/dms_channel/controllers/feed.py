from odoo import http
from odoo.exceptions import AccessError, UserError
from odoo.http import request

from ..models.dms_channel_gateway import FORMATS

#: Refused before the body is read; the inbox has its own, lower limit and says so in a sentence.
MAX_BODY = 80 << 20


class FeedEndpoint(http.Controller):
    @http.route(
        "/dms/feeds",
        type="http",
        auth="bearer",
        methods=["POST"],
        csrf=False,
        save_session=False,
        max_content_length=MAX_BODY,
    )
    def receive(self, kind="sell_through", distributor=None, filename=None, release="0", **kw):
        """Take a file of any number of lines: ``docs/feeds.md`` describes it for those who send.

        The body is CSV (``text/csv``) or one JSON object a line (``application/x-ndjson``), as it is or gzipped. Its
        lines are read one by one; only the bytes as they came are held.
        """
        extension = FORMATS.get(request.httprequest.mimetype)
        if not extension:
            return self._answer(
                415,
                error=request.env._(
                    "Send the body as one of these content types: %(types)s.", types=", ".join(FORMATS)
                ),
            )
        key = request.httprequest.headers.get("Idempotency-Key")
        raw = request.httprequest.get_data(cache=False)
        try:
            with request.env.cr.savepoint():
                answer = request.env["dms.feed"]._take(
                    raw,
                    (filename or f"{key or 'feed'}.{extension}")[:200],
                    kind=kind,
                    distributor=distributor,
                    key=key,
                    release=release in ("1", "true"),
                )
        except AccessError as error:
            return self._answer(403, error=str(error))
        except UserError as error:
            return self._answer(422, error=str(error))
        return self._answer(200 if answer.pop("again") else 201, **answer)

    def _answer(self, status, **values):
        return request.make_json_response(values, status=status)
