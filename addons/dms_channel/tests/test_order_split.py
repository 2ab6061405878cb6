from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odoo.exceptions import AccessError
from odoo.fields import Command
from odoo.tests import tagged

from odoo.addons.dms_channel.tests.common import DmsChannelCommon


@tagged("post_install", "-at_install")
class TestOrderSplit(DmsChannelCommon):
    """What passes goes through, what does not waits, and nothing is lost between them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.juice = cls.env["product.product"].create(
            {
                "name": "Juice",
                "default_code": "JUICE",
                "type": "consu",
                "is_storable": True,
                "uom_id": cls.uom_unit.id,
                "uom_ids": [Command.link(cls.uom_case.id)],
                "list_price": 20.0,
                "categ_id": cls.categ_drinks.id,
                "taxes_id": [Command.clear()],
            }
        )

    def _held(self, lines, **values):
        order = self._create_order(self.distributor_north, lines, **values)
        order.action_confirm()
        self.assertIn(order.dms_state, ("held", "refused"))
        return order

    def _split(self, order):
        wizard = self.env["dms.order.split"].browse(order.action_dms_split()["res_id"])
        return wizard, self.env["sale.order"].browse(wizard.action_split()["res_id"])

    def _quantities(self, orders):
        result = {}
        for line in orders._get_dms_lines():
            result[line.product_id] = result.get(line.product_id, 0) + line.product_uom_qty
        return result

    def test_credit_lets_through_what_fits_in_whole_cases(self):
        order = self._held([(self.product_tea, 60, 10.0), (self.product_chips, 120, 5.0)])
        messages = len(order.message_ids)
        wizard = self.env["dms.order.split"].browse(order.action_dms_split()["res_id"])
        self.assertEqual(order.dms_state, "held", "to propose a split changes nothing")
        self.assertEqual(order.order_line.mapped("product_uom_qty"), [60, 120])
        self.assertEqual(len(order.message_ids), messages)
        self.assertRecordValues(wizard.line_ids, [{"passing": 60, "rest": 0}, {"passing": 72, "rest": 48}])
        rest = self.env["sale.order"].browse(wizard.action_split()["res_id"])
        self.assertRecordValues(
            order | rest,
            [
                {"state": "sale", "dms_state": "approved", "amount_total": 960.0},
                {"state": "draft", "dms_state": "held", "amount_total": 240.0},
            ],
        )
        self.assertEqual(rest.dms_split_from_id, order)
        self.assertIn("over the limit", rest.dms_reason)
        self.assertTrue(order.picking_ids)

    def test_lines_outside_the_agreement_stay_behind(self):
        self.agreement_north.action_terminate()
        self._create_agreement(
            self.distributor_north,
            self.territory_north,
            line_ids=[
                Command.create(
                    {
                        "territory_id": self.territory_north.id,
                        "categ_ids": [Command.set(self.categ_drinks.ids)],
                    }
                )
            ],
        )
        order = self._held([(self.product_chips, 12, 5.0), (self.product_tea, 24, 10.0)])
        _wizard, rest = self._split(order)
        self.assertEqual(self._quantities(order), {self.product_tea: 24})
        self.assertEqual(self._quantities(rest), {self.product_chips: 12})
        self.assertIn("does not cover", rest.dms_reason)

    def test_loose_pieces_stay_behind(self):
        self.env["dms.order.rule"].create({"name": "Cases", "kind": "quantity_case", "outcome": "refuse"})
        order = self._held([(self.product_tea, 30, 10.0), (self.product_chips, 24, 5.0)])
        self.assertEqual(order.dms_state, "refused")
        _wizard, rest = self._split(order)
        self.assertEqual(self._quantities(order), {self.product_tea: 24, self.product_chips: 24})
        self.assertEqual(self._quantities(rest), {self.product_tea: 6})

    def test_splitting_takes_no_order_around_a_bound(self):
        self.env["dms.order.rule"].create(
            [
                {"name": "Largest", "kind": "amount", "amount_max": 500.0},
                {"name": "Smallest", "kind": "amount", "amount_min": 150.0},
                {"name": "Tea", "kind": "quantity", "scope": "product", "quantity_max": 40},
                {"name": "Big", "kind": "domain", "order_domain": "[('amount_total', '>', 450)]"},
            ]
        )
        order = self._held([(self.product_tea, 48, 10.0), (self.product_chips, 12, 5.0)])
        _wizard, rest = self._split(order)
        self.assertEqual(order.amount_total, 420.0)
        self.assertEqual(rest.amount_total, 120.0)
        said = {check.rule_name: (check.outcome, check.message) for check in rest.dms_check_ids}
        self.assertEqual(rest.dms_state, "held")
        self.assertEqual(said["Largest"][0], "hold")
        self.assertRegex(
            said["Largest"][1], f"comes to .*540.00.*split off from {order.name}, and counts together"
        )
        self.assertEqual(said["Smallest"][0], "pass", "the two are one order, which is large enough")
        self.assertEqual(said["Tea"][0], "hold")
        self.assertIn("48 units", said["Tea"][1])
        self.assertEqual(said["Big"][0], "hold")
        self.assertIn("The whole order, before it was split, matched", said["Big"][1])
        rest.action_dms_check()
        self.assertEqual(rest.dms_state, "held", "to ask again helps nothing")
        rest.order_line.filtered(lambda line: line.product_id == self.product_tea).product_uom_qty = 1
        rest.action_confirm()
        self.assertEqual(rest.state, "draft", "and to change it helps as far as the whole changes")
        for forged in ({"dms_split_from_id": False}, {"dms_split_rule_ids": [Command.clear()]}):
            with self.assertRefused("by nothing else"):
                rest.write(forged)
        rest._dms_release("The second truck goes next week")
        self.assertRecordValues(rest, [{"state": "sale", "dms_state": "released"}])

    def test_rest_of_a_first_order_is_a_first_order_still(self):
        self.env["dms.order.rule"].create(
            [{"name": "First", "kind": "first_order"}, {"name": "Cases", "kind": "quantity_case"}]
        )
        order = self._held([(self.product_tea, 30, 10.0)])
        wizard = self.env["dms.order.split"].browse(order.action_dms_split()["res_id"])
        self.assertEqual(wizard.line_ids.passing, 0, "no part of a first order passes")
        self.env["dms.order.rule"].search([("name", "=", "First")]).outcome = "refuse"
        self.env["dms.order.rule"].search([("name", "=", "First")]).active = False
        order.action_dms_check()
        _wizard, rest = self._split(order)
        self.env["dms.order.rule"].with_context(active_test=False).search(
            [("name", "=", "First")]
        ).active = True
        rest.action_dms_check()
        said = {check.rule_name: check.outcome for check in rest.dms_check_ids}
        self.assertEqual(said["First"], "refuse")

    def test_rest_goes_its_way_once_the_reason_is_gone(self):
        order = self._held([(self.product_tea, 120, 10.0)])
        _wizard, rest = self._split(order)
        self.assertEqual(rest.dms_state, "held")
        self._deliver(order)
        invoice = self._invoice(order)
        self.env["account.payment.register"].with_context(
            active_model="account.move", active_ids=invoice.ids
        ).create({}).action_create_payments()
        rest.action_confirm()
        self.assertRecordValues(rest, [{"state": "sale", "dms_state": "approved"}])

    def test_agreed_prices_hold_in_both_parts(self):
        self.env["product.pricelist.item"].create(
            {
                "pricelist_id": self.distributor_north.property_product_pricelist.id,
                "min_quantity": 100,
                "compute_price": "fixed",
                "fixed_price": 9.0,
                "product_tmpl_id": self.product_tea.product_tmpl_id.id,
                "applied_on": "1_product",
            }
        )
        order = self._held([(self.product_tea, 120, None)])
        price = order.order_line.price_unit
        total = order.amount_total
        _wizard, rest = self._split(order)
        self.assertEqual((order | rest).order_line.mapped("price_unit"), [price, price])
        self.assertEqual(order.amount_total + rest.amount_total, total)

    def test_promotions_follow_the_parts(self):
        program = self.env["loyalty.program"].create(
            {
                "name": "Ten percent",
                "program_type": "promotion",
                "trigger": "auto",
                "applies_on": "current",
                "company_id": self.company.id,
                "rule_ids": [Command.clear(), Command.create({"minimum_qty": 1})],
                "reward_ids": [
                    Command.clear(),
                    Command.create(
                        {"reward_type": "discount", "discount": 10, "discount_applicability": "order"}
                    ),
                ],
            }
        )
        order = self._create_order(self.distributor_north, [(self.product_tea, 240, 10.0)])
        order._update_programs_and_rewards()
        for coupon, rewards in order._get_claimable_rewards().items():
            order._apply_program_reward(rewards & program.reward_ids, coupon)
        self.assertEqual(order.amount_total, 2160.0)
        order.action_confirm()
        self.assertEqual(order.dms_state, "held")
        _wizard, rest = self._split(order)
        self.assertEqual(order.reward_amount, -order._get_dms_lines().price_subtotal / 10)
        self.assertEqual(rest.reward_amount, -rest._get_dms_lines().price_subtotal / 10)
        self.assertEqual(order.amount_total + rest.amount_total, 2160.0)

    def test_nothing_passes(self):
        self.agreement_north.action_terminate()
        order = self._held([(self.product_tea, 12, 10.0)])
        wizard = self.env["dms.order.split"].browse(order.action_dms_split()["res_id"])
        self.assertEqual(wizard.line_ids.passing, 0)
        with self.assertRefused("No part of order .* passes by itself: .*no active agreement"):
            wizard.action_split()

    def test_what_is_typed_in_is_checked(self):
        order = self._held([(self.product_tea, 120, 10.0)])
        wizard = self.env["dms.order.split"].browse(order.action_dms_split()["res_id"])
        for quantity, words in (
            (-12, "between 0 and the 120"),
            (132, "between 0 and the 120"),
            (120, "Nothing of order .* would stay behind"),
            (108, "does not pass either: .*over the limit"),
        ):
            wizard.line_ids.passing = quantity
            with self.assertRefused(words):
                wizard.action_split()
        self.assertFalse(order.dms_split_ids, "nothing half-done")
        self.assertEqual(order.order_line.product_uom_qty, 120)
        order.order_line = [Command.create({"product_id": self.product_chips.id})]
        order.action_confirm()
        with self.assertRefused("was changed in the meantime"):
            wizard.action_split()
        approved = self._create_order(self.distributor_south)
        approved.action_confirm()
        with self.assertRefused("neither held nor refused"):
            approved.action_dms_split()

    def test_access(self):
        order = self._held([(self.product_tea, 120, 10.0)])
        with self.assertRaises(AccessError):
            order.with_user(self.clerk_north).action_dms_split()
        _wizard, rest = self._split(order.with_user(self.user_channel))
        self.assertEqual(order.state, "sale")
        self.assertEqual(rest.dms_state, "held")

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(
        st.lists(
            st.tuples(st.integers(0, 2), st.integers(1, 200), st.integers(1, 30)), min_size=1, max_size=5
        )
    )
    def test_nothing_is_lost(self, rows):
        products = (self.product_tea, self.product_chips, self.juice)
        with self.env.cr.savepoint() as savepoint:
            order = self._create_order(
                self.distributor_north,
                [(products[index], quantity, price) for index, quantity, price in rows],
            )
            before, total = self._quantities(order), order.amount_total
            order.action_confirm()
            if order.dms_state == "held":
                wizard = self.env["dms.order.split"].browse(order.action_dms_split()["res_id"])
                if any(wizard.line_ids.mapped("passing")):
                    rest = self.env["sale.order"].browse(wizard.action_split()["res_id"])
                    self.assertEqual(self._quantities(order | rest), before)
                    self.assertAlmostEqual(order.amount_total + rest.amount_total, total)
                    self.assertEqual((order.state, order.dms_state), ("sale", "approved"))
                    self.assertEqual((rest.state, rest.dms_state), ("draft", "held"))
                    for line in order._get_dms_lines():
                        whole = line.product_uom_qty % 12 == 0
                        self.assertTrue(whole or line.product_uom_qty in [row[1] for row in rows])
            savepoint.rollback()
