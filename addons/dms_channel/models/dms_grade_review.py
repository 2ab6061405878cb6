from odoo import api, fields, models
from odoo.exceptions import UserError

from ..tools import grading, guard


class DmsGradeReview(models.Model):
    """Compares the distributors with what their grades ask for, on one day, and proposes who moves.

    Nothing changes by itself: each proposal waits for a manager, and a confirmed one for its day.
    """

    _name = "dms.grade.review"
    _description = "Grade Review"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "date desc, id desc"
    _check_company_auto = True

    name = fields.Char(required=True, default=lambda self: self.env._("Grade Review"), tracking=True)
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company, ondelete="restrict"
    )
    user_id = fields.Many2one(
        "res.users",
        string="Responsible",
        default=lambda self: self.env.user,
        domain="[('share', '=', False)]",
    )
    date = fields.Date(
        string="Review Date", required=True, default=fields.Date.context_today, tracking=True,
        help="Points and overdue invoices are those of this day.",
    )  # fmt: skip
    date_from = fields.Date(
        string="Sales From",
        required=True,
        default=lambda self: fields.Date.subtract(fields.Date.context_today(self), months=6),
    )
    date_to = fields.Date(
        string="Sales To",
        required=True,
        default=lambda self: fields.Date.subtract(fields.Date.context_today(self), days=1),
    )
    effective_date = fields.Date(
        required=True,
        default=lambda self: fields.Date.add(fields.Date.context_today(self), days=14),
        tracking=True,
        help="A confirmed change takes effect on this day, unless its line says another.",
    )
    state = fields.Selection(
        [
            ("draft", "Draft"),
            ("proposed", "Waiting for Decisions"),
            ("done", "Done"),
            ("cancel", "Cancelled"),
        ],
        required=True,
        readonly=True,
        default="draft",
        copy=False,
        tracking=True,
        index=True,
    )
    line_ids = fields.One2many("dms.grade.review.line", "review_id", string="Distributors")
    line_count = fields.Integer(compute="_compute_counts")
    raise_count = fields.Integer(string="Raised", compute="_compute_counts")
    lower_count = fields.Integer(string="Lowered", compute="_compute_counts")
    open_count = fields.Integer(string="Undecided", compute="_compute_counts")

    _dates_ordered = models.Constraint(
        "CHECK(date_to >= date_from)",
        "The period of a grade review can't end before it begins. Change one of the two dates.",
    )

    @api.depends("line_ids.move", "line_ids.state")
    def _compute_counts(self):
        Line = self.env["dms.grade.review.line"]
        counts = {}
        for review, move, state, count in Line._read_group(
            [("review_id", "in", self.ids)], ["review_id", "move", "state"], ["__count"]
        ):
            found = counts.setdefault(review, {"line": 0, "raise": 0, "lower": 0, "keep": 0, "open": 0})
            found["line"] += count
            found[move] += count
            found["open"] += count if state == "open" else 0
        for review in self:
            found = counts.get(review._origin, {})
            review.line_count = found.get("line", 0)
            review.raise_count = found.get("raise", 0)
            review.lower_count = found.get("lower", 0)
            review.open_count = found.get("open", 0)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_decided(self):
        if decided := self.line_ids.filtered(lambda line: line.state not in ("open", "kept")).review_id:
            raise UserError(
                self.env._(
                    "%s holds decisions on grades and is part of their history. Cancel it instead.",
                    decided[0].display_name,
                )
            )

    def action_propose(self):
        """Measure every distributor and propose; what is already decided stays."""
        for review in self:
            review._require("draft", "proposed")
            review._propose()
            review.state = "proposed"
        return True

    def action_close(self):
        for review in self:
            review._require("proposed")
            if review.open_count:
                raise UserError(
                    self.env._(
                        "%(review)s still has %(count)s undecided proposals. Confirm or decline each of them first.",
                        review=review.name,
                        count=review.open_count,
                    )
                )
            review.state = "done"
        return True

    def action_cancel(self):
        for review in self:
            review._require("draft", "proposed")
            review.state = "cancel"
        return True

    def action_view_lines(self):
        self.ensure_one()
        return {
            **self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_grade_review_line_action"),
            "domain": [("review_id", "=", self.id)],
            "context": {},
        }

    def _require(self, *states):
        self.ensure_one()
        if self.state not in states:
            names = dict(self._fields["state"]._description_selection(self.env))
            raise UserError(
                self.env._("%(review)s is %(state)s; this is not possible any more.",
                           review=self.name, state=names[self.state])
            )  # fmt: skip

    def _propose(self):
        """Replace the undecided lines by fresh ones."""
        self.line_ids.filtered(lambda line: line.state in ("open", "kept")).unlink()
        members = self._get_members() - self.line_ids.partner_id
        grades = self._get_ladder()
        ladder = [grade._get_thresholds() for grade in grades]
        measures = self._get_measures(members)
        vals_list = []
        for member in members:
            current = grades.ids.index(member.grade_id.id) if member.grade_id in grades else None
            position, move = grading.propose(ladder, current, measures[member.id])
            proposed = grades[position] if position is not None else grades.browse()
            vals_list.append(
                {
                    "review_id": self.id,
                    "partner_id": member.id,
                    "grade_id": member.grade_id.id,
                    "proposed_grade_id": proposed.id,
                    "move": move,
                    "state": "kept" if move == "keep" else "open",
                    "effective_date": self.effective_date,
                    "figures": self._get_figures(grades, current, move, measures[member.id]),
                    **self._prepare_measures(measures[member.id]),
                }
            )
        guard.mark(self.env["dms.grade.review.line"]).create(vals_list)

    @api.model
    def _prepare_measures(self, measured):
        return {
            "points": measured.points,
            "sales": measured.sales,
            "has_target": measured.attainment is not None,
            "attainment": measured.attainment or 0.0,
            "overdue_days": measured.overdue,
        }

    def _get_members(self):
        """Distributors with an agreement in force in the review's company on its day."""
        partners = self.env["res.partner"].search(
            [("channel_role", "=", "distributor"), ("company_id", "in", [False, self.company_id.id])]
        )
        agreements = self.env["dms.agreement"]._get_active(partners, self.date, self.company_id)
        return partners.filtered(lambda partner: agreements[partner])

    def _get_ladder(self):
        return self.env["res.partner.grade"].search(
            [("company_id", "in", [False, self.company_id.id])], order="sequence, id"
        )

    def _get_measures(self, members):
        """What each member shows in the period.

        :rtype: dict[int, grading.Measures]
        """
        points = members._get_credit_points(date=self.date, company=self.company_id)
        sales = members._get_dms_sales(self.date_from, self.date_to, self.company_id)
        attained = members._get_dms_attainment(self.date_from, self.date_to, self.company_id)
        oldest = members._get_dms_oldest_due(self.company_id)
        return {
            id_: grading.Measures(
                points[id_], sales[id_], attained[id_], max((self.date - oldest.get(id_, self.date)).days, 0)
            )
            for id_ in members.ids
        }

    @api.model
    def _get_figures(self, grades, current, move, measured):
        """What a proposal rests on: which case it is, of which grade, and what is missing of what was asked for."""
        if current is None:
            return {"case": "enters" if move == "raise" else "stays_out", "grade": grades[-1:].id}
        present = grades[current]
        if gaps := grading.missed(measured, present._get_thresholds()):
            case = "falls" if move == "lower" else "lowest"
            return {"case": case, "grade": present.id, "gaps": self._get_gaps(present, gaps, measured)}
        if not current:
            return {"case": "highest", "grade": present.id}
        better = grades[current - 1]
        if move == "raise":
            return {"case": "rises", "grade": better.id}
        gaps = grading.missed(measured, better._get_thresholds())
        return {
            "case": "stays",
            "grade": present.id,
            "better": better.id,
            "gaps": self._get_gaps(better, gaps, measured),
        }

    @api.model
    def _get_gaps(self, grade, gaps, measured):
        asked = grade._get_thresholds()
        limits = {"overdue": asked.max_overdue}
        return {
            name: [getattr(measured, name) or 0, limits[name] if name in limits else getattr(asked, name)]
            for name in gaps
        }
