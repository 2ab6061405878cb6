from odoo import http
from odoo.http import request

from .distributor import DistributorPortal


class SettlementPortal(DistributorPortal):
    @http.route(
        ["/my/settlements", "/my/settlements/page/<int:page>"], type="http", auth="user", website=True
    )
    def dms_settlements(self, page=1, sortby=None, search="", **kw):
        if not self._dms_distributor():
            return request.redirect("/my")
        values = self._dms_list_values(
            "dms.settlement", self._dms_own(("state", "in", ("confirmed", "credited"))), "/my/settlements", "dms_settlement",
            page=page, sortby=sortby, search=search, search_domain=lambda text: [("name", "ilike", text)],
            sortings={
                "date": {"label": request.env._("Newest"), "order": "date_to desc, id desc"},
                "amount": {"label": request.env._("Amount"), "order": "amount_total desc, id desc"},
            },
        )  # fmt: skip
        values["settlements"] = values["records"].sudo()
        return request.render("dms_portal.portal_settlements", values)

    @http.route("/my/settlements/<int:settlement_id>", type="http", auth="public", website=True)
    def dms_settlement(self, settlement_id, access_token=None, **kw):
        settlement_sudo = self._dms_find("dms.settlement", settlement_id, access_token)
        if not settlement_sudo:
            return request.redirect("/my")
        values = self._prepare_portal_layout_values()
        values.update(
            {
                "page_name": "dms_settlement",
                "dms_title": settlement_sudo.name,
                "settlement": settlement_sudo,
                "access_token": access_token,
                "res_company": settlement_sudo.company_id,
            }
        )
        return request.render("dms_portal.portal_settlement", values)
