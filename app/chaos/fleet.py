"""The processes that are to be harmed: one log server, and roles of their own, each behind a proxy of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

import httpx

from app.chaos.fault_proxy import FaultProxy
from app.chaos.watching import Watch
from statecharts.events import VoicechartError

__all__ = ["Fleet", "LogServer", "Role", "RoleFailed", "RoleProcess"]

Role: TypeAlias = Literal["gateway", "orchestrator", "worker"]

READY_S = 60.0
"""Longest wait for all roles to be ready: several processes load models at the same time."""
STARTS, START_AGAIN_S = 5, 0.5
PARTITIONS = 16
"""Of a log that begins empty; `RedisStreamsBus`'s default."""
_ROOT = Path(__file__).parents[2]


class RoleFailed(VoicechartError):
    """A process did not start, or ended by itself."""


class LogServer(Protocol):
    """A Redis-compatible server with an append-only file; see `adapters.bus.embedded_valkey`."""

    pid: int

    def start(self) -> str: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...


class RoleProcess:
    """One role in a process of its own, started again as often as it is killed.

    Args:
        role: What it does.
        name: Of this process, for people.
        server: The log server's unix socket; it is reached through a proxy of the process's own.
        folder: Where its log file is.
        options: Further words of its command line.
    """

    def __init__(self, role: Role, name: str, server: str, folder: Path, options: Sequence[str] = ()) -> None:
        self.role = role
        self.name = name
        self.link = FaultProxy(server)
        self.log = folder / f"{name}.log"
        self.url = ""
        self.frozen = False
        self.awaited = 0
        """How many members of its role there will have been when it is up."""
        self._port = 0
        self._options = options
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it; it is up some time later."""
        if not self.link.port:
            await self.link.start()
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self._port = probe.getsockname()[1]
            self.url = f"http://127.0.0.1:{self._port}"
        words = [*self._command(), "--bus", f"redis://127.0.0.1:{self.link.port}/0", *self._options]
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "app", *words,
                cwd=_ROOT, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,  # Ctrl-C is for us, who end them all
            )  # fmt: skip

    def _command(self) -> list[str]:
        match self.role:
            case "gateway":
                return ["serve", "--roles", "gateway", "--port", str(self._port)]
            case "orchestrator":
                return ["orchestrator"]
            case "worker":
                return ["worker", "intent", "rag"]

    @property
    def alive(self) -> bool:
        """Whether the process runs, frozen or not."""
        return self._process is not None and self._process.returncode is None

    async def kill(self) -> None:
        """Kill it where it stands (SIGKILL)."""
        if self._process is not None and self.alive:
            self._process.kill()
            await self._process.wait()
        self.frozen = False

    def freeze(self) -> None:
        """Let it stand still (SIGSTOP)."""
        self._signal(signal.SIGSTOP)
        self.frozen = True

    def thaw(self) -> None:
        """Let it go on (SIGCONT)."""
        self._signal(signal.SIGCONT)
        self.frozen = False

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self.alive:
            self._process.send_signal(number)

    async def is_ready(self) -> bool:
        """Return whether a gateway says that it is ready."""
        try:
            async with httpx.AsyncClient(base_url=self.url, timeout=1.0, trust_env=False) as http:
                return (await http.get("/health/ready")).is_success
        except httpx.TransportError:
            return False

    def tail(self) -> str:
        """Return the end of what it said."""
        return self.log.read_text(errors="replace")[-1500:].strip() or "(nothing)"


class Fleet:
    """All of them.

    Args:
        folder: Where data and log files go.
        log_server: Makes the log server on a folder.
        counts: How many processes of each role.
        options: Words for the command line of each role.
        tell: Takes lines for people.
    """

    def __init__(
        self, folder: Path, log_server: Callable[[Path], LogServer], counts: dict[Role, int],
        options: dict[Role, list[str]], tell: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.folder = folder
        self.log_server = log_server(folder / "data")
        self.address = ""
        self.watch: Watch | None = None
        self._started: Counter[Role] = Counter()
        self._counts = counts
        self._options = options
        self._tell = tell
        self.processes: list[RoleProcess] = []

    def of(self, role: Role) -> list[RoleProcess]:
        """Return the processes of a role."""
        return [process for process in self.processes if process.role == role]

    @property
    def gateways(self) -> list[str]:
        """Addresses of the gateways, whether they run or not."""
        return [process.url for process in self.of("gateway")]

    async def start(self) -> None:
        """Start everything; it is up some time later."""
        self.address = await asyncio.to_thread(self.log_server.start)
        self.watch = Watch(self.address, PARTITIONS)
        path = self.address.removeprefix("unix://")
        for role, count in self._counts.items():
            for number in range(1, count + 1):
                process = RoleProcess(role, f"{role}-{number}", path, self.folder, self._options.get(role, ()))
                self.processes.append(process)
                self._await_one_more(process)
                await process.start()
        self._tell(f"started {len(self.processes)} processes and the log server, files in {self.folder}")

    async def wait_all_up(self) -> None:
        """Return when a question asked now would be answered; `watch` must be running. Raises RoleFailed."""
        for process in self.processes:
            await self.wait_up(process)

    def _await_one_more(self, process: RoleProcess) -> None:
        self._started[process.role] += 1
        process.awaited = self._started[process.role]

    async def _is_up(self, process: RoleProcess) -> bool:
        if process.role == "gateway":
            return await process.is_ready()
        assert self.watch is not None
        return len(self.watch.known("orchestrator" if process.role == "orchestrator" else "intent")) >= process.awaited

    async def wait_up(self, process: RoleProcess) -> None:
        """Return once a process is up.

        Raises:
            RoleFailed: It ended, or was not up in time; the message holds what it said.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + READY_S
        while not await self._is_up(process):
            if not process.alive:
                raise RoleFailed(f"{process.name} ended by itself. It said:\n{process.tail()}")
            if loop.time() > deadline:
                raise RoleFailed(f"{process.name} was not up within {READY_S:.0f} s. It said:\n{process.tail()}")
            await asyncio.sleep(0.1)  # it can only be asked

    async def restart(self, process: RoleProcess) -> None:
        """Start a process that was killed, and return once it is up.

        One that ends while it starts, as it does where the log server is away just then, is started again, as whoever
        supervises it in earnest would. Raises RoleFailed.
        """
        self._await_one_more(process)
        for _ in range(STARTS - 1):
            await process.start()
            try:
                await self.wait_up(process)
            except RoleFailed:
                if process.alive:
                    raise
                await asyncio.sleep(START_AGAIN_S)
            else:
                return
        await process.start()
        await self.wait_up(process)

    def freeze_log(self, *, frozen: bool) -> None:
        """Let the log server stand still, or go on."""
        os.kill(self.log_server.pid, signal.SIGSTOP if frozen else signal.SIGCONT)

    async def restart_log(self, away_s: float) -> None:
        """Kill the log server where it stands and start it again on its files after `away_s` seconds."""
        await asyncio.to_thread(self.log_server.kill)
        await asyncio.sleep(away_s)
        await asyncio.to_thread(self.log_server.start)

    async def stop(self) -> None:
        """End everything at once."""
        for process in self.processes:
            process.thaw()
        await asyncio.gather(*(process.kill() for process in self.processes))
        await asyncio.gather(*(process.link.close() for process in self.processes))
        await asyncio.to_thread(self.log_server.stop)
