from datetime import date, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2 import IntegrityError

from odoo.exceptions import AccessError, ValidationError
from odoo.fields import Command
from odoo.tests import freeze_time, tagged
from odoo.tools import mute_logger

from odoo.addons.dms_channel.tests.common import DmsChannelCommon
from odoo.addons.dms_channel.tests.test_pure_credit import score
from odoo.addons.dms_channel.tools import credit, guard


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
        """The reporting quality decides, which the distributor sees, too; the month counts when its reports have come."""
        self.env["dms.feed.score"].sudo().create(
            [
                {
                    "company_id": self.company.id,
                    "partner_id": partner.id,
                    "month": "2025-02-01",
                    "score": score,
                    "judged": judged,
                }
                for partner, score, judged in (
                    (self.distributor_north, 90.0, "on_time"),
                    (self.distributor_south, 89.9, "on_time"),
                    (self._create_distributor("Silent", "D-SIL", "1100"), 0.0, False),
                )
            ]
        )
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
        self.assertEqual(entry.message, "Sell-through of February 2025 reported well: 90.0 of 100")
        self.env["res.lang"]._activate_lang("zh_CN")
        self.assertIn("2025年2月", entry.with_context(lang="zh_CN").message)

    def test_targets_of_agreement_lines_count_by_month_and_by_year(self):
        """1,200 a year for drinks in the North: 250 in January and 1,000 in March meet both; snacks make up for nothing."""
        self.agreement_north.action_terminate()
        agreement = self._create_agreement(
            self.distributor_north,
            self.territory_north,
            activate=False,
            line_ids=[
                Command.create(
                    {
                        "territory_id": self.territory_north.id,
                        "categ_ids": [Command.set(self.categ_drinks.ids)],
                        "target_amount": 1200.0,
                    }
                ),
                Command.create(
                    {
                        "territory_id": self.territory_north.id,
                        "categ_ids": [Command.set(self.categ_snacks.ids)],
                    }
                ),
            ],
            date_start="2024-01-01",
        )
        guard.mark(agreement).write({"state": "active", "activated_on": "2024-01-01 00:00:00"})

        def bill(product, amount, day):
            return self._create_invoice(
                partner_id=self.distributor_north.id,
                invoice_date=day,
                invoice_line_ids=[self._prepare_invoice_line(price_unit=amount, product_id=product)],
                post=True,
            )

        bill(self.product_tea, 250.0, "2024-01-10")
        bill(self.product_chips, 500.0, "2024-02-10")
        bill(self.product_tea, 1000.0, "2024-03-10")
        for _run in range(2):
            with freeze_time("2025-01-15"):
                self._run_cron("ir_cron_dms_credit_periods")
        entries = self.env["dms.credit.entry"].search([("code", "in", ("target_met", "year_target_met"))])
        self.assertEqual(
            entries.sorted("date").mapped(lambda entry: (entry.code, str(entry.date), entry.points)),
            [
                ("target_met", "2024-01-31", 10),
                ("target_met", "2024-03-31", 10),
                ("year_target_met", "2024-12-31", 30),
            ],
        )
        year = entries.filtered(lambda entry: entry.code == "year_target_met")
        self.assertEqual(year.message, "Target from 01/01/2024 to 12/31/2024 met: 104.2 % attained")

    def test_sales_are_what_agreements_count_too(self):
        self._create_invoice(
            partner_id=self.distributor_north.id,
            invoice_date="2024-03-10",
            invoice_line_ids=[self._prepare_invoice_line(price_unit=100.0, product_id=self.product_tea)],
            post=True,
        )
        credit_note = self._create_invoice(
            move_type="out_refund",
            partner_id=self.distributor_north.id,
            invoice_date="2024-03-12",
            invoice_line_ids=[self._prepare_invoice_line(price_unit=30.0, product_id=self.product_tea)],
            post=True,
        )
        days = date(2024, 3, 1), date(2024, 3, 31)
        self.assertEqual(
            self.distributor_north._get_dms_sales(*days, self.company), {self.distributor_north.id: 70.0}
        )
        settlement = self.env["dms.settlement"].create(
            {
                "partner_id": self.distributor_north.id,
                "company_id": self.company.id,
                "date_from": "2024-01-01",
                "date_to": "2024-03-31",
            }
        )
        credit_note.dms_settlement_id = settlement
        self.assertEqual(
            self.distributor_north._get_dms_sales(*days, self.company),
            {self.distributor_north.id: 100.0},
            "the credit note of a settlement is no return of goods",
        )

    def test_reasons_are_in_the_readers_language(self):
        self.env["res.lang"]._activate_lang("zh_CN")
        self._limit("overdue", cap=3, points=-5)
        self._create_invoice(
            partner_id=self.distributor_north.id,
            invoice_date="2025-05-01",
            invoice_date_due="2025-05-10",
            invoice_line_ids=[self._prepare_invoice_line(price_unit=10.0, product_id=self.product_tea)],
            post=True,
        )
        with freeze_time("2025-05-20"):
            self._run_cron("ir_cron_dms_credit_payments")
        entries = self.env["dms.credit.entry"].search([("partner_id", "=", self.distributor_north.id)])
        self.assertEqual(set(entries.mapped("kind")), {"event", "cap"})
        for entry in entries:
            self.assertNotEqual(entry.with_context(lang="zh_CN").message, entry.message)
            self.assertEqual(entry.with_context(lang="en_US").message, entry.note)

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
