import math

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command

from ..tools import guard
from ..tools.words import format_quantity


class DmsOrderSplit(models.TransientModel):
    """Divide a held order into what passes the rules now and what goes on waiting."""

    _name = "dms.order.split"
    _description = "Split Held Order"

    order_id = fields.Many2one("sale.order", required=True, readonly=True)
    reason = fields.Text(related="order_id.dms_reason")
    line_ids = fields.One2many("dms.order.split.line", "split_id")

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            if not vals.get("line_ids"):
                order = self.env["sale.order"].browse(vals["order_id"])
                vals["line_ids"] = [
                    Command.create({"order_line_id": line.id, "passing": quantity})
                    for line, quantity in self._find_passing(order).items()
                ]
        return super().create(vals_list)

    def action_split(self):
        """Confirm the part that passes; the rest becomes a quotation of its own. It is judged anew, as a part of the
        order that was held: what was too much in one order is too much in two.

        :raises UserError: where one of the parts is empty, or the first one does not pass after all
        """
        self.ensure_one()
        order = self.order_id
        self._check_open(order)
        passing = {line.order_line_id: line.passing for line in self.line_ids}
        self._check_parts(order, passing)
        rest = guard.mark(order).copy(order.sudo()._prepare_dms_rest_vals(passing)).with_env(self.env)
        rewards = order.order_line.reward_id
        with self._prices_kept(order):
            order.write({"order_line": [self._prepare_command(line, q) for line, q in passing.items()]})
        for part in order | rest:
            self._grant_rewards(part, rewards)
        order.action_confirm()
        if order.state != "sale":
            raise UserError(
                self.env._(
                    "The first part of order %(order)s does not pass either: %(reasons)s Take less into it.",
                    order=order.name,
                    reasons=order.dms_reason,
                )
            )
        rest._dms_decide()
        order.message_post(
            body=self.env._("Split: what the rules held goes on as %s.", rest._get_html_link()),
            subtype_xmlid="mail.mt_note",
        )
        rest.message_post(
            body=self.env._("Split off from %s, which goes through.", order._get_html_link()),
            subtype_xmlid="mail.mt_note",
        )
        return {
            "type": "ir.actions.act_window",
            "res_model": "sale.order",
            "res_id": rest.id,
            "view_mode": "form",
        }

    def _check_open(self, order):
        order.check_access("write")
        if order.dms_state not in ("held", "refused") or order.state not in ("draft", "sent"):
            raise UserError(
                self.env._("Order %s is neither held nor refused, so there is nothing to split.", order.name)
            )

    def _check_parts(self, order, passing):
        if passing.keys() != set(order._get_dms_lines()):
            raise UserError(
                self.env._("Order %s was changed in the meantime. Open the split again.", order.name)
            )
        for line, quantity in passing.items():
            unit = line.product_uom_id
            if unit.compare(quantity, 0) < 0 or unit.compare(quantity, line.product_uom_qty) > 0:
                raise UserError(
                    self.env._(
                        "%(product)s: between 0 and the %(ordered)s %(unit)s ordered can go through now, not %(quantity)s.",
                        product=line.product_id.display_name,
                        ordered=format_quantity(self.env, line.product_uom_qty),
                        unit=unit.name,
                        quantity=format_quantity(self.env, quantity),
                    )
                )
        if not any(passing.values()):
            raise UserError(
                self.env._(
                    "No part of order %(order)s passes by itself: %(reasons)s Have it released, or change it.",
                    order=order.name,
                    reasons=order.dms_reason,
                )
            )
        if all(not line.product_uom_id.compare(q, line.product_uom_qty) for line, q in passing.items()):
            raise UserError(
                self.env._("Nothing of order %s would stay behind: confirm it instead.", order.name)
            )

    def _prices_kept(self, order):
        """What was agreed holds for both parts, even where fewer pieces would cost more each."""
        lines = order._get_dms_lines()
        return self.env.protecting([lines._fields["price_unit"], lines._fields["discount"]], lines)

    @api.model
    def _prepare_command(self, line, quantity):
        if line.product_uom_id.is_zero(quantity):
            return Command.delete(line.id)
        return Command.update(line.id, {"product_uom_qty": quantity})

    @api.model
    def _grant_rewards(self, order, rewards):
        """Bring the promotions of a part in line with it, out of those the whole order had."""
        order._update_programs_and_rewards()
        for coupon, claimable in order._get_claimable_rewards().items():
            for reward in (claimable & rewards) - order.order_line.reward_id:
                order._apply_program_reward(reward, coupon)

    @api.model
    def _find_passing(self, order):
        """As much of each line as passes the rules that stop the order; lines in their order, quantities in cases.

        The parts are tried out in the database, in a savepoint that is taken back: whatever a rule looks at, it sees.

        :rtype: dict[sale.order.line, float]
        """
        self._check_open(order)
        order_sudo = order.sudo().with_company(order.company_id)
        savepoint = self.env.cr.savepoint()
        with savepoint, self._prices_kept(order_sudo):
            passing = Search(order_sudo).run()
            savepoint.rollback()
        lines = self.env["sale.order.line"]
        return {lines.browse(line_id): quantity for line_id, quantity in passing.items()}


