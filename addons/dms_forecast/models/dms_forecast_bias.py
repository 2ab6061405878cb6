from datetime import timedelta

import numpy as np

from odoo import api, fields, models
from odoo.tools import float_round

from ..tools.tracking import is_alarm, tracking_signal

WEEKS = 8


class DmsForecastBias(models.Model):
    """An alarm: the forecast of a distributor, or of a product category, keeps missing in the same direction."""

    _name = "dms.forecast.bias"
    _description = "Forecast Bias Alarm"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "closed_on desc, opened_on desc, id desc"

    company_id = fields.Many2one("res.company", required=True, readonly=True, index=True)
    partner_id = fields.Many2one(
        "res.partner", string="Distributor", readonly=True, ondelete="cascade", index="btree_not_null"
    )
    categ_id = fields.Many2one(
        "product.category",
        string="Product Category",
        readonly=True,
        ondelete="cascade",
        index="btree_not_null",
    )
    state = fields.Selection(
        [("open", "Open"), ("closed", "Closed")],
        required=True,
        default="open",
        readonly=True,
        tracking=True,
        index=True,
    )
    opened_on = fields.Date(readonly=True)
    closed_on = fields.Date(readonly=True)
    signal = fields.Float(
        "Tracking Signal",
        digits=(6, 1),
        readonly=True,
        aggregator=None,
        help="Sum of the errors of the last eight weeks by their mean size: beyond 4 an alarm opens, within 2 it closes.",
    )
    bias = fields.Float(
        readonly=True, aggregator=None, help="How much too high (+) or too low (-), as a share of what came."
    )
    expected = fields.Float(digits="Product Unit", readonly=True)
    actual = fields.Float("Came", digits="Product Unit", readonly=True)
    why = fields.Char(compute="_compute_why")

    _open_uniq = models.UniqueIndex(
        "(company_id, COALESCE(partner_id, 0), COALESCE(categ_id, 0)) WHERE state = 'open'",
        "An alarm is open once.",
    )

    @api.depends("partner_id", "categ_id")
    def _compute_display_name(self):
        for alarm in self:
            alarm.display_name = alarm.partner_id.display_name or alarm.categ_id.display_name

    @api.depends("signal", "bias", "expected", "actual")
    @api.depends_context("lang")
    def _compute_why(self):
        for alarm in self:
            text = (
                self.env._(
                    "For weeks the forecast was too high: %(expected).12g expected, %(actual).12g came (%(percent)+d %%)."
                )
                if alarm.signal > 0
                else self.env._(
                    "For weeks the forecast was too low: %(expected).12g expected, %(actual).12g came (%(percent)+d %%)."
                )
            )
            alarm.why = text % {
                "expected": float_round(alarm.expected, 0),
                "actual": float_round(alarm.actual, 0),
                "percent": round(100 * alarm.bias),
            }

    @api.model
    def _watch(self, company):
        """Open and close alarms by the last weeks' forecasts of one week ahead; once more, it changes nothing."""
        accuracy = self.env["dms.forecast.accuracy"]
        domain = [("company_id", "=", company.id), ("weeks_ahead", "=", 1)]
        last = accuracy.search(domain, order="week desc", limit=1).week
        if not last:
            return
        domain.append(("week", ">", last - timedelta(weeks=WEEKS)))
        open_alarms = self.search([("company_id", "=", company.id), ("state", "=", "open")])
        for field in ("partner_id", "categ_id"):
            rows = accuracy._read_group(domain, [field, "week:day"], ["expected:sum", "actual:sum"])
            groups = list(dict.fromkeys(group for group, *_rest in rows if group))
            errors = np.full((len(groups), WEEKS), np.nan)
            sums = np.zeros((len(groups), 2))
            place = {group: number for number, group in enumerate(groups)}
            for group, week, expected, actual in rows:
                if group:
                    number = place[group]
                    errors[number, (last - fields.Date.to_date(week)).days // 7] = expected - actual
                    sums[number] += expected, actual
            signals = tracking_signal(errors)
            known = {alarm[field]: alarm for alarm in open_alarms.filtered(field)}
            alarms = is_alarm(signals, [group in known for group in groups])
            for group, signal, (expected, actual), alarm in zip(groups, signals, sums, alarms, strict=True):
                vals = {
                    "signal": float_round(float(signal), 1),
                    "expected": expected,
                    "actual": actual,
                    "bias": (expected - actual) / actual if actual else 0.0,
                }
                self._set_alarm(company, field, group, known.get(group, self.browse()), alarm, vals)

    @api.model
    def _set_alarm(self, company, field, group, known, alarm, vals):
        today = fields.Date.context_today(self)
        if known and alarm:
            known.write(vals)
        elif known:
            known.write(vals | {"state": "closed", "closed_on": today})
            known.activity_unlink(["mail.mail_activity_data_todo"])
        elif alarm:
            new = self.create(vals | {"company_id": company.id, field: group.id, "opened_on": today})
            if field == "partner_id" and group.user_id:
                new.activity_schedule(
                    "mail.mail_activity_data_todo",
                    summary=self.env._("The forecast keeps missing"),
                    note=new.why,
                    user_id=group.user_id.id,
                )

    def action_view_accuracy(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_forecast.dms_forecast_accuracy_action")
        domain = [("company_id", "=", self.company_id.id)]
        if self.partner_id:
            domain.append(("partner_id", "=", self.partner_id.id))
        if self.categ_id:
            domain.append(("categ_id", "=", self.categ_id.id))
        return action | {"domain": domain, "context": {"search_default_ahead_1": 1}}

    def action_override(self):
        """Say what the engine does not know."""
        self.ensure_one()
        return self.env["dms.forecast.override"]._get_new_action(
            company_id=self.company_id.id, partner_id=self.partner_id.id, categ_id=self.categ_id.id
        )
