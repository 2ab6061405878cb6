from odoo import http
from odoo.exceptions import AccessError, UserError
from odoo.http import request

from ..models.dms_channel_gateway import FORMATS
from ..tools.feed_columns import FeedError
from ..tools.spool import Spool

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

        The body is CSV (``text/csv``) or one JSON object a line (``application/x-ndjson``), as it is or gzipped. It goes
        to a temporary file a piece at a time, is read from there line by line, and is kept in the file store: memory
        does not grow with it.
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
        try:
            spool = self._get_spool()
            with request.env.cr.savepoint():
                answer = request.env["dms.feed"]._take(
                    spool.path,
                    (filename or f"{key or 'feed'}.{extension}")[:200],
                    kind=kind,
                    distributor=distributor,
                    key=key,
                    release=release in ("1", "true"),
                )
        except FeedError as error:
            return self._answer(422, error=request.env["dms.feed"]._translate_error(error))
        except AccessError as error:
            return self._answer(403, error=str(error))
        except UserError as error:
            return self._answer(422, error=str(error))
        return self._answer(200 if answer.pop("again") else 201, **answer)

    def _get_spool(self):
        """The request's body, in a temporary file that lasts as long as the request.

        A request that PostgreSQL refused is tried again by Odoo, and the body can be read only once. Odoo hands out the
        body as bytes, but not the stream that they come from; the request that it wraps has it.
        """
        if not hasattr(request, "dms_spool"):
            request.dms_spool = Spool(request.httprequest._HTTPRequest__wrapped.stream)
        return request.dms_spool

    def _answer(self, status, **values):
        return request.make_json_response(values, status=status)
