from odoo import api, fields, models


class ResUsers(models.Model):
    _inherit = "res.users"

    dms_override_count = fields.Integer(
        string="Stuffing Guards Overridden",
        compute="_compute_dms_override_count",
        groups="dms_channel.dms_channel_group_manager",
        help="Releases of this salesperson's orders in the last twelve months that overrode a rule against channel"
        " stuffing.",
    )

    @api.depends_context("company")
    def _compute_dms_override_count(self):
        groups = self.env["dms.order.override"]._read_group(
            [
                *self._get_dms_override_domain(),
                ("date", ">=", fields.Datetime.subtract(fields.Datetime.now(), months=12)),
            ],
            ["salesperson_id"],
            ["counted:sum"],
        )
        counts = {user.id: count for user, count in groups}
        for user in self:
            user.dms_override_count = counts.get(user._origin.id, 0)

    def _get_dms_override_domain(self):
        return [("salesperson_id", "in", self.ids), ("counted", "=", 1)]

    def action_view_dms_overrides(self):
        self.ensure_one()
        return {
            **self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_order_override_action"),
            "domain": self._get_dms_override_domain(),
            "context": {},
        }
