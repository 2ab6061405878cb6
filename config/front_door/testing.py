"""The test suite, the linters and the benchmarks."""

import argparse
import json
import os
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

from . import chromium, database, environment, postgres
from .run_command import run
from .say import Stop, say, step
from .settings import ADDONS, CHECKOUT

NO_TESTS = 5


def test(settings, words, alone):
    """Run lint (when nothing is chosen), the pure tests, then the models', routes' and browser's.

    :param words: pytest arguments; none means all there is
    :param alone: context manager that keeps other set-ups out
    :return: exit status
    """
    with alone(settings):
        odoo = environment.ensure_all(settings)
    failed = False
    if not words:
        failed = lint(settings, odoo)
    totals = Counter()
    kinds, words = _kinds(words)
    status = NO_TESTS
    if "pure" in kinds:
        status = _pytest(settings, odoo, None, words, "pure", totals)
    if "models" in kinds and _selects_models(settings, odoo, words):
        chromium.ensure()
        tested = f"dms_test_{settings.checkout_key}"
        working = f"{tested}_run_{os.getpid()}"
        with alone(settings):
            server = postgres.start(settings)
            database.ensure(settings, odoo, server, tested, demo=False, extra=("test_lint",))
            database.clone(settings, server, tested, working)
        try:
            status = max(
                status, _pytest(settings, odoo, (server, working), words, "models", totals), key=_weight
            )
        finally:
            database.drop(settings, server, working)
            (settings.home / "etc" / f"{working}.conf").unlink(missing_ok=True)
            postgres.leave(settings)
    if not sum(totals.values()):
        say("No test matches.")
        return NO_TESTS
    if failed:
        say("lint found something: see above (./dms lint shows it alone)")
    say(f"{totals['passed']} passed, {totals['failed']} failed, {totals['skipped']} skipped")
    return 1 if failed else (0 if status == NO_TESTS else status)


