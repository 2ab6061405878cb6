"""Codes that more than one item carries: what one item can't do."""

from dataclasses import dataclass

import numpy as np

from .evidence import count_different, group
from .judge import benjamini_hochberg
from .places import distances

# Faster than an airliner, over more than what a position may be wrong by.
SPEED, LEAST_DISTANCE = 900.0, 150.0
# An item is scanned again by its owner after it is sold; a consumed one is gone. Clocks and uploads may lag a day.
LAG = 1.0


@dataclass
class Clones:
    """Arrays over the different codes: the code; its fastest leap in km/h and the distance of it (0 where none);
    scans after it was used up; different telephones; q-value of so many; whether it must be a copy."""

    code: np.ndarray
    speed: np.ndarray
    distance: np.ndarray
    late: np.ndarray
    devices: np.ndarray
    q: np.ndarray
    cloned: np.ndarray


def judge(code, day, latitude, longitude, device, ended, level=0.001):
    """Find codes that were copied.

    How many telephones scan an item is taken to be geometric, with the ratio of the codes that a second one scanned among
    those scanned at all: robust, since copies are few.

    :param code: of each scan; :param day: in days; :param latitude: degrees, NaN where not known; :param longitude: likewise
    :param device: of each scan; :param ended: day on which the item was used up or destroyed, NaN where it was not
    :param float level: accepted share of false findings by telephones alone
    :rtype: Clones
    """
    number, first = group(code)
    count = len(first)
    order = np.lexsort((day, number))
    before, after = order[:-1], order[1:]
    known = ~np.isnan(latitude[before] + latitude[after])
    pairs = np.flatnonzero((number[before] == number[after]) & (device[before] != device[after]) & known)
    before, after = before[pairs], after[pairs]
    apart = distances(latitude[before], longitude[before], latitude[after], longitude[after])
    # Five minutes at least: two scans of one second may have come from one spot through two networks.
    speed = apart / np.maximum((day[after] - day[before]) * 24, 1 / 12)
    leaping = (speed > SPEED) & (apart > LEAST_DISTANCE)
    fastest, farthest = np.zeros(count), np.zeros(count)
    np.maximum.at(fastest, number[before][leaping], speed[leaping])
    np.maximum.at(farthest, number[before][leaping], apart[leaping])
    late = np.bincount(number[np.nan_to_num(day - ended, nan=-1.0) > LAG], minlength=count)
    devices = count_different(number, device, count)
    ratio = (np.sum(devices > 1) + 1) / (count + 2)
    q = benjamini_hochberg(ratio ** (devices - 1.0))
    return Clones(code[first], fastest, farthest, late, devices, q, (fastest > 0) | (late > 0) | (q <= level))
