from datetime import date

from odoo import api, fields, models
from odoo.tools import format_date

from ..tools.target import MONTHS


class DmsAgreementTarget(models.Model):
    """What a line of an agreement asks for in one month of each year."""

    _name = "dms.agreement.target"
    _description = "Distribution Agreement Target"
    _order = "line_id, month"

    line_id = fields.Many2one("dms.agreement.line", required=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(related="line_id.company_id", store=True, index=True)
    currency_id = fields.Many2one(related="line_id.currency_id")
    month = fields.Selection(
        selection=lambda self: [(f"{number:02}", name) for number, name in self._get_months().items()],
        required=True,
    )
    amount = fields.Monetary(string="Target", required=True)

    _line_month_uniq = models.Constraint(
        "UNIQUE(line_id, month)", "A line has one target for each month. Change the one that is there."
    )
    _amount_positive = models.Constraint("CHECK(amount >= 0)", "A target can't be negative.")

    @api.model
    def _get_months(self):
        """Names of the months in the user's language, by number."""
        return {month: format_date(self.env, date(2000, month, 1), date_format="LLLL") for month in MONTHS}

    @api.model_create_multi
    def create(self, vals_list):
        targets = super().create(vals_list)
        targets.line_id._check_agreement_open()
        return targets

    def write(self, vals):
        self.line_id._check_agreement_open()
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_signed(self):
        self.line_id._check_agreement_open()
