from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Command, Domain
from odoo.tools import date_utils

from ..tools.order_judge import STOPPING
from .dms_order_rule_engine import EVERY_ORDER

BATCH = 200


class DmsOrderRuleTrial(models.Model):
    """A set of rules tried on past orders, before it is switched on. The orders are only looked at."""

    _name = "dms.order.rule.trial"
    _description = "Dry Run of Order Rules"
    _inherit = ["mail.thread"]
    _order = "id desc"
    _check_company_auto = True

    name = fields.Char(required=True, default=lambda self: self.env._("Dry run"))
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company
    )
    currency_id = fields.Many2one(related="company_id.currency_id")
    date_from = fields.Date(
        required=True, default=lambda self: self._get_last_quarter()[0], help="Orders of this day and later."
    )
    date_to = fields.Date(required=True, default=lambda self: self._get_last_quarter()[1])
    rule_ids = fields.Many2many(
        "dms.order.rule",
        string="Rules",
        context={"active_test": False},
        check_company=True,
        default=lambda self: self.env["dms.order.rule"].search(
            [("company_id", "in", [False, self.env.company.id])]
        ),
        help="The whole set to try: rules in force, and archived ones that are not yet.",
    )
    state = fields.Selection(
        [("draft", "Draft"), ("running", "Running"), ("done", "Done")],
        required=True,
        default="draft",
        readonly=True,
        copy=False,
    )
    line_ids = fields.One2many("dms.order.rule.trial.line", "trial_id", readonly=True, copy=False)
    last_order_id = fields.Integer(readonly=True, copy=False, help="The run goes on after this order.")
    run_on = fields.Datetime(readonly=True, copy=False)
    order_count = fields.Integer(string="Orders", readonly=True, copy=False)
    progress = fields.Float(compute="_compute_counts")
    approved_count = fields.Integer(string="Approved", compute="_compute_counts")
    held_count = fields.Integer(string="Held", compute="_compute_counts")
    refused_count = fields.Integer(string="Refused", compute="_compute_counts")
    changed_count = fields.Integer(
        string="Otherwise Than Then",
        compute="_compute_counts",
        help="Orders that went through then and would be stopped now, or the other way round.",
    )
    note = fields.Text(compute="_compute_note")

    @api.model
    def _get_last_quarter(self):
        start = date_utils.start_of(fields.Date.context_today(self), "quarter")
        return date_utils.subtract(start, months=3), date_utils.subtract(start, days=1)

    @api.depends("line_ids.outcome", "order_count")
    def _compute_counts(self):
        groups = self.env["dms.order.rule.trial.line"]._read_group(
            [("trial_id", "in", self.ids)], ["trial_id", "outcome", "changed"], ["__count"]
        )
        for trial in self:
            rows = [(outcome, changed, n) for found, outcome, changed, n in groups if found == trial]
            judged = sum(n for _outcome, _changed, n in rows)
            for outcome in ("approved", "held", "refused"):
                trial[f"{outcome}_count"] = sum(n for found, _changed, n in rows if found == outcome)
            trial.changed_count = sum(n for _outcome, changed, n in rows if changed)
            trial.progress = 100.0 * judged / trial.order_count if trial.order_count else 0.0

    @api.depends("rule_ids.grade_ids", "rule_ids.grade_min_id", "rule_ids.name", "rule_ids.order_domain")
    @api.depends_context("lang")
    def _compute_note(self):
        for trial in self:
            rules = trial.rule_ids.filtered(
                lambda rule: rule.grade_ids or rule.grade_min_id or rule.order_domain not in EVERY_ORDER
            )
            trial.note = (
                self.env._(
                    "Debts, stock and agreements are those of the day of each order. Grades and filters are those of today,"
                    " which concerns: %(rules)s.",
                    rules=", ".join(rules.mapped("name")),
                )
                if rules
                else False
            )

    @api.constrains("date_from", "date_to")
    def _check_dates(self):
        for trial in self:
            if trial.date_from > trial.date_to:
                raise ValidationError(
                    self.env._(
                        "The dry run %(name)s ends on %(end)s, before it begins on %(start)s.",
                        name=trial.name,
                        start=trial.date_from,
                        end=trial.date_to,
                    )
                )

    def action_run(self):
        """Judge the orders of the period; what is too much for one go is left to the scheduled job."""
        self.check_access("write")
        for trial in self:
            if not trial.rule_ids:
                raise UserError(self.env._("Choose the rules to try in dry run %s.", trial.name))
            count = self.env["sale.order"].sudo().search_count(trial._get_order_domain())
            if not count:
                raise UserError(
                    self.env._(
                        "There is no order of a distributor or an outlet from %(start)s to %(end)s. Choose another period.",
                        start=trial.date_from,
                        end=trial.date_to,
                    )
                )
            trial.line_ids.sudo().unlink()
            trial.write(
                {
                    "state": "running",
                    "last_order_id": 0,
                    "order_count": count,
                    "run_on": fields.Datetime.now(),
                }
            )
            if trial._run_batch():
                self.env.ref("dms_channel.ir_cron_order_rule_trial")._trigger()
        return True

    def action_activate(self):
        """Switch on the rules that were tried."""
        self.ensure_one()
        if self.state != "done":
            raise UserError(self.env._("Run the dry run %s to its end first.", self.name))
        self.rule_ids.active = True
        return True

    def action_results(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_order_rule_trial_line_action")
        context = {f"search_default_{self.env.context.get('dms_outcome', 'all')}": 1}
        return {**action, "domain": [("trial_id", "=", self.id)], "context": context}

    @api.model
    def _cron_run(self):
        trials = self.search([("state", "=", "running")])
        for trial in trials:
            remaining = 1
            while remaining:
                trial = trial.try_lock_for_update()
                if not trial:
                    break
                remaining = trial._run_batch()
                # Killed here, the next run goes on after the last order.
                if not self.env["ir.cron"]._commit_progress(BATCH, remaining=remaining):
                    return

    def _get_order_domain(self):
        """Orders that were confirmed, or stopped by the rules of their day."""
        start, end = self.date_from, date_utils.add(self.date_to, days=1)
        return (
            Domain("company_id", "=", self.company_id.id)
            & Domain("date_order", ">=", start)
            & Domain("date_order", "<", end)
            & Domain("partner_id.commercial_partner_id.channel_role", "!=", False)
            & (Domain("state", "=", "sale") | Domain("dms_state", "in", ("held", "refused")))
        )

    def _run_batch(self):
        """Judge the next orders.

        :return: how many are left
        """
        self.ensure_one()
        domain = self._get_order_domain() & Domain("id", ">", self.last_order_id)
        orders_sudo = (
            self.env["sale.order"]
            .sudo()
            .with_company(self.company_id)
            .search(domain, order="id", limit=BATCH)
        )
        if orders_sudo:
            outcomes = orders_sudo.env["dms.order.rule"]._evaluate(
                orders_sudo, rules=self.rule_ids.sudo(), dry=True, past=True
            )
            self.env["dms.order.rule.trial.line"].sudo().create(
                [self._prepare_line_vals(order, checks) for order, checks in outcomes.items()]
            )
            self.last_order_id = orders_sudo[-1].id
        remaining = self.env["sale.order"].sudo().search_count(domain & Domain("id", ">", self.last_order_id))
        if not remaining:
            self.state = "done"
        return remaining

    def _prepare_line_vals(self, order, checks):
        stopping = [vals for vals in checks if vals["outcome"] in STOPPING]
        outcome = self.env["dms.order.rule"]._conclude(checks)
        went_through = order.state == "sale"
        return {
            "trial_id": self.id,
            "order_id": order.id,
            "partner_id": order.partner_id.commercial_partner_id.id,
            "territory_id": order.partner_id.commercial_partner_id.territory_id.id,
            "date_order": order.date_order,
            "amount": order._get_dms_company_amount(),
            "outcome": outcome,
            "went_through": went_through,
            "changed": went_through != (outcome == "approved"),
            "rule_ids": [Command.set([vals["rule_id"] for vals in stopping])],
            "message": "\n".join(vals["text"] for vals in stopping),
        }
