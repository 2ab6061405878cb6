from odoo.exceptions import UserError
from odoo.tests import tagged

from .common import DmsTraceCommon


@tagged("post_install", "-at_install")
class TestShipping(DmsTraceCommon):
    def _messages(self, picking, texts):
        return [outcome["message"] for outcome in picking._dms_add_codes(texts)]

    def test_scan_cases_and_units(self):
        order = self._order_codes(100, 24)
        picking = self._create_delivery(50).with_user(self.storeman)
        cases, loose = self._serials(order, "case"), self._serials(order, offset=96)
        outcomes = picking._dms_add_codes([f"(01){order.case_gtin}(21){cases[0]}", cases[1], loose[0]])
        self.assertEqual([outcome["units"] for outcome in outcomes if outcome["ok"]], [24, 24, 1])
        self.assertRecordValues(
            picking, [{"dms_unit_count": 49, "dms_label_count": 3, "dms_scan_state": "partial"}]
        )
        self.assertIn("Scanned already", self._messages(picking, [cases[0]])[0])
        self.assertIn("only 1 of 50", self._messages(picking, [cases[2]])[0])
        self.assertIn("stands in a package", self._messages(picking, [self._serials(order)[60]])[0])
        self.assertIn("Not one of our codes", self._messages(picking, ["garbage!"])[0])
        self.assertFalse(self._messages(picking, [loose[1]])[0])
        self.assertEqual(picking.dms_scan_state, "done")

    def test_wrong_batch_product_and_delivery(self):
        lot = self.env["stock.lot"].create({"name": "B002", "product_id": self.product.id})
        other_lot = self._order_codes(24, 24, lot=lot)
        picking = self._create_delivery(48)
        self.assertIn("Wrong batch", self._messages(picking, self._serials(other_lot, "case"))[0])
        order = self._order_codes(48, 24)
        case = self._serials(order, "case")[0]
        elsewhere = self._create_delivery(24)
        elsewhere._dms_add_codes([case])
        self.assertIn(elsewhere.name, self._messages(picking, [case])[0])
        printed = self._order_codes(24, 24, "generated")
        self.assertIn("printed", self._messages(picking, self._serials(printed, limit=1))[0])

    def test_assign_takes_cases_then_loose_units_then_opens_one(self):
        order = self._order_codes(100, 24)
        picking = self._create_delivery(60).with_user(self.storeman)
        self.assertEqual(picking._dms_assign_codes(), 60)
        self.assertRecordValues(picking, [{"dms_unit_count": 60, "dms_scan_state": "done"}])
        # Two cases, and 12 units: 4 loose ones are too few, so a third case was opened.
        self.assertEqual(order.packed_count, 72)
        self.assertEqual(picking._dms_assign_codes(), 0)

    def test_assign_reports_what_is_missing(self):
        self._order_codes(24, 24)
        picking = self._create_delivery(48)
        wizard = self.env["dms.code.scan"].with_user(self.storeman).create({"picking_id": picking.id})
        wizard.action_assign()
        self.assertIn("not enough codes", wizard.message)
        self.assertRecordValues(wizard.line_ids, [{"expected": 48, "scanned": 24, "missing": 24}])
        with self.assertRaises(UserError) as raised, self.env.cr.savepoint():
            picking.button_validate()
        self.assertIn("24 units scanned, 48 shipped", str(raised.exception))
        self.env.invalidate_all()
        wizard.action_clear()
        self.assertEqual(picking.dms_unit_count, 0)

    def test_wizard_keeps_what_was_refused(self):
        order = self._order_codes(48, 24)
        picking = self._create_delivery(48)
        wizard = self.env["dms.code.scan"].with_user(self.storeman).create({"picking_id": picking.id})
        with self.assertRaisesRegex(UserError, "one on each line"):
            wizard.action_add()
        wizard.codes_text = "\n".join([*self._serials(order, "case"), "WRONG"])
        wizard.action_add()
        self.assertEqual((wizard.codes_text, wizard.success, wizard.complete), ("WRONG", False, True))
        self.assertIn("2 codes accepted, 48 units", wizard.message)

    def test_bound_at_shipping(self):
        order = self._order_codes(48, 24)
        picking = self._create_delivery(24).with_user(self.storeman)
        picking._dms_assign_codes()
        picking.button_validate()
        self.assertEqual(picking.state, "done")
        self.assertEqual(picking.dms_agreement_id, self.agreement_north)
        unit = self.env["dms.code"].browse(order.first_key)
        self.assertRecordValues(
            unit, [{"state": "shipped", "partner_id": self.distributor_north.id, "picking_id": picking.id}]
        )
        self.assertRecordValues(order, [{"shipped_count": 24, "free_case_count": 1}])
        event = unit.event_ids.sorted("id")[-1]
        self.assertRecordValues(
            event, [{"biz_step": "shipping", "partner_id": self.distributor_north.id, "code_count": 1}]
        )
        with self.assertRaisesRegex(UserError, "finished"):
            picking._dms_add_codes(["X"])
        for _twice in range(2):
            picking.with_user(self.clerk_north)._dms_sign_receipt("Clerk", False)
        self.env.invalidate_all()
        self.assertEqual(unit.state, "received")
        self.assertEqual(unit.event_ids.sorted("id").mapped("biz_step").count("receiving"), 1)
        self.assertEqual(picking.action_dms_open_codes()["domain"], [("scanned_picking_id", "=", picking.id)])
        self.assertEqual(self.env["dms.code"].search_count([("scanned_picking_id", "=", picking.id)]), 1)

    def test_an_outlet_is_its_distributors(self):
        order = self._order_codes(24, 24)
        picking = self._create_delivery(24, self.outlet)
        picking._dms_assign_codes()
        picking.button_validate()
        self.assertEqual(self.env["dms.code"].browse(order.first_key).partner_id, self.distributor_north)

    def test_required_codes_hold_the_delivery(self):
        picking = self._create_delivery(24)
        self.product.dms_code_required = True
        with self.assertRaisesRegex(UserError, "0 units scanned, 24 shipped"):
            picking.button_validate()
        self.product.dms_code_required = False
        picking.button_validate()
        self.assertEqual(picking.state, "done")

    def test_cancel_frees_the_codes(self):
        order = self._order_codes(24, 24)
        picking = self._create_delivery(24)
        picking._dms_assign_codes()
        self.assertEqual(order.free_case_count, 0)
        with self.assertRaisesRegex(UserError, "on a delivery or shipped"):
            order.action_cancel()
        picking.action_cancel()
        order.invalidate_recordset()
        self.assertEqual(order.free_case_count, 1)
