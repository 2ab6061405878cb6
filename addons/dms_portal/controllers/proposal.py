from odoo import http
from odoo.exceptions import UserError, ValidationError
from odoo.http import request

from .distributor import DistributorPortal


class ProposalPortal(DistributorPortal):
    """Replenishment proposals: each quantity with its reason; accepted into a draft order, or declined."""

    @http.route(["/my/proposals", "/my/proposals/page/<int:page>"], type="http", auth="user", website=True)
    def dms_proposals(self, page=1, sortby=None, filterby=None, **kw):
        if not self._dms_distributor():
            return request.redirect("/my")
        values = self._dms_list_values(
            "dms.replenishment.proposal", self._dms_own(("state", "!=", "draft")), "/my/proposals", "dms_proposal",
            page=page, sortby=sortby, filterby=filterby,
            sortings={"date": {"label": request.env._("Newest"), "order": "date desc, id desc"}},
            filters={
                "all": {"label": request.env._("All"), "domain": []},
                "open": {"label": request.env._("To answer"), "domain": [("state", "=", "proposed")]},
            },
        )  # fmt: skip
        values["proposals"] = values["records"].sudo()
        return request.render("dms_portal.portal_proposals", values)

    @http.route("/my/proposals/<int:proposal_id>", type="http", auth="public", website=True)
    def dms_proposal(self, proposal_id, access_token=None, **kw):
        proposal_sudo = self._dms_find("dms.replenishment.proposal", proposal_id, access_token)
        if not proposal_sudo:
            return request.redirect("/my")
        return self._dms_render_proposal(proposal_sudo)

    @http.route(
        "/my/proposals/<int:proposal_id>/accept", type="http", auth="user", methods=["POST"], website=True
    )
    def dms_proposal_accept(self, proposal_id, **post):
        """Turn the proposal, with the quantities as the distributor changed them, into a draft order."""
        proposal_sudo = self._dms_find_own_proposal(proposal_id)
        if not proposal_sudo:
            return request.redirect("/my/proposals")
        try:
            with request.env.cr.savepoint():
                for line in proposal_sudo.line_ids:
                    text = (post.get(f"packs_{line.id}") or "").strip()
                    try:
                        packs = float(text) if text else line.pack_quantity
                    except ValueError:
                        raise UserError(request.env._("“%s” is no number.", text)) from None
                    if not 0 <= packs <= 1e6:
                        raise UserError(request.env._("Enter quantities between 0 and 1,000,000."))
                    if line.uom_id.compare(packs, line.pack_quantity):
                        reason = (post.get("reason") or "").strip()[:500]
                        line.write(
                            {
                                "pack_quantity": packs,
                                "edit_reason": reason
                                or request.env._("%s decided so on the portal", request.env.user.name),
                            }
                        )
                proposal_sudo.action_accept()
        except (UserError, ValidationError) as error:
            return self._dms_render_proposal(proposal_sudo, error=str(error))
        return request.redirect(f"/my/cart/{proposal_sudo.order_id.id}")

    @http.route(
        "/my/proposals/<int:proposal_id>/decline", type="http", auth="user", methods=["POST"], website=True
    )
    def dms_proposal_decline(self, proposal_id, reason="", **kw):
        proposal_sudo = self._dms_find_own_proposal(proposal_id)
        if not proposal_sudo:
            return request.redirect("/my/proposals")
        try:
            proposal_sudo.action_decline(reason[:2000])
        except UserError as error:
            return self._dms_render_proposal(proposal_sudo, error=str(error))
        return request.redirect(f"/my/proposals/{proposal_sudo.id}")

    def _dms_find_own_proposal(self, proposal_id):
        proposal_sudo = self._dms_find("dms.replenishment.proposal", proposal_id)
        return (
            proposal_sudo if proposal_sudo and proposal_sudo.partner_id == self._dms_distributor() else None
        )

    def _dms_render_proposal(self, proposal_sudo, error=None):
        values = self._prepare_portal_layout_values()
        values.update(
            {
                "page_name": "dms_proposal",
                "dms_title": proposal_sudo.name,
                "proposal": proposal_sudo,
                "dms_error": error,
                "may_answer": proposal_sudo.state == "proposed"
                and proposal_sudo.partner_id == self._dms_distributor(),
                "res_company": proposal_sudo.company_id,
            }
        )
        return request.render("dms_portal.portal_proposal", values)
