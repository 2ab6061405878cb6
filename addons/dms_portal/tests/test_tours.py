from odoo.tests import tagged

from .common import DmsPortalCommon


@tagged("post_install", "-at_install")
class TestTours(DmsPortalCommon):
    """What a distributor's clerk does, in a real browser."""

    def test_order_approved_and_held(self):
        self.start_tour("/my", "dms_portal_order", login=self.clerk_north.login)
        orders = self.env["sale.order"].search([("partner_id", "=", self.distributor_north.id)], order="id")
        self.assertRecordValues(
            orders,
            [{"state": "sale", "dms_state": "approved"}, {"state": "draft", "dms_state": "held"}],
        )
        self.assertEqual(set(orders.mapped("client_order_ref")), {"PO 2026-7"})

    def test_receive_and_sign(self):
        picking = self._ship(self._create_order(self.distributor_north))
        self.start_tour("/my/deliveries", "dms_portal_receive", login=self.clerk_north.login)
        self.assertEqual((picking.dms_receipt_state, picking.dms_received_by), ("received", "Nora North"))
        self.assertTrue(picking.dms_signature)

    def test_report_mended_and_released(self):
        self.start_tour("/my/feeds", "dms_portal_report", login=self.clerk_north.login)
        feed = self.env["dms.feed"].search([("partner_id", "=", self.distributor_north.id)])
        self.assertEqual((feed.filename, feed.released_count, feed.error_count), ("week_47.csv", 3, 0))
        position = self.env["dms.channel.position"].search([("partner_id", "=", self.distributor_north.id)])
        self.assertEqual(position.quantity, -10)

    def test_proposal_accepted(self):
        proposal = self._create_proposal()
        self.start_tour("/my/proposals", "dms_portal_proposal", login=self.clerk_north.login)
        self.assertEqual((proposal.state, proposal.order_id.state), ("accepted", "sale"))


@tagged("post_install", "-at_install")
class TestPhoneTours(DmsPortalCommon):
    """The same clerk on a phone."""

    browser_size = "390x844"
    touch_enabled = True

    def test_report_on_a_phone(self):
        rules = self.env["dms.feed.rule"].search([])
        (rules - rules.filtered(lambda rule: rule.kind == "quantity_far")).active = False
        self.start_tour("/my/feeds", "dms_portal_report_phone", login=self.clerk_north.login)
        feed = self.env["dms.feed"].search([("partner_id", "=", self.distributor_north.id)])
        self.assertEqual((feed.state, feed.released_count), ("released", 13))
        self.assertEqual(feed.line_ids.filtered("accepted").accept_reason, "a wedding")
        self.assertEqual(
            self.env["dms.feed.mapping"].search([("code", "in", ("T-1", "T-2"))]).product_id, self.product_tea
        )
        position = self.env["dms.channel.position"].search([("partner_id", "=", self.distributor_north.id)])
        self.assertEqual(position.quantity, -(9 * 5 + 500 + 5 + 5 + 3))
