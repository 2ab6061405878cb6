from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL, format_date

from ..tools import rebate


@dataclass
class Event:
    """A change of a distributor's base: ``base`` (Decimal) of a document that counts on ``date``."""

    program: models.BaseModel
    move: models.BaseModel
    date: object
    period_start: object
    base: object
    lines: list = field(default_factory=list)
    reversed: models.BaseModel | None = None
    # Of goods that another distributor passed on, or that were passed on to one: instead of a document of its own.
    transfer: models.BaseModel | None = None
    partner: models.BaseModel | None = None

    @property
    def key(self):
        partner = self.partner or self.move.commercial_partner_id
        return (self.program.id, partner.id, self.period_start)


class DmsRebateAccrual(models.Model):
    """What one document changed in a distributor's rebate of a period.

    Rows are only added: for each programme, distributor and period their ``base_amount`` adds up to the period's base
    and their ``amount`` to the rebate of that base, whatever the order of posting, resetting and crediting.
    """

    _name = "dms.rebate.accrual"
    _description = "Rebate Accrual"
    _order = "date desc, id desc"
    _check_company_auto = True

    program_id = fields.Many2one(
        "dms.rebate.program", "Programme", required=True, readonly=True, ondelete="restrict", index=True
    )
    program_version = fields.Integer(related="program_id.version", string="Version")
    partner_id = fields.Many2one(
        "res.partner", "Distributor", required=True, readonly=True, ondelete="restrict", index=True
    )
    company_id = fields.Many2one("res.company", required=True, readonly=True, index=True)
    currency_id = fields.Many2one("res.currency", required=True, readonly=True)
    company_currency_id = fields.Many2one(related="company_id.currency_id", string="Company Currency")
    kind = fields.Selection(
        [
            ("accrual", "Accrual"),
            ("reversal", "Reversal"),
            ("difference", "Difference"),
            ("true_up", "True-up"),
        ],
        required=True,
        readonly=True,
        help="A reversal takes a document's base out again; its amount is what the period's rebate loses by that. A "
        "difference is what the period's computation changed by; a true-up one that came after the period was settled.",
    )
    move_id = fields.Many2one(
        "account.move",
        "Document",
        readonly=True,
        ondelete="restrict",
        index="btree_not_null",
        help="Empty on differences, which all documents of the period made.",
    )
    transfer_id = fields.Many2one(
        "dms.transfer",
        "Stock Transfer",
        readonly=True,
        ondelete="restrict",
        index="btree_not_null",
        help="It carried the credit of goods over from one distributor to another.",
    )
    document_name = fields.Char("Made by", compute="_compute_document_name")
    date = fields.Date(
        required=True, readonly=True, help="Date on which the document counts and amounts are converted."
    )
    period_start = fields.Date(required=True, readonly=True)
    base_amount = fields.Float("Base", digits=(18, 4), readonly=True)
    base_text = fields.Char("Base in Words", compute="_compute_base_text")
    amount = fields.Monetary("Accrued", readonly=True)
    amount_company = fields.Monetary(
        "Accrued in Company Currency", currency_field="company_currency_id", readonly=True
    )
    entry_id = fields.Many2one(
        "account.move", "Journal Entry", readonly=True, ondelete="restrict", index="btree_not_null"
    )
    entry_line_ids = fields.One2many("account.move.line", "dms_accrual_id", "Journal Items")
    reversal_id = fields.Many2one("dms.rebate.accrual", "Reversed by", readonly=True, index="btree_not_null")
    settlement_line_id = fields.Many2one(
        "dms.settlement.line", readonly=True, ondelete="set null", index="btree_not_null"
    )
    settlement_id = fields.Many2one(
        related="settlement_line_id.settlement_id", store=True, index="btree_not_null"
    )
    state = fields.Selection(
        [("posted", "Open"), ("reversed", "Reversed"), ("settled", "Settled")],
        compute="_compute_state",
        store=True,
        index=True,
    )
    computation = fields.Json(readonly=True)
    explanation = fields.Text(compute="_compute_explanation")

    _program_move_uniq = models.UniqueIndex(
        "(program_id, move_id) WHERE kind = 'accrual' AND reversal_id IS NULL",
        "A document accrues once per programme.",
    )
    _document_needed = models.Constraint(
        "CHECK(move_id IS NOT NULL OR transfer_id IS NOT NULL OR kind IN ('difference', 'true_up'))",
        "An accrual names its document.",
    )
    _program_transfer_uniq = models.UniqueIndex(
        "(program_id, transfer_id, partner_id) WHERE kind = 'accrual' AND reversal_id IS NULL AND transfer_id IS NOT NULL",
        "A transfer accrues once per programme and distributor.",
    )
    _open_idx = models.Index("(company_id, date) WHERE settlement_line_id IS NULL")

    # === COMPUTE ===

    @api.depends("settlement_line_id.settlement_id.state", "reversal_id")
    def _compute_state(self):
        for accrual in self:
            if accrual.settlement_line_id.settlement_id.state == "posted":
                accrual.state = "settled"
            else:
                accrual.state = "reversed" if accrual.reversal_id else "posted"

    @api.depends("program_id", "base_amount")
    @api.depends_context("lang")
    def _compute_base_text(self):
        for accrual in self:
            accrual.base_text = accrual.program_id.sudo()._format_base(accrual.base_amount)

    @api.depends("move_id", "transfer_id", "kind", "date")
    @api.depends_context("lang")
    def _compute_document_name(self):
        for accrual in self:
            accrual.document_name = (
                accrual.move_id.name
                or accrual.transfer_id.sudo().name
                or self.env._(
                    "%(kind)s up to %(date)s",
                    kind=dict(self._fields["kind"]._description_selection(self.env)).get(accrual.kind, ""),
                    date=format_date(self.env, accrual.date),
                )
            )

    @api.depends("program_id", "document_name")
    def _compute_display_name(self):
        for accrual in self:
            accrual.display_name = f"{accrual.program_id.code}: {accrual.document_name}"

    @api.depends("computation")
    @api.depends_context("lang")
    def _compute_explanation(self):
        for accrual in self:
            accrual.explanation = "\n".join(accrual._explain())

    def _explain(self):
        """Return the computation as sentences, in the user's language."""
        self.ensure_one()
        program_sudo, steps = self.program_id.sudo(), self.computation or {}
        if not steps:
            return []
        if "computed" in steps:
            return self._explain_difference(program_sudo, steps)
        base, money = program_sudo._format_base, program_sudo._format_money
        sentences = [
            self.env._(
                "%(program)s; period from %(start)s. %(method)s.",
                program=program_sudo.display_name,
                method=dict(program_sudo._fields["tier_method"]._description_selection(self.env))[
                    program_sudo.tier_method
                ],
                start=format_date(self.env, self.period_start),
            ),
            self.env._(
                "Base before: %(before)s; this document: %(own)s; base now: %(after)s.",
                before=base(steps["base_before"]),
                own=base(steps["base"]),
                after=base(steps["base_after"]),
            ),
        ]
        for step in steps["steps"]:
            reach = (
                self.env._(
                    "from %(lower)s to %(upper)s", lower=base(step["lower"]), upper=base(step["upper"])
                )
                if step["upper"]
                else self.env._("from %(lower)s", lower=base(step["lower"]))
            )
            sentences.append(
                self.env._(
                    "Tier %(reach)s: %(measure)s at %(rate)s = %(amount)s.",
                    reach=reach,
                    measure=base(step["measure"]),
                    rate=program_sudo._format_rate(rebate.decimal(step["rate"]), step["kind"]),
                    amount=money(step["amount"]),
                )
            )
        if steps["capped"]:
            sentences.append(
                self.env._("The period's rebate is capped at %(cap)s.", cap=money(steps["total"]))
            )
        sentences.append(
            self.env._(
                "Earned in the period: %(total)s; accrued before: %(before)s; accrued here: %(amount)s.",
                total=money(steps["total"]),
                before=money(steps["accrued_before"]),
                amount=money(self.amount),
            )
        )
        return sentences

    def _explain_difference(self, program_sudo, steps):
        self.ensure_one()
        money = program_sudo._format_money
        return [
            self.env._(
                "%(program)s; period from %(start)s.",
                program=program_sudo.display_name,
                start=format_date(self.env, self.period_start),
            ),
            *program_sudo._explain_lines(steps["computed"]),
            self.env._(
                "To accrue in all: %(total)s; accrued before: %(before)s; accrued here: %(amount)s.",
                total=money(steps["total"]),
                before=money(steps["accrued_before"]),
                amount=money(self.amount),
            ),
        ]

    # === CRUD ===

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        raise UserError(
            self.env._("Rebate accruals are kept: cancel or credit the document, and its share is reversed.")
        )

    # === ACTIONS ===

    def action_view_document(self):
        self.ensure_one()
        if self.transfer_id:
            return self.transfer_id._get_records_action(context={})
        return self.move_id._get_records_action(context={})

    def action_view_entry(self):
        self.ensure_one()
        return self.entry_id._get_records_action(context={})

    def action_view_invoice_lines(self):
        """Open the document's lines that made the base."""
        lines = [
            line["id"]
            for accrual in self
            for line in (accrual.computation or {}).get("lines", ())
            if line["id"]
        ]
        differences = self.filtered(lambda accrual: not accrual.move_id and not accrual.transfer_id)
        for accrual in differences:
            lines += (
                self.env["dms.rebate.engine"]
                .sudo()
                ._get_line_ids(accrual.program_id.sudo(), accrual.partner_id.id, accrual.period_start)
            )
        measure = differences.program_id[:1].sudo().measure or "invoiced"
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Lines"),
            "res_model": self.env["dms.rebate.source"]._get_line_model(measure),
            "view_mode": "list,form",
            "domain": [("id", "in", lines)],
            "context": {"create": False, "edit": False, "delete": False},
        }

    def _get_source_rows(self):
        """Return the lines that a period which all documents made was measured on: ``(document, product, quantity, unit,
        value)``, what came back below zero."""
        self.ensure_one()
        program_sudo = self.program_id.sudo()
        model = self.env["dms.rebate.source"]._get_line_model(program_sudo.measure)
        ids = (
            self.env["dms.rebate.engine"]
            .sudo()
            ._get_line_ids(program_sudo, self.partner_id.id, self.period_start)
        )
        rows = []
        for line in self.env[model].sudo().browse(ids):
            product = line.product_id.display_name
            match model:
                case "account.move.line":
                    sign = -1 if line.move_id.move_type == "out_refund" else 1
                    quantity, value = sign * line.quantity, sign * line.price_subtotal
                    rows.append((line.move_id.name, product, quantity, line.product_uom_id.name, value))
                case "sale.order.line":
                    quantity, value = line.product_uom_qty, line.price_subtotal
                    rows.append((line.order_id.name, product, quantity, line.product_uom_id.name, value))
                case "stock.move":
                    sign = 1 if line.location_dest_id.usage == "customer" else -1
                    sold = line.sale_line_id
                    value = sold.price_subtotal * line.quantity / (sold.product_uom_qty or 1.0)
                    rows.append(
                        (line.reference, product, sign * line.quantity, line.product_uom.name, sign * value)
                    )
                case _:
                    unit = line.product_id.uom_id.name
                    rows.append((line.display_name, product, -line.quantity, unit, -line.amount))
        carried = (
            self.env["dms.rebate.engine"]
            .sudo()
            ._get_line_ids(program_sudo, self.partner_id.id, self.period_start, "carried_id")
        )
        for move in self.env["dms.channel.move"].sudo().browse(carried):
            sign = 1 if move.partner_id == self.partner_id else -1
            quantity = sign * move.quantity
            rows.append(
                (
                    move.origin,
                    move.product_id.display_name,
                    quantity,
                    move.uom_id.name,
                    quantity * move.layer_price,
                )
            )
        return rows

    # === BUSINESS ===

    @api.model
    def _accrue(self, moves, programs=None):
        """Accrue what posted customer documents of distributors earn, and post it in the ledger.

        Documents that a programme has seen are left alone, so running it again changes nothing. Queries do not grow
        with the number of documents; there is one journal entry per company, journal and day.

        :param moves: posted account.move records, others are passed over
        :param programs: restrict to these programmes
        :return: the new accruals
        """
        moves_sudo = (
            moves.sudo()
            .filtered(lambda move: move._dms_earns_rebate())
            .sorted(lambda move: (move.invoice_date, move.id))
        )
        if not moves_sudo:
            return self.browse()
        dates = [move._dms_get_rebate_date() for move in moves_sudo]
        programs_sudo = (
            self.env["dms.rebate.program"]
            .sudo()
            ._get_candidates(moves_sudo.company_id, min(dates), max(dates))
        )
        if programs is not None:
            programs_sudo &= programs.sudo()
        if not programs_sudo:
            return self.browse()
        known = {
            (program.id, move.id)
            for program, move in self.sudo()._read_group(
                [
                    ("move_id", "in", moves_sudo.ids),
                    ("program_id", "in", programs_sudo.ids),
                    ("kind", "=", "accrual"),
                    ("reversal_id", "=", False),
                ],
                ["program_id", "move_id"],
            )
        }
        events = []
        for move, date in zip(moves_sudo, dates, strict=True):
            for program in programs_sudo:
                if (
                    program.company_id == move.company_id
                    and (program.id, move.id) not in known
                    and program._covers_date(date)
                    and program._covers_partner(move.commercial_partner_id)
                    and (event := self._prepare_event(program, move, date))
                ):
                    events.append(event)
        return self.sudo()._apply(events)

    @api.model
    def _prepare_event(self, program, move, date):
        """Return the :class:`Event` of a document under a programme, or None when no line is in scope."""
        lines = move.invoice_line_ids.filtered(
            lambda line: line._dms_earns_rebate() and program._covers_product(line.product_id)
        )
        if program.basis == "quantity":
            lines = lines.filtered(lambda line: line.product_uom_id._has_common_reference(program.uom_id))
        if not lines:
            return None
        sign = -1 if move.move_type == "out_refund" else 1
        if program.basis == "quantity":
            measures = [
                line.product_uom_id._compute_quantity(line.quantity, program.uom_id, round=False)
                for line in lines
            ]
            base = sum(
                (rebate.round_to(rebate.decimal(measure), rebate.decimal("0.0001")) for measure in measures),
                rebate.ZERO,
            )
        else:
            # Line by line, as the set-based computation converts.
            base = sum(
                (move._dms_convert_net(line.price_subtotal, program.currency_id, date) for line in lines),
                rebate.ZERO,
            )
        return Event(
            program=program,
            move=move,
            date=date,
            period_start=program._get_period_start(date),
            base=sign * base,
            lines=[
                {
                    "id": line.id,
                    "product": line.product_id.display_name,
                    "quantity": sign * line.quantity,
                    "unit": line.product_uom_id.name,
                    "value": sign * line.price_subtotal,
                    "currency": line.currency_id.name,
                }
                for line in lines
            ],
        )

    @api.model
    def _accrue_transfers(self, transfers, programs=None):
        """Carry over what received transfers took along of the rebate: off the giver's base, onto the taker's.

        It counts for programmes that accrue on posting; periodic ones compute it from the transfers themselves. Where
        only one of the two is in a programme's scope, only its base changes. Running it again changes nothing.

        :param transfers: others than received ones whose credit goes to the taker are passed over
        :param programs: restrict to these programmes
        :return: the new accruals
        """
        transfers_sudo = (
            transfers.sudo()
            .filtered(lambda transfer: transfer.state == "received" and transfer.credit_policy == "taker")
            .sorted(lambda transfer: (transfer.receive_date, transfer.id))
        )
        if not transfers_sudo:
            return self.browse()
        dates = transfers_sudo.mapped("receive_date")
        programs_sudo = (
            self.env["dms.rebate.program"]
            .sudo()
            ._get_candidates(transfers_sudo.company_id, min(dates), max(dates))
        )
        if programs is not None:
            programs_sudo &= programs.sudo()
        known = {
            (program, transfer, partner)
            for program, transfer, partner in self.sudo()._read_group(
                [
                    ("transfer_id", "in", transfers_sudo.ids),
                    ("program_id", "in", programs_sudo.ids),
                    ("kind", "=", "accrual"),
                    ("reversal_id", "=", False),
                ],
                ["program_id", "transfer_id", "partner_id"],
            )
        }
        events = [
            event
            for transfer in transfers_sudo
            for program in programs_sudo
            if program.company_id == transfer.company_id and program._covers_date(transfer.receive_date)
            for partner, sign in ((transfer.giver_id, -1), (transfer.taker_id, 1))
            if (program, transfer, partner) not in known and program._covers_partner(partner)
            if (event := self._prepare_transfer_event(program, transfer, partner, sign))
        ]
        return self.sudo()._apply(events)

    @api.model
    def _prepare_transfer_event(self, program, transfer, partner, sign):
        """Return the :class:`Event` of a received transfer for one side, or None when no goods are in scope."""
        moves = (
            self.env["dms.channel.move"]
            .search(
                [
                    ("transfer_line_id", "in", transfer.line_ids.ids),
                    ("partner_id", "=", transfer.taker_id.id),
                ],
                order="id",
            )
            .filtered(lambda move: program._covers_product(move.product_id))
        )
        if program.basis == "quantity":
            moves = moves.filtered(lambda move: move.uom_id._has_common_reference(program.uom_id))
        if not moves:
            return None
        company_currency, date = transfer.company_id.currency_id, transfer.receive_date
        base = rebate.ZERO
        # Layer by layer, as the set-based computation does.
        for move in moves:
            if program.basis == "quantity":
                measure = move.uom_id._compute_quantity(move.quantity, program.uom_id, round=False)
                base += rebate.round_to(rebate.decimal(measure), rebate.decimal("0.0001"))
            else:
                value = company_currency.round(move.quantity * move.layer_price)
                if program.currency_id != company_currency:
                    value = company_currency._convert(value, program.currency_id, transfer.company_id, date)
                base += rebate.decimal(value)
        return Event(
            program=program,
            move=self.env["account.move"],
            date=date,
            period_start=program._get_period_start(date),
            base=sign * base,
            lines=[
                {
                    "id": False,
                    "product": move.product_id.display_name,
                    "quantity": sign * move.quantity,
                    "unit": move.uom_id.name,
                    "value": sign * company_currency.round(move.quantity * move.layer_price),
                    "currency": company_currency.name,
                }
                for move in moves
            ],
            transfer=transfer,
            partner=partner,
        )

    def _reverse(self):
        """Take the documents' bases out again: add opposite rows and post what the periods' rebates lose by it.

        Accruals that are reversed already are passed over.
        """
        accruals_sudo = self.sudo().filtered(
            lambda accrual: accrual.kind == "accrual" and not accrual.reversal_id
        )
        events = [
            Event(
                program=accrual.program_id,
                move=accrual.move_id,
                date=accrual.date,
                period_start=accrual.period_start,
                base=-rebate.decimal(accrual.base_amount),
                lines=(accrual.computation or {}).get("lines", []),
                reversed=accrual,
                transfer=accrual.transfer_id,
                partner=accrual.partner_id,
            )
            for accrual in accruals_sudo
        ]
        return self.sudo()._apply(events)

    @api.model
    def _apply(self, events):
        """Book events: standings, accruals and journal entries."""
        Balance = self.env["dms.rebate.balance"]
        standings = Balance._lock((*event.key, event.program.company_id.id) for event in events)
        sums = {
            key: (rebate.decimal(base), rebate.decimal(amount))
            for key, (_id, base, amount) in standings.items()
        }
        vals_list = []
        for event in events:
            base_before, accrued_before = sums[event.key]
            result = event.program._compute_rebate(base_before + event.base)
            sums[event.key] = (result.measure, result.total)
            vals_list.append(self._prepare_accrual_vals(event, base_before, accrued_before, result))
        accruals = self.create(vals_list)
        for event, accrual in zip(events, accruals, strict=True):
            if event.reversed:
                event.reversed.reversal_id = accrual
        Balance._store({standings[key][0]: values for key, values in sums.items()})
        accruals._post_entries()
        # The unique index must see the reversals before the document is accrued again.
        self.flush_model()
        return accruals

    @api.model
    def _prepare_accrual_vals(self, event, base_before, accrued_before, result):
        program, company = event.program, event.program.company_id
        amount = float(result.total - accrued_before)
        return {
            "program_id": program.id,
            "partner_id": event.key[1],
            "transfer_id": event.transfer and event.transfer.id,
            "company_id": company.id,
            "currency_id": program.currency_id.id,
            "kind": "reversal" if event.reversed else "accrual",
            "move_id": event.move.id,
            "date": event.date,
            "period_start": event.period_start,
            "base_amount": float(event.base),
            "amount": amount,
            "amount_company": program.currency_id._convert(amount, company.currency_id, company, event.date),
            "computation": {
                "base_before": str(base_before),
                "base": str(event.base),
                "base_after": str(result.measure),
                "steps": [
                    {
                        "lower": str(step.lower),
                        "upper": str(step.upper) if step.upper is not None else None,
                        "measure": str(step.measure),
                        "rate": str(step.rate),
                        "kind": step.kind,
                        "amount": str(step.amount),
                    }
                    for step in result.steps
                ],
                "raw": str(result.raw),
                "total": str(result.total),
                "capped": result.capped,
                "accrued_before": str(accrued_before),
                "lines": event.lines,
            },
        }

    @api.model
    def _accrue_difference(self, programs, date):
        """Accrue what the standings of periodic programmes say beyond what has accrued; a second run finds nothing.

        :param date: day of the run; a period that ended before is accrued on its last day
        :return: the new accruals
        """
        Balance = self.env["dms.rebate.balance"]
        Balance.flush_model()
        open_ = self.env.execute_query_dict(
            SQL(
                """
                SELECT balance.id, balance.program_id, balance.partner_id, balance.period_start, balance.company_id,
                       measure_amount::text, due_amount::text, lines,
                       EXISTS (SELECT FROM dms_rebate_accrual AS accrual
                                WHERE accrual.program_id = balance.program_id
                                  AND accrual.partner_id = balance.partner_id
                                  AND accrual.period_start = balance.period_start
                                  AND accrual.state = 'settled') AS settled
                  FROM dms_rebate_balance AS balance
                 WHERE program_id = ANY(%s)
                   AND (due_amount IS DISTINCT FROM amount OR measure_amount IS DISTINCT FROM base_amount)
              ORDER BY balance.program_id, balance.partner_id, balance.period_start
                """,
                programs.ids,
            )
        )
        locked = Balance._lock(
            (row["program_id"], row["partner_id"], row["period_start"], row["company_id"]) for row in open_
        )
        program_of = {program.id: program for program in programs}
        vals_list, sums = [], {}
        for row in open_:
            balance_id, *sums_before = locked[row["program_id"], row["partner_id"], row["period_start"]]
            for name in ("measure_amount", "due_amount"):
                row[name] = rebate.decimal(row[name])
            sums[balance_id] = (row["measure_amount"], row["due_amount"])
            vals_list.append(
                self._prepare_difference_vals(
                    program_of[row["program_id"]], row, *map(rebate.decimal, sums_before), date
                )
            )
        accruals = self.create(vals_list)
        Balance._store(sums)
        accruals._post_entries()
        return accruals

    @api.model
    def _prepare_difference_vals(self, program, row, base_before, accrued_before, date):
        company, end = program.company_id, program._get_period_end(row["period_start"])
        date = max(min(date, end or date), row["period_start"])
        amount = float(row["due_amount"] - accrued_before)
        lines = row["lines"] or program._compute_rebate(row["measure_amount"]).to_json()
        return {
            "program_id": program.id,
            "partner_id": row["partner_id"],
            "company_id": company.id,
            "currency_id": program.currency_id.id,
            "kind": "true_up" if row["settled"] else "difference",
            "date": date,
            "period_start": row["period_start"],
            "base_amount": float(row["measure_amount"] - base_before),
            "amount": amount,
            "amount_company": program.currency_id._convert(amount, company.currency_id, company, date),
            "computation": {
                "computed": lines,
                "total": str(row["due_amount"]),
                "accrued_before": str(accrued_before),
            },
        }

    def _post_entries(self):
        """Post the amounts: rebates granted against accrued rebates."""
        batches = defaultdict(self.browse)
        for accrual in self:
            if not accrual.currency_id.is_zero(accrual.amount):
                program = accrual.program_id
                batches[accrual.company_id, program.journal_id, accrual._get_entry_date()] |= accrual
        if not batches:
            return
        entries = (
            self.env["account.move"]
            .with_context(tracking_disable=True)
            .create(
                [
                    accruals._prepare_entry_vals(company, journal, date)
                    for (company, journal, date), accruals in batches.items()
                ]
            )
        )
        for entry, accruals in zip(entries, batches.values(), strict=True):
            accruals.entry_id = entry
        entries._post(soft=False)

    def _get_entry_date(self):
        """Return the accounting date: the document's; for differences their day, or the first after a lock."""
        self.ensure_one()
        if self.move_id:
            return self.move_id.date
        locks = self.company_id._get_violated_lock_dates(self.date, False, self.program_id.journal_id)
        return locks[-1][0] + timedelta(days=1) if locks else self.date

    def _prepare_entry_vals(self, company, journal, date):
        if not journal:
            raise UserError(
                self.env._(
                    "%s has no journal for its accruals: choose one on its Accounting tab.",
                    self.program_id[:1].display_name,
                )
            )
        documents = self.mapped("document_name")
        ref = ", ".join(documents[:3]) + (" …" if len(documents) > 3 else "")
        return {
            "move_type": "entry",
            "company_id": company.id,
            "journal_id": journal.id,
            "date": date,
            "ref": self.env._("Rebates on %s", ref),
            "line_ids": [
                fields.Command.create(vals) for accrual in self for vals in accrual._prepare_entry_line_vals()
            ],
        }

    def _prepare_entry_line_vals(self):
        """Return the vals of the two journal items of one accrual: expense, then liability."""
        self.ensure_one()
        label = self.env._(
            "%(program)s: %(document)s", program=self.program_id.display_name, document=self.document_name
        )
        return [
            {
                "name": label,
                "account_id": account.id,
                "partner_id": self.partner_id.id,
                "currency_id": self.currency_id.id,
                "amount_currency": sign * self.amount,
                "balance": sign * self.amount_company,
                # Stated, so that core does not look for a distribution model line by line.
                "analytic_distribution": sign > 0 and self.program_id.analytic_distribution,
                "dms_accrual_id": self.id,
            }
            for account, sign in (
                (self.program_id.expense_account_id, 1),
                (self.program_id.accrual_account_id, -1),
            )
        ]
