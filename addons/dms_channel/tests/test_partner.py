from datetime import timedelta

from odoo.exceptions import UserError, ValidationError
from odoo.fields import Command
from odoo.tests import tagged

from odoo.addons.dms_channel.tests.common import DmsChannelCommon


@tagged("post_install", "-at_install")
class TestPartner(DmsChannelCommon):
    """Distributors and outlets: corrected territories, merging, archiving, several companies, the figures of the form."""

    # Territory

    def test_a_correction_survives_what_does_not_concern_the_address(self):
        self.outlet.territory_id = self.territory_south
        self.assertTrue(self.outlet.territory_is_manual)
        self.outlet.write({"name": "Corner Shop 2", "phone": "1", "street": "Side Street 2"})
        inner = self.env["dms.territory"].create(
            {"name": "Inner", "parent_id": self.territory_north.id, "zip_prefixes": "101"}
        )
        self.territory_north.zip_prefixes = "1, 3"
        self.assertEqual(self.outlet.territory_id, self.territory_south)
        self.outlet.territory_id = False
        self.assertEqual(self.outlet.territory_id, inner, "emptied, it follows the address again")
        self.assertFalse(self.outlet.territory_is_manual)
        self.outlet.territory_id = self.territory_south
        self.outlet.zip = "1020"
        self.assertEqual(
            self.outlet.territory_id, self.territory_north, "the correction was of the old address"
        )

    def test_members_move_when_territories_change(self):
        inner = self.env["dms.territory"].create(
            {"name": "Inner", "parent_id": self.territory_north.id, "zip_prefixes": "101"}
        )
        self.assertEqual(self.outlet.territory_id, inner)
        inner.zip_prefixes = "102"
        self.assertEqual(self.outlet.territory_id, self.territory_north)
        inner.zip_prefixes = "101"
        inner.active = False
        self.assertEqual(self.outlet.territory_id, self.territory_north)
        inner.active = True
        self.assertEqual(self.outlet.territory_id, inner)
        inner.unlink()
        self.assertEqual(self.outlet.territory_id, self.territory_north)

    def test_a_form_that_states_what_it_computed_corrects_nothing(self):
        self.outlet.write({"zip": "2010", "territory_id": self.territory_south.id})
        self.assertFalse(self.outlet.territory_is_manual)
        shop = self.env["res.partner"].create(
            {
                "name": "Stated",
                "is_company": True,
                "channel_role": "outlet",
                "country_id": self.country.id,
                "zip": "1",
                "territory_id": self.territory_south.id,
            }
        )
        self.assertTrue(shop.territory_is_manual)
        self.assertEqual(shop.territory_id, self.territory_south)

    # Merge

    def _merge(self, partners, keep):
        wizard = self.env["base.partner.merge.automatic.wizard"].create({})
        wizard._merge(partners.ids, keep)

    def _shop(self, name):
        return self.env["res.partner"].create(
            {
                "name": name,
                "is_company": True,
                "channel_role": "outlet",
                "upstream_id": self.distributor_north.id,
                "country_id": self.country.id,
                "zip": "1010",
            }
        )

    def test_two_entries_of_one_shop_become_one(self):
        double = self._shop("Corner Shop (double)")
        moves = (
            self.env["dms.channel.move"]
            .sudo()
            .create(
                [
                    {
                        "kind": "sell_out",
                        "partner_id": self.distributor_north.id,
                        "outlet_id": shop.id,
                        "product_id": self.product_tea.id,
                        "quantity": -3,
                        "date": "2025-01-01",
                    }
                    for shop in (self.outlet, double)
                ]
            )
        )
        self._merge(self.outlet | double, self.outlet)
        self.assertFalse(double.exists())
        self.assertEqual(moves.outlet_id, self.outlet)
        position = self.env["dms.channel.position"].search([("partner_id", "=", self.distributor_north.id)])
        self.assertEqual(position.quantity, -6)
        weeks = self.env["dms.channel.week"].search([("partner_id", "=", self.distributor_north.id)])
        self.assertEqual(weeks.mapped("sell_out"), [6])
        self.assertFalse(self.env["dms.channel.week"]._count_differences())

    def test_the_distributor_with_a_history_is_the_one_to_keep(self):
        double = self._create_distributor("North Trading Ltd", "D-NORTH2", "1000")
        with self.assertRefused("North Trading has agreements.*Choose it as the one to keep"):
            self._merge(self.distributor_north | double, double)
        self._merge(self.distributor_north | double, self.distributor_north)
        self.assertFalse(double.exists())
        self.assertEqual(self.agreement_north.partner_id, self.distributor_north)

    def test_two_histories_are_not_mixed(self):
        with self.assertRefused("can't be merged: two ledgers would be mixed"):
            self._merge(self.distributor_north | self.distributor_south, self.distributor_north)
        double = self._create_distributor("Points Only", "D-P", "1000")
        self.env["dms.credit.entry"].sudo()._post_event("manual", double, "test:merge", note="x", points=7)
        with self.assertRefused("two ledgers would be mixed"):
            self._merge(self.distributor_north | double, self.distributor_north)
        with self.assertRefused("a distributor and an outlet can't be merged"):
            self._merge(self.distributor_north | self.outlet, self.distributor_north)

    # Archive

    def test_who_has_an_agreement_is_not_archived(self):
        with self.assertRefused(f"has the agreement {self.agreement_north.name}", ValidationError):
            self.distributor_north.active = False
        with self.assertRefused("Terminate the agreement first", ValidationError):
            self.distributor_north.channel_role = "outlet"
        self.agreement_north.action_terminate()
        with self.assertRefused("supplies .*Corner Shop.*another supplier", ValidationError):
            self.distributor_north.active = False
        self.outlet.upstream_id = False
        self.clerk_north.active = False
        self.distributor_north.active = False
        self.assertEqual(self.agreement_north.partner_id, self.distributor_north, "the history stays")

    def test_who_has_an_open_order_is_not_archived(self):
        partner = self._create_distributor("Passing", "D-PASS", "1000")
        agreement = self._create_agreement(partner, self.territory_north)
        order = self._create_order(partner)
        order.action_confirm()
        agreement.action_terminate()
        with self.assertRefused(f"has the open order {order.name}", ValidationError):
            partner.active = False
        self._deliver(order)
        with self.assertRefused("has the open order", ValidationError):
            partner.active = False
        self._invoice(order)
        partner.active = False
        self.assertFalse(partner.active)

    # Companies

    def test_several_companies(self):
        other = self.setup_other_company()["company"]
        bound = self._create_distributor("Bound", "D-BOUND", "1000")
        mine = self._create_agreement(bound, self.territory_north)
        with self.assertRefused(f"can't go with {mine.name} of {self.company.name}", ValidationError):
            bound.company_id = other
        shared = self._create_distributor("Shared", "D-SHARED", "1000")
        agreement = (
            self.env["dms.agreement"]
            .with_company(other)
            .create(
                {
                    "partner_id": shared.id,
                    "company_id": other.id,
                    "line_ids": [Command.create({"territory_id": self.territory_north.id})],
                }
            )
        )
        self.assertEqual(agreement.currency_id, other.currency_id)
        local = self.env["dms.territory"].create({"name": "Local", "company_id": self.company.id})
        with self.assertRaises(UserError), self.env.cr.savepoint():
            agreement.line_ids.territory_id = local
        mine = self._create_distributor("Mine", "D-MINE", "1000", company_id=self.company.id)
        theirs = self.env["dms.territory"].create({"name": "Theirs", "company_id": other.id})
        with self.assertRefused("can't go with Theirs", ValidationError):
            mine.territory_id = theirs
        foreign = self._create_distributor("Foreign", "D-FOREIGN", "1000", company_id=other.id)
        with self.assertRefused("can't go with Foreign", ValidationError):
            mine.upstream_id = foreign

    # Form

    def test_the_figures_a_manager_runs_the_day_from(self):
        today = self.env.cr.now().date()
        self.env["dms.channel.move"].sudo().create(
            [
                {
                    "kind": kind,
                    "partner_id": self.distributor_north.id,
                    "product_id": self.product_tea.id,
                    "quantity": quantity,
                    "price_unit": 10.0,
                    "date": today if kind == "sell_in" else today - timedelta(days=3),
                }
                for kind, quantity in (("sell_in", 84), ("sell_out", -28))
            ]
        )
        partner = self.distributor_north.with_user(self.user_manager)
        self.assertEqual(partner.dms_stock_value, 560.0)
        self.assertEqual(partner.dms_stock_cover, 56, "a bottle a day is sold, 56 are left")
        stock = self.env["dms.channel.position"].search(partner.action_view_dms_stock()["domain"])
        self.assertEqual(stock.quantity, 56)
        sold = self.env["dms.channel.move"].search(partner.action_view_dms_sell_through()["domain"])
        self.assertEqual(sold.quantity, -28)
