"""Starts a program that must not outlive us, whatever ends us.

A tiny process stands between: it starts the program, then waits on a pipe whose other end we hold. We close the pipe,
or die, and it ends the program. A parent's death signal (prctl) exists on Linux alone, and fires when a *thread* ends.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["guarded"]

_GUARDIAN = """
import os, signal, sys, time

def start():
    global since
    since = time.monotonic()
    return os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ, setpgroup=0)

def ended(*_):
    global program
    pid, status = os.waitpid(-1, os.WNOHANG)
    if pid == 0:
        return  # it was only stopped, or goes on
    if sys.argv[1] == "again" and time.monotonic() - since > 1.0:
        program = start()
    else:
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)

signal.signal(signal.SIGCHLD, ended)
program = start()
try:
    os.read(0, 1)  # returns when the parent closes the pipe, or dies
except KeyboardInterrupt:
    pass  # we are to end, as if the pipe were closed
signal.signal(signal.SIGCHLD, signal.SIG_DFL)
try:
    os.kill(program, signal.SIGTERM)
    os.waitpid(program, 0)
except (ProcessLookupError, ChildProcessError):
    pass  # it has ended before us, which is all we want
"""


def guarded(command: Sequence[str], *, again: bool = False) -> list[str]:
    """Return the command line of a guardian that runs `command`, a program with its whole path.

    Start it with a pipe for its standard input: the program gets a SIGTERM when that is closed. If the program ends
    first, the guardian ends with its exit code.

    Args:
        command: What to run.
        again: Start the program again if it ends by itself; one that lived for less than a second stays ended.
    """
    return [sys.executable, "-I", "-S", "-c", _GUARDIAN, "again" if again else "once", *command]
