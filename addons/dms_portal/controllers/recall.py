from odoo import http
from odoo.exceptions import UserError
from odoo.http import request

from .distributor import DistributorPortal

COUNTS = ("returned", "destroyed", "gone", "missing")


class RecallPortal(DistributorPortal):
    """Recalls: a distributor or an outlet reads what is called back, and answers what became of it."""

    def _dms_recalls_domain(self, *extra):
        """What the own company holds of recalled goods; a distributor answers for its outlets, too."""
        own_id = request.env.user.partner_id.commercial_partner_id.id
        return [
            ("recall_state", "in", ("running", "closed")),
            ("partner_id", "!=", False),
            "|",
            ("partner_id", "=", own_id),
            ("distributor_id", "=", own_id),
            *extra,
        ]

    @http.route(["/my/recalls", "/my/recalls/page/<int:page>"], type="http", auth="user", website=True)
    def dms_recalls(self, page=1, **kw):
        if not self._dms_member():
            return request.redirect("/my")
        values = self._dms_list_values(
            "dms.recall.line", self._dms_recalls_domain(), "/my/recalls", "dms_recall", page=page,
            sortings={"date": {"label": request.env._("Newest"), "order": "recall_id desc, id"}},
        )  # fmt: skip
        values["lines"] = values["records"].sudo()
        return request.render("dms_portal.portal_recalls", values)

    @http.route("/my/recalls/<int:line_id>", type="http", auth="public", website=True)
    def dms_recall(self, line_id, access_token=None, **kw):
        line_sudo = self._dms_find_recall(line_id, access_token)
        if not line_sudo:
            return request.redirect("/my")
        return self._dms_render_recall(line_sudo)

    @http.route("/my/recalls/<int:line_id>/answer", type="http", auth="user", methods=["POST"], website=True)
    def dms_recall_answer(self, line_id, note="", **kw):
        line_sudo = self._dms_find_recall(line_id)
        if not line_sudo or not self._dms_may_answer(line_sudo):
            return request.redirect("/my/recalls")
        given = {name: str(kw.get(name, "")).strip()[:9] for name in COUNTS}
        try:
            if any(text and not (text.isascii() and text.isdigit()) for text in given.values()):
                raise UserError(request.env._("Enter whole numbers of units, such as 24."))
            counts = [int(given[name] or 0) for name in COUNTS]
            line_sudo.with_user(request.env.user)._answer(*counts, note[:2000])
        except UserError as error:
            return self._dms_render_recall(line_sudo, error=str(error), given={**given, "note": note})
        return request.redirect(f"/my/recalls/{line_id}")

    def _dms_find_recall(self, line_id, access_token=None):
        """The line, in sudo, once letters went out."""
        line_sudo = self._dms_find("dms.recall.line", line_id, access_token)
        hidden = line_sudo and line_sudo.recall_state not in ("running", "closed")
        return None if hidden else line_sudo

    def _dms_may_answer(self, line_sudo):
        own = self._dms_member()
        return own and own in (line_sudo.partner_id, line_sudo.distributor_id)

    def _dms_render_recall(self, line_sudo, error=None, given=None):
        values = self._prepare_portal_layout_values()
        values.update(
            {
                "page_name": "dms_recall",
                "dms_title": line_sudo.recall_id.name,
                "line": line_sudo,
                "recall": line_sudo.recall_id,
                "may_answer": line_sudo.recall_state == "running" and self._dms_may_answer(line_sudo),
                "dms_error": error,
                "given": given
                or {
                    **{name: line_sudo[f"{name}_count"] or "" for name in COUNTS},
                    "note": line_sudo.note or "",
                },
                "res_company": line_sudo.company_id,
            }
        )
        return request.render("dms_portal.portal_recall", values)
