"""The words of ``./dms``."""

import argparse
import fcntl
import shutil
import signal
import sys
from contextlib import contextmanager
from pathlib import Path

from . import database, environment, postgres, server, testing
from .say import Stop, say
from .settings import CHECKOUT, Settings

EPILOGUE = """\
environment (a flag wins over its variable):
  DMS_HOME      cache folder: Odoo, Python packages, PostgreSQL, files (default: ~/.cache/dms; root: /var/cache/dms)
  DMS_ODOO      a source tree of Odoo 19 to use instead of Debian's package
  DMS_PORT, DMS_HOST, DMS_DATABASE
  PGHOST, PGUSER, ...   a PostgreSQL server to use instead of our own
"""


def parser():
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--home", metavar="FOLDER", help="cache folder")
    common.add_argument("--odoo", metavar="FOLDER", help="source tree of Odoo 19")
    common.add_argument("--database", metavar="NAME", help="database (default: dms)")
    common.add_argument("--port", metavar="NUMBER", help="port to serve on (default: 8069)")
    common.add_argument(
        "--host", metavar="ADDRESS", help="address to serve on (default: 127.0.0.1, this machine alone)"
    )
    top = argparse.ArgumentParser(
        prog="./dms",
        description="DMS: distributor management on Odoo 19.",
        epilog=EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", metavar="command", required=True)

    def command(name, text, **options):
        return commands.add_parser(name, parents=[common], help=text, description=text, **options)

    run = command("run", "get everything, install DMS with demo data, and serve it")
    run.add_argument("--no-demo", action="store_true", help="a new database gets no demo data")
    run.add_argument(
        "--history",
        metavar="FILE",
        help="load a sell-through history (CSV, may be gzipped) through the inbox",
    )
    run.add_argument("--map", metavar="FILE", help="JSON that says which column of the history is which")
    test = command("test", "run the tests; takes pytest's arguments", add_help=True)
    test.add_argument("pytest", nargs=argparse.REMAINDER, help="for example: -k rebate")
    bench = command("bench", "run the benchmarks")
    bench.add_argument("name", nargs="?", help="one of tests/bench")
    command("shell", "a Python shell with Odoo's env on the database")
    lint = command("lint", "run the linters")
    lint.add_argument("--fix", action="store_true", help="first mend what can be mended by itself")
    command("i18n", "write the translation templates anew and merge them into zh_CN")
    command("stop", "stop what ./dms run started in other terminals; with --database, that one alone")
    reset = command("reset", "drop the database and its files")
    reset.add_argument("--all", action="store_true", help="delete the whole cache folder")
    reset.add_argument("--yes", action="store_true", help="do not ask")
    return top


def main():
    # pytest's own flags must reach pytest: only what precedes them is ours.
    flags, rest = parser().parse_known_args()
    words = rest + [word for word in getattr(flags, "pytest", None) or [] if word != "--"]
    if rest and flags.command != "test":
        parser().error(f"unknown: {' '.join(rest)}")
    # A shell's background jobs start with SIGINT ignored; being stopped must work there, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        settings = Settings.read(flags)
        if flags.command not in ("stop", "reset"):
            settings.prepare()
        return COMMANDS[flags.command](settings, flags, words) or 0
    except Stop as stop:
        print(f"\n{stop}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        say("\nStopped. What was finished is kept; the same command goes on from there.")
        return 130


@contextmanager
def _alone(settings):
    """One set-up at a time in one cache folder."""
    with (settings.home / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("  Another ./dms is setting up in this cache folder: waiting for it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _ready(settings):
    with _alone(settings):
        odoo = environment.ensure_all(settings)
        return odoo, postgres.start(settings)


def _run(settings, flags, words):
    for name in ("history", "map"):
        path = getattr(flags, name)
        if path and not Path(path).is_file():
            raise Stop(f"--{name} {path}: there is no such file.", "give the path of a file.")
    if flags.map and not flags.history:
        raise Stop("--map is of no use without --history.", "name the history's file, too.")
    say(f"DMS from {CHECKOUT}, its cache in {settings.home}")
    server.run(settings, not flags.no_demo, flags.history, flags.map, _alone)


def _test(settings, flags, words):
    return testing.test(settings, words, _alone)


def _bench(settings, flags, words):
    testing.bench(settings, flags.name)


def _shell(settings, flags, words):
    odoo, pg = _ready(settings)
    if settings.database not in pg.databases():
        raise Stop(f"there is no database “{settings.database}”.", "make it with ./dms run.")
    testing.shell(settings, odoo, pg, settings.database)


def _lint(settings, flags, words):
    odoo = environment.ensure_all(settings)
    return int(testing.lint(settings, odoo, flags.fix))


def _i18n(settings, flags, words):
    from . import translation

    odoo, pg = _ready(settings)
    return translation.refresh(settings, odoo, pg)


def _stop(settings, flags, words):
    found = server.stop(settings, flags.database)
    say("Stopped." if found else "Nothing was running.")


def _reset(settings, flags, words):
    what = (
        f"the whole folder {settings.home}"
        if flags.all
        else f"the database “{settings.database}” and its files"
    )
    if not flags.yes:
        if not sys.stdin.isatty():
            raise Stop(f"this would delete {what}.", "add --yes.")
        if input(f"Delete {what}? [y/N] ").strip().lower() != "y":
            say("Nothing was deleted.")
            return
    server.stop(settings)
    if flags.all:
        if settings.home.exists() and not (settings.home / "etc").exists() and any(settings.home.iterdir()):
            raise Stop(f"{settings.home} does not look like a cache folder of ./dms.", "delete it by hand.")
        if postgres.is_used(settings):
            raise Stop(f"another ./dms is at work in {settings.home}.", "let it end, or stop it with Ctrl-C.")
        shutil.rmtree(settings.home, ignore_errors=True)
    elif settings.home.exists() and settings.venv.exists():
        pg = postgres.start(settings)
        for name in (settings.database, f"{settings.database}.new"):
            database.drop(settings, pg, name)
        postgres.leave(settings)
    say(f"Deleted {what}.")


COMMANDS = {
    "run": _run,
    "test": _test,
    "bench": _bench,
    "shell": _shell,
    "lint": _lint,
    "i18n": _i18n,
    "stop": _stop,
    "reset": _reset,
}
