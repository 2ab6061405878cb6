from odoo.tests import HttpCase, tagged

from odoo.addons.dms_channel.tests.common import DmsChannelCommon
from odoo.addons.dms_channel.tests.test_territory import box
from odoo.addons.dms_channel.tools.geometry import parse_boundary


@tagged("post_install", "-at_install")
class TestBoundaryTour(DmsChannelCommon, HttpCase):
    """A manager draws a territory on the map of the form."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Debian's Odoo comes without this library of video effects, and a browser test fails on the line that says so.
        cls.env["ir.asset"].sudo().create(
            {
                "name": "No video effects",
                "bundle": "web.assets_backend",
                "directive": "remove",
                "path": "mail/static/lib/selfie_segmentation/selfie_segmentation.js",
            }
        )
        cls.territory_country.boundary = box(110, 25, 120, 35)

    def _tour(self, name):
        url = f"/odoo/action-dms_channel.dms_territory_action/{self.territory_north.id}"
        self.start_tour(url, name, login=self.user_manager.login)
        self.env.invalidate_all()

    def test_drawn_with_a_hole(self):
        self._tour("dms_territory_boundary")
        area = parse_boundary(self.territory_north.boundary)
        self.assertEqual(area.geom_type, "Polygon")
        self.assertEqual(len(area.interiors), 1, "the part that was cut out is a hole")
        around, middle = parse_boundary(self.territory_country.boundary), area.centroid
        self.assertTrue(
            around.contains(middle) and not area.contains(middle), "drawn where the parent is shown"
        )
        west, south, *_rest = area.bounds
        found = self.env["dms.territory"]._match_points([(middle.y, middle.x), (south + 0.1, west + 0.1)])
        self.assertEqual(found, [self.territory_country, self.territory_north])

    def test_text_that_is_no_area_is_refused_in_words(self):
        self._tour("dms_territory_boundary_refused")
        self.assertFalse(self.territory_north.boundary)
