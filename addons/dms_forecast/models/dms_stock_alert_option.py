import io

import numpy as np

from odoo import api, fields, models
from odoo.tools import SQL, formatLang

from odoo.addons.dms_channel.tools.words import format_quantity

from ..tools import clearance, transfer_plan

ROOM_DAYS = 30  # of another distributor's demand that a transfer may fill up
KINDS = [("hold", "Hold"), ("promote", "Promote"), ("transfer", "Transfer"), ("return", "Return")]
COLUMNS = (
    "line_id",
    "company_id",
    "partner_id",
    "kind",
    "is_best",
    "is_possible",
    "quantity",
    "days",
    "cost",
    "cash",
    "uplift",
    "discount",
)


class DmsStockAlertOption(models.Model):
    """One of four ways to clear a surplus: how long it takes, what it costs, what it frees. Rebuilt with the alerts."""

    _name = "dms.stock.alert.option"
    _description = "Way to Clear a Surplus"
    _order = "line_id, is_possible desc, cost, days, id"
    _rec_name = "kind"
    _log_access = False

    line_id = fields.Many2one("dms.stock.alert.line", required=True, ondelete="cascade", index=True)
    company_id = fields.Many2one("res.company", required=True)
    currency_id = fields.Many2one(related="company_id.currency_id")
    partner_id = fields.Many2one("res.partner", string="Distributor", required=True, ondelete="cascade")
    kind = fields.Selection(KINDS, required=True)
    is_best = fields.Boolean("Cheapest")
    is_possible = fields.Boolean("Possible")
    quantity = fields.Float(digits="Product Unit")
    days = fields.Float("Days to Clear", digits=(16, 0), aggregator=None)
    cost = fields.Monetary()
    cash = fields.Monetary("Cash Freed", help="Value of the surplus less discount, freight or fee.")
    uplift = fields.Float("Uplift Needed", aggregator=None, help="How much more must be sold than forecast.")
    discount = fields.Float(aggregator=None, help="Price cut that such an uplift takes.")
    words = fields.Text("How", compute="_compute_words", compute_sudo=True)

    @api.depends("kind", "quantity", "days", "cost", "uplift", "discount", "is_possible")
    @api.depends_context("lang")
    def _compute_words(self):
        for option in self:
            option.words = option._get_words()

    def _get_words(self):
        """What is done, how long it takes and what it costs by what reckoning, in the user's language."""
        self.ensure_one()
        _, company = self.env._, self.company_id
        figures = {
            "quantity": format_quantity(self.env, self.quantity),
            "surplus": format_quantity(self.env, self.line_id.surplus),
            "days": round(self.days),
            "cost": formatLang(self.env, self.cost, currency_obj=self.currency_id),
            "cash": formatLang(self.env, self.cash, currency_obj=self.currency_id),
            "uplift": round(100 * self.uplift),
            "discount": f"{100 * self.discount:.1f}",
            "holding": f"{company.dms_holding_rate:g}",
            "fee": f"{company.dms_return_rate:g}",
            "promo": company.dms_promo_days,
            "most": f"{company.dms_promo_discount:g}",
        }
        if self.kind == "hold":
            if not self.is_possible:
                return _("Hold: no sale is expected, so waiting clears nothing.")
            return _(
                "Hold: order nothing and let %(quantity)s sell at the forecast's pace in %(days)d days; lying costs %(cost)s at %(holding)s %% a year.",
                **figures,
            )
        if self.kind == "promote":
            if not self.uplift:
                return (
                    _("Promote: no sale is expected that a lower price could lift.")
                    if not self.line_id.daily_demand
                    else _(
                        "Promote: not needed, the surplus sells within %(promo)d days by itself.", **figures
                    )
                )
            if not self.is_possible:
                return _(
                    "Promote: sales would have to rise by %(uplift)d %% for %(promo)d days, more than a discount of %(most)s %% brings.",
                    **figures,
                )
            return _(
                "Promote: %(quantity)s in %(days)d days take %(uplift)d %% more sales than forecast, about %(discount)s %% off; with lying that costs"
                " %(cost)s.",
                **figures,
            )
        if self.kind == "transfer":
            if not self.is_possible:
                return _(
                    "Transfer: no lane leads to a distributor that may sell it, has room for it and can sell it before it expires."
                )
            return _(
                "Transfer: %(quantity)s of %(surplus)s to distributors that sell them in a month, over in %(days)d days with what is held of the rest;"
                " freight and lying cost %(cost)s.",
                **figures,
            )
        return _(
            "Return: %(quantity)s back to the brand in %(days)d days; at %(fee)s %% that costs %(cost)s.",
            **figures,
        )

    @api.model
    def _rebuild(self, company):
        """Reckon the options of all open products with a surplus anew."""
        cr = self.env.cr
        cr.execute(
            SQL(
                """DELETE FROM dms_stock_alert_option WHERE company_id = %s AND line_id IN (
                       SELECT id FROM dms_stock_alert_line WHERE company_id = %s AND state = 'open')""",
                company.id,
                company.id,
            )
        )
        cr.execute(
            SQL(
                "UPDATE dms_stock_alert_line SET best_kind = NULL, best_days = NULL, best_cost = 0, best_cash = 0"
                " WHERE company_id = %s AND state = 'open'",
                company.id,
            )
        )
        rows = self.env.execute_query(
            SQL(
                """SELECT id, partner_id, product_id, surplus::float8, daily_demand::float8, price_unit::float8
                     FROM dms_stock_alert_line WHERE company_id = %s AND state = 'open' AND surplus > 0 ORDER BY id""",
                company.id,
            )
        )
        if not rows:
            return
        surplus, daily, price = (np.array([row[i] for row in rows], float) for i in (3, 4, 5))
        moved = self._find_transfers(company, rows)
        digits = company.currency_id.decimal_places
        found = clearance.clearance(surplus, daily, price, *moved, company._dms_clearance_terms(), digits)
        lines = []
        for i, row in enumerate(rows):
            for k, kind in enumerate(clearance.OPTIONS):
                possible = bool(np.isfinite(found.cost[k, i]))
                values = (
                    row[0],
                    company.id,
                    row[1],
                    kind,
                    bool(found.best[i] == k),
                    possible,
                    round(found.quantity[k, i], 1),
                    found.days[k, i] if possible else r"\N",
                    found.cost[k, i] if possible else 0,
                    found.cash[k, i],
                    np.nan_to_num(found.uplift[i]) if kind == "promote" else 0,
                    np.nan_to_num(found.discount[i]) if kind == "promote" else 0,
                )
                lines.append("\t".join(map(str, values)) + "\n")
        cr.copy_expert(
            f"COPY dms_stock_alert_option ({', '.join(COLUMNS)}) FROM STDIN", io.StringIO("".join(lines))
        )
        cr.execute(
            SQL(
                """UPDATE dms_stock_alert_line line
                      SET best_kind = best.kind, best_days = best.days, best_cost = best.cost, best_cash = best.cash
                     FROM dms_stock_alert_option best
                    WHERE best.line_id = line.id AND best.is_best AND line.company_id = %s AND line.state = 'open'""",
                company.id,
            )
        )
        self.invalidate_model()

    def _find_transfers(self, company, rows):
        """What of each surplus could go to others by the lanes, agreements, price lists and shelf lives of a transfer plan.

        As much as possible goes, at the least freight, where that costs less than the goods are worth.

        :param rows: line, distributor, product, surplus, demand a day and price of each surplus
        :return: units that go, their freight and handling in all, days of transport; (n,) each
        """
        nothing = np.zeros((3, len(rows)))
        lanes = self.env["dms.transfer.lane"].search_fetch(
            [("company_id", "=", company.id)],
            ["from_territory_id", "to_territory_id", "cost_kg", "days", "least_kg"],
        )
        if not lanes:
            return nothing
        takers = self._read_room(company, {row[2] for row in rows})
        partners = self.env["res.partner"].browse(
            sorted({row[1] for row in rows} | {row[0] for row in takers})
        )
        products = self.env["product.product"].with_company(company).browse(sorted({row[2] for row in rows}))
        agreements = self.env["dms.agreement"]._get_active(partners, fields.Date.context_today(self), company)
        place = {partner: index for index, partner in enumerate(partners.ids)}
        good = {product: index for index, product in enumerate(products.ids)}
        giver = np.array([place[row[1]] for row in rows]), np.array([good[row[2]] for row in rows])
        taker = (
            np.array([place[row[0]] for row in takers], int),
            np.array([good[row[1]] for row in takers], int),
        )
        network = self.env["dms.transfer.network"]
        pack, arcs = network._get_arcs(company, partners, products, agreements, lanes)
        surplus, price, stock, daily, room = (np.zeros((len(partners), len(products))) for _ in range(5))
        surplus[giver], price[giver] = ([row[i] for row in rows] for i in (3, 5))
        surplus[[not agreements[partner] for partner in partners]] = 0
        stock[taker], daily[taker], room[taker] = ([row[i] for row in takers] for i in (2, 3, 4))
        size = np.floor(room / pack + 1e-9).astype(np.int64)[:, :, None]
        # what a pack is worth at most, so that freight decides who gives to whom
        worth = np.broadcast_to((price * pack).max(0)[None, :, None], size.shape)
        shelf = network._get_shelf(
            company, partners, products, pack, surplus, np.zeros_like(surplus), np.zeros_like(surplus)
        )
        found = transfer_plan.plan(
            transfer_plan.surplus_packs(surplus, 0, 0, pack),
            size,
            worth,
            **arcs,
            shelf=shelf,
            sale_days=transfer_plan.sale_days(stock, size, pack, daily),
        )
        moved, spent, days = (np.zeros_like(surplus) for _ in range(3))
        at = found.giver, found.product
        np.add.at(moved, at, found.packs * pack[found.product])
        np.add.at(spent, at, found.earned - found.gain)
        np.maximum.at(days, at, arcs["lane_days"][found.giver, found.taker])
        return np.stack([moved[giver], spent[giver], days[giver]])

    def _read_room(self, company, products):
        """Distributors without a surplus that would sell more in a month than they have -> list of (distributor, product, units
        there and on their way, units a day, room)."""
        return self.env.execute_query(
            SQL(
                """SELECT partner_id, product_id, available::float8, daily_demand::float8, (daily_demand * %s - available)::float8
                     FROM (SELECT *, GREATEST(quantity, 0) + in_transit AS available FROM dms_stock_health
                            WHERE company_id = %s AND surplus <= 0 AND status <> 'unknown' AND product_id IN %s) health
                    WHERE daily_demand * %s > available""",
                ROOM_DAYS,
                company.id,
                tuple(products),
                ROOM_DAYS,
            )
        )
