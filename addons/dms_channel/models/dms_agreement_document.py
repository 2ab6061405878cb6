"""What leaves the house about an agreement: its PDF, its mails, and what a new version changes."""

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tools import format_date, format_datetime, html2plaintext
from odoo.tools.misc import formatLang

from ..tools import guard

# Shown when they differ from the version before.
COMPARED_FIELDS = (
    "date_start",
    "date_end",
    "credit_limit",
    "deposit_amount",
    "payment_term_id",
    "grade_id",
    "currency_id",
    "note",
)


class DmsAgreementDocument(models.AbstractModel):
    """Mixin of ``dms.agreement``: the PDF, the mails, and the comparison with the version before."""

    _name = "dms.agreement.document"
    _inherit = ["dms.pdf.document"]
    _description = "Distribution Agreement as a Document"

    # === CHANGES ===

    def _get_differences(self):
        """What this version changes, in the user's language.

        :return: ``{"kind": "changed"|"added"|"removed", "label", "old", "new"}``; texts, empty where there is none
        :rtype: list[dict[str, str]]
        """
        self.ensure_one()
        old = self.previous_id
        if not old:
            return []
        result = []
        for name in COMPARED_FIELDS:
            before, after = old._format_term(name), self._format_term(name)
            if before != after:
                label = self._fields[name]._description_string(self.env)
                result.append({"kind": "changed", "label": label, "old": before, "new": after})
        return result + self._get_line_differences()

    def _get_line_differences(self):
        """Lines of the same territory and products are one line; what is left of the same territory is one that changed
        its products."""
        old_lines, new_lines = list(self.previous_id.line_ids), list(self.line_ids)
        pairs = []
        for key in (
            lambda line: (line.territory_id, line.categ_ids, line.product_ids),
            lambda line: line.territory_id,
        ):
            for new in list(new_lines):
                old = next((line for line in old_lines if key(line) == key(new)), None)
                if old:
                    pairs.append((old, new))
                    old_lines.remove(old)
                    new_lines.remove(new)
        result = [
            {
                "kind": "changed",
                "label": new.territory_id.display_name,
                "old": old._format_terms(),
                "new": new._format_terms(),
            }
            for old, new in pairs
            if old._format_terms() != new._format_terms()
        ]
        result += [
            {
                "kind": "added",
                "label": line.territory_id.display_name,
                "old": "",
                "new": line._format_terms(),
            }
            for line in new_lines
        ]
        result += [
            {
                "kind": "removed",
                "label": line.territory_id.display_name,
                "old": line._format_terms(),
                "new": "",
            }
            for line in old_lines
        ]
        return result

    def _format_term(self, name):
        """A term as a text; empty where nothing is agreed upon."""
        self.ensure_one()
        value = self[name]
        if name in ("date_start", "date_end"):
            return format_date(self.env, value) if value else self.env._("until terminated")
        if name in ("credit_limit", "deposit_amount"):
            return formatLang(self.env, value, currency_obj=self.currency_id) if value else self.env._("none")
        if name == "note":
            return html2plaintext(value or "").strip()
        return value.display_name or ""

    # === PDF ===

    def _get_pdf_lang(self):
        return self.partner_id.lang

    def _build_pdf(self):
        self.ensure_one()
        document = self._new_pdf(self.env._("Distribution Agreement %s", self.display_name))
        document.heading(self.env._("Distribution Agreement %s", self.display_name), self._format_dates())
        document.facts(self._get_document_facts())
        document.section(self.env._("Territories and products"))
        document.table(
            [
                self.env._("Territory"),
                self.env._("Products"),
                self.env._("Right"),
                self.env._("Yearly target"),
            ],
            [
                [
                    line.territory_id.display_name,
                    line._format_goods(),
                    self.env._("exclusive") if line.exclusive else self.env._("not exclusive"),
                    line._format_target(),
                ]
                for line in self.line_ids
            ],
            widths=[4, 4, 2, 2.4],
            text_columns=3,
        )
        self._add_document_months(document)
        if differences := self._get_differences():
            document.section(self.env._("What changes against version %s", self.previous_id.version))
            document.table(
                [self.env._("Term"), self.env._("So far"), self.env._("From now on")],
                [[row["label"], row["old"] or "–", row["new"] or "–"] for row in differences],
                widths=[3, 4, 4],
                text_columns=3,
            )
        if note := html2plaintext(self.note or "").strip():
            document.section(self.env._("Terms and conditions"))
            document.paragraph(note)
        if self.signed_on:
            document.section(self.env._("Signature"))
            document.picture(self.signature)
            document.facts(self._get_document_signature())
        return document

    def _add_document_months(self, document):
        lines = self.line_ids.filtered("target_ids")
        if not lines:
            return
        names = self.env["dms.agreement.target"]._get_months()
        document.section(self.env._("Targets by month"))
        document.table(
            [self.env._("Month"), *(line.territory_id.name for line in lines)],
            [
                [
                    names[month],
                    *(
                        formatLang(
                            self.env, line._get_months().get(month, 0.0), currency_obj=self.currency_id
                        )
                        for line in lines
                    ),
                ]
                for month in names
            ],
            widths=[2, *[3] * len(lines)],
        )

    def _get_document_facts(self):
        company, partner = self.company_id, self.partner_id
        labels = {name: self._fields[name]._description_string(self.env) for name in COMPARED_FIELDS}
        return [
            (self.env._("Company"), company.name),
            (self.env._("Distributor"), f"{partner.name} {partner.ref or ''}".strip()),
            (self.env._("Address"), (partner._display_address(without_company=True) or "").strip()),
            (self.env._("In force"), self._format_dates()),
            *(
                (labels[name], self._format_term(name))
                for name in ("credit_limit", "deposit_amount", "payment_term_id", "grade_id")
                if self[name]
            ),
        ]

    def _get_document_signature(self):
        return [
            (self.env._("Signed by"), self.signed_by),
            (self.env._("For"), self.partner_id.name),
            (self.env._("On"), format_datetime(self.env, self.signed_on, tz=self.partner_id.tz)),
            *([(self.env._("From network address"), self.signed_from)] if self.signed_from else []),
        ]

    def _get_document_name(self):
        return f"{self.display_name.replace('/', '-')}.pdf"

    def _try_document(self):
        """The PDF as ``[(name, bytes)]``, and nothing but a reason where the server has no font for it: neither mail nor
        signature waits for that.

        :rtype: tuple[list[tuple[str, bytes]], str]
        """
        self.ensure_one()
        try:
            return [(self._get_document_name(), self._render_pdf())], ""
        except UserError as error:
            return [], str(error)

    def _keep_document(self):
        """Attach the signed PDF."""
        self.ensure_one()
        attachments, problem = self._try_document()
        message = self.message_post(
            body=f"{self.env._('Signed by %s', self.signed_by)}\n{problem}".strip(),
            subtype_xmlid="mail.mt_comment",
            attachments=attachments,
        )
        guard.mark(self).document_id = message.attachment_ids[:1]

    # === MAIL ===

    def _send_mail(self, template, attach=False):
        """Post a mail template's text to the distributor and to its people with portal access."""
        self.ensure_one()
        attachments = self.env["ir.attachment"].create(
            [
                {
                    "name": name,
                    "raw": content,
                    "mimetype": "application/pdf",
                    "res_model": "mail.compose.message",
                }
                for name, content in (self._try_document()[0] if attach else [])
            ]
        )
        return self.message_post_with_source(
            template,
            message_type="comment",
            subtype_xmlid="mail.mt_comment",
            partner_ids=[Command.set(self._get_signatories().ids)],
            attachment_ids=[Command.set(attachments.ids)],
            email_layout_xmlid="mail.mail_notification_layout_with_responsible_signature",
        )

    # === REMINDERS ===

    @api.model
    def _cron_remind(self):
        """Remind of agreements that end soon, once for each number of days that the company states. Run daily."""
        today = fields.Date.context_today(self)
        due = [
            (agreement, days)
            for company, agreements in self._get_ending().grouped("company_id").items()
            for agreement in agreements
            if (days := agreement._get_reminder(company._get_dms_reminder_days(), today))
        ]
        self.env["ir.cron"]._commit_progress(remaining=len(due))
        for agreement, days in due:
            agreement._remind(days)
            self.env["ir.cron"]._commit_progress(1)

    @api.model
    def _get_ending(self):
        """Active agreements with a last day that nothing follows yet."""
        return self.search(
            [
                ("state", "=", "active"),
                ("date_end", ">=", fields.Date.context_today(self)),
                ("next_ids", "not any", [("state", "in", ("signed", "active"))]),
            ]
        )

    def _get_reminder(self, thresholds, today):
        """The reminder to send now, in days before the end; 0 when it was sent, or none is due.

        After days without the job only the nearest one is sent.
        """
        self.ensure_one()
        left = (self.date_end - today).days
        nearest = min((days for days in thresholds if days >= left), default=0)
        return nearest if nearest and (not self.reminded_days or nearest < self.reminded_days) else 0

    def _remind(self, days):
        self.ensure_one()
        self.reminded_days = days
        self._send_mail("dms_channel.mail_template_dms_agreement_reminder")
        self.activity_schedule(
            "mail.mail_activity_data_todo",
            date_deadline=self.date_end,
            user_id=(self.user_id or self.partner_id.user_id or self.env.user).id,
            summary=self.env._("Renew %(agreement)s, which ends on %(date)s", agreement=self.display_name, date=format_date(self.env, self.date_end)),
        )  # fmt: skip
