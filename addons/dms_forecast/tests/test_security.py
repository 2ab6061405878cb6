from odoo.exceptions import AccessError
from odoo.fields import Command
from odoo.tests import tagged

from .common import DmsForecastCommon

MODELS = (
    "dms.forecast.series",
    "dms.forecast.line",
    "dms.stock.health",
    "dms.replenishment.proposal",
    "dms.replenishment.proposal.line",
)


@tagged("post_install", "-at_install")
class TestSecurity(DmsForecastCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls._set_stock(cls.distributor_north, cls.product_tea, 10)
        cls._set_stock(cls.distributor_south, cls.product_tea, 5)
        cls.forecast_run = cls._forecast()
        cls.forecast_run._refresh_followers()

    def test_portal_sees_its_own_distributor(self):
        for clerk, partner in (
            (self.clerk_north, self.distributor_north),
            (self.clerk_south, self.distributor_south),
        ):
            for model in MODELS:
                records = self.env[model].with_user(clerk).search([])
                self.assertTrue(records, model)
                self.assertEqual(records.sudo().partner_id, partner, model)
                records.sudo(False).mapped("display_name")
        self.assertFalse(self.env["dms.stock.health"].with_user(self.clerk_outlet).search([]))

    def test_portal_reads_words(self):
        for model, field in (
            ("dms.forecast.series", "why"),
            ("dms.stock.health", "advice"),
            ("dms.replenishment.proposal", "reason"),
            ("dms.replenishment.proposal.line", "reason"),
        ):
            self.assertTrue(self.env[model].with_user(self.clerk_north).search([], limit=1)[field], model)
        self.assertTrue(self.env["dms.forecast.series"].with_user(self.clerk_north).search([], limit=1).chart)

    def test_portal_changes_nothing(self):
        for model in MODELS:
            record = self.env[model].with_user(self.clerk_north).search([], limit=1)
            self.assertTrue(record, model)
            with self.assertRaises(AccessError, msg=model):
                record.write({"partner_id": self.distributor_south.id})
            with self.assertRaises(AccessError, msg=model):
                record.unlink()
        with self.assertRaises(AccessError):
            self.env["dms.forecast.run"].with_user(self.clerk_north).search([])

    def test_drafts_are_the_brands(self):
        proposal = self.env["dms.replenishment.proposal"].search(
            [("partner_id", "=", self.distributor_north.id)]
        )
        proposal.state = "draft"
        self.assertFalse(self.env["dms.replenishment.proposal"].with_user(self.clerk_north).search([]))
        self.assertFalse(self.env["dms.replenishment.proposal.line"].with_user(self.clerk_north).search([]))

    def test_figures_are_read_only_for_staff(self):
        for model in MODELS[:3]:
            record = self.env[model].with_user(self.user_channel).search([], limit=1)
            self.assertTrue(record, model)
            with self.assertRaises(AccessError, msg=model):
                record.write({"partner_id": self.distributor_south.id})
        with self.assertRaises(AccessError):
            self.env["dms.forecast.run"].with_user(self.user_channel).create({})
        self.env["dms.forecast.run"].with_user(self.user_manager).create({}).action_run()

    def test_other_company(self):
        other = self.env["res.company"].sudo().create({"name": "Other"})
        stranger = self._create_staff("stranger", "dms_channel.dms_channel_group_manager")
        stranger.write({"company_ids": [Command.set(other.ids)], "company_id": other.id})
        for model in (*MODELS, "dms.forecast.run"):
            self.assertFalse(self.env[model].with_user(stranger).search([]), model)
