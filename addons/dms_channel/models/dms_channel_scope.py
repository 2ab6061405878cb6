from odoo import api, fields, models
from odoo.exceptions import ValidationError


class DmsChannelScope(models.AbstractModel):
    """Whom of the channel a rule is for: the members that fulfil all that its scope names."""

    _name = "dms.channel.scope"
    _description = "Scope in the Channel"

    company_id = fields.Many2one("res.company", index=True, help="Empty: for all companies.")
    grade_ids = fields.Many2many("res.partner.grade", string="Grades", help="Empty: all grades.")
    territory_ids = fields.Many2many(
        "dms.territory",
        string="Territories",
        help="With all that lies inside them. Empty: all territories.",
    )
    partner_ids = fields.Many2many(
        "res.partner",
        string="Only For",
        domain="[('channel_role', '!=', False)]",
        help="Empty: all members.",
    )

    @api.constrains("company_id", "grade_ids", "partner_ids", "territory_ids")
    def _check_scope_company(self):
        for rule in self.filtered("company_id"):
            for scope in (rule.grade_ids, rule.partner_ids, rule.territory_ids):
                for record in scope.sudo():
                    if record.company_id and record.company_id != rule.company_id:
                        raise ValidationError(
                            self.env._(
                                "%(rule)s is of %(company)s, and %(record)s of %(other)s. Take it out of whom the rule"
                                " concerns, or leave the rule's company empty.",
                                rule=rule.display_name,
                                company=rule.company_id.name,
                                record=record.display_name,
                                other=record.company_id.name,
                            )
                        )

    def _concerns(self, partner):
        """Whether the scope holds the member."""
        self.ensure_one()
        return (
            (not self.partner_ids or partner in self.partner_ids)
            and (not self.grade_ids or partner.grade_id in self.grade_ids)
            and (not self.territory_ids or any(t._contains(partner.territory_id) for t in self.territory_ids))
        )

    def _is_scope_within(self, other):
        """Whether ``other`` concerns everybody whom this scope holds."""
        return (
            other.company_id in (self.company_id, self.env["res.company"])
            and all(
                not other[name] or (self[name] and self[name] <= other[name])
                for name in ("grade_ids", "partner_ids")
            )
            and (
                not other.territory_ids
                or (
                    self.territory_ids
                    and all(any(t._contains(own) for t in other.territory_ids) for own in self.territory_ids)
                )
            )
        )
