"""The front door's decisions: what it reads, what it refuses, and in which words."""

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "config"))

from front_door import database, odoo_source, postgres, server, settings
from front_door.run_command import mend_for, run, side_by_side
from front_door.say import Stop

CONFIG = sys.path[0]
DEB822 = """\
Types: deb
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
"""


def read(**flags):
    names = ("home", "odoo", "database", "port", "host")
    return settings.Settings.read(argparse.Namespace(**{name: flags.get(name) for name in names}))


@pytest.fixture
def no_environment(monkeypatch):
    for name in [*settings.PG_VARIABLES, "DMS_HOME", "DMS_ODOO", "DMS_PORT", "DMS_DATABASE", "DMS_HOST"]:
        monkeypatch.delenv(name, raising=False)


def test_flags_win_over_the_environment_and_it_over_defaults(no_environment, monkeypatch, tmp_path):
    assert read().port == 8069
    monkeypatch.setenv("DMS_PORT", "8100")
    assert read().port == 8100
    assert read(port="8200", home=str(tmp_path)).port == 8200
    assert read(home=str(tmp_path)).home == tmp_path


def test_serves_this_machine_alone_unless_told_otherwise(no_environment):
    assert read().host == "127.0.0.1"


@pytest.mark.parametrize("flags", [{"port": "http"}, {"port": "70000"}, {"database": 'x"; DROP'}])
def test_bad_settings_are_refused(no_environment, flags):
    with pytest.raises(Stop):
        read(**flags)


def test_a_server_of_the_users_is_used(no_environment, monkeypatch):
    assert not read().external_pg
    monkeypatch.setenv("PGHOST", "db.example")
    assert read().external_pg


def test_finds_the_mirror_in_deb822(tmp_path):
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "debian.sources").write_text(DEB822)
    assert odoo_source.debian_mirror(tmp_path)[0] == "http://mirror.example/debian"


def test_finds_the_mirror_in_one_line_form(tmp_path):
    (tmp_path / "sources.list").write_text(
        "# deb http://old.example/debian sid main\n"
        "deb-src http://mirror.example/debian bookworm main\n"
        "deb [arch=amd64] https://mirror.example/debian/ bookworm main contrib\n"
    )
    assert odoo_source.debian_mirror(tmp_path)[0] == "https://mirror.example/debian/"


@pytest.mark.parametrize(
    "sources",
    [
        "",
        "deb http://archive.example/ubuntu noble main universe\n",
        "deb https://vendor.example/debian stable tool\n",
    ],
)
def test_without_a_debian_archive_it_says_what_to_do(tmp_path, sources):
    (tmp_path / "sources.list").write_text(sources)
    with pytest.raises(Stop, match="DMS_ODOO"):
        odoo_source.debian_mirror(tmp_path)


def test_a_disabled_source_is_not_used(tmp_path):
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "debian.sources").write_text(
        DEB822.replace("Types", "Enabled: no\nTypes").replace("debian-security", "other")
    )
    with pytest.raises(Stop):
        odoo_source.debian_mirror(tmp_path)


def test_a_source_tree_of_another_version_is_refused(tmp_path, no_environment):
    (tmp_path / "odoo").mkdir()
    (tmp_path / "odoo" / "release.py").write_text("version_info = (18, 0, 0, 'final', 0, '')\n")
    with pytest.raises(Stop, match="not Odoo 19"):
        odoo_source.find(read(odoo=str(tmp_path)))


def test_a_taken_port_is_refused_with_another_to_try(no_environment):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Stop, match=f"--port {port + 1}"):
            server.need_port(read(port=str(port)))


def test_a_full_disk_is_said_before_the_work(no_environment, tmp_path):
    with pytest.raises(Stop, match="GB free"):
        read(home=str(tmp_path)).need_space(1e9)


