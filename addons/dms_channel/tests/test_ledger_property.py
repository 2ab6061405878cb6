import itertools
import os
import random
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from freezegun import freeze_time

from odoo import Command
from odoo.exceptions import UserError
from odoo.tests import tagged

from odoo.addons.dms_channel.tests.common import SIGNATURE, DmsChannelCommon
from odoo.addons.dms_channel.tools import guard

#: A sequence is what befalls one distributor in ten rounds. The full proof:
#: DMS_LEDGER_SEQUENCES=3000 ./dms test addons/dms_channel/tests/test_ledger_property.py
SEQUENCES = int(os.environ.get("DMS_LEDGER_SEQUENCES", "100"))
#: Distributors that play at once.
LANES = 100
ROUNDS = 10
#: Pairs of distributors of which something befalls a transfer, each time transfers have their turn.
DEALS = 12
#: Days in which all happens; few of them, so that much happens on the same one.
DAYS = 12


class Killed(Exception):
    """Stands for the death of a session in the middle of its work."""


class Move(NamedTuple):
    partner: int
    product: int
    outlet: int
    day: date
    kind: str
    quantity: Decimal
    price: Decimal = Decimal(0)


class Deal(NamedTuple):
    """A transfer: ``received`` is what arrived, ``shipped`` what left."""

    giver: int
    taker: int
    product: int
    quantity: Decimal
    state: str = "agreed"
    shipped: Decimal = Decimal(0)
    received: Decimal = Decimal(0)


class SimpleLedger:
    """What must be true, without a ledger: what came, went and was counted, in the order of the days.

    On each day, what came and went comes before what was counted; a count sets the stock.
    """

    def __init__(self):
        self.moves = {}
        self.counts = {}
        #: transfers that are not at their end, by id
        self.deals = {}

    def copy(self):
        twin = SimpleLedger()
        twin.moves, twin.counts, twin.deals = dict(self.moves), dict(self.counts), dict(self.deals)
        return twin

    def transit(self):
        """Answer {(partner, product): on its way to it}."""
        waiting = defaultdict(Decimal)
        for deal in self.deals.values():
            if deal.state in ("shipped", "difference"):
                waiting[deal.taker, deal.product] += deal.shipped - deal.received
        return waiting

    def free(self, partner, product, without=None):
        """Answer what a distributor has, has got, and has not promised to anybody."""
        days = self.play()[0].get((partner, product))
        promised = sum(
            deal.quantity
            for key, deal in self.deals.items()
            if key != without and deal.state == "agreed" and (deal.giver, deal.product) == (partner, product)
        )
        return (days[-1][1] if days else 0) - self.transit()[partner, product] - promised

    def play(self):
        """Answer {(partner, product): [(day, stock at its end)]} and {(partner, product, day): found by counts}."""
        days = defaultdict(lambda: defaultdict(lambda: [[], []]))
        for move in self.moves.values():
            days[move.partner, move.product][move.day][0].append(move.quantity)
        for line_id, (partner, product, day, quantity) in self.counts.items():
            days[partner, product][day][1].append((line_id, quantity))
        stocks, found = defaultdict(list), defaultdict(Decimal)
        for series, events in days.items():
            stock = Decimal(0)
            for day in sorted(events):
                changes, counts = events[day]
                stock += sum(changes)
                for _line_id, quantity in sorted(counts):
                    found[(*series, day)] += quantity - stock
                    stock = quantity
                stocks[series].append((day, stock))
        return stocks, found

    def last(self, kinds, sign):
        """Answer {(partner, product): last day} of the moves of these kinds that came (1) or went (-1)."""
        days = {}
        for move in self.moves.values():
            if move.kind in kinds and move.quantity * sign > 0:
                series = (move.partner, move.product)
                days[series] = max(days.get(series, move.day), move.day)
        return days

    def last_counts(self):
        days = {}
        for partner, product, day, _quantity in self.counts.values():
            days[partner, product] = max(days.get((partner, product), day), day)
        return days

    def prices(self):
        """Answer {(partner, product): price of the last sell-in}."""
        latest = {}
        for key, move in self.moves.items():
            if move.kind == "sell_in" and move.quantity > 0:
                series = (move.partner, move.product)
                latest[series] = max(latest.get(series, ()), (move.day, key, move.price))
        return {series: price for series, (_day, _key, price) in latest.items()}

    def weeks(self, found):
        """Answer {(partner, product, outlet, Monday): [sell-in, sell-out, returned, transfer, counted]} but zeros."""
        sums = defaultdict(lambda: [Decimal(0)] * 5)

        def add(partner, product, outlet, day, place, quantity):
            sums[partner, product, outlet, day - timedelta(days=day.weekday())][place] += quantity

        for move in self.moves.values():
            where = (move.partner, move.product, move.outlet, move.day)
            if move.kind == "sell_in":
                add(*where, 0, move.quantity)
            elif move.kind == "transfer":
                add(*where, 3, move.quantity)
            else:
                add(*where, 1, -move.quantity)
                if move.kind == "return":
                    add(*where, 2, move.quantity)
        for (partner, product, day), quantity in found.items():
            add(partner, product, 0, day, 4, quantity)
        return {key: values for key, values in sums.items() if any(values)}


