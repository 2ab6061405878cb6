from odoo import http
from odoo.http import request

from .distributor import DistributorPortal


class PointsPortal(DistributorPortal):
    @http.route(["/my/points", "/my/points/page/<int:page>"], type="http", auth="user", website=True)
    def dms_points(self, page=1, filterby=None, **kw):
        distributor_sudo = self._dms_distributor()
        if not distributor_sudo:
            return request.redirect("/my")
        company = request.env.company
        own = self._dms_own(("company_id", "=", company.id))
        values = self._dms_list_values(
            "dms.credit.entry", own, "/my/points", "dms_points", page=page, filterby=filterby,
            sortings={"date": {"label": request.env._("Newest"), "order": "date desc, id desc"}},
            filters={
                "all": {"label": request.env._("All"), "domain": []},
                "earned": {"label": request.env._("Earned"), "domain": [("points", ">", 0)]},
                "lost": {"label": request.env._("Lost"), "domain": [("points", "<", 0)]},
            },
        )  # fmt: skip
        Entry = request.env["dms.credit.entry"]
        values.update(
            {
                "entries": values["records"].sudo(),
                "points": distributor_sudo._get_credit_points(company=company)[distributor_sudo.id],
                "earned": Entry._read_group([*own, ("points", ">", 0)], [], ["points:sum"])[0][0] or 0,
                "lost": Entry._read_group([*own, ("points", "<", 0)], [], ["points:sum"])[0][0] or 0,
            }
        )
        return request.render("dms_portal.portal_points", values)
