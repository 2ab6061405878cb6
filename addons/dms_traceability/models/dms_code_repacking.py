from collections import Counter, defaultdict

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Command
from odoo.tools import plaintext2html

from odoo.addons.dms_channel.tools import guard

from ..tools import gs1, gs1_link

GUARDED = {"date_done", "event_id", "made_count", "move_ids", "name", "order_id", "state", "used_count"}
TERMS = {"company_id", "component_ids", "location_id", "made_text", "used_text"}


class DmsCodeRepacking(models.Model):
    """Goods made of other goods in the own warehouse: gift sets, bundles, relabelled or refilled items.

    Done, it is one transformation event, the stock moves of what was used up and made, and a value that goes from the
    one to the other.
    """

    _name = "dms.code.repacking"
    _description = "Repacking"
    _inherit = ["mail.thread", "mail.activity.mixin", "barcodes.barcode_events_mixin"]
    _order = "id desc"
    _check_company_auto = True

    name = fields.Char(
        "Repacking No.", default=lambda self: self.env._("New"), readonly=True, copy=False, index="trigram"
    )
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company
    )
    user_id = fields.Many2one("res.users", "Responsible", default=lambda self: self.env.user, tracking=True)
    location_id = fields.Many2one(
        "stock.location",
        "Where",
        compute="_compute_location_id",
        store=True,
        readonly=False,
        required=True,
        precompute=True,
        check_company=True,
        domain=[("usage", "=", "internal")],
    )
    scan_as = fields.Selection(
        [("used", "What Is Used Up"), ("made", "What Is Made")],
        "Scanner Reads",
        required=True,
        default="used",
    )
    used_text = fields.Text("Codes Used Up", copy=False, help="Units, or packages with all that is in them.")
    made_text = fields.Text(
        "Codes of New Items", copy=False, help="Labels of one code order in use, not packed yet."
    )
    component_ids = fields.One2many(
        "dms.code.repacking.component",
        "repacking_id",
        "Components without Codes",
        copy=True,
        help="Boxes, leaflets and goods that carry no codes.",
    )
    summary = fields.Text(compute="_compute_summary", help="What the scanned codes stand for.")
    state = fields.Selection(
        [("draft", "Draft"), ("done", "Done"), ("undone", "Undone")],
        "Status",
        default="draft",
        required=True,
        readonly=True,
        copy=False,
        tracking=True,
        index=True,
    )
    date_done = fields.Datetime("Done On", readonly=True, copy=False)
    order_id = fields.Many2one(
        "dms.code.order", "Code Order of the New Items", readonly=True, copy=False, index="btree_not_null"
    )
    product_id = fields.Many2one(related="order_id.product_id", string="New Product", store=True)
    lot_id = fields.Many2one(related="order_id.lot_id", string="New Batch", store=True)
    used_count = fields.Integer("Items Used Up", readonly=True, copy=False)
    made_count = fields.Integer("Items Made", readonly=True, copy=False)
    event_id = fields.Many2one("dms.trace.event", readonly=True, copy=False, index="btree_not_null")
    move_ids = fields.One2many("stock.move", "dms_repacking_id", "Stock Moves", readonly=True, copy=False)

    @api.depends("company_id")
    def _compute_location_id(self):
        places = dict(
            self.env["stock.warehouse"]._read_group(
                [("company_id", "in", self.company_id.ids)], ["company_id"], ["lot_stock_id:min"]
            )
        )
        for repacking in self:
            if repacking.location_id.company_id != repacking.company_id:
                repacking.location_id = places.get(repacking.company_id)

    @api.depends("used_text", "made_text")
    def _compute_summary(self):
        for repacking in self:
            lines = []
            for what, text in (("used", repacking.used_text), ("made", repacking.made_text)):
                if repacking.state != "draft" or not (text or "").strip():
                    continue
                try:
                    keys = repacking._read_keys(text)
                except UserError as error:
                    lines.append(str(error))
                    continue
                lines += repacking._describe(what, keys)
            repacking.summary = "\n".join(lines)

    def _describe(self, what, keys):
        """Lines that say how many of which goods scanned codes stand for; ``what`` is ``used`` or ``made``."""
        total = Counter()
        for own in self.env["dms.code"].sudo()._count_contents(keys).values():
            total.update(own)
        lines = []
        for order_sudo in self.env["dms.code.order"].sudo().browse(total):
            words = {
                "units": total[order_sudo.id],
                "product": order_sudo.product_id.display_name,
                "lot": order_sudo.lot_id.name or "–",
            }
            lines.append(
                self.env._("Used up: %(units)s × %(product)s, batch %(lot)s", **words)
                if what == "used"
                else self.env._("New: %(units)s × %(product)s, batch %(lot)s", **words)
            )
        return lines

    @api.constrains("location_id")
    def _check_location(self):
        for repacking in self:
            if repacking.location_id.usage != "internal":
                raise ValidationError(
                    self.env._(
                        "%s is no place of your own warehouse. Choose where the goods lie.",
                        repacking.location_id.display_name,
                    )
                )

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            self.browse()._check_guarded(vals)
            company = self.env["res.company"].browse(vals.get("company_id")) or self.env.company
            vals["name"] = self.env["ir.sequence"].with_company(company).next_by_code("dms.code.repacking")
        return super().create(vals_list)

    def write(self, vals):
        self._check_guarded(vals)
        return super().write(vals)

    def _check_guarded(self, vals):
        if guard.is_marked(self):
            return
        if GUARDED & vals.keys():
            raise UserError(self.env._("The state of a repacking changes by its buttons only."))
        done = self.filtered(lambda repacking: repacking.state != "draft")
        if done and TERMS & vals.keys():
            raise UserError(
                self.env._(
                    "%s is done, so what it used up and made can't change. Undo it, and make another.",
                    ", ".join(done.mapped("name")),
                )
            )

    @api.ondelete(at_uninstall=False)
    def _unlink_except_done(self):
        done = self.filtered(lambda repacking: repacking.state != "draft")
        if done:
            raise UserError(self.env._("%s moved goods: it stays on record.", ", ".join(done.mapped("name"))))

    def on_barcode_scanned(self, barcode):
        if self.state == "draft":
            name = f"{self.scan_as}_text"
            self[name] = "\n".join(filter(None, [self[name], barcode]))

    # --- Doing ------------------------------------------------------------------------------------

    def action_done(self):
        """Use up what was scanned, and let the new labels stand for what was made of it."""
        for repacking in self:
            guard.lock(repacking, "state")
            if repacking.state != "draft":
                raise UserError(self.env._("%s is done already.", repacking.name))
            repacking._check_company()
            used = repacking._read_keys(repacking.used_text)
            made = repacking._read_keys(repacking.made_text)
            if not used or not made:
                raise UserError(
                    self.env._("Scan the codes of what is used up, and the labels of what was made of it.")
                )
            summary = "\n".join(repacking._describe("used", used) + repacking._describe("made", made))
            Code_sudo = self.env["dms.code"].sudo()
            event, units = Code_sudo._transform(used, made, payload=repacking._get_payload())
            guard.mark(repacking).write(
                {
                    "state": "done",
                    "date_done": event.event_time,
                    "event_id": event.id,
                    "order_id": event.order_id.id,
                    "used_count": len(units),
                    "made_count": len(made),
                    # No code stays in the database: the event knows their keys.
                    "used_text": False,
                    "made_text": False,
                }
            )
            repacking._move_stock(units)
            repacking.message_post(body=plaintext2html(summary))
        return True

    def action_undo(self):
        """It did not happen: labels, stock and value are as before, and the event is declared wrong."""
        for repacking in self:
            guard.lock(repacking, "state")
            if repacking.state != "done":
                raise UserError(self.env._("%s is not done, so there is nothing to undo.", repacking.name))
            used, made = repacking._get_keys()
            self.env["dms.code"].sudo()._undo_transformation(repacking.event_id, used, made)
            repacking._move_back()
            guard.mark(repacking).state = "undone"
        return True

    def action_open_codes(self):
        self.ensure_one()
        return self.event_id.action_open_codes()

    def action_open_moves(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("stock.stock_move_action")
        return {
            **action,
            "views": [(False, "list"), (False, "form")],
            "domain": [("dms_repacking_id", "=", self.id)],
            "context": {"create": False},
        }

    def _read_keys(self, text):
        """Keys of the scanned codes, each once.

        :raise UserError: names a code that is none of the company's
        """
        self.ensure_one()
        texts = list(dict.fromkeys(line.strip() for line in (text or "").splitlines() if line.strip()))
        keys = self.env["dms.code"].sudo()._read_own_keys(texts, self.company_id)
        for text, key in zip(texts, keys, strict=True):
            if key is None:
                raise UserError(self.env._("%s is none of our codes. Scan the label again.", text))
        return list(dict.fromkeys(keys))

    def _get_keys(self):
        """``(keys used up, keys made)`` of what is done."""
        self.ensure_one()
        order_sudo = self.order_id.sudo()
        used, made = [], []
        for first, last in self.event_id._get_runs():
            target = made if order_sudo.first_key <= first <= order_sudo.last_key else used
            target += range(first, last + 1)
        return used, made

    def _get_payload(self):
        """The components in the words of EPCIS: classes and quantities."""
        root = self.env["dms.code"]._get_resolver_url().rstrip("/")
        classes = []
        for component in self.component_ids:
            try:
                gtin = gs1.to_gtin14(component.product_id.barcode)
                batch = [("10", component.lot_id.name)] if component.lot_id else []
                name = gs1_link.build([("01", gtin), *batch])
            except ValueError:
                name = f"{root}/epcis/product/{component.product_id.id}"
            classes.append({"epcClass": name, "quantity": component.quantity})
        return {"inputQuantityList": classes} if classes else None

    # --- Stock ------------------------------------------------------------------------------------

    def _move_stock(self, units):
        """What was used up leaves the warehouse, what was made enters it."""
        self.ensure_one()
        needed = defaultdict(float)
        for order_sudo, keys in self.env["dms.code.order"].sudo()._of_keys(units).items():
            needed[order_sudo.product_id, order_sudo.lot_id] += len(keys)
        for component in self.component_ids:
            if component.product_id.tracking != "none" and not component.lot_id:
                raise UserError(
                    self.env._(
                        "%s is tracked: enter the batch of the component.", component.product_id.display_name
                    )
                )
            needed[component.product_id, component.lot_id] += component.quantity
        Quant_sudo = self.env["stock.quant"].sudo()
        vals_list = []
        for (product, lot), quantity in needed.items():
            if product.is_storable:
                there = Quant_sudo._get_available_quantity(product, self.location_id, lot_id=lot or None)
                if product.uom_id.compare(there, quantity) < 0:
                    raise UserError(
                        self.env._(
                            "%(place)s has %(there)s of %(product)s, batch %(lot)s, that nobody has reserved; "
                            "%(quantity)s are used up. Choose where the goods lie, or correct the stock.",
                            place=self.location_id.display_name,
                            there=there,
                            product=product.display_name,
                            lot=lot.name or "–",
                            quantity=quantity,
                        )
                    )
            vals_list.append(self._prepare_move(product, lot, quantity, used=True))
        Move_sudo = self.env["stock.move"].sudo()
        Move_sudo.create(vals_list)._action_done()
        made = self._prepare_move(self.product_id, self.lot_id, self.made_count, used=False)
        Move_sudo.create(made)._action_done()

    def _prepare_move(self, product, lot, quantity, used):
        away = product.with_company(self.company_id).property_stock_production
        places = (self.location_id, away) if used else (away, self.location_id)
        values = {
            "product_id": product.id,
            "location_id": places[0].id,
            "location_dest_id": places[1].id,
        }
        return {
            **values,
            "origin": self.name,
            "company_id": self.company_id.id,
            "product_uom": product.uom_id.id,
            "product_uom_qty": quantity,
            "picked": True,
            "dms_repacking_id": self.id,
            "move_line_ids": [
                Command.create(
                    {**values, "product_uom_id": product.uom_id.id, "quantity": quantity, "lot_id": lot.id}
                )
            ],
        }

    def _move_back(self):
        self.ensure_one()
        done = self.sudo().move_ids.filtered(lambda move: move.state == "done")
        # What was made goes first, so that its value is there for what comes back.
        for move in done.sorted(lambda move: move.location_dest_id != self.location_id):
            line = move.move_line_ids[:1]
            values = self._prepare_move(
                move.product_id, line.lot_id, move.quantity, used=move.location_dest_id == self.location_id
            )
            move.create({**values, "origin_returned_move_id": move.id})._action_done()
