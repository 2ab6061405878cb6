from odoo import api, fields, models
from odoo.exceptions import ValidationError


class ResCompany(models.Model):
    _inherit = "res.company"

    dms_gs1_prefix = fields.Char(
        "GS1 Company Prefix",
        help="The digits that your GS1 organisation gave the company, without any item number. "
        "Pallet labels (SSCC) and RFID tags are made of it.",
    )

    dms_diversion_account_id = fields.Many2one(
        "account.account",
        "Claw-back Account",
        check_company=True,
        domain="[('account_type', 'in', ('income', 'income_other'))]",
        help="What a ruling on diversion charges to a distributor is posted here.",
    )
    dms_diversion_percent = fields.Float(
        "Claw-back (%)",
        digits=(5, 2),
        help="Share of the value of the items found that a ruling proposes to take off the next settlement.",
    )
    dms_diversion_months = fields.Integer(
        "Months Supplied Last", help="How long a ruling proposes to serve others first when goods are scarce."
    )

    _dms_diversion_positive = models.Constraint(
        "CHECK(dms_diversion_percent >= 0 AND dms_diversion_months >= 0)",
        "The claw-back and the months of a ruling can't be negative.",
    )

    @api.constrains("dms_gs1_prefix")
    def _check_dms_gs1_prefix(self):
        for company in self:
            prefix = company.dms_gs1_prefix
            if prefix and not (prefix.isascii() and prefix.isdigit() and 6 <= len(prefix) <= 12):
                raise ValidationError(
                    self.env._(
                        "The GS1 company prefix of %(company)s is “%(prefix)s”. Enter its 6 to 12 digits, nothing else.",
                        company=company.name,
                        prefix=prefix,
                    )
                )