def _kinds(words):
    """The kinds of tests that ``--only`` leaves, and the other words."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--only", choices=("pure", "models"))
    known, words = parser.parse_known_args(words)
    return [known.only] if known.only else ["pure", "models"], words


def _weight(status):
    return {0: 1, NO_TESTS: 0}.get(status, 2)


def _command(settings, config, words, kind):
    return [
        *(
            os.fspath(settings.python),
            "-m",
            "pytest",
            f"--odoo-config={config}",
            "--odoo-http",
            f"--only={kind}",
        ),
        *words,
    ]


def _environment(settings, odoo, server):
    variables = database.odoo_environment(settings, odoo, server or postgres.Postgres(None, {}))
    variables["DMS_HOME"] = str(settings.home)
    if settings.odoo:
        variables["DMS_ODOO"] = str(settings.odoo)
    return variables


def _pytest(settings, odoo, working, words, kind, totals):
    server, name = working or (None, f"none_{settings.checkout_key}")
    config = database.write_config(settings, odoo, name, log_level="warn", max_cron_threads=0)
    with tempfile.TemporaryDirectory(prefix="dms-test-") as folder:
        report = Path(folder) / "report.xml"
        done = subprocess.run(
            [*_command(settings, config, words, kind), f"--odoo-database={name}", f"--junit-xml={report}"],
            check=False,
            cwd=CHECKOUT,
            env=_environment(settings, odoo, server),
        )
        if report.exists():
            for suite in ElementTree.parse(report).getroot().iter("testsuite"):
                bad = int(suite.get("failures")) + int(suite.get("errors"))
                skipped = int(suite.get("skipped"))
                totals.update(failed=bad, skipped=skipped, passed=int(suite.get("tests")) - bad - skipped)
    return done.returncode


def _selects_models(settings, odoo, words):
    """Whether any test that needs a database is chosen: asked first, so that a unit test never waits for one."""
    config = database.write_config(settings, odoo, f"none_{settings.checkout_key}", log_level="warn")
    done = subprocess.run(
        [*_command(settings, config, words, "models"), "--odoo-database=none", "--collect-only", "-qq"],
        check=False,
        cwd=CHECKOUT,
        env=_environment(settings, odoo, None),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return done.returncode != NO_TESTS


def lint(settings, odoo, fix=False):
    """Run every linter and say what each found.

    :param bool fix: first let those that can mend what they find
    :return: whether any found something
    """
    bin = settings.venv / "bin"
    if fix:
        for words in (("check", "--fix"), ("format",)):
            subprocess.run([bin / "ruff", *words, "--quiet", "."], check=False, cwd=CHECKOUT)
        if shutil.which("npm"):
            command = [*_prettier(settings), "--write", "--log-level=warn", *_prettier_files()]
            subprocess.run(command, check=False, cwd=CHECKOUT)
    addons = [CHECKOUT / "addons" / addon for addon in ADDONS]
    checks = [
        ("ruff check", [bin / "ruff", "check", "."]),
        ("ruff format", [bin / "ruff", "format", "--check", "."]),
        (
            "pylint-odoo",
            [
                bin / "pylint",
                "--rcfile=config/pylintrc",
                "--disable=missing-readme,missing-return,method-required-super,prefer-env-translation",
                *addons,
            ],
        ),
        ("Odoo's own checkers", [bin / "pylint", "--rcfile=config/pylintrc-odoo", *addons]),
        (
            "OCA's module checks",
            [
                bin / "oca-checks-odoo-module",
                "--disable=xml-header-wrong,xml-field-numeric-without-eval,xml-tag-position",
                *addons,
            ],
        ),
        (
            "OCA's translation checks",
            [
                bin / "oca-checks-po",
                "--disable=po-pretty-format",
                *sorted(CHECKOUT.glob("addons/*/i18n/*.po")),
            ],
        ),
    ]
    if shutil.which("npm"):
        checks.append(("prettier", [*_prettier(settings), "--check", *_prettier_files()]))
    else:
        say(
            "  prettier (XML, JavaScript) needs npm, which is not installed: not checked. To mend it: apt install npm"
        )
    checkers = next(
        folder / "test_lint" / "tests" for folder in odoo.addons if (folder / "test_lint").is_dir()
    )
    variables = _environment(settings, odoo, None)
    variables["PYTHONPATH"] += f"{os.pathsep}{checkers}"
    found = False
    for name, command in checks:
        done = subprocess.run(
            list(map(os.fspath, command)),
            check=False,
            cwd=CHECKOUT,
            env=variables,
            text=True,
            capture_output=True,
        )
        found |= bool(done.returncode)
        say(f"  {name}: {'found something' if done.returncode else 'fine'}")
        if done.returncode:
            say(done.stdout + done.stderr)
    return found


def _prettier(settings):
    wanted = json.loads((CHECKOUT / "config" / "package.json").read_text())["devDependencies"]
    folder = settings.home / ("prettier-" + "-".join(wanted.values()))
    if not (folder / "node_modules" / ".complete").exists():
        with step("prettier"):
            folder.mkdir(exist_ok=True)
            run(
                ["npm", "install", "--no-save", "--no-audit", "--no-fund", "--prefix", folder]
                + [f"{name}@{version}" for name, version in wanted.items()],
                "installing prettier",
                "check that npm reaches its registry.",
                cwd=folder,
            )
            (folder / "node_modules" / ".complete").touch()
    modules = folder / "node_modules"
    return [modules / ".bin" / "prettier", f"--plugin={modules / '@prettier/plugin-xml/src/plugin.js'}"]


def _prettier_files():
    # Relative names: the configuration's patterns are, too.
    return [
        str(path.relative_to(CHECKOUT))
        for pattern in ("addons/*/static/**/*.js", "addons/*/**/*.xml")
        for path in sorted(CHECKOUT.glob(pattern))
        if "lib" not in path.parts
    ]


def bench(settings, name):
    """Run one benchmark of tests/bench, or all, on a database of their own."""
    odoo = environment.ensure_all(settings)
    scripts = sorted((CHECKOUT / "tests" / "bench").glob("bench_*.py"))
    names = [path.stem.removeprefix("bench_") for path in scripts]
    if name and name not in names:
        raise Stop(f"there is no benchmark “{name}”.", f"choose one of: {', '.join(names)}.")
    server = postgres.start(settings)
    tested, working = f"dms_test_{settings.checkout_key}", f"dms_bench_{settings.checkout_key}"
    try:
        database.ensure(settings, odoo, server, tested, demo=False, extra=("test_lint",))
        for path in scripts:
            if name in (None, path.stem.removeprefix("bench_")):
                database.drop(settings, server, working)
                database.clone(settings, server, tested, working)
                say(f"\n{path.stem.removeprefix('bench_')}")
                shell(settings, odoo, server, working, path)
    finally:
        database.drop(settings, server, working)
        postgres.leave(settings)


def shell(settings, odoo, server, name, script=None):
    """Open Odoo's shell on a database, or run `script` in it.

    :raise Stop: when the script fails
    """
    config = database.write_config(settings, odoo, name, log_level="warn", max_cron_threads=0)
    words = ["--no-http"]
    if script is None:
        words.append("--shell-interface=python")
    done = subprocess.run(
        database.odoo_command(settings, config, "shell", *words),
        check=False,
        cwd=settings.home,
        env={**_environment(settings, odoo, server), "DMS_CHECKOUT": str(CHECKOUT)},
        stdin=script.open() if script else None,
    )
    if done.returncode:
        raise Stop(
            f"{script.name if script else 'the shell'} ended with status {done.returncode}.", "see above."
        )
