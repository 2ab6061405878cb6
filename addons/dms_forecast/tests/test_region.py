import io

from openpyxl import load_workbook

from odoo.exceptions import AccessError, UserError
from odoo.tests import HttpCase, tagged

from .common import DmsForecastCommon


@tagged("post_install", "-at_install")
class TestRegion(DmsForecastCommon, HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls._set_stock(cls.distributor_north, cls.product_tea, 1000)
        cls._set_stock(cls.distributor_south, cls.product_tea, 20)
        cls.forecast_run = cls._forecast()

    def test_regions_add_up_to_the_run(self):
        rows = self.env["dms.forecast.region"].search([("run_id", "=", self.forecast_run.id)])
        self.assertAlmostEqual(sum(rows.mapped("quantity")), self.forecast_run.total, delta=1e-3)
        self.assertEqual(rows.region_id, self.territory_north | self.territory_south)
        north = rows.filtered(lambda row: row.region_id == self.territory_north)
        series = self.forecast_run.series_ids.filtered(lambda one: one.partner_id == self.distributor_north)
        self.assertAlmostEqual(sum(north.mapped("quantity")), sum(series.mapped("total")), delta=1e-3)
        self.assertTrue(all(row.week.weekday() == 0 for row in rows))

    def test_what_one_has_too_much_does_not_serve_the_other(self):
        south = self._series(self.forecast_run, self.distributor_south, self.product_tea)
        supply = {row["product"]: row for row in self.forecast_run._get_supply()}
        tea = supply[self.product_tea]
        self.assertEqual(tea["channel"], 1020)
        self.assertAlmostEqual(tea["lacking"], south.total - 20, delta=1e-6)
        self.assertEqual(tea["supply"], -(-(south.total - 20) // 1))
        warehouse = self.env["stock.warehouse"].search([("company_id", "=", self.company.id)], limit=1)
        self.env["stock.quant"]._update_available_quantity(self.product_tea, warehouse.lot_stock_id, 30)
        self.env.invalidate_all()
        after = {row["product"]: row for row in self.forecast_run._get_supply()}[self.product_tea]
        self.assertEqual((after["here"], after["supply"]), (30, -(-(south.total - 50) // 1)))

    def test_spreadsheet(self):
        self.authenticate(self.user_channel.login, self.user_channel.login)
        self.assertEqual(
            self.forecast_run.with_user(self.user_channel).action_export()["url"],
            f"/dms/forecast/{self.forecast_run.id}/xlsx",
        )
        self.product_tea.name = "=1+1 tea"
        response = self.url_open(f"/dms/forecast/{self.forecast_run.id}/xlsx")
        self.assertEqual(response.status_code, 200)
        book = load_workbook(io.BytesIO(response.content))
        supply, regions = book.worksheets
        rows = list(regions.iter_rows(values_only=True))
        self.assertAlmostEqual(sum(row[-1] for row in rows[1:]), self.forecast_run.total, delta=0.01)
        self.assertEqual(len(rows), 4)
        cell = next(cell for row in supply.iter_rows() for cell in row if "tea" in str(cell.value))
        self.assertEqual(cell.data_type, "s")

    def test_only_the_brand_and_only_the_current_one(self):
        url = f"/dms/forecast/{self.forecast_run.id}/xlsx"
        self.authenticate(self.clerk_north.login, self.clerk_north.login)
        self.assertEqual(self.url_open(url).status_code, 404)
        with self.assertRaises(AccessError):
            self.env["dms.forecast.region"].with_user(self.clerk_north).search([])
        stranger = self._create_staff("dms_stranger", "dms_channel.dms_channel_group_manager")
        other = self.env["res.company"].sudo().create({"name": "Other"})
        stranger.write({"company_ids": [(6, 0, other.ids)], "company_id": other.id})
        self.assertFalse(self.env["dms.forecast.region"].with_user(stranger).search([]))
        self.authenticate(stranger.login, stranger.login)
        self.assertEqual(self.url_open(url).status_code, 404)
        self._forecast()
        self.authenticate(self.user_channel.login, self.user_channel.login)
        response = self.url_open(url)
        self.assertEqual(response.status_code, 400)
        self.assertIn("not the current forecast", response.text)
        with self.assertRaises(UserError):
            self.forecast_run.action_export()

    def test_queries_do_not_grow_with_products(self):
        def count():
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.cr.sql_log_count
            self.env["dms.forecast.run"]._get_current(self.company)._render_xlsx()
            return self.cr.sql_log_count - before

        few = count()
        for product in self.env["product.product"].create(
            [{"name": f"P{i}", "is_storable": True} for i in range(30)]
        ):
            self._sell(self.distributor_south, product, 1, days=40)
        self._forecast()
        self.assertLessEqual(count(), few + 2)
