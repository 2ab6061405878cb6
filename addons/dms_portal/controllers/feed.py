import csv
import io

from openpyxl import Workbook

from odoo import http
from odoo.exceptions import AccessError, UserError
from odoo.fields import Domain
from odoo.http import content_disposition, request

from odoo.addons.dms_channel.models.dms_feed_line import MENDABLE_FIELDS, TEXT_FIELDS
from odoo.addons.dms_channel.tools import feed_reader, matching
from odoo.addons.dms_channel.tools.feed_columns import KINDS, FeedError
from odoo.addons.dms_channel.tools.spool import Spool
from odoo.addons.portal.controllers.portal import pager as portal_pager

from .distributor import DistributorPortal

LINES_PER_PAGE = 20
CHOICES_SHOWN = 3000
# Columns that a reason is about; what is not named here concerns them all.
ISSUE_FIELDS = {
    "distributor": ("distributor_code",),
    "outlet": ("outlet_code",),
    "product": ("product_code",),
    "date": ("date_text",),
    "quantity": ("quantity_text",),
    "returned": ("returned_text",),
    "unit": ("unit_text",),
    "price": ("price_text",),
    "amount": ("amount_text",),
    "count_outlet": ("outlet_code",),
    "count_twice": ("quantity_text",),
    "conflict": ("quantity_text", "returned_text", "reference"),
    "duplicate": ("reference",),
    "window_closed": ("date_text",),
    "territory_outside": ("outlet_code",),
    "stock_short": ("quantity_text",),
    "similar": ("reference",),
    "return_twice": ("quantity_text",),
    "batch": ("batch_code",),
    "device": ("device_code",),
    "moment": ("date_text",),
    "time": ("date_text",),
    "reading": ("date_text", "quantity_text"),
    "outlet_closed": ("outlet_code", "date_text"),
    "outlet_similar": ("outlet_code",),
    "outlet_taken": ("outlet_name", "street_text"),
    "outlet_in_use": ("status_text",),
    "name": ("outlet_name",),
    "phone": ("phone_text",),
    "email": ("email_text",),
    "status": ("status_text",),
    "country": ("country_text",),
    "state": ("state_text",),
}


