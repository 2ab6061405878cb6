from odoo import http
from odoo.exceptions import UserError
from odoo.http import request

from odoo.addons.dms_channel.models.dms_settlement import LIVE

from .distributor import DistributorPortal


class SettlementPortal(DistributorPortal):
    """Settlements: the distributor follows each figure down to the invoice lines, accepts or disputes line by line, and
    sees how far the pay-out is."""

    @http.route(
        ["/my/settlements", "/my/settlements/page/<int:page>"], type="http", auth="user", website=True
    )
    def dms_settlements(self, page=1, sortby=None, filterby=None, search="", **kw):
        if not self._dms_distributor():
            return request.redirect("/my")
        values = self._dms_list_values(
            "dms.settlement", self._dms_own(("state", "in", LIVE)), "/my/settlements", "dms_settlement",
            page=page, sortby=sortby, filterby=filterby, search=search,
            search_domain=lambda text: [("name", "ilike", text)],
            sortings={
                "date": {"label": request.env._("Newest"), "order": "date_to desc, id desc"},
                "amount": {"label": request.env._("Amount"), "order": "amount_total desc, id desc"},
            },
            filters={
                "all": {"label": request.env._("All"), "domain": []},
                "answer": {"label": request.env._("To answer"), "domain": [("state", "=", "sent")]},
                "open": {
                    "label": request.env._("Not paid out yet"),
                    "domain": [("payout_state", "in", ("open", "partial"))],
                },
            },
        )  # fmt: skip
        values["settlements"] = values["records"].sudo()
        return request.render("dms_portal.portal_settlements", values)

    @http.route("/my/settlements/<int:settlement_id>", type="http", auth="public", website=True)
    def dms_settlement(self, settlement_id, access_token=None, **kw):
        settlement_sudo = self._dms_find_settlement(settlement_id, access_token)
        if not settlement_sudo:
            return request.redirect("/my")
        return self._dms_render_settlement(settlement_sudo, access_token)

    @http.route(
        "/my/settlements/<int:settlement_id>/<any(accept, dispute):what>",
        type="http",
        auth="user",
        methods=["POST"],
        website=True,
    )
    def dms_settlement_answer(self, settlement_id, what, line_id=None, reason="", **kw):
        """Accept or dispute one line; without a line, accept all that are open."""
        settlement_sudo = self._dms_find_settlement(settlement_id)
        if not settlement_sudo or settlement_sudo.partner_id != self._dms_distributor():
            return request.redirect("/my/settlements")
        lines = settlement_sudo.with_user(request.env.user).line_ids
        if line_id:
            lines = lines.filtered(lambda line: str(line.id) == line_id)
        else:
            lines = lines.filtered(lambda line: line.answer == "open")
        try:
            if what == "accept":
                lines._accept()
            else:
                lines[:1]._dispute(reason[:5000])
        except UserError as error:
            return self._dms_render_settlement(
                settlement_sudo, error=str(error), disputed=lines[:1].id, reason=reason
            )
        return request.redirect(f"/my/settlements/{settlement_id}#lines")

    @http.route(
        "/my/settlements/<int:settlement_id>/goods",
        type="http",
        auth="user",
        methods=["POST"],
        website=True,
    )
    def dms_settlement_goods(self, settlement_id, **kw):
        """Begin the order of the goods that a settlement is paid out by; they are chosen in the catalogue."""
        settlement_sudo = self._dms_find_settlement(settlement_id)
        if not settlement_sudo or settlement_sudo.partner_id != self._dms_distributor():
            return request.redirect("/my/settlements")
        try:
            request.env["sale.order"].sudo()._dms_get_goods_cart(settlement_sudo)
        except UserError as error:
            return self._dms_render_settlement(settlement_sudo, error=str(error))
        return request.redirect("/my/catalogue")

    @http.route(
        "/my/settlements/<int:settlement_id>/lines/<int:line_id>", type="http", auth="public", website=True
    )
    def dms_settlement_line(self, settlement_id, line_id, access_token=None, **kw):
        """What made a line: the documents with their lines, and the terms that applied."""
        settlement_sudo = self._dms_find_settlement(settlement_id, access_token)
        line_sudo = settlement_sudo and settlement_sudo.line_ids.filtered(lambda line: line.id == line_id)
        if not line_sudo:
            return request.redirect("/my/settlements")
        values = self._dms_settlement_values(settlement_sudo, access_token)
        values.update({"line": line_sudo, "documents": line_sudo._get_documents()})
        return request.render("dms_portal.portal_settlement_line", values)

    def _dms_find_settlement(self, settlement_id, access_token=None):
        """The settlement, in sudo, once it was sent: a draft is not for the distributor."""
        settlement_sudo = self._dms_find("dms.settlement", settlement_id, access_token)
        hidden = settlement_sudo and settlement_sudo.state not in LIVE and not request.env.user._is_internal()
        return None if hidden else settlement_sudo

    def _dms_settlement_values(self, settlement_sudo, access_token=None):
        values = self._prepare_portal_layout_values()
        values.update(
            {
                "page_name": "dms_settlement",
                "dms_title": settlement_sudo.name,
                "settlement": settlement_sudo,
                "token": f"?access_token={access_token}" if access_token else "",
                "res_company": settlement_sudo.company_id,
            }
        )
        return values

    def _dms_render_settlement(
        self, settlement_sudo, access_token=None, error=None, disputed=None, reason=""
    ):
        own = settlement_sudo.partner_id == self._dms_distributor()
        values = self._dms_settlement_values(settlement_sudo, access_token)
        values.update(
            {
                "is_own": own,
                "may_answer": own and settlement_sudo.state == "sent",
                "dms_error": error,
                "disputed_line": disputed,
                "reason": reason,
            }
        )
        return request.render("dms_portal.portal_settlement", values)
