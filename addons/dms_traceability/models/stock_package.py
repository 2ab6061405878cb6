from odoo import api, fields, models
from odoo.exceptions import UserError

from ..tools import epc
from .dms_code_tables import ACTIVE, LOGISTIC_KEY, PALLET


class StockPackage(models.Model):
    _inherit = "stock.package"

    dms_sscc = fields.Boolean(
        "Logistic Unit",
        readonly=True,
        copy=False,
        help="A pallet with an SSCC, which holds labelled cases and units of any products.",
    )
    dms_unit_count = fields.Integer("Units Inside", compute="_compute_dms_unit_count")

    def _compute_dms_unit_count(self):
        counts = self.env["dms.code"]._count_units(
            self.filtered("dms_sscc").mapped(lambda p: p._dms_get_key())
        )
        for package in self:
            package.dms_unit_count = counts.get(package._dms_get_key(), 0)

    def write(self, vals):
        if "name" in vals and self.filtered("dms_sscc"):
            raise UserError(
                self.env._("An SSCC is on a label already: it can't be changed. Make another pallet.")
            )
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_logistic(self):
        if self.filtered("dms_sscc"):
            raise UserError(
                self.env._("An SSCC is never used again, so its pallet can't be deleted. Unpack it instead.")
            )

    def _dms_get_key(self):
        """Key of the logistic unit in the code tables."""
        self.ensure_one()
        return LOGISTIC_KEY + (self.id or 0)

    @api.model
    def _dms_create_logistic(self, company=None):
        """A new, empty pallet with the next SSCC of the company."""
        company = company or self.env.company
        if not company.dms_gs1_prefix:
            raise UserError(
                self.env._(
                    "%s has no GS1 company prefix, so no SSCC can be made. Enter it in the company's settings.",
                    company.name,
                )
            )
        sequence_sudo = self.env["ir.sequence"].sudo().with_company(company)
        number = int(sequence_sudo.next_by_code("dms.sscc"))
        try:
            name = epc.sscc(company.dms_gs1_prefix, number)
        except ValueError as error:
            raise UserError(self.env._("All SSCC numbers of %s are used up.", company.name)) from error
        package = self.create({"name": name, "dms_sscc": True})
        self.env["dms.code"].sudo()._store(package._dms_get_key(), 1, PALLET, ACTIVE)
        return package

    def action_dms_print(self):
        return {
            "type": "ir.actions.act_url",
            "url": f"/dms/sscc/{','.join(map(str, self.ids))}.pdf",
            "target": "new",
        }
