import uuid
from collections import defaultdict

from babel.dates import format_skeleton

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Domain
from odoo.tools import babel_locale_parse, float_compare, format_date, get_lang, split_every

from ..tools import credit, guard

# Written by the ledger itself, on no other path.
OWN_FIELDS = {"kind", "reversed_entry_id"}
INVOICE_BATCH = 500
# A month's sell-through is in time if it is there on this day of the next month.
FEED_DEADLINE = 10


class DmsCreditEntry(models.Model):
    """One line of the ledger of credit points. Entries are appended and reversed, never edited.

    A member's score on any day is the sum of the entries up to that day. Caps and expiry are entries too: whenever an
    event or a reversal arrives, in whatever order, those entries are appended that make the sums of all days right
    (see ``tools/credit.py``). Points that will lapse have their entry in the future already.
    """

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
    kind = fields.Selection(
        [("event", "Event"), ("reversal", "Reversal"), ("cap", "Cap"), ("expiry", "Lapse")],
        required=True,
        readonly=True,
        default="event",
        copy=False,
    )
    rule_id = fields.Many2one(
        "dms.credit.rule", required=True, ondelete="restrict", index=True, check_company=True
    )
    code = fields.Selection(related="rule_id.code", store=True)
    note = fields.Char(required=True, help="The reason in the language of whoever caused the entry.")
    reason = fields.Json(readonly=True, copy=False, help="Values of the sentence that says why, by name.")
    message = fields.Char(
        string="Reason", compute="_compute_message", help="The reason in the reader's language."
    )
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
        "dms.credit.entry",
        string="Reverses",
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
        copy=False,
    )
    reversal_ids = fields.One2many("dms.credit.entry", "reversed_entry_id", string="Reversed By")

    _key_company_uniq = models.Constraint(
        "UNIQUE(company_id, key)", "This event has already been counted in the credit points."
    )
    _reversed_uniq = models.UniqueIndex(
        "(reversed_entry_id) WHERE reversed_entry_id IS NOT NULL", "An entry can be reversed once only."
    )
    _rule_partner_idx = models.Index("(rule_id, partner_id, company_id)")
    _partner_date_idx = models.Index("(partner_id, company_id, date)")

    @api.depends("code", "kind", "note", "reason")
    @api.depends_context("lang")
    def _compute_message(self):
        for entry in self:
            code = entry.kind if entry.kind in ("cap", "expiry") else entry.code
            said = entry.kind != "reversal" and entry._say(code, entry.reason)
            entry.message = said or entry.note

    @api.model
    def _say(self, code, reason):
        """One sentence for what caused an entry, in the reader's language; None without values for it.

        :param str code: event, or kind of an entry of the ledger itself
        """
        if not reason:
            return None
        _ = self.env._
        if code in ("cap", "expiry"):
            name = self.env["dms.credit.rule"].sudo().browse(reason["rule"]).name
            if code == "cap":
                return _("%s: cap of the period", name)
            return _("%(rule)s: lapsed after %(months)s months", rule=name, months=reason["months"])
        if code == "payment_on_time":
            return _("Invoice %s paid on time", reason["invoice"])
        if code == "overdue":
            if reason["days"] <= 1:
                return _("Invoice %s overdue", reason["invoice"])
            return _(
                "Invoice %(invoice)s overdue by %(days)s days", invoice=reason["invoice"], days=reason["days"]
            )
        days = {
            name: format_date(self.env, reason[name]) for name in ("start", "end", "month") if name in reason
        }
        if "month" in days:
            locale = babel_locale_parse(get_lang(self.env).code)
            days["month"] = format_skeleton("yMMMM", fields.Date.to_date(reason["month"]), locale=locale)
        if code == "clean_period":
            return _("No case from %(start)s to %(end)s", **days)
        if code == "feed_quality":
            return _(
                "Sell-through of %(month)s reported well: %(score)s of 100", score=reason["score"], **days
            )
        if code == "target_met":
            return _("Target of %(month)s met: %(attained)s %% attained", attained=reason["attained"], **days)
        if code == "year_target_met":
            return _(
                "Target from %(start)s to %(end)s met: %(attained)s %% attained",
                attained=reason["attained"],
                **days,
            )
        return None

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

    @api.constrains("rule_id", "date")
    def _check_rule_date(self):
        for entry in self.filtered(lambda entry: entry.kind == "event"):
            if not entry.rule_id._counts_on(entry.date):
                raise ValidationError(
                    self.env._(
                        "%(rule)s doesn't count events of %(date)s. Choose the rule that was valid on that day.",
                        rule=entry.rule_id.display_name,
                        date=fields.Date.to_string(entry.date),
                    )
                )

    @api.model_create_multi
    def create(self, vals_list):
        if any(OWN_FIELDS & {name for name, value in vals.items() if value} for vals in vals_list):
            if not guard.is_marked(self):
                raise UserError(
                    self.env._(
                        "Reversals, caps and lapses are entered by the ledger itself. Use Reverse on the entry."
                    )
                )
        entries = super().create(vals_list)
        entries.filtered(lambda entry: entry.kind in ("event", "reversal"))._settle()
        return entries

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
        return True

    @api.model
    def _post_event(
        self, code, partner, key, source=None, date=None, note=None, points=None, company=None, min_days=0
    ):
        """Count an event once: with a key that is already known, the existing entry comes back unchanged.

        :param str code: event kind (see ``dms.credit.rule.code``)
        :param partner: the member; a contact counts for its commercial partner
        :param str key: name of the event, unique in the company
        :param source: record that caused it, kept as a link
        :param date: date of the event (default: today); the rule that was valid on it counts
        :param int points: points instead of those of the rule
        :param int min_days: level of an overdue invoice
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
            "min_days": min_days,
        }
        self._post_events(code, [event], company)
        return self.search([("company_id", "=", company.id), ("key", "=", key)], limit=1)

    @api.model
    def _post_events(self, code, events, company):
        """Count many events of one kind, each once. The order in which events are posted changes no score.

        :param list[dict] events: ``partner`` and ``key``, and optionally ``source``, ``date``, ``points``, ``min_days``, and
            the ``note`` in words or its ``reason``, values from which :meth:`_say` makes them
        :return: the entries that are new; events of days that no rule counts leave none
        """
        events = {event["key"]: event for event in events}
        known = set(self.search([("company_id", "=", company.id), ("key", "in", list(events))]).mapped("key"))
        rules = self.env["dms.credit.rule"]._get_rules(code, company)
        today = fields.Date.context_today(self)
        vals_list = []
        for key, event in events.items():
            date = fields.Date.to_date(event.get("date")) or today
            rule = rules._pick(date, event.get("min_days", 0))
            if key not in known and rule:
                vals_list.append(self._prepare_entry_vals(rule, event | {"date": date}, company))
        return self.create(vals_list)

    @api.model
    def _prepare_entry_vals(self, rule, event, company):
        source = event.get("source")
        points = event.get("points")
        return {
            "partner_id": event["partner"].commercial_partner_id.id,
            "company_id": company.id,
            "date": event["date"],
            "points": rule.points if points is None else points,
            "rule_id": rule.id,
            "note": event.get("note") or self._say(rule.code, event.get("reason")) or rule.name,
            "reason": event.get("reason") or False,
            "key": event["key"],
            "res_model": source._name if source else False,
            "res_id": source.id if source else False,
        }

    def _reverse(self, note, date=None):
        """Take the entry's points back with an opposite entry. Reversing again gives the same reversal.

        :param datetime.date date: day from which the points no longer count (default: today)
        """
        self.ensure_one()
        if self.kind == "reversal":
            raise UserError(
                self.env._("This entry is itself a reversal. Enter the event again instead of reversing it.")
            )
        if self.kind != "event":
            raise UserError(
                self.env._(
                    "This entry follows from a cap or a lapse. Reverse the event that it belongs to instead."
                )
            )
        if self.reversal_ids:
            return self.reversal_ids
        reversal = guard.mark(self).create(
            {
                "partner_id": self.partner_id.id,
                "company_id": self.company_id.id,
                "date": max(date or fields.Date.context_today(self), self.date),
                "points": -self.points,
                "kind": "reversal",
                "rule_id": self.rule_id.id,
                "note": note,
                "key": f"reversal:{self.id}",
                "res_model": self.res_model,
                "res_id": self.res_id,
                "reversed_entry_id": self.id,
            }
        )
        return reversal.with_env(self.env)

    # Caps and expiry

    def _settle(self):
        """Append what caps and expiry make of these entries, so that the sums of all days are right again."""
        limited = self.filtered(lambda entry: entry.rule_id.cap or entry.rule_id.expiry_months)
        if not limited:
            return
        limited.partner_id._dms_lock()
        accounts = {entry._get_account() for entry in limited}
        entries_sudo = self.sudo().search(
            [
                ("rule_id", "in", limited.rule_id.ids),
                ("partner_id", "in", limited.partner_id.ids),
                ("company_id", "in", limited.company_id.ids),
            ]
        )
        vals_list = []
        for account, members_sudo in entries_sudo.grouped(lambda entry: entry._get_account()).items():
            if account in accounts:
                vals_list += members_sudo._prepare_adjustments()
        guard.mark(entries_sudo).create(vals_list)

    def _get_account(self):
        """What caps and expiry are reckoned for: one rule's entries of one member in one company."""
        return self.rule_id.id, self.partner_id.id, self.company_id.id

    def _prepare_adjustments(self):
        """Values of the entries that are missing beside ``self``, all entries of one account."""
        rule, partner, company = self.rule_id, self.partner_id, self.company_id
        reversed_on = {entry.reversed_entry_id.id: entry.date for entry in self if entry.kind == "reversal"}
        events = [
            credit.Event(entry.date, entry.key, entry.points, reversed_on.get(entry.id))
            for entry in self
            if entry.kind == "event"
        ]
        posted, count = defaultdict(int), defaultdict(int)
        for entry in self.filtered(lambda entry: entry.kind in ("cap", "expiry")):
            posted[entry.date, entry.kind] += entry.points
            count[entry.date, entry.kind] += 1
        wanted = credit.adjustments(events, rule._get_terms())
        reason = {"rule": rule.id, "months": rule.expiry_months}
        return [
            {
                "partner_id": partner.id,
                "company_id": company.id,
                "date": day,
                "points": wanted.get((day, kind), 0) - posted[day, kind],
                "kind": kind,
                "rule_id": rule.id,
                "note": self._say(kind, reason),
                "reason": reason,
                "key": f"{kind}:{rule.id}:{partner.id}:{day}:{count[day, kind]}",
            }
            for day, kind in sorted(wanted.keys() | posted.keys())
            if wanted.get((day, kind), 0) != posted[day, kind]
        ]

    # Events that are found by themselves. Each job can run at any time, any number of times, and be cut off.

    @api.model
    def _cron_payment_events(self, days=60):
        """Count invoices of members that were paid on time, or that became overdue, level by level.

        What counts is when an invoice was paid, not when the job looks at it.

        :param int days: how far back due dates are looked at, beyond the highest level; older ones are history
        """
        levels = self.env["dms.credit.rule"].search([("code", "=", "overdue")]).mapped("min_days")
        today = fields.Date.context_today(self)
        invoices = self.env["account.move"].search(
            Domain("move_type", "=", "out_invoice")
            & Domain("state", "=", "posted")
            & Domain("commercial_partner_id.channel_role", "!=", False)
            & Domain(
                "invoice_date_due", ">=", fields.Date.subtract(today, days=days + max(levels, default=0))
            )
            & (
                Domain("payment_state", "in", ("paid", "in_payment"))
                | (
                    Domain("payment_state", "in", ("not_paid", "partial"))
                    & Domain("invoice_date_due", "<", today)
                )
            ),
            order="id",
        )
        cron = self.env["ir.cron"]
        cron._commit_progress(remaining=len(invoices))
        for ids in split_every(INVOICE_BATCH, invoices.ids):
            for company, moves in self.env["account.move"].browse(ids).grouped("company_id").items():
                self._post_payment_events(moves, company, today)
            if not cron._commit_progress(len(ids)):
                break

    @api.model
    def _post_payment_events(self, moves, company, today):
        paid_on = moves.filtered(lambda move: move.payment_state in ("paid", "in_payment"))._get_dms_paid_on()
        levels = {rule.min_days for rule in self.env["dms.credit.rule"]._get_rules("overdue", company)}
        on_time, overdue = [], []
        for move in moves:
            due = move.invoice_date_due
            event = {"partner": move.commercial_partner_id, "source": move}
            if move in paid_on and paid_on[move] <= due:
                on_time.append(
                    event
                    | {
                        "key": f"payment_on_time:{move.id}",
                        "date": paid_on[move],
                        "reason": {"invoice": move.name},
                    }
                )
                continue
            late = (paid_on.get(move, today) - due).days
            for level in levels:
                if late >= max(level, 1):
                    overdue.append(
                        event
                        | {
                            "key": f"overdue:{move.id}" + (f":{level}" if level else ""),
                            "date": fields.Date.add(due, days=max(level, 1)),
                            "min_days": level,
                            "reason": {"invoice": move.name, "days": level},
                        }
                    )
        self._post_events("payment_on_time", on_time, company)
        self._post_events("overdue", overdue, company)

    @api.model
    def _cron_period_events(self):
        """Count periods without a case, months that were reported well, and targets met, of the past year."""
        today = fields.Date.context_today(self)
        jobs = [
            (company, method, start)
            for company in self.env["res.company"].search([])
            for method, period, back in (
                (self._post_clean_periods, "quarter", 4),
                (self._post_feed_quality, "month", 12),
                (self._post_targets_met, "month", 12),
            )
            for start in self._get_past_periods(today, period, back)
        ] + [
            (company, self._post_year_targets_met, start)
            for company in self.env["res.company"].search([])
            for start in self._get_past_years(today, company)
        ]
        cron = self.env["ir.cron"]
        cron._commit_progress(remaining=len(jobs))
        for company, post, start in jobs:
            post(start, company, today)
            if not cron._commit_progress(1):
                break

    @api.model
    def _get_past_periods(self, today, period, back):
        """First days of the ``back`` periods that have ended before ``today``, the oldest first."""
        months = credit.MONTHS[period]
        start = credit.period_start(today, period)
        return [fields.Date.subtract(start, months=months * number) for number in range(back, 0, -1)]

    @api.model
    def _get_members_under_agreement(self, start, end, company):
        """Distributors with an agreement in force from the first to the last day."""
        partners = self.env["res.partner"].search([("channel_role", "=", "distributor")])
        Agreement = self.env["dms.agreement"].sudo()
        at_start = Agreement._get_active(partners, start, company)
        at_end = Agreement._get_active(partners, end, company)
        return partners.filtered(lambda partner: at_start[partner] and at_end[partner])

    @api.model
    def _post_period_events(self, code, partners, end, company, reason):
        """One event for each of the partners on a period's last day.

        :param dict reason: values of the sentence, see :meth:`_say`
        """
        self._post_events(
            code,
            [
                {"partner": partner, "key": f"{code}:{partner.id}:{end}", "date": end, "reason": reason}
                for partner in partners
            ],
            company,
        )

    @api.model
    def _get_partners_with_case(self, start, end, company):
        """Distributors against whom a case that was opened in the period stands or is undecided.

        :return: partners; None where nobody looks for diversion, so that nobody is found clean
        """
        return

    @api.model
    def _post_clean_periods(self, start, company, today):
        end = credit.period_end(start, "quarter")
        suspects = self._get_partners_with_case(start, end, company)
        if suspects is not None:
            clean = self._get_members_under_agreement(start, end, company) - suspects
            self._post_period_events(
                "clean_period", clean, end, company, {"start": str(start), "end": str(end)}
            )

    @api.model
    def _post_feed_quality(self, start, company, today):
        """A month counts if its reporting quality reaches what the rule asks for, once the reports of it have come."""
        end = credit.period_end(start, "month")
        rule = self.env["dms.credit.rule"]._get_rule("feed_quality", company, end)
        if not rule or today <= fields.Date.add(end, days=FEED_DEADLINE):
            return
        partners = self.env["res.partner"].search([("channel_role", "=", "distributor")])
        scores = self.env["dms.feed.score"]._get_scores(partners, start, end, company)
        good = partners.filtered(
            lambda partner: (
                scores[partner.id] is not None
                and float_compare(scores[partner.id], rule.min_score, precision_digits=1) >= 0
            )
        )
        for partner in good:
            reason = {"month": str(start), "score": round(scores[partner.id], 1)}
            self._post_period_events("feed_quality", partner, end, company, reason)

    @api.model
    def _post_targets_met(self, start, company, today):
        end = credit.period_end(start, "month")
        self._post_met("target_met", start, end, company, {"month": str(start)})

    @api.model
    def _get_past_years(self, today, company):
        """The first day of the fiscal year that has ended last."""
        this = company.compute_fiscalyear_dates(today)["date_from"]
        return [company.compute_fiscalyear_dates(fields.Date.subtract(this, days=1))["date_from"]]

    @api.model
    def _post_year_targets_met(self, start, company, today):
        end = company.compute_fiscalyear_dates(start)["date_to"]
        self._post_met("year_target_met", start, end, company, {"start": str(start), "end": str(end)})

    @api.model
    def _post_met(self, code, start, end, company, reason):
        """Count the distributors that were under an agreement for the whole time and attained what its lines asked for."""
        partners = self._get_members_under_agreement(start, end, company)
        attained = partners._get_dms_attainment(start, end, company)
        for partner in partners.filtered(lambda partner: (attained[partner.id] or 0.0) >= 100.0):
            values = reason | {"attained": round(attained[partner.id], 1)}
            self._post_period_events(code, partner, end, company, values)
