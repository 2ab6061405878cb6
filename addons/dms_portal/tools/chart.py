"""Geometry of small charts, drawn by templates as SVG: weeks with two bars each and a line; a line that may go below
zero.

Free of Odoo, so that it can be tested by itself. All lengths are in the SVG's own units.
"""

from math import floor, log10

WIDTH, HEIGHT = 640, 220
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 10, 24


def nice_ceiling(value):
    """The smallest of 1, 2, 2.5, 5 x 10^n that is not below ``value``; 1 for what is not positive."""
    if value <= 0:
        return 1.0
    power = 10.0 ** floor(log10(value))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value * (1 - 1e-9))


def short_number(value):
    """1234567 -> '1.2M'; at most one decimal."""
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.1f}".rstrip("0").rstrip(".") + suffix
    return f"{value:g}"


def weeks_chart(labels, came, left, stock=None):
    """Place the bars and the line of a chart.

    :param list[str] labels: names of the weeks
    :param list[float] came: goods that came, one number a week
    :param list[float] left: goods that left
    :param list[float] stock: stock at each week's end, or None
    :return: ``{"width", "height", "bars": [{"x", "y", "width", "height", "kind"}], "points": "x,y x,y",
        "ticks": [{"y", "text"}], "labels": [{"x", "text"}]}``
    :rtype: dict
    """
    count = len(labels)
    if not (len(came) == len(left) == count) or (stock is not None and len(stock) != count):
        raise ValueError("all series of a chart have one number a week")
    top = nice_ceiling(max([*came, *left, *(stock or ()), 0.0]))
    inner_width, inner_height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    step = inner_width / count if count else inner_width

    def y(value):
        return round(TOP + inner_height * (1 - max(value, 0.0) / top), 1)

    bars = []
    for number in range(count):
        for kind, series, offset in (("in", came, 0.12), ("out", left, 0.5)):
            if series[number] > 0:
                bars.append(
                    {
                        "x": round(LEFT + step * (number + offset), 1),
                        "y": y(series[number]),
                        "width": round(step * 0.36, 1),
                        "height": round(HEIGHT - BOTTOM - y(series[number]), 1),
                        "kind": kind,
                    }
                )
    every = max(1, -(-count // 7))
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
        "bars": bars,
        "points": " ".join(
            f"{round(LEFT + step * (number + 0.5), 1)},{y(value)}" for number, value in enumerate(stock or ())
        ),
        "ticks": [{"y": y(top * part / 4), "text": short_number(top * part / 4)} for part in range(5)],
        "labels": [
            {"x": round(LEFT + step * (number + 0.5), 1), "text": text}
            for number, text in enumerate(labels)
            if (count - 1 - number) % every == 0
        ],
    }


def line_chart(labels, values):
    """Place one line, which may go below zero.

    :param list[str] labels: names of the points in time
    :param list[float] values: one number for each of them
    :return: as :func:`weeks_chart` without bars, and ``"zero"``: height of the zero line
    :rtype: dict
    """
    if len(labels) != len(values):
        raise ValueError("a line has one number for each label")
    top = nice_ceiling(max([*values, 0.0]))
    bottom = -nice_ceiling(-min(values)) if values and min(values) < 0 else 0.0
    inner_width, inner_height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    step = inner_width / len(labels) if labels else inner_width

    def x(number):
        return round(LEFT + step * (number + 0.5), 1)

    def y(value):
        return round(TOP + inner_height * (top - value) / (top - bottom), 1)

    every = max(1, -(-len(labels) // 7))
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
        "zero": y(0.0),
        "points": " ".join(f"{x(number)},{y(value)}" for number, value in enumerate(values)),
        "ticks": [
            {"y": y(value), "text": short_number(value)}
            for value in (bottom + (top - bottom) * part / 4 for part in range(5))
        ],
        "labels": [
            {"x": x(number), "text": text}
            for number, text in enumerate(labels)
            if (len(labels) - 1 - number) % every == 0
        ],
    }


def shares(values):
    """Lengths of bars, in percent of the longest, for values of either sign.

    :param list[float] values:
    :rtype: list[float]
    """
    longest = max(map(abs, values), default=0.0)
    return [round(100 * abs(value) / longest, 1) if longest else 0.0 for value in values]
