"""Load a sell-through history through the inbox, and forecast on it."""

import os
import subprocess
from pathlib import Path

from . import database
from .say import Stop, say


def load(settings, odoo, server, history, mapping):
    """Hand the file to the inbox of the database and print what it says.

    :param history: path of a CSV file (see README, "Your own history"), may be gzipped
    :param mapping: path of a JSON file that says which column is which, or None
    :raise Stop: when the file is refused
    """
    config = database.write_config(settings, odoo, settings.database, log_level="warn", max_cron_threads=0)
    say(f"  Loading {history}")
    environment = database.odoo_environment(settings, odoo, server)
    environment["DMS_HISTORY"] = os.path.abspath(history)
    environment["DMS_HISTORY_MAP"] = os.path.abspath(mapping) if mapping else ""
    with (Path(__file__).parent / "load_history.py").open() as script:
        done = subprocess.run(
            database.odoo_command(settings, config, "shell", "--no-http"),
            check=False,
            cwd=settings.home,
            env=environment,
            stdin=script,
        )
    if done.returncode:
        raise Stop(
            f"the history {history} was not loaded.", "read the lines above, mend the file or the map."
        )
