from bisect import bisect_left
from collections import defaultdict
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import SQL
from odoo.tools.sql import column_exists, create_column

from .dms_agreement_line import IS_SALE
from .dms_settlement_posting import PAYOUTS

# A journal item of a payment that is the deposit of an agreement.
IS_DEPOSIT = SQL(
    """
    EXISTS (SELECT 1
              FROM account_payment_dms_agreement_rel deposit
              JOIN account_payment payment ON payment.id = deposit.account_payment_id
             WHERE payment.move_id = line.move_id)
    """
)


class ResPartner(models.Model):
    _inherit = "res.partner"

    channel_role = fields.Selection(
        [("distributor", "Distributor"), ("outlet", "Outlet")],
        index="btree_not_null",
        tracking=True,
        help="A distributor buys from the brand and has an agreement; an outlet sells to consumers.",
    )
    # Partnership calls it "Partner Level".
    grade_id = fields.Many2one(string="Grade")  # pylint: disable=unknown-option-value,attribute-string-redundant
    territory_id = fields.Many2one(
        "dms.territory",
        compute="_compute_territory_id",
        store=True,
        readonly=False,
        index="btree_not_null",
        tracking=True,
        help="Found from the address. Correct it where the address does not tell; empty it to follow the address again.",
    )
    territory_is_manual = fields.Boolean(
        string="Territory Set by Hand",
        compute="_compute_territory_id",
        store=True,
        readonly=False,
        help="It stays when territories change, until the address itself changes.",
    )
    upstream_id = fields.Many2one(
        "res.partner",
        string="Supplied By",
        index="btree_not_null",
        domain="[('channel_role', '=', 'distributor'), ('id', '!=', id)]",
        tracking=True,
        help="The distributor that supplies this partner. Empty: supplied by the brand.",
    )
    downstream_ids = fields.One2many("res.partner", "upstream_id", string="Supplies")
    dms_closed_on = fields.Date(
        string="Closed On",
        help="An outlet that is archived and has this date was closed then: sales of earlier days are still taken.",
    )
    downstream_count = fields.Integer(compute="_compute_downstream_count")
    dms_agreement_ids = fields.One2many("dms.agreement", "partner_id", string="Agreements")
    dms_agreement_count = fields.Integer(
        compute="_compute_dms_agreement", groups="dms_channel.dms_channel_group_user"
    )
    dms_agreement_id = fields.Many2one(
        "dms.agreement",
        string="Active Agreement",
        compute="_compute_dms_agreement",
        groups="dms_channel.dms_channel_group_user",
    )
    dms_credit_entry_ids = fields.One2many("dms.credit.entry", "partner_id", string="Credit Entries")
    credit_points = fields.Integer(
        compute="_compute_credit_points",
        compute_sudo=True,
        help="Sum of the credit entries in the current company.",
    )
    dms_currency_id = fields.Many2one("res.currency", compute="_compute_dms_currency_id")
    dms_credit_limit = fields.Monetary(
        string="Agreed Credit Limit",
        currency_field="dms_currency_id",
        compute="_compute_dms_exposure",
        compute_sudo=True,
        groups="dms_channel.dms_channel_group_user",
    )
    dms_exposure = fields.Monetary(
        string="Credit Exposure",
        currency_field="dms_currency_id",
        compute="_compute_dms_exposure",
        compute_sudo=True,
        groups="dms_channel.dms_channel_group_user",
        help="Unpaid invoices plus confirmed orders not invoiced yet, in the company's currency.",
    )
    dms_overdue_days = fields.Integer(
        string="Days Overdue",
        compute="_compute_dms_exposure",
        compute_sudo=True,
        groups="dms_channel.dms_channel_group_user",
        help="Age of the oldest invoice past its due date.",
    )
    dms_held_order_count = fields.Integer(
        compute="_compute_dms_held_order_count", groups="dms_channel.dms_channel_group_user"
    )
    dms_rebate_open = fields.Monetary(
        string="Accrued Rebates",
        currency_field="dms_currency_id",
        compute="_compute_dms_rebate_open",
        groups="dms_channel.dms_channel_group_user",
        help="What has accrued and is not settled yet, in the company's currency.",
    )
    dms_payout = fields.Selection(
        PAYOUTS,
        string="Settlements Paid Out As",
        company_dependent=True,
        groups="dms_channel.dms_channel_group_user",
        help="How this distributor's settlements are paid out where the programme does not say. Empty: by credit note.",
    )

    dms_rebate_expected = fields.Monetary(
        string="Expected Rebate",
        currency_field="dms_currency_id",
        compute="_compute_dms_rebate_expected",
        groups="dms_channel.dms_channel_group_user",
        help="The rebates of the running periods at their daily rate so far, in the company's currency.",
    )
    dms_deduction_percent = fields.Float(
        string="Short Payments up to (%)",
        help="An invoice that a payment of this distributor left open by no more than this share was paid short."
        " 0: the company's tolerance.",
    )
    dms_deduction_open = fields.Monetary(
        string="Open Deductions",
        currency_field="dms_currency_id",
        compute="_compute_dms_deduction_open",
        groups="dms_channel.dms_channel_group_user",
    )
    dms_statement_open_count = fields.Integer(
        string="Open Statements",
        compute="_compute_dms_statement_open_count",
        groups="dms_channel.dms_channel_group_user",
    )

    dms_comparison_count = fields.Integer(
        string="Products That Differ",
        compute="_compute_dms_comparison_count",
        groups="dms_channel.dms_channel_group_user",
        help="Products whose last count or scanned units differ from the ledger.",
    )
    dms_stock_value = fields.Monetary(
        string="Channel Stock",
        currency_field="dms_currency_id",
        compute="_compute_dms_stock",
        groups="dms_channel.dms_channel_group_user",
        help="What the distributor has of our goods, at its last purchase prices.",
    )
    dms_stock_cover = fields.Integer(
        string="Days of Cover",
        compute="_compute_dms_stock",
        groups="dms_channel.dms_channel_group_user",
        help="How long the channel stock lasts at the pace of the last four weeks' sell-through, in days; 0 without any.",
    )
    dms_period_target = fields.Monetary(
        string="Target of the Year",
        currency_field="dms_agreement_currency_id",
        compute="_compute_dms_attainment",
        groups="dms_channel.dms_channel_group_user",
    )
    dms_period_sales = fields.Monetary(
        string="Purchases of the Year",
        currency_field="dms_agreement_currency_id",
        compute="_compute_dms_attainment",
        groups="dms_channel.dms_channel_group_user",
    )
    dms_period_rate = fields.Float(
        string="Target Attained",
        compute="_compute_dms_attainment",
        groups="dms_channel.dms_channel_group_user",
        help="Invoiced in the year so far, as a share of the active agreement's target.",
    )
    dms_agreement_currency_id = fields.Many2one(
        "res.currency", compute="_compute_dms_attainment", groups="dms_channel.dms_channel_group_user"
    )

    dms_transfer_count = fields.Integer(
        "Transfers", compute="_compute_dms_transfer_count", groups="dms_channel.dms_channel_group_user"
    )

    def _auto_init(self):
        # Nobody has a role yet when the module is installed: spare the computation for every contact.
        if not column_exists(self.env.cr, "res_partner", "territory_id"):
            create_column(self.env.cr, "res_partner", "territory_id", "int4")
        if not column_exists(self.env.cr, "res_partner", "territory_is_manual"):
            create_column(self.env.cr, "res_partner", "territory_is_manual", "bool")
        return super()._auto_init()

    @api.depends("channel_role", "country_id", "state_id", "zip")
    def _compute_territory_id(self):
        members = self.filtered("channel_role")
        for partner in self - members:
            partner.territory_id = partner.territory_id
            partner.territory_is_manual = partner.territory_is_manual
        for partner, territory in members._match_territories():
            partner.territory_id = territory
            partner.territory_is_manual = False

    def _match_territories(self):
        """Pairs of partner and the territory of its address, in its own company."""
        for company, partners in self.grouped("company_id").items():
            Territory = self.env["dms.territory"].with_company(company or self.env.company)
            addresses = [
                {"country_id": partner.country_id.id, "state_id": partner.state_id.id, "zip": partner.zip}
                for partner in partners
            ]
            yield from zip(partners, Territory._match_addresses(addresses), strict=True)

    @api.model
    def _place_members(self):
        """Give each member the territory that its address has now; one that was set by hand stays."""
        members = self.with_context(active_test=False).search(
            [
                ("channel_role", "!=", False),
                "|",
                ("territory_is_manual", "=", False),
                ("territory_id", "=", False),
            ]
        )
        moved = [
            partner.id
            for partner, territory in members._match_territories()
            if partner.territory_id != territory
        ]
        self.env.add_to_compute(self._fields["territory_id"], self.browse(moved))

    @api.depends("downstream_ids")
    def _compute_downstream_count(self):
        counts = dict(self._read_group([("upstream_id", "in", self.ids)], ["upstream_id"], ["__count"]))
        for partner in self:
            partner.downstream_count = counts.get(partner._origin, 0)

    @api.depends_context("company")
    def _compute_dms_comparison_count(self):
        counts = dict(
            self.env["dms.channel.comparison"]._read_group(
                [
                    ("partner_id", "in", self.ids),
                    ("company_id", "=", self.env.company.id),
                    ("differs", "=", True),
                ],
                ["partner_id"],
                ["__count"],
            )
        )
        for partner in self:
            partner.dms_comparison_count = counts.get(partner._origin, 0)

    @api.depends("dms_agreement_ids.state")
    @api.depends_context("company")
    def _compute_dms_agreement(self):
        Agreement = self.env["dms.agreement"]
        counts = dict(
            Agreement._read_group(
                [("partner_id", "in", self.ids), ("company_id", "=", self.env.company.id)],
                ["partner_id"],
                ["__count"],
            )
        )
        active = Agreement._get_active(self, fields.Date.context_today(self), self.env.company)
        for partner in self:
            partner.dms_agreement_count = counts.get(partner._origin, 0)
            partner.dms_agreement_id = active[partner]

    @api.depends("dms_credit_entry_ids.points")
    @api.depends_context("company")
    def _compute_credit_points(self):
        points = self._get_credit_points()
        for partner in self:
            partner.credit_points = points.get(partner._origin.id, 0)

    @api.depends_context("company")
    def _compute_dms_currency_id(self):
        self.dms_currency_id = self.env.company.currency_id

    @api.depends_context("company")
    def _compute_dms_exposure(self):
        company = self.env.company
        today = fields.Date.context_today(self)
        members = self.filtered("channel_role")._origin
        debts = members._get_dms_debts(company)
        limits = members._get_dms_credit_limits(today, company)
        oldest_due = members._get_dms_oldest_due(company)
        for partner in self:
            debt = debts.get(partner._origin.id)
            partner.dms_exposure = sum(debt.values()) if debt else 0.0
            partner.dms_credit_limit = limits.get(partner._origin.id, 0.0)
            due = oldest_due.get(partner._origin.id)
            partner.dms_overdue_days = max((today - due).days, 0) if due else 0

    def _compute_dms_held_order_count(self):
        counts = dict(
            self.env["sale.order"]._read_group(
                [
                    ("dms_distributor_id", "in", self.ids),
                    ("dms_state", "in", ("held", "refused")),
                    ("state", "in", ("draft", "sent")),
                ],
                ["dms_distributor_id"],
                ["__count"],
            )
        )
        for partner in self:
            partner.dms_held_order_count = counts.get(partner._origin, 0)

    @api.depends_context("company")
    def _compute_dms_rebate_open(self):
        amounts = dict(
            self.env["dms.rebate.accrual"]._read_group(
                [
                    ("partner_id", "in", self.ids),
                    ("company_id", "=", self.env.company.id),
                    ("state", "!=", "settled"),
                ],
                ["partner_id"],
                ["amount_company:sum"],
            )
        )
        for partner in self:
            partner.dms_rebate_open = amounts.get(partner._origin, 0.0)

    @api.depends_context("company")
    def _compute_dms_rebate_expected(self):
        company, today = self.env.company, fields.Date.context_today(self)
        balances = self.env["dms.rebate.balance"].search(
            [
                ("partner_id", "in", self._origin.ids),
                ("company_id", "=", company.id),
                ("program_id.state", "=", "published"),
            ]
        )
        running = balances.filtered(
            lambda balance: (
                balance.period_start <= today and (not balance.period_end or balance.period_end >= today)
            )
        )
        amounts = defaultdict(float)
        for balance in running:
            amounts[balance.partner_id] += balance.currency_id._convert(
                balance.expected_amount, company.currency_id, company, today
            )
        for partner in self:
            partner.dms_rebate_expected = amounts[partner._origin]

    @api.depends_context("company")
    def _compute_dms_deduction_open(self):
        amounts = dict(
            self.env["dms.deduction"]._read_group(
                [
                    ("partner_id", "in", self.ids),
                    ("company_id", "=", self.env.company.id),
                    ("state", "in", ("open", "approve", "queued")),
                ],
                ["partner_id"],
                ["company_amount:sum"],
            )
        )
        for partner in self:
            partner.dms_deduction_open = amounts.get(partner._origin, 0.0)

    def _compute_dms_statement_open_count(self):
        counts = dict(
            self.env["dms.statement"]._read_group(
                [("partner_id", "in", self.ids), ("state", "!=", "closed")], ["partner_id"], ["__count"]
            )
        )
        for partner in self:
            partner.dms_statement_open_count = counts.get(partner._origin, 0)

    @api.depends_context("company")
    def _compute_dms_transfer_count(self):
        counts = dict.fromkeys(self._origin.ids, 0)
        for name in ("giver_id", "taker_id"):
            for partner, count in self.env["dms.transfer"]._read_group(
                [(name, "in", self.ids)], [name], ["__count"]
            ):
                counts[partner.id] += count
        for partner in self:
            partner.dms_transfer_count = counts.get(partner._origin.id, 0)

    @api.depends_context("company")
    def _compute_dms_stock(self):
        values = {
            partner.id: value
            for partner, value in self.env["dms.channel.position"]
            .sudo()
            ._read_group(
                [("partner_id", "in", self.ids), ("company_id", "=", self.env.company.id)],
                ["partner_id"],
                ["value:sum"],
            )
        }
        paces = self._get_dms_sell_out_values(28)
        for partner in self:
            value, pace = values.get(partner._origin.id, 0.0), paces.get(partner._origin.id, 0.0)
            partner.dms_stock_value = value
            partner.dms_stock_cover = round(max(value, 0.0) / pace) if pace > 0 else 0

    def _get_dms_sell_out_values(self, days):
        """What each partner sells a day, at its purchase prices, on average of the last ``days`` until yesterday.

        :rtype: dict[int, float]
        """
        if not self.ids:
            return {}
        today = fields.Date.context_today(self)
        rows = self.env.execute_query(
            SQL(
                """
                SELECT move.partner_id, -SUM(move.quantity * position.price_unit) / %(days)s
                  FROM dms_channel_move move
                  JOIN dms_channel_position position
                 USING (company_id, partner_id, product_id)
                 WHERE move.partner_id IN %(partners)s
                   AND move.company_id = %(company)s
                   AND move.kind IN ('sell_out', 'return')
                   AND move.date >= %(first)s AND move.date < %(today)s
                 GROUP BY move.partner_id
                """,
                days=days,
                partners=tuple(self.ids),
                company=self.env.company.id,
                first=today - timedelta(days=days),
                today=today,
            )
        )
        return {partner_id: float(pace) for partner_id, pace in rows}

    @api.depends("dms_agreement_id")
    @api.depends_context("company")
    def _compute_dms_attainment(self):
        for partner in self:
            agreement = partner.dms_agreement_id
            partner.dms_agreement_currency_id = agreement.currency_id or self.env.company.currency_id
            partner.dms_period_target = agreement.period_target
            partner.dms_period_sales = agreement.period_sales
            partner.dms_period_rate = agreement.period_rate

    @api.depends(
        "country_id",
        "specific_property_product_pricelist",
        "commercial_partner_id.channel_role",
        "commercial_partner_id.grade_id",
        "commercial_partner_id.territory_id",
    )
    @api.depends_context("company", "country_code")
    def _compute_product_pricelist(self):
        return super()._compute_product_pricelist()

    @api.constrains("upstream_id")
    def _check_upstream(self):
        supplied = self.filtered("upstream_id")
        if supplied._has_cycle("upstream_id"):
            partner = next(partner for partner in supplied if partner._has_cycle("upstream_id"))
            raise ValidationError(
                self.env._(
                    "%(partner)s can't be supplied by %(upstream)s: following who supplies whom leads back to"
                    " %(partner)s. Choose another supplier.",
                    partner=partner.display_name,
                    upstream=partner.upstream_id.display_name,
                )
            )
        for partner in supplied:
            if partner.upstream_id.channel_role != "distributor":
                raise ValidationError(
                    self.env._(
                        "%(partner)s can only be supplied by a distributor, and %(upstream)s is none. Give it the"
                        " channel role Distributor first, or choose another supplier.",
                        partner=partner.display_name,
                        upstream=partner.upstream_id.display_name,
                    )
                )

    @api.constrains("active", "channel_role")
    def _check_still_needed(self):
        """Who is archived, or is no distributor any more, has no agreement in force and no open order."""
        gone = self.filtered(lambda partner: not partner.active or partner.channel_role != "distributor")
        agreements_sudo = self.env["dms.agreement"].sudo()
        agreement_sudo = agreements_sudo.search(
            [("partner_id", "in", gone.ids), ("state", "in", ("sent", "signed", "active"))], limit=1
        )
        if agreement_sudo:
            raise ValidationError(
                self.env._(
                    "%(partner)s has the agreement %(agreement)s (%(dates)s), so it stays an active distributor."
                    " Terminate the agreement first.",
                    partner=agreement_sudo.partner_id.display_name,
                    agreement=agreement_sudo.display_name,
                    dates=agreement_sudo._format_dates(),
                )
            )
        archived = self.filtered(lambda partner: not partner.active and partner.channel_role)
        if not archived:
            return
        order_sudo = self.env["sale.order"].sudo().search(archived._get_dms_open_order_domain(), limit=1)
        if order_sudo:
            raise ValidationError(
                self.env._(
                    "%(partner)s has the open order %(order)s and can't be archived. Deliver and invoice it, or cancel it.",
                    partner=order_sudo.partner_id.commercial_partner_id.display_name,
                    order=order_sudo.name,
                )
            )
        supplied = self.with_context(active_test=False).search(
            [("upstream_id", "in", archived.ids), ("active", "=", True)], limit=1
        )
        if supplied:
            raise ValidationError(
                self.env._(
                    "%(partner)s supplies %(outlet)s and can't be archived. Give its customers another supplier first.",
                    partner=supplied.upstream_id.display_name,
                    outlet=supplied.display_name,
                )
            )

    def _get_dms_open_order_domain(self):
        """Orders that are confirmed and not yet wholly delivered and invoiced, or wait for approval."""
        return [
            ("partner_id.commercial_partner_id", "in", self.ids),
            "|",
            "&",
            ("state", "=", "sale"),
            "|",
            ("invoice_status", "=", "to invoice"),
            ("picking_ids.state", "in", ("waiting", "confirmed", "assigned")),
            "&",
            ("state", "in", ("draft", "sent")),
            ("dms_state", "=", "held"),
        ]

    @api.constrains("company_id", "territory_id", "upstream_id")
    def _check_dms_company(self):
        """A member that belongs to one company has the territory, supplier and agreements of that company only."""
        members = self.filtered(lambda partner: partner.channel_role and partner.company_id)
        if not members:
            return
        agreements_sudo = self.env["dms.agreement"].sudo().search([("partner_id", "in", members.ids)])
        for partner in members:
            others = [
                *partner.territory_id,
                *partner.upstream_id,
                *agreements_sudo.filtered(lambda agreement, partner=partner: agreement.partner_id == partner),
            ]
            for record in others:
                if record.company_id and record.company_id != partner.company_id:
                    raise ValidationError(
                        self.env._(
                            "%(partner)s belongs to %(company)s and can't go with %(record)s of %(other)s. Choose one of"
                            " %(company)s, or leave the company of %(partner)s empty.",
                            partner=partner.display_name,
                            company=partner.company_id.name,
                            record=record.display_name,
                            other=record.company_id.sudo().name,
                        )
                    )

    @api.constrains("channel_role", "parent_id", "is_company")
    def _check_channel_role(self):
        for partner in self.filtered("channel_role"):
            if partner.commercial_partner_id != partner:
                raise ValidationError(
                    self.env._(
                        "%(partner)s is a contact of %(company)s and can't have a channel role of its own."
                        " Set the role on %(company)s.",
                        partner=partner.name or partner.display_name,
                        company=partner.commercial_partner_id.display_name,
                    )
                )

    @api.model
    def _commercial_fields(self):
        return [*super()._commercial_fields(), "upstream_id"]

    @api.model_create_multi
    def create(self, vals_list):
        # Partnership sets a grade's price list when a grade is written; a new member has it from the start.
        grades = self.env["res.partner.grade"].browse(
            {vals["grade_id"] for vals in vals_list if vals.get("grade_id")}
        )
        pricelists = {
            grade.id: grade.default_pricelist_id.id for grade in grades if grade.default_pricelist_id
        }
        for vals in vals_list:
            pricelist = vals.get("channel_role") and pricelists.get(vals.get("grade_id"))
            if pricelist and not (
                vals.get("specific_property_product_pricelist") or vals.get("property_product_pricelist")
            ):
                vals["specific_property_product_pricelist"] = pricelist
        partners = super().create(vals_list)
        stated = self.browse(
            partner.id for partner, vals in zip(partners, vals_list, strict=True) if vals.get("territory_id")
        )
        stated._mark_manual_territory()
        return partners

    def write(self, vals):
        members = self.filtered("channel_role") if "grade_id" in vals else self.browse()
        lists = {partner: partner.grade_id.default_pricelist_id for partner in members}
        result = super().write(vals)
        members._drop_grade_pricelist(lists)
        if "territory_id" in vals and "territory_is_manual" not in vals:
            if not vals["territory_id"]:
                self.env.add_to_compute(self._fields["territory_id"], self.filtered("channel_role"))
            self._mark_manual_territory()
        return result

    def _drop_grade_pricelist(self, lists):
        """Take back the price list of a grade that was left for one without a list: Partnership gives lists only."""
        for partner in self:
            pricelist = lists[partner]
            if (
                pricelist
                and not partner.grade_id.default_pricelist_id
                and partner.specific_property_product_pricelist == pricelist
            ):
                partner.specific_property_product_pricelist = False

    def _mark_manual_territory(self):
        """A stated territory is a correction where the address says another one: a form states what it computed, too."""
        for partner, territory in self.filtered("channel_role")._match_territories():
            is_manual = partner.territory_id != territory
            if partner.territory_is_manual != is_manual:
                partner.territory_is_manual = is_manual

    @api.ondelete(at_uninstall=False)
    def _unlink_except_channel_moves(self):
        moves = self.env["dms.channel.move"].sudo()
        used = moves.search(["|", ("partner_id", "in", self.ids), ("outlet_id", "in", self.ids)], limit=1)
        if used:
            raise UserError(
                self.env._(
                    "%(partner)s is part of the channel stock's history and can't be deleted. Archive it instead.",
                    partner=(used.outlet_id & self or used.partner_id).display_name,
                )
            )

    def action_view_dms_agreements(self):
        self.ensure_one()
        return {
            **self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_agreement_action"),
            "domain": [("partner_id", "=", self.id)],
            "context": {"default_partner_id": self.id},
        }

    def action_view_dms_stock(self):
        self.ensure_one()
        return {
            **self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_channel_position_action"),
            "domain": [("partner_id", "=", self.id)],
            "context": {},
        }

    def action_view_dms_comparisons(self):
        self.ensure_one()
        return {
            **self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_channel_comparison_action"),
            "domain": [("partner_id", "=", self.id)],
        }

    def action_view_dms_sell_through(self):
        self.ensure_one()
        return {
            **self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_channel_move_action"),
            "name": self.env._("Sell-through"),
            "domain": [
                ("kind", "in", ("sell_out", "return")),
                ("outlet_id" if self.channel_role == "outlet" else "partner_id", "=", self.id),
            ],
            "context": {},
        }

    def action_view_dms_credit_entries(self):
        self.ensure_one()
        return {
            **self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_credit_entry_action"),
            "domain": [("partner_id", "=", self.id)],
            "context": {"default_partner_id": self.id, "search_default_counted": 1},
        }

    def action_view_dms_held_orders(self):
        self.ensure_one()
        return {
            **self.env["ir.actions.act_window"]._for_xml_id("dms_channel.sale_order_action_held"),
            "domain": [("dms_distributor_id", "=", self.id), ("dms_state", "in", ("held", "refused"))],
        }

    def action_view_dms_settlements(self):
        self.ensure_one()
        return {
            **self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_settlement_action"),
            "domain": [("partner_id", "=", self.id)],
            "context": {"default_partner_id": self.id},
        }

    def action_view_dms_rebate_balances(self):
        self.ensure_one()
        return {
            **self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_rebate_balance_action"),
            "domain": [("partner_id", "=", self.id)],
            "context": {},
        }

    def action_view_dms_deductions(self):
        self.ensure_one()
        return {
            **self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_deduction_action"),
            "domain": [("partner_id", "=", self.id)],
            "context": {},
        }

    def action_view_dms_statements(self):
        self.ensure_one()
        return {
            **self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_statement_action"),
            "domain": [("partner_id", "=", self.id)],
            "context": {"default_partner_id": self.id},
        }

    def action_view_dms_transfers(self):
        self.ensure_one()
        return {
            **self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_transfer_action"),
            "domain": ["|", ("giver_id", "=", self.id), ("taker_id", "=", self.id)],
            "context": {},
        }

    def action_view_downstream(self):
        self.ensure_one()
        return {
            **self.env["ir.actions.act_window"]._for_xml_id("dms_channel.res_partner_action_outlet"),
            "domain": [("upstream_id", "=", self.id)],
            "context": {
                "default_upstream_id": self.id,
                "default_channel_role": "outlet",
                "default_is_company": True,
            },
        }

    def _get_distributor(self):
        """The distributor that this partner is, or the nearest one that supplies it; else an empty partner."""
        partner = self.commercial_partner_id
        seen = set()
        while partner and partner.channel_role != "distributor" and partner.id not in seen:
            seen.add(partner.id)
            partner = partner.upstream_id
        return partner if partner.channel_role == "distributor" else self.browse()

    def _get_credit_points(self, date=None, company=None):
        """Points of each partner at the end of ``date`` (default: today) in ``company`` (default: current).

        Points that lapse have their entry on the day they do, so a day to come may be asked as well.

        :return: ``{partner id: points}``, with every partner of ``self``
        :rtype: dict[int, int]
        """
        domain = [
            ("partner_id", "in", self.ids),
            ("company_id", "=", (company or self.env.company).id),
            ("date", "<=", date or fields.Date.context_today(self)),
        ]
        groups = self.env["dms.credit.entry"].sudo()._read_group(domain, ["partner_id"], ["points:sum"])
        return dict.fromkeys(self.ids, 0) | {partner.id: points for partner, points in groups}

    def _get_credit_points_history(self, days, company=None):
        """Points of each partner at the end of several days, in one query.

        :param list days: rising dates
        :return: ``{partner id: [points, aligned with days]}``, with every partner of ``self``
        :rtype: dict[int, list[int]]
        """
        groups = (
            self.env["dms.credit.entry"]
            .sudo()
            ._read_group(
                [
                    ("partner_id", "in", self.ids),
                    ("company_id", "=", (company or self.env.company).id),
                    ("date", "<=", days[-1]),
                ],
                ["partner_id", "date:day"],
                ["points:sum"],
            )
        )
        history = {id_: [0] * len(days) for id_ in self.ids}
        for partner, day, points in groups:
            # All days from the entry's own on have it.
            for number in range(bisect_left(days, day), len(days)):
                history[partner.id][number] += points
        return history

    def _dms_lock(self):
        """Let one session at a time decide what depends on the debts or the points of these members.

        The rows are written, unchanged: a session that has waited here does not see what the other one added, so
        PostgreSQL refuses its write, and Odoo tries it again on the new data.
        """
        self.env.cr.execute(
            SQL(
                """
                UPDATE res_partner SET write_date = write_date
                 WHERE id IN (SELECT id FROM res_partner WHERE id IN %s ORDER BY id FOR NO KEY UPDATE)
                """,
                tuple(self.ids),
            )
        )

    def _get_dms_sales(self, date_from, date_to, company):
        """Invoiced sales of goods to each partner in the period, less their credit notes, without tax, in the company's
        currency: what agreements count, too.

        :rtype: dict[int, float]
        """
        self.env["dms.agreement.line"]._flush_sales()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT move.commercial_partner_id, -SUM(line.balance)
                  FROM account_move move
                  JOIN account_move_line line ON line.move_id = move.id
                 WHERE move.commercial_partner_id = ANY(%s) AND move.company_id = %s
                   AND move.invoice_date BETWEEN %s AND %s AND %s
              GROUP BY move.commercial_partner_id
                """,
                self.ids,
                company.id,
                date_from,
                date_to,
                IS_SALE,
            )
        )
        return dict.fromkeys(self.ids, 0.0) | {partner_id: float(amount) for partner_id, amount in rows}

    def _get_dms_attainment(self, date_from, date_to, company):
        """Sales in the period as a percentage of the targets due in it, of all agreements that were in force in it.

        :return: ``{partner id: percentage, or None where there is no target}``
        :rtype: dict[int, float | None]
        """
        agreements_sudo = (
            self.env["dms.agreement"]
            .sudo()
            .search(
                [
                    ("partner_id", "in", self.ids),
                    ("company_id", "=", company.id),
                    ("activated_on", "!=", False),
                    ("state", "in", ("active", "expired", "terminated")),
                    ("date_start", "<=", date_to),
                    "|",
                    ("date_end", "=", False),
                    ("date_end", ">=", date_from),
                ]
            )
        )
        sums = {id_: [0.0, 0.0] for id_ in self.ids}
        for agreement, (aimed, due) in agreements_sudo._get_attainment(date_from, date_to).items():
            currency, company_currency = agreement.currency_id, company.currency_id
            for number, amount in enumerate((aimed, due)):
                if currency != company_currency:
                    amount = currency._convert(amount, company_currency, company, date_to, round=False)
                sums[agreement.partner_id.id][number] += amount
        return {id_: 100.0 * aimed / due if due else None for id_, (aimed, due) in sums.items()}

    def _get_dms_credit_limits(self, date, company):
        """Credit limit from the agreement that is active on ``date``, in the company's currency; 0.0 means none."""
        agreements = self.env["dms.agreement"]._get_active(self, date, company)
        return {partner.id: agreement._get_company_limit(date) for partner, agreement in agreements.items()}

    def _get_dms_debts(self, company, excluded_orders=None):
        """What each partner owes ``company`` or is about to, in the company's currency.

        :param excluded_orders: confirmed orders to leave out
        :return: ``{partner id: {"unpaid": receivable balance, "delivered": delivered and not invoiced, "open_orders":
            confirmed and neither delivered nor invoiced}}``, with every partner of ``self``
        :rtype: dict[int, dict[str, float]]
        """
        receivables = self._get_dms_receivables(company)
        open_orders = self.env["sale.order"]._get_dms_open_amounts(self, company, excluded_orders)
        debts = {}
        for id_ in self.ids:
            delivered, rest = open_orders.get(id_, (0.0, 0.0))
            unpaid, _due = receivables.get(id_, (0.0, None))
            debts[id_] = {"unpaid": unpaid, "delivered": delivered, "open_orders": rest}
        return debts

    def _get_dms_oldest_due(self, company):
        """Earliest due date of what each partner has not paid ``company``; partners who owe nothing are left out.

        :rtype: dict[int, datetime.date]
        """
        receivables = self._get_dms_receivables(company)
        return {partner_id: due for partner_id, (_unpaid, due) in receivables.items() if due}

    def _get_dms_receivables(self, company):
        """What each partner has not paid ``company``: sum in the company's currency, and earliest due date.

        A deposit is a security, not a payment: it does not lower the sum.

        :return: ``{partner id: (sum, date or None)}``; partners without an open item are left out
        :rtype: dict[int, tuple[float, datetime.date | None]]
        """
        self._flush_dms_receivables()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT line.partner_id, SUM(line.amount_residual),
                       MIN(line.date_maturity) FILTER (WHERE line.amount_residual > 0)
                  FROM account_move_line line
                  JOIN account_account account ON account.id = line.account_id
                 WHERE line.partner_id = ANY(%s) AND line.company_id = %s AND line.parent_state = 'posted'
                   AND account.account_type = 'asset_receivable' AND line.reconciled IS NOT TRUE AND NOT %s
              GROUP BY line.partner_id
                """,
                self.ids,
                company.id,
                IS_DEPOSIT,
            )
        )
        return {partner_id: (float(unpaid), due) for partner_id, unpaid, due in rows}

    @api.model
    def _get_dms_receivables_at(self, asked, company):
        """What partners had not paid ``company`` on days of the past: by the journal items dated before the day, and what
        had been reconciled with them by then.

        :param dict asked: ``{key: (partner id, day)}``, the keys being whole numbers
        :return: ``{key: (sum, date or None)}``; keys without an open item are left out
        :rtype: dict[int, tuple[float, datetime.date | None]]
        """
        self._flush_dms_receivables()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT asked.key, SUM(open.residual), MIN(open.date_maturity) FILTER (WHERE open.residual > 0)
                  FROM unnest(%s::int[], %s::int[], %s::date[]) AS asked (key, partner_id, day)
            CROSS JOIN LATERAL (
                        SELECT line.date_maturity,
                               line.balance
                               - COALESCE((SELECT SUM(amount) FROM account_partial_reconcile
                                            WHERE debit_move_id = line.id AND max_date < asked.day), 0)
                               + COALESCE((SELECT SUM(amount) FROM account_partial_reconcile
                                            WHERE credit_move_id = line.id AND max_date < asked.day), 0) AS residual
                          FROM account_move_line line
                          JOIN account_account account ON account.id = line.account_id
                         WHERE line.partner_id = asked.partner_id AND line.company_id = %s AND line.date < asked.day
                           AND line.parent_state = 'posted' AND account.account_type = 'asset_receivable' AND NOT %s
                       ) open
              GROUP BY asked.key
                """,
                list(asked),
                [partner_id for partner_id, _day in asked.values()],
                [day for _partner_id, day in asked.values()],
                company.id,
                IS_DEPOSIT,
            )
        )
        return {key: (float(unpaid), due) for key, unpaid, due in rows}

    @api.model
    def _flush_dms_receivables(self):
        self.env["account.move.line"].flush_model(
            [
                "account_id",
                "amount_residual",
                "balance",
                "company_id",
                "date",
                "date_maturity",
                "move_id",
                "parent_state",
                "partner_id",
                "reconciled",
            ]
        )
        self.env["account.partial.reconcile"].flush_model(
            ["amount", "credit_move_id", "debit_move_id", "max_date"]
        )
        self.env["account.payment"].flush_model(["move_id"])
