from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import Form, new_test_user, tagged

from ..tools import epcis_schema
from .common import DmsTraceCommon


@tagged("post_install", "-at_install")
class TestRepacking(DmsTraceCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.average = cls.env["product.category"].create(
            {"name": "Average", "property_cost_method": "average"}
        )
        cls.product.write({"categ_id": cls.average.id, "standard_price": 3})
        cls.gift = cls.env["product.product"].create(
            {
                "name": "Gift Set",
                "type": "consu",
                "is_storable": True,
                "tracking": "lot",
                "barcode": "4006381333931",
                "categ_id": cls.average.id,
            }
        )
        cls.gift_lot = cls.env["stock.lot"].create({"name": "G1", "product_id": cls.gift.id})
        cls.box = cls.env["product.product"].create(
            {
                "name": "Gift Box",
                "type": "consu",
                "is_storable": True,
                "categ_id": cls.average.id,
                "standard_price": 0.5,
            }
        )
        cls.stock = cls.warehouse.lot_stock_id
        # By moves, which carry the value.
        cls.env["stock.quant"]._update_available_quantity(cls.product, cls.stock, -1000, lot_id=cls.lot)
        for product, lot, quantity in ((cls.product, cls.lot, 1000), (cls.box, cls.lot.browse(), 100)):
            cls.env["stock.quant"].create(
                {
                    "product_id": product.id,
                    "location_id": cls.stock.id,
                    "lot_id": lot.id,
                    "inventory_quantity": quantity,
                }
            ).action_apply_inventory()
        cls.order = cls._order_codes(96, 24)
        cls.gift_order = cls.env["dms.code.order"].create(
            {"product_id": cls.gift.id, "lot_id": cls.gift_lot.id, "quantity": 12, "case_size": 0}
        )
        cls.gift_order.action_generate()
        cls.gift_order.action_activate()

    @classmethod
    def _texts(cls, order, level="unit", offset=0, limit=None):
        gtin = {"unit": order.gtin, "case": order.case_gtin}[level]
        return "\n".join(f"(01){gtin}(21){serial}" for serial in cls._serials(order, level, offset, limit))

    def _repack(self, **values):
        """One case of 24 and two loose units become 12 sets, each in a box."""
        return self.env["dms.code.repacking"].create(
            {
                "used_text": self._texts(self.order, "case", 0, 1)
                + "\n"
                + self._texts(self.order, "unit", 24, 2),
                "made_text": self._texts(self.gift_order),
                "component_ids": [Command.create({"product_id": self.box.id, "quantity": 12})],
                **values,
            }
        )

    def _states(self, order, first, count):
        codes = self.env["dms.code"].search([("order_id", "=", order.id), ("level", "=", "unit")], order="id")
        codes.invalidate_recordset()
        return set(codes[first : first + count].mapped("state"))

    def _on_hand(self):
        products = self.product | self.gift | self.box
        products.invalidate_recordset(["qty_available"])
        return [product.with_context(location=self.stock.id).qty_available for product in products]

    def test_repack(self):
        repacking = self._repack()
        self.assertIn("26 × Green Tea, batch B001", repacking.summary)
        self.assertIn("12 × Gift Set, batch G1", repacking.summary)
        repacking.action_done()
        self.assertEqual(
            (
                repacking.state,
                repacking.used_count,
                repacking.made_count,
                repacking.product_id,
                repacking.lot_id,
            ),
            ("done", 26, 12, self.gift, self.gift_lot),
        )
        self.assertFalse(repacking.used_text or repacking.made_text)
        self.assertEqual(self._states(self.order, 0, 26), {"void"})
        self.assertEqual(self._states(self.order, 26, 70), {"active"})
        self.assertEqual(self._states(self.gift_order, 0, 12), {"active"})
        self.assertEqual(self._on_hand(), [974, 12, 88])
        made = repacking.move_ids.filtered(lambda move: move.product_id == self.gift)
        self.assertEqual(made.value, 26 * 3 + 12 * 0.5)
        self.assertEqual(self.gift.standard_price, 7)
        case = self.env["dms.code"].search(
            [("order_id", "=", self.order.id), ("level", "=", "case")], limit=2, order="id"
        )
        self.assertEqual(case.mapped("state"), ["void", "active"])
        self.assertEqual(case[1].unit_count, 22, "the second case gave two units")

    def test_event(self):
        repacking = self._repack()
        repacking.action_done()
        event = repacking.event_id
        (document,) = event._to_epcis()
        self.assertEqual(document["type"], "TransformationEvent")
        self.assertEqual((len(document["inputEPCList"]), len(document["outputEPCList"])), (26, 12))
        self.assertFalse(set(document["inputEPCList"]) & set(document["outputEPCList"]))
        self.assertNotIn("action", document)
        self.assertEqual(document["bizStep"], "repackaging")
        self.assertEqual(document["inputQuantityList"][0]["quantity"], 12)
        epcis_schema.check_event(document)
        units = self.env["dms.code"].search(
            [("order_id", "in", (self.order + self.gift_order).ids), ("level", "=", "unit")], order="id"
        )
        events = self.env["dms.trace.event"]._of_codes(units.ids)
        self.assertIn(event, events[units[0].id])
        self.assertIn(event, events[units[-1].id])
        self.assertNotIn(event, events[units[40].id])

    def test_consumers_are_told_to_scan_the_new_pack(self):
        repacking = self._repack()
        repacking.action_done()
        units = self.env["dms.code"].search(
            [("order_id", "in", (self.order + self.gift_order).ids), ("level", "=", "unit")], order="id"
        )
        Code = self.env["dms.code"]
        self.assertTrue(Code._is_used_up(units[0].id))
        self.assertFalse(Code._is_used_up(units[30].id), "another unit")
        self.assertFalse(Code._is_used_up(units[-1].id), "the set")
        repacking.action_undo()
        self.assertFalse(Code._is_used_up(units[0].id))

    def test_undo(self):
        before = self._on_hand()
        values = [self.product.total_value, self.box.total_value]
        repacking = self._repack()
        repacking.action_done()
        event = repacking.event_id
        repacking.action_undo()
        self.assertEqual(repacking.state, "undone")
        self.assertEqual(self._on_hand(), before)
        (self.product | self.box | self.gift).invalidate_recordset()
        self.assertEqual([self.product.total_value, self.box.total_value], values)
        self.assertEqual(self.gift.total_value, 0)
        self.assertEqual(self._states(self.order, 0, 26), {"active"})
        events = self.env["dms.trace.event"].search([("biz_step", "=", "repackaging")], order="id")
        first, second = events._to_epcis()
        self.assertEqual(first["eventID"], second["eventID"])
        self.assertNotIn("errorDeclaration", first)
        self.assertEqual(second["errorDeclaration"]["reason"], "did_not_occur")
        epcis_schema.check_event(second)
        self.assertEqual(events[0], event)
        # The goods can go the same way once more.
        again = self._repack(used_text=self._texts(self.order, "unit", 0, 26))
        again.action_done()
        self.assertEqual(self._on_hand(), [974, 12, 88])
        with self.assertRaisesRegex(UserError, "nothing to undo"):
            repacking.action_undo()

    def test_no_undo_after_the_new_goods_left(self):
        repacking = self._repack()
        repacking.action_done()
        codes = self.env["dms.code"].search([("order_id", "=", self.gift_order.id)])
        self.env["dms.code"]._void(codes[3].ids)
        with self.assertRaisesRegex(UserError, codes[3].serial):
            repacking.action_undo()
        self.assertEqual(self._states(self.order, 0, 26), {"void"})

    def test_recall_finds_what_was_made(self):
        recall = self.env["dms.recall"].create(
            {"product_id": self.product.id, "lot_ids": self.lot.ids, "reason": "Rust"}
        )
        recall.action_count()
        self.assertEqual(sum(recall.line_ids.mapped("unit_count")), 96)
        repacking = self._repack()
        repacking.action_done()
        picking = self.env["stock.picking"].create(
            {
                "picking_type_id": self.warehouse.out_type_id.id,
                "partner_id": self.distributor_north.id,
                "location_id": self.stock.id,
                "location_dest_id": self.env.ref("stock.stock_location_customers").id,
                "move_ids": [
                    Command.create(
                        {
                            "product_id": self.gift.id,
                            "product_uom_qty": 5,
                            "location_id": self.stock.id,
                            "location_dest_id": self.env.ref("stock.stock_location_customers").id,
                        }
                    )
                ],
            }
        )
        picking.action_confirm()
        picking.action_assign()
        outcomes = picking._dms_add_codes(self._texts(self.gift_order, "unit", 0, 5).splitlines())
        self.assertTrue(all(outcome["ok"] for outcome in outcomes), outcomes)
        picking.button_validate()
        recall.action_count()
        counts = {line.partner_id: line.unit_count for line in recall.line_ids}
        self.assertEqual(counts[self.distributor_north], 5, "sets made of the batch, at the distributor")
        self.assertEqual(sum(counts.values()), 96 - 26 + 12)
        other = self.env["dms.recall"].create(
            {"product_id": self.gift.id, "lot_ids": self.gift_lot.ids, "reason": "Lid"}
        )
        other.action_count()
        self.assertEqual(
            sum(other.line_ids.mapped("unit_count")), 12, "what went into a set is not what is recalled"
        )

    def test_refused(self):
        cases = [
            ({"used_text": False}, "Scan the codes"),
            ({"used_text": "12345"}, "12345 is none of our codes"),
            ({"used_text": self._texts(self.gift_order)}, "used up and as new"),
            ({"made_text": self._texts(self.order, "unit", 30, 2)}, "stands in a package already"),
            ({"made_text": self._texts(self.order, "case", 2, 1)}, "label of a package"),
            ({"used_text": self._texts(self.gift_order, "unit", 0, 1), "made_text": self._texts(self.gift_order, "unit", 1, 1)}, "same code order"),
            ({"component_ids": [Command.create({"product_id": self.box.id, "quantity": 101})]}, "Gift Box.*101"),
            ({"component_ids": [Command.create({"product_id": self.product.id})]}, "enter the batch"),
        ]  # fmt: skip
        before = self._on_hand()
        for values, message in cases:
            with self.subTest(message), self.assertRaisesRegex(UserError, message), self.env.cr.savepoint():
                self._repack(**values).action_done()
        self.assertEqual(self._on_hand(), before)
        self.assertEqual(self._states(self.order, 0, 96), {"active"})

    def test_goods_on_a_delivery_are_not_used_up(self):
        picking = self._create_delivery(24)
        picking._dms_add_codes(self._texts(self.order, "case", 0, 1).splitlines())
        with self.assertRaisesRegex(UserError, "can't be used up"):
            self._repack().action_done()

    def test_guarded(self):
        repacking = self._repack()
        for values in ({"state": "done"}, {"made_count": 5}, {"event_id": False}):
            with self.assertRaises(UserError):
                repacking.write(values)
        repacking.action_done()
        for values in ({"used_text": "x"}, {"component_ids": [Command.clear()]}):
            with self.assertRaises(UserError):
                repacking.write(values)
        with self.assertRaises(UserError):
            repacking.component_ids.quantity = 3
        with self.assertRaises(UserError):
            repacking.unlink()
        with self.assertRaises(UserError):
            repacking.action_done()
        copy = repacking.copy()
        self.assertEqual((copy.state, copy.made_count, len(copy.component_ids)), ("draft", 0, 1))

    def test_form_by_a_storeman(self):
        form = Form(self.env["dms.code.repacking"].with_user(self.storeman))
        form.used_text = self._texts(self.order, "unit", 24, 2)
        form.made_text = self._texts(self.gift_order, "unit", 0, 1)
        repacking = form.save()
        repacking.action_done()
        self.assertEqual(self._on_hand(), [998, 1, 100])
        repacking.action_undo()
        self.assertEqual(self._on_hand(), [1000, 0, 100])

    def test_access(self):
        repacking = self._repack()
        seller = self._create_staff("seller", "dms_channel.dms_channel_group_user")
        repacking.with_user(seller).read(["name"])
        with self.assertRaises(AccessError):
            repacking.with_user(seller).action_done()
        portal = new_test_user(self.env, "repacking_portal", "base.group_portal")
        with self.assertRaises(AccessError):
            repacking.with_user(portal).read(["name"])
        other = self.env["res.company"].create({"name": "Other"})
        stranger = new_test_user(
            self.env, "stranger", "stock.group_stock_user", company_id=other.id, company_ids=other.ids
        )
        self.assertFalse(
            self.env["dms.code.repacking"].with_user(stranger).search([("id", "=", repacking.id)])
        )
