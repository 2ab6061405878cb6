import hashlib
import json
from datetime import timedelta

import numpy as np
from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Command
from odoo.tools import SQL, float_round, format_date

from odoo.addons.dms_channel.tools import guard

from ..tools import replenish, what_if

MANAGER = "dms_channel.dms_channel_group_manager"
HISTORY_DAYS = 730  # of sales that an elasticity is learnt from
#: What a scenario asks: once it changes, the result is of another question.
ASKED = {
    "company_id",
    "kind",
    "weeks",
    "partner_ids",
    "categ_ids",
    "product_ids",
    "program_id",
    "date_from",
    "date_to",
    "discount",
    "price_percent",
    "effect_basis",
    "typed_percent",
    "lead_change",
    "service_level",
}
#: What only computing and applying write.
GUARDED = {
    "state",
    "run_id",
    "computed_on",
    "rules_hash",
    "effect_percent",
    "effect_note",
    "planned",
    "applied",
    "event_id",
    "applied_by_id",
    "applied_on",
    "override_ids",
    "rule_ids",
}
TOTALS = ("stock_value", "cash", "order_value", "lost_value")
SERVICES = ("cycle_service", "fill_rate")
#: Of a rule, what decides on orders: once it changes, results are old.
POLICY = (
    "sequence",
    "company_id",
    "partner_ids",
    "grade_ids",
    "categ_ids",
    "abc",
    "xyz",
    "trigger",
    "weekday",
    "month_days",
    "lead_days",
    "lead_since",
    "review_days",
    "target_days",
    "effective_level",
    "cap_days",
    "shelf_share",
    "rounding",
)


