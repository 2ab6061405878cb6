from odoo import http
from odoo.exceptions import AccessError, MissingError
from odoo.http import content_disposition, request

from odoo.addons.portal.controllers.portal import CustomerPortal


class SettlementDocument(CustomerPortal):
    @http.route(
        "/dms/settlement/<int:settlement_id>/pdf", type="http", auth="public", methods=["GET"], readonly=True
    )
    def dms_settlement_pdf(self, settlement_id, access_token=None, download=None):
        """The settlement's PDF, for whoever may read it or holds its access token."""
        try:
            settlement_sudo = self._document_check_access("dms.settlement", settlement_id, access_token)
        except (AccessError, MissingError):
            return request.not_found()
        content = settlement_sudo._render_pdf()
        filename = f"{settlement_sudo.name.replace('/', '-')}.pdf"
        headers = [
            ("Content-Type", "application/pdf"),
            ("Content-Length", len(content)),
            ("Content-Disposition", content_disposition(filename, "attachment" if download else "inline")),
        ]
        return request.make_response(content, headers=headers)
