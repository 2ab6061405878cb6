from odoo import api, fields, models
from odoo.exceptions import UserError


class DmsOrderOverride(models.Model):
    """A release that overrode rules: for which order and salesperson, by whom, and why. Appended by a release only.

    One entry per release, so that amounts add up; grouped by rule or approver it shows under each of them.
    """

    _name = "dms.order.override"
    _description = "Overridden Order Rule"
    _order = "date desc, id desc"
    _rec_name = "order_id"

    order_id = fields.Many2one("sale.order", required=True, index=True, ondelete="restrict", readonly=True)
    partner_id = fields.Many2one("res.partner", string="Member", required=True, index=True, readonly=True)
    territory_id = fields.Many2one("dms.territory", readonly=True, index="btree_not_null")
    company_id = fields.Many2one("res.company", required=True, index=True, readonly=True)
    currency_id = fields.Many2one(related="company_id.currency_id")
    rule_ids = fields.Many2many("dms.order.rule", string="Rules", readonly=True)
    message = fields.Text(
        string="The Rules Said", required=True, readonly=True, help="In the words of that day."
    )
    user_id = fields.Many2one(
        "res.users",
        string="Released By",
        required=True,
        index=True,
        readonly=True,
        help="Gave the last approval.",
    )
    approver_ids = fields.Many2many(
        "res.users", string="Approvers", readonly=True, help="Everybody who approved, level by level."
    )
    salesperson_id = fields.Many2one("res.users", readonly=True, index="btree_not_null")
    counted = fields.Integer(
        string="Against the Salesperson",
        readonly=True,
        help="1 where a rule against channel stuffing was overridden: that counts against the salesperson.",
    )
    amount = fields.Monetary(
        string="Order Amount", readonly=True, help="The order's total with taxes, in the company's currency."
    )
    reason = fields.Text(required=True, readonly=True)
    date = fields.Datetime(required=True, readonly=True, default=fields.Datetime.now)

    def write(self, vals):
        raise UserError(self.env._("The log of overridden rules is only added to: its entries never change."))

    @api.ondelete(at_uninstall=False)
    def _unlink_except_never(self):
        raise UserError(self.env._("The log of overridden rules is only added to: its entries never go."))

    @api.model
    def _log(self, order, reason):
        """Note which rules the release of ``order`` has overridden."""
        return self.create(self._prepare_vals(order, reason))

    @api.model
    def _prepare_vals(self, order, reason):
        stopped = order.dms_check_ids.filtered(lambda check: check.outcome == "hold")
        partner = order.partner_id.commercial_partner_id
        return {
            "order_id": order.id,
            "partner_id": partner.id,
            "territory_id": partner.territory_id.id,
            "company_id": order.company_id.id,
            "rule_ids": stopped.rule_id.ids,
            "message": order.dms_reason,
            "user_id": self.env.uid,
            "approver_ids": order.dms_approval_ids.filtered(lambda a: a.state == "given").user_id.ids,
            "salesperson_id": order.user_id.id,
            "counted": int(any(stopped.rule_id.mapped("counts_override"))),
            "amount": order._get_dms_company_amount(),
            "reason": reason,
        }
