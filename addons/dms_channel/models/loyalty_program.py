from odoo import api, fields, models


class LoyaltyProgram(models.Model):
    _inherit = "loyalty.program"

    dms_grade_ids = fields.Many2many(
        "res.partner.grade", string="Grades", help="Only members of these grades. Empty: everybody."
    )
    dms_territory_ids = fields.Many2many(
        "dms.territory",
        string="Territories",
        help="Only members in these territories and inside them. Empty: everywhere.",
    )

    @api.model
    def _get_dms_eligibility_domain(self, partner, prefix=""):
        """Programmes that a partner may use, as a domain on programmes or, with a prefix, on records that lead there."""
        member = partner.commercial_partner_id
        territory_ids = [int(id_) for id_ in (member.territory_id.sudo().parent_path or "").split("/") if id_]
        return [
            "|",
            (f"{prefix}dms_grade_ids", "=", False),
            (f"{prefix}dms_grade_ids", "in", member.grade_id.ids),
            "|",
            (f"{prefix}dms_territory_ids", "=", False),
            (f"{prefix}dms_territory_ids", "in", territory_ids),
        ]
