from odoo import Command, fields
from odoo.exceptions import AccessError
from odoo.tests import freeze_time, new_test_user, tagged

from .rebate_common import RebateCommon


@tagged("post_install", "-at_install")
@freeze_time("2026-03-15")
class TestRebateAnalysis(RebateCommon):
    """Accruals and pay-outs beside the margin of what they reward; each sum is the one of its source."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cola.standard_price = 60
        cls.apple.standard_price = 30
        cls.territory = cls.env["dms.territory"].create({"name": "North", "code": "AN"})
        cls.north.territory_id = cls.territory

    def _read(self, groupby, **where):
        """Sums of the analysis, by one field: accrued, paid out, sales, cost, margin, margin after rebates."""
        self.env.flush_all()
        rows = self.env["dms.rebate.analysis"]._read_group(
            [("company_id", "=", self.company.id), *((name, "=", value) for name, value in where.items())],
            [groupby],
            [f"{name}:sum" for name in ("accrued", "paid_out", "sales", "cost", "margin", "margin_after")],
        )
        return {key: [round(value, 2) for value in values] for key, *values in rows}

    def test_cost_of_a_programme_beside_the_margin(self):
        program = self._program(tiers=((0, 10),), categ_ids=[Command.set(self.drinks.ids)])
        self._invoice(self.north, [(self.cola, 100), (self.apple, 50), (self.soap, 999)], date="2026-01-10")
        self._invoice(self.north, 100, date="2026-02-10")
        self._invoice(self.north, 50, product=self.apple, date="2026-02-11", move_type="out_refund")
        # sold 250 and took back 50 of drinks: 20 accrued; 60 + 30 + 60 - 30 of cost
        self.assertEqual(self._read("program_id"), {program: [20, 0, 200, 120, 80, 60]})
        self.assertEqual(
            self._read("categ_id"),
            {self.drinks: [20, 0, 200, 120, 80, 60], self.juice: [0, 0, 0, 0, 0, 0]},
        )
        self.assertEqual(self._read("territory_id"), {self.territory: [20, 0, 200, 120, 80, 60]})
        january = self._read("date:month")[fields.Date.to_date("2026-01-01")]
        self.assertEqual(january, [15, 0, 150, 90, 60, 45])
        [settlement] = self._settle(self.north)
        self.assertEqual(self._read("program_id")[program], [20, 20, 200, 120, 80, 60])
        settlement.action_cancel()
        self.assertEqual(self._read("program_id")[program], [20, 0, 200, 120, 80, 60])

    def test_versions_and_distributors_apart(self):
        program = self._program(tiers=((0, 10),))
        self._invoice(self.north, 100, date="2026-01-10")
        self._invoice(self.south, 300, date="2026-01-10")
        self.assertEqual(
            self._read("partner_id", program_id=program.id),
            {self.north: [10, 0, 100, 60, 40, 30], self.south: [30, 0, 300, 60, 240, 210]},
        )
        self.assertEqual(list(self._read("version")), ["v1"])

    def test_a_periodic_programme_has_no_category(self):
        program = self._program(tiers=((0, 10),), accrual_policy="periodic")
        self._invoice(self.north, 100, date="2026-01-10")
        program._accrue_difference()
        accrued = {categ: row[0] for categ, row in self._read("categ_id").items()}
        self.assertEqual(accrued, {self.drinks: 0, self.env["product.category"]: 10})

    def test_foreign_currency(self):
        """Everything is in the company's currency, the accrual at its document's rate."""
        euro = self.setup_other_currency("EUR", rates=[("2026-01-01", 0.5)])
        self._program(tiers=((0, 10),), currency_id=euro.id)
        self._invoice(self.north, 100, date="2026-01-10", currency_id=euro.id)
        self._settle(self.north)
        [row] = self._read("program_id").values()
        self.assertEqual(row[:3], [20, 20, 200])

    def test_access(self):
        self._program(tiers=((0, 10),))
        self._invoice(self.north, 100, date="2026-01-10")
        self.env.flush_all()
        Analysis = self.env["dms.rebate.analysis"]
        for user in (self.accountant, self.manager):
            self.assertTrue(Analysis.with_user(user).search([("company_id", "=", self.company.id)]))
        for user in (self.staff, self.clerk_north, self.env.ref("base.public_user")):
            with self.assertRaises(AccessError):
                Analysis.with_user(user).search([])
        other = self.env["res.company"].create({"name": "Other"})
        stranger = new_test_user(
            self.env, "stranger", "base.group_user,dms_channel.dms_channel_group_accountant",
            company_id=other.id, company_ids=[Command.set(other.ids)],
        )  # fmt: skip
        self.assertFalse(Analysis.with_user(stranger).search([]))

    def test_expected_rebate_on_the_distributors_form(self):
        self._program(tiers=((0, 10),), period="quarter")
        self._invoice(self.north, 740, date="2026-01-10")
        # 74 days of 90 have passed
        north = self.north.with_user(self.staff)
        self.assertEqual(north.dms_rebate_expected, 90)
        action = north.action_view_dms_rebate_balances()
        self.assertEqual(self.env["dms.rebate.balance"].search(action["domain"]).expected_amount, 90)
