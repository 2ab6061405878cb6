"""The addons install alone and together, with and without demo data, and leave no trace when uninstalled."""

import argparse
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "config"))

from front_door import database, odoo_source, postgres
from front_door.run_command import run
from front_door.settings import ADDONS, Settings

ORDERED = ("dms_channel", "dms_traceability", "dms_forecast", "dms_portal")


class Machine:
    """What the front door set up for this very run."""

    def __init__(self):
        names = ("home", "odoo", "database", "port", "host")
        self.settings = Settings.read(argparse.Namespace(**dict.fromkeys(names)))
        self.odoo = odoo_source.find(self.settings)
        self.server = postgres.running(self.settings)

    def install(self, name, modules, **options):
        database.install(
            self.settings, self.odoo, self.server, name, modules, f"installing {modules}", **options
        )

    def uninstall(self, name, modules):
        config = database.write_config(self.settings, self.odoo, name)
        command = database.odoo_command(self.settings, config, "module uninstall", "-d", name)
        run(
            [*command, *modules],
            f"uninstalling {modules}",
            "read the lines above.",
            env=database.odoo_environment(self.settings, self.odoo, self.server),
            cwd=self.settings.home,
        )

    def sql(self, name, query):
        return self.server.sql(query, name)


@pytest.fixture(scope="module")
def machine():
    return Machine()


@pytest.fixture
def fresh(machine, request):
    """A database with Odoo's own modules alone."""
    name = f"dms_install_{machine.settings.checkout_key}"
    template = database.ensure_template(machine.settings, machine.odoo, machine.server)
    database.drop(machine.settings, machine.server, name)
    database.clone(machine.settings, machine.server, template, name)
    yield name
    database.drop(machine.settings, machine.server, name)
    (machine.settings.home / "etc" / f"{name}.conf").unlink(missing_ok=True)


@pytest.mark.parametrize("top", [("dms_traceability",), ("dms_forecast",)])
def test_each_branch_stands_without_its_sibling(machine, fresh, top):
    machine.install(fresh, top)
    installed = {
        row[0] for row in machine.sql(fresh, "SELECT name FROM ir_module_module WHERE state = 'installed'")
    }
    assert installed & set(ADDONS) == {"dms_channel", *top}


def test_uninstalling_leaves_nothing_behind(machine, fresh):
    before = set(_relations(machine, fresh))
    machine.install(fresh, ORDERED)
    assert set(_relations(machine, fresh)) - before
    machine.uninstall(fresh, ["dms_channel"])
    assert set(_relations(machine, fresh)) - before == set()
    names = ", ".join(f"'{addon}'" for addon in ADDONS)
    assert machine.sql(fresh, f"SELECT module, name FROM ir_model_data WHERE module IN ({names})") == []
    columns = (
        "SELECT table_name, column_name FROM information_schema.columns WHERE column_name LIKE 'dms\\_%'"
    )
    assert machine.sql(fresh, columns) == []


def test_demo_data_installs_on_a_database_with_odoos_own(machine):
    name = f"dms_demo_{machine.settings.checkout_key}"
    database.drop(machine.settings, machine.server, name)
    machine.server.create(name)
    try:
        # `install` fails on any demo data that fails.
        machine.install(name, ORDERED, demo=True)
        failed = machine.sql(name, "SELECT error FROM ir_demo_failure")
        assert failed == []
        assert machine.sql(name, "SELECT count(*) > 0 FROM dms_channel_move") == [["t"]]
    finally:
        database.drop(machine.settings, machine.server, name)


def _relations(machine, name):
    query = "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'S') AND relnamespace = 'public'::regnamespace"
    return [row[0] for row in machine.sql(name, query)]
