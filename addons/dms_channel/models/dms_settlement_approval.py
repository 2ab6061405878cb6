from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.fields import Domain


class DmsSettlementApproval(models.Model):
    """One approval that a settlement needs: who may give it, and who gave or denied it, when and why."""

    _name = "dms.settlement.approval"
    _description = "Settlement Approval"
    _order = "settlement_id, amount_from, id"
    _rec_name = "group_id"

    settlement_id = fields.Many2one(
        "dms.settlement", required=True, index=True, ondelete="cascade", readonly=True
    )
    partner_id = fields.Many2one(related="settlement_id.partner_id", store=True)
    amount_total = fields.Monetary(
        related="settlement_id.amount_total", string="Due", currency_field="settlement_currency_id"
    )
    settlement_currency_id = fields.Many2one(
        related="settlement_id.currency_id", string="Settlement's Currency"
    )
    company_id = fields.Many2one(related="settlement_id.company_id", store=True, index=True)
    currency_id = fields.Many2one(related="company_id.currency_id")
    group_id = fields.Many2one(
        "res.groups", string="Given By", required=True, index=True, ondelete="restrict", readonly=True
    )
    amount_from = fields.Monetary(string="Needed Above", readonly=True)
    other_person = fields.Boolean(readonly=True)
    responsible_id = fields.Many2one("res.users", readonly=True)
    state = fields.Selection(
        [("waiting", "Waiting"), ("given", "Given"), ("denied", "Denied"), ("void", "Void")],
        required=True,
        default="waiting",
        readonly=True,
        help="Void: the settlement was taken back to draft.",
    )
    user_id = fields.Many2one("res.users", string="By", readonly=True, index="btree_not_null")
    date = fields.Datetime(string="On", readonly=True)
    reason = fields.Text(readonly=True)

    _waiting_idx = models.Index("(group_id) WHERE state = 'waiting'")

    @api.model
    def _require(self, settlement):
        """Create the approvals of the levels that a settlement's amount reaches."""
        levels = self.env["dms.settlement.level"].search([("company_id", "=", settlement.company_id.id)])
        return self.create(
            [
                {
                    "settlement_id": settlement.id,
                    "group_id": level.group_id.id,
                    "responsible_id": level.user_id.id,
                    "amount_from": level.amount_from,
                    "other_person": level.other_person,
                }
                for level in levels
                if level._applies(settlement)
            ]
        )

    def _void(self):
        self.filtered(lambda approval: approval.state in ("waiting", "given")).write({"state": "void"})

    @api.model
    def _get_waiting_domain(self):
        return Domain([("state", "=", "waiting"), ("group_id", "in", self.env.user.all_group_ids.ids)])

    def _filter_mine(self):
        """The waiting approvals that the current user may give."""
        user = self.env.user
        given = self.settlement_id.approval_ids.filtered(
            lambda approval: approval.state == "given" and approval.user_id == user
        )
        taken = set(given.settlement_id)
        mine = self.browse()
        # The other person counts within one approval too: the lower level is taken first, the next one waits.
        for approval in self.sorted("amount_from"):
            if approval.state != "waiting" or approval.group_id not in user.all_group_ids:
                continue
            if not (approval.other_person and approval.settlement_id in taken):
                mine |= approval
                taken.add(approval.settlement_id)
        return mine

    def _decide(self, state, reason=False):
        """Give or deny, as superuser, the approvals of one settlement that are up to the current user (checked here).

        :raises AccessError: when none of them is
        """
        mine = self._filter_mine()
        if not mine:
            waiting = self.filtered(lambda approval: approval.state == "waiting")
            names = ", ".join(waiting.group_id.mapped("full_name"))
            if waiting.group_id & self.env.user.all_group_ids:
                raise AccessError(
                    self.env._(
                        "You have approved settlement %(name)s already. The next approval must come from somebody else "
                        "who is a member of: %(groups)s.",
                        name=self.settlement_id.name,
                        groups=names,
                    )
                )
            raise AccessError(
                self.env._(
                    "Settlement %(name)s can only be approved by a member of: %(groups)s.",
                    name=self.settlement_id.name,
                    groups=names,
                )
            )
        mine.write({"state": state, "user_id": self.env.uid, "date": fields.Datetime.now(), "reason": reason})
        return mine

    def _get_responsibles(self):
        """Whom to ask: the responsible, or else the members of the group who work for the company."""
        users = self.env["res.users"]
        for approval in self:
            users |= approval.responsible_id or approval.group_id.all_user_ids.filtered(
                lambda user, approval=approval: (
                    user.active and not user.share and approval.company_id in user.company_ids
                )
            )
        return users
