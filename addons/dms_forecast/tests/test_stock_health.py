from datetime import timedelta

from odoo.tests import tagged

from .common import DmsForecastCommon


@tagged("post_install", "-at_install")
class TestStockHealth(DmsForecastCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.product_old = cls.env["product.product"].create(
            {"name": "Old Tea", "is_storable": True, "list_price": 4.0}
        )

    def _refresh(self):
        self._forecast()
        self.env["dms.stock.health"]._refresh(self.company)
        return self.env["dms.stock.health"].search([("company_id", "=", self.company.id)])

    def _of(self, healths, partner, product):
        return healths.filtered(lambda health: health.partner_id == partner and health.product_id == product)

    def test_each_status_in_words(self):
        self._set_stock(self.distributor_north, self.product_tea, 200)
        self._set_stock(self.distributor_north, self.product_chips, 200)
        self._set_stock(self.distributor_south, self.product_tea, 3)
        self.env["dms.channel.move"].sudo().create(
            self._move_vals(
                "sell_in", self.distributor_south, self.product_old, 80, self.yesterday - timedelta(days=100)
            )
        )
        healths = self._refresh()
        tea = self._of(healths, self.distributor_north, self.product_tea)
        self.assertEqual(tea.status, "healthy")
        self.assertAlmostEqual(tea.days_cover, 20, delta=4)
        self.assertGreater(tea.score, 90)
        chips = self._of(healths, self.distributor_north, self.product_chips)
        self.assertEqual(chips.status, "overstock")
        self.assertIn("Overstock: 200", chips.advice)
        self.assertGreater(chips.surplus, 50)
        short = self._of(healths, self.distributor_south, self.product_tea)
        self.assertEqual(short.status, "stockout_risk")
        self.assertIn("Order now", short.advice)
        old = self._of(healths, self.distributor_south, self.product_old)
        self.assertRecordValues(
            old, [{"status": "slow", "is_slow": True, "quantity": 80, "surplus": 80, "idle_days": 100}]
        )
        self.assertIn("nothing was ever sold", old.advice)
        self.assertIn("Stop resupply", old.advice)
        self.assertEqual(old.value, 320)

    def test_slow_by_last_sale(self):
        self._sell(
            self.distributor_south, self.product_old, 3, days=30, until=self.yesterday - timedelta(days=70)
        )
        self._set_stock(self.distributor_south, self.product_old, 50)
        old = self._of(self._refresh(), self.distributor_south, self.product_old)
        self.assertEqual(old.status, "slow")
        self.assertGreaterEqual(old.idle_days, 70)
        self.assertIn("nothing was sold for", old.advice)

    def test_refresh_again_and_after_moves(self):
        self._set_stock(self.distributor_north, self.product_tea, 200)
        healths = self._refresh()
        ids = healths.ids
        self.assertEqual(self._refresh().ids, ids)
        self.env["dms.channel.move"].sudo().create(
            self._move_vals("sell_in", self.distributor_north, self.product_tea, 2000)
        )
        tea = self._of(self._refresh(), self.distributor_north, self.product_tea)
        self.assertIn(tea.status, ("overstock", "slow"))
        self.assertEqual(tea.quantity, 2200)

    def test_without_forecast(self):
        self._set_stock(self.distributor_north, self.product_tea, 200)
        self.env["dms.stock.health"]._refresh(self.company)
        healths = self.env["dms.stock.health"].search([("company_id", "=", self.company.id)])
        self.assertEqual(len(healths), 3)
        self.assertFalse(healths.run_id)

    def test_thresholds_of_the_company(self):
        self._set_stock(self.distributor_north, self.product_tea, 200)
        self.company.write({"dms_overstock_days": 10, "dms_slow_cover_days": 15})
        tea = self._of(self._refresh(), self.distributor_north, self.product_tea)
        self.assertEqual(tea.status, "slow")
        self.assertIn("Stop resupply", tea.advice)

    def test_cron(self):
        self._forecast()
        with self.enter_registry_test_mode():
            self.env.ref("dms_forecast.ir_cron_dms_stock_health").with_user(
                self.env.ref("base.user_root")
            ).method_direct_trigger()
        self.assertTrue(self.env["dms.stock.health"].search_count([("company_id", "=", self.company.id)]))
