import base64

from odoo import models
from odoo.exceptions import UserError
from odoo.tools import format_date, format_datetime
from odoo.tools.image import image_process

from odoo.addons.dms_channel.tools import pdf

PICTURE_SIZE = (1200, 1200)


class DmsInspectionDocument(models.AbstractModel):
    """The report of an inspection as PDF, with each piece of evidence and its hash: mixin of ``dms.inspection``."""

    _name = "dms.inspection.document"
    _inherit = ["dms.pdf.document"]
    _description = "Inspection as a Document"

    def _get_document_facts(self, states):
        names = {
            name: dict(self._fields[name]._description_selection(self.env))
            for name in ("result", "seal_state", "state")
        }
        inspection_sudo = self.sudo()
        facts = [
            (self.env._("Ordered by"), inspection_sudo.create_uid.name),
            (self.env._("Inspector"), inspection_sudo.user_id.name),
            (self.env._("About"), inspection_sudo.partner_id.display_name),
            (self.env._("Goods"), ", ".join(inspection_sudo.product_ids.mapped("display_name"))),
            (self.env._("Where"), self.where),
            (self.env._("What to look for"), self.instructions),
            (self.env._("Deadline"), format_date(self.env, self.deadline)),
            (self.env._("Status"), names["state"][self.state]),
            (self.env._("Result"), names["result"].get(self.result)),
            (self.env._("Findings"), self.findings),
            (self.env._("Reported on"), self.done_on and format_datetime(self.env, self.done_on)),
            (self.env._("Seal"), names["seal_state"][self._judge_seals(states)]),
        ]
        return [(label, value) for label, value in facts if value]

    def _build_pdf(self):
        self.ensure_one()
        title = self.env._("Inspection Report")
        document = self._new_pdf(f"{title} {self.name}", self.name)
        document.heading(f"{title} {self.name}", self.company_id.name)
        # What is handed out has been read.
        states = self.evidence_ids._check_seals(read_files=True)
        document.facts(self._get_document_facts(states))
        kinds = dict(self.env["dms.inspection.evidence"]._fields["kind"]._description_selection(self.env))
        seals = dict(
            self.env["dms.inspection.evidence"]._fields["seal_state"]._description_selection(self.env)
        )
        pieces = self.evidence_ids.filtered(lambda evidence: evidence.kind != "report")
        for number, evidence in enumerate(pieces, 1):
            document.section(f"{number}. {kinds[evidence.kind]}")
            self._draw_picture(document, evidence)
            said = {
                "code": lambda piece: f"{piece.text}\n{piece._explain_code()}",
                "note": lambda piece: piece.text,
            }.get(evidence.kind, lambda piece: piece.filename)(evidence)
            facts = [
                (self.env._("Content"), said),
                (self.env._("Taken on"), format_datetime(self.env, evidence.taken_on)),
                (self.env._("Received on"), format_datetime(self.env, evidence.received_on)),
                (self.env._("Position"), self._say_position(evidence)),
                (self.env._("SHA-256 on the phone"), evidence.device_sha256),
                ("SHA-256", evidence.sha256),
                (self.env._("Seal"), f"{evidence.seal} · {seals[states[evidence.id]]}"),
            ]
            document.facts([(label, value) for label, value in facts if value])
        if not pieces:
            document.paragraph(self.env._("No evidence was taken."))
        document.paragraph(
            self.env._(
                "Each piece was hashed on the phone where it can, and again by the server as it arrived. Each seal covers the"
                " hash and the seal before it with a key that is kept outside the database: a piece that is changed, added or"
                " removed later breaks the chain."
            ),
            muted=True,
        )
        return document

    def _say_position(self, evidence):
        if not evidence.position:
            return ""
        return self.env._(
            "%(position)s, good to %(metres)s m", position=evidence.position, metres=evidence.accuracy
        )

    def _draw_picture(self, document, evidence):
        if evidence.kind not in ("photo", "receipt"):
            return
        content = evidence._get_bytes()
        if not content.startswith(b"%PDF-"):
            try:
                smaller = image_process(content, size=PICTURE_SIZE)
            except UserError:
                # What was changed afterwards may be no picture any more.
                return
            document.picture(base64.b64encode(smaller), width=110 * pdf.mm, height=85 * pdf.mm)
