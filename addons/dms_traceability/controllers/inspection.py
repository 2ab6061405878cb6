from odoo import http
from odoo.exceptions import UserError
from odoo.http import content_disposition, request
from odoo.tools import file_open

WORKER = "dms_traceability/static/src/inspection_worker.js"
HEADERS = {
    # The service worker keeps the page for places without a network; shared caches must not.
    "Cache-Control": "private, no-cache",
    "Permissions-Policy": "geolocation=(self), camera=(self)",
}


class InspectionPage(http.Controller):
    """What an inspector works with on the phone: one page for each order, which does without a network for a while."""

    @http.route("/dms/inspection", type="http", auth="user", website=True, methods=["GET"], readonly=True)
    def dms_inspections(self):
        Inspection = request.env["dms.inspection"]
        if not Inspection.has_access("read"):
            return request.not_found()
        orders = Inspection.search(Inspection._get_mine_domain())
        return request.render("dms_traceability.inspections", {"orders": orders})

    @http.route(
        "/dms/inspection/<int:inspection_id>", type="http", auth="user", website=True, methods=["GET"]
    )
    def dms_inspection(self, inspection_id):
        inspection = self._find(inspection_id)
        if not inspection:
            return request.not_found()
        values = {
            "inspection": inspection,
            "goods": ", ".join(inspection.sudo().product_ids.mapped("display_name")),
            "about": inspection.sudo().partner_id.name,
            "pieces": [
                evidence._get_outcome()
                for evidence in reversed(inspection.evidence_ids)
                if evidence.kind != "report"
            ],
            "mine": inspection.user_id == request.env.user,
        }
        return request.render("dms_traceability.inspection", values, headers=HEADERS)

    @http.route("/dms/inspection/<int:inspection_id>/evidence", type="jsonrpc", auth="user", website=True)
    def dms_inspection_evidence(self, inspection_id, piece):
        """Take a piece of evidence, or say in ``error`` why it can't be taken."""
        inspection = self._find(inspection_id)
        if not inspection or not isinstance(piece, dict):
            return {"error": request.env._("There is no such inspection, or it was given to somebody else.")}
        try:
            with request.env.cr.savepoint():
                return inspection._receive(piece)
        except UserError as error:
            return {"error": str(error)}

    @http.route("/dms/inspection/<int:inspection_id>/done", type="jsonrpc", auth="user", website=True)
    def dms_inspection_done(self, inspection_id, key, result=None, findings=None):
        """End the order with the inspector's report."""
        inspection = self._find(inspection_id)
        if not inspection:
            return {"error": request.env._("There is no such inspection, or it was given to somebody else.")}
        try:
            with request.env.cr.savepoint():
                inspection._report(result, findings, key)
        except UserError as error:
            return {"error": str(error)}
        return {}

    @http.route(
        "/dms/inspection/<int:inspection_id>/report", type="http", auth="user", methods=["GET"], readonly=True
    )
    def dms_inspection_report(self, inspection_id):
        """The report with all hashes, as PDF."""
        inspection = self._find(inspection_id)
        if not inspection:
            return request.not_found()
        content = inspection._render_pdf()
        name = f"{inspection.name.replace('/', '-')}.pdf"
        return request.make_response(
            content,
            [
                ("Content-Type", "application/pdf"),
                ("Content-Length", len(content)),
                ("Content-Disposition", content_disposition(name, "inline")),
            ],
        )

    @http.route("/dms/inspection/worker.js", type="http", auth="public", methods=["GET"], readonly=True)
    def dms_inspection_worker(self):
        """The service worker, served from where it may answer for the pages of inspections."""
        with file_open(WORKER) as file:
            return request.make_response(
                file.read(), [("Content-Type", "text/javascript"), ("Cache-Control", "no-cache")]
            )

    def _find(self, inspection_id):
        """The order, if it is the user's to see; else None: whether it exists is nobody else's business."""
        inspection = request.env["dms.inspection"].browse(inspection_id).exists()
        return inspection if inspection and inspection.has_access("read") else None
