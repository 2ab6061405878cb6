from odoo.exceptions import AccessError
from odoo.tests import freeze_time, tagged

from odoo.addons.dms_channel.tests.common import DmsChannelCommon


@tagged("post_install", "-at_install")
class TestGradeReview(DmsChannelCommon):
    """A review proposes one step up or down, in words; a manager decides; the grade changes on its day."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["res.partner.grade"].search([("id", "!=", cls.grade_gold.id)]).active = False
        cls.grade_gold.write({"sequence": 1, "dms_min_points": 40, "dms_min_sales": 1000.0})
        cls.grade_silver, cls.grade_bronze = cls.env["res.partner.grade"].create(
            [
                {
                    "name": "Silver",
                    "sequence": 2,
                    "dms_min_points": 10,
                    "dms_max_overdue": 30,
                    "company_id": cls.company.id,
                },
                {"name": "Bronze", "sequence": 3, "company_id": cls.company.id},
            ]
        )
        cls.pricelist_silver = cls.pricelist_gold.copy({"name": "Silver"})
        cls.grade_silver.default_pricelist_id = cls.pricelist_silver
        cls.distributor_north.grade_id = cls.grade_silver
        cls.distributor_south.grade_id = cls.grade_silver

    def _earn(self, partner, points, day="2025-03-01"):
        self.env["dms.credit.entry"]._post_event("manual", partner, f"p{partner.id}", points=points, date=day)

    def _sell(self, partner, amount, day="2025-03-01"):
        self._create_invoice(
            partner_id=partner.id,
            invoice_date=day,
            invoice_date_due="2025-12-31",
            invoice_line_ids=[self._prepare_invoice_line(price_unit=amount, product_id=self.product_tea)],
            post=True,
        )

    def _review(self, **values):
        review = (
            self.env["dms.grade.review"]
            .with_user(self.user_manager)
            .create(
                {
                    "date": "2025-07-01",
                    "date_from": "2025-01-01",
                    "date_to": "2025-06-30",
                    "effective_date": "2025-08-01",
                    **values,
                }
            )
        )
        review.action_propose()
        return review

    def _line(self, review, partner):
        return review.line_ids.filtered(lambda line: line.partner_id == partner)

    def test_who_meets_the_next_grade_is_proposed_for_it_and_who_misses_the_own_falls_one_step(self):
        self._earn(self.distributor_north, 45)
        self._sell(self.distributor_north, 1500.0)
        review = self._review()
        north = self._line(review, self.distributor_north)
        south = self._line(review, self.distributor_south)
        self.assertRecordValues(
            north | south,
            [
                {"move": "raise", "proposed_grade_id": self.grade_gold.id, "points": 45, "sales": 1500.0},
                {"move": "lower", "proposed_grade_id": self.grade_bronze.id, "points": 0, "sales": 0.0},
            ],
        )
        self.assertRegex(north.reason, "Meets all that Gold asks for: 45 points, sales of .*1,500.00")
        self.assertEqual(south.reason, "Does not meet Silver any more: 0 points of 10.")
        self.env["res.lang"]._activate_lang("zh_CN")
        self.assertIn("信用分", south.with_context(lang="zh_CN").reason, "each reader's own language")
        self.grade_silver.dms_min_points = 20
        self.assertIn("0 points of 10", south.reason, "what was asked for on that day")
        self.assertEqual(self.distributor_north.grade_id, self.grade_silver, "nothing changes by itself")

    def test_who_meets_the_own_grade_only_stays_and_reads_what_is_lacking(self):
        self._earn(self.distributor_north, 45)
        self._earn(self.distributor_south, 20, day="2025-07-02")
        self._sell(self.distributor_north, 400.0)
        review = self._review()
        north = self._line(review, self.distributor_north)
        self.assertEqual((north.move, north.state), ("keep", "kept"))
        self.assertRegex(north.reason, "Meets Silver. For Gold it lacks: sales of .*400.00 of .*1,000.00")
        self.assertEqual(self._line(review, self.distributor_south).points, 0, "points of the review's day")

    def test_the_confirmed_grade_comes_on_its_day_with_its_price_list(self):
        self._earn(self.distributor_north, 45)
        self._sell(self.distributor_north, 1500.0)
        line = self._line(self._review(), self.distributor_north)
        with freeze_time("2025-07-10"):
            line._decide("confirmed", "A strong half-year")
            self.assertEqual(line.state, "confirmed")
            self.env["dms.grade.review.line"]._cron_apply()
        self.assertEqual(self.distributor_north.grade_id, self.grade_silver)
        self.assertEqual(self.distributor_north.property_product_pricelist, self.pricelist_silver)
        for _run in range(2):
            with freeze_time("2025-08-01"):
                self.env["dms.grade.review.line"]._cron_apply()
        self.assertEqual(self.distributor_north.grade_id, self.grade_gold)
        self.assertEqual(self.distributor_north.property_product_pricelist, self.pricelist_gold)
        self.assertRecordValues(
            line,
            [
                {
                    "state": "applied",
                    "decided_by": self.user_manager.id,
                    "decision_reason": "A strong half-year",
                }
            ],
        )

    def test_a_lower_grade_without_a_price_list_takes_the_better_one_away(self):
        line = self._line(self._review(), self.distributor_south)
        line._decide("confirmed", "No sales", effective_date="2025-01-01")
        self.assertEqual(self.distributor_south.grade_id, self.grade_bronze)
        self.assertNotEqual(self.distributor_south.property_product_pricelist, self.pricelist_silver)

    def test_a_declined_proposal_changes_nothing_and_keeps_its_reason(self):
        review = self._review()
        lines = review.line_ids.filtered(lambda line: line.state == "open")
        with self.assertRefused("undecided"):
            review.action_close()
        with self.assertRefused("Say why"):
            lines._decide("declined", " ")
        lines._decide("declined", "Flood in the region")
        self.assertEqual(set(lines.mapped("state")), {"declined"})
        with freeze_time("2025-09-01"):
            self.env["dms.grade.review.line"]._cron_apply()
        self.assertEqual(self.distributor_south.grade_id, self.grade_silver)
        review.action_close()
        with self.assertRefused("nothing to decide"):
            lines._decide("confirmed", "After all")
        with self.assertRefused("history"):
            review.unlink()

    def test_a_grade_given_meanwhile_is_not_overwritten(self):
        line = self._line(self._review(), self.distributor_south)
        with freeze_time("2025-07-10"):
            line._decide("confirmed", "No sales")
        self.distributor_south.grade_id = self.grade_gold
        with freeze_time("2025-08-02"):
            self.env["dms.grade.review.line"]._cron_apply()
        self.assertEqual((self.distributor_south.grade_id, line.state), (self.grade_gold, "lapsed"))

    def test_measuring_again_keeps_decisions(self):
        review = self._review()
        south = self._line(review, self.distributor_south)
        south._decide("declined", "Not now")
        self._earn(self.distributor_north, 45)
        self._sell(self.distributor_north, 1500.0)
        review.action_propose()
        self.assertEqual(self._line(review, self.distributor_south), south)
        self.assertEqual(self._line(review, self.distributor_north).move, "raise")

    def test_figures_and_decisions_are_not_written_by_hand(self):
        line = self._review().line_ids[:1]
        for values in ({"state": "applied"}, {"proposed_grade_id": self.grade_gold.id}, {"points": 99}):
            with self.assertRefused("Confirm or decline"):
                line.write(values)

    def test_rights(self):
        review = self._review()
        line = review.line_ids[:1]
        self.assertTrue(line.with_user(self.user_channel).read(["reason"]))
        with self.assertRaises(AccessError):
            line.with_user(self.user_channel)._decide("declined", "No")
        with self.assertRaises(AccessError):
            review.with_user(self.user_channel).action_propose()
        with self.assertRaises(AccessError):
            line.with_user(self.clerk_north).read(["reason"])
        other = self.setup_other_company()["company"]
        foreign = self.env["dms.grade.review"].create({"name": "Theirs", "company_id": other.id})
        self.assertNotIn(foreign, self.env["dms.grade.review"].with_user(self.user_manager).search([]))
        foreign.action_propose()
        self.assertFalse(foreign.line_ids, "no agreement with that company")
