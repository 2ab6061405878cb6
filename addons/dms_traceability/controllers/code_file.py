from odoo import http
from odoo.exceptions import UserError
from odoo.http import content_disposition, request
from odoo.tools import config, format_date

from odoo.addons.dms_channel.tools import pdf

from ..tools import epc, gs1, labels

# A PDF with more labels becomes an archive of several.
PART_LABELS = 2_000
LEVELS = ("unit", "inner", "case", "pallet")


class CodeFile(http.Controller):
    """Files of a code order for the printer's house, streamed: memory for one slice, whatever the quantity."""

    def _get_order(self, order_id):
        order = request.env["dms.code.order"].browse(order_id).exists()
        if not order:
            raise request.not_found()
        order.check_access("read")
        if not order.first_key or order.state == "generating":
            raise UserError(
                request.env._("%s has not all its codes yet: wait until they are generated.", order.name)
                if order.first_key
                else request.env._("%s has no codes yet: generate them first.", order.name)
            )
        if order.state == "cancelled":
            raise UserError(request.env._("%s is cancelled: its codes must not be printed.", order.name))
        if order.has_access("write"):
            order._mark_printed()
        return order

    @http.route("/dms/code_order/<int:order_id>/codes.csv", type="http", auth="user", readonly=False)
    def codes(self, order_id):
        """All codes of an order, with the package each is meant for, RFID number and code under the cap."""
        order = self._get_order(order_id)
        return self._stream(order, self._iter_csv(order), "csv", "text/csv; charset=utf-8")

    def _iter_csv(self, order):
        """Lines of the file; all that comes from the database is read before the first one."""
        base_url = request.env["dms.code"]._get_resolver_url()
        prefix = len(order.company_id.dms_gs1_prefix or "")
        name = (order.lot_id.name or "").replace('"', '""')
        lot = f'"{name}"'
        slices = [
            (
                level,
                order._iter_serials(level),
                order._iter_boxes(level),
                order._iter_serials(level, cap=True) if level == "unit" and order.cap_codes else None,
            )
            for level, _gtin, _first, _count in order._get_spans()
        ]

        def stream():
            yield "level,gtin,serial,batch,url,box,epc,cap_code,cap_url\r\n"
            for level, parts, boxes, caps in slices:
                for gtin, serials in parts:
                    size, head = len(serials), gs1.digital_link(base_url, gtin, "")
                    tags = (
                        epc.sgtin198(gtin, serials, prefix, 1 if level == "unit" else 2)
                        if prefix
                        else [""] * size
                    )
                    if caps:
                        tails = [f"{code},{head}{code}" for code in next(caps)[1]]
                    else:
                        tails = [","] * size
                    start, middle = f"{level},{gtin},", f",{lot},{head}"
                    yield "".join(
                        f"{start}{serial}{middle}{serial},{box},{tag},{tail}\r\n"
                        for serial, box, tag, tail in zip(serials, next(boxes), tags, tails, strict=True)
                    )

        return stream()

    @http.route("/dms/code_order/<int:order_id>/labels.zpl", type="http", auth="user", readonly=False)
    def zpl(self, order_id, level="unit", first="1", count=None):
        """Labels for label printers (ZPL II): ``count`` labels from the ``first`` one on, all by default."""
        order = self._get_order(order_id)
        start, number = self._read_range(order, level, first, count)
        rows = self._iter_rows(order, level, start, number)

        def stream():
            part = []
            for label in labels.zpl(rows):
                part.append(label)
                if len(part) == 500:
                    yield "".join(part)
                    part.clear()
            yield "".join(part)

        return self._stream(order, stream(), f"{level}.zpl", "text/plain; charset=utf-8")

    @http.route("/dms/code_order/<int:order_id>/labels.pdf", type="http", auth="user", readonly=False)
    def labels(self, order_id, level="unit", first="1", count=None):
        """Label sheets: ``count`` labels from the ``first`` one on, all by default; many as an archive of PDFs."""
        order = self._get_order(order_id)
        start, number = self._read_range(order, level, first, count)
        self._register_font()
        rows = self._iter_rows(order, level, start, number)
        if number > PART_LABELS:
            name = f"{order.name.replace('/', '-')}-{level}"
            parts = labels.label_archive(rows, name, PART_LABELS, font=pdf.FONT)
            return self._stream(order, parts, f"{level}.zip", "application/zip")
        content = labels.label_sheets(rows, order.name, pdf.FONT)
        name = f"{order.name.replace('/', '-')}-{level}-{start}.pdf"
        headers = [
            ("Content-Type", "application/pdf"),
            ("Content-Disposition", content_disposition(name, "inline")),
        ]
        return request.make_response(content, headers)

    @http.route("/dms/sscc/<string:ids>.pdf", type="http", auth="user", readonly=True)
    def pallets(self, ids):
        """Labels of pallets with an SSCC, as GS1 Digital Link."""
        numbers = [
            int(text) for text in ids.split(",") if text.isascii() and text.isdigit() and len(text) < 10
        ]
        packages = request.env["stock.package"].search([("id", "in", numbers), ("dms_sscc", "=", True)])
        if not packages:
            raise request.not_found()
        self._register_font()
        base_url = request.env["dms.code"]._get_resolver_url().rstrip("/")
        rows = [
            (f"{base_url}/00/{package.name}".upper(), [f"(00) {package.name}", request.env._("Pallet")])
            for package in packages
        ]
        content = labels.label_sheets(rows, "SSCC", pdf.FONT)
        return request.make_response(
            content,
            [
                ("Content-Type", "application/pdf"),
                ("Content-Disposition", content_disposition("sscc.pdf", "inline")),
            ],
        )

    def _register_font(self):
        try:
            pdf.register_font(config.get("dms_font"))
        except pdf.FontMissing as error:
            raise UserError(str(error)) from error

    def _read_range(self, order, level, first, count):
        """Offset and number of the labels asked for."""
        total = next((span[3] for span in order._get_spans() if span[0] == level), 0)
        try:
            start = int(first)
            number = int(count) if count else total - start + 1
        except ValueError:
            start = number = 0
        if level not in LEVELS or start < 1 or number < 1 or start + number - 1 > total:
            raise UserError(
                request.env._(
                    "%(order)s has %(count)s labels of this kind: choose unit, inner, case or pallet, a first label "
                    "from 1 on, and no more labels than there are.",
                    order=order.name,
                    count=total,
                )
            )
        return start, number

    def _iter_rows(self, order, level, start, number):
        """``(QR text, lines)`` of labels."""
        base_url = request.env["dms.code"]._get_resolver_url()
        lines = [order.product_id.with_context(display_default_code=False).display_name]
        if order.lot_id:
            lines.append(request.env._("Batch %s", order.lot_id.name))
        if order.lot_id.expiration_date:
            lines.append(request.env._("Expires %s", format_date(request.env, order.lot_id.expiration_date)))
        if level == "case":
            lines.append(request.env._("Case of %s", order.case_size))
        elif level == "inner":
            lines.append(request.env._("Box of %s", order.inner_size))
        elif level == "pallet":
            lines.append(request.env._("Pallet of %s cases", order.pallet_size))
        return (
            (gs1.digital_link(base_url, gtin, serial), [serial, *lines])
            for gtin, serials in order._iter_serials(level, start - 1, number)
            for serial in serials
        )

    def _stream(self, order, parts, ending, content_type):
        name = f"{order.name.replace('/', '-')}.{ending}"
        return request.make_response(
            parts, [("Content-Type", content_type), ("Content-Disposition", content_disposition(name))]
        )
