from odoo import http
from odoo.exceptions import AccessError, MissingError
from odoo.http import content_disposition, request

from odoo.addons.portal.controllers.portal import CustomerPortal

from ..models.dms_settlement import LIVE

TYPES = {
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class SettlementDocument(CustomerPortal):
    @http.route(
        "/dms/settlement/<int:settlement_id>/<any(pdf, xlsx):kind>",
        type="http",
        auth="public",
        methods=["GET"],
        readonly=True,
    )
    def dms_settlement_document(self, settlement_id, kind, access_token=None, download=None):
        """The settlement as PDF or spreadsheet, for whoever may read it or holds its access token."""
        try:
            settlement_sudo = self._document_check_access("dms.settlement", settlement_id, access_token)
        except (AccessError, MissingError):
            return request.not_found()
        if settlement_sudo.state not in LIVE and not request.env.user._is_internal():
            return request.not_found()
        content = settlement_sudo._render_pdf() if kind == "pdf" else settlement_sudo._render_xlsx()
        filename = f"{settlement_sudo.name.replace('/', '-')}.{kind}"
        disposition = "inline" if kind == "pdf" and not download else "attachment"
        headers = [
            ("Content-Type", TYPES[kind]),
            ("Content-Length", len(content)),
            ("Content-Disposition", content_disposition(filename, disposition)),
        ]
        return request.make_response(content, headers=headers)
