from dateutil.relativedelta import relativedelta

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.fields import Command

from .dms_rebate_engine import Validity


class DmsRebateBacktest(models.Model):
    """What programmes would have cost on the documents of an earlier time, side by side."""

    _name = "dms.rebate.backtest"
    _description = "Rebate Back-test"
    _order = "create_date desc, id desc"
    _check_company_auto = True

    name = fields.Char(required=True, default=lambda self: self.env._("Back-test"))
    company_id = fields.Many2one(
        "res.company", required=True, default=lambda self: self.env.company, index=True
    )
    currency_id = fields.Many2one(related="company_id.currency_id")
    date_from = fields.Date("From", required=True, default=lambda self: self._default_date_from())
    date_to = fields.Date(
        "To", required=True, default=lambda self: self._default_date_from() + relativedelta(years=1, days=-1)
    )
    user_id = fields.Many2one("res.users", "Responsible", default=lambda self: self.env.user)
    variant_ids = fields.One2many("dms.rebate.backtest.variant", "backtest_id", "Programmes", copy=True)
    line_ids = fields.One2many("dms.rebate.backtest.line", "backtest_id", "Results")
    computed_on = fields.Datetime(readonly=True, copy=False)

    _dates = models.Constraint(
        "CHECK(date_to >= date_from)", "The back-test's last day lies before its first day."
    )

    def _default_date_from(self):
        return fields.Date.context_today(self).replace(month=1, day=1) - relativedelta(years=1)

    # === ACTIONS ===

    def action_compute(self):
        """Compute all programmes on the documents of the time, as if they had held then."""
        for backtest in self:
            if not backtest.variant_ids:
                raise UserError(
                    self.env._("%s names no programme: add those that you want to compare.", backtest.name)
                )
            backtest._compute_variants()

    def action_view_pivot(self):
        return self._get_lines_action("pivot,graph,list")

    def action_view_graph(self):
        return self._get_lines_action("graph,pivot,list")

    def _get_lines_action(self, view_mode):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("dms_channel.dms_rebate_backtest_line_action")
        return dict(
            action,
            name=self.name,
            view_mode=view_mode,
            views=[(False, mode) for mode in view_mode.split(",")],
            domain=[("backtest_id", "=", self.id)],
        )

    # === BUSINESS ===

    def _compute_variants(self):
        self.ensure_one()
        validity = Validity(self.date_from, self.date_to)
        programs_sudo = self.variant_ids.program_id.sudo().with_context(dms_rebate_validity=validity)
        standings = self.env["dms.rebate.engine"].sudo()._compute_standings(programs_sudo, self.date_to)
        variant_of = {variant.program_id.id: variant for variant in self.variant_ids}
        vals_list = [
            variant._prepare_line_vals(partner_id, start, standing)
            for (program_id, partner_id, start), standing in standings.items()
            if (variant := variant_of.get(program_id))
        ]
        self.line_ids = [Command.clear(), *(Command.create(vals) for vals in vals_list)]
        self.computed_on = fields.Datetime.now()
