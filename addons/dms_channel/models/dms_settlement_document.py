"""What leaves the house about a settlement: its PDF and its spreadsheet, in the distributor's language."""

import io

import xlsxwriter

from odoo import models
from odoo.tools import format_date, formatLang

DOCUMENT_URL = "/dms/settlement/%s/%s"


class DmsSettlementDocument(models.AbstractModel):
    """Mixin of ``dms.settlement``."""

    _name = "dms.settlement.document"
    _inherit = ["dms.pdf.document"]
    _description = "Settlement as a Document"

    def _in_language_of_partner(self):
        return self.with_context(lang=self.partner_id.lang or self.env.lang)

    def _get_facts(self):
        """Pairs of label and value that stand at the head of both documents."""
        self.ensure_one()
        choice = {
            name: dict(self._fields[name]._description_selection(self.env)) for name in ("state", "payout")
        }
        facts = [
            (self.env._("Distributor"), f"{self.partner_id.name} {self.partner_id.ref or ''}".strip()),
            (
                self.env._("Period"),
                f"{format_date(self.env, self.date_from)} – {format_date(self.env, self.date_to)}",
            ),
            (self.env._("State"), choice["state"][self.state]),
            (self.env._("Paid out as"), choice["payout"][self.payout]),
        ]
        if self.deadline and self.state == "sent":
            facts.append((self.env._("Answer until"), format_date(self.env, self.deadline)))
        if self.posting_id:
            facts.append((self.env._("Posted as"), self.posting_id.name))
        if self.red_form:
            facts.append((self.env._("Red-letter form"), self.red_form))
        if self.red_invoice_number:
            facts.append(
                (
                    self.env._("Original invoice"),
                    f"{self.red_invoice_code or ''} {self.red_invoice_number}".strip(),
                )
            )
        return facts

    # === PDF ===

    def _get_pdf_lang(self):
        return self.partner_id.lang

    def _build_pdf(self):
        self.ensure_one()
        company = self.company_id

        def money(amount):
            return formatLang(self.env, amount, currency_obj=self.currency_id)

        document = self._new_pdf(self.env._("Settlement %s", self.name), self.name)
        document.heading(self.env._("Settlement %s", self.name), company.name)
        document.facts(self._get_facts())
        kinds = dict(self.line_ids._fields["kind"]._description_selection(self.env))
        document.table(
            [
                self.env._("Line"),
                self.env._("Kind"),
                self.env._("Base"),
                self.env._("Accrued"),
                self.env._("Factor"),
                self.env._("Due"),
            ],
            [
                [
                    line.title,
                    kinds[line.kind],
                    line.base_text,
                    money(line.computed_amount) if line.kind == "rebate" else "",
                    f"{line.factor * 100:g} %" if line.kind == "rebate" else "",
                    money(line.amount),
                ]
                for line in self.line_ids
            ],
            widths=[4, 1.4, 2, 2, 1.2, 2],
            text_columns=2,
            total=[
                self.env._("Total"),
                "",
                "",
                money(self.amount_computed),
                "",
                money(self.amount_untaxed + self.amount_set_off),
            ],
        )
        document.facts(
            [
                *([(self.env._("Tax"), money(self.amount_tax))] if self.amount_tax else []),
                (self.env._("Due"), money(self.amount_total)),
            ]
        )
        document.section(self.env._("How it was computed"))
        for line in self.line_ids:
            document.paragraph(f"{line.title}: {line.explanation}")
            document.paragraph(line.answer_text, muted=True)
            if line.reason:
                document.paragraph(self.env._("Objection: %s", line.reason), muted=True)
            if line.reply:
                document.paragraph(self.env._("Answer: %s", line.reply), muted=True)
        for line in self.line_ids.filtered(lambda line: line.kind == "rebate"):
            self._add_drill(document, line)
        if self.note:
            document.section(self.env._("Note"))
            document.paragraph(self.note)
        return document

    def _add_drill(self, document, line):
        """Add what made a line: each document under its version of the programme, then its lines."""
        documents = line._get_documents()
        document.section(line.title)
        document.table(
            [
                self.env._("Document"),
                self.env._("Version"),
                self.env._("Date"),
                self.env._("Base"),
                self.env._("Accrued"),
            ],
            [
                [item["name"], item["version"], item["date"], item["base_text"], item["amount_text"]]
                for item in documents
            ],
            widths=[3, 1, 2, 2, 2],
            text_columns=3,
        )
        rows = [row for item in documents for row in item["lines"]]
        if rows:
            document.table(
                [
                    self.env._("Document"),
                    self.env._("Product"),
                    self.env._("Quantity"),
                    self.env._("Value"),
                ],
                [[row["document"], row["product"], row["quantity_text"], row["value_text"]] for row in rows],
                widths=[3, 4, 2, 2],
                text_columns=2,
            )

    # === SPREADSHEET ===

    def _render_xlsx(self):
        """Return the settlement as XLSX (bytes) in the distributor's language: the lines, their documents, and the
        documents' lines, with figures as numbers."""
        self.ensure_one()
        return self._in_language_of_partner()._build_xlsx()

    def _build_xlsx(self):
        self.ensure_one()
        buffer = io.BytesIO()
        with xlsxwriter.Workbook(buffer, {"in_memory": True, "remove_timezone": True}) as workbook:
            workbook.set_properties(
                {"title": self.env._("Settlement %s", self.name), "author": self.company_id.name}
            )
            drill = {
                line: line._get_documents()
                for line in self.line_ids.filtered(lambda line: line.kind == "rebate")
            }
            self._write_lines(workbook)
            self._write_documents(workbook, drill)
            self._write_document_lines(workbook, drill)
        return buffer.getvalue()

    def _add_sheet(self, workbook, name, columns, rows, row=0):
        """Write a table: ``columns`` are pairs (label, width); numbers stay numbers."""
        sheet = workbook.add_worksheet(name)
        bold = workbook.add_format({"bold": True, "bottom": 1})
        places = self.currency_id.decimal_places
        number = workbook.add_format({"num_format": "#,##0" + ("." + "0" * places if places else "")})
        for index, (label, width) in enumerate(columns):
            sheet.set_column(index, index, width)
            sheet.write_string(row, index, label, bold)
        for offset, values in enumerate(rows, row + 1):
            for index, value in enumerate(values):
                if isinstance(value, float):
                    sheet.write_number(offset, index, value, number)
                else:
                    # Never a formula, whatever a product or a reason begins with.
                    sheet.write_string(offset, index, str(value or ""))
        sheet.freeze_panes(row + 1, 0)
        return sheet

    def _write_lines(self, workbook):
        facts = [(self.env._("Settlement"), self.name), *self._get_facts()]
        kinds = dict(self.line_ids._fields["kind"]._description_selection(self.env))
        rows = [
            [
                line.title,
                kinds[line.kind],
                line.base_amount if line.kind == "rebate" else "",
                line.computed_amount if line.kind == "rebate" else "",
                line.factor if line.kind == "rebate" else "",
                line.amount,
                line.answer_text,
                line.reason,
                line.reply,
                line.explanation,
            ]
            for line in self.line_ids
        ]
        totals = [
            (self.env._("Net"), self.amount_untaxed),
            (self.env._("Tax"), self.amount_tax),
            (self.env._("Set off"), self.amount_set_off),
            (self.env._("Due"), self.amount_total),
        ]
        rows += [[label, "", "", "", "", amount] for label, amount in totals]
        sheet = self._add_sheet(
            workbook,
            self.env._("Settlement"),
            [
                (self.env._("Line"), 40),
                (self.env._("Kind"), 14),
                (self.env._("Base"), 16),
                (self.env._("Accrued"), 16),
                (self.env._("Factor"), 10),
                (self.env._("Due (%s)", self.currency_id.name), 16),
                (self.env._("Answer"), 24),
                (self.env._("Objection"), 30),
                (self.env._("Our answer"), 30),
                (self.env._("How it was computed"), 80),
            ],
            rows,
            row=len(facts) + 1,
        )
        for row, (label, value) in enumerate(facts):
            sheet.write_string(row, 0, label)
            sheet.write_string(row, 1, str(value or ""))

    def _write_documents(self, workbook, drill):
        self._add_sheet(
            workbook,
            self.env._("Documents"),
            [
                (self.env._("Line"), 40),
                (self.env._("Programme"), 16),
                (self.env._("Version"), 10),
                (self.env._("Document"), 24),
                (self.env._("Date"), 14),
                (self.env._("Base"), 16),
                (self.env._("Accrued"), 16),
                (self.env._("How it was computed"), 80),
            ],
            [
                [
                    line.title,
                    line.program_id.code,
                    item["version"],
                    item["name"],
                    item["date"],
                    item["accrual"].base_amount,
                    item["accrual"].amount,
                    item["explanation"],
                ]
                for line, documents in drill.items()
                for item in documents
            ],
        )

    def _write_document_lines(self, workbook, drill):
        self._add_sheet(
            workbook,
            self.env._("Document lines"),
            [
                (self.env._("Line"), 40),
                (self.env._("Document"), 24),
                (self.env._("Product"), 40),
                (self.env._("Quantity"), 14),
                (self.env._("Unit"), 12),
                (self.env._("Value"), 16),
                (self.env._("Currency"), 10),
            ],
            [
                [
                    line.title,
                    row["document"],
                    row["product"],
                    float(row["quantity"]),
                    row["unit"],
                    float(row["value"]),
                    row["currency"].name,
                ]
                for line, documents in drill.items()
                for item in documents
                for row in item["lines"]
            ],
        )
