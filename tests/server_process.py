"""The real server in a process of its own, for tests from the outside."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

import httpx

__all__ = ["KNOWLEDGE", "ROOT", "RoleProcess", "ServerProcess", "free_port"]

ROOT = Path(__file__).parents[1]
KNOWLEDGE = Path(__file__).parent / "knowledge"
"""Short answers: a test that hears one to its end waits for it in real time."""
READY_S = 60.0


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ServerProcess:
    """`voicechart serve` with a folder and a port of its own."""

    def __init__(self, folder: Path, *options: str, port: int | None = None) -> None:
        self.port = free_port() if port is None else port
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"server-{self.port}.log"
        command = [sys.executable, "-m", "app", "serve", "--port", str(self.port), "--data", str(folder / "data")]
        command += ["--knowledge", str(KNOWLEDGE)]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [*command, *options], cwd=ROOT, stdout=output, stderr=subprocess.STDOUT,
                env={**os.environ, "VOICECHART_INCLUDE_LOOPBACK": "true"},
            )  # fmt: skip

    def wait_ready(self) -> ServerProcess:
        """Return once `/health/ready` is 200 and the server has said so: the two are a moment apart."""
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.log.read_text()}")
            try:
                ready = httpx.get(f"{self.url}/health/ready", timeout=2.0).status_code == 200
                if ready and "ready after" in self.log.read_text():
                    return self
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                time.sleep(0.05)
        raise AssertionError(f"the server was not ready in {READY_S:.0f} s:\n{self.log.read_text()}")

    def stop(self, number: signal.Signals = signal.SIGINT, timeout_s: float = 15.0) -> int:
        """Send a signal and return the exit code."""
        return _stop(self.process, number, timeout_s)


class RoleProcess:
    """`voicechart orchestrator` or `voicechart worker`, on a log that others share."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.log = folder / f"{words[0]}-{uuid.uuid4().hex[:8]}.log"
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app", *words], cwd=ROOT, stdout=output, stderr=subprocess.STDOUT
            )

    def wait_ready(self) -> RoleProcess:
        """Return once it says that it is at work."""
        deadline = time.monotonic() + READY_S
        while "is ready after" not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)
        return self

    def stop(self, number: signal.Signals = signal.SIGINT, timeout_s: float = 15.0) -> int:
        """Send a signal and return the exit code."""
        return _stop(self.process, number, timeout_s)


def _stop(process: subprocess.Popen[bytes], number: signal.Signals, timeout_s: float) -> int:
    if process.poll() is None:
        process.send_signal(number)
    try:
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
