import json

from werkzeug.exceptions import MethodNotAllowed

from odoo import http
from odoo.http import request

from ..tools import gs1_ai, gs1_compress, gs1_link, resolver
from ..tools.gs1_error import Gs1Error
from .code_page import HEADERS, CodePage

CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
    "Access-Control-Expose-Headers": "Link, Location",
}
# One rule for each primary key, so that the resolver answers nothing else on the host.
PATHS = [f"/{ai}/<path:rest>" for ai in gs1_ai.PRIMARY_KEYS]
METHODS = ["GET", "HEAD", "OPTIONS"]


def _is_readonly(_controller, _rule, args):
    """What is compressed behind a key and its value may be a unit's serial number, and its page counts scans."""
    return args["rest"].strip("/").count("/") != 1


class Resolver(CodePage):
    """GS1 Digital Link resolver: codes lead to the links of what they stand on; a unit's own page is its default."""

    @http.route(methods=METHODS)
    def code_page(self, gtin, serial, lang=None, **_query):
        self._set_lang(lang)
        answer = self._resolve_unit(*self._get_raw_request())
        return self._finish_page(super().code_page(gtin, serial)) if answer is None else answer

    def _resolve_unit(self, path, query, same_as=None):
        """As :meth:`_resolve`, of a unit's link: None unless something else than its page is asked for."""
        if request.httprequest.method == "OPTIONS" or self._get_wanted_type() or self._wants_linkset():
            return self._resolve(path, query, same_as)
        return None

    def _finish_page(self, response):
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
        methods=METHODS,
        csrf=False,
        save_session=False,
        readonly=_is_readonly,
    )
    def resolve(self, rest, lang=None, **_query):
        self._set_lang(lang)
        path, query = self._get_raw_request()
        # A key and its value make two parts, and so does each qualifier: an odd one can only be compressed.
        if path.strip("/").count("/") == 2:
            return self._resolve_compressed(path, query)
        return self._resolve(path, query)

    @http.route(
        "/<dms_compressed_link:text>",
        type="http",
        auth="public",
        # Were the methods named here, any unknown path would be a wrong method for others than these.
        csrf=False,
        save_session=False,
    )
    def resolve_compressed(self, text, lang=None, **_query):
        if request.httprequest.method not in METHODS:
            raise MethodNotAllowed(METHODS)
        self._set_lang(lang)
        return self._resolve_compressed(f"/{text}", self._get_raw_request()[1])

    @http.route(
        "/.well-known/gs1resolver",
        type="http",
        auth="public",
        methods=METHODS,
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

    def _resolve_compressed(self, path, query):
        """What the uncompressed link would answer, which is named in a header and never led to.

        Leading there would be one more request to the same end; this is why the page of a unit is shown at once.
        """
        if request.httprequest.method == "OPTIONS":
            return self._resolve(path, query)
        try:
            whole = gs1_compress.expand(path, zero_suppressed=True)
        except Gs1Error as error:
            return self._refuse_malformed(error)
        root = request.env["dms.gs1.link"]._get_root()
        same_as = root + whole, root + resolver.quote_url(path)
        path, _mark, own_query = whole.partition("?")
        query = "&".join(part for part in (own_query, query) if part)
        # The link type, the language and the forms of the page are those of the uncompressed link.
        request.reroute(gs1_link.unescape(path), query)
        self._set_lang(request.httprequest.args.get("lang"))
        parts = [gs1_link.unescape(part) for part in path.split("/")]
        is_unit = parts[1::2] == ["01", "21"]
        response = (self._resolve_unit if is_unit else self._resolve)(path, query, same_as)
        if response is None:
            response = self._finish_page(self._answer(parts[2], parts[4]))
        links = response.headers.get("Link")
        response.headers["Link"] = f'<{same_as[0]}>; rel="owl:sameAs"' + (f", {links}" if links else "")
        return response

    def _resolve(self, path, query, same_as=None):
        """The answer to the request, or None when the page of a unit is the answer.

        :param str path: as sent, or what a compressed one means
        :param same_as: ``(uncompressed address, compressed address)`` where the request's was compressed
        """
        if request.httprequest.method == "OPTIONS":
            return self._finish(request.make_response("", status=204))
        Link = request.env["dms.gs1.link"]
        try:
            link = gs1_link.parse_path(path.rstrip("/"), query, zero_suppressed=True)
            if link.root or len(query) > resolver.MAX_QUERY:
                raise Gs1Error("")
        except Gs1Error as error:
            return self._refuse_malformed(error)
        found = Link._resolve(link.path)
        if not found:
            return self._refuse("unknown", 404)
        levels, description = found
        wanted = self._get_wanted_type()
        link_type = resolver.read_link_type(wanted) if wanted else None
        if link_type == "linkset" or (not wanted and self._wants_linkset()):
            return self._answer_linkset(levels, description, same_as)
        links = [one for _anchor, own in levels for one in own]
        languages = [language for language, _quality in request.httprequest.accept_languages]
        media_types = [media for media, _quality in request.httprequest.accept_mimetypes]
        chosen = (
            resolver.choose(links, link_type, languages, media_types) if link_type or not wanted else None
        )
        if not chosen:
            return self._refuse("unknown", 404)
        if chosen["href"] == levels[0][0]:
            # Leading to itself would never end.
            is_unit = [ai for ai, _value in link.path] == ["01", "21"]
            return None if is_unit else self._refuse("unknown", 404)
        response = request.redirect(resolver.with_query(chosen["href"], query), code=307, local=False)
        linkset_url = f"{levels[0][0]}?linkType=linkset"
        response.headers["Link"] = resolver.link_header(links, linkset_url)
        return self._finish(response)

    def _answer_linkset(self, levels, description, same_as=None):
        linkset = resolver.linkset(levels, description, same_as)
        if not linkset["linkset"]:
            return self._refuse("unknown", 404)
        accepted = [media for media, _quality in request.httprequest.accept_mimetypes]
        plain = "application/json" in accepted and resolver.LINKSET_TYPE not in accepted
        response = self._make_json(linkset, "application/json" if plain else resolver.LINKSET_TYPE)
        response.headers["Link"] = resolver.link_header([], f"{levels[0][0]}?linkType=linkset")
        return response

    def _get_raw_request(self):
        """Path and query as sent, without a language in front."""
        environ = request.httprequest.environ
        raw = environ.get("REQUEST_URI") or environ.get("RAW_URI") or ""
        query = raw.partition("?")[2] if raw.startswith("/") else environ.get("QUERY_STRING", "")
        return self._get_raw_path()[1], query

    def _make_json(self, content, media_type):
        response = request.make_response(
            json.dumps(content, ensure_ascii=False), [("Content-Type", f"{media_type}; charset=utf-8")]
        )
        return self._finish(response)

    def _refuse_malformed(self, error):
        reason = error.source and request.env["dms.gs1.link"]._translate_gs1(error)
        return self._refuse("malformed", 400, reason)

    def _refuse(self, verdict, status, reason=None):
        response = self._render(verdict, status, reason=reason)
        return self._finish(response)

    def _finish(self, response):
        response.headers.update(CORS)
        response.headers["Vary"] = "Accept, Accept-Language"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers.setdefault("Cache-Control", HEADERS["Cache-Control"])
        return response
