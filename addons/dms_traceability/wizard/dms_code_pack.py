from odoo import api, fields, models
from odoo.exceptions import UserError


class DmsCodePack(models.TransientModel):
    """Pack, unpack, take out, replace a damaged label, or ask what was inside: with a scanner at the packing table."""

    _name = "dms.code.pack"
    _description = "Packing"
    _inherit = "barcodes.barcode_events_mixin"

    task = fields.Selection(
        [
            ("pack", "Pack"),
            ("take_out", "Take Out"),
            ("unpack", "Open Package"),
            ("replace", "Replace Label"),
            ("look", "Look Inside"),
        ],
        required=True,
        default="pack",
    )
    box_text = fields.Char("Package", help="Scan or type the label of the inner box, case or pallet.")
    labels_text = fields.Text("Labels")
    moment = fields.Datetime("Inside On", help="Leave it empty to see what is inside now.")
    message = fields.Text(readonly=True)
    success = fields.Boolean(readonly=True)

    def on_barcode_scanned(self, barcode):
        if not self.box_text and self.task != "take_out":
            self.box_text = barcode
        else:
            self.labels_text = "\n".join(filter(None, [self.labels_text, barcode]))

    @api.onchange("task")
    def _onchange_task(self):
        self.update({"message": False, "success": False})

    def action_new_pallet(self):
        """A new pallet with an SSCC, which the next scans are packed on."""
        self.ensure_one()
        self.check_access("write")
        package = self.env["stock.package"]._dms_create_logistic(self.env.company)
        self.box_text = f"(00){package.name}"
        return self._reopen(self.env._("Pallet %s is ready: scan what stands on it.", package.name), True)

    def action_apply(self):
        self.ensure_one()
        try:
            # A refusal leaves what was scanned in the window, to be mended there.
            with self.env.cr.savepoint():
                message = getattr(self, f"_apply_{self.task}")()
        except UserError as error:
            return self._reopen(str(error), False)
        return self._reopen(message, True)

    def _read(self, text, what):
        texts = [line.strip() for line in (text or "").splitlines() if line.strip()]
        if not texts:
            raise UserError(self.env._("Scan or type %s first.", what))
        keys = self.env["dms.code"]._read_own_keys(texts, self.env.companies)
        for text, key in zip(texts, keys, strict=True):
            if key is None:
                raise UserError(self.env._("%s is none of our codes. Scan the label again.", text))
        return keys

    def _read_box(self):
        keys = self._read(self.box_text, self.env._("the package"))
        if len(keys) > 1:
            raise UserError(self.env._("Scan one package only."))
        return keys[0]

    def _apply_pack(self):
        box, keys = self._read_box(), self._read(self.labels_text, self.env._("what goes into the package"))
        self.env["dms.code"].sudo()._pack_into(box, keys)
        units = self.env["dms.code"]._count_units([box])[box]
        self.labels_text = False
        return self.env._(
            "%(labels)s labels packed; %(units)s units are inside now.", labels=len(set(keys)), units=units
        )

    def _apply_take_out(self):
        keys = self._read(self.labels_text, self.env._("what you take out"))
        out = self.env["dms.code"].sudo()._take_out(keys)
        if not out:
            raise UserError(self.env._("None of these labels stands in a package."))
        self.labels_text = False
        return self.env._("%s labels taken out.", len(out))

    def _apply_unpack(self):
        box = self._read_box()
        if not self.env["dms.code"]._count_units([box]).get(box):
            raise UserError(self.env._("Nothing is inside."))
        self.env["dms.code"].sudo()._unpack([box])
        self.box_text = False
        return self.env._("The package is opened: its label is void, what was inside is loose.")

    def _apply_replace(self):
        box, keys = self._read_box(), self._read(self.labels_text, self.env._("the new label"))
        if len(keys) > 1:
            raise UserError(self.env._("One new label stands for one damaged one: scan a single new label."))
        self.env["dms.code"].sudo()._replace_label(box, keys[0])
        self.update({"box_text": False, "labels_text": False})
        return self.env._("The new label stands for the damaged one, which is void.")

    def _apply_look(self):
        Code = self.env["dms.code"]
        box = self._read_box()
        parent = Code._get_parents([box], self.moment).get(box)
        runs = Code._get_units([box], self.moment).get(box, [])
        orders = Code.env["dms.code.order"]._of_keys([first for first, _last in runs])
        lines = []
        for order, firsts in orders.items():
            units = sum(last - first + 1 for first, last in runs if first in set(firsts))
            lines.append(
                self.env._(
                    "%(units)s × %(product)s, batch %(lot)s",
                    units=units,
                    product=order.product_id.display_name,
                    lot=order.lot_id.name or "–",
                )
            )
        if parent:
            lines.append(self.env._("It stands in %s.", Code._get_serials([parent])[parent][1]))
        return "\n".join(lines) or self.env._("Nothing is inside.")

    def _reopen(self, message, success):
        self.write({"message": message, "success": success})
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Packing"),
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
            "target": "new",
        }
