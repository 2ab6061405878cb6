"""A real Chromium for the browser tests."""

import os
import shutil
import subprocess

from .run_command import run
from .say import Stop, step

NAMES = ("google-chrome", "chromium", "chromium-browser", "google-chrome-stable")


def ensure():
    """Find Chromium, or install it where apt may be used without asking.

    :raise Stop: with the command to type, elsewhere: the browser tests are never skipped in silence
    """
    if any(map(shutil.which, NAMES)):
        return
    mend = "install it (on Debian: sudo apt-get install chromium), then start again."
    prefix = _root_prefix()
    if prefix is None or not shutil.which("apt-get"):
        raise Stop("the browser tests need Chromium, and none is installed.", mend)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with step("Chromium is not installed: installing it with apt-get"):
        run([*prefix, "apt-get", "-q", "update"], "updating apt's package lists", mend, env=quiet)
        command = [*prefix, "apt-get", "-q", "-y", "--no-install-recommends", "install", "chromium"]
        run(command, "installing Chromium", mend, env=quiet)


def _root_prefix():
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo"):
        asked = subprocess.run(["sudo", "-n", "true"], check=False, capture_output=True)
        if asked.returncode == 0:
            return ["sudo", "-n"]
    return None
