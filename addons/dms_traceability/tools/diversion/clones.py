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


# Positions that are wrong before anything is known of them: one in a thousand, as if seen a hundred times.
WRONG, WRONG_WEIGHT = 0.001, 100.0


@dataclass
class Clones:
    """Arrays over the different codes: the code; its fastest leap in km/h and the distance of it (0 where none);
    scans after it was used up; different telephones; expected share of false findings among all that are at least as
    strong; whether it must be a copy."""

    code: np.ndarray
    speed: np.ndarray
    distance: np.ndarray
    late: np.ndarray
    devices: np.ndarray
    q: np.ndarray
    cloned: np.ndarray


def _leaps(group_of, day, latitude, longitude, other=None):
    """Consecutive scans of one group in known places: rows before and after, km/h, km, and which are impossible.

    :param other: values in which the two must differ
    """
    order = np.lexsort((day, group_of))
    before, after = order[:-1], order[1:]
    known = ~np.isnan(latitude[before] + latitude[after])
    known &= group_of[before] == group_of[after]
    if other is not None:
        known &= other[before] != other[after]
    before, after = before[known], after[known]
    apart = distances(latitude[before], longitude[before], latitude[after], longitude[after])
    # Five minutes at least: two scans of one second may have come from one spot through two networks.
    speed = apart / np.maximum((day[after] - day[before]) * 24, 1 / 12)
    return before, speed, apart, (speed > SPEED) & (apart > LEAST_DISTANCE)


def _geometric(count):
    """q-values of counts, 1 where there is none; taken to be geometric, with the ratio of those that have a second one
    among those that have one: robust, since copies are few."""
    some = count > 0
    ratio = (np.sum(count > 1) + 1) / (np.sum(some) + 2)
    q = np.ones(len(count))
    q[some] = benjamini_hochberg(ratio ** (count[some] - 1.0))
    return q


def judge(code, day, latitude, longitude, device, ended, level=0.001, leap_level=0.05):
    """Find codes that were copied.

    A leap that nothing makes is a copy or a wrong position. How often positions are wrong is seen from telephones: one that
    is in two places at once has no second self. Of scans after the item was used up, and of telephones, there must be far
    more than of other items: owners scan an empty bottle, too.

    :param code: of each scan; :param day: in days; :param latitude: degrees, NaN where not known; :param longitude: likewise
    :param device: of each scan; :param ended: day on which the item was used up or destroyed, NaN where it was not
    :param float level: accepted share of false findings by counts; :param float leap_level: by leaps
    :rtype: Clones
    """
    number, first = group(code)
    count = len(first)
    before, speed, apart, leaping = _leaps(number, day, latitude, longitude, other=device)
    own_before, _speed, _apart, wrong = _leaps(group(device)[0], day, latitude, longitude)
    rate = (wrong.sum() + WRONG * WRONG_WEIGHT) / (len(own_before) + WRONG_WEIGHT)
    leap_q = min(rate * len(before) / max(leaping.sum(), 1), 1.0)
    fastest, farthest = np.zeros(count), np.zeros(count)
    np.maximum.at(fastest, number[before][leaping], speed[leaping])
    np.maximum.at(farthest, number[before][leaping], apart[leaping])
    late = np.bincount(number[np.nan_to_num(day - ended, nan=-1.0) > LAG], minlength=count)
    devices = count_different(number, device, count)
    counted = np.minimum(_geometric(devices), _geometric(late))
    leaps = (fastest > 0) & (leap_q <= leap_level)
    q = np.where(leaps, np.minimum(counted, leap_q), counted)
    return Clones(code[first], fastest, farthest, late, devices, q, leaps | (counted <= level))
