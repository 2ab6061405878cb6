from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command

from odoo.addons.dms_channel.tools.words import format_quantity


class DmsReplenishmentProposal(models.Model):
    _name = "dms.replenishment.proposal"
    _description = "Replenishment Proposal"
    _inherit = ["portal.mixin", "mail.thread", "mail.activity.mixin", "dms.replenishment.review"]
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

    @api.depends("line_ids.quantity", "line_ids.limits", "date", "run_id")
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
            if stopped := proposal._get_stopped_reason():
                proposal.reason = stopped
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

    def _get_stopped_reason(self):
        """Why nothing can be ordered although something is needed; None where something can."""
        self.ensure_one()
        if any(line.quantity > 0 for line in self.line_ids):
            return None
        limits = {name for line in self.line_ids for name in (line.limits or "").split(",")}
        values = {"count": len(self.line_ids), "distributor": self.partner_id.display_name}
        if "credit" in limits:
            return self.env._(
                "%(count)d products are needed, but the credit limit of %(distributor)s leaves nothing open. Once invoices are paid or the"
                " agreement's limit is raised, the next review proposes them.",
                **values,
            )
        if "budget" in limits:
            return self.env._(
                "%(count)d products are needed, but the rule's budget of an order does not pay for one pack of any. Raise the budget.",
                **values,
            )
        return None

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
        if partners is None:
            partners = self._get_due(company, rules)
            if partners is not None and not partners:
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
