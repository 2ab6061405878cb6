from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.fields import Domain


class DmsOrderApproval(models.Model):
    """One approval that a held order needs: who may give it, and who gave or denied it, when and why.

    Only the rules and a release write it. A change of the order makes it void.
    """

    _name = "dms.order.approval"
    _description = "Order Approval"
    _order = "order_id, amount_from, id"
    _rec_name = "rule_name"

    order_id = fields.Many2one("sale.order", required=True, index=True, ondelete="cascade", readonly=True)
    company_id = fields.Many2one(related="order_id.company_id", store=True, index=True)
    currency_id = fields.Many2one(related="company_id.currency_id")
    rule_id = fields.Many2one("dms.order.rule", ondelete="set null", index="btree_not_null", readonly=True)
    rule_name = fields.Char(required=True, readonly=True)
    group_id = fields.Many2one(
        "res.groups", string="Given By", required=True, index=True, ondelete="restrict", readonly=True
    )
    amount_from = fields.Monetary(
        string="Needed Above", readonly=True, help="0: whatever the order amounts to."
    )
    other_person = fields.Boolean(readonly=True)
    responsible_id = fields.Many2one("res.users", readonly=True)
    state = fields.Selection(
        [("waiting", "Waiting"), ("given", "Given"), ("denied", "Denied"), ("void", "Void")],
        required=True,
        default="waiting",
        readonly=True,
        help="Void: the order was changed, or its rules no longer ask for it.",
    )
    user_id = fields.Many2one("res.users", string="By", readonly=True, index="btree_not_null")
    date = fields.Datetime(string="On", readonly=True)
    reason = fields.Text(readonly=True)

    _waiting_idx = models.Index("(group_id) WHERE state = 'waiting'")

    @api.model
    def _require(self, outcomes):
        """Bring the approvals of orders in line with what their rules said. What was given for it stays given.

        :param outcomes: values of ``dms.order.check`` for each order
        """
        if not outcomes:
            return self.browse()
        orders = self.env["sale.order"].union(*outcomes)
        current = self.search(
            [("order_id", "in", orders.ids), ("state", "in", ("waiting", "given"))]
        ).grouped(lambda approval: (approval.order_id, approval.rule_id, approval.group_id))
        required, missing = set(), []
        for order, checks in outcomes.items():
            for vals in self._prepare_vals_list(order, checks):
                key = (
                    order,
                    self.env["dms.order.rule"].browse(vals["rule_id"]),
                    self.env["res.groups"].browse(vals["group_id"]),
                )
                required.add(key)
                if key not in current:
                    missing.append(vals)
        self.union(*(found for key, found in current.items() if key not in required))._void()
        return self.create(missing)

    @api.model
    def _prepare_vals_list(self, order, checks):
        vals_list = []
        for vals in checks:
            if vals["outcome"] != "hold":
                continue
            rule = self.env["dms.order.rule"].browse(vals["rule_id"])
            common = {"order_id": order.id, "rule_id": rule.id, "rule_name": vals["rule_name"]}
            vals_list.append(
                {
                    **common,
                    "group_id": rule.group_id.id,
                    "responsible_id": rule.responsible_id.id,
                    "amount_from": 0.0,
                }
            )
            vals_list += [
                {
                    **common,
                    "group_id": level.group_id.id,
                    "responsible_id": level.user_id.id,
                    "amount_from": level.amount_from,
                    "other_person": level.other_person,
                }
                for level in rule.level_ids
                if level._applies(order)
            ]
        return vals_list

    def _void(self):
        self.write({"state": "void"})

    @api.model
    def _get_waiting_domain(self):
        return Domain([("state", "=", "waiting"), ("group_id", "in", self.env.user.all_group_ids.ids)])

    def _filter_mine(self):
        """The waiting approvals that the current user may give."""
        user = self.env.user
        waiting = self.filtered(
            lambda approval: approval.state == "waiting" and approval.group_id in user.all_group_ids
        )
        given = self.order_id.dms_approval_ids.filtered(
            lambda approval: approval.state == "given" and approval.user_id == user
        )
        taken = {(approval.order_id, approval.rule_id) for approval in given}
        mine = self.browse()
        # The other person counts within one release too: the lower level is taken first, the next one waits.
        for approval in waiting.sorted("amount_from"):
            key = (approval.order_id, approval.rule_id)
            if not (approval.other_person and key in taken):
                mine |= approval
                taken.add(key)
        return mine

    def _decide(self, state, reason):
        """Give or deny, as superuser, the approvals of one order that are up to the current user (checked here).

        :raises AccessError: when none of them is
        """
        order = self.order_id
        order.ensure_one()
        mine = self._filter_mine()
        if not mine:
            waiting = self.filtered(lambda approval: approval.state == "waiting")
            raise AccessError(self._explain_missing(order, waiting))
        mine.write({"state": state, "user_id": self.env.uid, "date": fields.Datetime.now(), "reason": reason})
        return mine

    def _explain_missing(self, order, waiting):
        names = ", ".join(waiting.group_id.mapped("full_name"))
        if waiting.group_id & self.env.user.all_group_ids:
            return self.env._(
                "You have approved order %(order)s already. The next approval must come from somebody else who is a"
                " member of: %(groups)s.",
                order=order.name,
                groups=names,
            )
        return self.env._(
            "Order %(order)s can only be released by a member of: %(groups)s.", order=order.name, groups=names
        )

    def _get_responsibles(self):
        """Whom to ask: the responsible, or else the members of the group who work for the order's company."""
        users = self.env["res.users"]
        for approval in self:
            users |= approval.responsible_id or approval.group_id.all_user_ids.filtered(
                lambda user, approval=approval: (
                    user.active and not user.share and approval.company_id in user.company_ids
                )
            )
        return users