class DmsOrderSplitLine(models.TransientModel):
    """One line of the order, and how much of it goes through now."""

    _name = "dms.order.split.line"
    _description = "Line of a Split"

    split_id = fields.Many2one("dms.order.split", required=True, index=True, ondelete="cascade")
    order_line_id = fields.Many2one("sale.order.line", required=True, ondelete="cascade")
    product_id = fields.Many2one(related="order_line_id.product_id")
    uom_id = fields.Many2one(related="order_line_id.product_uom_id")
    ordered = fields.Float(related="order_line_id.product_uom_qty")
    passing = fields.Float(string="Goes Through Now", digits="Product Unit")
    rest = fields.Float(string="Waits", compute="_compute_rest", digits="Product Unit")

    @api.depends("ordered", "passing")
    def _compute_rest(self):
        for line in self:
            line.rest = line.ordered - line.passing


class Search:
    """Looks for the part of an order that passes; leaves the order's quantities anyhow, so run it in a savepoint."""

    def __init__(self, order):
        self.order = order
        self.lines = order._get_dms_lines()
        self.ordered = {line.id: line.product_uom_qty for line in self.lines}
        self.steps = {line.id: self._get_step(line) for line in self.lines}
        self.now = dict(self.ordered)
        rules = order.env["dms.order.rule"].search([("company_id", "in", [False, order.company_id.id])])
        # Rules that the whole order meets are asked at the end, when the part is confirmed: a smallest amount, say,
        # is met by no first line.
        self.rules = rules.filtered(
            lambda rule: rule in order.dms_stopped_by_ids or rule.outcome == "approve"
        )

    def run(self):
        """
        :return: quantity that passes, by line id
        :rtype: dict[int, float]
        """
        # What promotions take off is not counted on: the parts are judged as dearer than they can turn out.
        for line in self.order.order_line.filtered("is_reward_line"):
            guard.mark(line, guard.BATCH).product_uom_qty = 0
        passing = dict.fromkeys(self.ordered, 0.0)
        if self._passes(passing):
            self._add(passing, list(self.ordered))
        return passing

    def _add(self, passing, line_ids):
        """Take lines into the passing part: all of them, or each half by itself, or what fits of the last one."""
        if self._passes(passing | {line_id: self.ordered[line_id] for line_id in line_ids}):
            passing.update((line_id, self.ordered[line_id]) for line_id in line_ids)
        elif len(line_ids) > 1:
            middle = len(line_ids) // 2
            self._add(passing, line_ids[:middle])
            self._add(passing, line_ids[middle:])
        else:
            passing[line_ids[0]] = self._reduce(passing, line_ids[0])

    def _reduce(self, passing, line_id):
        """The largest number of whole cases of one line that passes."""
        step = self.steps[line_id]
        low, high = 0, math.ceil(round(self.ordered[line_id] / step, 6))
        while high - low > 1:
            middle = (low + high) // 2
            if self._passes(passing | {line_id: middle * step}):
                low = middle
            else:
                high = middle
        return low * step

    def _passes(self, quantities):
        for line in self.lines:
            if self.now[line.id] != quantities[line.id]:
                guard.mark(line, guard.BATCH).product_uom_qty = quantities[line.id]
        self.now = dict(quantities)
        rules = self.rules
        checks = rules._evaluate(self.order, rules=rules, dry=True)[self.order]
        return rules._conclude(checks) == "approved"

    @staticmethod
    def _get_step(line):
        """A case, in the line's own unit; one unit where a case is no whole number of them."""
        product = line.product_id
        size = product.uom_id._compute_quantity(
            product._get_dms_case_size() or 1.0, line.product_uom_id, round=False
        )
        return size if size >= 1 and round(size, 6) == round(size) else 1.0
