from odoo.exceptions import AccessError, UserError
from odoo.tests import HttpCase, tagged

from odoo.addons.dms_traceability.tools import gs1_compress, gs1_elements

from .common import DmsTraceCommon


@tagged("post_install", "-at_install")
class TestScanScreen(DmsTraceCommon, HttpCase):
    def _labels(self, order, level="case"):
        gtin = next(span[1] for span in order._get_spans() if span[0] == level)
        return [f"(01){gtin}(21){serial}" for serial in self._serials(order, level)]

    def test_compressed_link_is_a_label_too(self):
        order = self._order_codes(24, 24)
        picking = self._create_delivery(24).with_user(self.storeman)
        label = gs1_elements.parse_bracketed(self._labels(order)[0])
        answer = picking.dms_scan_add([f"https://id.example.com/{gs1_compress.compress(label)}"])
        self.assertTrue(answer["outcomes"][0]["ok"], answer["outcomes"])
        self.assertEqual(answer["lines"][0]["scanned"], 24)

    def test_scan_undo_and_send_again(self):
        order = self._order_codes(48, 24)
        picking = self._create_delivery(48).with_user(self.storeman)
        screen = picking.dms_scan_load()
        self.assertEqual((screen["area"], screen["open"]), ("North", True))
        labels = self._labels(order)
        answer = picking.dms_scan_add([labels[0], "X"])
        self.assertEqual([outcome["ok"] for outcome in answer["outcomes"]], [True, False])
        self.assertEqual(answer["lines"][0]["scanned"], 24)
        # The network died after the server had stored the scan: the queue is sent again.
        answer = picking.dms_scan_add([labels[0]])
        self.assertEqual([(o["ok"], o["again"]) for o in answer["outcomes"]], [(False, True)])
        self.assertEqual(answer["lines"][0]["scanned"], 24)
        self.assertEqual(picking.dms_scan_undo(labels[0])["lines"][0]["scanned"], 0)
        with self.assertRaises(AccessError):
            picking.with_user(self.clerk_north).dms_scan_load()
        with self.assertRaises(AccessError):
            picking.with_user(self.inspector).dms_scan_add([labels[0]])

    def test_file_of_a_pda(self):
        order = self._order_codes(72, 24)
        picking = self._create_delivery(48).with_user(self.storeman)
        labels = self._labels(order)
        answer = picking.dms_scan_upload("code\n" + "\n".join(labels))
        self.assertEqual((answer["accepted"], answer["refused"], answer["lines"][0]["scanned"]), (2, 1, 48))
        self.assertIn("Too many", answer["outcomes"][0]["message"])
        with self.assertRaisesRegex(UserError, "has no code"):
            picking.dms_scan_upload("nothing")

    def _ship(self, quantity=48):
        order = self._order_codes(quantity, 24)
        picking = self._create_delivery(quantity)
        picking._dms_add_codes(self._labels(order))
        picking.button_validate()
        return order, picking

    def _create_return(self, picking, quantity):
        wizard = (
            self.env["stock.return.picking"]
            .with_context(active_id=picking.id, active_model="stock.picking")
            .create({"picking_id": picking.id})
        )
        wizard.product_return_moves.quantity = quantity
        return self.env["stock.picking"].browse(wizard.action_create_returns()["res_id"])

    def test_return(self):
        order, picking = self._ship()
        back = self._create_return(picking, 25)
        self.assertTrue(back._dms_is_return())
        cases, units = self._labels(order), self._labels(order, "unit")
        outcomes = back._dms_add_codes([cases[0], units[30], units[31], "X"])
        self.assertEqual([outcome["ok"] for outcome in outcomes], [True, True, False, False])
        self.assertIn("Too many", outcomes[2]["message"])
        self.assertEqual(back.dms_unit_count, 25)
        back._dms_release_codes([order.first_key + 30])
        self.assertEqual(back.dms_unit_count, 24)
        with self.assertRaisesRegex(UserError, "24 units scanned, 25 shipped"), self.env.cr.savepoint():
            back.button_validate()
        self.env.invalidate_all()
        back._dms_add_codes([units[30]])
        back.button_validate()
        self.env.invalidate_all()
        codes = self.env["dms.code"].browse([order.first_key, order.first_key + 30, order.first_key + 31])
        self.assertEqual(codes.mapped("state"), ["active", "active", "shipped"])
        self.assertEqual(codes.mapped("partner_id"), self.distributor_north)
        self.assertFalse(codes[1].case_key)
        # What came back can leave again.
        again = self._create_delivery(24)
        self.assertTrue(again._dms_add_codes([cases[0]])[0]["ok"])

    def test_a_return_takes_what_its_distributor_got(self):
        order, picking = self._ship(24)
        other, _picking = self._ship(24)
        south = self._create_delivery(24, self.distributor_south)
        stock = self._order_codes(24, 24)
        south._dms_add_codes(self._labels(stock))
        south.button_validate()
        back = self._create_return(picking, 24)
        messages = [
            o["message"]
            for o in back._dms_add_codes([*self._labels(stock), *self._labels(self._order_codes(24, 24))])
        ]
        self.assertIn("was not delivered to", messages[0])
        self.assertIn("not with a distributor", messages[1])
        self.assertTrue(back._dms_add_codes(self._labels(other))[0]["ok"])
        back.action_cancel()
        self.assertEqual(back.dms_unit_count, 0)
        self.assertEqual(self.env["dms.code"].browse(order.first_key).state, "shipped")

    def test_in_the_browser(self):
        order = self._order_codes(48, 24)
        picking = self._create_delivery(48)
        labels = ",".join(
            f"HTTPS://X/01/{order.case_gtin}/21/{serial}" for serial in self._serials(order, "case")
        )
        self.start_tour(
            f"/odoo/action-stock.action_picking_tree_all/{picking.id}?codes={labels}",
            "dms_scan_out",
            login="storeman",
        )
        self.assertEqual((picking.state, picking.dms_unit_count), ("done", 48))
