from odoo import http
from odoo.exceptions import UserError
from odoo.http import request

from .distributor import DistributorPortal


class CasePortal(DistributorPortal):
    """Diversion cases: the distributor reads what was found, answers, and may appeal against a ruling."""

    @http.route(["/my/cases", "/my/cases/page/<int:page>"], type="http", auth="user", website=True)
    def dms_cases(self, page=1, **kw):
        if not self._dms_distributor():
            return request.redirect("/my")
        values = self._dms_list_values(
            "dms.diversion.case", self._dms_own(("state", "!=", "open")), "/my/cases", "dms_case", page=page,
            sortings={"date": {"label": request.env._("Newest"), "order": "id desc"}},
        )  # fmt: skip
        values["cases"] = values["records"].sudo()
        return request.render("dms_portal.portal_cases", values)

    @http.route("/my/cases/<int:case_id>", type="http", auth="public", website=True)
    def dms_case(self, case_id, access_token=None, **kw):
        case_sudo = self._dms_find_case(case_id, access_token)
        if not case_sudo:
            return request.redirect("/my")
        return self._dms_render_case(case_sudo)

    @http.route(
        "/my/cases/<int:case_id>/<any(answer, appeal):what>",
        type="http",
        auth="user",
        methods=["POST"],
        website=True,
    )
    def dms_case_speak(self, case_id, what, text="", **kw):
        case_sudo = self._dms_find_case(case_id)
        if not case_sudo or case_sudo.partner_id != self._dms_distributor():
            return request.redirect("/my/cases")
        case = case_sudo.with_user(request.env.user)
        try:
            if what == "answer":
                case._answer(text[:10000])
            else:
                case._appeal(text[:10000])
        except UserError as error:
            return self._dms_render_case(case_sudo, error=str(error), text=text)
        return request.redirect(f"/my/cases/{case_id}")

    def _dms_find_case(self, case_id, access_token=None):
        """The case, in sudo, once the hearing is open: what an inspector still looks into is not for the distributor."""
        case_sudo = self._dms_find("dms.diversion.case", case_id, access_token)
        hidden = case_sudo and case_sudo.state == "open" and not request.env.user._is_internal()
        return None if hidden else case_sudo

    def _dms_render_case(self, case_sudo, error=None, text=""):
        own = case_sudo.partner_id == self._dms_distributor()
        values = self._prepare_portal_layout_values()
        values.update(
            {
                "page_name": "dms_case",
                "dms_title": case_sudo.name,
                "case": case_sudo,
                "may_answer": own and case_sudo.state == "hearing",
                "may_appeal": own and case_sudo.state == "ruled" and case_sudo.ruling == "confirmed",
                "dms_error": error,
                "text": text,
                "res_company": case_sudo.company_id,
            }
        )
        return request.render("dms_portal.portal_case", values)
