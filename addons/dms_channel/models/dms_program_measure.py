import json
from dataclasses import replace

from odoo import models
from odoo.fields import Domain

from ..tools import rebate, rebate_period
from .dms_rebate_engine import Standing


class DmsProgramMeasure(models.AbstractModel):
    """What the engine asks of a rebate programme: whose sales of what count together, and what they earn."""

    _name = "dms.program.measure"
    _description = "Measure of a Rebate Programme"

    def _get_source_key(self):
        """Programmes of one key are measured by one query."""
        self.ensure_one()
        rule = (
            (self.id,)
            if self._has_counting_rule() or self.basis == "points"
            else tuple(
                sorted(self.factor_ids.filtered(lambda line: line.kind == "payment").mapped("threshold"))
            )
        )
        return (self.company_id, self.measure, self.basis, self.uom_id, self.currency_id, rule)

    def _has_counting_rule(self):
        """Return whether a line may count on another day than its document's."""
        self.ensure_one()
        return self.measure == "paid" or self.qualify_by == "order"

    def _is_plain(self):
        """Return whether a distributor's measure alone says what it earns."""
        self.ensure_one()
        return (
            self.compare == "volume"
            and self.pool_by == "none"
            and not self.bundle_ids
            and not self.relation_ids
            and not self.amount_cap
            and not self.leaves_out_diverted
            and not self.factor_ids.filtered(lambda factor: factor.kind != "points")
        )

    def _get_terms(self):
        """Return the programme as :class:`..tools.rebate.Terms`."""
        self.ensure_one()
        return rebate.Terms(
            tuple(self.tier_ids._to_tiers()),
            self.tier_method,
            compare=self.compare,
            growth_only=self.growth_only,
            newcomer=self.newcomer,
            stated_baseline=rebate.decimal(self.newcomer_baseline),
            bundle=tuple((part.name, rebate.decimal(part.threshold)) for part in self.bundle_ids),
            minimum=rebate.decimal(self.amount_min) or None,
            maximum=rebate.decimal(self.amount_max) or None,
            rounding=rebate.decimal(self.currency_id.rounding),
        )

    def _get_product_scopes(self):
        """Return ``[(program id, part, product ids or None for all)]``; part 0 is the whole, then those of the bundle."""
        self.ensure_one()
        parts = [self, *self.bundle_ids]
        return [
            (
                self.id,
                number,
                self._get_product_ids(part.categ_ids, part.product_ids)
                if part.categ_ids or part.product_ids
                else None,
            )
            for number, part in enumerate(parts)
        ]

    def _get_product_ids(self, categories, products):
        inside = (
            self.env["product.product"]
            .with_context(active_test=False)
            ._search([("categ_id", "child_of", categories.ids)])
            if categories
            else ()
        )
        return {*products.ids, *inside}

    def _get_partner_domain(self, partners=None):
        """Return the domain of the distributors in scope, of ``partners`` only where that is given.

        The members of a pool always go together.
        """
        self.ensure_one()
        domain = Domain("channel_role", "=", "distributor")
        if self.partner_ids:
            domain &= Domain("id", "in", self.partner_ids.ids)
        if self.grade_ids:
            domain &= Domain("grade_id", "in", self.grade_ids.ids)
        if self.territory_ids:
            domain &= Domain("territory_id", "child_of", self.territory_ids.ids)
        if partners is not None and self.pool_by == "none":
            domain &= Domain("id", "in", partners.commercial_partner_id.ids)
        return domain

    def _get_preceding(self):
        """Return the programmes that these follow from, directly or through others."""
        found = self.browse()
        waiting = self
        while waiting:
            others = self.browse().union(*(relation._get_others() for relation in waiting.relation_ids))
            waiting = others - found - self
            found |= waiting
        return found

    def _get_related(self, standings, partner_id, start, end):
        """Return what related programmes mean for a distributor's period: earned elsewhere, excluded by, room left."""
        self.ensure_one()
        elsewhere, excluded_by, rooms = rebate.ZERO, "", []
        for relation in self.relation_ids:
            earned = {
                other: [
                    standing.earned
                    for first, _last in other._get_periods(end)
                    if first >= start and (standing := standings.get((other.id, partner_id, first)))
                ]
                for other in relation._get_others()
            }
            amount = sum((value for values in earned.values() for value in values), rebate.ZERO)
            if relation.kind == rebate.REDUCES:
                elsewhere += amount
            elif relation.kind == rebate.CAP:
                rooms.append(rebate.room_left(rebate.decimal(relation.amount), [amount]))
            elif amount > 0:
                excluded_by = ", ".join(other.code for other, values in earned.items() if any(values))
        if self.amount_cap:
            before = [
                standing.earned
                for first, _last in self._get_periods(start)
                if first < start and (standing := standings.get((self.id, partner_id, first)))
            ]
            rooms.append(rebate.room_left(rebate.decimal(self.amount_cap), before))
        return elsewhere, excluded_by, min(rooms, default=None)

    def _get_pools(self, partner_ids):
        """Return lists of those who reach a tier together."""
        self.ensure_one()
        partners = self.env["res.partner"].browse(sorted(partner_ids))
        match self.pool_by:
            case "program":
                groups = [partners] if partners else []
            case "territory":
                groups = partners.grouped("territory_id").values()
            case "upstream":
                groups = partners.grouped("upstream_id").values()
            case _:
                groups = partners
        return [group.ids for group in groups]

    def _estimate(self, standing, today):
        """Return what to accrue of a standing, and the lines of its computation as JSON text.

        At the expected tier: the measure is carried on to the period's end at its daily rate so far, that addition held
        back by the stated share; what the rebate of the whole would be, in proportion to what has been measured.
        """
        self.ensure_one()
        result = standing.result or self._compute_rebate(standing.facts.measure)
        lines, due = result.to_json(), standing.earned
        if self.pool_by != "none":
            lines.append(["share", rebate.figure(standing.facts.measure), str(standing.earned)])
        measure = standing.facts.measure
        if self.accrual_tier == "expected" and measure > 0:
            expected, amount = self._project(standing, today, rebate.decimal(self.estimate_share))
            due = rebate.round_to(amount * measure / expected, rebate.decimal(self.currency_id.rounding))
            formula = f"{rebate.figure(amount)} × {rebate.figure(measure)} ÷ {rebate.figure(rebate.round_to(expected))}"
            lines.append(["estimate", formula, str(due)])
        return due, json.dumps(lines)

    def _get_plain_standing(self, start, measure, amount):
        self.ensure_one()
        return Standing(self, start, self._get_period(start)[1], rebate.Facts(measure), None, amount)

    def _project(self, standing, today, share=rebate.ONE):
        """Return the measure that a period comes to at its run rate, and the rebate of that."""
        self.ensure_one()
        facts = standing.facts
        expected = rebate_period.project(facts.measure, standing.start, standing.end, today, share)
        if self.pool_by != "none":
            return expected, standing.earned
        ratio = expected / facts.measure if facts.measure else rebate.ONE
        bundle = tuple((name, part * ratio) for name, part in facts.bundle)
        return expected, rebate.earn(self._get_terms(), replace(facts, measure=expected, bundle=bundle)).total

    def _compute_rebate(self, base):
        """Return the :class:`..tools.rebate.Result` of a period's base (Decimal), rounded in the programme's currency."""
        self.ensure_one()
        return rebate.earn(self._get_terms(), rebate.Facts(base))

    def _get_tier_distance(self, base, whole=None):
        """Return how far a measure is from the next tier.

        :param Decimal base: the measure
        :param whole: target or baseline (Decimal) that the bounds are percentages of; None without one
        :return: dict: rate_text, next_from, missing (both None in the last tier), next_rate_text, missing_text
        """
        self.ensure_one()
        tiers = self.tier_ids._to_tiers()
        if self.compare != "volume":
            added = rebate.HUNDRED if self.compare == "growth" else rebate.ZERO
            tiers = [
                replace(tier, lower=(whole or rebate.ZERO) * (added + tier.lower) / rebate.HUNDRED)
                for tier in tiers
                if whole
            ]
        reached, following = rebate.reached_tier(base, tiers), rebate.next_tier(base, tiers)
        missing = following.lower - base if following else None
        return {
            "rate_text": self._format_rate(reached.rate, reached.kind) if reached else "",
            "next_from": float(following.lower) if following else None,
            "next_rate_text": self._format_rate(following.rate, following.kind) if following else "",
            "missing": float(missing) if following else None,
            "missing_text": self._format_base(missing) if following else "",
        }

    def _get_factor(self, points):
        """Return the Decimal factor for credit points."""
        self.ensure_one()
        return rebate.factor_for(
            points,
            [
                (rebate.decimal(line.threshold), rebate.decimal(line.factor))
                for line in self.factor_ids
                if line.kind == "points"
            ],
        )
