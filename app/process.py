"""One process from its first line to its goodbye: signals, loading, running its roles, draining."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence

from app.runtime import Runtime
from app.settings import Settings
from app.wiring import load_parts

__all__ = ["Signals", "live", "run_roles", "say"]

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

    def take(self, at_once: bool) -> None:
        """Note one signal."""
        now = time.monotonic()
        if self._first_at and now - self._first_at >= SECOND_SIGNAL_S:
            at_once = True
        self._first_at = self._first_at or now
        if at_once:
            self.at_once.set()
        self.stop.set()


def live(main: Callable[[Signals], Awaitable[None]]) -> int:
    """Run a process until its main part ends or a signal ends it; return the exit code.

    Raises:
        VoicechartError: It could not begin; the message says why and what to do.
    """
    try:
        import uvloop  # not on Windows

        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    except ImportError:
        runner = asyncio.Runner()
    with runner:
        return runner.run(_live(main))


async def _live(main: Callable[[Signals], Awaitable[None]]) -> int:
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
    say("voicechart says goodbye")
    return 0


async def run_roles(
    runtime: Runtime, settings: Settings, signals: Signals, standing: Callable[[asyncio.Task[None]], Coroutine[None, None, str]],
    *, beside: Sequence[asyncio.Task[None]] = (), parting: Callable[[], None] = lambda: None,
) -> None:  # fmt: skip
    """Load what the roles need, run them until a signal, and drain them.

    Args:
        runtime: The roles.
        settings: How they are made and how long they drain.
        signals: What ends them.
        standing: Given the running roles, waits until they are ready and says so in a line.
        beside: What else must not end by itself.
        parting: Called before the roles are ended.
    """
    roles: asyncio.Task[None] | None = None
    stop = asyncio.create_task(signals.stop.wait())
    try:
        loading = asyncio.create_task(load_parts(settings, runtime.roles, lambda part: say(f"  loaded: {part}")))
        await asyncio.wait([loading, stop], return_when=asyncio.FIRST_COMPLETED)
        if stop.done():
            loading.cancel()
            return
        roles = asyncio.create_task(runtime.run(loading.result(), asyncio.Event()))
        ready = asyncio.create_task(standing(roles))
        await asyncio.wait([ready, stop], return_when=asyncio.FIRST_COMPLETED)
        if ready.done() and not roles.done():
            say(ready.result())
        ready.cancel()
        await asyncio.wait([stop, roles, *beside], return_when=asyncio.FIRST_COMPLETED)
        if roles.done():
            roles.result()
        await _drain(runtime, settings.drain_s, signals)
    finally:
        stop.cancel()
        parting()
        if roles is not None:
            roles.cancel()
            await asyncio.gather(roles, return_exceptions=True)


async def _drain(runtime: Runtime, drain_s: float, signals: Signals) -> None:
    """Let turns that are being answered end and what is in work be finished, unless told to stop at once."""
    deadline = time.monotonic() + drain_s
    runtime.draining = True
    gateway = runtime.gateway
    if gateway is not None and gateway.busy and not signals.at_once.is_set():
        say(f"voicechart is draining: {gateway.calls} calls, up to {drain_s:.0f} s (again to stop at once)")
        while gateway.busy and time.monotonic() < deadline and not signals.at_once.is_set():  # noqa: ASYNC110 - calls end by themselves
            await asyncio.sleep(0.05)
    leaving = asyncio.create_task(runtime.leave())
    at_once = asyncio.create_task(signals.at_once.wait())
    left_s = max(0.0, deadline - time.monotonic())
    await asyncio.wait([leaving, at_once], timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
    for task in (leaving, at_once):
        task.cancel()
    await asyncio.gather(leaving, at_once, return_exceptions=True)


def say(line: str) -> None:
    """Tell the user a line, at once."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
