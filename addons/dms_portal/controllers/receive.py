from odoo import http
from odoo.exceptions import UserError
from odoo.http import request

from .distributor import DistributorPortal

SCANS_PER_MINUTE = 120


class ReceivePortal(DistributorPortal):
    """Distributors and outlets scan in what they received, and out what they sold, on their phone."""

    @http.route("/my/receive", type="http", auth="user", website=True, methods=["GET", "POST"])
    def dms_receive(self, codes=None, work="receipt", **kw):
        """The page, which works without a script too: then the codes come as lines of a form."""
        member_sudo = self._dms_member()
        if not member_sudo:
            return request.redirect("/my")
        values = self._prepare_portal_layout_values()
        works = self._dms_works()
        values.update(
            {
                "page_name": "dms_receive",
                "outcomes": [],
                "error": None,
                "supplier": self._dms_supplier(),
                "works": works,
                "work": work if work in works else "receipt",
            }
        )
        if request.httprequest.method == "POST":
            texts = [line.strip() for line in (codes or "").splitlines() if line.strip()]
            answer = self._dms_receive(member_sudo, texts, values["work"])
            values.update({"outcomes": answer.get("outcomes", []), "error": answer.get("error")})
        return request.render("dms_portal.portal_receive", values)

    @http.route("/my/receive/scan", type="jsonrpc", auth="user", website=True)
    def dms_receive_scan(self, texts=None, work="receipt"):
        member_sudo = self._dms_member()
        if not member_sudo or not isinstance(texts, list) or work not in self._dms_works():
            return {"error": request.env._("Only a distributor or an outlet can scan goods in.")}
        return self._dms_receive(member_sudo, [text for text in texts if isinstance(text, str)], work)

    def _dms_works(self):
        """What can be done with scanned codes: ``{work: (tab, button, what to scan, what is counted)}``."""
        _ = request.env._
        return {
            "receipt": (
                _("Received"),
                _("Receive"),
                _("Scan the cases or single items that you received. From then on they count as yours."),
                _("Units received now"),
            ),
            "sale": (
                _("Sold"),
                _("Sell"),
                _("Scan what a consumer buys. What you did not scan in before is received and sold at once."),
                _("Units sold now"),
            ),
            "take_back": (
                _("Taken Back"),
                _("Take Back"),
                _("Scan what a consumer brought back, or what you scanned as sold by mistake."),
                _("Units taken back now"),
            ),
        }

    def _dms_supplier(self):
        member_sudo = self._dms_member()
        supplier_sudo = member_sudo.upstream_id or (
            member_sudo._get_distributor() if member_sudo.channel_role == "outlet" else member_sudo.browse()
        )
        return supplier_sudo.name

    def _dms_receive(self, member_sudo, texts, work):
        if not texts:
            return {"error": request.env._("Scan or type a code first.")}
        Scan_sudo = request.env["dms.scan"].sudo()
        if Scan_sudo._count_hit(f"receive:{member_sudo.id}") > SCANS_PER_MINUTE:
            return {"error": request.env._("Too many requests. Please wait a minute, then scan again.")}
        try:
            return {"outcomes": request.env["dms.code"].sudo()._scan_for(member_sudo, texts, work)}
        except UserError as error:
            return {"error": str(error)}
