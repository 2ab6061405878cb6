from datetime import timedelta

from dateutil.relativedelta import relativedelta

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Domain
from odoo.tools import format_date, formatLang

from ..tools import guard, rebate

# What a published programme promises: changed by a new version only.
TERMS = {
    "active",
    "amount_max",
    "basis",
    "categ_ids",
    "code",
    "company_id",
    "currency_id",
    "date_end",
    "date_start",
    "factor_ids",
    "grade_ids",
    "measure",
    "partner_ids",
    "period",
    "previous_id",
    "product_ids",
    "state",
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
    _inherit = ["mail.thread", "mail.activity.mixin"]
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

    measure = fields.Selection([("invoiced", "Invoiced")], default="invoiced", required=True)
    basis = fields.Selection(
        [("amount", "Net value"), ("quantity", "Quantity")], default="amount", required=True, tracking=True
    )
    uom_id = fields.Many2one("uom.uom", "Unit", help="Quantities are counted in this unit.")
    period = fields.Selection(
        [
            ("month", "Month"),
            ("quarter", "Quarter"),
            ("year", "Calendar year"),
            ("validity", "Whole validity"),
        ],
        default="year",
        required=True,
        tracking=True,
        help="Purchases add up within this period; the tiers apply to the sum.",
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
    factor_ids = fields.One2many(
        "dms.rebate.factor",
        "program_id",
        "Credit-point Factors",
        copy=True,
        help="At settlement the rebate is multiplied by the factor that the distributor's credit points reach.",
    )

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
    tax_ids = fields.Many2many(
        "account.tax",
        string="Credit Note Taxes",
        check_company=True,
        domain="[('type_tax_use', '=', 'sale'), ('price_include', '=', False)]",
        help="Taxes on the lines of the settlement's credit note.",
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

    def _compute_totals(self):
        accrued = {
            program: (amount, partners)
            for program, amount, partners in self.env["dms.rebate.accrual"]._read_group(
                [("program_id", "in", self.ids)], ["program_id"], ["amount:sum", "partner_id:count_distinct"]
            )
        }
        settled = dict(
            self.env["dms.settlement.line"]._read_group(
                [("program_id", "in", self.ids), ("settlement_id.state", "=", "credited")],
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
        if not self.tier_ids:
            problems.append(self.env._("It has no tier: add at least one (such as from 0, 2 %)."))
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
            return draft._get_form_action()
        if later := self.next_ids[:1]:
            raise UserError(
                self.env._(
                    "%(later)s follows this version: make the next one from there.", later=later.display_name
                )
            )
        tomorrow = fields.Date.context_today(self) + timedelta(days=1)
        version = self.copy(
            {
                "name": self.name,
                "code": self.code,
                "version": self.version + 1,
                "previous_id": self.id,
                "date_start": max(tomorrow, self.date_start + timedelta(days=1)),
                "date_end": self.date_end if self.date_end and self.date_end > tomorrow else False,
            }
        )
        return version._get_form_action()

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

    def action_view_accruals(self):
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_rebate_accrual_action")
        return dict(action, domain=[("program_id", "in", self.ids)], context={})

    def action_view_settlements(self):
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_settlement_action")
        return dict(action, domain=[("line_ids.program_id", "in", self.ids)], context={})

    def action_view_balances(self):
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_rebate_balance_action")
        return dict(action, domain=[("program_id", "in", self.ids)], context={})

    def _get_form_action(self):
        return {
            "type": "ir.actions.act_window",
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
            "views": [(False, "form")],
        }

    # === BUSINESS ===

    def _end_on(self, date):
        """Let the programme end on ``date``; what it accrued for later days is reversed."""
        for program in self:
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
        for program in self:
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

    @api.model
    def _get_candidates(self, companies, date_min, date_max):
        """Return the programmes that may hold for documents of the companies between two dates."""
        return self.search(
            [
                ("company_id", "in", companies.ids),
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
        self.ensure_one()
        match self.period:
            case "month":
                start = date.replace(day=1)
            case "quarter":
                start = date.replace(month=(date.month - 1) // 3 * 3 + 1, day=1)
            case "year":
                start = date.replace(month=1, day=1)
            case _:
                start = self.date_start
        return max(start, self.date_start)

    def _get_period_end(self, start):
        """Return the last day of the period that starts on ``start``; False for an open end."""
        self.ensure_one()
        months = {"month": 1, "quarter": 3, "year": 12}.get(self.period)
        if not months:
            return self.date_end
        first = start.replace(month=(start.month - 1) // months * months + 1, day=1)
        end = first + relativedelta(months=months, days=-1)
        return min(end, self.date_end) if self.date_end else end

    def _compute_rebate(self, base):
        """Return the :class:`..tools.rebate.Result` of a period's base (Decimal), rounded in the programme's currency."""
        self.ensure_one()
        return rebate.compute(
            base,
            self.tier_ids._to_tiers(),
            self.tier_method,
            rounding=rebate.decimal(self.currency_id.rounding),
            cap=rebate.decimal(self.amount_max) if self.amount_max else None,
        )

    def _get_factor(self, points):
        """Return the Decimal factor for credit points."""
        self.ensure_one()
        return rebate.factor_for(
            points, [(line.min_points, rebate.decimal(line.factor)) for line in self.factor_ids]
        )

    @api.model
    def _get_progress(self, partner, date=None):
        """Return where a distributor stands in the programmes that hold for it, for its portal.

        The caller has checked that the user may see ``partner``.

        :return: list of dicts: program, period_start, period_end (or False), base, accrued, rate_text, next_from,
            missing (both None in the last tier), next_rate_text, base_text, missing_text, accrued_text
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
            balance = balance_of.get((program, start))
            base = rebate.decimal(balance.base_amount if balance else 0)
            accrued = balance.amount if balance else 0.0
            progress.append(
                {
                    "program": program,
                    "period_start": start,
                    "period_end": program._get_period_end(start),
                    "base": float(base),
                    "base_text": program._format_base(base),
                    "accrued": accrued,
                    "accrued_text": formatLang(self.env, accrued, currency_obj=program.currency_id),
                    **program._get_tier_distance(base),
                }
            )
        return progress

    def _get_tier_distance(self, base):
        self.ensure_one()
        tiers = self.tier_ids._to_tiers()
        reached, following = rebate.reached_tier(base, tiers), rebate.next_tier(base, tiers)
        missing = following.lower - base if following else None
        return {
            "rate_text": self._format_rate(reached.rate, reached.kind) if reached else "",
            "next_from": float(following.lower) if following else None,
            "next_rate_text": self._format_rate(following.rate, following.kind) if following else "",
            "missing": float(missing) if following else None,
            "missing_text": self._format_base(missing) if following else "",
        }

    def _format_base(self, value):
        """Return a measure in words: money, or quantity and unit."""
        self.ensure_one()
        if self.basis == "amount":
            return formatLang(self.env, float(value), currency_obj=self.currency_id)
        return f"{formatLang(self.env, float(value), dp='Product Unit')} {self.uom_id.name or ''}".strip()

    def _format_money(self, value):
        self.ensure_one()
        return formatLang(self.env, float(value), currency_obj=self.currency_id)

    def _format_rate(self, rate, kind):
        """Return a rate in words.

        :param Decimal rate: rate of a tier
        :param str kind: percent, unit or fixed
        """
        if kind == "percent":
            return f"{float(rate):g} %"
        money = formatLang(self.env, float(rate), currency_obj=self.currency_id)
        if kind == "fixed":
            return money
        return self.env._(
            "%(amount)s per %(unit)s", amount=money, unit=self.uom_id.name or self.env._("unit")
        )
