from odoo import api, fields, models
from odoo.exceptions import ValidationError


class ResCompany(models.Model):
    _inherit = "res.company"

    dms_gs1_prefix = fields.Char(
        "GS1 Company Prefix",
        help="The digits that your GS1 organisation gave the company, without any item number. "
        "Pallet labels (SSCC) and RFID tags are made of it.",
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
