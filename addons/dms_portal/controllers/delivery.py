import binascii

from odoo import http
from odoo.exceptions import AccessError, UserError
from odoo.http import request
from odoo.tools import consteq

from .distributor import DistributorPortal

CASES_SHOWN = 200


class DeliveryPortal(DistributorPortal):
    """Deliveries to a distributor: tracked, and signed for on receipt."""

    @http.route(["/my/deliveries", "/my/deliveries/page/<int:page>"], type="http", auth="user", website=True)
    def dms_deliveries(self, page=1, sortby=None, filterby=None, search="", **kw):
        if not self._dms_distributor():
            return request.redirect("/my")
        values = self._dms_list_values(
            "stock.picking", self._dms_deliveries_domain(), "/my/deliveries", "dms_delivery",
            page=page, sortby=sortby, filterby=filterby, search=search,
            search_domain=lambda text: ["|", "|", ("name", "ilike", text), ("origin", "ilike", text), ("carrier_tracking_ref", "ilike", text)],
            sortings={
                "date": {"label": request.env._("Newest"), "order": "date_done desc, scheduled_date desc, id desc"},
                "name": {"label": request.env._("Delivery No."), "order": "name"},
            },
            filters={
                "all": {"label": request.env._("All"), "domain": []},
                "transit": {"label": request.env._("To sign for"), "domain": [("dms_receipt_state", "=", "in_transit")]},
                "coming": {"label": request.env._("In preparation"), "domain": [("state", "!=", "done")]},
                "received": {"label": request.env._("Received"), "domain": [("dms_receipt_state", "=", "received")]},
            },
        )  # fmt: skip
        values["pickings"] = values["records"].sudo()
        return request.render("dms_portal.portal_deliveries", values)

    @http.route("/my/deliveries/<int:picking_id>", type="http", auth="public", website=True)
    def dms_delivery(self, picking_id, access_token=None, **kw):
        picking_sudo = self._dms_find_delivery(picking_id, access_token)
        if not picking_sudo:
            return request.redirect("/my")
        values = self._prepare_portal_layout_values()
        values.update(
            {
                "page_name": "dms_delivery",
                "dms_title": picking_sudo.name,
                "picking": picking_sudo,
                "cases": self._dms_cases(picking_sudo),
                "access_token": access_token,
                "sign_url": f"/my/deliveries/{picking_sudo.id}/sign"
                + (f"?access_token={access_token}" if access_token else ""),
                "signatory": "" if request.env.user._is_public() else request.env.user.name,
                "may_sign": self._dms_may_sign(picking_sudo),
                "res_company": picking_sudo.company_id,
            }
        )
        return request.render("dms_portal.portal_delivery", values)

    @http.route("/my/deliveries/<int:picking_id>/sign", type="jsonrpc", auth="public", website=True)
    def dms_delivery_sign(self, picking_id, access_token=None, name=None, signature=None):
        access_token = access_token or request.httprequest.args.get("access_token")
        picking_sudo = self._dms_find_delivery(picking_id, access_token)
        if not picking_sudo or not self._dms_may_sign(picking_sudo):
            return {"error": request.env._("You may not sign for this delivery. Ask our staff for access.")}
        if not signature:
            return {"error": request.env._("The signature is missing. Draw it, or type your name.")}
        try:
            picking_sudo._dms_sign_receipt(name, signature)
            request.env.cr.flush()
        except (AccessError, UserError) as error:
            return {"error": str(error)}
        except (TypeError, ValueError, binascii.Error):
            return {"error": request.env._("The signature is no picture. Draw it again.")}
        return {
            "force_refresh": True,
            "redirect_url": request.httprequest.path.removesuffix("/sign")
            + (f"?access_token={access_token}" if access_token else ""),
        }

    def _dms_find_delivery(self, picking_id, access_token=None):
        """The delivery, in sudo, when it goes to the user's own company, the visitor is staff that may read it, or
        holds the token of its order; else None."""
        picking_sudo = request.env["stock.picking"].sudo().browse(picking_id).exists()
        if not picking_sudo or picking_sudo.picking_type_code != "outgoing":
            return None
        token = picking_sudo.sale_id.access_token
        if access_token and token and consteq(token, access_token):
            return picking_sudo
        user = request.env.user
        if user._is_internal():
            return (
                picking_sudo if request.env["stock.picking"].browse(picking_id).has_access("read") else None
            )
        if user._is_public():
            return None
        return (
            request.env["stock.picking"]
            .search([("id", "=", picking_id), *self._dms_deliveries_domain()])
            .sudo()
            or None
        )

    def _dms_may_sign(self, picking_sudo):
        """The distributor itself signs, not our staff; holders of the order's link sign in for it."""
        return (
            picking_sudo.dms_receipt_state == "in_transit"
            and picking_sudo.dms_distributor_id == self._dms_distributor()
        )

    def _dms_cases(self, picking_sudo):
        """Packed cases of the delivery: what to look for when the goods arrive."""
        if picking_sudo.state != "done":
            return picking_sudo.env["dms.code"]
        return picking_sudo.env["dms.code"].search(
            [("picking_id", "=", picking_sudo.id), ("level", "=", "case")], limit=CASES_SHOWN
        )
