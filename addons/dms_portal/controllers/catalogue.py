from odoo import fields, http
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.http import request
from odoo.tools import format_date, formatLang

from odoo.addons.dms_channel.tools.words import format_quantity
from odoo.addons.portal.controllers.portal import pager as portal_pager

from .distributor import DistributorPortal

PRODUCTS_PER_PAGE = 24


class CataloguePortal(DistributorPortal):
    """What the agreement covers, at the distributor's own prices, and the cart. An outlet reads it without prices."""

    @http.route(["/my/catalogue", "/my/catalogue/page/<int:page>"], type="http", auth="user", website=True)
    def dms_catalogue(self, page=1, search="", categ=None, sortby=None, **kw):
        member_sudo = self._dms_member()
        if not member_sudo:
            return request.redirect("/my")
        values = self._prepare_portal_layout_values()
        values.update(self._dms_catalogue_values(member_sudo, page, search, categ, sortby))
        return request.render("dms_portal.portal_catalogue", values)

    @http.route("/my/catalogue/quantity", type="jsonrpc", auth="user", website=True)
    def dms_catalogue_quantity(self, product_id, quantity, order_id=None, view="bar", **kw):
        """Order a quantity; answers the cart as it now is, as HTML, or a sentence that says what is wrong."""
        distributor_sudo = self._dms_distributor()
        if not distributor_sudo:
            return {"error": request.env._("Only a distributor can order here.")}
        company = request.env.company
        product_sudo = self._dms_find_product(distributor_sudo, product_id)
        if not product_sudo:
            return {
                "error": request.env._(
                    "Your agreement does not cover this product any more. Load the page again."
                )
            }
        try:
            number = float(quantity or 0)
        except (TypeError, ValueError):
            return {"error": request.env._("Enter the quantity as a number.")}
        if not 0 <= number <= 1e6:
            return {"error": request.env._("Enter a quantity between 0 and 1,000,000.")}
        Order_sudo = request.env["sale.order"].sudo().with_company(company)
        if order_id:
            order_sudo = self._dms_find_cart(order_id)
            if not order_sudo:
                return {"error": request.env._("This order can't be changed any more. Load the page again.")}
        else:
            order_sudo = Order_sudo._dms_get_cart(distributor_sudo, company, create=True)
        try:
            order_sudo._dms_set_quantity(product_sudo, number)
        except UserError as error:
            return {"error": str(error)}
        template = "dms_portal.portal_cart_content" if view == "cart" else "dms_portal.portal_cart_bar"
        html = request.env["ir.qweb"]._render(template, self._dms_cart_values(order_sudo, distributor_sudo))
        return {"html": html, "count": len(order_sudo._get_dms_lines())}

    @http.route(["/my/cart", "/my/cart/<int:order_id>"], type="http", auth="user", website=True)
    def dms_cart(self, order_id=None, error=None, **kw):
        distributor_sudo = self._dms_distributor()
        if not distributor_sudo:
            return request.redirect("/my")
        if order_id:
            order_sudo = self._dms_find_cart(order_id)
            if not order_sudo:
                return request.redirect("/my/orders")
        else:
            order_sudo = request.env["sale.order"].sudo()._dms_get_cart(distributor_sudo, request.env.company)
        return self._dms_render_cart(order_sudo, distributor_sudo)

    @http.route("/my/cart/<int:order_id>/send", type="http", auth="user", methods=["POST"], website=True)
    def dms_cart_send(self, order_id, client_order_ref="", partner_shipping_id=None, **kw):
        distributor_sudo = self._dms_distributor()
        order_sudo = self._dms_find_cart(order_id)
        if not order_sudo:
            return request.redirect("/my/orders")
        try:
            with request.env.cr.savepoint():
                order_sudo.client_order_ref = client_order_ref.strip()[:100]
                address = self._dms_shipping_addresses(distributor_sudo).filtered(
                    lambda partner: str(partner.id) == partner_shipping_id
                )
                if address:
                    order_sudo.partner_shipping_id = address
                order_sudo._dms_submit()
        except UserError as error:
            return self._dms_render_cart(order_sudo, distributor_sudo, error=str(error))
        return request.redirect(f"/my/orders/{order_sudo.id}?dms_sent=1")

    @http.route("/my/cart/<int:order_id>/take_back", type="http", auth="user", methods=["POST"], website=True)
    def dms_cart_take_back(self, order_id, **kw):
        order_sudo = self._dms_find("sale.order", order_id)
        if not order_sudo or order_sudo.partner_id.commercial_partner_id != self._dms_distributor():
            return request.redirect("/my/orders")
        try:
            order_sudo._dms_take_back()
        except UserError:
            return request.redirect(f"/my/orders/{order_sudo.id}")
        return request.redirect(f"/my/cart/{order_sudo.id}")

    @http.route("/my/cart/<int:order_id>/split", type="http", auth="user", methods=["POST"], website=True)
    def dms_cart_split(self, order_id, **kw):
        """Order now what the rules let through of a held order; the rest goes on waiting."""
        order_sudo = self._dms_find("sale.order", order_id)
        if not order_sudo or order_sudo.partner_id.commercial_partner_id != self._dms_distributor():
            return request.redirect("/my/orders")
        try:
            with request.env.cr.savepoint():
                order_sudo._dms_split()
        except UserError:
            return request.redirect(f"/my/orders/{order_sudo.id}?dms_split_error=1")
        return request.redirect(f"/my/orders/{order_sudo.id}?dms_sent=1")

    # What the pages show

    def _dms_find_cart(self, order_id):
        """The order, in sudo, when it is the user's own and still to be sent; else None."""
        order_sudo = self._dms_find("sale.order", order_id)
        own = order_sudo and order_sudo.partner_id.commercial_partner_id == self._dms_distributor()
        return order_sudo if own and order_sudo._dms_is_editable() else None

    def _dms_agreement(self, member_sudo):
        """The agreement in force today of the member, or of the distributor that supplies it (in sudo)."""
        distributor_sudo = member_sudo._get_distributor()
        today = fields.Date.context_today(request.env.user)
        Agreement_sudo = request.env["dms.agreement"].sudo()
        return Agreement_sudo._get_active(distributor_sudo, today, request.env.company).get(
            distributor_sudo, Agreement_sudo.browse()
        )

    def _dms_products_domain(self, agreement_sudo, member_sudo):
        """What the order rules would let the member buy: an outlet only what is sold in its territory."""
        company = request.env.company
        territory_sudo = member_sudo.territory_id if member_sudo.channel_role == "outlet" else None
        return (
            Domain([("sale_ok", "=", True), ("type", "=", "consu")])
            & Domain("company_id", "in", [False, company.id])
            & agreement_sudo._get_covered_domain(territory_sudo)
        )

    def _dms_find_product(self, distributor_sudo, product_id):
        agreement_sudo = self._dms_agreement(distributor_sudo)
        if not agreement_sudo or not str(product_id).isdecimal():
            return None
        domain = self._dms_products_domain(agreement_sudo, distributor_sudo) & Domain(
            "id", "=", int(product_id)
        )
        return request.env["product.product"].sudo().search(domain)

    def _dms_catalogue_values(self, member_sudo, page, search, categ, sortby):
        company = request.env.company
        is_distributor = member_sudo.channel_role == "distributor"
        agreement_sudo = self._dms_agreement(member_sudo)
        sortings = {
            "name": {"label": request.env._("Name"), "order": "name, default_code, id"},
            "code": {"label": request.env._("Code"), "order": "default_code, id"},
        }
        sortby = sortby if sortby in sortings else "name"
        search = (search or "").strip()
        values = {
            "page_name": "dms_catalogue",
            "default_url": "/my/catalogue",
            "member_sudo": member_sudo,
            "agreement_sudo": agreement_sudo,
            "search": search,
            "sortby": sortby,
            "searchbar_sortings": sortings,
            "categ": None,
            "rows": [],
        }
        if not agreement_sudo:
            return values
        Product_sudo = request.env["product.product"].sudo().with_company(company)
        domain = self._dms_products_domain(agreement_sudo, member_sudo)
        categories_sudo = (
            request.env["product.category"]
            .sudo()
            .browse([categ_id.id for (categ_id,) in Product_sudo._read_group(domain, ["categ_id"])])
        )
        categ_sudo = categories_sudo.filtered(lambda category: str(category.id) == categ)
        if categ_sudo:
            domain &= Domain("categ_id", "=", categ_sudo.id)
        if search:
            domain &= Domain.OR(Domain(name, "ilike", search) for name in ("name", "default_code", "barcode"))
        total = Product_sudo.search_count(domain)
        url_args = {"search": search, "categ": categ_sudo.id, "sortby": sortby}
        pager = portal_pager(
            url="/my/catalogue",
            total=total,
            page=int(page),
            step=PRODUCTS_PER_PAGE,
            url_args={key: value for key, value in url_args.items() if value},
        )
        products_sudo = Product_sudo.search(
            domain, order=sortings[sortby]["order"], limit=PRODUCTS_PER_PAGE, offset=pager["offset"]
        )
        cart_sudo = request.env["sale.order"].sudo()
        if is_distributor:
            cart_sudo = cart_sudo._dms_get_cart(member_sudo, company)
            values.update(self._dms_cart_values(cart_sudo, member_sudo))
        values.update(
            {
                "pager": pager,
                "total": total,
                "categories": categories_sudo.sorted("display_name"),
                "categ": categ_sudo,
                "rows": self._dms_product_rows(products_sudo, member_sudo, cart_sudo, is_distributor),
                "promotions": self._dms_promotions(member_sudo),
            }
        )
        return values

    def _dms_product_rows(self, products_sudo, member_sudo, cart_sudo, with_prices):
        """One dict per product: what it costs, what is available and what is in the cart."""
        company = request.env.company
        pricelist_sudo = member_sudo.with_company(company).property_product_pricelist
        currency = pricelist_sudo.currency_id or company.currency_id
        prices = {}
        if with_prices:
            prices = pricelist_sudo._get_products_price(products_sudo, 1.0, currency=currency)
        ordered = {
            line.product_id: line
            for line in cart_sudo.order_line.sorted(reverse=True)
            if not line.is_reward_line
        }
        rows = []
        for product_sudo in products_sudo:
            line = ordered.get(product_sudo)
            unit = product_sudo.uom_id
            uom = line.product_uom_id if line else product_sudo._dms_get_order_uom()
            size = uom._compute_quantity(1.0, unit, round=False)
            rows.append(
                {
                    "product": product_sudo,
                    "unit": unit,
                    "uom": uom,
                    "size": size,
                    "price": prices.get(product_sudo.id),
                    "price_pack": prices.get(product_sudo.id, 0.0) * size,
                    "currency": currency,
                    "storable": product_sudo.is_storable,
                    "available": max(product_sudo.free_qty, 0.0) if product_sudo.is_storable else 0.0,
                    "quantity": line.product_uom_qty if line else 0.0,
                }
            )
        return rows

    def _dms_promotions(self, member_sudo):
        """Running promotions that the member may use, in words."""
        order_sudo = (
            request.env["sale.order"]
            .sudo()
            .with_company(request.env.company)
            .new({"partner_id": member_sudo.id, "company_id": request.env.company.id})
        )
        programs_sudo = (
            request.env["loyalty.program"]
            .sudo()
            .search(
                Domain(order_sudo._get_program_domain())
                & Domain("trigger", "=", "auto")
                & Domain("program_type", "in", ("promotion", "buy_x_get_y", "loyalty"))
            )
        )
        return [
            {
                "name": program.name,
                "condition": " ".join(self._dms_rule_text(rule) for rule in program.rule_ids),
                "reward": ", ".join(filter(None, program.reward_ids.mapped("description"))),
                "until": program.date_to and format_date(request.env, program.date_to),
            }
            for program in programs_sudo
        ]

    def _dms_rule_text(self, rule):
        goods = [*rule.product_ids.mapped("display_name"), *rule.product_category_id.mapped("name")]
        parts = []
        if rule.minimum_qty > 1:
            quantity = format_quantity(request.env, rule.minimum_qty)
            parts.append(request.env._("from %(quantity)s units", quantity=quantity))
        if rule.minimum_amount:
            amount = formatLang(request.env, rule.minimum_amount, currency_obj=rule.currency_id)
            parts.append(request.env._("from %(amount)s", amount=amount))
        text = ", ".join(goods) or request.env._("All products")
        return f"{text}: {', '.join(parts)}" if parts else text

    def _dms_cart_values(self, order_sudo, distributor_sudo):
        """Values of the cart bar and the cart; an empty order where nothing is in it yet."""
        company = order_sudo.company_id or request.env.company
        distributor_sudo = distributor_sudo.with_company(company)
        limit = distributor_sudo.dms_credit_limit
        total = (
            order_sudo.currency_id._convert(
                order_sudo.amount_total, company.currency_id, company, fields.Date.context_today(order_sudo)
            )
            if order_sudo
            else 0.0
        )
        return {
            "cart_sudo": order_sudo,
            "cart_lines": order_sudo._get_dms_lines(),
            "reward_lines": order_sudo.order_line.filtered("is_reward_line"),
            "company_currency": company.currency_id,
            "credit_left": limit - distributor_sudo.dms_exposure - total if limit else None,
        }

    def _dms_shipping_addresses(self, distributor_sudo):
        return distributor_sudo | distributor_sudo.child_ids.filtered(
            lambda partner: partner.type == "delivery"
        )

    def _dms_render_cart(self, order_sudo, distributor_sudo, error=None):
        values = self._prepare_portal_layout_values()
        values.update(self._dms_cart_values(order_sudo, distributor_sudo))
        values.update(
            {
                "page_name": "dms_cart",
                "dms_title": order_sudo.name or request.env._("Cart"),
                "dms_error": error,
                "addresses": self._dms_shipping_addresses(distributor_sudo),
            }
        )
        return request.render("dms_portal.portal_cart", values)
