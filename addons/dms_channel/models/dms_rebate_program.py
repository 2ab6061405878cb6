from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Command, Domain
from odoo.tools import format_date

from ..tools import guard, rebate, rebate_period
from .dms_rebate_engine import Validity
from .dms_settlement_posting import PAYOUTS

# What a published programme promises: changed by a new version only.
TERMS = {
    "active",
    "accrual_policy",
    "accrual_tier",
    "amount_cap",
    "amount_max",
    "amount_min",
    "basis",
    "bundle_ids",
    "compare",
    "categ_ids",
    "code",
    "company_id",
    "currency_id",
    "date_end",
    "date_start",
    "factor_ids",
    "estimate_share",
    "grace_days",
    "grade_ids",
    "growth_against",
    "growth_only",
    "leaves_out_diverted",
    "measure",
    "newcomer",
    "newcomer_baseline",
    "partner_ids",
    "period",
    "period_months",
    "point_ids",
    "pool_by",
    "previous_id",
    "price_leeway",
    "product_ids",
    "qualify_by",
    "rates_rise",
    "relation_ids",
    "sequence",
    "state",
    "takeover_ids",
    "target_ids",
    "territory_ids",
    "tier_ids",
    "tier_method",
    "uom_id",
    "version",
    "expense_account_id",
    "accrual_account_id",
}


