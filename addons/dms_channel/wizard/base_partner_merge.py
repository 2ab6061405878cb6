from odoo import models
from odoo.exceptions import UserError
from odoo.tools import SQL

# Where a distributor's history stands: merging would mix two ledgers, or two agreements of the same days.
HISTORY = (
    ("dms.agreement", "partner_id"),
    ("dms.credit.entry", "partner_id"),
    ("dms.rebate.accrual", "partner_id"),
    ("dms.settlement", "partner_id"),
    ("dms.statement", "partner_id"),
    ("dms.deduction", "partner_id"),
    ("dms.channel.move", "partner_id"),
)


class BasePartnerMergeAutomaticWizard(models.TransientModel):
    _inherit = "base.partner.merge.automatic.wizard"

    def _merge(self, partner_ids, dst_partner=None, extra_checks=True):
        partners = self.env["res.partner"].browse(partner_ids).exists()
        self._check_dms_roles(partners)
        kept = self._check_dms_history(partners, dst_partner)
        return super()._merge(partner_ids, kept or dst_partner, extra_checks=extra_checks)

    def _check_dms_roles(self, partners):
        roles = set(partners.mapped("channel_role")) - {False}
        if len(roles) > 1:
            raise UserError(
                self.env._(
                    "%s: a distributor and an outlet can't be merged. Archive the one that is not needed.",
                    ", ".join(partners.mapped("display_name")),
                )
            )

    def _check_dms_history(self, partners, dst_partner):
        """The one partner that the history asks to keep; none where there is no history."""
        used = self.env["res.partner"]
        for model, name in HISTORY:
            groups = self.env[model].sudo()._read_group([(name, "in", partners.ids)], [name])
            used |= used.union(*(partner for (partner,) in groups))
        if len(used) > 1:
            raise UserError(
                self.env._(
                    "%s have agreements, points, rebates or channel stock of their own, and can't be merged: two"
                    " ledgers would be mixed. Archive the one that is not needed.",
                    ", ".join(used.mapped("display_name")),
                )
            )
        if used and dst_partner and dst_partner in partners - used:
            raise UserError(
                self.env._(
                    "%(used)s has agreements, points, rebates or channel stock. Choose it as the one to keep, instead of"
                    " %(other)s.",
                    used=used.display_name,
                    other=dst_partner.display_name,
                )
            )
        return used

    def _update_foreign_keys(self, src_partners, dst_partner):
        """The big tables have no foreign key that would tell Odoo of their outlets; what is summed up is summed anew."""
        self.env["dms.channel.week"]._merge_outlets(src_partners, dst_partner)
        self.env["dms.feed.score"].sudo().search([("partner_id", "in", src_partners.ids)]).unlink()
        shelves = self.env["dms.shelf.level"]
        self.env.cr.execute(SQL("DELETE FROM dms_shelf_level WHERE outlet_id IN %s", tuple(src_partners.ids)))
        super()._update_foreign_keys(src_partners, dst_partner)
        for model in ("dms.channel.move", "dms.feed.line", "dms.shelf.reading"):
            self.env.cr.execute(
                SQL(
                    "UPDATE %s SET outlet_id = %s WHERE outlet_id IN %s",
                    SQL.identifier(self.env[model]._table),
                    dst_partner.id,
                    tuple(src_partners.ids),
                )
            )
            self.env[model].invalidate_model(["outlet_id"])
        shelves._refresh(
            SQL(
                "SELECT DISTINCT company_id, outlet_id, product_id FROM dms_shelf_reading WHERE outlet_id = %s",
                dst_partner.id,
            )
        )
