from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..tools import guard, rebate, rebate_period

# The whole of a programme's scope; parts of its bundle are numbered from one.
WHOLE = 0
EARNED, COMPARED = "earned", "compared"
OPEN_END = date(2999, 12, 31)


@dataclass(frozen=True)
class Validity:
    """Days on which programmes are computed as if they held then; see :class:`.dms_rebate_backtest.DmsRebateBacktest`."""

    first: object
    last: object


@dataclass(frozen=True)
class Window:
    """Days over which a programme adds up: a period, or what the period that starts on ``period_start`` is compared
    with."""

    program: models.BaseModel
    role: str
    period_start: object
    start: object
    end: object


@dataclass
class Standing:
    """Where a distributor stands in a period: :class:`..tools.rebate.Facts` and :class:`..tools.rebate.Result`."""

    program: models.BaseModel
    start: object
    end: object
    facts: rebate.Facts
    result: rebate.Result
    # The distributor's own part of the result: in a pool, its share.
    earned: object


class DmsRebateEngine(models.AbstractModel):
    """Computes programmes from their documents.

    The database adds up: lines become sums by distributor, programme, period and part in one query per source, whatever
    their number. Python does the arithmetic on the sums, with exact decimals.
    """

    _name = "dms.rebate.engine"
    _description = "Rebate Computation"

    # === MEASURE ===

    @api.model
    def _get_windows(self, programs, until):
        """Return the :class:`Window` of all periods that have begun, with what they are compared with."""
        windows = []
        for program in programs:
            for start, end in program._get_periods(until):
                windows.append(Window(program, EARNED, start, start, end or OPEN_END))
                if program.compare == "growth" and program.growth_against != "stated":
                    before = rebate_period.compared_with(start, end or until, program.growth_against)
                    windows.append(Window(program, COMPARED, start, *before))
        return windows

    @api.model
    def _get_partners(self, programs, partners=None):
        """Return the ids of the distributors in scope: dict program -> list; one query for each different scope."""
        Partner = self.env["res.partner"].with_context(active_test=False)
        found, partners_of = {}, {}
        for program in programs:
            domain = program._get_partner_domain(partners)
            scope = repr(domain)
            if scope not in found:
                found[scope] = Partner.search(domain, order="id").ids
            partners_of[program] = found[scope]
        return partners_of

    @api.model
    def _measure(self, programs, windows, partners_of, move_ids=None):
        """Add up the programmes' lines.

        :param partners_of: dict program -> ids of the distributors in scope
        :param move_ids: count the lines of these invoices only
        :return: dict (program id, partner id, window number, part) -> list of (days to payment, Decimal)
        """
        sums = defaultdict(list)
        for group in programs.grouped(lambda program: program._get_source_key()).values():
            numbered = [(number, window) for number, window in enumerate(windows) if window.program in group]
            partners = {program: partners_of[program] for program in group}
            if numbered and any(partners.values()):
                for program_id, partner_id, number, part, days, value in self._query(
                    group, numbered, partners, move_ids
                ):
                    # Odoo reads numerics as floats; a text keeps every digit.
                    sums[program_id, partner_id, number, part].append((days, rebate.decimal(value)))
        return sums

    @api.model
    def _query(self, programs, numbered, partners_of, move_ids):
        """Run the query of programmes that share a source."""
        self.env.flush_all()
        bounds = sorted(
            {day for _number, window in numbered for day in (window.start, window.end + timedelta(days=1))}
        )
        place = {day: index + 1 for index, day in enumerate(bounds)}
        spans = [
            (window.program.id, number, span)
            for number, window in numbered
            for span in range(place[window.start], place[window.end + timedelta(days=1)])
        ]
        kinds, memberships = self._get_kinds(programs)
        pairs = [(program.id, partner) for program, ids in partners_of.items() for partner in ids]
        partner_ids = {partner for _program, partner in pairs}
        program = programs[0]
        return self.env.execute_query(
            SQL(
                """
                WITH cells AS MATERIALIZED (
                    SELECT line.partner_id, COALESCE(kind.kind, 0) AS kind, line.days,
                           width_bucket(%(day)s, %(bounds)s::date[]) AS span, SUM(line.value) AS value
                      FROM (%(lines)s) AS line
                 LEFT JOIN unnest(%(products)s::int[], %(kinds)s::int[]) AS kind (product_id, kind)
                           ON kind.product_id = line.product_id
                     WHERE %(day)s >= %(first)s AND %(day)s < %(last)s
                  GROUP BY 1, 2, 3, 4
                )
                SELECT pair.program_id, pair.partner_id, span.number, member.part, cells.days, SUM(cells.value)::text
                  FROM cells
                  JOIN unnest(%(pair_programs)s::int[], %(pair_partners)s::int[]) AS pair (program_id, partner_id)
                       ON pair.partner_id = cells.partner_id
                  JOIN unnest(%(member_programs)s::int[], %(member_kinds)s::int[], %(member_parts)s::int[])
                       AS member (program_id, kind, part)
                       ON member.program_id = pair.program_id AND member.kind = cells.kind
                  JOIN unnest(%(span_programs)s::int[], %(span_numbers)s::int[], %(spans)s::int[])
                       AS span (program_id, number, span)
                       ON span.program_id = pair.program_id AND span.span = cells.span
              GROUP BY 1, 2, 3, 4, 5
                """,
                lines=self.env["dms.rebate.source"]._select(program, partner_ids, move_ids),
                day=self._get_day(program, numbered),
                bounds=bounds,
                first=bounds[0],
                last=bounds[-1],
                products=list(kinds),
                kinds=list(kinds.values()),
                pair_programs=[pair[0] for pair in pairs],
                pair_partners=[pair[1] for pair in pairs],
                member_programs=[member[0] for member in memberships],
                member_kinds=[member[1] for member in memberships],
                member_parts=[member[2] for member in memberships],
                span_programs=[span[0] for span in spans],
                span_numbers=[span[1] for span in spans],
                spans=[span[2] for span in spans],
            )
        )

    @api.model
    def _get_day(self, program, numbered):
        """The day on which a line counts; see :func:`..tools.rebate_period.counting_day`."""
        if not program._has_counting_rule():
            return SQL("line.qualifying")
        periods = sorted((window.start, window.end) for _number, window in numbered)
        return SQL(
            """
            CASE WHEN line.event <= (%(ends)s::date[])[width_bucket(line.qualifying, %(starts)s::date[])] + %(grace)s
                 THEN line.qualifying ELSE line.event END
            """,
            starts=[start for start, _end in periods],
            ends=[end for _start, end in periods],
            grace=program.grace_days,
        )

    @api.model
    def _get_kinds(self, programs):
        """Sort products into kinds: those of one kind count for the same programmes and parts.

        :return: dict product id -> kind (the others are of kind 0), list of (program id, kind, part)
        """
        scopes = [scope for program in programs for scope in program._get_product_scopes()]
        groups = defaultdict(set)
        for program_id, part, product_ids in scopes:
            for product_id in product_ids or ():
                groups[product_id].add((program_id, part))
        everywhere = {(program_id, part) for program_id, part, product_ids in scopes if product_ids is None}
        numbers = {frozenset(everywhere): 0}
        kinds = {}
        for product_id, own in groups.items():
            kinds[product_id] = numbers.setdefault(frozenset(own | everywhere), len(numbers))
        members = [
            (program_id, number, part) for names, number in numbers.items() for program_id, part in names
        ]
        return kinds, members

    # === COMPUTE ===

    @api.model
    def _compute_standings(self, programs, until, partners=None):
        """Compute the programmes' periods up to a day, from nothing but documents.

        :param partners: restrict to these distributors (the members of a pool always go together)
        :return: dict (program id, partner id, period start) -> :class:`Standing`
        """
        programs = self._sort(programs | programs._get_preceding())
        partners_of = self._get_partners(programs, partners)
        windows = self._get_windows(programs, until)
        measured_of = {
            program: sorted({*ids, *program.takeover_ids.former_id.ids})
            for program, ids in partners_of.items()
        }
        sums = self.with_context(dms_rebate_day=until)._measure(programs, windows, measured_of)
        places = {
            (window.program.id, window.role, window.period_start): n for n, window in enumerate(windows)
        }
        standings = {}
        for program in programs:
            known = None
            if not program._is_plain():
                known = self.env["dms.rebate.modifier"]._load(program, partners_of[program], until)
            for start, end in program._get_periods(until):
                numbers = places[program.id, EARNED, start], places.get((program.id, COMPARED, start))
                facts_of = {}
                for partner_id in partners_of[program]:
                    parts = sums.get((program.id, partner_id, numbers[0], WHOLE), ())
                    if parts:
                        facts_of[partner_id] = self._get_facts(
                            program, partner_id, start, end or until, sums, numbers, standings, known
                        )
                earn = self._earn_period if known else self._earn_plain
                earn(program, start, end, facts_of, standings)
        return standings

    @api.model
    def _sort(self, programs):
        """Order programmes so that each comes after those that it follows from."""
        programs = programs.sorted(lambda program: (program.sequence, program.id))
        relations = [
            rebate.Relation(relation.kind, other.id, relation.program_id.id)
            for relation in programs.relation_ids
            for other in relation._get_others()
        ]
        try:
            return programs.browse(rebate.precedence(programs.ids, relations))
        except rebate.Cycle as error:
            raise UserError(
                self.env._(
                    "These programmes wait for each other, so none can be computed: %s. Take one relation out.",
                    ", ".join(programs.browse(error.args).mapped("display_name")),
                )
            ) from error

    @api.model
    def _get_facts(self, program, partner_id, start, end, sums, numbers, standings, known):
        """Return the :class:`..tools.rebate.Facts` of one distributor's period.

        :param known: :class:`.dms_rebate_modifier.Known`, None for plain programmes
        """

        def total(number, part, partner=partner_id):
            rows = sums.get((program.id, partner, number, part), ())
            return sum((value for _days, value in rows), rebate.ZERO)

        measure = total(numbers[0], WHOLE)
        if not known:
            return rebate.Facts(measure)
        stated = known.targets.get((partner_id, start), known.targets.get((partner_id, False)))
        baseline = stated
        if stated is None and numbers[1] is not None:
            baseline = program.takeover_ids._get_baseline(
                partner_id, start, lambda partner: total(numbers[1], WHOLE, partner)
            )
        elsewhere, excluded_by, room = program._get_related(standings, partner_id, start, end)
        factors = known.get_factors(partner_id, start)
        if payment := known.tables.get("payment"):
            rows = sums.get((program.id, partner_id, numbers[0], WHOLE), ())
            factors.append(rebate.payment_factor(rows, payment))
        return rebate.Facts(
            measure,
            diverted=known.diverted.get((partner_id, start), rebate.ZERO),
            target=stated if program.compare == "target" else None,
            baseline=baseline if program.compare == "growth" else None,
            bundle=tuple(
                (bundle.name, total(numbers[0], part)) for part, bundle in enumerate(program.bundle_ids, 1)
            ),
            elsewhere=elsewhere,
            excluded_by=excluded_by,
            factors=tuple(factors),
            room=room,
        )

    @api.model
    def _earn_plain(self, program, start, end, facts_of, standings):
        """Turn the measures of one period into standings, many at once."""
        amounts = rebate.totals([facts.measure for facts in facts_of.values()], program._get_terms())
        for (partner_id, facts), amount in zip(facts_of.items(), amounts, strict=True):
            standings[program.id, partner_id, start] = Standing(program, start, end, facts, None, amount)

    @api.model
    def _earn_period(self, program, start, end, facts_of, standings):
        """Turn the facts of one period into standings, in pools where the programme says so."""
        terms = program._get_terms()
        for members in program._get_pools(facts_of):
            if len(members) == 1 and program.pool_by == "none":
                result = rebate.earn(terms, facts_of[members[0]])
                results, amounts = [result], [result.total]
            else:
                result, amounts = self._earn_together(terms, [facts_of[member] for member in members])
                results = [result] * len(members)
            for partner_id, result, amount in zip(members, results, amounts, strict=True):
                standings[program.id, partner_id, start] = Standing(
                    program, start, end, facts_of[partner_id], result, amount
                )

    @api.model
    def _earn_together(self, terms, members):
        """Return the pool's result, and each member's share of it with the member's own factors and limits."""
        known = [facts for facts in members if facts.target is not None]
        compared = [facts for facts in members if facts.baseline is not None]
        names = [name for name, _part in members[0].bundle]
        weights = [facts.measure - facts.diverted - facts.elsewhere for facts in members]
        whole = rebate.Facts(
            sum((facts.measure for facts in members), rebate.ZERO),
            diverted=sum((facts.diverted for facts in members), rebate.ZERO),
            elsewhere=sum((facts.elsewhere for facts in members), rebate.ZERO),
            target=sum((facts.target for facts in known), rebate.ZERO) if known else None,
            baseline=sum((facts.baseline for facts in compared), rebate.ZERO) if compared else None,
            bundle=tuple(
                (name, sum((dict(facts.bundle)[name] for facts in members), rebate.ZERO)) for name in names
            ),
        )
        result, shares = rebate.pool(terms, whole, weights)
        return result, [
            rebate.modify(share, facts, terms.rounding) for share, facts in zip(shares, members, strict=True)
        ]

    @api.model
    def _get_line_ids(self, program, partner_id, start, column="line_id"):
        """Return the ids of the lines that a distributor's period was measured on.

        :param column: “carried_id” for those of the channel moves that transfers carried the credit of
        """
        window = Window(program, EARNED, start, start, program._get_period(start)[1] or OPEN_END)
        product_ids = program._get_product_scopes()[WHOLE][2]
        day = self._get_day(program, list(enumerate(self._get_windows(program, window.end))) or [(0, window)])
        source = self.env["dms.rebate.source"].with_context(dms_rebate_day=fields.Date.context_today(self))
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                "SELECT %(id)s FROM (%(lines)s) AS line WHERE %(id)s IS NOT NULL AND %(day)s BETWEEN %(first)s AND %(last)s"
                " AND %(products)s",
                id=SQL.identifier("line", column),
                lines=source._select(program, [partner_id]),
                day=day,
                first=window.start,
                last=window.end,
                products=SQL("TRUE")
                if product_ids is None
                else SQL("line.product_id = ANY(%s)", list(product_ids)),
            )
        )
        return [line_id for (line_id,) in rows]

    # === STANDINGS ===

    @api.model
    def _refresh(self, programs, until=None, partners=None):
        """Compute from documents and store the standings.

        :return: number of standings
        """
        until = until or fields.Date.context_today(self)
        if partners is not None:
            # What the former holder of a territory sold is what the new one is compared with.
            partners |= programs.takeover_ids.filtered(lambda row: row.former_id in partners).partner_id
        standings = self._compute_standings(programs, until, partners)
        wanted = {key: standing for key, standing in standings.items() if standing.program in programs}
        self.env["dms.rebate.balance"]._store_computed(programs, wanted, partners)
        return len(wanted)

    @api.model
    def _synchronise(self, companies=None):
        """Bring the standings of invoiced sales up to date with what was posted and changed since the last time.

        New documents of plain programmes are added to what stands; distributors with a changed document, and programmes
        of other terms, are computed from their documents again. The result is that of :meth:`_refresh`.
        """
        companies = companies or self.env.companies
        today = fields.Date.context_today(self)
        Program = self.env["dms.rebate.program"].sudo()
        Move = self.env["account.move"].sudo()
        pending = Move.search([("company_id", "in", companies.ids), ("dms_rebate_pending", "!=", False)])
        transfers = (
            self.env["dms.transfer"]
            .sudo()
            .search([("company_id", "in", companies.ids), ("rebate_pending", "=", True)])
        )
        if not pending and not transfers:
            return
        moved = transfers.giver_id | transfers.taker_id
        programs = Program.search(
            [
                ("company_id", "in", companies.ids),
                ("state", "!=", "draft"),
                ("accrual_policy", "=", "periodic"),
                ("measure", "=", "invoiced"),
            ]
        )
        changed = (
            pending.filtered(lambda move: move.dms_rebate_pending == "changed").commercial_partner_id | moved
        )
        fresh = pending.filtered(lambda move: move.commercial_partner_id not in changed)
        plain = programs.filtered(lambda program: program._is_plain() and not program._has_counting_rule())
        for company in companies:
            own = programs.filtered(lambda program, company=company: program.company_id == company)
            if plain & own and fresh:
                self._add(
                    plain & own,
                    fresh.filtered(lambda move, company=company: move.company_id == company),
                    today,
                )
            if changed and plain & own:
                self._refresh(plain & own, today, changed)
            if own - plain:
                self._refresh(own - plain, today, pending.commercial_partner_id | moved)
        guard.mark(transfers).rebate_pending = False
        pending._dms_set_rebate_pending(False)

    @api.model
    def _add(self, programs, moves, until):
        """Add new documents to the standings of plain programmes."""
        if not moves:
            return
        last = max([until, *(move._dms_get_rebate_date() for move in moves)])
        windows = self._get_windows(programs, last)
        partners_of = self._get_partners(programs, moves.commercial_partner_id)
        sums = self._measure(programs, windows, partners_of, moves.ids)
        self.env["dms.rebate.balance"]._add_measured(
            {
                (program_id, partner_id, windows[number].period_start): sum(
                    (value for _days, value in rows), rebate.ZERO
                )
                for (program_id, partner_id, number, _part), rows in sums.items()
            },
            programs,
        )
