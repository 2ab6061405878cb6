from datetime import timedelta

from odoo.exceptions import AccessError
from odoo.fields import Date
from odoo.tests import tagged

from odoo.addons.dms_channel.tests.common import DmsChannelCommon


@tagged("post_install", "-at_install")
class TestBatch(DmsChannelCommon):
    """What is left of each batch, where sales don't say of which batch they were."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.product_tea.tracking = "lot"
        cls.lots = cls.env["stock.lot"].create(
            [
                {"name": name, "product_id": cls.product_tea.id, "company_id": cls.company.id}
                for name in ("B-1", "B-2", "B-3")
            ]
        )
        cls.today = Date.context_today(cls.env.user)

    def _move(self, kind, quantity, lot=None, partner=None, **vals):
        return self.env["dms.channel.move"].sudo().create(
            {
                "kind": kind,
                "partner_id": (partner or self.distributor_north).id,
                "product_id": self.product_tea.id,
                "lot_id": lot and lot.id,
                "date": self.today - timedelta(days=10),
                "quantity": quantity,
                **vals,
            }
        )  # fmt: skip

    def _left(self, partner=None):
        partner = partner or self.distributor_north
        self.env["dms.channel.batch"].invalidate_model()
        batches = self.env["dms.channel.batch"].search([("partner_id", "=", partner.id)])
        return {batch.lot_id.name: batch.quantity for batch in batches}

    def _come(self, *quantities):
        for lot, quantity in zip(self.lots, quantities, strict=False):
            self._move("sell_in", quantity, lot, price_unit=9, amount=9 * quantity)

    def test_what_came_first_is_sold_first(self):
        self._come(10, 5, 7)
        self.assertEqual(self._left(), {"B-1": 10, "B-2": 5, "B-3": 7})
        self._move("sell_out", -12)
        self.assertEqual(self._left(), {"B-2": 3, "B-3": 7})
        self._move("count", -9.5)
        self.assertEqual(self._left(), {"B-3": 0.5})
        batch = self.env["dms.channel.batch"].search([("partner_id", "=", self.distributor_north.id)])
        self.assertRecordValues(
            batch,
            [
                {
                    "known_quantity": 7,
                    "value": 4.5,
                    "first_date": self.today - timedelta(days=10),
                    "days_left": 0,
                }
            ],
        )
        self._move("sell_out", -5)
        self.assertFalse(self._left(), "nothing is left of a batch where there is no stock")

    def test_goods_without_batch_beside(self):
        """Stock that came without a batch is sold last: what is known to spoil goes first."""
        self._come(10)
        self._move("sell_in", 20)
        self.assertEqual(self._left(), {"B-1": 10})
        self._move("sell_out", -6)
        self.assertEqual(self._left(), {"B-1": 10}, "as much of other goods may have been sold")
        self._move("sell_out", -16)
        self.assertEqual(self._left(), {"B-1": 8})

    def test_returns_and_reversals_name_the_batch(self):
        self._come(10, 5)
        back = self._move("sell_in", -4, self.lots[1])
        self.assertEqual(self._left(), {"B-1": 10, "B-2": 1})
        back._reverse()
        self.assertEqual(self._left(), {"B-1": 10, "B-2": 5})

    def test_never_more_than_the_position(self):
        self._come(10, 5)
        self._move("sell_out", -3)
        self._move("sell_in", -4, self.lots[2])
        position = self.env["dms.channel.position"].search([("partner_id", "=", self.distributor_north.id)])
        self.assertEqual(sum(self._left().values()), position.quantity)

    def test_who_sees_it(self):
        self._come(10)
        self._move("sell_in", 3, self.lots[0], partner=self.distributor_south)
        batches = self.env["dms.channel.batch"]
        for clerk, quantity in ((self.clerk_north, 10), (self.clerk_south, 3)):
            self.assertEqual(batches.with_user(clerk).search([]).mapped("quantity"), [quantity])
        self.assertFalse(batches.with_user(self.clerk_outlet).search([]))
        self.assertEqual(len(batches.with_user(self.user_channel).search([])), 2)
        with self.assertRaises(AccessError):
            batches.with_user(self.env.ref("base.public_user")).search([])
        company = self.env["res.company"].create({"name": "Other Brand"})
        self.env.user.company_ids |= company
        self.assertFalse(
            batches.with_company(company).with_context(allowed_company_ids=company.ids).search([])
        )

    def test_few_queries(self):
        names = ["lot_id", "expiration_date", "days_left", "quantity", "value", "partner_id", "product_id"]
        for partner in (self.distributor_north, self.distributor_south):
            self._move("sell_in", 10, self.lots[0], partner=partner)
        counts = []
        for _round in range(3):
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            found = self.env["dms.channel.batch"].search([])
            found.read(names)
            counts.append((len(found), self.env.cr.sql_log_count - before))
            for lot in self.lots[1:]:
                self._move("sell_in", 3, lot)
                self._move("sell_in", 3, lot, partner=self.distributor_south)
        self.assertEqual([number for number, _queries in counts[1:]], [6, 6])
        self.assertEqual(counts[1], counts[2])
        self.assertLessEqual(counts[1][1], counts[0][1])
