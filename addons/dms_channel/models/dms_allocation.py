from collections import defaultdict

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command, Domain
from odoo.tools import format_datetime

from ..tools import allocation
from ..tools.words import format_quantity

POLICIES = [
    ("grade", "Grade"),
    ("points", "Credit points"),
    ("age", "Oldest order"),
    ("fair", "Fair share"),
]


class DmsAllocation(models.Model):
    """Who gets what of the stock that does not cover the confirmed orders.

    A proposal is made under every policy, to be compared; nothing moves until one of them is reserved.
    """

    _name = "dms.allocation"
    _description = "Allocation of Scarce Stock"
    _inherit = ["mail.thread"]
    _order = "id desc"
    _check_company_auto = True

    name = fields.Char(compute="_compute_name", store=True)
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company, readonly=True
    )
    warehouse_id = fields.Many2one(
        "stock.warehouse",
        required=True,
        check_company=True,
        default=lambda self: self.env["stock.warehouse"].search(
            [("company_id", "=", self.env.company.id)], limit=1
        ),
    )
    product_ids = fields.Many2many(
        "product.product",
        string="Products",
        domain="[('is_storable', '=', True)]",
        help="Empty: every product whose stock does not cover the confirmed orders.",
    )
    policy = fields.Selection(
        POLICIES,
        required=True,
        default="fair",
        tracking=True,
        help="Grade: by the supply priority of the grades, then in the order of their list. Credit points: most points first. Oldest order: first come,"
        " first served. Fair share: everybody the same part of what he ordered. In the first two, older orders come"
        " first among equals. All give whole packs.",
    )
    state = fields.Selection(
        [("draft", "Draft"), ("proposed", "Proposed"), ("reserved", "Reserved"), ("cancelled", "Cancelled")],
        required=True,
        default="draft",
        readonly=True,
        copy=False,
        tracking=True,
    )
    proposed_on = fields.Datetime(readonly=True, copy=False)
    reserved_on = fields.Datetime(readonly=True, copy=False)
    reserved_by = fields.Many2one("res.users", readonly=True, copy=False)
    line_ids = fields.One2many("dms.allocation.line", "allocation_id", readonly=True, copy=False)
    chosen_line_ids = fields.One2many(
        "dms.allocation.line", "allocation_id", compute="_compute_chosen_line_ids", string="Proposal"
    )
    facts = fields.Json(
        readonly=True,
        copy=False,
        help="Stock and demand that the proposal was made for, by product and move.",
    )
    summary = fields.Text(compute="_compute_summary")

    @api.depends("warehouse_id", "proposed_on", "create_date")
    def _compute_name(self):
        for record in self:
            date = record.proposed_on or record.create_date or fields.Datetime.now()
            record.name = (
                f"{record.warehouse_id.code} {format_datetime(self.env, date, dt_format='yyyy-MM-dd HH:mm')}"
            )

    @api.depends("line_ids.policy", "policy")
    def _compute_chosen_line_ids(self):
        for record in self:
            record.chosen_line_ids = record.line_ids.filtered(lambda line, p=record.policy: line.policy == p)

    @api.depends("facts")
    @api.depends_context("lang")
    def _compute_summary(self):
        for record in self:
            facts = record.facts or {}
            products = self.env["product.product"].browse(int(key) for key in facts.get("available", {}))
            record.summary = "\n".join(
                self.env._(
                    "%(product)s: %(available)s %(unit)s for orders of %(demanded)s",
                    product=product.display_name,
                    available=format_quantity(self.env, facts["available"][str(product.id)]),
                    demanded=format_quantity(self.env, facts["demanded"][str(product.id)]),
                    unit=product.uom_id.name,
                )
                for product in products
            )

    @api.ondelete(at_uninstall=False)
    def _unlink_except_reserved(self):
        if "reserved" in self.mapped("state"):
            raise UserError(
                self.env._("An allocation that was reserved is a record of who got what: keep it.")
            )

    def action_propose(self):
        """Work out what each order line would get, under every policy. Nothing is reserved."""
        self.check_access("write")
        for record in self:
            record._check_open()
            demand = record._get_demand()
            record._check_scarce(demand)
            # Nobody writes lines by hand.
            record_sudo = record.sudo()
            record_sudo.line_ids.unlink()
            record_sudo.line_ids = [Command.create(vals) for vals in record._prepare_lines(demand)]
            record.write(
                {"state": "proposed", "proposed_on": fields.Datetime.now(), "facts": demand.to_json()}
            )
        return True

    def action_reserve(self):
        """Reserve what the chosen policy proposes, all or nothing.

        :raises UserError: where stock or orders are not what the proposal was made for
        """
        self.check_access("write")
        for record in self:
            if record.state != "proposed":
                raise UserError(self.env._("Propose allocation %s first.", record.name))
            self.env.cr.execute(
                "SELECT id FROM stock_quant WHERE product_id IN %s AND company_id = %s ORDER BY id FOR UPDATE",
                (tuple(record.line_ids.product_id.ids), record.company_id.id),
            )
            self.env["stock.quant"].invalidate_model()
            demand = record._get_demand(record.line_ids.product_id)
            record._check_unchanged(demand)
            record._reserve(demand)
            record.write(
                {
                    "state": "reserved",
                    "reserved_on": fields.Datetime.now(),
                    "reserved_by": self.env.uid,
                }
            )
        return True

    def action_cancel(self):
        self.check_access("write")
        for record in self:
            record._check_open()
        self.state = "cancelled"

    def action_compare(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_allocation_line_action")
        return {**action, "domain": [("allocation_id", "=", self.id)], "context": {}}

    def _check_open(self):
        if self.state == "reserved":
            raise UserError(
                self.env._(
                    "Allocation %s is reserved already. Make a new one for what is left to share.", self.name
                )
            )

    def _check_scarce(self, demand):
        if not demand.moves:
            raise UserError(
                self.env._(
                    "No confirmed order waits for stock of these products in warehouse %s.",
                    self.warehouse_id.name,
                )
                if self.product_ids
                else self.env._(
                    "The stock of warehouse %s covers every confirmed order: there is nothing to share out.",
                    self.warehouse_id.name,
                )
            )

    def _check_unchanged(self, demand):
        facts, now = self.facts, demand.to_json()
        if facts == now:
            return
        changed = self.line_ids.product_id.filtered(
            lambda product: any(
                facts[key].get(str(product.id)) != now[key].get(str(product.id))
                for key in ("available", "demanded")
            )
        )
        raise UserError(
            self.env._(
                "Stock or orders have changed since the proposal: %(changes)s. Propose again, then reserve.",
                changes="; ".join(
                    self.env._(
                        "%(product)s: %(before)s available then, %(after)s now",
                        product=product.display_name,
                        before=format_quantity(self.env, facts["available"].get(str(product.id), 0)),
                        after=format_quantity(self.env, now["available"].get(str(product.id), 0)),
                    )
                    for product in changed
                )
                or self.env._("other orders wait for the goods"),
            )
        )

    def _get_move_domain(self):
        """Goods still to leave the stock for confirmed orders of the channel, other than what is being picked."""
        return Domain(
            [
                ("company_id", "=", self.company_id.id),
                ("location_id", "child_of", self.warehouse_id.lot_stock_id.id),
                ("state", "in", ("confirmed", "partially_available", "assigned")),
                ("picked", "=", False),
                ("move_orig_ids", "=", False),
                ("procure_method", "=", "make_to_stock"),
                ("sale_line_id.order_id.state", "=", "sale"),
                ("sale_line_id.order_id.partner_id.commercial_partner_id.channel_role", "!=", False),
            ]
        )

    def _get_demand(self, products=None):
        """What the orders ask for and what there is, of ``products`` (default: those chosen, or all scarce ones)."""
        self.ensure_one()
        products = products or self.product_ids
        domain = self._get_move_domain()
        if products:
            domain &= Domain("product_id", "in", products.ids)
        moves_sudo = self.env["stock.move"].sudo().search(domain, order="id")
        demand = Demand(moves_sudo, self._get_available(moves_sudo))
        return demand if products else demand.scarce()

    def _get_available(self, moves_sudo):
        """Stock that is free, or reserved for the moves themselves, by product.

        :rtype: dict[int, float]
        """
        groups = (
            self.env["stock.quant"]
            .sudo()
            ._read_group(
                [
                    ("product_id", "in", moves_sudo.product_id.ids),
                    ("location_id", "child_of", self.warehouse_id.lot_stock_id.id),
                ],
                ["product_id"],
                ["quantity:sum", "reserved_quantity:sum"],
            )
        )
        available = defaultdict(float, {product.id: on_hand - taken for product, on_hand, taken in groups})
        for move in moves_sudo:
            available[move.product_id.id] += sum(move.move_line_ids.mapped("quantity_product_uom"))
        return {
            product.id: max(product.uom_id.round(available[product.id]), 0.0)
            for product in moves_sudo.product_id
        }

    def _prepare_lines(self, demand):
        members = demand.moves.sale_line_id.order_id.partner_id.commercial_partner_id
        points = members._get_credit_points(company=self.company_id)
        packs = {product: (product._get_dms_case_size() or 1.0) for product in demand.moves.product_id}
        rows = [self._prepare_line(move, points) for move in demand.moves]
        lines = []
        for policy, _label in POLICIES:
            shares = self._share(policy, demand, rows, packs)
            lines += [{**row, "policy": policy, "proposed": shares[row["move_id"]]} for row in rows]
        return lines

    def _prepare_line(self, move, points):
        order = move.sale_line_id.order_id
        partner = order.partner_id.commercial_partner_id
        return {
            "move_id": move.id,
            "order_line_id": move.sale_line_id.id,
            "order_id": order.id,
            "date_order": order.date_order,
            "partner_id": partner.id,
            "grade_id": partner.grade_id.id,
            "points": points[partner.id],
            "territory_id": partner.territory_id.id,
            "product_id": move.product_id.id,
            "demanded": move.product_qty,
            "reserved_before": sum(move.move_line_ids.mapped("quantity_product_uom")),
        }

    def _share(self, policy, demand, rows, packs):
        """What each move gets under a policy, in the product's unit.

        :rtype: dict[int, float]
        """
        scale = 10 ** self.env["decimal.precision"].precision_get("Product Unit")
        share = allocation.fair_share if policy == "fair" else allocation.by_rank
        result = {}
        by_product = defaultdict(list)
        for row in rows:
            by_product[row["product_id"]].append(row)
        for product, pack in packs.items():
            demands = [
                allocation.Demand(
                    row["move_id"],
                    round(row["demanded"] * scale),
                    max(round(pack * scale), 1),
                    self._get_rank(policy, row),
                )
                for row in by_product[product.id]
            ]
            # Rounded down: half a thousandth can't be reserved.
            shares = share(demands, int(demand.available[product.id] * scale + 1e-6))
            result |= {key: quantity / scale for key, quantity in shares.items()}
        return result

    @api.model
    def _get_rank(self, policy, row):
        age = (row["date_order"], row["order_line_id"])
        if policy == "grade":
            grade = self.env["res.partner.grade"].browse(row["grade_id"])
            return (not grade, -grade.dms_supply_priority, grade.sequence, *age)
        if policy == "points":
            return (-row["points"], *age)
        return age

    def _reserve(self, demand):
        """Give back what the moves had, and reserve the proposal through Odoo's own reservation."""
        demand.moves._do_unreserve()
        moves = {move.id: move for move in demand.moves}
        for line in self.chosen_line_ids:
            move = moves[line.move_id.id]
            taken = 0.0
            if line.proposed:
                taken = move._update_reserved_quantity(line.proposed, move.location_id, strict=False)
            if move.product_id.uom_id.compare(taken, line.proposed):
                raise UserError(
                    self.env._(
                        "Only %(taken)s of %(proposed)s %(product)s could be reserved for order %(order)s: the stock"
                        " there is kept for something else. Nothing was changed. Propose again.",
                        taken=format_quantity(self.env, taken),
                        proposed=format_quantity(self.env, line.proposed),
                        product=line.product_id.display_name,
                        order=line.order_id.name,
                    )
                )
            line.sudo().reserved = taken
        demand.moves._recompute_state()


class Demand:
    """Moves that wait for stock, and what there is of each product."""

    def __init__(self, moves, available):
        """
        :param moves: ``stock.move`` as superuser
        :param dict[int, float] available: by product id, in the product's unit
        """
        self.moves = moves
        self.available = available
        self.demanded = defaultdict(float)
        for move in moves:
            self.demanded[move.product_id.id] += move.product_qty

    def scarce(self):
        """The part that the stock does not cover."""
        moves = self.moves.filtered(
            lambda move: (
                move.product_id.uom_id.compare(
                    self.demanded[move.product_id.id], self.available[move.product_id.id]
                )
                > 0
            )
        )
        return Demand(moves, {product.id: self.available[product.id] for product in moves.product_id})

    def to_json(self):
        return {
            "available": {str(key): value for key, value in self.available.items()},
            "demanded": {str(key): round(value, 6) for key, value in self.demanded.items()},
            "moves": {str(move.id): move.product_qty for move in self.moves},
        }
