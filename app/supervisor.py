"""Several serving processes on one machine: started, watched, started again, ended together."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from adapters.bus.embedded_valkey import EmbeddedValkey
from app.life import Signals, live, say
from app.server.listener import Seat, address_of, listen
from app.settings import Settings
from app.task_errors import first_of_ours
from statecharts.events import VoicechartError

__all__ = ["BackOff", "supervise"]

_log = structlog.get_logger()

HEALTHY_S = 10.0
"""A process that lives so long was well; what ends it then is not what ended it before."""
FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 5.0
BEYOND_DRAIN_S = 2.0
"""How long a process may take to end, beyond draining."""
BACKLOG = 1024
"""Connections that wait until a process takes them."""


def supervise(settings: Settings) -> int:
    """Serve in several processes until a signal; return the exit code.

    Raises:
        VoicechartError: It could not begin; the message says why and what to do.
    """
    return live(lambda signals: _supervise(settings, signals))


async def _supervise(settings: Settings, signals: Signals) -> None:
    with listen(settings.host, settings.port) as listener:
        # From now on connections are kept until a process takes them: none is refused while all are being restarted.
        listener.listen(BACKLOG)
        say(f"voicechart is starting on {address_of(settings.host, listener)} in {settings.processes} processes")
        async with _open_log(settings) as url:
            say(f"  event log: {settings.bus_shown}")
            await _Supervisor(listener, {**os.environ, "VOICECHART_BUS": url}, settings).run(signals)


@asynccontextmanager
async def _open_log(settings: Settings) -> AsyncIterator[str]:
    """Yield the address of the log; one of our own ends with us."""
    if settings.bus:
        yield settings.bus
        return
    embedded = EmbeddedValkey(Path(settings.data))
    try:
        yield await asyncio.to_thread(embedded.start)
    finally:
        await asyncio.to_thread(embedded.stop)


class BackOff:
    """How long to wait before a process is started again: the longer, the more often it died young."""

    def __init__(self) -> None:
        self._next_s = FIRST_WAIT_S

    def after(self, lived_s: float) -> float:
        """Return the seconds to wait after one that lived so long."""
        wait_s = FIRST_WAIT_S if lived_s >= HEALTHY_S else self._next_s
        self._next_s = min(2 * wait_s, LONGEST_WAIT_S)
        return wait_s


class _Supervisor:
    """Keeps a number of processes alive that take calls from one socket."""

    def __init__(self, listener: socket.socket, environment: Mapping[str, str], settings: Settings) -> None:
        self._listener = listener
        self._environment = environment
        self._count = settings.processes
        self._drain_s = settings.drain_s
        self._running: dict[int, Process] = {}

    async def run(self, signals: Signals) -> None:
        """Keep them until a signal, then end them all."""
        try:
            with first_of_ours():
                async with asyncio.TaskGroup() as group:
                    keeping = [group.create_task(self._keep(number)) for number in range(1, self._count + 1)]
                    await signals.stop.wait()
                    ending = asyncio.create_task(self._end(signals))
                    for task in keeping:
                        task.cancel()
                    await ending
        finally:
            # None of them outlives us; after an orderly end there are none.
            self._signal(signal.SIGKILL)
            await asyncio.gather(*(process.wait() for process in self._running.values()))

    async def _keep(self, number: int) -> None:
        loop, back_off, first = asyncio.get_running_loop(), BackOff(), True
        while True:
            began = loop.time()
            process = await self._start(number)
            _log.info("process_started", process=number, pid=process.pid)
            code = await process.wait()
            lived_s = loop.time() - began
            if first and code > 0 and lived_s < HEALTHY_S:
                raise VoicechartError(f"process {number} could not begin (exit code {code}); its own words are above.")
            first = False
            wait_s = back_off.after(lived_s)
            _log.warning("process_ended", process=number, pid=process.pid, by=_told(code), restarting_in_s=wait_s)
            del self._running[number]
            await asyncio.sleep(wait_s)

    async def _start(self, number: int) -> Process:
        environment = dict(self._environment)
        seat = Seat(number, self._listener.fileno())
        seat.tell(environment)
        # The same command line, by the same Python. A session of its own: Ctrl-C in the terminal is ours to pass on.
        # Its input is its lifeline: however we end, it is closed, and the process ends too.
        self._running[number] = await asyncio.create_subprocess_exec(
            sys.executable, *sys.orig_argv[1:], stdin=PIPE, env=environment, pass_fds=[seat.listener_fd],
            start_new_session=True,
        )  # fmt: skip
        return self._running[number]

    async def _end(self, signals: Signals) -> None:
        """Pass the signal on and wait until all have drained; what is left after that is killed."""
        self._signal(signal.SIGINT if signals.at_once.is_set() else signal.SIGTERM)
        ended = asyncio.create_task(self._all_ended())
        at_once = asyncio.create_task(signals.at_once.wait())
        limit_s = self._drain_s + BEYOND_DRAIN_S
        await asyncio.wait([ended, at_once], timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        if at_once.done() and not ended.done():
            self._signal(signal.SIGINT)
            await asyncio.wait([ended], timeout=BEYOND_DRAIN_S)
        at_once.cancel()
        ended.cancel()
        await asyncio.gather(ended, at_once, return_exceptions=True)

    async def _all_ended(self) -> None:
        await asyncio.gather(*(self._ended(number, process) for number, process in self._running.items()))

    async def _ended(self, number: int, process: Process) -> None:
        code = await process.wait()
        self._running.pop(number, None)
        _log.info("process_ended", process=number, pid=process.pid, by=_told(code))

    def _signal(self, number: signal.Signals) -> None:
        for process in self._running.values():
            if process.returncode is None:
                process.send_signal(number)


def _told(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
