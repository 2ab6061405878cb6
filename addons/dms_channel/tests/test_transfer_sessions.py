import contextlib
import random
from decimal import Decimal

import psycopg2

from odoo import SUPERUSER_ID, Command, api
from odoo.exceptions import UserError
from odoo.sql_db import db_connect
from odoo.tests import tagged
from odoo.tools import mute_logger

from odoo.addons.dms_channel.tests.common import SIGNATURE, SessionsCase
from odoo.addons.dms_channel.tools import guard

CLEANING = """
    DELETE FROM dms_channel_move WHERE partner_id = ANY(%(partners)s) AND reversed_move_id IS NOT NULL;
    DELETE FROM dms_channel_move WHERE partner_id = ANY(%(partners)s);
    DELETE FROM dms_channel_comparison WHERE partner_id = ANY(%(partners)s);
    DELETE FROM dms_channel_position WHERE partner_id = ANY(%(partners)s);
    DELETE FROM dms_channel_week WHERE partner_id = ANY(%(partners)s);
    DELETE FROM mail_activity WHERE res_model = 'dms.transfer' AND res_id IN (
        SELECT id FROM dms_transfer WHERE giver_id = ANY(%(partners)s));
    DELETE FROM dms_transfer WHERE giver_id = ANY(%(partners)s);
    DELETE FROM dms_agreement WHERE partner_id = ANY(%(partners)s);
    UPDATE dms_feed SET move_count = 0, released_count = 0 WHERE partner_id = ANY(%(partners)s);
    UPDATE dms_feed_line SET state = 'reversed' WHERE partner_id = ANY(%(partners)s);
"""


class TransferSessionsCase(SessionsCase):
    """Three distributors with an agreement each; the first one has 100 of the product."""

    def setUp(self):
        super().setUp()
        self.partner_ids, self.product_id = self._run(self._prepare)
        self.addCleanup(self._run, self._clean)

    def _prepare(self, env):
        territory = env["dms.territory"].create({"name": "Race", "code": "RACE"})
        partners = env["res.partner"].create(
            [
                {
                    "name": f"Race {number}",
                    "ref": f"D-RACE{number}",
                    "channel_role": "distributor",
                    "is_company": True,
                    "territory_id": territory.id,
                }
                for number in range(3)
            ]
        )
        agreements = env["dms.agreement"].create(
            [
                {
                    "partner_id": partner.id,
                    "date_start": "2020-01-01",
                    "line_ids": [Command.create({"territory_id": territory.id})],
                }
                for partner in partners
            ]
        )
        guard.mark(agreements).write({"state": "active", "activated_on": "2020-01-01"})
        product = env["product.product"].create({"name": "Race", "default_code": "RACE", "type": "consu"})
        env["dms.channel.move"].create(
            {
                "kind": "sell_in",
                "partner_id": partners[0].id,
                "product_id": product.id,
                "date": "2025-01-01",
                "quantity": 100,
            }
        )
        return partners.ids, product.id

    def _clean(self, env):
        env.cr.execute(CLEANING, {"partners": self.partner_ids})
        env.invalidate_all()
        env["dms.feed"].search([("partner_id", "in", self.partner_ids)]).unlink()
        partners = env["res.partner"].browse(self.partner_ids)
        territory = partners.territory_id
        partners.unlink()
        territory.unlink()
        env["product.product"].browse(self.product_id).unlink()

    def _session(self):
        """An environment on a connection of its own, which nobody closes."""
        return api.Environment(db_connect(self.env.cr.dbname).cursor(), SUPERUSER_ID, {})

    # === WHAT A SESSION DOES ===

    def _propose(self, env, quantity, giver=0, taker=1):
        """A transfer that all agree to; answer its id."""
        line = {"product_id": self.product_id, "product_uom_qty": quantity}
        transfer = env["dms.transfer"].create(
            {
                "giver_id": self.partner_ids[giver],
                "taker_id": self.partner_ids[taker],
                "line_ids": [Command.create(line)],
            }
        )
        transfer.action_propose()
        for side in ("giver", "taker"):
            transfer._consent(side, side)
        return transfer.id

    def _ship(self, env, transfer_id):
        env["dms.transfer"].browse(transfer_id)._ship("Giver")

    def _receive(self, env, transfer_id, quantity=None):
        transfer = env["dms.transfer"].browse(transfer_id)
        counted = {} if quantity is None else {transfer.line_ids: (quantity, "counted")}
        transfer._receive("Taker", SIGNATURE, counted)

    def _decide(self, env, transfer_id, fate):
        transfer = env["dms.transfer"].browse(transfer_id)
        transfer.line_ids.write({"fate": fate, "fate_reason": "asked"})
        transfer.action_decide()

    def _cancel(self, env, transfer_id):
        env["dms.transfer"].browse(transfer_id).action_cancel()

    # === WHAT IS TRUE THEN ===

    def _stocks(self):
        """Answer [(stock, in transit)] of the distributors, as stored, and prove that all adds up."""

        def answer(env):
            self.assertFalse(env["dms.channel.position"]._check_consistency())
            self.assertFalse(env["dms.channel.week"]._count_differences())
            env.cr.execute(
                """
                SELECT COALESCE(quantity, 0)::text, COALESCE(in_transit, 0)::text
                  FROM unnest(%s) WITH ORDINALITY AS wanted (partner_id, number)
             LEFT JOIN dms_channel_position position USING (partner_id) ORDER BY number
                """,
                [self.partner_ids],
            )
            return [tuple(Decimal(text).normalize() for text in row) for row in env.cr.fetchall()]

        return self._run(answer)

    def _state(self, transfer_id):
        return self._run(lambda env: env["dms.transfer"].browse(transfer_id).state)


