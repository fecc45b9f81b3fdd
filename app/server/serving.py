"""Runs the server from its first line of output to its goodbye."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import math
import socket
import threading
import time
from collections.abc import Iterator

import uvicorn

from app.process import Signals, live, run_roles, say
from app.runtime import Runtime
from app.server.application import create_app
from app.server.drawings import draw
from app.settings import Settings
from app.wiring import open_bus
from statecharts.events import VoicechartError

__all__ = ["address_of", "listen", "serve"]

OTHERS_S = 1.0
"""How long a process with some of the roles waits for the others before it tells that they are not there."""
MAX_FRAME_BYTES = 64 * 1024


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: ours drain first."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(settings: Settings) -> int:
    """Serve until a signal; return the exit code.

    Raises:
        VoicechartError: It could not begin; the message says why and what to do.
    """
    return live(lambda signals: _serve(settings, signals))


async def _serve(settings: Settings, signals: Signals) -> None:
    started_at = time.monotonic()
    with listen(settings.host, settings.port) as listener:
        address = address_of(settings.host, listener)
        say(f"voicechart is starting on {address}")
        async with open_bus(settings) as bus:
            say(f"  event log: {settings.bus_shown}")
            runtime = Runtime(bus, settings.roles, settings.session_streams, settings.log_retention_s)
            await _serve_roles(runtime, settings, signals, listener, address, started_at)


async def _serve_roles(
    runtime: Runtime, settings: Settings, signals: Signals, listener: socket.socket, address: str, started_at: float
) -> None:
    server = _Server(
        uvicorn.Config(
            create_app(runtime), log_config=None, access_log=False, lifespan="off", ws="websockets-sansio",
            ws_max_size=MAX_FRAME_BYTES, ws_per_message_deflate=False, ws_ping_interval=5.0, ws_ping_timeout=5.0,
            timeout_graceful_shutdown=1, server_header=False,
        )
    )  # fmt: skip
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    _draw_ahead()

    def part() -> None:
        server.should_exit = True
        server.force_exit = True

    async def standing(roles: asyncio.Task[None]) -> str:
        await _wait_ready(runtime, roles)
        return await _standing(runtime, address, time.monotonic() - started_at)

    try:
        await run_roles(runtime, settings, signals, standing, beside=[serving], parting=part)
    finally:
        part()
        await asyncio.wait([serving], timeout=1.0)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


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


async def _standing(runtime: Runtime, address: str, took_s: float) -> str:
    if missing := await runtime.missing():
        return f"voicechart runs its {', '.join(runtime.roles)} on {address} and waits: {', '.join(missing)}"
    use = f"open {address} and talk" if runtime.gateway is not None else f"calls go to other processes, not {address}"
    return f"voicechart is ready after {took_s:.1f} s: {use} (Ctrl-C ends it)"


def address_of(host: str, listener: socket.socket) -> str:
    """Return the URL at which a listener is reached; its port may have been chosen by the system."""
    return f"http://{host if ':' not in host else f'[{host}]'}:{listener.getsockname()[1]}"


def listen(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address. Raises VoicechartError if it cannot be had."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    except OSError as error:
        raise VoicechartError(f"cannot listen on {host!r}: {error}. Pass --host with an address of yours.") from error
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise VoicechartError(
                f"port {port} on {host} is in use. Stop what uses it, or pass --port with another."
            ) from error
        raise VoicechartError(f"cannot listen on {host}:{port}: {error.strerror}.") from error
    return listener
