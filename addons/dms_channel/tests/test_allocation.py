from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import new_test_user, tagged

from odoo.addons.dms_channel.tests.common import DmsChannelCommon


@tagged("post_install", "-at_install")
class TestAllocation(DmsChannelCommon):
    """Stock that does not cover the orders is shared out by a policy, in the open."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.warehouse = cls.env["stock.warehouse"].search([("company_id", "=", cls.company.id)], limit=1)
        cls.env["dms.order.rule"].search([]).active = False
        cls.grade_silver = cls.env["res.partner.grade"].create(
            {"name": "Silver", "company_id": cls.company.id, "sequence": 50}
        )
        cls.grade_gold.sequence = 1
        cls.distributor_north.grade_id = cls.grade_silver
        cls.distributor_south.grade_id = cls.grade_gold
        cls._stock(cls.product_tea, 120)
        cls.order_north = cls._create_order(cls.distributor_north, [(cls.product_tea, 120, 10.0)])
        cls.order_north.action_confirm()
        cls.order_south = cls._create_order(cls.distributor_south, [(cls.product_tea, 60, 10.0)])
        cls.order_south.action_confirm()
        cls.orders = cls.order_north | cls.order_south

    @classmethod
    def _stock(cls, product, quantity):
        cls.env["stock.quant"]._update_available_quantity(product, cls.warehouse.lot_stock_id, quantity)

    def _propose(self, **values):
        allocation = (
            self.env["dms.allocation"]
            .with_user(self.user_manager)
            .create({"warehouse_id": self.warehouse.id, **values})
        )
        allocation.action_propose()
        return allocation

    def _proposed(self, allocation, policy):
        lines = allocation.line_ids.filtered(lambda line: line.policy == policy)
        return {line.order_id: line.proposed for line in lines}

    def _reserved(self):
        return [order.picking_ids.move_ids.quantity for order in self.orders]

    def test_every_policy_is_simulated_and_nothing_reserved(self):
        before = self._reserved()
        self.assertEqual(before, [120, 0], "who confirmed first has taken everything")
        allocation = self._propose()
        north, south = self.orders
        self.assertEqual(self._proposed(allocation, "age"), {north: 120, south: 0})
        self.assertEqual(self._proposed(allocation, "grade"), {north: 60, south: 60})
        self.assertEqual(self._proposed(allocation, "fair"), {north: 84, south: 36})
        self.assertEqual(self._reserved(), before)
        self.assertIn("120", allocation.summary)
        self.assertIn("180", allocation.summary)

    def test_reserve_what_was_proposed(self):
        allocation = self._propose(policy="fair")
        allocation.action_reserve()
        self.assertEqual(self._reserved(), [84, 36])
        self.assertEqual(allocation.state, "reserved")
        self.assertEqual(allocation.reserved_by, self.user_manager)
        self.assertEqual(allocation.chosen_line_ids.mapped("reserved"), [84, 36])
        states = [order.picking_ids.move_ids.state for order in self.orders]
        self.assertEqual(states, ["partially_available", "partially_available"])
        quants = self.env["stock.quant"].search(
            [("product_id", "=", self.product_tea.id), ("location_id", "=", self.warehouse.lot_stock_id.id)]
        )
        self.assertEqual(sum(quants.mapped("reserved_quantity")), 120)
        with self.assertRefused("is reserved already"):
            allocation.action_propose()
        with self.assertRefused("keep it"):
            allocation.unlink()

    def test_stock_that_changed_since_is_proposed_again(self):
        allocation = self._propose(policy="grade")
        self._stock(self.product_tea, -24)
        with self.assertRefused("changed since the proposal.*120 available then, 96 now"):
            allocation.action_reserve()
        self.assertEqual(allocation.state, "proposed")
        allocation.action_propose()
        allocation.action_reserve()
        self.assertEqual(self._reserved(), [36, 60])

    def test_an_order_that_came_since_is_proposed_again(self):
        allocation = self._propose(policy="grade")
        self._create_order(self.distributor_south, [(self.product_tea, 12, 10.0)]).action_confirm()
        with self.assertRefused("changed since the proposal"):
            allocation.action_reserve()

    def test_nothing_to_share(self):
        self._stock(self.product_tea, 600)
        with self.assertRefused("covers every confirmed order"):
            self._propose()
        with self.assertRefused("No confirmed order waits"):
            self._propose(product_ids=[Command.link(self.product_chips.id)])
        with self.assertRefused("Propose allocation"):
            self.env["dms.allocation"].create({"warehouse_id": self.warehouse.id}).action_reserve()

    def test_stock_reserved_for_others_is_not_shared(self):
        customer = self.env["res.partner"].create({"name": "Walk-in"})
        self._stock(self.product_tea, 24)
        other = self._create_order(customer, [(self.product_tea, 24, 10.0)])
        other.action_confirm()
        self.assertEqual(other.picking_ids.move_ids.quantity, 24)
        allocation = self._propose(policy="grade")
        self.assertEqual(allocation.facts["available"][str(self.product_tea.id)], 120)
        allocation.action_reserve()
        self.assertEqual(other.picking_ids.move_ids.quantity, 24)

    def test_supply_priority_of_the_grade_comes_first(self):
        self.grade_silver.dms_supply_priority = 5
        north, south = self.orders
        self.assertEqual(self._proposed(self._propose(), "grade"), {north: 120, south: 0})

    def test_points_come_first(self):
        self.env["dms.credit.entry"]._post_event("manual", self.distributor_south, "bonus", points=90)
        allocation = self._propose(policy="points")
        north, south = self.orders
        self.assertEqual(self._proposed(allocation, "points"), {north: 60, south: 60})

    def test_access(self):
        allocation = self._propose()
        self.assertTrue(allocation.with_user(self.user_channel).line_ids.mapped("proposed"))
        with self.assertRaises(AccessError):
            allocation.with_user(self.user_channel).action_propose()
        with self.assertRaises(AccessError):
            allocation.with_user(self.user_channel).action_reserve()
        with self.assertRaises(AccessError):
            allocation.line_ids[0].with_user(self.user_manager).proposed = 1000
        for user in (self.clerk_north, self.env.ref("base.public_user")):
            with self.assertRaises(AccessError):
                allocation.with_user(user).read(["summary"])
        company = self.env["res.company"].create({"name": "Other"})
        stranger = new_test_user(
            self.env,
            "stranger",
            groups="base.group_user,dms_channel.dms_channel_group_manager",
            company_id=company.id,
            company_ids=[Command.set(company.ids)],
        )
        for records in (allocation, allocation.line_ids):
            with self.assertRaises(AccessError):
                records.with_user(stranger).mapped("display_name")
        with self.assertRaises(UserError):
            self.env["dms.allocation"].with_user(stranger).create({"warehouse_id": self.warehouse.id})

    def test_queries_of_a_proposal_do_not_grow_with_its_orders(self):
        def count():
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            self._propose()
            self.env.flush_all()
            return self.env.cr.sql_log_count - before

        count()
        few = count()
        for _i in range(6):
            self._create_order(self.distributor_south, [(self.product_tea, 24, 10.0)]).action_confirm()
        self.assertLessEqual(count(), few + 2)
