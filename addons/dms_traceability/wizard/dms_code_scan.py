from odoo import api, fields, models
from odoo.exceptions import UserError


class DmsCodeScan(models.TransientModel):
    """Scan codes on a delivery: by a hand scanner, by pasting, or all at once from what is in stock."""

    _name = "dms.code.scan"
    _description = "Scan Codes on a Delivery"
    _inherit = "barcodes.barcode_events_mixin"

    picking_id = fields.Many2one("stock.picking", required=True, readonly=True)
    partner_id = fields.Many2one(related="picking_id.partner_id", string="Deliver To")
    line_ids = fields.One2many("dms.code.scan.line", "wizard_id", readonly=True)
    codes_text = fields.Text("Codes")
    message = fields.Text(readonly=True)
    success = fields.Boolean(readonly=True)
    complete = fields.Boolean(compute="_compute_complete")

    @api.depends("line_ids.missing")
    def _compute_complete(self):
        for wizard in self:
            wizard.complete = bool(wizard.line_ids) and not any(line.missing for line in wizard.line_ids)

    @api.model_create_multi
    def create(self, vals_list):
        wizards = super().create(vals_list)
        wizards._refresh()
        return wizards

    def on_barcode_scanned(self, barcode):
        self.codes_text = "\n".join(filter(None, [self.codes_text, barcode]))

    def action_add(self):
        self.ensure_one()
        texts = [line.strip() for line in (self.codes_text or "").splitlines() if line.strip()]
        if not texts:
            raise UserError(self.env._("Scan or paste the codes of cases or units first, one on each line."))
        outcomes = self.picking_id._dms_add_codes(texts)
        refused = [outcome for outcome in outcomes if not outcome["ok"]]
        message = [
            self.env._(
                "%(labels)s codes accepted, %(units)s units.",
                labels=len(outcomes) - len(refused),
                units=sum(outcome["units"] for outcome in outcomes if outcome["ok"]),
            )
        ]
        message += [f"{outcome['text']}: {outcome['message']}" for outcome in refused]
        # What was refused stays in the box, to be mended or thrown away.
        self.write({"codes_text": "\n".join(outcome["text"] for outcome in refused)})
        return self._reopen("\n".join(message), not refused)

    def action_assign(self):
        self.ensure_one()
        units = self.picking_id._dms_assign_codes()
        self._refresh()
        if self.complete:
            message = self.env._("%s units assigned: the delivery is complete.", units)
        else:
            message = self.env._(
                "%s units assigned. There are not enough codes in use for the rest: put a code order of the product "
                "and batch in use, then assign again.",
                units,
            )
        return self._reopen(message, self.complete)

    def action_clear(self):
        self.ensure_one()
        self.picking_id._dms_check_scannable()
        self.picking_id._dms_release_codes()
        return self._reopen(self.env._("All codes are taken off the delivery."), True)

    def _refresh(self):
        for wizard in self:
            lines = wizard.picking_id._dms_get_scan_lines() if wizard.picking_id else []
            wizard.line_ids = [fields.Command.clear()] + [
                fields.Command.create(
                    {
                        "product_id": line["product"].id,
                        "lot_id": line["lot"].id,
                        "expected": line["expected"],
                        "scanned": line["scanned"],
                        "missing": line["expected"] - line["scanned"],
                    }
                )
                for line in lines
            ]

    def _reopen(self, message=False, success=False):
        self.ensure_one()
        self.write({"message": message, "success": success})
        self._refresh()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Unit Codes of %s", self.picking_id.name),
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
            "target": "new",
        }
