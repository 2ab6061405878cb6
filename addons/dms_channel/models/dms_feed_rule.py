from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import SQL

#: Kinds of feeds that a kind of rule can judge.
FEED_KINDS = {
    "product_inactive": ("sell_through", "count", "returns", "sensor"),
    "window": ("sell_through", "count", "returns"),
    "territory": ("sell_through", "outlet"),
    "quantity_far": ("sell_through", "returns"),
    "price_far": ("sell_through",),
    "above_stock": ("sell_through",),
    "similar": ("sell_through", "count", "returns"),
    "missing_days": ("sell_through",),
    "return_twice": ("returns",),
    "outlet_similar": ("outlet",),
    "outlet_taken": ("outlet",),
}
#: Column of ``dms_feed_checked`` that takes what a rule of this severity found.
COLUMN_BY_SEVERITY = {"error": "issues", "warning": "warnings", "note": "notes"}
#: History of a series is read in one query however long the file is; of a larger file every n-th row is enough.
SAMPLE = 100_000


class DmsFeedRule(models.Model):
    """What a reported line must satisfy beyond being readable, and what happens where it does not.

    A kind is one method ``_get_hits_<kind>(feed, rows)`` that answers a query (line_id, code, figures): all lines are
    judged by one statement, whatever their number. What has no product, date or quantity can't be released at all
    and is an error without any rule.
    """

    _name = "dms.feed.rule"
    _description = "Reporting Rule"
    _inherit = ["dms.channel.scope"]
    _order = "sequence, id"
    _check_company_auto = True

    name = fields.Char(required=True, translate=True)
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)
    kind = fields.Selection(
        [
            ("product_inactive", "Archived product"),
            ("window", "Reporting window"),
            ("territory", "Outside the agreement's territory"),
            ("quantity_far", "Quantity far from usual"),
            ("price_far", "Price far from usual"),
            ("above_stock", "Sold more than there was"),
            ("similar", "Similar to an earlier line"),
            ("missing_days", "Missing days"),
            ("return_twice", "Returned in the sales report too"),
            ("outlet_similar", "Similar to an outlet that is known"),
            ("outlet_taken", "Another distributor's outlet"),
        ],
        string="What It Looks For",
        required=True,
        default="quantity_far",
    )
    feed_kind = fields.Selection(
        selection=lambda self: self.env["dms.feed"]._fields["kind"]._description_selection(self.env),
        string="Only in",
        help="Kind of report. Empty: every kind that such a rule can judge.",
    )
    severity = fields.Selection(
        [
            ("error", "Must be mended"),
            ("warning", "Needs a reason"),
            ("note", "Noted only"),
        ],
        required=True,
        default="warning",
        help="Must be mended: the line waits until it is right. Needs a reason: it waits until it is mended or somebody "
        "says why it is right. Noted only: it is released, and the remark stays on it.",
    )
    brand_only = fields.Boolean(
        string="Only the Brand Accepts",
        help="The sender can't accept the warning itself, only mend the line.",
    )
    own_loads = fields.Boolean(help="Also for files that the brand loads itself.")
    partner_ids = fields.Many2many(
        domain="[('channel_role', '=', 'distributor')]", help="Empty: all distributors."
    )
    cycle = fields.Selection(
        [("day", "Daily"), ("week", "Weekly"), ("month", "Monthly")],
        string="Reported",
        required=True,
        default="day",
        help="How often is reported: each day by itself, or the days of a week (until Sunday) or a month together.",
    )
    due_days = fields.Integer(
        string="Due After",
        default=1,
        help="Days after the day of the sale, or after the end of its week or month, until which it is to be reported.",
    )
    cutoff_hour = fields.Float(
        string="Cut-off", default=12.0, help="Hour of that day, in the sender's time zone."
    )
    correction_days = fields.Integer(
        string="Correction Window", default=31, help="Days after the cut-off in which lines are still taken."
    )
    history_days = fields.Integer(string="History", default=180, help="Days to look back at.")
    min_points = fields.Integer(
        string="Needed Figures", default=8, help="With fewer earlier figures, nothing is judged."
    )
    factor = fields.Float(
        string="Tolerance",
        default=8.0,
        help="How many times the usual spread (1.4826 x the median absolute deviation, at least a quarter of the "
        "median for quantities and a tenth for prices) a figure may be away from the median.",
    )
    similar_days = fields.Integer(string="Days Apart", default=2)
    usual_share = fields.Float(
        string="Usual From",
        default=0.6,
        help="Share of the last eight weeks in which a weekday was reported that makes it an expected one.",
    )

    _due_days_positive = models.Constraint(
        "CHECK(due_days >= 0 AND correction_days >= 0 AND similar_days >= 0 AND history_days > 0)",
        "Days can't be negative, and the history needs at least one.",
    )
    _factor_positive = models.Constraint(
        "CHECK(factor > 0 AND min_points > 2)",
        "The tolerance must be above zero, and at least three earlier figures are needed to judge one.",
    )

    @api.constrains("cutoff_hour", "usual_share")
    def _check_parameters(self):
        for rule in self:
            if not 0 <= rule.cutoff_hour <= 24:
                raise ValidationError(
                    self.env._("The cut-off of rule %s must lie between 0 and 24.", rule.name)
                )
            if not 0 < rule.usual_share <= 1:
                raise ValidationError(
                    self.env._("The share of rule %s must lie above 0 %% and be at most 100 %%.", rule.name)
                )

    @api.model
    def _get_rules(self, feed):
        """The active rules of the feed's company for its kind and sender, in their sequence."""
        rules = self.sudo().search([("company_id", "in", [False, feed.company_id.id])])
        return rules.filtered(
            lambda rule: (
                (feed.partner_id or rule.own_loads)
                and feed.kind in FEED_KINDS[rule.kind]
                and rule.feed_kind in (False, feed.kind)
            )
        )

    @api.model
    def _apply(self, feed):
        """Judge the rows of ``dms_feed_checked``: what is found goes to issues, warnings or notes of the row."""
        rules = self._get_rules(feed).filtered(lambda rule: rule.kind != "missing_days")
        if not rules:
            return
        found = self.env.execute_query(
            SQL("SELECT DISTINCT partner_id FROM dms_feed_checked WHERE partner_id IS NOT NULL")
        )
        partners = self.env["res.partner"].sudo().browse(partner_id for (partner_id,) in found)
        for rule in rules:
            concerned = partners.filtered(rule._concerns)
            if not concerned:
                continue
            # a repeated line is the earlier one again and was judged with it
            rows = SQL(
                "(SELECT * FROM dms_feed_checked WHERE partner_id = ANY(%s) AND issues <> 'duplicate' %s)",
                concerned.ids,
                SQL()
                if feed.kind == "outlet"
                else SQL("AND product_id IS NOT NULL AND date IS NOT NULL AND quantity IS NOT NULL"),
            )
            column = SQL.identifier(COLUMN_BY_SEVERITY[rule.severity])
            self.env.cr.execute(
                SQL(
                    """
                    UPDATE dms_feed_checked checked
                       SET issues = %(cleared)s, %(set)s
                           figures = COALESCE(checked.figures, '{}') || jsonb_build_object(hit.code, hit.figures)
                      FROM (%(hits)s) hit (line_id, code, figures)
                     WHERE hit.line_id = checked.line_id
                    """,
                    cleared=rule._get_issues_sql(),
                    set=SQL()
                    if rule.severity == "error"
                    else SQL("%s = CONCAT_WS(',', NULLIF(checked.%s, ''), hit.code),", column, column),
                    hits=getattr(rule, f"_get_hits_{rule.kind}")(feed, rows),
                )
            )

    def _get_issues_sql(self):
        """What becomes of a row's errors: one more, or one less where the rule takes an error more lightly."""
        if self.kind == "product_inactive":
            if self.severity == "error":
                return SQL("checked.issues")
            return SQL("array_to_string(array_remove(string_to_array(checked.issues, ','), hit.code), ',')")
        if self.severity == "error":
            return SQL("CONCAT_WS(',', NULLIF(checked.issues, ''), hit.code)")
        return SQL("checked.issues")

    def _get_hits_product_inactive(self, feed, rows):
        return SQL(
            "SELECT line_id, 'product_inactive', '{}'::jsonb FROM %s mine"
            " WHERE 'product_inactive' = ANY(string_to_array(issues, ','))",
            rows,
        )

    def _get_hits_window(self, feed, rows):
        """A day (its week, its month) is due at the cut-off of the sender's time zone; lines after the correction window
        come too late."""
        received = fields.Datetime.to_string(feed.create_date or fields.Datetime.now())
        return SQL(
            """
            SELECT mine.line_id, 'window_closed',
                   jsonb_build_object('due', to_char(due.moment AT TIME ZONE due.zone, 'YYYY-MM-DD HH24:MI'),
                                      'days', %(days)s)
              FROM %(rows)s mine
              JOIN res_partner partner ON partner.id = mine.partner_id
        CROSS JOIN LATERAL (SELECT COALESCE(partner.tz, %(zone)s) AS zone,
                                   (%(end)s + %(due_days)s * INTERVAL '1 day' + %(hour)s * INTERVAL '1 hour')
                                   AT TIME ZONE COALESCE(partner.tz, %(zone)s) AS moment) due
             WHERE due.moment + %(days)s * INTERVAL '1 day' < %(received)s::timestamp AT TIME ZONE 'UTC'
            """,
            rows=rows,
            received=received,
            end=self._get_period_end_sql(SQL("%s", self.cycle), SQL("mine.date")),
            due_days=self.due_days,
            hour=self.cutoff_hour,
            days=self.correction_days,
            zone=feed.company_id.partner_id.tz or "UTC",
        )

    @api.model
    def _get_period_end_sql(self, cycle, date):
        """Last day of what is reported together with ``date`` in a cycle: itself, its Sunday, or its month's last day."""
        return SQL(
            "CASE %(cycle)s WHEN 'week' THEN %(date)s + 7 - EXTRACT(ISODOW FROM %(date)s)::integer"
            " WHEN 'month' THEN (date_trunc('month', %(date)s) + INTERVAL '1 month - 1 day')::date"
            " ELSE %(date)s END",
            cycle=cycle,
            date=date,
        )

    def _get_hits_territory(self, feed, rows):
        """Sold to a shop (or said to supply one) that no agreement in force on that day has in its territories."""
        if feed.kind == "outlet":
            today = fields.Date.context_today(feed)
            rows = SQL(
                "(SELECT line_id, partner_id, territory_id AS outlet_id, %s::date AS date FROM %s rows)",
                today,
                rows,
            )
            place = SQL("JOIN dms_territory territory ON territory.id = mine.outlet_id")
        else:
            place = SQL(
                "JOIN res_partner outlet ON outlet.id = mine.outlet_id"
                " JOIN dms_territory territory ON territory.id = outlet.territory_id"
            )
        return SQL(
            """
            WITH sold AS (
                SELECT DISTINCT mine.partner_id, mine.outlet_id, mine.date, territory.parent_path,
                       territory.complete_name
                  FROM %(rows)s mine
                  %(place)s
            ), agreed AS (
                SELECT agreement.partner_id, agreement.date_start,
                       CASE WHEN agreement.state = 'terminated' THEN agreement.date_end - 1
                            ELSE agreement.date_end END AS date_end, territory.parent_path
                  FROM dms_agreement agreement
                  JOIN dms_agreement_line line ON line.agreement_id = agreement.id
                  JOIN dms_territory territory ON territory.id = line.territory_id
                 WHERE agreement.company_id = %(company)s AND agreement.activated_on IS NOT NULL
                   AND agreement.state IN ('active', 'expired', 'terminated')
                   AND agreement.partner_id IN (SELECT partner_id FROM sold)
            ), outside AS (
                SELECT sold.partner_id, sold.outlet_id, sold.date, sold.complete_name
                  FROM sold
                  JOIN agreed ON agreed.partner_id = sold.partner_id AND agreed.date_start <= sold.date
                             AND (agreed.date_end IS NULL OR agreed.date_end >= sold.date)
              GROUP BY sold.partner_id, sold.outlet_id, sold.date, sold.complete_name
                HAVING NOT bool_or(starts_with(sold.parent_path, agreed.parent_path))
            )
            SELECT mine.line_id, 'territory_outside', jsonb_build_object('territory', outside.complete_name)
              FROM %(rows)s mine
              JOIN outside ON outside.partner_id = mine.partner_id AND outside.outlet_id = mine.outlet_id
                          AND outside.date = mine.date
            """,
            rows=rows,
            place=place,
            company=feed.company_id.id,
        )

    def _get_hits_quantity_far(self, feed, rows):
        past = SQL("move.quantity") if feed.kind == "returns" else SQL("-move.quantity")
        return self._get_far_sql(feed, rows, "quantity_far", "quantity", past, 0.25)

    def _get_hits_price_far(self, feed, rows):
        price = SQL("move.amount / NULLIF(move.quantity, 0)")
        return self._get_far_sql(feed, rows, "price_far", "price_unit", price, 0.1)

    def _get_far_sql(self, feed, rows, code, column, past, least):
        """Answer the lines whose figure is far from the median of its series: distributor and product.

        The usual range is median ± factor x max(1.4826 x median absolute deviation, least x median), of the ledger's
        sales of the last days and of the file itself; neither a typing error nor one large order moves it much.
        """
        value = SQL.identifier(column)
        if column == "price_unit":
            rate = feed.currency_id._get_conversion_rate(
                feed.currency_id, feed.company_id.currency_id, feed.company_id, fields.Date.today()
            )
        else:
            rate = 1.0
        return SQL(
            """
            WITH mine AS (
                SELECT line_id, partner_id, product_id, (%(value)s * %(rate)s)::float8 AS value
                  FROM %(rows)s rows WHERE %(value)s > 0
            ), known AS (
                SELECT partner_id, product_id, value FROM mine
                 WHERE line_id %% GREATEST(1, (SELECT COUNT(*) FROM mine) / %(sample)s) = 0
             UNION ALL
                SELECT move.partner_id, move.product_id, (%(past)s)::float8
                  FROM (SELECT DISTINCT partner_id, product_id FROM mine) series
                  JOIN dms_channel_move move USING (partner_id, product_id)
                 WHERE move.company_id = %(company)s AND move.kind = %(kind)s AND move.reversed_move_id IS NULL
                   AND %(past)s > 0 AND move.date >= %(since)s
            ), middle AS (
                SELECT partner_id, product_id, percentile_cont(0.5) WITHIN GROUP (ORDER BY value) AS median
                  FROM known WHERE value > 0 GROUP BY partner_id, product_id HAVING COUNT(*) >= %(points)s
            ), usual AS (
                SELECT partner_id, product_id, median,
                       %(factor)s * GREATEST(
                           1.4826 * percentile_cont(0.5) WITHIN GROUP (ORDER BY abs(value - median)),
                           %(least)s * median) AS width
                  FROM known JOIN middle USING (partner_id, product_id)
              GROUP BY partner_id, product_id, median
            )
            SELECT mine.line_id, %(code)s,
                   jsonb_build_object('value', round(mine.value::numeric, 2), 'usual', round(usual.median::numeric, 2),
                                      'high', round((usual.median + usual.width)::numeric, 2),
                                      'low', round(GREATEST(0, usual.median - usual.width)::numeric, 2))
              FROM mine JOIN usual USING (partner_id, product_id)
             WHERE abs(mine.value - usual.median) > usual.width
            """,
            rows=rows,
            value=value,
            rate=rate,
            past=past,
            kind="return" if feed.kind == "returns" else "sell_out",
            sample=SAMPLE,
            company=feed.company_id.id,
            since=fields.Date.subtract(fields.Date.context_today(feed), days=self.history_days),
            points=self.min_points,
            factor=self.factor,
            least=least,
            code=code,
        )

    def _get_hits_above_stock(self, feed, rows):
        """What the file has sold until a day is more than the ledger had at its end; where stock is known at all."""
        return SQL(
            """
            WITH days AS (
                SELECT partner_id, product_id, date, SUM(quantity - returned) AS sold FROM %(rows)s mine
              GROUP BY partner_id, product_id, date
            ), series AS (
                SELECT days.partner_id, days.product_id, MIN(days.date) AS first, position.quantity
                  FROM days
                  JOIN dms_channel_position position USING (partner_id, product_id)
                 WHERE position.company_id = %(company)s
                   AND LEAST(position.last_sell_in, position.last_count) IS NOT NULL
              GROUP BY days.partner_id, days.product_id, position.quantity
            ), moved AS (
                SELECT move.partner_id, move.product_id, move.date, SUM(move.quantity) AS quantity
                  FROM series JOIN dms_channel_move move USING (partner_id, product_id)
                 WHERE move.company_id = %(company)s AND move.date > series.first
              GROUP BY move.partner_id, move.product_id, move.date
            ), balance AS (
                SELECT partner_id, product_id, date, sold,
                       series.quantity
                       - COALESCE(SUM(moved.quantity) OVER (
                             PARTITION BY partner_id, product_id ORDER BY date DESC
                             ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)
                       - SUM(COALESCE(sold, 0)) OVER (PARTITION BY partner_id, product_id ORDER BY date) AS rest
                  FROM (SELECT partner_id, product_id, date, sold, quantity
                          FROM days FULL JOIN moved USING (partner_id, product_id, date)) moved
                  JOIN series USING (partner_id, product_id)
            )
            SELECT mine.line_id, 'stock_short',
                   jsonb_build_object('stock', round(balance.rest + mine.quantity, 3), 'sold', round(mine.quantity, 3))
              FROM %(rows)s mine JOIN balance USING (partner_id, product_id, date)
             WHERE balance.sold IS NOT NULL AND balance.rest < 0 AND mine.quantity > 0
            """,
            rows=rows,
            company=feed.company_id.id,
        )

    def _get_hits_similar(self, feed, rows):
        """The same figures as an earlier line but for the spelling of the reference, the shop, or a few days."""
        return SQL(
            """
            SELECT DISTINCT ON (mine.line_id) mine.line_id, 'similar',
                   jsonb_build_object('feed', feed.name, 'row', line.row, 'date', line.date)
              FROM %(rows)s mine
              JOIN dms_feed_line line
                ON line.state = 'released' AND line.partner_id = mine.partner_id AND line.product_id = mine.product_id
               AND line.date BETWEEN mine.date - %(days)s AND mine.date + %(days)s
               AND line.company_id = %(company)s AND line.kind = %(kind)s AND line.feed_id <> %(feed)s
               AND line.quantity = mine.quantity AND line.returned = mine.returned
               AND COALESCE(line.price_unit, 0) = COALESCE(mine.price_unit, 0)
              JOIN dms_feed feed ON feed.id = line.feed_id
             WHERE mine.issues = '' AND mine.duplicate_of_id IS NULL
               AND CASE WHEN line.date = mine.date AND mine.outlet_id IS NOT DISTINCT FROM line.outlet_id
                        THEN %(mine_text)s = %(line_text)s AND mine.reference <> COALESCE(line.reference, '')
                        WHEN line.date = mine.date
                        THEN (mine.outlet_id IS NULL OR line.outlet_id IS NULL) AND %(mine_text)s = %(line_text)s
                        ELSE %(mine_text)s <> '' AND %(mine_text)s = %(line_text)s
                             AND mine.outlet_id IS NOT DISTINCT FROM line.outlet_id END
          ORDER BY mine.line_id, line.id
            """,
            rows=rows,
            days=self.similar_days,
            company=feed.company_id.id,
            kind=feed.kind,
            feed=feed.id,
            mine_text=SQL("lower(regexp_replace(mine.reference, '[^[:alnum:]]', '', 'g'))"),
            line_text=SQL("lower(regexp_replace(COALESCE(line.reference, ''), '[^[:alnum:]]', '', 'g'))"),
        )

    def _get_hits_return_twice(self, feed, rows):
        """What came back may be told by the sales report of the day, too."""
        return SQL(
            """
            SELECT DISTINCT ON (mine.line_id) mine.line_id, 'return_twice',
                   jsonb_build_object('feed', feed.name, 'row', line.row, 'brought', round(line.returned, 3))
              FROM %(rows)s mine
              JOIN dms_feed_line line
                ON line.state = 'released' AND line.partner_id = mine.partner_id AND line.product_id = mine.product_id
               AND line.date = mine.date AND line.company_id = %(company)s AND line.kind = 'sell_through'
               AND line.returned > 0
               AND (mine.outlet_id IS NULL OR line.outlet_id IS NULL OR line.outlet_id = mine.outlet_id)
              JOIN dms_feed feed ON feed.id = line.feed_id
             WHERE mine.issues = ''
          ORDER BY mine.line_id, line.id
            """,
            rows=rows,
            company=feed.company_id.id,
        )

    def _get_hits_outlet_similar(self, feed, rows):
        """A new outlet that its distributor seems to have already, under another code."""
        return self._get_outlet_hits_sql("outlet_similar", feed._find_similar_outlets(rows, own=True))

    def _get_hits_outlet_taken(self, feed, rows):
        """A new outlet that seems to be another distributor's; whose and which is not for the sender to read."""
        found = feed._find_similar_outlets(rows, own=False)
        return self._get_outlet_hits_sql(
            "outlet_taken", [(line_id, "", "") for line_id, _name, _code in found]
        )

    @api.model
    def _get_outlet_hits_sql(self, code, found):
        return SQL(
            """
            SELECT found.line_id, %s, jsonb_build_object('known', found.name, 'code', found.code)
              FROM unnest(%s::integer[], %s::text[], %s::text[]) found (line_id, name, code)
            """,
            code,
            [line_id for line_id, _name, _code in found],
            [name for _id, name, _code in found],
            [code for _id, _name, code in found],
        )

    @api.model
    def _find_missing_days(self, feed):
        """Answer (days without a line though the sender reports on that weekday, severity), as read from the stage."""
        rule = self._get_rules(feed).filtered(
            lambda rule: rule.kind == "missing_days" and rule._concerns(feed.partner_id)
        )[:1]
        if not rule or feed.partner_id.channel_role != "distributor":
            return [], False
        rows = self.env.execute_query(
            SQL(
                """
                WITH mine AS (
                    SELECT MIN(date) AS first, MAX(date) AS last FROM dms_feed_checked WHERE date <= %(today)s
                ), reported AS (
                    SELECT date FROM dms_feed_checked WHERE date <= %(today)s
                 UNION
                    SELECT move.date FROM dms_channel_move move, mine
                     WHERE move.company_id = %(company)s AND move.partner_id = %(partner)s
                       AND move.kind = 'sell_out' AND move.date BETWEEN mine.first - 56 AND mine.last
                ), span AS (
                    SELECT MIN(date) AS first, MAX(date) AS last FROM reported
                ), usual AS (
                    SELECT EXTRACT(ISODOW FROM reported.date) AS weekday
                      FROM reported, span
                  GROUP BY EXTRACT(ISODOW FROM reported.date), span.first, span.last
                    HAVING COUNT(*) >= GREATEST(3, %(share)s * (span.last - span.first + 1) / 7.0)
                )
                SELECT day::date FROM span, generate_series(span.first, span.last, INTERVAL '1 day') day
                 WHERE EXTRACT(ISODOW FROM day) IN (SELECT weekday FROM usual)
                   AND day::date NOT IN (SELECT date FROM reported)
              ORDER BY day
                """,
                company=feed.company_id.id,
                partner=feed.partner_id.id,
                # A mistyped year is not a year without reports.
                today=fields.Date.context_today(feed),
                share=rule.usual_share,
            )
        )
        return [day.isoformat() for (day,) in rows], rule.severity
