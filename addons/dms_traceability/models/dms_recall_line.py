from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.fields import Command

from odoo.addons.dms_channel.tools import guard

ANSWER_FIELDS = ("returned_count", "destroyed_count", "gone_count", "missing_count")


class DmsRecallLine(models.Model):
    """What one holder has of recalled goods, and its answer. Without a partner: the company's own stock."""

    _name = "dms.recall.line"
    _description = "Recalled Goods at a Holder"
    _inherit = ["portal.mixin", "mail.thread"]
    _order = "unit_count desc, id"
    _rec_name = "partner_id"

    recall_id = fields.Many2one("dms.recall", required=True, readonly=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(related="recall_id.company_id", store=True, index=True)
    recall_state = fields.Selection(related="recall_id.state", string="Recall Status", store=True)
    product_id = fields.Many2one(related="recall_id.product_id", store=True)
    deadline = fields.Date(related="recall_id.deadline")
    partner_id = fields.Many2one("res.partner", "Holder", readonly=True, index="btree_not_null")
    distributor_id = fields.Many2one("res.partner", readonly=True, index="btree_not_null")
    unit_count = fields.Integer("Units", readonly=True, help="Units there when letters were sent.")
    sold_count = fields.Integer(
        "Sold or Opened", readonly=True, help="Known from scans when letters were sent."
    )
    left_count = fields.Integer(
        "Left by Codes", readonly=True, help="Units that stand in the holder's name by the last count."
    )
    returned_count = fields.Integer("Sent Back", readonly=True, copy=False)
    destroyed_count = fields.Integer("Destroyed", readonly=True, copy=False)
    gone_count = fields.Integer("Sold Meanwhile", readonly=True, copy=False)
    missing_count = fields.Integer("Not Found", readonly=True, copy=False)
    settled_count = fields.Integer("Accounted For", compute="_compute_settled_count", store=True)
    open_count = fields.Integer("Open", compute="_compute_settled_count", store=True)
    note = fields.Text("Remark", readonly=True, copy=False)
    state = fields.Selection(
        [("waiting", "No Answer"), ("answered", "Answered")],
        "Answer",
        required=True,
        readonly=True,
        default="waiting",
        copy=False,
        index=True,
    )
    date_answered = fields.Datetime("Answered On", readonly=True, copy=False)
    answered_by = fields.Many2one("res.users", readonly=True, copy=False)

    _holder_uniq = models.UniqueIndex(
        "(recall_id, COALESCE(partner_id, 0))", "A holder stands in a recall once."
    )

    @api.depends("unit_count", *ANSWER_FIELDS)
    def _compute_settled_count(self):
        for line in self:
            line.settled_count = line.returned_count + line.destroyed_count + line.gone_count
            line.open_count = max(line.unit_count - line.settled_count, 0)

    @api.depends("partner_id", "company_id")
    def _compute_display_name(self):
        for line in self:
            line.display_name = line.partner_id.display_name or self.env._(
                "Own stock of %s", line.company_id.name
            )

    def _compute_access_url(self):
        super()._compute_access_url()
        for line in self:
            line.access_url = f"/my/recalls/{line.id}"

    def write(self, vals):
        if not guard.is_marked(self) and set(vals) - {"access_token"} and not self.env.is_superuser():
            raise UserError(
                self.env._("What a holder has and answers is entered by counting and answering only.")
            )
        return super().write(vals)

    def _answer(self, returned, destroyed, gone, missing, note=""):
        """The holder's answer, or its distributor's for it; it may be given anew until the recall is closed.

        :param int returned, destroyed, gone, missing: units sent back, destroyed, sold meanwhile, not found
        :raise UserError: says what does not fit
        """
        self.ensure_one()
        self.check_access("read")
        user = self.env.user
        own = user.partner_id.commercial_partner_id
        if own not in (self.partner_id, self.distributor_id) and not user.has_group(
            "dms_channel.dms_channel_group_user"
        ):
            raise AccessError(self.env._("These goods are not yours: only their holder can answer."))
        recall_sudo = self.sudo().recall_id
        if recall_sudo.state != "running":
            raise UserError(self.env._("This recall is not open for answers any more."))
        counts = dict(zip(ANSWER_FIELDS, (returned, destroyed, gone, missing), strict=True))
        if any(count < 0 for count in counts.values()):
            raise UserError(self.env._("Enter how many units there are: none is fewer than zero."))
        if sum(counts.values()) > self.unit_count:
            raise UserError(
                self.env._(
                    "You account for %(given)s units, but only %(units)s are recalled from you. Correct the figures.",
                    given=sum(counts.values()),
                    units=self.unit_count,
                )
            )
        guard.mark(self.sudo()).write(
            {
                **counts,
                "note": (note or "").strip(),
                "state": "answered",
                "date_answered": fields.Datetime.now(),
                "answered_by": user.id,
            }
        )
        self.sudo().message_post(
            body=self.env._(
                "Answer: %(returned)s sent back, %(destroyed)s destroyed, %(gone)s sold, %(missing)s not found.",
                returned=returned,
                destroyed=destroyed,
                gone=gone,
                missing=missing,
            ),
            author_id=user.partner_id.id,
        )

    def _get_letter_partners(self):
        """Who gets the letter: the holder and its people with portal access; for an outlet its distributor, too."""
        self.ensure_one()
        partners_sudo = (self.partner_id | self.distributor_id).sudo()
        clerks_sudo = partners_sudo.child_ids.filtered(lambda contact: contact.user_ids.filtered("share"))
        return (partners_sudo | clerks_sudo).sudo(False)

    def _send_letter(self):
        for line in self:
            line.sudo().message_post_with_source(
                "dms_traceability.mail_template_dms_recall",
                message_type="comment",
                subtype_xmlid="mail.mt_comment",
                partner_ids=[Command.set(line._get_letter_partners().ids)],
                email_layout_xmlid="mail.mail_notification_layout_with_responsible_signature",
            )
