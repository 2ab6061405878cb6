from odoo import fields, models


class DmsCreditRule(models.Model):
    """How many credit points an event is worth."""

    _name = "dms.credit.rule"
    _description = "Credit Point Rule"
    _order = "code, company_id, id"
    _check_company_auto = True

    name = fields.Char(required=True, translate=True)
    code = fields.Selection(
        [
            ("payment_on_time", "Invoice paid on time"),
            ("overdue", "Invoice overdue"),
            ("diversion", "Diversion confirmed"),
            ("clean_period", "Period without a case"),
            ("feed_quality", "Sell-through reported well"),
            ("target_met", "Target met"),
            ("manual", "By hand"),
        ],
        string="Event",
        required=True,
    )
    points = fields.Integer(required=True, help="Points for one event; negative for a loss.")
    company_id = fields.Many2one(
        "res.company", help="Empty: for all companies that have no rule of their own."
    )
    active = fields.Boolean(default=True)
    entry_ids = fields.One2many("dms.credit.entry", "rule_id")

    _code_company_uniq = models.UniqueIndex(
        "(code, COALESCE(company_id, 0)) WHERE active",
        "There is already a rule for this event in this company. Change that one, or archive it first.",
    )

    def _get_rule(self, code, company):
        """The company's rule for the event, else the shared one, else an empty rule."""
        rules = self.search([("code", "=", code), ("company_id", "in", [False, company.id])])
        return rules.filtered("company_id") or rules
