from odoo import api, fields, models
from odoo.exceptions import UserError


class DmsDiversionRuling(models.TransientModel):
    _name = "dms.diversion.ruling"
    _description = "Ruling on a Diversion Case"

    case_id = fields.Many2one("dms.diversion.case", "Diversion Case", required=True, readonly=True)
    currency_id = fields.Many2one(related="case_id.currency_id")
    summary = fields.Text("Evidence", related="case_id.summary")
    answer = fields.Text("Distributor's Answer", related="case_id.answer")
    ruling = fields.Selection(
        [("confirmed", "Diversion Confirmed"), ("dismissed", "Not Proved")],
        required=True,
        default="confirmed",
    )
    points = fields.Integer("Credit Points", compute="_compute_proposal", store=True, readonly=False)
    goods_value = fields.Monetary(
        "Value of the Items Found",
        compute="_compute_goods_value",
        help="At the average price that the distributor paid for them.",
    )
    charge_amount = fields.Monetary(
        "Taken off the Next Settlement", compute="_compute_proposal", store=True, readonly=False
    )
    deposit_amount = fields.Monetary("Taken from the Deposit")
    supply_until = fields.Date(
        "Supplied Last Until",
        compute="_compute_proposal",
        store=True,
        readonly=False,
        help="When goods are scarce, others come first until this day.",
    )
    reason = fields.Text("Grounds", required=True)

    @api.depends("case_id")
    def _compute_goods_value(self):
        for wizard in self:
            wizard.goods_value = wizard.case_id._get_goods_value() if wizard.case_id else 0.0

    @api.depends("case_id", "goods_value")
    def _compute_proposal(self):
        for wizard in self:
            case, company_sudo = wizard.case_id, wizard.case_id.company_id.sudo()
            rule_sudo = self.env["dms.credit.rule"].sudo()._get_rule("diversion", case.company_id)
            wizard.points = rule_sudo.points
            wizard.charge_amount = wizard.currency_id.round(
                wizard.goods_value * company_sudo.dms_diversion_percent / 100
            )
            months = company_sudo.dms_diversion_months
            wizard.supply_until = months and fields.Date.add(fields.Date.context_today(self), months=months)

    def action_confirm(self):
        self.ensure_one()
        if self.ruling == "dismissed":
            self.case_id._rule(self.ruling, self.reason)
            return {"type": "ir.actions.act_window_close"}
        if self.points >= 0:
            raise UserError(self.env._("A confirmed diversion takes points away: enter a negative number."))
        self.case_id._rule(
            self.ruling,
            self.reason,
            points=self.points,
            charge=self.charge_amount,
            deposit=self.deposit_amount,
            supply_until=self.supply_until,
        )
        return {"type": "ir.actions.act_window_close"}
