from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import float_compare, format_date

from ..tools import rebate


class DmsRebateTakeover(models.Model):
    """Past sales that follow a territory to its new distributor, where a programme measures growth.

    From its day on, the new distributor's growth is compared with this share of what the former one sold in the earlier
    period, beside its own sales of then, and the former one's with so much less.
    """

    _name = "dms.rebate.takeover"
    _description = "Past Sales Taken Over"
    _inherit = ["dms.program.term"]
    _order = "program_id, date, id"

    partner_id = fields.Many2one(
        "res.partner",
        "New Distributor",
        required=True,
        index=True,
        ondelete="restrict",
        domain=[("channel_role", "=", "distributor")],
    )
    former_id = fields.Many2one(
        "res.partner",
        "Former Distributor",
        required=True,
        index=True,
        ondelete="restrict",
        domain=[("channel_role", "=", "distributor")],
    )
    territory_id = fields.Many2one("dms.territory", ondelete="set null", index="btree_not_null")
    date = fields.Date("From", required=True, help="Counts for periods that start on this day or later.")
    share = fields.Float(
        "Share of Past Sales",
        digits=(5, 4),
        default=1.0,
        required=True,
        help="The part of the former distributor's sales that were made in what has moved, with what it had taken over"
        " itself before.",
    )

    _share_range = models.Constraint(
        "CHECK(share > 0 AND share <= 1)", "The share of past sales lies above 0 and at 100 % at most."
    )
    _others = models.Constraint(
        "CHECK(partner_id != former_id)", "A distributor can't take over from itself."
    )

    @api.constrains("date", "former_id", "program_id", "share")
    def _check_shares(self):
        """On one day no more than all of a distributor's past can move."""
        for (program, former, date), rows in self.program_id.takeover_ids.grouped(
            lambda row: (row.program_id, row.former_id, row.date)
        ).items():
            if float_compare(sum(rows.mapped("share")), 1, precision_digits=4) > 0:
                raise ValidationError(
                    self.env._(
                        "More than all past sales of %(former)s are taken over on %(date)s in %(program)s: lower the "
                        "shares to 100 %% together.",
                        former=former.display_name,
                        date=format_date(self.env, date),
                        program=program.display_name,
                    )
                )

    def _get_baseline(self, partner_id, start, own):
        """Return what a distributor's period is compared with.

        :param start: first day of the period
        :param own: function partner id -> Decimal, what it sold in the earlier period
        """
        moves = [
            (row.date, row.former_id.id, row.partner_id.id, rebate.decimal(row.share))
            for row in self
            if row.date <= start
        ]
        return rebate.take_over(moves, own).get(partner_id, rebate.ZERO) if moves else own(partner_id)
