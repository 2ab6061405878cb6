from datetime import timedelta

from odoo import fields, http
from odoo.http import request
from odoo.tools import SQL, format_date

from ..tools.chart import weeks_chart
from .distributor import DistributorPortal

WEEKS_SHOWN = 13
MOVES_SHOWN = 20
DIFFERENCES_SHOWN = 10
# Batches that expire within so many days are named, the first ones of them.
EXPIRY_DAYS = 90
BATCHES_SHOWN = 10


class StockPortal(DistributorPortal):
    """What the distributor has, how long it lasts, and how goods came and left."""

    @http.route(["/my/stock", "/my/stock/page/<int:page>"], type="http", auth="user", website=True)
    def dms_stock(self, page=1, sortby=None, filterby=None, search="", **kw):
        distributor_sudo = self._dms_distributor()
        if not distributor_sudo:
            return request.redirect("/my")
        company = request.env.company
        own = self._dms_own(("company_id", "=", company.id))
        Health = request.env["dms.stock.health"]
        counts = {
            status: (ids, count)
            for status, ids, count in Health._read_group(own, ["status"], ["product_id:array_agg", "__count"])
        }

        alert = request.env["dms.stock.alert"].search([*own, ("state", "=", "open")], limit=1)

        batches = request.env["dms.channel.batch"].search([*own, *self._dms_expiring_domain()])

        def with_status(*statuses):
            return [
                ("product_id", "in", [id_ for status in statuses for id_ in counts.get(status, ([], 0))[0]])
            ]

        values = self._dms_list_values(
            "dms.channel.position", own, "/my/stock", "dms_stock",
            page=page, sortby=sortby, filterby=filterby, search=search,
            search_domain=lambda text: [("product_id", "in", request.env["product.product"].sudo()._search(
                ["|", ("name", "ilike", text), ("default_code", "ilike", text)]))],
            sortings={
                "value": {"label": request.env._("Value"), "order": "value desc, id"},
                "quantity": {"label": request.env._("Quantity"), "order": "quantity desc, id"},
                "sold": {"label": request.env._("Last sold"), "order": "last_sell_out desc nulls last, id"},
            },
            filters={
                "all": {"label": request.env._("All"), "domain": []},
                "risk": {"label": request.env._("Runs out soon"), "domain": with_status("stockout_risk")},
                "slow": {"label": request.env._("Slow or too much"), "domain": with_status("slow", "overstock")},
                "transit": {"label": request.env._("On its way"), "domain": [("in_transit", ">", 0)]},
                "expiry": {
                    "label": request.env._("Expires soon"),
                    "domain": [("product_id", "in", batches.sudo().product_id.ids)],
                },
                "alert": {
                    "label": request.env._("On the alert"),
                    "domain": [("product_id", "in", alert.open_line_ids.sudo().product_id.ids)],
                },
            },
        )  # fmt: skip
        positions_sudo = values["records"].sudo()
        health_sudo = Health.search([*own, ("product_id", "in", positions_sudo.product_id.ids)]).sudo()
        [(value,)] = request.env["dms.channel.position"]._read_group(own, [], ["value:sum"])
        values.update(
            {
                "positions": positions_sudo,
                "health": {health.product_id: health for health in health_sudo},
                "alert": alert.sudo(),
                "batches": batches[:BATCHES_SHOWN].sudo(),
                "batch_text": request.env._(
                    "The first %(shown)s of %(count)s batches.", shown=BATCHES_SHOWN, count=len(batches)
                )
                if len(batches) > BATCHES_SHOWN
                else "",
                "currency": company.currency_id,
                "stock_value": value or 0.0,
                "status_counts": {status: count for status, (_ids, count) in counts.items()},
                **self._dms_weeks(distributor_sudo, company),
                **self._dms_differences(own),
            }
        )
        return request.render("dms_portal.portal_stock", values)

    @http.route("/my/stock/<int:product_id>", type="http", auth="user", website=True)
    def dms_stock_product(self, product_id, **kw):
        distributor_sudo = self._dms_distributor()
        company = request.env.company
        own = self._dms_own(("company_id", "=", company.id), ("product_id", "=", product_id))
        position_sudo = request.env["dms.channel.position"].search(own).sudo() if distributor_sudo else None
        if not position_sudo:
            return request.redirect("/my/stock" if distributor_sudo else "/my")
        values = self._prepare_portal_layout_values()
        series_sudo = (
            request.env["dms.forecast.series"]
            .search(
                [*own, ("run_id", "=", request.env["dms.forecast.run"].sudo()._get_current(company).id)],
                limit=1,
            )
            .sudo()
        )
        values.update(
            {
                "page_name": "dms_stock",
                "dms_title": position_sudo.product_id.name,
                "position": position_sudo,
                "product": position_sudo.product_id,
                "health": request.env["dms.stock.health"].search(own).sudo(),
                "options": request.env["dms.stock.alert.line"]
                .search([*own, ("state", "=", "open")], limit=1)
                .sudo()
                .option_ids,
                "series": series_sudo,
                "moves": request.env["dms.channel.move"]
                .search(own, limit=MOVES_SHOWN, order="date desc, id desc")
                .sudo(),
                "batches": request.env["dms.channel.batch"].search(own, limit=BATCHES_SHOWN).sudo(),
                "currency": company.currency_id,
                **self._dms_weeks(distributor_sudo, company, position_sudo),
            }
        )
        return request.render("dms_portal.portal_stock_product", values)

    def _dms_expiring_domain(self):
        limit = fields.Date.context_today(request.env.user) + timedelta(days=EXPIRY_DAYS)
        return [("expiration_date", "<=", limit)]

    def _dms_differences(self, own):
        """The largest differences between the last counts, the books and the scans."""
        domain = [*own, ("differs", "=", True)]
        comparisons = request.env["dms.channel.comparison"].search(domain, limit=DIFFERENCES_SHOWN)
        text = ""
        if len(comparisons) == DIFFERENCES_SHOWN:
            text = request.env._(
                "The %(shown)s largest of %(count)s differences.",
                shown=DIFFERENCES_SHOWN,
                count=comparisons.search_count(domain),
            )
        causes = comparisons._fields["cause"]._description_selection(request.env)
        # the product's name is not the portal user's to read
        return {"comparisons": comparisons.sudo(), "difference_text": text, "causes": dict(causes)}

    def _dms_weeks(self, distributor_sudo, company, position_sudo=None):
        """Chart and table of the last weeks: value of all products, or units and stock of one.

        Weeks run from Monday; the last one is the current week.
        """
        today = fields.Date.context_today(request.env.user)
        monday = today - timedelta(days=today.weekday())
        weeks = [monday - timedelta(weeks=back) for back in range(WEEKS_SHOWN - 1, -1, -1)]
        request.env["dms.channel.move"].flush_model()
        rows = request.env.execute_query(
            SQL(
                """
                SELECT date_trunc('week', date)::date,
                       COALESCE(SUM(%(measure)s) FILTER (WHERE kind IN ('sell_in', 'transfer')), 0)::float,
                       COALESCE(-SUM(%(measure)s) FILTER (WHERE kind IN ('sell_out', 'return')), 0)::float,
                       COALESCE(SUM(quantity), 0)::float
                  FROM dms_channel_move
                 WHERE partner_id = %(partner)s AND company_id = %(company)s AND date >= %(start)s %(product)s
              GROUP BY 1
                """,
                measure=SQL("quantity") if position_sudo else SQL("amount"),
                partner=distributor_sudo.id,
                company=company.id,
                start=weeks[0],
                product=SQL("AND product_id = %s", position_sudo.product_id.id) if position_sudo else SQL(),
            )
        )
        by_week = {row[0]: row[1:] for row in rows}
        came, left, change = (
            [by_week.get(week, (0.0, 0.0, 0.0))[index] for week in weeks] for index in range(3)
        )
        stock = None
        if position_sudo:
            stock = [position_sudo.quantity - sum(change[number + 1 :]) for number in range(WEEKS_SHOWN)]
        labels = [format_date(request.env, week, date_format="d MMM") for week in weeks]
        return {
            "chart": weeks_chart(labels, [max(v, 0.0) for v in came], [max(v, 0.0) for v in left], stock)
            if by_week
            else None,
            "chart_rows": list(zip(labels, came, left, stock or [None] * WEEKS_SHOWN, strict=True)),
        }
