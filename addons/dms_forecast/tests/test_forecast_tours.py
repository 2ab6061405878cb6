from datetime import timedelta

from freezegun import freeze_time

from odoo.fields import Command
from odoo.tests import HttpCase, tagged

from .common import DmsForecastCommon


@tagged("post_install", "-at_install")
class TestForecastTours(DmsForecastCommon, HttpCase):
    """What a planner does with a forecast, in a real browser."""

    def test_run_read_and_override(self):
        self.start_tour(
            "/odoo/action-dms_forecast.dms_forecast_run_action",
            "dms_forecast_run",
            login=self.user_manager.login,
        )
        self.env.invalidate_all()
        run = self.env["dms.forecast.run"]._get_current(self.company)
        self.assertEqual(run.series_done, 3)
        override = self.env["dms.forecast.override"].search([("reason", "=", "Wedding season in the north")])
        self.assertRecordValues(
            override,
            [
                {
                    "partner_id": self.distributor_north.id,
                    "product_id": self.product_tea.id,
                    "percent": 50,
                    "user_id": self.user_manager.id,
                }
            ],
        )
        before = self._series(run, self.distributor_north, self.product_tea).total
        after = self._series(self._forecast(), self.distributor_north, self.product_tea)
        self.assertAlmostEqual(after.total, 1.5 * before, delta=0.1 * before)
        self.assertIn("Wedding season", after.why)

    def test_orderpoint_follows(self):
        self._forecast()
        warehouse = self.env["stock.warehouse"].search([("company_id", "=", self.company.id)], limit=1)
        orderpoint = self.env["stock.warehouse.orderpoint"].create(
            {
                "product_id": self.product_tea.id,
                "warehouse_id": warehouse.id,
                "location_id": warehouse.lot_stock_id.id,
            }
        )
        self.user_manager.group_ids = [Command.link(self.env.ref("stock.group_stock_manager").id)]
        self.start_tour(
            "/odoo/action-dms_forecast.stock_warehouse_orderpoint_action",
            "dms_forecast_orderpoint",
            login=self.user_manager.login,
        )
        self.env.invalidate_all()
        self.assertRecordValues(orderpoint, [{"dms_policy": "forecast", "trigger": "manual"}])
        self.assertGreater(orderpoint.product_min_qty, 0)
        self.assertGreaterEqual(orderpoint.product_max_qty, orderpoint.product_min_qty)

    def test_too_much_stock(self):
        self._set_stock(self.distributor_north, self.product_tea, 2500)
        self._forecast()
        for day in (0, 1):
            with freeze_time(self.today + timedelta(days=day)):
                self.env["dms.stock.health"]._refresh(self.company)
        self.start_tour(
            "/odoo/action-dms_forecast.dms_stock_alert_action",
            "dms_forecast_alert",
            login=self.user_manager.login,
        )
