from odoo import api, fields, models

from ..tools import grading


class ResPartnerGrade(models.Model):
    """What a grade asks for, and what it gives: a price list (by ``partnership``), supply priority, rebate factor.

    Grades form a ladder by their sequence, the best one first.
    """

    _inherit = "res.partner.grade"

    dms_supply_priority = fields.Integer(
        string="Supply Priority",
        default=0,
        help="When stock does not cover all orders, those of the grade with the higher number are served first.",
    )
    dms_rebate_factor = fields.Float(
        string="Rebate Factor",
        digits=(6, 4),
        default=1.0,
        help="1 pays rebates in full, 0.9 pays 90 %.",
    )
    dms_currency_id = fields.Many2one("res.currency", compute="_compute_dms_currency_id")
    dms_min_points = fields.Integer(
        string="Credit Points From", help="Least points on the day of the review. They may be below zero."
    )
    dms_min_sales = fields.Monetary(
        string="Sales From",
        currency_field="dms_currency_id",
        help="Least net invoiced sales in the period that is reviewed, in the company's currency.",
    )
    dms_min_attainment = fields.Float(
        string="Target Attainment From (%)",
        help="Least share of the agreed targets in the period that is reviewed. Asked of members with a target only.",
    )
    dms_max_overdue = fields.Integer(
        string="Overdue up to (days)",
        default=-1,
        help="Most days that the oldest unpaid invoice may be past its due date; -1: does not matter.",
    )

    _dms_rebate_factor_range = models.Constraint(
        "CHECK(dms_rebate_factor >= 0 AND dms_rebate_factor <= 1)", "A rebate factor lies between 0 and 1."
    )
    _dms_thresholds_positive = models.Constraint(
        "CHECK(dms_min_sales >= 0 AND dms_min_attainment >= 0 AND dms_max_overdue >= -1)",
        "Sales and target attainment that a grade asks for can't be negative; the days overdue are -1 (does not"
        " matter) or more.",
    )

    @api.depends("company_id")
    @api.depends_context("company")
    def _compute_dms_currency_id(self):
        for grade in self:
            grade.dms_currency_id = (grade.company_id or self.env.company).currency_id

    def _get_thresholds(self):
        self.ensure_one()
        return grading.Thresholds(
            self.dms_min_points, self.dms_min_sales, self.dms_min_attainment, self.dms_max_overdue
        )
