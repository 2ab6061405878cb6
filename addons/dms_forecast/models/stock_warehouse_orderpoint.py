import numpy as np

from odoo import api, fields, models
from odoo.tools import split_every

from odoo.addons.dms_channel.tools.words import format_quantity

from ..tools import forecast as engine
from ..tools import inventory

BATCH = 200


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
    dms_reason = fields.Text("Why", compute="_compute_dms_reason")

    @api.depends(
        "dms_policy",
        "dms_run_id",
        "dms_daily_demand",
        "dms_protection_days",
        "dms_service_level",
        "product_min_qty",
        "product_max_qty",
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

            new_min, new_max = np.ceil(quantile(lead + 1)), np.ceil(quantile(protection))
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
                }
                if write[i]:
                    vals.update(product_min_qty=new_min[i], product_max_qty=new_max[i])
                orderpoint.write(vals)

    @api.model
    def _cron_dms_forecast(self):
        cron = self.env["ir.cron"]
        batches = list(self._dms_batches())
        cron._commit_progress(remaining=sum(map(len, batches)))
        for orderpoints in batches:
            orderpoints._dms_apply_forecast()
            if not cron._commit_progress(len(orderpoints)):
                return
