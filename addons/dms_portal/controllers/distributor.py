from odoo.exceptions import AccessError, MissingError
from odoo.http import request

from odoo.addons.portal.controllers.portal import CustomerPortal
from odoo.addons.portal.controllers.portal import pager as portal_pager

ITEMS_PER_PAGE = 20


class DistributorPortal(CustomerPortal):
    """What the pages of distributors and outlets have in common."""

    def _dms_member(self):
        """The company that the signed-in user works for, when it is a member of the channel; else an empty partner."""
        partner_sudo = request.env.user.partner_id.sudo().commercial_partner_id
        return partner_sudo if partner_sudo.channel_role else partner_sudo.browse()

    def _dms_distributor(self):
        partner_sudo = self._dms_member()
        return partner_sudo if partner_sudo.channel_role == "distributor" else partner_sudo.browse()

    def _dms_own(self, *extra, field="partner_id"):
        """Domain of the records of the user's own company; never rely on record rules alone."""
        return [(field, "=", request.env.user.partner_id.commercial_partner_id.id), *extra]

    def _dms_find(self, model, record_id, access_token=None):
        """The record, in sudo, when the visitor may read it or holds its token; else None."""
        try:
            return self._document_check_access(model, record_id, access_token)
        except (AccessError, MissingError):
            return None

    def _dms_list_values(
        self,
        model,
        domain,
        url,
        page_name,
        *,
        page=1,
        sortby=None,
        sortings=None,
        filterby=None,
        filters=None,
        search="",
        search_domain=None,
        step=ITEMS_PER_PAGE,
    ):
        """One page of records with pager, sorting, filter and search; unknown names fall back to the first choice.

        :param dict sortings: ``{name: {"label", "order"}}``
        :param dict filters: ``{name: {"label", "domain"}}``
        :param search_domain: function of the search text that answers a domain
        :return: rendering values, the records (not in sudo) under ``records``
        """
        Model = request.env[model]
        sortby = sortby if sortby in (sortings or {}) else next(iter(sortings), None) if sortings else None
        filterby = filterby if filterby in (filters or {}) else next(iter(filters), None) if filters else None
        search = (search or "").strip()
        if filters:
            domain = [*domain, *filters[filterby]["domain"]]
        if search and search_domain:
            domain = [*domain, *search_domain(search)]
        total = Model.search_count(domain)
        url_args = {"sortby": sortby, "filterby": filterby, "search": search}
        pager = portal_pager(
            url=url,
            total=total,
            page=int(page),
            step=step,
            url_args={key: value for key, value in url_args.items() if value},
        )
        order = sortings[sortby]["order"] if sortings else None
        values = self._prepare_portal_layout_values()
        values.update(
            {
                "page_name": page_name,
                "default_url": url,
                "records": Model.search(domain, order=order, limit=step, offset=pager["offset"]),
                "total": total,
                "pager": pager,
                "search": search,
                "sortby": sortby,
                "filterby": filterby,
            }
        )
        if sortings and len(sortings) > 1:
            values["searchbar_sortings"] = sortings
        if filters:
            values["searchbar_filters"] = filters
        return values
