from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL


class DmsShelfLevel(models.Model):
    """What is on a shop's shelf by the last reading, product by product; follows from ``dms.shelf.reading``."""

    _name = "dms.shelf.level"
    _description = "On the Shelf"
    _order = "is_out desc, out_since, outlet_id, product_id"
    _rec_name = "product_id"
    _log_access = False

    company_id = fields.Many2one("res.company", required=True, readonly=True, index=True)
    partner_id = fields.Many2one(
        "res.partner", string="Distributor", required=True, readonly=True, index=True, ondelete="cascade"
    )
    outlet_id = fields.Many2one("res.partner", required=True, readonly=True, ondelete="cascade")
    city = fields.Char(related="outlet_id.city")
    territory_id = fields.Many2one(related="outlet_id.territory_id", string="Territory")
    product_id = fields.Many2one("product.product", required=True, readonly=True, ondelete="cascade")
    uom_id = fields.Many2one(related="product_id.uom_id", string="Unit")
    quantity = fields.Float(string="On the Shelf", digits="Product Unit", readonly=True)
    moment = fields.Datetime(string="Last Reading", required=True, readonly=True)
    device_code = fields.Char(string="Device", readonly=True)
    is_out = fields.Boolean(
        string="Out of Shelf", readonly=True, help="The last reading found nothing on the shelf."
    )
    out_since = fields.Datetime(
        readonly=True, help="The first of the readings without a break that found nothing."
    )

    _shelf_uniq = models.UniqueIndex("(company_id, outlet_id, product_id)", "A shelf has one level.")

    @api.model_create_multi
    def create(self, vals_list):
        raise UserError(self.env._("What is on a shelf follows from its readings."))

    def write(self, vals):
        raise UserError(self.env._("What is on a shelf follows from its readings."))

    def action_open_readings(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_shelf_reading_action")
        return action | {
            "domain": [("outlet_id", "=", self.outlet_id.id), ("product_id", "=", self.product_id.id)],
            "context": {},
        }

    @api.model
    def _refresh(self, shelves):
        """Take the last reading of each of ``shelves``, and drop those that have none any more.

        :param SQL shelves: answers (company_id, outlet_id, product_id), each once
        :return: number of shelves that have a level
        """
        self.env.cr.execute(
            SQL(
                """
                DELETE FROM dms_shelf_level level USING (%(shelves)s) shelf
                 WHERE level.company_id = shelf.company_id AND level.outlet_id = shelf.outlet_id
                   AND level.product_id = shelf.product_id
                   AND NOT EXISTS (SELECT FROM dms_shelf_reading reading
                                    WHERE reading.company_id = shelf.company_id
                                      AND reading.outlet_id = shelf.outlet_id
                                      AND reading.product_id = shelf.product_id)
                """,
                shelves=shelves,
            )
        )
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO dms_shelf_level (company_id, partner_id, outlet_id, product_id, quantity, moment,
                                             device_code, is_out, out_since)
                SELECT shelf.company_id, last.partner_id, shelf.outlet_id, shelf.product_id, last.quantity, last.moment,
                       last.device_code, last.quantity <= 0, gap.since
                  FROM (%(shelves)s) shelf
            CROSS JOIN LATERAL (
                       SELECT partner_id, quantity, moment, device_code FROM dms_shelf_reading
                        WHERE company_id = shelf.company_id AND outlet_id = shelf.outlet_id
                          AND product_id = shelf.product_id
                     ORDER BY moment DESC, id DESC LIMIT 1
                       ) last
             LEFT JOIN LATERAL (
                       SELECT moment FROM dms_shelf_reading
                        WHERE company_id = shelf.company_id AND outlet_id = shelf.outlet_id
                          AND product_id = shelf.product_id AND quantity > 0
                     ORDER BY moment DESC LIMIT 1
                       ) filled ON last.quantity <= 0
             LEFT JOIN LATERAL (
                       SELECT moment AS since FROM dms_shelf_reading
                        WHERE company_id = shelf.company_id AND outlet_id = shelf.outlet_id
                          AND product_id = shelf.product_id AND quantity <= 0
                          AND moment >= COALESCE(filled.moment, '-infinity')
                     ORDER BY moment LIMIT 1
                       ) gap ON last.quantity <= 0
                ON CONFLICT (company_id, outlet_id, product_id) DO UPDATE
                   SET partner_id = EXCLUDED.partner_id, quantity = EXCLUDED.quantity, moment = EXCLUDED.moment,
                       device_code = EXCLUDED.device_code, is_out = EXCLUDED.is_out, out_since = EXCLUDED.out_since
                """,
                shelves=shelves,
            )
        )
        touched = self.env.cr.rowcount
        self.invalidate_model()
        return touched
