"""Redis-compatible servers that tests may kill, freeze and start again, each on a port of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adapters.bus.embedded_cluster import free_ports
from adapters.bus.embedded_valkey import find_binary
from adapters.guardian import guarded

START_S = 10.0


class Server:
    """One server: of data, or a Sentinel.

    Args:
        folder: Where it writes; it is made.
        options: Its settings, such as `--appendonly`, `yes`; or a file of them and `--sentinel`.
        before: What runs before it, such as a shell that prepares its disk.
    """

    def __init__(self, folder: Path, *options: str, before: tuple[str, ...] = ()) -> None:
        self.data = folder / "data"
        self.data.mkdir(parents=True)
        [self.port] = free_ports(1)
        self.folder = folder
        self._options = options
        self._before = before
        self._guardian: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Its process, as the server tells."""
        return int((self.folder / "server.pid").read_text())

    def start(self) -> None:
        """Start it, on the port and the data it had before; return when it answers."""
        command = [
            *self._before, find_binary(), *self._options, "--port", str(self.port), "--bind", "127.0.0.1",
            "--dir", str(self.data), "--logfile", str(self.folder / "server.log"),
            "--pidfile", str(self.folder / "server.pid"),
        ]  # fmt: skip
        if "--sentinel" not in self._options:
            command += ["--save", "", "--maxmemory-policy", "noeviction"]
        self._guardian = subprocess.Popen(guarded(command), stdin=subprocess.PIPE, start_new_session=True)
        deadline = time.monotonic() + START_S
        while not self._answers():
            assert time.monotonic() < deadline, (self.folder / "server.log").read_text()
            assert self._guardian.poll() is None
            time.sleep(0.01)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as probe:
                probe.sendall(b"PING\r\n")
                return probe.recv(64).startswith((b"+PONG", b"-NOAUTH"))  # it wants a password: it is there
        except OSError:
            return False

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stand still meanwhile."""
        pid = self.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def kill(self) -> None:
        """Kill it where it stands."""
        os.kill(self.pid, signal.SIGKILL)
        self._bury()

    def stop(self) -> None:
        """End it; a second call does nothing."""
        if self._guardian is not None:
            self._bury()

    def _bury(self) -> None:
        assert self._guardian is not None
        assert self._guardian.stdin is not None
        self._guardian.stdin.close()
        self._guardian.wait(10.0)
        self._guardian = None
