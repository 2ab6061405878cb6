import contextlib
from unittest.mock import patch

import psycopg2

from odoo import SUPERUSER_ID, Command, api, fields
from odoo.exceptions import UserError
from odoo.sql_db import db_connect
from odoo.tests import tagged
from odoo.tools import mute_logger

from odoo.addons.dms_channel.tests.common import SessionsCase

CLEANING = """
    UPDATE account_move_line SET dms_accrual_id = NULL, dms_settlement_line_id = NULL, dms_settlement_use_id = NULL,
           full_reconcile_id = NULL
     WHERE partner_id = ANY(%(partners)s);
    DELETE FROM account_partial_reconcile
     WHERE debit_move_id IN (SELECT id FROM account_move_line WHERE partner_id = ANY(%(partners)s));
    UPDATE dms_rebate_accrual SET settlement_line_id = NULL, settlement_id = NULL, entry_id = NULL, reversal_id = NULL
     WHERE partner_id = ANY(%(partners)s);
    UPDATE dms_settlement SET posting_id = NULL WHERE partner_id = ANY(%(partners)s);
    DELETE FROM dms_rebate_accrual WHERE partner_id = ANY(%(partners)s);
    DELETE FROM dms_rebate_balance WHERE partner_id = ANY(%(partners)s);
    DELETE FROM sale_order_line WHERE order_id IN (SELECT id FROM sale_order WHERE partner_id = ANY(%(partners)s));
    DELETE FROM dms_settlement_use WHERE partner_id = ANY(%(partners)s);
    DELETE FROM sale_order WHERE partner_id = ANY(%(partners)s);
    DELETE FROM account_move
     WHERE id IN (SELECT move_id FROM account_move_line WHERE partner_id = ANY(%(partners)s))
        OR partner_id = ANY(%(partners)s);
    DELETE FROM dms_settlement WHERE partner_id = ANY(%(partners)s);
"""


