"""Serving a database, and what is said about it."""

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

from . import database, environment, postgres
from .say import Stop, say, step

LOGINS = (
    ("System administrator", "admin"),
    ("Channel manager", "manager@dms.example"),
    ("Accountant", "accountant@dms.example"),
    ("Inspector", "inspector@dms.example"),
    ("Distributor north, clerk", "clerk.north@dms.example"),
    ("Distributor south, clerk", "clerk.south@dms.example"),
    ("Outlet", "shop@dms.example"),
)


def need_port(settings):
    """:raise Stop: if something listens on the port already"""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except PermissionError as error:
            raise Stop(
                f"you may not listen on port {settings.port}.", "choose one above 1023 with --port."
            ) from error
        except OSError as error:
            raise Stop(
                f"port {settings.port} on {settings.host} cannot be used ({error.strerror}).",
                f"stop what listens there (./dms stop), or choose another: ./dms run --port {settings.port + 1}",
            ) from error


def run(settings, demo, history, mapping, alone):
    """Set everything up, serve until Ctrl-C, and stop what was started.

    :param alone: context manager that keeps other set-ups out
    """
    need_port(settings)
    with alone(settings):
        odoo = environment.ensure_all(settings)
        server = postgres.start(settings)
    try:
        with alone(settings):
            database.ensure(settings, odoo, server, settings.database, demo)
        if history:
            from . import history as loader

            loader.load(settings, odoo, server, history, mapping)
        _serve(settings, odoo, server, demo)
    finally:
        postgres.leave(settings)


def _serve(settings, odoo, server, demo):
    config = database.write_config(
        settings,
        odoo,
        settings.database,
        http_interface=settings.host,
        http_port=settings.port,
        gevent_port=settings.port + 3,
        workers=0,
        max_cron_threads=1,
        log_level="warn",
    )
    address = f"http://{'localhost' if settings.host in ('127.0.0.1', '0.0.0.0', '::') else settings.host}:{settings.port}"
    command = database.odoo_command(settings, config, "server")
    child = subprocess.Popen(
        command,
        env=database.odoo_environment(settings, odoo, server),
        cwd=settings.home,
        stdin=subprocess.DEVNULL,
    )
    pid_file = settings.home / f"{settings.database}.pid"
    pid_file.write_text(str(child.pid))
    try:
        with step("Starting"):
            _wait_for(child, f"{address}/web/health")
            _fetch(f"{address}/web/login")
        _welcome(address, demo)
        child.wait()
        if child.returncode not in (0, -signal.SIGINT, -signal.SIGTERM):
            raise Stop(
                f"Odoo ended with status {child.returncode}.", "read its lines above, then start again."
            )
    except KeyboardInterrupt:
        say("\nStopping ...")
    finally:
        _end(child)
        pid_file.unlink(missing_ok=True)


def _end(child):
    if child.poll() is None:
        # Odoo stops orderly on the first signal and at once on the second.
        for patience in (20, 5):
            child.send_signal(signal.SIGINT)
            try:
                child.wait(patience)
                return
            except subprocess.TimeoutExpired:
                continue
        child.kill()


def _wait_for(child, address):
    for _ in range(1200):
        if child.poll() is not None:
            raise Stop(
                f"Odoo ended with status {child.returncode}.", "read its lines above, then start again."
            )
        try:
            _fetch(address)
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise Stop("Odoo does not answer after two minutes.", "start again; if it stays so, ./dms reset.")


def _fetch(address):
    # Never through a proxy: the server is this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(address, timeout=60) as answer:
        answer.read()


def _welcome(address, demo):
    say(f"\nDMS is served at {address}\n")
    if demo:
        for who, login in LOGINS:
            say(f"  {who:<26} {login:<26} password: {login.split('@')[0]}")
    else:
        say("  System administrator       admin                      password: admin")
    if not shutil.which("wkhtmltopdf"):
        say("\n  wkhtmltopdf is not installed: Odoo's own PDF reports will not print (those of DMS will).")
    say("\nCtrl-C stops it.")


def stop(settings, name=None):
    """Stop the servers that run in other terminals, and PostgreSQL once nothing else uses it.

    :param name: stop the server of this database alone
    :return: whether there was anything to stop
    """
    found = False
    for pid_file in settings.home.glob(f"{name or '*'}.pid"):
        try:
            pid = int(pid_file.read_text())
            os.kill(pid, signal.SIGINT)
            found = True
            for _ in range(200):
                os.kill(pid, 0)
                time.sleep(0.1)
            os.kill(pid, signal.SIGKILL)
        except (ProcessLookupError, ValueError):
            pass
        pid_file.unlink(missing_ok=True)
    return postgres.stop_unused(settings) or found
