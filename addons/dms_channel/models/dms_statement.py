from datetime import timedelta

from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Domain
from odoo.tools import SQL, format_date, format_datetime

from ..tools import guard
from .dms_statement_answer import ANSWER_FIELDS
from .dms_statement_document import MAIL_REMINDER, MAIL_SEND

BATCH = 200
# The account and period of a statement; what is sent is frozen.
ACCOUNT = {
    "partner_id",
    "company_id",
    "currency_id",
    "date_from",
    "date_to",
    "version",
    "previous_id",
    "name",
}


class DmsStatement(models.Model):
    _name = "dms.statement"
    _description = "Statement of Account"
    _inherit = [
        "mail.thread",
        "mail.activity.mixin",
        "portal.mixin",
        "dms.statement.answer",
        "dms.statement.ledger",
        "dms.statement.document",
    ]
    _order = "date_to desc, id desc"
    _check_company_auto = True

    name = fields.Char("Statement No.", readonly=True, copy=False, index="trigram")
    partner_id = fields.Many2one(
        "res.partner",
        "Distributor",
        required=True,
        index=True,
        ondelete="restrict",
        check_company=True,
        domain=[("channel_role", "=", "distributor")],
        tracking=True,
    )
    company_id = fields.Many2one(
        "res.company", required=True, default=lambda self: self.env.company, index=True, ondelete="restrict"
    )
    currency_id = fields.Many2one(
        "res.currency",
        required=True,
        default=lambda self: self.env.company.currency_id,
        help="Entries in this currency are stated; a distributor who trades in several has a statement of each.",
    )
    company_currency_id = fields.Many2one(related="company_id.currency_id")
    is_foreign = fields.Boolean(compute="_compute_is_foreign")
    date_from = fields.Date("From", required=True, default=lambda self: self._get_last_month()[0])
    date_to = fields.Date("To", required=True, default=lambda self: self._get_last_month()[1])
    version = fields.Integer(default=1, required=True, readonly=True, copy=False)
    previous_id = fields.Many2one(
        "dms.statement", "Replaces", readonly=True, copy=False, ondelete="restrict", index="btree_not_null"
    )
    next_ids = fields.One2many("dms.statement", "previous_id", "Replaced by")
    state = fields.Selection(
        [
            ("draft", "Draft"),
            ("sent", "Sent"),
            ("disputed", "Disputed"),
            ("confirmed", "Confirmed"),
            ("closed", "Closed"),
        ],
        default="draft",
        required=True,
        readonly=True,
        copy=False,
        index=True,
        tracking=True,
        group_expand=True,
    )
    outcome = fields.Selection(
        [
            ("confirmed", "Confirmed by the Distributor"),
            ("disputed", "In Dispute to the End"),
            ("unanswered", "Never Answered"),
            ("superseded", "Replaced by a New Version"),
        ],
        "Closed as",
        readonly=True,
        copy=False,
        tracking=True,
        help="A statement that was not answered counts as unanswered, never as confirmed.",
    )
    user_id = fields.Many2one(
        "res.users",
        "Responsible",
        default=lambda self: self.env.user,
        domain=[("share", "=", False)],
        tracking=True,
    )
    sent_on = fields.Datetime(readonly=True, copy=False)
    deadline = fields.Date("Answer until", copy=False, tracking=True)
    reminded_on = fields.Date(readonly=True, copy=False)
    overdue_on = fields.Date("Reported as Unanswered", readonly=True, copy=False)
    is_late = fields.Boolean("Answer Overdue", compute="_compute_is_late", search="_search_is_late")
    line_ids = fields.One2many("dms.statement.line", "statement_id", "Entries", copy=False)
    disputed_line_ids = fields.One2many(
        "dms.statement.line", "statement_id", "Disputes", domain=[("answer", "=", "disputed")], copy=False
    )
    item_ids = fields.One2many("dms.statement.item", "statement_id", "Open Items", readonly=True, copy=False)
    line_count = fields.Integer("Number of Entries", readonly=True, copy=False)
    disputed_count = fields.Integer("Disputed Entries", compute="_compute_answers")
    open_count = fields.Integer("Entries Not Answered", compute="_compute_answers")
    difference_count = fields.Integer(
        compute="_compute_differences",
        search="_search_difference_count",
        help="Entries that changed after sending.",
    )
    difference_html = fields.Html("Changes since Sending", compute="_compute_differences")
    current_closing = fields.Monetary("Closing Balance as of Today's Ledger", compute="_compute_differences")

    opening_balance = fields.Monetary(readonly=True, copy=False)
    amount_invoice = fields.Monetary("Invoices", readonly=True, copy=False)
    amount_payment = fields.Monetary("Payments", readonly=True, copy=False)
    amount_credit_note = fields.Monetary("Credit Notes", readonly=True, copy=False)
    amount_settlement = fields.Monetary("Settlements", readonly=True, copy=False)
    amount_deduction = fields.Monetary("Deductions", readonly=True, copy=False)
    amount_other = fields.Monetary("Other Entries", readonly=True, copy=False)
    closing_balance = fields.Monetary(readonly=True, copy=False, tracking=True)
    company_opening = fields.Monetary(
        "Opening in Company Currency", currency_field="company_currency_id", readonly=True, copy=False
    )
    company_closing = fields.Monetary(
        "Closing in Company Currency", currency_field="company_currency_id", readonly=True, copy=False
    )
    age_due = fields.Monetary("Not Due", readonly=True, copy=False)
    age_30 = fields.Monetary("1–30 Days", readonly=True, copy=False)
    age_60 = fields.Monetary("31–60 Days", readonly=True, copy=False)
    age_90 = fields.Monetary("61–90 Days", readonly=True, copy=False)
    age_older = fields.Monetary("Older", readonly=True, copy=False)
    age_other = fields.Monetary(
        "Set off Elsewhere",
        readonly=True,
        copy=False,
        help="Part of the balance that is not open here: it was reconciled with items of another partner.",
    )
    amount_overdue = fields.Monetary(
        "Overdue",
        readonly=True,
        copy=False,
        help="What should have been paid by then; open credits are not set off.",
    )

    _dates = models.Constraint(
        "CHECK(date_to >= date_from)", "The statement's last day lies before its first day. Exchange them."
    )
    _account_uniq = models.UniqueIndex(
        "(partner_id, company_id, currency_id, date_from, date_to, version)",
        "There is a statement of this distributor, currency and period already: open that one.",
    )

    # === COMPUTE ===

    @api.depends("currency_id", "company_id")
    def _compute_is_foreign(self):
        for statement in self:
            statement.is_foreign = statement.currency_id != statement.company_currency_id

    @api.depends("deadline", "state")
    def _compute_is_late(self):
        today = fields.Date.context_today(self)
        for statement in self:
            statement.is_late = bool(
                statement.state == "sent" and statement.deadline and statement.deadline < today
            )

    def _search_is_late(self, operator, value):
        if operator != "in":
            return NotImplemented
        late = Domain("state", "=", "sent") & Domain("deadline", "<", fields.Date.context_today(self))
        if True in value and False in value:
            return Domain.TRUE
        return late if True in value else ~late

    @api.depends("line_ids.answer")
    def _compute_answers(self):
        counts = {
            (statement.id, answer): count
            for statement, answer, count in self.env["dms.statement.line"]._read_group(
                [("statement_id", "in", self.ids)], ["statement_id", "answer"], ["__count"]
            )
        }
        for statement in self:
            statement.disputed_count = counts.get((statement.id, "disputed"), 0)
            statement.open_count = counts.get((statement.id, "open"), 0)

    @api.depends("state", "line_ids")
    @api.depends_context("lang")
    def _compute_differences(self):
        differences = self.filtered(lambda statement: statement._is_frozen())._read_differences()
        for statement in self:
            rows = differences.get(statement.id, [])
            statement.difference_count = len(rows)
            statement.current_closing = statement.closing_balance + sum(
                row["now"] - row["stated"] for row in rows
            )
            statement.difference_html = rows and self.env["ir.qweb"]._render(
                "dms_channel.dms_statement_differences", {"statement": statement, "rows": rows}
            )

    def _search_difference_count(self, operator, value):
        if operator not in (">", "=") or value:
            return NotImplemented
        frozen = self.search([("state", "in", ("sent", "disputed", "confirmed"))])
        ids = list(frozen._read_differences())
        return Domain("id", "in" if operator == ">" else "not in", ids)

    def _compute_access_url(self):
        super()._compute_access_url()
        for statement in self:
            statement.access_url = f"/my/statements/{statement.id}"

    @api.constrains("partner_id")
    def _check_partner(self):
        for statement in self:
            partner = statement.partner_id
            if partner != partner.commercial_partner_id:
                raise ValidationError(
                    self.env._(
                        "%(contact)s is a contact: a statement is of the whole company, %(partner)s.",
                        contact=partner.display_name,
                        partner=partner.commercial_partner_id.display_name,
                    )
                )

    # === CRUD ===

    @api.model_create_multi
    def create(self, vals_list):
        if not guard.is_marked(self):
            for vals in vals_list:
                if vals.get("state", "draft") != "draft":
                    raise UserError(self.env._("A statement starts as a draft."))
        statements = super().create(vals_list)
        for statement in statements:
            guard.mark(statement).name = statement._get_name()
        statements._store_ledger()
        return statements

    def write(self, vals):
        if guard.is_marked(self):
            return super().write(vals)
        if "state" in vals or "outcome" in vals or "answer" in vals:
            raise UserError(self.env._("The state of a statement changes by its buttons and answers only."))
        if "reply" in vals:
            vals = {**vals, **self._prepare_reply_vals()}
        if ACCOUNT & vals.keys():
            for statement in self:
                if statement.state != "draft":
                    raise UserError(
                        self.env._(
                            "Statement %s was sent and stays as it is. Make a new version of it to change it.",
                            statement.name,
                        )
                    )
        result = super().write(vals)
        if ACCOUNT & vals.keys():
            for statement in self:
                guard.mark(statement).name = statement._get_name()
            self._store_ledger()
        return result

    @api.ondelete(at_uninstall=False)
    def _unlink_except_draft(self):
        for statement in self:
            if statement.state != "draft":
                raise UserError(
                    self.env._("Statement %s was sent: it is kept. Close it instead.", statement.name)
                )

    def _get_name(self):
        """The number says what it is of: month or days, distributor, currency unless the company's, version."""
        self.ensure_one()
        start, end = self.date_from, self.date_to
        month_end = start + timedelta(days=32)
        whole_month = start.day == 1 and end == month_end.replace(day=1) - timedelta(days=1)
        parts = [
            "STM",
            f"{start:%Y-%m}" if whole_month else f"{start:%Y%m%d}-{end:%Y%m%d}",
            self.partner_id.ref or str(self.partner_id.id),
        ]
        if self.is_foreign:
            parts.append(self.currency_id.name)
        if self.version > 1:
            parts.append(f"v{self.version}")
        return "/".join(parts)

    @api.model
    def _get_last_month(self):
        last = fields.Date.context_today(self).replace(day=1) - timedelta(days=1)
        return last.replace(day=1), last

    @api.model
    def _get_total_field(self, kind):
        """The total that a kind of entry is part of."""
        name = f"amount_{kind}"
        return name if name in self._fields else "amount_other"

    @api.model
    def _get_total_fields(self):
        kinds = dict(self.env["dms.statement.line"]._fields["kind"].selection)
        return list(dict.fromkeys(self._get_total_field(kind) for kind in kinds))

    def _set_state(self, state, **vals):
        return guard.mark(self).write({"state": state, **vals})

    def _is_frozen(self):
        self.ensure_one()
        return self.state in ("sent", "disputed", "confirmed") or (
            self.state == "closed" and self.outcome != "superseded"
        )

    # === ACTIONS ===

    def action_compute(self):
        """Bring drafts up to date with the ledger."""
        for statement in self:
            if statement.state != "draft":
                raise UserError(
                    self.env._(
                        "Statement %s was sent and stays as it is. Make a new version of it to change it.",
                        statement.name,
                    )
                )
        self._store_ledger()

    def action_send(self):
        """Freeze the figures and send them to the distributor, for an answer until the deadline."""
        self._lock()
        today = fields.Date.context_today(self)
        for statement in self:
            if statement.state != "draft":
                raise UserError(self.env._("Statement %s was sent already.", statement.name))
            if statement.date_to > today:
                raise UserError(
                    self.env._(
                        "Statement %(name)s runs until %(date)s: it can be sent when that day has come.",
                        name=statement.name,
                        date=format_date(self.env, statement.date_to),
                    )
                )
        self._store_ledger()
        self._carry_answers()
        for statement in self:
            statement._send(today)

    def action_send_again(self):
        """Mail a sent statement once more; nothing else changes."""
        for statement in self.filtered(lambda statement: statement.state in ("sent", "disputed")):
            statement._send_mail(MAIL_SEND, attach=True)

    def action_new_version(self):
        """Draft a version that takes up what was posted into the period since."""
        self.ensure_one()
        if not self._is_frozen():
            raise UserError(self.env._("%s is a draft or replaced: bring that one up to date.", self.name))
        if self.next_ids:
            return self.next_ids[:1]._get_records_action(context={})
        version = self.create(
            {
                name: self[name].id if isinstance(self[name], models.BaseModel) else self[name]
                for name in ("partner_id", "company_id", "currency_id", "date_from", "date_to", "user_id")
            }
            | {"version": self.version + 1, "previous_id": self.id}
        )
        self.message_post(body=self.env._("New version: %s", version._get_html_link()))
        return version._get_records_action(context={})

    def action_close(self):
        """Put a statement away, as what its answers made of it; silence is never taken as consent."""
        today = fields.Date.context_today(self)
        for statement in self:
            if statement.state == "sent" and (not statement.deadline or statement.deadline >= today):
                raise UserError(
                    self.env._(
                        "Statement %(name)s may be answered until %(date)s. Close it after that day.",
                        name=statement.name,
                        date=format_date(self.env, statement.deadline),
                    )
                )
            if statement.state == "disputed" and not statement._is_replied():
                raise UserError(
                    self.env._(
                        "Statement %s has disputes that nobody replied to. Reply first.", statement.name
                    )
                )
            if statement.state not in ("sent", "disputed", "confirmed"):
                raise UserError(self.env._("Statement %s is not open for an answer.", statement.name))
            outcome = "unanswered" if statement.state == "sent" else statement.state
            statement._set_state("closed", outcome=outcome)
        self.activity_unlink(["mail.mail_activity_data_todo"])

    def action_send_replies(self):
        """Tell the distributor what was replied to its disputes."""
        for statement in self:
            replies = [
                f"{line.display_name}: {line.reply}"
                for line in statement.line_ids
                if line.answer == "disputed" and line.reply
            ]
            if statement.answer == "disputed" and statement.reply:
                replies.append(self.env._("Balance: %s", statement.reply))
            if not replies:
                raise UserError(
                    self.env._("There is no reply to send: enter one beside each disputed entry first.")
                )
            statement.message_post(
                body=Markup("<br/>").join([self.env._("Our reply to your disputes:"), *replies]),
                subtype_xmlid="mail.mt_comment",
                partner_ids=statement._get_recipients().ids,
            )
            statement.activity_unlink(["mail.mail_activity_data_todo"])

    def action_print(self):
        self.ensure_one()
        return {"type": "ir.actions.act_url", "url": f"/dms/statement/{self.id}/pdf", "target": "new"}

    def action_export(self):
        self.ensure_one()
        return {"type": "ir.actions.act_url", "url": f"/dms/statement/{self.id}/xlsx", "target": "self"}

    def action_view_items(self):
        """Open the journal items behind the statement, earlier ones included."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Journal Items"),
            "res_model": "account.move.line",
            "view_mode": "list,form",
            "domain": self._get_items_domain(),
            "context": {"create": False, "edit": False},
        }

    def _get_items_domain(self):
        self.ensure_one()
        return [
            ("partner_id.commercial_partner_id", "=", self.partner_id.id),
            ("company_id", "=", self.company_id.id),
            ("currency_id", "=", self.currency_id.id),
            ("account_id.account_type", "=", "asset_receivable"),
            ("parent_state", "=", "posted"),
            ("date", "<=", self.date_to),
        ]

    # === BUSINESS ===

    def _lock(self):
        """Keep others from sending or answering the same statements until this transaction ends."""
        guard.lock(self, "state", "answer")

    def _send(self, today):
        self.ensure_one()
        self._set_state(
            "sent",
            sent_on=fields.Datetime.now(),
            deadline=self.deadline or today + timedelta(days=self.company_id.dms_statement_days),
        )
        if self.previous_id:
            self.previous_id._set_state("closed", outcome="superseded")
            self.previous_id.activity_unlink(["mail.mail_activity_data_todo"])
        if any(line.answer == "disputed" for line in self.line_ids):
            self._set_state("disputed")
        self._send_mail(MAIL_SEND, attach=True)

    def _carry_answers(self):
        """What the distributor said of an entry in the version before holds where the entry is the same."""
        if not self.previous_id:
            return
        self.env["dms.statement.line"].flush_model()
        self.env.cr.execute(
            SQL(
                """
                UPDATE dms_statement_line AS line
                   SET %s
                  FROM dms_statement AS statement, dms_statement_line AS old
                 WHERE statement.id = line.statement_id AND old.statement_id = statement.previous_id
                   AND old.entry_key = line.entry_key AND old.amount = line.amount AND old.answer != 'open'
                   AND statement.id = ANY(%s)
                """,
                SQL(", ").join(
                    SQL("%s = old.%s", SQL.identifier(column), SQL.identifier(column))
                    for column in ANSWER_FIELDS
                ),
                self.ids,
            )
        )
        self.env["dms.statement.line"].invalidate_model(flush=False)

    def _is_replied(self):
        self.ensure_one()
        lines_replied = all(line.reply for line in self.line_ids if line.answer == "disputed")
        return lines_replied and (self.answer != "disputed" or bool(self.reply))

    def _check_answerable(self):
        self._lock()
        for statement in self:
            if statement.state not in ("sent", "disputed"):
                raise UserError(
                    self.env._(
                        "Statement %(name)s does not wait for an answer any more: it is %(state)s.",
                        name=statement.name,
                        state=dict(self._fields["state"]._description_selection(self.env))[statement.state],
                    )
                )

    def _answer_lines(self, lines, answer, name, address=None, reason=None, amount=None):
        """Confirm or dispute entries on behalf of the distributor; the caller has checked who it is.

        :param answer: ``confirmed`` or ``disputed``
        :param name: who answers
        :param reason: what is wrong, of a dispute
        :param amount: what stands in the distributor's books, of a dispute
        """
        self.ensure_one()
        self._check_answerable()
        if lines.statement_id - self:
            raise UserError(self.env._("These are entries of another statement."))
        vals = self._prepare_answer_vals(answer, name, address, reason, amount)
        if answer == "disputed" and self.answer == "confirmed":
            guard.mark(self).answer = "open"
        guard.mark(lines).write(vals)
        if answer == "disputed":
            self._report_dispute(", ".join(lines.mapped("display_name")), vals)
        self._settle_answers(vals)

    def _answer_balance(self, answer, name, address=None, reason=None, amount=None):
        """Confirm the statement as a whole, or dispute its closing balance.

        Confirming takes all entries that were not answered along; entries in dispute stay so.
        """
        self.ensure_one()
        self._check_answerable()
        vals = self._prepare_answer_vals(answer, name, address, reason, amount)
        guard.mark(self).write(vals)
        if answer == "disputed":
            self._report_dispute(self.env._("Balance"), vals)
        else:
            guard.mark(self.line_ids.filtered(lambda line: line.answer == "open")).write(vals)
        self._settle_answers(vals)

    def _settle_answers(self, vals):
        """Bring the state in line with the answers."""
        answers = set(self.line_ids.mapped("answer"))
        if self.answer == "disputed" or "disputed" in answers:
            if self.state != "disputed":
                self._set_state("disputed")
        elif self.answer == "confirmed" or (answers and answers == {"confirmed"}):
            # The last entry that was confirmed by itself confirms the whole.
            self._set_state("confirmed", **vals)
            self.message_post(
                body=self.env._(
                    "Confirmed by %(name)s on %(time)s.",
                    name=vals["answered_by"],
                    time=format_datetime(self.env, vals["answered_on"], dt_format="short"),
                )
            )
            self.activity_unlink(["mail.mail_activity_data_todo"])
        elif self.state != "sent":
            self._set_state("sent")

    def _report_dispute(self, subject, vals):
        self.message_post(
            body=self.env._(
                "%(name)s disputes %(subject)s: %(reason)s",
                name=vals["answered_by"],
                subject=subject,
                reason=vals["reason"],
            )
        )
        if not self.activity_search(["mail.mail_activity_data_todo"]):
            self.activity_schedule(
                "mail.mail_activity_data_todo",
                user_id=self._get_responsible().id,
                summary=self.env._("Reply to the disputes of %s", self.name),
            )

    def _get_responsible(self):
        self.ensure_one()
        return self.user_id or self.company_id.dms_statement_user_id or self.env.user

    # === GENERATION ===

    @api.model
    def _generate(self, date_from, date_to, companies=None, partners=None, commit=False):
        """Draft the statements of a period that are missing; drafts of it that exist are brought up to date.

        :param companies: those of the user where not given
        :param partners: restrict to these distributors
        :param commit: end the transaction after each batch, for jobs
        :return: the drafts of the period
        """
        companies = companies or self.env.companies
        accounts = self._get_accounts_to_state(date_from, date_to, companies, partners)
        responsible = {company.id: company.dms_statement_user_id.id or self.env.uid for company in companies}
        domain = Domain(
            [
                ("state", "=", "draft"),
                ("date_from", "=", date_from),
                ("date_to", "=", date_to),
                ("company_id", "in", companies.ids),
            ]
        )
        if partners is not None:
            domain &= Domain("partner_id", "in", partners.commercial_partner_id.ids)
        drafts = self.search(domain)
        drafts._store_ledger()
        cron = self.env["ir.cron"]
        if commit:
            cron._commit_progress(remaining=len(accounts))
        for first in range(0, len(accounts), BATCH):
            batch = accounts[first : first + BATCH]
            drafts |= self.create(
                [
                    {
                        "partner_id": partner_id,
                        "company_id": company_id,
                        "currency_id": currency_id,
                        "date_from": date_from,
                        "date_to": date_to,
                        "user_id": responsible[company_id],
                    }
                    for company_id, partner_id, currency_id in batch
                ]
            )
            if commit and not cron._commit_progress(len(batch)):
                break
        return drafts

    @api.model
    def _cron_generate(self):
        """Draft last month's statements of every company, and send them where the company says so."""
        date_from, date_to = self._get_last_month()
        companies = self.env["res.company"].search([("chart_template", "!=", False)])
        self = self.with_context(allowed_company_ids=companies.ids)  # noqa: PLW0642
        self._generate(date_from, date_to, companies=companies, commit=True)
        to_send = self.search(
            [
                ("state", "=", "draft"),
                ("previous_id", "=", False),
                ("date_from", "=", date_from),
                ("date_to", "=", date_to),
                ("company_id.dms_statement_auto_send", "=", True),
            ]
        )
        cron = self.env["ir.cron"]
        cron._commit_progress(remaining=len(to_send))
        for statement in to_send:
            statement.action_send()
            if not cron._commit_progress(1):
                break

    @api.model
    def _cron_remind(self):
        """Remind distributors before the deadline, and the responsible after it. Run daily, once for each statement."""
        today = fields.Date.context_today(self)
        waiting = self.search([("state", "=", "sent"), ("deadline", "!=", False)])
        due = waiting.filtered(
            lambda statement: (
                not statement.reminded_on
                and today <= statement.deadline
                and statement.deadline
                <= today + timedelta(days=statement.company_id.dms_statement_reminder_days)
            )
        )
        late = waiting.filtered(lambda statement: not statement.overdue_on and statement.deadline < today)
        cron = self.env["ir.cron"]
        cron._commit_progress(remaining=len(due) + len(late))
        for statement in due:
            statement._remind(today)
            if not cron._commit_progress(1):
                return
        for statement in late:
            statement._report_late(today)
            if not cron._commit_progress(1):
                return

    def _remind(self, today):
        self.ensure_one()
        guard.mark(self).reminded_on = today
        self._send_mail(MAIL_REMINDER)

    def _report_late(self, today):
        self.ensure_one()
        guard.mark(self).overdue_on = today
        self.activity_schedule(
            "mail.mail_activity_data_todo",
            user_id=self._get_responsible().id,
            summary=self.env._(
                "%(partner)s did not answer %(name)s; it does not count as confirmed",
                partner=self.partner_id.display_name,
                name=self.name,
            ),
        )
