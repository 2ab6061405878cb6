from datetime import date

import numpy as np

from odoo import api, models
from odoo.tools import SQL, date_utils

from ..tools.diversion import clones, prices, volume
from ..tools.diversion.judge import benjamini_hochberg

# Months of sell-in that teach, and those that are judged, without the one that is running.
VOLUME_MONTHS, VOLUME_JUDGED = 18, 2
LEAST_PARTNERS, LEAST_MONTHS = 8, 6
# Accepted share of false alarms, and by how much the expectation must be exceeded for somebody to care.
VOLUME_LEVEL, VOLUME_FACTOR = 0.05, 1.5
# By how much a neighbour must gain, and the other lose, in the month that an alert is about.
SHIFT_LEVEL, SHIFT_FACTOR = 0.05, 1.2
CLONE_DAYS = 60
PRICE_DAYS, PRICE_LEVEL, LEAST_SOURCES = 90, 0.05, 3
# Kinds of alerts that this model raises.
SIGNALS = ("volume", "shift", "price", "clone")


class DmsDiversionSignal(models.AbstractModel):
    """Other traces of diverted goods, which the nightly job looks for beside the scans' places.

    Each alert says by how much something is out of the ordinary and how many of such alerts are expected to be false. None
    does more than ask an inspector to look.
    """

    _name = "dms.diversion.signal"
    _description = "Traces of Diverted Goods"

    @api.model
    def _detect(self, company, today):
        """Raise or renew the alerts of a company. Doing it again changes nothing.

        :return: the alerts that stand, new and renewed
        """
        Alert = self.env["dms.diversion.alert"].sudo()
        found = Alert
        for origin in SIGNALS:
            vals_by_key = getattr(self, f"_find_{origin}")(company, today)
            found |= Alert.concat(*Alert._renew(company, origin, vals_by_key).values())
        return found

    @api.model
    def _prepare_vals(self, company, partner_id, product_id, window, q, figures, dates=(False, False)):
        return {
            "company_id": company.id,
            "partner_id": partner_id,
            "product_id": product_id,
            "window_start": window,
            "q_value": float(f"{q:.3g}"),
            "date_first": dates[0],
            "date_last": dates[1],
            "figures": figures,
        }

    # === VOLUME ===

    @api.model
    def _find_volume(self, company, today):
        """Distributors that took far more of a product in a month than the month, and their own usual, explain."""
        tests = []
        for product_id, (start, partners, shipped, judged) in self._judge_volumes(company, today).items():
            for row, partner_id in enumerate(partners):
                for number in range(VOLUME_MONTHS - VOLUME_JUDGED, VOLUME_MONTHS):
                    tests.append(
                        (
                            judged.p[row, number], partner_id, product_id, start + number,
                            shipped[row, number], judged.expected[row, number],
                            judged.deviation[row, number],
                        )
                    )  # fmt: skip
        vals_by_key = {}
        q_values = benjamini_hochberg(np.array([test[0] for test in tests]))
        for q, (_p, partner_id, product_id, number, units, expected, deviation) in zip(
            q_values, tests, strict=True
        ):
            if q <= VOLUME_LEVEL and units >= VOLUME_FACTOR * expected:
                window = date(number // 12, number % 12 + 1, 1)
                vals_by_key[partner_id, product_id, window] = self._prepare_vals(
                    company,
                    partner_id,
                    product_id,
                    window,
                    q,
                    {
                        "units": round(float(units), 2),
                        "expected": round(float(expected), 2),
                        "deviation": round(float(deviation), 1),
                    },
                )
        return vals_by_key

    @api.model
    def _judge_volumes(self, company, today):
        """Sell-in of the last months, by one query.

        :return: ``{product id: (number of the first month, partner ids, units (partners, months), Volumes)}`` of those
            distributors that are known for long enough, and those products that enough of them take
        """
        month = today.replace(day=1)
        since = date_utils.subtract(month, months=VOLUME_MONTHS)
        self.env["dms.channel.move"].flush_model()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT product_id, partner_id,
                       (EXTRACT(YEAR FROM date) * 12 + EXTRACT(MONTH FROM date) - 1)::integer, SUM(quantity)
                  FROM dms_channel_move
                 WHERE company_id = %s AND kind = 'sell_in' AND date >= %s AND date < %s
              GROUP BY 1, 2, 3
                """,
                company.id,
                since,
                month,
            )
        )
        start = since.year * 12 + since.month - 1
        by_product, found = {}, {}
        for product_id, partner_id, number, quantity in rows:
            by_product.setdefault(product_id, []).append((partner_id, number - start, float(quantity)))
        for product_id, items in by_product.items():
            partners = sorted({partner_id for partner_id, _month, _quantity in items})
            row_of = {partner_id: row for row, partner_id in enumerate(partners)}
            shipped = np.zeros((len(partners), VOLUME_MONTHS))
            for partner_id, number, quantity in items:
                shipped[row_of[partner_id], number] += max(quantity, 0.0)
            taught = shipped[:, : VOLUME_MONTHS - VOLUME_JUDGED]
            known = (taught > 0).sum(1) >= LEAST_MONTHS
            if known.sum() < LEAST_PARTNERS:
                continue
            usual = np.array([np.median(row[row > 0]) for row in taught[known]])[:, None]
            shipped = shipped[known]
            found[product_id] = (
                start,
                np.array(partners)[known].tolist(),
                shipped,
                volume.judge(shipped, usual),
            )
        return found

    # === NEIGHBOURS ===

    @api.model
    def _find_shift(self, company, today):
        """Neighbours of whom one gains what the other loses, month after month and in one of the last two months.

        It is a kind of its own, and no evidence within the volume alerts: these test one month of one distributor, this the
        whole course of a pair. A pair whose goods go to and fro need not have any month that is remarkable by itself; and
        each family of tests keeps its promised share of false alarms only if it is corrected by itself.
        """
        volumes = self._judge_volumes(company, today)
        areas = self._get_areas(company, today) if volumes else {}
        tests = []
        for product_id, (start, partners, shipped, judged) in volumes.items():
            near, places = self._get_neighbours([areas.get(partner_id, {}) for partner_id in partners])
            pairs = volume.opposed(judged.deviation, near)
            tests += [
                (p, correlation, pair, product_id, start, partners, shipped, judged, places)
                for p, correlation, *pair in zip(
                    pairs.p, pairs.correlation, pairs.first, pairs.second, strict=True
                )
            ]
        vals_by_key = {}
        q_values = benjamini_hochberg(np.array([test[0] for test in tests]))
        for q, test in sorted(
            zip(q_values, tests, strict=True), key=lambda row: (-row[0], row[1][2], row[1][3])
        ):
            if q > SHIFT_LEVEL:
                continue
            _p, correlation, pair, product_id, start, partners, shipped, judged, places = test
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = shipped[pair] / judged.expected[pair]
                recent = ratio[:, VOLUME_MONTHS - VOLUME_JUDGED :]
                # What both did: the lesser of the gain and the loss, for either of them as the one who gains.
                strength = np.minimum(recent, 1 / recent[::-1])
            side, month = np.unravel_index(np.nan_to_num(strength).argmax(), strength.shape)
            if not strength[side, month] >= SHIFT_FACTOR:
                continue
            gains, loses = pair[side], pair[1 - side]
            number = VOLUME_MONTHS - VOLUME_JUDGED + int(month)
            window = date((start + number) // 12, (start + number) % 12 + 1, 1)
            vals = self._prepare_vals(
                company,
                partners[gains],
                product_id,
                window,
                q,
                {
                    "other": partners[loses],
                    "units": round(float(shipped[gains, number]), 2),
                    "expected": round(float(judged.expected[gains, number]), 2),
                    "other_units": round(float(shipped[loses, number]), 2),
                    "other_expected": round(float(judged.expected[loses, number]), 2),
                    "correlation": round(float(correlation), 2),
                    "first_month": start,
                    "ratios": [
                        [round(float(value), 2) if value > 0 else None for value in ratio[which]]
                        for which in (side, 1 - side)
                    ],
                },
            )
            vals["territory_id"] = places[gains, loses]
            # Of several neighbours in one territory the surest comes last, and stands.
            vals_by_key[partners[gains], product_id, window, vals["territory_id"]] = vals
        return vals_by_key

    @api.model
    def _get_areas(self, company, today):
        """Where distributors may sell: ``{partner id: {territory id: id of the territory above}}``, by one query."""
        for name in ("dms.agreement", "dms.agreement.line", "dms.territory"):
            self.env[name].flush_model()
        areas = {}
        for partner_id, territory_id, parent_id in self.env.execute_query(
            SQL(
                """
                SELECT DISTINCT agreement.partner_id, territory.id, territory.parent_id
                  FROM dms_agreement AS agreement
                  JOIN dms_agreement_line AS line ON line.agreement_id = agreement.id
                  JOIN dms_territory AS territory ON territory.id = line.territory_id
                 WHERE agreement.company_id = %s AND agreement.state = 'active' AND agreement.date_start <= %s
                """,
                company.id,
                today,
            )
        ):
            areas.setdefault(partner_id, {})[territory_id] = parent_id
        return areas

    @api.model
    def _get_neighbours(self, areas):
        """Pairs of distributors that have territories side by side, which are parts of one, and none in common: who shares a
        territory competes in it, and goods there are where they may be.

        :param list areas: see :meth:`_get_areas`, one dict for each distributor
        :return: bool (distributors, distributors), and ``{(gains, loses): id of the loser's territory}``
        """
        near, places, under = np.zeros((len(areas), len(areas)), bool), {}, {}
        for row, area in enumerate(areas):
            for territory_id, parent_id in area.items():
                if parent_id:
                    under.setdefault(parent_id, []).append((territory_id, row))
        for members in under.values():
            for territory_id, row in sorted(members):
                for _territory, other in members:
                    if other != row and not areas[row].keys() & areas[other].keys():
                        near[row, other] = near[other, row] = True
                        places.setdefault((other, row), territory_id)
        return near, places

    # === PRICES ===

    @api.model
    def _find_price(self, company, today):
        """Goods that are sold below guidance, and far below what others ask for them in the same territory.

        What consumers report counts once for a reporter and product, and only from three reporters on; what an inspector
        saw counts by itself.
        """
        self.env["dms.scan"].flush_model()
        self.env["dms.scan.report"].flush_model()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT DISTINCT ON (scan.partner_id, scan.product_id, scan.territory_id, source)
                       scan.partner_id, scan.product_id, scan.territory_id, report.price,
                       COALESCE(report.reporter, 'report ' || report.id) AS source, scan.kind = 'inspector', scan.date
                  FROM dms_scan_report AS report
                  JOIN dms_scan AS scan ON scan.id = report.scan_id
                 WHERE scan.company_id = %s AND report.price > 0 AND scan.date >= %s AND scan.result = 'genuine'
                   AND scan.partner_id IS NOT NULL AND scan.territory_id IS NOT NULL
                   AND report.verdict <> 'refuted'
              ORDER BY scan.partner_id, scan.product_id, scan.territory_id, source, scan.date DESC
                """,
                company.id,
                date_utils.subtract(today, days=PRICE_DAYS),
            )
        )
        if not rows:
            return {}
        partner, product, territory, price, _source, inspected, moment = zip(*rows, strict=True)
        guidance = self.env["dms.guidance.price"]._get_prices(
            self.env["product.product"].browse(set(product)),
            self.env["dms.territory"].browse(set(territory)),
            today,
            company,
        )
        floor = np.array(
            [guidance[key].price_min or np.nan for key in zip(product, territory, strict=True)], float
        )
        markets = {
            key: number for number, key in enumerate(sorted(set(zip(product, territory, strict=True))))
        }
        market = np.array([markets[key] for key in zip(product, territory, strict=True)])
        judged = prices.judge(np.array(price, float), market, floor, PRICE_LEVEL)
        vals_by_key = {}
        window = today.replace(day=1)
        members = {}
        for row in np.flatnonzero(judged.low):
            members.setdefault((partner[row], product[row], territory[row]), []).append(row)
        for key, own in members.items():
            if len(own) < LEAST_SOURCES and not any(inspected[row] for row in own):
                continue
            first = min(own, key=lambda row: judged.q[row])
            months = [moment[row] for row in own]
            vals = self._prepare_vals(
                company,
                key[0],
                key[1],
                min(window, max(months).date().replace(day=1)),
                float(max(judged.q[row] for row in own)),
                {
                    "sources": len(own),
                    "price": round(float(np.median([price[row] for row in own])), 2),
                    "floor": None if np.isnan(floor[first]) else round(float(floor[first]), 2),
                    "local": round(float(judged.local[first]), 2),
                    "currency": company.currency_id.id,
                },
                (min(months), max(months)),
            )
            vals["territory_id"] = key[2]
            vals_by_key[key[0], key[1], vals["window_start"], key[2]] = vals
        return vals_by_key

    # === COPIED CODES ===

    @api.model
    def _find_clone(self, company, today):
        """Codes that more than one item must carry, by the distributor to which the item was shipped."""
        self.env["dms.scan"].flush_model()
        self.env["dms.code.consumption"].flush_model()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT scan.code_key, EXTRACT(EPOCH FROM scan.date) / 86400.0, NULLIF(scan.latitude, 0),
                       NULLIF(scan.longitude, 0), COALESCE(NULLIF(scan.device, ''), 'scan ' || scan.id),
                       EXTRACT(EPOCH FROM used.date) / 86400.0, scan.partner_id, scan.product_id,
                       COALESCE(picking.date_done, scan.date), scan.date
                  FROM dms_scan AS scan
             LEFT JOIN stock_picking AS picking ON picking.id = scan.picking_id
             LEFT JOIN dms_code_consumption AS used ON used.code_key = scan.code_key
                 WHERE scan.company_id = %s AND scan.code_key IS NOT NULL AND scan.date >= %s
                   AND scan.partner_id IS NOT NULL AND scan.kind = 'consumer'
                """,
                company.id,
                date_utils.subtract(today, days=CLONE_DAYS),
            )
        )
        if not rows:
            return {}
        code, day, latitude, longitude, device, ended, partner, product, shipped, moment = zip(
            *rows, strict=True
        )
        numbers = [
            np.array([np.nan if value is None else float(value) for value in column], float)
            for column in (day, latitude, longitude, ended)
        ]
        codes = np.array(code, np.int64)
        devices = np.unique(np.array(device, dtype=object), return_inverse=True)[1]
        found = clones.judge(codes, *numbers[:3], devices, numbers[3])
        copied = set(found.code[found.cloned].tolist())
        place_of = {number: place for place, number in enumerate(found.code.tolist())}
        members = {}
        for row in np.flatnonzero(np.isin(codes, list(copied))):
            key = (partner[row], product[row], shipped[row].date().replace(day=1))
            members.setdefault(key, []).append(row)
        vals_by_key = {}
        for key, own in members.items():
            places = [place_of[number] for number in {code[row] for row in own}]
            fastest = max(places, key=lambda place: found.speed[place])
            months = [moment[row] for row in own]
            vals = self._prepare_vals(
                company,
                *key,
                float(found.q[places].max()),
                {
                    "codes": len(places),
                    "speed": round(float(found.speed[fastest])),
                    "distance": round(float(found.distance[fastest])),
                    "late": int(found.late[places].max()),
                    "devices": int(found.devices[places].max()),
                },
                (min(months), max(months)),
            )
            vals.update(
                code_count=len(places), scan_count=len(own), device_count=len({device[row] for row in own})
            )
            vals_by_key[key] = vals
        return vals_by_key
