from odoo import api, fields, models
from odoo.tools import formatLang


class DmsSettlementLine(models.Model):
    _name = "dms.settlement.line"
    _description = "Settlement Line"
    _order = "settlement_id, program_id"

    settlement_id = fields.Many2one(
        "dms.settlement", required=True, readonly=True, ondelete="cascade", index=True
    )
    partner_id = fields.Many2one(related="settlement_id.partner_id", store=True, index=True)
    company_id = fields.Many2one(related="settlement_id.company_id", store=True, index=True)
    currency_id = fields.Many2one(related="settlement_id.currency_id", store=True)
    state = fields.Selection(related="settlement_id.state")
    program_id = fields.Many2one(
        "dms.rebate.program", "Programme", required=True, readonly=True, ondelete="restrict", index=True
    )
    name = fields.Char("Description", required=True, readonly=True)
    base_amount = fields.Float("Base", digits=(18, 4), readonly=True)
    base_text = fields.Char("Base in Words", compute="_compute_base_text")
    computed_amount = fields.Monetary("Accrued", readonly=True)
    factor = fields.Float(digits=(6, 4), default=1.0, readonly=True)
    amount = fields.Monetary(readonly=True)
    accrual_ids = fields.One2many("dms.rebate.accrual", "settlement_line_id", "Accruals")
    accrual_count = fields.Integer(compute="_compute_accrual_count")
    entry_line_ids = fields.One2many("account.move.line", "dms_settlement_line_id", "Journal Items")
    computation = fields.Json(readonly=True)
    explanation = fields.Text(compute="_compute_explanation")

    _program_uniq = models.Constraint(
        "UNIQUE(settlement_id, program_id)", "A settlement has one line per programme."
    )

    @api.depends("program_id", "base_amount")
    @api.depends_context("lang")
    def _compute_base_text(self):
        for line in self:
            line.base_text = line.program_id.sudo()._format_base(line.base_amount)

    def _compute_accrual_count(self):
        counts = dict(
            self.env["dms.rebate.accrual"]._read_group(
                [("settlement_line_id", "in", self.ids)], ["settlement_line_id"], ["__count"]
            )
        )
        for line in self:
            line.accrual_count = counts.get(line, 0)

    @api.depends("computation", "factor", "amount")
    @api.depends_context("lang")
    def _compute_explanation(self):
        for line in self:
            line.explanation = " ".join(line._explain())

    def _explain(self):
        """Return the computation as sentences, in the user's language."""
        self.ensure_one()
        steps = self.computation or {}
        if not steps:
            return []
        money = {
            name: formatLang(self.env, self[name], currency_obj=self.currency_id)
            for name in ("computed_amount", "amount")
        }
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

    def action_view_accruals(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_rebate_accrual_action")
        return dict(action, domain=[("settlement_line_id", "=", self.id)], context={})

    def action_view_invoice_lines(self):
        return self.accrual_ids.action_view_invoice_lines()
