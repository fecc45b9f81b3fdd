"""A cluster of our own on this machine, for tests and measurements: no data is kept."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path

import hiredis

from adapters.bus.embedded_valkey import find_binary
from adapters.guardian import guarded
from statecharts.events import VoicechartError

__all__ = ["EmbeddedCluster", "free_ports"]

SLOTS = 16384
FORM_S = 30.0
"""Longest wait for all nodes to agree; two seconds are usual."""
NODE_TIMEOUT_MS = 1000


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that nobody listens on now."""
    with ExitStack() as held:
        taken = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in taken:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in taken]


class EmbeddedCluster:
    """Some masters that share the slots; they end with this process.

    Args:
        folder: Where the nodes write.
        masters: How many masters, three at least.
        replicas: How many more for each of them.
    """

    def __init__(self, folder: Path, masters: int = 3, replicas: int = 0) -> None:
        self._folder = folder
        self._masters = masters
        self._count = masters * (1 + replicas)
        self._guardians: list[subprocess.Popen[bytes]] = []
        self.ports: list[int] = []
        """Of the masters, then of their replicas."""

    def start(self, *options: str) -> str:
        """Start the nodes and return the cluster's address once all agree who has what.

        Args:
            options: More settings of each, such as `--appendonly`, `yes`.

        Raises:
            VoicechartError: They do not start, or do not agree.
        """
        found = free_ports(self._count * 2)
        self.ports, buses = found[: self._count], found[self._count :]
        for port, bus in zip(self.ports, buses, strict=True):
            folder = self._folder / str(port)
            folder.mkdir(parents=True)
            command = [
                find_binary(), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "",
                "--logfile", str(folder / "valkey.log"), "--pidfile", str(folder / "valkey.pid"), "--daemonize", "no",
                "--cluster-enabled", "yes", "--cluster-port", str(bus), "--cluster-node-timeout", str(NODE_TIMEOUT_MS),
                "--maxmemory-policy", "noeviction", "--repl-diskless-sync-delay", "0", *options,
            ]  # fmt: skip
            self._guardians.append(subprocess.Popen(guarded(command), stdin=subprocess.PIPE, start_new_session=True))
        try:
            self._form(buses)
        except ConnectionError as error:
            self.stop()
            raise VoicechartError(f"the cluster in {self._folder} was not formed within {FORM_S} s: {error}") from error
        return "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in self.ports)

    def pid(self, port: int) -> int:
        """Return the process of a node."""
        return int((self._folder / str(port) / "valkey.pid").read_text())

    def stop(self) -> None:
        """End all nodes; a second call does nothing."""
        guardians, self._guardians = self._guardians, []
        for port in self.ports if guardians else []:
            try:
                os.kill(self.pid(port), signal.SIGKILL)  # they have nothing to save
            except (OSError, ValueError):
                continue  # it never started, or was killed already
        for guardian in guardians:
            assert guardian.stdin is not None
            guardian.stdin.close()
            guardian.wait()

    def _form(self, buses: list[int]) -> None:
        deadline = time.monotonic() + FORM_S
        share = -(-SLOTS // self._masters)

        def until(agreed: Callable[[int], bool]) -> None:
            for port in self.ports:
                while not agreed(port):
                    if time.monotonic() > deadline:
                        raise ConnectionError(f"the node at {port} says {_ask(port, 'CLUSTER', 'NODES')}")
                    time.sleep(0.02)

        until(lambda port: _ask(port, "PING") == "PONG")
        for index, port in enumerate(self.ports):
            _ask(port, "CLUSTER", "SET-CONFIG-EPOCH", index + 1)
            if index < self._masters:
                first = index * share
                _ask(port, "CLUSTER", "ADDSLOTSRANGE", first, min(SLOTS, first + share) - 1)
            _ask(self.ports[0], "CLUSTER", "MEET", "127.0.0.1", port, buses[index])
        until(lambda port: f"cluster_known_nodes:{self._count}\r" in _ask(port, "CLUSTER", "INFO"))
        masters = [_ask(port, "CLUSTER", "MYID") for port in self.ports[: self._masters]]
        followed = dict(zip(self.ports[self._masters :], cycle(masters), strict=False))
        until(lambda port: port not in followed or _ask(port, "CLUSTER", "REPLICATE", followed[port]) == "OK")
        until(lambda port: "cluster_state:ok" in _ask(port, "CLUSTER", "INFO"))
        until(lambda port: port not in followed or "master_link_status:up" in _ask(port, "INFO", "replication"))


def _ask(port: int, *words: str | int) -> str:
    """Ask one node one thing; a refusal, or nobody there, is an answer too."""
    reader = hiredis.Reader(encoding="utf-8")
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5.0) as line:
            line.sendall(hiredis.pack_command(tuple(words)))  # type: ignore[arg-type]  # its stub knows commands of one word only
            while (answer := reader.gets()) is False:
                if not (data := line.recv(65536)):
                    return "it hung up"
                reader.feed(data)
    except OSError as error:
        return str(error)
    return str(answer)