class FeedPortal(DistributorPortal):
    """The inbox of what a distributor, or an outlet, reports itself: upload, mend, map codes, release."""

    @http.route(["/my/feeds", "/my/feeds/page/<int:page>"], type="http", auth="user", website=True)
    def dms_feeds(self, page=1, **kw):
        if not self._dms_member():
            return request.redirect("/my")
        return self._dms_render_feeds(page, **kw)

    @http.route("/my/feeds/upload", type="http", auth="user", methods=["POST"], website=True)
    def dms_feed_upload(self, file=None, kind="sell_through", **kw):
        if not self._dms_member():
            return request.redirect("/my")
        if not file or not getattr(file, "filename", ""):
            return self._dms_render_feeds(error=request.env._("Choose the file to send first."))
        if kind not in self._dms_kinds():
            kind = "sell_through"
        try:
            spool = Spool(file.stream)
            return self._dms_received(
                lambda: request.env["dms.feed"]._receive(
                    spool.path, file.filename[:200], kind=kind, keep=True
                )
            )
        except FeedError as error:
            return self._dms_render_feeds(error=request.env["dms.feed"]._translate_error(error), kind=kind)
        except (AccessError, UserError) as error:
            return self._dms_render_feeds(error=str(error), kind=kind)

    def _dms_received(self, receive):
        """Go to the feed that ``receive`` takes in; says so where it was there before."""
        known = request.env["dms.feed"].search_count(self._dms_own())
        with request.env.cr.savepoint():
            feed = receive()
        again = request.env["dms.feed"].search_count(self._dms_own()) == known
        return request.redirect(f"/my/feeds/{feed.id}" + ("?again=1" if again else ""))

    @http.route("/my/feeds/template/<string:kind>.<string:form>", type="http", auth="user", methods=["GET"])
    def dms_feed_template(self, kind, form, **kw):
        """An empty report with the right headers and an example row."""
        if form not in ("csv", "xlsx") or not self._dms_member() or kind not in self._dms_kinds():
            return request.not_found()
        content = feed_reader.template(kind)
        mimetype = "text/csv; charset=utf-8"
        if form == "xlsx":
            mimetype = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
            book = Workbook()
            for row in csv.reader(io.StringIO(content.decode("utf-8-sig"))):
                book.active.append(row)
            buffer = io.BytesIO()
            book.save(buffer)
            content = buffer.getvalue()
        headers = [("Content-Type", mimetype), ("Content-Disposition", content_disposition(f"{kind}.{form}"))]
        return request.make_response(content, headers=headers)

    @http.route(
        ["/my/feeds/<int:feed_id>", "/my/feeds/<int:feed_id>/page/<int:page>"],
        type="http",
        auth="public",
        website=True,
    )
    def dms_feed(self, feed_id, page=1, show=None, access_token=None, **kw):
        feed_sudo = self._dms_find("dms.feed", feed_id, access_token)
        if not feed_sudo:
            return request.redirect("/my")
        return self._dms_render_feed(feed_sudo, page=page, show=show, access_token=access_token, **kw)

    @http.route("/my/feeds/<int:feed_id>/lines/<int:line_id>", type="jsonrpc", auth="user", website=True)
    def dms_feed_mend(self, feed_id, line_id, texts=None, replace=False, **kw):
        """Mend a line; answers the line and the counts as they now are, as HTML, or a sentence that says what is wrong."""
        feed_sudo = self._dms_find_own_feed(feed_id)
        line_sudo = feed_sudo and feed_sudo.line_ids.browse(line_id).exists().filtered(
            lambda line: line.feed_id == feed_sudo
        )
        if not line_sudo:
            return {"error": request.env._("This line is gone. Load the page again.")}
        texts = {
            name: str(text or "").strip()[:1000]
            for name, text in (texts or {}).items()
            if name in MENDABLE_FIELDS
        }
        try:
            with request.env.cr.savepoint():
                if replace and line_sudo.issues == "conflict":
                    line_sudo._replace()
                elif texts:
                    line_sudo.write(texts)
        except UserError as error:
            return {"error": str(error)}
        qweb = request.env["ir.qweb"]
        values = self._dms_feed_values(feed_sudo)
        return {
            "ok": line_sudo.state != "error",
            "html": qweb._render(
                "dms_portal.portal_feed_line", {**values, "line": line_sudo, "mended": True}
            ),
            "summary": qweb._render("dms_portal.portal_feed_summary", values),
        }

    @http.route("/my/feeds/<int:feed_id>/map", type="http", auth="user", methods=["POST"], website=True)
    def dms_feed_map(self, feed_id, **post):
        """Say what several of the file's codes stand for, at once."""
        feed_sudo = self._dms_find_own_feed(feed_id)
        if not feed_sudo:
            return request.redirect("/my/feeds")
        targets, unknown = {}, []
        choices = self._dms_map_choices(
            feed_sudo, {kind for kind, _code, _count in self._dms_unknown_codes(feed_sudo)}
        )
        all_products = (post.get("target_all") or "").strip()
        for number, (kind, code, _count) in enumerate(self._dms_unknown_codes(feed_sudo)):
            text = (post.get(f"target_{number}") or "").strip()
            if kind == "product" and all_products:
                text = all_products
            if not text or post.get(f"code_{number}") != code:
                continue
            target_id = choices[kind].get(text.lower())
            if target_id:
                targets.setdefault(kind, {})[code] = target_id
            else:
                unknown.append(text)
        for kind, codes in targets.items():
            feed_sudo._map_codes(kind, codes)
        if unknown:
            error = request.env._(
                "Not found: %s. Choose from the list that opens while you type.", ", ".join(unknown)
            )
            return self._dms_render_feed(feed_sudo, error=error)
        count = sum(map(len, targets.values()))
        if not count:
            return self._dms_render_feed(
                feed_sudo, error=request.env._("Choose what at least one of the codes stands for.")
            )
        return request.redirect(f"/my/feeds/{feed_sudo.id}?mapped={count}")

    @http.route("/my/feeds/<int:feed_id>/columns", type="http", auth="user", methods=["POST"], website=True)
    def dms_feed_columns(self, feed_id, **post):
        """Say which column of the file is what; it is read again, and later files are read the same way."""
        return self._dms_work(feed_id, lambda feed: feed._read_again(self._dms_chosen_columns(feed, post)))

    @http.route("/my/feeds/<int:feed_id>/accept", type="http", auth="user", methods=["POST"], website=True)
    def dms_feed_accept(self, feed_id, reason="", line_id=None, **kw):
        """Say why the lines that a rule doubts (or one of them) are right."""

        def accept(feed):
            lines = feed.warning_line_ids
            if line_id:
                lines = lines.filtered(lambda line: str(line.id) == line_id)
            lines.with_user(request.env.user)._accept(reason)

        return self._dms_work(feed_id, accept)

    @http.route("/my/feeds/<int:feed_id>/missing", type="http", auth="user", methods=["POST"], website=True)
    def dms_feed_missing(self, feed_id, reason="", **kw):
        """Say why days are missing."""
        return self._dms_work(feed_id, lambda feed: feed.write({"missing_reason": reason.strip()[:500]}))

    @http.route("/my/feeds/<int:feed_id>/supersede", type="http", auth="user", methods=["POST"], website=True)
    def dms_feed_supersede(self, feed_id, **kw):
        """Let the file replace what was reported before for its days."""
        return self._dms_work(feed_id, lambda feed: feed.with_user(request.env.user)._supersede())

    def _dms_work(self, feed_id, work):
        """Do ``work`` on the user's own feed and show it again, with the sentence where that was refused."""
        feed_sudo = self._dms_find_own_feed(feed_id)
        if not feed_sudo:
            return request.redirect("/my/feeds")
        try:
            with request.env.cr.savepoint():
                work(feed_sudo)
        except (AccessError, UserError) as error:
            return self._dms_render_feed(feed_sudo, error=str(error))
        return request.redirect(f"/my/feeds/{feed_sudo.id}")

    def _dms_chosen_columns(self, feed_sudo, post):
        headers = {choice["header"] for choice in feed_sudo._get_column_choices()}
        return {
            name: post[f"column_{name}"] if post.get(f"column_{name}") in headers else ""
            for name in KINDS[feed_sudo.kind].columns
        }

    @http.route("/my/feeds/<int:feed_id>/release", type="http", auth="user", methods=["POST"], website=True)
    def dms_feed_release(self, feed_id, **kw):
        feed_sudo = self._dms_find_own_feed(feed_id)
        if not feed_sudo:
            return request.redirect("/my/feeds")
        before = feed_sudo.released_count
        try:
            with request.env.cr.savepoint():
                feed_sudo.with_user(request.env.user).action_release()
        except UserError as error:
            return self._dms_render_feed(feed_sudo, error=str(error))
        return request.redirect(f"/my/feeds/{feed_sudo.id}?released={feed_sudo.released_count - before}")

    @http.route("/my/feeds/<int:feed_id>/reject", type="http", auth="user", methods=["POST"], website=True)
    def dms_feed_reject(self, feed_id, **kw):
        feed_sudo = self._dms_find_own_feed(feed_id)
        if not feed_sudo:
            return request.redirect("/my/feeds")
        try:
            feed_sudo.with_user(request.env.user).action_reject()
        except UserError as error:
            return self._dms_render_feed(feed_sudo, error=str(error))
        return request.redirect(f"/my/feeds/{feed_sudo.id}")

    # What the pages show

    def _dms_kinds(self):
        """The kinds of reports that the user's own company can send."""
        return request.env["dms.feed"]._get_kinds(self._dms_member().channel_role)

    @http.route(["/my/shelves", "/my/shelves/page/<int:page>"], type="http", auth="user", website=True)
    def dms_shelves(self, page=1, sortby=None, filterby=None, search="", **kw):
        """What sensors saw on the shelves of the user's outlets, or on its own: the empty ones first."""
        if not self._dms_member():
            return request.redirect("/my")
        own_id = self._dms_member().id
        values = self._dms_list_values(
            "dms.shelf.level", ["|", ("partner_id", "=", own_id), ("outlet_id", "=", own_id)],
            "/my/shelves", "dms_feed",
            page=page, sortby=sortby, filterby=filterby, search=search,
            search_domain=lambda text: ["|",
                ("outlet_id", "in", request.env["res.partner"].sudo()._search([("name", "ilike", text)])),
                ("product_id", "in", request.env["product.product"].sudo()._search([("name", "ilike", text)]))],
            sortings={
                "out": {"label": request.env._("Longest empty"), "order": "is_out desc, out_since, id"},
                "read": {"label": request.env._("Last reading"), "order": "moment desc, id"},
            },
            filters={
                "all": {"label": request.env._("All"), "domain": []},
                "out": {"label": request.env._("Empty"), "domain": [("is_out", "=", True)]},
            },
        )  # fmt: skip
        values |= {"levels": values["records"].sudo(), "dms_title": request.env._("Shelves")}
        return request.render("dms_portal.portal_shelves", values)

    def _dms_find_own_feed(self, feed_id):
        """The feed, in sudo, when the user's own company sent it; whoever only may read it does not work on it."""
        feed_sudo = self._dms_find("dms.feed", feed_id)
        return (
            feed_sudo
            if feed_sudo and feed_sudo.partner_id and feed_sudo.partner_id == self._dms_member()
            else None
        )

    def _dms_render_feeds(
        self, page=1, sortby=None, filterby=None, search="", error=None, kind="sell_through", **kw
    ):
        values = self._dms_list_values(
            "dms.feed", self._dms_own(), "/my/feeds", "dms_feed",
            page=page, sortby=sortby, filterby=filterby, search=search,
            search_domain=lambda text: ["|", ("name", "ilike", text), ("filename", "ilike", text)],
            sortings={
                "date": {"label": request.env._("Newest"), "order": "id desc"},
                "period": {"label": request.env._("Period"), "order": "date_to desc, id desc"},
            },
            filters={
                "all": {"label": request.env._("All"), "domain": []},
                "error": {"label": request.env._("With lines to mend"), "domain": [("error_count", ">", 0), ("state", "not in", ("rejected", "superseded"))]},
                "open": {"label": request.env._("To release"), "domain": [("ok_count", ">", 0), ("state", "not in", ("rejected", "superseded"))]},
            },
        )  # fmt: skip
        score = request.env["dms.feed.score"].search(
            [("partner_id", "=", self._dms_member().id)], order="month desc", limit=1
        )
        values.update(
            {
                "feeds": values["records"].sudo(),
                "dms_error": error,
                "kind": kind,
                "kinds": self._dms_kinds(),
                "score": score.sudo(),
                "empty_shelves": request.env["dms.shelf.level"].search_count([("is_out", "=", True)]),
                "shelves": request.env["dms.shelf.level"].search_count([], limit=1),
            }
        )
        return request.render("dms_portal.portal_feeds", values)

    def _dms_feed_values(self, feed_sudo):
        labels = self._dms_line_labels()
        names = TEXT_FIELDS[feed_sudo.kind]
        if feed_sudo.kind == "count":
            names = [name for name in names if name not in ("outlet_code", "returned_text")]
        labels = {name: label for name, label in labels.items() if name in names}
        return {
            "feed": feed_sudo,
            "labels": labels,
            "issue_fields": self._dms_issue_fields,
            "may_work": feed_sudo.partner_id
            and feed_sudo.partner_id == self._dms_member()
            and feed_sudo.state not in ("rejected", "superseded"),
        }

    def _dms_line_labels(self):
        """The texts of a line that its sender can mend; the distributor is always the sender itself."""
        return {
            "device_code": request.env._("Device"),
            "product_code": request.env._("Product"),
            "date_text": request.env._("Date"),
            "quantity_text": request.env._("Quantity"),
            "outlet_code": request.env._("Outlet"),
            "outlet_name": request.env._("Name"),
            "street_text": request.env._("Address"),
            "city_text": request.env._("City"),
            "zip_text": request.env._("Zip"),
            "state_text": request.env._("State"),
            "country_text": request.env._("Country"),
            "phone_text": request.env._("Phone"),
            "email_text": request.env._("Email"),
            "contact_text": request.env._("Contact"),
            "status_text": request.env._("Open or closed"),
            "batch_code": request.env._("Batch"),
            "reason": request.env._("Reason of return"),
            "unit_text": request.env._("Unit"),
            "price_text": request.env._("Unit price"),
            "amount_text": request.env._("Amount"),
            "returned_text": request.env._("Returned"),
            "reference": request.env._("Reference"),
        }

    def _dms_issue_fields(self, line):
        """Names of the texts that the line's reasons are about."""
        names = []
        texts = TEXT_FIELDS[line.feed_id.kind]
        for issue in f"{line.issues or ''},{line.warnings or ''}".split(","):
            found = ISSUE_FIELDS.get(issue) or ISSUE_FIELDS.get(issue.split("_")[0])
            names += found or (texts if issue else ())
        return [name for name in texts if name in names]

    def _dms_render_feed(self, feed_sudo, page=1, show=None, access_token=None, error=None, **kw):
        counts = {
            "error": feed_sudo.error_count,
            "warning": feed_sudo.warning_count,
            "ok": feed_sudo.ok_count,
            "duplicate": feed_sudo.duplicate_count,
            "released": feed_sudo.released_count,
        }
        if show not in counts:
            show = next((state for state, count in counts.items() if count), "error")
        Line_sudo = feed_sudo.env["dms.feed.line"]
        domain = [("feed_id", "=", feed_sudo.id), ("state", "=", show)]
        pager = portal_pager(
            url=f"/my/feeds/{feed_sudo.id}",
            total=counts[show],
            page=int(page),
            step=LINES_PER_PAGE,
            url_args={
                key: value for key, value in {"show": show, "access_token": access_token}.items() if value
            },
        )
        values = self._prepare_portal_layout_values()
        values.update(self._dms_feed_values(feed_sudo))
        if values["may_work"] and feed_sudo.error_count:
            codes = self._dms_unknown_codes(feed_sudo)
            values["unknown_codes"] = codes
            values["map_choices"] = self._dms_map_labels(feed_sudo, {kind for kind, _code, _count in codes})
            values["suggested"] = self._dms_suggest(codes, values["map_choices"])
        if values["may_work"] and feed_sudo.can_supersede:
            differences = feed_sudo._get_differences()
            products = feed_sudo.env["product.product"].browse(row[0] for row in differences)
            names = {product.id: product.display_name for product in products}
            values["differences"] = [(names[row[0]], row[1], row[2]) for row in differences]
        if values["may_work"] and not feed_sudo.move_count and feed_sudo.partner_id and not feed_sudo.typed:
            values["column_labels"] = feed_sudo._get_column_labels(feed_sudo.kind)[:-1]
            values["column_choices"] = feed_sudo._get_column_choices()
        success = None
        if kw.get("released", "").isdigit():
            if feed_sudo.kind in ("outlet", "sensor"):
                success = request.env._("%s lines released.", kw["released"])
            else:
                success = request.env._("%s lines released: your stock is up to date.", kw["released"])
        elif kw.get("mapped", "").isdigit():
            success = request.env._("%s codes are known from now on, in later files too.", kw["mapped"])
        elif kw.get("again"):
            success = request.env._("You sent this very file before; here is what became of it.")
        values.update(
            {
                "page_name": "dms_feed",
                "dms_title": feed_sudo.name,
                "dms_error": error,
                "dms_success": success,
                "counts": counts,
                "show": show,
                "lines": Line_sudo.search(
                    domain, order="row, id", limit=LINES_PER_PAGE, offset=pager["offset"]
                ),
                "pager": pager,
                "res_company": feed_sudo.company_id,
            }
        )
        return request.render("dms_portal.portal_feed", values)

    def _dms_suggest(self, codes, choices):
        """What each code most likely stands for, as the list shows it: ``{code: text}``."""
        found = {}
        for kind, code, _count in codes:
            rows = [
                (f"{ref} · {name}" if ref else name, (ref, name)) for _id, ref, name in choices.get(kind, ())
            ]
            if best := matching.best(code, rows):
                found[code] = best[0]
        return found

    def _dms_unknown_codes(self, feed_sudo):
        """Codes that stand between the lines and their release: list of (kind, code as sent, number of lines)."""
        values = feed_sudo.env["dms.feed.map.codes"]._get_code_values(feed_sudo.open_line_ids)
        return [(vals["kind"], vals["code"], vals["line_count"]) for vals in values]

    def _dms_map_labels(self, feed_sudo, kinds):
        """What the codes can stand for: ``{kind: [(id, code, name)]}``; outlets only those of the distributor."""
        env = feed_sudo.env
        company_domain = Domain("company_id", "in", [False, feed_sudo.company_id.id])
        result = {}
        if "product" in kinds:
            products = env["product.product"].search(
                Domain([("sale_ok", "=", True), ("type", "=", "consu")]) & company_domain, limit=CHOICES_SHOWN
            )
            result["product"] = [(p.id, p.default_code or "", p.name) for p in products]
        if kinds & {"outlet", "device"}:
            outlets = env["res.partner"].search(
                Domain([("upstream_id", "=", feed_sudo.partner_id.id), ("channel_role", "=", "outlet")]),
                limit=CHOICES_SHOWN,
            )
            rows = [(p.id, p.ref or "", p.name) for p in outlets]
            result |= dict.fromkeys(kinds & {"outlet", "device"}, rows)
        if "unit" in kinds:
            result["unit"] = [(uom.id, "", uom.name) for uom in env["uom.uom"].search([])]
        return result

    def _dms_map_choices(self, feed_sudo, kinds):
        """``{kind: {text in lower case: id}}`` of what may be entered: code, name, or both as the list shows them."""
        choices = {}
        for kind, rows in self._dms_map_labels(feed_sudo, kinds).items():
            texts = choices.setdefault(kind, {})
            for id_, code, name in rows:
                for text in filter(None, (name, code, f"{code} · {name}" if code else "")):
                    texts[text.lower()] = id_
        return choices
