from datetime import date

from odoo.exceptions import AccessError, ValidationError
from odoo.fields import Command
from odoo.tests import freeze_time, tagged

from odoo.addons.dms_channel.tests.common import SIGNATURE, DmsChannelCommon


@tagged("post_install", "-at_install")
@freeze_time("2025-09-30")
class TestAgreementTarget(DmsChannelCommon):
    """Yearly and monthly targets, and how far the distributor has come. The fiscal year is the calendar year."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.shop_south = cls.env["res.partner"].create(
            {
                "name": "Depot South",
                "parent_id": cls.distributor_north.id,
                "type": "delivery",
                "country_id": cls.country.id,
                "zip": "2500",
            }
        )
        # The territory of an address that is no member of the channel is stated by hand.
        cls.shop_south.territory_id = cls.territory_south
        cls.agreement_north.action_terminate()
        cls.agreement = cls._create_agreement(
            cls.distributor_north,
            cls.territory_north,
            date_start="2025-10-01",
            activate=False,
            line_ids=[
                Command.create(
                    {
                        "territory_id": cls.territory_north.id,
                        "categ_ids": [Command.set(cls.categ_drinks.ids)],
                        "target_amount": 12000.0,
                    }
                ),
                Command.create({"territory_id": cls.territory_north.id, "target_amount": 1200.0}),
                Command.create({"territory_id": cls.territory_south.id}),
            ],
        )
        cls.drinks, cls.other, cls.south = cls.agreement.line_ids

    def _bill(self, product, quantity, day, move_type="out_invoice", price=10.0, **values):
        move = self.env["account.move"].create(
            {
                "move_type": move_type,
                "partner_id": self.distributor_north.id,
                "partner_shipping_id": self.distributor_north.id,
                "invoice_date": day,
                "date": day,
                "invoice_line_ids": [
                    Command.create(
                        {
                            "product_id": product.id,
                            "quantity": quantity,
                            "price_unit": price,
                            "tax_ids": [Command.clear()],
                        }
                    )
                ],
                **values,
            }
        )
        move.action_post()
        return move

    def test_attained_is_what_was_invoiced_less_credit_notes(self):
        self._bill(self.product_tea, 100, "2025-10-05")
        self._bill(self.product_tea, 20, "2025-11-05")
        self._bill(self.product_tea, 15, "2025-11-06", "out_refund")
        self._bill(self.product_chips, 7, "2025-11-07")
        self._bill(self.product_tea, 9, "2025-11-08", partner_shipping_id=self.shop_south.id)
        self._bill(self.product_tea, 999, "2025-09-30")
        self._bill(self.product_tea, 999, "2026-01-01")
        self.env["account.move"].create(
            {
                "move_type": "out_invoice",
                "partner_id": self.distributor_north.id,
                "invoice_date": "2025-11-01",
            }
        )
        with freeze_time("2025-11-15"):
            self.assertRecordValues(
                self.agreement.line_ids,
                [
                    # Three of the year's twelve months; half of November's thirty days are over.
                    {
                        "period_target": 3000.0,
                        "period_sales": 1050.0,
                        "month_target": 1000.0,
                        "month_sales": 50.0,
                    },
                    {
                        "period_target": 300.0,
                        "period_sales": 70.0,
                        "month_target": 100.0,
                        "month_sales": 70.0,
                    },
                    {"period_target": 0.0, "period_sales": 90.0, "month_target": 0.0, "month_sales": 90.0},
                ],
            )
            self.assertAlmostEqual(self.drinks.period_rate, 0.35)
            self.assertAlmostEqual(self.drinks.period_expected, 1050.0 / 1500.0 * 3000.0)
            self.assertRecordValues(
                self.agreement,
                [
                    {
                        "period_target": 3300.0,
                        "period_sales": 1210.0,
                        "period_expected": 2100 + 140 + 90 / 46 * 92,
                    }
                ],
            )
            self.assertAlmostEqual(self.agreement.period_rate, 1120.0 / 3300.0)

    def test_a_year_later(self):
        self._bill(self.product_tea, 5, "2026-01-01")
        with freeze_time("2026-12-31"):
            self.assertRecordValues(
                self.drinks, [{"period_target": 12000.0, "period_sales": 50.0, "period_expected": 50.0}]
            )

    def test_foreign_currency_at_the_invoices_day(self):
        foreign = self.setup_other_currency("HUF", rates=[("2025-10-01", 400.0), ("2025-11-01", 500.0)])
        third = self.setup_other_currency("CHF", rates=[("2025-01-01", 2.0)])
        self._bill(self.product_tea, 1, "2025-10-05", currency_id=foreign.id, price=4000.0)
        self._bill(self.product_tea, 1, "2025-11-05", currency_id=foreign.id, price=4000.0)
        with freeze_time("2025-11-15"):
            self.assertAlmostEqual(self.drinks.period_sales, 18.0)
            self.agreement.currency_id = foreign
            self.assertAlmostEqual(self.drinks.period_sales, 8000.0)
            self.agreement.currency_id = third
            self.env.invalidate_all()
            self.assertAlmostEqual(self.drinks.period_sales, 36.0)

    def test_months(self):
        self.drinks.action_spread_evenly()
        self.assertEqual(self.drinks.target_ids.mapped("amount"), [1000.0] * 12)
        self.drinks.target_ids[11].amount = 3000.0
        self.assertEqual(self.drinks.target_amount, 14000.0, "the year is the sum of its months")
        with self.assertRefused("add up to", ValidationError):
            self.drinks.target_amount = 12000.0
        with freeze_time("2025-12-10"):
            self.assertRecordValues(self.drinks, [{"month_target": 3000.0, "period_target": 5000.0}])
        self.drinks.target_ids.unlink()
        self.drinks.target_amount = 12000.0

    def test_divided_like_last_year(self):
        with freeze_time("2025-09-30"):
            self._bill(self.product_tea, 30, "2025-03-05")
            self._bill(self.product_tea, 10, "2025-08-05")
            self.drinks.action_spread_by_season()
        amounts = dict(zip(range(1, 13), self.drinks.target_ids.mapped("amount"), strict=True))
        self.assertEqual(
            {month: amount for month, amount in amounts.items() if amount}, {3: 9000.0, 8: 3000.0}
        )

    def test_signed_months_never_change(self):
        self.drinks.action_spread_evenly()
        self.agreement.action_send()
        self.agreement._sign("Jane", SIGNATURE)
        with self.assertRefused("are signed"):
            self.drinks.target_ids[0].amount = 1.0
        with self.assertRefused("are signed"):
            self.drinks.target_ids[0].unlink()
        with self.assertRefused("are signed"):
            self.drinks.action_spread_evenly()

    def test_figures_ask_a_constant_number_of_queries(self):
        self._bill(self.product_tea, 100, "2025-10-05")

        def count(agreements):
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.cr.sql_log_count
            agreements.with_user(self.user_manager).read(["period_target", "period_sales", "period_rate"])
            return self.cr.sql_log_count - before

        with freeze_time("2025-11-15"):
            many = self.agreement.union(
                *(
                    self._create_agreement(
                        self._create_distributor(f"D{number}", f"D{number}", "1000"), self.territory_north
                    )
                    for number in range(10)
                )
            )
            count(self.agreement)
            self.assertLessEqual(count(many), count(self.agreement) + 1)

    def test_portal_sees_its_own_months_only(self):
        self.drinks.action_spread_evenly()
        self.agreement.action_send()
        targets = self.drinks.target_ids
        self.assertEqual(targets.with_user(self.clerk_north).mapped("amount"), [1000.0] * 12)
        self.assertEqual(self.drinks.with_user(self.clerk_north).period_sales, 0.0)
        with self.assertRaises(AccessError):
            targets.with_user(self.clerk_south).read(["amount"])

    def test_deposit(self):
        self.agreement.deposit_amount = 500.0
        payment = self.env["account.payment"].create(
            {
                "payment_type": "inbound",
                "partner_type": "customer",
                "partner_id": self.distributor_north.id,
                "amount": 200.0,
                "date": "2025-09-30",
            }
        )
        self.agreement.deposit_payment_ids = payment
        self.assertEqual(self.agreement.deposit_open, 500.0, "a draft payment is no payment")
        payment.action_post()
        self.assertEqual(self.agreement.deposit_open, 300.0)

    def test_payment_terms_reach_the_orders(self):
        terms = self.env.ref("account.account_payment_term_30days")
        self.agreement.payment_term_id = terms
        self.agreement.action_send()
        self.agreement._sign("Jane", SIGNATURE)
        self.agreement.action_activate()
        self.assertNotEqual(self._create_order(self.distributor_north).payment_term_id, terms)
        with freeze_time("2025-10-01"):
            self.agreement._cron_update_states()
            self.assertEqual(self._create_order(self.distributor_north).payment_term_id, terms)

    def test_attainment_of_any_days_is_of_the_targets_due_in_them(self):
        """Grade reviews and credit points ask for it: the yearly target counts by its months, whatever the validity."""
        self.agreement.action_send()
        self.agreement._sign("North", SIGNATURE)
        self.agreement.action_activate()
        self._bill(self.product_tea, 100, "2025-10-05")
        self._bill(self.product_chips, 5, "2025-10-06")
        self._bill(self.product_tea, 9, "2025-10-08", partner_shipping_id=self.shop_south.id)
        self.assertEqual(
            self.distributor_north._get_dms_attainment(date(2025, 10, 1), date(2025, 10, 31), self.company),
            {self.distributor_north.id: 100.0 * (1000.0 + 50.0) / (1000.0 + 100.0)},
        )
        self.assertEqual(
            self.distributor_south._get_dms_attainment(date(2025, 10, 1), date(2025, 10, 31), self.company),
            {self.distributor_south.id: None},
        )
