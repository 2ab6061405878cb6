from datetime import timedelta

import numpy as np

from odoo import fields

from odoo.addons.dms_channel.tests.common import DmsChannelCommon

WEEK = np.array([1.3, 1.3, 1.2, 1.2, 1.4, 0.6, 0.0])


class DmsForecastCommon(DmsChannelCommon):
    """Half a year of sell-through up to yesterday: North sells 10 teas and 2 chips a day, South 4 teas."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.today = fields.Date.context_today(cls.env.user)
        cls.yesterday = cls.today - timedelta(days=1)
        cls.random = np.random.default_rng(7)
        cls._sell(cls.distributor_north, cls.product_tea, 10)
        cls._sell(cls.distributor_north, cls.product_chips, 2)
        cls._sell(cls.distributor_south, cls.product_tea, 4)

    @classmethod
    def _sell(cls, partner, product, level, days=180, until=None, company=None):
        """Sell-out of a weekly pattern around `level` a day, `days` days up to `until` (default yesterday).

        Something is sold on the last day even if it is a Sunday: a forecast begins after the last day that is reported.
        """
        until = until or cls.yesterday
        vals = []
        for back in range(days):
            date = until - timedelta(days=back)
            quantity = max(int(cls.random.poisson(level * WEEK[date.weekday()])), int(not back and level > 0))
            if quantity:
                vals.append(cls._move_vals("sell_out", partner, product, -quantity, date, company))
        return cls.env["dms.channel.move"].sudo().create(vals)

    @classmethod
    def _move_vals(cls, kind, partner, product, quantity, date=None, company=None):
        return {
            "kind": kind,
            "partner_id": partner.id,
            "product_id": product.id,
            "quantity": quantity,
            "date": date or cls.yesterday,
            "company_id": (company or cls.company).id,
        }

    @classmethod
    def _set_stock(cls, partner, product, quantity, date=None):
        """A count: whatever the sales said, so much is in stock now."""
        position = (
            cls.env["dms.channel.position"]
            .sudo()
            .search(
                [
                    ("company_id", "=", cls.company.id),
                    ("partner_id", "=", partner.id),
                    ("product_id", "=", product.id),
                ]
            )
        )
        move = cls._move_vals("count", partner, product, quantity - position.quantity, date)
        return cls.env["dms.channel.move"].sudo().create(move)

    @classmethod
    def _forecast(cls, **values):
        run = cls.env["dms.forecast.run"].create({"company_id": cls.company.id, **values})
        return run._run()

    @classmethod
    def _series(cls, run, partner, product):
        return run.series_ids.filtered(
            lambda series: series.partner_id == partner and series.product_id == product
        )
