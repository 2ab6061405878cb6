import numpy as np

from odoo import api, fields, models


class DmsTransferLane(models.Model):
    """What it costs to move goods between distributors of two territories; the deepest territories count."""

    _name = "dms.transfer.lane"
    _description = "Transfer Lane"
    _order = "from_territory_id, to_territory_id, id"
    _check_company_auto = True

    active = fields.Boolean(default=True)
    company_id = fields.Many2one(
        "res.company", required=True, default=lambda self: self.env.company, index=True
    )
    currency_id = fields.Many2one(related="company_id.currency_id")
    from_territory_id = fields.Many2one(
        "dms.territory", "From", check_company=True, help="With those below. Empty: everywhere."
    )
    to_territory_id = fields.Many2one(
        "dms.territory", "To", check_company=True, help="With those below. Empty: everywhere."
    )
    cost_kg = fields.Monetary("Freight per kg", required=True)
    days = fields.Integer(
        "Transport (days)",
        default=3,
        required=True,
        help="Goods that expire must keep for these days and until the taker has sold them.",
    )
    least_kg = fields.Float(
        "At Least (kg)",
        digits="Stock Weight",
        help="A carrier's smallest lot: less of a product is not sent on this lane.",
    )

    _lane_uniq = models.UniqueIndex(
        "(company_id, COALESCE(from_territory_id, 0), COALESCE(to_territory_id, 0)) WHERE active",
        "There is a lane between these territories already. Change its cost.",
    )
    _cost_positive = models.Constraint("CHECK (cost_kg >= 0)", "Freight can't be negative.")
    _days_and_lot = models.Constraint(
        "CHECK (days >= 0 AND least_kg >= 0)", "Days of transport and smallest lot can't be negative."
    )

    @api.depends("from_territory_id", "to_territory_id")
    def _compute_display_name(self):
        for lane in self:
            everywhere = self.env._("everywhere")
            lane.display_name = (
                f"{lane.from_territory_id.name or everywhere} → {lane.to_territory_id.name or everywhere}"
            )

    def _get_terms(self, from_paths, to_paths):
        """What these lanes ask for from each territory to each, by the territories' paths.

        Of several lanes the one between the deepest territories counts, then the oldest. Costs grow with the number of
        different territories, not of distributors.

        :param list[str] from_paths: parent path of each place that sends (n); to_paths: of each that receives (m)
        :return: freight of a kilogram, inf where no lane leads there; days of transport; smallest lot in kg; (n, m) each
        """
        starts, start = np.unique([path or "" for path in from_paths], return_inverse=True)
        ends, end = np.unique([path or "" for path in to_paths], return_inverse=True)
        lanes = sorted(
            (
                (
                    lane.from_territory_id.parent_path or "",
                    lane.to_territory_id.parent_path or "",
                    (lane.cost_kg, lane.days, lane.least_kg),
                    -lane.id,
                )
                for lane in self
            ),
            key=lambda lane: (lane[0].count("/") + lane[1].count("/"), lane[3]),
        )
        terms = np.empty((3, len(starts), len(ends)))
        terms[:] = np.array([np.inf, 0, 0])[:, None, None]
        # what fits better comes later
        for first, last, values, _id in lanes:
            fits = np.ix_(np.char.startswith(starts, first), np.char.startswith(ends, last))
            for table, value in zip(terms, values, strict=True):
                table[fits] = value
        return terms[np.ix_(range(3), start, end)]
