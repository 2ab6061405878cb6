from odoo.fields import Command
from odoo.tests import HttpCase, tagged

from .common import DmsTraceCommon


@tagged("post_install", "-at_install")
class TestIndexUse(DmsTraceCommon, HttpCase):
    """What is done for each scan reads code tables by their indexes, however many codes there are."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.order = cls._order_codes(48_000)
        for table in ("dms_trace_code", "dms_trace_pack", "dms_code_order"):
            cls.env.cr.execute(f"ANALYZE {table}")

    def _count_scans(self):
        """Sequential scans of code and packing tables in this transaction so far."""
        self.env.cr.execute(
            "SELECT COALESCE(sum(seq_scan), 0) FROM pg_stat_xact_user_tables "
            "WHERE relname LIKE 'dms\\_trace\\_code%' OR relname = 'dms_trace_pack'"
        )
        return self.env.cr.fetchone()[0]

    def test_scan_out_receive_and_return(self):
        picking = self._create_delivery(72)
        cases = [f"(01){self.order.case_gtin}(21){serial}" for serial in self._serials(self.order, "case")]
        before = self._count_scans()
        for case in cases[:2]:
            self.assertTrue(picking.dms_scan_add([case])["outcomes"][0]["ok"])
        shown = picking.dms_scan_add([cases[0], cases[2]])
        self.assertEqual([line["scanned"] for line in shown["lines"]], [72])
        picking.button_validate()
        received = self.env["dms.code"]._receive(self.distributor_north, cases[:3])
        self.assertEqual([one["units"] for one in received if one["ok"]], [24] * 3)
        self.assertEqual(self._count_scans(), before)

    def test_public_page(self):
        serial = self._serials(self.order, limit=1)[0]
        before = self._count_scans()
        response = self.url_open(f"/01/{self.order.gtin}/21/{serial}")
        self.assertIn(self.lot.name, response.text)
        self.assertEqual(self._count_scans(), before)

    def test_recall(self):
        recall = self.env["dms.recall"].create(
            {"product_id": self.product.id, "lot_ids": [Command.set(self.lot.ids)], "reason": "Glass"}
        )
        before = self._count_scans()
        recall.action_count()
        self.assertEqual(recall.unit_count, 48_000)
        self.assertEqual(self._count_scans(), before)
