from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, ValidationError
from odoo.fields import Command
from odoo.tests import freeze_time, tagged

from odoo.addons.dms_channel.tests.common import SIGNATURE, DmsChannelCommon


@tagged("post_install", "-at_install")
class TestAgreement(DmsChannelCommon):
    """From draft to active, once at a time, never exclusive twice."""

    def test_drafted_sent_signed_active(self):
        partner = self._create_distributor("New", "D-NEW", "1000")
        terms = self.env.ref("account.account_payment_term_30days")
        agreement = self._create_agreement(
            partner,
            self.territory_north,
            activate=False,
            grade_id=self.grade_gold.id,
            payment_term_id=terms.id,
        )
        self.assertRegex(agreement.name, r"^AGR/\d{4}/\d+$")
        self.assertEqual(agreement.state, "draft")
        with self.assertRefused("only possible in state Sent"):
            agreement._sign("Somebody", SIGNATURE)
        agreement.action_send()
        self.assertEqual(agreement.state, "sent")
        self.assertTrue(agreement.access_token)
        for name, signature, words in (
            (" ", SIGNATURE, "Enter your name"),
            ("Jane", b"", "signature is missing"),
            ("Jane", b"aGVsbG8=", "no picture"),
            ("Jane", "%%%", "no picture|missing"),
        ):
            with self.assertRefused(words):
                agreement._sign(name, signature)
        agreement._sign("Jane Doe", SIGNATURE)
        self.assertRecordValues(agreement, [{"state": "signed", "signed_by": "Jane Doe"}])
        self.assertTrue(agreement.signed_on)
        self.assertFalse(partner.grade_id, "the terms come with the activation")
        agreement.action_activate()
        self.assertEqual(agreement.state, "active")
        self.assertEqual(partner.grade_id, self.grade_gold)
        self.assertEqual(partner.property_product_pricelist, self.pricelist_gold)
        self.assertEqual(partner.property_payment_term_id, terms)
        self.assertEqual(partner.dms_agreement_id, agreement)

    def test_signed_terms_never_change(self):
        agreement = self.agreement_north
        for vals in (
            {"credit_limit": 1e6},
            {"date_end": "2030-01-01"},
            {"note": "<p>Else</p>"},
            {"line_ids": [Command.create({"territory_id": self.territory_south.id})]},
        ):
            with self.assertRefused("are signed and can't be changed"):
                agreement.write(vals)
        with self.assertRefused("are signed"):
            agreement.line_ids.exclusive = True
        with self.assertRefused("are signed"):
            agreement.line_ids.unlink()
        with self.assertRefused("follows from its own actions"):
            agreement.with_context(dms_guarded_write=True).write({"state": "draft"})
        with self.assertRefused("starts as a draft"):
            agreement.create({"partner_id": self.distributor_north.id, "state": "active"})
        with self.assertRefused("left the draft state"):
            agreement.unlink()

    def test_new_version_takes_over_on_its_start_date(self):
        old = self.agreement_north
        new = old.browse(old.action_new_version()["res_id"])
        self.assertEqual(old.action_new_version()["res_id"], new.id, "the open draft is offered again")
        self.assertRecordValues(
            new, [{"name": old.name, "version": 2, "previous_id": old.id, "state": "draft"}]
        )
        self.assertEqual(new.line_ids.territory_id, self.territory_north)
        today = fields.Date.today()
        new.write({"credit_limit": 5000.0, "date_start": today + timedelta(days=10)})
        new.action_send()
        new._sign("Jane", SIGNATURE)
        new.action_activate()
        self.assertRecordValues(
            old + new,
            [
                {"state": "active", "date_end": today + timedelta(days=9)},
                {"state": "active", "date_end": False},
            ],
        )
        partner = self.distributor_north
        active = old._get_active
        self.assertEqual(active(partner, today, self.company), {partner: old})
        self.assertEqual(active(partner, today + timedelta(days=9), self.company), {partner: old})
        self.assertEqual(active(partner, today + timedelta(days=10), self.company), {partner: new})
        with freeze_time(today + timedelta(days=10)):
            old._cron_update_states()
        self.assertEqual(old.state, "expired")
        self.assertEqual(
            active(partner, today, self.company), {partner: old}, "what was in force stays known"
        )

    def test_termination(self):
        self.agreement_north.action_terminate()
        today = fields.Date.today()
        active = self.agreement_north._get_active
        self.assertFalse(active(self.distributor_north, today, self.company)[self.distributor_north])
        yesterday = today - timedelta(days=1)
        self.assertTrue(active(self.distributor_north, yesterday, self.company)[self.distributor_north])
        order = self._create_order(self.distributor_north)
        order.action_confirm()
        self.assertEqual(order.dms_state, "held")

    def test_one_agreement_per_distributor_and_day(self):
        with self.assertRefused(
            f"already has the active agreement {self.agreement_north.name}", ValidationError
        ):
            self._create_agreement(self.distributor_north, self.territory_south)
        self.assertEqual(self.agreement_north.state, "active")

    # Exclusivity

    def _exclusive(self, partner, territory, activate=True, categ=None, product=None, **values):
        return self._create_agreement(
            partner,
            territory,
            activate=activate,
            line_ids=[
                Command.create(
                    {
                        "territory_id": territory.id,
                        "exclusive": True,
                        "categ_ids": [Command.set(categ.ids if categ else [])],
                        "product_ids": [Command.set(product.ids if product else [])],
                    }
                )
            ],
            **values,
        )

    def test_exclusive_twice_is_refused_with_both_names_and_dates(self):
        first, second = (self._create_distributor(name, name, "1000") for name in ("First", "Second"))
        self._exclusive(first, self.territory_north, categ=self.categ_drinks, date_end="2040-12-31")
        for territory in (self.territory_north, self.territory_country):
            for goods in ({}, {"categ": self.categ_drinks}, {"product": self.product_tea}):
                with (
                    self.subTest(territory=territory.name, goods=goods),
                    self.assertRefused(
                        "of Second .01/01/2020.*of First .01/01/2020 to 12/31/2040", ValidationError
                    ),
                ):
                    self._exclusive(
                        second, territory, date_start="2020-01-01", date_end="2041-01-01", **goods
                    )

    def test_no_collision(self):
        first, second, third, fourth = (
            self._create_distributor(name, name, "1000") for name in ("First", "Second", "Third", "Fourth")
        )
        agreement = self._exclusive(
            first, self.territory_north, categ=self.categ_drinks, date_end="2040-12-31"
        )
        self._exclusive(second, self.territory_south, categ=self.categ_drinks)
        self._exclusive(third, self.territory_country, product=self.product_chips)
        self._exclusive(fourth, self.territory_north, categ=self.categ_drinks, date_start="2041-01-01")
        agreement.action_terminate()
        self._exclusive(
            self._create_distributor("Fifth", "Fifth", "1000"),
            self.territory_north,
            categ=self.categ_drinks,
            date_start=fields.Date.today() + timedelta(days=1),
            date_end="2040-12-31",
        )

    def test_coverage_includes_sub_categories(self):
        teas = self.env["product.category"].create({"name": "Teas", "parent_id": self.categ_drinks.id})
        self.product_tea.categ_id = teas
        partner = self._create_distributor("New", "D-NEW", "1000")
        agreement = self._exclusive(partner, self.territory_north, categ=self.categ_drinks, activate=False)
        products = self.product_tea + self.product_chips
        self.assertEqual(agreement._covered_products(products), self.product_tea)
        self.assertIn(self.territory_north, agreement._get_territories())

    # Rights

    def test_portal_reads_its_own_agreement_once_it_is_sent(self):
        draft = self._create_agreement(
            self.distributor_north, self.territory_north, activate=False, date_start="2050-01-01"
        )
        mine = self.env["dms.agreement"].with_user(self.clerk_north).search([])
        self.assertEqual(mine, self.agreement_north)
        self.assertTrue(mine.line_ids.territory_id.complete_name)
        for agreement in (draft, self.agreement_south):
            with self.assertRaises(AccessError):
                agreement.with_user(self.clerk_north).read(["name"])
        with self.assertRaises(AccessError):
            mine.write({"user_id": self.clerk_north.id})
        self.assertFalse(self.env["dms.agreement"].with_user(self.clerk_outlet).search([]))

    def test_only_managers_state_policies(self):
        vals = {"partner_id": self.distributor_north.id, "date_start": "2050-01-01"}
        with self.assertRaises(AccessError):
            self.env["dms.agreement"].with_user(self.user_channel).create(vals)
        agreement = self.env["dms.agreement"].with_user(self.user_manager).create(vals)
        agreement.line_ids = [Command.create({"territory_id": self.territory_north.id})]
        agreement.action_send()
        agreement._sign("Jane", SIGNATURE)
        with self.assertRefused("already has the active agreement", ValidationError):
            agreement.action_activate()

    def test_other_company(self):
        other = self.setup_other_company()["company"]
        self.assertFalse(
            self.agreement_north._get_active(self.distributor_north, fields.Date.today(), other)[
                self.distributor_north
            ]
        )
        stranger = self._create_staff("dms_other", "dms_channel.dms_channel_group_manager")
        stranger.write({"company_id": other.id, "company_ids": [Command.set(other.ids)]})
        self.assertFalse(self.env["dms.agreement"].with_user(stranger).search([]))
        with self.assertRaises(AccessError):
            self.agreement_north.with_user(stranger).read(["credit_limit"])

    # Deposit

    def _deposit_agreement(self, **values):
        agreement = self._create_agreement(
            self._create_distributor("Secured", "D-SEC", "1300"),
            self.territory_north,
            activate=False,
            deposit_amount=500.0,
            **values,
        )
        agreement.action_send()
        agreement._sign("A. Signatory", SIGNATURE)
        return agreement

    def _receive(self, partner, amount):
        payment = self.env["account.payment"].create(
            {
                "payment_type": "inbound",
                "partner_type": "customer",
                "partner_id": partner.id,
                "amount": amount,
            }
        )
        payment.action_post()
        return payment

    def test_agreement_waits_for_its_deposit(self):
        agreement = self._deposit_agreement()
        with self.assertRefused("of the deposit of .*500.00 agreed upon, .*500.00 has not been received"):
            agreement.action_activate()
        agreement.deposit_payment_ids = self._receive(agreement.partner_id, 200.0)
        with self.assertRefused("300.00 has not been received"):
            agreement.action_activate()
        self.assertEqual(agreement.state, "signed")
        payment = agreement.deposit_payment_ids.browse(agreement.action_register_deposit()["res_id"])
        self.assertEqual(payment.amount, 300.0)
        self.assertEqual(agreement.deposit_open, 300.0, "a draft payment is no payment")
        payment.action_post()
        agreement.action_activate()
        self.assertRecordValues(agreement, [{"state": "active", "deposit_open": 0.0}])
        new = agreement.browse(agreement.action_new_version()["res_id"])
        self.assertEqual(new.deposit_payment_ids, agreement.deposit_payment_ids)
        self.assertEqual(new.deposit_open, 0.0, "what was received need not be received again")
        new.deposit_amount = 600.0
        self.assertEqual(new.deposit_open, 100.0)

    def test_deposit_is_no_payment_of_what_is_owed(self):
        agreement = self._deposit_agreement()
        agreement.deposit_payment_ids = self._receive(agreement.partner_id, 500.0)
        agreement.action_activate()
        self.assertEqual(agreement.partner_id.dms_exposure, 0.0)
        self._receive(agreement.partner_id, 70.0)
        agreement.partner_id.invalidate_recordset()
        self.assertEqual(agreement.partner_id.dms_exposure, -70.0)

    def test_deposit_is_waived_by_a_manager_with_a_reason(self):
        agreement = self._deposit_agreement()
        with self.assertRefused("Say why"):
            agreement._waive_deposit("  ")
        with self.assertRefused("follows from its own actions"):
            agreement.deposit_waived = 500.0
        with self.assertRaises(AccessError):
            agreement.with_user(self.user_channel)._waive_deposit("Please")
        with self.assertRaises(AccessError):
            self.env["dms.deposit.waiver"].with_user(self.user_channel).create(
                {"agreement_id": agreement.id, "reason": "Please"}
            )
        waiver = self.env["dms.deposit.waiver"].with_user(self.user_manager)
        waiver.create({"agreement_id": agreement.id, "reason": "Bank guarantee"}).action_waive()
        self.assertRecordValues(
            agreement,
            [
                {
                    "deposit_open": 0.0,
                    "deposit_waived": 500.0,
                    "deposit_waived_reason": "Bank guarantee",
                    "deposit_waived_by": self.user_manager.id,
                }
            ],
        )
        self.assertIn("500.00 of the deposit waived: Bank guarantee", agreement.message_ids[0].body)
        agreement.with_user(self.user_manager).action_activate()
        self.assertEqual(agreement.state, "active")
        with self.assertRefused("this is only possible in state"):
            agreement._waive_deposit("Again")

    def test_deposit_is_the_distributors_own_and_secures_one_agreement(self):
        agreement = self._deposit_agreement()
        with self.assertRefused("is no receipt of Secured", ValidationError):
            agreement.deposit_payment_ids = self._receive(self.distributor_south, 500.0)
        payment = self._receive(agreement.partner_id, 500.0)
        agreement.deposit_payment_ids = payment
        other = agreement.copy()
        with self.assertRefused("is the deposit of .* already", ValidationError):
            other.deposit_payment_ids = payment
