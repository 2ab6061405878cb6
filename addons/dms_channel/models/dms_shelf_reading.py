from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from .bulk_many2one import BulkMany2one

#: Columns that a source query of :meth:`DmsShelfReading._append` answers, in this order.
READING_COLUMNS = (
    "company_id",
    "partner_id",
    "outlet_id",
    "product_id",
    "device_code",
    "moment",
    "date",
    "quantity",
    "feed_id",
)


class DmsShelfReading(models.Model):
    """What a sensor saw on a shop's shelf at a moment. The shop's stock is nobody's ledger: a reading is no move.

    Lean, because a chain of sensors sends a row every few minutes. Added by released feeds only, and taken away when
    the feed is reversed; ``dms.shelf.level`` keeps the last one of each outlet and product.
    """

    _name = "dms.shelf.reading"
    _description = "Shelf Reading"
    _order = "moment desc, id desc"
    _rec_name = "device_code"
    _log_access = False

    company_id = BulkMany2one(comodel_name="res.company", required=True, readonly=True)
    partner_id = BulkMany2one(
        comodel_name="res.partner", string="Distributor", required=True, readonly=True, index=True
    )
    outlet_id = BulkMany2one(comodel_name="res.partner", required=True, readonly=True)
    product_id = BulkMany2one(comodel_name="product.product", required=True, readonly=True)
    device_code = fields.Char(string="Device", required=True, readonly=True)
    moment = fields.Datetime(string="Read On", required=True, readonly=True)
    date = fields.Date(
        string="Day", required=True, readonly=True, index=True, help="In the sender's time zone."
    )
    quantity = fields.Float(
        string="On the Shelf", digits="Product Unit", required=True, readonly=True, aggregator="avg"
    )
    empty = fields.Float(
        string="Empty Shelf",
        digits=(5, 2),
        readonly=True,
        aggregator="avg",
        help="1 where nothing was on the shelf: its mean is the share of readings that found it empty.",
    )
    feed_id = BulkMany2one(comodel_name="dms.feed", readonly=True, index=True)

    _reading_uniq = models.UniqueIndex(
        "(company_id, partner_id, lower(device_code), moment, product_id)",
        "This device's reading of this moment is known.",
    )
    _shelf_idx = models.Index("(outlet_id, product_id, company_id, moment)")

    @api.model_create_multi
    def create(self, vals_list):
        raise UserError(self.env._("Readings come with a feed: press Upload File under Feeds."))

    def write(self, vals):
        raise UserError(self.env._("Readings are never changed. Reverse the feed that brought them."))

    @api.ondelete(at_uninstall=False)
    def _unlink_except_read(self):
        raise UserError(self.env._("Readings are never deleted. Reverse the feed that brought them."))

    @api.model
    def _append(self, source):
        """Add the readings that the query ``source`` answers, and keep the last one of each shelf.

        Two sessions that add the same reading at once can't both: PostgreSQL refuses one of them, and Odoo tries it
        again on the new data.

        :param SQL source: answers :data:`READING_COLUMNS`, in this order
        :return: number of readings added, number of shelves they tell of
        """
        columns = SQL(", ").join(map(SQL.identifier, READING_COLUMNS))
        self.env["dms.feed"]._create_temp(
            "dms_shelf_added", SQL("SELECT * FROM (%s) source (%s)", source, columns)
        )
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO dms_shelf_reading (%s, empty)
                SELECT *, CASE WHEN quantity > 0 THEN 0 ELSE 1 END FROM dms_shelf_added
                ON CONFLICT DO NOTHING
                """,
                columns,
            )
        )
        added = self.env.cr.rowcount
        self.invalidate_model()
        return added, self.env["dms.shelf.level"]._refresh(
            SQL("SELECT DISTINCT company_id, outlet_id, product_id FROM dms_shelf_added")
        )

    @api.model
    def _take_back(self, feed):
        """Remove what a feed brought; answer how many readings, and how many shelves they told of."""
        self.env["dms.feed"]._create_temp(
            "dms_shelf_removed",
            SQL(
                "SELECT DISTINCT company_id, outlet_id, product_id FROM dms_shelf_reading WHERE feed_id = %s",
                feed.id,
            ),
        )
        self.env.cr.execute(SQL("DELETE FROM dms_shelf_reading WHERE feed_id = %s", feed.id))
        removed = self.env.cr.rowcount
        self.invalidate_model()
        return removed, self.env["dms.shelf.level"]._refresh(SQL("SELECT * FROM dms_shelf_removed"))

    @api.autovacuum
    def _gc_old_readings(self):
        """Forget readings that are older than the company keeps them; the last one of each shelf stays its level."""
        for company in self.env["res.company"].search([("dms_reading_days", ">", 0)]):
            self.env.cr.execute(
                SQL(
                    "DELETE FROM dms_shelf_reading WHERE company_id = %s AND date < %s",
                    company.id,
                    fields.Date.today() - timedelta(days=company.dms_reading_days),
                )
            )
