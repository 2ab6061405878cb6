from odoo import fields
from odoo.exceptions import AccessError, ValidationError
from odoo.fields import Command
from odoo.tests import freeze_time, new_test_user, tagged

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
        self.assertFalse(trial.note, "debts are those of the order's day")
        credit.sudo().order_domain = "[('amount_total', '>', 1)]"
        self.assertIn(credit.name, trial.note)
        self.assertNotIn(self.rule.name, trial.note)

    def test_credit_is_judged_by_the_books_of_the_orders_day(self):
        """Limit 1,000. March: 800 invoiced, paid in May. April: 400 over the limit; June: 900 fit again, beside nothing.
        Had the books of today decided, the order of April would pass, and that of June meet the debt of July."""
        credit = self.env["dms.order.rule"].search([("kind", "=", "credit_limit")])
        overdue = self.env["dms.order.rule"].search([("kind", "=", "overdue")])
        (credit | overdue).active = False
        with freeze_time("2025-03-10 10:00:00"):
            march = self._order_of(80)
            self._deliver(march)
            invoice = self._invoice(march, invoice_date="2025-03-10", invoice_date_due="2025-04-01")
        with freeze_time("2025-03-20 10:00:00"):
            shipped = self._order_of(10)
            shipped.picking_ids.move_ids.write({"quantity": 4, "picked": True})
            shipped.picking_ids.with_context(cancel_backorder=False)._action_done()
        with freeze_time("2025-04-10 10:00:00"):
            april = self._order_of(40)
        with freeze_time("2025-04-20 10:00:00"):
            april._action_cancel()
            self._deliver(shipped)
            self._invoice(shipped, invoice_date="2025-04-20", invoice_date_due="2025-05-30")
        april.action_draft()
        april.action_confirm()
        april.date_order = "2025-04-10 10:00:00"
        self._pay(invoice, "2025-05-05")
        with freeze_time("2025-06-10 10:00:00"):
            self._pay(shipped.invoice_ids, "2025-06-01")
            june = self._order_of(50)
        with freeze_time("2025-07-10 10:00:00"):
            july = self._order_of(90)
        trial = self._trial(
            date_from="2025-04-01", date_to="2025-07-31", rule_ids=[Command.set((credit | overdue).ids)]
        )
        trial.action_run()
        outcomes = {line.order_id: (line.outcome, line.message) for line in trial.line_ids}
        self.assertEqual(outcomes[april][0], "held")
        self.assertIn("1,300.00", outcomes[april][1], "800 unpaid, 40 delivered, 60 to come, 400 of its own")
        self.assertIn("$\xa0800.00", outcomes[april][1])
        self.assertIn("deliveries not invoiced $\xa040.00", outcomes[april][1])
        self.assertIn("confirmed orders $\xa060.00", outcomes[april][1])
        self.assertEqual(outcomes[june][0], "approved", outcomes[june][1])
        self.assertEqual(outcomes[july][0], "held", "500 of June and 900 of its own")
        checks = self.env["dms.order.rule"]._evaluate(april, rules=overdue, dry=True, past=True)[april]
        self.assertEqual(checks[0]["figures"]["days"], 9, "due on April 1st, looked at on the 10th")

    def _order_of(self, quantity):
        order = self._create_order(self.distributor_north, [(self.product_tea, quantity, 10.0)])
        order.action_confirm()
        self.assertEqual(order.state, "sale", order.dms_reason)
        return order

    def _pay(self, invoice, day):
        self.env["account.payment.register"].with_context(
            active_model="account.move", active_ids=invoice.ids
        ).create({"payment_date": day}).action_create_payments()

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
