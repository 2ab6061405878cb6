from collections import defaultdict
from dataclasses import dataclass, field

from odoo import api, models
from odoo.tools import SQL

from ..tools import rebate


@dataclass
class Known:
    """What modifies the rebates of a programme's distributors: tables by kind of modifier, scores and gifts by
    distributor and period."""

    tables: dict
    grades: dict = field(default_factory=dict)
    targets: dict = field(default_factory=dict)
    diverted: dict = field(default_factory=dict)
    # kind -> {(partner id, period start): score in percent}
    scores: dict = field(default_factory=dict)

    def get_factors(self, partner_id, start):
        """Return the :class:`..tools.rebate.Factor` of a distributor's period, without that of its payments."""
        factors = []
        if table := self.tables.get("grade"):
            name, factor = table.get(self.grades.get(partner_id), ("", rebate.ONE))
            if name:
                factors.append(
                    rebate.Factor("grade", f"{name}: {rebate.figure(factor * rebate.HUNDRED)} %", factor)
                )
        for kind in ("quality", "price"):
            if table := self.tables.get(kind):
                score = self.scores[kind].get((partner_id, start), rebate.ZERO)
                factors.append(rebate.score_factor(kind, score, table))
        return factors


class DmsRebateModifier(models.AbstractModel):
    """What is known of distributors beside their sales: grades, data, prices, diverted goods, targets."""

    _name = "dms.rebate.modifier"
    _description = "Facts that Modify Rebates"

    @api.model
    def _load(self, program, partner_ids, until):
        """Return what modifies a programme, for all its distributors and periods: :class:`Known`."""
        tables = defaultdict(list)
        for factor in program.factor_ids.filtered(lambda factor: factor.kind not in ("points", "grade")):
            tables[factor.kind].append((rebate.decimal(factor.threshold), rebate.decimal(factor.factor)))
        known = Known(tables)
        grades = program.factor_ids.filtered(lambda factor: factor.kind == "grade")
        if grades:
            tables["grade"] = {
                factor.grade_id.id: (factor.grade_id.name, rebate.decimal(factor.factor)) for factor in grades
            }
            partners = self.env["res.partner"].browse(partner_ids)
            known.grades = {partner.id: partner.grade_id.id for partner in partners}
        known.targets = {
            (target.partner_id.id, target.period_start): rebate.decimal(target.amount)
            for target in program.target_ids
        }
        periods = program._get_periods(until)
        for kind, score in (("quality", self._get_data_quality), ("price", self._get_price_compliance)):
            if kind in tables:
                known.scores[kind] = {
                    (partner_id, start): value
                    for start, end in periods
                    for partner_id, value in score(
                        program, partner_ids, start, min(end or until, until)
                    ).items()
                }
        if program.leaves_out_diverted:
            known.diverted = {
                (partner_id, start): value
                for start, end in periods
                for partner_id, value in self._get_diverted(program, partner_ids, start, end or until).items()
            }
        return known

    @api.model
    def _get_data_quality(self, program, partner_ids, start, end):
        """Return the percentage of the period's months for which each distributor's sales data was released."""
        months = (end.year - start.year) * 12 + end.month - start.month + 1
        rows = self.env.execute_query(
            SQL(
                """
                SELECT feed.partner_id, COUNT(DISTINCT month)
                  FROM dms_feed AS feed
                  JOIN generate_series(date_trunc('month', %(start)s::date), %(end)s::date, '1 month') AS month
                       ON feed.date_from < month + interval '1 month' AND feed.date_to >= month
                 WHERE feed.state = 'released' AND feed.kind = 'sell_through' AND feed.company_id = %(company)s
                   AND feed.partner_id = ANY(%(partners)s)
              GROUP BY feed.partner_id
                """,
                start=start,
                end=end,
                company=program.company_id.id,
                partners=list(partner_ids),
            )
        )
        return {partner_id: rebate.round_to(rebate.HUNDRED * count / months) for partner_id, count in rows}

    @api.model
    def _get_price_compliance(self, program, partner_ids, start, end):
        """Return the percentage of units that each distributor sold on at the list price less the leeway, or above."""
        rows = self.env.execute_query(
            SQL(
                """
                SELECT move.partner_id,
                       100 * SUM(move.quantity) FILTER (
                           WHERE move.amount / NULLIF(move.quantity, 0)
                              >= template.list_price * (100 - %(leeway)s::numeric) / 100
                       ) / NULLIF(SUM(move.quantity), 0) AS score
                  FROM dms_channel_move AS move
                  JOIN product_product AS product ON product.id = move.product_id
                  JOIN product_template AS template ON template.id = product.product_tmpl_id
                 WHERE move.kind = 'sell_out' AND move.company_id = %(company)s
                   AND move.date BETWEEN %(start)s AND %(end)s AND move.partner_id = ANY(%(partners)s)
              GROUP BY move.partner_id
                """,
                leeway=repr(program.price_leeway),
                company=program.company_id.id,
                start=start,
                end=end,
                partners=list(partner_ids),
            )
        )
        return {partner_id: rebate.round_to(rebate.decimal(score)) for partner_id, score in rows}

    @api.model
    def _get_diverted(self, program, partner_ids, start, end):
        """Return what was ruled diverted, in what the programme measures: dict partner id -> Decimal.

        Filled by the addon that knows of diversion.
        """
        return {}
