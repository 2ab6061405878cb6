from datetime import timedelta

from odoo import fields
from odoo.tests import tagged

from .common import DmsChannelCommon


@tagged("post_install", "-at_install")
class TestRanking(DmsChannelCommon):
    """The last 13 weeks beside the 13 before, with ratios that hold for any group."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["dms.feed.rule"].search([]).active = False
        cls.monday = fields.Date.start_of(fields.Date.context_today(cls.env["dms.feed"]), "week")
        cls.distributor_north.territory_id = cls.distributor_south.territory_id = cls.territory_north
        cls._report(cls.distributor_north, "count", [(400, "TEA", 1000), (400, "CHIPS", 10)])
        cls._report(cls.distributor_south, "count", [(400, "TEA", 200)])
        cls._report(
            cls.distributor_north,
            "sell_through",
            [(20, "TEA", 91), (120, "TEA", 182), (120, "CHIPS", 20), (400, "TEA", 5)],
        )
        cls._report(cls.distributor_south, "sell_through", [(20, "TEA", 91)])
        cls.ranking = cls.env["dms.channel.ranking"].with_user(cls.user_channel)

    @classmethod
    def _report(cls, partner, kind, rows):
        """Release rows (days before this Monday, product, quantity)."""
        lines = [f"{code},{cls.monday - timedelta(days=days)},{quantity},2" for days, code, quantity in rows]
        raw = "\n".join(["product_code,date,quantity,unit_price", *lines]).encode()
        cls.env["dms.feed"]._receive(raw, f"{kind}.csv", partner=partner, kind=kind).action_release()

    def _row(self, partner, product):
        return self.ranking.search([("partner_id", "=", partner.id), ("product_id", "=", product.id)])

    def test_row(self):
        row = self._row(self.distributor_north, self.product_tea)
        # what was sold on the day of the count was sold before it: 1,000 less 273
        self.assertRecordValues(
            row,
            [
                {
                    "sold_quantity": 91,
                    "before_quantity": 182,
                    "change": -91,
                    "growth": -0.5,
                    "sold_value": 182,
                    "share": 0.5,
                    "quantity": 727,
                    "cover_days": 727,
                    "daily": 1,
                }
            ],
        )

    def test_stock_below_zero_covers_nothing(self):
        row = self._row(self.distributor_north, self.product_chips)
        self.assertRecordValues(
            row, [{"quantity": -10, "cover_days": 0, "sell_through": 0, "growth": -1, "share": 0}]
        )

    def test_ratios_of_a_group_are_those_of_its_sums(self):
        [(territory, cover, growth, share, through)] = self.ranking._read_group(
            [
                ("partner_id", "in", (self.distributor_north | self.distributor_south).ids),
                ("product_id", "=", self.product_tea.id),
            ],
            ["territory_id"],
            ["cover_days:avg", "growth:avg", "share:sum", "sell_through:avg"],
        )
        self.assertEqual(territory, self.territory_north)
        stock = 727 + 109
        self.assertAlmostEqual(cover, stock / 2)
        self.assertAlmostEqual(growth, (182 - 182) / 182)
        self.assertAlmostEqual(share, 1.0)
        self.assertAlmostEqual(through, 182 / (182 + stock))

    def test_another_company_is_not_ranked(self):
        company = self.env["res.company"].create({"name": "Elsewhere"})
        position = self._row(self.distributor_north, self.product_tea)
        self.env["dms.channel.move"].sudo().create(
            {
                "kind": "count",
                "company_id": company.id,
                "partner_id": self.distributor_north.id,
                "product_id": self.product_tea.id,
                "quantity": 5,
            }
        )
        self.assertEqual(self._row(self.distributor_north, self.product_tea), position)

    def test_one_query_however_many_rows(self):
        self.ranking.search_read([], ["sold_quantity"])
        with self.assertQueryCount(1):
            self.ranking.search_fetch([], ["sold_quantity", "share", "cover_days"], limit=80)
