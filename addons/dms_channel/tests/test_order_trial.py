from odoo import fields
from odoo.exceptions import AccessError, ValidationError
from odoo.fields import Command
from odoo.tests import new_test_user, tagged

from odoo.addons.dms_channel.models import dms_order_rule_trial
from odoo.addons.dms_channel.tests.common import DmsChannelCommon


@tagged("post_install", "-at_install")
class TestOrderTrial(DmsChannelCommon):
    """Rules are tried on past orders before they are switched on, and the orders don't notice."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.rule = cls.env["dms.order.rule"].create(
            {
                "name": "Small orders",
                "kind": "amount",
                "amount_max": 300.0,
                "outcome": "hold",
                "active": False,
            }
        )
        cls.orders = cls.env["sale.order"].union(
            *(
                cls._create_order(cls.distributor_north, [(cls.product_tea, quantity, 10.0)])
                for quantity in (12, 24, 36)
            )
        )
        cls.orders.action_confirm()

    def _trial(self, **values):
        today = fields.Date.today()
        return (
            self.env["dms.order.rule.trial"]
            .with_user(self.user_manager)
            .create(
                {
                    "name": "Try",
                    "date_from": today,
                    "date_to": today,
                    "rule_ids": [Command.set(self.rule.ids)],
                    **values,
                }
            )
        )

    def test_an_archived_rule_is_tried_and_nothing_changes(self):
        before = self.orders.read(["state", "dms_state", "dms_content", "write_date"])
        checks = self.orders.dms_check_ids
        trial = self._trial()
        trial.action_run()
        self.env.invalidate_all()
        self.assertEqual(self.orders.read(["state", "dms_state", "dms_content", "write_date"]), before)
        self.assertEqual(self.orders.dms_check_ids, checks)
        self.assertRecordValues(
            trial,
            [{"state": "done", "order_count": 3, "approved_count": 2, "held_count": 1, "refused_count": 0}],
        )
        line = trial.line_ids.filtered(lambda line: line.outcome == "held")
        self.assertRecordValues(
            line,
            [
                {
                    "order_id": self.orders[2].id,
                    "amount": 360.0,
                    "rule_ids": self.rule.ids,
                    "went_through": True,
                    "changed": True,
                }
            ],
        )
        self.assertIn("but at most", line.message)
        self.assertEqual(trial.changed_count, 1)
        self.assertFalse(self.rule.active)
        trial.action_activate()
        self.assertTrue(self.rule.active)

    def test_run_in_batches_goes_on_where_it_stopped(self):
        self.patch(dms_order_rule_trial, "BATCH", 2)
        trial = self._trial()
        trial.action_run()
        self.assertEqual(trial.state, "running")
        self.assertEqual(len(trial.line_ids), 2)
        self.assertAlmostEqual(trial.progress, 200 / 3)
        with self.enter_registry_test_mode():
            self.env.ref("dms_channel.ir_cron_order_rule_trial").with_user(
                self.env.ref("base.user_root")
            ).method_direct_trigger()
        self.assertEqual(trial.state, "done")
        self.assertEqual(trial.line_ids.order_id, self.orders)
        trial.action_run()
        self.assertEqual(len(trial.line_ids), 2, "another run begins anew")

    def test_says_which_facts_are_of_today(self):
        trial = self._trial()
        self.assertFalse(trial.note)
        credit = self.env.ref("dms_channel.dms_order_rule_credit_limit")
        trial.rule_ids |= credit
        self.assertIn(credit.name, trial.note)
        self.assertNotIn(self.rule.name, trial.note)

    def test_period_is_last_quarter(self):
        trial = self.env["dms.order.rule.trial"].create({})
        self.assertEqual((trial.date_from.day, trial.date_from.month % 3), (1, 1))
        self.assertLess(trial.date_to, fields.Date.today())
        self.assertEqual(fields.Date.add(trial.date_from, months=3), fields.Date.add(trial.date_to, days=1))

    def test_bad_input(self):
        with self.assertRefused("before it begins", ValidationError):
            self._trial(date_to="2020-01-01")
        with self.assertRefused("no order of a distributor"):
            self._trial(date_from="2001-01-01", date_to="2001-01-31").action_run()
        with self.assertRefused("Choose the rules"):
            self._trial(rule_ids=[Command.clear()]).action_run()
        with self.assertRefused("to its end first"):
            self._trial().action_activate()

    def test_access(self):
        trial = self._trial()
        trial.action_run()
        self.assertTrue(trial.with_user(self.user_channel).line_ids.mapped("outcome"))
        with self.assertRaises(AccessError):
            trial.with_user(self.user_channel).action_run()
        with self.assertRaises(AccessError):
            trial.line_ids[0].with_user(self.user_manager).outcome = "refused"
        company = self.env["res.company"].create({"name": "Other"})
        stranger = new_test_user(
            self.env,
            "stranger",
            groups="base.group_user,dms_channel.dms_channel_group_manager",
            company_id=company.id,
            company_ids=[Command.set(company.ids)],
        )
        for user in (self.clerk_north, self.env.ref("base.public_user"), stranger):
            for records in (trial, trial.line_ids):
                with self.assertRaises(AccessError):
                    records.with_user(user).check_access("read")