class DmsForecastScenario(models.Model):
    """What a promotion, a price, other lead times or another service level would do to stock, service and cash, and how it is put into force."""

    _name = "dms.forecast.scenario"
    _description = "What-if Scenario"
    _inherit = ["mail.thread"]
    _order = "id desc"
    _check_company_auto = True

    name = fields.Char(required=True, tracking=True)
    company_id = fields.Many2one(
        "res.company", required=True, default=lambda self: self.env.company, index=True
    )
    currency_id = fields.Many2one(related="company_id.currency_id")
    user_id = fields.Many2one("res.users", string="Responsible", default=lambda self: self.env.user)
    state = fields.Selection(
        [
            ("draft", "Draft"),
            ("computed", "Computed"),
            ("applied", "Applied"),
            ("cancelled", "Cancelled"),
        ],
        required=True,
        default="draft",
        readonly=True,
        copy=False,
        tracking=True,
        index=True,
    )
    kind = fields.Selection(
        [
            ("promotion", "A promotion"),
            ("price", "Another price"),
            ("lead", "Longer or shorter delivery"),
            ("service", "Another service level"),
        ],
        "What if",
        required=True,
        default="lead",
        tracking=True,
    )
    weeks = fields.Integer(
        "Look Ahead (weeks)", required=True, default=13, help="How far the effect is looked at."
    )
    partner_ids = fields.Many2many(
        "res.partner",
        string="Distributors",
        domain=[("channel_role", "=", "distributor")],
        check_company=True,
        help="Empty: all.",
    )
    categ_ids = fields.Many2many(
        "product.category",
        string="Product Categories",
        compute="_compute_program",
        store=True,
        readonly=False,
        help="With those below. Empty: all.",
    )
    product_ids = fields.Many2many(
        "product.product",
        string="Products",
        compute="_compute_program",
        store=True,
        readonly=False,
        check_company=True,
        help="Beside those of the categories. Empty: all.",
    )
    program_id = fields.Many2one(
        "loyalty.program",
        string="Promotion Programme",
        domain=[
            ("date_from", "!=", False),
            ("program_type", "in", ("promotion", "promo_code", "buy_x_get_y")),
        ],
        check_company=True,
        help="Fills in days, depth and products; they can be changed. Archived ones can be tried too: those in the calendar are in the forecast already.",
    )
    date_from = fields.Date("From", compute="_compute_program", store=True, readonly=False)
    date_to = fields.Date("Until", compute="_compute_program", store=True, readonly=False)
    discount = fields.Float(
        "Discount (%)",
        compute="_compute_program",
        store=True,
        readonly=False,
        aggregator=None,
        help="How much lower the price is on these days.",
    )
    price_percent = fields.Float("Change of Price (%)", aggregator=None, help="-10: a tenth cheaper.")
    effect_basis = fields.Selection(
        [("learnt", "As past sales answered prices"), ("typed", "Typed in")],
        "Effect on Demand",
        required=True,
        default="learnt",
        help="Where past sales don't tell, the price elasticity of the company's settings counts, and the result says so.",
    )
    typed_percent = fields.Float("Demand More or Less (%)", aggregator=None)
    effect_percent = fields.Float("Effect Used (%)", readonly=True, copy=False, aggregator=None)
    effect_note = fields.Char("Where it is From", readonly=True, copy=False)
    lead_change = fields.Integer(
        "Days Longer or Shorter", aggregator=None, help="7: a week longer. -2: two days shorter."
    )
    service_level = fields.Float("New Service Level (%)", default=98.0, aggregator=None)
    run_id = fields.Many2one(
        "dms.forecast.run", string="Forecast", readonly=True, copy=False, ondelete="set null"
    )
    computed_on = fields.Datetime(readonly=True, copy=False)
    rules_hash = fields.Char("State of Rules", readonly=True, copy=False)
    is_stale = fields.Boolean("Out of Date", compute="_compute_is_stale")
    stale_note = fields.Char("Why out of Date", compute="_compute_is_stale")
    line_ids = fields.One2many("dms.forecast.scenario.line", "scenario_id", readonly=True)
    line_count = fields.Integer("Series", readonly=True, copy=False)
    stock_value_before = fields.Monetary("Stock Value, Before", readonly=True, copy=False)
    stock_value_after = fields.Monetary("Stock Value, After", readonly=True, copy=False)
    stock_value_change = fields.Monetary(
        "Stock Value, Change",
        readonly=True,
        copy=False,
        help="Stock at the distributors on an average day.",
    )
    cash_before = fields.Monetary("Cash Tied Up, Before", readonly=True, copy=False)
    cash_after = fields.Monetary("Cash Tied Up, After", readonly=True, copy=False)
    cash_change = fields.Monetary(
        "Cash Tied Up, Change",
        readonly=True,
        copy=False,
        help="Stock and goods under way on an average day.",
    )
    order_value_before = fields.Monetary("Orders, Before", readonly=True, copy=False)
    order_value_after = fields.Monetary("Orders, After", readonly=True, copy=False)
    order_value_change = fields.Monetary(
        "Orders, Change", readonly=True, copy=False, help="What is ordered in all the weeks."
    )
    lost_value_before = fields.Monetary("Sales Missed, Before", readonly=True, copy=False)
    lost_value_after = fields.Monetary("Sales Missed, After", readonly=True, copy=False)
    lost_value_change = fields.Monetary(
        "Sales Missed, Change",
        readonly=True,
        copy=False,
        help="Asked for and not there, at the distributor's purchase price.",
    )
    cycle_service_before = fields.Float(
        "Cycle Service, Before (%)", readonly=True, copy=False, aggregator="avg"
    )
    cycle_service_after = fields.Float(
        "Cycle Service, After (%)", readonly=True, copy=False, aggregator="avg"
    )
    cycle_service_change = fields.Float(
        "Cycle Service, Change",
        readonly=True,
        copy=False,
        aggregator="avg",
        help="Order cycles that end without a missed sale, weighted by demand.",
    )
    fill_rate_before = fields.Float("Fill Rate, Before (%)", readonly=True, copy=False, aggregator="avg")
    fill_rate_after = fields.Float("Fill Rate, After (%)", readonly=True, copy=False, aggregator="avg")
    fill_rate_change = fields.Float(
        "Fill Rate, Change",
        readonly=True,
        copy=False,
        aggregator="avg",
        help="Share of what is asked for that is there, by value.",
    )
    planned = fields.Json(
        readonly=True, copy=False, help="What applying writes on rules: {rule: {field: [before, after]}}."
    )
    applied = fields.Json(
        readonly=True,
        copy=False,
        help="What applying did to rules: [{rule, made, before, after}], to take it back exactly.",
    )
    applied_by_id = fields.Many2one("res.users", readonly=True, copy=False)
    applied_on = fields.Datetime(readonly=True, copy=False)
    event_id = fields.Many2one(
        "dms.calendar.event",
        string="Calendar Event",
        readonly=True,
        copy=False,
        ondelete="set null",
        help="The promotion in the calendar. It is archived until it is over, for the overrides count it; then the engine learns from it.",
    )
    override_ids = fields.Many2many(
        "dms.forecast.override", readonly=True, copy=False, context={"active_test": False}
    )
    rule_ids = fields.Many2many(
        "dms.replenishment.rule", readonly=True, copy=False, context={"active_test": False}
    )
    override_count = fields.Integer("Overrides Made", compute="_compute_counts")
    rule_count = fields.Integer("Rules Changed", compute="_compute_counts")

    _weeks_check = models.Constraint(
        "CHECK (weeks BETWEEN 1 AND 26)", "The effect is looked at for 1 to 26 weeks."
    )

    @api.depends("program_id")
    def _compute_program(self):
        for scenario in self:
            program_sudo = scenario.program_id.sudo()
            if not program_sudo.date_from:
                continue  # what was typed in stays
            vals = self.env["dms.calendar.event"]._prepare_program_vals(program_sudo)
            # of a programme that runs already, the rest can still be planned
            scenario.date_from = max(vals["date_from"], fields.Date.context_today(scenario))
            scenario.date_to = vals["date_to"]
            scenario.discount = vals["discount"]
            scenario.categ_ids = [Command.set(vals["categ_ids"])]
            scenario.product_ids = [Command.set(vals["product_ids"])]

    @api.depends("state", "run_id", "rules_hash")
    def _compute_is_stale(self):
        known = {}
        for scenario in self:
            scenario.is_stale, scenario.stale_note = False, False
            if scenario.state != "computed":
                continue
            company = scenario.company_id
            if company not in known:
                rules = self.env["dms.replenishment.rule"]._get_rules(company)
                known[company] = self.env["dms.forecast.run"]._get_current(company), self._hash_rules(rules)
            run, rules_hash = known[company]
            if scenario.run_id != run:
                scenario.stale_note = self.env._(
                    "There is a newer forecast than the one this was computed with."
                )
            elif scenario.rules_hash != rules_hash:
                scenario.stale_note = self.env._("Replenishment rules were changed since this was computed.")
            scenario.is_stale = bool(scenario.stale_note)

    @api.depends("override_ids", "rule_ids")
    def _compute_counts(self):
        for scenario in self.with_context(active_test=False):
            scenario.override_count = len(scenario.override_ids)
            scenario.rule_count = len(scenario.rule_ids)

    @api.constrains("date_from", "date_to")
    def _check_dates(self):
        for scenario in self:
            if scenario.date_from and scenario.date_to and scenario.date_to < scenario.date_from:
                raise ValidationError(
                    self.env._(
                        "%(scenario)s ends on %(end)s, before it begins on %(begin)s. Correct the days.",
                        scenario=scenario.name,
                        end=format_date(self.env, scenario.date_to),
                        begin=format_date(self.env, scenario.date_from),
                    )
                )

    @api.constrains("kind", "service_level")
    def _check_service_level(self):
        for scenario in self:
            if scenario.kind == "service" and not 50 <= scenario.service_level <= 99.9:
                raise ValidationError(
                    self.env._(
                        "A service level of %(level)g %% can't be planned for. Enter one from 50 to 99.9 %%, such as 98.",
                        level=scenario.service_level,
                    )
                )

    @api.constrains("discount", "price_percent", "typed_percent")
    def _check_percents(self):
        for scenario in self:
            if not 0 <= scenario.discount < 100:
                raise ValidationError(
                    self.env._("A discount of %g %% is none: enter 0 to 99.", scenario.discount)
                )
            if not -90 <= scenario.price_percent <= 300:
                raise ValidationError(
                    self.env._(
                        "A price can't be changed by %g %% here: enter -90 to 300.", scenario.price_percent
                    )
                )
            if not -100 <= scenario.typed_percent <= 1000:
                raise ValidationError(
                    self.env._("Demand can't change by %g %%: enter -100 to 1000.", scenario.typed_percent)
                )

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            self._check_guarded(vals)
        return super().create(vals_list)

    def write(self, vals):
        self._check_guarded(vals)
        if ASKED & vals.keys():
            if closed := self.filtered(lambda scenario: scenario.state in ("applied", "cancelled")):
                raise UserError(
                    self.env._(
                        "%(scenario)s is closed. Duplicate it to ask something else.", scenario=closed[0].name
                    )
                )
            computed = self.filtered(lambda scenario: scenario.state == "computed")
            result = super().write(vals)
            guard.mark(computed)._reset()
            return result
        return super().write(vals)

    def copy_data(self, default=None):
        vals_list = super().copy_data(default)
        if "name" not in (default or {}):
            for scenario, vals in zip(self, vals_list, strict=True):
                vals["name"] = self.env._("%s (copy)", scenario.name)
        return vals_list

    @api.ondelete(at_uninstall=False)
    def _unlink_except_applied(self):
        if applied := self.filtered(lambda scenario: scenario.state == "applied"):
            raise UserError(self.env._("%s is in force. Take it back before you delete it.", applied[0].name))

    def _check_guarded(self, vals):
        if guard.is_marked(self):
            return
        results = {
            name for name, field in self._fields.items() if name.endswith(("_before", "_after", "_change"))
        }
        results.discard("lead_change")
        if (GUARDED | results) & vals.keys():
            raise AccessError(
                self.env._("Results of a scenario are computed. Change what it asks, and compute it.")
            )

    # --- actions ----------------------------------------------------------------------

    def action_compute(self):
        """Work out before and after by today's stock, forecast and rules."""
        for scenario in self:
            scenario.check_access("write")
            if scenario.state not in ("draft", "computed"):
                raise UserError(self.env._("%s is closed. Duplicate it to compute it anew.", scenario.name))
            scenario._work_out()
        return True

    def action_apply(self):
        """Put the change into force, once: overrides for demand, replenishment rules for supply."""
        self._check_manager()
        self.check_access("write")
        self.lock_for_update()
        self.invalidate_recordset()
        for scenario in self:
            if scenario.state == "applied":
                raise UserError(
                    self.env._(
                        "%(scenario)s was already applied by %(user)s.",
                        scenario=scenario.name,
                        user=scenario.applied_by_id.display_name,
                    )
                )
            if scenario.state != "computed":
                raise UserError(
                    self.env._(
                        "Compute %s first, so that its effect is known before it is applied.", scenario.name
                    )
                )
            if scenario.is_stale:
                raise UserError(
                    self.env._(
                        "%(why)s Compute %(scenario)s again, look at the effect, and then apply it.",
                        why=scenario.stale_note,
                        scenario=scenario.name,
                    )
                )
            if scenario.kind in ("promotion", "price"):
                scenario._apply_demand()
            else:
                scenario._apply_supply()
        return True

    def action_revert(self):
        """Take back what applying did, exactly; refused where somebody has changed it since."""
        self._check_manager()
        self.check_access("write")
        self.lock_for_update()
        self.invalidate_recordset()
        for scenario in self:
            if scenario.state != "applied":
                raise UserError(self.env._("%s is not in force.", scenario.name))
            changes = scenario._revert_supply()
            overrides = scenario.with_context(active_test=False).override_ids
            overrides.filtered(lambda override: override.active and override.state != "ended").action_end()
            if overrides:
                changes.append(self.env._("Overrides ended: %s", len(overrides)))
            if not scenario.event_id.active:
                scenario.event_id.unlink()
            guard.mark(scenario).state = "cancelled"
            scenario._log(self.env._("Taken back:"), changes)
        return True

    def action_cancel(self):
        for scenario in self:
            scenario.check_access("write")
            if scenario.state == "applied":
                raise UserError(self.env._("%s is in force. Take it back instead.", scenario.name))
        guard.mark(self).state = "cancelled"
        return True

    def action_draft(self):
        for scenario in self:
            scenario.check_access("write")
            if scenario.state != "cancelled" or scenario.applied_on:
                raise UserError(
                    self.env._("%s was in force once and stays on file. Duplicate it instead.", scenario.name)
                )
        guard.mark(self)._reset()
        return True

    def action_view_lines(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "dms_forecast.dms_forecast_scenario_line_action"
        )
        return action | {"domain": [("scenario_id", "=", self.id)], "context": {}}

    def action_view_overrides(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_forecast.dms_forecast_override_action")
        ids = self.with_context(active_test=False).override_ids.ids
        return action | {"domain": [("id", "in", ids)], "context": {"active_test": False}}

    def action_view_rules(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_forecast.dms_replenishment_rule_action")
        ids = self.with_context(active_test=False).rule_ids.ids
        return action | {"domain": [("id", "in", ids)], "context": {"active_test": False}}

    def _check_manager(self):
        if not self.env.su and not self.env.user.has_group(MANAGER):
            raise AccessError(
                self.env._(
                    "Only managers of distribution put scenarios into force. Ask one of them to look at it."
                )
            )

    def _reset(self):
        """Back to a question without an answer."""
        self._delete_lines()
        self.write({"state": "draft", "run_id": False, "rules_hash": False, "line_count": 0})

    def _delete_lines(self):
        """Delete results without a query per line."""
        if self.ids:
            self.env.cr.execute(
                SQL("DELETE FROM dms_forecast_scenario_line WHERE scenario_id IN %s", tuple(self.ids))
            )
            self.env["dms.forecast.scenario.line"].invalidate_model()
            self.invalidate_recordset(["line_ids"])

    # --- what is asked ----------------------------------------------------------------

    def _check_question(self, run):
        """Say what is missing or wrong before anything is computed."""
        _ = self.env._
        if not run:
            raise UserError(
                _(
                    "There is no finished forecast of %s yet. Run one first (Forecast, Runs).",
                    self.company_id.display_name,
                )
            )
        if self.kind in ("promotion", "price"):
            self._check_days(run)
            if self.effect_basis == "typed" and not self.typed_percent:
                raise UserError(_("Demand that changes by 0 % changes nothing. Say how much more or less."))
            if self.kind == "promotion" and self.effect_basis == "learnt" and not self.discount:
                raise UserError(
                    _("Say how deep the promotion is: without a discount, its effect must be typed in.")
                )
            if self.kind == "price" and not self.price_percent:
                raise UserError(_("A price that changes by 0 % changes nothing. Say how much more or less."))
            self._check_not_in_calendar()
        elif self.product_ids:
            raise UserError(
                _(
                    "Rules of replenishment are for distributors and categories, not for single products."
                    " Take the products out, and name their categories."
                )
            )
        if self.kind == "lead" and not self.lead_change:
            raise UserError(
                _("A delivery of as many days as now changes nothing. Say how many more or fewer.")
            )

    def _check_not_in_calendar(self):
        """A programme that the forecast counts already would count twice."""
        event = self.kind == "promotion" and self.program_id and self._get_program_event()
        if event and event.active and event.date_to >= fields.Date.context_today(self):
            raise UserError(
                self.env._(
                    "%s stands in the calendar, so the forecast counts it already. Archive its event to try it here.",
                    self.program_id.display_name,
                )
            )

    def _get_program_event(self):
        events = self.env["dms.calendar.event"].with_context(active_test=False)
        return events.search([("program_id", "=", self.program_id.id)], limit=1)

    def _check_days(self, run):
        _ = self.env._
        today = fields.Date.context_today(self)
        if not self.date_from or not self.date_to:
            raise UserError(_("Say from when until when: both days are needed."))
        if self.date_from < today:
            raise UserError(
                _(
                    "%(date)s is in the past. What is over can't be changed any more: begin today or later.",
                    date=format_date(self.env, self.date_from),
                )
            )
        last = run.date + timedelta(days=7 * self.weeks)
        if self.date_from > last:
            raise UserError(
                _(
                    "%(begin)s is after the %(weeks)s weeks that are looked at, which end on %(end)s. Look further ahead, or begin earlier.",
                    begin=format_date(self.env, self.date_from),
                    weeks=self.weeks,
                    end=format_date(self.env, last),
                )
            )
        if self.date_to - self.date_from > timedelta(days=366):
            raise UserError(
                _("A change of demand is for a year at most: what lasts longer, the engine learns.")
            )

    def _get_effect(self):
        """How demand changes on the days, as a share, and where that is from in words."""
        _ = self.env._
        if self.effect_basis == "typed":
            return self.typed_percent / 100, _("Typed in, not learnt: as good as who knows it.")
        change = -self.discount / 100 if self.kind == "promotion" else self.price_percent / 100
        learnt = what_if.learn_elasticity(*self._read_prices())
        if learnt:
            elasticity, weeks = learnt
            note = _(
                "Learnt: sales rose by %(elasticity).1f %% for each per cent off the price, in %(weeks)d weeks of a distributor and product.",
                elasticity=elasticity,
                weeks=weeks,
            )
        else:
            elasticity = self.company_id.dms_promo_elasticity
            note = _(
                "Past sales don't tell: their prices hardly moved. The price elasticity of the settings (%(elasticity).1f) is used.",
                elasticity=elasticity,
            )
        return min(what_if.price_response(change, elasticity), 10.0), note

    def _read_prices(self):
        """Weekly sales with a price of the scope -> series (m,), week (m,), quantity (m,), amount (m,)."""
        self.env["dms.channel.move"].flush_model()
        conditions = [SQL("TRUE")]
        if self.partner_ids:
            conditions.append(SQL("partner_id IN %s", tuple(self.partner_ids.ids)))
        products = self._get_products()
        if products is not None:
            conditions.append(SQL("product_id IN %s", tuple(products.ids) or (0,)))
        rows = self.env.execute_query(
            SQL(
                """SELECT DENSE_RANK() OVER (ORDER BY partner_id, product_id), (date - '2000-01-03'::date) / 7,
                          -SUM(quantity)::float8, -SUM(amount)::float8
                     FROM dms_channel_move
                    WHERE kind = 'sell_out' AND company_id = %s AND amount < 0 AND quantity < 0 AND date > %s AND %s
                    GROUP BY partner_id, product_id, 2 ORDER BY 1, 2""",
                self.company_id.id,
                fields.Date.context_today(self) - timedelta(days=HISTORY_DAYS),
                SQL(" AND ").join(conditions),
            )
        )
        if not rows:
            return [], [], [], []
        return tuple(np.array(column) for column in zip(*rows, strict=True))

    def _get_products(self):
        """Products of the scope, archived ones too; None: all."""
        if not self.categ_ids and not self.product_ids:
            return None
        below = self.env["product.product"]
        if self.categ_ids:
            below = below.with_context(active_test=False).search(
                [("categ_id", "child_of", self.categ_ids.ids)]
            )
        return below | self.product_ids

    # --- before and after -------------------------------------------------------------

    def _work_out(self):
        self.ensure_one()
        company = self.company_id
        scenario = self.with_company(company)
        run = self.env["dms.forecast.run"]._get_current(company)
        scenario._check_question(run)
        rules = self.env["dms.replenishment.rule"]._get_rules(company)
        matched = scenario._match_rows(run, rules)
        share, note = scenario._get_effect() if self.kind in ("promotion", "price") else (0.0, False)
        days = 7 * self.weeks
        first = (self.date_from - run.date).days - 1 if self.date_from else 0
        last = (self.date_to - run.date).days - 1 if self.date_to else days
        factor = what_if.demand_factor(days, first, last, share)
        price = worth = None
        if self.kind == "promotion":
            price = what_if.demand_factor(days, first, last, -self.discount / 100)
        elif self.kind == "price":
            price = worth = what_if.demand_factor(days, first, last, self.price_percent / 100)
        proposals = self.env["dms.replenishment.proposal"]
        leads = proposals._get_lead_times(company)
        partners = self.env["res.partner"].browse(
            sorted({row[0] for rows in matched.values() for row in rows})
        )
        capped = proposals._get_capped(company, partners)
        parts, planned = [], {}
        for rule, rows in matched.items():
            known = proposals._get_rule_leads(company, rule, leads)
            demand, supply = scenario._get_supply(rule, rows, known, capped)
            changed = scenario._get_changes(rule, supply)
            planned[rule.id] = changed
            after_supply = scenario._change_supply(supply, changed)
            stock = np.array([row[2] for row in rows])
            coming = np.array([row[3] + row[4] for row in rows])
            true = None
            if self.kind == "lead":
                true = what_if.Supply(
                    np.maximum(supply.lengths + self.lead_change, 0),
                    *(getattr(supply, name) for name in list(supply.__dataclass_fields__)[1:]),
                )
            before = what_if.outcome(demand, supply, stock, coming, days)
            after = what_if.outcome(demand, after_supply, stock, coming, days, factor, true, price, worth)
            parts.append((rule, rows, before, after))
        prices = scenario._get_prices(parts)
        self._delete_lines()
        totals = self.env["dms.forecast.scenario.line"]._write_lines(self, parts, prices)
        guard.mark(self).write(
            {
                **totals,
                "state": "computed",
                "run_id": run.id,
                "rules_hash": self._hash_rules(rules),
                "computed_on": fields.Datetime.now(),
                "planned": planned,
                "effect_percent": 100 * share,
                "effect_note": note or scenario._get_supply_note(matched, planned),
            }
        )

    def _match_rows(self, run, rules):
        """Stock and forecast of the scope, by the rule that supplies it -> {rule: rows of the review}."""
        proposals = self.env["dms.replenishment.proposal"]
        rows = proposals._read_rows(self.company_id, run, self.partner_ids or None)
        products = self._get_products()
        if products is not None:
            wanted = set(products.ids)
            rows = [row for row in rows if row[1] in wanted]
        if not rows:
            raise UserError(
                self.env._(
                    "The forecast of %(date)s knows none of these products at these distributors. Widen the scope, or run a forecast that knows them.",
                    date=format_date(self.env, run.date),
                )
            )
        partners = self.env["res.partner"].browse(sorted({row[0] for row in rows}))
        matched = rules._match_rows(rows, proposals._get_agreements(partners, self.company_id))
        if not matched:
            raise UserError(
                self.env._(
                    "Nothing of this is resupplied by a rule: the distributors need an active agreement for the products,"
                    " and a replenishment rule that fits (Configuration)."
                )
            )
        return matched

    def _get_changes(self, rule, supply):
        """What applying writes on a rule -> {field: [before, after]}; dates as text."""
        if self.kind == "lead":
            # by what reviews believe of the rule's distributors now: deliveries that are known, or the rule's days
            mean = (supply.weights * supply.lengths).sum(1).mean()
            days = int(mean + 0.5) + self.lead_change
            if days < 0:
                raise UserError(
                    self.env._(
                        "%(rule)s delivers in %(days)s days, so it can't be %(fewer)s days shorter. Enter at most %(days)s.",
                        rule=rule.name,
                        days=days - self.lead_change,
                        fewer=-self.lead_change,
                    )
                )
            return {
                "lead_days": [rule.lead_days, days],
                "lead_since": [
                    fields.Date.to_string(rule.lead_since),
                    fields.Date.to_string(fields.Date.context_today(self)),
                ],
            }
        if self.kind == "service":
            return {
                "service_mode": [rule.service_mode, "level"],
                "service_level": [rule.service_level, self.service_level],
            }
        return {}

    def _get_supply_note(self, matched, planned):
        """What reviews will go by instead of what they go by now, in words."""
        if self.kind != "lead":
            return False
        return " ".join(
            self.env._(
                "%(rule)s: %(before)s days so far, %(after)s from now on.",
                rule=rule.name,
                before=planned[rule.id]["lead_days"][1] - self.lead_change,
                after=planned[rule.id]["lead_days"][1],
            )
            for rule in matched
        )

    def _get_supply(self, rule, rows, leads, capped):
        """Demand and supply of a rule's rows as the review sees them -> (what_if.Demand, what_if.Supply)."""
        table = self.env["dms.forecast.series"]._stack_cumulative([row[6] for row in rows])
        needs = [
            need
            for _partner_id, need in self.env["dms.replenishment.proposal"]._get_needs(
                rule, rows, leads, capped
            )
        ]
        n = len(rows)
        lengths, weights = self._get_lead_weights(rule.lead_days, rows, leads)
        return (
            what_if.Demand(
                table["values"], table["expected"], tuple(table["probabilities"]), tuple(table["periods"])
            ),
            what_if.Supply(
                lengths=lengths,
                weights=weights,
                review=np.full(n, rule.review_days),
                every=np.full(n, rule._get_interval()),
                target=np.full(n, rule.target_days),
                level=np.full(n, rule.effective_level / 100),
                pack=np.array([need["pack_size"] for need in needs]),
                cap=np.array([need["cap"] for need in needs]),
                held=np.array(["alert" in need["limits"] for need in needs]),
            ),
        )

    def _change_supply(self, supply, changed):
        """The supply that the review would see with the changed rule."""
        values = {name: getattr(supply, name) for name in supply.__dataclass_fields__}
        n = len(supply.level)
        if "lead_days" in changed:
            # deliveries so far tell nothing of those to come
            values["lengths"], values["weights"] = np.array([changed["lead_days"][1]]), np.ones((n, 1))
        if "service_level" in changed:
            values["level"] = np.full(n, changed["service_level"][1] / 100)
        return what_if.Supply(**values)

    def _get_lead_weights(self, usual, rows, leads):
        """How likely each delivery time is for each row, as the review weighs deliveries and the rule's days."""
        members, place = np.unique([row[0] for row in rows], return_inverse=True)
        number = {partner_id: i for i, partner_id in enumerate(members.tolist())}
        lengths, weights = replenish.lead_time_weights(
            [number.get(partner_id, len(members)) for partner_id, _days in leads],
            [days for _partner_id, days in leads],
            len(members) + 1,
            [usual] * (len(members) + 1),
        )
        return lengths, weights[:-1][place]

    def _get_prices(self, parts):
        """What a unit costs the distributor: as last delivered, else the list price -> {(partner id, product id): price}."""
        self.env["dms.stock.health"].flush_model()
        last = {
            (partner_id, product_id): price
            for partner_id, product_id, price in self.env.execute_query(
                SQL(
                    "SELECT partner_id, product_id, price_unit FROM dms_stock_health WHERE company_id = %s AND price_unit > 0",
                    self.company_id.id,
                )
            )
        }
        keys = [(row[0], row[1]) for _rule, rows, _before, _after in parts for row in rows]
        products = self.env["product.product"].browse(
            sorted({product_id for _partner_id, product_id in keys})
        )
        listed = {product.id: product.lst_price for product in products}
        return {key: last.get(key) or listed[key[1]] for key in keys}

    @api.model
    def _hash_rules(self, rules):
        """Same hash, same orders."""
        data = rules.read(list(POLICY), load=None)
        return hashlib.sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()

    # --- put into force ---------------------------------------------------------------

    def _apply_demand(self):
        """Overrides that every coming forecast of the days is given."""
        percent = float_round(self.effect_percent, precision_digits=2)
        if not percent:
            raise UserError(self.env._("The effect on demand is too small to say anything to the forecast."))
        begin = max(self.date_from, fields.Date.context_today(self))
        if self.date_to < begin:
            raise UserError(
                self.env._(
                    "%(date)s is over. Choose days to come and compute again.",
                    date=format_date(self.env, self.date_to),
                )
            )
        overrides = self.env["dms.forecast.override"].create(
            [
                {
                    "company_id": self.company_id.id,
                    "partner_id": partner.id,
                    "date_from": begin,
                    "date_to": self.date_to,
                    "kind": "percent",
                    "percent": percent,
                    "reason": self._get_reason(),
                    **target,
                }
                for partner in (self.partner_ids or [self.partner_ids])
                for target in self._get_targets()
            ]
        )
        event = self.kind == "promotion" and self._make_event()
        self._set_applied({"override_ids": [Command.set(overrides.ids)], "event_id": event and event.id})
        self._log(
            self.env._(
                "Applied: %(percent)+.12g %% from %(begin)s to %(end)s, in the next forecast.",
                percent=percent,
                begin=format_date(self.env, begin),
                end=format_date(self.env, self.date_to),
            ),
            [override._get_html_link() for override in overrides] + self._get_warnings(),
        )

    def _get_warnings(self):
        """What to mind once the change is in force."""
        if self.kind == "promotion" and not self.program_id:
            return [
                self.env._(
                    "Once its programme is set up, the calendar counts the promotion too: take this back then."
                )
            ]
        return []

    def _make_event(self):
        """The promotion in the calendar, archived until it is over; nothing where it stands there, or is of some distributors only."""
        if self.program_id and self._get_program_event():
            return self.env["dms.calendar.event"]
        vals = {
            "name": self.name,
            "active": False,
            "kind": "promotion",
            "date_from": self.date_from,
            "date_to": self.date_to,
            "discount": self.discount,
            "company_id": self.company_id.id,
            "categ_ids": [Command.set(self.categ_ids.ids)],
            "product_ids": [Command.set(self.product_ids.ids)],
        }
        if self.program_id:
            vals = self.env["dms.calendar.event"]._prepare_program_vals(self.program_id.sudo()) | {
                "active": False
            }
        elif self.partner_ids:
            return self.env["dms.calendar.event"]
        return self.env["dms.calendar.event"].create(vals)

    @api.autovacuum
    def _show_past_promotions(self):
        """What is over counts by its overrides no more: from now on the engine learns from it."""
        past = self.search(
            [
                ("state", "=", "applied"),
                ("event_id.active", "=", False),
                ("date_to", "<", fields.Date.context_today(self)),
            ]
        )
        past.event_id.active = True

    def _get_reason(self):
        if self.kind == "promotion":
            return self.env._("Promotion: %s", self.name)
        return self.env._(
            "Price %(percent)+.12g %%: %(scenario)s", percent=self.price_percent, scenario=self.name
        )

    def _get_targets(self):
        """What overrides are for, no series twice -> [{"categ_id": id} or {"product_id": id} or {}]."""
        categories = self.categ_ids.filtered(
            lambda categ: (
                not any(
                    categ != other and categ.parent_path.startswith(other.parent_path)
                    for other in self.categ_ids
                )
            )
        )
        products = self.product_ids.filtered(
            lambda product: (
                not any(
                    (product.categ_id.parent_path or "").startswith(categ.parent_path) for categ in categories
                )
            )
        )
        return [
            *({"categ_id": categ.id} for categ in categories),
            *({"product_id": product.id} for product in products),
        ] or [{}]

    def _apply_supply(self):
        """Write the rules that supply the scope, or a narrower one just before each that supplies others too."""
        applied, changes = [], []
        touched = self.env["dms.replenishment.rule"]
        today = fields.Date.to_string(fields.Date.context_today(self))
        for rule in self.env["dms.replenishment.rule"]._get_rules(self.company_id):
            changed = self.planned.get(str(rule.id))
            if not changed:
                continue
            before = {name: values[0] for name, values in changed.items()}
            after = {name: values[1] for name, values in changed.items()}
            if "lead_since" in after:
                after["lead_since"] = today
            scope = rule._get_narrower(self.company_id, self.partner_ids, self.categ_ids)
            if scope:
                target = rule._insert_before({**scope, **after, "name": f"{rule.name}: {self.name}"})
            else:
                target = rule
                rule.write(after)
            touched |= target
            applied.append({"rule": target.id, "made": bool(scope), "before": before, "after": after})
            changes += self._describe(target, before, after)
        self._set_applied({"rule_ids": [Command.set(touched.ids)], "applied": applied})
        self._log(self.env._("Applied:"), changes)

    def _revert_supply(self):
        """Give rules their values back and archive those that were made -> what was done, in words."""
        changes = []
        for entry in self.applied or []:
            rule = self.env["dms.replenishment.rule"].with_context(active_test=False).browse(entry["rule"])
            if not rule.exists():
                changes.append(self.env._("A rule that was changed is deleted by now."))
                continue
            differs = [name for name, value in entry["after"].items() if self._get_plain(rule, name) != value]
            if differs and not entry["made"]:
                raise UserError(
                    self.env._(
                        "%(rule)s was changed after this was applied: %(field)s is %(now)s now. Set the rule yourself.",
                        rule=rule.name,
                        field=rule._fields[differs[0]]._description_string(self.env),
                        now=rule[differs[0]],
                    )
                )
            if entry["made"]:
                rule.active = False
                changes.append(Markup("%s: %s") % (rule._get_html_link(), self.env._("archived")))
            else:
                rule.write(entry["before"])
                changes += self._describe(rule, entry["after"], entry["before"])
        return changes

    def _get_plain(self, rule, name):
        """A rule's value as it is kept in JSON."""
        value = rule[name]
        return fields.Date.to_string(value) if rule._fields[name].type == "date" else value

    def _describe(self, rule, before, after):
        """Each value of a rule that changes, with a link -> list of Markup."""
        texts = []
        for name, value in after.items():
            if before[name] == value:
                continue
            field = rule._fields[name]
            words = [before[name], value]
            if field.type == "selection":
                labels = dict(field._description_selection(self.env))
                words = [labels[word] for word in words]
            if field.type == "date":
                words = [format_date(self.env, word) if word else "-" for word in words]
            texts.append(
                Markup("%s: %s %s → %s")
                % (
                    rule._get_html_link(),
                    field._description_string(self.env),
                    *(f"{word:.12g}" if isinstance(word, float) else word for word in words),
                )
            )
        return texts

    def _set_applied(self, vals):
        guard.mark(self).write(
            {
                **vals,
                "state": "applied",
                "applied_by_id": self.env.uid,
                "applied_on": fields.Datetime.now(),
            }
        )

    def _log(self, title, items):
        body = Markup("%s<ul>%s</ul>") % (
            title,
            Markup("").join(Markup("<li>%s</li>") % item for item in items),
        )
        self.message_post(body=body)
