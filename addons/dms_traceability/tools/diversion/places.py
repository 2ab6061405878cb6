"""Where places are to distributors: at home, next door, or how far away."""

import numpy as np

EARTH_RADIUS = 6371.0088  # km, mean
# Lower edges of the classes of distance in km; places without a position get a class of their own.
EDGES = np.array([0, 30, 60, 100, 150, 250, 400, 700, 1200])
UNKNOWN = len(EDGES)


def distances(latitude, longitude, other_latitude, other_longitude):
    """Great-circle distances in km (haversine) of points in degrees; the arrays broadcast."""
    first, second = np.radians(latitude), np.radians(other_latitude)
    across = np.radians(np.subtract(other_longitude, longitude))
    root = np.sin((second - first) / 2) ** 2 + np.cos(first) * np.cos(second) * np.sin(across / 2) ** 2
    return 2 * EARTH_RADIUS * np.arcsin(np.sqrt(np.clip(root, 0, 1)))


def classes(is_home, latitude, longitude):
    """Class of each place for each distributor, by the distance from the nearest place at home.

    :param is_home: bool (distributors, places)
    :param latitude: degrees (places,), NaN where not known; :param longitude: likewise
    :return: int8 (distributors, places): -1 at home, 0 and up abroad, :data:`UNKNOWN` where a position is missing
    """
    known = ~(np.isnan(latitude) | np.isnan(longitude))
    result = np.full(is_home.shape, UNKNOWN, np.int8)
    for row, home in enumerate(is_home):
        own = np.flatnonzero(home & known)
        if len(own):
            apart = distances(
                latitude[own][:, None], longitude[own][:, None], latitude[known][None], longitude[known][None]
            ).min(0)
            result[row, known] = np.searchsorted(EDGES, apart, side="right") - 1
    result[is_home] = -1
    return result
