from odoo import fields, models
from odoo.exceptions import AccessError, UserError

from ..tools import guard

RECEIPT_FIELDS = {"dms_distributor_id", "dms_receipt_state"}


class StockPicking(models.Model):
    _inherit = "stock.picking"

    dms_distributor_id = fields.Many2one(
        comodel_name="res.partner",
        string="Delivered to Distributor",
        readonly=True,
        copy=False,
        index="btree_not_null",
    )
    dms_receipt_state = fields.Selection(
        selection=[("in_transit", "In Transit"), ("received", "Received")],
        string="Receipt",
        readonly=True,
        copy=False,
        tracking=True,
        index="btree_not_null",
        help="Goods shipped to a distributor are in transit until it signs for them.",
    )
    dms_received_by = fields.Char(string="Received By", readonly=True, copy=False)
    dms_received_on = fields.Datetime(string="Received On", readonly=True, copy=False)
    dms_signature = fields.Image(
        string="Receipt Signature",
        max_width=1024,
        max_height=512,
        attachment=True,
        readonly=True,
        copy=False,
    )

    def write(self, vals):
        if RECEIPT_FIELDS & vals.keys() and not guard.is_marked(self):
            raise UserError(
                self.env._("A receipt follows from shipping the goods and from the distributor's signature.")
            )
        return super().write(vals)

    def action_dms_receive(self):
        """Note the receipt for a distributor that confirmed it by other means."""
        self.check_access("write")
        for picking in self:
            picking._dms_sign_receipt(picking.dms_distributor_id.name, None)

    def _dms_sign_receipt(self, name, signature):
        """Take the distributor's receipt of a delivery: its goods are no longer in transit.

        A portal user may sign for its own company's deliveries. Signing twice changes nothing.

        :param str name: who received the goods
        :param signature: image, base64; None where the receipt was confirmed by other means
        """
        self.ensure_one()
        own = self.env.user.partner_id.sudo().commercial_partner_id
        picking_sudo = self.sudo()
        if self.env.user._is_portal() and picking_sudo.dms_distributor_id != own:
            raise AccessError(self.env._("You may sign for deliveries to your own company only."))
        if picking_sudo.dms_receipt_state == "received":
            return
        if picking_sudo.dms_receipt_state != "in_transit":
            raise UserError(
                self.env._(
                    "%(picking)s has not been shipped to a distributor yet.", picking=picking_sudo.name
                )
            )
        if not (name or "").strip():
            raise UserError(self.env._("Enter the name of the person who received the goods."))
        guard.mark(picking_sudo).write(
            {
                "dms_receipt_state": "received",
                "dms_received_by": name.strip(),
                "dms_received_on": fields.Datetime.now(),
                "dms_signature": signature,
            }
        )
        moves_sudo = picking_sudo.env["dms.channel.move"].search(
            [("stock_move_id", "in", picking_sudo.move_ids.ids)]
        )
        moves_sudo._lock_partners(moves_sudo.partner_id.ids)
        picking_sudo.env["dms.channel.position"]._refresh_in_transit(
            moves_sudo.partner_id, moves_sudo.product_id
        )
        picking_sudo._message_log(
            author_id=self.env.user.partner_id.id,
            body=self.env._("Goods received by %(name)s.", name=name.strip()),
        )
