"""The Python environment: one per version of Python and of config/requirements.txt."""

import os
import shutil
import subprocess
import sys

from .run_command import explain, mend_for, run
from .say import Stop, step
from .settings import CHECKOUT


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
    command = [settings.python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    with subprocess.Popen(
        [*map(os.fspath, command), "--progress-bar=off", "-r", os.fspath(requirements)],
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        output, seen = [], 0
        for line in process.stdout:
            output.append(line)
            if line.startswith("Collecting "):
                seen += 1
                progress.at(min(seen, wanted), wanted + 1, line.split()[1])
    if process.returncode:
        text = "".join(output)
        raise Stop(
            explain("installing the Python packages", text),
            mend_for(text, "read the lines above; then start again."),
        )
