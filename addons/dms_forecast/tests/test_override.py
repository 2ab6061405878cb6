from datetime import timedelta

from odoo.exceptions import AccessError, ValidationError
from odoo.tests import new_test_user, tagged

from .common import DmsForecastCommon


@tagged("post_install", "-at_install")
class TestOverride(DmsForecastCommon):
    def _override(self, **values):
        return (
            self.env["dms.forecast.override"]
            .with_user(self.user_channel)
            .create(
                {
                    "date_from": self.today + timedelta(days=1),
                    "date_to": self.today + timedelta(days=10),
                    "reason": "School board's tender",
                    "percent": 50,
                    **values,
                }
            )
        )

    def test_laid_over_the_forecast(self):
        plain = self._forecast()
        override = self._override(partner_id=self.distributor_north.id, categ_id=self.product_tea.categ_id.id)
        run = self._forecast()
        tea, was = (self._series(one, self.distributor_north, self.product_tea) for one in (run, plain))
        days = [line.quantity for line in tea.line_ids]
        before = [line.quantity for line in was.line_ids]
        # the forecast begins today, the override tomorrow
        self.assertAlmostEqual(days[0], before[0], 3)
        self.assertAlmostEqual(days[1], before[1] * 1.5, 3)
        self.assertAlmostEqual(days[11], before[11], 3)
        self.assertAlmostEqual(tea.total, was.total + sum(before[1:11]) / 2, 2)
        self.assertAlmostEqual(tea.override_units, sum(before[1:11]) / 2, 2)
        self.assertIn("School board", tea.why)
        self.assertGreater(tea._get_quantile(0.9, 14)[tea.id], was._get_quantile(0.9, 14)[was.id])
        south = self._series(run, self.distributor_south, self.product_tea)
        self.assertFalse(south.overrides)
        everyone = self._series(run, self.env["res.partner"], self.product_tea)
        self.assertAlmostEqual(everyone.total, tea.total + south.total, 2)
        self.assertNotEqual(run.data_hash, plain.data_hash)
        self.assertEqual(override.run_id, run)
        again = self._forecast()
        self.assertEqual(self._series(again, self.distributor_north, self.product_tea).total, tea.total)
        self.assertEqual(override.run_id, again, "the last one before its days is judged")
        override.action_end()
        self.assertEqual(self._forecast().data_hash, plain.data_hash)

    def test_a_quantity(self):
        override = self._override(
            partner_id=self.distributor_north.id,
            product_id=self.product_tea.id,
            kind="total",
            quantity=700,
            percent=0,
        )
        self._override(percent=-100)
        run = self._forecast()
        tea = self._series(run, self.distributor_north, self.product_tea)
        self.assertAlmostEqual(sum(line.quantity for line in tea.line_ids[1:11]), 700, 2)
        self.assertAlmostEqual(override.override_quantity, 700, 2)
        self.assertAlmostEqual(
            sum(
                self._series(run, self.distributor_south, self.product_tea).line_ids[1:11].mapped("quantity")
            ),
            0,
        )

    def test_judged_by_what_came(self):
        override = self._override(partner_id=self.distributor_north.id, product_id=self.product_tea.id)
        run = self._forecast()
        self.env["dms.forecast.override"]._judge(self.company)
        self.assertFalse(override.is_judged, "its days are still to come")
        engine = override.engine_quantity
        self.assertAlmostEqual(override.override_quantity, engine * 1.5, delta=0.01)
        day = self.today + timedelta(days=1)
        sold = [
            self._move_vals(
                "sell_out", self.distributor_north, self.product_tea, -20, day + timedelta(days=n)
            )
            for n in range(10)
        ]
        sold.append(
            self._move_vals(
                "sell_out", self.distributor_south, self.product_tea, -99, day + timedelta(days=9)
            )
        )
        self.env["dms.channel.move"].sudo().create(sold)
        self.env["dms.forecast.override"]._judge(self.company)
        self.assertRecordValues(override, [{"is_judged": True, "actual_quantity": 200, "run_id": run.id}])
        self.assertAlmostEqual(
            override.value_added, abs(engine - 200) - abs(override.override_quantity - 200), 2
        )
        self.env["dms.forecast.override"]._judge(self.company)
        self.assertEqual(override.actual_quantity, 200)

    def test_begun(self):
        override = self._override(date_from=self.today, percent=10)
        run = self._forecast()
        self.assertEqual(override.run_id, run)
        with self.assertRefused("has begun"):
            override.percent = 20
        self._forecast()
        self.assertEqual(override.run_id, run, "what it is judged by stays")
        override.action_end()
        self.assertEqual((override.active, override.state), (False, "running"))

    def test_new(self):
        """A form that names no last day yet is of an override that is still to come."""
        self.assertEqual(self.env["dms.forecast.override"].new({"date_from": self.today}).state, "planned")

    def test_bad_input(self):
        with self.assertRefused("one distributor and one product"):
            self._override(kind="total", quantity=5)
        with self.assertRefused("changes nothing"):
            self._override(percent=0)
        with self.assertRefused("is over"):
            self._override(date_from=self.yesterday, date_to=self.yesterday)
        with self.assertRefused("for a year at most"):
            self._override(date_to=self.today + timedelta(days=800))
        total = {"partner_id": self.distributor_north.id, "product_id": self.product_tea.id, "kind": "total"}
        self._override(**total, quantity=5)
        with self.assertRaisesRegex(ValidationError, "choose other days"):
            self._override(**total, quantity=6)

    def test_rights(self):
        override = self._override()
        with self.assertRaises(AccessError):
            override.unlink()
        other = self.env["res.company"].sudo().create({"name": "Other Brand"})
        stranger = new_test_user(
            self.env(su=True),
            "override_stranger",
            groups="dms_channel.dms_channel_group_manager",
            company_id=other.id,
            company_ids=[(6, 0, other.ids)],
        )
        self.assertFalse(self.env["dms.forecast.override"].with_user(stranger).search([]))
        with self.assertRaises(AccessError):
            override.with_user(stranger).read(["reason"])
        portal = new_test_user(self.env(su=True), "override_portal", groups="base.group_portal")
        with self.assertRaises(AccessError):
            override.with_user(portal).read(["reason"])