@tagged("post_install", "-at_install")
class TestLedgerProperty(DmsChannelCommon):
    """Feeds, mended lines, counts, deliveries, transfers, replacements, reversals, replays and kills in any order."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["dms.feed.rule"].search([]).active = False
        cls.feeds = cls.env["dms.feed"]
        cls.moves_sudo = cls.env["dms.channel.move"].sudo()
        cls.products = {"TEA": cls.product_tea.id, "CHIPS": cls.product_chips.id}
        cls.lanes = cls.env["res.partner"].create(
            [
                {"name": f"Lane {number}", "ref": f"LANE{number}", "channel_role": "distributor", "is_company": True}
                for number in range(min(LANES, SEQUENCES))
            ]
        )  # fmt: skip
        cls.env["res.partner"].create(
            [
                {"name": f"Shop {lane.ref}", "ref": f"S-{lane.ref}", "channel_role": "outlet", "upstream_id": lane.id}
                for lane in cls.lanes
            ]
        )  # fmt: skip
        cls.lanes.territory_id = cls.territory_south
        agreements = cls.env["dms.agreement"].create(
            [
                {
                    "partner_id": lane.id,
                    "date_start": "2020-01-01",
                    "line_ids": [Command.create({"territory_id": cls.territory_south.id})],
                }
                for lane in cls.lanes
            ]
        )
        guard.mark(agreements).write({"state": "active", "activated_on": "2020-01-01"})
        portal = cls.env.ref("base.group_portal")
        clerks = cls.env["res.users"].with_context(no_reset_password=True).create(
            [
                {
                    "name": f"Clerk {lane.ref}",
                    "login": f"clerk {lane.ref}",
                    "group_ids": [Command.set(portal.ids)],
                    "company_id": cls.company.id,
                    "company_ids": [Command.set(cls.company.ids)],
                }
                for lane in cls.lanes
            ]
        )  # fmt: skip
        for lane, clerk in zip(cls.lanes, clerks, strict=True):
            clerk.partner_id.parent_id = lane
        cls.clerks = dict(zip(cls.lanes.ids, clerks, strict=True))
        cls.company.dms_transfer_credit_policy = "giver"

    def test_against_a_simple_model(self):
        for seed in range(-(-SEQUENCES // LANES)):
            with self.subTest(seed=seed), self.env.cr.savepoint() as savepoint:
                self._play(random.Random(seed))
                savepoint.rollback()
            self.env.invalidate_all()
            self.env.cr.precommit.clear()

    def _play(self, rng):
        self.rng = rng
        self.model = SimpleLedger()
        self.sent = []
        self.numbers = itertools.count()
        self.start = date(2023, 1, 1) + timedelta(days=rng.randrange(300))
        for _round in range(ROUNDS):
            for action in rng.sample(
                [
                    self._sell,
                    self._sell,
                    self._count,
                    self._deliver,
                    self._agree,
                    self._agree,
                    self._ship,
                    self._ship,
                    self._sign,
                    self._decide,
                    self._cancel,
                    self._do_again,
                    self._mend,
                    self._reverse_moves,
                    self._reverse_feed,
                    self._replay,
                    self._replace,
                    self._own_file,
                ],
                10,
            ):
                self._maybe_killed(action)
            self._compare_positions()
        self._compare_all()

    def _maybe_killed(self, action):
        """Now and then the session dies after its work and before its commit; then nothing may be left of it."""
        if self.rng.random() > 0.1:
            return action()
        state = self.rng.getstate()
        kept = self.model.copy(), list(self.sent)
        try:
            with self.env.cr.savepoint():
                action()
                self.env.flush_all()
                raise Killed
        except Killed:
            self.env.invalidate_all()
        self.model, self.sent = kept
        self._compare_positions()
        self.rng.setstate(state)  # and it is tried again
        return action()

    # -- what happens ------------------------------------------------------------------------------------------------

    def _day(self):
        return self.start + timedelta(days=self.rng.randrange(DAYS))

    def _number(self):
        return Decimal(self.rng.randrange(1, 3000)) / 100

    def _some_lanes(self, share=0.4):
        return [lane for lane in self.lanes if self.rng.random() < share] or [self.rng.choice(self.lanes)]

    def _sale_rows(self, lane):
        return [
            ",".join(
                (
                    lane.ref,
                    f"S-{lane.ref}" if self.rng.random() < 0.3 else "",
                    self.rng.choice(["TEA", "TEA", "CHIPS", "TEEA"]),
                    self._day().isoformat(),
                    str(self._number()),
                    str(self._number()) if self.rng.random() < 0.3 else "",
                    self.rng.choice(["", "", "R1", "R2"]),
                )
            )
            for _row in range(self.rng.randrange(1, 4))
        ]

    def _count_rows(self, lane):
        chosen = {
            (self.rng.choice(["TEA", "CHIPS"]), self._day()) for _row in range(self.rng.randrange(1, 3))
        }
        return [f"{lane.ref},{code},{day},{self._number()}" for code, day in sorted(chosen)]

    def _send(self, kind, rows, partner=None):
        head = "distributor,outlet,product_code,date,quantity,returned,reference"
        if kind == "count":
            head = "distributor,product_code,date,quantity"
        raw = "\n".join([head, *rows]).encode()
        expected = self._expect(kind, rows)
        feed = self.feeds._receive(raw, "x.csv", partner=partner, kind=kind)
        self.sent.append((feed, raw))
        states = {line.row: line.state for line in feed.line_ids}
        self.assertEqual({row for row, state in states.items() if state == "ok"}, expected)
        return feed

    def _expect(self, kind, rows):
        """Answer the rows of a file that are right: a known product, and nothing that was reported before."""
        known = defaultdict(set)
        for line in self.env["dms.feed.line"].search(
            [("partner_id", "in", self.lanes.ids), ("state", "=", "released")]
        ):
            known[self._get_key(kind, line)].add((Decimal(str(line.quantity)), Decimal(str(line.returned))))
        right, here = set(), set()
        for number, row in enumerate(rows, 2):
            cells = row.split(",")
            if kind == "count":
                lane, code, day, quantity = cells
                outlet = returned = reference = ""
            else:
                lane, outlet, code, day, quantity, returned, reference = cells
            key = ("count" if kind == "count" else "sell_through", lane, outlet, code, day, reference)
            figures = (Decimal(quantity), Decimal(returned or 0))
            if code in self.products and not known[key] and (key, figures) not in here:
                right.add(number)
            here.add((key, figures))
        return right

    def _get_key(self, kind, line):
        code = "TEA" if line.product_id == self.product_tea else "CHIPS"
        return (
            line.kind,
            line.partner_id.ref,
            line.outlet_id.ref or "",
            code,
            str(line.date),
            line.reference or "",
        )

    def _release(self, feed):
        feed.action_release()
        for line in feed.line_ids.filtered(lambda line: line.state == "released"):
            self._learn(line)

    def _learn(self, line):
        where = (line.partner_id.id, line.product_id.id)
        if line.kind == "count":
            self.model.counts[line.id] = (*where, line.date, Decimal(str(line.quantity)))
            return
        where = (*where, line.outlet_id.id or 0, line.date)
        for kind, quantity in (("sell_out", -line.quantity), ("return", line.returned)):
            if quantity:
                self.model.moves[kind, line.id] = Move(*where, kind, Decimal(str(quantity)))

    def _forget(self, lines):
        for line in lines:
            self.model.counts.pop(line.id, None)
            self.model.moves.pop(("sell_out", line.id), None)
            self.model.moves.pop(("return", line.id), None)

    def _sell(self):
        self._release(
            self._send("sell_through", [row for lane in self._some_lanes() for row in self._sale_rows(lane)])
        )

    def _count(self):
        self._release(
            self._send("count", [row for lane in self._some_lanes() for row in self._count_rows(lane)])
        )

    def _own_file(self):
        """A few distributors send files of their own, some of them instead of what they reported before."""
        for lane in self.rng.sample(list(self.lanes), min(2, len(self.lanes))):
            kind = self.rng.choice(["sell_through", "count"])
            rows = self._sale_rows(lane) if kind == "sell_through" else self._count_rows(lane)
            feed = self._send(kind, rows, partner=lane)
            if self.rng.random() < 0.5:
                before = self._released([("partner_id", "=", lane.id)])
                feed._supersede()
                self._forget(before.filtered(lambda line: line.state == "reversed"))
            self._release(feed)

    def _add_moves(self, vals_list):
        moves = self.moves_sudo.create(vals_list)
        for move, vals in zip(moves, vals_list, strict=True):
            self.model.moves["move", move.id] = Move(
                vals["partner_id"],
                vals["product_id"],
                0,
                vals["date"],
                vals["kind"],
                Decimal(str(vals["quantity"])),
                Decimal(str(vals.get("price_unit", 0))),
            )

    def _deliver(self):
        """Goods come in, or go back, on whatever day."""
        vals_list = []
        for lane in self._some_lanes():
            quantity, price = self._number() * self.rng.choice([1, 1, -1]), self.rng.randrange(1, 50)
            vals_list.append(
                {
                    "kind": "sell_in",
                    "partner_id": lane.id,
                    "product_id": self.rng.choice([*self.products.values()]),
                    "date": self._day(),
                    "quantity": float(quantity),
                    "price_unit": float(price),
                    "amount": float(quantity * price),
                }
            )
        self._add_moves(vals_list)

    # -- transfers ---------------------------------------------------------------------------------------------------

    def _agree(self):
        """Transfers are proposed, and both distributors and the brand agree, if the giver has the goods to spare."""
        lanes = self.rng.sample(list(self.lanes), min(2 * DEALS, len(self.lanes)))
        for giver, taker in zip(lanes[::2], lanes[1::2], strict=False):
            product = self.rng.choice([*self.products.values()])
            free = self.model.free(giver.id, product)
            quantity = self._number()
            if free <= 0 and self.rng.random() < 0.8:
                continue
            if free > 0 and self.rng.random() < 0.9:
                quantity = max(
                    (free * self.rng.randrange(1, 100) / 100).quantize(Decimal("0.01")), Decimal("0.01")
                )
            line = {"product_id": product, "product_uom_qty": float(quantity)}
            with freeze_time(self._day()):
                transfer = self.env["dms.transfer"].create(
                    {"giver_id": giver.id, "taker_id": taker.id, "line_ids": [Command.create(line)]}
                )
                if quantity > free:
                    with self.assertRefused("to spare"):
                        transfer.with_user(self.user_manager).action_propose()
                    continue
                transfer.with_user(self.user_manager).action_propose()
                for lane in (giver, taker):
                    transfer.with_user(self.clerks[lane.id])._agree(lane.name)
            self.assertEqual(transfer.state, "agreed")
            self.model.deals[transfer.id] = Deal(giver.id, taker.id, product, quantity)

    def _some_deals(self, *states):
        keys = sorted(key for key, deal in self.model.deals.items() if deal.state in states)
        for key in self.rng.sample(keys, min(DEALS, len(keys))):
            with freeze_time(day := self._day()):
                yield self.env["dms.transfer"].browse(key), self.model.deals[key], day

    def _less(self, quantity):
        return (quantity * self.rng.choice([1, 1, Decimal("0.5"), Decimal("0.37")])).quantize(Decimal("0.01"))

    def _move_deal(self, transfer, deal, day, quantities):
        """Goods come and go by transfers on the day; ``quantities`` by distributor."""
        for partner, quantity in quantities:
            if quantity:
                move = Move(partner, deal.product, 0, day, "transfer", quantity)
                self.model.moves["deal", transfer.id, next(self.numbers), partner] = move

    def _ship(self):
        """The goods, or a part of them, leave: nothing does where they were sold meanwhile."""
        for transfer, deal, day in self._some_deals("agreed"):
            shipped, own = self._less(deal.quantity), transfer.with_user(self.clerks[deal.giver])
            quantities = {transfer.line_ids: (float(shipped), "broken")}
            if deal.quantity > self.model.free(deal.giver, deal.product, without=transfer.id):
                with self.assertRefused("to spare"):
                    own._ship("Giver", quantities)
                continue
            if not shipped:
                with self.assertRefused("Nothing is shipped"):
                    own._ship("Giver", quantities)
                continue
            own._ship("Giver", quantities)
            self.model.deals[transfer.id] = deal._replace(state="shipped", shipped=shipped)
            self._move_deal(transfer, deal, day, ((deal.giver, -shipped), (deal.taker, shipped)))

    def _sign(self):
        for transfer, deal, _day in self._some_deals("shipped"):
            received = self._less(deal.shipped) if self.rng.random() < 0.9 else Decimal(0)
            transfer.with_user(self.clerks[deal.taker])._receive(
                "Taker", SIGNATURE, {transfer.line_ids: (float(received), "lost on the way")}
            )
            state = "received" if received == deal.shipped else "difference"
            self.assertEqual(transfer.state, state)
            self.model.deals[transfer.id] = deal._replace(state=state, received=received)

    def _decide(self):
        for transfer, deal, day in self._some_deals("difference"):
            fate, missing = self.rng.choice(["lost", "returned"]), deal.shipped - deal.received
            own = transfer.with_user(self.user_manager)
            own.line_ids.write({"fate": fate, "fate_reason": "asked the driver"})
            own.action_decide()
            self.model.deals[transfer.id] = deal._replace(state="received")
            back = missing if fate == "returned" else Decimal(0)
            self._move_deal(transfer, deal, day, ((deal.taker, -missing), (deal.giver, back)))

    def _cancel(self):
        """In any state, whatever came after it, but not what the taker has sold already."""
        for transfer, deal, _day in self._some_deals("agreed", "shipped", "difference", "received"):
            if self.rng.random() < 0.5:
                continue
            days = self.model.play()[0].get((deal.taker, deal.product))
            there = (days[-1][1] if days else 0) - self.model.transit()[deal.taker, deal.product]
            own = transfer.with_user(self.user_manager)
            if deal.state in ("difference", "received") and there < deal.received:
                with self.assertRefused("has sold some"):
                    own.action_cancel()
                continue
            own.action_cancel()
            del self.model.deals[transfer.id]
            for key in [key for key in self.model.moves if key[:2] == ("deal", transfer.id)]:
                del self.model.moves[key]

    def _do_again(self):
        """What has happened to a transfer already does not happen once more."""
        for transfer, deal, _day in self._some_deals("shipped", "received"):
            with self.assertRaises(UserError), self.env.cr.savepoint():
                transfer._ship("Giver") if deal.state == "shipped" else transfer._receive("Taker")

    # -- corrections -------------------------------------------------------------------------------------------------

    def _released(self, domain=()):
        return self.env["dms.feed.line"].search(
            [("partner_id", "in", self.lanes.ids), ("state", "=", "released"), *domain]
        )

    def _mend(self):
        lines = self.env["dms.feed.line"].search(
            [("feed_id", "in", [feed.id for feed, _raw in self.sent]), ("issue", "=", "product_unknown"), ("state", "=", "error")]
        )  # fmt: skip
        for feed, waiting in lines.grouped("feed_id").items():
            if feed.state != "superseded":
                chosen = self.rng.sample(waiting.ids, min(10, len(waiting)))
                feed._mend(
                    {line_id: {"product_code": self.rng.choice(["TEA", "CHIPS"])} for line_id in chosen}
                )
                self._release(feed)

    def _replace(self):
        lines = self.env["dms.feed.line"].search(
            [("feed_id", "in", [feed.id for feed, _raw in self.sent]), ("issues", "=", "conflict"), ("state", "=", "error")]
        )  # fmt: skip
        open_feeds = lines.feed_id.filtered(lambda feed: feed.state != "superseded")
        if not open_feeds:
            return
        feed = self.rng.choice(open_feeds)
        waiting = lines.filtered(lambda line: line.feed_id == feed)
        chosen = waiting.browse(self.rng.sample(waiting.ids, min(10, len(waiting))))
        self._forget(chosen._get_same_reports())
        chosen.action_replace()
        self._release(feed)

    def _reverse_moves(self):
        """Single moves are taken back: of a feed's line or a delivery."""
        keys = sorted((key for key in self.model.moves if key[0] != "deal"), key=str)
        keys = self.rng.sample(keys, min(8, len(keys)))
        lines = self.env["dms.feed.line"].browse({key[1] for key in keys if key[0] != "move"})
        counts = self.rng.sample(sorted(self.model.counts), min(3, len(self.model.counts)))
        lines |= lines.browse(counts)
        moves = self.moves_sudo.browse([key[1] for key in keys if key[0] == "move"])
        first_moves = self.moves_sudo.browse()
        for line in lines:
            first_moves |= first_moves.search(
                [("feed_line_id", "=", line.id), ("reversed_move_id", "=", False)], limit=1, order="id"
            )
        (moves | first_moves)._reverse()
        self._forget(lines)
        for move in moves:
            del self.model.moves["move", move.id]

    def _reverse_feed(self):
        feeds = [feed for feed, _raw in self.sent if feed.released_count and feed.state != "superseded"]
        if feeds and self.rng.random() < 0.5:
            feed = self.rng.choice(feeds)
            self._forget(feed.line_ids)
            feed.with_user(self.user_manager).action_reverse()

    def _replay(self):
        """The same bytes once more: nothing happens, unless they were taken back."""
        if self.sent:
            feed, raw = self.rng.choice(self.sent)
            again = self.feeds._receive(raw, "again.csv", partner=feed.partner_id, kind=feed.kind)
            if feed.state not in ("rejected", "superseded"):
                self.assertEqual(again, feed)
            elif again not in [known for known, _raw in self.sent]:
                self.sent.append((again, raw))
            self._release(again)

    # -- what must be true -------------------------------------------------------------------------------------------

    def _query(self, query):
        """Rows of a query, numbers exactly as stored: the cursor would make floats of them."""
        self.env.flush_all()
        self.env.cr.execute(query, [self.lanes.ids])
        return self.env.cr.fetchall()

    def _compare_positions(self):
        rows = self._query(
            "SELECT partner_id, product_id, quantity::text, in_transit::text FROM dms_channel_position"
            " WHERE partner_id = ANY(%s)"
        )
        exact = {
            (partner, product): Decimal(text) for partner, product, text, _transit in rows if Decimal(text)
        }
        transit = {
            (partner, product): Decimal(text) for partner, product, _text, text in rows if Decimal(text)
        }
        self.assertEqual(
            transit, {series: waiting for series, waiting in self.model.transit().items() if waiting}
        )
        stocks, _found = self.model.play()
        self.assertEqual(exact, {series: days[-1][1] for series, days in stocks.items() if days[-1][1]})

    def _compare_all(self):
        self._compare_positions()
        stocks, found = self.model.play()
        positions = self.env["dms.channel.position"]
        for ago in (-1, 0, 3, 6, DAYS - 1, 40):
            day = self.start + timedelta(days=ago)
            past = {
                series: Decimal(str(round(quantity, 6)))
                for series, quantity in positions._at(day, partners=self.lanes).items()
                if round(quantity, 6)
            }
            self.assertEqual(past, self._stocks_at(stocks, day))
        self._compare_last()
        rows = self._query(
            "SELECT partner_id, product_id, COALESCE(outlet_id, 0), week, sell_in::text, sell_out::text,"
            " returned::text, transfer::text, counted::text FROM dms_channel_week WHERE partner_id = ANY(%s)"
        )
        weeks = {row[:4]: [Decimal(text) for text in row[4:]] for row in rows}
        self.assertEqual(
            {key: values for key, values in weeks.items() if any(values)}, self.model.weeks(found)
        )
        self.assertFalse(positions._check_consistency().filtered(lambda one: one.partner_id in self.lanes))
        self.assertFalse(self.env["dms.channel.week"]._count_differences())

    def _stocks_at(self, stocks, day):
        at = {}
        for series, days in stocks.items():
            until = [stock for when, stock in days if when <= day]
            if until and until[-1]:
                at[series] = until[-1]
        return at

    def _compare_last(self):
        """Last dates, price and value."""
        rows = self._query(
            "SELECT partner_id, product_id, last_sell_in, last_sell_out, last_count, price_unit::text, value::text,"
            " quantity::text FROM dms_channel_position WHERE partner_id = ANY(%s)"
        )
        came, sold = self.model.last(("sell_in",), 1), self.model.last(("sell_out",), -1)
        counted, prices = self.model.last_counts(), self.model.prices()
        usual = {self.product_tea.id: Decimal(10), self.product_chips.id: Decimal(5)}
        for partner, product, *dates, price, value, quantity in rows:
            series = (partner, product)
            self.assertEqual(dates, [came.get(series), sold.get(series), counted.get(series)], series)
            self.assertEqual(Decimal(price), prices.get(series, usual[product]), series)
            self.assertEqual(Decimal(value), Decimal(price) * Decimal(quantity), series)
