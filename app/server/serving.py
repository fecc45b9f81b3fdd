"""Runs the server from its first line of output to its goodbye."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import math
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator

import structlog
import uvicorn

from app.runtime import Runtime
from app.server.application import create_app
from app.server.drawings import draw
from app.settings import Settings
from app.wiring import load_parts, open_bus
from statecharts.events import VoicechartError

__all__ = ["serve"]

_log = structlog.get_logger()

SECOND_SIGNAL_S = 0.5
"""A second signal sooner than this is the same one, delivered twice (a shell and its child)."""
SHUTDOWN_S = 1.5
"""Longest time for parting from clients, so that Ctrl-C ends within two seconds."""
OTHERS_S = 1.0
"""How long a process with some of the roles waits for the others before it tells that they are not there."""
MAX_FRAME_BYTES = 64 * 1024


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: ours drain first."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Signals:
    """What the user asked for by signals."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.at_once = asyncio.Event()
        self._first_at = 0.0

    def install(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._take, True)
        loop.add_signal_handler(signal.SIGTERM, self._take, False)

    def _take(self, at_once: bool) -> None:
        now = time.monotonic()
        if self._first_at and now - self._first_at >= SECOND_SIGNAL_S:
            at_once = True
        self._first_at = self._first_at or now
        if at_once:
            self.at_once.set()
        self.stop.set()


def serve(settings: Settings) -> int:
    """Serve until a signal; return the exit code.

    Raises:
        VoicechartError: It could not begin; the message says why and what to do.
    """
    try:
        import uvloop  # not on Windows

        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    except ImportError:
        runner = asyncio.Runner()
    with runner:
        return runner.run(_serve(settings))


async def _serve(settings: Settings) -> int:
    signals = _Signals()
    signals.install()
    listener = _listen(settings.host, settings.port)
    port = listener.getsockname()[1]  # 0 was asked for: any that is free
    address = f"http://{settings.host if ':' not in settings.host else f'[{settings.host}]'}:{port}"
    with listener:
        _say(f"voicechart is starting on {address}")
        starting = asyncio.create_task(_run(settings, listener, address, signals))
        stopping = asyncio.create_task(signals.at_once.wait())
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            # Parting takes its own time limit; what is left after it is dropped.
            await asyncio.wait([starting], timeout=SHUTDOWN_S)
            starting.cancel()
        stopping.cancel()
        await asyncio.wait([starting, stopping], timeout=SHUTDOWN_S)
        if starting.done() and not starting.cancelled() and (error := starting.exception()) is not None:
            raise error
        _say("voicechart says goodbye")
    return 0


async def _run(settings: Settings, listener: socket.socket, address: str, signals: _Signals) -> None:
    started_at = time.monotonic()
    async with open_bus(settings) as bus:
        _say(f"  event log: {settings.bus_shown}")
        runtime = Runtime(bus, settings.roles, settings.session_streams, settings.log_retention_s)
        server = _Server(
            uvicorn.Config(
                create_app(runtime), log_config=None, access_log=False, lifespan="off", ws="websockets-sansio",
                ws_max_size=MAX_FRAME_BYTES, ws_per_message_deflate=False, ws_ping_interval=5.0, ws_ping_timeout=5.0,
                timeout_graceful_shutdown=1, server_header=False,
            )
        )  # fmt: skip
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        _draw_ahead()
        roles: asyncio.Task[None] | None = None
        stop = asyncio.create_task(signals.stop.wait())
        try:
            loading = asyncio.create_task(load_parts(settings, settings.roles, lambda part: _say(f"  loaded: {part}")))
            await asyncio.wait([loading, stop], return_when=asyncio.FIRST_COMPLETED)
            if stop.done():
                loading.cancel()
                return
            started = asyncio.Event()
            roles = asyncio.create_task(runtime.run(loading.result(), started))
            await _wait_ready(runtime, stop, roles)
            if not stop.done():
                _say(await _standing(runtime, address, time.monotonic() - started_at))
            await asyncio.wait([stop, roles, serving], return_when=asyncio.FIRST_COMPLETED)
            if roles.done():
                roles.result()
            await _drain(runtime, settings.drain_s, signals)
        finally:
            stop.cancel()
            server.should_exit = True
            server.force_exit = True
            if roles is not None:
                roles.cancel()
                await asyncio.gather(roles, return_exceptions=True)
            await asyncio.wait([serving], timeout=1.0)
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


def _draw_ahead() -> None:
    """Draw what the talk page shows: the first visitor need not wait for it. A daemon: nothing waits for it to end."""
    threading.Thread(target=draw, args=("conversation.svg", "overview"), name="drawing", daemon=True).start()


async def _wait_ready(runtime: Runtime, stop: asyncio.Task[bool], roles: asyncio.Task[None]) -> None:
    """Wait until a question would be answered; a process with some of the roles waits for others only so long."""
    alone = set(runtime.roles) == {"gateway", "orchestrator", "workers"}
    deadline = math.inf if alone else time.monotonic() + OTHERS_S
    while not stop.done() and not roles.done() and time.monotonic() < deadline:
        if not await runtime.missing():
            return
        await asyncio.sleep(0.02)


async def _standing(runtime: Runtime, address: str, took_s: float) -> str:
    if missing := await runtime.missing():
        return f"voicechart runs its {', '.join(runtime.roles)} on {address} and waits: {', '.join(missing)}"
    use = f"open {address} and talk" if runtime.gateway is not None else f"calls go to other processes, not {address}"
    return f"voicechart is ready after {took_s:.1f} s: {use} (Ctrl-C ends it)"


async def _drain(runtime: Runtime, drain_s: float, signals: _Signals) -> None:
    """Let turns that are being answered end, unless told to stop at once."""
    runtime.draining = True
    gateway = runtime.gateway
    if gateway is None or not gateway.busy or signals.at_once.is_set():
        return
    _say(f"voicechart is draining: {gateway.calls} calls, up to {drain_s:.0f} s (again to stop at once)")
    deadline = time.monotonic() + drain_s
    while gateway.busy and time.monotonic() < deadline and not signals.at_once.is_set():  # noqa: ASYNC110 - calls end by themselves
        await asyncio.sleep(0.05)


def _listen(host: str, port: int) -> socket.socket:
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


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
