"""Which grade a member has earned, at most one step from the one it has. Free of Odoo."""

from typing import NamedTuple


class Thresholds(NamedTuple):
    """What a grade asks for; ``max_overdue`` of -1 does not matter."""

    points: int = 0
    sales: float = 0.0
    attainment: float = 0.0
    max_overdue: int = -1


class Measures(NamedTuple):
    """What a member shows; ``attainment`` is None for a member without a target."""

    points: int
    sales: float
    attainment: float | None
    overdue: int


def missed(measures, thresholds):
    """Names of the measures that fall short of the thresholds."""
    names = []
    if measures.points < thresholds.points:
        names.append("points")
    if measures.sales < thresholds.sales:
        names.append("sales")
    if (
        thresholds.attainment
        and measures.attainment is not None
        and measures.attainment < thresholds.attainment
    ):
        names.append("attainment")
    if 0 <= thresholds.max_overdue < measures.overdue:
        names.append("overdue")
    return names


def propose(ladder, current, measures):
    """The step to take on the ladder of grades.

    :param list[Thresholds] ladder: the best grade first
    :param current: position of the present grade, or None for a member without one, who enters at the bottom
    :return: ``(position or None, "raise" | "keep" | "lower")``
    """
    if current is None:
        if ladder and not missed(measures, ladder[-1]):
            return len(ladder) - 1, "raise"
        return None, "keep"
    if missed(measures, ladder[current]):
        return (current + 1, "lower") if current + 1 < len(ladder) else (current, "keep")
    if current and not missed(measures, ladder[current - 1]):
        return current - 1, "raise"
    return current, "keep"
