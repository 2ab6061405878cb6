"""Run a program and keep what it says for the moment it fails."""

import contextlib
import errno
import os
import signal
import subprocess
import threading
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

from .say import Stop

# Programs at work, and whether no more may begin: a step that fails ends those of the step beside it.
_running = set()
_stopping = threading.Event()
_lock = threading.Lock()


def run(command, what, mend, input="", each_line=None, watch=None, **options):
    """Run `command` quietly.

    :param what: what was being done, for the error's sentence ("downloading Odoo")
    :param mend: how to mend a failure
    :param str input: what it reads
    :param each_line: called with each line that it prints
    :param watch: called twice a second while it runs
    :return: its standard output
    :raise Stop: with the last lines of its output when it fails
    """
    command = [os.fspath(part) for part in command]
    try:
        with _begin(command, **options) as process:
            try:
                output = _follow(process, input, each_line, watch)
            except BaseException:
                _end(process)
                raise
            finally:
                _running.discard(process)
    except FileNotFoundError as error:
        raise Stop(f"{what} needs the program {command[0]}, which is not there.", mend) from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise Stop(f"the disk is full ({what}).", "free some space and start again.") from error
        raise
    if process.returncode:
        raise Stop(explain(what, output), mend_for(output, mend))
    return output


def _begin(command, **options):
    with _lock:
        if _stopping.is_set():
            raise Stop(f"{command[0]} was not begun: another step has failed.", "see that step.")
        process = subprocess.Popen(
            command,
            text=True,
            errors="replace",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # A group of its own: it ends together with all that it has begun itself.
            start_new_session=True,
            **options,
        )
        _running.add(process)
        return process


def _follow(process, input, each_line, watch):
    if each_line:
        process.stdin.close()
        output = []
        for line in process.stdout:
            output.append(line)
            each_line(line)
        return "".join(output)
    while True:
        try:
            return process.communicate(input, timeout=0.5 if watch else None)[0]
        except subprocess.TimeoutExpired:
            watch()


def side_by_side(*works):
    """Call functions at the same time; where one fails, or Ctrl-C is pressed, end what the others run.

    :return: list of their answers
    :raise: what the first that failed has raised
    """
    with ThreadPoolExecutor(len(works)) as pool:
        futures = [pool.submit(work) for work in works]
        try:
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            failed = next((future for future in done if future.exception()), None)
            if failed:
                raise failed.exception()
            return [future.result() for future in futures]
        except BaseException:
            _stop_running()
            raise
        finally:
            wait(futures)
            _stopping.clear()


def _stop_running():
    with _lock:
        _stopping.set()
        for process in list(_running):
            _end(process)


def _end(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)


def explain(what, output):
    tail = "\n".join("    " + line for line in output.strip().splitlines()[-12:])
    return f"{what} failed:\n{tail}"


def mend_for(output, mend):
    """The mends for failures that any download can meet, else the step's own."""
    if "No space left on device" in output:
        return "free some space on the disk and start again; what is there already is kept."
    network = (
        "Could not resolve",
        "Temporary failure",
        "Failed to establish a new connection",
        "Connection refused",
        "Network is unreachable",
        "Could not connect",
        "timed out",
        "Unable to connect",
    )
    if any(sign in output for sign in network):
        return "check the network (and the proxy settings), then start again; what is there already is kept."
    return mend
