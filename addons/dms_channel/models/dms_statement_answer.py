from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import format_datetime

# What an answer consists of; a new version takes it along where the figure is the same.
ANSWER_FIELDS = (
    "answer",
    "reason",
    "partner_amount",
    "answered_by",
    "answered_on",
    "answered_from",
    "reply",
    "replied_by_id",
    "replied_on",
)


class DmsStatementAnswer(models.AbstractModel):
    """What the distributor says of a figure, and what the accountant replies: of one entry, or of the balance."""

    _name = "dms.statement.answer"
    _description = "Answer to a Figure of a Statement"

    currency_id = fields.Many2one("res.currency")
    answer = fields.Selection(
        [("open", "Not Answered"), ("confirmed", "Confirmed"), ("disputed", "Disputed")],
        default="open",
        required=True,
        readonly=True,
        copy=False,
    )
    reason = fields.Text("Reason of the Dispute", readonly=True, copy=False)
    partner_amount = fields.Monetary("Distributor's Figure", readonly=True, copy=False)
    answered_by = fields.Char(readonly=True, copy=False)
    answered_on = fields.Datetime(readonly=True, copy=False)
    answered_from = fields.Char("Answered from Address", readonly=True, copy=False)
    answer_text = fields.Char("Answered", compute="_compute_answer_text")
    reply = fields.Text(copy=False, help="What you answer to the dispute; the distributor reads it.")
    replied_by_id = fields.Many2one("res.users", "Replied by", readonly=True, copy=False, ondelete="set null")
    replied_on = fields.Datetime(readonly=True, copy=False)

    @api.depends("answered_by", "answered_on")
    @api.depends_context("lang", "tz")
    def _compute_answer_text(self):
        for record in self:
            record.answer_text = record.answered_on and self.env._(
                "%(name)s on %(time)s",
                name=record.answered_by,
                time=format_datetime(self.env, record.answered_on, dt_format="short"),
            )

    def _prepare_answer_vals(self, answer, name, address=None, reason=None, amount=None):
        """:raises UserError: when the name, or the reason or figure of a dispute, is missing"""
        name = (name or "").strip()
        if not name:
            raise UserError(self.env._("Enter your name: a statement is answered by a person."))
        reason = (reason or "").strip()
        if answer == "disputed" and not reason:
            raise UserError(self.env._("Say in a few words what is wrong with it: a dispute needs a reason."))
        if answer == "disputed" and amount is None:
            raise UserError(
                self.env._("Enter the figure that stands in your books, 0 when there is none of it.")
            )
        return {
            "answer": answer,
            "reason": reason[:2000] if answer == "disputed" else False,
            "partner_amount": amount if answer == "disputed" else 0.0,
            "answered_by": name[:200],
            "answered_on": fields.Datetime.now(),
            "answered_from": (address or "")[:64] or False,
        }

    def _prepare_reply_vals(self):
        return {"replied_by_id": self.env.uid, "replied_on": fields.Datetime.now()}
