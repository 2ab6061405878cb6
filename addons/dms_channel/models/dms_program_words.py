from odoo import models
from odoo.tools import format_date, formatLang

from ..tools import rebate


class DmsProgramWords(models.AbstractModel):
    """A rebate programme, its figures and its computations in words."""

    _name = "dms.program.words"
    _description = "Rebate Programme in Words"

    def _summarise(self):
        """Return the programme in sentences, as a sales director would put it."""
        self.ensure_one()

        def choice(name):
            return dict(self._fields[name]._description_selection(self.env))[self[name]]

        tiers = self.tier_ids.sorted("from_amount")
        unit = "" if self.compare == "volume" else " %"
        steps = ", ".join(
            self.env._(
                "%(rate)s from %(bound)s",
                bound=f"{rebate.figure(rebate.decimal(tier.from_amount))}{unit}"
                if unit
                else self._format_base(tier.from_amount),
                rate=tier._format_rate(),
            )
            for tier in tiers
        )
        sentences = [
            self.env._(
                "Counts: %(measure)s, %(basis)s, by %(period)s.",
                measure=choice("measure"),
                basis=choice("basis"),
                period=choice("period"),
            ),
            self.env._(
                "%(type)s. Pays %(steps)s.", type=choice("compare"), steps=steps or self.env._("nothing yet")
            ),
            choice("tier_method") + ".",
        ]
        if self.compare == "growth":
            sentences.append(
                self.env._(
                    "Compared with: %(against)s; a new distributor: %(newcomer)s.",
                    against=choice("growth_against"),
                    newcomer=choice("newcomer"),
                )
            )
            sentences += [
                self.env._(
                    "%(partner)s takes over %(share)s of the past sales of %(former)s from %(date)s on.",
                    partner=row.partner_id.display_name,
                    share=f"{rebate.figure(rebate.decimal(row.share) * rebate.HUNDRED)} %",
                    former=row.former_id.display_name,
                    date=format_date(self.env, row.date),
                )
                for row in self.takeover_ids
            ]
            if self.growth_only:
                sentences.append(self.env._("Only the growth earns."))
        if self.bundle_ids:
            sentences.append(
                self.env._(
                    "Only who reaches all of these earns: %s.",
                    ", ".join(
                        f"{part.name or ''} ≥ {self._format_base(part.threshold)}" for part in self.bundle_ids
                    ),
                )
            )
        if self.pool_by != "none":
            sentences.append(choice("pool_by") + ".")
        sentences += [relation._to_sentence() for relation in self.relation_ids if relation.other_ids]
        money = self._format_money
        limits = [
            (self.amount_min, self.env._("Less than %s a period is not paid.", money(self.amount_min))),
            (self.amount_max, self.env._("At most %s a period.", money(self.amount_max))),
            (self.amount_cap, self.env._("At most %s over the whole validity.", money(self.amount_cap))),
        ]
        sentences += [sentence for amount, sentence in limits if amount]
        if self.factor_ids:
            kinds = dict(self.env["dms.rebate.factor"]._fields["kind"]._description_selection(self.env))
            named = dict.fromkeys(kinds[factor.kind] for factor in self.factor_ids)
            sentences.append(self.env._("What is paid depends on: %s.", ", ".join(named)))
        sentences.append(
            self.env._(
                "Accrues %(when)s, %(tier)s.",
                when=choice("accrual_policy").lower(),
                tier=choice("accrual_tier").lower(),
            )
        )
        return sentences

    def _explain_lines(self, lines):
        """Return the lines of a computation as sentences: what was done, in figures, what it comes to.

        :param lines: ``[[code, formula, amount], ...]`` of :meth:`..tools.rebate.Result.to_json`
        """
        self.ensure_one()
        words = {
            "measure": self.env._("Counted, returns taken off"),
            "diverted": self.env._("Less diverted goods"),
            "elsewhere": self.env._("Less what related programmes earned"),
            "excluded": self.env._("Excluded by"),
            "bundle": self.env._("Reached"),
            "bundle_missed": self.env._("Missed, so nothing is earned"),
            "no_target": self.env._("No target is stated, so nothing is earned"),
            "target": self.env._("Target attained, in percent"),
            "newcomer": self.env._("Nothing to compare with: a new distributor earns nothing"),
            "newcomer_first": self.env._("New distributor: the first tier's rate on everything"),
            "newcomer_stated": self.env._("New distributor: compared with the stated baseline"),
            "growth": self.env._("Growth in percent"),
            "growth_only": self.env._("Only the growth counts"),
            "tier": self.env._("Tier"),
            "payment": self.env._("Paid in time"),
            "grade": self.env._("Grade"),
            "quality": self.env._("Months with data, in percent"),
            "price": self.env._("Sold on at the price, in percent"),
            "minimum": self.env._("Below the minimum, so nothing is paid"),
            "maximum": self.env._("Maximum of the period"),
            "overall_cap": self.env._("What the cap leaves"),
            "total": self.env._("Rounded"),
            "share": self.env._("Share in the pool, in proportion to"),
            "estimate": self.env._("Expected for the period's end, in proportion to what counts so far"),
        }
        return [
            f"{words[code]}{': ' + formula if formula else ''} = {rebate.figure(rebate.round_to(rebate.decimal(amount)))}"
            for code, formula, amount in lines
        ]

    def _format_base(self, value):
        """Return a measure in words: money, or quantity and unit."""
        self.ensure_one()
        if self.basis == "amount":
            return formatLang(self.env, float(value), currency_obj=self.currency_id)
        if self.basis != "quantity":
            return f"{formatLang(self.env, float(value), dp='Product Unit')} {self._get_unit_name()}"
        return f"{formatLang(self.env, float(value), dp='Product Unit')} {self.uom_id.name or ''}".strip()

    def _format_money(self, value):
        self.ensure_one()
        return formatLang(self.env, float(value), currency_obj=self.currency_id)

    def _format_unit_price(self, price):
        """Return what one unit earns: in more digits than the currency has, where it needs them."""
        currency = self.currency_id
        digits = -rebate.decimal(price).normalize().as_tuple().exponent
        if digits <= currency.decimal_places:
            return self._format_money(price)
        number = formatLang(self.env, float(price), digits=digits)
        return (
            f"{currency.symbol} {number}" if currency.position == "before" else f"{number} {currency.symbol}"
        )

    def _format_rate(self, rate, kind):
        """Return a rate in words.

        :param Decimal rate: rate of a tier
        :param str kind: percent, unit or fixed
        """
        if kind == "percent":
            return f"{rebate.figure(rebate.decimal(rate))} %"
        if kind == "fixed":
            return self._format_money(rate)
        return self.env._(
            "%(amount)s per %(unit)s",
            amount=self._format_unit_price(rate),
            unit=self.env._("point")
            if self.basis == "points"
            else self._get_unit_name() or self.env._("unit"),
        )

    def _get_unit_name(self):
        """Return the unit that tiers per unit count in."""
        self.ensure_one()
        Template = self.env["product.template"]
        match self.basis:
            case "weight":
                return Template._get_weight_uom_name_from_ir_config_parameter()
            case "volume":
                return Template._get_volume_uom_name_from_ir_config_parameter()
            case "points":
                return self.env._("points")
            case _:
                return self.uom_id.name
