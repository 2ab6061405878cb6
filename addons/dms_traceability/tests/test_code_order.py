import os
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from odoo.addons.dms_traceability import hooks
from odoo.addons.dms_traceability.models import dms_code_order
from odoo.addons.dms_traceability.models.dms_code_tables import ACTIVE, PRINTED, TABLES
from odoo.addons.dms_traceability.tools import codes

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

    def test_duplicate_of_an_issued_order_is_a_draft(self):
        order = self._order_codes(48, 24)
        copy = order.copy()
        self.assertRecordValues(copy, [{"state": "draft", "quantity": 48, "gtin": False, "stored_count": 0}])
        self.assertNotEqual(copy.name, order.name)
        copy.quantity = 24
        copy.action_generate()
        self.assertGreater(copy.first_key, order.last_key)

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

    def test_compromise_drill(self):
        """docs/codes.md, step by step: a master key has leaked."""
        leaked, fresh = os.environ["DMS_MASTER_KEY"], "f" * 40
        old = self._order_codes(20, 0, "active")
        sold, forged_order = self._serials(old)[:10], self._order_codes(5, 0, "generated")
        forged = self._serials(forged_order)
        # 1. A new key in front: new codes stand on it, old ones still answer.
        with patch.dict(os.environ, {"DMS_MASTER_KEY": f"{fresh},{leaked}"}):
            new = self._order_codes(20, 0, "active")
            self.assertNotEqual(new.key_fingerprint, old.key_fingerprint)
            self.assertTrue(all(self._resolve(serial) for serial in [*sold, *self._serials(new)]))
            # Who has the old key can make serials of numbers that were never issued: they die at the order.
            guess = codes.encode(leaked.encode(), GTIN, old.key_year, [old.last_key + 1, new.first_key])
            self.assertEqual([self._resolve(serial) for serial in guess], [None, None])
            # 2. What was not yet on goods is withdrawn.
            forged_order.action_cancel()
            self.assertEqual(self.env["dms.scan"]._judge(self._resolve(forged[0])), "void")
            self.assertEqual(self.env["dms.scan"]._judge(self._resolve(sold[0])), "genuine")
        # 3. When the goods of the old key are gone, it is left out, and nothing made with it passes.
        with patch.dict(os.environ, {"DMS_MASTER_KEY": fresh}):
            self.assertFalse(any(self._resolve(serial) for serial in sold + guess))
            self.assertTrue(self._resolve(self._serials(new)[0]))

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

    def test_states_before_use(self):
        order = self._order_codes(5, 0, "generated")
        code = self.env["dms.code"].browse(order.first_key)
        self.assertEqual((order.state, code.state), ("generated", "ordered"))
        order._mark_printed()
        self.env.invalidate_all()
        self.assertEqual((order.state, code.state), ("printed", "printed"))
        self.assertTrue(order.date_printed)
        order.action_activate()
        self.env.invalidate_all()
        self.assertEqual((order.state, code.state), ("active", "active"))
        order._mark_printed()
        self.assertEqual(order.state, "active")

    def _run_job(self):
        """The scheduled job, in this test's transaction: without its commits."""
        with patch.object(
            self.env.registry["ir.cron"], "_commit_progress", lambda *_args, **_kw: float("inf")
        ):
            self.env["dms.code.order"]._cron_generate()

    def test_a_large_order_is_stored_by_the_job(self):
        with (
            patch.object(dms_code_order, "INLINE_CODES", 50),
            patch.object(dms_code_order, "SLICE_CODES", 40),
        ):
            order = self._order_codes(100, 24, "generated")
            self.assertRecordValues(order, [{"state": "generating", "stored_count": 0, "progress": 0}])
            with self.assertRaisesRegex(UserError, "only printed codes"):
                order.action_activate()
            order._store_next(52)
            self.assertRecordValues(order, [{"state": "generating", "stored_count": 52, "progress": 50}])
            self._run_job()
            self.env.invalidate_all()
        self.assertRecordValues(order, [{"state": "generated", "stored_count": 104, "progress": 100}])
        self.assertEqual(
            self.env["dms.code"].search([("order_id", "=", order.id)]).mapped("level"),
            ["unit"] * 100 + ["case"] * 4,
        )

    def test_cancelled_while_generating(self):
        with patch.object(dms_code_order, "INLINE_CODES", 50):
            order = self._order_codes(100, 0, "generated")
            order._store_next(30)
            order.action_cancel()
            self._run_job()
        self.assertRecordValues(order, [{"state": "cancelled", "stored_count": 30}])

    def test_tables_come_and_go_with_the_addon(self):
        def existing():
            self.env.cr.execute(
                "SELECT relname FROM pg_class WHERE relname LIKE 'dms\\_trace\\_%' AND relkind IN ('r','p','S')"
            )
            return {name for (name,) in self.env.cr.fetchall()} - {"dms_trace_event"}

        self._order_codes(5, 0, "generated")
        before = {name for name in existing() if not name.startswith("dms_trace_code_p")}
        self.assertTrue({*TABLES, "dms_trace_chunk_seq"} <= before)
        hooks.uninstall_hook(self.env)
        self.assertFalse(
            {name for name in existing() if name in TABLES or name.startswith("dms_trace_code_p")}
        )
        self.env["dms.code"].init()
        self.env["dms.code"].init()
        self.assertTrue({*TABLES, "dms_trace_chunk_seq"} <= existing())

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

    def test_destroyed_with_what_is_inside(self):
        order = self._order_codes(48, 24)
        case, unit = order.first_key + 48, order.first_key
        goods = self.env["dms.code"].browse([case, unit, order.first_key + 47])
        on_delivery = self._create_delivery(24)
        on_delivery._dms_take([case + 1])
        with self.assertRefused("Only an inspector"):
            goods.with_user(self.storeman).action_destroy()
        goods[:1].with_user(self.inspector).action_destroy()
        self.env["dms.code"]._destroy([case + 1])
        self.assertEqual(goods.mapped("state"), ["destroyed", "destroyed", "assigned"])
        event = goods[1].event_ids.sorted("id")[-1]
        self.assertRecordValues(
            event,
            [{"biz_step": "destroying", "action": "delete", "disposition": "destroyed", "code_count": 25}],
        )
        (built,) = event._to_epcis()
        self.assertEqual((built["bizStep"], len(built["epcList"])), ("destroying", 25))
        self.env["dms.code"]._destroy([case])
        self.assertEqual(goods[1].event_ids.mapped("biz_step").count("destroying"), 1, "nothing dies twice")

    def test_events_are_append_only(self):
        order = self._order_codes(5, 0, "active")
        event = self.env["dms.trace.event"].search([("order_id", "=", order.id)])
        with self.assertRaises(UserError):
            event.disposition = "inactive"
        with self.assertRaises(UserError):
            event.unlink()
