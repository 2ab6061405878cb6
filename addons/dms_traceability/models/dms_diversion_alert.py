from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL, format_date, formatLang

from odoo.addons.dms_channel.tools import guard

from ..tools.diversion import picture

# An alert is what the scans say; staff only take it on, dismiss it or open a case.
FACTS = {
    "authorised_ids",
    "case_id",
    "code_count",
    "company_id",
    "country_id",
    "date_first",
    "date_last",
    "device_count",
    "expected_count",
    "figures",
    "found_count",
    "name",
    "origin",
    "partner_id",
    "picking_id",
    "posterior",
    "product_id",
    "q_value",
    "scan_count",
    "scan_ids",
    "state",
    "territory_id",
    "total_count",
    "window_start",
}
# Kinds of which a distributor, product and month may have one in each territory.
BY_TERRITORY = ("price", "shift")


class DmsDiversionAlert(models.Model):
    _name = "dms.diversion.alert"
    _description = "Diversion Alert"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "date_last desc, id desc"

    name = fields.Char("Alert No.", readonly=True, copy=False, default=lambda self: self.env._("New"))
    company_id = fields.Many2one("res.company", required=True, readonly=True, index=True)
    partner_id = fields.Many2one("res.partner", "Distributor", required=True, readonly=True, index=True)
    product_id = fields.Many2one("product.product", required=True, readonly=True, index=True)
    picking_id = fields.Many2one("stock.picking", "Delivery", readonly=True, index="btree_not_null")
    territory_id = fields.Many2one(
        "dms.territory", "Found In Territory", readonly=True, index="btree_not_null"
    )
    country_id = fields.Many2one("res.country", "Found In Country", readonly=True)
    place = fields.Char("Found In", compute="_compute_place")
    authorised_ids = fields.Many2many("dms.territory", string="Authorised Area", readonly=True)
    scan_ids = fields.One2many("dms.scan", "alert_id", string="Scans", readonly=True)
    scan_count = fields.Integer("Number of Scans", readonly=True)
    code_count = fields.Integer(
        "Codes", readonly=True, help="Different items found outside the authorised area."
    )
    device_count = fields.Integer("Devices", readonly=True, help="Different devices that scanned them.")
    date_first = fields.Datetime("First Scan", readonly=True)
    date_last = fields.Datetime("Last Scan", readonly=True, index=True)
    origin = fields.Selection(
        [
            ("statistics", "Statistics"),
            ("volume", "Volume"),
            ("shift", "Neighbours"),
            ("price", "Retail Prices"),
            ("clone", "Copied Codes"),
            ("inspector", "Inspector"),
        ],
        "Raised By",
        default="inspector",
        required=True,
        readonly=True,
    )
    window_start = fields.Date("Shipped In", readonly=True, help="The month in which the goods were shipped.")
    found_count = fields.Integer(
        "Found Outside",
        readonly=True,
        help="Independent finds outside the area: a case, a device and a day count once.",
    )
    total_count = fields.Integer("Found in All", readonly=True)
    expected_count = fields.Float(
        "Usual Outside", digits=(16, 2), readonly=True, help="Finds outside that honest travel explains."
    )
    q_value = fields.Float(
        "False Alarm Rate",
        digits=(16, 6),
        readonly=True,
        aggregator="avg",
        help="Expected share of false alarms among all alerts that are at least as strong.",
    )
    posterior = fields.Float(
        "Probability",
        digits=(16, 4),
        readonly=True,
        aggregator="avg",
        help="Probability that goods were diverted.",
    )
    figures = fields.Json(readonly=True)
    evidence = fields.Html(compute="_compute_evidence", sanitize=False)
    reason = fields.Text(compute="_compute_reason")
    state = fields.Selection(
        [("open", "Open"), ("cased", "In a Case"), ("dismissed", "Dismissed")],
        "Status",
        default="open",
        required=True,
        readonly=True,
        tracking=True,
        index=True,
    )
    case_id = fields.Many2one("dms.diversion.case", "Diversion Case", readonly=True, index="btree_not_null")
    user_id = fields.Many2one("res.users", "Inspector", tracking=True)
    inspection_count = fields.Integer(
        "Inspections",
        compute="_compute_inspection_count",
        groups="dms_traceability.dms_traceability_group_inspector",
    )

    _window_uniq = models.UniqueIndex(
        "(company_id, partner_id, product_id, window_start, origin, "
        f"(CASE WHEN origin IN {BY_TERRITORY} THEN COALESCE(territory_id, 0) ELSE 0 END)) WHERE origin != 'inspector'",
        "There is an alert on this distributor, product and month already.",
    )

    @api.depends("territory_id", "country_id")
    @api.depends_context("lang")
    def _compute_place(self):
        for alert in self:
            alert.place = alert.territory_id.display_name or alert.country_id.name

    @api.depends(
        "authorised_ids", "code_count", "device_count", "figures", "picking_id", "place", "scan_count"
    )
    @api.depends_context("lang")
    def _compute_reason(self):
        explain = {
            "statistics": type(self)._explain,
            "volume": type(self)._explain_volume,
            "shift": type(self)._explain_shift,
            "price": type(self)._explain_price,
            "clone": type(self)._explain_clone,
            "inspector": type(self)._explain_scans,
        }
        for alert in self:
            alert.reason = explain[alert.origin](alert)

    @api.depends("figures")
    @api.depends_context("lang")
    def _compute_evidence(self):
        for alert in self:
            if alert.origin == "shift" and alert.figures:
                alert.evidence = alert._draw_shift()
                continue
            if alert.origin != "statistics" or not alert.figures:
                alert.evidence = False
                continue
            names = alert._get_place_names()
            alert.evidence = picture.draw(
                [(names[key], row) for key, row in alert._iter_places("abroad")],
                [(names[key], row) for key, row in alert._iter_places("home")],
                title=self.env._("Where the goods were found"),
                found=self.env._("found"),
                expected=self.env._("usual"),
                home_label=self.env._("authorised area"),
            )

    def _compute_inspection_count(self):
        counts = dict(
            self.env["dms.inspection"]._read_group([("alert_id", "in", self.ids)], ["alert_id"], ["__count"])
        )
        for alert in self:
            alert.inspection_count = counts.get(alert, 0)

    def _iter_places(self, side):
        for row in self.figures[side]:
            yield (row["territory"], row["country"], row["state"], row["city"]), row

    def _get_place_names(self):
        """Names of the places in the figures, in the reader's language: the city, else the region or territory."""
        keys = [key for side in ("abroad", "home") for key, _row in self._iter_places(side)]
        records = {
            model: self.env[model].sudo().browse({key[index] for key in keys if key[index]}).exists()
            for index, model in enumerate(("dms.territory", "res.country", "res.country.state"))
        }
        names = [{record.id: record.display_name for record in each} for each in records.values()]
        territory, country, state = names
        return {
            key: (key[3].title() if key[3] else "")
            or territory.get(key[0])
            or state.get(key[2])
            or country.get(key[1])
            or self.env._("unknown place")
            for key in keys
        }

    def _explain(self):
        """What the statistics found, in words and figures."""
        self.ensure_one()
        names = self._get_place_names()
        lines = [
            self.env._(
                "%(product)s shipped to %(distributor)s in %(month)s: %(found)s of %(total)s independent finds were "
                "outside its area, where %(expected)s are usual.",
                product=self.product_id.display_name,
                distributor=self.partner_id.display_name,
                month=format_date(self.env, self.window_start, date_format="y-MM"),
                found=self.found_count,
                total=self.total_count,
                expected=self._say_number(1, self.expected_count),
            )
        ]
        for key, row in self._iter_places("abroad"):
            lines.append(
                self.env._(
                    "%(place)s: %(found)s found, %(expected)s usual.",
                    place=names[key],
                    found=row["found"],
                    expected=self._say_number(1, row["expected"]),
                )
            )
            if row["split"]:
                lines.append(
                    self.env._(
                        "In %(place)s, several items of one case were found by different devices: cases %(cases)s.",
                        place=names[key],
                        cases=row["split"],
                    )
                )
        lines.append(
            self.env._(
                "Probability of diversion %(probability)s %%. Of 1,000 alerts as strong as this, %(rate)s are expected to "
                "be false.",
                probability=self._say_number(1, min(100 * self.posterior, 99.9)),
                rate=self._say_number(2, max(1000 * self.q_value, 0.01)),
            )
        )
        lines.append(
            self.env._(
                "This proves nothing yet: a rival may have scanned the goods there. Have it inspected."
            )
        )
        return "\n".join(lines)

    def _say_signal(self):
        """Product, distributor and month of an alert, to fill in sentences."""
        return {
            "product": self.product_id.display_name,
            "distributor": self.partner_id.display_name,
            "month": format_date(self.env, self.window_start, date_format="y-MM"),
        }

    def _say_false_rate(self):
        return self.env._(
            "Of 1,000 alerts as strong as this, %s are expected to be false.",
            self._say_number(2, max(1000 * self.q_value, 0.01)),
        )

    def _explain_volume(self):
        figures = self.figures
        return "\n".join(
            (
                self.env._(
                    "%(distributor)s took %(units)s of %(product)s in %(month)s, where %(expected)s were expected by what it"
                    " usually takes and by what that month did to all distributors. That is %(deviation)s times the usual"
                    " deviation.",
                    units=self._say_number(0, figures["units"]),
                    expected=self._say_number(0, figures["expected"]),
                    deviation=self._say_number(1, figures["deviation"]),
                    **self._say_signal(),
                ),
                self._say_false_rate(),
                self.env._(
                    "A promotion, a new customer or stocking up explains much: compare with its sell-through and stock first."
                ),
            )
        )

    def _explain_shift(self):
        figures = self.figures
        other = self.env["res.partner"].sudo().browse(figures["other"])
        return "\n".join(
            (
                # The distributor reads this line in its case: nothing of the other one.
                self.env._(
                    "%(distributor)s took %(units)s of %(product)s in %(month)s, where %(expected)s were expected by what it"
                    " usually takes and by what that month did to all distributors.",
                    units=self._say_number(0, figures["units"]),
                    expected=self._say_number(0, figures["expected"]),
                    **self._say_signal(),
                ),
                self.env._(
                    "Its neighbour %(other)s in %(place)s took %(units)s, where %(expected)s were expected.",
                    other=other.display_name,
                    place=self.place,
                    units=self._say_number(0, figures["other_units"]),
                    expected=self._say_number(0, figures["other_expected"]),
                ),
                self.env._(
                    "Over %(months)s months one has gained when the other lost: their correlation is %(correlation)s, further"
                    " from zero than chance and the correlation of distributors who are no neighbours explain.",
                    months=len(figures["ratios"][0]),
                    correlation=self._say_number(2, figures["correlation"]),
                ),
                self._say_false_rate(),
                self.env._(
                    "A customer who buys now here and now there explains it as well, and so does a promotion of one of them:"
                    " compare their sell-through and outlets first."
                ),
            )
        )

    def _draw_shift(self):
        figures = self.figures
        other = self.env["res.partner"].sudo().browse(figures["other"])
        months = [
            fields.Date.to_date(f"{number // 12}-{number % 12 + 1:02}-01")
            for number in (figures["first_month"] + step for step in range(len(figures["ratios"][0])))
        ]
        return picture.draw_courses(
            [
                (record.display_name, ratios)
                for record, ratios in zip((self.partner_id, other), figures["ratios"], strict=True)
            ],
            [format_date(self.env, month, date_format="y-MM") for month in (months[0], months[-1])],
            title=self.env._("What each took, compared with what was expected"),
            usual=self.env._("as expected"),
        )

    def _explain_price(self):
        figures = self.figures
        currency = self.env["res.currency"].browse(figures["currency"])
        said = [
            self.env._(
                "%(product)s that was shipped to %(distributor)s is sold at %(price)s in %(place)s, as %(sources)s independent"
                " sources say, where others ask %(local)s.",
                price=currency.format(figures["price"]),
                local=currency.format(figures["local"]),
                sources=figures["sources"],
                place=self.place,
                **{name: value for name, value in self._say_signal().items() if name != "month"},
            )
        ]
        if figures["floor"]:
            said.append(self.env._("The lowest guidance price is %s.", currency.format(figures["floor"])))
        said += [
            self._say_false_rate(),
            self.env._(
                "A shop may also sell off what is about to expire. Have the price and the batch looked at."
            ),
        ]
        return "\n".join(said)

    def _explain_clone(self):
        figures = self.figures
        said = [
            self.env._(
                "%(codes)s codes of %(product)s that was shipped to %(distributor)s in %(month)s were scanned as one item"
                " can't be.",
                codes=figures["codes"],
                **self._say_signal(),
            )
        ]
        if figures["speed"]:
            said.append(
                self.env._(
                    "One was in two places %(distance)s km apart, at a speed of %(speed)s km/h.",
                    distance=self._say_number(0, figures["distance"]),
                    speed=self._say_number(0, figures["speed"]),
                )
            )
        if figures["late"]:
            said.append(
                self.env._(
                    "One was scanned %s times more than a day after it had been opened.", figures["late"]
                )
            )
        said += [
            self.env._("One was scanned by %s different telephones.", figures["devices"]),
            self._say_false_rate(),
            self.env._(
                "Copies accuse nobody: whoever copied the codes may have bought one item in any shop. Have it inspected."
            ),
        ]
        return "\n".join(said)

    def _say_number(self, digits, value):
        return formatLang(self.env, value, digits=digits)

    def _explain_scans(self):
        picking_sudo = self.sudo().picking_id
        return self.env._(
            "%(product)s was scanned in %(found)s: items %(codes)s, scans %(scans)s, devices %(devices)s. "
            "It was shipped to %(distributor)s with %(picking)s on %(date)s, when its agreement covered: %(allowed)s.",
            codes=self.code_count,
            scans=self.scan_count,
            devices=self.device_count,
            product=self.product_id.display_name,
            found=self.place,
            distributor=self.partner_id.display_name,
            picking=picking_sudo.name,
            date=format_date(self.env, picking_sudo.date_done),
            allowed=", ".join(self.authorised_ids.mapped("display_name")),
        )

    def write(self, vals):
        if not guard.is_marked(self) and FACTS & vals.keys():
            raise UserError(
                self.env._("An alert follows from its scans and can't be edited: dismiss it, or open a case.")
            )
        return super().write(vals)

    def action_dismiss(self):
        self.check_access("write")
        if any(alert.state != "open" for alert in self):
            raise UserError(
                self.env._("Only open alerts can be dismissed. An alert in a case is decided by its ruling.")
            )
        guard.mark(self).write({"state": "dismissed", "user_id": self.env.uid})
        return True

    def action_reopen(self):
        if any(alert.state != "dismissed" for alert in self):
            raise UserError(self.env._("Only dismissed alerts can be opened again."))
        guard.mark(self).write({"state": "open"})
        return True

    def action_open_case(self):
        """Open one case on the selected alerts: they must be about one distributor."""
        if any(alert.state != "open" for alert in self):
            raise UserError(
                self.env._("Choose open alerts only: the others are dismissed or in a case already.")
            )
        if len(self.partner_id) != 1 or len(self.company_id) != 1:
            raise UserError(
                self.env._(
                    "A case is about one distributor, and these alerts are about %s. Open one case for each.",
                    ", ".join(self.partner_id.mapped("display_name")),
                )
            )
        case = self.env["dms.diversion.case"].create(
            {
                "partner_id": self.partner_id.id,
                "company_id": self.company_id.id,
                "user_id": self.env.uid,
                "alert_ids": self.ids,
            }
        )
        return {
            "type": "ir.actions.act_window",
            "res_model": "dms.diversion.case",
            "res_id": case.id,
            "view_mode": "form",
            "views": [(False, "form")],
        }

    def action_open_scans(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_traceability.dms_scan_action")
        action["domain"] = [("alert_id", "in", self.ids)]
        action["context"] = {}
        return action

    def action_order_inspection(self):
        """Open an inspection order, filled in with what these alerts on one distributor say."""
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Order an Inspection"),
            "res_model": "dms.inspection",
            "view_mode": "form",
            "views": [(False, "form")],
            "context": self._prepare_inspection_context(),
        }

    def _prepare_inspection_context(self):
        territory = self.territory_id[:1]
        places = dict.fromkeys(
            alert.place for alert in self if alert.place and alert.territory_id != territory
        )
        return {
            "default_alert_id": self.id if len(self) == 1 else False,
            "default_partner_id": self.partner_id[:1].id,
            "default_company_id": self.company_id[:1].id,
            "default_product_ids": self.product_id.ids,
            "default_territory_id": territory.id,
            "default_place": ", ".join(places),
            "default_instructions": "\n".join(alert.reason for alert in self),
        }

    def action_open_inspections(self):
        self.ensure_one()
        return {
            **self.env["ir.actions.act_window"]._for_xml_id("dms_traceability.dms_inspection_action"),
            "domain": [("alert_id", "=", self.id)],
            "context": self._prepare_inspection_context(),
        }

    # --- Raising ----------------------------------------------------------------------------------

    @api.model
    def _raise(self, scans):
        """Join each scan to the open alert of an inspector on the same delivery, product and place."""
        for scan in scans:
            # Two scans of one delivery at once would otherwise open two alerts.
            self.env.cr.execute(
                "SELECT pg_advisory_xact_lock(hashtext('dms_diversion_alert'), %s)", [scan.picking_id.id]
            )
            alert = self.search(
                [
                    ("state", "=", "open"),
                    ("origin", "=", "inspector"),
                    ("picking_id", "=", scan.picking_id.id),
                    ("product_id", "=", scan.product_id.id),
                    ("territory_id", "=", scan.territory_id.id),
                    ("country_id", "=", False if scan.territory_id else scan.country_id.id),
                ],
                limit=1,
            )
            if not alert:
                alert = self.with_context(mail_create_nosubscribe=True).create(self._prepare_alert_vals(scan))
            scan.alert_id = alert
            alert._update_figures()

    @api.model
    def _prepare_alert_vals(self, scan):
        sequence = self.env["ir.sequence"].with_company(scan.company_id)
        return {
            "name": sequence.next_by_code("dms.diversion.alert"),
            "company_id": scan.company_id.id,
            "partner_id": scan.partner_id.id,
            "product_id": scan.product_id.id,
            "picking_id": scan.picking_id.id,
            "territory_id": scan.territory_id.id,
            "country_id": False if scan.territory_id else scan.country_id.id,
            "authorised_ids": scan.picking_id._dms_get_authorised_territories(scan.product_id).ids,
            "date_first": scan.date,
        }

    @api.model
    def _renew(self, company, origin, vals_by_key):
        """Raise alerts of a kind, or bring the open ones up to date; what somebody has decided on stays as it is.

        :param dict vals_by_key: values by (partner id, product id, first day of the window); kinds that tell territories
            apart have the territory's id as well
        :return: dict of the same keys: the alerts that are open
        """
        known = {
            alert._get_key(): alert
            for alert in self.search([("company_id", "=", company.id), ("origin", "=", origin)])
        }
        standing, new = {}, {}
        sequence = self.env["ir.sequence"].with_company(company)
        for key, vals in vals_by_key.items():
            alert = known.get(key)
            if not alert:
                new[key] = {**vals, "origin": origin, "name": sequence.next_by_code("dms.diversion.alert")}
            elif alert.state == "open":
                changed = {
                    name: value for name, value in vals.items()
                    if alert._fields[name].convert_to_cache(value, alert) != alert._fields[name].convert_to_cache(alert[name], alert)
                }  # fmt: skip
                if changed:
                    guard.mark(alert).write(changed)
                standing[key] = alert
        created = self.with_context(mail_create_nosubscribe=True).create(list(new.values()))
        return standing | dict(zip(new, created, strict=True))

    def _get_key(self):
        """What makes an alert of the nightly job the same one the next night; see ``_window_uniq``."""
        key = (self.partner_id.id, self.product_id.id, self.window_start)
        return (*key, self.territory_id.id) if self.origin in BY_TERRITORY else key

    def _update_figures(self):
        self.ensure_one()
        self.env["dms.scan"].flush_model()
        ((scans, codes, devices, first, last),) = self.env.execute_query(
            SQL(
                "SELECT count(*), count(DISTINCT code_key), count(DISTINCT device), min(date), max(date) "
                "FROM dms_scan WHERE alert_id = %s",
                self.id,
            )
        )
        guard.mark(self).write(
            {
                "scan_count": scans,
                "code_count": codes,
                "device_count": devices,
                "date_first": first,
                "date_last": last,
            }
        )
