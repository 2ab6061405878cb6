"""Pictures of the evidence, as SVG in HTML: a map-like one of where goods were found (no map is fetched from anywhere), and
one of how volumes went."""

import math

from markupsafe import Markup

WIDTH, HEIGHT, MARGIN = 640, 300, 60
HOME, ABROAD = "#198754", "#dc3545"
COURSES = "#dc3545", "#0d6efd"
COURSE_HEIGHT, LABEL = 240, 24


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


def draw_courses(courses, ends, title, usual):
    """Lines of two distributors' volumes by month, as multiples of what was expected, on a logarithmic scale.

    :param courses: list of ``(name, multiples)``, None where nothing was taken
    :param ends: labels of the first and the last month
    :param title: heading; :param usual: word for the line of what was expected
    :rtype: Markup
    """
    # Twice and half as much are equally far from the middle; what is further is drawn at the edge.
    reach = max(
        [abs(math.log(value)) for _name, values in courses for value in values if value] + [math.log(1.5)]
    )
    steps = max(len(courses[0][1]) - 1, 1)

    def point(number, value):
        across = MARGIN + (WIDTH - 2 * MARGIN) * number / steps
        return (
            f"{across:.0f}",
            f"{COURSE_HEIGHT / 2 - (COURSE_HEIGHT / 2 - 2 * LABEL) * math.log(value) / reach:.0f}",
        )

    shapes = []
    for (_name, values), colour in zip(courses, COURSES, strict=True):
        spots = [point(number, value) for number, value in enumerate(values) if value]
        shapes.append(
            Markup('<polyline points="{}" fill="none" stroke="{}" stroke-width="2"/>').format(
                " ".join(",".join(spot) for spot in spots), colour
            )
        )
        shapes += [
            Markup('<circle cx="{}" cy="{}" r="3" fill="{}"/>').format(*spot, colour) for spot in spots
        ]
    middle = COURSE_HEIGHT // 2
    frame = Markup(
        '<line x1="{left}" x2="{right}" y1="{middle}" y2="{middle}" stroke="currentColor" stroke-opacity="0.3"/>'
        '<text x="4" y="{middle}" font-size="11" fill="currentColor" dominant-baseline="middle">× 1</text>'
        '<text x="4" y="{top}" font-size="11" fill="currentColor">× {most}</text>'
        '<text x="4" y="{low}" font-size="11" fill="currentColor">× {least}</text>'
        '<text x="{left}" y="{foot}" font-size="11" fill="currentColor" text-anchor="middle">{first}</text>'
        '<text x="{right}" y="{foot}" font-size="11" fill="currentColor" text-anchor="middle">{last}</text>'
        '<text x="{end}" y="{above}" font-size="11" fill="currentColor" text-anchor="end">{usual}</text>'
    ).format(
        left=MARGIN,
        right=WIDTH - MARGIN,
        end=WIDTH - 4,
        middle=middle,
        above=middle - 6,
        top=2 * LABEL,
        low=COURSE_HEIGHT - 2 * LABEL,
        foot=COURSE_HEIGHT - LABEL // 3,
        most=f"{math.exp(reach):.1f}",
        least=f"{math.exp(-reach):.2f}",
        first=ends[0],
        last=ends[1],
        usual=usual,
    )
    legend = Markup(" ").join(
        Markup('<span class="me-3"><span style="color:{}">●</span> {}</span>').format(colour, name)
        for (name, _values), colour in zip(courses, COURSES, strict=True)
    )
    return Markup(
        '<h5>{title}</h5><svg viewBox="0 0 {w} {h}" class="w-100 border rounded" style="max-width:{w}px" role="img">'
        '{frame}{shapes}</svg><div class="small text-muted">{legend}</div>'
    ).format(
        title=title, w=WIDTH, h=COURSE_HEIGHT, frame=frame, shapes=Markup("").join(shapes), legend=legend
    )
