from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import format_datetime

from .dms_transfer import SIDES


class DmsTransferConsent(models.Model):
    """One side's consent to a transfer. A consent that no longer holds is kept, with the reason."""

    _name = "dms.transfer.consent"
    _description = "Consent to a Transfer"
    _order = "id"

    transfer_id = fields.Many2one(
        "dms.transfer", required=True, readonly=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="transfer_id.company_id", store=True)
    side = fields.Selection(SIDES, required=True, readonly=True)
    name = fields.Char(required=True, readonly=True)
    user_id = fields.Many2one("res.users", readonly=True, ondelete="set null")
    date = fields.Datetime("Agreed On", required=True, readonly=True, default=fields.Datetime.now)
    address = fields.Char("From Address", readonly=True)
    voided_on = fields.Datetime("Void Since", readonly=True)
    void_reason = fields.Char(readonly=True)

    _side_uniq = models.UniqueIndex(
        "(transfer_id, side) WHERE voided_on IS NULL", "This side has agreed already."
    )

    @api.depends("side", "name", "date")
    def _compute_display_name(self):
        sides = dict(self._fields["side"]._description_selection(self.env))
        for consent in self:
            consent.display_name = self.env._(
                "%(side)s: %(name)s on %(time)s",
                side=sides.get(consent.side, ""),
                name=consent.name,
                time=format_datetime(self.env, consent.date, dt_format="short"),
            )

    @api.ondelete(at_uninstall=False)
    def _unlink_except_kept(self):
        if self.filtered(lambda consent: consent.transfer_id.state != "draft"):
            raise UserError(self.env._("Consents are kept; a change of terms makes them void."))

    def _void(self, reason):
        self.write({"voided_on": fields.Datetime.now(), "void_reason": reason})
