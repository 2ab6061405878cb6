"""A map-like picture of where goods were found, as SVG in HTML; no map is fetched from anywhere."""

import math

from markupsafe import Markup

WIDTH, HEIGHT, MARGIN = 640, 300, 60
HOME, ABROAD = "#198754", "#dc3545"


def draw(abroad, home, title, found, expected, home_label):
    """Bars of the places abroad, and dots of all places that have a position.

    :param abroad: list of ``(name, {"found", "expected", "position"})``; :param home: likewise, without expected
    :param title: heading; :param found: word for what was found; :param expected: word for what is usual
    :param home_label: word for the authorised area
    :rtype: Markup
    """
    most = max([row["found"] for _name, row in abroad] + [1])
    bars = Markup("").join(
        Markup(
            '<tr><td class="pe-3">{name}</td><td style="width:60%"><div class="progress" style="height:1.1rem">'
            '<div class="progress-bar bg-danger" style="width:{width}%">{count}</div></div></td>'
            '<td class="ps-3 text-muted text-nowrap">{expected} {usual}</td></tr>'
        ).format(
            name=name,
            width=round(100 * row["found"] / most),
            count=f"{row['found']} {found}",
            expected=f"{row['expected']:.1f}",
            usual=expected,
        )
        for name, row in abroad
    )
    table = Markup('<h5>{}</h5><table class="w-100 mb-3"><tbody>{}</tbody></table>').format(title, bars)
    return table + _map(abroad, home, home_label)


def _map(abroad, home, home_label):
    dots = [(name, row, ABROAD) for name, row in abroad if row["position"]]
    dots = [(name, row, HOME) for name, row in home if row["position"]] + dots
    if len(dots) < 2:
        return Markup("")
    north = [row["position"][0] for _name, row, _colour in dots]
    # A degree of longitude is shorter away from the equator.
    shrink = math.cos(math.radians(sum(north) / len(north)))
    east = [row["position"][1] * shrink for _name, row, _colour in dots]
    scale = min(
        (WIDTH - 2 * MARGIN) / max(max(east) - min(east), 0.1),
        (HEIGHT - 2 * MARGIN) / max(max(north) - min(north), 0.1),
    )
    left = (WIDTH - scale * (max(east) - min(east))) / 2
    top = (HEIGHT - scale * (max(north) - min(north))) / 2
    largest = max(row["found"] for _name, row, _colour in dots)
    shapes = []
    for (name, row, colour), x, y in zip(dots, east, north, strict=True):
        radius = 4 + 14 * math.sqrt(row["found"] / largest)
        across, down = left + scale * (x - min(east)), top + scale * (max(north) - y)
        shapes.append(
            Markup(
                '<circle cx="{x}" cy="{y}" r="{r}" fill="{colour}" fill-opacity="0.45" stroke="{colour}"/>'
                '<text x="{x}" y="{below}" text-anchor="middle" font-size="12" fill="currentColor">{name} {count}</text>'
            ).format(
                x=f"{across:.0f}",
                y=f"{down:.0f}",
                r=f"{radius:.0f}",
                below=f"{down + radius + 13:.0f}",
                colour=colour,
                name=name,
                count=row["found"],
            )
        )
    return Markup(
        '<svg viewBox="0 0 {w} {h}" class="w-100 border rounded" style="max-width:{w}px" role="img">{shapes}</svg>'
        '<div class="small text-muted"><span style="color:{home}">●</span> {label}</div>'
    ).format(w=WIDTH, h=HEIGHT, shapes=Markup("").join(shapes), home=HOME, label=home_label)
