from odoo import api, fields, models
from odoo.exceptions import ValidationError


class DmsOrderApprovalLevel(models.Model):
    """Above this amount an order that the rule holds needs the approval of one more group."""

    _name = "dms.order.approval.level"
    _description = "Order Approval Level"
    _order = "rule_id, amount_from, id"

    rule_id = fields.Many2one("dms.order.rule", required=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(related="rule_id.company_id", store=True, index="btree_not_null")
    currency_id = fields.Many2one(related="rule_id.currency_id")
    amount_from = fields.Monetary(
        string="Orders Above", required=True, help="Total with taxes, in the company's currency."
    )
    group_id = fields.Many2one(
        "res.groups", string="Also Approved By", required=True, index=True, ondelete="restrict"
    )
    other_person = fields.Boolean(
        default=True,
        help="Who gave another approval for the same rule can't give this one too, even as a member of both groups.",
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

    @api.constrains("rule_id", "amount_from", "group_id")
    def _check_group(self):
        for rule in self.rule_id:
            groups = rule.level_ids.group_id
            if len(groups) < len(rule.level_ids) or rule.group_id in groups:
                raise ValidationError(
                    self.env._(
                        "Rule %(rule)s names the same group for two levels. Each level needs a group of its own:"
                        " %(groups)s.",
                        rule=rule.name,
                        groups=", ".join((rule.group_id | groups).mapped("full_name")),
                    )
                )

    @api.constrains("rule_id", "user_id", "group_id")
    def _check_user(self):
        for level in self.filtered("user_id"):
            level.rule_id._check_responsible(level.user_id, level.group_id)

    def _applies(self, order):
        self.ensure_one()
        company = order.company_id
        limit = self.with_company(company).currency_id._convert(
            self.amount_from, company.currency_id, company, order._get_dms_date()
        )
        return company.currency_id.compare_amounts(order._get_dms_company_amount(), limit) > 0
