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
