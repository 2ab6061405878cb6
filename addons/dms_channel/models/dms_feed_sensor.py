from odoo import fields, models
from odoo.tools import SQL


class DmsFeedSensor(models.AbstractModel):
    """Readings of shelf sensors: whose shelf a device watches, what came before, and where readings are kept.

    The stock of outlets is not in the ledger, so readings have a table of their own (``dms.shelf.reading``). A part of
    ``dms.feed``, which inherits it.
    """

    _name = "dms.feed.sensor"
    _description = "Sensor Readings of a Feed"

    def _get_device_codes_sql(self):
        """Answer the query (partner_id, code, outlet_id, product_id) of each device whose place was said once."""
        return SQL(
            """
            SELECT DISTINCT ON (keys.partner_id, keys.code) keys.partner_id, keys.code,
                   mapping.outlet_id, mapping.product_id
              FROM (SELECT DISTINCT COALESCE(partner.partner_id, 0) AS partner_id, lower(stage.device_code) AS code
                      FROM dms_feed_stage stage
                      JOIN dms_feed_partner partner ON partner.code = lower(stage.distributor_code)
                     WHERE stage.device_code <> '') keys
              JOIN dms_feed_mapping mapping
                ON mapping.kind = 'device' AND mapping.company_id = %(company)s AND lower(mapping.code) = keys.code
               AND (mapping.partner_id = COALESCE(%(sender)s, keys.partner_id) OR mapping.partner_id IS NULL)
          ORDER BY keys.partner_id, keys.code, mapping.partner_id NULLS LAST
            """,
            sender=self.partner_id.id or None,
            company=self.company_id.id,
        )

    def _get_sensor_sql(self):
        """What ``_get_checked_sql`` selects and joins for readings: the row's own outlet and product go first."""
        return {
            "names": SQL("device_code, moment,"),
            "values": SQL("stage.device_code, stage.moment,"),
            "outlet": SQL("COALESCE(outlet.outlet_id, device.outlet_id)"),
            "product": SQL("COALESCE(product.product_id, device.product_id)"),
            "joins": SQL(
                """
                LEFT JOIN dms_feed_device device
                       ON device.partner_id = COALESCE(partner.partner_id, 0)
                      AND device.code = lower(stage.device_code)
                """
            ),
            "kind_issues": SQL(
                """
                CASE WHEN stage.device_code <> '' AND stage.outlet_code = '' AND device.outlet_id IS NULL
                          AND outlet.outlet_id IS NULL THEN 'device_unknown' END,
                CASE WHEN stage.product_code = '' AND device.product_id IS NULL THEN 'product_missing' END,
                CASE WHEN stage.moment > now() AT TIME ZONE 'UTC' + INTERVAL '1 hour'
                          AND stage.date <= %s THEN 'date_future' END
                """,
                fields.Date.context_today(self),
            ),
        }

    def _mark_readings(self):
        """Mark rows of ``dms_feed_checked`` that this file, or an earlier one, says already.

        A reading is known by its device, moment and product. The same figure again is a duplicate; another one can't
        be right, too.
        """
        keys = {
            "device": SQL("lower(device_code)"),
            "moment": SQL("moment"),
            "product_id": SQL("product_id"),
        }
        self._mark_said_twice(keys, SQL("quantity"), "reading_twice")
        self.env.cr.execute(
            SQL(
                """
                UPDATE dms_feed_checked checked
                   SET issues = CASE WHEN reading.quantity = checked.quantity THEN 'duplicate' ELSE 'reading_twice' END
                  FROM dms_shelf_reading reading
                 WHERE checked.issues = '' AND reading.company_id = %s AND reading.partner_id = checked.partner_id
                   AND lower(reading.device_code) = lower(checked.device_code) AND reading.moment = checked.moment
                   AND reading.product_id = checked.product_id
                """,
                self.company_id.id,
            )
        )

    def _book_readings(self):
        """Keep the right lines as readings; answer how many, and how many shelves they tell of."""
        self._mark_readings_since()
        self._create_temp(
            "dms_feed_release",
            SQL("SELECT * FROM dms_feed_line WHERE feed_id = %s AND state = 'ok' ORDER BY id", self.id),
        )
        return self.env["dms.shelf.reading"]._append(
            SQL(
                "SELECT company_id, partner_id, outlet_id, product_id, device_code, moment, date, quantity, feed_id"
                " FROM dms_feed_release"
            )
        )

    def _mark_readings_since(self):
        """What another feed released since the last check is found here."""
        self.env.cr.execute(
            SQL(
                """
                UPDATE dms_feed_line line
                   SET state = CASE WHEN reading.quantity = line.quantity THEN 'duplicate' ELSE 'error' END,
                       issue = CASE WHEN reading.quantity = line.quantity THEN 'duplicate' ELSE 'reading_twice' END,
                       issues = CASE WHEN reading.quantity = line.quantity THEN 'duplicate' ELSE 'reading_twice' END
                  FROM dms_shelf_reading reading
                 WHERE line.feed_id = %s AND line.state = 'ok' AND reading.company_id = line.company_id
                   AND reading.partner_id = line.partner_id
                   AND lower(reading.device_code) = lower(line.device_code) AND reading.moment = line.moment
                   AND reading.product_id = line.product_id
                """,
                self.id,
            )
        )