@tagged("post_install", "-at_install")
class TestTransferSessions(TransferSessionsCase):
    """Several sessions work on the same goods: nothing is lost, nothing moves twice, and the loser reads why."""

    def _shipped(self, quantity=40):
        transfer_id = self._run(lambda env: self._propose(env, quantity))
        self._run(lambda env: self._ship(env, transfer_id))
        return transfer_id

    def _assert_told(self, errors, words):
        self.assertEqual(len(errors), 1, errors)
        self.assertIsInstance(errors[0], UserError)
        self.assertRegex(str(errors[0]), words)

    def test_two_people_sign(self):
        transfer_id = self._shipped()
        errors = self._race(
            lambda env: self._receive(env, transfer_id), lambda env: self._receive(env, transfer_id, 30)
        )
        self._assert_told(errors, "Someone else is working on|possible only when it is Shipped")
        state = self._state(transfer_id)
        self.assertIn(state, ("received", "difference"))
        self.assertEqual(self._stocks()[:2], [(60, 0), (40, 0 if state == "received" else 10)])

    def test_two_people_ship(self):
        transfer_id = self._run(lambda env: self._propose(env, 40))
        errors = self._race(*[lambda env: self._ship(env, transfer_id)] * 2)
        self._assert_told(errors, "Someone else is working on|possible only when it is Agreed")
        self.assertEqual(self._stocks()[:2], [(60, 0), (40, 40)])

    def test_cancelled_while_it_is_received(self):
        transfer_id = self._shipped()
        errors = self._race(
            lambda env: self._receive(env, transfer_id), lambda env: self._cancel(env, transfer_id)
        )
        # who receives first may be followed by the cancellation, which takes all back
        self.assertLessEqual(len(errors), 1, errors)
        if errors:
            self._assert_told(errors, "Someone else is working on|possible only when it is Shipped")
        if self._state(transfer_id) == "cancelled":
            self.assertEqual(self._stocks()[:2], [(100, 0), (0, 0)])
        else:
            self.assertEqual(self._stocks()[:2], [(60, 0), (40, 0)])

    def test_the_same_goods_are_promised_once(self):
        """Two proposals of 60 out of 100: the one that comes second is told what is left."""
        errors = self._race(
            lambda env: self._propose(env, 60, taker=1), lambda env: self._propose(env, 60, taker=2)
        )
        self._assert_told(errors, "has 40 .* to spare, not 60")

    def test_goods_are_sold_while_they_are_shipped(self):
        transfer_id = self._run(lambda env: self._propose(env, 80))
        raw = b"product_code,date,quantity\nRACE,2025-01-05,50\n"

        def sell(env):
            partner = env["res.partner"].browse(self.partner_ids[0])
            env["dms.feed"]._receive(raw, "x.csv", partner=partner)._release()

        errors = self._race(sell, lambda env: self._ship(env, transfer_id))
        if errors:
            self._assert_told(errors, "has 50 .* to spare, not 80")
            self.assertEqual(self._stocks()[:2], [(50, 0), (0, 0)])
        else:
            # the goods had left before their sale was reported
            self.assertEqual(self._stocks()[:2], [(-30, 0), (80, 80)])

    def test_two_transfers_cross(self):
        """Goods go both ways at once: the sessions wait for each other, and neither is lost."""
        first = self._shipped(50)
        self._run(lambda env: self._receive(env, first))
        there, back = (
            self._run(lambda env, ends=ends: self._propose(env, 20, *ends)) for ends in ((0, 1), (1, 0))
        )
        self.assertFalse(self._race(lambda env: self._ship(env, there), lambda env: self._ship(env, back)))
        self.assertEqual(self._stocks()[:2], [(50, 20), (50, 20)])
        self.assertFalse(
            self._race(lambda env: self._receive(env, there), lambda env: self._receive(env, back))
        )
        self.assertEqual(self._stocks()[:2], [(50, 0), (50, 0)])

    def test_cancelled_while_it_is_shipped(self):
        """One session ships what another one cancels: it is shipped, or it is not, and not a part of it."""
        transfer_id = self._run(lambda env: self._propose(env, 40))
        errors = self._race(
            lambda env: self._ship(env, transfer_id), lambda env: self._cancel(env, transfer_id)
        )
        self.assertLessEqual(len(errors), 1, errors)
        cancelled = self._state(transfer_id) == "cancelled"
        self.assertEqual(self._stocks()[:2], [(100, 0), (0, 0)] if cancelled else [(60, 0), (40, 40)])


