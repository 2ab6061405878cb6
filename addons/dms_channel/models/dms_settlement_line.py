from collections import defaultdict
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL, format_date, formatLang

from ..tools import guard, rebate

# Kinds that the distributor gets, and kinds that are taken off what it gets.
EARNING = ("rebate", "claim", "correction")
SET_OFF = ("deduction", "advance")
# Kinds that are open items of the distributor's account: what it owes, and what is paid back to it.
PAID_BACK = ("credit",)
ON_ACCOUNT = SET_OFF + PAID_BACK
DISPUTE_ACTIVITY = "dms_channel.mail_activity_type_dispute"
# Answers that leave nothing to wait for.
ANSWERED = ("accepted", "upheld", "corrected")


class DmsSettlementLine(models.Model):
    _name = "dms.settlement.line"
    _description = "Settlement Line"
    _order = "settlement_id, sequence, id"

    settlement_id = fields.Many2one(
        "dms.settlement", required=True, readonly=True, ondelete="cascade", index=True
    )
    partner_id = fields.Many2one(related="settlement_id.partner_id", store=True, index=True)
    company_id = fields.Many2one(related="settlement_id.company_id", store=True, index=True)
    currency_id = fields.Many2one(related="settlement_id.currency_id", store=True)
    state = fields.Selection(related="settlement_id.state")
    kind = fields.Selection(
        [
            ("rebate", "Rebate"),
            ("claim", "Claim"),
            ("correction", "Correction"),
            ("deduction", "Deduction"),
            ("advance", "Advance"),
            ("credit", "Paid Back"),
        ],
        default="rebate",
        required=True,
        readonly=True,
    )
    sequence = fields.Integer(compute="_compute_sequence", store=True, precompute=True)
    program_id = fields.Many2one(
        "dms.rebate.program", "Programme", readonly=True, ondelete="restrict", index="btree_not_null"
    )
    document = fields.Reference("_selection_document", readonly=True)
    item_id = fields.Many2one(
        "account.move.line",
        "Open Item",
        readonly=True,
        ondelete="restrict",
        index="btree_not_null",
        help="The receivable item that is set off, or paid back.",
    )
    corrected_id = fields.Many2one(
        "dms.settlement.line", "Corrects", readonly=True, ondelete="cascade", index="btree_not_null"
    )
    name = fields.Char("Label", required=True, readonly=True, help="Stands on the journal items.")
    title = fields.Char(
        "Description", compute="_compute_title", help="What the line is about, in the reader's language."
    )
    base_amount = fields.Float("Base", digits=(18, 4), readonly=True)
    base_text = fields.Char("Base in Words", compute="_compute_base_text")
    rate_text = fields.Char("Rate", compute="_compute_rate_text")
    computed_amount = fields.Monetary("Accrued", readonly=True)
    factor = fields.Float(digits=(6, 4), default=1.0, readonly=True)
    amount = fields.Monetary(readonly=True)
    account_id = fields.Many2one("account.account", readonly=True, ondelete="restrict")
    tax_weights = fields.Json(
        readonly=True, help="Taxes of the documents behind the line, and what each share of them weighs."
    )
    accrual_ids = fields.One2many("dms.rebate.accrual", "settlement_line_id", "Accruals")
    accrual_count = fields.Integer(compute="_compute_accrual_count")
    entry_line_ids = fields.One2many("account.move.line", "dms_settlement_line_id", "Journal Items")
    computation = fields.Json(readonly=True)
    explanation = fields.Text(compute="_compute_explanation")
    pending = fields.Boolean(
        default=True, readonly=True, help="The settlement is neither posted nor cancelled yet."
    )

    answer = fields.Selection(
        [
            ("open", "Not answered"),
            ("accepted", "Accepted"),
            ("disputed", "Disputed"),
            ("corrected", "Corrected"),
            ("upheld", "Upheld"),
        ],
        default="open",
        required=True,
        readonly=True,
    )
    answered_by = fields.Many2one("res.users", readonly=True)
    answered_on = fields.Datetime(readonly=True)
    answered_silently = fields.Boolean(
        readonly=True, help="Nobody answered in time, so the line counts as accepted."
    )
    reason = fields.Text("Reason of the Dispute", readonly=True)
    reply = fields.Text("Our Answer", readonly=True)
    answer_text = fields.Char("Answer in Words", compute="_compute_answer_text")

    _program_uniq = models.UniqueIndex(
        "(settlement_id, program_id) WHERE kind = 'rebate'", "A settlement has one line per programme."
    )
    _program_needed = models.Constraint(
        "CHECK(kind != 'rebate' OR program_id IS NOT NULL)", "A rebate line names its programme."
    )
    _item_uniq = models.UniqueIndex(
        "(item_id) WHERE pending AND item_id IS NOT NULL",
        "The open item is on another settlement already that is not posted yet.",
    )
    _document_uniq = models.UniqueIndex(
        "(document, kind) WHERE pending AND document IS NOT NULL",
        "The document is on another settlement already that is not posted yet.",
    )

    # === COMPUTE ===

    @api.model
    def _selection_document(self):
        """Models whose documents become lines; others add theirs."""
        IrModel = self.env["ir.model"]
        return [
            (name, IrModel._get(name).name) for name in ("account.move", "account.payment", "dms.deduction")
        ]

    @api.depends("kind")
    def _compute_sequence(self):
        order = list(dict(self._fields["kind"].selection))
        for line in self:
            line.sequence = order.index(line.kind)

    @api.depends("name", "kind", "program_id", "corrected_id")
    @api.depends_context("lang")
    def _compute_title(self):
        for line in self:
            if line.kind == "rebate":
                line.title = line.program_id.sudo().display_name
            elif line.corrected_id:
                line.title = self.env._("Correction of %s", line.corrected_id.title)
            else:
                line.title = line.name

    @api.depends("title")
    def _compute_display_name(self):
        for line in self:
            line.display_name = line.title

    @api.depends("program_id", "base_amount", "kind")
    @api.depends_context("lang")
    def _compute_base_text(self):
        for line in self:
            program_sudo = line.program_id.sudo()
            line.base_text = line.kind == "rebate" and program_sudo._format_base(line.base_amount)

    @api.depends("program_id", "base_amount", "computed_amount", "kind")
    @api.depends_context("lang")
    def _compute_rate_text(self):
        """The average rate; the tiers behind it are in the explanation of each accrual."""
        for line in self:
            program_sudo = line.program_id.sudo()
            line.rate_text = False
            if line.kind == "rebate" and line.base_amount:
                rate = line.computed_amount / line.base_amount
                if program_sudo.basis == "amount":
                    line.rate_text = f"{rate * 100:.2f} %"
                else:
                    line.rate_text = program_sudo._format_rate(rebate.round_to(rebate.decimal(rate)), "unit")

    def _compute_accrual_count(self):
        counts = dict(
            self.env["dms.rebate.accrual"]._read_group(
                [("settlement_line_id", "in", self.ids)], ["settlement_line_id"], ["__count"]
            )
        )
        for line in self:
            line.accrual_count = counts.get(line, 0)

    @api.depends("answer", "answered_by", "answered_silently", "settlement_id.deadline")
    @api.depends_context("lang")
    def _compute_answer_text(self):
        names = dict(self._fields["answer"]._description_selection(self.env))
        for line in self:
            who = line.sudo().answered_by.name
            if line.answered_silently:
                line.answer_text = self.env._("Accepted: no answer until the deadline")
            elif line.answer in ("accepted", "disputed") and who:
                line.answer_text = self.env._("%(answer)s by %(user)s", answer=names[line.answer], user=who)
            else:
                line.answer_text = names[line.answer]

    @api.depends("computation", "factor", "amount", "kind", "reason", "reply")
    @api.depends_context("lang")
    def _compute_explanation(self):
        for line in self:
            line.explanation = " ".join(line._explain())

    def _explain(self):
        """Return the computation as sentences, in the user's language."""
        self.ensure_one()
        steps = self.computation or {}
        money = self._format_money
        match self.kind:
            case "rebate":
                return self._explain_rebate(steps) if steps else []
            case "correction":
                corrected = self.corrected_id
                return [
                    self.env._(
                        "%(line)s was %(before)s and is %(after)s.",
                        line=corrected.title or "",
                        before=money(steps.get("before", 0.0)),
                        after=money(steps.get("after", 0.0)),
                    ),
                    corrected.reply or "",
                ]
            case "deduction" | "advance":
                taken = self.env._(
                    "Open: %(open)s; set off here: %(amount)s.",
                    open=money(steps.get("open", -self.amount)),
                    amount=money(-self.amount),
                )
                if "elsewhere" in steps:
                    return [
                        taken,
                        self.env._(
                            "%s of it had been settled otherwise by the day of posting.",
                            money(steps["elsewhere"]),
                        ),
                    ]
                return [taken]
            case "credit":
                return [self.env._("Stood to the distributor's credit: %s.", money(self.amount))]
            case _:
                return [steps["text"]] if "text" in steps else []

    def _explain_rebate(self, steps):
        money = {name: self._format_money(self[name]) for name in ("computed_amount", "amount")}
        sentences = [
            self.env._(
                "Accrued by %(count)s documents on a base of %(base)s: %(amount)s.",
                count=steps["documents"],
                base=self.base_text,
                amount=money["computed_amount"],
            )
        ]
        share = f"{self.factor * 100:g} %"
        if steps["why"] == "points":
            sentences.append(
                self.env._(
                    "%(points)s credit points: paid at %(share)s.", points=steps["points"], share=share
                )
            )
        elif steps["why"] == "previous":
            sentences.append(
                self.env._(
                    "Taken back at %(share)s, the share paid in %(settlement)s.",
                    share=share,
                    settlement=steps["previous"],
                )
            )
        if "grade" in steps:
            sentences.append(
                self.env._(
                    "Grade %(grade)s is paid %(grade_share)s, which makes %(share)s in all.",
                    grade=steps["grade"],
                    grade_share=f"{steps['grade_factor'] * 100:g} %",
                    share=share,
                )
            )
        sentences.append(self.env._("Due: %s.", money["amount"]))
        return sentences

    def _format_money(self, amount):
        return formatLang(self.env, amount, currency_obj=self.currency_id)

    # === ACTIONS ===

    def action_view_accruals(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_rebate_accrual_action")
        return dict(action, domain=[("settlement_line_id", "=", self.id)], context={})

    def action_view_invoice_lines(self):
        return self.accrual_ids.action_view_invoice_lines()

    def action_view_document(self):
        """Open what the line is about: the document, or the open item's."""
        self.ensure_one()
        document = self.document or self.item_id.move_id or self.corrected_id
        if not document:
            return self.action_view_accruals()
        return {
            "type": "ir.actions.act_window",
            "res_model": document._name,
            "res_id": document.id,
            "view_mode": "form",
            "views": [(False, "form")],
        }

    def action_accept(self):
        self._accept()

    def action_reply(self):
        """Correct or uphold a disputed line."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Answer the Dispute"),
            "res_model": "dms.settlement.reply",
            "view_mode": "form",
            "target": "new",
            "context": {"default_line_id": self.id},
        }

    # === ANSWERS ===

    def _accept(self):
        """Accept lines, in the name of the current user.

        :raises UserError: when the settlement does not wait for an answer
        :raises AccessError: for who neither belongs to the distributor nor works on settlements
        """
        for settlement in self.settlement_id:
            settlement._check_may_answer()
            settlement._check_answerable()
        self.sudo().filtered(lambda line: line.answer in ("open", "disputed"))._write_answer("accepted")
        self.settlement_id.sudo()._advance()

    def _dispute(self, reason):
        """Dispute lines with a reason; see :meth:`_accept`."""
        reason = (reason or "").strip()
        if not reason:
            raise UserError(self.env._("Say what is wrong with the line, so that it can be corrected."))
        for settlement in self.settlement_id:
            settlement._check_may_answer()
            settlement._check_answerable()
        lines_sudo = self.sudo().filtered(lambda line: line.answer in ("open", "accepted"))
        lines_sudo._write_answer("disputed", reason=reason)
        for line in lines_sudo:
            line._tell_responsible()

    def _tell_responsible(self):
        self.ensure_one()
        settlement = self.settlement_id
        settlement.message_post(
            body=self.env._("%(line)s is disputed: %(reason)s", line=self.name, reason=self.reason),
            author_id=self.answered_by.partner_id.id,
            subtype_xmlid="mail.mt_note",
        )
        settlement.activity_schedule(
            DISPUTE_ACTIVITY,
            user_id=(settlement.user_id or settlement.create_uid).id,
            note=f"{self.name}: {self.reason}",
        )

    def _write_answer(self, answer, silent=False, **vals):
        """Note an answer of the current user (called as superuser)."""
        anonymous = silent or answer == "open"
        self.write(
            {
                "answer": answer,
                "answered_by": False if anonymous else self.env.uid,
                "answered_on": False if answer == "open" else fields.Datetime.now(),
                "answered_silently": silent,
                **vals,
            }
        )

    def _reply(self, reply, amount=None):
        """Answer a dispute: uphold the line, or correct it to ``amount`` by a line of its own, which the distributor
        may accept or dispute in turn.

        :param float amount: what the line should have been; None upholds it
        """
        self.ensure_one()
        settlement = self.settlement_id
        settlement.check_access("write")
        settlement._check_answerable()
        reply = (reply or "").strip()
        if not reply:
            raise UserError(self.env._("Answer the distributor: say why the line is upheld or corrected."))
        if self.answer != "disputed":
            raise UserError(self.env._("%s is not disputed, so there is nothing to answer.", self.name))
        if amount is not None:
            self._check_correction(amount)
            self.sudo()._correct(amount)
        self.sudo()._write_answer("upheld" if amount is None else "corrected", reply=reply)
        days = settlement.company_id.dms_settlement_days
        last = fields.Date.context_today(self) + timedelta(days=days)
        guard.mark(settlement).deadline = max(settlement.deadline, last)
        if "disputed" not in settlement.line_ids.mapped("answer"):
            settlement.sudo().activity_feedback([DISPUTE_ACTIVITY], feedback=reply)
        settlement._write_to_distributor("dms_channel.mail_template_dms_settlement_reply")
        settlement._advance()

    def _check_correction(self, amount):
        self.ensure_one()
        currency, settlement = self.currency_id, self.settlement_id
        if self.kind in PAID_BACK:
            raise UserError(
                self.env._(
                    "%s is paid back as it stands on the distributor's account: take the settlement back to draft and settle"
                    " the open item otherwise.",
                    self.name,
                )
            )
        if self.kind in SET_OFF:
            raise UserError(
                self.env._(
                    "%s is set off, not paid: take the settlement back to draft and settle the open item otherwise.",
                    self.name,
                )
            )
        if currency.is_zero(amount - self.amount):
            raise UserError(
                self.env._("%s has this amount already: uphold it instead of correcting it.", self.name)
            )
        total = settlement.amount_total + amount - self.amount
        if currency.compare_amounts(total, 0) < 0:
            raise UserError(
                self.env._(
                    "With this correction settlement %(name)s would come to %(amount)s, which can't be paid out.",
                    name=settlement.name,
                    amount=self._format_money(total),
                )
            )

    def _correct(self, amount):
        """Add the line that makes this one what it should have been (called as superuser)."""
        self.ensure_one()
        self.create(
            {
                "settlement_id": self.settlement_id.id,
                "kind": "correction",
                "program_id": self.program_id.id,
                "corrected_id": self.id,
                "name": self.env._("Correction of %s", self.title),
                "amount": self.currency_id.round(amount - self.amount),
                "account_id": self.account_id.id or self.program_id.expense_account_id.id,
                "tax_weights": self.tax_weights,
                "computation": {"before": self.amount, "after": amount},
            }
        )

    def _set_pending(self, pending):
        self.write({"pending": pending})

    # === WHAT IS BEHIND IT ===

    def _get_documents(self):
        """What made a rebate line, in the user's language: one dict per accrual, with the lines of its document.

        The lines of a period that all documents made stand with its last accrual.

        :return: list of dicts ``accrual``, ``name``, ``date``, ``version``, ``base_text``, ``amount_text``,
            ``explanation``, ``lines``: dicts ``document``, ``product``, ``quantity``, ``quantity_text``, ``value``,
            ``value_text``
        """
        self.ensure_one()
        accruals_sudo = self.sudo().accrual_ids.sorted(lambda accrual: (accrual.date, accrual.id))
        last_of = {
            accrual.period_start: accrual
            for accrual in accruals_sudo
            if not accrual.move_id and not accrual.transfer_id and accrual.program_id == self.program_id
        }
        documents = []
        for accrual in accruals_sudo:
            if accrual.move_id or accrual.transfer_id:
                rows = (accrual.computation or {}).get("lines", [])
                sign = -1 if accrual.kind == "reversal" else 1
                lines = [
                    (
                        accrual.document_name,
                        row["product"],
                        sign * row["quantity"],
                        row["unit"],
                        sign * row["value"],
                    )
                    for row in rows
                ]
                currency = accrual.move_id.currency_id or accrual.company_currency_id
            elif last_of[accrual.period_start] == accrual:
                lines, currency = accrual._get_source_rows(), accrual.currency_id
            else:
                lines, currency = [], accrual.currency_id
            name = accrual.document_name
            documents.append(
                {
                    "accrual": accrual,
                    "name": self.env._("%s (reversed)", name) if accrual.kind == "reversal" else name,
                    "date": format_date(self.env, accrual.date),
                    "version": accrual.program_version,
                    "base_text": accrual.base_text,
                    "amount_text": formatLang(self.env, accrual.amount, currency_obj=accrual.currency_id),
                    "explanation": accrual.explanation,
                    "lines": [
                        {
                            "document": document,
                            "product": product,
                            "quantity": quantity,
                            "unit": unit,
                            "quantity_text": f"{formatLang(self.env, quantity, dp='Product Unit')} {unit or ''}".strip(),
                            "value": value,
                            "currency": currency,
                            "value_text": formatLang(self.env, value, currency_obj=currency),
                        }
                        for document, product, quantity, unit, value in lines
                    ],
                }
            )
        return documents

    # === TAXES AND POSTING ===

    def _get_tax_weights(self):
        """Return dict line -> ``[[tax ids], weight]`` of the invoice lines that made its base (called as superuser).

        Programmes that state taxes have these, mapped by the distributor's fiscal position.
        """
        weights = {}
        for program, lines in self.grouped("program_id").items():
            if program.tax_source == "stated":
                for line in lines:
                    position = (
                        self.env["account.fiscal.position"]
                        .with_company(line.company_id)
                        ._get_fiscal_position(line.partner_id)
                    )
                    weights[line] = [[position.map_tax(program.tax_ids).ids, "1"]]
                continue
            for line_id, taxes, weight in lines._query_tax_weights(program):
                weights.setdefault(self.browse(line_id), []).append([taxes or [], str(weight)])
        return weights

    def _query_tax_weights(self, program):
        """Rows (line, tax ids, net value in company currency) of the posted invoice lines in the programme's scope:
        those of the accruals' documents, and of the periods of accruals that all documents made."""
        product_ids = program._get_product_scopes()[0][2]
        spans = [
            (
                accrual.settlement_line_id.id,
                accrual.partner_id.id,
                accrual.period_start,
                program._get_period_end(accrual.period_start) or accrual.date,
            )
            for accrual in self.accrual_ids
            if not accrual.move_id and not accrual.transfer_id
        ]
        self.env.flush_all()
        sources = [
            SQL(
                """
                SELECT accrual.settlement_line_id AS line_id, accrual.move_id
                  FROM dms_rebate_accrual AS accrual
                 WHERE accrual.settlement_line_id = ANY(%s) AND accrual.move_id IS NOT NULL
                """,
                self.ids,
            )
        ]
        if spans:
            sources.append(
                SQL(
                    """
                    SELECT span.line_id, move.id
                      FROM (VALUES %s) AS span (line_id, partner_id, first, last)
                      JOIN account_move AS move ON move.commercial_partner_id = span.partner_id
                       AND move.invoice_date BETWEEN span.first AND span.last
                     WHERE move.company_id = %s
                    """,
                    SQL(", ").join(SQL("(%s, %s, %s::date, %s::date)", *span) for span in set(spans)),
                    program.company_id.id,
                )
            )
        return self.env.execute_query(
            SQL(
                """
                SELECT source.line_id, item.taxes, SUM(-item.balance)
                  FROM (%s) AS source
                  JOIN account_move AS move ON move.id = source.move_id
                   AND move.state = 'posted' AND move.move_type IN ('out_invoice', 'out_refund')
                   AND move.dms_settlement_id IS NULL AND move.dms_transfer_id IS NULL
                  JOIN LATERAL (
                        SELECT line.balance,
                               (SELECT array_agg(rel.account_tax_id ORDER BY rel.account_tax_id)
                                  FROM account_move_line_account_tax_rel AS rel
                                 WHERE rel.account_move_line_id = line.id) AS taxes
                          FROM account_move_line AS line
                         WHERE line.move_id = move.id AND line.display_type = 'product'
                           AND line.product_id IS NOT NULL AND line.dms_settlement_use_id IS NULL AND %s
                       ) AS item ON TRUE
              GROUP BY source.line_id, item.taxes
              ORDER BY source.line_id, item.taxes NULLS FIRST
                """,
                SQL(" UNION ").join(sources),
                SQL("TRUE") if product_ids is None else SQL("line.product_id = ANY(%s)", list(product_ids)),
            )
        )

    def _split_by_taxes(self, amount):
        """Return list of (taxes, amount) that add up to ``amount``, in proportion to the documents behind the line."""
        self.ensure_one()
        currency = self.currency_id
        parts = [(ids, rebate.decimal(weight)) for ids, weight in self.tax_weights or []]
        if not any(weight > 0 for _ids, weight in parts):
            # All came back: what the returns were taxed with.
            parts = [(ids, -weight) for ids, weight in parts]
        if not any(weight > 0 for _ids, weight in parts):
            parts = [(parts[0][0] if parts else [], rebate.ONE)]
        sign = -1 if amount < 0 else 1
        amounts = rebate.share(
            rebate.decimal(currency.round(abs(amount))),
            [weight for _ids, weight in parts],
            rebate.decimal(currency.rounding),
        )
        return [
            (self.env["account.tax"].browse(ids), sign * float(part))
            for (ids, _weight), part in zip(parts, amounts, strict=True)
            if part
        ]

    def _get_parts(self):
        """What the line posts: list of dicts ``name``, ``account``, ``taxes``, ``amount`` (net), ``line``.

        A rebate clears what was accrued and gives back to the expense what its factor withholds.
        """
        self.ensure_one()
        if self.kind in ON_ACCOUNT:
            return []
        if self.kind != "rebate":
            return self._prepare_parts(self.name, self.account_id, self._split_by_taxes(self.amount))
        program = self.program_id
        accrued = self._split_by_taxes(self.computed_amount)
        parts = self._prepare_parts(self.name, program.accrual_account_id, accrued)
        withheld = defaultdict(float)
        for sign, shares in ((1, self._split_by_taxes(self.amount)), (-1, accrued)):
            for taxes, amount in shares:
                withheld[taxes] += sign * amount
        label = self.env._("%(name)s: paid at %(share)s", name=self.name, share=f"{self.factor * 100:g} %")
        return parts + self._prepare_parts(label, program.expense_account_id, withheld.items())

    def _prepare_parts(self, name, account, shares):
        return [
            {
                "name": name,
                "account": account,
                "taxes": taxes,
                "amount": self.currency_id.round(amount),
                "line": self,
            }
            for taxes, amount in shares
            if not self.currency_id.is_zero(amount)
        ]
