import json

from odoo import http
from odoo.http import request

from ..tools import gs1_ai, gs1_link, resolver
from ..tools.gs1_error import Gs1Error
from .code_page import HEADERS, CodePage

CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
    "Access-Control-Expose-Headers": "Link, Location",
}
# One rule for each primary key, so that the resolver answers nothing else on the host.
PATHS = [f"/{ai}/<path:rest>" for ai in gs1_ai.PRIMARY_KEYS]


class Resolver(CodePage):
    """GS1 Digital Link resolver: codes lead to the links of what they stand on; a unit's own page is its default."""

    @http.route(methods=["GET", "HEAD", "OPTIONS"])
    def code_page(self, gtin, serial, lang=None, **query):
        if request.httprequest.method == "OPTIONS" or self._get_wanted_type() or self._wants_linkset():
            self._set_lang(lang)
            answer = self._resolve()
            if answer is not None:
                return answer
        response = super().code_page(gtin, serial, lang=lang, **query)
        response.headers.update(CORS)
        if response.status_code == 200:
            own_url = request.env["dms.gs1.link"]._get_root() + request.httprequest.path
            response.headers["Link"] = resolver.link_header(
                [], f"{resolver.quote_url(own_url)}?linkType=linkset"
            )
        return response

    @http.route(
        PATHS,
        type="http",
        auth="public",
        methods=["GET", "HEAD", "OPTIONS"],
        csrf=False,
        save_session=False,
        readonly=True,
    )
    def resolve(self, rest, lang=None, **_query):
        self._set_lang(lang)
        return self._resolve()

    @http.route(
        "/.well-known/gs1resolver",
        type="http",
        auth="public",
        methods=["GET", "HEAD", "OPTIONS"],
        csrf=False,
        save_session=False,
        readonly=True,
    )
    def description(self, **_query):
        """The resolver description file."""
        if request.httprequest.method == "OPTIONS":
            return self._finish(request.make_response("", status=204))
        company_sudo = request.env.company.sudo()
        return self._make_json(
            {
                "name": f"{company_sudo.name} GS1 Resolver",
                "resolverRoot": request.env["dms.gs1.link"]._get_root(),
                "supportedPrimaryKeys": list(gs1_ai.PRIMARY_KEYS),
                "supportedLinkType": [{"namespace": resolver.VOCABULARY, "prefix": "gs1:"}],
                "supportedContextValuesEnumerated": [],
                "linkTypeDefaultCanBeLinkset": False,
                "supportsLanguageVariants": True,
                "validatesAIcombinations": True,
                "contact": {"fn": company_sudo.name},
            },
            "application/json",
        )

    def _get_wanted_type(self):
        return request.httprequest.args.get("linkType")

    def _wants_linkset(self):
        accepted = [media for media, _quality in request.httprequest.accept_mimetypes]
        return resolver.LINKSET_TYPE in accepted[:1]

    def _resolve(self):
        """The answer to the request, or None when the page that was asked for is the answer itself."""
        if request.httprequest.method == "OPTIONS":
            return self._finish(request.make_response("", status=204))
        path, query = self._get_raw_request()
        Link = request.env["dms.gs1.link"]
        try:
            link = gs1_link.parse_path(path.rstrip("/"), query, zero_suppressed=True)
            if link.root or len(query) > resolver.MAX_QUERY:
                raise Gs1Error("")
        except Gs1Error as error:
            return self._refuse("malformed", 400, error.source and Link._translate_gs1(error))
        found = Link._resolve(link.path)
        if not found:
            return self._refuse("unknown", 404)
        levels, description = found
        wanted = self._get_wanted_type()
        link_type = resolver.read_link_type(wanted) if wanted else None
        if link_type == "linkset" or (not wanted and self._wants_linkset()):
            return self._answer_linkset(levels, description)
        links = [one for _anchor, own in levels for one in own]
        languages = [language for language, _quality in request.httprequest.accept_languages]
        media_types = [media for media, _quality in request.httprequest.accept_mimetypes]
        chosen = (
            resolver.choose(links, link_type, languages, media_types) if link_type or not wanted else None
        )
        if not chosen:
            return self._refuse("unknown", 404)
        if chosen["href"].endswith(path):
            return None
        response = request.redirect(resolver.with_query(chosen["href"], query), code=307, local=False)
        linkset_url = f"{levels[0][0]}?linkType=linkset"
        response.headers["Link"] = resolver.link_header(links, linkset_url)
        return self._finish(response)

    def _answer_linkset(self, levels, description):
        linkset = resolver.linkset(levels, description)
        if not linkset["linkset"]:
            return self._refuse("unknown", 404)
        accepted = [media for media, _quality in request.httprequest.accept_mimetypes]
        plain = "application/json" in accepted and resolver.LINKSET_TYPE not in accepted
        response = self._make_json(linkset, "application/json" if plain else resolver.LINKSET_TYPE)
        response.headers["Link"] = resolver.link_header([], f"{levels[0][0]}?linkType=linkset")
        return response

    def _get_raw_request(self):
        """Path and query as sent: a slash in a value is escaped, which the routing has undone."""
        environ = request.httprequest.environ
        raw = environ.get("REQUEST_URI") or environ.get("RAW_URI") or ""
        query = environ.get("QUERY_STRING", "")
        if raw.startswith("/"):
            return raw.partition("?")[0], query
        return gs1_link.quote(request.httprequest.path, safe="/"), query

    def _make_json(self, content, media_type):
        response = request.make_response(
            json.dumps(content, ensure_ascii=False), [("Content-Type", f"{media_type}; charset=utf-8")]
        )
        return self._finish(response)

    def _refuse(self, verdict, status, reason=None):
        response = self._render(verdict, status, reason=reason)
        return self._finish(response)

    def _finish(self, response):
        response.headers.update(CORS)
        response.headers["Vary"] = "Accept, Accept-Language"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers.setdefault("Cache-Control", HEADERS["Cache-Control"])
        return response
