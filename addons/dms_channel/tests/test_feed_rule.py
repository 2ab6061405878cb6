from freezegun import freeze_time

from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import tagged

from odoo.addons.dms_channel.tests.common import DmsChannelCommon

HEADER = "outlet,product_code,date,quantity,returned,unit_price,reference"


@tagged("post_install", "-at_install")
class TestFeedRule(DmsChannelCommon):
    """What is doubted, by which rule, in which words, and what becomes of it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.feeds = cls.env["dms.feed"].with_user(cls.user_channel)
        cls.rules = cls.env["dms.feed.rule"]
        cls.rules.search([]).active = False

    def _rule(self, kind, severity="warning", **vals):
        if kind in ("quantity_far", "price_far"):
            vals.setdefault("history_days", 9999)
        return self.rules.create({"name": kind, "kind": kind, "severity": severity, **vals})

    def _receive(self, *rows, partner=None, header=HEADER, **options):
        raw = "\n".join([header, *rows]).encode()
        options.setdefault("filename", "sales.csv")
        partner = self.distributor_north if partner is None else partner
        return self.feeds._receive(raw, partner=partner, **options)

    def _history(self, quantities=range(10, 30), price="3"):
        self._receive(
            *(f",TEA,2025-01-{day:02},{quantity},,{price}," for day, quantity in enumerate(quantities, 1))
        ).action_release()

    def test_unusual_figures(self):
        """Against the series' own past: a typing error stands out, a good day does not."""
        self._rule("quantity_far", factor=5, history_days=9999)
        self._rule("price_far", factor=5, history_days=9999)
        self._history()
        feed = self._receive(
            ",TEA,2025-02-01,22,,3,",
            ",TEA,2025-02-02,2200,,3,",
            ",TEA,2025-02-03,35,,300,",
            ",CHIPS,2025-02-01,999,,,",
        )
        self.assertEqual(feed.line_ids.mapped("state"), ["ok", "warning", "warning", "ok"])
        self.assertEqual(feed.line_ids.mapped("issue"), [False, "quantity_far", "price_far", False])
        self.assertIn("2200", feed.line_ids[1].message)
        self.assertIn("20", feed.line_ids[1].message)
        self.assertRecordValues(feed, [{"state": "checked", "warning_count": 2, "ok_count": 2}])
        feed.action_release()
        self.assertRecordValues(feed, [{"state": "checked", "warning_count": 2, "released_count": 2}])
        feed.line_ids[1].quantity_text = "22"
        self.assertEqual(feed.line_ids[1].state, "ok")
        with self.assertRefused("Say why"):
            feed.line_ids[2]._accept(" ")
        feed.line_ids[2]._accept("gift boxes")
        self.assertRecordValues(
            feed.line_ids[2],
            [{"state": "ok", "accept_reason": "gift boxes", "accepted_by_id": self.user_channel.id}],
        )
        feed.action_check()
        self.assertEqual(feed.line_ids[2].state, "ok", "a reason given once holds when checked again")
        feed.line_ids[2].price_text = "400"
        self.assertEqual(feed.line_ids[2].state, "warning", "but not for other figures")
        feed.line_ids[2]._accept("gift boxes")
        feed.action_release()
        self.assertRecordValues(feed, [{"state": "released", "released_count": 4}])

    def test_one_error_in_a_first_file(self):
        self._rule("quantity_far")
        rows = [f",TEA,2025-01-{day:02},{10 + day % 5},,," for day in range(1, 29)]
        feed = self._receive(*rows, ",TEA,2025-01-29,9000,,,")
        self.assertEqual(feed.line_ids.filtered("warnings").mapped("row"), [30])

    def test_wizard(self):
        self._rule("quantity_far")
        self._history()
        feed = self._receive(",TEA,2025-02-02,2200,,3,")
        action = feed.action_accept()
        wizard = (
            self.env["dms.feed.accept"]
            .with_user(self.user_channel)
            .with_context(**action["context"])
            .create({"reason": "opening"})
        )
        self.assertEqual(wizard.line_count, 1)
        wizard.action_confirm()
        self.assertEqual(feed.ok_count, 1)
        with self.assertRefused("None of these lines"):
            feed.action_accept()

    def test_who_may_accept(self):
        rule = self._rule("territory", brand_only=True)
        self.outlet.territory_id = self.territory_south
        feed = self._receive("O-1,TEA,2025-01-05,1,,,").with_user(self.clerk_north)
        line = feed.line_ids
        self.assertRecordValues(line, [{"state": "warning", "warnings": "territory_outside"}])
        self.assertIn("South", line.message)
        with self.assertRefused("by the brand only"):
            line._accept("was asked to")
        with self.assertRaises(AccessError):
            line.with_user(self.clerk_south)._accept("not mine")
        rule.brand_only = False
        line._accept("was asked to")
        self.assertEqual(line.state, "ok")

    def test_territory_of_the_day(self):
        self._rule("territory")
        self.outlet.territory_id = self.territory_north
        feed = self._receive("O-1,TEA,2025-01-05,1,,,", "O-1,TEA,2019-01-05,1,,,")
        self.assertEqual(
            feed.line_ids.mapped("state"), ["ok", "ok"], "no agreement then: nothing to be outside of"
        )

    def test_window(self):
        """Due at noon of the next day in the sender's time zone, corrections for three days more."""
        self._rule("window", "error", due_days=1, cutoff_hour=12, correction_days=3)
        self.distributor_north.tz = "Asia/Shanghai"
        with freeze_time("2025-01-10 03:59:00"):  # 11:59 in Shanghai
            feed = self._receive(",TEA,2025-01-09,1,,,", ",TEA,2025-01-06,1,,,", ",TEA,2025-01-05,1,,,")
            self.env.cr.execute(
                "UPDATE dms_feed SET create_date = '2025-01-10 03:59:00' WHERE id = %s", [feed.id]
            )
            feed.invalidate_recordset()
            feed.action_check()
        self.assertEqual(feed.line_ids.mapped("issue"), [False, False, "window_closed"])
        self.env.cr.execute(
            "UPDATE dms_feed SET create_date = '2025-01-10 04:01:00' WHERE id = %s", [feed.id]
        )
        feed.invalidate_recordset()
        feed.action_check()
        self.assertEqual(feed.line_ids.mapped("issue"), [False, "window_closed", "window_closed"])
        self.assertIn("2025-01-06 12:00", feed.line_ids[2].message)

    def test_more_than_there_was(self):
        self._rule("above_stock")
        self._receive("TEA,2025-01-01,10", header="product_code,date,quantity", kind="count").action_release()
        feed = self._receive(
            ",TEA,2025-01-02,6,,,", ",TEA,2025-01-03,4,1,,", ",TEA,2025-01-04,2,,,", ",CHIPS,2025-01-04,99,,,"
        )
        self.assertEqual(feed.line_ids.mapped("state"), ["ok", "ok", "warning", "ok"])
        self.assertIn("only 1", feed.line_ids[2].message)

    def test_noted_only(self):
        self._rule("above_stock", "note")
        self._receive("TEA,2025-01-01,10", header="product_code,date,quantity", kind="count").action_release()
        feed = self._receive(",TEA,2025-01-02,60,,,")
        self.assertRecordValues(feed.line_ids, [{"state": "ok", "notes": "stock_short"}])
        feed.action_release()
        self.assertIn("only 10", feed.line_ids.message)

    def test_similar(self):
        self._rule("similar", similar_days=2)
        self._receive("O-1,TEA,2025-01-05,12,,3,INV-001", ",CHIPS,2025-01-05,5,,,").action_release()
        feed = self._receive(
            "O-1,TEA,2025-01-05,12,,3,inv 001",
            "O-1,TEA,2025-01-06,12,,3,INV001",
            "O-1,TEA,2025-01-08,12,,3,INV001",
            "O-1,TEA,2025-01-05,12,,3,INV-002",
            "O-1,CHIPS,2025-01-05,5,,,",
            ",CHIPS,2025-01-06,5,,,",
        )
        self.assertEqual(
            feed.line_ids.mapped("issue"), ["similar", "similar", False, False, "similar", False]
        )
        self.assertIn("Row 2", feed.line_ids[0].message)

    def test_archived_product_by_rule(self):
        self.product_chips.active = False
        row = ",CHIPS,2025-01-05,1,,,"
        self.assertEqual(self._receive(row).line_ids.state, "error")
        self._rule("product_inactive", "warning")
        feed = self._receive(row + "A")
        self.assertRecordValues(
            feed.line_ids, [{"state": "warning", "issues": False, "issue": "product_inactive"}]
        )

    def test_missing_days(self):
        rule = self._rule("missing_days")
        days = [f",TEA,2025-01-{day:02},1,,," for day in range(6, 27) if day % 7 not in (4, 5)]
        self._receive(*days).action_release()
        feed = self._receive(",TEA,2025-01-27,1,,,", ",TEA,2025-01-30,1,,,")
        self.assertEqual(feed.missing_days, ["2025-01-28", "2025-01-29"])
        with self.assertRefused("Nothing was reported"):
            feed.action_release()
        feed.missing_reason = "closed for stock-taking"
        feed.action_release()
        self.assertEqual(feed.released_count, 2)
        rule.severity = "error"
        feed = self._receive(",TEA,2025-01-31,1,,,")
        with self.assertRefused("Send these days"):
            feed.action_release()

    def test_a_date_to_come_makes_no_day_missing(self):
        self._rule("missing_days")
        days = [f",TEA,2025-01-{day:02},1,,," for day in range(6, 31) if day % 7 not in (4, 5)]
        self._receive(*days).action_release()
        feed = self._receive(",TEA,2025-01-31,1,,,", ",TEA,2205-02-03,1,,,")
        self.assertFalse(feed.missing_days)

    def test_whom_a_rule_concerns(self):
        self._rule("quantity_far", partner_ids=self.distributor_south.ids)
        self._history()
        self.assertEqual(self._receive(",TEA,2025-02-02,2200,,3,").ok_count, 1)
        rule = self._rule("quantity_far", company_id=self.env["res.company"].create({"name": "Other"}).id)
        self.assertEqual(self._receive(",TEA,2025-02-03,2200,,3,").ok_count, 1)
        rule.company_id = False
        self.assertEqual(self._receive(",TEA,2025-02-04,2200,,3,").warning_count, 1)
        rows = ["D-NORTH,TEA,2025-02-05,2200"]
        own = self._receive(
            *rows, partner=self.env["res.partner"], header="distributor,product_code,date,quantity"
        )
        self.assertEqual(own.ok_count, 1, "the brand's own loads are concerned only where the rule says so")

    def test_bad_parameters(self):
        for vals in ({"cutoff_hour": 25}, {"usual_share": 0}):
            with self.assertRefused("rule"):
                self._rule("window", **vals)

    def test_as_many_queries_for_many_lines(self):
        self.rules.with_context(active_test=False).search([]).active = True
        rows = [f"O-1,TEA,2025-01-{1 + n % 28:02},{n % 9 + 1},,3,R{n}" for n in range(600)]
        self._receive(*rows[:10])
        self.env.flush_all()
        counts = []
        for part in (rows[10:30], rows[30:]):
            before = self.env.cr.sql_log_count
            self._receive(*part)
            self.env.flush_all()
            counts.append(self.env.cr.sql_log_count - before)
        self.assertLessEqual(counts[1], counts[0] + 2)

    def test_supersede(self):
        """A period sent anew: what differs is shown, then the new file stands alone."""
        first = self._receive(",TEA,2025-01-05,12,,,", ",TEA,2025-01-06,5,,,", ",CHIPS,2025-01-06,7,,,")
        first.action_release()
        second = self._receive(",TEA,2025-01-05,15,,,", ",CHIPS,2025-01-06,7,,,", ",TEA,2025-01-07,1,,,")
        self.assertTrue(second.can_supersede)
        wizard = (
            self.env["dms.feed.supersede"]
            .with_user(self.user_channel)
            .browse(second.action_supersede()["res_id"])
        )
        self.assertRecordValues(
            wizard.line_ids,
            [{"product_id": self.product_tea.id, "before": 17, "after": 16, "difference": -1}],
        )
        wizard.action_confirm()
        position = self.env["dms.channel.position"].search([("partner_id", "=", self.distributor_north.id)])
        self.assertEqual(
            {p.product_id: p.quantity for p in position}, {self.product_tea: -16, self.product_chips: -7}
        )
        self.assertEqual(first.line_ids.mapped("state"), ["reversed", "reversed", "released"])
        self.assertFalse(self.env["dms.channel.position"]._check_consistency())

    def test_columns_shown_corrected_remembered(self):
        raw = "Artikel,Tag,Menge,Preis\nTEA,2025-01-05,4,3\n"
        feed = self.feeds._receive(raw.encode(), "x.csv", partner=self.distributor_north, keep=True)
        self.assertRecordValues(feed, [{"state": "received", "line_count": 0}])
        self.assertIn("No column", feed.refusal)
        wizard = (
            self.env["dms.feed.columns"].with_user(self.user_channel).browse(feed.action_columns()["res_id"])
        )
        self.assertEqual(wizard.line_ids.mapped("sample"), ["TEA", "2025-01-05", "4", "3"])
        self.assertIn("unit_price", wizard.line_ids[0].names)
        self.assertNotIn("device", wizard.line_ids[0].names)
        for line, name in zip(wizard.line_ids, ["product_code", "date", "quantity", "quantity"], strict=True):
            line.name = name
        with self.assertRefused("Menge, Preis"):
            wizard.action_confirm()
        wizard.line_ids[-1].name = False
        wizard.action_confirm()
        self.assertRecordValues(feed, [{"state": "checked", "ok_count": 1, "refusal": False}])
        later = self._receive("TEA,2025-01-06,4,3", header="Artikel,Tag,Menge,Preis")
        self.assertRecordValues(later, [{"ok_count": 1}])
        third = self._receive("TEA,2025-01-07,4,3", header="Artikel,Tag,Menge,Preis")
        self.assertFalse(third.line_ids.price_text, "the column said to be nothing stays nothing")
        with self.assertRaises(UserError):
            self._receive(
                "TEA,2025-01-06,4,3", header="Artikel,Tag,Menge,Preis", partner=self.distributor_south
            )

    def test_typed_in(self):
        """What is typed goes the way of a file, and says nothing of how the sender's files look."""
        own = self._receive("TEA,2025-01-05,100,4", header="sku,date,stock,sold")
        own._read_again({"product_code": "sku", "date": "date", "quantity": "sold"})
        wizard = self.env["dms.feed.upload"].with_user(self.user_channel)
        values = {
            "source": "typed",
            "line_ids": [
                Command.create({"product_id": self.product_tea.id, "date": "2025-01-06", "quantity": 1.5}),
                Command.create(
                    {
                        "product_id": self.product_chips.id,
                        "outlet_id": self.outlet.id,
                        "date": "2025-01-06",
                        "quantity": 3,
                        "price_unit": 2.5,
                    }
                ),
            ],
        }
        with self.assertRefused("choose the sender"):
            wizard.create(values).action_upload()
        sender = {"partner_id": self.distributor_north.id}
        with self.assertRefused("Nothing was filled in"):
            wizard.create({"source": "typed", **sender}).action_upload()
        with self.assertRefused("come as a file"):
            wizard.create({**values, **sender, "kind": "outlet"})
        feed = self.env["dms.feed"].browse(wizard.create(values | sender).action_upload()["res_id"])
        self.assertRecordValues(
            feed, [{"typed": True, "ok_count": 2, "partner_id": self.distributor_north.id}]
        )
        self.assertEqual(
            [(line.product_id, line.outlet_id, line.quantity, line.price_unit) for line in feed.line_ids],
            [
                (self.product_tea, self.env["res.partner"], 1.5, 0),
                (self.product_chips, self.outlet, 3, 2.5),
            ],
        )
        self.assertIn(b"2025-01-06", feed.attachment_id.raw, "it is kept like a file")
        self.assertEqual(wizard.create(values | sender).action_upload()["res_id"], feed.id)
        later = self._receive("TEA,2025-01-07,90,5", header="sku,date,stock,sold")
        self.assertEqual(later.line_ids.quantity, 5, "the file's columns are remembered")

    def test_a_guess_that_is_wrong_is_corrected(self):
        header = "sku,date,stock,sold"
        feed = self._receive("TEA,2025-01-05,100,4", header=header)
        self.assertEqual(feed.line_ids.quantity, 100)
        feed._read_again({"product_code": "sku", "date": "date", "quantity": "sold"})
        self.assertEqual(feed.line_ids.quantity, 4)
        self.assertEqual(self._receive("TEA,2025-01-06,90,5", header=header).line_ids.quantity, 5)
        feed.action_release()
        with self.assertRefused("can't be read again"):
            feed._read_again({"product_code": "sku", "date": "date", "quantity": "stock"})

    def test_suggestions(self):
        feed = self._receive(",TE-A,2025-01-05,1,,,", ",Chipz,2025-01-05,1,,,", ",ZZZ9,2025-01-05,1,,,")
        wizard = (
            self.env["dms.feed.map.codes"]
            .with_user(self.user_channel)
            .browse(feed.action_map_codes()["res_id"])
        )
        found = {line.code: line.product_id for line in wizard.line_ids}
        none = self.env["product.product"]
        self.assertEqual(found, {"TE-A": self.product_tea, "Chipz": self.product_chips, "ZZZ9": none})
        wizard.action_confirm()
        self.assertEqual(feed.line_ids.mapped("state"), ["ok", "ok", "error"])
