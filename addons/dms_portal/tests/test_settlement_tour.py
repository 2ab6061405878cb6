from dateutil.relativedelta import relativedelta

from odoo.fields import Command, Date
from odoo.tests import tagged

from .common import DmsPortalCommon


@tagged("post_install", "-at_install")
class TestSettlementTour(DmsPortalCommon):
    """A settlement from the back-test of its programme to the posting, on the screens of those who work on it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.company._dms_prepare_rebate_accounts()
        today = Date.context_today(cls.env.user)
        cls.program = cls.env["dms.rebate.program"].create(
            {
                "name": "Tea bonus",
                "code": "TEA",
                "date_start": today.replace(month=1, day=1),
                "tier_ids": [Command.create({"from_amount": 0, "rate": 10})],
            }
        )
        for date in (today, today - relativedelta(years=1)):
            invoice = cls.env["account.move"].create(
                {
                    "move_type": "out_invoice",
                    "partner_id": cls.distributor_north.id,
                    "invoice_date": date,
                    "invoice_line_ids": [
                        Command.create(
                            {
                                "product_id": cls.product_tea.id,
                                "quantity": 100,
                                "price_unit": 10,
                                "tax_ids": False,
                            }
                        )
                    ],
                }
            )
            invoice.action_post()

    def _back_office(self, name, action, record):
        self.start_tour(
            f"/odoo/action-{action}/{record.id}", f"dms_settlement_{name}", login=self.user_accountant.login
        )
        self.env.invalidate_all()

    def _portal(self, name):
        self.start_tour(
            f"/my/settlements/{self.settlement.id}", f"dms_settlement_{name}", login=self.clerk_north.login
        )
        self.env.invalidate_all()

    def test_from_back_test_to_posting(self):
        program, settlement = "dms_channel.dms_rebate_program_action", "dms_channel.dms_settlement_action"
        self._back_office("backtest", program, self.program)
        self._back_office("publish", program, self.program)
        today = Date.context_today(self.env.user)
        self.settlement = self.env["dms.settlement"]._generate(today.replace(day=1), today)
        self._back_office("send", settlement, self.settlement)
        self._portal("dispute")
        [line] = self.settlement.line_ids
        self.assertEqual((line.answer, line.answered_by), ("disputed", self.clerk_north))
        self._back_office("correct", settlement, self.settlement)
        self._portal("accept")
        self.assertEqual(self.settlement.state, "approved")
        self._back_office("post", settlement, self.settlement)
        self.assertRecordValues(
            self.settlement, [{"state": "posted", "amount_total": 120.0, "payout_state": "open"}]
        )
        self.assertEqual(self.settlement.posting_id.amount_total, 120)
