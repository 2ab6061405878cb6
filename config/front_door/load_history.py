"""Fed to Odoo's shell by ``./dms run --history``: the inbox takes the file, then every series is forecast."""

import json
import os
import sys
import time

from odoo.exceptions import UserError

STEPS = {
    "create": "Distributors and products made",
    "outlets": "Outlets taken",
    "check": "Lines in order",
    "release": "Lines released into the ledger",
}


def tell(step, done, total):
    print(f"    {STEPS.get(step, step)}: {done:,} of {total:,}", flush=True)


def table(report, names):
    """Print the counts, then why lines were refused, with the first of each reason."""
    for name in names:
        print(f"      {name.replace('_', ' '):<12} {report[name]:>12,}")
    for what in ("refused", "to_confirm"):
        for reason, count in sorted(report[f"{what}_by_reason"].items(), key=lambda pair: -pair[1]):
            print(f"        {what.replace('_', ' ')}, {reason}: {count:,}")
            print(f"          {report['examples'][reason]}")


def load(env, path, mapping):
    report = env["dms.feed"]._load_history(path, mapping, progress=tell)
    env.cr.commit()
    if report["existing"]:
        print(f"    This file is in the database already, as {report['feed']}: nothing was changed.")
    print(f"    {report['feed']}: {report['date_from']} to {report['date_to']}")
    if report["outlets"]:
        print("    Outlets")
        table(report["outlets"], ("rows", "released", "refused", "to_confirm", "duplicates"))
        print("    Sales")
    table(report, ("rows", "released", "refused", "to_confirm", "duplicates", "moves", "positions"))
    for step, seconds in report["seconds"].items():
        print(f"      {step:<12} {seconds:>10.1f} s")
    return report


def forecast(env):
    started = time.monotonic()
    run = env["dms.forecast.run"].create({})
    run._run()
    env.cr.commit()
    print(f"    Forecast of {run.series_count:,} series, error of the total per series {run.wape:.0%}")
    print(f"      forecast     {time.monotonic() - started:>10.1f} s", flush=True)


def main(env):
    mapping = {}
    if os.environ.get("DMS_HISTORY_MAP"):
        with open(os.environ["DMS_HISTORY_MAP"], encoding="utf-8") as file:
            mapping = json.load(file)
    report = load(env, os.environ["DMS_HISTORY"], mapping)
    if not report["existing"]:
        forecast(env)


try:
    main(env)  # noqa: F821  (Odoo's shell provides `env`)
except (UserError, ValueError) as error:
    # Odoo's shell would print a traceback and go on.
    print(f"    {error}", file=sys.stderr, flush=True)
    os._exit(1)
