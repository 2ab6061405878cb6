from odoo.tests import tagged

from .common import DmsTraceCommon


@tagged("post_install", "-at_install")
class TestReceipt(DmsTraceCommon):
    """Each link of the channel scans in what it received."""

    def _ship(self, partner=None):
        order = self._order_codes(48, 24)
        picking = self._create_delivery(48, partner)
        picking._dms_assign_codes()
        picking.button_validate()
        self.env.invalidate_all()
        return order

    def _receive(self, partner, order, level, *places):
        gtin = next(span[1] for span in order._get_spans() if span[0] == level)
        serials = self._serials(order, level)
        Code = self.env["dms.code"].with_user(self.clerk_north).sudo()
        return Code._receive(partner, [f"(01){gtin}(21){serials[place]}" for place in places])

    def _at(self, key):
        code = self.env["dms.code"].browse(key)
        return code.state, code.partner_id, code.holder_id

    def test_down_the_channel(self):
        order = self._ship()
        (case,) = self._receive(self.distributor_north, order, "case", 0)
        self.assertEqual(
            (case["ok"], case["again"], case["units"], case["product"]), (True, False, 24, "Green Tea")
        )
        self.assertEqual(self._at(order.first_key)[0], "received")
        self.assertEqual(self._at(order.first_key + 24)[0], "shipped")
        self.assertTrue(self._receive(self.distributor_north, order, "case", 0)[0]["again"])
        # The outlet takes single units out of the distributor's case; the distributor still answers for them.
        outcomes = self._receive(self.outlet, order, "unit", 3, 4)
        self.assertEqual([outcome["ok"] for outcome in outcomes], [True, True])
        self.assertEqual(self._at(order.first_key + 3), ("received", self.distributor_north, self.outlet))
        self.assertFalse(self.env["dms.code"].browse(order.first_key + 3).case_key)
        self.assertEqual(
            self.env["dms.code"]._count_units([order.first_key + 48]), {order.first_key + 48: 22}
        )
        steps = self.env["dms.code"].browse(order.first_key + 3).event_ids.sorted("id").mapped("biz_step")
        self.assertEqual(steps[-2:], ["unpacking", "receiving"])

    def test_goods_of_others_tell_nothing(self):
        order = self._ship()
        for partner in (self.distributor_south, self.distributor_south.copy({"name": "Stranger"})):
            (outcome,) = self._receive(partner, order, "case", 0)
            self.assertEqual((outcome["ok"], outcome["units"], outcome["product"]), (False, 0, ""))
            self.assertIn("not sent to you", outcome["message"])
        printed = self._order_codes(24, 24, "generated")
        self.assertIn(
            "none of our codes", self._receive(self.distributor_north, printed, "case", 0)[0]["message"]
        )
        active = self._order_codes(24, 24)
        self.assertIn("in use", self._receive(self.distributor_north, active, "case", 0)[0]["message"])
        self.assertEqual(self._at(order.first_key)[0], "shipped")

    def test_sub_distributor(self):
        sub = self.distributor_south
        sub.upstream_id = self.distributor_north
        order = self._ship()
        self._receive(self.distributor_north, order, "case", 0)
        self.assertTrue(self._receive(sub, order, "case", 0)[0]["ok"])
        self.assertEqual(self._at(order.first_key), ("received", self.distributor_north, sub))
        self.assertFalse(self._receive(self.distributor_north, order, "case", 0)[0]["ok"])
        # And on to its own shop.
        self.outlet.upstream_id = sub
        self.assertTrue(self._receive(self.outlet, order, "unit", 0)[0]["ok"])
        self.assertEqual(self._at(order.first_key)[2], self.outlet)

    def _labels(self, order, level, *places):
        gtin = next(span[1] for span in order._get_spans() if span[0] == level)
        serials = self._serials(order, level)
        return [f"(01){gtin}(21){serials[place]}" for place in places]

    def test_sold_and_taken_back(self):
        order = self._ship()
        Code = self.env["dms.code"].sudo()
        self._receive(self.distributor_north, order, "case", 0)
        label = self._labels(order, "unit", 3)
        # the shop never scanned it in: that is made up for
        (outcome,) = Code._sell(self.outlet, label)
        self.assertEqual((outcome["ok"], outcome["units"], outcome["message"]), (True, 1, "Sold."))
        self.assertEqual(self._at(order.first_key + 3), ("sold", self.distributor_north, self.outlet))
        events = Code.browse(order.first_key + 3).event_ids.sorted("id")
        self.assertEqual(events.mapped("biz_step")[-3:], ["unpacking", "receiving", "retail_selling"])
        self.assertEqual(events[-1].disposition, "retail_sold")
        self.assertEqual(events[-1].partner_id, self.outlet)
        (written,) = events[-1]._to_epcis()
        self.assertEqual((written["bizStep"], written["disposition"]), ("retail_selling", "retail_sold"))
        self.assertTrue(Code._sell(self.outlet, label)[0]["again"])
        # what is sold can't be received or sold by another
        for partner in (self.distributor_north, self.distributor_south):
            for work in (Code._receive, Code._sell, Code._take_back):
                self.assertFalse(work(partner, label)[0]["ok"])
        self.assertTrue(Code._take_back(self.outlet, label)[0]["ok"])
        self.assertTrue(Code._take_back(self.outlet, label)[0]["again"])
        self.assertEqual(self._at(order.first_key + 3), ("received", self.distributor_north, self.outlet))
        self.assertTrue(Code._sell(self.outlet, label)[0]["ok"])
        # a whole case to a restaurant: all that is in it is sold
        (case,) = Code._sell(self.distributor_north, self._labels(order, "case", 1))
        self.assertEqual((case["ok"], case["units"]), (True, 24))
        self.assertEqual(self._at(order.first_key + 30)[0], "sold")

    def test_constant_number_of_queries(self):
        order = self._ship()
        self._receive(self.distributor_north, order, "unit", 40)
        with self.assertQueryCount(60):
            self._receive(self.distributor_north, order, "unit", *range(24))
