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
        :return: the entry; empty when no rule counts such events
        """
        company = company or self.env.company
        event = {
            "partner": partner,
            "key": key,
            "source": source,
            "date": date,
            "note": note,
            "points": points,
        }
        self._post_events(code, [event], company)
        return self.search([("company_id", "=", company.id), ("key", "=", key)], limit=1)

    @api.model
    def _post_events(self, code, events, company):
        """Count many events of one kind, each once.

        :param list[dict] events: ``partner`` and ``key``, and optionally ``source``, ``date``, ``note``, ``points``
        :return: the entries that are new
        """
        events = {event["key"]: event for event in events}
        known = self.search([("company_id", "=", company.id), ("key", "in", list(events))])
        new = [event for key, event in events.items() if key not in set(known.mapped("key"))]
        rule = self.env["dms.credit.rule"]._get_rule(code, company) if new else None
        if not rule:
            return self.browse()
        return self.create([self._prepare_entry_vals(rule, event, company) for event in new])

    @api.model
    def _prepare_entry_vals(self, rule, event, company):
        source = event.get("source")
        points = event.get("points")
        return {
            "partner_id": event["partner"].commercial_partner_id.id,
            "company_id": company.id,
            "date": event.get("date") or fields.Date.context_today(self),
            "points": rule.points if points is None else points,
            "rule_id": rule.id,
            "note": event.get("note") or rule.name,
            "key": event["key"],
            "res_model": source._name if source else False,
            "res_id": source.id if source else False,
        }

    @api.model
    def _cron_payment_events(self, days=60):
        """Count invoices of members that were paid on time, or that are overdue. Run daily.

        :param int days: how far back due dates are looked at; older invoices are history and count no more
        """
        today = fields.Date.context_today(self)
        invoices = self.env["account.move"].search(
            [
                ("move_type", "=", "out_invoice"),
                ("state", "=", "posted"),
                ("commercial_partner_id.channel_role", "!=", False),
                ("invoice_date_due", ">=", fields.Date.subtract(today, days=days)),
                "|",
                ("payment_state", "=", "paid"),
                "&",
                ("payment_state", "in", ("not_paid", "partial")),
                ("invoice_date_due", "<", today),
            ]
        )
        for company, moves in invoices.grouped("company_id").items():
            paid = moves.filtered(lambda move: move.payment_state == "paid")
            paid_on = paid._get_dms_paid_on()
            on_time = [move for move, date in paid_on.items() if date <= move.invoice_date_due]
            self._post_events(
                "payment_on_time",
                [
                    {
                        "partner": move.commercial_partner_id,
                        "key": f"payment_on_time:{move.id}",
                        "source": move,
                        "date": paid_on[move],
                        "note": self.env._("Invoice %s paid on time", move.name),
                    }
                    for move in on_time
                ],
                company,
            )
            self._post_events(
                "overdue",
                [
                    {
                        "partner": move.commercial_partner_id,
                        "key": f"overdue:{move.id}",
                        "source": move,
                        "date": fields.Date.add(move.invoice_date_due, days=1),
                        "note": self.env._("Invoice %s overdue", move.name),
                    }
                    for move in moves - paid
                ],
                company,
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
