from odoo import fields, http
from odoo.http import request
from odoo.tools import format_date

from ..tools.chart import line_chart
from .distributor import DistributorPortal


class PointsPortal(DistributorPortal):
    @http.route(["/my/points", "/my/points/page/<int:page>"], type="http", auth="user", website=True)
    def dms_points(self, page=1, filterby=None, **kw):
        distributor_sudo = self._dms_distributor()
        if not distributor_sudo:
            return request.redirect("/my")
        company = request.env.company
        today = fields.Date.context_today(distributor_sudo)
        # Points that will lapse have their entry already; it is listed when they have.
        own = self._dms_own(("company_id", "=", company.id), ("date", "<=", today))
        values = self._dms_list_values(
            "dms.credit.entry", own, "/my/points", "dms_points", page=page, filterby=filterby,
            sortings={"date": {"label": request.env._("Newest"), "order": "date desc, id desc"}},
            filters={
                "all": {"label": request.env._("All"), "domain": []},
                "earned": {"label": request.env._("Gained"), "domain": [("points", ">", 0)]},
                "lost": {"label": request.env._("Lost"), "domain": [("points", "<", 0)]},
            },
        )  # fmt: skip
        days = self._get_month_ends(today)
        history = distributor_sudo._get_credit_points_history(days, company)[distributor_sudo.id]
        labels = [format_date(request.env, day, date_format="MMM yy") for day in days]
        Entry = request.env["dms.credit.entry"]
        values.update(
            {
                "entries": values["records"].sudo(),
                "points": history[-1],
                "chart": line_chart(labels, history) if any(history) else None,
                "chart_rows": list(zip(labels, history, strict=True)),
                "lapsing": distributor_sudo._get_credit_points_history(
                    [fields.Date.add(today, months=3)], company
                )[distributor_sudo.id][0]
                - history[-1],
                "earned": Entry._read_group([*own, ("points", ">", 0)], [], ["points:sum"])[0][0] or 0,
                "lost": Entry._read_group([*own, ("points", "<", 0)], [], ["points:sum"])[0][0] or 0,
            }
        )
        return request.render("dms_portal.portal_points", values)

    def _get_month_ends(self, today):
        """The last days of the past twelve months, and today."""
        first = today.replace(day=1)
        return [
            *(
                fields.Date.subtract(fields.Date.subtract(first, months=back), days=1)
                for back in range(11, -1, -1)
            ),
            today,
        ]
