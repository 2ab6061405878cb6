from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import float_repr

from ..tools import guard

# Measured by the review, or decided by its actions.
OWN_FIELDS = {
    "applied_on",
    "attainment",
    "decided_by",
    "decided_on",
    "decision_reason",
    "figures",
    "grade_id",
    "move",
    "overdue_days",
    "partner_id",
    "points",
    "proposed_grade_id",
    "review_id",
    "sales",
    "state",
}


class DmsGradeReviewLine(models.Model):
    """What a review found of one distributor, what it proposed, and what a manager decided: the history of grades."""

    _name = "dms.grade.review.line"
    _description = "Grade Proposal"
    _order = "review_id desc, id"
    _rec_name = "partner_id"

    review_id = fields.Many2one("dms.grade.review", required=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(related="review_id.company_id", store=True, index=True)
    currency_id = fields.Many2one(related="company_id.currency_id")
    partner_id = fields.Many2one(
        "res.partner", string="Distributor", required=True, index=True, ondelete="restrict"
    )
    territory_id = fields.Many2one(related="partner_id.territory_id")
    grade_id = fields.Many2one("res.partner.grade", string="Present Grade", ondelete="restrict")
    proposed_grade_id = fields.Many2one("res.partner.grade", ondelete="restrict")
    move = fields.Selection(
        [("raise", "Raise"), ("keep", "Keep"), ("lower", "Lower")], string="Proposal", required=True
    )
    points = fields.Integer(string="Credit Points", aggregator="avg")
    sales = fields.Monetary()
    has_target = fields.Boolean()
    attainment = fields.Float(string="Target Attainment (%)", digits=(16, 1), aggregator="avg")
    overdue_days = fields.Integer(string="Days Overdue", aggregator="max")
    figures = fields.Json(readonly=True, help="What the proposal rests on, by name.")
    reason = fields.Text(string="Why", compute="_compute_reason", help="In the reader's language.")
    state = fields.Selection(
        [
            ("open", "To Decide"),
            ("kept", "No Change"),
            ("confirmed", "Confirmed"),
            ("declined", "Declined"),
            ("applied", "In Effect"),
            ("lapsed", "Overtaken"),
        ],
        required=True,
        default="open",
        group_expand=True,
    )
    effective_date = fields.Date(help="Day from which the confirmed grade holds.")
    decision_reason = fields.Text(string="Reason of the Decision")
    decided_by = fields.Many2one("res.users")
    decided_on = fields.Datetime()
    applied_on = fields.Datetime(string="In Effect Since")

    _partner_uniq = models.Constraint(
        "UNIQUE(review_id, partner_id)", "A review looks at each distributor once."
    )

    @api.depends("attainment", "figures", "has_target", "points", "sales")
    @api.depends_context("lang")
    def _compute_reason(self):
        for line in self:
            line.reason = line.figures and line._get_reason()

    def _get_reason(self):
        """One sentence or two that a distributor would accept as an explanation."""
        _ = self.env._
        case = self.figures["case"]
        grades_sudo = self.env["res.partner.grade"].sudo()
        grade = grades_sudo.browse(self.figures["grade"]).exists().name or ""
        if case == "enters":
            return _("Has no grade yet and meets what %s asks for.", grade)
        if case == "stays_out":
            return _("Has no grade, and does not meet what the lowest one asks for.")
        if case == "highest":
            return _("Meets %s, the highest grade.", grade)
        if case == "rises":
            return _(
                "Meets all that %(grade)s asks for: %(figures)s.", grade=grade, figures=self._say_measures()
            )
        gaps = self._say_gaps()
        if case == "falls":
            return _("Does not meet %(grade)s any more: %(gaps)s.", grade=grade, gaps=gaps)
        if case == "lowest":
            return _("Does not meet %(grade)s: %(gaps)s. There is no lower grade.", grade=grade, gaps=gaps)
        better = grades_sudo.browse(self.figures["better"]).exists().name or ""
        return _(
            "Meets %(present)s. For %(better)s it lacks: %(gaps)s.", present=grade, better=better, gaps=gaps
        )

    def _say_gaps(self):
        _, money = self.env._, self.currency_id.format
        words = {
            "points": lambda value, asked: _("%(points)s points of %(asked)s", points=value, asked=asked),
            "sales": lambda value, asked: _(
                "sales of %(sales)s of %(asked)s", sales=money(value), asked=money(asked)
            ),
            "attainment": lambda value, asked: _(
                "%(share)s %% of the target, not %(asked)s %%",
                share=float_repr(value, 1),
                asked=float_repr(asked, 1),
            ),
            "overdue": lambda value, asked: _(
                "%(days)s days overdue, %(asked)s at most", days=value, asked=asked
            ),
        }
        return _(", ").join(words[name](*gap) for name, gap in self.figures["gaps"].items())

    def _say_measures(self):
        words = [
            self.env._("%s points", self.points),
            self.env._("sales of %s", self.currency_id.format(self.sales)),
        ]
        if self.has_target:
            words.append(self.env._("%s %% of the target", float_repr(self.attainment, 1)))
        return self.env._(", ").join(words)

    @api.model_create_multi
    def create(self, vals_list):
        self._check_own(OWN_FIELDS)
        return super().create(vals_list)

    def write(self, vals):
        self._check_own(vals.keys())
        if "effective_date" in vals and self.filtered(lambda line: line.state not in ("open", "confirmed")):
            raise UserError(self.env._("The day of a change that is in effect or declined can't be moved."))
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_decided(self):
        if self.filtered(lambda line: line.state not in ("open", "kept")):
            raise UserError(self.env._("A decided proposal is part of the history of grades and stays."))

    def _check_own(self, names):
        if OWN_FIELDS & names and not guard.is_marked(self):
            raise UserError(
                self.env._(
                    "Proposals follow from the review and its decisions. Confirm or decline them instead."
                )
            )

    def action_confirm(self):
        return self._open_decision("confirmed")

    def action_decline(self):
        return self._open_decision("declined")

    def _open_decision(self, decision):
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Confirm Grades") if decision == "confirmed" else self.env._("Decline Grades"),
            "res_model": "dms.grade.decision",
            "view_mode": "form",
            "target": "new",
            "context": {"default_line_ids": self.ids, "default_decision": decision},
        }

    def _decide(self, decision, reason, effective_date=None):
        """Confirm or decline proposals. A confirmed grade holds from its day on, today's at once.

        :param str decision: ``confirmed`` or ``declined``
        :param str reason: why, kept with the proposal and told in the review's chatter
        """
        self.check_access("write")
        if not (reason or "").strip():
            raise UserError(self.env._("Say why: the reason stays with the grade's history."))
        for line in self:
            if line.state != "open" or line.review_id.state != "proposed":
                raise UserError(
                    self.env._(
                        "There is nothing to decide for %s in this review.", line.partner_id.display_name
                    )
                )
        vals = {
            "state": decision,
            "decision_reason": reason.strip(),
            "decided_by": self.env.uid,
            "decided_on": fields.Datetime.now(),
        }
        if effective_date:
            vals["effective_date"] = effective_date
        guard.mark(self).write(vals)
        verdicts = dict(self._fields["state"]._description_selection(self.env))
        for review, lines in self.grouped("review_id").items():
            for line in lines:
                review.message_post(
                    body=self.env._(
                        "%(partner)s, %(old)s to %(new)s: %(decision)s. %(reason)s",
                        partner=line.partner_id.display_name,
                        old=line.grade_id.name or self.env._("no grade"),
                        new=line.proposed_grade_id.name,
                        decision=verdicts[decision],
                        reason=reason.strip(),
                    )
                )
        self._apply()

    @api.model
    def _cron_apply(self):
        """Put confirmed grades into effect on their day. Run daily."""
        self.search([("state", "=", "confirmed")])._apply()

    def _apply(self):
        """Give the distributors the confirmed grades whose day has come; with the grade comes its price list."""
        today = fields.Date.context_today(self)
        for line in self.filtered(lambda line: line.state == "confirmed" and line.effective_date <= today):
            partner_sudo = line.partner_id.sudo().with_company(line.company_id)
            if partner_sudo.grade_id != line.grade_id:
                guard.mark(line).write({"state": "lapsed"})
                line.review_id.message_post(
                    body=self.env._(
                        "%(partner)s has had another grade since the review (%(grade)s); the proposal was not applied.",
                        partner=partner_sudo.display_name,
                        grade=partner_sudo.grade_id.name or self.env._("no grade"),
                    )
                )
                continue
            partner_sudo.grade_id = line.proposed_grade_id
            guard.mark(line).write({"state": "applied", "applied_on": fields.Datetime.now()})
