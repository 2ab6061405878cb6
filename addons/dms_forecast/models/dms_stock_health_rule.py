import numpy as np

from odoo import api, fields, models

from ..tools.inventory import HealthPolicy

#: Thresholds of a rule and of a company by the same names.
THRESHOLDS = {
    "overstock_days": "dms_overstock_days",
    "slow_idle_days": "dms_slow_idle_days",
    "slow_cover_days": "dms_slow_cover_days",
    "lead_days": "dms_lead_days",
    "alert_below": "dms_alert_below",
    "alert_close": "dms_alert_close",
}


class DmsStockHealthRule(models.Model):
    """Thresholds of stock health for some products or grades of distributors; the most specific rule counts.

    More specific is the deeper category, then the rule that names a grade, then the one of a company. Where no rule fits, the company's
    settings count.
    """

    _name = "dms.stock.health.rule"
    _description = "Stock Health Thresholds"
    _order = "categ_id, grade_id, company_id, id"
    _check_company_auto = True

    active = fields.Boolean(default=True)
    company_id = fields.Many2one("res.company", help="Empty: all companies.", index=True)
    categ_id = fields.Many2one(
        "product.category",
        string="Product Category",
        help="With those below. Empty: all.",
        ondelete="cascade",
    )
    grade_id = fields.Many2one("res.partner.grade", help="Empty: all.", ondelete="cascade")
    overstock_days = fields.Integer("Overstock above (days)", required=True, default=60)
    slow_idle_days = fields.Integer("Slow after (days without a sale)", required=True, default=60)
    slow_cover_days = fields.Integer("Slow above (days of cover)", required=True, default=180)
    lead_days = fields.Integer("Delivery (days)", required=True, default=5)
    alert_below = fields.Float("Alert below (score)", required=True, default=60.0)
    alert_close = fields.Float("All-clear from (score)", required=True, default=75.0)

    _scope_uniq = models.UniqueIndex(
        "(COALESCE(company_id, 0), COALESCE(categ_id, 0), COALESCE(grade_id, 0)) WHERE active",
        "There are thresholds for this company, category and grade already. Change those.",
    )
    _days_check = models.Constraint(
        "CHECK (overstock_days > 0 AND slow_idle_days > 0 AND slow_cover_days >= overstock_days AND lead_days >= 0)",
        "Days must be positive, and slow cover not below overstock.",
    )
    _score_check = models.Constraint(
        "CHECK (alert_below BETWEEN 0 AND 100 AND alert_close BETWEEN alert_below AND 100)",
        "Scores go from 0 to 100, and the all-clear comes not below the alert.",
    )

    @api.depends("categ_id", "grade_id")
    def _compute_display_name(self):
        for rule in self:
            rule.display_name = " · ".join(
                filter(None, (rule.categ_id.display_name, rule.grade_id.display_name))
            ) or self.env._("All products")

    def _specificity(self):
        """Sorts rules: the highest counts."""
        self.ensure_one()
        return (self.categ_id.parent_path or "").count("/"), bool(self.grade_id), bool(self.company_id)

    @api.model
    def _get_thresholds(self, company, categories, grades):
        """The thresholds of many distributors x products at once.

        :param categories: (n,) int, product category ids, 0 where there is none
        :param grades: (n,) int, grade ids of the distributors, 0 where there is none
        :return: {name of a field: (n,) float}, with the id of the rule (0: the company's settings) under "rule"
        """
        rules = self.search([("company_id", "in", (company.id, False))]).sorted(
            lambda rule: rule._specificity(), reverse=True
        )
        table = np.array(
            [[0.0, *(company[theirs] for theirs in THRESHOLDS.values())]]
            + [[rule.id, *(rule[ours] for ours in THRESHOLDS)] for rule in rules]
        )
        pairs, place = np.unique(
            np.stack([np.asarray(categories, np.int64), np.asarray(grades, np.int64)], 1),
            axis=0,
            return_inverse=True,
        )
        paths = {
            categ.id: categ.parent_path
            for categ in self.env["product.category"].browse(sorted({int(c) for c, _grade in pairs if c}))
        }
        chosen = [
            next(
                (
                    row
                    for row, rule in enumerate(rules, 1)
                    if (not rule.grade_id or rule.grade_id.id == grade)
                    and (not rule.categ_id or paths.get(int(categ), "").startswith(rule.categ_id.parent_path))
                ),
                0,
            )
            for categ, grade in pairs.tolist()
        ]
        rows = table[np.array(chosen, int)[place.ravel()]]
        return dict(zip(("rule", *THRESHOLDS), rows.T, strict=True))

    @api.model
    def _get_policy(self, thresholds):
        """Thresholds of :meth:`_get_thresholds` as the arithmetic wants them."""
        return HealthPolicy(
            thresholds["overstock_days"], thresholds["slow_idle_days"], thresholds["slow_cover_days"]
        )
