from odoo import api, fields, models
from odoo.exceptions import ValidationError


class DmsDeductionReason(models.Model):
    _name = "dms.deduction.reason"
    _description = "Reason of a Deduction"
    _order = "sequence, id"
    _check_company_auto = True

    name = fields.Char(required=True, translate=True)
    code = fields.Char(required=True, help="Short code, as auditors and reports use it.")
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)
    company_id = fields.Many2one(
        "res.company", required=True, default=lambda self: self.env.company, index=True
    )
    currency_id = fields.Many2one(related="company_id.currency_id")
    account_id = fields.Many2one(
        "account.account",
        "Write-off Account",
        required=True,
        check_company=True,
        ondelete="restrict",
        domain="[('account_type', 'not in', ('asset_receivable', 'liability_payable', 'off_balance'))]",
    )
    journal_id = fields.Many2one(
        "account.journal",
        compute="_compute_journal_id",
        store=True,
        readonly=False,
        precompute=True,
        required=True,
        check_company=True,
        ondelete="restrict",
        domain="[('type', '=', 'general')]",
    )
    limit_amount = fields.Monetary(
        "Approval above",
        help="Write-offs above this amount, in the company's currency, need an approval. 0: all do.",
    )
    group_id = fields.Many2one(
        "res.groups",
        "Approved by",
        required=True,
        ondelete="restrict",
        default=lambda self: self.env.ref("dms_channel.dms_channel_group_manager", raise_if_not_found=False),
        help="Members of this group approve; nobody approves its own request.",
    )

    _code_uniq = models.Constraint("UNIQUE(company_id, code)", "This code names another reason already.")
    _limit_positive = models.Constraint(
        "CHECK(limit_amount >= 0)", "The limit for approvals can't be negative. Enter 0 to have all approved."
    )

    @api.depends("company_id")
    def _compute_journal_id(self):
        for reason in self:
            reason.journal_id = reason.journal_id or self._get_default_journal(reason.company_id)

    @api.constrains("account_id")
    def _check_account(self):
        for reason in self:
            if reason.account_id.account_type in ("asset_receivable", "liability_payable"):
                raise ValidationError(
                    self.env._(
                        "%s is an account of receivables or payables: a write-off needs one of costs or income.",
                        reason.account_id.display_name,
                    )
                )

    @api.depends("name", "code")
    def _compute_display_name(self):
        for reason in self:
            reason.display_name = f"{reason.code} {reason.name}"

    @api.model
    def _get_default_journal(self, company):
        Journal = self.env["account.journal"]
        return Journal.search([*Journal._check_company_domain(company), ("type", "=", "general")], limit=1)
