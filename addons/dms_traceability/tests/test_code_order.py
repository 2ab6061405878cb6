import os
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from odoo.addons.dms_traceability.models.dms_code import ACTIVE, PRINTED

from .common import GTIN, DmsTraceCommon


@tagged("post_install", "-at_install")
class TestCodeOrder(DmsTraceCommon):
    def _resolve(self, serial, gtin=GTIN):
        return self.env["dms.code"]._resolve([(gtin, serial)])[0]

    def test_generate(self):
        order = self._order_codes(100, 24, "draft").with_user(self.storeman)
        order.action_generate()
        self.assertRecordValues(
            order, [{"state": "generated", "gtin": GTIN, "case_gtin": "10614141999993", "case_count": 4}]
        )
        serials = self._serials(order)
        self.assertEqual(len(set(serials)), 100)
        info = self._resolve(serials[7])
        self.assertEqual((info["key"], info["order"], info["state"]), (order.first_key + 7, order, PRINTED))
        (case,) = self._serials(order, "case", 3)
        self.assertEqual(self._resolve(case, order.case_gtin)["key"], order.last_key)
        with self.assertRaisesRegex(UserError, "generated already"):
            order.action_generate()

    def test_activate_then_pack(self):
        order = self._order_codes(100, 24, "generated").with_user(self.storeman)
        with self.assertRaisesRegex(UserError, "put the codes in use"):
            order.action_pack()
        order.action_activate()
        serials = self._serials(order)
        self.assertEqual(self._resolve(serials[0])["state"], ACTIVE)
        order.action_pack()
        self.assertRecordValues(order, [{"packed_count": 96, "free_case_count": 4, "shipped_count": 0}])
        self.assertEqual(self._resolve(serials[95])["case_key"], order.last_key)
        self.assertFalse(self._resolve(serials[96])["case_key"])
        with self.assertRaisesRegex(UserError, "no loose units"):
            order.action_pack()

    def test_a_unit_has_one_parent_at_a_time(self):
        order = self._order_codes(48, 24)
        first, case = order.first_key, order.first_key + 48
        with mute_logger("odoo.sql_db"), self.assertRaises(Exception) as raised, self.env.cr.savepoint():
            self.env.cr.execute(
                "INSERT INTO dms_trace_pack (parent, first, last, packed_on) VALUES (%s, %s, %s, %s)",
                [case + 1, first + 5, first + 5, fields.Datetime.now()],
            )
        self.assertIn("dms_trace_pack_one_parent", str(raised.exception))

    def test_a_void_unit_leaves_its_case_unpacked(self):
        order = self._order_codes(48, 24, "active")
        self.env["dms.code"]._void([order.first_key + 30])
        order.action_pack()
        self.assertEqual(order.packed_count, 24)

    def test_orders_never_share_a_key(self):
        one, two = self._order_codes(10, 0, "generated"), self._order_codes(10, 0, "generated")
        self.assertGreater(two.first_key, one.last_key)
        self.assertFalse(set(self._serials(one)) & set(self._serials(two)))

    def test_a_code_needs_its_own_gtin_and_order(self):
        order = self._order_codes(10, 5, "active")
        serial = self._serials(order)[0]
        self.assertTrue(self._resolve(serial))
        self.assertFalse(self._resolve(serial, order.case_gtin))
        self.assertFalse(self._resolve("0" * 14))

    def test_refusals_tell_the_mend(self):
        order = self._order_codes(10, 0, "draft")
        with (
            patch.dict(os.environ, {"DMS_MASTER_KEY": ""}),
            self.assertRaisesRegex(UserError, "dms_master_key"),
        ):
            order.action_generate()
        with (
            patch.dict(os.environ, {"DMS_MASTER_KEY": "short"}),
            self.assertRaisesRegex(UserError, "too short"),
        ):
            order.action_generate()
        self.product.barcode = "123"
        with self.assertRaisesRegex(UserError, "Barcode field"):
            order.action_generate()
        self.product.barcode = GTIN[1:]
        order.lot_id = False
        with self.assertRaisesRegex(UserError, "Choose the batch"):
            order.action_generate()
        other = self.env["product.product"].create({"name": "Other", "type": "consu"})
        with self.assertRaisesRegex(ValidationError, "belongs to"):
            order.write({"lot_id": self.lot.id, "product_id": other.id})

    def test_issued_orders_are_frozen(self):
        order = self._order_codes(10, 0, "generated")
        with self.assertRaisesRegex(UserError, "can't change"):
            order.quantity = 20
        with self.assertRaisesRegex(UserError, "cancel it"):
            order.unlink()
        order.action_cancel()
        self.assertEqual(self.env["dms.scan"]._judge(self._resolve(self._serials(order)[0])), "void")

    def test_rotation_keeps_old_codes(self):
        old = self._order_codes(5, 0, "active")
        serial = self._serials(old)[0]
        both = f"{'n' * 40},{os.environ['DMS_MASTER_KEY']}"
        with patch.dict(os.environ, {"DMS_MASTER_KEY": both}):
            new = self._order_codes(5, 0, "active")
            self.assertEqual(self._resolve(serial)["order"], old)
            self.assertEqual(self._serials(old)[0], serial)
            new_serial = self._serials(new)[0]
            self.assertEqual(self._resolve(new_serial)["order"], new)
        self.assertFalse(self._resolve(new_serial))
        with self.assertRaisesRegex(UserError, "not configured any more"):
            self._serials(new)

    def test_reader(self):
        order = self._order_codes(50, 24)
        Code = self.env["dms.code"].with_user(self.user_channel)
        found = Code.search([("order_id", "=", order.id), ("level", "=", "unit")])
        self.assertEqual(len(found), 50)
        self.assertEqual(found[:2].mapped("serial"), self._serials(order, limit=2))
        case = self._serials(order, "case")[0]
        self.assertEqual(found[0].case_serial, case)
        for text in (
            case,
            f"(01){order.case_gtin}(21){case}",
            f"HTTPS://X.COM/01/{order.case_gtin}/21/{case}",
        ):
            self.assertEqual(Code.search([("serial", "ilike", text)]).unit_count, 24, text)
        self.assertFalse(Code.search([("serial", "ilike", "nothing")]))
        self.assertEqual(found[0].event_ids.sorted("id").mapped("biz_step"), ["commissioning", "packing"])

    def test_unpack_keeps_history(self):
        order = self._order_codes(48, 24)
        case = order.first_key + 48
        self.env["dms.code"]._unpack([case], fields.Datetime.now())
        self.assertEqual(order.packed_count, 24)
        self.assertEqual(self.env["dms.code"]._read_rows([case])[case]["state"], 8)
        self.env.cr.execute("SELECT count(*) FROM dms_trace_pack WHERE parent = %s", [case])
        self.assertEqual(self.env.cr.fetchone()[0], 1)

    def test_only_the_competent_may_void(self):
        order = self._order_codes(5, 0, "active")
        code = self.env["dms.code"].browse(order.first_key)
        with self.assertRaisesRegex(UserError, "Only an inspector"):
            code.with_user(self.storeman).action_void()
        code.with_user(self.inspector).action_void()
        self.assertEqual(code.state, "void")
        self.assertEqual(code.event_ids.sorted("id")[-1].biz_step, "decommissioning")

    def test_events_are_append_only(self):
        order = self._order_codes(5, 0, "active")
        event = self.env["dms.trace.event"].search([("order_id", "=", order.id)])
        with self.assertRaises(UserError):
            event.disposition = "inactive"
        with self.assertRaises(UserError):
            event.unlink()
