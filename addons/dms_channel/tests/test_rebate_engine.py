import random

from odoo import Command, fields
from odoo.exceptions import UserError, ValidationError
from odoo.tests import freeze_time, tagged

from ..tools import rebate
from .rebate_common import RebateCommon


@tagged("post_install", "-at_install")
@freeze_time("2026-03-15")
class TestRebateEngine(RebateCommon):
    @classmethod
    def _periodic(cls, **vals):
        return cls._program(**{"accrual_policy": "periodic", **vals})

    def _earned(self, program, partner=None):
        """Accrue and return what each distributor has earned, or one of them."""
        program._accrue_difference()
        program.invalidate_recordset(["accrual_amount"])
        balances = self.env["dms.rebate.balance"].search([("program_id", "=", program.id)])
        self.assertEqual(sum(balances.mapped("earned_amount")), program.accrual_amount, "the ledger follows")
        earned = {balance.partner_id: balance.earned_amount for balance in balances}
        return earned.get(partner or self.north, 0)

    def _explanation(self, program, partner=None):
        domain = [("program_id", "=", program.id), ("partner_id", "=", (partner or self.north).id)]
        return self.env["dms.rebate.balance"].search(domain, limit=1).explanation

    def _pay(self, invoice, date):
        self.env["account.payment.register"].with_context(
            active_model="account.move", active_ids=invoice.ids
        ).create({"payment_date": date})._create_payments()

    def _confirm(self, order):
        """Confirm an order without the order rules, which ask for an agreement."""
        self.env["dms.order.rule"].search([("company_id", "in", (False, self.company.id))]).active = False
        order.action_confirm()
        self.assertEqual(order.state, "sale")

    # === ACCRUAL ===

    def test_periodic_gives_what_posting_gives(self):
        posting = self._program(code="POST", factor_ids=[Command.create({"threshold": 0, "factor": 1})])
        periodic = self._periodic(code="DIFF")
        for amount in (60, 60.5, 3680):
            invoice = self._invoice(self.north, amount)
        invoice._reverse_moves([{"invoice_date": "2026-03-01", "date": "2026-03-01"}]).action_post()
        self.assertEqual(self._earned(periodic), posting.accrual_amount)
        self._assert_ties(self.north)

    def test_twice_changes_nothing(self):
        program = self._periodic()
        self._invoice(self.north, 3800)
        first = program._accrue_difference()
        self.assertRecordValues(first, [{"kind": "difference", "amount": 1100, "base_amount": 3800}])
        self.assertEqual(self._ledger(self.north), 1100)
        self.assertFalse(program._accrue_difference())
        with self.enter_registry_test_mode():
            self.env.ref("dms_channel.dms_rebate_program_cron_accrue").with_user(
                self.env.ref("base.user_root")
            ).method_direct_trigger()
        self.assertEqual(len(program.accrual_ids), 1)
        self.assertIn("[300, ∞): 3,500 × 30 % = 1,050", first.explanation)
        action = first.action_view_invoice_lines()
        self.assertEqual(self.env[action["res_model"]].search(action["domain"]).mapped("price_unit"), [3800])
        self._assert_ties(self.north)

    def test_credit_note_and_reset_reverse_their_share(self):
        program = self._periodic()
        first, second = self._invoice(self.north, 200), self._invoice(self.north, 100)
        self.assertEqual(self._earned(program), 50)
        second._reverse_moves([{"invoice_date": "2026-03-10", "date": "2026-03-10"}]).action_post()
        self.assertEqual(self._earned(program), 30)
        first.button_draft()
        self.assertEqual(self._earned(program), 0)
        self.assertEqual(self._ledger(self.north), 0)
        self._assert_ties(self.north)

    def test_what_comes_after_settlement_is_a_true_up(self):
        program = self._periodic(period="month", tiers=((0, 10),))
        self._invoice(self.north, 1000, date="2026-02-10")
        february = self._settle(until="2026-02-28")
        self.assertEqual(february.amount_total, 100)
        self._invoice(self.north, 50, date="2026-02-20")
        program._accrue_difference()
        late = program.accrual_ids.sorted("id")[-1]
        self.assertRecordValues(
            late, [{"kind": "true_up", "amount": 5, "date": fields.Date.to_date("2026-02-28")}]
        )
        self.assertEqual(self._settle(until="2026-03-31").amount_total, 5)
        self.assertEqual(self._ledger(self.north), 0)
        self._assert_ties(self.north)

    def test_locked_period(self):
        program = self._periodic(period="month", tiers=((0, 10),))
        self._invoice(self.north, 1000, date="2026-02-10")
        self.company.fiscalyear_lock_date = "2026-02-28"
        accrual = program._accrue_difference()
        self.assertEqual((str(accrual.date), str(accrual.entry_id.date)), ("2026-02-28", "2026-03-01"))

    def test_expected_tier(self):
        program = self._periodic(
            tiers=((0, 1), (1000, 2)),
            tier_method="whole",
            period="month",
            accrual_tier="expected",
            estimate_share=1,
        )
        self._invoice(self.north, 600, date="2026-03-05")
        program._accrue_difference()
        # 600 in 15 of 31 days leads to 1,240: the second tier is expected, and 600 at 2 % is accrued.
        self.assertEqual(self._ledger(self.north), 12)
        balance = self.env["dms.rebate.balance"].search([("program_id", "=", program.id)])
        self.assertRecordValues(balance, [{"earned_amount": 6, "due_amount": 12, "expected_amount": 24.8}])
        self.assertIn("Expected for the period's end", balance.explanation)

    def test_analytic_distribution(self):
        plan = self.env["account.analytic.plan"].create({"name": "Channel"})
        account = self.env["account.analytic.account"].create({"name": "Rebates", "plan_id": plan.id})
        program = self._periodic(analytic_distribution={str(account.id): 100})
        self._invoice(self.north, 100)
        items = program._accrue_difference().entry_line_ids
        self.assertEqual(
            {item.account_id: item.analytic_distribution for item in items},
            {self.expense_account: {str(account.id): 100}, self.accrual_account: False},
        )

    def test_new_version_of_a_periodic_programme(self):
        first = self._periodic(tiers=((0, 10),), period="month")
        self._invoice(self.north, 100, date="2026-02-10")
        self._invoice(self.north, 100, date="2026-03-10")
        first._accrue_difference()
        second = self.env["dms.rebate.program"].browse(first.action_new_version()["res_id"])
        second.write(
            {"date_start": "2026-03-01", "tier_ids": [Command.clear(), Command.create({"rate": 50})]}
        )
        second.action_publish()
        (first | second).invalidate_recordset(["accrual_amount"])
        self.assertEqual((first.accrual_amount, second.accrual_amount), (10, 50))
        self._assert_ties(self.north)

    def test_incremental_is_from_scratch(self):
        """Whatever is posted, reset and credited in whatever order: adding up gives what computing afresh gives."""
        rng = random.Random(7)
        programs = self._periodic(code="A", period="month") | self._periodic(
            code="B", tier_method="whole", categ_ids=[Command.set(self.drinks.ids)]
        )
        programs |= self._periodic(code="C", compare="growth", growth_against="previous", period="month")
        partners = (self.north, self.south)
        invoices = []
        for _step in range(25):
            match rng.randrange(6):
                case 0 if invoices:
                    move = rng.choice(invoices)
                    move.button_draft() if move.state == "posted" else move.action_post()
                case 1 if invoices and (posted := [move for move in invoices if move.state == "posted"]):
                    rng.choice(posted)._reverse_moves(
                        [{"invoice_date": "2026-03-12", "date": "2026-03-12"}]
                    ).action_post()
                case 2:
                    self.env["dms.rebate.engine"]._synchronise()
                case _:
                    product = rng.choice((self.cola, self.apple, self.soap))
                    day = f"2026-0{rng.randrange(1, 4)}-{rng.randrange(10, 15)}"
                    amount = rng.randrange(1, 50000) / 100
                    invoices.append(self._invoice(rng.choice(partners), amount, product, date=day))
        self.env["dms.rebate.engine"]._synchronise()
        stored = {
            (balance.program_id.id, balance.partner_id.id, balance.period_start): (
                rebate.decimal(round(balance.measure_amount, 4)),
                rebate.decimal(round(balance.earned_amount, 2)),
            )
            for balance in self.env["dms.rebate.balance"].search([("program_id", "in", programs.ids)])
            if balance.measure_amount or balance.earned_amount
        }
        standings = self.env["dms.rebate.engine"]._compute_standings(
            programs, fields.Date.to_date("2026-03-15")
        )
        self.assertEqual(
            stored,
            {
                key: (standing.facts.measure, standing.earned)
                for key, standing in standings.items()
                if standing.facts.measure or standing.earned
            },
        )
        programs._accrue_difference()
        for partner in partners:
            self._assert_ties(partner)

    def test_queries_do_not_grow(self):
        program = self._periodic(
            compare="target", target_ids=[Command.create({"partner_id": self.north.id, "amount": 9})]
        )
        engine = self.env["dms.rebate.engine"]

        def queries(count):
            for index in range(count):
                partner = self.north.copy({"name": f"D{index}", "ref": f"D{index}-{count}"})
                self._invoice(partner, 10)
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            engine._refresh(program)
            return self.env.cr.sql_log_count - before

        small, large = queries(3), queries(12)
        self.assertLessEqual(large, small + 3)

    # === TERMS ===

    def test_targets(self):
        program = self._periodic(
            compare="target",
            tiers=((80, 1), (100, 2)),
            tier_method="whole",
            target_ids=[Command.create({"partner_id": self.north.id, "amount": 1000})],
        )
        self._invoice(self.north, 999.99)
        self._invoice(self.south, 5000)
        self.assertEqual(self._earned(program), 10)
        self.assertEqual(self._earned(program, self.south), 0)
        self.assertIn("No target is stated", self._explanation(program, self.south))
        self._invoice(self.north, 0.01)
        self.assertEqual(self._earned(program), 20)
        [line] = self.env["dms.rebate.program"]._get_progress(self.north)
        self.assertEqual((line["earned"], line["missing"], line["rate_text"]), (20, None, "2 %"))
        with self.assertRaisesRegex(UserError, "states no target"):
            self._periodic(code="T", compare="target")

    def test_growth(self):
        everything = self._periodic(code="G1", compare="growth", tiers=((0, 1), (10, 2)), tier_method="whole")
        growth_only = self._periodic(code="G2", compare="growth", tiers=((0, 10),), growth_only=True)
        self._invoice(self.north, 1000, date="2025-02-10")
        self._invoice(self.north, 1100)
        self._invoice(self.south, 500)
        self.assertEqual(self._earned(everything), 22)
        self.assertEqual(self._earned(growth_only), 10)
        self.assertEqual(self._earned(everything, self.south), 0, "a new distributor, by the stated policy")
        self.assertIn("Growth in percent: (1,100 − 1,000) ÷ 1,000 = 10", self._explanation(everything))
        newcomer = self._periodic(code="G3", compare="growth", tiers=((0, 10),), newcomer="first")
        self.assertEqual(self._earned(newcomer, self.south), 50)
        moved = self._periodic(
            code="G4",
            compare="growth",
            tiers=((0, 10),),
            growth_only=True,
            target_ids=[Command.create({"partner_id": self.south.id, "amount": 400, "note": "took over"})],
        )
        self.assertEqual(self._earned(moved, self.south), 10)

    def test_past_sales_follow_a_territory(self):
        self._invoice(self.north, 1000, date="2025-02-10")
        self._invoice(self.south, 100, date="2025-02-10")
        takeover = {
            "former_id": self.north.id,
            "partner_id": self.south.id,
            "date": "2026-01-01",
            "share": 0.4,
        }
        program = self._periodic(
            compare="growth",
            growth_only=True,
            tiers=((0, 10),),
            takeover_ids=[Command.create(takeover)],
        )
        self._invoice(self.north, 700)
        self._invoice(self.south, 700)
        self.assertEqual(self._earned(program), 10, "compared with the 600 that stayed")
        self.assertEqual(
            self._earned(program, self.south), 20, "compared with its own 100 and 400 taken over"
        )
        self.assertIn("(700 − 500) ÷ 500", self._explanation(program, self.south))
        self._invoice(self.north, 500, date="2025-03-10")
        self.assertEqual(self._earned(program, self.south), 0, "the former holder's past has grown")

    def test_a_territory_that_moves_later_does_not_count_yet(self):
        self._invoice(self.north, 1000, date="2025-02-10")
        program = self._periodic(
            compare="growth",
            tiers=((0, 10),),
            newcomer="first",
            takeover_ids=[
                Command.create(
                    {"former_id": self.north.id, "partner_id": self.south.id, "date": "2026-01-02"}
                )
            ],
        )
        self._invoice(self.south, 500)
        self.assertEqual(self._earned(program, self.south), 50, "a newcomer still")

    def test_no_more_than_all_of_the_past_moves(self):
        row = {"former_id": self.north.id, "partner_id": self.south.id, "date": "2026-01-01", "share": 0.6}
        third = self.env["res.partner"].create({"name": "Third", "channel_role": "distributor"})
        with self.assertRaisesRegex(ValidationError, "More than all past sales of North Trading"):
            self._periodic(
                compare="growth",
                publish=False,
                takeover_ids=[Command.create(row), Command.create({**row, "partner_id": third.id})],
            )

    def test_points(self):
        program = self._periodic(
            tiers=((0, 0.5), (100, 1)),
            basis="points",
            publish=False,
            point_ids=[
                Command.create({"categ_id": self.drinks.id, "points": 2}),
                Command.create({"categ_id": self.juice.id, "points": 3}),
                Command.create({"product_id": self.cola.id, "points": 2.5}),
            ],
        )
        program.action_publish()
        self.assertEqual(program.accrual_policy, "periodic", "an invoice's amounts do not tell its points")
        dozen = self.env.ref("uom.product_uom_dozen")
        cola, apple, soap = (
            Command.create({"product_id": product.id, "quantity": quantity, "price_unit": 10, **unit})
            for product, quantity, unit in (
                (self.cola, 2, {"product_uom_id": dozen.id}),
                (self.apple, 10, {}),
                (self.soap, 1000, {}),
            )
        )
        invoice = self._invoice(self.north, [], invoice_line_ids=[cola, apple, soap])
        # 24 bottles at 2.5 points and 10 at 3, the nearest category's; soap has none.
        self.assertEqual(self._earned(program), 45)
        self.assertIn("90", self._explanation(program))
        self.assertIn("0.005 per point", program._format_rate(0.005, "unit"))
        invoice._reverse_moves(cancel=True)
        self.assertEqual(self._earned(program), 0)

    def test_points_say_what_is_missing(self):
        program = self._periodic(basis="points", publish=False)
        with self.assertRaisesRegex(UserError, "measures points and gives none"):
            program.action_publish()
        with self.assertRaisesRegex(ValidationError, "either a product or a category"):
            program.point_ids = [Command.create({"points": 1})]

    def test_weight_does_not_accrue_by_invoice(self):
        """An invoice's amounts say nothing of its weight, so such a programme is never counted by them."""
        program = self._program(tiers=((0, 1),), basis="weight", publish=False)
        self.assertEqual(program.accrual_policy, "periodic")
        with self.assertRaises(ValidationError):
            program.accrual_policy = "posting"

    def test_bundle(self):
        program = self._periodic(
            tiers=((0, 10),),
            bundle_ids=[
                Command.create(
                    {"name": "Juice", "categ_ids": [Command.set(self.juice.ids)], "threshold": 100}
                ),
                Command.create(
                    {"name": "Soap", "product_ids": [Command.set(self.soap.ids)], "threshold": 50}
                ),
            ],
        )
        self._invoice(self.north, [(self.apple, 100), (self.soap, 49.99)])
        self.assertEqual(self._earned(program), 0)
        self.assertIn("Missed, so nothing is earned: Soap: 49.99 < 50", self._explanation(program))
        self._invoice(self.north, 0.01, self.soap)
        self.assertEqual(self._earned(program), 15)

    def test_pool(self):
        program = self._periodic(tiers=((100, 10),), tier_method="whole", pool_by="program")
        self._invoice(self.north, 60)
        self._invoice(self.south, 30)
        self.assertEqual(self._earned(program), 0)
        invoice = self._invoice(self.south, 10.01)
        self.assertEqual((self._earned(program), self._earned(program, self.south)), (6, 4))
        invoice.button_draft()
        self.assertEqual((self._earned(program), self._earned(program, self.south)), (0, 0))
        self._assert_ties(self.north)
        self._assert_ties(self.south)

    def test_relations(self):
        first = self._periodic(code="A", tiers=((0, 10),), partner_ids=[Command.set(self.north.ids)])
        relation = {"kind": "reduces", "other_ids": [Command.set(first.ids)]}
        reduced = self._periodic(code="B", tiers=((0, 10),), relation_ids=[Command.create(relation)])
        excluded = self._periodic(
            code="C", tiers=((0, 10),), relation_ids=[Command.create({**relation, "kind": "excludes"})]
        )
        capped = self._periodic(
            code="D",
            tiers=((0, 10),),
            relation_ids=[Command.create({**relation, "kind": "cap", "amount": 150})],
        )
        self._invoice(self.north, 1000)
        self._invoice(self.south, 1000)
        self.assertEqual(self._earned(first), 100)
        self.assertEqual((self._earned(reduced), self._earned(reduced, self.south)), (90, 100))
        self.assertEqual((self._earned(excluded), self._earned(excluded, self.south)), (0, 100))
        self.assertEqual((self._earned(capped), self._earned(capped, self.south)), (50, 100))
        self.assertIn("Excluded by: A", self._explanation(excluded))
        with self.assertRaisesRegex(ValidationError, "follow from itself"):
            self._periodic(
                code="A",
                publish=False,
                version=7,
                relation_ids=[Command.create({"kind": "reduces", "other_ids": [Command.set(first.ids)]})],
            )

    def test_overall_cap(self):
        program = self._periodic(tiers=((0, 10),), period="month", amount_cap=25)
        for month in (1, 2, 3):
            self._invoice(self.north, 100, date=f"2026-0{month}-10")
        self._earned(program)
        balances = self.env["dms.rebate.balance"].search(
            [("program_id", "=", program.id)], order="period_start"
        )
        self.assertEqual(balances.mapped("earned_amount"), [10, 10, 5])

    def test_payment_quality_and_grade(self):
        gold = self.env["res.partner.grade"].create({"name": "Gold"})
        self.north.grade_id = gold
        program = self._periodic(
            tiers=((0, 10),),
            factor_ids=[
                Command.create({"kind": "payment", "threshold": days, "factor": factor})
                for days, factor in ((15, 1), (30, 0.8), (45, 0.5))
            ]
            + [Command.create({"kind": "grade", "grade_id": gold.id, "factor": 0.9})],
        )
        early = self._invoice(self.north, 100, date="2026-02-01")
        late = self._invoice(self.north, 100, date="2026-02-01")
        self._pay(early, "2026-02-10")
        self._pay(late, "2026-03-01")
        self.assertEqual(self._earned(program), 16.2, "20 at 100 % and 80 %, at 90 %")
        self.assertIn("(100 × 100 % + 100 × 80 %) ÷ 200", self._explanation(program))

    # === MEASURES ===

    def test_paid(self):
        program = self._periodic(measure="paid", period="month", tiers=((0, 10),), grace_days=10)
        for day in ("2026-03-09", "2026-03-12"):
            self._pay(self._invoice(self.north, 100, date="2026-02-20"), day)
        self._invoice(self.north, 500, date="2026-02-20")
        self._earned(program)
        balances = self.env["dms.rebate.balance"].search(
            [("program_id", "=", program.id)], order="period_start"
        )
        self.assertEqual(
            [(str(balance.period_start), balance.measure_amount) for balance in balances],
            [("2026-02-01", 100), ("2026-03-01", 100)],
            "paid within the grace days: for February; later: for March; unpaid: not at all",
        )

    def test_ordered_and_delivered(self):
        ordered = self._periodic(code="O", measure="ordered", tiers=((0, 10),))
        delivered = self._periodic(code="D", measure="delivered", tiers=((0, 10),))
        weight = self._periodic(code="W", measure="ordered", basis="weight", tiers=(), publish=False)
        weight.tier_ids = [Command.create({"rate": 2, "kind": "unit"})]
        weight.action_publish()
        self.cola.write({"type": "consu", "weight": 0.5})
        order = self.env["sale.order"].create(
            {
                "partner_id": self.north.id,
                "order_line": [
                    Command.create({"product_id": self.cola.id, "product_uom_qty": 10, "price_unit": 10})
                ],
            }
        )
        self._confirm(order)
        self.assertEqual((self._earned(ordered), self._earned(delivered)), (10, 0))
        self.assertEqual(self._earned(weight), 10, "ten times half a kilogram at 2")
        move = order.picking_ids.move_ids
        move.write({"quantity": 4, "picked": True})
        move.picking_id.with_context(skip_backorder=True)._action_done()
        self.assertEqual(self._earned(delivered), 4)
        order.picking_ids.filtered(lambda picking: picking.state != "done").action_cancel()
        order._action_cancel()
        self.assertEqual((self._earned(ordered), self._earned(delivered)), (0, 4))

    def test_sell_through(self):
        program = self._periodic(measure="sell_out", tiers=((0, 10),))
        self.cola.type = "consu"
        self.env["dms.channel.move"].sudo().create(
            [
                {
                    "kind": kind,
                    "partner_id": self.north.id,
                    "product_id": self.cola.id,
                    "date": "2026-02-10",
                    "quantity": quantity,
                    "amount": 10 * quantity,
                }
                for kind, quantity in (("sell_out", -30), ("return", 5))
            ]
        )
        self.assertEqual(self._earned(program), 25)

    def test_counts_by_the_order_date(self):
        program = self._periodic(qualify_by="order", period="month", tiers=((0, 10),), grace_days=20)
        order = self.env["sale.order"].create(
            {
                "partner_id": self.north.id,
                "date_order": "2026-02-27 10:00:00",
                "order_line": [Command.create({"product_id": self.cola.id, "price_unit": 100})],
            }
        )
        self.cola.invoice_policy = "order"
        self._confirm(order)
        order.date_order = "2026-02-27 10:00:00"
        invoice = order._create_invoices()
        invoice.invoice_date = "2026-03-05"
        invoice.action_post()
        self._earned(program)
        balance = self.env["dms.rebate.balance"].search(
            [("program_id", "=", program.id), ("measure_amount", "!=", 0)]
        )
        self.assertEqual(str(balance.period_start), "2026-02-01")

    # === BAD INPUT ===

    def test_clear_refusals(self):
        with self.assertRaisesRegex(UserError, "pays less than the one before"):
            self._periodic(tiers=((0, 5), (100, 3)))
        self._periodic(code="FALL", tiers=((0, 5), (100, 3)), rates_rise=False)
        for end, words in ((80, "would fall in none"), (120, "would fall in both")):
            with self.assertRaisesRegex(UserError, words):
                self._periodic(
                    code=f"E{end}",
                    tiers=(),
                    tier_ids=[
                        Command.create({"from_amount": 0, "rate": 1, "stated_end": end}),
                        Command.create({"from_amount": 100, "rate": 2}),
                    ],
                )
        with self.assertRaisesRegex(ValidationError, "periodic difference"):
            self._program(code="P", pool_by="program", accrual_policy="posting")
        with self.assertRaisesRegex(ValidationError, "open end"):
            self._periodic(code="V", compare="growth", period="validity")

    def test_programmes_that_wait_for_each_other(self):
        first = self._periodic(code="A", tiers=((0, 10),))
        second = self._periodic(
            code="B",
            tiers=((0, 10),),
            relation_ids=[Command.create({"kind": "reduces", "other_ids": [Command.set(first.ids)]})],
        )
        third = self.env["dms.rebate.program"].browse(first.action_new_version()["res_id"])
        third.relation_ids = [Command.create({"kind": "reduces", "other_ids": [Command.set(second.ids)]})]
        with self.assertRaisesRegex(UserError, "wait for each other"):
            third.action_publish()

    def test_currency_without_rate_on_the_day(self):
        euro = self.setup_other_currency("EUR", rates=[("2026-02-15", 2.0)])
        program = self._periodic(currency_id=euro.id, tiers=((0, 10),))
        self._invoice(self.north, 100, date="2026-02-20")
        self.assertEqual(self._earned(program), 20)
        self._invoice(self.north, 100, date="2026-02-10")
        with self.assertRaisesRegex(UserError, "EUR, which has no rate on"):
            program._accrue_difference()

    # === BACK-TEST ===

    def test_backtest_beside_the_running_programme(self):
        running = self._program(tiers=((0, 10),), period="quarter", date_start="2026-01-01")
        self._invoice(self.north, 1000, date="2025-02-10")
        self._invoice(self.south, 3000, date="2025-08-10")
        draft = self.env["dms.rebate.program"].browse(running.action_new_version()["res_id"])
        draft.tier_ids = [
            Command.clear(),
            Command.create({"from_amount": 0, "rate": 5}),
            Command.create({"from_amount": 2000, "rate": 20}),
        ]
        draft.tier_method = "whole"
        action = draft.with_user(self.manager).action_backtest()
        backtest = self.env["dms.rebate.backtest"].browse(action["res_id"])
        self.assertRecordValues(
            backtest.variant_ids,
            [
                {
                    "program_id": running.id,
                    "amount": 400,
                    "sales_amount": 4000,
                    "cost_share": 10,
                    "difference": 0,
                },
                {
                    "program_id": draft.id,
                    "amount": 650,
                    "sales_amount": 4000,
                    "cost_share": 16.25,
                    "difference": 250,
                },
            ],
        )
        self.assertRecordValues(
            backtest.line_ids.filtered(lambda line: line.program_id == draft).sorted("amount"),
            [
                {"partner_id": self.north.id, "amount": 50, "measure_amount": 1000},
                {"partner_id": self.south.id, "amount": 600, "measure_amount": 3000},
            ],
        )
        self.assertFalse(draft.accrual_ids, "nothing is booked")
        self.assertFalse(self.env["dms.rebate.balance"].search([("program_id", "=", draft.id)]))
        backtest.action_compute()
        self.assertEqual(len(backtest.line_ids), 4)
        with self.assertRaisesRegex(UserError, "names no programme"):
            self.env["dms.rebate.backtest"].create({}).action_compute()
