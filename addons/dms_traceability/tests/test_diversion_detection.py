from datetime import datetime, timedelta

import numpy as np

from odoo.tests import tagged

from .common import DmsTraceCommon


@tagged("post_install", "-at_install")
class TestDiversionDetection(DmsTraceCommon):
    """Forty distributors each have a zone; goods travel a little, and some of them sell a part of theirs in zone 8."""

    DEALERS, SCANS = 40, 60

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.territories = cls.env["dms.territory"].create(
            [
                {"name": f"Zone {n}", "country_ids": [(6, 0, cls.country.ids)], "zip_prefixes": f"7{n:02}"}
                for n in range(cls.DEALERS)
            ]
        )
        cls.partners = cls.env["res.partner"].create(
            [
                {
                    "name": f"Dealer {n}",
                    "is_company": True,
                    "channel_role": "distributor",
                    "country_id": cls.country.id,
                    "zip": f"7{n}00",
                }
                for n in range(cls.DEALERS)
            ]
        )
        cls.pickings = cls.env["stock.picking"].create(
            [
                {
                    "picking_type_id": cls.warehouse.out_type_id.id,
                    "partner_id": partner.id,
                    "location_id": cls.warehouse.lot_stock_id.id,
                    "location_dest_id": cls.env.ref("stock.stock_location_customers").id,
                }
                for partner in cls.partners
            ]
        )
        cls.now = datetime.now().replace(microsecond=0)
        cls.shipped = (cls.now.replace(day=1) - timedelta(days=40)).replace(day=2)
        cls.env.flush_all()
        cls.env.cr.execute(
            "UPDATE stock_picking SET date_done = %s WHERE id = ANY(%s)", [cls.shipped, cls.pickings.ids]
        )
        cls.env.invalidate_all()

    def _scan_all(self, diverting=(), burst=False):
        """Every dealer's goods are scanned 60 times, a twentieth anywhere; ``diverting`` have 30 more in zone 8."""
        dice, vals_list, key = np.random.default_rng(5), [], 10**9
        for number in range(self.DEALERS):
            places = [
                number if dice.random() > 0.05 else int(dice.integers(self.DEALERS))
                for _ in range(self.SCANS)
            ]
            places += [8] * 30 * (number in diverting)
            for index, place in enumerate(places):
                key += 1
                days = 1 + (0.01 * index if burst and index >= self.SCANS else float(dice.uniform(0, 45)))
                vals_list.append(
                    {
                        "date": self.shipped + timedelta(days=days),
                        "result": "genuine",
                        "area": "inside" if place == number else "outside",
                        "code_key": key,
                        "gtin": "1",
                        "serial": str(key),
                        "product_id": self.product.id,
                        "company_id": self.company.id,
                        "partner_id": self.partners[number].id,
                        "picking_id": self.pickings[number].id,
                        "country_id": self.country.id,
                        "territory_id": self.territories[place].id,
                        "device": f"{key:x}",
                        "address": f"10.{number}.{index}.0/24",
                    }
                )
        return self.env["dms.scan"].sudo().create(vals_list)

    def _detect(self):
        return self.env["dms.diversion.detection"].sudo()._detect(self.company)

    def test_the_diverter_is_found_and_nobody_else(self):
        self._scan_all(diverting=(2,))
        alert = self._detect()
        self.assertRecordValues(
            alert,
            [
                {
                    "partner_id": self.partners[2].id,
                    "product_id": self.product.id,
                    "origin": "statistics",
                    "window_start": self.shipped.date().replace(day=1),
                    "territory_id": self.territories[8].id,
                    "state": "open",
                    "case_id": False,
                }
            ],
        )
        self.assertLess(alert.q_value, 0.02)
        self.assertGreater(alert.posterior, 0.95)
        self.assertGreater(alert.found_count, 3 * alert.expected_count)
        for part in ("Dealer 2", "Zone 8", "1,000 alerts", "proves nothing"):
            self.assertIn(part, alert.reason)
        self.assertIn("Zone 8", alert.evidence)
        self.assertTrue(alert.scan_ids)
        self.assertEqual(alert.scan_ids.territory_id, self.territories[8])
        self.assertEqual(alert.code_count, len(set(alert.scan_ids.mapped("code_key"))))
        self.assertFalse(self.env["dms.credit.entry"].search([("partner_id", "=", self.partners[2].id)]))

    def test_twice_is_once(self):
        self._scan_all(diverting=(2,))
        alert = self._detect()
        before = alert.read()
        self.assertEqual(self._detect(), alert)
        self.env.invalidate_all()
        self.assertEqual(alert.read(), before)

    def test_what_was_decided_stays(self):
        self._scan_all(diverting=(2, 5))
        alerts = self._detect()
        self.assertEqual(alerts.partner_id, self.partners[2] | self.partners[5])
        alerts[0].with_user(self.inspector).action_dismiss()
        alerts[1].with_user(self.inspector).action_open_case()
        self.assertIn("Zone 8", alerts[1].case_id.summary)
        self.assertFalse(self._detect())
        self.assertEqual(alerts.mapped("state"), ["dismissed", "cased"])

    def test_honest_travel_raises_nothing(self):
        self._scan_all()
        self.assertFalse(self._detect())

    def test_a_rival_who_scans_in_one_go_raises_nothing(self):
        self._scan_all(diverting=(2,), burst=True)
        self.assertFalse(self._detect())

    def test_another_companys_scans_stay_out(self):
        scans = self._scan_all(diverting=(2,))
        other = self.env["res.company"].create({"name": "Elsewhere"})
        scans.flush_model()
        self.env.cr.execute("UPDATE dms_scan SET company_id = %s WHERE id = ANY(%s)", [other.id, scans.ids])
        self.env.invalidate_all()
        self.assertFalse(self._detect())
        alert = self.env["dms.diversion.detection"].sudo().with_company(other)._detect(other)
        self.assertEqual(alert.company_id, other)
        self.assertFalse(
            self.env["dms.diversion.alert"].with_user(self.inspector).search([("id", "in", alert.ids)])
        )

    def test_no_scans_no_alerts(self):
        self.assertFalse(self._detect())

    def test_the_number_of_queries_does_not_follow_the_scans(self):
        self._scan_all(diverting=(2,))
        self._detect()
        with self.assertQueryCount(25):
            self._detect()
