from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.fields import Domain


class ProductPricelist(models.Model):
    """A price list for a part of the channel: the members that fulfil all that its scope names, between two dates.

    Of the lists that fit a member the most specific counts: one that names the distributor, then the one of the
    deepest territory, then one of its grade; at last what Odoo finds (the list of the grade or of the partner itself,
    else the one of the country, else the first).
    """

    _inherit = "product.pricelist"

    dms_partner_ids = fields.Many2many(
        "res.partner",
        "dms_pricelist_partner_rel",
        string="Distributors",
        domain="[('channel_role', '!=', False)]",
        help="Only these members of the channel. Empty: all that the rest of the scope holds.",
    )
    dms_territory_ids = fields.Many2many(
        "dms.territory",
        string="Territories",
        help="Members in these territories and in what lies inside them.",
    )
    dms_grade_ids = fields.Many2many("res.partner.grade", string="Grades", help="Members of these grades.")
    dms_date_from = fields.Date(string="Valid From", help="Orders of this day and later. Empty: at any time.")
    dms_date_to = fields.Date(string="Valid To", help="Orders up to this day. Empty: until further notice.")

    _dms_dates_ordered = models.Constraint(
        "CHECK(dms_date_from IS NULL OR dms_date_to IS NULL OR dms_date_to >= dms_date_from)",
        "A price list can't end before it begins. Change one of the two dates.",
    )

    @api.constrains("dms_partner_ids", "dms_territory_ids", "dms_grade_ids", "company_id")
    def _check_dms_scope(self):
        for pricelist in self.filtered("company_id"):
            for scope in (pricelist.dms_partner_ids, pricelist.dms_territory_ids, pricelist.dms_grade_ids):
                for record in scope.sudo():
                    if record.company_id and record.company_id != pricelist.company_id:
                        raise ValidationError(
                            self.env._(
                                "Price list %(pricelist)s is of %(company)s, and %(record)s of another company. Take it"
                                " out of the list's scope.",
                                pricelist=pricelist.name,
                                company=pricelist.company_id.name,
                                record=record.display_name,
                            )
                        )

    @api.model_create_multi
    def create(self, vals_list):
        pricelists = super().create(vals_list)
        self._dms_scope_changed()
        return pricelists

    def write(self, vals):
        result = super().write(vals)
        if any(name.startswith("dms_") for name in vals):
            self._dms_scope_changed()
        return result

    @api.model
    def _dms_scope_changed(self):
        """Partners' price lists are computed: forget those of this transaction."""
        self.env["res.partner"].invalidate_model(["property_product_pricelist"])

    @api.model
    def _get_partner_pricelist_multi(self, partner_ids):
        partners = self.env["res.partner"].with_context(active_test=False).browse(partner_ids)
        found = self._get_dms_pricelists(partners, fields.Date.context_today(self), self.env.company)
        result = super()._get_partner_pricelist_multi(tuple(id_ for id_ in partner_ids if id_ not in found))
        for partner_id, pricelist in found.items():
            result[partner_id] = pricelist
        return result

    @api.model
    def _get_dms_pricelists(self, partners, date, company):
        """The most specific price list of the channel for each partner; a contact buys as its company does.

        :param datetime.date date: day of the order
        :return: ``{partner id: pricelist}``, only with the partners that a list of the channel fits
        :rtype: dict
        """
        scoped = (
            Domain("dms_partner_ids", "!=", False)
            | Domain("dms_territory_ids", "!=", False)
            | Domain("dms_grade_ids", "!=", False)
        )
        lists_sudo = self.sudo().search(
            scoped
            & Domain("company_id", "in", [False, company.id])
            & (Domain("dms_date_from", "=", False) | Domain("dms_date_from", "<=", date))
            & (Domain("dms_date_to", "=", False) | Domain("dms_date_to", ">=", date))
        )
        found = {}
        if not lists_sudo:
            return found
        for partner in partners:
            member_sudo = partner._origin.sudo().commercial_partner_id
            if not member_sudo.channel_role:
                continue
            ranked = [(pricelist._get_dms_rank(member_sudo), pricelist) for pricelist in lists_sudo]
            # The first of equals: lists come in their own order.
            best = max((entry for entry in ranked if entry[0]), key=lambda entry: entry[0], default=None)
            if best:
                found[partner.id] = best[1].with_env(self.env)
        return found

    def _get_dms_rank(self, member):
        """How specific the list is for the member, None where it does not fit: distributor, depth, grade."""
        self.ensure_one()
        if self.dms_partner_ids and member not in self.dms_partner_ids:
            return None
        if self.dms_grade_ids and member.grade_id not in self.dms_grade_ids:
            return None
        around = self.dms_territory_ids.filtered(lambda territory: territory._contains(member.territory_id))
        if self.dms_territory_ids and not around:
            return None
        depth = max((territory.parent_path.count("/") for territory in around), default=0)
        return bool(self.dms_partner_ids), depth, bool(self.dms_grade_ids)
