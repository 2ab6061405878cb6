import contextlib
import os
from unittest.mock import patch

import psycopg2

from odoo import SUPERUSER_ID, api
from odoo.sql_db import db_connect
from odoo.tests import tagged
from odoo.tools import mute_logger

from odoo.addons.dms_channel.tests.common import SessionsCase
from odoo.addons.dms_traceability.models import dms_code_order

from .common import MASTER_KEY


@tagged("post_install", "-at_install")
class TestCodeSessions(SessionsCase):
    """Codes in several real sessions: a killed backend loses no code and issues none twice."""

    def setUp(self):
        super().setUp()
        for patcher in (
            patch.dict(os.environ, {"DMS_MASTER_KEY": MASTER_KEY}),
            patch.object(dms_code_order, "INLINE_CODES", 100),
            patch.object(dms_code_order, "SLICE_CODES", 1_000),
        ):
            patcher.start()
            self.addCleanup(patcher.stop)
        self.product_id, self.order_ids = self._run(self._prepare)
        self.addCleanup(self._run, self._clean)

    def _prepare(self, env):
        product = env["product.product"].create(
            {"name": "Race", "type": "consu", "is_storable": True, "barcode": "4006381333931"}
        )
        orders = env["dms.code.order"].create(
            [{"product_id": product.id, "quantity": 3_500, "case_size": 10} for _number in range(2)]
        )
        return product.id, orders.ids

    def _clean(self, env):
        orders = env["dms.code.order"].browse(self.order_ids)
        for order in orders.filtered("first_key"):
            env.cr.execute(
                "DELETE FROM dms_trace_code WHERE key BETWEEN %s AND %s", [order.first_key, order.last_key]
            )
        env.cr.execute("DELETE FROM dms_code_order WHERE id = ANY(%s)", [self.order_ids])
        env.invalidate_all()
        env["product.product"].browse(self.product_id).unlink()

    def _read(self, env):
        """Of each order: state, codes noted, codes in the table, highest key less the first."""
        result = []
        for order in env["dms.code.order"].browse(self.order_ids):
            env.cr.execute(
                "SELECT count(*), count(DISTINCT key), max(key) FROM dms_trace_code WHERE key BETWEEN %s AND %s",
                [order.first_key, order.last_key],
            )
            count, distinct, last = env.cr.fetchone()
            self.assertEqual(count, distinct)
            result.append(
                (order.state, order.stored_count, count, (last or order.first_key) - order.first_key)
            )
        return result

    def test_a_killed_generation_goes_on(self):
        self._run(lambda env: env["dms.code.order"].browse(self.order_ids).action_generate() and None)
        done = []

        def die(cron, processed=0, **kw):
            """Commit a slice; kill the connection in the middle of the third one."""
            if processed:
                done.append(processed)
            cron.env.cr.commit()
            if len(done) == 2:
                order = cron.env["dms.code.order"].browse(self.order_ids[0])
                order._store_next()
                cron.env.cr.execute("SELECT pg_backend_pid()")
                self.env.cr.execute("SELECT pg_terminate_backend(%s)", cron.env.cr.fetchone())
            return float("inf")

        doomed = db_connect(self.env.cr.dbname).cursor()
        env = api.Environment(doomed, SUPERUSER_ID, {})
        with (
            mute_logger("odoo.sql_db"),
            patch.object(env.registry["ir.cron"], "_commit_progress", die),
            self.assertRaises(psycopg2.Error),
        ):
            env["dms.code.order"]._cron_generate()
        with mute_logger("odoo.sql_db"), contextlib.suppress(psycopg2.Error):
            doomed.close()
        # Two slices are there, of the third nothing; the other order was not begun.
        self.assertEqual(
            self._run(self._read), [("generating", 2_000, 2_000, 1_999), ("generating", 0, 0, 0)]
        )

        def go_on(env):
            with patch.object(
                env.registry["ir.cron"], "_commit_progress", lambda *_args, **_kw: float("inf")
            ):
                env["dms.code.order"]._cron_generate()

        self._run(go_on)
        self.assertEqual(self._run(self._read), [("generated", 3_850, 3_850, 3_849)] * 2)
        self._run(go_on)
        self.assertEqual(self._run(self._read), [("generated", 3_850, 3_850, 3_849)] * 2)

    def test_keys_of_a_killed_order_are_never_issued_again(self):
        doomed = db_connect(self.env.cr.dbname).cursor()
        env = api.Environment(doomed, SUPERUSER_ID, {})
        lost = env["dms.code.order"].browse(self.order_ids[0])
        lost.action_generate()
        first, last = lost.first_key, lost.last_key
        doomed.execute("SELECT pg_backend_pid()")
        self.env.cr.execute("SELECT pg_terminate_backend(%s)", doomed.fetchone())
        with mute_logger("odoo.sql_db"), contextlib.suppress(psycopg2.Error):
            doomed.execute("SELECT 1")
            doomed.close()
        self.assertEqual(
            self._run(lambda env: env["dms.code.order"].browse(self.order_ids[0]).state), "draft"
        )
        again = self._run(
            lambda env: (
                env["dms.code.order"].browse(self.order_ids).action_generate()
                and env["dms.code.order"].browse(self.order_ids).mapped("first_key")
            )
        )
        self.assertTrue(all(key > last for key in again), (first, last, again))
