import numpy as np

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command, Domain
from odoo.tools import SQL, format_date

from ..tools import forecast as engine
from ..tools import transfer_plan
from .dms_transfer_network import MARGIN_SOURCES

KEEP_PROBABILITY = 0.95
HIGH_PROBABILITY = 0.9  # of a taker's demand that is shown
NEED_DAYS = 30  # of a taker's demand; by then goods could come otherwise


class DmsTransferPlan(models.Model):
    """Which distributor's surplus should go to which other one; what is accepted becomes transfers."""

    _name = "dms.transfer.plan"
    _description = "Transfer Plan"
    _inherit = ["mail.thread"]
    _order = "date desc, id desc"

    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, default=lambda self: self.env.company, index=True
    )
    currency_id = fields.Many2one(related="company_id.currency_id")
    date = fields.Date(required=True, readonly=True, default=fields.Date.context_today)
    run_id = fields.Many2one("dms.forecast.run", "Forecast", readonly=True, ondelete="set null")
    handling = fields.Monetary(
        "Handling of a Transfer",
        compute="_compute_handling",
        store=True,
        readonly=False,
        precompute=True,
        help="What each transfer of a product costs whatever its size.",
    )
    line_ids = fields.One2many("dms.transfer.plan.line", "plan_id")
    line_count = fields.Integer("Lines", compute="_compute_counts")
    open_count = fields.Integer("To Propose", compute="_compute_counts")
    transfer_count = fields.Integer("Transfers", compute="_compute_counts")
    gain = fields.Monetary(
        "Gain with Transfers", readonly=True, help="Of transfers and supplies from the plant together."
    )
    plant_gain = fields.Monetary("Gain without Transfers", readonly=True, help="If the plant alone supplied.")
    more_gain = fields.Monetary(
        "Gain by Transfers",
        compute="_compute_more_gain",
        store=True,
        help="What the transfers add to what the plant could do alone.",
    )
    bound = fields.Monetary("Gain at Most", readonly=True, help="What no plan can exceed.")
    gain_share = fields.Float("With Transfers", compute="_compute_shares", help="Share of the gain at most.")
    plant_share = fields.Float(
        "The Plant Alone", compute="_compute_shares", help="Share of the gain at most."
    )

    @api.depends("date")
    @api.depends_context("lang")
    def _compute_display_name(self):
        for plan in self:
            plan.display_name = self.env._("Transfers of %s", format_date(self.env, plan.date))

    @api.depends("company_id")
    def _compute_handling(self):
        for plan in self:
            plan.handling = plan.company_id.dms_transfer_handling

    @api.depends("line_ids.transfer_id")
    def _compute_counts(self):
        groups = {
            plan: counts
            for plan, *counts in self.env["dms.transfer.plan.line"]._read_group(
                [("plan_id", "in", self.ids)],
                ["plan_id"],
                ["__count", "transfer_id:count", "transfer_id:count_distinct"],
            )
        }
        for plan in self:
            plan.line_count, accepted, plan.transfer_count = groups.get(plan, (0, 0, 0))
            plan.open_count = plan.line_count - accepted

    @api.depends("gain", "plant_gain")
    def _compute_more_gain(self):
        for plan in self:
            plan.more_gain = plan.gain - plan.plant_gain

    @api.depends("gain", "plant_gain", "bound")
    def _compute_shares(self):
        for plan in self:
            most = plan.bound or 1
            plan.gain_share = 100 * plan.gain / most
            plan.plant_share = 100 * plan.plant_gain / most

    def action_plan(self):
        """Find the best transfers by today's stock and forecast; what is not yet proposed is replaced."""
        self.check_access("write")
        for plan in self:
            plan._plan()
        return True

    def action_view_lines(self):
        self.ensure_one()
        return {
            **self.env["ir.actions.act_window"]._for_xml_id("dms_forecast.dms_transfer_plan_line_action"),
            "domain": [("plan_id", "=", self.id)],
            "context": {},
        }

    def action_view_transfers(self):
        self.ensure_one()
        return {
            **self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_transfer_action"),
            "domain": [("id", "in", self.line_ids.transfer_id.ids)],
            "context": {},
        }

    # --- business ---------------------------------------------------------------------

    @api.model
    def _cron_plan(self):
        """Plan anew for each company that has lanes and a finished forecast."""
        cron = self.env["ir.cron"]
        lanes = self.env["dms.transfer.lane"]._read_group([], ["company_id"])
        planned = self.env["dms.forecast.run"]._read_group(
            [("is_current", "=", True), ("company_id", "in", [company.id for (company,) in lanes])],
            ["company_id"],
        )
        cron._commit_progress(remaining=len(planned))
        for (company,) in planned:
            # a manager who plans at this moment does the same
            if self._try_lock(company):
                self._get_renewable(company)._plan()
            if not cron._commit_progress(1):
                return

    @api.model
    def _get_renewable(self, company):
        """The newest plan of which nothing was accepted, so that nights leave no heap of plans; else a new one."""
        accepted = Domain("line_ids.transfer_id", "!=", False)
        plan = self.search([*(Domain("company_id", "=", company.id) & ~accepted)], limit=1)
        return plan or self.with_context(mail_create_nosubscribe=True).create({"company_id": company.id})

    @api.model
    def _try_lock(self, company):
        """Let one transaction at a time plan and accept the transfers of a company; answer whether it is this one."""
        [(locked,)] = self.env.execute_query(
            SQL("SELECT pg_try_advisory_xact_lock(hashtext('dms_transfer_plan'), %s)", company.id)
        )
        return locked

    @api.model
    def _lock(self, company):
        """:raises UserError: where somebody else plans or accepts transfers of the company at this moment"""
        if not self._try_lock(company):
            raise UserError(
                self.env._(
                    "Someone else is planning or proposing transfers of %s at this moment. Try again shortly, and look at the new plan first.",
                    company.name,
                )
            )

    def _plan(self):
        self.ensure_one()
        company = self.company_id
        run = self.env["dms.forecast.run"]._get_current(company)
        if not run:
            raise UserError(
                self.env._("There is no finished forecast of %s yet. Run one first.", company.name)
            )
        lanes = self.env["dms.transfer.lane"].search_fetch(
            [("company_id", "=", company.id)],
            ["from_territory_id", "to_territory_id", "cost_kg", "days", "least_kg"],
        )
        if not lanes:
            raise UserError(
                self.env._("Say what a transfer costs first: add a transfer lane (Configuration).")
            )
        self._lock(company)
        # the same goods must not be on two lists: what an older plan offers was seen with older stock
        self.env["dms.transfer.plan.line"].search_fetch(
            [("company_id", "=", company.id), ("transfer_id", "=", False)], ["plan_id"]
        ).unlink()
        problem = self._get_problem(company, run, lanes)
        vals = {"run_id": run.id, "date": fields.Date.context_today(self)}
        if problem is None:
            self.write({**vals, "gain": 0, "plant_gain": 0, "bound": 0})
            return
        found = transfer_plan.plan(**problem["arguments"])
        self.write(
            {
                **vals,
                "gain": found.total,
                "plant_gain": found.without,
                "bound": found.bound,
                "line_ids": [Command.create(line) for line in self._prepare_lines(problem, found)],
            }
        )

    def _prepare_lines(self, problem, found):
        """Yield the values of the planned transfers."""
        arguments, today = problem["arguments"], fields.Date.context_today(self)
        dated = set(zip(arguments["shelf"].place.tolist(), arguments["shelf"].product.tolist(), strict=True))
        columns = (found.giver, found.taker, found.product, found.packs, found.earned, found.gain)
        for giver, taker, good, packs, earned, gain in zip(*(x.tolist() for x in columns), strict=True):
            freight = packs * arguments["weight"][good] * arguments["lane_cost"][giver, taker]
            days = arguments["lane_days"][giver, taker] + arguments["sale_days"][taker, good]
            yield {
                "giver_id": problem["partners"][giver].id,
                "taker_id": problem["partners"][taker].id,
                "product_id": problem["products"][good].id,
                "quantity": packs * problem["pack"][good],
                "margin": earned,
                "saved": packs * arguments["relief"][giver, good],
                "freight": freight + self.handling,
                "gain": gain,
                "margin_unit": problem["margin"][taker, good],
                "margin_source": MARGIN_SOURCES[problem["source"][taker, good]],
                "keep_until": fields.Date.add(today, days=int(np.ceil(days)))
                if (giver, good) in dated
                else False,
                "giver_stock": problem["stock"][giver, good],
                "giver_keeps": problem["keep"][giver, good],
                "giver_days": int(problem["days"][giver, good]),
                "lie_days": int(problem["lies"][giver, good]),
                "taker_stock": problem["available"][taker, good],
                "taker_demand": problem["demand"][taker, good],
            }

    def _read_rows(self, company, run):
        """Stock and forecast of the products of which somebody has a surplus -> list of tuples."""
        self.env.flush_all()
        return self.env.execute_query(
            SQL(
                """
                WITH open_transfers AS (
                    SELECT giver_id AS partner_id, product_id, SUM(quantity) AS leaving, 0 AS coming FROM dms_transfer_line
                     WHERE state IN ('proposed', 'agreed') AND company_id = %(company)s AND giver_id IS NOT NULL GROUP BY 1, 2
                 UNION ALL
                    SELECT taker_id, product_id, 0, SUM(quantity) FROM dms_transfer_line
                     WHERE state IN ('proposed', 'agreed') AND company_id = %(company)s AND taker_id IS NOT NULL GROUP BY 1, 2),
                sums AS (SELECT partner_id, product_id, SUM(leaving) AS leaving, SUM(coming) AS coming FROM open_transfers GROUP BY 1, 2)
                SELECT h.partner_id, h.product_id, h.quantity::float8, h.in_transit::float8, h.price_unit::float8,
                       h.overstock_days, h.days_cover::float8, s.cumulative, COALESCE(sums.leaving, 0)::float8, COALESCE(sums.coming, 0)::float8,
                       h.daily_demand::float8
                  FROM dms_stock_health h
             LEFT JOIN dms_forecast_series s ON s.run_id = %(run)s AND s.partner_id = h.partner_id AND s.product_id = h.product_id
             LEFT JOIN sums ON sums.partner_id = h.partner_id AND sums.product_id = h.product_id
                 WHERE h.company_id = %(company)s AND h.status <> 'unknown'
                   AND h.product_id IN (SELECT product_id FROM dms_stock_health WHERE company_id = %(company)s AND surplus > 0)
              ORDER BY 1, 2
                """,
                company=company.id,
                run=run.id,
            )
        )

    def _get_problem(self, company, run, lanes):
        """The arrays of :func:`transfer_plan.plan`, and whose rows and columns they are; None where nobody has a surplus.

        Distributors without an agreement in force take no part.
        """
        rows = self._read_rows(company, run)
        partners = self.env["res.partner"].browse(sorted({row[0] for row in rows}))
        agreements = self.env["dms.agreement"]._get_active(partners, fields.Date.context_today(self), company)
        bound = {partner.id for partner in partners if agreements[partner]}
        rows = [row for row in rows if row[0] in bound]
        if not rows:
            return None
        ids = np.array([(row[0], row[1]) for row in rows])
        (places, place), (goods, good) = (np.unique(ids[:, i], return_inverse=True) for i in (0, 1))
        partners = self.env["res.partner"].browse(places.tolist())
        products = self.env["product.product"].with_company(company).browse(goods.tolist())
        shape = (len(places), len(goods))

        def spread(values):
            table = np.zeros(shape)
            table[place, good] = values
            return table

        stock, transit, price, days, cover, leaving, coming, daily = (
            spread([row[i] for row in rows]) for i in (2, 3, 4, 5, 6, 8, 9, 10)
        )
        # whose sales no forecast foresees keeps all of it, unless nothing was sold for long
        keep = np.where(daily > 0, np.maximum(stock, 0), 0.0)
        known = [i for i, row in enumerate(rows) if row[7]]
        at = place[known], good[known]
        table = self.env["dms.forecast.series"]._stack_cumulative([rows[i][7] for i in known])
        probabilities = table["probabilities"]
        demand = np.zeros((len(probabilities), *shape))
        high = np.zeros(shape)
        if known:

            def quantile(probability, length):
                return engine.cumulative_quantile(
                    table["values"], probabilities, table["periods"], probability, length
                )

            keep[at] = quantile(KEEP_PROBABILITY, days[at])
            high[at] = quantile(HIGH_PROBABILITY, NEED_DAYS)
            for q, probability in enumerate(probabilities):
                demand[q][at] = quantile(probability, NEED_DAYS)
        network = self.env["dms.transfer.network"]
        pack, arcs = network._get_arcs(company, partners, products, agreements, lanes)
        available = np.maximum(stock, 0) + transit + coming
        cost = np.where(price > 0, price, np.array([product.lst_price for product in products]))
        margin, source = network._get_margins(company, partners, products, cost)
        # of a unit and a day, for whoever has it
        holding = cost * company._dms_clearance_terms().holding / 365
        size, gain = transfer_plan.need_tiers(available, demand, probabilities, margin, pack, holding, daily)
        # the first pack of a surplus lies until the cover is through, the last until all is sold
        lies = np.maximum((days + cover) / 2, 0)
        plant_cost, plant_stock = self._get_plant(company, partners, products, lanes, pack, arcs["weight"])
        return {
            "partners": partners,
            "products": products,
            "pack": pack,
            "stock": stock,
            "keep": keep,
            "days": days,
            "lies": lies,
            "available": available,
            "demand": high,
            "margin": margin,
            "source": source,
            "arguments": {
                **arcs,
                "surplus": transfer_plan.surplus_packs(stock, leaving, keep, pack),
                "size": size,
                "gain": gain,
                "relief": pack * holding * lies,
                "handling": self.handling,
                "plant_cost": plant_cost,
                "plant_stock": plant_stock,
                "shelf": network._get_shelf(company, partners, products, pack, stock, keep + leaving, days),
                "sale_days": transfer_plan.sale_days(available, size, pack, daily),
            },
        }

    def _get_plant(self, company, partners, products, lanes, pack, weight):
        """What supply from the plant instead costs, and what it has.

        A taker pays the same for the goods wherever they come from, so what differs is the freight: that of the lane from
        the territory of the company's warehouse, nothing where no lane leads from there.

        :return: money a pack (n, P), packs (P,)
        """
        warehouse = self.env["stock.warehouse"].search([("company_id", "=", company.id)], limit=1)
        if not warehouse:
            return np.full((len(partners), len(products)), np.inf), np.zeros(len(products))
        address = warehouse.partner_id or company.partner_id
        [territory] = (
            self.env["dms.territory"]
            .with_company(company)
            ._match_addresses(
                [{"country_id": address.country_id.id, "state_id": address.state_id.id, "zip": address.zip}]
            )
        )
        freight, _days, _least = lanes._get_terms(
            [territory.parent_path], [partner.territory_id.parent_path for partner in partners]
        )
        free = [product.free_qty for product in products.with_context(warehouse_id=warehouse.id)]
        return (
            np.where(np.isfinite(freight[0]), freight[0], 0.0)[:, None] * weight[None],
            np.floor(np.maximum(free, 0) / pack + 1e-9),
        )
