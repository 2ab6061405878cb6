import logging
from datetime import date

import numpy as np

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL, date_utils

from odoo.addons.dms_channel.tools import guard

from ..tools.diversion import baseline, evidence, judge, places

_logger = logging.getLogger(__name__)

# Months of shipments that are judged anew, and those from which honest travel is learnt.
JUDGED_MONTHS, LEARNT_MONTHS = 6, 12
KINDS = ("consumer", "outlet", "inspector")
HOME_PLACES, FOREIGN_PLACES = 8, 12


class DmsDiversionDetection(models.AbstractModel):
    """The nightly look at the scans: arrays out of the database, judged by ``tools/diversion``, alerts back into it."""

    _name = "dms.diversion.detection"
    _description = "Diversion Detection"

    @api.model
    def _cron_detect(self):
        """Judge the scans of all companies, each in a transaction of its own: what was cut off is done the next time."""
        companies = self.env["res.company"].search(Domain.TRUE)
        today = fields.Date.context_today(self)
        cron = self.env["ir.cron"]
        cron._commit_progress(remaining=len(companies))
        for company in companies:
            self.with_company(company)._detect(company, today)
            self.env["dms.diversion.signal"].with_company(company)._detect(company, today)
            if not cron._commit_progress(1):
                break

    @api.model
    def _detect(self, company, today=None):
        """Judge a company's scans and raise or renew the alerts. Doing it again changes nothing.

        An alert that somebody has dismissed or taken into a case is left as it is.

        :return: the alerts that stand, new and renewed
        """
        today = fields.Date.to_date(today) or fields.Date.context_today(self)
        Alert = self.env["dms.diversion.alert"]
        self.env.cr.execute(
            "SELECT pg_advisory_xact_lock(hashtext('dms_diversion_detection'), %s)", [company.id]
        )
        columns = self._read_scans(company, today)
        if not len(columns["id"]):
            return Alert
        found = self._judge(columns)
        first = today.year * 12 + today.month - 1 - JUDGED_MONTHS
        return self._store(company, found, first)

    @api.model
    def _read_scans(self, company, today):
        """Scans of shipped goods in places that are known well enough to compare, as arrays by column."""
        self.env["dms.scan"].flush_model()
        self.env["stock.picking"].flush_model(["date_done"])
        since = date_utils.subtract(today.replace(day=1), months=LEARNT_MONTHS)
        names = (
            "id", "dealer", "product", "window", "kind", "day", "unit", "case", "device", "network", "inside",
            "place", "latitude", "longitude",
        )  # fmt: skip
        rows = self.env.execute_query(
            SQL(
                """
                SELECT scan.id, scan.partner_id, scan.product_id,
                       EXTRACT(YEAR FROM picking.date_done) * 12 + EXTRACT(MONTH FROM picking.date_done) - 1,
                       ARRAY_POSITION(%(kinds)s, scan.kind) - 1, EXTRACT(EPOCH FROM scan.date) / 86400.0,
                       scan.code_key, COALESCE(box.parent, -1),
                       COALESCE(NULLIF(scan.device, ''), CASE WHEN scan.kind = 'consumer' THEN 'scan ' || scan.id
                                                              ELSE 'user ' || scan.user_id END),
                       COALESCE(NULLIF(scan.address, ''), 'scan ' || scan.id), scan.area = 'inside',
                       CONCAT_WS('|', COALESCE(scan.territory_id, 0), COALESCE(scan.country_id, 0),
                                 COALESCE(scan.state_id, 0), LOWER(COALESCE(scan.city, ''))),
                       NULLIF(scan.latitude, 0), NULLIF(scan.longitude, 0)
                  FROM dms_scan scan
                  JOIN stock_picking picking ON picking.id = scan.picking_id
             LEFT JOIN LATERAL (
                        SELECT pack.parent FROM dms_trace_pack pack
                         WHERE int8range(pack.first, pack.last, '[]') @> scan.code_key
                           AND pack.packed_on <= picking.date_done
                      ORDER BY pack.packed_on DESC LIMIT 1) box ON TRUE
                 WHERE scan.company_id = %(company)s AND scan.result = 'genuine' AND scan.area IN ('inside', 'outside')
                   AND scan.partner_id IS NOT NULL AND picking.date_done >= %(since)s
                """,
                kinds=list(KINDS),
                company=company.id,
                since=since,
            )
        )
        table = list(zip(*rows, strict=True)) or [()] * len(names)
        columns = dict(zip(names, table, strict=True))
        for name, values in columns.items():
            if name in ("day", "latitude", "longitude"):
                columns[name] = np.array([np.nan if v is None else float(v) for v in values], float)
            elif name in ("device", "network", "place"):
                columns[name] = np.array(values, dtype=object)
            else:
                columns[name] = np.array([int(v) for v in values], np.int64)
        return columns

    @api.model
    def _judge(self, columns):
        """Judge the arrays of :meth:`_read_scans`; what comes back names its dealers, products, windows and places."""
        named, numbers = {}, {}
        for name in ("dealer", "product", "window", "place", "device", "network"):
            named[name], numbers[name] = np.unique(columns[name], return_inverse=True)
        # Windows without a scan keep their place in time.
        windows = np.arange(named["window"][0], named["window"][-1] + 1)
        numbers["window"] = columns["window"] - windows[0]
        named["window"] = windows
        scans = evidence.Scans(
            numbers["dealer"], numbers["product"], numbers["window"], numbers["place"], columns["kind"],
            columns["day"], columns["unit"], columns["case"], numbers["device"], numbers["network"],
        )  # fmt: skip
        # What is home for one product may not be for another: most scans decide.
        sides = np.zeros((2, len(named["dealer"]), len(named["place"])))
        np.add.at(sides, (columns["inside"], scans.dealer, scans.place), 1)
        is_home = sides[1] > sides[0]
        position = [
            self._get_middle(columns[name], scans.place, len(named["place"]))
            for name in ("latitude", "longitude")
        ]
        classes = places.classes(is_home, *position)
        shape = tuple(len(named[name]) for name in ("dealer", "product", "window"))
        gathered = evidence.gather(scans, shape, is_home)
        model = baseline.fit(gathered, classes)
        return {
            "named": named,
            "ids": columns["id"],
            "scans": scans,
            "is_home": is_home,
            "position": position,
            "evidence": gathered,
            "baseline": model,
            "findings": judge.judge(scans, gathered, model),
        }

    @api.model
    def _get_middle(self, values, place, count):
        """Mean of the known values by place, NaN where there is none."""
        known = ~np.isnan(values)
        total = np.bincount(place[known], values[known], count)
        number = np.bincount(place[known], minlength=count)
        return np.where(number > 0, total / np.maximum(number, 1), np.nan)

    # --- Writing ----------------------------------------------------------------------------------

    @api.model
    def _store(self, company, found, first_window):
        """Raise or renew the alerts of what was found in windows from ``first_window`` on."""
        named, findings = found["named"], found["findings"]
        chosen = []
        for dealer, window in np.argwhere(findings.alert):
            if named["window"][window] < first_window:
                continue
            likely = findings.log_e_product[dealer, :, window]
            products = np.flatnonzero(findings.posterior_product[dealer, :, window] >= 0.5)
            chosen += [
                (dealer, product, window) for product in (products if len(products) else [likely.argmax()])
            ]
        vals_by_key = {}
        for spot in chosen:
            if vals := self._prepare_vals(company, found, spot):
                vals_by_key[vals["partner_id"], vals["product_id"], vals["window_start"]] = vals
        scan_ids = {key: vals.pop("scans") for key, vals in vals_by_key.items()}
        Alert = self.env["dms.diversion.alert"].sudo()
        alert_of = Alert._renew(company, "statistics", vals_by_key)
        self._link_scans(alert_of, scan_ids)
        _logger.info("Diversion: %s alerts of %s", len(alert_of), company.name)
        return Alert.concat(*alert_of.values())

    @api.model
    def _link_scans(self, alert_of, scan_ids):
        """Tie the scans to their alerts, and give these their authorised areas, figures and dates, set by set."""
        pairs = [(int(scan), alert.id) for key, alert in alert_of.items() for scan in scan_ids[key]]
        if not pairs:
            return
        self.env["dms.scan"].flush_model()
        self.env.cr.execute(
            """
            UPDATE dms_scan scan SET alert_id = pair.alert
              FROM unnest(%s::integer[], %s::integer[]) AS pair(scan, alert)
             WHERE scan.id = pair.scan AND scan.alert_id IS NULL
            """,
            [[scan for scan, _alert in pairs], [alert for _scan, alert in pairs]],
        )
        self.env["dms.scan"].invalidate_model(["alert_id"])
        self.env["dms.diversion.alert"].invalidate_model(["scan_ids"])
        for alert in alert_of.values():
            alert._update_figures()
            if not alert.authorised_ids:
                pickings_sudo = alert.scan_ids.sudo().picking_id
                allowed = self.env["dms.territory"]
                for picking in pickings_sudo:
                    allowed |= picking._dms_get_authorised_territories(alert.product_id)
                guard.mark(alert).authorised_ids = allowed

    @api.model
    def _prepare_vals(self, company, found, spot):
        """Values of the alert on one distributor, product and window; None where no place of its own speaks."""
        dealer, product, window = spot
        cells, scans, findings = found["evidence"], found["scans"], found["findings"]
        named = found["named"]
        mine = (cells.dealer == dealer) & (cells.product == product) & (cells.window == window)
        speaking = np.flatnonzero(mine & (findings.cell_log_e > 0))
        if not len(speaking):
            return None
        speaking = speaking[np.argsort(-cells.count[speaking].sum(1), kind="stable")]
        total = cells.total[:, dealer, product, window].sum()
        of_spot = (scans.dealer == dealer) & (scans.product == product) & (scans.window == window)
        home = np.flatnonzero(found["is_home"][dealer])
        at_home = np.bincount(scans.place[of_spot], minlength=len(named["place"]))[home]
        order = np.argsort(-at_home, kind="stable")[:HOME_PLACES]
        abroad = [
            {
                **self._describe_place(found, cells.place[cell]),
                "found": int(cells.count[cell].sum()),
                "expected": round(float(findings.cell_expected[cell]), 2),
                "split": int(cells.split[cell]),
            }
            for cell in speaking[:FOREIGN_PLACES]
        ]
        rows = np.flatnonzero(of_spot & np.isin(scans.place, cells.place[speaking]))
        top = abroad[0]
        month = int(named["window"][window])
        return {
            "company_id": company.id,
            "partner_id": int(named["dealer"][dealer]),
            "product_id": int(named["product"][product]),
            "window_start": date(month // 12, month % 12 + 1, 1),
            "territory_id": top["territory"],
            "country_id": False if top["territory"] else top["country"],
            "found_count": int(cells.count[mine].sum()),
            "total_count": int(total),
            "expected_count": round(
                float(
                    found["baseline"].share[dealer, product, window] * cells.total[0, dealer, product, window]
                ),
                2,
            ),
            "q_value": float(f"{findings.q[dealer, window]:.3g}"),
            "posterior": round(float(findings.posterior[dealer, window]), 4),
            "figures": {
                "abroad": abroad,
                "home": [
                    {**self._describe_place(found, home[index]), "found": int(at_home[index])}
                    for index in order
                    if at_home[index]
                ],
            },
            "scans": found["ids"][rows],
        }

    @api.model
    def _describe_place(self, found, number):
        territory, country, state, city = found["named"]["place"][number].split("|", 3)
        latitude, longitude = (values[number] for values in found["position"])
        return {
            "territory": int(territory) or False,
            "country": int(country) or False,
            "state": int(state) or False,
            "city": city,
            "position": None if np.isnan(latitude + longitude) else [round(latitude, 2), round(longitude, 2)],
        }
