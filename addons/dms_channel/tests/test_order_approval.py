from psycopg2 import IntegrityError

from odoo.exceptions import AccessError, ValidationError
from odoo.fields import Command
from odoo.tests import Form, new_test_user, tagged
from odoo.tools import mute_logger

from odoo.addons.dms_channel.tests.common import DmsChannelCommon


@tagged("post_install", "-at_install")
class TestOrderApproval(DmsChannelCommon):
    """Who lets a held order go, up to which amount, and what stays of it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.director_group = cls.env["res.groups"].create({"name": "Sales Directors"})
        cls.director = new_test_user(
            cls.env,
            "director",
            groups="base.group_user,dms_channel.dms_channel_group_user",
            email="director@brand.example",
            company_id=cls.company.id,
            company_ids=[Command.set(cls.company.ids)],
        )
        cls.director.group_ids += cls.director_group
        cls.rule = cls.env.ref("dms_channel.dms_order_rule_credit_limit")
        cls.rule.level_ids = [Command.create({"amount_from": 2000.0, "group_id": cls.director_group.id})]

    def _held(self, quantity=120, **values):
        order = self._create_order(self.distributor_north, [(self.product_tea, quantity, 10.0)], **values)
        order.action_confirm()
        self.assertEqual(order.dms_state, "held")
        return order

    def test_one_approval_is_enough_for_a_small_order(self):
        order = self._held(120)
        self.assertEqual(order.dms_waiting_group_ids, self.rule.group_id)
        order.with_user(self.user_manager)._dms_release("Guaranteed by the bank")
        self.assertEqual(order.state, "sale")
        self.assertRecordValues(
            order.dms_approval_ids,
            [{"state": "given", "user_id": self.user_manager.id, "reason": "Guaranteed by the bank"}],
        )

    def test_a_large_order_needs_both_levels_in_any_order(self):
        for users in ((self.user_manager, self.director), (self.director, self.user_manager)):
            order = self._held(300)
            self.assertEqual(order.dms_waiting_group_ids, self.rule.group_id | self.director_group)
            order.with_user(users[0])._dms_release("First reason")
            self.assertEqual((order.state, order.dms_state), ("draft", "held"))
            self.assertIn("Still to approve", order.message_ids[0].body)
            with self.assertRefused("can only be released by a member of", AccessError):
                order.with_user(users[0])._dms_release("Again")
            order.with_user(users[1])._dms_release("Second reason")
            self.assertEqual((order.state, order.dms_state), ("sale", "released"))
            self.assertEqual(order.dms_approval_ids.user_id, self.user_manager | self.director)
            self.assertEqual(set(order.dms_approval_ids.mapped("reason")), {"First reason", "Second reason"})
            order._action_cancel()

    def test_who_is_in_both_groups_gives_one_level_only(self):
        self.user_manager.group_ids += self.director_group
        order = self._held(300)
        order.with_user(self.user_manager)._dms_release("First")
        self.assertEqual(order.dms_state, "held")
        self.assertFalse(order.with_user(self.user_manager).dms_can_release)
        with self.assertRefused("must come from somebody else", AccessError):
            order.with_user(self.user_manager)._dms_release("Second")
        self.rule.level_ids.other_person = False
        trusted = self._held(300)
        trusted.with_user(self.user_manager)._dms_release("Both")
        self.assertEqual(trusted.dms_state, "released")

    def test_level_is_in_company_currency(self):
        euro = self.setup_other_currency("EUR", rates=[("1900-01-01", 0.5)])
        pricelist = self.env["product.pricelist"].create({"name": "EUR", "currency_id": euro.id})
        order = self._held(120, pricelist_id=pricelist.id)
        self.assertEqual(order.amount_total, 1200.0)
        self.assertIn(self.director_group, order.dms_waiting_group_ids, "2,400 in the company's currency")

    def test_a_change_makes_the_approvals_void(self):
        order = self._held(300)
        order.with_user(self.user_manager)._dms_release("As it is")
        order.order_line.product_uom_qty = 310
        self.assertFalse(order.dms_state)
        self.assertFalse(order.dms_approval_ids)
        self.assertIn("are void", order.message_ids[0].body)
        order.action_confirm()
        self.assertEqual(set(order.dms_approval_ids.mapped("state")), {"waiting"})
        past = self.env["dms.order.approval"].search([("order_id", "=", order.id), ("state", "=", "void")])
        self.assertEqual(past.user_id, self.user_manager, "what had been given is still on record")

    def test_confirming_again_keeps_what_was_given(self):
        order = self._held(300)
        order.with_user(self.user_manager)._dms_release("As it is")
        since = order.dms_held_since
        order.action_confirm()
        self.assertEqual(sorted(order.dms_approval_ids.mapped("state")), ["given", "waiting"])
        self.assertEqual(order.dms_held_since, since)

    def test_refused_with_a_reason_the_distributor_reads(self):
        order = self._held(300)
        with self.assertRefused("can only be released", AccessError):
            order.with_user(self.user_channel)._dms_refuse("No")
        with self.assertRefused("Say why the order is refused"):
            order.with_user(self.director)._dms_refuse(" ")
        order.with_user(self.director)._dms_refuse("Sell last month's stock first")
        self.assertRecordValues(
            order,
            [{"state": "draft", "dms_state": "refused", "dms_refusal": "Sell last month's stock first"}],
        )
        seen = order.with_user(self.clerk_north)
        self.assertIn("Sell last month's stock first", seen.dms_reason)
        message = order.message_ids[0]
        self.assertIn(self.distributor_north, message.partner_ids)
        self.assertFalse(message.is_internal)
        order.action_confirm()
        self.assertEqual(order.dms_state, "refused", "the same order again: the answer stands")
        order.with_user(self.user_manager).action_dms_check()
        self.assertEqual(order.dms_state, "held", "unless staff looks at it again")
        order.with_user(self.director)._dms_refuse("Still too much")
        order.order_line.product_uom_qty = 12
        order.action_confirm()
        self.assertEqual(order.dms_state, "approved")
        self.assertFalse(order.dms_reason)

    def test_bulk_release_with_one_reason(self):
        orders = self._held(120) | self._held(144)
        wizard = (
            self.env["dms.order.release"]
            .with_user(self.user_manager)
            .create({"order_ids": [Command.set(orders.ids)], "reason": "Season"})
        )
        self.assertFalse(wizard.further_group_ids)
        wizard.action_release()
        self.assertEqual(set(orders.mapped("state")), {"sale"})

    def test_activities_for_the_approvers(self):
        self.rule.responsible_id = self.user_manager
        order = self._held(300)
        self.assertEqual(order.activity_ids.user_id, self.user_manager | self.director)
        order.action_confirm()
        self.assertEqual(len(order.activity_ids), 2, "asking again doubles nothing")
        order.with_user(self.user_manager)._dms_release("Yes")
        self.assertEqual(order.activity_ids.user_id, self.director)
        order.with_user(self.director)._dms_release("Yes")
        self.assertFalse(order.activity_ids)
        with self.assertRefused("can't be responsible", ValidationError):
            self.rule.responsible_id = self.user_channel

    def test_filter_on_what_i_can_release(self):
        order = self._held(300)
        mine = [("dms_can_release", "=", True), ("id", "=", order.id)]
        orders = self.env["sale.order"]
        self.assertEqual(orders.with_user(self.user_manager).search(mine), order)
        self.assertEqual(orders.with_user(self.director).search(mine), order)
        self.assertFalse(orders.with_user(self.user_channel).search(mine))
        order.with_user(self.user_manager)._dms_release("Yes")
        self.assertFalse(orders.with_user(self.user_manager).search(mine))

    def test_override_is_logged_and_counted(self):
        order = self._held(120, user_id=self.user_channel.id)
        order.with_user(self.user_manager)._dms_release("Season")
        self.assertRecordValues(
            order.dms_override_ids,
            [
                {
                    "rule_ids": self.rule.ids,
                    "user_id": self.user_manager.id,
                    "approver_ids": self.user_manager.ids,
                    "salesperson_id": self.user_channel.id,
                    "amount": 1200.0,
                    "reason": "Season",
                    "counted": 0,
                }
            ],
        )
        self.rule.counts_override = True
        second = self._held(120, user_id=self.user_channel.id)
        second.with_user(self.user_manager)._dms_release("Season again")
        self.assertEqual(second.dms_override_ids.counted, 1)
        salesperson = self.user_channel.with_user(self.user_manager).with_company(self.company)
        self.assertEqual(salesperson.dms_override_count, 1)
        action = salesperson.action_view_dms_overrides()
        self.assertEqual(self.env["dms.order.override"].search(action["domain"]), second.dms_override_ids)
        with self.assertRaises(AccessError):
            self.user_channel.with_user(self.user_channel).read(["dms_override_count"])

    def test_log_of_overrides_is_only_added_to(self):
        order = self._held(120)
        order.with_user(self.user_manager)._dms_release("Season")
        entry = order.dms_override_ids
        with self.assertRefused("never change"):
            entry.reason = "Another"
        with self.assertRefused("never go"):
            entry.sudo().unlink()
        with self.assertRaises(AccessError):
            entry.with_user(self.user_manager).sudo(False).copy()

    def test_levels_are_checked(self):
        with self.assertRefused("same group for two levels", ValidationError):
            self.rule.level_ids = [
                Command.create({"amount_from": 9000.0, "group_id": self.director_group.id})
            ]
        with self.assertRefused("same group for two levels", ValidationError):
            self.rule.level_ids.group_id = self.rule.group_id
        with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            self.rule.level_ids.amount_from = -1
            self.env.flush_all()

    def test_approvals_can_not_be_written_from_outside(self):
        order = self._held(300)
        for vals in (
            {"dms_approval_ids": [Command.clear()]},
            {"dms_refusal": "x"},
            {"dms_stopped_by_ids": [Command.clear()]},
        ):
            with self.assertRefused("by nothing else"):
                order.with_user(self.user_manager).write(vals)
        with self.assertRaises(AccessError):
            order.dms_approval_ids.with_user(self.user_manager).write({"state": "given"})

    def test_access(self):
        order = self._held(300)
        order.with_user(self.user_manager)._dms_release("Yes")
        order.with_user(self.director)._dms_release("Yes")
        for records in (order.dms_approval_ids, order.dms_override_ids, self.rule.level_ids):
            self.assertTrue(records.with_user(self.user_channel).mapped("display_name"))
            for user in (self.clerk_north, self.clerk_south, self.env.ref("base.public_user")):
                with self.assertRaises(AccessError):
                    records.with_user(user).check_access("read")
        stranger = new_test_user(
            self.env,
            "stranger",
            groups="base.group_user,dms_channel.dms_channel_group_manager",
            company_id=self.env["res.company"].create({"name": "Other"}).id,
        )
        for records in (order.dms_approval_ids, order.dms_override_ids):
            with self.assertRaises(AccessError):
                records.with_user(stranger).mapped("reason")

    def test_queries_of_the_list_do_not_grow(self):
        def count(orders):
            self.env.flush_all()
            self.env.invalidate_all()
            orders = orders.with_user(self.user_manager)
            before = self.env.cr.sql_log_count
            orders.web_read(
                {
                    "name": {},
                    "dms_reason": {},
                    "dms_held_since": {},
                    "dms_can_release": {},
                    "dms_territory_id": {"fields": {"display_name": {}}},
                    "dms_stopped_by_ids": {"fields": {"display_name": {}}},
                    "dms_waiting_group_ids": {"fields": {"display_name": {}}},
                }
            )
            return self.env.cr.sql_log_count - before

        orders = self.env["sale.order"].union(*(self._held(300) for _i in range(8)))
        count(orders[:1])
        self.assertEqual(count(orders), count(orders[:2]))

    def test_grouped_by_rule_and_territory(self):
        order = self._held(120)
        orders = self.env["sale.order"].with_user(self.user_manager)
        for field in ("dms_stopped_by_ids", "dms_territory_id", "user_id"):
            groups = orders.formatted_read_group([("id", "=", order.id)], [field], ["__count"])
            self.assertEqual(groups[0]["__count"], 1)
            self.assertTrue(groups[0][field], field)

    def test_the_form_shows_a_held_order(self):
        order = self._held(300)
        with Form(order.with_user(self.user_manager)) as form:
            self.assertTrue(form.dms_can_release)
