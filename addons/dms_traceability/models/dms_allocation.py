from odoo import api, models


class DmsAllocation(models.Model):
    _inherit = "dms.allocation"

    def _share(self, policy, demand, rows, packs):
        last = self.env["dms.diversion.case"]._get_supplied_last(
            {row["partner_id"] for row in rows}, self.company_id
        )
        return super(DmsAllocation, self.with_context(dms_supplied_last=frozenset(last)))._share(
            policy, demand, rows, packs
        )

    @api.model
    def _get_rank(self, policy, row):
        """Whom a ruling has served last comes after all others, and among them by the policy's own rank."""
        last = row["partner_id"] in self.env.context.get("dms_supplied_last", ())
        return (last, *super()._get_rank(policy, row))
