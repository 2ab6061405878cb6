from odoo import http
from odoo.exceptions import UserError
from odoo.http import request

from .distributor import DistributorPortal


class AgreementPortal(DistributorPortal):
    @http.route(["/my/agreements", "/my/agreements/page/<int:page>"], type="http", auth="user", website=True)
    def dms_agreements(self, page=1, **kw):
        if not self._dms_distributor():
            return request.redirect("/my")
        values = self._dms_list_values(
            "dms.agreement", self._dms_own(("state", "!=", "draft")), "/my/agreements", "dms_agreement", page=page,
            sortings={"date": {"label": request.env._("Newest"), "order": "date_start desc, id desc"}},
        )  # fmt: skip
        values["agreements"] = values["records"].sudo()
        return request.render("dms_portal.portal_agreements", values)

    @http.route("/my/agreements/<int:agreement_id>", type="http", auth="public", website=True)
    def dms_agreement(self, agreement_id, access_token=None, **kw):
        agreement_sudo = self._dms_find_agreement(agreement_id, access_token)
        if not agreement_sudo:
            return request.redirect("/my")
        token = f"?access_token={access_token}" if access_token else ""
        values = self._prepare_portal_layout_values()
        values.update(
            {
                "page_name": "dms_agreement",
                "dms_title": agreement_sudo.display_name,
                "agreement": agreement_sudo,
                "may_sign": self._dms_may_sign_agreement(agreement_sudo, access_token),
                "pdf_url": f"/dms/agreement/{agreement_sudo.id}/pdf{token}",
                "differences": agreement_sudo._get_differences(),
                "sign_url": f"/my/agreements/{agreement_sudo.id}/sign{token}",
                "signatory": "" if request.env.user._is_public() else request.env.user.name,
                "res_company": agreement_sudo.company_id,
            }
        )
        return request.render("dms_portal.portal_agreement", values)

    @http.route("/my/agreements/<int:agreement_id>/sign", type="jsonrpc", auth="public", website=True)
    def dms_agreement_sign(self, agreement_id, access_token=None, name=None, signature=None):
        access_token = access_token or request.httprequest.args.get("access_token")
        agreement_sudo = self._dms_find_agreement(agreement_id, access_token)
        if not agreement_sudo or not self._dms_may_sign_agreement(agreement_sudo, access_token):
            return {"error": request.env._("This agreement does not wait for your signature.")}
        try:
            agreement_sudo._sign(name, signature, request.httprequest.remote_addr)
        except UserError as error:
            return {"error": str(error)}
        return {"force_refresh": True}

    def _dms_find_agreement(self, agreement_id, access_token):
        agreement_sudo = self._dms_find("dms.agreement", agreement_id, access_token)
        return agreement_sudo if agreement_sudo and agreement_sudo.state != "draft" else None

    def _dms_may_sign_agreement(self, agreement_sudo, access_token):
        """The distributor signs, or whoever holds the link that was sent to it; not our staff."""
        user = request.env.user
        own = agreement_sudo.partner_id == self._dms_distributor()
        return agreement_sudo.state == "sent" and (own or (bool(access_token) and not user._is_internal()))