class Death:
    """Ends the backend of a session before one of its statements, as a crash or an administrator does."""

    def __init__(self, env, killer, after):
        self.cursor, self.killer, self.left = env.cr, killer, after
        env.cr.execute("SELECT pg_backend_pid()")
        [self.pid] = env.cr.fetchone()
        self.execute = env.cr.execute
        env.cr.execute = self._execute

    def _execute(self, *args, **kwargs):
        self.left -= 1
        if not self.left:
            self.strike()
        return self.execute(*args, **kwargs)

    def strike(self):
        self.killer.execute("SELECT pg_terminate_backend(%s)", [self.pid])


@tagged("post_install", "-at_install")
class TestLedgerKills(TransferSessionsCase):
    """Feeds, counts and transfers in sessions that the database ends at some statement of theirs: what such a session
    did is not there, and done once more it is there once."""

    def test_killed_and_replayed(self):
        for seed in range(4):
            with self.subTest(seed=seed):
                self._play(random.Random(seed))

    def _play(self, rng):
        self.rng = rng
        self.kills = 0
        start = self._stocks()
        self.stocks = [stock for stock, _transit in start]
        self.transit = [transit for _stock, transit in start]
        self.deals = {}
        for _step in range(10):
            name = rng.choice(
                ["sell", "sell", "propose", "ship", "ship", "receive", "receive", "decide", "cancel"]
            )
            if plan := getattr(self, f"_plan_{name}")():
                self._do(*plan)
        self.assertGreater(self.kills, 3, "the sequence is none without kills")

    def _do(self, work, learn):
        """Do something in a session, perhaps first in some that die."""
        before = self._expect()
        for _death in range(self.rng.randrange(3)):
            self._kill(work, self.rng.choice([1, 3, 5, 10, 20, 30, 50, 80]))
            self.assertEqual(self._stocks(), before)
        learn(self._run(work))
        self.assertEqual(self._stocks(), self._expect())

    def _kill(self, work, after):
        env = self._session()
        death = Death(env, self.env.cr, after)
        with mute_logger("odoo.sql_db"):
            with contextlib.suppress(psycopg2.Error):
                work(env)
                env.flush_all()
                death.strike()  # it was through with its work, all but the commit
            with self.assertRaises(psycopg2.Error):
                env.cr.commit()
            with contextlib.suppress(psycopg2.Error):
                env.cr.close()
        self.kills += 1

    def _expect(self):
        return list(zip(self.stocks, self.transit, strict=True))

    # === STEPS: WHAT A SESSION DOES, AND WHAT IS TRUE THEN ===

    def _plan_sell(self):
        number, quantity = self.rng.randrange(3), Decimal(self.rng.randrange(1, 500)) / 100
        day = f"2025-02-{self.rng.randrange(1, 29):02}"
        raw = f"product_code,date,quantity,reference\nRACE,{day},{quantity},{self.rng.random()}\n".encode()

        def work(env):
            partner = env["res.partner"].browse(self.partner_ids[number])
            env["dms.feed"]._receive(raw, "x.csv", partner=partner)._release()

        def learn(_result):
            self.stocks[number] -= quantity

        return work, learn

    def _plan_propose(self):
        giver, taker = self.rng.sample(range(3), 2)
        promised = sum(
            deal["quantity"]
            for deal in self.deals.values()
            if deal["giver"] == giver and deal["state"] == "agreed"
        )
        free = self.stocks[giver] - self.transit[giver] - promised
        if free <= 1:
            return None
        quantity = (free * self.rng.randrange(1, 60) / 100).quantize(Decimal("0.01"))

        def learn(transfer_id):
            self.deals[transfer_id] = {
                "giver": giver,
                "taker": taker,
                "quantity": quantity,
                "state": "agreed",
            }

        return lambda env: self._propose(env, float(quantity), giver, taker), learn

    def _choose(self, *states):
        keys = [key for key, deal in self.deals.items() if deal["state"] in states]
        key = self.rng.choice(keys) if keys else None
        return key, self.deals.get(key)

    def _plan_ship(self):
        transfer_id, deal = self._choose("agreed")
        if not deal or self.stocks[deal["giver"]] - self.transit[deal["giver"]] < sum(
            other["quantity"]
            for other in self.deals.values()
            if other["giver"] == deal["giver"] and other["state"] == "agreed"
        ):
            return None

        def learn(_result):
            self.stocks[deal["giver"]] -= deal["quantity"]
            self.stocks[deal["taker"]] += deal["quantity"]
            self.transit[deal["taker"]] += deal["quantity"]
            deal["state"] = "shipped"

        return lambda env: self._ship(env, transfer_id), learn

    def _plan_receive(self):
        transfer_id, deal = self._choose("shipped")
        if not deal:
            return None
        arrived = (deal["quantity"] * self.rng.choice([1, 1, Decimal("0.4")])).quantize(Decimal("0.01"))

        def learn(_result):
            self.transit[deal["taker"]] -= arrived
            deal["missing"] = deal["quantity"] - arrived
            deal["state"] = "difference" if deal["missing"] else "received"

        return lambda env: self._receive(env, transfer_id, float(arrived)), learn

    def _plan_decide(self):
        transfer_id, deal = self._choose("difference")
        if not deal:
            return None
        fate = self.rng.choice(["lost", "returned"])

        def learn(_result):
            self.transit[deal["taker"]] -= deal["missing"]
            self.stocks[deal["taker"]] -= deal["missing"]
            if fate == "returned":
                self.stocks[deal["giver"]] += deal["missing"]
            deal.update(state="decided", lost=fate == "lost")

        return lambda env: self._decide(env, transfer_id, fate), learn

    def _plan_cancel(self):
        transfer_id, deal = self._choose("agreed", "shipped")
        if not deal:
            return None

        def learn(_result):
            if deal["state"] == "shipped":
                self.stocks[deal["giver"]] += deal["quantity"]
                self.stocks[deal["taker"]] -= deal["quantity"]
                self.transit[deal["taker"]] -= deal["quantity"]
            deal["state"] = "cancelled"

        return lambda env: self._cancel(env, transfer_id), learn
