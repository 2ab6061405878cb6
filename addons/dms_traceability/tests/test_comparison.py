from odoo import fields
from odoo.tests import tagged

from ..models.dms_code_tables import SOLD
from .common import DmsTraceCommon


@tagged("post_install", "-at_install")
class TestComparison(DmsTraceCommon):
    """The units that codes say are at a distributor, beside its count and the ledger."""

    def _compare(self):
        self.env["dms.channel.comparison"].action_refresh()
        return self.env["dms.channel.comparison"].search([("product_id", "=", self.product.id)])

    def test_scanned_units(self):
        order = self._order_codes(100, 24)
        picking = self._create_delivery(50)
        picking._dms_add_codes(
            [*self._serials(order, "case", limit=2), *self._serials(order, offset=96, limit=2)]
        )
        picking.button_validate()
        self.assertRecordValues(
            self._compare(),
            [{"has_scans": True, "scanned": 0, "scan_books": 0, "cause": "agree", "quantity": 50, "partner_id": self.distributor_north.id}],
        )  # fmt: skip
        picking._dms_sign_receipt("Clerk", False)
        self.assertRecordValues(self._compare(), [{"scanned": 50, "scan_books": 50, "differs": False}])
        # one of a case and a loose one are sold to consumers, which no report of sales has said yet
        self.env.cr.execute(
            "UPDATE dms_trace_code SET state = %s WHERE key = ANY(%s)",
            [SOLD, [order.first_key, order.first_key + 96]],
        )
        self.assertRecordValues(
            self._compare(),
            [{"scanned": 48, "scan_difference": -2, "cause": "uncoded", "feed_line_id": False}],
        )

    def test_sold_without_a_scan(self):
        order = self._order_codes(48, 24)
        picking = self._create_delivery(48)
        picking._dms_add_codes(self._serials(order, "case"))
        picking.button_validate()
        picking._dms_sign_receipt("Clerk", False)
        today = fields.Date.context_today(picking)
        raw = f"product_code,date,quantity\n{self.product.barcode},{today},40\n".encode()
        feed = self.env["dms.feed"]._receive(raw, "x.csv", partner=self.distributor_north, kind="count")
        feed.action_release()
        self.env.cr.precommit.run()
        self.assertRecordValues(
            self._compare(),
            [
                {
                    "counted": 40,
                    "books": 48,
                    "difference": -8,
                    "scanned": 48,
                    "scan_difference": 8,
                    "cause": "loss",
                }
            ],
        )

    def test_other_products_have_no_scans(self):
        self._order_codes(24, 24)
        self.env["dms.channel.move"].sudo().create(
            {"kind": "sell_in", "partner_id": self.distributor_north.id, "product_id": self.product_tea.id, "quantity": 5}
        )  # fmt: skip
        self.assertFalse(self._compare())
        self.assertFalse(
            self.env["dms.channel.comparison"].search([("product_id", "=", self.product_tea.id)])
        )
