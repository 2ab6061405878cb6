from collections import defaultdict

import numpy as np

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tools import SQL

from odoo.addons.dms_channel.tools.words import format_quantity

from ..tools import forecast as engine
from ..tools import inventory

CAP_PROBABILITY = 0.9


class DmsReplenishmentProposal(models.Model):
    _name = "dms.replenishment.proposal"
    _description = "Replenishment Proposal"
    _inherit = ["portal.mixin", "mail.thread", "mail.activity.mixin"]
    _order = "date desc, id desc"
    _check_company_auto = True

    name = fields.Char(required=True, readonly=True, copy=False, default=lambda self: self.env._("New"))
    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, default=lambda self: self.env.company, index=True
    )
    currency_id = fields.Many2one(related="company_id.currency_id")
    partner_id = fields.Many2one(
        "res.partner",
        string="Distributor",
        required=True,
        index=True,
        tracking=True,
        domain="[('channel_role', '=', 'distributor')]",
    )
    date = fields.Date(required=True, default=fields.Date.context_today, copy=False)
    state = fields.Selection(
        [("draft", "Draft"), ("proposed", "Proposed"), ("accepted", "Accepted"), ("declined", "Declined")],
        required=True,
        default="draft",
        readonly=True,
        copy=False,
        tracking=True,
        index=True,
    )
    run_id = fields.Many2one("dms.forecast.run", string="Forecast", readonly=True, ondelete="set null")
    line_ids = fields.One2many("dms.replenishment.proposal.line", "proposal_id", copy=True)
    line_count = fields.Integer(compute="_compute_totals", compute_sudo=True)
    amount_total = fields.Monetary(
        "Estimated Amount",
        compute="_compute_totals",
        compute_sudo=True,
        help="At list prices; the order has the distributor's own.",
    )
    order_id = fields.Many2one("sale.order", readonly=True, copy=False, index="btree_not_null")
    decline_reason = fields.Text(copy=False, tracking=True)
    user_id = fields.Many2one(
        "res.users", string="Responsible", default=lambda self: self.env.user, tracking=True
    )
    reason = fields.Text(compute="_compute_reason", compute_sudo=True)

    _open_uniq = models.UniqueIndex(
        "(company_id, partner_id) WHERE state IN ('draft', 'proposed')",
        "This distributor already has an open proposal. Answer it first.",
    )

    @api.depends("line_ids.quantity", "line_ids.product_id")
    def _compute_totals(self):
        self.line_ids.mapped("product_id")  # of all proposals at once, not one by one
        for proposal in self:
            lines = proposal.line_ids
            proposal.line_count = len(lines)
            proposal.amount_total = sum(line.quantity * line.product_id.lst_price for line in lines)

    @api.depends("line_ids.quantity", "date", "run_id")
    @api.depends_context("lang")
    def _compute_reason(self):
        self.line_ids.mapped("product_id")  # of all proposals at once, not one by one
        for proposal in self:
            lines = proposal.line_ids
            if not lines:
                proposal.reason = self.env._(
                    "Nothing is needed now: stock, goods under way and open orders reach beyond the next review."
                )
                continue
            first = lines.sorted(
                lambda line: line.available / line.reorder_point if line.reorder_point else 1.0
            )[0]
            proposal.reason = self.env._(
                "Products below their reorder point: %(count)d. Most urgent is %(product)s: %(stock)s in stock, %(daily).1f a day expected.",
                count=len(lines),
                product=first.product_id.display_name,
                stock=format_quantity(self.env, first.stock),
                daily=first.daily_demand,
            )

    def _compute_access_url(self):
        super()._compute_access_url()
        for proposal in self:
            proposal.access_url = f"/my/proposals/{proposal.id}"

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            if not vals.get("name"):
                company = self.env["res.company"].browse(vals.get("company_id")) or self.env.company
                vals["name"] = self.env["ir.sequence"].with_company(company).next_by_code(
                    "dms.replenishment.proposal"
                ) or self.env._("New")
        return super().create(vals_list)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_answered(self):
        answered = self.filtered(lambda proposal: proposal.state == "accepted")
        if answered:
            raise UserError(self.env._("%s became an order and stays on file.", answered[0].name))

    # --- actions ----------------------------------------------------------------------

    def action_propose(self):
        """Show a draft to the distributor."""
        for proposal in self:
            if proposal.state != "draft":
                raise UserError(self.env._("%s is not a draft any more.", proposal.name))
        self.state = "proposed"
        return True

    def action_accept(self):
        """Turn proposals into draft orders, once each -> the action that opens them."""
        self.lock_for_update()
        self.invalidate_recordset(["state", "order_id"])
        for proposal in self:
            if proposal.state not in ("draft", "proposed"):
                raise UserError(
                    self.env._(
                        "%(name)s was already %(state)s.",
                        name=proposal.name,
                        state=dict(proposal._fields["state"]._description_selection(self.env))[
                            proposal.state
                        ].lower(),
                    )
                )
            if not proposal.line_ids.filtered(lambda line: line.quantity > 0):
                raise UserError(
                    self.env._(
                        "%s has no quantity to order. Enter one, or decline the proposal with a reason.",
                        proposal.name,
                    )
                )
        orders = self.env["sale.order"].create([proposal._prepare_order_vals() for proposal in self])
        for proposal, order in zip(self, orders, strict=True):
            proposal.write({"state": "accepted", "order_id": order.id})
            order.message_post_with_source(
                "mail.message_origin_link",
                render_values={"self": order, "origin": proposal},
                subtype_xmlid="mail.mt_note",
            )
        return self.action_view_order()

    def action_decline(self, reason=None):
        """Refuse proposals, with a reason (as argument, or entered on the form before)."""
        for proposal in self:
            if proposal.state not in ("draft", "proposed"):
                raise UserError(self.env._("%s is closed already.", proposal.name))
            text = (reason or proposal.decline_reason or "").strip()
            if not text:
                raise UserError(self.env._("Say why %s is declined: enter the reason first.", proposal.name))
            proposal.write({"state": "declined", "decline_reason": text})
        return True

    def action_view_order(self):
        orders = self.order_id
        action = self.env["ir.actions.act_window"]._for_xml_id("sale.action_quotations_with_onboarding")
        if len(orders) == 1:
            return {**action, "views": [(False, "form")], "res_id": orders.id, "context": {}}
        return {**action, "domain": [("id", "in", orders.ids)], "context": {}}

    # --- business ---------------------------------------------------------------------

    def _prepare_order_vals(self):
        self.ensure_one()
        return {
            "partner_id": self.partner_id.id,
            "company_id": self.company_id.id,
            "origin": self.name,
            "dms_proposal_id": self.id,
            "order_line": [
                Command.create(line._prepare_order_line_vals()) for line in self.line_ids if line.quantity > 0
            ],
        }

    @api.model
    def _generate(self, companies=None, partners=None):
        """Review stock of all distributors with an active agreement (or of some) and renew their open proposals.

        Runs again without harm: an open proposal is renewed in place, an answered one never touched. Where nothing is needed no proposal is
        made and an open one is closed by deletion.

        :return: the open proposals
        """
        result = self.browse()
        for company in companies or self._companies_to_review():
            result |= self.with_company(company)._generate_company(company, partners)
        return result

    @api.model
    def _companies_to_review(self):
        return self.env["dms.forecast.run"].search([("is_current", "=", True)]).company_id

    def _generate_company(self, company, partners=None):
        run = self.env["dms.forecast.run"]._get_current(company)
        rules = self.env["dms.replenishment.rule"]._get_rules(company)
        if not run or not rules:
            return self.browse()
        rows = self._read_rows(company, run, partners)
        lines_by_partner = self._propose_lines(company, rules, rows)
        reviewed = self.env["res.partner"].browse(sorted({row[0] for row in rows}))
        if partners is not None:
            reviewed |= partners
        opened = self.search(
            [
                ("company_id", "=", company.id),
                ("partner_id", "in", reviewed.ids),
                ("state", "in", ("draft", "proposed")),
            ]
        )
        by_partner = {proposal.partner_id: proposal for proposal in opened}
        opened.line_ids.with_context(dms_renew=True).unlink()
        new = []
        for partner in reviewed:
            lines, shown = lines_by_partner.get(partner, ([], False))
            commands = [Command.create(vals) for vals in lines]
            proposal = by_partner.get(partner)
            if proposal and commands:
                proposal.write(
                    {"line_ids": commands, "run_id": run.id, "date": fields.Date.context_today(self)}
                )
                if shown and proposal.state == "draft":
                    proposal.state = "proposed"
            elif commands:
                new.append(
                    {
                        "company_id": company.id,
                        "partner_id": partner.id,
                        "run_id": run.id,
                        "line_ids": commands,
                        "state": "proposed" if shown else "draft",
                        "user_id": partner.user_id.id or False,
                    }
                )
        empty = opened.filtered(lambda proposal: not proposal.line_ids)
        renewed = opened - empty
        empty.unlink()
        return renewed | self.with_context(mail_create_nosubscribe=True).create(new)

    def _read_rows(self, company, run, partners):
        """Series of the run with stock and open orders, in product units -> list of tuples."""
        for model in ("dms.channel.position", "sale.order", "sale.order.line", "uom.uom"):
            self.env[model].flush_model()
        chosen = SQL("AND s.partner_id IN %s", tuple(partners.ids) or (0,)) if partners is not None else SQL()
        return self.env.execute_query(
            SQL(
                """WITH ordered AS (
                       SELECT rp.commercial_partner_id AS partner_id, l.product_id,
                              SUM(GREATEST(l.product_uom_qty - COALESCE(l.qty_delivered, 0), 0) * lu.factor / pu.factor) AS quantity
                         FROM sale_order_line l
                         JOIN sale_order o ON o.id = l.order_id
                         JOIN res_partner rp ON rp.id = o.partner_id
                         JOIN product_product pp ON pp.id = l.product_id
                         JOIN product_template pt ON pt.id = pp.product_tmpl_id
                         JOIN uom_uom lu ON lu.id = l.product_uom_id
                         JOIN uom_uom pu ON pu.id = pt.uom_id
                        WHERE o.state IN ('draft', 'sent', 'sale') AND o.company_id = %(company)s AND l.display_type IS NULL
                        GROUP BY 1, 2)
                   SELECT s.partner_id, s.product_id, (COALESCE(p.quantity, 0) - COALESCE(p.in_transit, 0))::float8,
                          COALESCE(p.in_transit, 0)::float8,
                          COALESCE(o.quantity, 0)::float8, s.total / s.horizon, s.cumulative, s.id
                     FROM dms_forecast_series s
                LEFT JOIN dms_channel_position p ON p.company_id = s.company_id AND p.partner_id = s.partner_id AND p.product_id = s.product_id
                LEFT JOIN ordered o ON o.partner_id = s.partner_id AND o.product_id = s.product_id
                    WHERE s.run_id = %(run)s AND s.partner_id IS NOT NULL %(chosen)s
                    ORDER BY s.partner_id, s.product_id""",
                company=company.id,
                run=run.id,
                chosen=chosen,
            )
        )

    def _propose_lines(self, company, rules, rows):
        """Order quantities of all rows at once -> {partner: (line values, shown at once)}."""
        rows_by_rule = defaultdict(list)
        partners = self.env["res.partner"].browse(sorted({row[0] for row in rows}))
        agreements = self._get_agreements(partners, company)
        products = (
            self.env["product.product"]
            .browse(sorted({row[1] for row in rows}))
            .filtered(lambda p: p.active and p.sale_ok)
        )
        products.fetch(["uom_id", "categ_id"])
        allowed = {
            partner: set(self._allowed_products(agreement, products).ids)
            for partner, agreement in agreements.items()
        }
        fits_partner = {
            partner.id: [rule for rule in rules if rule._fits_partner(partner)] for partner in agreements
        }
        fits_product = {
            (rule.id, product.id): rule._fits_product(product) for rule in rules for product in products
        }
        allowed_ids = {partner.id: ids for partner, ids in allowed.items()}
        for row in rows:
            if row[1] not in allowed_ids.get(row[0], ()):
                continue
            rule = next((rule for rule in fits_partner[row[0]] if fits_product.get((rule.id, row[1]))), None)
            if rule:
                rows_by_rule[rule].append(row)
        result = {}
        for rule, part in rows_by_rule.items():
            for partner, vals in self._order_lines(rule, part):
                lines, shown = result.get(partner, ([], True))
                lines.append(vals)
                result[partner] = (lines, shown and rule.auto_propose)
        return result

    def _get_agreements(self, partners, company):
        """Distributors that may order -> {partner: its active agreement}."""
        found = self.env["dms.agreement"]._get_active(partners, fields.Date.context_today(self), company)
        return {partner: agreement for partner, agreement in found.items() if agreement}

    def _allowed_products(self, agreement, products):
        return agreement._covered_products(products)

    def _order_lines(self, rule, rows):
        """Yield (partner, line values) of the rows of one rule that need an order."""
        Product = self.env["product.product"]
        Partner = self.env["res.partner"]
        table = self.env["dms.forecast.series"]._stack_cumulative([row[6] for row in rows])
        values, probabilities, periods = table["values"], table["probabilities"], table["periods"]
        protection = rule.lead_days + rule.review_days
        stock, transit, ordered, daily = (np.array([row[i] for row in rows], float) for i in (2, 3, 4, 5))
        expected = engine.cumulative_quantile(table["expected"][None], [0.5], periods, 0.5, protection)
        reorder = engine.cumulative_quantile(
            values, probabilities, periods, rule.service_level / 100, protection
        )
        safety = np.maximum(reorder - expected, 0)
        target = (
            engine.cumulative_quantile(
                table["expected"][None], [0.5], periods, 0.5, rule.lead_days + rule.target_days
            )
            + safety
        )
        cap = engine.cumulative_quantile(values, probabilities, periods, CAP_PROBABILITY, rule.cap_days)
        packs = {
            product: rule._get_pack(product) for product in Product.browse(sorted({row[1] for row in rows}))
        }
        size = {product.id: pack.factor / product.uom_id.factor for product, pack in packs.items()}
        pack_size = np.array([size[row[1]] for row in rows])
        available = np.maximum(stock, 0) + transit + ordered
        quantity = inventory.order_quantity(available, reorder, target, cap, pack_size)
        for i in np.flatnonzero(quantity > 0):
            product = Product.browse(rows[i][1])
            yield (
                Partner.browse(rows[i][0]),
                {
                    "product_id": product.id,
                    "uom_id": packs[product].id,
                    "pack_size": pack_size[i],
                    "rule_id": rule.id,
                    "series_id": rows[i][7],
                    "quantity": quantity[i],
                    "suggested_quantity": quantity[i],
                    "stock": stock[i],
                    "in_transit": transit[i],
                    "on_order": ordered[i],
                    "daily_demand": daily[i],
                    "protection_days": protection,
                    "expected": expected[i],
                    "safety": safety[i],
                    "reorder_point": reorder[i],
                    "order_up_to": target[i],
                    "cap": cap[i],
                },
            )

    @api.model
    def _cron_generate(self):
        """Review company by company; the brand's orderpoints follow."""
        cron = self.env["ir.cron"]
        companies = self._companies_to_review()
        cron._commit_progress(remaining=len(companies))
        for company in companies:
            self._generate(company)
            if not cron._commit_progress(1):
                return
        self.env.ref("dms_forecast.ir_cron_dms_orderpoint")._trigger()
