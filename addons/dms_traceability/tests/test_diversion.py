from datetime import date

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import tagged

from .common import GTIN, DmsTraceCommon


@tagged("post_install", "-at_install")
class TestDiversion(DmsTraceCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.order = cls._order_codes(48, 24)
        cls.picking = cls._create_delivery(24)
        cls.picking._dms_assign_codes()
        cls.picking.button_validate()
        cls.serials = cls._serials(cls.order)

    def _scan(self, serial, postcode=None, country=None, device="d1", gtin=GTIN):
        place = {"country_id": (country or self.country).id, "zip": postcode} if postcode or country else None
        (info,) = self.env["dms.code"]._resolve([(gtin, serial)])
        return self.env["dms.scan"]._record(info, gtin, serial, place=place, device=device)

    def _alert(self, *serials, **place):
        """An alert that an inspector raises by hand on one scan of each of the items."""
        scans = self.env["dms.scan"]
        for serial in serials:
            scans |= self._scan(serial, **place)
        scans.sudo(False).with_user(self.inspector).action_raise_alert()
        return scans.alert_id.sudo(False).with_env(self.env)

    def test_inside_and_unknown_raise_nothing(self):
        inside = self._scan(self.serials[0], "1000")
        unknown = self._scan(self.serials[0])
        coarse = self._scan(self.serials[0], country=self.country)
        unshipped = self._scan(self.serials[30], "2000")
        self.assertEqual(
            [scan.area for scan in (inside, unknown, coarse, unshipped)],
            ["inside", "unknown", "unknown", "unknown"],
        )
        self.assertFalse((inside | unknown | coarse | unshipped).alert_id)

    def test_an_inspector_raises_one_alert_with_reasons(self):
        first = self._scan(self.serials[0], "2000")
        second = self._scan(self.serials[1], "2000", device="d2")
        again = self._scan(self.serials[1], "2000", device="d2")
        scans = (first | second | again).sudo(False)
        self.assertFalse(scans.alert_id, "scans raise nothing by themselves")
        with self.assertRaises(AccessError):
            scans.with_user(self.user_channel).action_raise_alert()
        scans.with_user(self.inspector).action_raise_alert()
        alert = first.alert_id
        self.assertEqual(scans.alert_id, alert)
        with self.assertRaises(UserError):
            scans.with_user(self.inspector).action_raise_alert()
        inside = self._scan(self.serials[2], "1000").sudo(False)
        with self.assertRaises(UserError):
            inside.with_user(self.inspector).action_raise_alert()
        self.assertRecordValues(
            alert,
            [
                {
                    "partner_id": self.distributor_north.id,
                    "territory_id": self.territory_south.id,
                    "authorised_ids": self.territory_north.ids,
                    "scan_count": 3,
                    "code_count": 2,
                    "device_count": 2,
                    "state": "open",
                }
            ],
        )
        for part in ("items 2", "South", "North Trading", self.picking.name, "North"):
            self.assertIn(part, alert.reason)

    def test_another_country_is_outside(self):
        scan = self._scan(self.serials[0], country=self.env.ref("base.fr"))
        scan.sudo(False).with_user(self.inspector).action_raise_alert()
        self.assertEqual((scan.area, scan.alert_id.country_id), ("outside", self.env.ref("base.fr")))

    def test_forged_is_recorded_without_product(self):
        scan = self._scan("0" * 14)
        self.assertRecordValues(scan, [{"result": "forged", "product_id": False, "alert_id": False}])

    def test_case_from_alert_to_appeal(self):
        points = self.distributor_north._get_credit_points()[self.distributor_north.id]
        alert = self._alert(self.serials[0], postcode="2000")
        with self.assertRaises(AccessError):
            alert.with_user(self.user_channel).action_open_case()
        action = alert.with_user(self.inspector).action_open_case()
        case = self.env["dms.diversion.case"].with_user(self.inspector).browse(action["res_id"])
        self.assertEqual((alert.state, alert.case_id), ("cased", case))
        self.assertIn("South", case.summary)
        case.action_hear()
        case._answer("We sold it in the north.")
        wizard = (
            self.env["dms.diversion.ruling"]
            .with_user(self.inspector)
            .create({"case_id": case.id, "reason": "Proved."})
        )
        self.assertLess(wizard.points, 0)
        wizard.points = -20
        wizard.action_confirm()
        self.assertRecordValues(case, [{"state": "ruled", "ruling": "confirmed", "points": -20}])
        self.assertEqual(self.distributor_north._get_credit_points()[self.distributor_north.id], points - 20)
        with self.assertRaises(UserError):
            case._rule("confirmed", "Twice")
        case._appeal("The items were a gift.")
        self.assertEqual(case.state, "appealed")
        case.with_env(self.env).action_grant_appeal()
        self.assertEqual(self.distributor_north._get_credit_points()[self.distributor_north.id], points)
        self.assertRecordValues(case, [{"state": "closed", "points": 0, "appeal_outcome": "granted"}])

    def test_a_quarter_without_a_case_counts_once(self):
        """An open case keeps the quarter from counting; one that was not proved gives it back."""
        north, south = self.distributor_north, self.distributor_south
        Case, Entry = self.env["dms.diversion.case"], self.env["dms.credit.entry"]
        case = Case.create({"partner_id": north.id, "date": "2025-05-10"})

        def clean():
            Entry._post_clean_periods(date(2025, 4, 1), self.company, date(2025, 7, 1))
            return Entry.search([("code", "=", "clean_period"), ("partner_id", "in", (north | south).ids)])

        self.assertRecordValues(clean(), [{"partner_id": south.id, "date": date(2025, 6, 30), "points": 5}])
        case._rule("dismissed", "Not proved.")
        self.assertEqual(clean().partner_id, north | south)
        self.assertEqual(len(clean()), 2)

    def test_an_appeal_is_for_somebody_else_than_who_ruled(self):
        alert = self._alert(self.serials[0], postcode="2000")
        other = self._create_staff("colleague", "dms_traceability.dms_traceability_group_inspector")
        case = (
            self.env["dms.diversion.case"]
            .with_user(self.inspector)
            .create({"partner_id": self.distributor_north.id, "alert_ids": alert.ids})
        )
        case._rule("confirmed", "Proved.", points=-20)
        self.assertFalse(case.appeal_hint)
        case._appeal("A gift.")
        for decide in ("action_grant_appeal", "action_reject_appeal"):
            for mine in (case, case.sudo()):
                with self.assertRefused("You made the ruling in .*somebody else decides.*colleague"):
                    getattr(mine, decide)()
        self.assertIn("colleague", case.appeal_hint)
        self.assertFalse(case.with_user(other).appeal_hint)
        elsewhere = self.env["res.company"].create({"name": "Elsewhere"})
        other.write({"company_ids": [Command.set(elsewhere.ids)], "company_id": elsewhere.id})
        self.env.invalidate_all()
        self.assertNotIn("colleague", case.appeal_hint, "a colleague of another company is none")
        other.write({"company_ids": [Command.set(self.company.ids)], "company_id": self.company.id})
        role = self.env.ref("dms_traceability.dms_traceability_group_inspector")
        case._get_appeal_judges().sudo().write({"group_ids": [Command.unlink(role.id)]})
        self.env.invalidate_all()
        self.assertRegex(case.appeal_hint, "nobody else has the role .*Inspector.* another user")
        with self.assertRefused("nobody else has the role"):
            case.action_grant_appeal()
        other.sudo().write({"group_ids": [Command.link(role.id)]})
        case.with_user(other).action_reject_appeal()
        self.assertRecordValues(case, [{"state": "closed", "appeal_outcome": "rejected", "points": -20}])

    def test_dismissed_case_costs_nothing(self):
        alert = self._alert(self.serials[0], postcode="2000")
        case = (
            self.env["dms.diversion.case"]
            .with_user(self.inspector)
            .create({"partner_id": self.distributor_north.id, "alert_ids": alert.ids})
        )
        case._rule("dismissed", "A gift.")
        self.assertFalse(case.credit_entry_id)
        with self.assertRaises(UserError):
            case._appeal("Why?")

    def test_only_inspectors_rule(self):
        alert = self._alert(self.serials[0], postcode="2000")
        case = self.env["dms.diversion.case"].create(
            {"partner_id": self.distributor_north.id, "alert_ids": alert.ids}
        )
        with self.assertRaises(UserError):
            case._answer("Before the hearing")
        with self.assertRaises(AccessError):
            case.with_user(self.user_channel)._rule("confirmed", "No")
        with self.assertRaises(AccessError):
            case.with_user(self.user_channel).write({"answer_deadline": "2030-01-01"})

    def test_nobody_writes_facts_or_states(self):
        alert = self._alert(self.serials[0], postcode="2000")
        other = self._alert(self.serials[0], country=self.env.ref("base.fr"))
        case = (
            self.env["dms.diversion.case"]
            .with_user(self.inspector)
            .create({"partner_id": self.distributor_north.id, "alert_ids": alert.ids})
        )
        for record, vals in (
            (alert, {"state": "dismissed"}),
            (alert, {"partner_id": self.distributor_south.id}),
            (case, {"state": "closed"}),
            (case, {"ruling": "dismissed"}),
            (case, {"alert_ids": [Command.link(other.id)]}),
            (self.order, {"state": "draft"}),
            (self.order, {"first_key": 1}),
        ):
            with self.assertRaises(UserError, msg=str(vals)), self.env.cr.savepoint():
                record.with_context(dms_guarded_write=True).write(vals)
        for vals in (
            {"partner_id": self.distributor_north.id, "alert_ids": alert.ids},
            {"partner_id": self.distributor_south.id, "alert_ids": other.ids},
            {"partner_id": self.distributor_north.id, "state": "ruled"},
        ):
            with self.assertRaises(UserError, msg=str(vals)), self.env.cr.savepoint():
                self.env["dms.diversion.case"].with_user(self.inspector).create(vals)
        alert.user_id = self.inspector
        case.user_id = self.env.user

    def test_staff_can_read_the_screens(self):
        alert = self._alert(self.serials[0], postcode="2000")
        case = self.env["dms.diversion.case"].create(
            {"partner_id": self.distributor_north.id, "alert_ids": alert.ids}
        )
        code = self.env["dms.code"].browse(self.order.first_key)
        self.env.invalidate_all()
        for user in (self.inspector, self.user_channel):
            for record in (alert, case, code, self.order, code.event_ids):
                arch = self.env[record._name].with_user(user).get_views([(False, "list"), (False, "form")])
                names = set(arch["models"][record._name]["fields"])
                self.assertTrue(record.with_user(user).read(sorted(names)), record._name)
                for name in names:
                    if record._fields[name].relational:
                        record.with_user(user).mapped(f"{name}.display_name")

    def test_dismissed_alert_is_not_joined(self):
        alert = self._alert(self.serials[0], postcode="2000")
        alert.with_user(self.inspector).action_dismiss()
        self.assertNotEqual(self._alert(self.serials[1], postcode="2000"), alert)
        alert.with_user(self.inspector).action_reopen()
        self.assertEqual(alert.state, "open")

    def test_portal_sees_its_own_case_once_heard(self):
        clerk, sibling = self.clerk_north, self.clerk_south
        alert = self._alert(self.serials[0], postcode="2000")
        case = self.env["dms.diversion.case"].create(
            {"partner_id": self.distributor_north.id, "alert_ids": alert.ids}
        )
        self.assertFalse(case.with_user(clerk).has_access("read"))
        case.action_hear()
        self.assertTrue(case.with_user(clerk).has_access("read"))
        self.assertIn("South", case.with_user(clerk).summary)
        self.assertFalse(case.with_user(sibling).has_access("read"))
        self.assertFalse(case.with_user(clerk).has_access("write"))
        for model in ("dms.scan", "dms.diversion.alert", "dms.code", "dms.trace.event", "dms.code.order"):
            self.assertFalse(self.env[model].with_user(clerk).has_access("read"), model)
        case.with_user(clerk)._answer("No.")
        self.assertEqual(case.answer, "No.")

    def test_diverted_items_leave_the_base_of_rebates(self):
        self.company._dms_prepare_rebate_accounts()
        program = self.env["dms.rebate.program"].create(
            {
                "name": "Clean",
                "code": "CLEAN",
                "date_start": fields.Date.today().replace(month=1, day=1),
                "accrual_policy": "periodic",
                "leaves_out_diverted": True,
                "tier_ids": [Command.create({"rate": 10})],
            }
        )
        program.action_publish()
        invoice = self.env["account.move"].create(
            {
                "move_type": "out_invoice",
                "partner_id": self.distributor_north.id,
                "invoice_date": fields.Date.today(),
                "invoice_line_ids": [
                    Command.create({"product_id": self.order.product_id.id, "quantity": 24, "price_unit": 10})
                ],
            }
        )
        invoice.action_post()
        program._accrue_difference()
        balance = self.env["dms.rebate.balance"].search([("program_id", "=", program.id)])
        whole, price = balance.earned_amount, balance.measure_amount / 24
        self.assertGreater(whole, 0)
        alert = self._alert(self.serials[0], postcode="2000")
        case = self.env["dms.diversion.case"].create(
            {"partner_id": self.distributor_north.id, "alert_ids": alert.ids}
        )
        program._accrue_difference()
        self.assertEqual(balance.earned_amount, whole, "an open case takes nothing")
        case.with_user(self.inspector)._rule("confirmed", "Proved.")
        program._accrue_difference()
        self.assertAlmostEqual(balance.earned_amount, whole - price / 10, 2)
        self.assertIn("Less diverted goods", balance.explanation)
        case._appeal("A gift.")
        case.action_grant_appeal()
        program._accrue_difference()
        self.assertEqual(balance.earned_amount, whole)

    def _report(self, serial, device="d1", kind="price", **place):
        scan = self._scan(serial, device=device, **(place or {"postcode": "2000"}))
        scan.user_id = self.env.ref("base.public_user")
        return (
            self.env["dms.scan.report"]._report(scan, kind, "Half the price").sudo(False).with_env(self.env)
        )

    def test_reports_trigger_nothing_alone(self):
        Alert, Case = self.env["dms.diversion.alert"], self.env["dms.diversion.case"]
        before = Alert.search_count([]), Case.search_count([])
        for serial in self.serials[:12]:
            self._report(serial)
        self.env["dms.diversion.detection"].sudo()._detect(self.company)
        self.assertEqual((Alert.search_count([]), Case.search_count([])), before)
        report = self._report(self.serials[13])
        with self.assertRaises(AccessError):
            report.with_user(self.user_channel).action_raise_alert()
        report.with_user(self.inspector).action_raise_alert()
        self.assertEqual(report.alert_id, report.scan_id.alert_id)
        self.assertTrue(report.alert_id)

    def test_a_ruling_scores_reporters_and_its_reversal_takes_that_back(self):
        right, other = self._report(self.serials[0], "d1"), self._report(self.serials[1], "d1")
        damaged = self._report(self.serials[0], "d1", kind="damaged")
        right.with_user(self.inspector).action_raise_alert()
        case = (
            self.env["dms.diversion.case"]
            .with_user(self.inspector)
            .browse(right.alert_id.with_user(self.inspector).action_open_case()["res_id"])
        )
        self.assertEqual((other.reporter_score, other.reporter_judged), (0.5, 0))
        case._rule("confirmed", "Proved.", points=-20)
        self.env.invalidate_all()
        self.assertEqual((right | other | damaged).mapped("verdict"), ["confirmed", "open", "open"])
        self.assertEqual((right.state, right.verdict_case_id), ("handled", case))
        self.assertAlmostEqual(other.reporter_score, 2 / 3)
        self.assertEqual(right.reporter_judged, 0, "a report does not speak for itself")
        self.assertEqual(self._report(self.serials[2], "d2").reporter_score, 0.5)
        case._appeal("A gift.")
        case.with_env(self.env).action_grant_appeal()
        self.env.invalidate_all()
        self.assertEqual((right.verdict, other.reporter_score), ("open", 0.5))
        other.with_user(self.inspector).action_refute()
        self.assertAlmostEqual(right.reporter_score, 1 / 3)
        with self.assertRaises(AccessError):
            other.with_user(self.user_channel).action_confirm()
        with self.assertRaises(AccessError):
            other.with_user(self.inspector).write({"verdict": "confirmed"})

    def test_scores_of_a_list_are_one_query(self):
        for number in range(8):
            self._report(self.serials[number], f"d{number}")
        self.env.invalidate_all()
        reports = self.env["dms.scan.report"].with_user(self.inspector).search([])
        reports.mapped("verdict")
        with self.assertQueryCount(1):
            reports.mapped("reporter_score")
