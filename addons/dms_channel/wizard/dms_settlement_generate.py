from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import format_date


class DmsSettlementGenerate(models.TransientModel):
    _name = "dms.settlement.generate"
    _description = "Generate Settlements"

    date_from = fields.Date(
        "From", required=True, default=lambda self: self._default_last_day().replace(day=1)
    )
    date_to = fields.Date("To", required=True, default=lambda self: self._default_last_day())
    partner_ids = fields.Many2many(
        "res.partner", string="Distributors", domain=[("channel_role", "=", "distributor")]
    )
    program_ids = fields.Many2many(
        "dms.rebate.program", string="Programmes", domain=[("state", "!=", "draft")]
    )
    distributor_count = fields.Integer("Distributors with Open Accruals", compute="_compute_open")
    company_id = fields.Many2one("res.company", default=lambda self: self.env.company)
    currency_id = fields.Many2one(related="company_id.currency_id")
    amount_open = fields.Monetary("Open, in Company Currency", compute="_compute_open")

    @api.model
    def _default_last_day(self):
        """Last day of last month."""
        return fields.Date.context_today(self).replace(day=1) - timedelta(days=1)

    @api.depends("date_to", "partner_ids", "program_ids")
    def _compute_open(self):
        for wizard in self:
            count = amount = 0
            if wizard.date_to:
                domain = self.env["dms.settlement"]._get_open_accruals_domain(
                    wizard.date_to, wizard.program_ids or None
                )
                domain &= fields.Domain("company_id", "in", self.env.companies.ids)
                if wizard.partner_ids:
                    domain &= fields.Domain("partner_id", "in", wizard.partner_ids.ids)
                [(count, amount)] = self.env["dms.rebate.accrual"]._read_group(
                    domain, [], ["partner_id:count_distinct", "amount_company:sum"]
                )
            wizard.distributor_count = count
            wizard.amount_open = amount

    def action_generate(self):
        self.ensure_one()
        if self.date_to < self.date_from:
            raise UserError(self.env._("The last day lies before the first day: exchange them."))
        settlements = self.env["dms.settlement"]._generate(
            self.date_from, self.date_to, partners=self.partner_ids or None, programs=self.program_ids or None
        )
        if not settlements:
            raise UserError(
                self.env._(
                    "Nothing to settle up to %s: no distributor has open accruals above zero.",
                    format_date(self.env, self.date_to),
                )
            )
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_settlement_action")
        return dict(action, domain=[("id", "in", settlements.ids)], context={})
