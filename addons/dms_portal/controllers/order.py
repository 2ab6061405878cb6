from odoo import http
from odoo.http import request

from odoo.addons.sale.controllers.portal import CustomerPortal as SalePortal

from .distributor import DistributorPortal


class OrderPortal(DistributorPortal, SalePortal):
    """Core's order pages, with what the order rules said."""

    def _prepare_orders_domain(self, partner):
        domain = super()._prepare_orders_domain(partner)
        if not self._dms_distributor():
            return domain
        held = self._dms_held_orders_domain()
        if request.params.get("filterby") == "held":
            return held
        # An order that the distributor sent is an order to it, whether the rules let it through or not.
        return ["|", *["&"] * (len(domain) - 1), *domain, *["&"] * (len(held) - 1), *held]

    def _prepare_sale_portal_rendering_values(self, quotation_page=False, **kwargs):
        values = super()._prepare_sale_portal_rendering_values(quotation_page=quotation_page, **kwargs)
        if not quotation_page and self._dms_distributor():
            values["searchbar_filters"] = {
                "all": {"label": request.env._("All"), "domain": []},
                "held": {"label": request.env._("Held or refused"), "domain": []},
            }
            values["filterby"] = "held" if request.params.get("filterby") == "held" else "all"
        return values

    @http.route()
    def portal_order_page(self, order_id, **kw):
        response = super().portal_order_page(order_id, **kw)
        if getattr(response, "qcontext", None) is not None:
            response.qcontext.update(
                {
                    "dms_role": self._dms_member().channel_role,
                    "dms_sent": bool(kw.get("dms_sent")),
                    "dms_split_error": bool(kw.get("dms_split_error")),
                }
            )
        return response
