"""Run a program and keep what it says for the moment it fails."""

import errno
import os
import subprocess

from .say import Stop


def run(command, what, mend, input="", **options):
    """Run `command` quietly.

    :param what: what was being done, for the error's sentence ("downloading Odoo")
    :param mend: how to mend a failure
    :param str input: what it reads
    :return: its standard output
    :raise Stop: with the last lines of its output when it fails
    """
    command = [os.fspath(part) for part in command]
    try:
        done = subprocess.run(
            command,
            check=False,
            text=True,
            errors="replace",
            input=input,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **options,
        )
    except FileNotFoundError as error:
        raise Stop(f"{what} needs the program {command[0]}, which is not there.", mend) from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise Stop(f"the disk is full ({what}).", "free some space and start again.") from error
        raise
    if done.returncode:
        raise Stop(explain(what, done.stdout), mend_for(done.stdout, mend))
    return done.stdout


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
