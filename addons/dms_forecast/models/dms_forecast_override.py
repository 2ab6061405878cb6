from datetime import timedelta

import numpy as np

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import SQL, format_date

from ..tools.override import Change

LONGEST = 366
#: What decides which days are judged: fixed once the first of them has come.
FIXED = {"company_id", "partner_id", "product_id", "categ_id", "kind", "percent", "quantity", "date_from"}


class DmsForecastOverride(models.Model):
    """What somebody knows and the history does not: it is laid over every forecast of its days, and judged by what came."""

    _name = "dms.forecast.override"
    _description = "Forecast Override"
    _inherit = ["mail.thread"]
    _order = "date_from desc, id desc"
    _check_company_auto = True

    company_id = fields.Many2one(
        "res.company", required=True, default=lambda self: self.env.company, index=True
    )
    active = fields.Boolean(default=True, tracking=True)
    partner_id = fields.Many2one(
        "res.partner",
        string="Distributor",
        domain=[("channel_role", "=", "distributor")],
        check_company=True,
        index="btree_not_null",
        tracking=True,
        help="Empty: all distributors.",
    )
    product_id = fields.Many2one("product.product", check_company=True, tracking=True)
    categ_id = fields.Many2one(
        "product.category", string="Product Category", tracking=True, help="With those below."
    )
    date_from = fields.Date("From", required=True, default=fields.Date.context_today, tracking=True)
    date_to = fields.Date(
        "Until", required=True, tracking=True, help="After it the forecast is the engine's again."
    )
    kind = fields.Selection(
        [("percent", "More or less, in percent"), ("total", "A quantity for these days")],
        required=True,
        default="percent",
        tracking=True,
    )
    percent = fields.Float("Change (%)", aggregator=None, tracking=True)
    quantity = fields.Float(
        digits="Product Unit", tracking=True, help="Of all the days together, in the product's unit."
    )
    reason = fields.Char(
        required=True, tracking=True, help="What you know: a tender won, a shop that opens, a rival's price."
    )
    user_id = fields.Many2one("res.users", string="By", default=lambda self: self.env.user, readonly=True)
    state = fields.Selection(
        [("planned", "Planned"), ("running", "Running"), ("ended", "Ended")],
        compute="_compute_state",
        search="_search_state",
    )
    run_id = fields.Many2one(
        "dms.forecast.run",
        string="Judged Forecast",
        readonly=True,
        copy=False,
        ondelete="set null",
        index="btree_not_null",
        help="The last forecast made before these days began: what it said is compared with what came.",
    )
    judged_from = fields.Date(readonly=True, copy=False)
    judged_to = fields.Date(readonly=True, copy=False)
    engine_quantity = fields.Float("Engine Said", digits="Product Unit", readonly=True, copy=False)
    override_quantity = fields.Float("Override Said", digits="Product Unit", readonly=True, copy=False)
    actual_quantity = fields.Float("Came", digits="Product Unit", readonly=True, copy=False)
    is_judged = fields.Boolean("Judged", readonly=True, copy=False)
    value_added = fields.Float(
        compute="_compute_value_added",
        store=True,
        digits="Product Unit",
        help="By how many units the override came closer to what was sold than the engine; below zero it led away.",
    )
    series_count = fields.Integer(compute="_compute_series_count")

    _dates_check = models.Constraint(
        "CHECK (date_to >= date_from)", "An override can't end before it begins."
    )
    _figures_check = models.Constraint(
        "CHECK (percent BETWEEN -100 AND 1000 AND quantity >= 0)",
        "The change is from -100 to 1000 %, and a quantity is not negative.",
    )

    @api.depends("partner_id", "product_id", "categ_id", "kind", "percent", "quantity")
    def _compute_display_name(self):
        for override in self:
            override.display_name = self.env._(
                "%(what)s: %(change)s",
                what=override.product_id.display_name
                or override.categ_id.display_name
                or self.env._("All products"),
                change=override._get_change_text(),
            )

    @api.depends("date_from", "date_to")
    def _compute_state(self):
        today = fields.Date.context_today(self)
        for override in self:
            if not override.date_from or not override.date_to or override.date_from > today:
                override.state = "planned"
            else:
                override.state = "running" if override.date_to >= today else "ended"

    def _search_state(self, operator, value):
        if operator != "in":
            return NotImplemented
        today = fields.Date.context_today(self)
        domains = {
            "planned": [("date_from", ">", today)],
            "running": [("date_from", "<=", today), ("date_to", ">=", today)],
            "ended": [("date_to", "<", today)],
        }
        return fields.Domain.OR(fields.Domain(domains[state]) for state in value if state in domains)

    @api.depends("is_judged", "engine_quantity", "override_quantity", "actual_quantity")
    def _compute_value_added(self):
        for override in self:
            override.value_added = override.is_judged and (
                abs(override.engine_quantity - override.actual_quantity)
                - abs(override.override_quantity - override.actual_quantity)
            )

    def _compute_series_count(self):
        for override in self:
            override.series_count = self.env["dms.forecast.series"].search_count(
                override._get_series_domain()
            )

    @api.constrains("kind", "partner_id", "product_id")
    def _check_total(self):
        for override in self:
            if override.kind == "total" and not (override.partner_id and override.product_id):
                raise ValidationError(
                    self.env._(
                        "A quantity is of one distributor and one product. Name both, or change by percent."
                    )
                )

    @api.constrains("kind", "percent")
    def _check_percent(self):
        if self.filtered(lambda override: override.kind == "percent" and not override.percent):
            raise ValidationError(self.env._("A change of 0 % changes nothing. Say how much more or less."))

    @api.constrains("date_from", "date_to")
    def _check_dates(self):
        for override in self:
            if override.date_to - override.date_from > timedelta(days=LONGEST):
                raise ValidationError(
                    self.env._("An override is for a year at most: what lasts longer, the engine learns.")
                )

    @api.constrains("partner_id", "product_id", "date_from", "date_to", "kind", "active")
    def _check_one_total(self):
        """Two quantities for the same days would leave it to chance which one counts."""
        for override in self.filtered(lambda one: one.kind == "total" and one.active):
            other = self.search(
                [
                    ("id", "!=", override.id),
                    ("company_id", "=", override.company_id.id),
                    ("kind", "=", "total"),
                    ("partner_id", "=", override.partner_id.id),
                    ("product_id", "=", override.product_id.id),
                    ("date_from", "<=", override.date_to),
                    ("date_to", ">=", override.date_from),
                ],
                limit=1,
            )
            if other:
                raise ValidationError(
                    self.env._(
                        "%(user)s has set a quantity for days from %(begin)s to %(end)s. End that one, or choose other days.",
                        user=other.user_id.display_name,
                        begin=format_date(self.env, other.date_from),
                        end=format_date(self.env, other.date_to),
                    )
                )

    @api.model_create_multi
    def create(self, vals_list):
        overrides = super().create(vals_list)
        today = fields.Date.context_today(self)
        if late := overrides.filtered(lambda override: override.date_to < today):
            raise UserError(
                self.env._(
                    "%(date)s is over: an override is for days to come.",
                    date=format_date(self.env, late[0].date_to),
                )
            )
        return overrides

    def write(self, vals):
        today = fields.Date.context_today(self)
        changed = FIXED & vals.keys()
        if changed and (
            begun := self.filtered(lambda override: override.run_id and override.date_from <= today)
        ):
            raise UserError(
                self.env._(
                    "%(override)s has begun and is judged by what it said. End it today, and make a new one.",
                    override=begun[0].display_name,
                )
            )
        return super().write(vals)

    def _get_change_text(self):
        if self.kind == "total":
            return self.env._("%(quantity)s in all", quantity=f"{self.quantity:.12g}")
        return f"{self.percent:+.12g} %"

    # --- laid over a forecast ---------------------------------------------------------

    @api.model
    def _get_changes(self, run, partners, products, categories):
        """What is to be laid over the series of a run: [(override, Change)]; quantities after shares, so that they stand.

        :param partners, products, categories: (n,) ids of the series
        """
        first = run.date + timedelta(days=1)
        overrides = self.search(
            [
                ("company_id", "=", run.company_id.id),
                ("date_from", "<=", run.date + timedelta(days=run.horizon)),
                ("date_to", ">=", first),
            ],
            order="kind, id",
        )
        changes = []
        for override in overrides:
            rows = np.ones(len(partners), bool)
            if override.partner_id:
                rows &= partners == override.partner_id.id
            if override.product_id:
                rows &= products == override.product_id.id
            if override.categ_id:
                below = self.env["product.category"].search([("id", "child_of", override.categ_id.id)])
                rows &= np.isin(categories, below.ids)
            if not rows.any():
                continue
            begin = max((override.date_from - first).days, 0)
            end = min((override.date_to - first).days, run.horizon - 1)
            if override.kind == "percent":
                changes.append((override, Change(rows, begin, end, share=override.percent / 100)))
            else:
                # of a quantity for days that are partly over or beyond the horizon, the days ahead get their share
                share = (end - begin + 1) / ((override.date_to - override.date_from).days + 1)
                changes.append((override, Change(rows, begin, end, total=override.quantity * share)))
        return changes

    @api.model
    def _begin_run(self, run):
        """A run that starts is the one by which overrides are judged whose days have not begun, or that none has seen yet."""
        first, last = run.date + timedelta(days=1), run.date + timedelta(days=run.horizon)
        overrides = self.search(
            [
                ("company_id", "=", run.company_id.id),
                ("date_from", "<=", last),
                ("date_to", ">=", first),
                "|",
                ("date_from", ">", fields.Date.context_today(self)),
                ("run_id", "in", [False, run.id]),
            ]
        )
        for override in overrides:
            override.write(
                {
                    "run_id": run.id,
                    "judged_from": max(override.date_from, first),
                    "judged_to": min(override.date_to, last),
                    "engine_quantity": 0.0,
                    "override_quantity": 0.0,
                    "actual_quantity": 0.0,
                    "is_judged": False,
                }
            )

    def _add_effect(self, run, before, after):
        """Add what a batch of a run's series was and became by this override."""
        if self.run_id == run:
            self.engine_quantity += before
            self.override_quantity += after

    @api.model
    def _judge(self, company):
        """Compare what was said with what came, for overrides whose days are over and reported; late reports change it again."""
        self.flush_model()
        self.env["dms.channel.move"].flush_model()
        self.env.cr.execute(
            SQL(
                """
                WITH reported AS (
                    SELECT MAX(date) AS until FROM dms_channel_move WHERE kind = 'sell_out' AND company_id = %(company)s
                ), wanted AS (
                    SELECT override.id, override.partner_id, override.product_id, override.judged_from,
                           override.judged_to, category.parent_path
                      FROM dms_forecast_override override
                      JOIN reported ON override.judged_to <= reported.until
                 LEFT JOIN product_category category ON category.id = override.categ_id
                     WHERE override.company_id = %(company)s AND override.run_id IS NOT NULL
                       AND override.judged_to >= reported.until - 90
                ), came AS (
                    SELECT wanted.id, COALESCE(SUM(-move.quantity), 0) AS quantity
                      FROM wanted
                 LEFT JOIN (dms_channel_move move
                            JOIN product_product product ON product.id = move.product_id
                            JOIN product_template template ON template.id = product.product_tmpl_id
                       LEFT JOIN product_category of_product ON of_product.id = template.categ_id)
                        ON move.company_id = %(company)s AND move.kind = 'sell_out'
                       AND move.date BETWEEN wanted.judged_from AND wanted.judged_to
                       AND (wanted.partner_id IS NULL OR move.partner_id = wanted.partner_id)
                       AND (wanted.product_id IS NULL OR move.product_id = wanted.product_id)
                       AND (wanted.parent_path IS NULL OR starts_with(of_product.parent_path, wanted.parent_path))
                  GROUP BY wanted.id
                )
                SELECT id, quantity FROM came
                """,
                company=company.id,
            )
        )
        for override_id, quantity in self.env.cr.fetchall():
            self.browse(override_id).write({"actual_quantity": float(quantity), "is_judged": True})

    # --- screens ----------------------------------------------------------------------

    def _get_series_domain(self):
        domain = [
            ("run_id.is_current", "=", True),
            ("company_id", "=", self.company_id.id),
            ("partner_id", "!=", False),
        ]
        if self.partner_id:
            domain.append(("partner_id", "=", self.partner_id.id))
        if self.product_id:
            domain.append(("product_id", "=", self.product_id.id))
        if self.categ_id:
            domain.append(("categ_id", "child_of", self.categ_id.id))
        return domain

    @api.model
    def _get_new_action(self, **defaults):
        """The form of a new override, filled in."""
        return {
            "type": "ir.actions.act_window",
            "res_model": self._name,
            "view_mode": "form",
            "context": {f"default_{name}": value for name, value in defaults.items()},
        }

    def action_view_series(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_forecast.dms_forecast_series_action")
        return action | {"domain": self._get_series_domain(), "context": {}}

    def action_end(self):
        """From today on the forecast is the engine's again."""
        yesterday = fields.Date.context_today(self) - timedelta(days=1)
        for override in self:
            if override.date_from > yesterday:
                override.active = False
            else:
                override.date_to = min(override.date_to, yesterday)
        return True
