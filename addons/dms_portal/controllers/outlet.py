from datetime import timedelta

from odoo import fields, http
from odoo.http import request

from odoo.addons.portal.controllers.portal import pager as portal_pager

from .distributor import ITEMS_PER_PAGE, DistributorPortal

DAYS_SHOWN = 90


class OutletPortal(DistributorPortal):
    """What a shop's distributors reported as sold to it."""

    @http.route(["/my/sales", "/my/sales/page/<int:page>"], type="http", auth="user", website=True)
    def dms_sales(self, page=1, **kw):
        outlet_sudo = self._dms_member()
        if outlet_sudo.channel_role != "outlet":
            return request.redirect("/my")
        company = request.env.company
        # The ledger belongs to the distributors; of it, a shop reads the lines about itself and no stock or price.
        Move_sudo = request.env["dms.channel.move"].sudo()
        own = [
            ("outlet_id", "=", outlet_sudo.id),
            ("company_id", "=", company.id),
            ("kind", "in", ("sell_out", "return")),
        ]
        since = fields.Date.context_today(request.env.user) - timedelta(days=DAYS_SHOWN)
        total = Move_sudo.search_count(own)
        pager = portal_pager(url="/my/sales", total=total, page=int(page), step=ITEMS_PER_PAGE)
        values = self._prepare_portal_layout_values()
        values.update(
            {
                "page_name": "dms_sales",
                "pager": pager,
                "moves": Move_sudo.search(
                    own, order="date desc, id desc", limit=ITEMS_PER_PAGE, offset=pager["offset"]
                ),
                "totals": Move_sudo._read_group(
                    [*own, ("date", ">=", since)],
                    ["product_id"],
                    ["quantity:sum"],
                    order="quantity:sum",
                    limit=5,
                ),
                "days": DAYS_SHOWN,
                "supplier_sudo": outlet_sudo._get_distributor(),
            }
        )
        return request.render("dms_portal.portal_sales", values)
