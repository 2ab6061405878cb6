"""What the person at the terminal reads."""

import os
import sys
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


def say(text=""):
    print(text, flush=True)


class Progress:
    """How far one step is: redrawn in place on a terminal, every tenth as a line elsewhere."""

    def __init__(self, name):
        self.name, self.started, self._tenth = name, time.monotonic(), 0

    def at(self, done, total, what=""):
        """Show that `done` of `total` is done.

        :param str what: the item at hand, shown on a terminal only
        """
        share = done / total if total else 0
        if _live:
            print(f"\r\033[K  {self.name} {share:4.0%} {what[:50]}", end="", flush=True)
        elif int(share * 10) > self._tenth:
            self._tenth = int(share * 10)
            print(f"  {self.name} {self._tenth * 10} %", flush=True)


@contextmanager
def step(name):
    """Announce a step, hand out its :class:`Progress`, and close it with the time it took."""
    if not _live:
        say(f"  {name} ...")
    else:
        print(f"  {name} ...", end="", flush=True)
    progress = Progress(name)
    try:
        yield progress
    except BaseException:
        if _live:
            print()
        raise
    took = f"{time.monotonic() - progress.started:.0f} s"
    say(f"\r\033[K  {name}: done ({took})" if _live else f"  {name}: done ({took})")
