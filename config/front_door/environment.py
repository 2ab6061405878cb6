"""The Python environment: one per version of Python and of config/requirements.txt."""

import shutil
import sys

from . import odoo_source
from .run_command import run, side_by_side
from .say import step
from .settings import CHECKOUT


def ensure_all(settings):
    """Get Odoo and, beside it, the Python packages.

    :return: the :class:`odoo_source.Odoo` to use
    """
    odoo, _ = side_by_side(lambda: odoo_source.find(settings), lambda: ensure(settings))
    return odoo


def ensure(settings):
    """Make the virtual environment and install the pinned requirements, once."""
    if (settings.venv / ".complete").exists():
        return
    settings.need_space(2)
    requirements = CHECKOUT / "config" / "requirements.txt"
    with step("Python packages") as progress:
        # A virtual environment cannot be renamed: the mark is written last, a half one is made anew.
        shutil.rmtree(settings.venv, ignore_errors=True)
        run(
            [sys.executable, "-m", "venv", settings.venv],
            "making the Python environment",
            "install Python's venv module (on Debian and Ubuntu: apt install python3-venv), then start again.",
        )
        _pip(settings, requirements, progress)
        (settings.venv / ".complete").touch()


def _pip(settings, requirements, progress):
    files = requirements.parent.glob("requirements*.txt")
    wanted = sum(line[:1].isalpha() for file in files for line in file.read_text().splitlines())
    seen = 0

    def count(line):
        nonlocal seen
        if line.startswith("Collecting "):
            seen += 1
            progress.at(min(seen, wanted), wanted + 1, line.split()[1])

    run(
        [
            *(settings.python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"),
            *("--progress-bar=off", "-r", requirements),
        ],
        "installing the Python packages",
        "read the lines above; then start again.",
        each_line=count,
    )
