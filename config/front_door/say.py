"""What the person at the terminal reads."""

import os
import shutil
import sys
import threading
import time
from contextlib import contextmanager


class Stop(Exception):
    """Something is in the way that the user can mend.

    :param what: one sentence that says what is wrong and where
    :param mend: one sentence or command that mends it
    """

    def __init__(self, what, mend):
        super().__init__(what)
        self.what, self.mend = what, mend

    def __str__(self):
        return f"dms: {self.what}\n  To mend it: {self.mend}"


_live = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
# Steps can run side by side: they share the line that a terminal redraws.
_open = []
_lock = threading.RLock()


def say(text=""):
    with _lock:
        print(f"\r\033[K{text}" if _live else text, flush=True)
        _draw()


def _draw():
    if _live and _open:
        line = "  " + " · ".join(progress.text for progress in _open)
        print(f"\r\033[K{line[: shutil.get_terminal_size().columns - 1]}", end="", flush=True)


class Progress:
    """How far one step is: redrawn in place on a terminal, every tenth as a line elsewhere."""

    def __init__(self, name):
        self.name, self.started, self._tenth = name, time.monotonic(), 0
        self.text = f"{name} ..."

    def at(self, done, total, what=""):
        """Show that `done` of `total` is done.

        :param str what: the item at hand, shown on a terminal only
        """
        share = done / total if total else 0
        with _lock:
            self.text = f"{self.name} {share:4.0%} {what[:30]}".rstrip()
            if not _live and int(share * 10) > self._tenth:
                self._tenth = int(share * 10)
                print(f"  {self.name} {self._tenth * 10} %", flush=True)
            _draw()


@contextmanager
def step(name):
    """Announce a step, hand out its :class:`Progress`, and close it with the time it took."""
    progress = Progress(name)
    with _lock:
        _open.append(progress)
        if not _live:
            print(f"  {name} ...", flush=True)
        _draw()
    try:
        yield progress
    except BaseException:
        with _lock:
            if _live:
                print()
            _open.remove(progress)
        raise
    with _lock:
        _open.remove(progress)
        say(f"  {name}: done ({time.monotonic() - progress.started:.0f} s)")
