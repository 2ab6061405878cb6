from odoo import http
from odoo.exceptions import AccessError, MissingError
from odoo.http import content_disposition, request

from odoo.addons.portal.controllers.portal import CustomerPortal


class AgreementDocument(CustomerPortal):
    @http.route(
        "/dms/agreement/<int:agreement_id>/pdf", type="http", auth="public", methods=["GET"], readonly=True
    )
    def dms_agreement_pdf(self, agreement_id, access_token=None):
        """The agreement's PDF, as it was signed where it is signed, for whoever may read it or holds its token."""
        try:
            agreement_sudo = self._document_check_access("dms.agreement", agreement_id, access_token)
        except (AccessError, MissingError):
            return request.not_found()
        if agreement_sudo.state == "draft" and not request.env.user._is_internal():
            return request.not_found()
        content = agreement_sudo.document_id.raw or agreement_sudo._render_pdf()
        headers = [
            ("Content-Type", "application/pdf"),
            ("Content-Length", len(content)),
            ("Content-Disposition", content_disposition(agreement_sudo._get_document_name(), "inline")),
        ]
        return request.make_response(content, headers=headers)
