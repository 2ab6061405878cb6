from datetime import timedelta

import numpy as np

from odoo import fields
from odoo.tests import tagged
from odoo.tools import SQL, date_utils

from .common import DmsTraceCommon


@tagged("post_install", "-at_install")
class TestDiversionSignal(DmsTraceCommon):
    """What the nightly job sees beside the places of scans: volumes, prices, copies."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.today = fields.Date.context_today(cls.env.user)
        cls.partners = cls.env["res.partner"].create(
            [{"name": f"Dealer {n}", "is_company": True, "channel_role": "distributor"} for n in range(20)]
        )
        cls.other = cls.product.copy({"name": "Black Tea", "barcode": False})

    def _detect(self, company=None):
        company = company or self.company
        return self.env["dms.diversion.signal"].sudo()._detect(company, self.today)

    # Volume

    def _sell_in(self, jump=(), seesaw=()):
        """Each dealer takes its usual of two products every month, a fifth more or less; ``jump`` takes four times as much.
        Of the two in ``seesaw`` one gains what the other loses, in the last month the first, twice of what is usual."""
        dice, rows = np.random.default_rng(3), []
        moved = np.append(np.random.default_rng(7).permutation(np.linspace(-0.7, 0.6, 17)), 0.7)
        first = date_utils.subtract(self.today.replace(day=1), months=18)
        for number, partner in enumerate(self.partners):
            usual = 50.0 * (number + 1)
            for month in range(18):
                for product in (self.product, self.other):
                    units = usual * np.exp(dice.normal(0, 0.15))
                    if (number, month) in jump and product == self.product:
                        units *= 4
                    if number in seesaw and product == self.product:
                        side = 1 if number == seesaw[0] else -1
                        units *= np.exp(side * moved[month])
                    rows.append(
                        (
                            partner.id,
                            product.id,
                            date_utils.add(first, months=month, days=4),
                            round(float(units)),
                        )
                    )
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO dms_channel_move (kind, company_id, partner_id, product_id, date, quantity, currency_id)
                SELECT 'sell_in', %s, partner, product, day, quantity, %s
                  FROM unnest(%s::integer[], %s::integer[], %s::date[], %s::numeric[]) AS row (partner, product, day, quantity)
                """,
                self.company.id,
                self.company.currency_id.id,
                *map(list, zip(*rows, strict=True)),
            )
        )
        self.env["dms.channel.move"].invalidate_model()

    def test_a_month_far_above_the_usual(self):
        self._sell_in(jump={(4, 17), (7, 3)})
        alert = self._detect()
        self.assertRecordValues(
            alert,
            [
                {
                    "origin": "volume",
                    "partner_id": self.partners[4].id,
                    "product_id": self.product.id,
                    "window_start": date_utils.subtract(self.today.replace(day=1), months=1),
                    "state": "open",
                }
            ],
        )
        self.assertLessEqual(alert.q_value, 0.05)
        self.assertGreater(alert.figures["units"], 3 * alert.figures["expected"])
        for words in ("Dealer 4", "Green Tea", "expected", "1,000 alerts", "promotion"):
            self.assertIn(words, alert.reason)
        self.assertFalse(self.env["dms.credit.entry"].search([("partner_id", "=", alert.partner_id.id)]))
        before = alert.read()
        self.assertEqual(self._detect(), alert)
        self.env.invalidate_all()
        self.assertEqual(alert.read(), before)
        alert.with_user(self.inspector).action_dismiss()
        self.assertFalse(self._detect())
        self.assertEqual(alert.state, "dismissed")

    def test_the_usual_raises_nothing(self):
        self._sell_in()
        self.assertFalse(self._detect())

    def test_a_case_on_it_tells_the_distributor_what_and_no_more(self):
        self._sell_in(jump={(4, 17)})
        alert = self._detect().with_user(self.inspector)
        case = self.env["dms.diversion.case"].browse(alert.action_open_case()["res_id"])
        self.assertIn("Green Tea", case.summary)
        self.assertNotIn("1,000 alerts", case.summary)

    # Neighbours

    def _share_out(self, territories):
        """Give each dealer one of the territories; four of them lie side by side in each of five regions."""
        regions = self.env["dms.territory"].create([{"name": f"Region {n}"} for n in range(5)])
        zones = self.env["dms.territory"].create(
            [{"name": f"Zone {n}", "parent_id": regions[n // 4].id} for n in range(20)]
        )
        agreements = self.env["dms.agreement"].create(
            [
                {
                    "partner_id": partner.id,
                    "date_start": "2020-01-01",
                    "line_ids": [(0, 0, {"territory_id": zones[number].id})],
                }
                for partner, number in zip(self.partners, territories, strict=True)
            ]
        )
        self.env.flush_all()
        self.env.cr.execute("UPDATE dms_agreement SET state = 'active' WHERE id = ANY(%s)", [agreements.ids])
        self.env.invalidate_all()
        return zones

    def test_one_neighbour_gains_what_the_other_loses(self):
        self._sell_in(seesaw=(4, 5))
        self.assertFalse(
            self._detect().filtered(lambda alert: alert.origin == "shift"), "nobody knows who is a neighbour"
        )
        zones = self._share_out(range(20))
        Signal = self.env["dms.diversion.signal"].sudo()
        with self.assertQueryCount(2):
            Signal._find_shift(self.company, self.today)
        alert = self._detect().filtered(lambda alert: alert.origin == "shift")
        self.assertRecordValues(
            alert,
            [
                {
                    "partner_id": self.partners[4].id,
                    "product_id": self.product.id,
                    "territory_id": zones[5].id,
                    "window_start": date_utils.subtract(self.today.replace(day=1), months=1),
                }
            ],
        )
        self.assertLessEqual(alert.q_value, 0.05)
        self.assertLess(alert.figures["correlation"], -0.7)
        for words in ("Dealer 4", "Dealer 5", "Zone 5", "Green Tea", "expected", "1,000 alerts", "customer"):
            self.assertIn(words, alert.reason)
        self.assertIn("<polyline", alert.evidence)
        self.assertIn("Dealer 5", alert.evidence)
        before = alert.read()
        self.assertIn(alert, self._detect())
        self.env.invalidate_all()
        self.assertEqual(alert.read(), before)
        case = self.env["dms.diversion.case"].browse(
            alert.with_user(self.inspector).action_open_case()["res_id"]
        )
        self.assertIn("Green Tea", case.summary)
        self.assertNotIn("Dealer 5", case.summary, "what another one takes is not for the distributor")
        self.assertFalse(self._detect().filtered(lambda alert: alert.origin == "shift"))

    def test_only_neighbours_with_areas_of_their_own_are_compared(self):
        self._sell_in(seesaw=(4, 5))
        zones = self._share_out([5, *range(1, 5), 0, *range(6, 20)])
        self.assertFalse(
            self._detect().filtered(lambda alert: alert.origin == "shift"), "they are in two regions"
        )
        self.env.cr.execute(
            "UPDATE dms_agreement_line SET territory_id = %s WHERE partner_id = ANY(%s)",
            [zones[4].id, self.partners[4:6].ids],
        )
        self.env.invalidate_all()
        self.assertFalse(
            self._detect().filtered(lambda alert: alert.origin == "shift"), "they compete in one territory"
        )

    # Scans

    def _scan(self, key, days, latitude=39.9, longitude=116.4, device="d1", partner=None, **values):
        partner = partner or self.distributor_north
        return (
            self.env["dms.scan"]
            .sudo()
            .create(
                {
                    "date": fields.Datetime.now() - timedelta(days=20) + timedelta(days=days),
                    "result": "genuine",
                    "code_key": key,
                    "product_id": self.product.id,
                    "company_id": self.company.id,
                    "partner_id": partner.id,
                    "latitude": latitude,
                    "longitude": longitude,
                    "territory_id": self.territory_south.id,
                    "device": device,
                    **values,
                }
            )
        )

    def test_a_code_in_two_places_at_once(self):
        for number in range(40):
            self._scan(100 + number, number / 4, device=f"own{number}")
        self.assertFalse(self._detect())
        self._scan(7, 0.0, device="a")
        self._scan(7, 0.03, 31.2, 121.5, device="b")
        alert = self._detect()
        self.assertRecordValues(
            alert,
            [
                {
                    "origin": "clone",
                    "partner_id": self.distributor_north.id,
                    "code_count": 1,
                    "device_count": 2,
                }
            ],
        )
        for words in ("two places", "km/h", "1,000 alerts", "accuse nobody"):
            self.assertIn(words, alert.reason)
        self.assertEqual(self._detect(), alert)

    # Prices

    def _report(self, price, device, partner, kind="consumer", verdict="open", **values):
        self.serial = getattr(self, "serial", 0) + 1
        scan = self._scan(1000 + self.serial, 1, device=device, partner=partner, kind=kind, **values)
        scan.user_id = self.env.ref("base.public_user") if kind == "consumer" else self.inspector
        report = self.env["dms.scan.report"]._report(scan, "price", price=price)
        if verdict != "open":
            report._judge(verdict)
        return report

    def _usual_prices(self):
        self.env["dms.guidance.price"].create(
            {
                "product_id": self.product.id,
                "territory_id": self.territory_south.id,
                "price_min": 90,
                "price_recommended": 100,
                "price_max": 120,
                "date_from": "2020-01-01",
            }
        )
        for number in range(12):
            self._report(str(97 + number % 5), f"s{number}", self.distributor_south)

    def test_prices_below_guidance_and_all_others(self):
        self._usual_prices()
        for number in range(2):
            self._report("¥ 55.50", f"n{number}", self.distributor_north)
        # The same telephone again is the same source, and what was not confirmed is none.
        self._report("54", "n1", self.distributor_north)
        self._report("54", "n2", self.distributor_north, verdict="refuted")
        self.assertFalse(self._detect(), "two reporters trigger nothing")
        self._report("56", "n3", self.distributor_north)
        alert = self._detect()
        self.assertRecordValues(
            alert,
            [
                {
                    "origin": "price",
                    "partner_id": self.distributor_north.id,
                    "territory_id": self.territory_south.id,
                }
            ],
        )
        self.assertEqual((alert.figures["sources"], alert.figures["floor"]), (3, 90))
        for words in ("55", "South", "guidance", "1,000 alerts"):
            self.assertIn(words, alert.reason)
        self.assertEqual(self._detect(), alert)

    def test_an_inspectors_price_speaks_alone(self):
        self._usual_prices()
        self._report("55", "i1", self.distributor_north, kind="inspector")
        self.assertEqual(self._detect().origin, "price")

    def test_each_territory_has_an_alert_of_its_own(self):
        self._usual_prices()
        north = {"territory_id": self.territory_north.id}
        for number in range(12):
            self._report(str(97 + number % 5), f"t{number}", self.distributor_south, **north)
        for number in range(3):
            self._report("55", f"n{number}", self.distributor_north)
            self._report("60", f"m{number}", self.distributor_north, **north)
        alerts = self._detect()
        self.assertEqual(len(alerts), 2)
        self.assertEqual(alerts.territory_id, self.territory_north | self.territory_south)
        self.assertEqual(len(set(alerts.mapped("window_start"))), 1)
        of_north = alerts.filtered(lambda alert: alert.territory_id == self.territory_north)
        self.assertEqual((of_north.figures["price"], (alerts - of_north).figures["price"]), (60, 55))
        before = alerts.read()
        self.assertEqual(self._detect(), alerts)
        self.env.invalidate_all()
        self.assertEqual(alerts.read(), before)
        of_north.with_user(self.inspector).action_dismiss()
        self.assertEqual(self._detect(), alerts - of_north)
        self.assertEqual(of_north.state, "dismissed")

    def test_prices_are_read_as_people_write_them(self):
        Report = self.env["dms.scan.report"]
        for text, price in (
            ("19.90", 19.9), ("¥ 1,200.50", 1200.5), ("19,9 元", 19.9), ("", 0), (None, 0), ("cheap", 0), ("12345678901", 0),
        ):  # fmt: skip
            self.assertEqual(Report._read_price(text), price, text)

    def test_other_companies_stay_out(self):
        self._sell_in(jump={(4, 17)})
        other = self.env["res.company"].create({"name": "Elsewhere"})
        self.assertFalse(self._detect(other))

    def test_the_nightly_job_looks_at_all_of_it(self):
        self._sell_in(jump={(4, 17)})
        job = self.env.ref("dms_traceability.ir_cron_dms_diversion_detection")
        with self.enter_registry_test_mode():
            job.method_direct_trigger()
        alert = self.env["dms.diversion.alert"].search([("partner_id", "=", self.partners[4].id)])
        self.assertEqual(alert.origin, "volume")
