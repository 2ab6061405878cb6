from collections import defaultdict

import numpy as np

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL, split_every

from odoo.addons.dms_channel.tools.words import format_quantity

from ..tools import forecast as engine
from ..tools import inventory

BATCH = 200
DIRECT_DAYS = 90


class StockWarehouseOrderpoint(models.Model):
    _inherit = "stock.warehouse.orderpoint"

    dms_policy = fields.Selection(
        [("manual", "By hand"), ("forecast", "Forecast")],
        string="Policy",
        required=True,
        default="manual",
        help="By hand: a person sets minimum and maximum. Forecast: they follow what shops will buy from all distributors.",
    )
    dms_run_id = fields.Many2one(
        "dms.forecast.run", string="Forecast Run", readonly=True, copy=False, ondelete="set null"
    )
    dms_daily_demand = fields.Float("Expected a Day", readonly=True, copy=False, digits="Product Unit")
    dms_protection_days = fields.Integer("Days to Bridge", readonly=True, copy=False)
    dms_service_level = fields.Float("Service Level (%)", readonly=True, copy=False)
    dms_proposed = fields.Float(
        "Proposed to Distributors",
        readonly=True,
        copy=False,
        digits="Product Unit",
        help="In open proposals: what they are likely to order now.",
    )
    dms_direct_demand = fields.Float(
        "Direct Demand a Day",
        readonly=True,
        copy=False,
        digits="Product Unit",
        help="Ordered by customers that are no distributors, in the last 90 days.",
    )
    dms_confirmed = fields.Float(
        "Confirmed and Not Shipped",
        readonly=True,
        copy=False,
        digits="Product Unit",
        help="Outgoing moves until goods can arrive. The forecast holds this demand, and the stock forecast has it taken off already: it is"
        " taken off the limits, so that it counts once.",
    )
    dms_reason = fields.Text("Why", compute="_compute_dms_reason")

    @api.depends(
        "dms_policy",
        "dms_run_id",
        "dms_daily_demand",
        "dms_protection_days",
        "dms_service_level",
        "product_min_qty",
        "product_max_qty",
        "dms_proposed",
        "dms_direct_demand",
        "dms_confirmed",
    )
    @api.depends_context("lang")
    def _compute_dms_reason(self):
        for orderpoint in self:
            if orderpoint.dms_policy != "forecast":
                orderpoint.dms_reason = False
            elif not orderpoint.dms_run_id:
                orderpoint.dms_reason = self.env._(
                    "No forecast of this product yet: the limits stay as they are."
                )
            else:
                orderpoint.dms_reason = self.env._(
                    "Shops buy %(daily).1f a day. At or below %(minimum)s, stock might not last the delivery time; up to %(maximum)s it lasts %(days)d days,"
                    " delivery and one review, %(level)g %% sure.",
                    daily=orderpoint.dms_daily_demand,
                    minimum=format_quantity(self.env, orderpoint.product_min_qty),
                    maximum=format_quantity(self.env, orderpoint.product_max_qty),
                    days=orderpoint.dms_protection_days,
                    level=orderpoint.dms_service_level,
                )
                orderpoint.dms_reason += orderpoint._dms_get_more_reasons()

    def _dms_get_more_reasons(self):
        """What else is in the limits, in the user's language; each sentence begins with a space."""
        self.ensure_one()
        parts = [
            (
                self.dms_direct_demand,
                self.env._(
                    "Customers that are no distributors take %s a day.", round(self.dms_direct_demand, 1)
                ),
            ),
            (
                self.dms_proposed,
                self.env._(
                    "Distributors are proposed to order %s now.", format_quantity(self.env, self.dms_proposed)
                ),
            ),
            (
                self.dms_confirmed,
                self.env._(
                    "Confirmed orders of %s are taken off, for the stock forecast counts them already.",
                    format_quantity(self.env, self.dms_confirmed),
                ),
            ),
        ]
        return "".join(f" {words}" for there, words in parts if there)

    # --- the company's horizon --------------------------------------------------------

    def get_horizon_days(self):
        """What follows the forecast looks no further ahead than goods take to arrive: the company's horizon (a year by default) would count
        orders of next autumn as if they left now."""
        if self and all(orderpoint.dms_policy == "forecast" for orderpoint in self):
            return self.env.context.get("global_horizon_days", 0)
        return super().get_horizon_days()

    @api.depends("dms_policy")
    def _compute_lead_days(self):
        followers = self._dms_followers()
        super(StockWarehouseOrderpoint, followers.with_context(global_horizon_days=0))._compute_lead_days()
        super(StockWarehouseOrderpoint, self - followers)._compute_lead_days()

    @api.depends("dms_policy")
    def _compute_deadline_date(self):
        followers = self._dms_followers()
        super(
            StockWarehouseOrderpoint, followers.with_context(global_horizon_days=0)
        )._compute_deadline_date()
        super(StockWarehouseOrderpoint, self - followers)._compute_deadline_date()

    def _dms_followers(self):
        """Those that follow the forecast, unless the user has chosen a horizon in the replenishment view."""
        if "global_horizon_days" in self.env.context:
            return self.browse()
        return self.filtered(lambda orderpoint: orderpoint.dms_policy == "forecast")

    def write(self, vals):
        if vals.get("dms_policy") == "forecast" and "trigger" not in vals:
            vals = {**vals, "trigger": "manual"}
        return super().write(vals)

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            if vals.get("dms_policy") == "forecast":
                vals.setdefault(
                    "trigger", "manual"
                )  # nothing is bought by itself until a person accepts that
        return super().create(vals_list)

    @api.autovacuum
    def _unlink_processed_orderpoints(self):
        """Keep what follows the forecast: core takes a manual orderpoint of its own making for done once nothing is due."""
        processed = self or self.with_context(active_test=False).search([("dms_policy", "!=", "forecast")])
        processed = processed.filtered(lambda orderpoint: orderpoint.dms_policy != "forecast")
        if not processed:
            return processed
        return super(StockWarehouseOrderpoint, processed)._unlink_processed_orderpoints()

    def action_dms_follow_forecast(self):
        """Let minimum and maximum follow the forecast from now on; ordering stays with a person until the trigger is set to Auto."""
        followers = self.filtered(lambda orderpoint: orderpoint.dms_policy != "forecast")
        followers.write({"dms_policy": "forecast", "trigger": "manual"})
        self._dms_apply_forecast()
        return True

    @api.model
    def _dms_update_from_forecast(self, companies=None):
        """Write the limits of all forecast-driven orderpoints. Whoever runs the forecast need not be a warehouse manager."""
        for orderpoints_sudo in self.sudo()._dms_batches(companies):
            orderpoints_sudo._dms_apply_forecast()

    @api.model
    def _dms_batches(self, companies=None):
        domain = [("dms_policy", "=", "forecast")]
        if companies is not None:
            domain.append(("company_id", "in", companies.ids))
        for ids in split_every(BATCH, self.search(domain, order="company_id, id").ids):
            yield self.browse(ids)

    def _dms_apply_forecast(self):
        """Minimum = what may be sold until goods of an order of tomorrow arrive, maximum = with one review more, at the service level.

        Written only where a limit moves by more than a pack or a tenth, so that buyers are not chased by noise.
        """
        for company, orderpoints in self.grouped("company_id").items():
            run = self.env["dms.forecast.run"]._get_current(company)
            series = self.env["dms.forecast.series"].search_fetch(
                [
                    ("run_id", "=", run.id),
                    ("partner_id", "=", False),
                    ("product_id", "in", orderpoints.product_id.ids),
                ],
                ["product_id", "total", "horizon", "cumulative"],
            )
            by_product = {one.product_id: one for one in series}
            known = orderpoints.filtered_domain([("product_id", "in", series.product_id.ids)])
            if not known:
                continue
            table = series._stack_cumulative(
                [by_product[orderpoint.product_id].cumulative for orderpoint in known]
            )
            lead = np.array([orderpoint.lead_days for orderpoint in known])
            protection = lead + company.dms_orderpoint_review_days

            def quantile(days, table=table, level=company.dms_orderpoint_service / 100):
                return engine.cumulative_quantile(
                    table["values"], table["probabilities"], table["periods"], level, days
                )

            proposed, direct, confirmed = known._dms_get_other_demand(company, lead)
            # what distributors will ask for until then is what is proposed to them now or what shops buy, whichever is more
            new_min = np.maximum(quantile(lead + 1), proposed) + direct * (lead + 1) - confirmed
            new_max = np.maximum(quantile(protection), proposed) + direct * protection - confirmed
            new_min, new_max = (np.ceil(np.maximum(limit, 0) - 1e-6) for limit in (new_min, new_max))
            new_max = np.maximum(new_min, new_max)
            pack = np.array(
                [
                    orderpoint.replenishment_uom_id.factor / orderpoint.product_uom.factor
                    if orderpoint.replenishment_uom_id
                    else 0.0
                    for orderpoint in known
                ]
            )
            old = np.array([(orderpoint.product_min_qty, orderpoint.product_max_qty) for orderpoint in known])
            first = np.array([not orderpoint.dms_run_id for orderpoint in known])
            write = first | inventory.changed_enough(old[:, 0], old[:, 1], new_min, new_max, pack)
            for i, orderpoint in enumerate(known):
                vals = {
                    "dms_run_id": run.id,
                    "dms_daily_demand": by_product[orderpoint.product_id].daily,
                    "dms_protection_days": int(protection[i]),
                    "dms_service_level": company.dms_orderpoint_service,
                    "dms_proposed": proposed[i],
                    "dms_direct_demand": direct[i],
                    "dms_confirmed": confirmed[i],
                }
                if write[i]:
                    vals.update(product_min_qty=new_min[i], product_max_qty=new_max[i])
                orderpoint.write(vals)

    def _dms_get_other_demand(self, company, lead):
        """What is proposed to distributors, sold a day to others, and confirmed to leave within the lead time -> (n,), (n,), (n,) units.

        Only the first orderpoint of a product (the main warehouse's) counts proposals and direct demand; moves are those of its own location.
        """
        self.env.flush_all()
        products = tuple(self.product_id.ids)
        proposed = dict(
            self.env.execute_query(
                SQL(
                    """SELECT product_id, SUM(quantity) FROM dms_replenishment_proposal_line
                        WHERE company_id = %s AND state IN ('draft', 'proposed') AND product_id IN %s GROUP BY 1""",
                    company.id,
                    products,
                )
            )
        )
        direct = dict(
            self.env.execute_query(
                SQL(
                    """SELECT l.product_id, SUM(l.product_uom_qty * lu.factor / pu.factor) / %(days)s
                         FROM sale_order_line l
                         JOIN sale_order o ON o.id = l.order_id
                         JOIN res_partner contact ON contact.id = o.partner_id
                         JOIN res_partner customer ON customer.id = contact.commercial_partner_id
                         JOIN product_product p ON p.id = l.product_id
                         JOIN product_template t ON t.id = p.product_tmpl_id
                         JOIN uom_uom lu ON lu.id = l.product_uom_id
                         JOIN uom_uom pu ON pu.id = t.uom_id
                        WHERE o.state = 'sale' AND o.company_id = %(company)s AND l.display_type IS NULL AND l.product_id IN %(products)s
                          AND o.date_order >= %(since)s AND customer.channel_role IS DISTINCT FROM 'distributor'
                          AND customer.upstream_id IS NULL
                        GROUP BY 1""",
                    days=DIRECT_DAYS,
                    company=company.id,
                    products=products,
                    since=fields.Datetime.subtract(fields.Datetime.now(), days=DIRECT_DAYS),
                )
            )
        )
        moves = self.env["stock.move"]._read_group(
            [
                ("product_id", "in", list(products)),
                ("company_id", "=", company.id),
                ("state", "in", ("waiting", "confirmed", "assigned", "partially_available")),
                ("location_id", "child_of", self.location_id.ids),
                ("location_dest_id.usage", "=", "customer"),
            ],
            ["product_id", "location_id", "date:day"],
            ["product_qty:sum"],
        )
        today = fields.Date.context_today(self)
        leaving = defaultdict(list)
        for product, location, day, quantity in moves:
            leaving[product].append((location.parent_path, (day.date() - today).days, quantity))
        confirmed = np.array(
            [
                sum(
                    quantity
                    for path, days, quantity in leaving[orderpoint.product_id]
                    if path.startswith(orderpoint.location_id.parent_path) and days <= lead[i]
                )
                for i, orderpoint in enumerate(self)
            ],
            float,
        )
        first = {}
        for i, orderpoint in enumerate(self):
            first.setdefault(orderpoint.product_id.id, i)
        here = np.array([first[orderpoint.product_id.id] == i for i, orderpoint in enumerate(self)])
        return (
            *(
                np.array([float(sums.get(orderpoint.product_id.id) or 0) for orderpoint in self]) * here
                for sums in (proposed, direct)
            ),
            confirmed,
        )

    @api.model
    def action_dms_add_missing(self):
        """Add an orderpoint for each product that is forecast and has none in the company's first warehouse.

        An archived one keeps its place: somebody put it away, and the database allows no second.
        """
        company = self.env.company
        run = self.env["dms.forecast.run"]._get_current(company)
        warehouse = self.env["stock.warehouse"].search([("company_id", "=", company.id)], limit=1)
        if not run or not warehouse:
            raise UserError(self.env._("There is no forecast or no warehouse of %s yet.", company.name))
        products = (
            self.env["dms.forecast.series"]
            .search([("run_id", "=", run.id), ("partner_id", "=", False)])
            .product_id.filtered(lambda product: product.active and product.is_storable)
        )
        taken = self.with_context(active_test=False).search(
            [
                ("company_id", "=", company.id),
                ("location_id", "=", warehouse.lot_stock_id.id),
                ("product_id", "in", products.ids),
            ]
        )
        new = self.create(
            [
                {
                    "product_id": product.id,
                    "warehouse_id": warehouse.id,
                    "location_id": warehouse.lot_stock_id.id,
                    "company_id": company.id,
                    "dms_policy": "forecast",
                }
                for product in products - taken.product_id
            ]
        )
        for orderpoints in new._dms_split():
            orderpoints._dms_apply_forecast()
        return self.env["ir.actions.act_window"]._for_xml_id("dms_forecast.stock_warehouse_orderpoint_action")

    def _dms_split(self):
        for ids in split_every(BATCH, self.ids):
            yield self.browse(ids)

    @api.model
    def _cron_dms_forecast(self):
        cron = self.env["ir.cron"]
        batches = list(self._dms_batches())
        cron._commit_progress(remaining=sum(map(len, batches)))
        for orderpoints in batches:
            orderpoints._dms_apply_forecast()
            if not cron._commit_progress(len(orderpoints)):
                return
