"""The roles of one process, from loading their models to draining them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence

from app.collector import calm_collector
from app.life import Signals, say
from app.loop_watch import watch_loop
from app.runtime import Runtime
from app.settings import Settings
from app.wiring import load_parts

__all__ = ["run_roles"]

Standing = Callable[[asyncio.Task[None]], Coroutine[None, None, str]]


async def run_roles(
    runtime: Runtime, settings: Settings, signals: Signals, standing: Standing, *,
    beside: Sequence[asyncio.Task[None]] = (), parting: Callable[[], None] = lambda: None,
    loaded: Callable[[str], None] = lambda part: say(f"  loaded: {part}"),
) -> None:  # fmt: skip
    """Load what the roles need, run them until a signal, and drain them.

    Args:
        runtime: The roles.
        settings: How they are made and how long they drain.
        signals: What ends them.
        standing: Given the running roles, waits until they are ready and says so in a line.
        beside: What else must not end by itself.
        parting: Called before the roles are ended.
        loaded: Told of each part when it is there.
    """
    roles: asyncio.Task[None] | None = None
    stop = asyncio.create_task(signals.stop.wait())
    watching = asyncio.create_task(watch_loop(runtime.figures.note_lag))
    try:
        loading = asyncio.create_task(load_parts(settings, runtime.roles, loaded, runtime.bus))
        await asyncio.wait([loading, stop], return_when=asyncio.FIRST_COMPLETED)
        if stop.done():
            loading.cancel()
            return
        calm_collector()
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
        watching.cancel()
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
