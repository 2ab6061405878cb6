from odoo import api, fields, models


class DmsProgramTerm(models.AbstractModel):
    """A row of a programme's terms: fixed once the programme is published."""

    _name = "dms.program.term"
    _description = "Term of a Rebate Programme"

    program_id = fields.Many2one(
        "dms.rebate.program", "Programme", required=True, ondelete="cascade", index=True
    )

    @api.model_create_multi
    def create(self, vals_list):
        terms = super().create(vals_list)
        terms.program_id._check_editable()
        return terms

    def write(self, vals):
        self.program_id._check_editable()
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_published(self):
        self.program_id._check_editable()
