from odoo import http
from odoo.exceptions import UserError
from odoo.http import content_disposition, request
from odoo.tools import config, format_date

from odoo.addons.dms_channel.tools import pdf

from ..tools import gs1, labels

MAX_LABELS = 2_000


class CodeFile(http.Controller):
    """Files of a code order for the printer."""

    def _get_order(self, order_id):
        order = request.env["dms.code.order"].browse(order_id).exists()
        if not order:
            raise request.not_found()
        order.check_access("read")
        if not order.first_key:
            raise UserError(request.env._("%s has no codes yet: generate them first.", order.name))
        return order

    @http.route("/dms/code_order/<int:order_id>/codes.csv", type="http", auth="user", readonly=True)
    def codes(self, order_id):
        """All codes of an order, streamed: memory for one slice, whatever the quantity."""
        order = self._get_order(order_id)
        base_url = request.env["dms.code"]._get_resolver_url()
        lot = (order.lot_id.name or "").replace('"', '""')
        slices = [
            (level, order._iter_serials(level))
            for level in ("unit", "case")
            if level == "unit" or order.case_count
        ]

        def stream():
            yield "level,gtin,serial,batch,url\r\n"
            for level, parts in slices:
                for gtin, serials in parts:
                    head = gs1.digital_link(base_url, gtin, "")
                    yield "".join(f'{level},{gtin},{serial},"{lot}",{head}{serial}\r\n' for serial in serials)

        headers = [
            ("Content-Type", "text/csv; charset=utf-8"),
            ("Content-Disposition", content_disposition(f"{order.name.replace('/', '-')}.csv")),
        ]
        return request.make_response(stream(), headers)

    @http.route("/dms/code_order/<int:order_id>/labels.pdf", type="http", auth="user", readonly=True)
    def labels(self, order_id, level="unit", first="1", count=None):
        """Label sheets: ``count`` labels from the ``first`` one on."""
        order = self._get_order(order_id)
        try:
            start, number = int(first), int(count) if count else MAX_LABELS
        except ValueError:
            start = number = 0
        if level not in ("unit", "case") or start < 1 or not 1 <= number <= MAX_LABELS:
            raise UserError(
                request.env._(
                    "Choose level unit or case, a first label from 1 on and at most %s labels per file. "
                    "For more, download the codes for the printing house.",
                    MAX_LABELS,
                )
            )
        try:
            pdf.register_font(config.get("dms_font"))
        except pdf.FontMissing as error:
            raise UserError(str(error)) from error
        base_url = request.env["dms.code"]._get_resolver_url()
        lines = [order.product_id.with_context(display_default_code=False).display_name]
        if order.lot_id:
            lines.append(request.env._("Batch %s", order.lot_id.name))
        if order.lot_id.expiration_date:
            lines.append(request.env._("Expires %s", format_date(request.env, order.lot_id.expiration_date)))
        if level == "case":
            lines.append(request.env._("Case of %s", order.case_size))
        rows = (
            (gs1.digital_link(base_url, gtin, serial), [serial, *lines])
            for gtin, serials in order._iter_serials(level, start - 1, number)
            for serial in serials
        )
        content = labels.label_sheets(rows, order.name, pdf.FONT)
        name = f"{order.name.replace('/', '-')}-{level}-{start}.pdf"
        headers = [
            ("Content-Type", "application/pdf"),
            ("Content-Disposition", content_disposition(name, "inline")),
        ]
        return request.make_response(content, headers)
