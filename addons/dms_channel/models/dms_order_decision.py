from contextlib import contextmanager

from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tools import SQL

from ..tools import guard
from ..tools.order_judge import STOPPING

# Written by the order rules and by a release only, on no other path.
DECISION_FIELDS = {
    "dms_check_ids",
    "dms_content",
    "dms_approval_ids",
    "dms_decided_on",
    "dms_held_since",
    "dms_refusal",
    "dms_release_reason",
    "dms_released_by",
    "dms_state",
    "dms_stopped_by_ids",
}
CLEARED_STATES = ("approved", "released")
# Conditions that an order can break by becoming smaller.
BREAKABLE_KINDS = ("amount", "domain", "quantity", "quantity_case")
APPROVAL_ACTIVITY = "dms_channel.mail_activity_type_release"


class DmsOrderDecision(models.AbstractModel):
    """What becomes of an order under the order rules: decided, kept, asked again after a change, released or refused. Part
    of ``sale.order``."""

    _name = "dms.order.decision"
    _description = "Decision on an Order"

    def _dms_decide(self, notify=True):
        """Apply the order rules and keep what each of them said.

        A release stands as long as the order stays as it was released.

        :param bool notify: tell the reasons in the chatter
        :return: the orders that may be confirmed
        """
        cleared = self.filtered(lambda order: order.dms_state == "released" and order._is_dms_cleared())
        denied = self.filtered(lambda order: order._is_dms_denied())
        if notify:
            for order in denied:
                order.sudo()._dms_notify_stopped()
        for company, orders in (self - cleared - denied).grouped("company_id").items():
            for order in orders.filtered(lambda order: order.order_line.filtered("is_reward_line")):
                # Rewards that no longer hold must not make the amount look smaller than it will be.
                order._update_programs_and_rewards()
            # Rules, agreements and receivables are beyond the rights of many who may confirm an order.
            orders_sudo = orders.sudo().with_company(company)
            outcomes = orders_sudo.env["dms.order.rule"]._evaluate(orders_sudo)
            orders_sudo._dms_keep(outcomes)
            for order_sudo in orders_sudo:
                if order_sudo.dms_state in CLEARED_STATES:
                    cleared |= order_sudo.with_env(self.env)
                elif notify:
                    order_sudo._dms_notify_stopped()
            if notify:
                orders_sudo._dms_ask_approvers()
        return cleared

    def _dms_keep(self, outcomes):
        """Store checks and decisions (as superuser, from :meth:`_dms_decide`)."""
        self.env["dms.order.check"]._keep(self, [vals for checks in outcomes.values() for vals in checks])
        now = fields.Datetime.now()
        # An order that was never decided, or whose decision was forgotten, has nothing to clear away.
        decided = self.filtered("dms_state")
        waiting = decided.filtered(lambda order: order.dms_state == "held")
        for order, checks in outcomes.items():
            state = self.env["dms.order.rule"]._conclude(checks)
            content = order._get_dms_content()
            vals = {"dms_state": state, "dms_decided_on": now, "dms_content": content}
            if state == "held":
                vals["dms_held_since"] = order.dms_held_since or now
            if order in decided:
                if order.dms_content != content:
                    order.dms_approval_ids._void()
                vals |= {"dms_refusal": False, "dms_released_by": False, "dms_release_reason": False}
                if state != "held":
                    vals["dms_held_since"] = False
            if stopping := [vals["rule_id"] for vals in checks if vals["outcome"] in STOPPING]:
                vals["dms_stopped_by_ids"] = [Command.set(stopping)]
            elif order in decided:
                vals["dms_stopped_by_ids"] = [Command.clear()]
            guard.mark(order).write(vals)
        waiting.filtered(lambda order: order.dms_state != "held").activity_unlink([APPROVAL_ACTIVITY])
        self.env["dms.order.approval"]._require(
            {
                order: checks if order.dms_state == "held" else []
                for order, checks in outcomes.items()
                if order in decided or order.dms_state == "held"
            }
        )

    def _dms_supersede(self):
        """What the rules had said is history now (as superuser)."""
        self.env["dms.order.check"].flush_model(["order_id", "superseded"])
        self.env.cr.execute(
            SQL(
                "UPDATE dms_order_check SET superseded = TRUE WHERE order_id = ANY(%s) AND superseded IS NOT TRUE",
                self.ids,
            )
        )
        self.env["dms.order.check"].invalidate_model(["superseded"])
        self.invalidate_recordset(["dms_check_ids", "dms_reason"])

    def _dms_notify_stopped(self):
        self.ensure_one()
        if self.dms_state == "refused":
            title = self.env._("Refused by the order rules:")
        else:
            title = self.env._("Held by the order rules, waiting for a release:")
        reasons = Markup().join(Markup("<li>%s</li>") % reason for reason in self.dms_reason.split("\n"))
        self.message_post(
            body=Markup("<p>%s</p><ul>%s</ul>") % (title, reasons), subtype_xmlid="mail.mt_note"
        )

    def _dms_reset(self):
        """Forget a decision that is no longer about this order; what the rules had said stays in its history."""
        decided_sudo = self.sudo().filtered("dms_state")
        if decided_sudo:
            decided_sudo._dms_supersede()
            decided_sudo._dms_void_approvals()
            forgotten = DECISION_FIELDS - {"dms_approval_ids", "dms_check_ids", "dms_stopped_by_ids"}
            guard.mark(decided_sudo).write(
                dict.fromkeys(forgotten, False) | {"dms_stopped_by_ids": [Command.clear()]}
            )

    def _dms_void_approvals(self):
        """Approvals were for the order as it was (as superuser)."""
        for order in self.filtered(lambda order: "given" in order.dms_approval_ids.mapped("state")):
            order.message_post(
                body=self.env._("The order was changed: the approvals given for it are void."),
                subtype_xmlid="mail.mt_note",
            )
        self.dms_approval_ids._void()
        self.invalidate_recordset(["dms_approval_ids"])
        self.activity_unlink([APPROVAL_ACTIVITY])

    def _dms_ask_approvers(self):
        """Put the held orders on the list of whoever may release them (as superuser)."""
        for order in self.filtered(lambda order: order.dms_state == "held"):
            asked = order.activity_ids.filtered(
                lambda activity: activity.activity_type_id == self.env.ref(APPROVAL_ACTIVITY)
            ).user_id
            waiting = order.dms_approval_ids.filtered(lambda approval: approval.state == "waiting")
            for user in waiting._get_responsibles() - asked:
                order.activity_schedule(APPROVAL_ACTIVITY, user_id=user.id, note=order.dms_reason)

    def _dms_touch(self):
        """After a change: a quotation needs a new decision, a confirmed order must still satisfy the rules."""
        changed = self.filtered(
            lambda order: (
                order.sudo().dms_state and order.sudo().dms_content != order.sudo()._get_dms_content()
            )
        )
        changed.filtered(lambda order: order.state in ("draft", "sent"))._dms_reset()
        confirmed = changed.filtered(lambda order: order.state == "sale")
        for order in confirmed:
            order._dms_recheck()
        confirmed.sudo().dms_settlement_use_ids._limit()

    @contextmanager
    def _dms_watch(self, names):
        """Within it the orders are changed. A confirmed one must then still satisfy the rules whose filter it matches now
        and did not match before, or the other way round.

        :param names: of the fields that are written; ``order_line`` and ``order_line.*`` for lines
        """
        orders_sudo = self.env["sale.order"].sudo()
        if not names.isdisjoint(self.env["dms.order.rule"]._get_watched_fields()):
            orders_sudo = self.sudo().filtered(lambda order: order.state == "sale" and order.dms_state)
        before = {order: order._get_dms_matches() for order in orders_sudo}
        yield
        for order, matches in before.items():
            if order.state == "sale" and (changed := matches ^ order._get_dms_matches()):
                order.sudo(False)._dms_recheck({text for _order_id, text in changed})

    def _get_dms_matches(self):
        """The filters of rules that the order matches (as superuser)."""
        rules = self.env["dms.order.rule"].with_company(self.company_id)
        return rules._get_matches(rules._read_terms(self.company_id), self)

    def _dms_recheck(self, filters=frozenset()):
        """Ask the rules about a confirmed order that was changed.

        :param filters: rules with these filters look at it otherwise than before the change
        """
        self.ensure_one()
        order_sudo = self.sudo().with_company(self.company_id)
        content = order_sudo._get_dms_content()
        checks = (
            order_sudo.env["dms.order.rule"]._evaluate(order_sudo)[order_sudo] if self._is_dms_order() else []
        )
        failed = [vals for vals in checks if vals["outcome"] in STOPPING]
        if failed and self._is_dms_less(order_sudo.dms_content, content):
            failed = order_sudo._get_dms_broken(failed, filters)
        if failed:
            raise UserError(
                self.env._(
                    "Order %(order)s is confirmed and can't take this change. %(reasons)s Put what you add on a new"
                    " quotation, which can be held and released.",
                    order=self.name,
                    reasons=" ".join(vals["text"] for vals in failed),
                )
            )
        order_sudo.env["dms.order.check"]._keep(order_sudo, checks)
        guard.mark(order_sudo).write({"dms_content": content, "dms_decided_on": fields.Datetime.now()})

    def _get_dms_broken(self, failed, filters):
        """Of rules that stop an order from which something was only taken away, those that it has broken by that: a
        smallest amount, whole cases, or a filter. Debts and stock are not the order's fault (as superuser)."""
        met = set(self.dms_check_ids.filtered("is_met").rule_id.ids)
        rules = self.env["dms.order.rule"].browse([vals["rule_id"] for vals in failed])
        broken = {
            rule.id
            for rule in rules
            if rule.order_domain in filters or (rule.kind in BREAKABLE_KINDS and rule.id in met)
        }
        return [vals for vals in failed if vals["rule_id"] in broken]

    @api.model
    def _is_dms_less(self, old, new):
        """Whether every line of ``new`` was there before, with the same product and no less of quantity and amount."""
        if any(old.get(name) != new[name] for name in ("partner", "receiver", "company", "currency")):
            return False
        for line_id, (product, unit, quantity, amount) in new["lines"].items():
            before = old["lines"].get(line_id)
            if not before or before[:2] != [product, unit] or quantity > before[2] or amount > before[3]:
                return False
        return True

    def _prepare_dms_rest_vals(self, passing):
        """Values of the quotation for what does not go through now.

        :param dict[sale.order.line, float] passing: quantity of each line that does
        """
        self.ensure_one()
        rest = {line: line.product_uom_id.round(line.product_uom_qty - q) for line, q in passing.items()}
        return {
            "dms_split_from_id": self.id,
            "dms_split_rule_ids": [Command.set((self.dms_stopped_by_ids | self.dms_split_rule_ids).ids)],
            "order_line": [
                Command.create(line.copy_data(self._prepare_dms_rest_line_vals(line, quantity))[0])
                for line, quantity in rest.items()
                if quantity
            ],
        }

    @api.model
    def _prepare_dms_rest_line_vals(self, line, quantity):
        return {"product_uom_qty": quantity, "price_unit": line.price_unit, "discount": line.discount}

    def _dms_release(self, reason):
        """Approve held orders; confirm those that have all their approvals. The rules are applied once more: what they
        say now counts.

        :param str reason: why the rules are overridden, kept on the order
        :raises UserError: for an order that is not held, or without a reason
        :raises AccessError: for a user from whom the order waits for no approval
        """
        reason = self._check_dms_decision(reason, self.env._("Say why the order is released."))
        released = self._dms_decide(notify=False)
        for order in self - released:
            if order.dms_state == "refused":
                raise UserError(
                    self.env._(
                        "Order %(order)s is refused and can't be released: %(reasons)s Change the order instead.",
                        order=order.name,
                        reasons=order.dms_reason,
                    )
                )
            if order._dms_approve(reason):
                released |= order
        return released.action_confirm() if released else True

    def _dms_approve(self, reason):
        """Give the approvals that are up to the current user.

        :return: whether that was the last one, and the order is released
        """
        self.ensure_one()
        order_sudo = self.sudo()
        given = order_sudo.dms_approval_ids._decide("given", reason)
        waiting = order_sudo.dms_approval_ids.filtered(lambda approval: approval.state == "waiting")
        values = {
            "user": self.env.user.name,
            "groups": ", ".join(given.group_id.mapped("full_name")),
            "reason": reason,
            "waiting": ", ".join(waiting.group_id.mapped("full_name")),
        }
        if waiting:
            message = self.env._(
                "Approved by %(user)s for %(groups)s: %(reason)s Still to approve: %(waiting)s.", **values
            )
        else:
            message = self.env._("Released by %(user)s: %(reason)s", **values)
            guard.mark(order_sudo).write(
                {"dms_state": "released", "dms_released_by": self.env.uid, "dms_release_reason": reason}
            )
            order_sudo.env["dms.order.override"]._log(order_sudo, reason)
        order_sudo.activity_feedback([APPROVAL_ACTIVITY], user_id=self.env.uid, feedback=reason)
        asked = waiting._get_responsibles()
        order_sudo.activity_search([APPROVAL_ACTIVITY]).filtered(lambda a: a.user_id not in asked).unlink()
        self.message_post(body=message, subtype_xmlid="mail.mt_note")
        return not waiting

    def _dms_refuse(self, reason):
        """Refuse held orders: they are quotations again, to be changed, and the customer reads why.

        :raises UserError: for an order that is not held, or without a reason
        :raises AccessError: for a user from whom the order waits for no approval
        """
        reason = self._check_dms_decision(reason, self.env._("Say why the order is refused."))
        for order in self:
            order_sudo = order.sudo()
            order_sudo.dms_approval_ids._decide("denied", reason)
            order_sudo.dms_approval_ids.filtered(lambda approval: approval.state == "waiting")._void()
            guard.mark(order_sudo).write({"dms_state": "refused", "dms_refusal": reason})
            order_sudo.activity_unlink([APPROVAL_ACTIVITY])
            order.message_post(
                body=self.env._("Order %(order)s was refused: %(reason)s", order=order.name, reason=reason),
                partner_ids=order.partner_id.ids,
                subtype_xmlid="mail.mt_comment",
            )
        return True

    def _check_dms_decision(self, reason, missing):
        """The reason, trimmed, of a decision on held orders."""
        reason = (reason or "").strip()
        if not reason:
            raise UserError(missing)
        self.check_access("write")
        for order in self:
            if order.dms_state != "held" or order.state not in ("draft", "sent"):
                raise UserError(
                    self.env._("Order %s is not held, so there is nothing to release.", order.name)
                )
        return reason

    def _is_dms_denied(self):
        """Whether an approver has refused the order as it is."""
        self.ensure_one()
        order_sudo = self.sudo()
        return bool(order_sudo.dms_refusal) and order_sudo.dms_content == order_sudo._get_dms_content()
