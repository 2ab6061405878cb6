import binascii
from urllib.parse import urlencode

from odoo import http
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Command, Domain
from odoo.http import request

from .distributor import DistributorPortal

PRODUCTS_OFFERED = 500
# Products of one proposal.
ROWS_ACCEPTED = 100


class TransferPortal(DistributorPortal):
    """Goods between distributors: proposed, agreed to, shipped and received. What one side has or paid is never shown to
    the other; of the other it learns the name, and once all agree the address and telephone."""

    @http.route(["/my/transfers", "/my/transfers/page/<int:page>"], type="http", auth="user", website=True)
    def dms_transfers(self, page=1, sortby=None, filterby=None, search="", **kw):
        distributor_sudo = self._dms_distributor()
        if not distributor_sudo:
            return request.redirect("/my")
        values = self._dms_list_values(
            "dms.transfer", list(self._dms_transfers_domain()), "/my/transfers", "dms_transfer",
            page=page, sortby=sortby, filterby=filterby, search=search,
            search_domain=lambda text: [("name", "ilike", text)],
            sortings={
                "date": {"label": request.env._("Newest"), "order": "id desc"},
                "name": {"label": request.env._("Transfer No."), "order": "name"},
            },
            filters={
                "all": {"label": request.env._("All"), "domain": []},
                "todo": {"label": request.env._("For you to do"), "domain": list(self._dms_transfers_todo_domain())},
                "out": {"label": request.env._("From you"), "domain": [("giver_id", "=", distributor_sudo.id)]},
                "in": {"label": request.env._("To you"), "domain": [("taker_id", "=", distributor_sudo.id)]},
                "done": {"label": request.env._("Ended"), "domain": [("state", "in", ("received", "refused", "cancelled"))]},
            },
        )  # fmt: skip
        values.update({"transfers": values["records"].sudo(), "own_sudo": distributor_sudo})
        return request.render("dms_portal.portal_transfers", values)

    @http.route("/my/transfers/new", type="http", auth="user", methods=["GET", "POST"], website=True)
    def dms_transfer_new(self, side="giver", **post):
        distributor_sudo = self._dms_distributor()
        if not distributor_sudo:
            return request.redirect("/my")
        side = side if side in ("giver", "taker") else "giver"
        error = None
        if request.httprequest.method == "POST":
            try:
                with request.env.cr.savepoint():
                    transfer = self._dms_propose(distributor_sudo, side, post)
                return request.redirect(f"/my/transfers/{transfer.id}")
            except (AccessError, UserError, ValidationError) as refused:
                error = str(refused)
        values = self._prepare_portal_layout_values()
        values.update(
            {
                "page_name": "dms_transfer",
                "dms_title": request.env._("New transfer"),
                "dms_error": error,
                "side": side,
                "goods": self._dms_goods(distributor_sudo, side),
                "may_name": request.env.company.sudo().dms_transfer_name_partner,
                "rows": self._dms_rows() or [("", "")],
                "post": post,
            }
        )
        return request.render("dms_portal.portal_transfer_new", values)

    @http.route("/my/transfers/<int:transfer_id>", type="http", auth="public", website=True)
    def dms_transfer(self, transfer_id, access_token=None, **counted):
        transfer_sudo = self._dms_find_transfer(transfer_id, access_token)
        if not transfer_sudo:
            return request.redirect("/my")
        return self._dms_render_transfer(transfer_sudo, access_token, counted=counted)

    @http.route("/my/transfers/<int:transfer_id>/pdf", type="http", auth="public", website=True)
    def dms_transfer_pdf(self, transfer_id, access_token=None, **kw):
        transfer_sudo = self._dms_find_transfer(transfer_id, access_token)
        states = ("agreed", "shipped", "difference", "received")
        if not transfer_sudo or transfer_sudo.state not in states:
            return request.redirect("/my")
        try:
            content = transfer_sudo._render_delivery_note()
        except UserError as error:
            return self._dms_render_transfer(transfer_sudo, access_token, error=str(error))
        name = f"{transfer_sudo.name.replace('/', '-')}.pdf"
        return request.make_response(
            content,
            [("Content-Type", "application/pdf"), ("Content-Disposition", http.content_disposition(name))],
        )

    @http.route(
        "/my/transfers/<int:transfer_id>/<any(agree,refuse,change,ship):what>",
        type="http",
        auth="user",
        methods=["POST"],
        website=True,
    )
    def dms_transfer_answer(self, transfer_id, what, name="", reason="", tracking="", **post):
        transfer_sudo = self._dms_find_transfer(transfer_id)
        if not transfer_sudo or not self._dms_side(transfer_sudo):
            return request.redirect("/my/transfers")
        # The access check hands the record to the superuser; who answers is the visitor.
        transfer = request.env["dms.transfer"].browse(transfer_id)
        try:
            with request.env.cr.savepoint():
                match what:
                    case "agree":
                        transfer._agree(name, request.httprequest.remote_addr)
                    case "refuse":
                        transfer._refuse(name, reason)
                    case "change":
                        transfer._change_quantities(
                            {
                                line: quantity
                                for line, (quantity, _reason) in self._dms_counted(
                                    transfer_sudo, post
                                ).items()
                            },
                            name,
                        )
                    case "ship":
                        transfer._ship(name, self._dms_counted(transfer_sudo, post), tracking)
        except (AccessError, UserError, ValidationError) as error:
            return self._dms_render_transfer(transfer_sudo, error=str(error))
        return request.redirect(f"/my/transfers/{transfer_id}")

    @http.route("/my/transfers/<int:transfer_id>/receive", type="jsonrpc", auth="user", website=True)
    def dms_transfer_receive(self, transfer_id, name=None, signature=None, **kw):
        transfer_sudo = self._dms_find_transfer(transfer_id)
        if not transfer_sudo or self._dms_side(transfer_sudo) != "taker":
            return {"error": request.env._("You may not sign for this transfer. Ask our staff for access.")}
        if not signature:
            return {"error": request.env._("The signature is missing. Draw it, or type your name.")}
        try:
            counted = self._dms_counted(transfer_sudo, request.httprequest.args)
            request.env["dms.transfer"].browse(transfer_id)._receive(name, signature, counted)
            request.env.cr.flush()
        except (AccessError, UserError) as error:
            request.env.cr.rollback()
            return {"error": str(error)}
        except (TypeError, ValueError, binascii.Error):
            request.env.cr.rollback()
            return {"error": request.env._("The signature is no picture. Draw it again.")}
        return {"force_refresh": True, "redirect_url": f"/my/transfers/{transfer_id}"}

    # === HELPERS ===

    def _dms_find_transfer(self, transfer_id, access_token=None):
        """The transfer, in sudo, once it was proposed; a draft is the staff's."""
        transfer_sudo = self._dms_find("dms.transfer", transfer_id, access_token)
        hidden = transfer_sudo and transfer_sudo.state == "draft" and not request.env.user._is_internal()
        return None if hidden else transfer_sudo

    def _dms_side(self, transfer_sudo):
        """Which side the visitor's company is on; None for staff and visitors with a link."""
        own_sudo = self._dms_distributor()
        for side in ("giver", "taker"):
            if own_sudo and transfer_sudo[f"{side}_id"] == own_sudo:
                return side
        return None

    def _dms_counted(self, transfer_sudo, values):
        """The quantities and reasons of a form's fields ``quantity_<line>`` and ``reason_<line>``.

        :return: ``{line: (quantity, reason)}`` of the lines that the form holds
        """
        counted = {}
        for line in transfer_sudo.line_ids:
            text = (values.get(f"quantity_{line.id}") or "").strip()
            if not text:
                continue
            counted[line] = self._dms_number(text), values.get(f"reason_{line.id}") or ""
        return counted

    def _dms_number(self, text):
        try:
            number = float(text)
        except ValueError:
            raise UserError(request.env._("“%s” is no number.", text)) from None
        if not 0 <= number <= 1e9:
            raise UserError(request.env._("Enter quantities of zero or more."))
        return number

    def _dms_propose(self, distributor_sudo, side, post):
        offered = {str(product.id): product for product, _free in self._dms_goods(distributor_sudo, side)}
        quantities = {}
        for product_id, quantity in self._dms_rows():
            if product_id not in offered:
                raise UserError(request.env._("Choose a product."))
            if product_id in quantities:
                raise UserError(
                    request.env._(
                        "%s stands in two rows: enter its whole quantity in one.",
                        offered[product_id].display_name,
                    )
                )
            quantities[product_id] = self._dms_number(quantity)
        if not quantities:
            raise UserError(request.env._("Choose a product."))
        vals = {
            f"{side}_id": distributor_sudo.id,
            "company_id": request.env.company.id,
            "reason": (post.get("reason") or "").strip()[:2000],
            "line_ids": [
                Command.create({"product_id": int(product_id), "product_uom_qty": quantity})
                for product_id, quantity in quantities.items()
            ],
        }
        reference = (post.get("reference") or "").strip()
        if reference:
            other = "taker" if side == "giver" else "giver"
            vals[f"{other}_id"] = self._dms_named_distributor(reference).id
        return request.env["dms.transfer"]._propose([vals], request.env.user.name)

    def _dms_rows(self):
        """The rows of the form as pairs of texts, product and quantity; rows that were left empty are none."""
        form = request.httprequest.form
        pairs = zip(form.getlist("product_id"), form.getlist("quantity"), strict=False)
        rows = [(product_id.strip(), quantity.strip()) for product_id, quantity in pairs]
        return [row for row in rows if any(row)][:ROWS_ACCEPTED]

    def _dms_named_distributor(self, reference):
        """A distributor of the company by its reference, where the brand lets distributors name each other."""
        company_sudo = request.env.company.sudo()
        if not company_sudo.dms_transfer_name_partner:
            raise UserError(request.env._("Leave the other side to us: we find it for you."))
        found_sudo = (
            request.env["res.partner"]
            .sudo()
            .search(
                [
                    ("ref", "=", reference),
                    ("channel_role", "=", "distributor"),
                    ("company_id", "in", (False, company_sudo.id)),
                    (
                        "dms_agreement_ids",
                        "any",
                        [("company_id", "=", company_sudo.id), ("state", "=", "active")],
                    ),
                ],
                limit=1,
            )
        )
        if not found_sudo:
            raise UserError(
                request.env._("No distributor has the reference “%s”. Ask the other side for it.", reference)
            )
        return found_sudo

    def _dms_goods(self, distributor_sudo, side):
        """What the distributor may offer, from its own stock, or ask for, as its agreement covers it.

        :return: pairs of product (sudo) and what the distributor has to spare of it
        """
        company = request.env.company
        if side == "giver":
            positions_sudo = (
                request.env["dms.channel.position"]
                .sudo()
                .search(
                    [
                        ("partner_id", "=", distributor_sudo.id),
                        ("company_id", "=", company.id),
                        ("quantity", ">", 0),
                    ]
                )
            )
            pairs = [
                (position.product_id, position.quantity - position.in_transit - position.promised)
                for position in positions_sudo
            ]
            return sorted((pair for pair in pairs if pair[1] > 0), key=lambda pair: pair[0].display_name)
        agreement_sudo = distributor_sudo.with_company(company).dms_agreement_id
        domain = agreement_sudo._get_covered_domain(distributor_sudo.territory_id)
        products_sudo = (
            request.env["product.product"]
            .sudo()
            .search(
                domain
                & Domain("type", "=", "consu")
                & Domain("sale_ok", "=", True)
                & Domain("company_id", "in", (False, company.id)),
                limit=PRODUCTS_OFFERED,
                order="default_code, name",
            )
        )
        return [(product, 0.0) for product in products_sudo]

    def _dms_render_transfer(self, transfer_sudo, access_token=None, error=None, counted=None):
        side = self._dms_side(transfer_sudo)
        counted = {
            key: value for key, value in (counted or {}).items() if key.startswith(("quantity_", "reason_"))
        }
        try:
            differing = self._dms_counted(transfer_sudo, counted)
        except UserError as problem:
            differing, error = {}, error or str(problem)
        receive_url = f"/my/transfers/{transfer_sudo.id}/receive"
        if differing:
            receive_url += f"?{urlencode(counted)}"
        company_sudo = transfer_sudo.company_id
        sees_price = side == "giver" or (side == "taker" and company_sudo.dms_transfer_show_price)
        open_to_all = transfer_sudo.state in ("agreed", "shipped", "difference", "received")
        values = self._prepare_portal_layout_values()
        values.update(
            {
                "page_name": "dms_transfer",
                "dms_title": transfer_sudo.name,
                "dms_error": error,
                "transfer": transfer_sudo,
                "side": side,
                "own_reason": transfer_sudo._get_own_reason(side),
                "token": f"?access_token={access_token}" if access_token else "",
                "may_agree": side
                and transfer_sudo.state == "proposed"
                and not transfer_sudo[f"{side}_agreed"],
                "may_refuse": side and transfer_sudo.state in ("proposed", "agreed"),
                "may_ship": side == "giver" and transfer_sudo.state == "agreed",
                "may_receive": side == "taker" and transfer_sudo.state == "shipped",
                "differing": differing,
                "receive_url": receive_url,
                "signatory": "" if request.env.user._is_public() else request.env.user.name,
                "addresses": open_to_all and side,
                "own_cost": side and transfer_sudo[f"{side}_cost"],
                "own_share": side and transfer_sudo[f"{side}_share"],
                "layers": side
                and [
                    (line, line._get_carried_layers())
                    for line in transfer_sudo.line_ids
                    if transfer_sudo.ship_date
                ],
                "sees_price": sees_price,
                "res_company": company_sudo,
            }
        )
        return request.render("dms_portal.portal_transfer", values)
