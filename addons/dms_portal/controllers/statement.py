from math import isfinite

from odoo import http
from odoo.exceptions import UserError
from odoo.http import request

from odoo.addons.portal.controllers.portal import pager as portal_pager

from ..tools.chart import shares
from .distributor import DistributorPortal

LINES_SHOWN = 100


class StatementPortal(DistributorPortal):
    """Statements of account: confirmed or disputed, entry by entry or as a whole."""

    @http.route(["/my/statements", "/my/statements/page/<int:page>"], type="http", auth="user", website=True)
    def dms_statements(self, page=1, sortby=None, filterby=None, search="", **kw):
        if not self._dms_distributor():
            return request.redirect("/my")
        to_answer = [("state", "in", ("sent", "disputed"))]
        confirmed = [("answer", "=", "confirmed")]
        values = self._dms_list_values(
            "dms.statement", self._dms_own(("state", "!=", "draft")), "/my/statements", "dms_statement",
            page=page, sortby=sortby, filterby=filterby, search=search,
            search_domain=lambda text: ["|", ("name", "ilike", text), ("line_ids.name", "ilike", text)],
            sortings={
                "date": {"label": request.env._("Newest"), "order": "date_to desc, id desc"},
                "amount": {"label": request.env._("Closing balance"), "order": "closing_balance desc, id desc"},
            },
            filters={
                "all": {"label": request.env._("All"), "domain": []},
                "open": {"label": request.env._("To answer"), "domain": to_answer},
                "confirmed": {"label": request.env._("Confirmed"), "domain": confirmed},
            },
        )  # fmt: skip
        values["statements"] = values["records"].sudo()
        return request.render("dms_portal.portal_statements", values)

    @http.route(
        ["/my/statements/<int:statement_id>", "/my/statements/<int:statement_id>/page/<int:page>"],
        type="http",
        auth="public",
        website=True,
    )
    def dms_statement(self, statement_id, access_token=None, page=1, **kw):
        statement_sudo = self._dms_find_statement(statement_id, access_token)
        if not statement_sudo:
            return request.redirect("/my")
        return self._dms_render_statement(statement_sudo, access_token, page=page)

    @http.route(
        "/my/statements/<int:statement_id>/answer",
        type="http",
        auth="public",
        methods=["POST"],
        website=True,
    )
    def dms_statement_answer(
        self,
        statement_id,
        answer="",
        line_id=None,
        reason="",
        amount="",
        name="",
        page=1,
        access_token=None,
        **kw,
    ):
        """Confirm or dispute an entry (``line_id``) or, without one, the statement as a whole."""
        statement_sudo = self._dms_find_statement(statement_id, access_token)
        if not statement_sudo or not self._dms_may_answer_statement(statement_sudo, access_token):
            return request.redirect("/my")
        user = request.env.user
        name = name if user._is_public() else user.name
        address = request.httprequest.remote_addr
        try:
            with request.env.cr.savepoint():
                if answer not in ("confirmed", "disputed"):
                    raise UserError(request.env._("Say whether you confirm or dispute it."))
                figure = self._dms_read_amount(amount) if answer == "disputed" else None
                if line_id:
                    line_sudo = statement_sudo.line_ids.filtered(lambda line: str(line.id) == line_id)
                    if not line_sudo:
                        raise UserError(request.env._("This entry is not on the statement."))
                    # The page asks for the figure without its sign: a payment of 400 is 400 in both books.
                    if figure is not None and line_sudo.amount < 0:
                        figure = -figure
                    statement_sudo._answer_lines(line_sudo, answer, name, address, reason, figure)
                else:
                    statement_sudo._answer_balance(answer, name, address, reason, figure)
        except UserError as error:
            return self._dms_render_statement(statement_sudo, access_token, error=str(error), page=page)
        page_path = f"/page/{page}" if str(page).isdecimal() and int(page) > 1 else ""
        token = f"?access_token={access_token}" if access_token else ""
        anchor = f"#entry_{line_id}" if line_id else ""
        return request.redirect(f"/my/statements/{statement_sudo.id}{page_path}{token}{anchor}")

    def _dms_find_statement(self, statement_id, access_token):
        statement_sudo = self._dms_find("dms.statement", statement_id, access_token)
        return statement_sudo if statement_sudo and statement_sudo.state != "draft" else None

    def _dms_may_answer_statement(self, statement_sudo, access_token):
        """The distributor answers, or whoever holds the link that was sent to it; not our staff."""
        own = statement_sudo.partner_id == self._dms_distributor()
        by_link = bool(access_token) and not request.env.user._is_internal()
        return statement_sudo.state in ("sent", "disputed") and (own or by_link)

    def _dms_read_amount(self, text):
        """The number in a field of the page; None when it was left empty."""
        text = (text or "").strip()
        if not text:
            return None
        try:
            amount = float(text)
        except ValueError:
            raise UserError(request.env._("“%s” is no amount.", text)) from None
        if not isfinite(amount) or abs(amount) > 1e13:
            raise UserError(request.env._("“%s” is no amount.", text))
        return amount

    def _dms_render_statement(self, statement_sudo, access_token, error=None, page=1):
        lines_sudo = statement_sudo._get_document_lines()
        pager = self._dms_statement_pager(statement_sudo, len(lines_sudo), page, access_token)
        ages = statement_sudo._get_document_ages()
        values = self._prepare_portal_layout_values()
        values.update(
            {
                "page_name": "dms_statement",
                "dms_title": statement_sudo.name,
                "statement": statement_sudo,
                "lines": lines_sudo[pager["offset"] : pager["offset"] + LINES_SHOWN],
                "pager": pager,
                "first_page": pager["page"]["num"] == 1,
                "ages": [
                    (label, amount, share)
                    for (label, amount), share in zip(
                        ages, shares([amount for _label, amount in ages]), strict=True
                    )
                ],
                "open_items": statement_sudo.item_ids.filtered("residual"),
                "successor": statement_sudo.next_ids.filtered(lambda version: version.state != "draft")[:1],
                "may_answer": self._dms_may_answer_statement(statement_sudo, access_token),
                "asks_name": request.env.user._is_public(),
                "access_token": access_token,
                "token_args": f"?access_token={access_token}" if access_token else "",
                "dms_error": error,
                "res_company": statement_sudo.company_id,
            }
        )
        return request.render("dms_portal.portal_statement", values)

    def _dms_statement_pager(self, statement_sudo, total, page, access_token):
        return portal_pager(
            url=f"/my/statements/{statement_sudo.id}",
            total=total,
            page=int(page) if str(page).isdecimal() else 1,
            step=LINES_SHOWN,
            url_args={"access_token": access_token} if access_token else None,
        )
