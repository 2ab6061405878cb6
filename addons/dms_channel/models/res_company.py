from odoo import api, fields, models
from odoo.exceptions import ValidationError


class ResCompany(models.Model):
    _inherit = "res.company"

    dms_rebate_journal_id = fields.Many2one(
        "account.journal", "Rebate Journal", domain="[('type', '=', 'general')]", check_company=True
    )
    dms_rebate_expense_account_id = fields.Many2one(
        "account.account", "Rebates Granted Account", check_company=True
    )
    dms_rebate_accrual_account_id = fields.Many2one(
        "account.account", "Accrued Rebates Account", check_company=True
    )

    dms_settlement_days = fields.Integer(
        "Days to Answer a Settlement",
        default=7,
        help="So many days a distributor has to accept or dispute the lines of a settlement; what it has not answered by"
        " then counts as accepted. 0: nobody is asked.",
    )
    dms_settlement_account_id = fields.Many2one(
        "account.account",
        "Settlements to Use Up Account",
        check_company=True,
        domain="[('account_type', 'in', ('liability_current', 'liability_non_current')), ('reconcile', '=', True)]",
        help="Holds settlements that goods or future orders use up, until those are invoiced.",
    )
    dms_payout_journal_id = fields.Many2one(
        "account.journal",
        "Pay-out Journal",
        check_company=True,
        domain="[('type', 'in', ('bank', 'cash'))]",
        help="Settlements are paid from here. Empty: the first bank journal.",
    )

    dms_offset_share = fields.Float(
        "Share of an Order",
        digits=(5, 4),
        default=0.3,
        help="The most of an order's net value that settlements may be set off against, where the settlement doesn't say.",
    )
    dms_offset_product_id = fields.Many2one(
        "product.product",
        "Set-off Product",
        check_company=True,
        domain="[('type', '=', 'service'), ('invoice_policy', '=', 'order')]",
        help="Stands on the order lines that use up a settlement.",
    )

    dms_agreement_reminder_days = fields.Char(
        "Agreement Reminders",
        default="90, 30, 7",
        help="So many days before an agreement ends, the responsible and the distributor are reminded. Empty: never.",
    )
    dms_statement_days = fields.Integer(
        "Days to Answer a Statement", default=10, help="A distributor has so many days to answer a statement."
    )
    dms_statement_reminder_days = fields.Integer(
        "Statement Reminder",
        default=3,
        help="So many days before that ends, a distributor who has not answered is reminded.",
    )
    dms_statement_auto_send = fields.Boolean(
        "Send Statements at Once",
        help="Last month's statements are sent when they are drafted, on the first of a month.",
    )
    dms_statement_user_id = fields.Many2one(
        "res.users",
        "Responsible for Statements",
        domain=[("share", "=", False)],
        help="Answers the distributors' disputes of statements that are drafted by themselves.",
    )
    dms_deduction_percent = fields.Float(
        "Short Payments up to (%)",
        default=20.0,
        help="An invoice that a payment left open by no more than this share was paid short; one that is open by more"
        " was paid in part.",
    )
    dms_deduction_min = fields.Monetary(
        "Short Payments above",
        currency_field="currency_id",
        help="Smaller differences are left to the reconciliation of the bank statement.",
    )
    dms_reading_days = fields.Integer(
        "Shelf Readings Kept For",
        default=400,
        help="Days after which readings of shelf sensors are forgotten; 0 keeps them all. The last one of each shelf stays.",
    )
    dms_transfer_credit_policy = fields.Selection(
        [("giver", "Giver keeps the credit"), ("taker", "Credit goes to the taker")],
        "Rebate Credit of Transfers",
        default="giver",
        required=True,
        help="Whose rebate goods count for that one distributor passes on to another, where the transfer doesn't say.",
    )
    dms_transfer_giver_share = fields.Float("Giver's Share of the Freight (%)", digits=(5, 2), default=50.0)
    dms_transfer_taker_share = fields.Float("Taker's Share of the Freight (%)", digits=(5, 2), default=50.0)
    dms_transfer_shelf_days = fields.Integer(
        "Remaining Shelf Life of Transfers",
        default=30,
        help="Batches that expire within so many days may not be passed on.",
    )
    dms_transfer_show_price = fields.Boolean(
        "Takers See the Sell-in Price", help="In the portal, of the goods that are passed on to them."
    )
    dms_transfer_name_partner = fields.Boolean(
        "Distributors Name the Other Side",
        help="A distributor may state by its reference whom it wants goods from, or has goods for. Otherwise the brand "
        "finds the other side, and nobody learns what the others have.",
    )
    dms_transfer_user_id = fields.Many2one(
        "res.users",
        "Responsible for Transfers",
        domain=[("share", "=", False)],
        help="Arranges the transport of transfers that distributors propose.",
    )
    dms_freight_product_id = fields.Many2one(
        "product.product",
        "Freight Product",
        check_company=True,
        domain="[('type', '=', 'service')]",
        help="Stands on the invoices that recharge the freight of a transfer, where its carrier has no product.",
    )
    dms_feed_folder = fields.Char(
        "Watched Folder",
        groups="base.group_system",
        help="Folder on the server. Files that lie there are received; those of a distributor lie in a sub-folder "
        "called after its reference.",
    )
    dms_feed_folder_release = fields.Boolean("Release Right Lines at Once", groups="base.group_system")

    _dms_settlement_days_positive = models.Constraint(
        "CHECK(dms_settlement_days >= 0)", "A distributor can't have less than no day to answer a settlement."
    )

    _dms_offset_share_range = models.Constraint(
        "CHECK(dms_offset_share >= 0 AND dms_offset_share <= 1)",
        "The share of an order that settlements are set off against lies between 0 and 100 %.",
    )

    _dms_transfer_shares = models.Constraint(
        "CHECK(dms_transfer_giver_share >= 0 AND dms_transfer_taker_share >= 0"
        " AND dms_transfer_giver_share + dms_transfer_taker_share <= 100 AND dms_transfer_shelf_days >= 0)",
        "Giver and taker bear no more than 100 % of the freight together, and no share or number of days is negative.",
    )

    _dms_statement_days_positive = models.Constraint(
        "CHECK(dms_statement_days > 0 AND dms_statement_reminder_days >= 0)",
        "Give distributors at least one day to answer a statement.",
    )

    _dms_deduction_percent_valid = models.Constraint(
        "CHECK(dms_deduction_percent BETWEEN 0 AND 100 AND dms_deduction_min >= 0)",
        "The tolerance of short payments is a share from 0 to 100 %, and their least amount is not negative.",
    )

    @api.constrains("dms_agreement_reminder_days")
    def _check_dms_agreement_reminder_days(self):
        for company in self:
            company._get_dms_reminder_days()

    def _get_dms_reminder_days(self):
        """The reminders before an agreement's end, in days.

        :raises ValidationError: when one is no number of days
        """
        self.ensure_one()
        texts = (self.dms_agreement_reminder_days or "").replace("，", ",").replace("、", ",").split(",")
        days = [text.strip() for text in texts if text.strip()]
        for text in days:
            if not text.isdecimal() or not 1 <= int(text) <= 999:
                raise ValidationError(
                    self.env._(
                        "“%s” is no number of days from 1 to 999. Separate the reminders by commas: 90, 30, 7.",
                        text,
                    )
                )
        return [int(text) for text in days]

    def _dms_get_offset_product(self):
        """The service that stands for the use of a settlement on an order, made when it is first needed (as superuser)."""
        self.ensure_one()
        if not self.dms_offset_product_id:
            self.dms_offset_product_id = self.env["product.product"].create(
                {
                    "name": self.env._("Settlement set off"),
                    "type": "service",
                    "invoice_policy": "order",
                    "list_price": 0.0,
                    "sale_ok": False,
                    "purchase_ok": False,
                    "taxes_id": False,
                    "company_id": self.id,
                }
            )
        return self.dms_offset_product_id

    def _dms_get_freight_product(self):
        """The service that stands for freight on invoices, made when it is first needed (as superuser)."""
        self.ensure_one()
        if not self.dms_freight_product_id:
            self.dms_freight_product_id = self.env["product.product"].create(
                {
                    "name": self.env._("Freight of transfers"),
                    "type": "service",
                    "invoice_policy": "order",
                    "list_price": 0.0,
                    "sale_ok": False,
                    "purchase_ok": False,
                    "company_id": self.id,
                }
            )
        return self.dms_freight_product_id

    def _dms_prepare_rebate_accounts(self):
        """Give the company a journal and three accounts for rebates where it has none; existing ones stay.

        Runs with the rights of the user, who must be allowed to change the chart of accounts.
        """
        for company in self:
            Account = self.env["account.account"].with_company(company)
            if not company.dms_rebate_expense_account_id:
                company.dms_rebate_expense_account_id = Account.create(
                    self._dms_prepare_rebate_account_vals(
                        company, self.env._("Rebates granted"), "expense", "600000", reconcile=False
                    )
                )
            if not company.dms_rebate_accrual_account_id:
                company.dms_rebate_accrual_account_id = Account.create(
                    self._dms_prepare_rebate_account_vals(
                        company, self.env._("Accrued rebates"), "liability_current", "200000", reconcile=True
                    )
                )
            if not company.dms_settlement_account_id:
                company.dms_settlement_account_id = Account.create(
                    self._dms_prepare_rebate_account_vals(
                        company,
                        self.env._("Settlements to use up"),
                        "liability_current",
                        "200000",
                        reconcile=True,
                    )
                )
            if not company.dms_rebate_journal_id:
                Journal = self.env["account.journal"]
                vals = {"code": "RBT", "type": "general", "company_id": company.id}
                company.dms_rebate_journal_id = Journal.search(
                    [(name, "=", value) for name, value in vals.items()], limit=1
                ) or Journal.create({"name": self.env._("Rebates"), **vals})

    def _dms_prepare_rebate_account_vals(self, company, name, account_type, start_code, reconcile):
        Account = self.env["account.account"].with_company(company)
        last = Account.search(
            [*Account._check_company_domain(company), ("account_type", "=", account_type)],
            order="code desc",
            limit=1,
        )
        return {
            "name": name,
            "code": Account._search_new_account_code(last.code or start_code),
            "account_type": account_type,
            "reconcile": reconcile,
            "company_ids": [fields.Command.link(company.id)],
        }