class DmsRebateProgram(models.Model):
    _name = "dms.rebate.program"
    _description = "Rebate Programme"
    _inherit = [
        "mail.thread",
        "mail.activity.mixin",
        "analytic.mixin",
        "dms.program.measure",
        "dms.program.words",
    ]
    _order = "state desc, date_start desc, code, version desc"
    _rec_names_search = ["name", "code"]
    _check_company_auto = True

    name = fields.Char(required=True, translate=True)
    code = fields.Char(required=True, copy=False, tracking=True)
    active = fields.Boolean(default=True)
    company_id = fields.Many2one(
        "res.company", required=True, default=lambda self: self.env.company, index=True
    )
    currency_id = fields.Many2one(
        "res.currency",
        compute="_compute_currency_id",
        store=True,
        readonly=False,
        precompute=True,
        required=True,
    )
    user_id = fields.Many2one("res.users", "Responsible", default=lambda self: self.env.user, tracking=True)
    date_start = fields.Date(
        required=True,
        tracking=True,
        default=lambda self: fields.Date.context_today(self).replace(month=1, day=1),
    )
    date_end = fields.Date(tracking=True, help="Last day, included. Empty: until the programme is closed.")
    state = fields.Selection(
        [("draft", "Draft"), ("published", "Published"), ("closed", "Closed")],
        default="draft",
        required=True,
        copy=False,
        tracking=True,
        index=True,
    )
    version = fields.Integer(default=1, readonly=True, copy=False)
    previous_id = fields.Many2one(
        "dms.rebate.program", "Previous Version", readonly=True, copy=False, index="btree_not_null"
    )
    next_ids = fields.One2many("dms.rebate.program", "previous_id", "Next Versions")
    description = fields.Text(translate=True, help="What distributors read about the programme.")

    sequence = fields.Integer(
        "Precedence",
        default=10,
        help="Among programmes that follow from each other, the lower number comes first.",
    )
    measure = fields.Selection(
        [
            ("ordered", "Ordered"),
            ("delivered", "Delivered"),
            ("invoiced", "Invoiced"),
            ("paid", "Paid"),
            ("sell_out", "Sold on (sell-through)"),
        ],
        default="invoiced",
        required=True,
        tracking=True,
        help="Which sales count; returns, cancellations and credit notes are taken off.",
    )
    basis = fields.Selection(
        [
            ("amount", "Net value"),
            ("quantity", "Quantity"),
            ("weight", "Weight"),
            ("volume", "Volume"),
            ("points", "Points"),
        ],
        default="amount",
        required=True,
        tracking=True,
    )
    compare = fields.Selection(
        [
            ("volume", "Volume: tiers are figures of the measure"),
            ("target", "Target: tiers are percent of the distributor's target"),
            ("growth", "Growth: tiers are percent over an earlier period"),
        ],
        "Type",
        default="volume",
        required=True,
        tracking=True,
    )
    growth_against = fields.Selection(
        [
            ("last_year", "The same period last year"),
            ("previous", "The period before"),
            ("stated", "A baseline stated for each distributor"),
        ],
        "Compared with",
        default="last_year",
        required=True,
        help="A baseline stated for a distributor goes before what it bought; where a territory moved, past sales can be"
        " taken over.",
    )
    growth_only = fields.Boolean(
        "Pays on the Growth Only", help="Otherwise the rate applies to everything that is measured."
    )
    newcomer = fields.Selection(
        [
            ("nothing", "Earns nothing"),
            ("stated", "Is compared with a stated baseline"),
            ("first", "Earns the first tier's rate on everything"),
        ],
        "New Distributor",
        default="nothing",
        required=True,
        help="What holds for a distributor that has bought nothing in the earlier period.",
    )
    newcomer_baseline = fields.Float("Baseline of New Distributors", digits=(18, 4))
    target_ids = fields.One2many("dms.rebate.target", "program_id", "Targets and Baselines", copy=True)
    takeover_ids = fields.One2many(
        "dms.rebate.takeover",
        "program_id",
        "Territories Taken Over",
        copy=True,
        help="Past sales that follow a territory to its new distributor. Without a row each distributor is compared with"
        " its own past.",
    )
    point_ids = fields.One2many("dms.rebate.point", "program_id", "Points", copy=True)
    bundle_ids = fields.One2many(
        "dms.rebate.bundle",
        "program_id",
        copy=True,
        help="Thresholds that a distributor has to reach all at once before it earns anything.",
    )
    pool_by = fields.Selection(
        [
            ("none", "Each distributor for itself"),
            ("program", "All distributors together"),
            ("territory", "The distributors of a territory together"),
            ("upstream", "The distributors of one supplier together"),
        ],
        "Tiers are Reached by",
        default="none",
        required=True,
        help="Those who reach a tier together share the rebate in proportion to what each of them bought.",
    )
    relation_ids = fields.One2many("dms.rebate.relation", "program_id", "Relations", copy=True)
    qualify_by = fields.Selection(
        [("document", "The document's day"), ("order", "The order's day")],
        "Qualifying Date",
        default="document",
        required=True,
    )
    grace_days = fields.Integer(
        help="A sale whose qualifying date lies in the period counts for it when it is invoiced, delivered or paid at"
        " most so many days after the period's end; else it counts for the later period."
    )
    leaves_out_diverted = fields.Boolean(
        "Leave Out Diverted Goods", help="Units that a diversion case ruled diverted leave the base."
    )
    price_leeway = fields.Float(
        "Price Leeway (%)", digits=(5, 2), help="A sale this far below the list price still keeps the price."
    )
    accrual_policy = fields.Selection(
        [("posting", "When an invoice is posted"), ("periodic", "As a periodic difference")],
        "Accrues",
        compute="_compute_accrual_policy",
        store=True,
        readonly=False,
        precompute=True,
        required=True,
    )
    accrual_tier = fields.Selection(
        [("reached", "At the tier reached"), ("expected", "At the tier expected for the period's end")],
        "At Which Rate",
        default="reached",
        required=True,
    )
    estimate_share = fields.Float(
        "Share of the Run Rate",
        digits=(5, 4),
        default=0.8,
        help="The measure is carried on to the period's end at its daily rate so far; this share of the addition counts,"
        " so that no more is expected than is likely to come.",
    )
    rates_rise = fields.Boolean("Higher Tiers Pay More", default=True)
    uom_id = fields.Many2one("uom.uom", "Unit", help="Quantities are counted in this unit.")
    period = fields.Selection(
        [
            ("month", "Month"),
            ("quarter", "Quarter"),
            ("year", "Calendar year"),
            ("custom", "Custom length"),
            ("validity", "Contract to date"),
        ],
        default="year",
        required=True,
        tracking=True,
        help="Purchases add up within this period; the tiers apply to the sum.",
    )
    period_months = fields.Integer(
        "Months", default=6, help="Length of a custom period, from the first day on."
    )
    tier_method = fields.Selection(
        [
            ("banded", "Banded: each band at its own rate"),
            ("whole", "Whole volume: the reached rate on everything"),
        ],
        default="banded",
        required=True,
        tracking=True,
    )
    tier_ids = fields.One2many("dms.rebate.tier", "program_id", "Tiers", copy=True)
    amount_max = fields.Monetary(
        "Cap per Period", tracking=True, help="The most a distributor earns in one period. Zero: no cap."
    )
    amount_min = fields.Monetary(
        "Minimum per Period", help="A rebate below this is not paid. Zero: no minimum."
    )
    amount_cap = fields.Monetary(
        "Overall Cap", help="The most a distributor earns over the whole validity. Zero: no cap."
    )
    factor_ids = fields.One2many(
        "dms.rebate.factor",
        "program_id",
        "Modifiers",
        copy=True,
        help="The rebate is multiplied by each factor that holds; credit points apply at settlement.",
    )
    summary = fields.Text(compute="_compute_summary")

    categ_ids = fields.Many2many("product.category", string="Product Categories")
    product_ids = fields.Many2many("product.product", string="Products", check_company=True)
    grade_ids = fields.Many2many("res.partner.grade", string="Grades")
    territory_ids = fields.Many2many("dms.territory", string="Territories")
    partner_ids = fields.Many2many(
        "res.partner", string="Distributors", domain=[("channel_role", "=", "distributor")]
    )

    journal_id = fields.Many2one(
        "account.journal",
        compute="_compute_accounts",
        store=True,
        readonly=False,
        precompute=True,
        check_company=True,
        domain="[('type', '=', 'general')]",
        help="Accruals are posted in this journal.",
    )
    expense_account_id = fields.Many2one(
        "account.account",
        compute="_compute_accounts",
        store=True,
        readonly=False,
        precompute=True,
        check_company=True,
        domain="[('account_type', 'in', ('expense', 'expense_direct_cost', 'income', 'income_other'))]",
    )
    accrual_account_id = fields.Many2one(
        "account.account",
        compute="_compute_accounts",
        store=True,
        readonly=False,
        precompute=True,
        check_company=True,
        domain="[('account_type', 'in', ('liability_current', 'liability_non_current')), ('reconcile', '=', True)]",
        help="A liability account that allows reconciliation: settlements clear it item by item.",
    )
    tax_source = fields.Selection(
        [("base", "Those of the invoices that earned it"), ("stated", "Stated here")],
        "Credit Note Taxes",
        compute="_compute_tax_source",
        store=True,
        readonly=False,
        precompute=True,
        required=True,
        help="The settlement's credit note divides the rebate over the taxes of the invoices in proportion to their net"
        " value, or has the taxes stated here, mapped by the distributor's fiscal position.",
    )
    tax_ids = fields.Many2many(
        "account.tax",
        string="Stated Taxes",
        check_company=True,
        domain="[('type_tax_use', '=', 'sale'), ('price_include', '=', False)]",
        help="Taxes on the lines of the settlement's credit note; none where nothing is stated.",
    )
    payout = fields.Selection(
        PAYOUTS,
        "Pay Out As",
        tracking=True,
        help="Programmes that state it are settled apart. Empty: as the distributor wishes.",
    )
    offset_share = fields.Float(
        "Share of an Order",
        digits=(5, 4),
        help="The most of an order's net value that is set off, where the pay-out is an offset on future orders. Zero: the"
        " company's.",
    )
    missing_accounts = fields.Boolean(compute="_compute_missing_accounts")

    accrual_ids = fields.One2many("dms.rebate.accrual", "program_id", "Accruals")
    accrual_amount = fields.Monetary("Accrued", compute="_compute_totals")
    settled_amount = fields.Monetary("Settled", compute="_compute_totals")
    partner_count = fields.Integer("Earning Distributors", compute="_compute_totals")

    _code_version_uniq = models.Constraint(
        "UNIQUE(company_id, code, version)",
        "A programme with this code and version exists already in the company.",
    )
    _dates = models.Constraint(
        "CHECK(date_end IS NULL OR date_end >= date_start)",
        "The programme's last day lies before its first day.",
    )

    # === COMPUTE ===

    @api.depends("company_id")
    def _compute_currency_id(self):
        for program in self:
            program.currency_id = program.company_id.currency_id

    @api.depends("company_id")
    def _compute_accounts(self):
        for program in self:
            company = program.company_id
            program.journal_id = company.dms_rebate_journal_id
            program.expense_account_id = company.dms_rebate_expense_account_id
            program.accrual_account_id = company.dms_rebate_accrual_account_id

    @api.depends("journal_id", "expense_account_id", "accrual_account_id")
    def _compute_missing_accounts(self):
        for program in self:
            program.missing_accounts = not (
                program.journal_id and program.expense_account_id and program.accrual_account_id
            )

    @api.depends("tax_ids")
    def _compute_tax_source(self):
        for program in self:
            program.tax_source = "stated" if program.tax_ids else program.tax_source or "base"

    @api.depends("measure", "basis", "compare", "pool_by", "qualify_by")
    def _compute_accrual_policy(self):
        for program in self:
            policy = program.accrual_policy or "posting"
            program.accrual_policy = policy if program._may_accrue_on_posting() else "periodic"

    def _may_accrue_on_posting(self):
        """One invoice tells what it adds when nothing but the distributor's own invoices count."""
        self.ensure_one()
        return (
            self.measure == "invoiced"
            and self.basis in ("amount", "quantity")
            and self.compare == "volume"
            and self.pool_by == "none"
            and self.qualify_by == "document"
            and self.accrual_tier == "reached"
            and not self.bundle_ids
            and not self.relation_ids
            and not self.amount_cap
            and not self.leaves_out_diverted
            and not self.factor_ids.filtered(lambda factor: factor.kind != "points")
        )

    @api.depends(
        "measure",
        "basis",
        "compare",
        "period",
        "tier_ids.rate",
        "tier_ids.from_amount",
        "tier_method",
        "pool_by",
        "growth_only",
        "growth_against",
        "bundle_ids.threshold",
        "takeover_ids.share",
        "factor_ids.factor",
        "relation_ids.kind",
        "amount_max",
        "amount_min",
        "amount_cap",
        "accrual_policy",
        "accrual_tier",
    )
    @api.depends_context("lang")
    def _compute_summary(self):
        for program in self:
            program.summary = "\n".join(program._summarise())

    def _compute_totals(self):
        accrued = {
            program: (amount, partners)
            for program, amount, partners in self.env["dms.rebate.accrual"]._read_group(
                [("program_id", "in", self.ids)], ["program_id"], ["amount:sum", "partner_id:count_distinct"]
            )
        }
        settled = dict(
            self.env["dms.settlement.line"]._read_group(
                [("program_id", "in", self.ids), ("settlement_id.state", "=", "posted")],
                ["program_id"],
                ["amount:sum"],
            )
        )
        for program in self:
            program.accrual_amount, program.partner_count = accrued.get(program, (0, 0))
            program.settled_amount = settled.get(program, 0)

    @api.depends("name", "code", "version")
    def _compute_display_name(self):
        for program in self:
            named = program.code and program.name
            program.display_name = named and self.env._(
                "[%(code)s] %(name)s (version %(version)s)",
                code=program.code,
                name=program.name,
                version=program.version,
            )

    # === CONSTRAINTS ===

    @api.constrains(
        "accrual_policy",
        "accrual_tier",
        "amount_cap",
        "basis",
        "bundle_ids",
        "compare",
        "factor_ids",
        "leaves_out_diverted",
        "measure",
        "pool_by",
        "qualify_by",
        "relation_ids",
    )
    def _check_accrual_policy(self):
        for program in self:
            if program.accrual_policy == "posting" and not program._may_accrue_on_posting():
                raise ValidationError(
                    self.env._(
                        "%s depends on more than a distributor's own invoices, so one invoice can't tell what it adds. "
                        "Let it accrue as a periodic difference.",
                        program.display_name,
                    )
                )

    @api.constrains("period", "period_months", "grace_days", "estimate_share", "compare", "date_end")
    def _check_period(self):
        for program in self:
            if program.period == "custom" and program.period_months < 1:
                raise ValidationError(
                    self.env._("A custom period of %s lasts one month or more.", program.display_name)
                )
            if program.grace_days < 0 or not 0 <= program.estimate_share <= 1:
                raise ValidationError(
                    self.env._(
                        "%s: grace days lie at zero or above, the share of the run rate between 0 and 100 %%.",
                        program.display_name,
                    )
                )
            if program.compare == "growth" and program.period == "validity" and not program.date_end:
                raise ValidationError(
                    self.env._(
                        "%s measures growth from its first day to an open end: give it a last day or a shorter period.",
                        program.display_name,
                    )
                )

    @api.constrains("basis", "tier_ids")
    def _check_tier_kinds(self):
        for program in self:
            wrong = "unit" if program.basis == "amount" else "percent"
            for tier in program.tier_ids:
                if tier.kind != wrong:
                    continue
                raise ValidationError(
                    self.env._(
                        "The tier from %(bound)s of %(program)s pays by %(kind)s, but the programme measures %(basis)s. "
                        "Programmes on net value pay a percentage or a fixed amount; programmes on quantity pay an amount "
                        "per unit or a fixed amount.",
                        bound=f"{tier.from_amount:,.2f}",
                        program=program.display_name,
                        kind=dict(tier._fields["kind"]._description_selection(self.env))[tier.kind],
                        basis=dict(program._fields["basis"]._description_selection(self.env))[program.basis],
                    )
                )

    @api.constrains("tax_ids")
    def _check_tax_ids(self):
        for program in self:
            if included := program.tax_ids.filtered("price_include"):
                raise ValidationError(
                    self.env._(
                        "The taxes %(taxes)s are included in prices; a rebate is a net amount. Choose taxes that are added.",
                        taxes=", ".join(included.mapped("name")),
                    )
                )

    def _check_editable(self):
        """Raise unless the terms may still change."""
        for program in self:
            if program.state != "draft":
                raise UserError(
                    self.env._(
                        "%s is published: distributors rely on its terms. Make a new version to change them.",
                        program.display_name,
                    )
                )

    def _check_publishable(self):
        """Raise with all that is missing before the programme can take effect, in words."""
        self.ensure_one()
        problems = []
        problems += self._get_tier_problems()
        if self.compare == "target" and not self.target_ids:
            problems.append(
                self.env._("It pays by attainment and states no target: enter one for each distributor.")
            )
        if not self.journal_id:
            problems.append(
                self.env._("It has no journal: choose one of type Miscellaneous on the Accounting tab.")
            )
        if not self.expense_account_id:
            problems.append(self.env._("It has no expense account: choose one on the Accounting tab."))
        if not self.accrual_account_id:
            problems.append(
                self.env._("It has no accrual account: choose a current liability on the Accounting tab.")
            )
        elif not self.accrual_account_id.reconcile:
            problems.append(
                self.env._(
                    "The accrual account %s does not allow reconciliation: settlements could not clear it. "
                    "Allow it on the account, or choose another.",
                    self.accrual_account_id.display_name,
                )
            )
        if self.basis == "points" and not self.point_ids:
            problems.append(
                self.env._("It measures points and gives none: say what products or categories count for.")
            )
        if self.basis == "quantity":
            if not self.uom_id:
                problems.append(self.env._("It measures quantity without saying in which unit: choose one."))
            elif odd := self.product_ids.filtered(
                lambda product: not product.uom_id._has_common_reference(self.uom_id)
            ):
                problems.append(
                    self.env._(
                        "The units of %(products)s can't be converted to %(unit)s: take them out or choose another unit.",
                        products=", ".join(odd.mapped("display_name")),
                        unit=self.uom_id.display_name,
                    )
                )
        if (
            self.currency_id != self.company_id.currency_id
            and not self.currency_id.with_company(self.company_id).rate_ids
        ):
            problems.append(
                self.env._(
                    "The currency %s has no rate: enter one under Accounting, Currencies.",
                    self.currency_id.name,
                )
            )
        if overlap := self._get_overlapping():
            problems.append(
                self.env._(
                    "%(other)s holds for the same days (%(start)s to %(end)s): two versions can't hold on one day.",
                    other=overlap.display_name,
                    start=format_date(self.env, overlap.date_start),
                    end=format_date(self.env, overlap.date_end)
                    if overlap.date_end
                    else self.env._("open end"),
                )
            )
        if problems:
            raise UserError(
                self.env._("%s can't be published yet:", self.display_name) + "\n- " + "\n- ".join(problems)
            )

    def _get_tier_problems(self):
        """Return what is wrong with the tiers, as sentences."""
        tiers = self.tier_ids.sorted("from_amount")
        ends = [rebate.decimal(tier.stated_end) or None for tier in tiers]
        words = {
            "empty": lambda tier: self.env._("It has no tier: add at least one (such as from 0, 2 %)."),
            "falling_rate": lambda tier: self.env._(
                "The tier from %(bound)s pays less than the one before, yet higher tiers are said to pay more: "
                "correct the rate, or untick “Higher Tiers Pay More”.",
                bound=rebate.figure(rebate.decimal(tier.from_amount)),
            ),
            "overlap": lambda tier: self.env._(
                "The tier from %(bound)s is stated to end at %(end)s, beyond the start of the next one at %(next)s: "
                "amounts between the two would fall in both.",
                bound=rebate.figure(rebate.decimal(tier.from_amount)),
                end=rebate.figure(rebate.decimal(tier.stated_end)),
                next=rebate.figure(rebate.decimal(tier.to_amount)),
            ),
            "gap": lambda tier: self.env._(
                "The tier from %(bound)s is stated to end at %(end)s, but the next one starts at %(next)s: "
                "amounts between the two would fall in none.",
                bound=rebate.figure(rebate.decimal(tier.from_amount)),
                end=rebate.figure(rebate.decimal(tier.stated_end)),
                next=rebate.figure(rebate.decimal(tier.to_amount)),
            ),
        }
        found = rebate.tier_problems(
            tiers._to_tiers(), self.rates_rise, ends if all(ends[:-1]) and len(ends) > 1 else None
        )
        return [
            words[code](tiers[index] if index is not None else tiers)
            for code, index in found
            if code in words
        ]

    def _get_overlapping(self):
        """Return a published version of the same programme that holds on one of its days and that publishing won't end."""
        domain = Domain(
            [
                ("company_id", "=", self.company_id.id),
                ("code", "=", self.code),
                ("id", "!=", self.id),
                ("state", "!=", "draft"),
            ]
        )
        if self.date_end:
            domain &= Domain("date_start", "<=", self.date_end)
        domain &= Domain("date_end", "=", False) | Domain("date_end", ">=", self.date_start)
        if self.previous_id.date_start and self.previous_id.date_start < self.date_start:
            domain &= Domain("id", "!=", self.previous_id.id)
        return self.search(domain, limit=1)

    # === CRUD ===

    @api.model_create_multi
    def create(self, vals_list):
        if any(vals.get("state", "draft") != "draft" for vals in vals_list):
            raise UserError(self.env._("A rebate programme starts as a draft; publish it with its button."))
        return super().create(vals_list)

    def write(self, vals):
        if guard.is_marked(self):
            return super().write(vals)
        if "state" in vals:
            raise UserError(self.env._("The state of a rebate programme changes by its buttons only."))
        if TERMS & vals.keys():
            self._check_editable()
        return super().write(vals)

    def copy_data(self, default=None):
        return [
            dict(vals, code=(default or {}).get("code") or self.env._("%s-copy", program.code))
            for program, vals in zip(self, super().copy_data(default), strict=True)
        ]

    @api.ondelete(at_uninstall=False)
    def _unlink_except_published(self):
        self._check_editable()

    def _set_state(self, state, **vals):
        return guard.mark(self).write({"state": state, **vals})

    # === ACTIONS ===

    def action_publish(self):
        """Freeze the terms, end the previous version the day before, and accrue what is posted already."""
        for program in self:
            program._check_editable()
            program._check_publishable()
            previous = program.previous_id
            program._set_state("published")
            if previous:
                previous._end_on(program.date_start - timedelta(days=1))
            program._accrue_posted()

    def action_close(self):
        """End the programme today, or leave its last day where that is earlier."""
        today = fields.Date.context_today(self)
        for program in self.filtered(lambda program: program.state == "published"):
            last = max(today, program.date_start)
            program._set_state("closed", date_end=min(program.date_end or last, last))

    def action_accrue(self):
        """Accrue posted documents that the programme has not seen yet; running it again changes nothing."""
        return self._accrue_posted()

    def action_new_version(self):
        self.ensure_one()
        if self.state == "draft":
            raise UserError(self.env._("%s is still a draft: change it directly.", self.display_name))
        if draft := self.next_ids.filtered(lambda program: program.state == "draft")[:1]:
            return draft._get_records_action(context={})
        if later := self.next_ids[:1]:
            raise UserError(
                self.env._(
                    "%(later)s follows this version: make the next one from there.", later=later.display_name
                )
            )
        tomorrow = fields.Date.context_today(self) + timedelta(days=1)
        version = self.copy(
            {
                "code": self.code,
                "version": self.version + 1,
                "previous_id": self.id,
                "date_start": max(tomorrow, self.date_start + timedelta(days=1)),
                "date_end": self.date_end if self.date_end and self.date_end > tomorrow else False,
            }
        )
        return version._get_records_action(context={})

    def action_prepare_accounts(self):
        """Create the company's rebate accounts and journal where it has none, and use them here."""
        self.company_id._dms_prepare_rebate_accounts()
        for program in self:
            company = program.company_id
            program.write(
                {
                    name: company[f"dms_rebate_{name}"].id
                    for name in ("journal_id", "expense_account_id", "accrual_account_id")
                    if not program[name]
                }
            )

    def action_backtest(self):
        """Compare the programme with the one that runs, on last year's documents."""
        self.ensure_one()
        running = self.previous_id or self.search(
            [
                ("company_id", "=", self.company_id.id),
                ("state", "=", "published"),
                ("compare", "=", self.compare),
                ("basis", "=", self.basis),
                ("id", "!=", self.id),
            ],
            limit=1,
        )
        backtest = self.env["dms.rebate.backtest"].create(
            {
                "name": self.env._("%s on last year's sales", self.display_name),
                "company_id": self.company_id.id,
                "variant_ids": [Command.create({"program_id": program.id}) for program in running | self],
            }
        )
        backtest.action_compute()
        return {
            "type": "ir.actions.act_window",
            "res_model": backtest._name,
            "res_id": backtest.id,
            "views": [(False, "form")],
        }

    def action_view_accruals(self):
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_rebate_accrual_action")
        return dict(action, domain=[("program_id", "in", self.ids)], context={})

    def action_view_settlements(self):
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_settlement_action")
        return dict(action, domain=[("line_ids.program_id", "in", self.ids)], context={})

    def action_view_balances(self):
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_rebate_balance_action")
        return dict(action, domain=[("program_id", "in", self.ids)], context={})

    # === BUSINESS ===

    def _end_on(self, date):
        """Let the programme end on ``date``; what it accrued for later days is reversed."""
        for program in self:
            if program.accrual_policy == "periodic":
                program._set_state("closed", date_end=min(program.date_end or date, date))
                program._accrue_difference()
                continue
            later = (
                self.env["dms.rebate.accrual"]
                .sudo()
                .search(
                    [
                        ("program_id", "=", program.id),
                        ("date", ">", date),
                        ("kind", "=", "accrual"),
                        ("reversal_id", "=", False),
                    ]
                )
            )
            later._reverse()
            program._set_state("closed", date_end=min(program.date_end or date, date))

    def _accrue_posted(self):
        """Accrue the posted documents within validity; documents that were accrued before are left alone."""
        self.filtered(lambda program: program.accrual_policy == "periodic")._accrue_difference()
        for program in self.filtered(lambda program: program.accrual_policy == "posting"):
            domain = Domain(
                [
                    ("company_id", "=", program.company_id.id),
                    ("move_type", "in", ("out_invoice", "out_refund")),
                    ("state", "=", "posted"),
                    ("invoice_date", ">=", program.date_start),
                    ("commercial_partner_id.channel_role", "=", "distributor"),
                ]
            )
            moves_sudo = self.env["account.move"].sudo().search(domain, order="invoice_date, id")
            self.env["dms.rebate.accrual"]._accrue(moves_sudo, programs=program)
            transfers_sudo = (
                self.env["dms.transfer"]
                .sudo()
                .search(
                    [
                        ("company_id", "=", program.company_id.id),
                        ("state", "=", "received"),
                        ("credit_policy", "=", "taker"),
                        ("receive_date", ">=", program.date_start),
                    ]
                )
            )
            self.env["dms.rebate.accrual"]._accrue_transfers(transfers_sudo, programs=program)

    def _accrue_difference(self, date=None):
        """Compute periodic programmes from their documents and accrue what differs from what has accrued."""
        if not self:
            return self.env["dms.rebate.accrual"]
        date = date or fields.Date.context_today(self)
        # Documents that wait to be counted are counted for everyone first, else they would count twice here.
        engine_sudo = self.env["dms.rebate.engine"].sudo()
        engine_sudo._synchronise(self.company_id)
        engine_sudo._refresh(self.sudo(), date)
        return self.env["dms.rebate.accrual"].sudo()._accrue_difference(self.sudo(), date)

    @api.model
    def _get_periodic(self, companies=None):
        """Return the programmes that accrue as a periodic difference, in order of precedence."""
        domain = Domain([("state", "!=", "draft"), ("accrual_policy", "=", "periodic")])
        if companies is not None:
            domain &= Domain("company_id", "in", companies.ids)
        return self.search(domain, order="sequence, id")

    @api.model
    def _cron_accrue(self):
        """Compute and accrue all periodic programmes, one after the other."""
        programs = self._get_periodic()
        commit = self.env["ir.cron"]._commit_progress
        commit(remaining=len(programs))
        for program in programs:
            program.with_company(program.company_id)._accrue_difference()
            commit(1)

    @api.model
    def _get_candidates(self, companies, date_min, date_max):
        """Return the programmes that accrue on posting and may hold for documents between two dates."""
        return self.search(
            [
                ("company_id", "in", companies.ids),
                ("accrual_policy", "=", "posting"),
                ("state", "in", ("published", "closed")),
                ("date_start", "<=", date_max),
                "|",
                ("date_end", "=", False),
                ("date_end", ">=", date_min),
            ],
            order="id",
        )

    def _covers_partner(self, partner):
        """Return whether the distributor is in scope; empty scopes hold for everyone."""
        self.ensure_one()
        if self.partner_ids and partner not in self.partner_ids:
            return False
        if self.grade_ids and partner.grade_id not in self.grade_ids:
            return False
        if not self.territory_ids:
            return True
        path = partner.territory_id.parent_path or ""
        return any(path.startswith(territory.parent_path) for territory in self.territory_ids)

    def _covers_product(self, product):
        """Return whether the product is in scope: named itself or in one of the categories; empty scopes hold for all."""
        self.ensure_one()
        if not self.product_ids and not self.categ_ids:
            return True
        if product in self.product_ids:
            return True
        path = product.categ_id.parent_path or ""
        return any(path.startswith(categ.parent_path) for categ in self.categ_ids)

    def _covers_date(self, date):
        self.ensure_one()
        return self.date_start <= date and (not self.date_end or date <= self.date_end)

    def _get_period_start(self, date):
        """Return the first day of the accumulation period that holds ``date``."""
        return self._get_period(date)[0]

    def _get_period_end(self, start):
        """Return the last day of the period that starts on ``start``; False for an open end."""
        return self._get_period(start)[1] or False

    def _get_period(self, date):
        self.ensure_one()
        return rebate_period.period_of(date, self.period, *self._get_validity(), self.period_months)

    def _get_validity(self):
        """Return the first and the last day (or None); in a back-test those that are tried."""
        self.ensure_one()
        tried = self.env.context.get("dms_rebate_validity")
        if isinstance(tried, Validity):
            return tried.first, tried.last
        return self.date_start, self.date_end or None

    def _get_periods(self, until):
        """Return the periods that have begun by ``until``, as pairs (start, end or None)."""
        self.ensure_one()
        return rebate_period.periods_between(self.period, *self._get_validity(), until, self.period_months)

    @api.model
    def _get_progress(self, partner, date=None):
        """Return where a distributor stands in the programmes that hold for it, for its portal.

        The caller has checked that the user may see ``partner``.

        :return: list of dicts: program, period_start, period_end (or False), base, accrued, rate_text, next_from,
            missing (both None in the last tier), next_rate_text, base_text, missing_text, accrued_text, earned and
            expected (the rebate so far, and at the period's end at the daily rate so far) with their texts
        """
        date = date or fields.Date.context_today(self)
        programs_sudo = self.sudo().search(
            [
                ("company_id", "in", self.env.companies.ids),
                ("state", "=", "published"),
                ("date_start", "<=", date),
                "|",
                ("date_end", "=", False),
                ("date_end", ">=", date),
            ]
        )
        programs_sudo = programs_sudo.filtered(lambda program: program._covers_partner(partner.sudo()))
        balances_sudo = (
            self.env["dms.rebate.balance"]
            .sudo()
            .search([("program_id", "in", programs_sudo.ids), ("partner_id", "=", partner.id)])
        )
        balance_of = {(balance.program_id, balance.period_start): balance for balance in balances_sudo}
        progress = []
        for program in programs_sudo:
            start = program._get_period_start(date)
            balance = balance_of.get((program, start), self.env["dms.rebate.balance"])
            base = rebate.decimal(balance.measure_amount)
            progress.append(
                {
                    "program": program,
                    "period_start": start,
                    "period_end": program._get_period_end(start),
                    "base": float(base),
                    "base_text": program._format_base(base),
                    "accrued": balance.amount,
                    "accrued_text": program._format_money(balance.amount),
                    "earned": balance.earned_amount,
                    "earned_text": program._format_money(balance.earned_amount),
                    "expected": balance.expected_amount,
                    "expected_text": program._format_money(balance.expected_amount),
                    "expected_base_text": balance.expected_text or program._format_base(0),
                    **program._get_tier_distance(base, balance._get_whole(program, partner, start)),
                }
            )
        return progress
