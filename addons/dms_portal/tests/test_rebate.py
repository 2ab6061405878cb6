from odoo.fields import Command, Date
from odoo.tests import tagged

from .common import DmsPortalCommon


@tagged("post_install", "-at_install")
class TestRebatePortal(DmsPortalCommon):
    """How far the next tier is, and what the rebate comes to at this pace, for the distributor's own eyes."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.company._dms_prepare_rebate_accounts()
        today = Date.context_today(cls.env.user)
        cls.program = cls.env["dms.rebate.program"].create(
            {
                "name": "Quarterly volume bonus",
                "code": "QVB",
                "date_start": today.replace(month=1, day=1),
                "period": "year",
                "partner_ids": [Command.set(cls.distributor_north.ids)],
                "tier_ids": [
                    Command.create({"from_amount": low, "rate": rate, "kind": "percent"})
                    for low, rate in ((0, 1), (1000, 3))
                ],
            }
        )
        cls.program.action_publish()
        cls.init_invoice(
            "out_invoice",
            partner=cls.distributor_north,
            invoice_date=today,
            products=cls.product_tea,
            amounts=[400.0],
            taxes=cls.env["account.tax"],
            post=True,
        )

    def _open(self, user):
        self.authenticate(user.login, user.login)
        return self.url_open("/my/rebates").text

    def test_own_standing(self):
        text = self._open(self.clerk_north)
        [row] = self.program.with_user(self.clerk_north)._get_progress(self.distributor_north)
        self.assertGreater(row["missing"], 0)
        for words in (self.program.name, row["missing_text"], row["earned_text"], row["expected_text"]):
            self.assertIn(words, text)

    def test_nothing_of_a_sibling(self):
        for user in (self.clerk_south, self.clerk_other):
            self.assertNotIn(self.program.name, self._open(user))
        self.assertNotIn("o_dms_rebate", self._open(self.clerk_outlet))
