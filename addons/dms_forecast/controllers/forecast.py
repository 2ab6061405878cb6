from odoo import http
from odoo.exceptions import AccessError, MissingError, UserError
from odoo.http import content_disposition, request

from odoo.addons.dms_channel.models.dms_statement_document import XLSX_TYPE


class ForecastWorkbook(http.Controller):
    @http.route("/dms/forecast/<int:run_id>/xlsx", type="http", auth="user", methods=["GET"], readonly=True)
    def dms_forecast_xlsx(self, run_id):
        """The current forecast as a spreadsheet for production and purchase, for those of the brand who may read it."""
        run = request.env["dms.forecast.run"].browse(run_id)
        try:
            if not request.env.user._is_internal():
                raise AccessError(request.env._("A forecast of the whole channel is for the brand alone."))
            run.exists().ensure_one().check_access("read")
            content = run._render_xlsx()
        except (AccessError, MissingError, ValueError):
            return request.not_found()
        except UserError as error:
            return request.make_response(
                str(error), [("Content-Type", "text/plain; charset=utf-8")], status=400
            )
        return request.make_response(
            content,
            headers=[
                ("Content-Type", XLSX_TYPE),
                ("Content-Length", len(content)),
                ("Content-Disposition", content_disposition(run._get_workbook_name())),
            ],
        )
