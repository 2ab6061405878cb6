from odoo.tests import HttpCase, tagged

from odoo.addons.dms_channel.tests.common import DmsChannelCommon

SALES = (
    "thing,when,pieces\n"
    + "".join(f"TEA,2026-01-0{day},5\n" for day in range(1, 10))
    + "TEA,2026-01-10,500\nT-1,2026-01-11,5\nT-2,2026-01-12,5\nTEA,2026-01-13,many\n"
)


@tagged("post_install", "-at_install")
class TestFeedTours(DmsChannelCommon, HttpCase):
    """What the brand's people do with a file in the inbox, in a real browser."""

    def _start(self, feed, tour):
        self.start_tour(
            f"/odoo/action-dms_channel.dms_feed_action/{feed.id}", tour, login=self.user_channel.login
        )
        self.env.invalidate_all()

    def test_mended_in_bulk(self):
        rules = self.env["dms.feed.rule"].search([])
        (rules - rules.filtered(lambda rule: rule.kind == "quantity_far")).active = False
        feed = (
            self.env["dms.feed"]
            .with_user(self.user_channel)
            ._receive(SALES.encode(), "till.csv", partner=self.distributor_north, keep=True)
        )
        self._start(feed, "dms_feed_mended")
        self.assertEqual((feed.state, feed.released_count), ("released", 13))
        self.assertEqual(feed.line_ids.filtered("accepted").accept_reason, "a wedding")

    def test_outlets(self):
        self.outlet.street = "Mill Lane 1"
        feed = (
            self.env["dms.feed"]
            .with_user(self.user_channel)
            ._receive(
                b"code,name,address,zip\nO-1,Corner Shop,Mill Lane 3,1010\nO-2,Station Shop,Platform 1,1020\n",
                "shops.csv",
                partner=self.distributor_north,
                kind="outlet",
            )
        )
        self._start(feed, "dms_feed_outlets")
        self.assertEqual(self.outlet.street, "Mill Lane 3")
