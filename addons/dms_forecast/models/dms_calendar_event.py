import io
from datetime import timedelta

import numpy as np

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL

from ..tools import pgcopy

KINDS = [
    ("holiday", "Holiday"),
    ("workday", "Make-up Workday"),
    ("closed", "Closed"),
    ("promotion", "Promotion"),
]
#: Families of special days as the engine knows them.
DAY_OFF, WORKDAY, BEFORE = 1, 2, 3
#: A day of the same feast is at most so many days from the feast's own.
REACH = 100
#: What of an event follows its programme once it is there; the rest a person may have changed.
DATED = {"name", "date_from", "date_to", "discount"}
USUAL_DISCOUNT = (
    0.1  # what a promotion counts as whose depth nobody knows (a gift, points), where no other has one
)
USUAL = 0.5  # share of the weeks in which a weekday has sales, for one without to count as not reported


class DmsCalendarEvent(models.Model):
    """Days on which demand is not as ever: holidays, make-up workdays, closed days, promotions."""

    _name = "dms.calendar.event"
    _description = "Calendar Event"
    _order = "date_from desc, id desc"
    _check_company_auto = True

    name = fields.Char(required=True, translate=True)
    active = fields.Boolean(default=True)
    kind = fields.Selection(KINDS, required=True, default="holiday")
    date_from = fields.Date("From", required=True)
    date_to = fields.Date(
        "Until", required=True, compute="_compute_date_to", store=True, readonly=False, precompute=True
    )
    feast = fields.Char(
        help="Same word, same feast: what it did in earlier years is expected again. Empty: a day off like any other."
    )
    feast_date = fields.Date(
        "Feast Day",
        help="Days are compared by their distance from it, e.g. the lunar New Year's Day, whatever its date. Empty: the first day.",
    )
    days_before = fields.Integer(
        "Days before", help="So many days before the first one are special too: shops stock up."
    )
    company_id = fields.Many2one("res.company", help="Empty: all companies.", index=True)
    country_id = fields.Many2one("res.country", help="Empty: everywhere.")
    territory_ids = fields.Many2many(
        "dms.territory", string="Territories", help="With those below. Empty: everywhere."
    )
    program_id = fields.Many2one(
        "loyalty.program",
        string="Promotion Programme",
        index="btree_not_null",
        ondelete="cascade",
        check_company=True,
    )
    discount = fields.Float("Discount (%)", help="How much lower the price is.")
    product_ids = fields.Many2many("product.product", string="Products", help="Empty: all.")
    categ_ids = fields.Many2many(
        "product.category", string="Product Categories", help="With those below. Empty: all."
    )

    _dates_check = models.Constraint("CHECK (date_to >= date_from)", "An event can't end before it begins.")
    _figures_check = models.Constraint(
        "CHECK (days_before BETWEEN 0 AND 30 AND discount BETWEEN 0 AND 100)",
        "Special are at most 30 days before an event, and a discount is 0 to 100 %.",
    )
    _program_uniq = models.UniqueIndex(
        "(program_id) WHERE program_id IS NOT NULL", "A promotion programme is one event."
    )

    @api.depends("date_from")
    def _compute_date_to(self):
        for event in self:
            if event.date_from and (not event.date_to or event.date_to < event.date_from):
                event.date_to = event.date_from

    # --- promotions -------------------------------------------------------------------

    def _get_program_domain(self):
        return [
            ("date_from", "!=", False),
            ("program_type", "in", ("promotion", "promo_code", "buy_x_get_y")),
        ]

    @api.model
    def action_load_programs(self):
        """Write running and planned promotion programmes as events, once each -> action that shows them."""
        self.check_access("write")
        self.sudo()._load_programs(self.env.companies)
        return self.env["ir.actions.act_window"]._for_xml_id("dms_forecast.dms_calendar_event_action") | {
            "context": {"search_default_promotion": 1}
        }

    @api.model
    def _load_programs(self, companies):
        """Bring the events of promotion programmes up to date; one that was put away before it began is put away too."""
        programs = (
            self.env["loyalty.program"]
            .with_context(active_test=False)
            .search([*self._get_program_domain(), ("company_id", "in", [False, *companies.ids])])
        )
        known = {
            event.program_id: event
            for event in self.with_context(active_test=False).search([("program_id", "in", programs.ids)])
        }
        new, today = [], fields.Date.context_today(self)
        for program in programs:
            event = known.get(program)
            if event and not program.active:
                if event.active and event.date_from > today:
                    event.active = False
                continue
            vals = self._prepare_program_vals(program)
            if event:
                changed = {
                    name: value for name, value in vals.items() if name in DATED and event[name] != value
                }
                if changed:
                    event.write(changed)
            elif program.active:
                new.append(vals)
        self.create(new)

    def _prepare_program_vals(self, program):
        depth = max(
            (
                reward.discount
                for reward in program.reward_ids
                if reward.reward_type == "discount" and reward.discount_mode == "percent"
            ),
            default=0.0,
        )
        products = program.rule_ids.product_ids
        categories = program.rule_ids.product_category_id
        return {
            "name": program.name,
            "kind": "promotion",
            "date_from": program.date_from,
            "date_to": program.date_to or program.date_from + timedelta(days=90),
            "company_id": program.company_id.id,
            "program_id": program.id,
            "discount": min(depth, 100.0),
            "territory_ids": program.dms_territory_ids.ids,
            "product_ids": products.ids,
            "categ_ids": categories.ids,
        }

    # --- what the engine asks ---------------------------------------------------------

    @api.model
    def _get_events(self, company, begin, end):
        """Events that touch the days and concern the company, in an order that does not depend on ids."""
        return self.search(
            Domain("company_id", "in", [company.id, False])
            & Domain("country_id", "in", [company.country_id.id, False])
            & Domain("date_from", "<=", end + timedelta(days=30))
            & Domain("date_to", ">=", begin),
            order="date_from, date_to, kind, feast, name, id",
        )

    @api.model
    def _get_calendar(self, company, begin, end):
        """What each day from `begin` to `end` (both included, T days) is for all distributors of a company.

        Events of single territories are not in it: they are in :meth:`_get_mask`, for they concern some series only.

        :return: dict of
            ``kinds``: (T,) int; 0 for an ordinary day, else the same number for the same day of the same feast in any year;
            ``families``: {kind: family}, 1 a day off, 2 a make-up workday, 3 a day before a feast;
            ``closed``: (T,) bool, nothing could be sold;
            ``promotions``: list of dicts (``first``, ``last``: days since `begin`, may lie outside 0 .. T - 1; ``discount``: share of the
            price, 0 where it is no discount; ``product_ids``, ``categ_ids``, ``territory_ids``: whom it concerns, empty for all; categories
            and territories hold those below them)
        """
        days = (end - begin).days + 1
        kinds, families, closed = np.zeros(days, np.int64), {}, np.zeros(days, bool)
        events = self._get_events(company, begin, end)
        common = events.filtered(lambda event: not event.territory_ids)
        feasts = {
            feast: number for number, feast in enumerate(sorted(set(self._all_feasts().mapped("feast"))), 1)
        }
        # what is written later counts: days before, then days off, then the workdays that make up for them
        for family, names in ((BEFORE, ("holiday",)), (DAY_OFF, ("holiday",)), (WORKDAY, ("workday",))):
            for event in common.filtered(lambda event, names=names: event.kind in names):
                first, last = (event.date_from - begin).days, (event.date_to - begin).days
                if family == BEFORE:
                    first, last = first - event.days_before, first - 1
                anchor = ((event.feast_date or event.date_from) - begin).days
                number = feasts.get(event.feast, 0)
                for day in range(max(first, 0), min(last, days - 1) + 1):
                    offset = min(max(day - anchor, -REACH), REACH) + REACH if number else 0
                    kind = (number * (2 * REACH + 1) + offset) * 4 + family
                    kinds[day] = kind
                    families[kind] = family
        for event in common.filtered(lambda event: event.kind == "closed"):
            closed[max((event.date_from - begin).days, 0) : max((event.date_to - begin).days + 1, 0)] = True
        return {
            "kinds": kinds,
            "families": families,
            "closed": closed,
            "promotions": [
                {
                    "first": (event.date_from - begin).days,
                    "last": (event.date_to - begin).days,
                    "discount": event.discount / 100,
                    "product_ids": event.product_ids.ids,
                    "categ_ids": event.categ_ids.ids,
                    "territory_ids": event.territory_ids.ids,
                }
                for event in events
                if event.kind == "promotion"
            ],
        }

    def _all_feasts(self):
        return self.with_context(active_test=False).search_fetch([("feast", "!=", False)], ["feast"])

    @api.model
    def _get_drivers(self, promotions, days, partners, products, categories):
        """How deep the promotions of a calendar cut the price of each series -> float (n, days, 1), or None where none concerns them.

        :param promotions: as :meth:`_get_calendar` answers them
        :param partners, products, categories: int (n,)
        """
        if not promotions:
            return None
        depths = np.zeros((len(products), days, 1), np.float32)
        usual = np.mean([one["discount"] for one in promotions if one["discount"]] or [USUAL_DISCOUNT])
        parents = self._get_parents("product.category", categories)
        territory = dict(
            self.env.execute_query(
                SQL(
                    "SELECT id, COALESCE(territory_id, 0) FROM res_partner WHERE id IN %s",
                    tuple(np.unique(partners).tolist()) or (0,),
                )
            )
        )
        areas = np.array([territory.get(partner, 0) for partner in partners.tolist()], np.int64)
        above = self._get_parents("dms.territory", areas)
        for one in promotions:
            first, last = max(one["first"], 0), min(one["last"], days - 1)
            rows = np.ones(len(products), bool)
            if one["product_ids"] or one["categ_ids"]:
                inside = [categ for categ, path in parents.items() if path & set(one["categ_ids"])]
                rows &= np.isin(products, one["product_ids"]) | np.isin(categories, inside)
            if one["territory_ids"]:
                inside = [area for area, path in above.items() if path & set(one["territory_ids"])]
                rows &= np.isin(areas, inside)
            if first <= last and rows.any():
                depth = one["discount"] or usual
                depths[rows, first : last + 1, 0] = np.maximum(depths[rows, first : last + 1, 0], depth)
        return depths if depths.any() else None

    def _get_parents(self, model, ids):
        """Each of the records with all above it -> {id: {ids}}."""
        records = self.env[model].browse(np.unique(ids[ids > 0]).tolist())
        return {record.id: set(map(int, record.parent_path.split("/")[:-1])) for record in records}

    @api.model
    def _get_mask(self, company, begin, end, partners, products):
        """Which days of which series say what shops wanted to buy.

        Not observed are days on which a distributor was closed (events "Closed" for all or its territory), did not report (nothing at all
        was sold on a weekday on which it usually sells, between two days with sales), or had none of the product (stock of 0 at the
        beginning and nothing sold; a ledger that was ever below zero tells nothing of that).

        :param partners: (n,) int and products: (n,) int, the series
        :return: (n, T) bool, True where observed; T days from `begin` to `end`
        """
        partners, products = np.asarray(partners, np.int64), np.asarray(products, np.int64)
        days = (end - begin).days + 1
        mask = np.ones((len(partners), days), bool)
        if not len(partners):
            return mask
        members, row = np.unique(partners, return_inverse=True)
        mask &= ~self._get_closed(company, begin, end, members)[row]
        mask &= ~self._get_unreported(company, begin, end, members)[row]
        mask &= ~self._get_out_of_stock(company, begin, end, partners, products)
        return mask

    def _get_closed(self, company, begin, end, members):
        """Closed days of distributors -> (m, T) bool."""
        closed = np.zeros((len(members), (end - begin).days + 1), bool)
        events = self._get_events(company, begin, end).filtered(lambda event: event.kind == "closed")
        territory = dict(
            self.env.execute_query(
                SQL(
                    "SELECT p.id, COALESCE(t.parent_path, '') FROM res_partner p LEFT JOIN dms_territory t ON t.id = p.territory_id"
                    " WHERE p.id IN %s",
                    tuple(members.tolist()),
                )
            )
        )
        paths = [territory.get(member, "") for member in members.tolist()]
        for event in events:
            inside = [t.parent_path for t in event.territory_ids]
            concerned = np.array([not inside or any(p and p.startswith(t) for t in inside) for p in paths])
            first, last = max((event.date_from - begin).days, 0), max((event.date_to - begin).days + 1, 0)
            closed[concerned, first:last] = True
        return closed

    def _get_unreported(self, company, begin, end, members):
        """Days without a report of distributors that usually sell on such a weekday -> (m, T) bool."""
        days = (end - begin).days + 1
        sold = np.zeros((len(members), days), bool)
        rows = self.env.execute_query(
            SQL(
                """SELECT DISTINCT partner_id, date - %s::date FROM dms_channel_move
                    WHERE kind = 'sell_out' AND company_id = %s AND partner_id IN %s AND date BETWEEN %s AND %s""",
                begin,
                company.id,
                tuple(members.tolist()),
                begin,
                end,
            )
        )
        if rows:
            partner, day = np.array(rows, np.int64).T
            sold[np.searchsorted(members, partner), day] = True
        first = sold.argmax(1)
        last = days - 1 - sold[:, ::-1].argmax(1)
        day = np.arange(days)
        inside = (day > first[:, None]) & (day < last[:, None]) & sold.any(1)[:, None]
        unreported = np.zeros_like(sold)
        for weekday in range(7):
            these = np.arange(weekday, days, 7)
            within = inside[:, these]
            usual = (sold[:, these] & within).sum(1) > USUAL * np.maximum(within.sum(1), 1)
            unreported[:, these] = within & ~sold[:, these] & usual[:, None]
        return unreported

    def _get_out_of_stock(self, company, begin, end, partners, products):
        """Days that began with a stock of 0 and sold nothing -> (n, T) bool."""
        days = (end - begin).days + 1
        members, goods = np.unique(partners), np.unique(products)
        query = SQL(
            """SELECT partner_id, product_id, GREATEST(date - %s::date, -1), SUM(quantity)::float8,
                      COALESCE(SUM(-quantity) FILTER (WHERE kind = 'sell_out'), 0)::float8
                 FROM dms_channel_move
                WHERE company_id = %s AND date <= %s AND partner_id IN %s AND product_id IN %s
                GROUP BY 1, 2, 3 ORDER BY 1, 2, 3""",
            begin,
            company.id,
            end,
            tuple(members.tolist()),
            tuple(goods.tolist()),
        )
        buffer, cr = io.BytesIO(), self.env.cr
        cr.copy_expert(
            f"COPY ({cr.mogrify(query.code, query.params).decode()}) TO STDOUT (FORMAT binary)", buffer
        )
        partner, product, day, change, sale = pgcopy.unpack(
            buffer.getvalue(), (">i4", ">i4", ">i4", ">f8", ">f8")
        )
        width = int(goods.max()) + 1
        wanted, key = partners * width + products, partner.astype(np.int64) * width + product
        order = np.argsort(wanted, kind="stable")
        at = np.minimum(np.searchsorted(wanted[order], key), len(wanted) - 1)
        here = wanted[order][at] == key
        row, day = order[at[here]], day[here].astype(np.int64)
        flow, sales = np.zeros((len(partners), days + 1)), np.zeros((len(partners), days + 1))
        flow[row, day + 1] = change[here]
        sales[row, day + 1] = sale[here]
        stock = np.cumsum(flow, axis=1)
        whole = (stock > -1e-6).all(1) & (stock > 1e-6).any(1)
        came = np.maximum.accumulate(stock[:, :-1] > 1e-6, axis=1)
        return (
            (np.abs(stock[:, :-1]) < 1e-6) & came & (sales[:, 1:] <= 0) & (flow[:, 1:] <= 0) & whole[:, None]
        )
