import numpy as np

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tools import SQL

from ..tools import forecast as engine
from ..tools import transfer_plan

KEEP_PROBABILITY = 0.95
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
        "Handling of a Transfer", help="What each transfer of a product costs whatever its size."
    )
    line_ids = fields.One2many("dms.transfer.plan.line", "plan_id")
    line_count = fields.Integer("Lines", compute="_compute_line_count")
    gain = fields.Monetary(readonly=True, help="Of transfers and supplies from the plant together.")
    plant_gain = fields.Monetary("Gain without Transfers", readonly=True, help="If the plant alone supplied.")
    bound = fields.Monetary("Gain at Most", readonly=True, help="What no plan can exceed.")

    @api.depends("date")
    def _compute_display_name(self):
        for plan in self:
            plan.display_name = self.env._("Transfers of %s", plan.date)

    @api.depends("line_ids")
    def _compute_line_count(self):
        for plan in self:
            plan.line_count = len(plan.line_ids)

    def action_plan(self):
        """Find the best transfers by today's stock and forecast; lines not yet accepted are replaced."""
        for plan in self:
            plan._plan()
        return True

    # --- business ---------------------------------------------------------------------

    def _plan(self):
        self.ensure_one()
        company = self.company_id
        run = self.env["dms.forecast.run"]._get_current(company)
        if not run:
            raise UserError(
                self.env._("There is no finished forecast of %s yet. Run one first.", company.name)
            )
        lanes = self.env["dms.transfer.lane"].search([("company_id", "=", company.id)])
        if not lanes:
            raise UserError(
                self.env._("Say what a transfer costs first: add a transfer lane (Configuration).")
            )
        self.line_ids.filtered(lambda line: not line.transfer_id).unlink()
        rows = self._read_rows(company, run)
        partners = self.env["res.partner"].browse(sorted({row[0] for row in rows}))
        agreements = {
            partner: agreement
            for partner, agreement in self.env["dms.agreement"]
            ._get_active(partners, fields.Date.context_today(self), company)
            .items()
            if agreement
        }
        rows = [row for row in rows if row[0] in {partner.id for partner in agreements}]
        if not rows:
            self.write({"run_id": run.id, "gain": 0, "plant_gain": 0, "bound": 0})
            return
        problem = self._get_problem(company, rows, agreements, lanes)
        found = transfer_plan.plan(**problem["arguments"])
        self.write(
            {
                "run_id": run.id,
                "date": fields.Date.context_today(self),
                "gain": found.total,
                "plant_gain": found.without,
                "bound": found.bound,
                "line_ids": [
                    Command.create(
                        {
                            "giver_id": problem["partners"][giver].id,
                            "taker_id": problem["partners"][taker].id,
                            "product_id": problem["products"][product].id,
                            "quantity": packs * problem["pack"][product],
                            "gain": gain,
                            "freight": packs
                            * problem["arguments"]["weight"][product]
                            * problem["arguments"]["lane_cost"][giver, taker]
                            + self.handling,
                            "giver_stock": problem["stock"][giver, product],
                            "giver_keeps": problem["keep"][giver, product],
                            "taker_stock": problem["available"][taker, product],
                            "taker_demand": problem["demand"][taker, product],
                        }
                    )
                    for giver, taker, product, packs, gain in zip(
                        found.giver.tolist(),
                        found.taker.tolist(),
                        found.product.tolist(),
                        found.packs.tolist(),
                        found.gain.tolist(),
                        strict=True,
                    )
                ],
            }
        )

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
                       h.overstock_days, h.days_cover::float8, s.cumulative, COALESCE(sums.leaving, 0)::float8, COALESCE(sums.coming, 0)::float8
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

    def _get_problem(self, company, rows, agreements, lanes):
        """The arrays of :func:`transfer_plan.plan`, and whose rows and columns they are."""
        ids = np.array([(row[0], row[1]) for row in rows])
        (places, place), (goods, good) = (np.unique(ids[:, i], return_inverse=True) for i in (0, 1))
        partners = self.env["res.partner"].browse(places.tolist())
        products = self.env["product.product"].with_company(company).browse(goods.tolist())
        shape = (len(places), len(goods))

        def spread(values):
            table = np.zeros(shape)
            table[place, good] = values
            return table

        stock, transit, price, days, cover, leaving, coming = (
            spread([row[i] for row in rows]) for i in (2, 3, 4, 5, 6, 8, 9)
        )
        known = [i for i, row in enumerate(rows) if row[7]]
        keep = np.zeros(shape)
        probabilities = [0.5]
        demand = np.zeros((1, *shape))
        if known:
            table = self.env["dms.forecast.series"]._stack_cumulative([rows[i][7] for i in known])
            at = place[known], good[known]
            probabilities = table["probabilities"]
            keep[at] = engine.cumulative_quantile(
                table["values"], probabilities, table["periods"], KEEP_PROBABILITY, days[at]
            )
            demand = np.zeros((len(probabilities), *shape))
            for q, probability in enumerate(probabilities):
                demand[q][at] = engine.cumulative_quantile(
                    table["values"], probabilities, table["periods"], probability, NEED_DAYS
                )
        pack = np.array([self._get_pack_size(product) for product in products])
        available = np.maximum(stock, 0) + transit + coming
        unit_price = np.where(price > 0, price, np.array([product.lst_price for product in products]))
        size, gain = transfer_plan.need_tiers(available, demand, probabilities, unit_price, pack)
        terms = company._dms_clearance_terms()
        covered = np.array(
            [
                [product in taken for product in products]
                for taken in (agreements[partner]._covered_products(products) for partner in partners)
            ]
        )
        zones = [partner.with_company(company).property_product_pricelist for partner in partners]
        same_zone = np.array([[one == other for other in zones] for one in zones])
        paths = [partner.territory_id.parent_path for partner in partners]
        costs = [[lanes._get_cost(one, other) for other in paths] for one in paths]
        lane_cost = np.array([[np.inf if cost is None else cost for cost in row] for row in costs])
        warehouse = self.env["stock.warehouse"].search([("company_id", "=", company.id)], limit=1)
        free = np.array(
            [product.free_qty for product in products.with_context(warehouse_id=warehouse.id)], float
        )
        cost = np.array([product.standard_price for product in products])
        return {
            "partners": partners,
            "products": products,
            "pack": pack,
            "stock": stock,
            "keep": keep,
            "available": available,
            "demand": demand[len(probabilities) // 2],
            "arguments": {
                "surplus": transfer_plan.surplus_packs(stock, leaving, keep, pack),
                "size": size,
                "gain": gain,
                "lane_cost": lane_cost,
                # a product without a weight counts a kilogram a unit
                "weight": np.array([product.weight or 1.0 for product in products]) * pack,
                "allowed": covered.T[:, None, :] & same_zone[None],
                # what lies until it would have sold costs holding
                "relief": pack * unit_price * terms.holding * np.minimum(cover, 365) / 365,
                "handling": self.handling,
                "plant_cost": np.broadcast_to(cost * pack, shape),
                "plant_stock": np.floor(np.maximum(free, 0) / pack + 1e-9),
                "gap": 0.001,
            },
        }

    def _get_pack_size(self, product):
        """Units of the smallest packaging: transfers are in whole ones."""
        packs = product.uom_ids.filtered(lambda uom: uom.factor > product.uom_id.factor)
        return min(packs.mapped("factor")) / product.uom_id.factor if packs else 1.0
