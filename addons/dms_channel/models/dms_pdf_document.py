from odoo import models
from odoo.exceptions import UserError
from odoo.tools import config

from ..tools import pdf


class DmsPdfDocument(models.AbstractModel):
    """A document that can be had as PDF: mixin. The model says what stands in it (:meth:`_build_pdf`) and in which language."""

    _name = "dms.pdf.document"
    _description = "Document as PDF"

    def _render_pdf(self):
        """The document as PDF (bytes).

        :raises UserError: when the server lacks a font
        """
        self.ensure_one()
        try:
            return self.with_context(lang=self._get_pdf_lang() or self.env.lang)._build_pdf().render()
        except pdf.FontMissing as error:
            raise UserError(str(error)) from error

    def _get_pdf_lang(self):
        """The reader's language; the user's own where nobody else reads it."""
        return False

    def _build_pdf(self):
        """The content, as a :class:`..tools.pdf.Document`."""
        raise NotImplementedError

    def _new_pdf(self, title, footer=None):
        """An empty document of the record's company; its number, or ``footer``, stands on each page."""
        company = self.company_id
        return pdf.Document(
            title,
            author=company.name,
            footer=f"{company.name} · {footer or self.display_name}",
            font=config.get("dms_font"),
        )
