"""Time and memory of a piece of work, and a table of them."""

import threading
import time
from dataclasses import dataclass

import psutil


@dataclass
class Measured:
    """One run: `size` in the benchmark's unit, wall `seconds`, `memory` in MB above the start."""

    name: str
    size: int
    seconds: float
    memory: float

    @property
    def rate(self):
        return self.size / self.seconds


def measure(name, size, work):
    """Run `work()` and return what it took; memory is sampled every 20 ms."""
    process = psutil.Process()
    before = peak = process.memory_info().rss
    done = threading.Event()

    def watch():
        nonlocal peak
        while not done.wait(0.02):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.perf_counter()
    try:
        work()
    finally:
        seconds = time.perf_counter() - started
        done.set()
        watcher.join()
    return Measured(name, size, seconds, (max(peak, process.memory_info().rss) - before) / 1e6)


def table(unit, baseline, runs):
    """Print all runs, each with the ratio of its rate to that of the baseline's larger run.

    :param str unit: what is counted
    :param baseline: the :class:`Measured` runs of the named baseline
    :param runs: those of ours, smaller size first
    """
    reference = baseline[-1].rate
    print(f"  {'':<44} {unit:>10} {'seconds':>9} {unit + '/s':>14} {'MB more':>8} {'ratio':>8}")
    for run in [*baseline, *runs]:
        print(
            f"  {run.name:<44} {run.size:>10,} {run.seconds:>9.2f} {run.rate:>14,.0f}"
            f" {run.memory:>8.0f} {run.rate / reference:>8.3g}",
            flush=True,
        )
