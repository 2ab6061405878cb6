from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Domain

from ..tools import credit

# What an entry was counted by: it stands as soon as there is one.
TERMS = {
    "cap",
    "cap_period",
    "code",
    "company_id",
    "date_from",
    "expiry_months",
    "min_days",
    "min_score",
    "points",
}


class DmsCreditRule(models.Model):
    """How many credit points an event is worth, from a day on: the events of that day and later count by it.

    A rule that has counted something keeps its terms for ever; :meth:`action_new_version` makes its successor. So the
    score of any past day stays what it was.
    """

    _name = "dms.credit.rule"
    _description = "Credit Point Rule"
    _order = "code, company_id, min_days, date_from desc, id"
    _check_company_auto = True

    name = fields.Char(required=True, translate=True)
    code = fields.Selection(
        [
            ("payment_on_time", "Invoice paid on time"),
            ("overdue", "Invoice overdue"),
            ("diversion", "Diversion confirmed"),
            ("clean_period", "Period without a case"),
            ("feed_quality", "Sell-through reported well"),
            ("target_met", "Target of a month met"),
            ("year_target_met", "Target of the year met"),
            ("manual", "By hand"),
        ],
        string="Event",
        required=True,
    )
    points = fields.Integer(required=True, help="Points for one event; negative for a loss.")
    min_days = fields.Integer(
        string="From Days Overdue",
        help="For overdue invoices: each level that an invoice reaches counts once. 0 counts from the first day on.",
    )
    min_score = fields.Float(
        string="From Reporting Quality",
        digits=(5, 1),
        default=90.0,
        help="A month counts when its reporting quality, from 0 to 100, is at least this.",
    )
    cap = fields.Integer(
        help="Most points that one member gains, or loses, by this rule in one period; 0: no cap. What came first"
        " counts.",
    )
    cap_period = fields.Selection(
        [("month", "Month"), ("quarter", "Quarter"), ("year", "Year")],
        string="per",
        default="month",
        required=True,
    )
    expiry_months = fields.Integer(
        string="Lapse After (months)", help="Points count for so many months; 0: for ever."
    )
    date_from = fields.Date(string="Events From", help="Empty: from the beginning.")
    date_to = fields.Date(string="Events Until", help="Empty: until further notice.")
    company_id = fields.Many2one(
        "res.company", help="Empty: for all companies that have no rule of their own."
    )
    active = fields.Boolean(default=True)
    entry_ids = fields.One2many("dms.credit.entry", "rule_id")
    entry_count = fields.Integer(string="Entries", compute="_compute_entry_count")

    _start_uniq = models.UniqueIndex(
        "(code, COALESCE(company_id, 0), min_days, COALESCE(date_from, '-infinity'::date)) WHERE active",
        "There is already a rule for this event in this company from that day on. Change that one, or archive it"
        " first.",
    )
    _figures_positive = models.Constraint(
        "CHECK(cap >= 0 AND expiry_months >= 0 AND min_days >= 0)",
        "Cap, months and days overdue of a credit rule can't be negative. Put the minus sign on the points.",
    )
    _min_score_range = models.Constraint(
        "CHECK(min_score >= 0 AND min_score <= 100)", "Reporting quality goes from 0 to 100."
    )
    _days_for_overdue = models.Constraint(
        "CHECK(min_days = 0 OR code = 'overdue')", "Only rules for overdue invoices have levels by days."
    )
    _dates_ordered = models.Constraint(
        "CHECK(date_from IS NULL OR date_to IS NULL OR date_to >= date_from)",
        "A credit rule can't end before it begins. Change one of the two dates.",
    )

    @api.depends("name", "date_from")
    def _compute_display_name(self):
        for rule in self:
            rule.display_name = (
                self.env._(
                    "%(rule)s (from %(date)s)", rule=rule.name, date=fields.Date.to_string(rule.date_from)
                )
                if rule.date_from
                else rule.name
            )

    @api.depends("entry_ids")
    def _compute_entry_count(self):
        counts = dict(
            self.env["dms.credit.entry"]._read_group([("rule_id", "in", self.ids)], ["rule_id"], ["__count"])
        )
        for rule in self:
            rule.entry_count = counts.get(rule, 0)

    @api.constrains("code", "company_id", "min_days", "date_from", "date_to", "active")
    def _check_overlap(self):
        for rule in self.filtered("active"):
            other = self.search(
                Domain("id", "!=", rule.id)
                & Domain("code", "=", rule.code)
                & Domain("company_id", "=", rule.company_id.id)
                & Domain("min_days", "=", rule.min_days)
                & (Domain("date_to", "=", False) | Domain("date_to", ">=", rule.date_from or "0001-01-01"))
                & (Domain("date_from", "=", False) | Domain("date_from", "<=", rule.date_to or "9999-12-31")),
                limit=1,
            )
            if other:
                raise ValidationError(
                    self.env._(
                        "%(rule)s and %(other)s count the same event on the same days. End the earlier one the day"
                        " before the later one begins.",
                        rule=rule.display_name,
                        other=other.display_name,
                    )
                )

    @api.constrains("date_to")
    def _check_end_after_entries(self):
        for rule in self.filtered("date_to"):
            last = rule._get_last_day()
            if last and last > rule.date_to:
                raise ValidationError(
                    self.env._(
                        "%(rule)s has counted an event of %(last)s and can't end before that day.",
                        rule=rule.display_name,
                        last=fields.Date.to_string(last),
                    )
                )

    def write(self, vals):
        changed = self.filtered(
            lambda rule: any(
                rule._fields[name].convert_to_cache(vals[name], rule)
                != rule._fields[name].convert_to_cache(rule[name], rule)
                for name in TERMS & vals.keys()
            )
        )
        if changed:
            changed._check_unused()
        return super().write(vals)

    def _check_unused(self):
        used = self.env["dms.credit.entry"].sudo().search([("rule_id", "in", self.ids)], limit=1)
        if used:
            raise UserError(
                self.env._(
                    "%s has already counted events, and their points stand. Make a new version of the rule, which counts"
                    " from a day on.",
                    used.rule_id.display_name,
                )
            )

    def action_new_version(self):
        """End the rule and open its successor: from tomorrow on, or from the day after what it has already counted."""
        self.ensure_one()
        last = max(filter(None, [fields.Date.context_today(self), self._get_last_day()]))
        if self.date_to and self.date_to <= last:
            raise UserError(
                self.env._(
                    "%s has ended. Make the new version from the rule that counts now.", self.display_name
                )
            )
        end = self.date_to
        self.date_to = last
        successor = self.copy({"name": self.name, "date_from": fields.Date.add(last, days=1), "date_to": end})
        return {
            "type": "ir.actions.act_window",
            "res_model": self._name,
            "res_id": successor.id,
            "view_mode": "form",
        }

    def action_view_entries(self):
        self.ensure_one()
        return {
            **self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_credit_entry_action"),
            "domain": [("rule_id", "=", self.id)],
            "context": {},
        }

    def _get_last_day(self):
        """Day of the last event that the rule has counted, or None."""
        [[last]] = (
            self.env["dms.credit.entry"]
            .sudo()
            ._read_group([("rule_id", "in", self.ids), ("kind", "=", "event")], [], ["date:max"])
        )
        return last or None

    @api.model
    def _get_rule(self, code, company, date=None, min_days=0):
        """The company's rule for an event of ``date`` (default: today), else the shared one, else an empty rule."""
        return self._get_rules(code, company)._pick(date or fields.Date.context_today(self), min_days)

    @api.model
    def _get_rules(self, code, company):
        """All rules for the event that the company uses, of its own or shared, of any day."""
        return self.search([("code", "=", code), ("company_id", "in", [False, company.id])])

    def _pick(self, date, min_days=0):
        """The one of these rules of one event and company which counts on the day; a company's own comes first."""
        rules = self.filtered(lambda rule: rule.min_days == min_days and rule._counts_on(date))
        return rules.filtered("company_id")[:1] or rules[:1]

    def _counts_on(self, date):
        self.ensure_one()
        return (not self.date_from or self.date_from <= date) and (not self.date_to or date <= self.date_to)

    def _get_terms(self):
        self.ensure_one()
        return credit.Terms(self.cap, self.cap_period, self.expiry_months)
