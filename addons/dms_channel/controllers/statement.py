from odoo import http
from odoo.exceptions import AccessError, MissingError
from odoo.http import content_disposition, request

from odoo.addons.portal.controllers.portal import CustomerPortal

from ..models.dms_statement_document import XLSX_TYPE


class StatementDocument(CustomerPortal):
    """The statement as a file, for whoever may read it or holds its access token."""

    @http.route("/dms/statement/<int:statement_id>/pdf", type="http", auth="public", methods=["GET"])
    def dms_statement_pdf(self, statement_id, access_token=None, download=None):
        statement_sudo = self._dms_find_statement(statement_id, access_token)
        if not statement_sudo:
            return request.not_found()
        disposition = "attachment" if download else "inline"
        return self._dms_file(
            statement_sudo._render_pdf(),
            "application/pdf",
            content_disposition(statement_sudo._get_document_name("pdf"), disposition),
        )

    @http.route("/dms/statement/<int:statement_id>/xlsx", type="http", auth="public", methods=["GET"])
    def dms_statement_xlsx(self, statement_id, access_token=None):
        statement_sudo = self._dms_find_statement(statement_id, access_token)
        if not statement_sudo:
            return request.not_found()
        return self._dms_file(
            statement_sudo._render_xlsx(),
            XLSX_TYPE,
            content_disposition(statement_sudo._get_document_name("xlsx")),
        )

    def _dms_find_statement(self, statement_id, access_token):
        """The statement in sudo; a draft is for our own people only."""
        try:
            statement_sudo = self._document_check_access("dms.statement", statement_id, access_token)
        except (AccessError, MissingError):
            return None
        if statement_sudo.state == "draft" and not request.env.user._is_internal():
            return None
        return statement_sudo

    def _dms_file(self, content, mimetype, disposition):
        return request.make_response(
            content,
            headers=[
                ("Content-Type", mimetype),
                ("Content-Length", len(content)),
                ("Content-Disposition", disposition),
            ],
        )
