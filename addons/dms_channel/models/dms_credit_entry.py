import uuid

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError


class DmsCreditEntry(models.Model):
    """One line of the ledger of credit points. Entries are appended and reversed, never edited."""

    _name = "dms.credit.entry"
    _description = "Credit Point Entry"
    _order = "date desc, id desc"
    _check_company_auto = True
    _rec_name = "note"

    partner_id = fields.Many2one(
        "res.partner",
        string="Distributor",
        required=True,
        index=True,
        ondelete="restrict",
        domain="[('channel_role', '!=', False)]",
    )
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company, ondelete="restrict"
    )
    date = fields.Date(required=True, default=fields.Date.context_today)
    points = fields.Integer(required=True)
    rule_id = fields.Many2one("dms.credit.rule", required=True, ondelete="restrict", index=True)
    code = fields.Selection(related="rule_id.code", store=True)
    note = fields.Char(string="Reason", required=True)
    key = fields.Char(
        required=True,
        copy=False,
        default=lambda self: f"manual:{uuid.uuid4()}",
        help="Names the event: the same event is counted once.",
    )
    res_model = fields.Char(string="Source Model", readonly=True)
    res_id = fields.Many2oneReference(string="Source", model_field="res_model", readonly=True)
    user_id = fields.Many2one(
        "res.users", string="Entered By", readonly=True, default=lambda self: self.env.user
    )
    reversed_entry_id = fields.Many2one(
        "dms.credit.entry", string="Reverses", readonly=True, index="btree_not_null", ondelete="restrict"
    )
    reversal_ids = fields.One2many("dms.credit.entry", "reversed_entry_id", string="Reversed By")

    _key_company_uniq = models.Constraint(
        "UNIQUE(company_id, key)", "This event has already been counted in the credit points."
    )
    _reversed_uniq = models.UniqueIndex(
        "(reversed_entry_id) WHERE reversed_entry_id IS NOT NULL", "An entry can be reversed once only."
    )
    _partner_date_idx = models.Index("(partner_id, company_id, date)")

    @api.constrains("partner_id")
    def _check_partner(self):
        for entry in self:
            if not entry.partner_id.channel_role:
                raise ValidationError(
                    self.env._(
                        "%s is not a member of the channel and has no credit points. Give it a channel role first.",
                        entry.partner_id.display_name,
                    )
                )

    def write(self, vals):
        raise UserError(
            self.env._("Credit entries are never changed. Reverse the entry, then enter the right one.")
        )

    @api.ondelete(at_uninstall=False)
    def _unlink_except_never(self):
        raise UserError(self.env._("Credit entries are never deleted. Reverse the entry instead."))

    def action_reverse(self):
        for entry in self:
            entry._reverse(self.env._("Reversed by %s", self.env.user.name))

    @api.model
    def _post_event(self, code, partner, key, source=None, date=None, note=None, points=None, company=None):
        """Count an event once: with a key that is already known, the existing entry comes back unchanged.

        :param str code: event kind (see ``dms.credit.rule.code``)
        :param partner: the member; a contact counts for its commercial partner
        :param str key: name of the event, unique in the company
        :param source: record that caused it, kept as a link
        :param date: date of the event (default: today)
        :param int points: points instead of those of the rule
        :return: the entry; empty when neither a rule nor points say what the event is worth
        """
        company = company or self.env.company
        entry = self.search([("company_id", "=", company.id), ("key", "=", key)], limit=1)
        if entry:
            return entry
        rule = self.env["dms.credit.rule"]._get_rule(code, company)
        if not rule:
            return self.browse()
        return self.create(
            {
                "partner_id": partner.commercial_partner_id.id,
                "company_id": company.id,
                "date": date or fields.Date.context_today(self),
                "points": rule.points if points is None else points,
                "rule_id": rule.id,
                "note": note or rule.name,
                "key": key,
                "res_model": source._name if source else False,
                "res_id": source.id if source else False,
            }
        )

    def _reverse(self, note):
        """Take the entry's points back with an opposite entry of today. Reversing again gives the same reversal."""
        self.ensure_one()
        if self.reversed_entry_id:
            raise UserError(
                self.env._("This entry is itself a reversal. Enter the event again instead of reversing it.")
            )
        if self.reversal_ids:
            return self.reversal_ids
        return self.create(
            {
                "partner_id": self.partner_id.id,
                "company_id": self.company_id.id,
                "points": -self.points,
                "rule_id": self.rule_id.id,
                "note": note,
                "key": f"reversal:{self.id}",
                "res_model": self.res_model,
                "res_id": self.res_id,
                "reversed_entry_id": self.id,
            }
        )