@tagged("post_install", "-at_install")
class TestSettlementSessions(SessionsCase):
    """Several sessions work on the same money: nothing is lost, nothing is paid twice."""

    def setUp(self):
        super().setUp()
        self.program_id, self.product_id, self.partner_ids = self._run(self._prepare)
        self.addCleanup(self._run, self._clean)

    def _prepare(self, env):
        if not env.company.chart_template:
            env["account.chart.template"].try_loading("generic_coa", env.company, install_demo=False)
        env.company._dms_prepare_rebate_accounts()
        program = env["dms.rebate.program"].create(
            {
                "name": "Race",
                "code": "RACE",
                "date_start": "2026-01-01",
                "date_end": "2026-12-31",
                "tier_ids": [Command.create({"from_amount": 0, "rate": 10})],
            }
        )
        program.action_publish()
        product = env["product.product"].create(
            {
                "name": "Race",
                "type": "service",
                "invoice_policy": "order",
                "list_price": 100.0,
                "taxes_id": [Command.clear()],
            }
        )
        partners = env["res.partner"].create(
            [
                {"name": f"Race {number}", "channel_role": "distributor", "is_company": True}
                for number in range(3)
            ]
        )
        program.invalidate_recordset()
        return program.id, product.id, partners.ids

    def _clean(self, env):
        partners = env["res.partner"].browse(self.partner_ids)
        env.cr.execute(CLEANING, {"partners": self.partner_ids})
        env.cr.execute("DELETE FROM dms_rebate_program WHERE id = %s", [self.program_id])
        env.invalidate_all()
        env["product.product"].browse(self.product_id).unlink()
        partners.unlink()

    # === HELPERS ===

    def _invoice(self, env, amount, partner=0):
        move = env["account.move"].create(
            {
                "move_type": "out_invoice",
                "partner_id": self.partner_ids[partner],
                "invoice_date": "2026-02-10",
                "invoice_line_ids": [
                    Command.create(
                        {"product_id": self.product_id, "price_unit": amount, "tax_ids": [Command.clear()]}
                    )
                ],
            }
        )
        move.action_post()
        return move

    def _draft(self, env, partners=None):
        chosen = env["res.partner"].browse(partners or self.partner_ids)
        return env["dms.settlement"]._draft(
            fields.Date.to_date("2026-01-01"), fields.Date.to_date("2026-03-31"), partners=chosen
        )

    def _approve(self, env, settlements):
        env.company.dms_settlement_days = 0
        settlements.action_send()
        env.company.dms_settlement_days = 7
        return settlements.ids

    def _search(self, env):
        return env["dms.settlement"].search([("partner_id", "in", self.partner_ids)], order="id")

    def _accounts(self, env):
        """Per distributor: what has accrued, what is on settlements, what the accrual account and the receivable hold."""
        program = env["dms.rebate.program"].browse(self.program_id)
        result = []
        for partner_id in self.partner_ids:
            accruals = env["dms.rebate.accrual"].search([("partner_id", "=", partner_id)])
            items = env["account.move.line"].search(
                [("partner_id", "=", partner_id), ("parent_state", "=", "posted")]
            )
            accrued = items.filtered(lambda item: item.account_id == program.accrual_account_id)
            refunds = items.move_id.filtered(lambda move: move.move_type == "out_refund")
            result.append(
                (
                    sum(accruals.mapped("amount")),
                    sum(accruals.settlement_line_id.mapped("computed_amount")),
                    -sum(accrued.mapped("balance")),
                    sum(refunds.mapped("amount_total")),
                )
            )
        return result

    @contextlib.contextmanager
    def _session(self):
        with db_connect(self.env.cr.dbname).cursor() as cr:
            yield api.Environment(cr, SUPERUSER_ID, {})

    def _kill(self, env):
        """End a session's connection, as a crash or an administrator does."""
        env.flush_all()
        env.cr.execute("SELECT pg_backend_pid()")
        [pid] = env.cr.fetchone()
        self.env.cr.execute("SELECT pg_terminate_backend(%s)", [pid])

    # === TESTS ===

    def test_two_people_post_at_once(self):
        self._run(lambda env: self._invoice(env, 1000) and None)
        ids = self._run(lambda env: self._approve(env, self._draft(env)))

        def post(env):
            env["dms.settlement"].browse(ids).action_post()

        errors = self._race(post, post)
        self.assertTrue(all(isinstance(error, UserError) for error in errors), errors)
        self.assertEqual(self._run(self._accounts)[0], (100, 100, 0, 100))
        self._run(post)
        self.assertEqual(self._run(self._accounts)[0], (100, 100, 0, 100), "and a third one changes nothing")

    def test_two_runs_draft_the_same_period(self):
        self._run(lambda env: [self._invoice(env, 1000, number) and None for number in range(3)])
        errors = self._race(self._draft, self._draft)
        for error in errors:
            self.assertIn("open that one", str(error))
        drafts = self._run(lambda env: self._search(env).mapped("amount_total"))
        self.assertEqual(drafts, [100, 100, 100])

    def test_an_invoice_is_posted_while_a_settlement_is_computed(self):
        """It goes into the settlement or waits for the next one: never both, never neither."""
        self._run(lambda env: self._invoice(env, 1000) and None)
        with self._session() as computing:
            draft = self._draft(computing)
            computing.flush_all()
            self._run(lambda env: self._invoice(env, 500) and None)
            computing.cr.commit()
        self.assertEqual(self._run(self._accounts)[0][:2], (150, 100))
        with self._session() as invoicing:
            self._invoice(invoicing, 200)
            invoicing.flush_all()
            self._run(lambda env: env["dms.settlement"].browse(draft.id).action_compute())
            invoicing.cr.commit()
        self.assertEqual(self._run(self._accounts)[0][:2], (170, 150))
        self._run(lambda env: env["dms.settlement"].browse(draft.id).action_compute())
        self.assertEqual(self._run(self._accounts)[0][:2], (170, 170))

    def test_an_invoice_is_reset_while_its_settlement_is_posted(self):
        """The settlement pays what it was approved for; the next one takes it back."""
        invoice_id = self._run(lambda env: self._invoice(env, 1000).id)
        ids = self._run(lambda env: self._approve(env, self._draft(env)))
        self._race(
            lambda env: env["dms.settlement"].browse(ids).action_post(),
            lambda env: env["account.move"].browse(invoice_id).button_draft(),
        )
        accrued, settled, ledger, paid = self._run(self._accounts)[0]
        self.assertEqual((accrued, settled, ledger, paid), (0, 100, -100, 100))

    def test_a_run_that_is_killed_goes_on(self):
        """The run drafts distributor by distributor; killed in the second, it finds the first done and the others not."""
        self._run(lambda env: [self._invoice(env, 1000, number) and None for number in range(3)])
        self._run(lambda env: self._draft(env, self.partner_ids[:1]) and None)
        doomed = db_connect(self.env.cr.dbname).cursor()
        env = api.Environment(doomed, SUPERUSER_ID, {})
        self._draft(env, self.partner_ids[1:2])
        self._kill(env)
        with mute_logger("odoo.sql_db"):
            with self.assertRaises(psycopg2.Error):
                doomed.execute("SELECT 1")
            with contextlib.suppress(psycopg2.Error):
                doomed.close()
        self.assertEqual(self._run(lambda env: len(self._search(env))), 1)
        self._run(lambda env: self._draft(env) and None)
        self.assertEqual(self._run(lambda env: self._search(env).mapped("amount_total")), [100, 100, 100])

    def test_a_run_of_postings_that_is_killed_goes_on(self):
        self._run(lambda env: [self._invoice(env, 1000, number) and None for number in range(3)])
        self._run(lambda env: self._approve(env, self._draft(env)))
        self._run(lambda env: self._search(env).action_post_later())
        done = []

        def die(cron, processed=0, **kw):
            if processed:
                done.append(processed)
            if len(done) == 2:
                self._kill(cron.env)
            cron.env.cr.commit()
            return float("inf")

        doomed = db_connect(self.env.cr.dbname).cursor()
        env = api.Environment(doomed, SUPERUSER_ID, {})
        with (
            mute_logger("odoo.sql_db"),
            patch.object(env.registry["ir.cron"], "_commit_progress", die),
            self.assertRaises(psycopg2.Error),
        ):
            env["dms.settlement"]._cron_post()
        with mute_logger("odoo.sql_db"), contextlib.suppress(psycopg2.Error):
            doomed.close()
        posted = self._run(lambda env: self._search(env).mapped("state"))
        self.assertEqual(sorted(posted), ["approved", "approved", "posted"])
        self._run(lambda env: env["dms.settlement"]._cron_post())
        self.assertEqual(self._run(self._accounts), [(100, 100, 0, 100)] * 3)
        self._run(lambda env: env["dms.settlement"]._cron_post())
        self.assertEqual(self._run(self._accounts), [(100, 100, 0, 100)] * 3)

    def test_two_orders_want_the_last_of_a_settlement(self):
        def prepare(env):
            self._invoice(env, 1000)
            settlement = self._draft(env)
            settlement.write({"payout": "offset", "offset_share": 1.0})
            self._approve(env, settlement)
            settlement.action_post()
            orders = env["sale.order"].create(
                [
                    {
                        "partner_id": self.partner_ids[0],
                        "order_line": [
                            Command.create({"product_id": self.product_id, "product_uom_qty": 0.7})
                        ],
                    }
                    for _number in range(2)
                ]
            )
            env["dms.order.check"].search([("order_id", "in", orders.ids)])
            return settlement.id, orders.ids

        settlement_id, order_ids = self._run(prepare)

        def confirm(order_id):
            def work(env):
                order = env["sale.order"].browse(order_id)
                env["dms.settlement.use"]._apply(order)

            return work

        self.assertFalse(self._race(*(confirm(order_id) for order_id in order_ids)))

        def answer(env):
            settlement = env["dms.settlement"].browse(settlement_id)
            return sorted(settlement.use_ids.mapped("amount")), settlement.amount_left

        self.assertEqual(self._run(answer), ([30, 70], 0))
