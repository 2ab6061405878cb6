"""What a sender's code most likely stands for, from the codes and names that we know. Free of Odoo."""

import re
import unicodedata
from difflib import SequenceMatcher

#: Less alike than this is no suggestion.
LEAST = 60


def fold(text):
    """Letters and digits only, small, accents off: "Té-001 " and "TE001" are alike."""
    plain = unicodedata.normalize("NFKD", text or "").lower()
    return re.sub(r"[\W_]+", "", "".join(char for char in plain if not unicodedata.combining(char)))


def likeness(left, right):
    """0 to 100 for two folded texts; a long one that holds the other counts by how much of it that is."""
    if not left or not right:
        return 0
    if left == right:
        return 100
    if left.isdigit() and right.isdigit() and left.lstrip("0") == right.lstrip("0"):
        return 98  # a barcode that lost its leading zeros in a spreadsheet
    shorter, longer = sorted((left, right), key=len)
    if len(shorter) > 3 and shorter in longer:
        return 70 + 28 * len(shorter) // len(longer)
    matcher = SequenceMatcher(None, left, right, autojunk=False)
    if 100 * matcher.real_quick_ratio() < LEAST or 100 * matcher.quick_ratio() < LEAST:
        return 0
    return round(100 * matcher.ratio())


def best(code, candidates):
    """Answer (id, likeness) of the candidate that ``code`` is most like, or None where none is alike or two are.

    :param candidates: iterable of (id, texts)
    """
    wanted = fold(code)
    first, first_score, second_score = None, 0, 0
    for candidate, texts in candidates:
        score = max((likeness(wanted, fold(text)) for text in texts if text), default=0)
        if score > first_score:
            first, first_score, second_score = candidate, score, first_score
        elif score > second_score:
            second_score = score
    if first_score < LEAST or first_score == second_score:
        return None
    return first, first_score


#: Neighbours that a shop is compared with, in each order of sorting.
WINDOW = 12
#: How alike names and addresses of one shop are at least.
SAME_SHOP = 80


def find_similar(new, known, among=False):
    """Find shops that are there already under another code, by name and address.

    Comparing each with each would take a day for a large chain. Shops of the same place are sorted by address and by
    name instead, and each is compared with its nearest neighbours ("sorted neighbourhood"), so that the work grows with
    their number.

    :param list new: (key, name, address, place, code)
    :param list known: (name, address, place, code)
    :param bool among: whether new ones are compared with each other, too: the later one is like the earlier one
    :return: [(key, (name, address, place, code) of the one it is like)], each key once
    """
    entries = []
    for key, name, address, place, code in new:
        if fold(name) and fold(address):
            entries.append((fold(place), fold(address), fold(name), key, (name, address, place, code)))
    for name, address, place, code in known:
        if fold(name) and fold(address):
            entries.append((fold(place), fold(address), fold(name), None, (name, address, place, code)))
    found = {}
    for order in ((0, 1, 2), (0, 2, 1)):
        ordered = sorted(entries, key=lambda entry, order=order: [entry[index] for index in order])
        for index, entry in enumerate(ordered):
            for other in ordered[index + 1 : index + 1 + WINDOW]:
                if other[0] != entry[0]:
                    break
                _compare(entry, other, among, found)
    return list(found.items())


def _compare(left, right, among, found):
    if (left[3] is None and right[3] is None) or (not among and None not in (left[3], right[3])):
        return
    if right[3] is None or (left[3] is not None and left[3] > right[3]):
        left, right = right, left
    # now the right one is new, and the left one known or sent before it
    # number 12 and number 13 are two shops, however alike the rest is
    if _digits(left[1]) != _digits(right[1]) or _digits(left[2]) != _digits(right[2]):
        return
    if right[3] in found or min(likeness(left[1], right[1]), likeness(left[2], right[2])) < SAME_SHOP:
        return
    found[right[3]] = left[4]


def _digits(text):
    return re.findall(r"\d+", text)
