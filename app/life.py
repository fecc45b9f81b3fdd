"""The life of one process: its signals, its first line and its goodbye."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable

__all__ = ["Signals", "live", "say"]

SECOND_SIGNAL_S = 0.5
"""A second signal sooner than this is the same one, delivered twice (a shell and its child)."""
SHUTDOWN_S = 1.5
"""Longest time for parting, so that Ctrl-C ends within two seconds."""


class Signals:
    """What the user asked for by signals.

    Attributes:
        stop: Set by the first one.
        at_once: Set if nothing is to be waited for: Ctrl-C, or a second signal.
    """

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.at_once = asyncio.Event()
        self._first_at = 0.0

    def install(self) -> None:
        """Take the signals of this process; needs its running loop."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self.take, True)
        loop.add_signal_handler(signal.SIGTERM, self.take, False)

    def end_with(self, lifeline: int) -> None:
        """End at once when the other end of a pipe is closed: whoever started us is gone.

        A parent's death signal (prctl) exists on Linux alone, and fires when a *thread* of the parent ends.
        """
        loop = asyncio.get_running_loop()

        def gone() -> None:
            if not os.read(lifeline, 1):
                loop.remove_reader(lifeline)
                self.take(True)

        loop.add_reader(lifeline, gone)

    def take(self, at_once: bool) -> None:
        """Note one signal."""
        now = time.monotonic()
        if self._first_at and now - self._first_at >= SECOND_SIGNAL_S:
            at_once = True
        self._first_at = self._first_at or now
        if at_once:
            self.at_once.set()
        self.stop.set()


def live(main: Callable[[Signals], Awaitable[None]], *, goodbye: str = "voicechart says goodbye") -> int:
    """Run a process until its main part ends or a signal ends it; return the exit code.

    Args:
        main: What it does; it ends soon after the signals say so.
        goodbye: Its last line, if any.

    Raises:
        VoicechartError: It could not begin; the message says why and what to do.
    """
    try:
        import uvloop  # not on Windows

        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    except ImportError:
        runner = asyncio.Runner()
    with runner:
        return runner.run(_live(main, goodbye))


async def _live(main: Callable[[Signals], Awaitable[None]], goodbye: str) -> int:
    signals = Signals()
    signals.install()
    working = asyncio.ensure_future(main(signals))
    stopping = asyncio.create_task(signals.at_once.wait())
    await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
    if not working.done():
        # Parting takes its own time limit; what is left after it is dropped.
        await asyncio.wait([working], timeout=SHUTDOWN_S)
        working.cancel()
    stopping.cancel()
    await asyncio.wait([working, stopping], timeout=SHUTDOWN_S)
    if working.done() and not working.cancelled() and (error := working.exception()) is not None:
        raise error
    if goodbye:
        say(goodbye)
    return 0


def say(line: str) -> None:
    """Tell the user a line, at once."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
