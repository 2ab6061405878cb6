from datetime import date, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2 import IntegrityError

from odoo.exceptions import AccessError, ValidationError
from odoo.tests import freeze_time, tagged
from odoo.tools import mute_logger

from odoo.addons.dms_channel.tests.common import DmsChannelCommon
from odoo.addons.dms_channel.tests.test_pure_credit import score
from odoo.addons.dms_channel.tools import credit


@tagged("post_install", "-at_install")
class TestCredit(DmsChannelCommon):
    """Points are the sum of entries that are appended, and reversed, but never edited."""

    def _post(self, key, code="diversion", **values):
        return self.env["dms.credit.entry"]._post_event(code, self.distributor_north, key, **values)

    def _run_cron(self, name):
        with self.enter_registry_test_mode():
            self.env.ref(f"dms_channel.{name}").with_user(
                self.env.ref("base.user_root")
            ).method_direct_trigger()
        self.env.invalidate_all()

    def test_event_counts_once(self):
        entry = self._post("case:1", source=self.agreement_north, date="2025-03-01", note="Sold in the South")
        self.assertRecordValues(
            entry,
            [
                {
                    "points": -20,
                    "partner_id": self.distributor_north.id,
                    "res_model": "dms.agreement",
                    "res_id": self.agreement_north.id,
                    "note": "Sold in the South",
                }
            ],
        )
        self.assertEqual(self._post("case:1", points=-99), entry)
        self.assertEqual(self.distributor_north.credit_points, -20)
        self.assertEqual(self._post("x", points=-7).points, -7)
        self.assertEqual(
            self.env["dms.credit.entry"]._post_event("manual", self.clerk_north.partner_id, "y").partner_id,
            self.distributor_north,
        )
        with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"):
            entry.copy({"key": "case:1"}).flush_recordset()

    def test_points_on_a_past_date(self):
        self._post("a", date="2025-01-10")
        self._post("b", code="payment_on_time", date="2025-02-10")
        points = self.distributor_north._get_credit_points
        self.assertEqual(points(date="2025-01-09"), {self.distributor_north.id: 0})
        self.assertEqual(points(date="2025-01-10"), {self.distributor_north.id: -20})
        self.assertEqual(points(), {self.distributor_north.id: -18})

    def test_reversal(self):
        entry = self._post("a", date="2025-01-10")
        reversal = entry._reverse("Appeal granted")
        self.assertRecordValues(
            reversal, [{"points": 20, "note": "Appeal granted", "reversed_entry_id": entry.id}]
        )
        self.assertEqual(entry._reverse("Again"), reversal)
        self.assertEqual(self.distributor_north.credit_points, 0)
        with self.assertRefused("itself a reversal"):
            reversal._reverse("No")
        with self.assertRefused("never changed"):
            entry.points = 5
        with self.assertRefused("never deleted"):
            entry.sudo().unlink()

    def test_company_rule_comes_first_and_no_rule_means_no_entry(self):
        rule = self.env["dms.credit.rule"].create(
            {"name": "Ours", "code": "diversion", "points": -50, "company_id": self.company.id}
        )
        self.assertEqual(self._post("a").points, -50)
        rule.active = False
        self.assertEqual(self._post("b").points, -20)
        self.env.ref("dms_channel.dms_credit_rule_overdue").active = False
        self.assertFalse(self._post("c", code="overdue"))
        other = self.setup_other_company()["company"]
        self.assertEqual(self.distributor_north.with_company(other).credit_points, 0)

    def test_payments_count_once(self):
        def invoice(due, pay=None):
            move = self._create_invoice(
                partner_id=self.distributor_north.id,
                invoice_date="2025-05-01",
                invoice_date_due=due,
                invoice_line_ids=[self._prepare_invoice_line(price_unit=10.0, product_id=self.product_tea)],
                post=True,
            )
            if pay:
                self._register_payment(move, payment_date=pay)
            return move

        on_time = invoice("2025-05-20", pay="2025-05-20")
        late = invoice("2025-05-10", pay="2025-05-28")
        overdue = invoice("2025-05-25")
        invoice("2025-06-25")
        self.assertEqual(set((on_time + late).mapped("payment_state")), {"paid"})
        with freeze_time("2025-06-01"):
            self._run_cron("ir_cron_dms_credit_payments")
            self._run_cron("ir_cron_dms_credit_payments")
        entries = self.env["dms.credit.entry"].search(
            [("partner_id", "=", self.distributor_north.id)], order="code"
        )
        self.assertEqual(
            sorted((entry.code, entry.res_id, entry.points, str(entry.date)) for entry in entries),
            [
                ("overdue", late.id, -5, "2025-05-11"),
                ("overdue", overdue.id, -5, "2025-05-26"),
                ("payment_on_time", on_time.id, 2, "2025-05-20"),
            ],
        )

    def _limit(self, code, **values):
        """The rule for such events from now on, with other terms."""
        self.env["dms.credit.rule"].search([("code", "=", code)]).active = False
        return self.env["dms.credit.rule"].create({"name": code, "code": code, "points": 5, **values})

    def _score(self, day):
        return self.distributor_north._get_credit_points(date=day)[self.distributor_north.id]

    def test_cap_of_a_month_and_expiry_after_a_year(self):
        self._limit("payment_on_time", cap=12, expiry_months=12)
        for number, day in enumerate(("2025-03-20", "2025-03-03", "2025-03-10", "2025-04-01")):
            self._post(f"p{number}", code="payment_on_time", date=day)
        self.assertEqual(
            [self._score(f"2025-{day}") for day in ("03-02", "03-03", "03-10", "03-20", "04-01")],
            [0, 5, 10, 12, 17],
        )
        self.assertEqual(
            [self._score(f"2026-{day}") for day in ("03-02", "03-03", "03-10", "03-20", "04-01")],
            [17, 12, 7, 5, 0],
        )

    def test_a_reversed_event_makes_room_under_the_cap_but_not_in_the_past(self):
        self._limit("payment_on_time", cap=7)
        first = self._post("a", code="payment_on_time", date="2025-03-03")
        self._post("b", code="payment_on_time", date="2025-03-20")
        self.assertEqual(self._score("2025-05-01"), 7)
        with freeze_time("2025-05-01"):
            first._reverse("Wrong invoice")
        self.assertEqual([self._score("2025-04-30"), self._score("2025-05-01")], [7, 5])

    def test_a_new_version_of_a_rule_leaves_the_past_alone(self):
        rule = self._limit("payment_on_time", cap=7)
        with freeze_time("2025-03-10"):
            self._post("a", code="payment_on_time")
            with self.assertRefused("already counted events"):
                rule.points = 50
            with self.assertRefused("can't end before"):
                rule.date_to = "2025-03-09"
            rule.action_new_version()
        successor = self.env["dms.credit.rule"].search(
            [("code", "=", "payment_on_time"), ("id", "!=", rule.id)]
        )
        successor.write({"points": 50, "cap": 0})
        self._post("late report", code="payment_on_time", date="2025-03-09")
        self._post("b", code="payment_on_time", date="2025-03-11")
        self.assertEqual([self._score("2025-03-10"), self._score("2025-03-11")], [7, 57])
        with self.assertRefused("same days", ValidationError):
            successor.copy({"date_from": "2025-06-01"})

    def test_an_invoice_costs_more_the_longer_it_is_overdue(self):
        self._limit("overdue", points=-5)
        self.env["dms.credit.rule"].create(
            {"name": "A month overdue", "code": "overdue", "points": -10, "min_days": 30}
        )
        self._create_invoice(
            partner_id=self.distributor_north.id,
            invoice_date="2025-05-01",
            invoice_date_due="2025-05-10",
            invoice_line_ids=[self._prepare_invoice_line(price_unit=10.0, product_id=self.product_tea)],
            post=True,
        )
        for today in ("2025-06-20", "2025-05-20", "2025-06-20"):
            with freeze_time(today):
                self._run_cron("ir_cron_dms_credit_payments")
        self.assertEqual(
            [self._score(day) for day in ("2025-05-10", "2025-05-11", "2025-06-08", "2025-06-09")],
            [0, -5, -5, -15],
        )

    def test_caps_and_lapses_are_entered_by_the_ledger_only(self):
        entry = self._post("a")
        with self.assertRefused("by the ledger itself"):
            entry.copy({"kind": "cap"})
        with self.assertRefused("by the ledger itself"):
            entry.copy({"reversed_entry_id": entry.id})
        self._limit("payment_on_time", cap=3)
        self._post("b", code="payment_on_time")
        cap = self.env["dms.credit.entry"].search([("kind", "=", "cap")])
        with self.assertRefused("Reverse the event"):
            cap._reverse("No")

    def test_posting_a_hundred_events_asks_no_more_than_posting_ten(self):
        self._limit("payment_on_time", cap=12, expiry_months=12)

        def post(count, prefix):
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            self.env["dms.credit.entry"]._post_events(
                "payment_on_time",
                [
                    {
                        "partner": self.distributor_north if number % 2 else self.distributor_south,
                        "key": f"{prefix}{number}",
                        "date": f"2025-{1 + number % 12:02}-05",
                    }
                    for number in range(count)
                ],
                self.company,
            )
            self.env.flush_all()
            return self.env.cr.sql_log_count - before

        post(10, "warm")
        self.assertLessEqual(post(100, "many"), post(10, "few") + 4)

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def test_replay_in_any_order_changes_no_score(self, data):
        """Events with a cap and an expiry, some reversed, in any order, twice: each day's score is that of a model
        that knows them all from the beginning."""
        day = st.dates(date(2024, 1, 1), date(2025, 6, 30))
        facts = data.draw(
            st.lists(st.tuples(day, st.integers(-6, 6), st.none() | st.integers(0, 200)), max_size=7)
        )
        cap, months = data.draw(st.sampled_from([0, 5, 9])), data.draw(st.sampled_from([0, 2, 12]))
        events = [
            credit.Event(when, f"e{n}", points, None if later is None else when + timedelta(days=later))
            for n, (when, points, later) in enumerate(facts)
        ]
        with self.env.cr.savepoint() as savepoint:
            self._limit("feed_quality", cap=cap, cap_period="quarter", expiry_months=months)
            for event in data.draw(st.permutations(events + events)):
                entry = self._post(event.key, code="feed_quality", date=event.day, points=event.points)
                if event.reversed_on and data.draw(st.booleans()):
                    entry._reverse("Wrong", date=event.reversed_on)
            for event in events:
                if event.reversed_on:
                    self._post(event.key, code="feed_quality")._reverse("Wrong", date=event.reversed_on)
            terms = credit.Terms(cap, "quarter", months)
            days = sorted(
                {event.day for event in events} | {date(2024, 6, 1), date(2025, 3, 31), date(2027, 1, 1)}
            )
            history = self.distributor_north._get_credit_points_history(days)[self.distributor_north.id]
            self.assertEqual(history, [score(events, terms, day) for day in days])
            self.assertEqual(history, [self._score(day) for day in days])
            savepoint.rollback()
            self.env.invalidate_all()

    def test_reporting_well_counts_once_a_month(self):
        partners = self.distributor_north | self.distributor_south
        with freeze_time("2025-03-05"):
            good, bad = (
                self.env["dms.feed"]._receive(
                    f"outlet;product;date;quantity\n{outlet};TEA;2025-02-20;3\n".encode(),
                    "sales.csv",
                    partner,
                )
                for partner, outlet in zip(partners, ("O-1", "NOBODY"), strict=True)
            )
            good.action_release()
        self.assertTrue(bad.first_error_count)
        for _run in range(2):
            with freeze_time("2025-03-09"):
                self._run_cron("ir_cron_dms_credit_periods")
        self.assertFalse(self.env["dms.credit.entry"].search([("code", "=", "feed_quality")]))
        for _run in range(2):
            with freeze_time("2025-03-12"):
                self._run_cron("ir_cron_dms_credit_periods")
        entry = self.env["dms.credit.entry"].search([("code", "=", "feed_quality")])
        self.assertRecordValues(
            entry, [{"partner_id": self.distributor_north.id, "date": date(2025, 2, 28), "points": 1}]
        )

    def test_rights(self):
        self._post("a")
        self.env["dms.credit.entry"]._post_event("diversion", self.distributor_south, "b")
        Entry = self.env["dms.credit.entry"]
        self.assertEqual(Entry.with_user(self.clerk_north).search([]).partner_id, self.distributor_north)
        self.assertEqual(self.distributor_north.with_user(self.clerk_north).credit_points, -20)
        vals = {
            "partner_id": self.distributor_north.id,
            "rule_id": self.env.ref("dms_channel.dms_credit_rule_manual").id,
            "points": 3,
            "note": "Helped with the fair",
        }
        with self.assertRaises(AccessError):
            Entry.with_user(self.user_channel).create(vals)
        self.assertEqual(Entry.with_user(self.user_manager).create(vals).user_id, self.user_manager)
        with self.assertRefused("not a member of the channel", ValidationError):
            Entry.with_user(self.user_manager).create({**vals, "partner_id": self.partner_a.id})
