import json

from odoo import fields
from odoo.exceptions import AccessError, ValidationError
from odoo.fields import Command
from odoo.tests import tagged

from odoo.addons.dms_channel.tests.common import DmsChannelCommon


def box(west, south, east, north):
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return json.dumps({"type": "Polygon", "coordinates": [ring]})


@tagged("post_install", "-at_install")
class TestTerritory(DmsChannelCommon):
    """Which territory an address or a point belongs to."""

    def test_partners_are_placed_by_their_address(self):
        self.assertEqual(self.distributor_north.territory_id, self.territory_north)
        self.assertEqual(self.outlet.territory_id, self.territory_north)
        self.assertFalse(self.partner_a.territory_id, "who is no member needs no territory")
        self.outlet.zip = "2010"
        self.assertEqual(self.outlet.territory_id, self.territory_south)
        self.outlet.zip = "9"
        self.assertEqual(self.outlet.territory_id, self.territory_country)
        self.outlet.territory_id = self.territory_north
        self.env.flush_all()
        self.assertEqual(self.outlet.territory_id, self.territory_north, "corrected by hand")
        self.assertEqual(
            self.territory_country.partner_count,
            self.territory_north.partner_count + self.territory_south.partner_count,
        )

    def test_new_territory_takes_the_members_that_none_held(self):
        lost = self._create_distributor("Lost", "D-LOST", "1", country_id=self.env.ref("base.fr").id)
        self.assertFalse(lost.territory_id)
        france = self.env["dms.territory"].create(
            {"name": "France", "country_ids": [Command.link(self.env.ref("base.fr").id)]}
        )
        self.assertEqual(lost.territory_id, france)

    def test_deepest_then_sequence(self):
        Territory = self.env["dms.territory"]
        inner, late = Territory.create(
            [
                {"name": "Inner", "parent_id": self.territory_north.id, "zip_prefixes": "12, 13"},
                {"name": "Late", "parent_id": self.territory_country.id, "zip_prefixes": "1", "sequence": 99},
            ]
        )
        country = self.country.id

        def match(*codes):
            return Territory._match_addresses(
                [{"country_id": country, "state_id": False, "zip": z} for z in codes]
            )

        self.assertEqual(
            match("12 34", "1400", "7", None),
            [inner, self.territory_north, self.territory_country, self.territory_country],
        )
        late.sequence = 1
        self.assertEqual(match("1234", "1400"), [inner, late])
        self.assertEqual(Territory._match_addresses([{"country_id": False, "zip": "1400"}]), [Territory])
        late.active = False
        self.assertEqual(match("1400"), [self.territory_north])

    def test_points(self):
        self.territory_country.boundary = box(0, 50, 10, 60)
        self.territory_north.boundary = box(0, 55, 10, 60)
        found = self.env["dms.territory"]._match_points([(57.0, 5.0), (52.0, 5.0), (40.0, 5.0)])
        self.assertEqual(found, [self.territory_north, self.territory_country, self.env["dms.territory"]])

    def test_territory_of_another_company_is_not_found(self):
        other = self.setup_other_company()["company"]
        self.env["dms.territory"].create(
            {
                "name": "Other",
                "parent_id": self.territory_north.id,
                "zip_prefixes": "10",
                "company_id": other.id,
            }
        )
        address = [{"country_id": self.country.id, "zip": "1000"}]
        self.assertEqual(self.env["dms.territory"]._match_addresses(address), [self.territory_north])
        self.assertEqual(
            self.env["dms.territory"].with_company(other)._match_addresses(address)[0].name, "Other"
        )

    def test_bad_input_is_refused_in_words(self):
        with self.assertRefused("latitude before longitude", ValidationError):
            self.territory_north.boundary = box(31, 121, 32, 122)
        with self.assertRefused("not valid JSON", ValidationError):
            self.territory_north.boundary = "north of the river"
        with self.assertRefused("Territory Country can't be part of Country / North"):
            self.territory_country.parent_id = self.territory_north
        self.assertTrue(self.territory_country._contains(self.territory_north))
        self.assertFalse(self.territory_north._contains(self.territory_south))

    def test_upstream(self):
        sub = self._create_distributor("Sub", "D-SUB", "1600", upstream_id=self.distributor_north.id)
        shop = self.env["res.partner"].create(
            {"name": "Kiosk", "is_company": True, "channel_role": "outlet", "upstream_id": sub.id}
        )
        self.assertEqual(shop._get_distributor(), sub)
        self.assertEqual(self.clerk_north.partner_id._get_distributor(), self.distributor_north)
        self.assertFalse(self.partner_a._get_distributor())
        with self.assertRefused("leads back to", ValidationError):
            self.distributor_north.upstream_id = sub
        with self.assertRefused("can only be supplied by a distributor", ValidationError):
            sub.upstream_id = self.outlet
        with self.assertRefused("can't have a channel role of its own", ValidationError):
            self.clerk_north.partner_id.channel_role = "outlet"

    def test_portal_sees_its_outlets_and_no_sibling(self):
        partners = self.distributor_north + self.distributor_south + self.outlet
        Partner = self.env["res.partner"].with_user(self.clerk_north)
        self.assertEqual(Partner.search([("id", "in", partners.ids)]), self.distributor_north + self.outlet)
        Territory = self.env["dms.territory"].with_user(self.clerk_north)
        self.assertEqual(Territory.search([]), self.territory_north)
        with self.assertRaises(AccessError):
            self.distributor_south.with_user(self.clerk_north).read(["name"])
        with self.assertRaises(AccessError):
            self.distributor_north.with_user(self.clerk_north).write({"channel_role": "outlet"})
        with self.assertRaises(AccessError):
            self.distributor_north.with_user(self.clerk_north).read(["dms_exposure"])
        self.assertEqual(
            self.env["res.partner"].with_user(self.clerk_outlet).search([("id", "in", partners.ids)]),
            self.outlet,
        )

    def test_list_of_distributors_asks_a_constant_number_of_queries(self):
        names = [
            "territory_id",
            "credit_points",
            "dms_agreement_id",
            "dms_exposure",
            "dms_credit_limit",
            "dms_overdue_days",
            "dms_held_order_count",
        ]

        def count(partners):
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.cr.sql_log_count
            partners.with_user(self.user_manager).read(names)
            return self.cr.sql_log_count - before

        more = self.env["res.partner"].union(
            *(self._create_distributor(f"D{i}", f"D{i}", "1000") for i in range(10))
        )
        count(self.distributor_north)
        self.assertLessEqual(count(self.distributor_north + more), count(self.distributor_north) + 1)

    def test_grade_gives_the_price_list_from_the_start(self):
        member = self._create_distributor("Golden", "D-GOLD", "1000", grade_id=self.grade_gold.id)
        self.assertEqual(member.property_product_pricelist, self.pricelist_gold)
        self.assertEqual(self._create_order(member).order_line.price_subtotal, 12 * 9.0)

    def test_promotion_is_for_whom_it_names(self):
        program = self.env["loyalty.program"].create(
            {
                "name": "North only",
                "program_type": "promotion",
                "trigger": "auto",
                "rule_ids": [Command.create({"minimum_qty": 1})],
                "reward_ids": [Command.create({"discount": 10})],
                "dms_territory_ids": [Command.set(self.territory_north.ids)],
            }
        )

        def applies(partner):
            return program in self._create_order(partner)._get_applicable_program_points()

        self.assertTrue(applies(self.distributor_north))
        self.assertFalse(applies(self.distributor_south))
        self.assertFalse(applies(self.partner_a))
        program.dms_territory_ids = self.territory_country
        self.assertTrue(applies(self.distributor_south))
        program.dms_grade_ids = self.grade_gold
        self.assertFalse(applies(self.distributor_south))
        self.distributor_south.grade_id = self.grade_gold
        self.assertTrue(applies(self.distributor_south))
        program.write({"dms_territory_ids": [Command.clear()], "dms_grade_ids": [Command.clear()]})
        self.assertTrue(applies(self.partner_a))

    def test_map_shows_who_sells_where(self):
        self.territory_country.boundary = box(0, 40, 10, 50)
        self.territory_north.boundary = box(1, 46, 5, 49)
        self.territory_south.boundary = box(1, 41, 5, 44)
        self.agreement_south.action_terminate()
        self._create_agreement(
            self.distributor_south,
            self.territory_south,
            line_ids=[
                Command.create(
                    {
                        "territory_id": self.territory_south.id,
                        "categ_ids": [Command.set(self.categ_drinks.ids)],
                        "exclusive": True,
                    }
                )
            ],
            date_start=fields.Date.today(),
        )
        self.distributor_south.write({"partner_latitude": 42.0, "partner_longitude": 3.0})
        shown = self.env["dms.territory"].with_user(self.user_channel).get_map()
        country, north, south = shown["territories"]
        self.assertEqual(country["id"], self.territory_country.id, "what is around comes first")
        self.assertFalse(country["holders"], "who has a part of it does not have it")
        self.assertEqual(
            [(holder["name"], holder["exclusive"], holder["goods"]) for holder in north["holders"]],
            [("North Trading", False, "All products")],
        )
        self.assertEqual(
            [(holder["name"], holder["exclusive"], holder["goods"]) for holder in south["holders"]],
            [("South Trading", True, "Drinks")],
        )
        self.assertEqual(north["members"], 2)
        points = {point["name"]: point for point in shown["distributors"]}
        self.assertEqual(points["South Trading"]["latitude"], 42.0)
        self.assertTrue(points["South Trading"]["placed"])
        self.assertFalse(points["North Trading"]["placed"])
        found = self.env["dms.territory"]._match_points(
            [(points["North Trading"]["latitude"], points["North Trading"]["longitude"])]
        )
        self.assertEqual(found, [self.territory_north], "inside its territory")

    def test_map_asks_no_more_for_more_territories(self):
        def count(number):
            self.env["dms.territory"].create(
                [
                    {
                        "name": f"Part {n}",
                        "parent_id": self.territory_north.id,
                        "boundary": box(n, 46, n + 1, 47),
                    }
                    for n in range(number)
                ]
            )
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            self.env["dms.territory"].get_map()
            return self.env.cr.sql_log_count - before

        self.territory_north.boundary = box(0, 40, 90, 50)
        count(1)
        self.assertEqual(count(2), count(30))
