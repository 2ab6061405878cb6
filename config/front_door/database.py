"""Databases: a template with Odoo's own modules, and clones of it with ours.

A database is made under a name ending in ``.new`` and renamed when it is whole, so a kill leaves
nothing that looks finished. Its comment holds, as JSON, what it was made from.
"""

import hashlib
import json
import os
import re
import secrets
import shutil
import subprocess

from .run_command import explain, run
from .say import Stop, step
from .settings import ADDONS, CHECKOUT, ODOO_MODULES

# The first is the language of new partners and users.
LANGUAGES = "en_US,zh_CN"


def fingerprint(addon):
    """A hash of all that an update of `addon` would load: its files, but for its tests."""
    digest = hashlib.sha256()
    top = CHECKOUT / "addons" / addon
    for path in sorted(top.rglob("*")):
        inside = path.relative_to(top)
        if path.is_file() and "__pycache__" not in inside.parts and inside.parts[0] != "tests":
            digest.update(str(inside).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def manifest_version(addon):
    text = (CHECKOUT / "addons" / addon / "__manifest__.py").read_text()
    return re.search(r'"version":\s*"([^"]+)"', text)[1]


def write_config(settings, odoo, database, **options):
    """Write the Odoo configuration of `database`, readable by its user alone, and return its path."""
    folder = settings.home / "etc"
    folder.mkdir(exist_ok=True)
    values = {
        "addons_path": ",".join(map(str, [*odoo.addons, CHECKOUT / "addons"])),
        "data_dir": settings.data_dir,
        # no dbfilter beside it: with one, Odoo asks PostgreSQL for its databases for each visitor without a session
        "db_name": database,
        "list_db": False,
        "admin_passwd": _secret(folder / "admin_password"),
        **options,
    }
    path = folder / f"{database}.conf"
    text = "[options]\n" + "".join(f"{name} = {value}\n" for name, value in values.items())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    return path


def _secret(path):
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
    return path.read_text()


def odoo_environment(settings, odoo, server):
    """The environment in which ``python -m odoo`` finds Odoo, the database and our font."""
    environment = {
        **os.environ,
        **server.environment,
        "PYTHONPATH": str(odoo.python_path),
        "PYTHONUNBUFFERED": "1",
    }
    environment.setdefault("DMS_MASTER_KEY", _secret(settings.home / "etc" / "master_key"))
    if settings.font.exists():
        environment.setdefault("DMS_FONT", str(settings.font))
    environment.setdefault("ODOO_RC", os.devnull)
    # Odoo's workers share the cores among them; a second thread for the forecast's small matrices only waits for the first.
    for threads in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        environment.setdefault(threads, "1")
    return environment


def odoo_command(settings, config, command, *words):
    """The words of ``odoo <command>``; a command may be two ("i18n export")."""
    python = [os.fspath(settings.python), "-W", "ignore"]
    return [*python, "-m", "odoo", *command.split(), "-c", os.fspath(config), *words]


def install(settings, odoo, server, database, modules, name, update=False, demo=False):
    """Install (or update) `modules` in `database`, showing how far Odoo is.

    :raise Stop: with Odoo's own words when it fails or warns of a failure to load
    """
    config = write_config(settings, odoo, database)
    flag = "-u" if update else "-i"
    words = ["--stop-after-init", "--no-http", "--log-level=info", f"--load-language={LANGUAGES}"]
    words.append("--with-demo" if demo else "--without-demo")
    command = odoo_command(settings, config, "server", flag, ",".join(modules), *words)
    environment = odoo_environment(settings, odoo, server)
    with step(name) as progress:
        with subprocess.Popen(
            command,
            env=environment,
            cwd=settings.home,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process:
            lines, bad = [], []
            for line in process.stdout:
                lines.append(line)
                found = re.search(r"Loading module (\S+) \((\d+)/(\d+)\)", line)
                if found and found[1] in modules and modules[0] in ADDONS:
                    # A clone loads what it has in a moment: what counts is the new modules.
                    progress.at(modules.index(found[1]), len(modules), found[1])
                elif found and int(found[3]) > 1:
                    progress.at(int(found[2]) - 1, int(found[3]), found[1])
                elif re.search(r" (ERROR|CRITICAL) | demo data failed to install", line):
                    bad.append(line)
        if process.returncode or bad:
            start = lines.index(bad[0]) if bad else 0
            text = "".join(lines[start : start + 60][-60:] if bad else lines)
            log = settings.home / "install.log"
            log.write_text("".join(lines))
            raise Stop(explain(name, text), f"the whole log is {log}; mend what it names and start again.")


def ensure_template(settings, odoo, server):
    """A database with Odoo's own modules and Chinese, made once and shared by all clones.

    :return: its name
    """
    made_from = json.dumps([str(odoo.python_path), ODOO_MODULES, LANGUAGES, settings.requirements_key])
    name = "dms_template_" + hashlib.sha256(made_from.encode()).hexdigest()[:8]
    if name not in server.databases():
        settings.need_space(2)
        fresh = name + ".new"
        server.drop(fresh)
        _drop_files(settings, fresh)
        server.create(fresh)
        install(settings, odoo, server, fresh, ("base", *ODOO_MODULES), "Odoo's own modules")
        _rename(settings, server, fresh, name)
    return name


def ensure(settings, odoo, server, database, demo, extra=()):
    """Make `database` hold our addons as they are in this checkout; update only what changed.

    :param bool demo: whether a new database gets our demo data
    :param extra: further modules of Odoo's for a new database, which is one for tests then
    """
    databases = server.databases()
    prints = {addon: fingerprint(addon) for addon in ADDONS}
    if database in databases:
        made_from = _made_from(database, databases[database])
        _refuse_newer(settings, server, database)
        changed = [addon for addon in ADDONS if made_from.get(addon) != prints[addon]]
        if changed:
            install(settings, odoo, server, database, changed, f"Updating {', '.join(changed)}", update=True)
    else:
        template = ensure_template(settings, odoo, server)
        fresh = database + ".new"
        server.drop(fresh)
        clone(settings, server, template, fresh)
        if demo:
            # Our demo data on top of Odoo's modules without theirs: a brand's own catalogue and partners.
            server.sql("UPDATE ir_module_module SET demo = true WHERE state = 'installed'", fresh)
        install(
            settings,
            odoo,
            server,
            fresh,
            (*ADDONS, *extra),
            "DMS with demo data" if demo else "DMS",
            demo=demo,
        )
        changed = ADDONS
    made = database if database in databases else fresh
    if changed:
        if extra:
            warm(settings, odoo, server, made)
        server.comment(made, json.dumps({"dms": 1, **prints}))
    if made != database:
        _rename(settings, server, made, database)


def _made_from(database, comment):
    try:
        made_from = json.loads(comment)
    except ValueError:
        made_from = None
    if not isinstance(made_from, dict) or "dms" not in made_from:
        raise Stop(
            f"the database “{database}” was not made by ./dms.",
            "name another with --database, or drop it.",
        )
    return made_from


def _refuse_newer(settings, server, database):
    names = ", ".join(f"'{addon}'" for addon in ("base", *ADDONS))
    query = (
        f"SELECT name, latest_version FROM ir_module_module WHERE state = 'installed' AND name IN ({names})"
    )
    installed = dict(server.sql(query, database))
    if not installed.get("base", "19.0").startswith("19.0"):
        raise Stop(
            f"the database “{database}” is of Odoo {installed['base']}, this is Odoo 19.0.",
            "name another with --database.",
        )
    for addon in ADDONS:
        here, there = manifest_version(addon), installed.get(addon, "0")
        if _number(there) > _number(here):
            raise Stop(
                f"the database “{database}” holds {addon} {there}, this checkout has the older {here}.",
                "update the checkout (git pull), or name another database with --database.",
            )


def _number(version):
    return [int(part) for part in re.findall(r"\d+", version)]


def clone(settings, server, source, target):
    """Copy a database and its files."""
    server.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE datname = '{source}' AND pid <> pg_backend_pid() AND usename = current_user"
    )
    server.create(target, template=source)
    files, copy = (settings.data_dir / "filestore" / name for name in (source, target))
    shutil.rmtree(copy, ignore_errors=True)
    if files.exists():
        # Odoo names attachments by their hash and never writes into one: links are enough.
        shutil.copytree(files, copy, copy_function=os.link)


def drop(settings, server, database):
    server.drop(database)
    _drop_files(settings, database)


def _drop_files(settings, database):
    shutil.rmtree(settings.data_dir / "filestore" / database, ignore_errors=True)


def _rename(settings, server, old, new):
    files = settings.data_dir / "filestore"
    _drop_files(settings, new)
    if (files / old).exists():
        (files / old).rename(files / new)
    server.rename(old, new)


def warm(settings, odoo, server, database):
    """Build the web client's asset bundles now: a test's transaction would build them again and again."""
    config = write_config(settings, odoo, database, log_level="critical")
    with step("The web client's assets"):
        run(
            odoo_command(settings, config, "shell", "--no-http"),
            "building the web client's assets",
            "read the lines above.",
            env=odoo_environment(settings, odoo, server),
            cwd=settings.home,
            input="env['ir.qweb']._pregenerate_assets_bundles()\nenv.cr.commit()\n",
        )
