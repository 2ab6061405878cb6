import json
import unittest

from hypothesis import given
from hypothesis import strategies as st
from shapely import Point

from odoo.addons.dms_channel.tools.address import AddressIndex, Area, normalise_zip, split_prefixes
from odoo.addons.dms_channel.tools.geometry import BoundaryError, PointIndex, parse_boundary


def square(west, south, size=1.0, hole=None):
    def ring(x, y, s):
        return [[x, y], [x + s, y], [x + s, y + s], [x, y + s], [x, y]]

    rings = [ring(west, south, size)] + ([ring(*hole)] if hole else [])
    return json.dumps({"type": "Polygon", "coordinates": rings})


class TestBoundary(unittest.TestCase):
    def assertRefused(self, code, text):
        with self.assertRaises(BoundaryError) as caught:
            parse_boundary(text)
        self.assertEqual(caught.exception.code, code)

    def test_good(self):
        self.assertEqual(parse_boundary(square(10, 20)).area, 1.0)
        holed = parse_boundary(square(10, 20, 4, hole=(11, 21, 1)))
        self.assertEqual(holed.area, 15.0)
        feature = json.dumps({"type": "Feature", "properties": {}, "geometry": json.loads(square(0, 0))})
        self.assertEqual(parse_boundary(feature).area, 1.0)
        multi = {
            "type": "MultiPolygon",
            "coordinates": [json.loads(square(0, 0))["coordinates"], json.loads(square(5, 5))["coordinates"]],
        }
        self.assertEqual(parse_boundary(json.dumps(multi)).area, 2.0)

    def test_bad(self):
        self.assertRefused("json", "{")
        self.assertRefused("type", "[1, 2]")
        self.assertRefused("type", '{"type": "Point", "coordinates": [1, 2]}')
        self.assertRefused("type", '{"type": "Feature", "geometry": null}')
        self.assertRefused("shape", '{"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}')
        self.assertRefused("shape", '{"type": "Polygon", "coordinates": "x"}')
        self.assertRefused("empty", '{"type": "Polygon", "coordinates": []}')
        self.assertRefused("swapped", square(31, 121))
        self.assertRefused("range", square(181, 0))
        bow = {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]}
        self.assertRefused("invalid", json.dumps(bow))


class TestPointIndex(unittest.TestCase):
    def test_first_boundary_wins_and_holes_are_outside(self):
        areas = [parse_boundary(square(1, 1)), parse_boundary(square(0, 0, 10, hole=(5, 5, 1)))]
        index = PointIndex([7, 8], areas)
        found = index.match([(1.5, 1.5), (9.0, 9.0), (5.5, 5.5), (50.0, 50.0), (0.0, 0.0)])
        self.assertEqual(found.tolist(), [7, 8, 0, 0, 8])

    def test_nothing(self):
        self.assertEqual(PointIndex([], []).match([(1.0, 1.0)]).tolist(), [0])
        self.assertEqual(PointIndex([1], [parse_boundary(square(0, 0))]).match([]).tolist(), [])

    @given(
        squares=st.lists(
            st.tuples(st.integers(-20, 20), st.integers(-20, 20), st.integers(1, 15)), min_size=1, max_size=12
        ),
        points=st.lists(st.tuples(st.floats(-30, 30), st.floats(-30, 30)), min_size=1, max_size=20),
    )
    def test_same_as_looking_at_every_boundary(self, squares, points):
        areas = [parse_boundary(square(*values)) for values in squares]
        keys = list(range(1, len(areas) + 1))
        expected = [
            next((key for key, area in zip(keys, areas, strict=True) if area.intersects(Point(lon, lat))), 0)
            for lat, lon in points
        ]
        self.assertEqual(PointIndex(keys, areas).match(points).tolist(), expected)


class TestAddressIndex(unittest.TestCase):
    def test_texts(self):
        self.assertEqual(normalise_zip(" sw1a-1aa "), "SW1A1AA")
        self.assertEqual(normalise_zip(None), "")
        self.assertEqual(split_prefixes("200, 201，2153、 200,,"), ("200", "201", "2153"))

    @given(
        areas=st.lists(
            st.tuples(
                st.frozensets(st.integers(1, 3), max_size=2),
                st.frozensets(st.integers(1, 3), max_size=2),
                st.lists(st.text("12", max_size=3), max_size=2).map(tuple),
            ),
            max_size=10,
        ),
        country=st.integers(0, 3),
        state=st.integers(0, 3),
        code=st.text("12", max_size=4),
    )
    def test_same_as_looking_at_every_area(self, areas, country, state, code):
        areas = [Area(key, *claims) for key, claims in enumerate(areas, start=1)]
        expected = next(
            (
                area.key
                for area in areas
                if (not area.countries or country in area.countries)
                and (not area.states or state in area.states)
                and (not area.prefixes or any(code.startswith(prefix) for prefix in area.prefixes))
            ),
            0,
        )
        self.assertEqual(AddressIndex(areas).match(country, state, code), expected)
