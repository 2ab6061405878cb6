"""Territory geometry on top of shapely: read a GeoJSON boundary, find the boundary that holds a point.

No ``odoo`` import: callers turn the error codes into translated sentences.
"""

import json
from collections.abc import Iterable, Sequence

import numpy as np
from shapely import (
    STRtree,
    from_geojson,
    get_coordinates,
    intersects_xy,
    is_valid_reason,
    points,
    prepare,
    to_geojson,
)
from shapely.errors import GEOSException
from shapely.geometry.base import BaseGeometry

# Points that are matched at once: bounds the memory of a long list.
CHUNK = 1 << 17


class BoundaryError(ValueError):
    """A boundary that can't be used.

    ``code`` is one of ``json``, ``type``, ``shape``, ``empty``, ``range``, ``swapped``, ``invalid``;
    ``detail`` is a short technical cause, or an empty string.
    """

    def __init__(self, code: str, detail: str = ""):
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


def parse_boundary(text: str) -> BaseGeometry:
    """Read a GeoJSON Polygon or MultiPolygon (bare, or as a Feature's geometry; RFC 7946: longitude first).

    :raises BoundaryError: when it is no GeoJSON area, leaves the globe, has its axes swapped or crosses itself
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise BoundaryError("json", str(error)) from error
    if isinstance(data, dict) and data.get("type") == "Feature":
        data = data.get("geometry")
    if not isinstance(data, dict) or data.get("type") not in ("Polygon", "MultiPolygon"):
        raise BoundaryError("type", str(data.get("type")) if isinstance(data, dict) else type(data).__name__)
    try:
        area = from_geojson(json.dumps(data))
    except (GEOSException, ValueError, TypeError) as error:
        raise BoundaryError("shape", str(error)) from error
    if area is None or area.is_empty:
        raise BoundaryError("empty")
    coordinates = get_coordinates(area)
    longitude, latitude = np.abs(coordinates[:, 0]), np.abs(coordinates[:, 1])
    if not np.isfinite(coordinates).all() or longitude.max() > 180 or latitude.max() > 90:
        # A latitude beyond 90 whose partner fits a latitude is the sign of (latitude, longitude) order.
        if latitude.max() <= 180 and longitude.max() <= 90:
            raise BoundaryError("swapped", f"{coordinates[latitude.argmax()].tolist()}")
        worst = coordinates[(longitude > 180) | (latitude > 90) | ~np.isfinite(coordinates).all(axis=1)][0]
        raise BoundaryError("range", f"{worst.tolist()}")
    if not area.is_valid:
        raise BoundaryError("invalid", is_valid_reason(area))
    return area


def outline(text: str, tolerance: float = 0.005) -> dict:
    """GeoJSON geometry of a valid boundary, without corners that stand off by less than ``tolerance`` degrees."""
    return json.loads(to_geojson(parse_boundary(text).simplify(tolerance)))


def inner_point(text: str) -> tuple[float, float]:
    """``(latitude, longitude)`` of a point that surely lies inside a valid boundary."""
    point = parse_boundary(text).representative_point()
    return point.y, point.x


class PointIndex:
    """Boundaries in a spatial index. Where several hold a point, the first one given wins.

    :param keys: one integer per boundary, best first
    :param areas: the boundaries, aligned with ``keys``
    """

    def __init__(self, keys: Sequence[int], areas: Sequence[BaseGeometry]):
        self._keys = np.asarray(keys, dtype=np.int64)
        self._areas = np.asarray(areas, dtype=object)
        self._tree = STRtree(self._areas)
        prepare(self._areas)

    def match(self, coordinates: Iterable[tuple[float, float]]) -> np.ndarray:
        """Key of the boundary that holds each ``(latitude, longitude)`` in degrees, 0 where none does.

        A point on the border belongs to the boundary.
        """
        pairs = np.asarray(coordinates, dtype=float).reshape(-1, 2)
        result = np.zeros(len(pairs), dtype=np.int64)
        if len(self._keys):
            for start in range(0, len(pairs), CHUNK):
                self._match_chunk(pairs[start : start + CHUNK], result[start : start + CHUNK])
        return result

    def _match_chunk(self, pairs, result):
        """Boundaries nest, so that most points have several candidates: each point is tried on its best candidate
        alone, and on the next only when that one does not hold it."""
        latitude, longitude = pairs[:, 0], pairs[:, 1]
        point, area = self._tree.query(points(longitude, latitude))
        order = np.lexsort((area, point))
        point, area = point[order], area[order]
        # Where the candidates of the points still without an answer begin, and where they end.
        waiting, start = np.unique(point, return_index=True)
        end = np.append(start[1:], len(point))
        while len(waiting):
            held = intersects_xy(self._areas[area[start]], longitude[waiting], latitude[waiting])
            result[waiting[held]] = self._keys[area[start[held]]]
            left = ~held & (start + 1 < end)
            waiting, start, end = waiting[left], start[left] + 1, end[left]
