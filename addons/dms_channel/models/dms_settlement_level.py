from odoo import api, fields, models
from odoo.exceptions import ValidationError


class DmsSettlementLevel(models.Model):
    """Above this amount a settlement needs the approval of a group before it is posted."""

    _name = "dms.settlement.level"
    _description = "Settlement Approval Level"
    _order = "company_id, amount_from, id"
    _rec_name = "group_id"

    company_id = fields.Many2one(
        "res.company", required=True, default=lambda self: self.env.company, index=True, ondelete="cascade"
    )
    currency_id = fields.Many2one(related="company_id.currency_id")
    amount_from = fields.Monetary(
        string="Settlements Above",
        required=True,
        help="Net amount before deductions and advances, in the company's currency.",
    )
    group_id = fields.Many2one(
        "res.groups", string="Approved By", required=True, index=True, ondelete="restrict"
    )
    other_person = fields.Boolean(
        default=True,
        help="Who gave another approval of the same settlement can't give this one too.",
    )
    user_id = fields.Many2one(
        "res.users",
        string="Responsible",
        domain="[('share', '=', False)]",
        help="Gets the activity. Empty: all members of the group get it.",
    )

    _amount_from_positive = models.Constraint(
        "CHECK(amount_from >= 0)", "The amount of an approval level can't be negative."
    )
    _group_uniq = models.Constraint(
        "UNIQUE(company_id, group_id)", "Each level needs a group of its own: this one has a level already."
    )

    @api.constrains("user_id", "group_id")
    def _check_user(self):
        for level in self.filtered("user_id"):
            if level.group_id not in level.user_id.all_group_ids:
                raise ValidationError(
                    self.env._(
                        "%(user)s is no member of %(group)s and could not approve: choose a member, or nobody.",
                        user=level.user_id.name,
                        group=level.group_id.full_name,
                    )
                )

    def _applies(self, settlement):
        self.ensure_one()
        company = settlement.company_id
        amount = settlement.currency_id._convert(
            settlement.amount_untaxed, company.currency_id, company, settlement._get_posting_date()
        )
        return company.currency_id.compare_amounts(abs(amount), self.amount_from) > 0
