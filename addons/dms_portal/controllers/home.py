from odoo import http
from odoo.http import request

from odoo.addons.dms_channel.models.dms_settlement import LIVE

from .distributor import DistributorPortal


class HomePortal(DistributorPortal):
    def _prepare_portal_layout_values(self):
        values = super()._prepare_portal_layout_values()
        values["dms_role"] = self._dms_member().channel_role
        return values

    def _prepare_home_portal_values(self, counters):
        values = super()._prepare_home_portal_values(counters)
        if self._dms_distributor():
            wanted = self._dms_counters()
        elif self._dms_member():
            wanted = self._dms_outlet_counters()
        else:
            wanted = {}
        for name, (model, domain) in wanted.items():
            if name in counters:
                values[name] = request.env[model].search_count(domain)
        return values

    def _dms_outlet_counters(self):
        """Models and domains behind the counters of an outlet's home page."""
        return {
            "dms_recall_open_count": (
                "dms.recall.line",
                self._dms_own(("recall_state", "=", "running"), ("state", "=", "waiting")),
            ),
        }

    def _dms_counters(self):
        """Models and domains behind the counters of a distributor's home page."""
        own = self._dms_own
        return {
            "dms_held_order_count": ("sale.order", self._dms_held_orders_domain()),
            "dms_to_sign_count": (
                "stock.picking",
                [*self._dms_deliveries_domain(), ("dms_receipt_state", "=", "in_transit")],
            ),
            "dms_delivery_count": ("stock.picking", self._dms_deliveries_domain()),
            "dms_feed_error_count": (
                "dms.feed",
                own(("error_count", ">", 0), ("state", "not in", ("rejected", "superseded"))),
            ),
            "dms_proposal_open_count": ("dms.replenishment.proposal", own(("state", "=", "proposed"))),
            "dms_proposal_count": ("dms.replenishment.proposal", own(("state", "!=", "draft"))),
            "dms_settlement_count": ("dms.settlement", own(("state", "in", LIVE))),
            "dms_statement_open_count": ("dms.statement", own(("state", "in", ("sent", "disputed")))),
            "dms_statement_count": ("dms.statement", own(("state", "!=", "draft"))),
            "dms_agreement_to_sign_count": ("dms.agreement", own(("state", "=", "sent"))),
            "dms_agreement_count": ("dms.agreement", own(("state", "!=", "draft"))),
            "dms_transfer_todo_count": ("dms.transfer", list(self._dms_transfers_todo_domain())),
            "dms_case_open_count": ("dms.diversion.case", own(("state", "=", "hearing"))),
            "dms_recall_open_count": (
                "dms.recall.line",
                [
                    ("recall_state", "=", "running"),
                    ("state", "=", "waiting"),
                    "|",
                    *own(),
                    *own(field="distributor_id"),
                    ("partner_id", "!=", False),
                ],
            ),
            "dms_case_count": ("dms.diversion.case", own(("state", "!=", "open"))),
        }

    def _dms_transfers_domain(self):
        """Transfers from and to the user's own company."""
        own = request.env.user.partner_id.commercial_partner_id
        return request.env["dms.transfer"]._get_portal_domain(own)

    def _dms_transfers_todo_domain(self):
        """Those that wait for the user's own company: to agree, to ship or to receive."""
        own = request.env.user.partner_id.commercial_partner_id
        return request.env["dms.transfer"]._get_todo_domain(own)

    def _dms_held_orders_domain(self):
        return [
            ("partner_id", "child_of", [request.env.user.partner_id.commercial_partner_id.id]),
            ("dms_state", "in", ("held", "refused")),
            ("state", "in", ("draft", "sent")),
        ]

    def _dms_deliveries_domain(self):
        """Deliveries to the distributor: what left the brand's warehouse or is about to."""
        own_id = request.env.user.partner_id.commercial_partner_id.id
        return [
            ("picking_type_code", "=", "outgoing"),
            ("state", "not in", ("draft", "cancel")),
            "|", "|",
            ("dms_distributor_id", "=", own_id),
            ("sale_id.partner_id", "child_of", [own_id]),
            ("partner_id", "child_of", [own_id]),
        ]  # fmt: skip

    @http.route()
    def home(self, **kw):
        response = super().home(**kw)
        if distributor_sudo := self._dms_distributor():
            response.qcontext.update(self._dms_home_figures(distributor_sudo))
        elif outlet_sudo := self._dms_member():
            response.qcontext["dms_supplier_sudo"] = outlet_sudo._get_distributor()
        return response

    def _dms_home_figures(self, distributor_sudo):
        """The strip of figures above the cards."""
        company = request.env.company
        distributor_sudo = distributor_sudo.with_company(company)
        [(stock_value,)] = request.env["dms.channel.position"]._read_group(
            self._dms_own(("company_id", "=", company.id)), [], ["value:sum"]
        )
        return {
            "dms_figures": {
                "currency": company.currency_id,
                "credit_limit": distributor_sudo.dms_credit_limit,
                "exposure": distributor_sudo.dms_exposure,
                "overdue_days": distributor_sudo.dms_overdue_days,
                "points": distributor_sudo.credit_points,
                "stock_value": stock_value,
            }
        }
