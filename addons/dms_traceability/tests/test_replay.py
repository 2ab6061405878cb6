import random
from collections import Counter
from datetime import datetime, timedelta

from freezegun import freeze_time

from odoo.exceptions import UserError
from odoo.tests import tagged

from .common import DmsTraceCommon

START = datetime(2026, 5, 4, 8)
UNITS, CASE_SIZE = 48, 6


@tagged("post_install", "-at_install")
class TestReplay(DmsTraceCommon):
    """Random work on codes, beside a model in memory: packing as of any moment, and states that events tell again."""

    def _start(self, seed):
        self.random = random.Random(seed)
        self.turn = 0
        with freeze_time(START):
            order = self._order_codes(UNITS, CASE_SIZE)
            made = self._order_codes(UNITS, 0, "active")
        self.made = list(range(made.first_key, made.first_key + UNITS))
        self.transformations = []
        self.units = list(range(order.first_key, order.first_key + UNITS))
        self.cases = list(range(order.first_key + UNITS, order.first_key + UNITS + order.case_count))
        self.parent = {
            key: self.cases[place // CASE_SIZE] if place // CASE_SIZE < len(self.cases) else None
            for place, key in enumerate(self.units)
        }
        self.own = dict.fromkeys([*self.units, *self.cases, *self.made], "active")
        self.history = [(START + timedelta(seconds=30), dict(self.parent))]
        names = self.env["dms.code"]._get_serials([*self.units, *self.cases])
        self.texts = {key: f"(01){gtin}(21){serial}" for key, (gtin, serial) in names.items()}

    def _state(self, key):
        """What a label says of its goods: its own word, or its package's."""
        box = self.parent.get(key)
        out_of_use = self.own[key] in ("void", "destroyed")
        covered = box and self.own[box] in ("shipped", "received", "sold")
        return self.own[box] if covered and not out_of_use else self.own[key]

    def _inside(self, box):
        return [key for key in self.units if self.parent[key] == box]

    def _open(self, box):
        for key in self._inside(box):
            self.own[key], self.parent[key] = self._state(key), None
        self.own[box] = "void"

    def _leave(self, key):
        self.own[key], self.parent[key] = self._state(key), None

    def _pick(self, keys):
        keys = list(keys)
        return self.random.choice(keys) if keys else None

    # Each step of work: done in the database and in the model, or refused by both.

    def _step_pack(self):
        box = self._pick(key for key in self.cases if self.own[key] == "active")
        loose = [key for key in self.units if not self.parent[key] and self.own[key] == "active"]
        if box and loose:
            keys = self.random.sample(loose, min(len(loose), self.random.randint(1, 4)))
            self.env["dms.code"]._pack_into(box, keys)
            self.parent.update(dict.fromkeys(keys, box))

    def _step_pack_twice(self):
        key = self._pick(key for key in self.units if self.parent[key] and self._state(key) == "active")
        box = self._pick(box for box in self.cases if self.own[box] == "active")
        if key and box:
            with self.assertRaises(UserError), self.env.cr.savepoint():
                self.env["dms.code"]._pack_into(box, [key])

    def _step_unpack(self):
        box = self._pick(key for key in self.cases if self.own[key] != "void" and self._inside(key))
        if box:
            self.env["dms.code"]._unpack([box])
            self._open(box)

    def _step_take_out(self):
        key = self._pick(key for key in self.units if self.parent[key])
        if key:
            self.env["dms.code"]._take_out([key])
            self._leave(key)

    def _step_ship(self):
        goods = [key for key in self.units if not self.parent[key]] + [
            key for key in self.cases if self._inside(key)
        ]
        goods = [key for key in goods if self.own[key] == "active"]
        key = self._pick(key for key in goods if all(self.own[one] == "active" for one in self._inside(key)))
        if key:
            picking = self._create_delivery(len(self._inside(key)) or 1)
            (outcome,) = picking._dms_add_codes([self.texts[key]])
            self.assertTrue(outcome["ok"], outcome["message"])
            picking.button_validate()
            self.own[key] = "shipped"

    def _step_receive(self):
        key = self._pick(
            key for key, state in self.own.items() if state == "shipped" and not self.parent.get(key)
        )
        if key and (key in self.units or self._inside(key)):
            (outcome,) = self.env["dms.code"]._receive(self.distributor_north, [self.texts[key]])
            self.assertTrue(outcome["ok"], outcome["message"])
            self.own[key] = "received"

    def _step_sell(self):
        key = self._pick(key for key in self.units if self._state(key) in ("shipped", "received"))
        if key:
            (outcome,) = self.env["dms.code"]._sell(self.distributor_north, [self.texts[key]])
            self.assertTrue(outcome["ok"], outcome["message"])
            self._leave(key)
            self.own[key] = "sold"

    def _step_take_back(self):
        key = self._pick(key for key in self.units if self._state(key) == "sold")
        if key:
            (outcome,) = self.env["dms.code"]._take_back(self.distributor_north, [self.texts[key]])
            self.assertTrue(outcome["ok"], outcome["message"])
            self._leave(key)
            self.own[key] = "received"

    def _step_void(self):
        key = self._pick(self.units)
        if self.own[key] not in ("void", "destroyed"):
            self.env["dms.code"]._void([key])
            self.own[key] = "void"

    def _step_destroy(self):
        key = self._pick([*self.units, *self.cases[:2]])
        self.env["dms.code"]._destroy([key])
        for one in [key, *self._inside(key)]:
            if self.own[one] not in ("void", "destroyed"):
                self.own[one] = "destroyed"

    def _step_repack(self):
        used = [key for key in self.units if self._state(key) == "active"]
        made = [key for key in self.made if self.own[key] == "active" and key not in self._taken()]
        if used and made:
            used = self.random.sample(used, min(len(used), 2))
            event, units = self.env["dms.code"]._transform(used, made[:1])
            self.assertEqual(units, sorted(used))
            for key in used:
                self._leave(key)
                self.own[key] = "void"
            self.transformations.append((event, used, made[:1]))

    def _step_undo(self):
        one = self._pick(self.transformations)
        if one:
            self.env["dms.code"]._undo_transformation(*one)
            self.transformations.remove(one)
            self.own.update(dict.fromkeys(one[1], "active"))

    def _taken(self):
        return {key for _event, _used, made in self.transformations for key in made}

    def _replay(self, key, events):
        """State that the events of one label tell, oldest first."""
        state = "printed"
        wrong = {event.event_time for event in events if event.error_time}
        for event in events:
            if event.biz_step == "repackaging" and event.event_time not in wrong and key in self.units:
                return "void"
            state = {
                "commissioning": "active",
                "shipping": "shipped",
                "receiving": "received",
                "retail_selling": "sold",
                "decommissioning": "void",
                "destroying": "destroyed",
            }.get(event.biz_step, state)
            if state in ("void", "destroyed"):
                return state
        return state

    def _check(self):
        labels = [*self.units, *self.cases]
        codes = self.env["dms.code"].browse(self.units)
        self.env.invalidate_all()
        self.assertEqual(
            {code.id: code.state for code in codes}, {key: self._state(key) for key in self.units}
        )
        for moment, parents in self.history:
            self.assertEqual(
                self.env["dms.code"]._get_parents(self.units, moment),
                {key: box for key, box in parents.items() if box},
                moment,
            )
        self.env.cr.execute(
            "SELECT count(*) FROM dms_trace_pack p JOIN dms_trace_pack q ON p.ctid <> q.ctid "
            "AND p.unpacked_on IS NULL AND q.unpacked_on IS NULL "
            "AND int8range(p.first, p.last, '[]') && int8range(q.first, q.last, '[]') WHERE p.parent = ANY(%s)",
            [self.cases],
        )
        self.assertEqual(self.env.cr.fetchone()[0], 0, "one parent at a time")
        events = self.env["dms.trace.event"]._of_codes(labels)
        self.assertEqual(
            {key: self._replay(key, events[key]) for key in self.units},
            {key: self._state(key) for key in self.units},
        )

    def test_random_work(self):
        steps = [
            self._step_pack, self._step_pack, self._step_pack_twice, self._step_unpack, self._step_take_out,
            self._step_ship, self._step_ship, self._step_receive, self._step_sell, self._step_take_back, self._step_take_back,
            self._step_void, self._step_destroy, self._step_repack, self._step_repack, self._step_undo,
        ]  # fmt: skip
        done = Counter()
        for seed in range(4):
            self._start(seed)
            for _turn in range(45):
                self.turn += 1
                moment = START + timedelta(minutes=self.turn)
                step = self.random.choice(steps)
                with self.subTest(seed=seed, turn=self.turn, step=step.__name__), freeze_time(moment):
                    before = dict(self.own), dict(self.parent)
                    step()
                    done[step.__name__] += before != (self.own, self.parent)
                self.history.append((moment + timedelta(seconds=30), dict(self.parent)))
            with self.subTest(seed=seed):
                self._check()
        self.assertGreater(
            min(done[step.__name__] for step in steps if step != self._step_pack_twice), 2, done
        )
