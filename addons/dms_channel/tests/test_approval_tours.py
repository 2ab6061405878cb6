from odoo.tests import HttpCase, new_test_user, tagged

from odoo.addons.dms_channel.tests.common import DmsChannelCommon


@tagged("post_install", "-at_install")
class TestApprovalTours(DmsChannelCommon, HttpCase):
    """An order is held, explained, overridden and shipped; scarce stock is shared. In a real browser."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.warehouse = cls.env["stock.warehouse"].search([("company_id", "=", cls.company.id)], limit=1)
        cls.storeman = new_test_user(
            cls.env,
            "approval_storeman",
            groups="base.group_user,stock.group_stock_user,dms_channel.dms_channel_group_user",
            company_id=cls.company.id,
            company_ids=cls.company.ids,
        )

    def _stock(self, quantity):
        self.env["stock.quant"]._update_available_quantity(
            self.product_tea, self.warehouse.lot_stock_id, quantity
        )

    def test_held_explained_overridden_shipped(self):
        self._stock(120)
        order = self._create_order(self.distributor_north, [(self.product_tea, 120, 10.0)])
        order.action_confirm()
        self.assertEqual(order.dms_state, "held")
        self.start_tour(
            "/odoo/action-dms_channel.sale_order_action_held",
            "dms_approval_release",
            login=self.user_manager.login,
        )
        self.env.invalidate_all()
        self.assertRecordValues(order, [{"state": "sale", "dms_state": "released"}])
        self.assertEqual(order.dms_override_ids.reason, "Guaranteed by the bank")
        picking = order.picking_ids
        self.start_tour(
            f"/odoo/action-stock.action_picking_tree_all/{picking.id}",
            "dms_approval_ship",
            login=self.storeman.login,
        )
        self.env.invalidate_all()
        self.assertEqual(picking.state, "done")
        self.assertEqual(order.order_line.qty_delivered, 120)

    def test_scarce_stock_shared(self):
        self._stock(60)
        orders = self._create_order(self.distributor_north, [(self.product_tea, 60, 10.0)])
        orders |= self._create_order(self.distributor_south, [(self.product_tea, 60, 10.0)])
        orders.action_confirm()
        self.start_tour(
            "/odoo/action-dms_channel.dms_allocation_action",
            "dms_approval_allocate",
            login=self.user_manager.login,
        )
        self.env.invalidate_all()
        self.assertEqual(sum(orders.picking_ids.move_ids.mapped("quantity")), 60)
        self.assertEqual(sorted(orders.picking_ids.move_ids.mapped("quantity")), [24, 36])
