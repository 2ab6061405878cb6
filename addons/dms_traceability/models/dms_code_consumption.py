from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..fields import BigInteger
from .dms_code_tables import CONSUMED, DESTROYED, PRINTED, VOID


class DmsCodeConsumption(models.Model):
    """An item was opened: its code under the cap was entered. Once per item, by the database."""

    _name = "dms.code.consumption"
    _description = "Opened Item"
    _order = "date desc, id desc"
    _rec_name = "serial"

    date = fields.Datetime("Opened On", required=True, readonly=True, index=True)
    code_key = BigInteger(required=True, readonly=True, aggregator=None)
    gtin = fields.Char("GTIN", readonly=True)
    serial = fields.Char(
        "Serial Number", readonly=True, help="The serial number outside; the hidden one is not kept."
    )
    order_id = fields.Many2one("dms.code.order", "Code Order", required=True, readonly=True, index=True)
    company_id = fields.Many2one("res.company", required=True, readonly=True, index=True)
    product_id = fields.Many2one("product.product", required=True, readonly=True, index=True)
    lot_id = fields.Many2one("stock.lot", "Batch", readonly=True, index="btree_not_null")
    partner_id = fields.Many2one("res.partner", "Distributor", readonly=True, index="btree_not_null")
    device = fields.Char(
        readonly=True, help="A hash that changes every month; it tells devices apart, not people."
    )
    coupon_id = fields.Many2one("loyalty.card", "Reward", readonly=True, index="btree_not_null")

    _once = models.Constraint("UNIQUE(code_key)", "This item was opened before.")

    def write(self, vals):
        raise UserError(self.env._("What was opened is recorded once and never changed."))

    @api.model
    def _find(self, key):
        return self.sudo().search([("code_key", "=", key)], limit=1)

    @api.model
    def _consume(self, info, device):
        """Record that an item was opened, and give its reward.

        :param info: what ``dms.code._resolve(..., cap=True)`` says of the code under the cap
        :param str device: see ``dms.scan._hash_device``
        :return: ``(the record in sudo, whether this call was the first)``; an empty record for an item that is not in
            use
        """
        if info["state"] in (PRINTED, VOID, DESTROYED):
            return self.sudo(), False
        order_sudo = info["order"].sudo()
        ((_gtin, serial),) = self.env["dms.code"].sudo()._get_serials([info["key"]]).values()
        self.flush_model()
        # The unique index decides between two who enter the same code at once: the second waits, then finds it taken.
        rows = self.env.execute_query(
            SQL(
                """
                INSERT INTO dms_code_consumption (date, code_key, gtin, serial, order_id, company_id, product_id,
                                                  lot_id, partner_id, device, create_uid, create_date)
                     VALUES (%(now)s, %(key)s, %(gtin)s, %(serial)s, %(order)s, %(company)s, %(product)s,
                             %(lot)s, %(partner)s, %(device)s, %(user)s, %(now)s)
                ON CONFLICT (code_key) DO NOTHING RETURNING id
                """,
                now=fields.Datetime.now(),
                key=info["key"],
                gtin=info["gtin"],
                serial=serial,
                order=order_sudo.id,
                company=order_sudo.company_id.id,
                product=order_sudo.product_id.id,
                lot=order_sudo.lot_id.id or None,
                partner=info["partner_id"],
                device=device,
                user=self.env.uid,
            )
        )
        if not rows:
            return self._find(info["key"]), False
        record_sudo = self.sudo().browse(rows[0][0])
        self.env.cr.execute(
            "UPDATE dms_trace_code SET state = %s WHERE key = %s AND state < %s",
            [CONSUMED, info["key"], CONSUMED],
        )
        program_sudo = order_sudo.reward_program_id
        if program_sudo.active and program_sudo.program_type == "coupons":
            coupon = program_sudo.env["loyalty.card"].create({"program_id": program_sudo.id, "points": 1})
            self.env.cr.execute(
                "UPDATE dms_code_consumption SET coupon_id = %s WHERE id = %s", [coupon.id, record_sudo.id]
            )
        record_sudo.invalidate_recordset()
        self.env["dms.trace.event"].sudo()._record(
            "decommissioning",
            [info["key"]],
            company=order_sudo.company_id,
            partner=record_sudo.partner_id,
            order=order_sudo,
            payload={"reason": "consumed"},
        )
        return record_sudo, True
