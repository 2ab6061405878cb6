import base64
import re
from urllib.parse import quote

from babel.dates import format_skeleton

from odoo import http
from odoo.exceptions import UserError
from odoo.http import request
from odoo.tools import babel_locale_parse, hash_sign, verify_hash_signed
from odoo.tools.image import ImageProcess

from ..tools import codes, gs1

SCOPE = "dms_traceability.scan"
ERASE_SCOPE = "dms_traceability.erase"
BAD_CODES_PER_MINUTE = 30
PLACES_PER_MINUTE = 20
RECORDED_PER_MINUTE = 120
OPENED_PER_MINUTE = 20
REPORTS_PER_MINUTE = 10
PAGES_PER_MINUTE = 60
PHOTO_BYTES = 8_000_000
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "Permissions-Policy": "geolocation=(self)",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src 'self' data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
}


class CodePage(http.Controller):
    """What a consumer sees of a code: is it genuine, and where it was meant to be sold. No names, prices or chain."""

    @http.route(
        "/01/<string:gtin>/21/<string:serial>",
        type="http",
        auth="public",
        methods=["GET"],
        csrf=False,
        save_session=False,
    )
    def code_page(self, gtin, serial, lang=None, **_query):
        self._set_lang(lang)
        return self._answer(gtin, serial)

    @http.route(
        "/01/<string:gtin>/21/<string:serial>/place",
        type="http",
        auth="public",
        methods=["POST"],
        # The page is stateless; the signed scan in the form shows that it came from our page.
        csrf=False,
        save_session=False,
    )
    def code_place(
        self,
        gtin,
        serial,
        scan=None,
        region=None,
        zip=None,
        latitude=None,
        longitude=None,
        lang=None,
        **_form,
    ):
        self._set_lang(lang)
        place = self._read_place(region, zip, latitude, longitude)
        return self._answer(gtin, serial, place=place, token=scan)

    @http.route(
        "/01/<string:gtin>/21/<string:serial>/open",
        type="http",
        auth="public",
        methods=["POST"],
        # What it needs is the hidden code itself, and no cookie.
        csrf=False,
        save_session=False,
    )
    def code_open(self, gtin, serial, lang=None, **_form):
        """The code under the cap was entered: the item is opened, once."""
        self._set_lang(lang)
        return self._answer_cap(gtin, serial, consume=True)

    @http.route(
        "/01/<string:gtin>/21/<string:serial>/report",
        type="http",
        auth="public",
        methods=["POST"],
        # The page is stateless; the signed scan in the form shows that it came from our page.
        csrf=False,
        save_session=False,
    )
    def code_report(
        self,
        gtin,
        serial,
        scan=None,
        kind=None,
        text=None,
        photo=None,
        price=None,
        consent=None,
        latitude=None,
        longitude=None,
        lang=None,
        **_form,
    ):
        """Somebody reports a problem. Without consent the position is thrown away, and the report is taken all the same."""
        self._set_lang(lang)
        Scan = request.env["dms.scan"].sudo()
        network = Scan._cut_address(request.httprequest.remote_addr)
        if Scan._count_hit(f"report:{network}") > REPORTS_PER_MINUTE:
            return self._render("busy", 429)
        scan_sudo = self._read_token(Scan, scan)
        kinds = dict(request.env["dms.scan.report"]._fields["kind"].selection)
        if not scan_sudo or kind not in kinds or kind == "enumeration":
            return self._answer(gtin, serial)
        try:
            picture = self._read_photo(photo)
        except ValueError:
            return self._answer(gtin, serial, token=scan, problem="photo")
        point = self._read_place(None, None, latitude, longitude) if consent == "yes" else {}
        request.env["dms.scan.report"]._report(
            scan_sudo,
            kind,
            text,
            picture,
            (point["latitude"], point["longitude"]) if point else None,
            price=price,
        )
        return self._answer(gtin, serial, token=scan, reported=True)

    def _read_photo(self, photo):
        """Picture of the form as base64, None without one.

        :raise ValueError: when it is too large, or no picture
        """
        if not photo or not getattr(photo, "filename", None):
            return None
        content = photo.read(PHOTO_BYTES + 1)
        if len(content) > PHOTO_BYTES:
            raise ValueError("the picture is too large")
        encoded = base64.b64encode(content)
        try:
            ImageProcess(content)
        except UserError as error:
            raise ValueError("no picture") from error
        return encoded

    @http.route(
        "/scan/erase", type="http", auth="public", methods=["GET", "POST"], csrf=False, save_session=False
    )
    def erase(self, token=None, lang=None, **_form):
        """Erase what was left with a scan. The token that the page gave is the only key; looking erases nothing."""
        self._set_lang(lang)
        Scan = request.env["dms.scan"].sudo()
        network = Scan._cut_address(request.httprequest.remote_addr)
        if Scan._count_hit(f"erase:{network}") > REPORTS_PER_MINUTE:
            return self._render("busy", 429)
        done = None
        if request.httprequest.method == "POST":
            scan_sudo = self._read_token(Scan, token, ERASE_SCOPE)
            if scan_sudo:
                request.env["dms.scan.report"]._erase(scan_sudo)
            done = bool(scan_sudo)
        return self._render("erase", 200 if done is not False else 404, erased=done, erase_token=token)

    def _read_token(self, Scan, token, scope=SCOPE):
        try:
            scan_id = token and verify_hash_signed(request.env(su=True), scope, token)
        except ValueError:
            scan_id = None
        return Scan.browse(scan_id or ()).exists()

    def _answer_cap(self, gtin, serial, consume=False):
        """A code under the cap. Looking consumes nothing, so that link previews and scanners of mails do no harm."""
        try:
            gtin, serial = gs1.validate(gtin, serial)
        except ValueError:
            return self._render("malformed", 400)
        Scan = request.env["dms.scan"].sudo()
        network = Scan._cut_address(request.httprequest.remote_addr)
        try:
            (info,) = request.env["dms.code"].sudo()._resolve([(gtin, serial)], cap=True)
        except UserError:
            return self._render("unavailable", 503)
        if info is None:
            return self._answer_bad(Scan, gtin, serial, network)
        device = self._get_device(Scan, network)
        Consumption = request.env["dms.code.consumption"].sudo()
        if consume and Scan._count_hit(f"open:{device}") <= OPENED_PER_MINUTE:
            opened_sudo, first = Consumption._consume(info, device)
        else:
            opened_sudo, first = Consumption._find(info["key"]), False
        if opened_sudo:
            mine = first or opened_sudo.device == device
            verdict = "opened" if mine else "used"
        else:
            verdict = "cap" if Scan._judge(info) == "genuine" else Scan._judge(info)
            mine = False
        return self._render(verdict, 200, info=info, opened_sudo=opened_sudo, mine=mine)

    def _answer_bad(self, Scan, gtin, serial, network):
        """The same for forged, unknown and out-of-range codes, inside and outside."""
        hits = Scan._count_hit(f"bad:{network}")
        if hits == BAD_CODES_PER_MINUTE + 1 and Scan._count_hit(f"guess:{network}", 3600) == 1:
            # Once an hour and network, for the inspectors.
            request.env["dms.scan.report"]._report(Scan, "enumeration", network)
        if hits > BAD_CODES_PER_MINUTE:
            return self._render("busy", 429)
        if request.httprequest.method != "HEAD":
            self._record(Scan, None, gtin, serial, network)
        return self._render("forged", 404)

    def _answer(self, gtin, serial, place=None, token=None, reported=False, problem=None):
        if len(serial) == codes.CAP_LENGTH and place is None:
            return self._answer_cap(gtin, serial)
        try:
            gtin, serial = gs1.validate(gtin, serial)
        except ValueError:
            return self._render("malformed", 400)
        Scan = request.env["dms.scan"].sudo()
        network = Scan._cut_address(request.httprequest.remote_addr)
        if place is not None and Scan._count_hit(f"place:{network}") > PLACES_PER_MINUTE:
            return self._render("busy", 429)
        if Scan._count_hit(f"device:{self._get_device(Scan, network)}") > PAGES_PER_MINUTE:
            return self._render("busy", 429)
        try:
            (info,) = request.env["dms.code"].sudo()._resolve([(gtin, serial)])
        except UserError:
            return self._render("unavailable", 503)
        if info is None:
            return self._answer_bad(Scan, gtin, serial, network)
        scan_sudo = self._find_scan(Scan, info, network, token)
        asked = place is not None
        if asked and scan_sudo and not scan_sudo.country_id and not scan_sudo.territory_id:
            scan_sudo._locate(place)
        return self._render(
            Scan._judge(info),
            200,
            info=info,
            scan_sudo=scan_sudo,
            asked=asked,
            reported=reported,
            problem=problem,
        )

    def _find_scan(self, Scan, info, network, token):
        """The scan that the form belongs to, else this device's scan of the last hour, else a new one."""
        device = self._get_device(Scan, network)
        scan_sudo = self._read_token(Scan, token)
        if scan_sudo and scan_sudo.code_key == info["key"]:
            return scan_sudo
        recent_sudo = Scan._find_recent(info["key"], device)
        if request.httprequest.method == "HEAD":
            # Whoever asks for the headers only looks whether the page is there.
            return recent_sudo
        if recent_sudo or Scan._count_hit(f"scan:{network}") > RECORDED_PER_MINUTE:
            return recent_sudo
        return self._record(Scan, info, info["gtin"], info["serial"], network)

    def _record(self, Scan, info, gtin, serial, network):
        user = request.env.user
        kind = "consumer"
        if user._is_public():
            pass
        elif user.has_group("dms_traceability.dms_traceability_group_inspector"):
            kind = "inspector"
        elif user.partner_id.sudo().commercial_partner_id.channel_role == "outlet":
            kind = "outlet"
        return Scan._record(
            info, gtin, serial, kind=kind, device=self._get_device(Scan, network), address=network
        )

    def _get_device(self, Scan, network):
        return Scan._hash_device(network, request.httprequest.user_agent.string)

    def _get_raw_path(self):
        """``(language in front of the path or '', path as sent)``: the routing has undone what is escaped in a value."""
        environ = request.httprequest.environ
        raw = environ.get("REQUEST_URI") or environ.get("RAW_URI") or ""
        path = raw.partition("?")[0] if raw.startswith("/") else quote(request.httprequest.path, safe="/")
        language = getattr(request, "lang", None)
        prefix = f"/{language.url_code}/" if language else ""
        return (language.code, path[len(prefix) - 1 :]) if prefix and path.startswith(prefix) else ("", path)

    def _set_lang(self, lang):
        lang = lang or self._get_raw_path()[0]
        if lang and lang in dict(request.env["res.lang"].get_installed()):
            request.update_context(lang=lang)

    def _read_place(self, region, postcode, latitude, longitude):
        """Place from the form; what can't be read counts as not given."""
        try:
            point = {"latitude": float(latitude), "longitude": float(longitude)}
        except (TypeError, ValueError):
            point = {}
        if point and abs(point["latitude"]) <= 90 and abs(point["longitude"]) <= 180:
            return point
        kind, number = (region or "")[:1], (region or "")[1:]
        place = {}
        if number.isascii() and number.isdigit() and len(number) < 9:
            model, field = {"s": ("res.country.state", "state_id"), "c": ("res.country", "country_id")}.get(
                kind, (None, None)
            )
            if model and request.env[model].sudo().browse(int(number)).exists():
                place[field] = int(number)
        if place and postcode:
            place["zip"] = re.sub(r"[^\w -]", "", postcode).strip()[:12]
        return place

    def _render(
        self,
        verdict,
        status,
        info=None,
        scan_sudo=None,
        asked=False,
        reason=None,
        opened_sudo=None,
        mine=False,
        **shown,
    ):
        values = {
            "verdict": verdict,
            "reason": reason,
            "lang_code": request.env.lang or "en_US",
            "page_lang": (request.env.lang or "en_US").replace("_", "-"),
            "languages": self._get_languages(),
            "path": re.sub(r"/(place|open|report)$", "", request.httprequest.path),
            "repacked": verdict == "void" and request.env["dms.code"].sudo()._is_used_up(info["key"]),
            "opened_on": opened_sudo and self._format("yMMMd", opened_sudo.date),
            "coupon": mine and opened_sudo.coupon_id.code,
            "reward": mine and opened_sudo.coupon_id.program_id.name,
            **shown,
        }
        if info:
            values |= self._prepare_code_values(info, scan_sudo, asked)
        response = request.render("dms_traceability.code_page", values, status=status)
        response.headers.update(HEADERS)
        return response

    def _get_languages(self):
        current = request.env.lang or "en_US"
        return [
            (code, name.split(" / ")[-1])
            for code, name in request.env["res.lang"].get_installed()
            if code != current
        ][:3]

    def _prepare_code_values(self, info, scan_sudo, asked):
        order_sudo = info["order"].with_context(lang=request.env.lang)
        picking_sudo = request.env["stock.picking"].sudo().browse(info["picking_id"] or ())
        territories_sudo = picking_sudo and picking_sudo._dms_get_authorised_territories(
            order_sudo.product_id
        )
        # Of wide records only what the page shows: reading all of them would take longer than all the rest.
        order_sudo.product_id.fetch(["default_code", "product_tmpl_id"])
        order_sudo.product_id.product_tmpl_id.fetch(["description_sale", "name"])
        order_sudo.lot_id.fetch(["expiration_date", "name"])
        first = scan_sudo and scan_sudo._get_first_month(info["key"])
        located = bool(scan_sudo and (scan_sudo.country_id or scan_sudo.territory_id))
        values = {
            "product": order_sudo.product_id.with_context(display_default_code=False).display_name,
            "batch": order_sudo.lot_id.name,
            "expiry": order_sudo.lot_id.expiration_date
            and self._format("yMMMd", order_sudo.lot_id.expiration_date),
            "is_case": bool(info["level"]),
            "case_size": info["level"]
            and request.env["dms.code"].sudo()._count_units([info["key"]]).get(info["key"], 0),
            "gtin": info["gtin"],
            "serial": info["serial"],
            "areas": territories_sudo and territories_sudo.mapped("name"),
            "first_month": first and self._format("yMMMM", first),
            "area": scan_sudo and scan_sudo.area,
            "located": located,
            "asked": asked,
            "information": order_sudo.product_id.description_sale,
            "promotion": order_sudo.cap_codes and order_sudo.reward_program_id.name,
            **self._prepare_path_values(info),
        }
        if scan_sudo:
            values["scan_token"] = hash_sign(request.env(su=True), SCOPE, scan_sudo.id, expiration_hours=1)
            values["erase_token"] = hash_sign(request.env(su=True), ERASE_SCOPE, scan_sudo.id)
            report = request.env["dms.scan.report"]
            values["report_kinds"] = [
                one
                for one in report._fields["kind"]._description_selection(request.env)
                if one[0] != "enumeration"
            ]
        if scan_sudo and not located and values["areas"]:
            values["regions"], values["other_countries"] = self._get_regions()
        return values

    def _prepare_path_values(self, info):
        """Time line and points of the code's path, for those whose role allows it.

        Our staff of the channel sees all; a distributor or an outlet what happened at its own, and nothing of others.
        """
        user = request.env.user
        if user._is_public():
            return {}
        events = request.env["dms.trace.event"].sudo()._of_codes([info["key"]]).get(info["key"], [])
        staff = user.has_group("dms_channel.dms_channel_group_user")
        member_sudo = user.partner_id.sudo().commercial_partner_id
        if not staff:
            if not member_sudo.channel_role:
                return {}
            events = [event for event in events if event.partner_id == member_sudo]
        steps = dict(request.env["dms.trace.event"]._fields["biz_step"]._description_selection(request.env))
        path = [
            {
                "when": self._format("yMMMd", event.event_time),
                "step": steps.get(event.biz_step),
                "who": event.partner_id.name if staff else None,
                "point": (event.partner_id.partner_latitude, event.partner_id.partner_longitude),
            }
            for event in events
        ]
        return {
            "path_events": path,
            "path_points": self._draw_points([one["point"] for one in path]) if staff else [],
        }

    @staticmethod
    def _draw_points(points):
        """Places in a picture of 320 x 160, north up, without those that are not known."""
        known = [point for point in dict.fromkeys(points) if any(point)]
        if len(known) < 2:
            return []
        south, north = min(lat for lat, _lon in known), max(lat for lat, _lon in known)
        west, east = min(lon for _lat, lon in known), max(lon for _lat, lon in known)
        scale = min(280 / ((east - west) or 1), 120 / ((north - south) or 1))
        return [(round(20 + (lon - west) * scale), round(140 - (lat - south) * scale)) for lat, lon in known]

    def _format(self, skeleton, moment):
        """A date as people of the page's language write it, with the month in words."""
        lang = request.env["res.lang"]._get_data(code=request.env.lang or "en_US")
        return format_skeleton(skeleton, moment, locale=babel_locale_parse(lang.code))

    def _get_regions(self):
        """What the region picker offers: the states of the countries we sell in, then the other countries.

        :return: ``[(country name, [(value, name), ...]), ...]``, ``[(value, name), ...]``
        """
        territories_sudo = request.env["dms.territory"].sudo().search([])
        Country = request.env["res.country"].sudo()
        countries = (
            territories_sudo.country_ids | territories_sudo.state_ids.country_id
            or request.env.company.sudo().country_id
        )
        regions = []
        for country in countries.sorted("name"):
            states = country.state_ids.sorted("name")
            options = [(f"s{state.id}", state.name) for state in states] or [(f"c{country.id}", country.name)]
            regions.append((country.name, options))
        others = Country.search([("id", "not in", countries.ids)]).sorted("name")
        return regions, [(f"c{country.id}", country.name) for country in others]
