from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command, Domain
from odoo.tools import SQL, formatLang

BATCH = 50
GUARDED = {
    "name",
    "company_id",
    "partner_id",
    "state",
    "date_open",
    "date_close",
    "score",
    "days_inventory",
    "value",
    "surplus_value",
    "cash",
    "cost",
    "is_capped",
    "to_notify",
    "line_ids",
}
MAIL = "dms_forecast.mail_template_dms_stock_alert"


class DmsStockAlert(models.Model):
    """A distributor whose stock has not fitted demand for two days: its products, and what is cheapest to do.

    It opens where a product's score is below its threshold or its cover above it on two days, or the distributor's sums are; a product is
    off the list when it is clear again by more than that (hysteresis), and the alert is closed when nothing is left.
    """

    _name = "dms.stock.alert"
    _description = "Stock Alert"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "state desc, surplus_value desc, id desc"

    name = fields.Char(required=True, readonly=True, copy=False)
    company_id = fields.Many2one("res.company", required=True, readonly=True, index=True)
    currency_id = fields.Many2one(related="company_id.currency_id")
    partner_id = fields.Many2one(
        "res.partner", string="Distributor", required=True, readonly=True, index=True
    )
    territory_id = fields.Many2one(related="partner_id.territory_id", store=True)
    state = fields.Selection(
        [("closed", "Closed"), ("open", "Open")],
        required=True,
        readonly=True,
        default="open",
        index=True,
        tracking=True,
    )
    date_open = fields.Date("Since", readonly=True)
    date_close = fields.Date("Closed on", readonly=True)
    user_id = fields.Many2one("res.users", string="Responsible", tracking=True)
    score = fields.Float(readonly=True, aggregator="avg")
    days_inventory = fields.Float("Days of Inventory", readonly=True, aggregator="avg")
    value = fields.Monetary("Stock Value", readonly=True)
    surplus_value = fields.Monetary(readonly=True)
    cash = fields.Monetary(
        "Cash Freed",
        readonly=True,
        help="Where each product's cheapest option is taken: value less what that costs.",
    )
    cost = fields.Monetary(readonly=True, help="Of the cheapest option of each product.")
    is_capped = fields.Boolean(
        "Orders Capped",
        readonly=True,
        help="Days of inventory are above the threshold: proposals hold only what would run out.",
    )
    to_notify = fields.Boolean(readonly=True, copy=False)
    line_ids = fields.One2many("dms.stock.alert.line", "alert_id", readonly=True)
    open_line_ids = fields.One2many("dms.stock.alert.line", "alert_id", domain=[("state", "=", "open")])
    line_count = fields.Integer("Products", compute="_compute_line_count", compute_sudo=True)
    reason = fields.Text(compute="_compute_reason", compute_sudo=True)

    _open_uniq = models.UniqueIndex(
        "(company_id, partner_id) WHERE state = 'open'", "A distributor has one open stock alert."
    )

    @api.depends("line_ids.state")
    def _compute_line_count(self):
        counts = dict(
            self.env["dms.stock.alert.line"]._read_group(
                [("alert_id", "in", self.ids), ("state", "=", "open")], ["alert_id"], ["__count"]
            )
        )
        for alert in self:
            alert.line_count = counts.get(alert, 0)

    @api.depends("score", "days_inventory", "surplus_value", "is_capped", "state", "line_ids.state")
    @api.depends_context("lang")
    def _compute_reason(self):
        _ = self.env._
        for alert in self:
            if alert.state == "closed":
                alert.reason = _("Stock fits demand again.")
                continue
            words = [
                _(
                    "Score %(score)d of 100, stock lasts %(days)d days.",
                    score=round(alert.score),
                    days=round(alert.days_inventory),
                )
            ]
            if alert.line_count:
                words.append(_("Products that need attention: %(count)d.", count=alert.line_count))
            if alert.surplus_value:
                words.append(
                    _(
                        "Clearing the surplus of %(surplus)s the cheapest way costs %(cost)s and frees %(cash)s.",
                        surplus=formatLang(self.env, alert.surplus_value, currency_obj=alert.currency_id),
                        cost=formatLang(self.env, alert.cost, currency_obj=alert.currency_id),
                        cash=formatLang(self.env, alert.cash, currency_obj=alert.currency_id),
                    )
                )
            if alert.is_capped:
                words.append(_("Until then only what would run out is proposed for order."))
            alert.reason = " ".join(words)

    def write(self, vals):
        if not self.env.su and set(vals) & GUARDED:
            self.check_access("write")
            raise UserError(
                self.env._(
                    "A stock alert follows the stock's health. Change who is responsible, or write a note."
                )
            )
        return super().write(vals)

    def action_view_lines(self):
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Products"),
            "res_model": "dms.stock.alert.line",
            "view_mode": "list,form",
            "domain": [("alert_id", "=", self.id)],
        }

    # --- business ---------------------------------------------------------------------

    @api.model
    def _refresh(self, company, today):
        """Open, renew and close the company's alerts by the health of a day; the number of queries does not depend on that of alerts."""
        for model in ("dms.stock.health", "dms.stock.health.day", "dms.stock.alert", "dms.stock.alert.line"):
            self.env[model].flush_model()
        self._close_lines(company, today)
        self._open_alerts(company, today)
        self._open_lines(company, today)
        self.env["dms.stock.alert.option"]._rebuild(company)
        self._sum_up(company, today)
        self.invalidate_model()
        self.env["dms.stock.alert.line"].invalidate_model()
        if self.sudo().search_count([("to_notify", "=", True), ("company_id", "=", company.id)], limit=1):
            self.env.ref("dms_forecast.ir_cron_dms_stock_alert")._trigger()

    def _close_lines(self, company, today):
        """Bring the figures of open products up to date, and take off what is clear again or gone."""
        self.env.cr.execute(
            SQL(
                """
                UPDATE dms_stock_alert_line line
                   SET status = COALESCE(new.status, line.status), score = COALESCE(new.score, line.score),
                       quantity = COALESCE(new.quantity, 0), daily_demand = COALESCE(new.daily_demand, 0),
                       days_cover = COALESCE(new.days_cover, 0), surplus = COALESCE(new.surplus, 0),
                       price_unit = COALESCE(new.price_unit, line.price_unit),
                       surplus_value = COALESCE(new.surplus_value, 0),
                       state = CASE WHEN new.kept THEN 'open' ELSE 'closed' END,
                       date_close = CASE WHEN NOT new.kept THEN %(today)s::date END
                  FROM (SELECT mine.id AS line_id, h.status, h.score, h.quantity, h.daily_demand, h.days_cover, h.surplus,
                               h.price_unit, h.surplus_value,
                               COALESCE(h.score < h.alert_close OR h.days_cover > 0.9 * h.overstock_days, FALSE) AS kept
                          FROM dms_stock_alert_line mine
                     LEFT JOIN dms_stock_health h USING (company_id, partner_id, product_id)
                         WHERE mine.state = 'open' AND mine.company_id = %(company)s) new
                 WHERE line.id = new.line_id
                """,
                today=today,
                company=company.id,
            )
        )

    def _get_poor_sql(self, company, today):
        """Query of the products that have been poor on two days and are not on the list yet."""
        return SQL(
            """
            SELECT h.* FROM dms_stock_health h
             WHERE h.company_id = %s AND h.below_since <= %s
               AND NOT EXISTS (SELECT 1 FROM dms_stock_alert_line line
                                WHERE line.company_id = h.company_id AND line.partner_id = h.partner_id
                                  AND line.product_id = h.product_id AND line.state = 'open')
            """,
            company.id,
            today - timedelta(days=1),
        )

    def _get_day_sql(self, company, today):
        """Query of the distributors' sums of today: partner, score, days of inventory, and whether it was poor or over the time before."""
        return SQL(
            """
            SELECT DISTINCT ON (now.partner_id) now.partner_id, now.score, now.days_inventory, now.value,
                   COALESCE(before.score < %(below)s, FALSE) AS was_poor,
                   COALESCE(before.days_inventory > %(days)s, FALSE) AS was_over
              FROM dms_stock_health_day now
         LEFT JOIN dms_stock_health_day before
                ON before.company_id = now.company_id AND before.partner_id = now.partner_id AND before.level = now.level
                   AND before.date < now.date AND before.date >= now.date - 7
             WHERE now.level = 'distributor' AND now.company_id = %(company)s AND now.date = %(today)s
          ORDER BY now.partner_id, before.date DESC
            """,
            company=company.id,
            today=today,
            below=company.dms_alert_below,
            days=company.dms_overstock_days,
        )

    def _open_alerts(self, company, today):
        """Open one alert for each distributor that needs one and has none."""
        rows = self.env.execute_query(
            SQL(
                """
                SELECT partner_id FROM (
                    SELECT partner_id FROM (%(poor)s) poor
                 UNION
                    SELECT partner_id FROM (%(day)s) day
                     WHERE (was_poor AND score < %(below)s) OR (was_over AND days_inventory > %(days)s)) due
                 WHERE partner_id NOT IN (SELECT partner_id FROM dms_stock_alert WHERE company_id = %(company)s AND state = 'open')
              ORDER BY partner_id
                """,
                poor=self._get_poor_sql(company, today),
                day=self._get_day_sql(company, today),
                below=company.dms_alert_below,
                days=company.dms_overstock_days,
                company=company.id,
            )
        )
        partners = self.env["res.partner"].browse([row[0] for row in rows])
        return (
            self.sudo()
            .with_context(mail_create_nosubscribe=True, mail_create_nolog=True, tracking_disable=True)
            .create([self._prepare_alert_vals(company, partner, today) for partner in partners])
        )

    def _prepare_alert_vals(self, company, partner, today):
        return {
            "name": self.env["ir.sequence"].with_company(company).next_by_code("dms.stock.alert")
            or self.env._("New"),
            "company_id": company.id,
            "partner_id": partner.id,
            "user_id": partner.user_id.id or False,
            "date_open": today,
            "to_notify": True,
        }

    def _open_lines(self, company, today):
        """Put the products that are poor now on the list of their distributor's alert, which is to be told."""
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                WITH new AS (
                    INSERT INTO dms_stock_alert_line
                           (alert_id, company_id, partner_id, product_id, state, date_open, since, status, score, quantity,
                            daily_demand, days_cover, surplus, price_unit, surplus_value)
                    SELECT alert.id, h.company_id, h.partner_id, h.product_id, 'open', %(today)s, h.below_since, h.status, h.score,
                           h.quantity, h.daily_demand, h.days_cover, h.surplus, h.price_unit, h.surplus_value
                      FROM (%(poor)s) h
                      JOIN dms_stock_alert alert USING (company_id, partner_id)
                     WHERE alert.state = 'open'
                    RETURNING alert_id)
                UPDATE dms_stock_alert SET to_notify = TRUE WHERE id IN (SELECT alert_id FROM new)
                """,
                today=today,
                poor=self._get_poor_sql(company, today),
            )
        )

    def _sum_up(self, company, today):
        """Write the sums of the open alerts, and close those with nothing left on the list and a distributor in the clear."""
        self.env.cr.execute(
            SQL(
                """
                UPDATE dms_stock_alert alert
                   SET score = day.score, days_inventory = day.days_inventory, value = day.value,
                       surplus_value = COALESCE(lines.surplus_value, 0), cash = COALESCE(lines.cash, 0),
                       cost = COALESCE(lines.cost, 0), is_capped = day.days_inventory > %(days)s
                  FROM (%(day)s) day
             LEFT JOIN (SELECT alert_id, SUM(surplus_value) AS surplus_value, SUM(best_cash) AS cash, SUM(best_cost) AS cost, partner_id
                          FROM dms_stock_alert_line WHERE state = 'open' AND company_id = %(company)s
                      GROUP BY alert_id, partner_id) lines USING (partner_id)
                 WHERE alert.partner_id = day.partner_id AND alert.company_id = %(company)s AND alert.state = 'open'
                """,
                days=company.dms_overstock_days,
                day=self._get_day_sql(company, today),
                company=company.id,
            )
        )
        self.invalidate_model()
        done = self.sudo().search(
            [
                ("company_id", "=", company.id),
                ("state", "=", "open"),
                ("open_line_ids", "=", False),
                *(
                    Domain("score", ">=", company.dms_alert_close)
                    & Domain("days_inventory", "<=", 0.9 * company.dms_overstock_days)
                ),
            ]
        )
        done.write({"state": "closed", "date_close": today, "to_notify": False, "is_capped": False})
        done.activity_unlink(["dms_forecast.mail_activity_type_dms_stock_alert"])

    def _get_addressees(self):
        """The distributor's people with portal access, else the distributor itself."""
        self.ensure_one()
        clerks = self.partner_id.child_ids.filtered(lambda contact: contact.user_ids and contact.email)
        return clerks or self.partner_id.filtered("email")

    def _notify(self):
        """Tell distributor and brand of what is new: one mail and one activity for each alert."""
        for alert in self:
            alert.message_post_with_source(
                MAIL,
                message_type="comment",
                subtype_xmlid="mail.mt_comment",
                partner_ids=[Command.set((alert._get_addressees() | alert.user_id.partner_id).ids)],
                email_layout_xmlid="mail.mail_notification_layout_with_responsible_signature",
            )
        fresh = self.filtered(lambda alert: alert.user_id and not alert.activity_ids)
        for user, alerts in fresh.grouped("user_id").items():
            alerts.activity_schedule(
                "dms_forecast.mail_activity_type_dms_stock_alert",
                user_id=user.id,
                summary=self.env._("Stock that does not fit demand: decide what to do"),
            )
        self.to_notify = False

    @api.model
    def _cron_notify(self):
        cron = self.env["ir.cron"]
        waiting = self.search([("to_notify", "=", True), ("state", "=", "open")])
        cron._commit_progress(remaining=len(waiting))
        for begin in range(0, len(waiting), BATCH):
            alerts = waiting[begin : begin + BATCH].try_lock_for_update()
            alerts._notify()
            if not cron._commit_progress(len(alerts)):
                return
