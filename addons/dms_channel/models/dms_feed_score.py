from odoo import api, fields, models
from odoo.tools import SQL

PARTS = ("on_time", "complete", "first_pass", "consistent")


class DmsFeedScore(models.Model):
    """How well a distributor reported in a month, from 0 to 100; computed anew each night while the month is open.

    - on time: share of the reported days whose first report came before the cut-off of the reporting window;
    - complete: share of what is to be expected that came: of a weekly or monthly reporter its weeks or months, else the
      weekdays on which it usually reports;
    - first pass: share of the lines that were right when they came;
    - consistent: 100 less what counts found different, in percent of what was counted (a first count is not judged).

    The score is the mean of those that can be told. Who is under an agreement and falls under a reporting window is
    expected to report: a month without any line is neither on time nor complete.
    """

    _name = "dms.feed.score"
    _description = "Reporting Quality"
    _order = "month desc, score"
    _rec_name = "partner_id"

    company_id = fields.Many2one("res.company", required=True, readonly=True, index=True)
    partner_id = fields.Many2one(
        "res.partner", string="Distributor", required=True, readonly=True, index=True, ondelete="cascade"
    )
    territory_id = fields.Many2one(related="partner_id.territory_id", string="Territory")
    month = fields.Date(required=True, readonly=True, help="The month's first day.")
    score = fields.Float(digits=(5, 1), readonly=True, aggregator="avg")
    on_time = fields.Float(digits=(5, 1), readonly=True, aggregator="avg")
    complete = fields.Float(digits=(5, 1), readonly=True, aggregator="avg")
    first_pass = fields.Float(string="Right at Once", digits=(5, 1), readonly=True, aggregator="avg")
    consistent = fields.Float(string="Consistent with Counts", digits=(5, 1), readonly=True, aggregator="avg")
    judged = fields.Char(readonly=True, help="The parts that could be told, separated by commas.")
    line_count = fields.Integer(string="Lines", readonly=True)
    advice = fields.Text(string="What to Improve", compute="_compute_advice")

    _month_uniq = models.Constraint(
        "UNIQUE(company_id, partner_id, month)", "A distributor has one score for each month."
    )

    @api.depends("judged", *PARTS)
    def _compute_advice(self):
        sentences = {
            "on_time": self.env._("Report earlier: many days came in after the cut-off."),
            "complete": self.env._("Report every day: some of your usual days are missing."),
            "first_pass": self.env._(
                "Use the template and our product codes: many lines had to be mended or explained."
            ),
            "consistent": self.env._(
                "Check your sales against your counts: they differ from what you reported."
            ),
        }
        for score in self:
            weak = [name for name in (score.judged or "").split(",") if name and score[name] < 90]
            weak.sort(key=lambda name: score[name])
            score.advice = "\n".join(sentences[name] for name in weak) or self.env._("Keep it up.")

    @api.model
    def _get_scores(self, partners, date_from, date_to, company=None):
        """Mean score of each distributor over the months that begin in a period or contain its first day.

        :return: ``{partner id: score from 0 to 100, or None where nothing could be judged}``, for all ``partners``
        :rtype: dict
        """
        company = company or self.env.company
        first = fields.Date.to_date(date_from).replace(day=1)
        groups = self.sudo()._read_group(
            [
                ("company_id", "=", company.id),
                ("partner_id", "in", partners.ids),
                ("month", ">=", first),
                ("month", "<=", date_to),
                ("judged", "!=", False),
            ],
            ["partner_id"],
            ["score:avg"],
        )
        found = {partner.id: score for partner, score in groups}
        return {partner_id: found.get(partner_id) for partner_id in partners.ids}

    @api.model
    def _cron_refresh(self):
        today = fields.Date.context_today(self)
        last_month = fields.Date.subtract(today.replace(day=1), months=1)
        companies = {company for (company,) in self.env["dms.feed"]._read_group([], ["company_id"])}
        companies |= {
            company
            for (company,) in self.env["dms.agreement"]._read_group(
                [("state", "=", "active")], ["company_id"]
            )
        }
        for company in sorted(companies, key=lambda company: company.id):
            self._refresh(last_month, today, company)

    @api.model
    def _refresh(self, date_from, date_to, company=None):
        """Compute the scores of the months from ``date_from`` to ``date_to`` anew, for all distributors at once."""
        company = company or self.env.company
        self.env.flush_all()
        first = fields.Date.to_date(date_from).replace(day=1)
        members = self._get_windows(company)
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO dms_feed_score AS score
                       (company_id, partner_id, month, on_time, complete, first_pass, consistent, line_count, judged,
                        score, create_uid, create_date, write_uid, write_date)
                SELECT %(company)s, partner_id, month, on_time, complete, first_pass, consistent, line_count,
                       NULLIF(CONCAT_WS(',', CASE WHEN on_time IS NOT NULL THEN 'on_time' END,
                                             CASE WHEN complete IS NOT NULL THEN 'complete' END,
                                             CASE WHEN first_pass IS NOT NULL THEN 'first_pass' END,
                                             CASE WHEN consistent IS NOT NULL THEN 'consistent' END), ''),
                       (SELECT ROUND(AVG(part), 1) FROM unnest(ARRAY[on_time, complete, first_pass, consistent]) part),
                       %(uid)s, now() AT TIME ZONE 'UTC', %(uid)s, now() AT TIME ZONE 'UTC'
                  FROM (%(parts)s) parts
                ON CONFLICT (company_id, partner_id, month) DO UPDATE SET
                       on_time = EXCLUDED.on_time, complete = EXCLUDED.complete, first_pass = EXCLUDED.first_pass,
                       consistent = EXCLUDED.consistent, line_count = EXCLUDED.line_count, judged = EXCLUDED.judged,
                       score = EXCLUDED.score, write_date = EXCLUDED.write_date
                """,
                company=company.id,
                uid=self.env.uid,
                parts=self._get_parts_sql(company, first, fields.Date.to_date(date_to), members),
            )
        )
        self.invalidate_model()

    @api.model
    def _get_windows(self, company):
        """The reporting window of each distributor, by the first rule that concerns it, and since when it is to report.

        :return: list of (partner id, due days, hour, cycle, first day of its first agreement that is or was in force, or
            None where no rule or no agreement expects anything)
        """
        partners = (
            self.env["res.partner"]
            .sudo()
            .search([("channel_role", "=", "distributor"), ("company_id", "in", [False, company.id])])
        )
        rules = (
            self.env["dms.feed.rule"]
            .sudo()
            .search([("kind", "=", "window"), ("company_id", "in", [False, company.id])])
        )
        since = dict(
            self.env["dms.agreement"]
            .sudo()
            ._read_group(
                [
                    ("company_id", "=", company.id),
                    ("state", "=", "active"),
                    ("partner_id", "in", partners.ids),
                ],
                ["partner_id"],
                ["date_start:min"],
            )
        )
        answer = []
        for partner in partners:
            rule = next((rule for rule in rules if rule._concerns(partner)), None)
            if rule:
                answer.append((partner.id, rule.due_days, rule.cutoff_hour, rule.cycle, since.get(partner)))
            else:
                answer.append((partner.id, 1, 24.0, "day", None))
        return answer

    @api.model
    def _get_scanned_sql(self, company, partners, first, last):
        """Answer the query (partner_id, month, share) of how far reports agree with what was scanned, in percent.

        A hook: without scans, nothing is known.
        """
        return SQL(
            "SELECT NULL::integer AS partner_id, NULL::date AS month, NULL::numeric AS share WHERE FALSE"
        )

    @api.model
    def _get_parts_sql(self, company, first, last, members):
        partners = [member[0] for member in members]
        end_of = self.env["dms.feed.rule"]._get_period_end_sql
        return SQL(
            """
            WITH member AS (
                SELECT member.*, COALESCE(partner.tz, %(zone)s) AS zone
                  FROM unnest(%(partners)s::integer[], %(due_days)s::integer[], %(hours)s::float8[], %(cycles)s::text[],
                              %(since)s::date[]) member (id, due_days, hours, cycle, since)
                  JOIN res_partner partner USING (id)
            ), line AS (
                SELECT feed.partner_id, line.date, date_trunc('month', line.date)::date AS month,
                       feed.create_date, line.first_pass
                  FROM dms_feed feed
                  JOIN dms_feed_line line ON line.feed_id = feed.id
                 WHERE feed.company_id = %(company)s AND feed.partner_id = ANY(%(partners)s)
                   AND feed.kind = 'sell_through' AND feed.state <> 'rejected' AND line.state <> 'duplicate'
                   AND line.date BETWEEN %(first)s::date - 56 AND %(last)s
            ), day AS (
                SELECT partner_id, month, date, MIN(create_date) AS came FROM line GROUP BY partner_id, month, date
            ), timely AS (
                SELECT day.partner_id, day.month, COUNT(*) AS days,
                       AVG(CASE WHEN day.came AT TIME ZONE 'UTC'
                                     <= (%(day_end)s + member.due_days * INTERVAL '1 day'
                                         + member.hours * INTERVAL '1 hour') AT TIME ZONE member.zone
                                THEN 100 ELSE 0 END) AS on_time
                  FROM day JOIN member ON member.id = day.partner_id
                 WHERE day.month >= %(first)s GROUP BY day.partner_id, day.month
            ), span AS (
                SELECT partner_id, MIN(date) AS since FROM day GROUP BY partner_id
            ), usual AS (
                SELECT day.partner_id, EXTRACT(ISODOW FROM day.date) AS weekday
                  FROM day JOIN span USING (partner_id)
              GROUP BY day.partner_id, EXTRACT(ISODOW FROM day.date), span.since
                HAVING COUNT(*) >= GREATEST(2, 0.6 * (LEAST(%(last)s, CURRENT_DATE) - span.since) / 7.0)
            ), period AS (
                -- weeks and months that are over and due, of those who report by them
                SELECT DISTINCT member.id AS partner_id, %(expected_end)s AS last
                  FROM member
                  JOIN span ON span.partner_id = member.id
            CROSS JOIN LATERAL (SELECT expected::date AS day
                                  FROM generate_series(GREATEST(span.since, %(first)s::date), %(last)s::date,
                                                       INTERVAL '1 day') expected) expected
                 WHERE member.cycle <> 'day'
                   AND %(expected_end)s + member.due_days * INTERVAL '1 day' + member.hours * INTERVAL '1 hour'
                       < now() AT TIME ZONE member.zone
            ), expected AS (
                SELECT period.partner_id, date_trunc('month', period.last)::date AS month, COUNT(*) AS days,
                       COUNT(*) FILTER (WHERE EXISTS (
                           SELECT FROM day JOIN member ON member.id = day.partner_id
                            WHERE day.partner_id = period.partner_id AND %(day_end)s = period.last)) AS came
                  FROM period GROUP BY period.partner_id, date_trunc('month', period.last)
             UNION ALL
                SELECT span.partner_id, date_trunc('month', expected)::date AS month, COUNT(*) AS days,
                       COUNT(day.date) AS came
                  FROM span
            CROSS JOIN LATERAL generate_series(GREATEST(span.since, %(first)s::date),
                                               LEAST(%(last)s, CURRENT_DATE - 2), INTERVAL '1 day') expected
                  JOIN member ON member.id = span.partner_id AND member.cycle = 'day'
                  JOIN usual ON usual.partner_id = span.partner_id
                            AND usual.weekday = EXTRACT(ISODOW FROM expected)
             LEFT JOIN day ON day.partner_id = span.partner_id AND day.date = expected::date
              GROUP BY span.partner_id, date_trunc('month', expected)
            ), passed AS (
                SELECT partner_id, month, COUNT(*) AS lines, AVG(CASE WHEN first_pass THEN 100 ELSE 0 END) AS share
                  FROM line WHERE month >= %(first)s GROUP BY partner_id, month
            ), counted AS (
                SELECT line.partner_id, date_trunc('month', line.date)::date AS month, line.quantity,
                       found.difference,
                       ROW_NUMBER() OVER (PARTITION BY line.partner_id, line.product_id ORDER BY line.date, line.id) AS number
                  FROM dms_feed_line line
            CROSS JOIN LATERAL (SELECT COALESCE(SUM(move.quantity), 0) AS difference FROM dms_channel_move move
                                 WHERE move.feed_line_id = line.id AND move.reversed_move_id IS NULL) found
                 WHERE line.kind = 'count' AND line.state = 'released' AND line.company_id = %(company)s
                   AND line.partner_id = ANY(%(partners)s)
            ), consistent AS (
                SELECT partner_id, month,
                       100 * GREATEST(0, 1 - SUM(ABS(difference))
                                             / NULLIF(SUM(GREATEST(quantity, ABS(quantity - difference))), 0)) AS share
                  FROM counted WHERE number > 1 AND month BETWEEN %(first)s AND %(last)s GROUP BY partner_id, month
            )
            , silent AS (
                -- expected to report, something of the month is due, and nothing of it came from anybody
                SELECT member.id AS partner_id, month::date AS month
                  FROM member
            CROSS JOIN generate_series(%(first)s::date, %(last)s::date, INTERVAL '1 month') month
            CROSS JOIN LATERAL (SELECT GREATEST(month::date, member.since) AS day) start
                 WHERE member.since <= LEAST(month + INTERVAL '1 month - 1 day', %(last)s::date)
                   AND %(start_end)s + member.due_days * INTERVAL '1 day' + member.hours * INTERVAL '1 hour'
                       < now() AT TIME ZONE member.zone
                   AND NOT EXISTS (SELECT FROM dms_feed_line line
                                    WHERE line.partner_id = member.id AND line.company_id = %(company)s
                                      AND line.kind = 'sell_through' AND line.date >= month
                                      AND line.date < month + INTERVAL '1 month')
            )
            SELECT partner_id, month,
                   COALESCE(ROUND(timely.on_time, 1), CASE WHEN silent.partner_id IS NOT NULL THEN 0 END) AS on_time,
                   COALESCE(ROUND(100.0 * expected.came / NULLIF(expected.days, 0), 1),
                            CASE WHEN silent.partner_id IS NOT NULL THEN 0 END) AS complete,
                   ROUND(passed.share, 1) AS first_pass,
                   ROUND(COALESCE((consistent.share::numeric + scanned.share) / 2, consistent.share::numeric,
                                  scanned.share), 1) AS consistent,
                   COALESCE(passed.lines, 0) AS line_count
              FROM timely
         FULL JOIN (SELECT * FROM expected WHERE days > 0) expected USING (partner_id, month)
         FULL JOIN passed USING (partner_id, month)
         FULL JOIN consistent USING (partner_id, month)
         FULL JOIN (%(scanned)s) scanned USING (partner_id, month)
         FULL JOIN silent USING (partner_id, month)
            """,
            zone=company.partner_id.tz or "UTC",
            partners=partners,
            due_days=[member[1] for member in members],
            hours=[member[2] for member in members],
            cycles=[member[3] for member in members],
            since=[member[4] for member in members],
            day_end=end_of(SQL("member.cycle"), SQL("day.date")),
            expected_end=end_of(SQL("member.cycle"), SQL("expected.day")),
            start_end=end_of(SQL("member.cycle"), SQL("start.day")),
            scanned=self._get_scanned_sql(company, partners, first, last),
            company=company.id,
            first=first,
            last=last,
        )
