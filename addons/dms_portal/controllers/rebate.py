from odoo import http
from odoo.http import request

from .distributor import DistributorPortal


class RebatePortal(DistributorPortal):
    @http.route("/my/rebates", type="http", auth="user", website=True)
    def dms_rebates(self, **kw):
        """Where the distributor stands in each running programme: earned, missing to the next tier, expected."""
        distributor_sudo = self._dms_distributor()
        if not distributor_sudo:
            return request.redirect("/my")
        values = self._prepare_portal_layout_values()
        progress = request.env["dms.rebate.program"]._get_progress(distributor_sudo)
        for row in progress:
            following = row["next_from"]
            reached = 100 * (following - row["missing"]) / following if following else 100
            row["share"] = min(max(reached, 0), 100)
        values.update({"page_name": "dms_rebate", "progress": progress})
        return request.render("dms_portal.portal_rebates", values)
