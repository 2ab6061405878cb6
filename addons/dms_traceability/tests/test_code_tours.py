from odoo.tests import HttpCase, tagged

from .common import DmsTraceCommon


@tagged("post_install", "-at_install")
class TestCodeTours(DmsTraceCommon, HttpCase):
    """The life of codes in a real browser: ordered, printed, packed, scanned out, looked at by a consumer on a phone."""

    def test_from_order_to_consumer(self):
        self.start_tour(
            "/odoo/action-dms_traceability.dms_code_order_action",
            "dms_code_order",
            login=self.user_manager.login,
        )
        order = self.env["dms.code.order"].search([("product_id", "=", self.product.id)])
        self.assertRecordValues(
            order, [{"state": "active", "quantity": 48, "packed_count": 48, "lot_id": self.lot.id}]
        )
        self._print(order)
        picking = self._create_delivery(48)
        labels = ",".join(
            f"HTTPS://X/01/{order.case_gtin}/21/{serial}" for serial in self._serials(order, "case")
        )
        self.start_tour(
            f"/odoo/action-stock.action_picking_tree_all/{picking.id}?codes={labels}",
            "dms_scan_out",
            login=self.storeman.login,
        )
        self.env.invalidate_all()
        self.assertEqual((picking.state, picking.dms_unit_count), ("done", 48))
        self._look(f"/01/{order.gtin}/21/{self._serials(order)[7]}")

    def _print(self, order):
        self.authenticate(self.user_manager.login, self.user_manager.login)
        response = self.url_open(order.action_print_labels()["url"])
        self.assertEqual(response.headers["Content-Type"], "application/pdf")
        self.assertTrue(response.content.startswith(b"%PDF"))

    def _look(self, url):
        """A consumer's phone, 390 px wide; no script of the web client is on that page."""
        self.browser_size, self.touch_enabled = "390x844", True
        self.authenticate(None, None)
        self.browser_js(
            url,
            """
            const text = document.body.innerText;
            const faults = [
                [document.querySelector("h1").innerText.includes("Genuine"), "it is genuine"],
                [text.includes("Green Tea") && text.includes("B001"), "product and batch are said"],
                [!text.includes("North Trading"), "nobody is named"],
                [document.documentElement.scrollWidth <= 390, "it fits a phone"],
                [document.querySelector("#report summary"), "a problem can be reported"],
            ].filter(([holds]) => !holds).map(([_holds, what]) => what);
            faults.length ? console.error("Not true: " + faults + " in: " + text) : console.log("test successful");
            """,
            "document.readyState === 'complete'",
        )
