from datetime import timedelta

from odoo import fields, http
from odoo.exceptions import AccessError, UserError
from odoo.fields import Domain
from odoo.http import request

from .feed import FeedPortal

#: What can be typed in; the rest comes from other programs.
FORM_KINDS = ("sell_through", "count", "returns")
PRODUCTS_SHOWN = 300
#: Rows for products that are not in the list.
EXTRA_ROWS = 3
USUAL_DAYS = 180


class FeedFormPortal(FeedPortal):
    """A report without a file: quantities typed in beside the products that the sender usually handles."""

    @http.route("/my/feeds/form", type="http", auth="user", methods=["GET", "POST"], website=True)
    def dms_feed_form(self, kind="sell_through", **post):
        member_sudo = self._dms_member()
        if not member_sudo:
            return request.redirect("/my")
        kinds = [name for name in self._dms_kinds() if name in FORM_KINDS]
        if kind not in kinds:
            kind = kinds[0]
        products_sudo = self._dms_form_products(member_sudo)
        error = None
        if request.httprequest.method == "POST":
            rows = self._dms_form_rows(products_sudo, post)
            try:
                return self._dms_received(lambda: request.env["dms.feed"]._receive_rows(rows, kind))
            except (AccessError, UserError) as problem:
                error = str(problem)
        values = self._prepare_portal_layout_values() | {
            "page_name": "dms_feed",
            "dms_title": request.env._("Type it in"),
            "dms_error": error,
            "kind": kind,
            "kinds": kinds,
            "products": products_sudo,
            "outlets": self._dms_form_outlets(member_sudo) if kind != "count" else None,
            "extra_rows": range(EXTRA_ROWS),
            "today": fields.Date.context_today(request.env.user),
            "typed": post,
        }
        return request.render("dms_portal.portal_feed_form", values)

    def _dms_form_rows(self, products_sudo, post):
        """The rows with a quantity: {column of a feed: text}."""
        typed = [
            (product.default_code or product.barcode, post.get(f"quantity_{product.id}"))
            for product in products_sudo
        ]
        typed += [(post.get(f"code_{number}"), post.get(f"more_{number}")) for number in range(EXTRA_ROWS)]
        shared = {name: (post.get(name) or "").strip() for name in ("date", "outlet", "reference")}
        rows = [
            {"product_code": (code or "").strip(), "quantity": (quantity or "").strip(), **shared}
            for code, quantity in typed
        ]
        return [row for row in rows if row["quantity"]]

    def _dms_form_products(self, member_sudo):
        """Products that the member has in stock, or that moved there lately; an outlet's without any, its supplier's."""
        env = member_sudo.env
        since = fields.Date.context_today(request.env.user) - timedelta(days=USUAL_DAYS)
        company = Domain("company_id", "=", env.company.id)
        moved = company & Domain("week", ">=", since)
        distributor_sudo = (
            member_sudo._get_distributor() if member_sudo.channel_role == "outlet" else member_sudo
        )
        stocked = company & Domain([("partner_id", "=", distributor_sudo.id), ("quantity", ">", 0)])
        places = [
            ("dms.channel.week", moved & Domain("partner_id", "=", distributor_sudo.id)),
            ("dms.channel.position", stocked),
        ]
        if member_sudo != distributor_sudo:
            places.insert(0, ("dms.channel.week", moved & Domain("outlet_id", "=", member_sudo.id)))
        ids = set()
        for model, domain in places:
            ids |= {product.id for [product] in env[model]._read_group(domain, ["product_id"])}
            if ids and member_sudo != distributor_sudo:
                break
        return env["product.product"].search(
            [("id", "in", list(ids)), "|", ("default_code", "!=", False), ("barcode", "!=", False)],
            order="categ_id, name, id",
            limit=PRODUCTS_SHOWN,
        )

    def _dms_form_outlets(self, member_sudo):
        """The outlets that a distributor may name; an outlet reports its own sales."""
        if member_sudo.channel_role != "distributor":
            return None
        return member_sudo.search(
            [("upstream_id", "=", member_sudo.id), ("channel_role", "=", "outlet"), ("ref", "!=", False)],
            order="name",
            limit=1000,
        )
