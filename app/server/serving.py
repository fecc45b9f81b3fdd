"""Runs the server from its first line of output to its goodbye."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

import uvicorn

from adapters.bus.port import EventBus
from app.life import Signals, live, say
from app.process import run_roles
from app.runtime import Runtime
from app.server.application import create_app
from app.server.drawings import draw
from app.server.listener import Seat, address_of, listen
from app.settings import Settings
from app.wiring import open_bus

__all__ = ["serve"]

OTHERS_S = 1.0
"""How long a process with some of the roles waits for the others before it tells that they are not there."""
MAX_FRAME_BYTES = 64 * 1024


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: ours drain first."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(settings: Settings, seat: Seat | None = None) -> int:
    """Serve until a signal; return the exit code.

    Args:
        settings: What and where.
        seat: Which of several processes this one is; its supervisor tells the user where they listen.

    Raises:
        VoicechartError: It could not begin; the message says why and what to do.
    """
    if seat is not None:
        return live(lambda signals: _serve_beside_others(settings, seat, signals), goodbye="")
    return live(lambda signals: _serve(settings, signals))


async def _serve(settings: Settings, signals: Signals) -> None:
    started_at = time.monotonic()
    with listen(settings.host, settings.port) as listener:
        say(f"voicechart is starting on {address_of(settings.host, listener)}")
        async with open_bus(settings) as bus:
            say(f"  event log: {settings.bus_shown}")
            await _serve_roles(bus, settings, signals, listener, _Told("voicechart", started_at))


async def _serve_beside_others(settings: Settings, seat: Seat, signals: Signals) -> None:
    started_at = time.monotonic()
    signals.end_with(sys.stdin.fileno())
    with seat.take() as listener:
        async with open_bus(settings) as bus:
            told = _Told(f"voicechart process {seat.number}", started_at, beside_others=seat.number)
            await _serve_roles(bus, settings, signals, listener, told)


class _Told(NamedTuple):
    """What the user is told of a process."""

    who: str
    started_at: float
    beside_others: int = 0
    """Its number among several processes; 0 if it is alone."""

    def loaded(self, part: str) -> None:
        if self.beside_others <= 1:  # the others load the same
            say(f"  loaded: {part}")


async def _serve_roles(
    bus: EventBus, settings: Settings, signals: Signals, listener: socket.socket, told: _Told
) -> None:
    runtime = Runtime(bus, settings.roles, settings.session_streams, settings.log_retention_s)
    server = _Server(
        uvicorn.Config(
            create_app(runtime), log_config=None, access_log=False, lifespan="off", ws="websockets-sansio",
            ws_max_size=MAX_FRAME_BYTES, ws_per_message_deflate=False, ws_ping_interval=5.0, ws_ping_timeout=5.0,
            timeout_graceful_shutdown=1, server_header=False,
        )
    )  # fmt: skip
    opened = asyncio.Event()
    serving = asyncio.create_task(_accept(server, listener, opened))
    if not told.beside_others:
        opened.set()
    _draw_ahead()

    def part() -> None:
        server.should_exit = True
        server.force_exit = True

    async def standing(roles: asyncio.Task[None]) -> str:
        opened.set()
        await _wait_ready(runtime, roles)
        return await _standing(runtime, address_of(settings.host, listener), told)

    try:
        await run_roles(runtime, settings, signals, standing, beside=[serving], parting=part, loaded=told.loaded)
    finally:
        part()
        if opened.is_set():
            await asyncio.wait([serving], timeout=1.0)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def _accept(server: _Server, listener: socket.socket, opened: asyncio.Event) -> None:
    """Serve from when the doors are opened: at once, to say what is being waited for; beside others, when it can."""
    await opened.wait()
    await server.serve(sockets=[listener])


def _draw_ahead() -> None:
    """Draw what the talk page shows: the first visitor need not wait for it. A daemon: nothing waits for it to end."""
    threading.Thread(target=draw, args=("conversation.svg", "overview"), name="drawing", daemon=True).start()


async def _wait_ready(runtime: Runtime, roles: asyncio.Task[None]) -> None:
    """Wait until a question would be answered; a process with some of the roles waits for others only so long."""
    alone = set(runtime.roles) == {"gateway", "orchestrator", "workers"}
    deadline = math.inf if alone else time.monotonic() + OTHERS_S
    while not roles.done() and time.monotonic() < deadline:
        if not await runtime.missing():
            return
        await asyncio.sleep(0.02)


async def _standing(runtime: Runtime, address: str, told: _Told) -> str:
    if missing := await runtime.missing():
        return f"{told.who} runs its {', '.join(runtime.roles)} on {address} and waits: {', '.join(missing)}"
    use = f"open {address} and talk" if runtime.gateway is not None else f"calls go to other processes, not {address}"
    return f"{told.who} is ready after {time.monotonic() - told.started_at:.1f} s: {use} (Ctrl-C ends it)"
