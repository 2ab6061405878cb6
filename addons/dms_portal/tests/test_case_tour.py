from odoo.tests import tagged

from odoo.addons.dms_traceability.tools import gs1

from .common import DmsPortalCommon

PHONE = "390x844"
DESKTOP = "1366x768"


@tagged("post_install", "-at_install")
class TestCaseTour(DmsPortalCommon):
    """From a consumer's report to the reversal of the ruling, each step by the person who takes it, on its screen."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.company._dms_prepare_rebate_accounts()
        cls.company.dms_diversion_account_id = cls.env["account.account"].create(
            {"name": "Claw-backs", "code": "458100", "account_type": "income_other"}
        )
        cls.scout = cls._create_staff("scout", "dms_traceability.dms_traceability_group_field_inspector")
        cls.colleague = cls._create_staff("colleague", "dms_traceability.dms_traceability_group_inspector")
        order = cls._order_codes(24, 24)
        picking = cls._create_delivery(24)
        picking._dms_assign_codes()
        picking.button_validate()
        cls.serials = cls._serials(order)

    def _tour(self, name, user, url, size=DESKTOP):
        self.browser_size = size
        self.start_tour(url, f"dms_case_{name}", login=user.login)
        self.env.invalidate_all()

    def _form(self, name, user, action, record):
        self._tour(name, user, f"/odoo/action-dms_traceability.{action}/{record.id}")

    def _consume(self):
        """Script of a consumer who says where he is and reports the price; true once he is thanked.

        The page's own policy forbids scripts, so no tour runs there; what the browser's tools evaluate does.
        """
        state = self.country.state_ids.sorted("name")[:1]
        region = f"s{state.id}" if state else f"c{self.country.id}"
        return f"""
            (function () {{
                const text = document.body.innerText;
                if (text.includes("Thank you.")) return true;
                const place = document.querySelector("#place"), form = document.querySelector("#report_form");
                if (!text.includes("meant for another area")) {{
                    if (!place || place.zip.value) return false;
                    place.region.value = "{region}";
                    place.zip.value = "2000";
                    place.querySelector("button[type=submit]").click();
                }} else if (form && !form.price.value) {{
                    form.closest("details").open = true;
                    form.kind.value = "price";
                    form.price.value = "55.50";
                    form.querySelector("button[type=submit]").click();
                }}
                return false;
            }})()
        """

    def test_from_report_to_reversal(self):
        owed = self.distributor_north._get_credit_points()[self.distributor_north.id]
        Report = self.env["dms.scan.report"]
        before = Report.search([])
        self.browser_size = PHONE
        path = gs1.digital_link("", "00614141999996", self.serials[0])
        self.browser_js(path, "console.log('test successful')", ready=self._consume(), login=None)
        self.env.invalidate_all()
        report = Report.search([]) - before
        self.assertRecordValues(report, [{"kind": "price", "price": 55.5, "alert_id": False}])

        self._form("report", self.inspector, "dms_scan_report_action", report)
        alert = report.alert_id
        self._form("order", self.inspector, "dms_diversion_alert_action", alert)
        inspection = self.env["dms.inspection"].search([("alert_id", "=", alert.id)])
        self.assertEqual(inspection.user_id, self.scout)

        self._tour(
            "inspect", self.scout, f"/dms/inspection/{inspection.id}?code={self.serials[1]}", size=PHONE
        )
        self.assertRecordValues(inspection, [{"state": "done", "result": "found", "seal_state": "intact"}])

        self._form("hear", self.inspector, "dms_diversion_alert_action", alert)
        case = alert.case_id
        self._tour("answer", self.clerk_north, f"/my/cases/{case.id}", size=PHONE)
        self._form("rule", self.inspector, "dms_diversion_case_action", case)
        self.assertRecordValues(case, [{"ruling": "confirmed", "charge_amount": 33.34}])
        self.assertEqual(report.verdict, "confirmed")
        self.assertLess(self.distributor_north._get_credit_points()[self.distributor_north.id], owed)

        self._tour("appeal", self.clerk_north, f"/my/cases/{case.id}", size=PHONE)
        self._form("four_eyes", self.inspector, "dms_diversion_case_action", case)
        self._form("reverse", self.colleague, "dms_diversion_case_action", case)
        self.assertRecordValues(case, [{"state": "closed", "appeal_outcome": "granted"}])
        self.assertEqual(report.verdict, "open")
        self.assertEqual(self.distributor_north._get_credit_points()[self.distributor_north.id], owed)
        charged = case.sudo().charge_ids
        self.assertEqual(sum(charged.mapped("amount_total_signed")), 0)
        self.assertFalse(sum(charged.mapped("amount_residual_signed")))
        self._tour("reversed", self.clerk_north, f"/my/cases/{case.id}", size=PHONE)