def test_a_cache_folder_that_cannot_be_made(no_environment, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(Stop, match="DMS_HOME"):
        read(home=str(tmp_path / "file" / "home")).prepare()


def test_a_missing_program_and_a_failing_one(tmp_path):
    with pytest.raises(Stop, match="needs the program"):
        run(["no-such-program-at-all"], "looking", "install it.")
    with pytest.raises(Stop, match="the reason"):
        run(["sh", "-c", "echo the reason; exit 3"], "trying", "think.")


@pytest.mark.parametrize(
    ("output", "word"),
    [
        ("E: write error - No space left on device", "space"),
        ("Err:1 Could not resolve 'mirror.example'", "network"),
        ("E: Unable to locate package odoo-19", "own mend"),
    ],
)
def test_the_mend_follows_from_what_failed(output, word):
    assert word in mend_for(output, "the step's own mend")


def test_socket_paths_stay_within_what_unix_allows(tmp_path):
    deep = tmp_path.joinpath(*["a-rather-long-folder-name"] * 6)
    assert len(os.fsencode(postgres._sockets(deep) / ".s.PGSQL.5432")) <= 107


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands PostgreSQL to another account")
def test_root_is_told_where_the_database_account_may_not_pass(no_environment, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    mode = closed.stat().st_mode
    with pytest.raises(Stop, match="may not pass"):
        postgres._owner(read(home=str(closed)))
    assert closed.stat().st_mode == mode, "no mode is changed behind the user's back"


def test_a_change_of_an_addon_changes_its_fingerprint_and_a_test_does_not(tmp_path, monkeypatch):
    addon = tmp_path / "addons" / "some_addon"
    (addon / "tests").mkdir(parents=True)
    (addon / "__manifest__.py").write_text("{}")
    monkeypatch.setattr(database, "CHECKOUT", tmp_path)
    before = database.fingerprint("some_addon")
    (addon / "tests" / "test_x.py").write_text("x = 1")
    assert database.fingerprint("some_addon") == before
    (addon / "__manifest__.py").write_text("{'name': 'x'}")
    assert database.fingerprint("some_addon") != before


def test_versions_compare_as_numbers():
    assert database._number("19.0.1.10.0") > database._number("19.0.1.9.0")


def test_a_foreign_database_is_not_touched():
    with pytest.raises(Stop, match="not made by"):
        database._made_from("accounts", "")


def test_steps_beside_each_other_answer_in_order():
    answers = side_by_side(
        lambda: run(["sh", "-c", "sleep 0.2; echo slow"], "waiting", "wait."), lambda: "fast"
    )
    assert answers == ["slow\n", "fast"]


def test_a_step_that_fails_ends_the_one_beside_it_and_says_its_own_reason(tmp_path):
    begun, went_on = tmp_path / "begun", tmp_path / "went_on"

    def slow():
        run(["sh", "-c", f"touch {begun}; sleep 600; touch {went_on}"], "sleeping", "wake up.")

    def failing():
        run(["sh", "-c", f"until [ -e {begun} ]; do sleep 0.05; done; echo the reason; exit 3"], "a", "b")

    with pytest.raises(Stop, match="the reason"):
        side_by_side(slow, failing)
    assert not went_on.exists()
    assert run(["echo", "again"], "trying", "think.") == "again\n", "what comes later may run programs again"


def test_ctrl_c_ends_steps_that_run_beside_each_other(tmp_path):
    """In a process of its own, as the terminal would do it."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from front_door.run_command import run, side_by_side\n"
        "def work(): run(['sh', '-c', 'echo $$ >> ' + sys.argv[2] + '; exec sleep 60'], 'a', 'b')\n"
        "try: side_by_side(work, work)\n"
        "except KeyboardInterrupt: sys.exit(130)\n"
    )
    pids = tmp_path / "pids"
    with subprocess.Popen([sys.executable, "-c", script, CONFIG, str(pids)]) as process:
        while not pids.exists() or pids.read_text().count("\n") < 2:
            assert process.poll() is None, "it ended before its work began"
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    for pid in map(int, pids.read_text().split()):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_library_that_debian_left_out_gets_a_stand_in_and_one_that_is_there_is_kept(tmp_path):
    odoo_source._stand_in(tmp_path)
    path = next(tmp_path.rglob("selfie_segmentation.js"))
    path.write_text("the real one")
    odoo_source._stand_in(tmp_path)
    assert path.read_text() == "the real one"


def test_a_server_that_another_program_uses_is_not_stopped(no_environment, monkeypatch, tmp_path):
    stopped = []
    monkeypatch.setattr(postgres, "stop", lambda chosen: stopped.append(chosen.home))
    chosen = read(home=tmp_path)
    postgres._join(chosen)
    other = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import fcntl, sys; f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_SH); print(flush=True); input()",
            tmp_path / "pg.users",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    other.stdout.readline()
    postgres.leave(chosen)
    server.stop(chosen)
    assert not stopped
    assert postgres.is_used(chosen)
    other.communicate(b"\n")
    postgres._join(chosen)
    postgres.leave(chosen)
    assert stopped == [tmp_path]


def test_a_server_that_was_killed_and_not_reaped_does_not_count_as_running(tmp_path):
    killed = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    lock = tmp_path / "postmaster.pid"
    lock.write_text(f"{killed.pid}\n{tmp_path}\n")
    postgres._forget_dead(lock)
    assert lock.exists()
    killed.kill()
    os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)
    postgres._forget_dead(lock)
    assert not lock.exists()
    killed.wait()
    postgres._forget_dead(lock)
