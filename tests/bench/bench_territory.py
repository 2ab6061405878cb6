"""Territory look-ups for addresses and for points among 3,000 territories, beside a search of Odoo's for each address."""

import functools
import json
import math
import os
import random
import sys

sys.path.insert(0, os.path.join(os.environ["DMS_CHECKOUT"], "tests", "bench"))

from measure import measure, table

STATES, DISTRICTS, ZONES = 30, 9, 10
WEST, SOUTH, WIDTH, HEIGHT = 75.0, 5.0, 60.0, 40.0


def outline(west, south, width, height, corners=120):
    """GeoJSON of a wavy ring that nearly fills the box."""
    ring = []
    for corner in range(corners):
        angle = 2 * math.pi * corner / corners
        radius = 0.46 + 0.03 * math.sin(5 * angle)
        ring.append(
            [
                round(west + width * (0.5 + radius * math.cos(angle)), 6),
                round(south + height * (0.5 + radius * math.sin(angle)), 6),
            ]
        )
    return json.dumps({"type": "Polygon", "coordinates": [[*ring, ring[0]]]})


def build(env):
    """A country cut into 30 states of 9 districts of 10 zones: 3,001 territories, each with an outline of 120 corners;
    a state is known by its code, districts and zones by the beginning of the zip code."""
    Territory = env["dms.territory"]
    country = env["res.country"].create({"name": "Benchland", "code": "ZB"})
    states = env["res.country.state"].create(
        [
            {"name": f"State {number}", "code": f"Z{number}", "country_id": country.id}
            for number in range(STATES)
        ]
    )
    root = Territory.create({"name": "Benchland", "country_ids": [(6, 0, country.ids)]})
    width = WIDTH / STATES
    tops = Territory.create(
        [
            {
                "name": f"State {number}",
                "parent_id": root.id,
                "state_ids": [(6, 0, state.ids)],
                "boundary": outline(WEST + width * number, SOUTH, width, HEIGHT),
            }
            for number, state in enumerate(states)
        ]
    )
    height = HEIGHT / DISTRICTS
    districts = Territory.create(
        [
            {
                "name": f"District {number}",
                "parent_id": top.id,
                "zip_prefixes": f"{10 + column}{number}",
                "boundary": outline(WEST + width * column, SOUTH + height * number, width, height),
            }
            for column, top in enumerate(tops)
            for number in range(DISTRICTS)
        ]
    )
    Territory.create(
        [
            {
                "name": f"Zone {zone}",
                "parent_id": district.id,
                "zip_prefixes": f"{district.zip_prefixes}{zone}",
                "boundary": outline(
                    WEST + width * (index // DISTRICTS),
                    SOUTH + height * (index % DISTRICTS + zone / ZONES),
                    width,
                    height / ZONES,
                ),
            }
            for index, district in enumerate(districts)
            for zone in range(ZONES)
        ]
    )
    env.flush_all()
    return country, states


def addresses(country, states, count):
    dice = random.Random(count)
    ids = states.ids
    return [
        {
            "country_id": country.id,
            "state_id": ids[column],
            "zip": f"{10 + column}{dice.randrange(DISTRICTS)}{dice.randrange(1000):03}",
        }
        for column in (dice.randrange(STATES) for _ in range(count))
    ]


def coordinates(count):
    """Latitude and longitude of points in the country, and a few outside."""
    dice = random.Random(count)
    return [
        (SOUTH + HEIGHT * dice.uniform(-0.01, 1.01), WEST + WIDTH * dice.uniform(-0.01, 1.01))
        for _ in range(count)
    ]


def search_each(env, rows):
    for row in rows:
        env["dms.territory"].search(
            [
                "|",
                ("state_ids", "in", row["state_id"]),
                ("zip_prefixes", "in", [row["zip"][:length] for length in (3, 4)]),
            ],
            order="parent_path desc",
            limit=1,
        )


def main(env):
    country, states = build(env)
    Territory = env["dms.territory"]
    run = functools.partial(search_each, env, addresses(country, states, 500))
    baseline = [measure("Odoo: one search() for each address", 500, run)]
    # The indexes are built once per change of a territory, and shared by all requests of the process.
    runs = [
        measure("DMS: index of all addresses, built", 3001, Territory._get_address_index),
        measure("DMS: index of all boundaries, built", 3001, Territory._get_point_index),
    ]
    for count in (200_000, 1_000_000):
        rows = addresses(country, states, count)
        run = functools.partial(Territory._match_addresses, rows)
        runs.append(measure("DMS: addresses", count, run))
        del rows
    for count in (200_000, 1_000_000):
        pairs = coordinates(count)
        run = functools.partial(Territory._match_points, pairs)
        runs.append(measure("DMS: points", count, run))
        del pairs
    table("look-ups", baseline, runs)
    env.cr.rollback()


main(env)  # noqa: F821  (Odoo's shell provides `env`)
