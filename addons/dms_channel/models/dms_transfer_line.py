from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import SQL

from ..tools import guard, layers
from ..tools.words import format_quantity

# What the parties consent to.
TERMS = {"product_id", "lot_id", "product_uom_id", "product_uom_qty", "quantity", "transfer_id"}
GUARDED = {"shipped_quantity", "received_quantity", "shipped_reason", "received_reason"}
DECISION = {"fate", "fate_reason"}


class DmsTransferLine(models.Model):
    _name = "dms.transfer.line"
    _description = "Goods of a Transfer"
    _order = "transfer_id, id"
    _check_company_auto = True

    transfer_id = fields.Many2one("dms.transfer", required=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(related="transfer_id.company_id", store=True, index=True)
    giver_id = fields.Many2one(related="transfer_id.giver_id", store=True, index="btree_not_null")
    taker_id = fields.Many2one(related="transfer_id.taker_id", store=True)
    state = fields.Selection(related="transfer_id.state", store=True)
    product_id = fields.Many2one(
        "product.product",
        required=True,
        ondelete="restrict",
        check_company=True,
        domain=[("type", "=", "consu")],
        index=True,
    )
    lot_id = fields.Many2one(
        "stock.lot",
        "Batch",
        ondelete="restrict",
        check_company=True,
        domain="[('product_id', '=', product_id)]",
        copy=False,
        help="Where it is known.",
    )
    expiration_date = fields.Date(
        "Expires On",
        compute="_compute_expiration_date",
        help="Where the batch is known and its expiry date is kept.",
    )
    product_uom_qty = fields.Float("Entered Quantity", digits="Product Unit", default=1.0, required=True)
    product_uom_id = fields.Many2one(
        "uom.uom",
        "Entered Unit",
        compute="_compute_product_uom_id",
        store=True,
        readonly=False,
        precompute=True,
        required=True,
        ondelete="restrict",
    )
    uom_id = fields.Many2one(related="product_id.uom_id", string="Unit")
    quantity = fields.Float(
        "Agreed",
        digits="Product Unit",
        compute="_compute_quantity",
        store=True,
        precompute=True,
        help="In the product's unit.",
    )
    shipped_quantity = fields.Float("Shipped", default=0.0, digits="Product Unit", readonly=True, copy=False)
    received_quantity = fields.Float(
        "Received", default=0.0, digits="Product Unit", readonly=True, copy=False
    )
    missing_quantity = fields.Float(
        "Not Arrived", digits="Product Unit", compute="_compute_missing", store=True
    )
    shipped_reason = fields.Char("Why Less Was Shipped", readonly=True, copy=False)
    received_reason = fields.Char("Why Less Was Received", readonly=True, copy=False)
    fate = fields.Selection(
        [("returned", "Back with the giver"), ("lost", "Lost")],
        "What Is Missing Is",
        copy=False,
        help="Goods that are lost are nobody's stock any more; the giver keeps the rebate credit for them.",
    )
    fate_reason = fields.Char("Reason", copy=False)

    _quantity_positive = models.Constraint(
        "CHECK(product_uom_qty > 0)", "Enter the quantity of each product, above zero, or take the line out."
    )
    _quantities = models.Constraint(
        "CHECK(shipped_quantity >= 0 AND received_quantity >= 0 AND received_quantity <= shipped_quantity)",
        "No more can be received than was shipped.",
    )

    # === COMPUTE ===

    @api.depends("product_id")
    def _compute_product_uom_id(self):
        for line in self:
            unit, entered = line.product_id.uom_id, line.product_uom_id
            if not entered or (unit and not entered._has_common_reference(unit)):
                line.product_uom_id = unit

    @api.depends("lot_id")
    def _compute_expiration_date(self):
        for line in self.sudo():
            line.expiration_date = line.lot_id._dms_get_expiry()

    @api.depends("product_uom_qty", "product_uom_id", "product_id")
    def _compute_quantity(self):
        for line in self:
            line.quantity = (
                line.product_uom_id._compute_quantity(
                    line.product_uom_qty, line.product_id.uom_id, round=False
                )
                if line.product_id and line.product_uom_id
                else line.product_uom_qty
            )

    @api.depends("shipped_quantity", "received_quantity", "state")
    def _compute_missing(self):
        for line in self:
            arrived = line.state in ("difference", "received")
            line.missing_quantity = arrived and line.shipped_quantity - line.received_quantity

    @api.depends("product_id", "quantity")
    @api.depends_context("lang")
    def _compute_display_name(self):
        for line in self.sudo():
            line.display_name = f"{format_quantity(self.env, line.quantity)} {line.uom_id.name or ''} {line.product_id.display_name or ''}"

    def _format_quantity(self, quantity):
        self.ensure_one()
        return f"{format_quantity(self.env, quantity)} {self.uom_id.name}"

    # === CONSTRAINTS ===

    @api.constrains("product_id", "product_uom_id", "product_uom_qty", "lot_id")
    def _check_quantity(self):
        for line in self.sudo():
            product, unit = line.product_id, line.product_id.uom_id
            if not line.product_uom_id._has_common_reference(unit):
                raise ValidationError(
                    self.env._(
                        "%(product)s is counted in %(unit)s, which %(entered)s can't be converted to.",
                        product=product.display_name,
                        unit=unit.name,
                        entered=line.product_uom_id.name,
                    )
                )
            exact = line.product_uom_id._compute_quantity(line.product_uom_qty, unit, round=False)
            if abs(unit.round(exact) - exact) > 1e-9:
                raise ValidationError(
                    self.env._(
                        "%(quantity)s %(entered)s of %(product)s are no whole number of %(unit)s. Round the quantity.",
                        quantity=line.product_uom_qty,
                        entered=line.product_uom_id.name,
                        product=product.display_name,
                        unit=unit.name,
                    )
                )
            if line.lot_id and line.lot_id.product_id != product:
                raise ValidationError(
                    self.env._(
                        "Batch %(batch)s is one of %(other)s, not of %(product)s.",
                        batch=line.lot_id.name,
                        other=line.lot_id.product_id.display_name,
                        product=product.display_name,
                    )
                )

    # === CRUD ===

    @api.model_create_multi
    def create(self, vals_list):
        if not guard.is_marked(self) and any(GUARDED & vals.keys() for vals in vals_list):
            raise UserError(self.env._("What was shipped and received is noted by shipping and receiving."))
        transfers = self.env["dms.transfer"].browse(
            {vals["transfer_id"] for vals in vals_list if vals.get("transfer_id")}
        )
        transfers._check_terms_open()
        lines = super().create(vals_list)
        if not guard.is_marked(self):
            lines.transfer_id._terms_changed()
        return lines

    def write(self, vals):
        if guard.is_marked(self):
            return super().write(vals)
        if GUARDED & vals.keys():
            raise UserError(self.env._("What was shipped and received is noted by shipping and receiving."))
        if DECISION & vals.keys() and self.filtered(lambda line: line.state in ("received", "cancelled")):
            raise UserError(self.env._("What became of the missing goods is booked and can't be changed."))
        if not TERMS & vals.keys():
            return super().write(vals)
        self.transfer_id._check_terms_open()
        result = super().write(vals)
        self.transfer_id._terms_changed()
        return result

    def unlink(self):
        transfers = self.transfer_id
        transfers._check_terms_open()
        result = super().unlink()
        transfers._terms_changed()
        return result

    # === BUSINESS ===

    @api.model
    def _get_promised(self, partners, products, without=None):
        """What givers have agreed to pass on and not handed over yet.

        :param without: transfers to leave out
        :return: ``{(company id, partner id, product id): quantity}`` in the product's unit
        """
        domain = [
            ("giver_id", "in", partners.ids),
            ("product_id", "in", products.ids),
            "|",
            ("state", "=", "agreed"),
            "&",
            ("state", "=", "proposed"),
            ("transfer_id.giver_agreed", "=", True),
        ]
        if without:
            domain.append(("transfer_id", "not in", without.ids))
        return {
            (company.id, giver.id, product.id): quantity
            for company, giver, product, quantity in self._read_group(
                domain, ["company_id", "giver_id", "product_id"], ["quantity:sum"]
            )
        }

    @api.model
    def _get_transit_sql(self):
        """Answer a query (company_id, partner_id, product_id, quantity) of goods shipped to takers and not yet there,
        nor known to be missing for good."""
        return SQL(
            """
            SELECT transfer.company_id, transfer.taker_id AS partner_id, line.product_id,
                   line.shipped_quantity - line.received_quantity AS quantity
              FROM dms_transfer_line line
              JOIN dms_transfer transfer ON transfer.id = line.transfer_id
             WHERE transfer.state IN ('shipped', 'difference') AND line.shipped_quantity != line.received_quantity
            """
        )

    def _prepare_move_vals(self, partner, day, layer, sign):
        """Values of the ledger's move of one layer. The price of the sell-in is the brand's and the giver's affair: it
        stands apart from the price that a distributor sees with its own moves."""
        self.ensure_one()
        return {
            "kind": "transfer",
            "company_id": self.company_id.id,
            "partner_id": partner.id,
            "product_id": self.product_id.id,
            "lot_id": self.lot_id.id,
            "date": day,
            "quantity": sign * float(layer.quantity),
            "currency_id": self.company_id.currency_id.id,
            "transfer_line_id": self.id,
            "layer_date": layer.day,
            "layer_price": float(layer.price),
            "origin": self.transfer_id.name,
        }

    def _get_carried_layers(self):
        """The layers that the line brought to the taker, oldest first."""
        self.ensure_one()
        self.env["dms.channel.move"].flush_model()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT layer_date, SUM(quantity)::text, layer_price::text FROM dms_channel_move
                 WHERE transfer_line_id = %s AND partner_id = %s
              GROUP BY layer_date, layer_price HAVING SUM(quantity) > 0
              ORDER BY layer_date, layer_price
                """,
                self.id,
                self.taker_id.id,
            )
        )
        return [layers.Layer(day, Decimal(quantity), Decimal(price)) for day, quantity, price in rows]
