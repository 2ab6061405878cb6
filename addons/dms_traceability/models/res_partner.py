from odoo import fields, models


class ResPartner(models.Model):
    _inherit = "res.partner"

    dms_open_case_count = fields.Integer(
        compute="_compute_dms_open_case_count", groups="dms_channel.dms_channel_group_user"
    )

    def _compute_dms_open_case_count(self):
        counts = dict(
            self.env["dms.diversion.case"]._read_group(
                [("partner_id", "in", self.ids), ("state", "not in", ("ruled", "closed"))],
                ["partner_id"],
                ["__count"],
            )
        )
        for partner in self:
            partner.dms_open_case_count = counts.get(partner._origin, 0)

    def action_view_dms_cases(self):
        self.ensure_one()
        return {
            **self.env["ir.actions.act_window"]._for_xml_id("dms_traceability.dms_diversion_case_action"),
            "domain": [("partner_id", "=", self.id)],
            "context": {},
        }
