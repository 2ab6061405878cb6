"""What leaves the house about a statement: PDF, XLSX and mails, in the distributor's language."""

import io

import xlsxwriter

from odoo import models
from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tools import format_date, formatLang

from .dms_statement_ledger import AGES

MAIL_SEND = "dms_channel.mail_template_dms_statement_send"
MAIL_REMINDER = "dms_channel.mail_template_dms_statement_reminder"
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class DmsStatementDocument(models.AbstractModel):
    """Mixin of ``dms.statement``."""

    _name = "dms.statement.document"
    _inherit = ["dms.pdf.document"]
    _description = "Statement as a Document"

    def _in_partner_lang(self):
        self.ensure_one()
        return self.with_context(lang=self.partner_id.lang or self.env.lang)

    def _get_document_name(self, extension):
        return f"{self.name.replace('/', '-')}.{extension}"

    def _try_documents(self):
        """PDF and XLSX as ``(name, bytes, mimetype)``; no PDF where the server has no font for it: the mail doesn't wait."""
        self.ensure_one()
        documents = [(self._get_document_name("xlsx"), self._render_xlsx(), XLSX_TYPE)]
        try:
            documents.insert(0, (self._get_document_name("pdf"), self._render_pdf(), "application/pdf"))
        except UserError as error:
            self.message_post(body=str(error))
        return documents

    def _get_document_facts(self):
        states = dict(self._fields["state"]._description_selection(self.env))
        outcomes = dict(self._fields["outcome"]._description_selection(self.env))
        facts = [
            (self.env._("Statement"), self.name),
            (self.env._("Issued by"), self.company_id.name),
            (self.env._("Distributor"), f"{self.partner_id.name} {self.partner_id.ref or ''}".strip()),
            (
                self.env._("Period"),
                f"{format_date(self.env, self.date_from)} – {format_date(self.env, self.date_to)}",
            ),
            (self.env._("Currency"), self.currency_id.name),
            (self.env._("State"), outcomes[self.outcome] if self.outcome else states[self.state]),
        ]
        if self.deadline and self.state in ("sent", "disputed"):
            facts.append((self.env._("Please answer until"), format_date(self.env, self.deadline)))
        if self.answer == "confirmed":
            facts.append((self.env._("Confirmed"), self.answer_text))
        return facts

    def _get_document_summary(self):
        """Label and amount, from the opening to the closing balance; what did not happen is left out."""
        label = {name: field._description_string(self.env) for name, field in self._fields.items()}
        return [
            (label["opening_balance"], self.opening_balance),
            *((label[name], self[name]) for name in self._get_total_fields() if self[name]),
            (label["closing_balance"], self.closing_balance),
        ]

    def _get_document_ages(self):
        label = {name: field._description_string(self.env) for name, field in self._fields.items()}
        names = [*AGES, *(["age_other"] if self.age_other else [])]
        return [(label[name], self[name]) for name in names]

    def _get_document_lines(self):
        """The entries that move the balance; exchange differences in company currency do not."""
        return self.line_ids.filtered("amount")

    def _get_document_answer(self, line):
        if line.answer == "disputed":
            return self.env._(
                "Disputed: %(reason)s (%(amount)s)",
                reason=line.reason,
                amount=formatLang(self.env, line.partner_amount, currency_obj=self.currency_id),
            )
        return self.env._("Confirmed") if line.answer == "confirmed" else ""

    # === PDF ===

    def _get_pdf_lang(self):
        return self.partner_id.lang

    def _build_pdf(self):
        company = self.company_id
        kinds = dict(self.env["dms.statement.line"]._fields["kind"]._description_selection(self.env))

        def money(amount):
            return formatLang(self.env, amount, currency_obj=self.currency_id)

        def number(amount):
            return formatLang(self.env, amount, digits=self.currency_id.decimal_places)

        title = self.env._("Statement of Account")
        document = self._new_pdf(f"{title} {self.name}", self.name)
        document.heading(title, company.name)
        document.facts(self._get_document_facts())
        summary = self._get_document_summary()
        document.table(
            [self.env._("Summary"), self.env._("Amount")],
            [[label, money(amount)] for label, amount in summary[:-1]],
            widths=[5, 2],
            total=[summary[-1][0], money(summary[-1][1])],
        )
        ages = self._get_document_ages()
        document.section(self.env._("Open on the last day, by days overdue"))
        document.table(
            [label for label, _amount in ages],
            [[number(amount) for _label, amount in ages]],
            widths=[1] * len(ages),
            text_columns=0,
        )
        document.section(self.env._("Entries"))
        document.table(
            [
                self.env._("Date"),
                self.env._("Number"),
                self.env._("Kind"),
                self.env._("Due Date"),
                self.env._("Amount"),
                self.env._("Balance"),
            ],
            [
                [
                    format_date(self.env, line.date),
                    " ".join(filter(None, [line.name, self._get_document_answer(line)])),
                    kinds[line.kind],
                    format_date(self.env, line.date_maturity) if line.kind == "invoice" else "",
                    number(line.amount),
                    number(line.balance),
                ]
                for line in self._get_document_lines()
            ],
            widths=[2, 4, 2.2, 2, 2, 2],
            text_columns=4,
            total=[self.env._("Closing balance"), "", "", "", "", money(self.closing_balance)],
        )
        if self.item_ids:
            document.section(self.env._("Open items"))
            document.table(
                [
                    self.env._("Due Date"),
                    self.env._("Number"),
                    self.env._("Days overdue"),
                    self.env._("Amount"),
                    self.env._("Still open"),
                ],
                [
                    [
                        format_date(self.env, item.date_maturity),
                        item.name or "",
                        str(item.days_overdue or ""),
                        number(item.amount),
                        number(item.residual),
                    ]
                    for item in self.item_ids
                    if item.residual
                ],
                widths=[2, 4, 2, 2, 2],
                text_columns=2,
            )
        document.paragraph(
            self.env._(
                "Please confirm or dispute this statement on the portal, entry by entry or as a whole. We don't take"
                " silence as consent: a statement that is not answered is kept as unanswered."
            ),
            muted=True,
        )
        return document

    # === XLSX ===

    def _render_xlsx(self):
        """The statement as a workbook (bytes) in the distributor's language: summary, entries, open items."""
        buffer = io.BytesIO()
        with xlsxwriter.Workbook(buffer, {"in_memory": True}) as workbook:
            self._in_partner_lang()._fill_workbook(workbook)
        return buffer.getvalue()

    def _fill_workbook(self, workbook):
        digits = self.currency_id.decimal_places
        style = {
            "title": workbook.add_format({"bold": True, "font_size": 14}),
            "head": workbook.add_format({"bold": True, "bg_color": "#f5f7fa", "bottom": 1}),
            "money": workbook.add_format({"num_format": "#,##0" + (f".{'0' * digits}" if digits else "")}),
            "total": workbook.add_format(
                {"bold": True, "top": 1, "num_format": "#,##0" + (f".{'0' * digits}" if digits else "")}
            ),
            "date": workbook.add_format({"num_format": "yyyy-mm-dd", "align": "left"}),
            "text": workbook.add_format({"text_wrap": False}),
        }
        self._fill_summary(workbook.add_worksheet(self.env._("Statement")[:31]), style)
        kinds = dict(self.env["dms.statement.line"]._fields["kind"]._description_selection(self.env))
        self._fill_table(
            workbook.add_worksheet(self.env._("Entries")[:31]),
            style,
            [
                (self.env._("Date"), "date", 12),
                (self.env._("Kind"), "text", 18),
                (self.env._("Number"), "text", 24),
                (self.env._("Reference"), "text", 28),
                (self.env._("Due Date"), "date", 12),
                (self.env._("Amount"), "money", 16),
                (self.env._("Balance"), "money", 16),
                (self.env._("Answer"), "text", 40),
            ],
            [
                (
                    line.date,
                    kinds[line.kind],
                    line.name,
                    line.ref,
                    line.date_maturity if line.kind == "invoice" else None,
                    line.amount,
                    line.balance,
                    self._get_document_answer(line),
                )
                for line in self._get_document_lines()
            ],
        )
        self._fill_table(
            workbook.add_worksheet(self.env._("Open items")[:31]),
            style,
            [
                (self.env._("Due Date"), "date", 12),
                (self.env._("Date"), "date", 12),
                (self.env._("Number"), "text", 24),
                (self.env._("Reference"), "text", 28),
                (self.env._("Days overdue"), "text", 14),
                (self.env._("Amount"), "money", 16),
                (self.env._("Still open"), "money", 16),
            ],
            [
                (
                    item.date_maturity,
                    item.date,
                    item.name,
                    item.ref,
                    item.days_overdue,
                    item.amount,
                    item.residual,
                )
                for item in self.item_ids
                if item.residual
            ],
        )

    def _fill_summary(self, sheet, style):
        sheet.set_column(0, 0, 28)
        sheet.set_column(1, 1, 32)
        sheet.write(0, 0, self.env._("Statement of Account"), style["title"])
        row = 2
        for label, value in self._get_document_facts():
            sheet.write_string(row, 0, label)
            sheet.write_string(row, 1, value or "")
            row += 1
        row += 1
        summary = self._get_document_summary()
        for number, (label, amount) in enumerate(summary):
            last = number == len(summary) - 1
            sheet.write_string(row, 0, label, style["total"] if last else None)
            sheet.write_number(row, 1, amount, style["total" if last else "money"])
            row += 1
        row += 1
        sheet.write_string(row, 0, self.env._("Open on the last day, by days overdue"), style["head"])
        for label, amount in self._get_document_ages():
            row += 1
            sheet.write_string(row, 0, label)
            sheet.write_number(row, 1, amount, style["money"])

    def _fill_table(self, sheet, style, columns, rows):
        """:param columns: header, style and width of each"""
        for column, (header, kind, width) in enumerate(columns):
            sheet.set_column(column, column, width)
            sheet.write_string(0, column, header, style["head"])
            for row, values in enumerate(rows, 1):
                value = values[column]
                if value in (None, False, ""):
                    continue
                if kind == "date":
                    sheet.write_datetime(row, column, value, style["date"])
                elif kind == "money":
                    sheet.write_number(row, column, value, style["money"])
                elif isinstance(value, int):
                    sheet.write_number(row, column, value)
                else:
                    # As text: a reference that starts with = is no formula.
                    sheet.write_string(row, column, value)
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, max(len(rows), 1), len(columns) - 1)

    # === MAIL ===

    def _get_recipients(self):
        """The distributor, its contacts for invoices and those with portal access."""
        self.ensure_one()
        contacts_sudo = self.partner_id.sudo().child_ids.filtered(
            lambda contact: contact.type == "invoice" or contact.user_ids.filtered("share")
        )
        return self.partner_id | contacts_sudo.sudo(False)

    def _send_mail(self, template, attach=False):
        self.ensure_one()
        attachments = self.env["ir.attachment"].create(
            [
                {
                    "name": name,
                    "raw": content,
                    "mimetype": mimetype,
                    "res_model": "mail.compose.message",
                }
                for name, content, mimetype in (self._try_documents() if attach else [])
            ]
        )
        return self.message_post_with_source(
            template,
            message_type="comment",
            subtype_xmlid="mail.mt_comment",
            partner_ids=[Command.set(self._get_recipients().ids)],
            attachment_ids=[Command.set(attachments.ids)],
            email_layout_xmlid="mail.mail_notification_layout_with_responsible_signature",
        )
